//! What stands in an image as it stands there, for whoever looks for what is wrong with it. Nothing is judged.

use super::anatomy::area;
use super::header::{HEADER_SIZE, Header, flag};
use super::tlv::{self, Tlv};
use super::trailer::{align_of, magic_field};
use super::{Bad, Error, Fault, Source, hex, options};

/// An image in its parts.
#[derive(Debug)]
pub struct Dump {
    pub header: Header,
    /// The area that signatures cover, where the header says that there is one.
    pub protected: Option<Area>,
    /// The area behind it.
    pub unprotected: Area,
    /// The end of the file, where the TLVs are not the end.
    pub trailer: Option<Trailer>,
}

/// A TLV area.
#[derive(Debug)]
pub struct Area {
    pub magic: u16,
    /// Its size with its head, as that says.
    pub total: u64,
    pub tlvs: Vec<Tlv>,
}

/// The end of a slot.
#[derive(Debug)]
pub struct Trailer {
    /// The last sixteen bytes.
    pub magic: [u8; 16],
    /// What stands before them, where they are a magic of MCUboot.
    pub fields: Option<Fields>,
}

/// The fields of a trailer: of each the first byte, which is what counts.
#[derive(Debug)]
pub struct Fields {
    pub image_ok: u8,
    pub copy_done: u8,
    pub swap_info: u8,
    pub swap_size: u32,
    /// The room for the keys of an encrypted image, where the bootloader keeps them decrypted.
    pub keys: Option<u64>,
}

impl Dump {
    /// Takes an image apart, in Intel HEX too. Bad is what has no header, or ends before an area does.
    pub fn read(source: &mut Source<'_>) -> Result<Self, Fault> {
        hex::decode(source, options::ERASED)?;
        let length = source.seekable()?;
        let start = source.span(0..length.min(HEADER_SIZE as u64))?;
        let Some(header) = start.first_chunk().and_then(Header::from_bytes) else {
            return Err(Bad::new("bad-magic", "the image does not start with a header of MCUboot").into());
        };
        let mut place = u64::from(header.header_size) + u64::from(header.image_size);
        let mut next = |source: &mut Source<'_>, magic| -> Result<Area, Fault> {
            let (tlvs, end) = area(source, header.endian, (place, length), magic)?;
            let total = end - place;
            place = end;
            Ok(Area { magic, total, tlvs })
        };
        let protected = match header.protected_size {
            0 => None,
            _ => Some(next(source, tlv::PROTECTED)?),
        };
        let unprotected = next(source, tlv::UNPROTECTED)?;
        let trailer = if place == length { None } else { Trailer::read(source, &header, (place, length))? };
        Ok(Self { header, protected, unprotected, trailer })
    }
}

impl Trailer {
    /// Reads the last bytes of a file; `None` where there are fewer than a magic has.
    ///
    /// ```text
    /// trailer     ..., swap size u32, swap info u8, copy done u8, image ok u8, magic      each max_align long, or more
    /// ```
    fn read(source: &mut Source<'_>, header: &Header, (start, length): (u64, u64)) -> Result<Option<Self>, Error> {
        let mut magic = [0; 16];
        let Some(place) = length.checked_sub(magic.len() as u64).filter(|place| *place >= start) else {
            return Ok(None);
        };
        source.read_at(&mut magic, place)?;
        let align = align_of(&magic).map(|(align, _)| align);
        let fields = align.map(|align| Fields::read(source, header, (start, length), align)).transpose()?.flatten();
        Ok(Some(Self { magic, fields }))
    }
}

impl Fields {
    /// Reads the fields before a magic that stands for this alignment; `None` where the file begins behind them.
    fn read(
        source: &mut Source<'_>,
        header: &Header,
        (start, length): (u64, u64),
        align: u64,
    ) -> Result<Option<Self>, Error> {
        let place =
            |number: u64| length.checked_sub(magic_field(align) + number * align).filter(|place| *place >= start);
        let (Some(image_ok), Some(copy_done), Some(swap_info), Some(swap_size)) =
            (place(1), place(2), place(3), place(4))
        else {
            return Ok(None);
        };
        let mut byte = |place| {
            let mut byte = [0];
            source.read_at(&mut byte, place).map(|()| byte[0])
        };
        let (image_ok, copy_done, swap_info) = (byte(image_ok)?, byte(copy_done)?, byte(swap_info)?);
        let mut size = [0; 4];
        source.read_at(&mut size, swap_size)?;
        let swap_size = header.endian.of_u32(size);
        // Two keys of at most sixteen bytes, each rounded up (`scripts/imgtool/dumpinfo.py`).
        let keys = header.has(flag::ENCRYPTED).then(|| 2 * KEY_SIZE.next_multiple_of(align));
        Ok(Some(Self { image_ok, copy_done, swap_info, swap_size, keys }))
    }
}

/// The size of the key of an encrypted image, as the trailer has it.
const KEY_SIZE: u64 = 16;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::image::mcuboot::header::{Endian, Version};

    fn read(bytes: &[u8]) -> Result<Dump, Bad> {
        let dump = Dump::read(&mut Source::from_bytes(Path::new("image"), bytes.to_vec(), |_| {}));
        crate::image::judged(dump).unwrap()
    }

    /// A header, a payload of four bytes, both areas; then what is given.
    fn image(endian: Endian, tail: &[u8]) -> Vec<u8> {
        let area = |magic| tlv::area(magic, &[Tlv::new(0x50, [1, 2, 3, 4])], endian).unwrap();
        let header = Header {
            endian,
            load_address: 1,
            header_size: 32,
            protected_size: 12,
            image_size: 4,
            flags: flag::ENCRYPTED_AES128,
            version: Version { major: 1, minor: 2, revision: 3, build: 4 },
        };
        [&header.to_bytes()[..], b"load", &area(tlv::PROTECTED), &area(tlv::UNPROTECTED), tail].concat()
    }

    #[test]
    fn an_image_is_shown_as_it_stands_there_and_a_part_of_one_is_bad() {
        let magic = 0x77c2_95f3_60d2_ef7f_3552_500f_2cb6_7980_u128.to_be_bytes();
        let fields = |numbers: [u8; 4]| numbers.map(|number| [number; 8]).concat();
        for endian in [Endian::Little, Endian::Big] {
            let whole = image(endian, &[&fields([4, 3, 2, 1])[..], &magic].concat());
            let dump = read(&whole).unwrap();
            assert_eq!(dump.protected.unwrap().tlvs, dump.unprotected.tlvs);
            let fields = dump.trailer.unwrap().fields.unwrap();
            let Fields { image_ok, copy_done, swap_info, swap_size, keys } = fields;
            assert_eq!((image_ok, copy_done, swap_info, swap_size, keys), (1, 2, 3, 0x0404_0404, Some(32)));
            let end = image(endian, &[]).len();
            for length in 1..whole.len() {
                let dump = read(&whole[..length]);
                assert_eq!(dump.is_ok(), length >= end, "{length}");
                // Fewer bytes than a magic has are no trailer.
                let has_trailer = dump.is_ok_and(|dump| dump.trailer.is_some());
                assert_eq!(has_trailer, length >= end + 16, "{length}");
            }
        }
    }

    #[test]
    fn no_byte_leads_beyond_the_end() {
        let whole = image(Endian::Little, &[0xff; 20]);
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut twin = whole.clone();
                twin[at] = byte;
                // Whatever it finds, it ends and takes no more than there is.
                if let Ok(dump) = read(&twin) {
                    assert!(dump.unprotected.total <= twin.len() as u64);
                }
            }
        }
    }
}
