//! Base64 (RFC 4648 section 4), with padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Encodes on one line.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes text that may be broken into lines; `None` for anything else.
pub fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}
