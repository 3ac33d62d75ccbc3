//! What a format is: where the bytes of an image, of what is signed and of the signature stand. Nothing here signs or
//! judges; that is written once, for all formats, in [`sign`](super::sign()) and [`verify`](super::verify()).

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::{Bad, Demands, Error, Fault, Layout, Policy, Source, Trust};
use crate::key::{self, Digest, Hash, Input, KeyFile, KeyRef, KeyType, PublicKey, Scheme, SoftwareDecrypter};
use crate::x509::{Certificate, Chain, Time};

/// A format of signed images: its layout alone.
///
/// Law: where `plan` lays out an image and `attach` places signatures in it, `read` of the result finds the same
/// rounds and the same signatures. One table-driven test holds every format to it.
pub trait ImageFormat: Sync {
    /// The word after `--as`.
    fn name(&self) -> &'static str;

    /// What it is and who takes it, in one line.
    fn about(&self) -> &'static str;

    /// What can be set, for signing and for verifying.
    fn settings(&self) -> &'static [Setting];

    /// Whether the signature is a file of its own.
    fn is_detached(&self) -> bool {
        false
    }

    /// Whether its signatures are CMS messages, which name their signer by a certificate and which devices check with
    /// OpenSSL.
    fn is_cms(&self) -> bool {
        false
    }

    /// Lays an image out for signing. Refuses what the device would not take: a key of the wrong type, an image
    /// without room for the signature.
    fn plan(&self, source: &mut Source<'_>, maker: &Maker<'_>, settings: &Settings) -> Result<Box<dyn Plan>, Error>;

    /// Takes the signature of `key` out of a signed image.
    fn remove(&self, _source: &mut Source<'_>, _key: &PublicKey) -> Result<Layout, Error> {
        Err(Unfit::CannotRemove { format: self.name() }.into())
    }

    /// Finds the signatures of an image, and what each covers. Whatever the device would refuse by its layout is bad.
    fn read(&self, source: &mut Source<'_>, evidence: &Evidence<'_>, settings: &Settings) -> Result<Reading, Fault>;

    /// Says what an image is, where it is of this format. Detached signatures are described by their own file.
    fn describe(&self, source: &mut Source<'_>) -> Result<Option<Description>, Error>;
}

/// Something that can be set of a format: a flag of the same name.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name, as `header-size`. Formats that share a name mean the same by it.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// When it counts.
    pub at: At,
    /// What it is for, in a line.
    pub help: &'static str,
}

/// What a [`Setting`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: it is there or not.
    Nothing,
    /// One value; what kind, as `BYTES`.
    One(&'static str),
    /// A value each time that it is given.
    Many(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The file of a private key that decrypts.
    PrivateKey,
}

/// When a [`Setting`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// When an image is signed.
    Signing,
    /// When it is verified.
    Verifying,
    /// Both times.
    Both,
}

impl Setting {
    /// A setting for signing.
    pub const fn signing(name: &'static str, takes: Takes, help: &'static str) -> Self {
        Self { name, takes, at: At::Signing, help }
    }

    /// A setting for verifying.
    pub const fn verifying(name: &'static str, takes: Takes, help: &'static str) -> Self {
        Self { name, takes, at: At::Verifying, help }
    }

    /// A setting for both.
    pub const fn both(name: &'static str, takes: Takes, help: &'static str) -> Self {
        Self { name, takes, at: At::Both, help }
    }
}

/// The settings that were given, by name, each with its values in their order.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, Vec<String>>,
    opened: BTreeMap<String, Arc<SoftwareDecrypter>>,
}

/// By what was given: a key that was opened is how one of the values was read.
impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Settings {
    /// Adds a value; a setting that takes nothing has the empty one.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.values.entry(name.to_owned()).or_default().push(value.into());
    }

    /// Every setting with its values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.values.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Whether it was given.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value, or the last of several.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|values| values.last()).map(String::as_str)
    }

    /// Gives the key in the file that a setting names, which may have needed a passphrase. It is written nowhere.
    pub fn open(&mut self, name: &str, key: SoftwareDecrypter) {
        self.opened.insert(name.to_owned(), Arc::new(key));
    }

    /// The private key in the file that a setting names: the one that was [given](Self::open), else what the file holds
    /// in the clear.
    pub fn decrypter(&self, name: &str) -> Result<Option<Arc<SoftwareDecrypter>>, key::Error> {
        match (self.opened.get(name), self.text(name)) {
            (Some(opened), _) => Ok(Some(Arc::clone(opened))),
            (None, Some(path)) => Ok(Some(Arc::new(KeyFile::read(&KeyRef::File(path.into()))?.open_decrypter(None)?))),
            (None, None) => Ok(None),
        }
    }

    /// All values.
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value, read as what it has to be; `what` describes that, as `a number of bytes`.
    pub fn parse<T: FromStr>(&self, name: &'static str, what: &'static str) -> Result<Option<T>, Error> {
        self.text(name)
            .map(|text| text.parse().map_err(|_| Error::setting(name, format!("{text} is not {what}"))))
            .transpose()
    }

    /// The value as a number: decimal, or hexadecimal after `0x`, octal after `0o`, binary after `0b`.
    pub fn number(&self, name: &'static str) -> Result<Option<u64>, Error> {
        self.text(name)
            .map(|text| parse_number(text).ok_or_else(|| Error::setting(name, format!("{text} is not a number"))))
            .transpose()
    }

    /// The same for a number of 32 bits.
    pub fn number32(&self, name: &'static str) -> Result<Option<u32>, Error> {
        self.number(name)?
            .map(|number| {
                u32::try_from(number).map_err(|_| Error::setting(name, format!("{number} is above 4294967295")))
            })
            .transpose()
    }
}

/// Reads a number as C programs write it.
pub fn parse_number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (&text[2..], 16),
        Some("0o") => (&text[2..], 8),
        Some("0b") => (&text[2..], 2),
        _ => (text, 10),
    };
    // The standard library takes a sign, which a size does not have.
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

/// Who signs, as far as the layout depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    /// The public half of the key; none for an image that is to have no signature.
    pub key: Option<&'a PublicKey>,
    /// The signer's certificate and those above it.
    pub chain: Option<&'a Chain>,
    /// The signing time that is claimed.
    pub time: Time,
    /// What becomes of signatures that the image has.
    pub existing: Existing,
}

impl<'a> Maker<'a> {
    /// The key, where the format cannot do without.
    pub fn key(&self) -> Result<&'a PublicKey, Error> {
        self.key.ok_or(Error::KeyNeeded)
    }

    /// The certificates, where the format cannot do without.
    pub fn chain(&self) -> Result<&'a Chain, Error> {
        self.chain.ok_or(Error::CertificateNeeded)
    }
}

/// What becomes of the signatures that an image has already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// There must be none.
    #[default]
    Refuse,
    /// They stay, and another one is added.
    Keep,
    /// They give way.
    Replace,
}

impl Existing {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Keep, Self::Replace];

    /// The word in a prepared signature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Keep => "keep",
            Self::Replace => "replace",
        }
    }
}

/// An image laid out for signing.
pub trait Plan {
    /// What is to be signed after `signatures`; none when that was all. A format signs once, or twice where a second
    /// signature covers the first.
    fn round(&self, signatures: &[Vec<u8>]) -> Result<Option<Round>, Error>;

    /// The product: the signed image, or the signature where that is detached. ECDSA signatures are DER.
    fn attach(&self, source: &mut Source<'_>, signatures: &[Vec<u8>]) -> Result<Layout, Error>;
}

/// One signature: everything besides the key that it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The scheme.
    pub scheme: Scheme,
    /// What is signed.
    pub message: Message,
}

impl Round {
    /// What is signed, as keys take it.
    pub fn input(&self) -> Input<'_> {
        match &self.message {
            Message::Bytes(bytes) => Input::Message(bytes),
            Message::Digest(digest) => Input::Digest(digest),
        }
    }
}

/// What is signed: a short message, or the digest of a long one by the scheme's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The message itself. Shared, since an image may have hundreds of signatures over one message of megabytes.
    Bytes(Arc<Vec<u8>>),
    /// Its digest.
    Digest(Digest),
}

/// What an image is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The detached signature.
    pub signature: Option<Detached<'a>>,
    /// The signer's certificate, where the image brings none along.
    pub signer: Option<&'a Certificate>,
    /// Whom to trust, and for what.
    pub policy: &'a Policy,
}

/// A signature that is a file of its own.
#[derive(Clone, Copy, Debug)]
pub struct Detached<'a> {
    /// The path, for messages.
    pub path: &'a Path,
    /// What is in it.
    pub bytes: &'a [u8],
}

impl Evidence<'_> {
    /// The key that a signature without a name is checked with: the trusted one, or that of the certificate that was
    /// given, which must be given where trust is in anchors. There the certificate is evidence, and one whose key is not
    /// accepted is wrong evidence.
    pub fn key(&self) -> Result<PublicKey, Fault> {
        match (&self.policy.trust, self.signer) {
            (Trust::Key(key), _) => Ok(key.clone()),
            (Trust::Certificate(certificate), _) => Ok(certificate.public_key().map_err(Error::X509)?),
            (Trust::Anchors(_), Some(certificate)) => {
                Ok(certificate.public_key().map_err(|error| Bad::new("certificate-key", error))?)
            }
            (Trust::Anchors(_), None) => Err(Error::CertificateNeeded.into()),
        }
    }

    /// The detached signature, where the format has one.
    pub fn signature(&self) -> Result<&[u8], Error> {
        self.signature.map(|signature| signature.bytes).ok_or(Error::SignatureNeeded)
    }
}

/// What was found in an image, before anything of it is believed.
pub struct Reading {
    /// Who signed, in the image's order. None is an image without a signature.
    pub signatories: Vec<Signatory>,
    /// What the image says of itself under the signatures.
    pub facts: Facts,
    /// What is looked at only after a signature holds, and then says what the image is instead of `facts`.
    pub content: Option<Content>,
}

/// Looks at what a signature covers by way of a digest tree, a list of digests: returns what it says of itself.
pub type Content = Box<dyn FnOnce(&mut Source<'_>, &Demands) -> Result<Facts, Fault>>;

/// One signer's part of an image.
pub struct Signatory {
    /// Who it says it is.
    pub named: Named,
    /// What was signed, each round with its signature. ECDSA signatures are DER. All of them must hold.
    pub rounds: Vec<(Round, Vec<u8>)>,
    /// The digest of the image, where there is one.
    pub digest: Option<Digest>,
    /// Certificates that came along.
    pub certificates: Vec<Certificate>,
    /// What the device asks of the signer's certificate and those above it besides the purpose.
    pub rule: Option<ChainRule>,
    /// The signing time that is claimed.
    pub signing_time: Option<Time>,
}

/// A device's own rule about the certificates of a signer, leaf to anchor; the leaf alone where it is trusted as it is.
pub type ChainRule = fn(&Chain) -> Result<(), Bad>;

/// How a signature says whose it is.
pub enum Named {
    /// It does not.
    Nobody,
    /// By a name, a digest or a number of the key.
    By(Box<dyn Fn(&PublicKey) -> bool>),
    /// By a certificate.
    Certificate(Box<Certificate>),
}

/// What an image says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The number of bytes of the image that the signature covers, directly or through what it signs.
    pub covered: u64,
    /// The version, as its format writes it.
    pub version: Option<String>,
    /// The security counter, which a device never lets go down.
    pub security_counter: Option<u32>,
    /// The hardware that it is for, each as its format writes it.
    pub hardware: Vec<String>,
    /// What the format restates besides: label and value, as the trusted comment.
    pub remarks: Vec<(&'static str, String)>,
}

/// What an image is: for people, and for programs that look for one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// What kind of file it is, as `MCUboot image`.
    pub kind: &'static str,
    /// Label and value, in the order of the file. Values may hold anything; they are escaped where they are printed.
    pub rows: Vec<(&'static str, String)>,
}

/// Why an image cannot be signed as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has a signature.
    AlreadySigned,
    /// It has none that could be kept or removed.
    NotSigned,
    /// It has a signature of this key.
    SignedByKey,
    /// It has as many signatures as the format takes.
    TooManySignatures { most: usize },
    /// The format takes no second signature.
    CannotAdd { format: &'static str },
    /// The format has no signature that can be taken out.
    CannotRemove { format: &'static str },
    /// It has no signature of this key.
    NotByKey,
    /// The format takes no keys of this type.
    KeyType { key: KeyType, format: &'static str, takes: &'static str },
    /// It is encrypted, so that what is in it cannot be looked at.
    Encrypted,
    /// Its manifest, which says what is in it, is not right.
    Manifest { why: String },
    /// It has another digest than goes with the key.
    OtherDigest { key: KeyType, hash: Hash },
    /// Its start is not blank, where the header goes.
    NoHeaderRoom { size: u64 },
    /// It is not what the format signs, or the device would refuse it, whoever signs.
    Refused(Bad),
    /// It is larger than the place for it.
    NoRoom { size: u64, room: u64 },
    /// The signature is larger than a device takes, with the certificates in it.
    SignatureTooLarge { size: u64, most: u64 },
}

impl Unfit {
    /// The stable code of the reason, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadySigned => "already-signed",
            Self::NotSigned => "not-signed",
            Self::SignedByKey => "signed-by-key",
            Self::TooManySignatures { .. } => "too-many-signatures",
            Self::CannotAdd { .. } => "cannot-add",
            Self::CannotRemove { .. } => "cannot-remove",
            Self::NotByKey => "not-by-key",
            Self::KeyType { .. } => "key-type",
            Self::Encrypted => "encrypted",
            Self::Manifest { .. } => "manifest",
            Self::OtherDigest { .. } => "other-digest",
            Self::NoHeaderRoom { .. } => "no-header-room",
            Self::Refused(bad) => bad.code,
            Self::NoRoom { .. } => "no-room",
            Self::SignatureTooLarge { .. } => "signature-too-large",
        }
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AlreadySigned => f.write_str("the image is signed already"),
            Self::NotSigned => f.write_str("the image is not signed"),
            Self::SignedByKey => f.write_str("the image has a signature of this key already"),
            Self::TooManySignatures { most } => {
                write!(f, "the image has {most} signatures, and there is no place for more")
            }
            Self::CannotAdd { format } => write!(f, "{format} takes no second signature"),
            Self::CannotRemove { format } => write!(f, "no signature can be taken out of {format}"),
            Self::NotByKey => f.write_str("the image has no signature of this key"),
            Self::KeyType { key, format, takes } => write!(f, "{format} takes no {key} keys, only {takes}"),
            Self::Encrypted => f.write_str("the image is encrypted, and what cannot be looked at is not signed"),
            Self::Manifest { why } => write!(f, "the manifest cannot be signed: {why}"),
            Self::SignatureTooLarge { size, most } => {
                write!(f, "the signature has {size} bytes with its certificates, and a device takes {most}")
            }
            Self::OtherDigest { key, hash } => {
                write!(f, "the image has a {hash} digest, which does not go with an {key} key")
            }
            Self::NoHeaderRoom { size } => {
                write!(f, "the first {size} bytes of the image are not blank for the header")
            }
            Self::Refused(bad) => write!(f, "the image cannot be signed: {}", bad.words),
            Self::NoRoom { size, room } => write!(f, "the signed image has {size} bytes, and there is room for {room}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_writes_them() {
        for (text, number) in [("0", 0), ("512", 512), ("0x200", 512), ("0X20000", 131_072), ("0b11", 3), ("0o17", 15)]
        {
            assert_eq!(parse_number(text), Some(number), "{text}");
        }
        for text in ["", "0x", "-1", "+1", "1 ", "1k", "0x-1", "18446744073709551616", "ä1"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }
}
