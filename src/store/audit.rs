//! The audit record: one chain of lines for each issuer, and a signed head.
//!
//! ```text
//! {"event":"issuer","generation":1,"issuer":"device","n":1,"previous":"00..00",...,"time":"2026-11-22T21:00:00Z"}
//! {"event":"issue","issuer":"device","n":2,"previous":"<SHA-256 of line 1>",...,"time":"2026-11-22T21:00:07Z"}
//! {"count":2,"hash":"<SHA-256 of line 2>","issuer":"device","schema":"bulla.audit-head/1","signature":"...",...}
//! ```
//!
//! Each line holds the SHA-256 of the one before, without its line end; the first holds 64 zeros. The head says how
//! many lines there are and what the last one's hash is, and the issuing CA's key signs both. So a changed byte, a
//! swapped line and a cut tail each break something that only that key can mend. A whole record put back to an earlier
//! state is found by comparing with a head that was kept elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::files::{from_hex, json_line, to_hex};
use crate::key::{self, Hash, Input, PublicKey, Signer};
use crate::x509::{Time, rfc3339};

/// Something that an issuer decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The issuer got a certificate: at the start, or a new one later.
    Issuer { generation: u32, spki_sha256: String },
    /// Certificates that were issued before there was a record: how many, and the SHA-256 over serial number, key
    /// fingerprint, identity, profile and bytes to be signed, each with its length in eight octets before it.
    Adopt { certificates: u64, sha256: String },
    /// A certificate was planned, and will be signed.
    Issue(Planned),
    /// An issuing CA got a certificate from the CA above it, with whose key at hand it was made.
    IssueCa(Planned),
    /// A request was refused.
    Refuse {
        code: String,
        identity: String,
        profile: String,
        spki_sha256: String,
        /// By which right it was asked for over the network; absent where the operator asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A certificate was revoked, or put on hold.
    Revoke { serial: String, reason: String },
    /// A certificate that was on hold is valid again.
    Release { serial: String },
    /// A revocation list was numbered, and will be signed.
    Crl { generation: u32, number: u64, revoked: u64, next_update: String },
    /// A token was made.
    Token {
        token: String,
        flow: String,
        profile: String,
        identity: String,
        names: Vec<String>,
        uses: u32,
        until: String,
    },
    /// A token was taken back.
    RevokeToken { token: String },
    /// A request was taken, and waits for approval.
    Wait { request: u64, identity: String, profile: String, claim: String, by: String },
    /// A request that waits was approved.
    Approve { request: u64 },
    /// A request that waits was refused.
    Disapprove { request: u64 },
}

/// What is recorded of a certificate before it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub serial: String,
    pub identity: String,
    pub profile: String,
    pub profile_sha256: String,
    pub spki_sha256: String,
    pub to_be_signed_sha256: String,
    pub not_after: String,
    /// The serial number of the certificate that this one renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<String>,
    /// Set where the certificate was allowed to outlive its issuer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outlives_issuer: bool,
    /// By which right it was asked for over the network, as `token 1a2b3c4d`; absent where the operator asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub n: u64,
    /// When it was written (RFC 3339).
    pub time: String,
    /// Whose record it is.
    pub issuer: String,
    /// What was decided.
    #[serde(flatten)]
    pub event: Event,
    /// The SHA-256 of the line before, in hexadecimal.
    pub previous: String,
}

/// How far a record goes: the number of lines, and the SHA-256 of the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The number of lines.
    pub count: u64,
    /// The hash of the last line; zeros where there is none.
    pub hash: [u8; 32],
}

impl Extent {
    /// Puts one more event behind the record: the line to be stored, and the extent with it.
    pub(super) fn append(self, issuer: &str, event: Event, now: Time) -> (String, Self) {
        let n = self.count + 1;
        let entry = Entry { n, time: rfc3339(now), issuer: issuer.to_owned(), event, previous: to_hex(&self.hash) };
        let line = json_line(&json!(entry));
        let hash = hash(&line);
        (line, Self { count: n, hash })
    }

    /// Checks that a line follows, and returns it with the extent that includes it.
    pub fn follow(self, issuer: &str, line: &str) -> Result<(Entry, Self), Fault> {
        let n = self.count + 1;
        let entry: Entry = serde_json::from_str(line).map_err(|_| Fault::Line { n })?;
        if entry.previous != to_hex(&self.hash) {
            return Err(Fault::Chain { n });
        }
        if entry.n != n || entry.issuer != issuer {
            return Err(Fault::Line { n });
        }
        Ok((entry, Self { count: n, hash: hash(line) }))
    }
}

fn hash(line: &str) -> [u8; 32] {
    // SHA-256 has 32 bytes.
    Hash::Sha256.digest(line.as_bytes()).bytes().try_into().unwrap_or_default()
}

/// The signed end of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose record it is.
    pub issuer: String,
    /// How far the record goes.
    pub extent: Extent,
    /// When the last line was written, Unix seconds.
    pub time: i64,
    /// The SHA-256 of the signer's `SubjectPublicKeyInfo`.
    pub signer: Vec<u8>,
    /// The signature over the statement, by the usual scheme of the key.
    pub signature: Vec<u8>,
}

/// A head as a line of text.
#[derive(Serialize, Deserialize)]
struct HeadLine {
    schema: String,
    issuer: String,
    count: u64,
    hash: String,
    time: i64,
    signer_spki_sha256: String,
    signature: String,
}

const HEAD_SCHEMA: &str = "bulla.audit-head/1";

impl Head {
    /// Signs the end of a record.
    pub(super) fn sign(issuer: &str, extent: Extent, time: i64, signer: &dyn Signer) -> Result<Self, key::Error> {
        let key = signer.public_key();
        let statement = statement(issuer, extent, time);
        let signature = signer.sign(key.key_type().usual_scheme(), Input::Message(&statement))?;
        Ok(Self { issuer: issuer.to_owned(), extent, time, signer: key.fingerprint().bytes().to_vec(), signature })
    }

    /// Checks the signature with whichever of `keys` made it.
    pub fn verify<'a>(&self, keys: impl IntoIterator<Item = &'a PublicKey>) -> Result<(), Fault> {
        let key = keys.into_iter().find(|key| key.fingerprint().bytes() == self.signer).ok_or(Fault::Signer)?;
        let statement = statement(&self.issuer, self.extent, self.time);
        let scheme = key.key_type().usual_scheme();
        key.verify(scheme, Input::Message(&statement), &self.signature).map_err(|_| Fault::Signature)
    }

    /// Checks that a record of this extent ends here.
    pub fn ends(&self, found: Extent) -> Result<(), Fault> {
        if found.count != self.extent.count {
            return Err(Fault::Count { found: found.count, head: self.extent.count });
        }
        if found.hash != self.extent.hash { Err(Fault::Chain { n: found.count }) } else { Ok(()) }
    }

    /// Writes the head as the last line of an exported record.
    pub fn to_line(&self) -> String {
        json_line(&json!(HeadLine {
            schema: HEAD_SCHEMA.to_owned(),
            issuer: self.issuer.clone(),
            count: self.extent.count,
            hash: to_hex(&self.extent.hash),
            time: self.time,
            signer_spki_sha256: to_hex(&self.signer),
            signature: to_hex(&self.signature),
        }))
    }

    /// Reads the last line of an exported record.
    pub fn from_line(line: &str) -> Result<Self, Fault> {
        let read = || {
            let line: HeadLine =
                serde_json::from_str(line).ok().filter(|line: &HeadLine| line.schema == HEAD_SCHEMA)?;
            let hash = from_hex(&line.hash)?.try_into().ok()?;
            Some(Self {
                issuer: line.issuer,
                extent: Extent { count: line.count, hash },
                time: line.time,
                signer: from_hex(&line.signer_spki_sha256)?,
                signature: from_hex(&line.signature)?,
            })
        };
        read().ok_or(Fault::NoHead)
    }
}

/// What the head's signature covers. It starts with a letter, so that it is never the DER of a certificate or CRL,
/// which the same key signs.
fn statement(issuer: &str, extent: Extent, time: i64) -> Vec<u8> {
    format!("bulla audit head\n{issuer}\n{}\n{}\n{time}\n", extent.count, to_hex(&extent.hash)).into_bytes()
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line is not what a line must be.
    Line { n: u64 },
    /// A line does not follow from the one before, or is not the one that the head signs.
    Chain { n: u64 },
    /// The record has another number of lines than its head says.
    Count { found: u64, head: u64 },
    /// The head is missing or is none.
    NoHead,
    /// The head is signed by a key that is not the issuer's.
    Signer,
    /// The head's signature does not match.
    Signature,
    /// A line and the records of certificates do not agree.
    Records { n: u64, why: &'static str },
    /// There are certificates that no line speaks of.
    Unrecorded { certificates: u64 },
    /// The record does not continue the one that it is compared with.
    Other { count: u64 },
}

impl Fault {
    /// The stable code of the fault, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Line { .. } => "line",
            Self::Chain { .. } => "chain",
            Self::Count { .. } => "count",
            Self::NoHead => "no-head",
            Self::Signer => "signer",
            Self::Signature => "signature",
            Self::Records { .. } => "records",
            Self::Unrecorded { .. } => "unrecorded",
            Self::Other { .. } => "other",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { n } => write!(f, "line {n} is damaged"),
            Self::Chain { n } => write!(f, "the chain breaks at line {n}"),
            Self::Count { found, head } => write!(f, "there are {found} lines, and the head signs {head}"),
            Self::NoHead => f.write_str("the signed head is missing"),
            Self::Signer => f.write_str("the head is signed by a key that is not the issuer's"),
            Self::Signature => f.write_str("the signature of the head does not match"),
            Self::Records { n, why } => write!(f, "line {n} and the certificates on record do not agree: {why}"),
            Self::Unrecorded { certificates } => {
                write!(f, "no line speaks of {certificates} of the certificates on record")
            }
            Self::Other { count } => {
                write!(f, "it does not continue the earlier record, which has {count} lines")
            }
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyType, SoftwareKey};

    fn now() -> Time {
        Time::from_unix_timestamp(1_800_000_000).unwrap()
    }

    /// Three lines and their head.
    fn record(key: &SoftwareKey) -> (Vec<String>, Head) {
        let mut extent = Extent::default();
        let mut lines = Vec::new();
        for serial in ["01", "02", "03"] {
            let event = Event::Revoke { serial: serial.to_owned(), reason: "superseded".to_owned() };
            let (line, next) = extent.append("device", event, now());
            lines.push(line);
            extent = next;
        }
        (lines, Head::sign("device", extent, 7, key).unwrap())
    }

    fn check(lines: &[String], head: &Head, key: &PublicKey) -> Result<(), Fault> {
        let mut extent = Extent::default();
        for line in lines {
            extent = extent.follow("device", line)?.1;
        }
        head.ends(extent)?;
        head.verify([key])
    }

    #[test]
    fn every_change_is_found() {
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let public = key.public_key();
        let (lines, head) = record(&key);
        check(&lines, &head, public).unwrap();
        for (n, line) in lines.iter().enumerate() {
            for at in 0..line.len() {
                let mut bytes = line.clone().into_bytes();
                bytes[at] ^= 1;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                let mut changed = lines.clone();
                changed[n] = text;
                assert!(check(&changed, &head, public).is_err(), "line {n} byte {at}");
            }
        }
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            let mut swapped = lines.clone();
            swapped.swap(a, b);
            assert!(matches!(check(&swapped, &head, public), Err(Fault::Chain { .. })), "{a} and {b} swapped");
        }
        for count in 0..3 {
            let cut = check(&lines[..count], &head, public);
            assert_eq!(cut, Err(Fault::Count { found: count as u64, head: 3 }), "cut to {count}");
        }
        assert!(matches!(check(&lines[1..], &head, public), Err(Fault::Chain { n: 1 })));
    }

    #[test]
    fn a_head_is_signed_by_the_issuer_alone() {
        let key = SoftwareKey::generate(KeyType::Ed25519).unwrap();
        let other = SoftwareKey::generate(KeyType::Ed25519).unwrap();
        let (lines, head) = record(&key);
        assert_eq!(Head::from_line(&head.to_line()).unwrap(), head);
        assert_eq!(check(&lines, &head, other.public_key()), Err(Fault::Signer));
        let (mut forged, _) = (head.clone(), ());
        forged.extent.count = 2;
        assert_eq!(forged.verify([key.public_key()]), Err(Fault::Signature));
        let (_, forged) = record(&other);
        assert_eq!(check(&lines, &forged, key.public_key()), Err(Fault::Signer));
        assert_eq!(Head::from_line(&lines[0]), Err(Fault::NoHead));
    }

    #[test]
    fn a_line_is_safe_for_a_terminal() {
        let event = Event::Refuse {
            code: "names".to_owned(),
            identity: "a\u{1b}[2J\u{202e}\n".to_owned(),
            profile: String::new(),
            spki_sha256: String::new(),
            by: None,
        };
        let (line, extent) = Extent::default().append("device", event.clone(), now());
        assert!(line.chars().all(crate::files::is_printable), "{line}");
        assert_eq!(Extent::default().follow("device", &line), Ok((Entry { event, ..entry(&line) }, extent)));
    }

    fn entry(line: &str) -> Entry {
        serde_json::from_str(line).unwrap()
    }
}
