//! Between our messages and those of hyper.

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::Headers;

/// Most bytes of a message's header: room for a token, a cookie or two and a long path. hyper asks for 8 KiB at least.
pub(super) const HEADER_LIMIT: usize = 16 << 10;

/// Most fields of a header, which is what hyper reads without memory of its own.
pub(super) const FIELDS_LIMIT: usize = 100;

/// The fields that HTTP itself minds: they are set as a message is sent, and nobody else sets them.
const FRAMING: [HeaderName; 4] = [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// Takes over the fields of a header. What is no text in a value can no longer be told apart, and equals nothing.
pub(super) fn headers(map: &HeaderMap) -> Headers {
    let text = |value: &HeaderValue| Zeroizing::new(String::from_utf8_lossy(value.as_bytes()).into_owned());
    Headers(map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}

/// Adds fields to a header; `None` where one has characters that HTTP has no place for, or there are too many.
pub(super) fn add_headers(map: &mut HeaderMap, headers: &Headers) -> Option<()> {
    for (name, value) in headers.iter() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        value.set_sensitive(true);
        if !FRAMING.contains(&name) {
            map.try_append(name, value).ok()?;
        }
    }
    Some(())
}

/// A body of known length, sent with Content-Length and in one piece.
pub(super) fn body(bytes: Zeroizing<Vec<u8>>) -> Full<Bytes> {
    Full::new(Bytes::from_owner(bytes))
}

/// Why a body was not read.
pub(super) enum BodyError {
    /// It is, or says that it is, larger than the limit.
    TooLarge,
    /// It is large, and there are as many of those as there may be.
    NoRoom,
    /// It did not come, or not as HTTP has it.
    Broken(hyper::Error),
}

/// Bytes of a body for which everybody has room: a request with a key and its names is below 8 KiB.
pub(super) const SMALL_BODY: usize = 16 << 10;

/// Reads a body of at most `limit` bytes; trailers are passed over. Before it grows above [`SMALL_BODY`], `make_room` is asked
/// once.
pub(super) async fn read_body(
    body: &mut Incoming,
    limit: usize,
    make_room: impl FnOnce() -> bool,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let mut make_room = Some(make_room);
    if usize::try_from(body.size_hint().lower()).is_ok_and(|length| length > limit) {
        return Err(BodyError::TooLarge);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(BodyError::TooLarge);
        }
        if bytes.len() + data.len() > SMALL_BODY && make_room.take().is_some_and(|make_room| !make_room()) {
            return Err(BodyError::NoRoom);
        }
        append(&mut bytes, &data);
    }
    Ok(bytes)
}

/// Reads on and keeps nothing, to `limit` bytes at most.
pub(super) async fn discard(body: &mut Incoming, limit: usize) {
    let mut read = 0;
    while read <= limit
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// Appends; where the bytes have to move, the place that they leave is wiped.
fn append(bytes: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let wanted = bytes.len() + more.len();
    if wanted > bytes.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(wanted.next_power_of_two()));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
    bytes.extend_from_slice(more);
}
