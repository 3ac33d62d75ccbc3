//! Certificate requests, PKCS#10.

use std::path::Path;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc2985, rfc5280, rfc5911, rfc5912};
use der::asn1::{Any, AnyRef, OctetStringRef, PrintableStringRef, SetOfVec, Utf8StringRef};
use der::{Decode, Sequence, Tag, Tagged};
use x509_cert::attr::Attribute;
use x509_cert::ext::Extension as DerExtension;

use super::signed::{Signed, assemble};
use super::{AltName, CONTEXT_0, Error, Extension, Name, Profile, Role, Variables, encode, extension, members};
use crate::files::{self, Kind};
use crate::key::{Input, PublicKey, Scheme, Signer};

/// Largest request that is read: 256 KiB. A request with an RSA-8192 key, a long list of names and a post-quantum key
/// beside it stays below 16 KiB.
pub const REQUEST_LIMIT: u64 = 256 << 10;

/// A certificate request as it came. Nothing in it is trusted, and its own signature is not yet checked.
///
/// ```text
/// CertificationRequest ::= SEQUENCE {           -- RFC 2986 section 4.2
///     certificationRequestInfo  CertificationRequestInfo,
///     signatureAlgorithm        AlgorithmIdentifier,
///     signature                 BIT STRING }
/// CertificationRequestInfo ::= SEQUENCE {       -- RFC 2986 section 4.1
///     version        INTEGER { v1(0) },
///     subject        Name,
///     subjectPKInfo  SubjectPublicKeyInfo,
///     attributes [0] Attributes }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    der: Vec<u8>,
    signed: Signed,
    subject: Name,
    spki: Vec<u8>,
    extensions: Vec<Extension>,
    /// The attributes: type, and the DER encoding of the SET of values.
    attributes: Vec<(ObjectIdentifier, Vec<u8>)>,
}

/// Who a request asks to be: everything in it that the requester chooses.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The subject.
    pub subject: Name,
    /// The subject alternative names, in order.
    pub alt_names: Vec<AltName>,
    /// The values of the profile's variables, where names do not give them.
    pub variables: Variables,
    /// A challengePassword attribute (RFC 2985 section 5.4.1), which SCEP and EST carry.
    pub challenge_password: Option<zeroize::Zeroizing<String>>,
    /// Extensions beside those of the profile; one that the profile makes itself is left out.
    pub extensions: Vec<Extension>,
    /// The identifier of a key that a key made by the CA is to be encrypted to (RFC 7030 section 4.4.1.2).
    pub decrypt_key: Option<Vec<u8>>,
}

/// id-aa-asymmDecryptKeyID (RFC 7030 section 4.4.1.2).
const DECRYPT_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.54");

/// smimeCapabilities (RFC 8551 section 2.5.2).
const CAPABILITIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.15");

/// With which algorithms a key may be encrypted, which RFC 7030 section 4.4.1 wants to be told: the best first.
const ENCRYPTIONS: [ObjectIdentifier; 5] = [
    rfc5911::ID_AES_256_CBC,
    rfc5911::ID_AES_256_WRAP,
    rfc5912::ID_RSAES_OAEP,
    rfc5911::ID_AES_128_CBC,
    rfc5911::ID_AES_128_WRAP,
];

/// `SMIMECapability` (RFC 8551 section 2.5.2) without parameters.
#[derive(Sequence)]
struct Capability {
    oid: ObjectIdentifier,
}

#[derive(Sequence)]
struct CertificationRequestInfo<'a> {
    version: u8,
    subject: AnyRef<'a>,
    subject_pk_info: AnyRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    attributes: SetOfVec<Attribute>,
}

impl Request {
    /// Makes and signs a request for a certificate of `profile`.
    ///
    /// The names are those that the profile makes of what is wanted. The extensions that it puts into the certificate
    /// (keyUsage, extKeyUsage, subjectAltName) are asked for in an extensionRequest attribute; the CA decides by its own
    /// profile all the same.
    pub fn new(profile: &Profile, wanted: &Wanted, signer: &dyn Signer) -> Result<Self, Error> {
        const WHAT: &str = "the request";
        if profile.role == Role::Root {
            let why = "is of a root, which signs itself and asks nobody".to_owned();
            return Err(Error::Profile { profile: profile.name.clone(), why });
        }
        let names = profile.names(&wanted.subject, &wanted.alt_names, &wanted.variables, None)?;
        let public = signer.public_key();
        profile.check_key(public)?;
        let mut attributes = Vec::new();
        if let Some(password) = &wanted.challenge_password {
            let value = match PrintableStringRef::new(password.as_str()) {
                Ok(text) => Any::from(text),
                Err(_) => Any::from(Utf8StringRef::new(password).map_err(|_| Error::Malformed { what: WHAT })?),
            };
            attributes.push(attribute(rfc2985::PKCS_9_AT_CHALLENGE_PASSWORD, value)?);
        }
        if let Some(identifier) = &wanted.decrypt_key {
            let identifier = OctetStringRef::new(identifier).and_then(|octets| Any::encode_from(&octets));
            attributes.push(attribute(DECRYPT_KEY, identifier.map_err(|_| Error::Malformed { what: WHAT })?)?);
            let capabilities = Any::encode_from(&Vec::from(ENCRYPTIONS.map(|oid| Capability { oid })));
            attributes.push(attribute(CAPABILITIES, capabilities.map_err(|_| Error::Malformed { what: WHAT })?)?);
        }
        let mut extensions = profile.extensions(&names, public)?;
        for Extension { oid, critical, value } in &wanted.extensions {
            if extensions.iter().all(|own| own.extn_id != *oid) {
                extensions.push(extension(*oid, *critical, value.clone())?);
            }
        }
        if !extensions.is_empty() {
            let value = Any::from_der(&encode(WHAT, &extensions)?).map_err(|_| Error::Malformed { what: WHAT })?;
            attributes.push(attribute(rfc5912::ID_EXTENSION_REQ, value)?);
        }
        let malformed = |_| Error::Malformed { what: WHAT };
        let info = CertificationRequestInfo {
            version: 0,
            subject: AnyRef::from_der(names.subject.der()).map_err(malformed)?,
            subject_pk_info: AnyRef::from_der(public.spki()).map_err(malformed)?,
            attributes: SetOfVec::try_from(attributes).map_err(malformed)?,
        };
        let scheme = public.key_type().usual_scheme();
        let info = encode(WHAT, &info)?;
        let signature = signer.sign(scheme, Input::Message(&info))?;
        Self::from_der(&assemble(&info, scheme, &signature)?)
    }

    /// Reads a DER request; bytes after it are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "the certificate request";
        let malformed = || Error::Malformed { what: WHAT };
        if der.len() as u64 > REQUEST_LIMIT {
            let why = "is larger than 256 KiB";
            return Err(Error::Value { what: "a request of", value: format!("{} bytes", der.len()), why });
        }
        let signed = Signed::from_der(der, WHAT)?;
        let fields = members(signed.bytes(), Tag::Sequence, WHAT)?;
        let (version, subject, spki, attributes) = match fields[..] {
            [version, subject, spki, attributes] => (version, subject, spki, members(attributes, CONTEXT_0, WHAT)?),
            // Some devices leave the attributes out where there is none.
            [version, subject, spki] => (version, subject, spki, Vec::new()),
            _ => return Err(malformed()),
        };
        if version != [0x02, 0x01, 0x00] {
            return Err(malformed());
        }
        let mut extensions = Vec::new();
        let mut kept = Vec::with_capacity(attributes.len());
        for attribute in attributes {
            let [oid, values] = members(attribute, Tag::Sequence, WHAT)?[..] else { return Err(malformed()) };
            let oid = ObjectIdentifier::from_der(oid).map_err(|_| malformed())?;
            kept.push((oid, values.to_vec()));
            if oid == rfc5912::ID_EXTENSION_REQ {
                let [value] = members(values, Tag::Set, WHAT)?[..] else { return Err(malformed()) };
                if !extensions.is_empty() {
                    return Err(malformed());
                }
                let found = Vec::<DerExtension>::from_der(value).map_err(|_| malformed())?;
                extensions = found.into_iter().map(Extension::from).collect();
            }
        }
        let (subject, spki) = (Name::from_der(subject)?, spki.to_vec());
        Ok(Self { der: der.to_vec(), signed, subject, spki, extensions, attributes: kept })
    }

    /// Reads a request file, PEM or DER.
    pub fn read(path: &Path) -> Result<Self, Error> {
        // PEM adds a third.
        let bytes = files::read("certificate request", path, 2 * REQUEST_LIMIT)?;
        let mut documents = files::documents(&bytes, path, "a certificate request")?;
        match (documents.pop(), documents.is_empty()) {
            (Some(document), true) => Self::from_der(&document.expect(Kind::Request, path)?.der),
            _ => Err(Error::File(files::Error::WrongKind {
                path: path.to_owned(),
                wanted: "a certificate request",
                found: "a file of several documents".to_owned(),
            })),
        }
    }

    /// Checks the request's own signature, over its original bytes, with the key that it asks a certificate for.
    pub fn prove(self) -> Result<ProvenRequest, Error> {
        let public_key = PublicKey::from_spki(&self.spki)?;
        self.signed.check(&public_key)?;
        Ok(ProvenRequest { request: self, public_key })
    }

    /// The request's DER bytes, as read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject that is asked for.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The DER `SubjectPublicKeyInfo`, as read.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The scheme of its signature, where the table knows it.
    pub fn scheme(&self) -> Option<Scheme> {
        self.signed.scheme().ok()
    }

    /// The extensions that are asked for.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Whether it carries a challenge password, which is never shown.
    pub fn has_challenge_password(&self) -> bool {
        self.has_attribute(rfc2985::PKCS_9_AT_CHALLENGE_PASSWORD)
    }

    /// The challenge password, where it is one string: the octets of that, whatever its type.
    pub fn challenge_password(&self) -> Option<&[u8]> {
        self.attribute(rfc2985::PKCS_9_AT_CHALLENGE_PASSWORD).map(AnyRef::value)
    }

    /// The identifier of the key that a key made by the CA is to be encrypted to, where that is asked for; `Some(None)` where it
    /// is asked for in a form that cannot be read.
    pub fn decrypt_key(&self) -> Option<Option<&[u8]>> {
        let octets = || self.attribute(DECRYPT_KEY).filter(|value| value.tag() == Tag::OctetString);
        self.has_attribute(DECRYPT_KEY).then(|| octets().map(AnyRef::value))
    }

    /// The value of an attribute that comes once, with one value.
    fn attribute(&self, oid: ObjectIdentifier) -> Option<AnyRef<'_>> {
        let mut found = self.attributes.iter().filter(|(found, _)| *found == oid);
        let (Some((_, values)), None) = (found.next(), found.next()) else { return None };
        let [value] = members(values, Tag::Set, "an attribute").ok()?[..] else { return None };
        AnyRef::from_der(value).ok()
    }

    /// Whether it carries an attribute of a type.
    pub fn has_attribute(&self, oid: ObjectIdentifier) -> bool {
        self.attributes.iter().any(|(found, _)| *found == oid)
    }

    /// The subject alternative names that are asked for.
    pub fn alt_names(&self) -> Result<Vec<AltName>, Error> {
        let mut found = self.extensions.iter().filter(|extension| extension.oid == rfc5280::ID_CE_SUBJECT_ALT_NAME);
        match (found.next(), found.next()) {
            (None, _) => Ok(Vec::new()),
            (Some(extension), None) => AltName::decode_extension(&extension.value),
            _ => Err(Error::Malformed { what: "the subject alternative name" }),
        }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({})", self.subject)
    }
}

/// A request whose requester has proved that it holds the private key.
#[derive(Clone, Debug)]
pub struct ProvenRequest {
    request: Request,
    public_key: PublicKey,
}

impl ProvenRequest {
    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The key that the certificate is for.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}

fn attribute(oid: ObjectIdentifier, value: Any) -> Result<Attribute, Error> {
    let values = SetOfVec::try_from(vec![value]).map_err(|_| Error::Malformed { what: "the request" })?;
    Ok(Attribute { oid, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyType, SoftwareKey};

    fn wanted(challenge_password: Option<&str>) -> Wanted {
        let subject = Name::new(&[(Name::SERIAL_NUMBER, "SN-1")]).unwrap();
        let challenge_password = challenge_password.map(|text| text.to_owned().into());
        Wanted { subject, challenge_password, ..Wanted::default() }
    }

    #[test]
    fn a_challenge_password_is_carried_and_never_shown() {
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let profile = Profile::named("idevid").unwrap();
        for (password, is_there) in [(None, false), (Some("s3cret"), true), (Some("s3cr\u{e9}t"), true)] {
            let request = Request::new(&profile, &wanted(password), &key).unwrap();
            assert_eq!(request.has_challenge_password(), is_there);
            assert_eq!(request.challenge_password(), password.map(str::as_bytes));
            assert!(!format!("{request:?}").contains("s3cr"));
            // PrintableString (13) where that is enough, else UTF8String (0c): RFC 2985 section 5.4.1.
            let tag = if password == Some("s3cret") { 0x13 } else { 0x0c };
            let encoded = password.map(|text| [&[tag, text.len() as u8], text.as_bytes()].concat());
            if let Some(encoded) = encoded {
                assert!(request.der().windows(encoded.len()).any(|window| window == encoded));
            }
            request.prove().unwrap();
        }
    }

    #[test]
    fn a_changed_request_proves_nothing() {
        let key = SoftwareKey::generate(KeyType::Ed25519).unwrap();
        let request = Request::new(&Profile::named("idevid").unwrap(), &wanted(None), &key).unwrap();
        for at in 0..request.der().len() {
            let mut changed = request.der().to_vec();
            changed[at] ^= 1;
            assert!(Request::from_der(&changed).and_then(Request::prove).is_err(), "byte {at}");
        }
    }
}
