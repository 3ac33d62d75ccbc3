//! Files at the edge of the house: what a file is, how one is read, and how one comes to be.
//!
//! Rules that hold for every file `bulla` touches:
//!
//! * **What a file is** is found from its content, never from its name ([`Kind`]), so that every reader can name a
//!   wrong type instead of reporting a parse error.
//! * **A file is whole or absent.** Bytes go to an unnamed (or temporary) file in the target's own folder, are synced,
//!   and get their name in one step; then the folder is synced ([`Output`], [`Staged`]).
//! * **Nothing is overwritten silently**, and the naming step itself enforces it, so that a race cannot lose a file.
//! * **Private files** have mode 0600 from the `open` call on, whatever the umask.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use zeroize::Zeroizing;

mod base64;
mod commented;
mod folder;
mod hex;
mod kind;
pub use base64::{from_base64, to_base64};
pub use commented::Commented;
pub use folder::{Folder, build_folder, make_folder};
pub use hex::{from_hex, to_hex};
pub use kind::{Document, Kind, documents, noun_of};

/// Largest key, request, certificate, CRL or signature file that is read: 64 MiB.
///
/// The largest of these seen in the field are CRLs of public CAs, at some tens of megabytes. Images are streamed and
/// have no such bound.
pub const DOCUMENT_LIMIT: u64 = 64 << 20;

/// Why a file could not be read or written. The text names the file and what was wanted of it.
#[derive(Debug)]
pub enum Error {
    /// The file could not be opened or read.
    Read { what: &'static str, path: PathBuf, source: io::Error },
    /// The file is larger than its reader accepts.
    TooLarge { what: &'static str, path: PathBuf, limit: u64 },
    /// The file is something else than what was asked for.
    WrongKind { path: PathBuf, wanted: &'static str, found: String },
    /// The output exists, and replacing it was not asked for.
    Exists { path: PathBuf },
    /// A folder that is to be made exists.
    FolderExists { path: PathBuf },
    /// Standard input is asked for a second time.
    StdinTwice { what: &'static str },
    /// The output exists and is a folder, a link, a device: never replaced.
    NotRegular { path: PathBuf, found: &'static str },
    /// The output could not be written.
    Write { path: PathBuf, source: io::Error },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { what, path, source } => {
                write!(f, "cannot read {what} {}: {}", shown(path), reason(source))
            }
            Self::TooLarge { what, path, limit } => {
                write!(f, "{what} {} is larger than {} MiB", shown(path), limit >> 20)
            }
            Self::WrongKind { path, wanted, found } => write!(f, "{} is {found}, not {wanted}", shown(path)),
            Self::Exists { path } => write!(f, "{} exists and is not overwritten", shown(path)),
            Self::FolderExists { path } => write!(f, "{} exists, and a new folder is needed", shown(path)),
            Self::StdinTwice { what } => write!(f, "standard input is read already, and cannot be the {what} too"),
            Self::NotRegular { path, found } => {
                write!(f, "{} is {found}, and only a regular file is ever replaced", shown(path))
            }
            Self::Write { path, source } => write!(f, "cannot write {}: {}", shown_output(path), reason(source)),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The system's words for an I/O error, without the `(os error 2)` that the standard library appends.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Escapes what must not reach a terminal: control characters, line separators, and the characters that reorder text or
/// are not to be seen in it.
///
/// The result is one line. Names from certificates, requests and file systems pass through here before printing.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if !is_printable(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

/// Whether a character may reach a terminal as it is.
pub fn is_printable(c: char) -> bool {
    let is_hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !is_hidden
}

/// Encodes JSON on one line, as [`write_json`] does.
pub fn json_line(value: &serde_json::Value) -> String {
    let mut line = Vec::new();
    write_json(&mut line, value).expect("a buffer takes every byte");
    String::from_utf8(line).expect("JSON is text")
}

/// Writes JSON on one line. Values are kept as they are; what must not reach a terminal is escaped as JSON has it.
pub fn write_json(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(out, PrintableJson))?)
}

/// The form of JSON that [`write_json`] writes.
struct PrintableJson;

impl Formatter for PrintableJson {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| !is_printable(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            // Every character that is not printable has four digits.
            write!(out, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// A path as it may be shown on a terminal; `-` is named for what it is.
pub fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { printable(&path.to_string_lossy()) }
}

/// The path of an output as it may be shown on a terminal; `-` is named for what it is.
pub fn shown_output(path: &Path) -> String {
    if path == Path::new("-") { "standard output".to_owned() } else { shown(path) }
}

/// Standard input is one stream: two inputs of a command cannot both be in it.
static STDIN_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// A file that is read from its start on, once.
pub type Stream = Box<dyn Read + Send>;

/// Opens `path` for streaming; `-` is standard input, once. `what` names the file's role in errors.
pub fn open(what: &'static str, path: &Path) -> Result<Stream, Error> {
    if path == Path::new("-") {
        if STDIN_IS_TAKEN.swap(true, Ordering::Relaxed) {
            return Err(Error::StdinTwice { what });
        }
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(open_named(what, path)?))
}

/// Opens a named file; a folder is refused here, not at the first read.
fn open_named(what: &'static str, path: &Path) -> Result<File, Error> {
    let fail = |source| Error::Read { what, path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.is_dir() {
        return Err(fail(is_a_folder()));
    }
    Ok(file)
}

/// Opens a named regular file to be read at any place; returns its length too.
pub fn open_regular(what: &'static str, path: &Path) -> Result<(File, u64), Error> {
    let file = open_named(what, path)?;
    let length = file.metadata().map_err(|source| Error::Read { what, path: path.to_owned(), source })?.len();
    Ok((file, length))
}

/// Makes a file without a name in the folder for temporary files: nobody else can open it, and it vanishes with the
/// process.
pub fn unnamed() -> io::Result<File> {
    let folder = std::env::temp_dir();
    let mode = Mode::from_raw_mode(0o600);
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(&folder, flags | OFlags::TMPFILE, mode) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
            let path = folder.join(temporary_name(OsStr::new("bulla")));
            let file = rustix::fs::open(&path, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
            rustix::fs::unlink(&path)?;
            Ok(File::from(file))
        }
        made => Ok(File::from(made?)),
    }
}

/// What the system says where a folder is read as a file.
pub fn is_a_folder() -> io::Error {
    Errno::ISDIR.into()
}

/// The size in bytes of a regular file, for a progress bar; `None` for standard input and whatever has no size.
pub fn size(path: &Path) -> Option<u64> {
    if path == Path::new("-") {
        return None;
    }
    std::fs::metadata(path).ok().filter(|m| m.is_file()).map(|m| m.len())
}

/// Reads a whole file of at most `limit` bytes; `-` is standard input. The buffer is wiped when dropped, since any
/// file may turn out to hold a private key.
pub fn read(what: &'static str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    read_or_stream(what, path, limit)?.map_err(|_| Error::TooLarge { what, path: path.to_owned(), limit })
}

/// Reads a whole file like [`read`], or returns the stream of a larger one, from its start.
pub fn read_or_stream(
    what: &'static str,
    path: &Path,
    limit: u64,
) -> Result<Result<Zeroizing<Vec<u8>>, Stream>, Error> {
    let mut reader = open(what, path)?;
    // One allocation of the right size: growing would leave unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size(path).unwrap_or(4096).min(limit) as usize + 1));
    let start = reader.by_ref().take(limit + 1).read_to_end(&mut bytes);
    start.map_err(|source| Error::Read { what, path: path.to_owned(), source })?;
    if bytes.len() as u64 > limit {
        return Ok(Err(Box::new(io::Cursor::new(bytes).chain(reader))));
    }
    Ok(Ok(bytes))
}

/// Whether users other than the owner may read the file; `false` where that cannot be told.
pub fn readable_by_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o077 != 0)
}

/// How a new file is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Creation {
    /// Mode 0600, and a file that is replaced is kept as a numbered `.bak`.
    pub private: bool,
    /// Whether an existing regular file may be replaced.
    pub replace: bool,
}

/// Where a product goes: a named file that does not exist yet (or may be replaced), or standard output.
///
/// Made before the work starts, so that a command which cannot deliver refuses before it issues or signs anything.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    place: Option<Place>,
    creation: Creation,
}

#[derive(Debug)]
struct Place {
    folder: OwnedFd,
    name: OsString,
}

impl Output {
    /// Looks at the target without creating anything. `-` is standard output.
    pub fn new(path: &Path, creation: Creation) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Ok(Self { path: path.to_owned(), place: None, creation });
        }
        let fail = |errno: Errno| Error::Write { path: path.to_owned(), source: errno.into() };
        // The standard library looks through a slash at the end, which says that a folder is meant.
        let names_folder = path.as_os_str().as_bytes().ends_with(b"/");
        let name = path.file_name().filter(|_| !names_folder).ok_or_else(|| fail(Errno::ISDIR))?.to_owned();
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let folder = rustix::fs::open(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(fail)?;
        let output = Self { path: path.to_owned(), place: Some(Place { folder, name }), creation };
        output.check()?;
        Ok(output)
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the product goes to standard output.
    pub fn is_stdout(&self) -> bool {
        self.place.is_none()
    }

    /// Refuses a target that exists (unless it may be replaced) or that is no regular file.
    fn check(&self) -> Result<(), Error> {
        let Some(place) = &self.place else { return Ok(()) };
        let stat = match rustix::fs::statat(&place.folder, &place.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(self.fail(errno)),
        };
        let found = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if self.creation.replace => return Ok(()),
            FileType::RegularFile => return Err(Error::Exists { path: self.path.clone() }),
            FileType::Directory => "a folder",
            FileType::Symlink => "a symbolic link",
            FileType::Fifo => "a FIFO",
            FileType::Socket => "a socket",
            _ => "a device",
        };
        Err(Error::NotRegular { path: self.path.clone(), found })
    }

    /// Writes `bytes` as the whole product.
    pub fn write(self, bytes: &[u8]) -> Result<(), Error> {
        let mut staged = self.stage()?;
        staged.write_all(bytes).map_err(|source| staged.fail(source))?;
        staged.commit()
    }

    /// Opens the product for writing. Nothing has the target's name until [`Staged::commit`].
    pub fn stage(self) -> Result<Staged, Error> {
        let Some(place) = &self.place else {
            return Ok(Staged { output: self, file: None, temporary: None });
        };
        let mode = if self.creation.private { 0o600 } else { 0o644 };
        let mode = Mode::from_raw_mode(mode);
        // An unnamed file vanishes with the process, even under kill -9; not every file system has them.
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(&place.folder, ".", flags | OFlags::TMPFILE, mode) {
            Ok(file) => Ok(Staged { output: self, file: Some(File::from(file)), temporary: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                let temporary = temporary_name(&place.name);
                let file = rustix::fs::openat(&place.folder, &temporary, flags | OFlags::CREATE | OFlags::EXCL, mode)
                    .map_err(|errno| self.fail(errno))?;
                Ok(Staged { output: self, file: Some(File::from(file)), temporary: Some(temporary) })
            }
            Err(errno) => Err(self.fail(errno)),
        }
    }

    fn fail(&self, error: impl Into<io::Error>) -> Error {
        Error::Write { path: self.path.clone(), source: error.into() }
    }
}

/// A hidden name in the target's folder that no other process uses.
fn temporary_name(name: &OsStr) -> OsString {
    let mut temporary = OsString::from(".");
    // File systems bound a name at 255 bytes; the target's own name may use all of them.
    temporary.push(name.to_string_lossy().chars().take(32).collect::<String>());
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    temporary.push(format!(".{}-{nanos}.tmp", std::process::id()));
    temporary
}

/// Whether a name is one that [`temporary_name`] gives for `name`.
fn is_temporary_name(found: &OsStr, name: &OsStr) -> bool {
    let name = name.to_string_lossy().chars().take(32).collect::<String>();
    let found = found.to_string_lossy();
    let numbers =
        found.strip_prefix('.').and_then(|rest| rest.strip_prefix(&name)?.strip_prefix('.')?.strip_suffix(".tmp"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.and_then(|numbers| numbers.split_once('-')).is_some_and(|(a, b)| all_digits(a) && all_digits(b))
}

/// From so many zeros on a hole is left instead: images of file systems are empty for the most part, and what is not
/// written need not be waited for. A product that ends in a hole gets its length in [`Staged::commit`].
const HOLE: usize = 64 << 10;

static ZEROS: [u8; HOLE] = [0; HOLE];

/// A product being written. Dropped without [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct Staged {
    output: Output,
    file: Option<File>,
    temporary: Option<OsString>,
}

impl Staged {
    /// Syncs the bytes, gives them their name in one step, and syncs the folder.
    pub fn commit(mut self) -> Result<(), Error> {
        let (Some(file), Some(place)) = (&self.file, &self.output.place) else {
            return io::stdout().flush().map_err(|source| self.fail(source));
        };
        let mut end = file;
        let length = end.stream_position().and_then(|end| Ok((end, file.metadata()?.len())));
        let (end, length) = length.map_err(|source| self.fail(source))?;
        if length < end {
            file.set_len(end).map_err(|source| self.fail(source))?;
        }
        file.sync_all().map_err(|source| self.fail(source))?;
        if self.output.creation.replace {
            // The target may have changed its type since `Output::new`.
            self.output.check()?;
            if self.output.creation.private {
                self.keep_backup(place)?;
            }
            let temporary = match &self.temporary {
                Some(temporary) => temporary.clone(),
                None => {
                    let temporary = temporary_name(&place.name);
                    link_unnamed(file, place, &temporary).map_err(|errno| self.fail(errno))?;
                    temporary
                }
            };
            if let Err(errno) = rustix::fs::renameat(&place.folder, &temporary, &place.folder, &place.name) {
                // Best effort: the rename's error is the one to report.
                let _ = rustix::fs::unlinkat(&place.folder, &temporary, AtFlags::empty());
                return Err(self.fail(errno));
            }
        } else {
            let named = match &self.temporary {
                None => link_unnamed(file, place, &place.name),
                Some(temporary) => rename_to_free_name(place, temporary),
            };
            named.map_err(|errno| match errno {
                Errno::EXIST => Error::Exists { path: self.output.path.clone() },
                errno => self.fail(errno),
            })?;
        }
        rustix::fs::fsync(&place.folder).map_err(|errno| self.fail(errno))?;
        self.temporary = None;
        Ok(())
    }

    /// Keeps a private file that is about to be replaced under the first free name `NAME.1.bak`, `NAME.2.bak`, …
    fn keep_backup(&self, place: &Place) -> Result<(), Error> {
        for number in 1..=9999 {
            let mut backup = place.name.clone();
            backup.push(format!(".{number}.bak"));
            match rustix::fs::linkat(&place.folder, &place.name, &place.folder, &backup, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.fail(errno)),
            }
        }
        Err(self.fail(Errno::EXIST))
    }

    fn fail(&self, error: impl Into<io::Error>) -> Error {
        self.output.fail(error)
    }
}

/// Gives an unnamed file a name, atomically refusing one that exists.
fn link_unnamed(file: &File, place: &Place, name: &OsStr) -> Result<(), Errno> {
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(rustix::fs::CWD, descriptor, &place.folder, name, AtFlags::SYMLINK_FOLLOW)
}

/// Renames without replacing; a hard link does the same where the file system lacks `RENAME_NOREPLACE`.
fn rename_to_free_name(place: &Place, temporary: &OsStr) -> Result<(), Errno> {
    let folder = &place.folder;
    match rustix::fs::renameat_with(folder, temporary, folder, &place.name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(folder, temporary, folder, &place.name, AtFlags::empty())?;
            rustix::fs::unlinkat(folder, temporary, AtFlags::empty())
        }
        done => done,
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) if bytes.len() >= HOLE && bytes.chunks(HOLE).all(|chunk| chunk == &ZEROS[..chunk.len()]) => {
                file.seek(io::SeekFrom::Current(bytes.len() as i64))?;
                Ok(bytes.len())
            }
            Some(file) => file.write(bytes),
            None => io::stdout().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let (Some(temporary), Some(place)) = (&self.temporary, &self.output.place) {
            // Best effort on the way out of a failure that is reported already.
            let _ = rustix::fs::unlinkat(&place.folder, temporary, AtFlags::empty());
        }
    }
}
