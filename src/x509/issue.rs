//! Making certificates: the bytes that a CA signs, and the CA's own roots.

use const_oid::db::rfc5280;
use der::Decode;
use der::Sequence;
use der::asn1::{Any, AnyRef, OctetString, UintRef};
use x509_cert::ext::Extension as DerExtension;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

use super::request::assemble;
use super::{
    Certificate, Error, Name, Profile, ProvenRequest, Time, encode, encode_time, extension, key_identifier, no_expiry,
};
use crate::key::{self, Input, KeyType, Scheme, Signer};

/// ```text
/// TBSCertificate ::= SEQUENCE {                 -- RFC 5280 section 4.1
///     version          [0]  EXPLICIT Version,
///     serialNumber          INTEGER,
///     signature             AlgorithmIdentifier,
///     issuer                Name,
///     validity              Validity,
///     subject               Name,
///     subjectPublicKeyInfo  SubjectPublicKeyInfo,
///     extensions       [3]  EXPLICIT Extensions }
/// ```
#[derive(Sequence)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial_number: UintRef<'a>,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    subject_public_key_info: AnyRef<'a>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<DerExtension>,
}

#[derive(Sequence)]
struct Validity {
    not_before: Any,
    not_after: Any,
}

/// A serial number: 16 octets from the system's randomness, positive, the first octet neither zero nor above 0x7f, so
/// that it encodes without padding and in the 20 octets that RFC 5280 section 4.1.2.2 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Serial([u8; 16]);

impl Serial {
    /// Draws a serial number. 126 random bits: a second one like it is not to be expected, and the store refuses it.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        key::random(&mut bytes)?;
        bytes[0] = bytes[0] & 0x7f | 0x40;
        Ok(Self(bytes))
    }

    /// Its 16 octets, big-endian.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The bytes to be signed for a certificate of `profile` on `request`'s key and names.
///
/// Only the names and the key come from the request, and they are checked against the profile; every extension is the
/// profile's. `scheme` is what the issuer will sign with.
pub fn to_be_signed(
    profile: &Profile,
    request: &ProvenRequest,
    issuer: &Certificate,
    scheme: Scheme,
    serial: Serial,
    validity: (Time, Time),
) -> Result<Vec<u8>, Error> {
    let wanted = request.request();
    let names = (wanted.subject(), wanted.alt_names()?);
    profile.check_names(names.0, &names.1)?;
    let mut extensions = profile.extensions(names.0, &names.1, request.public_key())?;
    extensions.push(authority_key_identifier(issuer)?);
    const WHAT: &str = "the certificate";
    let malformed = |_| Error::Malformed { what: WHAT };
    let algorithm = scheme.algorithm_identifier();
    let tbs = TbsCertificate {
        version: 2,
        serial_number: UintRef::new(serial.bytes()).map_err(malformed)?,
        signature: AnyRef::from_der(&algorithm).map_err(malformed)?,
        issuer: AnyRef::from_der(issuer.subject().der()).map_err(malformed)?,
        validity: Validity { not_before: encode_time(validity.0)?, not_after: encode_time(validity.1)? },
        subject: AnyRef::from_der(wanted.subject().der()).map_err(malformed)?,
        subject_public_key_info: AnyRef::from_der(wanted.spki()).map_err(malformed)?,
        extensions,
    };
    encode(WHAT, &tbs)
}

/// Signs the bytes of [`to_be_signed`] and puts the certificate together.
pub fn sign(to_be_signed: &[u8], issuer: &dyn Signer, scheme: Scheme) -> Result<Certificate, Error> {
    let signature = issuer.sign(scheme, Input::Message(to_be_signed))?;
    Certificate::from_der(&assemble(to_be_signed, scheme, &signature)?)
}

/// The issuer's own key identifier; where it has none, the one that its key would get.
fn authority_key_identifier(issuer: &Certificate) -> Result<DerExtension, Error> {
    let identifier = match issuer.subject_key_identifier()? {
        Some(identifier) => identifier,
        None => key_identifier(&issuer.public_key()?),
    };
    let octets = OctetString::new(identifier).map_err(|_| Error::Malformed { what: "authorityKeyIdentifier" })?;
    let value = AuthorityKeyIdentifier { key_identifier: Some(octets), ..Default::default() };
    extension(rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER, false, encode("authorityKeyIdentifier", &value)?)
}

/// Makes a self-signed root: organisation and common name, no expiry, keyCertSign and cRLSign, no path length.
pub fn root(organization: &str, common_name: &str, signer: &dyn Signer, now: Time) -> Result<Certificate, Error> {
    // rcgen takes any text; these are the rules for names of our own.
    Name::new(&[(Name::ORGANIZATION, organization), (Name::COMMON_NAME, common_name)])?;
    let mut parameters = rcgen::CertificateParams::default();
    parameters.not_before = now;
    parameters.not_after = no_expiry();
    parameters.serial_number = Some(rcgen::SerialNumber::from_slice(Serial::random()?.bytes()));
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::OrganizationName, organization);
    parameters.distinguished_name.push(rcgen::DnType::CommonName, common_name);
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    parameters.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(key_identifier(signer.public_key()));
    let adaptor = RcgenKey::new(signer)?;
    let made = parameters.self_signed(&adaptor);
    // rcgen's error for a foreign key has no room for the reason: it is kept aside.
    if let Some(error) = adaptor.failure.into_inner() {
        return Err(error.into());
    }
    Certificate::from_der(made.map_err(Error::Root)?.der())
}

/// Lends a [`Signer`] to rcgen.
struct RcgenKey<'a> {
    signer: &'a dyn Signer,
    algorithm: &'static rcgen::SignatureAlgorithm,
    failure: std::cell::RefCell<Option<key::Error>>,
}

impl<'a> RcgenKey<'a> {
    fn new(signer: &'a dyn Signer) -> Result<Self, Error> {
        let key_type = signer.public_key().key_type();
        let algorithm = match key_type {
            KeyType::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyType::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyType::Ed25519 => &rcgen::PKCS_ED25519,
            KeyType::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
            KeyType::P521 => return Err(key::Error::UnsupportedKey { found: key_type.to_string() }.into()),
        };
        Ok(Self { signer, algorithm, failure: None.into() })
    }
}

impl rcgen::PublicKeyData for RcgenKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.signer.public_key().bits()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for RcgenKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let scheme = self.signer.public_key().key_type().usual_scheme();
        self.signer.sign(scheme, Input::Message(message)).map_err(|error| {
            self.failure.replace(Some(error));
            rcgen::Error::RemoteKeyError
        })
    }
}
