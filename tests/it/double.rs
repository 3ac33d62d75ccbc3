//! A double of a server: TLS on a port of its own, and beyond that exactly what a test's script says, well-formed or not.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// `GET /.well-known/est/cacerts`
    pub line: String,
    /// The header fields as they came.
    pub head: String,
    /// The body, out of its chunks.
    pub body: Vec<u8>,
    /// Of which connection, from 0.
    pub connection: usize,
    /// Whether the client showed a certificate.
    pub has_certificate: bool,
}

impl Received {
    /// The operation: the last part of the path.
    pub fn operation(&self) -> &str {
        self.line.rsplit('/').next().unwrap_or_default()
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What the double does next on a connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes again and again until the peer has gone.
    Flood(Vec<u8>),
    /// Sends these bytes one by one, with a pause before each.
    Trickle(Vec<u8>, Duration),
    /// Does nothing until the peer has gone.
    Stall,
    /// Closes the connection.
    Close,
}

/// A whole response with its length.
pub fn response(status: &str, fields: &[&str], body: &[u8]) -> Vec<Act> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    vec![Act::Send([head.as_bytes(), body].concat())]
}

/// What a test's server says to a request.
type Script = dyn Fn(&Received) -> Vec<Act> + Send + Sync;

/// A server that runs until the test ends.
pub struct Double {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Received>>>,
}

/// What stands below HTTP.
enum Lower {
    /// TLS.
    Tls(Arc<ServerConfig>),
    /// Nothing: the script is asked at once, with an empty request.
    Bare,
}

impl Double {
    /// A server with a certificate chain and key, PEM files.
    pub fn start(chain: &Path, key: &Path, script: impl Fn(&Received) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::start_in(rustls::DEFAULT_VERSIONS, chain, key, script)
    }

    /// The same in some versions of TLS alone.
    pub fn start_in(
        versions: &[&'static SupportedProtocolVersion],
        chain: &Path,
        key: &Path,
        script: impl Fn(&Received) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let chain = CertificateDer::pem_file_iter(chain).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        Self::run(Lower::Tls(Arc::new(config)), Arc::new(script))
    }

    /// A server that speaks no TLS: what the script says is all that there is.
    pub fn bare(script: impl Fn(&Received) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::run(Lower::Bare, Arc::new(script))
    }

    fn run(lower: Lower, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, connections) = (seen.clone(), AtomicUsize::new(0));
        let lower = Arc::new(lower);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = connections.fetch_add(1, Ordering::Relaxed);
                let (lower, script, log) = (lower.clone(), script.clone(), log.clone());
                std::thread::spawn(move || serve(stream, connection, &lower, &*script, &log));
            }
        });
        Self { address, seen }
    }

    /// The requests that came, in order.
    pub fn seen(&self) -> Vec<Received> {
        self.seen.lock().unwrap().clone()
    }
}

/// Serves one connection. What the peer does to it ends it, and is no failure of the double.
fn serve(stream: TcpStream, connection: usize, lower: &Lower, script: &Script, log: &Mutex<Vec<Received>>) {
    let _ = stream.set_nodelay(true);
    match lower {
        Lower::Bare => {
            let nothing = Received {
                line: String::new(),
                head: String::new(),
                body: Vec::new(),
                connection,
                has_certificate: false,
            };
            let mut stream = stream;
            for act in script(&nothing) {
                if !perform(&act, &mut stream) {
                    return;
                }
            }
        }
        Lower::Tls(config) => {
            let Ok(tls) = rustls::ServerConnection::new(config.clone()) else { return };
            let mut stream = rustls::StreamOwned::new(tls, stream);
            while let Some(mut received) = read(&mut stream, connection) {
                received.has_certificate = stream.conn.peer_certificates().is_some();
                log.lock().unwrap().push(received.clone());
                for act in script(&received) {
                    if !perform(&act, &mut stream) {
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                        return;
                    }
                }
            }
        }
    }
}

/// Does one thing; `false` where the connection is over.
fn perform(act: &Act, stream: &mut (impl Read + Write)) -> bool {
    match act {
        Act::Send(bytes) => stream.write_all(bytes).and_then(|()| stream.flush()).is_ok(),
        Act::Flood(bytes) => loop {
            if stream.write_all(bytes).is_err() {
                return false;
            }
        },
        Act::Trickle(bytes, pause) => bytes.iter().all(|byte| {
            std::thread::sleep(*pause);
            stream.write_all(&[*byte]).and_then(|()| stream.flush()).is_ok()
        }),
        Act::Stall => {
            let mut rest = [0; 1024];
            while stream.read(&mut rest).is_ok_and(|read| read > 0) {}
            false
        }
        Act::Close => false,
    }
}

/// Reads one request; `None` where the peer has gone.
fn read(stream: &mut impl Read, connection: usize) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        more(stream, &mut bytes)?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end + 4);
    let (line, head) = head.split_once("\r\n").unwrap_or((&head, ""));
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    let received = Received { line, head: head.to_owned(), body: Vec::new(), connection, has_certificate: false };
    if received.header("Transfer-Encoding").is_some() {
        while !body.ends_with(b"0\r\n\r\n") {
            more(stream, &mut body)?;
        }
        return Some(Received { body: out_of_chunks(&body), ..received });
    }
    let length = received.header("Content-Length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        more(stream, &mut body)?;
    }
    Some(Received { body, ..received })
}

fn more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> Option<()> {
    let mut some = [0; 4096];
    loop {
        match stream.read(&mut some) {
            Ok(0) => return None,
            Ok(read) => {
                bytes.extend_from_slice(&some[..read]);
                return Some(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

fn out_of_chunks(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 4 + length..];
    }
    body
}
