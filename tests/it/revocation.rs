//! Revoking, and the lists that say so: judged by openssl, GnuTLS and pkilint.

use serde_json::Value;

use crate::harness::{Lab, Run};

/// What the world says to a leaf under a revocation list.
fn checked(lab: &Lab, crl: &str, hierarchy: &str, leaf: &str) -> Run {
    let root = format!("acme/{hierarchy}/root.pem");
    lab.judge(&format!("openssl verify -crl_check -CRLfile {crl} -CAfile {root} -untrusted {leaf} {leaf}"))
}

#[track_caller]
fn is_good(lab: &Lab, crl: &str, hierarchy: &str, leaf: &str) {
    assert_eq!(checked(lab, crl, hierarchy, leaf).ok().text(), format!("{leaf}: OK\n"));
}

/// openssl's error 23 is X509_V_ERR_CERT_REVOKED.
#[track_caller]
fn is_revoked(lab: &Lab, crl: &str, hierarchy: &str, leaf: &str) {
    let run = checked(lab, crl, hierarchy, leaf).exits(2);
    assert!(run.stderr.contains("error 23 at 0 depth lookup: certificate revoked"), "{}", run.stderr);
}

/// A new list of the devices' issuer.
#[track_caller]
fn crl(lab: &Lab, output: &str) -> Value {
    lab.told(&format!("ca crl acme/device -o {output} --force"))
}

/// A list as openssl shows it.
#[track_caller]
fn shown(lab: &Lab, crl: &str) -> String {
    lab.judge(&format!("openssl crl -in {crl} -noout -text")).ok().text()
}

#[test]
fn a_revoked_certificate_is_refused_under_every_type_of_ca() {
    for key_type in ["p256", "p384", "ed25519", "rsa2048"] {
        let lab = Lab::ca(&format!("--type {key_type}"));
        ["SN-1", "SN-2"].iter().for_each(|name| lab.device(name));
        lab.signer("signer");
        crl(&lab, "before.crl");
        is_good(&lab, "before.crl", "device", "SN-1.pem");
        lab.bulla("revoke SN-1.pem --reason keyCompromise --ca acme").ok();
        lab.bulla("revoke signer.pem --reason superseded --ca acme").ok();
        crl(&lab, "device.crl");
        lab.bulla("ca crl acme/firmware -o firmware.crl").ok();
        is_revoked(&lab, "device.crl", "device", "SN-1.pem");
        is_good(&lab, "device.crl", "device", "SN-2.pem");
        is_revoked(&lab, "firmware.crl", "firmware", "signer.pem");
        for hierarchy in ["device", "firmware"] {
            let signed = format!("openssl crl -noout -in {hierarchy}.crl -CAfile acme/{hierarchy}/issuing.pem");
            assert!(lab.judge(&signed).ok().stderr.contains("verify OK"), "{key_type}");
        }
        gnutls_agrees(&lab, key_type);
        assert_eq!(lab.pkilint("crl", &["before.crl", "device.crl", "firmware.crl"]), [""; 0], "{key_type}");
        nobody_believes_a_changed_list(&lab);
    }
}

/// GnuTLS: the lists, and the chains under them.
#[track_caller]
fn gnutls_agrees(lab: &Lab, key_type: &str) {
    let certtool = |words: &str| lab.judge(&format!("env LC_ALL=C certtool {words}"));
    certtool("--verify-crl --load-ca-certificate acme/device/issuing.pem --infile device.crl").ok();
    let text = certtool("--crl-info --infile device.crl").ok().text();
    let serial = lab.serial("SN-1.pem").replace(':', "");
    assert!(text.contains("Revoked certificates (1)") && text.contains(&serial), "{key_type}: {text}");
    let trust = "--load-ca-certificate acme/device/root.pem --load-crl device.crl";
    for (leaf, verdict) in [("SN-2", "Verified. The certificate is trusted."), ("SN-1", "revoked")] {
        let run = certtool(&format!("--verify {trust} --infile {leaf}.pem"));
        assert!(run.text().contains(verdict), "{key_type} {leaf}: {}{}", run.text(), run.stderr);
    }
}

#[track_caller]
fn nobody_believes_a_changed_list(lab: &Lab) {
    let der = lab.judge("openssl crl -in device.crl -outform DER").ok().stdout;
    let serial: Vec<u8> =
        lab.serial("SN-1.pem").split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    let at = der.windows(serial.len()).position(|window| window == serial).expect("the serial number");
    let mut twin = der;
    twin[at + 1] ^= 1;
    lab.write("twin.der", twin);
    lab.judge("openssl crl -inform DER -in twin.der -out twin.crl").ok();
    let run = checked(lab, "twin.crl", "device", "SN-1.pem").exits(2);
    assert!(run.stderr.contains("CRL signature failure"), "{}", run.stderr);
    lab.judge("certtool --verify-crl --load-ca-certificate acme/device/issuing.pem --infile twin.crl").fails();
}

#[test]
fn a_list_has_a_rising_number_an_end_and_every_reason() {
    const REASONS: [(&str, &str); 9] = [
        ("unspecified", ""),
        ("keyCompromise", "Key Compromise"),
        ("cACompromise", "CA Compromise"),
        ("affiliationChanged", "Affiliation Changed"),
        ("superseded", "Superseded"),
        ("cessationOfOperation", "Cessation Of Operation"),
        ("certificateHold", "Certificate Hold"),
        ("privilegeWithdrawn", "Privilege Withdrawn"),
        ("aACompromise", "AA Compromise"),
    ];
    let lab = Lab::ca("--hierarchy device");
    lab.bulla("ca crl acme -o empty.crl").ok();
    assert!(shown(&lab, "empty.crl").contains("No Revoked Certificates."));
    assert_eq!(lab.pkilint("crl", &["empty.crl"]), [""; 0]);
    for (reason, _) in REASONS {
        lab.device(reason);
        lab.bulla(&format!("revoke {reason}.pem --reason {reason} --ca acme")).ok();
    }
    let told = lab.told("ca crl acme --every 2d --overlap 3d --encoding der -o full.der");
    assert_eq!(told["lists"][0]["revoked"], 9);
    lab.judge("openssl crl -inform DER -in full.der -out full.crl").ok();
    assert_eq!(lab.pkilint("crl", &["full.crl"]), [""; 0]);
    let text = shown(&lab, "full.crl");
    for (reason, words) in REASONS {
        let serial = lab.serial(&format!("{reason}.pem")).replace(':', "").to_uppercase();
        let entry = text.lines().skip_while(|line| !line.contains(&serial)).skip(1);
        let mut entry = entry.take_while(|line| !line.contains("Serial Number") && !line.contains("Signature"));
        let found =
            entry.find(|line| line.contains("Reason Code")).and_then(|_| entry.next()).unwrap_or_default().trim();
        assert_eq!(found, words, "{reason}: {text}");
    }
    let number = |name: &str| {
        let text = lab.judge(&format!("openssl crl -in {name} -noout -crlnumber")).ok().text();
        u64::from_str_radix(text.trim().trim_start_matches("crlNumber=0x"), 16).expect("a number")
    };
    assert_eq!(told["lists"][0]["number"], number("full.crl"));
    lab.bulla("ca crl acme -o again.crl").ok();
    assert!(number("empty.crl") < number("full.crl") && number("full.crl") < number("again.crl"));
    let times = lab.judge("openssl crl -in full.crl -noout -lastupdate -nextupdate").ok().text();
    let times: Vec<&str> = times.lines().filter_map(|line| line.split_once('=')).map(|(_, time)| time).collect();
    let seconds = |time: &str| lab.run("date", ["-d", time, "+%s"]).ok().text().trim().parse::<u64>().expect("seconds");
    assert_eq!(seconds(times[1]) - seconds(times[0]), 5 * 86400, "{times:?}");
}

#[test]
fn certificates_are_selected_by_file_serial_identity_profile_and_time() {
    let lab = Lab::ca("");
    ["SN-1", "SN-2", "SN-3", "SN-4", "SN-5"].iter().for_each(|name| lab.device(name));
    lab.bulla("keygen -o l.key").ok();
    lab.bulla("enroll --key l.key --profile ldevid --cn unit --ca acme -o l.pem").ok();
    lab.signer("signer");
    let revoked = || {
        let mut found = lab.listed("acme --state revoked", "identity");
        found.sort();
        found
    };
    let said = |words: &str| lab.told(&format!("revoke --ca acme --reason superseded {words}"))["revoked"].clone();
    // Said, and not done.
    let dry = lab.told("revoke --ca acme --reason superseded --profile idevid --dry-run");
    assert_eq!((&dry["would_be_revoked"], &dry["revoked"]), (&5.into(), &0.into()), "{dry}");
    assert_eq!(revoked(), [""; 0]);
    assert_eq!(said("SN-1.pem"), 1);
    assert_eq!(said(&format!("--serial {}", lab.serial("SN-2.pem"))), 1);
    assert_eq!(said(&format!("--serial {}", lab.serial("SN-3.pem").replace(':', "").to_uppercase())), 1);
    assert_eq!(said("--identity SN-4"), 1);
    assert_eq!(revoked(), ["SN-1", "SN-2", "SN-3", "SN-4"].map(|name| format!("serialNumber={name}")));
    let dry = lab.told("revoke --ca acme --reason superseded --profile idevid --dry-run");
    assert_eq!((&dry["would_be_revoked"], &dry["already_revoked"]), (&1.into(), &4.into()), "{dry}");
    assert_eq!(said("--profile ldevid"), 1);
    assert_eq!(said("--profile idevid --identity serialNumber=SN-5"), 1);
    assert_eq!(revoked().len(), 6, "and the signer stands");
    // A day that has passed, then a time that holds everything, in both hierarchies.
    lab.fails_with(
        "revoke --ca acme --reason superseded --issued-between 2001-01-01 2001-01-02",
        1,
        "no-such-certificate",
    );
    let all = lab.told("revoke --ca acme --reason cessationOfOperation --issued-between 2001-01-01 9999-01-01");
    assert_eq!((&all["revoked"], &all["already_revoked"]), (&1.into(), &6.into()), "{all}");
    assert_eq!(revoked().len(), 7);
    let reasons = lab.listed("acme/device", "reason");
    assert!(reasons.iter().all(|reason| reason == "superseded"), "the first reason stays: {reasons:?}");
    assert_eq!(lab.listed("acme/firmware", "reason"), ["cessationOfOperation"]);
    let audit = lab.holds("acme");
    assert_eq!((&audit["records"][0]["revoked"], &audit["records"][1]["revoked"]), (&6.into(), &1.into()));
}

#[test]
fn a_whole_ca_is_revoked_at_once() {
    let lab = Lab::ca("");
    lab.device("SN-1");
    lab.signer("signer");
    let all = "revoke --issued-between 2001-01-01 9999-01-01 --reason cACompromise --ca acme";
    assert_eq!(lab.told(all)["revoked"], 2);
    assert_eq!(lab.told(all)["already_revoked"], 2, "it can be repeated");
    for (hierarchy, leaf) in [("device", "SN-1.pem"), ("firmware", "signer.pem")] {
        lab.bulla(&format!("ca crl acme/{hierarchy} -o {hierarchy}.crl")).ok();
        is_revoked(&lab, &format!("{hierarchy}.crl"), hierarchy, leaf);
    }
}

#[test]
fn a_hold_is_lifted_and_nothing_else_is() {
    let lab = Lab::ca("");
    lab.device("SN-1");
    lab.device("SN-2");
    let outcome = |words: &str| {
        let told = lab.told(&format!("revoke {words} --ca acme"));
        told["certificates"][0]["outcome"].as_str().expect("an outcome").to_owned()
    };
    assert_eq!(outcome("SN-1.pem --reason removeFromCRL"), "not_on_hold");
    assert_eq!(outcome("SN-1.pem --reason certificateHold"), "revoked");
    assert_eq!(outcome("SN-1.pem --reason certificateHold"), "already_revoked");
    crl(&lab, "held.crl");
    is_revoked(&lab, "held.crl", "device", "SN-1.pem");
    assert!(shown(&lab, "held.crl").contains("Certificate Hold"));
    lab.fails_with("enroll SN-1.csr --profile idevid --ca acme -o new.pem", 1, "on-hold");
    assert_eq!(outcome("SN-1.pem --reason removeFromCRL --dry-run"), "would_be_released");
    assert_eq!(outcome("SN-1.pem --reason keyCompromise --dry-run"), "would_be_revoked");
    assert_eq!(outcome("SN-2.pem --reason removeFromCRL --dry-run"), "not_on_hold");
    assert_eq!(outcome("SN-1.pem --reason removeFromCRL"), "released");
    crl(&lab, "lifted.crl");
    is_good(&lab, "lifted.crl", "device", "SN-1.pem");
    lab.bulla("enroll SN-1.csr --profile idevid --ca acme -o same.pem").ok();
    assert_eq!(lab.read("same.pem"), lab.read("SN-1.pem"), "it is the certificate of before");
    // From hold to revoked for good, and no way back.
    assert_eq!(outcome("SN-1.pem --reason certificateHold"), "revoked");
    assert_eq!(outcome("SN-1.pem --reason keyCompromise"), "revoked");
    assert_eq!(outcome("SN-1.pem --reason removeFromCRL"), "not_on_hold");
    crl(&lab, "gone.crl");
    assert!(shown(&lab, "gone.crl").contains("Key Compromise"));
    lab.holds("acme");
}

#[test]
fn a_compromised_key_never_serves_again() {
    let lab = Lab::ca("");
    lab.device("SN-1");
    lab.device("SN-2");
    lab.bulla("revoke SN-1.pem --reason keyCompromise --ca acme").ok();
    lab.bulla("revoke SN-2.pem --reason superseded --ca acme").ok();
    lab.fails_with("enroll SN-1.csr --profile idevid --ca acme -o out", 1, "key-compromised");
    lab.bulla("enroll SN-2.csr --profile idevid --ca acme -o again.pem").ok();
    assert_ne!(lab.serial("again.pem"), lab.serial("SN-2.pem"), "a revoked certificate is not handed out again");
    crl(&lab, "device.crl");
    is_revoked(&lab, "device.crl", "device", "SN-2.pem");
    is_good(&lab, "device.crl", "device", "again.pem");
}

#[test]
fn what_cannot_be_revoked_says_so() {
    let lab = Lab::with_ca();
    lab.judge(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout f.key -out f.pem -subj /CN=f",
    )
    .ok();
    for words in ["f.pem", "--serial 00aa", "--identity nobody", "--profile idevid", "fw.pem --ca acme/device"] {
        let ca = if words.contains("--ca") { "" } else { "--ca acme" };
        lab.fails_with(&format!("revoke {words} --reason superseded {ca}"), 1, "no-such-certificate");
    }
    for words in [
        "",
        "fw.pem --identity signer --reason superseded",
        "--reason superseded",
        "fw.pem",
        "fw.pem --reason because",
        "--serial xyz --reason superseded",
        "--issued-between 2026-01-01 --reason superseded",
        "--issued-between 2026-01-01 soon --reason superseded",
    ] {
        lab.fails_with(&format!("revoke {words} --ca acme"), 2, "usage");
    }
    // The same serial number, and another certificate.
    let twin = "openssl req -x509 -key f.key -subj /CN=signer -days 90 -out twin.pem -set_serial 0x";
    lab.judge(&format!("{twin}{}", lab.serial("fw.pem").replace(':', ""))).ok();
    assert_eq!(lab.serial("twin.pem"), lab.serial("fw.pem"));
    lab.fails_with("revoke twin.pem --reason superseded --ca acme", 1, "no-such-certificate");
    lab.fails_with("revoke nothing.pem --reason superseded --ca acme", 1, "cannot-read");
    lab.fails_with("revoke fw.key --reason superseded --ca acme", 1, "wrong-type");
    lab.fails_with("ca crl acme -o out", 2, "usage");
    lab.fails_with("ca crl acme/device --every 0d -o out", 2, "usage");
    lab.fails_with("ca crl acme/device -o fw.pem", 1, "exists");
    assert_eq!(lab.listed("acme --state revoked", "serial"), [""; 0]);
}

/// RFC 5280 section 3.3: an entry stays until one list after the end of its certificate; section 5.1.2.5: times after
/// 2049 have four digits for the year.
#[test]
fn what_has_ended_leaves_the_list_and_the_century_may_turn() {
    let lab = Lab::ca("--hierarchy device");
    lab.bulla("keygen -o x.key").ok();
    lab.bulla("enroll --key x.key --profile ldevid --cn x --ca acme -o x.pem").ok();
    lab.bulla("revoke x.pem --reason superseded --ca acme").ok();
    for (time, output, count) in [("+300d", "1", 1), ("+400d", "2", 1), ("+401d", "3", 0)] {
        lab.at(time, &format!("ca crl acme -o {output}.crl")).ok();
        assert_eq!(shown(&lab, &format!("{output}.crl")).matches("Serial Number").count(), count, "{time}");
    }
    lab.at("+402d", "ca crl acme --every 30y -o far.crl").ok();
    let parsed = lab.judge("openssl asn1parse -in far.crl").ok().text();
    assert_eq!((parsed.matches("UTCTIME").count(), parsed.matches("GENERALIZEDTIME").count()), (1, 1), "{parsed}");
    assert_eq!(lab.pkilint("crl", &["1.crl", "2.crl", "3.crl", "far.crl"]), [""; 0]);
}

#[test]
fn each_key_of_an_issuing_ca_has_its_list() {
    let lab = Lab::ca("");
    lab.device("SN-1");
    lab.device("SN-2");
    lab.bulla("ca renew-issuing acme/device --no-passphrase").ok();
    lab.device("SN-3");
    lab.device("SN-4");
    for name in ["SN-1", "SN-3"] {
        lab.bulla(&format!("revoke {name}.pem --reason keyCompromise --ca acme")).ok();
    }
    lab.fails_with("ca crl acme/device --encoding der -o out", 2, "usage");
    let told = crl(&lab, "both.crl");
    let lists = told["lists"].as_array().expect("lists");
    assert_eq!(lists.iter().map(|list| &list["revoked"]).collect::<Vec<_>>(), [1, 1]);
    assert_ne!(lists[0]["issuer"], lists[1]["issuer"]);
    assert_eq!(String::from_utf8_lossy(&lab.read("both.crl")).matches("BEGIN X509 CRL").count(), 2);
    for name in ["SN-1.pem", "SN-3.pem"] {
        is_revoked(&lab, "both.crl", "device", name);
    }
    for name in ["SN-2.pem", "SN-4.pem"] {
        is_good(&lab, "both.crl", "device", name);
    }
}

#[test]
fn one_list_serves_two_certificates_of_one_key() {
    let lab = Lab::ca("");
    lab.device("SN-1");
    lab.bulla("ca renew-issuing acme/device --keep-key").ok();
    lab.device("SN-2");
    lab.device("SN-3");
    for name in ["SN-1", "SN-2"] {
        lab.bulla(&format!("revoke {name}.pem --reason keyCompromise --ca acme")).ok();
    }
    let told = crl(&lab, "one.crl");
    assert_eq!((told["lists"].as_array().map(Vec::len), &told["lists"][0]["revoked"]), (Some(1), &2.into()), "{told}");
    is_revoked(&lab, "one.crl", "device", "SN-1.pem");
    is_revoked(&lab, "one.crl", "device", "SN-2.pem");
    is_good(&lab, "one.crl", "device", "SN-3.pem");
}

/// `DC=com, DC=example`: a map of attributes would lose one, and the list would be nobody's.
#[test]
fn a_list_bears_the_name_of_its_issuer_with_attributes_that_repeat() {
    let lab = Lab::ca("--hierarchy device --request-only");
    lab.shell(
        "set -e
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -days 900 \
            -subj /DC=com/DC=example/CN=Root -addext keyUsage=critical,keyCertSign,cRLSign
        printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n' >ext
        openssl x509 -req -in acme/device/issuing.csr -CA root.pem -CAkey root.key -extfile ext -days 800 \
            -set_serial 7 -subj /DC=com/DC=example/OU=a/OU=b/CN=Issuing -out issuing.pem",
    )
    .ok();
    lab.bulla("ca import acme/device issuing.pem --root root.pem").ok();
    for name in ["SN-1", "SN-2"] {
        lab.bulla(&format!("keygen -o {name}.key")).ok();
        let names = format!("--serial {name} --profile idevid --valid-for 90d");
        lab.bulla(&format!("enroll --key {name}.key {names} --ca acme -o {name}.pem")).ok();
    }
    lab.bulla("revoke SN-1.pem --reason superseded --ca acme").ok();
    crl(&lab, "device.crl");
    let issuer = lab.judge("openssl crl -in device.crl -noout -issuer").ok().text();
    assert_eq!(issuer, "issuer=DC = com, DC = example, OU = a, OU = b, CN = Issuing\n");
    is_revoked(&lab, "device.crl", "device", "SN-1.pem");
    is_good(&lab, "device.crl", "device", "SN-2.pem");
    assert_eq!(lab.pkilint("crl", &["device.crl"]), [""; 0]);
}
