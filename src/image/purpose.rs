//! What devices with OpenSSL ask of the certificates of a signer besides what every path must hold. Their rules bind the
//! CAs too.
//!
//! Sources: openssl-verification-options(1), "Checks Implied by Specific Predefined Policies"; `rauc/rauc
//! src/signature.c`, check_purpose_code_sign; `sbabic/swupdate crypto/swupdate_cms_verify_openssl.c`, check_code_sign.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{ID_KP_CODE_SIGNING, ID_KP_EMAIL_PROTECTION};
use x509_cert::ext::pkix::KeyUsages;

use super::Bad;
use crate::x509::{self, Certificate, Chain};

/// The code of a refusal.
pub const CODE: &str = "device-purpose";

/// extKeyUsage absent, or with emailProtection, on every certificate; keyUsage of the leaf absent, or with
/// digitalSignature or nonRepudiation.
pub fn smimesign(chain: &Chain) -> Result<(), Bad> {
    for certificate in chain.certificates() {
        if usages(certificate)?.is_some_and(|usages| !usages.contains(&ID_KP_EMAIL_PROTECTION)) {
            return refuse(certificate, "smimesign", "emailProtection in extKeyUsage");
        }
    }
    leaf_may_sign(chain.leaf(), "smimesign", &[KeyUsages::DigitalSignature, KeyUsages::NonRepudiation])
}

/// extKeyUsage with codeSigning on the leaf, absent or with it on the others; keyUsage of the leaf absent, or with
/// digitalSignature.
pub fn codesign(chain: &Chain) -> Result<(), Bad> {
    for certificate in chain.certificates() {
        let is_leaf = certificate.der() == chain.leaf().der();
        if !usages(certificate)?.map_or(!is_leaf, |usages| usages.contains(&ID_KP_CODE_SIGNING)) {
            return refuse(certificate, "codesign", "codeSigning in extKeyUsage");
        }
    }
    leaf_may_sign(chain.leaf(), "codesign", &[KeyUsages::DigitalSignature])
}

fn leaf_may_sign(leaf: &Certificate, purpose: &str, wanted: &[KeyUsages]) -> Result<(), Bad> {
    match leaf.key_usage().map_err(malformed)? {
        Some(usage) if !wanted.iter().any(|wanted| usage.0.contains(*wanted)) => {
            refuse(leaf, purpose, "digitalSignature in keyUsage")
        }
        _ => Ok(()),
    }
}

fn usages(certificate: &Certificate) -> Result<Option<Vec<ObjectIdentifier>>, Bad> {
    certificate.extended_key_usage().map_err(malformed)
}

fn malformed(error: x509::Error) -> Bad {
    Bad::new("certificate-malformed", error)
}

fn refuse(certificate: &Certificate, purpose: &str, lacks: &str) -> Result<(), Bad> {
    let subject = certificate.subject();
    Err(Bad::new(CODE, format!("the device's purpose {purpose} asks for {lacks}, and {subject} has none")))
}
