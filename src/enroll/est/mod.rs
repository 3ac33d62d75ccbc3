//! EST, Enrollment over Secure Transport: RFC 7030, clarified by RFC 8951 and, on CSR attributes, by RFC 9908.
//!
//! ```text
//! GET  /.well-known/est[/LABEL]/cacerts          certs-only CMS                        RFC 7030 section 4.1
//! POST /.well-known/est[/LABEL]/simpleenroll     PKCS#10 -> certs-only CMS | 202       section 4.2.1
//! POST /.well-known/est[/LABEL]/simplereenroll   PKCS#10 -> certs-only CMS | 202       section 4.2.2
//! GET  /.well-known/est[/LABEL]/csrattrs         CsrAttrs | 204                        section 4.5, RFC 9908
//! POST /.well-known/est[/LABEL]/serverkeygen     PKCS#10 -> multipart: key, certs-only section 4.4
//! ```
//!
//! Bodies are base64 without headers. Receivers ignore white space and Content-Transfer-Encoding (RFC 8951 section 3).
//! A label is a profile here. The responder keeps nothing between two requests: what waits is in the CA's records.

use std::fmt;
use std::time::Duration;

use crate::cms;
use crate::enroll::KeyWish;
use crate::key::{Digest, KeyType};
use crate::net::{Method, TlsVersion};

mod answer;
mod attributes;
mod authorization;
mod body;
mod client;
mod doctor;
mod multipart;
mod responder;
mod sealed_key;
#[cfg(test)]
mod tests;

pub use attributes::CsrAttributes;
pub use body::{MediaType, Wrapping, decode};
pub use client::{Client, Generated, bootstrap};
pub use doctor::{Examination, examine};
pub use multipart::ServerKey;
pub use responder::{KeySigner, Responder, Served};
pub use sealed_key::{KeyRecipient, SealedKeyError, UnknownRecipient, open_key, seal_key, wanted_recipient};

/// The path under which EST stands (RFC 7030 section 3.2.2).
const PATH: &str = "/.well-known/est/";

/// What can be asked of an EST server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The CA's certificates.
    CaCertificates,
    /// A certificate.
    Enroll,
    /// Another one for the same names.
    Reenroll,
    /// What the CA wants in a request.
    CsrAttributes,
    /// A key and its certificate.
    ServerKeygen,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::CaCertificates, Self::Enroll, Self::Reenroll, Self::CsrAttributes, Self::ServerKeygen];

    /// The name in paths, output and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::CaCertificates => "cacerts",
            Self::Enroll => "simpleenroll",
            Self::Reenroll => "simplereenroll",
            Self::CsrAttributes => "csrattrs",
            Self::ServerKeygen => "serverkeygen",
        }
    }

    /// The method that asks for it.
    pub fn method(self) -> Method {
        match self {
            Self::CaCertificates | Self::CsrAttributes => Method::Get,
            Self::Enroll | Self::Reenroll | Self::ServerKeygen => Method::Post,
        }
    }

    /// Its path, under a label where there is one.
    pub fn target(self, label: Option<&str>) -> String {
        match label {
            Some(label) => format!("{PATH}{label}/{}", self.name()),
            None => format!("{PATH}{}", self.name()),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why what the other end sent cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    /// The body is empty.
    Empty,
    /// The body is PEM.
    Pem,
    /// The body is plain DER.
    Binary,
    /// The body is not base64.
    Base64,
    /// The CMS message in it.
    Cms(cms::Error),
    /// The CSR attributes in it, and what of them.
    Attributes { what: &'static str },
    /// A body of several parts, and what of it.
    Multipart { what: &'static str },
    /// The encrypted key in it.
    SealedKey(SealedKeyError),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the body is empty"),
            Self::Pem => f.write_str("the body is PEM, and base64 without BEGIN and END lines is expected"),
            Self::Binary => f.write_str("the body is DER, and base64 is expected"),
            Self::Base64 => f.write_str("the body is not base64"),
            Self::Cms(error) => error.fmt(f),
            Self::Attributes { what } => write!(f, "the CSR attributes are malformed: {what}"),
            Self::Multipart { what } => write!(f, "the body of several parts is malformed: {what}"),
            Self::SealedKey(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Cms(error) => error.source(),
            Self::SealedKey(error) => error.source(),
            _ => None,
        }
    }
}

/// Why an EST server's answer is of no use.
#[derive(Debug)]
pub enum Error {
    /// The server refused, with a status code and, where it gave one, its reason: one printable line.
    Status { status: u16, doing: Operation, why: String },
    /// The response is not what the operation promises.
    Malformed { doing: Operation, why: String },
    /// The server sends elsewhere, and nobody follows.
    Redirect { doing: Operation, to: String, why: &'static str },
    /// The connection that the request is bound to was closed before the request could be sent over it.
    Unbound,
    /// What cacerts brought holds no root.
    NoRoot,
    /// No root among what cacerts brought has the fingerprint.
    Fingerprint { wanted: Digest, is_there: bool },
    /// The CA certifies keys of another type.
    KeyType { wanted: KeyWish, found: KeyType },
}

impl Error {
    /// Whether trying the same again may help: a server that is busy or fails says so by its status (RFC 9110 sections
    /// 15.5.9 and 15.6, RFC 6585 section 4), and the next connection may last longer.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Status { status: 408 | 429 | 500 | 502..=504, .. } | Self::Unbound)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, doing, why } if why.is_empty() => {
                write!(f, "the server answered {doing} with {status}")
            }
            Self::Status { status, doing, why } => write!(f, "the server answered {doing} with {status}: {why}"),
            Self::Malformed { doing, why } => write!(f, "the server's answer to {doing} is malformed: {why}"),
            Self::Redirect { doing, to, .. } if to.is_empty() => {
                write!(f, "the server answered {doing} with a redirect that says no place")
            }
            Self::Redirect { doing, to, why } => {
                write!(f, "the server answered {doing} with a redirect to {to}, {why}")
            }
            Self::Unbound => f.write_str("the server closed the connection that the request is bound to"),
            Self::NoRoot => f.write_str("the server's cacerts hold no root certificate"),
            Self::Fingerprint { wanted, is_there: false } => {
                write!(f, "no certificate among the server's cacerts has the fingerprint sha256:{wanted}")
            }
            Self::Fingerprint { wanted, is_there: true } => {
                write!(f, "the certificate with the fingerprint sha256:{wanted} is no root certificate")
            }
            Self::KeyType { wanted, found } => {
                write!(f, "the CA certifies keys of type {wanted}, and this one is {found}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// What is odd about a server and was put up with: nothing is lost by it, and somebody may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A body without a media type, or of one that says nothing.
    MediaType { doing: Operation, wanted: &'static str },
    /// The server says to ask again, and not when.
    NoRetryAfter { seconds: u64 },
    /// The server says to ask again after longer than anybody waits.
    LongRetryAfter { said: Duration, seconds: u64 },
    /// The server wants the request bound to the connection, which this version of TLS cannot do.
    NotBound { version: TlsVersion },
    /// The server does not tell strangers what it wants of a request.
    NoWishes { status: u16 },
    /// The private key that the server made came in another form than RFC 7030 section 4.4.2 says.
    KeyForm { found: &'static str },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MediaType { doing, wanted } => {
                write!(f, "the server's answer to {doing} does not say that it is {wanted}, and is read as that")
            }
            Self::NoRetryAfter { seconds } => {
                write!(f, "the server does not say in how many seconds to ask again; {seconds} it is")
            }
            Self::LongRetryAfter { said, seconds } => {
                write!(f, "the server says to ask again in {} s; {seconds} it is", said.as_secs())
            }
            Self::NotBound { version } => {
                write!(f, "the CA wants the request bound to the connection, which {version} cannot do")
            }
            Self::NoWishes { status } => {
                write!(f, "the server answered csrattrs with {status}: what it wants of a request is not known")
            }
            Self::KeyForm { found } => write!(f, "the server sent the private key as {found}, not as PKCS#8"),
        }
    }
}

/// Notes of one client, each once: a server that is asked for days is odd at every answer.
#[derive(Debug, Default)]
struct Notes(Vec<Note>);

impl Notes {
    fn add(&mut self, note: Note) {
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }
}
