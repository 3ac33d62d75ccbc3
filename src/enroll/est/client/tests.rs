//! The client at doubles of servers, of which many are hostile.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::cms::certs_only;
use crate::enroll::est::tests::{Ca, name, now, request};
use crate::enroll::est::{Responder, Served};
use crate::enroll::{Authority, AuthorityError, Decision, Direct, Flow, Refusal, Unacceptable};
use crate::key::{Hash, KeyType};
use crate::net::{Loopback, Peer, Service, TlsVersion};
use crate::x509::{self, Profile, ProvenRequest, Variables, Wanted};

type Script = Box<dyn Fn(&Request) -> Result<Response, net::Error> + Send + Sync>;

/// A server of a script: what it answers, and what it was asked.
struct Double {
    answer: Script,
    heard: Mutex<Vec<Request>>,
    connections: AtomicU8,
    version: TlsVersion,
    keeps_open: bool,
}

impl Double {
    fn new(answer: impl Fn(&Request) -> Result<Response, net::Error> + Send + Sync + 'static) -> Self {
        let (heard, connections) = (Mutex::default(), AtomicU8::new(0));
        Self { answer: Box::new(answer), heard, connections, version: TlsVersion::V1_3, keeps_open: true }
    }

    /// The targets that were asked for, without the path of EST.
    fn targets(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|request| request.target.trim_start_matches("/.well-known/est/").to_owned()).collect()
    }

    fn last(&self) -> Request {
        self.heard.lock().unwrap().last().unwrap().clone()
    }

    fn client(self: &Arc<Self>, anchors: Option<Anchors>) -> Client {
        Client::new(Box::new(Way(self.clone())), server(), None, anchors)
    }
}

/// The way to a double: each connection has its own binding.
struct Way(Arc<Double>);

struct Line {
    double: Arc<Double>,
    peer: Peer,
    is_used: bool,
}

impl Transport for Way {
    fn connect(&self) -> Result<Box<dyn Connection>, net::Error> {
        let number = self.0.connections.fetch_add(1, Ordering::Relaxed);
        let version = self.0.version;
        let binding = (version == TlsVersion::V1_3).then_some([number; 32]);
        let peer = Peer { address: None, certificates: Vec::new(), version, binding };
        Ok(Box::new(Line { double: self.0.clone(), peer, is_used: false }))
    }
}

impl Connection for Line {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn is_open(&self) -> bool {
        !self.is_used || self.double.keeps_open
    }

    fn send(&mut self, request: &Request) -> Result<Response, net::Error> {
        self.is_used = true;
        self.double.heard.lock().unwrap().push(request.clone());
        (self.double.answer)(request)
    }
}

fn server() -> ServerName {
    "est.example:8443".parse().unwrap()
}

fn closed() -> net::Error {
    net::Error::Closed { server: "est.example".to_owned() }
}

/// A CA, and a device that asks it.
struct Stage {
    ca: Ca,
    profile: Profile,
    key: SoftwareKey,
    request: ProvenRequest,
}

impl Stage {
    fn new() -> Self {
        let profile = Profile::named("idevid").unwrap();
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let request = request(&profile, &name("serialNumber=SN-1"), &key);
        Self { ca: Ca::new(), profile, key, request }
    }

    fn anchors(&self) -> Anchors {
        Anchors::new(vec![self.root()]).unwrap()
    }

    fn root(&self) -> Certificate {
        self.ca.chain.certificates().last().unwrap().clone()
    }

    fn issued(&self) -> Certificate {
        self.ca.issue(&self.profile, &self.request)
    }

    fn ask(&self) -> Ask<'_> {
        Ask {
            request: &self.request,
            profile: &self.profile,
            variables: Variables::NONE,
            occasion: Occasion::New,
            validity: None,
            may_outlive: false,
            credential: Credential::Missing { flow: Flow::Est },
        }
    }

    /// A server that answers an operation by a script, gives out its CA certificates, and wants nothing.
    fn double(
        &self,
        answer: impl Fn(&Request) -> Option<Result<Response, net::Error>> + Send + Sync + 'static,
    ) -> Arc<Double> {
        let chain = certificates(self.ca.chain.certificates());
        Arc::new(Double::new(move |request| match answer(request) {
            Some(answer) => answer,
            None if request.target.ends_with("/cacerts") => Ok(chain.clone()),
            None if request.target.ends_with("/csrattrs") => Ok(Response::new(204)),
            None => Ok(Response::new(404)),
        }))
    }

    /// A server that answers every request for a certificate so.
    fn answering(&self, answer: Response) -> Arc<Double> {
        self.double(move |request| (request.method == Method::Post).then(|| Ok(answer.clone())))
    }

    fn enroll_at(&self, double: &Arc<Double>) -> Result<Outcome, enroll::Error> {
        double.client(Some(self.anchors())).enroll(&self.ask(), now())
    }
}

fn certificates(certificates: &[Certificate]) -> Response {
    let body = Wrapping::Whole.encode(&certs_only(certificates).unwrap()).to_vec();
    Response::new(200).with("Content-Type", MediaType::CERTS_ONLY).body(body)
}

fn issued(outcome: Result<Outcome, enroll::Error>) -> Chain {
    match outcome {
        Ok(Outcome::Issued(chain)) => chain,
        other => panic!("{other:?}"),
    }
}

fn words(outcome: Result<Outcome, enroll::Error>) -> String {
    outcome.unwrap_err().to_string()
}

#[test]
fn a_certificate_is_asked_for_and_its_chain_is_completed() {
    let stage = Stage::new();
    let double = stage.answering(certificates(&[stage.issued()]));
    let chain = issued(stage.enroll_at(&double));
    assert_eq!(chain.certificates().len(), 3);
    assert_eq!(double.targets(), ["cacerts", "simpleenroll"]);
    assert_eq!(double.connections.load(Ordering::Relaxed), 1);
    let sent = double.last();
    assert_eq!(sent.headers.get("Content-Type"), Some("application/pkcs10"));
    assert_eq!(sent.headers.get("Content-Transfer-Encoding"), Some("base64"));
    assert_eq!(sent.headers.get("Authorization"), None);
    assert!(sent.body.split(|byte| *byte == b'\n').all(|line| line.len() <= 64));
    assert_eq!(crate::files::from_base64(&sent.body).unwrap(), stage.request.request().der());
    // The chain may come with the certificate too, in any order.
    let [issuing, root] = stage.ca.chain.certificates() else { panic!() };
    for order in [[&stage.issued(), issuing, root], [root, &stage.issued(), issuing]] {
        let double = stage.answering(certificates(&order.map(Clone::clone)));
        assert_eq!(issued(stage.enroll_at(&double)).certificates().len(), 3);
    }
}

#[test]
fn a_renewal_goes_to_simplereenroll_and_a_label_stands_before_it() {
    let stage = Stage::new();
    let old = stage.issued();
    let double = stage.answering(certificates(&[stage.issued()]));
    let mut client =
        Client::new(Box::new(Way(double.clone())), server(), Some("ca:1".to_owned()), Some(stage.anchors()));
    let occasion = Occasion::Renew { certificate: &old, keep_key: true };
    issued(client.enroll(&Ask { occasion, ..stage.ask() }, now()));
    assert_eq!(double.targets(), ["ca:1/cacerts", "ca:1/simplereenroll"]);
}

#[test]
fn a_token_is_sent_with_the_request_alone() {
    let stage = Stage::new();
    for (user, field) in [(None, "Bearer s3cret"), (Some("SN-1"), "Basic U04tMTpzM2NyZXQ=")] {
        let double = stage.answering(certificates(&[stage.issued()]));
        let mut client = double.client(Some(stage.anchors()));
        client.wishes().unwrap();
        let token = Token { flow: Flow::Est, secret: "s3cret", user, request: stage.key.public_key().fingerprint() };
        issued(client.enroll(&Ask { credential: Credential::Token(&token), ..stage.ask() }, now()));
        let heard = double.heard.lock().unwrap();
        let fields: Vec<_> = heard.iter().map(|request| request.headers.get("Authorization")).collect();
        assert_eq!(fields, [None, None, Some(field)]);
        assert!(!format!("{heard:?}").contains("s3cret"));
    }
}

#[test]
fn what_comes_back_for_another_is_not_accepted() {
    let stage = Stage::new();
    let other_key = SoftwareKey::generate(KeyType::P256).unwrap();
    let other = stage.ca.issue(&stage.profile, &request(&stage.profile, &name("serialNumber=SN-1"), &other_key));
    let other_name = stage.ca.issue(&stage.profile, &request(&stage.profile, &name("serialNumber=SN-2"), &stage.key));
    let other_profile = Profile::named("tls-client").unwrap();
    let other_profile = stage.ca.issue(&other_profile, &request(&other_profile, &name("CN=SN-1"), &stage.key));
    let other_ca = Ca::new().issue(&stage.profile, &stage.request);
    let mut changed = stage.issued().der().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let forged = Certificate::from_der(&changed).unwrap();
    let mine = stage.issued();
    for (returned, why) in [
        (vec![other.clone()], "it is for another key"),
        (vec![other_name], "it has other names than were asked for: serialNumber=SN-2"),
        (vec![other_profile], "profile idevid"),
        (vec![other_ca], ""),
        (vec![forged], "signature"),
        (vec![mine.clone(), other], "there are 2 of end entities"),
        (vec![mine.clone(), mine.clone()], "there are 2 of end entities"),
        (vec![mine, stage.issued()], "there are 2 of end entities"),
        (stage.ca.chain.certificates().to_vec(), "there is none for our key"),
        (Vec::new(), "there is none for our key"),
    ] {
        let outcome = stage.enroll_at(&stage.answering(certificates(&returned)));
        assert!(matches!(outcome, Err(enroll::Error::Unacceptable(_))), "{why}: {outcome:?}");
        let words = words(outcome);
        assert!(words.contains(why), "{words}");
    }
    // Expired, or not yet valid by more than two clocks differ.
    let short = stage.ca.issue_until(&stage.profile, &stage.request, now() + time::Duration::hours(1));
    for (returned, hours) in [(short, 2), (stage.issued(), -2)] {
        let double = stage.answering(certificates(&[returned]));
        let late = double.client(Some(stage.anchors())).enroll(&stage.ask(), now() + time::Duration::hours(hours));
        assert!(matches!(late, Err(enroll::Error::Unacceptable(Unacceptable::Chain(_)))), "{hours}: {late:?}");
    }
}

#[test]
fn an_answer_that_is_none_is_refused_by_name() {
    let stage = Stage::new();
    let typed = |media_type: &str, body: &[u8]| Response::new(200).with("Content-Type", media_type).body(body.to_vec());
    let good = certificates(&[stage.issued()]);
    let signed = certs_only(&vec![stage.root(); CERTIFICATES + 1]).unwrap();
    for (answer, why) in [
        (typed("text/html", b"<html>log in</html>"), "it is of type text/html, not application/pkcs7-mime"),
        (typed("application/pkcs10", &good.body), "it is of type application/pkcs10"),
        (typed(MediaType::CMS, b""), "the body is empty"),
        (typed(MediaType::CMS, b"garbage!"), "the body is not base64"),
        (typed(MediaType::CMS, b"Z2FyYmFnZQ=="), ""),
        (typed(MediaType::CMS, b"-----BEGIN PKCS7-----\n"), "the body is PEM"),
        (typed(MediaType::CMS, b"\x30\x82\x01\x00"), "the body is DER"),
        (typed(MediaType::CMS, good.body.get(..200).unwrap()), ""),
        (typed(MediaType::CMS, &Wrapping::Lines.encode(&signed)), "more than 64 certificates"),
        (typed(MediaType::CMS, &Wrapping::Lines.encode(stage.issued().der())), ""),
    ] {
        let outcome = stage.enroll_at(&stage.answering(answer));
        let is_malformed =
            matches!(outcome, Err(enroll::Error::Est(Error::Malformed { doing: Operation::Enroll, .. })));
        assert!(is_malformed, "{why}: {outcome:?}");
        let words = words(outcome);
        assert!(words.contains(why), "{words}");
    }
}

#[test]
fn a_status_is_told_with_the_servers_reason() {
    let stage = Stage::new();
    for (status, is_transient) in [
        (201, false),
        (204, false),
        (303, false),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (408, true),
        (418, false),
        (429, true),
        (500, true),
        (501, false),
        (503, true),
        (599, false),
    ] {
        let outcome = stage.enroll_at(&stage.answering(Response::text(status, "because")));
        let Err(enroll::Error::Est(error)) = outcome else { panic!("{status}: {outcome:?}") };
        assert_eq!(error.is_transient(), is_transient, "{status}");
        assert_eq!(error.to_string(), format!("the server answered simpleenroll with {status}: because"));
    }
    // Nothing is asked of a CA whose certificates cannot be had.
    let double = stage.double(|request| request.target.ends_with("/cacerts").then(|| Ok(Response::new(500))));
    assert_eq!(words(stage.enroll_at(&double)), "the server answered cacerts with 500");
    assert_eq!(double.targets(), ["cacerts"]);
}

#[test]
fn who_is_to_wait_is_told_how_long() {
    let stage = Stage::new();
    for (field, seconds, notes) in [("30", 30, 0), ("31536000", 86_400, 1), ("0", 1, 0), ("never", 60, 1)] {
        let double = stage.answering(Response::new(202).with("Retry-After", field));
        let mut client = double.client(Some(stage.anchors()));
        let outcome = client.enroll(&stage.ask(), now()).unwrap();
        let retry_after = Duration::from_secs(seconds);
        assert!(matches!(outcome, Outcome::Pending(found) if found == Pending { id: None, retry_after }), "{field}");
        assert_eq!(client.take_notes().len(), notes, "{field}");
        assert_eq!(client.take_notes(), []);
    }
}

#[test]
fn redirects_are_followed_within_the_server_and_have_an_end() {
    let stage = Stage::new();
    let answer = certificates(&[stage.issued()]);
    let double = stage.double(move |request| match (request.method, request.target.as_str()) {
        (Method::Post, "/moved") => Some(Ok(answer.clone())),
        (Method::Post, _) => Some(Ok(Response::new(307).with("Location", "https://EST.example:8443/moved"))),
        _ => None,
    });
    issued(stage.enroll_at(&double));
    assert_eq!(double.targets(), ["cacerts", "simpleenroll", "/moved"]);
    assert_eq!(*double.last().body, *Wrapping::Lines.encode(stage.request.request().der()));
    for (location, why) in [
        ("http://est.example:8443/moved", "which is not https"),
        ("https://evil.example:8443/moved", "which is another server"),
        ("https://est.example/moved", "which is another server"),
        ("", "that says no place"),
        ("/again", "which leads on for ever"),
    ] {
        let double = stage.answering(Response::new(301).with("Location", location));
        let outcome = stage.enroll_at(&double);
        assert!(matches!(outcome, Err(enroll::Error::Est(Error::Redirect { .. }))), "{location}: {outcome:?}");
        let words = words(outcome);
        assert!(words.contains(why), "{words}");
        assert!(double.targets().len() <= 2 + REDIRECTS, "{location}");
    }
}

#[test]
fn a_question_is_put_again_where_a_kept_connection_was_closed_and_a_request_is_not() {
    let stage = Stage::new();
    let answer = certificates(&[stage.issued()]);
    for (method, is_repeated) in [(Method::Get, true), (Method::Post, false)] {
        let (answer, failures) = (answer.clone(), AtomicU8::new(0));
        let double = stage.double(move |request| {
            let is_second = !request.target.ends_with("/cacerts") && request.method == method;
            let fails = is_second && failures.fetch_add(1, Ordering::Relaxed) == 0;
            match fails {
                true => Some(Err(closed())),
                false => (request.method == Method::Post).then(|| Ok(answer.clone())),
            }
        });
        let mut client = double.client(Some(stage.anchors()));
        let outcome = client.wishes().and_then(|_| client.enroll(&stage.ask(), now()));
        assert_eq!(outcome.is_ok(), is_repeated, "{outcome:?}");
        assert!(is_repeated || matches!(outcome, Err(enroll::Error::Net(net::Error::Closed { .. }))));
    }
    // A server that closes after each answer is asked over new connections.
    let mut double =
        Double::new(move |request| Ok(if request.method == Method::Post { answer.clone() } else { certificates(&[]) }));
    double.keeps_open = false;
    let double = Arc::new(double);
    let outcome = stage.enroll_at(&double);
    assert!(matches!(outcome, Err(enroll::Error::Unacceptable(Unacceptable::Chain(_)))), "without the issuing CA");
    assert_eq!(double.connections.load(Ordering::Relaxed), 2);
}

/// CsrAttrs that ask for a challengePassword: SEQUENCE { OID 1.2.840.113549.1.9.7 }.
fn binding_wanted() -> Response {
    Response::new(200).with("Content-Type", MediaType::CSR_ATTRIBUTES).body(b"MAsGCSqGSIb3DQEJBw==".to_vec())
}

impl Stage {
    /// A request that carries the password that the CA wished.
    fn bound(&self, wishes: &Wishes) -> ProvenRequest {
        let wanted = Wanted { subject: name("serialNumber=SN-1"), ..Wanted::default() };
        let wanted = wishes.add_to(wanted, &self.profile, false).unwrap();
        x509::Request::new(&self.profile, &wanted, &self.key).unwrap().prove().unwrap()
    }
}

#[test]
fn a_request_is_bound_to_the_connection_that_it_goes_over() {
    let stage = Stage::new();
    let double = |keeps_open: bool, version: TlsVersion| {
        let (chain, answer) = (certificates(stage.ca.chain.certificates()), certificates(&[stage.issued()]));
        let double = Double::new(move |request| {
            Ok(match request.target.rsplit('/').next() {
                Some("cacerts") => chain.clone(),
                Some("csrattrs") => binding_wanted(),
                _ => answer.clone(),
            })
        });
        Arc::new(Double { keeps_open, version, ..double })
    };
    for (keeps_open, connection) in [(true, 0), (false, 2)] {
        let double = double(keeps_open, TlsVersion::V1_3);
        let mut client = double.client(Some(stage.anchors()));
        let wishes = client.wishes().unwrap();
        assert_eq!(wishes.challenge_password.as_deref(), Some(&to_base64(&[connection; 32])), "the connection's own");
        let request = stage.bound(&wishes);
        issued(client.enroll(&Ask { request: &request, ..stage.ask() }, now()));
        assert_eq!(double.connections.load(Ordering::Relaxed), connection + 1);
        // Where the server has closed it since, the request is of no use any more.
        if !keeps_open {
            let again = client.enroll(&Ask { request: &request, ..stage.ask() }, now());
            let Err(enroll::Error::Est(error @ Error::Unbound)) = again else { panic!("{again:?}") };
            assert!(error.is_transient());
        }
    }
    let double = double(true, TlsVersion::V1_2);
    let mut client = double.client(Some(stage.anchors()));
    assert_eq!(client.wishes().unwrap().challenge_password, None);
    let notes = client.take_notes();
    assert_eq!(notes, [Note::NotBound { version: TlsVersion::V1_2 }]);
    issued(client.enroll(&stage.ask(), now()));
}

#[test]
fn a_server_may_want_nothing_in_many_ways() {
    let stage = Stage::new();
    let empty = || Response::new(200).with("Content-Type", MediaType::CSR_ATTRIBUTES);
    for (answer, notes) in [
        (Response::new(204), 0),
        (Response::new(404), 0),
        (Response::new(405), 0),
        (Response::new(501), 0),
        (Response::new(401), 1),
        (Response::new(403), 1),
        (empty(), 0),
        (empty().body(b" \r\n".to_vec()), 0),
        (empty().body(b"MAA=\n".to_vec()), 0),
        (Response::new(200).body(b"MAA=\n".to_vec()), 1),
    ] {
        let double = stage.double(move |request| request.target.ends_with("/csrattrs").then(|| Ok(answer.clone())));
        let mut client = double.client(Some(stage.anchors()));
        let wishes = client.wishes().unwrap();
        assert!(wishes.challenge_password.is_none() && wishes.key.is_none());
        assert!(wishes.subject.is_empty() && wishes.extensions.is_empty() && wishes.unknown.is_empty());
        assert_eq!(client.take_notes().len(), notes);
    }
    for answer in [
        Response::new(500),
        Response::new(200).with("Content-Type", "text/html").body(b"MAA=".to_vec()),
        empty().body(b"MAMCAQE=".to_vec()),
        empty().body(b"%".to_vec()),
    ] {
        let double = stage.double(move |request| request.target.ends_with("/csrattrs").then(|| Ok(answer.clone())));
        assert!(double.client(Some(stage.anchors())).wishes().is_err());
    }
}

#[test]
fn without_anchors_the_roots_that_the_server_gives_out_are_believed_and_nothing_else() {
    let stage = Stage::new();
    let double = stage.answering(certificates(&[stage.issued()]));
    let mut client = double.client(None);
    issued(client.enroll(&stage.ask(), now()));
    assert_eq!(client.anchors().unwrap().certificates(), [stage.root()]);
    // No root is among them.
    let issuing = stage.ca.chain.certificates()[..1].to_vec();
    for chain in [issuing, Vec::new()] {
        let answer = certificates(&chain);
        let double = stage.double(move |request| request.target.ends_with("/cacerts").then(|| Ok(answer.clone())));
        let outcome = double.client(None).enroll(&stage.ask(), now());
        assert!(matches!(outcome, Err(enroll::Error::Est(Error::NoRoot))), "{outcome:?}");
        assert_eq!(double.targets(), ["cacerts"], "nothing is asked of whom nobody believes");
    }
}

#[test]
fn a_fingerprint_finds_its_root_and_sends_nothing_but_the_question() {
    let stage = Stage::new();
    let [issuing, root] = stage.ca.chain.certificates() else { panic!() };
    let fetch = |fingerprint: &Digest| {
        let double = stage.double(|_| None);
        let found = bootstrap(Box::new(Way(double.clone())), server(), None, fingerprint);
        assert_eq!(double.targets(), ["cacerts"]);
        let sent = double.last();
        assert!(sent.body.is_empty() && sent.headers.iter().count() == 0);
        found
    };
    assert_eq!(fetch(&root.fingerprint()).unwrap(), *root);
    for (fingerprint, is_there) in [(issuing.fingerprint(), true), (Hash::Sha256.digest(b"other"), false)] {
        let refused = fetch(&fingerprint).unwrap_err();
        let enroll::Error::Est(Error::Fingerprint { is_there: found, .. }) = refused else { panic!("{refused}") };
        assert_eq!(found, is_there);
    }
}

/// An answer of serverkeygen with a key in some form, in a part that says that it is PKCS#8.
fn generated(key: &[u8], certificates: &[Certificate]) -> Response {
    let certs_only = certs_only(certificates).unwrap();
    let (media_type, body) = ServerKey::write("part", key, &certs_only, Wrapping::Lines);
    Response::new(200).with("Content-Type", media_type).body(body.to_vec())
}

/// The ECPrivateKey within the PKCS#8 of a P-256 key, with the curve that stands outside there.
fn sec1(pkcs8: &[u8]) -> Vec<u8> {
    // Behind the outer header (3 bytes), the version (3), the AlgorithmIdentifier (21) and the header of an OCTET STRING (2)
    // stand the header of a SEQUENCE (2), a version (3), and the scalar (34).
    let (header, inner) = pkcs8[29..].split_at(2);
    let (scalar, point) = inner.split_at(3 + 34);
    let curve = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    [&[header[0], header[1] + curve.len() as u8], scalar, &curve, point].concat()
}

#[test]
fn a_key_that_the_server_made_must_be_that_of_its_certificate() {
    let stage = Stage::new();
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let issued = [stage.ca.issue(&stage.profile, &request(&stage.profile, &name("serialNumber=SN-1"), &key))];
    let pkcs8 = key.to_pkcs8().unwrap();
    let generate = |answer: Response| {
        let double = stage.answering(answer);
        let mut client = double.client(Some(stage.anchors()));
        let generated = client.generate(&stage.ask(), None, now());
        assert_eq!(double.targets(), ["cacerts", "serverkeygen"]);
        (generated, client.take_notes())
    };
    let (Ok(Generated::Issued(found, chain)), notes) = generate(generated(&pkcs8, &issued)) else { panic!() };
    assert_eq!((found.public_key(), chain.certificates().len()), (key.public_key(), 3));
    assert_eq!(notes, []);
    let sec1 = sec1(&pkcs8);
    let (Ok(Generated::Issued(found, _)), notes) = generate(generated(&sec1, &issued)) else { panic!() };
    assert_eq!(found.public_key(), key.public_key());
    assert_eq!(notes, [Note::KeyForm { found: "SEC 1" }]);
    let other = SoftwareKey::generate(KeyType::P256).unwrap().to_pkcs8().unwrap();
    for (answer, is_unacceptable) in [
        (generated(&other, &issued), true),
        (generated(&pkcs8, &[stage.issued()]), true),
        (generated(&pkcs8, &[]), true),
        (generated(b"garbage", &issued), false),
        (generated(issued[0].der(), &issued), false),
        (certificates(&issued), false),
        (Response::new(200).with("Content-Type", "multipart/mixed").body(b"--".to_vec()), false),
        (Response::new(200), false),
    ] {
        let (Err(error), _) = generate(answer) else { panic!("accepted") };
        assert_eq!(matches!(error, enroll::Error::Unacceptable(_)), is_unacceptable, "{error}");
        assert!(is_unacceptable || matches!(error, enroll::Error::Est(Error::Malformed { .. })), "{error}");
    }
    let (later, _) = generate(Response::new(202).with("Retry-After", "5"));
    assert!(matches!(later, Ok(Generated::Pending(_))));
}

/// An authority that issues the same for the same ask, as the law says, once it was asked often enough.
struct Issuer {
    ca: Ca,
    issued: Mutex<Vec<(Vec<u8>, Certificate)>>,
    waits: AtomicU8,
}

impl Authority for Issuer {
    fn chain(&self) -> &Chain {
        &self.ca.chain
    }

    fn recognise(&self, _: &Profile, _: Credential<'_>, _: Time) -> Result<Option<Refusal>, AuthorityError> {
        Ok(None)
    }

    fn submit(&self, asks: &[Ask<'_>], _: Time) -> Result<Vec<Decision>, AuthorityError> {
        let decide = |ask: &Ask<'_>| {
            if self.waits.load(Ordering::Relaxed) > 0 {
                self.waits.fetch_sub(1, Ordering::Relaxed);
                return Decision::Pending(Pending { id: Some(1), retry_after: Duration::from_secs(5) });
            }
            let mut issued = self.issued.lock().unwrap();
            let key = ask.request.public_key().spki().to_vec();
            let found = issued.iter().find(|(known, _)| *known == key).map(|(_, certificate)| certificate.clone());
            let leaf = found.unwrap_or_else(|| self.ca.issue(ask.profile, ask.request));
            issued.push((key, leaf.clone()));
            let chain = [&[leaf], self.ca.chain.certificates()].concat();
            Decision::Issued(Chain::new(chain).unwrap())
        };
        Ok(asks.iter().map(decide).collect())
    }
}

struct Ends(Responder);

impl Service for Ends {
    fn respond(&self, request: &Request, peer: &Peer) -> Response {
        self.0.respond(request, peer, now())
    }
}

/// The law of every protocol, at the responder of this one, which wants requests bound to their connection.
#[test]
fn over_the_responder_comes_what_comes_directly() {
    let Stage { ca, profile, key, request: direct } = Stage::new();
    let root = ca.chain.certificates().last().unwrap().clone();
    let issuer = Arc::new(Issuer { ca, issued: Mutex::default(), waits: AtomicU8::new(1) });
    let served = Served { profile: profile.clone(), authority: issuer.clone() };
    let responder = Arc::new(Ends(Responder::new(vec![served], true)));
    let anchors = Anchors::new(vec![root]).unwrap();
    let token =
        Token { flow: Flow::Est, secret: "s3cret", user: Some("SN-1"), request: direct.public_key().fingerprint() };
    let peer = Peer { address: None, certificates: Vec::new(), version: TlsVersion::V1_3, binding: Some([7; 32]) };
    let client = |peer: Peer| {
        let way = Loopback::new(responder.clone(), peer);
        Client::new(Box::new(way), server(), Some(profile.name.clone()), Some(anchors.clone()))
    };
    let bound = |wishes: &Wishes| {
        let wanted = Wanted { subject: name("serialNumber=SN-1"), ..Wanted::default() };
        let wanted = wishes.add_to(wanted, &profile, false).unwrap();
        x509::Request::new(&profile, &wanted, &key).unwrap().prove().unwrap()
    };
    let ask = |request| Ask {
        request,
        profile: &profile,
        variables: Variables::NONE,
        occasion: Occasion::New,
        validity: None,
        may_outlive: false,
        credential: Credential::Token(&token),
    };
    let mut far = client(peer.clone());
    let request = bound(&far.wishes().unwrap());
    let waiting = far.enroll(&ask(&request), now()).unwrap();
    assert!(matches!(waiting, Outcome::Pending(Pending { retry_after, .. }) if retry_after.as_secs() == 5));
    let found = issued(far.enroll(&ask(&request), now()));
    let mut near = Direct::new(issuer.clone(), anchors.clone());
    assert_eq!(found, issued(near.enroll(&ask(&direct), now())));
    // Bound to no connection, or to another one, it is not taken.
    let words = far.enroll(&ask(&direct), now()).unwrap_err().to_string();
    assert!(words.contains("403: a request must be bound to its connection"), "{words}");
    let mut other = client(Peer { binding: Some([8; 32]), ..peer.clone() });
    let words = other.enroll(&ask(&request), now()).unwrap_err().to_string();
    assert!(words.contains("403: the request is bound to another connection"), "{words}");

    let mut known = client(Peer { certificates: vec![found.leaf().clone()], ..peer });
    let request = bound(&known.wishes().unwrap());
    let occasion = Occasion::Renew { certificate: found.leaf(), keep_key: true };
    let chain = std::slice::from_ref(found.leaf());
    let claim = request.public_key().fingerprint();
    let credential = Credential::Certificate { flow: Flow::Est, chain, request: &claim };
    assert_eq!(issued(known.enroll(&Ask { occasion, credential, ..ask(&request) }, now())), found);
    let Generated::Issued(made, chain) = known.generate(&Ask { credential, ..ask(&request) }, None, now()).unwrap()
    else {
        panic!("pending")
    };
    assert_eq!(chain.leaf().spki(), made.public_key().spki());
    assert_ne!(made.public_key(), key.public_key());
    assert_eq!(known.take_notes(), []);
}
