//! The client: asks one server, and believes nothing of what comes back before it is checked.

use zeroize::Zeroizing;

use super::{CsrAttributes, Error, KeyRecipient, MediaType, Note, Notes, Operation, ServerKey, Wrapping, answer};
use crate::cms::SignedData;
use crate::enroll::{
    self, Ask, Credential, Enroller, Occasion, Outcome, Pending, Refusal, Token, Unauthorized, Wishes, accept_for,
    leaf_for,
};
use crate::files::{Document, Kind, to_base64};
use crate::key::{Digest, KeyFile, PublicKey, Signer, SoftwareKey};
use crate::net::{self, Connection, Method, Request, Response, ServerName, Transport};
use crate::x509::verify::Anchors;
use crate::x509::{Certificate, Chain, Time};

/// Most redirects that are followed for one request: servers that move their EST paths need one.
const REDIRECTS: usize = 3;

/// Most certificates that a server may send in one answer. A CA with ten generations of four issuers has fifty.
const CERTIFICATES: usize = 64;

/// The media type of certificates, and what it was called before RFC 5751.
const CERTIFICATES_TYPES: [&str; 2] = [MediaType::CMS, "application/x-pkcs7-mime"];

/// Enrolls at one EST server.
///
/// One connection at a time is opened as it is needed, and kept while the server keeps it.
pub struct Client {
    transport: Box<dyn Transport>,
    server: ServerName,
    label: Option<String>,
    anchors: Option<Anchors>,
    connection: Option<Box<dyn Connection>>,
    /// What cacerts brought.
    fetched: Option<Vec<Certificate>>,
    /// The binding of the connection over which the next request must go, where the server asked for it.
    bound_to: Option<[u8; 32]>,
    notes: Notes,
}

/// What came of asking for a key.
#[derive(Debug)]
pub enum Generated {
    /// The key, and the accepted chain of a certificate for it, leaf first.
    Issued(Box<SoftwareKey>, Chain),
    /// Ask again later.
    Pending(Pending),
}

/// What came of a request: the whole answer, or to ask again later.
enum Answer {
    Whole(Response),
    Later(Pending),
}

/// Fetches the root certificate that has a fingerprint, the SHA-256 of its DER, over a connection to anyone (RFC 7030
/// section 4.1.1). Nothing but a question for cacerts is sent.
pub fn bootstrap(
    transport: Box<dyn Transport>,
    server: ServerName,
    label: Option<String>,
    fingerprint: &Digest,
) -> Result<Certificate, enroll::Error> {
    let mut client = Client::new(transport, server, label, None);
    let has_it = |certificate: &&Certificate| certificate.fingerprint() == *fingerprint;
    match client.ca_certificates()?.iter().find(has_it) {
        Some(root) if is_root(root) => Ok(root.clone()),
        found => Err(Error::Fingerprint { wanted: fingerprint.clone(), is_there: found.is_some() }.into()),
    }
}

/// Whether a certificate is a CA's, for itself: what an anchor is made of.
fn is_root(certificate: &Certificate) -> bool {
    let is_ca = certificate.basic_constraints().is_ok_and(|found| found.is_some_and(|constraints| constraints.ca));
    let signed_itself = || certificate.public_key().is_ok_and(|key| certificate.is_signed_by(&key));
    is_ca && certificate.is_self_issued() && signed_itself()
}

impl Client {
    /// Takes the way to the server, its name, the label in its paths, and the certificates that what is issued must lead
    /// to. Without these, the roots among what cacerts brings are believed (RFC 7030 section 4.1.3).
    ///
    /// The transport must verify the server: credentials are sent over it.
    pub fn new(
        transport: Box<dyn Transport>,
        server: ServerName,
        label: Option<String>,
        anchors: Option<Anchors>,
    ) -> Self {
        let (connection, fetched, bound_to, notes) = (None, None, None, Notes::default());
        Self { transport, server, label, anchors, connection, fetched, bound_to, notes }
    }

    /// What was odd about the server since this was asked last, each once.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes.0)
    }

    /// The CA's certificates (RFC 7030 section 4.1.2), fetched once. Their order means nothing: they came as a set.
    pub fn ca_certificates(&mut self) -> Result<&[Certificate], enroll::Error> {
        const DOING: Operation = Operation::CaCertificates;
        let fetched = match self.fetched.take() {
            Some(fetched) => fetched,
            None => {
                let response = self.send(DOING, Request::get(self.target(DOING)), false)?;
                match response.status {
                    200 => self.certificates(DOING, &response)?,
                    _ => return Err(answer::refusal(DOING, &response).into()),
                }
            }
        };
        Ok(self.fetched.insert(fetched))
    }

    /// The certificates that what is issued must lead to.
    pub fn anchors(&mut self) -> Result<Anchors, enroll::Error> {
        if let Some(anchors) = &self.anchors {
            return Ok(anchors.clone());
        }
        let roots = self.ca_certificates()?.iter().filter(|certificate| is_root(certificate)).cloned().collect();
        Anchors::new(roots).map_err(|_| Error::NoRoot.into())
    }

    /// Asks for a key and a certificate for it (RFC 7030 section 4.4). The request is signed by a key that serves for
    /// nothing else; the key that comes must be that of the certificate. With a recipient, whom the request names, it must
    /// come encrypted to that.
    pub fn generate(
        &mut self,
        ask: &Ask<'_>,
        to: Option<&KeyRecipient>,
        now: Time,
    ) -> Result<Generated, enroll::Error> {
        const DOING: Operation = Operation::ServerKeygen;
        let anchors = self.prepare()?;
        let response = match self.ask(DOING, ask, now)? {
            Answer::Whole(response) => response,
            Answer::Later(pending) => return Ok(Generated::Pending(pending)),
        };
        let media_type = answer::media_type(&response).unwrap_or_else(|| MediaType::parse(""));
        let read = match to {
            None => ServerKey::read(&media_type, &response.body),
            Some(to) => ServerKey::read_sealed(&media_type, &response.body, |key| to.open(key, &anchors, now)),
        };
        let ServerKey { key, certificates } = read.map_err(|why| malformed(DOING, why))?;
        let certificates = few(DOING, certificates)?;
        let key = self.private_key(DOING, key)?;
        let chain = self.accepted(key.public_key(), &certificates, ask, &anchors, now)?;
        Ok(Generated::Issued(Box::new(key), chain))
    }

    /// Opens a private key of any form that servers send; RFC 7030 section 4.4.2 says PKCS#8.
    fn private_key(&mut self, doing: Operation, document: Document) -> Result<SoftwareKey, Error> {
        match document.kind {
            Kind::Pkcs1Key => self.notes.add(Note::KeyForm { found: "PKCS#1" }),
            Kind::Sec1Key => self.notes.add(Note::KeyForm { found: "SEC 1" }),
            _ => {}
        }
        KeyFile::from_document(document).open(None).map_err(|why| malformed(doing, why))
    }

    /// Fetches what is needed to judge an answer, before a request is made that changes anything.
    fn prepare(&mut self) -> Result<Anchors, enroll::Error> {
        self.ca_certificates()?;
        self.anchors()
    }

    /// Sends a request, and makes sure that it is answered. What EST does not carry is refused here: the server would not
    /// hear of it, and grant something else.
    fn ask(&mut self, doing: Operation, ask: &Ask<'_>, now: Time) -> Result<Answer, enroll::Error> {
        if let Some(what) = ask.reserved() {
            return Err(enroll::Error::Refused(Refusal::Unauthorized(Unauthorized::OperatorOnly { what })));
        }
        let request = ask.request.request();
        let body = Wrapping::Lines.encode(request.der()).to_vec();
        let message = Request::post(self.target(doing), MediaType::REQUEST, body);
        let message = message.with("Content-Transfer-Encoding", "base64");
        let message = match ask.credential {
            Credential::Token(token) => message.with("Authorization", authorization(token)),
            Credential::Operator | Credential::Certificate { .. } | Credential::Missing { .. } => message,
        };
        let is_bound = self.bound_to.is_some() && request.has_challenge_password();
        let response = self.send(doing, message, is_bound)?;
        match response.status {
            200 => Ok(Answer::Whole(response)),
            202 => {
                let retry_after = answer::retry_after(&response, now, &mut self.notes);
                Ok(Answer::Later(Pending { id: None, retry_after }))
            }
            _ => Err(answer::refusal(doing, &response).into()),
        }
    }

    /// Finds the certificate for a key among what came, and checks it.
    fn accepted(
        &mut self,
        key: &PublicKey,
        returned: &[Certificate],
        ask: &Ask<'_>,
        anchors: &Anchors,
        now: Time,
    ) -> Result<Chain, enroll::Error> {
        let leaf = leaf_for(key, returned)?;
        let mut others: Vec<Certificate> = returned.iter().filter(|other| *other != leaf).cloned().collect();
        others.extend_from_slice(self.ca_certificates()?);
        Ok(accept_for(key, leaf, &others, ask, anchors, now)?)
    }

    /// Reads an answer of certificates.
    fn certificates(&mut self, doing: Operation, response: &Response) -> Result<Vec<Certificate>, Error> {
        let body = answer::body(doing, response, &CERTIFICATES_TYPES, &mut self.notes)?;
        let certificates = SignedData::certificates_only(&body).map_err(|why| malformed(doing, why))?;
        few(doing, certificates)
    }

    fn target(&self, operation: Operation) -> String {
        operation.target(self.label.as_deref())
    }

    /// Sends a request, and follows redirects within the server.
    fn send(&mut self, doing: Operation, mut request: Request, is_bound: bool) -> Result<Response, enroll::Error> {
        let mut response = self.round_trip(&request, is_bound)?;
        for _ in 0..REDIRECTS {
            // 303 says to GET what it names, which no operation of EST takes for an answer.
            if !matches!(response.status, 301 | 302 | 307 | 308) {
                return Ok(response);
            }
            request.target = answer::redirected(doing, &response, &self.server)?;
            response = self.round_trip(&request, is_bound)?;
        }
        match response.status {
            301 | 302 | 307 | 308 => {
                Err(Error::Redirect { doing, to: request.target, why: "which leads on for ever" }.into())
            }
            _ => Ok(response),
        }
    }

    fn round_trip(&mut self, request: &Request, is_bound: bool) -> Result<Response, enroll::Error> {
        let kept = self.connection.take().filter(|connection| connection.is_open());
        let (mut connection, is_kept) = match kept {
            Some(kept) if !is_bound || kept.peer().binding == self.bound_to => (kept, true),
            _ if is_bound => return Err(Error::Unbound.into()),
            _ => (self.transport.connect()?, false),
        };
        let response = match connection.send(request) {
            // A server may close a connection in the moment in which it is used again. A question is put again, a request
            // is not: it may have been heard.
            Err(net::Error::Closed { .. }) if is_kept && request.method == Method::Get => {
                connection = self.transport.connect()?;
                connection.send(request)
            }
            Err(net::Error::Closed { .. }) if is_bound => return Err(Error::Unbound.into()),
            sent => sent,
        }?;
        self.connection = Some(connection);
        Ok(response)
    }

    /// The binding of the connection over which the next request goes. One that the server has closed is replaced.
    fn binding(&mut self) -> Result<Option<[u8; 32]>, enroll::Error> {
        let connection = kept_or_new(&mut self.connection, self.transport.as_ref())?;
        let (binding, version) = (connection.peer().binding, connection.peer().version);
        if binding.is_none() {
            self.notes.add(Note::NotBound { version });
        }
        self.connection = Some(connection);
        Ok(binding)
    }
}

impl Enroller for Client {
    /// Fetches the CSR attributes (RFC 7030 section 4.5). 204, 404 and an empty list say that nothing is wanted, and so do
    /// the codes of a server that does not know the operation.
    fn wishes(&mut self) -> Result<Wishes, enroll::Error> {
        const DOING: Operation = Operation::CsrAttributes;
        // Before the binding is taken: the request has to be the next that goes over the connection.
        self.prepare()?;
        let response = self.send(DOING, Request::get(self.target(DOING)), false)?;
        let CsrAttributes { mut wishes, wants_binding } = match response.status {
            200 if response.body.iter().all(u8::is_ascii_whitespace) => CsrAttributes::default(),
            200 => {
                let body = answer::body(DOING, &response, &[MediaType::CSR_ATTRIBUTES], &mut self.notes)?;
                CsrAttributes::from_der(&body).map_err(|why| malformed(DOING, why))?
            }
            204 | 404 | 405 | 501 => CsrAttributes::default(),
            401 | 403 => {
                self.notes.add(Note::NoWishes { status: response.status });
                CsrAttributes::default()
            }
            _ => return Err(answer::refusal(DOING, &response).into()),
        };
        self.bound_to = if wants_binding { self.binding()? } else { None };
        wishes.challenge_password = self.bound_to.map(|binding| Zeroizing::new(to_base64(&binding)));
        Ok(wishes)
    }

    fn enroll(&mut self, ask: &Ask<'_>, now: Time) -> Result<Outcome, enroll::Error> {
        let doing = match ask.occasion {
            Occasion::New | Occasion::Supersede(_) => Operation::Enroll,
            Occasion::Renew { .. } => Operation::Reenroll,
        };
        ask.check_key().map_err(enroll::Error::Refused)?;
        let anchors = self.prepare()?;
        let response = match self.ask(doing, ask, now)? {
            Answer::Whole(response) => response,
            Answer::Later(pending) => return Ok(Outcome::Pending(pending)),
        };
        let returned = self.certificates(doing, &response)?;
        self.accepted(ask.request.public_key(), &returned, ask, &anchors, now).map(Outcome::Issued)
    }
}

/// The connection that is kept, where the server has kept it too; else a new one.
pub(super) fn kept_or_new(
    kept: &mut Option<Box<dyn Connection>>,
    transport: &dyn Transport,
) -> Result<Box<dyn Connection>, net::Error> {
    match kept.take().filter(|connection| connection.is_open()) {
        Some(kept) => Ok(kept),
        None => transport.connect(),
    }
}

fn malformed(doing: Operation, why: impl ToString) -> Error {
    Error::Malformed { doing, why: why.to_string() }
}

/// Refuses more certificates than any CA has to send.
fn few(doing: Operation, certificates: Vec<Certificate>) -> Result<Vec<Certificate>, Error> {
    if certificates.len() > CERTIFICATES {
        return Err(malformed(doing, format!("it holds more than {CERTIFICATES} certificates")));
    }
    Ok(certificates)
}

/// The field that shows a token: Basic (RFC 7617) with a user name, Bearer (RFC 6750) without.
fn authorization(token: &Token<'_>) -> String {
    match token.user {
        Some(user) => {
            let pair = Zeroizing::new(format!("{user}:{}", token.secret));
            format!("Basic {}", *Zeroizing::new(to_base64(pair.as_bytes())))
        }
        None => format!("Bearer {}", token.secret),
    }
}

#[cfg(test)]
mod tests;
