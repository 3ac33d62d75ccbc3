//! Images for MCUboot. imgtool judges what `bulla` makes; where it lets more through than the bootloader, the test says
//! so and fails on the day that changes.

use super::flip;
use crate::harness::{Lab, Run};

/// The types of key that both know, and the hash that goes with each.
const KEYS: [&str; 5] = ["p256", "p384", "ed25519", "rsa2048", "rsa3072"];

/// What both say alike, and with which other word where they do not: flags of `bulla`, flags of imgtool.
const FULL: (&str, &str) = (
    "--version 1.2.3+4 --header-size 0x80 --pad-header --slot-size 0x8000 --align 8 --security-counter 7 \
     --dependency (1,1.0.0+0)",
    "-v 1.2.3+4 -H 0x80 --pad-header -S 0x8000 --align 8 -s 7 -d (1,1.0.0+0)",
);

/// Little-endian types.
const KEYHASH: u16 = 0x01;
const SHA256: u16 = 0x10;
const ECDSASIG: u16 = 0x22;
const SEC_CNT: u16 = 0x50;

pub fn lab() -> Lab {
    let lab = Lab::new();
    let app: Vec<u8> = (0..5000u32).map(|number| ((number * number) >> 3) as u8).collect();
    lab.write("app.bin", &app);
    lab.write("blank.bin", [&[0; 0x80], &app[..]].concat());
    lab
}

/// Makes a key, and gives its public half.
pub fn key(lab: &Lab, name: &str, key_type: &str) {
    if !lab.has(format!("{name}.key")) {
        lab.bulla(&format!("keygen --type {key_type} -o {name}.key")).ok();
        super::openssl(lab, &format!("pkey -in {name}.key -pubout -out {name}.pub")).ok();
    }
}

/// Runs imgtool once for each line, all in one process, and returns the exit codes.
pub fn imgtool(lab: &Lab, lines: &[String]) -> Vec<i64> {
    const SCRIPT: &str = "
import contextlib, io, json
from imgtool.main import imgtool
codes = []
for line in open('batch.lines'):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            imgtool.main(line.split(), prog_name='imgtool')
        except SystemExit as end:
            codes.append(end.code or 0)
        except Exception:
            codes.append(1)
print(json.dumps(codes))
";
    lab.write("batch.lines", lines.join("\n"));
    lab.write("batch.py", SCRIPT);
    let codes = super::firmware_judge(lab, "python batch.py").ok().json();
    let codes: Vec<i64> =
        codes.as_array().expect("a list").iter().map(|code| code.as_i64().expect("a number")).collect();
    assert_eq!(codes.len(), lines.len());
    codes
}

#[track_caller]
pub fn imgtool_ok(lab: &Lab, lines: &[String]) {
    for (line, code) in lines.iter().zip(imgtool(lab, lines)) {
        assert_eq!(code, 0, "imgtool {line}");
    }
}

pub fn verifies(lab: &Lab, image: &str, key: &str, flags: &str) -> Run {
    lab.bulla(&format!("verify {image} --as mcuboot --public-key {key}.pub --format json {flags}"))
}

/// Asserts that an image is bad for this reason.
#[track_caller]
pub fn is_bad(lab: &Lab, image: &str, key: &str, flags: &str, code: &str) {
    let verdict = verifies(lab, image, key, flags).exits(3).json();
    assert_eq!(verdict["code"], code, "{image} {flags}: {verdict}");
}

pub fn signs(lab: &Lab, input: &str, key: &str, flags: &str, output: &str) -> Run {
    lab.bulla(&format!("sign {input} --as mcuboot --key {key}.key {flags} -o {output} --force"))
}

pub type Tlvs = Vec<(u16, Vec<u8>)>;

/// A little-endian image in its parts, found by its own header.
pub struct Parts {
    pub signed: Vec<u8>,
    pub tlvs: Tlvs,
    pub rest: Vec<u8>,
}

impl Parts {
    pub fn of(image: &[u8]) -> Self {
        let u16_at = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
        let img_size = u32::from_le_bytes(image[12..16].try_into().expect("four bytes"));
        let end = usize::from(u16_at(8)) + img_size as usize + usize::from(u16_at(10));
        assert_eq!(u16_at(end), 0x6907);
        let total = usize::from(u16_at(end + 2));
        let (mut at, mut tlvs) = (end + 4, Vec::new());
        while at < end + total {
            let length = usize::from(u16_at(at + 2));
            tlvs.push((u16_at(at), image[at + 4..at + 4 + length].to_vec()));
            at += 4 + length;
        }
        Self { signed: image[..end].to_vec(), tlvs, rest: image[at..].to_vec() }
    }

    pub fn image(&self) -> Vec<u8> {
        let content: Vec<u8> = self
            .tlvs
            .iter()
            .flat_map(|(kind, value)| [&kind.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat())
            .collect();
        let total = (content.len() + 4) as u16;
        [&self.signed[..], &0x6907_u16.to_le_bytes(), &total.to_le_bytes(), &content, &self.rest].concat()
    }

    /// Everything but the signatures, the last TLV of images that are signed once.
    fn without_signature(mut self) -> (Vec<u8>, Tlvs, u16) {
        let (kind, _) = self.tlvs.pop().expect("a signature");
        (self.signed, self.tlvs, kind)
    }

    pub fn place(&self, kind: u16) -> usize {
        self.tlvs.iter().position(|tlv| tlv.0 == kind).expect("the type")
    }
}

#[test]
fn both_accept_what_the_other_signed() {
    let lab = lab();
    let (ours, theirs) = FULL;
    let mut lines = Vec::new();
    for name in KEYS {
        key(&lab, name, name);
        signs(&lab, "app.bin", name, ours, &format!("ours-{name}")).ok();
        lines.push(format!("sign -k {name}.key {theirs} app.bin theirs-{name}"));
    }
    imgtool_ok(&lab, &lines);
    let mut good = Vec::new();
    let mut twins = Vec::new();
    for name in KEYS {
        for signer in ["ours", "theirs"] {
            let image = lab.read(format!("{signer}-{name}"));
            let verdict = verifies(&lab, &format!("{signer}-{name}"), name, "").ok().json();
            assert_eq!((&verdict["version"], &verdict["security_counter"]), (&"1.2.3+4".into(), &7.into()));
            good.push(format!("verify -k {name}.pub {signer}-{name}"));
            let parts = Parts::of(&image);
            let payload = 0x80 + 5000;
            assert!(parts.signed.len() > payload + 4, "there is a protected area");
            for (place, at) in [
                ("version", 20),
                ("filler", 0x7f),
                ("payload", 0x80 + 2500),
                ("counter", payload + 8),
                ("digest", parts.signed.len() + 9),
                ("signature", image.len() - 8),
            ] {
                let twin = format!("{signer}-{name}-{place}");
                lab.write(&twin, flip(&image, at));
                verifies(&lab, &twin, name, "").exits(3);
                twins.push(format!("verify -k {name}.pub {twin}"));
            }
        }
        let [ours, theirs] = ["ours", "theirs"].map(|signer| lab.read(format!("{signer}-{name}")));
        if name == "ed25519" {
            assert_eq!(ours, theirs);
        } else {
            let [ours, theirs] = [ours, theirs].map(|image| Parts::of(&image).without_signature());
            assert_eq!(ours, theirs, "{name}");
        }
    }
    imgtool_ok(&lab, &good);
    for (line, code) in twins.iter().zip(imgtool(&lab, &twins)) {
        assert_eq!(code, 1, "imgtool {line}");
    }
}

/// Flags of `bulla`, flags of imgtool.
const VARIANTS: &[(&str, &str)] = &[
    ("--pad-header", "--pad-header"),
    ("--header-size 0x200 --pad-header", "-H 0x200 --pad-header"),
    ("--header-size 33 --pad-header --erased-val 0", "-H 33 --pad-header -R 0"),
    ("--pad-header --load-addr 0x20000000", "--pad-header -L 0x20000000"),
    ("--pad-header --load-addr 0", "--pad-header -L 0"),
    ("--pad-header --rom-fixed 0x8020000", "--pad-header -F 0x8020000"),
    ("--pad-header --non-bootable", "--pad-header --non-bootable"),
    ("--pad-header --security-counter auto", "--pad-header -s auto"),
    ("--pad-header --security-counter 0xffffffff", "--pad-header -s 0xffffffff"),
    (
        "--pad-header --dependency (1,1.2.3+4),(2,0.1) --dependency (255,255.255.65535+4294967295)",
        "--pad-header -d (1,1.2.3+4),(2,0.1),(255,255.255.65535+4294967295)",
    ),
    ("--pad-header --boot-record NSPE_twelve_", "--pad-header --boot-record NSPE_twelve_"),
    (
        "--pad-header --custom-tlv 0xa0=text --custom-tlv 161=0x00ff --custom-tlv 0xfffe=",
        "--pad-header --custom-tlv 0xa0 text --custom-tlv 161 0x00ff --custom-tlv 0xfffe 0x",
    ),
    ("--pad-header --vid example.com --cid board-1", "--pad-header --vid example.com --cid board-1"),
    (
        "--pad-header --vid 12345678-9abc-def0-1234-56789abcDEF0 --cid 000102030405060708090a0b0c0d0e0f",
        "--pad-header --vid 12345678-9abc-def0-1234-56789abcDEF0 --cid 000102030405060708090a0b0c0d0e0f",
    ),
    ("--pad-header --cid 000102030405060708090a0b0c0d0e0f", "--pad-header --cid 000102030405060708090a0b0c0d0e0f"),
    ("--pad-header --pad", "--pad-header --pad"),
    ("--pad-header --confirm --align 4", "--pad-header --confirm --align 4"),
    ("--pad-header --test --max-sectors 10", "--pad-header --test -M 10"),
    ("--pad-header --confirm --align 16", "--pad-header --confirm --align 16"),
    ("--pad-header --confirm --align 32 --erased-val 0", "--pad-header --confirm --align 32 -R 0"),
    ("--pad-header --confirm --align 2 --max-align 16", "--pad-header --confirm --align 2 --max-align 16"),
    ("--pad-header --confirm --max-align 32 --endian big", "--pad-header --confirm --max-align 32 -e big"),
    ("--pad-header --confirm --overwrite-only", "--pad-header --confirm --overwrite-only"),
    ("--pad-header --pad --overwrite-only --max-align 32", "--pad-header --pad --overwrite-only --max-align 32"),
    (
        "--pad-header --endian big --security-counter 258 --dependency (1,1.2.3+4) --boot-record A --vid a --cid b \
         --custom-tlv 0x0102=c --load-addr 0x12345678",
        "--pad-header -e big -s 258 -d (1,1.2.3+4) --boot-record A --vid a --cid b --custom-tlv 0x0102 c \
         -L 0x12345678",
    ),
    ("--header-size 0x80", "-H 0x80"),
];

/// Flags for signatures, of either.
const SIGNATURES: &[(&str, &str)] = &[
    ("--public-key-format full --pad-header", "--public-key-format full --pad-header"),
    ("--pure --pad-header --security-counter 1", "--pure --pad-header -s 1"),
    (
        "--pure --pad-header --public-key-format full --endian big",
        "--pure --pad-header --public-key-format full -e big",
    ),
    ("--hash sha512 --pad-header --boot-record A", "--sha 512 --pad-header --boot-record A"),
    ("--hash sha256 --pad-header", "--sha 256 --pad-header"),
];

/// Flags without a key.
const UNSIGNED: &[(&str, &str)] = &[
    ("--hash sha384 --pad-header --boot-record A", "--sha 384 --pad-header --boot-record A"),
    ("--hash sha512 --pad-header --boot-record A", "--sha 512 --pad-header --boot-record A"),
];

#[test]
fn images_are_those_of_imgtool_byte_for_byte() {
    let lab = lab();
    key(&lab, "ed25519", "ed25519");
    let mut lines = Vec::new();
    let signed = VARIANTS.iter().chain(SIGNATURES).map(|flags| (flags, "--key ed25519.key", "-k ed25519.key"));
    let unsigned = VARIANTS.iter().chain(UNSIGNED).map(|flags| (flags, "--unsigned", ""));
    let cases: Vec<_> = signed.chain(unsigned).collect();
    for (number, ((ours, theirs), our_key, their_key)) in cases.iter().enumerate() {
        let input = if ours.contains("--pad-header") { "app.bin" } else { "blank.bin" };
        let flags = format!("--as mcuboot {our_key} --version 1.2.3+4 --slot-size 0x8000 {ours}");
        lab.bulla(&format!("sign {input} {flags} -o ours-{number}")).ok();
        // imgtool has no default for the header's size.
        let header = if theirs.contains("-H") { "" } else { "-H 32" };
        lines.push(format!("sign {their_key} -v 1.2.3+4 -S 0x8000 {header} {theirs} {input} theirs-{number}"));
    }
    imgtool_ok(&lab, &lines);
    for (number, ((flags, _), our_key, _)) in cases.iter().enumerate() {
        let (ours, theirs) = (lab.read(format!("ours-{number}")), lab.read(format!("theirs-{number}")));
        assert_eq!(ours.iter().zip(&theirs).position(|(one, other)| one != other), None, "{flags} {our_key}");
        assert_eq!(ours.len(), theirs.len(), "{flags} {our_key}");
        let judged: Vec<&str> = ["--endian big", "--erased-val 0", "--non-bootable"]
            .into_iter()
            .filter(|flag| flags.contains(flag))
            .collect();
        let judged = judged.join(" ");
        if *our_key == "--unsigned" {
            let code = if flags.contains("sha384") { "no-digest" } else { "unsigned" };
            is_bad(&lab, &format!("theirs-{number}"), "ed25519", &judged, code);
        } else {
            verifies(&lab, &format!("theirs-{number}"), "ed25519", &judged).ok();
        }
    }
}

/// Of the other keys all but the signature is the same.
#[test]
fn images_of_every_key_are_those_of_imgtool_but_for_the_signature() {
    let lab = lab();
    let mut lines = Vec::new();
    let cases: Vec<(&str, &str, &str)> = ["p256", "p384", "rsa2048", "rsa3072"]
        .into_iter()
        .flat_map(|name| {
            let both = [
                ("--boot-record A --public-key-format full", "--boot-record A --public-key-format full"),
                ("--boot-record A --security-counter 1", "--boot-record A -s 1"),
                ("--pad-sig", "--pad-sig"),
            ];
            // RSA signatures are never padded, and the flag would do nothing.
            both.into_iter()
                .filter(move |(ours, _)| name.starts_with('p') || *ours != "--pad-sig")
                .map(move |(ours, theirs)| (name, ours, theirs))
        })
        .collect();
    for (number, (name, ours, theirs)) in cases.iter().enumerate() {
        key(&lab, name, name);
        signs(&lab, "app.bin", name, &format!("--version 1 --pad-header {ours}"), &format!("ours-{number}")).ok();
        lines.push(format!("sign -k {name}.key -v 1 -H 32 --pad-header -S 0x8000 {theirs} app.bin theirs-{number}"));
        lines.push(format!("verify -k {name}.pub ours-{number}"));
    }
    imgtool_ok(&lab, &lines);
    for (number, (name, flags, _)) in cases.iter().enumerate() {
        let [ours, theirs] = ["ours", "theirs"].map(|signer| Parts::of(&lab.read(format!("{signer}-{number}"))));
        if *flags == "--pad-sig" {
            // Zeros up to the length that all but the longest signatures of a curve have.
            let length = if *name == "p256" { 72..=72 } else { 103..=104 };
            for parts in [&ours, &theirs] {
                let found = parts.tlvs.last().expect("a signature").1.len();
                assert!(length.contains(&found), "{name}: {found}");
            }
        }
        assert_eq!(ours.without_signature(), theirs.without_signature(), "{name} {flags}");
        verifies(&lab, &format!("theirs-{number}"), name, "").ok();
    }
    lab.refuses("sign app.bin --as mcuboot --key rsa2048.key --version 1 --pad-header --pad-sig -o o", 2, "--pad-sig");
}

#[test]
fn two_runs_sign_alike() {
    let lab = lab();
    for name in ["p256", "p384", "ed25519"] {
        key(&lab, name, name);
        for output in ["first", "second"] {
            signs(&lab, "app.bin", name, FULL.0, output).ok();
        }
        assert_eq!(lab.read("first"), lab.read("second"), "{name}");
        signs(&lab, "app.bin", name, &FULL.0.replace("1.2.3+4", "1.2.3+5"), "third").ok();
        assert_ne!(lab.read("first"), lab.read("third"), "{name}");
    }
}

/// Intel HEX goes in and comes out, record for record.
#[test]
fn intel_hex_is_that_of_imgtool() {
    let lab = lab();
    key(&lab, "ed25519", "ed25519");
    // Two pieces with a hole, across the end of 64 KiB.
    lab.write(
        "make.py",
        "from intelhex import IntelHex\n\
         image = IntelHex()\n\
         image.frombytes(open('app.bin', 'rb').read(), 0x800f000)\n\
         image.frombytes(b'behind a hole', 0x8010800)\n\
         image.start_addr = {'EIP': 0x800f101}\n\
         image.tofile('app.hex', 'hex')\n\
         image.start_addr = None\n\
         low = IntelHex()\n\
         low.frombytes(open('app.bin', 'rb').read(), 0x1003)\n\
         low.tofile('low.hex', 'hex')\n",
    );
    super::firmware_judge(&lab, "python make.py").ok();
    let common = ("--version 1 --slot-size 0x8000", "-v 1 -S 0x8000");
    let mut lines = Vec::new();
    let cases = [
        ("app.hex", "--pad-header", "--pad-header -H 32", "hex"),
        ("low.hex", "--pad-header --header-size 0x200", "--pad-header -H 0x200", "hex"),
        ("app.hex", "--pad-header --bin", "--pad-header -H 32", "bin"),
        ("app.hex", "--pad-header --confirm", "--pad-header --confirm -H 32", "hex"),
        ("app.hex", "--pad-header --test --align 16", "--pad-header --test --align 16 -H 32", "hex"),
        ("low.hex", "--pad-header --pad --align 32", "--pad-header --pad --align 32 -H 32", "hex"),
        ("low.hex", "--pad-header --confirm --max-align 32", "--pad-header --confirm --max-align 32 -H 32", "hex"),
        ("app.hex", "--pad-header --hex-addr 0xfff0", "--pad-header -x 0xfff0 -H 32", "hex"),
        ("app.bin", "--pad-header --hex --hex-addr 0x10", "--pad-header -x 0x10 -H 32", "hex"),
        (
            "app.bin",
            "--pad-header --hex --hex-addr 0x10 --pad --overwrite-only",
            "--pad-header -x 0x10 -H 32 --pad --overwrite-only",
            "hex",
        ),
        ("blank.bin", "--header-size 0x80 --hex --hex-addr 0", "-x 0 -H 0x80", "hex"),
    ];
    for (number, (input, ours, theirs, ending)) in cases.iter().enumerate() {
        signs(&lab, input, "ed25519", &format!("{} {ours}", common.0), &format!("ours-{number}.{ending}")).ok();
        lines.push(format!("sign -k ed25519.key {} {theirs} {input} theirs-{number}.{ending}", common.1));
        lines.push(format!("verify -k ed25519.pub ours-{number}.{ending}"));
    }
    imgtool_ok(&lab, &lines);
    for (number, (_, flags, _, ending)) in cases.iter().enumerate() {
        let [ours, theirs] = ["ours", "theirs"].map(|signer| lab.read(format!("{signer}-{number}.{ending}")));
        assert!(ours == theirs, "{flags}");
        let name = format!("ours-{number}.{ending}");
        verifies(&lab, &name, "ed25519", "").ok();
        let kind = &lab.bulla(&format!("inspect {name} --format json")).ok().json()["documents"][0]["kind"];
        assert_eq!(kind, "MCUboot image", "{flags}");
        // A digit of the last record but one, with its checksum made right: the signature is what refuses.
        if *ending == "hex" {
            let text = String::from_utf8(ours).expect("text");
            let mut records: Vec<String> = text.lines().map(str::to_owned).collect();
            let at = records.len() / 2;
            records[at] = tampered(&records[at]);
            lab.write("twin.hex", records.join("\n") + "\n");
            verifies(&lab, "twin.hex", "ed25519", "").exits(3);
            assert_eq!(imgtool(&lab, &["verify -k ed25519.pub twin.hex".to_owned()]), [1]);
            lab.write("cut.hex", &text[..text.len() / 2]);
            is_bad(&lab, "cut.hex", "ed25519", "", "hex");
        }
    }
    lab.refuses("sign app.bin --as mcuboot --key ed25519.key --version 1 --pad-header --hex -o o", 2, "--hex-addr");
    // Known: imgtool moves an image up that starts at 0, away from the address that it is linked for.
    lab.write("zero.hex", ":10000000000102030405060708090A0B0C0D0E0F78\n:00000001FF\n");
    lab.refuses(
        "sign zero.hex --as mcuboot --key ed25519.key --version 1 --pad-header -o o",
        2,
        "no room for the header",
    );
    let line = "sign -k ed25519.key -v 1 -H 32 --pad-header -S 0x8000 zero.hex zero-signed.hex";
    imgtool_ok(&lab, &[line.to_owned()]);
}

/// The record with another last byte of data.
fn tampered(record: &str) -> String {
    let at = record.len() - 4;
    let [data, sum] = [at, at + 2].map(|at| u8::from_str_radix(&record[at..at + 2], 16).expect("a byte"));
    format!("{}{:02X}{:02X}", &record[..at], data.wrapping_add(1), sum.wrapping_sub(1))
}

/// What imgtool lets through and a device does not: what is changed, and the reason why `bulla` refuses.
#[test]
fn what_imgtool_lets_through_is_refused() {
    let lab = lab();
    key(&lab, "p256", "p256");
    signs(&lab, "app.bin", "p256", FULL.0, "good").ok();
    let good = lab.read("good");
    let changed = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::of(&good);
        change(&mut parts);
        parts.image()
    };
    assert_eq!(changed(&|_| {}), good);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a zeroed key hash",
            changed(&|parts| {
                let at = parts.place(KEYHASH);
                parts.tlvs[at].1.fill(0);
            }),
            "untrusted",
        ),
        // A bootloader compares only as much of a hash as there is, and takes this for its key.
        (
            "an empty key hash",
            changed(&|parts| {
                let at = parts.place(KEYHASH);
                parts.tlvs[at].1.clear();
            }),
            "key-hash",
        ),
        (
            "no key hash",
            changed(&|parts| {
                let at = parts.place(KEYHASH);
                parts.tlvs.remove(at);
            }),
            "no-key-hash",
        ),
        (
            "the key hash behind the signature",
            changed(&|parts| {
                let at = parts.place(KEYHASH);
                let tlv = parts.tlvs.remove(at);
                parts.tlvs.push(tlv);
            }),
            "no-key-hash",
        ),
        (
            "a security counter that is not signed",
            changed(&|parts| {
                parts.tlvs.push((SEC_CNT, vec![9, 0, 0, 0]));
            }),
            "tlv-not-allowed",
        ),
        (
            "no digest",
            changed(&|parts| {
                let at = parts.place(SHA256);
                parts.tlvs.remove(at);
            }),
            "no-digest",
        ),
        (
            "a wrong digest behind the signature",
            changed(&|parts| {
                let at = parts.place(SHA256);
                let (kind, mut digest) = parts.tlvs.remove(at);
                digest[0] ^= 1;
                parts.tlvs.push((kind, digest));
            }),
            "tlv-order",
        ),
        (
            "the right digest behind the signature",
            changed(&|parts| {
                let at = parts.place(SHA256);
                let tlv = parts.tlvs.remove(at);
                parts.tlvs.push(tlv);
            }),
            "tlv-order",
        ),
        (
            "a type that is a signature's in its lower half",
            changed(&|parts| {
                let at = parts.place(ECDSASIG);
                parts.tlvs[at].0 = 0x0122;
            }),
            "tlv-not-allowed",
        ),
        (
            "a type that is a digest's in its lower half",
            changed(&|parts| {
                let at = parts.place(SHA256);
                parts.tlvs[at].0 = 0x0310;
            }),
            "tlv-not-allowed",
        ),
        ("bytes behind the image", [&good[..], b"more"].concat(), "trailing-bytes"),
        ("erased bytes and no trailer", [&good[..], &[0xff; 64]].concat(), "trailing-bytes"),
        (
            "a second signature that does not hold",
            changed(&|parts| {
                let at = parts.place(ECDSASIG);
                let mut pair = parts.tlvs[at - 1..=at].to_vec();
                pair[1].1[20] ^= 1;
                parts.tlvs.extend(pair);
            }),
            "signature",
        ),
    ];
    let lines: Vec<String> = (0..cases.len()).map(|number| format!("verify -k p256.pub case-{number}")).collect();
    for (number, (_, image, _)) in cases.iter().enumerate() {
        lab.write(format!("case-{number}"), image);
    }
    for ((what, ..), code) in cases.iter().zip(imgtool(&lab, &lines)) {
        assert_eq!(code, 0, "imgtool refuses {what} now");
    }
    for (number, (what, _, code)) in cases.iter().enumerate() {
        let verdict = verifies(&lab, &format!("case-{number}"), "p256", "").exits(3).json();
        assert_eq!(verdict["code"], *code, "{what}: {verdict}");
    }
}

/// What a device refuses by the image's layout alone, whoever signed it.
#[test]
fn what_a_device_refuses_has_its_reason() {
    let lab = lab();
    key(&lab, "ed25519", "ed25519");
    key(&lab, "p256", "p256");
    key(&lab, "rsa2048", "rsa2048");
    signs(&lab, "app.bin", "ed25519", FULL.0, "good").ok();
    verifies(&lab, "good", "ed25519", "--slot-size 0x8000 --align 8 --hash sha256").ok();
    let good = lab.read("good");
    let put = |at: usize, bytes: &[u8]| {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        image
    };
    let area = Parts::of(&good).signed.len();
    for (image, flags, code) in [
        (put(0, b"\0"), "", "bad-magic"),
        (good[..20].to_vec(), "", "truncated"),
        (good[..4000].to_vec(), "", "truncated"),
        (good[..good.len() - 1].to_vec(), "", "truncated"),
        (put(8, &[0x1f, 0]), "", "header"),
        (put(12, &[0xff; 4]), "", "header"),
        (put(12, &[0xff, 0xff, 0xff, 0x7f]), "", "truncated"),
        (put(16, &[1]), "", "header"),
        (put(16, &[0x10]), "", "header"),
        (put(16, &[0x20, 1]), "", "header"),
        (put(16, &[4]), "", "encrypted"),
        (put(17, &[4]), "", "compressed"),
        (put(10, &[0, 0]), "", "tlv-area"),
        (put(10, &[0x1b, 0]), "", "tlv-area"),
        (put(area, &[0x08]), "", "tlv-area"),
        (put(area + 2, &[3, 0]), "", "tlv-area"),
        (put(area + 6, &[0xff]), "", "tlv-area"),
        (good.clone(), "--endian big", "bad-magic"),
        (good.clone(), "--non-bootable", "header"),
        (good.clone(), "--pure", "sig-pure"),
        (good.clone(), "--hash sha512", "no-digest"),
        (good.clone(), "--public-key-format full", "untrusted"),
        (good.clone(), "--slot-size 5700", "too-large"),
        (good.clone(), "--slot-size 0x4000 --align 32", "too-large"),
        (good.clone(), "--min-security-counter 8", "security-counter"),
        (good.clone(), "--min-version 1.2.3+5", "version"),
        (good.clone(), "--hardware vid:00000000-0000-0000-0000-000000000000", "hardware"),
    ] {
        lab.write("image", image);
        is_bad(&lab, "image", "ed25519", flags, code);
    }
    verifies(
        &lab,
        "good",
        "ed25519",
        "--slot-size 5700 --overwrite-only --min-security-counter 7 --min-version 1.2.3+4",
    )
    .ok();
    // Another key's type: its signature is somebody else's.
    is_bad(&lab, "good", "p256", "", "untrusted");
    // The trusted key's hash before a signature of another type.
    signs(&lab, "app.bin", "p256", FULL.0, "p256.img").ok();
    let mut parts = Parts::of(&lab.read("p256.img"));
    let at = parts.place(ECDSASIG);
    parts.tlvs[at] = (0x24, vec![0; 64]);
    lab.write("image", parts.image());
    is_bad(&lab, "image", "p256", "", "algorithm");
    let mut short = Parts::of(&good);
    let digest = short.place(SHA256);
    short.tlvs[digest].1.pop();
    lab.write("image", short.image());
    is_bad(&lab, "image", "ed25519", "", "tlv-length");
    parts.tlvs[at] = (0x20, vec![0; 255]);
    lab.write("image", parts.image());
    is_bad(&lab, "image", "p256", "", "tlv-length");
    let digest = parts.place(SHA256);
    parts.tlvs.truncate(digest + 1);
    parts.tlvs.push(parts.tlvs[digest].clone());
    lab.write("image", parts.image());
    is_bad(&lab, "image", "p256", "", "digest");
}

/// The device's identity and the rest stand in the report.
#[test]
fn facts_are_restated() {
    let lab = lab();
    key(&lab, "p384", "p384");
    let flags = "--version 1.2.3+4 --pad-header --slot-size 0x8000 --confirm --vid example.com --cid board \
                 --dependency (3,4.5.6) --public-key-format full";
    signs(&lab, "app.bin", "p384", flags, "image").ok();
    // uuid5 of the namespace of domain names, then of the first one: python -c 'import uuid; ...'
    lab.write(
        "ids.py",
        "import json, uuid\n\
         vid = uuid.uuid5(uuid.NAMESPACE_DNS, 'example.com')\n\
         print(json.dumps([f'vid:{vid}', f'cid:{uuid.uuid5(vid, \"board\")}']))\n",
    );
    let ids = super::firmware_judge(&lab, "python ids.py").ok().json();
    let verdict = verifies(&lab, "image", "p384", "--public-key-format full").ok().json();
    assert_eq!(verdict["hardware"], ids);
    let hardware = ids[1].as_str().expect("text");
    verifies(&lab, "image", "p384", &format!("--hardware {hardware}")).ok();
    let text = lab.bulla("verify image --as mcuboot --public-key p384.pub").ok().text();
    assert!(text.contains("depends    image 3, 4.5.6+0 or later"), "{text}");
    let text = lab.bulla("inspect image").ok().text();
    for line in [
        "version    1.2.3+4",
        "header     32 bytes, little-endian",
        "protected  DEPENDENCY image 3, 4.5.6+0 or later",
        "trailer    confirmed, in a slot of 32768 bytes, alignment 8",
        "needs      MCUBOOT_SIGN_EC384 MCUBOOT_HW_KEY",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn an_image_can_have_several_signatures() {
    let lab = lab();
    for name in ["p256", "ed25519", "rsa2048", "p384"] {
        key(&lab, name, name);
    }
    key(&lab, "other", "p256");
    for (what, flags) in [("plain", FULL.0.to_owned()), ("padded", format!("{} --confirm", FULL.0))] {
        signs(&lab, "app.bin", "p256", &flags, "one").ok();
        lab.refuses("sign one --as mcuboot --key ed25519.key --version 1 -o o", 1, "already");
        signs(&lab, "one", "ed25519", "--add", "two").ok();
        signs(&lab, "two", "other", "--add --public-key-format full", "three").ok();
        let keys = ["p256", "ed25519", "other"];
        keys.iter().for_each(|name| drop(verifies(&lab, "three", name, "").ok()));
        let needs = &lab.bulla("inspect three --format json").ok().json()["documents"][0]["needs"];
        assert_eq!(needs, "MCUBOOT_SIGN_EC256 or MCUBOOT_SIGN_ED25519 MCUBOOT_HW_KEY");
        imgtool_ok(&lab, &keys.map(|name| format!("verify -k {name}.pub three")));
        if what == "padded" {
            assert_eq!(lab.read("three").len(), 0x8000);
        }
        lab.bulla("sign three --as mcuboot --remove ed25519.pub -o rest --force").ok();
        is_bad(&lab, "rest", "ed25519", "", "untrusted");
        assert_eq!(imgtool(&lab, &["verify -k ed25519.pub rest".to_owned()]), [1]);
        ["p256", "other"].iter().for_each(|name| drop(verifies(&lab, "rest", name, "").ok()));
        imgtool_ok(&lab, &["p256", "other"].map(|name| format!("verify -k {name}.pub rest")));
        // Out again in another order than they came: what is left is the first image.
        lab.bulla("sign rest --as mcuboot --remove other.pub -o first --force").ok();
        assert_eq!(lab.read("first"), lab.read("one"), "{what}");
        signs(&lab, "three", "p256", "--replace", "first").ok();
        assert_eq!(lab.read("first"), lab.read("one"), "{what}");
        signs(&lab, "three", "p384", "--replace", "p384.img").ok();
        signs(&lab, "app.bin", "p384", &flags, "fresh.img").ok();
        assert_eq!(lab.read("p384.img"), lab.read("fresh.img"), "{what}");
    }
    signs(&lab, "two", "rsa2048", "--add --hex --hex-addr 0x8000", "two.hex").ok();
    imgtool_ok(&lab, &["p256", "ed25519", "rsa2048"].map(|name| format!("verify -k {name}.pub two.hex")));
    lab.refuses("sign two --as mcuboot --key ed25519.key --add -o o", 1, "a signature of this key");
    lab.refuses("sign two --as mcuboot --key p384.key --add -o o", 1, "sha256 digest");
    lab.refuses("sign two --as mcuboot --remove rsa2048.pub -o o", 1, "no signature of this key");
    lab.refuses("sign two --as mcuboot --remove ed25519.pub --hex -o o", 2, "--hex does not go with --remove");
    lab.refuses("sign two --as mcuboot --key rsa2048.key --add --version 2 -o o", 2, "--version");
    lab.refuses("sign app.bin --as mcuboot --key rsa2048.key --add -o o", 1, "is not signed");
    // Another signature would not fit before the trailer.
    let flags = "--version 1 --pad-header --slot-size 5700 --pad";
    signs(&lab, "app.bin", "ed25519", flags, "tight").ok();
    lab.refuses("sign tight --as mcuboot --key rsa2048.key --add -o o", 1, "room for 5700");
    // What is wrong is not signed once more.
    lab.write("wrong", flip(&lab.read("one"), 600));
    lab.refuses("sign wrong --as mcuboot --key ed25519.key --add -o o", 1, "digest is wrong");
}

#[test]
fn what_makes_no_sense_is_not_signed() {
    let lab = lab();
    key(&lab, "p256", "p256");
    key(&lab, "ed25519", "ed25519");
    key(&lab, "rsa4096", "rsa4096");
    signs(&lab, "app.bin", "p256", FULL.0, "signed").ok();
    lab.write("empty", "");
    lab.write("zeros", [0; 0x80]);
    let mut lines = Vec::new();
    let cases = [
        // Known: imgtool signs all of the first four.
        ("signed --key p256.key --version 1 --pad-header", 1, "already", "signed -v 1 --pad-header -H 32"),
        ("zeros --key p256.key --version 1 --header-size 0x80", 1, "nothing behind", "zeros -v 1 -H 0x80"),
        ("empty --key p256.key --version 1 --pad-header", 1, "empty", "empty -v 1 --pad-header -H 32"),
        (
            "app.bin --key p256.key --version 1 --pad-header --align 32 --max-align 16",
            2,
            "--max-align",
            "app.bin -v 1 --pad-header --align 32 --max-align 16 -H 32",
        ),
    ];
    for (number, (ours, code, words, theirs)) in cases.iter().enumerate() {
        lab.refuses(&format!("sign --as mcuboot {ours} -o o"), *code, words);
        lines.push(format!("sign -k p256.key -S 0x8000 {theirs} theirs-{number}"));
    }
    imgtool_ok(&lab, &lines);
    for (ours, code, words) in [
        ("app.bin --key p256.key --version 1 --header-size 0x80", 1, "not blank"),
        ("app.bin --key p256.key --version 1 --pad-header --slot-size 5500", 1, "room for 5500"),
        ("app.bin --key rsa4096.key --version 1 --pad-header", 1, "RSA-4096"),
        ("app.bin --key p256.key --pad-header", 2, "--version"),
        ("app.bin --version 1 --pad-header", 2, "key"),
        ("app.bin --key p256.key --unsigned --version 1 --pad-header", 2, "--unsigned"),
        ("app.bin --unsigned --pure --version 1 --pad-header", 2, "--pure"),
        ("app.bin --key p256.key --version 1 --pad-header --security-counter -1", 2, "--security-counter"),
        ("app.bin --key p256.key --version 1 --pad-header --security-counter 4294967296", 2, "--security-counter"),
        ("app.bin --key p256.key --version 1 --pad-header --hash sha512", 2, "--hash"),
        ("app.bin --key p256.key --version 1 --pad-header --pure", 2, "--pure"),
        ("app.bin --key ed25519.key --version 1 --pad-header --pure --hash sha512", 2, "--hash"),
        ("app.bin --key ed25519.key --version 1 --pad-header --pad-sig", 2, "--pad-sig"),
        ("app.bin --key ed25519.key --version 1 --pad-header --hex-addr 4", 2, "--hex-addr"),
        ("app.bin --key ed25519.key --version 1 --pad-header --endian big --custom-tlv 0x1000=a", 2, "--custom-tlv"),
    ] {
        lab.refuses(&format!("sign --as mcuboot {ours} -o o"), code, words);
    }
    let hint = lab.bulla("sign --as mcuboot app.bin --key p256.key --version 1 -o o").exits(1).stderr;
    assert!(hint.contains("hint: put a header before the image with --pad-header"), "{hint}");
}
