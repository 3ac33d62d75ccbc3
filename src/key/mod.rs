//! Keys: what they are, where they live, what they can sign, and how signatures are checked.
//!
//! * [`algorithm`] is the one table of hashes, key types and signature schemes, with their OIDs and parameters.
//! * [`PublicKey`] checks signatures; [`Weakness`] says why a public key is not worth trusting.
//! * [`Signer`] makes them, wherever the key lives; [`SoftwareKey`] is the one whose key is in a file.
//! * A [`Recipient`] is encrypted to, a [`Decrypter`] opens; [`SoftwareDecrypter`] is the one whose key is in a file.
//! * [`KeyRef`] names a key on the command line; [`KeyFile`] is a key file before its passphrase is known, and
//!   [`PrivateKey`] what is in it.
//! * [`Ctr`], [`hkdf`] and [`hmac`] work with keys that both sides have; so do [`encrypt_cbc`], [`wrap_key`] and
//!   [`x963_kdf`], of which CMS envelopes are made.
//! * [`KeyId`] is the number that minisign gives a key, and [`Blake2b`] the hash that it signs.
//!
//! ring, aws-lc-rs, p256, p384, crypto-bigint, pkcs8 and blake2 are named here and nowhere else. ring hashes, gives
//! randomness and does Ed25519 and fast ECDSA; aws-lc-rs does what ring cannot (RSA keys, prehashed RSA, all pairs of
//! curve and hash) and all that decrypts, as it wipes its keys; p256 and p384 do deterministic ECDSA (RFC 6979);
//! crypto-bigint looks for factors of bad RSA moduli and reduces by good ones.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use zeroize::Zeroizing;

pub mod algorithm;
mod file;
mod minisign;
mod montgomery;
mod public;
mod published;
mod recipient;
mod software;
mod symmetric;
mod uuid;
mod weakness;

pub use algorithm::{Digest, Hash, Hasher, KeyType, Scheme, sha1_identifier};
pub use file::{KeyFile, PrivateKey, Wrapping};
pub use minisign::{Blake2b, KeyId};
pub use montgomery::Montgomery;
pub use public::PublicKey;
pub use recipient::{Agreement, Decrypter, Recipient, RecipientType, SoftwareDecrypter, X25519Key};
pub use software::SoftwareKey;
pub use symmetric::{
    BLOCK, Ctr, KdfHash, decrypt_cbc, encrypt_cbc, hkdf, hmac, unwrap_key, verify_hmac, wrap_key, x963_kdf,
};
pub use uuid::uuid5;
pub use weakness::Weakness;

use crate::files;

/// Makes signatures with one private key, wherever that lives: a file, later a token, a TPM or a program.
///
/// Law: for each scheme that [`schemes`](Self::schemes) lists, `public_key().verify(scheme, input, sign(scheme,
/// input))` holds; any other scheme is refused.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// The schemes that this key can sign with, the usual one first.
    fn schemes(&self) -> &[Scheme];

    /// Signs. An ECDSA signature is a DER `Ecdsa-Sig-Value` (RFC 3279 section 2.2.3).
    ///
    /// [`Input::Digest`] must come from the scheme's hash, and makes a software ECDSA key sign deterministically
    /// (RFC 6979); Ed25519 takes [`Input::Message`] alone, since it hashes the message twice.
    fn sign(&self, scheme: Scheme, input: Input<'_>) -> Result<Vec<u8>, Error>;
}

/// What is signed: a message in memory, or its digest.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The message itself.
    Message(&'a [u8]),
    /// The digest of a message that was streamed.
    Digest(&'a Digest),
}

/// Names a private key on the command line: the path of a key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRef {
    /// A key file; `-` is standard input.
    File(PathBuf),
}

impl FromStr for KeyRef {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::File(PathBuf::from(text)))
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&files::shown(path)),
        }
    }
}

/// A passphrase. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes the passphrase's bytes as they are, the empty one included.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The passphrase itself, for the key derivation.
    fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Fills a buffer from the system's random number generator.
pub fn random(bytes: &mut [u8]) -> Result<(), Error> {
    use ring::rand::SecureRandom;
    ring::rand::SystemRandom::new().fill(bytes).map_err(|_| Error::Randomness)
}

/// The name of a public key's type, as output has it, of any use: given as a DER `SubjectPublicKeyInfo`.
pub fn type_name(spki: &[u8]) -> Result<String, Error> {
    match PublicKey::from_spki(spki) {
        Ok(key) => Ok(key.key_type().to_string()),
        Err(Error::Use { .. }) => Ok(Recipient::from_spki(spki)?.recipient_type().to_string()),
        Err(error) => Err(error),
    }
}

/// Why a key could not be read, made or used. No variant carries secret bytes.
#[derive(Debug)]
pub enum Error {
    /// The key file could not be read, or is no key file.
    File(files::Error),
    /// The bytes do not hold what their kind promises.
    Malformed { what: &'static str },
    /// A key of an algorithm that `bulla` does not know; the OID or name that was found.
    UnsupportedKey { found: String },
    /// A signature algorithm that `bulla` does not know; the OID that was found.
    UnsupportedAlgorithm { found: String },
    /// RSA below 2048 bits or above 8192, or an exponent that is even or below 3.
    WeakKey { found: String },
    /// The key file is encrypted, and no passphrase was given.
    PassphraseNeeded,
    /// The passphrase does not open the key file.
    PassphraseWrong,
    /// The key file's encryption is of a kind that is not opened, or asks for more work than is reasonable.
    Encryption { found: String },
    /// A format of keys has no place for keys of this type.
    KeyType { key: KeyType, format: &'static str, takes: &'static str },
    /// The two halves of a key file do not belong together.
    Inconsistent,
    /// The key cannot sign with this scheme, or this scheme cannot take this input.
    Scheme { key: KeyType, scheme: Scheme },
    /// A key of this type cannot be used like this.
    Use { key: String, cannot: &'static str },
    /// The signature does not check.
    BadSignature,
    /// What was encrypted does not open with this key: it was made for another, or is damaged. Which of the two, and at
    /// what step it failed, is never told apart.
    NotOpened,
    /// The system gave no random bytes.
    Randomness,
    /// The cryptographic library failed where it must not.
    Library { what: &'static str },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Malformed { what } => write!(f, "{what} is malformed"),
            Self::UnsupportedKey { found } => write!(f, "keys of type {found} are not supported"),
            Self::UnsupportedAlgorithm { found } => write!(f, "signature algorithm {found} is not supported"),
            Self::WeakKey { found } => write!(f, "{found} is not accepted"),
            Self::PassphraseNeeded => f.write_str("the private key is encrypted and no passphrase was given"),
            Self::PassphraseWrong => f.write_str("the passphrase does not open the private key"),
            Self::Encryption { found } => write!(f, "the private key's encryption is not supported: {found}"),
            Self::KeyType { key, format, takes } => write!(f, "{format} takes no {key} keys, only {takes}"),
            Self::Inconsistent => f.write_str("the key's public half does not belong to its private half"),
            Self::Scheme { key, scheme } => write!(f, "an {key} key cannot do {scheme}"),
            Self::Use { key, cannot } => write!(f, "a key of type {key} cannot {cannot}"),
            Self::BadSignature => f.write_str("the signature does not match"),
            Self::NotOpened => f.write_str("what is encrypted was made for another key, or is damaged"),
            Self::Randomness => f.write_str("the system gave no random bytes"),
            Self::Library { what } => write!(f, "the cryptographic library could not {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            _ => None,
        }
    }
}

impl From<files::Error> for Error {
    fn from(error: files::Error) -> Self {
        Self::File(error)
    }
}
