//! Passphrases and prompts: where secrets come from, and that they go nowhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::Lab;

#[test]
fn a_key_that_others_can_read_gets_a_warning() {
    let lab = Lab::new();
    lab.bulla("keygen -o dev.key").ok();
    fs::set_permissions(lab.path("dev.key"), fs::Permissions::from_mode(0o640)).expect("a mode");
    let run = lab.bulla("csr dev.key --profile idevid --serial SN-1 -o new.csr").ok();
    assert!(run.stderr.contains("bulla: warning: dev.key can be read by other users"), "{}", run.stderr);
}

#[test]
fn a_passphrase_comes_from_a_variable_a_file_or_a_descriptor() {
    let lab = Lab::new();
    lab.write("pass", "correct horse\n");
    lab.write("pass.crlf", "correct horse\r\n");
    lab.write("wrong", "correct horse\n\n");
    lab.write("blank", "");
    lab.bulla("keygen --passphrase-from file:pass -o a.key").ok();
    assert!(String::from_utf8_lossy(&lab.read("a.key")).starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    for open in [
        "$bulla keygen --public a.key --passphrase-from file:pass -o -",
        "$bulla keygen --public a.key --passphrase-from file:pass.crlf -o -",
        "PASS='correct horse' $bulla keygen --public a.key --passphrase-from env:PASS -o -",
        "$bulla keygen --public a.key --passphrase-from fd:3 -o - 3<pass",
        "$bulla keygen --public a.key --passphrase-from fd:0 -o - <pass",
    ] {
        lab.shell(open).ok();
    }
    for (open, message) in [
        ("$bulla keygen --public a.key --passphrase-from file:wrong -o out", "the passphrase does not open a.key"),
        ("$bulla keygen --public a.key --passphrase-from file:blank -o out", "the passphrase does not open a.key"),
        ("PASS= $bulla keygen --public a.key --passphrase-from env:PASS -o out", "the passphrase does not open a.key"),
        ("$bulla keygen --public a.key --passphrase-from env:UNSET -o out", "the variable UNSET for the passphrase"),
        ("$bulla keygen --public a.key --passphrase-from file:none -o out", "none: No such file or directory"),
        ("$bulla keygen --public a.key --passphrase-from fd:9 -o out 9<&-", "there is no passphrase of the key"),
        ("$bulla keygen --public a.key -o out </dev/null", "hint: add --passphrase-from"),
    ] {
        lab.shell(open).exits(4).says(message);
        assert!(!lab.has("out"), "{open}");
    }
}

#[test]
fn the_empty_passphrase_is_a_passphrase() {
    let lab = Lab::new();
    lab.shell("PASS= $bulla keygen --passphrase-from env:PASS -o a.key").ok();
    lab.bulla("keygen --public a.key -o out").exits(4).says("a.key is encrypted and no passphrase was given");
    lab.shell("PASS= $bulla keygen --public a.key --passphrase-from env:PASS -o out").ok();
}

#[test]
fn nothing_is_asked_where_there_is_no_terminal() {
    let lab = Lab::new();
    lab.write("pass", "secret");
    lab.bulla("keygen --passphrase-from file:pass -o a.key").ok();
    lab.bulla("ca init acme --name Acme --ca-passphrase-from file:pass").ok();
    for (words, message) in [
        ("keygen -o out --passphrase-from prompt", "hint: give it by env:VAR, file:PATH or fd:N"),
        ("keygen --public a.key -o out", "hint: add --passphrase-from"),
        ("sign a.key --as raw --key a.key -o out", "hint: add --passphrase-from"),
        ("csr a.key --profile ldevid --cn a -o out", "hint: add --passphrase-from"),
        ("enroll --key a.key --profile ldevid --cn a --ca acme -o out", "hint: add --passphrase-from"),
        (
            "enroll --key a.key --passphrase-from file:pass --profile ldevid --cn a --ca acme -o out",
            "add --ca-passphrase-from",
        ),
        ("ca init other --name Other", "hint: add --ca-passphrase-from SOURCE, or --no-passphrase"),
    ] {
        lab.refuses(words, 4, message);
    }
}

#[test]
fn no_secret_is_ever_printed() {
    let lab = Lab::new();
    lab.write("pass", "Xyzzy-plugh");
    let made = lab.bulla("keygen --passphrase-from file:pass -o a.key").ok();
    lab.bulla("keygen -o b.key").ok();
    let body: String = String::from_utf8_lossy(&lab.read("b.key")).lines().nth(1).expect("base64").to_owned();
    for run in [
        made,
        lab.bulla("inspect b.key").ok(),
        lab.bulla("inspect b.key --format json").ok(),
        lab.bulla("inspect a.key --passphrase-from file:pass --format json").ok(),
        lab.bulla("csr b.key --profile idevid -o out").fails(),
        lab.bulla("enroll b.key --profile idevid --ca none -o out").fails(),
    ] {
        let said = run.text() + &run.stderr;
        assert!(!said.contains("Xyzzy") && !said.contains(&body[..32]), "{said}");
    }
}
