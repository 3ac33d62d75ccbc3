//! The client: one connection at a time, to a server that is verified before anything is sent.

use super::{Connection, Error, Identity, Transport};
use crate::x509::verify::Anchors;

/// Where a server is: host name or address, and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName {
    pub host: String,
    pub port: u16,
}

/// A proxy that is asked for a tunnel by CONNECT (RFC 9110 section 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy(pub ServerName);

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
    pub identity: Option<Identity>,
    pub proxy: Option<Proxy>,
    pub timeout: std::time::Duration,
}

impl Transport for Client {
    fn connect(&self) -> Result<Box<dyn Connection>, Error> {
        Err(Error::Closed { server: self.server.host.clone() })
    }
}
