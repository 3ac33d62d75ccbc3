//! What tests of a CA over a longer time share: devices that enrol, what the CA says about them, and outside hands.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Lab, Run};

/// Changes the CA's records from outside, by Python's own SQLite. The triggers are taken away and put back, but not where
/// something is to stay away.
const OUTSIDE_HAND: &str = r#"
import sqlite3, sys
records = sqlite3.connect(sys.argv[1])
triggers = records.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
if "DROP " in sys.argv[2]:
    triggers = []
for name, _ in triggers:
    records.execute(f"DROP TRIGGER {name}")
records.executescript(sys.argv[2])
for _, sql in triggers:
    records.execute(sql)
records.commit()
assert not triggers or records.total_changes > 0, "nothing was changed"
"#;

impl Lab {
    /// A CA `acme` without passphrase, made with these flags too.
    #[track_caller]
    pub fn ca(flags: &str) -> Self {
        let lab = Self::new();
        lab.bulla(&format!("ca init acme --name Acme --no-passphrase {flags}")).ok();
        lab
    }

    /// A device `NAME.key`, `NAME.csr`, `NAME.pem` with an IDevID whose serial number is its name.
    #[track_caller]
    pub fn device(&self, name: &str) {
        self.bulla(&format!("keygen -o {name}.key")).ok();
        self.bulla(&format!("csr {name}.key --profile idevid --serial {name} -o {name}.csr")).ok();
        self.bulla(&format!("enroll {name}.csr --profile idevid --ca acme -o {name}.pem")).ok();
    }

    /// A firmware signer `NAME.key`, `NAME.pem`.
    #[track_caller]
    pub fn signer(&self, name: &str) {
        self.bulla(&format!("keygen -o {name}.key")).ok();
        self.bulla(&format!("enroll --key {name}.key --profile firmware --cn {name} --ca acme -o {name}.pem")).ok();
    }

    /// Runs `bulla` under JSON and returns its object.
    #[track_caller]
    pub fn told(&self, words: &str) -> Value {
        self.bulla(&format!("{words} --format json")).ok().json()
    }

    /// Runs `bulla` under JSON, asserts that it fails with this exit code and stable code, and that nothing but the
    /// records was touched.
    #[track_caller]
    pub fn fails_with(&self, words: &str, exit: i32, code: &str) {
        let before = self.tree();
        let error = self.bulla(&format!("{words} --format json")).exits(exit).json();
        assert_eq!(error["code"], code, "{words}: {error}");
        assert_eq!(before, self.tree(), "{words}");
    }

    /// The lines of `ca list` with these words.
    #[track_caller]
    pub fn list(&self, words: &str) -> Vec<Value> {
        let text = self.bulla(&format!("ca list {words} --format json")).ok().text();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// One field of every line of `ca list`.
    #[track_caller]
    pub fn listed(&self, words: &str, field: &str) -> Vec<String> {
        self.list(words).iter().map(|line| line[field].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Asserts that the audit record of every issuer of a CA holds, and returns the report.
    #[track_caller]
    pub fn holds(&self, ca: &str) -> Value {
        let told = self.told(&format!("ca audit {ca}"));
        assert_eq!(told["holds"], true, "{told}");
        told
    }

    /// Asserts that `ca audit` with these words says no, and returns the code of the first record that does not hold.
    #[track_caller]
    pub fn does_not_hold(&self, words: &str) -> String {
        let told = self.bulla(&format!("ca audit {words} --format json")).exits(3).json();
        assert_eq!(told["holds"], false, "{told}");
        let records = told["records"].as_array().expect("records");
        let bad = records.iter().find(|record| record["holds"] == false).expect("one that does not hold");
        bad["code"].as_str().expect("a code").to_owned()
    }

    /// Runs SQL statements on a CA's records, as somebody would who has the folder and not the key.
    #[track_caller]
    pub fn tamper(&self, ca: &str, statements: &str) {
        self.run("python3", ["-c", OUTSIDE_HAND, &format!("{ca}/ca.db"), statements]).ok();
    }

    /// Runs `bulla` at another time of day, as `+10y` or `2030-01-01 00:00:00`.
    pub fn at(&self, time: &str, words: &str) -> Run {
        let bulla = env!("CARGO_BIN_EXE_bulla");
        self.run("faketime", ["-f", time, bulla].into_iter().chain(words.split_whitespace()))
    }

    /// The serial number of a certificate, as openssl has it, in the form of our lists.
    #[track_caller]
    pub fn serial(&self, name: &str) -> String {
        let text = self.judge(&format!("openssl x509 -in {name} -noout -serial")).ok().text();
        let digits = text.trim().trim_start_matches("serial=").to_lowercase();
        digits.as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(":")
    }

    /// Lints files with pkilint, and returns its findings of warnings and errors, one `FILE SEVERITY CODE` a line.
    #[track_caller]
    pub fn pkilint(&self, mode: &str, files: &[&str]) -> Vec<String> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join("target/judges/pkilint/bin/python"));
        command.arg(root.join("tests/judges/lint.py")).arg(mode).args(files).current_dir(self.path(""));
        self.finish(command).ok().text().lines().map(str::to_owned).collect()
    }
}
