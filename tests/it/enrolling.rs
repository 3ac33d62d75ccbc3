//! Who gets which certificate from a CA: profiles, identities, and asking again.

use crate::harness::Lab;

/// A CA, a device's key and request, and another key.
fn stage() -> Lab {
    let lab = Lab::with_ca();
    for words in ["keygen -o dev.key", "keygen -o new.key", "csr dev.key --profile idevid --serial SN-1 -o dev.csr"] {
        lab.bulla(words).ok();
    }
    lab
}

#[test]
fn the_profile_is_said_or_the_issuer_serves_only_one() {
    let lab = stage();
    let enroll = "enroll --key new.key --cn signer-2";
    lab.refuses(&format!("{enroll} --ca acme -o out"), 2, "the profile must be said: add --profile NAME");
    lab.refuses(&format!("{enroll} --ca acme/device -o out"), 2, "the profile must be said");
    let run = lab.bulla(&format!("{enroll} --ca acme/firmware -o out --format json")).ok();
    assert_eq!(run.json()["profile"], "firmware");
    let wrong = "enroll --key dev.key --cn x --profile firmware --ca acme/device -o wrong";
    let run = lab.refuses(wrong, 1, "the issuer device does not issue profile firmware");
    assert!(run.stderr.contains("hint: profile firmware belongs to the issuer firmware"), "{}", run.stderr);
    let wrong = "enroll dev.csr --profile idevid --ca acme/firmware -o wrong";
    lab.refuses(wrong, 1, "the issuer firmware does not issue profile idevid");
}

#[test]
fn the_same_request_gives_the_same_certificate() {
    let lab = stage();
    lab.bulla("enroll dev.csr --profile idevid --ca acme -o 1.pem").ok();
    lab.bulla("enroll dev.csr --profile idevid --ca acme/device -o 2.pem").ok();
    lab.bulla("enroll --key dev.key --serial SN-1 --profile idevid --ca acme -o 3.pem").ok();
    assert_eq!(lab.read("1.pem"), lab.read("2.pem"));
    assert_eq!(lab.read("1.pem"), lab.read("3.pem"));
}

#[test]
fn an_identity_has_one_key_and_a_key_one_identity() {
    let lab = stage();
    lab.bulla("enroll dev.csr --profile idevid --ca acme -o dev.pem").ok();
    let other_key = "enroll --key new.key --serial SN-1 --profile idevid --ca acme -o out";
    lab.refuses(other_key, 1, "SN-1 has a certificate for another key");
    let other_name = "enroll --key dev.key --serial SN-2 --profile idevid --ca acme -o out";
    lab.refuses(other_name, 1, "the key already serves another identity, serialNumber=SN-1");
    let code = |words: &str| lab.bulla(&format!("{words} --format json")).exits(1).json()["code"].clone();
    assert_eq!(code(other_key), "identity-taken");
    assert_eq!(code(other_name), "key-taken");
}

#[test]
fn a_validity_that_is_asked_for_is_whole_days_from_now() {
    let lab = stage();
    let words = "enroll --key new.key --cn x --profile ldevid --valid-for 3d --ca acme -o x.pem --format json";
    let made = lab.bulla(words).ok().json();
    let clock =
        |field: &str| made[field].as_str().and_then(|time| time.split_once('T')).expect("RFC 3339").1.to_owned();
    assert_eq!(clock("not_before"), clock("not_after"));
}
