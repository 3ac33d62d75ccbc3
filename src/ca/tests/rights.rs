//! What a credential that came over the network entitles to, and what many of them at once get.

use std::sync::{Arc, Barrier};

use super::*;
use crate::enroll::{Flow, Token, Unauthorized};
use crate::files::to_hex;
use crate::key::{Digest, Hash};
use crate::store::{Plan, Reserved, TokenFault, TokenId};
use crate::x509::AltName;

/// A CA, and its device issuer as a server has it.
pub(super) struct Site {
    pub folder: tempfile::TempDir,
    pub ca: Ca,
    pub issuer: Issuer,
}

pub(super) fn registrar(profiles: &[&str]) -> Registrar {
    let profiles = profiles.iter().map(|name| (*name).to_owned()).collect();
    Registrar { profiles, vendors: None, approval: false }
}

impl Site {
    pub fn new() -> Self {
        Self::with(registrar(&["idevid", "ldevid", "tls-server"]))
    }

    pub fn with(registrar: Registrar) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = new_ca(folder.path());
        let issuer = issuer(&ca, Hierarchy::Device).with_registrar(registrar);
        Self { folder, ca, issuer }
    }

    /// A second process at the same CA.
    fn another(&self) -> Issuer {
        issuer(&self.ca, Hierarchy::Device).with_registrar(self.issuer.registrar().unwrap().clone())
    }

    pub fn token(&self, profile: &str, device: &str, uses: u32) -> String {
        self.token_for(profile, device, &[], uses)
    }

    fn token_for(&self, profile: &str, device: &str, names: &[&str], uses: u32) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let lifetime = Duration::hours(1);
        let new = NewToken { flow: Flow::Est, profile: built_in(profile), device, names: &names, lifetime, uses };
        self.issuer.new_token(&new, now()).unwrap().0.to_string()
    }

    fn redeem(&self, secret: &str, request: &ProvenRequest) -> Decision {
        self.redeem_at(secret, request, now())
    }

    fn redeem_at(&self, secret: &str, request: &ProvenRequest, now: Time) -> Decision {
        let token = token(secret, None, request.public_key().fingerprint());
        submit(&self.issuer, Ask { credential: Credential::Token(&token), ..ask(request) }, now)
    }

    fn show(&self, shown: &[Certificate], ask: Ask<'_>) -> Decision {
        let claim = ask.request.public_key().fingerprint();
        submit(&self.issuer, Ask { credential: certificate(shown, &claim), ..ask }, now())
    }

    fn audit(&self) -> (Audited, String) {
        let mut lines = Vec::new();
        let audited = self.ca.audit(Hierarchy::Device, None, &mut lines).unwrap().unwrap();
        (audited, String::from_utf8(lines).unwrap())
    }
}

fn token<'a>(secret: &'a str, user: Option<&'a str>, claim: Digest) -> Token<'a> {
    Token { flow: Flow::Est, secret, user, request: claim }
}

fn certificate<'a>(chain: &'a [Certificate], request: &'a Digest) -> Credential<'a> {
    Credential::Certificate { flow: Flow::Est, chain, request }
}

fn named(key: &SoftwareKey, profile: &Profile, subject: &str, alt_names: Vec<AltName>) -> ProvenRequest {
    let subject = if subject.is_empty() { Name::empty() } else { Name::new(&Name::parse(subject).unwrap()).unwrap() };
    let wanted = Wanted { subject, alt_names, ..Wanted::default() };
    Request::new(profile, &wanted, key).unwrap().prove().unwrap()
}

#[test]
fn a_token_is_for_one_device_profile_and_protocol() {
    let site = Site::new();
    let secret = site.token("idevid", "A", 1);
    let (a, b) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "B"));
    assert_eq!(code(&site.redeem(&secret, &b)), "other-identity");
    let ldevid = built_in("ldevid");
    let shown = token(&secret, None, a.public_key().fingerprint());
    let with = |credential| Ask { credential, ..ask(&a) };
    let other = Ask { profile: ldevid, ..with(Credential::Token(&shown)) };
    assert_eq!(code(&submit(&site.issuer, other, now())), "token-profile");
    // Never by name: what a registrar was not told to serve, and an issuer without one.
    let served = issuer(&site.ca, Hierarchy::Device).with_registrar(registrar(&["ldevid"]));
    assert_eq!(code(&submit(&served, with(Credential::Token(&shown)), now())), "not-served");
    assert_eq!(
        code(&submit(&issuer(&site.ca, Hierarchy::Device), with(Credential::Token(&shown)), now())),
        "not-served"
    );
    // The operator alone says more than the profile does.
    let cases = [
        Ask { validity: Some(Duration::days(9)), ..with(Credential::Token(&shown)) },
        Ask { may_outlive: true, ..with(Credential::Token(&shown)) },
        Ask { occasion: Occasion::Supersede(Reason::Superseded), ..with(Credential::Token(&shown)) },
    ];
    for ask in cases {
        assert_eq!(code(&submit(&site.issuer, ask, now())), "operator-only");
    }
    for (user, answer) in [
        (Some("B"), "unknown-token"),
        (Some("serialNumber=B"), "unknown-token"),
        (Some("A"), "issued"),
        (Some("serialNumber=A"), "issued"),
        (Some(""), "issued"),
    ] {
        let shown = Token { user, ..shown.clone() };
        let asked = Ask { credential: Credential::Token(&shown), ..ask(&a) };
        assert_eq!(code(&submit(&site.issuer, asked, now())), answer, "{user:?}");
    }
    let unknown = token("00", None, a.public_key().fingerprint());
    assert_eq!(code(&submit(&site.issuer, with(Credential::Token(&unknown)), now())), "unknown-token");
    assert_eq!(code(&submit(&site.issuer, with(Credential::Missing { flow: Flow::Est }), now())), "no-credential");
    // Of strangers nothing is recorded; of who is known, everything, and by which right.
    let (audited, lines) = site.audit();
    assert_eq!((audited.issued, audited.refused), (1, 7), "{lines}");
    assert!(!lines.contains("unknown-token") && !lines.contains("no-credential"), "{lines}");
    let by = format!("\"by\":\"token {}\"", &Hash::Sha256.digest(secret.as_bytes()).to_string()[..8]);
    assert_eq!(lines.matches(&by).count(), 8, "{lines}");
}

#[test]
fn a_token_serves_so_many_requests_and_each_of_them_again() {
    let site = Site::new();
    let secret = site.token("idevid", "A", 1);
    let (one, two) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "A"));
    let first = site.redeem(&secret, &one);
    assert_eq!(leaf(&site.redeem(&secret, &one)).der(), leaf(&first).der());
    assert_eq!(code(&site.redeem(&secret, &two)), "token-used");
    // The reply may have been lost, and the clock gone on: the same request finds what it got, and no other does.
    let later = now() + Duration::hours(2);
    assert_eq!(leaf(&site.redeem_at(&secret, &one, later)).der(), leaf(&first).der());
    assert_eq!(code(&site.redeem_at(&secret, &two, later)), "token-expired");
    // What was revoked does not come again from the same use.
    site.issuer.revoke(&[leaf(&first).serial().to_vec()], Reason::CessationOfOperation, now()).unwrap();
    assert_eq!(code(&site.redeem(&secret, &one)), "token-used");
    assert_eq!(code(&site.redeem_at(&secret, &one, later)), "token-used");
    let fresh = site.token("idevid", "A", 2);
    assert_eq!(code(&site.redeem(&fresh, &two)), "issued");
    assert_eq!(code(&site.redeem(&fresh, &one)), "identity-taken", "which uses nothing up");
    let found = site.ca.store().unwrap().tokens(Some("device"), None, 9).unwrap();
    assert_eq!(found.iter().map(|token| (token.used, token.uses)).collect::<Vec<_>>(), [(1, 1), (1, 2)]);
}

#[test]
fn a_token_ends_and_is_taken_back() {
    let site = Site::new();
    let (expired, revoked) = (site.token("idevid", "A", 1), site.token("idevid", "B", 1));
    let (a, b) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "B"));
    assert_eq!(code(&site.redeem_at(&expired, &a, now() + Duration::HOUR)), "token-expired");
    assert_eq!(code(&site.redeem_at(&expired, &a, now() + Duration::minutes(59))), "issued");
    let id = TokenId::of(Hash::Sha256.digest(revoked.as_bytes()).bytes());
    assert_eq!(code(&site.redeem(&revoked, &b)), "issued");
    let taken = site.issuer.revoke_token(id, now()).unwrap();
    assert_eq!(site.issuer.revoke_token(id, now() + Duration::HOUR).unwrap(), taken, "once");
    assert_eq!(code(&site.redeem(&revoked, &b)), "token-revoked", "also for what it served before");
    let nobody = site.issuer.revoke_token(TokenId::parse("00000000").unwrap(), now());
    assert!(matches!(nobody, Err(Error::NoSuchToken { .. })));
    let firmware = issuer(&site.ca, Hierarchy::Firmware).revoke_token(id, now());
    assert!(matches!(firmware, Err(Error::NoSuchToken { .. })), "the other issuer's");
}

/// Where the CA makes the key, a retry after a lost reply brings another one.
#[test]
fn a_key_that_was_lost_on_the_way_is_superseded() {
    let site = Site::new();
    let secret = site.token("idevid", "A", 1);
    let claim = key().public_key().fingerprint();
    let made: Vec<ProvenRequest> = (0..3).map(|_| request(&key(), idevid(), "A")).collect();
    let redeem = |request: &ProvenRequest, claim: &Digest, at| {
        let shown = token(&secret, None, claim.clone());
        submit(&site.issuer, Ask { credential: Credential::Token(&shown), ..ask(request) }, at)
    };
    let first = redeem(&made[0], &claim, now());
    let second = redeem(&made[1], &claim, now());
    assert_eq!(state(&site.ca, leaf(&first)), State::Revoked);
    assert_eq!(on_record(&site.ca, leaf(&first)).revoked.unwrap().1, Reason::Superseded);
    assert_eq!(state(&site.ca, leaf(&second)), State::Issued);
    assert_eq!(code(&redeem(&made[2], &made[2].public_key().fingerprint(), now())), "token-used");
    // An expired token finds what there is, and makes nothing new.
    let later = now() + Duration::hours(2);
    assert_eq!(code(&redeem(&made[2], &claim, later)), "identity-taken");
    assert_eq!(leaf(&redeem(&made[1], &claim, later)).der(), leaf(&second).der());
    assert_eq!(site.audit().0.issued, 2);
}

/// The same where the right is a device's identity from its maker: one approval covers the request and its retries.
#[test]
fn a_makers_device_that_lost_its_key_supersedes_it() {
    let maker = tempfile::tempdir().unwrap();
    let maker = new_ca(maker.path());
    let vendors = Some(maker.anchors(Hierarchy::Device).unwrap());
    let site = Site::with(Registrar { vendors, approval: true, ..registrar(&["ldevid"]) });
    let of_maker = issuer(&maker, Hierarchy::Device);
    let born = |name: &str| match submit(&of_maker, ask(&request(&key(), idevid(), name)), now()) {
        Decision::Issued(chain) => chain,
        other => panic!("{other:?}"),
    };
    let (a, b) = (born("A"), born("B"));
    let ldevid = built_in("ldevid");
    let (claim, other_claim) = (key().public_key().fingerprint(), key().public_key().fingerprint());
    // Each time for a key that the server has made anew.
    let made = |shown: &Chain, name: &str, claim: &Digest| {
        let request = request(&key(), ldevid, name);
        let credential = certificate(shown.certificates(), claim);
        submit(&site.issuer, Ask { profile: ldevid, credential, ..ask(&request) }, now())
    };
    for _ in 0..2 {
        assert_eq!(code(&made(&a, "A", &claim)), "pending");
    }
    let waiting = site.ca.store().unwrap().waiting(Some("device"), None, 9).unwrap();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    site.issuer.decide_request(waiting[0].id, true, now()).unwrap();
    let first = made(&a, "A", &claim);
    let second = made(&a, "A", &claim);
    assert_eq!(on_record(&site.ca, leaf(&first)).revoked.unwrap().1, Reason::Superseded);
    assert_eq!(state(&site.ca, leaf(&second)), State::Issued);
    // Another request, and that of another device, take nobody's place.
    assert_eq!(code(&made(&a, "A", &other_claim)), "identity-taken");
    assert_eq!(code(&made(&b, "A", &claim)), "other-identity");
    assert_eq!(code(&made(&b, "B", &claim)), "pending");
    // What the operator issued is nobody's to supersede, and what was revoked is looked at again.
    site.issuer.revoke(&[leaf(&second).serial().to_vec()], Reason::CessationOfOperation, now()).unwrap();
    assert_eq!(code(&made(&a, "A", &claim)), "pending");
    let own = request(&key(), ldevid, "A");
    assert_eq!(code(&submit(&site.issuer, Ask { profile: ldevid, ..ask(&own) }, now())), "issued");
    assert_eq!(code(&made(&a, "A", &claim)), "identity-taken");
    assert_eq!(site.audit().0.issued, 3);
}

/// Killed between the plan and the signature: the use is on disk with the plan, and the retry takes both up.
#[test]
fn a_use_that_was_interrupted_is_taken_up() {
    let site = Site::new();
    let secret = site.token("idevid", "A", 1);
    let a = request(&key(), idevid(), "A");
    let shown = token(&secret, None, a.public_key().fingerprint());
    let asked = Ask { credential: Credential::Token(&shown), ..ask(&a) };
    let plan = site.issuer.plan(&asked, now()).unwrap().unwrap();
    site.issuer.store().reserve(site.issuer.ledger(), std::slice::from_ref(&plan), Vec::new(), now()).unwrap();
    assert_eq!(code(&site.redeem(&secret, &request(&key(), idevid(), "A"))), "token-used");
    let decision = submit(&site.another(), asked, now() + Duration::days(1));
    assert_eq!(leaf(&decision).serial(), plan.serial);
    assert_eq!(site.audit().0.issued, 1);
}

#[test]
fn no_name_rides_along() {
    let site = Site::new();
    let (dns, uri) = (|text| AltName::dns(text).unwrap(), |text| AltName::uri(text).unwrap());
    let module = || AltName::hardware_module("1.2.3:A").unwrap();
    let covers = ["dns:alt.example", "CN:Gateway 7", "hardwareModuleName:1.2.3:A", "ip:192.0.2.7"];
    for (subject, alt_names, plain, listed) in [
        ("serialNumber=A", vec![], "issued", "issued"),
        ("O=Acme, OU=x, serialNumber=A, CN=A", vec![], "issued", "issued"),
        ("serialNumber=A, CN=B", vec![], "other-name", "other-name"),
        ("serialNumber=A, CN=Gateway 7", vec![], "other-name", "issued"),
        ("serialNumber=A, UID=A", vec![], "other-name", "other-name"),
        ("serialNumber=A, 1.2.3.4=A", vec![], "other-name", "other-name"),
        ("serialNumber=A", vec![module()], "other-name", "issued"),
        ("serialNumber=A", vec![module(), dns("alt.example")], "other-name", "issued"),
        ("serialNumber=A", vec![module(), dns("ALT.example")], "other-name", "other-name"),
        ("serialNumber=A", vec![module(), dns("other.example")], "other-name", "other-name"),
        ("serialNumber=A", vec![module(), AltName::ip("192.0.2.7").unwrap()], "other-name", "issued"),
        ("serialNumber=A", vec![module(), uri("dns:alt.example")], "other-name", "other-name"),
    ] {
        for (names, answer) in [(&[][..], plain), (&covers[..], listed)] {
            let device = key();
            let secret = site.token_for("idevid", "A", names, 1);
            let decision = site.redeem(&secret, &named(&device, idevid(), subject, alt_names.clone()));
            assert_eq!(code(&decision), answer, "{subject} {alt_names:?} {names:?}");
            if let Decision::Issued(chain) = decision {
                site.issuer.revoke(&[chain.leaf().serial().to_vec()], Reason::Superseded, now()).unwrap();
            }
        }
    }
    let server = built_in("tls-server");
    let secret = site.token_for("tls-server", "gw.example", &["dns:www.gw.example"], 9);
    for (subject, hosts, answer) in [
        ("CN=gw.example", &["gw.example", "www.gw.example"][..], "issued"),
        ("", &["gw.example", "*.gw.example"], "other-name"),
        ("", &["www.gw.example", "gw.example"], "other-identity"),
    ] {
        let request = named(&key(), server, subject, hosts.iter().map(|host| dns(host)).collect());
        let shown = token(&secret, None, request.public_key().fingerprint());
        let asked = Ask { profile: server, credential: Credential::Token(&shown), ..ask(&request) };
        assert_eq!(code(&submit(&site.issuer, asked, now())), answer, "{subject} {hosts:?}");
    }
}

/// What a profile makes of the identity alone needs no further right, what it makes of anything else does.
#[test]
fn a_profile_may_make_names_of_the_identity() {
    let toml = r#"
        schema = "bulla.profile/1"
        name = "meter"
        extends = "idevid"
        subject = [
            { attribute = "O", value = "Acme" },
            { attribute = "CN", value = "Meter {serial}" },
            { attribute = "serialNumber", value = "{serial}" },
            { attribute = "UID", value = "{site}", optional = true },
        ]
        [variables]
        serial = { type = "text", max-length = 20 }
        site = { type = "text", max-length = 20 }
        [alt-names]
        values = [{ form = "hardwareModuleName", value = "1.2.3:{serial}" }]
    "#;
    let meter = Profile::from_toml(toml).unwrap();
    let site = Site::with(registrar(&["meter"]));
    let new = NewToken { flow: Flow::Est, profile: &meter, device: "7", names: &[], lifetime: Duration::HOUR, uses: 9 };
    let secret = site.issuer.new_token(&new, now()).unwrap().0;
    for (subject, answer) in [("serialNumber=7, UID=x", "other-name"), ("serialNumber=7", "issued")] {
        let request = named(&key(), idevid(), subject, Vec::new());
        let shown = token(&secret, None, request.public_key().fingerprint());
        let asked = Ask { profile: &meter, credential: Credential::Token(&shown), ..ask(&request) };
        let decision = submit(&site.issuer, asked, now());
        assert_eq!(code(&decision), answer, "{subject}");
        if let Decision::Issued(chain) = decision {
            assert_eq!(chain.leaf().subject().to_string(), "O=Acme, CN=Meter 7, serialNumber=7");
            assert_eq!(chain.leaf().alt_names().unwrap(), [AltName::hardware_module("1.2.3:7").unwrap()]);
        }
    }
}

#[test]
fn a_makers_device_gets_what_is_its_own() {
    let maker = tempfile::tempdir().unwrap();
    let maker = new_ca(maker.path());
    let vendors = Some(maker.anchors(Hierarchy::Device).unwrap());
    let site = Site::with(Registrar { vendors, ..registrar(&["ldevid", "idevid"]) });
    let born = submit(&issuer(&maker, Hierarchy::Device), ask(&request(&key(), idevid(), "A")), now());
    let Decision::Issued(born) = born else { panic!("{born:?}") };
    let ldevid = built_in("ldevid");
    let own = request(&key(), ldevid, "A");
    let asked = |request| Ask { profile: ldevid, ..ask(request) };
    let other = request(&key(), ldevid, "B");
    assert_eq!(code(&site.show(born.certificates(), asked(&other))), "other-identity");
    let more = named(&key(), ldevid, "serialNumber=A, CN=A", vec![AltName::dns("gw.example").unwrap()]);
    assert_eq!(code(&site.show(born.certificates(), asked(&more))), "other-name");
    assert_eq!(code(&site.show(&born.certificates()[..1], asked(&own))), "unknown-certificate", "no way to the root");
    let issued = site.show(born.certificates(), asked(&own));
    assert_eq!(leaf(&issued).subject(), own.request().subject());
    assert_eq!(leaf(&site.show(born.certificates(), asked(&own))).der(), leaf(&issued).der(), "again");
    // Somebody else's CA, a CA's own certificate, and a certificate of ours are no maker's device.
    let stranger = tempfile::tempdir().unwrap();
    let stranger = new_ca(stranger.path());
    let forged = submit(&issuer(&stranger, Hierarchy::Device), ask(&request(&key(), idevid(), "A")), now());
    let Decision::Issued(forged) = forged else { panic!("{forged:?}") };
    let ours = [leaf(&issued).clone()];
    for shown in [forged.certificates(), &born.certificates()[1..], &ours] {
        assert_eq!(code(&site.show(shown, asked(&own))), "unknown-certificate");
    }
    assert_eq!(code(&Site::new().show(born.certificates(), asked(&own))), "unknown-certificate", "no makers");
    assert_eq!(code(&site.show(&[], asked(&own))), "no-credential");
    let (audited, lines) = site.audit();
    assert_eq!((audited.issued, audited.refused), (1, 2), "{lines}");
    assert!(lines.contains("of serialNumber=A, CN=A"), "{lines}");
}

/// A certificate of ours for a host's name passes as that host's: a maker names devices, and no hosts of ours.
#[test]
fn a_maker_names_no_hosts() {
    let maker = tempfile::tempdir().unwrap();
    let maker = new_ca(maker.path());
    let vendors = Some(maker.anchors(Hierarchy::Device).unwrap());
    let site = Site::with(Registrar { vendors, ..registrar(&["ldevid", "tls-server"]) });
    let (ldevid, server) = (built_in("ldevid"), built_in("tls-server"));
    let hosts = || vec![AltName::dns("ca.example").unwrap()];
    let module = || AltName::hardware_module("1.2.3:A").unwrap();
    let born = named(&key(), idevid(), "serialNumber=ca.example", [vec![module()], hosts()].concat());
    let Decision::Issued(born) = submit(&issuer(&maker, Hierarchy::Device), ask(&born), now()) else {
        panic!("not issued")
    };
    for (profile, alt_names, answer) in [
        (ldevid, hosts(), "other-name"),
        (ldevid, vec![AltName::uri("ca.example:x").unwrap()], "other-name"),
        (server, hosts(), "certificate"),
        (ldevid, vec![module()], "issued"),
    ] {
        let own = named(&key(), profile, "serialNumber=ca.example", alt_names);
        let decision = site.show(born.certificates(), Ask { profile, ..ask(&own) });
        assert_eq!(code(&decision), answer, "{}", profile.name);
    }
}

/// Of what is served some is for tokens alone: a maker's device signs no firmware, tells of no revocation and is no CA.
#[test]
fn a_makers_device_becomes_nothing_else() {
    let maker = tempfile::tempdir().unwrap();
    let maker = new_ca(maker.path());
    let registrar = Registrar {
        vendors: Some(maker.anchors(Hierarchy::Device).unwrap()),
        ..registrar(&["ldevid", "tls-client", "firmware", "ocsp", "sub-ca"])
    };
    let site = Site::with(registrar.clone());
    let firmware = issuer(&site.ca, Hierarchy::Firmware).with_registrar(registrar);
    let Decision::Issued(born) =
        submit(&issuer(&maker, Hierarchy::Device), ask(&request(&key(), idevid(), "A")), now())
    else {
        panic!("not issued")
    };
    for (issuer, profile, answer) in [
        (&firmware, "firmware", "certificate"),
        (&firmware, "ocsp", "certificate"),
        (&site.issuer, "ocsp", "certificate"),
        (&site.issuer, "sub-ca", "certificate"),
        (&site.issuer, "tls-client", "issued"),
        (&site.issuer, "ldevid", "issued"),
    ] {
        let profile = built_in(profile);
        let own = request(&key(), profile, "A");
        let claim = own.public_key().fingerprint();
        let asked = Ask { profile, credential: certificate(born.certificates(), &claim), ..ask(&own) };
        assert_eq!(code(&submit(issuer, asked, now())), answer, "{}", profile.name);
    }
}

/// Nobody at the maker knows that a device is stolen: what was revoked for good comes back by the operator's word alone.
#[test]
fn a_makers_device_does_not_undo_a_revocation() {
    let maker = tempfile::tempdir().unwrap();
    let maker = new_ca(maker.path());
    let vendors = Some(maker.anchors(Hierarchy::Device).unwrap());
    let site = Site::with(Registrar { vendors, ..registrar(&["ldevid"]) });
    let Decision::Issued(born) =
        submit(&issuer(&maker, Hierarchy::Device), ask(&request(&key(), idevid(), "A")), now())
    else {
        panic!("not issued")
    };
    let ldevid = built_in("ldevid");
    let show = || {
        let own = request(&key(), ldevid, "A");
        site.show(born.certificates(), Ask { profile: ldevid, ..ask(&own) })
    };
    let revoke = |decision: &Decision, reason| {
        site.issuer.revoke(&[leaf(decision).serial().to_vec()], reason, now()).unwrap();
    };
    revoke(&show(), Reason::Superseded);
    revoke(&show(), Reason::PrivilegeWithdrawn);
    assert_eq!(code(&show()), "withdrawn");
    let secret = site.token("ldevid", "serialNumber=A", 1);
    let own = request(&key(), ldevid, "A");
    let shown = token(&secret, None, own.public_key().fingerprint());
    let by_token = Ask { profile: ldevid, credential: Credential::Token(&shown), ..ask(&own) };
    let again = submit(&site.issuer, by_token, now());
    assert_eq!(code(&again), "issued");
    // From then on the device is one like any.
    let own = request(&key(), ldevid, "A");
    let claim = own.public_key().fingerprint();
    let asked = Ask { profile: ldevid, credential: certificate(born.certificates(), &claim), ..ask(&own) };
    assert_eq!(code(&submit(&site.issuer, asked, now() + Duration::days(400))), "issued");
}

/// Where we are the maker, the records tell what no list was given for.
#[test]
fn a_revoked_identity_of_our_own_making_is_no_credential() {
    let site = Site::new();
    let vendors = Some(site.ca.anchors(Hierarchy::Device).unwrap());
    let server = issuer(&site.ca, Hierarchy::Device).with_registrar(Registrar { vendors, ..registrar(&["ldevid"]) });
    let born = submit(&site.issuer, ask(&request(&key(), idevid(), "A")), now());
    let Decision::Issued(born) = born else { panic!("{born:?}") };
    let own = request(&key(), built_in("ldevid"), "A");
    let claim = own.public_key().fingerprint();
    let credential = certificate(born.certificates(), &claim);
    let asked = Ask { profile: built_in("ldevid"), credential, ..ask(&own) };
    assert_eq!(code(&submit(&server, asked, now())), "issued");
    server.revoke(&[born.leaf().serial().to_vec()], Reason::KeyCompromise, now()).unwrap();
    assert_eq!(code(&submit(&server, asked, now())), "certificate");
}

#[test]
fn a_certificate_renews_itself_and_no_other() {
    let site = Site::new();
    let (ka, kb) = (key(), key());
    let a = submit(&site.issuer, ask(&request(&ka, idevid(), "A")), now());
    let b = submit(&site.issuer, ask(&request(&kb, idevid(), "B")), now());
    let (a, b) = (leaf(&a).clone(), leaf(&b).clone());
    let fresh = request(&key(), idevid(), "A");
    let renew = |certificate| Ask { occasion: Occasion::Renew { certificate, keep_key: false }, ..ask(&fresh) };
    let code_of = |shown: &Certificate, renewed| code(&site.show(std::slice::from_ref(shown), renew(renewed)));
    assert_eq!(code_of(&b, &a), "certificate");
    let elsewhere = Site::new();
    let foreign = submit(&elsewhere.issuer, ask(&request(&key(), idevid(), "A")), now());
    assert_eq!(code_of(leaf(&foreign), leaf(&foreign)), "unknown-certificate");
    let more = named(&key(), idevid(), "serialNumber=A, CN=B", Vec::new());
    let widened = Ask { occasion: Occasion::Renew { certificate: &a, keep_key: false }, ..ask(&more) };
    assert_eq!(code(&site.show(std::slice::from_ref(&a), widened)), "names");
    let secret = site.token("idevid", "A", 1);
    let shown = token(&secret, None, fresh.public_key().fingerprint());
    let by_token = Ask { credential: Credential::Token(&shown), ..renew(&a) };
    assert_eq!(code(&submit(&site.issuer, by_token, now())), "certificate");
    let renewed = site.show(std::slice::from_ref(&a), renew(&a));
    assert_eq!(leaf(&renewed).subject(), a.subject());
    assert_eq!(leaf(&site.show(std::slice::from_ref(&a), renew(&a))).der(), leaf(&renewed).der(), "again");
    site.issuer.revoke(&[b.serial().to_vec()], Reason::Superseded, now()).unwrap();
    assert_eq!(code_of(&b, &b), "certificate", "revoked");
    // Without renewal it is good for nothing.
    assert_eq!(code(&site.show(std::slice::from_ref(&a), ask(&fresh))), "unknown-certificate");
}

#[test]
fn what_waits_is_issued_when_it_is_approved() {
    let site = Site::with(Registrar { approval: true, ..registrar(&["idevid"]) });
    let (one, two) = (site.token("idevid", "A", 1), site.token("idevid", "B", 1));
    let (a, b) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "B"));
    for _ in 0..2 {
        assert_eq!(code(&site.redeem(&one, &a)), "pending");
        assert_eq!(code(&site.redeem(&two, &b)), "pending");
    }
    assert_eq!(code(&site.redeem(&one, &request(&key(), idevid(), "A"))), "token-used", "it waits by the token's use");
    let waiting = site.ca.store().unwrap().waiting(Some("device"), None, 9).unwrap();
    assert_eq!(waiting.iter().map(|it| it.identity.as_str()).collect::<Vec<_>>(), ["serialNumber=A", "serialNumber=B"]);
    assert!(waiting[0].by.starts_with("token ") && waiting[0].subject == "serialNumber=A, CN=A", "{waiting:?}");
    let decide = |id, approve| site.issuer.decide_request(id, approve, now());
    decide(waiting[0].id, true).unwrap();
    decide(waiting[1].id, false).unwrap();
    assert!(matches!(decide(99, true), Err(Error::NoSuchRequest { id: 99 })));
    // That took longer than the token lasts; it was asked in time.
    let later = now() + Duration::hours(9);
    let issued = site.redeem_at(&one, &a, later);
    assert_eq!(leaf(&site.redeem_at(&one, &a, later)).der(), leaf(&issued).der());
    assert_eq!(code(&site.redeem_at(&two, &b, later)), "disapproved");
    assert!(matches!(decide(waiting[0].id, false), Err(Error::RequestGranted { .. })));
    decide(waiting[1].id, true).unwrap();
    assert_eq!(code(&site.redeem_at(&two, &b, later)), "issued", "the operator may think again");
    // An approval is for one certificate.
    site.issuer.revoke(&[leaf(&issued).serial().to_vec()], Reason::Superseded, later).unwrap();
    let more = site.token("idevid", "A", 1);
    assert_eq!(code(&site.redeem(&more, &a)), "pending");
    // The operator's own ask, and a renewal, wait for nobody.
    assert_eq!(code(&submit(&site.issuer, ask(&request(&key(), idevid(), "C")), now())), "issued");
    let events = ["\"wait\"", "\"approve\"", "\"disapprove\""].map(|event| site.audit().1.matches(event).count());
    assert_eq!(events, [3, 2, 1]);
}

/// Whoever asks says some names of itself, as its organisation: what was approved is what is issued.
#[test]
fn an_approval_is_for_the_names_that_were_looked_at() {
    let site = Site::with(Registrar { approval: true, ..registrar(&["ldevid"]) });
    let (ldevid, device) = (built_in("ldevid"), key());
    let secret = site.token_for("ldevid", "CN=A", &["dns:gw.example"], 1);
    let ask_as = |subject: &str, alt_names: Vec<AltName>| {
        let request = named(&device, ldevid, subject, alt_names);
        let shown = token(&secret, None, request.public_key().fingerprint());
        submit(&site.issuer, Ask { profile: ldevid, credential: Credential::Token(&shown), ..ask(&request) }, now())
    };
    let host = || vec![AltName::dns("gw.example").unwrap()];
    assert_eq!(code(&ask_as("CN=A, OU=Meters", host())), "pending");
    let waiting = || site.ca.store().unwrap().waiting(None, None, 99).unwrap();
    let first = waiting().remove(0);
    assert_eq!((first.subject.as_str(), first.alt_names), ("CN=A, OU=Meters", vec!["dns gw.example".to_owned()]));
    site.issuer.decide_request(first.id, true, now()).unwrap();
    assert_eq!(code(&ask_as("CN=A, OU=Admins", host())), "pending");
    assert_eq!(code(&ask_as("CN=A, OU=Meters", Vec::new())), "pending");
    assert_eq!(leaf(&ask_as("CN=A, OU=Meters", host())).subject().to_string(), "CN=A, OU=Meters");
    // Nobody fills the records with what waits.
    let secret = site.token_for("ldevid", "CN=B", &[], 1);
    let device = key();
    let codes = (0..12).map(|n| {
        let request = named(&device, ldevid, &format!("CN=B, OU={n}"), Vec::new());
        let shown = token(&secret, None, request.public_key().fingerprint());
        let asked = Ask { profile: ldevid, credential: Credential::Token(&shown), ..ask(&request) };
        code(&submit(&site.issuer, asked, now()))
    });
    let codes: Vec<_> = codes.collect();
    assert_eq!((codes[7], codes[8], codes[11]), ("pending", "too-many-wait", "too-many-wait"));
    assert_eq!(waiting().len(), 10);
}

/// Whoever is known does not fill the record either.
#[test]
fn of_many_refusals_the_first_are_recorded() {
    let site = Site::new();
    let (used, revoked) = (site.token("idevid", "A", 1), site.token("idevid", "B", 1));
    let (a, other) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "A"));
    assert_eq!(code(&site.redeem(&used, &a)), "issued");
    site.issuer.revoke_token(TokenId::of(Hash::Sha256.digest(revoked.as_bytes()).bytes()), now()).unwrap();
    let refuse = |at| {
        assert_eq!(code(&site.redeem_at(&used, &other, at)), "token-used");
        assert_eq!(code(&site.redeem_at(&revoked, &other, at)), "token-revoked");
    };
    (0..70).for_each(|_| refuse(now()));
    assert_eq!(site.audit().0.refused, 120);
    assert_eq!(leaf(&site.redeem(&used, &a)).spki(), a.public_key().spki());
    refuse(now() + Duration::minutes(59));
    assert_eq!(site.audit().0.refused, 120);
    assert_eq!(code(&site.redeem_at(&revoked, &other, now() + Duration::hours(2))), "token-revoked");
    assert_eq!(site.audit().0.refused, 121);
}

/// Two processes, one use.
#[test]
fn a_token_is_not_used_twice_at_once() {
    let site = Site::new();
    let secret = site.token("idevid", "A", 1);
    let issuers = [site.another(), site.another()];
    let start = Barrier::new(16);
    let codes: Vec<&str> = std::thread::scope(|scope| {
        let redeem = |n: usize| {
            let (issuer, start, secret) = (&issuers[n % 2], &start, &secret);
            scope.spawn(move || {
                let a = request(&key(), idevid(), "A");
                let shown = token(secret, None, a.public_key().fingerprint());
                start.wait();
                code(&submit(issuer, Ask { credential: Credential::Token(&shown), ..ask(&a) }, now()))
            })
        };
        let threads: Vec<_> = (0..16).map(redeem).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == "issued").count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == "token-used").count(), 15, "{codes:?}");
    assert_eq!(site.audit().0.issued, 1);
}

#[test]
fn many_threads_share_transactions_and_each_gets_its_own() {
    let site = Site::new();
    let requests: Vec<_> = (0..64).map(|n| request(&key(), idevid(), &format!("D{n}"))).collect();
    let secrets: Vec<_> = (0..64).map(|n| site.token("idevid", &format!("D{n}"), 1)).collect();
    let start = Arc::new(Barrier::new(64));
    let issued: Vec<Certificate> = std::thread::scope(|scope| {
        let threads: Vec<_> = requests
            .iter()
            .zip(&secrets)
            .map(|(request, secret)| {
                let (site, start) = (&site, start.clone());
                scope.spawn(move || {
                    start.wait();
                    // A stranger, and who asks for another's, keep nobody from theirs.
                    assert_eq!(code(&site.redeem("no such token", request)), "unknown-token");
                    leaf(&site.redeem(secret, request)).clone()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (certificate, request) in issued.iter().zip(&requests) {
        assert_eq!(certificate.spki(), request.public_key().spki());
        assert_eq!(certificate.subject(), request.request().subject());
    }
    let serials: std::collections::BTreeSet<&[u8]> = issued.iter().map(Certificate::serial).collect();
    assert_eq!(serials.len(), 64);
    let (reserved, completed) = site.issuer.transactions();
    assert!(reserved < 64 && completed < 64, "{reserved} and {completed} transactions");
    assert_eq!(site.audit().0.issued, 64);
}

#[test]
fn a_secret_is_nowhere() {
    let site = Site::new();
    let secret = site.token("idevid", "A", 1);
    assert_eq!(secret.len(), 40);
    let a = request(&key(), idevid(), "A");
    site.redeem(&secret, &a);
    site.redeem(&secret, &request(&key(), idevid(), "B"));
    let shown = token(&secret, None, a.public_key().fingerprint());
    assert!(!format!("{shown:?} {:?}", Credential::Token(&shown)).contains(&secret));
    let (_, lines) = site.audit();
    assert!(!lines.contains(&secret) && lines.contains("\"token\""));
    let copy = site.folder.path().join("copy");
    site.ca.backup(&copy).unwrap();
    let bytes = std::fs::read(copy.join(RECORDS)).unwrap();
    let raw = crate::files::from_hex(&secret).unwrap();
    for found in [secret.as_bytes(), &raw] {
        assert!(!bytes.windows(found.len()).any(|window| window == found));
    }
    let hash = Hash::Sha256.digest(secret.as_bytes());
    assert!(bytes.windows(32).any(|window| window == hash.bytes()), "{}", to_hex(hash.bytes()));
    let why = Unauthorized::UsedUp { token: hash.to_string()[..8].to_owned() };
    assert!(!why.to_string().contains(&secret));
}

/// What was true when the credential was judged may have changed since: the transaction asks again.
#[test]
fn a_token_is_judged_again_where_it_is_redeemed() {
    let site = Site::new();
    let (a, b) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "B"));
    let secret = site.token("idevid", "A", 1);
    let id = TokenId::of(Hash::Sha256.digest(secret.as_bytes()).bytes());
    let shown = token(&secret, None, a.public_key().fingerprint());
    let plan = site.issuer.plan(&Ask { credential: Credential::Token(&shown), ..ask(&a) }, now()).unwrap().unwrap();
    let reserve = |plan: &Plan, at| {
        let reserved = site.issuer.store().reserve(site.issuer.ledger(), std::slice::from_ref(plan), Vec::new(), at);
        reserved.unwrap().remove(0)
    };
    let late = reserve(&plan, now() + Duration::HOUR);
    assert_eq!(late, Reserved::Token(TokenFault::Expired { token: id }));
    let other = site.issuer.plan(&ask(&b), now()).unwrap().unwrap();
    let other = Plan { right: plan.right.clone(), ..other };
    let identity = "serialNumber=A".to_owned();
    assert_eq!(reserve(&other, now()), Reserved::Token(TokenFault::OtherIdentity { identity }));
    let elsewhere = Plan { profile: "ldevid".to_owned(), ..plan.clone() };
    assert!(matches!(reserve(&elsewhere, now()), Reserved::Token(TokenFault::OtherProfile { .. })));
    site.issuer.revoke_token(id, now()).unwrap();
    assert_eq!(reserve(&plan, now()), Reserved::Token(TokenFault::Revoked { token: id }));
    assert_eq!(site.audit().0.issued, 0);
}

/// Half of a hash is a name and no proof.
#[test]
fn a_token_that_is_called_alike_is_another() {
    let site = Site::new();
    let secret = site.token("idevid", "A", 1);
    let mut store = site.ca.store().unwrap();
    let mut found = store.tokens(None, None, 1).unwrap().remove(0);
    assert!(!store.add_token(site.issuer.ledger(), &found, now()).unwrap());
    let guessed = "guessed";
    let hash = Hash::Sha256.digest(guessed.as_bytes());
    found.sha256 = [&hash.bytes()[..4], &[0; 28]].concat();
    assert!(store.add_token(site.issuer.ledger(), &found, now()).unwrap());
    let a = request(&key(), idevid(), "A");
    assert_eq!(code(&site.redeem(guessed, &a)), "unknown-token");
    assert_eq!(code(&site.redeem(&secret, &a)), "issued");
}
