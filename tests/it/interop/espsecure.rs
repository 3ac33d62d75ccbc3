//! `bulla espsecure`: the same words to it and to espsecure.

use super::{firmware_judge, flip, openssl};
use crate::harness::{Lab, Run};

const SECTOR: usize = 4096;

/// A folder with an image of two sectors, and with keys as espsecure makes them: `a.pem`, `b.pem`, `c.pem`.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("image", (0..2 * SECTOR).map(|index| (index * 31 % 251) as u8).collect::<Vec<u8>>());
    for (name, scheme) in [("a", "ecdsa256"), ("b", "ecdsa256"), ("c", "ecdsa384")] {
        theirs(&lab, &format!("generate-signing-key --version 2 --scheme {scheme} {name}.pem")).ok();
        lab.shell(&format!("chmod 600 {name}.pem")).ok();
    }
    lab
}

fn theirs(lab: &Lab, words: &str) -> Run {
    firmware_judge(lab, &format!("espsecure {words}"))
}

fn ours(lab: &Lab, words: &str) -> Run {
    lab.bulla(&format!("espsecure {words}"))
}

/// The lines that ESP-IDF composes (espressif/esp-idf `components/esptool_py/project_include.cmake`,
/// `components/bootloader/subproject/CMakeLists.txt`) and prints in its documents
/// (`docs/en/security/secure-boot-v2.rst`), with whose signatures their products have.
#[test]
fn the_lines_of_builds_make_what_espsecure_makes() {
    let lab = lab();
    theirs(&lab, "sign-data --version 2 --keyfile a.pem --output signed -- image").ok();
    for (line, signers) in [
        ("sign_data --version 2 --keyfile a.pem -o out image", "a"),
        ("sign-data --version 2 --keyfile a.pem -o out image", "a"),
        ("sign_data out --version 2 --keyfile a.pem", "a"),
        ("sign_data -k b.pem -v 2 --append_signatures -o out signed", "ab"),
        ("sign-data --keyfile c.pem b.pem --version 2 --append-signatures --output out -- signed", "abc"),
        ("sign-data --version 2 --keyfile c.pem b.pem a.pem --output out -- image", "abc"),
        ("sign-data --version 2 --keyfile c.pem -a --output out image", "c"),
    ] {
        let mut made = Vec::new();
        for (maker, judge, no) in
            [(theirs as fn(&Lab, &str) -> Run, ours as fn(&Lab, &str) -> Run, 3), (ours, theirs, 2)]
        {
            lab.write("out", lab.read("image"));
            maker(&lab, line).ok();
            for name in ["a", "b", "c"] {
                let verify = format!("verify_signature --version 2 --keyfile {name}.pem out");
                judge(&lab, &verify).exits(if signers.contains(name) { 0 } else { no });
            }
            made.push(lab.read("out"));
        }
        assert_eq!(made[0].len(), made[1].len(), "{line}");
        // In each block everything up to the end of the key, by either hash.
        for block in 0..signers.len() {
            let start = 2 * SECTOR + 1216 * block;
            let end = start + if made[0][start + 2] == 0 { 101 } else { 149 };
            assert_eq!(made[0][start..end], made[1][start..end], "{line}: block {block}");
        }
    }
    lab.write("twin", flip(&lab.read("signed"), 0));
    theirs(&lab, "verify_signature --version 2 --keyfile a.pem twin").exits(2);
    assert!(ours(&lab, "verify_signature --version 2 --keyfile a.pem twin").exits(3).text().contains("(digest)"));
}

#[test]
fn signatures_made_elsewhere_are_placed_alike() {
    let lab = lab();
    for name in ["a", "c"] {
        theirs(&lab, &format!("extract_public_key --version 2 --keyfile {name}.pem {name}.theirs")).ok();
        ours(&lab, &format!("extract_public_key --version 2 --keyfile {name}.pem {name}.pub")).ok();
        assert_eq!(lab.read(format!("{name}.pub")), lab.read(format!("{name}.theirs")));
        let hash = if name == "a" { "sha256" } else { "sha384" };
        openssl(&lab, &format!("dgst -{hash} -sign {name}.pem -out {name}.sig image")).ok();
    }
    for (key, signature) in [("a.pub", "a.sig"), ("a.pub c.pub", "a.sig c.sig")] {
        let line = format!("sign_data --version 2 --pub-key {key} --signature {signature} --output");
        theirs(&lab, &format!("{line} theirs image")).ok();
        ours(&lab, &format!("{line} ours image")).ok();
        assert_eq!(lab.read("ours"), lab.read("theirs"), "{key}");
    }
    let line = "sign_data --version 2 --pub-key a.pub --signature c.sig --output no image";
    theirs(&lab, line).exits(2);
    lab.refuses(&format!("espsecure {line}"), 3, "does not match");
    let line = "sign_data --version 2 --pub-key a.pub c.pub --signature a.sig --output no image";
    theirs(&lab, line).exits(2);
    lab.refuses(&format!("espsecure {line}"), 2, "2 public key(s) do not go with 1 signature(s)");
}

#[test]
fn digests_and_blocks_are_shown_alike() {
    let lab = lab();
    theirs(&lab, "sign-data --version 2 --keyfile a.pem c.pem --output signed -- image").ok();
    let shown = theirs(&lab, "signature_info_v2 signed").ok().text().replace([' ', '\n'], "");
    let info = ours(&lab, "signature_info_v2 signed --format json").ok().json();
    for (index, name) in ["a", "c"].into_iter().enumerate() {
        for tool in [theirs, ours] {
            tool(&lab, &format!("digest_sbv2_public_key --keyfile {name}.pem --output digest")).ok();
            let digest: String = lab.read("digest").iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest.len(), 64);
            assert!(shown.contains(&digest), "{shown}");
            assert_eq!(info["blocks"][index]["efuse"], digest.as_str(), "{info}");
        }
    }
    lab.write("twin", flip(&lab.read("signed"), 0));
    theirs(&lab, "signature_info_v2 twin").exits(2);
    assert!(ours(&lab, "signature_info_v2 twin").exits(3).text().contains("of another image"));
    // Known: espsecure says that there is no block, and succeeds.
    theirs(&lab, "signature_info_v2 image").ok();
    ours(&lab, "signature_info_v2 image").exits(3);
}

#[test]
fn a_key_that_is_made_is_one_for_espsecure() {
    let lab = lab();
    for scheme in ["", "--scheme ecdsa384"] {
        ours(&lab, &format!("generate_signing_key --version 2 {scheme} new.pem")).ok();
        ours(&lab, "sign-data --version 2 --keyfile new.pem --output out image").ok();
        theirs(&lab, "verify-signature --version 2 --keyfile new.pem out").ok();
        theirs(&lab, "sign-data --version 2 --keyfile new.pem --output out -- image").ok();
        ours(&lab, "verify-signature --version 2 --keyfile new.pem out").ok();
        let line = format!("generate_signing_key --version 2 {scheme} new.pem");
        theirs(&lab, &line).exits(2);
        lab.refuses(&format!("espsecure {line}"), 1, "exists");
        std::fs::remove_file(lab.path("new.pem")).expect("a key");
    }
}

#[test]
fn what_cannot_be_honoured_is_refused_by_its_name() {
    let lab = lab();
    theirs(&lab, "sign-data --version 2 --keyfile a.pem --output signed -- image").ok();
    for (line, code, message) in [
        ("sign-data --version 1 --keyfile a.pem --output no image", 2, "--version"),
        ("sign-data --keyfile a.pem --output no image", 2, "--version"),
        ("sign-data --version 2 --hsm --hsm-config hsm.ini --output no image", 2, "--hsm"),
        ("sign-data --version 2 --skip-padding --keyfile a.pem --output no image", 2, "--skip-padding"),
        ("verify-signature --version 2 --skip-padding --keyfile a.pem signed", 2, "--skip-padding"),
        ("generate-signing-key --version 2 --scheme ecdsa192 new.pem", 2, "ecdsa192"),
        // Known: espsecure compares names, and a name has many forms.
        ("sign-data --version 2 --keyfile a.pem --output ./a.pem image", 2, "is the key itself"),
        ("extract-public-key --version 2 --keyfile a.pem ./a.pem", 2, "is the key itself"),
        // espsecure takes the image for a key too.
        ("sign-data --version 2 --keyfile a.pem image", 2, "DATAFILE"),
        // Known: espsecure signs over its own signature.
        ("sign-data --version 2 --keyfile b.pem --output no signed", 1, "is signed already"),
    ] {
        lab.refuses(&format!("espsecure {line}"), code, message);
    }
    ours(&lab, "sign-data --version 2 --keyfile b.pem --replace --output out signed").ok();
    theirs(&lab, "verify-signature --version 2 --keyfile b.pem out").ok();
    theirs(&lab, "verify-signature --version 2 --keyfile a.pem out").exits(2);
}
