//! The responder before a CA that does as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use const_oid::ObjectIdentifier;
use der::asn1::AnyRef;
use der::{Encode, Tag};

use super::{CsrAttributes, MediaType, Operation, Responder, Served, ServerKey, Wrapping, decode, open_key};
use crate::cms::SignedData;
use crate::enroll::{
    Ask, Authority, AuthorityError, Credential, Decision, KeyWish, Occasion, Pending, Refusal, Unauthorized,
};
use crate::files::to_base64;
use crate::key::{KeyFile, KeyType, Signer, SoftwareDecrypter, SoftwareKey};
use crate::net::{Identity, Method, Peer, Response, TlsVersion};
use crate::x509::issue::{self, Serial};
use crate::x509::verify::Anchors;
use crate::x509::{
    AltName, CONTEXT_0, Certificate, Chain, Name, Names, Profile, ProvenRequest, Reason, Request, Time, Wanted,
    members, no_expiry,
};

/// The moment of all tests.
pub fn now() -> Time {
    Time::from_unix_timestamp(1_790_000_000).unwrap()
}

/// A name, as `O=Acme, CN=x`.
pub fn name(text: &str) -> Name {
    Name::new(&Name::parse(text).unwrap()).unwrap()
}

/// A root and an issuing CA.
pub struct Ca {
    pub chain: Chain,
    key: SoftwareKey,
}

impl Ca {
    pub fn new() -> Self {
        let (root_key, key) =
            (SoftwareKey::generate(KeyType::P256).unwrap(), SoftwareKey::generate(KeyType::P256).unwrap());
        let profile = |name| Profile::named(name).unwrap();
        let validity = (now(), no_expiry());
        let names = Names { subject: name("O=Acme, CN=Root"), alt_names: Vec::new() };
        let root = issue::root(&profile("device-root"), &names, &root_key, validity).unwrap();
        let request = request(&profile("device-issuing"), &name("O=Acme, CN=Issuing"), &key);
        let issuing = issue(&profile("device-issuing"), &request, &root, &root_key, no_expiry());
        Self { chain: Chain::new(vec![issuing, root]).unwrap(), key }
    }

    /// A certificate of `profile` for what was asked.
    pub fn issue(&self, profile: &Profile, request: &ProvenRequest) -> Certificate {
        self.issue_until(profile, request, no_expiry())
    }

    /// The same, valid until a time.
    pub fn issue_until(&self, profile: &Profile, request: &ProvenRequest, until: Time) -> Certificate {
        issue(profile, request, self.chain.leaf(), &self.key, until)
    }
}

/// A request for `subject`.
pub fn request(profile: &Profile, subject: &Name, key: &SoftwareKey) -> ProvenRequest {
    let wanted = Wanted { subject: subject.clone(), ..Wanted::default() };
    Request::new(profile, &wanted, key).unwrap().prove().unwrap()
}

fn issue(
    profile: &Profile,
    request: &ProvenRequest,
    issuer: &Certificate,
    key: &SoftwareKey,
    until: Time,
) -> Certificate {
    let wanted = request.request();
    let names = Names { subject: wanted.subject().clone(), alt_names: wanted.alt_names().unwrap() };
    let scheme = key.public_key().key_type().usual_scheme();
    let validity = (now(), until);
    let serial = Serial::new(now()).unwrap();
    let signed = issue::to_be_signed(profile, request, &names, issuer, scheme, serial, validity).unwrap();
    issue::sign(&signed, key, scheme).unwrap()
}

/// Two certificates, issuing CA first.
pub fn certificates() -> Vec<Certificate> {
    Ca::new().chain.certificates().to_vec()
}

/// What the CA of a test says.
enum Says {
    Issued,
    Pending(Duration),
    Refused(Refusal),
    /// It could not decide, for a reason that is nobody's business.
    Failed,
    Nothing,
}

struct Fake {
    ca: Ca,
    says: Mutex<Says>,
    /// What was asked: by what right, and for what.
    asked: Mutex<Vec<String>>,
}

impl Authority for Fake {
    fn chain(&self) -> &Chain {
        &self.ca.chain
    }

    fn submit(&self, asks: &[Ask<'_>], _: Time) -> Result<Vec<Decision>, AuthorityError> {
        let [ask] = asks else { panic!("{} asks", asks.len()) };
        let credential = match &ask.credential {
            Credential::Operator => panic!("nobody on the network is the operator"),
            Credential::Token(token) => format!("token {:?} {} {}", token.user, token.secret, token.request),
            Credential::Certificate { flow, chain, .. } => format!("certificate {flow} {}", chain[0].subject()),
            Credential::Missing { flow } => format!("none {flow}"),
        };
        let occasion = match ask.occasion {
            Occasion::New => "new".to_owned(),
            Occasion::Renew { certificate, keep_key } => format!("renew {} {keep_key}", certificate.subject()),
            Occasion::Supersede(_) => panic!("nothing is superseded over the network"),
        };
        self.asked.lock().unwrap().push(format!("{credential}; {occasion}"));
        Ok(match &*self.says.lock().unwrap() {
            Says::Issued => {
                let mut chain = vec![self.ca.issue(ask.profile, ask.request)];
                chain.extend_from_slice(self.ca.chain.certificates());
                vec![Decision::Issued(Chain::new(chain).unwrap())]
            }
            Says::Pending(retry_after) => {
                vec![Decision::Pending(Pending { id: Some(7), retry_after: *retry_after })]
            }
            Says::Refused(refusal) => vec![Decision::Refused(refusal.clone())],
            Says::Failed => return Err(AuthorityError("/var/lib/acme: disk full".into())),
            Says::Nothing => Vec::new(),
        })
    }
}

/// A responder, who is asked, and a device.
struct Lab {
    fake: Arc<Fake>,
    responder: Responder,
    key: SoftwareKey,
    peer: Peer,
}

const TOKEN: &str = "Basic U04tMTpzM2NyZXQ=";

const SHORT: &str = r#"
    schema = "bulla.profile/1"
    name = "short"
    extends = "ldevid"
    key-types = ["p384"]
"#;

impl Lab {
    fn new(requires_binding: bool) -> Self {
        let fake = Arc::new(Fake { ca: Ca::new(), says: Says::Issued.into(), asked: Mutex::default() });
        let served = |profile| Served { profile, authority: fake.clone() };
        let mut profiles = vec![Profile::named("ldevid").unwrap(), Profile::from_toml(SHORT).unwrap()];
        for (name, key_types) in [("long", "\"p521\", \"rsa2048\""), ("odd", "\"p521\"")] {
            let profile = SHORT.replace("\"short\"", &format!("\"{name}\"")).replace("\"p384\"", key_types);
            profiles.push(Profile::from_toml(&profile).unwrap());
        }
        let served = profiles.into_iter().map(served).collect();
        let peer = Peer { address: None, certificates: Vec::new(), version: TlsVersion::V1_3, binding: Some([7; 32]) };
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        Self { responder: Responder::new(served, requires_binding), fake, key, peer }
    }

    fn says(&self, says: Says) {
        *self.fake.says.lock().unwrap() = says;
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.fake.asked.lock().unwrap())
    }

    /// The device's request, with a challengePassword.
    fn csr(&self, challenge_password: Option<&str>) -> Vec<u8> {
        let challenge_password = challenge_password.map(|text| text.to_owned().into());
        let wanted = Wanted { subject: name("CN=SN-1"), challenge_password, ..Wanted::default() };
        Request::new(&Profile::named("ldevid").unwrap(), &wanted, &self.key).unwrap().der().to_vec()
    }

    fn post(&self, operation: Operation, csr: &[u8]) -> crate::net::Request {
        let body = Wrapping::Lines.encode(csr).to_vec();
        crate::net::Request::post(operation.target(None), MediaType::REQUEST, body).with("Authorization", TOKEN)
    }

    fn send(&self, request: &crate::net::Request) -> Response {
        self.responder.respond(request, &self.peer, now())
    }

    fn send_from(&self, peer: Peer, request: &crate::net::Request) -> Response {
        self.responder.respond(request, &peer, now())
    }

    /// The device as it is known by a certificate of this CA.
    fn known(&self) -> Peer {
        let profile = Profile::named("ldevid").unwrap();
        let own = self.fake.ca.issue(&profile, &request(&profile, &name("CN=SN-1"), &self.key));
        Peer { certificates: vec![own], ..self.peer.clone() }
    }
}

fn fact<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.facts.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

fn certificates_of(response: &Response) -> Vec<Certificate> {
    assert_eq!(response.status, 200, "{}", text(response));
    assert_eq!(response.headers.get("Content-Type"), Some("application/pkcs7-mime; smime-type=certs-only"));
    assert_eq!(response.headers.get("Content-Transfer-Encoding"), Some("base64"));
    SignedData::certificates_only(&decode(&response.body).unwrap()).unwrap()
}

#[test]
fn the_certificates_of_the_ca_are_everybodys() {
    let lab = Lab::new(true);
    for (label, agent, lines) in [(None, "curl", 1), (Some("ldevid"), "libest 1.0", 9), (Some("short"), "", 1)] {
        let request = crate::net::Request::get(Operation::CaCertificates.target(label)).with("User-Agent", agent);
        let response = lab.send(&request);
        let mut expected = lab.fake.ca.chain.certificates().to_vec();
        let mut found = certificates_of(&response);
        for list in [&mut expected, &mut found] {
            list.sort_by_key(|certificate| certificate.der().to_vec());
        }
        assert_eq!(found, expected);
        assert!(text(&response).lines().count() >= lines, "{agent}");
        assert_eq!(lines == 1, !text(&response).contains('\n'), "{agent}");
    }
    assert_eq!(lab.asked(), [""; 0]);
}

#[test]
fn wishes_are_the_profiles_and_the_connections() {
    let lab = Lab::new(false);
    let ask = |label, peer: &Peer| {
        let request = crate::net::Request::get(Operation::CsrAttributes.target(label));
        let response = lab.send_from(peer.clone(), &request);
        assert_eq!(response.headers.get("Content-Type"), Some("application/csrattrs"));
        CsrAttributes::from_der(&decode(&response.body).unwrap()).unwrap()
    };
    let read = ask(Some("short"), &lab.peer);
    assert_eq!((read.wishes.key, read.wants_binding), (Some(KeyWish::Type(KeyType::P384)), true));
    let old = Peer { version: TlsVersion::V1_2, binding: None, ..lab.peer.clone() };
    let read = ask(None, &old);
    assert_eq!((read.wishes.key, read.wants_binding), (None, false));
}

#[test]
fn a_device_enrolls_by_token_or_certificate() {
    let lab = Lab::new(false);
    let csr = lab.csr(None);
    let bare = crate::net::Request::post(
        Operation::Enroll.target(Some("ldevid")),
        "Application/PKCS10; charset=utf-8",
        Wrapping::Whole.encode(&csr).to_vec(),
    );
    let fingerprint = lab.key.public_key().fingerprint();
    let basic = format!("token Some(\"SN-1\") s3cret {fingerprint}; new");
    let bearer = format!("token None s3cret {fingerprint}; new");
    for (peer, request, credential, asked) in [
        (lab.peer.clone(), bare.clone().with("authorization", TOKEN), "token", basic.as_str()),
        (lab.peer.clone(), bare.clone().with("authorization", "Bearer s3cret"), "token", &bearer),
        (lab.known(), bare.clone().with("authorization", "bearer s3cret"), "token", &bearer),
        (lab.known(), bare.clone(), "certificate", "certificate est CN=SN-1; new"),
        (lab.peer.clone(), bare.clone(), "none", "none est; new"),
    ] {
        let response = lab.send_from(peer, &request);
        let [issued] = certificates_of(&response).try_into().unwrap();
        assert_eq!(issued.spki(), lab.key.public_key().spki());
        assert!(!text(&response).contains('\n'), "as the request was");
        assert_eq!(lab.asked(), [asked]);
        let facts = ["flow", "operation", "profile", "subject", "credential", "binding", "outcome"];
        let facts: Vec<_> = facts.iter().map(|name| fact(&response, name).unwrap()).collect();
        assert_eq!(facts, ["est", "simpleenroll", "ldevid", "CN=SN-1", credential, "none", "issued"]);
        assert!(fact(&response, "serial").is_some_and(|serial| serial.len() == 47));
        assert!(!format!("{:?}", response.facts).contains("s3cret"));
    }
    let response = lab.send(&lab.post(Operation::Enroll, &csr));
    assert!(text(&response).lines().all(|line| line.len() <= 64) && text(&response).ends_with('\n'));
}

#[test]
fn what_is_renewed_is_the_certificate_of_the_connection() {
    let lab = Lab::new(false);
    let request = lab.post(Operation::Reenroll, &lab.csr(None));
    certificates_of(&lab.send_from(lab.known(), &request));
    assert_eq!(lab.asked(), ["certificate est CN=SN-1; renew CN=SN-1 true"]);

    let other = SoftwareKey::generate(KeyType::P256).unwrap();
    let renewed = self::request(&Profile::named("ldevid").unwrap(), &name("CN=SN-1"), &other);
    certificates_of(&lab.send_from(lab.known(), &lab.post(Operation::Reenroll, renewed.request().der())));
    assert_eq!(lab.asked(), ["certificate est CN=SN-1; renew CN=SN-1 false"]);

    let response = lab.send(&request);
    assert_eq!((response.status, fact(&response, "code")), (403, Some("no-certificate")));
    assert_eq!(lab.asked(), [""; 0], "a token renews nothing");
}

#[test]
fn a_request_is_bound_to_its_connection() {
    let (own, other) = (to_base64(&[7; 32]), to_base64(&[8; 32]));
    let (unique, long) = (to_base64(&[7; 12]), to_base64(&[7; 33]));
    let old = |peer: &Peer| Peer { version: TlsVersion::V1_2, binding: None, ..peer.clone() };
    for (requires, is_old, password, expected) in [
        (false, false, Some(own.as_str()), Ok("checked")),
        (false, false, Some(&other), Err("bound to another connection")),
        (false, false, None, Ok("none")),
        (false, false, Some(&unique), Ok("unchecked")),
        (false, false, Some(&long), Ok("unchecked")),
        (false, false, Some("s3cret"), Ok("unchecked")),
        (false, true, Some(&own), Ok("unchecked")),
        (true, false, Some(&own), Ok("checked")),
        (true, false, Some(&other), Err("bound to another connection")),
        (true, false, Some(&unique), Err("by a challengePassword")),
        (true, false, None, Err("by a challengePassword")),
        (true, true, Some(&own), Err("TLS 1.2 cannot do that")),
    ] {
        let lab = Lab::new(requires);
        let peer = if is_old { old(&lab.known()) } else { lab.known() };
        for operation in [Operation::Enroll, Operation::Reenroll, Operation::ServerKeygen] {
            let response = lab.send_from(peer.clone(), &lab.post(operation, &lab.csr(password)));
            match expected {
                Ok(state) => {
                    assert_eq!((response.status, fact(&response, "binding")), (200, Some(state)), "{password:?}")
                }
                Err(why) => {
                    assert_eq!((response.status, fact(&response, "code")), (403, Some("binding")), "{password:?}");
                    assert!(text(&response).contains(why), "{}", text(&response));
                    assert_eq!(lab.asked(), [""; 0]);
                }
            }
        }
    }
}

#[test]
fn a_key_is_made_here_where_that_is_asked() {
    let lab = Lab::new(false);
    for (label, key_type) in [("ldevid", KeyType::P256), ("short", KeyType::P384), ("long", KeyType::Rsa(2048))] {
        // RFC 7030 section 4.4.1: key and signature of the request MUST be ignored.
        let mut csr = lab.csr(None);
        *csr.last_mut().unwrap() ^= 1;
        let request = lab.post(Operation::ServerKeygen, &csr);
        let request = crate::net::Request { target: Operation::ServerKeygen.target(Some(label)), ..request };
        let response = lab.send(&request);
        assert_eq!(response.status, 200, "{}", text(&response));
        let media_type = MediaType::parse(response.headers.get("Content-Type").unwrap());
        let ServerKey { key, certificates } = ServerKey::read(&media_type, &response.body).unwrap();
        let key = KeyFile::from_document(key).open(None).unwrap();
        let [issued] = &certificates[..] else { panic!("{} certificates", certificates.len()) };
        assert_eq!(issued.spki(), key.public_key().spki());
        assert_eq!((issued.subject(), key.public_key().key_type()), (&name("CN=SN-1"), key_type));
        let fingerprint = lab.key.public_key().fingerprint();
        assert_eq!(lab.asked(), [format!("token Some(\"SN-1\") s3cret {fingerprint}; new")]);
        assert_eq!(fact(&response, "outcome"), Some("issued"));
    }
    let request = lab.post(Operation::ServerKeygen, &lab.csr(None));
    let odd = crate::net::Request { target: Operation::ServerKeygen.target(Some("odd")), ..request.clone() };
    let response = lab.send(&odd);
    assert_eq!((response.status, fact(&response, "code")), (400, Some("key-type")), "nobody makes P-521 here");
    let bare = crate::net::Request { headers: Default::default(), ..request };
    let response = lab.send(&bare.with("Content-Type", MediaType::REQUEST));
    assert_eq!((response.status, fact(&response, "code")), (401, Some("no-credential")));
    assert_eq!(lab.asked(), [""; 0], "no key is made for nobody");
}

/// Every decision of the CA, and what it is over HTTP.
#[test]
fn decisions_have_their_status() {
    let lab = Lab::new(false);
    let text_of = |text: &str| text.to_owned();
    let (identity, serial) = (text_of("CN=SN-1"), text_of("0a"));
    let (profile, token) = (text_of("ldevid"), text_of("7"));
    let unauthorized = Refusal::Unauthorized;
    for (refusal, status) in [
        (unauthorized(Unauthorized::Missing), 401),
        (unauthorized(Unauthorized::UnknownToken), 401),
        (unauthorized(Unauthorized::Expired { token: token.clone() }), 403),
        (unauthorized(Unauthorized::TokenRevoked { token: token.clone() }), 403),
        (unauthorized(Unauthorized::UsedUp { token: token.clone() }), 403),
        (unauthorized(Unauthorized::OtherFlow { token: token.clone(), flow: text_of("est") }), 403),
        (unauthorized(Unauthorized::OtherProfile { token, profile: profile.clone() }), 403),
        (unauthorized(Unauthorized::OtherIdentity { identity: identity.clone(), asked: text_of("CN=x") }), 403),
        (unauthorized(Unauthorized::OtherName { identity: identity.clone(), name: text_of("x") }), 403),
        (unauthorized(Unauthorized::NotServed { profile: profile.clone() }), 403),
        (unauthorized(Unauthorized::Certificate { why: text_of("revoked") }), 403),
        (Refusal::ProfileNotServed { profile: profile.clone(), issuer: text_of("device") }, 403),
        (Refusal::NoCaBelow { profile, issuer: text_of("device") }, 403),
        (Refusal::Names { why: text_of("wrong\r\nX: y") }, 400),
        (Refusal::KeyType { why: "long".repeat(1000) }, 400),
        (Refusal::WeakKey { why: text_of("weak") }, 400),
        (Refusal::IdentityTaken { identity: identity.clone(), serial: serial.clone() }, 403),
        (Refusal::KeyTaken { identity: identity.clone(), serial: serial.clone() }, 403),
        (Refusal::KeyCompromised { serial: serial.clone() }, 403),
        (Refusal::OnHold { identity, serial: serial.clone() }, 403),
        (Refusal::NotFinal { reason: Reason::CertificateHold }, 400),
        (Refusal::OutlivesIssuer { until: text_of("2030"), issuer_until: text_of("2029") }, 403),
        (Refusal::NotOurs, 403),
        (Refusal::NotRenewable { serial: serial.clone(), why: "has expired" }, 403),
        (Refusal::KeyUnchanged { is_same: true }, 400),
        (Refusal::RevokedMeanwhile { serial }, 403),
        (Refusal::Disapproved { id: 7 }, 403),
    ] {
        let code = refusal.code();
        lab.says(Says::Refused(refusal));
        for operation in [Operation::Enroll, Operation::Reenroll, Operation::ServerKeygen] {
            let response = lab.send_from(lab.known(), &lab.post(operation, &lab.csr(None)));
            assert_eq!((response.status, fact(&response, "code")), (status, Some(code)));
            assert_eq!(fact(&response, "outcome"), Some("refused"));
            let challenges: Vec<_> = response.headers.iter().filter(|(name, _)| *name == "WWW-Authenticate").collect();
            let expected = ["Basic realm=\"bulla\"", "Bearer realm=\"bulla\""].map(|value| ("WWW-Authenticate", value));
            assert_eq!(challenges, if status == 401 { &expected[..] } else { &[] });
            let text = text(&response);
            // BouncyCastle's client shows its token only after a 401 without body.
            let lines = usize::from(status != 401);
            assert!(text.lines().count() == lines && text.len() <= 301, "{text:?}");
        }
    }
    for (says, status, retry_after, outcome) in [
        (Says::Pending(Duration::from_secs(60)), 202, "60", "pending"),
        (Says::Pending(Duration::from_millis(1500)), 202, "2", "pending"),
        (Says::Pending(Duration::ZERO), 202, "1", "pending"),
        (Says::Failed, 503, "10", "failed"),
        (Says::Nothing, 503, "10", "failed"),
    ] {
        lab.says(says);
        for operation in [Operation::Enroll, Operation::Reenroll, Operation::ServerKeygen] {
            let response = lab.send_from(lab.known(), &lab.post(operation, &lab.csr(None)));
            assert_eq!((response.status, response.headers.get("Retry-After")), (status, Some(retry_after)));
            assert_eq!(fact(&response, "outcome"), Some(outcome));
            assert!(!text(&response).contains("disk"), "{}", text(&response));
            assert_eq!(text(&response).is_empty(), status == 202);
            let of_log = (fact(&response, "request"), fact(&response, "error"));
            assert!(matches!(of_log, (Some("7"), None) | (None, Some("/var/lib/acme: disk full")) | (None, None)));
        }
    }
}

/// What never reaches the CA.
#[test]
fn hostile_requests_are_refused() {
    let lab = Lab::new(false);
    let csr = lab.csr(None);
    let post = |body: Vec<u8>| {
        crate::net::Request::post(Operation::Enroll.target(None), MediaType::REQUEST, body).with("Authorization", TOKEN)
    };
    let good = || lab.post(Operation::Enroll, &csr);
    let of_der = |der: &[u8]| post(to_base64(der).into_bytes());
    let to = |target: &str| crate::net::Request { target: target.to_owned(), ..good() };
    let of_type = |media_type: &str| {
        let headers = crate::net::Headers::default().with("Content-Type", media_type);
        crate::net::Request { headers, ..good() }
    };
    let with = |value: &str| {
        crate::net::Request::post(Operation::Enroll.target(None), MediaType::REQUEST, good().body.to_vec())
            .with("Authorization", value)
    };
    let changed = |at: usize| {
        let mut changed = csr.clone();
        changed[at] ^= 1;
        changed
    };
    let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n", to_base64(&csr));
    for (request, status, code) in [
        (to("/.well-known/est/"), 404, "not-found"),
        (to("/.well-known/est"), 404, "not-found"),
        (to("/.well-known/est/fullcmc"), 404, "not-found"),
        (to("/.well-known/est/SIMPLEENROLL"), 404, "not-found"),
        (to("/.well-known/est/sub-ca/simpleenroll"), 404, "not-found"),
        (to("/.well-known/est/../est/simpleenroll"), 404, "not-found"),
        (to("/.well-known/est//simpleenroll"), 404, "not-found"),
        (to("/.well-known/est/ldevid/ldevid/simpleenroll"), 404, "not-found"),
        (to("/.well-known/est/ldevid/simpleenroll/"), 404, "not-found"),
        (to("/.well-known/est/ldevid%00/simpleenroll"), 404, "not-found"),
        (to("/.well-known/est/cacerts"), 405, "method"),
        (to("/.well-known/est/csrattrs?a"), 405, "method"),
        (crate::net::Request { method: Method::Get, ..good() }, 405, "method"),
        (of_type("application/x-www-form-urlencoded"), 415, "media-type"),
        (of_type(""), 415, "media-type"),
        (of_type("application/pkcs10,text/html"), 415, "media-type"),
        (crate::net::Request { headers: Default::default(), ..good() }, 415, "media-type"),
        (good().with("Content-Type", "text/plain"), 415, "media-type"),
        (post(vec![b'A'; 3 << 20]), 413, "too-large"),
        (post(Vec::new()), 400, "body"),
        (post(pem.into_bytes()), 400, "body"),
        (post(csr.clone()), 400, "body"),
        (post(b"garbage!".to_vec()), 400, "body"),
        (post(vec![0xff; 1000]), 400, "body"),
        (of_der(b"garbage"), 400, "request"),
        (of_der(&csr[..csr.len() - 1]), 400, "request"),
        (of_der(&[&csr[..], &[0]].concat()), 400, "request"),
        (of_der(&[0x30, 0x80].repeat(10_000)), 400, "request"),
        (of_der(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), 400, "request"),
        (of_der(&vec![0x30; 300 << 10]), 400, "request"),
        (of_der(lab.fake.ca.chain.leaf().der()), 400, "request"),
        (of_der(&changed(csr.len() - 1)), 400, "proof"),
        (of_der(&changed(csr.windows(4).position(|bytes| bytes == b"SN-1").unwrap())), 400, "proof"),
        (with("Basic %%%"), 400, "authorization"),
        (with("Basic c2VjcmV0"), 400, "authorization"),
        (with("Bearer "), 400, "authorization"),
        (with(&format!("Bearer {}", "a".repeat(10_000))), 400, "authorization"),
        (good().with("authorization", "Bearer a"), 400, "authorization"),
        (with("Digest username=\"SN-1\""), 401, "no-credential"),
        (with("Negotiate"), 401, "no-credential"),
    ] {
        let shown = format!("{request:?}");
        let response = lab.send(&request);
        assert_eq!((response.status, fact(&response, "code")), (status, Some(code)), "{shown} {}", text(&response));
        let lines = usize::from(status != 401);
        let is_text = response.headers.get("Content-Type") == Some("text/plain; charset=utf-8");
        assert_eq!(usize::from(is_text), lines);
        let text = text(&response);
        assert!(text.lines().count() == lines && text.len() <= 301, "{text:?}");
        assert_eq!(lab.asked(), [""; 0], "{shown}");
        assert!(!format!("{:?}", response.facts).contains("s3cret"));
        assert_eq!(status == 405, response.headers.get("Allow").is_some());
    }
    assert_eq!(Responder::new(Vec::new(), false).respond(&good(), &lab.peer, now()).status, 404);
}

/// A request with one more attribute, which its signature does not cover.
fn with_attribute(csr: &[u8], oid: ObjectIdentifier) -> Vec<u8> {
    let value = |tag, content: &[&[u8]]| AnyRef::new(tag, &content.concat()).unwrap().to_der().unwrap();
    let parts = members(csr, Tag::Sequence, "").unwrap();
    let info = members(parts[0], Tag::Sequence, "").unwrap();
    let attribute = value(Tag::Sequence, &[&oid.to_der().unwrap(), &[0x31, 0x02, 0x04, 0x00]]);
    let attributes = [members(info[3], CONTEXT_0, "").unwrap(), vec![&attribute]].concat();
    let info = value(Tag::Sequence, &[info[0], info[1], info[2], &value(CONTEXT_0, &attributes)]);
    value(Tag::Sequence, &[&info, parts[1], parts[2]])
}

#[test]
fn a_key_that_shall_be_encrypted_is_not_sent_in_the_clear() {
    let lab = Lab::new(false);
    for (oid, status) in
        [("1.2.840.113549.1.9.16.2.37", 501), ("1.2.840.113549.1.9.16.2.54", 400), ("1.2.840.113549.1.9.16.2.15", 200)]
    {
        let csr = with_attribute(&lab.csr(None), ObjectIdentifier::new_unwrap(oid));
        let response = lab.send(&lab.post(Operation::ServerKeygen, &csr));
        assert_eq!(response.status, status, "{oid}");
        assert_eq!(lab.asked().len(), usize::from(status == 200));
    }
}

#[test]
fn a_key_is_encrypted_to_the_certificate_of_the_connection() {
    let mut lab = Lab::new(false);
    let profile = Profile::named("tls-client").unwrap();
    let key = SoftwareKey::generate(KeyType::Rsa(2048)).unwrap();
    let own = lab.fake.ca.issue(&profile, &request(&profile, &name("CN=SN-1"), &key));
    let identifier = own.subject_key_identifier().unwrap();
    let peer = Peer { certificates: vec![own.clone()], ..lab.peer.clone() };
    let asking = |lab: &Lab, peer: &Peer, decrypt_key: Option<Vec<u8>>| {
        let wanted = Wanted { subject: name("CN=SN-1"), decrypt_key, ..Wanted::default() };
        let csr = Request::new(&Profile::named("ldevid").unwrap(), &wanted, &lab.key).unwrap();
        lab.send_from(peer.clone(), &lab.post(Operation::ServerKeygen, csr.der()))
    };
    let response = asking(&lab, &peer, identifier.clone());
    assert_eq!((response.status, fact(&response, "code")), (501, Some("key-encryption")), "nobody signs it");

    let server_key: Arc<dyn Signer> = Arc::new(SoftwareKey::generate(KeyType::P256).unwrap());
    let server = {
        let profile = Profile::named("tls-server").unwrap();
        let wanted = Wanted { alt_names: vec![AltName::dns("est.example").unwrap()], ..Wanted::default() };
        lab.fake.ca.issue(&profile, &Request::new(&profile, &wanted, server_key.as_ref()).unwrap().prove().unwrap())
    };
    let identity = Identity::new(vec![server, lab.fake.ca.chain.leaf().clone()], server_key).unwrap();
    lab.responder = lab.responder.with_key_signer(Arc::new(move || identity.clone()));
    // Another's key, and one that its certificate does not let be encrypted to.
    let known = lab.known();
    let signs_alone = known.certificates[0].subject_key_identifier().unwrap();
    for (peer, identifier) in [(&peer, Some(vec![7; 20])), (&lab.peer, identifier.clone()), (&known, signs_alone)] {
        let response = asking(&lab, peer, identifier);
        assert_eq!((response.status, fact(&response, "code")), (400, Some("decrypt-key")));
        assert_eq!(lab.asked(), [""; 0]);
    }

    let response = asking(&lab, &peer, identifier);
    assert_eq!(response.status, 200, "{}", text(&response));
    let anchors = Anchors::new(vec![lab.fake.ca.chain.certificates().last().unwrap().clone()]).unwrap();
    let decrypter = SoftwareDecrypter::try_from(&key).unwrap();
    let open = |sealed: &[u8]| open_key(sealed, &decrypter, &own, &anchors, now());
    let media_type = MediaType::parse(response.headers.get("Content-Type").unwrap());
    let read = ServerKey::read_sealed(&media_type, &response.body, open).unwrap();
    let made = KeyFile::from_document(read.key).open(None).unwrap();
    assert_eq!(read.certificates[0].spki(), made.public_key().spki());
    assert!(ServerKey::read(&media_type, &response.body).is_err(), "it is not in the clear");
}
