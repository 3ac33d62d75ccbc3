//! Mistakes that profiles and certificates are known for: found, never corrected.
//!
//! A finding has a stable code. An error breaks a rule of a standard or a device somewhere; a warning is allowed, and is
//! hardly ever meant. Nothing is verified here: [`super::verify`] judges chains.

use std::collections::HashMap;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::flagset::FlagSet;
use der::{Decode, Tag};
use x509_cert::ext::pkix::KeyUsages;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::name::{Attribute, label};
use super::{
    AltName, CONTEXT_0, Certificate, Error, Extension, Hierarchy, Identity, Name, Profile, Subject, Template, Time,
    Validity, Variable, Variables, colon_hex, members, no_expiry, rfc3339,
};
use crate::key::KeyType;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A rule is broken.
    Error,
    /// It is allowed, and hardly ever meant.
    Warning,
}

impl Severity {
    /// The name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The stable code, for scripts.
    pub code: &'static str,
    /// The profile or certificate that has it.
    pub about: String,
    /// What is wrong, as words after its name.
    pub words: String,
}

impl Finding {
    /// A file that is no profile at all, with the reader's reason.
    pub fn not_a_profile(error: &Error) -> Self {
        let (about, words) = ("the file".to_owned(), format!("is no profile: {error}"));
        Self { severity: Severity::Error, code: "not-a-profile", about, words }
    }
}

/// Collects the findings about one thing.
struct Findings {
    about: String,
    found: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, severity: Severity, code: &'static str, words: impl Into<String>) {
        self.found.push(Finding { severity, code, about: self.about.clone(), words: words.into() });
    }

    fn error_if(&mut self, is: bool, code: &'static str, words: &str) {
        if is {
            self.add(Severity::Error, code, words);
        }
    }

    fn warn_if(&mut self, is: bool, code: &'static str, words: &str) {
        if is {
            self.add(Severity::Warning, code, words);
        }
    }
}

/// What profiles and certificates both have.
struct Shape {
    is_ca: bool,
    key_usage: Option<FlagSet<KeyUsages>>,
    /// extKeyUsage; empty where there is none.
    purposes: Vec<ObjectIdentifier>,
    purposes_are_critical: bool,
    has_key_identifier: bool,
    /// Whether the key is, or may be, one that enciphers no other keys.
    key_cannot_encipher: bool,
    /// Whether there is, or must be, an alternative name.
    has_alt_name: bool,
    /// Whether it is made for the life of a device: an end entity without expiry or purposes.
    is_for_life: bool,
    /// Whether alternative names are, or may be, there without a hardwareModuleName.
    lacks_hardware_module: bool,
    urls: Vec<String>,
}

impl Shape {
    fn judge(&self, findings: &mut Findings) {
        let has = |usage| self.key_usage.is_some_and(|usages| usages.contains(usage));
        let is_for = |purpose| self.purposes.contains(&purpose);
        // RFC 3161 section 2.3 demands it of a time stamper.
        let critical = self.purposes_are_critical && !is_for(rfc5280::ID_KP_TIME_STAMPING);
        findings.warn_if(
            critical,
            "critical-eku",
            "has a critical extKeyUsage, which devices refuse that do not know it",
        );
        let any = is_for(rfc5280::ANY_EXTENDED_KEY_USAGE);
        findings.warn_if(any, "any-eku", "has anyExtendedKeyUsage, which is as good as no extKeyUsage");
        let words = "has keyEncipherment on a key that is not RSA (RFC 8813 section 3)";
        findings.error_if(has(KeyUsages::KeyEncipherment) && self.key_cannot_encipher, "key-encipherment", words);
        let words = "is a CA without keyCertSign in keyUsage (RFC 5280 section 4.2.1.3)";
        findings.error_if(self.is_ca && !has(KeyUsages::KeyCertSign), "ca-without-cert-sign", words);
        let words = "has keyCertSign and is no CA (RFC 5280 section 4.2.1.9)";
        findings.error_if(!self.is_ca && has(KeyUsages::KeyCertSign), "cert-sign-without-ca", words);
        let words = "is a CA without subjectKeyIdentifier (RFC 5280 section 4.2.1.2)";
        findings.error_if(self.is_ca && !self.has_key_identifier, "ca-without-key-identifier", words);
        let words = "is for a TLS server and need have no alternative name, where clients look (RFC 9525 section 2)";
        findings.error_if(is_for(rfc5280::ID_KP_SERVER_AUTH) && !self.has_alt_name, "server-without-san", words);
        let words = "is a device's identity for life, with alternative names and no hardwareModuleName among them (IEEE \
                     802.1AR section 8.10.5)";
        findings.warn_if(self.is_for_life && self.lacks_hardware_module, "san-without-hardware-module", words);
        for url in self.urls.iter().filter(|url| url.to_ascii_lowercase().starts_with("https:")) {
            let words =
                format!("has {url}: https for a CRL, issuer or responder can run in circles (RFC 5280 section 8)");
            findings.add(Severity::Warning, "https-url", words);
        }
    }
}

/// Looks for mistakes in a profile.
pub fn profile(profile: &Profile) -> Vec<Finding> {
    let mut findings = Findings { about: format!("profile {}", profile.name), found: Vec::new() };
    let rules = &profile.alt_names;
    let is_made = |form: &str| rules.values.iter().any(|rule| rule.form == form);
    let hardware_module = "hardwareModuleName";
    let may_have_alt_names = !rules.allow.is_empty() || !rules.values.is_empty();
    // One form alone is needed of several, so that any other will do.
    let needs_hardware_module = !rules.need.is_empty() && rules.need.iter().all(|form| form == hardware_module);
    let is_rsa = |key_type: &KeyType| matches!(key_type, KeyType::Rsa(_));
    let shape = Shape {
        is_ca: profile.is_ca,
        key_usage: Some(profile.key_usage.iter().fold(FlagSet::default(), |all, usage| all | *usage)),
        purposes: profile.extended_key_usage.clone(),
        purposes_are_critical: profile.extended_key_usage_critical,
        has_key_identifier: profile.subject_key_identifier,
        key_cannot_encipher: profile.key_types.is_empty() || !profile.key_types.iter().all(is_rsa),
        has_alt_name: !rules.values.is_empty() || (!rules.need.is_empty() && !rules.optional),
        is_for_life: !profile.is_ca
            && profile.serves(Hierarchy::Device)
            && profile.validity == Validity::NoExpiry
            && profile.extended_key_usage.is_empty(),
        lacks_hardware_module: may_have_alt_names && !needs_hardware_module && !is_made(hardware_module),
        urls: [&profile.crl_urls, &profile.issuer_urls, &profile.ocsp_urls].into_iter().flatten().cloned().collect(),
    };
    shape.judge(&mut findings);
    hierarchies(profile, &mut findings);
    identities(profile, &mut findings);
    reach(profile, &mut findings);
    findings.found
}

/// A device's certificate and a signer of firmware have no root in common.
fn hierarchies(profile: &Profile, findings: &mut Findings) {
    if profile.is_ca {
        return;
    }
    let is_for = |purpose| profile.extended_key_usage.contains(&purpose);
    let signs_code = is_for(rfc5280::ID_KP_CODE_SIGNING);
    findings.error_if(
        profile.serves(Hierarchy::Device) && signs_code,
        "mixed-roots",
        "is for signing code and belongs under the devices' root",
    );
    let is_tls = is_for(rfc5280::ID_KP_CLIENT_AUTH) || is_for(rfc5280::ID_KP_SERVER_AUTH);
    findings.error_if(
        profile.serves(Hierarchy::Firmware) && (profile.extended_key_usage.is_empty() || is_tls),
        "mixed-roots",
        "belongs under the firmware root without being for signing code alone, and passes for a signer of firmware",
    );
}

/// Whether a subject may have an attribute.
fn allows(profile: &Profile, oid: ObjectIdentifier) -> bool {
    match &profile.subject {
        Subject::Any => true,
        Subject::Listed(rules) => rules.iter().any(|rule| rule.attribute == oid),
    }
}

/// The identity must be among the names that are allowed.
fn identities(profile: &Profile, findings: &mut Findings) {
    let allows_form = |form: &str| {
        profile.alt_names.allow.iter().any(|allowed| allowed == form)
            || profile.alt_names.values.iter().any(|rule| rule.form == form)
    };
    let can_be = |identity: &&Identity| match identity {
        Identity::SerialNumber => allows(profile, Name::SERIAL_NUMBER),
        Identity::CommonName => allows(profile, Name::COMMON_NAME),
        Identity::DnsName => allows_form("dns"),
        Identity::IpAddress => allows_form("ip"),
        Identity::HardwareModule => allows_form("hardwareModuleName"),
    };
    let possible = profile.identity.iter().filter(can_be).count();
    let words = "allows none of the names that are its identity, so that nobody can have a certificate";
    findings.error_if(possible == 0, "identity-not-allowed", words);
    let words = "has a name as its identity that it does not allow";
    findings.warn_if(possible > 0 && possible < profile.identity.len(), "identity-unreachable", words);
}

/// Variables, rules and values that nothing can ever reach.
fn reach(profile: &Profile, findings: &mut Findings) {
    let used: Vec<&str> = profile.templates().flat_map(Template::variables).collect();
    for (name, variable) in &profile.variables {
        if !used.contains(&name.as_str()) {
            findings.add(Severity::Warning, "unused-variable", format!("has the variable {name}, and uses it nowhere"));
        }
        if let Variable::Text { one_of, min_length, max_length } = variable {
            let fits = |value: &&String| (*min_length..=*max_length).contains(&value.chars().count());
            for value in one_of.iter().filter(|value| !fits(value)) {
                let words = format!("allows {value} for {name}, which is not of the length that it asks for");
                findings.add(Severity::Warning, "unreachable-rule", words);
            }
        }
    }
    for form in &profile.alt_names.need {
        let rules = &profile.alt_names;
        if !rules.allow.contains(form) && !rules.values.iter().any(|rule| rule.form == *form) {
            let words = format!("needs an alternative name of form {form} and does not allow it");
            findings.add(Severity::Error, "unreachable-rule", words);
        }
    }
    let Subject::Listed(rules) = &profile.subject else { return };
    for (index, rule) in rules.iter().enumerate() {
        let name = label(rule.attribute);
        if let Some(value) = rule.value.as_ref().and_then(|value| value.expand(Variables::NONE).ok())
            && let Err(error) = Attribute::new(rule.attribute, &value)
        {
            let words = format!("makes a name that cannot be written: {error}");
            findings.add(Severity::Error, "unreachable-rule", words);
        }
        let is_again = |earlier: &&super::SubjectRule| {
            earlier.attribute == rule.attribute && earlier.value == rule.value && rule.value.is_some()
        };
        if rules[..index].iter().any(|earlier| is_again(&earlier)) {
            let words = format!("has two rules for {name} of the same value");
            findings.add(Severity::Warning, "unreachable-rule", words);
        }
    }
}

/// Whether certificates of a profile that are issued at `now` would outlive their issuer.
pub fn outlives(profile: &Profile, now: Time, issuer_not_after: Time) -> Option<Finding> {
    let not_after = profile.not_after(now);
    if not_after <= issuer_not_after {
        return None;
    }
    let (until, issuer_until) = (rfc3339(not_after), rfc3339(issuer_not_after));
    let words = format!("makes certificates that are valid until {until}, their issuer only until {issuer_until}");
    let about = format!("profile {}", profile.name);
    Some(Finding { severity: Severity::Error, code: "outlives-issuer", about, words })
}

/// Looks for mistakes in certificates, each by itself and beside its issuer where that is among them.
pub fn certificates(certificates: &[Certificate]) -> Vec<Finding> {
    let mut issuers: HashMap<&Name, Vec<&Certificate>> = HashMap::new();
    for certificate in certificates {
        issuers.entry(certificate.subject()).or_default().push(certificate);
    }
    let mut found = Vec::new();
    for certificate in certificates {
        let mut findings = Findings { about: title(certificate), found: Vec::new() };
        one(certificate, &mut findings);
        // Of several issuers of one name, as after a renewal, the longest-lived counts.
        let last = issuers.get(certificate.issuer()).into_iter().flatten().map(|issuer| issuer.not_after()).max();
        if let Some(last) = last
            && certificate.not_after() > last
        {
            let (until, issuer_until) = (rfc3339(certificate.not_after()), rfc3339(last));
            let words = format!("is valid until {until}, its issuer only until {issuer_until}");
            findings.add(Severity::Error, "outlives-issuer", words);
        }
        found.extend(findings.found);
    }
    found
}

fn title(certificate: &Certificate) -> String {
    if certificate.subject().is_empty() {
        return format!("the certificate with serial {}", colon_hex(certificate.serial()));
    }
    certificate.subject().to_string()
}

fn one(certificate: &Certificate, findings: &mut Findings) {
    if certificate.version() != 3 {
        let words = format!("is a version {} certificate, which has no extensions", certificate.version());
        findings.add(Severity::Error, "version", words);
    }
    let serial = certificate.serial();
    let is_bad = serial.len() > 20 || serial.first().is_none_or(|first| first & 0x80 != 0) || serial == [0];
    findings.error_if(
        is_bad,
        "serial-number",
        "has a serial number that is not 1 to 20 octets and positive (RFC 5280 section 4.1.2.2)",
    );
    validity(certificate, findings);
    signature(certificate, findings);
    if is_wrongly_tagged(certificate) {
        let words = "has a hardwareModuleName whose serial number has a context tag (84) instead of OCTET STRING (04), \
                     which RFC 4108 section 5 has";
        findings.add(Severity::Error, "hardware-serial-tag", words);
    } else if certificate.alt_names().is_err() {
        findings.add(Severity::Error, "malformed", "has a subjectAltName that cannot be read");
    }
    let alt_name = certificate.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME);
    if certificate.subject().is_empty() {
        findings.error_if(alt_name.is_none(), "no-name", "has neither a subject nor an alternative name");
        let is_not_critical = alt_name.is_some_and(|extension| !extension.critical);
        let words = "has an empty subject, and a subjectAltName that is not critical (RFC 5280 section 4.2.1.6)";
        findings.error_if(is_not_critical, "san-not-critical", words);
    }
    match shape(certificate) {
        Ok(shape) => shape.judge(findings),
        Err(error) => {
            findings.add(Severity::Error, "malformed", format!("has an extension that cannot be read: {error}"))
        }
    }
}

fn shape(certificate: &Certificate) -> Result<Shape, Error> {
    let is_ca = certificate.basic_constraints()?.is_some_and(|constraints| constraints.ca);
    let purposes = certificate.extended_key_usage()?.unwrap_or_default();
    let alt_name = certificate.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME);
    // One that cannot be read is a finding of its own.
    let alt_names = certificate.alt_names().unwrap_or_default();
    let has_hardware_module = alt_names.iter().any(|name| matches!(name, AltName::HardwareModule { .. }));
    let usage = certificate.extension(rfc5280::ID_CE_EXT_KEY_USAGE);
    Ok(Shape {
        is_ca,
        key_usage: certificate.key_usage()?.map(|usage| usage.0),
        purposes_are_critical: usage.is_some_and(|extension| extension.critical),
        has_key_identifier: certificate.subject_key_identifier()?.is_some(),
        key_cannot_encipher: certificate.public_key().is_ok_and(|key| !matches!(key.key_type(), KeyType::Rsa(_))),
        has_alt_name: alt_name.is_some(),
        is_for_life: !is_ca && certificate.not_after() == no_expiry() && purposes.is_empty(),
        lacks_hardware_module: !alt_names.is_empty() && !has_hardware_module,
        purposes,
        urls: urls(certificate)?,
    })
}

/// The URLs of CRLs, issuers and responders.
fn urls(certificate: &Certificate) -> Result<Vec<String>, Error> {
    let extension = |oid| certificate.extension(oid);
    let crls = extension(rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS).map_or(Ok(Vec::new()), Extension::crl_urls)?;
    let others = extension(rfc5280::ID_PE_AUTHORITY_INFO_ACCESS).map_or(Ok(Vec::new()), Extension::access_urls)?;
    Ok(crls.into_iter().chain(others.into_iter().map(|(_, url)| url)).collect())
}

fn validity(certificate: &Certificate, findings: &mut Findings) {
    if certificate.not_after() < certificate.not_before() {
        findings.add(Severity::Error, "validity", "ends before it begins");
    }
    let Ok((_, parsed)) = X509Certificate::from_der(certificate.der()) else { return };
    let validity = parsed.validity();
    for (name, time) in [("notBefore", validity.not_before), ("notAfter", validity.not_after)] {
        if time.to_datetime().year() < 2050 && !time.is_utctime() {
            let words = format!("has a {name} before 2050 that is no UTCTime (RFC 5280 section 4.1.2.5)");
            findings.add(Severity::Error, "validity-encoding", words);
        }
    }
}

/// md2, md5 and sha1 with RSA, and sha1 with ECDSA and DSA (RFC 3279 section 2.2).
const BROKEN: [(&str, &str); 5] = [
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
];

fn signature(certificate: &Certificate, findings: &mut Findings) {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate.der()) else { return };
    let oid = parsed.signature_algorithm.algorithm.to_id_string();
    // Nobody checks a root's own signature: it is trusted for other reasons.
    if let Some((_, hash)) = BROKEN.iter().find(|(broken, _)| *broken == oid)
        && !certificate.is_self_issued()
    {
        findings.add(Severity::Error, "broken-hash", format!("is signed with {hash}"));
    }
}

/// Whether the serial number of a hardwareModuleName is `[4]`, as one widely used encoder writes it.
fn is_wrongly_tagged(certificate: &Certificate) -> bool {
    const WHAT: &str = "the subject alternative name";
    let serial_tag = |name: &[u8]| -> Option<u8> {
        let [oid, value] = members(name, CONTEXT_0, WHAT).ok()?[..] else { return None };
        let oid = ObjectIdentifier::from_der(oid).ok()?;
        let [module] = members(value, CONTEXT_0, WHAT).ok()?[..] else { return None };
        let [_, serial] = members(module, Tag::Sequence, WHAT).ok()?[..] else { return None };
        (oid == AltName::HARDWARE_MODULE_NAME).then(|| serial.first().copied()).flatten()
    };
    let value = certificate.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME).map(|extension| extension.value.as_slice());
    let names = members(value.unwrap_or_default(), Tag::Sequence, WHAT).unwrap_or_default();
    names.into_iter().any(|name| serial_tag(name) == Some(0x84))
}

/// Looks for signers of firmware that share a root with devices: a device's certificate without extKeyUsage passes the
/// default checks of OpenSSL and RAUC as a signer. Returns the place of each signer among `certificates`.
pub fn roots(certificates: &[Certificate]) -> Vec<(usize, Finding)> {
    let purposes = |certificate: &Certificate| certificate.extended_key_usage().ok().flatten().unwrap_or_default();
    let is_ca = |certificate: &Certificate| {
        certificate.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.ca)
    };
    let signs_code = |certificate: &Certificate| purposes(certificate).contains(&rfc5280::ID_KP_CODE_SIGNING);
    let is_device = |certificate: &Certificate| {
        let purposes = purposes(certificate);
        let tls = [rfc5280::ID_KP_CLIENT_AUTH, rfc5280::ID_KP_SERVER_AUTH];
        purposes.is_empty() || (!signs_code(certificate) && tls.iter().any(|purpose| purposes.contains(purpose)))
    };
    // Each CA's issuer, by the CA's name.
    let above: HashMap<&Name, &Name> = certificates
        .iter()
        .filter(|certificate| !certificate.is_self_issued())
        .map(|certificate| (certificate.subject(), certificate.issuer()))
        .collect();
    let root = |certificate: &'_ Certificate| -> Name {
        let mut name = certificate.issuer();
        // Names may run in circles; no path that is followed elsewhere is longer.
        for _ in 0..super::verify::DEPTH_LIMIT {
            name = above.get(name).copied().unwrap_or(name);
        }
        name.clone()
    };
    let leaves = || certificates.iter().enumerate().filter(|(_, certificate)| !is_ca(certificate));
    let devices = leaves().filter(|(_, certificate)| is_device(certificate));
    let devices: HashMap<Name, &Certificate> = devices.map(|(_, device)| (root(device), device)).collect();
    let finding = |(index, signer): (usize, &Certificate)| {
        let root = root(signer);
        let words = format!("signs code under the same root as {}, which is {root}", title(devices.get(&root)?));
        let about = title(signer);
        Some((index, Finding { severity: Severity::Error, code: "mixed-roots", about, words }))
    };
    leaves().filter(|(_, certificate)| signs_code(certificate)).filter_map(finding).collect()
}
