//! `bulla ca serve` under the EST clients of others: strongSwan's, BouncyCastle's, and curl with openssl by hand. Each asks
//! for certificates with a token, renews by the certificate that it has, and is told to come again.

use std::time::{Duration, Instant};

use bulla::cms::{EnvelopedData, SignedData};
use bulla::key::{KeyFile, KeyRef};
use bulla::x509::{Certificate, Name, Profile, Request, Wanted};

use super::{contains, der_of, find, openssl};
use crate::harness::{Lab, Run};
use crate::serving::Serving;

/// BouncyCastle's client and what it needs, as `tests/install-judges.sh` puts them. A judge runs for a second: what Java does
/// for long runs only costs.
const JAVA: &str = concat!(
    "java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp ",
    env!("CARGO_MANIFEST_DIR"),
    "/target/judges/java:/usr/share/java/bcprov.jar:/usr/share/java/bcutil.jar:/usr/share/java/bcpkix.jar"
);

/// How long a judge that asks again and again is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A CA `acme`, its `root.pem` and `issuing.pem`, and of the device SN-42 `dev.key` and a request by OpenSSL: `dev.csr`,
/// `dev.der`, and in base64 without and with line ends `dev.b64` and `dev.lines`.
fn with_device() -> Lab {
    let lab = Lab::new();
    lab.bulla("ca init acme --name Acme --no-passphrase").ok();
    lab.write("root.pem", lab.read("acme/device/root.pem"));
    openssl(&lab, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out dev.key").ok();
    openssl(&lab, "req -new -key dev.key -subj /serialNumber=SN-42 -out dev.csr").ok();
    openssl(&lab, "req -in dev.csr -outform DER -out dev.der").ok();
    lab.shell("base64 -w0 <dev.der >dev.b64; base64 -w64 <dev.der >dev.lines").ok();
    lab
}

/// A token for SN-42, also in the file `token`.
fn token(lab: &Lab, profile: &str) -> String {
    let token = lab.bulla(&format!("ca token new acme --device SN-42 --profile {profile} --uses 5")).ok().text();
    lab.write("token", &token);
    token.trim().to_owned()
}

/// Asserts that a file holds a certificate of the CA for `dev.key`, and brings its serial number.
#[track_caller]
fn is_issued(lab: &Lab, file: &str) -> String {
    openssl(lab, "pkey -in dev.key -pubout -out dev.pub").ok();
    let public = openssl(lab, &format!("x509 -in {file} -noout -pubkey")).ok().stdout;
    assert_eq!(public, lab.read("dev.pub"), "{file} is for another key");
    openssl(lab, &format!("verify -CAfile root.pem -untrusted acme/device/issuing.pem {file}")).ok();
    openssl(lab, &format!("x509 -in {file} -noout -serial")).ok().text()
}

/// strongSwan's pki; its words are on standard error, and the certificate, PEM, on standard output.
fn strongswan(lab: &Lab, serving: &Serving, words: &str) -> Run {
    let (operation, words) = words.split_once(' ').expect("an operation and more");
    let trust = "--cacert root.pem --cacert acme/device/issuing.pem";
    lab.judge(&format!("pki {operation} --url {} {trust} --outform pem {words}", serving.url()))
}

/// BouncyCastle's client with `trust` and `server` filled in; Java's own TLS in one version.
fn bouncy_castle(lab: &Lab, serving: &Serving, tls: &str, words: &str) -> Run {
    let (operation, words) = words.split_once(' ').expect("an operation and more");
    let server = format!("server=localhost:{}", serving.address.port());
    let java = JAVA.replacen("java ", &format!("java -Djdk.tls.client.protocols={tls} "), 1);
    lab.judge(&format!("{java} EstClient {operation} {server} trust=root.pem out=out.pem {words}"))
}

/// curl: an operation by hand. Standard output is the status code, the body goes into `body`.
fn curl(lab: &Lab, serving: &Serving, operation: &str, words: &str) -> String {
    let fixed = "-sS --cacert root.pem -o body -w %{http_code}";
    lab.judge(&format!("curl {fixed} {words} {}/.well-known/est/{operation}", serving.url())).ok().text()
}

#[test]
fn strongswan_enrolls_and_renews() {
    let lab = with_device();
    let serving = Serving::start(&lab, "--serve-profile idevid");
    let run = strongswan(&lab, &serving, "--estca --caout fetched.pem --force").ok();
    assert!(run.stderr.contains("Root CA cert is trusted"), "{}", run.stderr);
    assert_eq!(der_of(&lab, "x509", "fetched.pem"), der_of(&lab, "x509", "root.pem"));

    strongswan(&lab, &serving, "--est --in dev.der").fails();
    strongswan(&lab, &serving, "--est --in dev.der --userpass SN-42:0123456789012345678901234567890123456789").fails();
    let token = token(&lab, "idevid");
    strongswan(&lab, &serving, &format!("--est --in dev.der --userpass SN-43:{token}")).fails();
    let run = strongswan(&lab, &serving, &format!("--est --in dev.der --userpass SN-42:{token}")).ok();
    assert!(run.stderr.contains("Issued certificate is trusted"), "{}", run.stderr);
    lab.write("dev.pem", run.stdout);
    let first = is_issued(&lab, "dev.pem");
    let again = strongswan(&lab, &serving, &format!("--est --in dev.der --userpass SN-42:{token}")).ok();
    lab.write("again.pem", again.stdout);
    assert_eq!(is_issued(&lab, "again.pem"), first, "the same request is the same certificate");

    let run = strongswan(&lab, &serving, "--est --in dev.der --cert dev.pem --key dev.key").ok();
    lab.write("renewed.pem", run.stdout);
    assert_ne!(is_issued(&lab, "renewed.pem"), first);
    assert!(!serving.log().contains(&token), "a token is in the log");
}

#[test]
fn strongswan_asks_until_it_is_approved() {
    let lab = with_device();
    let serving = Serving::start(&lab, "--serve-profile idevid --manual-approval");
    let token = token(&lab, "idevid");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let poll = "--interval 1 --maxpolltime 60";
            strongswan(&lab, &serving, &format!("--est --in dev.der --userpass SN-42:{token} {poll}"))
        });
        approve(&lab);
        let run = asking.join().expect("strongSwan ends").ok();
        assert!(run.stderr.contains("EST request pending"), "{}", run.stderr);
        lab.write("dev.pem", run.stdout);
    });
    is_issued(&lab, "dev.pem");
}

/// Approves the one request of SN-42, once it is there.
fn approve(lab: &Lab) {
    let started = Instant::now();
    while lab.bulla("ca approve acme --identity SN-42").code != Some(0) {
        assert!(started.elapsed() < PATIENCE, "no request is waiting");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn bouncy_castle_enrolls_and_renews() {
    let lab = with_device();
    let serving = Serving::start(&lab, "--serve-profile idevid --serve-profile ldevid");
    token(&lab, "idevid");
    let basic = "csr=dev.csr user=SN-42 password=token";
    for tls in ["TLSv1.3", "TLSv1.2"] {
        let said = |words: &str| bouncy_castle(&lab, &serving, tls, words).ok().text();
        let protocol = format!("protocol {tls}\n");
        let certificates = said("cacerts label=idevid");
        assert!(certificates.starts_with(&protocol), "{certificates}");
        assert_eq!(certificates.matches("certificate ").count(), 2, "{certificates}");
        assert!(said("csrattrs label=idevid").starts_with(&protocol));
        // With line ends in the request's base64, as it has them, and without.
        for body in ["lines", "joined"] {
            assert!(said(&format!("enroll {basic} body={body}")).starts_with(&protocol));
            is_issued(&lab, "out.pem");
        }
    }
    lab.write("dev.pem", lab.read("out.pem"));
    let first = is_issued(&lab, "dev.pem");
    let by_certificate = "csr=dev.csr cert=dev.pem key=dev.key label=idevid";
    bouncy_castle(&lab, &serving, "TLSv1.3", &format!("reenroll {by_certificate}")).ok();
    assert_ne!(is_issued(&lab, "out.pem"), first);

    let refused = |words: &str, status: &str| {
        let said = bouncy_castle(&lab, &serving, "TLSv1.3", words).exits(3).text();
        assert!(said.starts_with(&format!("refused {status} ")), "{words}: {said}");
    };
    refused("enroll csr=dev.csr", "401");
    refused("enroll csr=dev.csr user=SN-43 password=token", "401");
    refused(&format!("enroll {basic} label=ldevid"), "403");
    refused(&format!("enroll {basic} label=firmware"), "404");
}

#[test]
fn bouncy_castle_asks_until_it_is_approved() {
    let lab = with_device();
    let serving = Serving::start(&lab, "--serve-profile idevid --manual-approval");
    token(&lab, "idevid");
    let basic = "enroll csr=dev.csr user=SN-42 password=token";
    assert_eq!(bouncy_castle(&lab, &serving, "TLSv1.3", basic).exits(6).text(), "pending\n");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| bouncy_castle(&lab, &serving, "TLSv1.3", &format!("{basic} poll=120")));
        approve(&lab);
        let run = asking.join().expect("BouncyCastle's client ends").ok();
        assert!(run.text().ends_with("certificate SERIALNUMBER=SN-42\n"), "{}", run.text());
    });
    is_issued(&lab, "out.pem");
}

#[test]
fn bouncy_castle_takes_a_key_from_the_server() {
    let lab = with_device();
    let serving = Serving::start(&lab, "--serve-profile idevid");
    token(&lab, "idevid");
    let basic = "serverkeygen csr=dev.csr user=SN-42 password=token keyout=made.key";
    bouncy_castle(&lab, &serving, "TLSv1.3", basic).ok();
    openssl(&lab, "pkey -in made.key -check -noout").ok();
    lab.write("dev.key", lab.read("made.key"));
    is_issued(&lab, "out.pem");
}

#[test]
fn curl_and_openssl_enroll_by_hand() {
    let lab = with_device();
    let serving = Serving::start(&lab, "--serve-profile idevid");
    let token = token(&lab, "idevid");
    assert_eq!(curl(&lab, &serving, "cacerts", ""), "200");
    let printed = lab.shell("base64 -d body | openssl pkcs7 -inform DER -print_certs -noout").ok().text();
    assert_eq!(printed.matches("subject=").count(), 2, "{printed}");
    assert_eq!(curl(&lab, &serving, "csrattrs", ""), "200");
    lab.shell("base64 -d body | openssl asn1parse -inform DER").ok();

    let mut serials = Vec::new();
    for (body, fields) in [
        ("dev.b64", ""),
        ("dev.lines", "-H Content-Transfer-Encoding:base64"),
        ("dev.lines", "-H Transfer-Encoding:chunked -H Expect:100-continue"),
    ] {
        let words = format!("--data-binary @{body} -H Content-Type:application/pkcs10 {fields}");
        assert_eq!(curl(&lab, &serving, "simpleenroll", &words), "401", "{fields}");
        assert_eq!(curl(&lab, &serving, "simpleenroll", &format!("{words} -u SN-42:{token}")), "200", "{fields}");
        let lines = lab.read("body").trim_ascii().iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines > 0, body == "dev.lines", "the answer is laid out as the request is");
        lab.shell("base64 -d body | openssl pkcs7 -inform DER -print_certs >out.pem").ok();
        serials.push(is_issued(&lab, "out.pem"));
        let bearer = format!("{words} --oauth2-bearer {token}");
        assert_eq!(curl(&lab, &serving, "simpleenroll", &bearer), "200", "{fields}");
    }
    serials.dedup();
    assert_eq!(serials.len(), 1, "the same request is the same certificate");
    let words = "--data-binary @dev.b64 -H Content-Type:application/pkcs10 --cert out.pem --key dev.key";
    assert_eq!(curl(&lab, &serving, "simplereenroll", words), "200");
}

/// RFC 7030 section 4.4.2: a client whose certificate has a key that may be encrypted to gets the new one encrypted to that.
#[test]
fn openssl_opens_the_key_that_the_server_made_and_encrypted() {
    let lab = with_device();
    let serving = Serving::start(&lab, "--serve-profile idevid");
    let token = token(&lab, "idevid");
    lab.bulla("keygen --type rsa2048 -o own.key").ok();
    lab.bulla("enroll --key own.key --profile tls-client --cn own --ca acme -o own.pem").ok();
    let own = Certificate::from_der(&der_of(&lab, "x509", "own.pem")).expect("a certificate");
    let identity = own.subject_key_identifier().expect("an extension");
    let asking = |decrypt_key| {
        let subject = Name::new(&[(Name::SERIAL_NUMBER, "SN-42")]).expect("a name");
        let wanted = Wanted { subject, decrypt_key, ..Wanted::default() };
        let key = KeyFile::read(&KeyRef::File(lab.path("dev.key"))).expect("a key file").open(None).expect("a key");
        let request = Request::new(&Profile::named("idevid").expect("a profile"), &wanted, &key).expect("a request");
        lab.write("asking.der", request.der());
        lab.shell("base64 -w0 <asking.der >asking.b64").ok();
        let words = "--data-binary @asking.b64 -H Content-Type:application/pkcs10 --cert own.pem --key own.key";
        curl(&lab, &serving, "serverkeygen", &format!("{words} -u SN-42:{token}"))
    };
    // A key that is not the client's.
    assert_eq!(asking(Some(vec![7; 20])), "400");
    assert_eq!(asking(identity), "200");
    let body = lab.read("body");
    assert!(!contains(&body, b"application/pkcs8"), "the key is not encrypted");
    let part = &body[find(&body, b"smime-type=server-generated-key")..];
    let start = find(&part[..part.len().min(200)], b"\r\n\r\n");
    let end = part.windows(4).position(|window| window == b"\r\n--").expect("the end of the part");
    lab.write("sealed.b64", &part[start..end]);
    lab.shell("base64 -di sealed.b64 >sealed.der").ok();
    let opened = openssl(&lab, "cms -decrypt -inform DER -in sealed.der -inkey own.key -recip own.pem").ok().stdout;
    let signed = SignedData::from_content(&opened).expect("signed data");
    let package = signed.content.expect("a key package");
    // The PKCS#8 key stands in a SEQUENCE OF, whose header has two or three bytes.
    let header = if package[1] & 0x80 == 0 { 2 } else { 3 };
    lab.write("made.der", &package[header..]);
    openssl(&lab, "pkey -inform DER -in made.der -out dev.key").ok();
    let sealed = EnvelopedData::from_bytes(&lab.read("sealed.der")).expect("an envelope");
    assert_eq!(sealed.content_type, const_oid::db::rfc5911::ID_SIGNED_DATA);
    let text = String::from_utf8(body).expect("text");
    let certificates = text.split("certs-only").nth(1).and_then(|part| part.split("\r\n\r\n").nth(1));
    let certificates = certificates.and_then(|part| part.split("\r\n--").next()).expect("certificates");
    lab.write("certificates.b64", certificates);
    lab.shell("base64 -di certificates.b64 | openssl pkcs7 -inform DER -print_certs >out.pem").ok();
    is_issued(&lab, "out.pem");
}
