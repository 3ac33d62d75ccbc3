//! RAUC bundles, made by either side and judged by the other. `rauc extract` is the judge: `rauc info` never looks at the
//! payload of a verity bundle, which a test here pins down.

use std::path::Path;
use std::process::Command;

use super::{find, firmware_signer, flip, make, openssl};
use crate::harness::{Lab, Run};

const ROOT: &str = "acme/firmware/root.pem";

const FORMATS: [&str; 2] = ["plain", "verity"];

/// What the device's configuration says of the purpose, and what `bulla` is told.
const PURPOSES: [&str; 3] = ["smimesign", "codesign", "any"];

/// A block of payload, of a tree, of everything.
const BLOCK: usize = 4096;

fn manifest(format: &str) -> String {
    format!(
        "# comment\n[update]\ncompatible=board \\s rev\nversion=1.2.3\ndescription=a bundle\n\n\
         [bundle]\nformat={format}\n\n[image.rootfs]\nfilename=rootfs.img\n"
    )
}

/// The size of the image: of so many blocks that the tree has two levels.
const IMAGE: usize = 700_000;

/// The size of the tree over it.
const TREE: usize = 3 * BLOCK;

/// An image that does not compress, as a key stream of AES does not.
fn image(lab: &Lab) -> Vec<u8> {
    let stream = "openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null";
    let run = lab.shell(&format!("{stream} | head -c {IMAGE}"));
    assert_eq!(run.stdout.len(), IMAGE);
    run.stdout
}

/// A folder `NAME` to make a bundle of.
fn folder(lab: &Lab, name: &str, format: &str) {
    std::fs::create_dir(lab.path(name)).expect("a folder");
    lab.write(format!("{name}/manifest.raucm"), manifest(format));
    lab.write(format!("{name}/rootfs.img"), image(lab));
}

fn ours_signs(lab: &Lab, input: &str, signer: &str, flags: &str, output: &str) -> Run {
    let key = format!("--key {signer}.key --cert {signer}.pem");
    lab.bulla(&format!("sign {input} --as rauc {key} {flags} -o {output} --force"))
}

fn ours_verifies(lab: &Lab, bundle: &str, flags: &str) -> Run {
    lab.bulla(&format!("verify {bundle} --as rauc --trust {ROOT} {flags}"))
}

/// The code of a refusal by `bulla`.
#[track_caller]
fn refused(run: Run) -> String {
    let run = run.exits(3);
    run.json()["code"].as_str().expect("a code").to_owned()
}

/// A device's configuration.
fn device(lab: &Lab, root: &str, purpose: Option<&str>) {
    let purpose = purpose.map(|purpose| format!("check-purpose={purpose}\n")).unwrap_or_default();
    lab.write("system.conf", format!("[system]\ncompatible=board\nbootloader=noop\n[keyring]\npath={root}\n{purpose}"));
}

/// Why RAUC refuses: what the judge must have said, lest a failure to judge looks like a verdict.
const REFUSALS: [&str; 7] = [
    "signature verification failed",
    "Invalid bundle format",
    "bundle payload is corrupted",
    "Failed to load manifest",
    "not allowed for external manifest",
    "Failed to check manifest",
    "Unsupported number of signers",
];

#[track_caller]
fn verdict(run: &Run) -> bool {
    match run.code {
        Some(0) if run.stderr.contains("Verified inline signature by") => true,
        Some(0) if run.stderr.contains("Verified detached signature by") => true,
        Some(1) if REFUSALS.iter().any(|refusal| run.stderr.contains(refusal)) => false,
        code => panic!("rauc gave no verdict: {code:?}\n{}", run.stderr),
    }
}

/// Whether a device takes a bundle, payload and all; the payload is in the folder `out`.
#[track_caller]
fn theirs_extracts(lab: &Lab, bundle: &str) -> bool {
    let _ = std::fs::remove_dir_all(lab.path("out"));
    verdict(&lab.judge(&format!("env LC_ALL=C rauc --conf=system.conf extract {bundle} out")))
}

/// Whether `rauc info` is content.
#[track_caller]
fn theirs_shows(lab: &Lab, bundle: &str) -> bool {
    verdict(&lab.judge(&format!("env LC_ALL=C rauc --conf=system.conf info {bundle}")))
}

/// What is before the signature, and the signature, of a bundle.
fn parts(bundle: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (rest, size) = bundle.split_at(bundle.len() - 8);
    let size = u64::from_be_bytes(size.try_into().expect("eight bytes"));
    let (signed, signature) = rest.split_at(rest.len() - usize::try_from(size).expect("a small size"));
    (signed.to_vec(), signature.to_vec())
}

fn assemble(signed: &[u8], signature: &[u8]) -> Vec<u8> {
    [signed, signature, &(signature.len() as u64).to_be_bytes()].concat()
}

/// Of a folder and of a squashfs, with every type of key: RAUC accepts by both purposes, and unpacks what went in.
#[test]
fn rauc_accepts_what_bulla_bundles() {
    let lab = Lab::with_ca();
    for format in FORMATS {
        folder(&lab, format, format);
        let before = lab.tree();
        for (name, key_type, flags) in [
            ("p256", "p256", ""),
            ("p384", "p384", ""),
            ("rsa", "rsa2048", ""),
            ("pss", "rsa2048", "--rsa pss --hash sha512"),
        ] {
            if !lab.has(format!("{name}.key")) {
                firmware_signer(&lab, name, key_type);
            }
            ours_signs(&lab, format, name, flags, "folder.raucb").ok();
            // The payload that was made of the folder is a squashfs with a complete manifest.
            let tree = if format == "verity" { TREE } else { 0 };
            let (signed, _) = parts(&lab.read("folder.raucb"));
            lab.write("payload", &signed[..signed.len() - tree]);
            ours_signs(&lab, "payload", name, flags, "squashfs.raucb").ok();
            for bundle in ["folder.raucb", "squashfs.raucb"] {
                for purpose in [None, Some("codesign")] {
                    device(&lab, ROOT, purpose);
                    assert!(theirs_shows(&lab, bundle), "{format} {name} {bundle}");
                    assert!(theirs_extracts(&lab, bundle), "{format} {name} {bundle}");
                    let flags = purpose.map(|purpose| format!("--check-purpose {purpose}")).unwrap_or_default();
                    ours_verifies(&lab, bundle, &flags).ok();
                }
                assert!(lab.read("out/rootfs.img") == image(&lab), "{format} {name} {bundle}");
                let inner = String::from_utf8(lab.read("out/manifest.raucm")).expect("text");
                assert!(inner.contains(&format!("size={IMAGE}\n")) && !inner.contains("verity-hash"), "{inner}");
            }
            let (ours, theirs) = (lab.read("folder.raucb"), lab.read("squashfs.raucb"));
            assert!(parts(&ours).0 == parts(&theirs).0, "{format} {name}: the payload of both is the same");
        }
        let after = lab.tree();
        assert!(before.iter().all(|(path, content)| after.get(path) == Some(content) || !path.starts_with(format)));
    }
}

/// What a bundle says of itself is restated, and can be asked for.
#[test]
fn bulla_accepts_what_rauc_bundles() {
    let lab = Lab::with_ca();
    device(&lab, ROOT, None);
    for (format, key_type) in [("plain", "p256"), ("verity", "p384"), ("plain", "rsa2048"), ("verity", "rsa2048")] {
        let name = format!("{format}-{key_type}");
        firmware_signer(&lab, &name, key_type);
        folder(&lab, &format!("{name}.in"), format);
        theirs_signs(&lab, &name, &format!("{name}.in"), &format!("{name}.raucb")).ok();
        assert!(theirs_extracts(&lab, &format!("{name}.raucb")));
        let run = ours_verifies(&lab, &format!("{name}.raucb"), "--format json -o copy --force").ok();
        let found = run.json();
        assert_eq!(found["hardware"], serde_json::json!(["board   rev"]), "{name}");
        assert_eq!((&found["version"], &found["format"]), (&"1.2.3".into(), &format.into()));
        assert_eq!(
            (&found["description"], &found["images"]),
            (&"a bundle".into(), &format!("rootfs: rootfs.img, {IMAGE} bytes").into())
        );
        assert_eq!(found["covered"], parts(&lab.read("copy")).0.len());
        assert!(lab.read("copy") == lab.read(format!("{name}.raucb")));
        ours_verifies(&lab, &format!("{name}.raucb"), "--min-version 1.2.3").ok();
        for (demand, code) in [("--min-version 1.2.4", "version"), ("--hardware board", "hardware")] {
            assert_eq!(
                refused(ours_verifies(&lab, &format!("{name}.raucb"), &format!("{demand} --format json"))),
                code
            );
        }
        let shown = lab.bulla(&format!("inspect {name}.raucb")).ok().text();
        for row in [format!("  format     {format}\n"), "  signer     CN=".to_owned() + &name] {
            assert!(shown.contains(&row), "{shown}");
        }
        assert_eq!(shown.contains("  version    1.2.3\n"), format == "verity", "{shown}");
    }
}

fn theirs_signs(lab: &Lab, name: &str, input: &str, output: &str) -> Run {
    let certificates = String::from_utf8(lab.read(format!("{name}.pem"))).expect("text");
    let end = certificates.find("-----END CERTIFICATE-----\n").expect("a certificate") + 26;
    let (leaf, above) = certificates.split_at(end);
    lab.write("leaf.pem", leaf);
    lab.write("above.pem", above);
    let signer = format!("--cert=leaf.pem --key={name}.key --intermediate=above.pem --keyring={ROOT}");
    lab.judge(&format!("env LC_ALL=C rauc bundle {signer} {input} {output}"))
}

/// A bit flipped anywhere is refused by both. Known: `rauc info` does not see it in payload and tree of a verity bundle.
#[test]
fn flipped_bits_are_refused_by_both() {
    let lab = Lab::with_ca();
    device(&lab, ROOT, None);
    for format in FORMATS {
        folder(&lab, format, format);
        ours_signs(&lab, format, "fw", "", "good.raucb").ok();
        let good = lab.read("good.raucb");
        let (signed, signature) = parts(&good);
        let is_verity = format == "verity";
        let tree = signed.len() - if is_verity { TREE } else { 0 };
        let of_payload = if is_verity { "verity" } else { "digest" };
        let mut twins = vec![
            ("magic", flip(&good, 0), "squashfs"),
            ("payload", flip(&good, 10 * BLOCK + 7), of_payload),
            ("last block", flip(&good, tree - 1), of_payload),
            ("signature", flip(&good, good.len() - 9), "signature"),
            ("attributes", flip(&good, find(&good, b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04") + 20), "digest"),
            ("size", flip(&good, good.len() - 1), "footer"),
            ("size, high", flip(&good, good.len() - 8), "footer"),
            ("no size", [&good[..good.len() - 8], &[0; 8]].concat(), "footer"),
            ("cut", good[..good.len() - 1].to_vec(), "footer"),
            ("a block less", assemble(&signed[BLOCK..], &signature), "squashfs"),
            ("a block more", assemble(&[&signed[..], &[0; BLOCK]].concat(), &signature), of_payload),
            ("no payload", assemble(&[], &signature), "footer"),
            ("the size alone", good[good.len() - 8..].to_vec(), "footer"),
        ];
        if is_verity {
            twins.push(("tree", flip(&good, tree + 3), "verity"));
            twins.push(("lower tree", flip(&good, tree + BLOCK + 3), "verity"));
            twins.push(("padding of the tree", flip(&good, signed.len() - 1), "verity"));
            twins.push(("manifest", flip(&good, find(&good, b"version=1.2.3") + 12), "digest"));
            twins.push(("root", flip(&good, find(&good, b"verity-hash=") + 13), "digest"));
        } else {
            twins.push(("a byte more", assemble(&[&signed[..], &[0]].concat(), &signature), "footer"));
        }
        ours_verifies(&lab, "good.raucb", "").ok();
        assert!(theirs_extracts(&lab, "good.raucb"));
        for (what, twin, code) in twins {
            lab.write("twin.raucb", &twin);
            let run = ours_verifies(&lab, "twin.raucb", "--format json -o out.raucb");
            assert_eq!(refused(run), code, "{format} {what}");
            assert!(!lab.has("out.raucb"), "{format} {what}");
            assert!(!theirs_extracts(&lab, "twin.raucb"), "{format} {what}");
            let is_unseen = is_verity && twin.ends_with(&assemble(&[], &signature));
            assert_eq!(theirs_shows(&lab, "twin.raucb"), is_unseen, "{format} {what}");
        }
    }
}

/// Signed anew: what it carries stays byte for byte, and RAUC believes the new signer alone.
#[test]
fn a_bundle_is_signed_anew_as_it_is() {
    let lab = Lab::with_ca();
    lab.bulla("ca init dev --name Dev --no-passphrase").ok();
    lab.bulla("keygen -o dev.key").ok();
    lab.bulla("enroll --key dev.key --profile firmware --cn dev --ca dev -o dev.pem").ok();
    for format in FORMATS {
        folder(&lab, format, format);
        ours_signs(&lab, format, "dev", "", "dev.raucb").ok();
        ours_signs(&lab, "dev.raucb", "fw", "--replace", "fw.raucb").ok();
        for (root, dev, fw) in [("dev/firmware/root.pem", true, false), (ROOT, false, true)] {
            device(&lab, root, None);
            for (bundle, is_good) in [("dev.raucb", dev), ("fw.raucb", fw)] {
                assert_eq!(theirs_extracts(&lab, bundle), is_good, "{format} {bundle} {root}");
                let run = lab.bulla(&format!("verify {bundle} --as rauc --trust {root}"));
                run.exits(if is_good { 0 } else { 3 });
            }
        }
        let (one, other) = (lab.read("dev.raucb"), lab.read("fw.raucb"));
        assert!(parts(&one).0 == parts(&other).0 && parts(&one).1 != parts(&other).1, "{format}");
        let signs = "--as rauc --key fw.key --cert fw.pem -o never";
        lab.refuses(&format!("sign dev.raucb {signs}"), 1, "the image is signed already");
        lab.refuses(&format!("sign dev.raucb {signs} --add"), 1, "rauc takes no second signature");
        let salt = "ab".repeat(32);
        lab.refuses(&format!("sign dev.raucb {signs} --replace --verity-salt {salt}"), 2, "keeps its digest tree");
        let other = FORMATS.iter().find(|other| **other != format).expect("two formats");
        let says = format!("the bundle is {format}");
        lab.refuses(&format!("sign dev.raucb {signs} --replace --bundle-format {other}"), 2, &says);
        // A plain payload has nothing to be checked by but the signature that is given up.
        if format == "verity" {
            for at in [5 * BLOCK, parts(&one).0.len() - BLOCK] {
                lab.write("garbage.raucb", flip(&one, at));
                lab.refuses(&format!("sign garbage.raucb {signs} --replace"), 1, "cannot be signed: the ");
            }
        }
    }
}

/// The key elsewhere: openssl signs what `--prepare` writes.
#[test]
fn openssl_signs_what_was_prepared() {
    let lab = Lab::with_ca();
    device(&lab, ROOT, None);
    for (format, key_type) in [("plain", "rsa2048"), ("verity", "p384")] {
        folder(&lab, format, format);
        firmware_signer(&lab, key_type, key_type);
        openssl(&lab, &format!("pkey -in {key_type}.key -pubout -out {key_type}.pub")).ok();
        let key = format!("--public-key {key_type}.pub --cert {key_type}.pem");
        lab.bulla(&format!("sign {format} --as rauc {key} --prepare {format}.step")).ok();
        let hash = if key_type == "p384" { "sha384" } else { "sha256" };
        openssl(&lab, &format!("dgst -{hash} -sign {key_type}.key -out {format}.sig {format}.step.tbs")).ok();
        let attach = format!("--attach {format}.step.json --signature {format}.sig -o {format}.raucb");
        lab.bulla(&format!("sign {format} {attach}")).ok();
        assert!(theirs_extracts(&lab, &format!("{format}.raucb")));
        ours_verifies(&lab, &format!("{format}.raucb"), "").ok();
        lab.write(format!("{format}/rootfs.img"), flip(&lab.read(format!("{format}/rootfs.img")), 1));
        let attach = attach.replace(".raucb", ".other");
        lab.refuses(&format!("sign {format} {attach}"), 3, "the image is not the one");
    }
}

/// A device whose clock is beyond the end of the signer's certificate takes nothing.
#[test]
fn an_expired_signer_is_refused_by_both() {
    let lab = Lab::with_ca();
    device(&lab, ROOT, None);
    for format in FORMATS {
        folder(&lab, format, format);
        ours_signs(&lab, format, "fw", "", "fw.raucb").ok();
        for (years, is_good) in [(19, true), (21, false)] {
            let judge = format!("env LC_ALL=C faketime -f +{years}y rauc --conf=system.conf info fw.raucb");
            assert_eq!(verdict(&lab.judge(&judge)), is_good, "{format} {years}");
            let year = years + lab.judge("date -u +%Y").text().trim().parse::<i32>().expect("a year");
            let run = ours_verifies(&lab, "fw.raucb", &format!("--at {year}-02-01T00:00:00Z --format json"));
            if is_good { drop(run.ok()) } else { assert_eq!(refused(run), "expired") }
        }
    }
}

/// Certificates for this and for that, under each purpose that a device may have: `bulla` says what RAUC says.
#[test]
fn the_purpose_of_a_device_is_judged_as_the_device_does() {
    let lab = Lab::with_ca();
    folder(&lab, "in", "verity");
    root(&lab);
    for (ca, usage) in
        [("free", ""), ("code", "extendedKeyUsage=codeSigning\n"), ("mail", "extendedKeyUsage=emailProtection\n")]
    {
        lab.write(
            format!("{ca}.ext"),
            format!("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n{IDENTIFIERS}{usage}"),
        );
        certificate(&lab, ca, "root");
        for (leaf, usage) in [
            ("none", ""),
            ("code", "extendedKeyUsage=codeSigning\n"),
            ("mail", "extendedKeyUsage=emailProtection\n"),
            ("both", "extendedKeyUsage=codeSigning,emailProtection\n"),
            ("any", "extendedKeyUsage=anyExtendedKeyUsage\n"),
            ("tls", "extendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n"),
        ] {
            let name = format!("{ca}-{leaf}");
            lab.write(format!("{name}.ext"), format!("basicConstraints=CA:FALSE\n{IDENTIFIERS}{usage}"));
            certificate(&lab, &name, ca);
            let chain = [lab.read(format!("{name}.pem")), lab.read(format!("{ca}.pem"))].concat();
            lab.write(format!("{name}.pem"), chain);
            let run = ours_signs(&lab, "in", &name, "--purpose any", "purpose.raucb").ok();
            assert_eq!(
                run.stderr.contains("lacks extKeyUsage emailProtection"),
                !["none", "mail", "both"].contains(&leaf)
            );
            for purpose in PURPOSES {
                device(&lab, "root.pem", Some(purpose));
                let theirs = theirs_shows(&lab, "purpose.raucb");
                let flags = format!("--trust root.pem --purpose any --check-purpose {purpose} --format json");
                let ours = lab.bulla(&format!("verify purpose.raucb --as rauc {flags}"));
                if theirs {
                    ours.ok();
                } else {
                    assert_eq!(refused(ours), "device-purpose", "{name} {purpose}");
                }
            }
        }
    }
    ours_signs(&lab, "in", "free-code", "--purpose any", "purpose.raucb").ok();
    let run = lab.bulla("verify purpose.raucb --as rauc --trust root.pem --purpose any").exits(3);
    let words = "the device's purpose smimesign asks for emailProtection in extKeyUsage, and CN=free-code has none; a device with check-purpose=codesign does not ask for it (device-purpose)";
    assert!(run.text().contains(words), "{}", run.text());
}

/// A root `root.pem` with `root.key`.
fn root(lab: &Lab) {
    make(lab, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "root.key");
    let words = "req -x509 -new -key root.key -out root.pem -subj /CN=Root -days 9 -addext keyUsage=keyCertSign";
    openssl(lab, words).ok();
}

/// The extensions by which certificates find each other (RFC 5280 sections 4.2.1.1 and 4.2.1.2).
const IDENTIFIERS: &str = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";

/// A certificate `NAME.pem` with `NAME.ext`, of an issuer. All have the root's key, whose signatures are of one length.
fn certificate(lab: &Lab, name: &str, issuer: &str) {
    lab.write(format!("{name}.key"), lab.read("root.key"));
    openssl(lab, &format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr")).ok();
    let ca = format!("-CA {issuer}.pem -CAkey {issuer}.key -set_serial 7");
    openssl(lab, &format!("x509 -req -in {name}.csr {ca} -days 9 -extfile {name}.ext -out {name}.pem")).ok();
}

/// Signatures that hold for openssl, in a form that no device takes.
#[test]
fn signatures_of_another_form_are_refused_by_both() {
    let lab = Lab::with_ca();
    device(&lab, ROOT, None);
    firmware_signer(&lab, "second", "p256");
    let cms = |lab: &Lab, flags: &str| {
        let names = "-signer fw.pem -inkey fw.key -certfile acme/firmware/issuing.pem";
        openssl(lab, &format!("cms -sign -binary -md sha256 -in content {names} {flags} -out made")).ok();
        lab.read("made")
    };
    for format in FORMATS {
        folder(&lab, format, format);
        ours_signs(&lab, format, "fw", "", "good.raucb").ok();
        let (signed, signature) = parts(&lab.read("good.raucb"));
        let content = if format == "plain" {
            signed.clone()
        } else {
            lab.write("good.p7s", &signature);
            openssl(&lab, "cms -verify -noverify -binary -inform DER -in good.p7s -out manifest").ok();
            lab.read("manifest")
        };
        lab.write("content", &content);
        let attached = if format == "plain" { "" } else { "-nodetach" };
        for flags in ["", "-noattr", "-keyid", "-nosmimecap", "-md sha512"] {
            lab.write("twin.raucb", assemble(&signed, &cms(&lab, &format!("-outform DER {attached} {flags}"))));
            assert!(theirs_extracts(&lab, "twin.raucb"), "{format} {flags}");
            ours_verifies(&lab, "twin.raucb", "").ok();
        }
        let two = "-signer second.pem -inkey second.key";
        let other = if format == "plain" { ("attached", "-nodetach", "footer") } else { ("detached", "", "digest") };
        for (what, flags, code) in [
            ("two signers", format!("-outform DER {attached} {two}"), "signers"),
            ("no certificates", format!("-outform DER {attached} -nocerts"), "no-signer-certificate"),
            ("PEM", format!("-outform PEM {attached}"), "malformed"),
            (other.0, format!("-outform DER {}", other.1), other.2),
        ] {
            lab.write("twin.raucb", assemble(&signed, &cms(&lab, &flags)));
            assert_eq!(refused(ours_verifies(&lab, "twin.raucb", "--format json")), code, "{format} {what}");
            assert!(!theirs_extracts(&lab, "twin.raucb"), "{format} {what}");
        }
        // A chain that is not in the bundle is of no use to a device, so it is not taken from elsewhere.
        let bare = "cms -sign -binary -md sha256 -in content -signer leaf.pem -inkey fw.key";
        let leaf = String::from_utf8(lab.read("fw.pem")).expect("text");
        lab.write("leaf.pem", &leaf[..leaf.find("-----END CERTIFICATE-----\n").expect("a certificate") + 26]);
        openssl(&lab, &format!("{bare} -outform DER {attached} -out made")).ok();
        lab.write("twin.raucb", assemble(&signed, &lab.read("made")));
        assert_eq!(refused(ours_verifies(&lab, "twin.raucb", "--format json")), "untrusted");
        assert!(!theirs_extracts(&lab, "twin.raucb"));
        let elsewhere = "--untrusted acme/firmware/issuing.pem";
        ours_verifies(&lab, "twin.raucb", elsewhere).exits(2).says("from the bundle alone");
    }
}

/// A signature with more certificates than a device reads; one byte decides.
#[test]
fn a_signature_beyond_64_kib_is_refused_by_both() {
    let lab = Lab::with_ca();
    device(&lab, "root.pem", None);
    folder(&lab, "in", "verity");
    root(&lab);
    let (mut size, mut length) = (0, 60_000);
    for name in ["first", "fits", "large"] {
        length += match name {
            "fits" => 65_536 - size,
            "large" => 1,
            _ => 0,
        };
        let comment = format!("nsComment={}\n", "x".repeat(length));
        lab.write("ca.ext", format!("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n{IDENTIFIERS}{comment}"));
        lab.write("leaf.ext", format!("basicConstraints=CA:FALSE\n{IDENTIFIERS}"));
        certificate(&lab, "ca", "root");
        certificate(&lab, "leaf", "ca");
        lab.write("leaf.pem", [lab.read("leaf.pem"), lab.read("ca.pem")].concat());
        let run = ours_signs(&lab, "in", "leaf", "--rsa pkcs1 --purpose any", &format!("{name}.raucb"));
        if name == "large" {
            run.exits(1).says("the signature has 65537 bytes with its certificates, and a device takes 65536");
            continue;
        }
        run.ok();
        size = parts(&lab.read(format!("{name}.raucb"))).1.len();
        assert!(theirs_extracts(&lab, &format!("{name}.raucb")));
        lab.bulla(&format!("verify {name}.raucb --as rauc --trust root.pem --purpose any")).ok();
    }
    assert_eq!(size, 65_536);
    // Certificates are not signed, so that anybody can add some.
    let (signed, signature) = parts(&lab.read("fits.raucb"));
    lab.write("fits.p7s", signature);
    openssl(&lab, "cms -verify -noverify -binary -inform DER -in fits.p7s -out manifest").ok();
    let sign = "cms -sign -binary -nodetach -md sha256 -in manifest -signer leaf.pem -inkey leaf.key -outform DER";
    lab.write("above.pem", [lab.read("ca.pem"), lab.read("root.pem")].concat());
    openssl(&lab, &format!("{sign} -certfile above.pem -out made")).ok();
    lab.write("twin.raucb", assemble(&signed, &lab.read("made")));
    assert!(!theirs_extracts(&lab, "twin.raucb"));
    let run = lab.bulla("verify twin.raucb --as rauc --trust root.pem --purpose any --format json");
    assert_eq!(refused(run), "footer");
}

/// Manifests that are signed well and say what is not so.
#[test]
fn a_manifest_that_is_not_so_is_refused_by_both() {
    let lab = Lab::with_ca();
    device(&lab, ROOT, None);
    folder(&lab, "in", "verity");
    ours_signs(&lab, "in", "fw", "", "good.raucb").ok();
    let (signed, signature) = parts(&lab.read("good.raucb"));
    lab.write("good.p7s", &signature);
    openssl(&lab, "cms -verify -noverify -binary -inform DER -in good.p7s -out manifest").ok();
    let manifest = String::from_utf8(lab.read("manifest")).expect("text");
    let hash = &manifest[manifest.find("verity-hash=").expect("a hash") + 12..][..64];
    let bundle =
        &manifest[manifest.find("format=verity").expect("a format")..manifest.find("\n[image").expect("an image")];
    let crypt = format!("format=crypt\ncrypt-key={}", "00".repeat(32));
    for (what, from, to, code) in [
        ("nothing", "[", "[", ""),
        ("another root", hash, &"00".repeat(32), "verity"),
        ("plain, with a tree", "format=verity", "format=plain", "manifest"),
        ("plain", bundle, "format=plain\n", "format"),
        ("no root", "verity-hash=", "verity-salts=", "manifest"),
        ("short root", "verity-hash=", "verity-hash=00", "manifest"),
        ("another size", "verity-size=12288", "verity-size=8192", "verity"),
        ("odd size", "verity-size=12288", "verity-size=4097", "verity"),
        ("size 0", "verity-size=12288", "verity-size=0", "verity"),
        ("an unknown key", "version=", "versions=", "manifest"),
        ("no hardware", "compatible=", "build=", "manifest"),
        ("crypt", "format=verity", &crypt, "encrypted"),
        ("a key twice", "version=1.2.3", "version=9\nversion=1.2.3", "manifest"),
    ] {
        lab.write("content", manifest.replace(from, to));
        let sign = "cms -sign -binary -nodetach -md sha256 -in content -signer fw.pem -inkey fw.key -outform DER";
        openssl(&lab, &format!("{sign} -certfile acme/firmware/issuing.pem -out made")).ok();
        lab.write("twin.raucb", assemble(&signed, &lab.read("made")));
        let run = ours_verifies(&lab, "twin.raucb", "--format json");
        if what == "nothing" {
            run.ok();
        } else {
            assert_eq!(refused(run), code, "{what}");
        }
        let _ = std::fs::remove_dir_all(lab.path("out"));
        lab.judge("env LC_ALL=C rauc --conf=system.conf extract twin.raucb out").exits(i32::from(what != "nothing"));
    }
    assert_eq!(lab.bulla("inspect twin.raucb").ok().text().lines().next(), Some("RAUC bundle"));
}

/// Encrypted bundles are named as such, and neither judged nor signed.
#[test]
fn encrypted_bundles_are_refused_by_name() {
    let lab = Lab::with_ca();
    device(&lab, ROOT, None);
    folder(&lab, "in", "crypt");
    lab.refuses("sign in --as rauc --key fw.key --cert fw.pem -o never", 1, "the image is encrypted");
    theirs_signs(&lab, "fw", "in", "crypt.raucb").ok();
    openssl(&lab, "req -x509 -newkey rsa:2048 -nodes -keyout to.key -out to.pem -subj /CN=to -days 9").ok();
    lab.judge(&format!("rauc encrypt --keyring={ROOT} --to=to.pem crypt.raucb encrypted.raucb")).ok();
    for bundle in ["crypt.raucb", "encrypted.raucb"] {
        assert_eq!(refused(ours_verifies(&lab, bundle, "--format json")), "encrypted", "{bundle}");
        let sign = format!("sign {bundle} --as rauc --key fw.key --cert fw.pem --replace -o never");
        lab.refuses(&sign, 1, "the image is encrypted");
        let shown = lab.bulla(&format!("inspect {bundle}")).ok().text();
        assert!(shown.contains("  format     crypt"), "{shown}");
    }
}

/// CVE-2026-34155: of a plain payload beyond 2 GiB some see a part alone. It is refused before it is read.
#[test]
fn a_plain_payload_beyond_2_gib_is_refused() {
    let lab = Lab::with_ca();
    folder(&lab, "in", "plain");
    ours_signs(&lab, "in", "fw", "", "good.raucb").ok();
    let (signed, signature) = parts(&lab.read("good.raucb"));
    let tail = assemble(&[], &signature);
    for (length, code) in [(1u64 << 31, "size"), (1 << 20, "digest")] {
        lab.write("large.raucb", &signed);
        let file = std::fs::OpenOptions::new().write(true).open(lab.path("large.raucb")).expect("a file");
        std::os::unix::fs::FileExt::write_all_at(&file, &tail, length).expect("a sparse file");
        assert_eq!(refused(ours_verifies(&lab, "large.raucb", "--format json")), code, "{length}");
    }
}

#[test]
fn two_runs_make_one_bundle_and_the_salt_can_be_set() {
    let lab = Lab::with_ca();
    device(&lab, ROOT, None);
    let epoch = lab.judge("date +%s").text();
    for format in FORMATS {
        folder(&lab, format, format);
        for output in ["first", "second"] {
            let sign = format!("sign {format} --as rauc --key fw.key --cert fw.pem -o {output} --force");
            lab.shell(&format!("SOURCE_DATE_EPOCH={} $bulla {sign} && touch {format}/rootfs.img", epoch.trim())).ok();
        }
        assert!(lab.read("first") == lab.read("second"), "{format}");
    }
    let salt = "0123456789abcdef".repeat(4);
    ours_signs(&lab, "verity", "fw", &format!("--verity-salt {salt}"), "salted").ok();
    assert!(theirs_extracts(&lab, "salted"));
    find(&lab.read("salted"), format!("verity-salt={salt}\n").as_bytes());
    let sign = "--as rauc --key fw.key --cert fw.pem -o never";
    for (input, flags, code, message) in [
        ("verity", "--verity-salt 00", 2, "must be 64 hexadecimal digits"),
        ("verity", "--bundle-format plain", 2, "--bundle-format: the manifest says verity"),
        ("plain", "--bundle-format verity", 2, "--bundle-format: the manifest says plain"),
        ("plain", &format!("--verity-salt {salt}"), 2, "a plain bundle has no digest tree"),
        ("fw.pem", "", 1, "it is no folder, squashfs or bundle"),
        ("acme", "", 1, "manifest.raucm is not a file of the folder"),
    ] {
        lab.refuses(&format!("sign {input} {flags} {sign}"), code, message);
    }
    lab.refuses("sign verity --as rauc --key fw.key -o never", 2, "add --cert FILE");
    firmware_signer(&lab, "ed", "ed25519");
    lab.refuses("sign verity --as rauc --key ed.key --cert ed.pem -o never", 1, "rauc takes no Ed25519 keys");
}

/// Where squashfs-tools are missing, nothing is made, and what they would say is not known: demands are not met.
#[test]
fn without_squashfs_tools_nothing_is_guessed() {
    let lab = Lab::with_ca();
    folder(&lab, "plain", "plain");
    ours_signs(&lab, "plain", "fw", "", "plain.raucb").ok();
    let bulla = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
        command.args(words.split_whitespace()).current_dir(lab.path("")).env("PATH", Path::new("/nonexistent"));
        lab.finish(command)
    };
    let sign = "--as rauc --key fw.key --cert fw.pem -o never";
    bulla(&format!("sign plain {sign}")).exits(1).says("mksquashfs failed: it is not installed");
    lab.write("payload", parts(&lab.read("plain.raucb")).0);
    bulla(&format!("sign payload {sign}")).exits(1).says("unsquashfs failed: it is not installed");
    let verify = format!("verify plain.raucb --as rauc --trust {ROOT} --format json");
    let found = bulla(&verify).ok().json();
    assert_eq!((&found["version"], &found["hardware"]), (&serde_json::Value::Null, &serde_json::json!([])));
    assert!(found["manifest"].as_str().expect("a remark").starts_with("not read"));
    assert_eq!(refused(bulla(&format!("{verify} --hardware board"))), "hardware");
}

/// A stand-in for mksquashfs says how far it is, as that does, and would go on for long.
#[test]
fn what_makes_the_file_system_ends_with_the_command_that_is_killed() {
    use rustix::process::{Pid, Signal, kill_process};
    let lab = Lab::with_images();
    std::fs::create_dir(lab.path("bin")).expect("a folder");
    let script = "#!/bin/sh\ncase \"$*\" in *-no-progress*) exec sleep 60 ;; esac\n\
        echo $$ >pid.new; mv pid.new pid; while :; do printf .; sleep 0.05; done\n";
    lab.write("bin/mksquashfs", script);
    lab.shell("chmod 755 bin/mksquashfs").ok();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bulla"));
    command.args("sign bundle --as rauc --key fw.key --cert fw.pem -o out".split(' ')).current_dir(lab.path(""));
    let path = format!("{}:{}", lab.path("bin").display(), std::env::var("PATH").expect("a path"));
    let mut bulla = command.env("PATH", path).spawn().expect("bulla");
    let soon = |what: &str, is_so: &dyn Fn() -> bool| {
        let started = std::time::Instant::now();
        while !is_so() {
            assert!(started.elapsed().as_secs() < 20, "{what}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    soon("it is started", &|| lab.has("pid"));
    kill_process(Pid::from_child(&bulla), Signal::TERM).expect("a signal");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&bulla.wait().expect("an end")), Some(15));
    let pid = String::from_utf8_lossy(&lab.read("pid")).trim().to_owned();
    soon("it has ended", &|| {
        // Whoever takes over the processes of the dead may leave it unburied.
        std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
    });
    assert!(!lab.has("out"));
}
