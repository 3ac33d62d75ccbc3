//! OCSP responses from files: made by openssl's responder over the index of a CA, judged here, and by openssl again.

use bulla::files::documents;
use bulla::x509::Certificate;
use bulla::x509::ocsp::{Answer, Response};
use bulla::x509::verify::{Anchors, Mode, Purpose, Refusal, Revocation, Rules, Standing, path};

use crate::forge;
use crate::harness::{Lab, Run};

/// Two CAs with their databases, and a third database in which the first leaves no trace of what it issues.
const CONFIGURATION: &str = "\
[own]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
default_startdate = 20200101000000Z
default_enddate = 20991231235959Z
[traceless]
database = traceless.txt
serial = traceless
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
default_startdate = 20200101000000Z
default_enddate = 20991231235959Z
[any]
commonName = supplied
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
keyUsage = critical, digitalSignature
authorityKeyIdentifier = keyid
[responder]
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
authorityKeyIdentifier = keyid
[checked-responder]
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
authorityKeyIdentifier = keyid
[no-purpose]
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
noCheck = ignored
authorityKeyIdentifier = keyid
[no-signature]
keyUsage = critical, keyEncipherment
extendedKeyUsage = OCSPSigning
noCheck = ignored
authorityKeyIdentifier = keyid
[any-purpose]
extendedKeyUsage = anyExtendedKeyUsage
noCheck = ignored
authorityKeyIdentifier = keyid
";

/// How long most responses are good.
const FOR_A_WEEK: &str = "-ndays 7";

impl Lab {
    /// A root `root.pem` with `leaf.pem`, `revoked.pem` and `responder.pem`, and others as the tests ask for.
    fn with_responder() -> Self {
        let lab = Self::new();
        lab.write("ca.cnf", CONFIGURATION);
        for (serial, database) in [("serial", "index.txt"), ("traceless", "traceless.txt")] {
            lab.write(serial, if serial == "serial" { "1001" } else { "2001" });
            lab.write(database, "");
        }
        lab.root("root", "/CN=Root");
        lab.issued("leaf", "leaf", "own", "root", "");
        lab.issued("revoked", "leaf", "own", "root", "");
        lab.issued("responder", "responder", "own", "root", "");
        lab.judge("openssl ca -config ca.cnf -name own -keyfile root.key -cert root.pem -revoke revoked.pem -crl_reason keyCompromise").ok();
        lab
    }

    fn request(&self, name: &str, subject: &str) {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.judge(&format!("openssl req -new {key} -keyout {name}.key -subj {subject} -out {name}.csr")).ok();
    }

    fn root(&self, name: &str, subject: &str) {
        self.request(name, subject);
        let files = format!("-keyfile {name}.key -in {name}.csr -out {name}.pem");
        self.judge(&format!(
            "openssl ca -batch -notext -config ca.cnf -name traceless -selfsign -extensions ca {files}"
        ))
        .ok();
    }

    fn issued(&self, name: &str, extensions: &str, database: &str, ca: &str, flags: &str) {
        self.request(name, &format!("/CN={name}"));
        let files = format!("-keyfile {ca}.key -cert {ca}.pem -in {name}.csr -out {name}.pem");
        self.judge(&format!(
            "openssl ca -batch -notext -config ca.cnf -name {database} -extensions {extensions} {flags} {files}"
        ))
        .ok();
    }

    /// A response about a certificate, `NAME.ocsp`, signed by the owner of `SIGNER.pem`.
    fn respond(&self, name: &str, certificate: &str, signer: &str, hash: &str, flags: &str) {
        let index = format!("-index index.txt -CA root.pem -rsigner {signer}.pem -rkey {signer}.key");
        let asked = format!("{hash} -issuer root.pem -cert {certificate}.pem -no_nonce");
        self.judge(&format!("openssl ocsp {index} {asked} {flags} -noverify -respout {name}.ocsp")).ok();
    }

    /// What openssl says of a response: whether it holds, and of its certificate.
    fn second_opinion(&self, name: &str, certificate: &str, hash: &str) -> (bool, String) {
        let asked = format!("{hash} -issuer root.pem -cert {certificate}.pem -no_nonce");
        let run = self.judge(&format!("openssl ocsp -respin {name}.ocsp -CAfile root.pem {asked}"));
        (run.stderr.contains("Response verify OK"), run.text())
    }

    fn judged(&self, certificate: &str, flags: &str) -> Run {
        self.bulla(&format!("verify-chain {certificate}.pem --trust root.pem --purpose any --format json {flags}"))
    }

    fn certificate(&self, name: &str) -> Certificate {
        let pem = self.read(format!("{name}.pem"));
        Certificate::from_der(&documents(&pem, name.as_ref(), "a certificate").expect("PEM")[0].der)
            .expect("a certificate")
    }

    /// What must hold of a chain in which nothing is left unknown.
    fn required(&self, response: Response) -> Result<Vec<Standing>, Refusal> {
        let now = self.judge("date +%s").ok().text().trim().parse().expect("seconds");
        let now = time::OffsetDateTime::from_unix_timestamp(now).expect("a time");
        let revocation = Revocation { mode: Mode::Require, responses: vec![response], ..Revocation::default() };
        let rules = Rules { revocation, ..Rules::new(Purpose::Any, now) };
        let anchors = Anchors::new(vec![self.certificate("root")]).expect("an anchor");
        path(&self.certificate("leaf"), &[], &anchors, &rules).map(|path| path.standings)
    }
}

fn response(der: &[u8]) -> Option<Response> {
    match Answer::from_der(der) {
        Ok(Answer::Response(response)) => Some(response),
        _ => None,
    }
}

#[test]
fn responders_are_believed_that_the_issuer_made_and_no_others() {
    let lab = Lab::with_responder();
    lab.root("other", "/CN=Other");
    lab.root("namesake", "/CN=Root");
    for (name, extensions, ca, flags) in [
        ("checked", "checked-responder", "root", ""),
        ("no-purpose", "no-purpose", "root", ""),
        ("any-purpose", "any-purpose", "root", ""),
        ("no-signature", "no-signature", "root", ""),
        ("expired", "responder", "root", "-enddate 20210101000000Z"),
        ("foreign", "responder", "other", ""),
        ("impostor", "responder", "namesake", ""),
    ] {
        lab.issued(name, extensions, "traceless", ca, flags);
    }
    for (signer, hash, flags, good, openssl) in [
        ("root", "", "", true, true),
        ("root", "", "-resp_no_certs", true, true),
        ("root", "", "-resp_key_id", true, true),
        ("root", "-sha256", "", true, true),
        ("responder", "", "", true, true),
        ("responder", "", "-resp_key_id", true, true),
        ("responder", "-sha256", "", true, true),
        ("responder", "-sha384", "", true, true),
        ("responder", "", "-rmd sha512", true, true),
        ("checked", "", "", true, true),
        // SHA-224 is not in the table: the response tells of nobody that is known.
        ("responder", "-sha224", "", true, true),
        ("responder", "", "-resp_no_certs", false, false),
        ("responder", "", "-rmd sha1", false, true),
        ("no-purpose", "", "", false, false),
        ("any-purpose", "", "", false, false),
        // openssl does not look at a responder's keyUsage.
        ("no-signature", "", "", false, true),
        ("expired", "", "", false, false),
        ("foreign", "", "", false, false),
        ("impostor", "", "", false, false),
        ("other", "", "", false, false),
        ("namesake", "", "", false, false),
        ("leaf", "", "", false, false),
    ] {
        let case = format!("{signer} {hash} {flags}");
        lab.respond("leaf", "leaf", signer, hash, &format!("{FOR_A_WEEK} {flags}"));
        let run = lab.judged("leaf", "--ocsp leaf.ocsp").exits(if good { 0 } else { 3 });
        assert_eq!(run.json()["code"].as_str(), (!good).then_some("revocation-unknown"), "{case}: {}", run.text());
        let (holds, words) = lab.second_opinion("leaf", "leaf", hash);
        assert_eq!(holds, openssl, "{case}");
        assert!(words.contains("leaf.pem: good"), "{case}: {words}");
        let required = lab.required(response(&lab.read("leaf.ocsp")).expect("a response"));
        // In this mode a responder must be beyond question, and a response must tell of the leaf.
        let known = good && signer != "checked" && hash != "-sha224";
        assert_eq!(matches!(required.as_deref(), Ok([Standing::Good { .. }])), known, "{case}: {required:?}");
    }
}

#[test]
fn a_certificate_is_what_its_response_says() {
    let lab = Lab::with_responder();
    lab.issued("stranger", "leaf", "traceless", "root", "");
    for signer in ["root", "responder"] {
        for (name, code, openssl) in [
            ("leaf", None, "good"),
            ("revoked", Some("revoked"), "revoked"),
            ("stranger", Some("revocation-unknown"), "unknown"),
        ] {
            lab.respond(name, name, signer, "", FOR_A_WEEK);
            let run = lab.judged(name, &format!("--ocsp {name}.ocsp"));
            assert_eq!(
                (run.code, run.json()["code"].as_str()),
                (Some(if code.is_none() { 0 } else { 3 }), code),
                "{name}"
            );
            let (holds, words) = lab.second_opinion(name, name, "");
            assert!(holds && words.contains(&format!("{name}.pem: {openssl}")), "{signer} {name}: {words}");
        }
        let run = lab.judged("revoked", "--ocsp leaf.ocsp --ocsp revoked.ocsp");
        assert!(run.json()["reason"].as_str().expect("a reason").contains("(keyCompromise)"), "{}", run.text());
        // A response of another certificate tells nothing.
        lab.judged("revoked", "--ocsp leaf.ocsp").ok();
    }
    // One that holds is enough; one that says "revoked" is more than enough.
    lab.respond("doubtful", "leaf", "leaf", "", FOR_A_WEEK);
    lab.judged("leaf", "--ocsp doubtful.ocsp").exits(3);
    lab.judged("leaf", "--ocsp doubtful.ocsp --ocsp leaf.ocsp").ok();
    lab.judge("openssl ca -config ca.cnf -name own -keyfile root.key -cert root.pem -revoke leaf.pem").ok();
    lab.respond("later", "leaf", "responder", "", FOR_A_WEEK);
    let run = lab.judged("leaf", "--ocsp leaf.ocsp --ocsp later.ocsp").exits(3);
    assert_eq!(run.json()["code"], "revoked");
}

#[test]
fn a_response_is_good_for_its_time_alone() {
    let lab = Lab::with_responder();
    lab.respond("week", "leaf", "responder", "", "-ndays 7");
    lab.respond("open", "leaf", "responder", "", "");
    let at = |offset: &str| lab.run("date", ["-u", "-d", offset, "+%Y-%m-%dT%H:%M:%SZ"]).ok().text().trim().to_owned();
    for (name, time, good) in [
        ("week", "+1 minute", true),
        ("week", "+6 days", true),
        ("week", "+8 days", false),
        ("week", "-1 hour", false),
        ("open", "+1 minute", true),
        ("open", "+23 hours", true),
        ("open", "+25 hours", false),
        ("open", "-1 hour", false),
    ] {
        let run = lab.judged("leaf", &format!("--ocsp {name}.ocsp --at {}", at(time)));
        let run = run.exits(if good { 0 } else { 3 });
        assert_eq!(
            run.json()["code"].as_str(),
            (!good).then_some("revocation-unknown"),
            "{name} {time}: {}",
            run.text()
        );
        let said = run.json()["reason"].as_str().is_none_or(|reason| reason.contains("the clock says"));
        assert!(said, "{name} {time}: {}", run.text());
    }
}

#[test]
fn no_tampered_response_is_good() {
    let lab = Lab::with_responder();
    for (signer, flags) in [("root", "-resp_no_certs"), ("responder", ""), ("responder", "-resp_key_id")] {
        lab.respond("leaf", "leaf", signer, "", &format!("{FOR_A_WEEK} {flags}"));
        let der = lab.read("leaf.ocsp");
        let whole = lab.required(response(&der).expect("a response"));
        assert!(matches!(whole.as_deref(), Ok([Standing::Good { .. }])), "{signer}: {whole:?}");
        for index in 0..der.len() {
            assert!(response(&der[..index]).is_none(), "{signer}: cut at {index}");
            for value in [der[index] ^ 1, der[index] ^ 0x20, der[index] ^ 0x80, 0, 0xff] {
                let mut twin = der.clone();
                twin[index] = value;
                if let Some(response) = response(&twin).filter(|_| twin != der) {
                    assert!(lab.required(response).is_err(), "{signer} {flags}: octet {index} made {value:02x}");
                }
            }
        }
        assert!(response(&[der.as_slice(), &[0]].concat()).is_none(), "{signer}: an octet after it");
    }
}

#[test]
fn what_is_no_response_is_wrong_evidence() {
    let lab = Lab::with_responder();
    lab.respond("leaf", "leaf", "responder", "", FOR_A_WEEK);
    let der = lab.read("leaf.ocsp");
    lab.write("cut.ocsp", &der[..der.len() - 1]);
    // tryLater, and a status with the bytes that only a successful one has.
    lab.write("later.ocsp", [0x30, 0x03, 0x0a, 0x01, 0x03]);
    lab.write("four.ocsp", [0x30, 0x03, 0x0a, 0x01, 0x04]);
    lab.write("bare.ocsp", [0x30, 0x03, 0x0a, 0x01, 0x00]);
    let twin: Vec<u8> = der.iter().enumerate().map(|(at, byte)| if at == 6 { 3 } else { *byte }).collect();
    assert_eq!(der[4..7], [0x0a, 0x01, 0x00], "responseStatus stands where it is changed");
    lab.write("contradictory.ocsp", twin);
    for (file, code, words) in [
        ("cut.ocsp", "malformed", "an ASN.1 structure of no known type"),
        ("later.ocsp", "revocation-unknown", "tryLater"),
        ("four.ocsp", "malformed", "malformed"),
        ("bare.ocsp", "malformed", "malformed"),
        ("contradictory.ocsp", "malformed", "malformed"),
        ("leaf.pem", "malformed", "leaf.pem is a certificate, not an OCSP response"),
    ] {
        let run = lab.judged("leaf", &format!("--ocsp leaf.ocsp --ocsp {file}")).exits(3);
        assert_eq!(run.json()["code"], code, "{file}: {}", run.text());
        assert!(run.json()["reason"].as_str().expect("a reason").contains(words), "{file}: {}", run.text());
    }
    lab.refuses("verify-chain leaf.pem --trust root.pem --purpose any --ocsp absent.ocsp", 1, "absent.ocsp");
    let off = "verify-chain leaf.pem --trust root.pem --purpose any --ocsp leaf.ocsp --revocation off";
    lab.refuses(off, 2, "--revocation off looks at no response");
    lab.refuses("csr leaf.ocsp --profile idevid --serial 1 -o -", 1, "leaf.ocsp is an OCSP response, not");
    let run = lab.bulla("verify-chain leaf.ocsp --trust root.pem --purpose any").exits(3);
    assert!(run.text().contains("leaf.ocsp is an OCSP response, not a certificate"), "{}", run.text());
    // As PEM it is the same.
    let body = lab.judge("openssl base64 -in leaf.ocsp").ok().text();
    lab.write("leaf.pem.ocsp", format!("-----BEGIN OCSP RESPONSE-----\n{body}-----END OCSP RESPONSE-----\n"));
    lab.judged("leaf", "--ocsp leaf.pem.ocsp").ok();
}

#[test]
fn inspect_says_what_openssl_says() {
    let lab = Lab::with_responder();
    lab.respond("revoked", "revoked", "responder", "", "-ndays 7");
    lab.respond("open", "leaf", "root", "-sha256", "-resp_key_id -resp_no_certs");
    lab.write("later.ocsp", [0x30, 0x03, 0x0a, 0x01, 0x03]);
    let told = |name: &str| {
        let documents = lab.bulla(&format!("inspect {name}.ocsp --format json")).ok().json()["documents"].take();
        documents[0].clone()
    };
    let text = lab.judge("openssl ocsp -respin revoked.ocsp -resp_text -noverify").ok().text();
    let value =
        |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label)).expect(label).trim().to_owned();
    let plain = |text: &serde_json::Value| text.as_str().expect("a string").replace(':', "").to_uppercase();
    let seconds = |time: &str| lab.run("date", ["-d", time, "+%s"]).ok().text();
    let json = told("revoked");
    let single = &json["responses"][0];
    assert_eq!(json["responder"], value("Responder Id: ").replace(" = ", "="));
    assert_eq!(plain(&single["serial"]), value("Serial Number: "));
    assert_eq!(plain(&single["issuer_name_hash"]), value("Issuer Name Hash: "));
    assert_eq!(plain(&single["issuer_key_hash"]), value("Issuer Key Hash: "));
    assert_eq!((single["status"].as_str(), value("Cert Status: ").as_str()), (Some("revoked"), "revoked"));
    assert_eq!(
        (single["reason"].as_str(), value("Revocation Reason: ").as_str()),
        (Some("keyCompromise"), "keyCompromise (0x1)")
    );
    for (field, label) in [
        (&json["produced"], "Produced At: "),
        (&single["revoked"], "Revocation Time: "),
        (&single["this_update"], "This Update: "),
        (&single["next_update"], "Next Update: "),
    ] {
        assert_eq!(seconds(field.as_str().expect("a time")), seconds(&value(label)), "{label}");
    }
    assert_eq!(json["certificates"][0]["subject"], "CN=responder");
    let shown = lab.bulla("inspect revoked.ocsp --at 2090-01-01T00:00:00Z").ok().text();
    assert!(shown.starts_with("OCSP response  of 1 certificate(s)\n") && shown.contains("overdue"), "{shown}");
    let text = lab.judge("openssl ocsp -respin open.ocsp -resp_text -noverify").ok().text();
    let json = told("open");
    let key = text.lines().find_map(|line| line.trim().strip_prefix("Responder Id: ")).expect("a responder");
    assert_eq!(plain(&json["responder"]), format!("KEY {key}"));
    let single = &json["responses"][0];
    assert_eq!((&single["status"], &single["hash_algorithm"]), (&"good".into(), &"id-sha256".into()));
    assert!(single["next_update"].is_null() && json["certificates"].is_null());
    assert_eq!(told("later")["response_status"], "tryLater");
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    forge::tlv(tag, parts.concat())
}

/// The whole encodings of the members of a constructed value.
fn members(der: &[u8]) -> Vec<&[u8]> {
    let split = |der: &[u8]| match der {
        [_, 0x81, a, ..] => (3, usize::from(*a)),
        [_, 0x82, a, b, ..] => (4, usize::from(*a) << 8 | usize::from(*b)),
        [_, length, ..] => (2, usize::from(*length)),
        _ => panic!("a header"),
    };
    let mut rest = &der[split(der).0..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (header, length) = split(rest);
        let (member, after) = rest.split_at(header + length);
        found.push(member);
        rest = after;
    }
    found
}

/// What openssl's responder never says, under a good signature of the issuer.
#[test]
fn signed_responses_are_held_to_every_rule() {
    let lab = Lab::with_responder();
    lab.respond("leaf", "leaf", "root", "", &format!("{FOR_A_WEEK} -resp_no_certs"));
    let whole = lab.read("leaf.ocsp");
    let basic = members(members(members(members(&whole)[1])[0])[1])[0].to_vec();
    let [data, algorithm, _] = members(&basic)[..] else { panic!("a response without certificates") };
    let [responder, produced_at, singles] = members(data)[..] else { panic!("a response without extensions") };
    let [id, status, this_update, next_update] = members(members(singles)[0])[..] else { panic!("a single response") };
    let answer = |data: &[u8]| {
        lab.write("data", data);
        let signature = lab.judge("openssl dgst -sha256 -sign root.key data").ok().stdout;
        let basic = tlv(0x30, &[data, algorithm, &tlv(0x03, &[&[0], &signature])]);
        let kind = [0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
        let bytes = tlv(0x30, &[&kind, &tlv(0x04, &[&basic])]);
        tlv(0x30, &[&[0x0a, 0x01, 0x00], &tlv(0xa0, &[&bytes])])
    };
    let verdict = |data: &[u8]| lab.required(response(&answer(data)).expect("a response"));
    let is_good = |data: &[u8]| matches!(verdict(data).as_deref(), Ok([Standing::Good { .. }]));
    assert!(is_good(data), "{:?}", verdict(data));
    // 1.3.6.1.4.1.99999.7
    let oid = [0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x07];
    let value = [0x04, 0x02, 0x05, 0x00];
    for (critical, good) in [(&[][..], true), (&[0x01, 0x01, 0xff][..], false)] {
        let extensions = tlv(0xa1, &[&tlv(0x30, &[&tlv(0x30, &[&oid, critical, &value])])]);
        let of_response = tlv(0x30, &[responder, produced_at, singles, &extensions]);
        assert_eq!(is_good(&of_response), good, "{:?}", verdict(&of_response));
        let single = tlv(0x30, &[id, status, this_update, next_update, &extensions]);
        let of_single = tlv(0x30, &[responder, produced_at, &tlv(0x30, &[&single])]);
        assert_eq!(is_good(&of_single), good, "{:?}", verdict(&of_single));
    }
    let later = tlv(0x18, &[b"20980101000000Z"]);
    let refused = verdict(&tlv(0x30, &[responder, &later, singles])).expect_err("a response of the future");
    assert!(refused.to_string().contains("is of 2098-01-01T00:00:00Z, and the clock says"), "{refused}");
    // Another issuer's certificate of the same number: by its name, by its key.
    let [hash, name, key, serial] = members(id)[..] else { panic!("a CertID") };
    for (name, key) in [(key, key), (name, name)] {
        let other = tlv(0x30, &[&tlv(0x30, &[hash, name, key, serial]), status, this_update, next_update]);
        let refused = verdict(&tlv(0x30, &[responder, produced_at, &tlv(0x30, &[&other])])).expect_err("another's");
        assert!(refused.to_string().contains("no evidence that tells of it"), "{refused}");
    }
    // Two answers about one certificate.
    let revoked = tlv(0x30, &[id, &tlv(0xa1, &[this_update]), this_update, next_update]);
    let single = members(singles)[0];
    for both in [[single, &revoked], [&revoked, single]] {
        let refused = verdict(&tlv(0x30, &[responder, produced_at, &tlv(0x30, &both)])).expect_err("revoked");
        assert!(matches!(refused, Refusal::Revoked { .. }), "{refused}");
    }
    // Nobody is made to check a signature for each of thousands, whether they say the same or not.
    let mut many = vec![single; 5000];
    assert!(verdict(&tlv(0x30, &[responder, produced_at, &tlv(0x30, &many)])).is_ok());
    many.push(&revoked);
    let refused = verdict(&tlv(0x30, &[responder, produced_at, &tlv(0x30, &many)])).expect_err("revoked");
    assert!(matches!(refused, Refusal::Revoked { .. }), "{refused}");
}
