//! Images of MCUboot, binary and in Intel HEX.

#![no_main]

use bulla::image::Settings;
use bulla::image::mcuboot::{Dump, Mcuboot, is_hex};
use bulla_fuzz::image::{lay_out, read, source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let from_start = !is_hex(&mut source(bytes)).unwrap_or(true);
    let _ = Dump::read(&mut source(bytes));
    for endian in ["little", "big"] {
        let mut settings = Settings::default();
        settings.add("endian", endian);
        read(&Mcuboot, bytes, &settings, from_start);
        lay_out(&Mcuboot, bytes, &settings);
    }
});
