//! RFC 5280 section 4, rule by rule: each broken in a leaf, in an intermediate and in an anchor.

use super::Table;
use crate::forge::*;

/// A chain of three, one certificate of which is changed.
fn changed(place: usize, change: impl Fn(Forged) -> Forged) -> ([Forged; 2], [Forged; 1]) {
    let apply = |at, certificate| if at == place { change(certificate) } else { certificate };
    ([apply(0, leaf("leaf", "CA")), apply(1, ca("CA", "Root"))], [apply(2, root("Root"))])
}

const PLACES: [&str; 3] = ["leaf", "CA", "anchor"];

/// Breaks a rule at each place, and asserts that the chain is refused.
fn everywhere(table: &mut Table, rule: &str, code: &str, change: impl Fn(Forged) -> Forged) {
    for (place, called) in PLACES.into_iter().enumerate() {
        let (chain, trust) = changed(place, &change);
        table.bad(&format!("{rule}, {called}"), code, "any", &chain, &trust);
    }
}

/// Does what is allowed at each place, and asserts that the chain is accepted.
fn nowhere(table: &mut Table, rule: &str, change: impl Fn(Forged) -> Forged) {
    for (place, called) in PLACES.into_iter().enumerate() {
        let (chain, trust) = changed(place, &change);
        table.good(&format!("{rule}, {called}"), "any", &chain, &trust);
    }
}

#[test]
fn versions_and_serial_numbers() {
    let mut all = Table::new();
    let table = &mut all;
    for (rule, version) in [
        ("4.1.2.1: version 1", Vec::new()),
        ("4.1.2.1: version 1 in so many words (DER DEFAULT)", tlv(0xa0, integer(&[0]))),
        ("4.1.2.1: version 2", tlv(0xa0, integer(&[1]))),
        ("4.1.2.1: version 4", tlv(0xa0, integer(&[3]))),
        ("4.1.2.1: version -1", tlv(0xa0, integer(&[0xff]))),
        ("4.1.2.1: version 2^32 + 2", tlv(0xa0, integer(&[1, 0, 0, 0, 2]))),
    ] {
        everywhere(table, rule, "malformed", |each| Forged { version: version.clone(), ..each });
    }
    everywhere(table, "4.1.2.1: version 1 without extensions", "malformed", |each| Forged {
        version: vec![],
        extensions: vec![],
        ..each
    });
    nowhere(table, "4.1.2.2: 20 octets", |each| Forged { serial: vec![0x7f; 20], ..each });
    nowhere(table, "4.1.2.2: one", |each| Forged { serial: vec![1], ..each });
    nowhere(table, "4.1.2.2: 128, with the octet that keeps it positive", |each| Forged {
        serial: vec![0, 0x80],
        ..each
    });
    for (rule, serial) in [
        ("4.1.2.2: negative", vec![0x80]),
        ("4.1.2.2: minus one", vec![0xff]),
        ("4.1.2.2: 21 octets", vec![0x7f; 21]),
        ("4.1.2.2: 20 octets and a leading zero", [&[0_u8][..], &[0xff; 20]].concat()),
        ("X.690 8.3.2: a zero octet too many", vec![0, 1]),
        ("X.690 8.3.1: no octet", vec![]),
        ("4.1.2.2: 10,000 octets", vec![0x11; 10_000]),
    ] {
        everywhere(table, rule, "malformed", |each| Forged { serial: serial.clone(), ..each });
    }
    for place in [0, 1] {
        let (chain, trust) = changed(place, |each| Forged { serial: vec![0], ..each });
        table.bad("4.1.2.2: zero", "malformed", "any", &chain, &trust);
    }
    let (chain, trust) = changed(2, |each| Forged { serial: vec![0], ..each });
    table.good("4.1.2.2: zero, anchor", "any", &chain, &trust);
    all.done();
}

#[test]
fn algorithms() {
    let mut table = Table::new();
    let null = || tlv(0x05, []);
    let pss = |hash: &str, mask: &str, salt: u8| {
        let hash = sequence(&[oid(hash), null()]);
        let mask = sequence(&[oid("1.2.840.113549.1.1.8"), sequence(&[oid(mask), null()])]);
        let parameters = [tlv(0xa0, hash), tlv(0xa1, mask), tlv(0xa2, integer(&[salt]))];
        sequence(&[oid("1.2.840.113549.1.1.10"), sequence(&parameters)])
    };
    let (sha1, sha256, sha512) = ("1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.3");
    for (rule, inner, outer, code) in [
        ("4.1.1.2: SHA-384 beside", algorithm(ECDSA_SHA256), algorithm("1.2.840.10045.4.3.3"), "algorithm"),
        ("4.1.1.2: SHA-384 within", algorithm("1.2.840.10045.4.3.3"), algorithm(ECDSA_SHA256), "algorithm"),
        ("4.1.1.2: NULL beside", algorithm(ECDSA_SHA256), sequence(&[oid(ECDSA_SHA256), null()]), "algorithm"),
        (
            "5758 3.2: ECDSA with NULL",
            sequence(&[oid(ECDSA_SHA256), null()]),
            sequence(&[oid(ECDSA_SHA256), null()]),
            "algorithm",
        ),
        ("ECDSA with SHA-1", algorithm("1.2.840.10045.4.1"), algorithm("1.2.840.10045.4.1"), "algorithm"),
        ("an algorithm of nobody", algorithm("1.3.6.1.4.1.99999.7"), algorithm("1.3.6.1.4.1.99999.7"), "algorithm"),
        ("8410 3: Ed25519 with a P-256 key", algorithm("1.3.101.112"), algorithm("1.3.101.112"), "signature"),
        (
            "5758 3.2: SHA-512 named, SHA-256 used",
            algorithm("1.2.840.10045.4.3.4"),
            algorithm("1.2.840.10045.4.3.4"),
            "signature",
        ),
        ("4055 3.1: PSS with a P-256 key", pss(sha256, sha256, 32), pss(sha256, sha256, 32), "signature"),
        ("4055 3.1: PSS with two hashes", pss(sha256, sha1, 32), pss(sha256, sha1, 32), "algorithm"),
        ("4055 3.1: PSS with SHA-1", pss(sha1, sha1, 20), pss(sha1, sha1, 20), "algorithm"),
        ("4055 3.1: PSS with no salt", pss(sha512, sha512, 0), pss(sha512, sha512, 0), "algorithm"),
        ("4055 3.1: PSS with 128 octets of salt", pss(sha256, sha256, 0x80), pss(sha256, sha256, 0x80), "algorithm"),
        (
            "4055 3.1: PSS without parameters",
            algorithm("1.2.840.113549.1.1.10"),
            algorithm("1.2.840.113549.1.1.10"),
            "algorithm",
        ),
        ("4.1.1.2: no algorithm", sequence(&[]), sequence(&[]), "algorithm"),
    ] {
        for place in [0, 1] {
            let (chain, trust) = changed(place, |each| Forged { algorithms: [inner.clone(), outer.clone()], ..each });
            table.bad(&format!("{rule}, {}", PLACES[place]), code, "any", &chain, &trust);
        }
    }
    // What an anchor's own signature says, nobody reads.
    let (chain, trust) = changed(2, |each| Forged { signer: "nobody".to_owned(), ..each });
    table.good("5280 6.1: an anchor's signature is not judged", "any", &chain, &trust);
    let (chain, trust) = changed(0, |each| Forged { signer: "nobody".to_owned(), ..each });
    table.bad("6.1.3 (a) (1): signed by another, leaf", "certificate-signature", "any", &chain, &trust);
    let (chain, trust) = changed(1, |each| Forged { signer: "nobody".to_owned(), ..each });
    table.bad("6.1.3 (a) (1): signed by another, CA", "certificate-signature", "any", &chain, &trust);
    table.done();
}

#[test]
fn keys() {
    let mut table = Table::new();
    let curve = |parameters: Vec<u8>, point: &[u8]| {
        let algorithm = sequence(&[oid("1.2.840.10045.2.1"), parameters]);
        sequence(&[algorithm, tlv(0x03, [&[0], point].concat())])
    };
    let p256 = || oid("1.2.840.10045.3.1.7");
    let point = public_key("leaf")[26..].to_vec();
    let off_curve = [&point[..64], &[point[64] ^ 1]].concat();
    for (rule, public_key) in [
        ("5480 2.2: a point off the curve", curve(p256(), &off_curve)),
        ("5480 2.2: the point at infinity", curve(p256(), &[0])),
        ("5480 2.1.1: no curve", curve(Vec::new(), &point)),
        ("5480 2.1.1: implicitCurve", curve(tlv(0x05, []), &point)),
        ("5480 2.1.1: secp256k1", curve(oid("1.3.132.0.10"), &point)),
        ("a key of nobody", sequence(&[algorithm("1.3.6.1.4.1.99999.8"), tlv(0x03, [0])])),
        ("5480 2.2: unused bits", {
            let algorithm = sequence(&[oid("1.2.840.10045.2.1"), p256()]);
            sequence(&[algorithm, tlv(0x03, [&[4], point.as_slice()].concat())])
        }),
    ] {
        for (place, called) in PLACES.into_iter().enumerate() {
            let (chain, trust) = changed(place, |each| Forged { public_key: public_key.clone(), ..each });
            let code = if rule.contains("bits") { "" } else { "certificate-key" };
            table.bad(&format!("{rule}, {}", called), code, "any", &chain, &trust);
        }
    }
    table.done();
}

#[test]
fn extensions() {
    let mut table = Table::new();
    let unknown = "1.3.6.1.4.1.99999.9";
    everywhere(&mut table, "4.2: unknown and critical", "critical-extension", |each| {
        each.with(critical(unknown, vec![5, 0]))
    });
    nowhere(&mut table, "4.2: unknown", |each| each.with(extension(unknown, vec![5, 0])));
    nowhere(&mut table, "4.2: unknown, of bytes that are no DER", |each| each.with(extension(unknown, vec![0xff; 3])));
    everywhere(&mut table, "4.2: twice", "malformed", |each| {
        each.and(extension(unknown, vec![5, 0])).and(extension(unknown, vec![5, 0]))
    });
    everywhere(&mut table, "4.2: keyUsage twice", "malformed", |each| each.and(key_usage(&[SIGNATURE, CERT_SIGN])));
    everywhere(&mut table, "4.2.1.9: basicConstraints twice", "malformed", |each| {
        each.and(basic_constraints(true, None))
    });
    everywhere(&mut table, "4.2.1.1: authorityKeyIdentifier critical", "critical-extension", |each| {
        let who = if each.subject == common_name("leaf") { "CA" } else { "Root" };
        each.with(authority_key(who)).criticality(AUTHORITY_KEY, true)
    });
    everywhere(&mut table, "4.2.1.2: subjectKeyIdentifier critical", "critical-extension", |each| {
        let who = String::from_utf8_lossy(&each.subject[each.subject.len() - 4..]).into_owned();
        each.with(subject_key(who.trim_matches(|c: char| c.is_control()))).criticality(SUBJECT_KEY, true)
    });
    everywhere(&mut table, "4.2.2.1: authorityInfoAccess critical", "critical-extension", |each| {
        let access = sequence(&[oid("1.3.6.1.5.5.7.48.1"), tlv(0x86, "http://a.example")]);
        each.with(critical("1.3.6.1.5.5.7.1.1", sequence(&[access])))
    });
    for oid in [KEY_USAGE, BASIC_CONSTRAINTS, AUTHORITY_KEY, SUBJECT_KEY, ALT_NAME, EXTENDED_KEY_USAGE] {
        for value in [vec![], vec![0x30], vec![0x30, 0x80, 0, 0], vec![0x05, 0], [tlv(0x30, []), vec![0]].concat()] {
            everywhere(&mut table, &format!("4.2: {oid} of {value:02x?}"), "malformed", |each| {
                each.with(Extension { oid, critical: false, value: value.clone() })
            });
        }
    }
    everywhere(&mut table, "X.690 11.1: TRUE is ff", "malformed", |each| {
        each.with(critical(BASIC_CONSTRAINTS, sequence(&[tlv(0x01, [1])])))
    });
    everywhere(&mut table, "4.2.1.9: pathLen below zero", "malformed", |each| {
        each.with(critical(BASIC_CONSTRAINTS, sequence(&[tlv(0x01, [0xff]), integer(&[0xff])])))
    });
    everywhere(&mut table, "4.2.1.9: pathLen and no CA", "malformed", |each| {
        each.with(basic_constraints(false, Some(0)))
    });
    table.done();
}

#[test]
fn issuers() {
    let mut table = Table::new();
    for place in [1, 2] {
        let mut bad = |rule: &str, code: &str, change: &dyn Fn(Forged) -> Forged| {
            let (chain, trust) = changed(place, change);
            table.bad(&format!("{rule}, {}", PLACES[place]), code, "any", &chain, &trust);
        };
        bad("6.1.4 (k): no basicConstraints", "", &|each| each.without(BASIC_CONSTRAINTS));
        bad("6.1.4 (k): neither basicConstraints nor keyUsage", "not-a-ca", &|each| {
            each.without(BASIC_CONSTRAINTS).without(KEY_USAGE)
        });
        bad("6.1.4 (k): no CA", "not-a-ca", &|each| {
            each.with(basic_constraints(false, None)).with(key_usage(&[SIGNATURE]))
        });
        bad("6.1.4 (n): no keyCertSign", "not-a-ca", &|each| each.with(key_usage(&[SIGNATURE, CRL_SIGN])));
        bad("4.2.1.3: empty keyUsage", "malformed", &|each| each.with(key_usage(&[])));
        bad("4.2.1.2: a CA without subjectKeyIdentifier", "malformed", &|each| each.without(SUBJECT_KEY));
        bad("4.1.2.6: a CA without name", "", &|each| Forged { subject: sequence(&[]), ..each });
    }
    let not_critical = |each: Forged| each.criticality(BASIC_CONSTRAINTS, false);
    let (chain, trust) = changed(2, not_critical);
    table.bad("4.2.1.9: basicConstraints not critical, anchor", "malformed", "any", &chain, &trust);
    let (chain, trust) = changed(1, not_critical);
    table.good_unlike_openssl("6.1.4 (k): basicConstraints not critical", "PKITS 4.6.4", "any", &chain, &trust);
    let (chain, trust) = changed(1, |each| each.without(KEY_USAGE));
    table.good_unlike_openssl(
        "6.1.4 (n): a CA without keyUsage",
        "4.2.1.3 MUST of the CA, and not of who judges",
        "any",
        &chain,
        &trust,
    );
    for place in [0, 1] {
        let (chain, trust) = changed(place, |each| each.without(AUTHORITY_KEY));
        table.bad("4.2.1.1: no authorityKeyIdentifier", "malformed", "any", &chain, &trust);
        let (chain, trust) = changed(place, |each| each.with(authority_key("another")));
        table.bad("4.2.1.1: another key", "key-identifier", "any", &chain, &trust);
    }
    let (chain, trust) = changed(2, |each| each.with(authority_key("Root")));
    table.good("4.2.1.1: a root that names its own key", "any", &chain, &trust);
    let (chain, trust) = changed(0, |each| Forged { issuer: sequence(&[]), ..each });
    table.bad("4.1.2.4: no issuer", "malformed", "any", &chain, &trust);
    let (chain, trust) = changed(0, |each| Forged { issuer: common_name("Another"), ..each });
    table.bad("6.1.3 (a) (4): another issuer", "untrusted", "any", &chain, &trust);
    let (chain, trust) = changed(0, |each| Forged { issuer: name(&[("2.5.4.3", "  ca  ")]), ..each });
    table.good("7.1: case and spaces do not count", "any", &chain, &trust);
    table.done();
}

#[test]
fn encodings() {
    let mut table = Table::new();
    let (chain, trust) = changed(0, |each| each);
    let der = chain[0].der();
    let length = (der.len() - 4) as u16;
    let long = [&[0x30, 0x83, 0, (length >> 8) as u8, length as u8], &der[4..]].concat();
    for (rule, bytes) in [
        ("X.690 10.1: a length that is too long", long),
        ("X.690 10.1: indefinite", [&[0x30, 0x80], &der[4..], &[0, 0]].concat()),
        ("a byte after it", [der.as_slice(), &[0]].concat()),
        ("another after it", [der.as_slice(), der.as_slice()].concat()),
        ("a byte less", der[..der.len() - 1].to_vec()),
    ] {
        table.lab.write("leaf.der", &bytes);
        table.lab.write("leaf.pem", pem(&bytes));
        table.lab.write("ca.pem", chain[1].pem());
        table.lab.write("root.pem", trust[0].pem());
        for file in ["leaf.der", "leaf.pem"] {
            let words = format!("verify-chain {file} --untrusted ca.pem --trust root.pem --purpose any --format json");
            let told = table.lab.bulla(&words).exits(3).json();
            assert_eq!(told["code"], "malformed", "{rule}");
            table.cases += 1;
        }
    }
    table.done();
}
