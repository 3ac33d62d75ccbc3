//! Chains under revocation lists: what `verify-chain` and `verify` say, of lists of `bulla ca crl` and of openssl.

use serde_json::json;

use crate::harness::Lab;

/// A root `ca.pem` and a leaf `leaf.pem` with serial number 7, made by openssl; and what makes and revokes more.
const OPENSSL_CA: &str = r#"
set -e
cat > ca.cnf <<'EOF'
[ca]
default_ca = own
[own]
database = index.txt
default_md = sha256
default_crl_days = 30
unique_subject = no
EOF
new() { # NAME SUBJECT KEY-USAGE: a root
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem -days 900 \
        -subj "$2" -addext keyUsage=critical,$3
}
issue() { # NAME SUBJECT SERIAL EXTENSIONS CA: a certificate
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj "$2"
    printf "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n$4" > $1.ext
    openssl x509 -req -in $1.csr -CA $5.pem -CAkey $5.key -days 800 -set_serial $3 -extfile $1.ext -out $1.pem
}
crl() { # NAME EXTENSIONS CA: a list of all that was revoked so far, with more flags in $flags
    printf "[ext]\nauthorityKeyIdentifier=keyid\n$2" > $1.ext
    cat ca.cnf $1.ext > $1.cnf
    openssl ca -gencrl -config $1.cnf -crlexts ext -cert $3.pem -keyfile $3.key $flags -out $1.crl
}
idp() { # SETTING: the extensions of a list of limited scope
    printf "${number}issuingDistributionPoint=critical,@idp\n[idp]\n$1\n"
}
revoke() { # NAME CA
    openssl ca -config ca.cnf -cert $2.pem -keyfile $2.key -revoke $1.pem -crl_reason keyCompromise
}
flags=
touch index.txt
number='2.5.29.20=DER:020101\n'
new ca /CN=Root keyCertSign,cRLSign
issue leaf /CN=leaf 7 '' ca
"#;

impl Lab {
    /// A lab in which the script of [`OPENSSL_CA`] and another one have run.
    #[track_caller]
    fn with_openssl_ca(script: &str) -> Self {
        let lab = Self::new();
        lab.shell(&format!("{OPENSSL_CA}\n{script}")).ok();
        lab
    }

    /// Judges a chain; returns the code and the reason of a refusal, or `None` where it holds.
    #[track_caller]
    fn refusal(&self, words: &str) -> Option<(String, String)> {
        let run = self.bulla(&format!("verify-chain {words} --format json"));
        let told = run.json();
        let text = |field: &str| told[field].as_str().expect("a text").to_owned();
        match run.code {
            Some(0) => None,
            Some(3) => Some((text("code"), text("reason"))),
            code => panic!("{words}: exit {code:?}: {told}"),
        }
    }

    /// Asserts that a chain is refused with this code, for a reason with these words.
    #[track_caller]
    fn is_refused(&self, words: &str, code: &str, reason: &str) {
        let (found, why) = self.refusal(words).unwrap_or_else(|| panic!("{words} holds"));
        assert_eq!(found, code, "{words}: {why}");
        assert!(why.contains(reason), "{words}: {why}");
    }
}

/// A device of our own CA, for which lists are the only question.
const DEVICE: &str = "--trust acme/device/root.pem --purpose idevid";

#[test]
fn a_revoked_device_is_refused_by_the_lists_of_its_ca() {
    let lab = Lab::ca("");
    ["SN-1", "SN-2"].iter().for_each(|name| lab.device(name));
    lab.bulla("ca crl acme/device -o before.crl").ok();
    lab.bulla("ca crl acme/device --of-root -o root.crl").ok();
    let told = lab.told(&format!("verify-chain SN-1.pem {DEVICE} --crl before.crl"));
    let time = lab.told("inspect before.crl")["documents"][0]["this_update"].clone();
    assert_eq!(told["chain"][0]["revocation"], json!({"standing": "not-listed", "this_update": time}));
    assert_eq!(told["chain"][1]["revocation"]["standing"], "unknown", "the issuing CA is for the root's list");
    assert!(told["chain"][2].get("revocation").is_none(), "the anchor is trusted: {told}");
    let text = lab.bulla(&format!("verify-chain SN-1.pem {DEVICE} --crl before.crl")).ok().text();
    assert_eq!(text.matches("\n  revocation ").count(), 2, "{text}");
    assert!(lab.told(&format!("verify-chain SN-1.pem {DEVICE}"))["chain"][0].get("revocation").is_none());
    // All must be known.
    let require = format!("{DEVICE} --revocation require");
    lab.is_refused(&format!("SN-1.pem {require}"), "revocation-unknown", "there is no evidence");
    lab.is_refused(
        &format!("SN-1.pem {require} --crl before.crl"),
        "revocation-unknown",
        "whether O=Acme, CN=Acme Device",
    );
    assert_eq!(lab.refusal(&format!("SN-1.pem {require} --crl before.crl --crl root.crl")), None);
    lab.bulla("revoke SN-1.pem --reason keyCompromise --ca acme").ok();
    lab.bulla("ca crl acme/device -o after.crl").ok();
    for crls in ["--crl after.crl", "--crl before.crl --crl after.crl", "--crl after.crl --crl before.crl"] {
        lab.is_refused(&format!("SN-1.pem {DEVICE} {crls}"), "revoked", "(keyCompromise)");
        assert_eq!(lab.refusal(&format!("SN-2.pem {DEVICE} {crls}")), None);
    }
    // A hold that was lifted: the newer list counts.
    lab.bulla("revoke SN-2.pem --reason certificateHold --ca acme").ok();
    lab.bulla("ca crl acme/device -o held.crl").ok();
    lab.bulla("revoke SN-2.pem --reason removeFromCRL --ca acme").ok();
    lab.bulla("ca crl acme/device -o lifted.crl").ok();
    lab.is_refused(&format!("SN-2.pem {DEVICE} --crl held.crl"), "revoked", "(certificateHold)");
    assert_eq!(lab.refusal(&format!("SN-2.pem {DEVICE} --crl held.crl --crl lifted.crl")), None);
    // Its issuer is revoked by the root.
    lab.shell("openssl x509 -in acme/device/issuing.pem -out issuing.pem && $bulla revoke issuing.pem --reason keyCompromise --ca acme/device").ok();
    lab.bulla("ca crl acme/device --of-root -o root.crl --force").ok();
    lab.is_refused(&format!("SN-2.pem {DEVICE} --crl root.crl"), "revoked", "Acme Device");
    // The other hierarchy's lists tell nothing of it.
    lab.bulla("ca crl acme/firmware -o firmware.crl").ok();
    assert_eq!(lab.refusal(&format!("SN-1.pem {DEVICE} --crl firmware.crl")), None);
}

#[test]
fn a_signature_is_refused_whose_signer_is_revoked() {
    let lab = Lab::with_ca();
    lab.write("app.bin", "firmware");
    lab.bulla("sign app.bin --as cms --key fw.key --cert fw.pem -o app.p7s").ok();
    let verify = "verify app.bin --as cms --signature app.p7s --trust acme/firmware/root.pem --crl fw.crl";
    lab.bulla("ca crl acme/firmware -o fw.crl").ok();
    let told = lab.told(verify);
    assert_eq!(told["chain"][0]["revocation"]["standing"], "not-listed", "{told}");
    lab.bulla("revoke fw.pem --reason keyCompromise --ca acme").ok();
    lab.bulla("ca crl acme/firmware -o fw.crl --force").ok();
    let run = lab.bulla(verify).exits(3);
    assert!(run.text().ends_with("(keyCompromise) (revoked)\n"), "{}", run.text());
    lab.write("fw.crl", "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n");
    assert!(lab.bulla(verify).exits(3).text().ends_with("(malformed)\n"));
}

/// Lists that openssl makes, each with one thing wrong. What openssl itself says of them is asked where it looks.
#[test]
fn a_list_that_does_not_hold_leaves_its_certificates_unknown() {
    let lab = Lab::with_openssl_ca(
        r#"
        crl good "$number" ca
        crl unnumbered '' ca
        crl critical-number '2.5.29.20=critical,DER:020101\n' ca
        crl unknown "${number}1.2.3=critical,DER:0500\n" ca
        flags='-md sha1'; crl sha1 "$number" ca
        flags='-crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z'; crl old "$number" ca
        flags='-crl_lastupdate 20990101000000Z -crl_nextupdate 20990201000000Z'; crl future "$number" ca
        flags=
        new twin /CN=Root keyCertSign,cRLSign
        printf '[ext]\n%b' "$number" > twin.ext; cat ca.cnf twin.ext > twin.cnf
        openssl ca -gencrl -config twin.cnf -crlexts ext -cert twin.pem -keyfile twin.key -out forged.crl
        new mute /CN=Mute keyCertSign
        issue of-mute /CN=leaf 7 '' mute
        crl of-mute "$number" mute
        openssl ca -gencrl -config ca.cnf -cert ca.pem -keyfile ca.key -out version1.crl
        new other /CN=Other keyCertSign,cRLSign
        revoke leaf other
        crl other "$number" other
        "#,
    );
    let chain = "leaf.pem --trust ca.pem --purpose any";
    assert_eq!(lab.refusal(&format!("{chain} --crl good.crl --revocation require")), None);
    for (name, words, openssl) in [
        ("unnumbered", "has no cRLNumber", ""),
        ("critical-number", "has the critical extension", "unhandled critical CRL extension"),
        ("unknown", "has the critical extension 1.2.3", "unhandled critical CRL extension"),
        ("sha1", "has a signature that is not accepted", ""),
        ("old", "ended 2020-02-01T00:00:00Z", "CRL has expired"),
        ("future", "is not valid yet", "CRL is not yet valid"),
        ("forged", "is not signed by its issuer", "CRL signature failure"),
        ("version1", "is not of version 2", ""),
    ] {
        lab.is_refused(&format!("{chain} --crl {name}.crl"), "revocation-unknown", words);
        // Beside one that holds it is no matter.
        assert_eq!(
            lab.refusal(&format!("{chain} --crl {name}.crl --crl good.crl --revocation require")),
            None,
            "{name}"
        );
        if !openssl.is_empty() {
            let run = lab.judge(&format!("openssl verify -crl_check -CRLfile {name}.crl -CAfile ca.pem leaf.pem"));
            assert!(run.exits(2).stderr.contains(openssl), "{name}");
        }
    }
    let mute = "of-mute.pem --trust mute.pem --purpose any";
    lab.is_refused(&format!("{mute} --crl of-mute.crl"), "revocation-unknown", "its keyUsage lacks cRLSign");
    // Another CA's list, which names the same serial number.
    assert!(lab.judge("openssl crl -in other.crl -noout -text").ok().text().contains("Serial Number: 07"));
    assert_eq!(lab.refusal(&format!("{chain} --crl other.crl")), None);
}

/// What `openssl ca` revoked, its scope limited or not.
#[test]
fn what_openssl_revokes_is_refused_within_the_scope_of_the_list() {
    let lab = Lab::with_openssl_ca(
        r#"
        revoke leaf ca
        crl all "$number" ca
        crl users "$(idp onlyuser=TRUE)" ca
        crl cas "$(idp onlyCA=TRUE)" ca
        crl attributes "$(idp onlyAA=TRUE)" ca
        crl some "$(idp onlysomereasons=keyCompromise,CACompromise)" ca
        crl elsewhere "$(idp fullname=URI:http://other.example/crl)" ca
        crl indirect "$(idp indirectCRL=TRUE)" ca
        "#,
    );
    let chain = "leaf.pem --trust ca.pem --purpose any";
    let run = lab.judge("openssl verify -crl_check -CRLfile all.crl -CAfile ca.pem leaf.pem").exits(2);
    assert!(run.stderr.contains("certificate revoked"), "{}", run.stderr);
    for name in ["all", "users", "some", "indirect"] {
        lab.is_refused(&format!("{chain} --crl {name}.crl"), "revoked", "CN=leaf is revoked since 20");
    }
    for name in ["cas", "attributes", "elsewhere"] {
        assert_eq!(lab.refusal(&format!("{chain} --crl {name}.crl")), None, "{name}");
        let require = format!("{chain} --crl {name}.crl --revocation require");
        lab.is_refused(&require, "revocation-unknown", "there is no evidence");
    }
}

#[test]
fn somebody_else_signs_lists_where_the_same_anchor_vouches() {
    let lab = Lab::with_openssl_ca(
        r#"
        point=URI:http://lists.example/signers
        issue signer /CN=Root 8 "keyUsage=critical,cRLSign\ncrlDistributionPoints=$point\n" ca
        issue wrong-use /CN=Root 9 'keyUsage=critical,digitalSignature\n' ca
        issue no-use /CN=Root 10 '' ca
        new twin /CN=Root keyCertSign,cRLSign
        issue of-twin /CN=Root 8 'keyUsage=critical,cRLSign\n' twin
        for name in signer wrong-use no-use of-twin; do crl by-$name "$number" $name; done
        crl before "$(idp fullname=$point)" ca
        revoke signer ca
        crl after "$(idp fullname=$point)" ca
        "#,
    );
    let chain = "leaf.pem --trust ca.pem --purpose any";
    assert_eq!(lab.refusal(&format!("{chain} --crl by-signer.crl --untrusted signer.pem")), None);
    lab.is_refused(&format!("{chain} --crl by-signer.crl"), "revocation-unknown", "is not signed by its issuer");
    let wrong = format!("{chain} --crl by-wrong-use.crl --untrusted wrong-use.pem");
    lab.is_refused(&wrong, "revocation-unknown", "its keyUsage lacks cRLSign");
    let without = format!("{chain} --crl by-no-use.crl --untrusted no-use.pem");
    lab.is_refused(&without, "revocation-unknown", "it is no CA, and has no keyUsage with cRLSign");
    // Under an anchor of its own, trusted or not.
    for trust in ["--untrusted twin.pem", "--trust twin.pem"] {
        let other = format!("{chain} --crl by-of-twin.crl --untrusted of-twin.pem {trust}");
        lab.is_refused(&other, "revocation-unknown", "is signed by somebody who may not");
    }
    // The CA's list about its signers tells of nobody else.
    let signed = format!("{chain} --crl by-signer.crl --untrusted signer.pem --revocation require");
    lab.is_refused(&signed, "revocation-unknown", "whether CN=Root is revoked cannot be told: there is");
    assert_eq!(lab.refusal(&format!("{signed} --crl before.crl")), None);
    lab.is_refused(&format!("{signed} --crl after.crl"), "revocation-unknown", "CN=Root is revoked since");
}

#[test]
fn flags_for_revocation_are_honoured_or_refused() {
    let lab = Lab::with_ca();
    lab.bulla("ca crl acme/firmware -o fw.crl").ok();
    lab.write("app.bin", "firmware");
    lab.bulla("sign app.bin --as raw --key fw.key -o app.sig").ok();
    lab.bulla("keygen --public fw.key -o fw.pub").ok();
    lab.write("garbage", "nothing");
    let chain = "verify-chain fw.pem --trust acme/firmware/root.pem --purpose firmware";
    let verify = "verify app.bin --as raw --signature app.sig";
    lab.refuses(&format!("{chain} --crl fw.crl --revocation off"), 2, "--revocation off looks at no list");
    lab.refuses(&format!("{chain} --revocation perhaps"), 2, "perhaps");
    for (whom, words) in [("--public-key fw.pub", "cannot be used with"), ("--cert fw.pem", "--trust")] {
        lab.refuses(&format!("{verify} {whom} --crl fw.crl"), 2, words);
        lab.refuses(&format!("{verify} {whom} --revocation require"), 2, words);
    }
    lab.refuses(&format!("{chain} --crl nothing.crl"), 1, "cannot read certificate revocation list nothing.crl");
    for wrong in ["garbage", "fw.pem", "fw.pub"] {
        lab.is_refused(&format!("{} --crl {wrong}", chain.trim_start_matches("verify-chain ")), "malformed", wrong);
    }
    let list = |der: &str| format!("-----BEGIN X509 CRL-----\n{der}\n-----END X509 CRL-----\n");
    lab.write("second.crl", [lab.read("fw.crl"), list("MAA=").into_bytes()].concat());
    let words = format!("{} --crl second.crl", chain.trim_start_matches("verify-chain "));
    lab.is_refused(&words, "malformed", "certificate revocation list 2 of second.crl: ");
    lab.bulla(&format!("{chain} --revocation off")).ok();
    lab.bulla(&format!("{chain} --revocation check")).ok();
    let text = lab.bulla(&format!("{chain} --revocation require")).exits(3).text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(matches!(lines[..], [reason, hint] if reason.ends_with("(revocation-unknown)") && hint.contains("--crl")));
}
