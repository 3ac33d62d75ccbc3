//! Signed firmware images beside the tools that makers use: a 1 MiB MCUboot image beside imgtool, a 64 MiB RAUC verity
//! bundle beside rauc. Whole processes, `bulla`'s product durable. Goal: at least 15 times faster than imgtool.

use std::fs;
use std::path::Path;
use std::time::Duration;

mod bytes;
mod measure;
use bytes::random_bytes;
use measure::{BULLA, in_turn, run};

const ROUNDS: usize = 7;
const IMGTOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/judges/firmware/bin/imgtool");

fn main() {
    // Not in memory, as /tmp may be: what is durable is written to a disk.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let folder = folder.path();
    for words in [
        "ca init acme --name Acme --no-passphrase",
        "keygen -o firmware.key",
        "enroll --key firmware.key --profile firmware --cn signer --ca acme -o firmware.pem",
        "keygen --public firmware.key -o firmware.pub",
    ] {
        run(folder, BULLA, words);
    }
    println!("median of {ROUNDS} processes each, in turn");
    mcuboot(folder);
    rauc(folder);
}

fn mcuboot(folder: &Path) {
    fs::write(folder.join("app.bin"), random_bytes(1, 1 << 20)).expect("an image");
    let options = "--version 1.2.3 --header-size 0x200 --pad-header --slot-size 0x200000";
    let bulla = format!("sign app.bin --as mcuboot --key firmware.key {options} -o bulla.img");
    let imgtool = format!("sign --key firmware.key {options} app.bin imgtool.img");
    let verify = "verify bulla.img --as mcuboot --public-key firmware.pub";
    let mut imgtool_signs = || after_sync(folder, "imgtool.img", IMGTOOL, &imgtool);
    let mut bulla_signs = || after_sync(folder, "bulla.img", BULLA, &bulla);
    let [theirs, ours] = in_turn(ROUNDS, [&mut imgtool_signs, &mut bulla_signs]);
    row("MCUboot, 1 MiB, ECDSA P-256: sign", "imgtool", theirs, ours);
    let [theirs, ours] = in_turn(
        ROUNDS,
        [&mut || run(folder, IMGTOOL, "verify --key firmware.pub imgtool.img"), &mut || run(folder, BULLA, verify)],
    );
    row("MCUboot, 1 MiB, ECDSA P-256: verify", "imgtool", theirs, ours);
}

fn rauc(folder: &Path) {
    fs::create_dir(folder.join("bundle")).expect("a folder");
    // Random bytes, so that the payload keeps its size.
    fs::write(folder.join("bundle/rootfs.img"), random_bytes(2, 64 << 20)).expect("an image");
    let manifest =
        "[update]\ncompatible=bench\nversion=1\n\n[bundle]\nformat=verity\n\n[image.rootfs]\nfilename=rootfs.img\n";
    fs::write(folder.join("bundle/manifest.raucm"), manifest).expect("a manifest");
    let conf = "[system]\ncompatible=bench\nbootloader=noop\n[keyring]\npath=acme/firmware/root.pem\n";
    fs::write(folder.join("system.conf"), conf).expect("a configuration");
    let rauc_keys = "--cert=firmware.pem --key=firmware.key --intermediate=acme/firmware/issuing.pem";
    let theirs = format!("bundle {rauc_keys} --keyring=acme/firmware/root.pem bundle rauc.raucb");
    let ours = "sign bundle --as rauc --key firmware.key --cert firmware.pem -o bulla.raucb";
    let mut rauc_bundles = || after_sync(folder, "rauc.raucb", "rauc", &theirs);
    let mut bulla_bundles = || after_sync(folder, "bulla.raucb", BULLA, ours);
    let [rauc, bulla] = in_turn(ROUNDS, [&mut rauc_bundles, &mut bulla_bundles]);
    row("RAUC verity, 64 MiB folder: bundle", "rauc bundle", rauc, bulla);
    let resign =
        format!("resign {rauc_keys} --keyring=acme/firmware/root.pem --conf=system.conf rauc.raucb again.raucb");
    let replace = "sign bulla.raucb --as rauc --replace --key firmware.key --cert firmware.pem -o anew.raucb";
    let mut rauc_resigns = || after_sync(folder, "again.raucb", "rauc", &resign);
    let mut bulla_resigns = || after_sync(folder, "anew.raucb", BULLA, replace);
    let [rauc, bulla] = in_turn(ROUNDS, [&mut rauc_resigns, &mut bulla_resigns]);
    row("RAUC verity, 64 MiB: resign", "rauc resign", rauc, bulla);
    let verify = "verify bulla.raucb --as rauc --trust acme/firmware/root.pem";
    let info = "--conf=system.conf info bulla.raucb";
    let [rauc, bulla] = in_turn(ROUNDS, [&mut || run(folder, "rauc", info), &mut || run(folder, BULLA, verify)]);
    row("RAUC verity, 64 MiB: verify, payload read by bulla alone", "rauc info", rauc, bulla);
}

/// Runs a program that makes the file `product` anew. What others wrote before is on the disk by then: it would be waited
/// for by whoever syncs next.
fn after_sync(folder: &Path, product: &str, program: &str, words: &str) -> Duration {
    // Before the first run there is none.
    let _ = fs::remove_file(folder.join(product));
    run(folder, "sync", "");
    run(folder, program, words)
}

fn row(what: &str, peer: &str, theirs: Duration, ours: Duration) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let times = theirs.as_secs_f64() / ours.as_secs_f64();
    println!(
        "{what}: {peer} {:.1} ms, bulla {:.1} ms, {times:.1} times faster",
        milliseconds(theirs),
        milliseconds(ours)
    );
}
