//! Bare signatures, made by either side and checked by the other.

use super::{flip, openssl};
use crate::harness::{Lab, Run};

const PSS: &str = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen";

/// Name, key type, flags of `bulla` for both verbs, and how openssl says the same: the digest, and
/// the length of the salt.
const SCHEMES: [(&str, &str, &str, &str); 15] = [
    ("p256", "p256", "", "-sha256"),
    ("p256-sha384", "p256", "--hash sha384", "-sha384"),
    ("p256-sha512", "p256", "--hash sha512 --ecdsa der", "-sha512"),
    ("p384", "p384", "", "-sha384"),
    ("p384-sha256", "p384", "--hash sha256", "-sha256"),
    ("p384-sha512", "p384", "--hash sha512", "-sha512"),
    ("ed25519", "ed25519", "", ""),
    ("rsa2048-pss", "rsa2048", "", "-sha256 PSS:digest"),
    ("rsa3072-pss", "rsa3072", "--rsa pss --hash sha384", "-sha384 PSS:digest"),
    ("rsa2048-pss-sha512", "rsa2048", "--hash sha512", "-sha512 PSS:digest"),
    ("rsa4096-pss", "rsa4096", "", "-sha256 PSS:32"),
    ("rsa2048-pkcs1", "rsa2048", "--rsa pkcs1", "-sha256"),
    ("rsa3072-pkcs1", "rsa3072", "--rsa pkcs1 --hash sha384", "-sha384"),
    ("rsa2048-pkcs1-sha512", "rsa2048", "--rsa pkcs1 --hash sha512", "-sha512"),
    ("rsa3072-pss-pkcs1", "rsa3072", "--rsa pkcs1", "-sha256"),
];

#[test]
fn both_accept_what_the_other_signed() {
    let lab = Lab::new();
    lab.write("image", b"an image\r\n\0\xff of some bytes");
    for (name, key_type, flags, digest) in SCHEMES {
        keys(&lab, key_type);
        ours_signs(&lab, key_type, flags, "ours.sig").ok();
        theirs_signs(&lab, key_type, digest, "theirs.sig").ok();
        for signer in ["ours", "theirs"] {
            let signature = lab.read(format!("{signer}.sig"));
            let run = ours_verifies(&lab, key_type, flags, &format!("{signer}.sig")).ok();
            assert!(run.text().starts_with("good  image"), "{name}: {}", run.text());
            theirs_verifies(&lab, key_type, digest, &format!("{signer}.sig")).ok();
            if key_type != "ed25519" {
                let digest = digest.replace("PSS", PSS);
                let files = format!("-verify {key_type}.pub -signature {signer}.sig image");
                openssl(&lab, &format!("dgst {digest} {files}")).ok();
            }
            for (what, twin) in twins(&signature) {
                lab.write("twin.sig", twin);
                let run = ours_verifies(&lab, key_type, flags, "twin.sig").exits(3);
                assert!(run.text().starts_with("bad   image"), "{name} {signer} {what}: {}", run.text());
                theirs_verifies(&lab, key_type, digest, "twin.sig").fails();
            }
        }
        let image = lab.read("image");
        lab.write("image", flip(&image, 4));
        ours_verifies(&lab, key_type, flags, "theirs.sig").exits(3);
        theirs_verifies(&lab, key_type, digest, "ours.sig").exits(1);
        lab.write("image", image);
    }
}

#[test]
fn halves_side_by_side_and_der_are_never_taken_for_each_other() {
    let lab = Lab::new();
    lab.write("image", "an image");
    for (key_type, digest, len) in [("p256", "-sha256", 32), ("p384", "-sha384", 48)] {
        keys(&lab, key_type);
        ours_signs(&lab, key_type, "", "der.sig").ok();
        ours_signs(&lab, key_type, "--ecdsa p1363", "halves.sig").ok();
        theirs_signs(&lab, key_type, digest, "theirs.sig").ok();
        let (der, halves) = (lab.read("der.sig"), lab.read("halves.sig"));
        assert_eq!(halves.len(), 2 * len);
        // RFC 6979: the two are one signature in two encodings.
        assert_eq!(joined(&der, len), halves, "{key_type}");
        theirs_verifies(&lab, key_type, digest, "der.sig").ok();
        theirs_verifies(&lab, key_type, digest, "halves.sig").fails();
        ours_verifies(&lab, key_type, "--ecdsa p1363", "halves.sig").ok();
        ours_verifies(&lab, key_type, "--ecdsa p1363", "der.sig").exits(3);
        ours_verifies(&lab, key_type, "", "halves.sig").exits(3);
        ours_verifies(&lab, key_type, "--ecdsa der", "halves.sig").exits(3);
        lab.write("theirs-halves.sig", joined(&lab.read("theirs.sig"), len));
        ours_verifies(&lab, key_type, "--ecdsa p1363", "theirs-halves.sig").ok();
        for (_, twin) in twins(&halves) {
            lab.write("twin.sig", twin);
            ours_verifies(&lab, key_type, "--ecdsa p1363", "twin.sig").exits(3);
        }
        for zeros in
            [vec![0; 2 * len], [&halves[..len], &vec![0; len]].concat(), [&vec![0; len], &halves[len..]].concat()]
        {
            lab.write("twin.sig", zeros);
            ours_verifies(&lab, key_type, "--ecdsa p1363", "twin.sig").exits(3);
        }
        // BER that is no DER: a length in two bytes, a number with a needless zero.
        let long = [&[0x30, 0x81, der[1]], &der[2..]].concat();
        let padded = [&[0x30, der[1] + 1, 0x02, der[3] + 1, 0x00], &der[4..]].concat();
        for twin in [long, padded] {
            lab.write("twin.sig", twin);
            ours_verifies(&lab, key_type, "", "twin.sig").exits(3);
            // Known: openssl decodes leniently but encodes again and compares, so it refuses too.
            theirs_verifies(&lab, key_type, digest, "twin.sig").fails();
        }
    }
}

#[test]
fn two_runs_sign_alike() {
    let lab = Lab::new();
    lab.write("image", "an image");
    for (key_type, flags) in [
        ("p256", ""),
        ("p256", "--hash sha512"),
        ("p384", ""),
        ("p384", "--hash sha256"),
        ("ed25519", ""),
        ("rsa2048", "--rsa pkcs1"),
    ] {
        keys(&lab, key_type);
        for output in ["first", "second"] {
            ours_signs(&lab, key_type, flags, output).ok();
        }
        assert_eq!(lab.read("first"), lab.read("second"), "{key_type} {flags}");
        lab.write("other", "another image");
        let output = format!("sign other --as raw --key {key_type}.key {flags} -o third --force");
        lab.bulla(&output).ok();
        assert_ne!(lab.read("first"), lab.read("third"), "{key_type} {flags}");
    }
    // A salt is drawn anew, or it would be none.
    for output in ["first", "second"] {
        ours_signs(&lab, "rsa2048", "--rsa pss", output).ok();
    }
    assert_ne!(lab.read("first"), lab.read("second"));
}

/// A signature by another scheme of the same key holds for openssl when it is told, and is refused when it is not.
#[test]
fn another_scheme_of_the_same_key_is_refused() {
    let lab = Lab::new();
    lab.write("image", "an image");
    for (key_type, made, checked) in [
        ("p256", "-sha512", ""),
        ("p384", "-sha256", ""),
        ("rsa2048", "-sha256", "--rsa pss"),
        ("rsa2048", "-sha256 PSS:digest", "--rsa pkcs1"),
        ("rsa2048", "-sha512 PSS:digest", ""),
        // A salt of another length than the digest.
        ("rsa2048", "-sha256 PSS:20", ""),
        ("rsa2048", "-sha256 PSS:max", ""),
        ("rsa2048", "-sha256 PSS:0", ""),
    ] {
        keys(&lab, key_type);
        theirs_signs(&lab, key_type, made, "theirs.sig").ok();
        theirs_verifies(&lab, key_type, made, "theirs.sig").ok();
        let run = ours_verifies(&lab, key_type, checked, "theirs.sig").exits(3);
        assert!(run.text().contains("(signature)"), "{key_type} {made}: {}", run.text());
    }
    keys(&lab, "p384");
    ours_signs(&lab, "rsa2048", "", "rsa.sig").ok();
    ours_verifies(&lab, "p384", "", "rsa.sig").exits(3);
    theirs_verifies(&lab, "p384", "-sha384", "rsa.sig").fails();
}

fn keys(lab: &Lab, key_type: &str) {
    if !lab.has(format!("{key_type}.key")) {
        lab.bulla(&format!("keygen --type {key_type} -o {key_type}.key")).ok();
        openssl(lab, &format!("pkey -in {key_type}.key -pubout -out {key_type}.pub")).ok();
    }
}

fn ours_signs(lab: &Lab, key_type: &str, flags: &str, output: &str) -> Run {
    lab.bulla(&format!("sign image --as raw --key {key_type}.key {flags} -o {output} --force"))
}

fn ours_verifies(lab: &Lab, key_type: &str, flags: &str, signature: &str) -> Run {
    lab.bulla(&format!("verify image --as raw --signature {signature} --public-key {key_type}.pub {flags}"))
}

fn theirs_signs(lab: &Lab, key_type: &str, digest: &str, output: &str) -> Run {
    pkeyutl(lab, digest, &format!("-sign -inkey {key_type}.key -out {output}"))
}

/// By `pkeyutl`: `dgst -verify` reads no more of a signature than the key's longest, and so never sees what follows.
fn theirs_verifies(lab: &Lab, key_type: &str, digest: &str, signature: &str) -> Run {
    pkeyutl(lab, digest, &format!("-verify -pubin -inkey {key_type}.pub -sigfile {signature}"))
}

fn pkeyutl(lab: &Lab, digest: &str, words: &str) -> Run {
    let digest = digest.replace("PSS", PSS).replace("-sigopt", "-pkeyopt").replace("-sha", "-digest sha");
    openssl(lab, &format!("pkeyutl -rawin -in image {digest} {words}"))
}

fn twins(signature: &[u8]) -> [(&'static str, Vec<u8>); 7] {
    let last = signature.len() - 1;
    [
        ("first byte", flip(signature, 0)),
        ("middle byte", flip(signature, last / 2)),
        ("last byte", flip(signature, last)),
        ("a byte more", [signature, &[0x00]].concat()),
        ("a line end more", [signature, b"\n"].concat()),
        ("a byte less", signature[..last].to_vec()),
        ("two of them", [signature, signature].concat()),
    ]
}

/// r and s of a DER signature side by side.
fn joined(der: &[u8], len: usize) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut halves = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        halves.extend(std::iter::repeat_n(0, len - number.len()).chain(number.iter().copied()));
        rest = after;
    }
    halves
}
