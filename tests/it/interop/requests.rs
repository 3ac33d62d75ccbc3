//! Certificate requests: what `bulla csr` makes for openssl, and what openssl makes for `bulla enroll`.

use super::{KEY_TYPES, contains, der_of, extension_value, find, flip, make, openssl};
use crate::harness::Lab;

const SUBJECT_ALT_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];

/// Every byte of a name's values with their types, and how they are joined.
const EVERY_BYTE: &str = "-nameopt oid,dump_der,dump_all,show_type,sep_comma_plus";

fn with_ca() -> Lab {
    let lab = Lab::new();
    lab.bulla("ca init acme --name Acme --no-passphrase").ok();
    lab
}

#[test]
fn openssl_verifies_every_request() {
    let lab = with_ca();
    for key_type in KEY_TYPES {
        for encoding in ["pem", "der"] {
            let name = format!("{key_type}.{encoding}");
            if !lab.has(key_type) {
                lab.bulla(&format!("keygen --type {key_type} -o {key_type}")).ok();
            }
            let names = format!("--subject O=Acme,OU=b,OU=a --serial SN-{key_type}");
            lab.bulla(&format!("csr {key_type} --profile idevid {names} --encoding {encoding} -o {name}")).ok();
            proves_itself(&lab, &name, encoding, "OK");
            let subject = openssl(&lab, &format!("req -in {name} -inform {encoding} -noout -subject")).ok().text();
            assert_eq!(subject.trim(), format!("subject=O = Acme, OU = b, OU = a, serialNumber = SN-{key_type}"));
        }
        let der = lab.read(format!("{key_type}.der"));
        let in_the_subject = find(&der, b"SN-") + 3;
        for (what, index) in [("signature", der.len() - 1), ("subject", in_the_subject)] {
            lab.write("twin", flip(&der, index));
            proves_itself(&lab, "twin", "der", "failure");
            let run = lab.bulla("enroll twin --profile idevid --ca acme -o twin.pem").exits(3);
            assert!(run.stderr.contains("does not prove"), "{key_type} {what}: {}", run.stderr);
            assert!(!lab.has("twin.pem"), "{key_type} {what}");
        }
        lab.bulla(&format!("enroll {key_type}.der --profile idevid --ca acme -o {key_type}.crt")).ok();
    }
}

#[test]
fn openssl_shows_every_name() {
    let lab = with_ca();
    lab.bulla("keygen -o key").ok();
    let names = "--subject O=Acme,OU=b,OU=a,OU=b --serial SN-1 --cn unit --hw-module 1.3.6.1.4.1.99999.1:SC42 \
                 --permanent-id unit-7,1.3.6.1.4.1.99999 --dns gw.example --ip 192.0.2.1 --ip 2001:db8::1 \
                 --uri urn:dev:1 --email line@factory.example";
    lab.bulla(&format!("csr key --profile idevid {names} -o request")).ok();
    let text = openssl(&lab, "req -in request -noout -text").ok().text();
    for words in [
        "Subject: O = Acme, OU = b, OU = a, OU = b, serialNumber = SN-1, CN = unit",
        "othername: 1.3.6.1.5.5.7.8.4:",
        "othername: Permanent Identifier:",
        "DNS:gw.example, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, URI:urn:dev:1",
        "URI:urn:dev:1, email:line@factory.example",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // openssl does not print what is in an otherName, but it can make one: the bytes must be the same.
    lab.write(
        "names.cnf",
        "[req]\nprompt=no\ndistinguished_name=dn\nreq_extensions=ext\n[dn]\nCN=x\n[ext]\nsubjectAltName=@san\n\
         [san]\notherName.1=1.3.6.1.5.5.7.8.4;SEQUENCE:module\notherName.2=1.3.6.1.5.5.7.8.3;SEQUENCE:permanent\n\
         DNS.1=gw.example\nIP.1=192.0.2.1\nIP.2=2001:db8::1\nURI.1=urn:dev:1\nemail.1=line@factory.example\n\
         [module]\na=OID:1.3.6.1.4.1.99999.1\nb=FORMAT:ASCII,OCTETSTRING:SC42\n\
         [permanent]\na=UTF8:unit-7\nb=OID:1.3.6.1.4.1.99999\n",
    );
    openssl(&lab, "req -new -key key -config names.cnf -out theirs").ok();
    let (ours, theirs) = (der_of(&lab, "req", "request"), der_of(&lab, "req", "theirs"));
    let wanted = extension_value(&theirs, SUBJECT_ALT_NAME);
    assert_eq!(extension_value(&ours, SUBJECT_ALT_NAME), wanted);
    lab.bulla("enroll request --profile idevid --ca acme -o certificate").ok();
    assert_eq!(extension_value(&der_of(&lab, "x509", "certificate"), SUBJECT_ALT_NAME), wanted);
    // The twin: a context tag where RFC 4108 has an OCTET STRING.
    let mut twin = ours.clone();
    twin[find(&ours, b"SC42") - 2] = 0x80;
    lab.write("twin", twin);
    proves_itself(&lab, "twin", "der", "failure");
    lab.bulla("enroll twin --profile idevid --ca acme -o twin.pem").fails();
    assert!(!lab.has("twin.pem"));
}

/// A request that openssl makes.
struct Theirs {
    name: &'static str,
    key: &'static str,
    subject: &'static str,
    flags: &'static str,
    profile: &'static str,
}

const P256: &str = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const RSA_2048: &str = "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048";
const PSS: &str = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest";

#[rustfmt::skip]
fn theirs() -> Vec<Theirs> {
    let all = [
        ("p256", P256, "/O=Acme/serialNumber=SN-1", "", "idevid"),
        ("p256-sha384", P256, "/O=Acme/serialNumber=SN-2", "-sha384", "idevid"),
        ("p256-sha512", P256, "/O=Acme/serialNumber=SN-3", "-sha512", "idevid"),
        ("p384", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", "/CN=p384", "-sha384", "ldevid"),
        ("p384-sha256", "ecparam -name secp384r1 -genkey", "/CN=p384-sha256", "-sha256", "ldevid"),
        ("ed25519", "genpkey -algorithm ed25519", "/CN=ed25519", "", "tls-client"),
        ("rsa2048", RSA_2048, "/CN=ignored", "-addext subjectAltName=DNS:gw.example,IP:192.0.2.1", "tls-server"),
        ("rsa2048-sha512", RSA_2048, "/CN=rsa2048-sha512", "-sha512", "ldevid"),
        ("rsa3072", "genrsa 3072", "/CN=rsa3072", "-sha384", "firmware"),
        ("rsa4096", "genrsa 4096", "/CN=rsa4096", "", "sub-ca"),
        ("pss-sha256", RSA_2048, "/CN=pss-sha256", "-sha256 PSS", "ldevid"),
        ("pss-sha384", RSA_2048, "/CN=pss-sha384", "-sha384 PSS", "ldevid"),
        ("multi-valued", P256, "/O=Acme/CN=x+serialNumber=SN-4", "", "idevid"),
        ("same-unit-twice", P256, "/O=Acme/OU=b/OU=a/OU=b/serialNumber=SN-5", "", "idevid"),
        ("challenge", P256, "", "-config challenge.cnf", "idevid"),
        ("printable", P256, "/C=DE/O=Acme/serialNumber=SN-7", "-config printable.cnf", "idevid"),
        ("teletex", P256, "/O=Acme/CN=M\u{fc}ller/serialNumber=SN-8", "-utf8 -config teletex.cnf", "idevid"),
        ("wants-to-be-a-ca", P256, "/O=Acme/serialNumber=SN-9", "-addext basicConstraints=critical,CA:TRUE", "idevid"),
    ];
    all.into_iter().map(|(name, key, subject, flags, profile)| Theirs { name, key, subject, flags, profile }).collect()
}

#[test]
fn bulla_enrolls_every_request_that_openssl_makes() {
    let lab = with_ca();
    openssl_settings(&lab);
    for Theirs { name, key, subject, flags, profile } in theirs() {
        let request = request(&lab, name, key, subject, flags);
        lab.bulla(&format!("enroll {request} --profile {profile} --ca acme -o {name}.pem")).ok();
        let asked = openssl(&lab, &format!("req -in {request} -noout -subject {EVERY_BYTE}")).ok().text();
        let issued = openssl(&lab, &format!("x509 -in {name}.pem -noout -subject {EVERY_BYTE}")).ok().text();
        let string = match name {
            "teletex" => "2.5.4.3=T61STRING:#1406",
            "printable" => "2.5.4.10=PRINTABLESTRING:#1304",
            _ => "=UTF8STRING:#0C",
        };
        assert!(asked.contains(string), "{name}: {asked}");
        assert_eq!(issued, asked, "{name}");
        let asked = openssl(&lab, &format!("req -in {request} -noout -pubkey")).ok().text();
        let issued = openssl(&lab, &format!("x509 -in {name}.pem -noout -pubkey")).ok().text();
        assert_eq!(issued, asked, "{name}");

        let der = der_of(&lab, "req", &request);
        lab.write("twin", flip(&der, der.len() - 1));
        proves_itself(&lab, "twin", "der", "failure");
        lab.bulla(&format!("enroll twin --profile {profile} --ca acme -o twin.pem")).exits(3);
        assert!(!lab.has("twin.pem"), "{name}");
    }
    let challenge = der_of(&lab, "req", "challenge.csr");
    assert!(contains(&challenge, b"once-upon-a-time"));
    assert!(!contains(&der_of(&lab, "x509", "challenge.pem"), b"once-upon-a-time"));
    let constraints = openssl(&lab, "x509 -in wants-to-be-a-ca.pem -noout -ext basicConstraints").ok().text();
    assert!(constraints.contains("CA:FALSE"), "{constraints}");
}

/// Signatures that hold, and that are not in the table of algorithms.
#[test]
fn bulla_refuses_requests_by_weak_or_odd_schemes() {
    let lab = with_ca();
    openssl_settings(&lab);
    for (name, key, flags) in [
        ("sha1", P256, "-sha1"),
        ("sha224", RSA_2048, "-sha224"),
        ("pss-longest-salt", RSA_2048, "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:max"),
        ("pss-short-salt", RSA_2048, "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20"),
        ("pss-other-mgf1", RSA_2048, "PSS -sigopt rsa_mgf1_md:sha1"),
        ("secp256k1", "ecparam -name secp256k1 -genkey", ""),
        ("ed448", "genpkey -algorithm ed448", ""),
        ("rsa1024", "genrsa 1024", ""),
    ] {
        let request = request(&lab, name, key, "/CN=odd", flags);
        let run = lab.bulla(&format!("enroll {request} --profile ldevid --ca acme -o {name}.pem")).exits(1);
        assert!(run.stderr.contains("not supported") || run.stderr.contains("not accepted"), "{name}: {}", run.stderr);
        assert!(!lab.has(format!("{name}.pem")), "{name}");
    }
}

/// The machine's own settings have no say.
fn openssl_settings(lab: &Lab) {
    let plain = "[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN=x\n";
    lab.write("plain.cnf", plain);
    let asked = "attributes=asked\n[asked]\nchallengePassword=once-upon-a-time\n[dn]\nO=Acme\nserialNumber=SN-6\n";
    lab.write("challenge.cnf", plain.replace("[dn]\nCN=x\n", asked));
    lab.write("printable.cnf", plain.replace("[dn]", "string_mask=MASK:0x2\n[dn]"));
    lab.write("teletex.cnf", plain.replace("[dn]", "string_mask=MASK:0x6\n[dn]"));
}

/// Makes `NAME.key` and `NAME.csr`, which openssl itself must verify.
#[track_caller]
fn request(lab: &Lab, name: &str, key: &str, subject: &str, flags: &str) -> String {
    make(lab, key, &format!("{name}.key"));
    // A subject on the command line would make openssl leave the settings' attributes out.
    let subject = if subject.is_empty() { String::new() } else { format!("-subj {subject}") };
    let settings = if flags.contains("-config") { "" } else { "-config plain.cnf" };
    let flags = flags.replace("PSS", PSS);
    openssl(lab, &format!("req -new -key {name}.key {subject} {settings} {flags} -out {name}.csr")).ok();
    proves_itself(lab, &format!("{name}.csr"), "pem", "OK");
    format!("{name}.csr")
}

/// OpenSSL 3.0 exits 0 whatever it found; only its words count.
#[track_caller]
fn proves_itself(lab: &Lab, request: &str, encoding: &str, verdict: &str) {
    let run = openssl(lab, &format!("req -in {request} -inform {encoding} -verify -noout"));
    assert!(run.stderr.contains(&format!("verify {verdict}")), "{request}: {run:?}");
}
