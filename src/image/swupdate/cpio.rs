//! The archive of an update: cpio in the "new" portable format, with or without checksums.
//!
//! ```text
//! archive = *entry trailer [zeros to a multiple of 512]
//! entry   = header name %x00 [zeros to a multiple of 4] content [zeros to a multiple of 4]
//! header  = "070701" | "070702"
//!           inode mode uid gid links time size device-major device-minor special-major special-minor
//!           name-size checksum                ; each number 8 hexadecimal digits
//! trailer = entry named TRAILER!!!, without content
//! ```
//!
//! `checksum` is the sum of the content's bytes, modulo 2^32, where the header says "070702", and means nothing else
//! (`sbabic/swupdate include/cpiohdr.h`, `core/cpio_utils.c`). Inodes, modes, owners and times mean nothing to the
//! device. What it reads leniently (numbers, paddings, names with a NUL in them, bytes behind the end) is bad here.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Fault;
use crate::image::{Bad, Layout, Piece, Source};
use crate::key::{Digest, Hash, Hasher};

/// Longest name: the device has 256 bytes for it and a NUL, and refuses what fills them (`core/cpio_utils.c`).
pub const NAME_LIMIT: usize = 254;

/// Most entries. The device sets no limit; an update has tens of files.
const ENTRIES_LIMIT: usize = 4096;

/// What archives are padded to.
const BLOCK: u64 = 512;

const HEADER: u64 = 110;
const TRAILER: &str = "TRAILER!!!";

/// An archive, its contents unread.
pub struct Archive {
    /// The entries in their order, without the trailer. No name comes twice.
    pub entries: Vec<Entry>,
    /// Where the trailer ends.
    pub end: u64,
    /// Whether the archive is padded to a multiple of 512.
    pub is_padded: bool,
}

/// A file in an archive.
pub struct Entry {
    /// The name.
    pub name: String,
    /// Where all of it stands, paddings included.
    pub span: Range<u64>,
    /// Where its content stands.
    pub content: Range<u64>,
    /// The checksum of the content, where there is one.
    checksum: Option<u32>,
}

impl Archive {
    /// Reads the headers of an archive, which must take up the whole image.
    pub fn read(source: &mut Source<'_>) -> Result<Self, Fault> {
        let length = source.seekable()?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut names = BTreeSet::new();
        let mut place = 0;
        loop {
            let entry = Entry::read(source, place, length)?;
            place = entry.span.end;
            if entry.name == TRAILER {
                if !entry.content.is_empty() || entry.checksum.unwrap_or(0) != 0 {
                    return Err(malformed("the trailer has content").into());
                }
                break;
            }
            if entries.len() == ENTRIES_LIMIT {
                return Err(malformed(format!("the archive has more than {ENTRIES_LIMIT} entries")).into());
            }
            if !names.insert(entry.name.clone()) {
                return Err(malformed(format!("{} is in the archive twice", entry.name)).into());
            }
            entries.push(entry);
        }
        let behind = length - place;
        if behind != 0 && (behind >= BLOCK || !length.is_multiple_of(BLOCK)) {
            return Err(malformed("there are bytes behind the end of the archive").into());
        }
        expect_zeros(source, place..length)?;
        Ok(Self { entries, end: place, is_padded: behind != 0 || length.is_multiple_of(BLOCK) })
    }
}

impl Entry {
    /// Reads the header at `place` of an archive of `length` bytes.
    fn read(source: &mut Source<'_>, place: u64, length: u64) -> Result<Self, Fault> {
        let cut = || malformed("the archive is cut short");
        let names = place + HEADER;
        if names > length {
            return Err(cut().into());
        }
        let header = source.span(place..names)?;
        let has_checksum = match header.get(..6) {
            Some(b"070701") => false,
            Some(b"070702") => true,
            _ => return Err(malformed(format!("there is no header of a cpio archive at byte {place}")).into()),
        };
        let mut numbers = [0; 13];
        for (number, digits) in numbers.iter_mut().zip(header[6..].chunks(8)) {
            let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
            let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            *number =
                value.ok_or_else(|| malformed(format!("the header at byte {place} has a number that is none")))?;
        }
        let [.., size, _, _, _, _, name_size, checksum] = numbers;
        let name_end = names + u64::from(name_size);
        let start = aligned(name_end);
        let end = start + u64::from(size);
        let next = aligned(end);
        if name_size as usize > NAME_LIMIT + 1 {
            return Err(malformed(format!("a name in the archive has more than {NAME_LIMIT} bytes")).into());
        }
        if next > length {
            return Err(cut().into());
        }
        let name = match source.span(names..name_end)?.split_last() {
            Some((0, name)) if !name.is_empty() && !name.contains(&0) => String::from_utf8(name.to_vec()).ok(),
            _ => None,
        };
        let name = name.ok_or_else(|| malformed(format!("the name of the entry at byte {place} is malformed")))?;
        // `core/util.c`, is_filename_valid
        if name.starts_with('/') || name.contains("../") {
            return Err(malformed(format!("{name} leads out of the folder")).into());
        }
        expect_zeros(source, name_end..start)?;
        expect_zeros(source, end..next)?;
        Ok(Self { name, span: place..next, content: start..end, checksum: has_checksum.then_some(checksum) })
    }

    /// The number of bytes of the content.
    pub fn len(&self) -> u64 {
        self.content.end - self.content.start
    }

    /// Goes through the content once and returns its SHA-256; bad where the checksum is another.
    pub fn digest(&self, source: &mut Source<'_>) -> Result<Digest, Fault> {
        let mut hasher = Hasher::new(Hash::Sha256);
        let mut sum = 0;
        source.lay_out(&Layout::new([Piece::Span(self.content.clone())]), &mut |bytes| {
            hasher.update(bytes);
            sum = add(sum, bytes);
            Ok(())
        })?;
        self.check(sum)?;
        Ok(hasher.finish())
    }

    /// Returns the content, of at most `limit` bytes; bad where the checksum is another.
    pub fn bytes(&self, source: &mut Source<'_>, limit: u64) -> Result<Vec<u8>, Fault> {
        if self.len() > limit {
            return Err(malformed(format!("{} has more than {limit} bytes", self.name)).into());
        }
        let bytes = source.span(self.content.clone())?;
        self.check(add(0, &bytes))?;
        Ok(bytes)
    }

    fn check(&self, sum: u32) -> Result<(), Bad> {
        match self.checksum {
            Some(checksum) if checksum != sum => {
                Err(Bad::new("checksum", format!("the checksum of {} is wrong", self.name)))
            }
            _ => Ok(()),
        }
    }
}

/// The header of an entry, its name and the padding behind it. Equal files give equal archives: no owner, no time.
pub fn head(name: &str, size: u32, checksum: u32) -> Vec<u8> {
    const REGULAR_FILE: u32 = 0o100_644;
    // A name has at most NAME_LIMIT bytes.
    let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
    let (mode, links) = if name == TRAILER { (0, 1) } else { (REGULAR_FILE, 1) };
    let numbers = [0, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, checksum];
    let mut head = b"070702".to_vec();
    numbers.iter().for_each(|number| head.extend_from_slice(format!("{number:08X}").as_bytes()));
    head.extend_from_slice(name.as_bytes());
    head.push(0);
    head.resize(head.len().next_multiple_of(4), 0);
    head
}

/// The trailer of an archive whose entries end at `place`, and the padding behind it.
pub fn tail(place: u64) -> Vec<u8> {
    let mut tail = head(TRAILER, 0, 0);
    let end = place + tail.len() as u64;
    // Less than a block.
    tail.resize(tail.len() + padding(end) as usize, 0);
    tail
}

/// How many zeros fill the last block of an archive that ends at `end`.
pub fn padding(end: u64) -> u64 {
    end.next_multiple_of(BLOCK) - end
}

/// Adds bytes to a checksum.
pub fn add(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, byte| sum.wrapping_add(u32::from(*byte)))
}

/// The next multiple of 4. Places are sums of a few numbers of 32 bits beyond a place in a file: they do not overflow.
pub fn aligned(place: u64) -> u64 {
    place.next_multiple_of(4)
}

fn expect_zeros(source: &mut Source<'_>, span: Range<u64>) -> Result<(), Fault> {
    let place = span.start;
    if !source.is_filled(span, 0)? {
        return Err(malformed(format!("the padding at byte {place} is not of zeros")).into());
    }
    Ok(())
}

fn malformed(words: impl std::fmt::Display) -> Bad {
    Bad::new("malformed", words)
}
