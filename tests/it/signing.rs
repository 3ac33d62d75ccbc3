//! Signing in two steps, and what is asked of a signer and an image beyond a signature.

use crate::harness::{IMAGES, Lab, Run};

/// A firmware signer `fw`, its public key `fw.pub`, the root that vouches for it, and an image.
fn stage() -> Lab {
    let lab = Lab::with_ca();
    lab.write("app.bin", "firmware");
    lab.write("root.pem", lab.read("acme/firmware/root.pem"));
    lab.bulla("keygen --public fw.key -o fw.pub").ok();
    lab
}

/// Prepares a signature as `NAME`, and has openssl make it into `NAME.sig`, by the line that is printed for that.
fn prepares_for_openssl(lab: &Lab, words: &str, name: &str, key: &str) -> Run {
    let said = lab.bulla(&format!("{words} --prepare {name}")).ok().stderr;
    let prepared: serde_json::Value = serde_json::from_slice(&lab.read(format!("{name}.json"))).expect("JSON");
    let tbs = lab.read(format!("{name}.tbs"));
    let hex: String = tbs.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(prepared["to_be_signed"], hex, "the two files say the same");
    let line = said.lines().find_map(|line| line.strip_prefix("  openssl ")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.ends_with(&format!(" -in {name}.tbs -out {name}.sig")), "{line}");
    lab.judge(&format!("openssl {}", line.replace("KEY", key))).ok()
}

#[test]
fn a_key_that_is_elsewhere_signs_in_two_steps() {
    let lab = stage();
    let cases = [
        ("p256", "--as raw"),
        ("p384", "--as raw --ecdsa p1363"),
        ("ed25519", "--as raw"),
        ("rsa3072", "--as raw"),
        ("rsa2048", "--as raw --rsa pkcs1"),
        ("p256", "--as cms --cert k.pem"),
        ("rsa2048", "--as cms --cert k.pem --rsa pss"),
    ];
    for (number, (key_type, flags)) in cases.into_iter().enumerate() {
        let case = format!("{key_type} {flags}");
        lab.shell("rm -f k.* a.*").ok();
        lab.bulla(&format!("keygen --type {key_type} -o k.key")).ok();
        lab.bulla("keygen --public k.key -o k.pub").ok();
        lab.bulla(&format!("enroll --key k.key --profile firmware --cn n{number} --ca acme -o k.pem")).ok();
        prepares_for_openssl(&lab, &format!("sign app.bin {flags} --public-key k.pub"), "a", "k.key");
        let run = lab.bulla("sign app.bin --attach a.json --signature a.sig -o a.out --format json").ok();
        assert_eq!(run.json()["as"], flags.split(' ').nth(1).expect("a format"), "{case}");
        let verify = flags.replace(" --cert k.pem", "").replace(" --rsa pss", "");
        lab.bulla(&format!("verify app.bin {verify} --signature a.out --trust root.pem --cert k.pem")).ok();
    }
}

#[test]
fn nothing_is_attached_that_does_not_hold() {
    let lab = stage();
    lab.bulla("keygen -o other.key").ok();
    let prepare = "sign app.bin --as raw --public-key fw.pub --force";
    prepares_for_openssl(&lab, prepare, "a", "other.key");
    lab.refuses("sign app.bin --attach a.json --signature a.sig -o out", 3, "signature does not match");
    prepares_for_openssl(&lab, prepare, "a", "fw.key");
    lab.write("other.bin", "firmwarf");
    let differs = "not the one for which the signature was prepared";
    lab.refuses("sign other.bin --attach a.json --signature a.sig -o out", 3, differs);
    lab.refuses("sign app.bin --attach a.sig --signature a.sig -o out", 1, "prepared signature cannot be read");
    lab.write("newer.json", lab.read("a.json").to_ascii_uppercase());
    lab.refuses("sign app.bin --attach newer.json --signature a.sig -o out", 1, "cannot be read");
    lab.refuses("sign app.bin --as raw --public-key fw.pub --prepare a", 1, "exists and is not overwritten");
    lab.refuses("sign app.bin --as raw --key fw.key --prepare b", 2, "");
    lab.refuses("sign app.bin --as raw --prepare b", 2, "--prepare needs --public-key");
    lab.refuses("sign app.bin --attach a.json --signature a.sig", 2, "--output");
    lab.refuses("sign app.bin --attach a.json --signature a.sig --ecdsa der -o out", 2, "--ecdsa belongs to --prepare");
    lab.refuses("sign app.bin --as raw --public-key fw.pub --prepare b -o out", 2, "-o is for --attach");
    lab.bulla("sign app.bin --attach a.json --signature a.sig -o out").ok();
    lab.bulla("verify app.bin --as raw --signature out --public-key fw.pub").ok();
}

#[test]
fn a_flag_of_another_format_is_refused() {
    let lab = stage();
    lab.refuses(
        "sign app.bin --as cms --key fw.key --cert fw.pem --ecdsa der -o out",
        2,
        "--ecdsa does not go with --as cms",
    );
    lab.refuses("sign app.bin --as raw --key fw.key --add -o out", 2, "for images that hold their signatures");
    lab.refuses("sign app.bin --as raw --remove fw.pub -o out", 2, "for images that hold their signatures");
    lab.refuses("sign app.bin --as cms --key fw.key -o out", 2, "add --cert");
    lab.refuses("sign app.bin --as raw -o out", 2, "key is needed");
}

/// RFC 8032 section 7.1, test 1: a private key that everybody has.
const PUBLISHED: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn a_key_that_everybody_has_signs_nothing_unless_that_is_said() {
    let lab = stage();
    lab.write("rfc.key", PUBLISHED);
    lab.shell("chmod 600 rfc.key; openssl pkey -in rfc.key -pubout -out rfc.pub").ok();
    let message = "its private half is published: RFC 8032";
    let run = lab.refuses("sign app.bin --as raw --key rfc.key -o out", 1, message);
    assert!(run.stderr.contains("hint: make a key of your own"), "{}", run.stderr);
    lab.refuses("sign app.bin --as raw --public-key rfc.pub --prepare out", 1, message);
    let run = lab.bulla("sign app.bin --as raw --key rfc.key --allow-published-key -o out").ok();
    assert!(run.stderr.contains("bulla: warning: the private half of this key is published"), "{}", run.stderr);
    lab.bulla("verify app.bin --as raw --signature out --public-key rfc.pub").ok();
}

#[test]
fn who_must_have_signed_can_be_said() {
    let lab = stage();
    lab.bulla("sign app.bin --as cms --key fw.key --cert fw.pem -o app.p7s").ok();
    let spki = lab.bulla("inspect fw.pub --format json").ok().json()["documents"][0]["spki_sha256"].to_string();
    let spki = spki.trim_matches('"');
    let other = "00".repeat(32);
    for (demand, is_good) in [
        (format!("--signer-spki {spki}"), true),
        (format!("--signer-spki {}", spki.to_uppercase()), true),
        (format!("--signer-spki {other}"), false),
        ("--signer-cn signer".to_owned(), true),
        ("--signer-cn Signer".to_owned(), false),
        ("--signer-san dns:signer".to_owned(), false),
    ] {
        let words = format!("verify app.bin --as cms --signature app.p7s --trust root.pem {demand} --format json");
        let run = lab.bulla(&words).exits(if is_good { 0 } else { 3 });
        let code = run.json()["code"].clone();
        assert_eq!(code.as_str(), if is_good { None } else { Some("signer") }, "{demand}");
    }
    for (demand, why) in [
        ("--signer-spki 00", "64 hexadecimal digits"),
        ("--signer-san signer", "dns:NAME"),
        ("--signer-san dns:-", "DNS name"),
    ] {
        lab.refuses(&format!("verify app.bin --as cms --signature app.p7s --trust root.pem {demand}"), 2, why);
    }
    lab.bulla("verify app.bin --as cms --signature app.p7s --public-key fw.pub --signer-cn signer").exits(2);
}

/// A raw signature says no version, and what is asked for must be there.
#[test]
fn what_the_image_does_not_say_is_not_waved_through() {
    let lab = stage();
    lab.bulla("sign app.bin --as raw --key fw.key -o app.sig").ok();
    for (demand, code) in
        [("--min-version 1", "version"), ("--min-security-counter 0", "security-counter"), ("--hardware b", "hardware")]
    {
        let run = lab
            .bulla(&format!("verify app.bin --as raw --signature app.sig --public-key fw.pub {demand} --format json"))
            .exits(3);
        assert_eq!(run.json()["code"], code);
    }
}

/// Whoever gives the wrong format is told the right one, whether the image is verified or signed.
#[test]
fn an_image_of_another_format_is_called_by_its_name() {
    let lab = Lab::with_images();
    for (format, _, _, product, kind) in IMAGES {
        for (other, _, other_flags, ..) in IMAGES.into_iter().filter(|(other, ..)| *other != format) {
            let words = format!("the file is of another format: {kind}, --as {format}");
            let verify = format!("verify {product} --as {other} --cert fw.pem");
            let run = lab.bulla(&verify).exits(3);
            assert!(run.text().ends_with(&format!(")\nhint: {words}\n")), "{verify}: {}", run.text());
            assert_eq!(lab.bulla(&format!("{verify} --format json")).exits(3).json()["hint"], *words);
            let sign = format!("sign {product} --as {other} --key fw.key {}", other_flags.replace("--pad-header", ""));
            if other == "esp32" {
                // Whatever stands in flash can be signed there.
                let run = lab.bulla(&format!("{sign} -o signed --force")).ok();
                assert!(run.stderr.contains(&format!("bulla: warning: {words}\n")), "{sign}: {}", run.stderr);
            } else {
                lab.refuses(&format!("{sign} -o out"), 1, &format!("\nhint: {words}\n"));
            }
        }
        // Its own format does not say so, nor does a signature over any file.
        lab.shell(&format!("head -c -1 {product} >short")).ok();
        let run = lab.bulla(&format!("verify short --as {format} --cert fw.pem")).exits(3);
        assert!(!run.text().contains("another format"), "{}", run.text());
        let run = lab.bulla(&format!("sign {product} --as raw --key fw.key  -o -")).ok();
        assert!(!run.stderr.contains("another format"), "{}", run.stderr);
    }
}

/// Whoever gives one half of a key for the other, or a certificate, is told what it is and how to get what is wanted.
#[test]
fn a_key_of_the_wrong_half_is_called_by_its_name() {
    let lab = Lab::with_images();
    lab.write("pass", "correct horse");
    lab.bulla("keygen --passphrase-from file:pass -o locked.key").ok();
    let leaf = String::from_utf8_lossy(&lab.read("fw.pem")).into_owned();
    lab.write("leaf.pem", leaf.split_inclusive("-----END CERTIFICATE-----\n").next().expect("a certificate"));
    let verify = "verify app.img --as mcuboot --public-key";
    let sign = "sign app.bin --as mcuboot --version 1 --pad-header -o out";
    for (words, exit, message) in [
        (
            format!("{verify} fw.key"),
            1,
            "fw.key is a private key, not a public key\nhint: write its public half: bulla",
        ),
        (format!("{verify} locked.key"), 1, "an encrypted private key, not a public key\nhint: write its public half"),
        (
            format!("{verify} fw.pem"),
            1,
            "a chain of 3 certificates, not a public key\nhint: verify takes it with --cert",
        ),
        (format!("{verify} leaf.pem"), 1, "leaf.pem is a certificate, not a public key\nhint: verify takes it"),
        (format!("{sign} --key fw.pub"), 1, "fw.pub is a public key, not a private key"),
        (format!("{sign} --key fw.pem"), 1, "fw.pem is a chain of 3 certificates, not a private key"),
        (format!("{sign} --key fw.key --encrypt locked.key"), 4, "hint: give its public half: bulla keygen --public"),
        ("sign app.img --as mcuboot --remove fw.key -o out".to_owned(), 1, "hint: write its public half"),
    ] {
        lab.refuses(&words, exit, message);
    }
}

/// A signer who is trusted as he is has no chain, and his signature is held to what is asked of every signature.
#[test]
fn the_least_hash_is_asked_of_the_signature_on_the_file() {
    let lab = stage();
    for (hash, code) in [("sha256", 3), ("sha384", 0)] {
        lab.bulla(&format!("sign app.bin --as raw --key fw.key --hash {hash} -o app.sig --force")).ok();
        let words = "verify app.bin --as raw --signature app.sig --cert fw.pem --min-hash sha384 --format json";
        let words = format!("{words} --hash {hash}");
        let run = lab.bulla(&words).exits(code);
        assert_eq!(run.json()["code"], if code == 0 { serde_json::Value::Null } else { "algorithm".into() }, "{hash}");
    }
}
