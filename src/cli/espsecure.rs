//! `bulla espsecure`: the command lines of Espressif's espsecure for Secure Boot v2 (espressif/esptool
//! `espsecure/__init__.py`, 5.6.0), in the hyphens of today and the underscores of before, so that builds which call it
//! work as they are. Each is turned into the calls that `bulla sign`, `verify` and `keygen` make.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::error::Usage;
use super::keys::{self, PassphraseFrom};
use super::product::{self, Encoding};
use super::progress;
use super::report::{Report, row};
use super::{Context, keygen, sign, verify};
use crate::files::{self, Creation, Kind, shown};
use crate::image::esp32::{self, Esp32, SignatureBlock};
use crate::image::{self, Existing, Layout, Maker, Settings, Signed, Source, Unfit};
use crate::key::{KeyFile, KeyRef, KeyType, PublicKey, Signer, SoftwareKey};

/// Sign and verify ESP32 images by the command lines of espsecure
///
/// Commands, flags and the order of files are those of espsecure 5.6.0 for Secure Boot v2; exit codes, reports and checks
/// are those of bulla. A product replaces the file that is there, since builds run again; a private key does not. Keys
/// stay in files: there is no --hsm. Images are padded to sectors: there is no --skip-padding.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(alias = "generate_signing_key")]
    GenerateSigningKey(GenerateArgs),
    #[command(alias = "extract_public_key")]
    ExtractPublicKey(ExtractArgs),
    #[command(name = "digest-sbv2-public-key", aliases = ["digest_sbv2_public_key", "digest-rsa-public-key",
        "digest_rsa_public_key"])]
    DigestPublicKey(DigestArgs),
    #[command(alias = "sign_data")]
    SignData(SignArgs),
    #[command(alias = "verify_signature")]
    VerifySignature(VerifyArgs),
    #[command(name = "signature-info-v2", alias = "signature_info_v2")]
    SignatureInfo(InfoArgs),
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::GenerateSigningKey(args) => generate_signing_key(args, context),
        Command::ExtractPublicKey(args) => extract_public_key(args, context),
        Command::DigestPublicKey(args) => digest_public_key(args, context),
        Command::SignData(args) => sign_data(args, context),
        Command::VerifySignature(args) => verify_signature(args, context),
        Command::SignatureInfo(args) => signature_info(args, context),
    }
}

/// Which Secure Boot it is.
#[derive(Debug, clap::Args)]
struct VersionArgs {
    /// The version of Secure Boot
    #[arg(short = 'v', long, value_enum)]
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Version {
    #[value(name = "2")]
    V2,
}

/// A key whose public half is wanted.
#[derive(Debug, clap::Args)]
struct KeyArgs {
    /// The key, private or public
    #[arg(short, long, value_name = "FILE")]
    keyfile: PathBuf,
    /// The passphrase of a private key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<PassphraseFrom>,
}

impl KeyArgs {
    fn public(&self, context: &Context) -> anyhow::Result<PublicKey> {
        let spki = keys::public_half(&self.keyfile, keys::own(self.passphrase_from.as_ref()), context)?;
        Ok(PublicKey::from_spki(&spki)?)
    }
}

/// Make a key for Secure Boot v2
///
/// The file is PKCS#8 in PEM, mode 0600, and never written over another.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla espsecure generate-signing-key --version 2 --scheme ecdsa256 secure-boot.pem")]
struct GenerateArgs {
    #[command(flatten)]
    _version: VersionArgs,
    /// The type of the key
    #[arg(short, long, value_enum, default_value_t)]
    scheme: KeyScheme,
    /// Where the key goes
    #[arg(value_name = "KEYFILE")]
    keyfile: PathBuf,
}

/// The types of key that espsecure makes, but for P-192.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum KeyScheme {
    #[default]
    Rsa3072,
    Ecdsa256,
    Ecdsa384,
}

fn generate_signing_key(args: &GenerateArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let output = product::output(&args.keyfile, Creation { private: true, replace: false }, context)?;
    let key = SoftwareKey::generate(match args.scheme {
        KeyScheme::Rsa3072 => KeyType::Rsa(3072),
        KeyScheme::Ecdsa256 => KeyType::P256,
        KeyScheme::Ecdsa384 => KeyType::P384,
    })?;
    product::write(output, Kind::Pkcs8Key, &key.to_pkcs8()?, Encoding::Pem)?;
    keygen::finish(context, &args.keyfile, "private key", key.public_key().spki())
}

/// Write the public half of a key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla espsecure extract-public-key --version 2 --keyfile firmware.key firmware.pem")]
struct ExtractArgs {
    #[command(flatten)]
    _version: VersionArgs,
    /// The private key
    #[arg(short, long, value_name = "FILE")]
    keyfile: KeyRef,
    /// Its passphrase: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<PassphraseFrom>,
    /// Where the public half goes
    #[arg(value_name = "PUBLIC_KEYFILE")]
    public_keyfile: PathBuf,
}

fn extract_public_key(args: &ExtractArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let KeyRef::File(keyfile) = &args.keyfile;
    refuse_same(&args.public_keyfile, keyfile)?;
    let output = product::output(&args.public_keyfile, product::REPLACE, context)?;
    let unlock = keys::own(args.passphrase_from.as_ref());
    let key = keys::unlocked_any(KeyFile::read(&args.keyfile)?, &args.keyfile.to_string(), unlock, context)?;
    product::write(output, Kind::PublicKey, key.spki(), Encoding::Pem)?;
    keygen::finish(context, &args.public_keyfile, "public key", key.spki())
}

/// Write the digest of a key for the eFuses of a chip
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla espsecure digest-sbv2-public-key --keyfile firmware.pub -o digest.bin")]
struct DigestArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// Where the 32 bytes go
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn digest_public_key(args: &DigestArgs, context: &Context) -> anyhow::Result<ExitCode> {
    refuse_same(&args.output, &args.key.keyfile)?;
    let output = product::output(&args.output, product::REPLACE, context)?;
    let key = args.key.public(context)?;
    let digest = esp32::efuse_digest(&key).map_err(image::Error::from)?;
    output.write(digest.bytes())?;
    let report = Report::new("bulla.espsecure.digest/1")
        .line(format!("{}: {digest}", files::shown_output(&args.output)))
        .field("output", args.output.to_string_lossy().into_owned())
        .field("digest", digest.to_string())
        .field("spki_sha256", key.fingerprint().to_string());
    context.done(report)
}

/// Sign an image with Secure Boot v2
///
/// Several keys sign in their order, three at most. Put -- before the file where it follows --keyfile, which takes all
/// words up to the next flag.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla espsecure sign-data --version 2 --keyfile firmware.key -o app-signed.bin app.bin
  $ bulla espsecure sign-data -k new.key -v 2 --append-signatures -o app-twice.bin app-esp32.bin
  $ bulla espsecure sign-data -v 2 --pub-key firmware.pub --signature app-esp32.sig -o out app.bin")]
struct SignArgs {
    #[command(flatten)]
    _version: VersionArgs,
    /// The private keys
    #[arg(short, long, value_name = "FILE", num_args = 1.., required_unless_present = "signature")]
    keyfile: Vec<KeyRef>,
    /// The passphrase of the keys: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", requires = "keyfile")]
    passphrase_from: Option<PassphraseFrom>,
    /// Where the signed image goes, instead of to DATAFILE
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep the signatures that the image has, and add to them
    #[arg(short, long, aliases = ["append_signatures", "add"])]
    append_signatures: bool,
    /// Sign anew, without the signatures that the image has
    #[arg(long, conflicts_with = "append_signatures")]
    replace: bool,
    /// The public halves of the keys that made the signatures
    #[arg(long, alias = "pub_key", value_name = "FILE", num_args = 1.., requires = "signature",
        conflicts_with = "keyfile")]
    pub_key: Vec<PathBuf>,
    /// Signatures that other tools made, over all of the image with its padding
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "pub_key")]
    signature: Vec<PathBuf>,
    /// Sign with a key whose private half is public, as those of development boards
    #[arg(long)]
    allow_published_key: bool,
    /// The image
    #[arg(value_name = "DATAFILE")]
    datafile: PathBuf,
}

/// Who makes a block.
enum Pen {
    /// A key that is at hand.
    Key(SoftwareKey),
    /// A signature that was made elsewhere.
    Made(PublicKey, Vec<u8>),
}

impl Pen {
    fn key(&self) -> &PublicKey {
        match self {
            Self::Key(key) => key.public_key(),
            Self::Made(key, _) => key,
        }
    }

    /// The image with one block more.
    fn sign(&self, source: &mut Source<'_>, existing: Existing, context: &Context) -> Result<Signed, image::Error> {
        let maker = Maker { key: Some(self.key()), chain: None, time: context.now, existing };
        let settings = Settings::default();
        match self {
            Self::Key(key) => image::sign(&Esp32, source, Some(key), &maker, &settings),
            Self::Made(_, signature) => {
                image::sign_by(&Esp32, source, &maker, &settings, &mut |_| Ok(signature.clone()))
            }
        }
    }
}

impl SignArgs {
    fn pens(&self, context: &Context) -> anyhow::Result<Vec<Pen>> {
        if self.pub_key.len() != self.signature.len() {
            let (keys, signatures) = (self.pub_key.len(), self.signature.len());
            return Err(Usage(format!("{keys} public key(s) do not go with {signatures} signature(s)")).into());
        }
        let mut pens = Vec::new();
        for keyfile in &self.keyfile {
            pens.push(Pen::Key(keys::open(keyfile, keys::own(self.passphrase_from.as_ref()), context)?));
        }
        for (key, signature) in self.pub_key.iter().zip(&self.signature) {
            pens.push(Pen::Made(PublicKey::read(key)?, image::read_signature(signature)?.to_vec()));
        }
        for pen in &pens {
            sign::check_key(pen.key(), self.allow_published_key, context)?;
        }
        Ok(pens)
    }
}

fn sign_data(args: &SignArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let path = args.output.as_ref().unwrap_or(&args.datafile);
    for KeyRef::File(keyfile) in &args.keyfile {
        refuse_same(path, keyfile)?;
    }
    let output = product::output(path, product::REPLACE, context)?;
    let pens = args.pens(context)?;
    let mut source = progress::open(context, "signing", &args.datafile)?;
    let mut existing = match (args.append_signatures, args.replace) {
        (true, _) => Existing::Keep,
        (_, true) => Existing::Replace,
        _ => Existing::Refuse,
    };
    let (mut layout, mut scheme) = (Layout::default(), None);
    for (number, pen) in pens.iter().enumerate() {
        if number > 0 {
            put_in_place(&mut source, &layout)?;
            existing = Existing::Keep;
        }
        let signed = match pen.sign(&mut source, existing, context) {
            // espsecure takes --append-signatures for the first one too.
            Err(image::Error::Unfit(Unfit::NotSigned)) => pen.sign(&mut source, Existing::Refuse, context)?,
            signed => signed?,
        };
        (layout, scheme) = (signed.layout, signed.scheme);
    }
    sign::write(&mut source, &layout, output)?;
    drop(source);
    context.done(sign::report(&args.datafile, path, &Esp32, scheme, pens.last().map(Pen::key)))
}

/// Makes a signed image the one that is signed next.
fn put_in_place(source: &mut Source<'_>, layout: &Layout) -> Result<(), image::Error> {
    use std::io::Write as _;
    let aside = |source| image::Error::Aside { source };
    let mut file = files::unnamed().map_err(aside)?;
    source.lay_out(layout, &mut |bytes| file.write_all(bytes).map_err(aside))?;
    source.replace_with_file(file)
}

/// Check the signature of an image as the chip would check it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla espsecure verify-signature --version 2 --keyfile firmware.pub app-esp32.bin")]
struct VerifyArgs {
    #[command(flatten)]
    _version: VersionArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// The signed image
    #[arg(value_name = "DATAFILE")]
    datafile: PathBuf,
}

fn verify_signature(args: &VerifyArgs, context: &Context) -> anyhow::Result<ExitCode> {
    verify::by_key(&args.datafile, &Esp32, args.key.public(context)?, context)
}

/// Show the signature blocks of an image
///
/// Exit code 3 means that it has none, or one that is for another image. Nothing else is verified.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla espsecure signature-info-v2 app-esp32.bin")]
struct InfoArgs {
    /// The signed image
    #[arg(value_name = "DATAFILE")]
    datafile: PathBuf,
}

fn signature_info(args: &InfoArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let blocks = esp32::signature_blocks(&mut Source::open(&args.datafile, |_| {})?)?;
    let mut report = Report::new("bulla.espsecure.info/1")
        .line(shown(&args.datafile))
        .field("file", args.datafile.to_string_lossy().into_owned());
    let (mut are_of_image, mut shown) = (true, Vec::new());
    for (label, block) in blocks {
        let Ok(SignatureBlock { key, efuse, is_of_image }) = block else { continue };
        are_of_image &= is_of_image;
        let of = if is_of_image { "" } else { ", of another image" };
        report = report.line(row(label, &format!("{key}, efuse {efuse}{of}")));
        shown.push(json!({"block": label, "key": key, "efuse": efuse.to_string(), "is_of_image": is_of_image}));
    }
    if shown.is_empty() {
        report = report.line(row("", "no signature block"));
    }
    let is_good = are_of_image && !shown.is_empty();
    context.answer(report.field("blocks", Value::from(shown)), if is_good { 0 } else { 3 })
}

/// Refuses to write over the key.
fn refuse_same(output: &Path, keyfile: &Path) -> Result<(), Usage> {
    match (output.canonicalize(), keyfile.canonicalize()) {
        (Ok(one), Ok(other)) if one == other => Err(Usage(format!("{} is the key itself", shown(output)))),
        _ => Ok(()),
    }
}
