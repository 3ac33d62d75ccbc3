//! CMS signatures before the updaters that devices run: RAUC and SWUpdate, beside openssl.

use super::{enroll, firmware_signer, flip, openssl};
use crate::harness::{Lab, Run};

const UPDATERS: [&str; 2] = ["rauc", "swupdate"];
const ROOT: &str = "acme/firmware/root.pem";

#[test]
fn updaters_accept_a_firmware_signature() {
    let lab = with_payloads();
    for (name, key_type, flags) in [("p256", "p256", ""), ("rsa", "rsa2048", ""), ("pss", "rsa2048", "--rsa pss")] {
        firmware_signer(&lab, name, key_type);
        for updater in UPDATERS {
            let signature = format!("{name}.{updater}");
            let files = format!("{updater}/payload --as cms --key {name}.key --cert {name}.pem {flags}");
            lab.bulla(&format!("sign {files} -o {signature}")).ok();
            judge(&lab, updater, &signature, "firmware").exits(0);
            theirs(&lab, updater, &signature, ROOT).ok();
            ours(&lab, updater, &signature, ROOT, "").ok();
        }
    }
    for updater in UPDATERS {
        let signature = lab.read(format!("p256.{updater}"));
        lab.write("twin", flip(&signature, signature.len() - 1));
        judge(&lab, updater, "twin", "firmware").exits(1);
        theirs(&lab, updater, "twin", ROOT).exits(4);
        ours(&lab, updater, "twin", ROOT, "").exits(3);
        // Another hierarchy's root vouches for nobody here.
        judge(&lab, updater, &format!("p256.{updater}"), "device").exits(1);
    }
}

/// A device's key can make a CMS signature, if not with `bulla`. The certificate has no extKeyUsage, so that the
/// default checks pass it under the root that issued it; what keeps it out is that devices and firmware share no root.
#[test]
fn updaters_refuse_an_update_signed_by_a_device() {
    let lab = with_payloads();
    for (profile, names) in [("idevid", "--serial SN-1"), ("ldevid", "--cn unit-1")] {
        enroll(&lab, profile, "p256", profile, names);
        for updater in UPDATERS {
            let signature = format!("{profile}.{updater}");
            let files = format!("{updater}/payload --as cms --key {profile}.key --cert {profile}.pem");
            let run = lab.bulla(&format!("sign {files} -o {signature}")).exits(1);
            assert!(run.stderr.contains("it has no extKeyUsage") && !lab.has(&signature), "{}", run.stderr);

            let signer = format!("-signer {profile}.pem -inkey {profile}.key -certfile acme/device/issuing.pem");
            let files = format!("-in {updater}/payload -out {signature}");
            openssl(&lab, &format!("cms -sign -binary -nosmimecap -outform DER -md sha256 {signer} {files}")).ok();
            judge(&lab, updater, &signature, "firmware").exits(1);
            theirs(&lab, updater, &signature, ROOT).exits(4);
            let run = ours(&lab, updater, &signature, ROOT, "").exits(3);
            assert!(run.text().starts_with("bad "), "{}", run.text());
            let run = ours(&lab, updater, &signature, ROOT, "--purpose any").exits(3);
            assert!(run.text().contains("(untrusted)"), "{}", run.text());
            // Under its own root openssl's default passes it: what refused it above is the root, not the purpose.
            theirs(&lab, updater, &signature, "acme/device/root.pem").ok();
            let run = ours(&lab, updater, &signature, "acme/device/root.pem", "").exits(3);
            assert!(run.text().contains("(purpose)"), "{}", run.text());
            ours(&lab, updater, &signature, "acme/device/root.pem", "--purpose any").ok();
        }
    }
}

/// A CA, and a folder for each updater with the bytes to sign.
fn with_payloads() -> Lab {
    let lab = Lab::with_ca();
    for updater in UPDATERS {
        std::fs::create_dir(lab.path(updater)).expect("a folder for the payload");
        script(&lab, updater, &["prepare", updater]).ok();
    }
    lab
}

/// 0 accepted, 1 refused, 99 no verdict.
fn judge(lab: &Lab, updater: &str, signature: &str, hierarchy: &str) -> Run {
    let certificates = ["root", "issuing"].map(|name| format!("acme/{hierarchy}/{name}.pem"));
    script(lab, updater, &["judge", updater, signature, &certificates[0], &certificates[1]])
}

fn script(lab: &Lab, updater: &str, args: &[&str]) -> Run {
    lab.run(&format!("{}/tests/judges/{updater}.sh", env!("CARGO_MANIFEST_DIR")), args)
}

fn theirs(lab: &Lab, updater: &str, signature: &str, root: &str) -> Run {
    let files = format!("-in {signature} -content {updater}/payload -CAfile {root} -out seen");
    openssl(lab, &format!("cms -verify -binary -inform DER {files}"))
}

fn ours(lab: &Lab, updater: &str, signature: &str, root: &str, flags: &str) -> Run {
    lab.bulla(&format!("verify {updater}/payload --as cms --signature {signature} --trust {root} {flags}"))
}
