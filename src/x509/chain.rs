//! Chains of certificates, and files of them.

use std::path::Path;

use super::{Certificate, Error, read_documents};
use crate::files::Kind;

/// Certificates in order: a leaf, then the certificate that issued each one before it.
///
/// The order is by name alone. What a chain is worth, [`super::verify::path`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    certificates: Vec<Certificate>,
}

impl Chain {
    /// Takes certificates, leaf first, each issued under the next one's name.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, Error> {
        if certificates.is_empty() {
            return Err(Error::Chain { why: "there is none" });
        }
        if certificates.windows(2).any(|pair| !pair[0].issuer().matches(pair[1].subject())) {
            return Err(Error::Chain { why: "each must be issued by the next, the end entity first" });
        }
        Ok(Self { certificates })
    }

    /// Reads a file of certificates, PEM or DER, leaf first.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::new(read_certificates("certificate", path)?)
    }

    /// The end entity's certificate.
    pub fn leaf(&self) -> &Certificate {
        &self.certificates[0]
    }

    /// Every certificate, leaf first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The certificates of the CAs, in order.
    pub fn without_leaf(&self) -> &[Certificate] {
        self.certificates.get(1..).unwrap_or_default()
    }

    /// The certificates without a self-issued one at the end: what is sent along, since a root is of no use to whom
    /// does not have it already.
    pub fn without_root(&self) -> &[Certificate] {
        match self.certificates.split_last() {
            Some((last, rest)) if !rest.is_empty() && last.is_self_issued() => rest,
            _ => &self.certificates,
        }
    }

    /// Encodes as PEM blocks, leaf first.
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(Certificate::to_pem).collect()
    }
}

/// Reads every certificate of a file, PEM or DER; anything else in it is an error. `what` names the file's role.
pub fn read_certificates(what: &'static str, path: &Path) -> Result<Vec<Certificate>, Error> {
    read_documents(what, path, Kind::Certificate, Certificate::from_der)
}
