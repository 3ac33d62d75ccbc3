//! The CA's records: domain verbs over a database, never SQL outside.
//!
//! * A certificate is first *planned*: its serial number and the bytes to be signed are durable before the signature is
//!   made, so that after a power cut there is a record of what was going to be signed. Then it is *issued*. Whoever asks
//!   again finds the plan or the certificate.
//! * An identity has at most one *current* certificate of a profile. A renewal, a revocation or the end of its time
//!   makes it a past one.
//! * Every decision is a line of the [`audit`] record, written in the transaction that takes it.
//! * A token is redeemed in the transaction that plans the certificate, and what waits for approval is approved there too.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::files;
use crate::key::{self, Signer};
use crate::x509::{Reason, Revocation, Time, colon_hex};

pub mod audit;
mod lock;
mod rights;
mod sqlite;

pub use lock::OnWait;
pub use rights::{Approval, Decided, Redeem, Right, Token, TokenFault, TokenId, Waiting, WaitingState};
pub use sqlite::SqliteStore;

use audit::{Event, Head};

/// Whose decision it is: the issuer, as the records and the audit know it, and the key that signs the audit's head.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a> {
    /// The name of the issuer within its CA.
    pub issuer: &'a str,
    /// The issuing CA's key.
    pub signer: &'a dyn Signer,
}

/// A certificate that is about to be signed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which of the issuer's certificates will sign, counted from 1.
    pub generation: u32,
    /// The name of the profile.
    pub profile: String,
    /// The SHA-256 of the profile's text.
    pub profile_sha256: Vec<u8>,
    /// Whose certificate it is, as [`crate::x509::Profile::identity`] gives it.
    pub identity: String,
    /// The SHA-256 of the `SubjectPublicKeyInfo`.
    pub spki_sha256: Vec<u8>,
    /// The serial number's octets.
    pub serial: Vec<u8>,
    /// The subject, for listings.
    pub subject: String,
    /// The first and last valid moment.
    pub validity: (Time, Time),
    /// The DER `TBSCertificate`.
    pub to_be_signed: Vec<u8>,
    /// What it may take the place of.
    pub standing: Standing,
    /// Set where the certificate is allowed to outlive its issuer.
    pub outlives_issuer: bool,
    /// By which right it is asked for.
    pub right: Right,
}

/// What a new certificate may take the place of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: the identity must be free.
    #[default]
    New,
    /// The identity's current certificate, which is revoked.
    Supersede(Reason),
    /// The certificate with this serial number, which stays valid until its end.
    Renew { serial: Vec<u8> },
}

/// A certificate that has been signed.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The serial number's octets.
    pub serial: Vec<u8>,
    /// The DER certificate.
    pub certificate: Vec<u8>,
}

/// What a reservation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// Planned, now or by an earlier ask: these bytes are to be signed, under this serial number.
    Planned { serial: Vec<u8>, to_be_signed: Vec<u8> },
    /// Issued already: the DER certificate.
    Issued { certificate: Vec<u8> },
    /// The identity has a current certificate of this profile for another key.
    IdentityTaken { serial: Vec<u8> },
    /// The key has a certificate for another identity.
    KeyTaken { identity: String, serial: Vec<u8> },
    /// The key was revoked as compromised.
    KeyCompromised { serial: Vec<u8> },
    /// The identity's certificate is on hold.
    OnHold { serial: Vec<u8> },
    /// What is to be renewed is not the identity's current certificate.
    NotCurrent { serial: Vec<u8> },
    /// The token does not allow it.
    Token(TokenFault),
    /// Somebody has to approve it first.
    Pending { id: u64 },
    /// Somebody looked at it, and said no.
    Disapproved { id: u64 },
    /// The identity's last certificate was revoked, and who asks has no right that was given since.
    Withdrawn { serial: Vec<u8> },
    /// Too many requests of the identity wait already.
    TooManyWait,
}

/// What became of a certificate that was asked to be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Revoked now.
    Now,
    /// Revoked before, for this reason.
    Already(Reason),
    /// Valid again, after it was on hold.
    Released,
    /// It was not on hold, and cannot be released.
    NotOnHold,
    /// No certificate has that serial number.
    Unknown,
}

/// A certificate on record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it stands in a listing.
    pub cursor: Cursor,
    /// The name of the issuer.
    pub issuer: String,
    /// Which of the issuer's certificates signed it.
    pub generation: u32,
    /// The profile.
    pub profile: String,
    /// Whose it is.
    pub identity: String,
    /// The SHA-256 of the `SubjectPublicKeyInfo`.
    pub spki_sha256: Vec<u8>,
    /// The serial number's octets.
    pub serial: Vec<u8>,
    /// The subject.
    pub subject: String,
    /// The first and last valid moment, Unix seconds.
    pub validity: (i64, i64),
    /// The bytes to be signed, while it is planned.
    pub to_be_signed: Vec<u8>,
    /// The DER certificate, once it is issued.
    pub certificate: Option<Vec<u8>>,
    /// When it was revoked, Unix seconds, and why.
    pub revoked: Option<(i64, Reason)>,
    /// Whether it is the identity's current certificate of the profile.
    pub is_current: bool,
    /// The serial number of the certificate that it renews.
    pub renews: Option<Vec<u8>>,
}

/// A place in a listing: records are listed by the time of their plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When the certificate was planned, Unix seconds.
    pub time: i64,
    /// Its number.
    pub id: i64,
}

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To be signed: the CA was interrupted, and will sign it when it is asked for again.
    Planned,
    /// Issued, and the current one of its identity and profile.
    Issued,
    /// Renewed by another, and valid until its end.
    Replaced,
    /// Past its end.
    Expired,
    /// Revoked, for good or on hold.
    Revoked,
}

impl State {
    /// All of them, by the name in output.
    pub const ALL: [(Self, &str); 5] = [
        (Self::Planned, "planned"),
        (Self::Issued, "issued"),
        (Self::Replaced, "replaced"),
        (Self::Expired, "expired"),
        (Self::Revoked, "revoked"),
    ];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(state, _)| state == self);
        f.write_str(found.map_or("unknown", |(_, name)| name))
    }
}

impl Record {
    /// How it stands at `now` (Unix seconds).
    pub fn state(&self, now: i64) -> State {
        match self {
            Self { revoked: Some(_), .. } => State::Revoked,
            Self { validity: (_, until), .. } if *until < now => State::Expired,
            Self { certificate: None, .. } => State::Planned,
            Self { is_current: true, .. } => State::Issued,
            _ => State::Replaced,
        }
    }
}

/// Which certificates are meant; a field that is `None` leaves open.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this issuer.
    pub issuer: Option<String>,
    /// Of this profile.
    pub profile: Option<String>,
    /// Of this identity: as recorded (`serialNumber=SN-42`), or the value alone.
    pub identity: Option<String>,
    /// With this serial number.
    pub serial: Option<Vec<u8>>,
    /// In this state, at a time in Unix seconds.
    pub state: Option<(State, i64)>,
    /// Planned at or after this time, Unix seconds.
    pub from: Option<i64>,
    /// Planned at or before this time, Unix seconds.
    pub until: Option<i64>,
    /// Ending before this time, Unix seconds.
    pub expires_before: Option<i64>,
    /// The issuing CAs' own certificates (generation 0) too: else only a serial number finds them, so that nobody revokes
    /// them with a lot of devices.
    pub issuing_too: bool,
}

/// What a new revocation list is to say.
#[derive(Clone, Debug)]
pub struct CrlPlan {
    /// Its number, above that of every list of this issuer.
    pub number: u64,
    /// The certificates that it names, by serial number.
    pub revoked: Vec<Revocation>,
}

/// The verbs that a CA needs. Each that writes is one durable transaction.
pub trait Store: Send {
    /// Reserves each plan, in order, and records every decision: what is planned, what is refused for the reasons in
    /// [`Reserved`], and the refusals that were decided before. A plan that meets an earlier one of the same identity,
    /// profile and key finds that, and is no new decision.
    fn reserve(
        &mut self,
        ledger: Ledger<'_>,
        plans: &[Plan],
        refused: Vec<Event>,
        now: Time,
    ) -> Result<Vec<Reserved>, Error>;

    /// Records signed certificates and returns the certificates of record in the same order. Where another process
    /// completed the same plan first, its certificate stays and is returned; where one was revoked meanwhile, `None`.
    fn complete(&mut self, signed: &[Signed]) -> Result<Vec<Option<Vec<u8>>>, Error>;

    /// Revokes certificates of one issuer, or releases those on hold, by serial number.
    fn revoke(
        &mut self,
        ledger: Ledger<'_>,
        serials: &[Vec<u8>],
        reason: Reason,
        now: Time,
    ) -> Result<Vec<Revoked>, Error>;

    /// Numbers a new revocation list for certificates of these generations.
    ///
    /// The number is the larger of the last one's successor and the time in Unix seconds: a CA that is brought back
    /// from a backup does not number a list below one that is out already.
    fn plan_crl(&mut self, ledger: Ledger<'_>, generations: &[u32], dates: (Time, Time)) -> Result<CrlPlan, Error>;

    /// Records a token. `false` where one is called alike: it is not recorded, and another secret is to be made.
    fn add_token(&mut self, ledger: Ledger<'_>, token: &Token, now: Time) -> Result<bool, Error>;

    /// Finds a token by what it is called. Who was shown a secret compares the whole hash.
    fn token(&mut self, id: TokenId) -> Result<Option<Token>, Error>;

    /// Lists tokens, of one issuer or of all, behind the one with the number `after`, at most `limit`.
    fn tokens(&mut self, issuer: Option<&str>, after: Option<u64>, limit: usize) -> Result<Vec<Token>, Error>;

    /// Takes a token of the ledger's issuer back; one that was taken back already stays so. `None` where there is none.
    fn revoke_token(&mut self, ledger: Ledger<'_>, token: TokenId, now: Time) -> Result<Option<Token>, Error>;

    /// Lists the requests that wait for approval, of one issuer or of all, behind the one with the number `after`, at most
    /// `limit`.
    fn waiting(&mut self, issuer: Option<&str>, after: Option<u64>, limit: usize) -> Result<Vec<Waiting>, Error>;

    /// Finds a request that waits for approval, or did, by its number.
    fn request(&mut self, id: u64) -> Result<Option<Waiting>, Error>;

    /// Approves a request of the ledger's issuer, or refuses it, until its certificate is planned.
    fn decide_request(&mut self, ledger: Ledger<'_>, id: u64, approve: bool, now: Time) -> Result<Decided, Error>;

    /// Records one more event.
    fn record(&mut self, ledger: Ledger<'_>, event: Event, now: Time) -> Result<(), Error>;

    /// Lists certificates behind a cursor, at most `limit`. The work does not grow with what stands before the cursor.
    fn list(&mut self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Result<Vec<Record>, Error>;

    /// How many certificates of an issuer are on record.
    fn count(&mut self, issuer: &str) -> Result<u64, Error>;

    /// The SHA-256, in hexadecimal, of an issuer's first certificates: what [`Event::Adopt`] says of those that are older
    /// than the audit record.
    fn adopted(&mut self, issuer: &str, certificates: u64) -> Result<String, Error>;

    /// The lines of an audit record behind the first `after` ones, at most `limit`.
    fn lines(&mut self, issuer: &str, after: u64, limit: usize) -> Result<Vec<String>, Error>;

    /// The signed head of an audit record; `None` before the first line.
    fn head(&mut self, issuer: &str) -> Result<Option<Head>, Error>;

    /// Looks through the whole database for damage: every page, and that table and indexes agree.
    fn check(&mut self) -> Result<(), Error>;

    /// Writes a copy of the records as they are at one moment into a new file, while others go on.
    fn backup(&mut self, to: &Path) -> Result<(), Error>;
}

/// Why the records could not be read or written.
#[derive(Debug)]
pub enum Error {
    /// The database failed.
    Database { path: PathBuf, source: rusqlite::Error },
    /// The database, or the folder that it is in, can only be read.
    ReadOnly { path: PathBuf },
    /// There is no room for the database or its journal.
    DiskFull { path: PathBuf },
    /// The database could not be made or looked at.
    File(files::Error),
    /// The lock file could not be opened or locked.
    Lock { path: PathBuf, source: std::io::Error },
    /// The file is no store of this program.
    NotAStore { path: PathBuf },
    /// The database is damaged or incomplete.
    Damaged { path: PathBuf, why: &'static str },
    /// The audit record does not hold.
    Audit { issuer: String, fault: audit::Fault },
    /// The database has a schema that this version does not know.
    Schema { path: PathBuf, found: i64, known: i64 },
    /// Another process held the records for too long; who, where it can be told.
    Busy { path: PathBuf, holder: Option<String> },
    /// A certificate to be completed was never planned.
    NotPlanned { serial: Vec<u8> },
    /// The head of the audit record could not be signed.
    Key(key::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { path, source } => {
                write!(f, "cannot use the CA's records {}: {source}", files::shown(path))
            }
            Self::ReadOnly { path } => {
                write!(f, "cannot write the CA's records {}: they, or their folder, are read-only", files::shown(path))
            }
            Self::DiskFull { path } => {
                write!(f, "cannot write the CA's records {}: No space left on device", files::shown(path))
            }
            Self::File(error) => error.fmt(f),
            Self::Lock { path, source } => {
                write!(f, "cannot lock the CA's records by {}: {}", files::shown(path), files::reason(source))
            }
            Self::NotAStore { path } => write!(f, "{} does not hold a CA's records", files::shown(path)),
            Self::Damaged { path, why } => write!(f, "the CA's records {} are damaged: {why}", files::shown(path)),
            Self::Audit { issuer, fault } => write!(f, "the audit record of issuer {issuer} does not hold: {fault}"),
            Self::Schema { path, found, known } => write!(
                f,
                "the CA's records {} have schema {found}, and this version knows schemas up to {known}",
                files::shown(path)
            ),
            Self::Busy { path, holder } => {
                let holder = holder.as_deref().unwrap_or("another process");
                write!(f, "the CA's records {} are in use by {}", files::shown(path), files::printable(holder))
            }
            Self::NotPlanned { serial } => write!(f, "no certificate with serial {} was planned", colon_hex(serial)),
            Self::Key(error) => write!(f, "cannot sign the audit record: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database { source, .. } => Some(source),
            Self::Lock { source, .. } => Some(source),
            Self::File(error) => error.source(),
            Self::Key(error) => error.source(),
            _ => None,
        }
    }
}

impl From<files::Error> for Error {
    fn from(error: files::Error) -> Self {
        Self::File(error)
    }
}
