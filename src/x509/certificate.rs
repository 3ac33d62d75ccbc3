//! Certificates and chains: parsed once, kept with their original bytes.

use std::path::Path;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::asn1::{BitStringRef, Ia5StringRef};
use der::{Decode, Tag};
use x509_cert::ext::pkix::certpolicy::{PolicyInformation, PolicyQualifierInfo};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, PolicyConstraints, SubjectKeyIdentifier,
};
use x509_parser::prelude::X509Certificate;

use super::{AltName, Error, Name, Policy, Time, members};
use crate::files::{self, Document, Kind};
use crate::key::{Digest, Hash, Input, PublicKey, Scheme};

/// An X.509 certificate.
///
/// ```text
/// Certificate ::= SEQUENCE {                    -- RFC 5280 section 4.1
///     tbsCertificate       TBSCertificate,
///     signatureAlgorithm   AlgorithmIdentifier,
///     signatureValue       BIT STRING }
/// ```
///
/// Reading one proves nothing about it: [`super::verify`] judges.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Vec<u8>,
    version: u32,
    serial: Vec<u8>,
    inner_algorithm: Vec<u8>,
    outer_algorithm: Vec<u8>,
    signature: Vec<u8>,
    issuer: Name,
    subject: Name,
    validity: Vec<u8>,
    not_before: Time,
    not_after: Time,
    spki: Vec<u8>,
    extensions: Vec<Extension>,
}

/// One certificate extension, its value not yet interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// What it is.
    pub oid: ObjectIdentifier,
    /// Whether a reader that does not know it must refuse the certificate.
    pub critical: bool,
    /// The content of the OCTET STRING.
    pub value: Vec<u8>,
}

impl Extension {
    /// The policies in certificatePolicies (RFC 5280 section 4.2.1.4). Qualifiers other than a CPS pointer are left out.
    pub fn policies(&self) -> Result<Vec<Policy>, Error> {
        let malformed = |_| Error::Malformed { what: "certificatePolicies" };
        let policies = CertificatePolicies::from_der(&self.value).map_err(malformed)?.0;
        let cps = |qualifier: PolicyQualifierInfo| {
            let text = qualifier.qualifier.filter(|_| qualifier.policy_qualifier_id == rfc5280::ID_QT_CPS)?;
            text.decode_as::<Ia5StringRef<'_>>().ok().map(|text| text.as_str().to_owned())
        };
        let policy = |policy: PolicyInformation| Policy {
            oid: policy.policy_identifier,
            cps: policy.policy_qualifiers.into_iter().flatten().find_map(cps),
        };
        Ok(policies.into_iter().map(policy).collect())
    }

    /// The URLs in cRLDistributionPoints (RFC 5280 section 4.2.1.13). Points of other kinds are left out.
    pub fn crl_urls(&self) -> Result<Vec<String>, Error> {
        let malformed = |_| Error::Malformed { what: "cRLDistributionPoints" };
        let points = CrlDistributionPoints::from_der(&self.value).map_err(malformed)?.0;
        let names = points.into_iter().flat_map(|point| match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => names,
            _ => Vec::new(),
        });
        Ok(names.filter_map(url).collect())
    }

    /// The methods and URLs in authorityInfoAccess (RFC 5280 section 4.2.2.1). Locations of other kinds are left out.
    pub fn access_urls(&self) -> Result<Vec<(ObjectIdentifier, String)>, Error> {
        let malformed = |_| Error::Malformed { what: "authorityInfoAccess" };
        let entries = AuthorityInfoAccessSyntax::from_der(&self.value).map_err(malformed)?.0;
        Ok(entries.into_iter().filter_map(|entry| Some((entry.access_method, url(entry.access_location)?))).collect())
    }
}

fn url(name: GeneralName) -> Option<String> {
    match name {
        GeneralName::UniformResourceIdentifier(url) => Some(url.to_string()),
        _ => None,
    }
}

impl Certificate {
    /// Reads a DER certificate; bytes after it are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "the certificate";
        let malformed = || Error::Malformed { what: WHAT };
        let (rest, parsed) =
            <X509Certificate<'_> as x509_parser::prelude::FromDer<_>>::from_der(der).map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(Error::Malformed { what: "what follows the certificate" });
        }
        // The signature covers these bytes, and its algorithm is compared as a whole: both come from the original.
        let [tbs, outer_algorithm, signature] = members(der, Tag::Sequence, WHAT)?[..] else { return Err(malformed()) };
        let fields = members(tbs, Tag::Sequence, WHAT)?;
        let version_is_explicit = fields.first().is_some_and(|field| field.first() == Some(&0xa0));
        let field = |place: usize| fields.get(place + usize::from(version_is_explicit)).ok_or_else(malformed);
        let (inner_algorithm, validity) = (field(1)?, field(3)?);
        let signature =
            BitStringRef::from_der(signature).ok().and_then(|bits| bits.as_bytes()).ok_or_else(malformed)?;
        let info = &parsed.tbs_certificate;
        let extension = |extension: &x509_parser::extensions::X509Extension<'_>| {
            Ok::<_, Error>(Extension {
                oid: ObjectIdentifier::from_bytes(extension.oid.as_bytes()).map_err(|_| malformed())?,
                critical: extension.critical,
                value: extension.value.to_vec(),
            })
        };
        Ok(Self {
            der: der.to_vec(),
            tbs: tbs.to_vec(),
            version: info.version.0 + 1,
            serial: parsed.raw_serial().to_vec(),
            inner_algorithm: inner_algorithm.to_vec(),
            outer_algorithm: outer_algorithm.to_vec(),
            signature: signature.to_vec(),
            issuer: Name::from_der(info.issuer.as_raw())?,
            subject: Name::from_der(info.subject.as_raw())?,
            validity: validity.to_vec(),
            not_before: info.validity.not_before.to_datetime(),
            not_after: info.validity.not_after.to_datetime(),
            spki: info.subject_pki.raw.to_vec(),
            extensions: info.extensions().iter().map(extension).collect::<Result<_, _>>()?,
        })
    }

    /// The certificate's DER bytes, as read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The DER `TBSCertificate`, as read: what the signature covers.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.tbs
    }

    /// The certificate as a PEM block.
    pub fn to_pem(&self) -> String {
        Document::to_pem(Kind::Certificate, &self.der).to_string()
    }

    /// 1, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The content octets of the serial number INTEGER.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Who it is for.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The first moment at which it is valid.
    pub fn not_before(&self) -> Time {
        self.not_before
    }

    /// The last moment at which it is valid.
    pub fn not_after(&self) -> Time {
        self.not_after
    }

    /// Whether both times are written as RFC 5280 section 4.1.2.5 has them: to the second, all digits, in UTC.
    pub(super) fn has_plain_validity(&self) -> bool {
        let is_plain = |time: &&[u8]| match time {
            [0x17, 13, digits @ .., b'Z'] if digits.len() == 12 => digits.iter().all(u8::is_ascii_digit),
            [0x18, 15, digits @ .., b'Z'] if digits.len() == 14 => digits.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        members(&self.validity, Tag::Sequence, "the validity").is_ok_and(|times| times.iter().all(is_plain))
    }

    /// Its extensions in order.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The DER `SubjectPublicKeyInfo`, as read.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The public key, where it is of a known type and strength.
    pub fn public_key(&self) -> Result<PublicKey, Error> {
        Ok(PublicKey::from_spki(&self.spki)?)
    }

    /// The SHA-256 of the whole certificate.
    pub fn fingerprint(&self) -> Digest {
        Hash::Sha256.digest(&self.der)
    }

    /// The scheme of its signature, where the table knows it and both places name the same (RFC 5280 section 4.1.1.2).
    pub fn scheme(&self) -> Result<Scheme, Error> {
        if self.inner_algorithm != self.outer_algorithm {
            return Err(Error::Malformed { what: "the signature algorithm, which differs from the signed one," });
        }
        Ok(Scheme::from_algorithm_identifier(&self.outer_algorithm)?)
    }

    /// Checks the signature over the original bytes with the issuer's key.
    pub fn is_signed_by(&self, issuer: &PublicKey) -> bool {
        self.scheme().is_ok_and(|scheme| issuer.verify(scheme, Input::Message(&self.tbs), &self.signature).is_ok())
    }

    /// The value of an extension, where it is there exactly once.
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        let mut found = self.extensions.iter().filter(|extension| extension.oid == oid);
        match (found.next(), found.next()) {
            (Some(extension), None) => Some(extension),
            _ => None,
        }
    }

    /// Reads an extension strictly: `None` where it is absent, an error where its DER is not what it must be.
    pub(super) fn read<'a, T: Decode<'a, Error = der::Error>>(
        &'a self,
        oid: ObjectIdentifier,
        what: &'static str,
    ) -> Result<Option<T>, Error> {
        let parse = |extension: &'a Extension| T::from_der(&extension.value).map_err(|_| Error::Malformed { what });
        self.extension(oid).map(parse).transpose()
    }

    /// The basicConstraints extension (RFC 5280 section 4.2.1.9).
    pub fn basic_constraints(&self) -> Result<Option<BasicConstraints>, Error> {
        self.read(rfc5280::ID_CE_BASIC_CONSTRAINTS, "basicConstraints")
    }

    /// The keyUsage extension (RFC 5280 section 4.2.1.3).
    pub fn key_usage(&self) -> Result<Option<KeyUsage>, Error> {
        self.read(rfc5280::ID_CE_KEY_USAGE, "keyUsage")
    }

    /// The extKeyUsage extension (RFC 5280 section 4.2.1.12).
    pub fn extended_key_usage(&self) -> Result<Option<Vec<ObjectIdentifier>>, Error> {
        Ok(self.read::<ExtendedKeyUsage>(rfc5280::ID_CE_EXT_KEY_USAGE, "extKeyUsage")?.map(|usage| usage.0))
    }

    /// The subjectKeyIdentifier (RFC 5280 section 4.2.1.2).
    pub fn subject_key_identifier(&self) -> Result<Option<Vec<u8>>, Error> {
        let found: Option<SubjectKeyIdentifier> =
            self.read(rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER, "subjectKeyIdentifier")?;
        Ok(found.map(|identifier| identifier.0.as_bytes().to_vec()))
    }

    /// The key identifier in authorityKeyIdentifier (RFC 5280 section 4.2.1.1).
    pub fn authority_key_identifier(&self) -> Result<Option<Vec<u8>>, Error> {
        let found: Option<AuthorityKeyIdentifier> =
            self.read(rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER, "authorityKeyIdentifier")?;
        Ok(found.and_then(|identifier| identifier.key_identifier).map(|octets| octets.as_bytes().to_vec()))
    }

    /// The policyConstraints extension (RFC 5280 section 4.2.1.11).
    pub fn policy_constraints(&self) -> Result<Option<PolicyConstraints>, Error> {
        self.read(rfc5280::ID_CE_POLICY_CONSTRAINTS, "policyConstraints")
    }

    /// The subject alternative names (RFC 5280 section 4.2.1.6); none where the extension is absent.
    pub fn alt_names(&self) -> Result<Vec<AltName>, Error> {
        let value = self.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME).map(|extension| extension.value.as_slice());
        value.map_or(Ok(Vec::new()), AltName::decode_extension)
    }

    /// Whether it names itself as issuer (RFC 5280 section 3.2).
    pub fn is_self_issued(&self) -> bool {
        self.issuer.matches(&self.subject)
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({}, {})", self.subject, self.fingerprint())
    }
}

/// Certificates in order: a leaf, then the certificate that issued each one before it.
///
/// The order is by name alone. What a chain is worth, [`super::verify::path`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    certificates: Vec<Certificate>,
}

impl Chain {
    /// Takes certificates, leaf first, each issued under the next one's name.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, Error> {
        if certificates.is_empty() {
            return Err(Error::Chain { why: "there is none" });
        }
        if certificates.windows(2).any(|pair| !pair[0].issuer.matches(&pair[1].subject)) {
            return Err(Error::Chain { why: "each must be issued by the next, the end entity first" });
        }
        Ok(Self { certificates })
    }

    /// Reads a file of certificates, PEM or DER, leaf first.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::new(read_certificates("certificate", path)?)
    }

    /// The end entity's certificate.
    pub fn leaf(&self) -> &Certificate {
        &self.certificates[0]
    }

    /// Every certificate, leaf first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The certificates without a self-issued one at the end: what is sent along, since a root is of no use to whom
    /// does not have it already.
    pub fn without_root(&self) -> &[Certificate] {
        match self.certificates.split_last() {
            Some((last, rest)) if !rest.is_empty() && last.is_self_issued() => rest,
            _ => &self.certificates,
        }
    }

    /// Encodes as PEM blocks, leaf first.
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(Certificate::to_pem).collect()
    }
}

/// Reads every certificate of a file, PEM or DER; anything else in it is an error. `what` names the file's role.
pub fn read_certificates(what: &'static str, path: &Path) -> Result<Vec<Certificate>, Error> {
    let bytes = files::read(what, path, files::DOCUMENT_LIMIT)?;
    files::documents(&bytes, path, "a certificate")?
        .into_iter()
        .enumerate()
        .map(|(index, document)| {
            let der = document.expect(Kind::Certificate, path)?.der;
            let in_file = |why| Error::InFile { path: path.to_owned(), number: index + 1, why: Box::new(why) };
            Certificate::from_der(&der).map_err(in_file)
        })
        .collect()
}
