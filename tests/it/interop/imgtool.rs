//! `bulla imgtool` beside imgtool itself: the same command lines, run in two folders, write the same files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::mcuboot::imgtool_ok;
use super::{firmware_judge, flip, openssl, with_passphrases};
use crate::harness::{Lab, Run};

/// Keys that MCUboot takes: imgtool's name of the type.
const KEY_TYPES: [&str; 5] = ["rsa-2048", "ecdsa-p256", "ecdsa-p384", "ed25519", "x25519"];

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
    let mut lines = Vec::new();
    for key_type in KEY_TYPES {
        ours(&lab, &format!("keygen -t {key_type} -k {key_type}.pem")).ok();
        openssl(&lab, &format!("pkey -in {key_type}.pem -pubout -out {key_type}.pub")).ok();
        lines.extend([
            format!("getpub -k {key_type}.pem"),
            format!("getpub -k {key_type}.pub --lang rust"),
            format!("getpub --key {key_type}.pem --encoding lang-c --name-suffix _2"),
            format!("getpub -k {key_type}.pub -e lang-rust --name-suffix _b"),
            format!("getpub -k {key_type}.pem -e pem"),
            format!("getpub -k {key_type}.pub -e raw"),
            format!("getpubhash -k {key_type}.pub --name-suffix _2"),
            format!("getpubhash -k {key_type}.pem -e raw"),
        ]);
    }
    let into = |line: &str, number: usize| format!("{line} --output theirs-{number}");
    imgtool_ok(&lab, &lines.iter().enumerate().map(|(number, line)| into(line, number)).collect::<Vec<_>>());
    for (number, line) in lines.iter().enumerate() {
        assert!(ours(&lab, line).ok().stdout == lab.read(format!("theirs-{number}")), "{line}");
    }
    assert_eq!(theirs(&lab, &lines[0]).ok().stdout, lab.read("theirs-0"), "and to standard output alike");
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

/// Those that sign.
const KEYS: [&str; 4] = ["rsa-2048", "ecdsa-p256", "ecdsa-p384", "ed25519"];

/// What cmake/mcuboot.cmake of zephyrproject-rtos/zephyr adds to `imgtool sign --version V --header-size H --slot-size S`,
/// by the way of upgrading; then what a user has in CONFIG_MCUBOOT_EXTRA_IMGTOOL_ARGS.
const MODES: [&str; 7] = [
    "--overwrite-only --align 1",
    "--align 4",
    "--align 8",
    "--align 32",
    "--align 1 --load-addr 0x20000000 KEY --hex-addr 0x8020000",
    "--align 16 --max-align 32 --max-sectors 64",
    "--align 8 --max-sectors 16 --max-align 8",
];
const EXTRA: [&str; 9] = [
    "--align 4 --security-counter auto",
    "--align 8 -s 0x1f --boot-record SPE -d (0,1.2.3),(1,4.5.6+7)",
    "--align 8 --custom-tlv 0xa0 0x0102ff --custom-tlv 161 text --erased-val 0",
    "--align 8 --custom-tlv-file 0xfffe app.bin --rom-fixed 0x8000000 --non-bootable",
    "--align 8 --vid example.com --cid a-class --test",
    "--align 8 --sha 512 --public-key-format full -M 512",
    "--align 8 --pure",
    "--align 8 --endian big -R 0xff",
    // What is about a signature or about encryption stands in every line of a build, and so in those without.
    "--align 8 --public-key-format full --encrypt-keylen 256 --hmac-sha 512 --save-enctlv --clear",
];
/// The products of a build: flags, input, output.
const PRODUCTS: [(&str, &str, &str); 4] = [
    ("", "zephyr.bin", "zephyr.signed.bin"),
    ("--pad --confirm", "zephyr.bin", "zephyr.signed.confirmed.bin"),
    ("", "zephyr.hex", "zephyr.signed.hex"),
    ("--pad --confirm", "zephyr.hex", "zephyr.signed.confirmed.hex"),
];

/// Two folders with the same firmware and keys, as a build has them: ours and theirs.
fn builds(key_types: &[&str]) -> [Lab; 2] {
    let [one, other] = [Lab::new(), Lab::new()];
    let app: Vec<u8> = (0..4001u32).map(|number| ((number * number) >> 3) as u8).collect();
    one.write("app.bin", &app);
    // Zephyr leaves CONFIG_ROM_START_OFFSET bytes free.
    one.write("zephyr.bin", [&[0; 0x200], &app[..]].concat());
    firmware_judge(&one, "bin2hex.py --offset=0x8000000 zephyr.bin zephyr.hex").ok();
    for key_type in key_types {
        ours(&one, &format!("keygen -t {key_type} -k {key_type}.pem")).ok();
        ours(&one, &format!("getpub -k {key_type}.pem -e pem -o {key_type}.pub")).ok();
    }
    for entry in fs::read_dir(one.path("")).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), other.path(entry.file_name())).expect("a copy");
    }
    [one, other]
}

/// Runs the same command lines in both folders; both make the same file of each, whose name is the last word.
#[track_caller]
fn make_the_same([ours, theirs]: &[Lab; 2], lines: &[String]) {
    imgtool_ok(theirs, lines);
    for line in lines {
        ours.bulla(&format!("imgtool {line}")).ok();
        let name = line.split(' ').next_back().expect("a name");
        assert!(ours.read(name) == theirs.read(name), "not the same file: {line}");
    }
}

/// Ed25519 makes one signature of an image, so that the files are the same to the last byte.
#[test]
fn the_command_lines_of_a_zephyr_build_make_the_same_files() {
    let labs = builds(&["ed25519"]);
    let mut lines = Vec::new();
    for (number, mode) in MODES.iter().chain(&EXTRA).enumerate() {
        for key in ["--key ed25519.pem", ""] {
            // Without a key nothing signs the image itself.
            if key.is_empty() && mode.contains("--pure") {
                continue;
            }
            let args = if mode.contains("KEY") { mode.replace("KEY", key) } else { format!("{mode} {key}") };
            for (flags, input, output) in PRODUCTS {
                let name = format!("{number}{}.{output}", key.len());
                lines.push(format!(
                    "sign --version 1.2.3+4 --header-size 0x200 --slot-size 131072 {args} {flags} {input} {name}"
                ));
            }
        }
    }
    // Other ways to say it: short flags, the alias, values behind an equals sign, files first, the last of two.
    for line in [
        "create -k ed25519.pem -v 0.0.0 -H 512 -S 0x20000 --pad-header app.bin a.bin",
        "sign zephyr.hex -x 0b1000000 -L 0x100 -v 1 -H512 -S0o400000 -k ed25519.pem b.hex",
        "sign --slot-size=0x20000 --header-size=0x200 --align 1 --align 8 --version=9 -v 1.0 --confirm zephyr.bin c.bin",
    ] {
        lines.push(line.to_owned());
    }
    let short = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    make_the_same(&labs, &short);
}

const SIGN: &str = "sign -v 1.2.3+4 -H 0x200 -S 0x20000 --align 8";

/// Signatures of ECDSA and RSA are drawn anew, so each side takes over that of the other and makes the other's file.
#[test]
fn a_signature_of_one_in_the_image_of_the_other() {
    let labs = builds(&KEYS);
    let [our, their] = &labs;
    for key_type in KEYS {
        let signing = format!("{SIGN} -k {key_type}.pem --sig-out {key_type}.sig zephyr.hex {key_type}.hex");
        let fixing =
            format!("{SIGN} --fix-sig {key_type}.sig --fix-sig-pubkey {key_type}.pub zephyr.hex {key_type}.fixed.hex");
        let verifying = format!("verify -k {key_type}.pub {key_type}.hex");
        ours(our, &signing).ok();
        theirs(their, &signing).ok();
        // inspect shows a key by the hash that images name it by.
        let key = our.bulla(&format!("inspect {key_type}.pub --format json")).ok().json();
        let hash = key["documents"][0]["mcuboot"].as_str().expect("a hash").split(':').next_back();
        let image = theirs(our, &format!("dumpinfo {key_type}.hex -f json")).ok().json();
        assert_eq!(image["tlv_area"]["tlvs"][1]["data"].as_str(), hash, "{key_type}: {image}");
        let (made, judged) = (our.read(format!("{key_type}.sig")), their.read(format!("{key_type}.sig")));
        our.write(format!("{key_type}.sig"), &judged);
        their.write(format!("{key_type}.sig"), &made);
        ours(our, &fixing).ok();
        theirs(their, &fixing).ok();
        let same = |one: &Lab, other: &Lab| {
            assert!(one.read(format!("{key_type}.fixed.hex")) == other.read(format!("{key_type}.hex")), "{key_type}");
        };
        same(our, their);
        same(their, our);
        for lab in &labs {
            ours(lab, &verifying).ok();
            theirs(lab, &verifying).ok();
        }
        // A signature over something else is checked before anything is written.
        let other = fixing.replace("zephyr.hex", "zephyr.bin").replace(".fixed.hex", ".bin").replace("1.2.3", "1.2.4");
        our.refuses(&format!("imgtool {other}"), 3, "the signature does not match");
        // Known: imgtool checks nothing.
        theirs(their, &other).ok();
        theirs(their, &format!("verify -k {key_type}.pub {key_type}.bin")).exits(1);
        ours(their, &format!("verify -k {key_type}.pub {key_type}.bin")).exits(3);
    }
    our.write("bad.sig", "no base64!");
    our.refuses(&format!("imgtool {SIGN} --fix-sig bad.sig --fix-sig-pubkey ed25519.pub zephyr.bin x"), 1, "base64");
    our.refuses(&format!("imgtool {SIGN} --fix-sig ed25519.sig zephyr.bin x"), 2, "--fix-sig-pubkey");
    our.refuses(
        &format!("imgtool {SIGN} --fix-sig-pubkey ed25519.pub zephyr.bin x"),
        2,
        "--fix-sig or --vector-to-sign",
    );
    our.refuses(&format!("imgtool {SIGN} --sig-out x.sig zephyr.bin x"), 2, "--sig-out needs a signature");
    let both = format!("imgtool {SIGN} -k ed25519.pem --fix-sig ed25519.sig --fix-sig-pubkey ed25519.pub zephyr.bin x");
    our.refuses(&both, 2, "cannot be used with");
}

/// What another tool has to sign is the same for both, and openssl signs it.
#[test]
fn what_is_to_be_signed_is_exported() {
    let labs = builds(&["ed25519", "ecdsa-p256", "ecdsa-p384"]);
    let [our, _] = &labs;
    make_the_same(
        &labs,
        &[
            format!("{SIGN} --vector-to-sign payload zephyr.bin plain.tbs"),
            format!("{SIGN} --vector-to-sign digest zephyr.bin plain.digest"),
            format!("{SIGN} --vector-to-sign digest --sha 512 -s 7 zephyr.hex sha512.digest"),
            format!("{SIGN} -k ecdsa-p384.pem --vector-to-sign digest zephyr.bin p384.digest"),
            format!("{SIGN} -k ed25519.pem --vector-to-sign digest zephyr.bin ed25519.digest"),
            format!("{SIGN} -k ed25519.pem --pure -s auto --vector-to-sign payload zephyr.bin pure.tbs"),
            format!("{SIGN} --fix-sig-pubkey ecdsa-p256.pub --vector-to-sign payload zephyr.bin ecdsa-p256.tbs"),
            format!("{SIGN} --fix-sig-pubkey ecdsa-p256.pub --vector-to-sign digest zephyr.bin ecdsa-p256.digest"),
        ],
    );
    // A key that is not at hand: openssl has it.
    openssl(our, "dgst -sha256 -sign ecdsa-p256.pem -out der.sig ecdsa-p256.tbs").ok();
    openssl(our, "base64 -in der.sig -out base64.sig").ok();
    ours(our, &format!("{SIGN} --fix-sig base64.sig --fix-sig-pubkey ecdsa-p256.pub zephyr.bin signed.bin")).ok();
    theirs(our, "verify -k ecdsa-p256.pub signed.bin").ok();
    openssl(our, "pkeyutl -sign -inkey ecdsa-p256.pem -pkeyopt digest:sha256 -in ecdsa-p256.digest -out der.sig").ok();
    openssl(our, "base64 -A -in der.sig -out base64.sig").ok();
    ours(our, &format!("{SIGN} --fix-sig base64.sig --fix-sig-pubkey ecdsa-p256.pub zephyr.bin signed.bin")).ok();
    theirs(our, "verify -k ecdsa-p256.pub signed.bin").ok();
    // Known: imgtool fills a slot with it. What is signed knows no slot.
    let line = format!("{SIGN} -k ed25519.pem --pad --vector-to-sign digest zephyr.bin");
    theirs(our, &format!("{line} theirs.digest")).ok();
    assert_eq!(our.read("theirs.digest").len(), 0x20000);
    ours(our, &format!("{line} ours.digest")).ok();
    assert_eq!(our.read("ours.digest"), our.read("ed25519.digest"));
    // Known: with the public key alone imgtool exports a SHA-256 digest, whatever the key.
    let line = format!("{SIGN} --fix-sig-pubkey ecdsa-p384.pub --vector-to-sign digest zephyr.bin");
    theirs(our, &format!("{line} theirs.digest")).ok();
    assert_eq!(our.read("theirs.digest"), our.read("plain.digest"));
    ours(our, &format!("{line} ours.digest")).ok();
    assert_eq!(our.read("ours.digest"), our.read("p384.digest"));
    our.refuses(&format!("imgtool {SIGN} -k ed25519.pem --pure --vector-to-sign digest zephyr.bin x"), 2, "--pure");
    our.refuses(&format!("imgtool {SIGN} --vector-to-sign payload zephyr.bin x.hex"), 2, "not Intel HEX");
}

#[test]
fn what_would_surprise_is_refused_by_name() {
    let [lab, _] = builds(&["ed25519", "x25519", "ecdsa-p256"]);
    for (flags, code, message) in [
        ("--compression lzma2 zephyr.bin x", 2, "bulla does not compress images"),
        ("--sha 384 -k ed25519.pem zephyr.bin x", 2, "--sha"),
        ("-d 1.2.3 zephyr.bin x", 2, "--dependencies"),
        ("--custom-tlv 0x10 a zephyr.bin x", 2, "0x10"),
        ("--custom-tlv 0xa0 0x1 zephyr.bin x", 2, "hexadecimal"),
        ("--custom-tlv-file 0xa0 missing zephyr.bin x", 1, "cannot read TLV missing"),
        ("-k missing.pem zephyr.bin x", 1, "cannot read private key missing.pem"),
        ("-k ed25519.pub zephyr.bin x", 1, "is a public key"),
        ("-k x25519.pem zephyr.bin x", 1, "x25519.pem"),
        ("app.bin x", 1, "header"),
        ("--pad-header missing.bin x", 1, "missing.bin"),
        ("zephyr.bin x.hex", 2, "--hex-addr"),
        ("--align 3 zephyr.bin x", 2, "--align"),
        ("--align 8", 2, "INFILE"),
        ("--unheard zephyr.bin x", 2, "--unheard"),
        // imgtool takes no flag by its beginning either.
        ("--over zephyr.bin x", 2, "--over"),
    ] {
        let run = lab.refuses(&format!("imgtool {SIGN} {flags}"), code, message);
        assert!(!run.stderr.contains("--hash ") && !run.stderr.contains("--dependency "), "{}", run.stderr);
        let judge = theirs(&lab, &format!("{SIGN} {flags}"));
        // Known: imgtool falls back to an image that is not compressed; X25519 and a missing file end in a traceback.
        if flags.contains("lzma2") {
            judge.ok()
        } else {
            judge.fails()
        };
    }
    for missing in ["-v 1.2.3", "-H 0x200", "-S 0x20000"] {
        let line = "sign -v 1.2.3 -H 0x200 -S 0x20000 zephyr.bin x".replace(missing, "");
        lab.refuses(&format!("imgtool {line}"), 2, "required");
        theirs(&lab, &line).exits(2);
    }
    // What a name says, the file has to be. Known: imgtool takes the text for the firmware.
    lab.write("text.bin", lab.read("zephyr.hex"));
    lab.write("bytes.hex", lab.read("zephyr.bin"));
    lab.refuses(&format!("imgtool {SIGN} --pad-header text.bin x"), 1, "text.bin is Intel HEX");
    theirs(&lab, &format!("{SIGN} --pad-header text.bin x")).ok();
    lab.refuses(&format!("imgtool {SIGN} bytes.hex y"), 1, "not Intel HEX");
    theirs(&lab, &format!("{SIGN} bytes.hex y")).fails();

    // A signed image is not signed again; imgtool does, where it may put a header before it.
    ours(&lab, &format!("{SIGN} -k ed25519.pem zephyr.bin signed.bin")).ok();
    lab.refuses(&format!("imgtool {SIGN} -k ed25519.pem --pad-header signed.bin y"), 1, "signed already");
    theirs(&lab, &format!("{SIGN} -k ed25519.pem --pad-header signed.bin y")).ok();

    // Nothing is believed without a key.
    lab.refuses("imgtool verify signed.bin", 2, "--key");
    theirs(&lab, "verify signed.bin").ok();
    let image = lab.read("signed.bin");
    for at in [0x14, 0x200, image.len() - 1] {
        lab.write("twin.bin", flip(&image, at));
        let report = lab.bulla("imgtool verify -k ed25519.pem twin.bin --format json").exits(3).json();
        assert_eq!(report["verdict"], "bad");
        theirs(&lab, "verify -k ed25519.pem twin.bin").exits(1);
    }
    ours(&lab, "verify -k ecdsa-p256.pub signed.bin").exits(3);
    let report = lab.bulla("imgtool verify -k ed25519.pub signed.bin --format json").ok().json();
    assert_eq!((&report["verdict"], &report["version"]), (&"good".into(), &"1.2.3+4".into()));
}

#[test]
fn a_sample_key_signs_only_where_that_is_said() {
    let [lab, _] = builds(&[]);
    // RFC 8032 section 7.1, test 1: as good as the keys in MCUboot's own repository, which everybody has.
    let seed = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
        0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];
    let info = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    lab.write("sample.key", [&info[..], &seed].concat());
    let line = format!("imgtool {SIGN} -k sample.key zephyr.bin signed.bin");
    let run = lab.refuses(&line, 1, "protects nothing");
    assert!(run.stderr.contains("--allow-published-key"), "{}", run.stderr);
    let run = lab.bulla(&format!("{line} --allow-published-key")).ok();
    assert!(run.stderr.contains("is published"), "{}", run.stderr);
}

/// What stands in an image is said alike: parsed, JSON and YAML are the same.
#[test]
fn dumps_say_the_same() {
    let [lab, _] = builds(&["ed25519"]);
    let image = |flags: &str, output: &str| ours(&lab, &format!("{SIGN} {flags} {output}")).ok();
    image("-k ed25519.pem zephyr.bin plain.bin", "");
    image("-s 9 -d (0,1.2.3),(1,4.5.6+7) --custom-tlv 0xa5 text --boot-record SPE zephyr.bin", "protected.bin");
    image("-k ed25519.pem --confirm --pure --vid example.com --cid class zephyr.hex", "confirmed.bin");
    image("--pad --max-align 32 --rom-fixed 0x8000000 zephyr.bin", "align32.bin");
    image("-k ed25519.pem zephyr.hex", "text.hex");
    // No trailer of MCUboot behind the TLVs.
    lab.write("tail.bin", [&lab.read("plain.bin")[..], &[0x5a; 40]].concat());
    // Flags, load address and an upgrade under way, as nothing here makes them.
    let mut odd = lab.read("align32.bin");
    odd[4] = 7;
    odd[0x10..0x14].copy_from_slice(&0x0000_0b3c_u32.to_le_bytes());
    let end = odd.len();
    odd[end - 64] = 1;
    odd[end - 96] = 3;
    odd[end - 128] = 0x24;
    odd[end - 160] = 0x77;
    lab.write("odd.bin", odd);
    lab.write(
        "parse.py",
        "import json, sys, yaml\nprint(json.dumps(yaml.safe_load(open(sys.argv[1])), default=lambda value: value.hex()))\n",
    );
    let parsed = |name: &str| firmware_judge(&lab, &format!("python parse.py {name}")).ok().json();
    for name in ["plain.bin", "protected.bin", "confirmed.bin", "align32.bin", "text.hex", "odd.bin", "tail.bin"] {
        let said = ours(&lab, &format!("dumpinfo {name} -f json")).ok();
        theirs(&lab, &format!("dumpinfo {name} -f json -o theirs.json")).ok();
        let judged: serde_json::Value = serde_json::from_slice(&lab.read("theirs.json")).expect("JSON");
        assert_eq!(said.json(), judged, "{name}");
        ours(&lab, &format!("dumpinfo --outfile ours.yaml {name}")).ok();
        assert_eq!(parsed("ours.yaml"), judged, "{name}");
        assert_eq!(lab.bulla(&format!("--format json imgtool dumpinfo {name}")).ok().json(), judged);
        let text = ours(&lab, &format!("dumpinfo {name}")).ok().text();
        assert!(text.starts_with("MCUboot image\n  version    1.2.3+4\n"), "{text}");
        ours(&lab, &format!("dumpinfo {name} -f human -o ours.txt")).ok();
        assert_eq!(lab.read("ours.txt"), text.into_bytes());
        assert_eq!(ours(&lab, &format!("dumpinfo -s {name}")).ok().text(), "");
    }
    theirs(&lab, "dumpinfo plain.bin -o theirs.yaml").ok();
    ours(&lab, "dumpinfo plain.bin -o ours.yaml").ok();
    assert_eq!(parsed("ours.yaml"), parsed("theirs.yaml"));
    // What cannot be taken apart is a bad image, not a traceback.
    let plain = lab.read("plain.bin");
    for (name, bytes, code) in [
        ("app.bin", None, "bad-magic"),
        ("cut.bin", Some(&plain[..plain.len() - 1]), "truncated"),
        ("header.bin", Some(&plain[..20]), "bad-magic"),
    ] {
        bytes.into_iter().for_each(|bytes| lab.write(name, bytes));
        let report = ours(&lab, &format!("dumpinfo {name} -f json -o none.json")).exits(3).json();
        assert_eq!(report["code"], code, "{name}");
        assert!(!lab.has("none.json"));
    }
    lab.refuses("imgtool dumpinfo missing.bin", 1, "missing.bin");
    lab.refuses("imgtool dumpinfo plain.bin -f xml", 2, "xml");
}

/// The file of two lines in the help, which Zephyr runs by its Python.
#[test]
fn the_two_lines_in_the_help_stand_in_for_imgtool() {
    let labs = builds(&["ed25519"]);
    let help = labs[0].bulla("imgtool --help").ok().text();
    let lines: Vec<&str> = help.lines().filter(|line| line.contains("import os") || line.contains("os.exec")).collect();
    assert_eq!(lines.len(), 2, "{help}");
    labs[0].write("imgtool.py", lines.iter().map(|line| format!("{}\n", line.trim())).collect::<String>());
    let line = format!("{SIGN} -k ed25519.pem zephyr.bin signed.bin");
    labs[0].shell(&format!("PATH=$(dirname $bulla):$PATH python3 imgtool.py {line}")).ok();
    theirs(&labs[1], &line).ok();
    assert_eq!(labs[0].read("signed.bin"), labs[1].read("signed.bin"));
}

/// Key of the signature, of the encryption, and flags.
const ENCRYPTED: [(&str, &str, &str); 5] = [
    ("ed25519.pem", "x25519.pem", "--align 8"),
    ("ed25519.pem", "x25519.pub", "--align 8 --encrypt-keylen 256 --hmac-sha 512 --save-enctlv --pad"),
    ("ecdsa-p256.pem", "ecdsa-p256.pub", "--overwrite-only --align 1 --confirm"),
    ("rsa-2048.pem", "rsa-2048.pem", "--align 4 --encrypt-keylen 256 --pad"),
    ("", "ecdsa-p256.pem", "--align 4 -s auto"),
];

/// The key of the payload is drawn anew, so that two images are the same but for that, the payload and the signature.
#[test]
fn the_encrypted_images_of_a_zephyr_build_are_the_same_inside() {
    let labs = builds(&["rsa-2048", "ecdsa-p256", "ed25519", "x25519"]);
    let [our, their] = &labs;
    let mut cases = Vec::new();
    for (number, (signer, device, flags)) in ENCRYPTED.into_iter().enumerate() {
        for (input, clear) in [("zephyr.bin", ""), ("zephyr.hex", ""), ("zephyr.bin", "-c ")] {
            let ending = input.split('.').next_back().expect("an ending");
            let name = format!("{number}{}.signed.encrypted.{ending}", clear.trim());
            let key = if signer.is_empty() { String::new() } else { format!("--key {signer} ") };
            let args = format!("{key}{flags} {clear}--encrypt {device}");
            let line = format!("sign --version 1.2.3+4 --header-size 0x200 --slot-size 131072 {args} {input} {name}");
            cases.push((line, name, signer, device.replace(".pub", ".pem"), !clear.is_empty()));
        }
    }
    let lines: Vec<String> = cases.iter().map(|(line, ..)| line.clone()).collect();
    imgtool_ok(their, &lines);
    let mut dumps = Vec::new();
    for (line, name, signer, device, is_clear) in &cases {
        our.bulla(&format!("imgtool {line}")).ok();
        for lab in &labs {
            if !signer.is_empty() {
                let opened = if *is_clear { "--clear".to_owned() } else { format!("--decrypt-key {device}") };
                let public = signer.replace(".pem", ".pub");
                lab.bulla(&format!("verify {name} --as mcuboot --public-key {public} {opened}")).ok();
            }
        }
        dumps.push(format!("dumpinfo {name} -f json -o {name}.json"));
    }
    labs.iter().for_each(|lab| imgtool_ok(lab, &dumps));
    for (line, name, signer, ..) in &cases {
        let [one, other] = [our, their].map(|lab| {
            let mut dump: serde_json::Value = serde_json::from_slice(&lab.read(format!("{name}.json"))).expect("JSON");
            for tlv in dump["tlv_area"]["tlvs"].as_array_mut().expect("a list") {
                let is_made =
                    tlv["type_name"].as_str().is_some_and(|name| name.starts_with("ENC") || name.contains("RSA"));
                if is_made || (tlv["type_name"] == "ECDSASIG") {
                    tlv["data"] = "drawn anew".into();
                }
                if tlv["type_name"] == "ECDSASIG" {
                    tlv["len"] = "of DER".into();
                }
            }
            if signer.starts_with("ecdsa") {
                dump["tlv_area"]["tlv_hdr"]["tlv_tot"] = "of DER".into();
            }
            dump
        });
        assert_eq!(one, other, "{line}");
    }
    our.refuses(&format!("imgtool {SIGN} -k rsa-2048.pem -E x25519.pub zephyr.bin x"), 2, "--encrypt");
    theirs(our, &format!("{SIGN} -k rsa-2048.pem -E x25519.pub zephyr.bin x")).exits(2);
    our.refuses(&format!("imgtool {SIGN} -k ed25519.pem -E ed25519.pub zephyr.bin x"), 1, "Ed25519");
    // Known: imgtool encrypts to nobody, and says nothing.
    theirs(our, &format!("{SIGN} -k ed25519.pem -E ed25519.pub zephyr.bin x")).ok();
    // What another tool has to sign is the payload as it was.
    make_the_same(&labs, &[format!("{SIGN} -E x25519.pub --vector-to-sign payload zephyr.bin payload.tbs")]);
}
