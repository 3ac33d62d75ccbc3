//! Both ends over real sockets, and each of them with an other end that misbehaves.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName as TlsName;
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::*;
use crate::key::{self, Input, KeyType, PublicKey, Scheme, Signer, SoftwareKey};
use crate::x509::issue::{self, Serial};
use crate::x509::verify::{Anchors, Refusal};
use crate::x509::{AltName, Name, Names, Profile, Time, Variables, Wanted, no_expiry};

const OLD: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
const NEW: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// A CA of one root.
struct Ca {
    key: SoftwareKey,
    root: Certificate,
}

fn now() -> Time {
    Time::now_utc()
}

impl Ca {
    fn new() -> Self {
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let profile = Profile::named("device-root").unwrap();
        let mut variables = Variables::default();
        variables.set("name", "Test");
        variables.set("title", "Test Root CA");
        let names = profile.names(&Name::empty(), &[], &variables, None).unwrap();
        let from = now() - time::Duration::days(100);
        let root = issue::root(&profile, &names, &key, (from, no_expiry())).unwrap();
        Self { key, root }
    }

    fn issue(&self, profile: &str, alt_names: &[AltName], key: &SoftwareKey, validity: (Time, Time)) -> Certificate {
        let profile = Profile::named(profile).unwrap();
        let subject = Name::new(&[(Name::COMMON_NAME, "peer")]).unwrap();
        let wanted = Wanted { subject: subject.clone(), alt_names: alt_names.to_vec(), ..Wanted::default() };
        let request = crate::x509::Request::new(&profile, &wanted, key).unwrap().prove().unwrap();
        let names = Names { subject, alt_names: alt_names.to_vec() };
        let (scheme, serial) = (KeyType::P256.usual_scheme(), Serial::new(now()).unwrap());
        let issued = issue::to_be_signed(&profile, &request, &names, &self.root, scheme, serial, validity).unwrap();
        issue::sign(&issued, &self.key, scheme).unwrap()
    }

    fn server_of(&self, key_type: KeyType, validity: (Time, Time)) -> Identity {
        let key = SoftwareKey::generate(key_type).unwrap();
        let names = [AltName::ip("127.0.0.1").unwrap(), AltName::dns("localhost").unwrap()];
        let leaf = self.issue("tls-server", &names, &key, validity);
        Identity::new(vec![leaf, self.root.clone()], Arc::new(key)).unwrap()
    }

    fn server(&self) -> Identity {
        self.server_of(KeyType::P256, (now() - time::Duration::hours(1), now() + time::Duration::hours(1)))
    }

    fn client(&self, key_type: KeyType) -> Identity {
        let key = SoftwareKey::generate(key_type).unwrap();
        let leaf = self.issue("tls-client", &[], &key, (now(), now() + time::Duration::hours(1)));
        Identity::new(vec![leaf], Arc::new(key)).unwrap()
    }

    fn trust(&self) -> Trust {
        Trust::Anchors(Anchors::new(vec![self.root.clone()]).unwrap())
    }
}

/// Answers by the path.
#[derive(Default)]
struct Responder {
    /// How many requests are at work, and the most that ever were.
    at_work: AtomicUsize,
    most: AtomicUsize,
}

impl Service for Responder {
    fn respond(&self, request: &Request, peer: &Peer) -> Response {
        let body = |text: String| Response::new(200).body(text.into_bytes());
        match request.target.split('?').next().unwrap() {
            "/echo" => {
                let response = Response::new(200)
                    .with("Content-Type", "application/x-echo")
                    .fact("bytes", request.body.len().to_string());
                let response =
                    request.headers.get("X-Word").map_or(response.clone(), |word| response.with("X-Word", word));
                response.body(request.body.to_vec())
            }
            "/peer" => body(format!(
                "{} {:?} {:?}",
                peer.version,
                peer.certificates.first().map(Certificate::fingerprint),
                peer.binding
            )),
            "/slow" => {
                let at_work = 1 + self.at_work.fetch_add(1, Ordering::SeqCst);
                self.most.fetch_max(at_work, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(400));
                self.at_work.fetch_sub(1, Ordering::SeqCst);
                body("slow".to_owned())
            }
            "/large" => Response::new(200).body(vec![b'x'; 8000]),
            "/panic" => panic!("as it was told"),
            "/bad" => Response::new(200).with("X-Bad", "a\r\nb"),
            _ => Response::text(404, "no"),
        }
    }
}

struct Running {
    address: SocketAddr,
    stopper: Stopper,
    identity: ServerIdentity,
    lines: Arc<Mutex<Vec<Logged>>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn new(identity: Identity, clients: &ClientAuth, limits: Limits) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), identity, clients, limits).unwrap();
        let (address, stopper, identity) = (server.local_address(), server.stopper(), server.identity());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log: Log = {
            let lines = lines.clone();
            Arc::new(move |line: &Logged| lines.lock().unwrap().push(line.clone()))
        };
        let thread = Some(thread::spawn(move || server.run_until_stopped(Arc::new(Responder::default()), log)));
        Self { address, stopper, identity, lines, thread }
    }

    fn simple(ca: &Ca, limits: Limits) -> Self {
        Self::new(ca.server(), &ClientAuth::default(), limits)
    }

    fn client(&self, ca: &Ca) -> Client {
        Client::new(self.address.to_string().parse().unwrap(), ca.trust())
    }

    fn raw(&self) -> Raw {
        raw_client(self.address, tls::VERSIONS, None).unwrap()
    }

    /// Waits for a line of the log.
    fn line(&self, is_it: impl Fn(&Logged) -> bool) -> Logged {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(line) = self.lines.lock().unwrap().iter().find(|line| is_it(line)) {
                return line.clone();
            }
            assert!(Instant::now() < until, "{:?}", self.lines.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn failure(&self, words: &str) -> Logged {
        self.line(|line| line.failure.as_ref().is_some_and(|failure| failure.contains(words)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, None | Some(Ok(()))), "{ended:?}");
    }
}

type Raw = StreamOwned<ClientConnection, TcpStream>;

/// A client that sends what it is told, with a handshake that is done.
fn raw_client(
    address: SocketAddr,
    versions: &[&'static rustls::SupportedProtocolVersion],
    identity: Option<&Identity>,
) -> io::Result<Raw> {
    let config = tls::client_config(versions, None, identity).unwrap();
    let name = TlsName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), TcpStream::connect(address)?);
    stream.sock.set_read_timeout(Some(Duration::from_secs(10)))?;
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Sends, and reads to the end.
fn exchange(stream: &mut Raw, sent: &[u8]) -> String {
    stream.write_all(sent).unwrap();
    let mut read = Vec::new();
    // Servers of ours close without TLS's farewell where time is up.
    let _ = stream.read_to_end(&mut read);
    String::from_utf8_lossy(&read).into_owned()
}

/// A server for one connection that does what it is told after the handshake.
fn double(
    ca: &Ca,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
    act: impl FnOnce(&mut StreamOwned<ServerConnection, TcpStream>) -> io::Result<()> + Send + 'static,
) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = tls::server_config(versions, ServerIdentity::new(ca.server()), &ClientAuth::default()).unwrap();
    thread::spawn(move || {
        let (socket, _) = listener.accept()?;
        act(&mut StreamOwned::new(ServerConnection::new(config).unwrap(), socket))
    });
    Client { timeout: Duration::from_millis(700), ..Client::new(address.to_string().parse().unwrap(), ca.trust()) }
}

/// Reads a request's header.
fn read_header(stream: &mut impl Read) -> io::Result<()> {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        read.push(byte[0]);
    }
    Ok(())
}

fn get(client: &Client, target: &str) -> Result<Response, Error> {
    client.connect()?.send(&Request::get(target))
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

#[test]
fn requests_come_and_responses_go_as_they_are() {
    let ca = Ca::new();
    let server = Running::simple(&ca, Limits::default());
    let mut connection = server.client(&ca).connect().unwrap();
    assert_eq!(connection.peer().address, Some(server.address.ip()));
    for length in [0, 1, 20_000, Limits::default().body] {
        let request = Request::post("/echo?x=1", "application/pkcs10", vec![7; length]).with("X-Word", "word");
        let response = connection.send(&request).unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, &vec![7; length][..]));
        assert_eq!(response.headers.get("content-type"), Some("application/x-echo"));
        assert_eq!(response.headers.get("X-Word"), Some("word"));
        assert!(connection.is_open());
    }
    let line = server.line(|line| line.facts.contains(&("bytes", "20000".to_owned())));
    assert_eq!((line.method.as_str(), line.target.as_str(), line.status), ("POST", "/echo?x=1", 200));
    assert_eq!(line.failure, None);
    assert_eq!(connection.send(&Request::get("/none")).unwrap().status, 404);
    let bad = Request::get("/echo").with("X-Word", "a\r\nX-Other: b");
    assert!(matches!(connection.send(&bad), Err(Error::Request { .. })));
    assert!(matches!(connection.send(&Request::get("echo")), Err(Error::Request { .. })));
}

/// Each type of key signs the handshake on both ends, in both versions, and both ends see the same binding.
#[test]
fn every_key_proves_itself_in_both_versions() {
    let ca = Ca::new();
    for key_type in [KeyType::P256, KeyType::P384, KeyType::Ed25519, KeyType::Rsa(2048)] {
        let validity = (now(), now() + time::Duration::hours(1));
        let server = Running::new(
            ca.server_of(key_type, validity),
            &ClientAuth { is_required: true, issuers: vec![ca.root.clone()] },
            Limits::default(),
        );
        let identity = ca.client(key_type);
        let fingerprint = format!("Some({:?})", identity.certificates()[0].fingerprint());
        let client = Client { identity: Some(identity.clone()), ..server.client(&ca) };
        let mut connection = client.connect().unwrap();
        let seen = text(&connection.send(&Request::get("/peer")).unwrap());
        let binding = connection.peer().binding;
        assert!(binding.is_some() && connection.peer().version == TlsVersion::V1_3);
        assert_eq!(seen, format!("TLS 1.3 {fingerprint} {binding:?}"));
        assert_ne!(client.connect().unwrap().peer().binding, binding);
        let mut old = raw_client(server.address, OLD, Some(&identity)).unwrap();
        let seen = exchange(&mut old, b"GET /peer HTTP/1.1\r\nConnection: close\r\n\r\n");
        assert!(seen.ends_with(&format!("TLS 1.2 {fingerprint} None")), "{seen}");
    }
}

/// A signer that has something to say, as a token has.
#[derive(Debug)]
struct Locked(SoftwareKey);

impl Signer for Locked {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn schemes(&self) -> &[Scheme] {
        self.0.schemes()
    }

    fn sign(&self, _scheme: Scheme, _input: Input<'_>) -> Result<Vec<u8>, key::Error> {
        Err(key::Error::Library { what: "open the token: the PIN is locked" })
    }
}

/// Signs with another key than that of the certificate.
#[derive(Debug)]
struct Impostor {
    claimed: PublicKey,
    own: SoftwareKey,
}

impl Signer for Impostor {
    fn public_key(&self) -> &PublicKey {
        &self.claimed
    }

    fn schemes(&self) -> &[Scheme] {
        self.own.schemes()
    }

    fn sign(&self, scheme: Scheme, input: Input<'_>) -> Result<Vec<u8>, key::Error> {
        self.own.sign(scheme, input)
    }
}

#[test]
fn a_key_that_does_not_sign_says_why_and_one_that_is_not_the_certificates_is_refused() {
    let ca = Ca::new();
    let server = Running::simple(&ca, Limits::default());
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let leaf = ca.issue("tls-client", &[], &key, (now(), no_expiry()));
    let claimed = key.public_key().clone();
    let client = |signer: Arc<dyn Signer>| {
        let identity = Identity::new(vec![leaf.clone()], signer).unwrap();
        get(&Client { identity: Some(identity), ..server.client(&ca) }, "/peer")
    };
    let error = client(Arc::new(Locked(key))).unwrap_err();
    assert!(matches!(&error, Error::Identity { .. }) && error.to_string().contains("PIN is locked"), "{error}");
    let error = client(Arc::new(Impostor { claimed, own: SoftwareKey::generate(KeyType::P256).unwrap() })).unwrap_err();
    assert!(matches!(&error, Error::Tls { .. }) && error.to_string().contains("decrypt error"), "{error}");
    server.failure("no TLS connection");
    // The same of a server, whoever is trusted.
    let honest = ca.server();
    let claimed = honest.certificates()[0].public_key().unwrap();
    let own = SoftwareKey::generate(KeyType::P256).unwrap();
    let identity = Identity::new(honest.certificates().to_vec(), Arc::new(Impostor { claimed, own })).unwrap();
    let server = Running::new(identity, &ClientAuth::default(), Limits::default());
    for trust in [ca.trust(), Trust::Anyone] {
        let error = Client { trust, ..server.client(&ca) }.connect().map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Tls { .. }), "{error}");
    }
    for version in [OLD, NEW] {
        assert!(raw_client(server.address, version, None).is_err());
    }
    let other = SoftwareKey::generate(KeyType::P256).unwrap();
    assert!(matches!(Identity::new(vec![leaf], Arc::new(other)), Err(Error::Identity { .. })));
}

#[test]
fn a_server_is_judged_by_anchor_name_and_time() {
    let (ca, other) = (Ca::new(), Ca::new());
    let day = time::Duration::days(1);
    let server = Running::simple(&ca, Limits::default());
    let refusal = |client: &Client| match client.connect().map(|_| ()) {
        Err(Error::Untrusted { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let client = server.client(&ca);
    let port = server.address.port();
    let named = |host: &str| Client { server: ServerName { host: host.to_owned(), port }, ..client.clone() };
    assert!(named("localhost").connect().is_ok());
    assert!(named("127.0.0.1").connect().is_ok());
    let stranger = Client { trust: other.trust(), ..client.clone() };
    assert!(matches!(refusal(&stranger), Refusal::BadSignature { .. } | Refusal::KeyIdentifier { .. }));
    let mut connection = Client { trust: Trust::Anyone, ..stranger }.connect().unwrap();
    assert_eq!(connection.peer().certificates.len(), 2);
    assert_eq!(connection.send(&Request::get("/peer")).unwrap().status, 200);
    server.failure("no TLS connection: the other end refused: certificate unknown");
    for (from, until) in [(now() - 2 * day, now() - day), (now() + day, now() + 2 * day)] {
        let server =
            Running::new(ca.server_of(KeyType::P256, (from, until)), &ClientAuth::default(), Limits::default());
        let why = refusal(&server.client(&ca));
        assert!(matches!(why, Refusal::Expired { .. } | Refusal::NotYetValid { .. }), "{why}");
    }
    // A client's certificate is no server's, and one for another name none of this.
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let elsewhere = ca.issue("tls-server", &[AltName::dns("elsewhere").unwrap()], &key, (now(), no_expiry()));
    let identity = Identity::new(vec![elsewhere], Arc::new(key)).unwrap();
    for (identity, code) in [(ca.client(KeyType::P256), "purpose"), (identity, "name")] {
        let server = Running::new(identity, &ClientAuth::default(), Limits::default());
        assert_eq!(refusal(&server.client(&ca)).code(), code);
    }
}

#[test]
fn a_server_that_requires_a_certificate_says_so() {
    let ca = Ca::new();
    let clients = ClientAuth { is_required: true, issuers: Vec::new() };
    let server = Running::new(ca.server(), &clients, Limits::default());
    let error = get(&server.client(&ca), "/peer").unwrap_err();
    assert!(error.to_string().contains("certificate required"), "{error}");
    server.failure("no TLS connection");
    // Whose it is does not matter here, nor does its time.
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let past = now() - time::Duration::days(9);
    let leaf = Ca::new().issue("tls-client", &[], &key, (past, past));
    let identity = Identity::new(vec![leaf; 10], Arc::new(key)).unwrap();
    assert_eq!(get(&Client { identity: Some(identity.clone()), ..server.client(&ca) }, "/peer").unwrap().status, 200);
    // RFC 8446 section 4.4.2 bounds a chain by its bytes alone.
    let mut long = identity.certificates().to_vec();
    long.push(long[0].clone());
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    long[0] = ca.issue("tls-client", &[], &key, (now(), no_expiry()));
    let long = Identity::new(long, Arc::new(key)).unwrap();
    assert!(get(&Client { identity: Some(long), ..server.client(&ca) }, "/peer").is_err());
    server.failure("more than 10 certificates");
}

/// Reads one record of TLS from a socket.
fn record(socket: &mut TcpStream) -> Vec<u8> {
    let mut record = vec![0; 5];
    socket.read_exact(&mut record).unwrap();
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    socket.read_exact(&mut record[5..]).unwrap();
    record
}

/// strongSwan 5.9.8 reads a response in one go: header and body are in one record.
#[test]
fn a_response_is_one_record_and_has_its_length() {
    let ca = Ca::new();
    let server = Running::simple(&ca, Limits::default());
    for version in [OLD, NEW] {
        let mut stream = raw_client(server.address, version, None).unwrap();
        for _ in 0..2 {
            stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let record = record(&mut stream.sock);
            let mut rest = record.as_slice();
            while !rest.is_empty() {
                stream.conn.read_tls(&mut rest).unwrap();
            }
            assert!(stream.conn.process_new_packets().unwrap().plaintext_bytes_to_read() > 8000);
            let mut response = vec![0; 9000];
            let length = stream.conn.reader().read(&mut response).unwrap();
            let response = String::from_utf8_lossy(&response[..length]).to_ascii_lowercase();
            assert!(response.contains("\r\ncontent-length: 8000\r\n") && response.ends_with("xxx"), "{response}");
        }
    }
}

#[test]
fn methods_bodies_and_headers_are_bounded() {
    let ca = Ca::new();
    let server = Running::simple(&ca, Limits { body: 1000, ..Limits::default() });
    let post = |length: &str, body: &[u8]| {
        [format!("POST /echo HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n").as_bytes(), body].concat()
    };
    let chunked = "Transfer-Encoding: chunked\r\nConnection: close";
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(17_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(101));
    for (sent, status, words) in [
        (b"DELETE /echo HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), "405", "not served"),
        (b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), "405", "not served"),
        (post("Content-Length: 1001\r\nConnection: close", &[b'x'; 1001]), "413", "more than 1000"),
        (post("Content-Length: 99999999999\r\nExpect: 100-continue", b""), "413", "more than 1000"),
        (post(chunked, format!("3E9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001)).as_bytes()), "413", "more than 1000"),
        (post(chunked, b"xyz\r\n"), "400", "cannot be read"),
        (post("Content-Length: 1\r\nContent-Length: 2", b"x"), "400", "no HTTP"),
        (long.into_bytes(), "431", "16384 bytes"),
        (many.into_bytes(), "431", "100 fields"),
        (b"\x16\x03\x01\r\n\r\n".to_vec(), "400", "no HTTP"),
        (b"GET /bad HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), "500", "cannot be sent"),
        (b"GET /panic HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), "500", "panicked"),
    ] {
        server.lines.lock().unwrap().clear();
        let mut stream = server.raw();
        let response = exchange(&mut stream, &sent);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{words}: {response}");
        let line = server.failure(words);
        assert_eq!(line.status.to_string(), status);
    }
    let response = exchange(&mut server.raw(), b"PUT / HTTP/1.1\r\n\r\n").to_ascii_lowercase();
    assert!(response.contains("\r\nallow: get, head, post\r\n"), "{response}");
    let response =
        exchange(&mut server.raw(), b"HEAD /large HTTP/1.1\r\nConnection: close\r\n\r\n").to_ascii_lowercase();
    assert!(response.contains("\r\ncontent-length: 8000\r\n") && response.ends_with("\r\n\r\n"), "{response}");
    let body = format!("3E8\r\n{}\r\n0\r\nX-Trailer: x\r\n\r\n", "x".repeat(1000));
    let response = exchange(&mut server.raw(), &post(chunked, body.as_bytes()));
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("xxx"), "{response}");
    let mut stream = server.raw();
    stream.write_all(&post("Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close", b"")).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(exchange(&mut stream, b"hi").ends_with("\r\n\r\nhi"));
}

#[test]
fn a_client_hears_that_its_body_is_too_large() {
    let ca = Ca::new();
    let server = Running::simple(&ca, Limits::default());
    let request = Request::post("/echo", "text/plain", vec![0; 2 * Limits::default().body]);
    let mut connection = server.client(&ca).connect().unwrap();
    assert_eq!(connection.send(&request).unwrap().status, 413);
    assert!(!connection.is_open());
    assert!(matches!(connection.send(&request), Err(Error::Closed { .. })));
}

/// Large bodies have a share of the memory, and no more, however many connections there are.
#[test]
fn large_bodies_are_few_at_once() {
    let ca = Ca::new();
    let server = Running::simple(&ca, Limits { large_bodies: 2, ..Limits::default() });
    let send =
        |length: usize| server.client(&ca).connect().unwrap().send(&Request::post("/echo", "a/b", vec![0; length]));
    let status = |length| send(length).unwrap().status;
    let mut held: Vec<Raw> = (0..2).map(|_| server.raw()).collect();
    for stream in &mut held {
        stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n").unwrap();
        stream.write_all(&[0; 40_000]).unwrap();
        stream.flush().unwrap();
    }
    let begun = Instant::now();
    while status(20_000) == 200 && begun.elapsed() < Duration::from_secs(5) {}
    assert_eq!((status(20_000), status(16 << 10)), (503, 200));
    server.failure("more than 2 bodies are above 16384 bytes");
    assert!(exchange(&mut held[0], &[0; 10_000]).starts_with("HTTP/1.1 200 "));
    assert_eq!(status(500_000), 200);
}

fn short() -> Limits {
    let short = Duration::from_millis(300);
    Limits { handshake: short, header: short, request: 2 * short, response: short, ..Limits::default() }
}

/// Whoever is slow is cut off, in the handshake, between requests, in a header, in a body, and in taking the response.
#[test]
fn slow_clients_are_cut_off() {
    let ca = Ca::new();
    let server = Running::simple(&ca, short());
    let begun = Instant::now();
    let mut silent = TcpStream::connect(server.address).unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    server.failure("the handshake took more than");
    assert_eq!(exchange(&mut server.raw(), b""), "");
    let drip = |start: &[u8]| {
        let mut stream = server.raw();
        stream.write_all(start).unwrap();
        let begun = Instant::now();
        while stream.write_all(b"x").and_then(|()| stream.flush()).is_ok() && begun.elapsed() < Duration::from_secs(3) {
            thread::sleep(Duration::from_millis(20));
            stream.sock.set_nonblocking(true).unwrap();
            let is_answered = stream.sock.peek(&mut [0]).is_ok();
            stream.sock.set_nonblocking(false).unwrap();
            if is_answered {
                break;
            }
        }
        exchange(&mut stream, b"")
    };
    assert_eq!(drip(b"GET / HTTP/1.1\r\nX: "), "");
    server.failure("the header took more than");
    let response = drip(b"POST /echo HTTP/1.1\r\nContent-Length: 5000\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert_eq!(server.failure("the body took more than").target, "/echo");
    assert!(begun.elapsed() < Duration::from_secs(5));
    // Requests go in, and no response is taken until the system keeps no more of them.
    let mut greedy = server.raw();
    greedy.sock.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        if let Err(error) = greedy.write_all(&b"GET /large HTTP/1.1\r\n\r\n".repeat(100))
            && error.kind() != io::ErrorKind::WouldBlock
        {
            break;
        }
    }
    server.failure("for the response");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_service_that_takes_too_long_is_given_up() {
    let ca = Ca::new();
    let server = Running::simple(&ca, Limits { request: Duration::from_millis(100), ..Limits::default() });
    let response = get(&server.client(&ca), "/slow").unwrap();
    assert_eq!((response.status, response.headers.get("Retry-After")), (503, Some("30")));
    server.failure("the service took more than");
}

#[test]
fn requests_beyond_the_workers_wait() {
    let ca = Ca::new();
    let service = Arc::new(Responder::default());
    let limits = Limits { workers: 2, ..Limits::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), ca.server(), &ClientAuth::default(), limits).unwrap();
    let (address, stopper) = (server.local_address(), server.stopper());
    let client = Client::new(address.to_string().parse().unwrap(), ca.trust());
    thread::scope(|scope| {
        let served = service.clone();
        scope.spawn(|| server.run_until_stopped(served, Arc::new(|_| ())));
        let asked: Vec<_> = (0..6).map(|_| scope.spawn(|| get(&client, "/slow").unwrap().status)).collect();
        assert!(asked.into_iter().all(|status| status.join().unwrap() == 200));
        stopper.stop();
    });
    assert_eq!(service.most.load(Ordering::SeqCst), 2);
}

#[test]
fn a_new_identity_is_shown_from_the_next_handshake_on() {
    let (ca, other) = (Ca::new(), Ca::new());
    let server = Running::simple(&ca, Limits::default());
    let mut old = server.client(&ca).connect().unwrap();
    server.identity.replace(other.server());
    assert_eq!(old.send(&Request::get("/peer")).unwrap().status, 200);
    assert!(matches!(server.client(&ca).connect().map(|_| ()), Err(Error::Untrusted { .. })));
    assert!(server.client(&other).connect().is_ok());
}

#[test]
fn a_stop_waits_for_requests_at_work_and_for_no_others() {
    let ca = Ca::new();
    let mut server = Running::simple(&ca, Limits::default());
    let client = server.client(&ca);
    let idle = client.connect().unwrap();
    let _silent = TcpStream::connect(server.address).unwrap();
    let slow = {
        let client = client.clone();
        thread::spawn(move || {
            let mut connection = client.connect().unwrap();
            let response = connection.send(&Request::get("/slow")).unwrap();
            (text(&response), response.status, connection.is_open())
        })
    };
    thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    server.stopper.stop();
    server.thread.take().unwrap().join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(slow.join().unwrap(), ("slow".to_owned(), 200, false));
    assert!(!idle.is_open());
    assert!(matches!(client.connect().map(|_| ()), Err(Error::Connect { .. })));
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let ca = Ca::new();
    let mut server = Running::simple(&ca, Limits { stop: Duration::from_millis(100), ..Limits::default() });
    let mut stream = server.raw();
    stream.write_all(b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nx").unwrap();
    thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    server.stopper.stop();
    server.thread.take().unwrap().join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2));
    server.failure("the connection ended before the response");
}

/// With all seats taken by clients that say nothing, or half of something, an honest one is served.
#[test]
fn slow_clients_do_not_lock_others_out() {
    let ca = Ca::new();
    let server = Running::simple(&ca, Limits { connections: 4, ..Limits::default() });
    let mut slow: Vec<_> = (0..4).map(|_| server.raw()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /echo HT").unwrap();
    }
    thread::sleep(Duration::from_millis(50));
    let mut connection = server.client(&ca).connect().unwrap();
    assert_eq!(connection.send(&Request::get("/peer")).unwrap().status, 200);
    server.failure(conversation::EVICTED);
    // The one that came first went, the others are still there.
    assert_eq!(exchange(&mut slow.remove(0), b""), "");
    for mut stream in slow {
        let response = exchange(&mut stream, b"TP/1.1\r\nConnection: close\r\n\r\n");
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    }
}

/// What a server sends after the request's header, and what the client makes of it within its time.
#[test]
fn hostile_servers_are_cut_off_and_named() {
    type Act = fn(&mut StreamOwned<ServerConnection, TcpStream>) -> io::Result<()>;
    type Judge = fn(&Error) -> bool;
    const HEADER: &[u8] = b"HTTP/1.1 200 OK\r\n";
    let ca = Ca::new();
    let forever: &[(&str, Act, Judge)] = &[
        (
            "silent",
            |_| {
                thread::sleep(Duration::from_secs(3));
                Ok(())
            },
            |e| matches!(e, Error::Timeout { .. }),
        ),
        ("hangs up", |_| Ok(()), |e| matches!(e, Error::Closed { .. })),
        ("resets", |s| s.sock.shutdown(std::net::Shutdown::Both), |e| matches!(e, Error::Closed { .. })),
        ("no HTTP", |s| s.write_all(b"SSH-2.0-x\r\n\r\n"), |e| matches!(e, Error::Http { .. })),
        ("no TLS", |s| s.sock.write_all(b"HTTP/1.1 400 No\r\n\r\n"), |e| matches!(e, Error::Tls { .. })),
        (
            "trickles",
            |s| {
                s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")?;
                loop {
                    s.write_all(b"x")?;
                    thread::sleep(Duration::from_millis(20));
                }
            },
            |e| matches!(e, Error::Timeout { .. }),
        ),
        (
            "fields without end",
            |s| {
                s.write_all(HEADER)?;
                loop {
                    s.write_all(b"X-Field: y\r\n")?;
                }
            },
            |e| matches!(e, Error::Http { .. }),
        ),
        (
            "a field without end",
            |s| {
                s.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
                loop {
                    s.write_all(&[b'x'; 1000])?;
                }
            },
            |e| matches!(e, Error::Http { .. }),
        ),
        (
            "interim responses without end",
            |s| loop {
                s.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n")?;
            },
            |e| matches!(e, Error::Timeout { .. }),
        ),
        (
            "a body that says that it is large",
            |s| s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n"),
            |e| matches!(e, Error::TooLarge { .. }),
        ),
        (
            "chunks without end",
            |s| {
                s.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    s.write_all(&[b"4000\r\n", &[b'x'; 0x4000][..], b"\r\n"].concat())?;
                }
            },
            |e| matches!(e, Error::TooLarge { .. } | Error::Timeout { .. }),
        ),
        (
            "a body without end",
            |s| {
                s.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    s.write_all(&[b'x'; 0x4000])?;
                }
            },
            |e| matches!(e, Error::TooLarge { .. } | Error::Timeout { .. }),
        ),
        (
            "a body that is cut off",
            |s| s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxyz"),
            |e| matches!(e, Error::Closed { .. }),
        ),
        (
            "a body until the end, cut off without TLS's farewell",
            |s| s.write_all(b"HTTP/1.1 200 OK\r\n\r\nxyz"),
            |e| matches!(e, Error::Closed { .. }),
        ),
    ];
    for (name, act, is_it) in forever {
        let act = *act;
        let client = double(&ca, tls::VERSIONS, move |stream| {
            read_header(stream)?;
            act(stream)
        });
        let begun = Instant::now();
        let error = get(&client, "/").unwrap_err();
        assert!(is_it(&error), "{name}: {error:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{name}: {:?}", begun.elapsed());
    }
}

#[test]
fn servers_may_answer_in_every_way_of_http() {
    let ca = Ca::new();
    for version in [OLD, NEW] {
        for (sent, status, body, is_open) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", 200, "ok", false),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\nX-T: y\r\n\r\n",
                200,
                "ok",
                true,
            ),
            ("HTTP/1.0 200 OK\r\n\r\nok", 200, "ok", false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 202, "", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true),
            ("HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", 302, "", true),
        ] {
            let client = double(&ca, version, move |stream| {
                read_header(stream)?;
                stream.write_all(sent.as_bytes())?;
                if !is_open {
                    stream.conn.send_close_notify();
                }
                stream.flush()?;
                thread::sleep(Duration::from_millis(100));
                Ok(())
            });
            let mut connection = client.connect().unwrap();
            let is_new = connection.peer().version == TlsVersion::V1_3;
            assert_eq!((connection.peer().binding.is_some(), version == NEW), (is_new, is_new));
            let response = connection.send(&Request::get("/")).unwrap();
            assert_eq!((response.status, text(&response).as_str()), (status, body), "{sent}");
            assert_eq!(connection.is_open(), is_open, "{sent}");
            // Then the server closes.
            thread::sleep(Duration::from_millis(200));
            assert!(!connection.is_open());
        }
    }
}

#[test]
fn servers_that_are_not_there_are_named() {
    let ca = Ca::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = Client {
        connect_timeout: Duration::from_millis(300),
        ..Client::new(address.to_string().parse().unwrap(), ca.trust())
    };
    // It is there, and says nothing.
    assert!(matches!(client.connect().map(|_| ()), Err(Error::Timeout { doing: "connect", .. })));
    drop(listener);
    assert!(matches!(client.connect().map(|_| ()), Err(Error::Connect { .. })));
    let nowhere = Client { server: "no-such-host.invalid".parse().unwrap(), ..client };
    assert!(nowhere.connect().is_err_and(|error| error.is_transient()));
}

/// A proxy for one connection that answers with `status`, and passes on what comes where that is 200.
fn proxy(status: &'static str) -> (Proxy, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string().parse().unwrap();
    let asked = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let (mut header, mut byte) = (Vec::new(), [0]);
        while !header.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte).unwrap();
            header.push(byte[0]);
        }
        client.write_all(status.as_bytes()).unwrap();
        let header = String::from_utf8(header).unwrap();
        if status.contains(" 200 ") {
            let server = header.split(' ').nth(1).unwrap();
            let mut server = TcpStream::connect(server).unwrap();
            let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut back, &mut client));
            let _ = io::copy(&mut forth, &mut server);
        }
        header
    });
    let credentials = Some("user:hunter2".to_owned().into());
    (Proxy { server, credentials }, asked)
}

#[test]
fn a_proxy_opens_the_way() {
    let ca = Ca::new();
    let server = Running::simple(&ca, Limits::default());
    let (way, asked) = proxy("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n");
    let client = Client { proxy: Some(way), ..server.client(&ca) };
    assert!(!format!("{client:?}").contains("hunter2"));
    let mut connection = client.connect().unwrap();
    assert_eq!(connection.send(&Request::get("/peer")).unwrap().status, 200);
    assert_eq!(connection.peer().address, None);
    drop(connection);
    let address = server.address;
    let asked = asked.join().unwrap();
    assert!(asked.starts_with(&format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n")), "{asked}");
    assert!(asked.contains("\r\nProxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n"), "{asked}");
    for (status, words) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Authentication Required"),
        ("SSH-2.0-x\r\n\r\n", "does not speak HTTP"),
        ("", "closed the connection"),
    ] {
        let error = Client { proxy: Some(proxy(status).0), ..server.client(&ca) }.connect().map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Proxy { .. }) && error.to_string().contains(words), "{error}");
    }
}
