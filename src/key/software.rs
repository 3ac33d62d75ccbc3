//! The key whose private half is in this process's memory, read from a file or made here.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::KeyPair as _;
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::asn1::UintRef;
use der::{Decode, Sequence};
use ring::signature as ring_signature;
use zeroize::Zeroizing;

use super::file::{Wrapping, encode_pkcs8, encode_sec1, protect};
use super::public::import;
use super::{Error, Hash, Input, KeyId, KeyType, Passphrase, PublicKey, Scheme, Signer};
use crate::files::Kind;

/// A private key in memory. What is kept for its lifetime is wiped when dropped; it never prints.
pub struct SoftwareKey {
    public: PublicKey,
    secret: Secret,
}

enum Secret {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    Ed25519(Zeroizing<[u8; 32]>),
    Rsa(Box<aws_lc_rs::rsa::KeyPair>),
}

/// ```text
/// RSAPrivateKey ::= SEQUENCE {                  -- RFC 8017 appendix A.1.2, of two primes
///     version, modulus, publicExponent, privateExponent, prime1, prime2, exponent1, exponent2, coefficient  INTEGER }
/// ```
#[derive(Sequence)]
struct RsaPrivateKey<'a> {
    version: u8,
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
    private_exponent: UintRef<'a>,
    prime1: UintRef<'a>,
    prime2: UintRef<'a>,
    exponent1: UintRef<'a>,
    exponent2: UintRef<'a>,
    coefficient: UintRef<'a>,
}

impl SoftwareKey {
    /// Makes a key from the system's randomness. RSA has 2048, 3072 or 4096 bits and the exponent 65537.
    pub fn generate(key_type: KeyType) -> Result<Self, Error> {
        match key_type {
            KeyType::P256 => loop {
                let mut scalar = Zeroizing::new([0; 32]);
                super::random(scalar.as_mut())?;
                // Zero, or not below the curve's order: once in 2^32.
                if let Ok(key) = p256::SecretKey::from_slice(scalar.as_ref()) {
                    return Self::from_p256(key);
                }
            },
            KeyType::P384 => loop {
                let mut scalar = Zeroizing::new([0; 48]);
                super::random(scalar.as_mut())?;
                if let Ok(key) = p384::SecretKey::from_slice(scalar.as_ref()) {
                    return Self::from_p384(key);
                }
            },
            KeyType::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                super::random(seed.as_mut())?;
                Self::from_ed25519_seed(&seed)
            }
            KeyType::Rsa(bits) => {
                let size = match bits {
                    2048 => aws_lc_rs::rsa::KeySize::Rsa2048,
                    3072 => aws_lc_rs::rsa::KeySize::Rsa3072,
                    4096 => aws_lc_rs::rsa::KeySize::Rsa4096,
                    _ => return Err(Error::UnsupportedKey { found: key_type.to_string() }),
                };
                let pair =
                    aws_lc_rs::rsa::KeyPair::generate(size).map_err(|_| Error::Library { what: "make an RSA key" })?;
                Self::from_rsa(pair)
            }
            KeyType::P521 => Err(Error::UnsupportedKey { found: key_type.to_string() }),
        }
    }

    /// Takes an EC private scalar, big-endian, on a named curve. The public half is computed from it.
    pub(super) fn from_ec_scalar(curve: ObjectIdentifier, scalar: &[u8]) -> Result<Self, Error> {
        let malformed = |_| Error::Malformed { what: "the EC private key" };
        match curve {
            rfc5912::SECP_256_R_1 => Self::from_p256(p256::SecretKey::from_slice(scalar).map_err(malformed)?),
            rfc5912::SECP_384_R_1 => Self::from_p384(p384::SecretKey::from_slice(scalar).map_err(malformed)?),
            other => Err(Error::UnsupportedKey { found: format!("EC {}", super::algorithm::oid_name(other)) }),
        }
    }

    fn from_p256(key: p256::SecretKey) -> Result<Self, Error> {
        let public = PublicKey::from_ec_point(KeyType::P256, &key.public_key().to_sec1_bytes())?;
        Ok(Self { public, secret: Secret::P256(key) })
    }

    fn from_p384(key: p384::SecretKey) -> Result<Self, Error> {
        let public = PublicKey::from_ec_point(KeyType::P384, &key.public_key().to_sec1_bytes())?;
        Ok(Self { public, secret: Secret::P384(key) })
    }

    /// Takes an Ed25519 seed (RFC 8032 section 5.1.5).
    pub(super) fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, Error> {
        let pair = ed25519(seed)?;
        let public = PublicKey::from_ed25519(ring_signature::KeyPair::public_key(&pair).as_ref())?;
        Ok(Self { public, secret: Secret::Ed25519(Zeroizing::new(*seed)) })
    }

    /// The same key under a number of minisign.
    pub(super) fn with_id(self, id: KeyId) -> Self {
        Self { public: self.public.with_id(Some(id)), ..self }
    }

    /// Takes a PKCS#1 `RSAPrivateKey`. The library checks that its numbers belong together; that the modulus and the
    /// exponent are acceptable is checked first, so that the refusal can name them.
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "the RSA private key" };
        let numbers = RsaPrivateKey::from_der(der).map_err(|_| malformed())?;
        PublicKey::from_rsa_numbers(numbers.modulus, numbers.public_exponent)?;
        Self::from_rsa(aws_lc_rs::rsa::KeyPair::from_der(der).map_err(|_| malformed())?)
    }

    fn from_rsa(pair: aws_lc_rs::rsa::KeyPair) -> Result<Self, Error> {
        let public = PublicKey::from_pkcs1(pair.public_key().as_ref())?;
        Ok(Self { public, secret: Secret::Rsa(Box::new(pair)) })
    }

    /// Encodes as PKCS#8 `PrivateKeyInfo`, version 1, as OpenSSL writes it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let ec = |scalar: &[u8]| -> Result<Zeroizing<Vec<u8>>, Error> {
            let curve = self.public.key_type().curve().ok_or(Error::Malformed { what: "the EC private key" })?;
            let sec1 = encode_sec1(scalar, self.public.bits())?;
            encode_pkcs8(rfc5912::ID_EC_PUBLIC_KEY, Some(der::asn1::AnyRef::from(&curve)), &sec1)
        };
        match &self.secret {
            Secret::P256(key) => ec(&Zeroizing::new(key.to_bytes())),
            Secret::P384(key) => ec(&Zeroizing::new(key.to_bytes())),
            Secret::Ed25519(seed) => {
                let mut inner = Zeroizing::new(vec![0x04, 0x20]);
                // The vector would grow and leave a copy behind.
                inner.reserve_exact(seed.len());
                inner.extend_from_slice(seed.as_ref());
                encode_pkcs8(rfc8410::ID_ED_25519, None, &inner)
            }
            Secret::Rsa(pair) => {
                let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(pair.as_ref())
                    .map_err(|_| Error::Library { what: "encode an RSA key" })?;
                Ok(Zeroizing::new(der.as_ref().to_vec()))
            }
        }
    }

    /// Encodes for a key file: PKCS#8, encrypted where a passphrase is given. Returns the kind that was made.
    pub fn to_file(&self, protection: Option<(Wrapping, &Passphrase)>) -> Result<(Kind, Zeroizing<Vec<u8>>), Error> {
        protect(self.to_pkcs8()?, protection)
    }
}

impl Signer for SoftwareKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn schemes(&self) -> &[Scheme] {
        self.public.key_type().schemes()
    }

    fn sign(&self, scheme: Scheme, input: Input<'_>) -> Result<Vec<u8>, Error> {
        let unfit = || Error::Scheme { key: self.public.key_type(), scheme };
        if !self.schemes().contains(&scheme) {
            return Err(unfit());
        }
        match (&self.secret, scheme, input) {
            (Secret::Ed25519(seed), Scheme::Ed25519, Input::Message(message)) => {
                Ok(ed25519(seed)?.sign(message).as_ref().to_vec())
            }
            (Secret::P256(key), Scheme::Ecdsa(Hash::Sha256), Input::Message(message)) => self.sign_fast(
                &ring_signature::ECDSA_P256_SHA256_ASN1_SIGNING,
                &Zeroizing::new(key.to_bytes()),
                message,
            ),
            (Secret::P384(key), Scheme::Ecdsa(Hash::Sha384), Input::Message(message)) => self.sign_fast(
                &ring_signature::ECDSA_P384_SHA384_ASN1_SIGNING,
                &Zeroizing::new(key.to_bytes()),
                message,
            ),
            (secret, scheme, Input::Message(message)) => {
                let digest = scheme.hash().ok_or_else(unfit)?.digest(message);
                sign_digest(secret, scheme, &digest).unwrap_or_else(|| Err(unfit()))
            }
            (secret, scheme, Input::Digest(digest)) if scheme.hash() == Some(digest.hash()) => {
                sign_digest(secret, scheme, digest).unwrap_or_else(|| Err(unfit()))
            }
            _ => Err(unfit()),
        }
    }
}

impl SoftwareKey {
    /// ECDSA with a random nonce, several times faster than the deterministic way.
    fn sign_fast(
        &self,
        algorithm: &'static ring_signature::EcdsaSigningAlgorithm,
        scalar: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let failed = Error::Library { what: "sign with ECDSA" };
        let random = ring::rand::SystemRandom::new();
        let signature = ring_signature::EcdsaKeyPair::from_private_key_and_public_key(
            algorithm,
            scalar,
            self.public.bits(),
            &random,
        )
        .ok()
        .and_then(|pair| pair.sign(&random, message).ok());
        signature.map(|signature| signature.as_ref().to_vec()).ok_or(failed)
    }
}

/// Signs a digest; `None` where this key cannot.
fn sign_digest(secret: &Secret, scheme: Scheme, digest: &super::Digest) -> Option<Result<Vec<u8>, Error>> {
    use p256::ecdsa::signature::hazmat::PrehashSigner;
    let failed = |_| Error::Library { what: "sign with ECDSA" };
    Some(match (secret, scheme) {
        (Secret::P256(key), Scheme::Ecdsa(_)) => {
            let signed: Result<p256::ecdsa::DerSignature, _> =
                p256::ecdsa::SigningKey::from(key).sign_prehash(digest.bytes());
            signed.map(|signature| signature.as_bytes().to_vec()).map_err(failed)
        }
        (Secret::P384(key), Scheme::Ecdsa(_)) => {
            let signed: Result<p384::ecdsa::DerSignature, _> =
                p384::ecdsa::SigningKey::from(key).sign_prehash(digest.bytes());
            signed.map(|signature| signature.as_bytes().to_vec()).map_err(failed)
        }
        (Secret::Rsa(pair), Scheme::RsaPkcs1(_) | Scheme::RsaPss(_)) => sign_rsa(pair, scheme, digest),
        _ => return None,
    })
}

fn sign_rsa(pair: &aws_lc_rs::rsa::KeyPair, scheme: Scheme, digest: &super::Digest) -> Result<Vec<u8>, Error> {
    use aws_lc_rs::signature as aws;
    let padding: &'static dyn aws::RsaEncoding = match scheme {
        Scheme::RsaPkcs1(Hash::Sha256) => &aws::RSA_PKCS1_SHA256,
        Scheme::RsaPkcs1(Hash::Sha384) => &aws::RSA_PKCS1_SHA384,
        Scheme::RsaPkcs1(Hash::Sha512) => &aws::RSA_PKCS1_SHA512,
        Scheme::RsaPss(Hash::Sha256) => &aws::RSA_PSS_SHA256,
        Scheme::RsaPss(Hash::Sha384) => &aws::RSA_PSS_SHA384,
        Scheme::RsaPss(Hash::Sha512) => &aws::RSA_PSS_SHA512,
        Scheme::Ecdsa(_) | Scheme::Ed25519 => return Err(Error::Library { what: "sign with RSA" }),
    };
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign_digest(padding, &import(digest)?, &mut signature)
        .map_err(|_| Error::Library { what: "sign with RSA" })?;
    Ok(signature)
}

/// Built for each use, since ring does not wipe its key pairs.
fn ed25519(seed: &[u8; 32]) -> Result<ring_signature::Ed25519KeyPair, Error> {
    ring_signature::Ed25519KeyPair::from_seed_unchecked(seed)
        .map_err(|_| Error::Malformed { what: "the Ed25519 private key" })
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareKey({:?}, ..)", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The law of [`Signer`], for every type of key and scheme.
    #[test]
    fn what_is_signed_verifies() {
        let types = [KeyType::P256, KeyType::P384, KeyType::Ed25519, KeyType::Rsa(2048)];
        for key_type in types {
            let key = SoftwareKey::generate(key_type).unwrap();
            for &scheme in key.schemes() {
                let mut inputs = vec![Input::Message(b"message")];
                let digest = scheme.hash().map(|hash| hash.digest(b"message"));
                inputs.extend(digest.as_ref().map(Input::Digest));
                for input in inputs {
                    let mut signature = key.sign(scheme, input).unwrap();
                    key.public_key().verify(scheme, input, &signature).unwrap();
                    assert!(key.public_key().verify(scheme, Input::Message(b"massage"), &signature).is_err());
                    signature.push(0);
                    assert!(key.public_key().verify(scheme, input, &signature).is_err());
                }
            }
        }
    }

    #[test]
    fn digests_are_signed_deterministically() {
        for key_type in [KeyType::P256, KeyType::P384] {
            let key = SoftwareKey::generate(key_type).unwrap();
            let scheme = key_type.usual_scheme();
            let digest = scheme.hash().unwrap().digest(b"firmware");
            let sign = || key.sign(scheme, Input::Digest(&digest)).unwrap();
            assert_eq!(sign(), sign());
        }
    }

    /// RFC 6979 appendix A.2.5: P-256, SHA-256, message "sample".
    #[test]
    fn rfc_6979_vector() {
        let scalar = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
        let expected = "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
                        F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8";
        let bytes = |hex| crate::files::from_hex(hex).unwrap();
        let key = SoftwareKey::from_ec_scalar(rfc5912::SECP_256_R_1, &bytes(scalar)).unwrap();
        let digest = Hash::Sha256.digest(b"sample");
        let signature = key.sign(Scheme::Ecdsa(Hash::Sha256), Input::Digest(&digest)).unwrap();
        assert_eq!(key.public_key().ecdsa_to_p1363(&signature).unwrap(), bytes(expected));
        let back = key.public_key().ecdsa_from_p1363(&bytes(expected)).unwrap();
        assert_eq!(back, signature);
    }

    #[test]
    fn debug_hides_the_secret() {
        let key = SoftwareKey::from_ed25519_seed(&[7; 32]).unwrap();
        assert!(!format!("{key:?}").contains("0707"));
    }
}
