//! Hostile documents: no panic, no long work, no raw control character, whatever the bytes are.

use std::time::{Duration, Instant};

use bulla::cms::SignedData;
use bulla::files::{Document, Kind, documents};
use bulla::key::{Hash, KeyFile, PrivateKey, PublicKey, Recipient};
use bulla::x509::ocsp::Answer;
use bulla::x509::{Certificate, CertificateList, Profile, Request, lint};

use crate::harness::{Lab, Run};

/// The longest that a reader may take for one document.
const PATIENCE: Duration = Duration::from_secs(1);

/// A document of each kind, in DER.
fn specimens(lab: &Lab) -> Vec<(&'static str, Vec<u8>)> {
    lab.write("app.bin", "firmware");
    lab.copy("revoked.crl", "ca.crl");
    for words in [
        "keygen -o dev.key --encoding der",
        "keygen -o ed.key --type ed25519 --encoding der",
        "keygen -o x.key --type x25519 --encoding der",
        "keygen --public dev.key -o dev.pub --encoding der",
        "keygen --public x.key -o x.pub --encoding der",
        "csr dev.key --profile tls-server --cn AAAAAAAA --dns gw.example --ip 192.0.2.1 -o dev.csr --encoding der",
        "enroll dev.csr --profile tls-server --ca acme -o dev.pem",
        "sign app.bin --as cms --key fw.key --cert fw.pem -o app.p7s",
    ] {
        lab.bulla(words).ok();
    }
    let pem = |name: &str| documents(&lab.read(name), name.as_ref(), "a document").expect("PEM")[0].der.to_vec();
    vec![
        ("key", lab.read("dev.key")),
        ("ed25519 key", lab.read("ed.key")),
        ("x25519 key", lab.read("x.key")),
        ("public key", lab.read("dev.pub")),
        ("x25519 public key", lab.read("x.pub")),
        ("request", lab.read("dev.csr")),
        ("certificate", pem("dev.pem")),
        ("list", pem("ca.crl")),
        ("message", lab.read("app.p7s")),
    ]
}

/// Reads bytes as every command would, and looks into what comes of it.
fn read(bytes: &[u8]) {
    let started = Instant::now();
    for document in documents(bytes, "hostile".as_ref(), "a document").unwrap_or_default() {
        read_document(document);
    }
    assert!(started.elapsed() < PATIENCE, "{:?} for {} bytes", started.elapsed(), bytes.len());
}

fn read_document(document: Document) {
    match document.kind {
        Kind::Certificate => {
            if let Ok(certificate) = Certificate::from_der(&document.der) {
                let _ = (certificate.subject().to_string(), certificate.scheme(), certificate.alt_names());
                let _ = (certificate.basic_constraints(), certificate.key_usage(), certificate.extended_key_usage());
                let _ = (certificate.authority_key_identifier(), certificate.subject_key_identifier());
                let _ = Profile::built_in().iter().filter(|profile| profile.check(&certificate).is_ok()).count();
                let _ = (
                    lint::of_certificates(std::slice::from_ref(&certificate)),
                    lint::shared_roots(std::slice::from_ref(&certificate)),
                );
                for extension in certificate.extensions() {
                    let _ = (extension.policies(), extension.crl_urls(), extension.access_urls());
                }
                let _ = certificate.public_key().map(|key| certificate.is_signed_by(&key));
            }
        }
        Kind::Request => {
            let _ = Request::from_der(&document.der).map(|request| (request.alt_names(), request.prove()));
        }
        Kind::Crl => drop(CertificateList::from_der(&document.der)),
        Kind::OcspResponse => {
            if let Ok(Answer::Response(response)) = Answer::from_der(&document.der) {
                let _ = (response.scheme(), response.certificates.iter().any(|each| response.responder.names(each)));
            }
        }
        Kind::Cms => {
            let message = SignedData::from_bytes(&document.der);
            for signer in message.iter().flat_map(|message| &message.signers) {
                let _ = (signer.digest_hash(), signer.signing_time(), signer.scheme(Hash::Sha256));
            }
        }
        Kind::PublicKey | Kind::Pkcs1PublicKey => {
            let path = "hostile".as_ref();
            let _ = (PublicKey::from_document(&document, path), Recipient::from_document(&document, path));
        }
        _ => drop(KeyFile::from_document(document).open_any(None).map(PrivateKey::into_decrypter)),
    }
}

/// Numbers that look random and are the same in every run (xorshift64, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("below a usize")
    }
}

/// What an attacker makes of a good document.
fn mutations(der: &[u8]) -> Vec<Vec<u8>> {
    let mut made: Vec<Vec<u8>> = (0..der.len()).map(|length| der[..length].to_vec()).collect();
    made.push([der, der].concat());
    let mut dice = Dice(0x0062_756c_6c61);
    for index in 0..der.len() {
        // Every octet once: a bit of it flipped, and the whole of it made one of the values that parsers trip over.
        let mut flipped = der.to_vec();
        flipped[index] ^= 1 << dice.below(8);
        made.push(flipped);
        let mut replaced = der.to_vec();
        replaced[index] = [0x00, 0x7f, 0x80, 0x81, 0x84, 0xff, 0x30, 0x1f][dice.below(8)];
        made.push(replaced);
    }
    for _ in 0..200 {
        let (from, length) = (dice.below(der.len()), dice.below(64));
        let until = (from + length).min(der.len());
        made.push([&der[..from], &der[until..]].concat());
        made.push([&der[..until], &der[from..]].concat());
    }
    made
}

/// Structures that no good document resembles.
fn monsters() -> Vec<(&'static str, Vec<u8>)> {
    const DEPTH: usize = 100_000;
    let nested = |unit: &[u8]| unit.repeat(DEPTH);
    // Definite lengths that fit: each header is six octets, and holds those inside it.
    let definite = (0..DEPTH as u32).rev().flat_map(|inside| {
        let [a, b, c, d] = (inside * 6).to_be_bytes();
        [0x30, 0x84, a, b, c, d]
    });
    let oid = [&[0x30, 0x82, 0xff, 0xff, 0x06, 0x82, 0xff, 0xfb][..], &[0xff; 65531]].concat();
    vec![
        ("indefinite nesting", nested(&[0x30, 0x80])),
        ("indefinite nesting in a message", [&MESSAGE_HEAD[..], &nested(&[0xa0, 0x80])].concat()),
        ("octet strings in octet strings", [&MESSAGE_HEAD[..], &nested(&[0x24, 0x80])].concat()),
        ("definite nesting", definite.collect()),
        ("a length of 4 GiB", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02, 0x01, 0x00]),
        ("a length of 2^64", vec![0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("a length of 127 octets", [&[0x30, 0xff][..], &[0xff; 127]].concat()),
        ("an endless OID", oid),
        ("an endless tag", [&[0x3f][..], &[0xff; 4096]].concat()),
        ("a million empty sequences", [0x30, 0x00].repeat(1_000_000)),
        ("a million empty members", [&[0x30, 0x83, 0x1e, 0x84, 0x80][..], &[0x30, 0x00].repeat(1_000_000)].concat()),
        ("a million lines", "-----BEGIN CERTIFICATE-----\n".repeat(1_000_000 / 28).into_bytes()),
        ("many small blocks", "-----BEGIN X-----\nAA==\n-----END X-----\n".repeat(20_000).into_bytes()),
        (
            "a label with escapes",
            b"-----BEGIN \x1b[2J\xe2\x80\xae-----\nAA==\n-----END \x1b[2J\xe2\x80\xae-----\n".to_vec(),
        ),
    ]
}

/// The start of a BER ContentInfo of type signedData.
const MESSAGE_HEAD: [u8; 15] =
    [0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, 0xa0, 0x80];

impl Lab {
    /// Inspects a file both ways, and asserts that nothing worse than an error comes of it.
    #[track_caller]
    fn survives(&self, name: &str, bytes: &[u8]) -> [Run; 2] {
        self.write("hostile", bytes);
        ["text", "json"].map(|format| {
            let started = Instant::now();
            let run = self.bulla(&format!("inspect hostile --format {format}"));
            // With the start of a process, on a machine that is busy with other tests.
            assert!(started.elapsed() < 5 * PATIENCE, "{name} took {:?}", started.elapsed());
            assert!(matches!(run.code, Some(0 | 1)), "{name}: {:?} {}", run.code, run.stderr);
            let raw = |text: &str| {
                text.chars().any(|c| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{200b}".contains(c))
            };
            assert!(
                !raw(&run.text()) && !raw(&run.stderr),
                "{name} reaches the terminal raw:\n{}{}",
                run.text(),
                run.stderr
            );
            run
        })
    }
}

#[test]
fn no_mutation_of_a_document_panics_a_reader() {
    let lab = Lab::with_ca();
    for (_, der) in specimens(&lab) {
        read(&der);
        for mutation in mutations(&der) {
            read(&mutation);
        }
    }
}

#[test]
fn no_mutation_of_a_pem_file_panics_a_reader() {
    let lab = Lab::with_ca();
    for mutation in mutations(&lab.read("fw.key")).into_iter().chain(mutations(&lab.read("acme/device/root.pem"))) {
        read(&mutation);
    }
}

#[test]
fn inspect_survives_a_sample_of_every_mutation() {
    let lab = Lab::with_ca();
    for (name, der) in specimens(&lab) {
        for mutation in mutations(&der).iter().step_by(97) {
            lab.survives(name, mutation);
        }
    }
}

/// Reads a text as a profile, and looks into what comes of it.
fn read_profile(text: &[u8]) {
    let started = Instant::now();
    if let Ok(profile) = Profile::parse(text, "hostile.toml".as_ref()) {
        let _ = (lint::of_profile(&profile), profile.to_toml(), profile.digest());
    }
    assert!(started.elapsed() < PATIENCE, "{:?} for {} bytes", started.elapsed(), text.len());
}

#[test]
fn no_mutation_of_a_profile_panics_the_reader() {
    let own =
        Profile::built_in_toml("matter-dac").expect("built in").replace("name = \"matter-dac\"", "name = \"own\"");
    for mutation in mutations(own.as_bytes()) {
        read_profile(&mutation);
    }
    const ROOM: usize = 60_000;
    let head = "schema = \"bulla.profile/1\"\nname = \"own\"\nextends = \"idevid\"\n";
    for monster in [
        "[".repeat(ROOM),
        "x = ".to_owned() + &"[".repeat(ROOM),
        "x = ".to_owned() + &"{a=".repeat(ROOM / 3),
        "a.".repeat(ROOM / 2) + "a = 1",
        format!("[{}a]", "a.".repeat(ROOM / 2 - 2)),
        "[[a]]\n".repeat(ROOM / 6),
        format!("summary = \"{}\"", "\u{202e}\u{7f}".repeat(ROOM / 5)),
        format!("[variables]\nx = {{ type = \"text\", one-of = [{}] }}", "\"a\",".repeat(ROOM / 4)),
        format!("subject = [{{ attribute = \"CN\", value = \"{}\" }}]", "{a}-".repeat(250)),
        "validity = 99999999999999999999d".to_owned(),
    ] {
        read_profile(format!("{head}{monster}").as_bytes());
    }
}

#[test]
fn a_profile_reaches_no_terminal_raw() {
    let lab = Lab::new();
    lab.bulla("keygen -o dev.key").ok();
    for evil in ["\\u001b[2J", "\u{202e}", "\\u0007\\u202e"] {
        let head = "schema = \"bulla.profile/1\"\nname = \"own\"\nextends = \"idevid\"\n";
        for text in [
            format!("summary = \"{evil}\""),
            format!("\"{evil}\" = 1"),
            format!("key-usage = [\"{evil}\"]"),
            format!("subject = [{{ attribute = \"serialNumber\", value = \"{evil}\" }}]"),
            format!("subject = [{{ attribute = \"serialNumber\", value = \"{{{evil}}}\" }}]"),
            format!("crl-urls = [\"http://{evil}\"]"),
            format!("[variables]\n\"{evil}\" = {{ type = \"text\" }}"),
            format!("[variables]\nx = {{ type = \"text\", one-of = [\"{evil}\"] }}"),
            format!("extends = \"{evil}\""),
        ] {
            let text = if text.starts_with("extends") {
                head.replace("extends = \"idevid\"", &text)
            } else {
                format!("{head}{text}")
            };
            lab.write("own.toml", text);
            for words in
                ["show own.toml", "lint own.toml", "show own.toml --format json", "lint own.toml --format json"]
            {
                let run = lab.bulla(&format!("profile {words}"));
                let raw = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
                assert!(!raw(&run.text()) && !raw(&run.stderr), "{words}:\n{}{}", run.text(), run.stderr);
            }
            let run = lab.bulla("csr dev.key --profile own.toml --serial 7 -o - --set x=7");
            assert!(!run.stderr.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{}", run.stderr);
        }
    }
}

#[test]
fn inspect_survives_monsters() {
    let lab = Lab::new();
    for (name, bytes) in monsters() {
        for run in lab.survives(name, &bytes) {
            run.exits(1);
        }
        // As PEM the promise of a label is believed until the content is read.
        for kind in [
            Kind::Certificate,
            Kind::Request,
            Kind::Crl,
            Kind::OcspResponse,
            Kind::Cms,
            Kind::Pkcs8Key,
            Kind::PublicKey,
        ] {
            lab.survives(name, Document::to_pem(kind, &bytes).as_bytes());
        }
    }
}

#[test]
fn every_command_survives_monsters() {
    let lab = Lab::with_ca();
    lab.write("app.bin", "firmware");
    for (name, bytes) in monsters() {
        lab.write("hostile", &bytes);
        for (words, code) in [
            ("csr hostile --profile idevid --serial 1 -o out", 1),
            ("enroll hostile --profile idevid --ca acme -o out", 1),
            ("sign app.bin --as cms --key fw.key --cert hostile -o out", 1),
            ("verify app.bin --as cms --signature hostile --trust acme/firmware/root.pem -o out", 3),
            ("verify hostile --as cms --trust acme/firmware/root.pem -o out", 3),
            ("verify app.bin --as raw --signature hostile --cert fw.pem -o out", 3),
        ] {
            let started = Instant::now();
            let run = lab.bulla(words).exits(code);
            assert!(started.elapsed() < PATIENCE, "{name}: {words}");
            assert!(!(run.text() + &run.stderr).contains('\x1b'), "{name}: {words}");
            assert!(!lab.has("out"));
        }
    }
}

#[test]
fn names_from_a_document_reach_no_terminal_raw() {
    let lab = Lab::with_ca();
    for (name, der) in specimens(&lab) {
        for evil in [
            &b"\x1b[2J\x07\x00AA"[..],
            b"\xe2\x80\xaeAAAAA",
            b"\xe2\x80\x8bAAAAA",
            b"\xe2\x81\xa6AAAAA",
            b"\xc2\x9b31mAAA",
            b"\r\n\tAAAAA",
        ] {
            let mut changed = der.clone();
            let places: Vec<usize> =
                (0..der.len().saturating_sub(8)).filter(|at| der[*at..*at + 8] == *b"AAAAAAAA").collect();
            for at in &places {
                changed[*at..*at + 8].copy_from_slice(evil);
            }
            assert_eq!(places.is_empty(), !matches!(name, "request" | "certificate"), "{name}");
            if !places.is_empty() {
                lab.survives(name, &changed)[0].text();
            }
        }
    }
}

#[test]
fn a_key_that_asks_for_too_much_work_is_refused_at_once() {
    let lab = Lab::new();
    lab.write("pass", "secret");
    lab.bulla("keygen --passphrase-from file:pass --encoding der -o slow.key").ok();
    let mut key = lab.read("slow.key");
    // N = 16384, r = 8, p = 1 (RFC 7914 section 7), of which p becomes 127.
    let parameters = [0x02, 0x02, 0x40, 0x00, 0x02, 0x01, 0x08, 0x02, 0x01, 0x01];
    let at = key.windows(parameters.len()).position(|window| window == parameters).expect("scrypt's parameters");
    key[at + 9] = 127;
    lab.write("slow.key", key);
    let started = Instant::now();
    lab.refuses("keygen --public slow.key --passphrase-from file:pass -o out", 1, "encryption is not supported");
    assert!(started.elapsed() < PATIENCE);
}

/// A list of a size that public CAs have, in JSON: its entries are written one by one, never held.
#[test]
fn a_long_list_is_told_whole_in_bounded_memory() {
    const COUNT: u32 = 200_000;
    let short = |tag: u8, content: &[u8]| [&[tag, content.len() as u8][..], content].concat();
    let long = |content: &[u8]| [&[0x30, 0x83][..], &(content.len() as u32).to_be_bytes()[1..], content].concat();
    let date = short(0x17, b"260101000000Z");
    let entry = |number: u32| short(0x30, &[short(0x02, &(number | 1 << 30).to_be_bytes()), date.clone()].concat());
    // ecdsa-with-SHA256 (RFC 5758 section 3.2), an issuer without a name, and a signature that nobody checks.
    let algorithm = short(0x30, &short(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));
    let entries: Vec<u8> = (0..COUNT).flat_map(entry).collect();
    let list = [&short(0x02, &[1])[..], &algorithm, &[0x30, 0x00], &date, &date, &long(&entries)].concat();
    let list = [&long(&list)[..], &algorithm, &short(0x03, &[0, 0])].concat();
    let lab = Lab::new();
    lab.write("long.crl", long(&list));
    let told = lab.shell("ulimit -v 131072; exec $bulla inspect long.crl --format json").ok().text();
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let revoked = told["documents"][0]["revoked"].as_array().expect("a list");
    assert_eq!(revoked.len(), COUNT as usize);
    assert_eq!(revoked[0x1234]["serial"], "40:00:12:34");
    lab.bulla("inspect long.crl").ok();
}
