//! Hexadecimal (RFC 4648 section 8).

/// Encodes in lower case.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes digits of either case, without separators; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    // The standard library takes a sign, which no byte has.
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_strictly() {
        assert_eq!(to_hex(&[0, 0x1f, 0xa0]), "001fa0");
        assert_eq!(from_hex("001FfA"), Some(vec![0, 0x1f, 0xfa]));
        assert_eq!(from_hex(""), Some(vec![]));
        for text in ["0", "+1", "0x", " 0", "0g", "ää"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }
}
