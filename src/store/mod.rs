//! The CA's records: domain verbs over a database, never SQL outside.
//!
//! A certificate is first *planned*: its serial number and the bytes to be signed are durable before the signature is
//! made, so that after a power cut there is a record of what was going to be signed. Then it is *issued*. Whoever asks
//! again finds the plan or the certificate.

use std::fmt;
use std::path::PathBuf;

use crate::files;

mod sqlite;

pub use sqlite::SqliteStore;

/// A certificate that is about to be signed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name of the issuer within its CA.
    pub issuer: String,
    /// The name of the profile.
    pub profile: String,
    /// Whose certificate it is, as [`crate::x509::Profile::identity`] gives it.
    pub identity: String,
    /// The SHA-256 of the `SubjectPublicKeyInfo`.
    pub spki_sha256: Vec<u8>,
    /// The serial number's octets.
    pub serial: Vec<u8>,
    /// The subject, for listings.
    pub subject: String,
    /// The first and last valid moment, Unix seconds.
    pub validity: (i64, i64),
    /// The DER `TBSCertificate`.
    pub to_be_signed: Vec<u8>,
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
    /// The identity has a live certificate of this profile for another key.
    IdentityTaken { serial: Vec<u8> },
    /// The key has a certificate for another identity.
    KeyTaken { identity: String, serial: Vec<u8> },
}

/// The verbs that a CA needs.
pub trait Store: Send {
    /// Reserves each plan, in order, all in one durable transaction. `now` (Unix seconds) tells which certificates
    /// are live. A plan that meets an earlier one of the same identity, profile and key finds that.
    fn reserve(&mut self, plans: &[Plan], now: i64) -> Result<Vec<Reserved>, Error>;

    /// Records signed certificates, all in one durable transaction, and returns the certificates of record in the same
    /// order. Where another process completed the same plan first, its certificate stays and is returned.
    fn complete(&mut self, issuer: &str, signed: &[Signed]) -> Result<Vec<Vec<u8>>, Error>;
}

/// Why the records could not be read or written.
#[derive(Debug)]
pub enum Error {
    /// The database failed.
    Database { path: PathBuf, source: rusqlite::Error },
    /// There is no room for the database or its journal.
    DiskFull { path: PathBuf },
    /// The database could not be made.
    File(files::Error),
    /// The file is no store of this program.
    NotAStore { path: PathBuf },
    /// The database has a schema that this version does not know.
    Schema { path: PathBuf, found: i64, known: i64 },
    /// Another process held the database for too long.
    Busy { path: PathBuf },
    /// A certificate to be completed was never planned.
    NotPlanned { serial: String },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { path, source } => {
                write!(f, "cannot use the CA's records {}: {source}", files::shown(path))
            }
            Self::DiskFull { path } => {
                write!(f, "cannot write the CA's records {}: No space left on device", files::shown(path))
            }
            Self::File(error) => error.fmt(f),
            Self::NotAStore { path } => write!(f, "{} does not hold a CA's records", files::shown(path)),
            Self::Schema { path, found, known } => write!(
                f,
                "the CA's records {} have schema {found}, and this version knows schemas up to {known}",
                files::shown(path)
            ),
            Self::Busy { path } => write!(f, "the CA's records {} are in use by another process", files::shown(path)),
            Self::NotPlanned { serial } => write!(f, "no certificate with serial {serial} was planned"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database { source, .. } => Some(source),
            Self::File(error) => error.source(),
            _ => None,
        }
    }
}

impl From<files::Error> for Error {
    fn from(error: files::Error) -> Self {
        Self::File(error)
    }
}
