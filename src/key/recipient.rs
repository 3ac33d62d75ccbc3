//! Keys that secrets are encrypted to: recipients, and the private keys that open what was encrypted to them.
//!
//! Two ways lead from a sender to a recipient. With RSA the sender chooses the secret and wraps it (key transport,
//! RSAES-OAEP, RFC 8017 section 7.1). On a curve the sender makes a key for this once, and both sides compute the same
//! shared secret (key agreement, RFC 7748 section 6.1 and NIST SP 800-56A section 5.7.1.2), from which keys are derived.

use std::fmt;
use std::path::Path;

use aws_lc_rs::{agreement, rsa};
use const_oid::db::rfc8410;
use der::{Decode, Encode};
use spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

use super::file::encode_pkcs8;
use super::public;
use super::{Digest, Error, Hash, KeyType, PublicKey, Signer, SoftwareKey};
use crate::files::{Document, Kind};

/// Opens what was encrypted to one private key, wherever that lives: a file, later a token.
///
/// Law: `unwrap(recipient().wrap(secret))` is `secret` where the recipient's key is RSA, and `agree(public)` is `secret`
/// of each [`Agreement`] that `recipient().agree()` made where it is a curve's; the other one of the two is refused.
pub trait Decrypter: fmt::Debug + Send + Sync {
    /// The public half.
    fn recipient(&self) -> &Recipient;

    /// Opens a secret that was wrapped with RSAES-OAEP, SHA-256 and MGF1 with SHA-256, without label.
    ///
    /// Everything that is wrong with the ciphertext is one error, [`Error::NotOpened`].
    fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error>;

    /// Computes the secret that is shared with the owner of `public`: the x coordinate of a P-256 point, or what X25519
    /// gives; 32 bytes.
    ///
    /// `public` is encoded as in [`Agreement::public`]. A point that is not on the curve, or of small order, is
    /// [`Error::NotOpened`].
    fn agree(&self, public: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error>;
}

/// The type of a recipient's key, which decides the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecipientType {
    /// Key agreement on NIST P-256, secp256r1.
    P256,
    /// Key agreement by X25519 (RFC 7748).
    X25519,
    /// Key transport by RSA, with the length of its modulus in bits.
    Rsa(u32),
}

impl RecipientType {
    /// The length in bytes of a public key as [`Agreement::public`] encodes it; `None` where nothing is agreed.
    pub fn public_len(self) -> Option<usize> {
        match self {
            Self::P256 => Some(65),
            Self::X25519 => Some(32),
            Self::Rsa(_) => None,
        }
    }

    fn agreement(self) -> Option<&'static agreement::Algorithm> {
        match self {
            Self::P256 => Some(&agreement::ECDH_P256),
            Self::X25519 => Some(&agreement::X25519),
            Self::Rsa(_) => None,
        }
    }
}

impl fmt::Display for RecipientType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => KeyType::P256.fmt(f),
            Self::X25519 => f.write_str("X25519"),
            Self::Rsa(bits) => KeyType::Rsa(*bits).fmt(f),
        }
    }
}

/// A public key that secrets are encrypted to.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    recipient_type: RecipientType,
    spki: Vec<u8>,
    /// The BIT STRING's content: an uncompressed point, an X25519 key, or a PKCS#1 `RSAPublicKey`.
    bits: Vec<u8>,
}

/// The sender's side of one key agreement. The private key that made it is gone.
pub struct Agreement {
    /// The sender's public key, which the recipient needs: a P-256 point, uncompressed (SEC 1 section 2.3.3), of 65
    /// bytes, or the 32 bytes of X25519 (RFC 7748 section 5).
    pub public: Vec<u8>,
    /// The shared secret, 32 bytes. It is no key: keys are derived from it.
    pub secret: Zeroizing<Vec<u8>>,
}

impl Recipient {
    /// Reads a DER `SubjectPublicKeyInfo` of P-256 or RSA, as strictly as [`PublicKey::from_spki`], or of X25519 (RFC
    /// 8410 section 3: no parameters). A key that can only sign is [`Error::Use`].
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| Error::Malformed { what: "the public key" })?;
        if info.algorithm.oid == rfc8410::ID_X_25519 {
            return match info.subject_public_key.as_bytes() {
                Some(bits) if bits.len() == 32 && info.algorithm.parameters.is_none() => {
                    Ok(Self { recipient_type: RecipientType::X25519, spki: der.to_vec(), bits: bits.to_vec() })
                }
                _ => Err(Error::Malformed { what: "the X25519 public key" }),
            };
        }
        let key = PublicKey::from_spki(der)?;
        let recipient_type = match key.key_type() {
            KeyType::P256 => RecipientType::P256,
            KeyType::Rsa(bits) => RecipientType::Rsa(bits),
            other => return Err(Error::Use { key: other.to_string(), cannot: "be encrypted to" }),
        };
        Ok(Self { recipient_type, spki: der.to_vec(), bits: key.bits().to_vec() })
    }

    /// Reads a public key file: `SubjectPublicKeyInfo` or PKCS#1, PEM or DER.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::from_document(&public::read(path)?, path)
    }

    /// Takes a document that is a public key of either kind; `path` names its file in the error.
    pub fn from_document(document: &Document, path: &Path) -> Result<Self, Error> {
        match document.kind {
            Kind::PublicKey => Self::from_spki(&document.der),
            _ => Self::from_spki(PublicKey::from_document(document, path)?.spki()),
        }
    }

    /// The type of the key.
    pub fn recipient_type(&self) -> RecipientType {
        self.recipient_type
    }

    /// The DER `SubjectPublicKeyInfo`, exactly as read.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The content of the BIT STRING.
    pub(super) fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// The SHA-256 of the `SubjectPublicKeyInfo`.
    pub fn fingerprint(&self) -> Digest {
        Hash::Sha256.digest(&self.spki)
    }

    /// Wraps a secret for an RSA key with RSAES-OAEP, SHA-256 and MGF1 with SHA-256, without label. The result is as
    /// long as the modulus; the secret is at most 66 bytes shorter (RFC 8017 section 7.1.1).
    pub fn wrap(&self, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let RecipientType::Rsa(_) = self.recipient_type else { return Err(self.cannot("wrap a secret")) };
        let failed = || Error::Library { what: "encrypt with RSA" };
        // The library asks for the NULL that some leave out of the AlgorithmIdentifier.
        let spki = PublicKey::from_pkcs1(&self.bits)?;
        let key = rsa::PublicEncryptingKey::from_der(spki.spki()).map_err(|_| failed())?;
        let key = rsa::OaepPublicEncryptingKey::new(key).map_err(|_| failed())?;
        let mut wrapped = vec![0; key.ciphertext_size()];
        key.encrypt(&rsa::OAEP_SHA256_MGF1SHA256, secret, &mut wrapped, None).map_err(|_| failed())?;
        Ok(wrapped)
    }

    /// Makes a key for this once, and agrees on a secret with it. An X25519 key of small order, with which every secret
    /// is zero (RFC 7748 section 6.1), is refused as malformed.
    pub fn agree(&self) -> Result<Agreement, Error> {
        let algorithm = self.recipient_type.agreement().ok_or_else(|| self.cannot("agree on a secret"))?;
        let once = agreement::PrivateKey::generate(algorithm).map_err(|_| Error::Library { what: "make a key" })?;
        let public = once.compute_public_key().map_err(|_| Error::Library { what: "compute a public key" })?;
        let secret = agree(&once, &self.bits, Error::Malformed { what: "the recipient's public key" })?;
        Ok(Agreement { public: public.as_ref().to_vec(), secret })
    }

    fn cannot(&self, cannot: &'static str) -> Error {
        Error::Use { key: self.recipient_type.to_string(), cannot }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.recipient_type, self.fingerprint())
    }
}

impl fmt::Debug for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agreement(..)")
    }
}

fn agree(own: &agreement::PrivateKey, public: &[u8], error: Error) -> Result<Zeroizing<Vec<u8>>, Error> {
    let peer = agreement::UnparsedPublicKey::new(own.algorithm(), public);
    agreement::agree(own, peer, error, |secret| Ok(Zeroizing::new(secret.to_vec())))
}

/// An X25519 private key (RFC 7748), which agrees on secrets and cannot sign. Wiped when dropped, never printed.
pub struct X25519Key {
    scalar: Zeroizing<[u8; 32]>,
    recipient: Recipient,
}

impl X25519Key {
    /// Makes a key from the system's randomness.
    pub fn generate() -> Result<Self, Error> {
        let mut scalar = Zeroizing::new([0; 32]);
        super::random(scalar.as_mut())?;
        // Each use sets these bits (RFC 7748 section 5). Set in the file too, as OpenSSL does: some devices refuse a
        // private key without them.
        scalar[0] &= 0xf8;
        scalar[31] = scalar[31] & 0x7f | 0x40;
        Self::from_scalar(&scalar)
    }

    /// Takes the 32 bytes of a private key. The public half is computed from it.
    pub(super) fn from_scalar(scalar: &[u8; 32]) -> Result<Self, Error> {
        let failed = || Error::Library { what: "compute a public key" };
        let public = agreement_key(scalar)?.compute_public_key().map_err(|_| failed())?;
        let algorithm = spki::AlgorithmIdentifierRef { oid: rfc8410::ID_X_25519, parameters: None };
        let subject_public_key = der::asn1::BitStringRef::from_bytes(public.as_ref()).map_err(|_| failed())?;
        let spki = SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().map_err(|_| failed())?;
        Ok(Self { scalar: Zeroizing::new(*scalar), recipient: Recipient::from_spki(&spki)? })
    }

    /// The public half.
    pub fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    /// Encodes as PKCS#8 `PrivateKeyInfo`, version 1, as OpenSSL writes it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        // CurvePrivateKey ::= OCTET STRING (RFC 8410 section 7)
        let mut inner = Zeroizing::new([0; 34]);
        inner[..2].copy_from_slice(&[0x04, 0x20]);
        inner[2..].copy_from_slice(self.scalar.as_ref());
        encode_pkcs8(rfc8410::ID_X_25519, None, inner.as_ref())
    }
}

impl fmt::Debug for X25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X25519Key({:?}, ..)", self.recipient)
    }
}

fn agreement_key(scalar: &[u8; 32]) -> Result<agreement::PrivateKey, Error> {
    agreement::PrivateKey::from_private_key(&agreement::X25519, scalar)
        .map_err(|_| Error::Malformed { what: "the X25519 private key" })
}

/// The decrypter whose private key is in this process's memory. The library wipes it when dropped; it never prints.
pub struct SoftwareDecrypter {
    recipient: Recipient,
    secret: Secret,
}

enum Secret {
    Agreement(agreement::PrivateKey),
    Rsa(rsa::OaepPrivateDecryptingKey),
}

impl TryFrom<&SoftwareKey> for SoftwareDecrypter {
    type Error = Error;

    /// Takes a key that can do both, P-256 or RSA. One that can only sign is [`Error::Use`].
    fn try_from(key: &SoftwareKey) -> Result<Self, Error> {
        let unusable = |_| Error::Library { what: "take a private key" };
        let public = key.public_key();
        let secret = match public.key_type() {
            KeyType::P256 => {
                let key = agreement::PrivateKey::from_private_key_der(&agreement::ECDH_P256, &key.to_pkcs8()?);
                Secret::Agreement(key.map_err(unusable)?)
            }
            KeyType::Rsa(_) => {
                let key = rsa::PrivateDecryptingKey::from_pkcs8(&key.to_pkcs8()?).map_err(unusable)?;
                let key = rsa::OaepPrivateDecryptingKey::new(key);
                Secret::Rsa(key.map_err(|_| Error::Library { what: "take a private key" })?)
            }
            other => return Err(Error::Use { key: other.to_string(), cannot: "decrypt" }),
        };
        Ok(Self { recipient: Recipient::from_spki(public.spki())?, secret })
    }
}

impl TryFrom<&X25519Key> for SoftwareDecrypter {
    type Error = Error;

    fn try_from(key: &X25519Key) -> Result<Self, Error> {
        Ok(Self { recipient: key.recipient.clone(), secret: Secret::Agreement(agreement_key(&key.scalar)?) })
    }
}

impl Decrypter for SoftwareDecrypter {
    fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Secret::Rsa(key) = &self.secret else { return Err(self.recipient.cannot("unwrap a secret")) };
        let mut secret = Zeroizing::new(vec![0; key.min_output_size()]);
        let len =
            key.decrypt(&rsa::OAEP_SHA256_MGF1SHA256, wrapped, &mut secret, None).map_err(|_| Error::NotOpened)?.len();
        secret.truncate(len);
        Ok(secret)
    }

    fn agree(&self, public: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Secret::Agreement(key) = &self.secret else { return Err(self.recipient.cannot("agree on a secret")) };
        // The library also takes points in other encodings, and whole SubjectPublicKeyInfos.
        let plain = match self.recipient.recipient_type {
            RecipientType::P256 => public.len() == 65 && public.first() == Some(&0x04),
            _ => public.len() == 32,
        };
        if !plain {
            return Err(Error::NotOpened);
        }
        agree(key, public, Error::NotOpened)
    }
}

impl fmt::Debug for SoftwareDecrypter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareDecrypter({:?}, ..)", self.recipient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> [u8; 32] {
        crate::files::from_hex(hex).unwrap().try_into().unwrap()
    }

    fn decrypters() -> [SoftwareDecrypter; 3] {
        let signing = |key_type| SoftwareDecrypter::try_from(&SoftwareKey::generate(key_type).unwrap()).unwrap();
        let x25519 = SoftwareDecrypter::try_from(&X25519Key::generate().unwrap()).unwrap();
        [signing(KeyType::P256), x25519, signing(KeyType::Rsa(2048))]
    }

    /// The law of [`Decrypter`], for every type of key.
    #[test]
    fn what_is_encrypted_opens() {
        for key in decrypters() {
            let recipient = key.recipient();
            if let Some(len) = recipient.recipient_type().public_len() {
                let agreed = recipient.agree().unwrap();
                assert_eq!((agreed.public.len(), agreed.secret.len()), (len, 32));
                assert_eq!(key.agree(&agreed.public).unwrap(), agreed.secret);
                assert_ne!(recipient.agree().unwrap().secret, agreed.secret);
                assert!(matches!(recipient.wrap(b"secret"), Err(Error::Use { .. })));
                assert!(matches!(key.unwrap(&[0; 256]), Err(Error::Use { .. })));
            } else {
                let mut wrapped = recipient.wrap(b"secret").unwrap();
                assert_eq!(key.unwrap(&wrapped).unwrap().as_slice(), b"secret");
                wrapped[0] ^= 1;
                assert!(matches!(key.unwrap(&wrapped), Err(Error::NotOpened)));
                assert!(matches!(key.unwrap(&wrapped[1..]), Err(Error::NotOpened)));
                assert!(matches!(key.unwrap(&[]), Err(Error::NotOpened)));
                assert!(matches!(recipient.agree(), Err(Error::Use { .. })));
                assert!(matches!(key.agree(&[0; 65]), Err(Error::Use { .. })));
            }
        }
    }

    /// RFC 7748 section 6.1.
    #[test]
    fn rfc_7748_vector() {
        let key = |hex| X25519Key::from_scalar(&bytes(hex)).unwrap();
        let alice = key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let public = bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        assert_eq!(alice.recipient().bits, public);
        let secret = SoftwareDecrypter::try_from(&bob).unwrap().agree(&public).unwrap();
        let expected = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(secret.as_slice(), expected);
    }

    #[test]
    fn public_keys_that_give_no_secret_are_refused() {
        let [p256, x25519, _] = decrypters();
        let point = p256.recipient().agree().unwrap().public;
        let mut compressed = point[..33].to_vec();
        compressed[0] = 2 + (point[64] & 1);
        let mut hybrid = point.clone();
        hybrid[0] = 6 + (point[64] & 1);
        let mut beside = point.clone();
        beside[64] ^= 1;
        for public in [&compressed, &hybrid, &beside, &point[..64].to_vec(), &vec![0], &vec![]] {
            assert!(matches!(p256.agree(public), Err(Error::NotOpened)));
        }
        let mut one = [0; 32];
        one[0] = 1;
        for public in [&[0; 32][..], &one, &[9; 31], &[], x25519.recipient().spki()] {
            assert!(matches!(x25519.agree(public), Err(Error::NotOpened)));
        }
        let mut spki = x25519.recipient().spki().to_vec();
        spki[12..].fill(0);
        assert!(matches!(Recipient::from_spki(&spki).unwrap().agree(), Err(Error::Malformed { .. })));
    }

    #[test]
    fn keys_that_only_sign_are_refused_by_name() {
        for key_type in [KeyType::P384, KeyType::Ed25519] {
            let key = SoftwareKey::generate(key_type).unwrap();
            let name = key_type.to_string();
            assert!(matches!(SoftwareDecrypter::try_from(&key), Err(Error::Use { key, .. }) if key == name));
            assert!(
                matches!(Recipient::from_spki(key.public_key().spki()), Err(Error::Use { key, .. }) if key == name)
            );
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        let key = X25519Key::from_scalar(&[0x48; 32]).unwrap();
        let decrypter = SoftwareDecrypter::try_from(&key).unwrap();
        for shown in [format!("{key:?}"), format!("{decrypter:?}")] {
            assert!(!shown.contains("484848") && !shown.contains("72, 72"), "{shown}");
        }
    }
}
