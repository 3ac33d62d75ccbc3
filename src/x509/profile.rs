//! Certificate profiles: what kind of certificate it is, and the only source of what goes into one.

use std::fmt;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc4519, rfc5280};
use der::asn1::OctetString;
use der::flagset::FlagSet;
use time::Duration;
use x509_cert::ext::Extension as DerExtension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier};

use super::{AltName, Certificate, Error, Name, Time, encode, extension, key_identifier, no_expiry};
use crate::key::{KeyType, PublicKey};

/// Which of the CA's two roots a profile belongs under. Devices and firmware never share one: a device certificate
/// without extKeyUsage passes the default checks of OpenSSL and RAUC as a firmware signer under the same root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// Identities of devices, and of the servers and clients around them.
    Device,
    /// Signers of firmware.
    Firmware,
}

impl Hierarchy {
    /// Both, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Device, Self::Firmware];

    /// The name in output, and of the folder in a CA.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Firmware => "firmware",
        }
    }
}

/// The field of a certificate that says whose it is. A CA keeps one live certificate for each identity and profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The subject attribute serialNumber.
    SerialNumber,
    /// The subject attribute commonName.
    CommonName,
    /// The first dNSName among the alternative names.
    DnsName,
    /// The first iPAddress among the alternative names.
    IpAddress,
    /// The hardwareModuleName among the alternative names.
    HardwareModule,
}

/// How long a certificate of a profile is valid unless something else is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Until 99991231235959Z.
    NoExpiry,
    /// So many days from the moment of issue.
    Days(u32),
}

/// A certificate profile.
#[derive(Debug, PartialEq)]
pub struct Profile {
    /// The name on the command line and in the CA's records.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// The root that it belongs under.
    pub hierarchy: Hierarchy,
    /// The fields that may be the identity; the first that is there is it.
    pub identity: &'static [Identity],
    /// `None` for an end entity; for a CA, the pathLenConstraint.
    pub path_length: Option<u8>,
    /// keyUsage, always critical (RFC 5280 section 4.2.1.3 SHOULD).
    pub key_usage: &'static [KeyUsages],
    /// Whether an RSA key also gets keyEncipherment, for TLS 1.2 peers with RSA key exchange.
    pub rsa_key_encipherment: bool,
    /// extKeyUsage, not critical; no extension where empty.
    pub extended_key_usage: &'static [ObjectIdentifier],
    /// Whether the certificate has a subjectKeyIdentifier.
    pub subject_key_identifier: bool,
    /// The forms of alternative name that may be asked for, by [`AltName::form`].
    pub alt_names: &'static [&'static str],
    /// The forms of which at least one must be there; with `alt_names_optional`, only where there are names at all.
    pub alt_names_need: &'static [&'static str],
    /// Whether the certificate may have no alternative name at all.
    pub alt_names_optional: bool,
    /// How long it is valid.
    pub validity: Validity,
}

const FIVE_FORMS: &[&str] = &["dns", "ip", "uri", "email", "hardwareModuleName", "permanentIdentifier"];

/// The profiles that are built in.
static BUILT_IN: [Profile; 6] = [
    // IEEE 802.1AR section 8: AKI MUST; SKI not recommended; keyUsage SHOULD, digitalSignature; SAN SHOULD, and if
    // present MUST contain hardwareModuleName; notAfter 99991231235959Z; subject with serialNumber.
    Profile {
        name: "idevid",
        summary: "a device's identity for life, issued by its maker (IEEE 802.1AR)",
        hierarchy: Hierarchy::Device,
        identity: &[Identity::SerialNumber, Identity::HardwareModule],
        path_length: None,
        key_usage: &[KeyUsages::DigitalSignature],
        rsa_key_encipherment: false,
        extended_key_usage: &[],
        subject_key_identifier: false,
        alt_names: FIVE_FORMS,
        alt_names_need: &["hardwareModuleName"],
        alt_names_optional: true,
        validity: Validity::NoExpiry,
    },
    // The same shape from the owner's CA, with a finite life.
    Profile {
        name: "ldevid",
        summary: "a device's identity with its owner, renewed by protocol (IEEE 802.1AR)",
        hierarchy: Hierarchy::Device,
        identity: &[Identity::SerialNumber, Identity::CommonName, Identity::HardwareModule],
        path_length: None,
        key_usage: &[KeyUsages::DigitalSignature],
        rsa_key_encipherment: false,
        extended_key_usage: &[],
        subject_key_identifier: true,
        alt_names: FIVE_FORMS,
        alt_names_need: &[],
        alt_names_optional: true,
        validity: Validity::Days(365),
    },
    Profile {
        name: "tls-client",
        summary: "a TLS client",
        hierarchy: Hierarchy::Device,
        identity: &[Identity::SerialNumber, Identity::CommonName, Identity::DnsName],
        path_length: None,
        key_usage: &[KeyUsages::DigitalSignature],
        rsa_key_encipherment: true,
        extended_key_usage: &[rfc5280::ID_KP_CLIENT_AUTH],
        subject_key_identifier: true,
        alt_names: FIVE_FORMS,
        alt_names_need: &[],
        alt_names_optional: true,
        validity: Validity::Days(365),
    },
    // RFC 9525 section 2: the name is in subjectAltName; commonName is not looked at.
    Profile {
        name: "tls-server",
        summary: "a TLS server, named by DNS name or IP address",
        hierarchy: Hierarchy::Device,
        identity: &[Identity::DnsName, Identity::IpAddress],
        path_length: None,
        key_usage: &[KeyUsages::DigitalSignature],
        rsa_key_encipherment: true,
        extended_key_usage: &[rfc5280::ID_KP_SERVER_AUTH],
        subject_key_identifier: true,
        alt_names: &["dns", "ip"],
        alt_names_need: &["dns", "ip"],
        alt_names_optional: false,
        validity: Validity::Days(365),
    },
    // codeSigning and emailProtection together: OpenSSL's default purpose for CMS is S/MIME signing, which refuses
    // codeSigning alone, so that RAUC and SWUpdate would refuse every update.
    Profile {
        name: "firmware",
        summary: "a signer of firmware, for RAUC, SWUpdate and openssl alike",
        hierarchy: Hierarchy::Firmware,
        identity: &[Identity::CommonName],
        path_length: None,
        key_usage: &[KeyUsages::DigitalSignature],
        rsa_key_encipherment: false,
        extended_key_usage: &[rfc5280::ID_KP_CODE_SIGNING, rfc5280::ID_KP_EMAIL_PROTECTION],
        subject_key_identifier: true,
        alt_names: &["dns", "uri", "email"],
        alt_names_need: &[],
        alt_names_optional: true,
        // At least the support period, where the device checks its clock.
        validity: Validity::Days(20 * 365 + 5),
    },
    Profile {
        name: "sub-ca",
        summary: "a CA below this one, for end entities alone",
        hierarchy: Hierarchy::Device,
        identity: &[Identity::CommonName],
        path_length: Some(0),
        key_usage: &[KeyUsages::KeyCertSign, KeyUsages::CRLSign],
        rsa_key_encipherment: false,
        extended_key_usage: &[],
        subject_key_identifier: true,
        alt_names: &[],
        alt_names_need: &[],
        alt_names_optional: true,
        validity: Validity::Days(10 * 365 + 2),
    },
];

/// The profiles of the issuing CAs that a CA makes for itself, by hierarchy. They are not among the built-in ones, since
/// nobody may ask for them. A sub-CA fits below the device issuer alone.
static ISSUING: [Profile; 2] = [issuing(Hierarchy::Device, 1), issuing(Hierarchy::Firmware, 0)];

const fn issuing(hierarchy: Hierarchy, path_length: u8) -> Profile {
    Profile {
        name: "issuing",
        summary: "an issuing CA under the CA's own root",
        hierarchy,
        identity: &[Identity::CommonName],
        path_length: Some(path_length),
        key_usage: &[KeyUsages::KeyCertSign, KeyUsages::CRLSign],
        rsa_key_encipherment: false,
        extended_key_usage: &[],
        subject_key_identifier: true,
        alt_names: &[],
        alt_names_need: &[],
        alt_names_optional: true,
        validity: Validity::NoExpiry,
    }
}

impl Profile {
    /// The built-in profiles.
    pub fn built_in() -> &'static [Self] {
        &BUILT_IN
    }

    /// The profile of a CA's own issuing CA.
    pub fn issuing(hierarchy: Hierarchy) -> &'static Self {
        match hierarchy {
            Hierarchy::Device => &ISSUING[0],
            Hierarchy::Firmware => &ISSUING[1],
        }
    }

    /// Finds a profile by name.
    pub fn named(name: &str) -> Result<&'static Self, Error> {
        BUILT_IN
            .iter()
            .find(|profile| profile.name == name)
            .ok_or_else(|| Error::UnknownProfile { name: name.to_owned() })
    }

    /// The last moment of a certificate issued at `now`.
    pub fn not_after(&self, now: Time) -> Time {
        match self.validity {
            Validity::NoExpiry => no_expiry(),
            // The last second counts as valid (RFC 5280 section 4.1.2.5).
            Validity::Days(days) => now.saturating_add(Duration::days(days.into())).min(no_expiry()),
        }
    }

    /// The identity in a certificate of this profile: the field and its value, as `serialNumber=SN-42`. Refused where no field has one, or
    /// where the field has several.
    pub fn identity(&self, subject: &Name, alt_names: &[AltName]) -> Result<String, Error> {
        let refuse = |why| Error::Profile { profile: self.name, why };
        for field in self.identity {
            let attribute = |oid| subject.values(oid).into_iter().map(|value| format!("{field}={value}")).collect();
            // A server may have several names; the first stands for it.
            let alt_name = |is_one: fn(&AltName) -> bool| {
                alt_names.iter().find(|name| is_one(name)).map(AltName::to_string).into_iter().collect()
            };
            let found: Vec<String> = match field {
                Identity::SerialNumber => attribute(rfc4519::SERIAL_NUMBER),
                Identity::CommonName => attribute(rfc4519::CN),
                Identity::DnsName => alt_name(|name| matches!(name, AltName::Dns(_))),
                Identity::IpAddress => alt_name(|name| matches!(name, AltName::Ip(_))),
                Identity::HardwareModule => alt_name(|name| matches!(name, AltName::HardwareModule { .. })),
            };
            match found.as_slice() {
                [] => {}
                [one] => return Ok(one.clone()),
                _ => return Err(refuse(format!("allows one {field} as the identity, and there are {}", found.len()))),
            }
        }
        let fields: Vec<String> = self.identity.iter().map(Identity::to_string).collect();
        Err(refuse(format!("needs {} as the identity", fields.join(" or "))))
    }

    /// Whether these names may go into a certificate of this profile.
    pub fn check_names(&self, subject: &Name, alt_names: &[AltName]) -> Result<(), Error> {
        let refuse = |why| Error::Profile { profile: self.name, why };
        if let Some(name) = alt_names.iter().find(|name| !self.alt_names.contains(&name.form())) {
            return Err(refuse(format!("does not allow the alternative name {name}")));
        }
        let has_needed = alt_names.iter().any(|name| self.alt_names_need.contains(&name.form()));
        let may_lack = self.alt_names_need.is_empty() || (self.alt_names_optional && alt_names.is_empty());
        if !has_needed && !may_lack {
            return Err(refuse(format!("needs an alternative name of form {}", self.alt_names_need.join(" or "))));
        }
        if self.path_length.is_some() && subject.is_empty() {
            return Err(refuse("needs a subject (RFC 5280 section 4.1.2.6)".to_owned()));
        }
        // Every value once more, by the rules that hold for names of our own.
        Name::new(&subject.attributes())?;
        self.identity(subject, alt_names).map(drop)
    }

    /// The extensions that depend on the profile, the names and the key alone, in the order of a certificate:
    /// basicConstraints, keyUsage, extKeyUsage, subjectAltName, subjectKeyIdentifier.
    pub(super) fn extensions(
        &self,
        subject: &Name,
        alt_names: &[AltName],
        key: &PublicKey,
    ) -> Result<Vec<DerExtension>, Error> {
        let mut extensions = vec![
            extension(
                rfc5280::ID_CE_BASIC_CONSTRAINTS,
                true,
                encode(
                    "basicConstraints",
                    &BasicConstraints { ca: self.path_length.is_some(), path_len_constraint: self.path_length },
                )?,
            )?,
            extension(rfc5280::ID_CE_KEY_USAGE, true, encode("keyUsage", &KeyUsage(self.key_usage_for(key)))?)?,
        ];
        if !self.extended_key_usage.is_empty() {
            let value = encode("extKeyUsage", &ExtendedKeyUsage(self.extended_key_usage.to_vec()))?;
            extensions.push(extension(rfc5280::ID_CE_EXT_KEY_USAGE, false, value)?);
        }
        if !alt_names.is_empty() {
            // Critical where it is the only name (RFC 5280 section 4.2.1.6).
            let value = AltName::encode_extension(alt_names)?;
            extensions.push(extension(rfc5280::ID_CE_SUBJECT_ALT_NAME, subject.is_empty(), value)?);
        }
        if self.subject_key_identifier {
            let octets =
                OctetString::new(key_identifier(key)).map_err(|_| Error::Malformed { what: "subjectKeyIdentifier" })?;
            let value = encode("subjectKeyIdentifier", &SubjectKeyIdentifier(octets))?;
            extensions.push(extension(rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER, false, value)?);
        }
        Ok(extensions)
    }

    fn key_usage_for(&self, key: &PublicKey) -> FlagSet<KeyUsages> {
        let encipherment = self.rsa_key_encipherment && matches!(key.key_type(), KeyType::Rsa(_));
        let usages = self.key_usage.iter().fold(FlagSet::default(), |all, usage| all | *usage);
        if encipherment { usages | KeyUsages::KeyEncipherment } else { usages }
    }

    /// Whether a certificate is what this profile makes, and if not, why. Validity is not looked at, since the CA
    /// may have been asked for another.
    pub fn check(&self, certificate: &Certificate) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Profile { profile: self.name, why: why.to_owned() });
        let key = certificate.public_key()?;
        let (subject, alt_names) = (certificate.subject(), certificate.alt_names()?);
        self.check_names(subject, &alt_names)?;
        if certificate.version() != 3 {
            return refuse("needs a version 3 certificate");
        }
        for wanted in self.extensions(subject, &alt_names, &key)? {
            let name = crate::key::algorithm::oid_name(wanted.extn_id);
            let Some(found) = certificate.extension(wanted.extn_id) else {
                return refuse(&format!("needs the extension {name}"));
            };
            // A CA may make key identifiers in its own way (RFC 5280 section 4.2.1.2 gives two of many).
            let is_key_identifier = wanted.extn_id == rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER;
            if !is_key_identifier && found.value != wanted.extn_value.as_bytes() {
                return refuse(&format!("has another value for the extension {name}"));
            }
        }
        if self.extended_key_usage.is_empty() && certificate.extended_key_usage()?.is_some() {
            return refuse("has no extKeyUsage");
        }
        if certificate.authority_key_identifier()?.is_none() {
            return refuse("needs the extension authorityKeyIdentifier");
        }
        Ok(())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SerialNumber => "serialNumber",
            Self::CommonName => "CN",
            Self::DnsName => "a DNS name",
            Self::IpAddress => "an IP address",
            Self::HardwareModule => "hardwareModuleName",
        })
    }
}
