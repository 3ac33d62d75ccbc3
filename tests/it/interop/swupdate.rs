//! Archives for SWUpdate, signed by either side and judged by both.
//!
//! The judge is Debian's SWUpdate 2022.12. It takes every certificate from its own file and none from the message, so
//! the issuing CA stands there next to the root.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{contains, find, firmware_signer, flip, openssl};
use crate::harness::{Lab, Run};

const ROOT: &str = "acme/firmware/root.pem";
const DEVICE: &str = "--hardware judge:1.0";

/// A signer `fw`, a folder `update` with a description and an image, and what the judge trusts.
fn lab() -> Lab {
    let lab = Lab::with_ca();
    lab.shell(&format!("cat {ROOT} acme/firmware/issuing.pem >trust.pem")).ok();
    std::fs::create_dir(lab.path("update")).expect("a folder");
    // 2022.12 asks for its own result once the archive is written to a socket; one that fits into the socket's buffer
    // can be written before the installer has begun, which reads as failure (upstream commit e6b2081b).
    lab.write("update/image.bin", vec![0; 4 << 20]);
    lab.write("update/sw-description", description(&lab, ""));
    lab
}

fn description(lab: &Lab, more: &str) -> String {
    format!(
        "software = {{\n    version = \"1.0.0\";\n    hardware-compatibility: [ \"1.0\" ];\n    images: ( {} );\n{more}}}\n",
        image(lab)
    )
}

/// The image as a description names it.
fn image(lab: &Lab) -> String {
    let sum = lab.judge("sha256sum update/image.bin").ok().text();
    let sha256 = sum.split(' ').next().expect("a digest");
    format!(r#"{{ filename = "image.bin"; type = "raw"; device = "/dev/null"; sha256 = "{sha256}"; }}"#)
}

fn ours_signs(lab: &Lab, input: &str, signer: &str, flags: &str, output: &str) -> Run {
    lab.bulla(&format!("sign {input} --as swupdate --key {signer}.key --cert {signer}.pem {flags} -o {output} --force"))
}

fn ours_verifies(lab: &Lab, file: &str, flags: &str) -> Run {
    lab.bulla(&format!("verify {file} --as swupdate --trust {ROOT} {flags}"))
}

/// Packs entries of the folder into an archive, as the documentation of SWUpdate does.
fn packs(lab: &Lab, entries: &str, output: &str) {
    let script = format!("cd update && printf '%s\\n' {entries} | cpio --quiet -o -H crc >../{output}");
    lab.shell(&script).ok();
}

/// Signs the description with openssl, as the documentation of SWUpdate does, and packs everything.
fn theirs_signs(lab: &Lab, signer: &str, flags: &str, output: &str) {
    let signer = format!("-signer {signer}.pem -inkey {signer}.key -certfile acme/firmware/issuing.pem");
    let files = "-in update/sw-description -out update/sw-description.sig -outform DER -nosmimecap -binary";
    openssl(lab, &format!("cms -sign {files} {signer} {flags}")).ok();
    packs(lab, "sw-description sw-description.sig image.bin", output);
}

/// Asks SWUpdate, as the board `judge` of revision 1.0: whether it would install the archive, and what it said.
#[track_caller]
fn theirs_verifies(lab: &Lab, file: &str, flags: &str) -> (bool, String) {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let mut last = String::new();
    for attempt in 0..20 {
        // A machine has names for ten of them at a time (`core/notifier.c`).
        sleep(Duration::from_millis(if attempt == 0 { 0 } else { 300 }));
        // Its sockets and files are those of one run.
        let run = lab.path(format!("run-{}", RUNS.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&run).expect("a folder");
        let said = File::create(run.join("said")).expect("a file");
        let words = format!("-v -c -i {file} {flags}");
        let trust = if flags.contains("-k ") { "" } else { "-k trust.pem" };
        let mut command = Command::new("swupdate");
        command.args(words.split_whitespace()).args(trust.split_whitespace()).args(["-H", "judge:1.0"]);
        command.current_dir(lab.path("")).env("TMPDIR", &run).stdin(Stdio::null());
        command.stdout(said.try_clone().expect("a file")).stderr(said).process_group(0);
        let mut judge = command.spawn().expect("swupdate; install the judges first");
        let started = Instant::now();
        while judge.try_wait().expect("a process").is_none() && started.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(20));
        }
        // Where it refuses a description it leaves a process behind.
        let group = rustix::process::Pid::from_child(&judge);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let code = judge.wait().expect("a process").code();
        let said = String::from_utf8_lossy(&std::fs::read(run.join("said")).expect("a file")).into_owned();
        if code == Some(0) && said.contains("Verified OK") && said.contains("SWUPDATE successful") {
            return (true, said);
        }
        if code == Some(1) && said.contains("Image invalid or corrupted") {
            return (false, said);
        }
        last = format!("{code:?}: {said}");
    }
    panic!("swupdate gave no verdict on {file}: {last}");
}

/// Who accepts an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepts {
    Both,
    Nobody,
    /// Known: the device is more lenient.
    Theirs,
}
use Accepts::{Both, Nobody, Theirs};

/// An archive that both are asked about.
struct Case {
    name: String,
    accepts: Accepts,
    /// What ours says: of a good one anywhere, of a bad one as its code.
    words: &'static str,
    /// Flags of ours, and of theirs.
    flags: (&'static str, &'static str),
}

/// Asks both about every archive; the judge mostly waits, so several are asked at once.
#[track_caller]
fn judge_all(lab: &Lab, cases: &[Case]) {
    let judge = |Case { name, accepts, words, flags }: &Case| {
        let run = ours_verifies(lab, name, &format!("{DEVICE} {}", flags.0));
        let words = if *accepts == Both { (*words).to_owned() } else { format!("({words})") };
        let run = run.exits(if *accepts == Both { 0 } else { 3 });
        assert!(run.text().contains(&words), "{name}: {}", run.text());
        let (accepted, said) = theirs_verifies(lab, name, flags.1);
        assert_eq!(accepted, *accepts != Nobody, "{name}: {said}");
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    judge(case);
                }
            });
        }
    });
}

/// Names a case after its file, `NAME.swu`.
fn case(name: &str, accepts: Accepts, words: &'static str) -> Case {
    Case { name: format!("{name}.swu"), accepts, words, flags: ("", "") }
}

/// The judge takes the signer's certificate alone from the message, so that its own file has to have the issuers.
#[test]
fn a_device_that_ignores_additional_certificates_wants_the_issuers_in_its_file() {
    let lab = lab();
    ours_signs(&lab, "update", "fw", "", "fw.swu").ok();
    let root = ("--ignore-additional-certs", "-k acme/firmware/root.pem");
    let whole = ("--ignore-additional-certs --trust trust.pem", "-k trust.pem");
    judge_all(
        &lab,
        &[
            Case { flags: root, ..case("fw", Nobody, "untrusted") },
            Case { flags: whole, ..case("fw", Both, "version    1.0.0") },
        ],
    );
    ours_verifies(&lab, "fw.swu", DEVICE).ok();
}

#[test]
fn swupdate_accepts_what_bulla_signs() {
    let lab = lab();
    packs(&lab, "sw-description image.bin", "plain.swu");
    let mut cases = Vec::new();
    for (name, key_type, flags) in
        [("p256", "p256", ""), ("p384", "p384", ""), ("rsa", "rsa2048", ""), ("pss", "rsa3072", "--rsa pss")]
    {
        firmware_signer(&lab, name, key_type);
        for (input, output) in [("update", format!("{name}.swu")), ("plain.swu", format!("{name}-plain.swu"))] {
            ours_signs(&lab, input, name, flags, &output).ok();
            let listed = lab.shell(&format!("cpio --quiet -it <{output}")).ok().text();
            assert_eq!(listed, "sw-description\nsw-description.sig\nimage.bin\n", "{output}");
            let codesign = ("--cert-purpose codeSigning", "--cert-purpose codeSigning");
            let flags = if input == "update" { codesign } else { ("", "") };
            cases.push(Case {
                name: output,
                accepts: Both,
                words: "version    1.0.0\n  hardware   judge:1.0\n",
                flags,
            });
        }
    }
    let good = lab.read("p256.swu");
    let payload = find(&good, b"image.bin\0") + 2000;
    let signature = find(&good, b"sw-description.sig\0");
    for (name, at, code) in [
        ("magic", 5, "malformed"),
        ("size", 55, "malformed"),
        ("description", find(&good, b"1.0.0"), "checksum"),
        ("checksum", 109, "checksum"),
        ("signature-name", signature + 2, "unsigned"),
        ("payload", payload, "checksum"),
        ("payload-name", find(&good, b"image.bin\0"), "file-missing"),
        ("trailer", find(&good, b"TRAILER!!!"), "malformed"),
    ] {
        lab.write(format!("{name}.swu"), flip(&good, at));
        cases.push(case(name, Nobody, code));
    }
    // The checksums fit: only what is signed tells.
    for (name, at, code) in [
        ("sum-description", find(&good, b"1.0.0"), "digest"),
        ("sum-signature", signature + 1200, "signature"),
        ("sum-payload", payload, "digest"),
    ] {
        let mut twin = flip(&good, at);
        let header = twin[..at].windows(6).rposition(|window| window == b"070702").expect("a header");
        twin[header + 5] = b'1';
        lab.write(format!("{name}.swu"), twin);
        cases.push(case(name, Nobody, code));
    }
    judge_all(&lab, &cases);
}

#[test]
fn equal_files_give_equal_archives() {
    let lab = lab();
    let sign = |output: &str| {
        let flags = "--as swupdate --key fw.key --cert fw.pem";
        lab.shell(&format!(
            "SOURCE_DATE_EPOCH=$(($(date +%s) / 86400 * 86400 + 86400)) \"$bulla\" sign update {flags} -o {output}"
        ))
        .ok();
    };
    sign("one.swu");
    lab.shell(
        "cp -r update other && rm -r update && mv other update && touch -d 2001-01-01 update/* && chmod 600 update/*",
    )
    .ok();
    sign("two.swu");
    assert!(lab.read("one.swu") == lab.read("two.swu"));
    assert_eq!(lab.read("one.swu").len() % 512, 0);
    lab.write("update/image.bin", flip(&vec![0; 4 << 20], 7));
    lab.write("update/sw-description", description(&lab, ""));
    sign("three.swu");
    assert!(lab.read("one.swu") != lab.read("three.swu"));
}

#[test]
fn bulla_accepts_what_openssl_and_cpio_make() {
    let lab = lab();
    let mut cases = Vec::new();
    let pss = "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32";
    for (name, key_type, flags) in [
        ("p256", "p256", "-md sha256"),
        ("p384", "p384", "-md sha384 -keyid"),
        ("rsa", "rsa2048", "-md sha512"),
        ("noattr", "rsa2048", "-md sha256 -noattr"),
        ("pss", "rsa2048", &format!("-md sha256 {pss}")),
    ] {
        firmware_signer(&lab, name, key_type);
        theirs_signs(&lab, name, flags, &format!("{name}.swu"));
        cases.push(case(name, Both, "files      image.bin\n"));
    }
    // Archives that are no update, or not this one.
    packs(&lab, "sw-description image.bin", "unsigned.swu");
    cases.push(case("unsigned", Nobody, "unsigned"));
    packs(&lab, "sw-description image.bin sw-description.sig", "late.swu");
    cases.push(case("late", Nobody, "malformed"));
    packs(&lab, "sw-description.sig sw-description image.bin", "early.swu");
    cases.push(case("early", Nobody, "malformed"));
    packs(&lab, "sw-description sw-description.sig", "missing.swu");
    cases.push(case("missing", Nobody, "file-missing"));
    lab.write("update/extra", "something else");
    packs(&lab, "sw-description sw-description.sig extra image.bin", "extra.swu");
    let ignored = "ignored    extra: not named in sw-description, and not signed\n  covered    41945";
    cases.push(case("extra", Both, ignored));
    // The device takes what comes last, and so reads over a second image that is the same.
    lab.shell("cd update && for i in sw-description sw-description.sig image.bin image.bin; do echo $i; done | cpio --quiet -o -H crc >../twice.swu").ok();
    cases.push(case("twice", Theirs, "malformed"));
    let good = lab.read("p256.swu");
    lab.write("behind.swu", [&good[..], &[b'x'; 512]].concat());
    cases.push(case("behind", Theirs, "malformed"));
    let newc = "cd update && printf '%s\\n' sw-description sw-description.sig image.bin | cpio --quiet -o -H newc >../newc.swu";
    lab.shell(newc).ok();
    cases.push(case("newc", Both, "good  newc.swu\n"));
    judge_all(&lab, &cases);
}

/// What both make of descriptions, each in an archive that openssl and cpio made.
#[test]
fn both_read_a_description_alike() {
    let lab = lab();
    let image = image(&lab);
    let sha256 = &image[image.len() - 68..image.len() - 4];
    let images = format!("images: ( {image} );");
    let version = "version = \"1.0.0\";";
    let hardware = "hardware-compatibility: [ \"1.0\" ];";
    let software = |inside: &str| format!("software = {{ {inside} }};");
    let whole = |more: &str| software(&format!("{version} {hardware} {images} {more}"));
    let good = whole("");
    let on = |revisions: &str| software(&format!("{version} hardware-compatibility: {revisions}; {images}"));
    let json = |version: &str| {
        format!(
            r#"{{"software": {{ {version} "hardware-compatibility": ["1.0"], "images": [
            {{"filename": "image.bin", "type": "raw", "device": "/dev/null", "sha256": "{sha256}"}}]}}}}"#
        )
    };
    let is_for = "hardware   judge:1.0\n";
    let mut cases = Vec::new();
    let mut ask = |name: &str, text: String, accepts, words, flags| {
        lab.write("update/sw-description", text);
        theirs_signs(&lab, "fw", "-md sha256", &format!("{name}.swu"));
        cases.push(Case { name: format!("{name}.swu"), accepts, words, flags });
    };
    let plain = ("", "");
    for (name, text, accepts, words) in [
        ("comments", format!("# one\n// two\n/* three */ {good}"), Both, is_for),
        ("escaped", good.replace("image.bin", "im\\x61ge.bin"), Both, is_for),
        ("upper", good.replace(sha256, &sha256.to_uppercase()), Both, is_for),
        ("no-sha256", good.replace("sha256", "sha255"), Nobody, "hash-missing"),
        // Later versions compare it.
        ("other-size", good.replace("type", "size = 1; type"), Theirs, "size"),
        ("no-version", software(&format!("{hardware} {images}")), Nobody, "malformed"),
        ("no-hardware", software(&format!("{version} {images}")), Nobody, "hardware"),
        ("nothing", software(&format!("{version} {hardware}")), Nobody, "nothing-to-install"),
        (
            "variables",
            software(&format!("{version} {hardware} bootenv: ( {{ name = \"a\"; value = \"b\"; }} );")),
            Both,
            is_for,
        ),
        ("nul", good.replace("image.bin", "image.bin\\x00"), Theirs, "malformed"),
        ("twice", good.replace(version, &version.repeat(2)), Nobody, "malformed"),
        ("include", format!("@include \"nothing\"\n{good}"), Nobody, "malformed"),
        ("comma", good.replace("} );", "}, );"), Nobody, "malformed"),
        ("revisions", on("( \"2.0\", \"1.0\" )"), Both, "hardware   judge:2.0\n  hardware   judge:1.0\n"),
        ("revision", on("[ \"2.0\" ]"), Nobody, "hardware"),
        ("no-list", on("\"1.0\""), Nobody, "hardware"),
        // Regular expressions are not judged.
        ("expression", on("[ \"#RE:^1\\.[023]$\" ]"), Theirs, "hardware"),
        ("board", whole("judge = { hardware-compatibility: [ \"2.0\" ]; };"), Nobody, "hardware"),
        ("other-board", whole("other = { hardware-compatibility: [ \"2.0\" ]; };"), Both, is_for),
        (
            "linked-board",
            whole("judge = { ref = \"#./x\"; }; x = { hardware-compatibility: [ \"2.0\" ]; };"),
            Nobody,
            "hardware",
        ),
        ("linked-list", on("{ ref = \"#/list\"; }") + "list = [ \"1.0\" ];", Both, is_for),
        (
            "linked-images",
            software(&format!("{version} {hardware} images: ( {{ ref = \"#/x\"; }} );")) + &format!("x: ( {image} );"),
            Both,
            "files      image.bin\n",
        ),
        (
            "board-version",
            software(&format!("{hardware} {images} judge = {{ version = \"1.5\"; }};")),
            Both,
            "version    1.5\n",
        ),
        // What another board or mode would install has to be there too.
        ("other-files", whole("other = { files: ( { filename = \"x\"; path = \"/x\"; } ); };"), Theirs, "hash-missing"),
        ("json", json("\"version\": \"1.0.0\","), Both, is_for),
        ("json-no-version", json(""), Nobody, "malformed"),
    ] {
        ask(name, text, accepts, words, plain);
    }
    for (name, words, accepts, flags) in [
        ("least", "version    1.0.0\n", Both, ("--min-version 1.0.0", "-N 1.0.0")),
        ("downgrade", "version", Nobody, ("--min-version 1.0.1", "-N 1.0.1")),
    ] {
        ask(name, good.clone(), accepts, words, flags);
    }
    let pre = good.replace("1.0.0", "1.0.0-4");
    ask("pre-release", pre, Nobody, "version", ("--min-version 1.0.0", "-N 1.0.0"));
    let stable = software(&format!("{version} {hardware} stable: {{ main: {{ version = \"3.0\"; {images} }}; }};"));
    ask("selected", stable.clone(), Both, "version    3.0\n", ("--select stable,main", "-e stable,main"));
    ask("other-selected", stable, Nobody, "nothing-to-install", ("--select stable,copy", "-e stable,copy"));
    judge_all(&lab, &cases);
    let run = ours_verifies(&lab, "json.swu", "--hardware judge").exits(2);
    assert!(run.stderr.contains("--hardware: judge is not BOARD:REVISION"), "{}", run.stderr);
    let run = ours_verifies(&lab, "json.swu", "--select stable").exits(2);
    assert!(run.stderr.contains("--select: stable is not SET,MODE"), "{}", run.stderr);
}

/// A hierarchy of openssl: `ROOT.pem` with the extKeyUsage of CAs, if any, and signers right under it, each with its
/// own and the time it was made.
fn signers(lab: &Lab, root: &str, of_root: &str, signers: &[(&str, &str, &str)]) {
    let usage = |usage: &str| if usage.is_empty() { String::new() } else { format!("extendedKeyUsage={usage}\\n") };
    let mut script = format!("set -e; exec 2>{root}.log\n");
    let mut certify = |name: &str, extensions: &str, usages: &str, by: &str, time: &str| {
        script += &format!(
            "printf 'subjectKeyIdentifier=hash\\n{extensions}{}' >{name}.ext
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -subj /CN={name} -out {name}.csr
            {time} openssl x509 -req -in {name}.csr {by} -days 30 -extfile {name}.ext -out {name}.pem\n",
            usage(usages)
        );
    };
    let of_a_ca = "basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign\\n";
    certify(root, of_a_ca, of_root, &format!("-signkey {root}.key"), "");
    for (name, usages, time) in signers {
        let by = format!("-CA {root}.pem -CAkey {root}.key");
        certify(name, "basicConstraints=CA:FALSE\\nkeyUsage=critical,digitalSignature\\n", usages, &by, time);
    }
    lab.shell(&script).ok();
}

#[test]
fn both_ask_the_certificate_for_the_same_purpose() {
    let lab = lab();
    let usages = [
        ("code", "codeSigning", ""),
        ("email", "emailProtection", ""),
        ("both", "codeSigning,emailProtection", ""),
        ("server", "serverAuth", ""),
        ("none", "", ""),
        ("expired", "codeSigning,emailProtection", "faketime -f -90d"),
    ];
    signers(&lab, "root", "", &usages);
    let under_code = ("under-code", "codeSigning,emailProtection", "");
    signers(&lab, "code-root", "codeSigning", &[under_code]);
    for (name, ..) in usages.iter().chain([&under_code]) {
        let flags = format!("-signer {name}.pem -inkey {name}.key");
        let files = "-in update/sw-description -out update/sw-description.sig -outform DER -nosmimecap -binary";
        openssl(&lab, &format!("cms -sign {files} {flags}")).ok();
        packs(&lab, "sw-description sw-description.sig image.bin", &format!("{name}.swu"));
    }
    let email = ("--purpose any --trust root.pem", "-k root.pem");
    let code = ("--purpose any --trust root.pem --cert-purpose codeSigning", "-k root.pem --cert-purpose codeSigning");
    let code_root = [
        ("--purpose any --trust code-root.pem", "-k code-root.pem"),
        ("--trust code-root.pem --cert-purpose codeSigning", "-k code-root.pem --cert-purpose codeSigning"),
    ];
    let mut cases = Vec::new();
    for (name, accepts, words, flags) in [
        ("under-code", Nobody, "device-purpose", code_root[0]),
        ("under-code", Both, "signer     CN=under-code\n", code_root[1]),
        ("code", Nobody, "device-purpose", email),
        ("email", Both, "signer     CN=email\n", email),
        ("both", Both, "signer     CN=both\n", email),
        ("server", Nobody, "device-purpose", email),
        ("none", Both, "signer     CN=none\n", email),
        ("expired", Nobody, "expired", email),
        ("code", Both, "signer     CN=code\n", code),
        ("email", Nobody, "device-purpose", code),
        ("both", Both, "signer     CN=both\n", code),
        ("server", Nobody, "device-purpose", code),
        ("none", Nobody, "device-purpose", code),
        ("expired", Nobody, "expired", code),
    ] {
        cases.push(Case { flags, ..case(name, accepts, words) });
    }
    judge_all(&lab, &cases);
}

/// Known: SWUpdate takes an update that one good signer and one whose certificate has expired have signed.
#[test]
fn of_two_signers_none_may_be_bad() {
    let lab = lab();
    signers(&lab, "root", "", &[("good", "emailProtection", ""), ("old", "emailProtection", "faketime -f -90d")]);
    let files = "-in update/sw-description -out update/sw-description.sig -outform DER -nosmimecap -binary";
    for (name, second, is_good) in [("one", "", true), ("two", "-signer old.pem -inkey old.key", false)] {
        openssl(&lab, &format!("cms -sign {files} -signer good.pem -inkey good.key {second}")).ok();
        packs(&lab, "sw-description sw-description.sig image.bin", &format!("{name}.swu"));
        assert!(theirs_verifies(&lab, &format!("{name}.swu"), "-k root.pem").0, "{name}");
        let run = ours_verifies(&lab, &format!("{name}.swu"), "--purpose any --trust root.pem");
        assert_eq!(run.code, Some(if is_good { 0 } else { 3 }), "{}", run.text());
        assert_eq!(run.text().contains("(signers)"), !is_good, "{}", run.text());
    }
}

#[test]
fn an_update_is_signed_anew_without_being_unpacked() {
    let lab = lab();
    firmware_signer(&lab, "other", "p384");
    lab.write("update/extra", "something else");
    theirs_signs(&lab, "fw", "-md sha256", "first.swu");
    packs(&lab, "sw-description sw-description.sig extra image.bin", "first.swu");
    lab.refuses("sign first.swu --as swupdate --key other.key --cert other.pem -o again.swu", 1, "is signed already");
    let add = "sign first.swu --as swupdate --key other.key --cert other.pem --add -o again.swu";
    lab.refuses(add, 1, "swupdate takes no second signature");
    ours_signs(&lab, "first.swu", "other", "--replace", "again.swu").ok();
    let run = ours_verifies(&lab, "again.swu", DEVICE).ok();
    assert!(run.text().contains("signer     CN=other\n"), "{}", run.text());
    assert!(theirs_verifies(&lab, "again.swu", "").0);
    // Everything but the signature is as it was.
    let signature = |bytes: &[u8]| find(bytes, b"sw-description.sig\0") - 110..find(bytes, b"extra\0") - 110;
    let (first, again) = (lab.read("first.swu"), lab.read("again.swu"));
    let (one, two) = (signature(&first), signature(&again));
    assert!(first[..one.start] == again[..two.start]);
    let content = first[one.end..].len() - 512;
    assert!(first[one.end..][..content] == again[two.end..][..content]);
    let shown = lab.bulla("inspect again.swu").ok().text();
    for words in
        ["SWUpdate archive\n", "signature  ecdsa-sha384 by CN=other\n", "version    1.0.0\n", "extra (14 bytes)"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn another_tool_makes_the_signature() {
    let lab = lab();
    openssl(&lab, "pkey -in fw.key -pubout -out fw.pub").ok();
    lab.bulla("sign update --as swupdate --public-key fw.pub --cert fw.pem --prepare step").ok();
    openssl(&lab, "dgst -sha256 -sign fw.key -out step.sig step.tbs").ok();
    lab.bulla("sign update --attach step.json --signature step.sig -o made.swu").ok();
    ours_verifies(&lab, "made.swu", DEVICE).ok();
    assert!(theirs_verifies(&lab, "made.swu", "").0);
    lab.write("twin.sig", flip(&lab.read("step.sig"), 20));
    lab.refuses("sign update --attach step.json --signature twin.sig -o twin.swu", 3, "the signature does not");
    lab.write("update/image.bin", flip(&vec![0; 4 << 20], 7));
    lab.refuses(
        "sign update --attach step.json --signature step.sig -o twin.swu",
        1,
        "is not the file of sw-description",
    );
    lab.write("update/sw-description", description(&lab, ""));
    lab.refuses(
        "sign update --attach step.json --signature step.sig -o twin.swu",
        3,
        "for which the signature was prepared",
    );
}

/// What the device would refuse is not signed.
#[test]
fn nothing_is_signed_that_a_device_refuses() {
    let lab = lab();
    let sign = "sign update --as swupdate --key fw.key --cert fw.pem -o out.swu";
    let good = description(&lab, "");
    for (from, to, words) in [
        ("sha256", "sha255", "sw-description has no sha256 of image.bin"),
        ("image.bin", "../fw.key", "it is no plain file name"),
        ("image.bin", "/etc/passwd", "it is no plain file name"),
        ("image.bin", "..", "it is no plain file name"),
        ("image.bin", "link", "it is a symbolic link"),
        ("image.bin", "pipe", "it is not a regular file"),
        ("image.bin", "folder", "it is not a regular file"),
        ("image.bin", "gone", "No such file"),
        ("image.bin", "sw-description", "which is not in the archive"),
        ("image.bin", "TRAILER!!!", "the trailer has content"),
        ("version", "virsion", "has no software.version"),
        ("images", "pictures", "has nothing to install"),
        ("software", "software = {", "sw-description, line 1"),
    ] {
        if !lab.has("update/link") {
            lab.shell("cd update && ln -s image.bin link && mkfifo pipe && mkdir folder && cp image.bin TRAILER!!!")
                .ok();
        }
        lab.write("update/sw-description", good.replacen(from, to, 1));
        lab.refuses(sign, 1, words);
    }
    lab.shell("truncate -s 4G update/large").ok();
    lab.write("update/sw-description", good.replacen("image.bin", "large", 1));
    lab.bulla(sign).exits(1).says("large has 4294967296 bytes");
    std::fs::remove_file(lab.path("update/large")).expect("a file");
    lab.write("update/sw-description", &good);
    lab.bulla(sign).ok();
    packs(&lab, "image.bin sw-description", "order.swu");
    lab.refuses(
        "sign order.swu --as swupdate --key fw.key --cert fw.pem -o o.swu",
        1,
        "the first entry of the archive is not",
    );
    lab.write("update/image.bin", flip(&vec![0; 4 << 20], 7));
    lab.refuses(
        "sign update --as swupdate --key fw.key --cert fw.pem -o o.swu",
        1,
        "is not the file of sw-description",
    );
    firmware_signer(&lab, "ed", "ed25519");
    let run = lab.refuses(
        "sign update --as swupdate --key ed.key --cert ed.pem -o o.swu",
        1,
        "swupdate takes no Ed25519 keys",
    );
    assert!(contains(run.stderr.as_bytes(), b"hint: "));
}
