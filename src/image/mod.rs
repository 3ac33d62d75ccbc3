//! Signing and judging images: what all formats share, and one file for each format.
//!
//! * [`Source`] is an image as it is read, [`Layout`] a signed one as it is written; both in constant memory.
//! * [`ImageFormat`] is a format's layout. [`FORMATS`] lists them: a new format is one file and one row there.
//! * [`sign`](sign()) and [`Prepared`] make signatures, [`verify`](verify()) judges them; both are written once.
//!
//! A verdict is a value, not an error: an error means that the question could not be put. An image is read through one
//! descriptor.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cms as message;
use crate::files;
use crate::key::{self, Weakness};
use crate::x509::{self, verify as path};

mod cms;
pub mod esp32;
mod format;
mod layout;
pub mod mcuboot;
mod minisign;
mod prepared;
mod purpose;
mod rauc;
mod raw;
mod sign;
mod source;
mod swupdate;
mod verify;

#[cfg(test)]
mod tests;

pub use format::{
    At, Description, Detached, Evidence, Existing, Facts, ImageFormat, Maker, Message, Named, Plan, Reading, Round,
    Setting, Settings, Signatory, Takes, Unfit, parse_number,
};
pub use layout::{Aside, CipherKey, Layout, Piece};
pub use prepared::{Prepared, Step};
pub use sign::{Signed, check_key, check_signer, sign, sign_by};
pub use source::Source;
use verify::judged;
pub use verify::{Bad, Demands, Fault, Good, Policy, Trust, Verdict, verify};

/// Every format, in the order of the help.
pub const FORMATS: &[&dyn ImageFormat] =
    &[&raw::Raw, &cms::Cms, &minisign::Minisign, &mcuboot::Mcuboot, &esp32::Esp32, &rauc::Rauc, &swupdate::Swupdate];

/// The format of a name.
pub fn format_named(name: &str) -> Option<&'static dyn ImageFormat> {
    FORMATS.iter().copied().find(|format| format.name() == name)
}

/// What an image is, by the first format that knows it. Nothing is verified.
pub fn recognise(source: &mut Source<'_>) -> Result<Option<(&'static dyn ImageFormat, Description)>, Error> {
    source.seekable()?;
    for format in FORMATS {
        if let Some(description) = format.describe(source)? {
            return Ok(Some((*format, description)));
        }
    }
    Ok(None)
}

/// Most bytes that are held in memory where a signature scheme or a format needs them at once: pure Ed25519 goes over
/// the message twice (RFC 8032 section 5.1.6), and an image of 64 MiB is what fits a small device.
pub const MESSAGE_LIMIT: u64 = 64 << 20;

/// Why an image could not be signed, or a verdict not be reached.
#[derive(Debug)]
pub enum Error {
    /// The image could not be read.
    Read { path: PathBuf, source: io::Error },
    /// The copy of the verified bytes could not be written.
    Copy { source: io::Error },
    /// The image could not be put aside in the folder for temporary files.
    Aside { source: io::Error },
    /// The image has no bytes.
    Empty { path: PathBuf },
    /// The image is too large for a scheme or format that needs all of it at once.
    TooLarge { path: PathBuf, limit: u64 },
    /// The image is not fit for signing.
    Unfit(Unfit),
    /// A setting has a value that makes no sense.
    Setting { name: &'static str, why: String },
    /// The key could not sign.
    Key(key::Error),
    /// Others have the private half of the key too.
    WeakKey(Weakness),
    /// A CMS message could not be made.
    Cms(message::Error),
    /// The certificate does not belong to the key.
    CertificateMismatch,
    /// A certificate is needed, and none was given.
    CertificateNeeded,
    /// A key is needed, and none was given.
    KeyNeeded,
    /// The signature is a file of its own, and none was given.
    SignatureNeeded,
    /// The certificate may not sign this now.
    Certificate(path::Refusal),
    /// A certificate could not be read.
    X509(x509::Error),
    /// A prepared signature cannot be read; what part.
    Prepared { what: &'static str },
    /// The image is not the one for which the signature was prepared.
    PreparedDiffers,
    /// A program that makes archives failed.
    Program { name: &'static str, why: String },
}

impl Error {
    fn setting(name: &'static str, why: impl Into<String>) -> Self {
        Self::Setting { name, why: why.into() }
    }

    /// The image is not what the format signs.
    fn malformed(why: impl fmt::Display) -> Self {
        Self::Unfit(Unfit::Refused(Bad::new("malformed", why)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => {
                write!(f, "cannot read image {}: {}", files::shown(path), files::reason(source))
            }
            Self::Copy { source } => write!(f, "cannot write the verified image: {}", files::reason(source)),
            Self::Aside { source } => write!(f, "cannot write a temporary file: {}", files::reason(source)),
            Self::Empty { path } => write!(f, "image {} is empty", files::shown(path)),
            Self::TooLarge { path, limit } => write!(
                f,
                "image {} is larger than {} MiB, the most that is signed or verified at once",
                files::shown(path),
                limit >> 20
            ),
            Self::Unfit(unfit) => unfit.fmt(f),
            Self::Setting { name, why } => write!(f, "--{name}: {why}"),
            Self::Key(error) => error.fmt(f),
            Self::WeakKey(weakness) => write!(f, "the key protects nothing: {weakness}"),
            Self::Cms(error) => error.fmt(f),
            Self::CertificateMismatch => f.write_str("the certificate is for another key"),
            Self::CertificateNeeded => f.write_str("the signer's certificate is needed"),
            Self::KeyNeeded => f.write_str("the signer's key is needed"),
            Self::SignatureNeeded => f.write_str("the signature is detached, and none was given"),
            Self::Certificate(refusal) => write!(f, "the certificate cannot sign this: {refusal}"),
            Self::X509(error) => error.fmt(f),
            Self::Prepared { what } => write!(f, "the prepared signature cannot be read: {what}"),
            Self::PreparedDiffers => f.write_str("the image is not the one for which the signature was prepared"),
            Self::Program { name, why } => write!(f, "{name} failed: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Copy { source } | Self::Aside { source } => Some(source),
            Self::Key(error) => error.source(),
            Self::Cms(error) => error.source(),
            Self::X509(error) => error.source(),
            _ => None,
        }
    }
}

impl From<key::Error> for Error {
    fn from(error: key::Error) -> Self {
        Self::Key(error)
    }
}

impl From<x509::Error> for Error {
    fn from(error: x509::Error) -> Self {
        Self::X509(error)
    }
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// Reads a detached signature: at most [`files::DOCUMENT_LIMIT`] bytes.
pub fn read_signature(path: &Path) -> Result<Zeroizing<Vec<u8>>, files::Error> {
    files::read("signature", path, files::DOCUMENT_LIMIT)
}

/// The settings of a scheme, for formats that leave a choice.
const HASH: Setting = Setting::both(
    "hash",
    Takes::OneOf(&["sha256", "sha384", "sha512"]),
    "The hash; by default the one that goes with the key",
);
const RSA: Setting = Setting::both(
    "rsa",
    Takes::OneOf(&["pss", "pkcs1"]),
    "The padding of RSA signatures; by default pss with raw, else pkcs1",
);

/// The scheme of a key under the settings `hash` and `rsa`; those that make no sense for it are refused. `usual` is the
/// key's scheme in this format.
fn chosen_scheme(usual: key::Scheme, settings: &Settings) -> Result<key::Scheme, Error> {
    use key::{Hash, Scheme};
    let hash = settings.text("hash").map(|name| {
        Hash::ALL.into_iter().find(|hash| hash.name() == name).ok_or_else(|| Error::setting("hash", "unknown"))
    });
    let hash = hash.transpose()?;
    let of_hash = |own| hash.unwrap_or(own);
    Ok(match (usual, settings.text("rsa")) {
        (Scheme::Ecdsa(own), None) => Scheme::Ecdsa(of_hash(own)),
        (Scheme::Ed25519, None) if hash.is_none() => Scheme::Ed25519,
        (Scheme::Ed25519, None) => return Err(Error::setting("hash", "does not go with an Ed25519 key")),
        (Scheme::Ecdsa(_) | Scheme::Ed25519, Some(_)) => {
            return Err(Error::setting("rsa", "goes with an RSA key alone"));
        }
        (Scheme::RsaPss(own), None) => Scheme::RsaPss(of_hash(own)),
        (Scheme::RsaPkcs1(own), None) => Scheme::RsaPkcs1(of_hash(own)),
        (Scheme::RsaPss(own) | Scheme::RsaPkcs1(own), Some("pss")) => Scheme::RsaPss(of_hash(own)),
        (Scheme::RsaPss(own) | Scheme::RsaPkcs1(own), Some(_)) => Scheme::RsaPkcs1(of_hash(own)),
    })
}
