//! OCSP responses.

#![no_main]

use bulla::key::Signer;
use bulla::x509::ocsp::{Answer, Responder};
use bulla_fuzz::{P256, SIGNER, assert_printable, der};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    let response = match Answer::from_der(bytes) {
        Ok(Answer::Response(response)) => response,
        Ok(Answer::Failure(failure)) => return assert_printable(failure),
        Err(_) => return,
    };
    if let Responder::Name(name) = &response.responder {
        assert_printable(name);
    }
    for certificate in response.certificates.iter().chain(&*SIGNER) {
        let _ = response.responder.names(certificate);
        for single in &response.singles {
            let _ = single.id.names(certificate, P256.public_key());
        }
    }
    let _ = (response.scheme(), response.is_signed_by(P256.public_key()));
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { der::mutate(data, size, max_size, seed) });
