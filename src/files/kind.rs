//! What a file is, found from its content: PEM labels, the tags at the top of a DER structure, or what stands below a
//! comment of minisign.

use std::path::Path;

use der::{Reader, SliceReader, Tag, TagNumber};
use pem::PemError;
use zeroize::Zeroizing;

use super::{Commented, Error};

/// Most PEM blocks that are taken from one file. A trust list of every public CA has some hundred and fifty.
const DOCUMENTS_LIMIT: usize = 10_000;

/// Most bytes of the labels and headers of a PEM block. The headers of an encrypted key have some eighty; each line of them
/// is held apart, which takes many times its length where it is short.
const LABELS_LIMIT: usize = 4096;

/// Most members of a structure that are looked at. Four tell every two kinds apart; an RSA private key has nine.
const SIBLINGS: usize = 9;

/// Most bytes of the comment over a key, line end included (jedisct1/minisign `src/minisign.h`, COMMENTMAXBYTES).
const COMMENT_LIMIT: usize = 1023;

/// The kinds of document that `bulla` knows by sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PKCS#8 `PrivateKeyInfo` or `OneAsymmetricKey` (RFC 5208, RFC 5958).
    Pkcs8Key,
    /// PKCS#8 `EncryptedPrivateKeyInfo` (RFC 5958 section 3).
    EncryptedKey,
    /// `ECPrivateKey` (SEC 1, RFC 5915).
    Sec1Key,
    /// PKCS#1 `RSAPrivateKey` (RFC 8017 appendix A.1.2).
    Pkcs1Key,
    /// PEM with `Proc-Type: 4,ENCRYPTED`: OpenSSL's traditional encryption, keyed by one round of MD5.
    TraditionalEncryptedKey,
    /// minisign's secret key, in the clear (jedisct1/minisign `src/minisign.h`, SeckeyStruct).
    MinisignKey,
    /// The same, encrypted.
    EncryptedMinisignKey,
    /// `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7).
    PublicKey,
    /// PKCS#1 `RSAPublicKey` (RFC 8017 appendix A.1.1).
    Pkcs1PublicKey,
    /// The public key of minisign and signify (jedisct1/minisign `src/minisign.h`, PubkeyStruct).
    MinisignPublicKey,
    /// PKCS#10 `CertificationRequest` (RFC 2986).
    Request,
    /// X.509 `Certificate` (RFC 5280 section 4.1).
    Certificate,
    /// `CertificateList` (RFC 5280 section 5.1).
    Crl,
    /// `OCSPResponse` (RFC 6960 section 4.2.1).
    OcspResponse,
    /// CMS `ContentInfo` (RFC 5652 section 3).
    Cms,
}

impl Kind {
    /// The kind with its article, as error messages name it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Pkcs8Key => "a private key",
            Self::EncryptedKey => "an encrypted private key",
            Self::Sec1Key => "an EC private key",
            Self::Pkcs1Key => "an RSA private key",
            Self::TraditionalEncryptedKey => "a private key in OpenSSL's traditional encryption",
            Self::MinisignKey => "a minisign private key",
            Self::EncryptedMinisignKey => "an encrypted minisign private key",
            Self::PublicKey => "a public key",
            Self::Pkcs1PublicKey => "an RSA public key (PKCS#1)",
            Self::MinisignPublicKey => "a minisign public key",
            Self::Request => "a certificate request",
            Self::Certificate => "a certificate",
            Self::Crl => "a certificate revocation list",
            Self::OcspResponse => "an OCSP response",
            Self::Cms => "a CMS message",
        }
    }

    /// Whether the document holds a private key, in the clear or encrypted.
    pub fn is_private_key(self) -> bool {
        matches!(
            self,
            Self::Pkcs8Key
                | Self::EncryptedKey
                | Self::Sec1Key
                | Self::Pkcs1Key
                | Self::TraditionalEncryptedKey
                | Self::MinisignKey
                | Self::EncryptedMinisignKey
        )
    }
}

/// One structure from a file, with its kind: DER, BER, or the fixed layout of minisign.
#[derive(Clone)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Its bytes: exactly those in the file, or those that base64 in it stands for.
    pub der: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Document {
    /// Prints no content: it may be a private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Document({:?}, {} bytes)", self.kind, self.der.len())
    }
}

/// Finds the documents in a file's bytes: every PEM block, or one DER structure, or one key of minisign.
///
/// PEM parameters of EC keys (`EC PARAMETERS`, which OpenSSL writes before a SEC 1 key) are skipped. `path` and
/// `wanted` name the file and what was asked for in the error.
pub fn documents(bytes: &[u8], path: &Path, wanted: &'static str) -> Result<Vec<Document>, Error> {
    let wrong = |found: String| Error::WrongKind { path: path.to_owned(), wanted, found };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(wrong("empty".to_owned()));
    }
    if bytes.starts_with(Commented::UNTRUSTED.as_bytes()) {
        let key = minisign_key(bytes).ok_or_else(|| wrong("a minisign file that holds no key".to_owned()))?;
        return Ok(vec![key]);
    }
    if !contains_pem(bytes) {
        let kind = sniff(bytes).ok_or_else(|| wrong(describe_unknown(bytes)))?;
        return Ok(vec![Document { kind, der: Zeroizing::new(bytes.to_vec()) }]);
    }
    let mut has_parameters = false;
    let mut found = Vec::new();
    for (count, block) in Blocks(bytes).enumerate() {
        if count == DOCUMENTS_LIMIT {
            return Err(wrong(format!("a file of more than {DOCUMENTS_LIMIT} PEM blocks")));
        }
        let block = block.and_then(|block| pem::parse(block).map_err(|error| damage(&error)));
        let block = block.map_err(|why| wrong(format!("damaged PEM ({why})")))?;
        let encrypted = block.headers().get("Proc-Type").is_some_and(|value| value.contains("ENCRYPTED"));
        let label = block.tag().to_owned();
        let der = Zeroizing::new(block.into_contents());
        if label == "EC PARAMETERS" {
            has_parameters = true;
            continue;
        }
        let kind = if encrypted { Kind::TraditionalEncryptedKey } else { named(&label, &der).map_err(&wrong)? };
        found.push(Document { kind, der });
    }
    if found.is_empty() {
        return Err(wrong(
            if has_parameters { "a file of EC parameters" } else { "PEM without a whole block" }.to_owned(),
        ));
    }
    Ok(found)
}

/// What is wrong with PEM. The library's own words quote it, and what is damaged may be a private key.
fn damage(error: &PemError) -> &'static str {
    match error {
        PemError::MismatchedTags(..) => "its BEGIN and END lines differ",
        PemError::InvalidHeader(_) => "an empty line in it, or a header without a colon",
        PemError::InvalidData(_) => "its content is not base64",
        PemError::NotUtf8(_) => "it is not text",
        PemError::MalformedFraming | PemError::MissingBeginTag | PemError::MissingEndTag | PemError::MissingData => {
            "a block is not whole"
        }
    }
}

/// The kind that a PEM label promises. The content must not be of another kind, since a label can be edited.
fn named(label: &str, der: &[u8]) -> Result<Kind, String> {
    let promised = match label {
        "PRIVATE KEY" => Kind::Pkcs8Key,
        "ENCRYPTED PRIVATE KEY" => Kind::EncryptedKey,
        "EC PRIVATE KEY" => Kind::Sec1Key,
        "RSA PRIVATE KEY" => Kind::Pkcs1Key,
        "PUBLIC KEY" => Kind::PublicKey,
        "RSA PUBLIC KEY" => Kind::Pkcs1PublicKey,
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Kind::Request,
        "CERTIFICATE" | "X509 CERTIFICATE" => Kind::Certificate,
        "X509 CRL" => Kind::Crl,
        "OCSP RESPONSE" => Kind::OcspResponse,
        "CMS" | "PKCS7" => Kind::Cms,
        "TRUSTED CERTIFICATE" => return Err("an OpenSSL trusted certificate".to_owned()),
        "OPENSSH PRIVATE KEY" => return Err("an OpenSSH private key".to_owned()),
        other => return Err(format!("a PEM block of type {}", super::printable(other))),
    };
    match sniff(der) {
        Some(kind) if kind != promised => {
            Err(format!("PEM that says it is {} and holds {}", promised.noun(), kind.noun()))
        }
        _ => Ok(promised),
    }
}

/// A key of minisign, told by its length and how it starts: `Ed` for Ed25519, then `Sc` where it is encrypted by scrypt.
fn minisign_key(mut text: &[u8]) -> Option<Document> {
    let Commented { data, .. } = Commented::take(&mut text, Commented::UNTRUSTED, COMMENT_LIMIT).ok()?;
    let kind = match (data.len(), data.as_slice()) {
        (42, [b'E', b'd', ..]) => Kind::MinisignPublicKey,
        (158, [b'E', b'd', b'S', b'c', ..]) => Kind::EncryptedMinisignKey,
        (158, [b'E', b'd', ..]) => Kind::MinisignKey,
        _ => return None,
    };
    text.iter().all(u8::is_ascii_whitespace).then_some(Document { kind, der: data })
}

fn contains_pem(bytes: &[u8]) -> bool {
    // A DER structure may carry text; a PEM file never starts with a SEQUENCE tag.
    bytes.first() != Some(&0x30) && find(bytes, BEGIN).is_some()
}

/// What a PEM block starts with.
const BEGIN: &[u8] = b"-----BEGIN ";

/// The whole PEM blocks in a text, one by one: a file of millions is refused before they are held.
struct Blocks<'a>(&'a [u8]);

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<&'a [u8], &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        const DASHES: &[u8] = b"-----";
        let after = |place, mark: &[u8]| Some(place + find(&self.0[place..], mark)? + mark.len());
        let begin = after(0, BEGIN)?;
        let text = after(begin, DASHES)?;
        let end = after(text, b"-----END ")?;
        let rest = after(end, DASHES)?;
        // Headers end with a blank line.
        let headers = ["\n\n", "\r\n\r\n"].iter().find_map(|blank| find(&self.0[text..end], blank.as_bytes()));
        let is_long = (text - begin) + headers.unwrap_or(0) + (rest - end) > LABELS_LIMIT;
        let block = &self.0[begin - BEGIN.len()..rest];
        self.0 = &self.0[rest..];
        Some(if is_long { Err("its labels and headers have more than 4 KiB") } else { Ok(block) })
    }
}

/// The place of some bytes in others.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Tells the kind of a DER or BER structure from the tags of its first members; `None` when it is none of ours.
fn sniff(der: &[u8]) -> Option<Kind> {
    use Tag::{BitString, Enumerated, Integer, ObjectIdentifier, OctetString};
    const SEQUENCE: Tag = Tag::Sequence;
    let context0 = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    let members = members(der, SEQUENCE)?;
    let tags: Vec<Tag> = members.iter().map(|member| member.0).collect();
    Some(match tags.as_slice() {
        [ObjectIdentifier, tag, ..] if *tag == context0 => Kind::Cms,
        [Enumerated] => Kind::OcspResponse,
        [Enumerated, tag] if *tag == context0 => Kind::OcspResponse,
        [Integer, SEQUENCE, OctetString, ..] => Kind::Pkcs8Key,
        [Integer, OctetString, ..] => Kind::Sec1Key,
        [Integer, Integer] => Kind::Pkcs1PublicKey,
        [Integer, Integer, Integer, ..] => Kind::Pkcs1Key,
        [SEQUENCE, OctetString] => Kind::EncryptedKey,
        [SEQUENCE, BitString] => Kind::PublicKey,
        [SEQUENCE, SEQUENCE, BitString] => {
            let inner: Vec<Tag> = self::members(members[0].1, SEQUENCE)?.iter().map(|member| member.0).collect();
            match inner.as_slice() {
                [Integer, SEQUENCE, SEQUENCE, tag, ..] if *tag == context0 => Kind::Request,
                [Integer, SEQUENCE, SEQUENCE] => Kind::Request,
                [SEQUENCE, SEQUENCE, Tag::UtcTime | Tag::GeneralizedTime, ..] => Kind::Crl,
                [Integer, SEQUENCE, SEQUENCE, Tag::UtcTime | Tag::GeneralizedTime, ..] => Kind::Crl,
                [tag, Integer, SEQUENCE, ..] if *tag == context0 => Kind::Certificate,
                [Integer, SEQUENCE, SEQUENCE, SEQUENCE, ..] => Kind::Certificate,
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// The first members of a constructed value: tag, and the member's whole encoding. BER's indefinite length is
/// looked through at the top level, where CMS messages have it.
fn members(bytes: &[u8], outer: Tag) -> Option<Vec<(Tag, &[u8])>> {
    let mut body = if let [0x30, 0x80, rest @ ..] = bytes {
        rest
    } else {
        let mut reader = SliceReader::new(bytes).ok()?;
        let header = der::Header::peek(&reader).ok()?;
        if header.tag() != outer {
            return None;
        }
        let whole = reader.tlv_bytes().ok()?;
        let length = usize::try_from(header.length()).ok()?;
        &whole[whole.len().checked_sub(length)?..]
    };
    let mut found = Vec::new();
    while !body.is_empty() && found.len() < SIBLINGS {
        let Ok(mut reader) = SliceReader::new(body) else { break };
        let Ok(tag) = Tag::peek(&reader) else { break };
        match reader.tlv_bytes() {
            Ok(member) => {
                found.push((tag, member));
                body = &body[member.len()..];
            }
            // A member of indefinite length: its tag is what tells the kind.
            Err(_) => {
                found.push((tag, body));
                break;
            }
        }
    }
    Some(found)
}

/// What several documents are together, or the one, as error messages name it.
pub fn noun_of(documents: &[Document]) -> String {
    match documents {
        [one] => one.kind.noun().to_owned(),
        several if several.iter().all(|document| document.kind == Kind::Certificate) => {
            format!("a chain of {} certificates", several.len())
        }
        several => format!("a file of {} documents", several.len()),
    }
}

fn describe_unknown(bytes: &[u8]) -> String {
    match bytes {
        [0x30, ..] => "an ASN.1 structure of no known type".to_owned(),
        _ if bytes.iter().take(512).all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => {
            "text without a PEM block".to_owned()
        }
        _ => "data of no known type".to_owned(),
    }
}

impl Document {
    /// Encodes as one PEM block (RFC 7468) with the kind's label, 64 columns, LF; keys of minisign as its text.
    pub fn to_pem(kind: Kind, der: &[u8]) -> Zeroizing<String> {
        let label = match kind {
            Kind::Pkcs8Key => "PRIVATE KEY",
            Kind::EncryptedKey | Kind::TraditionalEncryptedKey => "ENCRYPTED PRIVATE KEY",
            Kind::MinisignKey | Kind::EncryptedMinisignKey | Kind::MinisignPublicKey => {
                return Commented::write(Commented::UNTRUSTED, kind.noun(), der);
            }
            Kind::Sec1Key => "EC PRIVATE KEY",
            Kind::Pkcs1Key => "RSA PRIVATE KEY",
            Kind::PublicKey => "PUBLIC KEY",
            Kind::Pkcs1PublicKey => "RSA PUBLIC KEY",
            Kind::Request => "CERTIFICATE REQUEST",
            Kind::Certificate => "CERTIFICATE",
            Kind::Crl => "X509 CRL",
            Kind::OcspResponse => "OCSP RESPONSE",
            Kind::Cms => "CMS",
        };
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        let block = pem::Pem::new(label, der);
        let text = Zeroizing::new(pem::encode_config(&block, config));
        drop(Zeroizing::new(block.into_contents()));
        text
    }

    /// Returns the document where it is of `kind`; else the error that names both.
    pub fn expect(self, kind: Kind, path: &Path) -> Result<Self, Error> {
        if self.kind == kind {
            return Ok(self);
        }
        Err(Error::WrongKind { path: path.to_owned(), wanted: kind.noun(), found: self.kind.noun().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> String {
        match documents(bytes, Path::new("x"), "a certificate") {
            Ok(documents) => format!("{documents:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn unknown_content_is_described() {
        assert_eq!(found(b""), "x is empty, not a certificate");
        assert_eq!(found(b" \n"), "x is empty, not a certificate");
        assert_eq!(found(b"hello"), "x is text without a PEM block, not a certificate");
        assert_eq!(found(&[0xff; 9]), "x is data of no known type, not a certificate");
        assert_eq!(found(&[0x30, 0x00]), "x is an ASN.1 structure of no known type, not a certificate");
    }

    #[test]
    fn a_label_that_lies_is_refused() {
        let text = Document::to_pem(Kind::Certificate, &[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01]);
        assert_eq!(
            found(text.as_bytes()),
            "x is PEM that says it is a certificate and holds an RSA public key (PKCS#1), not a certificate"
        );
    }

    #[test]
    fn blocks_are_counted_and_measured_before_they_are_held() {
        let block =
            |label: &str, headers: &str| format!("-----BEGIN {label}-----\n{headers}AAAA\n-----END {label}-----\n");
        let many = |count| block("CERTIFICATE", "").repeat(count);
        assert!(documents(many(DOCUMENTS_LIMIT).as_bytes(), Path::new("x"), "it").is_ok());
        assert_eq!(
            found(many(DOCUMENTS_LIMIT + 1).as_bytes()),
            "x is a file of more than 10000 PEM blocks, not a certificate"
        );
        let long = "x is damaged PEM (its labels and headers have more than 4 KiB), not a certificate";
        assert_eq!(found(block(&"A".repeat(LABELS_LIMIT), "").as_bytes()), long);
        for end in ["\n", "\r\n"] {
            let headers = |count| block("CERTIFICATE", &format!("{}{end}", format!("a:{end}").repeat(count)));
            assert!(documents(headers(900).as_bytes(), Path::new("x"), "it").is_ok());
            assert_eq!(found(headers(LABELS_LIMIT / 2).as_bytes()), long);
        }
        // What is not whole is no block, as before it.
        assert_eq!(found(&many(1).as_bytes()[..40]), "x is PEM without a whole block, not a certificate");
        assert!(documents([many(1), many(1)[..40].to_owned()].concat().as_bytes(), Path::new("x"), "it").is_ok());
    }
}
