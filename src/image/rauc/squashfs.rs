//! The file system in a bundle: its superblock is read here; what is made of it or taken out of it, squashfs-tools do.
//!
//! They open files without a name by way of `/proc`, so that nothing is left behind whatever becomes of the process.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::manifest::{LIMIT, Manifest};
use super::verity::BLOCK;
use super::{Bad, Error, Fault, Source};
use crate::files;

/// The name of the manifest in a bundle.
pub const MANIFEST: &str = "manifest.raucm";

/// The longest that a manifest may take to be read: it stands in the first blocks of a table. Of what hangs a device makes
/// nothing either.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the last words of a program that has ended are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The size of the superblock.
const SUPERBLOCK: u64 = 96;

/// How far the file system at the begin of an image reaches, without what pads it to a whole block; none where it is
/// no file system.
///
/// ```text
///  0  4  magic "hsqs"
/// 40  8  bytes in use, little-endian
/// ```
///
/// Source: `torvalds/linux fs/squashfs/squashfs_fs.h`.
fn used(source: &mut Source<'_>) -> Result<Option<u64>, Error> {
    if source.seekable()? < SUPERBLOCK {
        return Ok(None);
    }
    let superblock = source.span(0..SUPERBLOCK)?;
    let used = superblock.get(40..48).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    Ok(used.filter(|_| superblock.starts_with(b"hsqs")))
}

/// Whether a file system fits into the payload of a bundle.
pub fn check_within(source: &mut Source<'_>, payload: u64) -> Result<(), Fault> {
    match used(source)? {
        Some(used) if used <= payload => Ok(()),
        Some(_) => Err(Bad::new("squashfs", "the squashfs is longer than the payload").into()),
        None => Err(Bad::new("squashfs", "the payload is no squashfs").into()),
    }
}

/// Refuses an image that is not a file system and nothing more, padded to a whole block as mksquashfs leaves it.
pub fn check_bare(source: &mut Source<'_>, length: u64) -> Result<(), Error> {
    let used = used(source)?.ok_or_else(|| Error::malformed("it is no folder, squashfs or bundle"))?;
    match used.checked_next_multiple_of(BLOCK) {
        Some(whole) if whole == length => Ok(()),
        Some(whole) if whole < length => Err(Error::malformed("bytes follow the squashfs, and they are no signature")),
        _ if length < used => Err(Error::malformed("the squashfs is cut short")),
        _ => Err(Error::malformed("the squashfs is not padded to a multiple of 4096 bytes")),
    }
}

/// Makes a file system of a folder, with this manifest in the place of its own. The same files with the same modes make
/// the same bytes: owners, times and extended attributes are left out.
pub fn make(folder: &Path, manifest: &Manifest) -> Result<File, Error> {
    const NAME: &str = "mksquashfs";
    let aside = |source| Error::Aside { source };
    // An absolute path is taken for no flag.
    let folder = folder.canonicalize().map_err(|source| Error::Read { path: folder.to_owned(), source })?;
    let mut completed = files::unnamed().map_err(aside)?;
    completed.write_all(&manifest.to_bytes()).map_err(aside)?;
    let made = files::unnamed().map_err(aside)?;
    let mut command = Command::new(NAME);
    command
        .args([folder.as_os_str(), path_of(&made).as_ref()])
        // Errors that it would pass over leave files out, or empty. Its progress goes nowhere, but writing it ends the
        // program where this one was killed.
        .args(["-noappend", "-exit-on-error", "-quiet"])
        .args(["-all-root", "-no-xattrs", "-all-time", "0", "-mkfs-time", "0"])
        .args(["-p", &format!("{MANIFEST} f 0644 0 0 cat {}", path_of(&completed))])
        .args(["-e", MANIFEST])
        // It takes times from one place alone.
        .env_remove("SOURCE_DATE_EPOCH");
    run(NAME, &mut command, None)?.map_err(|why| Error::Program { name: NAME, why })?;
    Ok(made)
}

/// The bytes of the manifest in a file system at the begin of an image. Where that cannot be read, the reason in words;
/// where the program is missing, an error.
pub fn manifest(source: &Source<'_>) -> Result<Result<Vec<u8>, String>, Error> {
    const NAME: &str = "unsquashfs";
    let file = source.file()?;
    let mut command = Command::new(NAME);
    command.args(["-no-progress", "-cat", &path_of(&file), MANIFEST]);
    run(NAME, &mut command, Some(PATIENCE))
}

/// A path by which another process opens a file of this one.
fn path_of(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

/// Runs a program. With `patience` it returns what the program wrote, at most what a manifest may have; one that takes
/// longer is ended. Without, the program may take its time, and what it writes is not wanted. Where it failed, its last
/// words.
pub fn run(
    name: &'static str,
    command: &mut Command,
    patience: Option<Duration>,
) -> Result<Result<Vec<u8>, String>, Error> {
    let failed = |error: std::io::Error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "it is not installed (squashfs-tools)".to_owned(),
            _ => files::reason(&error),
        };
        Error::Program { name, why }
    };
    command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let started = Instant::now();
    // Beside each other, and the words not into a file: the disk that is full is what they may have to speak of.
    let words = in_thread(child.stderr.take(), words_of);
    let written = in_thread(child.stdout.take(), move |mut stdout| {
        let mut written = Vec::new();
        let read = match patience {
            Some(_) => stdout.take(LIMIT + 1).read_to_end(&mut written).map(drop),
            None => std::io::copy(&mut stdout, &mut std::io::sink()).map(drop),
        };
        (read.is_ok(), written)
    });
    let read = match patience {
        Some(patience) => written.recv_timeout(patience).ok(),
        None => written.recv().ok(),
    };
    let is_whole = matches!(&read, Some((true, written)) if written.len() as u64 <= LIMIT);
    let is_late = || patience.is_some_and(|patience| started.elapsed() >= patience);
    while is_whole && !is_late() && child.try_wait().map_err(failed)?.is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    let has_ended = is_whole && child.try_wait().map_err(failed)?.is_some();
    if !has_ended {
        // It may be at its end by now.
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    let written = match read {
        Some((_, written)) if has_ended => written,
        Some(_) if !is_whole => return Ok(Err(format!("{name} wrote more than {} KiB", LIMIT >> 10))),
        _ => {
            let why = format!("it did not end within {} seconds", patience.unwrap_or_default().as_secs());
            return Err(Error::Program { name, why });
        }
    };
    if status.success() {
        return Ok(Ok(written));
    }
    if status.code().is_none() {
        // By whom or for what is not known; it has said nothing of the file system.
        return Err(Error::Program { name, why: status.to_string() });
    }
    let words = words.recv_timeout(LAST_WORDS).unwrap_or_default();
    // The reason, and what came of it.
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(2)..).unwrap_or_default().join("; ");
    Ok(Err(if last.is_empty() { status.to_string() } else { files::printable(&last) }))
}

/// Works on a stream in a thread of its own, since what a program started may hold its output open beyond its end.
/// Nothing is received where there is no stream.
fn in_thread<R, T>(stream: Option<R>, work: impl FnOnce(R) -> T + Send + 'static) -> mpsc::Receiver<T>
where
    R: Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = mpsc::channel();
    if let Some(stream) = stream {
        // Nobody waits for it any more where that took too long.
        thread::spawn(move || drop(sender.send(work(stream))));
    }
    receiver
}

/// What a program writes, at most as much as a manifest may have; the rest is taken from it too, so that it does not wait.
fn words_of(mut stream: impl Read) -> String {
    let mut words = Vec::new();
    // What was read until then is as good.
    let _ = stream.by_ref().take(LIMIT).read_to_end(&mut words);
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
    String::from_utf8_lossy(&words).into_owned()
}
