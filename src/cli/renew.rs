//! `bulla renew`: a new certificate with the same names and profile.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::Context;
use super::authority::Place;
use super::error::Usage;
use super::est_url::EstUrl;
use super::obtain::{self, Asked, ObtainArgs};
use super::order::{Order, Source};
use super::profile;
use super::remote::RemoteArgs;
use super::report::Report;
use crate::ca;
use crate::enroll::Occasion;
use crate::key::{KeyRef, SoftwareKey};
use crate::store::{Filter, Store};
use crate::x509::{self, Certificate, Chain, Hierarchy, Request, Variables, Wanted};

/// Renew a certificate: the same names and profile, by default for a new key
///
/// The old certificate stays valid until its end, so that a device that loses power meanwhile still has one; revoke it
/// when the new one works. The same renewal gives the same certificate again.
///
/// A CA's server is shown the old certificate, or another one with --client-cert, and --client-key proves that it is ours;
/// with --keep-key, --key does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla renew device.pem --key new.key --ca acme -o new.pem
  $ bulla renew device.pem --key device.key --keep-key --ca acme -o new.pem
  $ bulla renew a.pem --key a.key --keep-key --profile idevid --ca est://ca --trust ca.pem -o b.pem")]
pub struct Args {
    /// The certificate to be renewed; `-` is standard input
    #[arg(value_name = "CERT")]
    certificate: PathBuf,
    /// The new private key; with --keep-key, the one that the certificate has
    #[arg(long, value_name = "KEY", required_unless_present = "request")]
    key: Option<KeyRef>,
    /// A request made with the new key, where that stays in the device
    #[arg(long = "csr", value_name = "CSR", conflicts_with = "key")]
    request: Option<PathBuf>,
    /// Keep the key
    #[arg(long)]
    keep_key: bool,
    /// The profile: its file, where it is not one that the CA's folder knows by name; its name or file with a server
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    #[command(flatten)]
    obtain: ObtainArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match args.obtain.issuer.place()? {
        Place::Folder(path) => near(args, path, context),
        Place::Server(url) => far(args, &url, context),
    }
}

/// Renews at a CA in a folder.
fn near(args: &Args, path: &Path, context: &Context) -> anyhow::Result<ExitCode> {
    args.remote.check_near()?;
    let (ca, named) = args.obtain.issuer.key.find(path)?;
    let output = args.obtain.output(context)?;
    let old = Chain::read(&args.certificate)?;
    let old = old.leaf();
    let filter = Filter { serial: Some(old.serial().to_vec()), ..Filter::default() };
    let record = ca.store()?.list(&filter, None, 1)?.pop().ok_or(ca::Error::NoSuchCertificate)?;
    let hierarchy = Hierarchy::ALL.into_iter().find(|hierarchy| hierarchy.name() == record.issuer);
    let hierarchy = named.or(hierarchy).ok_or(ca::Error::NoSuchCertificate)?;
    let profile = profile::find(args.profile.as_deref().unwrap_or(&record.profile), Some(&ca.profiles()))?;
    let request = match &args.request {
        Some(path) => Request::read(path)?,
        None => Request::new(&profile, &names_of(old)?, &key(args, context)?)?,
    };
    let request = obtain::prove(request)?;
    let occasion = Occasion::Renew { certificate: old, keep_key: args.keep_key };
    let asked = Asked { request: &request, profile: &profile, variables: Variables::NONE, occasion };
    args.obtain.obtain(&asked, &ca, hierarchy, output, Report::new("bulla.renew/1"), context)
}

/// Renews at a CA's server.
fn far(args: &Args, url: &EstUrl, context: &Context) -> anyhow::Result<ExitCode> {
    args.remote.check()?;
    args.obtain.check_far()?;
    let Some(name) = &args.profile else {
        let message = "the CA's records are at its server: say the profile with --profile NAME";
        return Err(Usage(message.to_owned()).into());
    };
    let profile = profile::find(name, None)?;
    let output = args.obtain.output(context)?;
    let ca_out = args.remote.ca_out(&args.obtain)?;
    let old = Chain::read(&args.certificate)?;
    let (source, kept) = match &args.request {
        Some(path) => (Source::Ready(obtain::prove(Request::read(path)?)?), None),
        None => {
            let key = Arc::new(key(args, context)?);
            (Source::Made { key: key.clone(), wanted: names_of(old.leaf())? }, args.keep_key.then_some(key))
        }
    };
    let identity = args.remote.identity(Some(&old), kept, context)?;
    let occasion = Occasion::Renew { certificate: old.leaf(), keep_key: args.keep_key };
    let (profile, variables, key_out, key_to) = (&profile, Variables::NONE, None, None);
    let order = Order { url, profile, variables, occasion, source, identity, output, key_out, key_to, ca_out };
    order.obtain(&args.remote, Report::new("bulla.renew/1"), context)
}

/// The names of the certificate that is renewed, which the new one has too.
fn names_of(old: &Certificate) -> Result<Wanted, x509::Error> {
    Ok(Wanted { subject: old.subject().clone(), alt_names: old.alt_names()?, ..Wanted::default() })
}

/// The key that makes the request.
fn key(args: &Args, context: &Context) -> anyhow::Result<SoftwareKey> {
    match &args.key {
        Some(reference) => args.obtain.open(reference, context),
        None => Err(Usage("give the new key with --key".to_owned()).into()),
    }
}
