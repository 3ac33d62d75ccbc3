//! Certificates of every profile that can be asked for, from CAs of every type of key, before pkilint and GnuTLS's levels of
//! security: with the exact list of what they find.

use super::{certtool, make, openssl};
use crate::harness::Lab;

const CA_TYPES: [&str; 4] = ["p256", "p384", "ed25519", "rsa2048"];

/// Each profile, its hierarchy and names; `KEY` stands for the type of the leaf's key, since an identity has one key.
const PROFILES: [(&str, &str, &str); 7] = [
    ("idevid", "device", "--subject O=Acme --serial SN-KEY --hw-module 1.3.6.1.4.1.99999.1:SC42"),
    ("ldevid", "device", "--cn unit-KEY"),
    ("tls-client", "device", "--cn client-KEY"),
    ("tls-server", "device", "--dns KEY.example.com --ip 192.0.2.1"),
    ("firmware", "firmware", "--cn signer-KEY"),
    ("ocsp", "device", "--cn responder-KEY"),
    ("sub-ca", "device", "--cn Sub-KEY"),
];

/// Matter's is for P-256 and for a CA of Matter alone: it is linted where that is made.
const ELSEWHERE: &str = "matter-dac";

/// Leaf keys, by how openssl makes them.
const LEAF_TYPES: [(&str, &str); 3] = [
    ("p256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ("ed25519", "genpkey -algorithm ED25519"),
    ("rsa2048", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
];

/// IEEE 802.1AR section 8.10 recommends against the subjectKeyIdentifier in a DevID; RFC 5280 section 4.2.1.2 wants it
/// (SHOULD) in every end entity.
const IDEVID: &str = "WARNING pkix.certificate_skid_end_entity_missing";

#[test]
fn every_profile_is_in_the_table() {
    let listed = Lab::new().bulla("profile list --format json").ok().json();
    let profiles = listed["profiles"].as_array().expect("profiles").iter();
    let asked_for = profiles.filter(|profile| profile["role"] == "request");
    let mut names: Vec<&str> = asked_for.map(|profile| profile["name"].as_str().expect("a name")).collect();
    let mut tabled: Vec<&str> = PROFILES.iter().map(|(name, ..)| *name).chain([ELSEWHERE]).collect();
    names.sort_unstable();
    tabled.sort_unstable();
    assert_eq!(names, tabled);
}

/// A lab with a key for each profile and type of leaf, `PROFILE-TYPE.key`.
fn with_keys() -> Lab {
    let lab = Lab::new();
    for (profile, ..) in PROFILES {
        for (leaf, command) in LEAF_TYPES {
            make(&lab, command, &format!("{profile}-{leaf}.key"));
        }
    }
    lab.shell("chmod 600 *.key").ok();
    lab
}

#[test]
fn linters_find_what_is_expected_and_nothing_else() {
    let lab = with_keys();
    let (mut alone, mut pairs, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    for ca in CA_TYPES {
        lab.bulla(&format!("ca init {ca} --name Acme --no-passphrase --type {ca}")).ok();
        for hierarchy in ["device", "firmware"] {
            let parts = ["root", "issuing"].map(|part| format!("{ca}/{hierarchy}/{part}.pem"));
            pairs.extend(parts.clone());
            alone.extend(parts);
        }
        for (profile, hierarchy, names) in PROFILES {
            for (leaf, _) in LEAF_TYPES {
                let name = format!("{ca}-{profile}-{leaf}");
                let names = names.replace("KEY", leaf);
                let words =
                    format!("enroll --key {profile}-{leaf}.key --profile {profile} {names} --ca {ca}/{hierarchy}");
                lab.bulla(&format!("{words} -o {name}.pem")).ok();
                // pkilint takes a file with one certificate.
                openssl(&lab, &format!("x509 -in {name}.pem -out {name}.leaf.pem")).ok();
                gnutls_finds_it_strong(&lab, &name, &format!("{ca}/{hierarchy}/root.pem"));
                alone.push(format!("{name}.leaf.pem"));
                pairs.extend([format!("{ca}/{hierarchy}/issuing.pem"), format!("{name}.leaf.pem")]);
                if profile == "idevid" {
                    expected.push(format!("{name}.leaf.pem {IDEVID}"));
                }
            }
        }
    }
    let texts = |files: &[String]| lab.pkilint(if files.len() == alone.len() { "cert" } else { "pair" }, &refs(files));
    assert_eq!(texts(&alone), expected);
    assert_eq!(texts(&pairs), [""; 0]);
}

fn refs(files: &[String]) -> Vec<&str> {
    files.iter().map(String::as_str).collect()
}

/// RSA-2048 has 112 bits of security (NIST SP 800-57 part 1), which GnuTLS calls medium; all others have 128, its high.
#[track_caller]
fn gnutls_finds_it_strong(lab: &Lab, name: &str, root: &str) {
    let verify = |level: &str| {
        let words = format!("--verify --verify-profile {level} --load-ca-certificate {root} --infile {name}.pem");
        certtool(lab, &words)
    };
    let verdict = verify("medium").ok().text();
    assert!(verdict.contains("Chain verification output: Verified. The certificate is trusted."), "{name}: {verdict}");
    let high = verify("high");
    match name.contains("rsa2048") {
        true => assert!(high.fails().text().contains("uses insecure algorithm"), "{name}"),
        false => drop(high.ok()),
    }
    let shown = certtool(lab, &format!("-i --infile {name}.leaf.pem")).ok();
    assert_eq!(shown.stderr, "", "{name}");
    let text = shown.text().split("-----BEGIN").next().unwrap_or_default().to_lowercase();
    // Base64 may spell anything.
    let is_odd = |line: &&str| {
        !line.starts_with("pin-sha256:")
            && ["warn", "unknown", "invalid", "weak"].iter().any(|word| line.contains(word))
    };
    let odd: Vec<&str> = text.lines().map(str::trim).filter(is_odd).collect();
    // GnuTLS 3.7 has no name for id-pkix-ocsp-nocheck.
    let unknown = ["unknown extension 1.3.6.1.5.5.7.48.1.5 (not critical):"];
    assert_eq!(odd, unknown[..usize::from(name.contains("ocsp"))], "{name}");
}

/// What pkilint finds where something is wrong: a clean answer is one that it could have refused.
#[test]
fn linters_find_what_is_wrong() {
    let lab = with_keys();
    lab.bulla("ca init acme --name Acme --no-passphrase").ok();
    for (extensions, finding) in [
        ("keyUsage=critical,digitalSignature,keyEncipherment", "ERROR pkix.key_usage_value_prohibited_for_ec"),
        ("keyUsage=critical,digitalSignature,keyCertSign", "ERROR pkix.ee_certificate_keycertsign_keyusage_set"),
        ("subjectAltName=critical,DNS:a.example.com", "WARNING pkix.san_extension_is_critical_non_empty_subject"),
    ] {
        lab.write("wrong.ext", format!("{extensions}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"));
        openssl(&lab, "req -new -key ldevid-p256.key -subj /CN=wrong -out wrong.csr").ok();
        let ca = "-CA acme/device/issuing.pem -CAkey acme/device/issuing.key -set_serial 77777777777777777777";
        openssl(&lab, &format!("x509 -req -in wrong.csr {ca} -days 9 -extfile wrong.ext -out wrong.pem")).ok();
        let found = lab.pkilint("cert", &["wrong.pem"]);
        assert_eq!(found, [format!("wrong.pem {finding}")], "{extensions}");
    }
    lab.bulla("enroll --key tls-client-p256.key --profile tls-client --cn x --ca acme -o chain.pem").ok();
    openssl(&lab, "x509 -in chain.pem -out x.pem").ok();
    let found = lab.pkilint("pair", &["acme/firmware/issuing.pem", "x.pem"]);
    assert!(found.iter().any(|finding| finding.ends_with("pkix.signature_verification_failed")), "{found:?}");
    lab.write("text", "no certificate");
    let linter = std::panic::AssertUnwindSafe(|| lab.pkilint("cert", &["text"]));
    assert!(std::panic::catch_unwind(linter).is_err(), "what it cannot read is no clean answer");
}
