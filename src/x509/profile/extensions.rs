//! The extensions of a profile's certificates.

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5280, rfc5912, rfc6960};
use der::Encode;
use der::asn1::{Any, Ia5String, Null, OctetString};
use der::flagset::FlagSet;
use x509_cert::ext::Extension as DerExtension;
use x509_cert::ext::pkix::certpolicy::{PolicyInformation, PolicyQualifierInfo};
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};

use super::{AltName, Error, Names, Policy, Profile};
use crate::key::{KeyType, PublicKey};
use crate::x509::{Extension, extension, key_identifier};

/// The extensions that have a key of their own in a profile.
pub(super) fn own_oids() -> [ObjectIdentifier; 10] {
    [
        rfc5280::ID_CE_BASIC_CONSTRAINTS,
        rfc5280::ID_CE_KEY_USAGE,
        rfc5280::ID_CE_EXT_KEY_USAGE,
        rfc5280::ID_CE_SUBJECT_ALT_NAME,
        rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER,
        rfc5280::ID_CE_CERTIFICATE_POLICIES,
        rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS,
        rfc5280::ID_PE_AUTHORITY_INFO_ACCESS,
        rfc6960::ID_PKIX_OCSP_NOCHECK,
        rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER,
    ]
}

impl Profile {
    /// The extensions that depend on the profile, the names and the key alone, in the order of a certificate:
    /// basicConstraints, keyUsage, extKeyUsage, subjectAltName, subjectKeyIdentifier, certificatePolicies,
    /// cRLDistributionPoints, authorityInfoAccess, ocsp-nocheck, and the profile's own.
    pub(in crate::x509) fn extensions(&self, names: &Names, key: &PublicKey) -> Result<Vec<DerExtension>, Error> {
        let constraints = BasicConstraints { ca: self.is_ca, path_len_constraint: self.path_length };
        let is_rsa = matches!(key.key_type(), KeyType::Rsa(_));
        let mut extensions = vec![
            encoded(rfc5280::ID_CE_BASIC_CONSTRAINTS, true, &constraints)?,
            encoded(rfc5280::ID_CE_KEY_USAGE, true, &KeyUsage(self.key_usage_for(is_rsa)))?,
        ];
        extensions.extend(self.extended_key_usage_extension()?);
        if !names.alt_names.is_empty() {
            // Critical where it is the only name (RFC 5280 section 4.2.1.6).
            let value = AltName::encode_extension(&names.alt_names)?;
            extensions.push(extension(rfc5280::ID_CE_SUBJECT_ALT_NAME, names.subject.is_empty(), value)?);
        }
        if self.subject_key_identifier {
            let octets = OctetString::new(key_identifier(key)).map_err(malformed)?;
            extensions.push(encoded(rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER, false, &SubjectKeyIdentifier(octets))?);
        }
        // RFC 5280 sections 4.2.1.4, 4.2.1.13 (SHOULD be non-critical) and 4.2.2.1 (MUST be).
        if !self.policies.is_empty() {
            let policies = self.policies.iter().map(policy).collect::<Result<_, _>>()?;
            extensions.push(encoded(rfc5280::ID_CE_CERTIFICATE_POLICIES, false, &CertificatePolicies(policies))?);
        }
        if !self.crl_urls.is_empty() {
            let names = self.crl_urls.iter().map(|url| uri(url)).collect::<Result<_, _>>()?;
            let name = Some(DistributionPointName::FullName(names));
            let points = vec![DistributionPoint { distribution_point: name, reasons: None, crl_issuer: None }];
            extensions.push(encoded(rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS, false, &CrlDistributionPoints(points))?);
        }
        let ocsp = self.ocsp_urls.iter().map(|url| (rfc5912::ID_AD_OCSP, url));
        let issuers = self.issuer_urls.iter().map(|url| (rfc5912::ID_AD_CA_ISSUERS, url));
        let access = |(access_method, url): (_, &String)| {
            Ok::<_, Error>(AccessDescription { access_method, access_location: uri(url)? })
        };
        let accesses: Vec<AccessDescription> = ocsp.chain(issuers).map(access).collect::<Result<_, _>>()?;
        if !accesses.is_empty() {
            extensions.push(encoded(
                rfc5280::ID_PE_AUTHORITY_INFO_ACCESS,
                false,
                &AuthorityInfoAccessSyntax(accesses),
            )?);
        }
        if self.ocsp_no_check {
            // RFC 6960 section 4.2.2.2.1: NULL, and SHOULD be non-critical.
            extensions.push(encoded(rfc6960::ID_PKIX_OCSP_NOCHECK, false, &Null)?);
        }
        for own in &self.extensions {
            extensions.push(extension(own.oid, own.critical, own.value.clone())?);
        }
        Ok(extensions)
    }

    /// The extensions that say what a key may be used for, keyUsage and extKeyUsage, as far as they are the same for every
    /// key that is certified.
    pub fn usage_extensions(&self) -> Result<Vec<Extension>, Error> {
        let mut is_rsa = self.key_types.iter().map(|key_type| matches!(key_type, KeyType::Rsa(_)));
        let is_rsa = match is_rsa.next() {
            _ if !self.rsa_key_encipherment => Some(false),
            Some(first) => is_rsa.all(|other| other == first).then_some(first),
            None => None,
        };
        let usage = is_rsa.map(|is_rsa| self.key_usage_for(is_rsa)).filter(|usage| !usage.is_empty());
        let usage = usage.map(|usage| encoded(rfc5280::ID_CE_KEY_USAGE, true, &KeyUsage(usage))).transpose()?;
        Ok(usage.into_iter().chain(self.extended_key_usage_extension()?).map(Extension::from).collect())
    }

    fn extended_key_usage_extension(&self) -> Result<Option<DerExtension>, Error> {
        let usage = ExtendedKeyUsage(self.extended_key_usage.clone());
        let encode = || encoded(rfc5280::ID_CE_EXT_KEY_USAGE, self.extended_key_usage_critical, &usage);
        (!self.extended_key_usage.is_empty()).then(encode).transpose()
    }

    fn key_usage_for(&self, is_rsa: bool) -> FlagSet<KeyUsages> {
        let encipherment = self.rsa_key_encipherment && is_rsa;
        let usages = self.key_usage.iter().fold(FlagSet::default(), |all, usage| all | *usage);
        if encipherment { usages | KeyUsages::KeyEncipherment } else { usages }
    }
}

fn malformed(_: der::Error) -> Error {
    Error::Malformed { what: "an extension" }
}

fn encoded(oid: ObjectIdentifier, critical: bool, value: &impl Encode) -> Result<DerExtension, Error> {
    extension(oid, critical, value.to_der().map_err(malformed)?)
}

fn uri(url: &str) -> Result<GeneralName, Error> {
    Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url).map_err(malformed)?))
}

fn policy(policy: &Policy) -> Result<PolicyInformation, Error> {
    let qualifier = |url: &String| {
        let text = Ia5String::new(url).map_err(malformed)?;
        let qualifier = Some(Any::encode_from(&text).map_err(malformed)?);
        Ok::<_, Error>(vec![PolicyQualifierInfo { policy_qualifier_id: rfc5280::ID_QT_CPS, qualifier }])
    };
    let policy_qualifiers = policy.cps.as_ref().map(qualifier).transpose()?;
    Ok(PolicyInformation { policy_identifier: policy.oid, policy_qualifiers })
}
