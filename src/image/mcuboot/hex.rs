//! Intel HEX: an image as text, with the addresses where it goes.
//!
//! ```text
//! record      ':' length u8, address u16, type u8, data, checksum u8     in hexadecimal; big-endian
//! type        00 data, 01 end, 02 segment (data * 16), 04 upper half of addresses, 03 and 05 start of the program
//! ```
//!
//! Source: Intel, Hexadecimal Object File Format Specification, revision A, 1988.

use std::collections::BTreeMap;

use super::{Bad, Error, Fault, MESSAGE_LIMIT, Source};
use crate::files::{from_hex, to_hex};

/// The data of one record, as imgtool has it.
const RECORD: usize = 16;

/// The longest line: 255 bytes of data.
const LINE_LIMIT: u64 = 1 + 2 * (5 + 255);

/// How much of the text is read at a time.
const READ: u64 = 256 << 10;

/// Where an address's upper half changes.
const BANK: u64 = 1 << 16;

/// The most pieces between holes: more than there are sections in a program, and few to hold.
const SEGMENTS_LIMIT: usize = 1 << 12;

/// An address, and the bytes there.
type Placed = (u64, Vec<u8>);

/// Bytes at their address.
type Segments = BTreeMap<u64, Vec<u8>>;

/// Puts the image in the place of its text, where the source holds Intel HEX; returns its first address. Holes are
/// filled with `fill`.
///
/// Text is known by its first record. The image is held in memory: at most [`MESSAGE_LIMIT`].
pub fn decode(source: &mut Source<'_>, fill: u8) -> Result<Option<u64>, Fault> {
    let Some((base, image)) = read(source, fill)? else { return Ok(None) };
    source.replace(image);
    Ok(Some(base))
}

/// The image that a source holds as Intel HEX, with its first address.
pub fn read(source: &mut Source<'_>, fill: u8) -> Result<Option<Placed>, Fault> {
    if !is_hex(source)? {
        return Ok(None);
    }
    let segments = parse(source)?.map_err(|why| Bad::new("hex", format!("the Intel HEX is malformed: {why}")))?;
    let base = segments.keys().next().copied().unwrap_or(0);
    let end = segments.iter().map(|(at, bytes)| at + bytes.len() as u64).max().unwrap_or(0);
    if end - base > MESSAGE_LIMIT {
        return Err(too_large(source).into());
    }
    // At most MESSAGE_LIMIT, which a usize holds.
    let mut image = Vec::with_capacity((end - base) as usize);
    for (at, bytes) in segments {
        image.resize((at - base) as usize, fill);
        image.extend(bytes);
    }
    Ok(Some((base, image)))
}

fn too_large(source: &Source<'_>) -> Error {
    Error::TooLarge { path: source.path().to_owned(), limit: MESSAGE_LIMIT }
}

/// Whether the source starts with a record.
pub fn is_hex(source: &mut Source<'_>) -> Result<bool, Error> {
    let length = source.seekable()?;
    let start = source.span(0..length.min(LINE_LIMIT))?;
    Ok(start.split(u8::is_ascii_whitespace).next().is_some_and(|line| record(line).is_ok()))
}

/// The type, address and data of a record.
fn record(line: &[u8]) -> Result<(u8, u16, Vec<u8>), &'static str> {
    let digits = line.strip_prefix(b":").ok_or("a line does not start with a colon")?;
    let text = std::str::from_utf8(digits).map_err(|_| "a line is no text")?;
    let bytes = from_hex(text).ok_or("a record is not hexadecimal")?;
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    match bytes.as_slice() {
        [length, a1, a0, kind, data @ .., _] if data.len() == usize::from(*length) => {
            let is_sound = sum == 0;
            if is_sound {
                Ok((*kind, u16::from_be_bytes([*a1, *a0]), data.to_vec()))
            } else {
                Err("a checksum is wrong")
            }
        }
        _ => Err("a record has another length than it says"),
    }
}

/// Reads the text record by record; it may be several times as long as the image.
fn parse(source: &mut Source<'_>) -> Result<Result<Segments, &'static str>, Error> {
    let length = source.seekable()?;
    let mut reader = Reader::default();
    let mut line = Vec::new();
    let mut place = 0;
    while place < length {
        let end = length.min(place + READ);
        let text = source.span(place..end)?;
        let mut lines = text.split(u8::is_ascii_whitespace);
        // Of what follows the last blank there may be more.
        let last = lines.next_back().unwrap_or_default();
        for part in lines {
            line.extend_from_slice(part);
            if let Err(why) = reader.take(&line) {
                return Ok(Err(why));
            }
            line.clear();
        }
        line.extend_from_slice(last);
        if line.len() as u64 > LINE_LIMIT {
            return Ok(Err("a line is longer than a record"));
        }
        if reader.size > MESSAGE_LIMIT {
            return Err(too_large(source));
        }
        place = end;
    }
    Ok(reader.take(&line).and_then(|()| reader.finish()))
}

/// What the records so far have said.
#[derive(Default)]
struct Reader {
    segments: Segments,
    /// The bytes in the segments.
    size: u64,
    /// What is added to the addresses.
    offset: u64,
    has_ended: bool,
}

impl Reader {
    fn take(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.is_empty() {
            return Ok(());
        }
        if self.has_ended {
            return Err("something follows its end record");
        }
        match record(line)? {
            (0x00, address, data) => {
                let place = self.offset + u64::from(address);
                if place + data.len() as u64 > 1 << 32 {
                    return Err("an address is longer than 32 bits");
                }
                self.size += data.len() as u64;
                insert(&mut self.segments, place, data)?;
                if self.segments.len() > SEGMENTS_LIMIT {
                    return Err("it has too many holes");
                }
            }
            (0x01, _, data) if data.is_empty() => self.has_ended = true,
            (0x02, _, data) => self.offset = u64::from(two(&data)?) << 4,
            (0x04, _, data) => self.offset = u64::from(two(&data)?) << 16,
            (0x03 | 0x05, _, data) if data.len() == 4 => {}
            _ => return Err("a record is of an unknown type"),
        }
        Ok(())
    }

    fn finish(self) -> Result<Segments, &'static str> {
        if !self.has_ended {
            return Err("its end record is missing");
        }
        if self.segments.is_empty() { Err("it has no data") } else { Ok(self.segments) }
    }
}

fn two(data: &[u8]) -> Result<u16, &'static str> {
    data.try_into().map(u16::from_be_bytes).map_err(|_| "an address record has another length than two")
}

/// Adds bytes to the segment that ends where they start, or as a new one. Bytes in the same place twice are refused.
fn insert(segments: &mut Segments, place: u64, data: Vec<u8>) -> Result<(), &'static str> {
    if data.is_empty() {
        return Ok(());
    }
    let end = place + data.len() as u64;
    if segments.range(place..end).next().is_some() {
        return Err("an address stands twice");
    }
    if let Some((at, bytes)) = segments.range_mut(..place).next_back() {
        match (at + bytes.len() as u64).cmp(&place) {
            std::cmp::Ordering::Greater => return Err("an address stands twice"),
            std::cmp::Ordering::Equal => {
                bytes.extend(data);
                return Ok(());
            }
            std::cmp::Ordering::Less => {}
        }
    }
    segments.insert(place, data);
    Ok(())
}

/// Writes segments as text, record for record as imgtool does. They overlap nowhere; `None` where an address is longer
/// than 32 bits.
pub fn encode(segments: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Option<Vec<u8>> {
    let mut joined = Segments::new();
    for (place, bytes) in segments {
        insert(&mut joined, place, bytes).ok()?;
    }
    let end = joined.iter().map(|(at, bytes)| at + bytes.len() as u64).max()?;
    if end > 1 << 32 {
        return None;
    }
    let mut text = Vec::new();
    let mut bank = None;
    for (at, bytes) in &joined {
        let mut place = *at;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let upper = place / BANK;
            if end > BANK && bank != Some(upper) {
                // Below 2^16, since the place is below 2^32.
                write(&mut text, 0x04, 0, &(upper as u16).to_be_bytes());
                bank = Some(upper);
            }
            let room = BANK - place % BANK;
            let count = rest.len().min(RECORD).min(usize::try_from(room).unwrap_or(RECORD));
            let (data, after) = rest.split_at(count);
            write(&mut text, 0x00, (place % BANK) as u16, data);
            place += count as u64;
            rest = after;
        }
    }
    write(&mut text, 0x01, 0, &[]);
    Some(text)
}

fn write(text: &mut Vec<u8>, kind: u8, address: u16, data: &[u8]) {
    let [a1, a0] = address.to_be_bytes();
    // A record has at most RECORD bytes of data.
    let mut bytes = vec![data.len() as u8, a1, a0, kind];
    bytes.extend(data);
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.push(sum.wrapping_neg());
    text.push(b':');
    text.extend(to_hex(&bytes).to_uppercase().bytes());
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn decoded(text: &[u8]) -> Result<Option<(u64, Vec<u8>)>, String> {
        let mut source = Source::from_bytes(Path::new("image"), text.to_vec(), |_| {});
        let base = decode(&mut source, 0xff).map_err(|fault| match fault {
            Fault::Bad(bad) => bad.words,
            Fault::Error(error) => error.to_string(),
        })?;
        Ok(base.map(|base| (base, source.bytes(MESSAGE_LIMIT).unwrap())))
    }

    #[test]
    fn text_is_read_as_it_was_written() {
        let bytes: Vec<u8> = (0..1000u32).map(|number| number as u8).collect();
        for base in [0, 7, 0xfff0, 0x0800_fe00, 0xffff_fc18] {
            let text = encode([(base, bytes.clone())]).unwrap();
            assert_eq!(decoded(&text), Ok(Some((base, bytes.clone()))), "{base:x}");
        }
        assert_eq!(encode([(0xffff_fc19, bytes)]), None);
        let text = encode([(0x1_0000, vec![1]), (0x3_0000, vec![2])]).unwrap();
        let (base, bytes) = decoded(&text).unwrap().unwrap();
        assert_eq!((base, bytes.len(), bytes[0], bytes[1], bytes[0x2_0000]), (0x1_0000, 0x2_0001, 1, 0xff, 2));
    }

    /// The example of the specification's data record, and what may not follow it.
    #[test]
    fn malformed_text_is_refused_and_other_files_are_none() {
        let record = ":0B0010006164647265737320676170A7";
        assert_eq!(decoded(format!("{record}\r\n:00000001FF\r\n").as_bytes()), Ok(Some((16, b"address gap".to_vec()))));
        for other in [&b":0B0010006164647265737320676170A8\n"[..], b":", b":zz", b"\x3d\xb8\xf3\x96", b":00000001FE"] {
            assert_eq!(decoded(other), Ok(None), "{other:?}");
        }
        for (tail, why) in [
            ("", "end record is missing"),
            (":00000001FF\n:00000001FF", "follows its end"),
            (":00000001FE", "checksum"),
            ("x", "colon"),
            (":00000006FA", "unknown type"),
            (":020000040000", "length"),
            (":0100000400FB", "two"),
            (":0100150000EA", "twice"),
        ] {
            let error = decoded(format!("{record}\n{tail}\n").as_bytes()).unwrap_err();
            assert!(error.contains(why), "{tail}: {error}");
        }
        let mut holes: String = (0..=SEGMENTS_LIMIT)
            .map(|number| {
                let mut text = Vec::new();
                write(&mut text, 0x00, 2 * number as u16, b"x");
                String::from_utf8(text).unwrap()
            })
            .collect();
        holes.push_str(":00000001FF\n");
        assert!(decoded(holes.as_bytes()).unwrap_err().contains("too many holes"));
        assert!(decoded(b":00000001FF\n").unwrap_err().contains("no data"));
        let far = ":020000040000FA\n:0100000000FF\n:02000004FFFFFC\n:0100000000FF\n:00000001FF\n";
        assert!(decoded(far.as_bytes()).unwrap_err().contains("64 MiB"));
    }

    /// Of a text that is longer than what is read at once, each record is read whole.
    #[test]
    fn long_text_is_read_in_parts() {
        let bytes: Vec<u8> = (0..400_000u32).map(|number| (number >> 3) as u8).collect();
        let text = encode([(0, bytes.clone())]).unwrap();
        assert!(text.len() as u64 > 3 * READ);
        assert_eq!(decoded(&text), Ok(Some((0, bytes))));
        let first = &b":0B0010006164647265737320676170A7\n"[..];
        for blanks in READ as usize - first.len() - 20..READ as usize - first.len() + 20 {
            let spaced = [first, &b" ".repeat(blanks), b":00000001FF"].concat();
            assert_eq!(decoded(&spaced).map(|found| found.map(|(base, _)| base)), Ok(Some(16)), "{blanks}");
        }
        let endless = [first, b":", &b"0".repeat(3 * READ as usize)].concat();
        assert!(decoded(&endless).unwrap_err().contains("longer than a record"));
    }
}
