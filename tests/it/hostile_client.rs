//! `bulla ca serve` under clients that do everything wrong: each is refused or cut off within a bound, the log says so, and an
//! honest client is served on meanwhile.

use std::time::{Duration, Instant};

use crate::harness::Lab;
use crate::serving::{Raw, Serving};

/// Longest that an honest client waits while others misbehave.
const PATIENCE: Duration = Duration::from_secs(2);

/// When a connection that says too little is cut off: ten seconds by the server's limit, and a busy machine.
const CUT: Duration = Duration::from_secs(20);

const ENROLL: &str = "POST /.well-known/est/simpleenroll";
const PKCS10: &str = "Content-Type: application/pkcs10\r\n";

fn token(lab: &Lab, words: &str) -> String {
    let run = lab.bulla(&format!("ca token new acme {words}")).ok();
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}

/// A CA that serves idevid, keys and requests, and an honest client that is asked for its health.
fn scene() -> (Lab, Serving) {
    let lab = Lab::new();
    lab.bulla("ca init acme --name Acme --no-passphrase").ok();
    for (device, profile) in [("a", "idevid"), ("b", "idevid"), ("c", "ldevid")] {
        lab.bulla(&format!("keygen -o {device}.key")).ok();
        lab.bulla(&format!("csr {device}.key --profile {profile} --serial SN-{device} -o {device}.csr")).ok();
        lab.shell(&format!("openssl req -in {device}.csr -outform DER | base64 -w0 >{device}.b64")).ok();
    }
    let serving = Serving::start(&lab, "--serve-profile idevid --serve-profile ldevid");
    (lab, serving)
}

fn is_well(lab: &Lab, serving: &Serving) {
    let started = Instant::now();
    let (status, _) = serving.connect(lab).ask("GET /healthz", "", b"");
    assert_eq!(status, 200);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

/// A name, the request's line, its fields, its body, and the status codes that may answer it.
type Case<'a> = (&'a str, &'a str, String, Vec<u8>, &'a [u16]);

fn bearer(token: &str) -> String {
    format!("{PKCS10}Authorization: Bearer {token}\r\n")
}

#[test]
fn what_is_no_request_is_refused_in_words() {
    let (lab, serving) = scene();
    let good = token(&lab, "--device SN-a --flow est --profile idevid --ttl 1h");
    let auth = bearer(&good);
    let csr = lab.read("a.b64");
    let bent = {
        // Another key's signature: the last octets of the request are those of another.
        let script = "openssl req -in a.csr -outform DER >a.der; openssl req -in b.csr -outform DER >b.der;
                      (head -c -8 a.der; tail -c 8 b.der) | base64 -w0";
        lab.shell(script).ok().stdout
    };
    let large = vec![b'A'; 700 << 10];
    let deep =
        lab.shell("python3 -c \"import base64; print(base64.b64encode(b'\\x30\\x80'*50000).decode())\"").ok().stdout;
    let cases: Vec<Case> = vec![
        ("no base64", ENROLL, auth.clone(), b"!!!!".to_vec(), &[400]),
        ("no request", ENROLL, auth.clone(), b"AAAAAAAA".to_vec(), &[400]),
        ("nothing", ENROLL, auth.clone(), Vec::new(), &[400]),
        ("nested without end", ENROLL, auth.clone(), deep, &[400]),
        ("signed by another key", ENROLL, auth.clone(), bent, &[400]),
        ("too large", ENROLL, auth.clone(), large, &[413]),
        ("another media type", ENROLL, auth.replace("application/pkcs10", "text/html"), csr.clone(), &[415]),
        ("another method", "DELETE /.well-known/est/simpleenroll", auth.clone(), csr.clone(), &[405]),
        ("get what is posted", "GET /.well-known/est/simpleenroll", auth.clone(), Vec::new(), &[405]),
        ("no such operation", "POST /.well-known/est/fullcmc", auth.clone(), csr.clone(), &[404, 501]),
        ("no such label", "POST /.well-known/est/firmware/simpleenroll", auth.clone(), csr.clone(), &[403, 404]),
        ("a path up", "GET /.well-known/est/../../ca.json", String::new(), Vec::new(), &[400, 404]),
        ("a path up, escaped", "GET /crl/%2e%2e%2fdevice%2fissuing.key", String::new(), Vec::new(), &[404]),
        ("another list", "GET /crl/../device.crl", String::new(), Vec::new(), &[404]),
        ("no credential", ENROLL, PKCS10.to_owned(), csr.clone(), &[401]),
        (
            "a credential of no sense",
            ENROLL,
            format!("{PKCS10}Authorization: Basic ####\r\n"),
            csr.clone(),
            &[400, 401],
        ),
        ("an unknown token", ENROLL, bearer(&"0".repeat(40)), csr.clone(), &[401]),
        ("two credentials", ENROLL, format!("{auth}Authorization: Bearer x\r\n"), csr.clone(), &[400]),
        (
            "a token with another user",
            ENROLL,
            format!("{PKCS10}Authorization: Basic {}\r\n", basic(&lab, "SN-b", &good)),
            csr,
            &[401],
        ),
    ];
    assert!(cases.len() >= 15);
    for (name, line, fields, body, statuses) in cases {
        let started = Instant::now();
        let (status, said) = serving.connect(&lab).ask(line, &fields, &body);
        assert!(statuses.contains(&status), "{name}: {status} {said}");
        assert!(started.elapsed() < PATIENCE, "{name}: {:?}", started.elapsed());
        assert!(said.len() < 512 && !said.contains(&good), "{name}: {said}");
        let path = line.split(' ').nth(1).unwrap();
        serving.logs(|line| line["target"] == path && line["status"] == status);
        is_well(&lab, &serving);
    }
    assert!(!serving.log().contains(&good), "the log has a token");
    // None of them used the token.
    let (status, _) = serving.connect(&lab).ask(ENROLL, &auth, &lab.read("a.b64"));
    assert_eq!(status, 200);
}

fn basic(lab: &Lab, user: &str, password: &str) -> String {
    let run = lab.shell(&format!("printf %s '{user}:{password}' | base64 -w0")).ok();
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn a_token_serves_one_device_one_flow_one_profile() {
    let (lab, serving) = scene();
    let a = token(&lab, "--device SN-a --flow est --profile idevid --ttl 1h --uses 1");
    let (csr_a, csr_b, csr_c) = (lab.read("a.b64"), lab.read("b.b64"), lab.read("c.b64"));
    let enroll = |label: &str, token: &str, csr: &[u8]| {
        let line = format!("POST /.well-known/est/{label}/simpleenroll");
        serving.connect(&lab).ask(&line, &bearer(token), csr)
    };
    let (status, said) = enroll("idevid", &a, &csr_b);
    assert_eq!(status, 403, "another device: {said}");
    let (status, said) = enroll("ldevid", &a, &csr_a);
    assert_eq!(status, 403, "another profile: {said}");
    let (status, first) = enroll("idevid", &a, &csr_a);
    assert_eq!(status, 200, "{first}");
    // The same request again is the same issuance; another key is another use.
    assert_eq!(enroll("idevid", &a, &csr_a), (200, first));
    lab.bulla("keygen -o a2.key").ok();
    lab.bulla("csr a2.key --profile idevid --serial SN-a -o a2.csr").ok();
    let again = lab.shell("openssl req -in a2.csr -outform DER | base64 -w0").ok().stdout;
    let (status, said) = enroll("idevid", &a, &again);
    assert_eq!(status, 403, "a second use: {said}");
    let c = token(&lab, "--device SN-c --flow est --profile ldevid --ttl 1h --uses 1");
    let listed = String::from_utf8(lab.bulla("ca token list acme --format json").ok().stdout).unwrap();
    let mut tokens = listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let id = tokens.find(|token| token["profile"] == "ldevid").unwrap()["id"].clone();
    lab.bulla(&format!("ca token revoke acme {}", id.as_str().unwrap())).ok();
    let (status, said) = enroll("ldevid", &c, &csr_c);
    assert_eq!(status, 403, "taken back: {said}");
}

#[test]
fn slow_clients_are_cut_off_and_nobody_waits_for_them() {
    let (lab, serving) = scene();
    let start = |bytes: &[u8]| {
        let mut raw = serving.connect(&lab);
        assert!(raw.send(bytes));
        raw
    };
    let idle: Vec<Raw> = (0..200).map(|_| start(b"")).collect();
    is_well(&lab, &serving);
    drop(idle);
    let slow = [
        ("nothing", start(b"")),
        ("half a header", start(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: ")),
        (
            "half a body",
            start(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkcs10\r\nContent-Length: 1000\r\n\r\nMIIB"),
        ),
    ];
    is_well(&lab, &serving);
    for (name, mut raw) in slow {
        let after = raw.is_closed_after();
        assert!(after.is_some_and(|after| after < CUT * 2), "{name}: {after:?}");
    }
    // Without a handshake at all.
    let mut bare = std::net::TcpStream::connect(serving.address).unwrap();
    bare.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let started = Instant::now();
    let _ = std::io::Read::read(&mut bare, &mut [0; 16]);
    assert!(started.elapsed() < CUT, "no handshake: {:?}", started.elapsed());
    is_well(&lab, &serving);
}

#[test]
fn headers_without_end_are_refused() {
    let (lab, serving) = scene();
    for (name, piece) in [("many fields", &b"X-More: more\r\n"[..]), ("one field", &[b'x'; 1024])] {
        let mut raw = serving.connect(&lab);
        raw.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-First: ");
        let mut sent = 0;
        while sent < (1 << 20) && raw.send(piece) {
            sent += piece.len();
        }
        let answer = raw.answer();
        assert!(answer.as_ref().is_none_or(|(status, _)| [400, 413, 431].contains(status)), "{name}: {answer:?}");
        is_well(&lab, &serving);
    }
}

#[test]
fn what_is_no_tls_does_not_stop_the_server() {
    let (lab, serving) = scene();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], &[0x16, 3, 1, 0xff, 0xff], &[0; 1]] {
        let mut stream = std::net::TcpStream::connect(serving.address).unwrap();
        let _ = std::io::Write::write_all(&mut stream, bytes);
        drop(stream);
        is_well(&lab, &serving);
    }
    assert_eq!(serving.stop(), Some(0));
}
