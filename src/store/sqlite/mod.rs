//! The store in one SQLite file: WAL, synchronous=FULL, so that a commit is on disk before it returns.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};
use rustix::fs::Access;

use super::audit::{Event, Head};
use super::lock::{self, Lock, OnWait};
use super::{
    CrlPlan, Cursor, Decided, Error, Filter, Ledger, Plan, Record, Reserved, Revoked, Signed, Store, Token, TokenId,
    Waiting,
};
use crate::files::{self, Creation, Output};
use crate::x509::{Reason, Time};

mod certificates;
mod journal;
mod rights;
mod schema;

use journal::Journal;

/// "bull" in ASCII: tells our database from any other.
const APPLICATION_ID: i64 = 0x6275_6c6c;

/// How long SQLite itself waits for a lock: for readers and migrations, since writers wait for the lock file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// A [`Store`] in one file, with the lock file beside it.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    lock: PathBuf,
    connection: Connection,
    on_wait: OnWait,
    /// Whether the lock file says what is not on disk yet.
    lock_is_ahead: bool,
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if self.lock_is_ahead {
            lock::sync(&self.lock);
        }
    }
}

/// What goes wrong within a transaction.
#[derive(Debug)]
enum Trouble {
    Sql(rusqlite::Error),
    Damaged(&'static str),
    Store(Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl SqliteStore {
    /// Memory for pages, in KiB. The index of keys, whose order is random, has some 50 MB at three million certificates;
    /// this holds it with the end of the other indexes, where new certificates go, and is taken only as it is used.
    pub const CACHE_KIB: i64 = 64 << 10;

    /// Makes a new database, mode 0600; SQLite gives its journal files the same mode.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Output::new(path, Creation { private: true, replace: false })?.write(&[])?;
        let mut store = Self::connect(path, |_| {})?;
        let marked = store.connection.pragma_update(None, "application_id", APPLICATION_ID);
        marked.map_err(|source| failure(path, source))?;
        store.use_journal()?;
        schema::migrate(&mut store.connection, path)?;
        Ok(store)
    }

    /// Opens a database and brings an older schema up to date; a newer one is refused. `on_wait` is told when a writer
    /// has to wait.
    pub fn open(path: &Path, on_wait: OnWait) -> Result<Self, Error> {
        let mut store = Self::connect(path, on_wait)?;
        let number = |name| store.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        // Whoever closes the file beside SQLite takes the locks of all connections of the process away, and another process
        // may then take the journal for nobody's (https://www.sqlite.org/howtocorrupt.html section 2.2). So the file is
        // opened by SQLite alone, unless that finds it damaged.
        let read = number("application_id").and_then(|id| Ok((id, number("page_size")?, number("page_count")?)));
        let (id, page_size, pages) = read.map_err(|source| failure(path, source))?;
        if id != APPLICATION_ID {
            return Err(Error::NotAStore { path: path.to_owned() });
        }
        // SQLite takes the half of a page for a whole one. While the journal holds pages, that may be right.
        let length = path.metadata().map_err(|source| cannot_read(path, source))?.len();
        if !has_journal(path) && length < u64::try_from(page_size * pages).unwrap_or_default() {
            return Err(cut(path));
        }
        schema::migrate(&mut store.connection, path)?;
        schema::check(&store.connection, path)?;
        Ok(store)
    }

    fn connect(path: &Path, on_wait: OnWait) -> Result<Self, Error> {
        let fail = |source| failure(path, source);
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        // SQLite's NOFOLLOW refuses a link anywhere in the path; only the last step matters here.
        let real = path.canonicalize().map_err(|source| cannot_read(path, source))?;
        let lock = real.with_extension("lock");
        // SQLite has one word for all that the system says, and the system can be asked again.
        let why = |source| match rustix::fs::access(&real, Access::READ_OK) {
            Err(errno) => cannot_read(path, errno.into()),
            Ok(()) => fail(source),
        };
        let connection = Connection::open_with_flags(&real, flags).map_err(why)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
        connection.pragma_update(None, "cache_size", -Self::CACHE_KIB).map_err(fail)?;
        Ok(Self { path: path.to_owned(), lock, connection, on_wait, lock_is_ahead: false })
    }

    /// Makes the database one with a write-ahead journal, for good.
    fn use_journal(&self) -> Result<(), Error> {
        let set = self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        set.map(drop).map_err(|source| failure(&self.path, source))
    }

    /// Does work that writes: alone, in one transaction, durable when this returns.
    fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>, &mut Lock) -> Result<T, Trouble>) -> Result<T, Error> {
        let path = &self.path;
        let mut lock = Lock::take(&self.lock, self.on_wait)?;
        // Immediate: what is read decides what is written, and nobody writes in between.
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|source| failure(path, source))?;
        let done = work(&transaction, &mut lock).map_err(|trouble| match trouble {
            Trouble::Sql(source) => failure(path, source),
            Trouble::Damaged(why) => Error::Damaged { path: path.clone(), why },
            Trouble::Store(error) => error,
        })?;
        transaction.commit().map_err(|source| failure(path, source))?;
        self.lock_is_ahead |= lock.release();
        Ok(done)
    }

    /// As [`Self::write`], with the audit record of an issuer, whose head is signed anew where something was appended.
    fn decide<T>(
        &mut self,
        ledger: Ledger<'_>,
        now: Time,
        work: impl FnOnce(&Transaction<'_>, &mut Journal<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Error> {
        self.write(|transaction, lock| {
            let mut journal = Journal::open(transaction, ledger.issuer, now)?;
            if journal.count() < lock.count(ledger.issuer) {
                return Err(Trouble::Damaged("they lack their last entries; was ca.db copied without ca.db-wal?"));
            }
            let done = work(transaction, &mut journal)?;
            lock.set_count(ledger.issuer, journal.seal(ledger.signer)?);
            Ok(done)
        })
    }

    /// Does what no one should, for tests of what is noticed.
    #[cfg(test)]
    pub fn tamper(&self, statements: &str) {
        self.connection.execute_batch(statements).unwrap();
    }

    /// How SQLite would go about a query.
    #[cfg(test)]
    fn plan_of(&self, sql: &str, values: Vec<rusqlite::types::Value>) -> String {
        let mut statement = self.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        work(&self.connection).map_err(|source| failure(&self.path, source))
    }
}

/// Whether a file is shorter than its own header says. The header has the page size in bytes 16 and 17 (1 stands for 65536)
/// and the number of pages in bytes 28 to 31 (https://www.sqlite.org/fileformat.html section 1.3).
fn is_shorter_than_its_header(path: &Path) -> bool {
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| file.take(32).read_to_end(&mut header));
    let number = |range: std::ops::Range<usize>| {
        header.get(range).unwrap_or_default().iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    let page_size = if number(16..18) == 1 { 65536 } else { number(16..18) };
    let says = page_size * number(28..32);
    read.is_ok() && header.starts_with(b"SQLite format 3\0") && path.metadata().is_ok_and(|it| it.len() < says)
}

/// Whether there are pages in the journal.
fn has_journal(path: &Path) -> bool {
    path.with_extension("db-wal").metadata().is_ok_and(|metadata| metadata.len() > 0)
}

fn cut(path: &Path) -> Error {
    Error::Damaged { path: path.to_owned(), why: "ca.db is shorter than it says; was it copied half?" }
}

fn cannot_read(path: &Path, source: std::io::Error) -> Error {
    Error::File(files::Error::Read { what: "the CA's records", path: path.to_owned(), source })
}

fn failure(path: &Path, source: rusqlite::Error) -> Error {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy { path, holder: None },
        // The journal's index is the first to find a full disk, and SQLite has no name of its own for that.
        Some(ErrorCode::DiskFull) => Error::DiskFull { path },
        _ if source.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE) => {
            Error::DiskFull { path }
        }
        Some(ErrorCode::ReadOnly) => Error::ReadOnly { path },
        Some(ErrorCode::NotADatabase) => Error::NotAStore { path },
        Some(ErrorCode::DatabaseCorrupt) if is_shorter_than_its_header(&path) => cut(&path),
        Some(ErrorCode::DatabaseCorrupt) => Error::Damaged { path, why: "a page of ca.db is not what it must be" },
        _ => Error::Database { path, source },
    }
}

impl Store for SqliteStore {
    fn reserve(
        &mut self,
        ledger: Ledger<'_>,
        plans: &[Plan],
        refused: Vec<Event>,
        now: Time,
    ) -> Result<Vec<Reserved>, Error> {
        self.decide(ledger, now, |transaction, journal| {
            refused.into_iter().try_for_each(|event| journal.append(event))?;
            plans.iter().map(|plan| certificates::reserve(transaction, journal, plan, now)).collect()
        })
    }

    fn complete(&mut self, signed: &[Signed]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.write(|transaction, _| signed.iter().map(|signed| certificates::complete(transaction, signed)).collect())
    }

    fn revoke(
        &mut self,
        ledger: Ledger<'_>,
        serials: &[Vec<u8>],
        reason: Reason,
        now: Time,
    ) -> Result<Vec<Revoked>, Error> {
        self.decide(ledger, now, |transaction, journal| {
            let revoke = |serial: &Vec<u8>| certificates::revoke(transaction, journal, serial, reason, now);
            serials.iter().map(revoke).collect()
        })
    }

    fn plan_crl(&mut self, ledger: Ledger<'_>, generations: &[u32], dates: (Time, Time)) -> Result<CrlPlan, Error> {
        self.decide(ledger, dates.0, |transaction, journal| {
            certificates::plan_crl(transaction, journal, generations, dates)
        })
    }

    fn add_token(&mut self, ledger: Ledger<'_>, token: &Token, now: Time) -> Result<bool, Error> {
        self.decide(ledger, now, |transaction, journal| rights::add_token(transaction, journal, token))
    }

    fn token(&mut self, id: TokenId) -> Result<Option<Token>, Error> {
        self.read(|connection| rights::token(connection, id))
    }

    fn tokens(&mut self, issuer: Option<&str>, after: Option<u64>, limit: usize) -> Result<Vec<Token>, Error> {
        self.read(|connection| rights::tokens(connection, issuer, after, limit))
    }

    fn revoke_token(&mut self, ledger: Ledger<'_>, token: TokenId, now: Time) -> Result<Option<Token>, Error> {
        self.decide(ledger, now, |transaction, journal| rights::revoke_token(transaction, journal, token, now))
    }

    fn waiting(&mut self, issuer: Option<&str>, after: Option<u64>, limit: usize) -> Result<Vec<Waiting>, Error> {
        self.read(|connection| rights::waiting(connection, issuer, after, limit))
    }

    fn request(&mut self, id: u64) -> Result<Option<Waiting>, Error> {
        self.read(|connection| rights::request(connection, id))
    }

    fn decide_request(&mut self, ledger: Ledger<'_>, id: u64, approve: bool, now: Time) -> Result<Decided, Error> {
        self.decide(ledger, now, |transaction, journal| rights::decide(transaction, journal, id, approve, now))
    }

    fn record(&mut self, ledger: Ledger<'_>, event: Event, now: Time) -> Result<(), Error> {
        self.decide(ledger, now, |_, journal| journal.append(event))
    }

    fn list(&mut self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Result<Vec<Record>, Error> {
        self.read(|connection| certificates::list(connection, filter, after, limit))
    }

    fn count(&mut self, issuer: &str) -> Result<u64, Error> {
        self.read(|connection| journal::count(connection, issuer))
    }

    fn adopted(&mut self, issuer: &str, certificates: u64) -> Result<String, Error> {
        self.read(|connection| journal::adopted(connection, issuer, certificates))
    }

    fn lines(&mut self, issuer: &str, after: u64, limit: usize) -> Result<Vec<String>, Error> {
        self.read(|connection| journal::lines(connection, issuer, after, limit))
    }

    fn head(&mut self, issuer: &str) -> Result<Option<Head>, Error> {
        self.read(|connection| journal::head(connection, issuer))
    }

    fn check(&mut self) -> Result<(), Error> {
        let found: String =
            self.read(|connection| connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)))?;
        if found != "ok" {
            let why = "a look through all of ca.db found pages or indexes that do not agree";
            return Err(Error::Damaged { path: self.path.clone(), why });
        }
        Ok(())
    }

    fn backup(&mut self, to: &Path) -> Result<(), Error> {
        // SQLite takes an empty file, which has the right mode already.
        Output::new(to, Creation { private: true, replace: false })?.write(&[])?;
        let name = to.to_str().ok_or_else(|| Error::NotAStore { path: to.to_owned() })?;
        self.read(|connection| connection.execute("VACUUM INTO ?1", params![name]).map(drop))?;
        // The copy has the mark and the schema of the original, and not its journal.
        Self::connect(to, |_| {})?.use_journal()?;
        let fail = |source| Error::File(files::Error::Write { path: to.to_owned(), source });
        File::open(to).and_then(|file| file.sync_all()).map_err(fail)
    }
}
