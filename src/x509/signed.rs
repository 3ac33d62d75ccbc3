//! What is signed: the outer structure of certificates, requests and revocation lists.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Tag};

use super::{Error, encode, members};
use crate::key::{Input, PublicKey, Scheme};

/// Octets and a signature over them, as read.
///
/// ```text
/// SIGNED{ToBeSigned} ::= SEQUENCE {             -- RFC 5912 section 14
///     toBeSigned  ToBeSigned,
///     algorithm   AlgorithmIdentifier,
///     signature   BIT STRING }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    bytes: Box<[u8]>,
    algorithm: Box<[u8]>,
    signature: Box<[u8]>,
    /// Whether the algorithm that is among what is signed, if one is, is the same.
    is_of_one_algorithm: bool,
}

impl Signed {
    /// Reads the structure; bytes after it are an error. `what` names it there.
    pub fn from_der(der: &[u8], what: &'static str) -> Result<Self, Error> {
        match members(der, Tag::Sequence, what)?[..] {
            [bytes, algorithm, signature] => Self::new(bytes, algorithm, signature, what),
            _ => Err(Error::Malformed { what }),
        }
    }

    /// Takes the three parts, each in its DER encoding. Both what is signed and its algorithm are kept as they came: the
    /// signature covers these bytes, and algorithms compare as a whole.
    pub fn new(bytes: &[u8], algorithm: &[u8], signature: &[u8], what: &'static str) -> Result<Self, Error> {
        let bits = BitStringRef::from_der(signature).ok().and_then(|bits| bits.as_bytes());
        let signature = bits.ok_or(Error::Malformed { what })?.into();
        Ok(Self { bytes: bytes.into(), algorithm: algorithm.into(), signature, is_of_one_algorithm: true })
    }

    /// Takes the AlgorithmIdentifier that is among what is signed. It must be the one beside the signature (RFC 5280
    /// sections 4.1.1.2 and 5.1.1.2), or there is no scheme.
    pub fn repeating(self, algorithm: &[u8]) -> Self {
        Self { is_of_one_algorithm: *self.algorithm == *algorithm, ..self }
    }

    /// What the signature covers.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The scheme of the signature, where the table knows it.
    pub fn scheme(&self) -> Result<Scheme, Error> {
        if !self.is_of_one_algorithm {
            return Err(Error::Malformed { what: "the signature algorithm, which differs from the signed one," });
        }
        Ok(Scheme::from_algorithm_identifier(&self.algorithm)?)
    }

    /// Checks the signature with the key that is to have made it.
    pub fn check(&self, key: &PublicKey) -> Result<(), Error> {
        Ok(key.verify(self.scheme()?, Input::Message(&self.bytes), &self.signature)?)
    }
}

/// Puts DER, the algorithm and the signature over it together.
pub(super) fn assemble(to_be_signed: &[u8], scheme: Scheme, signature: &[u8]) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "the signed structure";
    let malformed = |_| Error::Malformed { what: WHAT };
    let signature = encode(WHAT, &BitStringRef::from_bytes(signature).map_err(malformed)?)?;
    let parts = [to_be_signed, &scheme.algorithm_identifier(), &signature].concat();
    encode(WHAT, &AnyRef::new(Tag::Sequence, &parts).map_err(malformed)?)
}
