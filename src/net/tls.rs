//! TLS: keys of ours in rustls, and who judges the other end's certificates.

use std::sync::Arc;

use super::Error;
use crate::key::Signer;
use crate::x509::Certificate;

/// What one end of a connection proves itself with.
#[derive(Clone, Debug)]
pub struct Identity {
    certificates: Vec<Certificate>,
    signer: Arc<dyn Signer>,
}

impl Identity {
    /// Takes a chain, leaf first, and the key of the leaf, wherever that lives.
    pub fn new(certificates: Vec<Certificate>, signer: Arc<dyn Signer>) -> Result<Self, Error> {
        match certificates.first() {
            Some(leaf) if leaf.spki() == signer.public_key().spki() => Ok(Self { certificates, signer }),
            Some(_) => Err(Error::Identity { why: "the certificate is for another key".to_owned() }),
            None => Err(Error::Identity { why: "there is no certificate".to_owned() }),
        }
    }

    /// The certificates, leaf first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Signs with the key of the leaf.
    pub fn signer(&self) -> &dyn Signer {
        self.signer.as_ref()
    }
}
