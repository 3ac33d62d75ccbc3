//! Updates of SWUpdate.

#![no_main]

use bulla::image::{Settings, format_named};
use bulla_fuzz::image::{lay_out, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let format = format_named("swupdate").expect("a format");
    read(format, bytes, &Settings::default(), false);
    lay_out(format, bytes, &Settings::default());
});
