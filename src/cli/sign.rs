//! `bulla sign`: sign a firmware image or any file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Context;
use super::error::{Hinted, Usage};
use super::keys::{self, PassphraseFrom};
use super::product;
use super::progress;
use super::report::Report;
use super::signature::{FormatArg, FormatSettings, other_format};
use super::trust::PurposeArg;
use crate::files::{self, Creation, Output, json_line, shown, shown_output};
use crate::image::{
    self, Existing, ImageFormat, Layout, Maker, Message, Prepared, Settings, Source, Step, Unfit, format_named,
};
use crate::key::{KeyRef, PublicKey, Scheme, Signer, SoftwareKey, Weakness};
use crate::x509::verify::Purpose;
use crate::x509::{Chain, Time, rfc3339};

/// Sign a firmware image or any file
///
/// Keys in files sign ECDSA deterministically (RFC 6979). A certificate that has expired, is for another key, or is not
/// for signing firmware is refused, and so is a key that stands in public documents.
///
/// A key that is not at hand signs in two steps: --prepare writes what has to be signed, as NAME.tbs and with its context
/// as NAME.json; any tool signs it; --attach checks that signature and writes the product.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla sign app.bin --as mcuboot --key firmware.key --version 1.2.3 --pad-header -o app.img
  $ bulla sign app.img --as mcuboot --key next.key --add -o both.img
  $ bulla sign app.bin --as esp32 --key firmware.key -o app-signed.bin
  $ bulla sign bundle/ --as rauc --key firmware.key --cert firmware.pem -o update.raucb
  $ bulla sign update/ --as swupdate --key firmware.key --cert firmware.pem -o update.swu
  $ bulla sign app.bin --as cms --key firmware.key --cert firmware.pem -o app.bin.p7s

In two steps, the second where the key is:
  $ bulla sign app.bin --as raw --public-key firmware.pub --prepare app
  $ openssl pkeyutl -sign -inkey firmware.key -pkeyopt digest:sha256 -in app.tbs -out app.sig
  $ bulla sign app.bin --attach app.json --signature app.sig -o app.bin.sig

Environment:
  SOURCE_DATE_EPOCH   signing time in Unix seconds, for reproducible signatures. What is encrypted and what RSA-PSS
                      signs differs each time.")]
pub struct Args {
    /// What to sign: a file, or a folder for rauc and swupdate; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The format of the signature or image
    #[arg(long = "as", value_parser = FormatArg::parser(), value_name = "FORMAT", id = "as",
        required_unless_present = "attach", conflicts_with = "attach")]
    format: Option<FormatArg>,
    /// The private key
    #[arg(long, value_name = "KEY", conflicts_with_all = ["prepare", "attach", "remove"])]
    key: Option<KeyRef>,
    /// The key's passphrase: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", requires = "key")]
    passphrase_from: Option<PassphraseFrom>,
    /// The signer's certificate, and those above it; cms, rauc and swupdate need it, the others only check it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["attach", "remove"])]
    cert: Option<PathBuf>,
    /// What the certificate must be for
    #[arg(long, value_enum, default_value_t, requires = "cert")]
    purpose: PurposeArg,
    /// Where the signature or signed image goes; `-` is standard output
    #[arg(short, long, value_name = "FILE", required_unless_present = "prepare")]
    output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    /// Sign with a key whose private half is public, as those of development boards
    #[arg(long, conflicts_with_all = ["attach", "remove"])]
    allow_published_key: bool,
    /// Keep the signatures that the image has, and add one; mcuboot and esp32 take several
    #[arg(long, conflicts_with_all = ["replace", "remove", "attach"], help_heading = "Images that are signed already")]
    add: bool,
    /// Sign anew, without the signatures that the image has
    #[arg(long, conflicts_with_all = ["remove", "attach"], help_heading = "Images that are signed already")]
    replace: bool,
    /// Take the signature of this public key out of the image; mcuboot and esp32
    #[arg(long, value_name = "FILE", conflicts_with = "attach", help_heading = "Images that are signed already")]
    remove: Option<PathBuf>,
    /// Write what another tool has to sign, as NAME.tbs and NAME.json
    #[arg(long, value_name = "NAME", help_heading = "In two steps")]
    prepare: Option<PathBuf>,
    /// The public half of the key that is to sign
    #[arg(long, value_name = "FILE", requires = "prepare", conflicts_with_all = ["key", "attach"],
        help_heading = "In two steps")]
    public_key: Option<PathBuf>,
    /// What was prepared, NAME.json
    #[arg(long, value_name = "FILE", requires = "signature", help_heading = "In two steps")]
    attach: Option<PathBuf>,
    /// The signature that another tool made
    #[arg(long, value_name = "FILE", requires = "attach", help_heading = "In two steps")]
    signature: Option<PathBuf>,
    #[command(flatten)]
    settings: FormatSettings<true>,
}

/// A signer that ends within this many days is worth a warning.
const WARN_DAYS: i64 = 90;

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    if let Some(prepared) = &args.attach {
        return attach(&args, prepared, context);
    }
    let format = args.format.ok_or_else(|| Usage("say the format: --as FORMAT".to_owned()))?.format();
    if format.is_detached() && (args.add || args.replace || args.remove.is_some()) {
        let message = "--add, --replace and --remove are for images that hold their signatures";
        return Err(Usage(message.to_owned()).into());
    }
    let chain = args.cert.as_deref().map(Chain::read).transpose()?;
    let job = Job { format, settings: args.settings.of(format, context)?, chain, time: context.now };
    if args.prepare.is_some() && args.output.is_some() {
        return Err(Usage("--prepare writes NAME.tbs and NAME.json; -o is for --attach".to_owned()).into());
    }
    match (&args.remove, &args.prepare) {
        (Some(key), _) => remove(&args, &job, key, context),
        (None, Some(name)) => prepare(&args, job, name, context),
        (None, None) => sign(&args, job, context),
    }
}

/// What is to be done, apart from the key.
struct Job {
    format: &'static dyn ImageFormat,
    settings: Settings,
    chain: Option<Chain>,
    time: Time,
}

impl Job {
    fn maker<'a>(&'a self, args: &Args, key: Option<&'a PublicKey>) -> Maker<'a> {
        let existing = match (args.add, args.replace) {
            (true, _) => Existing::Keep,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        };
        Maker { key, chain: self.chain.as_ref(), time: self.time, existing }
    }

    /// Looks whether the key and its certificate may sign.
    fn check(&mut self, args: &Args, key: &PublicKey, context: &Context) -> anyhow::Result<()> {
        check_key(key, args.allow_published_key, context)?;
        if let Some(chain) = &self.chain {
            image::check_signer(chain, key, Purpose::from(args.purpose), context.now)?;
            warn_about(chain, self.format, context);
        } else if self.format.is_cms() {
            let message = format!("--as {} needs the signer's certificate: add --cert FILE", self.format.name());
            return Err(Usage(message).into());
        }
        self.time = signing_time(self.chain.as_ref(), context)?;
        Ok(())
    }
}

/// Refuses a key whose private half others have; of a published one it warns where that is allowed.
pub(super) fn check_key(key: &PublicKey, allow_published: bool, context: &Context) -> Result<(), image::Error> {
    match image::check_key(key) {
        Err(image::Error::WeakKey(Weakness::Published { name })) if allow_published => {
            context.warn(format!("the private half of this key is published: {name}"));
            Ok(())
        }
        checked => checked,
    }
}

/// Says of an image that cannot be signed as it is what it is instead, where another format knows it.
fn of_other_format(error: image::Error, format: &dyn ImageFormat, source: &mut Source<'_>) -> anyhow::Error {
    use Unfit::{NoHeaderRoom, NotSigned, Refused};
    let is_about_the_layout = matches!(error, image::Error::Unfit(NoHeaderRoom { .. } | NotSigned | Refused(_)));
    match is_about_the_layout.then(|| other_format(format, source)).flatten() {
        Some(hint) => Hinted { error, hint }.into(),
        None => error.into(),
    }
}

/// Where the product goes; made before the work starts.
fn output(args: &Args, context: &Context) -> anyhow::Result<Output> {
    let path = args.output.as_ref().ok_or_else(|| Usage("say where the product goes: -o FILE".to_owned()))?;
    product::output(path, Creation { private: false, replace: args.force }, context)
}

fn sign(args: &Args, mut job: Job, context: &Context) -> anyhow::Result<ExitCode> {
    let output = output(args, context)?;
    let key: Option<SoftwareKey> = match &args.key {
        Some(key) => Some(keys::open(key, keys::own(args.passphrase_from.as_ref()), context)?),
        None => None,
    };
    let public = key.as_ref().map(|key| key.public_key());
    if let Some(public) = public {
        job.check(args, public, context)?;
    }
    let mut source = progress::open(context, "signing", &args.file)?;
    let signer = key.as_ref().map(|key| key as &dyn Signer);
    let signed = image::sign(job.format, &mut source, signer, &job.maker(args, public), &job.settings)
        .map_err(|error| of_other_format(error, job.format, &mut source))?;
    if let Some(words) = other_format(job.format, &mut source) {
        context.warn(words);
    }
    write(&mut source, &signed.layout, output)?;
    drop(source);
    finish(args, job.format, signed.scheme, public, job.chain.as_ref().map(|_| job.time), context)
}

fn remove(args: &Args, job: &Job, key: &Path, context: &Context) -> anyhow::Result<ExitCode> {
    if let Some((name, _)) = job.settings.iter().next() {
        return Err(Usage(format!("--{name} does not go with --remove, which leaves the rest as it is")).into());
    }
    let output = output(args, context)?;
    let key = PublicKey::read(key)?;
    let mut source = Source::open(&args.file, |_| {})?;
    let layout =
        job.format.remove(&mut source, &key).map_err(|error| of_other_format(error, job.format, &mut source))?;
    write(&mut source, &layout, output)?;
    drop(source);
    finish(args, job.format, None, Some(&key), None, context)
}

fn prepare(args: &Args, mut job: Job, name: &Path, context: &Context) -> anyhow::Result<ExitCode> {
    let key = args.public_key.as_ref().ok_or_else(|| Usage("--prepare needs --public-key FILE".to_owned()))?;
    let key = PublicKey::read(key)?;
    job.check(args, &key, context)?;
    let mut source = progress::open(context, "preparing", &args.file)?;
    let prepared = Prepared::new(job.format, &mut source, &job.maker(args, Some(&key)), &job.settings)
        .map_err(|error| of_other_format(error, job.format, &mut source))?;
    drop(source);
    write_prepared(args, name, &prepared, context)
}

/// How openssl signs what was prepared.
fn by_openssl(prepared: &Prepared, to_be_signed: &Path, signature: &Path) -> String {
    let how = match (&prepared.message, prepared.scheme.hash()) {
        (_, None) => "-rawin".to_owned(),
        (Message::Digest(_), Some(hash)) => format!("-pkeyopt digest:{hash}"),
        (Message::Bytes(_), Some(hash)) => format!("-rawin -digest {hash}"),
    };
    let padding = match prepared.scheme {
        Scheme::RsaPss(_) => " -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest",
        _ => "",
    };
    let (input, output) = (shown(to_be_signed), shown(signature));
    format!("openssl pkeyutl -sign -inkey KEY {how}{padding} -in {input} -out {output}")
}

/// Writes `NAME.tbs`, then `NAME.json`: who finds the second has the first.
fn write_prepared(args: &Args, name: &Path, prepared: &Prepared, context: &Context) -> anyhow::Result<ExitCode> {
    let with = |ending: &str| {
        let mut path = name.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    };
    let (json, bytes) = (with(".json"), with(".tbs"));
    let creation = Creation { private: false, replace: args.force };
    let json_output = product::output(&json, creation, context)?;
    product::output(&bytes, creation, context)?.write(prepared.to_be_signed())?;
    json_output.write(format!("{}\n", json_line(&prepared.to_json())).as_bytes())?;
    let (input, what) = match &prepared.message {
        Message::Digest(digest) => (format!("the {} digest", digest.hash()), "digest"),
        Message::Bytes(_) => ("the message".to_owned(), "message"),
    };
    let report = Report::new("bulla.sign/1")
        .line(format!("{}: sign {input} in it with {}, as", shown(&bytes), prepared.scheme))
        .line(format!("  {}", by_openssl(prepared, &bytes, &with(".sig"))))
        .line(format!("{}: attach that signature with it", shown(&json)))
        .field("prepared", json.to_string_lossy().into_owned())
        .field("to_be_signed", bytes.to_string_lossy().into_owned())
        .field("input", what)
        .field("file", args.file.to_string_lossy().into_owned())
        .field("as", prepared.format.clone())
        .field("scheme", prepared.scheme.to_string())
        .field("round", prepared.signatures.len() + 1)
        .field("spki_sha256", prepared.key.fingerprint().to_string());
    context.done(report)
}

fn attach(args: &Args, path: &Path, context: &Context) -> anyhow::Result<ExitCode> {
    let mut prepared = Prepared::from_json(&files::read("prepared signature", path, files::DOCUMENT_LIMIT)?)?;
    prepared.settings = args.settings.of_prepared(prepared.settings, context)?;
    let format = format_named(&prepared.format).ok_or(image::Error::Prepared { what: "the format is unknown" })?;
    let path = args.signature.as_ref().ok_or_else(|| Usage("--attach needs --signature FILE".to_owned()))?;
    let signature = image::read_signature(path)?;
    let output = args.output.as_ref().map(|_| output(args, context)).transpose()?;
    let (key, scheme) = (prepared.key.clone(), prepared.scheme);
    let time = prepared.chain.as_ref().map(|_| prepared.time);
    let mut source = progress::open(context, "attaching", &args.file)?;
    match prepared.attach(format, &mut source, &signature)? {
        Step::Done(layout) => {
            let output = output.ok_or_else(|| Usage("all signatures are there: add -o FILE".to_owned()))?;
            write(&mut source, &layout, output)?;
            drop(source);
            finish(args, format, Some(scheme), Some(&key), time, context)
        }
        Step::Again(next) => {
            drop(source);
            let again = || Usage(format!("{} signs once more: add --prepare NAME", format.name()));
            write_prepared(args, args.prepare.as_ref().ok_or_else(again)?, &next, context)
        }
    }
}

/// Writes a product whole, or not at all.
pub(super) fn write(source: &mut Source<'_>, layout: &Layout, output: Output) -> anyhow::Result<()> {
    use std::io::Write as _;
    let path = output.path().to_owned();
    let mut staged = output.stage()?;
    source
        .lay_out(layout, &mut |bytes| staged.write_all(bytes).map_err(|source| image::Error::Copy { source }))
        .map_err(|error| match error {
            image::Error::Copy { source } => anyhow::Error::new(files::Error::Write { path, source }),
            error => error.into(),
        })?;
    Ok(staged.commit()?)
}

fn finish(
    args: &Args,
    format: &dyn ImageFormat,
    scheme: Option<Scheme>,
    key: Option<&PublicKey>,
    time: Option<Time>,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let output = args.output.clone().unwrap_or_default();
    if scheme == Some(Scheme::Ed25519) && format.is_cms() {
        context.warn("OpenSSL 3 cannot verify CMS with Ed25519, and so RAUC and SWUpdate cannot either");
    }
    let mut report = report(&args.file, &output, format, scheme, key);
    if let Some(time) = time {
        report = report.field("signing_time", rfc3339(time));
    }
    context.done(report)
}

/// The report of a product with a signature of `scheme`, or without that of `key`, or without one.
pub(super) fn report(
    file: &Path,
    output: &Path,
    format: &dyn ImageFormat,
    scheme: Option<Scheme>,
    key: Option<&PublicKey>,
) -> Report {
    let (shown, from) = (shown_output(output), shown(file));
    let done = match (scheme, key) {
        (Some(scheme), _) => format!("{shown}: {scheme} signature over {from}"),
        (None, Some(_)) => format!("{shown}: {from} without the signature"),
        (None, None) => format!("{shown}: {from} without a signature"),
    };
    Report::new("bulla.sign/1")
        .line(done)
        .field("output", output.to_string_lossy().into_owned())
        .field("file", file.to_string_lossy().into_owned())
        .field("as", format.name())
        .field("scheme", scheme.map(|scheme| scheme.to_string()))
        .field("spki_sha256", key.map(|key| key.fingerprint().to_string()))
}

/// Warns of a certificate that ends soon, or that devices with OpenSSL's default purpose will refuse.
fn warn_about(chain: &Chain, format: &dyn ImageFormat, context: &Context) {
    let leaf = chain.leaf();
    let days = (leaf.not_after() - context.now).whole_days();
    if days < WARN_DAYS {
        context.warn(format!("the signer's certificate ends in {days} days, on {}", rfc3339(leaf.not_after())));
    }
    let email = const_oid::db::rfc5280::ID_KP_EMAIL_PROTECTION;
    let lacks_email =
        leaf.extended_key_usage().is_ok_and(|usages| usages.is_some_and(|usages| !usages.contains(&email)));
    if lacks_email && format.is_cms() {
        context.warn(
            "the signer's certificate lacks extKeyUsage emailProtection: RAUC, SWUpdate and openssl cms refuse it by default",
        );
    }
}

/// Now, or what SOURCE_DATE_EPOCH says; refused outside the signer's validity, where no verifier would believe it.
fn signing_time(chain: Option<&Chain>, context: &Context) -> anyhow::Result<Time> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(context.now) };
    let parsed = text.to_str().and_then(|text| text.parse::<i64>().ok());
    let time = parsed.and_then(|seconds| Time::from_unix_timestamp(seconds).ok());
    let time = time.ok_or_else(|| Usage("SOURCE_DATE_EPOCH is not a number of Unix seconds".to_owned()))?;
    let Some(leaf) = chain.map(Chain::leaf) else { return Ok(time) };
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
