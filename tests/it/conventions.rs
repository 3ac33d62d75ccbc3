//! What holds for every command: modes, overwriting, streams, JSON, colour, reproducibility.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use crate::harness::{IMAGES, Lab, Run};

/// A CA, a firmware signer, a device and an image.
fn stage() -> Lab {
    let lab = Lab::with_ca();
    lab.write("app.bin", "firmware");
    for words in ["keygen -o dev.key", "keygen -o new.key", "csr dev.key --profile idevid --serial SN-1 -o dev.csr"] {
        lab.bulla(words).ok();
    }
    lab
}

impl Lab {
    fn mode(&self, name: &str) -> u32 {
        self.path(name).symlink_metadata().expect("metadata").mode() & 0o777
    }

    /// Runs `bulla` with a file as its standard input.
    fn bulla_fed(&self, words: &str, input: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
        let input = File::open(self.path(input)).expect("an input");
        command.args(words.split_whitespace()).current_dir(self.path("")).stdin(input);
        self.finish(command)
    }
}

#[test]
fn private_files_are_private_whatever_the_umask() {
    let lab = Lab::new();
    lab.shell("umask 0; $bulla ca init acme --name Acme --no-passphrase && $bulla keygen -o a.key").ok();
    lab.shell("umask 0; $bulla keygen -o a.key --force && $bulla csr a.key --profile ldevid --cn a -o a.csr").ok();
    for (name, mode) in [("a.key", 0o600), ("a.key.1.bak", 0o600)] {
        assert_eq!(lab.mode(name), mode, "{name}");
    }
    assert_eq!(crate::keeping::is_private(&lab.path("acme")).len(), 11);
    // What is not private is for everybody to read and for nobody else to write, and a umask takes from that.
    assert_eq!(lab.mode("a.csr"), 0o644);
    lab.shell("umask 077; $bulla csr a.key --profile ldevid --cn a -o b.csr").ok();
    assert_eq!(lab.mode("b.csr"), 0o600);
}

#[test]
fn force_on_a_key_keeps_every_old_key() {
    let lab = Lab::new();
    lab.bulla("keygen -o a.key").ok();
    let mut keys = vec![lab.read("a.key")];
    for _ in 0..3 {
        lab.bulla("keygen -o a.key --force").ok();
        keys.push(lab.read("a.key"));
    }
    for (number, key) in keys.iter().enumerate().take(3) {
        assert_eq!(lab.read(format!("a.key.{}.bak", number + 1)), *key);
    }
    assert_eq!(fs::read_dir(lab.path("")).expect("a folder").count(), 4, "and nothing else is left");
    keys.dedup();
    assert_eq!(keys.len(), 4, "each is another key");
}

#[test]
fn force_replaces_what_is_not_private_without_a_backup() {
    let lab = stage();
    lab.write("out", "old");
    let count = || fs::read_dir(lab.path("")).expect("a folder").count();
    let before = count();
    for words in [
        "csr dev.key --profile idevid --serial SN-1 -o out --force",
        "enroll dev.csr --profile idevid --ca acme -o out --force",
        "sign app.bin --as raw --key fw.key -o out --force",
        "keygen --public fw.key -o out --force",
    ] {
        lab.bulla(words).ok();
        assert_ne!(lab.read("out"), b"old");
        assert_eq!(count(), before, "{words}");
    }
}

#[test]
fn a_command_writes_its_product_to_a_file_and_nothing_to_standard_output() {
    let lab = stage();
    for words in [
        "ca init other --name Other --no-passphrase",
        "keygen -o a.key",
        "keygen --public a.key -o a.pub",
        "csr a.key --profile ldevid --cn a -o a.csr",
        "enroll a.csr --profile ldevid --ca acme -o a.pem",
        "sign app.bin --as raw --key fw.key -o a.sig",
        "sign app.bin --as cms --key fw.key --cert fw.pem -o a.p7s",
        "renew a.pem --key new.key --ca acme -o b.pem",
        "revoke a.pem --reason superseded --ca acme",
        "ca crl acme/device -o device.crl",
        "ca audit acme/device -o kept.jsonl",
        "ca backup acme -o copy",
        "ca renew-issuing acme/device --no-passphrase",
    ] {
        assert_eq!(lab.bulla(words).ok().text(), "", "{words}");
    }
    let run = lab.bulla("verify app.bin --as cms --signature a.p7s --trust acme/firmware/root.pem -o copy.bin").ok();
    assert!(run.text().starts_with("good  app.bin\n"), "the verdict is the product: {}", run.text());
    assert_eq!(run.stderr, "");
    assert_eq!(lab.read("copy.bin"), b"firmware");
}

#[test]
fn a_minus_sends_exactly_the_product_to_standard_output() {
    let lab = stage();
    lab.bulla("enroll dev.csr --profile idevid --ca acme -o dev.pem").ok();
    lab.bulla("sign app.bin --as raw --key fw.key -o app.sig").ok();
    lab.bulla("keygen --public dev.key -o dev.pub").ok();
    for (words, same) in [
        ("enroll dev.csr --profile idevid --ca acme -o -", "dev.pem"),
        ("sign app.bin --as raw --key fw.key -o -", "app.sig"),
        ("keygen --public dev.key -o -", "dev.pub"),
    ] {
        assert_eq!(lab.bulla(words).ok().stdout, lab.read(same), "{words}");
    }
    let key = lab.bulla("keygen -o -").ok();
    assert!(
        key.text().starts_with("-----BEGIN PRIVATE KEY-----\n") && key.text().ends_with("-----END PRIVATE KEY-----\n")
    );
    assert!(!lab.has("-"));
    lab.bulla("verify app.bin --as raw --signature app.sig --public-key dev.pub -o -").exits(2).says("go to a file");
}

#[test]
fn a_minus_reads_any_one_input_from_standard_input() {
    let lab = stage();
    lab.bulla("sign app.bin --as raw --key fw.key -o app.sig").ok();
    lab.bulla("sign app.bin --as cms --key fw.key --cert fw.pem -o app.p7s").ok();
    lab.bulla("keygen --public fw.key -o fw.pub").ok();
    lab.write("root.pem", lab.read("acme/firmware/root.pem"));
    for (words, input) in [
        ("csr - --profile idevid --serial SN-1 -o 1.out", "dev.key"),
        ("keygen --public - -o 2.out", "dev.key"),
        ("enroll - --profile idevid --ca acme -o 3.out", "dev.csr"),
        ("enroll --key - --profile ldevid --cn n --ca acme -o 4.out", "new.key"),
        ("sign - --as raw --key fw.key -o 5.out", "app.bin"),
        ("sign app.bin --as raw --key - -o 6.out", "fw.key"),
        ("sign app.bin --as cms --key fw.key --cert - -o 7.out", "fw.pem"),
        ("verify - --as raw --signature app.sig --public-key fw.pub", "app.bin"),
        ("verify app.bin --as raw --signature - --public-key fw.pub", "app.sig"),
        ("verify app.bin --as raw --signature app.sig --public-key -", "fw.pub"),
        ("verify app.bin --as cms --signature - --trust root.pem", "app.p7s"),
        ("verify app.bin --as cms --signature app.p7s --trust -", "root.pem"),
        ("inspect -", "fw.pem"),
    ] {
        lab.bulla_fed(words, input).ok();
    }
    assert_eq!(lab.read("5.out"), lab.read("app.sig"));
    assert_eq!(lab.read("6.out"), lab.read("app.sig"));
}

/// A file may be called so, and then has to be called `./-`.
#[test]
fn a_minus_is_standard_input_beside_a_file_of_that_name() {
    let lab = stage();
    lab.bulla("sign app.bin --as raw --key fw.key -o app.sig").ok();
    lab.bulla("keygen --public fw.key -o fw.pub").ok();
    lab.write("-", "another firmware");
    for (words, input) in
        [("inspect -", "fw.pem"), ("verify - --as raw --signature app.sig --public-key fw.pub", "app.bin")]
    {
        lab.bulla_fed(words, input).ok();
    }
    lab.bulla("verify ./- --as raw --signature app.sig --public-key fw.pub").exits(3);
}

#[test]
fn standard_input_is_read_once() {
    let lab = stage();
    for (words, input) in [
        ("sign - --as raw --key - -o out", "fw.key"),
        ("sign app.bin --as cms --cert - --key - -o out", "fw.pem"),
        ("verify - --as raw --signature - --cert fw.pem", "app.bin"),
    ] {
        lab.bulla_fed(words, input).exits(2).says("standard input");
    }
}

#[test]
fn every_success_under_json_is_one_object_with_a_schema() {
    let lab = stage();
    for (words, schema) in [
        ("ca init other --name Other --no-passphrase", "bulla.ca-init/1"),
        ("keygen -o a.key", "bulla.keygen/1"),
        ("keygen --public a.key -o a.pub", "bulla.keygen/1"),
        ("csr a.key --profile ldevid --cn a -o a.csr", "bulla.csr/1"),
        ("enroll a.csr --profile ldevid --ca acme -o a.pem", "bulla.enroll/1"),
        ("sign app.bin --as raw --key fw.key -o a.sig", "bulla.sign/1"),
        ("sign app.bin --as cms --key fw.key --cert fw.pem -o a.p7s", "bulla.sign/1"),
        ("verify app.bin --as cms --signature a.p7s --trust acme/firmware/root.pem", "bulla.verify/1"),
        ("inspect a.pem", "bulla.inspect/1"),
        ("renew a.pem --key new.key --ca acme -o b.pem", "bulla.renew/1"),
        ("revoke a.pem --reason superseded --ca acme", "bulla.revoke/1"),
        ("ca crl acme/device -o device.crl", "bulla.ca-crl/1"),
        ("ca list acme --limit 1", "bulla.ca-list/1"),
        ("ca token new acme --device SN-7 --profile idevid", "bulla.ca-token/1"),
        ("ca token new acme --device SN-8 --profile idevid -o token", "bulla.ca-token/1"),
        ("ca audit acme", "bulla.ca-audit/1"),
        ("ca audit acme/device -o kept.jsonl", "bulla.ca-audit/1"),
        ("ca backup acme -o copy", "bulla.ca-backup/1"),
        ("ca renew-issuing acme/device --no-passphrase", "bulla.ca-renew-issuing/1"),
        ("profile list", "bulla.profile-list/1"),
        ("profile show idevid", "bulla.profile/1"),
        ("profile example", "bulla.profile/1"),
        ("profile lint a.pem", "bulla.profile-lint/1"),
    ] {
        let run = lab.bulla(&format!("{words} --format json")).ok();
        assert_eq!(run.json()["schema"], schema, "{words}");
        assert_eq!(run.text(), format!("{}\n", run.json()), "one line, keys sorted");
        assert_eq!(run.stderr, "", "{words}");
    }
}

#[test]
fn every_failure_under_json_is_one_object_with_a_code() {
    let lab = stage();
    lab.bulla("sign app.bin --as raw --key fw.key -o app.sig").ok();
    lab.bulla("keygen --passphrase-from file:app.bin -o locked.key").ok();
    for (words, exit, code) in [
        ("csr no.key --profile idevid --serial 1 -o out", 1, "cannot-read"),
        ("csr dev.csr --profile idevid --serial 1 -o out", 1, "wrong-type"),
        ("keygen -o dev.key", 1, "exists"),
        ("keygen -o acme", 1, "not-a-regular-file"),
        ("keygen -o no/such/out", 1, "cannot-write"),
        ("csr dev.key --profile idevid -o out", 1, "profile"),
        ("csr dev.key --profile odd -o out", 2, "unknown-profile"),
        ("csr dev.key --profile matter-dac --cn x -o out", 1, "profile-variable"),
        ("csr dev.key --profile ./app.bin -o out", 1, "profile-file"),
        ("profile show odd", 2, "unknown-profile"),
        ("csr dev.key --profile tls-server --dns a..b -o out", 1, "value"),
        ("enroll dev.csr --profile idevid --ca nothing -o out", 1, "not-a-ca"),
        ("enroll dev.csr --profile idevid --ca acme/firmware -o out", 1, "profile-not-served"),
        ("sign app.bin --as raw --key dev.key --cert fw.pem -o out", 1, "certificate-mismatch"),
        ("sign app.bin --as raw --key locked.key -o out", 4, "credential"),
        ("sign app.bin --as raw --key locked.key --passphrase-from file:dev.csr -o out", 4, "credential"),
        ("keygen --passphrase-from env:BULLA_TEST_UNSET -o out", 4, "credential"),
        ("keygen -o - ", 2, "usage"),
        ("keygen", 2, "usage"),
        ("keygen --type dsa -o out", 2, "usage"),
        ("sign app.bin --as cms --key fw.key -o out", 2, "usage"),
        ("nonsense", 2, "usage"),
        ("ca", 2, "usage"),
        ("ca init - --name Other --no-passphrase", 2, "usage"),
        ("ca audit acme/device -o -", 2, "usage"),
        ("ca token new acme --device SN-7 --profile idevid -o -", 2, "usage"),
        ("ca token new acme --device SN-7 --profile device-root", 1, "profile-not-served"),
        ("ca token new acme --device CN=SN-7 --profile idevid", 1, "profile"),
        ("ca token new acme --device SN-7 --profile idevid -o dev.key", 1, "exists"),
        ("ca token revoke acme 00000000", 1, "no-such-token"),
        ("ca token revoke acme 7", 2, "usage"),
        ("ca approve acme 7", 1, "no-such-request"),
        ("ca approve acme --identity SN-7", 1, "no-such-request"),
        ("ca approve acme", 2, "usage"),
        ("ca crl acme/device -o -", 2, "usage"),
    ] {
        for words in [format!("{words} --format json"), format!("--format=json {words}")] {
            let before = lab.tree();
            let run = lab.bulla(&words).exits(exit);
            let error = run.json();
            assert_eq!(error["schema"], "bulla.error/1", "{words}");
            assert_eq!(error["code"], code, "{words}: {error}");
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
            assert!(error["hint"].is_string() || error["hint"].is_null(), "{error}");
            assert_eq!(error["retryable"], false, "{error}");
            assert_eq!(run.stderr, "", "{words}");
            assert_eq!(before, lab.tree(), "{words}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_code_2_in_three_lines() {
    let lab = stage();
    for words in [
        "",
        "ca",
        "nonsense",
        "keygen",
        "keygen -o out extra",
        "keygen -o out --no-such-flag",
        "keygen -o out --type dsa",
        "keygen -o out --kdf scrypt",
        "keygen --public -o out",
        "keygen -o out --passphrase-from secret",
        "keygen -o out --passphrase-from env:",
        "csr dev.key -o out",
        "csr dev.key --profile idevid --set x -o out",
        "profile",
        "enroll --profile idevid --ca acme -o out",
        "enroll dev.csr --key dev.key --profile idevid --ca acme -o out",
        "enroll dev.csr --profile idevid --cn other --ca acme -o out",
        "enroll dev.csr --profile idevid --ca acme --valid-for 0d -o out",
        "enroll dev.csr --profile idevid --ca acme --valid-for 5 -o out",
        "enroll dev.csr --profile idevid --ca acme --passphrase-from env:X -o out",
        "ca init other --name Other --no-passphrase --ca-passphrase-from env:X",
        "sign app.bin --key fw.key -o out",
        "sign app.bin --as p7 --key fw.key -o out",
        "sign app.bin --as cms --key fw.key -o out",
        "sign app.bin --as raw --key fw.key --rsa pss -o out",
        "sign app.bin --as cms --key fw.key --cert fw.pem --ecdsa p1363 -o out",
        "sign app.bin --as raw --key fw.key --purpose any -o out",
        "verify app.bin --as raw",
        "verify app.bin --as raw --signature app.bin",
        "verify app.bin --as raw --signature app.bin --trust acme/firmware/root.pem",
        "verify app.bin --as raw --public-key dev.csr --at 2026-01-01T00:00:00Z",
        "verify app.bin --as cms --trust acme/firmware/root.pem --at yesterday",
        "verify app.bin --as cms --trust acme/firmware/root.pem --force",
        "man nonsense",
        "completions tcsh",
        "inspect",
        "keygen -o out --format yaml",
        "keygen -o out --color maybe",
    ] {
        let run = lab.refuses(words, 2, "");
        let first = run.stderr.lines().next().unwrap_or_default().trim_start_matches("bulla: error: ");
        assert!(!first.is_empty() && !first.ends_with('.'), "{words}: {first}");
        let first = first.chars().next().unwrap_or_default();
        assert!(!first.is_uppercase() || words.contains("SOURCE"), "{words}: {}", run.stderr);
    }
}

/// A key or a certificate that is trusted as it is has no chain: what is asked of one would be asked of nothing.
#[test]
fn what_is_asked_of_a_chain_is_refused_where_there_is_none() {
    let lab = Lab::new();
    for flag in [
        "--max-path-length 1",
        "--crl a.crl",
        "--revocation require",
        "--policy 1.2.3",
        "--require-explicit-policy",
        "--inhibit-policy-mapping",
        "--inhibit-any-policy",
    ] {
        let words = "verify app.bin --as raw --signature app.sig";
        let name = flag.split(' ').next().unwrap_or_default();
        lab.refuses(&format!("{words} --public-key fw.pub {flag}"), 2, name);
        lab.refuses(&format!("{words} --cert fw.pem {flag}"), 2, "--trust");
    }
}

#[test]
fn a_wrong_command_line_names_the_help_of_its_command() {
    let lab = Lab::new();
    for (words, command) in [
        ("keygen", "keygen"),
        ("ca init --no-passphrase", "ca init"),
        ("imgtool sign in out", "imgtool sign"),
        ("imgtool create in out", "imgtool sign"),
        ("espsecure sign-data in", "espsecure sign-data"),
    ] {
        lab.refuses(words, 2, &format!("\nhint: see bulla {command} --help\n"));
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let lab = stage();
    for (name, flags) in [("raw", "--as raw"), ("cms", "--as cms --cert fw.pem")] {
        let sign = |out: &str| {
            let words = format!("sign app.bin {flags} --key fw.key -o {out}");
            let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
            command.args(words.split_whitespace()).current_dir(lab.path(""));
            // Within the signer's validity, which began a moment ago.
            command.env("SOURCE_DATE_EPOCH", "2000000000");
            lab.finish(command).ok();
        };
        sign(&format!("1.{name}"));
        sign(&format!("2.{name}"));
        assert_eq!(lab.read(format!("1.{name}")), lab.read(format!("2.{name}")), "{name}");
    }
}

/// Streams, overwriting, JSON and reproducibility of the images that hold their signatures.
#[test]
fn every_image_keeps_to_the_conventions() {
    let lab = Lab::with_images();
    // Within the signer's validity, which began a moment ago.
    let epoch = "SOURCE_DATE_EPOCH=2000000000 $bulla";
    for (format, input, flags, product, kind) in IMAGES {
        let sign = format!("sign {input} --as {format} --key fw.key {flags}");
        let trust = if flags.contains("--cert") { "--trust root.pem" } else { "--public-key fw.pub" };
        let verify = format!("--as {format} {trust}");
        // The same bytes, into a file and into a pipe, from a file or folder, or from the signed image itself.
        lab.shell(&format!("{epoch} {sign} -o 1 && {epoch} {sign} -o - >2")).ok();
        lab.shell(&format!("cat {product} | {epoch} {} --replace -o - >3", sign_again(&sign, input))).ok();
        assert_eq!(lab.read("1"), lab.read("2"), "{format}");
        assert_eq!(lab.read("1"), lab.read("3"), "{format}");
        // What stands there is not written over unless that is said.
        let before = lab.tree();
        lab.refuses(&format!("{sign} -o {product}"), 1, "exists and is not overwritten");
        assert_eq!(before, lab.tree(), "{format}");
        let run = lab.bulla(&format!("{sign} -o 1 --force --format json")).ok();
        assert_eq!((run.json()["schema"].as_str(), run.stderr.as_str()), (Some("bulla.sign/1"), ""), "{format}");
        assert_eq!((&run.json()["output"], &run.json()["file"]), (&"1".into(), &input.into()), "{format}");
        // Verified and described from a pipe as from a file; verified bytes are those that were read.
        let run = lab.bulla(&format!("verify {product} {verify} -o copy --force --format json")).ok();
        assert_eq!((run.json()["schema"].as_str(), run.stderr.as_str()), (Some("bulla.verify/1"), ""), "{format}");
        assert_eq!(lab.read("copy"), lab.read(product), "{format}");
        let piped = lab.shell(&format!("cat {product} | $bulla verify - {verify} -o copy --force --format json")).ok();
        assert_eq!(piped.json()["file"], "-");
        assert_eq!(piped.json()["spki_sha256"], run.json()["spki_sha256"]);
        assert_eq!(lab.read("copy"), lab.read(product), "{format}");
        for run in [lab.bulla(&format!("inspect {product}")), lab.shell(&format!("cat {product} | $bulla inspect -"))] {
            assert!(run.ok().text().starts_with(&format!("{kind}\n")), "{format}");
        }
        // Nothing is left of a product that could not be written.
        let before = lab.tree();
        lab.shell(&format!("$bulla {sign} -o - >/dev/full")).exits(1).says("No space left on device");
        lab.shell(&format!("ulimit -f 1; trap '' XFSZ; $bulla {sign} -o out")).exits(1).says("File too large");
        assert_eq!(before, lab.tree(), "{format}");
        lab.shell("rm 1 2 3 copy").ok();
    }
}

/// The words that sign a signed image from standard input, of which all that is about its content is gone.
fn sign_again(sign: &str, input: &str) -> String {
    sign.replace(&format!("sign {input}"), "sign -").replace("--version 1.2.3 --pad-header", "")
}

/// Larger than what `inspect` reads at once, and none of it can be read twice.
#[test]
fn a_large_image_goes_through_pipes() {
    let lab = Lab::new();
    lab.bulla("keygen -o fw.key").ok();
    lab.shell("truncate -s 65M app.bin").ok();
    lab.bulla("sign app.bin --as mcuboot --version 1 --pad-header --key fw.key -o app.img").ok();
    let run = lab.shell("cat app.img | $bulla inspect -").ok();
    assert_eq!(run.stdout, lab.bulla("inspect app.img").ok().stdout);
    lab.shell("cat app.bin | $bulla inspect -").exits(1).says("is larger than 64 MiB");
    // A product that nobody takes is not made, which its pipe does not say by itself.
    let sign = "sign app.bin --as mcuboot --version 1 --pad-header --key fw.key -o -";
    lab.shell(&format!("$bulla {sign} | head -c 1 >start; exit ${{PIPESTATUS[0]}}")).exits(1).says("Broken pipe");
}

#[test]
fn the_tools_that_bulla_stands_in_for_report_as_all_commands_do() {
    let lab = Lab::with_images();
    lab.bulla("keygen --type rsa3072 -o rsa.key").ok();
    for (words, schema) in [
        ("imgtool sign -k fw.key -v 1 -H 32 --pad-header -S 0x8000 app.bin out.img", "bulla.sign/1"),
        ("imgtool verify -k fw.pub out.img", "bulla.verify/1"),
        ("imgtool version", "bulla.imgtool.version/1"),
        ("espsecure sign-data --version 2 -k rsa.key -o out.esp app.bin", "bulla.sign/1"),
        ("espsecure verify-signature --version 2 -k rsa.key out.esp", "bulla.verify/1"),
    ] {
        let run = lab.bulla(&format!("{words} --format json")).ok();
        assert_eq!(run.json()["schema"], schema, "{words}: {}", run.text());
        assert_eq!(run.text(), format!("{}\n", run.json()), "one line, keys sorted");
        assert_eq!(run.stderr, "", "{words}");
    }
    for (words, exit, code) in [
        ("imgtool sign -k no.key -v 1 -H 32 --pad-header -S 0x8000 app.bin out", 1, "cannot-read"),
        ("imgtool sign -k fw.key -v 1 -H 32 --pad-header -S 0x1000 app.bin out", 1, "no-room"),
        ("imgtool sign -k fw.key -v x -H 32 --pad-header -S 0x8000 app.bin out", 2, "usage"),
        ("imgtool verify -k app.bin app.img", 1, "wrong-type"),
        ("espsecure sign-data --version 2 -k no.key -o out app.bin", 1, "cannot-read"),
        ("espsecure verify-signature --version 2 -k app.bin app.esp", 1, "wrong-type"),
    ] {
        let before = lab.tree();
        let run = lab.bulla(&format!("{words} --format json")).exits(exit);
        assert_eq!((&run.json()["schema"], &run.json()["code"]), (&"bulla.error/1".into(), &code.into()), "{words}");
        assert_eq!(run.stderr, "", "{words}");
        assert_eq!(before, lab.tree(), "{words}");
    }
}

#[test]
fn a_signing_time_outside_the_certificate_is_refused() {
    let lab = stage();
    for (epoch, message) in [
        ("0", "SOURCE_DATE_EPOCH is 1970-01-01T00:00:00Z, and the signer's certificate is valid from"),
        ("32503680000", "SOURCE_DATE_EPOCH is 3000-01-01T00:00:00Z"),
        ("soon", "SOURCE_DATE_EPOCH is not a number of Unix seconds"),
        ("", "SOURCE_DATE_EPOCH is not a number of Unix seconds"),
        ("99999999999999999999", "SOURCE_DATE_EPOCH is not a number of Unix seconds"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
        let words = "sign app.bin --as cms --key fw.key --cert fw.pem -o out";
        command.args(words.split_whitespace()).current_dir(lab.path("")).env("SOURCE_DATE_EPOCH", epoch);
        lab.finish(command).exits(2).says(message);
        assert!(!lab.has("out"));
    }
}

#[test]
fn colour_follows_the_flag_then_the_environment() {
    let lab = Lab::new();
    for (script, coloured) in [
        ("$bulla keygen -o no/such", false),
        ("$bulla keygen -o no/such --color always", true),
        ("$bulla keygen -o no/such --color never", false),
        ("CLICOLOR_FORCE=1 $bulla keygen -o no/such", true),
        ("NO_COLOR=1 CLICOLOR_FORCE=1 $bulla keygen -o no/such --color never", false),
        ("NO_COLOR=1 $bulla keygen -o no/such", false),
    ] {
        let run = lab.shell(&format!("unset NO_COLOR CLICOLOR_FORCE; {script}")).exits(1);
        assert_eq!(run.stderr.contains('\x1b'), coloured, "{script}: {:?}", run.stderr);
    }
}

#[test]
fn a_reader_that_leaves_early_causes_no_panic() {
    let lab = stage();
    for words in ["--help", "man", "completions zsh", "inspect fw.pem", "inspect fw.pem --format json"] {
        for closed in ["| true", ">&-", "2>&- >/dev/full", "2>/dev/full"] {
            let run = lab.shell(&format!("$bulla {words} {closed}; code=${{PIPESTATUS[0]}}; exit $code"));
            assert!(matches!(run.code, Some(0 | 1)), "{words} {closed}: {:?} {}", run.code, run.stderr);
            assert!(!run.stderr.contains("panicked"), "{words} {closed}: {}", run.stderr);
        }
    }
}

#[test]
fn no_home_and_no_folder_for_temporary_files_is_needed() {
    let lab = Lab::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
    command.args(["keygen", "-o", "a.key"]).current_dir(lab.path("")).stdin(Stdio::null());
    command.env_clear().env("HOME", "/nonexistent").env("TMPDIR", "/nonexistent");
    lab.finish(command).ok();
}
