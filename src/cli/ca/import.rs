//! `bulla ca import`: take in the certificate of an issuing CA that another CA issued.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::ca::Importing;
use crate::cli::Context;
use crate::cli::authority::{KeyArgs, only};
use crate::cli::report::Report;
use crate::files::shown;
use crate::x509::{Chain, read_certificates, rfc3339};

/// Take in the certificate that another CA issued
///
/// The file holds the issuing CA's certificate, then those above it; the self-signed root last, or in --root. Nothing
/// is taken that does not lead to that root, or that is for another key than the request's.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca import line8/device line8.pem --root root.pem")]
pub struct Args {
    /// The CA, or its issuer, as acme/device
    #[arg(value_name = "CA")]
    ca: PathBuf,
    /// The certificates, the issuing CA first
    #[arg(value_name = "CERT")]
    certificates: PathBuf,
    /// The self-signed root, where it is not in the file
    #[arg(long, value_name = "CERT")]
    root: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.key.find(&args.ca)?;
    let hierarchy = only(&ca, named, &args.ca)?;
    let mut certificates = read_certificates("certificate", &args.certificates)?;
    if let Some(root) = &args.root {
        certificates.extend(read_certificates("root certificate", root)?);
    }
    let chain = Chain::new(certificates)?;
    let generation = ca.awaiting(hierarchy, chain.leaf())?;
    let signer = args.key.open(&ca, hierarchy, Some(generation), context)?;
    ca.import(hierarchy, Importing { chain: &chain, signer: &signer, generation }, context.now)?;
    let leaf = chain.leaf();
    context.done(
        Report::new("bulla.ca-import/1")
            .line(format!(
                "{}: issuer {} is {}, valid until {}",
                shown(&args.ca),
                hierarchy.name(),
                leaf.subject(),
                rfc3339(leaf.not_after())
            ))
            .field("issuer", hierarchy.name())
            .field("generation", generation)
            .field("subject", leaf.subject().to_string())
            .field("not_after", rfc3339(leaf.not_after()))
            .field("issuing_sha256", leaf.fingerprint().to_string())
            .field("chain_length", chain.certificates().len()),
    )
}
