//! An image as it is read, and the bytes of a layout as they come out of it. Both in constant memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Aside, Error, Layout, Piece};
use crate::files;
use crate::key::{Ctr, Digest, Hash, Hasher};

/// How much is read at a time: large enough that hashing, not system calls, takes the time.
const BUFFER: usize = 256 << 10;

/// An image that is read: once from end to end as a stream, or at any place.
///
/// Where it is read at any place, a stream is first put aside in a file that nobody else can open; so is every image
/// of which a copy is wanted, so that what was verified is what was copied, whoever writes to the file meanwhile.
pub struct Source<'a> {
    path: PathBuf,
    reader: Reader,
    copy: Option<&'a mut dyn Write>,
    observe: Box<dyn FnMut(u64) + 'a>,
    passed: u64,
}

enum Reader {
    Folder,
    Stream(Box<dyn Read + Send>),
    File(File, u64),
    /// Wiped when dropped, since any file may turn out to hold a private key.
    Bytes(Zeroizing<Vec<u8>>),
}

impl<'a> Source<'a> {
    /// Opens `path`; `-` is standard input. A [folder](Self::folder) is for formats that make an archive of it. `observe`
    /// is told how many bytes have been read, from time to time.
    pub fn open(path: &Path, observe: impl FnMut(u64) + 'a) -> Result<Self, files::Error> {
        let reader = match files::size(path) {
            Some(_) => {
                let (file, length) = files::open_regular("image", path)?;
                Reader::File(file, length)
            }
            None if path != Path::new("-") && path.is_dir() => Reader::Folder,
            None => Reader::Stream(files::open("image", path)?),
        };
        Ok(Self::new(path, reader, observe))
    }

    /// Takes a stream; `path` is for messages.
    pub fn from_stream(path: &Path, stream: files::Stream, observe: impl FnMut(u64) + 'a) -> Self {
        Self::new(path, Reader::Stream(stream), observe)
    }

    /// Takes bytes in memory; `path` is for messages.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>, observe: impl FnMut(u64) + 'a) -> Self {
        Self::new(path, Reader::Bytes(Zeroizing::new(bytes)), observe)
    }

    fn new(path: &Path, reader: Reader, observe: impl FnMut(u64) + 'a) -> Self {
        Self { path: path.to_owned(), reader, copy: None, observe: Box::new(observe), passed: 0 }
    }

    /// Writes every byte of the image to `copy` too.
    pub fn copy_to(mut self, copy: Option<&'a mut dyn Write>) -> Self {
        self.copy = copy;
        self
    }

    /// The path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, where the image is one: an archive has to be made of it before anything is read.
    pub fn folder(&self) -> Option<&Path> {
        matches!(self.reader, Reader::Folder).then_some(&self.path)
    }

    /// Puts other bytes in the image's place: the content of an attached message, a decoded image.
    pub fn replace(&mut self, bytes: Vec<u8>) {
        self.reader = Reader::Bytes(Zeroizing::new(bytes));
        self.passed = 0;
    }

    /// Puts a file in the image's place, which nobody else can open: an archive made of a folder.
    pub fn replace_with_file(&mut self, file: File) -> Result<(), Error> {
        let length = file.metadata().map_err(|source| self.failed(source))?.len();
        self.reader = Reader::File(file, length);
        self.passed = 0;
        Ok(())
    }

    /// Reads all of it from end to end, once. Returns the number of bytes; an empty image is an error.
    pub fn stream(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<u64, Error> {
        let mut buffer = vec![0; BUFFER];
        let mut done = 0;
        loop {
            let count = match &mut self.reader {
                Reader::Folder => Err(files::is_a_folder()),
                Reader::Stream(stream) => match stream.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                },
                // To the end that the file has now, which is not the one that it had when it was opened where somebody
                // still writes to it.
                Reader::File(file, _) => match file.read_at(&mut buffer, done) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                },
                Reader::Bytes(bytes) => {
                    let rest = &bytes[usize::try_from(done).unwrap_or(usize::MAX).min(bytes.len())..];
                    let count = rest.len().min(BUFFER);
                    buffer[..count].copy_from_slice(&rest[..count]);
                    Ok(count)
                }
            };
            let count = count.map_err(|source| self.failed(source))?;
            if count == 0 {
                break;
            }
            done += count as u64;
            self.pass(count);
            if let Some(copy) = &mut self.copy {
                copy.write_all(&buffer[..count]).map_err(|source| Error::Copy { source })?;
            }
            each(&buffer[..count])?;
        }
        if done == 0 {
            return Err(Error::Empty { path: self.path.clone() });
        }
        Ok(done)
    }

    /// Reads all of it and returns its digest and its length. An empty image is an error.
    pub fn digest(&mut self, hash: Hash) -> Result<(Digest, u64), Error> {
        let mut hasher = Hasher::new(hash);
        let length = self.stream(|bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        Ok((hasher.finish(), length))
    }

    /// Reads all of it into memory, at most `limit` bytes. An empty image is an error.
    pub fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        let too_large = Error::TooLarge { path: self.path.clone(), limit };
        let mut all = Vec::new();
        self.stream(|bytes| {
            all.extend_from_slice(bytes);
            if all.len() as u64 > limit {
                return Err(Error::TooLarge { path: PathBuf::new(), limit });
            }
            Ok(())
        })
        .map_err(|error| if matches!(error, Error::TooLarge { .. }) { too_large } else { error })?;
        Ok(all)
    }

    /// Reads all of it into memory like [`bytes`](Self::bytes), but copies nothing: what is read is a message that only
    /// holds the image, which then [takes its place](Self::replace).
    pub fn message(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        let copy = self.copy.take();
        let read = self.bytes(limit);
        self.copy = copy;
        read
    }

    /// Makes every place of the image readable, and returns its length. An empty image is an error.
    pub fn seekable(&mut self) -> Result<u64, Error> {
        let is_seekable = matches!(self.reader, Reader::File(..) | Reader::Bytes(_));
        if !is_seekable || self.copy.is_some() {
            let mut file = files::unnamed().map_err(|source| Error::Aside { source })?;
            let length = self.stream(|bytes| file.write_all(bytes).map_err(|source| Error::Aside { source }))?;
            self.reader = Reader::File(file, length);
            self.copy = None;
            self.passed = 0;
        }
        match &self.reader {
            Reader::File(_, 0) => Err(Error::Empty { path: self.path.clone() }),
            Reader::Bytes(bytes) if bytes.is_empty() => Err(Error::Empty { path: self.path.clone() }),
            Reader::File(_, length) => Ok(*length),
            Reader::Bytes(bytes) => Ok(bytes.len() as u64),
            Reader::Folder => Err(self.failed(files::is_a_folder())),
            Reader::Stream(_) => Err(self.failed(io::ErrorKind::NotSeekable.into())),
        }
    }

    /// Fills a buffer from a place of a [seekable](Self::seekable) image. A place beyond the end is an error of kind
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
    pub fn read_at(&mut self, buffer: &mut [u8], place: u64) -> Result<(), Error> {
        let read = match &self.reader {
            Reader::File(file, _) => file.read_exact_at(buffer, place),
            Reader::Bytes(bytes) => {
                let start = usize::try_from(place).unwrap_or(usize::MAX);
                match start.checked_add(buffer.len()).and_then(|end| bytes.get(start..end)) {
                    Some(span) => {
                        buffer.copy_from_slice(span);
                        Ok(())
                    }
                    None => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
            Reader::Folder | Reader::Stream(_) => Err(io::ErrorKind::NotSeekable.into()),
        };
        read.map_err(|source| self.failed(source))?;
        self.pass(buffer.len());
        Ok(())
    }

    /// Returns the bytes of a span of a seekable image. The caller has bounded its length.
    pub fn span(&mut self, span: Range<u64>) -> Result<Vec<u8>, Error> {
        let length = span.end.saturating_sub(span.start);
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| self.failed(io::ErrorKind::FileTooLarge.into()))?];
        self.read_at(&mut bytes, span.start)?;
        Ok(bytes)
    }

    /// Whether a span of a seekable image holds nothing but one byte.
    pub fn is_filled(&mut self, span: Range<u64>, byte: u8) -> Result<bool, Error> {
        let mut buffer = vec![0; BUFFER];
        let mut place = span.start;
        while place < span.end {
            // At most BUFFER, which a usize holds.
            let part = &mut buffer[..(span.end - place).min(BUFFER as u64) as usize];
            self.read_at(part, place)?;
            if part.iter().any(|found| *found != byte) {
                return Ok(false);
            }
            place += part.len() as u64;
        }
        Ok(true)
    }

    /// Returns a file of a seekable image, for a program that opens it.
    pub fn file(&self) -> Result<File, Error> {
        match &self.reader {
            Reader::File(file, _) => file.try_clone().map_err(|source| self.failed(source)),
            Reader::Bytes(bytes) => {
                let aside = Aside::new()?;
                aside.write_at(bytes, 0)?;
                aside.0.try_clone().map_err(|source| Error::Aside { source })
            }
            Reader::Folder | Reader::Stream(_) => Err(self.failed(io::ErrorKind::NotSeekable.into())),
        }
    }

    /// Hands out the bytes of a layout, piece after piece. Spans need a seekable image.
    pub fn lay_out(&mut self, layout: &Layout, each: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        for piece in &layout.pieces {
            match piece {
                Piece::Bytes(bytes) => each(bytes)?,
                Piece::Fill { byte, count } => {
                    let buffer = vec![*byte; usize::try_from(*count).unwrap_or(BUFFER).min(BUFFER)];
                    for_each_part(0..*count, |part| each(&buffer[..part.len]))?;
                }
                Piece::Span(span) => {
                    let mut buffer = vec![0; BUFFER];
                    for_each_part(span.clone(), |part| {
                        self.read_at(&mut buffer[..part.len], part.place)?;
                        each(&buffer[..part.len])
                    })?;
                }
                Piece::Aside(aside, span) => {
                    let mut buffer = vec![0; BUFFER];
                    for_each_part(span.clone(), |part| {
                        aside.read_at(&mut buffer[..part.len], part.place)?;
                        each(&buffer[..part.len])
                    })?;
                }
                Piece::Ciphered { key, layout } => {
                    let mut cipher = Ctr::new(&key.0)?;
                    let mut buffer = Zeroizing::new(Vec::new());
                    self.lay_out(layout, &mut |bytes| {
                        buffer.clear();
                        buffer.extend_from_slice(bytes);
                        cipher.apply(&mut buffer)?;
                        each(&buffer)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Returns the digest of a layout.
    pub fn digest_of(&mut self, layout: &Layout, hash: Hash) -> Result<Digest, Error> {
        let mut hasher = Hasher::new(hash);
        self.lay_out(layout, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        Ok(hasher.finish())
    }

    /// Returns the bytes of a layout of at most `limit` bytes.
    pub fn bytes_of(&mut self, layout: &Layout, limit: u64) -> Result<Vec<u8>, Error> {
        if layout.len() > limit {
            return Err(Error::TooLarge { path: self.path.clone(), limit });
        }
        let mut all = Vec::new();
        self.lay_out(layout, &mut |bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(all)
    }

    fn pass(&mut self, count: usize) {
        self.passed += count as u64;
        (self.observe)(self.passed);
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Read { path: self.path.clone(), source }
    }
}

struct Part {
    place: u64,
    len: usize,
}

/// Goes through a range in parts of at most [`BUFFER`] bytes.
fn for_each_part(range: Range<u64>, mut each: impl FnMut(Part) -> Result<(), Error>) -> Result<(), Error> {
    let mut place = range.start;
    while place < range.end {
        // At most BUFFER, which a usize holds.
        let len = (range.end - place).min(BUFFER as u64) as usize;
        each(Part { place, len })?;
        place += len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::CipherKey;

    fn with_source<T>(bytes: &[u8], work: impl FnOnce(&mut Source<'_>) -> T) -> T {
        work(&mut Source::from_bytes(Path::new("image"), bytes.to_vec(), |_| {}))
    }

    #[test]
    fn a_layout_is_its_pieces_in_a_row() {
        let aside = Aside::new().unwrap();
        aside.write_at(b"0123", 0).unwrap();
        let layout = Layout::new([
            Piece::Bytes(b"<".to_vec()),
            Piece::Span(2..5),
            Piece::Fill { byte: b'-', count: 3 },
            Piece::Aside(aside.clone(), 1..3),
            Piece::Span(0..1),
        ]);
        assert_eq!(layout.len(), 10);
        let bytes = with_source(b"abcdef", |source| source.bytes_of(&layout, 10)).unwrap();
        assert_eq!(bytes, b"<cde---12a");
        assert!(matches!(with_source(b"abcdef", |source| source.bytes_of(&layout, 9)), Err(Error::TooLarge { .. })));
        let beyond = Layout::new([Piece::Aside(aside, 2..5)]);
        assert!(matches!(with_source(b"abcdef", |source| source.bytes_of(&beyond, 9)), Err(Error::Aside { .. })));
        let beyond = Layout::new([Piece::Span(4..7)]);
        assert!(matches!(with_source(b"abcdef", |source| source.bytes_of(&beyond, 9)), Err(Error::Read { .. })));
    }

    #[test]
    fn a_span_is_filled_where_no_byte_of_it_is_another() {
        let long = [&[7; BUFFER + 2][..], &[8]].concat();
        let end = long.len() as u64;
        for (span, is_filled) in [(0..end - 1, true), (0..end, false), (end - 1..end, false), (3..3, true)] {
            assert_eq!(with_source(&long, |source| source.is_filled(span.clone(), 7)).unwrap(), is_filled, "{span:?}");
        }
        assert!(with_source(&long, |source| source.is_filled(end..end + 1, 7)).is_err());
    }

    #[test]
    fn a_file_of_an_image_holds_its_bytes() {
        let file = with_source(b"abcdef", |source| source.file()).unwrap();
        let mut bytes = [0; 6];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"abcdef");
    }

    #[test]
    fn what_is_ciphered_twice_is_what_it_was() {
        for len in [16, 32] {
            let key = CipherKey::new(Zeroizing::new(vec![7; len]));
            let parts = [Piece::Span(0..1), Piece::Bytes(vec![b'-'; 40]), Piece::Span(1..6)];
            let plain = Layout::new(parts);
            let ciphered = Layout::new([Piece::Ciphered { key: key.clone(), layout: plain.clone() }]);
            assert_eq!(ciphered.len(), plain.len());
            let bytes = |layout: &Layout| with_source(b"abcdef", |source| source.bytes_of(layout, 99)).unwrap();
            assert_ne!(bytes(&ciphered), bytes(&plain));
            let twice = Layout::new([Piece::Ciphered { key, layout: ciphered }]);
            assert_eq!(bytes(&twice), bytes(&plain));
        }
        let short = CipherKey::new(Zeroizing::new(vec![7; 8]));
        let layout = Layout::new([Piece::Ciphered { key: short, layout: Layout::default() }]);
        assert!(matches!(with_source(b"a", |source| source.bytes_of(&layout, 9)), Err(Error::Key(_))));
    }

    #[test]
    fn a_copy_is_what_was_read() {
        let mut copy = Vec::new();
        let mut source = Source::from_bytes(Path::new("image"), b"abcdef".to_vec(), |_| {}).copy_to(Some(&mut copy));
        assert_eq!(source.seekable().unwrap(), 6);
        assert_eq!(source.span(2..4).unwrap(), b"cd");
        drop(source);
        assert_eq!(copy, b"abcdef");
    }
}
