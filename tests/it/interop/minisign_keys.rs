//! Keys of minisign: what it writes, `bulla` opens; what `bulla` writes of them, it takes.

use super::{contains, flip, openssl, with_passphrases};
use crate::harness::Lab;

/// Makes `NAME.key` and `NAME.pub` under the passphrase of `pass`. Where minisign gets little memory, it asks for less
/// work, which keeps the tests fast.
fn make_encrypted(lab: &Lab, name: &str, limit: &str) {
    lab.shell(&format!("{limit} cat pass pass | minisign -G -p {name}.pub -s {name}.key")).ok();
}

const LITTLE: &str = "ulimit -v 60000;";

/// The bytes of the base64 in the second line of a file.
fn decoded(lab: &Lab, name: &str) -> Vec<u8> {
    lab.shell(&format!("sed -n 2p {name} | base64 -d")).ok().stdout
}

/// Writes a key file around other bytes.
fn write(lab: &Lab, name: &str, bytes: &[u8]) {
    lab.write("bytes", bytes);
    lab.shell(&format!("(echo 'untrusted comment: a twin'; base64 -w0 bytes; echo) > {name} && chmod 600 {name}")).ok();
}

#[test]
fn every_secret_key_of_minisign_is_opened() {
    let lab = with_passphrases();
    make_encrypted(&lab, "sensitive", "");
    make_encrypted(&lab, "little", LITTLE);
    lab.shell("cp little.key opened.key; cp little.pub opened.pub; minisign -C -W -s opened.key < pass").ok();
    lab.judge("minisign -G -W -p plain.pub -s plain.key").ok();
    for name in ["sensitive", "little", "opened", "plain"] {
        let key = format!("--public {name}.key --passphrase-from file:pass");
        lab.bulla(&format!("keygen {key} --encoding minisign -o {name}.ours")).ok();
        assert_eq!(decoded(&lab, &format!("{name}.ours")), decoded(&lab, &format!("{name}.pub")), "{name}");
    }
    for (name, kind) in [("little", "encrypted minisign private key"), ("plain", "minisign private key")] {
        let public = String::from_utf8_lossy(&lab.read(format!("{name}.pub"))).into_owned();
        let id = public.lines().next().and_then(|comment| comment.split(' ').next_back()).expect("minisign's number");
        // Before 0.12 minisign shows it without leading zeros.
        let id = format!("{id:0>16}");
        let shown = lab.bulla(&format!("inspect {name}.key --passphrase-from file:pass")).ok().text();
        assert!(shown.starts_with(kind) && shown.contains(&id), "{shown}");
        let shown = lab.bulla(&format!("inspect {name}.pub --format json")).ok().json();
        let shown = &shown["documents"][0];
        assert_eq!((&shown["kind"], &shown["key_id"]), (&"minisign public key".into(), &id.into()));
    }
    let shown = lab.bulla("inspect little.key").ok().text();
    assert!(shown.contains("not shown without its passphrase"), "{shown}");
}

#[test]
fn a_wrong_passphrase_or_a_tampered_key_opens_nothing() {
    let lab = with_passphrases();
    make_encrypted(&lab, "little", LITTLE);
    lab.shell("cp little.key opened.key; minisign -C -W -s opened.key < pass").ok();
    lab.write("image", "an image");
    lab.refuses("keygen --public little.key -o out", 4, "little.key is encrypted");
    lab.refuses("keygen --public little.key --passphrase-from file:wrong -o out", 4, "passphrase");
    lab.shell("minisign -S -s little.key -m image < wrong").fails();
    let bytes = decoded(&lab, "little.key");
    // Salt, key id, seed, public half, checksum.
    for at in [6, 54, 62, 94, 126] {
        write(&lab, "twin.key", &flip(&bytes, at));
        lab.refuses("keygen --public twin.key --passphrase-from file:pass -o out", 4, "passphrase");
        lab.shell("minisign -S -s twin.key -m image < pass").fails();
    }
    // More work than minisign ever asks for; and another algorithm, derivation and checksum.
    for (at, words) in [(43, "scrypt"), (0, "not a private key"), (2, "key derivation"), (4, "malformed")] {
        write(&lab, "twin.key", &flip(&bytes, at));
        lab.refuses("keygen --public twin.key --passphrase-from file:pass -o out", 1, words);
    }
    let bytes = decoded(&lab, "opened.key");
    // Known: minisign does not look at the checksum of a key in the clear, nor whether its halves belong together.
    for at in [54, 62, 94, 126] {
        write(&lab, "twin.key", &flip(&bytes, at));
        lab.refuses("keygen --public twin.key -o out", 1, "cannot use the key twin.key");
        lab.judge("minisign -S -W -s twin.key -m image").ok();
    }
    write(&lab, "short.key", &bytes[..bytes.len() - 1]);
    lab.refuses("keygen --public short.key -o out", 1, "a minisign file that holds no key");
    lab.judge("minisign -S -W -s short.key -m image").fails();
    lab.refuses("keygen --encoding minisign -o out", 2, "--public");
}

#[test]
fn a_key_of_minisign_is_a_key_like_any_other() {
    let lab = with_passphrases();
    lab.write("image", "an image");
    lab.judge("minisign -G -W -p plain.pub -s plain.key").ok();
    lab.judge("minisign -G -W -p other.pub -s other.key").ok();
    lab.bulla("keygen --public plain.key -o plain.pem").ok();
    let (ours, theirs) = (openssl(&lab, "pkey -pubin -in plain.pem -outform DER").ok(), decoded(&lab, "plain.pub"));
    assert_eq!(ours.stdout[12..], theirs[10..]);
    lab.bulla("sign image --as raw --key plain.key -o image.sig").ok();
    openssl(&lab, "pkeyutl -verify -rawin -pubin -inkey plain.pem -in image -sigfile image.sig").ok();
    for key in ["plain.pub", "plain.pem"] {
        lab.bulla(&format!("verify image --as raw --signature image.sig --public-key {key}")).ok();
    }
    lab.bulla("verify image --as raw --signature image.sig --public-key other.pub").exits(3);
    lab.refuses("verify image --as raw --signature image.sig --public-key plain.key", 1, "a minisign private key");
    lab.refuses("keygen --public plain.pub -o out", 1, "a minisign public key, not a private key");
    lab.bulla("csr plain.key --profile ldevid --cn a -o a.csr").ok();
    openssl(&lab, "req -in a.csr -verify -noout").ok();
}

/// A key without a number has the start of its fingerprint as one. minisign takes the file, and goes by that number.
#[test]
fn minisign_takes_the_public_half_of_any_ed25519_key() {
    let lab = Lab::new();
    lab.bulla("keygen --type ed25519 -o own.key").ok();
    let made = lab.bulla("keygen --public own.key --encoding minisign -o own.pub --format json").ok().json();
    let id = made["spki_sha256"].as_str().expect("a fingerprint")[..16].to_uppercase();
    assert!(contains(&lab.read("own.pub"), id.as_bytes()));
    lab.write("image", "an image");
    lab.judge("minisign -G -W -p other.pub -s other.key").ok();
    lab.judge("minisign -S -W -s other.key -m image").ok();
    let run = lab.judge("minisign -V -p own.pub -m image").fails();
    let id = id.trim_start_matches('0');
    assert!(run.stderr.contains("key id in the public key is") && run.stderr.contains(id), "{}", run.stderr);
    lab.bulla("keygen -o p256.key").ok();
    lab.refuses("keygen --public p256.key --encoding minisign -o out", 1, "minisign takes no EC P-256 keys");
}
