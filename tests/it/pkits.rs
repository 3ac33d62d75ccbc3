//! NIST's Public Key Interoperability Test Suite (PKITS) judges how paths are built and validated.
//!
//! Every case is offered all certificates and all revocation lists of the suite: it has to find its own among them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use bulla::x509::verify::{self, Anchors, Mode, PolicyRules, Purpose, Revocation, Rules};
use bulla::x509::{Certificate, CertificateList, Error, Time};
use const_oid::ObjectIdentifier;
use time::format_description::well_known::Rfc3339;

use crate::harness::Lab;

/// What the document asks for.
const CASES: &str = include_str!("pkits/cases.txt");

/// How many cases its sections 4.1 to 4.16 have, each subpart counted.
const COUNTS: [usize; 16] = [6, 8, 11, 21, 8, 17, 5, 35, 8, 23, 11, 11, 38, 35, 10, 2];

/// Within the validity of all that the document calls valid: from 2011-01-01, when its delta-CRLs were issued, to
/// 2030-12-31.
const AT: &str = "2026-01-01T00:00:00Z";

/// What every path ends in.
const ANCHOR: &str = "TrustAnchorRootCertificate";

/// What cannot be read, being no DER: signatures that are no whole number of octets.
const UNREADABLE: [&str; 3] = ["BadSignedCACert", "InvalidDSASignatureTest6EE", "BadCRLSignatureCACRL"];

/// What is refused otherwise than the document asks: cases, the code of their refusals, and why that is so. Section numbers
/// are those of RFC 5280.
const KNOWN: [(&str, &str, &str); 6] = [
    ("4.1.2", "untrusted", "the CA's certificate cannot be read: see UNREADABLE"),
    ("4.1.6", "malformed", "cannot be read: see UNREADABLE"),
    ("4.1.4 4.1.5", "certificate-key", "DSA is not among the algorithms"),
    ("4.4.15", "certificate-malformed", "its serial number is negative (section 4.1.2.2)"),
    ("4.10.7 4.10.8", "certificate-malformed", "anyPolicy must not be mapped (section 4.2.1.5)"),
    (
        "4.8.4 4.8.5 4.8.6.1 4.8.6.2 4.8.6.3 4.8.7 4.8.8 4.8.9 4.8.10.1 4.8.10.2 4.8.10.3 4.8.11.1 4.8.11.2 4.8.12 \
         4.8.13.1 4.8.13.2 4.8.13.3 4.8.14.1 4.8.14.2 4.8.18.1 4.8.18.2 4.10.1.1 4.10.1.2 4.10.1.3 4.10.2.1 4.10.2.2 \
         4.10.3.1 4.10.3.2 4.10.4 4.10.5.1 4.10.5.2 4.10.6.1 4.10.6.2 4.10.9 4.10.10 4.10.11 4.10.12.1 4.10.12.2 \
         4.10.13.1 4.10.13.2 4.10.13.3 4.10.14 4.12.1 4.12.2 4.12.3.1 4.12.3.2 4.12.4 4.12.5 4.12.6 4.12.7 4.12.8 \
         4.12.9 4.12.10",
        "certificate-malformed",
        "policyConstraints must be critical (section 4.2.1.11); they need not under RFC 3280, which the suite is for",
    ),
];

/// One line of the table.
struct Case {
    number: &'static str,
    end: &'static str,
    verdict: &'static str,
    inputs: Vec<&'static str>,
}

impl Case {
    fn parse(line: &'static str) -> Self {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_else(|| panic!("a word is missing in {line}"));
        Self { number: word(), end: word(), verdict: word(), inputs: words.collect() }
    }

    fn is_valid(&self) -> bool {
        self.verdict == "valid"
    }

    /// The index of its section, 4.1 being the first.
    fn section(&self) -> usize {
        let section: usize = self.number.split('.').nth(1).and_then(|word| word.parse().ok()).expect("4.SECTION.CASE");
        section - 1
    }

    fn has(&self, input: &str) -> bool {
        self.inputs.contains(&input)
    }

    /// A set of policies among the inputs.
    fn policies(&self, input: &str) -> Option<BTreeSet<ObjectIdentifier>> {
        let numbers = self.inputs.iter().find_map(|word| word.strip_prefix(input)?.strip_prefix('='))?;
        Some(numbers.split_terminator(',').map(policy).collect())
    }

    /// What the case asks of policies.
    fn policy_rules(&self) -> PolicyRules {
        PolicyRules {
            acceptable: self.policies("initial-policy-set").unwrap_or_default().into_iter().collect(),
            require_explicit: self.has("initial-explicit-policy"),
            inhibit_mapping: self.has("initial-policy-mapping-inhibit"),
            inhibit_any: self.has("initial-inhibit-any-policy"),
        }
    }

    /// The same on the command line.
    fn policy_flags(&self) -> Vec<OsString> {
        let PolicyRules { acceptable, require_explicit, inhibit_mapping, inhibit_any } = self.policy_rules();
        let policies = acceptable.iter().flat_map(|policy| ["--policy".to_owned(), policy.to_string()]);
        let flags = [
            (require_explicit, "--require-explicit-policy"),
            (inhibit_mapping, "--inhibit-policy-mapping"),
            (inhibit_any, "--inhibit-any-policy"),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag.to_owned());
        policies.chain(flags).map(OsString::from).collect()
    }

    /// The verdict of `bulla` in the words of the table, and what it says besides.
    fn judge(&self, suite: &Suite) -> (String, String) {
        // What cannot be read is refused before there is a question of paths.
        let end = match &suite.certificates[self.end] {
            Ok(end) => end,
            Err(error) => return ("malformed".to_owned(), error.to_string()),
        };
        let rules = Rules { policies: self.policy_rules(), ..suite.rules.clone() };
        match verify::path(end, &suite.untrusted, &suite.anchors, &rules) {
            Ok(path) => {
                let wanted = self.policies("user-constrained-policy-set").unwrap_or_else(|| [policy("1")].into());
                let found: BTreeSet<_> = path.policies.into_iter().collect();
                let verdict = if found == wanted { "valid" } else { "valid under other policies" };
                (verdict.to_owned(), format!("{found:?}"))
            }
            Err(refusal) => (refusal.code().to_owned(), refusal.to_string()),
        }
    }
}

/// A policy by its last number.
fn policy(number: &str) -> ObjectIdentifier {
    let text = if number == "any" { "2.5.29.32.0".to_owned() } else { format!("2.16.840.1.101.3.2.1.48.{number}") };
    ObjectIdentifier::new(&text).expect("an object identifier")
}

fn cases() -> Vec<Case> {
    CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Case::parse).collect()
}

/// The certificates of the suite, and what every case is given of it.
struct Suite {
    certificates: BTreeMap<String, Result<Certificate, Error>>,
    anchors: Anchors,
    untrusted: Vec<Certificate>,
    rules: Rules,
}

impl Suite {
    fn read() -> Self {
        let certificates = read("certs", Certificate::from_der);
        let anchor = certificates[ANCHOR].as_ref().expect("a root").clone();
        let lists = read("crls", CertificateList::from_der).into_values().flatten().collect();
        let revocation = Revocation { mode: Mode::Require, lists, responses: Vec::new() };
        Self {
            anchors: Anchors::new(vec![anchor]).expect("one"),
            untrusted: certificates.values().flatten().cloned().collect(),
            rules: Rules { revocation, ..Rules::new(Purpose::Any, Time::parse(AT, &Rfc3339).expect("a time")) },
            certificates,
        }
    }
}

fn read<T>(folder: &str, from_der: impl Fn(&[u8]) -> Result<T, Error>) -> BTreeMap<String, Result<T, Error>> {
    files(folder).into_iter().map(|(name, path)| (name, from_der(&fs::read(path).expect("a file")))).collect()
}

/// The files of a folder of the suite. A file's stem is its title in the document without blanks and hyphens.
fn files(folder: &str) -> BTreeMap<String, PathBuf> {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/target/judges/pkits/lib");
    let python = fs::read_dir(installed).expect("PKITS; install the judges first").next().expect("a folder");
    let suite = python.expect("a folder").path().join("site-packages/cryptography_vectors/x509/PKITS_data");
    fs::read_dir(suite.join(folder))
        .expect("a folder of PKITS")
        .map(|entry| entry.expect("a file").path())
        .map(|path| (path.file_stem().expect("a stem").to_string_lossy().into_owned(), path))
        .collect()
}

/// The table against the suite: every end certificate has a case, and is called what the case says.
#[test]
fn the_table_has_all_of_the_suite() {
    let mut counts = [0; COUNTS.len()];
    let mut ends = BTreeSet::new();
    for case in cases() {
        counts[case.section()] += 1;
        ends.insert(case.end.to_owned());
        // The title tells of the default inputs.
        if case.inputs.iter().all(|input| input.starts_with("user-constrained-policy-set")) {
            assert!(!case.end.starts_with("Valid") || case.is_valid(), "{}", case.number);
            assert!(!case.end.starts_with("Invalid") || !case.is_valid(), "{}", case.number);
        }
    }
    assert_eq!(counts, COUNTS);
    let found: BTreeSet<_> = files("certs").into_keys().filter(|name| name.ends_with("EE")).collect();
    assert_eq!(ends, found);
    let certificates = read("certs", Certificate::from_der).into_iter().filter(|(_, read)| read.is_err());
    let lists = read("crls", CertificateList::from_der).into_iter().filter(|(_, read)| read.is_err());
    let unread: Vec<String> = certificates.map(|(name, _)| name).chain(lists.map(|(name, _)| name)).collect();
    assert_eq!(unread, UNREADABLE);
}

#[test]
fn cases_are_judged_as_the_document_says() {
    let suite = Suite::read();
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (numbers, code, _) in KNOWN {
        known.extend(numbers.split_whitespace().map(|number| (number, code)));
    }
    let [mut right, mut other_reason, mut too_strict] = [[0; COUNTS.len()]; 3];
    let mut wrong = Vec::new();
    for case in cases() {
        let (verdict, words) = case.judge(&suite);
        let column = match known.remove(case.number) {
            None if verdict == case.verdict => &mut right,
            // Nothing that is invalid is ever accepted: no code of a refusal begins so.
            Some(code) if verdict == code && !code.starts_with("valid") => match case.is_valid() {
                true => &mut too_strict,
                false => &mut other_reason,
            },
            expected => {
                let expected = expected.unwrap_or(case.verdict);
                wrong.push(format!("{} {}: {verdict}, not {expected}: {words}", case.number, case.end));
                continue;
            }
        };
        column[case.section()] += 1;
    }
    println!("section  cases  right  refused for another reason  refused though valid");
    for (index, count) in COUNTS.into_iter().enumerate() {
        let [right, other_reason, too_strict] = [right[index], other_reason[index], too_strict[index]];
        println!("4.{:<5} {count:>7} {right:>6} {other_reason:>27} {too_strict:>21}", index + 1);
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(known.is_empty(), "there is no such case: {known:?}");
}

/// Cases of every section through the command line.
#[test]
fn the_program_says_what_the_library_says() {
    const NUMBERS: [&str; 18] = [
        "4.1.1", "4.1.3", "4.2.5", "4.3.2", "4.4.1", "4.4.3", "4.5.3", "4.6.5", "4.7.1", "4.8.1.3", "4.8.20", "4.9.3",
        "4.11.2", "4.13.27", "4.13.31", "4.14.20", "4.15.5", "4.16.2",
    ];
    let lab = Lab::new();
    let suite = Suite::read();
    lab.write("untrusted.pem", suite.untrusted.iter().map(Certificate::to_pem).collect::<String>());
    let certificates = files("certs");
    let lists: Vec<PathBuf> = files("crls")
        .into_iter()
        .filter(|(name, _)| !UNREADABLE.contains(&name.as_str()))
        .map(|(_, path)| path)
        .collect();
    for case in cases().into_iter().filter(|case| NUMBERS.contains(&case.number)) {
        let words = format!("--untrusted untrusted.pem --purpose any --at {AT} --revocation require --format json");
        let mut args: Vec<OsString> = vec!["verify-chain".into(), certificates[case.end].clone().into()];
        args.extend(["--trust".into(), certificates[ANCHOR].clone().into()]);
        args.extend(words.split(' ').map(OsString::from));
        args.extend(lists.iter().flat_map(|path| ["--crl".into(), path.into()]));
        args.extend(case.policy_flags());
        let run = lab.bulla_args(args).exits(if case.is_valid() { 0 } else { 3 });
        assert_eq!(run.json()["code"].as_str().unwrap_or("valid"), case.verdict, "{}", case.number);
    }
}
