//! `bulla renew`: a new certificate with the same names and profile.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Context;
use super::error::Usage;
use super::obtain::{self, Asked, ObtainArgs};
use super::profile;
use super::report::Report;
use crate::ca;
use crate::enroll::Occasion;
use crate::key::KeyRef;
use crate::store::{Filter, Store};
use crate::x509::{Chain, Hierarchy, Request, Variables, Wanted};

/// Renew a certificate: the same names and profile, by default for a new key
///
/// The old certificate stays valid until its end, so that a device that loses power meanwhile still has one; revoke it
/// when the new one works. The same renewal gives the same certificate again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla renew device.pem --key new.key --ca acme -o new.pem
  $ bulla renew device.pem --key device.key --keep-key --ca acme -o new.pem")]
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
    /// The profile's file, where it is not one that the CA knows by name
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    #[command(flatten)]
    obtain: ObtainArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.obtain.authority.find()?;
    let output = args.obtain.output(context)?;
    let old = Chain::read(&args.certificate)?;
    let old = old.leaf();
    let filter = Filter { serial: Some(old.serial().to_vec()), ..Filter::default() };
    let record = ca.store()?.list(&filter, None, 1)?.pop().ok_or(ca::Error::NoSuchCertificate)?;
    let hierarchy = Hierarchy::ALL.into_iter().find(|hierarchy| hierarchy.name() == record.issuer);
    let hierarchy = named.or(hierarchy).ok_or(ca::Error::NoSuchCertificate)?;
    let profile = profile::find(args.profile.as_deref().unwrap_or(&record.profile), Some(&ca.profiles()))?;
    let request = match (&args.request, &args.key) {
        (Some(path), _) => Request::read(path)?,
        (None, Some(reference)) => {
            let key = args.obtain.open(reference, context)?;
            let wanted = Wanted { subject: old.subject().clone(), alt_names: old.alt_names()?, ..Wanted::default() };
            Request::new(&profile, &wanted, &key)?
        }
        (None, None) => return Err(Usage("give the new key with --key".to_owned()).into()),
    };
    let request = obtain::prove(request)?;
    let occasion = Occasion::Renew { certificate: old, keep_key: args.keep_key };
    let asked = Asked { request: &request, profile: &profile, variables: Variables::NONE, occasion };
    args.obtain.obtain(&asked, &ca, hierarchy, output, Report::new("bulla.renew/1"), context)
}
