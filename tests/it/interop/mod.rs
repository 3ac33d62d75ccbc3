//! What `bulla` makes, the world's tools read; what they make, `bulla` reads; what was tampered with, nobody accepts.
//!
//! Each test stands beside its tampered twin, which both sides refuse. Where a judge is known to be wrong or unable,
//! the test says so and fails on the day that changes.

mod certificates;
mod cms;
mod cms_read;
mod devices;
mod envelope;
mod enveloped;
mod esp32;
mod espsecure;
mod est;
mod imgtool;
mod keys;
mod lint;
mod mcuboot;
mod mcuboot_encrypted;
mod minisign;
mod minisign_keys;
mod rauc;
mod raw;
mod requests;
mod swupdate;

use crate::harness::{Lab, Run};

/// Every type of key that `bulla keygen` makes.
const KEY_TYPES: [&str; 6] = ["p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096"];

/// A folder with a passphrase, and one that opens nothing.
fn with_passphrases() -> Lab {
    let lab = Lab::new();
    lab.write("pass", "correct horse\n");
    lab.write("wrong", "incorrect horse\n");
    lab
}

fn openssl(lab: &Lab, words: &str) -> Run {
    lab.judge(&format!("openssl {words}"))
}

/// Runs `openssl COMMAND -out OUTPUT ...`: a number of bits has to stay the last argument.
#[track_caller]
fn make(lab: &Lab, command: &str, output: &str) {
    let (verb, rest) = command.split_once(' ').expect("a command of several words");
    openssl(lab, &format!("{verb} -out {output} {rest}")).ok();
}

/// Runs a tool of the firmware judges that come from PyPI: imgtool, espsecure.
fn firmware_judge(lab: &Lab, words: &str) -> Run {
    let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/target/judges/firmware/bin");
    lab.judge(&format!("{tools}/{words}"))
}

/// GnuTLS speaks the user's language unless told otherwise.
fn certtool(lab: &Lab, words: &str) -> Run {
    lab.judge(&format!("env LC_ALL=C certtool {words}"))
}

/// A key and its certificate chain, `NAME.key` and `NAME.pem`, from the lab's CA.
#[track_caller]
fn enroll(lab: &Lab, name: &str, key_type: &str, profile: &str, names: &str) {
    lab.bulla(&format!("keygen --type {key_type} -o {name}.key")).ok();
    lab.bulla(&format!("enroll --key {name}.key --profile {profile} {names} --ca acme -o {name}.pem")).ok();
}

/// A firmware signer `NAME.key`, `NAME.pem`.
#[track_caller]
fn firmware_signer(lab: &Lab, name: &str, key_type: &str) {
    enroll(lab, name, key_type, "firmware", &format!("--cn {name}"));
}

/// The bytes with the lowest bit of one byte flipped.
fn flip(bytes: &[u8], index: usize) -> Vec<u8> {
    let mut twin = bytes.to_vec();
    twin[index] ^= 1;
    twin
}

/// Where `part` stands for the last time.
#[track_caller]
fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).rposition(|window| window == part).expect("the part that is to be tampered with")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The value of an extension in the DER of a certificate or request, by the encoded OID.
#[track_caller]
fn extension_value<'a>(der: &'a [u8], oid: &[u8]) -> &'a [u8] {
    let mut rest = &der[find(der, oid) + oid.len()..];
    if let [0x01, 0x01, 0xff, after @ ..] = rest {
        rest = after;
    }
    let (length, rest) = match rest {
        [0x04, 0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x04, 0x82, high, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        [0x04, length, rest @ ..] => (usize::from(*length), rest),
        _ => panic!("an extension is an OCTET STRING"),
    };
    &rest[..length]
}

/// The DER of a PEM or DER file that openssl reads with `command`: `x509`, `req`.
#[track_caller]
fn der_of(lab: &Lab, command: &str, name: &str) -> Vec<u8> {
    openssl(lab, &format!("{command} -in {name} -outform DER")).ok().stdout
}
