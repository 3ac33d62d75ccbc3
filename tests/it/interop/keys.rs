//! Private keys and their public halves, in every shape that OpenSSL writes and `bulla` makes.

use super::{KEY_TYPES, contains, find, flip, make, openssl, with_passphrases};
use crate::harness::Lab;

/// Encryption flags, and what `openssl asn1parse` shows of it.
const WRAPPINGS: [(&str, &str, &[&str]); 3] = [
    ("plain", "", &[]),
    ("scrypt", "--passphrase-from file:pass --kdf scrypt", &["PBES2", ":scrypt", ":aes-256-cbc"]),
    ("pbkdf2", "--passphrase-from file:pass --kdf pbkdf2", &["PBES2", ":PBKDF2", ":hmacWithSHA256", ":aes-256-cbc"]),
];

#[test]
fn openssl_reads_every_key() {
    let lab = with_passphrases();
    for key_type in KEY_TYPES.into_iter().chain(["x25519"]) {
        for (wrapping, flags, words) in WRAPPINGS {
            for encoding in ["pem", "der"] {
                // Large RSA keys take seconds; one of them shows what there is to show.
                if key_type == "rsa4096" && (wrapping, encoding) != ("scrypt", "der") {
                    continue;
                }
                let key = format!("{key_type}-{wrapping}.{encoding}");
                lab.bulla(&format!("keygen --type {key_type} --encoding {encoding} {flags} -o {key}")).ok();
                let shown = openssl(&lab, &format!("asn1parse -inform {encoding} -in {key}")).ok().text();
                assert!(words.iter().all(|word| shown.contains(word)), "{key}: {shown}");
                let checked = openssl(&lab, &format!("pkey -in {key} -passin file:pass -check -noout")).ok();
                assert!(checked.text().contains("Key is valid"), "{key}: {}", checked.text());
                let theirs = openssl(&lab, &format!("pkey -in {key} -passin file:pass -pubout -outform DER")).ok();
                assert_eq!(public_half(&lab, &key, "der"), theirs.stdout, "{key}");
                let theirs = openssl(&lab, &format!("pkey -in {key} -passin file:pass -pubout")).ok();
                assert_eq!(public_half(&lab, &key, "pem"), theirs.stdout, "{key}");
                if wrapping != "plain" {
                    wrong_passphrase_opens_nothing(&lab, &key);
                }
            }
        }
    }
}

#[test]
fn a_tampered_key_is_refused_by_both() {
    let lab = with_passphrases();
    // Where the private number starts: behind the version of ECPrivateKey, behind e = 65537 of RSAPrivateKey. One RSA
    // key in a hundred or so has a short private exponent, so that its length is not part of what is looked for.
    let ec = |len| vec![0x02, 0x01, 0x01, 0x04, len];
    let rsa = vec![0x02, 0x03, 0x01, 0x00, 0x01, 0x02];
    for (key_type, before) in [("p256", ec(32)), ("p384", ec(48)), ("rsa2048", rsa)] {
        lab.bulla(&format!("keygen --type {key_type} --encoding der -o {key_type}")).ok();
        let der = lab.read(key_type);
        lab.write("twin", flip(&der, find(&der, &before) + before.len() + 8));
        openssl(&lab, "pkey -in twin -check -noout").fails();
        refused(&lab, "twin", 1, "");
    }
    // An Ed25519 or X25519 key has no other half; what can be seen is a missing byte, and base64 that is none.
    for key_type in ["p256", "p384", "ed25519", "x25519", "rsa2048"] {
        lab.bulla(&format!("keygen --type {key_type} --encoding der -o whole-{key_type}")).ok();
        let der = lab.read(format!("whole-{key_type}"));
        lab.write("twin", &der[..der.len() - 1]);
        openssl(&lab, "pkey -in twin -noout").fails();
        refused(&lab, "twin", 1, "");
        openssl(&lab, &format!("pkey -in whole-{key_type} -out whole.pem")).ok();
        let pem = lab.read("whole.pem");
        let mut twin = pem.clone();
        twin[find(&pem, b"\n-----END") - 8] = b'*';
        lab.write("twin", twin);
        openssl(&lab, "pkey -in twin -noout").fails();
        refused(&lab, "twin", 1, "");
    }
    for (wrapping, flags, _) in &WRAPPINGS[1..] {
        lab.bulla(&format!("keygen --encoding der {flags} -o {wrapping}")).ok();
        let der = lab.read(wrapping);
        // The last block but one decides the last bit of the padding, which no longer fits.
        lab.write("twin", flip(&der, der.len() - 17));
        openssl(&lab, "pkey -in twin -passin file:pass -noout").fails();
        refused(&lab, "twin", 4, "passphrase");
    }
}

/// The key whose public half must come out, the shape's name, and how OpenSSL makes it.
const SHAPES: [(&str, &str, &str); 34] = [
    ("p256", "p256", "ecparam -name prime256v1 -genkey"),
    ("p256", "p256-bare", "ecparam -name prime256v1 -genkey -noout"),
    ("p256", "p256-sec1-der", "ec -in p256 -outform DER"),
    ("p256", "p256-no-public", "ec -in p256 -no_public"),
    ("p256", "p256-compressed", "ec -in p256 -conv_form compressed"),
    ("p256", "p256-pkcs8", "pkcs8 -topk8 -nocrypt -in p256"),
    ("p256", "p256-pkcs8-der", "pkcs8 -topk8 -nocrypt -in p256 -outform DER"),
    ("p256", "p256-text", "pkey -in p256 -text"),
    ("p256", "p256-aes256", "pkcs8 -topk8 -v2 aes256 -in p256 -passout file:pass"),
    ("p256", "p256-aes256-der", "pkcs8 -topk8 -v2 aes256 -in p256 -passout file:pass -outform DER"),
    ("p256", "p256-aes128-sha512", "pkcs8 -topk8 -v2 aes128 -v2prf hmacWithSHA512 -in p256 -passout file:pass"),
    ("p256", "p256-aes192-sha1", "pkcs8 -topk8 -v2 aes192 -v2prf hmacWithSHA1 -in p256 -passout file:pass"),
    ("p256", "p256-des3", "pkcs8 -topk8 -v2 des3 -in p256 -passout file:pass"),
    ("p256", "p256-scrypt", "pkcs8 -topk8 -scrypt -in p256 -passout file:pass"),
    ("p384", "p384", "ecparam -name secp384r1 -genkey"),
    ("p384", "p384-sec1-der", "ec -in p384 -outform DER"),
    ("p384", "p384-pkcs8", "pkey -in p384"),
    ("p384", "p384-scrypt-der", "pkcs8 -topk8 -scrypt -in p384 -passout file:pass -outform DER"),
    ("rsa", "rsa", "genrsa 2048"),
    ("rsa", "rsa-pkcs1", "rsa -in rsa -traditional"),
    ("rsa", "rsa-pkcs1-der", "rsa -in rsa -traditional -outform DER"),
    ("rsa", "rsa-pkcs8", "pkey -in rsa-pkcs1"),
    ("rsa", "rsa-pkcs8-der", "pkcs8 -topk8 -nocrypt -in rsa -outform DER"),
    ("rsa", "rsa-aes256", "pkey -in rsa -aes256 -passout file:pass"),
    ("rsa", "rsa-scrypt", "pkcs8 -topk8 -scrypt -in rsa -passout file:pass"),
    ("rsa-e3", "rsa-e3", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -pkeyopt rsa_keygen_pubexp:3"),
    ("ed25519", "ed25519", "genpkey -algorithm ed25519"),
    ("ed25519", "ed25519-der", "pkey -in ed25519 -outform DER"),
    ("ed25519", "ed25519-aes256", "pkcs8 -topk8 -v2 aes256 -in ed25519 -passout file:pass"),
    ("ed25519", "ed25519-scrypt", "pkcs8 -topk8 -scrypt -in ed25519 -passout file:pass"),
    ("x25519", "x25519", "genpkey -algorithm X25519"),
    ("x25519", "x25519-der", "pkey -in x25519 -outform DER"),
    ("x25519", "x25519-aes256", "pkcs8 -topk8 -v2 aes256 -in x25519 -passout file:pass"),
    ("x25519", "x25519-scrypt", "pkcs8 -topk8 -scrypt -in x25519 -passout file:pass"),
];

#[test]
fn bulla_reads_every_key_that_openssl_writes() {
    let lab = with_passphrases();
    for (base, shape, command) in SHAPES {
        make(&lab, command, shape);
        let base = if shape.ends_with("-bare") { shape } else { base };
        let theirs = openssl(&lab, &format!("pkey -in {base} -pubout -outform DER")).ok();
        assert_eq!(public_half(&lab, shape, "der"), theirs.stdout, "{shape}");
        if command.contains("-passout") {
            wrong_passphrase_opens_nothing(&lab, shape);
        }
    }
}

#[test]
fn bulla_reads_a_key_among_other_things() {
    let lab = with_passphrases();
    openssl(&lab, "ecparam -name prime256v1 -genkey -out key").ok();
    openssl(&lab, "req -x509 -new -key key -subj /CN=x -out certificate").ok();
    openssl(&lab, "ecparam -name prime256v1 -genkey -out other").ok();
    let theirs = openssl(&lab, "pkey -in key -pubout -outform DER").ok().stdout;
    let (key, certificate) = (lab.read("key"), lab.read("certificate"));
    let dos = String::from_utf8_lossy(&key).replace('\n', "\r\n").into_bytes();
    let good = [
        ("key-certificate", [&key[..], &certificate].concat()),
        ("certificate-key", [&certificate[..], &key].concat()),
        ("dos", dos),
    ];
    for (name, bytes) in good {
        lab.write(name, bytes);
        assert_eq!(public_half(&lab, name, "der"), theirs, "{name}");
    }
    lab.write("two", [&key[..], &lab.read("other")].concat());
    refused(&lab, "two", 1, "2 documents");
    refused(&lab, "certificate", 1, "a certificate, not a private key");
}

/// RFC 5958: version 2 with the public half behind the private one, which newer tools write. OpenSSL 3.0 writes none.
#[test]
fn bulla_reads_pkcs8_version_2() {
    let lab = with_passphrases();
    for key_type in ["ed25519", "x25519"] {
        openssl(&lab, &format!("genpkey -algorithm {key_type} -outform DER -out v1")).ok();
        let public = openssl(&lab, "pkey -in v1 -pubout -outform DER").ok().stdout;
        let v1 = lab.read("v1");
        let mut v2 = [&[0x30, 0x51, 0x02, 0x01, 0x01][..], &v1[5..], &[0x81, 0x21, 0x00], &public[12..]].concat();
        lab.write("v2", &v2);
        assert_eq!(public_half(&lab, "v2", "der"), public);
        *v2.last_mut().expect("a byte") ^= 1;
        lab.write("twin", v2);
        refused(&lab, "twin", 1, "does not belong");
    }
}

/// An X25519 key is named where it is shown, and refused by its name where a signature is asked for or judged.
#[test]
fn a_key_that_cannot_sign_is_refused_by_its_name() {
    let lab = with_passphrases();
    lab.write("app.bin", "an image");
    let made = lab.bulla("keygen --type x25519 -o x.key").ok();
    assert!(made.stderr.contains("x.key: X25519 private key"), "{}", made.stderr);
    lab.bulla("keygen --public x.key -o x.pub").ok();
    for file in ["x.key", "x.pub"] {
        assert_eq!(lab.bulla(&format!("inspect {file} --format json")).ok().json()["documents"][0]["key"], "X25519");
    }
    let cannot = "a key of type X25519 cannot sign";
    lab.refuses("sign app.bin --as raw --key x.key -o app.sig", 1, cannot);
    lab.refuses("csr x.key --profile ldevid --cn x -o x.csr", 1, cannot);
    openssl(&lab, "req -new -key x.key -subj /CN=x").fails();
    lab.write("app.sig", [0; 64]);
    lab.refuses("verify app.bin --as raw --signature app.sig --public-key x.pub", 1, cannot);
    openssl(&lab, "pkeyutl -sign -rawin -inkey x.key -in app.bin").fails();
}

/// How OpenSSL makes it, and the word that must name it.
const UNFIT: [(&str, &str, &str); 19] = [
    ("rsa-traditional", "genrsa -aes256 -passout file:pass -traditional 2048", "traditional"),
    ("p256-traditional", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", ""),
    ("ec-traditional", "ec -in p256-traditional -aes128 -passout file:pass", "traditional"),
    ("rsa-pss", "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", "rsassa-pss"),
    ("dsa-parameters", "genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024", "dsa"),
    ("dsa", "genpkey -paramfile dsa-parameters", "dsa"),
    ("dsa-traditional", "pkey -in dsa -traditional", "dsa"),
    ("x448", "genpkey -algorithm X448", "x448"),
    ("ed448", "genpkey -algorithm ED448", "ed448"),
    ("secp256k1", "ecparam -name secp256k1 -genkey", "secp256k1"),
    ("secp256k1-pkcs8", "pkey -in secp256k1", "secp256k1"),
    ("brainpool", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1", "brainpoolp256r1"),
    ("explicit", "ecparam -name prime256v1 -genkey -noout -param_enc explicit", "explicit"),
    ("explicit-pkcs8", "pkey -in explicit", "explicit"),
    ("rsa1024", "genrsa 1024", "rsa-1024"),
    ("rsa1024-pkcs1", "rsa -in rsa1024 -traditional", "rsa-1024"),
    ("public", "pkey -in p256-traditional -pubout", "a public key"),
    ("parameters", "ecparam -name prime256v1", "parameters"),
    ("pbes1", "pkcs8 -topk8 -v1 PBE-SHA1-3DES -in p256-traditional -passout file:pass", "pbewithsha"),
];

#[test]
fn a_key_that_is_not_fit_is_refused_by_its_name() {
    let lab = with_passphrases();
    let mut silent = Vec::new();
    for (name, command, word) in UNFIT {
        make(&lab, command, name);
        if word.is_empty() {
            continue;
        }
        // Its own name would be found in every message.
        lab.write("key", lab.read(name));
        let run = lab.bulla("keygen --public key --passphrase-from file:pass -o out").exits(1);
        assert!(!lab.has("out"), "{name}");
        if !run.stderr.to_lowercase().contains(word) {
            // All that go unnamed in one message.
            silent.push(format!("{name} should be called {word}:\n{}", run.stderr));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[track_caller]
fn public_half(lab: &Lab, key: &str, encoding: &str) -> Vec<u8> {
    let command = format!("keygen --public {key} --passphrase-from file:pass --encoding {encoding} -o -");
    let run = lab.bulla(&command).ok();
    assert!(!contains(&run.stdout, b"PRIVATE"), "{key}");
    run.stdout
}

#[track_caller]
fn wrong_passphrase_opens_nothing(lab: &Lab, key: &str) {
    openssl(lab, &format!("pkey -in {key} -passin file:wrong -noout")).fails();
    for flags in ["--passphrase-from file:wrong", ""] {
        let run = lab.bulla(&format!("keygen --public {key} {flags} -o out")).exits(4);
        assert!(run.stderr.contains("passphrase") && run.stderr.contains(key), "{}", run.stderr);
        assert!(!lab.has("out"), "{key}");
    }
}

#[track_caller]
fn refused(lab: &Lab, key: &str, code: i32, words: &str) {
    let run = lab.bulla(&format!("keygen --public {key} --passphrase-from file:pass -o out")).exits(code);
    assert!(run.stderr.contains(words), "{key}: {}", run.stderr);
    assert!(!lab.has("out"), "{key}");
}
