//! ESP32 images with Secure Boot v2, signed and judged by `bulla` and by espsecure.

use super::{firmware_judge, flip, make, openssl};
use crate::harness::{Lab, Run};

const SECTOR: usize = 4096;
const BLOCK: usize = 1216;

/// A key type, where a block has the digest of the image and the signature, and how openssl signs for it.
struct Kind {
    name: &'static str,
    digest: std::ops::Range<usize>,
    signature: std::ops::Range<usize>,
    pkeyutl: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "rsa3072",
        digest: 4..36,
        signature: 812..1196,
        pkeyutl: "-pkeyopt digest:sha256 -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:32",
    },
    Kind { name: "p256", digest: 4..36, signature: 101..165, pkeyutl: "-pkeyopt digest:sha256" },
    Kind { name: "p384", digest: 4..52, signature: 149..245, pkeyutl: "-pkeyopt digest:sha384" },
];

#[test]
fn both_accept_what_the_other_signed() {
    let lab = lab(5000, &["rsa3072", "p256", "p384"]);
    for kind in &KINDS {
        let Kind { name, signature, .. } = kind;
        ours_signs(&lab, name, "", "image", "ours").ok();
        theirs_signs(&lab, name, "", "image", "theirs").ok();
        for signed in ["ours", "theirs"] {
            theirs_verifies(&lab, name, signed).ok();
            assert_eq!(ours_verifies(&lab, name, signed).ok().json()["verdict"], "good", "{name} {signed}");
        }
        let (ours, theirs) = (lab.read("ours"), lab.read("theirs"));
        assert_eq!(ours.len(), 3 * SECTOR);
        // Everything but the signature and the checksum, which has it in it.
        let without = |image: &[u8]| {
            let block = &image[2 * SECTOR..];
            [&image[..2 * SECTOR], &block[..signature.start], &block[signature.end..1196], &block[1200..]].concat()
        };
        assert_eq!(without(&ours), without(&theirs), "{name}");
        ours_signs(&lab, name, "", "image", "again").ok();
        assert_eq!(lab.read("again") == ours, *name != "rsa3072", "RFC 6979 is deterministic, PSS is not");
        let piped = format!("cat image | $bulla sign - --as esp32 --key {name}.key -o - > piped");
        lab.shell(&piped).ok();
        assert_eq!(without(&lab.read("piped")), without(&ours), "{name}");
    }
}

#[test]
fn both_refuse_what_was_changed() {
    let lab = lab(5000, &["rsa3072", "p256", "p384"]);
    for kind in &KINDS {
        theirs_signs(&lab, kind.name, "", "image", "signed").ok();
        let signed = lab.read("signed");
        let at = |place: usize| 2 * SECTOR + place;
        for (what, twin, code) in [
            ("the image", flip(&signed, 0), "digest"),
            ("the padding", flip(&signed, at(0) - 1), "digest"),
            ("the magic byte", flip(&signed, at(0)), "unsigned"),
            ("the version", flip(&signed, at(1)), "crc"),
            ("the checksum", flip(&signed, at(1196)), "crc"),
            ("the digest", flip(&signed, at(kind.digest.start)), "crc"),
            ("the digest, its last byte", with_crc(&flip(&signed, at(kind.digest.end - 1))), "digest"),
            ("the signature", flip(&signed, at(kind.signature.start)), "crc"),
            ("the signature, its first byte", with_crc(&flip(&signed, at(kind.signature.start))), "signature"),
            ("the signature, its last byte", with_crc(&flip(&signed, at(kind.signature.end - 2))), "signature"),
            ("the version, with its checksum", with_crc(&set(&signed, at(1), 4)), "version"),
            ("a byte more", [&signed[..], &[0xff]].concat(), "size"),
            ("a byte less", signed[1..].to_vec(), "size"),
            ("no sector", signed[..at(0)].to_vec(), "unsigned"),
            ("a sector more", [&signed[..], &[0xff; SECTOR]].concat(), "unsigned"),
            ("a sector less", signed[SECTOR..].to_vec(), "digest"),
            ("no image", signed[at(0)..].to_vec(), "size"),
        ] {
            // What has nothing to do with the key is tried with one.
            if kind.name != "p256" && !["signature", "digest"].contains(&code) {
                continue;
            }
            lab.write("twin", twin);
            theirs_verifies(&lab, kind.name, "twin").exits(2);
            refused(&lab, kind.name, "twin", code, what);
        }
    }
}

/// Known: espsecure looks at the key in a block only to say what it is, and never whether it is the one that it
/// verifies with. A device compares the digest of that key with its eFuses first, and stops.
#[test]
fn a_block_with_another_key_is_refused_where_espsecure_takes_it() {
    let lab = lab(5000, &["rsa3072", "p256", "p384", "other"]);
    let block = 2 * SECTOR;
    // Of RSA the modulus, the exponent, R and M', which nothing but the digest of all of them covers; of a point x and y.
    // No other x or y is on the curve for most points, and then there is no key at all.
    for (name, place, codes) in [
        ("rsa3072", 400, ["signature"; 2]),
        ("rsa3072", 421, ["signature"; 2]),
        ("rsa3072", 424, ["untrusted"; 2]),
        ("rsa3072", 808, ["untrusted"; 2]),
        ("p256", 37, ["key", "signature"]),
        ("p256", 100, ["key", "signature"]),
        ("p384", 53, ["key", "signature"]),
        ("p384", 148, ["key", "signature"]),
    ] {
        theirs_signs(&lab, name, "", "image", "signed").ok();
        lab.write("twin", with_crc(&flip(&lab.read("signed"), block + place)));
        theirs_verifies(&lab, name, "twin").ok();
        let code = ours_verifies(&lab, name, "twin").exits(3).json()["code"].clone();
        assert!(codes.iter().any(|expected| code == *expected), "{name} {place}: {code}");
    }
    theirs_signs(&lab, "p256", "", "image", "signed").ok();
    theirs_signs(&lab, "other", "", "image", "other").ok();
    theirs_verifies(&lab, "p256", "other").exits(2);
    refused(&lab, "p256", "other", "untrusted", "another's block");
    // Another's whole key in the place of the trusted one.
    let (mut signed, other) = (lab.read("signed"), lab.read("other"));
    let key = block + 36..block + 101;
    signed[key.clone()].copy_from_slice(&other[key]);
    lab.write("twin", with_crc(&signed));
    theirs_verifies(&lab, "p256", "twin").ok();
    refused(&lab, "p256", "twin", "signature", "another's key");
    // Known: a curve that there is not ends in an assertion; what is of the other hash is read elsewhere.
    lab.write("twin", with_crc(&set(&other, block + 36, 4)));
    theirs_verifies(&lab, "other", "twin").exits(1);
    refused(&lab, "other", "twin", "curve", "an unknown curve");
    lab.write("twin", with_crc(&set(&other, block + 2, 1)));
    theirs_verifies(&lab, "other", "twin").exits(2);
    refused(&lab, "other", "twin", "curve", "the other hash");
}

#[test]
fn the_digest_for_the_efuses_is_the_same() {
    let lab = lab(5000, &["rsa3072", "p256", "p384"]);
    for Kind { name, .. } in &KINDS {
        espsecure(&lab, &format!("digest-sbv2-public-key --keyfile {name}.pub --output digest")).ok();
        let theirs: String = lab.read("digest").iter().map(|byte| format!("{byte:02x}")).collect();
        for file in [format!("{name}.pub"), format!("{name}.key")] {
            let ours = lab.bulla(&format!("inspect {file} --format json")).ok().json();
            assert_eq!(ours["documents"][0]["esp32_efuse"], theirs.as_str(), "{file}");
        }
        ours_signs(&lab, name, "", "image", "signed").ok();
        let spaced = espsecure(&lab, "signature-info-v2 signed").ok().text();
        assert!(spaced.replace([' ', '\n'], "").contains(&theirs), "{name}: {spaced}");
        let shown = lab.bulla("inspect signed --format json").ok().json();
        let block = shown["documents"][0]["block_0"].as_str().expect("a block").to_owned();
        assert!(block.ends_with(&format!("of this image, efuse {theirs}")), "{block}");
        lab.write("twin", flip(&lab.read("signed"), 0));
        espsecure(&lab, "signature-info-v2 twin").exits(2);
        let shown = lab.bulla("inspect twin --format json").ok().json();
        assert!(shown["documents"][0]["block_0"].as_str().expect("a block").contains("of another image"));
    }
    lab.bulla("keygen --type ed25519 -o other.key").ok();
    assert_eq!(lab.bulla("inspect other.key --format json").ok().json()["documents"][0].get("esp32_efuse"), None);
}

#[test]
fn either_adds_to_what_the_other_signed() {
    let lab = lab(5000, &["p256", "p384", "other"]);
    theirs_signs(&lab, "p256", "", "image", "one").ok();
    ours_signs(&lab, "p384", "--add", "one", "two").ok();
    theirs_signs(&lab, "other", "--append-signatures", "two", "three").ok();
    let (one, two, three) = (lab.read("one"), lab.read("two"), lab.read("three"));
    let place = |index| 2 * SECTOR + index * BLOCK;
    assert_eq!(two[..place(1)], one[..place(1)]);
    assert_eq!(three[..place(2)], two[..place(2)]);
    let signatures = [("p256", 101), ("p384", 149), ("other", 101)];
    for (name, _) in signatures {
        theirs_verifies(&lab, name, "three").ok();
        ours_verifies(&lab, name, "three").ok();
    }
    // Each block's signature is wrong in turn. Known: espsecure takes what another key has signed, though a chip that is
    // to revoke keys at once revokes the one whose signature fails.
    for (index, (name, signature)) in signatures.into_iter().enumerate() {
        let mut twin = flip(&three, place(index) + signature);
        seal(&mut twin[place(index)..]);
        lab.write("twin", &twin);
        theirs_verifies(&lab, name, "twin").exits(2);
        refused(&lab, name, "twin", "signature", "a block");
        let (other, _) = signatures[(index + 1) % 3];
        theirs_verifies(&lab, other, "twin").ok();
        refused(&lab, other, "twin", "signature", "a block of another");
    }
    lab.bulla("keygen -o fourth.key").ok();
    theirs_signs(&lab, "fourth", "--append-signatures", "three", "four").exits(2);
    lab.refuses("sign three --as esp32 --key fourth.key --add -o four", 1, "has 3 signatures");
    // Known: espsecure signs a second time with a key that has signed, and beside blocks of another image.
    theirs_signs(&lab, "p256", "--append-signatures", "two", "twice").ok();
    lab.refuses("sign two --as esp32 --key p256.key --add -o ours-twice", 1, "has a signature of this key already");
    lab.write("changed", flip(&two, 9));
    theirs_signs(&lab, "other", "--append-signatures", "changed", "mixed").ok();
    theirs_verifies(&lab, "other", "mixed").exits(2);
    lab.refuses("sign changed --as esp32 --key other.key --add -o ours-mixed", 1, "digest of another image");
    lab.refuses("sign image --as esp32 --key other.key --add -o no", 1, "is not signed");
}

/// Known: espsecure looks for a curve in a block of RSA and ends in a traceback, though a block before it has held. A
/// device passes over blocks of another scheme than the one it is built for.
#[test]
fn blocks_of_both_schemes_stand_side_by_side() {
    let lab = lab(5000, &["p256", "rsa3072"]);
    theirs_signs(&lab, "p256", "", "image", "one").ok();
    ours_signs(&lab, "rsa3072", "--add", "one", "two").ok();
    theirs_verifies(&lab, "rsa3072", "two").ok();
    theirs_verifies(&lab, "p256", "two").exits(1);
    for name in ["p256", "rsa3072"] {
        ours_verifies(&lab, name, "two").ok();
    }
    lab.write("twin", flip(&lab.read("two"), 0));
    for name in ["p256", "rsa3072"] {
        theirs_verifies(&lab, name, "twin").exits(2);
        refused(&lab, name, "twin", "digest", "the image");
    }
}

#[test]
fn blocks_are_taken_out_one_by_one() {
    let lab = lab(5000, &["p256", "p384", "other"]);
    theirs_signs(&lab, "p384", "", "image", "one").ok();
    theirs_signs(&lab, "p256", "--append-signatures", "one", "two").ok();
    theirs_signs(&lab, "other", "--append-signatures", "two", "three").ok();
    let remove = |name: &str, from: &str, to: &str| {
        lab.bulla(&format!("sign {from} --as esp32 --remove {name}.pub -o {to} --force"))
    };
    remove("other", "three", "left").ok();
    assert_eq!(lab.read("left"), lab.read("two"));
    remove("p256", "three", "left").ok();
    for (name, theirs, ours) in [("p384", 0, 0), ("p256", 2, 3), ("other", 0, 0)] {
        theirs_verifies(&lab, name, "left").exits(theirs);
        ours_verifies(&lab, name, "left").exits(ours);
    }
    lab.refuses("sign left --as esp32 --remove p256.pub -o more", 1, "no signature of this key");
    remove("p384", "left", "last").ok();
    theirs_verifies(&lab, "other", "last").ok();
    theirs_verifies(&lab, "p384", "last").exits(2);
    remove("other", "last", "bare").ok();
    let mut padded = lab.read("image");
    padded.resize(2 * SECTOR, 0xff);
    assert_eq!(lab.read("bare"), padded);
    lab.refuses("sign bare --as esp32 --remove p384.pub -o more", 1, "is not signed");
    // Known: espsecure signs a signed image as if its signature were part of the image.
    theirs_signs(&lab, "p256", "", "one", "deep").ok();
    assert_eq!(lab.read("deep").len(), 4 * SECTOR);
    lab.refuses("sign one --as esp32 --key p256.key -o ours-deep", 1, "is signed already");
    ours_signs(&lab, "p256", "--replace", "three", "replaced").ok();
    ours_signs(&lab, "p256", "", "image", "signed").ok();
    assert_eq!(lab.read("replaced"), lab.read("signed"));
    theirs_verifies(&lab, "p384", "replaced").exits(2);
}

/// What a device passes over, both pass over, and `bulla` says it.
#[test]
fn what_no_device_reads_is_passed_over() {
    let lab = lab(5000, &["p256", "p384"]);
    theirs_signs(&lab, "p384", "", "image", "one").ok();
    theirs_signs(&lab, "p256", "--append-signatures", "one", "two").ok();
    let two = lab.read("two");
    let first = 2 * SECTOR;
    for (what, twin) in [
        ("passed over: its checksum is wrong", flip(&two, first + 900)),
        ("passed over: it does not begin", [&two[..first], &[0; BLOCK], &two[first + BLOCK..]].concat()),
        ("are not 0xff", flip(&two, 3 * SECTOR - 1)),
        ("", [&two[..first], &[0xff; BLOCK], &two[first + BLOCK..]].concat()),
    ] {
        lab.write("twin", twin);
        theirs_verifies(&lab, "p256", "twin").ok();
        let shown = lab.bulla("verify twin --as esp32 --public-key p256.pub").ok().text();
        assert!(shown.contains(what), "{what}: {shown}");
        assert_eq!(shown.contains("passed over"), what.starts_with("passed"), "{shown}");
    }
    // A block of another image is a fault whoever made it.
    let mut twin = flip(&two, first + 4);
    seal(&mut twin[first..]);
    lab.write("twin", &twin);
    theirs_verifies(&lab, "p256", "twin").exits(2);
    refused(&lab, "p256", "twin", "digest", "a block of another image");
    // Without the one block that is left, nothing is.
    lab.write("twin", flip(&flip(&two, first + 900), first + BLOCK + 900));
    theirs_verifies(&lab, "p256", "twin").exits(2);
    refused(&lab, "p256", "twin", "crc", "no block");
    lab.refuses("sign twin --as esp32 --key p256.key -o more", 1, "is damaged");
}

#[test]
fn a_key_that_is_not_at_hand_signs_in_two_steps() {
    // espsecure pads nothing that is signed elsewhere.
    let lab = lab(2 * SECTOR, &["rsa3072", "p256", "p384"]);
    for Kind { name, pkeyutl, .. } in &KINDS {
        let prepare = format!("sign image --as esp32 --public-key {name}.pub --prepare {name}");
        lab.bulla(&prepare).ok();
        openssl(&lab, &format!("pkeyutl -sign -inkey {name}.key {pkeyutl} -in {name}.tbs -out {name}.sig")).ok();
        lab.bulla(&format!("sign image --attach {name}.json --signature {name}.sig -o {name}-ours")).ok();
        let external = format!("--pub-key {name}.pub --signature {name}.sig");
        espsecure(&lab, &format!("sign-data --version 2 {external} --output {name}-theirs -- image")).ok();
        assert_eq!(lab.read(format!("{name}-ours")), lab.read(format!("{name}-theirs")), "{name}");
        theirs_verifies(&lab, name, &format!("{name}-ours")).ok();
        ours_verifies(&lab, name, &format!("{name}-ours")).ok();
        let wrong = lab.read(format!("{name}.sig"));
        lab.write("wrong.sig", flip(&wrong, wrong.len() - 1));
        let external = format!("--pub-key {name}.pub --signature wrong.sig");
        espsecure(&lab, &format!("sign-data --version 2 {external} --output no -- image")).exits(2);
        lab.refuses(&format!("sign image --attach {name}.json --signature wrong.sig -o no"), 3, "");
    }
    // A salt of another length than 32.
    let pkeyutl = KINDS[0].pkeyutl.replace(":32", ":20");
    openssl(&lab, &format!("pkeyutl -sign -inkey rsa3072.key {pkeyutl} -in rsa3072.tbs -out wrong.sig")).ok();
    let external = "--pub-key rsa3072.pub --signature wrong.sig";
    espsecure(&lab, &format!("sign-data --version 2 {external} --output no -- image")).exits(2);
    lab.refuses("sign image --attach rsa3072.json --signature wrong.sig -o no", 3, "does not match");
    // The second of two.
    lab.bulla("sign p256-ours --as esp32 --public-key p384.pub --add --prepare second").ok();
    assert_eq!(lab.read("second.tbs"), lab.read("p384.tbs"));
    lab.bulla("sign p256-ours --attach second.json --signature p384.sig -o both").ok();
    for name in ["p256", "p384"] {
        theirs_verifies(&lab, name, "both").ok();
    }
}

#[test]
fn what_no_device_would_boot_is_not_signed() {
    let lab = lab(5000, &["p256"]);
    for key_type in ["rsa2048", "rsa4096", "ed25519"] {
        lab.bulla(&format!("keygen --type {key_type} -o {key_type}.key")).ok();
        theirs_signs(&lab, key_type, "", "image", "no").fails();
        lab.refuses(&format!("sign image --as esp32 --key {key_type}.key -o no"), 1, "esp32 takes no");
    }
    // Known: espsecure ends in a traceback.
    make(
        &lab,
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -pkeyopt rsa_keygen_pubexp:4294967311",
        "long.key",
    );
    theirs_signs(&lab, "long", "", "image", "no").exits(1);
    lab.refuses("sign image --as esp32 --key long.key -o no", 1, "exponent below 2^32");
    lab.write("empty", "");
    // Known: espsecure signs nothing at all, and erased flash.
    theirs_signs(&lab, "p256", "", "empty", "nothing").ok();
    lab.refuses("sign empty --as esp32 --key p256.key -o no", 1, "is empty");
    refused(&lab, "p256", "nothing", "size", "no image");
    lab.write("erased", [0xff; 5000]);
    theirs_signs(&lab, "p256", "", "erased", "nothing").ok();
    lab.refuses("sign erased --as esp32 --key p256.key -o no", 1, "nothing but 0xff");
    espsecure(&lab, "generate-signing-key --version 2 --scheme ecdsa192 p192.key").ok();
    openssl(&lab, "pkey -in p192.key -pubout -out p192.pub").ok();
    theirs_signs(&lab, "p192", "", "image", "weak").ok();
    lab.refuses("sign image --as esp32 --key p192.key -o no", 1, "secp192r1");
    let verify = "verify weak --as esp32 --public-key p192.pub";
    lab.refuses(verify, 1, "secp192r1");
    refused(&lab, "p256", "weak", "key-type", "a block of P-192");
    // It stays where another is added.
    ours_signs(&lab, "p256", "--add", "weak", "both").ok();
    theirs_verifies(&lab, "p192", "both").ok();
    theirs_verifies(&lab, "p256", "both").ok();
    ours_verifies(&lab, "p256", "both").ok();
}

/// Known: espsecure signs and verifies whatever it is given. A device reads the header of an image, and looks for the
/// signature at the next sector behind the end that the header gives.
#[test]
fn firmware_is_signed_where_a_device_looks_for_the_signature() {
    let lab = lab(5000, &["p256"]);
    for (segments, is_hashed, padding) in [(&[4, 0, 7000][..], false, 0), (&[4016], true, 0), (&[5000], true, 3000)] {
        let firmware = firmware(&lab, segments, is_hashed);
        lab.write("image", [&firmware[..], &vec![0xff; padding]].concat());
        let info = esptool(&lab, "--chip esp32c3 image-info image").ok().text();
        assert!(info.contains("(valid)") && !info.contains("(invalid"), "{info}");
        ours_signs(&lab, "p256", "", "image", "signed").ok();
        theirs_verifies(&lab, "p256", "signed").ok();
        theirs_signs(&lab, "p256", "", "image", "signed").ok();
        ours_verifies(&lab, "p256", "signed").ok();
        let sectors = firmware.len().div_ceil(SECTOR);
        for (what, twin, is_found) in [
            ("a sector more", [&firmware[..], &[0xff; SECTOR]].concat(), true),
            ("a byte less", firmware[..firmware.len() - 1].to_vec(), false),
            ("a sector less", firmware[..(sectors - 1) * SECTOR].to_vec(), sectors > 1),
        ] {
            if twin.is_empty() {
                continue;
            }
            lab.write("twin", twin);
            theirs_signs(&lab, "p256", "", "twin", "signed").ok();
            theirs_verifies(&lab, "p256", "signed").ok();
            lab.refuses("sign twin --as esp32 --key p256.key -o no", 1, "its header gives it");
            // What is missing at the end of a sector is padding once it is signed.
            if is_found {
                refused(&lab, "p256", "signed", "place", what);
            }
        }
    }
    // What only begins as firmware does.
    for start in [&[0xe9][..], &[0xe9, 0], &[0xe9, 17], &[[0xe9, 1].as_slice(), &[0; 26], &[1, 0, 0, 0]].concat()] {
        lab.write("image", [start, &[0x5a; 9000]].concat());
        ours_signs(&lab, "p256", "", "image", "signed").ok();
        theirs_verifies(&lab, "p256", "signed").ok();
        ours_verifies(&lab, "p256", "signed").ok();
    }
    // Known: a signature that begins at no sector is of use to those alone who look for it by themselves.
    espsecure(&lab, "sign-data --version 2 --keyfile p256.key --skip-padding --output odd -- image").ok();
    espsecure(&lab, "verify-signature --version 2 --skip-padding --keyfile p256.pub -- odd").ok();
    theirs_verifies(&lab, "p256", "odd").exits(2);
    refused(&lab, "p256", "odd", "size", "a signature at no sector");
    lab.refuses("sign odd --as esp32 --key p256.key --replace -o no", 1, "without padding");
}

/// Firmware as esptool makes it (espressif/esptool `esptool/bin_image.py`), with segments of these sizes.
fn firmware(lab: &Lab, segments: &[usize], is_hashed: bool) -> Vec<u8> {
    let mut image = vec![0xe9, segments.len() as u8, 2, 0x20, 0, 0, 0x38, 0x40, 0xee, 0, 0, 0, 5, 0];
    image.resize(23, 0);
    image.push(u8::from(is_hashed));
    let mut checksum = 0xef;
    for &len in segments {
        let data: Vec<u8> = (0..len).map(|index| (index * 7 % 253) as u8).collect();
        checksum = data.iter().fold(checksum, |sum, byte| sum ^ byte);
        image.extend(0x3fc8_0000_u32.to_le_bytes());
        image.extend((len as u32).to_le_bytes());
        image.extend(data);
    }
    image.resize((image.len() + 1).next_multiple_of(16) - 1, 0);
    image.push(checksum);
    if is_hashed {
        lab.write("unhashed", &image);
        image.extend(openssl(lab, "dgst -sha256 -binary unhashed").ok().stdout);
    }
    image
}

fn esptool(lab: &Lab, words: &str) -> Run {
    firmware_judge(lab, &format!("esptool {words}"))
}

/// An image of `len` bytes, and keys `NAME.key`, `NAME.pub` of the type that is the name; `other` is another of P-256.
fn lab(len: usize, names: &[&str]) -> Lab {
    let lab = Lab::new();
    lab.write("image", (0..len).map(|index| (index * 31 % 251) as u8).collect::<Vec<u8>>());
    for name in names {
        let key_type = if *name == "other" { "p256" } else { name };
        lab.bulla(&format!("keygen --type {key_type} -o {name}.key")).ok();
        lab.bulla(&format!("keygen --public {name}.key -o {name}.pub")).ok();
    }
    lab
}

fn espsecure(lab: &Lab, words: &str) -> Run {
    firmware_judge(lab, &format!("espsecure {words}"))
}

/// With `--`, since espsecure takes every word after `--keyfile` for a key.
fn theirs_signs(lab: &Lab, name: &str, flags: &str, from: &str, to: &str) -> Run {
    espsecure(lab, &format!("sign-data --version 2 --keyfile {name}.key {flags} --output {to} -- {from}"))
}

fn theirs_verifies(lab: &Lab, name: &str, file: &str) -> Run {
    let key = if lab.has(format!("{name}.pub")) { "pub" } else { "key" };
    espsecure(lab, &format!("verify-signature --version 2 --keyfile {name}.{key} -- {file}"))
}

fn ours_signs(lab: &Lab, name: &str, flags: &str, from: &str, to: &str) -> Run {
    lab.bulla(&format!("sign {from} --as esp32 --key {name}.key {flags} -o {to} --force"))
}

fn ours_verifies(lab: &Lab, name: &str, file: &str) -> Run {
    lab.bulla(&format!("verify {file} --as esp32 --public-key {name}.pub --format json"))
}

#[track_caller]
fn refused(lab: &Lab, name: &str, file: &str, code: &str, what: &str) {
    let found = ours_verifies(lab, name, file).exits(3).json();
    assert_eq!(found["code"], code, "{name} {what}: {found}");
}

fn set(bytes: &[u8], index: usize, value: u8) -> Vec<u8> {
    let mut twin = bytes.to_vec();
    twin[index] = value;
    twin
}

/// The image with the right checksum in its first block.
fn with_crc(image: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    let sector = image.len() - SECTOR;
    seal(&mut image[sector..]);
    image
}

/// Writes the checksum of a block.
fn seal(block: &mut [u8]) {
    let mut crc = u32::MAX;
    for byte in &block[..1196] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    block[1196..1200].copy_from_slice(&(!crc).to_le_bytes());
}
