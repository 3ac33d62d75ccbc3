//! Profiles of the user's own, from file to certificate, with openssl as the second opinion; and Matter's beside the
//! public test certificates.

use bulla::key::{KeyType, Signer, SoftwareKey};
use bulla::x509::issue::{self, Serial};
use bulla::x509::{Certificate, Name, Names, Profile, ProvenRequest, Request, Time, Variables, Wanted, no_expiry};

use crate::harness::Lab;

const GATEWAY: &str = r#"
schema = "bulla.profile/1"
name = "acme-gateway"
summary = "a gateway"
extends = "idevid"
key-types = ["p256"]
not-before = "2018-03-22T23:59:59Z"
policies = [{ oid = "2.23.133.11.1.1" }, { oid = "1.2.3.4", cps = "https://acme.example/cps" }]
crl-urls = ["http://acme.example/device.crl", "http://mirror.example/device.crl"]
issuer-urls = ["http://acme.example/device.cer"]
ocsp-urls = ["http://ocsp.acme.example"]
ocsp-no-check = true
extensions = [{ oid = "1.3.6.1.5.5.7.1.34", critical = false, hex = "30030c014e" }]
subject = [
    { attribute = "O", value = "Acme Devices" },
    { attribute = "serialNumber", value = "{serial}" },
    { attribute = "CN", value = "ACME-GW-{serial}" },
    { attribute = "OU", optional = true },
]

[variables]
serial = { type = "text", max-length = 20 }

[alt-names]
values = [{ form = "hardwareModuleName", value = "1.3.6.1.4.1.99999.1:{serial}" }]
"#;

/// A CA, a key, and the gateway's profile.
fn stage() -> Lab {
    let lab = Lab::new();
    lab.write("gateway.toml", GATEWAY);
    for words in ["ca init acme --name Acme --no-passphrase", "keygen -o dev.key", "keygen --type p384 -o big.key"] {
        lab.bulla(words).ok();
    }
    lab
}

#[test]
fn a_profile_of_ones_own_makes_its_names_and_extensions() {
    let lab = stage();
    lab.bulla("csr dev.key --profile gateway.toml --set serial=SN-42 -o dev.csr").ok();
    let request = lab.judge("openssl req -in dev.csr -noout -verify -text").ok().text();
    assert!(request.contains("Subject: O = Acme Devices, serialNumber = SN-42, CN = ACME-GW-SN-42"), "{request}");
    lab.bulla("enroll dev.csr --profile gateway.toml --ca acme -o dev.pem").ok();
    let text = lab.judge("openssl x509 -in dev.pem -noout -text").ok().text();
    for (name, lines) in [
        ("Certificate Policies", &["Policy: 2.23.133.11.1.1", "Policy: 1.2.3.4", "CPS: https://acme.example/cps"][..]),
        (
            "CRL Distribution Points",
            &["Full Name:", "URI:http://acme.example/device.crl", "URI:http://mirror.example/device.crl"],
        ),
        (
            "Authority Information Access",
            &["OCSP - URI:http://ocsp.acme.example", "CA Issuers - URI:http://acme.example/device.cer"],
        ),
        ("OCSP No Check", &[]),
        ("Key Usage: critical", &["Digital Signature"]),
        ("Not Before: Mar 22 23:59:59 2018 GMT", &[]),
        ("Not After : Dec 31 23:59:59 9999 GMT", &[]),
    ] {
        let mut rest = text.lines().map(str::trim).skip_while(|line| !line.contains(name)).skip(1);
        assert!(text.contains(name), "{name}: {text}");
        for line in lines {
            assert_eq!(rest.by_ref().find(|found| !found.is_empty()), Some(*line), "{name}: {text}");
        }
    }
    lab.judge("openssl verify -CAfile acme/device/root.pem -untrusted dev.pem dev.pem").ok();
    let shown = lab.bulla("inspect dev.pem").ok().text();
    for words in [
        "certificatePolicies 2.23.133.11.1.1, 1.2.3.4 (https://acme.example/cps)",
        "cRLDistributionPoints http://acme.example/device.crl, http://mirror.example/device.crl",
        "ocsp http://ocsp.acme.example, caIssuers http://acme.example/device.cer",
        "ocsp-nocheck the responder itself is not checked",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains("acme-gateway"), "a profile that is not built in is not claimed: {shown}");
}

#[test]
fn what_a_profile_does_not_allow_is_refused() {
    let lab = stage();
    let csr = "csr dev.key --profile gateway.toml -o out";
    let run = lab.refuses(csr, 1, "profile acme-gateway needs a value for serial");
    assert!(run.stderr.contains("hint: give it with --set serial=VALUE"), "{}", run.stderr);
    lab.refuses(&format!("{csr} --serial 7 --cn other"), 1, "needs CN=ACME-GW-7, and CN=other was asked for");
    lab.refuses(&format!("{csr} --serial 7 --subject C=DE"), 1, "does not allow the subject attribute C=DE");
    lab.refuses(&format!("{csr} --serial 7 --set serial=8"), 1, "was asked for");
    lab.refuses(&format!("{csr} --serial 7 --set colour=red"), 1, "has no variable colour");
    lab.refuses(&format!("{csr} --set serial=1 --set serial=2"), 1, "has two values");
    lab.refuses(&format!("{csr} --set serial"), 2, "must be NAME=VALUE");
    lab.refuses(&format!("{csr} --set serial=hex:41"), 1, "does not fit");
    let big = "csr big.key --profile gateway.toml --serial 7 -o out";
    lab.refuses(big, 1, "certifies keys of type EC P-256, and this one is EC P-384");
    // The CA holds a request of another tool to the same list.
    lab.judge("openssl req -new -key dev.key -subj /serialNumber=7/CN=other -out odd.csr").ok();
    let run = lab.refuses("enroll odd.csr --profile gateway.toml --ca acme -o out", 1, "CN=other was asked for");
    assert!(run.stderr.contains("the CA refused"), "{}", run.stderr);
    lab.judge("openssl req -new -key dev.key -subj /serialNumber=7 -out bare.csr").ok();
    lab.bulla("enroll bare.csr --profile gateway.toml --ca acme -o bare.pem").ok();
    let made = lab.judge("openssl x509 -in bare.pem -noout -subject").ok().text();
    assert!(made.contains("O = Acme Devices, serialNumber = 7, CN = ACME-GW-7"), "{made}");
    for profile in ["device-root", "device-issuing", "matter-pai"] {
        lab.bulla(&format!("enroll --key dev.key --cn x --profile {profile} --ca acme -o out")).fails();
    }
}

#[test]
fn a_file_that_is_no_profile_is_refused_with_its_line() {
    let lab = stage();
    lab.write("typo.toml", GATEWAY.replace("max-length", "maxlength"));
    let run = lab.refuses("csr dev.key --profile typo.toml -o out", 1, "profile typo.toml, line 22: unknown field");
    assert!(run.stderr.contains("`maxlength`"), "{}", run.stderr);
    lab.refuses("csr dev.key --profile ./none -o out", 1, "cannot read");
    lab.refuses("profile show typo.toml", 1, "line 22");
    let lint = lab.bulla("profile lint typo.toml --format json").exits(3).json();
    assert_eq!(lint["findings"][0]["code"], "not-a-profile");
}

#[test]
fn a_profile_shows_whole_and_reads_back() {
    let lab = stage();
    let shown = lab.bulla("profile show gateway.toml").ok().text();
    assert!(shown.contains("validity = \"no-expiry\"") && !shown.contains("extends"), "{shown}");
    lab.write("whole.toml", &shown);
    assert_eq!(lab.bulla("profile show whole.toml").ok().text(), shown);
    let json = |words: &str| lab.bulla(&format!("{words} --format json")).ok().json();
    assert_eq!(json("profile show whole.toml"), json("profile show gateway.toml"));
    assert_eq!(json("profile show idevid")["schema"], "bulla.profile/1");
    let list = json("profile list");
    let listed: Vec<&str> =
        list["profiles"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(listed, Profile::built_in_names().collect::<Vec<_>>());
    for name in listed {
        // What is printed is a start for one's own.
        let own = lab.bulla(&format!("profile show {name}")).ok().text();
        lab.write("own.toml", own.replace(&format!("name = \"{name}\""), "name = \"own\""));
        lab.bulla("profile lint own.toml").ok();
    }
}

#[test]
fn lint_judges_profiles_and_certificates() {
    let lab = stage();
    lab.bulla("enroll --key dev.key --profile gateway.toml --set serial=1 --ca acme -o dev.pem").ok();
    let clean = lab.bulla("profile lint gateway.toml dev.pem acme/device/root.pem").ok().text();
    assert_eq!(clean, "3 file(s): 0 error(s), 0 warning(s)\n");
    lab.shell(
        "for name in x ca; do openssl req -new -key big.key -subj /CN=$name -out $name.csr; done
        openssl x509 -req -in ca.csr -signkey big.key -days 30 -out ca.pem
        openssl x509 -req -in x.csr -CA ca.pem -CAkey big.key -set_serial 7 -days 60 -sha1 -out x.pem
        cat x.pem ca.pem > chain.pem",
    )
    .ok();
    let found = lab.bulla("profile lint chain.pem --format json").exits(3).json();
    let codes = found["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap());
    // Newer versions of openssl make version 3.
    let codes: Vec<&str> = codes.filter(|code| *code != "version").collect();
    assert_eq!(codes, ["broken-hash", "outlives-issuer"]);
    lab.write("warned.toml", GATEWAY.replace("http://ocsp", "https://ocsp"));
    let warned = lab.bulla("profile lint warned.toml").ok().text();
    assert!(warned.contains("warned.toml: warning https-url: profile acme-gateway has https://ocsp"), "{warned}");
    lab.refuses("profile lint none.toml", 1, "cannot read");
    lab.refuses("profile lint dev.key", 1, "is a private key, not a certificate");
}

/// The shape of a smart meter's certificate: no subject, and one critical hardwareModuleName (GBCS).
#[test]
fn a_device_may_be_named_by_its_hardware_alone() {
    let lab = stage();
    let profile = "schema = \"bulla.profile/1\"\nname = \"meter\"\nsummary = \"a meter\"\nhierarchy = \"device\"\n\
                   identity = [\"hardwareModuleName\"]\nvalidity = \"no-expiry\"\nsubject = []\n\
                   key-usage = [\"keyAgreement\"]\npolicies = [{ oid = \"1.2.826.0.1\" }]\n\
                   [variables]\neui = { type = \"hex\", bytes = 8, case = \"lower\" }\n\
                   [alt-names]\nvalues = [{ form = \"hardwareModuleName\", value = \"1.2.826.0.1:hex:{eui}\" }]\n";
    lab.write("meter.toml", profile);
    lab.bulla("profile lint meter.toml").ok();
    let asked = "csr dev.key --profile meter.toml --hw-module 1.2.826.0.1:hex:00DB1234567890A1 -o asked.csr";
    lab.bulla(asked).ok();
    lab.bulla("csr dev.key --profile meter.toml --set eui=00db1234567890a1 -o given.csr").ok();
    for request in ["asked", "given"] {
        lab.bulla(&format!("enroll {request}.csr --profile meter.toml --ca acme -o {request}.pem")).ok();
    }
    assert_eq!(lab.read("asked.pem"), lab.read("given.pem"), "one identity");
    let text = lab.judge("openssl x509 -in asked.pem -noout -text").ok().text();
    assert!(text.contains("X509v3 Subject Alternative Name: critical") && text.contains("Key Agreement"), "{text}");
    let two =
        "csr dev.key --profile meter.toml --hw-module 1.2.826.0.1:hex:00db1234567890a1 --hw-module 1.2.3:x -o out";
    lab.refuses(two, 1, "does not allow the alternative name");
    lab.refuses("csr dev.key --profile meter.toml --set eui=00DB1234567890A1 -o out", 1, "16 lower-case hexadecimal");
    lab.refuses("csr dev.key --profile meter.toml --set eui=00db1234567890a1 --cn x -o out", 1, "does not allow");
}

/// Matter's three certificates, made as a CA makes them.
struct Matter {
    paa: Certificate,
    pai: Certificate,
    dac: Certificate,
}

fn variables(pairs: &[(&str, &str)]) -> Variables {
    let mut variables = Variables::default();
    pairs.iter().for_each(|(name, value)| assert!(variables.set(name, value)));
    variables
}

fn now() -> Time {
    Time::from_unix_timestamp(1_800_000_000).unwrap()
}

/// Issues below `issuer`, with the names that the profile makes there.
fn issued(
    profile: &Profile,
    subject: &Name,
    given: &Variables,
    issuer: (&SoftwareKey, &Certificate),
) -> Result<(SoftwareKey, Certificate), bulla::x509::Error> {
    let key = SoftwareKey::generate(KeyType::P256)?;
    let wanted = Wanted { subject: subject.clone(), variables: given.clone(), ..Wanted::default() };
    let request: ProvenRequest = Request::new(profile, &wanted, &key)?.prove()?;
    let names: Names = profile.names(request.request().subject(), &[], given, Some(issuer.1.subject()))?;
    let scheme = issuer.0.public_key().key_type().usual_scheme();
    let validity = (profile.not_before(now()), profile.not_after(now()));
    let bytes = issue::to_be_signed(profile, &request, &names, issuer.1, scheme, Serial::new(now())?, validity)?;
    Ok((key, issue::sign(&bytes, issuer.0, scheme)?))
}

fn matter() -> Matter {
    let [paa, pai, dac] = ["matter-paa", "matter-pai", "matter-dac"].map(|name| Profile::named(name).unwrap());
    let root_key = SoftwareKey::generate(KeyType::P256).unwrap();
    let names = paa.names(&Name::empty(), &[], &variables(&[("title", "Acme PAA"), ("vid", "FFF1")]), None).unwrap();
    let root = issue::root(&paa, &names, &root_key, (now(), no_expiry())).unwrap();
    let given = variables(&[("title", "Acme PAI"), ("vid", "FFF1"), ("pid", "8000")]);
    let (pai_key, intermediate) = issued(&pai, &Name::empty(), &given, (&root_key, &root)).unwrap();
    let subject = Name::new(&[(Name::COMMON_NAME, "Acme DAC 0001")]).unwrap();
    let own = variables(&[("vid", "FFF1"), ("pid", "8000")]);
    let (_, device) = issued(&dac, &subject, &own, (&pai_key, &intermediate)).unwrap();
    // Another maker's, and another product's, are refused: the PAI has both numbers.
    for (vid, pid) in [("FFF2", "8000"), ("FFF1", "8001")] {
        let error = issued(&dac, &subject, &variables(&[("vid", vid), ("pid", pid)]), (&pai_key, &intermediate));
        assert!(error.unwrap_err().to_string().contains("needs the issuer's own 1.3.6.1.4.1.37244.2."));
    }
    let other = variables(&[("title", "Acme PAI"), ("vid", "FFF2")]);
    assert!(issued(&pai, &Name::empty(), &other, (&root_key, &root)).is_err());
    for (certificate, profile) in [(&root, &paa), (&intermediate, &pai), (&device, &dac)] {
        profile.check(certificate).unwrap();
    }
    Matter { paa: root, pai: intermediate, dac: device }
}

/// An extension: its OID, whether it is critical, and its value where that does not depend on the key.
type Fact = (&'static str, bool, &'static [u8]);

/// The extensions, their order, their criticality and the values of those that do not depend on the key; the subject's
/// attributes, all of them UTF8String; the algorithms. The facts are those of the public test certificates in
/// github.com/project-chip/connectedhomeip, folder credentials/test/attestation: Chip-Test-PAA-NoVID-Cert.pem,
/// Chip-Test-PAI-FFF1-8000-Cert.pem and Chip-Test-DAC-FFF1-8000-0000-Cert.pem, read 2026-11-22.
#[test]
fn matter_certificates_have_the_form_of_the_public_test_certificates() {
    const CN: &str = "2.5.4.3";
    const VID: &str = "1.3.6.1.4.1.37244.2.1";
    const PID: &str = "1.3.6.1.4.1.37244.2.2";
    const SKI: Fact = ("2.5.29.14", false, &[]);
    const AKI: Fact = ("2.5.29.35", false, &[]);
    let signs: Fact = ("2.5.29.15", true, &[0x03, 0x02, 0x01, 0x06]);
    let Matter { paa, pai, dac } = matter();
    let constraints = |value: &'static [u8]| ("2.5.29.19", true, value);
    let rows: [(&Certificate, [Fact; 4], &[&str]); 3] = [
        // The test PAA without a VID is the one with a path length; one with a VID has it behind CN.
        (&paa, [constraints(&[0x30, 6, 1, 1, 0xff, 2, 1, 1]), signs, SKI, AKI], &[CN, VID]),
        (&pai, [constraints(&[0x30, 6, 1, 1, 0xff, 2, 1, 0]), signs, SKI, AKI], &[CN, VID, PID]),
        (&dac, [constraints(&[0x30, 0]), ("2.5.29.15", true, &[0x03, 0x02, 0x07, 0x80]), SKI, AKI], &[CN, VID, PID]),
    ];
    for (certificate, extensions, attributes) in rows {
        assert_eq!(certificate.extensions().len(), extensions.len());
        for (found, (oid, critical, value)) in certificate.extensions().iter().zip(extensions) {
            assert_eq!((found.oid.to_string().as_str(), found.critical), (oid, critical));
            assert!(value.is_empty() || found.value == value, "{oid}");
        }
        let subject = certificate.subject();
        let types: Vec<String> = subject.attributes().iter().map(|(oid, _)| oid.to_string()).collect();
        assert_eq!(types, attributes);
        for (_, value) in subject.attributes() {
            let utf8 = [&[0x0c, value.len() as u8], value.as_bytes()].concat();
            assert!(subject.der().windows(utf8.len()).any(|window| window == utf8), "{value} is no UTF8String");
        }
        assert_eq!(certificate.scheme().unwrap().to_string(), "ecdsa-sha256");
        assert_eq!(certificate.not_after(), no_expiry());
        let identifier = certificate.subject_key_identifier().unwrap().unwrap();
        assert_eq!(identifier.len(), 20);
    }
    assert_eq!(dac.authority_key_identifier().unwrap(), pai.subject_key_identifier().unwrap());
    assert_eq!(paa.authority_key_identifier().unwrap(), paa.subject_key_identifier().unwrap());
    let values = |oid: &str| dac.subject().values(oid.parse().unwrap());
    assert_eq!((values(VID), values(PID)), (vec!["FFF1".to_owned()], vec!["8000".to_owned()]));
}

#[test]
fn every_judge_accepts_a_matter_chain() {
    let lab = Lab::new();
    let Matter { paa, pai, dac } = matter();
    for (name, certificate) in [("paa", &paa), ("pai", &pai), ("dac", &dac)] {
        lab.write(format!("{name}.pem"), certificate.to_pem());
        let shown = lab.bulla(&format!("inspect {name}.pem")).ok().text();
        assert!(shown.contains(&format!("profile matter-{name}: pass")), "{shown}");
        lab.judge(&format!("pki --print --type x509 --in {name}.pem")).ok();
    }
    let at = now().unix_timestamp();
    lab.judge(&format!("openssl verify -x509_strict -attime {at} -CAfile paa.pem -untrusted pai.pem dac.pem")).ok();
    lab.write("chain.pem", [dac.to_pem(), pai.to_pem()].concat());
    let shown = lab.judge("certtool -i --infile paa.pem").ok().text();
    assert!(shown.contains("Path Length Constraint: 1"), "{shown}");
    let lint = lab.bulla("profile lint chain.pem paa.pem").ok().text();
    assert!(lint.ends_with("0 error(s), 0 warning(s)\n"), "{lint}");
}

/// rcgen keeps a name as a map; what it would lose is refused, never left out.
#[test]
fn a_root_is_what_its_profile_makes_or_is_refused() {
    let own = |rest: &str| {
        let text = format!("schema = \"bulla.profile/1\"\nname = \"own\"\nextends = \"device-root\"\n{rest}");
        Profile::from_toml(&text).unwrap()
    };
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let made = |profile: &Profile| {
        let names = profile.names(&Name::empty(), &[], &variables(&[("title", "Acme")]), None).unwrap();
        issue::root(profile, &names, &key, (now(), no_expiry())).map_err(|error| error.to_string())
    };
    let printable = "subject = [{ attribute = \"C\", value = \"DE\" }, { attribute = \"DC\", value = \"acme\" }, \
                     { attribute = \"CN\", value = \"{title}\" }]\npolicies = [{ oid = \"1.2.3\" }]";
    let root = made(&own(printable)).unwrap();
    assert_eq!(root.subject().to_string(), "C=DE, DC=acme, CN=Acme");
    assert!(root.extension("2.5.29.32".parse().unwrap()).is_some());
    let twice = "subject = [{ attribute = \"OU\", value = \"a\" }, { attribute = \"OU\", value = \"b\" }, \
                 { attribute = \"CN\", value = \"{title}\" }]";
    assert_eq!(made(&own(twice)).unwrap_err(), "cannot make the root certificate with this subject");
}

/// Each hierarchy needs a responder of its own, and a CA that signs nothing else asks for the hierarchy.
#[test]
fn an_ocsp_responder_is_issued_in_either_hierarchy() {
    let lab = stage();
    let enroll = "enroll --key dev.key --profile ocsp --cn responder";
    lab.refuses(&format!("{enroll} --ca acme -o out"), 2, "several issuers serve profile ocsp");
    for issuer in ["device", "firmware"] {
        lab.bulla("keygen -o dev.key --force").ok();
        lab.bulla(&format!("{enroll} --ca acme/{issuer} -o {issuer}.pem")).ok();
        let text = lab.judge(&format!("openssl x509 -in {issuer}.pem -noout -text")).ok().text();
        assert!(text.contains("OCSP Signing") && text.contains("OCSP No Check"), "{text}");
        let words = format!(
            "openssl verify -purpose ocsphelper -CAfile acme/{issuer}/root.pem -untrusted {issuer}.pem {issuer}.pem"
        );
        lab.judge(&words).ok();
        assert!(lab.bulla(&format!("inspect {issuer}.pem")).ok().text().contains("profile ocsp: pass"));
    }
}
