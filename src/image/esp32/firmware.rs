//! Where firmware for an ESP32 ends, by its own header: there a device looks for the signature.
//!
//! ```text
//! Firmware = e9 segments:u8 any[21] hash_appended:u8   -- 24 bytes; 1 to 16 segments
//!            Segment* 00* checksum:u8                  -- to a multiple of 16 bytes
//!            sha256[32]?                               -- unless hash_appended is 0
//! Segment  = load_addr:u32 data_len:u32 data[data_len] -- little-endian; a multiple of 4 bytes, below 16 MiB
//! ```
//!
//! Source: espressif/esp-idf `components/bootloader_support/src/esp_image_format.c`, which then looks for the signature at
//! the next sector, whatever the size of the file was.

use crate::image::{Error, Source};

const MAGIC: u8 = 0xe9;
const HEADER: u64 = 24;
const SEGMENT_HEADER: u64 = 8;
const MOST_SEGMENTS: u8 = 16;
const SEGMENT_LIMIT: u32 = 16 << 20;
const DIGEST: u64 = 32;

/// The number of bytes that the header gives to the first `length` bytes of a file, more than `length` where they are
/// cut short; `None` where they are no firmware, as a partition table is not.
pub fn end(source: &mut Source<'_>, length: u64) -> Result<Option<u64>, Error> {
    if length < HEADER {
        return Ok(None);
    }
    let header = source.span(0..HEADER)?;
    let [MAGIC, segments @ 1..=MOST_SEGMENTS, .., hash_appended] = header[..] else { return Ok(None) };
    let mut end = HEADER;
    for _ in 0..segments {
        let data = end + SEGMENT_HEADER;
        if data > length {
            return Ok(Some(data));
        }
        let data_len = source.span(end..data)?.last_chunk().map_or(0, |len| u32::from_le_bytes(*len));
        if !data_len.is_multiple_of(4) || data_len >= SEGMENT_LIMIT {
            return Ok(None);
        }
        end = data + u64::from(data_len);
    }
    let end = (end + 1).next_multiple_of(16);
    Ok(Some(if hash_appended == 0 { end } else { end + DIGEST }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn end_of(bytes: &[u8]) -> Option<u64> {
        let mut source = Source::from_bytes(Path::new("image"), bytes.to_vec(), |_| {});
        end(&mut source, bytes.len() as u64).unwrap()
    }

    #[test]
    fn the_end_is_that_of_the_last_segment_with_checksum_and_digest() {
        let firmware =
            |segments: u8, hashed: u8, rest: &[u8]| [&[MAGIC, segments], &[0; 21][..], &[hashed], rest].concat();
        let segment = |len: u32| [&[0; 4], &len.to_le_bytes()[..], &vec![0; len as usize % 4096]].concat();
        for (bytes, expected) in [
            (firmware(1, 0, &segment(0)), Some(48)),
            (firmware(1, 1, &segment(0)), Some(80)),
            (firmware(1, 0, &segment(12)), Some(48)),
            (firmware(1, 0, &segment(16)), Some(64)),
            (firmware(2, 0, &[segment(8), segment(4)].concat()), Some(64)),
            // Cut short: behind a segment of 8 MiB, and where the second segment ought to be.
            (firmware(1, 0, &segment(8 << 20)), Some(32 + (8 << 20) + 16)),
            (firmware(2, 0, &segment(8)), Some(48)),
            (firmware(0, 0, &segment(0)), None),
            (firmware(17, 0, &segment(0)), None),
            (firmware(1, 0, &segment(3)), None),
            (firmware(1, 0, &segment(16 << 20)), None),
            (firmware(1, 0, &segment(u32::MAX)), None),
            ([&[0xea], &firmware(1, 0, &segment(0))[1..]].concat(), None),
            (vec![MAGIC, 1], None),
        ] {
            assert_eq!(end_of(&bytes), expected, "{:x?}", &bytes[..bytes.len().min(32)]);
        }
    }
}
