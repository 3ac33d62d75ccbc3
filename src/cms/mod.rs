//! CMS (RFC 5652), in DER or streamed BER: [`SignedData`], made and read detached or attached, and [`EnvelopedData`].
//!
//! What is read is kept as its original bytes: signatures are checked over the signed attributes as they came, and
//! certificates are never re-encoded. The structures are our own for that reason. Exactly one signer is accepted; none,
//! or several, never verify. [`certs_only`] makes the message without signers that carries certificates, and
//! [`SignedData::certificates_only`] reads one.

use std::fmt;

use const_oid::ObjectIdentifier;
use der::{Decode, Tag};

use crate::key;
use crate::x509::{self, CONTEXT_0, members};

mod ber;
mod envelope;
mod read;
mod write;

pub use envelope::EnvelopedData;
pub use read::{Claim, SignedData, SignerIdentifier, SignerInfo};
pub use write::{Content, Unsigned, certs_only, digest_hash};

/// `AlgorithmIdentifier` of rsaEncryption with NULL: in a SignerInfo it stands for PKCS#1 v1.5 with the signer's digest
/// (RFC 3370 section 3.2), and some peers read no other name for that.
const RSA_ENCRYPTION: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Most bytes of a message beside its content: a chain and a signer have some 16 KiB, and what is said of each signer takes
/// many times its length.
const LENGTH_LIMIT: usize = 1 << 20;

/// Takes a message apart: its type, and the one value in it.
///
/// ```text
/// ContentInfo ::= SEQUENCE {                    -- RFC 5652 section 3
///     contentType  ContentType,
///     content  [0] EXPLICIT ANY DEFINED BY contentType }
/// ```
fn content_info(der: &[u8]) -> Result<(ObjectIdentifier, &[u8]), Error> {
    let malformed = |what| move |_| Error::Malformed { what };
    let [content_type, content] = members(der, Tag::Sequence, "").map_err(malformed("its ContentInfo"))?[..] else {
        return Err(Error::Malformed { what: "its ContentInfo" });
    };
    let content_type = ObjectIdentifier::from_der(content_type).map_err(|_| Error::Malformed { what: "its type" })?;
    match members(content, CONTEXT_0, "").map_err(malformed("its content"))?[..] {
        [content] => Ok((content_type, content)),
        _ => Err(Error::Malformed { what: "its content" }),
    }
}

/// Why a message could not be read or made.
#[derive(Debug)]
pub enum Error {
    /// The bytes are no CMS, or malformed; what part.
    Malformed { what: &'static str },
    /// A CMS message of another type; the name of the type.
    NotSignedData { found: String },
    /// A CMS message of another type than an envelope; the name of the type.
    NotEnvelopedData { found: String },
    /// An algorithm that is not known, or not taken for this; what for, and its name.
    Unsupported { what: &'static str, found: String },
    /// The message is not encrypted to this certificate.
    NotARecipient,
    /// The certificate says what its key may do, and being encrypted to is not among it.
    KeyUsage { subject: String },
    /// A key could not be used, or does not open what is encrypted.
    Key(key::Error),
    /// A certificate in it could not be read or written.
    Certificate(x509::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { what } => write!(f, "the CMS message is malformed: {what}"),
            Self::NotSignedData { found } => write!(f, "the CMS message is {found}, not signed data"),
            Self::NotEnvelopedData { found } => write!(f, "the CMS message is {found}, not enveloped data"),
            Self::Unsupported { what, found } => write!(f, "{what} is not supported: {found}"),
            Self::NotARecipient => f.write_str("the CMS message is not encrypted to this certificate"),
            Self::KeyUsage { subject } => {
                write!(f, "the keyUsage of {subject} does not allow that anything is encrypted to its key")
            }
            Self::Key(error) => error.fmt(f),
            Self::Certificate(error) => write!(f, "a certificate in the CMS message: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Certificate(error) => error.source(),
            Self::Key(error) => error.source(),
            _ => None,
        }
    }
}

impl From<key::Error> for Error {
    fn from(error: key::Error) -> Self {
        Self::Key(error)
    }
}

/// Why a signature in a message does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no signer, or more than one.
    Signers { count: usize },
    /// A digest or signature algorithm that is not accepted, or the two do not agree.
    Algorithm { why: String },
    /// The content is of another type.
    ContentType { found: String, wanted: String },
    /// The signed attributes lack one, have one twice, or hold a wrong value.
    Attributes { why: &'static str },
    /// The content is not what was signed.
    Digest,
    /// The signer's certificate is not there.
    NoCertificate,
}

impl Refusal {
    /// The stable code of the reason, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Signers { .. } => "signers",
            Self::Algorithm { .. } => "algorithm",
            Self::ContentType { .. } => "content-type",
            Self::Attributes { .. } => "signed-attributes",
            Self::Digest => "digest",
            Self::NoCertificate => "no-signer-certificate",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signers { count: 0 } => f.write_str("the message has no signature"),
            Self::Signers { count } => write!(f, "the message has {count} signatures, and one is expected"),
            Self::Algorithm { why } => f.write_str(why),
            Self::ContentType { found, wanted } => write!(f, "the signed content is of type {found}, not {wanted}"),
            Self::Attributes { why } => write!(f, "the signed attributes {why}"),
            Self::Digest => f.write_str("the content is not what was signed"),
            Self::NoCertificate => f.write_str("the signer's certificate is not in the message"),
        }
    }
}
