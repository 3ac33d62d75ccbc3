//! The archive and its description by themselves; with signatures they stand in the table of all formats.

use std::path::Path;

use super::*;
use crate::image::MESSAGE_LIMIT;
use crate::key::Hash;

const PAYLOAD: &[u8] = b"the root file system of a device";

/// An archive as `cpio -o -H crc` writes it, without the padding behind it.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let trailer: (&str, &[u8]) = ("TRAILER!!!", b"");
    for (inode, (name, content)) in entries.iter().chain([&trailer]).enumerate() {
        let (size, sum) = (content.len(), content.iter().map(|byte| u32::from(*byte)).sum::<u32>());
        let (name_size, mode) = (name.len() + 1, 0o100_644);
        bytes.extend(format!("070702{inode:08X}{mode:08X}{:08X}{:08X}{:08X}{:08X}", 0, 0, 1, 0x1234_5678).bytes());
        bytes.extend(format!("{size:08X}{:08X}{:08X}{:08X}{:08X}{name_size:08X}{sum:08X}", 0, 8, 0, 0).bytes());
        bytes.extend(name.bytes().chain([0]));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn description() -> String {
    let sha256 = Hash::Sha256.digest(PAYLOAD);
    let image = format!("{{ filename = \"rootfs.ext4\"; sha256 = \"{sha256}\"; device = \"/dev/null\"; }}");
    format!("software = {{ version = \"1.2.0\"; hardware-compatibility: [ \"1.0\" ]; images: ( {image} ); }}")
}

/// An update that is not signed yet.
pub fn update() -> Vec<u8> {
    archive(&[(DESCRIPTION, description().as_bytes()), ("rootfs.ext4", PAYLOAD)])
}

fn with_source<T>(bytes: &[u8], work: impl FnOnce(&mut Source<'_>) -> T) -> T {
    work(&mut Source::from_bytes(Path::new("image"), bytes.to_vec(), |_| {}))
}

fn read_archive(bytes: &[u8]) -> Result<Archive, Bad> {
    with_source(bytes, |source| judged(Archive::read(source))).unwrap()
}

/// Checks all files of an update against its description; returns the stable code where something is wrong.
fn check(bytes: &[u8]) -> Result<Files, &'static str> {
    let checked = with_source(bytes, |source| {
        judged((|| {
            let update = Update::read(source)?;
            update.check(source, Device::default()).map(|(_, files)| files)
        })())
    });
    checked.unwrap().map_err(|bad| bad.code)
}

#[test]
fn an_archive_is_read_to_its_last_byte() {
    let good = archive(&[("a", b"12345"), ("name", b""), ("b/c", b"1234")]);
    let read = read_archive(&good).unwrap();
    let found: Vec<_> = read.entries.iter().map(|entry| (entry.name.as_str(), entry.len())).collect();
    assert_eq!(found, [("a", 5), ("name", 0), ("b/c", 4)]);
    assert_eq!((read.end, read.is_padded), (good.len() as u64, false));
    // "070701" says that there are no checksums, lower case means the same, and cpio pads to 512.
    let mut other = good.clone();
    other[5] = b'1';
    other[..110].make_ascii_lowercase();
    other.resize(other.len().next_multiple_of(512), 0);
    assert_eq!(read_archive(&other).map(|read| read.is_padded), Ok(true));

    let changed = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let trailer = good.len() - 124;
    for (bytes, words) in [
        (changed(0, b"070707"), "no header of a cpio archive at byte 0"),
        (changed(6, b"0000000g"), "a number that is none"),
        (changed(6, b" 0000001"), "a number that is none"),
        (changed(6, b"+0000001"), "a number that is none"),
        (changed(54, b"FFFFFFFF"), "cut short"),
        (changed(94, b"00000000"), "name of the entry at byte 0"),
        (changed(94, b"00000001"), "name of the entry at byte 0"),
        (changed(94, b"00000003"), "name of the entry at byte 0"),
        (changed(94, b"00000100"), "more than 254 bytes"),
        (changed(94, b"FFFFFFFF"), "more than 254 bytes"),
        (changed(110, b"/"), "leads out of the folder"),
        (changed(110, b"\xff"), "name of the entry at byte 0"),
        (changed(117, b"x"), "padding"),
        (changed(trailer + 54, b"00000001"), "cut short"),
        (changed(trailer + 102, b"00000001"), "the trailer has content"),
        (good[..trailer].to_vec(), "cut short"),
        ([&good[..], &[0; 4]].concat(), "behind the end"),
        ([&good[..], &good[..]].concat(), "behind the end"),
        ([&other[..], &[0; 512]].concat(), "behind the end"),
        ([&other[..other.len() - 1], b"x"].concat(), "padding"),
        (archive(&[("a", b"1"), ("a", b"1")]), "a is in the archive twice"),
        (archive(&[("a/../b", b"1")]), "leads out of the folder"),
        (archive(&[("a\0b", b"1")]), "name of the entry at byte 0"),
        (b"070702".to_vec(), "cut short"),
    ] {
        let bad = read_archive(&bytes).err().unwrap_or_else(|| panic!("{words}"));
        assert!(bad.code == "malformed" && bad.words.contains(words), "{words}: {}", bad.words);
    }
    let many: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
    let entry = |name| -> (&str, &[u8]) { (name, b"") };
    let many: Vec<_> = many.iter().map(|name| entry(name)).collect();
    assert!(read_archive(&archive(&many[..4096])).is_ok());
    assert!(read_archive(&archive(&many[..4097])).err().unwrap().words.contains("more than 4096 entries"));
}

#[test]
fn a_head_and_a_tail_are_read_as_they_were_written() {
    let mut bytes = cpio::head("name", 3, cpio::add(0, b"abc"));
    bytes.extend(b"abc\0");
    bytes.extend(cpio::tail(bytes.len() as u64));
    assert_eq!(bytes.len(), 512);
    let archive = read_archive(&bytes).unwrap();
    assert!(archive.is_padded);
    let content = with_source(&bytes, |source| judged(archive.entries[0].bytes(source, 3))).unwrap();
    assert_eq!(content, Ok(b"abc".to_vec()));
    let too_long = with_source(&bytes, |source| judged(archive.entries[0].bytes(source, 2))).unwrap();
    assert_eq!(too_long.unwrap_err().code, "malformed");
}

#[test]
fn every_file_is_what_the_description_says() {
    let text = description();
    let with = |text: &str, rest: &[(&str, &[u8])]| {
        let mut entries: Vec<(&str, &[u8])> = vec![(DESCRIPTION, text.as_bytes())];
        entries.extend(rest);
        archive(&entries)
    };
    let rootfs = ("rootfs.ext4", PAYLOAD);
    let other: &[u8] = b"the root file system of a devicf";
    let files = check(&with(&text, &[rootfs])).unwrap();
    assert_eq!((files.named, files.ignored, files.covered), (vec!["rootfs.ext4".to_owned()], vec![], 32));
    let files = check(&with(&text, &[("extra", b"x"), rootfs])).unwrap();
    assert_eq!((files.ignored, files.covered), (vec!["extra".to_owned()], 32));
    let zeros = text.replace(&Hash::Sha256.digest(PAYLOAD).to_string(), &"0".repeat(64));
    let short = text.replace("sha256 = \"", "sha256 = \"00");
    let upper = text.replace(
        &Hash::Sha256.digest(PAYLOAD).to_string(),
        &format!("{}", Hash::Sha256.digest(PAYLOAD)).to_uppercase(),
    );
    let sized = |size: &str| text.replace("device", &format!("size = {size}; device"));
    // Below a board, a set and a mode, and where only a link leads: what is named anywhere is looked at.
    let elsewhere = |group: &str| format!("{text} common = {{ files: ( {group} ); }}");
    let other_named = format!("{{ filename = \"other\"; sha256 = \"{}\"; }}", Hash::Sha256.digest(other));
    let twice = format!("{{ filename = \"rootfs.ext4\"; sha256 = \"{}\"; }}", Hash::Sha256.digest(other));
    for (bytes, code) in [
        (with(&upper, &[rootfs]), None),
        (with(&sized("32"), &[rootfs]), None),
        (with(&sized("0"), &[rootfs]), None),
        (with(&sized("33"), &[rootfs]), Some("size")),
        (with(&sized("-32"), &[rootfs]), Some("size")),
        (with(&text, &[("rootfs.ext4", other)]), Some("digest")),
        (with(&text, &[]), Some("file-missing")),
        (with(&text, &[("rootfs", PAYLOAD)]), Some("file-missing")),
        (with(&zeros, &[rootfs]), Some("hash-missing")),
        (with(&short, &[rootfs]), Some("hash-missing")),
        (with(&text.replace("sha256", "sha1"), &[rootfs]), Some("hash-missing")),
        (with(&text.replace("\"rootfs.ext4\"", "1"), &[rootfs]), Some("malformed")),
        (with(&text.replace("rootfs.ext4", ""), &[rootfs]), Some("malformed")),
        (with(&text.replace("rootfs.ext4", "rootfs.ext4\\x00x"), &[rootfs]), Some("malformed")),
        (with(&elsewhere(&other_named), &[rootfs, ("other", other)]), None),
        (with(&elsewhere(&other_named), &[rootfs]), Some("file-missing")),
        (with(&elsewhere(&twice), &[rootfs]), Some("digest")),
        (with(&elsewhere("{ filename = \"x\"; }"), &[rootfs]), Some("hash-missing")),
        (with(&elsewhere("{ properties = { filename = \"x\"; }; }"), &[rootfs]), None),
        (with(&text.replace("version", "version version"), &[rootfs]), Some("malformed")),
        (with(&text.replace("version", "varsion"), &[rootfs]), Some("malformed")),
        (with("software = { version = \"1\"; images: (); }", &[]), Some("nothing-to-install")),
        (with("software = { version = \"1\"; stable: { main: { bootenv: ( {} ); }; }; }", &[]), None),
        (archive(&[rootfs, (DESCRIPTION, text.as_bytes())]), Some("malformed")),
        (with(&text, &[rootfs, (SIGNATURE, b"x")]), Some("malformed")),
        (with(&format!("{text}{}", " ".repeat((1 << 20) - text.len())), &[rootfs]), None),
        (with(&" ".repeat((1 << 20) + 1), &[]), Some("malformed")),
    ] {
        assert_eq!(check(&bytes).err(), code, "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(600)]));
    }
    // Without a checksum of its own a file is still held by its digest; with one, a file that nobody names is held too.
    let mut unnamed = with(&text, &[("extra", b"x"), rootfs]);
    let extra = unnamed.windows(6).position(|window| window == b"extra\0").unwrap() + 6;
    unnamed[extra] = b'y';
    assert_eq!(check(&unnamed).err(), Some("checksum"));
    unnamed[extra - 6 - 110 + 5] = b'1';
    assert_eq!(check(&unnamed).err(), None);
}

const BOARDS: &str = r##"
software = {
    version = "1.0";
    description = "for all";
    hardware-compatibility: [ "1.0", "#RE:^2" ];
    one = { version = "1.1"; hardware-compatibility: [ "3.0" ]; };
    two = { hardware-compatibility: { ref = "#/shared/hardware"; }; };
    three = { ref = "#./one"; };
    four = { ref = "#../shared"; };
    loop = { ref = "#./pool"; };
    pool = { ref = "#./loop"; };
    lost = { ref = "#/nowhere/at/all"; };
    five = { stable: { main: { version = "5.0"; }; }; };
    stable = { main: { version = "6.0"; hardware-compatibility: ( "7.0" ); scripts: ( { type = "none"; } ); }; };
    six = { hardware-compatibility = "1.0"; };
};
shared = { version = "4.0"; hardware = [ "4.0" ]; };
"##;

#[test]
fn a_device_finds_what_is_for_it() {
    let description = Description::parse(BOARDS.as_bytes()).unwrap();
    let everybody = ["1.0", "#RE:^2"];
    let stable = Some(("stable", "main"));
    for (board, selection, version, revisions) in [
        (None, None, "1.0", &everybody[..]),
        (Some("one"), None, "1.1", &["3.0"]),
        (Some("two"), None, "1.0", &["4.0"]),
        (Some("three"), None, "1.1", &["3.0"]),
        (Some("four"), None, "4.0", &everybody),
        (Some("loop"), None, "1.0", &everybody),
        (Some("lost"), None, "1.0", &everybody),
        (Some("six"), None, "1.0", &[]),
        (Some("nobody"), None, "1.0", &everybody),
        (None, stable, "6.0", &["7.0"]),
        (Some("one"), stable, "6.0", &["7.0"]),
        (Some("five"), stable, "5.0", &["7.0"]),
        (Some("one"), Some(("stable", "alternative")), "1.1", &["3.0"]),
    ] {
        let device = Device { board, selection };
        assert_eq!(description.version(device), Ok(Some(version)), "{device:?}");
        assert_eq!(description.revisions(device), revisions, "{device:?}");
    }
    let installs = |selection| description.has_content(Device { board: None, selection });
    assert_eq!([None, stable, Some(("stable", "other"))].map(installs), [true, true, false]);
    assert_eq!(description.hardware().unwrap(), ["1.0", "#RE:^2", "one:3.0", "stable.main:7.0"]);

    for (text, is_bad) in [
        ("software = { version = \"1\"; }", false),
        ("software = { version = 1; }", true),
        ("software = { }", true),
        ("software = { board = { version = \"1\"; }; }", false),
        ("software = { images = ( { filename = \"x\"; version = \"1\"; } ); }", true),
        ("hardware = { version = \"1\"; }", true),
    ] {
        let description = Description::parse(text.as_bytes()).unwrap();
        assert_eq!(description.version(Device::default()).is_err(), is_bad, "{text}");
    }
}

/// What is said once and counts for each revision must not grow to gigabytes.
#[test]
fn hardware_is_bounded() {
    let hardware = |board: &str, revisions: usize| {
        let revisions = vec!["\"1\""; revisions].join(",");
        let text = format!("software = {{ {board} = {{ hardware-compatibility = ({revisions}); }}; }}");
        Description::parse(text.as_bytes()).unwrap().hardware()
    };
    assert_eq!(hardware("b", 1024).unwrap().len(), 1024);
    assert_eq!(hardware(&"b".repeat(255), 1).unwrap().len(), 1);
    for (board, revisions) in [("b".to_owned(), 1025), ("b".repeat(256), 1), ("b".repeat(500_000), 120_000)] {
        assert_eq!(hardware(&board, revisions).unwrap_err().code, "malformed");
    }
    let deep = "software = { a = { b = { c = { d = { hardware-compatibility = (\"1\"); }; }; }; }; }";
    assert_eq!(Description::parse(deep.as_bytes()).unwrap().hardware().unwrap(), [""; 0]);
}

#[test]
fn json_says_the_same() {
    let json = br#" { "software": { "version": "1.0", "board": { "hardware-compatibility": ["2.0"] }, "size": 7,
        "nothing": [null, true, 1.5, 18446744073709551615] } }"#;
    let description = Description::parse(json).unwrap();
    let device = Device { board: Some("board"), selection: None };
    assert_eq!(description.version(device), Ok(Some("1.0")));
    assert_eq!(description.revisions(device), ["2.0"]);
    for json in [&b"{"[..], b"{} {}", b"{\"a\": \"\\u0000\"}", b"{\"a\\u0000\": 1}", b"{'a': 1}", b"{\"a\": 1,}"] {
        let bad = Description::parse(json).err().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(json)));
        assert_eq!(bad.code, "malformed");
    }
}

#[test]
fn an_update_is_described_and_nothing_else_is() {
    let described = |bytes: &[u8]| with_source(bytes, describe).unwrap();
    let rows = described(&update()).unwrap().rows;
    for row in [("signature", "none"), ("version", "1.2.0"), ("hardware", "1.0"), ("files", "rootfs.ext4")] {
        assert!(rows.contains(&(row.0, row.1.to_owned())), "{rows:?}");
    }
    assert_eq!(described(&archive(&[("another", b"x"), (DESCRIPTION, b"x")])), None);
    assert_eq!(described(b"070702"), None);
    let short = update();
    let rows = described(&short[..short.len() - 1]).unwrap().rows;
    assert!(rows.contains(&("damaged", "the archive is cut short".to_owned())), "{rows:?}");
    let whole = with_source(&short, |source| source.bytes(MESSAGE_LIMIT)).unwrap();
    assert_eq!(whole, short);
}
