//! A CA over the years: copies made while it works, and folders of an earlier version.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::fixtures;
use crate::harness::Lab;

/// Asserts that folders have mode 0700 and files 0600, all the way down, and returns the names of the files.
#[track_caller]
pub fn is_private(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mode = |path: &Path| path.symlink_metadata().expect("metadata").permissions().mode() & 0o7777;
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            names.extend(is_private(&path));
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            names.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    names.sort();
    names
}

/// Fifteen devices enrol while three copies are made.
const AT_WORK: &str = r#"
    umask 0
    for n in $(seq 15); do $bulla keygen -o $n.key; done
    for n in $(seq 15); do
        $bulla enroll --key $n.key --serial W-$n --profile idevid --ca acme -o $n.pem || echo "enroll $n" >>failed
    done &
    until [ -e 2.pem ]; do sleep 0.01; done
    for n in 1 2 3; do $bulla ca backup acme -o copy-$n || echo "backup $n" >>failed; done
    wait
"#;

#[test]
fn a_copy_made_at_work_is_a_ca() {
    let lab = Lab::ca("");
    lab.signer("signer");
    std::fs::create_dir(lab.path("acme/profiles")).expect("a folder");
    lab.write("acme/profiles/own.toml", lab.bulla("profile show idevid").ok().text());
    lab.shell("chmod 700 acme/profiles; chmod 600 acme/profiles/own.toml").ok();
    lab.shell(AT_WORK).ok();
    assert!(!lab.has("failed"), "{}", String::from_utf8_lossy(&lab.read("failed")));
    let all = lab.listed("acme", "serial");
    assert_eq!(all.len(), 16);
    for copy in ["copy-1", "copy-2", "copy-3"] {
        let files = is_private(&lab.path(copy));
        let own = is_private(&lab.path("acme"));
        assert_eq!(files, own.into_iter().filter(|name| name != "ca.lock").collect::<Vec<_>>());
        lab.holds(copy);
        let there = lab.listed(copy, "serial");
        assert!(there.len() >= 2 && there == all[..there.len()], "{copy} is the CA of one moment: {}", there.len());
        for key in ["root.key", "issuing.key", "issuing.pem", "root.pem"] {
            assert_eq!(lab.read(format!("{copy}/device/{key}")), lab.read(format!("acme/device/{key}")));
        }
        goes_on(&lab, copy);
    }
    lab.fails_with("ca backup acme -o copy-1", 1, "exists");
    lab.fails_with("ca backup acme/device -o out", 2, "usage");
    lab.fails_with("ca backup nothing -o out", 1, "not-a-ca");
    lab.fails_with("ca backup acme -o -", 2, "usage");
}

/// What the copy knows it answers, and what it does not know it issues, durably.
#[track_caller]
fn goes_on(lab: &Lab, copy: &str) {
    let enroll = |n: u8| format!("enroll --key {n}.key --serial W-{n} --profile idevid --ca {copy} -o {copy}-{n}.pem");
    lab.bulla(&enroll(1)).ok();
    assert_eq!(lab.read(format!("{copy}-1.pem")), lab.read("1.pem"));
    lab.bulla(&enroll(15)).ok();
    let trust = format!("openssl verify -CAfile acme/device/root.pem -untrusted {copy}-15.pem {copy}-15.pem");
    lab.judge(&trust).ok();
    lab.bulla(&format!("ca crl {copy}/device -o {copy}.crl")).ok();
    lab.holds(copy);
    let ask = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode').fetchone()[0])";
    assert_eq!(lab.run("python3", ["-c", ask, &format!("{copy}/ca.db")]).ok().text(), "wal\n");
}

/// The lab with `acme`, a CA whose records have the first schema, and what it had issued.
fn old_ca() -> Lab {
    ca_of("ca-schema-1")
}

/// The lab with what a fixture has.
fn ca_of(fixture: &str) -> Lab {
    let lab = Lab::new();
    let from = fixtures::path(fixture);
    let script =
        format!("cp -r '{}'/. . && find . -type f -exec chmod 600 {{}} + && chmod 700 acme acme/*", from.display());
    lab.shell(&script).ok();
    lab
}

#[test]
fn a_ca_of_the_first_schema_goes_on() {
    let lab = old_ca();
    let states = |lab: &Lab| lab.listed("acme", "state");
    assert_eq!(states(&lab), ["issued", "issued", "planned", "issued"]);
    for name in ["d1", "d2"] {
        lab.bulla(&format!("enroll {name}.csr --profile idevid --ca acme -o again.pem --force")).ok();
        assert_eq!(lab.read("again.pem"), lab.read(format!("{name}.pem")));
    }
    lab.bulla("enroll --key fw.key --profile firmware --cn Signer --ca acme -o again.pem --force").ok();
    assert_eq!(lab.read("again.pem"), lab.read("fw.pem"));
    // What was planned is signed as it was planned.
    lab.bulla("enroll d3.csr --profile idevid --ca acme -o new.pem").ok();
    let same = "-serial -subject -issuer -pubkey -dates -ext authorityKeyIdentifier,keyUsage,basicConstraints";
    let shown = |name: &str| lab.judge(&format!("openssl x509 -in {name} -noout {same}")).ok().text();
    assert_eq!(shown("new.pem"), shown("d3.pem"));
    lab.judge("openssl verify -CAfile acme/device/root.pem -untrusted new.pem new.pem").ok();
    assert_eq!(states(&lab), ["issued"; 4]);
    // The record starts with what was there before.
    lab.holds("acme");
    for (hierarchy, certificates) in [("device", 3), ("firmware", 1)] {
        let export = lab.bulla(&format!("ca audit acme/{hierarchy} -o -")).ok().text();
        let first: serde_json::Value = serde_json::from_str(export.lines().next().expect("a line")).expect("JSON");
        assert_eq!((&first["event"], &first["certificates"]), (&"adopt".into(), &certificates.into()), "{first}");
    }
    lab.device("SN-4");
    lab.bulla("revoke d1.pem --reason superseded --ca acme").ok();
    lab.bulla("ca crl acme/device -o device.crl").ok();
    let check = "openssl verify -crl_check -CRLfile device.crl -CAfile acme/device/root.pem -untrusted d1.pem";
    lab.judge(&format!("{check} d2.pem")).ok();
    assert!(lab.judge(&format!("{check} d1.pem")).exits(2).stderr.contains("certificate revoked"));
    assert_eq!(lab.holds("acme")["records"][0]["issued"], 4);
}

/// Its audit record goes on where it was, and lines of before verify.
#[test]
fn a_ca_of_the_second_schema_goes_on() {
    let lab = ca_of("ca-schema-2");
    assert_eq!(lab.holds("acme")["records"][0]["lines"], 5);
    assert_eq!(lab.listed("acme", "state"), ["issued", "revoked"]);
    lab.bulla("enroll d1.csr --profile idevid --ca acme -o again.pem").ok();
    assert_eq!(lab.read("again.pem"), lab.read("d1.pem"));
    lab.bulla("ca token new acme --device D-3 --profile idevid").ok();
    assert_eq!(lab.holds("acme")["records"][0]["lines"], 6);
    lab.bulla("ca approve acme --list").ok();
}

#[test]
fn a_change_to_what_was_there_before_the_record_is_found() {
    for statements in [
        "UPDATE certificate SET serial = x'01' WHERE id = 1",
        "UPDATE certificate SET spki_sha256 = zeroblob(32) WHERE id = 2",
        "UPDATE certificate SET id = 20 WHERE id = 2",
        "DELETE FROM certificate WHERE id = 1",
    ] {
        let lab = old_ca();
        lab.device("SN-4");
        lab.holds("acme/device");
        lab.tamper("acme", statements);
        assert_eq!(lab.does_not_hold("acme/device"), "records", "{statements}");
    }
}

#[test]
fn a_plan_is_revoked_by_the_certificate_that_may_be_out() {
    let lab = old_ca();
    lab.bulla("revoke d3.pem --reason keyCompromise --ca acme").ok();
    lab.fails_with("enroll d3.csr --profile idevid --ca acme -o out", 1, "key-compromised");
    assert_eq!(lab.listed("acme/device", "state"), ["issued", "issued", "revoked"]);
    lab.holds("acme/device");
}

/// A plan is for the issuing CA of its time. Once that has a new key nobody can sign it any more: the plan is revoked,
/// and another takes its place.
#[test]
fn a_plan_does_not_outlive_the_key_that_was_to_sign_it() {
    let lab = old_ca();
    lab.bulla("ca renew-issuing acme/device --no-passphrase").ok();
    for output in ["new.pem", "again.pem"] {
        lab.bulla(&format!("enroll d3.csr --profile idevid --ca acme -o {output}")).ok();
    }
    assert_eq!(lab.read("new.pem"), lab.read("again.pem"));
    assert_ne!(lab.serial("new.pem"), lab.serial("d3.pem"));
    lab.bulla("ca crl acme/device -o device.crl").ok();
    let check = "openssl verify -crl_check -CRLfile device.crl -CAfile acme/device/root.pem";
    lab.judge(&format!("{check} -untrusted new.pem new.pem")).ok();
    // Its signature may have been made and lost; nobody is to trust it.
    assert!(lab.judge(&format!("{check} -untrusted d3.pem d3.pem")).exits(2).stderr.contains("certificate revoked"));
    lab.bulla("enroll d1.csr --profile idevid --ca acme -o d1-again.pem").ok();
    assert_eq!(lab.read("d1-again.pem"), lab.read("d1.pem"));
    lab.holds("acme/device");
}
