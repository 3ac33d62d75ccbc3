//! `bulla enroll`: get a certificate from a CA.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::Context;
use super::authority::{Place, only_with_folder, serving};
use super::error::Usage;
use super::est_url::EstUrl;
use super::obtain::{self, Asked, ObtainArgs};
use super::order::{Order, Source};
use super::profile;
use super::remote::{RemoteArgs, only_with_server};
use super::report::Report;
use super::revoke::final_reason;
use super::subject::SubjectArgs;
use crate::ca::Ca;
use crate::enroll::Occasion;
use crate::enroll::est::KeyRecipient;
use crate::key::{KeyRef, KeyType, SoftwareKey};
use crate::x509::{Hierarchy, Profile, ProvenRequest, Reason, Request, Wanted};

/// Get a certificate from a CA, for a request or a key
///
/// What comes back is checked (our key, the profile, the chain to the CA's root) and written as a full chain, leaf
/// first, in one step. The same request gives the same certificate again.
///
/// The CA is a folder, or a server that speaks EST (RFC 7030). Where the server decides later, the exit code is 6 and
/// FILE.ticket holds the request: the same command takes it up. HTTPS_PROXY and NO_PROXY are heeded.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla enroll device.csr --profile idevid --ca acme -o device.pem
  $ bulla enroll --key firmware.key --profile firmware --cn \"Acme 2026\" --ca acme -o firmware.pem
  $ bulla enroll new.csr --profile idevid --supersede --reason superseded --ca acme -o new.pem
  $ bulla enroll a.csr --profile idevid --ca est://ca --trust ca.pem --token-from env:T -o a.pem")]
pub struct Args {
    /// The certificate request; `-` is standard input
    #[arg(value_name = "CSR", required_unless_present_any = ["key", "server_keygen"],
        conflicts_with_all = ["key", "server_keygen"])]
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
    /// Let the server make the key, too (RFC 7030 section 4.4)
    #[arg(long, requires = "key_out", conflicts_with = "key", help_heading = "CA server")]
    server_keygen: bool,
    /// Where that private key goes
    #[arg(long, value_name = "FILE", requires = "server_keygen", help_heading = "CA server")]
    key_out: Option<PathBuf>,
    /// Have that key encrypted to the key of --client-cert, beyond the connection (RFC 7030 section 4.4.1.2)
    #[arg(long, requires_all = ["server_keygen", "client_cert"], help_heading = "CA server")]
    encrypt_key: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match args.obtain.issuer.place()? {
        Place::Folder(path) => near(args, path, context),
        Place::Server(url) => far(args, &url, context),
    }
}

/// Gets the certificate from a CA in a folder.
fn near(args: &Args, path: &Path, context: &Context) -> anyhow::Result<ExitCode> {
    args.remote.check_near()?;
    if args.server_keygen {
        return Err(only_with_server("--server-keygen").into());
    }
    let (ca, named) = args.obtain.issuer.key.find(path)?;
    let profile = choose(args.profile.as_deref(), &ca, named)?;
    let wanted = args.subject.wanted()?;
    let output = args.obtain.output(context)?;
    let request = match ready(args, &wanted)? {
        Some(request) => request,
        None => obtain::prove(Request::new(&profile, &wanted, &key(args, context)?)?)?,
    };
    let hierarchy = serving(&ca, named, &profile)?;
    let occasion = args.reason.map_or(Occasion::New, Occasion::Supersede);
    let asked = Asked { request: &request, profile: &profile, variables: &wanted.variables, occasion };
    args.obtain.obtain(&asked, &ca, hierarchy, output, Report::new("bulla.enroll/1"), context)
}

/// Gets the certificate from a CA's server.
fn far(args: &Args, url: &EstUrl, context: &Context) -> anyhow::Result<ExitCode> {
    args.remote.check()?;
    args.obtain.check_far()?;
    if args.supersede {
        return Err(only_with_folder("--supersede").into());
    }
    let name = args.profile.as_deref().ok_or_else(profile_missing)?;
    let profile = profile::find(name, None)?;
    let mut wanted = args.subject.wanted()?;
    let output = args.obtain.output(context)?;
    let ca_out = args.remote.ca_out(&args.obtain)?;
    let key_out = args.key_out.as_deref().map(|path| args.obtain.beside("--key-out", path, true)).transpose()?;
    let identity = args.remote.identity(None, None, context)?;
    let shown = identity.as_ref().filter(|_| args.encrypt_key);
    let key_to = shown.map(|shown| KeyRecipient::new(&shown.key, shown.chain.leaf().clone())).transpose()?;
    wanted.decrypt_key = key_to.as_ref().map(KeyRecipient::identifier).transpose()?;
    let variables = wanted.variables.clone();
    let source = match ready(args, &wanted)? {
        Some(request) => Source::Ready(request),
        None if args.server_keygen => Source::Made { key: Arc::new(throwaway(&profile)?), wanted },
        None => Source::Made { key: Arc::new(key(args, context)?), wanted },
    };
    let (profile, variables, occasion) = (&profile, &variables, Occasion::New);
    let order = Order { url, profile, variables, occasion, source, identity, output, key_out, key_to, ca_out };
    order.obtain(&args.remote, Report::new("bulla.enroll/1"), context)
}

/// A key that signs the request for a key that the server makes, and is kept in a ticket at most. It has a type that the
/// profile certifies, and of those one that is made quickly.
fn throwaway(profile: &Profile) -> anyhow::Result<SoftwareKey> {
    let types = &profile.key_types;
    let quick = types.iter().find(|key_type| !matches!(key_type, KeyType::Rsa(_) | KeyType::P521));
    Ok(SoftwareKey::generate(*quick.or(types.first()).unwrap_or(&KeyType::P256))?)
}

/// The profile that was said: by its name or file, or by an issuer that serves only one.
fn choose(name: Option<&str>, ca: &Ca, issuer: Option<Hierarchy>) -> anyhow::Result<Profile> {
    if let Some(name) = name {
        return Ok(profile::find(name, Some(&ca.profiles()))?);
    }
    // The firmware issuer's other built-in profile is for the CA's own OCSP responder.
    match issuer {
        Some(Hierarchy::Firmware) => Ok(Profile::named("firmware")?),
        _ => Err(profile_missing().into()),
    }
}

fn profile_missing() -> Usage {
    Usage("the profile must be said: add --profile NAME".to_owned())
}

/// The request that was given as a file.
fn ready(args: &Args, wanted: &Wanted) -> anyhow::Result<Option<ProvenRequest>> {
    let Some(path) = &args.request else { return Ok(None) };
    if !(wanted.subject.is_empty() && wanted.alt_names.is_empty()) {
        let message = "a request brings its own names; name flags go with --key";
        return Err(Usage(message.to_owned()).into());
    }
    obtain::prove(Request::read(path)?).map(Some)
}

/// The key that makes the request.
fn key(args: &Args, context: &Context) -> anyhow::Result<SoftwareKey> {
    match &args.key {
        Some(reference) => args.obtain.open(reference, context),
        None => Err(Usage("give a request, or a key with --key".to_owned()).into()),
    }
}
