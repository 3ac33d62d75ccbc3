//! Roots and issuing CAs: made here, under a PKI that exists, by request to another CA, and renewed.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::Lab;
use crate::keeping::is_private;

/// A root and an intermediate CA by openssl, and `issue REQUEST OUTPUT CA DAYS EXTENSIONS`.
const PKI: &str = r#"
    set -e
    ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n'
    key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out $1.key 2>/dev/null; }
    issue() {
        printf "${5:-$ca}authorityKeyIdentifier=keyid\n" >ext
        openssl x509 -req -in $1 -CA $3.pem -CAkey $3.key -set_serial 0x$(openssl rand -hex 8) -days $4 -extfile ext -out $2
    }
    [ -e root.pem ] || {
        key root; key inter
        openssl req -x509 -new -key root.key -subj '/O=Old/CN=Old Root' -days 3000 -addext keyUsage=critical,keyCertSign,cRLSign -out root.pem
        openssl req -new -key inter.key -subj '/O=Old/CN=Old Intermediate' -out inter.csr
        issue inter.csr inter.pem root 2000
        cat inter.pem root.pem >above.pem
    }
"#;

impl Lab {
    /// Runs a script after [`PKI`].
    #[track_caller]
    fn pki(&self, script: &str) {
        self.shell(&format!("{PKI}\n{script}")).ok();
    }

    /// Enrolls an LDevID and asserts that openssl leads it to a root over a chain of so many certificates.
    #[track_caller]
    fn leads(&self, ca: &str, name: &str, root: &str, certificates: usize) {
        self.bulla(&format!("keygen -o {name}.key")).ok();
        let told = self.told(&format!("enroll --key {name}.key --profile ldevid --cn {name} --ca {ca} -o {name}.pem"));
        assert_eq!(told["chain_length"], certificates, "{told}");
        let verify = format!("openssl verify -x509_strict -show_chain -CAfile {root} -untrusted {name}.pem {name}.pem");
        let shown = self.judge(&verify).ok().text();
        assert_eq!(shown.matches("depth=").count(), certificates, "{shown}");
    }
}

#[test]
fn a_ca_may_have_one_hierarchy() {
    let lab = Lab::ca("--hierarchy firmware");
    assert!(lab.has("acme/firmware") && !lab.has("acme/device"));
    lab.bulla("keygen -o dev.key").ok();
    lab.fails_with("enroll --key dev.key --profile idevid --serial 1 --ca acme -o out", 1, "no-issuer");
    lab.signer("signer");
    lab.bulla("ca crl acme -o only.crl").ok();
    lab.holds("acme");
    for words in [
        "--hierarchy both",
        "--root-profile device-root",
        "--root root.pem --root-key root.key",
        "--root root.pem --hierarchy device",
        "--root-key root.key --hierarchy device",
        "--request-only",
        "--request-only --hierarchy device --root-passphrase-from env:X",
        "--request-only --hierarchy device --root r.pem --root-key r.key",
    ] {
        lab.fails_with(&format!("ca init new --name New --no-passphrase {words}"), 2, "usage");
    }
    lab.fails_with("ca init new --name New", 4, "credential");
    lab.fails_with("ca init acme --name New --no-passphrase", 1, "exists");
}

#[test]
fn each_key_has_its_own_passphrase() {
    let lab = Lab::new();
    lab.write("ca", "correct horse\n");
    lab.write("root", "battery staple\n");
    let flags = "--ca-passphrase-from file:ca --root-passphrase-from file:root";
    lab.bulla(&format!("ca init acme --name Acme {flags}")).ok();
    for (key, opens, not) in [("root", "root", "ca"), ("issuing", "ca", "root")] {
        let open =
            |pass: &str| lab.judge(&format!("openssl pkey -in acme/device/{key}.key -noout -passin file:{pass}"));
        open(opens).ok();
        open(not).fails();
    }
    lab.bulla("keygen -o dev.key").ok();
    let enroll = "enroll --key dev.key --profile ldevid --cn dev --ca acme -o dev.pem";
    lab.bulla(&format!("{enroll} --ca-passphrase-from file:ca")).ok();
    let renew = "ca renew-issuing acme/device";
    lab.fails_with(&format!("{renew} --ca-passphrase-from file:ca"), 4, "credential");
    lab.fails_with(&format!("{renew} --ca-passphrase-from file:ca --root-passphrase-from file:ca"), 4, "credential");
    lab.fails_with(&format!("{renew} --root-passphrase-from file:root"), 4, "credential");
    lab.bulla(&format!("{renew} {flags}")).ok();
    lab.judge("openssl pkey -in acme/device/issuing.2.key -noout -passin file:ca").ok();
    lab.judge("openssl pkey -in acme/device/issuing.2.key -noout -passin file:root").fails();
    lab.bulla(&format!("{renew} --keep-key {flags}")).ok();
    lab.judge("openssl pkey -in acme/device/issuing.3.key -noout -passin file:ca").ok();
    lab.judge("openssl pkey -in acme/device/issuing.3.key -noout -passin pass:").fails();
    lab.fails_with(&format!("{enroll} --force"), 4, "credential");
    lab.bulla(&format!("{enroll} --force --ca-passphrase-from file:ca")).ok();
    is_private(&lab.path("acme"));
}

#[test]
fn a_root_key_is_kept_elsewhere_and_brought_for_one_command() {
    let lab = Lab::ca("");
    std::fs::rename(lab.path("acme/device/root.key"), lab.path("safe.key")).expect("the root's key");
    lab.leads("acme", "one", "acme/device/root.pem", 3);
    lab.bulla("revoke one.pem --reason superseded --ca acme").ok();
    lab.bulla("ca crl acme/device -o device.crl").ok();
    let missing = "cannot read private key acme/device/root.key: No such file or directory";
    lab.refuses("ca renew-issuing acme/device --no-passphrase", 1, missing);
    lab.fails_with("ca renew-issuing acme/device --no-passphrase --root-key one.key", 1, "key-mismatch");
    lab.fails_with("ca renew-issuing acme/device --no-passphrase --root-key acme/firmware/root.key", 1, "key-mismatch");
    lab.fails_with("ca renew-issuing acme --no-passphrase", 2, "usage");
    lab.fails_with("ca renew-issuing acme/device --keep-key --no-passphrase", 2, "usage");
    lab.bulla("ca renew-issuing acme/device --no-passphrase --root-key safe.key").ok();
    assert!(!lab.has("acme/device/root.key"), "it is not taken in");
    lab.leads("acme", "two", "acme/device/root.pem", 3);
    lab.holds("acme");
}

#[test]
fn an_issuing_ca_stands_under_a_root_that_exists() {
    let lab = Lab::new();
    lab.pki("");
    let init = |folder: &str, root: &str, key: &str| {
        format!("ca init {folder} --name Acme --hierarchy device --root {root} --root-key {key} --no-passphrase")
    };
    lab.bulla(&init("under", "root.pem", "root.key")).ok();
    lab.bulla(&init("below", "above.pem", "inter.key")).ok();
    assert!(!lab.has("under/device/root.key") && !lab.has("below/device/root.key"), "the key is not copied");
    lab.leads("under", "one", "root.pem", 3);
    lab.leads("below", "two", "root.pem", 4);
    for (ca, key) in [("under", "root.key"), ("below", "inter.key")] {
        lab.bulla(&format!("ca renew-issuing {ca} --no-passphrase --root-key {key}")).ok();
        let name = format!("{ca}-next");
        lab.leads(ca, &name, "root.pem", if ca == "under" { 3 } else { 4 });
        lab.holds(ca);
        is_private(&lab.path(ca));
    }
    lab.fails_with(&init("no", "root.pem", "inter.key"), 1, "key-mismatch");
    lab.fails_with(&init("no", "inter.pem", "inter.key"), 3, "root");
    lab.fails_with(&init("no", "one.pem", "one.key"), 3, "root");
    lab.pki("cat root.pem inter.pem >wrong.pem");
    lab.fails_with(&init("no", "wrong.pem", "root.key"), 1, "chain");
    lab.pki("issue inter.csr none.pem root 900 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'; cat none.pem root.pem >none");
    lab.fails_with(&init("no", "none", "inter.key"), 3, "root");
    lab.pki(
        "openssl req -x509 -new -key root.key -subj /CN=leaf -addext basicConstraints=critical,CA:FALSE -out leaf.pem",
    );
    lab.fails_with(&init("no", "leaf.pem", "root.key"), 3, "root");
    lab.pki("faketime -f -3y openssl req -x509 -new -key root.key -subj /CN=Old -days 9 -out old.pem");
    lab.fails_with(&init("no", "old.pem", "root.key"), 3, "chain");
    assert!(!lab.has("no"));
}

/// A CA `acme` that waits for its certificate.
fn waiting() -> Lab {
    let lab = Lab::ca("--hierarchy device --request-only");
    lab.pki(
        "ln -s acme/device/issuing.csr csr; key other; openssl req -new -key other.key -subj /CN=other -out other.csr",
    );
    lab
}

#[test]
fn a_request_is_issued_elsewhere_and_imported() {
    for (script, file, flags, certificates) in [
        ("issue csr cert root 900", "cert", "--root root.pem", 3),
        ("issue csr cert root 900; cat cert root.pem >chain", "chain", "", 3),
        ("issue csr cert inter 900; cat cert above.pem >chain", "chain", "", 4),
        ("issue csr cert inter 900", "cert", "--root above.pem", 4),
        ("issue csr cert inter 900; cat cert inter.pem >chain", "chain", "--root root.pem", 4),
    ] {
        let lab = waiting();
        lab.bulla("keygen -o dev.key").ok();
        let enroll = "enroll --key dev.key --profile ldevid --cn x --ca acme -o out";
        lab.fails_with(enroll, 1, "awaits-certificate");
        lab.judge("openssl req -in csr -noout -verify").ok();
        lab.pki(script);
        lab.bulla(&format!("ca import acme {file} {flags}")).ok();
        lab.leads("acme", "leaf", "root.pem", certificates);
        lab.fails_with(&format!("ca import acme {file} {flags}"), 1, "not-awaited");
        lab.holds("acme");
        is_private(&lab.path("acme"));
    }
}

#[test]
fn what_is_no_certificate_for_the_request_is_not_imported() {
    for (script, flags, exit, code) in [
        ("issue csr cert root 900", "", 3, "root"),
        ("issue csr cert inter 900", "--root root.pem", 1, "chain"),
        ("issue csr own root 900; cat root.pem own >cert", "", 1, "chain"),
        ("issue csr own inter 900; cat own root.pem inter.pem >cert", "", 1, "chain"),
        ("issue other.csr cert root 900", "--root root.pem", 1, "not-awaited"),
        ("issue csr cert root 900 'basicConstraints=critical,CA:FALSE\\n'", "--root root.pem", 3, "root"),
        ("issue csr cert root 900 'keyUsage=critical,keyCertSign\\n'", "--root root.pem", 3, "root"),
        (
            "issue csr cert root 900 'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,digitalSignature\\n'",
            "--root root.pem",
            3,
            "root",
        ),
        ("openssl() { faketime -f -3y openssl \"$@\"; }; issue csr cert root 9", "--root root.pem", 3, "chain"),
        (
            "issue csr own root 900; openssl x509 -in own -outform DER -out own.der
            python3 -c \"d = bytearray(open('own.der', 'rb').read()); d[-1] ^= 1; open('cert', 'wb').write(d)\"",
            "--root root.pem",
            3,
            "chain",
        ),
        ("cp csr cert", "--root root.pem", 1, "wrong-type"),
    ] {
        let lab = waiting();
        lab.pki(script);
        lab.fails_with(&format!("ca import acme/device cert {flags}"), exit, code);
        // It waits still.
        lab.pki("issue csr right root 900");
        lab.bulla("ca import acme right --root root.pem").ok();
    }
    let lab = waiting();
    lab.fails_with("ca import acme/firmware root.pem", 1, "not-a-ca");
    lab.fails_with("ca import acme nothing", 1, "cannot-read");
}

#[test]
fn the_next_generation_may_be_issued_elsewhere_too() {
    let lab = waiting();
    lab.pki("issue csr cert root 900");
    lab.bulla("ca import acme cert --root root.pem").ok();
    lab.fails_with("ca renew-issuing acme --request-only --root-key root.key --no-passphrase", 2, "usage");
    lab.bulla("ca renew-issuing acme --request-only --no-passphrase").ok();
    lab.leads("acme", "meanwhile", "root.pem", 3);
    lab.pki(
        "issue acme/device/issuing.2.csr next root 800; key twin
        openssl req -x509 -new -key twin.key -subj '/O=Old/CN=Old Root' -days 900 \
            -addext keyUsage=critical,keyCertSign -out twin.pem
        issue acme/device/issuing.2.csr stray twin 800",
    );
    lab.fails_with("ca import acme stray --root twin.pem", 3, "root");
    lab.bulla("ca import acme next --root root.pem").ok();
    lab.leads("acme", "after", "root.pem", 3);
    let issuer = |name: &str| lab.judge(&format!("openssl x509 -in {name} -noout -issuer")).ok().text();
    assert_ne!(issuer("after.pem"), issuer("meanwhile.pem"), "another key has another name");
    lab.bulla("enroll --key meanwhile.key --profile ldevid --cn meanwhile --ca acme -o same.pem").ok();
    assert_eq!(lab.read("same.pem"), lab.read("meanwhile.pem"));
    lab.holds("acme");
}

#[test]
fn an_issuing_ca_is_renewed_with_a_new_key_or_its_own() {
    let lab = Lab::ca("--type p384");
    let key =
        |number: &str| lab.judge(&format!("openssl x509 -in acme/device/issuing{number}.pem -noout -pubkey")).ok();
    let subject =
        |number: &str| lab.judge(&format!("openssl x509 -in acme/device/issuing{number}.pem -noout -subject")).ok();
    let first = lab.tree();
    lab.bulla("ca renew-issuing acme/device --type ed25519 --no-passphrase").ok();
    lab.bulla("ca renew-issuing acme/device --keep-key").ok();
    for (path, entry) in first {
        assert_eq!(lab.tree().get(&path), Some(&entry), "nothing that was there is replaced: {}", path.display());
    }
    assert_ne!(key("").text(), key(".2").text());
    assert_eq!(key(".2").text(), key(".3").text());
    assert_eq!(subject("").text(), "subject=O = Acme, CN = Acme Device CA\n");
    assert_eq!(subject(".2").text(), "subject=O = Acme, CN = Acme Device CA G2\n");
    assert_eq!(subject(".3").text(), subject(".2").text(), "a name belongs to a key");
    for number in ["", ".2", ".3"] {
        lab.judge(&format!("openssl verify -x509_strict -CAfile acme/device/root.pem acme/device/issuing{number}.pem"))
            .ok();
    }
    lab.leads("acme", "leaf", "acme/device/root.pem", 3);
    let shown = lab.judge("openssl x509 -in leaf.pem -noout -text").ok().text();
    assert!(shown.contains("Signature Algorithm: ED25519"), "{shown}");
    let audit = lab.bulla("ca audit acme/device -o -").ok().text();
    assert_eq!(audit.matches("\"event\":\"issuer\"").count(), 3);
    // The head is signed by the newest key, and a keeper of all certificates can check it.
    lab.write("kept.jsonl", audit);
    lab.bulla("ca audit kept.jsonl --issuer acme/device/issuing.2.pem").ok();
    assert_eq!(lab.does_not_hold("kept.jsonl --issuer acme/device/issuing.pem"), "signer");
}

#[test]
fn a_leaf_outlives_its_issuer_where_that_is_allowed_and_only_there() {
    let lab = Lab::new();
    lab.pki("");
    lab.bulla("ca init acme --name Acme --hierarchy device --root root.pem --root-key root.key --no-passphrase").ok();
    let end = |name: &str| lab.judge(&format!("openssl x509 -in {name} -noout -enddate")).ok().text();
    assert_eq!(end("acme/device/issuing.pem"), end("root.pem"), "an issuing CA ends with its root");
    lab.bulla("keygen -o dev.key").ok();
    let enroll = "enroll --key dev.key --profile idevid --serial SN-1 --ca acme -o dev.pem";
    let run =
        lab.refuses(enroll, 1, "the certificate would be valid until 9999-12-31T23:59:59Z, its issuer only until");
    assert!(run.stderr.contains("hint: ask for less with --valid-for"), "{}", run.stderr);
    lab.fails_with(enroll, 1, "outlives-issuer");
    lab.fails_with(&format!("{enroll} --valid-for 3001d"), 1, "outlives-issuer");
    lab.bulla(&format!("{enroll} --allow-outlive")).ok();
    assert_eq!(end("dev.pem"), "notAfter=Dec 31 23:59:59 9999 GMT\n");
    lab.bulla("keygen -o new.key").ok();
    lab.fails_with("renew dev.pem --key new.key --ca acme -o out", 1, "outlives-issuer");
    lab.bulla("renew dev.pem --key new.key --valid-for 2999d --ca acme -o new.pem").ok();
    let audit = lab.bulla("ca audit acme/device -o -").ok().text();
    let outlives: Vec<&str> = audit.lines().filter(|line| line.contains("\"outlives_issuer\":true")).collect();
    assert_eq!(outlives.len(), 1, "{audit}");
    assert!(outlives[0].contains(&lab.serial("dev.pem")));
    assert_eq!(audit.matches("\"code\":\"outlives-issuer\"").count(), 4, "{audit}");
}

#[test]
fn a_matter_ca_issues_attestation_certificates_and_no_cas() {
    let lab = Lab::new();
    let profiles = "--root-profile matter-paa --issuing-profile matter-pai";
    let init = "ca init matter --name Acme --hierarchy device --no-passphrase";
    lab.fails_with(&format!("{init} {profiles}"), 1, "profile-variable");
    lab.fails_with(&format!("{init} {profiles} --set vid=fff1"), 1, "profile");
    lab.bulla(&format!("{init} {profiles} --set vid=FFF1")).ok();
    lab.bulla("keygen -o dac.key").ok();
    let dac = "enroll --key dac.key --profile matter-dac --ca matter -o dac.pem --cn DAC-1";
    lab.fails_with(&format!("{dac} --set vid=FFF2 --set pid=8001"), 1, "names");
    lab.bulla(&format!("{dac} --set vid=FFF1 --set pid=8001")).ok();
    let subject = |name: &str| {
        let shown = lab.judge(&format!("openssl x509 -in {name} -noout -subject -nameopt RFC2253,oid")).ok().text();
        shown.replace("\\", "")
    };
    // Matter core specification section 6.1.1: the VendorID and ProductID, UTF8String of four digits.
    let encoded = lab.judge("openssl asn1parse -in dac.pem").ok().text();
    assert!(encoded.contains("UTF8STRING        :FFF1") && encoded.contains("UTF8STRING        :8001"), "{encoded}");
    for (name, ids) in [("matter/device/root.pem", 1), ("matter/device/issuing.pem", 1), ("dac.pem", 2)] {
        assert_eq!(subject(name).matches("1.3.6.1.4.1.37244.2.").count(), ids, "{}", subject(name));
    }
    lab.judge("openssl verify -x509_strict -CAfile matter/device/root.pem -untrusted dac.pem dac.pem").ok();
    lab.judge("openssl x509 -in dac.pem -out leaf.pem").ok();
    assert_eq!(lab.pkilint("cert", &["matter/device/root.pem", "matter/device/issuing.pem", "leaf.pem"]), [""; 0]);
    lab.bulla("keygen -o sub.key").ok();
    let sub = "enroll --key sub.key --profile sub-ca --cn Sub --valid-for 9d --ca matter -o out";
    lab.fails_with(sub, 1, "no-ca-below");
    lab.bulla("keygen --type p384 -o big.key").ok();
    let big = "enroll --key big.key --profile matter-dac --ca matter -o out --cn DAC-2 --set vid=FFF1 --set pid=8001";
    lab.fails_with(big, 1, "profile");
}

#[test]
fn all_files_are_private_while_a_process_is_inside() {
    let lab = Lab::ca("");
    lab.device("SN-1");
    lab.bulla("keygen -o new.key").ok();
    let mut holder = Command::new("flock");
    holder.args(["acme/ca.lock", "cat"]).current_dir(lab.path("")).stdin(Stdio::piped());
    let mut holder = holder.spawn().expect("flock");
    let script = "umask 0; rm -f acme/ca.db-*; sleep 0.2
        exec $bulla enroll --key new.key --profile ldevid --cn new --ca acme -o new.pem";
    let mut inside = Command::new("bash");
    inside
        .args(["-c", script])
        .env("bulla", env!("CARGO_BIN_EXE_bulla"))
        .current_dir(lab.path(""))
        .stderr(Stdio::null());
    let mut inside = inside.spawn().expect("bulla");
    let started = Instant::now();
    while !lab.has("acme/ca.db-shm") && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let files = is_private(&lab.path("acme"));
    drop(holder.stdin.take());
    assert!(holder.wait().expect("flock").success() && inside.wait().expect("bulla").success());
    assert!(["ca.db-shm", "ca.db-wal"].iter().all(|name| files.iter().any(|file| file == name)), "{files:?}");
    is_private(&lab.path("acme"));
}
