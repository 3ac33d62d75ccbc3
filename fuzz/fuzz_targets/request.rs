//! Certificate requests, and the names that profiles make of them.

#![no_main]

use bulla::x509::{Profile, Request, Variables};
use bulla_fuzz::{assert_printable, changed, der};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = Request::from_der(bytes) else { return };
    assert_eq!(request.der(), bytes);
    assert_printable(request.subject());
    let alt_names = request.alt_names().unwrap_or_default();
    alt_names.iter().for_each(assert_printable);
    for profile in Profile::built_in() {
        if let Ok(names) = profile.names(request.subject(), &alt_names, &Variables::default(), None) {
            assert_printable(&names.subject);
        }
    }
    if let Ok(proven) = request.prove() {
        assert_eq!(proven.public_key().spki(), proven.request().spki());
        assert!(Request::from_der(&changed(bytes)).and_then(Request::prove).is_err());
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { der::mutate(data, size, max_size, seed) });
