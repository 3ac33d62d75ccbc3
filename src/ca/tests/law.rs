//! The law of every protocol: its client, over a loopback to its responder, gets what the same ask gets directly at an
//! equal CA. A protocol joins by a line of [`PROTOCOLS`].

use super::rights::{Site, registrar};
use super::*;
use crate::enroll::{Error, Flow, Token, est};
use crate::files::{printable, to_hex};
use crate::key::{Digest, Hash};
use crate::net::{self, Loopback, Peer, Response, Service, TlsVersion};
use crate::store::{Token as StoredToken, TokenId, Waiting};
use crate::x509::AltName;

/// A protocol, by its two ends.
struct Protocol {
    flow: Flow,
    /// Its client, over a loopback to its responder at a CA that serves a profile.
    client: fn(&Half, &Profile, Peer, Time) -> Box<dyn Enroller>,
    /// What its client heard.
    heard: fn(&Error) -> Heard,
}

const PROTOCOLS: [Protocol; 1] = [Protocol { flow: Flow::Est, client: est_client, heard: heard_of_est }];

/// What a client hears that gets no certificate.
#[derive(Debug, PartialEq)]
enum Heard {
    /// It is not known who asks.
    Stranger,
    /// No, for this reason, or the start of it.
    No(String),
    /// Not now.
    Busy,
    /// What no responder of ours says.
    Else,
}

/// A responder at a moment.
struct At<F>(F);

impl<F: Fn(&net::Request, &Peer) -> Response + Send + Sync> Service for At<F> {
    fn respond(&self, request: &net::Request, peer: &Peer) -> Response {
        (self.0)(request, peer)
    }
}

fn est_client(ca: &Half, profile: &Profile, peer: Peer, now: Time) -> Box<dyn Enroller> {
    let served = est::Served { profile: profile.clone(), authority: ca.issuer.clone() };
    let responder = est::Responder::new(vec![served], false);
    let service = At(move |request: &net::Request, peer: &Peer| responder.respond(request, peer, now));
    let way = Loopback::new(Arc::new(service), peer);
    let anchors = Some(ca.ca.anchors(Hierarchy::Device).unwrap());
    Box::new(est::Client::new(Box::new(way), "ca.example".parse().unwrap(), Some(profile.name.clone()), anchors))
}

fn heard_of_est(error: &Error) -> Heard {
    match error {
        Error::Est(est::Error::Status { status: 401, .. }) => Heard::Stranger,
        Error::Est(est::Error::Status { status: 400 | 403, why, .. }) => Heard::No(why.clone()),
        Error::Est(error) if error.is_transient() => Heard::Busy,
        _ => Heard::Else,
    }
}

/// A CA, and its issuer as a server has it.
struct Half {
    ca: Ca,
    issuer: Arc<Issuer>,
}

/// Two CAs that were one up to here: the same keys, certificates, tokens and records.
struct Twins {
    protocol: &'static Protocol,
    near: Half,
    far: Half,
    _folder: tempfile::TempDir,
}

/// What is asked.
struct Want<'a> {
    profile: &'static Profile,
    key: &'a SoftwareKey,
    subject: &'a str,
    alt_names: Vec<AltName>,
    occasion: Occasion<'a>,
    validity: Option<Duration>,
    may_outlive: bool,
    shows: Shows<'a>,
    at: Time,
}

#[derive(Clone, Copy)]
enum Shows<'a> {
    Nothing,
    Token(&'a str),
    TokenOf(&'a str, &'a str),
    Certificates(&'a [Certificate]),
}

/// What is asked most: an identity's first certificate.
fn want<'a>(subject: &'a str, key: &'a SoftwareKey, shows: Shows<'a>) -> Want<'a> {
    Want {
        profile: idevid(),
        key,
        subject,
        alt_names: Vec::new(),
        occasion: Occasion::New,
        validity: None,
        may_outlive: false,
        shows,
        at: now(),
    }
}

fn renew<'a>(certificate: &'a Certificate, keep_key: bool) -> Occasion<'a> {
    Occasion::Renew { certificate, keep_key }
}

/// All of a certificate but its serial number and its signature, which no two have in common.
fn content(certificate: &Certificate) -> impl PartialEq + std::fmt::Debug + use<> {
    let names = (certificate.issuer().clone(), certificate.subject().clone());
    let validity = (certificate.not_before(), certificate.not_after());
    (names, validity, certificate.spki().to_vec(), certificate.extensions().to_vec(), certificate.scheme().unwrap())
}

/// What is said, without the serial number in it.
fn without_serial(text: &str) -> String {
    let Some((before, rest)) = text.split_once("serial ") else { return text.to_owned() };
    format!("{before}serial {}", rest.trim_start_matches(|digit: char| digit == ':' || digit.is_ascii_hexdigit()))
}

impl Half {
    fn of(ca: Ca, registrar: &Registrar) -> Self {
        let issuer = Arc::new(issuer(&ca, Hierarchy::Device).with_registrar(registrar.clone()));
        Self { ca, issuer }
    }

    /// What the records say beside serial numbers.
    fn records(&self) -> (Vec<String>, Vec<StoredToken>, Vec<Waiting>) {
        let mut store = self.ca.store().unwrap();
        let filter = Filter { issuer: Some("device".to_owned()), ..Filter::default() };
        let certificates = store.list(&filter, None, 99).unwrap();
        let told = certificates.iter().map(|record| {
            let Record { profile, identity, validity, revoked, is_current, certificate, .. } = record;
            let key = Certificate::from_der(certificate.as_deref().unwrap()).unwrap().spki().to_vec();
            format!("{profile} {identity} {validity:?} {revoked:?} {is_current} {}", to_hex(&key))
        });
        (told.collect(), store.tokens(None, None, 99).unwrap(), store.waiting(None, None, 99).unwrap())
    }
}

impl Twins {
    /// Divides a site in two.
    fn of(site: Site, protocol: &'static Protocol) -> Self {
        let Site { folder, ca, issuer } = site;
        let registrar = issuer.registrar().unwrap().clone();
        drop(issuer);
        let twin = folder.path().join("twin");
        ca.backup(&twin).unwrap();
        let far = Half::of(Ca::find(&twin).unwrap().0, &registrar);
        Self { protocol, near: Half::of(ca, &registrar), far, _folder: folder }
    }

    /// Asks for the same at both, twice, and makes sure that the same comes of it; returns what.
    fn ask(&self, want: &Want<'_>) -> &'static str {
        self.outcome(want).0
    }

    /// The same, with the chain that each issued.
    fn outcome(&self, want: &Want<'_>) -> (&'static str, Option<(Chain, Chain)>) {
        let certificates = match want.shows {
            Shows::Certificates(chain) => chain.to_vec(),
            _ => Vec::new(),
        };
        let peer = Peer { address: None, certificates, version: TlsVersion::V1_3, binding: Some([7; 32]) };
        let mut far = (self.protocol.client)(&self.far, want.profile, peer, want.at);
        let mut near = Direct::new(self.near.issuer.clone(), self.near.ca.anchors(Hierarchy::Device).unwrap());
        let request = {
            let subject = Name::new(&Name::parse(want.subject).unwrap()).unwrap();
            let wanted = Wanted { subject, alt_names: want.alt_names.clone(), ..Wanted::default() };
            let wanted = far.wishes().unwrap().add_to(wanted, want.profile, false).unwrap();
            // Of any profile, so that also what the profile forbids is asked for.
            Request::new(built_in("tls-client"), &wanted, want.key).unwrap().prove().unwrap()
        };
        let (flow, claim) = (self.protocol.flow, request.public_key().fingerprint());
        let token = |secret, user, request: &Digest| Token { flow, secret, user, request: request.clone() };
        let token = match want.shows {
            Shows::Token(secret) => Some(token(secret, None, &claim)),
            Shows::TokenOf(secret, user) => Some(token(secret, Some(user), &claim)),
            _ => None,
        };
        let credential = match (&token, want.shows) {
            (Some(token), _) => Credential::Token(token),
            (None, Shows::Certificates(chain)) => Credential::Certificate { flow, chain, request: &claim },
            (None, _) => Credential::Missing { flow },
        };
        let ask = Ask {
            request: &request,
            profile: want.profile,
            variables: Variables::NONE,
            occasion: want.occasion,
            validity: want.validity,
            may_outlive: want.may_outlive,
            credential,
        };
        let mut both = || {
            let told = self.told(near.enroll(&ask, want.at), far.enroll(&ask, want.at));
            assert_eq!(self.near.records(), self.far.records(), "{}", want.subject);
            told
        };
        let (first, again) = (both(), both());
        assert_eq!(first, again, "twice the same of {}", want.subject);
        first
    }

    /// What came of an ask, which must be the same.
    fn told(
        &self,
        near: Result<Outcome, Error>,
        far: Result<Outcome, Error>,
    ) -> (&'static str, Option<(Chain, Chain)>) {
        let is_unknown = |refusal: &Refusal| matches!(refusal, Refusal::Unauthorized(why) if why.is_unknown());
        match (near, far) {
            (Ok(Outcome::Issued(near)), Ok(Outcome::Issued(far))) => {
                assert_eq!(content(near.leaf()), content(far.leaf()));
                assert_eq!(near.without_leaf(), far.without_leaf());
                ("issued", Some((near, far)))
            }
            (Ok(Outcome::Pending(near)), Ok(Outcome::Pending(far))) => {
                assert_eq!(near.retry_after, far.retry_after);
                ("pending", None)
            }
            // What the protocol does not carry its client refuses itself.
            (Err(Error::Refused(near)), Err(Error::Refused(far))) => {
                assert_eq!(near, far);
                (near.code(), None)
            }
            (Err(Error::Refused(refusal)), Err(far)) => {
                match (self.protocol.heard)(&far) {
                    Heard::Stranger => assert!(is_unknown(&refusal), "{refusal:?}"),
                    Heard::No(why) => {
                        assert!(!is_unknown(&refusal) && !why.is_empty(), "{refusal:?}");
                        let words = without_serial(&printable(&refusal.to_string()));
                        assert!(words.starts_with(&without_serial(&why)), "{refusal} and {why}");
                    }
                    other => panic!("{refusal:?} and {other:?}: {far}"),
                }
                (refusal.code(), None)
            }
            (Err(Error::Authority(_)), Err(far)) => {
                assert_eq!((self.protocol.heard)(&far), Heard::Busy);
                ("failed", None)
            }
            (near, far) => panic!("{near:?} and {far:?}"),
        }
    }

    fn revoke(&self, (near, far): &(Chain, Chain), reason: Reason) {
        for (half, chain) in [(&self.near, near), (&self.far, far)] {
            half.issuer.revoke(&[chain.leaf().serial().to_vec()], reason, now()).unwrap();
        }
    }
}

#[test]
fn over_every_protocol_comes_what_comes_directly() {
    for protocol in &PROTOCOLS {
        by_tokens(protocol);
        by_certificates_of_makers(protocol);
        by_renewal(protocol);
        after_approval(protocol);
    }
}

fn by_tokens(protocol: &'static Protocol) {
    let site = Site::with(registrar(&["idevid", "ldevid"]));
    let of = |device: &str| site.token("idevid", device, 2);
    let (a, b, c, c_again, d, e) = (of("A"), of("B"), of("C"), of("C"), of("D"), of("E"));
    let (once, revoked, elsewhere) = (site.token("idevid", "F", 1), of("G"), site.token("tls-client", "H", 1));
    let mut other_flow = site.ca.store().unwrap().tokens(None, None, 1).unwrap().remove(0);
    other_flow.flow = "other".to_owned();
    let secret_of_other_flow = "0f-another-protocol";
    other_flow.sha256 = Hash::Sha256.digest(secret_of_other_flow.as_bytes()).bytes().to_vec();
    assert!(site.ca.store().unwrap().add_token(site.issuer.ledger(), &other_flow, now()).unwrap());
    let id = TokenId::of(Hash::Sha256.digest(revoked.as_bytes()).bytes());
    site.issuer.revoke_token(id, now()).unwrap();
    let twins = Twins::of(site, protocol);

    let (one, two) = (key(), key());
    let asked = |subject, key, shows| twins.ask(&want(subject, key, shows));
    let with_a = || want("serialNumber=A", &one, Shows::Token(&a));
    let late = now() + Duration::hours(2);
    for (answer, want) in [
        ("no-credential", Want { shows: Shows::Nothing, ..with_a() }),
        ("unknown-token", Want { shows: Shows::Token("guessed"), ..with_a() }),
        ("unknown-token", Want { shows: Shows::TokenOf(&a, "B"), ..with_a() }),
        ("token-expired", Want { at: late, ..with_a() }),
        ("token-revoked", want("serialNumber=G", &one, Shows::Token(&revoked))),
        ("token-flow", Want { shows: Shows::Token(secret_of_other_flow), ..with_a() }),
        ("token-profile", Want { profile: built_in("ldevid"), ..with_a() }),
        ("other-identity", Want { subject: "serialNumber=B", ..with_a() }),
        ("other-name", Want { subject: "serialNumber=A, CN=B", ..with_a() }),
        (
            "not-served",
            Want { profile: built_in("tls-client"), subject: "CN=H", shows: Shows::Token(&elsewhere), ..with_a() },
        ),
        ("names", Want { subject: "CN=A", ..with_a() }),
        ("names", Want { alt_names: vec![AltName::dns("a.example").unwrap()], ..with_a() }),
        ("operator-only", Want { validity: Some(Duration::days(1)), ..with_a() }),
        ("operator-only", Want { may_outlive: true, ..with_a() }),
        ("operator-only", Want { occasion: Occasion::Supersede(Reason::Superseded), ..with_a() }),
        ("failed", Want { at: now() + Duration::days(9999), ..with_a() }),
        ("issued", with_a()),
        ("issued", Want { shows: Shows::TokenOf(&a, "A"), ..with_a() }),
        ("issued", Want { at: late, ..with_a() }),
        ("identity-taken", Want { key: &two, ..with_a() }),
        ("issued", Want { subject: "O=Acme, serialNumber=B, CN=B", shows: Shows::Token(&b), key: &two, ..with_a() }),
        ("key-taken", Want { subject: "serialNumber=D", shows: Shows::Token(&d), ..with_a() }),
    ] {
        assert_eq!(twins.ask(&want), answer, "{}", want.subject);
    }
    let (lost, next) = (key(), key());
    let (told, issued) = twins.outcome(&want("serialNumber=C", &lost, Shows::Token(&c)));
    assert_eq!(told, "issued");
    twins.revoke(&issued.unwrap(), Reason::KeyCompromise);
    assert_eq!(asked("serialNumber=C", &lost, Shows::Token(&c)), "key-compromised");
    assert_eq!(asked("serialNumber=C", &lost, Shows::Token(&c_again)), "key-compromised");
    assert_eq!(asked("serialNumber=C", &next, Shows::Token(&c_again)), "issued");
    let on_hold = key();
    let issued = twins.outcome(&want("serialNumber=E", &on_hold, Shows::Token(&e))).1;
    twins.revoke(&issued.unwrap(), Reason::CertificateHold);
    assert_eq!(asked("serialNumber=E", &on_hold, Shows::Token(&e)), "on-hold");
    let (first, second) = (key(), key());
    assert_eq!(asked("serialNumber=F", &first, Shows::Token(&once)), "issued");
    assert_eq!(asked("serialNumber=F", &second, Shows::Token(&once)), "token-used");
}

/// The identity of a device, from its maker.
fn born_at(maker: &Ca) -> Chain {
    match submit(&issuer(maker, Hierarchy::Device), ask(&request(&key(), idevid(), "A")), now()) {
        Decision::Issued(chain) => chain,
        other => panic!("{other:?}"),
    }
}

fn by_certificates_of_makers(protocol: &'static Protocol) {
    let folder = tempfile::tempdir().unwrap();
    let maker = new_ca(folder.path());
    let stranger = tempfile::tempdir().unwrap();
    let stranger = new_ca(stranger.path());
    let (born, forged) = (born_at(&maker), born_at(&stranger));
    let vendors = Some(maker.anchors(Hierarchy::Device).unwrap());
    let twins = Twins::of(Site::with(Registrar { vendors, ..registrar(&["ldevid"]) }), protocol);
    let (one, two) = (key(), key());
    let shown = Shows::Certificates(born.certificates());
    let with = || Want { profile: built_in("ldevid"), ..want("serialNumber=A", &one, shown) };
    for (answer, want) in [
        ("unknown-certificate", Want { shows: Shows::Certificates(forged.certificates()), ..with() }),
        ("unknown-certificate", Want { shows: Shows::Certificates(&born.certificates()[..1]), ..with() }),
        ("other-identity", Want { subject: "serialNumber=B", ..with() }),
        ("other-name", Want { alt_names: vec![AltName::dns("gw.example").unwrap()], ..with() }),
        ("not-served", Want { profile: idevid(), ..with() }),
        ("operator-only", Want { validity: Some(Duration::days(1)), ..with() }),
        ("issued", with()),
        ("identity-taken", Want { key: &two, ..with() }),
    ] {
        assert_eq!(twins.ask(&want), answer, "{}", want.subject);
    }
}

fn by_renewal(protocol: &'static Protocol) {
    let site = Site::with(registrar(&["idevid", "ldevid"]));
    let ldevid = built_in("ldevid");
    let keys: Vec<SoftwareKey> = (0..4).map(|_| key()).collect();
    let issued = |key, name| {
        let request = request(key, ldevid, name);
        leaf(&submit(&site.issuer, Ask { profile: ldevid, ..ask(&request) }, now())).clone()
    };
    let (a, b) = (issued(&keys[0], "A"), issued(&keys[1], "B"));
    let elsewhere = Site::new();
    let foreign = leaf(&submit(&elsewhere.issuer, ask(&request(&keys[2], idevid(), "A")), now())).clone();
    let twins = Twins::of(site, protocol);
    let (of_a, of_b, of_foreign) = (std::slice::from_ref(&a), std::slice::from_ref(&b), std::slice::from_ref(&foreign));
    let with_a = || Want {
        profile: ldevid,
        occasion: renew(&a, false),
        ..want("serialNumber=A, CN=A", &keys[2], Shows::Certificates(of_a))
    };
    let with_b = || Want {
        subject: "serialNumber=B, CN=B",
        occasion: renew(&b, true),
        key: &keys[1],
        shows: Shows::Certificates(of_b),
        ..with_a()
    };
    for (answer, want) in [
        (
            "unknown-certificate",
            Want {
                occasion: renew(&foreign, false),
                shows: Shows::Certificates(of_foreign),
                key: &keys[3],
                ..with_a()
            },
        ),
        ("not-ours", Want { profile: idevid(), ..with_a() }),
        ("names", Want { subject: "serialNumber=B", ..with_a() }),
        ("same-key", Want { key: &keys[0], ..with_a() }),
        ("other-key", Want { occasion: renew(&a, true), ..with_a() }),
        ("operator-only", Want { validity: Some(Duration::days(1)), ..with_a() }),
        ("issued", Want { at: now() + Duration::days(300), ..with_a() }),
        ("not-renewable", Want { key: &keys[3], at: now() + Duration::days(300), ..with_a() }),
        ("issued", Want { at: now() + Duration::days(300), ..with_b() }),
        // Without renewal it is good for nothing.
        ("unknown-certificate", Want { occasion: Occasion::New, at: now() + Duration::days(300), ..with_b() }),
    ] {
        assert_eq!(twins.ask(&want), answer, "{}", want.subject);
    }
    for half in [&twins.near, &twins.far] {
        half.issuer.revoke(&[b.serial().to_vec()], Reason::KeyCompromise, now() + Duration::days(300)).unwrap();
    }
    assert_eq!(twins.ask(&Want { at: now() + Duration::days(300), ..with_b() }), "certificate");
    assert_eq!(twins.ask(&Want { at: a.not_after() + Duration::SECOND, ..with_a() }), "certificate");
}

fn after_approval(protocol: &'static Protocol) {
    let folder = tempfile::tempdir().unwrap();
    let maker = new_ca(folder.path());
    let born = born_at(&maker);
    let vendors = Some(maker.anchors(Hierarchy::Device).unwrap());
    let site = Site::with(Registrar { approval: true, vendors, ..registrar(&["idevid", "ldevid"]) });
    let (a, b) = (site.token("idevid", "A", 1), site.token("idevid", "B", 1));
    let twins = Twins::of(site, protocol);
    let (one, two, three, next) = (key(), key(), key(), key());
    let with_a = || want("serialNumber=A", &one, Shows::Token(&a));
    let with_b = || want("serialNumber=B", &two, Shows::Token(&b));
    let with_born = || Want {
        profile: built_in("ldevid"),
        ..want("serialNumber=A", &three, Shows::Certificates(born.certificates()))
    };
    let all = || [with_a(), with_b(), with_born()].map(|want| twins.ask(&want));
    assert_eq!(all(), ["pending"; 3]);
    assert_eq!(twins.ask(&Want { key: &next, ..with_a() }), "token-used", "it waits by the token's use");
    assert_eq!(twins.ask(&Want { key: &next, ..with_born() }), "pending", "as another request");
    for half in [&twins.near, &twins.far] {
        let waiting = half.ca.store().unwrap().waiting(Some("device"), None, 9).unwrap();
        let ids: Vec<u64> = waiting.iter().map(|request| request.id).collect();
        for (id, approve) in ids.iter().zip([true, false, true, false]) {
            half.issuer.decide_request(*id, approve, now()).unwrap();
        }
    }
    assert_eq!(all(), ["issued", "disapproved", "issued"]);
    assert_eq!(twins.ask(&Want { key: &next, ..with_born() }), "identity-taken");
}
