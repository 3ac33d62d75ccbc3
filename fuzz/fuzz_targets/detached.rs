//! Signatures that are files of their own. The input starts with one, and its length in two bytes, little-endian; the rest
//! is the image.

#![no_main]

use bulla::image::{FORMATS, Settings};
use bulla_fuzz::{changed, image};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let Some((signature, image)) = rest.split_at_checked(u16::from_le_bytes(*length).into()) else { return };
    for format in FORMATS.iter().filter(|format| format.is_detached()) {
        for policy in image::policies() {
            let settings = Settings::default();
            if let Some(good) = image::judge(*format, image, Some(signature), &policy, &settings) {
                assert_eq!(good.facts.covered, image.len() as u64);
                assert!(image::judge(*format, &changed(image), Some(signature), &policy, &settings).is_none());
            }
        }
        let _ = format.describe(&mut image::source(signature));
    }
});
