//! What the fuzz targets share: fixed keys and certificates, a mutator that keeps DER whole, and the laws of an image.

use std::fmt::Display;
use std::path::Path;
use std::sync::LazyLock;

use bulla::files::{self, Document, Kind};
use bulla::key::{Input, KeyFile, Signer, SoftwareKey};
use bulla::x509::verify::Purpose;
use bulla::x509::{Certificate, Time};

pub mod der;
pub mod http;
pub mod image;

/// The name of every input in error messages.
pub const INPUT: &str = "input";

/// The moment at which everything is judged: 2030-01-01T00:00:00Z.
pub fn now() -> Time {
    Time::from_unix_timestamp(1_893_456_000).expect("a time")
}

/// The documents in a file of the repository.
fn fixture(text: &str) -> Vec<Document> {
    files::documents(text.as_bytes(), Path::new("fixture"), "a fixture").expect("a fixture")
}

fn key(text: &str) -> SoftwareKey {
    KeyFile::from_document(fixture(text).remove(0)).open(None).expect("a key")
}

fn certificates(text: &str) -> Vec<Certificate> {
    fixture(text).iter().map(|document| Certificate::from_der(&document.der).expect("a certificate")).collect()
}

/// The P-256 key that every seed is signed with, to be owned.
pub fn p256() -> SoftwareKey {
    key(include_str!("../../fixtures/chains/signer.key"))
}

/// The same, to be shared.
pub static P256: LazyLock<SoftwareKey> = LazyLock::new(p256);

/// The certificate of [`P256`] and that of its issuer.
pub static SIGNER: LazyLock<Vec<Certificate>> =
    LazyLock::new(|| certificates(include_str!("../../fixtures/chains/good.pem")));

/// The anchor above [`SIGNER`].
pub static ROOT: LazyLock<Vec<Certificate>> =
    LazyLock::new(|| certificates(include_str!("../../fixtures/chains/root.pem")));

/// The Ed25519 key whose seed is 32 times 0x42 (RFC 8410 section 7).
pub static ED25519: LazyLock<SoftwareKey> = LazyLock::new(|| {
    const HEAD: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let der = [&HEAD[..], &[0x42; 32]].concat().into();
    KeyFile::from_document(Document { kind: Kind::Pkcs8Key, der }).open(None).expect("a key")
});

/// The documents of an input; none where there is nothing in it.
pub fn documents(bytes: &[u8]) -> Vec<Document> {
    files::documents(bytes, Path::new(INPUT), "a document").unwrap_or_default()
}

/// Asserts that what is printed as it is cannot confuse a terminal.
#[track_caller]
pub fn assert_printable(text: impl Display) {
    let text = text.to_string();
    assert!(text.chars().all(files::is_printable), "{text:?}");
}

/// A copy of bytes with one bit changed, at a place that depends on the bytes; what is empty gets one more.
pub fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let place = bytes.iter().fold(bytes.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    match changed.len() {
        0 => changed.push(0),
        len => changed[place % len] ^= 1 << (place / len % 8),
    }
    changed
}

/// Asserts that a key signs, and verifies nothing else than what it signed.
pub fn assert_signs(key: &SoftwareKey) {
    let scheme = key.public_key().key_type().usual_scheme();
    let signature = key.sign(scheme, Input::Message(b"message")).expect("a key that was read signs");
    let verify = |message, signature: &[u8]| key.public_key().verify(scheme, Input::Message(message), signature);
    assert!(verify(b"message", &signature).is_ok());
    assert!(verify(b"massage", &signature).is_err());
    assert!(verify(b"message", &changed(&signature)).is_err());
}

/// Gives what is signed (a certificate, a request, a revocation list, an OCSP response) a signature that holds, by [`P256`].
pub fn signed(node: &mut der::Node) {
    let [to_be_signed, _, _, ..] = node.members() else { return };
    let scheme = P256.public_key().key_type().usual_scheme();
    let signature = P256.sign(scheme, Input::Message(&to_be_signed.encoding())).expect("a signature");
    if let Some(place) = node.member(2) {
        *place = der::Node::of_bytes(0x03, [&[0], &signature[..]].concat());
    }
}

/// Every purpose of a certificate.
pub const PURPOSES: [Purpose; 6] =
    [Purpose::Firmware, Purpose::TlsClient, Purpose::TlsServer, Purpose::Idevid, Purpose::Webpki, Purpose::Any];
