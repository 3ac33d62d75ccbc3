//! What a leaf is for: the good shapes of every purpose, and each rule of it broken alone.

use super::{Question, Table};
use crate::forge::*;

/// id-on-hardwareModuleName (RFC 4108 section 5): a type of module and its serial number.
fn hardware_module(serial: &[u8]) -> Vec<u8> {
    let value = sequence(&[oid("1.3.6.1.4.1.99999.1"), tlv(0x04, serial)]);
    tlv(0xa0, [oid("1.3.6.1.5.5.7.8.4"), tlv(0xa0, value)].concat())
}

/// An intermediate and a root over it.
fn above() -> (Forged, [Forged; 1]) {
    (ca("CA", "Root"), [root("Root")])
}

/// A leaf with these uses.
fn used(uses: &[&str]) -> Forged {
    leaf("leaf", "CA").with(extended_key_usage(uses))
}

#[test]
fn firmware() {
    let mut table = Table::new();
    let (ca, root) = above();
    let signer = used(&[CODE]);
    let mut good = |rule: &str, leaf: &Forged| table.good(rule, "firmware", &[leaf.clone(), ca.clone()], &root);
    good("5280 4.2.1.12: codeSigning", &signer);
    good("5280 4.2.1.12: codeSigning, critical", &signer.clone().criticality(EXTENDED_KEY_USAGE, true));
    good("5280 4.2.1.12: codeSigning among others", &used(&[EMAIL, CODE]));
    good("5280 4.2.1.12: codeSigning beside any use", &used(&[ANY_USE, CODE]));
    good("5280 4.2.1.3: signs and more", &signer.clone().with(key_usage(&[SIGNATURE, ENCIPHERMENT, AGREEMENT])));
    good("5280 4.2.1.3: keyUsage not critical", &signer.clone().criticality(KEY_USAGE, false));
    good("5280 4.2.1.9: no basicConstraints is no CA", &signer.clone().without(BASIC_CONSTRAINTS));
    let mut bad = |rule: &str, code: &str, leaf: Forged| table.bad(rule, code, "firmware", &[leaf, ca.clone()], &root);
    bad("5280 4.2.1.12: no extKeyUsage", "purpose", leaf("leaf", "CA"));
    bad("5280 4.2.1.12: another use", "purpose", used(&[CLIENT]));
    bad("5280 4.2.1.12: every other use", "purpose", used(&[SERVER, CLIENT, EMAIL]));
    bad("5280 4.2.1.12: any use is not this use", "purpose", used(&[ANY_USE]));
    bad("5280 4.2.1.12: no use (SIZE 1..MAX)", "certificate-malformed", used(&[]));
    bad(
        "5280 4.2.1.12: extKeyUsage of bytes",
        "malformed",
        signer.clone().with(extension(EXTENDED_KEY_USAGE, vec![1])),
    );
    bad("5280 4.2.1.3: no keyUsage", "purpose", signer.clone().without(KEY_USAGE));
    bad("5280 4.2.1.3: agrees on keys only", "purpose", signer.clone().with(key_usage(&[AGREEMENT])));
    bad("5280 4.2.1.3: contentCommitment only", "purpose", signer.clone().with(key_usage(&[1])));
    bad("5280 4.2.1.3: empty keyUsage", "certificate-malformed", signer.clone().with(key_usage(&[])));
    bad(
        "5280 4.2.1.3: keyCertSign without cA",
        "certificate-malformed",
        signer.clone().with(key_usage(&[SIGNATURE, CERT_SIGN])),
    );
    let own = self::ca("leaf", "CA").with(extended_key_usage(&[CODE])).with(key_usage(&[SIGNATURE, CERT_SIGN]));
    bad("a CA signs no firmware", "purpose", own);
    table.done();
}

#[test]
fn what_an_intermediate_restricts_itself_to() {
    let mut table = Table::new();
    let (ca, root) = above();
    for (purpose, used_for, others) in [
        ("firmware", CODE, [CLIENT, SERVER, EMAIL]),
        ("idevid", CLIENT, [CODE, SERVER, EMAIL]),
        ("tls-client", CLIENT, [CODE, SERVER, EMAIL]),
        ("tls-server", SERVER, [CODE, CLIENT, EMAIL]),
    ] {
        let leaf = used(&[used_for]);
        let restricted = |uses: &[&str]| [leaf.clone(), ca.clone().with(extended_key_usage(uses))];
        table.good("5280 4.2.1.12: the CA has the use", purpose, &restricted(&[EMAIL, used_for]), &root);
        table.bad("5280 4.2.1.12: the CA has other uses", "purpose", purpose, &restricted(&others), &root);
        table.bad("5280 4.2.1.12: the CA has no use", "certificate-malformed", purpose, &restricted(&[]), &root);
        let (rule, any) = ("5280 4.2.1.12: the CA has any use", restricted(&[ANY_USE]));
        match purpose {
            // OpenSSL is asked for no purpose here.
            "firmware" => table.good(rule, purpose, &any, &root),
            _ => table.good_unlike_openssl(rule, "OpenSSL gives anyExtendedKeyUsage no meaning", purpose, &any, &root),
        }
        let roots = [root[0].clone().with(extended_key_usage(&others))];
        table.bad("5937: the anchor has other uses", "purpose", purpose, &[leaf.clone(), ca.clone()], &roots);
        table.good("any purpose", "any", &restricted(&others), &root);
    }
    table.done();
}

#[test]
fn tls() {
    let mut table = Table::new();
    let (ca, root) = above();
    let mut ask = |rule: &str, purpose: &str, code: Option<&str>, leaf: Forged| match code {
        None => table.good(rule, purpose, &[leaf, ca.clone()], &root),
        Some(code) => table.bad(rule, code, purpose, &[leaf, ca.clone()], &root),
    };
    for (purpose, used_for, other) in [("tls-client", CLIENT, SERVER), ("tls-server", SERVER, CLIENT)] {
        ask("5280 4.2.1.12: the use", purpose, None, used(&[used_for]));
        ask("5280 4.2.1.12: both uses", purpose, None, used(&[CLIENT, SERVER]));
        ask("5280 4.2.1.12: no extKeyUsage", purpose, None, leaf("leaf", "CA"));
        ask("5280 4.2.1.3: no keyUsage", purpose, None, used(&[used_for]).without(KEY_USAGE));
        ask("5246 7.4.2: agrees on keys", purpose, None, used(&[used_for]).with(key_usage(&[AGREEMENT])));
        ask("5280 4.2.1.12: the other use", purpose, Some("purpose"), used(&[other]));
        ask("5280 4.2.1.12: code signing", purpose, Some("purpose"), used(&[CODE]));
        ask("5280 4.2.1.12: any use is not this use", purpose, Some("purpose"), used(&[ANY_USE]));
        ask("5280 4.2.1.12: no use", purpose, Some("certificate-malformed"), used(&[]));
        ask("5280 4.2.1.3: signs lists only", purpose, Some("purpose"), used(&[used_for]).with(key_usage(&[CRL_SIGN])));
        ask("5280 4.2.1.3: empty", purpose, Some("certificate-malformed"), used(&[used_for]).with(key_usage(&[])));
    }
    let enciphers = |use_| used(&[use_]).with(key_usage(&[ENCIPHERMENT]));
    ask("5246 7.4.2: a server's RSA key exchange", "tls-server", None, enciphers(SERVER));
    ask("5246 7.4.6: a client signs or agrees", "tls-client", Some("purpose"), enciphers(CLIENT));
    table.done();
}

#[test]
fn devices_that_never_expire() {
    const LAST: &str = "99991231235959Z";
    let mut table = Table::new();
    let root = [root("Root").valid("200101000000Z", LAST)];
    let ca = ca("CA", "Root").valid("200101000000Z", LAST);
    let plain = leaf("SN-42", "CA").valid("200101000000Z", LAST);
    let module = |serial: &[u8]| critical(ALT_NAME, sequence(&[hardware_module(serial)]));
    let policy = || extension("2.5.29.32", sequence(&[sequence(&[oid("1.2.826.0.1.8641679.1.2.1.3")])]));
    // The shape of the UK's smart meters (GBCS annex): no subject, one critical name, one usage, one policy.
    let meter = |usage| {
        Forged { subject: sequence(&[]), ..plain.clone() }
            .with(module(b"SC000042"))
            .with(key_usage(&[usage]))
            .with(policy())
    };
    let chain = |leaf: Forged| [leaf, ca.clone()];
    for flags in ["idevid", "idevid --at 2099-01-01T00:00:00Z", "idevid --at 9999-12-31T23:59:58Z"] {
        table.good("802.1AR 8: no extKeyUsage, ends 9999", flags, &chain(plain.clone()), &root);
    }
    table.answer(
        &Question {
            rule: "802.1AR 8: the last second",
            flags: "idevid --at 9999-12-31T23:59:59Z",
            chain: &chain(plain.clone()),
            trust: &root,
        },
        None,
    );
    table.good(
        "802.1AR 8.10.4: hardwareModuleName",
        "idevid",
        &chain(plain.clone().with(alt_name(&[hardware_module(b"42")]))),
        &root,
    );
    table.good("5280 4.2.1.6: empty subject, critical hardwareModuleName", "idevid", &chain(meter(SIGNATURE)), &root);
    table.good("802.1AR 8.10.3: keyAgreement only", "idevid", &chain(meter(AGREEMENT)), &root);
    table.good("802.1AR 8: clientAuth", "idevid", &chain(plain.clone().with(extended_key_usage(&[CLIENT]))), &root);
    table.good("802.1AR 8: for any purpose", "any", &chain(meter(AGREEMENT)), &root);
    for (rule, code, leaf) in [
        ("802.1AR 8: for code signing", "purpose", plain.clone().with(extended_key_usage(&[CODE]))),
        ("802.1AR 8: any use", "purpose", plain.clone().with(extended_key_usage(&[ANY_USE]))),
        ("802.1AR 8: enciphers only", "purpose", meter(ENCIPHERMENT)),
        ("802.1AR 8: a CA", "purpose", self::ca("SN-42", "CA").valid("200101000000Z", LAST)),
        ("5280 4.2.1.6: the one name not critical", "malformed", meter(SIGNATURE).criticality(ALT_NAME, false)),
        ("5280 4.2.1.6: no name at all", "malformed", meter(SIGNATURE).without(ALT_NAME)),
        ("5280 4.2.1.6: empty subjectAltName", "malformed", meter(SIGNATURE).with(critical(ALT_NAME, sequence(&[])))),
        ("5280 4.1.2.5: begins later", "not-yet-valid", plain.clone().valid("300101000001Z", LAST)),
    ] {
        table.bad(rule, code, "idevid", &chain(leaf), &root);
    }
    for (rule, chain, trust) in [
        ("a leaf of 9999 under an issuer of 2040", chain(plain.clone()), [self::root("Root")]),
        ("a leaf of 9999 under a root of 2040", [plain.clone(), self::ca("CA", "Root")], root.clone()),
    ] {
        table.good(rule, "idevid", &chain, &trust);
        table.bad(rule, "expired", "idevid --at 2041-01-01T00:00:00Z", &chain, &trust);
    }
    // A device's identity under the root that firmware is trusted by.
    table.bad("4.2.1.12: a device signs no firmware", "purpose", "firmware", &chain(plain.clone()), &root);
    table.bad("4.2.1.12: a meter signs no firmware", "purpose", "firmware", &chain(meter(SIGNATURE)), &root);
    let signer = leaf("signer", "CA").with(extended_key_usage(&[CODE]));
    table.good("4.2.1.12: a signer beside devices", "firmware", &chain(signer.clone()), &root);
    table.bad("4.2.1.12: a signer is no device", "purpose", "idevid", &chain(signer), &root);
    table.done();
}

#[test]
fn matter_attestation() {
    const LAST: &str = "99991231235959Z";
    let mut table = Table::new();
    let (vendor, product) = (("1.3.6.1.4.1.37244.2.1", "FFF1"), ("1.3.6.1.4.1.37244.2.2", "8000"));
    let named = |cn, ids: &[(&str, &str)]| name(&[&[("2.5.4.3", cn)], ids].concat());
    let authority = named("PAI", &[vendor]);
    let paa = root("PAA").with(basic_constraints(true, Some(1))).valid("210628142343Z", LAST);
    let pai = Forged { subject: authority.clone(), ..ca("PAI", "PAA") }
        .with(basic_constraints(true, Some(0)))
        .valid("210628142343Z", LAST);
    let dac = Forged { subject: named("DAC", &[vendor, product]), issuer: authority, ..leaf("DAC", "PAI") }
        .and(subject_key("DAC"))
        .valid("210628142343Z", LAST);
    let trust = [paa];
    table.good("Matter 6.2.2: DAC, PAI, PAA", "idevid", &[dac.clone(), pai.clone()], &trust);
    let signs = pai.clone().with(key_usage(&[SIGNATURE, CERT_SIGN, CRL_SIGN]));
    table.good("Matter 6.2.2.4: the PAI may sign too", "idevid", &[dac.clone(), signs], &trust);
    table.good(
        "Matter 6.2.3.1: at the DAC's notBefore",
        "idevid --at 2021-06-28T14:23:43Z",
        &[dac.clone(), pai.clone()],
        &trust,
    );
    table.bad(
        "Matter 6.2.3.1: a second before",
        "not-yet-valid",
        "idevid --at 2021-06-28T14:23:42Z",
        &[dac.clone(), pai.clone()],
        &trust,
    );
    table.bad("a DAC signs no firmware", "purpose", "firmware", &[dac.clone(), pai.clone()], &trust);
    // A PAI that makes a CA of its own: its pathLen is 0.
    let below = ca("Below", "PAI").valid("210628142343Z", LAST);
    let below = Forged { issuer: pai.subject.clone(), ..below };
    table.bad("Matter 6.2.2.4: pathLen 0", "path-length", "idevid", &[leaf("DAC", "Below"), below, pai], &trust);
    table.done();
}

#[test]
fn the_public_web() {
    let mut table = Table::new();
    let (ca, root) = above();
    let server = used(&[SERVER]).with(alt_name(&[dns("leaf"), dns("gw.example"), dns("*.gw.example")]));
    let chain = |leaf: Forged| [leaf, ca.clone()];
    for host in ["gw.example", "a.gw.example"] {
        table.good("BR 7.1.2.7", &format!("webpki --name {host}"), &chain(server.clone()), &root);
    }
    for (rule, code, leaf) in [
        ("BR 7.1.2.7.10: no extKeyUsage", "purpose", server.clone().without(EXTENDED_KEY_USAGE)),
        ("BR 7.1.2.7.10: any use", "purpose", server.clone().with(extended_key_usage(&[SERVER, ANY_USE]))),
        ("BR 7.1.2.7.10: critical", "purpose", server.clone().criticality(EXTENDED_KEY_USAGE, true)),
        ("BR 7.1.2.7.12: no subjectAltName", "purpose", server.clone().without(ALT_NAME)),
        ("BR 7.1.2.7.12: critical beside a subject", "purpose", server.clone().criticality(ALT_NAME, true)),
        (
            "BR 7.1.2.7.12: an e-mail address",
            "purpose",
            server.clone().with(alt_name(&[dns("leaf"), tlv(0x81, "a@b.example")])),
        ),
        ("BR 7.1.2.7.12: an underscore", "purpose", server.clone().with(alt_name(&[dns("leaf"), dns("a_b.example")]))),
        (
            "BR 7.1.2.7.12: a wildcard over a top-level domain",
            "purpose",
            server.clone().with(alt_name(&[dns("leaf"), dns("*.example")])),
        ),
        ("BR 7.1.4.3: a common name of its own", "purpose", server.clone().with(alt_name(&[dns("gw.example")]))),
        ("BR 7.1.2.7.8: a CA", "purpose", self::ca("leaf", "CA").with(extended_key_usage(&[SERVER]))),
    ] {
        table.bad(rule, code, "webpki", &chain(leaf), &root);
    }
    table.bad(
        "9525 6.3: a wildcard is one label",
        "name",
        "webpki --name a.b.gw.example",
        &chain(server.clone()),
        &root,
    );
    let root = [root[0].clone().with(extended_key_usage(&[SERVER]))];
    table.bad("BR 7.1.2.1.2: a root with extKeyUsage", "purpose", "webpki", &chain(server), &root);
    table.done();
}
