//! Project Wycheproof's signatures, through `bulla verify --batch`: a set is a batch, and each verdict is the expected one.
//!
//! What the table of algorithms lacks is refused by name, or the key is, whatever the signature is worth. Signatures that
//! Wycheproof calls acceptable, PKCS#1 v1.5 without the NULL of RFC 8017 section 9.2, are bad: the encoding is compared
//! as a whole.

use std::collections::BTreeMap;

use bulla::files::{from_hex, to_base64};
use serde_json::{Value, json};
use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use crate::harness::Lab;

/// What a signature must be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Expected {
    Good,
    BadSignature,
    /// It would hold under parameters that the table does not have.
    OtherParameters,
    UnsupportedAlgorithm,
    UnsupportedKey,
}

impl Expected {
    fn answer(self) -> (&'static str, Value) {
        match self {
            Self::Good => ("good", Value::Null),
            Self::BadSignature | Self::OtherParameters => ("bad", "signature".into()),
            Self::UnsupportedAlgorithm => ("bad", "unsupported-algorithm".into()),
            Self::UnsupportedKey => ("bad", "unsupported-key".into()),
        }
    }
}

/// How many signatures of a family there were that must be good, and that must be refused, by why.
type Counts = BTreeMap<(String, Expected), usize>;

/// Puts every signature of some sets to `bulla`.
fn run(sets: impl IntoIterator<Item = &'static str>) -> Counts {
    let lab = Lab::new();
    let mut counts = Counts::new();
    for set in sets {
        let set: Value = serde_json::from_str(set).expect("a set");
        let mut questions = Vec::new();
        let mut expected = Vec::new();
        for group in array(&set["testGroups"]) {
            let (family, algorithm, lack) = family(&set, group);
            for test in array(&group["tests"]) {
                let answer = match (lack, text(&test["result"])) {
                    (Some(OtherParameters), _) if has_usual_salt(group, test) => Expected::Good,
                    (Some(lack), _) => lack,
                    (None, "valid") => Expected::Good,
                    (None, "invalid" | "acceptable") => Expected::BadSignature,
                    (None, other) => panic!("{other}"),
                };
                questions.push(question(group, test, &algorithm));
                expected.push((test, answer));
                *counts.entry((family.clone(), answer)).or_default() += 1;
            }
        }
        lab.write("batch.jsonl", questions.concat());
        let run = lab.bulla("verify --batch batch.jsonl");
        let answers = run.text();
        assert_eq!(answers.lines().count(), expected.len());
        for (line, (test, expected)) in answers.lines().zip(&expected) {
            let answer: Value = serde_json::from_str(line).expect("an answer");
            let found = (text(&answer["verdict"]), answer["code"].clone());
            assert_eq!((&answer["id"], found), (&test["tcId"], expected.answer()), "{answer} {test} {}", set["header"]);
        }
        let worst = expected.iter().map(|(_, expected)| match expected {
            Expected::Good => 0,
            Expected::BadSignature | Expected::OtherParameters | Expected::UnsupportedKey => 3,
            Expected::UnsupportedAlgorithm => 1,
        });
        let codes: Vec<i32> = worst.collect();
        run.exits(if codes.contains(&1) { 1 } else { codes.into_iter().max().unwrap_or(1) });
    }
    counts
}

/// The line of a signature: key in PEM and the rest hexadecimal, or all of it in base64, by turns.
fn question(group: &Value, test: &Value, algorithm: &str) -> String {
    let base64 = |hex: &Value| to_base64(&from_hex(text(hex)).expect("hexadecimal"));
    let line = if test["tcId"].as_u64().is_some_and(|id| id % 2 == 0) {
        json!({"id": test["tcId"], "message_hex": test["msg"], "signature_hex": test["sig"],
            "key": group["publicKeyPem"], "algorithm": algorithm})
    } else {
        json!({"id": test["tcId"], "message": base64(&test["msg"]), "signature": base64(&test["sig"]),
            "key": base64(&group["publicKeyDer"]), "algorithm": algorithm})
    };
    format!("{line}\n")
}

/// The family of a group, the name of its algorithm, and how all of it must be refused where the table lacks something.
fn family(set: &Value, group: &Value) -> (String, String, Option<Expected>) {
    let sha = group["sha"].as_str().unwrap_or_default();
    let hash = sha.replace("SHA-", "sha").to_ascii_lowercase();
    let length = match sha {
        "SHA-256" => Some(32),
        "SHA-384" => Some(48),
        "SHA-512" => Some(64),
        _ => None,
    };
    let lacks_hash = length.is_none().then_some(Expected::UnsupportedAlgorithm);
    let curve = group["publicKey"]["curve"].as_str().unwrap_or_default();
    match text(&set["algorithm"]) {
        "ECDSA" => {
            let (form, suffix) = match text(&group["type"]) {
                "EcdsaP1363Verify" => ("P1363", "-p1363"),
                _ => ("DER", ""),
            };
            let known = ["secp256r1", "secp384r1", "secp521r1"].contains(&curve);
            let lack = lacks_hash.or((!known).then_some(Expected::UnsupportedKey));
            let family = if lack.is_none() { format!("ECDSA {curve} {form}") } else { "ECDSA".to_owned() };
            (family, format!("ecdsa-{hash}{suffix}"), lack)
        }
        "EDDSA" if curve == "edwards25519" => (curve.to_owned(), "ed25519".to_owned(), None),
        "EDDSA" => (curve.to_owned(), "ed448".to_owned(), Some(Expected::UnsupportedAlgorithm)),
        "RSASSA-PKCS1-v1_5" => ("PKCS#1 v1.5".to_owned(), format!("rsa-pkcs1-{hash}"), lacks_hash),
        "RSASSA-PSS" => {
            // Keys that are for PSS alone and say its parameters (RFC 4055 section 1.2) are of another type.
            let is_pss_key = text(&group["publicKeyDer"]).contains("2a864886f70d01010a");
            let usual = group["mgf"] == "MGF1" && group["mgfSha"] == sha && group["sLen"].as_u64() == length;
            let lack = lacks_hash
                .or(is_pss_key.then_some(Expected::UnsupportedKey))
                .or((!usual).then_some(Expected::OtherParameters));
            ("PSS".to_owned(), format!("rsa-pss-{hash}"), lack)
        }
        other => panic!("{other}"),
    }
}

/// Whether a signature is bad for its group alone: its salt is as long as the hash, where the group has another length.
fn has_usual_salt(group: &Value, test: &Value) -> bool {
    let length = match text(&group["sha"]) {
        "SHA-256" => 32,
        "SHA-384" => 48,
        _ => 64,
    };
    group["mgfSha"] == group["sha"] && test["comment"] == format!("s_len changed to {length}")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Asserts which signatures there were: of each family, the figures in the order of [`Expected`].
#[track_caller]
fn assert_counts(counts: &Counts, expected: &[(&str, Expected, usize)]) {
    let counts: Vec<_> =
        counts.iter().map(|((family, expected), count)| (family.as_str(), *expected, *count)).collect();
    assert_eq!(counts, expected);
}

use Expected::{BadSignature, Good, OtherParameters, UnsupportedAlgorithm, UnsupportedKey};

#[test]
fn ecdsa_signatures() {
    let counts = run(ecdsa::TestName::all().iter().map(ecdsa::TestName::json_data));
    assert_counts(
        &counts,
        &[
            ("ECDSA", UnsupportedAlgorithm, 14352),
            ("ECDSA", UnsupportedKey, 10943),
            ("ECDSA secp256r1 DER", Good, 417),
            ("ECDSA secp256r1 DER", BadSignature, 621),
            ("ECDSA secp256r1 P1363", Good, 415),
            ("ECDSA secp256r1 P1363", BadSignature, 179),
            ("ECDSA secp384r1 DER", Good, 587),
            ("ECDSA secp384r1 DER", BadSignature, 931),
            ("ECDSA secp384r1 P1363", Good, 423),
            ("ECDSA secp384r1 P1363", BadSignature, 175),
            ("ECDSA secp521r1 DER", Good, 232),
            ("ECDSA secp521r1 DER", BadSignature, 310),
            ("ECDSA secp521r1 P1363", Good, 231),
            ("ECDSA secp521r1 P1363", BadSignature, 87),
        ],
    );
}

#[test]
fn eddsa_signatures() {
    let counts = run(eddsa::TestName::all().iter().map(eddsa::TestName::json_data));
    assert_counts(
        &counts,
        &[("edwards25519", Good, 88), ("edwards25519", BadSignature, 63), ("edwards448", UnsupportedAlgorithm, 87)],
    );
}

/// Twelve of the bad ones are acceptable to Wycheproof.
#[test]
fn rsa_pkcs1_signatures() {
    let counts = run(rsa_pkcs1_verify::TestName::all().iter().map(rsa_pkcs1_verify::TestName::json_data));
    assert_counts(
        &counts,
        &[
            ("PKCS#1 v1.5", Good, 89),
            ("PKCS#1 v1.5", BadSignature, 3005 + 12),
            ("PKCS#1 v1.5", UnsupportedAlgorithm, 3096),
        ],
    );
}

/// One of those with other parameters is bad since its salt is as long as the hash, and therefore good.
#[test]
fn rsa_pss_signatures() {
    let counts = run(rsa_pss_verify::TestName::all().iter().map(rsa_pss_verify::TestName::json_data));
    assert_counts(
        &counts,
        &[
            ("PSS", Good, 514 + 1),
            ("PSS", BadSignature, 274),
            ("PSS", OtherParameters, 475 - 1),
            ("PSS", UnsupportedAlgorithm, 1291),
            ("PSS", UnsupportedKey, 943),
        ],
    );
}
