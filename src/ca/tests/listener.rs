//! What a CA answers over the network beside its protocols, and the listener's own certificate.

use std::cell::Cell;

use super::*;
use crate::enroll::est;
use crate::net::{self, Peer, Response, Service, TlsVersion};
use crate::x509::AltName;
use crate::x509::issue::{self, Serial};

thread_local! {
    /// How long after [`now`] the listener's clock stands, in seconds.
    static LATER: Cell<i64> = const { Cell::new(0) };
}

fn clock() -> Time {
    now() + Duration::seconds(LATER.get())
}

/// A CA that listens.
struct Site {
    folder: tempfile::TempDir,
    ca: Ca,
    issuers: Vec<Arc<Issuer>>,
    listener: Listener,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = new_ca(folder.path());
        let issuers = Hierarchy::ALL.map(|hierarchy| Arc::new(issuer(&ca, hierarchy))).to_vec();
        let served = est::Served { profile: idevid().clone(), authority: issuers[0].clone() };
        let listener = Listener::new(est::Responder::new(vec![served], false), &issuers, clock);
        Self { folder, ca, issuers, listener }
    }

    fn ask(&self, request: &net::Request, later: Duration) -> Response {
        LATER.set(later.whole_seconds());
        let peer = Peer { address: None, certificates: Vec::new(), version: TlsVersion::V1_3, binding: None };
        self.listener.respond(request, &peer)
    }

    fn get(&self, target: &str, later: Duration) -> Response {
        self.ask(&net::Request::get(target), later)
    }

    fn list(&self, issuer: &str, later: Duration) -> CertificateList {
        let response = self.get(&format!("/crl/{issuer}.crl"), later);
        assert_eq!((response.status, response.headers.get("Content-Type")), (200, Some("application/pkix-crl")));
        CertificateList::from_der(&response.body).unwrap()
    }
}

#[test]
fn every_path_leads_to_what_is_there() {
    let site = Site::new();
    for (target, status) in [
        ("/healthz", 200),
        ("/healthz?full", 200),
        ("/.well-known/est/cacerts", 200),
        ("/.well-known/est/idevid/cacerts?x=/healthz", 200),
        ("/.well-known/est/ldevid/cacerts", 404),
        ("/.well-known/est", 404),
        ("/crl/device.crl", 200),
        ("/crl/firmware.crl?x", 200),
        ("/crl/device", 404),
        ("/crl/.crl", 404),
        ("/crl/device.crl.crl", 404),
        ("/crl/../crl/device.crl", 404),
        ("/crl/", 404),
        ("/crl", 404),
        ("/healthz/", 404),
        ("/HEALTHZ", 404),
        ("/", 404),
        ("", 404),
        ("?", 404),
    ] {
        assert_eq!(site.get(target, Duration::ZERO).status, status, "{target}");
    }
    for (target, status) in [("/healthz", 405), ("/crl/device.crl", 405), ("/.well-known/est/cacerts", 405), ("/", 404)]
    {
        let response = site.ask(&net::Request::post(target, "text/plain", Vec::new()), Duration::ZERO);
        assert_eq!(response.status, status, "{target}");
        assert_eq!(response.headers.get("Allow"), (status == 405).then_some("GET"), "{target}");
    }
}

#[test]
fn a_list_is_made_anew_after_ten_minutes_and_not_before() {
    let site = Site::new();
    let issued = submit(&site.issuers[0], ask(&request(&key(), idevid(), "A")), now());
    let first = site.list("device", Duration::ZERO);
    assert_eq!(first.count(), 0);
    assert_eq!((first.this_update(), first.next_update()), (now(), Some(now() + Duration::days(7))));
    assert!(first.is_signed_by(&site.issuers[0].certificate().public_key().unwrap()));
    site.issuers[0].revoke(&[leaf(&issued).serial().to_vec()], Reason::KeyCompromise, now()).unwrap();
    let last_moment = Duration::minutes(10) - Duration::SECOND;
    assert_eq!(site.list("device", last_moment).number(), first.number());
    // The other issuer's is its own.
    let firmware = site.list("firmware", last_moment);
    assert!(firmware.is_signed_by(&site.issuers[1].certificate().public_key().unwrap()));
    let second = site.list("device", Duration::minutes(10));
    assert_eq!(second.count(), 1);
    assert!(second.number() > first.number());
    assert_eq!(site.list("device", Duration::minutes(11)).number(), second.number());
    // A clock that was set back finds a list of the future, which says nothing.
    assert!(site.list("device", Duration::minutes(9)).number() > second.number());
}

#[test]
fn a_wrong_clock_is_no_good_health() {
    let site = Site::new();
    for (later, status) in [(0, 200), (-2, 503), (6 * 365, 503), (1, 200)] {
        let response = site.get("/healthz", Duration::days(later));
        assert_eq!(response.status, status, "{later} days");
        // Why is for the log.
        assert_eq!(response.facts.iter().any(|(name, _)| *name == "error"), status == 503);
        assert!(!String::from_utf8_lossy(&response.body).contains("clock"));
    }
    let before = site.ca.store().unwrap().lines("device", 0, 99).unwrap();
    let response = site.get("/crl/device.crl", Duration::days(6 * 365));
    assert_eq!((response.status, response.facts.len()), (503, 1));
    assert_eq!(site.ca.store().unwrap().lines("device", 0, 99).unwrap(), before, "nothing is recorded");
}

fn names(hosts: &[&str]) -> Vec<AltName> {
    hosts.iter().map(|host| AltName::dns(host).unwrap()).collect()
}

#[test]
fn a_listener_has_a_certificate_of_its_own() {
    let site = Site::new();
    let own = |hosts: &[&str], at| own_identity(&site.issuers[0], &names(hosts), at).unwrap().certificates().to_vec();
    let standing = |certificate: &Certificate| state(&site.ca, certificate);
    let first = own(&["gw.example"], now());
    assert_eq!(first.len(), 2, "with the issuing CA's, without the root's");
    let leaf = &first[0];
    assert_eq!(leaf.alt_names().unwrap(), names(&["gw.example"]));
    assert_eq!(leaf.not_after(), now() + Duration::days(30));
    assert!(!is_due(leaf, now() + Duration::days(20) - Duration::SECOND));
    assert!(is_due(leaf, now() + Duration::days(20)));
    // Another start: that of the first may still be shown by another listener.
    let second = own(&["gw.example"], now() + Duration::SECOND);
    assert_ne!(second[0].spki(), leaf.spki());
    assert_eq!([standing(leaf), standing(&second[0])], [State::Replaced, State::Issued]);
    let third = own(&["gw.example"], now() + Duration::days(21));
    assert_eq!(standing(&third[0]), State::Issued);
    // Other names under the same first one: those that it has no more are good no more.
    let wider = own(&["gw.example", "ca.example"], now() + Duration::days(22));
    assert_eq!(wider[0].alt_names().unwrap(), names(&["gw.example", "ca.example"]));
    assert_eq!([standing(&third[0]), standing(&wider[0])], [State::Revoked, State::Issued]);
    assert_eq!(on_record(&site.ca, &third[0]).revoked.unwrap().1, Reason::Superseded);
    // Another name is another server.
    let other = own(&["ca.example"], now() + Duration::days(22));
    assert_eq!([standing(&other[0]), standing(&wider[0])], [State::Issued, State::Issued]);
    // The last one has ended before this start.
    let late = own(&["ca.example"], now() + Duration::days(99));
    assert_eq!(standing(&late[0]), State::Issued);
    // What the CA refuses is said.
    site.issuers[0].revoke(&[late[0].serial().to_vec()], Reason::CertificateHold, now() + Duration::days(99)).unwrap();
    let refused = own_identity(&site.issuers[0], &names(&["ca.example"]), now() + Duration::days(99));
    assert!(matches!(refused, Err(Error::OwnCertificate { refusal: Some(Refusal::OnHold { .. }) })));
    assert!(own_identity(&site.issuers[0], &[], now()).is_err());
    let firmware = own_identity(&site.issuers[1], &names(&["gw.example"]), now());
    assert!(matches!(firmware, Err(Error::OwnCertificate { refusal: Some(Refusal::ProfileNotServed { .. }) })));
    drop(site.folder);
}

/// It ends with the CA that issued it, and is replaced in time.
#[test]
fn near_the_issuing_cas_end_a_listeners_certificate_is_shorter() {
    let folder = tempfile::tempdir().unwrap();
    let toml =
        "schema = \"bulla.profile/1\"\nname = \"short-issuing\"\nextends = \"device-issuing\"\nvalidity = \"40d\"";
    let short = Profile::from_toml(toml).unwrap();
    let path = folder.path().join("ca");
    let new = NewCa {
        name: "Test",
        hierarchies: &[Hierarchy::Device],
        root: Root::New { profile: None, key_type: KeyType::P256, protection: None },
        issuing: NewIssuing { profile: Some(&short), ..new_issuing() },
    };
    new.create(&path, now()).unwrap();
    let issuer = issuer(&Ca::find(&path).unwrap().0, Hierarchy::Device);
    let end = issuer.certificate().not_after();
    let own = |at| own_identity(&issuer, &names(&["gw.example"]), at).map(|own| own.certificates()[0].clone());
    assert_eq!(own(now()).unwrap().not_after(), now() + Duration::days(30));
    let last = own(end - Duration::hours(3)).unwrap();
    assert_eq!(last.not_after(), end);
    assert!(!is_due(&last, end - Duration::hours(1) - Duration::SECOND) && is_due(&last, end - Duration::hours(1)));
    assert!(own(end + Duration::SECOND).is_err());
}

#[test]
fn no_dates_are_too_odd_to_tell_when_a_certificate_is_due() {
    let signer = key();
    let profile = built_in("tls-client");
    let asked = request(&signer, profile, "A");
    let names = crate::x509::Names { subject: asked.request().subject().clone(), alt_names: Vec::new() };
    let root = {
        let validity = (now(), crate::x509::no_expiry());
        issue::root(built_in("device-root"), &names, &signer, validity).unwrap()
    };
    let (first, last) = (Time::from_unix_timestamp(-62_167_219_200).unwrap(), crate::x509::no_expiry());
    let moments = [first, Time::UNIX_EPOCH, now(), last];
    let mut tried = 0;
    for (from, until) in moments.iter().flat_map(|from| moments.iter().map(move |until| (*from, *until))) {
        let scheme = crate::key::Signer::public_key(&signer).key_type().usual_scheme();
        let serial = Serial::new(now()).unwrap();
        let signed = issue::to_be_signed(profile, &asked, &names, &root, scheme, serial, (from, until));
        // Years before 1950 have no form that is written (RFC 5280 section 4.1.2.5).
        let Ok(signed) = signed else { continue };
        let Ok(certificate) = issue::sign(&signed, &signer, scheme) else { continue };
        tried += 1;
        for at in [time::Date::MIN, time::Date::MAX] {
            let _ = is_due(&certificate, Time::new_utc(at, time::Time::MIDNIGHT));
        }
        assert!(from > until || is_due(&certificate, until), "{from} {until}");
        assert!(from >= until || !is_due(&certificate, from), "{from} {until}");
    }
    assert_eq!(tried, 9);
}
