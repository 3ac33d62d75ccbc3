//! Certificate profiles: what kind of certificate it is, and the only source of what goes into one.
//!
//! A profile is a TOML file; the built-in ones are too, and show the format at work: `bulla profile show idevid`.
//! Nothing in a file is ignored: an unknown key, a value out of bounds or a variable that is not declared is refused.
//!
#![doc = "```toml"]
#![doc = include_str!("example.toml")]
#![doc = "```"]
//!
//! **Extending.** Tables merge key by key, everything else replaces. `name` is never inherited.
//!
//! **Variables.** `{serial}` stands for a variable, `{{` and `}}` for braces. A variable gets its value from the names
//! that were asked for, from the issuer (`same-as-issuer`), or from the requester by name; all must agree. Two
//! variables in one value need text between them, and the first ends where that text first comes. In an alternative
//! name a variable brings letters, digits, `-` and `_`, and in some forms `.` and spaces, but no punctuation that means
//! something there.
//!
//! **Optional attributes** may be absent; with a value made of variables they are added where all of these are known.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519;
use serde::Deserialize;
use time::Duration;
use x509_cert::ext::pkix::KeyUsages;

use super::{AltName, Certificate, Error, Name, Time, no_expiry};
use crate::key::{Digest, Hash, KeyType, PublicKey};

mod extensions;
mod format;
mod names;
mod read;
mod template;
mod words;

use extensions::own_oids;
pub use names::{AltNameRule, AltNameRules, Names, Subject, SubjectRule};
pub use template::{Template, Variable, Variables};

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

/// Who makes a certificate of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A CA for who asks.
    Request,
    /// A CA for its own issuing CA.
    Issuing,
    /// A CA for itself: it is self-signed.
    Root,
}

impl Role {
    /// The name in profiles and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Issuing => "issuing",
            Self::Root => "root",
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

/// One entry of certificatePolicies (RFC 5280 section 4.2.1.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The policy.
    pub oid: ObjectIdentifier,
    /// Where its certification practice statement is.
    pub cps: Option<String>,
}

/// An extension that a profile brings as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnExtension {
    /// What it is.
    pub oid: ObjectIdentifier,
    /// Whether a reader that does not know it must refuse the certificate.
    pub critical: bool,
    /// The content of the OCTET STRING.
    pub value: Vec<u8>,
}

/// A certificate profile; the format of the file says more of each field.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The name on the command line and in the CA's records.
    pub name: String,
    /// What it is for, in one line.
    pub summary: String,
    /// Who makes its certificates.
    pub role: Role,
    /// The root that it belongs under; `None` where each may need one of its own.
    pub hierarchy: Option<Hierarchy>,
    /// The fields that may be the identity; the first that is there is it.
    pub identity: Vec<Identity>,
    /// The keys that are certified; all where empty.
    pub key_types: Vec<KeyType>,
    /// How long it is valid.
    pub validity: Validity,
    /// From when it is valid, where that is not the moment of issue.
    pub not_before: Option<Time>,
    /// The subjects that it allows.
    pub subject: Subject,
    /// The variables of its templates.
    pub variables: BTreeMap<String, Variable>,
    /// The alternative names that it allows.
    pub alt_names: AltNameRules,
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// The pathLenConstraint of a CA.
    pub path_length: Option<u8>,
    /// keyUsage, always critical (RFC 5280 section 4.2.1.3 SHOULD).
    pub key_usage: Vec<KeyUsages>,
    /// Whether an RSA key also gets keyEncipherment, for TLS 1.2 peers with RSA key exchange.
    pub rsa_key_encipherment: bool,
    /// extKeyUsage; no extension where empty.
    pub extended_key_usage: Vec<ObjectIdentifier>,
    /// Whether extKeyUsage is critical.
    pub extended_key_usage_critical: bool,
    /// certificatePolicies.
    pub policies: Vec<Policy>,
    /// cRLDistributionPoints: one point, at any of these URLs.
    pub crl_urls: Vec<String>,
    /// authorityInfoAccess: where the issuer's certificate is.
    pub issuer_urls: Vec<String>,
    /// authorityInfoAccess: where the OCSP responder is.
    pub ocsp_urls: Vec<String>,
    /// Whether the certificate has a subjectKeyIdentifier.
    pub subject_key_identifier: bool,
    /// Whether the certificate has an authorityKeyIdentifier; a root alone may have none.
    pub authority_key_identifier: bool,
    /// Whether it has id-pkix-ocsp-nocheck.
    pub ocsp_no_check: bool,
    /// Extensions as they are.
    pub extensions: Vec<OwnExtension>,
    /// The file, merged with what it extends.
    effective: toml::Table,
}

/// The bits of keyUsage by name (RFC 5280 section 4.2.1.3).
pub const KEY_USAGES: [(&str, KeyUsages); 9] = [
    ("digitalSignature", KeyUsages::DigitalSignature),
    ("nonRepudiation", KeyUsages::NonRepudiation),
    ("keyEncipherment", KeyUsages::KeyEncipherment),
    ("dataEncipherment", KeyUsages::DataEncipherment),
    ("keyAgreement", KeyUsages::KeyAgreement),
    ("keyCertSign", KeyUsages::KeyCertSign),
    ("cRLSign", KeyUsages::CRLSign),
    ("encipherOnly", KeyUsages::EncipherOnly),
    ("decipherOnly", KeyUsages::DecipherOnly),
];

/// A profile that is built in: its name, which its file repeats, and the file.
struct BuiltIn {
    name: &'static str,
    toml: &'static str,
}

impl BuiltIn {
    fn named(name: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|built_in| built_in.name == name)
    }
}

macro_rules! built_in {
    ($($name:literal),*) => {
        [$(BuiltIn { name: $name, toml: include_str!(concat!("built_in/", $name, ".toml")) }),*]
    };
}

static BUILT_IN: [BuiltIn; 14] = built_in![
    "idevid",
    "ldevid",
    "tls-client",
    "tls-server",
    "firmware",
    "sub-ca",
    "ocsp",
    "matter-dac",
    "matter-pai",
    "matter-paa",
    "device-root",
    "device-issuing",
    "firmware-root",
    "firmware-issuing"
];

/// All of them, for who needs all; [`Profile::named`] reads one.
static ALL: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let read = |built_in: &BuiltIn| Profile::named(built_in.name).expect("a test reads every built-in profile");
    BUILT_IN.iter().map(read).collect()
});

impl Profile {
    /// The built-in profiles, those of a CA's own certificates last.
    pub fn built_in() -> &'static [Self] {
        &ALL
    }

    /// The names of the built-in profiles, in the same order. No profile is read.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|built_in| built_in.name)
    }

    /// The file of a built-in profile, with its comments.
    pub fn built_in_toml(name: &str) -> Option<&'static str> {
        BuiltIn::named(name).map(|built_in| built_in.toml)
    }

    /// An example of the file that has every key.
    pub const EXAMPLE: &str = include_str!("example.toml");

    /// Whether its certificates belong under the root of `hierarchy`.
    pub fn serves(&self, hierarchy: Hierarchy) -> bool {
        self.hierarchy.is_none_or(|own| own == hierarchy)
    }

    /// The profile as TOML in one canonical form, with everything that it extends.
    pub fn to_toml(&self) -> String {
        self.effective.to_string()
    }

    /// The profile as JSON, with everything that it extends.
    pub fn to_json(&self) -> serde_json::Value {
        // Text, numbers, truth values, lists and tables: JSON has all of them.
        serde_json::to_value(&self.effective).unwrap_or_default()
    }

    /// What names this profile and its every detail: the SHA-256 of [`Profile::to_toml`].
    pub fn digest(&self) -> Digest {
        Hash::Sha256.digest(self.to_toml().as_bytes())
    }

    /// The first moment of a certificate issued at `now`.
    pub fn not_before(&self, now: Time) -> Time {
        self.not_before.unwrap_or(now)
    }

    /// The last moment of a certificate issued at `now`.
    pub fn not_after(&self, now: Time) -> Time {
        match self.validity {
            Validity::NoExpiry => no_expiry(),
            // The last second counts as valid (RFC 5280 section 4.1.2.5).
            Validity::Days(days) => now.saturating_add(Duration::days(days.into())).min(no_expiry()),
        }
    }

    /// Its templates.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let rules = match &self.subject {
            Subject::Any => &[][..],
            Subject::Listed(rules) => rules,
        };
        let alt_names = self.alt_names.values.iter().map(|rule| &rule.value);
        rules.iter().filter_map(|rule| rule.value.as_ref()).chain(alt_names)
    }

    /// The identity in a certificate of this profile: the field and its value, as `serialNumber=SN-42`. Refused where
    /// no field has one, or where the field has several.
    pub fn identity(&self, names: &Names) -> Result<String, Error> {
        let Names { subject, alt_names } = names;
        for field in &self.identity {
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
                _ => {
                    let why = format!("allows one {field} as the identity, and there are {}", found.len());
                    return Err(self.refuse(why));
                }
            }
        }
        let fields: Vec<String> = self.identity.iter().map(Identity::to_string).collect();
        Err(self.refuse(format!("needs {} as the identity", fields.join(" or "))))
    }

    /// The identity that a text means, as [`Profile::identity`] gives it: the field and its value (`CN=gw`,
    /// `dns gw.example`), or the value alone, which is that of the first field that may be the identity.
    pub fn identity_of(&self, text: &str) -> Result<String, Error> {
        const FIELDS: [(Identity, &str); 5] = [
            (Identity::SerialNumber, "serialNumber="),
            (Identity::CommonName, "CN="),
            (Identity::DnsName, "dns "),
            (Identity::IpAddress, "ip "),
            (Identity::HardwareModule, "hardwareModuleName "),
        ];
        let said = FIELDS.iter().find_map(|(field, label)| Some((*field, text.strip_prefix(label)?)));
        let first = self.identity.first().map(|field| (*field, text));
        let Some((field, value)) = said.or(first).filter(|(field, _)| self.identity.contains(field)) else {
            let fields: Vec<String> = self.identity.iter().map(Identity::to_string).collect();
            return Err(self.refuse(format!("has {} as the identity, and {text} is none", fields.join(" or "))));
        };
        let attribute = |oid| Name::new(&[(oid, value)]).map(|_| format!("{field}={value}"));
        match field {
            Identity::SerialNumber => attribute(rfc4519::SERIAL_NUMBER),
            Identity::CommonName => attribute(rfc4519::CN),
            Identity::DnsName => AltName::dns(value).map(|name| name.to_string()),
            Identity::IpAddress => AltName::ip(value).map(|name| name.to_string()),
            Identity::HardwareModule => AltName::hardware_module(value).map(|name| name.to_string()),
        }
    }

    /// Whether these names, as they are, may go into a certificate of this profile.
    fn check_names(&self, names: &Names) -> Result<(), Error> {
        let Names { subject, alt_names } = names;
        let rules = &self.alt_names;
        let has_needed = alt_names.iter().any(|name| rules.need.iter().any(|form| form == name.form()));
        let may_lack = rules.need.is_empty() || (rules.optional && alt_names.is_empty());
        if !has_needed && !may_lack {
            return Err(self.refuse(format!("needs an alternative name of form {}", rules.need.join(" or "))));
        }
        if self.is_ca && subject.is_empty() {
            return Err(self.refuse("needs a subject (RFC 5280 section 4.1.2.6)".to_owned()));
        }
        // Every value once more, by the rules that hold for names of our own.
        Name::new(&subject.attributes())?;
        self.identity(names).map(drop)
    }

    /// Whether a key of this type is certified.
    pub fn check_key(&self, key: &PublicKey) -> Result<(), Error> {
        let found = key.key_type();
        if self.key_types.is_empty() || self.key_types.contains(&found) {
            return Ok(());
        }
        let types: Vec<String> = self.key_types.iter().map(KeyType::to_string).collect();
        Err(self.refuse(format!("certifies keys of type {}, and this one is {found}", types.join(", "))))
    }

    /// Whether a certificate is what this profile makes, and if not, why. Validity is not looked at, since the CA
    /// may have been asked for another.
    pub fn check(&self, certificate: &Certificate) -> Result<(), Error> {
        let refuse = |why: &str| Err(self.refuse(why.to_owned()));
        let key = certificate.public_key()?;
        self.check_key(&key)?;
        let names = Names { subject: certificate.subject().clone(), alt_names: certificate.alt_names()? };
        if self.names(&names.subject, &names.alt_names, Variables::NONE, None)? != names {
            return refuse("has other names, or has them in another order");
        }
        if certificate.version() != 3 {
            return refuse("needs a version 3 certificate");
        }
        if (self.role == Role::Root) != certificate.is_self_issued() {
            return refuse(if self.role == Role::Root { "is self-signed" } else { "is not self-signed" });
        }
        for wanted in self.extensions(&names, &key)? {
            let name = crate::key::algorithm::oid_name(wanted.extn_id);
            let Some(found) = certificate.extension(wanted.extn_id) else {
                return refuse(&format!("needs the extension {name}"));
            };
            // A CA may make key identifiers in its own way (RFC 5280 section 4.2.1.2 gives two of many).
            let is_key_identifier = wanted.extn_id == const_oid::db::rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER;
            if !is_key_identifier && found.value != wanted.extn_value.as_bytes() {
                return refuse(&format!("has another value for the extension {name}"));
            }
        }
        if self.extended_key_usage.is_empty() && certificate.extended_key_usage()?.is_some() {
            return refuse("has no extKeyUsage");
        }
        if self.authority_key_identifier && certificate.authority_key_identifier()?.is_none() {
            return refuse("needs the extension authorityKeyIdentifier");
        }
        Ok(())
    }

    fn refuse(&self, why: String) -> Error {
        Error::Profile { profile: self.name.clone(), why }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_read_and_is_named_as_its_file() {
        for built_in in &BUILT_IN {
            let profile = Profile::named(built_in.name).unwrap();
            assert_eq!(profile.name, built_in.name);
            assert_eq!(profile.templates().count() > 0, !profile.variables.is_empty(), "{}", profile.name);
        }
        assert_eq!(Profile::built_in().len(), BUILT_IN.len());
    }

    #[test]
    fn an_identity_is_read_as_it_is_made() {
        let read = |profile: &str, text: &str| Profile::named(profile).unwrap().identity_of(text).ok();
        for (profile, text, identity) in [
            ("idevid", "SN-42", "serialNumber=SN-42"),
            ("idevid", "serialNumber=SN-42", "serialNumber=SN-42"),
            ("idevid", "hardwareModuleName 1.2.3:A", "hardwareModuleName 1.2.3 \"A\""),
            ("ldevid", "CN=gw 7", "CN=gw 7"),
            ("tls-server", "gw.example", "dns gw.example"),
            ("tls-server", "ip 2001:DB8::1", "ip 2001:db8::1"),
        ] {
            assert_eq!(read(profile, text).as_deref(), Some(identity), "{profile} {text}");
        }
        for (profile, text) in [("idevid", "CN=gw"), ("idevid", ""), ("tls-server", "a b"), ("idevid", "\u{e4}")] {
            assert_eq!(read(profile, text), None, "{profile} {text}");
        }
    }

    #[test]
    fn the_example_of_the_format_is_a_profile_without_mistakes() {
        let example = Profile::from_toml(Profile::EXAMPLE).unwrap();
        assert_eq!(crate::x509::lint::of_profile(&example), []);
    }
}
