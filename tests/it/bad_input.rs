//! Bad input: every command fails with its code, three lines at most, and nothing written.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::harness::{Lab, Run};

/// Commands that read a file `IN`, by what it must be.
const KEY_READERS: [&str; 4] = [
    "csr IN --profile idevid --serial SN-2 -o out",
    "keygen --public IN -o out",
    "enroll --key IN --profile ldevid --cn other --ca acme -o out",
    "sign app.bin --as raw --key IN -o out",
];
const CERTIFICATE_READERS: [&str; 3] = [
    "sign app.bin --as cms --key fw.key --cert IN -o out",
    "verify app.bin --as raw --signature app.sig --cert IN -o out",
    "verify app.bin --as cms --signature app.p7s --trust IN -o out",
];
/// Certificates that are evidence, not trust: what cannot be read as one is a bad verdict.
const CHAIN_READERS: [&str; 2] = [
    "verify app.bin --as cms --signature app.p7s --trust root.pem --untrusted IN -o out",
    "verify app.bin --as raw --signature app.sig --trust root.pem --cert IN -o out",
];
const REQUEST_READERS: [&str; 1] = ["enroll IN --profile idevid --ca acme -o out"];
const PUBLIC_KEY_READERS: [&str; 1] = ["verify app.bin --as raw --signature app.sig --public-key IN -o out"];
const SIGNATURE_READERS: [&str; 3] = [
    "verify app.bin --as raw --signature IN --public-key fw.pub -o out",
    "verify app.bin --as cms --signature IN --trust root.pem -o out",
    "verify IN --as cms --trust root.pem -o out",
];
const IMAGE_READERS: [&str; 4] = [
    "sign IN --as raw --key fw.key -o out",
    "sign IN --as cms --key fw.key --cert fw.pem -o out",
    "verify IN --as raw --signature app.sig --public-key fw.pub -o out",
    "verify IN --as cms --signature app.p7s --trust root.pem -o out",
];
const ANYTHING_READERS: [&str; 1] = ["inspect IN"];

/// Commands that write `OUT`.
const WRITERS: [&str; 7] = [
    "keygen -o OUT",
    "keygen --public fw.key -o OUT",
    "csr dev.key --profile idevid --serial SN-1 -o OUT",
    "enroll dev.csr --profile idevid --ca acme -o OUT",
    "sign app.bin --as raw --key fw.key -o OUT",
    "sign app.bin --as cms --key fw.key --cert fw.pem -o OUT",
    "verify app.bin --as cms --signature app.p7s --trust root.pem -o OUT",
];

fn every_reader() -> impl Iterator<Item = &'static str> {
    [
        &KEY_READERS[..],
        &CERTIFICATE_READERS,
        &CHAIN_READERS,
        &REQUEST_READERS,
        &PUBLIC_KEY_READERS,
        &SIGNATURE_READERS,
        &IMAGE_READERS,
        &ANYTHING_READERS,
    ]
    .concat()
    .into_iter()
}

/// A lab with a good input of every kind.
fn stage() -> Lab {
    let lab = Lab::with_ca();
    lab.write("app.bin", b"firmware\n".repeat(1000));
    lab.write("root.pem", lab.read("acme/firmware/root.pem"));
    lab.write("pass", "correct horse\n");
    lab.copy("revoked.crl", "ca.crl");
    for words in [
        "keygen -o dev.key",
        "keygen --public fw.key -o fw.pub",
        "keygen --passphrase-from file:pass -o locked.key",
        "csr dev.key --profile idevid --serial SN-1 -o dev.csr",
        "enroll dev.csr --profile idevid --ca acme -o dev.pem",
        "sign app.bin --as raw --key fw.key -o app.sig",
        "sign app.bin --as cms --key fw.key --cert fw.pem -o app.p7s",
    ] {
        lab.bulla(words).ok();
    }
    lab
}

impl Lab {
    /// Asserts a bad verdict: exit code 3, the reason's code, nothing on standard error, no file made or changed.
    #[track_caller]
    fn condemns(&self, words: &str, code: &str) {
        let before = self.tree();
        let run = self.bulla(&format!("{words} --format json")).exits(3);
        assert_eq!(run.json()["verdict"], "bad");
        assert_eq!(run.json()["code"], code, "{}", run.text());
        assert_eq!(run.stderr, "");
        let run = self.bulla(words).exits(3);
        assert!(run.text().starts_with("bad   ") && run.text().ends_with(&format!("({code})\n")), "{}", run.text());
        assert_eq!(run.stderr, "");
        assert_eq!(before, self.tree(), "files made or changed by {words}");
    }

    /// Runs `bulla` as a user whom file modes bind. Root is bound by none, and becomes nobody.
    fn bulla_unprivileged(&self, words: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
        if rustix::process::geteuid().is_root() {
            // The build may be in a folder that nobody may enter. Copied by another process: a file that this one has open
            // for writing when a sibling test forks cannot be run.
            let copy = self.path("bulla-for-nobody");
            if !copy.exists() {
                self.run("cp", [env!("CARGO_BIN_EXE_bulla").as_ref(), copy.as_os_str()]).ok();
            }
            command = Command::new(copy);
            command.uid(65534).gid(65534);
        }
        command.args(words.split_whitespace()).current_dir(self.path("")).stdin(std::process::Stdio::null());
        self.finish(command)
    }

    fn set_mode(&self, name: &str, mode: u32) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(self.path(name), mode).expect("a mode");
    }
}

/// The PEM blocks of a file.
fn certificates(lab: &Lab, name: &str) -> Vec<String> {
    let text = String::from_utf8(lab.read(name)).expect("PEM");
    text.split_inclusive("-----END CERTIFICATE-----\n").map(str::to_owned).collect()
}

#[test]
fn a_missing_input_is_named_with_its_role() {
    let lab = stage();
    for words in every_reader() {
        lab.refuses(&words.replace("IN", "nothing"), 1, "nothing: No such file or directory");
    }
    lab.refuses(
        "sign app.bin --as raw --key no.key -o out",
        1,
        "bulla: error: cannot read private key no.key: No such",
    );
    lab.refuses("sign no.bin --as raw --key fw.key -o out", 1, "bulla: error: cannot read image no.bin: No such");
}

#[test]
fn a_folder_in_place_of_an_input_is_refused() {
    let lab = stage();
    for words in every_reader() {
        lab.refuses(&words.replace("IN", "acme"), 1, "acme: Is a directory");
    }
}

#[test]
fn an_input_that_may_not_be_read_is_refused() {
    let lab = stage();
    lab.set_mode("", 0o777);
    lab.set_mode("dev.key", 0o000);
    for name in ["fw.key", "fw.pem", "fw.pub", "app.bin", "app.sig", "app.p7s", "root.pem"] {
        lab.set_mode(name, 0o644);
    }
    for words in every_reader().filter(|words| !words.contains("--ca acme")) {
        lab.bulla_unprivileged(&words.replace("IN", "dev.key")).exits(1).says("dev.key: Permission denied");
        assert!(!lab.has("out"));
    }
}

#[test]
fn a_file_of_the_wrong_type_is_called_what_it_is() {
    let lab = stage();
    lab.write("hello.txt", "hello\n");
    lab.write("junk", [0xff; 64]);
    lab.write("empty", "");
    lab.write("spaces", "\n\n");
    let found = [
        ("dev.key", "a private key"),
        ("locked.key", "an encrypted private key"),
        ("fw.pub", "a public key"),
        ("dev.csr", "a certificate request"),
        ("root.pem", "a certificate"),
        ("ca.crl", "a certificate revocation list"),
        ("app.p7s", "a CMS message"),
        ("hello.txt", "text without a PEM block"),
        ("junk", "data of no known type"),
        ("empty", "empty"),
        ("spaces", "empty"),
    ];
    let readers: [(&[&str], &str, &[&str]); 4] = [
        (&KEY_READERS, "a private key", &["dev.key", "locked.key"]),
        (&CERTIFICATE_READERS, "a certificate", &["root.pem"]),
        (&REQUEST_READERS, "a certificate request", &["dev.csr"]),
        (&PUBLIC_KEY_READERS, "a public key", &["fw.pub"]),
    ];
    for (commands, wanted, fitting) in readers {
        for words in commands {
            for (file, noun) in found.iter().filter(|(file, _)| !fitting.contains(file)) {
                let message = format!("bulla: error: {file} is {noun}, not {wanted}");
                lab.refuses(&words.replace("IN", file), 1, &message);
            }
        }
    }
    let evidence: [(&[&str], &str, &str); 2] =
        [(&CHAIN_READERS, "a certificate", "root.pem"), (&SIGNATURE_READERS[1..2], "a CMS message", "app.p7s")];
    for (commands, wanted, fitting) in evidence {
        for words in commands {
            for (file, noun) in found.iter().filter(|(file, _)| *file != fitting) {
                let words = words.replace("IN", file);
                lab.condemns(&words, "malformed");
                let verdict = lab.bulla(&words).text();
                assert!(verdict.contains(&format!("{file} is {noun}, not {wanted}")), "{verdict}");
            }
        }
    }
}

#[test]
fn a_chain_in_the_wrong_order_is_refused() {
    let lab = stage();
    let mut reversed = certificates(&lab, "fw.pem");
    reversed.reverse();
    lab.write("reversed.pem", reversed.concat());
    lab.refuses("sign app.bin --as cms --key fw.key --cert reversed.pem -o out", 1, "the certificates are not a chain");
}

#[test]
fn damaged_pem_is_refused_wherever_it_is_read() {
    let lab = stage();
    let whole = lab.read("root.pem");
    for (name, bytes) in [("cut.pem", &whole[..whole.len() / 2]), ("no-end.pem", &whole[..whole.len() - 20])] {
        lab.write(name, bytes);
        for words in CERTIFICATE_READERS {
            lab.refuses(&words.replace("IN", name), 1, "not a certificate");
        }
        for words in CHAIN_READERS {
            lab.condemns(&words.replace("IN", name), "malformed");
        }
    }
}

#[test]
fn a_zero_byte_image_is_neither_signed_nor_verified() {
    let lab = stage();
    lab.write("empty", "");
    for words in IMAGE_READERS {
        let words = words.replace("IN", "empty");
        match words.starts_with("sign") {
            true => drop(lab.refuses(&words, 1, "bulla: error: image empty is empty")),
            false => lab.condemns(&words, "empty"),
        }
    }
}

#[test]
fn a_signature_that_is_empty_cut_or_followed_by_bytes_is_bad() {
    let lab = stage();
    for key in ["ed25519", "rsa2048", "p384"] {
        lab.bulla(&format!("keygen --type {key} -o {key}.key")).ok();
        lab.bulla(&format!("keygen --public {key}.key -o {key}.pub")).ok();
        lab.bulla(&format!("sign app.bin --as raw --key {key}.key -o {key}.sig")).ok();
    }
    lab.bulla("sign app.bin --as raw --ecdsa p1363 --key fw.key -o p1363.sig").ok();
    for (signature, flags) in [
        ("app.sig", "--public-key fw.pub"),
        ("p1363.sig", "--public-key fw.pub --ecdsa p1363"),
        ("ed25519.sig", "--public-key ed25519.pub"),
        ("rsa2048.sig", "--public-key rsa2048.pub"),
        ("p384.sig", "--public-key p384.pub"),
    ] {
        let words = format!("verify app.bin --as raw --signature out.sig {flags} -o out");
        let whole = lab.read(signature);
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            lab.write("out.sig", &whole[..length]);
            lab.condemns(&words, "signature");
        }
        for tail in [&b"\0"[..], b"\n", &whole] {
            lab.write("out.sig", [&whole, tail].concat());
            lab.condemns(&words, "signature");
        }
    }
}

#[test]
fn a_cms_message_that_is_empty_cut_or_followed_by_bytes_is_bad() {
    let lab = stage();
    let words = "verify app.bin --as cms --signature out.p7s --trust root.pem -o out";
    let whole = lab.read("app.p7s");
    lab.write("out.p7s", &whole);
    lab.bulla("verify app.bin --as cms --signature out.p7s --trust root.pem").ok();
    for length in (0..whole.len()).step_by(101).chain([whole.len() - 1]) {
        lab.write("out.p7s", &whole[..length]);
        lab.condemns(words, "malformed");
    }
    for tail in [&b"\0"[..], b"\n", &whole] {
        lab.write("out.p7s", [&whole, tail].concat());
        lab.condemns(words, "malformed");
    }
}

#[test]
fn a_bad_verdict_stays_bad_when_nobody_reads_it() {
    let lab = stage();
    lab.write("other.bin", "other");
    for format in ["text", "json"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let words = "verify other.bin --as raw --signature app.sig --public-key fw.pub --format";
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
        command.args(words.split_whitespace()).arg(format).current_dir(lab.path("")).stdout(writer);
        assert_eq!(command.status().expect("bulla").code(), Some(3), "{format}");
    }
}

#[test]
fn an_image_too_large_for_ed25519_is_sent_to_cms() {
    let lab = Lab::new();
    lab.bulla("keygen --type ed25519 -o ed.key").ok();
    lab.bulla("keygen --public ed.key -o ed.pub").ok();
    let image = fs::File::create(lab.path("large.bin")).expect("a file");
    image.set_len(64 << 20).expect("a sparse file");
    lab.bulla("sign large.bin --as raw --key ed.key -o large.sig").ok();
    lab.bulla("verify large.bin --as raw --signature large.sig --public-key ed.pub").ok();
    image.set_len((64 << 20) + 1).expect("a sparse file");
    let hint = "hint: use --as cms";
    let run = lab.refuses("sign large.bin --as raw --key ed.key -o out", 1, hint);
    assert!(run.stderr.contains("image large.bin is larger than 64 MiB"), "{}", run.stderr);
    lab.bulla("verify large.bin --as raw --signature large.sig --public-key ed.pub").fails();
}

#[test]
fn a_document_of_more_than_64_mib_is_refused() {
    let lab = stage();
    fs::File::create(lab.path("large")).and_then(|file| file.set_len((64 << 20) + 1)).expect("a sparse file");
    lab.refuses("sign app.bin --as raw --key large -o out", 1, "private key large is larger than 64 MiB");
    lab.refuses("verify app.bin --as cms --signature app.p7s --trust large", 1, "large is larger than 64 MiB");
}

#[test]
fn a_certificate_for_another_key_does_not_sign() {
    let lab = stage();
    for format in ["raw", "cms"] {
        let words = format!("sign app.bin --as {format} --key dev.key --cert fw.pem -o out");
        lab.refuses(&words, 1, "the certificate is for another key");
    }
}

#[test]
fn devices_do_not_vouch_for_firmware() {
    let lab = stage();
    lab.bulla("sign app.bin --as raw --key dev.key -o dev.sig").ok();
    let device = "verify app.bin --as raw --signature dev.sig --cert dev.pem --trust";
    lab.condemns(&format!("{device} acme/firmware/root.pem"), "purpose");
    lab.condemns(&format!("{device} acme/device/root.pem"), "purpose");
    lab.condemns(&format!("{device} acme/firmware/root.pem --purpose any"), "untrusted");
    lab.condemns("verify app.bin --as cms --signature app.p7s --trust acme/device/root.pem", "untrusted");
    // A certificate that is no CA is nobody's anchor, its own included.
    lab.write("leaf.pem", &certificates(&lab, "dev.pem")[0]);
    lab.condemns(&format!("{device} leaf.pem --purpose any"), "untrusted");
}

#[test]
fn an_output_that_exists_is_kept() {
    let lab = stage();
    lab.write("taken", "precious");
    for words in WRITERS {
        let run = lab.refuses(&words.replace("OUT", "taken"), 1, "bulla: error: taken exists and is not overwritten");
        assert!(run.stderr.contains("hint: choose another name, or add --force"), "{}", run.stderr);
    }
    lab.refuses("ca init taken --name Acme --no-passphrase", 1, "taken exists");
    lab.refuses("ca init acme --name Acme --no-passphrase", 1, "acme exists");
}

#[test]
fn an_output_that_is_no_regular_file_is_refused_even_with_force() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let lab = stage();
    lab.write("victim", "precious");
    fs::create_dir(lab.path("folder")).expect("a folder");
    std::os::unix::fs::symlink("victim", lab.path("link")).expect("a link");
    std::os::unix::fs::symlink("nowhere", lab.path("dangling")).expect("a link");
    mknodat(CWD, lab.path("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
    let _socket = std::os::unix::net::UnixListener::bind(lab.path("socket")).expect("a socket");
    for (target, noun) in [
        ("folder", "a folder"),
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("fifo", "a FIFO"),
        ("socket", "a socket"),
        ("/dev/full", "a device"),
        ("/dev/null", "a device"),
    ] {
        for words in WRITERS {
            let words = words.replace("OUT", target);
            lab.refuses(&words, 1, &format!("bulla: error: {target} is {noun}"));
            lab.refuses(&format!("{words} --force"), 1, &format!("bulla: error: {target} is {noun}"));
        }
    }
}

#[test]
fn an_output_without_its_folder_is_refused() {
    let lab = stage();
    fs::create_dir(lab.path("folder")).expect("a folder");
    for words in WRITERS {
        lab.refuses(&words.replace("OUT", "no/such/out"), 1, "cannot write no/such/out: No such file or directory");
        lab.refuses(&words.replace("OUT", "app.bin/out"), 1, "cannot write app.bin/out: Not a directory");
        lab.refuses(&words.replace("OUT", "new/"), 1, "cannot write new/: Is a directory");
    }
    lab.refuses("ca init no/such/ca --name Acme --no-passphrase", 1, "No such file or directory");
    lab.set_mode("", 0o755);
    lab.set_mode("folder", 0o555);
    lab.bulla_unprivileged("keygen -o folder/out").exits(1).says("cannot write folder/out: Permission denied");
    lab.bulla_unprivileged("ca init folder/ca --name Acme --no-passphrase").exits(1).says("Permission denied");
}

#[test]
fn an_output_name_too_long_for_the_disk_is_refused() {
    let lab = stage();
    let name = "n".repeat(300);
    for words in WRITERS {
        lab.refuses(&words.replace("OUT", &name), 1, "File name too long");
    }
    lab.refuses(&format!("ca init {name} --name Acme --no-passphrase"), 1, "File name too long");
}

#[test]
fn a_full_disk_is_named_and_nothing_is_left_on_it() {
    let lab = stage();
    fs::create_dir(lab.path("disk")).expect("a folder");
    // A disk of its own for each command, seen by that command alone, and full but for what a folder entry takes.
    let script = "mount -t tmpfs -o size=64k none disk && dd if=/dev/zero of=disk/ballast status=none 2>/dev/null
        bulla=$1; shift; \"$bulla\" \"$@\"; code=$?; ls -A disk >left; exit $code";
    let on_full_disk = |words: &str| {
        let flags = ["--map-root-user", "--mount", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_bulla")];
        lab.run("unshare", flags.into_iter().chain(words.split_whitespace()))
    };
    if lab.run("unshare", ["--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "disk"]).code != Some(0) {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    }
    for words in WRITERS {
        on_full_disk(&words.replace("OUT", "disk/out")).exits(1).says("disk/out: No space left on device");
        assert_eq!(lab.read("left"), b"ballast\n", "{words}");
    }
    on_full_disk("ca init disk/ca --name Acme --no-passphrase").exits(1).says("bulla: error: ");
    assert_eq!(lab.read("left"), b"ballast\n");
}

#[test]
fn a_product_that_standard_output_cannot_take_is_an_error() {
    let lab = stage();
    let full = || fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let of_reports =
        ["inspect fw.pem", "keygen -o new.key --format json", "man", "completions bash", "--help", "--version"];
    let verdict = "verify app.bin --as raw --signature app.sig --public-key fw.pub";
    let of_products = WRITERS.iter().take(6).map(|words| words.replace("OUT", "-"));
    for words in of_products.chain(of_reports.map(str::to_owned)).chain([verdict.to_owned()]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
        command.args(words.split_whitespace()).current_dir(lab.path("")).stdout(full());
        let child = command.stderr(std::process::Stdio::piped()).spawn().expect("bulla");
        let output = child.wait_with_output().expect("bulla");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}: {stderr}");
        assert_eq!(stderr, "bulla: error: cannot write standard output: No space left on device\n", "{words}");
    }
}

#[test]
fn odd_file_names_are_data_and_reach_no_terminal_raw() {
    let lab = Lab::new();
    fs::create_dir(lab.path("in")).expect("a folder");
    let names: [&[u8]; 7] =
        [b"a\nb", b"-rf", b"a b", b"\x1b[2Jx", b"\xff\xfe", b"\xe2\x80\xaereversed", b"$(touch gone)"];
    for name in names {
        let path = [b"in/", name].concat();
        let path = std::ffi::OsStr::from_bytes(&path);
        let run = lab.bulla_args(["keygen".as_ref(), "-o".as_ref(), path]).ok();
        assert!(lab.has(path));
        let refused = lab.bulla_args(["keygen".as_ref(), "-o".as_ref(), path]).exits(1).says("exists");
        let json = lab
            .bulla_args(["keygen", "--force", "--format", "json", "-o"].map(AsRef::as_ref).into_iter().chain([path]));
        for text in [run.stderr, refused.stderr, json.ok().text()] {
            assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
        }
    }
    assert!(!lab.has("gone") && !lab.has("in/gone"));
}
