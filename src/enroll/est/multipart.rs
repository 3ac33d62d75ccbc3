//! The answer of serverkeygen: a private key and its certificate as two parts of one body (RFC 7030 section 4.4.2).
//!
//! ```text
//! Content-Type: multipart/mixed; boundary=B
//!
//! --B
//! Content-Type: application/pkcs8
//! Content-Transfer-Encoding: base64
//!
//! MIG...
//! --B
//! Content-Type: application/pkcs7-mime; smime-type=certs-only
//! Content-Transfer-Encoding: base64
//!
//! MIIB...
//! --B--
//! ```

use std::path::Path;

use zeroize::Zeroizing;

use super::body::{self, MediaType, Wrapping};
use super::{SealedKeyError, Unreadable};
use crate::cms::SignedData;
use crate::files::{self, Document};
use crate::x509::Certificate;

/// Largest body that is read: 1 MiB, far above a key of RSA-8192 and a long chain.
const LENGTH_LIMIT: usize = 1 << 20;

/// Most parts that are read: there are two, and peers may add what they like.
const PARTS_LIMIT: usize = 16;

/// Most header lines of a part.
const HEADERS_LIMIT: usize = 32;

/// Longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_LIMIT: usize = 70;

/// What the smime-type of an encrypted key is.
const SEALED: &str = "server-generated-key";

/// Decrypts a key.
type Opener<'a> = dyn Fn(&[u8]) -> Result<Zeroizing<Vec<u8>>, SealedKeyError> + 'a;

/// A key that the server made, and what it certified.
#[derive(Clone, Debug)]
pub struct ServerKey {
    /// The private key: PKCS#8 as RFC 7030 has it, or PKCS#1 or SEC 1, which libest sends under the same name.
    pub key: Document,
    /// The certificates that came with it, in no order that means anything.
    pub certificates: Vec<Certificate>,
}

impl ServerKey {
    /// Writes the body for a key in PKCS#8 and a certs-only message; returns its Content-Type too. The boundary is any text
    /// that has a meaning nowhere: no line of base64 begins with two hyphens.
    pub(super) fn write(
        boundary: &str,
        key: &[u8],
        certs_only: &[u8],
        wrapping: Wrapping,
    ) -> (String, Zeroizing<Vec<u8>>) {
        Self::write_parts(boundary, (MediaType::PKCS8, key), certs_only, wrapping)
    }

    /// The same for a key that [`seal_key`](super::seal_key) has encrypted.
    pub(super) fn write_sealed(
        boundary: &str,
        sealed: &[u8],
        certs_only: &[u8],
        wrapping: Wrapping,
    ) -> (String, Zeroizing<Vec<u8>>) {
        Self::write_parts(boundary, (MediaType::SEALED_KEY, sealed), certs_only, wrapping)
    }

    fn write_parts(
        boundary: &str,
        (key_type, key): (&str, &[u8]),
        certs_only: &[u8],
        wrapping: Wrapping,
    ) -> (String, Zeroizing<Vec<u8>>) {
        let parts = [(key_type, wrapping.encode(key)), (MediaType::CERTS_ONLY, wrapping.encode(certs_only))];
        let length: usize = parts.iter().map(|(_, content)| content.len()).sum();
        // A vector that grows would leave copies of the key behind; what is not content stays below 1 KiB.
        let mut body = Zeroizing::new(Vec::with_capacity(length + 1024));
        for (media_type, content) in &parts {
            let header =
                format!("--{boundary}\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n");
            body.extend_from_slice(header.as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("{}; boundary={boundary}", MediaType::MIXED), body)
    }

    /// Reads a body of a Content-Type: the parts in either order, lines that end in LF or CRLF, with anything before the first
    /// part and behind the last. Parts of other types are skipped.
    pub fn read(media_type: &MediaType, body: &[u8]) -> Result<Self, Unreadable> {
        Self::read_parts(media_type, body, None)
    }

    /// The same where the key was asked for encrypted: `open` decrypts it, as [`open_key`](super::open_key) does. A key that is
    /// not encrypted is refused.
    pub fn read_sealed(
        media_type: &MediaType,
        body: &[u8],
        open: impl Fn(&[u8]) -> Result<Zeroizing<Vec<u8>>, SealedKeyError>,
    ) -> Result<Self, Unreadable> {
        Self::read_parts(media_type, body, Some(&open))
    }

    fn read_parts(media_type: &MediaType, body: &[u8], open: Option<&Opener<'_>>) -> Result<Self, Unreadable> {
        let malformed = |what| Err(Unreadable::Multipart { what });
        if !media_type.is(MediaType::MIXED) {
            return malformed("its Content-Type is not multipart/mixed");
        }
        let boundary = media_type.parameter("boundary").unwrap_or_default();
        if boundary.is_empty() || boundary.len() > BOUNDARY_LIMIT {
            return malformed("it has no boundary of 1 to 70 characters");
        }
        if body.len() > LENGTH_LIMIT {
            return malformed("it is larger than 1 MiB");
        }
        let (mut key, mut certificates) = (None, None);
        for part in parts(body, boundary.as_bytes())? {
            let (media_type, content) = part_content(part)?;
            let content = || body::decode(content);
            let is_sealed = media_type.is(MediaType::CMS)
                && media_type.parameter("smime-type").is_some_and(|kind| kind.eq_ignore_ascii_case(SEALED));
            if media_type.is(MediaType::PKCS8) || is_sealed {
                let pkcs8 = match (open, is_sealed) {
                    (None, false) => content()?,
                    (Some(open), true) => open(&content()?).map_err(Unreadable::SealedKey)?,
                    (None, true) => return malformed("its key is encrypted, which was not asked for"),
                    (Some(_), false) => return malformed("its key is not encrypted, which was asked for"),
                };
                if key.replace(private_key(&pkcs8)?).is_some() {
                    return malformed("it has two keys");
                }
            } else if media_type.is(MediaType::CMS) {
                let found = SignedData::certificates_only(&content()?).map_err(Unreadable::Cms)?;
                if certificates.replace(found).is_some() {
                    return malformed("it has two parts of certificates");
                }
            }
        }
        match (key, certificates) {
            (Some(key), Some(certificates)) => Ok(Self { key, certificates }),
            (None, _) => malformed("it has no private key"),
            (_, None) => malformed("it has no certificate"),
        }
    }
}

/// The one private key in the bytes of a part, of a kind that is told by its structure.
fn private_key(der: &[u8]) -> Result<Document, Unreadable> {
    let malformed = Unreadable::Multipart { what: "its key is no private key" };
    let Ok(mut documents) = files::documents(der, Path::new("-"), "a private key") else { return Err(malformed) };
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) if document.kind.is_private_key() => Ok(document),
        _ => Err(malformed),
    }
}

/// Splits a body at its boundaries (RFC 2046 section 5.1.1). The line end before a boundary is left with the part before it:
/// base64 has white space anywhere.
fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> Result<Vec<&'a [u8]>, Unreadable> {
    let mut found = Vec::new();
    let (mut at, mut start) = (0, None);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let begin = at;
        at += line.len();
        let Some(rest) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary)) else { continue };
        let is_last = match rest.trim_ascii() {
            b"" => false,
            b"--" => true,
            _ => continue,
        };
        if let Some(start) = start {
            found.push(body.get(start..begin).unwrap_or_default());
        }
        if found.len() > PARTS_LIMIT {
            return Err(Unreadable::Multipart { what: "it has more than 16 parts" });
        }
        if is_last {
            return Ok(found);
        }
        start = Some(at);
    }
    Err(Unreadable::Multipart { what: "it ends before its last boundary" })
}

/// The media type and the content of a part. A header line that begins with white space goes on with the line before it.
fn part_content(part: &[u8]) -> Result<(MediaType, &[u8]), Unreadable> {
    let malformed = || Unreadable::Multipart { what: "the header of a part" };
    let mut content_type = String::new();
    let mut is_content_type = false;
    let mut rest = part;
    for _ in 0..HEADERS_LIMIT {
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(malformed)?;
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        let line = std::str::from_utf8(line).map_err(|_| malformed())?;
        if line.trim().is_empty() {
            return Ok((MediaType::parse(&content_type), rest));
        }
        if line.starts_with([' ', '\t']) {
            if is_content_type {
                content_type.push_str(line.trim_end());
            }
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        is_content_type = name.trim().eq_ignore_ascii_case("content-type");
        if is_content_type {
            content_type = value.trim().to_owned();
        }
    }
    Err(malformed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enroll::est::tests::certificates;
    use crate::files::Kind;
    use crate::key::{KeyFile, KeyType, Signer, SoftwareKey};

    #[test]
    fn what_is_written_is_read() {
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let certificates = certificates();
        let message = crate::cms::certs_only(&certificates).unwrap();
        for wrapping in [Wrapping::Lines, Wrapping::Whole] {
            let (media_type, body) = ServerKey::write("b", &key.to_pkcs8().unwrap(), &message, wrapping);
            let read = ServerKey::read(&MediaType::parse(&media_type), &body).unwrap();
            assert_eq!((read.key.kind, read.certificates.len()), (Kind::Pkcs8Key, certificates.len()));
            let opened = KeyFile::from_document(read.key).open(None).unwrap();
            assert_eq!(opened.public_key(), key.public_key());
        }
    }

    #[test]
    fn a_sealed_key_is_read_where_it_was_asked_for_and_only_there() {
        let pkcs8 = SoftwareKey::generate(KeyType::P256).unwrap().to_pkcs8().unwrap();
        let message = crate::cms::certs_only(&certificates()).unwrap();
        let open = |sealed: &[u8]| if sealed == b"sealed" { Ok(pkcs8.clone()) } else { Err(SealedKeyError::Package) };
        let read = |(media_type, body): (String, Zeroizing<Vec<u8>>)| {
            let media_type = MediaType::parse(&media_type);
            let (plain, sealed) =
                (ServerKey::read(&media_type, &body), ServerKey::read_sealed(&media_type, &body, open));
            [plain, sealed].map(|read| read.map(|read| read.key.kind).map_err(|error| error.to_string()))
        };
        let [plain, sealed] = read(ServerKey::write_sealed("b", b"sealed", &message, Wrapping::Whole));
        assert_eq!(sealed, Ok(Kind::Pkcs8Key));
        assert!(plain.unwrap_err().contains("its key is encrypted, which was not asked for"));
        let [plain, sealed] = read(ServerKey::write("b", &pkcs8, &message, Wrapping::Whole));
        assert_eq!(plain, Ok(Kind::Pkcs8Key));
        assert!(sealed.unwrap_err().contains("its key is not encrypted, which was asked for"));
        let [_, sealed] = read(ServerKey::write_sealed("b", b"other", &message, Wrapping::Lines));
        assert!(sealed.unwrap_err().contains("not a package of one private key"));
    }

    /// A body as some peer might write it, of these parts.
    fn body(parts: &[(&str, &str)], end: &str) -> String {
        let part = |(header, content): &(&str, &str)| format!("--=_b{end}{header}{end}{end}{content}{end}");
        let parts: String = parts.iter().map(part).collect();
        format!("before{end}--=_bx{end}{parts}--=_b-- {end}after{end}--=_b{end}")
    }

    #[test]
    fn odd_bodies_are_read_and_bad_ones_are_not() {
        let pkcs8 = files::to_base64(&SoftwareKey::generate(KeyType::Ed25519).unwrap().to_pkcs8().unwrap());
        let message = files::to_base64(&crate::cms::certs_only(&certificates()).unwrap());
        let key = ("Content-Type: application/pkcs8", pkcs8.as_str());
        let certificate = ("content-transfer-encoding: 8bit\r\nCONTENT-TYPE:application/PKCS7-mime", message.as_str());
        let folded = ("Content-Type: application/pkcs7-mime;\n smime-type=certs-only", message.as_str());
        let other = ("X: y", "\n--\n--=_\n");
        let read = |body: &str| {
            let read = ServerKey::read(&MediaType::parse("Multipart/Mixed; boundary=\"=_b\""), body.as_bytes());
            read.map(|read| read.certificates.len()).map_err(|error| error.to_string())
        };
        for end in ["\n", "\r\n"] {
            assert_eq!(read(&body(&[key, certificate], end)), Ok(2));
            assert_eq!(read(&body(&[other, folded, key], end)), Ok(2));
        }
        let encrypted = ("Content-Type: application/pkcs7-mime; smime-type=server-generated-key", "AQID");
        let whole = body(&[key, certificate], "\n");
        for (body, why) in [
            (String::new(), "ends before its last boundary"),
            (whole.split("--=_b--").next().unwrap().to_owned(), "ends before its last boundary"),
            (body(&[key], "\n"), "no certificate"),
            (body(&[certificate], "\n"), "no private key"),
            (body(&[key, key, certificate], "\n"), "two keys"),
            (body(&[key, certificate, certificate], "\n"), "two parts of certificates"),
            (body(&[encrypted, certificate], "\n"), "encrypted"),
            (body(&[("Content-Type: application/pkcs8", "MAA="), certificate], "\n"), "no private key"),
            (body(&[("Content-Type: application/pkcs8", &message), certificate], "\n"), "no private key"),
            (body(&[("Content-Type: application/pkcs8", "%"), certificate], "\n"), "not base64"),
            (body(&[key, ("Content-Type: application/pkcs7-mime", &pkcs8)], "\n"), "CMS"),
            (body(&[("no colon", ""), key, certificate], "\n"), "the header of a part"),
            (body(&[(&"x: y\n".repeat(40), ""), key, certificate], "\n"), "the header of a part"),
            (body(&[other; 20], "\n"), "more than 16 parts"),
            (whole.clone() + &" ".repeat(LENGTH_LIMIT), "larger than 1 MiB"),
        ] {
            let error = read(&body).unwrap_err();
            assert!(error.contains(why), "{error}, not {why}");
        }
        for media_type in ["multipart/mixed", "text/plain; boundary=\"=_b\"", "multipart/mixed; boundary=\"\""] {
            assert!(ServerKey::read(&MediaType::parse(media_type), whole.as_bytes()).is_err(), "{media_type}");
        }
    }
}
