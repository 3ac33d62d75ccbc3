//! Certificates of every profile, from CAs of every key type, before openssl, GnuTLS and strongSwan.

use super::{KEY_TYPES, certtool, contains, der_of, enroll, find, flip, openssl};
use crate::harness::Lab;

/// A profile, its names, and what it must look like. Key identifiers are compared apart.
struct Expected {
    profile: &'static str,
    hierarchy: &'static str,
    names: &'static str,
    /// The certificate's extensions as openssl prints them, in order.
    extensions: &'static [&'static str],
    /// `openssl verify -purpose`, accepted and refused.
    fit: &'static [&'static str],
    unfit: &'static [&'static str],
}

const CONSTRAINTS: &str = "X509v3 Basic Constraints: critical";
const KEY_USAGE: &str = "X509v3 Key Usage: critical";
const EXTENDED: &str = "X509v3 Extended Key Usage:";
const ALT_NAME: &str = "X509v3 Subject Alternative Name:";
const SUBJECT_KEY: &str = "X509v3 Subject Key Identifier:";
const AUTHORITY_KEY: &str = "X509v3 Authority Key Identifier:";

const PROFILES: [Expected; 6] = [
    Expected {
        profile: "idevid",
        hierarchy: "device",
        names: "--subject O=Acme --serial SN-1 --hw-module 1.3.6.1.4.1.99999.1:SC42",
        extensions: &[
            CONSTRAINTS,
            "CA:FALSE",
            KEY_USAGE,
            "Digital Signature",
            ALT_NAME,
            "othername: 1.3.6.1.5.5.7.8.4::<unsupported>",
            AUTHORITY_KEY,
            "(issuer)",
        ],
        fit: &["any", "sslclient", "sslserver", "smimesign"],
        unfit: &["crlsign"],
    },
    Expected {
        profile: "ldevid",
        hierarchy: "device",
        names: "--cn unit-1",
        extensions: &[
            CONSTRAINTS,
            "CA:FALSE",
            KEY_USAGE,
            "Digital Signature",
            SUBJECT_KEY,
            "(own)",
            AUTHORITY_KEY,
            "(issuer)",
        ],
        fit: &["any", "sslclient", "sslserver", "smimesign"],
        unfit: &["crlsign"],
    },
    Expected {
        profile: "tls-client",
        hierarchy: "device",
        names: "--cn client-1",
        extensions: &[
            CONSTRAINTS,
            "CA:FALSE",
            KEY_USAGE,
            "Digital Signature(RSA)",
            EXTENDED,
            "TLS Web Client Authentication",
            SUBJECT_KEY,
            "(own)",
            AUTHORITY_KEY,
            "(issuer)",
        ],
        fit: &["any", "sslclient"],
        unfit: &["sslserver", "smimesign"],
    },
    Expected {
        profile: "tls-server",
        hierarchy: "device",
        // Without a subject the alternative name must be critical (RFC 5280 section 4.2.1.6).
        names: "--dns gw.example --ip 192.0.2.1",
        extensions: &[
            CONSTRAINTS,
            "CA:FALSE",
            KEY_USAGE,
            "Digital Signature(RSA)",
            EXTENDED,
            "TLS Web Server Authentication",
            "X509v3 Subject Alternative Name: critical",
            "DNS:gw.example, IP Address:192.0.2.1",
            SUBJECT_KEY,
            "(own)",
            AUTHORITY_KEY,
            "(issuer)",
        ],
        fit: &["any", "sslserver"],
        unfit: &["sslclient", "smimesign"],
    },
    Expected {
        profile: "firmware",
        hierarchy: "firmware",
        names: "--cn signer-1",
        extensions: &[
            CONSTRAINTS,
            "CA:FALSE",
            KEY_USAGE,
            "Digital Signature",
            EXTENDED,
            "Code Signing, E-mail Protection",
            SUBJECT_KEY,
            "(own)",
            AUTHORITY_KEY,
            "(issuer)",
        ],
        fit: &["any", "smimesign"],
        unfit: &["sslclient", "sslserver"],
    },
    Expected {
        profile: "sub-ca",
        hierarchy: "device",
        names: "--cn Sub",
        extensions: &[
            CONSTRAINTS,
            "CA:TRUE, pathlen:0",
            KEY_USAGE,
            "Certificate Sign, CRL Sign",
            SUBJECT_KEY,
            "(own)",
            AUTHORITY_KEY,
            "(issuer)",
        ],
        fit: &["any", "crlsign"],
        unfit: &["timestampsign"],
    },
];

#[test]
fn every_judge_accepts_every_profile_under_every_type_of_ca() {
    for key_type in KEY_TYPES {
        let lab = Lab::new();
        lab.bulla(&format!("ca init acme --name Acme --no-passphrase --type {key_type}")).ok();
        for Expected { profile, hierarchy, names, fit, unfit, .. } in PROFILES {
            enroll(&lab, profile, "p256", profile, names);
            let (leaf, root) = (format!("{profile}.pem"), format!("acme/{hierarchy}/root.pem"));
            let verify = format!("verify -x509_strict -CAfile {root} -untrusted {leaf}");
            for purpose in fit {
                let run = openssl(&lab, &format!("{verify} -purpose {purpose} {leaf}")).ok();
                assert_eq!(run.text(), format!("{leaf}: OK\n"), "{key_type}");
            }
            for purpose in unfit {
                let run = openssl(&lab, &format!("{verify} -purpose {purpose} {leaf}")).exits(2);
                assert!(run.stderr.contains("error 26 at 0 depth"), "{key_type} {profile} {purpose}: {}", run.stderr);
            }
            let run = certtool(&lab, &format!("--verify --load-ca-certificate {root} --infile {leaf}")).ok();
            let verdict = "Chain verification output: Verified. The certificate is trusted.";
            assert!(run.text().contains(verdict), "{key_type} {profile}: {}", run.text());
            let shown = certtool(&lab, &format!("-i --infile {leaf}")).ok().text();
            assert!(shown.contains("Issuer: CN=Acme "), "{key_type} {profile}: {shown}");
            // Its plugins that are not installed complain on standard error.
            let shown = lab.judge(&format!("pki --print --type x509 --in {leaf}")).ok().text();
            assert!(shown.contains("issuer:   \"O=Acme, CN=Acme "), "{key_type} {profile}: {shown}");
            assert!(shown.contains("pubkey:    ECDSA 256 bits"), "{key_type} {profile}: {shown}");
            let other = if hierarchy == "device" { "firmware" } else { "device" };
            openssl(&lab, &format!("verify -CAfile acme/{other}/root.pem -untrusted {leaf} {leaf}")).exits(2);
        }
        for part in ["device/root", "device/issuing", "firmware/root", "firmware/issuing"] {
            lab.judge(&format!("pki --print --type x509 --in acme/{part}.pem")).ok();
            let shown = certtool(&lab, &format!("-i --infile acme/{part}.pem")).ok().text();
            assert!(shown.contains("Certificate Authority (CA): TRUE"), "{key_type} {part}: {shown}");
        }
        nobody_accepts_a_flipped_bit(&lab, key_type);
    }
}

/// In the signature, in the subject, and in the issuing CA's own signature.
#[track_caller]
fn nobody_accepts_a_flipped_bit(lab: &Lab, key_type: &str) {
    const ROOT: &str = "acme/firmware/root.pem";
    const ISSUING: &str = "acme/firmware/issuing.pem";
    lab.write("image", "an image");
    lab.bulla("sign image --as raw --key firmware.key -o image.sig").ok();
    let judge = |leaf: &str, issuing: &str| {
        let chain = format!("--cert {leaf} --trust {ROOT} --untrusted {issuing}");
        let bulla = lab.bulla(&format!("verify image --as raw --signature image.sig {chain}"));
        (bulla, openssl(lab, &format!("verify -CAfile {ROOT} -untrusted {issuing} {leaf}")))
    };
    // The chain file would bring the true issuing CA along.
    openssl(lab, "x509 -in firmware.pem -out leaf.pem").ok();
    let (ours, theirs) = judge("leaf.pem", ISSUING);
    ours.ok();
    theirs.ok();
    let leaf = der_of(lab, "x509", "firmware.pem");
    let issuing = der_of(lab, "x509", ISSUING);
    for (what, twin, is_leaf) in [
        ("signature", flip(&leaf, leaf.len() - 1), true),
        ("subject", flip(&leaf, find(&leaf, b"signer-1") + 7), true),
        ("issuing CA", flip(&issuing, issuing.len() - 1), false),
    ] {
        lab.write("twin.der", twin);
        openssl(lab, "x509 -inform DER -in twin.der -out twin.pem").ok();
        let (ours, theirs) = if is_leaf { judge("twin.pem", ISSUING) } else { judge("leaf.pem", "twin.pem") };
        assert!(ours.exits(3).text().contains("certificate-signature"), "{key_type} {what}");
        assert!(theirs.exits(2).stderr.contains("error 7 at"), "{key_type} {what}");
        let chain = if is_leaf { ["twin.pem", ISSUING] } else { ["leaf.pem", "twin.pem"] };
        lab.write("chain.pem", chain.map(|name| lab.read(name)).concat());
        certtool(lab, &format!("--verify --load-ca-certificate {ROOT} --infile chain.pem")).fails();
    }
    // A certificate that cannot be parsed is wrong evidence too.
    lab.write("twin.der", &leaf[..leaf.len() - 1]);
    openssl(lab, &format!("verify -CAfile {ROOT} -untrusted {ISSUING} twin.der")).fails();
    judge("twin.der", ISSUING).0.exits(3);
}

#[test]
fn extensions_are_the_profiles_own_and_no_others() {
    let lab = Lab::new();
    lab.bulla("ca init acme --name Acme --no-passphrase").ok();
    for (key_type, encipherment) in [("p256", ""), ("ed25519", ""), ("rsa2048", ", Key Encipherment")] {
        for Expected { profile, hierarchy, names, extensions, .. } in PROFILES {
            let name = format!("{profile}-{key_type}");
            // An identity has one key.
            let names = names.replace("-1", &format!("-1{key_type}")).replace("gw.", &format!("{key_type}."));
            let names = names.replace("Sub", &format!("Sub-{key_type}"));
            enroll(&lab, &name, key_type, profile, &names);
            let own = format!("{name}.pem");
            let issuing = shown_extensions(&lab, &format!("acme/{hierarchy}/issuing.pem"));
            let found = shown_extensions(&lab, &own);
            let after = |all: &[String], title: &str| {
                all.iter().position(|line| line == title).and_then(|index| all.get(index + 1)).cloned()
            };
            let wanted: Vec<String> = extensions
                .iter()
                .map(|line| match *line {
                    "(own)" => own_key_identifier(&lab, &own),
                    "(issuer)" => after(&issuing, SUBJECT_KEY).expect("the issuing CA's key identifier"),
                    line => line.replace("(RSA)", encipherment).replace("gw.", &format!("{key_type}.")),
                })
                .collect();
            assert_eq!(found, wanted, "{name}");
        }
    }
    for (hierarchy, length) in [("device", 1), ("firmware", 0)] {
        let found = shown_extensions(&lab, &format!("acme/{hierarchy}/issuing.pem"));
        assert_eq!(
            found[..4],
            [CONSTRAINTS, &format!("CA:TRUE, pathlen:{length}"), KEY_USAGE, "Certificate Sign, CRL Sign"]
        );
        let root = format!("acme/{hierarchy}/root.pem");
        let found = shown_extensions(&lab, &root);
        let mut pairs: Vec<_> = found.chunks(2).collect();
        pairs.sort();
        let own = own_key_identifier(&lab, &root);
        let wanted = [[CONSTRAINTS, "CA:TRUE"], [KEY_USAGE, "Certificate Sign, CRL Sign"], [SUBJECT_KEY, &own]];
        assert_eq!(pairs, wanted, "{hierarchy}");
    }
}

#[test]
fn validity_is_as_the_paper_says() {
    let lab = Lab::new();
    lab.bulla("ca init acme --name Acme --no-passphrase").ok();
    for Expected { profile, names, .. } in PROFILES {
        enroll(&lab, profile, "p256", profile, names);
        let shown = openssl(&lab, &format!("asn1parse -in {profile}.pem")).ok().text();
        assert_eq!(shown.contains("GENERALIZEDTIME   :99991231235959Z"), profile == "idevid", "{profile}: {shown}");
        let check = |seconds: u64| openssl(&lab, &format!("x509 -in {profile}.pem -noout -checkend {seconds}"));
        let years = match profile {
            "idevid" => continue,
            "firmware" => 20,
            "sub-ca" => 10,
            _ => 1,
        };
        let day = 24 * 60 * 60;
        check((years * 365 - 1) * day).ok();
        check((years * 365 + 6) * day).exits(1);
    }
    for part in ["device/root", "device/issuing", "firmware/root", "firmware/issuing"] {
        let shown = openssl(&lab, &format!("asn1parse -in acme/{part}.pem")).ok().text();
        assert!(shown.contains("GENERALIZEDTIME   :99991231235959Z"), "{part}: {shown}");
    }
    // The twin: the same time as a UTCTime would be another one.
    let der = der_of(&lab, "x509", "idevid.pem");
    assert!(contains(&der, b"\x18\x0f99991231235959Z"));
}

/// The path length of the sub-CA: one more CA below it is refused by both, an end entity is not.
#[test]
fn a_sub_ca_issues_end_entities_and_no_cas() {
    let lab = Lab::with_ca();
    enroll(&lab, "sub", "p384", "sub-ca", "--cn Sub");
    lab.write("image", "an image");
    lab.write("leaf.ext", "keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n");
    lab.write(
        "ca.ext",
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n",
    );
    lab.write("plain.cnf", "[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN=x\n");
    let issue = |name: &str, issuer: &str, extensions: &str| {
        openssl(&lab, &format!("ecparam -name prime256v1 -genkey -out {name}.key")).ok();
        openssl(&lab, &format!("req -new -config plain.cnf -subj /CN={name} -key {name}.key -out {name}.csr")).ok();
        let ca = format!("-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -extfile {extensions}");
        openssl(&lab, &format!("x509 -req -in {name}.csr {ca} -days 9 -out {name}.pem")).ok();
        lab.bulla(&format!("sign image --as raw --key {name}.key -o {name}.sig")).ok();
    };
    issue("leaf", "sub", "leaf.ext");
    issue("lower", "sub", "ca.ext");
    issue("lower-leaf", "lower", "leaf.ext");
    lab.write("all.pem", [lab.read("lower.pem"), lab.read("sub.pem")].concat());
    let trust = "--trust acme/device/root.pem --untrusted all.pem --purpose any";
    let verify = "verify -x509_strict -CAfile acme/device/root.pem -untrusted all.pem";
    openssl(&lab, &format!("{verify} leaf.pem")).ok();
    lab.bulla(&format!("verify image --as raw --signature leaf.sig --cert leaf.pem {trust}")).ok();
    let theirs = openssl(&lab, &format!("{verify} lower-leaf.pem")).exits(2);
    assert!(theirs.stderr.contains("path length constraint exceeded"), "{}", theirs.stderr);
    let ours = lab.bulla(&format!("verify image --as raw --signature lower-leaf.sig --cert lower-leaf.pem {trust}"));
    assert!(ours.exits(3).text().contains("path-length"));
}

/// The lines of the extensions alone.
#[track_caller]
fn shown_extensions(lab: &Lab, name: &str) -> Vec<String> {
    const REST: &str =
        "no_subject,no_header,no_version,no_serial,no_signame,no_validity,no_issuer,no_pubkey,no_sigdump,no_aux";
    let text = openssl(lab, &format!("x509 -in {name} -noout -text -certopt {REST}")).ok().text();
    text.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

/// RFC 7093 section 2: the first 160 bits of the SHA-256 of the key's BIT STRING, computed by openssl.
#[track_caller]
fn own_key_identifier(lab: &Lab, name: &str) -> String {
    let pem = openssl(lab, &format!("x509 -in {name} -noout -pubkey")).ok().stdout;
    lab.write("identified.pub", pem);
    let listing = openssl(lab, "asn1parse -in identified.pub").ok().text();
    let bits = listing.lines().find(|line| line.contains("BIT STRING")).expect("the key's bits");
    let offset: usize = bits.split(':').next().and_then(|text| text.trim().parse().ok()).expect("an offset");
    openssl(lab, &format!("asn1parse -in identified.pub -strparse {offset} -noout -out identified.bits"));
    let spki = openssl(lab, "pkey -pubin -in identified.pub -pubout -outform DER").ok().stdout;
    // The header of a BIT STRING: tag, length of one to three bytes, no unused bits.
    let header = if spki[offset + 1] & 0x80 == 0 { 3 } else { 3 + usize::from(spki[offset + 1] & 0x7f) };
    lab.write("identified.bits", &spki[offset + header..]);
    let digest = openssl(lab, "dgst -sha256 -binary identified.bits").ok().stdout;
    digest[..20].iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}
