//! The store in one SQLite file: WAL, synchronous=FULL, so that a commit is on disk before it returns.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Error, Plan, Reserved, Signed, Store};
use crate::files::{Creation, Output};

/// "bull" in ASCII: tells our database from any other.
const APPLICATION_ID: i64 = 0x6275_6c6c;

/// How long a writer waits for another: a slice of a thousand certificates takes well under a second.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The statements that lead from each schema version to the next. Never edited once released, only appended to.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE certificate (
        id            INTEGER PRIMARY KEY,
        issuer        TEXT NOT NULL,
        profile       TEXT NOT NULL,
        identity      TEXT NOT NULL,
        spki_sha256   BLOB NOT NULL,
        serial        BLOB NOT NULL,
        subject       TEXT NOT NULL,
        not_before    INTEGER NOT NULL,
        not_after     INTEGER NOT NULL,
        to_be_signed  BLOB NOT NULL,
        -- NULL while planned
        certificate   BLOB
    ) STRICT;
    CREATE UNIQUE INDEX certificate_serial ON certificate (issuer, serial);
    CREATE INDEX certificate_identity ON certificate (identity, profile, issuer);
    CREATE INDEX certificate_key ON certificate (spki_sha256);
"];

/// A [`Store`] in one file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Connection,
}

impl SqliteStore {
    /// Makes a new database, mode 0600; SQLite gives its journal files the same mode.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Output::new(path, Creation { private: true, replace: false })?.write(&[])?;
        let mut store = Self::connect(path)?;
        store.set_up().map_err(|source| store.fail(source))?;
        store.migrate()?;
        Ok(store)
    }

    /// Opens a database and brings an older schema up to date; a newer one is refused.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut store = Self::connect(path)?;
        let id: i64 =
            store.connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(|e| store.fail(e))?;
        if id != APPLICATION_ID {
            return Err(Error::NotAStore { path: path.to_owned() });
        }
        store.migrate()?;
        Ok(store)
    }

    fn connect(path: &Path) -> Result<Self, Error> {
        let fail = |source| failure(path, source);
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        // SQLite's NOFOLLOW refuses a link anywhere in the path; only the last step matters here.
        let real = path.canonicalize().map_err(|source| {
            Error::File(crate::files::Error::Read { what: "the CA's records", path: path.to_owned(), source })
        })?;
        let connection = Connection::open_with_flags(real, flags).map_err(fail)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
        Ok(Self { path: path.to_owned(), connection })
    }

    fn set_up(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)).map(drop)
    }

    fn migrate(&mut self) -> Result<(), Error> {
        let known = MIGRATIONS.len() as i64;
        let version = |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get(0));
        let found: i64 = version(&self.connection).map_err(|source| self.fail(source))?;
        if found > known || found < 0 {
            return Err(Error::Schema { path: self.path.clone(), found, known });
        }
        if found == known {
            return Ok(());
        }
        let path = self.path.clone();
        let fail = |source| failure(&path, source);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        // Another process may have migrated while this one waited.
        let found: i64 = version(&transaction).map_err(fail)?;
        for statements in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            transaction.execute_batch(statements).map_err(fail)?;
        }
        transaction.pragma_update(None, "user_version", known).map_err(fail)?;
        transaction.commit().map_err(fail)
    }

    fn fail(&self, source: rusqlite::Error) -> Error {
        failure(&self.path, source)
    }
}

fn failure(path: &Path, source: rusqlite::Error) -> Error {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy { path: path.to_owned() },
        // The journal's index is the first to find a full disk, and SQLite has no name of its own for that.
        Some(ErrorCode::DiskFull) => Error::DiskFull { path: path.to_owned() },
        _ if source.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE) => {
            Error::DiskFull { path: path.to_owned() }
        }
        Some(ErrorCode::NotADatabase) => Error::NotAStore { path: path.to_owned() },
        _ => Error::Database { path: path.to_owned(), source },
    }
}

impl Store for SqliteStore {
    fn reserve(&mut self, plans: &[Plan], now: i64) -> Result<Vec<Reserved>, Error> {
        let path = self.path.clone();
        let fail = |source| failure(&path, source);
        // Immediate: what is read below decides what is written, and nobody writes in between.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let reserved =
            plans.iter().map(|plan| reserve(&transaction, plan, now)).collect::<Result<_, _>>().map_err(fail)?;
        transaction.commit().map_err(fail)?;
        Ok(reserved)
    }

    fn complete(&mut self, issuer: &str, signed: &[Signed]) -> Result<Vec<Vec<u8>>, Error> {
        let path = self.path.clone();
        let fail = |source| failure(&path, source);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let recorded = signed
            .iter()
            .map(|signed| {
                let recorded = complete(&transaction, issuer, signed).map_err(fail)?;
                recorded.ok_or_else(|| Error::NotPlanned { serial: crate::x509::colon_hex(&signed.serial) })
            })
            .collect::<Result<_, _>>()?;
        transaction.commit().map_err(fail)?;
        Ok(recorded)
    }
}

/// Records a certificate unless one is there already, and returns the one that is there; `None` where none was planned.
fn complete(transaction: &Transaction<'_>, issuer: &str, signed: &Signed) -> rusqlite::Result<Option<Vec<u8>>> {
    transaction
        .prepare_cached(
            "UPDATE certificate SET certificate = coalesce(certificate, ?3)
             WHERE issuer = ?1 AND serial = ?2 RETURNING certificate",
        )?
        .query_row(params![issuer, signed.serial, signed.certificate], |row| row.get(0))
        .optional()
}

/// Finds what stands in the way of a plan, or an earlier ask for the same; else records it.
fn reserve(transaction: &Transaction<'_>, plan: &Plan, now: i64) -> rusqlite::Result<Reserved> {
    type Row = (Vec<u8>, Vec<u8>, Vec<u8>, Option<Vec<u8>>);
    let live: Option<Row> = transaction
        .prepare_cached(
            "SELECT spki_sha256, serial, to_be_signed, certificate FROM certificate
             WHERE identity = ?1 AND profile = ?2 AND issuer = ?3 AND not_after >= ?4",
        )?
        .query_row(params![plan.identity, plan.profile, plan.issuer, now], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    if let Some((spki_sha256, serial, to_be_signed, certificate)) = live {
        return Ok(match certificate {
            _ if spki_sha256 != plan.spki_sha256 => Reserved::IdentityTaken { serial },
            Some(certificate) => Reserved::Issued { certificate },
            None => Reserved::Planned { serial, to_be_signed },
        });
    }
    let other: Option<(String, Vec<u8>)> = transaction
        .prepare_cached("SELECT identity, serial FROM certificate WHERE spki_sha256 = ?1 AND identity <> ?2 LIMIT 1")?
        .query_row(params![plan.spki_sha256, plan.identity], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((identity, serial)) = other {
        return Ok(Reserved::KeyTaken { identity, serial });
    }
    transaction
        .prepare_cached(
            "INSERT INTO certificate
                 (issuer, profile, identity, spki_sha256, serial, subject, not_before, not_after, to_be_signed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            plan.issuer,
            plan.profile,
            plan.identity,
            plan.spki_sha256,
            plan.serial,
            plan.subject,
            plan.validity.0,
            plan.validity.1,
            plan.to_be_signed,
        ])?;
    Ok(Reserved::Planned { serial: plan.serial.clone(), to_be_signed: plan.to_be_signed.clone() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn plan(identity: &str, key: u8, serial: u8) -> Plan {
        Plan {
            issuer: "device".into(),
            profile: "idevid".into(),
            identity: identity.into(),
            spki_sha256: vec![key; 32],
            serial: vec![serial; 16],
            subject: identity.into(),
            validity: (0, 1000),
            to_be_signed: vec![serial],
        }
    }

    fn one(store: &mut SqliteStore, plan: Plan, now: i64) -> Reserved {
        store.reserve(&[plan], now).unwrap().remove(0)
    }

    #[test]
    fn an_ask_finds_its_reservation_and_its_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.db");
        let mut store = SqliteStore::create(&path).unwrap();
        let planned = Reserved::Planned { serial: vec![1; 16], to_be_signed: vec![1] };
        assert_eq!(one(&mut store, plan("a", 1, 1), 0), planned);
        drop(store);
        let mut store = SqliteStore::open(&path).unwrap();
        assert_eq!(one(&mut store, plan("a", 1, 2), 0), planned);
        let signed = |serial: u8, bytes: &[u8]| [Signed { serial: vec![serial; 16], certificate: bytes.to_vec() }];
        assert_eq!(store.complete("device", &signed(1, b"certificate")).unwrap(), [b"certificate"]);
        assert_eq!(store.complete("device", &signed(1, b"another")).unwrap(), [b"certificate"], "the first one stays");
        assert!(store.complete("device", &signed(9, b"certificate")).is_err());
        assert_eq!(one(&mut store, plan("a", 1, 3), 0), Reserved::Issued { certificate: b"certificate".to_vec() });
        assert_eq!(one(&mut store, plan("a", 2, 4), 0), Reserved::IdentityTaken { serial: vec![1; 16] });
        let taken = Reserved::KeyTaken { identity: "a".into(), serial: vec![1; 16] };
        assert_eq!(one(&mut store, plan("b", 1, 5), 0), taken);
        // After it has expired the identity is free for a new certificate.
        assert_eq!(
            one(&mut store, plan("a", 2, 6), 1001),
            Reserved::Planned { serial: vec![6; 16], to_be_signed: vec![6] }
        );
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        }
    }

    #[test]
    fn a_newer_schema_and_a_foreign_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.db");
        let store = SqliteStore::create(&path).unwrap();
        store.connection.pragma_update(None, "user_version", 99).unwrap();
        drop(store);
        assert!(matches!(SqliteStore::open(&path), Err(Error::Schema { found: 99, .. })));
        let foreign = folder.path().join("other.db");
        std::fs::write(&foreign, "not a database at all, but long enough to be looked at as one".repeat(20)).unwrap();
        assert!(matches!(SqliteStore::open(&foreign), Err(Error::NotAStore { .. })));
    }
}
