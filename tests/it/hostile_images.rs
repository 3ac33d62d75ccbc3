//! Hostile images and what is read with them: no panic, no long work, no raw control character, whatever the bytes are.

use std::time::{Duration, Instant};

use crate::harness::{Lab, Run};

/// The longest that a command may take, with the start of a process on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(5);

const TRUST: &str = "--trust acme/firmware/root.pem";
const SIGNER: &str = "--key fw.key --cert fw.pem";

/// Whoever reads images, with `hostile` as the image.
fn readers() -> Vec<String> {
    let mut all: Vec<String> = [
        "inspect hostile",
        "inspect hostile --format json",
        "verify hostile --as mcuboot --public-key fw.pub",
        "verify hostile --as esp32 --public-key fw.pub",
        "imgtool dumpinfo hostile",
        "imgtool dumpinfo hostile -f json",
        "imgtool verify -k fw.pub hostile",
        "espsecure signature-info-v2 hostile",
        "espsecure verify-signature --version 2 --keyfile fw.pub hostile",
        "sign hostile --as mcuboot --key fw.key --replace -o out",
        "sign hostile --as mcuboot --remove fw.pub -o out",
        "sign hostile --as esp32 --key fw.key --add -o out",
        "sign hostile --as esp32 --remove fw.pub -o out",
    ]
    .map(str::to_owned)
    .into();
    for format in ["rauc", "swupdate"] {
        all.push(format!("verify hostile --as {format} {TRUST}"));
        all.push(format!("sign hostile --as {format} {SIGNER} -o out"));
    }
    all
}

/// Whoever reads signatures, keys of minisign and prepared signatures, with `hostile` as one.
const READERS_OF_OTHERS: [&str; 6] = [
    "inspect hostile",
    "verify app.bin --as minisign --signature hostile --public-key ed.pub",
    "verify app.bin --as minisign --signature app.minisig --public-key hostile",
    "keygen --public hostile -o out",
    "keygen --public hostile --passphrase-from file:pass -o out",
    "sign app.bin --attach hostile --signature app.sig -o out",
];

/// A lab with a CA, keys and the inputs of the readers.
fn lab() -> Lab {
    let lab = Lab::with_ca();
    lab.write("app.bin", b"firmware image".repeat(8));
    lab.write("pass", "secret");
    for words in [
        "keygen --public fw.key -o fw.pub",
        "keygen -o ed.key --type ed25519",
        "keygen --public ed.key -o ed.pub --encoding minisign",
        "sign app.bin --as minisign --key ed.key -o app.minisig",
        "sign app.bin --as raw --key fw.key -o app.sig",
        "sign app.bin --as raw --public-key fw.pub --prepare app",
    ] {
        lab.bulla(words).ok();
    }
    lab
}

/// A signed image of each format.
fn specimens(lab: &Lab) -> Vec<(&'static str, Vec<u8>)> {
    std::fs::create_dir(lab.path("rauc")).expect("a folder");
    lab.write("rauc/manifest.raucm", "[update]\ncompatible=board\n\n[bundle]\nformat=plain\n");
    std::fs::create_dir(lab.path("swu")).expect("a folder");
    lab.write("swu/image.bin", "image");
    let sum = lab.judge("sha256sum swu/image.bin").ok().text();
    let file = format!("filename = \"image.bin\"; sha256 = \"{}\";", &sum[..64]);
    lab.write("swu/sw-description", format!("software = {{ version = \"1\"; images: ( {{ {file} }} ); }}"));
    for words in [
        "sign app.bin --as mcuboot --key fw.key --version 1 --pad-header -o app.mcuboot",
        "sign app.bin --as mcuboot --key fw.key --version 1 --pad-header --hex --hex-addr 0x1000 -o app.hex",
        "sign app.bin --as esp32 --key fw.key -o app.esp32",
        &format!("sign rauc --as rauc {SIGNER} -o app.raucb"),
        &format!("sign swu --as swupdate {SIGNER} -o app.swu"),
    ] {
        lab.bulla(words).ok();
    }
    ["app.mcuboot", "app.hex", "app.esp32", "app.raucb", "app.swu"].map(|name| (name, lab.read(name))).into()
}

impl Lab {
    /// Runs a reader, and asserts that it ends soon, by an answer of a line or three, without a raw character.
    #[track_caller]
    fn answers(&self, name: &str, words: &str) -> Run {
        let started = Instant::now();
        let run = self.bulla(words);
        assert!(started.elapsed() < PATIENCE, "{name}: {words} took {:?}", started.elapsed());
        assert!(matches!(run.code, Some(0..=7)), "{name}: {words}: {:?} {}", run.code, run.stderr);
        let errors = run.stderr.lines().filter(|line| !line.starts_with("bulla: warning: ")).count();
        assert!(errors <= 3, "{name}: {words}:\n{}", run.stderr);
        let is_raw = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || "\u{202e}\u{200b}".contains(c));
        assert!(!is_raw(&run.text()) && !is_raw(&run.stderr), "{name}: {words}:\n{}{}", run.text(), run.stderr);
        // What failed left nothing behind.
        assert!(run.code == Some(0) || !self.has("out"), "{name}: {words}");
        let _ = std::fs::remove_file(self.path("out"));
        run
    }
}

/// Every few bytes of the head and of the end, where headers, lengths and signatures stand.
fn places(length: usize) -> impl Iterator<Item = usize> {
    let near = 600.min(length);
    (0..near).step_by(97).chain((length - near..length).step_by(71)).chain([length - 1])
}

#[test]
fn no_change_of_an_image_confuses_a_reader() {
    let lab = lab();
    let readers = readers();
    for (number, (name, image)) in specimens(&lab).into_iter().enumerate() {
        for (count, at) in places(image.len()).enumerate() {
            let mut twin = image.clone();
            match count % 3 {
                0 => twin[at] = [0, 0x7f, 0x80, 0xff][count % 4],
                1 => twin.truncate(at),
                _ => {
                    let until = (at + 4).min(twin.len());
                    twin[at..until].fill(0xff);
                }
            }
            lab.write("hostile", &twin);
            // Each twin before some of the readers, and each reader before some twin of each image.
            for words in readers.iter().skip((count + number) % 5).step_by(5) {
                lab.answers(name, words);
            }
        }
    }
}

/// An entry of a cpio archive.
fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let (size, name_size) = (content.len(), name.len() + 1);
    let mut bytes =
        format!("070701{}{size:08X}{}{name_size:08X}{:08X}", "0".repeat(48), "0".repeat(32), 0).into_bytes();
    bytes.extend(name.bytes().chain([0]));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn update(description: &str, rest: &[u8]) -> Vec<u8> {
    let mut bytes = [&entry("sw-description", description.as_bytes()), rest, &entry("TRAILER!!!", b"")].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn mcuboot(header: u16, protected: u16, payload: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = [0x3d, 0xb8, 0xf3, 0x96, 0, 0, 0, 0].to_vec();
    bytes.extend(header.to_le_bytes().into_iter().chain(protected.to_le_bytes()).chain(payload.to_le_bytes()));
    bytes.resize(32, 0);
    [&bytes, rest].concat()
}

fn bundle(size: u64) -> Vec<u8> {
    [&b"hsqs"[..], &[0xff; 8188], &size.to_be_bytes()].concat()
}

/// Images that no good one resembles.
fn monsters() -> Vec<(&'static str, Vec<u8>)> {
    let record = ":0B0010006164647265737320676170A7\n";
    let pairs: Vec<u8> = (0..600u16)
        .flat_map(|number| {
            let [low, high] = number.to_le_bytes();
            [&[2, 0, 2, 0, low, high, 0x24, 0, 64, 0][..], &[low; 64]].concat()
        })
        .collect();
    let area = [&[0x07, 0x69][..], &(pairs.len() as u16 + 9).to_le_bytes(), &[0x25, 0, 1, 0, 1], &pairs].concat();
    let board = "b".repeat(400_000);
    let revisions = "\"1\",".repeat(100_000);
    vec![
        ("sizes beyond 32 bits", mcuboot(u16::MAX, u16::MAX, u32::MAX, &[0xff; 999])),
        ("a header of no size", mcuboot(0, 0, 0, &[0; 99])),
        ("hundreds of signatures over megabytes", mcuboot(32, 0, 8 << 20, &[vec![0; 8 << 20], area].concat())),
        ("a hole of 4 GiB", format!("{record}:02000004FFFFFC\n:01FFF0000010\n:00000001FF\n").into_bytes()),
        ("a line without end", format!("{record}:{}", "0".repeat(4 << 20)).into_bytes()),
        ("blanks without end", format!("{record}{}", " ".repeat(4 << 20)).into_bytes()),
        ("a signature of 2^64 bytes", bundle(u64::MAX)),
        ("a signature of 2^63 bytes", bundle(1 << 63)),
        ("a signature of no bytes", bundle(0)),
        ("a hundred thousand entries", update("", &entry("a", b"").repeat(100_000))),
        ("lists in lists", update(&format!("a={}", "(".repeat(500_000)), b"")),
        ("groups in groups", update(&"a={".repeat(300_000), b"")),
        ("arrays in arrays", update(&format!("{{\"a\":{}", "[".repeat(500_000)), b"")),
        (
            "one name for a hundred thousand revisions",
            update(&format!("software={{version=\"1\";{board}={{hardware-compatibility=({revisions}\"1\");}};}}"), b""),
        ),
        (
            "escapes",
            update("software={version=\"\\x1b[2J\u{202e}\u{200b}\";images:({filename=\"\\x1b\";sha256=\"\";});}", b""),
        ),
        ("a name with escapes", update("", &entry("\u{1b}[2J\u{202e}", b""))),
    ]
}

#[test]
fn every_reader_survives_monstrous_images() {
    let lab = lab();
    for (name, image) in monsters() {
        lab.write("hostile", &image);
        for words in readers() {
            let run = lab.answers(name, &words);
            assert!(!words.starts_with("verify") || matches!(run.code, Some(1 | 3)), "{name}: {words}");
        }
    }
}

#[test]
fn signatures_keys_and_prepared_signatures_are_read_with_care() {
    let lab = lab();
    let mut all: Vec<(&str, Vec<u8>)> = Vec::new();
    for name in ["app.minisig", "ed.pub", "app.json"] {
        let good = lab.read(name);
        all.extend(places(good.len()).step_by(2).map(|at| {
            let mut twin = good.clone();
            twin[at] ^= if at.is_multiple_of(2) { 0x80 } else { 1 };
            (name, twin)
        }));
    }
    let comment = "untrusted comment: ";
    let key = |work: u64, memory: u64| {
        // algorithm, key derivation, checksum, salt, operations, memory, secrets
        let parts = [&b"EdScB2"[..], &[0; 32], &work.to_le_bytes(), &memory.to_le_bytes(), &[0; 104]].concat();
        format!("{comment}x\n{}\n", bulla::files::to_base64(&parts)).into_bytes()
    };
    all.extend([
        ("a comment of megabytes", format!("{comment}{}\nRWQ=\n", "x".repeat(4 << 20)).into_bytes()),
        ("a comment with escapes", format!("{comment}\u{1b}[2J\u{202e}\nRWQ=\n").into_bytes()),
        ("base64 of megabytes", format!("{comment}x\n{}\n", "A".repeat(4 << 20)).into_bytes()),
        ("work without end", key(u64::MAX, u64::MAX)),
        ("memory without end", key(1 << 40, 1 << 40)),
        ("arrays in arrays", [&b"{\"schema\":"[..], &b"[".repeat(100_000)].concat()),
        ("a million values", [&b"["[..], &b"0,".repeat(1_000_000), b"0]"].concat()),
        ("a schema alone", b"{\"schema\":\"bulla.prepared/1\"}".to_vec()),
    ]);
    for (name, bytes) in all {
        lab.write("hostile", &bytes);
        for words in READERS_OF_OTHERS {
            lab.answers(name, words);
        }
    }
    lab.write("hostile", [&b"["[..], &b"0,".repeat(1_000_000), b"0]"].concat());
    lab.refuses("sign app.bin --attach hostile --signature app.sig -o out", 1, "it has too many values");
}

/// A plain bundle whose manifest no device can read is not signed anew, as it would not be signed first.
#[test]
fn a_bundle_without_a_manifest_is_not_signed_anew() {
    let lab = lab();
    let bundle = specimens(&lab).into_iter().find(|(name, _)| *name == "app.raucb").expect("a bundle").1;
    let again = format!("sign hostile --as rauc {SIGNER} --replace -o out");
    lab.write("hostile", &bundle);
    lab.bulla(&again).ok();
    std::fs::remove_file(lab.path("out")).expect("a product");
    let mut twin = bundle;
    twin[96..4096].fill(0x5a);
    lab.write("hostile", twin);
    lab.refuses(&again, 1, "the image cannot be signed: the manifest is refused");
}

/// What is no file: links, sockets and devices in a folder, and in the place of an image.
#[test]
fn what_is_no_file_is_no_part_of_an_update() {
    let lab = lab();
    specimens(&lab);
    let listener = std::os::unix::net::UnixListener::bind(lab.path("socket")).expect("a socket");
    lab.shell("mkfifo fifo").ok();
    std::os::unix::fs::symlink(lab.path("app.bin"), lab.path("link")).expect("a link");
    for thing in ["socket", "fifo", "link"] {
        for (folder, name, output) in [("rauc", "rootfs.img", "rauc"), ("swu", "image.bin", "swupdate")] {
            let place = lab.path(format!("{folder}/{name}"));
            let _ = std::fs::remove_file(&place);
            std::fs::rename(lab.path(thing), &place).expect("a thing of the folder");
            if folder == "rauc" {
                let manifest = "[update]\ncompatible=board\n\n[image.rootfs]\nfilename=rootfs.img\n";
                lab.write("rauc/manifest.raucm", manifest);
            }
            lab.answers(thing, &format!("sign {folder} --as {output} {SIGNER} -o out")).exits(1);
            std::fs::rename(&place, lab.path(thing)).expect("the thing back");
        }
    }
    drop(listener);
    for file in ["/proc/self/status", "/proc/version", "/dev/null"] {
        for words in readers() {
            lab.answers(file, &words.replace("hostile", file));
        }
    }
}
