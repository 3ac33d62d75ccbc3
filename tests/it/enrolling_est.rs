//! `bulla enroll` and `bulla renew` at `bulla ca serve`, as two processes: every credential, what the CA wants of a request,
//! keys that it makes, and requests that wait for its operator.

use serde_json::Value;

use crate::harness::{Lab, Run};
use crate::serving::Serving;

/// A CA `acme`, its `root.pem`, and keys without certificates.
fn stage(keys: &str) -> Lab {
    let lab = Lab::ca("");
    lab.write("root.pem", lab.read("acme/device/root.pem"));
    for key in keys.split_whitespace() {
        lab.bulla(&format!("keygen -o {key}.key")).ok();
    }
    lab
}

impl Lab {
    /// Has a token made into the file `token`.
    #[track_caller]
    fn token(&self, words: &str) {
        let secret = self.bulla(&format!("ca token new acme {words}")).ok().stdout;
        self.write("token", secret);
    }

    /// A field of a certificate, as OpenSSL tells it.
    #[track_caller]
    fn told_of(&self, file: &str, field: &str) -> String {
        self.judge(&format!("openssl x509 -in {file} -noout -nameopt RFC2253 -{field}")).ok().text().trim().to_owned()
    }

    /// Asserts that OpenSSL takes a chain to lead to the CA's root.
    #[track_caller]
    fn is_trusted(&self, file: &str) {
        self.judge(&format!("openssl verify -CAfile root.pem -untrusted {file} {file}")).ok();
    }
}

/// `enroll` of the device SN-1 by the key `dev.key`.
fn device(serving: &Serving, label: &str, profile: &str, more: &str) -> String {
    format!("enroll --key dev.key --serial SN-1 --profile {profile} --ca {} --trust root.pem {more}", serving.ca(label))
}

#[test]
fn a_token_gets_the_certificate_that_it_is_for() {
    let lab = stage("dev other");
    let serving = Serving::start(&lab, "--serve-profile idevid --serve-profile ldevid");
    lab.token("--device SN-1 --profile idevid --uses 1");
    let secret = String::from_utf8(lab.read("token")).expect("text").trim().to_owned();
    let shown = "--token-from file:token";
    let run = lab.remote(&device(&serving, "idevid", "idevid", &format!("{shown} -o a.pem --format json"))).ok();
    assert_eq!(run.stderr, "");
    let told = run.json();
    let serial = told["serial"].as_str().expect("a serial number").to_owned();
    assert_eq!((&told["schema"], &told["profile"]), (&"bulla.enroll/1".into(), &"idevid".into()), "{told}");
    assert_eq!((&told["server"], &told["output"]), (&serving.ca("idevid").into(), &"a.pem".into()), "{told}");
    assert!(!run.text().contains(&secret));
    lab.is_trusted("a.pem");
    assert_eq!(lab.told_of("a.pem", "subject"), "subject=serialNumber=SN-1");
    let line = serving.logs(|line| line["operation"] == "simpleenroll");
    for (name, value) in [
        ("subject", "serialNumber=SN-1"),
        ("outcome", "issued"),
        ("credential", "token"),
        ("profile", "idevid"),
        ("flow", "est"),
        ("binding", "checked"),
        ("serial", &serial),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(line["id"].is_u64() && line["status"] == 200, "{line}");
    // Once more, by Basic, without label, and as a request that is there already: one use, one certificate.
    lab.bulla("csr dev.key --serial SN-1 --profile idevid -o dev.csr").ok();
    let ready = format!("enroll dev.csr --profile idevid --ca {} --trust root.pem", serving.ca("idevid"));
    for (file, words) in [
        ("b.pem", device(&serving, "idevid", "idevid", &format!("{shown} --user SN-1"))),
        ("c.pem", device(&serving, "", "idevid", shown)),
        ("d.pem", format!("{ready} {shown}")),
    ] {
        lab.remote(&format!("{words} -o {file}")).ok();
        assert_eq!(lab.read(file), lab.read("a.pem"), "{words}");
    }
    let refused = |words: &str, exit, code, why: &str| {
        let message = lab.remote_fails(words, exit, code);
        assert!(message.contains(why), "{message}");
    };
    let at = |label: &str, more: &str| device(&serving, label, "idevid", &format!("{more} -o e.pem"));
    refused(&at("idevid", ""), 4, "credential", "401");
    refused(&at("idevid", "--token-from env:TOKEN"), 4, "credential", "401");
    refused(&at("idevid", &format!("{shown} --user SN-2")), 4, "credential", "401");
    refused(&at("ldevid", shown), 1, "refused", "is for profile idevid");
    refused(&at("firmware", shown), 1, "refused", "404");
    let words = at("idevid", shown);
    refused(&words.replace("SN-1", "SN-2"), 1, "refused", "that of serialNumber=SN-1, and the request is for");
    refused(&words.replace("dev.key", "other.key"), 1, "refused", "used up");
    refused(&format!("{words} --cn gw"), 1, "refused", "does not cover the name CN");
    serving.logs(|line| line["outcome"] == "refused" && line["code"] == "token-used");
    serving.logs(|line| line["code"] == "unknown-token");
    assert!(!serving.log().contains(&secret), "the log has a token");
    lab.bulla("ca token new acme --device SN-2 --profile idevid -o token-2").ok();
    // The profile that is asked for without label is the first: another one is not what was asked for.
    let words = format!(
        "enroll --key other.key --serial SN-2 --profile ldevid --ca {} --trust root.pem --token-from file:token-2 -o f.pem",
        serving.ca("")
    );
    refused(&words, 3, "unacceptable", "");
    lab.holds("acme/device");
}

#[test]
fn an_identity_from_the_maker_gets_one_from_the_owner_and_renews_it() {
    let lab = stage("dev id new newer stray");
    for maker in ["maker", "stranger"] {
        lab.bulla(&format!("ca init {maker} --name {maker} --no-passphrase")).ok();
    }
    lab.bulla("enroll --key id.key --serial SN-1 --profile idevid --ca maker -o id.pem").ok();
    lab.bulla("enroll --key stray.key --serial SN-1 --profile idevid --ca stranger -o stray.pem").ok();
    let serving = Serving::start(&lab, "--serve-profile ldevid --vendor-ca maker/device/root.pem");
    let id = "--client-cert id.pem --client-key id.key";
    let words = device(&serving, "ldevid", "ldevid", "");
    let refused = |words: &str, exit, code, why: &str| {
        let message = lab.remote_fails(words, exit, code);
        assert!(message.contains(why), "{message}");
    };
    refused(&format!("{} {id} -o ld.pem", words.replace("SN-1", "SN-2")), 1, "refused", "the request is for");
    refused(&format!("{words} --client-cert stray.pem --client-key stray.key -o ld.pem"), 4, "credential", "401");
    refused(&format!("{words} -o ld.pem"), 4, "credential", "401");
    refused(&format!("{words} --client-cert id.pem --client-key dev.key -o ld.pem"), 1, "identity", "");
    lab.remote(&format!("{words} {id} -o ld.pem")).ok();
    lab.is_trusted("ld.pem");
    assert_eq!(lab.told_of("ld.pem", "subject"), "subject=serialNumber=SN-1");
    serving.logs(|line| line["credential"] == "certificate" && line["outcome"] == "issued");

    let at = format!("--profile ldevid --ca {} --trust root.pem", serving.ca("ldevid"));
    let renew = |old: &str, key: &str, more: &str| format!("renew {old} --key {key} {at} {more}");
    // The identity of the maker renews nothing here.
    let by_id = format!("{} {id}", renew("ld.pem", "new.key", "-o no.pem"));
    refused(&by_id, 4, "credential", "401");
    serving.logs(|line| line["operation"] == "simplereenroll" && line["code"] == "unknown-certificate");
    let kept = lab.remote(&format!("{} --format json", renew("ld.pem", "dev.key", "--keep-key -o kept.pem"))).ok();
    assert_eq!((&kept.json()["schema"], kept.stderr.as_str()), (&"bulla.renew/1".into(), ""));
    assert_ne!(lab.told_of("kept.pem", "serial"), lab.told_of("ld.pem", "serial"));
    assert_eq!(lab.told_of("kept.pem", "pubkey"), lab.told_of("ld.pem", "pubkey"));
    let by_own = renew("kept.pem", "new.key", "--client-key dev.key");
    lab.remote(&format!("{by_own} -o new.pem")).ok();
    lab.remote(&format!("{by_own} -o again.pem")).ok();
    lab.is_trusted("new.pem");
    assert_eq!(lab.read("new.pem"), lab.read("again.pem"), "the same renewal is the same certificate");
    assert_eq!(lab.told_of("new.pem", "subject"), "subject=serialNumber=SN-1");
    assert_ne!(lab.told_of("new.pem", "pubkey"), lab.told_of("kept.pem", "pubkey"));
    // What was renewed already is no identity to renew any more, for another key.
    refused(&renew("kept.pem", "newer.key", "--client-key dev.key -o no.pem"), 1, "refused", "403");
    lab.bulla("revoke new.pem --ca acme --reason keyCompromise").ok();
    refused(&renew("new.pem", "newer.key", "--client-key new.key -o no.pem"), 1, "refused", "it was revoked");
    // The server tells everybody of it, and that it is well.
    let fetched = |path: &str, file: &str| {
        let words = format!("curl -sS --noproxy * --fail --cacert root.pem {}{path} -o {file}", serving.url());
        lab.judge(&words).ok();
    };
    fetched("/crl/device.crl", "list.crl");
    let checked = lab.judge("openssl crl -inform DER -in list.crl -CAfile acme/device/issuing.pem -noout -text").ok();
    assert!(checked.stderr.contains("verify OK"), "{}", checked.stderr);
    let serial = lab.told_of("new.pem", "serial").replace("serial=", "");
    assert!(checked.text().contains(&serial) && checked.text().contains("Key Compromise"), "{}", checked.text());
    fetched("/healthz", "health");
    assert_eq!(lab.read("health"), b"ok\n");
    lab.holds("acme/device");
}

#[test]
fn a_server_may_insist_on_certificates_and_bindings() {
    let lab = stage("dev id");
    lab.bulla("ca init maker --name Maker --no-passphrase").ok();
    lab.bulla("enroll --key id.key --serial SN-1 --profile idevid --ca maker -o id.pem").ok();
    let insists = "--serve-profile ldevid --vendor-ca maker/device/root.pem --require-client-cert --require-binding";
    let serving = Serving::start(&lab, insists);
    lab.token("--device SN-1 --profile ldevid");
    let words = device(&serving, "ldevid", "ldevid", "");
    lab.remote_fails(&format!("{words} --token-from file:token -o a.pem"), 1, "tls");
    let id = "--client-cert id.pem --client-key id.key";
    lab.bulla("csr dev.key --serial SN-1 --profile ldevid -o dev.csr").ok();
    let ready = words.replace("--key dev.key --serial SN-1", "dev.csr");
    let message = lab.remote_fails(&format!("{ready} {id} -o a.pem"), 1, "refused");
    assert!(message.contains("a request must be bound to its connection by a challengePassword"), "{message}");
    lab.remote(&format!("{words} {id} -o a.pem")).ok();
    lab.is_trusted("a.pem");
    serving.logs(|line| line["binding"] == "checked" && line["outcome"] == "issued");
}

#[test]
fn a_fingerprint_is_all_that_a_device_needs_to_know_of_the_ca() {
    let lab = stage("dev");
    let serving = Serving::start(&lab, "--serve-profile idevid");
    lab.token("--device SN-1 --profile idevid");
    let fingerprint = lab.told_of("root.pem", "fingerprint -sha256");
    let fingerprint = fingerprint.split('=').next_back().expect("a fingerprint");
    let words = device(&serving, "", "idevid", "--token-from file:token");
    let by_print = words.replace("--trust root.pem", &format!("--ca-fingerprint sha256:{fingerprint} --ca-out ca.pem"));
    lab.remote(&format!("{by_print} -o a.pem")).ok();
    assert_eq!(lab.read("ca.pem"), lab.read("root.pem"));
    lab.remote(&format!("{} -o b.pem", words.replace("root.pem", "ca.pem"))).ok();
    assert_eq!(lab.read("a.pem"), lab.read("b.pem"));
    let wrong = by_print.replace(fingerprint, &"00".repeat(32)).replace("ca.pem", "no.pem");
    lab.remote_fails(&format!("{wrong} -o c.pem"), 3, "fingerprint");
    assert!(!lab.has("no.pem"));
}

#[test]
fn what_the_ca_wants_of_a_request_is_honoured() {
    let lab = stage("dev");
    lab.bulla("keygen --type p384 -o long.key").ok();
    let strict = "schema = \"bulla.profile/1\"\nname = \"strict\"\nextends = \"ldevid\"\nkey-types = [\"p384\"]\n\
                  extended-key-usage = [\"clientAuth\"]\n";
    std::fs::create_dir_all(lab.path("acme/profiles")).expect("a folder");
    lab.write("acme/profiles/strict.toml", strict);
    lab.write("mild.toml", strict.replace("key-types = [\"p384\"]\n", ""));
    let serving = Serving::start(&lab, "--serve-profile strict");
    lab.token("--device SN-1 --profile strict");
    let words = device(&serving, "strict", "mild.toml", "--token-from file:token -o a.pem");
    let message = lab.remote_fails(&words, 1, "key-type");
    assert!(message.contains("keys of type EC P-384, and this one is EC P-256"), "{message}");
    assert!(!serving.log().contains("simpleenroll"), "it was sent all the same");
    lab.remote(&words.replace("dev.key", "long.key")).ok();
    let text = lab.judge("openssl x509 -in a.pem -noout -text").ok().text();
    assert!(text.contains("secp384r1") && text.contains("TLS Web Client Authentication"), "{text}");
    // A request that is there already goes as it is, and the CA says no.
    lab.bulla("csr dev.key --serial SN-1 --profile mild.toml -o dev.csr").ok();
    let ready = words.replace("--key dev.key --serial SN-1", "dev.csr").replace("a.pem", "b.pem");
    let message = lab.remote_fails(&ready, 1, "refused");
    assert!(message.contains("400"), "{message}");
}

#[test]
fn the_server_makes_a_key_where_it_is_asked_to() {
    let lab = stage("");
    std::fs::create_dir_all(lab.path("acme/profiles")).expect("a folder");
    let long = "schema = \"bulla.profile/1\"\nname = \"long\"\nextends = \"ldevid\"\nkey-types = [\"rsa2048\"]\n";
    lab.write("acme/profiles/long.toml", long);
    let serving = Serving::start(&lab, "--serve-profile idevid --serve-profile long");
    for (label, profile, key_type) in
        [("idevid", "idevid", "P-256"), ("long", "acme/profiles/long.toml", "RSA Private-Key: (2048 bit")]
    {
        lab.token(&format!("--device SN-1 --profile {label}"));
        let words =
            device(&serving, label, profile, "--token-from file:token").replace("--key dev.key", "--server-keygen");
        lab.remote(&format!("{words} --key-out {label}.key -o {label}.pem")).ok();
        lab.is_trusted(&format!("{label}.pem"));
        let key = lab.judge(&format!("openssl pkey -in {label}.key -noout -text")).ok().text();
        assert!(key.contains(key_type) || key_type.starts_with("RSA") && key.contains("(2048 bit"), "{key}");
        let public = lab.judge(&format!("openssl pkey -in {label}.key -pubout")).ok().text();
        assert_eq!(lab.told_of(&format!("{label}.pem"), "pubkey"), public.trim());
    }
}

/// RFC 7030 section 4.4.2: the key comes encrypted to the certificate that the client shows.
#[test]
fn the_key_that_the_server_makes_may_be_encrypted_to_the_client() {
    let lab = stage("small");
    lab.bulla("keygen --type rsa2048 -o own.key").ok();
    for name in ["own", "small"] {
        lab.bulla(&format!("enroll --key {name}.key --profile tls-client --cn {name} --ca acme -o {name}.pem")).ok();
    }
    let flags = "--serve-profile idevid --manual-approval";
    let serving = Serving::start(&lab, flags);
    lab.token("--device SN-1 --profile idevid");
    let words = device(&serving, "idevid", "idevid", "--token-from file:token --key-out made.key -o made.pem");
    let plain = words.replace("--key dev.key", "--server-keygen");
    let words = plain.replace("--server-keygen", "--server-keygen --encrypt-key");
    let shown = |name: &str| format!("{words} --client-cert {name}.pem --client-key {name}.key");
    lab.remote_fails(&words, 2, "usage");
    let message = lab.remote_fails(&shown("small"), 1, "key-encryption");
    assert!(message.contains("the keyUsage of CN=small does not allow"), "{message}");
    lab.remote(&shown("own")).exits(6);
    // The ticket is for an encrypted key.
    let message = lab.remote_fails(&plain, 1, "ticket");
    assert!(message.contains("is for the operation serverkeygen, encrypted, not serverkeygen"), "{message}");
    lab.bulla("ca approve acme --identity SN-1").ok();
    is_due(&lab, "made.pem.ticket");
    let run = lab.remote(&shown("own")).ok();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    lab.is_trusted("made.pem");
    let public = lab.judge("openssl pkey -in made.key -pubout").ok().text();
    assert_eq!(lab.told_of("made.pem", "pubkey"), public.trim());
}

/// What waits, in the order of its numbers.
fn waiting(lab: &Lab) -> Vec<Value> {
    let listed = lab.bulla("ca approve acme --list --format json").ok().text();
    listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The ticket in `file`, as if the time that the server said had come.
fn is_due(lab: &Lab, file: &str) {
    let ticket = String::from_utf8(lab.read(file)).expect("text");
    let (start, _) = ticket.split_once("\"ask_again\":\"").expect("a time");
    let end = ticket.split_once("Z\"").expect("a time").1;
    lab.write(file, format!("{start}\"ask_again\":\"2026-01-01T00:00:00Z\"{end}"));
}

#[test]
fn a_request_waits_for_the_operator_with_a_ticket() {
    let lab = stage("dev other");
    let flags = "--serve-profile idevid --serve-profile ldevid --manual-approval";
    let serving = Serving::start(&lab, flags);
    lab.token("--device SN-1 --profile idevid");
    let words = device(&serving, "idevid", "idevid", "--token-from file:token");
    let told = lab.remote(&format!("{words} -o a.pem --format json")).exits(6).json();
    assert_eq!((&told["pending"], &told["ticket"]), (&true.into(), &"a.pem.ticket".into()), "{told}");
    assert!(told["retry_after"].as_u64().is_some_and(|seconds| (1..=30).contains(&seconds)), "{told}");
    assert!(!lab.has("a.pem"));
    let [request] = &waiting(&lab)[..] else { panic!("{:?}", waiting(&lab)) };
    assert_eq!((&request["subject"], &request["state"]), (&"serialNumber=SN-1".into(), &"waiting".into()));
    let line = serving.logs(|line| line["outcome"] == "pending");
    assert_eq!((&line["status"], &line["request"]), (&202.into(), &request["id"].to_string().into()), "{line}");
    // Before its time nobody asks, and after it the answer is the same until somebody decides, be the server another one.
    lab.remote(&format!("{words} -o a.pem")).exits(6);
    let port = serving.address.port();
    assert_eq!(serving.stop(), Some(0));
    let serving = Serving::start_at(&lab, port, flags);
    is_due(&lab, "a.pem.ticket");
    lab.remote(&format!("{words} -o a.pem")).exits(6);
    assert_eq!(waiting(&lab).len(), 1, "one request, however often it is asked");
    lab.bulla(&format!("ca approve acme {}", request["id"])).ok();
    is_due(&lab, "a.pem.ticket");
    lab.remote(&format!("{words} -o a.pem")).ok();
    lab.is_trusted("a.pem");
    assert!(!lab.has("a.pem.ticket"));
    serving.logs(|line| line["outcome"] == "issued");
    // A renewal waits for nobody.
    let renew =
        format!("renew a.pem --key other.key --client-key dev.key --profile idevid --ca {}", serving.ca("idevid"));
    lab.remote(&format!("{renew} --trust root.pem -o b.pem")).ok();

    // Another one is refused, and another key of the same device is another request.
    lab.token("--device SN-1 --profile ldevid");
    lab.bulla("keygen -o third.key").ok();
    let words = device(&serving, "ldevid", "ldevid", "--token-from file:token").replace("dev.key", "third.key");
    lab.remote(&format!("{words} -o c.pem")).exits(6);
    lab.bulla("ca approve acme --identity SN-1 --refuse").ok();
    is_due(&lab, "c.pem.ticket");
    let message = lab.remote_fails(&format!("{words} -o c.pem"), 1, "refused");
    assert!(message.contains("did not approve request"), "{message}");
    lab.holds("acme/device");
}

/// The CA makes another key each time it is asked for one, and it is the same request all the same.
#[test]
fn a_request_for_a_key_waits_as_every_other() {
    let lab = stage("id");
    lab.bulla("ca init maker --name Maker --no-passphrase").ok();
    lab.bulla("enroll --key id.key --serial SN-1 --profile idevid --ca maker -o id.pem").ok();
    let serving = Serving::start(&lab, "--serve-profile ldevid --vendor-ca maker/device/root.pem --manual-approval");
    let words =
        device(&serving, "", "ldevid", "--client-cert id.pem --client-key id.key --key-out made.key -o made.pem");
    let words = words.replace("--key dev.key", "--server-keygen");
    lab.remote(&words).exits(6);
    is_due(&lab, "made.pem.ticket");
    lab.remote(&words).exits(6);
    assert_eq!(waiting(&lab).len(), 1, "{:?}", waiting(&lab));
    lab.bulla("ca approve acme --identity SN-1").ok();
    is_due(&lab, "made.pem.ticket");
    lab.remote(&words).ok();
    lab.is_trusted("made.pem");
}

/// A device that stays for the answer; the server says to ask again in seconds.
#[test]
fn who_waits_has_the_certificate_once_it_is_approved() {
    let lab = stage("dev");
    let serving = Serving::start(&lab, "--serve-profile idevid --manual-approval");
    lab.token("--device SN-1 --profile idevid");
    let words = device(&serving, "", "idevid", "--token-from file:token --wait 2m -o a.pem");
    std::thread::scope(|scope| {
        let waits: std::thread::ScopedJoinHandle<'_, Run> = scope.spawn(|| lab.remote(&words));
        serving.logs(|line| line["outcome"] == "pending");
        lab.bulla("ca approve acme --identity SN-1").ok();
        waits.join().expect("a run").ok();
    });
    lab.is_trusted("a.pem");
    assert!(!lab.has("a.pem.ticket"));
}
