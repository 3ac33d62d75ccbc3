//! Signing and judging images: the payload as a stream, the signature formats, and the verdict.
//!
//! A verdict is a value, not an error: an error means that the question could not be put. The payload is read once,
//! through one descriptor, and in constant memory.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cms as message;
use crate::files;
use crate::key::{self, Digest, Hash, Hasher, PublicKey, Scheme};
use crate::x509::verify::{self, Anchors, Purpose};
use crate::x509::{self, Certificate, Chain, Time};

pub mod cms;
pub mod raw;

/// Most bytes that pure Ed25519 signs or verifies: the scheme needs the whole message at once (RFC 8032 section 5.1.6),
/// and an image of 64 MiB is what fits a small device.
pub const MESSAGE_LIMIT: u64 = 64 << 20;

/// How much is read at a time: large enough that hashing, not system calls, takes the time.
const BUFFER: usize = 256 << 10;

/// Why an image could not be signed, or a verdict not be reached.
#[derive(Debug)]
pub enum Error {
    /// The image could not be read.
    Read { path: PathBuf, source: io::Error },
    /// The copy of the verified bytes could not be written.
    Copy { source: io::Error },
    /// The image has no bytes.
    Empty { path: PathBuf },
    /// The image is too large for a scheme that needs all of it at once.
    TooLarge { path: PathBuf, scheme: Scheme },
    /// The key could not sign.
    Key(key::Error),
    /// The CMS message could not be made.
    Cms(message::Error),
    /// The certificate does not belong to the key.
    CertificateMismatch,
    /// Trust is in anchors, and the signer's certificate is not there.
    CertificateNeeded,
    /// The certificate may not sign this now.
    Certificate(verify::Refusal),
    /// A certificate could not be read.
    X509(x509::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => {
                write!(f, "cannot read image {}: {}", files::shown(path), files::reason(source))
            }
            Self::Copy { source } => write!(f, "cannot write the verified image: {}", files::reason(source)),
            Self::Empty { path } => write!(f, "image {} is empty", files::shown(path)),
            Self::TooLarge { path, scheme } => write!(
                f,
                "image {} is larger than {} MiB, the most that {scheme} signs at once",
                files::shown(path),
                MESSAGE_LIMIT >> 20
            ),
            Self::Key(error) => error.fmt(f),
            Self::Cms(error) => error.fmt(f),
            Self::CertificateMismatch => f.write_str("the certificate is for another key"),
            Self::CertificateNeeded => f.write_str("the signature brings no certificate along"),
            Self::Certificate(refusal) => write!(f, "the certificate cannot sign this: {refusal}"),
            Self::X509(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Copy { source } => Some(source),
            Self::Key(error) => error.source(),
            Self::Cms(error) => error.source(),
            Self::X509(error) => error.source(),
            _ => None,
        }
    }
}

impl From<key::Error> for Error {
    fn from(error: key::Error) -> Self {
        Self::Key(error)
    }
}

impl From<x509::Error> for Error {
    fn from(error: x509::Error) -> Self {
        Self::X509(error)
    }
}

/// An image as a stream that is read once.
pub struct Payload<'a> {
    path: PathBuf,
    reader: Box<dyn Read + Send + 'a>,
    copy: Option<&'a mut dyn Write>,
    observe: &'a mut dyn FnMut(u64),
    length: u64,
}

impl<'a> Payload<'a> {
    /// Opens `path`; `-` is standard input. `observe` is told how many bytes have been read, from time to time.
    pub fn open(path: &Path, observe: &'a mut dyn FnMut(u64)) -> Result<Self, files::Error> {
        let reader = files::open("image", path)?;
        Ok(Self { path: path.to_owned(), reader, copy: None, observe, length: 0 })
    }

    /// Takes bytes in memory: the content of an attached message.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>, observe: &'a mut dyn FnMut(u64)) -> Self {
        Self { path: path.to_owned(), reader: Box::new(io::Cursor::new(bytes)), copy: None, observe, length: 0 }
    }

    /// Writes every byte that is read to `copy` too, so that what was verified is what was copied.
    pub fn copy_to(mut self, copy: Option<&'a mut dyn Write>) -> Self {
        self.copy = copy;
        self
    }

    /// The number of bytes read, which is the whole length after [`digest`](Self::digest).
    fn length(&self) -> u64 {
        self.length
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.reader.read(buffer) {
                Ok(count) => {
                    self.length += count as u64;
                    (self.observe)(self.length);
                    if let Some(copy) = &mut self.copy {
                        copy.write_all(&buffer[..count]).map_err(|source| Error::Copy { source })?;
                    }
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Read { path: self.path.clone(), source }),
            }
        }
    }

    /// Reads all of it and returns its digest. An empty image is an error.
    fn digest(&mut self, hash: Hash) -> Result<Digest, Error> {
        let mut hasher = Hasher::new(hash);
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.read_some(&mut buffer)? {
                0 if self.length == 0 => return Err(Error::Empty { path: self.path.clone() }),
                0 => return Ok(hasher.finish()),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// Reads all of it into memory, at most [`MESSAGE_LIMIT`] bytes. An empty image is an error.
    fn message(&mut self, scheme: Scheme) -> Result<Vec<u8>, Error> {
        let mut message = Vec::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.read_some(&mut buffer)? {
                0 if self.length == 0 => return Err(Error::Empty { path: self.path.clone() }),
                0 => return Ok(message),
                count => message.extend_from_slice(&buffer[..count]),
            }
            if self.length > MESSAGE_LIMIT {
                return Err(Error::TooLarge { path: self.path.clone(), scheme });
            }
        }
    }
}

/// Whom a verifier trusts to have signed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The owner of this key.
    Key(PublicKey),
    /// The owner of this certificate, as it is.
    Certificate(Box<Certificate>),
    /// Whom one of these certificates vouches for.
    Anchors(Anchors),
}

/// What must hold of the signer.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whom to trust.
    pub trust: Trust,
    /// Certificates to build a chain with, besides those that come with the signature.
    pub untrusted: Vec<Certificate>,
    /// What the signer's certificate must be for.
    pub purpose: Purpose,
    /// The time at which it must be valid.
    pub at: Time,
}

/// What was found.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Everything holds; what was checked is restated.
    Good(Good),
    /// Something does not hold.
    Bad(Bad),
}

/// What was checked and holds.
#[derive(Clone, Debug)]
pub struct Good {
    /// The key that made the signature.
    pub key: PublicKey,
    /// The certificates that vouch for it, leaf to anchor; none where the key itself is trusted.
    pub chain: Option<Chain>,
    /// The scheme of the signature.
    pub scheme: Scheme,
    /// The digest of the image; none where the scheme took the image itself.
    pub digest: Option<Digest>,
    /// The number of bytes that the signature covers: the whole image.
    pub covered: u64,
    /// When the signer claims to have signed. Nothing was judged by it.
    pub signing_time: Option<Time>,
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The stable code of the reason, for scripts.
    pub code: &'static str,
    /// The reason in one line.
    pub words: String,
}

impl Bad {
    fn new(code: &'static str, words: impl fmt::Display) -> Self {
        Self { code, words: words.to_string() }
    }
}

impl From<verify::Refusal> for Bad {
    fn from(refusal: verify::Refusal) -> Self {
        Self::new(refusal.code(), refusal)
    }
}

impl From<message::Refusal> for Bad {
    fn from(refusal: message::Refusal) -> Self {
        Self::new(refusal.code(), refusal)
    }
}

/// The certificates that vouch for a leaf under a policy: itself where it is trusted as it is.
fn vouch(leaf: &Certificate, sent: &[Certificate], policy: &Policy) -> Result<Chain, Bad> {
    match &policy.trust {
        Trust::Anchors(anchors) => {
            let untrusted = [sent, &policy.untrusted].concat();
            Ok(verify::path(leaf, &untrusted, anchors, policy.purpose, policy.at)?)
        }
        Trust::Certificate(trusted) if trusted.der() == leaf.der() => {
            verify::leaf_alone(leaf, policy.purpose, policy.at)?;
            Chain::new(vec![leaf.clone()]).map_err(|error| Bad::new("certificate-malformed", error))
        }
        Trust::Certificate(_) | Trust::Key(_) => {
            Err(Bad::new("untrusted", "the signer's certificate is not the one that is trusted"))
        }
    }
}

/// Refuses to sign with a certificate that is for another key, has no time left, or is for something else.
pub fn check_signer(chain: &Chain, key: &PublicKey, purpose: Purpose, now: Time) -> Result<(), Error> {
    if chain.leaf().spki() != key.spki() {
        return Err(Error::CertificateMismatch);
    }
    verify::leaf_alone(chain.leaf(), purpose, now).map_err(Error::Certificate)
}

/// Reads a detached signature: at most [`files::DOCUMENT_LIMIT`] bytes.
pub fn read_signature(path: &Path) -> Result<Zeroizing<Vec<u8>>, files::Error> {
    files::read("signature", path, files::DOCUMENT_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::{SignedData, Signing};
    use crate::key::{KeyType, Signer, SoftwareKey};
    use crate::x509::issue::{self, Serial};
    use crate::x509::{Name, Names, Profile, Request, Variables, Wanted, no_expiry};

    struct Maker {
        key: SoftwareKey,
        chain: Chain,
        policy: Policy,
    }

    fn now() -> Time {
        Time::from_unix_timestamp(1_800_000_000).unwrap()
    }

    /// A firmware signer right under a root.
    fn maker(key_type: KeyType) -> Maker {
        let root_key = SoftwareKey::generate(KeyType::P256).unwrap();
        let root_profile = Profile::named("firmware-root").unwrap();
        let mut variables = Variables::default();
        variables.set("name", "Test");
        variables.set("title", "Test Firmware Root CA");
        let names = root_profile.names(&Name::empty(), &[], &variables, None).unwrap();
        let root = issue::root(&root_profile, &names, &root_key, (now(), no_expiry())).unwrap();
        let key = SoftwareKey::generate(key_type).unwrap();
        let profile = Profile::named("firmware").unwrap();
        let subject = Name::new(&[(Name::COMMON_NAME, "signer")]).unwrap();
        let names = Names { subject: subject.clone(), alt_names: Vec::new() };
        let wanted = Wanted { subject, ..Wanted::default() };
        let request = Request::new(&profile, &wanted, &key).unwrap().prove().unwrap();
        let (scheme, serial) = (KeyType::P256.usual_scheme(), Serial::new(now()).unwrap());
        let validity = (now(), no_expiry());
        let to_be_signed = issue::to_be_signed(&profile, &request, &names, &root, scheme, serial, validity).unwrap();
        let leaf = issue::sign(&to_be_signed, &root_key, scheme).unwrap();
        let trust = Trust::Anchors(Anchors::new(vec![root.clone()]).unwrap());
        let policy = Policy { trust, untrusted: Vec::new(), purpose: Purpose::Firmware, at: now() };
        Maker { key, chain: Chain::new(vec![leaf, root]).unwrap(), policy }
    }

    /// One row for each way to sign: its name, and how to sign and to judge with it.
    type Row = (&'static str, fn(&Maker, &[u8]) -> Vec<u8>, fn(&Maker, &[u8], &[u8]) -> Verdict);

    const ROWS: [Row; 3] = [
        (
            "raw",
            |maker, image| sign_raw(maker, image, raw::Encoding::Der),
            |maker, image, signature| verify_raw(maker, image, signature, raw::Encoding::Der),
        ),
        (
            "raw p1363",
            |maker, image| sign_raw(maker, image, raw::Encoding::P1363),
            |maker, image, signature| verify_raw(maker, image, signature, raw::Encoding::P1363),
        ),
        ("cms", sign_cms, verify_cms),
    ];

    fn with_payload<T>(image: &[u8], work: impl FnOnce(&mut Payload<'_>) -> T) -> T {
        work(&mut Payload::from_bytes(Path::new("image"), image.to_vec(), &mut |_| {}))
    }

    fn sign_raw(maker: &Maker, image: &[u8], encoding: raw::Encoding) -> Vec<u8> {
        let scheme = raw::usual_scheme(maker.key.public_key().key_type());
        with_payload(image, |payload| raw::sign(payload, &maker.key, scheme, encoding)).unwrap()
    }

    fn verify_raw(maker: &Maker, image: &[u8], signature: &[u8], encoding: raw::Encoding) -> Verdict {
        let scheme = (raw::usual_scheme(maker.key.public_key().key_type()), encoding);
        let leaf = Some(maker.chain.leaf());
        with_payload(image, |payload| raw::verify(payload, signature, scheme, leaf, &maker.policy)).unwrap()
    }

    fn sign_cms(maker: &Maker, image: &[u8]) -> Vec<u8> {
        let scheme = maker.key.public_key().key_type().usual_scheme();
        let signing = Signing { signer: &maker.key, scheme, chain: maker.chain.without_root(), signing_time: now() };
        with_payload(image, |payload| cms::sign(payload, &signing)).unwrap()
    }

    fn verify_cms(maker: &Maker, image: &[u8], signature: &[u8]) -> Verdict {
        match SignedData::from_bytes(signature) {
            Ok(message) => with_payload(image, |payload| cms::verify(payload, &message, &maker.policy)).unwrap(),
            Err(error) => Verdict::Bad(Bad::new("malformed", error)),
        }
    }

    /// The law of every format: what was signed is good and covered whole; another image, a changed signature at any
    /// byte, a longer and a shorter one are bad.
    #[test]
    fn what_was_signed_is_good_and_nothing_else_is() {
        let image = b"firmware image".repeat(100);
        for key_type in [KeyType::P256, KeyType::P384, KeyType::Ed25519, KeyType::Rsa(2048)] {
            let maker = maker(key_type);
            for (name, sign, verify) in ROWS {
                let signature = sign(&maker, &image);
                match verify(&maker, &image, &signature) {
                    Verdict::Good(good) => {
                        assert_eq!(good.covered, image.len() as u64);
                        assert_eq!(good.chain.as_ref(), Some(&maker.chain));
                    }
                    Verdict::Bad(bad) => panic!("{key_type} {name}: {bad:?}"),
                }
                let is_bad =
                    |image: &[u8], signature: &[u8]| matches!(verify(&maker, image, signature), Verdict::Bad(_));
                let mut other = image.clone();
                other[700] ^= 1;
                assert!(is_bad(&other, &signature), "{key_type} {name}: another image");
                assert!(is_bad(&image[1..], &signature), "{key_type} {name}: a shorter image");
                assert!(is_bad(&image, &[&signature[..], &[0]].concat()), "{key_type} {name}: a byte more");
                for end in 0..signature.len() {
                    assert!(is_bad(&image, &signature[..end]), "{key_type} {name}: cut at {end}");
                }
                if name == "cms" {
                    continue;
                }
                for at in 0..signature.len() {
                    let mut changed = signature.clone();
                    changed[at] ^= 0x80;
                    assert!(is_bad(&image, &changed), "{key_type} {name}: changed at {at}");
                }
            }
        }
    }

    /// In a message some bytes say nothing that is signed (versions, the list of digests): whatever is accepted must
    /// still name the same signer, scheme and digest.
    #[test]
    fn a_changed_message_is_bad_or_says_the_same() {
        let maker = maker(KeyType::P256);
        let image = b"firmware image";
        let signature = sign_cms(&maker, image);
        let mut accepted = 0;
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            if let Verdict::Good(good) = verify_cms(&maker, image, &changed) {
                accepted += 1;
                assert_eq!(good.chain.as_ref(), Some(&maker.chain), "byte {at}");
            }
        }
        assert!(accepted < 32, "{accepted} of {} bytes may change", signature.len());
    }

    #[test]
    fn an_empty_image_is_neither_signed_nor_judged() {
        let maker = maker(KeyType::P256);
        let scheme = KeyType::P256.usual_scheme();
        let signed = with_payload(b"", |payload| raw::sign(payload, &maker.key, scheme, raw::Encoding::Der));
        assert!(matches!(signed, Err(Error::Empty { .. })));
    }
}
