//! Folders that appear whole: built beside their place under a hidden name, then renamed.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::{Error, is_temporary_name, temporary_name};

/// Makes the folder `path`, mode 0700, with what `fill` writes into it. The folder is whole or absent: it is filled
/// under a temporary name, synced, and renamed to a name that must be free.
pub fn build_folder<E: From<Error>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let fail = |source: io::Error| Error::Write { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| fail(Errno::EXIST.into()))?;
    if fs::symlink_metadata(path).is_ok() {
        return Err(Error::FolderExists { path: path.to_owned() }.into());
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    remove_left_behind(parent, name);
    let temporary = Temporary(parent.join(temporary_name(name)));
    DirBuilder::new().mode(0o700).create(&temporary.0).map_err(fail)?;
    // Held while the folder is under construction: one that nobody holds was left behind.
    let held = File::open(&temporary.0).map_err(fail)?;
    held.lock().map_err(fail)?;
    fill(&temporary.0)?;
    sync_tree(&temporary.0).map_err(fail)?;
    // A file system without RENAME_NOREPLACE still refuses to rename a folder over one that is not empty.
    let renamed = match rustix::fs::renameat_with(CWD, &temporary.0, CWD, path, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(&temporary.0, path),
        done => done,
    };
    renamed.map_err(|errno| match errno {
        Errno::EXIST | Errno::NOTEMPTY => Error::FolderExists { path: path.to_owned() },
        errno => fail(errno.into()),
    })?;
    std::mem::forget(temporary);
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(fail)?;
    Ok(())
}

/// Makes one folder, mode 0700, within one that is being built.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    let fail = |source| Error::Write { path: path.to_owned(), source };
    DirBuilder::new().mode(0o700).create(path).map_err(fail)
}

/// Removes what a process that was killed left behind while it made a folder of this name: it may hold private keys.
/// Best effort, since nothing depends on it.
fn remove_left_behind(parent: &Path, name: &OsStr) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && is_temporary_name(&entry.file_name(), name) {
            let is_left = File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok());
            if is_left {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// A folder that is removed unless it got its name.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Best effort on the way out of a failure that is reported already.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Syncs every folder below and including `path`; the files in them were synced when they were written.
fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    File::open(path)?.sync_all()
}

/// A folder whose files are read by their names.
pub struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a regular file right in the folder: whatever the name is, nothing outside of the folder is opened.
    pub fn file(&self, name: &str) -> io::Result<File> {
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(io::Error::other("it is no plain file name"));
        }
        // Without NONBLOCK a FIFO would hold the process up before it can be told apart.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Err(Errno::LOOP) => return Err(io::Error::other("it is a symbolic link")),
            opened => File::from(opened?),
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file)
    }
}
