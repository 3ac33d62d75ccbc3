//! Judging a TLS server's chain, a leaf under two intermediates, all P-256: in process beside rustls-webpki, and as a whole
//! process beside `openssl verify`. Goals: at least half of the one's rate, and not slower than the other.
//!
//! In process each starts from the DER of the leaf and the intermediates; the root is taken in beforehand, as a server
//! does it.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use bulla::x509::verify::{self, Anchors, Purpose, Rules};
use bulla::x509::{AltName, Certificate, Time, read_certificates};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

mod measure;
use measure::{BULLA, in_turn, run};

const ROUNDS: usize = 15;
const CHAINS: u32 = 500;
const HOST: &str = "est.acme.example";
const SCHEMES: &[&dyn rustls_pki_types::SignatureVerificationAlgorithm] = &[webpki::ring::ECDSA_P256_SHA256];

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    make_chain(folder);
    let der = |name: &str| {
        let found = read_certificates("certificate", &folder.join(name)).expect("a certificate");
        found[0].der().to_vec()
    };
    let [root, upper, lower, leaf] = ["root.pem", "upper.pem", "lower.pem", "leaf.pem"].map(der);
    let anchors = Anchors::new(vec![Certificate::from_der(&root).expect("a certificate")]).expect("an anchor");
    let rules =
        Rules { name: Some(AltName::dns(HOST).expect("a name")), ..Rules::new(Purpose::TlsServer, Time::now_utc()) };
    let mut ours = || {
        repeated(|| {
            let [leaf, upper, lower] =
                [&leaf, &upper, &lower].map(|der| Certificate::from_der(der).expect("a certificate"));
            verify::path(&leaf, &[upper, lower], &anchors, &rules).expect("a chain")
        })
    };
    let root = CertificateDer::from(root);
    let anchor = [anchor_from_trusted_cert(&root).expect("an anchor")];
    let between = [upper.clone(), lower.clone()].map(CertificateDer::from);
    let end_entity = CertificateDer::from(leaf.clone());
    let host = ServerName::try_from(HOST).expect("a name");
    let mut theirs = || {
        repeated(|| {
            let leaf = EndEntityCert::try_from(&end_entity).expect("a certificate");
            let (usage, now) = (KeyUsage::server_auth(), UnixTime::now());
            let path = leaf.verify_for_usage(SCHEMES, &anchor, &between, now, usage, None, None);
            let length = path.expect("a chain").intermediate_certificates().count();
            leaf.verify_is_valid_for_subject_name(&host).expect("its name");
            length
        })
    };
    let [ours, theirs] = in_turn(ROUNDS, [&mut ours, &mut theirs]);
    println!("leaf, 2 intermediates, P-256; median of {ROUNDS}");
    println!("{:28} {:>10}  {:>5}", "in process", "chains/s", "ratio");
    for (what, time) in [("rustls-webpki with ring", theirs), ("bulla::x509::verify::path", ours)] {
        let rate = f64::from(CHAINS) / time.as_secs_f64();
        println!("{what:28} {rate:10.0}  {:5.2}", theirs.as_secs_f64() / time.as_secs_f64());
    }
    let files = "leaf.pem --untrusted untrusted.pem --purpose tls-server --trust root.pem --name";
    let ours = format!("verify-chain {files} {HOST}");
    let theirs = "verify -CAfile root.pem -untrusted untrusted.pem -purpose sslserver -verify_hostname";
    let theirs = format!("{theirs} {HOST} leaf.pem");
    let [ours, theirs] =
        in_turn(5 * ROUNDS, [&mut || run(folder, BULLA, &ours), &mut || run(folder, "openssl", &theirs)]);
    println!("{:28} {:>10}  {:>5}", "whole process", "ms", "ratio");
    for (what, time) in [("openssl verify", theirs), ("bulla verify-chain", ours)] {
        println!("{what:28} {:10.2}  {:5.2}", 1000.0 * time.as_secs_f64(), time.as_secs_f64() / theirs.as_secs_f64());
    }
}

fn repeated<T>(mut judge: impl FnMut() -> T) -> Duration {
    let started = Instant::now();
    (0..CHAINS).for_each(|_| drop(black_box(judge())));
    started.elapsed()
}

/// `root.pem`, `upper.pem` and `lower.pem` below it, `leaf.pem`, and the two between in `untrusted.pem`.
fn make_chain(folder: &Path) {
    let ca = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign";
    let leaf = format!(
        "-addext keyUsage=digitalSignature -addext extendedKeyUsage=serverAuth -addext subjectAltName=DNS:{HOST}"
    );
    for (name, issuer, extensions) in
        [("root", "", ca), ("upper", "root", ca), ("lower", "upper", ca), ("leaf", "lower", leaf.as_str())]
    {
        let issuer = if issuer.is_empty() { String::new() } else { format!("-CA {issuer}.pem -CAkey {issuer}.key") };
        let key = format!("-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key");
        let identifiers = "-addext subjectKeyIdentifier=hash -addext authorityKeyIdentifier=keyid:always";
        let config = "-config /dev/null -days 9";
        run(
            folder,
            "openssl",
            &format!("req -x509 {key} {issuer} {config} -subj /CN={name} {extensions} {identifiers} -out {name}.pem"),
        );
    }
    let pem = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a certificate");
    std::fs::write(folder.join("untrusted.pem"), pem("upper.pem") + &pem("lower.pem")).expect("a file");
}
