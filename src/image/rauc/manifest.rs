//! The manifest of a bundle: a key file in the manner of GLib, of which every group and key must be known.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::squashfs::MANIFEST;
use super::{Error, Facts, Unfit};
use crate::files::Folder;
use crate::image::prepared::{from_hex, hex};
use crate::key::{Hash, Hasher};

/// Most bytes of a manifest: the signature of a verity bundle holds it, and is itself bounded by as many.
pub const LIMIT: u64 = super::SIGNATURE_LIMIT;

/// The keys of each group that has a fixed name (`rauc/rauc src/manifest.c`). Which of `bundle` there may be depends on
/// the format.
const KEYS: &[(&str, &[&str])] = &[
    ("update", &["compatible", "version", "description", "build", "min-rauc-version"]),
    ("bundle", &["format", "verity-hash", "verity-salt", "verity-size", "crypt-key"]),
    ("handler", &["filename", "args"]),
    ("hooks", &["filename", "hooks"]),
];

/// The keys of a group `image.CLASS`.
const IMAGE_KEYS: &[&str] = &[
    "sha256",
    "size",
    "hooks",
    "filename",
    "type",
    "version",
    "description",
    "build",
    "adaptive",
    "convert",
    "converted",
];

/// A manifest as it stands in a file, without its comments.
///
/// ```text
/// [update]
/// compatible=NAME             what hardware it is for; the one key that must be there
/// version=TEXT
/// [bundle]
/// format=plain|verity|crypt   plain where it is not there
/// verity-hash=64 HEX          these three in the signature of a verity bundle alone
/// verity-salt=64 HEX
/// verity-size=BYTES
/// [image.CLASS]               one for each image
/// filename=NAME
/// sha256=64 HEX
/// size=BYTES
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    groups: Vec<Group>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    /// Keys and their values, which keep their escapes.
    keys: Vec<(String, String)>,
}

/// How a bundle protects its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleFormat {
    /// The signature covers the payload.
    Plain,
    /// The signature covers the manifest, and that the root of a digest tree.
    Verity,
    /// As verity, and the payload is encrypted.
    Crypt,
}

impl BundleFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Verity, Self::Crypt];

    /// The name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Verity => "verity",
            Self::Crypt => "crypt",
        }
    }
}

/// The digest tree that a manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerityKeys {
    /// The root.
    pub hash: [u8; 32],
    /// What each block is hashed after.
    pub salt: [u8; 32],
    /// The size of the tree in bytes.
    pub size: u64,
}

impl Manifest {
    /// Reads a manifest. What a device would skip over, or take the last of, is refused as what it does not know is: the
    /// reason is returned in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not in UTF-8")?;
        if text.contains('\0') {
            return Err("it has a zero byte".to_owned());
        }
        let mut groups: Vec<Group> = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line).trim_ascii_start();
            let malformed = || format!("line {} is malformed", index + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.trim_ascii_end().strip_suffix(']').filter(|name| !name.contains(['[', ']']));
                let name = name.ok_or_else(malformed)?;
                if groups.iter().any(|group| group.name == name) {
                    return Err(format!("group [{name}] is there twice"));
                }
                groups.push(Group { name: name.to_owned(), keys: Vec::new() });
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(malformed)?;
            let (key, value) = (key.trim_ascii_end(), value.trim_ascii_start());
            let group = groups.last_mut().ok_or_else(malformed)?;
            if key.is_empty() || unescaped(value).is_none() {
                return Err(malformed());
            }
            if group.keys.iter().any(|(other, _)| other == key) {
                return Err(format!("key {key} of group [{}] is there twice", group.name));
            }
            group.keys.push((key.to_owned(), value.to_owned()));
        }
        let manifest = Self { groups };
        manifest.check()?;
        Ok(manifest)
    }

    /// Refuses what no device takes, wherever the manifest stands.
    fn check(&self) -> Result<(), String> {
        let fixed = |name: &str| KEYS.iter().find(|(known, _)| *known == name).map(|(_, keys)| *keys);
        let is_free = |name: &str| name == "rollout" || name.strip_prefix("meta.").is_some_and(is_label);
        for group in &self.groups {
            let keys = match fixed(&group.name) {
                Some(keys) => keys,
                None if group.name.starts_with("image.") => IMAGE_KEYS,
                None if is_free(&group.name) => continue,
                None => return Err(format!("group [{}] is not known", group.name)),
            };
            if let Some((key, _)) = group.keys.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
                return Err(format!("key {key} of group [{}] is not known", group.name));
            }
        }
        self.text("update", "compatible").ok_or("it does not say what it is compatible with")?;
        if let Some(name) = self.text("bundle", "format").filter(|_| self.format().is_none()) {
            return Err(format!("format {name} is not known"));
        }
        let format = self.format().unwrap_or(BundleFormat::Plain);
        if format == BundleFormat::Plain && self.has_verity() {
            return Err("a plain bundle has no digest tree, and it names one".to_owned());
        }
        if format != BundleFormat::Crypt && self.text("bundle", "crypt-key").is_some() {
            return Err("the bundle is not encrypted, and it names a key".to_owned());
        }
        if self.text("handler", "args").is_some() && self.text("handler", "filename").is_none() {
            return Err("it has arguments for a handler, and no handler".to_owned());
        }
        self.check_hooks()
    }

    fn check_hooks(&self) -> Result<(), String> {
        let mut hooks = self.list("hooks", "hooks");
        if let Some(hook) = hooks.iter().find(|hook| *hook != "install-check") {
            return Err(format!("hook {hook} is not known"));
        }
        for image in self.images() {
            let of_image = self.list(image, "hooks");
            if let Some(hook) =
                of_image.iter().find(|hook| !["pre-install", "install", "post-install"].contains(&hook.as_str()))
            {
                return Err(format!("hook {hook} of [{image}] is not known"));
            }
            hooks.extend(of_image);
        }
        if !hooks.is_empty() && self.text("hooks", "filename").is_none() {
            return Err("it has hooks, and no file for them".to_owned());
        }
        Ok(())
    }

    /// Refuses a manifest that does not say of each image what it must be.
    pub fn check_images(&self) -> Result<(), String> {
        for image in self.images() {
            let Some(name) = self.text(image, "filename") else { continue };
            check_name(&name)?;
            let digest = self.text(image, "sha256").ok_or_else(|| format!("sha256 of image {name} is missing"))?;
            if from_hex(&digest).is_none_or(|digest| digest.len() != 32) {
                return Err(format!("sha256 of image {name} is not 64 hexadecimal digits"));
            }
            // An image that a hook installs may have no size (`rauc/rauc src/manifest.c`, check_manifest_bundled).
            match self.text(image, "size").map(|size| number(&size)) {
                Some(Some(_)) => {}
                Some(None) => return Err(format!("size of image {name} is not a number")),
                None if self.list(image, "hooks").iter().any(|hook| hook == "install") => {}
                None => return Err(format!("size of image {name} is missing")),
            }
        }
        Ok(())
    }

    /// Refuses what a plain bundle cannot have.
    pub fn check_plain(&self) -> Result<(), String> {
        let is_beyond = |image: &&str| {
            image.contains('/') || ["convert", "converted"].iter().any(|key| self.text(image, key).is_some())
        };
        match self.images().find(is_beyond) {
            Some(image) => Err(format!("[{image}] has what a plain bundle cannot have: artifacts or converted images")),
            None => Ok(()),
        }
    }

    /// Reads the manifest of a folder, and completes it: digest and size of each image are filled in where they are not
    /// there; where they are, they must be right.
    pub fn of_folder(folder: &Path) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let mut file = open(folder, MANIFEST)?.take(LIMIT + 1);
        file.read_to_end(&mut bytes).map_err(|source| Error::Read { path: folder.join(MANIFEST), source })?;
        if bytes.len() as u64 > LIMIT {
            return Err(unfit(format!("it has more than {} KiB", LIMIT >> 10)));
        }
        let mut manifest = Self::parse(&bytes).map_err(unfit)?;
        manifest.complete(folder)?;
        Ok(manifest)
    }

    fn complete(&mut self, folder: &Path) -> Result<(), Error> {
        for group in ["hooks", "handler"] {
            if let Some(name) = self.text(group, "filename") {
                check_name(&name).map_err(unfit)?;
                open(folder, &name)?;
            }
        }
        let images: Vec<String> = self.images().map(str::to_owned).collect();
        for image in &images {
            let Some(name) = self.text(image, "filename") else { continue };
            check_name(&name).map_err(unfit)?;
            for key in ["adaptive", "convert", "converted"] {
                if self.text(image, key).is_some() {
                    let why = format!("{key} of image {name} is made by rauc bundle alone: sign the squashfs it made");
                    return Err(unfit(why));
                }
            }
            let (digest, size) = digest(folder, &name)?;
            for (key, found) in [("sha256", digest), ("size", size)] {
                match self.text(image, key) {
                    Some(given) if !given.eq_ignore_ascii_case(&found) => {
                        return Err(unfit(format!("{key} of image {name} is {found}, and the manifest says {given}")));
                    }
                    Some(_) => {}
                    None => self.set(image, key, &found),
                }
            }
        }
        Ok(())
    }

    /// The format, where it is said.
    pub fn format(&self) -> Option<BundleFormat> {
        let name = self.text("bundle", "format")?;
        BundleFormat::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Sets the format.
    pub fn set_format(&mut self, format: BundleFormat) {
        self.set("bundle", "format", format.name());
    }

    /// Whether it names a digest tree, or a part of one.
    pub fn has_verity(&self) -> bool {
        ["verity-hash", "verity-salt", "verity-size"].iter().any(|key| self.text("bundle", key).is_some())
    }

    /// The digest tree.
    pub fn verity(&self) -> Result<VerityKeys, String> {
        let value = |key: &str| self.text("bundle", key).ok_or_else(|| format!("{key} is missing"));
        let digest =
            |key: &str| parse_digest(&value(key)?).ok_or_else(|| format!("{key} is not 64 hexadecimal digits"));
        let size = number(&value("verity-size")?).ok_or("verity-size is not a number")?;
        Ok(VerityKeys { hash: digest("verity-hash")?, salt: digest("verity-salt")?, size })
    }

    /// Sets the digest tree, and the format with it.
    pub fn set_verity(&mut self, verity: &VerityKeys) {
        let VerityKeys { hash, salt, size } = verity;
        self.set_format(BundleFormat::Verity);
        self.set("bundle", "verity-hash", &hex(hash));
        self.set("bundle", "verity-salt", &hex(salt));
        self.set("bundle", "verity-size", &size.to_string());
    }

    /// What it says of the bundle.
    pub fn facts(&self, format: BundleFormat) -> Facts {
        let mut remarks = vec![("format", format.name().to_owned())];
        remarks.extend(self.described());
        Facts {
            version: self.text("update", "version"),
            security_counter: None,
            hardware: self.text("update", "compatible").into_iter().collect(),
            remarks,
            covered: None,
        }
    }

    /// What it says of the bundle, label and value.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let of_update = |label, key| self.text("update", key).map(|value| (label, value));
        let mut rows: Vec<_> = of_update("hardware", "compatible").into_iter().collect();
        rows.extend(of_update("version", "version"));
        rows.extend(self.described());
        rows
    }

    /// What it says for people alone.
    fn described(&self) -> Vec<(&'static str, String)> {
        let of_update = |key: &'static str| self.text("update", key).map(|value| (key, value));
        let mut rows: Vec<_> = ["description", "build"].into_iter().filter_map(of_update).collect();
        let images: Vec<String> = self.images().map(|image| self.described_image(image)).collect();
        if !images.is_empty() {
            rows.push(("images", images.join("; ")));
        }
        rows
    }

    fn described_image(&self, image: &str) -> String {
        let class = image.strip_prefix("image.").unwrap_or(image);
        let name = self.text(image, "filename").unwrap_or_else(|| "no file".to_owned());
        let size = self.text(image, "size").map(|size| format!(", {size} bytes")).unwrap_or_default();
        format!("{class}: {name}{size}")
    }

    /// The manifest as a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let groups: Vec<String> = self
            .groups
            .iter()
            .map(|Group { name, keys }| {
                let lines = keys.iter().map(|(key, value)| format!("{key}={value}\n"));
                format!("[{name}]\n{}", lines.collect::<String>())
            })
            .collect();
        groups.join("\n").into_bytes()
    }

    /// The names of the groups that are images.
    fn images(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str()).filter(|name| name.starts_with("image."))
    }

    /// A value; an empty one is none.
    fn text(&self, group: &str, key: &str) -> Option<String> {
        let group = self.groups.iter().find(|found| found.name == group)?;
        let (_, value) = group.keys.iter().find(|(found, _)| found == key)?;
        unescaped(value).filter(|value| !value.is_empty())
    }

    /// The values of a list.
    fn list(&self, group: &str, key: &str) -> Vec<String> {
        let text = self.text(group, key).unwrap_or_default();
        text.split(';').filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    /// Sets a value that needs no escapes.
    fn set(&mut self, group: &str, key: &str, value: &str) {
        let at = self.groups.iter().position(|found| found.name == group).unwrap_or_else(|| {
            self.groups.push(Group { name: group.to_owned(), keys: Vec::new() });
            self.groups.len() - 1
        });
        let keys = &mut self.groups[at].keys;
        keys.retain(|(found, _)| found != key);
        keys.push((key.to_owned(), value.to_owned()));
    }
}

/// Why a manifest cannot be bundled.
pub fn unfit(why: impl Into<String>) -> Error {
    Unfit::Manifest { why: why.into() }.into()
}

/// 32 bytes in hexadecimal.
pub fn parse_digest(text: &str) -> Option<[u8; 32]> {
    from_hex(text)?.try_into().ok()
}

/// A number without sign; the standard library would take a plus.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A value without its escapes; `None` where it has one that is not known.
fn unescaped(value: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => match chars.next()? {
                's' => ' ',
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '\\' => '\\',
                _ => return None,
            },
            c => c,
        });
    }
    Some(text)
}

/// Whether a name may stand for a group of metadata.
fn is_label(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Refuses the name of a file that is not right in the bundle.
fn check_name(name: &str) -> Result<(), String> {
    match name {
        "." | ".." => Err(format!("{name} is no name of a file")),
        name if name.contains('/') => Err(format!("{name} is not right in the bundle")),
        _ => Ok(()),
    }
}

/// Opens a regular file of a folder. A link is refused: it would stand in the bundle as it is.
fn open(folder: &Path, name: &str) -> Result<File, Error> {
    let path = folder.join(name);
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return Err(unfit(format!("{name} is not a file of the folder")));
    }
    Folder::open(folder).and_then(|folder| folder.file(name)).map_err(|source| Error::Read { path, source })
}

/// The SHA-256 and the size of a file in a folder, as a manifest has them.
fn digest(folder: &Path, name: &str) -> Result<(String, String), Error> {
    let mut file = open(folder, name)?;
    let mut hasher = Hasher::new(Hash::Sha256);
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish().to_string(), size.to_string())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::Read { path: folder.join(name), source }),
        }
    }
}
