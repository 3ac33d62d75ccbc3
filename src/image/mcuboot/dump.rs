//! What stands in an image as it stands there, for whoever looks for what is wrong with it. Nothing is judged.

use super::anatomy::area;
use super::header::{HEADER_SIZE, Header, flag};
use super::tlv::{self, Tlv};
use super::trailer::{align_of, magic_field};
use super::{Bad, Error, Source, hex, options};

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
    pub fn read(source: &mut Source<'_>) -> Result<Result<Self, Bad>, Error> {
        if let Err(bad) = hex::decode(source, options::ERASED)? {
            return Ok(Err(bad));
        }
        let length = source.seekable()?;
        let start = source.span(0..length.min(HEADER_SIZE as u64))?;
        let Some(header) = start.first_chunk().and_then(Header::from_bytes) else {
            return Ok(Err(Bad::new("bad-magic", "the image does not start with a header of MCUboot")));
        };
        let mut place = u64::from(header.header_size) + u64::from(header.image_size);
        let mut next = |source: &mut Source<'_>, magic| -> Result<Result<Area, Bad>, Error> {
            Ok(area(source, header.endian, (place, length), magic)?.map(|(tlvs, end)| {
                let total = end - place;
                place = end;
                Area { magic, total, tlvs }
            }))
        };
        let protected = match header.protected_size {
            0 => Ok(None),
            _ => next(source, tlv::PROTECTED)?.map(Some),
        };
        let (protected, unprotected) = match (protected, next(source, tlv::UNPROTECTED)?) {
            (Ok(protected), Ok(unprotected)) => (protected, unprotected),
            (Err(bad), _) | (_, Err(bad)) => return Ok(Err(bad)),
        };
        let trailer = if place == length { None } else { Trailer::read(source, &header, (place, length))? };
        Ok(Ok(Self { header, protected, unprotected, trailer }))
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
