//! Profiles in TOML.

#![no_main]

use bulla::x509::{Profile, lint};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(profile) = Profile::from_toml(text) else { return };
    let again = Profile::from_toml(&profile.to_toml()).expect("what was written can be read");
    assert_eq!(profile.digest(), again.digest());
    let _ = (profile.to_json(), lint::of_profile(&profile));
});
