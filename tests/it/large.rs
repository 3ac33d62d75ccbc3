//! Images beyond 4 GiB, where 32-bit lengths end: signed and verified whole, in flat memory.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use crate::harness::Lab;

const GIB: u64 = 1 << 30;

/// 5 GiB, of which the last part is not empty.
const LENGTH: u64 = 5 * GIB;

/// Most memory that a process may have resident, in KiB. Buffers and the binary itself take some 10 MiB in a debug build.
const PEAK: u64 = 64 << 10;

/// A sparse image with some bytes before and beyond 4 GiB.
fn image(lab: &Lab, name: &str) -> File {
    let file = OpenOptions::new().create_new(true).read(true).write(true).open(lab.path(name)).expect("an image");
    file.set_len(LENGTH).expect("a sparse file");
    for place in [0, 4 * GIB - 1, 4 * GIB, LENGTH - 1] {
        file.write_all_at(b"x", place).expect("a byte");
    }
    file
}

/// Flips one bit beyond 4 GiB.
fn flip(file: &File) {
    let place = 4 * GIB + 12_345;
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], place).expect("a byte");
}

/// Runs `bulla`; returns its exit code. Its memory must stay flat.
fn bulla(lab: &Lab, words: &str) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bulla"))
        .args(words.split_whitespace())
        .current_dir(lab.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("bulla");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let code = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status.code();
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.parse().ok());
        peak = peak.max(found.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(peak > 0 && peak < PEAK, "{words}: {peak} KiB");
    code
}

/// Signs and verifies an image of 5 GiB, and again with one bit flipped.
fn whole(lab: &Lab, sign: &str, verify: &str, signed: &File) {
    assert_eq!(bulla(lab, sign), Some(0), "{sign}");
    assert_eq!(bulla(lab, verify), Some(0), "{verify}");
    flip(signed);
    assert_eq!(bulla(lab, verify), Some(3), "a flipped bit is noticed: {verify}");
    flip(signed);
}

#[test]
fn detached_signatures_cover_an_image_of_5_gib() {
    let lab = Lab::with_ca();
    let image = image(&lab, "app.bin");
    lab.bulla("keygen --public fw.key -o fw.pub").ok();
    lab.bulla("keygen --type ed25519 -o ed.key").ok();
    lab.bulla("keygen --public ed.key -o ed.pub").ok();
    for (sign, verify) in [
        (
            "sign app.bin --as raw --key fw.key -o app.sig",
            "verify app.bin --as raw --signature app.sig --public-key fw.pub",
        ),
        (
            "sign app.bin --as cms --key fw.key --cert fw.pem -o app.p7s",
            "verify app.bin --as cms --signature app.p7s --trust acme/firmware/root.pem",
        ),
        (
            "sign app.bin --as minisign --key ed.key -o app.minisig",
            "verify app.bin --as minisign --signature app.minisig --public-key ed.pub",
        ),
    ] {
        whole(&lab, sign, verify, &image);
    }
}

/// A squashfs with a hole of 5 GiB between its data and its tables.
///
/// ```text
/// superblock: 40 bytes used u64  48 ids u64  56 xattrs u64  64 inodes u64  72 folders u64  80 fragments u64  88 exports u64
/// ids: where their one block stands, u64
/// ```
fn sparse_squashfs(lab: &Lab, name: &str, format: &str) -> File {
    lab.shell("rm -rf in && mkdir in && head -c 100000 /dev/zero | tr '\\0' x > in/rootfs.img").ok();
    let digest = lab.shell("sha256sum < in/rootfs.img | cut -c1-64").ok().text();
    let manifest = format!(
        "[update]\ncompatible=board\nversion=1\n[bundle]\nformat={format}\n[image.rootfs]\nfilename=rootfs.img\n\
         size=100000\nsha256={digest}"
    );
    lab.write("in/manifest.raucm", manifest);
    lab.judge("mksquashfs in small -noappend -no-exports -no-xattrs -no-fragments -all-root -no-progress -quiet").ok();
    let mut small = lab.read("small");
    let number = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let (inodes, ids) = (number(&small, 64) as usize, number(&small, 48) as usize);
    for at in [40, 48, 56, 64, 72, 80, 88, ids] {
        let moved = number(&small, at).checked_add(LENGTH);
        // All ones say that there is no such table.
        small[at..at + 8].copy_from_slice(&moved.unwrap_or(u64::MAX).to_le_bytes());
    }
    let file = OpenOptions::new().create_new(true).read(true).write(true).open(lab.path(name)).expect("an image");
    file.write_all_at(&small[..inodes], 0).expect("the data");
    file.write_all_at(&small[inodes..], inodes as u64 + LENGTH).expect("the tables");
    file
}

#[test]
fn a_rauc_bundle_covers_a_payload_of_5_gib() {
    let lab = Lab::with_ca();
    let payload = sparse_squashfs(&lab, "verity.squashfs", "verity");
    let verify = "verify update.raucb --as rauc --trust acme/firmware/root.pem --hardware board";
    let sign = |file: &str| format!("sign {file} --as rauc --key fw.key --cert fw.pem -o update.raucb");
    assert_eq!(bulla(&lab, &sign("verity.squashfs")), Some(0));
    drop(payload);
    assert_eq!(bulla(&lab, verify), Some(0));
    let bundle = OpenOptions::new().read(true).write(true).open(lab.path("update.raucb")).expect("a bundle");
    flip(&bundle);
    assert_eq!(bulla(&lab, verify), Some(3));
    // No device takes a plain bundle of this size (CVE-2026-34155), and so none is made.
    std::fs::remove_file(lab.path("update.raucb")).expect("a bundle");
    sparse_squashfs(&lab, "plain.squashfs", "plain");
    lab.refuses(&sign("plain.squashfs"), 1, "a plain bundle has at most 2147483647 bytes");
}
