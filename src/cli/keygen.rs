//! `bulla keygen`: make a private key, or write the public half of one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::Context;
use super::error::Usage;
use super::keys::{self, PassphraseFrom};
use super::product::{self, Encoding};
use super::report::Report;
use crate::files::{Creation, Kind, shown_output};
use crate::key::{self, Hash, KeyFile, KeyRef, KeyType, PrivateKey, Signer, SoftwareKey, Wrapping, X25519Key};

/// Make a private key, or write the public half of one
///
/// The key is written as PKCS#8, mode 0600, and never over an existing file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla keygen -o device.key
  $ bulla keygen --type rsa3072 --passphrase-from env:PASS -o ca.key
  $ bulla keygen --public device.key -o device.pub
  $ bulla keygen --public ed25519.key --encoding minisign -o minisign.pub")]
pub struct Args {
    /// An existing private key, with --public
    #[arg(value_name = "KEY", requires = "public")]
    key: Option<KeyRef>,
    /// Write the public half of KEY instead of making a key
    #[arg(long, requires = "key", conflicts_with_all = ["key_type", "kdf"])]
    public: bool,
    /// The type of the key; x25519 decrypts and cannot sign
    #[arg(long = "type", value_enum, default_value_t, id = "key_type", value_name = "TYPE")]
    key_type: AnyType,
    /// Where the key goes; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How it is encoded
    #[arg(long, value_enum, default_value_t)]
    encoding: KeyEncoding,
    /// Encrypt the key with a passphrase: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<PassphraseFrom>,
    /// The key derivation of the encryption
    #[arg(long, value_enum, requires = "passphrase_from")]
    kdf: Option<Kdf>,
    /// Replace an existing file; a private key is kept as a numbered .bak
    #[arg(long)]
    force: bool,
}

/// The types of key that sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Type {
    #[default]
    P256,
    P384,
    Ed25519,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

impl From<Type> for KeyType {
    fn from(key_type: Type) -> Self {
        match key_type {
            Type::P256 => Self::P256,
            Type::P384 => Self::P384,
            Type::Ed25519 => Self::Ed25519,
            Type::Rsa2048 => Self::Rsa(2048),
            Type::Rsa3072 => Self::Rsa(3072),
            Type::Rsa4096 => Self::Rsa(4096),
        }
    }
}

/// Every type of key that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnyType {
    Signing(Type),
    /// Opens what is encrypted to it, and cannot sign.
    X25519,
}

impl Default for AnyType {
    fn default() -> Self {
        Self::Signing(Type::default())
    }
}

impl ValueEnum for AnyType {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Signing(Type::P256),
            Self::Signing(Type::P384),
            Self::Signing(Type::Ed25519),
            Self::Signing(Type::Rsa2048),
            Self::Signing(Type::Rsa3072),
            Self::Signing(Type::Rsa4096),
            Self::X25519,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Signing(key_type) => key_type.to_possible_value(),
            Self::X25519 => Some(PossibleValue::new("x25519")),
        }
    }
}

impl AnyType {
    fn generate(self) -> Result<PrivateKey, key::Error> {
        match self {
            Self::Signing(key_type) => SoftwareKey::generate(key_type.into()).map(PrivateKey::Signing),
            Self::X25519 => X25519Key::generate().map(PrivateKey::X25519),
        }
    }
}

/// How a key can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum KeyEncoding {
    #[default]
    Pem,
    Der,
    /// The public key file of minisign, which takes Ed25519 keys
    Minisign,
}

impl KeyEncoding {
    /// PEM or DER, where it is one of them.
    fn of_structure(self) -> Option<Encoding> {
        match self {
            Self::Pem => Some(Encoding::Pem),
            Self::Der => Some(Encoding::Der),
            Self::Minisign => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kdf {
    /// scrypt, N=2^14
    Scrypt,
    /// PBKDF2 with HMAC-SHA-256, 600,000 rounds
    Pbkdf2,
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let creation = Creation { private: !args.public, replace: args.force };
    let output = product::output(&args.output, creation, context)?;
    if let Some(reference) = &args.key {
        let unlock = keys::own(args.passphrase_from.as_ref());
        let key = keys::unlocked_any(KeyFile::read(reference)?, &reference.to_string(), unlock, context)?;
        match (args.encoding.of_structure(), &key) {
            (Some(encoding), _) => product::write(output, Kind::PublicKey, key.spki(), encoding)?,
            (None, PrivateKey::Signing(key)) => output.write(key.public_key().to_minisign()?.as_bytes())?,
            (None, PrivateKey::X25519(_)) => {
                let message = "minisign takes Ed25519 keys, and this one is of type X25519";
                return Err(Usage(message.to_owned()).into());
            }
        }
        return finish(context, &args.output, "public key", &key);
    }
    let public_only = || Usage("--encoding minisign is for public keys: add --public KEY".to_owned());
    let encoding = args.encoding.of_structure().ok_or_else(public_only)?;
    let wrapping = match args.kdf {
        Some(Kdf::Pbkdf2) => Wrapping::Pbkdf2,
        Some(Kdf::Scrypt) | None => Wrapping::Scrypt,
    };
    // Before the key is made: an RSA key takes its time.
    let passphrase = args.passphrase_from.map(|from| from.get("passphrase of the new key", true)).transpose()?;
    let key = args.key_type.generate()?;
    let (kind, der) = key.to_file(passphrase.as_ref().map(|passphrase| (wrapping, passphrase)))?;
    product::write(output, kind, &der, encoding)?;
    let what = if passphrase.is_some() { "encrypted private key" } else { "private key" };
    finish(context, &args.output, what, &key)
}

/// Reports a key or its public half.
pub(super) fn finish(context: &Context, path: &Path, what: &str, key: &PrivateKey) -> anyhow::Result<ExitCode> {
    let (key_type, fingerprint) = (key::type_name(key.spki())?, Hash::Sha256.digest(key.spki()));
    let report = Report::new("bulla.keygen/1")
        .line(format!("{}: {key_type} {what}, spki {fingerprint}", shown_output(path)))
        .field("output", path.to_string_lossy().into_owned())
        .field("what", what)
        .field("type", key_type)
        .field("spki_sha256", fingerprint.to_string());
    context.done(report)
}
