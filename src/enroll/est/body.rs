//! The bodies of EST: base64 without PEM lines (RFC 8951 section 3), and the media types that say what is in them.

use zeroize::Zeroizing;

use super::Unreadable;
use crate::files::{from_base64, to_base64};

/// Longest line of wrapped base64: what PEM has (RFC 7468 section 2), and what OpenSSL reads and writes.
const LINE_LENGTH: usize = 64;

/// How base64 is laid out. RFC 8951 section 3 lets receivers ignore white space, and not all do: libest reads no line of more
/// than some hundred characters, strongSwan before 5.9.11 no second line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// Lines of 64 characters, each with an LF.
    Lines,
    /// One line without an end.
    Whole,
}

impl Wrapping {
    /// The layout that a peer has shown to know by its own body.
    pub fn of(body: &[u8]) -> Self {
        if body.trim_ascii().contains(&b'\n') { Self::Lines } else { Self::Whole }
    }

    /// The layout for a peer that has sent no body: by its User-Agent, where it sends one.
    pub fn for_agent(agent: Option<&str>) -> Self {
        let agent = agent.unwrap_or_default().to_ascii_lowercase();
        if agent.contains("libest") || agent.contains("estclient") { Self::Lines } else { Self::Whole }
    }

    /// Encodes a body. It is wiped when dropped, since it may be a private key.
    pub fn encode(self, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        let text = Zeroizing::new(to_base64(bytes));
        if self == Self::Whole {
            return Zeroizing::new(text.as_bytes().to_vec());
        }
        // A vector that grows would leave copies behind.
        let mut lines = Zeroizing::new(Vec::with_capacity(text.len() + text.len().div_ceil(LINE_LENGTH)));
        for line in text.as_bytes().chunks(LINE_LENGTH) {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
        lines
    }
}

/// Decodes a body: base64, with white space anywhere. PEM lines, which RFC 8951 section 3.1 has no place for, and plain DER are
/// refused by name.
pub fn decode(body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let text = body.trim_ascii();
    match from_base64(text) {
        _ if text.is_empty() => Err(Unreadable::Empty),
        Some(bytes) => Ok(Zeroizing::new(bytes)),
        None if text.starts_with(b"-----BEGIN ") => Err(Unreadable::Pem),
        None if text.first() == Some(&0x30) && !text.is_ascii() => Err(Unreadable::Binary),
        None => Err(Unreadable::Base64),
    }
}

/// A media type with its parameters (RFC 9110 section 8.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype` in lower case.
    essence: String,
    /// Names in lower case, and values without their quotes.
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// PKCS#10 requests (RFC 5967).
    pub const REQUEST: &str = "application/pkcs10";
    /// CMS messages (RFC 8551 section 3.2).
    pub const CMS: &str = "application/pkcs7-mime";
    /// CMS of certificates alone.
    pub const CERTS_ONLY: &str = "application/pkcs7-mime; smime-type=certs-only";
    /// CMS of a private key, encrypted (RFC 7030 section 4.4.2).
    pub const SEALED_KEY: &str = "application/pkcs7-mime; smime-type=server-generated-key";
    /// CSR attributes (RFC 7030 section 4.5.2).
    pub const CSR_ATTRIBUTES: &str = "application/csrattrs";
    /// Private keys (RFC 5958 section 8).
    pub const PKCS8: &str = "application/pkcs8";
    /// Several parts (RFC 2046 section 5.1.3).
    pub const MIXED: &str = "multipart/mixed";

    /// Reads the value of a Content-Type field. What follows a parameter that cannot be read is ignored, as peers write odd
    /// ones and the type is what matters.
    pub fn parse(value: &str) -> Self {
        let (essence, mut rest) = value.split_once(';').unwrap_or((value, ""));
        let mut parameters = Vec::new();
        while let Some((name, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted_string(quoted),
                None => {
                    let (value, after) = after.split_once(';').unwrap_or((after, ""));
                    (value.trim().to_owned(), after)
                }
            };
            parameters.push((name.trim_matches([';', ' ', '\t']).to_ascii_lowercase(), value));
            rest = after;
        }
        Self { essence: essence.trim().to_ascii_lowercase(), parameters }
    }

    /// Whether it is a type, as `application/pkcs10`; parameters do not matter.
    pub fn is(&self, essence: &str) -> bool {
        self.essence == essence
    }

    /// The value of a parameter, the first where it comes twice.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// The content of a quoted-string behind its first quote, and what follows it (RFC 9110 section 5.6.4).
fn quoted_string(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    (value, characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for length in [1, 47, 48, 49, 96, 1000] {
            let bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let (lines, whole) = (Wrapping::Lines.encode(&bytes), Wrapping::Whole.encode(&bytes));
            assert!(lines.split(|byte| *byte == b'\n').all(|line| line.len() <= 64) && lines.ends_with(b"\n"));
            assert!(!whole.contains(&b'\n'));
            assert_eq!((decode(&lines).unwrap(), decode(&whole).unwrap()), (bytes.clone().into(), bytes.into()));
            assert_eq!(Wrapping::of(&whole), Wrapping::Whole);
            assert_eq!(Wrapping::of(&lines), if length > 48 { Wrapping::Lines } else { Wrapping::Whole });
        }
    }

    #[test]
    fn white_space_stands_anywhere_and_nothing_else_does() {
        for body in ["AQID", " AQ\r\nID\r\n", "\tA Q I D\n\n", "\nAQID"] {
            assert_eq!(decode(body.as_bytes()).unwrap().as_slice(), [1, 2, 3], "{body:?}");
        }
        let refused = |body: &[u8]| decode(body).unwrap_err();
        assert!(matches!(refused(b" \r\n"), Unreadable::Empty));
        assert!(matches!(refused(b"-----BEGIN CERTIFICATE REQUEST-----\nAQID\n"), Unreadable::Pem));
        assert!(matches!(refused(&[0x30, 0x82, 0x01, 0xff]), Unreadable::Binary));
        for body in ["AQI", "AQID=", "AQ-D", "AQID\u{e9}", "AQ\0ID", "A=QI"] {
            assert!(matches!(refused(body.as_bytes()), Unreadable::Base64), "{body:?}");
        }
    }

    #[test]
    fn agents_are_known() {
        for (agent, wrapping) in [
            (None, Wrapping::Whole),
            (Some("curl/8"), Wrapping::Whole),
            (Some("LIBEST 3.2"), Wrapping::Lines),
            (Some("estclient/1"), Wrapping::Lines),
        ] {
            assert_eq!(Wrapping::for_agent(agent), wrapping, "{agent:?}");
        }
    }

    #[test]
    fn media_types_are_read_as_peers_write_them() {
        let read = |text| MediaType::parse(text);
        assert!(read("Application/PKCS10").is(MediaType::REQUEST));
        assert!(read(" application/pkcs10 ; charset=us-ascii").is(MediaType::REQUEST));
        assert!(!read("application/pkcs10x").is(MediaType::REQUEST));
        let mixed = read("multipart/mixed ; Boundary=\"a b;=\\\"c\"; x=1");
        assert_eq!((mixed.parameter("boundary"), mixed.parameter("x")), (Some("a b;=\"c"), Some("1")));
        assert_eq!(read("multipart/mixed; boundary=abc ;y=2").parameter("boundary"), Some("abc"));
        for text in ["", ";", ";;=", "a/b; x", "a/b; x=\"", "a/b; x=\"\\", "=", "\u{e9};\u{e9}=\u{e9}"] {
            assert_eq!(read(text).parameter("boundary"), None, "{text}");
        }
    }
}
