//! Mistakes that profiles and certificates are known for: found, never corrected.
//!
//! A finding has a stable code. An error breaks a rule of a standard or a device somewhere; a warning is allowed, and is
//! hardly ever meant. Nothing is verified here: [`super::verify`] judges chains.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::flagset::FlagSet;
use x509_cert::ext::pkix::KeyUsages;

use super::Error;

mod certificates;
mod profiles;

pub use certificates::{of_certificates, shared_roots};
pub use profiles::{of_profile, outlives};

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
