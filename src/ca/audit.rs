//! Checking the audit record: against itself, against the certificates on record, and against an earlier state.

use std::collections::HashMap;
use std::io::{BufRead, Write};

use super::{Ca, Error};
use crate::files::{from_hex, to_hex};
use crate::key::{Hash, PublicKey};
use crate::store::audit::{Entry, Event, Extent, Fault, Head, Planned};
use crate::store::{Filter, Record, SqliteStore, State, Store};
use crate::x509::{Certificate, Hierarchy, Time, colon_hex, rfc3339};

/// Lines and certificates read at a time.
const PAGE: usize = 1000;

/// Longest line of an exported record: a line's longest part is an identity, which a request of 256 KiB bounds.
const LINE_LIMIT: u64 = 1 << 20;

/// What a record holds that was found to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Its signed head.
    pub head: Head,
    /// Certificates issued, but for those of the issuing CAs themselves.
    pub issued: u64,
    /// Requests refused.
    pub refused: u64,
    /// Certificates that are revoked or on hold now.
    pub revoked: u64,
}

/// What the lines that were read so far say.
#[derive(Default)]
struct Tally {
    extent: Extent,
    issued: u64,
    issued_cas: u64,
    adopted: Option<(u64, String)>,
    refused: u64,
    revoked: HashMap<String, String>,
}

impl Tally {
    fn take(&mut self, issuer: &str, line: &str) -> Result<Entry, Fault> {
        let (entry, extent) = self.extent.follow(issuer, line)?;
        self.extent = extent;
        match &entry.event {
            Event::Issue(_) => self.issued += 1,
            Event::IssueCa(_) => self.issued_cas += 1,
            Event::Refuse { .. } => self.refused += 1,
            Event::Adopt { certificates, sha256 } => self.adopted = Some((*certificates, sha256.clone())),
            Event::Revoke { serial, reason } => drop(self.revoked.insert(serial.clone(), reason.clone())),
            Event::Release { serial } => drop(self.revoked.remove(serial)),
            Event::Issuer { .. }
            | Event::Crl { .. }
            | Event::Token { .. }
            | Event::RevokeToken { .. }
            | Event::Wait { .. }
            | Event::Approve { .. }
            | Event::Disapprove { .. } => {}
        }
        Ok(entry)
    }

    fn finish(self, head: Head, keys: &[PublicKey]) -> Result<Audited, Fault> {
        head.ends(self.extent)?;
        head.verify(keys)?;
        let issued = self.issued + self.adopted.map_or(0, |(certificates, _)| certificates);
        Ok(Audited { head, issued, refused: self.refused, revoked: self.revoked.len() as u64 })
    }
}

impl Ca {
    /// Looks through the whole database for damage.
    pub fn check_records(&self) -> Result<(), Error> {
        Ok(self.store()?.check()?)
    }

    /// Checks the audit record of an issuer, and writes its lines and head to `out`. With `earlier`, a head that was kept
    /// elsewhere, the record must continue the one that it ended. What is wrong is the inner error.
    ///
    /// Others may go on issuing meanwhile: the record is checked up to the head that was found at the start.
    pub fn audit(
        &self,
        hierarchy: Hierarchy,
        earlier: Option<&Head>,
        out: &mut dyn Write,
    ) -> Result<Result<Audited, Fault>, Error> {
        let issuer = hierarchy.name();
        let mut keys = Vec::new();
        let mut signers = HashMap::new();
        for generation in self.generations(hierarchy)? {
            let key = generation.chain.leaf().public_key()?;
            keys.push(key.clone());
            signers.insert(generation.number, key);
            // The issuing CAs' own certificates are of generation 0: the CA above signed them.
            if let Some(above) = generation.chain.certificates().get(1) {
                signers.insert(0, above.public_key()?);
            }
        }
        let mut store = self.store()?;
        // Counted before the head is read: whatever is counted has its line.
        let certificates = store.count(issuer)?;
        let Some(head) = store.head(issuer)? else { return Ok(Err(Fault::NoHead)) };
        let mut tally = Tally::default();
        let mut continues = earlier.is_none_or(|earlier| earlier.extent == Extent::default());
        while tally.extent.count < head.extent.count {
            let lines = store.lines(issuer, tally.extent.count, PAGE)?;
            if lines.is_empty() {
                break;
            }
            for line in lines.iter().take((head.extent.count - tally.extent.count) as usize) {
                let entry = match tally.take(issuer, line) {
                    Ok(entry) => entry,
                    Err(fault) => return Ok(Err(fault)),
                };
                if let Err(fault) = agrees(&mut store, &entry, &signers)? {
                    return Ok(Err(fault));
                }
                continues |= earlier.is_some_and(|earlier| earlier.extent == tally.extent);
                writeln!(out, "{line}").map_err(|source| Error::Export { source })?;
            }
        }
        // A line behind the head that was not there when the head was read belongs to a newer head.
        if store.lines(issuer, head.extent.count, 1)?.len() == 1 && store.head(issuer)?.as_ref() == Some(&head) {
            let count = Fault::Count { found: head.extent.count + 1, head: head.extent.count };
            return Ok(Err(count));
        }
        if let Some(earlier) = earlier {
            if let Err(fault) = earlier.verify(&keys) {
                return Ok(Err(fault));
            }
            if !continues || earlier.issuer != issuer {
                return Ok(Err(Fault::Other { count: earlier.extent.count }));
            }
        }
        if let Err(fault) = is_complete(&mut store, issuer, &tally, certificates)? {
            return Ok(Err(fault));
        }
        writeln!(out, "{}", head.to_line()).map_err(|source| Error::Export { source })?;
        Ok(tally.finish(head, &keys))
    }
}

/// Whether the certificate that a line speaks of is on record as the line says.
fn agrees(
    store: &mut SqliteStore,
    entry: &Entry,
    signers: &HashMap<u32, PublicKey>,
) -> Result<Result<(), Fault>, Error> {
    let (Event::Issue(planned) | Event::IssueCa(planned)) = &entry.event else { return Ok(Ok(())) };
    let Planned { serial, identity, profile, spki_sha256, to_be_signed_sha256, not_after, renews, .. } = planned;
    let differs = |why| Ok(Err(Fault::Records { n: entry.n, why }));
    let octets = from_hex(&serial.replace(':', ""));
    let filter = Filter { serial: Some(octets.unwrap_or_default()), ..Filter::default() };
    let Some(record) = store.list(&filter, None, 1)?.pop() else { return differs("the certificate is missing") };
    if record.issuer != entry.issuer
        || record.identity != *identity
        || record.profile != *profile
        || to_hex(&record.spki_sha256) != *spki_sha256
    {
        return differs("it is another certificate");
    }
    // By this date an identity becomes free for another certificate.
    if Time::from_unix_timestamp(record.validity.1).map(rfc3339).ok().as_ref() != Some(not_after) {
        return differs("it ends at another time");
    }
    if record.renews.as_deref().map(colon_hex) != *renews {
        return differs("it renews another certificate");
    }
    if renews.is_none() && has_rival(store, &record)? {
        return differs("the identity had a certificate already");
    }
    let certificate = record.certificate.as_deref().map(Certificate::from_der).transpose();
    let signed = match &certificate {
        Ok(Some(certificate)) => certificate.to_be_signed(),
        Ok(None) => &record.to_be_signed,
        Err(_) => return differs("the certificate is damaged"),
    };
    if Hash::Sha256.digest(signed).to_string() != *to_be_signed_sha256 {
        return differs("the certificate has other content");
    }
    let signer = signers.get(&record.generation);
    match certificate {
        Ok(Some(certificate)) if !signer.is_some_and(|signer| certificate.is_signed_by(signer)) => {
            differs("the certificate has another signature, or is of another generation")
        }
        _ => Ok(Ok(())),
    }
}

/// Whether an identity had a certificate that was neither revoked nor renewed nor at its end when it got another one.
fn has_rival(store: &mut SqliteStore, record: &Record) -> Result<bool, Error> {
    let filter = Filter {
        issuer: Some(record.issuer.clone()),
        identity: Some(record.identity.clone()),
        profile: Some(record.profile.clone()),
        ..Filter::default()
    };
    let mut all = store.list(&filter, None, PAGE)?;
    all.retain(|other| other.identity == record.identity);
    Ok(all.iter().any(|other| {
        other.cursor.id < record.cursor.id
            && other.revoked.is_none()
            && other.validity.1 >= record.cursor.time
            && !all.iter().any(|later| later.renews.as_ref() == Some(&other.serial))
    }))
}

/// Whether the lines speak of every certificate and every revocation on record.
fn is_complete(
    store: &mut SqliteStore,
    issuer: &str,
    tally: &Tally,
    certificates: u64,
) -> Result<Result<(), Fault>, Error> {
    let n = tally.extent.count;
    let mut told = tally.issued + tally.issued_cas;
    if let Some((adopted, sha256)) = &tally.adopted {
        told += adopted;
        if store.adopted(issuer, *adopted)? != *sha256 {
            return Ok(Err(Fault::Records { n: 1, why: "the certificates of before the record are others" }));
        }
    }
    if certificates > told {
        return Ok(Err(Fault::Unrecorded { certificates: certificates - told }));
    }
    let state = Some((State::Revoked, 0));
    let filter = Filter { issuer: Some(issuer.to_owned()), state, issuing_too: true, ..Filter::default() };
    let mut after = None;
    let mut left = tally.revoked.len();
    loop {
        let page: Vec<Record> = store.list(&filter, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.cursor);
        for record in &page {
            let reason = record.revoked.map(|(_, reason)| reason.to_string());
            match tally.revoked.get(&colon_hex(&record.serial)) {
                Some(told) if Some(told) == reason.as_ref() => left -= 1,
                // Revoked since the head was read.
                None if store.head(issuer)?.is_some_and(|head| head.extent.count > n) => {}
                _ => return Ok(Err(Fault::Records { n, why: "a certificate is revoked that no line revokes" })),
            }
        }
    }
    if left > 0 {
        return Ok(Err(Fault::Records { n, why: "a certificate that a line revokes is not revoked" }));
    }
    Ok(Ok(()))
}

/// Checks an exported record by itself: its lines and its head, which one of `keys` must have signed.
pub fn check_exported(record: &mut dyn BufRead, keys: &[PublicKey]) -> Result<Result<Audited, Fault>, Error> {
    let mut tally = Tally::default();
    let mut issuer: Option<String> = None;
    let mut held: Option<String> = None;
    loop {
        let mut line = String::new();
        let read = std::io::Read::take(&mut *record, LINE_LIMIT).read_line(&mut line);
        if read.map_err(|source| Error::Export { source })? == 0 {
            break;
        }
        let line = line.trim_end_matches('\n').to_owned();
        // The last line is the head, and only the end tells which is the last.
        if let Some(before) = held.replace(line) {
            let of = issuer.get_or_insert_with(|| {
                serde_json::from_str(&before).map_or_else(|_| String::new(), |entry: Entry| entry.issuer)
            });
            if let Err(fault) = tally.take(of, &before) {
                return Ok(Err(fault));
            }
        }
    }
    let head = held.ok_or(Fault::NoHead).and_then(|line| Head::from_line(&line));
    Ok(head.and_then(|head| {
        if issuer.is_some_and(|issuer| issuer != head.issuer) {
            return Err(Fault::NoHead);
        }
        tally.finish(head, keys)
    }))
}
