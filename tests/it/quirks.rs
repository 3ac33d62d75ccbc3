//! What is odd about peers and does no harm: `bulla enroll` at servers that answer in every way that one of them does, and
//! `bulla ca serve` under clients that ask so. libest, globalsign's est, strongSwan's pki, OpenSSL's and Java's messages.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use crate::double::{Act, Double, Received, response};
use crate::harness::{Lab, Run};
use crate::serving::Serving;

const CERTS_ONLY: &str = "Content-Type: application/pkcs7-mime; smime-type=certs-only";

/// A device SN-1 with the chain `true.pem` that the CA gives it, and a server's key and certificate.
struct Scene {
    lab: Lab,
    /// certs-only messages in DER: the CA's, the leaf's, and that of the whole chain.
    ca: Vec<u8>,
    leaf: Vec<u8>,
    whole: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::ca("");
        for words in [
            "keygen -o d.key",
            "keygen --type rsa2048 -o r.key",
            "keygen -o tls.key",
            "enroll --key d.key --profile ldevid --serial SN-1 --ca acme -o true.pem",
            "enroll --key r.key --profile ldevid --serial SN-2 --ca acme -o rsa.pem",
            "enroll --key tls.key --profile tls-server --ip 127.0.0.1 --ca acme -o tls.pem",
        ] {
            lab.bulla(words).ok();
        }
        let message = |files: &str| {
            let files: String = files.split(' ').map(|file| format!(" -certfile {file}")).collect();
            lab.judge(&format!("openssl crl2pkcs7 -nocrl{files} -outform DER")).ok().stdout
        };
        lab.judge("openssl x509 -in true.pem -out leaf.pem").ok();
        let ca = message("acme/device/issuing.pem acme/device/root.pem");
        let (leaf, whole) = (message("leaf.pem"), message("acme/device/root.pem true.pem"));
        Self { lab, ca, leaf, whole }
    }

    /// Runs `bulla enroll` at a double that answers one operation so, and the others honestly.
    fn at(&self, operation: &'static str, acts: Vec<Act>, words: &str) -> (Run, Vec<Received>) {
        let (ca, leaf) = (
            response("200 OK", &[CERTS_ONLY], &base64(&self.ca)),
            response("200 OK", &[CERTS_ONLY], &base64(&self.leaf)),
        );
        let double =
            Double::start(&self.lab.path("tls.pem"), &self.lab.path("tls.key"), move |received| {
                match received.operation() {
                    asked if asked == operation => acts.clone(),
                    "cacerts" => ca.clone(),
                    "csrattrs" => response("204 No Content", &[], b""),
                    _ => leaf.clone(),
                }
            });
        let ca = format!("--ca est://{} --trust acme/device/root.pem --timeout 5", double.address);
        (self.lab.remote(&format!("enroll {words} --profile ldevid {ca} -o got.pem --force")), double.seen())
    }

    /// The same for the device's certificate, which it gets, with no more warnings than one that says these words.
    #[track_caller]
    fn is_taken(&self, name: &str, operation: &'static str, acts: Vec<Act>, warning: &str) {
        let (run, _) = self.at(operation, acts, "--key d.key --serial SN-1");
        assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
        assert_eq!(self.lab.read("got.pem"), self.lab.read("true.pem"), "{name}");
        let warnings: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("bulla: warning")).collect();
        match warnings[..] {
            [] => assert_eq!(warning, "", "{name}"),
            [one] => assert!(!warning.is_empty() && one.contains(warning), "{name}: {one}"),
            _ => panic!("{name}: {warnings:?}"),
        }
    }
}

fn base64(der: &[u8]) -> Vec<u8> {
    bulla::files::to_base64(der).into_bytes()
}

/// Base64 in lines.
fn folded(der: &[u8], width: usize, end: &str) -> Vec<u8> {
    base64(der).chunks(width).flat_map(|line| [line, end.as_bytes()].concat()).collect()
}

/// The content of a DER element, and what follows it.
fn content(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, header) = match der[1] {
        short @ 0..=0x7f => (usize::from(short), 2),
        long => {
            let octets = usize::from(long & 0x7f);
            (der[2..2 + octets].iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), 2 + octets)
        }
    };
    der[header..].split_at(length)
}

/// A CMS message with indefinite lengths outside, as OpenSSL streams it and BouncyCastle writes it.
fn ber(der: &[u8]) -> Vec<u8> {
    let (info, _) = content(der);
    let (oid, rest) = info.split_at(2 + usize::from(info[1]));
    let (signed, _) = content(content(rest).0);
    [&[0x30, 0x80], oid, &[0xa0, 0x80, 0x30, 0x80], signed, &[0; 6]].concat()
}

/// A body in chunks of some octets.
fn chunked(status: &str, fields: &str, body: &[u8], size: usize) -> Vec<Act> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{fields}\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(size) {
        bytes.extend([format!("{:X};ext=1\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"0\r\nX-Trailer: 1\r\n\r\n");
    vec![Act::Send(bytes)]
}

#[test]
fn answers_are_taken_however_they_are_laid_out() {
    let scene = Scene::new();
    let ok = "200 OK";
    let typed = |kind: &str, body: &[u8]| response(ok, &[kind], body);
    let laid = |body: Vec<u8>| typed(CERTS_ONLY, &body);
    let plain = base64(&scene.leaf);
    let spaced: Vec<u8> = plain.iter().flat_map(|octet| [b' ', *octet]).collect();
    let not_said = "does not say that it is application/pkcs7-mime";
    let until_close = |head: &str| {
        vec![Act::Send([format!("{head}\r\n{CERTS_ONLY}\r\n\r\n").as_bytes(), &plain].concat()), Act::Close]
    };
    for (name, acts, warning) in [
        ("chunks", chunked(ok, CERTS_ONLY, &plain, 100), ""),
        ("chunks of one octet", chunked(ok, CERTS_ONLY, &plain, 1), ""),
        ("lines of 64 with CRLF", laid(folded(&scene.leaf, 64, "\r\n")), ""),
        ("lines of 76 with CRLF", laid(folded(&scene.leaf, 76, "\r\n")), ""),
        ("lines of 64 with LF", laid(folded(&scene.leaf, 64, "\n")), ""),
        ("unfolded with a line end", laid([&plain[..], b"\n"].concat()), ""),
        ("spaces", laid(spaced), ""),
        ("no smime-type", typed("Content-Type: application/pkcs7-mime", &plain), ""),
        ("upper case", typed("CONTENT-TYPE: APPLICATION/PKCS7-MIME; SMIME-TYPE=CERTS-ONLY", &plain), ""),
        ("a charset", typed("Content-Type: application/pkcs7-mime;charset=UTF-8", &plain), ""),
        ("before RFC 5751", typed("Content-Type: application/x-pkcs7-mime; smime-type=certs-only", &plain), ""),
        ("no type", typed("X-Nothing: 1", &plain), not_said),
        ("octets", typed("Content-Type: application/octet-stream", &plain), not_said),
        ("Content-Transfer-Encoding", response(ok, &[CERTS_ONLY, "Content-Transfer-Encoding: base64"], &plain), ""),
        // What it says is ignored (RFC 8951 section 3).
        ("an untrue encoding", response(ok, &[CERTS_ONLY, "Content-Transfer-Encoding: binary"], &plain), ""),
        ("the whole chain", laid(base64(&scene.whole)), ""),
        ("BER", laid(base64(&ber(&scene.whole))), ""),
        ("HTTP/1.0 to its end", until_close("HTTP/1.0 200 OK"), ""),
        ("no length, to its end", until_close("HTTP/1.1 200 OK\r\nConnection: close"), ""),
        ("no reason phrase", typed(CERTS_ONLY, &plain).into_iter().map(without_reason).collect(), ""),
    ] {
        scene.is_taken(name, "simpleenroll", acts, warning);
    }
    for (name, acts, warning) in [
        ("CA certificates in BER", laid(base64(&ber(&scene.ca))), ""),
        ("CA certificates in chunks", chunked(ok, CERTS_ONLY, &folded(&scene.ca, 76, "\r\n"), 64), ""),
        ("another CA certificate, too", laid(base64(&scene.whole)), ""),
    ] {
        scene.is_taken(name, "cacerts", acts, warning);
    }
}

fn without_reason(act: Act) -> Act {
    match act {
        Act::Send(bytes) => {
            let rest = bytes.strip_prefix(b"HTTP/1.1 200 OK").expect("a status line");
            Act::Send([b"HTTP/1.1 200 ", rest].concat())
        }
        act => act,
    }
}

#[test]
fn nothing_wanted_is_said_in_many_ways() {
    let scene = Scene::new();
    const TYPED: &str = "Content-Type: application/csrattrs";
    for (name, acts, warning) in [
        ("204", response("204 No Content", &[], b""), ""),
        ("404", response("404 Not Found", &["Content-Type: text/html"], b"<html>"), ""),
        ("405", response("405 Method Not Allowed", &[], b""), ""),
        ("501", response("501 Not Implemented", &[], b""), ""),
        ("an empty list", response("200 OK", &[TYPED], b"MAA="), ""),
        ("an empty body", response("200 OK", &[TYPED], b""), ""),
        ("an empty body without type", response("200 OK", &[], b"\r\n"), ""),
        ("401", response("401 Unauthorized", &["WWW-Authenticate: Basic realm=x"], b""), "csrattrs with 401"),
    ] {
        scene.is_taken(name, "csrattrs", acts, warning);
    }
}

#[test]
fn a_server_may_close_each_connection() {
    let scene = Scene::new();
    let (ca, leaf) = (base64(&scene.ca), base64(&scene.leaf));
    let double = Double::start(&scene.lab.path("tls.pem"), &scene.lab.path("tls.key"), move |received| {
        let acts = match received.operation() {
            "cacerts" => response("200 OK", &[CERTS_ONLY, "Connection: close"], &ca),
            "csrattrs" => response("204 No Content", &["Connection: close"], b""),
            // Without a word before.
            _ => response("200 OK", &[CERTS_ONLY], &leaf),
        };
        [acts, vec![Act::Close]].concat()
    });
    let words = format!("--ca est://{} --trust acme/device/root.pem -o got.pem", double.address);
    scene.lab.remote(&format!("enroll --key d.key --serial SN-1 --profile ldevid {words}")).ok();
    let seen: Vec<_> = double.seen().iter().map(|seen| (seen.operation().to_owned(), seen.connection)).collect();
    assert_eq!(seen, [("cacerts".to_owned(), 0), ("csrattrs".to_owned(), 1), ("simpleenroll".to_owned(), 2)]);
    // A request is laid out so that every server reads it.
    let request = &double.seen()[2];
    assert!(request.body.split(|octet| *octet == b'\n').all(|line| line.len() <= 64));
    assert_eq!(request.header("Content-Length"), Some(request.body.len().to_string().as_str()));
    assert_eq!(request.header("Content-Type"), Some("application/pkcs10"));
}

#[test]
fn when_to_ask_again_is_said_in_many_ways() {
    let scene = Scene::new();
    for (name, fields, words) in [
        ("nothing", &[][..], "does not say in how many seconds to ask again; 60 it is"),
        ("a date that is past", &["Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"], ""),
        ("a date", &["Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"], "86400 it is"),
    ] {
        let acts = response("202 Accepted", fields, b"Your request waits.\n");
        let (run, _) = scene.at("simpleenroll", acts, "--key d.key --serial SN-1");
        assert_eq!(run.code, Some(6), "{name}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{name}: {}", run.stderr);
        std::fs::remove_file(scene.lab.path("got.pem.ticket")).expect("a ticket");
    }
}

#[test]
fn keys_come_in_every_form_and_order() {
    let scene = Scene::new();
    let lab = &scene.lab;
    let der = |words: &str| lab.judge(&format!("openssl {words} -outform DER")).ok().stdout;
    let (sec1, pkcs1) = (der("ec -in d.key"), der("rsa -in r.key -traditional"));
    let (pkcs8, long) = (der("pkcs8 -topk8 -nocrypt -in d.key"), der("pkcs8 -topk8 -nocrypt -in r.key"));
    lab.judge("openssl x509 -in rsa.pem -out rsa-leaf.pem").ok();
    let rsa = lab.judge("openssl crl2pkcs7 -nocrl -certfile rsa-leaf.pem -outform DER").ok().stdout;
    let part = |kind: &str, der: &[u8]| {
        let head = format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n");
        [head.as_bytes(), &folded(der, 64, "\r\n")].concat()
    };
    let key = |der: &[u8]| part("application/pkcs8", der);
    let certificate = |der: &[u8]| part("application/pkcs7-mime; smime-type=certs-only", der);
    let mixed = |kind: &str, before: &str, parts: &[Vec<u8>], after: &str| {
        let mut body = before.as_bytes().to_vec();
        for part in parts {
            body.extend([b"--=_b.1\r\n", &part[..], b"\r\n"].concat());
        }
        body.extend_from_slice(format!("--=_b.1--{after}").as_bytes());
        response("200 OK", &[&format!("Content-Type: {kind}")], &body)
    };
    let quoted = "multipart/mixed; boundary=\"=_b.1\"";
    let bare = "Multipart/Mixed;charset=utf-8;BOUNDARY==_b.1";
    let (ec, leaf) = (key(&pkcs8), certificate(&scene.leaf));
    for (name, serial, acts, warning) in [
        ("PKCS#8", "SN-1", mixed(quoted, "", &[ec.clone(), leaf.clone()], "\r\n"), ""),
        ("the certificate first", "SN-1", mixed(quoted, "", &[leaf.clone(), ec.clone()], ""), ""),
        ("an odd type", "SN-1", mixed(bare, "", &[ec.clone(), leaf.clone()], "\r\n"), ""),
        ("words around", "SN-1", mixed(quoted, "This is MIME.\r\n", &[ec, leaf.clone()], "\r\nThe end.\r\n"), ""),
        ("SEC 1", "SN-1", mixed(quoted, "", &[key(&sec1), leaf], ""), "SEC 1, not as PKCS#8"),
        ("RSA", "SN-2", mixed(quoted, "", &[key(&long), certificate(&rsa)], ""), ""),
        ("PKCS#1", "SN-2", mixed(quoted, "", &[key(&pkcs1), certificate(&rsa)], ""), "PKCS#1, not as PKCS#8"),
    ] {
        let words = format!("--server-keygen --key-out got.key --serial {serial}");
        let (run, _) = scene.at("serverkeygen", acts, &words);
        assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
        assert_eq!(run.stderr.contains("warning"), !warning.is_empty(), "{name}: {}", run.stderr);
        assert!(run.stderr.contains(warning), "{name}: {}", run.stderr);
        assert!(lab.read("got.key").starts_with(b"-----BEGIN PRIVATE KEY-----"), "{name}");
        let own = if serial == "SN-1" { "d.key" } else { "r.key" };
        let public = |file: &str| lab.judge(&format!("openssl pkey -in {file} -pubout")).ok().text();
        assert_eq!(public("got.key"), public(own), "{name}");
    }
}

/// A CA that serves idevid, the requests of a device in base64 without and with lines, and its token.
fn served() -> (Lab, Serving, String) {
    let lab = Lab::ca("");
    lab.bulla("keygen -o d.key").ok();
    lab.bulla("csr d.key --profile idevid --serial SN-1 -o d.csr").ok();
    lab.shell("openssl req -in d.csr -outform DER >d.der; base64 -w0 d.der >d.b64; base64 -w64 d.der >d.lines").ok();
    let serving = Serving::start(&lab, "--serve-profile idevid");
    let token = lab.bulla("ca token new acme --device SN-1 --profile idevid").ok().text().trim().to_owned();
    (lab, serving, token)
}

/// A connection by TLS 1.2 alone, as older clients have it.
fn tls_1_2(lab: &Lab, serving: &Serving) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(lab.path("acme/device/root.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let tls = rustls::ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(serving.address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    rustls::StreamOwned::new(tls, stream)
}

/// Sends a request in one record; returns the head and the body of the response, by its Content-Length, which it has to have.
fn says(stream: &mut (impl Read + Write), bytes: &[u8]) -> (String, Vec<u8>) {
    stream.write_all(bytes).unwrap();
    stream.flush().unwrap();
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(read[..end].to_vec()).unwrap();
            let length = head
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
            let length: usize = length.expect("a Content-Length").parse().unwrap();
            if read.len() >= end + 4 + length {
                return (head, read[end + 4..end + 4 + length].to_vec());
            }
        }
        let mut some = [0; 4096];
        let got = stream.read(&mut some).unwrap();
        assert!(got > 0, "the server hung up");
        read.extend_from_slice(&some[..got]);
    }
}

fn is_wrapped(body: &[u8]) -> bool {
    body.trim_ascii().contains(&b'\n')
}

fn basic(user: &str, token: &str) -> String {
    format!("Authorization: Basic {}\r\n", bulla::files::to_base64(format!("{user}:{token}").as_bytes()))
}

/// strongSwan's pki: TLS 1.2, no User-Agent, one line of base64, all in one record; its reader needs one line and a length.
#[test]
fn strongswan_gets_one_line_with_its_length() {
    let (lab, serving, token) = served();
    let mut stream = tls_1_2(&lab, &serving);
    let (head, body) = says(&mut stream, b"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && !is_wrapped(&body), "{head}");
    let csr = lab.read("d.b64");
    let post = format!(
        "POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: application/pkcs10\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Length: {}\r\n\r\n",
        basic("SN-1", &token),
        csr.len()
    );
    let (head, body) = says(&mut stream, &[post.as_bytes(), &csr].concat());
    assert!(head.starts_with("HTTP/1.1 200 ") && !is_wrapped(&body), "{head}");
    serving.logs(|line| line["operation"] == "simpleenroll" && line["binding"] == "none");
}

/// libest's client: lines in both directions, Basic after a 401 on the same connection, and the tls-unique of the connection as
/// challengePassword, which is none of ours to check.
#[test]
fn libest_gets_lines_and_is_asked_for_a_password() {
    let (lab, serving, token) = served();
    let mut stream = tls_1_2(&lab, &serving);
    let agent = "User-Agent: Cisco EST client 1.0 (libest)\r\nConnection: keep-alive\r\nHost: localhost:8443\r\nAccept: */*\r\n";
    let get = format!("GET /.well-known/est/cacerts HTTP/1.1\r\n{agent}\r\n");
    let (head, body) = says(&mut stream, get.as_bytes());
    assert!(head.starts_with("HTTP/1.1 200 ") && is_wrapped(&body), "{head}");
    assert!(body.split(|octet| *octet == b'\n').all(|line| line.len() <= 64));
    let unique = bulla::files::to_base64(&[7; 12]);
    lab.write(
        "unique.cnf",
        format!(
            "[req]\nprompt=no\ndistinguished_name=dn\nattributes=att\n[dn]\nserialNumber=SN-1\n[att]\nchallengePassword={unique}\n"
        ),
    );
    let csr = "openssl req -new -key d.key -config unique.cnf -outform DER | base64 -w64";
    let csr = lab.shell(csr).ok().stdout;
    let post = |authorization: &str| {
        let head = format!(
            "POST /.well-known/est/simpleenroll HTTP/1.1\r\n{agent}{authorization}Content-Type: application/pkcs10\r\n\
             Content-Transfer-Encoding: base64\r\nContent-Length: {}\r\n\r\n",
            csr.len()
        );
        [head.as_bytes(), &csr].concat()
    };
    let (head, _) = says(&mut stream, &post(""));
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    let asks = head.lines().find(|line| line.to_ascii_lowercase().starts_with("www-authenticate: "));
    assert!(asks.is_some_and(|line| line.contains("Basic realm=\"bulla\"")), "{head}");
    let (head, body) = says(&mut stream, &post(&basic("SN-1", &token)));
    assert!(head.starts_with("HTTP/1.1 200 ") && is_wrapped(&body), "{head}");
    serving.logs(|line| line["outcome"] == "issued" && line["binding"] == "unchecked");
}

/// A renewal is laid out as its request is, and the certificate of the connection decides, whatever token comes with it.
#[test]
fn a_renewal_is_laid_out_as_it_is_asked_for() {
    let (lab, serving, token) = served();
    lab.bulla("enroll d.csr --profile idevid --ca acme -o d.pem").ok();
    let mut raw = serving.connect_as(&lab, "d.pem", "d.key");
    let mut first = None;
    for (body, fields) in [("d.b64", String::new()), ("d.lines", basic("SN-1", &token)), ("d.lines", basic("x", "y"))] {
        let fields = format!("Content-Type: application/pkcs10\r\n{fields}");
        let (status, said) = raw.ask("POST /.well-known/est/simplereenroll", &fields, &lab.read(body));
        assert!(status == 200 && is_wrapped(said.as_bytes()) == (body == "d.lines"), "{body}: {status} {said}");
        let said = said.replace('\n', "");
        assert_eq!(first.get_or_insert(said.clone()), &said, "the same renewal is the same certificate");
    }
}

/// globalsign's client: the request in chunks without a length, a path prefix of its own as label.
#[test]
fn globalsign_sends_chunks() {
    let (lab, serving, token) = served();
    let csr = lab.read("d.b64");
    for (label, status) in [("idevid/", "200"), ("", "200"), ("other/", "404")] {
        let mut command = Command::new("curl");
        let target = format!("{}/.well-known/est/{label}simpleenroll", serving.url());
        command.args(["-sS", "--noproxy", "*", "--cacert", "acme/device/root.pem", "-o", "body", "-w", "%{http_code}"]);
        command.args([
            "-A",
            "Go-http-client/1.1",
            "-H",
            "Content-Type: application/pkcs10",
            "-H",
            "Transfer-Encoding: chunked",
        ]);
        command.args([
            "-H",
            "Content-Transfer-Encoding: base64",
            "-u",
            &format!("SN-1:{token}"),
            "--data-binary",
            "@d.b64",
            &target,
        ]);
        command.current_dir(lab.path("."));
        assert_eq!(lab.finish(command).ok().text(), status, "{label}");
    }
    // Chunk by chunk, the last one after a while.
    let mut raw = serving.connect(&lab);
    let head = format!(
        "POST /.well-known/est/idevid/simpleenroll HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Go-http-client/1.1\r\n\
         Transfer-Encoding: chunked\r\n{}Content-Type: application/pkcs10\r\n\r\n",
        basic("SN-1", &token)
    );
    assert!(raw.send(head));
    for chunk in csr.chunks(100) {
        assert!(raw.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()));
    }
    assert!(raw.send("0\r\n\r\n"));
    let (status, body) = raw.answer().expect("an answer");
    assert!(status == 200 && !is_wrapped(body.as_bytes()), "{status}");
}
