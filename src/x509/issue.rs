//! Making certificates: the bytes that a CA signs, and the CA's own roots.

use const_oid::db::rfc5280;
use der::asn1::{AnyRef, IntRef, OctetString};
use der::{Decode, Tag};
use x509_cert::ext::Extension as DerExtension;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

use super::certificate::{TbsCertificate, Validity};
use super::name::Attribute;
use super::request::assemble;
use super::{
    Certificate, Error, Extension, Name, Names, Profile, ProvenRequest, Time, Variables, encode, encode_time,
    extension, key_identifier,
};
use crate::key::{self, Input, KeyType, Scheme, Signer};

/// A serial number: 16 octets, positive, the first octet neither zero nor above 0x7f, so that it encodes without padding
/// and in the 20 octets that RFC 5280 section 4.1.2.2 allows.
///
/// ```text
/// 01  seconds since 1970, 38 bits  random, 88 bits
/// ```
///
/// The time in front puts the numbers of one day beside each other in a CA's index: with millions on record that halves
/// the pages that a batch of new ones touches. 88 random bits are more than the 64 that the CA/Browser Forum's
/// Baseline Requirements ask for (section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Serial([u8; 16]);

impl Serial {
    /// Draws a serial number for a certificate issued at `now`. A second one like it is not to be expected, and the
    /// store refuses it.
    pub fn new(now: Time) -> Result<Self, Error> {
        let seconds = now.unix_timestamp().cast_unsigned() & ((1 << 38) - 1);
        let mut bytes = [0; 16];
        key::random(&mut bytes[5..])?;
        bytes[..5].copy_from_slice(&(1 << 38 | seconds).to_be_bytes()[3..]);
        Ok(Self(bytes))
    }

    /// Its 16 octets, big-endian.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The bytes to be signed for a certificate of `profile` on `request`'s key.
///
/// Only the key comes from the request; `names` come from [`Profile::names`], and are held against the profile once
/// more, as the key is. Every extension is the profile's. `scheme` is what the issuer will sign with.
pub fn to_be_signed(
    profile: &Profile,
    request: &ProvenRequest,
    names: &Names,
    issuer: &Certificate,
    scheme: Scheme,
    serial: Serial,
    validity: (Time, Time),
) -> Result<Vec<u8>, Error> {
    profile.check_key(request.public_key())?;
    if profile.names(&names.subject, &names.alt_names, Variables::NONE, Some(issuer.subject()))? != *names {
        let why = "makes other names of these".to_owned();
        return Err(Error::Profile { profile: profile.name.clone(), why });
    }
    let mut extensions = profile.extensions(names, request.public_key())?;
    extensions.push(authority_key_identifier(issuer)?);
    const WHAT: &str = "the certificate";
    let malformed = |_| Error::Malformed { what: WHAT };
    let algorithm = scheme.algorithm_identifier();
    let tbs = TbsCertificate {
        version: 2,
        serial_number: IntRef::new(serial.bytes()).map_err(malformed)?,
        signature: AnyRef::from_der(&algorithm).map_err(malformed)?,
        issuer: AnyRef::from_der(issuer.subject().der()).map_err(malformed)?,
        validity: Validity { not_before: encode_time(validity.0)?, not_after: encode_time(validity.1)? },
        subject: AnyRef::from_der(names.subject.der()).map_err(malformed)?,
        subject_public_key_info: AnyRef::from_der(request.request().spki()).map_err(malformed)?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    };
    encode(WHAT, &tbs)
}

/// Signs the bytes of [`to_be_signed`] and puts the certificate together.
pub fn sign(to_be_signed: &[u8], issuer: &dyn Signer, scheme: Scheme) -> Result<Certificate, Error> {
    let signature = issuer.sign(scheme, Input::Message(to_be_signed))?;
    Certificate::from_der(&assemble(to_be_signed, scheme, &signature)?)
}

/// The issuer's own key identifier; where it has none, the one that its key would get.
pub(super) fn authority_key_identifier(issuer: &Certificate) -> Result<DerExtension, Error> {
    match issuer.subject_key_identifier()? {
        Some(identifier) => authority_key(identifier),
        None => authority_key(key_identifier(&issuer.public_key()?)),
    }
}

fn authority_key(identifier: Vec<u8>) -> Result<DerExtension, Error> {
    let octets = OctetString::new(identifier).map_err(|_| Error::Malformed { what: "authorityKeyIdentifier" })?;
    let value = AuthorityKeyIdentifier { key_identifier: Some(octets), ..Default::default() };
    extension(rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER, false, encode("authorityKeyIdentifier", &value)?)
}

/// Makes a self-signed root of `profile`. `names` come from [`Profile::names`].
pub fn root(
    profile: &Profile,
    names: &Names,
    signer: &dyn Signer,
    validity: (Time, Time),
) -> Result<Certificate, Error> {
    let key = signer.public_key();
    profile.check_key(key)?;
    let mut extensions = profile.extensions(names, key)?;
    if profile.authority_key_identifier {
        extensions.push(authority_key(key_identifier(key))?);
    }
    let mut parameters = rcgen::CertificateParams::default();
    (parameters.not_before, parameters.not_after) = validity;
    parameters.serial_number = Some(rcgen::SerialNumber::from_slice(Serial::new(validity.0)?.bytes()));
    parameters.distinguished_name = distinguished_name(&names.subject)?;
    parameters.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(key_identifier(key));
    parameters.custom_extensions = extensions.iter().map(custom_extension).collect();
    let adaptor = RcgenKey::new(signer)?;
    let made = parameters.self_signed(&adaptor);
    // rcgen's error for a foreign key has no room for the reason: it is kept aside.
    if let Some(error) = adaptor.failure.into_inner() {
        return Err(error.into());
    }
    let root = Certificate::from_der(made.map_err(Error::Root)?.der())?;
    // rcgen keeps a name as a map, which loses an attribute that comes twice.
    if root.subject() != &names.subject {
        return Err(Error::RootDiffers { what: "subject" });
    }
    let as_wanted = |(found, wanted): (&Extension, &DerExtension)| {
        (found.oid, found.critical, found.value.as_slice())
            == (wanted.extn_id, wanted.critical, wanted.extn_value.as_bytes())
    };
    if root.extensions().len() != extensions.len() || !root.extensions().iter().zip(&extensions).all(as_wanted) {
        return Err(Error::RootDiffers { what: "profile" });
    }
    Ok(root)
}

/// A name as rcgen has it, each value in the string type that it has.
fn distinguished_name(name: &Name) -> Result<rcgen::DistinguishedName, Error> {
    let mut distinguished = rcgen::DistinguishedName::new();
    for Attribute { oid, value, tag, .. } in name.single_valued()? {
        let arcs: Vec<u64> = oid.arcs().map(u64::from).collect();
        let value = match tag {
            Tag::PrintableString => rcgen::DnValue::PrintableString(value.try_into().map_err(Error::Root)?),
            Tag::Ia5String => rcgen::DnValue::Ia5String(value.try_into().map_err(Error::Root)?),
            _ => rcgen::DnValue::Utf8String(value),
        };
        distinguished.push(rcgen::DnType::from_oid(&arcs), value);
    }
    Ok(distinguished)
}

fn custom_extension(extension: &DerExtension) -> rcgen::CustomExtension {
    let arcs: Vec<u64> = extension.extn_id.arcs().map(u64::from).collect();
    let mut custom = rcgen::CustomExtension::from_oid_content(&arcs, extension.extn_value.as_bytes().to_vec());
    custom.set_criticality(extension.critical);
    custom
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
