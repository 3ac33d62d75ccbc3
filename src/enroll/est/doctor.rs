//! What an EST server offers, and what is wrong with it. Nothing is enrolled: an operation that would issue is sent an empty
//! request, which no server can grant.

use super::client::kept_or_new;
use super::{CsrAttributes, MediaType, Operation, Wrapping, decode};
use crate::cms::SignedData;
use crate::enroll::Error;
use crate::net::{self, Connection, Method, Request, Response, TlsVersion, Transport};
use crate::x509::lint::{Finding, Severity};
use crate::x509::verify::{self, Anchors, Purpose, Rules};
use crate::x509::{Certificate, Time, rfc3339};

/// A certificate that ends within this time is worth a word, or within a third of its life where that is shorter.
const SOON: time::Duration = time::Duration::days(30);

/// What was found out about a server.
#[derive(Debug)]
pub struct Examination {
    /// The versions of TLS that it speaks.
    pub versions: Vec<TlsVersion>,
    /// The certificates that it shows, its own first.
    pub server: Vec<Certificate>,
    /// The CA's certificates.
    pub ca: Vec<Certificate>,
    /// Whether its base64 comes in lines; `None` where there was none.
    pub wrapping: Option<Wrapping>,
    /// What it wants of a request; `None` where it does not say.
    pub attributes: Option<CsrAttributes>,
    /// The operations that it has.
    pub operations: Vec<Operation>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Opens the way to a server in one version of TLS.
pub type Opener<'a> = &'a dyn Fn(TlsVersion) -> Box<dyn Transport>;

/// Examines a server under a label. It fails where the server cannot be reached in any version of TLS.
pub fn examine(open: Opener<'_>, label: Option<&str>, now: Time) -> Result<Examination, Error> {
    let mut examination = Examination {
        versions: Vec::new(),
        server: Vec::new(),
        ca: Vec::new(),
        wrapping: None,
        attributes: None,
        operations: Vec::new(),
        findings: Vec::new(),
    };
    let mut refused = Vec::new();
    let mut best = None;
    for version in [TlsVersion::V1_3, TlsVersion::V1_2] {
        let transport = open(version);
        match transport.connect() {
            Ok(connection) => {
                examination.versions.push(version);
                best.get_or_insert((transport, connection));
            }
            Err(error) => refused.push((version, error)),
        }
    }
    let Some((transport, connection)) = best else {
        let first = refused.into_iter().next().map(|(_, error)| error);
        return Err(Error::Net(first.unwrap_or(net::Error::Closed { server: String::new() })));
    };
    examination.server = connection.peer().certificates.clone();
    examination.tls(&refused, now);
    let mut session = Session { transport, connection: Some(connection) };
    for operation in Operation::ALL {
        let target = operation.target(label);
        let request = match operation.method() {
            Method::Get => Request::get(target),
            Method::Post => Request::post(target, MediaType::REQUEST, Vec::new()),
        };
        let response = match session.send(&request) {
            Ok(response) => response,
            Err(error) => {
                examination.error("no-answer", operation.name(), format!("is not answered: {error}"));
                continue;
            }
        };
        match operation {
            Operation::CaCertificates => examination.ca_certificates(&response, now),
            Operation::CsrAttributes => examination.csr_attributes(&response),
            Operation::Enroll | Operation::Reenroll | Operation::ServerKeygen => {
                examination.operation(operation, &response);
            }
        }
    }
    Ok(examination)
}

/// Connections to the server, a new one where the last was closed.
struct Session {
    transport: Box<dyn Transport>,
    connection: Option<Box<dyn Connection>>,
}

impl Session {
    fn send(&mut self, request: &Request) -> Result<Response, net::Error> {
        let mut connection = kept_or_new(&mut self.connection, self.transport.as_ref())?;
        let response = connection.send(request)?;
        self.connection = Some(connection);
        Ok(response)
    }
}

impl Examination {
    fn find(&mut self, severity: Severity, code: &'static str, about: &str, words: impl Into<String>) {
        self.findings.push(Finding { severity, code, about: about.to_owned(), words: words.into() });
    }

    fn error(&mut self, code: &'static str, about: &str, words: impl Into<String>) {
        self.find(Severity::Error, code, about, words);
    }

    fn warn(&mut self, code: &'static str, about: &str, words: impl Into<String>) {
        self.find(Severity::Warning, code, about, words);
    }

    /// The versions in which there was no connection, and why: it need not be the version, but a client certificate that is
    /// missed.
    fn tls(&mut self, refused: &[(TlsVersion, net::Error)], now: Time) {
        for (version, error) in refused {
            let (code, why) = match version {
                TlsVersion::V1_3 => ("no-tls-1.3", "without which no request can be bound to it (RFC 9266)"),
                TlsVersion::V1_2 => ("no-tls-1.2", "which is all that older devices speak"),
            };
            self.warn(code, "the server", format!("takes no connection in {version}, {why}: {error}"));
        }
        self.dates("the server's certificate", self.server.clone().first(), now);
        if !is_ordered(&self.server) {
            self.warn(
                "server-chain-order",
                "the server's chain",
                "is not in order, each certificate by the next (RFC 5246 section 7.4.2)",
            );
        }
    }

    fn dates(&mut self, about: &str, certificate: Option<&Certificate>, now: Time) {
        let Some(certificate) = certificate else { return };
        let lifetime = certificate.not_after() - certificate.not_before();
        if certificate.not_after() < now {
            self.error("expired", about, format!("ended at {}", rfc3339(certificate.not_after())));
        } else if certificate.not_after() < now.saturating_add(SOON.min(lifetime / 3)) {
            self.warn("ends-soon", about, format!("ends at {}", rfc3339(certificate.not_after())));
        }
        if certificate.not_before() > now {
            self.error("not-yet-valid", about, format!("begins at {}", rfc3339(certificate.not_before())));
        }
    }

    fn ca_certificates(&mut self, response: &Response, now: Time) {
        const WHAT: &str = "cacerts";
        if response.status != 200 {
            let words = format!("is answered with {}, and every server has it (RFC 7030 section 4.1)", response.status);
            return self.error("no-cacerts", WHAT, words);
        }
        self.operations.push(Operation::CaCertificates);
        self.form(WHAT, response, MediaType::CMS);
        let certificates = decode(&response.body).ok().and_then(|der| SignedData::certificates_only(&der).ok());
        let Some(certificates) = certificates else {
            return self.error("malformed", WHAT, "is no base64 of a certs-only CMS message (RFC 7030 section 4.1.3)");
        };
        self.ca = certificates;
        if !self.ca.iter().any(Certificate::is_self_issued) {
            self.error(
                "no-root",
                WHAT,
                "has no root, which clients are to trust from then on (RFC 7030 section 4.1.3)",
            );
        }
        for certificate in self.ca.clone() {
            self.dates(&format!("{WHAT}: {}", certificate.subject()), Some(&certificate), now);
        }
        let roots = self.ca.iter().filter(|certificate| certificate.is_self_issued()).cloned().collect();
        if let (Some(leaf), Ok(anchors)) = (self.server.first(), Anchors::new(roots)) {
            let others: Vec<Certificate> = self.server.iter().skip(1).chain(&self.ca).cloned().collect();
            if let Err(why) = verify::path(leaf, &others, &anchors, &Rules::new(Purpose::TlsServer, now)) {
                let words = format!("does not lead to the CA's own root, and clients need to trust another one: {why}");
                self.warn("server-of-another-ca", "the server's certificate", words);
            }
        }
    }

    fn csr_attributes(&mut self, response: &Response) {
        const WHAT: &str = "csrattrs";
        match response.status {
            200 => {
                self.operations.push(Operation::CsrAttributes);
                self.form(WHAT, response, MediaType::CSR_ATTRIBUTES);
                match decode(&response.body).map(|der| CsrAttributes::from_der(&der)) {
                    Ok(Ok(attributes)) => self.attributes = Some(attributes),
                    _ => self.error("malformed", WHAT, "is no base64 of CsrAttrs (RFC 7030 section 4.5.2, RFC 9908)"),
                }
            }
            204 => self.operations.push(Operation::CsrAttributes),
            404 | 405 | 501 => {}
            status => self.warn(
                "csrattrs-status",
                WHAT,
                format!("is answered with {status}; 204 or 404 say that nothing is wanted"),
            ),
        }
    }

    fn operation(&mut self, operation: Operation, response: &Response) {
        let (name, status) = (operation.name(), response.status);
        if matches!(status, 404 | 405 | 501) {
            let words = format!("is answered with {status}, and every server has it (RFC 7030 section 4.2)");
            if operation != Operation::ServerKeygen {
                self.error("no-enrollment", name, words);
            }
            return;
        }
        self.operations.push(operation);
        match status {
            200..=299 => self.error("empty-request", name, format!("takes an empty request and answers {status}")),
            401 if response.headers.get("WWW-Authenticate").is_none() => {
                let words = "is answered with 401 and no WWW-Authenticate (RFC 9110 section 15.5.2): many clients then \
                             give up";
                self.warn("no-challenge", name, words);
            }
            500.. => self.warn("server-failed", name, format!("without a request is answered with {status}")),
            _ => {}
        }
    }

    /// How a body came: what peers are known to stumble over.
    fn form(&mut self, about: &'static str, response: &Response, media_type: &str) {
        let found = response.headers.get("Content-Type").unwrap_or_default();
        if !MediaType::parse(found).is(media_type) {
            self.warn("content-type", about, format!("has the Content-Type {found:?}, not {media_type}"));
        }
        if response.headers.get("Content-Length").is_none() {
            let words = "has no Content-Length, without which strongSwan and libest read nothing";
            self.warn("no-content-length", about, words);
        }
        if response.body.trim_ascii().starts_with(b"-----BEGIN") {
            self.error("pem", about, "is PEM, not base64 alone (RFC 8951 section 3)");
        }
        // By the first body, which are certificates: what follows may be too short for a second line.
        self.wrapping.get_or_insert(Wrapping::of(&response.body));
    }
}

/// Whether each certificate is issued by the next.
fn is_ordered(certificates: &[Certificate]) -> bool {
    certificates.iter().zip(certificates.iter().skip(1)).all(|(one, next)| one.issuer().matches(next.subject()))
}
