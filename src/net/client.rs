//! The client: one connection at a time, to a server that is verified before anything is sent.
//!
//! Every wait has an end, whatever the other side does: there is one deadline for the connection, and one for each request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderValue};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName as TlsName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::http::{self, BodyError, FIELDS_LIMIT, HEADER_LIMIT};
use super::{
    Connection, Error, Identity, Method, Peer, Proxy, Request, Response, ServerName, TlsVersion, Transport, tls,
};
use crate::files;
use crate::x509::verify::Anchors;

/// Most bytes of a response's body. A bundle of a hundred CA certificates with post-quantum signatures is below 1 MiB.
const RESPONSE_LIMIT: usize = 2 << 20;

/// For the name, the connection, the proxy and the handshake: a server that is not there is told within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// From the first byte of a request to the last of its response, where nothing else is set: a CA may ask an HSM.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the event loop is turned to learn whether the server has closed: once for what the system tells, once for
/// hyper to hear of it, once for its word to reach us.
const TURNS: usize = 3;

/// Whom a client takes for the server.
#[derive(Clone, Debug)]
pub enum Trust {
    /// A server of that name, with a chain to one of these.
    Anchors(Anchors),
    /// Anyone: for what is verified by other means, as certificates with a known fingerprint. Nothing secret may be sent.
    Anyone,
}

/// Opens connections to one server.
#[derive(Clone, Debug)]
pub struct Client {
    pub server: ServerName,
    pub trust: Trust,
    /// What is shown to a server that asks for a certificate.
    pub identity: Option<Identity>,
    pub proxy: Option<Proxy>,
    /// The one version of TLS that is spoken; any, where there is none.
    pub version: Option<TlsVersion>,
    /// For opening a connection, the handshake included.
    pub connect_timeout: Duration,
    /// For each request and its whole response.
    pub timeout: Duration,
}

impl Client {
    /// Takes a server and whom to take for it, without identity and proxy, and with the usual times.
    pub fn new(server: ServerName, trust: Trust) -> Self {
        let (connect_timeout, timeout) = (CONNECT_TIMEOUT, REQUEST_TIMEOUT);
        Self { server, trust, identity: None, proxy: None, version: None, connect_timeout, timeout }
    }

    async fn open(&self, config: Arc<rustls::ClientConfig>) -> Result<(SendRequest<Full<Bytes>>, Peer), Error> {
        let server = self.server.to_string();
        let until = Instant::now() + self.connect_timeout;
        let mut stream = match &self.proxy {
            Some(proxy) => reach(&proxy.server, until).await?,
            None => reach(&self.server, until).await?,
        };
        // Behind a proxy only the proxy knows.
        let address = stream.peer_addr().ok().filter(|_| self.proxy.is_none()).map(|address| address.ip());
        // Without it a small request may wait for an acknowledgement. It fails on a dead socket alone.
        let _ = stream.set_nodelay(true);
        if let Some(proxy) = &self.proxy {
            tunnel(&mut stream, proxy, &self.server).await?;
        }
        let name = TlsName::try_from(self.server.host.clone())
            .map_err(|_| Error::Tls { server: server.clone(), why: "TLS has no place for that name".to_owned() })?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        let stream = stream.map_err(|error| failed(&error, &server))?;
        let (_, connection) = stream.get_ref();
        let export = |output, label, context| connection.export_keying_material(output, label, context);
        let peer = tls::peer(address, connection, export)
            .map_err(|error| Error::Tls { server: server.clone(), why: error.to_string() })?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEADER_LIMIT)
            .max_headers(FIELDS_LIMIT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error, &server))?;
        // Its errors come with the request that they spoil.
        tokio::spawn(connection);
        Ok((sender, peer))
    }
}

impl Transport for Client {
    fn connect(&self) -> Result<Box<dyn Connection>, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|source| Error::Runtime { source })?;
        let trust = match &self.trust {
            Trust::Anchors(anchors) => Some((anchors.clone(), self.server.alt_name())),
            Trust::Anyone => None,
        };
        let config = tls::client_config(tls::versions(self.version), trust, self.identity.as_ref())?;
        let server = self.server.to_string();
        let opened = runtime.block_on(async { tokio::time::timeout(self.connect_timeout, self.open(config)).await });
        let slow =
            || Error::Timeout { server: server.clone(), doing: "connect", seconds: self.connect_timeout.as_secs() };
        let (sender, peer) = match opened.unwrap_or_else(|_| Err(slow())) {
            Ok(opened) => opened,
            Err(error) => {
                // A look-up of a name cannot be stopped, and is not waited for.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let authority = self.server.authority();
        Ok(Box::new(Open { runtime, sender, peer, server, authority, timeout: self.timeout }))
    }
}

/// Connects to the first address of a server that answers. Each has its share of the time that is left, so that one that is
/// silent does not keep the others from being tried.
async fn reach(server: &ServerName, until: Instant) -> Result<TcpStream, Error> {
    let failed = |source| Error::Connect { server: server.to_string(), source };
    let addresses: Vec<SocketAddr> = match server.address() {
        Some(address) => vec![SocketAddr::new(address, server.port)],
        None => tokio::net::lookup_host((server.host.as_str(), server.port)).await.map_err(failed)?.collect(),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(failed(last))
}

/// Asks a proxy for a tunnel to a server.
async fn tunnel(stream: &mut TcpStream, proxy: &Proxy, server: &ServerName) -> Result<(), Error> {
    let answered = |status, why| Error::Proxy { proxy: proxy.server.to_string(), status, why };
    let refused = |why: String| answered(None, why);
    let broken = |error: io::Error| refused(error.to_string());
    let mut request = Zeroizing::new(format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n"));
    if let Some(pair) = &proxy.credentials {
        let encoded = Zeroizing::new(files::to_base64(pair.as_bytes()));
        let field = Zeroizing::new(format!("Proxy-Authorization: Basic {}\r\n", *encoded));
        request = Zeroizing::new([request.as_str(), field.as_str()].concat());
    }
    let request = Zeroizing::new([request.as_str(), "\r\n"].concat());
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut header = Vec::new();
    // Byte by byte, since what follows is TLS already. It is once for a connection.
    while !header.ends_with(b"\r\n\r\n") {
        if header.len() == HEADER_LIMIT {
            return Err(refused("its answer does not end".to_owned()));
        }
        match stream.read_u8().await {
            Ok(byte) => header.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(refused("it closed the connection".to_owned()));
            }
            Err(error) => return Err(broken(error)),
        }
    }
    let line = header.split(|byte| *byte == b'\r').next().map(String::from_utf8_lossy).unwrap_or_default();
    let mut words = line.splitn(2, ' ');
    match (words.next(), words.next()) {
        (Some("HTTP/1.0" | "HTTP/1.1"), Some(status)) if status.starts_with('2') => Ok(()),
        (Some("HTTP/1.0" | "HTTP/1.1"), Some(status)) => {
            let code = status.split(' ').next().and_then(|code| code.parse().ok());
            let status: String = status.chars().take(SHOWN_LIMIT).collect();
            Err(answered(code, format!("it answered {}", files::printable(&status))))
        }
        _ => Err(refused("it does not speak HTTP".to_owned())),
    }
}

/// Most characters of a proxy's status that an error repeats.
const SHOWN_LIMIT: usize = 100;

struct Open {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    peer: Peer,
    server: String,
    authority: String,
    timeout: Duration,
}

impl Open {
    fn request(&self, request: &Request) -> Result<hyper::Request<Full<Bytes>>, Error> {
        let unfit = |why| Error::Request { why };
        let method = match request.method {
            Method::Get => hyper::Method::GET,
            Method::Post => hyper::Method::POST,
        };
        let uri = Some(&request.target).filter(|target| target.starts_with('/')).and_then(|target| target.parse().ok());
        let mut sent = hyper::Request::new(http::body(request.body.clone()));
        *sent.method_mut() = method;
        *sent.uri_mut() = uri.ok_or_else(|| unfit("its path is none"))?;
        let host = HeaderValue::from_str(&self.authority).map_err(|_| unfit("the server's name is none"))?;
        sent.headers_mut().insert(header::HOST, host);
        http::add_headers(sent.headers_mut(), &request.headers)
            .ok_or_else(|| unfit("a header field has characters that HTTP has no place for"))?;
        let agent = HeaderValue::from_static(concat!("bulla/", env!("CARGO_PKG_VERSION")));
        sent.headers_mut().entry(header::USER_AGENT).or_insert(agent);
        Ok(sent)
    }
}

impl Connection for Open {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn is_open(&self) -> bool {
        self.runtime.block_on(async {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
        });
        self.sender.is_ready()
    }

    fn send(&mut self, request: &Request) -> Result<Response, Error> {
        let sent = self.request(request)?;
        let (sender, server) = (&mut self.sender, self.server.as_str());
        let exchange = async {
            sender.ready().await.map_err(|error| broken(&error, server))?;
            let response = sender.send_request(sent).await.map_err(|error| broken(&error, server))?;
            let (parts, mut body) = response.into_parts();
            let body = http::read_body(&mut body, RESPONSE_LIMIT, || true).await.map_err(|error| match error {
                BodyError::TooLarge | BodyError::NoRoom => {
                    Error::TooLarge { server: server.to_owned(), limit: RESPONSE_LIMIT }
                }
                BodyError::Broken(error) => broken(&error, server),
            })?;
            let (status, headers) = (parts.status.as_u16(), http::headers(&parts.headers));
            Ok(Response { status, headers, body, facts: Vec::new() })
        };
        let timeout = self.timeout;
        let slow = || Error::Timeout { server: server.to_owned(), doing: "answer", seconds: timeout.as_secs() };
        self.runtime.block_on(async { tokio::time::timeout(timeout, exchange).await }).unwrap_or_else(|_| Err(slow()))
    }
}

/// What an error of the stream tells.
fn failed(error: &io::Error, server: &str) -> Error {
    let server = server.to_owned();
    match tls::failure(error) {
        Some(tls::Failure::Untrusted(why)) => Error::Untrusted { server, why },
        Some(tls::Failure::Signing(why)) => Error::Identity { why },
        Some(tls::Failure::Other(why)) => Error::Tls { server, why },
        // A server that does not care for a peer's certificate may just hang up.
        None => Error::Closed { server },
    }
}

/// What an error of hyper tells: of the stream below it, or of what came.
fn broken(error: &hyper::Error, server: &str) -> Error {
    let mut source = std::error::Error::source(error);
    while let Some(found) = source {
        if let Some(error) = found.downcast_ref::<io::Error>() {
            return failed(error, server);
        }
        source = found.source();
    }
    let server = server.to_owned();
    if error.is_parse() {
        return Error::Http { server, why: error.to_string() };
    }
    Error::Closed { server }
}
