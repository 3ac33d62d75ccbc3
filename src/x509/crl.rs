//! Certificate revocation lists, read for display.

use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::{Error, Name, Time};

/// What a CRL says (RFC 5280 section 5.1). Its signature is not checked.
#[derive(Clone, Debug)]
pub struct CertificateList {
    /// Who issued it.
    pub issuer: Name,
    /// When it was issued.
    pub this_update: Time,
    /// When the next one is due.
    pub next_update: Option<Time>,
    /// The cRLNumber extension, as an unsigned big-endian number.
    pub number: Option<Vec<u8>>,
    /// The revoked certificates, in order.
    pub revoked: Vec<RevokedCertificate>,
}

/// One entry of a CRL.
#[derive(Clone, Debug)]
pub struct RevokedCertificate {
    /// The content octets of the serial number.
    pub serial: Vec<u8>,
    /// When it was revoked.
    pub date: Time,
    /// The reason, in words, where one is given.
    pub reason: Option<String>,
}

impl CertificateList {
    /// Reads a DER CRL; bytes after it are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "the certificate revocation list" };
        let (rest, list) = CertificateRevocationList::from_der(der).map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(malformed());
        }
        let revoked = list.iter_revoked_certificates().map(|entry| RevokedCertificate {
            serial: entry.raw_serial().to_vec(),
            date: entry.revocation_date.to_datetime(),
            reason: entry.reason_code().map(|(_, code)| code.to_string()),
        });
        Ok(Self {
            issuer: Name::from_der(list.issuer().as_raw())?,
            this_update: list.last_update().to_datetime(),
            next_update: list.next_update().map(|time| time.to_datetime()),
            number: list.crl_number().map(|number| number.to_bytes_be()),
            revoked: revoked.collect(),
        })
    }
}
