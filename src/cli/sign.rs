//! `bulla sign`: sign a firmware image or any file.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Context;
use super::error::Usage;
use super::keys::{self, PassphraseFrom};
use super::product;
use super::progress::Progress;
use super::report::Report;
use super::signature::{PurposeArg, SchemeArgs, SignatureFormat};
use crate::cms::Signing;
use crate::files::{self, Creation, shown_output};
use crate::image::{self, Payload, raw};
use crate::key::{KeyRef, Scheme, Signer};
use crate::x509::{Chain, Time, rfc3339};

/// Sign a firmware image or any file
///
/// The signature is detached. Keys in files sign ECDSA deterministically (RFC 6979). A certificate that has expired, is
/// for another key, or is not for signing firmware is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla sign app.bin --as cms --key firmware.key --cert firmware.pem -o app.bin.p7s
  $ bulla sign app.bin --as raw --key firmware.key -o app.bin.sig

Environment:
  SOURCE_DATE_EPOCH   signing time of --as cms in Unix seconds, for reproducible signatures")]
pub struct Args {
    /// The file to sign; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The signature format
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    signature_format: SignatureFormat,
    /// The private key
    #[arg(long, value_name = "KEY")]
    key: KeyRef,
    /// The signer's certificate, and those above it; needed for cms, checked for raw
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// What the certificate must be for
    #[arg(long, value_enum, default_value_t, requires = "cert")]
    purpose: PurposeArg,
    /// Where the signature goes; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The key's passphrase: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<PassphraseFrom>,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    scheme: SchemeArgs,
}

/// A signer that ends within this many days is worth a warning.
const WARN_DAYS: i64 = 90;

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let output = product::output(&args.output, Creation { private: false, replace: args.force }, context)?;
    let chain = args.cert.as_deref().map(Chain::read).transpose()?;
    let key = keys::open(&args.key, keys::own(args.passphrase_from.as_ref()), context)?;
    let (scheme, encoding) = args.scheme.resolve(args.signature_format, key.public_key().key_type())?;
    if let Some(chain) = &chain {
        image::check_signer(chain, key.public_key(), args.purpose.into(), context.now)?;
        warn_about(chain, context);
    }
    let mut progress = Progress::new(context, "signing", files::size(&args.file));
    let mut observe = |done| progress.observe(done);
    let mut payload = Payload::open(&args.file, &mut observe)?;
    let mut report = Report::new("bulla.sign/1");
    let signature = match (args.signature_format, &chain) {
        (SignatureFormat::Raw, _) => raw::sign(&mut payload, &key, scheme, encoding)?,
        (SignatureFormat::Cms, None) => {
            return Err(Usage("--as cms needs the signer's certificate: add --cert FILE".to_owned()).into());
        }
        (SignatureFormat::Cms, Some(chain)) => {
            let signing_time = signing_time(chain, context)?;
            report = report.field("signing_time", rfc3339(signing_time));
            if scheme == Scheme::Ed25519 {
                context.warn("OpenSSL 3 cannot verify CMS with Ed25519, and so RAUC and SWUpdate cannot either");
            }
            let signing = Signing { signer: &key, scheme, chain: chain.without_root(), signing_time };
            image::cms::sign(&mut payload, &signing)?
        }
    };
    drop(payload);
    drop(progress);
    output.write(&signature)?;
    context.done(
        report
            .line(format!("{}: {scheme} signature over {}", shown_output(&args.output), files::shown(&args.file)))
            .field("output", args.output.to_string_lossy().into_owned())
            .field("file", args.file.to_string_lossy().into_owned())
            .field("as", args.signature_format.name())
            .field("scheme", scheme.to_string())
            .field("spki_sha256", key.public_key().fingerprint().to_string()),
    )
}

/// Warns of a certificate that ends soon, or that devices with OpenSSL's default purpose will refuse.
fn warn_about(chain: &Chain, context: &Context) {
    let leaf = chain.leaf();
    let days = (leaf.not_after() - context.now).whole_days();
    if days < WARN_DAYS {
        context.warn(format!("the signer's certificate ends in {days} days, on {}", rfc3339(leaf.not_after())));
    }
    let email = const_oid::db::rfc5280::ID_KP_EMAIL_PROTECTION;
    if leaf.extended_key_usage().is_ok_and(|usages| usages.is_some_and(|usages| !usages.contains(&email))) {
        context.warn(
            "the signer's certificate lacks extKeyUsage emailProtection: RAUC, SWUpdate and openssl cms refuse it by default",
        );
    }
}

/// Now, or what SOURCE_DATE_EPOCH says; refused outside the signer's validity, where no verifier would believe it.
fn signing_time(chain: &Chain, context: &Context) -> anyhow::Result<Time> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(context.now) };
    let parsed = text.to_str().and_then(|text| text.parse::<i64>().ok());
    let time = parsed.and_then(|seconds| Time::from_unix_timestamp(seconds).ok());
    let time = time.ok_or_else(|| Usage("SOURCE_DATE_EPOCH is not a number of Unix seconds".to_owned()))?;
    let leaf = chain.leaf();
    if time < leaf.not_before() || time > leaf.not_after() {
        let (from, until) = (rfc3339(leaf.not_before()), rfc3339(leaf.not_after()));
        let message = format!(
            "SOURCE_DATE_EPOCH is {}, and the signer's certificate is valid from {from} to {until}",
            rfc3339(time)
        );
        return Err(Usage(message).into());
    }
    Ok(time)
}
