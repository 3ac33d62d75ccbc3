//! Certificate revocation lists.

#![no_main]

use bulla::x509::{CertificateList, colon_hex, rfc3339};
use bulla_fuzz::{assert_printable, der};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = CertificateList::from_der(bytes) else { return };
    assert_printable(&list.issuer);
    for entry in &list.revoked {
        assert_printable(format!("{} {}", colon_hex(&entry.serial), rfc3339(entry.date)));
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { der::mutate(data, size, max_size, seed) });
