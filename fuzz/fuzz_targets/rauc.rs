//! Bundles of RAUC, plain and with a digest tree.

#![no_main]

use bulla::image::{Settings, format_named};
use bulla_fuzz::image::{lay_out, read, source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let format = format_named("rauc").expect("a format");
    read(format, bytes, &Settings::default(), true);
    // For a signature of any other bundle unsquashfs is asked, a program of its own, what is in it.
    let description = format.describe(&mut source(bytes)).ok().flatten();
    if description.is_some_and(|description| description.rows.contains(&("format", "verity".to_owned()))) {
        lay_out(format, bytes, &Settings::default());
    }
});
