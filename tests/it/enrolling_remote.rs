//! `enroll` and `renew` at a CA's server: a double that issues by a CA of ours, and misbehaves by a script.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulla::cms::certs_only;
use bulla::files::{from_base64, to_base64};
use bulla::key::{KeyFile, KeyRef};
use bulla::net::{ClientAuth, Identity, Limits, Method, Peer, Request, Response, Server, Service, Stopper};
use bulla::x509::{Certificate, Chain, read_certificates};

use crate::harness::{Lab, Run};

const CERTS_ONLY: &str = "application/pkcs7-mime; smime-type=certs-only";

/// What the double answers; `None` is what an honest server would.
type Script = Box<dyn Fn(&Request) -> Option<Response> + Send + Sync>;

/// A server of EST in this process.
struct Double {
    port: u16,
    service: Arc<Play>,
    stopper: Stopper,
}

struct Play {
    lab: Arc<Lab>,
    script: Mutex<Script>,
    heard: Mutex<Vec<Heard>>,
}

/// What the double was asked.
#[derive(Clone)]
struct Heard {
    operation: String,
    authorization: Option<String>,
    body: Vec<u8>,
    client: Option<Certificate>,
}

impl Service for Play {
    fn respond(&self, request: &Request, peer: &Peer) -> Response {
        let operation = request.target.rsplit('/').next().unwrap_or_default().to_owned();
        self.heard.lock().expect("a lock").push(Heard {
            operation: operation.clone(),
            authorization: request.headers.get("Authorization").map(str::to_owned),
            body: request.body.to_vec(),
            client: peer.certificates.first().cloned(),
        });
        if let Some(answer) = (self.script.lock().expect("a lock"))(request) {
            return answer;
        }
        match (request.method, operation.as_str()) {
            (Method::Get, "cacerts") => certificates(&self.lab.ca_certificates()),
            (Method::Get, "csrattrs") => Response::new(204),
            (Method::Post, _) => certificates(&[self.lab.issued_for(&request.body)]),
            (Method::Get, _) => Response::new(404),
        }
    }
}

impl Double {
    fn new(lab: &Arc<Lab>) -> Self {
        let key = KeyFile::read(&KeyRef::File(lab.path("server.key"))).expect("a key").open(None).expect("a key");
        let chain = Chain::read(&lab.path("server.pem")).expect("a chain");
        let identity = Identity::new(chain.without_root().to_vec(), Arc::new(key)).expect("an identity");
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let server = Server::bind(address, identity, &ClientAuth::default(), Limits::default()).expect("a server");
        let (port, stopper) = (server.local_address().port(), server.stopper());
        let script: Script = Box::new(|_| None);
        let service = Arc::new(Play { lab: lab.clone(), script: Mutex::new(script), heard: Mutex::default() });
        let served = service.clone();
        std::thread::spawn(move || server.run(served, Arc::new(|_| {})).expect("a server that runs"));
        Self { port, service, stopper }
    }

    /// Plays by another script from now on, and forgets what was heard.
    fn plays(&self, script: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) {
        *self.service.script.lock().expect("a lock") = Box::new(script);
        self.service.heard.lock().expect("a lock").clear();
    }

    /// Answers whoever asks for a certificate so.
    fn answers(&self, answer: Response) {
        self.plays(move |request| (request.method == Method::Post).then(|| answer.clone()));
    }

    fn heard(&self) -> Vec<Heard> {
        self.service.heard.lock().expect("a lock").clone()
    }

    fn operations(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.operation).collect()
    }

    fn url(&self) -> String {
        format!("est://127.0.0.1:{}", self.port)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

impl Lab {
    fn ca_certificates(&self) -> Vec<Certificate> {
        ["issuing", "root"].map(|name| certificate(&self.path(format!("acme/device/{name}.pem")))).to_vec()
    }

    /// Issues for a request as it came, by the CA in the folder.
    fn issued_for(&self, body: &[u8]) -> Certificate {
        let folder = Self::new();
        folder.write("a.csr", from_base64(body).expect("base64"));
        let ca = self.path("acme");
        let request = folder.path("a.csr");
        let words = ["enroll", "--profile", "idevid", "--ca"].map(std::ffi::OsString::from);
        let words = words.into_iter().chain([ca.into(), request.into(), "-o".into(), "a.pem".into()]);
        folder.bulla_args(words).ok();
        certificate(&folder.path("a.pem"))
    }

    /// Runs `bulla` straight to the server, whatever proxy this machine has.
    pub fn remote(&self, words: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
        command.args(words.split_whitespace()).current_dir(self.path("")).stdin(std::process::Stdio::null());
        for variable in ["https_proxy", "HTTPS_PROXY"] {
            command.env_remove(variable);
        }
        command.env("TOKEN", "s3cret-t0ken");
        self.finish(command)
    }

    /// The same where it fails: with this exit code and stable code, and nothing made or changed.
    #[track_caller]
    pub fn remote_fails(&self, words: &str, exit: i32, code: &str) -> String {
        let before = self.tree();
        let error = self.remote(&format!("{words} --format json")).exits(exit).json();
        assert_eq!(error["code"], code, "{words}: {error}");
        assert_eq!(error["retryable"], exit == 7, "{words}: {error}");
        assert_eq!(before, self.tree(), "{words}");
        error["message"].as_str().expect("a message").to_owned()
    }
}

fn certificate(path: &Path) -> Certificate {
    read_certificates("certificate", path).expect("certificates").swap_remove(0)
}

fn certificates(certificates: &[Certificate]) -> Response {
    let body = to_base64(&certs_only(certificates).expect("CMS"));
    Response::new(200).with("Content-Type", CERTS_ONLY).body(body.into_bytes())
}

/// A CA, its server's certificate, and a device's key.
fn stage() -> (Arc<Lab>, Double) {
    let lab = Lab::ca("");
    for words in [
        "keygen -o server.key",
        "keygen -o dev.key",
        "keygen -o new.key",
        "enroll --key server.key --profile tls-server --cn est --ip 127.0.0.1 --ca acme -o server.pem",
    ] {
        lab.bulla(words).ok();
    }
    lab.write("root.pem", lab.read("acme/device/root.pem"));
    let lab = Arc::new(lab);
    let double = Double::new(&lab);
    (lab, double)
}

const DEVICE: &str = "enroll --key dev.key --serial SN-1 --profile idevid";

#[test]
fn a_certificate_is_had_by_every_way_to_trust_a_server() {
    let (lab, double) = stage();
    let fingerprint = certificate(&lab.path("root.pem")).fingerprint().to_string();
    let url = double.url();
    for (name, trust) in [
        ("a", "--trust root.pem".to_owned()),
        ("b", "--server-trust root.pem --ca-out b.roots".to_owned()),
        ("c", format!("--ca-fingerprint sha256:{fingerprint} --ca-out c.roots")),
        ("d", "--server-trust root.pem --trust root.pem".to_owned()),
    ] {
        let run = lab.remote(&format!("{DEVICE} --ca {url} {trust} -o {name}.pem --format json")).ok();
        assert_eq!(run.stderr, "");
        let told = run.json();
        assert_eq!((&told["schema"], &told["server"]), (&"bulla.enroll/1".into(), &url.as_str().into()), "{told}");
        lab.judge(&format!("openssl verify -CAfile root.pem -untrusted {name}.pem {name}.pem")).ok();
        assert_eq!(lab.read(format!("{name}.pem")), lab.read("a.pem"), "the same request has the same certificate");
        assert!(!lab.has(format!("{name}.pem.ticket")));
    }
    for name in ["b.roots", "c.roots"] {
        assert_eq!(lab.read(name), lab.read("root.pem"), "{name}");
    }
    lab.remote_fails(&format!("{DEVICE} --ca {url} --trust root.pem -o a.pem"), 1, "exists");
}

#[test]
fn a_fingerprint_that_nobody_has_gets_no_credential() {
    let (lab, double) = stage();
    lab.bulla("enroll --key new.key --serial SN-2 --profile idevid --ca acme -o new.pem").ok();
    let shown = "--token-from env:TOKEN --client-cert new.pem --client-key new.key";
    let good = certificate(&lab.path("root.pem")).fingerprint().to_string();
    let issuing = certificate(&lab.path("acme/device/issuing.pem")).fingerprint().to_string();
    for (fingerprint, why) in [("00".repeat(32), "no certificate among"), (issuing, "is no root certificate")] {
        double.plays(|_| None);
        let words = format!("{DEVICE} --ca {} --ca-fingerprint sha256:{fingerprint} {shown} -o a.pem", double.url());
        let message = lab.remote_fails(&words, 3, "fingerprint");
        assert!(message.contains(why), "{message}");
        let heard = double.heard();
        assert_eq!(heard.len(), 1);
        assert!(heard.iter().all(|heard| heard.authorization.is_none() && heard.client.is_none()));
    }
    // With the right one both go to the server, over another connection.
    let words = format!("{DEVICE} --ca {} --ca-fingerprint sha256:{good} {shown} -o a.pem", double.url());
    double.plays(|_| None);
    lab.remote(&words).ok();
    let heard = double.heard();
    assert_eq!(double.operations(), ["cacerts", "cacerts", "csrattrs", "simpleenroll"]);
    let shown: Vec<_> = heard.iter().map(|heard| heard.client.is_some()).collect();
    assert_eq!(shown, [false, true, true, true]);
    let sent: Vec<_> = heard.iter().map(|heard| heard.authorization.as_deref()).collect();
    assert_eq!(sent, [None, None, None, Some("Bearer s3cret-t0ken")]);
}

/// A script that lets whoever asks wait until something is set.
fn waits(double: &Double, retry_after: &'static str, is_decided: &Arc<Mutex<bool>>) {
    let is_decided = is_decided.clone();
    double.plays(move |request| {
        let waits = request.method == Method::Post && !*is_decided.lock().expect("a lock");
        waits.then(|| Response::new(202).with("Retry-After", retry_after))
    });
}

#[test]
fn a_request_that_waits_has_a_ticket_that_a_later_run_takes_up() {
    let (lab, double) = stage();
    let is_decided = Arc::new(Mutex::new(false));
    waits(&double, "1", &is_decided);
    let words = format!("{DEVICE} --ca {} --trust root.pem -o a.pem", double.url());
    let told = lab.remote(&format!("{words} --format json")).exits(6).json();
    assert_eq!((&told["schema"], &told["pending"]), (&"bulla.enroll/1".into(), &true.into()), "{told}");
    assert_eq!(told["ticket"], "a.pem.ticket");
    assert!(told["ask_again"].is_string() && told["retry_after"].is_number(), "{told}");
    assert!(!lab.has("a.pem"));
    let mode = std::os::unix::fs::MetadataExt::mode(&lab.path("a.pem.ticket").metadata().expect("metadata"));
    assert_eq!(mode & 0o777, 0o600);
    // Another key, profile or server has no part in it.
    let other_key = words.replace("dev.key", "new.key");
    for (words, is_asked) in [
        (other_key, true),
        (words.replace("SN-1", "SN-2"), true),
        (words.replace("idevid", "ldevid"), false),
        (words.replace("127.0.0.1", "localhost"), false),
    ] {
        std::thread::sleep(Duration::from_millis(1100));
        double.plays(|_| None);
        lab.remote_fails(&words, 1, "ticket");
        assert_eq!(double.operations().len(), if is_asked { 2 } else { 0 }, "{words}");
    }
    waits(&double, "600", &is_decided);
    let run = lab.remote(&words).exits(6);
    assert!(run.stderr.contains("a.pem: the CA has not decided yet, ask again at "), "{}", run.stderr);
    let first = double.heard().pop().expect("a request").body;
    // Before the time that the server said nobody asks.
    double.plays(|_| None);
    lab.remote(&words).exits(6);
    assert_eq!(double.operations().len(), 0);
    let ticket = String::from_utf8(lab.read("a.pem.ticket")).expect("text");
    let (start, _) = ticket.split_once("\"ask_again\":\"").expect("a time");
    let end = ticket.split_once("Z\"").expect("a time").1;
    lab.write("a.pem.ticket", format!("{start}\"ask_again\":\"2026-01-01T00:00:00Z\"{end}"));
    lab.remote(&words).ok();
    assert_eq!(double.heard().pop().expect("a request").body, first, "the very request of before");
    assert!(lab.has("a.pem") && !lab.has("a.pem.ticket"));
    // Standard output takes none, and says so.
    waits(&double, "600", &is_decided);
    let run = lab.remote(&words.replace("-o a.pem", "-o -")).exits(6);
    assert!(run.stdout.is_empty() && run.stderr.contains("takes no ticket"), "{}", run.stderr);
    assert!(!lab.has("-.ticket"));
}

#[test]
fn who_waits_asks_until_it_is_decided() {
    let (lab, double) = stage();
    let is_decided = Arc::new(Mutex::new(false));
    waits(&double, "1", &is_decided);
    let words = format!("{DEVICE} --ca {} --trust root.pem -o a.pem", double.url());
    let (decided, service) = (is_decided.clone(), double.service.clone());
    let operator = std::thread::spawn(move || {
        let posts = || {
            let heard = service.heard.lock().expect("a lock");
            heard.iter().filter(|heard| heard.operation == "simpleenroll").count()
        };
        while posts() < 2 {
            std::thread::sleep(Duration::from_millis(20));
        }
        *decided.lock().expect("a lock") = true;
    });
    lab.remote(&format!("{words} --wait 1m")).ok();
    operator.join().expect("the operator");
    assert!(lab.has("a.pem") && !lab.has("a.pem.ticket"));
    assert_eq!(double.operations().iter().filter(|name| *name == "simpleenroll").count(), 3);
    // A server that says later than anybody waits is not waited for.
    *is_decided.lock().expect("a lock") = false;
    waits(&double, "31536000", &is_decided);
    let run = lab.remote(&format!("{} --wait 1m", words.replace("a.pem", "b.pem"))).exits(6);
    assert!(run.stderr.contains("says to ask again in 31536000 s; 86400 it is"), "{}", run.stderr);
}

#[test]
fn a_renewal_shows_the_old_certificate() {
    let (lab, double) = stage();
    lab.bulla(&format!("{DEVICE} --ca acme -o dev.pem")).ok();
    let old = certificate(&lab.path("dev.pem"));
    let at = format!("--profile idevid --ca {} --trust root.pem", double.url());
    for words in [
        format!("renew dev.pem --key dev.key --keep-key {at} -o a.pem"),
        format!("renew dev.pem --key dev.key --client-key dev.key --keep-key {at} -o b.pem"),
    ] {
        double.plays(|_| None);
        let told = lab.remote(&format!("{words} --format json")).ok().json();
        assert_eq!((&told["schema"], &told["profile"]), (&"bulla.renew/1".into(), &"idevid".into()));
        assert_eq!(double.operations(), ["cacerts", "csrattrs", "simplereenroll"]);
        assert!(double.heard().iter().all(|heard| heard.client.as_ref() == Some(&old)), "{words}");
    }
    // What EST does not say the client sees to.
    lab.remote_fails(&format!("renew dev.pem --key dev.key --client-key dev.key {at} -o c.pem"), 1, "same-key");
    lab.remote_fails(&format!("renew dev.pem --key new.key {at} -o c.pem"), 2, "usage");
    lab.remote_fails(&format!("renew dev.pem --key new.key --client-key new.key {at} -o c.pem"), 1, "identity");
    let unsaid = at.replace("--profile idevid", "");
    lab.remote_fails(&format!("renew dev.pem --key dev.key --keep-key {unsaid} -o c.pem"), 2, "usage");
}

#[test]
fn a_key_that_the_server_makes_is_kept_in_private() {
    let (lab, double) = stage();
    lab.bulla("enroll --key new.key --serial SN-1 --profile idevid --ca acme -o made.pem").ok();
    let issued = certificate(&lab.path("made.pem"));
    let parts = |key: &[u8], certificate: &Certificate| {
        let chain = to_base64(&certs_only(std::slice::from_ref(certificate)).expect("CMS"));
        let part = |kind: &str, body: &str| format!("--b\r\nContent-Type: {kind}\r\n\r\n{body}\r\n");
        let body = format!("{}{}--b--\r\n", part("application/pkcs8", &to_base64(key)), part(CERTS_ONLY, &chain));
        Response::new(200).with("Content-Type", "multipart/mixed; boundary=b").body(body.into_bytes())
    };
    let words = format!("enroll --server-keygen --serial SN-1 --profile idevid --ca {} --trust root.pem", double.url());
    let der = lab.judge("openssl pkcs8 -topk8 -nocrypt -in new.key -outform DER").ok().stdout;
    double.answers(parts(&der, &issued));
    let run = lab.remote(&format!("{words} --key-out a.key -o a.pem --format json")).ok();
    assert_eq!((run.json()["key_out"].as_str(), run.stderr.as_str()), (Some("a.key"), ""));
    assert_eq!(double.operations(), ["cacerts", "csrattrs", "serverkeygen"]);
    let mode = std::os::unix::fs::MetadataExt::mode(&lab.path("a.key").metadata().expect("metadata"));
    assert_eq!(mode & 0o777, 0o600);
    let public = |of: &str| lab.judge(&format!("openssl pkey -in {of} -pubout")).ok().text();
    assert_eq!(public("a.key"), public("new.key"));
    assert_eq!(lab.judge("openssl x509 -in a.pem -noout -pubkey").ok().text(), public("new.key"));
    // What libest sends under the same name is stored in the form that is asked for.
    let traditional = lab.judge("openssl ec -in new.key -outform DER").ok().stdout;
    double.answers(parts(&traditional, &issued));
    let run = lab.remote(&format!("{words} --key-out b.key -o b.pem")).ok();
    assert!(run.stderr.contains("the server sent the private key as SEC 1, not as PKCS#8"), "{}", run.stderr);
    assert!(lab.read("b.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    // Another key than the certificate's is of no use to anybody.
    let other = lab.judge("openssl pkey -in dev.key -outform DER").ok().stdout;
    double.answers(parts(&other, &issued));
    lab.remote_fails(&format!("{words} --key-out c.key -o c.pem"), 3, "unacceptable");
    lab.remote_fails(&format!("{words} --key-out c.pem -o c.pem"), 2, "usage");
    lab.remote_fails(&format!("{words} --key-out - -o c.pem"), 2, "usage");
}

/// What the CA wishes: an RSA key, by the OID of rsaEncryption (RFC 7030 section 4.5.2).
#[test]
fn a_key_that_the_ca_does_not_certify_is_refused_before_it_is_sent() {
    let (lab, double) = stage();
    double.plays(|request| {
        let body = b"MA8GCSqGSIb3DQEBAQYCKgM=".to_vec();
        let answer = Response::new(200).with("Content-Type", "application/csrattrs").body(body);
        request.target.ends_with("csrattrs").then_some(answer)
    });
    let at = format!("--profile idevid --ca {} --trust root.pem -o a.pem", double.url());
    let message = lab.remote_fails(&format!("enroll --key dev.key --serial SN-1 {at}"), 1, "key-type");
    assert!(message.contains("keys of type RSA, and this one is EC P-256"), "{message}");
    assert_eq!(double.operations(), ["cacerts", "csrattrs"]);
    // A request that is there already goes as it is.
    lab.bulla("csr dev.key --profile idevid --serial SN-1 -o dev.csr").ok();
    let run = lab.remote(&format!("enroll dev.csr {at}")).ok();
    assert_eq!(run.stderr.matches("bulla: warning: ").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("a key of type RSA, 1.2.3, which is not known here"), "{}", run.stderr);
}

#[test]
fn whatever_a_server_does_nothing_is_stored_that_was_not_asked_for() {
    let (lab, double) = stage();
    lab.bulla("enroll --key new.key --serial SN-2 --profile idevid --ca acme -o other.pem").ok();
    let other = certificate(&lab.path("other.pem"));
    let typed = |media_type: &str, body: &[u8]| Response::new(200).with("Content-Type", media_type).body(body.to_vec());
    let words = format!("{DEVICE} --ca {} --trust root.pem -o a.pem", double.url());
    for (answer, exit, code) in [
        (Response::text(500, "no"), 7, "server-failed"),
        (Response::text(503, "busy").with("Retry-After", "5"), 7, "server-failed"),
        (Response::text(429, "slow down"), 7, "server-failed"),
        (Response::text(401, "who are you"), 4, "credential"),
        (Response::text(403, "not you"), 1, "refused"),
        (Response::text(400, "no such name"), 1, "refused"),
        (Response::new(404), 1, "refused"),
        (Response::new(204), 1, "refused"),
        (Response::new(303).with("Location", "/"), 1, "refused"),
        (Response::new(302).with("Location", "http://127.0.0.1/"), 1, "redirect"),
        (Response::new(302).with("Location", "https://127.0.0.1/"), 1, "redirect"),
        (Response::new(302).with("Location", "/.well-known/est/simpleenroll"), 1, "redirect"),
        (Response::new(302), 1, "redirect"),
        (typed("text/html", b"<html>"), 3, "malformed-answer"),
        (typed(CERTS_ONLY, b"garbage!"), 3, "malformed-answer"),
        (typed(CERTS_ONLY, b""), 3, "malformed-answer"),
        (typed(CERTS_ONLY, b"MAA="), 3, "malformed-answer"),
        (typed(CERTS_ONLY, &vec![b'A'; 3 << 20]), 1, "too-large"),
        (certificates(&[]), 3, "unacceptable"),
        (certificates(&lab.ca_certificates()), 3, "unacceptable"),
        (certificates(&[other]), 3, "unacceptable"),
    ] {
        double.answers(answer);
        lab.remote_fails(&words, exit, code);
    }
    let slow = Response::new(500);
    double.plays(move |_| {
        std::thread::sleep(Duration::from_secs(2));
        Some(slow.clone())
    });
    lab.remote_fails(&format!("{words} --timeout 1"), 7, "timeout");
    // A socket that nobody accepts from is no server, and neither is one that says something else than TLS.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let at = |listener: &std::net::TcpListener| {
        let port = listener.local_addr().expect("an address").port();
        format!("{DEVICE} --ca est://127.0.0.1:{port} --trust root.pem -o a.pem")
    };
    lab.remote_fails(&format!("{} --timeout 1", at(&deaf)), 7, "timeout");
    let rude = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let words_at = at(&rude);
    let speaker = std::thread::spawn(move || {
        let (mut stream, _) = rude.accept().expect("a client");
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").expect("a reader");
    });
    lab.remote_fails(&words_at, 1, "tls");
    speaker.join().expect("the speaker");
    double.plays(|_| None);
    // The server's certificate is for its address, and its CA is not the one of firmware.
    let named = words.replace("127.0.0.1", "localhost");
    lab.remote_fails(&named, 3, "server-untrusted");
    lab.remote_fails(&words.replace("root.pem", "acme/firmware/root.pem"), 3, "server-untrusted");
    // Another CA vouches for what is issued than the one that issues.
    let apart = words.replace("--trust root.pem", "--server-trust root.pem --trust acme/firmware/root.pem");
    lab.remote_fails(&apart, 3, "unacceptable");
}

#[test]
fn flags_that_nobody_can_honour_are_refused() {
    let lab = Lab::ca("");
    for words in ["keygen -o dev.key", "csr dev.key --profile idevid --serial SN-1 -o dev.csr"] {
        lab.bulla(words).ok();
    }
    let far = format!("{DEVICE} --ca est://127.0.0.1:1 -o out");
    let trusted = format!("{far} --trust acme/device/root.pem");
    for words in [
        far.clone(),
        format!("{far} --server-trust acme/device/root.pem"),
        format!("{far} --ca-fingerprint sha256:00"),
        format!("{trusted} --ca-out roots.pem"),
        format!("{trusted} --ca-fingerprint sha256:{}", "00".repeat(32)),
        format!("{trusted} --user SN-1"),
        format!("{trusted} --user a:b --token-from env:TOKEN"),
        format!("{trusted} --token-from s3cret"),
        format!("{trusted} --client-key dev.key"),
        format!("{trusted} --client-passphrase-from env:X"),
        format!("{trusted} --timeout 0"),
        format!("{trusted} --wait forever"),
        format!("{trusted} --valid-for 3d"),
        format!("{trusted} --allow-outlive"),
        format!("{trusted} --supersede --reason superseded"),
        format!("{trusted} --ca-passphrase-from env:X"),
        format!("{trusted} --accept-clock"),
        format!("{trusted} --server-keygen --key-out out.key"),
        "enroll dev.csr --server-keygen --key-out out.key --ca est://127.0.0.1:1 -o out".to_owned(),
        trusted.replace(" --profile idevid", ""),
        trusted.replace("est://", "https://"),
        trusted.replace("est://", "est://me:secret@"),
        trusted.replace(":1 ", ":1/a/b "),
        format!("{DEVICE} --ca acme -o out --trust acme/device/root.pem"),
        format!("{DEVICE} --ca acme -o out --token-from env:TOKEN"),
        format!("{DEVICE} --ca acme -o out --wait 1m"),
        "enroll --server-keygen --key-out out.key --serial SN-1 --profile idevid --ca acme -o out".to_owned(),
        "revoke dev.csr --reason superseded --ca est://127.0.0.1:1".to_owned(),
    ] {
        lab.refuses(&words, 2, "");
    }
    lab.remote_fails(&trusted, 7, "cannot-connect");
    lab.remote_fails(&format!("{trusted} --token-from env:BULLA_TEST_UNSET"), 4, "credential");
    lab.write("empty", "\n");
    lab.remote_fails(&format!("{trusted} --token-from file:empty"), 4, "credential");
    lab.remote_fails(&trusted.replace("acme/device/root.pem", "nothing"), 1, "cannot-read");
}
