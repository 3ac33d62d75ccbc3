//! Signing and verifying 1 GiB with `--as cms` beside `openssl dgst -sha256` of the same file, which hashes and nothing
//! else. Goal: at most 1.3 each, and 24 MiB of memory at most.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

mod bytes;
mod measure;
use bytes::random_bytes;
use measure::{BULLA, command, in_turn, run};

const ROUNDS: usize = 5;
const MIB: usize = 1024;
const SIGN: &str = "sign image --as cms --key firmware.key --cert firmware.pem --force -o image.p7s";
const VERIFY: &str = "verify image --as cms --signature image.p7s --trust acme/firmware/root.pem";

fn main() {
    // Not in memory, as /tmp may be: the file is read through the page cache, like any image.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let folder = folder.path();
    write_image(&folder.join("image")).expect("1 GiB of free space");
    for words in [
        "ca init acme --name Acme --no-passphrase",
        "keygen -o firmware.key",
        "enroll --key firmware.key --profile firmware --cn signer --ca acme -o firmware.pem",
    ] {
        run(folder, BULLA, words);
    }
    let quiet = |words| move || run(folder, BULLA, words);
    let [dgst, sign, verify] =
        in_turn(ROUNDS, [&mut || run(folder, "openssl", "dgst -sha256 image"), &mut quiet(SIGN), &mut quiet(VERIFY)]);
    println!("{MIB} MiB, median of {ROUNDS} processes each, in turn, page cache warm");
    println!("{:24} {:>6}  {:>5}  {:>8}", "", "s", "ratio", "peak MiB");
    let row = |what: &str, time: Duration, peak: f64| {
        let seconds = time.as_secs_f64();
        println!("{what:24} {seconds:6.3}  {:5.2}  {peak:8.1}", seconds / dgst.as_secs_f64());
    };
    row("openssl dgst -sha256", dgst, peak(folder, "openssl", "dgst -sha256 image"));
    row("bulla sign --as cms", sign, peak(folder, BULLA, SIGN));
    row("bulla verify --as cms", verify, peak(folder, BULLA, VERIFY));
}

/// Writes an image, a MiB at a time.
fn write_image(path: &Path) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    for seed in 0..MIB {
        file.write_all(&random_bytes(seed as u64, 1 << 20))?;
    }
    // Else the kernel would write it out while others are measured.
    file.sync_all()
}

/// The most memory that a process had resident, in MiB. It is asked each millisecond, so this is a run of its own, which
/// is not timed.
fn peak(folder: &Path, program: &str, words: &str) -> f64 {
    let mut child = command(folder, program, words).stderr(Stdio::null()).spawn().expect("a process");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
    f64::from(peak) / 1024.0
}
