//! What the public web asks of certificates besides RFC 5280: the parts of the CA/Browser Forum's Baseline Requirements for
//! TLS server certificates that a certificate shows by itself.

use std::collections::HashSet;

use const_oid::db::rfc5280;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

use super::identity::is_host;
use super::{AltName, Certificate, Purpose, Refusal};
use crate::key::KeyType;
use crate::x509::Name;

/// Subscriber certificates (section 7.1.2.7).
pub(super) fn of_leaf(leaf: &Certificate) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::purpose(leaf, Purpose::Webpki, why));
    let unreadable = Refusal::unreadable(leaf);
    key(leaf)?;
    // Section 7.1.2.7.10: present, with serverAuth, not critical, and not for anything.
    match leaf.extended_key_usage().map_err(&unreadable)? {
        None => return refuse("it has no extKeyUsage"),
        Some(found) if found.contains(&rfc5280::ANY_EXTENDED_KEY_USAGE) => {
            return refuse("its extKeyUsage allows any use");
        }
        Some(_) => {}
    }
    if leaf.extension(rfc5280::ID_CE_EXT_KEY_USAGE).is_some_and(|extension| extension.critical) {
        return refuse("its extKeyUsage is critical");
    }
    // Section 7.1.2.7.12: host names and addresses alone, critical where the subject is empty and only there.
    let Some(extension) = leaf.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME) else {
        return refuse("it has no subjectAltName");
    };
    if extension.critical && !leaf.subject().is_empty() {
        return refuse("its subjectAltName is critical, and its subject is not empty");
    }
    let names = leaf.alt_names().map_err(&unreadable)?;
    for name in &names {
        match name {
            AltName::Ip(_) => {}
            AltName::Dns(name) if is_public_host(name) => {}
            _ => return refuse("its subjectAltName has a name that is no host name and no address"),
        }
    }
    // Section 7.1.4.3: the common name repeats one of them, character for character; IPv6 as RFC 5952 writes it.
    let texts: HashSet<String> = names.iter().flat_map(AltName::spellings).collect();
    if !leaf.subject().values(Name::COMMON_NAME).iter().all(|common_name| texts.contains(common_name)) {
        return refuse("its common name is not in its subjectAltName");
    }
    Ok(())
}

/// Root and subordinate CAs (sections 7.1.2.1 and 7.1.2.6).
pub(super) fn of_ca(ca: &Certificate, is_anchor: bool) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::purpose(ca, Purpose::Webpki, why));
    let unreadable = Refusal::unreadable(ca);
    key(ca)?;
    if !is_anchor || !ca.is_self_issued() {
        return Ok(());
    }
    if ca.extended_key_usage().map_err(&unreadable)?.is_some() {
        return refuse("it is a root with extKeyUsage");
    }
    // Section 7.1.2.1.3: only the key identifier, and its own.
    let identifier =
        ca.read::<AuthorityKeyIdentifier>(rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER, "authorityKeyIdentifier");
    let own = ca.subject_key_identifier().map_err(&unreadable)?;
    match identifier.map_err(&unreadable)? {
        None => Ok(()),
        Some(AuthorityKeyIdentifier {
            key_identifier: Some(found),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        }) if own.as_deref() == Some(found.as_bytes()) => Ok(()),
        Some(_) => refuse("its authorityKeyIdentifier is not its own key identifier alone"),
    }
}

/// RSA in whole octets, or a curve of NIST (section 6.1.5).
fn key(certificate: &Certificate) -> Result<(), Refusal> {
    match certificate.public_key().map_err(|error| Refusal::key(certificate, error))?.key_type() {
        KeyType::Rsa(bits) if bits % 8 != 0 => Err(Refusal::key(certificate, "the modulus is not of whole octets")),
        KeyType::Ed25519 => Err(Refusal::key(certificate, "Ed25519 is not used on the public web")),
        KeyType::Rsa(_) | KeyType::P256 | KeyType::P384 | KeyType::P521 => Ok(()),
    }
}

/// A host name, with a wildcard as the whole first label at most, and never over a whole top-level domain.
fn is_public_host(name: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(domain) => is_host(domain) && domain.contains('.'),
        None => is_host(name),
    }
}
