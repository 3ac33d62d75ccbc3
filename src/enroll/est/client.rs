//! The client.

use crate::enroll::{Ask, Enroller, Error, Outcome, Wishes};
use crate::net::Transport;
use crate::x509::verify::Anchors;
use crate::x509::{Certificate, Time};

/// Enrolls at one EST server. Connections are opened as they are needed, and kept while the server keeps them.
pub struct Client {
    transport: Box<dyn Transport>,
    label: Option<String>,
    anchors: Option<Anchors>,
}

impl Client {
    /// Takes the way to the server, the label in its paths, and the certificates that what is issued must lead to; without
    /// them, what [`Self::ca_certificates`] brings is believed, which the transport must have verified.
    pub fn new(transport: Box<dyn Transport>, label: Option<String>, anchors: Option<Anchors>) -> Self {
        Self { transport, label, anchors }
    }

    /// Fetches the CA's certificates, in the server's order.
    pub fn ca_certificates(&mut self) -> Result<Vec<Certificate>, Error> {
        let _ = (&self.label, &self.anchors);
        self.transport.connect()?;
        Ok(Vec::new())
    }
}

impl Enroller for Client {
    fn wishes(&mut self) -> Result<Wishes, Error> {
        Ok(Wishes::default())
    }

    fn enroll(&mut self, _ask: &Ask<'_>, _now: Time) -> Result<Outcome, Error> {
        todo!()
    }
}
