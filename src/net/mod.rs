//! HTTP/1.1 over TLS: the one server and the one client, under every protocol.
//!
//! The library is synchronous, and so are the two seams here: a [`Service`] answers requests, a [`Transport`] opens
//! connections that send them. The server calls its service on a bounded pool of threads; the client runs its own little
//! event loop while it waits. A protocol's two ends meet over [`Loopback`] as well as over the network.
//!
//! Certificates are judged by [`crate::x509::verify`] on the client, and on the server by whoever authorises: the TLS layer
//! there only makes sure that the peer holds the key of the certificate that it shows.
//!
//! rustls, tokio, tokio-rustls, hyper and their helpers are named here and nowhere else.

use std::fmt;
use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::x509::Certificate;
use crate::x509::verify;

mod address;
mod client;
mod conversation;
mod http;
mod seats;
mod server;
#[cfg(test)]
mod tests;
mod tls;

pub use address::{Proxy, ServerName};
pub use client::{Client, Trust};
pub use server::{Limits, Log, Logged, Server, Stopper};
pub use tls::{ClientAuth, Identity, ServerIdentity};

/// A request, of either end.
#[derive(Clone)]
pub struct Request {
    /// What is done; a server answers other methods itself.
    pub method: Method,
    /// The path with its query, as `/.well-known/est/cacerts`.
    pub target: String,
    /// The header fields: all that came, and of what is sent those beside HTTP's own (Host, Content-Length,
    /// Transfer-Encoding, Connection).
    pub headers: Headers,
    /// The body, wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
}

/// The methods that the protocols need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// A response, of either end.
#[derive(Clone)]
pub struct Response {
    /// The status code, 200 to 599.
    pub status: u16,
    /// The header fields, as those of a request.
    pub headers: Headers,
    /// The body, wiped when dropped: it may hold a private key.
    pub body: Zeroizing<Vec<u8>>,
    /// What a server's log says of it beside the status, by name; never sent, and never a secret.
    pub facts: Vec<(&'static str, String)>,
}

/// Header fields in order; their names are compared without case (RFC 9110 section 5.1).
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, Zeroizing<String>)>);

impl Headers {
    /// The value of the first field of a name, where it is text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// How many fields have a name.
    pub fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name)).count()
    }

    /// Adds a field.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), Zeroizing::new(value.into())));
        self
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Names alone: values may be credentials.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {:?} ({} bytes)", self.method, self.target, self.headers, self.body.len())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} ({} bytes)", self.status, self.headers, self.body.len())
    }
}

impl Request {
    /// A request without body.
    pub fn get(target: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            target: target.into(),
            headers: Headers::default(),
            body: Zeroizing::new(Vec::new()),
        }
    }

    /// A request with a body of a media type.
    pub fn post(target: impl Into<String>, media_type: &str, body: Vec<u8>) -> Self {
        Self {
            method: Method::Post,
            target: target.into(),
            headers: Headers::default().with("Content-Type", media_type),
            body: Zeroizing::new(body),
        }
    }

    /// Adds a header field.
    pub fn with(self, name: &str, value: impl Into<String>) -> Self {
        Self { headers: self.headers.with(name, value), ..self }
    }
}

impl Response {
    /// A response with a status code and no body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Headers::default(), body: Zeroizing::new(Vec::new()), facts: Vec::new() }
    }

    /// A response with a line of text: what a person reads who asked by hand.
    pub fn text(status: u16, line: &str) -> Self {
        Self::new(status).with("Content-Type", "text/plain; charset=utf-8").body(format!("{line}\n").into_bytes())
    }

    /// Adds a header field.
    pub fn with(self, name: &str, value: impl Into<String>) -> Self {
        Self { headers: self.headers.with(name, value), ..self }
    }

    /// Sets the body.
    pub fn body(self, body: Vec<u8>) -> Self {
        Self { body: Zeroizing::new(body), ..self }
    }

    /// Adds something for the log.
    pub fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address; `None` on a loopback.
    pub address: Option<IpAddr>,
    /// The certificates that it showed, its own first; empty where it showed none. That it holds the key of the first is
    /// certain, whoever issued it.
    pub certificates: Vec<Certificate>,
    /// The version of TLS.
    pub version: TlsVersion,
    /// What both ends know of this connection and nobody else: the `tls-exporter` binding (RFC 9266 section 2), which two
    /// honest ends see differently where somebody stands between them. `None` before TLS 1.3, where it need not be unique.
    pub binding: Option<[u8; 32]>,
}

/// The versions of TLS that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        })
    }
}

/// Answers requests; called from many threads at once.
pub trait Service: Send + Sync {
    /// Answers a request. What goes wrong is an answer too.
    fn respond(&self, request: &Request, peer: &Peer) -> Response;
}

/// Opens connections to one server.
pub trait Transport: Send + Sync {
    /// Opens a connection, and makes sure whose it is.
    fn connect(&self) -> Result<Box<dyn Connection>, Error>;
}

/// An open connection.
pub trait Connection: Send {
    /// The server, as the handshake showed it.
    fn peer(&self) -> &Peer;

    /// Whether another request can be sent: servers close connections as they like.
    fn is_open(&self) -> bool;

    /// Sends a request and waits for the whole response.
    fn send(&mut self, request: &Request) -> Result<Response, Error>;
}

/// A transport that calls a service in this process, as the peer that it is made with. The service sees what a server
/// would show it, so that tests of a protocol need no network.
pub struct Loopback<S> {
    service: std::sync::Arc<S>,
    client: Peer,
}

impl<S: Service> Loopback<S> {
    /// Takes the service, and who the client is to it.
    pub fn new(service: std::sync::Arc<S>, client: Peer) -> Self {
        Self { service, client }
    }
}

impl<S: Service + 'static> Transport for Loopback<S> {
    fn connect(&self) -> Result<Box<dyn Connection>, Error> {
        let server = Peer { certificates: Vec::new(), ..self.client.clone() };
        Ok(Box::new(LoopbackConnection { service: self.service.clone(), client: self.client.clone(), server }))
    }
}

struct LoopbackConnection<S> {
    service: std::sync::Arc<S>,
    client: Peer,
    server: Peer,
}

impl<S: Service> Connection for LoopbackConnection<S> {
    fn peer(&self) -> &Peer {
        &self.server
    }

    fn is_open(&self) -> bool {
        true
    }

    fn send(&mut self, request: &Request) -> Result<Response, Error> {
        Ok(self.service.respond(request, &self.client))
    }
}

/// Why nothing was sent, or nothing came back.
#[derive(Debug)]
pub enum Error {
    /// The server, or the proxy before it, could not be reached.
    Connect { server: String, source: std::io::Error },
    /// The proxy did not open the way; with the status of its answer, where there was one.
    Proxy { proxy: String, status: Option<u16>, why: String },
    /// The TLS handshake failed, or the connection broke within TLS.
    Tls { server: String, why: String },
    /// The server's certificate is not trusted, or not for this name.
    Untrusted { server: String, why: verify::Refusal },
    /// Something took too long.
    Timeout { server: String, doing: &'static str, seconds: u64 },
    /// The server closed the connection before it answered.
    Closed { server: String },
    /// What came is no HTTP.
    Http { server: String, why: String },
    /// The response is larger than the limit, in bytes.
    TooLarge { server: String, limit: usize },
    /// The setting of a proxy, by the name of its variable, cannot be used. Its value may hold a password.
    ProxySetting { variable: &'static str, why: String },
    /// A request has something that HTTP has no place for.
    Request { why: &'static str },
    /// An address cannot be listened on.
    Listen { address: String, source: std::io::Error },
    /// A key or certificate cannot be used for TLS.
    Identity { why: String },
    /// The system gave no threads or no event loop.
    Runtime { source: std::io::Error },
}

impl Error {
    /// Whether trying the same again may help: the network and a busy server pass, a wrong certificate stays.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::Closed { .. } => true,
            // What the proxy refuses (RFC 9110 section 15.5) it refuses again.
            Self::Proxy { status, .. } => !matches!(status, Some(400..=499)),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { server, .. } => write!(f, "cannot connect to {server}"),
            Self::Proxy { proxy, why, .. } => write!(f, "the proxy {proxy} did not open the way: {why}"),
            Self::Tls { server, why } => write!(f, "no secure connection to {server}: {why}"),
            Self::Untrusted { server, why } => write!(f, "the server {server} is not trusted: {why}"),
            Self::Timeout { server, doing, seconds } => write!(f, "{server} took more than {seconds} s to {doing}"),
            Self::Closed { server } => write!(f, "{server} closed the connection before it answered"),
            Self::Http { server, why } => write!(f, "{server} does not speak HTTP as it should: {why}"),
            Self::TooLarge { server, limit } => write!(f, "the response of {server} is larger than {limit} bytes"),
            Self::ProxySetting { variable, why } => write!(f, "the proxy in {variable} cannot be used: {why}"),
            Self::Request { why } => write!(f, "the request cannot be sent: {why}"),
            Self::Listen { address, .. } => write!(f, "cannot listen on {address}"),
            Self::Identity { why } => write!(f, "the key and certificate cannot be used for TLS: {why}"),
            Self::Runtime { .. } => f.write_str("cannot start"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { source, .. } | Self::Listen { source, .. } | Self::Runtime { source } => Some(source),
            _ => None,
        }
    }
}
