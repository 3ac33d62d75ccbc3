//! CSR attributes, of RFC 7030 and of RFC 9908.

#![no_main]

use bulla::enroll::est::CsrAttributes;
use bulla::x509::{Name, Profile, Wanted};
use bulla_fuzz::{assert_printable, der};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    let mut read = match CsrAttributes::from_der(bytes) {
        Ok(read) => read,
        Err(error) => return assert_printable(error),
    };
    if let Some(key) = read.wishes.key {
        assert_printable(key);
    }
    for profile in Profile::built_in() {
        let _ = read.wishes.add_to(Wanted::default(), profile, false);
    }
    // What a profile can want is read again as it is written. Beside a template nothing stands that is not understood.
    read.wishes.unknown.clear();
    read.wishes.subject.retain(|(oid, _)| Name::is_attribute(*oid));
    if let Ok(written) = read.to_der() {
        let again = CsrAttributes::from_der(&written).expect("what was written");
        assert_eq!(format!("{read:?}"), format!("{again:?}"));
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { der::mutate(data, size, max_size, seed) });
