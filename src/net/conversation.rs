//! One connection of the server: the handshake, then requests and responses until either end has enough.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method as HttpMethod, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::http::{self, BodyError, FIELDS_LIMIT, HEADER_LIMIT, SMALL_BODY};
use super::seats::{Phase, Seat};
use super::{Limits, Log, Logged, Method, Peer, Request, Response, Service, tls};

/// Most bytes that TLS keeps for a peer that does not take them. More than a record of 16 KiB, so that a short response
/// goes out in one.
const TLS_BUFFER: usize = 32 << 10;

/// What all connections of a server share.
pub(super) struct Host {
    service: Arc<dyn Service>,
    log: Log,
    limits: Limits,
    large_bodies: Arc<Semaphore>,
    next: AtomicU64,
}

impl Host {
    pub(super) fn new(service: Arc<dyn Service>, log: Log, limits: Limits) -> Self {
        let large_bodies = Arc::new(Semaphore::new(limits.large_bodies));
        Self { service, log, limits, large_bodies, next: AtomicU64::new(1) }
    }

    /// Logs what ended without a request; `status` is what hyper answered, or 0.
    pub(super) fn failed(&self, peer: Option<SocketAddr>, begun: Instant, status: u16, why: String) {
        (self.log)(&Logged { status, failure: Some(why), took: begun.elapsed(), ..self.line(peer) });
    }

    fn line(&self, peer: Option<SocketAddr>) -> Logged {
        Logged {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            peer,
            method: String::new(),
            target: String::new(),
            status: 0,
            took: Duration::ZERO,
            facts: Vec::new(),
            failure: None,
        }
    }
}

/// A request's line in the log, written once: when the response is known, or when the connection ends before.
struct Entry {
    host: Arc<Host>,
    begun: Instant,
    line: Logged,
}

impl Entry {
    fn finish(mut self, status: u16, facts: Vec<(&'static str, String)>, failure: Option<String>) {
        (self.line.status, self.line.facts, self.line.failure) = (status, facts, failure);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.line.took = self.begun.elapsed();
        (self.host.log)(&self.line);
    }
}

/// How it ended.
enum End<T> {
    /// By itself.
    Done(T),
    /// The seat went to somebody else.
    Evicted,
    /// The phase took too long.
    Late,
    /// The server stops.
    Stopped,
}

/// Waits for a future as long as the seat allows. When the server is told to stop, `on_stop` asks the future to end, or
/// says by `false` that it need not be waited for.
async fn attend<F: Future>(
    seat: &Seat,
    stop: &mut watch::Receiver<bool>,
    future: F,
    on_stop: impl Fn(Pin<&mut F>) -> bool,
) -> End<F::Output> {
    let mut future = pin!(future);
    let mut evicted = pin!(seat.evicted());
    let mut stopped = pin!(stop.wait_for(|stop| *stop));
    let mut is_stopping = false;
    let mut timer = pin!(tokio::time::sleep_until(seat.deadline()));
    poll_fn(|context| {
        if !is_stopping && stopped.as_mut().poll(context).is_ready() {
            is_stopping = true;
            if !on_stop(future.as_mut()) {
                return Poll::Ready(End::Stopped);
            }
        }
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(End::Done(output));
        }
        if evicted.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Evicted);
        }
        // The phase changes within the future alone, so that its deadline is looked at often enough here.
        if timer.deadline() != seat.deadline() {
            timer.as_mut().reset(seat.deadline());
        }
        timer.as_mut().poll(context).map(|()| End::Late)
    })
    .await
}

/// Serves a connection to its end.
pub(super) async fn converse(
    host: Arc<Host>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    seat: Arc<Seat>,
    mut stop: watch::Receiver<bool>,
) {
    let begun = Instant::now();
    // Without it a small response may wait for the acknowledgement of the one before. It fails on a dead socket alone.
    let _ = stream.set_nodelay(true);
    let handshake = acceptor.accept_with(stream, |connection| connection.set_buffer_limit(Some(TLS_BUFFER)));
    let failed = |why: String| host.failed(Some(address), begun, 0, format!("no TLS connection: {why}"));
    let stream = match attend(&seat, &mut stop, handshake, |_| false).await {
        End::Done(Ok(stream)) => stream,
        End::Done(Err(error)) => {
            return failed(tls::failure(&error).map_or_else(|| error.to_string(), |failure| failure.to_string()));
        }
        End::Evicted => return failed(EVICTED.to_owned()),
        End::Late => return failed(format!("the handshake took more than {} s", host.limits.handshake.as_secs())),
        End::Stopped => return,
    };
    let (_, connection) = stream.get_ref();
    let export = |output, label, context| connection.export_keying_material(output, label, context);
    let peer = match tls::peer(Some(address.ip()), connection, export) {
        Ok(peer) => Arc::new(peer),
        Err(error) => return failed(error.to_string()),
    };
    seat.enter(Phase::Idle);
    let stream = Watched { stream: TokioIo::new(stream), seat: seat.clone() };
    let service = service_fn(|request| {
        seat.enter(Phase::Body);
        let (host, peer, seat) = (host.clone(), peer.clone(), seat.clone());
        async move { Ok::<_, Infallible>(answer(host, peer, address, &seat, request).await) }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEADER_LIMIT)
        .max_headers(FIELDS_LIMIT)
        .header_read_timeout(None)
        .serve_connection(stream, service);
    let end = attend(&seat, &mut stop, connection, |connection| {
        connection.graceful_shutdown();
        true
    });
    if let Some((status, why)) = complaint(end.await, seat.phase(), &host.limits) {
        host.failed(Some(address), begun, status, why);
    }
}

pub(super) const EVICTED: &str = "closed to make room for another connection";

/// What the log is told of the end of a connection, with the status that hyper answered. Requests have lines of their own, and
/// idle connections end as they like.
fn complaint(end: End<hyper::Result<()>>, phase: Phase, limits: &Limits) -> Option<(u16, String)> {
    let why = match (end, phase) {
        (End::Done(Err(error)), _) if error.is_parse_too_large() => {
            return Some((431, format!("the header has more than {HEADER_LIMIT} bytes or {FIELDS_LIMIT} fields")));
        }
        (End::Done(Err(error)), Phase::Idle | Phase::Header) if error.is_parse() => {
            return Some((400, format!("the request is no HTTP: {error}")));
        }
        (End::Done(Err(error)), Phase::Header | Phase::Answer) => error.to_string(),
        (End::Evicted, Phase::Idle | Phase::Header | Phase::Answer) => EVICTED.to_owned(),
        (End::Late, Phase::Header) => format!("the header took more than {} s", limits.header.as_secs()),
        (End::Late, Phase::Answer) => {
            format!("the peer took more than {} s for the response", limits.response.as_secs())
        }
        _ => return None,
    };
    Some((0, why))
}

/// Answers one request, within its time.
async fn answer(
    host: Arc<Host>,
    peer: Arc<Peer>,
    address: SocketAddr,
    seat: &Seat,
    request: hyper::Request<Incoming>,
) -> hyper::Response<Full<Bytes>> {
    let begun = seat.first_byte();
    let line = Logged {
        method: request.method().to_string(),
        target: request.uri().path_and_query().map_or_else(|| "/".to_owned(), |target| target.to_string()),
        failure: Some("the connection ended before the response".to_owned()),
        ..host.line(Some(address))
    };
    let entry = Entry { host: host.clone(), begun, line };
    let target = entry.line.target.clone();
    let until = begun + host.limits.request;
    let answered = respond(&host, peer, seat, target, request, until).await;
    let (response, failure) = match answered {
        Ok(response) => (response, None),
        Err(fault) => (fault.response(), Some(fault.words(&host.limits))),
    };
    let Response { status, headers, body, facts } = response;
    let mut sent = hyper::Response::new(http::body(body));
    let code = StatusCode::from_u16(status).ok().filter(|code| code.as_u16() >= 200);
    let has_headers = http::add_headers(sent.headers_mut(), &headers);
    let (status, failure) = match (code, has_headers) {
        (Some(code), Some(())) => {
            *sent.status_mut() = code;
            (status, failure)
        }
        _ => {
            sent = hyper::Response::new(Full::default());
            *sent.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            (500, Some("the service's response cannot be sent".to_owned()))
        }
    };
    if failure.is_some() {
        sent.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    entry.finish(status, facts, failure);
    seat.enter(Phase::Answer);
    sent
}

/// Why a request does not come to the service, or its response not back.
enum Fault {
    /// Another method than GET, HEAD and POST.
    Method,
    /// The body did not come in time.
    Slow,
    /// The body is too large.
    TooLarge,
    /// The body is large, and others are too.
    NoRoom,
    /// The body is no HTTP, or ended early.
    Broken(hyper::Error),
    /// The service did not answer in time, or has not come to it.
    Busy,
    /// The service panicked.
    Panicked,
}

impl Fault {
    fn response(&self) -> Response {
        match self {
            Self::Method => Response::text(405, "only GET and POST").with("Allow", "GET, HEAD, POST"),
            Self::Slow => Response::text(408, "the request took too long"),
            Self::TooLarge => Response::text(413, "the request is too large"),
            Self::Broken(_) => Response::text(400, "the request is no HTTP"),
            // As long as a request may take: by then it is answered, or has been given up.
            Self::Busy | Self::NoRoom => Response::text(503, "too much to do").with("Retry-After", "30"),
            Self::Panicked => Response::text(500, "something is broken here"),
        }
    }

    fn words(&self, limits: &Limits) -> String {
        match self {
            Self::Method => "the method is not served".to_owned(),
            Self::Slow => format!("the body took more than {} s", limits.request.as_secs()),
            Self::TooLarge => format!("the body has more than {} bytes", limits.body),
            Self::NoRoom => format!("more than {} bodies are above {SMALL_BODY} bytes", limits.large_bodies),
            Self::Broken(error) => format!("the body cannot be read: {error}"),
            Self::Busy => format!("the service took more than {} s", limits.request.as_secs()),
            Self::Panicked => "the service panicked".to_owned(),
        }
    }
}

async fn respond(
    host: &Host,
    peer: Arc<Peer>,
    seat: &Seat,
    target: String,
    request: hyper::Request<Incoming>,
    until: Instant,
) -> Result<Response, Fault> {
    let method = match *request.method() {
        // hyper leaves the body of the response to HEAD away.
        HttpMethod::GET | HttpMethod::HEAD => Method::Get,
        HttpMethod::POST => Method::Post,
        _ => return Err(Fault::Method),
    };
    let limit = host.limits.body;
    let (parts, mut body) = request.into_parts();
    let mut room = None;
    let read = async {
        let make_room = || {
            room = host.large_bodies.clone().try_acquire_owned().ok();
            room.is_some()
        };
        let read = http::read_body(&mut body, limit, make_room).await;
        // Most clients listen only after they have sent all of it. Who asks before sending hears it at once.
        if matches!(read, Err(BodyError::TooLarge | BodyError::NoRoom)) && !parts.headers.contains_key(header::EXPECT) {
            let discard = http::discard(&mut body, limit.saturating_mul(DISCARDED));
            // Whether it came to the end or not, the answer is the same.
            let _ = tokio::time::timeout(DISCARD_TIME, discard).await;
        }
        read
    };
    let body = match tokio::time::timeout_at(until, read).await {
        Ok(Ok(body)) => body,
        Ok(Err(BodyError::TooLarge)) => return Err(Fault::TooLarge),
        Ok(Err(BodyError::NoRoom)) => return Err(Fault::NoRoom),
        Ok(Err(BodyError::Broken(error))) => return Err(Fault::Broken(error)),
        Err(_) => return Err(Fault::Slow),
    };
    seat.enter(Phase::Work);
    let request = Request { method, target, headers: http::headers(&parts.headers), body };
    let service = host.service.clone();
    let mut work = Work(tokio::task::spawn_blocking(move || {
        let response = service.respond(&request, &peer);
        drop((request, room));
        response
    }));
    match tokio::time::timeout_at(until, &mut work.0).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) if error.is_panic() => Err(Fault::Panicked),
        Ok(Err(_)) | Err(_) => Err(Fault::Busy),
    }
}

/// How many times the limit a body that is too large is read, for its sender to hear that it is.
const DISCARDED: usize = 4;

/// How long a body that is too large is read.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// A call of the service. Where nobody waits for it any more and no thread has begun with it, none will.
struct Work(JoinHandle<Response>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A stream that tells the seat when a request begins and when a response is gone.
struct Watched<T> {
    stream: TokioIo<T>,
    seat: Arc<Seat>,
}

impl<T: Unpin> Read for Watched<T>
where
    TokioIo<T>: Read,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.seat.advance(Phase::Idle, Phase::Header);
        }
        read
    }
}

impl<T: Unpin> Write for Watched<T>
where
    TokioIo<T>: Write,
{
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        // hyper flushes when it has written all that it has.
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.seat.advance(Phase::Answer, Phase::Idle);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
