//! `bulla verify-chain`: check certificates alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Context;
use super::report::Report;
use super::trust::{ChainArgs, PurposeArg, anchors, evidence, parse_name, with_path, with_policies};
use crate::files::{printable, shown};
use crate::image::Bad;
use crate::x509::verify::{self, Path as Found, Rules};
use crate::x509::{AltName, read_certificates, rfc3339};

/// Check a certificate and the chain that vouches for it
///
/// Exit code 0 means that every check holds, 3 that one does not, anything else that the question could not be put. The
/// chain is built from what is given alone; nothing is fetched.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla verify-chain device.pem --trust acme/device/root.pem --purpose idevid
  $ bulla verify-chain server.pem --trust roots.pem --purpose tls-server --name est.acme.example
  $ bulla verify-chain firmware.pem --trust root.pem --purpose firmware --at 2030-01-01T00:00:00Z
  $ bulla verify-chain device.pem --trust acme/device/root.pem --purpose idevid --crl device.crl")]
pub struct Args {
    /// The certificate; what follows it in the file may help to build the chain; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Trust whom these certificates vouch for; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    trust: Vec<PathBuf>,
    /// Certificates to build the chain with; may be given several times
    #[arg(long, value_name = "FILE")]
    untrusted: Vec<PathBuf>,
    /// What the certificate must be for
    #[arg(long, value_enum)]
    purpose: PurposeArg,
    /// Whom it must be for: a host, an address, or dns:NAME, ip:ADDRESS, uri:URI, email:ADDRESS
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: Option<AltName>,
    #[command(flatten)]
    chain: ChainArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let anchors = anchors(&args.trust)?;
    let rules = match args.chain.rules(args.purpose.into(), context)? {
        Ok(rules) => Rules { name: args.name.clone(), ..rules },
        Err(bad) => return context.answer(bad_report(&args.file, &bad), 3),
    };
    let mut certificates = Vec::new();
    for path in std::iter::once(&args.file).chain(&args.untrusted) {
        match evidence(read_certificates("certificate", path))? {
            Ok(found) => certificates.extend(found),
            Err(bad) => return context.answer(bad_report(&args.file, &bad), 3),
        }
    }
    let Some((leaf, untrusted)) = certificates.split_first() else {
        let bad = Bad::new("malformed", "there is no certificate in it");
        return context.answer(bad_report(&args.file, &bad), 3);
    };
    match verify::path(leaf, untrusted, &anchors, &rules) {
        Ok(path) => context.answer(good_report(&args.file, &rules, &path), 0),
        Err(refusal) => context.answer(bad_report(&args.file, &refusal.into()), 3),
    }
}

/// The report of a chain that holds.
fn good_report(file: &Path, rules: &Rules, path: &Found) -> Report {
    let report = Report::new("bulla.verify-chain/1")
        .line(format!("good  {}", shown(file)))
        .field("verdict", "good")
        .field("file", file.to_string_lossy().into_owned())
        .row("subject", path.chain.leaf().subject().to_string());
    let report = with_path(report, path).row("purpose", rules.purpose.name());
    let report = match &rules.name {
        Some(name) => report.row("name", name.to_string()),
        None => report,
    };
    with_policies(report, &rules.policies, path).row("at", rfc3339(rules.at))
}

/// The report of one that does not.
fn bad_report(file: &Path, bad: &Bad) -> Report {
    Report::new("bulla.verify-chain/1")
        .line(format!("bad   {}: {} ({})", shown(file), printable(&bad.words), bad.code))
        .field("verdict", "bad")
        .field("file", file.to_string_lossy().into_owned())
        .field("code", bad.code)
        .field("reason", printable(&bad.words))
}
