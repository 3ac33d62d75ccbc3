//! `bulla imgtool` beside imgtool itself: the same command lines, run in two folders, write the same files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{firmware_judge, openssl, with_passphrases};
use crate::harness::{Lab, Run};

/// Keys that MCUboot takes: imgtool's name of the type.
const KEY_TYPES: [&str; 4] = ["rsa-2048", "ecdsa-p256", "ecdsa-p384", "ed25519"];

fn ours(lab: &Lab, words: &str) -> Run {
    lab.bulla(&format!("imgtool {words}"))
}

fn theirs(lab: &Lab, words: &str) -> Run {
    firmware_judge(lab, &format!("imgtool {words}"))
}

/// A public key of each type, written by both in every encoding, from the private and from the public file.
#[test]
fn public_keys_are_written_to_the_byte() {
    let lab = Lab::new();
    for key_type in KEY_TYPES {
        ours(&lab, &format!("keygen -t {key_type} -k {key_type}.pem")).ok();
        theirs(&lab, &format!("getpub -k {key_type}.pem -e pem -o {key_type}.pub")).ok();
        for words in [
            format!("getpub -k {key_type}.pem"),
            format!("getpub -k {key_type}.pub --lang rust"),
            format!("getpub --key {key_type}.pem --encoding lang-c --name-suffix _2"),
            format!("getpub -k {key_type}.pub -e lang-rust --name-suffix _b"),
            format!("getpub -k {key_type}.pem -e pem"),
            format!("getpub -k {key_type}.pub -e raw"),
            format!("getpubhash -k {key_type}.pub --name-suffix _2"),
            format!("getpubhash -k {key_type}.pem -e raw"),
        ] {
            let (ours, theirs) = (ours(&lab, &words).ok(), theirs(&lab, &words).ok());
            assert_eq!(ours.text(), theirs.text(), "{words}");
            assert_eq!(ours.stdout, theirs.stdout, "{words}");
        }
    }
    // The same in files, each of which is replaced when the build runs again.
    for _ in 0..2 {
        ours(&lab, "getpub -k ed25519.pem -o ours.c").ok();
    }
    theirs(&lab, "getpub -k ed25519.pem --output theirs.c").ok();
    assert_eq!(lab.read("ours.c"), lab.read("theirs.c"));
    // keygen has the same array under its own name.
    lab.bulla("keygen --public ed25519.pem --encoding c -o own.c").ok();
    let own = String::from_utf8(lab.read("own.c")).expect("text");
    assert_eq!(own.replace("by bulla,", "by imgtool.py,").into_bytes(), lab.read("theirs.c"));
    lab.bulla("keygen --public ed25519.pem --encoding rust -o own.rs").ok();
    let own = String::from_utf8(lab.read("own.rs")).expect("text");
    let text = theirs(&lab, "getpub -k ed25519.pem -e lang-rust").text();
    assert_eq!(own.replace("by bulla,", "by imgtool.py,"), text);
    lab.refuses("keygen --encoding c -o new.c", 2, "--public");

    lab.refuses("imgtool getpub -k ed25519.pem -e raw --name-suffix _2", 2, "--name-suffix");
    lab.refuses("imgtool getpub -k ed25519.pem --name-suffix a-b", 2, "--name-suffix");
    lab.refuses("imgtool getpub -k ed25519.pem -l c -e raw", 2, "--encoding");
    theirs(&lab, "getpub -k ed25519.pem -l c -e raw").exits(2);
    openssl(&lab, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.pem").ok();
    openssl(&lab, "pkey -in p521.pem -pubout -out p521.pub").ok();
    lab.refuses("imgtool getpub -k p521.pub", 1, "MCUboot takes no EC P-521 keys");
    theirs(&lab, "getpub -k p521.pub").fails();
}

#[test]
fn keys_are_made_private_and_never_over_others() {
    let lab = with_passphrases();
    let key = ["imgtool", "keygen", "-t", "ecdsa-p256", "-k", "a.pem"];
    lab.shell("umask 0; $bulla imgtool keygen -t ecdsa-p256 -k a.pem").ok();
    let mode = fs::metadata(lab.path("a.pem")).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    lab.refuses_args(key, 1, "a.pem exists");
    let first = lab.read("a.pem");
    lab.bulla_args(key.into_iter().chain(["--force"])).ok();
    assert_eq!(lab.read("a.pem.1.bak"), first);
    // Encrypted as imgtool's own are: openssl names the key derivation.
    ours(&lab, "keygen -t ed25519 -k b.pem --passphrase-from file:pass").ok();
    let structure = openssl(&lab, "asn1parse -in b.pem").ok().text();
    assert!(structure.contains("PBKDF2"), "{structure}");
    openssl(&lab, "pkey -in b.pem -passin file:pass -noout").ok();
    lab.refuses("imgtool getpub -k b.pem --passphrase-from file:wrong", 4, "does not open");
    lab.refuses("imgtool getpub -k b.pem", 4, "no passphrase was given");
    ours(&lab, "getpub -k b.pem --passphrase-from file:pass -e pem -o b.pub").ok();
    theirs(&lab, "getpub -k b.pub -e raw").ok();
    // There is no terminal to ask at.
    lab.refuses("imgtool keygen -t ed25519 -k c.pem -p", 4, "no terminal");

    for (name, kind, other) in
        [("a.pem", "private", "public"), ("b.pem", "private", "public"), ("b.pub", "public", "private")]
    {
        assert_eq!(ours(&lab, &format!("keyinfo -k {name}")).ok().text(), format!("{kind}\n"));
        ours(&lab, &format!("keyinfo -k {name} --require {kind}")).ok();
        ours(&lab, &format!("keyinfo -k {name} --require {other}")).exits(3);
        // Known: imgtool does not tell of an encrypted key which half it is.
        let judge = theirs(&lab, &format!("keyinfo -k {name} --require {kind}"));
        if name == "b.pem" {
            judge.fails()
        } else {
            judge.ok()
        };
        theirs(&lab, &format!("keyinfo -k {name} --require {other}")).fails();
    }
    let version = ours(&lab, "version").ok().text();
    assert_eq!(version, theirs(&lab, "version").ok().text());
}
