//! Renewing certificates and superseding keys: who gets what, what stays valid, and what is refused.

use crate::harness::Lab;

/// A CA, a device with an alternative name, a firmware signer, and keys to renew with.
fn stage() -> Lab {
    let lab = Lab::ca("");
    for name in ["dev", "new", "newer"] {
        lab.bulla(&format!("keygen -o {name}.key")).ok();
    }
    let names = "--subject O=Acme --serial SN-1 --hw-module 1.3.6.1.4.1.99999.1:SC42";
    lab.bulla(&format!("csr dev.key --profile idevid {names} -o dev.csr")).ok();
    lab.bulla("enroll dev.csr --profile idevid --ca acme -o dev.pem").ok();
    lab.signer("signer");
    lab
}

/// What openssl shows of a certificate.
#[track_caller]
fn shown(lab: &Lab, name: &str, what: &str) -> String {
    lab.judge(&format!("openssl x509 -in {name} -noout {what}")).ok().text()
}

#[track_caller]
fn verifies(lab: &Lab, name: &str) {
    lab.bulla("ca crl acme/device -o device.crl --force").ok();
    let list = "-crl_check -CRLfile device.crl -CAfile acme/device/root.pem";
    lab.judge(&format!("openssl verify {list} -untrusted {name} {name}")).ok();
}

#[test]
fn a_renewal_has_the_same_names_a_new_key_and_leaves_the_old_one_valid() {
    let lab = stage();
    let told = lab.told("renew dev.pem --key new.key --ca acme -o new.pem");
    assert_eq!((&told["schema"], &told["profile"]), (&"bulla.renew/1".into(), &"idevid".into()));
    let same = "-subject -issuer -ext subjectAltName,keyUsage,basicConstraints,authorityKeyIdentifier";
    assert_eq!(shown(&lab, "new.pem", same), shown(&lab, "dev.pem", same));
    let der = |name| lab.judge(&format!("openssl x509 -in {name} -outform DER")).ok().stdout;
    assert!([der("dev.pem"), der("new.pem")].iter().all(|der| der.windows(4).any(|window| window == b"SC42")));
    let key = lab.bulla("keygen --public new.key -o -").ok().text();
    assert_eq!(shown(&lab, "new.pem", "-pubkey"), key);
    verifies(&lab, "dev.pem");
    verifies(&lab, "new.pem");
    let states: Vec<_> = lab.list("acme/device").iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["replaced", "issued"]);
    lab.bulla("renew dev.pem --key new.key --ca acme/device -o again.pem").ok();
    assert_eq!(lab.read("again.pem"), lab.read("new.pem"), "the same renewal gives the same certificate");
    assert_eq!(lab.list("acme/device").len(), 2);
    lab.holds("acme");
}

#[test]
fn a_chain_of_renewals_has_one_newest() {
    let lab = stage();
    lab.bulla("renew dev.pem --key new.key --ca acme -o new.pem").ok();
    lab.fails_with("renew dev.pem --key newer.key --ca acme -o out", 1, "not-renewable");
    lab.bulla("renew new.pem --key newer.key --ca acme -o newer.pem").ok();
    lab.fails_with("renew dev.pem --key new.key --ca acme -o out", 1, "not-renewable");
    let states: Vec<_> = lab.list("acme --identity SN-1").iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["replaced", "replaced", "issued"]);
    // The request of before has the certificate of nobody.
    lab.fails_with("enroll dev.csr --profile idevid --ca acme -o out", 1, "identity-taken");
    lab.holds("acme");
}

#[test]
fn a_renewal_by_request_takes_its_key_and_the_names_of_before() {
    let lab = stage();
    lab.judge("openssl req -new -key new.key -subj /CN=somebody-else -out other.csr").ok();
    lab.fails_with("renew dev.pem --csr other.csr --ca acme -o out", 1, "names");
    lab.judge(
        "openssl req -new -key new.key -subj /O=Acme/serialNumber=SN-1 -addext subjectAltName=DNS:a -out other.csr",
    )
    .ok();
    lab.fails_with("renew dev.pem --csr other.csr --ca acme -o out", 1, "names");
    lab.judge("openssl req -new -key new.key -subj / -out new.csr").ok();
    lab.bulla("renew dev.pem --csr new.csr --ca acme -o new.pem").ok();
    assert_eq!(shown(&lab, "new.pem", "-subject"), shown(&lab, "dev.pem", "-subject"));
    assert_eq!(shown(&lab, "new.pem", "-pubkey"), lab.judge("openssl req -in new.csr -noout -pubkey").ok().text());
    let mut forged = lab.judge("openssl req -in new.csr -outform DER").ok().stdout;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    lab.write("forged.csr", forged);
    lab.bulla("renew new.pem --csr forged.csr --ca acme -o out").exits(3).says("does not prove");
    assert!(!lab.has("out"));
}

#[test]
fn the_key_is_kept_where_that_is_said_and_only_there() {
    let lab = stage();
    lab.fails_with("renew dev.pem --key dev.key --ca acme -o out", 1, "same-key");
    lab.fails_with("renew dev.pem --csr dev.csr --ca acme -o out", 1, "same-key");
    lab.fails_with("renew dev.pem --key new.key --keep-key --ca acme -o out", 1, "other-key");
    lab.bulla("renew dev.pem --key dev.key --keep-key --ca acme -o kept.pem").ok();
    assert_eq!(shown(&lab, "kept.pem", "-pubkey -subject"), shown(&lab, "dev.pem", "-pubkey -subject"));
    assert_ne!(lab.serial("kept.pem"), lab.serial("dev.pem"));
    lab.bulla("renew dev.pem --csr dev.csr --keep-key --ca acme -o again.pem").ok();
    assert_eq!(lab.read("again.pem"), lab.read("kept.pem"));
    lab.bulla("enroll dev.csr --profile idevid --ca acme -o asked.pem").ok();
    assert_eq!(lab.read("asked.pem"), lab.read("kept.pem"), "who asks anew gets the newest");
    verifies(&lab, "kept.pem");
}

#[test]
fn what_was_revoked_or_held_is_not_renewed() {
    let lab = stage();
    lab.bulla("revoke dev.pem --reason certificateHold --ca acme").ok();
    lab.fails_with("renew dev.pem --key new.key --ca acme -o out", 1, "not-renewable");
    lab.bulla("revoke dev.pem --reason removeFromCRL --ca acme").ok();
    lab.bulla("renew dev.pem --key new.key --ca acme -o new.pem").ok();
    lab.bulla("revoke new.pem --reason keyCompromise --ca acme").ok();
    lab.fails_with("renew new.pem --key newer.key --ca acme -o out", 1, "not-renewable");
    lab.fails_with("renew dev.pem --key new.key --ca acme -o out", 1, "not-renewable");
    let refused = lab.holds("acme")["records"][0]["refused"].clone();
    assert_eq!(refused, 3, "each refusal is on record");
}

#[test]
fn what_has_expired_is_enrolled_and_not_renewed() {
    let lab = stage();
    lab.bulla("enroll --key dev.key --profile ldevid --cn unit --ca acme -o x").exits(1);
    lab.bulla("enroll --key new.key --profile ldevid --cn unit --ca acme -o unit.pem").ok();
    let renew = "renew unit.pem --key newer.key --ca acme -o late.pem";
    lab.at("+400d", renew).exits(1).says("has expired");
    assert_eq!(lab.list("acme --expires-before 9999-01-01 --profile ldevid")[0]["state"], "issued");
    let late = lab.at("+400d", "ca list acme --state expired --format json").ok().json();
    assert_eq!(late["identity"], "CN=unit");
    lab.at("+400d", "enroll --key newer.key --profile ldevid --cn unit --ca acme -o late.pem").ok();
    // The other direction: no clock of before, and none from far ahead.
    lab.at("+1d", "renew late.pem --key dev.key --ca acme -o out").exits(1).says("clock says");
    lab.at("+11y", "enroll dev.csr --profile idevid --ca acme -o out").exits(1).says("the CA's last record is of");
    lab.at("-10y", "enroll dev.csr --profile idevid --ca acme -o out").exits(1).says("clock says");
    lab.at("+11y", "enroll dev.csr --profile idevid --ca acme --accept-clock -o far.pem").ok();
    assert_eq!(lab.read("far.pem"), lab.read("dev.pem"));
}

#[test]
fn a_certificate_of_somebody_else_is_not_renewed() {
    let lab = stage();
    lab.bulla("ca init other --name Acme --no-passphrase").ok();
    lab.bulla("enroll dev.csr --profile idevid --ca other -o theirs.pem").ok();
    lab.fails_with("renew theirs.pem --key new.key --ca acme -o out", 1, "no-such-certificate");
    // The same serial number and names, under a key of their own.
    let twin = "req -x509 -key newer.key -subj /O=Acme/serialNumber=SN-1 -days 90 -out twin.pem -set_serial 0x";
    lab.judge(&format!("openssl {twin}{}", lab.serial("dev.pem").replace(':', ""))).ok();
    assert_eq!(lab.serial("twin.pem"), lab.serial("dev.pem"));
    lab.fails_with("renew twin.pem --key new.key --ca acme -o out", 1, "not-ours");
    lab.fails_with("renew dev.pem --profile ldevid --key new.key --ca acme -o out", 1, "not-ours");
    lab.fails_with("renew dev.pem --key new.key --ca acme/firmware -o out", 1, "profile-not-served");
    lab.fails_with("renew acme/device/issuing.pem --key new.key --ca acme -o out", 1, "profile-not-served");
    lab.bulla("keygen --type rsa2048 -o rsa.key").ok();
    lab.bulla("renew dev.pem --key rsa.key --ca acme -o rsa.pem").ok();
    lab.holds("acme");
}

#[test]
fn a_key_of_another_identity_renews_nothing() {
    let lab = stage();
    lab.device("SN-2");
    lab.fails_with("renew dev.pem --key SN-2.key --ca acme -o out", 1, "key-taken");
    lab.fails_with("enroll --key SN-2.key --serial SN-1 --profile idevid --ca acme -o out", 1, "identity-taken");
    let supersede = "--supersede --reason superseded --profile idevid --ca acme -o out";
    lab.fails_with(&format!("enroll --key SN-2.key --subject O=Acme --serial SN-1 {supersede}"), 1, "key-taken");
    let states: Vec<_> = lab.list("acme/device").iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["issued", "issued"], "what is refused revokes nothing");
}

#[test]
fn a_renewal_by_the_next_generation_stands_under_it() {
    let lab = stage();
    lab.bulla("ca renew-issuing acme/device --no-passphrase").ok();
    lab.bulla("renew dev.pem --key new.key --ca acme -o new.pem").ok();
    assert!(shown(&lab, "new.pem", "-issuer").contains("CN = Acme Device CA G2"));
    verifies(&lab, "new.pem");
    lab.bulla("renew dev.pem --key new.key --ca acme -o again.pem").ok();
    assert_eq!(lab.read("again.pem"), lab.read("new.pem"));
    verifies(&lab, "dev.pem");
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one_for_a_reason() {
    let lab = stage();
    lab.device("SN-7");
    let new = "enroll --key new.key --serial SN-7 --profile idevid --ca acme";
    lab.fails_with(&format!("{new} -o out"), 1, "identity-taken");
    for _ in 0..2 {
        lab.bulla(&format!("{new} --supersede --reason keyCompromise -o new.pem --force")).ok();
    }
    lab.bulla(&format!("{new} -o same.pem")).ok();
    assert_eq!(lab.read("same.pem"), lab.read("new.pem"));
    let listed = lab.list("acme --identity SN-7");
    let states: Vec<_> = listed.iter().map(|line| (line["state"].clone(), line["reason"].clone())).collect();
    assert_eq!(states, [("revoked".into(), "keyCompromise".into()), ("issued".into(), serde_json::Value::Null)]);
    verifies(&lab, "new.pem");
    let old = "openssl verify -crl_check -CRLfile device.crl -CAfile acme/device/root.pem -untrusted SN-7.pem SN-7.pem";
    assert!(lab.judge(old).exits(2).stderr.contains("certificate revoked"));
    // The old key is gone for good, whoever asks.
    for flags in ["", "--supersede --reason superseded"] {
        let code = if flags.is_empty() { "identity-taken" } else { "key-compromised" };
        lab.fails_with(&format!("enroll SN-7.csr --profile idevid --ca acme {flags} -o out"), 1, code);
    }
    assert_eq!(lab.list("acme --identity SN-7 --state issued").len(), 1);
    // Where there is nothing to supersede, it is an enrolment.
    lab.bulla(
        "enroll --key newer.key --serial SN-8 --profile idevid --ca acme --supersede --reason superseded -o 8.pem",
    )
    .ok();
    lab.holds("acme");
}

#[test]
fn a_wrong_command_line_renews_nothing() {
    let lab = stage();
    for words in [
        "renew dev.pem --ca acme -o out",
        "renew --key new.key --ca acme -o out",
        "renew dev.pem --key new.key --csr dev.csr --ca acme -o out",
        "renew dev.pem --key new.key --ca acme",
        "renew dev.pem --key new.key -o out",
        "renew dev.pem --key new.key --valid-for 0d --ca acme -o out",
        "renew dev.pem --csr dev.csr --passphrase-from env:X --ca acme -o out",
        "enroll dev.csr --profile idevid --supersede --ca acme -o out",
        "enroll dev.csr --profile idevid --reason superseded --ca acme -o out",
        "enroll dev.csr --profile idevid --supersede --reason because --ca acme -o out",
    ] {
        lab.fails_with(words, 2, "usage");
    }
    for (words, code) in [
        ("renew dev.pem --key new.key --ca acme -o signer.pem", "exists"),
        ("renew dev.pem --key new.key --ca nothing -o out", "not-a-ca"),
        ("renew nothing.pem --key new.key --ca acme -o out", "cannot-read"),
        ("renew dev.key --key new.key --ca acme -o out", "wrong-type"),
        ("renew dev.pem --key nothing.key --ca acme -o out", "cannot-read"),
        ("renew dev.pem --csr dev.pem --ca acme -o out", "wrong-type"),
    ] {
        lab.fails_with(words, 1, code);
    }
    lab.fails_with("renew dev.pem --key new.key --profile odd --ca acme -o out", 2, "unknown-profile");
    assert_eq!(lab.list("acme/device").len(), 1);
}
