//! The private key of serverkeygen, encrypted to a key that the client holds already (RFC 7030 sections 4.4.1.2 and 4.4.2).
//!
//! ```text
//! EnvelopedData                        -- to the client's certificate
//!   SignedData                         -- by who made the key
//!     AsymmetricKeyPackage             -- RFC 5958 section 2
//!       OneAsymmetricKey               -- PKCS#8
//! ```
//!
//! The envelope hides the key from what stands between TLS and the device; the signature in it says that the key came from the
//! CA, which an envelope alone does not: everybody can make one.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911;
use der::asn1::AnyRef;
use der::{Encode, Tag};
use zeroize::Zeroizing;

use crate::cms::{self, Content, EnvelopedData, SignedData, Unsigned};
use crate::key::{Decrypter, Input, PublicKey, Signer, SoftwareDecrypter, SoftwareKey};
use crate::x509::verify::{self, Anchors, Purpose, Rules};
use crate::x509::{Certificate, Request, Time, key_identifier, members};

/// id-ct-KP-aKeyPackage (RFC 5958 section 2).
const KEY_PACKAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.2.1.2.78.5");

/// Why a sealed key cannot be made or is not taken.
#[derive(Debug)]
pub enum SealedKeyError {
    /// A message could not be made, read or opened.
    Cms(cms::Error),
    /// The signature in it does not hold.
    Signature(cms::Refusal),
    /// It is signed, by a certificate that is not trusted.
    Signer(verify::Refusal),
    /// What is signed is not one private key.
    Package,
}

impl std::fmt::Display for SealedKeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cms(error) => error.fmt(f),
            Self::Signature(why) => write!(f, "the signature of the encrypted key does not hold: {why}"),
            Self::Signer(why) => write!(f, "the signer of the encrypted key is not trusted: {why}"),
            Self::Package => f.write_str("what is encrypted is not a package of one private key"),
        }
    }
}

impl std::error::Error for SealedKeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Cms(error) => error.source(),
            _ => None,
        }
    }
}

impl From<cms::Error> for SealedKeyError {
    fn from(error: cms::Error) -> Self {
        Self::Cms(error)
    }
}

/// Signs a PKCS#8 key and encrypts it to the client's certificate; returns the message in DER. `chain` is that of the signer,
/// its own certificate first. The client's key must be one that may be encrypted to: see [`EnvelopedData::seal`].
pub fn seal_key(
    pkcs8: &[u8],
    signer: &dyn Signer,
    chain: &[Certificate],
    to: &Certificate,
    now: Time,
) -> Result<Vec<u8>, SealedKeyError> {
    let malformed = |_| cms::Error::Malformed { what: "the key to be sealed" };
    // AsymmetricKeyPackage ::= SEQUENCE SIZE (1..MAX) OF OneAsymmetricKey
    let package = Zeroizing::new(AnyRef::new(Tag::Sequence, pkcs8).and_then(|any| any.to_der()).map_err(malformed)?);
    let scheme = signer.public_key().key_type().usual_scheme();
    let unsigned = Unsigned::of_type(KEY_PACKAGE, Content::Attached(&package), scheme, chain, now)?;
    let signature = signer.sign(scheme, Input::Message(unsigned.to_be_signed())).map_err(cms::Error::Key)?;
    let signed = Zeroizing::new(unsigned.signed_content(&signature)?);
    Ok(EnvelopedData::seal(rfc5911::ID_SIGNED_DATA, &signed, &[to])?)
}

/// Opens what [`seal_key`] made, with the key of the certificate that it is encrypted to, and returns the PKCS#8 key. Whoever
/// signed it must lead to a trusted certificate at `now`.
///
/// Peers that put the SignedData there as a whole message are read too.
pub fn open_key(
    bytes: &[u8],
    key: &dyn Decrypter,
    certificate: &Certificate,
    anchors: &Anchors,
    now: Time,
) -> Result<Zeroizing<Vec<u8>>, SealedKeyError> {
    let content = EnvelopedData::from_bytes(bytes)?.open(key, certificate)?;
    let mut signed = SignedData::from_content(&content)?;
    let package = Zeroizing::new(signed.content.take().ok_or(SealedKeyError::Package)?);
    let signature = SealedKeyError::Signature;
    let signer = signed.signer().map_err(signature)?;
    let by = signed.certificate_of(signer, &[]).map_err(signature)?;
    let digest = signer.digest_hash().map_err(signature)?.digest(&package);
    let claim = signed.claim_of(KEY_PACKAGE, signer, &digest).map_err(signature)?;
    let message = claim.attributes.as_deref().unwrap_or(&package);
    let by_key = PublicKey::from_spki(by.spki()).map_err(cms::Error::Key)?;
    by_key.verify(claim.scheme, Input::Message(message), &claim.signature).map_err(cms::Error::Key)?;
    let rules = Rules::new(Purpose::Any, now);
    verify::path(by, &signed.certificates, anchors, &rules).map_err(SealedKeyError::Signer)?;
    match members(&package, Tag::Sequence, "the key package").as_deref() {
        Ok([key]) => Ok(Zeroizing::new(key.to_vec())),
        _ => Err(SealedKeyError::Package),
    }
}

/// The key of a client's certificate, to which a key that the server makes is to be encrypted.
#[derive(Debug)]
pub struct KeyRecipient {
    key: SoftwareDecrypter,
    certificate: Certificate,
}

impl KeyRecipient {
    /// Takes the key of a certificate that may be encrypted to: see [`EnvelopedData::accepts`].
    pub fn new(key: &SoftwareKey, certificate: Certificate) -> Result<Self, SealedKeyError> {
        EnvelopedData::accepts(&certificate)?;
        Ok(Self { key: SoftwareDecrypter::try_from(key).map_err(cms::Error::Key)?, certificate })
    }

    /// How a request names it: see [`wanted_recipient`].
    pub fn identifier(&self) -> Result<Vec<u8>, SealedKeyError> {
        let own = self.certificate.subject_key_identifier().ok().flatten();
        let made = || self.certificate.public_key().map(|key| key_identifier(&key));
        own.map_or_else(made, Ok).map_err(|error| cms::Error::Certificate(error).into())
    }

    /// Opens an encrypted key, as [`open_key`] does.
    pub fn open(&self, bytes: &[u8], anchors: &Anchors, now: Time) -> Result<Zeroizing<Vec<u8>>, SealedKeyError> {
        open_key(bytes, &self.key, &self.certificate, anchors, now)
    }
}

/// The certificate of the client, of those that it showed, whose key a new key is to be encrypted to: `None` where the request
/// does not ask for that. The identifier that it names is the certificate's subjectKeyIdentifier, or what RFC 7093 makes of its
/// key; where it is neither, the request cannot be fulfilled as it is (RFC 7030 section 4.4.1.2).
pub fn wanted_recipient<'a>(
    request: &Request,
    certificate: Option<&'a Certificate>,
) -> Result<Option<&'a Certificate>, UnknownRecipient> {
    let Some(wanted) = request.decrypt_key() else { return Ok(None) };
    let wanted = wanted.ok_or(UnknownRecipient)?;
    let is_named = |certificate: &&Certificate| {
        let own = certificate.subject_key_identifier().ok().flatten();
        let made = certificate.public_key().map(|key| key_identifier(&key)).ok();
        [own, made].into_iter().flatten().any(|identifier| identifier == wanted)
    };
    certificate.filter(is_named).map(Some).ok_or(UnknownRecipient)
}

/// A key is to be encrypted to a key that is not that of the client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRecipient;

impl std::fmt::Display for UnknownRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the key that the new key is to be encrypted to is not that of the client certificate")
    }
}

impl std::error::Error for UnknownRecipient {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enroll::est::tests::{Ca, name, now};
    use crate::key::{self, KeyType, SoftwareDecrypter, SoftwareKey};
    use crate::x509::{AltName, Profile, Wanted};

    /// A client, whose RSA key may be encrypted to, and a signer, both of one CA.
    struct Case {
        ca: Ca,
        client: (SoftwareDecrypter, Certificate),
        signer: (SoftwareKey, Certificate),
    }

    impl Case {
        fn new() -> Self {
            let ca = Ca::new();
            let key = SoftwareKey::generate(KeyType::Rsa(2048)).unwrap();
            let profile = Profile::named("tls-server").unwrap();
            let certificate = |host, key| {
                let wanted = Wanted { alt_names: vec![AltName::dns(host).unwrap()], ..Wanted::default() };
                ca.issue(&profile, &Request::new(&profile, &wanted, key).unwrap().prove().unwrap())
            };
            let client = (SoftwareDecrypter::try_from(&key).unwrap(), certificate("client.example", &key));
            let key = SoftwareKey::generate(KeyType::P256).unwrap();
            let signer_certificate = certificate("est.example", &key);
            Self { ca, client, signer: (key, signer_certificate) }
        }

        fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedKeyError> {
            let root = self.ca.chain.certificates().last().unwrap().clone();
            open_key(sealed, &self.client.0, &self.client.1, &Anchors::new(vec![root]).unwrap(), now())
        }
    }

    #[test]
    fn a_sealed_key_opens_where_its_signer_is_trusted() {
        let case = Case::new();
        let pkcs8 = SoftwareKey::generate(KeyType::P256).unwrap().to_pkcs8().unwrap();
        let (key, certificate) = &case.signer;
        let chain = [certificate.clone(), case.ca.chain.leaf().clone()];
        let seal = |chain: &[Certificate]| seal_key(&pkcs8, key, chain, &case.client.1, now()).unwrap();
        assert_eq!(*case.open(&seal(&chain)).unwrap(), *pkcs8);
        // Without the CA between it and the root there is no way to that.
        assert!(matches!(case.open(&seal(&chain[..1])), Err(SealedKeyError::Signer(_))));
        // Signed by another key than the certificate's, or by another CA's.
        let other = Case::new();
        let forged = seal_key(&pkcs8, &other.signer.0, &chain, &case.client.1, now()).unwrap();
        assert!(matches!(case.open(&forged), Err(SealedKeyError::Cms(cms::Error::Key(key::Error::BadSignature)))));
        let foreign = [other.signer.1.clone(), other.ca.chain.leaf().clone()];
        let foreign = seal_key(&pkcs8, &other.signer.0, &foreign, &case.client.1, now()).unwrap();
        assert!(matches!(case.open(&foreign), Err(SealedKeyError::Signer(_))));
        // For another client.
        let sealed = seal_key(&pkcs8, key, &chain, &other.client.1, now()).unwrap();
        assert!(matches!(case.open(&sealed), Err(SealedKeyError::Cms(cms::Error::NotARecipient))));
    }

    #[test]
    fn what_is_in_the_envelope_must_be_a_signed_key() {
        let case = Case::new();
        let (key, certificate) = &case.signer;
        let chain = [certificate.clone(), case.ca.chain.leaf().clone()];
        let seal = |content_type, content: &[u8], inner_type| {
            let scheme = key.public_key().key_type().usual_scheme();
            let unsigned = Unsigned::of_type(inner_type, Content::Attached(content), scheme, &chain, now()).unwrap();
            let signature = key.sign(scheme, Input::Message(unsigned.to_be_signed())).unwrap();
            let whole = unsigned.signed(&signature).unwrap();
            case.open(&EnvelopedData::seal(content_type, &whole, &[&case.client.1]).unwrap())
        };
        // A whole message as plain data, as some have it.
        let package = [0x30, 3, 0x02, 1, 1];
        assert_eq!(**seal(rfc5911::ID_DATA, &package, KEY_PACKAGE).as_ref().unwrap(), package[2..]);
        let error = seal(rfc5911::ID_DATA, &package, rfc5911::ID_DATA).unwrap_err();
        assert!(matches!(error, SealedKeyError::Signature(cms::Refusal::ContentType { .. })), "{error}");
        for bad in [&[0x30, 0][..], &[0x30, 6, 0x02, 1, 1, 0x02, 1, 1], &[0x04, 0]] {
            assert!(matches!(seal(rfc5911::ID_DATA, bad, KEY_PACKAGE), Err(SealedKeyError::Package)));
        }
        let plain = EnvelopedData::seal(rfc5911::ID_DATA, &package, &[&case.client.1]).unwrap();
        assert!(matches!(case.open(&plain), Err(SealedKeyError::Cms(cms::Error::Malformed { .. }))));
    }

    #[test]
    fn the_recipient_is_named_by_its_key() {
        let case = Case::new();
        let certificate = &case.client.1;
        let profile = Profile::named("idevid").unwrap();
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let asking = |decrypt_key: Option<Vec<u8>>| {
            let wanted = Wanted { subject: name("serialNumber=SN-1"), decrypt_key, ..Wanted::default() };
            Request::new(&profile, &wanted, &key).unwrap()
        };
        let own = certificate.subject_key_identifier().unwrap();
        assert_eq!(wanted_recipient(&asking(None), Some(certificate)), Ok(None));
        assert_eq!(wanted_recipient(&asking(own.clone()), Some(certificate)), Ok(Some(certificate)));
        for (identifier, shown) in
            [(own.clone(), None), (own, Some(&case.signer.1)), (Some(vec![7; 20]), Some(certificate))]
        {
            assert_eq!(wanted_recipient(&asking(identifier), shown), Err(UnknownRecipient));
        }
    }
}
