//! Images of the ESP32 under Secure Boot v2.

#![no_main]

use bulla::image::Settings;
use bulla::image::esp32::{Esp32, signature_blocks};
use bulla_fuzz::image::{lay_out, read, source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = signature_blocks(&mut source(bytes));
    read(&Esp32, bytes, &Settings::default(), true);
    lay_out(&Esp32, bytes, &Settings::default());
});
