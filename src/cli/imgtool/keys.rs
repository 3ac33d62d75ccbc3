//! `bulla imgtool keygen`, `getpub`, `getpubhash` and `keyinfo`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::TargetArgs;
use crate::cli::Context;
use crate::cli::array::{Compiled, Language, Style};
use crate::cli::error::Usage;
use crate::cli::keygen::finish;
use crate::cli::keys::{self, PassphraseFrom};
use crate::cli::product::{self, Encoding};
use crate::cli::report::Report;
use crate::files::{Creation, Kind};
use crate::image::mcuboot::key_hash;
use crate::image::{self, Unfit};
use crate::key::{self, KeyType, PrivateKey, PublicKey, SoftwareKey, Wrapping, X25519Key};

/// Make a key for MCUboot
///
/// The file is PKCS#8 in PEM, mode 0600. Unlike imgtool's, it never replaces another file unless --force says so, and
/// then keeps a private key as a numbered .bak.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  $ bulla imgtool keygen -t ecdsa-p256 -k root-ec-p256.pem
  $ bulla imgtool keygen -t ed25519 -k root-ed25519.pem --passphrase-from env:PASS"
)]
pub struct KeygenArgs {
    /// Where the key goes
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// The type of the key
    #[arg(short = 't', long = "type", value_enum, value_name = "TYPE")]
    key_type: Type,
    /// Encrypt the key with a passphrase that is asked for
    #[arg(short, long, conflicts_with = "passphrase_from")]
    password: bool,
    /// Encrypt the key with a passphrase: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<PassphraseFrom>,
    /// Replace an existing file; a private key is kept as a numbered .bak
    #[arg(long)]
    force: bool,
}

/// The types of key that imgtool makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Type {
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "ecdsa-p256")]
    EcdsaP256,
    #[value(name = "ecdsa-p384")]
    EcdsaP384,
    Ed25519,
    X25519,
}

impl Type {
    fn generate(self) -> Result<PrivateKey, key::Error> {
        let signing = |key_type| SoftwareKey::generate(key_type).map(PrivateKey::Signing);
        match self {
            Self::Rsa2048 => signing(KeyType::Rsa(2048)),
            Self::Rsa3072 => signing(KeyType::Rsa(3072)),
            Self::EcdsaP256 => signing(KeyType::P256),
            Self::EcdsaP384 => signing(KeyType::P384),
            Self::Ed25519 => signing(KeyType::Ed25519),
            Self::X25519 => X25519Key::generate().map(PrivateKey::X25519),
        }
    }
}

pub fn keygen(args: &KeygenArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let output = product::output(&args.key, Creation { private: true, replace: args.force }, context)?;
    let from = if args.password { Some(&PassphraseFrom::Prompt) } else { args.passphrase_from.as_ref() };
    let passphrase = from.map(|from| from.get("passphrase of the new key", true)).transpose()?;
    let key = args.key_type.generate()?;
    // imgtool's own key files are of PBKDF2, and not every version of its library opens scrypt.
    let (kind, der) = key.to_file(passphrase.as_ref().map(|passphrase| (Wrapping::Pbkdf2, passphrase)))?;
    product::write(output, kind, &der, Encoding::Pem)?;
    let what = if passphrase.is_some() { "encrypted private key" } else { "private key" };
    finish(context, &args.key, what, key.spki())
}

/// Write the public half of a key
///
/// An array is what MCUboot has compiled in: PKCS#1 for RSA, else SubjectPublicKeyInfo.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  $ bulla imgtool getpub -k firmware.key
  $ bulla imgtool getpub -k firmware.key -e lang-rust --name-suffix _2 -o keys.rs"
)]
pub struct GetpubArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// How it is encoded; lang-c unless --lang says otherwise
    #[arg(short, long, value_enum)]
    encoding: Option<KeyEncoding>,
    /// The older way to say lang-c or lang-rust
    #[arg(short, long, value_enum, conflicts_with = "encoding")]
    lang: Option<Language>,
    /// Add this to the names of the array and its length
    #[arg(long, value_name = "SUFFIX", default_value = "", hide_default_value = true, value_parser = parse_suffix)]
    name_suffix: String,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KeyEncoding {
    LangC,
    LangRust,
    Pem,
    /// The bytes of the array
    Raw,
}

pub fn getpub(args: &GetpubArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let encoding = match (args.encoding, args.lang) {
        (Some(encoding), _) => encoding,
        (None, Some(Language::C) | None) => KeyEncoding::LangC,
        (None, Some(Language::Rust)) => KeyEncoding::LangRust,
    };
    let is_source = matches!(encoding, KeyEncoding::LangC | KeyEncoding::LangRust);
    let style = style(&args.name_suffix, is_source)?;
    let output = args.target.output(context)?;
    let spki = args.key.public_half(context)?;
    let key = Compiled::of(&spki)?;
    match encoding {
        KeyEncoding::LangC => output.write(key.key_in(Language::C, style).as_bytes())?,
        KeyEncoding::LangRust => output.write(key.key_in(Language::Rust, style).as_bytes())?,
        KeyEncoding::Pem => product::write(output, Kind::PublicKey, &spki, Encoding::Pem)?,
        KeyEncoding::Raw => output.write(key.bytes())?,
    }
    finish(context, args.target.path(), "public key", &spki)
}

/// Write the SHA-256 of the public half of a key
///
/// It is the digest of what getpub writes as raw: what MCUboot compares where it has the hash of a key compiled in.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  $ bulla imgtool getpubhash -k firmware.key -o keyhash.c"
)]
pub struct GetpubhashArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// How it is encoded
    #[arg(short, long, value_enum, default_value_t)]
    encoding: HashEncoding,
    /// Add this to the names of the array and its length
    #[arg(long, value_name = "SUFFIX", default_value = "", hide_default_value = true, value_parser = parse_suffix)]
    name_suffix: String,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum HashEncoding {
    #[default]
    LangC,
    Raw,
}

pub fn getpubhash(args: &GetpubhashArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let style = style(&args.name_suffix, args.encoding == HashEncoding::LangC)?;
    let output = args.target.output(context)?;
    let spki = args.key.public_half(context)?;
    let key = Compiled::of(&spki)?;
    match args.encoding {
        HashEncoding::LangC => output.write(key.hash_in_c(style).as_bytes())?,
        HashEncoding::Raw => output.write(key.hash().bytes())?,
    }
    finish(context, args.target.path(), "hash of the public key", &spki)
}

/// The first line and the names of an array, as imgtool has them.
fn style(suffix: &str, is_source: bool) -> Result<Style<'_>, Usage> {
    match suffix {
        "" => {}
        _ if is_source => {}
        _ => return Err(Usage("--name-suffix goes with an array in source code alone".to_owned())),
    }
    Ok(Style { tool: "imgtool.py", suffix })
}

/// Reads what may stand at the end of a name in C and Rust.
fn parse_suffix(text: &str) -> Result<String, String> {
    let is_part = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_part { Ok(text.to_owned()) } else { Err("must be of A-Z, a-z, 0-9 and _ alone".to_owned()) }
}

/// The types of key that MCUboot knows (`mcu-tools/mcuboot scripts/imgtool/keys/__init__.py`).
const TYPES: &str = "EC P-256, EC P-384, Ed25519, RSA-2048, RSA-3072 and X25519";

/// A key whose public half is wanted.
#[derive(Debug, clap::Args)]
struct KeyArgs {
    /// The key, private or public
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// The passphrase of a private key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<PassphraseFrom>,
}

impl KeyArgs {
    /// The public half, where MCUboot takes keys of this type.
    fn public_half(&self, context: &Context) -> anyhow::Result<Vec<u8>> {
        let spki = keys::public_half(&self.key, keys::own(self.passphrase_from.as_ref()), context)?;
        match PublicKey::from_spki(&spki) {
            Ok(key) if key_hash(&key).is_none() => {
                let unfit = Unfit::KeyType { key: key.key_type(), format: "MCUboot", takes: TYPES };
                Err(image::Error::from(unfit).into())
            }
            _ => Ok(spki),
        }
    }
}

/// Say whether a file holds a private or a public key
///
/// Nothing is opened, so that no passphrase is needed. With --require, exit code 3 means that it is of the other kind.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  $ bulla imgtool keyinfo -k firmware.key --require private"
)]
pub struct KeyinfoArgs {
    /// The key
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// What it has to be
    #[arg(long, value_enum)]
    require: Option<Half>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Half {
    Private,
    Public,
}

pub fn keyinfo(args: &KeyinfoArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let document = keys::key_document(&args.key)?;
    let half = if document.kind.is_private_key() { Half::Private } else { Half::Public };
    let word = if half == Half::Private { "private" } else { "public" };
    let report = Report::new("bulla.imgtool.keyinfo/1").line(word).field("kind", word);
    let is_wanted = args.require.is_none_or(|wanted| wanted == half);
    context.answer(report, if is_wanted { 0 } else { 3 })
}
