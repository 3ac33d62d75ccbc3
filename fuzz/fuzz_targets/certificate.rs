//! Certificates one by one: everything that is asked of one without its issuer.

#![no_main]

use bulla::x509::verify::{Rules, leaf_alone, may_sign};
use bulla::x509::{Certificate, Chain, Profile, lint};
use bulla_fuzz::{PURPOSES, assert_printable, der, now};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    let Ok(certificate) = Certificate::from_der(bytes) else { return };
    assert_eq!(certificate.der(), bytes);
    let to_be_signed = certificate.to_be_signed();
    assert!(bytes.windows(to_be_signed.len()).any(|window| window == to_be_signed));
    assert_printable(certificate.subject());
    assert_printable(certificate.issuer());
    let _ = (certificate.basic_constraints(), certificate.key_usage(), certificate.extended_key_usage());
    let _ = (certificate.subject_key_identifier(), certificate.authority_key_identifier());
    let _ = (certificate.scheme(), certificate.public_key());
    certificate.alt_names().unwrap_or_default().iter().for_each(assert_printable);
    for extension in certificate.extensions() {
        let _ = (extension.policies(), extension.crl_urls(), extension.access_urls());
    }
    for profile in Profile::built_in() {
        let _ = profile.check(&certificate);
    }
    for purpose in PURPOSES {
        if let Err(refusal) = leaf_alone(&certificate, &Rules::new(purpose, now())) {
            assert!(!refusal.code().is_empty());
        }
    }
    let _ = may_sign(&certificate);
    let pair = [certificate.clone(), certificate.clone()];
    let _ = (lint::of_certificates(&pair), lint::shared_roots(&pair));
    assert_eq!(Chain::new(pair.into()).is_ok(), certificate.is_self_issued());
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { der::mutate(data, size, max_size, seed) });
