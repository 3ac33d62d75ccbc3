//! `bulla ca crl`: issue a revocation list.

use std::path::PathBuf;
use std::process::ExitCode;

use time::Duration;

use crate::ca::{Ca, Generation, RevocationList};
use crate::cli::Context;
use crate::cli::authority::{KeyArgs, only, parse_period};
use crate::cli::error::Usage;
use crate::cli::keys::{self, PassphraseFrom, Unlock};
use crate::cli::product::{self, Encoding};
use crate::cli::report::Report;
use crate::files::{Creation, Document, Kind, shown_output};
use crate::key::KeyRef;
use crate::x509::{Hierarchy, Name, Time, rfc3339};

/// Issue a certificate revocation list
///
/// Run it each --every, and after each revocation that cannot wait: a list stays valid for --overlap longer than that,
/// so that there is no moment without one. An issuing CA that was renewed with a new key gets a list for each of its
/// keys, in one PEM file.
///
/// With --of-root it is the list of the CA above, which names issuing CAs that `bulla revoke` revoked.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca crl acme/device -o device.crl
  $ bulla ca crl acme/device --of-root -o root.crl
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
    /// Issue the list of the CA above the issuing CA, with its key
    #[arg(long)]
    of_root: bool,
    /// The key of the CA above, where it is not in the CA's folder
    #[arg(long, value_name = "KEY", requires = "of_root")]
    root_key: Option<KeyRef>,
    /// The passphrase of the root's key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", requires = "of_root")]
    root_passphrase_from: Option<PassphraseFrom>,
    #[command(flatten)]
    key: KeyArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.key.find(&args.ca)?;
    let hierarchy = only(&ca, named, &args.ca)?;
    let output = product::output(&args.output, Creation { private: false, replace: args.force }, context)?;
    let next_update = context.now.saturating_add(args.every).saturating_add(args.overlap);
    let made = match args.of_root {
        true => vec![of_root(args, &ca, hierarchy, next_update, context)?],
        false => of_issuer(args, &ca, hierarchy, next_update, context)?,
    };
    let mut report = Report::new("bulla.ca-crl/1")
        .field("output", args.output.to_string_lossy().into_owned())
        .field("next_update", rfc3339(next_update));
    let mut bytes = Vec::new();
    for (subject, list) in &made {
        match args.encoding {
            Encoding::Pem => bytes.extend_from_slice(Document::to_pem(Kind::Crl, &list.der).as_bytes()),
            Encoding::Der => bytes.extend_from_slice(&list.der),
        }
        let part = Report::of_part()
            .line(format!(
                "{}: list {} of {subject}, {} revoked, valid until {}",
                shown_output(&args.output),
                list.number,
                list.revoked,
                rfc3339(next_update)
            ))
            .field("issuer", subject.to_string())
            .field("number", list.number)
            .field("revoked", list.revoked);
        report = report.part("lists", part);
    }
    output.write(&bytes)?;
    context.done(report)
}

/// A list for each key of the issuing CA.
fn of_issuer(
    args: &Args,
    ca: &Ca,
    hierarchy: Hierarchy,
    next_update: Time,
    context: &Context,
) -> anyhow::Result<Vec<(Name, RevocationList)>> {
    let signers = signers(ca, hierarchy, context.now)?;
    if args.encoding == Encoding::Der && signers.len() > 1 {
        let message = "the issuer has had several keys, and a list for each goes into one PEM file, not into DER";
        return Err(Usage(message.to_owned()).into());
    }
    let mut made = Vec::new();
    for generations in &signers {
        let numbers: Vec<u32> = generations.iter().map(|generation| generation.number).collect();
        let issuer = args.key.issuer(ca, hierarchy, numbers.last().copied(), context)?;
        let list = issuer.revocation_list(&numbers, context.now, next_update)?;
        made.push((issuer.certificate().subject().clone(), list));
    }
    Ok(made)
}

/// The list of the CA above.
fn of_root(
    args: &Args,
    ca: &Ca,
    hierarchy: Hierarchy,
    next_update: Time,
    context: &Context,
) -> anyhow::Result<(Name, RevocationList)> {
    let reference = args.root_key.clone().unwrap_or_else(|| ca.root_key(hierarchy));
    let what = "passphrase of the root's key";
    let unlock = Unlock { from: args.root_passphrase_from.as_ref(), flag: "--root-passphrase-from", what };
    let signer = keys::open(&reference, unlock, context)?;
    let issuer = args.key.issuer(ca, hierarchy, None, context)?;
    let list = issuer.revocation_list_above(&signer, context.now, next_update)?;
    Ok((issuer.above().map_or_else(Name::empty, |above| above.subject().clone()), list))
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
