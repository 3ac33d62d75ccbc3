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

mod attributes;
mod client;
mod responder;

pub use client::Client;
pub use responder::{Responder, Served};

/// Why an EST server's answer is of no use.
#[derive(Debug)]
pub enum Error {
    /// The server refused, with a status code and, where it gave one, its reason.
    Status { status: u16, doing: &'static str, why: String },
    /// The response is not what the operation promises.
    Malformed { doing: &'static str, why: String },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, doing, why } if why.is_empty() => {
                write!(f, "the server answered {doing} with {status}")
            }
            Self::Status { status, doing, why } => write!(f, "the server answered {doing} with {status}: {why}"),
            Self::Malformed { doing, why } => write!(f, "the server's answer to {doing} is malformed: {why}"),
        }
    }
}

impl std::error::Error for Error {}
