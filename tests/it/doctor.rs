//! `bulla doctor` at `bulla ca serve`, with which nothing is wrong, and at servers with one thing wrong each.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde_json::Value;

use crate::double::{Act, Double, Received, response};
use crate::harness::Lab;
use crate::serving::Serving;

const CERTS_ONLY: &str = "Content-Type: application/pkcs7-mime; smime-type=certs-only";
const ATTRIBUTES: &str = "Content-Type: application/csrattrs";

#[test]
fn nothing_is_wrong_with_our_own_server_and_nothing_is_enrolled() {
    let lab = Lab::ca("");
    let serving = Serving::start(&lab, "--serve-profile idevid --serve-profile ldevid");
    let records = || lab.bulla("ca audit acme/device -o -").ok().text();
    let before = records();
    let words = format!("doctor {} --trust acme/device/root.pem", serving.ca("ldevid"));
    let told = lab.remote(&format!("{words} --format json")).ok().json();
    assert_eq!((&told["schema"], &told["findings"]), (&"bulla.doctor/1".into(), &Value::Array(Vec::new())), "{told}");
    assert_eq!((&told["verified"], &told["base64"]), (&true.into(), &"unwrapped".into()), "{told}");
    assert_eq!(told["tls"], serde_json::json!(["TLS 1.3", "TLS 1.2"]));
    let all = ["cacerts", "simpleenroll", "simplereenroll", "csrattrs", "serverkeygen"];
    assert_eq!(told["offers"], serde_json::json!(all));
    let root = lab.judge("openssl x509 -in acme/device/root.pem -noout -fingerprint -sha256").ok().text();
    let root = root.trim().rsplit('=').next().expect("a fingerprint").replace(':', "").to_lowercase();
    let ca = told["ca_certificates"].as_array().expect("certificates");
    assert!(ca.iter().any(|certificate| certificate["sha256"] == root), "{told}");
    let wants = told["wants"].as_array().expect("wishes");
    assert!(wants.contains(&"a binding to the connection".into()), "{told}");
    let said = lab.remote(&words.replace(" --trust acme/device/root.pem", "")).ok().text();
    for line in ["(not verified; add --trust FILE)", "TLS 1.3, TLS 1.2", "warns of PKCS#1"] {
        assert!(said.contains(line), "{said}");
    }
    // A label that is not there has none of it.
    let told = lab.remote(&format!("doctor {} --format json", serving.ca("firmware"))).exits(3).json();
    let codes: Vec<_> = told["findings"].as_array().expect("findings").iter().map(|found| &found["code"]).collect();
    assert_eq!(codes, ["no-cacerts", "no-enrollment", "no-enrollment"], "{told}");
    assert_eq!(records(), before, "an empty request is no request");
}

/// The CAs, and what their servers show: `tls.pem` is that of `acme`, with which nothing is wrong.
struct Scene {
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::ca("");
        lab.bulla("ca init other --name Other --no-passphrase").ok();
        lab.bulla("keygen -o tls.key").ok();
        let server = "--key tls.key --profile tls-server --ip 127.0.0.1 --ca";
        for (ca, file) in [("acme", "tls.pem"), ("other", "tls-other.pem")] {
            lab.bulla(&format!("enroll {server} {ca} -o {file}")).ok();
        }
        for (ca, day) in [("old", "-1000d"), ("soon", "-360d"), ("young", "+9d")] {
            let made = format!(
                "$bulla ca init {ca} --name Acme --no-passphrase && $bulla enroll {server} {ca} -o tls-{ca}.pem"
            );
            lab.shell(&format!("faketime -f {day} bash -c '{made}'")).ok();
        }
        lab.shell("cat tls.pem other/device/issuing.pem >tls-disordered.pem").ok();
        Self { lab }
    }

    /// The base64 of a certs-only message, in lines as libest has it.
    fn certificates(&self, files: &str) -> Vec<u8> {
        let files: String = files.split(' ').map(|file| format!(" -certfile {file}")).collect();
        self.lab.shell(&format!("openssl crl2pkcs7 -nocrl{files} -outform DER | base64 -w64")).ok().stdout
    }

    /// Examines a server that shows a chain, answers one operation so, and is honest in all else; returns the report.
    fn examine(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        (ca, chain): (&str, &str),
        odd: Option<(&'static str, Vec<Act>)>,
    ) -> (i32, Value) {
        let files = format!("{ca}/device/issuing.pem {ca}/device/root.pem");
        let ca = Arc::new(self.certificates(&files));
        let (chain, key) = (self.lab.path(chain), self.lab.path("tls.key"));
        let double =
            Double::start_in(versions, &chain, &key, move |received: &Received| match (received.operation(), &odd) {
                (asked, Some((operation, acts))) if asked == *operation => acts.clone(),
                ("cacerts", _) => response("200 OK", &[CERTS_ONLY], &ca),
                ("csrattrs", _) => response("204 No Content", &[], b""),
                ("simpleenroll" | "simplereenroll", _) => {
                    response("401 Unauthorized", &["WWW-Authenticate: Basic realm=x"], b"")
                }
                _ => response("404 Not Found", &[], b""),
            });
        let run = self.lab.remote(&format!("doctor est://{} --timeout 5 --format json", double.address));
        // Nothing that could be granted was sent, and nothing secret.
        for received in double.seen() {
            assert!(received.body.is_empty() && received.header("Authorization").is_none(), "{received:?}");
        }
        (run.code.unwrap_or(-1), run.json())
    }
}

#[test]
fn each_thing_that_is_wrong_is_found() {
    let scene = Scene::new();
    let ca = |files: &str| scene.certificates(files);
    let whole = ca("acme/device/issuing.pem acme/device/root.pem");
    let pem = scene.lab.read("acme/device/root.pem");
    let typed = |kind: &str, body: &[u8]| response("200 OK", &[kind], body);
    let chunks = {
        let head =
            format!("HTTP/1.1 200 OK\r\n{CERTS_ONLY}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", whole.len());
        vec![Act::Send([head.as_bytes(), &whole, b"\r\n0\r\n\r\n"].concat())]
    };
    let none = || response("404 Not Found", &[], b"");
    for (operation, acts, exit, codes) in [
        ("serverkeygen", none(), 0, &[][..]),
        ("cacerts", typed(CERTS_ONLY, &ca("acme/device/issuing.pem")), 3, &["no-root"]),
        ("cacerts", typed(CERTS_ONLY, &pem), 3, &["pem", "malformed"]),
        ("cacerts", typed(CERTS_ONLY, b"AAAA"), 3, &["malformed"]),
        ("cacerts", none(), 3, &["no-cacerts"]),
        ("cacerts", chunks, 0, &["no-content-length"]),
        ("cacerts", typed("Content-Type: application/octet-stream", &whole), 0, &["content-type"]),
        (
            "cacerts",
            typed(CERTS_ONLY, &ca("other/device/issuing.pem other/device/root.pem")),
            0,
            &["server-of-another-ca"],
        ),
        ("cacerts", vec![Act::Close], 3, &["no-answer"]),
        ("csrattrs", typed(ATTRIBUTES, b"MAA="), 0, &[]),
        ("csrattrs", typed(ATTRIBUTES, b"MAEA"), 3, &["malformed"]),
        ("csrattrs", response("403 Forbidden", &[], b""), 0, &["csrattrs-status"]),
        ("simpleenroll", none(), 3, &["no-enrollment"]),
        ("simplereenroll", none(), 3, &["no-enrollment"]),
        ("simpleenroll", response("400 Bad Request", &[], b"no request"), 0, &[]),
        ("simpleenroll", typed(CERTS_ONLY, &whole), 3, &["empty-request"]),
        ("simpleenroll", response("202 Accepted", &["Retry-After: 5"], b""), 3, &["empty-request"]),
        ("simpleenroll", response("401 Unauthorized", &[], b""), 0, &["no-challenge"]),
        ("simpleenroll", response("500 Oops", &[], b""), 0, &["server-failed"]),
        ("serverkeygen", response("500 Oops", &[], b""), 0, &["server-failed"]),
    ] {
        let (code, told) = scene.examine(rustls::DEFAULT_VERSIONS, ("acme", "tls.pem"), Some((operation, acts)));
        is_found(operation, code, &told, exit, codes);
        if operation == "serverkeygen" {
            assert_eq!((&told["schema"], &told["base64"]), (&"bulla.doctor/1".into(), &"wrapped".into()), "{told}");
        }
    }
    for (versions, ca, chain, exit, codes) in [
        (&[&TLS13][..], "acme", "tls.pem", 0, &["no-tls-1.2"][..]),
        (&[&TLS12], "acme", "tls.pem", 0, &["no-tls-1.3"]),
        (rustls::DEFAULT_VERSIONS, "old", "tls-old.pem", 3, &["expired", "server-of-another-ca"]),
        (rustls::DEFAULT_VERSIONS, "soon", "tls-soon.pem", 0, &["ends-soon"]),
        (rustls::DEFAULT_VERSIONS, "acme", "tls-other.pem", 0, &["server-of-another-ca"]),
        (rustls::DEFAULT_VERSIONS, "acme", "tls-disordered.pem", 0, &["server-chain-order"]),
    ] {
        let (code, told) = scene.examine(versions, (ca, chain), None);
        is_found(chain, code, &told, exit, codes);
    }
    let (code, told) = scene.examine(rustls::DEFAULT_VERSIONS, ("young", "tls-young.pem"), None);
    let findings = told["findings"].as_array().expect("findings");
    assert!(code == 3 && findings.iter().filter(|found| found["code"] == "not-yet-valid").count() == 3, "{told}");
}

#[track_caller]
fn is_found(name: &str, code: i32, told: &Value, exit: i32, codes: &[&str]) {
    let findings = told["findings"].as_array().expect("findings");
    let found: Vec<&str> = findings.iter().map(|found| found["code"].as_str().expect("a code")).collect();
    assert_eq!(found, codes, "{name}: {told}");
    assert_eq!(code, exit, "{name}: {told}");
    for found in findings {
        let is_error = found["severity"] == "error";
        assert!(found["words"].is_string() && found["about"].is_string() && (exit == 3 || !is_error), "{told}");
    }
}

#[test]
fn a_server_that_is_not_there_is_not_examined() {
    let lab = Lab::ca("");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    lab.remote(&format!("doctor est://{gone}")).exits(7).says("cannot connect");
    let deaf = Double::bare(|_| response("400 Bad Request", &[], b"plain HTTP"));
    lab.remote(&format!("doctor est://{}", deaf.address)).exits(1).says("no secure connection");
    let serving = Serving::start(&lab, "--serve-profile idevid");
    // One that wants to see a certificate is not taken for one that speaks no TLS 1.2.
    let strict = Serving::start(&lab, "--serve-profile idevid --require-client-cert");
    let said = lab.remote(&format!("doctor {}", strict.ca(""))).exits(3).text();
    assert!(said.contains("takes no connection in TLS 1.2") && said.contains("certificate required"), "{said}");
    let words = format!("doctor {} --trust acme/firmware/root.pem", serving.ca(""));
    lab.remote(&words).exits(3).says("");
    lab.refuses("doctor https://localhost", 2, "est://");
}
