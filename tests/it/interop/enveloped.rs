//! Envelopes: what is sealed here OpenSSL opens, what OpenSSL seals opens here, and what was changed opens nowhere.

use bulla::cms::{EnvelopedData, Error};
use bulla::key::{self, KeyFile, KeyRef, SoftwareDecrypter};
use bulla::x509::Certificate;
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};

use super::{der_of, flip, make, openssl};
use crate::harness::Lab;

const CONTENT: &[u8] = b"what only the device may read, over more than one block";

/// A lab with `NAME.key` and `NAME.pem` of each type, self-signed and of any use.
fn with_recipients() -> Lab {
    let lab = Lab::new();
    make(&lab, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "rsa.key");
    make(&lab, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "p256.key");
    make(&lab, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "other.key");
    for name in ["rsa", "p256", "other"] {
        openssl(&lab, &format!("req -x509 -new -key {name}.key -subj /O=Acme/CN={name} -out {name}.pem")).ok();
    }
    lab.write("content", CONTENT);
    lab
}

fn decrypter(lab: &Lab, name: &str) -> SoftwareDecrypter {
    let file = KeyFile::read(&KeyRef::File(lab.path(format!("{name}.key")))).expect("a key file");
    file.open_decrypter(None).expect("a key that decrypts")
}

fn certificate(lab: &Lab, name: &str) -> Certificate {
    Certificate::from_der(&der_of(lab, "x509", &format!("{name}.pem"))).expect("a certificate")
}

fn open(lab: &Lab, bytes: &[u8], name: &str) -> Result<Vec<u8>, Error> {
    let message = EnvelopedData::from_bytes(bytes)?;
    Ok(message.open(&decrypter(lab, name), &certificate(lab, name))?.to_vec())
}

#[test]
fn openssl_opens_what_is_sealed() {
    let lab = with_recipients();
    let (rsa, p256) = (certificate(&lab, "rsa"), certificate(&lab, "p256"));
    for (to, names) in
        [(vec![&rsa], vec!["rsa"]), (vec![&p256], vec!["p256"]), (vec![&p256, &rsa], vec!["rsa", "p256"])]
    {
        let sealed = EnvelopedData::seal(ID_DATA, CONTENT, &to).expect("an envelope");
        lab.write("sealed", &sealed);
        for name in names {
            let command = format!("cms -decrypt -in sealed -inform DER -inkey {name}.key -recip {name}.pem");
            assert_eq!(openssl(&lab, &command).ok().stdout, CONTENT);
            assert_eq!(open(&lab, &sealed, name).expect("the content"), CONTENT);
        }
        openssl(&lab, "cms -decrypt -in sealed -inform DER -inkey other.key -recip other.pem").fails();
        assert!(matches!(open(&lab, &sealed, "other"), Err(Error::NotARecipient)));
        // The name of one key, and another key.
        let read = EnvelopedData::from_bytes(&sealed).expect("an envelope");
        let stolen = read.open(&decrypter(&lab, "other"), &p256);
        assert!(matches!(stolen, Err(Error::NotARecipient | Error::Key(key::Error::NotOpened))), "{stolen:?}");
    }
}

#[test]
fn what_openssl_seals_opens() {
    let lab = with_recipients();
    let oaep = "-keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256";
    for (name, flags) in [
        ("rsa", format!("-aes256 -recip rsa.pem {oaep}")),
        ("rsa", format!("-aes128 -keyid -recip rsa.pem {oaep} -stream")),
        // OpenSSL's own choice: a KDF with SHA-1.
        ("p256", "-aes256 -recip p256.pem".to_owned()),
        ("p256", "-aes128 -recip p256.pem -keyopt ecdh_kdf_md:sha256 -stream".to_owned()),
        ("p256", "-aes256 -keyid -recip p256.pem -keyopt ecdh_kdf_md:sha512 -aes128-wrap".to_owned()),
        ("p256", format!("-aes256 -recip rsa.pem {oaep} -recip p256.pem")),
    ] {
        openssl(&lab, &format!("cms -encrypt -binary -in content -outform DER -out sealed {flags}")).ok();
        let sealed = lab.read("sealed");
        assert_eq!(open(&lab, &sealed, name).unwrap_or_else(|error| panic!("{flags}: {error}")), CONTENT);
        assert!(matches!(open(&lab, &sealed, "other"), Err(Error::NotARecipient)), "{flags}");
    }
    for (name, flags, what) in [
        ("rsa", "-aes256", "the encryption of the content's key is not supported: rsaEncryption"),
        ("rsa", "-des3", "the content's encryption is not supported: des-ede3-cbc"),
        ("p256", "-aes-256-gcm", "the CMS message is id-ct-authEnvelopedData, not enveloped data"),
    ] {
        let command = format!("cms -encrypt -binary -in content -outform DER -out sealed {flags} {name}.pem");
        openssl(&lab, &command).ok();
        assert_eq!(open(&lab, &lab.read("sealed"), name).expect_err("not opened").to_string(), what, "{flags}");
    }
}

/// An envelope has no integrity: a change may turn up as another content, but never as the right one, nor as a panic.
/// Only what nobody reads can be changed: the version numbers, say.
#[test]
fn what_was_changed_opens_as_something_else_or_not() {
    let lab = with_recipients();
    for name in ["rsa", "p256"] {
        let certificate = certificate(&lab, name);
        let own = decrypter(&lab, name);
        let sealed = EnvelopedData::seal(ID_SIGNED_DATA, CONTENT, &[&certificate]).expect("an envelope");
        let read = EnvelopedData::from_bytes(&sealed).expect("an envelope");
        assert_eq!(read.content_type, ID_SIGNED_DATA);
        let mut harmless = 0;
        for index in 0..sealed.len() {
            let twin = EnvelopedData::from_bytes(&flip(&sealed, index));
            if twin.is_ok_and(|twin| {
                twin.content_type == ID_SIGNED_DATA
                    && twin.open(&own, &certificate).is_ok_and(|found| *found == CONTENT)
            }) {
                harmless += 1;
            }
            EnvelopedData::from_bytes(&sealed[..index]).expect_err("it is cut");
        }
        // Versions, the tag of NULL, and the OID of the curve's keys, which the recipient's own key decides.
        assert!(harmless < 20, "{harmless}");
        for byte in [b"", &sealed[1..], &[sealed.as_slice(), b"0"].concat()] {
            EnvelopedData::from_bytes(byte).expect_err("no envelope");
        }
    }
}

/// RFC 7030 section 4.4.1.2: the key must be for this, or its use unrestricted.
#[test]
fn only_keys_that_are_for_it_are_encrypted_to() {
    let lab = with_recipients();
    for (name, usage, is_for_it) in [
        ("rsa", "keyEncipherment", true),
        ("rsa", "digitalSignature,keyAgreement", false),
        ("p256", "digitalSignature,keyAgreement", true),
        ("p256", "digitalSignature", false),
    ] {
        let extension = format!("-addext keyUsage=critical,{usage}");
        openssl(&lab, &format!("req -x509 -new -key {name}.key -subj /CN=limited {extension} -out limited.pem")).ok();
        let limited = certificate(&lab, "limited");
        let sealed = EnvelopedData::seal(ID_DATA, CONTENT, &[&limited]);
        match is_for_it {
            true => drop(sealed.expect("an envelope")),
            false => assert!(matches!(sealed, Err(Error::KeyUsage { .. })), "{name} {usage}"),
        }
    }
    openssl(&lab, "genpkey -algorithm ed25519 -out signs.key").ok();
    openssl(&lab, "req -x509 -new -key signs.key -subj /CN=signs -out signs.pem").ok();
    let sealed = EnvelopedData::seal(ID_DATA, CONTENT, &[&certificate(&lab, "signs")]);
    assert!(matches!(sealed, Err(Error::Key(key::Error::Use { .. }))));
}
