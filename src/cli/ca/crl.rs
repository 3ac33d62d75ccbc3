//! `bulla ca crl`: issue a revocation list.

use std::path::PathBuf;
use std::process::ExitCode;

use time::Duration;

use crate::ca::{Ca, Generation};
use crate::cli::Context;
use crate::cli::authority::{KeyArgs, only, parse_period};
use crate::cli::error::Usage;
use crate::cli::product::{self, Encoding};
use crate::cli::report::Report;
use crate::files::{Creation, Document, Kind, shown_output};
use crate::x509::{Hierarchy, Time, rfc3339};

/// Issue a certificate revocation list
///
/// Run it each --every, and after each revocation that cannot wait: a list stays valid for --overlap longer than that,
/// so that there is no moment without one. An issuing CA that was renewed with a new key gets a list for each of its
/// keys, in one PEM file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca crl acme/device -o device.crl
  $ bulla ca crl acme/device --every 1d --overlap 3d --encoding der -o device.crl --force")]
pub struct Args {
    /// The CA's issuer, as acme/device
    #[arg(value_name = "CA")]
    ca: PathBuf,
    /// Where the list goes; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// When the next list will be issued, in days
    #[arg(long, value_name = "TIME", value_parser = parse_period, default_value = "6d")]
    every: Duration,
    /// For how much longer this one stays valid
    #[arg(long, value_name = "TIME", value_parser = parse_period, default_value = "1d")]
    overlap: Duration,
    /// How it is encoded
    #[arg(long, value_enum, default_value_t)]
    encoding: Encoding,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    key: KeyArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.key.find(&args.ca, context)?;
    let hierarchy = only(&ca, named, &args.ca)?;
    let output = product::output(&args.output, Creation { private: false, replace: args.force }, context)?;
    let signers = signers(&ca, hierarchy, context.now)?;
    if args.encoding == Encoding::Der && signers.len() > 1 {
        let message = "the issuer has had several keys, and a list for each goes into one PEM file, not into DER";
        return Err(Usage(message.to_owned()).into());
    }
    let next_update = context.now.saturating_add(args.every).saturating_add(args.overlap);
    let mut report = Report::new("bulla.ca-crl/1")
        .field("output", args.output.to_string_lossy().into_owned())
        .field("next_update", rfc3339(next_update));
    let mut bytes = Vec::new();
    for generations in &signers {
        let numbers: Vec<u32> = generations.iter().map(|generation| generation.number).collect();
        let issuer = args.key.issuer(&ca, hierarchy, numbers.last().copied(), context)?;
        let list = issuer.revocation_list(&numbers, context.now, next_update)?;
        match args.encoding {
            Encoding::Pem => bytes.extend_from_slice(Document::to_pem(Kind::Crl, &list.der).as_bytes()),
            Encoding::Der => bytes.extend_from_slice(&list.der),
        }
        let subject = issuer.certificate().subject().to_string();
        let part = Report::of_part()
            .line(format!(
                "{}: list {} of {subject}, {} revoked, valid until {}",
                shown_output(&args.output),
                list.number,
                list.revoked,
                rfc3339(next_update)
            ))
            .field("issuer", subject)
            .field("number", list.number)
            .field("revoked", list.revoked);
        report = report.part("lists", part);
    }
    output.write(&bytes)?;
    context.done(report)
}

/// The generations of each key of an issuing CA, of keys that still have a valid certificate, oldest key first.
fn signers(ca: &Ca, hierarchy: Hierarchy, now: Time) -> anyhow::Result<Vec<Vec<Generation>>> {
    let mut signers: Vec<Vec<Generation>> = Vec::new();
    for generation in ca.generations(hierarchy)? {
        let spki = generation.chain.leaf().spki().to_vec();
        let same = signers.iter_mut().find(|signer| signer.iter().any(|other| other.chain.leaf().spki() == spki));
        match same {
            Some(signer) => signer.push(generation),
            None => signers.push(vec![generation]),
        }
    }
    let newest = signers.len().saturating_sub(1);
    let mut index = 0;
    signers.retain(|signer| {
        let is_valid = signer.iter().any(|generation| generation.chain.leaf().not_after() >= now);
        index += 1;
        // The clock check of the newest says what is wrong where all have ended.
        is_valid || index > newest
    });
    Ok(signers)
}
