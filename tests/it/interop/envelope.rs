//! The encrypted content keys of MCUboot images: what imgtool seals opens here, and what is sealed here opens as on the
//! device.

use bulla::image::mcuboot::envelope::Envelope;
use bulla::key::{Hash, KeyFile, KeyRef, Recipient, SoftwareDecrypter};

use super::{firmware_judge, flip, make, openssl};
use crate::harness::Lab;

/// The name of each key, and how it is made: by the three that make them.
const KEYS: [(&str, &str); 4] = [
    ("rsa", "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("p256", "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ("x25519", "bulla"),
    ("theirs", "imgtool"),
];

/// The envelope, the key, and the hash.
const WAYS: [(Envelope, &str, Hash); 6] = [
    (Envelope::Rsa2048, "rsa", Hash::Sha256),
    (Envelope::Ec256, "p256", Hash::Sha256),
    (Envelope::X25519, "x25519", Hash::Sha256),
    (Envelope::X25519Sha512, "x25519", Hash::Sha512),
    (Envelope::X25519, "theirs", Hash::Sha256),
    (Envelope::X25519Sha512, "theirs", Hash::Sha512),
];

/// A lab with `NAME.key` and `NAME.pub` of each key.
fn with_keys() -> Lab {
    let lab = Lab::new();
    for (name, maker) in KEYS {
        match maker {
            "bulla" => drop(lab.bulla(&format!("keygen --type x25519 -o {name}.key")).ok()),
            "imgtool" => drop(firmware_judge(&lab, &format!("imgtool keygen -t x25519 -k {name}.key")).ok()),
            command => make(&lab, command.trim_start_matches("openssl "), &format!("{name}.key")),
        }
        openssl(&lab, &format!("pkey -in {name}.key -pubout -out {name}.pub")).ok();
    }
    lab
}

fn decrypter(lab: &Lab, name: &str) -> SoftwareDecrypter {
    let file = KeyFile::read(&KeyRef::File(lab.path(format!("{name}.key")))).expect("a key file");
    file.open_decrypter(None).expect("a key that decrypts")
}

fn recipient(lab: &Lab, name: &str) -> Recipient {
    Recipient::read(&lab.path(format!("{name}.pub"))).expect("a public key")
}

fn content_keys() -> [Vec<u8>; 2] {
    [16, 32].map(|len| {
        let mut key = vec![0; len];
        bulla::key::random(&mut key).expect("randomness");
        key
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

/// The judge's answer to each case.
#[track_caller]
fn judged(lab: &Lab, cases: &[String]) -> Vec<String> {
    lab.write("cases", cases.join("\n"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/envelope.py");
    let answers = firmware_judge(lab, &format!("python {script} cases")).ok().text();
    let answers: Vec<String> = answers.lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

#[test]
fn what_is_sealed_opens_as_on_the_device() {
    let lab = with_keys();
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for (envelope, name, hash) in WAYS {
        let (to, own) = (recipient(&lab, name), decrypter(&lab, name));
        assert_eq!(Envelope::to(&to, hash).expect("a way"), envelope);
        for content_key in content_keys() {
            let value = envelope.seal(&to, &content_key).expect("a sealed key");
            let tlv = envelope.tlv();
            cases.push(format!("open {name}.key {tlv} {}", hex(&value)));
            expected.push(hex(&content_key));
            // In the sender's key, in the middle, which is the MAC's, and in the encrypted key.
            for index in [3, value.len() / 2, value.len() - 1] {
                let twin = flip(&value, index);
                cases.push(format!("open {name}.key {tlv} {}", hex(&twin)));
                expected.push("refused".to_owned());
                envelope.open(&own, &twin).expect_err("a tampered twin");
            }
        }
    }
    assert_eq!(judged(&lab, &cases), expected);
}

#[test]
fn what_imgtool_seals_opens() {
    let lab = with_keys();
    let mut cases = Vec::new();
    let mut expected = Vec::new();
    for (envelope, name, hash) in WAYS {
        for content_key in content_keys() {
            cases.push(format!("seal {name}.pub {} {hash}", hex(&content_key)));
            expected.push((envelope, name, content_key));
        }
    }
    for (value, (envelope, name, content_key)) in judged(&lab, &cases).iter().zip(expected) {
        let (value, own) = (from_hex(value), decrypter(&lab, name));
        assert_eq!(value.len(), envelope.value_len(content_key.len()), "{envelope:?}");
        assert_eq!(envelope.open(&own, &value).expect("the content key").as_slice(), content_key, "{envelope:?}");
        for index in [3, value.len() / 2, value.len() - 1] {
            envelope.open(&own, &flip(&value, index)).expect_err("a tampered twin");
        }
    }
}
