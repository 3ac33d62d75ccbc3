//! CA folders that are missing, half, foreign or locked: each fails with its code, and nothing is issued or written.

use std::fs;

use crate::harness::Lab;

const ENROLL: &str = "enroll dev.csr --profile idevid --ca acme -o out";

/// A CA, and a request for it.
fn stage() -> Lab {
    let lab = Lab::with_ca();
    lab.bulla("keygen -o dev.key").ok();
    lab.bulla("csr dev.key --profile idevid --serial SN-1 -o dev.csr").ok();
    lab
}

/// A CA whose keys are locked with `correct horse`, and a request for it.
fn locked_stage() -> Lab {
    let lab = Lab::new();
    lab.write("pass", "correct horse\n");
    lab.write("wrong", "battery staple\n");
    lab.bulla("ca init acme --name Acme --ca-passphrase-from file:pass").ok();
    lab.bulla("keygen -o dev.key").ok();
    lab.bulla("csr dev.key --profile idevid --serial SN-1 -o dev.csr").ok();
    lab
}

#[test]
fn what_is_no_ca_folder_is_called_that() {
    let lab = stage();
    fs::create_dir(lab.path("folder")).expect("a folder");
    for ca in ["nothing", "folder", "fw.pem", "acme/other", "folder/device", "acme/device/device"] {
        let run = lab.refuses(&format!("enroll dev.csr --profile idevid --ca {ca} -o out"), 1, "is not a CA folder");
        assert!(run.stderr.contains("hint: make one: bulla ca init"), "{}", run.stderr);
    }
}

#[test]
fn a_ca_that_lacks_a_part_names_the_part() {
    for (part, message) in [
        ("ca.json", "acme is not a CA folder"),
        ("ca.db", "cannot read the CA's records acme/ca.db: No such file or directory"),
        ("device/issuing.key", "cannot read private key acme/device/issuing.key: No such file or directory"),
        ("device/issuing.pem", "cannot read the CA's certificate acme/device/issuing.pem: No such file or directory"),
        ("device/root.pem", "cannot read the CA's certificate acme/device/root.pem: No such file or directory"),
    ] {
        let lab = stage();
        fs::remove_file(lab.path("acme").join(part)).expect("a part");
        lab.refuses(ENROLL, 1, message);
    }
}

#[test]
fn a_root_key_that_was_moved_away_is_not_missed() {
    let lab = stage();
    fs::remove_file(lab.path("acme/device/root.key")).expect("the root's key");
    lab.bulla(ENROLL).ok();
}

#[test]
fn a_ca_with_a_part_of_another_is_refused() {
    for (part, message) in [
        ("device/issuing.key", "the key of issuer device does not belong to its certificate"),
        ("device/issuing.pem", "the key of issuer device does not belong to its certificate"),
    ] {
        let lab = stage();
        lab.bulla("ca init other --name Acme --no-passphrase").ok();
        fs::copy(lab.path("other").join(part), lab.path("acme").join(part)).expect("a part");
        lab.refuses(ENROLL, 1, message);
    }
    // A root of the same name and another key: what would be issued does not lead to it.
    let lab = stage();
    lab.bulla("ca init other --name Acme --no-passphrase").ok();
    lab.write("acme/device/root.pem", lab.read("other/device/root.pem"));
    lab.bulla(ENROLL).fails().says("bulla: error: ");
    assert!(!lab.has("out"));
}

#[test]
fn a_ca_part_of_the_wrong_type_is_called_what_it_is() {
    for (part, content, message) in [
        ("ca.json", "{", "acme/ca.json is damaged"),
        ("ca.json", "", "acme/ca.json is damaged"),
        (
            "ca.db",
            "not a database, but long enough to be one in its first hundred bytes",
            "does not hold a CA's records",
        ),
        ("ca.db", "", "does not hold a CA's records"),
        ("device/issuing.key", "hello", "issuing.key is text without a PEM block, not a private key"),
        ("device/issuing.pem", "", "issuing.pem is empty, not a certificate"),
        ("device/root.pem", "hello", "root.pem is text without a PEM block, not a certificate"),
    ] {
        let lab = stage();
        lab.write(format!("acme/{part}"), content.repeat(2));
        lab.refuses(ENROLL, 1, message);
    }
}

#[test]
fn a_ca_of_a_newer_version_is_left_alone() {
    let lab = stage();
    lab.write("acme/ca.json", r#"{"name":"Acme","schema":"bulla.ca/2"}"#);
    lab.refuses(ENROLL, 1, "acme/ca.json has schema bulla.ca/2, and this version knows bulla.ca/1");

    let lab = stage();
    let mut records = lab.read("acme/ca.db");
    // The database header's user version (https://www.sqlite.org/fileformat.html section 1.3.13).
    records[60..64].copy_from_slice(&99_u32.to_be_bytes());
    lab.write("acme/ca.db", records);
    let run = lab.refuses(ENROLL, 1, "acme/ca.db have schema 99, and this version knows schemas up to 3");
    assert!(run.stderr.contains("hint: use a newer version of bulla"), "{}", run.stderr);
}

#[test]
fn a_locked_ca_asks_for_its_passphrase_by_the_name_of_the_flag() {
    let lab = locked_stage();
    let run = lab.refuses(ENROLL, 4, "the CA's key is encrypted and no passphrase was given");
    assert!(run.stderr.contains("hint: add --ca-passphrase-from"), "{}", run.stderr);
    let wrong = format!("{ENROLL} --ca-passphrase-from file:wrong");
    let run = lab.refuses(&wrong, 4, "the passphrase does not open the CA's key");
    assert!(run.stderr.contains("hint: check what --ca-passphrase-from gives"), "{}", run.stderr);
    lab.bulla(&format!("{ENROLL} --ca-passphrase-from file:pass")).ok();
}

#[test]
fn a_refused_request_is_recorded_and_changes_no_certificate() {
    let lab = stage();
    lab.bulla("keygen -o other.key").ok();
    lab.bulla(ENROLL).ok();
    let list = || lab.bulla("ca list acme --format json").ok().text();
    let certificates = list();
    lab.refuses("enroll dev.csr --profile idevid --ca acme/firmware -o new", 1, "does not issue profile idevid");
    lab.refuses("enroll dev.csr --profile tls-server --ca acme -o new", 1, "profile tls-server");
    let other = "enroll --key other.key --serial SN-1 --profile idevid --ca acme -o new";
    lab.refuses(other, 1, "SN-1 has a certificate for another key");
    assert_eq!(list(), certificates);
    let audit = lab.bulla("ca audit acme --format json").ok().json();
    let refused = |n: usize| audit["records"][n]["refused"].clone();
    assert_eq!((refused(0), refused(1)), (2.into(), 1.into()), "{audit}");
}

#[test]
fn a_request_that_does_not_prove_its_key_is_refused() {
    let lab = stage();
    lab.bulla("csr dev.key --profile idevid --serial SN-1 --encoding der -o der.csr").ok();
    let mut request = lab.read("der.csr");
    let at = request.windows(4).position(|window| window == b"SN-1").expect("the serial number");
    request[at + 3] = b'2';
    lab.write("forged.csr", request);
    let forged = "enroll forged.csr --profile idevid --ca acme -o out";
    lab.refuses(forged, 3, "the request does not prove that its sender holds the key");
}
