//! The text that signify and minisign write keys and signatures in: a line of comment, and base64 in the line below it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// ```text
/// commented = mark comment LF base64 LF         ; jedisct1/minisign src/minisign.c, sig_load and seckey_load
/// mark      = "untrusted comment: " / "trusted comment: "
/// ```
///
/// A CR before the LF is not part of the line; the last LF of a file may be missing.
pub struct Commented<'a> {
    /// The comment, without mark and line end. It has no NUL and no CR.
    pub comment: &'a [u8],
    /// What the base64 stands for. Wiped when dropped, since it may be a private key.
    pub data: Zeroizing<Vec<u8>>,
}

impl<'a> Commented<'a> {
    /// The mark of a comment that nothing vouches for.
    pub const UNTRUSTED: &'static str = "untrusted comment: ";

    /// Takes a comment of at most `limit` bytes, counted with its mark and line end, and the base64 below it off the
    /// front of `text`. The error says what is wrong, as `the comment is too long`.
    ///
    /// Base64 is read strictly (RFC 4648 section 4, with padding): data has one text only.
    pub fn take(text: &mut &'a [u8], mark: &str, limit: usize) -> Result<Self, &'static str> {
        let start = text.len();
        let line = line(text).ok_or("the line of the comment is missing")?;
        if start - text.len() > limit {
            return Err("the comment is too long");
        }
        let comment = line.strip_prefix(mark.as_bytes()).ok_or("the line of the comment is missing")?;
        if comment.iter().any(|byte| matches!(byte, 0 | b'\r')) {
            return Err("the comment is no text of one line");
        }
        let base64 = self::line(text).ok_or("the line below the comment is missing")?;
        let data = STANDARD.decode(base64).map_err(|_| "the line below the comment is not base64")?;
        Ok(Self { comment, data: Zeroizing::new(data) })
    }

    /// Writes both lines. The comment is one line of text.
    pub fn write(mark: &str, comment: &str, data: &[u8]) -> Zeroizing<String> {
        let base64 = Zeroizing::new(STANDARD.encode(data));
        Zeroizing::new([mark, comment, "\n", base64.as_str(), "\n"].concat())
    }
}

/// Takes the first line off; `None` where nothing is left.
fn line<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(|byte| *byte == b'\n');
    let (line, rest) = text.split_at(end.map_or(text.len(), |end| end + 1));
    *text = rest;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Result<(String, Vec<u8>, String), &'static str> {
        let mut rest = text.as_bytes();
        let found = Commented::take(&mut rest, "untrusted comment: ", 32)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(found.comment), found.data.to_vec(), text(rest)))
    }

    #[test]
    fn what_is_written_is_read() {
        let written = Commented::write(Commented::UNTRUSTED, "a key", b"abcd");
        assert_eq!(*written, "untrusted comment: a key\nYWJjZA==\n");
        let (found, data) = (|rest: &str| Ok(("a key".to_owned(), b"abcd".to_vec(), rest.to_owned())), &*written);
        assert_eq!(taken(data), found(""));
        assert_eq!(taken(data.trim_end()), found(""));
        assert_eq!(taken(&data.replace('\n', "\r\n")), found(""));
        assert_eq!(taken(&format!("{data}more")), found("more"));
    }

    #[test]
    fn what_is_no_comment_over_base64_is_refused() {
        for (text, wrong) in [
            ("", "the line of the comment is missing"),
            ("\n", "the line of the comment is missing"),
            ("comment: a\nYWJjZA==\n", "the line of the comment is missing"),
            ("untrusted comment:a\nYWJjZA==\n", "the line of the comment is missing"),
            ("untrusted comment: a", "the line below the comment is missing"),
            ("untrusted comment: a\n", "the line below the comment is missing"),
            ("untrusted comment: a\0b\nYWJjZA==\n", "the comment is no text of one line"),
            ("untrusted comment: a\rb\nYWJjZA==\n", "the comment is no text of one line"),
            ("untrusted comment: a\nYWJjZA=\n", "the line below the comment is not base64"),
            // The bits behind the last byte are not zero.
            ("untrusted comment: a\nYWJjZB==\n", "the line below the comment is not base64"),
            ("untrusted comment: a\n YWJjZA==\n", "the line below the comment is not base64"),
            ("untrusted comment: a\nYWJj ZA==\n", "the line below the comment is not base64"),
            ("untrusted comment: 3456789012345\nYWJjZA==\n", "the comment is too long"),
        ] {
            assert_eq!(taken(text), Err(wrong), "{text:?}");
        }
        assert!(taken("untrusted comment: 345678901234\nYWJjZA==\n").is_ok());
    }
}
