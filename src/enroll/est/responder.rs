//! The responder: from a request to the one point where the CA authorises, and back.

use std::sync::Arc;

use crate::enroll::Authority;
use crate::net::{Peer, Request, Response};
use crate::x509::{Profile, Time};

/// A profile that is served, and the authority that issues it.
#[derive(Clone)]
pub struct Served {
    pub profile: Profile,
    pub authority: Arc<dyn Authority>,
}

/// Answers EST requests.
pub struct Responder {
    served: Vec<Served>,
    requires_binding: bool,
}

impl Responder {
    /// The path under which EST stands (RFC 7030 section 3.2.2).
    pub const PATH: &str = "/.well-known/est/";

    /// Serves profiles: each under its name as the label, the first without label too. With `requires_binding` a request must
    /// carry the `tls-exporter` binding of its connection.
    pub fn new(served: Vec<Served>, requires_binding: bool) -> Self {
        Self { served, requires_binding }
    }

    /// Answers a request whose path begins with [`Self::PATH`].
    pub fn respond(&self, _request: &Request, _peer: &Peer, _now: Time) -> Response {
        let _ = (&self.served, self.requires_binding);
        Response::new(404)
    }
}
