//! The lock of a CA folder: one writer at a time, and whoever waits learns for whom.
//!
//! SQLite has a lock of its own, but a process that waits for it polls and cannot say who holds it. This one is a file
//! beside the records, locked with `flock`, which the system takes back when its holder dies. The file says who holds
//! it, and how far each audit record went when the last holder let go: a database that knows less has lost its journal,
//! as when it was copied without it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Error;

/// How long a writer waits for another. A slice of a thousand certificates takes well under a second; a backup or a
/// mass revocation goes in slices.
const PATIENCE: Duration = Duration::from_secs(60);

/// When a waiting writer says so.
const SILENCE: Duration = Duration::from_secs(1);

/// Largest lock file that is read: it has three short lines.
const LIMIT: u64 = 4096;

/// Who is told, after a second, that a writer waits: gets the holder's description.
pub type OnWait = fn(&str);

/// The lock, held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// How long the text in the file is.
    length: usize,
    counts: BTreeMap<String, u64>,
    /// Whether a count was set.
    counted: bool,
}

impl Lock {
    /// Waits for the lock. The file is made where it is missing.
    pub fn take(path: &Path, on_wait: OnWait) -> Result<Self, Error> {
        let fail = |source| Error::Lock { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(fail)?;
        let started = Instant::now();
        let mut is_told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(fail(source)),
                Err(TryLockError::WouldBlock) => {}
            }
            let waited = started.elapsed();
            if waited > SILENCE && !is_told {
                on_wait(&holder(&mut file));
                is_told = true;
            }
            if waited > PATIENCE {
                return Err(Error::Busy { path: path.to_owned(), holder: Some(holder(&mut file)) });
            }
            // A commit takes about a millisecond: short naps at first, so that a row of writers keeps the disk busy.
            std::thread::sleep(if waited < SILENCE { Duration::from_micros(300) } else { Duration::from_millis(20) });
        }
        let mut text = read(&mut file);
        if text.is_empty() || text.len() as u64 == LIMIT {
            // Nothing of ours.
            text.clear();
            let _ = file.set_len(0);
        }
        let counts = text.lines().filter_map(count).collect();
        let mut lock = Self { file, length: text.len(), counts, counted: false };
        lock.write();
        Ok(lock)
    }

    /// How far the audit record of an issuer went when the lock was last released; 0 where that is not known.
    pub fn count(&self, issuer: &str) -> u64 {
        self.counts.get(issuer).copied().unwrap_or_default()
    }

    /// Sets how far the audit record of an issuer goes, to be written by [`Self::release`].
    pub fn set_count(&mut self, issuer: &str, count: u64) {
        self.counts.insert(issuer.to_owned(), count);
        self.counted = true;
    }

    /// Writes the counts, which the commit has made true, and lets go. A lock that is dropped instead, after a failure,
    /// leaves the counts of before.
    pub fn release(mut self) {
        if self.counted {
            self.write();
        }
    }

    /// Best effort: on a full disk the lock still holds, and only its description is missing.
    fn write(&mut self) {
        let program = std::env::args_os().next().map(PathBuf::from);
        let name = program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let mut text = format!("process {} ({})\n", std::process::id(), name.unwrap_or_default());
        for (issuer, count) in &self.counts {
            text.push_str(&format!("{issuer} {count}\n"));
        }
        // In place and in one call, which a kill does not divide, and with blank lines over what is left of a longer text.
        // To empty the file first would cost a third of the time of an issue: the file system then hastens to put it on
        // the disk.
        while text.len() < self.length {
            text.push('\n');
        }
        self.length = text.len();
        let _ = self.file.write_all_at(text.as_bytes(), 0);
    }
}

fn read(file: &mut File) -> String {
    let mut text = String::new();
    let done = file.rewind().and_then(|()| file.take(LIMIT).read_to_string(&mut text));
    if done.is_err() {
        text.clear();
    }
    text
}

/// The first line, which the holder wrote.
fn holder(file: &mut File) -> String {
    match read(file).lines().next() {
        Some(line) if line.starts_with("process ") => line.to_owned(),
        _ => "another process".to_owned(),
    }
}

/// `device 17`
fn count(line: &str) -> Option<(String, u64)> {
    let (issuer, count) = line.split_once(' ')?;
    Some((issuer.to_owned(), count.parse().ok()?))
}
