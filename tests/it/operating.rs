//! `bulla ca serve` as its operator starts it, stops it, and has several of it.

use crate::harness::Lab;
use crate::serving::Serving;

/// The lines of base64 that a raw client sends.
const PKCS10: &str = "Content-Type: application/pkcs10\r\n";

const ENROLL: &str = "/.well-known/est/simpleenroll";

impl Lab {
    /// A key, the request of SN-1 for a profile, in base64, and a token for it.
    #[track_caller]
    fn ready(&self, ca: &str, profile: &str) -> (Vec<u8>, String) {
        self.bulla("keygen -o dev.key --force").ok();
        self.bulla(&format!("csr dev.key --serial SN-1 --profile {profile} -o dev.csr --force")).ok();
        let request = self.shell("openssl req -in dev.csr -outform DER | base64 -w0").ok().stdout;
        (
            request,
            self.bulla(&format!("ca token new {ca} --device SN-1 --profile {profile}")).ok().text().trim().to_owned(),
        )
    }
}

#[test]
fn what_is_at_work_is_answered_before_the_server_stops() {
    let lab = Lab::ca("");
    let (request, token) = lab.ready("acme", "idevid");
    let serving = Serving::start(&lab, "--serve-profile idevid");
    let mut open = serving.connect(&lab);
    let (start, rest) = request.split_at(request.len() / 2);
    let head = format!(
        "POST {ENROLL} HTTP/1.1\r\nHost: localhost\r\n{PKCS10}Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
        request.len()
    );
    assert!(open.send([head.as_bytes(), start].concat()));
    // Whoever is answered has been heard, and so has who came before.
    assert_eq!(serving.connect(&lab).ask("GET /healthz", "", b"").0, 200);
    serving.terminate();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(open.send(rest));
    assert_eq!(open.answer().expect("an answer").0, 200);
    assert_eq!(serving.ends(), Some(0));
    assert!(lab.bulla("ca list acme/device").ok().text().contains("SN-1"));
    lab.holds("acme/device");
}

#[test]
fn two_listeners_share_one_ca() {
    let lab = Lab::ca("");
    lab.write("root.pem", lab.read("acme/device/root.pem"));
    let one = Serving::start(&lab, "--serve-profile idevid");
    let other = Serving::start(&lab, "--serve-profile ldevid --serve-profile idevid");
    lab.bulla("keygen -o dev.key").ok();
    let token = lab.bulla("ca token new acme --device SN-1 --profile idevid").ok().stdout;
    lab.write("token", token);
    let words = |serving: &Serving, file: &str| {
        let ca = serving.ca("idevid");
        format!(
            "enroll --key dev.key --serial SN-1 --profile idevid --ca {ca} --trust root.pem --token-from file:token -o {file}"
        )
    };
    lab.remote(&words(&one, "a.pem")).ok();
    lab.remote(&words(&other, "b.pem")).ok();
    assert_eq!(lab.read("a.pem"), lab.read("b.pem"), "one token, one certificate");
    assert_eq!((one.stop(), other.stop()), (Some(0), Some(0)));
    // Its own certificate is renewed at a start, not one more identity.
    lab.holds("acme/device");
}

#[test]
fn the_server_shows_the_certificate_that_it_is_given() {
    let lab = Lab::ca("");
    lab.bulla("ca init web --name Web --no-passphrase").ok();
    lab.bulla("keygen -o tls.key --passphrase-from env:PASS").exits(4);
    lab.write("pass", "secret\n");
    lab.bulla("keygen -o tls.key --passphrase-from file:pass").ok();
    let words =
        "enroll --key tls.key --passphrase-from file:pass --profile tls-server --ip 127.0.0.1 --ca web -o tls.pem";
    lab.bulla(words).ok();
    lab.bulla("keygen -o dev.key").ok();
    lab.write("token", lab.bulla("ca token new acme --device SN-1 --profile idevid").ok().stdout);
    let flags = "--serve-profile idevid --tls-cert tls.pem --tls-key tls.key --tls-passphrase-from file:pass";
    let serving = Serving::start(&lab, flags);
    let at = format!("enroll --key dev.key --serial SN-1 --profile idevid --ca {}", serving.ca(""));
    let at = format!("{at} --token-from file:token -o a.pem");
    lab.remote_fails(&format!("{at} --trust acme/device/root.pem"), 3, "server-untrusted");
    let apart = "--server-trust web/device/root.pem --trust acme/device/root.pem";
    lab.remote(&format!("{at} {apart}")).ok();
    // Nothing was issued for the server itself.
    assert!(!lab.bulla("ca list acme/device").ok().text().contains("tls-server"));
}

#[test]
fn a_ca_behind_a_passphrase_serves_firmware_where_that_is_named() {
    let lab = Lab::new();
    lab.write("pass", "secret\n");
    lab.bulla("ca init acme --name Acme --ca-passphrase-from file:pass").ok();
    lab.bulla("keygen -o fw.key").ok();
    let token = "ca token new acme --device CN=signer --profile firmware --ca-passphrase-from file:pass -o token";
    lab.bulla(token).ok();
    let open = "--ca-passphrase-from file:pass";
    let serving = Serving::start(&lab, &format!("--serve-profile idevid --serve-profile firmware {open}"));
    let words = format!("enroll --key fw.key --profile firmware --cn signer --ca {}", serving.ca("firmware"));
    let apart = "--server-trust acme/device/root.pem --trust acme/firmware/root.pem --token-from file:token";
    lab.remote(&format!("{words} {apart} -o fw.pem")).ok();
    lab.judge("openssl verify -purpose any -CAfile acme/firmware/root.pem -untrusted fw.pem fw.pem").ok();
    let mut raw = serving.connect(&lab);
    assert_eq!(raw.ask("GET /crl/firmware.crl", "", b"").0, 200);
    assert_eq!(serving.stop(), Some(0));
    let serving = Serving::start(&lab, &format!("--serve-profile idevid {open}"));
    let (status, _) = serving.connect(&lab).ask("GET /.well-known/est/firmware/cacerts", "", b"");
    assert_eq!(status, 404, "not served unless it is named");
    assert_eq!(serving.connect(&lab).ask("GET /crl/firmware.crl", "", b"").0, 404);
}

#[test]
fn a_server_that_cannot_be_is_refused_at_its_start() {
    let lab = Lab::ca("");
    lab.bulla("ca init locked --name Locked --ca-passphrase-from env:HOME").ok();
    // One that starts all the same must not run for ever.
    let refuses = |words: &str, code, message: &str| {
        let before = lab.tree();
        let words = format!("20 {} {words}", env!("CARGO_BIN_EXE_bulla"));
        lab.run("timeout", words.split_whitespace()).exits(code).says(message);
        assert_eq!(before, lab.tree(), "{words}");
    };
    let serve = "ca serve acme --listen 127.0.0.1:0";
    let named = format!("{serve} --server-name localhost");
    refuses(serve, 2, "--serve-profile");
    refuses(&format!("{serve} --serve-profile idevid"), 2, "--server-name");
    refuses(&format!("{named} --serve-profile idevid --tls-key k"), 2, "--tls-key");
    refuses(&format!("{named} --serve-profile idevid --tls-cert c --tls-key k"), 2, "--tls-cert");
    refuses(&format!("{named} --serve-profile nothing"), 2, "nothing");
    refuses(&format!("{named} --serve-profile device-root"), 2, "device-root");
    refuses(&format!("{} --serve-profile firmware", named.replace("acme", "acme/device")), 2, "firmware");
    refuses(&format!("{} --serve-profile idevid", named.replace("127.0.0.1:0", "localhost")), 2, "");
    refuses(&format!("{serve} --server-name a..b --serve-profile idevid"), 2, "a..b");
    refuses(&format!("{named} --serve-profile idevid --vendor-ca none.pem"), 1, "none.pem");
    refuses(&format!("{} --serve-profile idevid", named.replace("acme", "locked")), 4, "the CA's key is encrypted");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let words = named.replace(":0", &format!(":{port}"));
    refuses(&format!("{words} --serve-profile idevid"), 1, &port.to_string());
}
