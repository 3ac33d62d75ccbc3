//! `bulla csr`: make a certificate request.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Context;
use super::keys::{self, PassphraseFrom};
use super::product::{self, Encoding};
use super::profile;
use super::report::Report;
use super::subject::SubjectArgs;
use crate::files::{Creation, Kind, shown_output};
use crate::key::{KeyRef, Signer};
use crate::x509::Request;

/// Make a certificate request (PKCS#10) from a key and a profile
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla csr device.key --profile idevid --serial SN-42 -o device.csr
  $ bulla csr server.key --profile tls-server --cn gw --dns gw.example -o server.csr
  $ bulla csr device.key --profile gateway.toml --set serial=SN-42 -o gateway.csr")]
pub struct Args {
    /// The private key; `-` is standard input
    #[arg(value_name = "KEY")]
    key: KeyRef,
    /// The certificate profile: a name that `bulla profile list` has, or a file that ends in .toml
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// Where the request goes; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How it is encoded
    #[arg(long, value_enum, default_value_t)]
    encoding: Encoding,
    /// The key's passphrase: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<PassphraseFrom>,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    subject: SubjectArgs,
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let profile = profile::find(&args.profile, None)?;
    let wanted = args.subject.wanted()?;
    let output = product::output(&args.output, Creation { private: false, replace: args.force }, context)?;
    let key = keys::open(&args.key, keys::own(args.passphrase_from.as_ref()), context)?;
    let request = Request::new(&profile, &wanted, &key)?;
    product::write(output, Kind::Request, request.der(), args.encoding)?;
    let spki = key.public_key().fingerprint();
    let subject = request.subject().to_string();
    context.done(
        Report::new("bulla.csr/1")
            .line(format!("{}: request for {} of {subject}", shown_output(&args.output), profile.name))
            .field("output", args.output.to_string_lossy().into_owned())
            .field("profile", profile.name)
            .field("subject", subject)
            .field("spki_sha256", spki.to_string()),
    )
}
