//! The lock of a CA folder: one writer at a time, and whoever waits learns for whom.
//!
//! SQLite has a lock of its own, but a process that waits for it polls and cannot say who holds it. This one is a file
//! beside the records, locked with `flock`: the system takes it back when its holder dies, and knows who that is.
//!
//! The file says how far each audit record went when the last holder let go. A database that knows less has lost its
//! journal, as when it was copied without it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::Error;

/// How long a writer waits for another. A slice of a thousand certificates takes well under a second; a backup or a
/// mass revocation goes in slices.
const PATIENCE: Duration = Duration::from_secs(60);

/// When a waiting writer says so.
const SILENCE: Duration = Duration::from_secs(1);

/// Largest lock file that is read: it has two short lines.
const LIMIT: u64 = 4096;

/// Who is told, after a second, that a writer waits: gets the holder's description.
pub type OnWait = fn(&str);

/// The lock, held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    counts: BTreeMap<String, u64>,
    is_changed: bool,
}

impl Lock {
    /// Waits for the lock. The file is made where it is missing.
    pub fn take(path: &Path, on_wait: OnWait) -> Result<Self, Error> {
        let fail = |source| Error::Lock { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(fail)?;
        let file = match file.try_lock() {
            Ok(()) => file,
            Err(TryLockError::Error(source)) => return Err(fail(source)),
            Err(TryLockError::WouldBlock) => wait(file, path, on_wait)?.map_err(fail)?,
        };
        let mut text = String::new();
        // What cannot be read is not known.
        let _ = (&file).take(LIMIT).read_to_string(&mut text);
        Ok(Self { file, counts: text.lines().filter_map(count).collect(), is_changed: false })
    }

    /// How far the audit record of an issuer went when the lock was last released; 0 where that is not known.
    pub fn count(&self, issuer: &str) -> u64 {
        self.counts.get(issuer).copied().unwrap_or_default()
    }

    /// Sets how far the audit record of an issuer goes, to be written by [`Self::release`].
    pub fn set_count(&mut self, issuer: &str, count: u64) {
        self.is_changed |= self.counts.insert(issuer.to_owned(), count) != Some(count);
    }

    /// Writes the counts, which the commit has made true, and lets go. A lock that is dropped instead, after a failure,
    /// leaves the counts of before. Returns whether anything was written; the caller syncs it when there is time, since
    /// a count that is too low does no harm.
    ///
    /// Best effort: on a full disk the records are what counts.
    pub fn release(self) -> bool {
        if self.is_changed {
            // Of one width, so that the text never gets shorter: a kill does not divide one short write, and to empty the
            // file first was measured to take a quarter of the time that an issue spends in system calls.
            let text: String = self.counts.iter().map(|(issuer, count)| format!("{issuer} {count:020}\n")).collect();
            let _ = self.file.write_all_at(text.as_bytes(), 0);
        }
        self.is_changed
    }
}

/// Waits for a lock that another process has. A thread waits within the system, which wakes it as soon as the lock is
/// free, and this one can tell the time meanwhile.
fn wait(file: File, path: &Path, on_wait: OnWait) -> Result<io::Result<File>, Error> {
    let (sender, receiver) = mpsc::channel();
    // Whoever gives up leaves the thread behind: it gets the lock one day, and lets go at once.
    let waiting = std::thread::Builder::new().spawn(move || sender.send(file.lock().map(|()| file)));
    waiting.map_err(|source| Error::Lock { path: path.to_owned(), source })?;
    if let Ok(locked) = receiver.recv_timeout(SILENCE) {
        return Ok(locked);
    }
    on_wait(&holder(path));
    let busy = |_| Error::Busy { path: path.to_owned(), holder: Some(holder(path)) };
    receiver.recv_timeout(PATIENCE).map_err(busy)
}

/// Puts the counts on disk.
pub(super) fn sync(path: &Path) {
    // Best effort, as their writing is.
    let _ = File::open(path).and_then(|file| file.sync_data());
}

/// Who holds the lock, by the system's own list (proc(5), /proc/locks): `1: FLOCK ADVISORY WRITE 4711 fe:00:1234 0 EOF`.
fn holder(path: &Path) -> String {
    let find = || {
        let inode = format!(":{}", path.metadata().ok()?.ino());
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let line = locks.lines().map(fields).find(|fields| {
            fields.get(1).is_some_and(|kind| kind == "FLOCK") && fields.get(5).is_some_and(|id| id.ends_with(&inode))
        })?;
        let process: u32 = line.get(4)?.parse().ok().filter(|process| *process > 0)?;
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        Some(format!("process {process} ({})", name.trim_end()))
    };
    find().unwrap_or_else(|| "another process".to_owned())
}

/// `device 17`
fn count(line: &str) -> Option<(String, u64)> {
    let (issuer, count) = line.split_once(' ')?;
    Some((issuer.to_owned(), count.parse().ok()?))
}
