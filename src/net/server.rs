//! The server: one listener, bounded in everything that a peer can ask of it.
//!
//! A connection is one task and one [`Seat`], which knows what the connection is at and when that has to be over. The
//! deadlines are all there; hyper and rustls have none of their own.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::conversation::{Host, converse};
use super::seats::Seats;
use super::tls::{self, ClientAuth, Identity, ServerIdentity};
use super::{Error, Service};

/// What one peer, and all of them together, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. Where one more comes, whoever has been longest without a request at work is closed.
    pub connections: usize,
    /// Requests that are answered at once, each on a thread; others wait for one.
    pub workers: usize,
    /// Bytes of a request's body.
    pub body: usize,
    /// Requests at once whose bodies are above 16 KiB; others are told to come again.
    pub large_bodies: usize,
    /// For the handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the last of its header; also how long a connection may be idle.
    pub header: Duration,
    /// From the first byte of a request until it is answered.
    pub request: Duration,
    /// For the peer to take the response.
    pub response: Duration,
    /// For the requests at work when the server is told to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An idle one takes 34 KiB: all of them 140 MB.
            connections: 4096,
            // The service waits for the disk and for keys more than for the processor.
            workers: 64,
            // A request with an RSA-8192 key and its names is below 8 KiB; post-quantum ones with chains stay below 100.
            body: 512 << 10,
            // 64 MB, where one for each connection would be 2 GB.
            large_bodies: 128,
            // A device with a slow chip signs within a second or two, on a slow line.
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            // Less than the patience of clients; a token or HSM behind the service may be slow.
            request: Duration::from_secs(30),
            // A revocation list of 4 MB over a line of 1 Mbit/s takes as long.
            response: Duration::from_secs(32),
            // Service managers kill after 10 s at the least.
            stop: Duration::from_secs(5),
        }
    }
}

/// What the log is told: of each request, and of each connection that ended badly without one.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The number of the request, or of the failed connection, within this run.
    pub id: u64,
    pub peer: Option<SocketAddr>,
    /// The method and path; what the peer chose is escaped by whoever prints it. Empty where no request was read.
    pub method: String,
    pub target: String,
    /// The status of the response; 0 where none was sent.
    pub status: u16,
    pub took: Duration,
    /// As the service gave them.
    pub facts: Vec<(&'static str, String)>,
    /// What went wrong outside of the service.
    pub failure: Option<String>,
}

/// Where the log goes; called from many threads at once.
pub type Log = Arc<dyn Fn(&Logged) + Send + Sync>;

/// Connections that the system keeps until they are accepted: a fleet that wakes up at once.
const BACKLOG: u32 = 1024;

/// Files and sockets that the process needs beside its connections: the CA's records, journals, logs.
const OTHER_FILES: u64 = 128;

/// How long nothing is accepted after the system could not: time for connections to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Tells a server to stop, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Nothing is accepted any more; requests at work have [`Limits::stop`] to end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// A server that listens.
pub struct Server {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    identity: ServerIdentity,
    limits: Limits,
    stopper: Stopper,
}

impl Server {
    /// Listens on an address; with port 0 the system chooses one.
    pub fn bind(address: SocketAddr, identity: Identity, clients: &ClientAuth, limits: Limits) -> Result<Self, Error> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.enable_all().max_blocking_threads(limits.workers.max(1)).thread_name("net").build();
        let runtime = runtime.map_err(|source| Error::Runtime { source })?;
        let identity = ServerIdentity::new(identity);
        let acceptor = TlsAcceptor::from(tls::server_config(tls::VERSIONS, identity.clone(), clients)?);
        let listen = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // A server that is started again does not wait for the connections of the one before.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let _within = runtime.enter();
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listen().map_err(|source| Error::Listen { address: address.to_string(), source })?;
        let stopper = Stopper(watch::Sender::new(false));
        Ok(Self { runtime, listener, address, acceptor, identity, limits, stopper })
    }

    /// The address that is listened on, with its port.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// The identity that is shown, to replace it.
    pub fn identity(&self) -> ServerIdentity {
        self.identity.clone()
    }

    /// What stops this server.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until SIGTERM or SIGINT comes, or [`Stopper::stop`] is called. From then on the process does not end by these
    /// signals any more.
    pub fn run(self, service: Arc<dyn Service>, log: Log) -> Result<(), Error> {
        {
            let _within = self.runtime.enter();
            stop_on_signals(self.stopper.clone()).map_err(|source| Error::Runtime { source })?;
        }
        self.run_until_stopped(service, log);
        Ok(())
    }

    /// Serves until [`Stopper::stop`] is called, in a process that minds its signals itself.
    pub fn run_until_stopped(self, service: Arc<dyn Service>, log: Log) {
        let Self { runtime, listener, acceptor, limits, stopper, .. } = self;
        let seats = Seats::new(descriptors(limits.connections), limits);
        let host = Arc::new(Host::new(service, log, limits));
        let until = runtime.block_on(async {
            let mut stop = stopper.0.subscribe();
            // Each connection holds a sender, so that the receiver knows when there is none left.
            let (alive, mut gone) = mpsc::channel::<Infallible>(1);
            while let Some(accepted) = accept(&listener, &mut stop).await {
                let (stream, address) = match accepted {
                    Ok(accepted) => accepted,
                    // The peer was gone before.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                    Err(error) => {
                        host.failed(None, Instant::now(), 0, format!("cannot accept connections: {error}"));
                        seats.evict();
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let Some(seat) = seats.take() else {
                    host.failed(Some(address), Instant::now(), 0, "all connections are at work".to_owned());
                    continue;
                };
                let conversation = converse(host.clone(), acceptor.clone(), stream, address, seat, stop.clone());
                let alive = alive.clone();
                tokio::spawn(async move {
                    conversation.await;
                    drop(alive);
                });
            }
            drop((listener, alive));
            let until = Instant::now() + limits.stop;
            // Nothing is sent: it ends when the last connection does, or when time is up.
            let _ = tokio::time::timeout_at(until, gone.recv()).await;
            until
        });
        // What the service still does for peers that left.
        runtime.shutdown_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// The next connection; `None` where the server is to stop.
async fn accept(
    listener: &TcpListener,
    stop: &mut watch::Receiver<bool>,
) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    let mut stopped = pin!(stop.wait_for(|stop| *stop));
    poll_fn(|context| match stopped.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => listener.poll_accept(context).map(Some),
    })
    .await
}

fn stop_on_signals(stopper: Stopper) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        poll_fn(|context| match terminate.poll_recv(context) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => interrupt.poll_recv(context).map(|_| ()),
        })
        .await;
        stopper.stop();
    });
    Ok(())
}

/// How many connections the process has file descriptors for, up to `wanted`; its own limit is raised as far as it may be.
fn descriptors(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let needed = wanted as u64 + OTHER_FILES;
    let raised = limit.maximum.map_or(needed, |most| most.min(needed));
    let current = match limit.current {
        Some(current) if current < raised => {
            let raised = Rlimit { current: Some(raised), maximum: limit.maximum };
            // Where it may not, the present limit holds.
            let _ = setrlimit(Resource::Nofile, raised);
            getrlimit(Resource::Nofile).current
        }
        current => current,
    };
    let room = current.map_or(needed, |current| current.min(needed)).saturating_sub(OTHER_FILES);
    usize::try_from(room).unwrap_or(wanted).max(1)
}
