//! `bulla verify`: check a signature as the device would check it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Context;
use super::error::Usage;
use super::product;
use super::progress;
use super::report::{Report, row};
use super::signature::{FormatArg, FormatSettings, other_format};
use super::trust::{ChainArgs, PurposeArg, anchors, evidence, parse_alt_name, with_path, with_policies};
use super::verify_batch;
use crate::files::{self, Creation, Output, printable, shown};
use crate::image::{self, Bad, Demands, Detached, Evidence, Good, ImageFormat, Policy, Settings, Trust, Verdict};
use crate::key::PublicKey;
use crate::x509::verify::{Purpose, Rules};
use crate::x509::{AltName, Certificate, Chain, read_certificates, rfc3339};

/// Check a signature as the device would check it
///
/// Exit code 0 means that every check holds, 3 that one does not, anything else that the question could not be put. The
/// file is read once; with -o, exactly the bytes that were verified are written, or nothing.
#[derive(Debug, clap::Args)]
#[command(override_usage = "\
bulla verify [OPTIONS] --as <FORMAT> <FILE>
       bulla verify --batch <FILE>")]
#[command(after_help = "\
Examples:
  $ bulla verify app.bin --as cms --signature app.bin.p7s --trust acme/firmware/root.pem
  $ bulla verify app.bin --as raw --signature app.bin.sig --public-key firmware.pub
  $ bulla verify app.img --as mcuboot --public-key firmware.pub --min-version 1.2.0
  $ bulla verify update.raucb --as rauc --trust acme/firmware/root.pem --hardware my-board
  $ bulla verify app.p7m --as cms --trust root.pem -o app.bin
  $ bulla verify --batch questions.jsonl")]
pub struct Args {
    /// The signed file; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "batch")]
    file: Option<PathBuf>,
    /// The format of the signature or image
    #[arg(
        long = "as",
        value_parser = FormatArg::parser(),
        value_name = "FORMAT",
        id = "as",
        required_unless_present = "batch"
    )]
    format: Option<FormatArg>,
    /// Check the bare signatures that the lines of this file ask for; `-` is standard input
    ///
    /// Each line is a JSON object of at most 1 MiB. `message` and `signature` are base64, or `message_hex` and
    /// `signature_hex` hexadecimal. `key` is a public key in PEM, or its SubjectPublicKeyInfo in base64. `algorithm` is
    /// ecdsa-sha256, ecdsa-sha384 or ecdsa-sha512 for a signature in DER, the same with -p1363 for r||s, ed25519,
    /// rsa-pkcs1-sha256, -sha384 or -sha512, or rsa-pss-sha256, -sha384 or -sha512, with MGF1 of that hash and a salt as
    /// long as it. `id`, a string or a whole number, may be there and comes back. No other field is taken.
    ///
    /// Each line is answered by one, in order, whatever --format is: `schema` bulla.verify-batch/1, `line`, `id`, `verdict`
    /// good or bad, and what is bad by `code` and `reason`. Exit code 0 means that all are good, 3 that one is bad, its
    /// malformed key included, 1 that a line could not be understood, or that there is none.
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_ONE_FILE)]
    batch: Option<PathBuf>,
    /// The detached signature; without it FILE holds its own
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Trust this public key to have signed
    #[arg(long, value_name = "FILE", group = "whom", conflicts_with = "ChainArgs")]
    public_key: Option<PathBuf>,
    /// Trust this certificate to have signed; with --trust, the signer's chain, where the image has none with it
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
    /// Write the verified bytes here; nothing where they do not verify
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    demands: DemandArgs,
    #[command(flatten)]
    settings: FormatSettings<false>,
}

/// What says how one file is verified: flags, and groups of them.
const OF_ONE_FILE: [&str; 13] = [
    "file",
    "as",
    "signature",
    "public_key",
    "cert",
    "trust",
    "untrusted",
    "purpose",
    "output",
    "force",
    "ChainArgs",
    "DemandArgs",
    "FormatSettings",
];

/// What is asked beyond a signature of somebody who is trusted.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Demands")]
struct DemandArgs {
    /// The least security counter that the image may have
    #[arg(long, value_name = "NUMBER")]
    min_security_counter: Option<u32>,
    /// The least version that the image may have, compared number by number
    #[arg(long, value_name = "VERSION")]
    min_version: Option<String>,
    /// The hardware that the image must be for: RAUC's compatible, or SWUpdate's BOARD:REVISION
    #[arg(long, value_name = "NAME")]
    hardware: Option<String>,
    /// The SHA-256 of the signer's SubjectPublicKeyInfo, in hexadecimal
    #[arg(long, value_name = "DIGEST", value_parser = parse_sha256)]
    signer_spki: Option<String>,
    /// The common name that the signer's certificate must have
    #[arg(long, value_name = "TEXT", conflicts_with = "public_key")]
    signer_cn: Option<String>,
    /// A subject alternative name that the signer's certificate must have: dns:NAME, ip:ADDRESS, uri:URI or email:ADDRESS
    #[arg(long, value_name = "NAME", value_parser = parse_alt_name, conflicts_with = "public_key")]
    signer_san: Option<AltName>,
}

impl DemandArgs {
    fn demands(&self) -> Demands {
        let Self { min_security_counter, min_version, hardware, signer_spki, signer_cn, signer_san } = self;
        Demands {
            min_security_counter: *min_security_counter,
            min_version: min_version.clone(),
            hardware: hardware.clone(),
            signer_spki: signer_spki.clone(),
            signer_cn: signer_cn.clone(),
            signer_san: signer_san.clone(),
        }
    }
}

/// Reads a SHA-256 in hexadecimal, with or without colons.
fn parse_sha256(text: &str) -> Result<String, String> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { Ok(digits) } else { Err("must be 64 hexadecimal digits".to_owned()) }
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.batch {
        return verify_batch::run(path, context);
    }
    let file = args.file.as_deref().expect("clap asks for it without --batch");
    let format = args.format.expect("clap asks for it without --batch").format();
    if args.output.as_deref() == Some(Path::new("-")) {
        let message = "verified bytes go to a file: what is piped on cannot be taken back where they do not verify";
        return Err(Usage(message.to_owned()).into());
    }
    let offered = match offered(&args)? {
        Ok(offered) => offered,
        Err(bad) => return context.answer(bad_report(file, format, &bad), 3),
    };
    let settings = args.settings.of(format, context)?;
    let policy = match policy(&args, offered.untrusted, context)? {
        Ok(policy) => policy,
        Err(bad) => return context.answer(bad_report(file, format, &bad), 3),
    };
    if args.signature.is_some() && !format.is_detached() {
        return Err(Usage(format!("--as {} has its signature in the image, not in a file", format.name())).into());
    }
    let signature = match args.signature.as_deref() {
        Some(path) => Some((path, image::read_signature(path)?)),
        None => None,
    };
    let evidence = Evidence {
        signature: signature.as_ref().map(|(path, bytes)| Detached { path, bytes }),
        signer: offered.signer.as_ref(),
        policy: &policy,
    };
    let creation = Creation { private: false, replace: args.force };
    let output = args.output.as_deref().map(|path| product::output(path, creation, context)).transpose()?;
    let mut staged = output.map(Output::stage).transpose()?;
    let copy = staged.as_mut().map(|staged| staged as &mut dyn Write);
    let mut source = progress::open(context, "verifying", file)?.copy_to(copy);
    let verdict = image::verify(format, &mut source, &evidence, &settings);
    let hint = matches!(verdict, Ok(Verdict::Bad(_))).then(|| other_format(format, &mut source)).flatten();
    drop(source);
    let verdict = match verdict {
        Err(image::Error::Copy { source }) => {
            let path = args.output.unwrap_or_default();
            return Err(files::Error::Write { path, source }.into());
        }
        verdict => verdict?,
    };
    if let (Verdict::Good(_), Some(staged)) = (&verdict, staged) {
        staged.commit()?;
    }
    answer(file, format, &policy, &verdict, hint, context)
}

/// Judges an image that holds its signature by the signer's key alone.
pub(super) fn by_key(
    file: &Path,
    format: &dyn ImageFormat,
    key: PublicKey,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let policy = Policy {
        trust: Trust::Key(key),
        untrusted: Vec::new(),
        rules: Rules::new(Purpose::Firmware, context.now),
        demands: Demands::default(),
    };
    let evidence = Evidence { signature: None, signer: None, policy: &policy };
    let mut source = progress::open(context, "verifying", file)?;
    let verdict = image::verify(format, &mut source, &evidence, &Settings::default())?;
    drop(source);
    answer(file, format, &policy, &verdict, None, context)
}

fn answer(
    file: &Path,
    format: &dyn ImageFormat,
    policy: &Policy,
    verdict: &Verdict,
    hint: Option<String>,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    match verdict {
        Verdict::Good(good) => context.answer(good_report(file, format, policy, good), 0),
        Verdict::Bad(bad) => {
            let report = bad_report(file, format, bad);
            let report = match hint {
                Some(hint) => report.line(format!("hint: {hint}")).field("hint", hint),
                None => report,
            };
            context.answer(report, 3)
        }
    }
}

/// Certificates that are given as evidence: with --trust, the signer's chain and what else may lead to an anchor.
struct Offered {
    signer: Option<Certificate>,
    untrusted: Vec<Certificate>,
}

/// Reads the certificates that are evidence.
fn offered(args: &Args) -> anyhow::Result<Result<Offered, Bad>> {
    let mut offered = Offered { signer: None, untrusted: Vec::new() };
    let signer = args.cert.iter().filter(|_| !args.trust.is_empty());
    for path in signer.chain(&args.untrusted) {
        match evidence(read_certificates("certificate", path))? {
            Ok(certificates) => offered.untrusted.extend(certificates),
            Err(bad) => return Ok(Err(bad)),
        }
        if Some(path) == args.cert.as_ref() {
            offered.signer = offered.untrusted.first().cloned();
        }
    }
    Ok(Ok(offered))
}

fn policy(args: &Args, untrusted: Vec<Certificate>, context: &Context) -> anyhow::Result<Result<Policy, Bad>> {
    let trust = match (&args.public_key, &args.cert, args.trust.as_slice()) {
        (Some(path), ..) => Trust::Key(PublicKey::read(path)?),
        (None, Some(path), []) => Trust::Certificate(Box::new(Chain::read(path)?.leaf().clone())),
        (None, _, paths @ [_, ..]) => Trust::Anchors(anchors(paths)?),
        (None, None, []) => {
            return Err(Usage("say whom to trust: --trust, --cert or --public-key".to_owned()).into());
        }
    };
    let rules = args.chain.rules(args.purpose.into(), context)?;
    Ok(rules.map(|rules| Policy { trust, untrusted, rules, demands: args.demands.demands() }))
}

/// The report of a file that verified.
fn good_report(file: &Path, format: &dyn ImageFormat, policy: &Policy, good: &Good) -> Report {
    let mut report = Report::new("bulla.verify/1")
        .line(format!("good  {}", shown(file)))
        .field("verdict", "good")
        .field("file", file.to_string_lossy().into_owned())
        .field("as", format.name())
        .field("covered", good.facts.covered)
        .field("scheme", good.scheme.to_string())
        .field("spki_sha256", good.key.fingerprint().to_string());
    if let Some(path) = &good.path {
        report = report.row("signer", path.chain.leaf().subject().to_string());
        report = with_path(report, path).row("purpose", policy.rules.purpose.name());
        report = with_policies(report, &policy.rules.policies, path).row("at", rfc3339(policy.rules.at));
    }
    report = report.line(row("key", &format!("{}, spki {}", good.key.key_type(), good.key.fingerprint())));
    report = report.line(row("scheme", &good.scheme.to_string()));
    if let Some(digest) = &good.digest {
        report = report.row("digest", format!("{}:{digest}", digest.hash()));
    }
    if let Some(time) = good.signing_time {
        report = report
            .line(row("signed", &format!("{} (the signer's claim)", rfc3339(time))))
            .field("signing_time", rfc3339(time));
    }
    let facts = &good.facts;
    report = report
        .field("version", facts.version.clone())
        .field("security_counter", facts.security_counter)
        .field("hardware", facts.hardware.clone());
    if let Some(version) = &facts.version {
        report = report.line(row("version", &printable(version)));
    }
    if let Some(counter) = facts.security_counter {
        report = report.line(row("counter", &counter.to_string()));
    }
    for hardware in &facts.hardware {
        report = report.line(row("hardware", &printable(hardware)));
    }
    for (label, value) in &facts.remarks {
        report = report.row(label, printable(value));
    }
    let whole = if format.is_detached() { ", the whole file" } else { "" };
    report.line(row("covered", &format!("{} bytes{whole}", good.facts.covered)))
}

/// The report of a file that did not.
pub(super) fn bad_report(file: &Path, format: &dyn ImageFormat, bad: &Bad) -> Report {
    Report::new("bulla.verify/1")
        .line(format!("bad   {}: {} ({})", shown(file), printable(&bad.words), bad.code))
        .field("verdict", "bad")
        .field("file", file.to_string_lossy().into_owned())
        .field("as", format.name())
        .field("code", bad.code)
        .field("reason", printable(&bad.words))
}
