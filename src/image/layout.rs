//! A signed file as it is laid out: new bytes, and spans of the image that are copied as they are.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Error;
use crate::files;

/// Bytes laid out in a row: new ones, and spans of the image that are copied as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub(super) pieces: Vec<Piece>,
}

/// A piece of a [`Layout`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// New bytes.
    Bytes(Vec<u8>),
    /// A span of the image.
    Span(Range<u64>),
    /// One byte, many times.
    Fill { byte: u8, count: u64 },
    /// A span of new bytes that were put aside, since there are too many for the memory.
    Aside(Aside, Range<u64>),
    /// Other bytes, encrypted or decrypted, which is the same: AES in counter mode from zero.
    Ciphered { key: CipherKey, layout: Layout },
}

/// The key of a [ciphered piece](Piece::Ciphered), for AES-128 or AES-256. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct CipherKey(pub(super) Zeroizing<Vec<u8>>);

impl CipherKey {
    /// Takes a key of 16 or 32 bytes; with any other nothing can be laid out.
    pub fn new(key: Zeroizing<Vec<u8>>) -> Self {
        Self(key)
    }
}

impl fmt::Debug for CipherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CipherKey(..)")
    }
}

/// A file of new bytes that nobody else can open, and that vanishes with the last who holds it.
#[derive(Clone, Debug)]
pub struct Aside(pub(super) Arc<File>);

impl Aside {
    /// Makes an empty one.
    pub fn new() -> Result<Self, Error> {
        Ok(Self(Arc::new(files::unnamed().map_err(|source| Error::Aside { source })?)))
    }

    /// Writes bytes at a place.
    pub fn write_at(&self, bytes: &[u8], place: u64) -> Result<(), Error> {
        self.0.write_all_at(bytes, place).map_err(|source| Error::Aside { source })
    }

    /// Fills a buffer from a place.
    pub fn read_at(&self, buffer: &mut [u8], place: u64) -> Result<(), Error> {
        self.0.read_exact_at(buffer, place).map_err(|source| Error::Aside { source })
    }
}

impl PartialEq for Aside {
    /// Whether it is the same file.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Aside {}

impl Layout {
    /// Lays pieces out in their order.
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self { pieces: pieces.into_iter().collect() }
    }

    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    /// The number of bytes.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Span(span) | Self::Aside(_, span) => span.end.saturating_sub(span.start),
            Self::Fill { count, .. } => *count,
            Self::Ciphered { layout, .. } => layout.len(),
        }
    }
}
