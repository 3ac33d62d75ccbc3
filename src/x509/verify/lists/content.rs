//! What a list says, where it holds by itself.

use std::collections::HashSet;
use std::rc::Rc;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::asn1::UintRef;

use crate::key::algorithm::oid_name;
use crate::x509::name::Canonical;
use crate::x509::verify::Strength;
use crate::x509::verify::scope::Scope;
use crate::x509::{Certificate, CertificateList, Error, Reason, Time, rfc3339};

/// The extensions that are judged and may be critical (RFC 5280 sections 5.2.4 and 5.2.5).
const JUDGED: [ObjectIdentifier; 2] = [rfc5280::ID_CE_DELTA_CRL_INDICATOR, rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT];

/// What a list says, where it holds by itself.
pub struct Content<'a> {
    /// Its number.
    pub number: Number,
    /// Of a delta, the number of the oldest complete list that it adds to (RFC 5280 section 5.2.4).
    pub base: Option<Number>,
    /// Which certificates it is about.
    pub scope: Scope,
    named: Vec<Named<'a>>,
}

/// The number of a list (RFC 5280 section 5.2.3), of up to 20 octets.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    length: usize,
    octets: Vec<u8>,
}

/// An entry for one of the serial numbers that are asked about.
pub struct Named<'a> {
    /// Shared by the entries that follow the one that names it.
    issuer: Rc<Canonical>,
    serial: &'a [u8],
    /// When it was revoked.
    pub since: Time,
    /// Why, where that is said.
    pub reason: Option<Reason>,
}

impl<'a> Content<'a> {
    /// Reads a list at a time: its entries for some serial numbers, and whether it holds. Returns what it is or does that
    /// it must not, in words that follow "the list".
    pub fn new(
        list: &'a CertificateList,
        serials: &HashSet<&[u8]>,
        at: Time,
        strength: Strength,
    ) -> Result<Self, String> {
        let unreadable = |error: Error| format!("is malformed: {error}");
        if list.version() != 2 {
            return Err("is not of version 2".to_owned());
        }
        for extension in list.extensions() {
            if extension.critical && !JUDGED.contains(&extension.oid) {
                return Err(format!("has the critical extension {}, which is not judged", oid_name(extension.oid)));
            }
        }
        let number = list.number().map(Number::new).ok_or("has no cRLNumber")?;
        validity(list, at)?;
        let scheme = list.scheme().map_err(|error| format!("has a signature that is not accepted: {error}"))?;
        strength.of_scheme(scheme).map_err(|why| format!("has a signature that is not accepted: {why}"))?;
        let base: Option<UintRef<'_>> =
            list.read(rfc5280::ID_CE_DELTA_CRL_INDICATOR, "deltaCRLIndicator").map_err(unreadable)?;
        let scope = Scope::of(list).map_err(unreadable)?;
        let named = entries(list, scope.is_indirect, serials)?;
        Ok(Self { number, base: base.map(|base| Number::new(base.as_bytes())), scope, named })
    }

    /// The entries for a certificate.
    pub fn entries(&self, certificate: &Certificate) -> impl Iterator<Item = &Named<'a>> {
        let (serial, issuer) = (certificate.serial(), certificate.issuer().canonical());
        self.named.iter().filter(move |entry| entry.serial == serial && *entry.issuer == *issuer)
    }
}

impl Number {
    /// Takes an unsigned big-endian number without leading zeros.
    fn new(octets: &[u8]) -> Self {
        Self { length: octets.len(), octets: octets.to_vec() }
    }
}

/// A list without end is none: section 5.1.2.5 asks for nextUpdate.
fn validity(list: &CertificateList, at: Time) -> Result<(), String> {
    let clock = rfc3339(at);
    match list.next_update() {
        _ if at < list.this_update() => Err(format!("is not valid yet, since the clock says {clock}")),
        None => Err("does not say when the next one is due".to_owned()),
        Some(next) if at > next => Err(format!("ended {}, and the clock says {clock}", rfc3339(next))),
        Some(_) => Ok(()),
    }
}

/// Reads all entries, each of which must be understood, and keeps those for some serial numbers. In an indirect list an
/// entry is of the issuer that it names, or that the last one before it names that does (RFC 5280 section 5.3.3).
fn entries<'a>(
    list: &'a CertificateList,
    is_indirect: bool,
    serials: &HashSet<&[u8]>,
) -> Result<Vec<Named<'a>>, String> {
    let mut issuer = Rc::new(list.issuer().canonical().clone());
    let mut named = Vec::new();
    for entry in list.revoked() {
        let entry = entry.map_err(|error| format!("is malformed: {error}"))?;
        if let Some(oid) = entry.unknown_critical {
            return Err(format!("has an entry with the critical extension {}, which is not judged", oid_name(oid)));
        }
        match entry.issuer {
            Some(name) if is_indirect => issuer = Rc::new(name.canonical().clone()),
            Some(_) => return Err("names other issuers, and does not say that it is indirect".to_owned()),
            None => {}
        }
        if serials.contains(entry.serial) {
            named.push(Named { issuer: issuer.clone(), serial: entry.serial, since: entry.date, reason: entry.reason });
        }
    }
    Ok(named)
}
