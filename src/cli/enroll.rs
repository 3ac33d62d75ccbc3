//! `bulla enroll`: get a certificate from a CA.

use std::path::PathBuf;
use std::process::ExitCode;

use time::Duration;

use super::Context;
use super::authority::{AuthorityArgs, parse_period};
use super::error::Usage;
use super::keys::{self, PassphraseFrom};
use super::product;
use super::profile;
use super::report::Report;
use super::revoke::reason;
use super::subject::SubjectArgs;
use crate::ca::{Ca, Issuer};
use crate::enroll::{Ask, Direct, Enroller, Occasion};
use crate::files::{Creation, Output, shown_output};
use crate::key::KeyRef;
use crate::x509::verify::Anchors;
use crate::x509::{Hierarchy, Profile, ProvenRequest, Reason, Request, Variables, Wanted, colon_hex, rfc3339};

/// Get a certificate from a CA, for a request or a key
///
/// What comes back is checked (our key, the profile, the chain to the CA's root) and written as a full chain, leaf
/// first, in one step. The same request gives the same certificate again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla enroll device.csr --profile idevid --ca acme -o device.pem
  $ bulla enroll --key firmware.key --profile firmware --cn \"Acme 2026\" --ca acme -o firmware.pem
  $ bulla enroll new.csr --profile idevid --supersede --reason superseded --ca acme -o new.pem")]
pub struct Args {
    /// The certificate request; `-` is standard input
    #[arg(value_name = "CSR", required_unless_present = "key", conflicts_with = "key")]
    request: Option<PathBuf>,
    /// Make the request in memory, from this private key and the name flags
    #[arg(long, value_name = "KEY")]
    key: Option<KeyRef>,
    /// The certificate profile: its name or file; may be left out where the issuer serves only one
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Revoke the certificate that the identity has for another key, for --reason
    #[arg(long, requires = "reason")]
    supersede: bool,
    /// Why it is revoked (RFC 5280 section 5.3.1)
    #[arg(long, value_name = "REASON", requires = "supersede", value_parser = reason())]
    reason: Option<Reason>,
    /// How long the certificate is valid instead of the profile's time, as 90d or 20y
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    valid_for: Option<Duration>,
    /// Allow a certificate that is valid for longer than its issuer
    #[arg(long)]
    allow_outlive: bool,
    /// Where the certificate chain goes; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The passphrase of --key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", conflicts_with = "request")]
    passphrase_from: Option<PassphraseFrom>,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    authority: AuthorityArgs,
    #[command(flatten)]
    subject: SubjectArgs,
}

/// What is asked of a CA, before it is asked.
pub struct Asked<'a> {
    pub request: ProvenRequest,
    pub profile: Profile,
    pub variables: Variables,
    pub occasion: Occasion<'a>,
    pub valid_for: Option<Duration>,
    pub allow_outlive: bool,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.authority.find(context)?;
    let profile = choose(args.profile.as_deref(), &ca, named)?;
    let wanted = args.subject.wanted()?;
    let output = product::output(&args.output, Creation { private: false, replace: args.force }, context)?;
    let request = request(args, &profile, &wanted, context)?;
    let hierarchy = match named {
        Some(named) => named,
        None => serving(&ca, &profile)?,
    };
    let issuer = args.authority.key.issuer(&ca, hierarchy, None, context)?;
    let occasion = args.reason.map_or(Occasion::New, Occasion::Supersede);
    let asked = Asked {
        request,
        profile,
        variables: wanted.variables,
        occasion,
        valid_for: args.valid_for,
        allow_outlive: args.allow_outlive,
    };
    context.done(obtain(&asked, issuer, ca.anchors(hierarchy)?, output, "bulla.enroll/1", context)?)
}

/// Asks the CA, and writes what it issued.
pub fn obtain(
    asked: &Asked<'_>,
    issuer: Issuer,
    anchors: Anchors,
    output: Output,
    schema: &str,
    context: &Context,
) -> anyhow::Result<Report> {
    let Asked { request, profile, variables, occasion, valid_for, allow_outlive } = asked;
    let enroller: Box<dyn Enroller> = Box::new(Direct::new(issuer, anchors));
    let ask =
        Ask { request, profile, variables, occasion: *occasion, validity: *valid_for, may_outlive: *allow_outlive };
    let chain = enroller.enroll(&ask, context.now)?;
    let path = output.path().to_owned();
    output.write(chain.to_pem().as_bytes())?;
    let leaf = chain.leaf();
    if valid_for.is_some() && leaf.not_before() < context.now && profile.not_before(context.now) == context.now {
        context.warn("the certificate was issued before, and --valid-for changes nothing in it");
    }
    let (subject, serial) = (leaf.subject().to_string(), colon_hex(leaf.serial()));
    Ok(Report::new(schema)
        .line(format!(
            "{}: {} certificate of {subject}, serial {serial}, valid until {}",
            shown_output(&path),
            profile.name,
            rfc3339(leaf.not_after())
        ))
        .field("output", path.to_string_lossy().into_owned())
        .field("profile", profile.name.clone())
        .field("subject", subject)
        .field("serial", serial)
        .field("not_before", rfc3339(leaf.not_before()))
        .field("not_after", rfc3339(leaf.not_after()))
        .field("sha256", leaf.fingerprint().to_string())
        .field("spki_sha256", request.public_key().fingerprint().to_string())
        .field("chain_length", chain.certificates().len()))
}

/// The profile that was said: by its name or file, or by an issuer that serves only one.
fn choose(name: Option<&str>, ca: &Ca, issuer: Option<Hierarchy>) -> anyhow::Result<Profile> {
    if let Some(name) = name {
        return Ok(profile::find(name, Some(&ca.profiles()))?);
    }
    // The firmware issuer's other built-in profile is for the CA's own OCSP responder.
    match issuer {
        Some(Hierarchy::Firmware) => Ok(Profile::named("firmware")?),
        _ => Err(Usage("the profile must be said: add --profile NAME".to_owned()).into()),
    }
}

/// The issuer that serves a profile, where only one does.
fn serving(ca: &Ca, profile: &Profile) -> anyhow::Result<Hierarchy> {
    let serving: Vec<Hierarchy> = ca.hierarchies().filter(|hierarchy| profile.serves(*hierarchy)).collect();
    match (serving.as_slice(), Hierarchy::ALL.into_iter().find(|hierarchy| profile.serves(*hierarchy))) {
        ([one], _) => Ok(*one),
        // The error names what the CA lacks.
        ([], Some(lacking)) => Ok(lacking),
        _ => Err(Usage(format!("several issuers serve profile {}; name one, as acme/device", profile.name)).into()),
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
    prove(request)
}

/// Checks that a request was made with its key.
pub fn prove(request: Request) -> anyhow::Result<ProvenRequest> {
    use anyhow::Context as _;
    request.prove().context("the request does not prove that its sender holds the key")
}
