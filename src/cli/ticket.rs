//! The ticket of a request that waits for approval: a file beside the output, with which a later run asks again for the
//! same. It holds no secret, and is gone when the certificate is there. Where the server makes the device's key, it holds the
//! key that signs the request for that: it serves for nothing else, and the server knows the request by it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::files::{self, Creation, Document, Kind, Output, from_base64, json_line, shown, to_base64};
use crate::key::{KeyFile, SoftwareKey};
use crate::x509::{ProvenRequest, Request, Time, rfc3339};

/// What the file says that it is.
const SCHEMA: &str = "bulla.ticket/1";

/// Largest ticket that is read: 1 MiB. A request has at most 256 KiB, and base64 adds a third.
const LIMIT: u64 = 1 << 20;

/// How far ahead the time may lie at which it is worth asking again: no server is believed beyond a day, so that a time
/// beyond it was written by another clock.
const FARTHEST: time::Duration = time::Duration::days(1);

/// A request that waits.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// What is asked of whom.
    pub claim: Claim,
    /// The request, sent again as it is.
    pub request: ProvenRequest,
    /// The key that made the request, where it serves for nothing else.
    pub key: Option<Arc<SoftwareKey>>,
    /// When it is worth asking again.
    pub ask_again: Time,
}

/// What is asked of whom: the same at every run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub server: String,
    pub operation: String,
    pub profile: String,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    schema: String,
    claim: Claim,
    request: String,
    spki_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_key: Option<String>,
    ask_again: String,
}

/// Why a ticket cannot be taken up.
#[derive(Debug)]
pub struct TicketError {
    path: PathBuf,
    why: String,
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ticket {} {}", shown(&self.path), self.why)
    }
}

impl std::error::Error for TicketError {}

/// Where the ticket of an output lies.
#[derive(Debug)]
pub struct TicketFile(PathBuf);

impl TicketFile {
    /// Beside the output; standard output has nothing beside it.
    pub fn beside(output: &Path) -> Option<Self> {
        if output == Path::new("-") {
            return None;
        }
        let mut path = output.as_os_str().to_owned();
        path.push(".ticket");
        Some(Self(path.into()))
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the ticket, where there is one. It must be for the same claim.
    pub fn find(&self, claim: &Claim) -> anyhow::Result<Option<Ticket>> {
        if !self.0.exists() {
            return Ok(None);
        }
        let bytes = files::read("ticket", &self.0, LIMIT)?;
        let Some(ticket) = read(&bytes) else {
            return Err(self.refuse("is no ticket of bulla").into());
        };
        for (what, kept, asked) in [
            ("server", &ticket.claim.server, &claim.server),
            ("operation", &ticket.claim.operation, &claim.operation),
            ("profile", &ticket.claim.profile, &claim.profile),
        ] {
            if kept != asked {
                return Err(self.refuse(format!("is for the {what} {kept}, not {asked}")).into());
            }
        }
        Ok(Some(ticket))
    }

    /// Writes the ticket, in the place of the one before.
    pub fn write(&self, ticket: &Ticket) -> anyhow::Result<()> {
        let Ticket { claim, request, key, ask_again } = ticket;
        let pkcs8 = key.as_ref().map(|key| key.to_pkcs8()).transpose()?;
        let content = Content {
            schema: SCHEMA.to_owned(),
            claim: claim.clone(),
            request: to_base64(request.request().der()),
            spki_sha256: request.public_key().fingerprint().to_string(),
            request_key: pkcs8.map(|pkcs8| to_base64(&pkcs8)),
            ask_again: rfc3339(*ask_again),
        };
        let text = json_line(&serde_json::to_value(&content).context("cannot write the ticket")?);
        // Not as a private file would be replaced: the one before is worth nothing, and needs no backup.
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(files::Error::Write { path: self.0.clone(), source: error }.into());
        }
        let output = Output::new(&self.0, Creation { private: true, replace: false })?;
        Ok(output.write(format!("{text}\n").as_bytes())?)
    }

    /// Takes the ticket away, where there is one.
    pub fn remove(&self) -> Result<(), files::Error> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(files::Error::Write { path: self.0.clone(), source: error })
            }
            _ => Ok(()),
        }
    }

    /// What is wrong with the ticket.
    pub fn refuse(&self, why: impl Into<String>) -> TicketError {
        TicketError { path: self.0.clone(), why: why.into() }
    }
}

impl Ticket {
    /// Whether it was made by the key of a request.
    pub fn has_key_of(&self, other: &ProvenRequest) -> bool {
        self.request.public_key().spki() == other.public_key().spki()
    }

    /// Whether it was made in the names of a request.
    pub fn has_names_of(&self, other: &Request) -> bool {
        let kept = self.request.request();
        kept.subject() == other.subject() && kept.alt_names().ok() == other.alt_names().ok()
    }

    /// When to ask again, where that is still to come.
    pub fn not_before(&self, now: Time) -> Option<Time> {
        Some(self.ask_again).filter(|at| *at > now && *at <= now.saturating_add(FARTHEST))
    }
}

fn read(bytes: &[u8]) -> Option<Ticket> {
    let Content { schema, claim, request, spki_sha256, request_key, ask_again } = serde_json::from_slice(bytes).ok()?;
    let request = Request::from_der(&from_base64(request.as_bytes())?).ok()?.prove().ok()?;
    let is_whole = schema == SCHEMA && spki_sha256 == request.public_key().fingerprint().to_string();
    let ask_again = super::trust::parse_time(&ask_again).ok()?;
    let key = match request_key {
        Some(key) => Some(Arc::new(open(&key)?)),
        None => None,
    };
    is_whole.then_some(Ticket { claim, request, key, ask_again })
}

/// The key of a request.
fn open(base64: &str) -> Option<SoftwareKey> {
    let der = Zeroizing::new(from_base64(base64.as_bytes())?);
    KeyFile::from_document(Document { kind: Kind::Pkcs8Key, der }).open(None).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyType, Signer};
    use crate::x509::{Name, Profile, Wanted};

    fn request(key: &SoftwareKey, name: &str) -> ProvenRequest {
        let subject = Name::new(&[(Name::SERIAL_NUMBER, name)]).unwrap();
        let wanted = Wanted { subject, ..Wanted::default() };
        Request::new(&Profile::named("idevid").unwrap(), &wanted, key).unwrap().prove().unwrap()
    }

    #[test]
    fn a_ticket_is_taken_up_for_what_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let place = TicketFile::beside(&folder.path().join("a.pem")).unwrap();
        let claim = |server: &str| Claim {
            server: server.to_owned(),
            operation: "simpleenroll".to_owned(),
            profile: "idevid".to_owned(),
        };
        let (one, other) =
            (SoftwareKey::generate(KeyType::P256).unwrap(), SoftwareKey::generate(KeyType::P256).unwrap());
        assert!(place.find(&claim("a")).unwrap().is_none());
        let now = Time::from_unix_timestamp(1_800_000_000).unwrap();
        let ask_again = now + time::Duration::minutes(5);
        let ticket = Ticket { claim: claim("a"), request: request(&one, "SN-1"), key: None, ask_again };
        for _ in 0..2 {
            place.write(&ticket).unwrap();
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&place.path().metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let found = place.find(&claim("a")).unwrap().unwrap();
        assert_eq!(found.request.request().der(), ticket.request.request().der());
        let is_for = |request: &ProvenRequest| (found.has_key_of(request), found.has_names_of(request.request()));
        assert_eq!(is_for(&request(&one, "SN-1")), (true, true));
        assert_eq!(is_for(&request(&other, "SN-1")), (false, true));
        assert_eq!(is_for(&request(&one, "SN-2")), (true, false));
        assert_eq!(found.not_before(now), Some(ask_again));
        assert_eq!(found.not_before(ask_again), None);
        assert_eq!(found.not_before(now - time::Duration::days(365)), None, "written by another clock");
        let refused = place.find(&claim("b")).unwrap_err().to_string();
        assert!(refused.ends_with("is for the server a, not b"), "{refused}");
        let text = std::fs::read_to_string(place.path()).unwrap();
        for (from, to) in [("ticket/1", "ticket/2"), ("\"request\":\"MI", "\"request\":\"MM"), ("{", "{\"more\":1,")] {
            std::fs::write(place.path(), text.replacen(from, to, 1)).unwrap();
            assert!(place.find(&claim("a")).is_err(), "{from}");
        }
        // However a file is damaged, it is the same ticket, another claim's, or none.
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << (at % 8);
            for damaged in [&bytes[..], &text.as_bytes()[..at]] {
                let read = read(damaged);
                assert!(read.is_none_or(|read| read.request.request().der() == ticket.request.request().der()), "{at}");
            }
        }
        let key = Arc::new(SoftwareKey::generate(KeyType::Ed25519).unwrap());
        place.write(&Ticket { key: Some(key.clone()), ..ticket }).unwrap();
        let found = place.find(&claim("a")).unwrap().unwrap().key.unwrap();
        assert_eq!(found.public_key(), key.public_key());
        place.remove().unwrap();
        place.remove().unwrap();
        assert!(place.find(&claim("a")).unwrap().is_none());
        assert!(TicketFile::beside(Path::new("-")).is_none());
    }
}
