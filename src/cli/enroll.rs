//! `bulla enroll`: get a certificate from a CA.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Context;
use super::authority::serving;
use super::error::Usage;
use super::obtain::{self, Asked, ObtainArgs};
use super::profile;
use super::report::Report;
use super::revoke::final_reason;
use super::subject::SubjectArgs;
use crate::ca::Ca;
use crate::enroll::Occasion;
use crate::key::KeyRef;
use crate::x509::{Hierarchy, Profile, ProvenRequest, Reason, Request, Wanted};

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
    #[arg(long, value_name = "REASON", requires = "supersede", value_parser = final_reason())]
    reason: Option<Reason>,
    #[command(flatten)]
    obtain: ObtainArgs,
    #[command(flatten)]
    subject: SubjectArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.obtain.authority.find()?;
    let profile = choose(args.profile.as_deref(), &ca, named)?;
    let wanted = args.subject.wanted()?;
    let output = args.obtain.output(context)?;
    let request = request(args, &profile, &wanted, context)?;
    let hierarchy = serving(&ca, named, &profile)?;
    let occasion = args.reason.map_or(Occasion::New, Occasion::Supersede);
    let asked = Asked { request: &request, profile: &profile, variables: &wanted.variables, occasion };
    args.obtain.obtain(&asked, &ca, hierarchy, output, Report::new("bulla.enroll/1"), context)
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

fn request(args: &Args, profile: &Profile, wanted: &Wanted, context: &Context) -> anyhow::Result<ProvenRequest> {
    let request = match (&args.request, &args.key) {
        (Some(_), _) if !(wanted.subject.is_empty() && wanted.alt_names.is_empty()) => {
            let message = "a request brings its own names; name flags go with --key";
            return Err(Usage(message.to_owned()).into());
        }
        (Some(path), _) => Request::read(path)?,
        (None, Some(reference)) => {
            let key = args.obtain.open(reference, context)?;
            Request::new(profile, wanted, &key)?
        }
        (None, None) => return Err(Usage("give a request, or a key with --key".to_owned()).into()),
    };
    obtain::prove(request)
}
