//! CMS signatures that openssl makes with certificates of a `bulla` CA, before `bulla verify`.

use der::Decode;

use super::cms::{ROOT, content, ours, sign, theirs, twins};
use super::{find, firmware_signer, flip, openssl};
use crate::forge::{sequence, tlv};
use crate::harness::{Lab, Run};

const ISSUING: &str = "acme/firmware/issuing.pem";
const PSS: &str = "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen";

/// Name, key type, and flags of `openssl cms -sign`: detached DER.
const DETACHED: [(&str, &str, &str); 15] = [
    ("p256", "p256", "-md sha256"),
    ("p256-sha384", "p256", "-md sha384"),
    ("p256-sha512", "p256", "-md sha512"),
    ("p256-keyid", "p256", "-md sha256 -keyid"),
    ("p256-noattr", "p256", "-md sha256 -noattr"),
    ("p256-nosmimecap", "p256", "-md sha256 -nosmimecap"),
    ("p384", "p384", "-md sha384 -nosmimecap"),
    ("p384-sha256", "p384", "-md sha256 -nosmimecap"),
    ("rsa", "rsa2048", "-md sha256 -nosmimecap"),
    ("rsa-sha512-keyid", "rsa2048", "-md sha512 -keyid"),
    ("rsa-noattr", "rsa3072", "-md sha384 -noattr"),
    ("pss", "rsa2048", "-md sha256 -nosmimecap PSS:32"),
    ("pss-sha384", "rsa3072", "-md sha384 PSS:48"),
    ("pss-digest", "rsa2048", "-md sha512 PSS:digest -keyid"),
    ("pss-noattr", "rsa2048", "-md sha256 -noattr PSS:32"),
];

#[test]
fn bulla_accepts_every_detached_message() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    for (name, key_type, flags) in DETACHED {
        firmware_signer(&lab, name, key_type);
        sign_theirs(&lab, name, flags, "DER").ok();
        theirs(&lab, name, "").ok();
        let run = lab.bulla(&format!("verify image --as cms --signature {name}.p7s --trust {ROOT} -o {name}.out")).ok();
        let signer = format!("signer     CN={name}\n");
        assert!(run.text().contains(&signer), "{}", run.text());
        assert_eq!(lab.read(format!("{name}.out")), content(), "{name}");
        for (what, twin) in twins(&lab.read(format!("{name}.p7s"))) {
            lab.write("twin.p7s", twin);
            let run =
                lab.bulla(&format!("verify image --as cms --signature twin.p7s --trust {ROOT} -o twin.out")).exits(3);
            assert!(run.text().starts_with("bad ") && !lab.has("twin.out"), "{name} {what}");
            // openssl does not look behind the message.
            if what != "trailing" {
                theirs(&lab, "twin", "").fails();
            }
        }
        lab.write("image", flip(&content(), 1));
        ours(&lab, name).exits(3);
        theirs(&lab, name, "").exits(4);
        lab.write("image", content());
    }
}

/// Attached, in DER, PEM and streamed BER, small and large: what comes out is what went in, or nothing. OpenSSL 3.0
/// cannot stream with PSS.
#[test]
fn bulla_accepts_every_attached_message() {
    let lab = Lab::with_ca();
    // Above 300 kB openssl streams in many segments.
    let large: Vec<u8> = content().into_iter().cycle().take(301_690).collect();
    for (name, key_type, flags, encoding, image) in [
        ("der", "p256", "-md sha256 -nodetach", "DER", content()),
        ("pem", "p256", "-md sha256 -nodetach", "PEM", content()),
        ("noattr", "rsa2048", "-md sha256 -nodetach -noattr", "DER", content()),
        ("pss", "rsa2048", "-md sha256 -nodetach PSS:32", "DER", content()),
        ("stream", "p256", "-md sha256 -nodetach -stream", "DER", large.clone()),
        ("stream-short", "p384", "-md sha384 -nodetach -stream", "DER", b"brief".to_vec()),
        ("stream-keyid", "rsa2048", "-md sha512 -nodetach -stream -keyid", "DER", large.clone()),
        ("stream-noattr", "p256", "-md sha256 -nodetach -stream -noattr", "DER", large.clone()),
        ("stream-pem", "p256", "-md sha256 -nodetach -stream", "PEM", large),
    ] {
        lab.write("image", &image);
        firmware_signer(&lab, name, key_type);
        sign_theirs(&lab, name, flags, encoding).ok();
        attached_theirs(&lab, name, encoding).ok();
        attached_ours(&lab, name).ok();
        assert!(lab.read(format!("{name}.out")) == image, "{name}");
        let message = lab.read(format!("{name}.p7s"));
        if encoding == "PEM" {
            assert!(message.starts_with(b"-----BEGIN CMS-----\n"), "{name}");
            lab.write("twin.p7s", [&message[..80], &message[90..]].concat());
            nobody_accepts_attached(&lab, name, encoding);
            continue;
        }
        assert_eq!(
            message[1] == 0x80,
            flags.contains("-stream"),
            "{name} is of indefinite length where it is streamed"
        );
        // The content lies inside; streamed, its first segment does.
        let mut all = twins(&message);
        let head = &image[..image.len().min(1000)];
        all.push(("content", flip(&message, find(&message, head) + head.len() / 2)));
        for (what, twin) in all {
            lab.write("twin.p7s", twin);
            if what == "trailing" {
                attached_ours(&lab, "twin").exits(3);
            } else {
                nobody_accepts_attached(&lab, name, encoding);
            }
        }
    }
}

#[test]
fn bulla_accepts_a_detached_message_in_pem() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    sign_theirs(&lab, "fw", "-md sha256", "PEM").ok();
    ours(&lab, "fw").ok();
    lab.write("image", flip(&content(), 5));
    ours(&lab, "fw").exits(3);
}

/// A message must have one signer. openssl accepts two good ones, and has no opinion on none but an error.
#[test]
fn two_signers_and_none_are_refused() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    firmware_signer(&lab, "second", "p384");
    for attached in ["", "-nodetach"] {
        sign_theirs(&lab, "fw", &format!("-md sha256 {attached}"), "DER").ok();
        ours_of(&lab, "fw", attached).ok();
        let second = format!("-signer second.pem -inkey second.key -certfile {ISSUING} {attached}");
        let files = "-inform DER -in fw.p7s -outform DER -out two.p7s";
        openssl(&lab, &format!("cms -resign -binary {files} {second} -content image")).ok();
        let run = ours_of(&lab, "two", attached).exits(3);
        assert!(run.text().contains("(signers)"), "{attached}: {}", run.text());
    }
    openssl(&lab, "crl2pkcs7 -nocrl -certfile fw.pem -outform DER -out none.p7s").ok();
    theirs(&lab, "none", "").fails();
    let run = ours(&lab, "none").exits(3);
    assert!(run.text().contains("(signers)"), "{}", run.text());
}

/// Messages that hold and are not what is asked for: another type, another digest, no certificate, another root.
#[test]
fn bulla_refuses_what_openssl_makes_otherwise() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    firmware_signer(&lab, "rsa", "rsa2048");
    for (name, flags, code) in [
        ("sha1", "-signer fw.pem -inkey fw.key -md sha1", "(algorithm)"),
        ("sha224", "-signer fw.pem -inkey fw.key -md sha224", "(algorithm)"),
        ("short-salt", "-signer rsa.pem -inkey rsa.key -md sha256 PSS:20", "(algorithm)"),
        ("no-certificate", "-signer fw.pem -inkey fw.key -md sha256 -nocerts", "(no-signer-certificate)"),
        ("other-type", "-signer fw.pem -inkey fw.key -md sha256 -econtent_type 1.2.3.4", "(content-type)"),
    ] {
        let flags = flags.replace("PSS", PSS);
        let files = format!("-in image -certfile {ISSUING} -out {name}.p7s");
        openssl(&lab, &format!("cms -sign -binary -outform DER {flags} {files}")).ok();
        let run = ours(&lab, name).exits(3);
        assert!(run.text().contains(code), "{name}: {}", run.text());
    }
    // Without the issuing CA there is no chain; with it beside the message there is.
    openssl(&lab, "cms -sign -binary -outform DER -in image -signer fw.pem -inkey fw.key -out alone.p7s").ok();
    assert!(ours(&lab, "alone").exits(3).text().contains("(untrusted)"));
    theirs(&lab, "alone", "").exits(4);
    let verify = format!("verify image --as cms --signature alone.p7s --trust {ROOT}");
    lab.bulla(&format!("{verify} --untrusted {ISSUING}")).ok();
    lab.bulla("verify image --as cms --signature alone.p7s --cert fw.pem").ok();
    sign_theirs(&lab, "fw", "-md sha256", "DER").ok();
    let other = "verify image --as cms --signature fw.p7s --trust acme/device/root.pem";
    assert!(lab.bulla(other).exits(3).text().contains("(untrusted)"));
    // Encrypted, not signed.
    openssl(&lab, "cms -encrypt -binary -outform DER -in image -out sealed.p7s rsa.pem").ok();
    assert!(ours(&lab, "sealed").exits(3).text().contains("not signed data"));
}

/// Both ends of the chain: `bulla`'s own message survives a trip through openssl's PEM, and a flipped bit in the
/// certificate that came along is seen by both.
#[test]
fn a_message_survives_pem_and_its_certificates_do_not_survive_tampering() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    sign(&lab, "fw", "").ok();
    openssl(&lab, "cms -cmsout -inform DER -in fw.p7s -outform PEM -out pem.p7s").ok();
    ours(&lab, "pem").ok();
    let message = lab.read("fw.p7s");
    // The subject's CN: once in the leaf.
    lab.write("twin.p7s", flip(&message, find(&message, b"\x0c\x06signer") + 7));
    assert!(ours(&lab, "twin").exits(3).text().contains("(certificate-signature)"));
    theirs(&lab, "twin", "").exits(4);
}

/// The digest that a message announces is not signed, and has to be the signer's all the same.
#[test]
fn nobody_accepts_a_digest_that_is_not_announced() {
    let lab = Lab::with_ca();
    lab.write("image", content());
    sign(&lab, "fw", "").ok();
    let message = lab.read("fw.p7s");
    // sha256 becomes sha512 (RFC 5754 section 2): first in digestAlgorithms, then in the SignerInfo.
    let sha256 = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
    let at = message.windows(sha256.len()).position(|window| window == sha256).expect("its OID") + 8;
    let mut twin = message;
    twin[at] = 3;
    lab.write("twin.p7s", twin);
    let text = ours(&lab, "twin").exits(3).text();
    assert!(text.contains("does not announce the digest sha256 (algorithm)"), "{text}");
    theirs(&lab, "twin", "").exits(4);
}

/// The signature over signed attributes is one over them as a content that has none: openssl takes it so, `bulla` does not.
#[test]
fn signed_attributes_are_no_content() {
    let members = |der: &[u8]| -> Vec<Vec<u8>> {
        let mut rest = der::asn1::AnyRef::from_der(der).expect("a value").value();
        let mut members = Vec::new();
        while !rest.is_empty() {
            let (_, after) = der::asn1::AnyRef::from_der_partial(rest).expect("a member");
            let (member, after) = rest.split_at(rest.len() - after.len());
            members.push(member.to_vec());
            rest = after;
        }
        members
    };
    let lab = Lab::with_ca();
    lab.write("image", content());
    firmware_signer(&lab, "own", "p256");
    for flags in ["-md sha256", "-md sha256 -nosmimecap -keyid"] {
        sign_theirs(&lab, "own", flags, "DER").ok();
        let parts = members(&lab.read("own.p7s"));
        let mut data = members(&members(&parts[1])[0]);
        let signers = data.pop().expect("signerInfos");
        let mut signer = members(&members(&signers)[0]);
        let mut attributes = signer.remove(3);
        assert_eq!(attributes[0], 0xa0);
        attributes[0] = 0x31;
        data.push(tlv(0x31, sequence(&signer)));
        lab.write("image", attributes);
        lab.write("own.p7s", sequence(&[parts[0].clone(), tlv(0xa0, sequence(&data))]));
        theirs(&lab, "own", "").ok();
        let text = ours(&lab, "own").exits(3).text();
        assert!(text.contains("the signed attributes are in the place of the content (signed-attributes)"), "{text}");
        lab.write("image", content());
    }
}

#[track_caller]
fn sign_theirs(lab: &Lab, name: &str, flags: &str, encoding: &str) -> Run {
    let flags = flags.replace("PSS", PSS);
    let signer = format!("-signer {name}.pem -inkey {name}.key -certfile {ISSUING}");
    let files = format!("-in image -outform {encoding} -out {name}.p7s");
    openssl(lab, &format!("cms -sign -binary {files} {signer} {flags}"))
}

fn ours_of(lab: &Lab, name: &str, attached: &str) -> Run {
    if attached.is_empty() { ours(lab, name) } else { lab.bulla(&format!("verify {name}.p7s --as cms --trust {ROOT}")) }
}

fn attached_ours(lab: &Lab, name: &str) -> Run {
    lab.bulla(&format!("verify {name}.p7s --as cms --trust {ROOT} -o {name}.out"))
}

fn attached_theirs(lab: &Lab, name: &str, encoding: &str) -> Run {
    openssl(lab, &format!("cms -verify -binary -inform {encoding} -in {name}.p7s -CAfile {ROOT} -out seen"))
}

/// Neither judge accepts `twin.p7s`, and `bulla` writes nothing of it.
#[track_caller]
fn nobody_accepts_attached(lab: &Lab, name: &str, encoding: &str) {
    let run = attached_ours(lab, "twin").exits(3);
    assert!(run.text().starts_with("bad ") && !lab.has("twin.out"), "{name}: {}", run.text());
    attached_theirs(lab, "twin", encoding).fails();
}
