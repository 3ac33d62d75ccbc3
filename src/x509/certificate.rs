//! Certificates: parsed once, kept with their original bytes.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::asn1::{Any, AnyRef, BitStringRef, Ia5StringRef, IntRef};
use der::{Decode, Sequence};
use x509_cert::ext::Extension as DerExtension;
use x509_cert::ext::pkix::certpolicy::{PolicyInformation, PolicyQualifierInfo};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};

use super::signed::Signed;
use super::{AltName, Error, Name, Policy, Time, decode_time, encode};
use crate::files::{Document, Kind};
use crate::key::{Digest, Hash, PublicKey, Scheme};

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
    signed: Signed,
    version: u32,
    serial: Vec<u8>,
    issuer: Name,
    subject: Name,
    not_before: Time,
    not_after: Time,
    spki: Vec<u8>,
    extensions: Vec<Extension>,
}

/// ```text
/// TBSCertificate ::= SEQUENCE {                 -- RFC 5280 section 4.1
///     version          [0]  EXPLICIT Version DEFAULT v1,
///     serialNumber          CertificateSerialNumber,
///     signature             AlgorithmIdentifier,
///     issuer                Name,
///     validity              Validity,
///     subject               Name,
///     subjectPublicKeyInfo  SubjectPublicKeyInfo,
///     issuerUniqueID   [1]  IMPLICIT UniqueIdentifier OPTIONAL,
///     subjectUniqueID  [2]  IMPLICIT UniqueIdentifier OPTIONAL,
///     extensions       [3]  EXPLICIT Extensions OPTIONAL }
/// Version ::= INTEGER { v1(0), v2(1), v3(2) }
/// ```
#[derive(Sequence)]
pub(super) struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    pub version: u8,
    pub serial_number: IntRef<'a>,
    pub signature: AnyRef<'a>,
    pub issuer: AnyRef<'a>,
    pub validity: Validity,
    pub subject: AnyRef<'a>,
    pub subject_public_key_info: AnyRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub issuer_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    pub subject_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    pub extensions: Option<Vec<DerExtension>>,
}

/// ```text
/// Validity ::= SEQUENCE { notBefore Time, notAfter Time }
/// ```
#[derive(Sequence)]
pub(super) struct Validity {
    pub not_before: Any,
    pub not_after: Any,
}

impl TbsCertificate<'_> {
    /// Unique identifiers came with version 2, extensions with version 3; a list of these has one at least (RFC 5280
    /// sections 4.1.2.8 and 4.1.2.9).
    fn is_of_its_version(&self) -> bool {
        let has_identifier = self.issuer_unique_id.is_some() || self.subject_unique_id.is_some();
        match (self.version, &self.extensions) {
            (0, None) => !has_identifier,
            (1, None) | (2, None) => true,
            (2, Some(extensions)) => !extensions.is_empty(),
            _ => false,
        }
    }
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

impl From<DerExtension> for Extension {
    fn from(DerExtension { extn_id, critical, extn_value }: DerExtension) -> Self {
        Self { oid: extn_id, critical, value: extn_value.into_bytes().into_vec() }
    }
}

impl Extension {
    /// Reads its value strictly; `what` names it where its DER is not what it must be.
    pub(super) fn read<'a, T: Decode<'a, Error = der::Error>>(&'a self, what: &'static str) -> Result<T, Error> {
        T::from_der(&self.value).map_err(|_| Error::Malformed { what })
    }

    /// The policies in certificatePolicies (RFC 5280 section 4.2.1.4). Qualifiers other than a CPS pointer are left out.
    pub fn policies(&self) -> Result<Vec<Policy>, Error> {
        let policies = self.read::<CertificatePolicies>("certificatePolicies")?.0;
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
        let points = self.read::<CrlDistributionPoints>("cRLDistributionPoints")?.0;
        let names = points.into_iter().flat_map(|point| match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => names,
            _ => Vec::new(),
        });
        Ok(names.filter_map(url).collect())
    }

    /// The methods and URLs in authorityInfoAccess (RFC 5280 section 4.2.2.1). Locations of other kinds are left out.
    pub fn access_urls(&self) -> Result<Vec<(ObjectIdentifier, String)>, Error> {
        let entries = self.read::<AuthorityInfoAccessSyntax>("authorityInfoAccess")?.0;
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
    /// Largest certificate: ten times what OpenSSL takes of a whole chain (`include/openssl/ssl.h`, SSL_MAX_CERT_LIST_DEFAULT).
    /// Most of what is said about one takes many times its length.
    pub(super) const LENGTH_LIMIT: usize = 1 << 20;

    /// Reads a certificate, strictly DER; bytes after it are an error. The values of its extensions are not looked at.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "the certificate";
        let malformed = || Error::Malformed { what: WHAT };
        if der.len() > Self::LENGTH_LIMIT {
            return Err(Error::Malformed { what: "the certificate, which is longer than 1 MiB," });
        }
        let signed = Signed::from_der(der, WHAT)?;
        let info = TbsCertificate::from_der(signed.bytes()).map_err(|_| malformed())?;
        // DER has one encoding: a default is left out, whether it is the version or that of an extension.
        if encode(WHAT, &info)? != signed.bytes() || !info.is_of_its_version() {
            return Err(malformed());
        }
        let time =
            |time| decode_time(AnyRef::from(time)).map_err(|_| Error::Malformed { what: "the certificate's validity" });
        let algorithm = encode(WHAT, &info.signature)?;
        Ok(Self {
            der: der.to_vec(),
            version: u32::from(info.version) + 1,
            serial: info.serial_number.as_bytes().to_vec(),
            issuer: Name::from_der(&encode(WHAT, &info.issuer)?)?,
            subject: Name::from_der(&encode(WHAT, &info.subject)?)?,
            not_before: time(&info.validity.not_before)?,
            not_after: time(&info.validity.not_after)?,
            spki: encode(WHAT, &info.subject_public_key_info)?,
            extensions: info.extensions.into_iter().flatten().map(Extension::from).collect(),
            signed: signed.repeating(&algorithm),
        })
    }

    /// The certificate's DER bytes, as read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The DER `TBSCertificate`, as read: what the signature covers.
    pub fn to_be_signed(&self) -> &[u8] {
        self.signed.bytes()
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
        self.signed.scheme()
    }

    /// Checks the signature over the original bytes with the issuer's key.
    pub fn is_signed_by(&self, issuer: &PublicKey) -> bool {
        self.signed.check(issuer).is_ok()
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
        self.extension(oid).map(|extension| extension.read(what)).transpose()
    }

    /// The basicConstraints extension (RFC 5280 section 4.2.1.9).
    pub fn basic_constraints(&self) -> Result<Option<BasicConstraints>, Error> {
        self.read(rfc5280::ID_CE_BASIC_CONSTRAINTS, "basicConstraints")
    }

    /// The keyUsage extension (RFC 5280 section 4.2.1.3).
    pub fn key_usage(&self) -> Result<Option<KeyUsage>, Error> {
        self.read(rfc5280::ID_CE_KEY_USAGE, "keyUsage")
    }

    /// Whether the key may be used so: where there is no keyUsage, it may be used for anything.
    pub fn key_may(&self, wanted: KeyUsages) -> Result<bool, Error> {
        Ok(self.key_usage()?.is_none_or(|usage| usage.0.contains(wanted)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::tlv;

    /// A certificate of nobody, its fields in order; reading looks at no signature.
    fn fields() -> Vec<Vec<u8>> {
        let algorithm = tlv(0x30, &[&[0x06, 0x03, 0x2b, 0x65, 0x70]]);
        let name = tlv(0x30, &[]);
        vec![
            tlv(0xa0, &[&[0x02, 0x01, 0x02]]),
            tlv(0x02, &[&[0x00, 0x80]]),
            algorithm.clone(),
            name.clone(),
            validity(&tlv(0x17, &[b"500101000000Z"]), &tlv(0x18, &[b"99991231235959Z"])),
            name,
            tlv(0x30, &[&algorithm, &tlv(0x03, &[&[0; 33]])]),
            tlv(0xa3, &[&tlv(0x30, &[&extension(&[0x01, 0x01, 0xff])])]),
        ]
    }

    fn validity(not_before: &[u8], not_after: &[u8]) -> Vec<u8> {
        tlv(0x30, &[not_before, not_after])
    }

    /// keyUsage, with `critical` as the encoding of that field.
    fn extension(critical: &[u8]) -> Vec<u8> {
        tlv(0x30, &[&[0x06, 0x03, 0x55, 0x1d, 0x0f], critical, &[0x04, 0x04, 0x03, 0x02, 0x07, 0x80]])
    }

    fn read(fields: &[Vec<u8>]) -> Result<Certificate, Error> {
        let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        Certificate::from_der(&tlv(0x30, &[&tlv(0x30, &fields), fields[2], &tlv(0x03, &[&[0; 65]])]))
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        let error = Certificate::from_der(&vec![0x30; Certificate::LENGTH_LIMIT + 1]).unwrap_err();
        assert_eq!(error.to_string(), "the certificate, which is longer than 1 MiB, is malformed");
    }

    #[test]
    fn the_fields_are_read_as_they_are() {
        let certificate = read(&fields()).unwrap();
        assert_eq!((certificate.version(), certificate.serial()), (3, &[0x00, 0x80][..]));
        assert_eq!(certificate.not_before().year(), 1950);
        assert_eq!(certificate.not_after(), crate::x509::no_expiry());
        assert!(certificate.extensions()[0].critical && certificate.subject().is_empty());
        assert_eq!(certificate.spki(), fields()[6]);
        // A negative serial number is DER: that it is none for a certificate is for those to say who judge it.
        let mut negative = fields();
        negative[1] = tlv(0x02, &[&[0x80]]);
        assert_eq!(read(&negative).unwrap().serial(), [0x80]);
    }

    /// Fields left out, put in, or encoded in a way that BER allows and DER does not.
    #[test]
    fn what_is_no_der_is_refused() {
        let extensions = |list: &[&[u8]]| tlv(0xa3, &[&tlv(0x30, list)]);
        let unique = |tag| tlv(tag, &[&[0x00, 0x01]]);
        let utc = tlv(0x17, &[b"250101000000Z"]);
        let swaps = [
            (0, tlv(0xa0, &[&[0x02, 0x01, 0x00]]), "the default version, written"),
            (0, tlv(0xa0, &[&[0x02, 0x01, 0x01]]), "extensions in version 2"),
            (0, Vec::new(), "extensions in version 1"),
            (0, tlv(0xa0, &[&[0x02, 0x01, 0x03]]), "version 4"),
            (0, tlv(0xa0, &[&[0x02, 0x01, 0xff]]), "version 0"),
            (0, tlv(0xa0, &[&[0x02, 0x02, 0x00, 0x02]]), "a padded version"),
            (0, tlv(0xa0, &[&[0x02, 0x01, 0x02, 0x00]]), "bytes behind the version"),
            (1, tlv(0x02, &[&[0x00, 0x01]]), "a padded serial number"),
            (1, tlv(0x02, &[&[0xff, 0x80]]), "a padded negative serial number"),
            (1, tlv(0x02, &[]), "an empty serial number"),
            (1, vec![0x02, 0x81, 0x01, 0x01], "a length in two octets"),
            (3, tlv(0x31, &[]), "an issuer that is a SET"),
            (4, validity(&tlv(0x17, &[b"2501010000Z"]), &utc), "a time without seconds"),
            (4, validity(&tlv(0x17, &[b"250101000000+0000"]), &utc), "a time with an offset"),
            (4, validity(&utc, &tlv(0x18, &[b"20500101000000.5Z"])), "a time with a fraction"),
            (4, validity(&utc, &tlv(0x17, &[b"250230000000Z"])), "the 30th of February"),
            (4, tlv(0x30, &[&utc, &utc, &utc]), "three times"),
            (4, tlv(0x30, &[&utc]), "one time"),
            (7, extensions(&[]), "a list of no extensions"),
            (7, extensions(&[&extension(&[0x01, 0x01, 0x00])]), "the default of critical, written"),
            (7, extensions(&[&extension(&[0x01, 0x01, 0x01])]), "TRUE that is not ff"),
            (7, extensions(&[&extension(&[0x01, 0x02, 0xff, 0xff])]), "TRUE of two octets"),
            (7, extensions(&[&extension(&[0x01, 0x01, 0xff, 0x01, 0x01, 0xff])]), "critical twice"),
            (7, [extensions(&[&extension(&[])]), extensions(&[&extension(&[])])].concat(), "extensions twice"),
            (7, [extensions(&[&extension(&[])]), unique(0x82)].concat(), "a unique identifier behind extensions"),
            (7, [unique(0x82), unique(0x81)].concat(), "unique identifiers out of order"),
            (7, [unique(0x81), unique(0x81)].concat(), "a unique identifier twice"),
            (7, [unique(0x82), tlv(0x84, &[])].concat(), "a field that is none"),
        ];
        for (index, field, what) in swaps {
            let mut fields = fields();
            fields[index] = field;
            assert!(read(&fields).is_err(), "{what}");
        }
    }

    #[test]
    fn what_is_allowed_in_versions_is_read() {
        let identifiers = [tlv(0x81, &[&[0x00, 0x01]]), tlv(0x82, &[&[0x00, 0x01]])].concat();
        let version = |number| tlv(0xa0, &[&[0x02, 0x01, number]]);
        for (version, rest, is_read) in [
            (Vec::new(), Vec::new(), true),
            (Vec::new(), identifiers.clone(), false),
            (version(1), Vec::new(), true),
            (version(1), identifiers.clone(), true),
            (version(2), Vec::new(), true),
            (version(2), [identifiers, fields()[7].clone()].concat(), true),
        ] {
            let mut fields = fields();
            (fields[0], fields[7]) = (version, rest);
            assert_eq!(read(&fields).is_ok(), is_read, "{fields:02x?}");
        }
    }
}
