//! What must hold of every certificate by itself, whoever issued it: the profile of RFC 5280 section 4.

use std::collections::HashSet;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;

use super::policies::Statement;
use super::refusal::name;
use super::{Certificate, Purpose, Refusal, Rules, rfc3339};
use crate::key::algorithm::oid_name;
use crate::x509::Name;

/// The extensions that are judged, and therefore may be critical. subjectKeyIdentifier, authorityKeyIdentifier and
/// authorityInfoAccess are not among them, since they must not be critical (sections 4.2.1.1, 4.2.1.2, 4.2.2.1).
const JUDGED: [ObjectIdentifier; 10] = [
    rfc5280::ID_CE_BASIC_CONSTRAINTS,
    rfc5280::ID_CE_KEY_USAGE,
    rfc5280::ID_CE_EXT_KEY_USAGE,
    rfc5280::ID_CE_SUBJECT_ALT_NAME,
    rfc5280::ID_CE_NAME_CONSTRAINTS,
    rfc5280::ID_CE_CERTIFICATE_POLICIES,
    rfc5280::ID_CE_POLICY_MAPPINGS,
    rfc5280::ID_CE_POLICY_CONSTRAINTS,
    rfc5280::ID_CE_INHIBIT_ANY_POLICY,
    rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS,
];

/// Most extensions. Certificates have some ten; to find one of them is to pass over all.
const EXTENSIONS_LIMIT: usize = 256;

/// Version, serial number, names, extensions and key, then the validity.
pub(super) fn check(certificate: &Certificate, is_anchor: bool, rules: &Rules) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::malformed(certificate, why));
    let unreadable = Refusal::unreadable(certificate);
    // Section 4.1.2.2: positive, at most 20 octets. Well-known roots have the number zero, and nobody looks for a root by
    // its number.
    match certificate.serial() {
        [0] if is_anchor => {}
        [] | [0] => return refuse("its serial number is zero"),
        [first, ..] if first & 0x80 != 0 => return refuse("its serial number is negative"),
        serial if serial.len() > 20 => return refuse("its serial number is longer than 20 octets"),
        _ => {}
    }
    if certificate.version() != 3 {
        return refuse("it is not a version 3 certificate");
    }
    // Section 4.1.2.4.
    if certificate.issuer().is_empty() {
        return refuse("its issuer has no name");
    }
    if [certificate.issuer(), certificate.subject()].iter().any(|name| name.der().len() > Name::LENGTH_LIMIT) {
        return refuse("it has a name that is longer than 32 KiB");
    }
    if certificate.extensions().len() > EXTENSIONS_LIMIT {
        return refuse("it has more than 256 extensions");
    }
    let mut seen = HashSet::new();
    for extension in certificate.extensions() {
        if !seen.insert(extension.oid) {
            return refuse("it has an extension twice");
        }
        if extension.critical && !JUDGED.contains(&extension.oid) {
            return Err(Refusal::Extension { certificate: name(certificate), extension: oid_name(extension.oid) });
        }
    }
    let constraints = certificate.basic_constraints().map_err(&unreadable)?;
    let is_ca = constraints.as_ref().is_some_and(|constraints| constraints.ca);
    // Section 4.2.1.9 MUST NOT.
    if !is_ca && constraints.is_some_and(|constraints| constraints.path_len_constraint.is_some()) {
        return refuse("its basicConstraints have a pathLen, and it is no CA");
    }
    let usage = certificate.key_usage().map_err(&unreadable)?;
    if usage.is_some_and(|usage| usage.0.is_empty()) {
        return refuse("its keyUsage is empty");
    }
    if certificate.extended_key_usage().map_err(&unreadable)?.is_some_and(|usages| usages.is_empty()) {
        return refuse("its extKeyUsage is empty");
    }
    if certificate.extension(rfc5280::ID_PE_AUTHORITY_INFO_ACCESS).is_some_and(|access| access.access_urls().is_err()) {
        return refuse("its authorityInfoAccess is malformed");
    }
    names(certificate)?;
    identifiers(certificate, is_ca)?;
    if is_ca {
        of_ca(certificate, is_anchor, rules)?;
    } else if certificate.extension(rfc5280::ID_CE_NAME_CONSTRAINTS).is_some() {
        // Section 4.2.1.10 MUST.
        return refuse("it has nameConstraints, and is no CA");
    }
    Statement::of(certificate)?;
    rules
        .strength
        .of_key(&certificate.public_key().map_err(|error| Refusal::key(certificate, error))?)
        .map_err(|why| Refusal::key(certificate, why))?;
    validity(certificate, rules)
}

/// The subject and its alternatives (section 4.2.1.6).
fn names(certificate: &Certificate) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::malformed(certificate, why));
    let names = certificate.alt_names().map_err(Refusal::unreadable(certificate))?;
    match certificate.extension(rfc5280::ID_CE_SUBJECT_ALT_NAME) {
        Some(_) if names.is_empty() => refuse("its subjectAltName is empty"),
        Some(extension) if certificate.subject().is_empty() && !extension.critical => {
            refuse("its subject is empty, and its subjectAltName is not critical")
        }
        None if certificate.subject().is_empty() => refuse("it has no name"),
        _ => Ok(()),
    }
}

/// The key identifiers: a CA has its own, and every certificate its issuer's, save one that names itself as issuer
/// (sections 4.2.1.2 and 4.2.1.1 MUST).
fn identifiers(certificate: &Certificate, is_ca: bool) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::malformed(certificate, why));
    let unreadable = Refusal::unreadable(certificate);
    let own = certificate.subject_key_identifier().map_err(&unreadable)?;
    let of_issuer = certificate.authority_key_identifier().map_err(&unreadable)?;
    if is_ca && own.is_none() {
        return refuse("it is a CA without subjectKeyIdentifier");
    }
    if of_issuer.is_none() && !certificate.is_self_issued() {
        return refuse("it has no authorityKeyIdentifier");
    }
    Ok(())
}

/// What holds for CAs alone.
fn of_ca(certificate: &Certificate, is_anchor: bool, rules: &Rules) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::malformed(certificate, why));
    if certificate.subject().is_empty() {
        return refuse("it is a CA without a name");
    }
    let is_critical = |oid| certificate.extension(oid).is_none_or(|extension| extension.critical);
    // Section 4.2.1.9 MUST, held to where the user chose the certificate. Between, section 6.1.4 (k) asks for cA alone, and
    // CAs of RFC 2459's time are not critical (PKITS 4.6.4).
    if is_anchor && !is_critical(rfc5280::ID_CE_BASIC_CONSTRAINTS) {
        return refuse("its basicConstraints are not critical");
    }
    // Section 4.2.1.10 MUST. The Baseline Requirements section 7.1.2.5.2 allow what old software asks for.
    if !is_critical(rfc5280::ID_CE_NAME_CONSTRAINTS) && rules.purpose != Purpose::Webpki {
        return refuse("its nameConstraints are not critical");
    }
    Ok(())
}

fn validity(certificate: &Certificate, rules: &Rules) -> Result<(), Refusal> {
    let (from, until, at) = (certificate.not_before(), certificate.not_after(), rules.at);
    // X.509 knows no year before 1950.
    if from.year() < 1950 {
        return Err(Refusal::malformed(certificate, "it begins before 1950"));
    }
    if from > until {
        return Err(Refusal::malformed(certificate, "it ends before it begins"));
    }
    if at < from {
        return Err(Refusal::NotYetValid { certificate: name(certificate), from: rfc3339(from), at: rfc3339(at) });
    }
    if at > until {
        return Err(Refusal::Expired { certificate: name(certificate), until: rfc3339(until), at: rfc3339(at) });
    }
    Ok(())
}
