//! Tokens and approval from outside: what the commands make is what a CA at work, in another process, takes.

use std::path::Path;

use bulla::ca::{Ca, Issuer, Registrar};
use bulla::enroll::{Ask, Authority, Credential, Decision, Flow, Occasion, Token};
use bulla::key::{KeyType, SoftwareKey};
use bulla::x509::{Hierarchy, Name, Profile, ProvenRequest, Request, Time, Variables, Wanted};

use crate::harness::Lab;

/// The device issuer of `acme` as a server has it.
fn server(lab: &Lab, approval: bool) -> Issuer {
    let ca = Ca::find(&lab.path("acme")).expect("a CA").0;
    let key = ca.issuing_key(Hierarchy::Device, None).expect("a key").open(None).expect("a key without passphrase");
    let registrar = Registrar { profiles: vec!["idevid".to_owned()], vendors: None, approval };
    ca.issuer(Hierarchy::Device, None, Box::new(key)).expect("an issuer").with_registrar(registrar)
}

fn request(serial: &str) -> ProvenRequest {
    let key = SoftwareKey::generate(KeyType::P256).expect("a key");
    let subject = Name::new(&[(Name::SERIAL_NUMBER, serial)]).expect("a name");
    let wanted = Wanted { subject, ..Wanted::default() };
    let profile = Profile::named("idevid").expect("a profile");
    Request::new(&profile, &wanted, &key).and_then(Request::prove).expect("a request")
}

/// What the server answers: the code of a refusal, or `issued`, or `pending`.
fn redeem(issuer: &Issuer, secret: &str, request: &ProvenRequest) -> &'static str {
    let profile = Profile::named("idevid").expect("a profile");
    let token = Token { flow: Flow::Est, secret, user: None, request: request.public_key().fingerprint() };
    let ask = Ask {
        request,
        profile: &profile,
        variables: Variables::NONE,
        occasion: Occasion::New,
        validity: None,
        may_outlive: false,
        credential: Credential::Token(&token),
    };
    match issuer.submit(&[ask], Time::now_utc()).expect("a decision").remove(0) {
        Decision::Issued(_) => "issued",
        Decision::Pending(_) => "pending",
        Decision::Refused(refusal) => refusal.code(),
    }
}

/// Whether any file below a folder holds these bytes.
fn holds_bytes(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        let holds = |path: &Path| std::fs::read(path).expect("a file").windows(bytes.len()).any(|it| it == bytes);
        if path.is_dir() { holds_bytes(&path, bytes) } else { holds(&path) }
    })
}

#[test]
fn a_token_is_printed_once_and_kept_nowhere() {
    let lab = Lab::with_ca();
    let new = "ca token new acme --device SN-1 --profile idevid";
    let run = lab.bulla(new).ok();
    let secret = run.text().trim_end().to_owned();
    assert_eq!((secret.len(), run.text().lines().count()), (40, 1), "160 bits in hexadecimal, and a line end");
    assert!(run.stderr.contains("of serialNumber=SN-1") && !run.stderr.contains(&secret), "{}", run.stderr);
    lab.bulla(&format!("{new} -o token")).ok();
    assert_eq!(String::from_utf8(lab.read("token")).expect("text").trim_end().len(), 40);
    let mode = std::os::unix::fs::MetadataExt::mode(&lab.path("token").metadata().expect("a file"));
    assert_eq!(mode & 0o777, 0o600);
    let told = lab.bulla(&format!("{new} --format json")).ok().json();
    assert_eq!(told["token"].as_str().map(str::len), Some(40), "{told}");
    let told = lab.bulla(&format!("{new} -o token-2 --format json")).ok().json();
    assert_eq!((&told["token"], &told["output"]), (&serde_json::Value::Null, &"token-2".into()), "{told}");
    assert_eq!(redeem(&server(&lab, false), &secret, &request("SN-1")), "issued");
    let said = [
        lab.bulla("ca token list acme").ok().text(),
        lab.bulla("ca token list acme --format json").ok().text(),
        lab.bulla("ca audit acme/device -o -").ok().text(),
    ];
    assert!(said.iter().all(|text| !text.contains(&secret) && text.contains("SN-1")), "{said:?}");
    assert!(!holds_bytes(&lab.path("acme"), secret.as_bytes()));
    lab.holds("acme");
}

#[test]
fn a_token_is_listed_with_its_use_and_taken_back() {
    let lab = Lab::with_ca();
    let secret = lab.bulla("ca token new acme --device SN-1 --profile idevid --uses 2 --ttl 30m").ok().text();
    lab.bulla("ca token new acme --device F --profile firmware").ok();
    let issuer = server(&lab, false);
    let one = request("SN-1");
    assert_eq!(redeem(&issuer, secret.trim_end(), &request("SN-2")), "other-identity");
    assert_eq!(redeem(&issuer, secret.trim_end(), &one), "issued");
    assert_eq!(redeem(&issuer, secret.trim_end(), &one), "issued");
    let listed = |words: &str| {
        let text = lab.bulla(&format!("ca token list {words} --format json")).ok().text();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<serde_json::Value>>()
    };
    let all = listed("acme");
    assert_eq!(all.len(), 2);
    assert_eq!(listed("acme/firmware")[0]["identity"], "CN=F");
    let token = &listed("acme/device")[0];
    assert_eq!((&token["used"], &token["uses"], &token["state"]), (&1.into(), &2.into(), &"good".into()), "{token}");
    let id = token["id"].as_str().expect("a name");
    // Not by `refuses`: it reads every file, and whoever does so in the process of a server takes its locks away.
    let other = lab.bulla(&format!("ca token revoke acme/firmware {id}"));
    other.exits(1).says(&format!("the CA has no token {id}"));
    for _ in 0..2 {
        lab.bulla(&format!("ca token revoke acme {id}")).ok();
    }
    assert_eq!(listed("acme/device")[0]["state"], "revoked");
    // The server that is at work learns of it at once.
    assert_eq!(redeem(&issuer, secret.trim_end(), &one), "token-revoked");
    let record = lab.bulla("ca audit acme/device -o -").ok().text();
    assert_eq!(record.matches("\"event\":\"revoke-token\"").count(), 1, "once: {record}");
    assert_eq!(record.matches(&format!("\"by\":\"token {id}\"")).count(), 3, "{record}");
}

#[test]
fn a_request_waits_for_the_operator() {
    let lab = Lab::with_ca();
    let secrets: Vec<String> = ["SN-1", "SN-2"]
        .map(|device| lab.bulla(&format!("ca token new acme --device {device} --profile idevid")).ok().text())
        .into();
    let (issuer, requests) = (server(&lab, true), [request("SN-1"), request("SN-2")]);
    let ask = || -> Vec<&str> {
        secrets.iter().zip(&requests).map(|(secret, request)| redeem(&issuer, secret.trim_end(), request)).collect()
    };
    assert_eq!(ask(), ["pending", "pending"]);
    let waiting = || lab.bulla("ca approve acme --list --format json").ok().text();
    let first: serde_json::Value = serde_json::from_str(waiting().lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["subject"], &first["state"]), (&"serialNumber=SN-1".into(), &"waiting".into()), "{first}");
    assert_eq!(first["request_spki_sha256"], requests[0].public_key().fingerprint().to_string());
    let approve = format!("ca approve acme {}", first["id"]);
    lab.bulla(&format!("{approve} 99")).exits(1).says("the CA has no request 99");
    assert_eq!(waiting().lines().count(), 2, "all or none");
    lab.bulla(&approve).ok();
    lab.bulla("ca approve acme --identity SN-2 --refuse").ok();
    assert_eq!(waiting(), "");
    assert_eq!(ask(), ["issued", "disapproved"]);
    lab.bulla(&format!("{approve} --refuse")).exits(1).says("the certificate of request 1 is issued");
    lab.bulla("ca approve acme 2").ok();
    assert_eq!(ask(), ["issued", "issued"]);
    assert_eq!(lab.holds("acme/device")["records"][0]["issued"], 2);
}

/// Who approves by name does not know whose key that is.
#[test]
fn of_several_that_wait_none_is_approved_by_name() {
    let lab = Lab::with_ca();
    let secret = lab.bulla("ca token new acme --device SN-1 --profile idevid --uses 2").ok().text();
    let (issuer, requests) = (server(&lab, true), [request("SN-1"), request("SN-1")]);
    let ask = || -> Vec<&str> { requests.iter().map(|request| redeem(&issuer, secret.trim_end(), request)).collect() };
    assert_eq!(ask(), ["pending", "pending"]);
    let run = lab.bulla("ca approve acme --identity SN-1").exits(1);
    run.says("several requests of serialNumber=SN-1 for profile idevid wait");
    assert_eq!(ask(), ["pending", "pending"]);
    lab.bulla("ca approve acme 2").ok();
    assert_eq!(ask(), ["pending", "issued"]);
    lab.bulla("ca approve acme --identity SN-1").ok();
    assert_eq!(ask(), ["identity-taken", "issued"]);
}

#[test]
fn what_a_token_cannot_be_is_refused_before_it_is_made() {
    let lab = Lab::with_ca();
    let new = "ca token new acme --profile idevid";
    for (words, message) in [
        ("--device x --ttl 0m", "must be a number of minutes, hours or days"),
        ("--device x --ttl 1y", "must be a number of minutes, hours or days"),
        ("--device x --uses 0", "0 is not in 1..=1000"),
        ("--device x --flow scep", "possible values: est"),
        ("--device x --name a.example", "must be FORM:VALUE"),
        ("--device x --name host:a.example", "must begin with CN, serialNumber, dns"),
        ("--device x --name dns:a..b", "is not a DNS name"),
    ] {
        lab.refuses(&format!("{new} {words}"), 2, message);
    }
    lab.refuses("ca token new acme --device x --profile ocsp", 2, "several issuers serve profile ocsp");
    lab.refuses("ca token new acme/firmware --device x --profile idevid", 1, "does not issue profile idevid");
    lab.refuses("ca token new acme --device a..b --profile tls-server", 1, "is not a DNS name");
    assert_eq!(lab.bulla("ca token list acme").ok().text(), "");
    lab.write("pass", "secret");
    lab.bulla("ca init locked --name Locked --ca-passphrase-from file:pass").ok();
    lab.refuses("ca token new locked --device x --profile idevid", 4, "the CA's key is encrypted");
    lab.bulla("ca token new locked --device x --profile idevid --ca-passphrase-from file:pass").ok();
}

/// SQLite keeps a journal as long as a process holds a lock on the records, and a process loses its locks where it closes the
/// file beside SQLite. What went into a journal that is no file any more would be lost.
#[test]
fn a_process_that_ends_leaves_the_journal_to_the_server() {
    let lab = Lab::with_ca();
    let issuer = server(&lab, false);
    let also = Ca::find(&lab.path("acme")).expect("a CA").0.store().expect("records");
    for serial in ["SN-1", "SN-2"] {
        let secret = lab.bulla(&format!("ca token new acme --device {serial} --profile idevid")).ok().text();
        assert!(lab.has("acme/ca.db-wal"), "the command has ended, and the server has not");
        assert_eq!(redeem(&issuer, secret.trim_end(), &request(serial)), "issued");
        assert!(lab.bulla("ca list acme/device").ok().text().contains(serial), "and its records are seen");
    }
    drop((issuer, also));
    assert_eq!(lab.holds("acme/device")["records"][0]["issued"], 2);
}
