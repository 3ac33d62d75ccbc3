//! What EST sends, before judges: certs-only messages and CSR attributes.

use bulla::cms::{self, SignedData};
use bulla::enroll::est::CsrAttributes;
use bulla::x509::{Chain, Profile};

use crate::harness::Lab;

#[test]
fn certificates_alone_are_read_by_openssl_and_from_it() {
    let lab = Lab::with_ca();
    let chain = Chain::read(&lab.path("fw.pem")).unwrap();
    let message = cms::certs_only(chain.certificates()).unwrap();
    lab.write("ours.p7b", &message);
    let printed = lab.judge("openssl pkcs7 -inform DER -in ours.p7b -print_certs").ok().text();
    assert_eq!(printed.matches("BEGIN CERTIFICATE").count(), chain.certificates().len(), "{printed}");
    lab.judge("openssl cms -cmsout -print -inform DER -in ours.p7b").ok();
    assert_eq!(SignedData::certificates_only(&message).unwrap().len(), chain.certificates().len());

    lab.judge("openssl crl2pkcs7 -nocrl -certfile fw.pem -outform DER -out theirs.p7b").ok();
    assert_eq!(SignedData::certificates_only(&lab.read("theirs.p7b")).unwrap(), chain.certificates());

    lab.write("text", b"text");
    lab.bulla("sign text --as cms --key fw.key --cert fw.pem -o text.p7s").ok();
    let error = SignedData::certificates_only(&lab.read("text.p7s")).unwrap_err().to_string();
    assert!(error.contains("signer"), "{error}");
    lab.judge("openssl cms -data_create -in text -outform DER -out data.p7m").ok();
    let error = SignedData::certificates_only(&lab.read("data.p7m")).unwrap_err().to_string();
    assert!(error.contains("not signed data"), "{error}");
}

#[test]
fn csr_attributes_are_der_to_openssl() {
    let lab = Lab::new();
    for profile in Profile::built_in() {
        lab.write("attributes", CsrAttributes::of(profile, true).unwrap().to_der().unwrap());
        let printed = lab.judge("openssl asn1parse -inform DER -in attributes").ok().text();
        assert!(printed.contains("challengePassword"), "{printed}");
        assert!(printed.contains("1.2.840.113549.1.9.16.2.61"), "{printed}");
        assert!(printed.contains("X509v3 Key Usage") || profile.rsa_key_encipherment, "{printed}");
    }
}
