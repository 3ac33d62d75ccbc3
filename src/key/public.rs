//! Public keys: read strictly from a `SubjectPublicKeyInfo`, and the one place where signatures are checked.

use std::fmt;
use std::path::Path;

use aws_lc_rs::signature as aws;
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use spki::SubjectPublicKeyInfoRef;

use super::algorithm::oid_name;
use super::{Digest, Error, Hash, Input, KeyId, KeyType, Scheme, minisign};
use crate::files::{self, Document, Kind};

/// A public key of a known type.
///
/// ```text
/// SubjectPublicKeyInfo ::= SEQUENCE {           -- RFC 5280 section 4.1
///     algorithm         AlgorithmIdentifier,
///     subjectPublicKey  BIT STRING }
/// ```
///
/// Equality compares the whole encoding, and the number that minisign gave the key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    key_type: KeyType,
    spki: Vec<u8>,
    /// The BIT STRING's content: an EC point, an Ed25519 key, or a PKCS#1 `RSAPublicKey`.
    bits: Vec<u8>,
    id: Option<KeyId>,
}

/// ```text
/// RSAPublicKey ::= SEQUENCE {                   -- RFC 8017 appendix A.1.1
///     modulus           INTEGER,
///     publicExponent    INTEGER }
/// ```
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// ```text
/// Ecdsa-Sig-Value ::= SEQUENCE {                -- RFC 3279 section 2.2.3
///     r                 INTEGER,
///     s                 INTEGER }
/// ```
#[derive(Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo`; bytes after it are an error.
    ///
    /// EC points must be uncompressed and on their curve (RFC 5480 section 2.2 allows only what it names, and peers
    /// do not read compressed points); RSA moduli have 2048 to 8192 bits and an odd exponent of 3 or more.
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let malformed = |_| Error::Malformed { what: "the public key" };
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(malformed)?;
        let bits = info.subject_public_key.as_bytes().ok_or(Error::Malformed { what: "the public key" })?;
        let parameters = info.algorithm.parameters;
        let key_type = match info.algorithm.oid {
            rfc5912::ID_EC_PUBLIC_KEY => {
                let curve = parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
                ec_key_type(curve, bits)?
            }
            rfc8410::ID_ED_25519 if parameters.is_none() && bits.len() == 32 => KeyType::Ed25519,
            rfc8410::ID_ED_25519 => return Err(Error::Malformed { what: "the Ed25519 public key" }),
            rfc5912::RSA_ENCRYPTION if parameters.is_none_or(|any| any.is_null()) => rsa_key_type(bits)?,
            rfc8410::ID_X_25519 => return Err(Error::Use { key: "X25519".to_owned(), cannot: "sign" }),
            other => return Err(Error::UnsupportedKey { found: oid_name(other) }),
        };
        Ok(Self { key_type, spki: der.to_vec(), bits: bits.to_vec(), id: None })
    }

    /// Builds the key of an EC point, given uncompressed (SEC 1 section 2.3.3).
    pub fn from_ec_point(key_type: KeyType, point: &[u8]) -> Result<Self, Error> {
        let curve = key_type.curve().ok_or(Error::Malformed { what: "the EC public key" })?;
        let parameters = der::asn1::AnyRef::from(&curve);
        Self::assemble(rfc5912::ID_EC_PUBLIC_KEY, Some(parameters), point)
    }

    /// Builds an Ed25519 key from its 32 bytes.
    pub(super) fn from_ed25519(bytes: &[u8]) -> Result<Self, Error> {
        Self::assemble(rfc8410::ID_ED_25519, None, bytes)
    }

    /// Builds an RSA key from a PKCS#1 `RSAPublicKey`.
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<Self, Error> {
        Self::assemble(rfc5912::RSA_ENCRYPTION, Some(der::asn1::AnyRef::NULL), der)
    }

    /// Builds an RSA key from its modulus and exponent.
    pub(super) fn from_rsa_numbers(modulus: UintRef<'_>, public_exponent: UintRef<'_>) -> Result<Self, Error> {
        let der = RsaPublicKey { modulus, public_exponent }.to_der();
        Self::from_pkcs1(&der.map_err(|_| Error::Malformed { what: "the RSA public key" })?)
    }

    /// Builds an RSA key from its modulus and exponent, big-endian.
    pub fn from_rsa_bytes(modulus: &[u8], public_exponent: &[u8]) -> Result<Self, Error> {
        let number = |bytes| UintRef::new(bytes).map_err(|_| Error::Malformed { what: "the RSA public key" });
        Self::from_rsa_numbers(number(modulus)?, number(public_exponent)?)
    }

    fn assemble(oid: ObjectIdentifier, parameters: Option<der::asn1::AnyRef<'_>>, bits: &[u8]) -> Result<Self, Error> {
        let malformed = |_| Error::Malformed { what: "the public key" };
        let algorithm = spki::AlgorithmIdentifierRef { oid, parameters };
        let subject_public_key = der::asn1::BitStringRef::from_bytes(bits).map_err(malformed)?;
        Self::from_spki(&SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().map_err(malformed)?)
    }

    /// Reads a public key file: `SubjectPublicKeyInfo` or PKCS#1, PEM or DER, or minisign's.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::from_document(&read(path)?, path)
    }

    /// Takes a document that is a public key of any kind; `path` names its file in the error.
    pub fn from_document(document: &Document, path: &Path) -> Result<Self, Error> {
        match document.kind {
            Kind::PublicKey => Self::from_spki(&document.der),
            Kind::Pkcs1PublicKey => Self::from_pkcs1(&document.der),
            Kind::MinisignPublicKey => minisign::public(&document.der),
            other => Err(Error::File(files::Error::WrongKind {
                path: path.to_owned(),
                wanted: "a public key",
                found: other.noun().to_owned(),
            })),
        }
    }

    /// The key's type.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The DER `SubjectPublicKeyInfo`, exactly as read.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The content of the BIT STRING: what RFC 5280 section 4.2.1.2 hashes for a key identifier.
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// The SHA-256 of the `SubjectPublicKeyInfo`: the key's name in output and in the CA's records.
    pub fn fingerprint(&self) -> Digest {
        Hash::Sha256.digest(&self.spki)
    }

    /// The number that minisign gave the key, where it comes from a file of minisign.
    pub fn id(&self) -> Option<KeyId> {
        self.id
    }

    /// The same key under a number of minisign.
    pub fn with_id(self, id: Option<KeyId>) -> Self {
        Self { id, ..self }
    }

    /// The modulus and the exponent of an RSA key, big-endian without leading zeros.
    pub(super) fn rsa_numbers(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let KeyType::Rsa(_) = self.key_type else { return None };
        let key = RsaPublicKey::from_der(&self.bits).ok()?;
        Some((key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec()))
    }

    /// Checks a signature. ECDSA signatures are DER; bytes after the value, or a non-minimal encoding, are refused.
    ///
    /// Returns [`Error::BadSignature`] where it does not match, [`Error::Scheme`] where this key cannot do `scheme`
    /// or the scheme cannot take a digest.
    pub fn verify(&self, scheme: Scheme, input: Input<'_>, signature: &[u8]) -> Result<(), Error> {
        let unfit = Error::Scheme { key: self.key_type, scheme };
        if !self.key_type.schemes().contains(&scheme) {
            return Err(unfit);
        }
        let Some(hash) = scheme.hash() else {
            let Input::Message(message) = input else { return Err(unfit) };
            return ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &self.bits)
                .verify(message, signature)
                .map_err(|_| Error::BadSignature);
        };
        if let Scheme::Ecdsa(_) = scheme {
            EcdsaSigValue::from_der(signature).map_err(|_| Error::BadSignature)?;
        }
        let digest = match input {
            Input::Message(message) => &hash.digest(message),
            Input::Digest(digest) if digest.hash() == hash => digest,
            Input::Digest(_) => return Err(unfit),
        };
        let algorithm = verification(self.key_type, scheme).ok_or(unfit)?;
        aws::UnparsedPublicKey::new(algorithm, &self.bits)
            .verify_digest(&import(digest)?, signature)
            .map_err(|_| Error::BadSignature)
    }

    /// Converts an ECDSA signature from DER to r‖s, each half as long as the curve's field (IEEE P1363).
    pub fn ecdsa_to_p1363(&self, signature: &[u8]) -> Result<Vec<u8>, Error> {
        let len = self.key_type.field_len().ok_or(Error::BadSignature)?;
        let value = EcdsaSigValue::from_der(signature).map_err(|_| Error::BadSignature)?;
        let mut halves = vec![0; 2 * len];
        for (half, number) in halves.chunks_mut(len).zip([value.r, value.s]) {
            let bytes = number.as_bytes();
            let start = len.checked_sub(bytes.len()).ok_or(Error::BadSignature)?;
            half[start..].copy_from_slice(bytes);
        }
        Ok(halves)
    }

    /// Converts an ECDSA signature from r‖s to DER. Any other length than twice the field's is refused.
    pub fn ecdsa_from_p1363(&self, halves: &[u8]) -> Result<Vec<u8>, Error> {
        let len = self.key_type.field_len().ok_or(Error::BadSignature)?;
        if halves.len() != 2 * len {
            return Err(Error::BadSignature);
        }
        let (r, s) = halves.split_at(len);
        let number = |bytes| UintRef::new(bytes).map_err(|_| Error::BadSignature);
        EcdsaSigValue { r: number(r)?, s: number(s)? }.to_der().map_err(|_| Error::BadSignature)
    }
}

/// Reads a file of one document, which should be a public key.
pub(super) fn read(path: &Path) -> Result<Document, Error> {
    let bytes = files::read("public key", path, files::DOCUMENT_LIMIT)?;
    let mut documents = files::documents(&bytes, path, "a public key")?;
    match documents.len() {
        1 => Ok(documents.swap_remove(0)),
        _ => Err(Error::File(files::Error::WrongKind {
            path: path.to_owned(),
            wanted: "a public key",
            found: files::noun_of(&documents),
        })),
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key_type, self.fingerprint())
    }
}

fn ec_key_type(curve: Option<ObjectIdentifier>, point: &[u8]) -> Result<KeyType, Error> {
    let malformed = Error::Malformed { what: "the EC public key" };
    let (key_type, on_curve) = match curve {
        Some(rfc5912::SECP_256_R_1) => (KeyType::P256, p256::PublicKey::from_sec1_bytes(point).is_ok()),
        Some(rfc5912::SECP_384_R_1) => (KeyType::P384, p384::PublicKey::from_sec1_bytes(point).is_ok()),
        Some(rfc5912::SECP_521_R_1) => {
            let parsed = aws::ParsedPublicKey::new(&aws::ECDSA_P521_SHA512_ASN1, point);
            (KeyType::P521, parsed.is_ok())
        }
        Some(other) => return Err(Error::UnsupportedKey { found: format!("EC {}", oid_name(other)) }),
        None => return Err(Error::UnsupportedKey { found: "EC with explicit parameters".to_owned() }),
    };
    let len = key_type.field_len().unwrap_or_default();
    if point.first() != Some(&0x04) || point.len() != 1 + 2 * len || !on_curve {
        return Err(malformed);
    }
    Ok(key_type)
}

fn rsa_key_type(pkcs1: &[u8]) -> Result<KeyType, Error> {
    let key = RsaPublicKey::from_der(pkcs1).map_err(|_| Error::Malformed { what: "the RSA public key" })?;
    let modulus = key.modulus.as_bytes();
    let first = modulus.first().copied().unwrap_or(0);
    let bits = (modulus.len() as u32 * 8).saturating_sub(first.leading_zeros());
    if !(2048..=8192).contains(&bits) {
        return Err(Error::WeakKey { found: format!("RSA-{bits}") });
    }
    let exponent = key.public_exponent.as_bytes();
    if exponent.last().is_none_or(|last| last % 2 == 0) || exponent == [1] || exponent.len() > 8 {
        return Err(Error::WeakKey { found: "an RSA key whose exponent is even, 1 or longer than 64 bits".to_owned() });
    }
    Ok(KeyType::Rsa(bits))
}

/// The library's verifier for a pair of key type and scheme.
fn verification(key: KeyType, scheme: Scheme) -> Option<&'static dyn aws::VerificationAlgorithm> {
    use Hash::{Sha256, Sha384, Sha512};
    Some(match (key, scheme) {
        (KeyType::P256, Scheme::Ecdsa(Sha256)) => &aws::ECDSA_P256_SHA256_ASN1,
        (KeyType::P256, Scheme::Ecdsa(Sha384)) => &aws::ECDSA_P256_SHA384_ASN1,
        (KeyType::P256, Scheme::Ecdsa(Sha512)) => &aws::ECDSA_P256_SHA512_ASN1,
        (KeyType::P384, Scheme::Ecdsa(Sha256)) => &aws::ECDSA_P384_SHA256_ASN1,
        (KeyType::P384, Scheme::Ecdsa(Sha384)) => &aws::ECDSA_P384_SHA384_ASN1,
        (KeyType::P384, Scheme::Ecdsa(Sha512)) => &aws::ECDSA_P384_SHA512_ASN1,
        (KeyType::P521, Scheme::Ecdsa(Sha256)) => &aws::ECDSA_P521_SHA256_ASN1,
        (KeyType::P521, Scheme::Ecdsa(Sha384)) => &aws::ECDSA_P521_SHA384_ASN1,
        (KeyType::P521, Scheme::Ecdsa(Sha512)) => &aws::ECDSA_P521_SHA512_ASN1,
        (KeyType::Rsa(_), Scheme::RsaPkcs1(Sha256)) => &aws::RSA_PKCS1_2048_8192_SHA256,
        (KeyType::Rsa(_), Scheme::RsaPkcs1(Sha384)) => &aws::RSA_PKCS1_2048_8192_SHA384,
        (KeyType::Rsa(_), Scheme::RsaPkcs1(Sha512)) => &aws::RSA_PKCS1_2048_8192_SHA512,
        (KeyType::Rsa(_), Scheme::RsaPss(Sha256)) => &aws::RSA_PSS_2048_8192_SHA256,
        (KeyType::Rsa(_), Scheme::RsaPss(Sha384)) => &aws::RSA_PSS_2048_8192_SHA384,
        (KeyType::Rsa(_), Scheme::RsaPss(Sha512)) => &aws::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// Hands a digest to aws-lc-rs, which signs and verifies digests that ring made.
pub(super) fn import(digest: &Digest) -> Result<aws_lc_rs::digest::Digest, Error> {
    let algorithm = match digest.hash() {
        Hash::Sha256 => &aws_lc_rs::digest::SHA256,
        Hash::Sha384 => &aws_lc_rs::digest::SHA384,
        Hash::Sha512 => &aws_lc_rs::digest::SHA512,
    };
    aws_lc_rs::digest::Digest::import_less_safe(digest.bytes(), algorithm)
        .map_err(|_| Error::Library { what: "take a digest" })
}
