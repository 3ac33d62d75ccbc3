//! Certificates that are made to cost: each ends in bounded time and memory, with a verdict in one line.

use super::NOW;
use crate::forge::*;
use crate::harness::Lab;

/// The shell's bounds on one question: 256 MiB of address space, of which less is resident, and seconds of processor
/// time. An optimised build takes less than one; what a debug build takes is eight times that.
const BOUNDS: &str = "ulimit -v 262144; ulimit -t 8;";

/// A folder with the files of one question.
struct Monster(Lab);

impl Monster {
    fn new(leaf: &[u8], untrusted: &str, trust: &[Forged]) -> Self {
        let lab = Lab::new();
        lab.write("leaf.pem", pem(leaf));
        lab.write("untrusted.pem", untrusted);
        lab.write("trust.pem", bundle(trust));
        Self(lab)
    }

    /// Asks within the bounds; the line of the verdict.
    #[track_caller]
    fn ends(&self, flags: &str, code: i32, words: &str) {
        let untrusted = if self.0.read("untrusted.pem").is_empty() { "" } else { "--untrusted untrusted.pem" };
        let run = self.0.shell(&format!(
            "{BOUNDS} exec $bulla verify-chain leaf.pem {untrusted} --trust trust.pem --at {NOW} --purpose {flags}"
        ));
        let run = run.exits(code);
        let text = run.text();
        assert!(text.lines().count() == 1 || code == 0, "{text}");
        assert!(text.contains(words), "{words}: {text}");
        assert!(text.len() < 4096 || code == 0, "a verdict of {} bytes", text.len());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n') && run.stderr.is_empty(), "{text}{}", run.stderr);
    }
}

#[test]
fn a_thousand_certificates() {
    let leaf = leaf("leaf", "CA").der();
    // One name and one key, in a thousand certificates that differ by their number; none leads to the root.
    let namesakes: Vec<Forged> = (0..1000_u16)
        .map(|number| Forged { serial: [&[1][..], &number.to_be_bytes()].concat(), ..ca("CA", "CA") })
        .collect();
    let monster = Monster::new(&leaf, &bundle(&namesakes), &[root("Root")]);
    monster.ends("any", 3, "");
    // One of them does, at the end or at the beginning.
    let right = ca("CA", "Root");
    for namesakes in [bundle(namesakes.iter().chain([&right])), bundle([&right].into_iter().chain(&namesakes))] {
        Monster::new(&leaf, &namesakes, &[root("Root")]).ends("any", 0, "good");
    }
    // One name, and a thousand keys of which none is right.
    let strangers: Vec<Forged> = (0..1000)
        .map(|number| {
            let public_key = public_key(&format!("stranger {}", number % 50));
            Forged { public_key, serial: vec![1, (number >> 8) as u8, number as u8], ..ca("CA", "Root") }
        })
        .collect();
    Monster::new(&leaf, &bundle(&strangers), &[root("Root")]).ends("any", 3, "");
}

#[test]
fn a_mesh_of_twelve() {
    let names: Vec<String> = (0..12).map(|number| format!("CA {number}")).collect();
    let mesh = || {
        names.iter().flat_map(|one| names.iter().filter(move |other| one != *other).map(move |other| ca(one, other)))
    };
    let mesh: Vec<Forged> = mesh().collect();
    let leaf = leaf("leaf", "CA 0").der();
    Monster::new(&leaf, &bundle(&mesh), &[root("Root")]).ends("any", 3, "");
    // A way out of it at the end of the file.
    Monster::new(&leaf, &bundle(&mesh), &[root("CA 11")]).ends("any", 0, "good");
}

#[test]
fn names_times_constraints() {
    // 2,048 names under an intermediate of 2,048 constraints (the shape of x509-limbo's pathological::nc-dos).
    let hosts = |stem: &str| (0..2048).map(|number| dns(&format!("{number}.{stem}.example"))).collect::<Vec<_>>();
    let subtrees: Vec<_> = hosts("excluded").into_iter().map(|host| sequence(&[host])).collect();
    let constrained = ca("CA", "Root").with(critical(NAME_CONSTRAINTS, sequence(&[tlv(0xa1, subtrees.concat())])));
    let leaf = leaf("leaf", "CA").with(alt_name(&hosts("names")));
    Monster::new(&leaf.der(), &constrained.pem(), &[root("Root")]).ends("any", 3, "");
}

/// What is long in a certificate is not read anew for each of a thousand namesakes that may have issued it.
#[test]
fn length_times_namesakes() {
    let namesakes = |constraints: Vec<u8>| {
        let one = |number: u16| {
            let serial = [&[1][..], &number.to_be_bytes()].concat();
            Forged { serial, ..ca("CA", "Root") }.with(critical(NAME_CONSTRAINTS, constraints.clone()))
        };
        bundle(&(0..1000).map(one).collect::<Vec<_>>())
    };
    let permitted = |bases: &[Vec<u8>]| {
        let subtrees: Vec<_> = bases.iter().map(|base| sequence(std::slice::from_ref(base))).collect();
        sequence(&[tlv(0xa0, subtrees.concat())])
    };
    let hosts = permitted(&[dns("permitted.example")]);
    // Nobody trusts any of them.
    let trust = [root("Other")];
    let leaf = leaf("leaf", "CA");
    let named = |name: Vec<u8>| leaf.clone().with(alt_name(&[dns("permitted.example"), name])).der();
    // A host, a directory name in letters that are prepared slowly, an address of one mailbox.
    let host = named(dns(&"x".repeat(900 << 10)));
    let directory = named(tlv(0xa4, name(&[("2.5.4.3", &"\u{fdfa}".repeat(100_000))])));
    let mailbox = named(tlv(0x81, format!("{}@permitted.example", "x".repeat(900 << 10))));
    Monster::new(&host, &namesakes(hosts.clone()), &trust).ends("any", 3, "");
    let one = ca("CA", "Root").with(critical(NAME_CONSTRAINTS, hosts.clone()));
    Monster::new(&host, &one.pem(), &trust).ends("any", 3, "dNSName too long to show is not permitted by CN=CA");
    Monster::new(&directory, &namesakes(hosts), &trust).ends("any", 3, "");
    let mailboxes: Vec<_> = (0..100).map(|number| tlv(0x81, format!("{number}.example"))).collect();
    Monster::new(&mailbox, &namesakes(permitted(&mailboxes)), &trust).ends("any", 3, "");
    // A key identifier with the names of who issued the issuer beside it.
    let names = tlv(0xa1, dns("a.example").repeat(80_000));
    let identifier = sequence(&[tlv(0x80, key_identifier("CA")), names, tlv(0x82, [1])]);
    let identified = leaf.clone().with(extension(AUTHORITY_KEY, identifier)).der();
    let namesakes = namesakes(permitted(&[dns("permitted.example")]));
    Monster::new(&identified, &namesakes, &trust).ends("any", 3, "");
}

/// The common names of a certificate of the public web are among its alternative names.
#[test]
fn common_names_times_names() {
    let names: Vec<_> = (0..150_000_u32).map(|number| tlv(0x87, number.to_be_bytes())).collect();
    let subject = sequence(&vec![attribute("2.5.4.3", 0x0c, b"0.2.73.239"); 1000]);
    let leaf = Forged { subject, ..leaf("leaf", "Root") };
    let leaf = leaf.with(extended_key_usage(&[SERVER])).with(alt_name(&names));
    Monster::new(&leaf.der(), "", &[root("Root")]).ends("webpki", 0, "good");
}

#[test]
fn deep_nesting() {
    const DEPTH: usize = 100_000;
    let mut deep = Vec::new();
    for inside in 0..DEPTH as u32 {
        let [a, b, c, d] = (inside * 6).to_be_bytes();
        deep.push([0x30, 0x84, a, b, c, d]);
    }
    deep.reverse();
    let deep = deep.concat();
    let good = leaf("leaf", "Root");
    let shapes = [
        ("around", deep.clone(), 3),
        ("in a name", Forged { subject: deep.clone(), ..good.clone() }.der(), 3),
        (
            "in a value of a name",
            Forged { subject: sequence(&[tlv(0x31, sequence(&[oid("2.5.4.3"), deep.clone()]))]), ..good.clone() }.der(),
            3,
        ),
        ("in an extension that nobody knows", good.clone().with(extension("1.2.3", deep.clone())).der(), 0),
        ("in a subjectAltName", good.clone().with(extension(ALT_NAME, deep.clone())).der(), 3),
        (
            "in an otherName",
            good.clone().with(alt_name(&[tlv(0xa0, [oid("1.2.3"), tlv(0xa0, &deep)].concat())])).der(),
            3,
        ),
        ("in policies", good.clone().with(extension("2.5.29.32", deep.clone())).der(), 3),
        ("in basicConstraints", good.clone().with(critical(BASIC_CONSTRAINTS, deep.clone())).der(), 3),
        (
            "in the key",
            Forged {
                public_key: sequence(&[sequence(&[oid("1.2.840.10045.2.1"), deep.clone()]), tlv(0x03, [0, 4])]),
                ..good
            }
            .der(),
            3,
        ),
    ];
    for (place, der, code) in shapes {
        println!("{place}");
        Monster::new(&der, "", &[root("Root")]).ends("any", code, "");
    }
}

#[test]
fn large_names() {
    let many = |count: usize, value: &str| sequence(&vec![attribute("2.5.4.11", 0x0c, value.as_bytes()); count]);
    let trust = [root("Root")];
    // A subject of 10,000 parts, and one value of 900 KiB.
    for subject in [many(10_000, "unit"), many(1, &"x".repeat(900 << 10))] {
        let leaf = Forged { subject, ..leaf("leaf", "Root") };
        Monster::new(&leaf.der(), "", &trust).ends("any", 3, "a name that is longer than 32 KiB");
    }
    // One of a thousand parts is allowed, and is not repeated in a refusal.
    let wordy = Forged { subject: many(1000, "u"), ..leaf("leaf", "Root") };
    Monster::new(&wordy.der(), "", &trust).ends("any", 0, "good");
    Monster::new(&wordy.der(), "", &trust).ends("firmware", 3, "the certificate with serial");
    // Namesakes of many parts; the leaf names another key than theirs, or the right one.
    for (name, count) in [(many(10_000, "unit"), 40_u16), (many(1000, "u"), 200)] {
        let namesakes: Vec<Forged> = (0..count)
            .map(|number| Forged {
                serial: [&[1][..], &number.to_be_bytes()].concat(),
                subject: name.clone(),
                issuer: name.clone(),
                ..ca("CA", "CA")
            })
            .collect();
        let leaf = Forged { issuer: name.clone(), subject: name, ..leaf("leaf", "CA") };
        let stranger = leaf.clone().with(authority_key("another"));
        Monster::new(&stranger.der(), &bundle(&namesakes), &trust).ends("any", 3, "");
        Monster::new(&leaf.der(), &bundle(&namesakes), &trust).ends("any", 3, "");
    }
    // 50,000 alternative names.
    let hosts: Vec<_> = (0..50_000).map(|number| dns(&format!("{number}.example"))).collect();
    let leaf = leaf("leaf", "Root").with(alt_name(&hosts));
    Monster::new(&leaf.der(), "", &trust).ends("any --name 49999.example", 0, "good");
    Monster::new(&leaf.der(), "", &trust).ends("any --name other.example", 3, "(name)");
}

#[test]
fn large_files() {
    let trust = [root("Root")];
    let leaf_ = leaf("leaf", "Root");
    let big = |length| leaf_.clone().with(extension("1.2.3", vec![0x55; length])).der();
    Monster::new(&big(1000 << 10), "", &trust).ends("any", 0, "good");
    Monster::new(&big(20 << 20), "", &trust).ends("any", 3, "longer than 1 MiB");
    // Ninety thousand extensions, each another, and the same.
    let crowd = |other: &dyn Fn(usize) -> Vec<u8>| {
        let one = |number| sequence(&[tlv(0x06, other(number)), tlv(0x04, [])]);
        let mut certificate = leaf_.clone();
        certificate.more = (0..90_000).flat_map(one).collect();
        certificate.der()
    };
    let number =
        |number: usize| [0x2a, 0x81 + (number >> 14) as u8, 0x80 | (number >> 7) as u8, number as u8 & 0x7f].to_vec();
    Monster::new(&crowd(&number), "", &trust).ends("any", 3, "more than 256 extensions");
    Monster::new(&crowd(&|_| vec![0x2a, 3]), "", &trust).ends("any", 3, "more than 256 extensions");
    // 60 MiB of certificates that have nothing to do with it.
    let unit = ca("Someone", "Nobody").with(extension("1.2.3", vec![0x55; 8 << 10])).pem();
    let bundle = unit.repeat((60 << 20) / unit.len());
    Monster::new(&leaf_.der(), &bundle, &trust).ends("any", 0, "good");
    let unit = ca("Someone", "Nobody").pem();
    let bundle = unit.repeat((60 << 20) / unit.len());
    Monster::new(&leaf_.der(), &bundle, &trust).ends("any", 3, "PEM blocks");
}

#[test]
fn names_reach_no_terminal_raw() {
    for evil in [
        "nul\0nul",
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "line\nbulla: good",
        "line\r\rgood",
        "\u{202e}doog",
        "\u{2066}x\u{2069}",
        "a\u{200b}b",
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "CN=other, O=fake",
        "a\\",
        "\u{9b}31m",
        "\u{7f}",
        "\u{feff}",
        "\u{e000}",
        "a\u{2028}b",
    ] {
        let subject = common_name(evil);
        let leaf = Forged { subject: subject.clone(), ..leaf("leaf", "CA") };
        let named = alt_name(&[dns(evil), tlv(0x86, evil), tlv(0x81, evil)]);
        let leaf = if evil.is_ascii() { leaf.with(named) } else { leaf };
        let issuing = Forged { subject: subject.clone(), ..ca("CA", "Root") };
        let below = Forged { issuer: subject, ..leaf.clone() };
        for (chain, flags, code) in [
            (below.clone(), "any", 0),
            (below.clone(), "firmware", 3),
            (leaf, "any", 3),
            (below, "any --name gw.example", 3),
        ] {
            Monster::new(&chain.der(), &issuing.pem(), &[root("Root")]).ends(flags, code, "");
        }
    }
}
