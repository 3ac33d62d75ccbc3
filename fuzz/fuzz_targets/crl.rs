//! Certificate revocation lists.

#![no_main]

use bulla::key::Signer;
use bulla::x509::CertificateList;
use bulla_fuzz::{P256, assert_printable, der};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = CertificateList::from_der(bytes) else { return };
    assert_printable(list.issuer());
    let entries: Vec<_> = list.revoked().collect();
    assert_eq!(entries.len(), list.count());
    for entry in entries.into_iter().flatten() {
        entry.issuer.iter().for_each(assert_printable);
        entry.reason.iter().for_each(assert_printable);
    }
    let _ = (list.scheme(), list.is_signed_by(P256.public_key()));
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { der::mutate(data, size, max_size, seed) });
