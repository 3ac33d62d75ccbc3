//! Private numbers are nowhere but in key files: no command says one, whatever is wrong with the file, and no `Debug`.
//!
//! A number counts as said where eight bytes of it in a row are: in hexadecimal of any spacing, in base64, as numbers of
//! bytes, or where twenty digits of it are in decimal. The numbers are those that openssl finds in the key.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::LazyLock;

use bulla::files::{from_hex, to_base64, to_hex};
use bulla::image::Settings;
use bulla::key::{
    Ctr, KeyFile, KeyRef, KeyType, Passphrase, PrivateKey, Recipient, Signer, SoftwareDecrypter, SoftwareKey, X25519Key,
};

use crate::harness::Lab;

/// How many characters in a row give a number away, by how it is written.
const HEX: usize = 16;
const BASE64: usize = 12;
const DECIMAL: usize = 20;

/// What must not be seen.
#[derive(Default)]
struct Secrets {
    hex: HashSet<String>,
    base64: HashSet<String>,
    decimal: HashSet<String>,
    bytes: HashSet<[u8; 8]>,
}

fn windows(text: &str, len: usize) -> impl Iterator<Item = String> {
    text.as_bytes().windows(len).map(|window| String::from_utf8_lossy(window).into_owned())
}

/// What is left of a text of the characters that count.
fn kept(text: &str, counts: impl Fn(char) -> bool) -> String {
    text.chars().filter(|c| counts(*c)).collect()
}

/// A big-endian number in decimal, by long division.
fn decimal(number: &[u8]) -> String {
    let mut digits = vec![0_u8];
    for byte in number {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

impl Secrets {
    fn add(&mut self, number: &[u8]) {
        assert!(number.len() >= 16, "{number:x?}");
        self.hex.extend(windows(&to_hex(number), HEX));
        self.decimal.extend(windows(&decimal(number), DECIMAL));
        self.bytes.extend(number.windows(8).map(|window| <[u8; 8]>::try_from(window).expect("eight bytes")));
        for start in 0..3 {
            self.base64.extend(windows(to_base64(&number[start..]).trim_end_matches('='), BASE64));
        }
    }

    /// What of the secrets is to be seen in bytes that were printed.
    fn found(&self, printed: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(printed);
        let lower = text.to_ascii_lowercase().replace("0x", "");
        let forms = [
            (&self.hex, HEX, kept(&lower, |c| c.is_ascii_hexdigit())),
            // The words around it are base64 too.
            (&self.base64, BASE64, kept(&text, |c| !c.is_whitespace() && c != '\\')),
            (&self.decimal, DECIMAL, kept(&text, |c| c.is_ascii_digit())),
        ];
        let numbers: Vec<u8> = text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
        let seen = forms.iter().find_map(|(secrets, len, text)| windows(text, *len).find(|w| secrets.contains(w)));
        let in_bytes = |bytes: &[u8]| bytes.windows(8).any(|window| self.bytes.contains(window));
        seen.or_else(|| (in_bytes(printed) || in_bytes(&numbers)).then(|| "bytes".to_owned()))
    }
}

/// The private numbers that openssl shows of a key.
fn of_openssl(lab: &Lab, key: &str) -> Secrets {
    const PRIVATE: [&str; 7] = ["priv", "privateExponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient"];
    let shown = lab.judge(&format!("openssl pkey -in {key} -noout -text")).ok().text();
    let mut secrets = Secrets::default();
    let mut number: Option<String> = None;
    for line in shown.lines().chain(["end:"]) {
        match (line.strip_prefix("    "), &mut number) {
            (Some(digits), Some(number)) => number.push_str(&digits.replace(':', "")),
            (Some(_), None) => {}
            (None, _) => {
                if let Some(digits) = number.take() {
                    let bytes = from_hex(&digits).expect("hexadecimal");
                    secrets.add(bytes.strip_prefix(&[0]).unwrap_or(&bytes));
                }
                number = PRIVATE.contains(&line.split(':').next().unwrap_or_default()).then(String::new);
            }
        }
    }
    assert!(!secrets.hex.is_empty(), "{shown}");
    secrets
}

/// Keys of every type, in every form of file: the name, and how openssl makes it.
const KEYS: [(&str, &str); 9] = [
    ("p256", "openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256"),
    ("p384", "openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-384"),
    ("p521", "openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-521"),
    ("ed25519", "openssl genpkey -algorithm ed25519"),
    ("x25519", "openssl genpkey -algorithm x25519"),
    ("rsa", "openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048"),
    ("sec1", "openssl ecparam -name prime256v1 -genkey -noout"),
    ("pkcs1", "openssl genrsa -traditional"),
    ("locked", "openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256"),
];

/// Commands that read the file `K` as a private key, or as what it is not.
const COMMANDS: &str = "\
keygen --public K -o out
keygen --public K --encoding c -o out
csr K --profile ldevid --cn n -o out
enroll --key K --profile ldevid --cn n --ca acme -o out
enroll K --profile ldevid --ca acme -o out
renew fw.pem --key K --ca acme -o out
renew K --key fw.key --ca acme -o out
revoke K --reason superseded --ca acme
sign app.bin --as raw --key K -o out
sign app.bin --as cms --key K --cert fw.pem -o out
sign app.bin --as cms --key fw.key --cert K -o out
sign app.bin --as mcuboot --key K --version 1.2.3 --pad-header -o out
sign app.bin --as esp32 --key K -o out
sign app.bin --as minisign --key K -o out
sign K --as mcuboot --key fw.key --version 1.2.3 -o out
sign app.bin --as raw --public-key K --prepare out
verify app.bin --as raw --signature K --public-key fw.pub
verify app.bin --as raw --signature app.bin --public-key K
verify app.bin --as cms --signature K --trust root.pem
verify app.bin --as cms --signature app.bin --trust K
verify K --as mcuboot --public-key fw.pub
verify app.img --as mcuboot --public-key fw.pub --decrypt-key K
verify --batch K
verify-chain K --trust root.pem
verify-chain fw.pem --trust root.pem --untrusted K
inspect K
inspect K --format json
profile lint K
csr fw.key --profile ./K -o out
ca import acme/device K
ca init out --name N --hierarchy device --root root.pem --root-key K --no-passphrase
ca init out --name N --hierarchy device --root K --root-key fw.key --no-passphrase
ca renew-issuing acme/device --root-key K --no-passphrase
imgtool getpub -k K
imgtool getpubhash -k K
imgtool keyinfo -k K
imgtool sign -k K -v 1.2.3 -H 32 -S 65536 --pad-header app.bin out
imgtool verify -k K app.img
imgtool dumpinfo K
espsecure extract-public-key --version 2 --keyfile K out
espsecure digest-sbv2-public-key --keyfile K -o out
espsecure sign-data --version 2 --keyfile K -o out app.bin
espsecure signature-info-v2 K";

/// Commands that are run with every damaged file; the others are run with whole files and two damaged ones.
const READERS: [&str; 3] =
    ["inspect K", "keygen --public K -o out", "verify app.bin --as raw --signature app.bin --public-key K"];

/// The content of a PEM file, and a PEM file with other content.
fn der_of(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    bulla::files::from_base64(body.as_bytes()).expect("base64")
}

fn pem_of(label: &str, der: &[u8]) -> String {
    let body = to_base64(der);
    let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A key file, damaged in many ways; the first two of them are the most talkative.
fn damaged(pem: &str) -> Vec<Vec<u8>> {
    let der = der_of(pem);
    let label = pem.split("-----").nth(1).and_then(|label| label.strip_prefix("BEGIN ")).expect("a label");
    let lines: Vec<&str> = pem.lines().collect();
    let (middle, last) = (lines.len() / 2, lines.len() - 1);
    let with_line = |at: usize, line: &str| [&lines[..at], &[line], &lines[at..]].concat().join("\n").into_bytes();
    let mut files = vec![
        // An empty line ends what may be headers; a BEGIN line without its end goes on in the body.
        with_line(last, ""),
        pem.replacen("-----\n", "----\n", 1).into_bytes(),
        with_line(middle, ""),
        with_line(middle, "!"),
        with_line(middle, "a: b"),
        with_line(middle, "-----"),
        with_line(middle, "-----BEGIN PRIVATE KEY-----"),
        with_line(middle, &format!("-----END {label}-----")),
        lines[..last].join("\n").into_bytes(),
        lines[1..].join("\n").into_bytes(),
        lines.join("").into_bytes(),
        lines.join("\r\n\r\n").into_bytes(),
        pem.replace(label, "X").into_bytes(),
        pem.replacen(label, "X", 1).into_bytes(),
        format!("{pem}{pem}").into_bytes(),
        format!("id = 1\n{pem}").into_bytes(),
        format!("{{\"key\": {:?}}}", pem).into_bytes(),
        format!("{{\"id\": {pem:?}, \"message\": {pem:?}, \"key\": {pem:?}, \"algorithm\": {pem:?}}}").into_bytes(),
        serde_json::to_vec(&pem).expect("JSON"),
        lines[1..last].join("").into_bytes(),
        to_hex(&der).into_bytes(),
        der.clone(),
        der[1..].to_vec(),
    ];
    for wrong in [
        "CERTIFICATE",
        "CERTIFICATE REQUEST",
        "X509 CRL",
        "CMS",
        "PUBLIC KEY",
        "RSA PUBLIC KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
    ] {
        files.push(pem_of(wrong, &der).into_bytes());
    }
    for at in 1..8 {
        let place = der.len() * at / 8;
        files.push(pem_of(label, &der[..place]).into_bytes());
        files.push(der[..place].to_vec());
        let mut flipped = der.clone();
        flipped[place] ^= 1 << at;
        files.push(pem_of(label, &flipped).into_bytes());
    }
    // What holds the other parts is what is looked at first.
    for place in 0..der.len().min(40) {
        let mut flipped = der.clone();
        flipped[place] ^= 0x21;
        files.push(pem_of(label, &flipped).into_bytes());
    }
    files
}

/// The lab that the commands are run in.
static LAB: LazyLock<Lab> = LazyLock::new(|| {
    let lab = Lab::with_images();
    lab.write("pass", "Xyzzy-plugh");
    lab.write("wrong", "plugh-Xyzzy");
    lab
});

/// Runs a command with the file of a key in place of `K`; asserts that nothing of it is said.
fn is_silent(secrets: &Secrets, command: &str, key: &str, passphrase: &str) {
    let words: String = command.replace('K', key) + passphrase;
    let out = format!("{key}.out");
    let words = words.split_whitespace().map(|word| if word == "out" { out.as_str() } else { word });
    let run = LAB.bulla_args(words);
    assert!(run.code.is_some(), "{command}");
    for printed in [&run.stdout, run.stderr.as_bytes()] {
        if let Some(seen) = secrets.found(printed) {
            panic!("{command} of {key} says {seen}:\n{}\n{}", run.text(), run.stderr);
        }
    }
    let product = LAB.path(&out);
    let _ = if product.is_dir() { std::fs::remove_dir_all(product) } else { std::fs::remove_file(product) };
}

/// Makes a key by openssl; returns its file, and what must not be seen of it.
fn make(name: &str, by: &str) -> (String, Secrets) {
    LAB.judge(&format!("{by} -out {name}.key")).ok();
    let secrets = of_openssl(&LAB, &format!("{name}.key"));
    if name == "locked" {
        LAB.judge("openssl pkcs8 -topk8 -v2 aes256 -in locked.key -passout file:pass -out locked.pk8").ok();
        LAB.judge("mv locked.pk8 locked.key").ok();
    }
    (String::from_utf8(LAB.read(format!("{name}.key"))).expect("PEM"), secrets)
}

#[test]
fn no_command_says_a_private_number() {
    for (name, by) in KEYS {
        let (pem, mut secrets) = make(name, by);
        let file = format!("{name}.key");
        if name == "locked" {
            // Nor what is encrypted of it.
            secrets.add(&der_of(&pem)[60..]);
        }
        for command in COMMANDS.lines() {
            is_silent(&secrets, command, &file, "");
            if name == "locked" && !command.contains("root-key") {
                is_silent(&secrets, command, &file, " --passphrase-from file:pass");
                is_silent(&secrets, command, &file, " --passphrase-from file:wrong");
            }
        }
        for (index, bytes) in damaged(&pem).iter().enumerate() {
            LAB.write(&file, bytes);
            let commands: Vec<&str> = if index < 2 { COMMANDS.lines().collect() } else { READERS.to_vec() };
            for command in commands {
                is_silent(&secrets, command, &file, "");
            }
        }
    }
}

/// The keys of a CA are read from its folder.
#[test]
fn no_ca_says_the_number_of_its_key() {
    let lab = Lab::with_ca();
    let key = lab.path("acme/device/issuing.key");
    let pem = std::fs::read_to_string(&key).expect("PEM");
    let secrets = of_openssl(&lab, "acme/device/issuing.key");
    for bytes in damaged(&pem).into_iter().take(34) {
        std::fs::write(&key, bytes).expect("a key");
        for words in
            ["enroll --key fw.key --profile ldevid --cn n --ca acme/device -o out", "ca crl acme/device -o out"]
        {
            let run = lab.bulla(&format!("{words} --force"));
            assert_eq!(secrets.found(&run.stdout).or_else(|| secrets.found(run.stderr.as_bytes())), None, "{run:?}");
        }
    }
}

/// A number in each of the forms is found, and a public one is not taken for it: the search can fail.
#[test]
fn what_is_said_would_be_found() {
    let lab = Lab::new();
    lab.judge("openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out key").ok();
    let secrets = of_openssl(&lab, "key");
    let shown = lab.judge("openssl pkey -in key -noout -text").ok().text();
    let der = der_of(&String::from_utf8_lossy(&lab.read("key")));
    // PKCS#8 of openssl holds the scalar from byte 36 on.
    let number = &der[36..68];
    let upper = to_hex(number).to_ascii_uppercase();
    let spaced: Vec<String> = number[3..12].iter().map(|byte| format!("0x{byte:02x}")).collect();
    for said in [
        shown.into_bytes(),
        lab.read("key"),
        number.to_vec(),
        format!("{number:?}").into_bytes(),
        format!("{number:#?}").into_bytes(),
        format!("{:?}", &number[10..18]).into_bytes(),
        upper.into_bytes(),
        spaced.join(", ").into_bytes(),
        decimal(number).into_bytes(),
        format!("error: invalid header: {}", &to_base64(&der)[64..80]).into_bytes(),
    ] {
        assert!(secrets.found(&said).is_some(), "{}", String::from_utf8_lossy(&said));
    }
    let public = lab.judge("openssl pkey -in key -pubout -text").ok();
    let public = public.text().split("pub:").nth(1).expect("the public half").to_owned();
    assert_eq!(secrets.found(public.as_bytes()), None);
    assert_eq!(decimal(&[1, 0, 0]), "65536");
}

/// Asserts that neither form of `Debug` shows anything of a secret.
#[track_caller]
fn is_opaque(secrets: &Secrets, value: &dyn Debug) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        assert_eq!(secrets.found(shown.as_bytes()), None, "{shown}");
    }
}

#[test]
fn no_debug_shows_a_secret() {
    let lab = Lab::new();
    for (name, by) in KEYS {
        lab.judge(&format!("{by} -out {name}.key")).ok();
        let path = lab.path(format!("{name}.key"));
        let mut secrets = of_openssl(&lab, &format!("{name}.key"));
        let pem = std::fs::read_to_string(&path).expect("PEM");
        secrets.add(&der_of(&pem)[if name.contains("25519") { 16 } else { 36 }..][..16]);
        for document in bulla::files::documents(pem.as_bytes(), &path, "a private key").expect("a key") {
            is_opaque(&secrets, &document);
        }
        let reference = KeyRef::File(path);
        is_opaque(&secrets, &KeyFile::read(&reference).expect("a key"));
        let opened = KeyFile::read(&reference).and_then(|file| file.open_any(None));
        is_opaque(&secrets, &opened);
        match opened {
            Ok(PrivateKey::Signing(key)) => {
                is_opaque(&secrets, &key);
                let signer: &dyn Signer = &key;
                is_opaque(&secrets, &signer);
                if let Ok(decrypter) = SoftwareDecrypter::try_from(&key) {
                    is_opaque(&secrets, &decrypter);
                    let mut settings = Settings::default();
                    settings.open("decrypt-key", decrypter);
                    is_opaque(&secrets, &settings);
                }
            }
            Ok(PrivateKey::X25519(key)) => {
                is_opaque(&secrets, &key);
                is_opaque(&secrets, &SoftwareDecrypter::try_from(&key).expect("a decrypter"));
            }
            // P-521 keys are not for signing.
            Err(_) => assert_eq!(name, "p521"),
        }
    }
}

#[test]
fn no_debug_shows_a_shared_secret() {
    let mut secrets = Secrets::default();
    let bytes: Vec<u8> = (100..132).collect();
    secrets.add(&bytes);
    is_opaque(&secrets, &Passphrase::new(bytes.clone().into()));
    is_opaque(&secrets, &Ctr::new(&bytes).expect("a key of AES-256"));
    let agreeing = [
        X25519Key::generate().expect("a key").recipient().clone(),
        Recipient::from_spki(SoftwareKey::generate(KeyType::P256).expect("a key").public_key().spki()).expect("a key"),
    ];
    for recipient in agreeing {
        let agreement = recipient.agree().expect("an agreement");
        let mut secrets = Secrets::default();
        secrets.add(&agreement.secret);
        is_opaque(&secrets, &agreement);
    }
}
