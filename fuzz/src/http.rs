//! Messages of HTTP as inputs: a line, header fields, an empty line, and a body. A body of DER stands there as it is, so that
//! a mutation keeps it whole, and is sent in base64; any other is sent as it stands.

use bulla::enroll::est::Wrapping;
use bulla::net::Headers;
use libfuzzer_sys::fuzzer_mutate;

use crate::der;

/// The most header fields that are read: the server lets no more through.
const HEADERS_LIMIT: usize = 64;

/// A message.
pub struct Message<'a> {
    /// The first line.
    pub line: &'a str,
    /// The fields.
    pub headers: Headers,
    /// The body, as it is in the input.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads an input; `None` where its head is no text.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, body) = bytes.split_at(head_of(bytes));
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let line = lines.next()?;
        let fields = lines.filter_map(|line| line.split_once(':')).take(HEADERS_LIMIT);
        // What the HTTP layer lets through has no control characters.
        let fields = fields.filter(|(_, value)| !value.chars().any(char::is_control));
        let headers = fields.fold(Headers::default(), |headers, (name, value)| headers.with(name, value.trim()));
        Some(Self { line, headers, body })
    }

    /// The body as it is sent. What is signed is signed anew before.
    pub fn sent(&self) -> Vec<u8> {
        match der::parse(self.body).as_deref_mut() {
            Some([node, ..]) => {
                crate::signed(node);
                Wrapping::Lines.encode(&node.encoding()).to_vec()
            }
            _ => self.body.to_vec(),
        }
    }
}

/// Where the body begins.
fn head_of(bytes: &[u8]) -> usize {
    bytes.windows(2).position(|two| two == b"\n\n").map_or(bytes.len(), |at| at + 2)
}

/// Changes the body as DER three times of four, the head else.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let at = head_of(&data[..size]);
    if !seed.is_multiple_of(4) && at < size {
        return at + der::mutate(&mut data[at..], size - at, max_size - at, seed);
    }
    let body = data[at..size].to_vec();
    let room = (max_size - body.len()).min(at + 64);
    let head = fuzzer_mutate(data, at, room);
    data[head..head + body.len()].copy_from_slice(&body);
    head + body.len()
}
