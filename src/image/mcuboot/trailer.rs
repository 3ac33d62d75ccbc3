//! The slot that an image is for, and the trailer at its end, where the bootloader keeps the state of an upgrade.

use super::header::Endian;
use super::{Bad, Fault, Piece, Source};

/// The end of the trailer.
const MAGIC_SIZE: u64 = 16;
const MAGIC: [u8; 16] = 0x77c2_95f3_60d2_ef7f_3552_500f_2cb6_7980_u128.to_be_bytes();
/// The rest of the magic where its first two bytes are the alignment.
const MAGIC_TAIL: [u8; 14] = [0x2d, 0xe1, 0x5d, 0x29, 0x41, 0x0b, 0x8d, 0x77, 0x67, 0x9c, 0x11, 0x0f, 0x1f, 0x8a];
/// The alignment that the plain magic stands for.
pub const USUAL_ALIGN: u64 = 8;
/// Larger alignments, said in the magic.
const OTHER_ALIGNS: [u16; 2] = [16, 32];
/// `image_ok` of an image that stays.
const SET: u8 = 1;

/// The place of an image in flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its size in bytes, where that is known.
    pub size: Option<u64>,
    /// The least number of bytes that are written at once.
    pub align: u64,
    /// The same of all slots; fields of the trailer have this size.
    pub max_align: u64,
    /// The number of sectors that the swap status has room for.
    pub max_sectors: u64,
    /// Whether upgrades overwrite, and so keep no swap status.
    pub overwrite_only: bool,
    /// The bytes for the content keys of both slots, where images are encrypted.
    pub content_keys: u64,
}

impl Slot {
    /// The size of the trailer.
    ///
    /// ```text
    /// trailer                                 at the end of the slot
    ///     swap status     max_sectors * 3 * align    \
    ///     content keys    content_keys                |
    ///     swap size       max_align                   | not where upgrades overwrite
    ///     swap info       max_align                   |
    ///     copy done       max_align                  /
    ///     image ok        max_align
    ///     magic           16, rounded up to max_align
    /// ```
    ///
    /// Overwriting images keep copy done and image ok (mcu-tools/mcuboot `scripts/imgtool/image.py`, `_trailer_size`).
    pub fn trailer_size(&self) -> u64 {
        let Self { size: _, align, max_align, max_sectors, overwrite_only, content_keys } = *self;
        let magic = magic_field(max_align);
        if overwrite_only {
            max_align * 2 + magic
        } else {
            max_sectors * 3 * align + content_keys + max_align * 4 + magic
        }
    }

    /// Makes room for content keys: for their TLVs, of this length, or for 16 bytes each.
    pub fn keep_keys(&mut self, tlv_len: Option<usize>) {
        self.content_keys = 2 * tlv_len.map_or(16, |len| len as u64).next_multiple_of(self.max_align);
    }
}

/// The magic's field: rounded up to whole units of writing.
pub fn magic_field(max_align: u64) -> u64 {
    MAGIC_SIZE.next_multiple_of(max_align)
}

/// What stands between the last TLV and the end of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing.
    Nothing,
    /// Erased flash, up to the end of a slot of this size.
    Erased { size: u64, erased: u8 },
    /// Erased flash and a trailer.
    Trailer(Trailer),
}

/// A trailer as it is before the first boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// The size of the slot.
    pub size: u64,
    /// The value of erased bytes.
    pub erased: u8,
    /// See [`Slot::max_align`].
    pub max_align: u64,
    /// The byte order of the alignment in the magic.
    pub endian: Endian,
    /// Whether the image stays after its first boot. `None` leaves the field alone, which in Intel HEX is less than to
    /// write an erased one.
    pub image_ok: Option<bool>,
}

impl Trailer {
    fn magic(&self) -> [u8; 16] {
        let Some(align) = OTHER_ALIGNS.into_iter().find(|align| u64::from(*align) == self.max_align) else {
            return MAGIC;
        };
        let mut magic = [0; 16];
        let bytes = self.endian.u16(align).into_iter().chain(MAGIC_TAIL);
        magic.iter_mut().zip(bytes).for_each(|(byte, value)| *byte = value);
        magic
    }

    fn image_ok_field(&self) -> Vec<u8> {
        // At most 32 bytes.
        let mut field = vec![self.erased; self.max_align as usize];
        if self.image_ok == Some(true) {
            field[0] = SET;
        }
        field
    }

    /// From the image_ok field to the end of the slot.
    fn tail(&self) -> Vec<u8> {
        let gap = vec![self.erased; (magic_field(self.max_align) - MAGIC_SIZE) as usize];
        [self.image_ok_field(), gap, self.magic().to_vec()].concat()
    }
}

impl Ending {
    /// The size of the slot, where the file fills one.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Nothing => None,
            Self::Erased { size, .. } => Some(*size),
            Self::Trailer(trailer) => Some(trailer.size),
        }
    }

    /// Everything from `end` to the end of the slot. The caller has seen that there is room.
    pub fn pieces(&self, end: u64) -> Vec<Piece> {
        let fill = |byte, to: u64| Piece::Fill { byte, count: to.saturating_sub(end) };
        match self {
            Self::Nothing => Vec::new(),
            Self::Erased { size, erased } => vec![fill(*erased, *size)],
            Self::Trailer(trailer) => {
                let tail = trailer.tail();
                vec![fill(trailer.erased, trailer.size.saturating_sub(tail.len() as u64)), Piece::Bytes(tail)]
            }
        }
    }

    /// What has to be written behind the image, each with its place: nothing that is erased anyway.
    pub fn segments(&self) -> Vec<(u64, Vec<u8>)> {
        let Self::Trailer(trailer) = self else { return Vec::new() };
        let below_end = |count: u64| trailer.size.saturating_sub(count);
        let mut segments = Vec::new();
        if trailer.image_ok.is_some() {
            let place = below_end(magic_field(trailer.max_align) + trailer.max_align);
            segments.push((place, trailer.image_ok_field()));
        }
        segments.push((below_end(MAGIC_SIZE), trailer.magic().to_vec()));
        segments
    }

    /// Reads what stands from `end` to the end of the file, `length`. Without `erased`, the first byte says what erased
    /// bytes are; without `slot_size`, flash that has no trailer is refused, since nothing says where it has to end.
    pub fn read(
        source: &mut Source<'_>,
        (end, length): (u64, u64),
        erased: Option<u8>,
        slot_size: Option<u64>,
    ) -> Result<Self, Fault> {
        if end == length {
            return Ok(Self::Nothing);
        }
        let first = source.span(end..end + 1)?;
        let erased = match erased.or(first.first().copied().filter(|byte| matches!(byte, 0 | 0xff))) {
            Some(erased) => erased,
            None => return Err(trailing().into()),
        };
        let magic = match length.checked_sub(MAGIC_SIZE).filter(|at| *at >= end) {
            Some(at) => source.span(at..length)?,
            None => Vec::new(),
        };
        let Some((max_align, endian)) = align_of(&magic) else {
            let is_slot = slot_size == Some(length) && source.is_filled(end..length, erased)?;
            return if is_slot { Ok(Self::Erased { size: length, erased }) } else { Err(trailing().into()) };
        };
        let least = max_align * 2 + magic_field(max_align);
        if length - end < least {
            return Err(Bad::new("trailer", "the image reaches into its trailer").into());
        }
        let image_ok = length - magic_field(max_align) - max_align;
        let mark = source.span(image_ok..image_ok + 1)?;
        let is_clean =
            source.is_filled(end..image_ok, erased)? && source.is_filled(image_ok + 1..length - MAGIC_SIZE, erased)?;
        let image_ok = match mark.as_slice() {
            [SET] => Some(true),
            [other] if *other == erased => None,
            _ => return Err(Bad::new("trailer", "image_ok in the trailer is neither set nor erased").into()),
        };
        if !is_clean {
            return Err(trailing().into());
        }
        Ok(Self::Trailer(Trailer { size: length, erased, max_align, endian, image_ok }))
    }
}

fn trailing() -> Bad {
    Bad::new("trailing-bytes", "behind the image stands something else than erased bytes and a trailer")
}

/// The alignment that a magic says, and its byte order.
pub fn align_of(magic: &[u8]) -> Option<(u64, Endian)> {
    if magic == MAGIC {
        return Some((USUAL_ALIGN, Endian::Little));
    }
    let align = magic.strip_suffix(&MAGIC_TAIL)?;
    [Endian::Little, Endian::Big].into_iter().find_map(|endian| {
        let found = OTHER_ALIGNS.into_iter().find(|other| endian.u16(*other) == align)?;
        Some((found.into(), endian))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::image::Layout;

    const USUAL: Slot =
        Slot { size: None, align: 1, max_align: 8, max_sectors: 128, overwrite_only: false, content_keys: 0 };

    fn with_source<T>(bytes: &[u8], work: impl FnOnce(&mut Source<'_>) -> T) -> T {
        work(&mut Source::from_bytes(Path::new("image"), bytes.to_vec(), |_| {}))
    }

    fn read(bytes: &[u8], erased: Option<u8>, slot_size: Option<u64>) -> Result<Ending, &'static str> {
        let read = with_source(bytes, |source| Ending::read(source, (4, bytes.len() as u64), erased, slot_size));
        crate::image::judged(read).unwrap().map_err(|bad| bad.code)
    }

    #[test]
    fn trailers_have_the_sizes_of_the_table() {
        for (slot, size) in [
            (USUAL, 384 + 32 + 16),
            (Slot { overwrite_only: true, ..USUAL }, 16 + 16),
            (Slot { align: 8, max_sectors: 10, ..USUAL }, 240 + 32 + 16),
            (Slot { align: 32, max_align: 32, ..USUAL }, 128 * 96 + 128 + 32),
        ] {
            assert_eq!(slot.trailer_size(), size, "{slot:?}");
        }
        for (max_align, tlv_len, size) in [(8, None, 32), (32, None, 64), (8, Some(113), 240), (16, Some(256), 512)] {
            let mut slot = Slot { max_align, ..USUAL };
            slot.keep_keys(tlv_len);
            assert_eq!(slot.content_keys, size);
        }
    }

    #[test]
    fn an_ending_is_read_as_it_was_written() {
        for (max_align, endian) in
            [(8, Endian::Little), (16, Endian::Little), (32, Endian::Little), (16, Endian::Big), (32, Endian::Big)]
        {
            for image_ok in [None, Some(true)] {
                for erased in [0, 0xff] {
                    let trailer = Trailer { size: 200, erased, max_align, endian, image_ok };
                    let ending = Ending::Trailer(trailer);
                    let layout = Layout::new([vec![Piece::Bytes(b"tlvs".to_vec())], ending.pieces(4)].concat());
                    let bytes = with_source(b" ", |source| source.bytes_of(&layout, 200)).unwrap();
                    assert_eq!(read(&bytes, Some(erased), None), Ok(ending.clone()));
                    assert_eq!(read(&bytes, None, Some(200)), Ok(ending));
                    assert!(read(&bytes, Some(!erased), None).is_err());
                    for at in 4..bytes.len() {
                        let mut twin = bytes.clone();
                        twin[at] ^= 2;
                        assert!(read(&twin, None, Some(200)).is_err(), "{at}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_neither_erased_nor_a_trailer_is_refused() {
        assert_eq!(read(b"tlvs", Some(0xff), None), Ok(Ending::Nothing));
        assert_eq!(read(b"tlvs\xff", Some(0xff), None), Err("trailing-bytes"));
        assert_eq!(read(b"tlvs\xff", Some(0xff), Some(5)), Ok(Ending::Erased { size: 5, erased: 0xff }));
        assert_eq!(read(b"tlvs\xff", Some(0), Some(5)), Err("trailing-bytes"));
        assert_eq!(read(b"tlvs.", None, Some(5)), Err("trailing-bytes"));
        let short = [b"tlvs", &[0xff; 15][..], &MAGIC].concat();
        assert_eq!(read(&short, Some(0xff), None), Err("trailer"));
    }
}
