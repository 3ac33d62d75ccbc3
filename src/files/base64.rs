//! Base64 (RFC 4648 section 4), with padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Encodes on one line.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes text that may be broken into lines; `None` for anything else.
pub fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    // It may be a private key: the copy without white space is wiped, and does not grow.
    let mut joined = Zeroizing::new(Vec::with_capacity(text.len()));
    joined.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
    STANDARD.decode(&joined).ok()
}
