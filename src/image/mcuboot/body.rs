//! What is signed of a new image: header, payload, protected TLVs.

use std::ops::Range;

use super::anatomy::key_bytes;
use super::encryption::{BLOCK, Encryption};
use super::header::{Endian, HEADER_SIZE, Header};
use super::options::{self, Content};
use super::tlv;
use super::{CipherKey, Error, Layout, Piece, Settings, Source, Unfit};
use crate::key::{Hash, PublicKey};

/// The body of a new image.
pub struct Body {
    /// The header and its filler.
    header: [Piece; 2],
    /// The payload, filled up where it is to be encrypted.
    payload: [Piece; 2],
    protected: Piece,
}

impl Body {
    /// Puts a header before the image in `source`, or into its blank start.
    pub fn new(
        source: &mut Source<'_>,
        content: &Content,
        (key, hash): (Option<&PublicKey>, Hash),
        encryption: Option<&Encryption>,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let endian = options::endian(settings);
        let (filler, payload) = place(source, content, options::erased(settings).unwrap_or(options::ERASED))?;
        let payload_size = payload.end - payload.start;
        let padding = match encryption {
            // Of header and payload together (`scripts/imgtool/image.py`, `create`).
            Some(_) => BLOCK - 1 - (u64::from(content.header_size) + payload_size + BLOCK - 1) % BLOCK,
            None => 0,
        };
        let image_size = payload_size + padding;
        let no_room = || Unfit::NoRoom { size: image_size, room: u32::MAX.into() };
        let protected = protected(content, key, hash, endian)?;
        let header = Header {
            endian,
            load_address: content.load_address,
            header_size: content.header_size,
            // An area is no longer than this says.
            protected_size: protected.len() as u16,
            image_size: u32::try_from(image_size).map_err(|_| no_room())?,
            flags: content.flags | encryption.map_or(0, Encryption::flag),
            version: content.version,
        };
        Ok(Self {
            header: [Piece::Bytes(header.to_bytes().to_vec()), filler],
            payload: [Piece::Span(payload), Piece::Fill { byte: 0, count: padding }],
            protected: Piece::Bytes(protected),
        })
    }

    /// The body as it is signed.
    pub fn plain(&self) -> Layout {
        Layout::new(self.header.iter().chain(&self.payload).chain([&self.protected]).cloned())
    }

    /// The body with an encrypted payload.
    pub fn ciphered(self, key: CipherKey) -> Layout {
        let payload = Piece::Ciphered { key, layout: Layout::new(self.payload) };
        Layout::new(self.header.into_iter().chain([payload, self.protected]))
    }
}

/// What fills the header up to its size, and where the payload is.
fn place(source: &mut Source<'_>, content: &Content, erased: u8) -> Result<(Piece, Range<u64>), Error> {
    let length = source.seekable()?;
    let (fields, size) = (HEADER_SIZE as u64, u64::from(content.header_size));
    if content.pads_header {
        return Ok((Piece::Fill { byte: erased, count: size - fields }, 0..length));
    }
    if length <= size {
        return Err(Error::malformed("it has nothing behind the place of its header"));
    }
    let start = source.span(0..size)?;
    if ![0, erased].into_iter().any(|blank| start.iter().all(|byte| *byte == blank)) {
        return Err(Unfit::NoHeaderRoom { size }.into());
    }
    Ok((Piece::Span(fields..size), size..length))
}

/// The protected area; no bytes where there is none.
fn protected(content: &Content, key: Option<&PublicKey>, hash: Hash, endian: Endian) -> Result<Vec<u8>, Error> {
    let signer_id = match key {
        Some(key) => hash.digest(key_bytes(key)).bytes().to_vec(),
        // As long as a SHA-256, whatever the image's hash (`scripts/imgtool/image.py`, `create`).
        None => vec![0; Hash::Sha256.output_len()],
    };
    match content.protected(hash, &signer_id, endian).as_slice() {
        [] => Ok(Vec::new()),
        tlvs => super::area(tlv::PROTECTED, tlvs, endian),
    }
}
