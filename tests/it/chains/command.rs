//! The command line of `verify-chain`: exit codes, standard input, the report, and what a refusal says to its reader.

use serde_json::json;

use super::NOW;
use crate::forge::*;
use crate::harness::Lab;

/// A device, its issuer and its root, each in a file.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("leaf.pem", leaf("gw.example", "CA").with(alt_name(&[dns("gw.example")])).pem());
    lab.write("ca.pem", ca("CA", "Root").pem());
    lab.write("root.pem", root("Root").pem());
    lab.write("garbage", "not a certificate");
    lab.write("empty", "");
    lab.bulla("keygen -o dev.key").ok();
    lab.bulla("keygen --public dev.key -o dev.pub").ok();
    lab.bulla("csr dev.key --profile ldevid --cn x -o dev.csr").ok();
    lab
}

#[test]
fn a_question_that_cannot_be_put() {
    let lab = lab();
    for (words, code, message) in [
        ("leaf.pem --trust absent --purpose any", 1, "absent: No such file"),
        ("leaf.pem --trust empty --purpose any", 1, "empty is empty"),
        ("leaf.pem --trust garbage --purpose any", 1, "garbage is text without a PEM block"),
        ("leaf.pem --trust dev.key --purpose any", 1, "dev.key is a private key"),
        ("leaf.pem --trust dev.pub --purpose any", 1, "dev.pub is a public key"),
        ("leaf.pem --trust dev.csr --purpose any", 1, "dev.csr is a certificate request"),
        ("leaf.pem --trust root.pem --trust empty --purpose any", 1, "empty is empty"),
        ("leaf.pem --trust . --purpose any", 1, "."),
        ("absent --trust root.pem --purpose any", 1, "absent: No such file"),
        ("leaf.pem --untrusted absent --trust root.pem --purpose any", 1, "absent: No such file"),
        ("- --trust - --purpose any", 1, "standard input"),
        ("leaf.pem --purpose any", 2, "--trust"),
        ("leaf.pem --trust root.pem", 2, "--purpose"),
        ("--trust root.pem --purpose any", 2, "FILE"),
        ("leaf.pem --trust root.pem --purpose codesign", 2, "codesign"),
        ("leaf.pem --trust root.pem --purpose any --at 2030", 2, "--at"),
        ("leaf.pem --trust root.pem --purpose any --at 2030-02-30T00:00:00Z", 2, "--at"),
        ("leaf.pem --trust root.pem --purpose any --min-rsa 1024", 2, "--min-rsa"),
        ("leaf.pem --trust root.pem --purpose any --min-hash sha1", 2, "--min-hash"),
        ("leaf.pem --trust root.pem --purpose any --max-path-length 256", 2, "--max-path-length"),
        ("leaf.pem --trust root.pem --purpose any --max-path-length -1", 2, ""),
        ("leaf.pem --trust root.pem --purpose any --no-such-flag", 2, "--no-such-flag"),
        ("leaf.pem ca.pem --trust root.pem --purpose any", 2, "ca.pem"),
    ] {
        lab.refuses(&format!("verify-chain {words}"), code, message);
    }
}

#[test]
fn evidence_that_cannot_be_read_is_a_no() {
    let lab = lab();
    lab.write("mixed.pem", [lab.read("leaf.pem"), lab.read("dev.csr")].concat());
    lab.write("cut.pem", &lab.read("leaf.pem")[..200]);
    for words in [
        "garbage --trust root.pem",
        "empty --trust root.pem",
        "dev.key --trust root.pem",
        "dev.csr --trust root.pem",
        "mixed.pem --trust root.pem",
        "cut.pem --trust root.pem",
        "leaf.pem --untrusted garbage --trust root.pem",
        "leaf.pem --untrusted ca.pem --untrusted empty --trust root.pem",
        "leaf.pem --untrusted dev.key --trust root.pem",
    ] {
        let run = lab.bulla(&format!("verify-chain {words} --at {NOW} --purpose any --format json")).exits(3);
        assert_eq!(run.json()["code"], "malformed", "{words}");
    }
}

#[test]
fn certificates_come_in_every_way() {
    let lab = lab();
    let (ends, all) = (["leaf.pem", "ca.pem"], ["leaf.pem", "ca.pem", "root.pem"]);
    lab.write("chain.pem", ends.map(|name| lab.read(name)).concat());
    lab.write("all.pem", all.map(|name| lab.read(name)).concat());
    lab.write("leaf.der", leaf("gw.example", "CA").der());
    lab.write("notes.pem", [b"A device\n".as_slice(), &lab.read("leaf.pem"), b"\nend\n"].concat());
    let rest = format!("--at {NOW} --purpose any");
    for words in [
        "leaf.pem --untrusted ca.pem --trust root.pem",
        "chain.pem --trust root.pem",
        "all.pem --trust root.pem",
        "all.pem --trust ca.pem",
        "leaf.der --untrusted ca.pem --trust root.pem",
        "notes.pem --untrusted all.pem --trust root.pem",
        "leaf.pem --untrusted leaf.pem --untrusted root.pem --untrusted ca.pem --trust all.pem",
        "leaf.pem --trust ca.pem --trust root.pem",
    ] {
        lab.bulla(&format!("verify-chain {words} {rest}")).ok();
    }
    for script in [
        "cat chain.pem | $bulla verify-chain - --trust root.pem",
        "cat leaf.der | $bulla verify-chain - --untrusted ca.pem --trust root.pem",
        "cat ca.pem | $bulla verify-chain leaf.pem --untrusted - --trust root.pem",
        "cat root.pem | $bulla verify-chain chain.pem --trust -",
    ] {
        lab.shell(&format!("{script} {rest}")).ok();
    }
}

#[test]
fn a_report_has_these_fields() {
    let lab = lab();
    let words = format!("verify-chain leaf.pem --untrusted ca.pem --trust root.pem --at {NOW} --format json");
    let told = lab.bulla(&format!("{words} --purpose tls-server --name gw.example")).ok().json();
    let digest = |name: &str| {
        let shown = lab.judge(&format!("openssl x509 -in {name} -noout -fingerprint -sha256")).ok().text();
        shown.trim().split('=').nth(1).expect("a fingerprint").replace(':', "").to_lowercase()
    };
    let chain = json!([
        {"subject": "CN=gw.example", "sha256": digest("leaf.pem")},
        {"subject": "CN=CA", "sha256": digest("ca.pem")},
        {"subject": "CN=Root", "sha256": digest("root.pem")},
    ]);
    for (field, value) in [
        ("schema", json!("bulla.verify-chain/1")),
        ("verdict", json!("good")),
        ("file", json!("leaf.pem")),
        ("subject", json!("CN=gw.example")),
        ("purpose", json!("tls-server")),
        ("at", json!(NOW)),
        ("chain", chain),
    ] {
        assert_eq!(told[field], value, "{field}: {told}");
    }
    assert!(told["name"].as_str().is_some_and(|name| name.contains("gw.example")), "{told}");
    let told = lab.bulla(&format!("{words} --purpose firmware")).exits(3).json();
    for (field, value) in [
        ("schema", json!("bulla.verify-chain/1")),
        ("verdict", json!("bad")),
        ("file", json!("leaf.pem")),
        ("code", json!("purpose")),
    ] {
        assert_eq!(told[field], value, "{field}: {told}");
    }
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("CN=gw.example")), "{told}");
}

#[test]
fn strength_can_be_raised() {
    let lab = lab();
    lab.shell(
        "set -e
        openssl req -x509 -newkey rsa:3072 -nodes -keyout r.key -subj /CN=R -days 300 -sha384 -out rsa.pem \
            -addext keyUsage=critical,keyCertSign 2>/dev/null
        openssl req -newkey rsa:2048 -nodes -keyout l.key -subj /CN=L -out l.csr 2>/dev/null
        printf 'authorityKeyIdentifier=keyid\n' >ext
        openssl x509 -req -in l.csr -CA rsa.pem -CAkey r.key -set_serial 7 -days 200 -sha256 -extfile ext -out l.pem",
    )
    .ok();
    let ask =
        |flags: &str| lab.bulla(&format!("verify-chain l.pem --trust rsa.pem --purpose any {flags} --format json"));
    for flags in ["", "--min-rsa 2048", "--min-hash sha256"] {
        ask(flags).ok();
    }
    for (flags, code) in [
        ("--min-rsa 2049", "certificate-key"),
        ("--min-rsa 3072", "certificate-key"),
        ("--min-hash sha384", "certificate-algorithm"),
        ("--min-hash sha512", "certificate-algorithm"),
    ] {
        assert_eq!(ask(flags).exits(3).json()["code"], code, "{flags}");
    }
}

#[test]
fn a_usual_mistake_is_called_what_it_is() {
    let lab = Lab::new();
    let device = leaf("device", "CA").with(extended_key_usage(&[CLIENT])).with(alt_name(&[dns("gw.example")]));
    let (issuing, top) = (ca("CA", "Root"), root("Root"));
    let over = |each: &Forged| each.clone().valid("200101000000Z", "210101000000Z");
    let same_name = |key_of: &str| Forged { public_key: public_key(key_of), ..root("Root") };
    for (mistake, flags, leaf, untrusted, trust, words) in [
        (
            "the wrong root",
            "any",
            &device,
            vec![issuing.clone()],
            root("Other"),
            "no trusted certificate issued CN=CA; its issuer, CN=Root, is missing",
        ),
        (
            "a root made anew",
            "any",
            &device,
            vec![issuing.clone()],
            same_name("New").with(subject_key("New")),
            "CN=CA names another key of its issuer",
        ),
        (
            "the intermediate forgotten",
            "any",
            &device,
            vec![],
            top.clone(),
            "no trusted certificate issued CN=device; its issuer, CN=CA, is missing",
        ),
        (
            "an intermediate over",
            "any",
            &device,
            vec![over(&issuing)],
            top.clone(),
            "CN=CA expired 2021-01-01T00:00:00Z",
        ),
        (
            "an intermediate over, and the root forgotten",
            "any",
            &device,
            vec![over(&issuing), issuing.clone()],
            root("Other"),
            "its issuer, CN=Root, is missing",
        ),
        (
            "the wrong purpose",
            "tls-server",
            &device,
            vec![issuing.clone()],
            top.clone(),
            "CN=device is not for purpose tls-server: extKeyUsage lacks serverAuth",
        ),
        (
            "the wrong host",
            "tls-client --name gw.test",
            &device,
            vec![issuing.clone()],
            top.clone(),
            "CN=device is not for dns gw.test: its subjectAltName has other names",
        ),
        (
            "a clock of 1970",
            "any --at 1970-01-01T00:00:00Z",
            &device,
            vec![issuing.clone()],
            top.clone(),
            "the clock says 1970-01-01T00:00:00Z",
        ),
        (
            "a clock of 2106",
            "any --at 2106-02-07T06:28:15Z",
            &device,
            vec![issuing.clone()],
            top.clone(),
            "the clock says 2106-02-07T06:28:15Z",
        ),
        (
            "a root for itself",
            "any",
            &top,
            vec![],
            top.clone(),
            "the chain ends in CN=Root, which names itself as issuer",
        ),
        (
            "a chain longer than asked",
            "any --max-path-length 0",
            &device,
            vec![issuing.clone()],
            top.clone(),
            "CN=device may have 0 CAs between it and a trusted one, and has 1",
        ),
    ] {
        lab.write("leaf.pem", leaf.pem());
        lab.write("untrusted.pem", bundle(untrusted.iter().chain([&device])));
        lab.write("trust.pem", trust.pem());
        let at = if flags.contains("--at") { String::new() } else { format!("--at {NOW}") };
        let run = lab.bulla(&format!(
            "verify-chain leaf.pem --untrusted untrusted.pem --trust trust.pem {at} --purpose {flags}"
        ));
        let text = run.exits(3).text();
        assert!(text.lines().count() == 1 && text.contains(words), "{mistake}: {text}");
    }
}
