//! Encrypted images for MCUboot. No other tool verifies them, so imgtool and openssl are asked in parts: what imgtool
//! encrypts opens here; what is encrypted here opens with openssl, and then is what imgtool made.

use super::mcuboot::{Parts, imgtool_ok, is_bad, key, lab, signs, verifies};
use super::{firmware_judge, flip, openssl};
use crate::harness::Lab;

/// The signer, the recipient, what else is said to `bulla` and to imgtool, the type of the TLV, and the bits of AES.
const WAYS: [(&str, &str, &str, &str, u16, u16); 7] = [
    ("rsa2048", "rsa2048", "", "", 0x30, 128),
    ("rsa3072", "rsa2048", "--encrypt-keylen 256", "--encrypt-keylen 256", 0x30, 256),
    ("p256", "p256", "--encrypt-keylen 128", "--encrypt-keylen 128", 0x32, 128),
    ("ed25519", "p256", "--encrypt-keylen 256", "--encrypt-keylen 256", 0x32, 256),
    ("ed25519", "x25519", "--hmac-sha 256", "--hmac-sha 256", 0x33, 128),
    ("ed25519", "x25519", "--hmac-sha 512 --encrypt-keylen 256", "--hmac-sha 512 --encrypt-keylen 256", 0x34, 256),
    ("ed25519", "x25519", "--pure", "--pure", 0x33, 128),
];

/// With a header of no whole number of blocks.
const COMMON: (&str, &str) = (
    "--version 1.2.3 --pad-header --header-size 0x28 --slot-size 0x8000 --security-counter 3 --confirm --max-align 16",
    "-v 1.2.3 --pad-header -H 0x28 -S 0x8000 -s 3 --confirm --max-align 16",
);

/// A lab with these keys. `other-TYPE` is another one of a type.
fn with_keys(names: &[&str]) -> Lab {
    let lab = lab();
    for name in names {
        key(&lab, name, name.trim_start_matches("other-"));
    }
    lab
}

/// The keys of all ways.
const EVERY: [&str; 5] = ["rsa2048", "rsa3072", "p256", "ed25519", "x25519"];

/// Signs with imgtool by each of the ways, into `NAME-0` and so on.
fn theirs(lab: &Lab, name: &str, more: &str) {
    let lines: Vec<String> = WAYS
        .iter()
        .enumerate()
        .map(|(number, (signer, recipient, _, flags, ..))| {
            format!("sign -k {signer}.key -E {recipient}.pub {flags} {} {more} app.bin {name}-{number}", COMMON.1)
        })
        .collect();
    imgtool_ok(lab, &lines);
}

/// Signs with `bulla` by one of the ways.
fn ours(lab: &Lab, number: usize, more: &str, output: &str) {
    let (signer, recipient, flags, ..) = WAYS[number];
    signs(lab, "app.bin", signer, &format!("--encrypt {recipient}.pub {flags} {} {more}", COMMON.0), output).ok();
}

#[test]
fn what_imgtool_encrypts_is_opened_and_judged() {
    let lab = with_keys(&[&EVERY[..], &["other-rsa2048", "other-p256", "other-x25519"]].concat());
    theirs(&lab, "image", "");
    for (number, (signer, recipient, _, _, tlv, _)) in WAYS.into_iter().enumerate() {
        let name = format!("image-{number}");
        let opened = format!("--decrypt-key {recipient}.key");
        verifies(&lab, &name, signer, &opened).ok();
        verifies(&lab, &name, signer, &format!("{opened} --slot-size 0x8000 --max-align 16")).ok();
        is_bad(&lab, &name, signer, "", "encrypted");
        is_bad(&lab, &name, signer, "--clear", "digest");
        is_bad(&lab, &name, signer, &format!("--decrypt-key other-{recipient}.key"), "not-opened");
        let other = if recipient == "p256" { "rsa2048" } else { "p256" };
        is_bad(&lab, &name, signer, &format!("--decrypt-key {other}.key"), "encrypted");
        let image = lab.read(&name);
        let changed = |change: &dyn Fn(&mut Parts, usize)| {
            let mut parts = Parts::of(&image);
            let at = parts.place(tlv);
            change(&mut parts, at);
            parts.image()
        };
        for (twin, code) in [
            (flip(&image, 3000), "digest"),
            (flip(&image, 20), "digest"),
            (changed(&|parts, at| parts.tlvs[at].1[40] ^= 1), "not-opened"),
            (changed(&|parts, at| parts.tlvs[at].1.truncate(40)), "tlv-length"),
            (changed(&|parts, at| drop(parts.tlvs.remove(at))), "encrypted"),
        ] {
            lab.write("twin", twin);
            is_bad(&lab, "twin", signer, &opened, code);
        }
    }
    let text = lab.bulla("inspect image-5").ok().text();
    for words in ["ENCX25519_SHA512 128 bytes", "flags      encrypted-aes256", "MCUBOOT_ENC_IMAGES"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// With the payload clear all is as imgtool makes it but for the sealed key, and then imgtool verifies it too.
#[test]
fn what_is_encrypted_is_the_image_of_imgtool() {
    let lab = with_keys(&EVERY);
    theirs(&lab, "clear", "--clear");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/envelope.py");
    let mut cases = Vec::new();
    let mut verify = Vec::new();
    for (number, (signer, recipient, _, _, tlv, _)) in WAYS.into_iter().enumerate() {
        ours(&lab, number, "", &format!("ours-{number}"));
        ours(&lab, number, "--clear", &format!("ours-clear-{number}"));
        verify.push(format!("verify -k {signer}.pub ours-clear-{number}"));
        verifies(&lab, &format!("ours-{number}"), signer, &format!("--decrypt-key {recipient}.key")).ok();
        verifies(&lab, &format!("ours-clear-{number}"), signer, "--clear").ok();
        let parts = Parts::of(&lab.read(format!("ours-{number}")));
        cases.push(format!("open {recipient}.key {tlv} {}", hex(&parts.tlvs[parts.place(tlv)].1)));
    }
    imgtool_ok(&lab, &verify);
    lab.write("cases", cases.join("\n"));
    let content_keys = firmware_judge(&lab, &format!("python {script} cases")).ok().text();
    for (number, content_key) in content_keys.lines().enumerate() {
        let (signer, .., tlv, bits) = WAYS[number];
        let [ours, clear, theirs] = ["ours", "ours-clear", "clear"].map(|who| lab.read(format!("{who}-{number}")));
        let [ours, clear, theirs] = [&ours, &clear, &theirs].map(|image| Parts::of(image));
        // The payload is between the header and the protected area, which holds the counter.
        let payload = 0x28..theirs.signed.len() - 12;
        lab.write("ciphered", &ours.signed[payload.clone()]);
        let zero = "0".repeat(32);
        openssl(&lab, &format!("enc -d -aes-{bits}-ctr -K {content_key} -iv {zero} -in ciphered -out opened")).ok();
        let opened = [&ours.signed[..0x28], &lab.read("opened"), &ours.signed[payload.end..]].concat();
        assert!(opened == theirs.signed && clear.signed == theirs.signed, "{number}");
        assert_ne!(ours.signed, theirs.signed);
        let others = |parts: &Parts| {
            let differs = |kind: u16| kind == tlv || (0x20..0x24).contains(&kind);
            parts.tlvs.iter().filter(|found| !differs(found.0)).cloned().collect::<Vec<_>>()
        };
        assert!(others(&ours) == others(&theirs) && others(&clear) == others(&theirs), "{number}");
        let kinds = |parts: &Parts| parts.tlvs.iter().map(|tlv| tlv.0).collect::<Vec<_>>();
        assert_eq!(kinds(&ours), kinds(&theirs));
        if signer == "ed25519" {
            assert!(ours.rest == theirs.rest && clear.rest == theirs.rest, "{number}");
        }
        // A content key is used once.
        assert_ne!(ours.tlvs, clear.tlvs);
    }
}

/// The trailer has room for content keys, in clear or as they came.
#[test]
fn the_slot_is_as_large_as_imgtool_says() {
    let lab = with_keys(&["ed25519", "x25519"]);
    // Image, trailer and two keys of 16 bytes, or two sealed keys of 80: one byte less does not do.
    for (more, tlvs) in [("", 0), ("--save-enctlv", 2 * 80 - 2 * 16)] {
        let signed = 32 + 5008;
        let unprotected = 4 + 36 + 36 + 68 + 84;
        let least = signed + unprotected + 384 + 32 + 16 + 32 + tlvs;
        for (size, code) in [(least, 0), (least - 1, 1)] {
            let flags = format!("--version 1 --pad-header --encrypt x25519.pub --slot-size {size} {more}");
            signs(&lab, "app.bin", "ed25519", &flags, "ours").exits(code);
            let line =
                format!("sign -k ed25519.key -E x25519.pub -v 1 -H 32 --pad-header -S {size} {more} app.bin theirs");
            let codes = super::mcuboot::imgtool(&lab, &[line]);
            assert_eq!(codes, [if code == 0 { 0 } else { 2 }], "{size}");
        }
        let opened = "--decrypt-key x25519.key";
        verifies(&lab, "ours", "ed25519", &format!("{opened} {more} --slot-size {least}")).ok();
        is_bad(&lab, "ours", "ed25519", &format!("{opened} {more} --slot-size {}", least - 1), "too-large");
    }
}

#[test]
fn an_encrypted_image_can_have_several_signatures() {
    let lab = with_keys(&["p256", "ed25519", "other-p256"]);
    ours(&lab, 2, "", "one");
    lab.refuses("sign one --as mcuboot --key ed25519.key --add -o two", 1, "encrypted");
    lab.refuses("sign one --as mcuboot --key ed25519.key --add --decrypt-key other-p256.key -o two", 1, "another key");
    signs(&lab, "one", "ed25519", "--add --decrypt-key p256.key", "two").ok();
    for signer in ["p256", "ed25519"] {
        verifies(&lab, "two", signer, "--decrypt-key p256.key").ok();
    }
    lab.bulla("sign two --as mcuboot --remove ed25519.pub -o rest").ok();
    assert_eq!(lab.read("rest"), lab.read("one"));
    signs(&lab, "two", "p256", "--replace --decrypt-key p256.key", "again").ok();
    assert_eq!(lab.read("again"), lab.read("one"));
}

/// Each step lays the image out anew, and encrypts it under another key; the signature is over what it was before.
#[test]
fn an_encrypted_image_is_signed_in_two_steps() {
    let lab = with_keys(&["p256"]);
    let flags = format!("--encrypt p256.pub {}", COMMON.0);
    lab.bulla(&format!("sign app.bin --as mcuboot --public-key p256.pub {flags} --prepare step")).ok();
    openssl(&lab, "pkeyutl -sign -inkey p256.key -in step.tbs -out step.sig").ok();
    lab.bulla("sign app.bin --attach step.json --signature step.sig -o image").ok();
    verifies(&lab, "image", "p256", "--decrypt-key p256.key").ok();
    lab.write("other.bin", flip(&lab.read("app.bin"), 7));
    lab.bulla("sign other.bin --attach step.json --signature step.sig -o other").exits(3);
}

#[test]
fn the_key_that_opens_an_image_may_need_a_passphrase() {
    let lab = with_keys(&["p256", "ed25519"]);
    ours(&lab, 2, "", "one");
    lab.write("pass", "correct horse\n");
    lab.write("wrong", "battery staple\n");
    openssl(&lab, "pkcs8 -topk8 -v2 aes-256-cbc -in p256.key -passout file:pass -out locked.key").ok();
    lab.shell("chmod 600 locked.key").ok();
    let (locked, from) = ("--decrypt-key locked.key", "--decrypt-passphrase-from");
    verifies(&lab, "one", "p256", &format!("{locked} {from} file:pass")).ok();
    // A key that is not encrypted leaves the passphrase alone, as with every flag for one.
    verifies(&lab, "one", "p256", &format!("--decrypt-key p256.key {from} file:pass")).ok();
    for (flags, code, words) in [
        (locked.to_owned(), 4, "hint: add --decrypt-passphrase-from"),
        (format!("{locked} {from} file:wrong"), 4, "the passphrase does not open locked.key"),
        (format!("{from} file:pass"), 2, "--decrypt-passphrase-from needs --decrypt-key"),
    ] {
        lab.refuses(&format!("verify one --as mcuboot --public-key p256.pub {flags}"), code, words);
        lab.refuses(&format!("sign one --as mcuboot --key ed25519.key --add {flags} -o two"), code, words);
    }
    signs(&lab, "one", "ed25519", &format!("--add {locked} {from} file:pass"), "two").ok();
    verifies(&lab, "two", "ed25519", "--decrypt-key p256.key").ok();
    // In two steps each opens the image, and the passphrase stands in neither file between them.
    let prepare = format!("--add {locked} {from} file:pass --prepare step");
    lab.bulla(&format!("sign one --as mcuboot --public-key ed25519.pub {prepare}")).ok();
    assert!(!String::from_utf8_lossy(&lab.read("step.json")).contains("pass"));
    openssl(&lab, "pkeyutl -sign -inkey ed25519.key -rawin -in step.tbs -out step.sig").ok();
    let attach = "sign one --attach step.json --signature step.sig";
    lab.refuses(&format!("{attach} -o three"), 4, "hint: add --decrypt-passphrase-from");
    lab.bulla(&format!("{attach} {from} file:pass -o three")).ok();
    assert_eq!(lab.read("three"), lab.read("two"));
}

#[test]
fn what_no_device_opens_is_not_made() {
    let lab = with_keys(&[&EVERY[..], &["p384", "other-p384"]].concat());
    for (flags, code, words) in [
        ("--key rsa2048.key --encrypt p256.pub", 2, "--encrypt"),
        ("--key p256.key --encrypt x25519.pub", 2, "--encrypt"),
        ("--key p384.key --encrypt p256.pub", 2, "--encrypt"),
        ("--key rsa3072.key --encrypt rsa3072.pub", 1, "2048 bits"),
        ("--key ed25519.key --encrypt ed25519.pub", 1, "cannot be encrypted to"),
        ("--key p256.key --encrypt p256.pub --hmac-sha 512", 1, "SHA-256"),
        ("--key p256.key --clear", 2, "--clear"),
        ("--key p256.key --save-enctlv", 2, "--save-enctlv"),
        ("--key p256.key --encrypt-keylen 256", 2, "--encrypt-keylen"),
        ("--key p256.key --decrypt-key p256.key", 2, "--decrypt-key"),
        ("--key p256.key --encrypt missing.pub", 1, "missing.pub"),
    ] {
        lab.refuses(&format!("sign app.bin --as mcuboot --version 1 --pad-header {flags} -o o"), code, words);
    }
    // Known: imgtool encrypts to a P-384 key, and throws the content key away.
    let line = "sign -k p384.key -E other-p384.pub -v 1 -H 32 --pad-header -S 0x8000 app.bin lost".to_owned();
    imgtool_ok(&lab, &[line]);
    assert!(Parts::of(&lab.read("lost")).tlvs.iter().all(|tlv| tlv.0 < 0x30));
    lab.refuses(
        "sign app.bin --as mcuboot --version 1 --pad-header --key p384.key --encrypt other-p384.pub -o o",
        1,
        "P-384",
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
