//! Signature files of minisign, made by either side and checked by the other.

use super::{flip, openssl, with_passphrases};
use crate::harness::{Lab, Run};

/// An image, two keys of minisign, `plain` and `other`, and a key of our own, `own`, each with its public half in
/// minisign's file.
fn with_keys() -> Lab {
    let lab = with_passphrases();
    lab.write("image", b"an image\r\n\0\xff of some bytes".repeat(10_000));
    for name in ["plain", "other"] {
        lab.judge(&format!("minisign -G -W -p {name}.pub -s {name}.key")).ok();
    }
    lab.bulla("keygen --type ed25519 -o own.key").ok();
    lab.bulla("keygen --public own.key --encoding minisign -o own.pub").ok();
    lab
}

fn ours_signs(lab: &Lab, key: &str, flags: &str) -> Run {
    lab.bulla(&format!("sign image --as minisign --key {key}.key {flags} -o image.minisig --force"))
}

fn theirs_signs(lab: &Lab, key: &str, flags: &str) -> Run {
    lab.judge(&format!("minisign -S -W -s {key}.key -m image {flags}"))
}

fn ours_verifies(lab: &Lab, key: &str, flags: &str) -> Run {
    lab.bulla(&format!("verify image --as minisign --signature image.minisig --public-key {key} {flags}"))
}

fn theirs_verifies(lab: &Lab, key: &str, flags: &str) -> Run {
    lab.judge(&format!("minisign -V -p {key}.pub -m image {flags}"))
}

/// Both sides accept.
#[track_caller]
fn good(lab: &Lab, key: &str) -> String {
    theirs_verifies(lab, key, "").ok();
    let run = ours_verifies(lab, &format!("{key}.pub"), "").ok().text();
    assert!(run.starts_with("good  image"), "{run}");
    run
}

/// Both sides refuse, we for this reason.
#[track_caller]
fn bad(lab: &Lab, key: &str, code: &str) {
    theirs_verifies(lab, key, "").fails();
    let run = ours_verifies(lab, &format!("{key}.pub"), "").exits(3).text();
    assert!(run.starts_with("bad   image") && run.ends_with(&format!("({code})\n")), "not {code}: {run}");
}

/// A line of base64, the byte of what it stands for that is changed, and the reason for which that is refused: the
/// algorithm, both ends of the key id and of the signature, and both ends of the signature of the comment.
const TWINS: [(usize, usize, &str); 7] = [
    (1, 0, "algorithm"),
    (1, 2, "key-id"),
    (1, 9, "key-id"),
    (1, 10, "signature"),
    (1, 73, "signature"),
    (3, 0, "signature"),
    (3, 63, "signature"),
];

#[track_caller]
fn every_twin_is_bad(lab: &Lab, key: &str) {
    let whole = String::from_utf8(lab.read("image.minisig")).expect("text");
    let lines: Vec<&str> = whole.lines().collect();
    for (line, byte, code) in TWINS {
        lab.write("base64", lines[line]);
        let bytes = lab.judge("base64 -d base64").ok().stdout;
        lab.write("bytes", flip(&bytes, byte));
        let twin = lab.judge("base64 -w0 bytes").ok().text();
        lab.write("image.minisig", whole.replace(lines[line], &twin));
        bad(lab, key, code);
    }
    for (what, changed, code) in [
        ("trusted comment", whole.replace("trusted comment: timestamp:", "trusted comment: timestamp:1"), "signature"),
        ("mark", whole.replace("\ntrusted comment: ", "\ntrusted comment:"), "malformed"),
        ("first mark", whole.replacen("untrusted", "Untrusted", 1), "malformed"),
        ("base64", whole.replace(lines[1], &lines[1].replace('=', "")), "malformed"),
        ("last base64", whole.replace(lines[3], &lines[3].replace('=', "-")), "malformed"),
        ("three lines", format!("{}\n", lines[..3].join("\n")), "malformed"),
        ("control character", whole.replace("\tfile:", "\u{1b}file:"), "malformed"),
        ("carriage return", whole.replace("\tfile:", "\rfile:"), "malformed"),
        ("nul", whole.replace("\tfile:", "\0file:"), "malformed"),
        ("long comment", whole.replacen('\n', &format!("{}\n", "x".repeat(1024)), 1), "malformed"),
    ] {
        assert_ne!(changed, whole, "{what}: nothing was changed");
        lab.write("image.minisig", changed);
        bad(lab, key, code);
    }
    lab.write("image.minisig", &whole);
    let image = lab.read("image");
    for twin in [flip(&image, 0), flip(&image, image.len() - 1), image[1..].to_vec(), [&image[..], b"\n"].concat()] {
        lab.write("image", twin);
        bad(lab, key, "signature");
    }
    lab.write("image", image);
}

#[test]
fn minisign_accepts_what_we_sign_and_neither_a_twin() {
    let lab = with_keys();
    for key in ["plain", "own"] {
        ours_signs(&lab, key, "").ok();
        theirs_verifies(&lab, key, "-H").ok();
        let shown = good(&lab, key);
        assert!(shown.contains("trusted comment timestamp:") && shown.contains("\\tfile:image\\thashed"), "{shown}");
        every_twin_is_bad(&lab, key);
        bad(&lab, "other", "key-id");
    }
    // Without a number to compare, the key alone decides.
    lab.bulla("keygen --public own.key -o own.pem").ok();
    lab.bulla("keygen --public plain.key -o plain.pem").ok();
    ours_verifies(&lab, "own.pem", "").ok();
    let run = ours_verifies(&lab, "plain.pem", "").exits(3).text();
    assert!(run.contains("(signature)"), "{run}");
}

#[test]
fn we_accept_what_minisign_signs_and_neither_a_twin() {
    let lab = with_keys();
    theirs_signs(&lab, "plain", "").ok();
    good(&lab, "plain");
    ours_verifies(&lab, "plain.pub", "--require-prehashed").ok();
    every_twin_is_bad(&lab, "plain");
    theirs_signs(&lab, "plain", "-l").ok();
    let shown = good(&lab, "plain");
    assert!(shown.ends_with("\\tfile:image\n  covered    260000 bytes, the whole file\n"), "{shown}");
    every_twin_is_bad(&lab, "plain");
    theirs_verifies(&lab, "plain", "-H").fails();
    let run = ours_verifies(&lab, "plain.pub", "--require-prehashed").exits(3).text();
    assert!(run.contains("legacy") && run.contains("(algorithm)"), "{run}");
    // A prehashed signature is none over the file that is the digest, and the other way about.
    let legacy = String::from_utf8(lab.read("image.minisig")).expect("text");
    lab.write("image.minisig", legacy.replacen("\nRW", "\nRU", 1));
    bad(&lab, "plain", "signature");
    // Line ends of DOS, and no last one.
    for twin in [legacy.replace('\n', "\r\n"), legacy.trim_end().to_owned()] {
        lab.write("image.minisig", twin);
        good(&lab, "plain");
    }
    // Known: minisign does not look at what follows the fourth line, nor at the spare bits of base64.
    let line = legacy.lines().last().expect("a line");
    let spare = line.trim_end_matches('=');
    let last = spare.chars().next_back().and_then(|c| char::from_u32(u32::from(c) + 1)).expect("a character");
    let spare = format!("{}{last}==", &spare[..spare.len() - 1]);
    for twin in [format!("{legacy}more\n"), legacy.replace(line, &spare)] {
        lab.write("image.minisig", twin);
        theirs_verifies(&lab, "plain", "").ok();
        let run = ours_verifies(&lab, "plain.pub", "").exits(3).text();
        assert!(run.contains("(malformed)"), "{run}");
    }
}

/// Ed25519 is deterministic, and the file has no freedom: both write the same bytes.
#[test]
fn both_write_the_same_file() {
    let lab = with_keys();
    for (trusted, untrusted) in [("board 1.2.3", "from the factory"), ("x", "y")] {
        let theirs = ["-S", "-W", "-s", "plain.key", "-m", "image", "-t", trusted, "-c", untrusted];
        lab.run("minisign", theirs).ok();
        for name in ["first", "second"] {
            let ours = ["sign", "image", "--as", "minisign", "--key", "plain.key", "-o", name, "--force"];
            let comments = ["--trusted-comment", trusted, "--untrusted-comment", untrusted];
            lab.bulla_args(ours.iter().chain(&comments)).ok();
            assert_eq!(lab.read(name), lab.read("image.minisig"), "{trusted}");
        }
    }
    lab.shell("export SOURCE_DATE_EPOCH=1800000000; $bulla sign image --as minisign --key own.key -o dated").ok();
    let dated = String::from_utf8(lab.read("dated")).expect("text");
    assert!(dated.contains("\ntrusted comment: timestamp:1800000000\tfile:image\thashed\n"), "{dated}");
    lab.shell("SOURCE_DATE_EPOCH=1800000000 $bulla sign - --as minisign --key own.key -o piped < image").ok();
    assert!(String::from_utf8_lossy(&lab.read("piped")).contains("comment: timestamp:1800000000\thashed\n"));
}

#[test]
fn comments_are_as_long_as_minisign_reads_and_no_longer() {
    let lab = with_keys();
    let sign = |trusted: usize, untrusted: usize| {
        let (trusted, untrusted) = ("t".repeat(trusted), "u".repeat(untrusted));
        let words = "sign image --as minisign --key plain.key -o image.minisig --force --trusted-comment";
        lab.bulla_args(words.split(' ').chain([trusted.as_str(), "--untrusted-comment", &untrusted]))
    };
    sign(8173, 1003).ok();
    good(&lab, "plain");
    let whole = String::from_utf8(lab.read("image.minisig")).expect("text");
    // A signature is over the whole comment, so a longer one is refused for that too; the words tell why.
    for (more, words) in
        [("uu\n", "the comment is too long"), ("tt\n", "of the trusted comment, the comment is too long")]
    {
        lab.write("image.minisig", whole.replace(&more[1..], more));
        bad(&lab, "plain", "malformed");
        assert!(ours_verifies(&lab, "plain.pub", "").exits(3).text().contains(words));
    }
    sign(0, 0).ok();
    good(&lab, "plain");
    sign(8174, 0).exits(2).says("--trusted-comment: it has 8174 bytes");
    sign(0, 1004).exits(2).says("--untrusted-comment: it has 1004 bytes");
}

#[test]
fn what_minisign_could_not_read_is_not_signed() {
    let lab = with_keys();
    lab.bulla("keygen -o p256.key").ok();
    lab.refuses("sign image --as minisign --key p256.key -o out", 1, "minisign takes no EC P-256 keys, only Ed25519");
    for flag in ["--trusted-comment", "--untrusted-comment"] {
        for text in ["two\nlines", "a\rb", "\u{1b}[2J", "\u{7f}", "\u{9b}"] {
            let words = ["sign", "image", "--as", "minisign", "--key", "own.key", "-o", "out", flag, text];
            lab.refuses_args(words, 2, "no line of text");
        }
    }
    lab.write("two\nlines", "an image");
    let words = ["sign", "two\nlines", "--as", "minisign", "--key", "own.key", "-o", "out"];
    lab.refuses_args(words, 2, "--trusted-comment: the file's name is no line of text");
    lab.bulla_args(words.iter().chain(&["--trusted-comment", "named"])).ok();
    lab.refuses("verify image --as minisign --public-key own.pub", 2, "the signature is detached");
    lab.refuses("sign image --as minisign --key own.key --require-prehashed -o out2", 2, "require-prehashed");
}

/// openssl holds the key; the number of a minisign key goes with the context.
#[test]
fn a_key_elsewhere_signs_in_two_steps_and_two_rounds() {
    let lab = with_keys();
    // PrivateKeyInfo of Ed25519 (RFC 8410 section 7) around the seed in minisign's file.
    lab.shell("sed -n 2p plain.key | base64 -d | tail -c 96 | head -c 32 > seed").ok();
    let before = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    lab.write("plain.der", [&before[..], &lab.read("seed")].concat());
    openssl(&lab, "pkey -inform DER -in plain.der -out plain.elsewhere").ok();
    lab.shell("cp own.key own.elsewhere").ok();
    let sign = |key: &str, round: &str| {
        openssl(&lab, &format!("pkeyutl -sign -rawin -inkey {key}.elsewhere -in {round}.tbs -out {round}.sig")).ok();
    };
    for (key, other) in [("plain", "own"), ("own", "plain")] {
        lab.bulla(&format!("sign image --as minisign --public-key {key}.pub --prepare one --force")).ok();
        assert_eq!(lab.read("one.tbs").len(), 64);
        sign(other, "one");
        lab.refuses("sign image --attach one.json --signature one.sig --prepare two", 3, "does not match");
        sign(key, "one");
        lab.refuses("sign image --attach one.json --signature one.sig -o out", 2, "signs once more");
        lab.bulla("sign image --attach one.json --signature one.sig --prepare two --force").ok();
        assert!(lab.read("two.tbs").starts_with(&lab.read("one.sig")));
        sign(key, "two");
        lab.refuses("sign image --attach two.json --signature one.sig -o out", 3, "does not match");
        lab.bulla("sign image --attach two.json --signature two.sig -o image.minisig --force").ok();
        good(&lab, key);
        every_twin_is_bad(&lab, key);
        lab.shell("cp image image.kept; printf x >> image").ok();
        lab.refuses("sign image --attach two.json --signature two.sig -o out", 3, "not the one");
        lab.shell("mv image.kept image").ok();
    }
}

#[test]
fn an_encrypted_key_signs_and_a_signature_is_told_by_its_content() {
    let lab = with_keys();
    lab.shell("ulimit -v 60000; cat pass pass | minisign -G -p locked.pub -s locked.key").ok();
    lab.refuses("sign image --as minisign --key locked.key -o out", 4, "locked.key is encrypted");
    ours_signs(&lab, "locked", "--passphrase-from file:pass --trusted-comment board").ok();
    good(&lab, "locked");
    let shown = lab.bulla("inspect image.minisig --format json").ok().json();
    let shown = &shown["documents"][0];
    let id = lab.bulla("inspect locked.pub --format json").ok().json()["documents"][0]["key_id"].clone();
    for (field, value) in [
        ("kind", "minisign signature".into()),
        ("as", "minisign".into()),
        ("algorithm", "Ed25519 over BLAKE2b-512".into()),
        ("key_id", id),
        ("trusted_comment", "board".into()),
        ("untrusted_comment", "signature from bulla".into()),
    ] {
        assert_eq!(shown[field], value, "{shown}");
    }
    theirs_signs(&lab, "plain", "-l").ok();
    assert!(lab.bulla("inspect image.minisig").ok().text().contains("legacy"));
    lab.refuses("verify image --as minisign --signature image.minisig --public-key image.minisig", 1, "holds no key");
}
