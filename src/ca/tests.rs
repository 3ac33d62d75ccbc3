//! The laws of a CA, in one process: what is issued, refused, renewed, revoked, listed and recorded.

use std::path::Path;
use std::sync::Arc;

use der::asn1::AnyRef;
use der::{Encode, Tag};
use time::Duration;

use super::*;
use crate::enroll::{Ask, Authority, Credential, Decision, Direct, Enroller, Occasion, Outcome, Refusal, accept};
use crate::key::{Input, KeyType, Passphrase, Signer, SoftwareKey};
use crate::store::{Filter, Record, Revoked, State};
use crate::x509::{Certificate, CertificateList, Name, Profile, ProvenRequest, Reason, Request, Variables, Wanted};

mod law;
mod listener;
mod rights;

fn now() -> Time {
    Time::from_unix_timestamp(1_800_000_000).unwrap()
}

fn new_ca(folder: &Path) -> Ca {
    let path = folder.join("ca");
    let new = NewCa {
        name: "Test",
        hierarchies: &Hierarchy::ALL,
        root: Root::New { profile: None, key_type: KeyType::P256, protection: None },
        issuing: new_issuing(),
    };
    new.create(&path, now()).unwrap();
    Ca::find(&path).unwrap().0
}

fn new_issuing() -> NewIssuing<'static> {
    NewIssuing { profile: None, variables: Variables::NONE, key_type: KeyType::P256, protection: None }
}

fn issuer(ca: &Ca, hierarchy: Hierarchy) -> Issuer {
    let signer = ca.issuing_key(hierarchy, None).unwrap().open(None).unwrap();
    ca.issuer(hierarchy, None, Box::new(signer)).unwrap()
}

fn request(key: &SoftwareKey, profile: &Profile, serial: &str) -> ProvenRequest {
    let subject = Name::new(&[(Name::SERIAL_NUMBER, serial), (Name::COMMON_NAME, serial)]).unwrap();
    let wanted = Wanted { subject, ..Wanted::default() };
    Request::new(profile, &wanted, key).unwrap().prove().unwrap()
}

fn key() -> SoftwareKey {
    SoftwareKey::generate(KeyType::P256).unwrap()
}

fn built_in(name: &str) -> &'static Profile {
    Profile::built_in().iter().find(|profile| profile.name == name).unwrap()
}

fn idevid() -> &'static Profile {
    built_in("idevid")
}

fn ask(request: &ProvenRequest) -> Ask<'_> {
    Ask {
        request,
        profile: idevid(),
        variables: Variables::NONE,
        occasion: Occasion::New,
        validity: None,
        may_outlive: false,
        credential: Credential::Operator,
    }
}

fn submit(issuer: &Issuer, ask: Ask<'_>, now: Time) -> Decision {
    issuer.submit(&[ask], now).unwrap().remove(0)
}

fn leaf(decision: &Decision) -> &Certificate {
    match decision {
        Decision::Issued(chain) => chain.leaf(),
        Decision::Pending(pending) => panic!("{pending:?}"),
        Decision::Refused(refusal) => panic!("{refusal}"),
    }
}

fn code(decision: &Decision) -> &'static str {
    match decision {
        Decision::Issued(_) => "issued",
        Decision::Pending(_) => "pending",
        Decision::Refused(refusal) => refusal.code(),
    }
}

fn on_record(ca: &Ca, certificate: &Certificate) -> Record {
    let filter = Filter { serial: Some(certificate.serial().to_vec()), ..Filter::default() };
    ca.store().unwrap().list(&filter, None, 1).unwrap().remove(0)
}

fn state(ca: &Ca, certificate: &Certificate) -> State {
    on_record(ca, certificate).state(now().unix_timestamp())
}

/// The law of [`Authority`], within a slice and between two processes' lives.
#[test]
fn the_same_ask_gets_the_same_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let (a, b) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "B"));
    let first = issuer(&ca, Hierarchy::Device).submit(&[ask(&a), ask(&b), ask(&a)], now()).unwrap();
    assert_eq!(leaf(&first[0]).der(), leaf(&first[2]).der());
    assert_ne!(leaf(&first[0]).serial(), leaf(&first[1]).serial());
    let later = now() + Duration::days(1000);
    let again = submit(&issuer(&ca, Hierarchy::Device), ask(&b), later);
    assert_eq!(leaf(&first[1]).der(), leaf(&again).der());
}

/// After a power cut between plan and signature the plan is signed as it was recorded.
#[test]
fn a_plan_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let issuer = issuer(&ca, Hierarchy::Device);
    let a = request(&key(), idevid(), "A");
    let plan = issuer.plan(&ask(&a), now()).unwrap().unwrap();
    issuer.store().reserve(issuer.ledger(), std::slice::from_ref(&plan), Vec::new(), now()).unwrap();
    let decision = submit(&issuer, ask(&a), now() + Duration::days(1));
    assert_eq!(leaf(&decision).serial(), plan.serial);
    assert_eq!(leaf(&decision).not_before(), now());
}

#[test]
fn what_policy_forbids_is_refused_and_the_rest_of_the_slice_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let issuer = issuer(&ca, Hierarchy::Device);
    let (one, two) = (key(), key());
    let firmware = built_in("firmware");
    let requests = [
        request(&one, idevid(), "A"),
        request(&two, idevid(), "A"),
        request(&one, idevid(), "B"),
        request(&two, firmware, "F"),
        request(&two, idevid(), "C"),
    ];
    let mut asks: Vec<Ask<'_>> = requests.iter().map(ask).collect();
    asks[3].profile = firmware;
    let codes: Vec<_> = issuer.submit(&asks, now()).unwrap().iter().map(code).collect();
    assert_eq!(codes, ["issued", "identity-taken", "key-taken", "profile-not-served", "issued"]);
    let audited = ca.audit(Hierarchy::Device, None, &mut std::io::sink()).unwrap().unwrap();
    assert_eq!((audited.issued, audited.refused, audited.revoked), (2, 3, 0), "refusals are decisions");
}

#[test]
fn a_published_key_gets_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(&new_ca(folder.path()), Hierarchy::Device);
    // RFC 8032 section 7.1, test 1
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let path = folder.path().join("key");
    std::fs::write(&path, pem).unwrap();
    let known = KeyFile::read(&KeyRef::File(path)).unwrap();
    let decision = submit(&issuer, ask(&request(&known.open(None).unwrap(), idevid(), "A")), now());
    assert_eq!(code(&decision), "weak-key");
}

#[test]
fn a_clock_that_is_years_off_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let a = request(&key(), idevid(), "A");
    let error = issuer(&ca, Hierarchy::Device).submit(&[ask(&a)], Time::UNIX_EPOCH).unwrap_err();
    assert!(error.to_string().starts_with("the clock says 1970"), "{error}");
    submit(&issuer(&ca, Hierarchy::Device), ask(&a), now() + Duration::days(30));
    for (days, works) in [(28, false), (29, true), (30 + 5 * 365, true), (30 + 10 * 365, false)] {
        let at = now() + Duration::days(days);
        assert_eq!(issuer(&ca, Hierarchy::Device).submit(&[ask(&a)], at).is_ok(), works, "{days} days");
    }
    let ca = ca.trusts_clock(true);
    submit(&issuer(&ca, Hierarchy::Device), ask(&a), now() + Duration::days(30 + 10 * 365));
}

#[test]
fn what_comes_back_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let one = key();
    let (a, b) = (request(&one, idevid(), "A"), request(&key(), idevid(), "B"));
    let device = ca.anchors(Hierarchy::Device).unwrap();
    let mut enroller = Direct::new(issuer(&ca, Hierarchy::Device), device.clone());
    let Outcome::Issued(chain) = enroller.enroll(&ask(&a), now()).unwrap() else { panic!("pending") };
    assert!(accept(chain.leaf(), chain.without_leaf(), &ask(&a), &device, now()).is_ok());
    let text = |error: crate::enroll::Unacceptable| error.to_string();
    assert_eq!(
        accept(chain.leaf(), chain.without_leaf(), &ask(&b), &device, now()).map_err(text).unwrap_err(),
        "it is for another key"
    );
    let named = request(&one, idevid(), "B");
    let other = accept(chain.leaf(), chain.without_leaf(), &ask(&named), &device, now()).map_err(text).unwrap_err();
    assert_eq!(other, "it has other names than were asked for: serialNumber=A, CN=A");
    let firmware = ca.anchors(Hierarchy::Firmware).unwrap();
    assert!(accept(chain.leaf(), chain.without_leaf(), &ask(&a), &firmware, now()).is_err());
    let mut other_profile = ask(&a);
    other_profile.profile = built_in("tls-client");
    assert!(accept(chain.leaf(), chain.without_leaf(), &other_profile, &device, now()).is_err());
    // Another process read the clock a moment later than this one.
    assert!(accept(chain.leaf(), chain.without_leaf(), &ask(&a), &device, now() - Duration::seconds(2)).is_ok());
    assert!(accept(chain.leaf(), chain.without_leaf(), &ask(&a), &device, now() - Duration::hours(2)).is_err());
}

#[test]
fn a_new_key_supersedes_and_the_old_certificate_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let issuer = issuer(&ca, Hierarchy::Device);
    let (a, b) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "A"));
    let old = submit(&issuer, ask(&a), now());
    let supersede = Ask { occasion: Occasion::Supersede(Reason::KeyCompromise), ..ask(&b) };
    for reason in [Reason::CertificateHold, Reason::RemoveFromCrl] {
        let not_final = Ask { occasion: Occasion::Supersede(reason), ..ask(&b) };
        assert_eq!(code(&submit(&issuer, not_final, now())), "reason");
    }
    let new = submit(&issuer, supersede, now());
    assert_eq!(leaf(&submit(&issuer, supersede, now())).der(), leaf(&new).der(), "again, it is the same");
    assert_eq!((state(&ca, leaf(&old)), state(&ca, leaf(&new))), (State::Revoked, State::Issued));
    assert_eq!(on_record(&ca, leaf(&old)).revoked.map(|(_, reason)| reason), Some(Reason::KeyCompromise));
    assert_eq!(code(&submit(&issuer, ask(&a), now())), "identity-taken");
    // Its key is compromised, and gets no certificate any more: not for this identity, nor for any other.
    let back = Ask { occasion: Occasion::Supersede(Reason::Superseded), ..ask(&a) };
    assert_eq!(code(&submit(&issuer, back, now())), "key-compromised");
    assert_eq!(state(&ca, leaf(&new)), State::Issued, "a refusal revokes nothing");
    assert!(ca.audit(Hierarchy::Device, None, &mut std::io::sink()).unwrap().is_ok());
}

#[test]
fn a_renewal_has_the_same_names_and_a_new_key() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let issuer = issuer(&ca, Hierarchy::Device);
    let ldevid = built_in("ldevid");
    let (one, two, three) = (key(), key(), key());
    let first = request(&one, ldevid, "A");
    let old = submit(&issuer, Ask { profile: ldevid, ..ask(&first) }, now());
    let later = now() + Duration::days(300);
    let renew = |key: &SoftwareKey, certificate: &Certificate, keep_key, at| {
        let request = request(key, ldevid, "A");
        let occasion = Occasion::Renew { certificate, keep_key };
        submit(&issuer, Ask { profile: ldevid, occasion, ..ask(&request) }, at)
    };
    assert_eq!(code(&renew(&one, leaf(&old), false, later)), "same-key");
    assert_eq!(code(&renew(&two, leaf(&old), true, later)), "other-key");
    let new = renew(&two, leaf(&old), false, later);
    assert_eq!(leaf(&new).subject(), leaf(&old).subject());
    assert_eq!(leaf(&new).not_before(), later);
    assert_eq!(leaf(&renew(&two, leaf(&old), false, later)).der(), leaf(&new).der(), "again, it is the same");
    assert_eq!(code(&renew(&three, leaf(&old), false, later)), "not-renewable", "one renewal has one successor");
    assert_eq!((state(&ca, leaf(&old)), state(&ca, leaf(&new))), (State::Replaced, State::Issued));
    let kept = renew(&two, leaf(&new), true, later);
    assert_ne!(leaf(&kept).serial(), leaf(&new).serial());
    assert_eq!(leaf(&kept).spki(), leaf(&new).spki());
    // A certificate of another CA is not renewed, whatever its serial number.
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = new_ca(elsewhere.path());
    let foreign = Ask { profile: ldevid, ..ask(&first) };
    let foreign = submit(&self::issuer(&elsewhere, Hierarchy::Device), foreign, now());
    assert_eq!(code(&renew(&three, leaf(&foreign), false, later)), "not-ours");
    let past = later + Duration::days(366);
    assert_eq!(code(&renew(&three, leaf(&kept), false, past)), "not-renewable", "what has ended is enrolled anew");
    let other = submit(&issuer, Ask { profile: ldevid, ..ask(&request(&three, ldevid, "A")) }, past);
    assert_eq!(code(&other), "issued", "and then the identity is free");
}

#[test]
fn a_hold_is_lifted_and_a_revocation_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let issuer = issuer(&ca, Hierarchy::Device);
    let a = request(&key(), idevid(), "A");
    let decision = submit(&issuer, ask(&a), now());
    let serial = leaf(&decision).serial().to_vec();
    let revoke = |reason| issuer.revoke(std::slice::from_ref(&serial), reason, now()).unwrap()[0];
    assert_eq!(revoke(Reason::RemoveFromCrl), Revoked::NotOnHold);
    assert_eq!(revoke(Reason::CertificateHold), Revoked::Now);
    assert_eq!(code(&submit(&issuer, ask(&a), now())), "on-hold");
    assert_eq!(revoke(Reason::RemoveFromCrl), Revoked::Released);
    assert_eq!(code(&submit(&issuer, ask(&a), now())), "issued");
    assert_eq!(revoke(Reason::CertificateHold), Revoked::Now);
    assert_eq!(revoke(Reason::CessationOfOperation), Revoked::Now);
    assert_eq!(revoke(Reason::KeyCompromise), Revoked::Already(Reason::CessationOfOperation));
    assert_eq!(revoke(Reason::RemoveFromCrl), Revoked::NotOnHold);
    assert_eq!(issuer.revoke(&[vec![1]], Reason::Superseded, now()).unwrap(), [Revoked::Unknown]);
    let renewed = submit(&issuer, ask(&a), now());
    assert_ne!(leaf(&renewed).serial(), serial, "after a revocation the identity may enroll again");
    assert!(ca.audit(Hierarchy::Device, None, &mut std::io::sink()).unwrap().is_ok());
}

#[test]
fn lists_are_numbered_and_name_what_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let issuer = issuer(&ca, Hierarchy::Device);
    let ldevid = built_in("ldevid");
    let list = |at: Time| {
        let made = issuer.revocation_list(&[1], at, at + Duration::days(7)).unwrap();
        let list = CertificateList::from_der(&made.der).unwrap();
        let revoked = list.revoked().map(|entry| entry.map(|entry| (entry.serial.to_vec(), entry.reason)));
        (made.number, revoked.collect::<Result<Vec<_>, _>>().unwrap())
    };
    let (first, revoked) = list(now());
    assert!(revoked.is_empty());
    let requests = [request(&key(), ldevid, "A"), request(&key(), ldevid, "B")];
    let asks: Vec<_> = requests.iter().map(|request| Ask { profile: ldevid, ..ask(request) }).collect();
    let issued = issuer.submit(&asks, now()).unwrap();
    issuer.revoke(&[leaf(&issued[0]).serial().to_vec()], Reason::KeyCompromise, now()).unwrap();
    let (second, revoked) = list(now());
    assert_eq!(second, first + 1, "two in one second");
    assert_eq!(revoked, [(leaf(&issued[0]).serial().to_vec(), Some(Reason::KeyCompromise))]);
    // After its end it stands in one more list.
    let end = leaf(&issued[0]).not_after();
    assert_eq!(list(end + Duration::days(1)).1.len(), 1);
    assert_eq!(list(end + Duration::days(2)).1.len(), 0);
}

#[test]
fn pages_meet_every_certificate_once() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let issuer = issuer(&ca, Hierarchy::Device);
    let requests: Vec<_> = (0..25).map(|n| request(&key(), idevid(), &format!("D{n}"))).collect();
    // A clock that is set back within what is allowed must not hide any.
    for (n, slice) in requests.chunks(5).enumerate() {
        let asks: Vec<_> = slice.iter().map(ask).collect();
        issuer.submit(&asks, now() + Duration::hours([5, 1, 3, 3, 2][n])).unwrap();
    }
    let mut store = ca.store().unwrap();
    let idevid = Filter { profile: Some("idevid".to_owned()), ..Filter::default() };
    let all = Filter { issuing_too: true, ..Filter::default() };
    for (filter, count) in [(Filter::default(), 25), (all, 27), (idevid, 25)] {
        let mut after = None;
        let mut seen = std::collections::BTreeSet::new();
        while let Some(last) = store.list(&filter, after, 4).unwrap().last().map(|record| record.cursor) {
            let page = store.list(&filter, after, 4).unwrap();
            assert!(page.windows(2).all(|pair| pair[0].cursor < pair[1].cursor));
            seen.extend(page.iter().map(|record| record.identity.clone()));
            after = Some(last);
        }
        assert_eq!(seen.len(), count);
    }
    let one = Filter { identity: Some("D7".to_owned()), ..Filter::default() };
    assert_eq!(store.list(&one, None, 9).unwrap().len(), 1);
}

#[test]
fn a_changed_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let requests: Vec<_> = (0..4).map(|n| request(&key(), idevid(), &format!("D{n}"))).collect();
    let issuer = issuer(&ca, Hierarchy::Device);
    let issued = issuer.submit(&requests.iter().map(ask).collect::<Vec<_>>(), now()).unwrap();
    issuer.revoke(&[leaf(&issued[0]).serial().to_vec()], Reason::Superseded, now()).unwrap();
    let mut exported = Vec::new();
    let kept = ca.audit(Hierarchy::Device, None, &mut exported).unwrap().unwrap().head;
    let keys = [issuer.certificate().public_key().unwrap()];
    assert!(check_exported(&mut exported.as_slice(), &keys).unwrap().is_ok());
    assert!(check_exported(&mut exported.as_slice(), &[]).unwrap().is_err());
    let serial = crate::files::to_hex(leaf(&issued[1]).serial());
    for (what, statement) in [
        ("chain", "UPDATE audit SET line = replace(line, '2027-', '2028-')".to_owned()),
        ("chain", "UPDATE audit SET n = CASE n WHEN 2 THEN 93 WHEN 3 THEN 92 ELSE n END; UPDATE audit SET n = n - 90 WHERE n > 90".to_owned()),
        ("count", "DELETE FROM audit WHERE n = 7".to_owned()),
        ("no-head", "DELETE FROM audit_head".to_owned()),
        ("signature", "UPDATE audit_head SET time = time + 1 WHERE issuer = 'device'".to_owned()),
        ("records", format!("DELETE FROM certificate WHERE serial = x'{serial}'")),
        ("records", format!("UPDATE certificate SET identity = 'CN=x' WHERE serial = x'{serial}'")),
        ("records", format!("UPDATE certificate SET revoked_at = 7, reason = 4 WHERE serial = x'{serial}'")),
        ("records", "UPDATE certificate SET revoked_at = NULL, reason = NULL".to_owned()),
        ("unrecorded", "INSERT INTO certificate SELECT 99, planned_at, issuer, generation, profile, 'CN=y', spki_sha256, x'07', subject, not_before, not_after, NULL, 99, NULL, NULL, to_be_signed, certificate, claim FROM certificate WHERE id = 4".to_owned()),
    ] {
        let copy = folder.path().join("copy");
        ca.backup(&copy).unwrap();
        let store = SqliteStore::open(&copy.join(RECORDS), |_| {}).unwrap();
        let unlocked = "DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_cut;";
        store.tamper(&format!("{unlocked}{statement}"));
        store.tamper("CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN SELECT 1; END;
                      CREATE TRIGGER audit_is_never_cut BEFORE DELETE ON audit BEGIN SELECT 1; END;");
        drop(store);
        let copy_ca = Ca::find(&copy).unwrap().0;
        let fault = copy_ca.audit(Hierarchy::Device, None, &mut std::io::sink()).unwrap().unwrap_err();
        assert_eq!(fault.code(), what, "{statement}: {fault}");
        std::fs::remove_dir_all(&copy).unwrap();
    }
    // An earlier state of the whole, with its own head, holds by itself and does not continue the one that was kept.
    let copy = folder.path().join("copy");
    ca.backup(&copy).unwrap();
    issuer.revoke(&[leaf(&issued[2]).serial().to_vec()], Reason::Superseded, now()).unwrap();
    let newer = ca.audit(Hierarchy::Device, Some(&kept), &mut std::io::sink()).unwrap().unwrap().head;
    let older = Ca::find(&copy).unwrap().0;
    assert!(older.audit(Hierarchy::Device, Some(&kept), &mut std::io::sink()).unwrap().is_ok());
    let fault = older.audit(Hierarchy::Device, Some(&newer), &mut std::io::sink()).unwrap().unwrap_err();
    assert_eq!(fault.code(), "other");
}

#[test]
fn records_of_another_ca_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let elsewhere = tempfile::tempdir().unwrap();
    new_ca(elsewhere.path());
    std::fs::copy(elsewhere.path().join("ca/ca.db"), folder.path().join("ca/ca.db")).unwrap();
    let signer = ca.issuing_key(Hierarchy::Device, None).unwrap().open(None).unwrap();
    let error = ca.issuer(Hierarchy::Device, None, Box::new(signer)).err().unwrap();
    assert!(error.to_string().contains("signed by a key that is not the issuer's"), "{error}");
}

#[test]
fn records_that_lost_their_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let (a, b) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "B"));
    let records = folder.path().join("ca/ca.db");
    submit(&issuer(&ca, Hierarchy::Device), ask(&a), now());
    let before = std::fs::read(&records).unwrap();
    submit(&issuer(&ca, Hierarchy::Device), ask(&b), now());
    std::fs::write(&records, before).unwrap();
    let error = issuer(&ca, Hierarchy::Device).submit(&[ask(&b)], now()).unwrap_err();
    assert!(error.to_string().contains("lack their last entries"), "{error}");
}

#[test]
fn an_issuing_ca_is_renewed_under_its_root() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let (a, b, c) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "B"), request(&key(), idevid(), "C"));
    let first = submit(&issuer(&ca, Hierarchy::Device), ask(&a), now());
    let root = KeyFile::read(&ca.root_key(Hierarchy::Device)).unwrap().open(None).unwrap();
    let kept = ca.issuing_key(Hierarchy::Device, None).unwrap().open(None).unwrap();
    ca.renew_issuing(Hierarchy::Device, new_issuing(), Some(&kept), &root, now()).unwrap();
    let second = submit(&issuer(&ca, Hierarchy::Device), ask(&b), now());
    assert_eq!(leaf(&second).issuer(), leaf(&first).issuer(), "the same key has the same name");
    ca.renew_issuing(Hierarchy::Device, new_issuing(), None, &root, now()).unwrap();
    let third = submit(&issuer(&ca, Hierarchy::Device), ask(&c), now());
    assert_eq!(leaf(&third).issuer().to_string(), "O=Test, CN=Test Device CA G3");
    let kept = ca.issuing_key(Hierarchy::Device, None).unwrap().open(None).unwrap();
    ca.renew_issuing(Hierarchy::Device, new_issuing(), Some(&kept), &root, now()).unwrap();
    ca.renew_issuing(Hierarchy::Device, new_issuing(), Some(&kept), &root, now()).unwrap();
    assert_eq!(issuer(&ca, Hierarchy::Device).certificate().subject(), leaf(&third).issuer(), "kept twice");
    // What was issued before is found again, with a chain of its own.
    let again = submit(&issuer(&ca, Hierarchy::Device), ask(&a), now());
    assert_eq!(leaf(&again).der(), leaf(&first).der());
    let generations: Vec<_> =
        [&first, &second, &third].iter().map(|decision| on_record(&ca, leaf(decision)).generation).collect();
    assert_eq!(generations, [1, 2, 3]);
    assert!(ca.audit(Hierarchy::Device, None, &mut std::io::sink()).unwrap().is_ok());
    let wrong = KeyFile::read(&ca.root_key(Hierarchy::Firmware)).unwrap().open(None).unwrap();
    let error = ca.renew_issuing(Hierarchy::Device, new_issuing(), None, &wrong, now()).unwrap_err();
    assert!(matches!(error, Error::RootKeyMismatch), "{error}");
}

#[test]
fn an_issuing_ca_is_revoked_by_its_root() {
    let folder = tempfile::tempdir().unwrap();
    let ca = new_ca(folder.path());
    let a = request(&key(), idevid(), "A");
    let device = issuer(&ca, Hierarchy::Device);
    let root = KeyFile::read(&ca.root_key(Hierarchy::Device)).unwrap().open(None).unwrap();
    let list = |device: &Issuer| {
        let made = device.revocation_list_above(&root, now(), now() + Duration::days(7)).unwrap();
        let list = CertificateList::from_der(&made.der).unwrap();
        assert_eq!(list.issuer(), device.above().unwrap().subject());
        list.revoked().map(|entry| entry.unwrap().serial.to_vec()).collect::<Vec<_>>()
    };
    assert!(list(&device).is_empty());
    let serial = device.certificate().serial().to_vec();
    assert_eq!(device.revoke(std::slice::from_ref(&serial), Reason::KeyCompromise, now()).unwrap(), [Revoked::Now]);
    assert_eq!(list(&device), [serial]);
    let error = device.submit(&[ask(&a)], now()).unwrap_err();
    assert_eq!(error.to_string(), "the certificate of issuer device is revoked");
    ca.renew_issuing(Hierarchy::Device, new_issuing(), None, &root, now()).unwrap();
    assert_eq!(code(&submit(&issuer(&ca, Hierarchy::Device), ask(&a), now())), "issued");
    let firmware = KeyFile::read(&ca.root_key(Hierarchy::Firmware)).unwrap().open(None).unwrap();
    assert!(device.revocation_list_above(&firmware, now(), now()).is_err());
    assert!(ca.audit(Hierarchy::Device, None, &mut std::io::sink()).unwrap().is_ok());
}

#[test]
fn refusals_name_an_issuer_without_room_below() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(&new_ca(folder.path()), Hierarchy::Device);
    let sub_ca = built_in("sub-ca");
    let a = request(&key(), sub_ca, "A");
    assert_eq!(code(&submit(&issuer, Ask { profile: sub_ca, ..ask(&a) }, now())), "issued");
    let refusal = Refusal::NoCaBelow { profile: "sub-ca".to_owned(), issuer: "device".to_owned() };
    assert_eq!(refusal.code(), "no-ca-below");
}

#[test]
fn a_passphrase_is_for_the_key_that_it_was_given_for() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = |text: &str| Passphrase::new(text.as_bytes().to_vec().into());
    let (root, issuing) = (passphrase("root"), passphrase("issuing"));
    let new = NewCa {
        name: "Test",
        hierarchies: &[Hierarchy::Device],
        root: Root::New { profile: None, key_type: KeyType::P256, protection: Some(&root) },
        issuing: NewIssuing { protection: Some(&issuing), ..new_issuing() },
    };
    new.create(&folder.path().join("ca"), now()).unwrap();
    let ca = Ca::find(&folder.path().join("ca")).unwrap().0;
    assert_eq!(ca.hierarchies().collect::<Vec<_>>(), [Hierarchy::Device]);
    let open = |reference: &KeyRef, passphrase| KeyFile::read(reference).unwrap().open(Some(passphrase)).is_ok();
    assert!(open(&ca.root_key(Hierarchy::Device), &root) && !open(&ca.root_key(Hierarchy::Device), &issuing));
    let key = |passphrase| ca.issuing_key(Hierarchy::Device, None).unwrap().open(Some(passphrase)).is_ok();
    assert!(key(&issuing) && !key(&root));
    assert!(matches!(ca.issuing_key(Hierarchy::Firmware, None), Err(Error::NoHierarchy { .. })));
}

/// Of a key whose certificate was revoked as compromised there is no second one, however the key is written.
#[test]
fn a_compromised_key_does_not_come_back_in_other_words() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(&new_ca(folder.path()), Hierarchy::Device);
    let rsa = SoftwareKey::generate(KeyType::Rsa(2048)).unwrap();
    let usual = request(&rsa, idevid(), "A");
    let issued = submit(&issuer, ask(&usual), now());
    issuer.revoke(&[leaf(&issued).serial().to_vec()], Reason::KeyCompromise, now()).unwrap();
    assert_eq!(code(&submit(&issuer, ask(&usual), now())), "key-compromised");

    let value = |tag, parts: &[&[u8]]| AnyRef::new(tag, &parts.concat()).unwrap().to_der().unwrap();
    let parts = |der: &[u8]| -> Vec<Vec<u8>> {
        crate::x509::members(der, Tag::Sequence, "").unwrap().into_iter().map(<[u8]>::to_vec).collect()
    };
    let whole = parts(usual.request().der());
    let info = parts(&whole[0]);
    let spki = parts(&info[2]);
    let bare = value(Tag::Sequence, &[&value(Tag::Sequence, &[&parts(&spki[0])[0]]), &spki[1]]);
    let info = value(Tag::Sequence, &[&info[0], &info[1], &bare, &info[3]]);
    let signature = rsa.sign(KeyType::Rsa(2048).usual_scheme(), Input::Message(&info)).unwrap();
    let signature = value(Tag::BitString, &[&[0], &signature]);
    let other = Request::from_der(&value(Tag::Sequence, &[&info, &whole[1], &signature])).unwrap().prove().unwrap();
    assert_ne!(other.public_key().fingerprint(), usual.public_key().fingerprint());
    assert_eq!(code(&submit(&issuer, ask(&other), now())), "key-type");
}
