//! CMS signatures that `bulla` makes, before openssl and GnuTLS.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{certtool, contains, find, firmware_signer, flip, openssl};
use crate::harness::{Lab, Run};

pub const ROOT: &str = "acme/firmware/root.pem";
const MESSAGE_DIGEST: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const SIGNING_TIME: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x05];

/// Name, key type, flags of `bulla sign`, and what openssl prints of the signer.
const SIGNERS: [(&str, &str, &str, &[&str]); 7] = [
    ("p256", "p256", "", &["algorithm: sha256", "algorithm: ecdsa-with-SHA256"]),
    ("p256-sha512", "p256", "--hash sha512", &["algorithm: sha512", "algorithm: ecdsa-with-SHA512"]),
    ("p384", "p384", "", &["algorithm: sha384", "algorithm: ecdsa-with-SHA384"]),
    ("rsa", "rsa2048", "", &["algorithm: sha256", "algorithm: rsaEncryption", "parameter: NULL"]),
    ("rsa-sha384", "rsa3072", "--rsa pkcs1 --hash sha384", &["algorithm: sha384", "algorithm: rsaEncryption"]),
    ("pss", "rsa3072", "--rsa pss", &["algorithm: sha256", "algorithm: rsassaPss"]),
    ("pss-sha512", "rsa2048", "--rsa pss --hash sha512", &["algorithm: sha512", "algorithm: rsassaPss"]),
];

/// A content that is neither text nor of one block, with line ends that S/MIME would change.
pub fn content() -> Vec<u8> {
    (0..70_000u32).flat_map(|n| [(n.wrapping_mul(n) >> 7) as u8, b'\n']).collect()
}

#[test]
fn openssl_accepts_every_message() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    for (name, key_type, flags, words) in SIGNERS {
        firmware_signer(&lab, name, key_type);
        sign(&lab, name, flags).ok();
        for purpose in ["", "-purpose any"] {
            theirs(&lab, name, purpose).ok();
            assert_eq!(lab.read("seen"), content(), "{name} {purpose}");
        }
        ours(&lab, name).ok();
        let shown = openssl(&lab, &format!("cms -cmsout -print -noout -inform DER -in {name}.p7s")).ok().text();
        let words =
            [words, &["eContentType: pkcs7-data", "signingTime", "messageDigest", "eContent: <ABSENT>"]].concat();
        for word in words {
            assert!(shown.contains(word), "{name}: {word}: {shown}");
        }
        let parsed = openssl(&lab, &format!("asn1parse -inform DER -in {name}.p7s")).ok().text();
        assert!(parsed.contains(":pkcs7-signedData") && !parsed.contains("Error"), "{name}: {parsed}");
        // DER: nothing of indefinite length. The leaf and its issuer come along, the root does not.
        assert!(!parsed.contains("inf "), "{name}: {parsed}");
        assert_eq!(shown.matches("d.certificate:").count(), 2, "{name}: {shown}");
        gnutls_accepts(&lab, name);
        for (what, twin) in twins(&lab.read(format!("{name}.p7s"))) {
            lab.write("twin.p7s", twin);
            assert!(ours(&lab, "twin").exits(3).text().starts_with("bad "), "{name} {what}");
            // openssl reads the first structure of a file and stops there: it never sees what follows.
            match what {
                "trailing" => theirs(&lab, "twin", "").exits(0),
                "truncated" => theirs(&lab, "twin", "").exits(2),
                _ => theirs(&lab, "twin", "").exits(4),
            };
        }
        lab.write("image", flip(&content(), 69_999));
        assert!(ours(&lab, name).exits(3).text().contains("(digest)"), "{name}");
        theirs(&lab, name, "").exits(4);
        gnutls(&lab, name).fails();
        lab.write("image", content());
    }
}

/// Known: OpenSSL 3.0 can neither make nor check Ed25519 in CMS. When it can, this fails: move Ed25519 to `SIGNERS`,
/// and take the warning out of `bulla sign`.
#[test]
fn gnutls_accepts_ed25519_and_openssl_cannot_judge_it() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    firmware_signer(&lab, "ed", "ed25519");
    let run = sign(&lab, "ed", "").ok();
    assert!(run.stderr.contains("warning: OpenSSL 3 cannot verify CMS with Ed25519"), "{}", run.stderr);
    ours(&lab, "ed").ok();
    gnutls(&lab, "ed").ok();
    let run = theirs(&lab, "ed", "").exits(4);
    assert!(run.stderr.contains("invalid digest"), "{}", run.stderr);
    let flags = "-signer ed.pem -inkey ed.key -certfile acme/firmware/issuing.pem";
    let run = openssl(&lab, &format!("cms -sign -binary -outform DER -in image {flags} -out theirs.p7s")).exits(3);
    assert!(run.stderr.contains("no default digest"), "{}", run.stderr);
    for (what, twin) in twins(&lab.read("ed.p7s")) {
        lab.write("twin.p7s", twin);
        ours(&lab, "twin").exits(3);
        // Like openssl, certtool does not look behind the message.
        if what != "trailing" {
            gnutls(&lab, "twin").fails();
        }
    }
    lab.write("image", flip(&content(), 0));
    ours(&lab, "ed").exits(3);
    gnutls(&lab, "ed").fails();
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    // Ahead of the clock, so that the clock cannot have been asked.
    let epoch = now + 3600;
    for (name, key_type, flags) in
        [("p256", "p256", ""), ("p384", "p384", ""), ("rsa", "rsa2048", ""), ("ed", "ed25519", "")]
    {
        firmware_signer(&lab, name, key_type);
        let at = |epoch: u64, output: &str| {
            let words = format!("sign image --as cms --key {name}.key --cert {name}.pem {flags} -o {output}");
            let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
            command
                .args(words.split_whitespace())
                .current_dir(lab.path(""))
                .env("SOURCE_DATE_EPOCH", epoch.to_string());
            lab.finish(command).ok();
            lab.read(output)
        };
        let first = at(epoch, &format!("{name}.1"));
        assert!(first == at(epoch, &format!("{name}.2")), "{name}");
        assert!(first != at(epoch + 1, &format!("{name}.3")), "{name}");
        lab.write(format!("{name}.p7s"), &first);
        ours(&lab, name).ok();
        if name != "ed" {
            theirs(&lab, name, "").ok();
        }
    }
}

/// A device's identity is no firmware signer, and neither is a certificate for another key.
#[test]
fn bulla_signs_only_with_a_firmware_certificate() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    super::enroll(&lab, "device", "p256", "idevid", "--serial SN-1");
    let run = sign(&lab, "device", "").exits(1);
    assert!(run.stderr.contains("extKeyUsage") && !lab.has("device.p7s"), "{}", run.stderr);
    let run = lab.bulla("sign image --as cms --key device.key --cert fw.pem -o mixed.p7s").exits(1);
    assert!(run.stderr.contains("another key") && !lab.has("mixed.p7s"), "{}", run.stderr);
}

#[track_caller]
pub fn sign(lab: &Lab, name: &str, flags: &str) -> Run {
    lab.bulla(&format!("sign image --as cms --key {name}.key --cert {name}.pem {flags} -o {name}.p7s"))
}

/// `bulla verify` of the detached `NAME.p7s` over `image`.
pub fn ours(lab: &Lab, name: &str) -> Run {
    lab.bulla(&format!("verify image --as cms --signature {name}.p7s --trust {ROOT}"))
}

/// `openssl cms -verify` of the same; what it verified is in `seen`.
pub fn theirs(lab: &Lab, name: &str, purpose: &str) -> Run {
    let files = format!("-in {name}.p7s -content image -CAfile {ROOT} -out seen");
    openssl(lab, &format!("cms -verify -binary -inform DER {purpose} {files}"))
}

fn gnutls(lab: &Lab, name: &str) -> Run {
    certtool(lab, &format!("--p7-verify --inder --infile {name}.p7s --load-data image --load-ca-certificate {ROOT}"))
}

/// Known: GnuTLS 3.7 takes every PSS signature in PKCS#7 for one by SHA-256, whatever its parameters say, and so
/// refuses openssl's own by SHA-512 too. When it learns to read them, this fails: drop the exception.
#[track_caller]
fn gnutls_accepts(lab: &Lab, name: &str) {
    if name != "pss-sha512" {
        gnutls(lab, name).ok();
        return;
    }
    gnutls(lab, name).exits(1);
    let signer = format!("-signer {name}.pem -inkey {name}.key -certfile acme/firmware/issuing.pem");
    let pss = "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:digest -md sha512";
    openssl(lab, &format!("cms -sign -binary -outform DER -in image -out theirs.p7s {signer} {pss}")).ok();
    gnutls(lab, "theirs").exits(1);
}

/// Tampered messages; the detached content is tampered with apart.
pub fn twins(message: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    // A streamed message ends in zeros; the signature stands before them.
    let last = message.iter().rposition(|byte| *byte != 0).expect("a message of more than zeros");
    let mut all = vec![
        ("signature", flip(message, last)),
        ("trailing", [message, &[0x00]].concat()),
        ("truncated", message[..last].to_vec()),
    ];
    if contains(message, SIGNING_TIME) {
        // UTCTime YYMMDDHHMMSSZ behind OID, SET and tag: the last digit of the seconds.
        all.push(("signing time", flip(message, find(message, SIGNING_TIME) + SIGNING_TIME.len() + 4 + 11)));
        all.push(("message digest", flip(message, find(message, MESSAGE_DIGEST) + MESSAGE_DIGEST.len() + 4)));
    }
    all
}
