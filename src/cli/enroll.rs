//! `bulla enroll`: get a certificate from a CA.

use std::path::PathBuf;
use std::process::ExitCode;

use time::Duration;

use super::Context;
use super::error::Usage;
use super::keys::{self, PassphraseFrom, Unlock};
use super::product;
use super::profile;
use super::report::Report;
use super::subject::SubjectArgs;
use crate::ca::{Ca, Issuer};
use crate::enroll::{Ask, Direct, Enroller};
use crate::files::{Creation, shown_output};
use crate::key::KeyRef;
use crate::x509::{Hierarchy, Profile, ProvenRequest, Request, Wanted, colon_hex, rfc3339};

/// Get a certificate from a CA, for a request or a key
///
/// What comes back is checked (our key, the profile, the chain to the CA's root) and written as a full chain, leaf
/// first, in one step. The same request gives the same certificate again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla enroll device.csr --profile idevid --ca acme -o device.pem
  $ bulla enroll --key firmware.key --profile firmware --cn \"Acme 2026\" --ca acme -o firmware.pem")]
pub struct Args {
    /// The certificate request; `-` is standard input
    #[arg(value_name = "CSR", required_unless_present = "key", conflicts_with = "key")]
    request: Option<PathBuf>,
    /// Make the request in memory, from this private key and the name flags
    #[arg(long, value_name = "KEY")]
    key: Option<KeyRef>,
    /// The certificate profile, a name or a file; may be left out where the issuer serves only one
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// The CA: its folder, or one of its issuers, as acme/device
    #[arg(long, value_name = "CA")]
    ca: PathBuf,
    /// How long the certificate is valid instead of the profile's time, as 90d or 20y
    #[arg(long, value_name = "TIME", value_parser = parse_validity)]
    valid_for: Option<Duration>,
    /// Where the certificate chain goes; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The passphrase of --key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", conflicts_with = "request")]
    passphrase_from: Option<PassphraseFrom>,
    /// The passphrase of the CA's key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    ca_passphrase_from: Option<PassphraseFrom>,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    subject: SubjectArgs,
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = Ca::find(&args.ca)?;
    let profile = profile_of(args.profile.as_deref(), named)?;
    let output = product::output(&args.output, Creation { private: false, replace: args.force }, context)?;
    let wanted = args.subject.wanted()?;
    let request = request(&args, &profile, &wanted, context)?;
    let undecided = || Usage("the issuer must be said: add its name to --ca, as acme/device".to_owned());
    let hierarchy = named.or(profile.hierarchy).ok_or_else(undecided)?;
    let unlock = Unlock {
        from: args.ca_passphrase_from.as_ref(),
        flag: "--ca-passphrase-from",
        what: "passphrase of the CA's key",
    };
    let signer = keys::unlocked(ca.issuing_key(hierarchy)?, "the CA's key", unlock, context)?;
    let issuer = ca.issuer(hierarchy, Box::new(signer))?;
    let enroller: Box<dyn Enroller> = Box::new(Direct::new(issuer, ca.anchors(hierarchy)?));
    let variables = &wanted.variables;
    let ask = Ask { request: &request, profile: &profile, variables, validity: args.valid_for };
    let chain = enroller.enroll(&ask, context.now)?;
    output.write(chain.to_pem().as_bytes())?;
    let leaf = chain.leaf();
    if args.valid_for.is_some() && leaf.not_before() < profile.not_before(context.now) {
        context.warn("the certificate was issued before, and --valid-for changes nothing in it");
    }
    let (subject, serial) = (leaf.subject().to_string(), colon_hex(leaf.serial()));
    context.done(
        Report::new("bulla.enroll/1")
            .line(format!(
                "{}: {} certificate of {subject}, serial {serial}, valid until {}",
                shown_output(&args.output),
                profile.name,
                rfc3339(leaf.not_after())
            ))
            .field("output", args.output.to_string_lossy().into_owned())
            .field("profile", profile.name)
            .field("subject", subject)
            .field("serial", serial)
            .field("not_before", rfc3339(leaf.not_before()))
            .field("not_after", rfc3339(leaf.not_after()))
            .field("sha256", leaf.fingerprint().to_string())
            .field("spki_sha256", request.public_key().fingerprint().to_string())
            .field("chain_length", chain.certificates().len()),
    )
}

/// The profile that was said: by its name, or by an issuer that serves only one.
fn profile_of(name: Option<&str>, issuer: Option<Hierarchy>) -> anyhow::Result<Profile> {
    if let Some(name) = name {
        return Ok(profile::find(name, None)?);
    }
    let served: Vec<&Profile> = issuer.map(|hierarchy| Issuer::profiles(hierarchy).collect()).unwrap_or_default();
    match served.as_slice() {
        [one] => Ok((*one).clone()),
        _ => Err(Usage("the profile must be said: add --profile NAME".to_owned()).into()),
    }
}

fn request(args: &Args, profile: &Profile, wanted: &Wanted, context: &Context) -> anyhow::Result<ProvenRequest> {
    let request = match (&args.request, &args.key) {
        (Some(_), _) if !(wanted.subject.is_empty() && wanted.alt_names.is_empty()) => {
            let message = "a request brings its own names; name flags go with --key";
            return Err(Usage(message.to_owned()).into());
        }
        (Some(path), _) => Request::read(path)?,
        (None, Some(reference)) => {
            let key = keys::open(reference, keys::own(args.passphrase_from.as_ref()), context)?;
            Request::new(profile, wanted, &key)?
        }
        (None, None) => return Err(Usage("give a request, or a key with --key".to_owned()).into()),
    };
    use anyhow::Context as _;
    request.prove().context("the request does not prove that its sender holds the key")
}

/// Reads a number of days or years of 365 days.
fn parse_validity(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a number of days or years, as 90d or 20y".to_owned();
    let (number, days) = match text.strip_suffix('d') {
        Some(number) => (number, 1),
        None => (text.strip_suffix('y').ok_or_else(wrong)?, 365),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    // 8000 years reach past 9999, where every certificate ends.
    if number == 0 || i64::from(number) * days > 8000 * 366 {
        return Err(wrong());
    }
    Ok(Duration::days(i64::from(number) * days))
}
