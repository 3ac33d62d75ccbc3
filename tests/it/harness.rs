//! A folder for each test, `bulla` and the outside judges run in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that vanishes with the test, and commands that run in it.
pub struct Lab {
    folder: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Run {
    /// The exit code; a signal counts as none.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
    command: String,
}

impl Lab {
    /// Makes an empty folder.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A path in the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads a file of the folder.
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).expect("a file in the temporary folder");
    }

    /// Whether the folder has a file of that name.
    pub fn has(&self, name: impl AsRef<Path>) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// Runs `bulla` with words split at blanks.
    pub fn bulla(&self, words: &str) -> Run {
        self.bulla_args(words.split_whitespace())
    }

    /// Runs `bulla` with arguments as they are.
    pub fn bulla_args(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        self.run(env!("CARGO_BIN_EXE_bulla"), args)
    }

    /// Runs a judge with words split at blanks. A judge that is not installed fails the test: the command that installs
    /// them all is in the README.
    pub fn judge(&self, words: &str) -> Run {
        let mut words = words.split_whitespace();
        self.run(words.next().expect("a program"), words)
    }

    /// Runs any program in the folder.
    pub fn run(&self, program: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder.path()).stdin(std::process::Stdio::null());
        self.finish(command)
    }

    /// Runs a shell script; `$bulla` is the program.
    pub fn shell(&self, script: &str) -> Run {
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(self.folder.path()).env("bulla", env!("CARGO_BIN_EXE_bulla"));
        self.finish(command)
    }

    /// Runs a prepared command; its folder is the caller's choice.
    pub fn finish(&self, mut command: Command) -> Run {
        let shown = format!("{command:?}");
        let Output { status, stdout, stderr } =
            command.output().unwrap_or_else(|error| panic!("{shown}: {error}; install the judges first"));
        Run { code: status.code(), stdout, stderr: String::from_utf8_lossy(&stderr).into_owned(), command: shown }
    }

    /// Runs `bulla` with words split at blanks, and asserts that it fails as a command must: see
    /// [`refuses_args`](Self::refuses_args).
    #[track_caller]
    pub fn refuses(&self, words: &str, code: i32, message: &str) -> Run {
        self.refuses_args(words.split_whitespace(), code, message)
    }

    /// Runs `bulla` and asserts that it fails as a command must: with `code`, at most three lines of error that say
    /// `message`, nothing on standard output, and no file made or changed.
    #[track_caller]
    pub fn refuses_args(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, code: i32, message: &str) -> Run {
        let before = self.tree();
        let run = self.bulla_args(args).exits(code).says(message);
        assert_eq!(before, self.tree(), "files made, changed or left behind by {}", run.command);
        run
    }

    /// What the folder holds: of each entry, its path, mode and a hash of its content. Of a CA's records only the mode:
    /// a refusal is a decision too, and stands in them.
    pub fn tree(&self) -> BTreeMap<PathBuf, String> {
        fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let metadata = path.symlink_metadata().expect("metadata");
                let mut hasher = DefaultHasher::new();
                match metadata.file_type() {
                    kind if kind.is_dir() => walk(&path, found),
                    kind if kind.is_file() && is_record(&path) => {}
                    kind if kind.is_file() => std::fs::read(&path).expect("a file").hash(&mut hasher),
                    kind if kind.is_symlink() => path.read_link().expect("a link").hash(&mut hasher),
                    _ => {}
                }
                let mode = std::os::unix::fs::MetadataExt::mode(&metadata);
                found.insert(path, format!("{mode:o} {:x}", hasher.finish()));
            }
        }
        let mut found = BTreeMap::new();
        walk(self.folder.path(), &mut found);
        found
    }

    /// A CA `acme` without passphrase, and a firmware signer `fw.key`, `fw.pem` under it.
    pub fn with_ca() -> Self {
        let lab = Self::new();
        lab.bulla("ca init acme --name Acme --no-passphrase").ok();
        lab.bulla("keygen -o fw.key").ok();
        lab.bulla("enroll --key fw.key --profile firmware --cn signer --ca acme -o fw.pem").ok();
        lab
    }
}

/// The formats of images that hold their signatures: the name, what is signed of a [lab](Lab::with_images), how, the
/// product, and what it is called.
pub const IMAGES: [(&str, &str, &str, &str, &str); 4] = [
    ("mcuboot", "app.bin", "--version 1.2.3 --pad-header", "app.img", "MCUboot image"),
    ("esp32", "app.bin", "", "app.esp", "ESP32 Secure Boot v2 image"),
    ("rauc", "bundle", "--cert fw.pem", "app.raucb", "RAUC bundle"),
    ("swupdate", "update", "--cert fw.pem", "app.swu", "SWUpdate archive"),
];

impl Lab {
    /// A [CA](Self::with_ca) with `root.pem` and `fw.pub`, and an image of each of [`IMAGES`], signed by `fw.key`.
    pub fn with_images() -> Self {
        let lab = Self::with_ca();
        let image: Vec<u8> = (0..5000_u32).flat_map(u32::to_be_bytes).collect();
        for folder in ["bundle", "update"] {
            std::fs::create_dir(lab.path(folder)).expect("a folder");
        }
        for name in ["app.bin", "bundle/app.bin", "update/app.bin"] {
            lab.write(name, &image);
        }
        let digest = lab.judge("openssl dgst -r -sha256 app.bin").ok().text();
        let digest = digest.split(' ').next().expect("a digest");
        lab.write(
            "bundle/manifest.raucm",
            "[update]\ncompatible=board\nversion=1.2.3\n\n[image.app]\nfilename=app.bin\n",
        );
        lab.write(
            "update/sw-description",
            format!(
                "software = {{ version = \"1.2.3\"; hardware-compatibility = [ \"1.0\" ]; images: ( {{ \
                 filename = \"app.bin\"; device = \"/dev/mtd0\"; sha256 = \"{digest}\"; }} ); }}\n"
            ),
        );
        lab.write("root.pem", lab.read("acme/firmware/root.pem"));
        lab.bulla("keygen --public fw.key -o fw.pub").ok();
        for (format, input, flags, product, _) in IMAGES {
            lab.bulla(&format!("sign {input} --as {format} --key fw.key {flags} -o {product}")).ok();
        }
        lab
    }
}

/// Whether a file belongs to the database of a CA: itself, the journal of whoever is at work at it, the lock.
fn is_record(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.starts_with("ca.db") || name == "ca.lock"
}

impl Run {
    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts an exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "{}\nstdout: {}\nstderr: {}",
            self.command,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        self
    }

    /// Asserts that the command ended by itself with anything but success.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(
            self.code.is_some_and(|code| code != 0),
            "{} ended with {:?}\nstdout: {}\nstderr: {}",
            self.command,
            self.code,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        self
    }

    /// Asserts the form of an error: `bulla: error: ...`, then at most a cause and a hint, no control characters, and
    /// nothing on standard output.
    #[track_caller]
    pub fn says(self, message: &str) -> Self {
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !line.starts_with("bulla: warning: ")).collect();
        let rest = lines.get(1..).unwrap_or_default();
        let formed = lines.first().is_some_and(|line| line.starts_with("bulla: error: "))
            && rest.len() <= 2
            && rest.iter().all(|line| line.starts_with("cause: ") || line.starts_with("hint: "))
            && !self.stderr.chars().any(|c| c.is_control() && c != '\n');
        assert!(formed, "{} wrote an error of another form:\n{}", self.command, self.stderr);
        assert!(self.stderr.contains(message), "{} does not say {message:?}:\n{}", self.command, self.stderr);
        assert!(self.stdout.is_empty(), "{} wrote to standard output:\n{}", self.command, self.text());
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as one JSON object.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.command, self.text()))
    }
}
