//! `bulla verify`: check a signature as the device would check it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Context;
use super::error::Usage;
use super::product;
use super::progress::Progress;
use super::report::Report;
use super::signature::{PurposeArg, SchemeArgs, SignatureFormat, parse_time};
use crate::cms::SignedData;
use crate::files::{self, Creation, Kind, Output, printable, shown};
use crate::image::{self, Bad, Good, Payload, Policy, Trust, Verdict, raw};
use crate::key::PublicKey;
use crate::x509::verify::Anchors;
use crate::x509::{self, Certificate, Chain, Time, read_certificates, rfc3339};

/// Check a signature as the device would check it
///
/// Exit code 0 means that every check holds, 3 that one does not, anything else that the question could not be put. The
/// file is read once; with -o, exactly the bytes that were verified are written, or nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla verify app.bin --as cms --signature app.bin.p7s --trust acme/firmware/root.pem
  $ bulla verify app.bin --as raw --signature app.bin.sig --public-key firmware.pub
  $ bulla verify app.p7m --as cms --trust root.pem -o app.bin")]
pub struct Args {
    /// The signed file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The signature format
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    signature_format: SignatureFormat,
    /// The detached signature; without it FILE is a CMS message that holds the content
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Trust this public key to have signed
    #[arg(long, value_name = "FILE", group = "whom")]
    public_key: Option<PathBuf>,
    /// Trust this certificate to have signed; with --trust, the signer's chain to check
    #[arg(long, value_name = "FILE", group = "whom")]
    cert: Option<PathBuf>,
    /// Trust whom these certificates vouch for; may be given several times
    #[arg(long, value_name = "FILE", conflicts_with = "public_key")]
    trust: Vec<PathBuf>,
    /// Certificates to build the chain with; may be given several times
    #[arg(long, value_name = "FILE", requires = "trust")]
    untrusted: Vec<PathBuf>,
    /// What the signer's certificate must be for
    #[arg(long, value_enum, default_value_t, conflicts_with = "public_key")]
    purpose: PurposeArg,
    /// Judge certificates at this time instead of now, as 2026-11-22T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "public_key")]
    at: Option<Time>,
    /// Write the verified bytes here; nothing where they do not verify
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    scheme: SchemeArgs,
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    if args.output.as_deref() == Some(Path::new("-")) {
        let message = "verified bytes go to a file: what is piped on cannot be taken back where they do not verify";
        return Err(Usage(message.to_owned()).into());
    }
    let offered = match offered(&args)? {
        Ok(offered) => offered,
        Err(bad) => return context.answer(bad_report(&args, &bad), 3),
    };
    let policy = policy(&args, offered.untrusted, context)?;
    let creation = Creation { private: false, replace: args.force };
    let output = args.output.as_deref().map(|path| product::output(path, creation, context)).transpose()?;
    let mut staged = output.map(Output::stage).transpose()?;
    let copy = staged.as_mut().map(|staged| staged as &mut dyn Write);
    let mut progress = Progress::new(context, "verifying", files::size(&args.file));
    let mut observe = |done| progress.observe(done);
    let verdict = match args.signature_format {
        SignatureFormat::Raw => raw(&args, &policy, offered.signer.as_ref(), copy, &mut observe),
        SignatureFormat::Cms => cms(&args, &policy, copy, &mut observe),
    };
    drop(progress);
    let verdict = match verdict {
        Err(error) => match error.downcast::<image::Error>()? {
            // Evidence that is empty is wrong evidence.
            error @ image::Error::Empty { .. } => Verdict::Bad(Bad { code: "empty", words: error.to_string() }),
            image::Error::Copy { source } => {
                let path = args.output.unwrap_or_default();
                return Err(files::Error::Write { path, source }.into());
            }
            error => return Err(error.into()),
        },
        Ok(verdict) => verdict,
    };
    match verdict {
        Verdict::Good(good) => {
            if let Some(staged) = staged {
                staged.commit()?;
            }
            context.answer(good_report(&args, &policy, &good), 0)
        }
        Verdict::Bad(bad) => context.answer(bad_report(&args, &bad), 3),
    }
}

/// Certificates that are given as evidence: with --trust, the signer's chain and what else may lead to an anchor.
struct Offered {
    signer: Option<Certificate>,
    untrusted: Vec<Certificate>,
}

/// Reads the certificates that are evidence. What cannot be parsed is wrong evidence, not a failure to ask; a file that
/// cannot be read is.
fn offered(args: &Args) -> anyhow::Result<Result<Offered, Bad>> {
    let mut offered = Offered { signer: None, untrusted: Vec::new() };
    let signer = args.cert.iter().filter(|_| !args.trust.is_empty());
    for path in signer.chain(&args.untrusted) {
        match read_certificates("certificate", path) {
            Ok(certificates) => offered.untrusted.extend(certificates),
            Err(x509::Error::File(error)) if !matches!(error, files::Error::WrongKind { .. }) => {
                return Err(error.into());
            }
            Err(error) => return Ok(Err(Bad { code: "malformed", words: error.to_string() })),
        }
        if Some(path) == args.cert.as_ref() {
            offered.signer = offered.untrusted.first().cloned();
        }
    }
    Ok(Ok(offered))
}

fn policy(args: &Args, untrusted: Vec<Certificate>, context: &Context) -> anyhow::Result<Policy> {
    let trust = match (&args.public_key, &args.cert, args.trust.as_slice()) {
        (Some(path), ..) => Trust::Key(PublicKey::read(path)?),
        (None, Some(path), []) => Trust::Certificate(Box::new(Chain::read(path)?.leaf().clone())),
        (None, _, paths @ [_, ..]) => {
            let mut anchors = Vec::new();
            for path in paths {
                anchors.extend(read_certificates("trusted certificates", path)?);
            }
            Trust::Anchors(Anchors::new(anchors)?)
        }
        (None, None, []) => {
            return Err(Usage("say whom to trust: --trust, --cert or --public-key".to_owned()).into());
        }
    };
    Ok(Policy { trust, untrusted, purpose: args.purpose.into(), at: args.at.unwrap_or(context.now) })
}

fn raw<'a>(
    args: &Args,
    policy: &Policy,
    signer: Option<&Certificate>,
    copy: Option<&'a mut dyn Write>,
    observe: &'a mut dyn FnMut(u64),
) -> anyhow::Result<Verdict> {
    let path = args.signature.as_ref().ok_or_else(|| Usage("--as raw needs --signature FILE".to_owned()))?;
    let signature = image::read_signature(path)?;
    let key = match raw::signer_key(policy, signer) {
        // The signer's certificate is evidence, and one whose key is not accepted is wrong evidence.
        Err(image::Error::X509(error)) if signer.is_some() => {
            return Ok(Verdict::Bad(Bad { code: "certificate-key", words: error.to_string() }));
        }
        key => key?,
    };
    let scheme = args.scheme.resolve(SignatureFormat::Raw, key.key_type())?;
    let mut payload = Payload::open(&args.file, observe)?.copy_to(copy);
    Ok(raw::verify(&mut payload, &signature, scheme, signer, policy)?)
}

fn cms<'a>(
    args: &Args,
    policy: &Policy,
    copy: Option<&'a mut dyn Write>,
    observe: &'a mut dyn FnMut(u64),
) -> anyhow::Result<Verdict> {
    if args.scheme.is_given() {
        return Err(
            Usage("a CMS message names its scheme: --hash, --rsa and --ecdsa are for --as raw".to_owned()).into()
        );
    }
    let message_path = args.signature.as_ref().unwrap_or(&args.file);
    let bytes = image::read_signature(message_path)?;
    let mut message = match signed_data(&bytes, message_path) {
        Ok(message) => message,
        Err(bad) => return Ok(Verdict::Bad(bad)),
    };
    let mut payload = match (&args.signature, message.content.take()) {
        (Some(_), None) => Payload::open(&args.file, observe)?,
        (None, Some(content)) => Payload::from_bytes(&args.file, content, observe),
        (Some(_), Some(_)) => {
            let words = "the message holds a content of its own, and a detached one is expected".to_owned();
            return Ok(Verdict::Bad(Bad { code: "not-detached", words }));
        }
        (None, None) => {
            return Err(
                Usage("the message is detached: give the file, and the message with --signature".to_owned()).into()
            );
        }
    }
    .copy_to(copy);
    Ok(image::cms::verify(&mut payload, &message, policy)?)
}

/// Reads a CMS message, PEM or DER. What cannot be parsed is wrong evidence, not a failure to ask.
fn signed_data(bytes: &[u8], path: &Path) -> Result<SignedData, Bad> {
    let bad = |words: String| Bad { code: "malformed", words };
    let mut documents = files::documents(bytes, path, "a CMS message").map_err(|error| bad(error.to_string()))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => {
            let document = document.expect(Kind::Cms, path).map_err(|error| bad(error.to_string()))?;
            SignedData::from_bytes(&document.der).map_err(|error| bad(error.to_string()))
        }
        _ => Err(bad(format!("{} holds several documents", shown(path)))),
    }
}

fn good_report(args: &Args, policy: &Policy, good: &Good) -> Report {
    let mut report = Report::new("bulla.verify/1")
        .line(format!("good  {}", shown(&args.file)))
        .field("verdict", "good")
        .field("file", args.file.to_string_lossy().into_owned())
        .field("as", args.signature_format.name())
        .field("covered", good.covered)
        .field("scheme", good.scheme.to_string())
        .field("spki_sha256", good.key.fingerprint().to_string());
    if let Some(chain) = &good.chain {
        let subjects: Vec<String> = chain.certificates().iter().map(|each| each.subject().to_string()).collect();
        report = report
            .row("signer", subjects[0].clone())
            .row("chain", subjects.join(" < "))
            .row("purpose", policy.purpose.name())
            .row("at", rfc3339(policy.at));
        let chain: Vec<Value> = chain
            .certificates()
            .iter()
            .map(|each| json!({"subject": each.subject().to_string(), "sha256": each.fingerprint().to_string()}))
            .collect();
        report = report.field("chain", chain);
    }
    report =
        report.line(super::report::row("key", &format!("{}, spki {}", good.key.key_type(), good.key.fingerprint())));
    report = report.line(super::report::row("scheme", &good.scheme.to_string()));
    if let Some(digest) = &good.digest {
        report = report.row("digest", format!("{}:{digest}", digest.hash()));
    }
    if let Some(time) = good.signing_time {
        report = report
            .line(super::report::row("signed", &format!("{} (the signer's claim)", rfc3339(time))))
            .field("signing_time", rfc3339(time));
    }
    report.line(super::report::row("covered", &format!("{} bytes, the whole file", good.covered)))
}

fn bad_report(args: &Args, bad: &Bad) -> Report {
    Report::new("bulla.verify/1")
        .line(format!("bad   {}: {} ({})", shown(&args.file), printable(&bad.words), bad.code))
        .field("verdict", "bad")
        .field("file", args.file.to_string_lossy().into_owned())
        .field("as", args.signature_format.name())
        .field("code", bad.code)
        .field("reason", printable(&bad.words))
}
