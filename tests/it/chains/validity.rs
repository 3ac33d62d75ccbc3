//! Times: RFC 5280 sections 4.1.2.5 and 6.1.3 (a) (2).

use std::slice::from_ref;

use super::Table;
use crate::forge::*;

/// A leaf that is valid between two times, right under a root.
fn between(from: &str, until: &str) -> [Forged; 1] {
    [leaf("leaf", "Root").valid(from, until)]
}

/// Why OpenSSL refuses the last second (X509_cmp_time takes an equal time for an earlier one).
const LAST: &str = "OpenSSL takes the last second for over; 4.1.2.5: through notAfter, inclusive";

/// A root of all times.
fn ever() -> [Forged; 1] {
    [root("Root").valid("500101000000Z", "99991231235959Z")]
}

#[test]
fn both_ends_count() {
    let mut table = Table::new();
    let chain = between("220101000000Z", "230101000000Z");
    for (flags, code) in [
        ("any --at 2022-01-01T00:00:00Z", None),
        ("any --at 2023-01-01T00:00:00Z", None),
        ("any --at 2022-01-01T01:00:00+01:00", None),
        ("any --at 2021-12-31T23:59:59Z", Some("not-yet-valid")),
        ("any --at 2023-01-01T00:00:01Z", Some("expired")),
        ("any --at 2022-12-31T23:30:00-01:00", Some("expired")),
        ("any --at 0001-01-01T00:00:00Z", Some("not-yet-valid")),
        ("any --at 9999-12-31T23:59:59Z", Some("expired")),
    ] {
        match code {
            None if flags.ends_with("2023-01-01T00:00:00Z") => {
                table.good_unlike_openssl("4.1.2.5: until is within", LAST, flags, &chain, &ever())
            }
            None => table.good("4.1.2.5: from is within", flags, &chain, &ever()),
            Some(code) => table.bad("4.1.2.5: from and until are within", code, flags, &chain, &ever()),
        }
    }
    table.done();
}

#[test]
fn two_digits_of_a_year_are_1950_to_2049() {
    let mut table = Table::new();
    let chain = between("500101000000Z", "491231235959Z");
    table.good("4.1.2.5.1", "any --at 1950-01-01T00:00:00Z", &chain, &ever());
    table.good("4.1.2.5.1", "any --at 2049-12-31T23:59:58Z", &chain, &ever());
    table.good_unlike_openssl("4.1.2.5.1", LAST, "any --at 2049-12-31T23:59:59Z", &chain, &ever());
    table.bad("4.1.2.5.1", "not-yet-valid", "any --at 1949-12-31T23:59:59Z", &chain, &ever());
    table.bad("4.1.2.5.1", "expired", "any --at 2050-01-01T00:00:00Z", &chain, &ever());
    let chain = between("491231235959Z", "20500101000000Z");
    table.good("4.1.2.5: the last UTCTime", "any --at 2049-12-31T23:59:59Z", &chain, &ever());
    table.good_unlike_openssl(
        "4.1.2.5: the first GeneralizedTime",
        LAST,
        "any --at 2050-01-01T00:00:00Z",
        &chain,
        &ever(),
    );
    // Who judges MUST take either type for any year, though a CA writes the second from 2050 on (PKITS 4.2.4).
    let chain = between("20200101000000Z", "20491231235959Z");
    table.good("4.1.2.5: GeneralizedTime before 2050", "any", &chain, &ever());
    table.done();
}

#[test]
fn what_is_no_time_of_the_profile() {
    let mut table = Table::new();
    for (rule, from, until) in [
        ("4.1.2.5: the end before the beginning", time("310101000000Z"), time("290101000000Z")),
        ("4.1.2.5: the year 0", time("00000101000000Z"), time("401231235959Z")),
        ("4.1.2.5: the year 1949", time("19491231235959Z"), time("401231235959Z")),
        ("4.1.2.5.1: no seconds", tlv(0x17, "2001010000Z"), time("401231235959Z")),
        ("4.1.2.5.1: an offset", tlv(0x17, "200101000000+0100"), time("401231235959Z")),
        ("4.1.2.5.1: no zone", tlv(0x17, "200101000000"), time("401231235959Z")),
        ("4.1.2.5.2: a fraction of a second", time("200101000000Z"), tlv(0x18, "20991231235959.5Z")),
        ("4.1.2.5.2: no seconds", time("200101000000Z"), tlv(0x18, "209912312359Z")),
        ("4.1.2.5.2: an offset", time("200101000000Z"), tlv(0x18, "20991231235959+0100")),
        ("4.1.2.5.2: local time", time("200101000000Z"), tlv(0x18, "20991231235959")),
        ("4.1.2.5.2: five digits of a year", time("200101000000Z"), tlv(0x18, "100000101000000Z")),
        ("8601: the 30th of February", time("200230000000Z"), time("401231235959Z")),
        ("8601: the 13th month", time("201301000000Z"), time("401231235959Z")),
        ("8601: the 25th hour", time("200101250000Z"), time("401231235959Z")),
        ("8601: the 61st second", time("200101000061Z"), time("401231235959Z")),
        ("8601: letters", time("2O0101000000Z"), time("401231235959Z")),
        ("8601: a sign", time("-10101000000Z"), time("401231235959Z")),
        ("8601: blanks", time(" 00101000000Z"), time("401231235959Z")),
        ("X.690: an empty time", tlv(0x17, ""), time("401231235959Z")),
        ("X.690: another type", tlv(0x0c, "200101000000Z"), time("401231235959Z")),
        ("X.690: a GeneralizedTime that says it is a UTCTime", tlv(0x17, "20200101000000Z"), time("401231235959Z")),
    ] {
        let chain = [Forged { validity: [from, until], ..leaf("leaf", "Root") }];
        table.bad(rule, "malformed", "any", &chain, &ever());
    }
    table.done();
}

#[test]
fn every_certificate_has_to_be_valid() {
    let mut table = Table::new();
    let (device, issuing, top) = (leaf("leaf", "CA"), ca("CA", "Root"), root("Root"));
    let (old, young) = (("200101000000Z", "291231235959Z"), ("310101000000Z", "401231235959Z"));
    for ((from, until), code) in [(old, "expired"), (young, "not-yet-valid")] {
        let over = |each: &Forged| each.clone().valid(from, until);
        let (chain, trust) = ([device.clone(), issuing.clone()], [top.clone()]);
        table.bad("6.1.3 (a) (2): leaf", code, "any", &[over(&device), issuing.clone()], &trust);
        table.bad("6.1.3 (a) (2): CA", code, "any", &[device.clone(), over(&issuing)], &trust);
        table.bad("5937: anchor", code, "any", &chain, &[over(&top)]);
        // One that is over beside one that is not, in either order.
        for untrusted in [[over(&issuing), issuing.clone()], [issuing.clone(), over(&issuing)]] {
            table.good("4158 3.5: another of that name", "any", &[from_ref(&device), &untrusted].concat(), &trust);
        }
        for trust in [[over(&top), top.clone()], [top.clone(), over(&top)]] {
            table.good("4158 3.5: another of that name", "any", &chain, &trust);
        }
    }
    table.done();
}
