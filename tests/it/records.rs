//! What a CA has on record: lists, the audit record, and what is found when somebody changed either.

use std::collections::BTreeSet;

use crate::harness::Lab;

/// A CA with five devices and a signer: SN-1 renewed, SN-2 revoked, SN-3 on hold.
fn stage() -> Lab {
    let lab = Lab::ca("");
    (1..=5).for_each(|n| lab.device(&format!("SN-{n}")));
    lab.signer("signer");
    lab.bulla("keygen -o new.key").ok();
    for words in [
        "renew SN-1.pem --key new.key --ca acme -o renewed.pem",
        "revoke SN-2.pem --reason keyCompromise --ca acme",
        "revoke SN-3.pem --reason certificateHold --ca acme",
    ] {
        lab.bulla(words).ok();
    }
    lab
}

#[test]
fn a_list_says_how_each_certificate_stands() {
    let lab = stage();
    let all = lab.list("acme");
    assert_eq!(all.len(), 7);
    for (file, line) in ["SN-1", "SN-2", "SN-3", "SN-4", "SN-5", "signer", "renewed"].iter().zip(&all) {
        let name = format!("{file}.pem");
        assert_eq!(line["serial"], lab.serial(&name), "the list is in the order of issue");
        let theirs = lab.judge(&format!("openssl x509 -in {name} -noout -fingerprint -sha256")).ok().text();
        let theirs = theirs.trim().rsplit('=').next().unwrap_or_default().replace(':', "").to_lowercase();
        assert_eq!(line["sha256"], theirs);
        let fields: BTreeSet<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
        let wanted = "cursor generation identity issued_at issuer not_after not_before profile reason revoked_at schema \
                      serial sha256 spki_sha256 state subject";
        assert_eq!(fields, wanted.split_whitespace().collect());
    }
    let states: Vec<_> = all.iter().map(|line| line["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["replaced", "revoked", "revoked", "issued", "issued", "issued", "issued"]);
    assert_eq!((&all[1]["reason"], &all[2]["reason"]), (&"keyCompromise".into(), &"certificateHold".into()));
    assert!(all[1]["revoked_at"].is_string() && all[0]["revoked_at"].is_null());
    let text = lab.bulla("ca list acme").ok().text();
    assert_eq!(text.lines().count(), 7);
    assert!(text.lines().nth(1).is_some_and(|line| line.contains("revoked") && line.ends_with("serialNumber=SN-2")));
}

#[test]
fn a_list_shows_what_the_filters_say() {
    let lab = stage();
    let count = |words: &str| lab.list(words).len();
    for (words, wanted) in [
        ("acme/device", 6),
        ("acme/firmware", 1),
        ("acme --profile idevid", 6),
        ("acme --profile firmware", 1),
        ("acme --profile nothing", 0),
        ("acme --identity SN-1", 2),
        ("acme --identity serialNumber=SN-1", 2),
        ("acme --identity SN", 0),
        ("acme --identity signer", 1),
        ("acme --state issued", 4),
        ("acme --state revoked", 2),
        ("acme --state replaced", 1),
        ("acme --state planned", 0),
        ("acme --state expired", 0),
        ("acme --state issued --profile idevid --identity SN-4", 1),
        ("acme --expires-before 9999-01-01", 1),
        ("acme --issued-between 2001-01-01 9999-01-01", 7),
        ("acme --issued-between 2001-01-01 2001-01-02", 0),
        ("acme --limit 0", 0),
        ("acme --limit 3", 3),
    ] {
        assert_eq!(count(words), wanted, "{words}");
    }
    assert_eq!(count(&format!("acme --serial {}", lab.serial("SN-4.pem"))), 1);
    assert_eq!(count("acme --serial 00"), 0);
    for words in ["--state odd", "--limit -1", "--limit x", "--after 7", "--serial xy", "--expires-before soon"] {
        lab.fails_with(&format!("ca list acme {words}"), 2, "usage");
    }
    lab.fails_with("ca list nothing", 1, "not-a-ca");
}

#[test]
fn pages_put_together_are_the_whole_list() {
    let lab = stage();
    let whole = lab.bulla("ca list acme --format json").ok().text();
    for limit in [1, 2, 3, 6, 7, 8] {
        let (mut paged, mut after) = (String::new(), String::new());
        for _ in 0..=7 / limit {
            let page = lab.bulla(&format!("ca list acme --limit {limit} {after} --format json")).ok().text();
            let Some(last) = page.lines().last() else { break };
            let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
            after = format!("--after {}", last["cursor"].as_str().expect("a cursor"));
            paged.push_str(&page);
        }
        assert_eq!(paged, whole, "in pages of {limit}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let lab = stage();
    for words in ["ca list acme", "ca list acme --format json", "ca audit acme"] {
        let script = format!("( sleep 0.2; $bulla {words}; echo $? >code ) | true; cat code");
        let run = lab.shell(&script).ok();
        assert_eq!((run.text().as_str(), run.stderr.as_str()), ("0\n", ""), "{words}");
    }
}

/// The export of the devices' issuer, line by line; the last one is the head.
fn exported(lab: &Lab, ca: &str) -> Vec<String> {
    let text = lab.bulla(&format!("ca audit {ca}/device -o -")).ok().text();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn an_exported_record_holds_without_its_ca() {
    let lab = stage();
    lab.bulla("ca audit acme/device -o kept.jsonl").ok();
    let audit = "ca audit kept.jsonl --issuer";
    let told = lab.told(&format!("{audit} acme/device/issuing.pem"));
    let record = &told["records"][0];
    assert_eq!((&record["lines"], &record["issued"], &record["revoked"]), (&10.into(), &6.into(), &2.into()), "{told}");
    assert_eq!(told["records"], {
        let mut own = lab.holds("acme/device")["records"].clone();
        own[0]["name"] = "kept.jsonl".into();
        own
    });
    // Each line holds the SHA-256 of the one before, as coreutils compute it.
    let lines = exported(&lab, "acme");
    for pair in lines.windows(2) {
        let next: serde_json::Value = serde_json::from_str(&pair[1]).expect("JSON");
        let field = if pair[1].contains("audit-head") { "hash" } else { "previous" };
        assert_eq!(next[field], sha256(&lab, &pair[0]), "{}", pair[1]);
    }
    assert_eq!(lab.does_not_hold("kept.jsonl --issuer acme/firmware/issuing.pem"), "signer");
    lab.bulla(&format!("{audit} acme/device/root.pem")).exits(3);
    lab.fails_with("ca audit kept.jsonl", 2, "usage");
    lab.fails_with("ca audit acme -o out", 2, "usage");
    lab.fails_with("ca audit kept.jsonl --issuer acme/device/issuing.pem -o out", 2, "usage");
}

fn sha256(lab: &Lab, line: &str) -> String {
    lab.write("line", line);
    lab.judge("sha256sum line").ok().text().chars().take(64).collect()
}

#[test]
fn a_changed_export_does_not_hold() {
    let lab = stage();
    lab.bulla("ca init other --name Acme --no-passphrase").ok();
    lab.bulla("enroll SN-1.csr --profile idevid --ca other -o x.pem").ok();
    let lines = exported(&lab, "acme");
    let (head, body) = lines.split_last().expect("a head");
    let their_head = exported(&lab, "other").pop().expect("a head");
    let swapped = |a: usize, b: usize| {
        let mut lines = lines.clone();
        lines.swap(a, b);
        lines
    };
    let cut = [&body[..8], std::slice::from_ref(head)].concat();
    let field = |head: &str, name: &str| {
        let head: serde_json::Value = serde_json::from_str(head).expect("JSON");
        head[name].as_str().map_or_else(|| head[name].to_string(), str::to_owned)
    };
    let with = |head: &str, name: &str, value: &str| head.replace(&field(head, name), value);
    // Count and hash are right for what is left, the signature is not for them.
    let forged = with(head, "hash", &sha256(&lab, &body[8])).replace("\"count\":10", "\"count\":9");
    let forged = [&body[..9], &[forged]].concat();
    // Count and hash are right and the signature is another CA's, under its own name and under ours.
    let theirs = with(head, "signature", &field(&their_head, "signature"));
    let signed = with(&theirs, "signer_spki_sha256", &field(&their_head, "signer_spki_sha256"));
    let with_head = |head: &str| [body, &[head.to_owned()]].concat();
    let changed = |n: usize| {
        let mut lines = lines.clone();
        lines[n] = lines[n].replace("SN-", "SM-").replace("\"time\":\"2", "\"time\":\"3");
        lines
    };
    for (what, lines, code) in [
        ("a changed first line", changed(0), "chain"),
        ("a changed line", changed(3), "chain"),
        ("a changed last line", changed(9), "chain"),
        ("swapped lines", swapped(2, 3), "chain"),
        ("swapped ends", swapped(0, 9), "chain"),
        ("a line too few", [&lines[..3], &lines[4..]].concat(), "chain"),
        ("the first line gone", lines[1..].to_vec(), "chain"),
        ("a line twice", [&lines[..4], &lines[3..]].concat(), "chain"),
        ("the tail cut, the head kept", cut, "count"),
        ("the tail cut with the head", body.to_vec(), "no-head"),
        ("a forged head", forged, "signature"),
        ("the head of another CA", with_head(&their_head), "count"),
        ("signed by another CA", with_head(&signed), "signer"),
        ("signed by another CA in our name", with_head(&theirs), "signature"),
        ("text", vec!["hello".to_owned(), "world".to_owned(), head.clone()], "line"),
        ("nothing", Vec::new(), "no-head"),
    ] {
        assert!(lines != exported(&lab, "acme"), "{what}");
        lab.write("twin.jsonl", lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        let code_found = lab.does_not_hold("twin.jsonl --issuer acme/device/issuing.pem");
        assert_eq!(code_found, code, "{what}");
    }
}

#[test]
fn a_record_continues_the_one_that_was_kept() {
    let lab = stage();
    lab.bulla("ca audit acme/device -o kept.jsonl").ok();
    lab.bulla("ca backup acme -o copy").ok();
    let head = exported(&lab, "acme").pop().expect("a head");
    lab.write("head", &head);
    lab.device("SN-6");
    for kept in ["kept.jsonl", "head"] {
        lab.bulla(&format!("ca audit acme/device --continues {kept} -o next-{kept}")).ok();
    }
    // The records are put back as a whole, and go on to something else: only what was kept elsewhere tells.
    lab.bulla("ca audit acme/device -o later.jsonl").ok();
    lab.bulla("keygen -o 7.key").ok();
    lab.bulla("enroll --key 7.key --serial SN-7 --profile idevid --ca copy -o 7.pem").ok();
    lab.holds("copy/device");
    assert_eq!(lab.does_not_hold("copy/device --continues later.jsonl"), "other");
    lab.bulla("ca audit copy/device --continues kept.jsonl").ok();
    lab.bulla("ca audit acme/firmware -o firmware.jsonl").ok();
    assert_eq!(lab.does_not_hold("acme/device --continues firmware.jsonl"), "signer");
    lab.bulla("ca audit copy/device --continues later.jsonl -o out").exits(3);
    assert!(!lab.has("out"), "what does not hold is not exported");
    lab.write("text", "hello\n");
    lab.fails_with("ca audit acme/device --continues text", 1, "audit-head");
    lab.fails_with("ca audit acme --continues kept.jsonl", 2, "usage");
}

/// Changes to the records, and what the audit calls each.
const TAMPERED: [(&str, &str); 24] = [
    ("UPDATE audit SET line = replace(line, 'SN-4', 'SN-9') WHERE issuer = 'device'", "records"),
    (r#"UPDATE audit SET line = replace(line, '"time":"2', '"time":"3') WHERE issuer = 'device' AND n = 5"#, "chain"),
    ("UPDATE audit SET line = line || ' ' WHERE issuer = 'device' AND n = 10", "chain"),
    ("UPDATE audit SET n = -n WHERE n IN (3, 4); UPDATE audit SET n = 7 + n WHERE n < 0", "chain"),
    ("DELETE FROM audit WHERE issuer = 'device' AND n = 4", "chain"),
    ("DELETE FROM audit WHERE issuer = 'device' AND n = 10", "count"),
    ("INSERT INTO audit SELECT issuer, 11, line FROM audit WHERE issuer = 'device' AND n = 10", "count"),
    ("DELETE FROM audit_head WHERE issuer = 'device'", "no-head"),
    ("UPDATE audit_head SET time = time + 1 WHERE issuer = 'device'", "signature"),
    ("UPDATE audit_head SET signer = zeroblob(32) WHERE issuer = 'device'", "signer"),
    ("UPDATE certificate SET certificate = (SELECT certificate FROM certificate WHERE id = 6) WHERE id = 7", "records"),
    ("UPDATE certificate SET identity = 'serialNumber=SN-9' WHERE id = 7", "records"),
    ("UPDATE certificate SET generation = 2 WHERE id = 7", "records"),
    (
        "UPDATE certificate SET certificate = CAST(substr(certificate, 1, length(certificate) - 1) || x'00' AS BLOB) WHERE id = 7",
        "records",
    ),
    ("UPDATE certificate SET spki_sha256 = zeroblob(32) WHERE id = 7", "records"),
    ("UPDATE certificate SET not_after = 1 WHERE id = 7", "records"),
    ("UPDATE certificate SET renews = x'07' WHERE id = 7", "records"),
    ("UPDATE certificate SET renews = NULL WHERE id = 9", "records"),
    ("DELETE FROM certificate WHERE id = 7", "records"),
    (
        "INSERT INTO certificate SELECT 99, planned_at, issuer, generation, profile, 'new', x'07', x'07', subject,
            not_before, not_after, renews, past, revoked_at, reason, to_be_signed, certificate,
            claim FROM certificate WHERE id = 7",
        "unrecorded",
    ),
    ("UPDATE certificate SET revoked_at = NULL, reason = NULL WHERE id = 4", "records"),
    ("UPDATE certificate SET revoked_at = 1, reason = 4 WHERE id = 7", "records"),
    ("UPDATE certificate SET reason = 4 WHERE id = 4", "records"),
    ("UPDATE certificate SET reason = 9 WHERE id = 5", "records"),
];

#[test]
fn a_change_to_the_records_is_found() {
    let lab = stage();
    for (statements, code) in TAMPERED {
        lab.shell("rm -rf twin && cp -a acme twin").ok();
        lab.holds("twin/device");
        lab.tamper("twin", statements);
        assert_eq!(lab.does_not_hold("twin/device"), code, "{statements}");
    }
    // Whoever cuts the record has to go on from its signed head, and cannot.
    for (statements, code) in TAMPERED.into_iter().filter(|(_, code)| ["count", "no-head"].contains(code)) {
        lab.shell("rm -rf twin && cp -a acme twin").ok();
        lab.tamper("twin", statements);
        let before = lab.does_not_hold("twin/device");
        lab.fails_with("enroll SN-4.csr --profile idevid --ca twin -o out", 1, "ca-damaged");
        assert_eq!((before.as_str(), lab.does_not_hold("twin/device").as_str()), (code, code), "no worse than before");
    }
}

/// Who has the folder can make the CA forget that an identity is taken. It cannot make it look as if it had been free.
#[test]
fn a_second_certificate_for_an_identity_is_found() {
    let lab = stage();
    lab.bulla("keygen -o other.key").ok();
    let other = "enroll --key other.key --serial SN-4 --profile idevid --ca acme -o other.pem";
    lab.fails_with(other, 1, "identity-taken");
    lab.tamper("acme", "UPDATE certificate SET past = id WHERE id = 6");
    lab.bulla(other).ok();
    assert_eq!(lab.does_not_hold("acme/device"), "records");
    // What was renewed, and the renewal revoked, leaves the identity free by right.
    let lab = stage();
    lab.bulla("keygen -o other.key").ok();
    lab.bulla("revoke renewed.pem --reason superseded --ca acme").ok();
    lab.bulla(&other.replace("SN-4", "SN-1")).ok();
    lab.bulla("renew other.pem --key other.key --keep-key --ca acme -o kept.pem").ok();
    lab.holds("acme");
}

#[test]
fn the_record_cannot_be_changed_by_accident() {
    let lab = stage();
    for statements in ["UPDATE audit SET line = ''", "DELETE FROM audit"] {
        let script = "import sqlite3, sys; sqlite3.connect('acme/ca.db').execute(sys.argv[1])";
        let run = lab.run("python3", ["-c", script, statements]).fails();
        assert!(run.stderr.contains("the audit record is append-only"), "{}", run.stderr);
    }
    lab.tamper("acme", "DROP TRIGGER audit_is_never_cut");
    for words in ["ca list acme", "ca audit acme", "enroll SN-1.csr --profile idevid --ca acme -o out"] {
        lab.fails_with(words, 1, "ca-damaged");
    }
}
