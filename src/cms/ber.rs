//! BER as OpenSSL streams it, rewritten into definite lengths.

use der::asn1::OctetStringRef;
use der::{Decode, Encode, Length, Reader, SliceReader};

use super::Error;

/// Deepest nesting of indefinite lengths that is followed. OpenSSL's streamed SignedData has six.
const DEPTH_LIMIT: usize = 16;

/// An OCTET STRING in segments: the constructed form, which DER forbids.
const SEGMENTED_STRING: u8 = 0x24;

/// Rewrites indefinite lengths and segmented OCTET STRINGs into definite, whole ones. Values of definite length are
/// copied as they are, so that what is signed keeps its bytes. Bytes after the value are an error.
pub fn definite(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let (value, rest) = first_value(bytes, 0)?;
    if !rest.is_empty() {
        return Err(Error::Malformed { what: "bytes follow it" });
    }
    Ok(value)
}

/// Rewrites the first value of `bytes`; returns it and what follows.
fn first_value(bytes: &[u8], depth: usize) -> Result<(Vec<u8>, &[u8]), Error> {
    let malformed = || Error::Malformed { what: "its BER encoding" };
    if depth > DEPTH_LIMIT {
        return Err(Error::Malformed { what: "its nesting is too deep" });
    }
    let (tag, mut body, rest) = match bytes {
        [tag, 0x80, body @ ..] if tag & 0x20 != 0 => (*tag, body, None),
        [tag, after_tag @ ..] if tag & 0x1f != 0x1f => {
            let mut reader = SliceReader::new(after_tag).map_err(|_| malformed())?;
            let length = Length::decode(&mut reader).map_err(|_| malformed())?;
            let body = reader.read_slice(length).map_err(|_| malformed())?;
            let (whole, rest) = bytes.split_at(bytes.len() - usize::try_from(reader.remaining_len()).unwrap_or(0));
            if *tag != SEGMENTED_STRING {
                return Ok((whole.to_vec(), rest));
            }
            (*tag, body, Some(rest))
        }
        // Nothing, or a tag number above 30, which CMS does not have.
        _ => return Err(malformed()),
    };
    let mut content = Vec::new();
    let rest = loop {
        match (rest, body) {
            (None, [0x00, 0x00, after @ ..]) => break after,
            (Some(rest), []) => break rest,
            _ => {}
        }
        let (value, after) = first_value(body, depth + 1)?;
        if tag == SEGMENTED_STRING {
            content.extend_from_slice(<&OctetStringRef>::from_der(&value).map_err(|_| malformed())?.as_bytes());
        } else {
            content.extend_from_slice(&value);
        }
        body = after;
    };
    let whole_tag = if tag == SEGMENTED_STRING { 0x04 } else { tag };
    let mut value = vec![whole_tag];
    Length::try_from(content.len())
        .and_then(|length| length.encode_to_vec(&mut value))
        .map_err(|_| Error::Malformed { what: "it is too long" })?;
    value.extend_from_slice(&content);
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definite_values_are_copied() {
        for der in [&[0x30, 0x03, 0x02, 0x01, 0x05][..], &[0x04, 0x00], &[0x30, 0x00]] {
            assert_eq!(definite(der).unwrap(), der);
        }
    }

    #[test]
    fn indefinite_lengths_and_segments_are_joined() {
        let ber = [0x30, 0x80, 0x24, 0x80, 0x04, 0x01, b'a', 0x24, 0x03, 0x04, 0x01, b'b', 0x00, 0x00, 0x00, 0x00];
        assert_eq!(definite(&ber).unwrap(), [0x30, 0x04, 0x04, 0x02, b'a', b'b']);
    }

    #[test]
    fn what_is_cut_or_too_deep_is_refused() {
        for ber in [&[0x30, 0x80][..], &[0x30, 0x80, 0x00], &[0x04, 0x80, 0x00, 0x00], &[], &[0x30, 0x00, 0x00]] {
            assert!(definite(ber).is_err(), "{ber:02x?}");
        }
        assert!(definite(&[0x30, 0x80].repeat(100_000)).is_err());
    }
}
