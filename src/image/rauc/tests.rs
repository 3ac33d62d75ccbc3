//! What only a look inside a bundle shows.

use std::path::Path;
use std::sync::OnceLock;

use super::*;
use crate::image::{MESSAGE_LIMIT, Source};

const MANIFEST: &str = "[update]
compatible=board
version=1.2.3

[image.rootfs]
filename=rootfs.img
";

/// A folder with an image that does not compress, and this manifest.
fn folder(manifest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("manifest.raucm"), manifest).unwrap();
    let blocks = (0..400u32).flat_map(|index| Hash::Sha256.digest(&index.to_le_bytes()).bytes().to_vec());
    std::fs::write(folder.path().join("rootfs.img"), blocks.collect::<Vec<u8>>()).unwrap();
    folder
}

/// A squashfs of some blocks, whose manifest says no format.
pub fn squashfs() -> Vec<u8> {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = folder(MANIFEST);
        let manifest = Manifest::of_folder(folder.path()).unwrap();
        let mut bytes = Vec::new();
        let mut made = squashfs::make(folder.path(), &manifest).unwrap();
        std::io::Seek::rewind(&mut made).unwrap();
        std::io::Read::read_to_end(&mut made, &mut bytes).unwrap();
        bytes
    })
    .clone()
}

fn with_source<T>(bytes: &[u8], work: impl FnOnce(&mut Source<'_>) -> T) -> T {
    work(&mut Source::from_bytes(Path::new("image"), bytes.to_vec(), |_| {}))
}

/// Levels and places by hand, from the size of a payload in blocks.
#[test]
fn a_tree_has_the_shape_that_the_kernel_expects() {
    for (blocks, tree_blocks) in [
        (2, 1),
        (128, 1),
        (129, 2 + 1),
        (128 * 128, 128 + 1),
        (128 * 128 + 1, 129 + 2 + 1),
        (16_384 + 128, 129 + 2 + 1),
    ] {
        let shape = Shape::over(blocks * verity::BLOCK).unwrap();
        assert_eq!(shape.len(), tree_blocks * verity::BLOCK, "{blocks}");
    }
    for size in [0, 4096, 4097, 8191] {
        assert_eq!(Shape::over(size), None, "{size}");
    }
}

/// The tree is the one that the definition gives, block by block; a change of any block of payload or tree is found.
#[test]
fn a_tree_is_built_and_checked_block_by_block() {
    let (block, salt) = (verity::BLOCK as usize, [7; 32]);
    let payload: Vec<u8> = (0..2 * 1024 + 131u32).flat_map(|index| index.to_le_bytes().repeat(block / 4)).collect();
    let digest = |block: &[u8]| Hash::Sha256.digest(&[&salt[..], block].concat()).bytes().to_vec();
    let level = |below: &[u8]| {
        let mut level: Vec<u8> = below.chunks(block).flat_map(digest).collect();
        level.resize(level.len().next_multiple_of(block), 0);
        level
    };
    let lowest = level(&payload);
    let top = level(&lowest);
    let tree = [&top[..], &lowest].concat();
    let shape = Shape::over(payload.len() as u64).unwrap();
    let (built, root) = with_source(&payload, |source| verity::build(source, &shape, &salt)).unwrap();
    let mut bytes = vec![0; tree.len()];
    built.read_at(&mut bytes, 0).unwrap();
    assert_eq!(shape.len(), tree.len() as u64);
    assert!(bytes == tree);
    assert_eq!(root[..], digest(&top));
    let whole = [payload, tree].concat();
    with_source(&whole, |source| verity::check(source, &shape, &salt, &root)).unwrap();
    with_source(&whole, |source| judged(verity::check(source, &shape, &[8; 32], &root))).unwrap().unwrap_err();
    for at in [0, 1024 * block, 2178 * block + 4095, 2179 * block, 2180 * block + 4, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let bad =
            with_source(&changed, |source| judged(verity::check(source, &shape, &salt, &root))).unwrap().unwrap_err();
        assert_eq!(bad.code, "verity");
        let said = if at / block < 2179 { format!("block {}", at / block) } else { "digest tree".to_owned() };
        assert!(bad.words.contains(&said), "{at}: {}", bad.words);
    }
}

#[test]
fn a_manifest_is_read_and_written() {
    let text = "# comment\r\n\n  [update] \ncompatible = board \\s\nversion=\ndescription=a\\\\b\\n\n[meta.any]\nkey=value\n[rollout]\nx=y";
    let mut manifest = Manifest::parse(text.as_bytes()).unwrap();
    let facts = manifest.facts(BundleFormat::Verity);
    assert_eq!((facts.hardware, facts.version), (vec!["board  ".to_owned()], None));
    assert_eq!(facts.remarks[1], ("description", "a\\b\n".to_owned()));
    let keys = VerityKeys { hash: [1; 32], salt: [0xab; 32], size: 4096 };
    manifest.set_verity(&keys);
    let read = Manifest::parse(&manifest.to_bytes()).unwrap();
    assert_eq!(read, manifest);
    assert_eq!(read.verity(), Ok(keys));
    let (hash, salt) = ("01".repeat(32), "ab".repeat(32));
    let bundle = format!("[bundle]\nformat=verity\nverity-hash={hash}\nverity-salt={salt}\nverity-size=4096\n");
    assert!(String::from_utf8(manifest.to_bytes()).unwrap().ends_with(&bundle));
}

#[test]
fn a_manifest_that_no_device_takes_is_refused() {
    let update = "[update]\ncompatible=board\n";
    for (rest, why) in [
        ("[update]\nversion=1\n", "group [update] is there twice"),
        ("version=1\nversion=2\n", "key version of group [update] is there twice"),
        ("colour=red\n", "key colour of group [update] is not known"),
        ("[updates]\n", "group [updates] is not known"),
        ("[meta.a b]\n", "group [meta.a b] is not known"),
        ("[images.rootfs]\n", "group [images.rootfs] is not known"),
        ("[image.rootfs]\nsha1=00\n", "key sha1 of group [image.rootfs] is not known"),
        ("version=\\q\n", "line 3 is malformed"),
        ("version\n", "line 3 is malformed"),
        ("=1\n", "line 3 is malformed"),
        ("[bundle\n", "line 3 is malformed"),
        ("version=\0\n", "it has a zero byte"),
        ("[bundle]\nformat=Plain\n", "format Plain is not known"),
        ("[bundle]\nverity-size=4096\n", "a plain bundle has no digest tree, and it names one"),
        ("[bundle]\nformat=verity\ncrypt-key=00\n", "the bundle is not encrypted, and it names a key"),
        ("[handler]\nargs=-x\n", "it has arguments for a handler, and no handler"),
        ("[hooks]\nfilename=hook\nhooks=install-check;other;\n", "hook other is not known"),
        ("[image.rootfs]\nhooks=install\n", "it has hooks, and no file for them"),
        ("[image.rootfs]\ntype=raw\n", "[image.rootfs] has no file"),
        ("[image.rootfs]\ntype=emptyfs\nadaptive=block-hash-index\n", "[image.rootfs] has no file"),
        ("[image.rootfs]\ntype=emptyfs\nfilename=a.img\n", "[image.rootfs] is an empty file system, and has a file"),
        ("[image.app/a]\ntype=raw\nfilename=a.img\n", "[image.app/a] is an artifact, and has a type"),
    ] {
        assert_eq!(Manifest::parse(format!("{update}{rest}").as_bytes()), Err(why.to_owned()));
    }
    for rest in ["[image.x]\ntype=emptyfs\n", "[hooks]\nfilename=h\n[image.x]\nhooks=install\n"] {
        Manifest::parse(format!("{update}{rest}").as_bytes()).unwrap();
    }
    assert_eq!(Manifest::parse(b"version=1\n[update]\n"), Err("line 1 is malformed".to_owned()));
    assert_eq!(Manifest::parse(b"[update]\ncompatible=\n").unwrap_err(), "it does not say what it is compatible with");
    assert_eq!(Manifest::parse(b"\xff").unwrap_err(), "it is not in UTF-8");
}

#[test]
fn images_of_a_manifest_are_checked() {
    let digest = "00".repeat(32);
    for (image, why) in [
        (format!("sha256={digest}\nsize=1\n"), None),
        (format!("sha256={digest}\n"), Some("size of image a is missing")),
        (format!("sha256={digest}\nhooks=install\n"), None),
        (format!("sha256={digest}\nsize=+1\n"), Some("size of image a is not a number")),
        (format!("sha256={digest}\nsize=1\nconvert=keep;\nconverted=a.tar;\n"), None),
        (format!("sha256={digest}\nsize=1\nconvert=keep;\n"), Some("image a is not converted as often as it says")),
        (format!("sha256={digest}\nsize=1\nconvert=keep;\nconverted=../a;\n"), Some("../a is not right in the bundle")),
        ("size=1\n".to_owned(), Some("sha256 of image a is missing")),
        ("sha256=00\nsize=1\n".to_owned(), Some("sha256 of image a is not 64 hexadecimal digits")),
    ] {
        let text = format!("[update]\ncompatible=b\n[hooks]\nfilename=h\n[image.x]\nfilename=a\n{image}");
        let checked = Manifest::parse(text.as_bytes()).unwrap().check_images();
        assert_eq!(checked.err().as_deref(), why, "{image}");
    }
    for name in ["a/b", "..", "/a"] {
        let text = format!("[update]\ncompatible=b\n[image.x]\nfilename={name}\nsha256={digest}\nsize=1\n");
        Manifest::parse(text.as_bytes()).unwrap().check_images().unwrap_err();
    }
    for (text, is_plain) in [("[image.x]\n", true), ("[image.x/y]\n", false), ("[image.x]\nconvert=keep\n", false)] {
        let text = format!("[update]\ncompatible=b\n{text}filename=a.img\n");
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.check_plain().is_ok(), is_plain, "{text}");
    }
}

/// What is missing in a folder's manifest is filled in, what is wrong is refused, and the folder stays as it is.
#[test]
fn the_manifest_of_a_folder_is_completed() {
    let given = folder(MANIFEST);
    let manifest = Manifest::of_folder(given.path()).unwrap();
    let content = std::fs::read(given.path().join("rootfs.img")).unwrap();
    let image = format!("filename=rootfs.img\nsha256={}\nsize=12800\n", Hash::Sha256.digest(&content));
    assert!(String::from_utf8(manifest.to_bytes()).unwrap().ends_with(&image));
    assert_eq!(std::fs::read_to_string(given.path().join("manifest.raucm")).unwrap(), MANIFEST);
    for (line, why) in [
        ("size=12801\n", "size of image rootfs.img is 12800, and the manifest says 12801"),
        ("sha256=00\n", "sha256 of image rootfs.img is"),
        ("adaptive=block-hash-index\n", "adaptive of image rootfs.img is made by rauc bundle alone"),
        ("[image.other]\nfilename=other.img\n", "other.img is not a file of the folder"),
        ("[image.other]\nfilename=../rootfs.img\n", "is not right in the bundle"),
        ("[hooks]\nfilename=hook\n", "hook is not a file of the folder"),
    ] {
        match Manifest::of_folder(folder(&format!("{MANIFEST}{line}")).path()) {
            Err(Error::Unfit(Unfit::Manifest { why: found })) => assert!(found.contains(why), "{found}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    let link = folder(&format!("{MANIFEST}[image.other]\nfilename=link\n"));
    std::os::unix::fs::symlink("rootfs.img", link.path().join("link")).unwrap();
    assert!(matches!(Manifest::of_folder(link.path()), Err(Error::Unfit(Unfit::Manifest { .. }))));
}

/// The same folder makes the same bytes; the manifest in them is the completed one.
#[test]
fn a_folder_makes_one_file_system() {
    let bytes = squashfs();
    let folder = folder(MANIFEST);
    let manifest = Manifest::of_folder(folder.path()).unwrap();
    let mut source = Source::from_bytes(Path::new("image"), Vec::new(), |_| {});
    source.replace_with_file(squashfs::make(folder.path(), &manifest).unwrap()).unwrap();
    assert!(source.bytes(MESSAGE_LIMIT).unwrap() == bytes);
    assert_eq!(squashfs::manifest(&source).unwrap().unwrap(), manifest.to_bytes());
    squashfs::check_bare(&mut source, bytes.len() as u64).unwrap();
    for length in [bytes.len() - 4096, bytes.len() - 1, bytes.len() + 4096] {
        let mut other = bytes.clone();
        other.resize(length, 0);
        with_source(&other, |source| squashfs::check_bare(source, length as u64)).unwrap_err();
    }
    let nothing = with_source(&bytes[..4096], |source| squashfs::manifest(source)).unwrap();
    assert!(nothing.is_err());
}

/// What a program does wrong has an answer, and soon.
#[test]
fn a_program_that_fails_is_waited_for_no_longer_than_asked() {
    let run = |script: &str| {
        let patience = std::time::Duration::from_millis(300);
        squashfs::run("sh", std::process::Command::new("sh").args(["-c", script]), Some(patience))
    };
    assert_eq!(run("echo manifest").unwrap(), Ok(b"manifest\n".to_vec()));
    assert_eq!(run("echo one >&2; printf 'two\\033[2J\\n' >&2; exit 1").unwrap(), Err("one; two\\u{1b}[2J".to_owned()));
    assert_eq!(run("exit 1").unwrap(), Err("exit status: 1".to_owned()));
    assert!(matches!(run("kill -9 $$"), Err(Error::Program { why, .. }) if why == "signal: 9 (SIGKILL)"));
    assert_eq!(run("trap '' PIPE; cat /dev/zero; sleep 100").unwrap(), Err("sh wrote more than 64 KiB".to_owned()));
    for script in ["sleep 100", "exec >&-; sleep 100", "sleep 100 & exec sleep 100"] {
        match run(script) {
            Err(Error::Program { name: "sh", why }) => assert_eq!(why, "it did not end within 0 seconds", "{script}"),
            other => panic!("{script}: {other:?}"),
        }
    }
    let missing = squashfs::run("no-such-program", &mut std::process::Command::new("no-such-program"), None);
    assert!(matches!(missing, Err(Error::Program { why, .. }) if why.contains("not installed")));
}
