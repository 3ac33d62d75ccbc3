//! CA folders whose records are damaged, old, foreign or locked away: each is refused with its code and its reason, and
//! once the part is put back everything is there.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Lab, Run};

/// Devices in the good CA: enough for a table of several pages.
const DEVICES: usize = 24;

/// A good CA `good`, two keys and the request of a device that it knows, and a key that it does not.
fn stage() -> Lab {
    let lab = Lab::new();
    lab.bulla("ca init good --name Acme --no-passphrase").ok();
    let script = format!(
        "set -e; for n in $(seq {DEVICES}) new other; do $bulla keygen -o $n.key; done
        for n in $(seq {DEVICES}); do $bulla enroll --key $n.key --serial SN-$n --profile idevid --ca good -o $n.pem; done"
    );
    lab.shell(&script).ok();
    lab
}

/// `acme` is a fresh copy of the good CA.
#[track_caller]
fn copy(lab: &Lab) {
    lab.shell("rm -rf acme && cp -a good acme").ok();
}

fn enroll(key: &str, serial: &str) -> String {
    format!("enroll --key {key}.key --serial SN-{serial} --profile idevid --ca acme -o out")
}

/// A device that is new, one that is known, and another key for that: none gets anything, each is told the same, and not a
/// byte of the records is written.
#[track_caller]
fn refuses_all(lab: &Lab, what: &str, exit: i32, code: &str, message: &str) {
    let before = lab.has("acme/ca.db").then(|| lab.read("acme/ca.db"));
    for (key, serial) in [("new", "new"), ("1", "1"), ("other", "1")] {
        let words = enroll(key, serial);
        let run = lab.bulla(&words);
        assert_eq!(run.code, Some(exit), "{what}: {words}: {}", run.stderr);
        run.says(message);
        lab.fails_with(&words, exit, code);
    }
    assert!(before == lab.has("acme/ca.db").then(|| lab.read("acme/ca.db")), "{what}: the records were written to");
}

/// Puts parts back as they were, and asserts that nothing was lost and the CA goes on.
#[track_caller]
fn is_whole_again(lab: &Lab, what: &str, parts: &str) {
    lab.shell(&format!("cd acme && rm -f ca.db-wal ca.db-shm && for p in {parts}; do cp -a ../good/$p $p; done")).ok();
    assert_eq!(lab.listed("acme", "serial"), lab.listed("good", "serial"), "{what}");
    lab.holds("acme");
    lab.bulla(&format!("{} --force", enroll("1", "1"))).ok();
    assert_eq!(lab.read("out"), lab.read("1.pem"), "{what}");
    lab.bulla(&format!("{} --force", enroll("new", "new"))).ok();
    std::fs::remove_file(lab.path("out")).expect("the certificate");
}

/// Runs Python with the records as `db`, their path as `path`, and bytes of noise.
#[track_caller]
fn python(lab: &Lab, ca: &str, script: &str) -> Run {
    let head = format!("import os, sqlite3\npath = '{ca}/ca.db'\nnoise = bytes(i * 167 % 251 for i in range(4096))\n");
    lab.run("python3", ["-c", &format!("{head}{script}")]).ok()
}

#[test]
fn records_that_were_copied_half_are_refused() {
    let lab = stage();
    for cut in ["4096", "size // 2 // 4096 * 4096", "size - 4096", "size // 2 + 100", "size - 1"] {
        copy(&lab);
        python(&lab, "acme", &format!("size = os.path.getsize(path)\nos.truncate(path, {cut})"));
        refuses_all(&lab, cut, 1, "ca-damaged", "ca.db is shorter than it says; was it copied half?");
        is_whole_again(&lab, cut, "ca.db");
    }
}

#[test]
fn records_that_lack_a_table_an_index_or_a_trigger_are_refused() {
    let lab = stage();
    let script = "db = sqlite3.connect(path)\nfor row in db.execute(\"SELECT type, name FROM sqlite_schema WHERE sql NOT NULL\"): \
                  print(*row)";
    let objects = python(&lab, "good", script).text();
    assert_eq!(objects.lines().count(), 23, "{objects}");
    for object in objects.lines() {
        copy(&lab);
        lab.tamper("acme", &format!("DROP {object}"));
        refuses_all(&lab, object, 1, "ca-damaged", "ca.db lacks a table or an index");
        lab.fails_with("ca list acme", 1, "ca-damaged");
    }
    is_whole_again(&lab, "objects", "ca.db");
    for (version, code, message) in [
        (0, "ca-damaged", "ca.db has tables and says that it has none"),
        (4, "schema", "schema 4"),
        (-1, "schema", "-1"),
    ] {
        copy(&lab);
        lab.tamper("acme", &format!("PRAGMA user_version = {version} -- DROP "));
        refuses_all(&lab, message, 1, code, message);
    }
    is_whole_again(&lab, "versions", "ca.db");
}

/// The b-trees that an enrolment reads or writes.
const TOUCHED: [&str; 9] = [
    "audit",
    "audit_head",
    "certificate",
    "certificate_identity",
    "certificate_key",
    "certificate_planned",
    "certificate_profile",
    "certificate_serial",
    "certificate_time",
];

#[test]
fn a_page_that_was_overwritten_is_found_before_it_is_used() {
    let lab = stage();
    for name in TOUCHED {
        for fill in ["noise", "b'\\0' * 4096", "b'\\xff' * 4096"] {
            copy(&lab);
            let script = format!(
                "db = sqlite3.connect(path)\n\
                 page, = db.execute(\"SELECT rootpage FROM sqlite_schema WHERE name = '{name}'\").fetchone()\n\
                 db.close()\nfile = open(path, 'r+b')\nfile.seek((page - 1) * 4096)\nfile.write({fill})"
            );
            python(&lab, "acme", &script);
            let what = format!("{name} {fill}");
            let run = lab.bulla(&enroll("new", "new"));
            assert_eq!(run.code, Some(1), "{what}: {}", run.stderr);
            assert!(!lab.has("out"));
            run.says("the CA's records acme/ca.db are damaged");
            // Somebody known gets the certificate of before or nothing, and another key gets nothing.
            let known = lab.bulla(&enroll("1", "1"));
            match known.code {
                Some(0) => assert_eq!(lab.read("out"), lab.read("1.pem"), "{what}"),
                _ => assert!(known.exits(1).says("ca.db").stdout.is_empty() && !lab.has("out")),
            }
            lab.bulla(&format!("{} --force", enroll("other", "1"))).exits(1);
            let _ = std::fs::remove_file(lab.path("out"));
        }
        // With the lock file, which knows of the refusals that went in.
        is_whole_again(&lab, name, "ca.db ca.lock");
    }
}

/// Three more devices are enrolled while somebody reads, so that the journal is not folded in; `acme` is a copy of that
/// moment, as after a power cut.
const INTERRUPTED: &str = r#"
import shutil, subprocess
db = sqlite3.connect(path, isolation_level=None)
db.execute('BEGIN')
db.execute('SELECT count(*) FROM certificate').fetchone()
for n in 'xyz':
    subprocess.run([os.environ['bulla'], 'enroll', '--key', n + '.key', '--serial', 'SN-' + n, '--profile', 'idevid',
                    '--ca', 'good', '-o', n + '.pem'], check=True)
shutil.rmtree('acme', ignore_errors=True)
subprocess.run(['cp', '-a', 'good', 'acme'], check=True)
"#;

#[test]
fn a_journal_that_was_lost_is_missed() {
    let lab = stage();
    lab.shell("for n in x y z; do $bulla keygen -o $n.key; done").ok();
    let mut command = Command::new("python3");
    let script = format!("import os, sqlite3\npath = 'good/ca.db'\n{INTERRUPTED}");
    command.args(["-c", &script]).current_dir(lab.path("")).env("bulla", env!("CARGO_BIN_EXE_bulla"));
    lab.finish(command).ok();
    lab.shell("cp -a acme interrupted").ok();
    assert_eq!(lab.list("acme").len(), DEVICES + 3, "with its journal nothing is lost");
    lab.holds("acme");
    for damage in [
        "rm ca.db-wal",
        "rm ca.db-wal ca.db-shm",
        ": >ca.db-wal",
        "truncate -s $(($(stat -c %s ca.db-wal) / 2)) ca.db-wal",
        "printf x | dd of=ca.db-wal bs=1 seek=9000 conv=notrunc status=none",
    ] {
        lab.shell(&format!("rm -rf acme && cp -a interrupted acme && cd acme && {damage}")).ok();
        let before = lab.listed("acme", "serial").len();
        assert!(before < DEVICES + 3, "{damage}");
        for (key, serial) in [("new", "new"), ("z", "z"), ("other", "z")] {
            lab.refuses(&enroll(key, serial), 1, "was ca.db copied without ca.db-wal?");
        }
        assert_eq!(lab.listed("acme", "serial").len(), before, "{damage}");
        lab.shell("rm -f acme/ca.db*; cp -a interrupted/ca.db interrupted/ca.db-wal acme").ok();
        assert_eq!(lab.list("acme").len(), DEVICES + 3, "{damage}: put back, it is whole");
        lab.bulla(&format!("{} --force", enroll("z", "z"))).ok();
        assert_eq!(lab.read("out"), lab.read("z.pem"));
        lab.holds("acme");
        std::fs::remove_file(lab.path("out")).expect("the certificate");
    }
}

#[test]
fn records_and_roots_of_another_ca_are_refused_before_anything_is_planned() {
    let lab = stage();
    lab.bulla("ca init another --name Acme --no-passphrase").ok();
    for (part, exit, code, message) in [
        ("ca.db", 1, "ca-damaged", "the head is signed by a key that is not the issuer's"),
        ("device/root.pem", 3, "chain", "the issuing CA does not lead to its root"),
        ("device/issuing.pem", 1, "ca-damaged", "does not belong to its certificate"),
        ("device/issuing.key", 1, "ca-damaged", "does not belong to its certificate"),
    ] {
        copy(&lab);
        lab.shell(&format!("cp another/{part} acme/{part}")).ok();
        refuses_all(&lab, part, exit, code, message);
        is_whole_again(&lab, part, part);
    }
    // What goes with the keys is another CA indeed, and knows nobody.
    copy(&lab);
    lab.shell("cp another/device/* acme/device/").ok();
    refuses_all(&lab, "device/", 1, "ca-damaged", "the head is signed by a key that is not the issuer's");
    is_whole_again(&lab, "device/", "device/root.pem device/root.key device/issuing.pem device/issuing.key");
}

/// Records from before: the lock file knows how far they went.
#[test]
fn records_put_back_to_an_earlier_day_are_refused() {
    let lab = stage();
    copy(&lab);
    lab.bulla(&enroll("new", "new")).ok();
    std::fs::remove_file(lab.path("out")).expect("the certificate");
    lab.shell("cp good/ca.db acme/ca.db").ok();
    for (key, serial) in [("new", "new"), ("other", "other")] {
        lab.refuses(&enroll(key, serial), 1, "they lack their last entries");
    }
}

const READ_ONLY: &str = "cannot write the CA's records acme/ca.db: they, or their folder, are read-only";

/// As root the modes mean nothing: another user tries.
#[test]
fn a_folder_that_is_read_only_or_somebody_elses_is_called_that() {
    let lab = stage();
    if lab.judge("id -u").ok().text() != "0\n" {
        return;
    }
    lab.shell("chmod 755 . && chmod 644 *.key && mkdir -m 777 drop").ok();
    let nobody = |key: &str, serial: &str| {
        let words = enroll(key, serial).replace("-o out", "-o drop/out");
        let user = ["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_bulla")];
        lab.run("setpriv", user.into_iter().chain(words.split_whitespace()))
    };
    let own = "chown -R 65534:65534 acme";
    for (script, message) in [
        ("true", "Permission denied"),
        (&format!("{own}; chmod 400 acme/ca.db acme/ca.lock; chmod 500 acme"), READ_ONLY),
        (
            &format!("{own}; find acme -type f -exec chmod 400 {{}} +; find acme -type d -exec chmod 500 {{}} +"),
            READ_ONLY,
        ),
        (&format!("{own}; chmod 400 acme/ca.db"), READ_ONLY),
        (&format!("{own}; chmod 000 acme/device/issuing.key"), "issuing.key: Permission denied"),
    ] {
        copy(&lab);
        lab.shell(script).ok();
        for (key, serial) in [("new", "new"), ("other", "1")] {
            let run = nobody(key, serial).exits(1).says(message);
            assert!(
                run.stderr.contains("acme/") && !run.stderr.contains("is not a CA folder"),
                "{script}: {}",
                run.stderr
            );
        }
        assert!(!lab.has("drop/out"), "{script}");
        lab.shell("chown -R root:root acme; chmod -R u+rwX acme; rm -f acme/ca.db-*").ok();
        is_whole_again(&lab, script, "ca.json");
    }
    copy(&lab);
    lab.shell(own).ok();
    nobody("1", "1").ok();
    assert_eq!(lab.read("drop/out"), lab.read("1.pem"), "and the same user may, where all is right");
}

/// Holds the lock of `acme` from outside until it is told to let go.
fn hold(lab: &Lab) -> std::process::Child {
    let mut holder = Command::new("flock");
    holder.args(["acme/ca.lock", "sh", "-c", "echo held; cat >/dev/null"]).current_dir(lab.path(""));
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("flock");
    let mut told = [0; 5];
    std::io::Read::read_exact(&mut holder.stdout.take().expect("its output"), &mut told).expect("the lock");
    holder
}

#[test]
fn a_writer_waits_and_says_for_whom() {
    let lab = Lab::ca("");
    lab.device("SN-1");
    for (milliseconds, is_told) in [(300, false), (1800, true)] {
        let mut holder = hold(&lab);
        let name = format!("process {} (flock)", holder.id());
        let started = Instant::now();
        let letting_go = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(milliseconds));
            drop(holder.stdin.take());
            holder.wait().expect("flock")
        });
        // Readers are not kept waiting.
        lab.bulla("ca list acme").ok();
        let reading = started.elapsed();
        let run = lab.bulla("revoke SN-1.pem --reason certificateHold --ca acme").ok();
        let waited = started.elapsed();
        assert!(letting_go.join().expect("a thread").success());
        assert!(reading < waited && waited >= Duration::from_millis(milliseconds), "{reading:?} {waited:?}");
        let warning = format!("bulla: warning: waiting for the CA's records, which {name} holds\n");
        assert_eq!(run.stderr.starts_with(&warning), is_told, "{}", run.stderr);
    }
    lab.holds("acme");
}
