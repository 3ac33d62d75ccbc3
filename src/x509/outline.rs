//! What a certificate seems to be that is none as RFC 5280 has it: read leniently, by x509-parser, to be shown and for
//! nothing else.

use x509_parser::prelude::{FromDer, X509Certificate};

use super::Certificate;

/// What a malformed certificate says of itself, as text that may hold anything.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Who it is for.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// The octets of its serial number.
    pub serial: Vec<u8>,
    /// From when on, and until when it is valid.
    pub validity: (String, String),
}

impl Outline {
    /// Reads what it can; `None` where even its frame is broken, or where it is larger than any certificate.
    pub fn of(der: &[u8]) -> Option<Self> {
        if der.len() > Certificate::LENGTH_LIMIT {
            return None;
        }
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.raw_serial().to_vec(),
            validity: (validity.not_before.to_string(), validity.not_after.to_string()),
        })
    }
}
