//! The committed fixtures: each is what its list says it is, and each wrong chain is refused for its own reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bulla::key::Hash;

use crate::harness::Lab;

/// The path of a fixture.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Every chain, and the reason for which it is refused.
const CHAINS: [(&str, Option<&str>); 22] = [
    ("good", None),
    ("expired", Some("expired")),
    ("not-yet-valid", Some("not-yet-valid")),
    ("expired-issuing", Some("expired")),
    ("tls-purpose", Some("purpose")),
    ("no-purpose", Some("purpose")),
    ("no-key-usage", Some("purpose")),
    ("key-usage-without-signature", Some("purpose")),
    ("ca-as-signer", Some("purpose")),
    ("issuing-for-tls", Some("purpose")),
    ("critical-in-signer", Some("critical-extension")),
    ("critical-in-issuing", Some("critical-extension")),
    ("name-constraints", Some("name-constraint")),
    ("name-constraints-not-critical", Some("certificate-malformed")),
    ("not-a-ca", Some("not-a-ca")),
    ("no-basic-constraints", Some("not-a-ca")),
    ("no-cert-sign", Some("not-a-ca")),
    ("path-length", Some("path-length")),
    ("other-root", Some("untrusted")),
    ("impostor-root", Some("key-identifier")),
    ("sha1", Some("certificate-algorithm")),
    ("self-signed", Some("untrusted")),
];

/// A lab with the signer's key, the root and a signed image.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.copy("chains/signer.key", "signer.key");
    lab.copy("chains/root.pem", "root.pem");
    lab.write("app.bin", "firmware");
    lab.bulla("sign app.bin --as raw --key signer.key -o app.sig").ok();
    lab
}

impl Lab {
    /// Copies a fixture into the folder; a key becomes private.
    pub fn copy(&self, fixture: &str, name: &str) {
        use std::os::unix::fs::PermissionsExt;
        self.write(name, std::fs::read(path(fixture)).expect("a fixture"));
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), private).expect("a mode");
    }
}

#[test]
fn every_file_is_listed_with_its_hash_and_no_other_is_there() {
    let list = std::fs::read_to_string(path("README.md")).expect("the list");
    let rows = list.lines().filter_map(|line| line.strip_prefix("| ")).filter(|row| !row.starts_with("path "));
    let listed: BTreeMap<String, String> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
            let [file, _tool, _command, sha256] = cells[..] else { panic!("a row of {} cells: {row}", cells.len()) };
            (file.to_owned(), sha256.to_owned())
        })
        .collect();
    let mut found = BTreeMap::new();
    let mut folders = vec![path("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let file = entry.expect("an entry").path();
            let name = file.strip_prefix(path("")).expect("below fixtures").to_string_lossy().into_owned();
            match name.as_str() {
                _ if file.is_dir() => folders.push(file),
                "README.md" | "make.sh" => {}
                _ => {
                    let bytes = std::fs::read(&file).expect("a file");
                    found.insert(name, Hash::Sha256.digest(&bytes).to_string());
                }
            }
        }
    }
    assert_eq!(found, listed, "fixtures/README.md lists what is not there, or misses what is");
}

#[test]
fn every_chain_is_in_the_table() {
    let mut there: Vec<String> = std::fs::read_dir(path("chains"))
        .expect("a folder")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".pem").map(str::to_owned))
        .filter(|name| name != "root")
        .collect();
    let mut tabled: Vec<String> = CHAINS.iter().map(|(name, _)| (*name).to_owned()).collect();
    there.sort();
    tabled.sort();
    assert_eq!(there, tabled);
}

#[test]
fn a_chain_that_breaks_one_rule_is_refused_for_that_rule() {
    let lab = lab();
    for (name, code) in CHAINS {
        lab.copy(&format!("chains/{name}.pem"), "chain.pem");
        let run =
            lab.bulla("verify app.bin --as raw --signature app.sig --cert chain.pem --trust root.pem --format json");
        let run = run.exits(if code.is_none() { 0 } else { 3 });
        assert_eq!(run.json()["verdict"], if code.is_none() { "good" } else { "bad" }, "{name}");
        assert_eq!(run.json()["code"].as_str(), code, "{name}: {}", run.text());
    }
}

#[test]
fn a_chain_is_judged_at_the_time_that_is_asked_for() {
    let lab = lab();
    for (name, at, code) in [
        ("expired", "2020-06-01T00:00:00Z", 0),
        ("expired", "2021-01-01T00:00:00Z", 0),
        ("expired", "2021-01-01T00:00:01Z", 3),
        ("expired-issuing", "2020-06-01T00:00:00Z", 0),
        ("not-yet-valid", "2089-12-31T23:59:59Z", 3),
        ("not-yet-valid", "2090-01-01T00:00:00Z", 0),
        ("good", "2019-12-31T23:59:59Z", 3),
        ("good", "9999-12-31T23:59:59Z", 0),
    ] {
        lab.copy(&format!("chains/{name}.pem"), "chain.pem");
        let words = "verify app.bin --as raw --signature app.sig --cert chain.pem --trust root.pem --at";
        lab.bulla(&format!("{words} {at}")).exits(code);
    }
}

#[test]
fn a_purpose_that_fits_the_signer_is_accepted_and_any_other_refused() {
    let lab = lab();
    for (name, purpose, code) in [
        ("tls-purpose", "tls-client", 0),
        ("tls-purpose", "tls-server", 3),
        ("tls-purpose", "any", 0),
        ("no-purpose", "any", 0),
        ("no-purpose", "tls-server", 0),
        ("good", "tls-client", 3),
    ] {
        lab.copy(&format!("chains/{name}.pem"), "chain.pem");
        let words = "verify app.bin --as raw --signature app.sig --cert chain.pem --trust root.pem --purpose";
        lab.bulla(&format!("{words} {purpose}")).exits(code);
    }
}

#[test]
fn a_certificate_that_may_not_sign_now_is_refused_before_it_signs() {
    let lab = lab();
    for (name, code, words) in [
        ("expired", "expired", "expired 2021-01-01T00:00:00Z"),
        ("not-yet-valid", "not-yet-valid", "valid from 2090-01-01T00:00:00Z"),
        ("tls-purpose", "purpose", "not for purpose firmware"),
        ("no-purpose", "purpose", "not for purpose firmware"),
        ("ca-as-signer", "purpose", "it is a CA"),
        ("critical-in-signer", "critical-extension", "1.3.6.1.4.1.99999.7"),
    ] {
        lab.copy(&format!("chains/{name}.pem"), "chain.pem");
        for format in ["raw", "cms"] {
            let sign = format!("sign app.bin --as {format} --key signer.key --cert chain.pem -o out");
            lab.refuses(&sign, 1, words);
            assert_eq!(lab.bulla(&format!("{sign} --format json")).exits(1).json()["code"], code, "{name}");
        }
    }
}
