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
    /// do not read compressed points); RSA moduli are odd and have 2048 to 8192 bits, exponents are odd and from 3 to
    /// 2^33, the largest that the library takes.
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

    /// Whether its `SubjectPublicKeyInfo` is the one that the standards give the key. RSA keys come with NULL for parameters
    /// (RFC 3279 section 2.3.1) and without any: a digest of the other form tells nothing of the key.
    pub fn is_canonical(&self) -> bool {
        match self.key_type {
            KeyType::Rsa(_) => Self::from_pkcs1(&self.bits).is_ok_and(|usual| usual.spki == self.spki),
            _ => true,
        }
    }

    /// Reads a public key file: `SubjectPublicKeyInfo` or PKCS#1, PEM or DER, or minisign's.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::from_document(&read(path)?, path)
    }

    /// Takes what stands in a public key file; `path` names it in the error.
    pub fn from_file(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        Self::from_document(&document(bytes, path)?, path)
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
    document(&files::read("public key", path, files::DOCUMENT_LIMIT)?, path)
}

/// The one document of a file, which should be a public key.
fn document(bytes: &[u8], path: &Path) -> Result<Document, Error> {
    let mut documents = files::documents(bytes, path, "a public key")?;
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
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(Error::WeakKey { found: "an RSA key whose modulus is even".to_owned() });
    }
    let exponent = key.public_exponent.as_bytes();
    // aws-lc-rs has the same bound, so that nobody's key makes a check take long.
    let is_long = matches!(exponent, [2..=255, _, _, _, _] | [_, _, _, _, _, _, ..]);
    if exponent.last().is_none_or(|last| last % 2 == 0) || exponent == [1] || is_long {
        return Err(Error::WeakKey { found: "an RSA key whose exponent is even, 1 or longer than 33 bits".to_owned() });
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A DER INTEGER of these content bytes, as they are.
    fn integer(content: &[u8]) -> Vec<u8> {
        tlv(0x02, content)
    }

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = match content.len() {
            len @ 0..0x80 => vec![len as u8],
            len @ 0x80..0x100 => vec![0x81, len as u8],
            len => [&[0x82], &u16::try_from(len).unwrap().to_be_bytes()[..]].concat(),
        };
        [&[tag], length.as_slice(), content].concat()
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, Error> {
        PublicKey::from_pkcs1(&tlv(0x30, &[integer(modulus), integer(exponent)].concat()))
    }

    /// An odd modulus of `bits` bits, with the zero before it that a positive INTEGER needs.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] >>= (8 - bits % 8) % 8;
        if bytes[0] & 0x80 != 0 {
            bytes.insert(0, 0);
        }
        bytes
    }

    #[test]
    fn rsa_keys_are_bounded() {
        const F4: &[u8] = &[1, 0, 1];
        for bits in [2048, 2049, 3072, 4095, 8192] {
            assert_eq!(rsa(&modulus(bits), F4).unwrap().key_type(), KeyType::Rsa(bits as u32));
        }
        for bits in [512, 1024, 2047, 8193, 16384] {
            assert!(matches!(rsa(&modulus(bits), F4), Err(Error::WeakKey { .. })), "{bits}");
        }
        for exponent in [&[3][..], F4, &[0x7f, 0xff, 0xff, 0xff], &[1, 0xff, 0xff, 0xff, 0xff]] {
            let key = rsa(&modulus(2048), exponent).unwrap();
            // What is read here, the library takes too.
            aws::ParsedPublicKey::new(&aws::RSA_PKCS1_2048_8192_SHA256, key.bits()).unwrap();
        }
        for exponent in [&[0][..], &[1], &[2], &[1, 0, 0], &[2, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 1], &[1; 9]] {
            assert!(matches!(rsa(&modulus(2048), exponent), Err(Error::WeakKey { .. })), "{exponent:?}");
        }
        let mut even = modulus(2048);
        even[256] -= 1;
        assert!(matches!(rsa(&even, F4), Err(Error::WeakKey { .. })));
    }

    #[test]
    fn rsa_numbers_are_written_one_way() {
        let odd = modulus(2048);
        let negative = &odd[1..];
        let longer = [&[0], odd.as_slice()].concat();
        for (modulus, exponent) in
            [(negative, &[3][..]), (&longer, &[3]), (&odd, &[0, 3]), (&odd, &[0x83]), (&odd, &[]), (&[], &[3])]
        {
            assert!(matches!(rsa(modulus, exponent), Err(Error::Malformed { .. })), "{exponent:?}");
        }
        let more = tlv(0x30, &[integer(&odd), integer(&[3]), integer(&[3])].concat());
        assert!(PublicKey::from_pkcs1(&more).is_err());
        let after = [tlv(0x30, &[integer(&odd), integer(&[3])].concat()), vec![0]].concat();
        assert!(PublicKey::from_pkcs1(&after).is_err());
    }

    /// A point of each curve, in every form but the uncompressed one, is refused, and so is one beside the curve.
    #[test]
    fn ec_points_are_uncompressed_and_on_their_curve() {
        // The base points of SEC 2 sections 2.4.2, 2.5.1 and 2.6.1.
        let p256 = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                    4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
        let p384 = "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7\
                    3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f";
        let p521 = "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ff\
                    a8de3348b3c1856a429bf97e7e31c2e5bd66\
                    011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad\
                    0761353c7086a272c24088be94769fd16650";
        for (key_type, coordinates) in [(KeyType::P256, p256), (KeyType::P384, p384), (KeyType::P521, p521)] {
            let coordinates = crate::files::from_hex(coordinates).unwrap();
            let (x, y) = coordinates.split_at(key_type.field_len().unwrap());
            let point = [&[4], x, y].concat();
            PublicKey::from_ec_point(key_type, &point).unwrap();
            let odd = y[y.len() - 1] & 1;
            let mut beside = point.clone();
            *beside.last_mut().unwrap() ^= 1;
            for wrong in [
                [&[2 + odd], x].concat(),
                [&[6 + odd], x, y].concat(),
                [&[5], x].concat(),
                [point.as_slice(), &[0]].concat(),
                point[..point.len() - 1].to_vec(),
                vec![0],
                vec![4],
                vec![],
                beside,
                [&[4], vec![0; x.len() + y.len()].as_slice()].concat(),
                [&[4], vec![0xff; x.len() + y.len()].as_slice()].concat(),
            ] {
                assert!(PublicKey::from_ec_point(key_type, &wrong).is_err(), "{key_type} {wrong:02x?}");
            }
        }
    }
}
