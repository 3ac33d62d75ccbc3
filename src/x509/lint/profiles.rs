//! Mistakes in profiles.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::flagset::FlagSet;

use super::{Finding, Findings, Severity, Shape};
use crate::key::KeyType;
use crate::x509::name::{Attribute, label};
use crate::x509::{
    Hierarchy, Identity, Name, Profile, Subject, SubjectRule, Template, Time, Validity, Variable, Variables, rfc3339,
};

/// Looks for mistakes in a profile.
pub fn of_profile(profile: &Profile) -> Vec<Finding> {
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
        let is_again = |earlier: &&SubjectRule| {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(base: &str, rest: &str) -> Vec<&'static str> {
        let text = format!("schema = \"bulla.profile/1\"\nname = \"own\"\nextends = \"{base}\"\n{rest}");
        let findings = of_profile(&Profile::from_toml(&text).unwrap());
        findings.into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn the_built_in_profiles_have_no_mistake() {
        for profile in Profile::built_in() {
            assert_eq!(of_profile(profile), [], "{}", profile.name);
        }
    }

    /// Each code, what has it, and the like of it that has none.
    #[test]
    fn each_mistake_is_found_and_its_like_is_not() {
        const NAMES: &str = "subject = [{ attribute = \"serialNumber\", value = \"{x}\" }";
        for (code, base, bad, good) in [
            ("critical-eku", "tls-client", "extended-key-usage-critical = true", ""),
            (
                "critical-eku",
                "firmware",
                "extended-key-usage-critical = true",
                "extended-key-usage = [\"timeStamping\"]\nextended-key-usage-critical = true",
            ),
            ("any-eku", "tls-client", "extended-key-usage = [\"clientAuth\", \"anyExtendedKeyUsage\"]", ""),
            (
                "key-encipherment",
                "ldevid",
                "key-usage = [\"digitalSignature\", \"keyEncipherment\"]",
                "key-usage = [\"digitalSignature\", \"keyEncipherment\"]\nkey-types = [\"rsa2048\"]",
            ),
            (
                "key-encipherment",
                "ldevid",
                "key-usage = [\"keyEncipherment\"]\nkey-types = [\"rsa2048\", \"p256\"]",
                "rsa-key-encipherment = true",
            ),
            ("ca-without-cert-sign", "sub-ca", "key-usage = [\"cRLSign\"]", ""),
            ("cert-sign-without-ca", "ldevid", "key-usage = [\"keyCertSign\"]", ""),
            ("ca-without-key-identifier", "sub-ca", "subject-key-identifier = false", ""),
            ("server-without-san", "tls-server", "[alt-names]\noptional = true", ""),
            (
                "server-without-san",
                "tls-client",
                "extended-key-usage = [\"serverAuth\"]",
                "extended-key-usage = [\"serverAuth\"]\n[alt-names]\nvalues = [{ form = \"dns\", value = \"a.example\" }]",
            ),
            (
                "san-without-hardware-module",
                "idevid",
                "[alt-names]\nneed = [\"dns\", \"hardwareModuleName\"]",
                "[alt-names]\nneed = []\nvalues = [{ form = \"hardwareModuleName\", value = \"1.2.3:4\" }]",
            ),
            (
                "san-without-hardware-module",
                "idevid",
                "[alt-names]\nneed = []",
                "identity = [\"serialNumber\"]\n[alt-names]\nneed = []\nallow = []",
            ),
            ("https-url", "ldevid", "crl-urls = [\"HTTPS://a.example/c\"]", "crl-urls = [\"http://a.example/c\"]"),
            (
                "https-url",
                "ldevid",
                "issuer-urls = [\"https://a.example/c\"]",
                "issuer-urls = [\"ldap://a.example/c\"]",
            ),
            ("https-url", "ldevid", "ocsp-urls = [\"https://a.example\"]", "ocsp-urls = [\"http://a.example\"]"),
            ("mixed-roots", "firmware", "hierarchy = \"device\"", ""),
            ("mixed-roots", "tls-client", "hierarchy = \"firmware\"", ""),
            ("mixed-roots", "ldevid", "hierarchy = \"any\"", ""),
            ("mixed-roots", "firmware", "extended-key-usage = []", "extended-key-usage = [\"codeSigning\"]"),
            ("identity-not-allowed", "ldevid", "identity = [\"CN\"]\nsubject = [{ attribute = \"O\" }]", ""),
            (
                "identity-not-allowed",
                "ldevid",
                "identity = [\"dns\"]\n[alt-names]\nallow = [\"ip\"]",
                "identity = [\"dns\"]",
            ),
            (
                "identity-unreachable",
                "ldevid",
                "subject = [{ attribute = \"CN\" }]",
                "identity = [\"CN\"]\nsubject = [{ attribute = \"CN\" }]",
            ),
            (
                "unused-variable",
                "ldevid",
                "[variables]\nx = { type = \"text\" }",
                "[[alt-names.values]]\nform = \"dns\"\nvalue = \"{x}.example\"\n[variables]\nx = { type = \"text\" }",
            ),
            (
                "unreachable-rule",
                "tls-server",
                "[alt-names]\nneed = [\"dns\", \"uri\"]",
                "[alt-names]\nneed = [\"dns\"]",
            ),
            (
                "unreachable-rule",
                "ldevid",
                "identity = [\"CN\"]\nsubject = [{ attribute = \"CN\" }, { attribute = \"C\", value = \"DEU\" }]",
                "identity = [\"CN\"]\nsubject = [{ attribute = \"CN\" }, { attribute = \"C\", value = \"DE\" }]",
            ),
            (
                "unreachable-rule",
                "ldevid",
                "identity = [\"serialNumber\"]\nsubject = [{ attribute = \"serialNumber\" }, { attribute = \"OU\", value = \"a\" }, { attribute = \"OU\", value = \"a\" }]",
                "identity = [\"serialNumber\"]\nsubject = [{ attribute = \"serialNumber\" }, { attribute = \"OU\", value = \"a\" }, { attribute = \"OU\", value = \"b\" }]",
            ),
            (
                "unreachable-rule",
                "ldevid",
                &format!(
                    "identity = [\"serialNumber\"]\n{NAMES}]\n[variables]\nx = {{ type = \"text\", one-of = [\"a\", \"bcd\"], max-length = 2 }}"
                ),
                &format!(
                    "identity = [\"serialNumber\"]\n{NAMES}]\n[variables]\nx = {{ type = \"text\", one-of = [\"a\", \"bcd\"] }}"
                ),
            ),
        ] {
            assert_eq!(codes(base, bad), [code], "{base}: {bad}");
            assert_eq!(codes(base, good), [""; 0], "{base}: {good}");
        }
    }

    #[test]
    fn a_certificate_that_would_outlive_its_issuer_is_found() {
        let (now, year) = (Time::UNIX_EPOCH, time::Duration::days(365));
        let profile = Profile::named("ldevid").unwrap();
        assert_eq!(outlives(&profile, now, now + year), None);
        let finding = outlives(&profile, now, now + year - time::Duration::SECOND).unwrap();
        assert_eq!(finding.code, "outlives-issuer");
    }
}
