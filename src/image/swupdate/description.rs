//! What `sw-description` says: which files belong to the update, with their digests, and what it is for.
//!
//! SWUpdate looks for a field below the board's name, the software set and the mode that it runs with, and follows
//! links (`sbabic/swupdate parser/parser.c`, `doc/source/sw-description.rst`). Which of the files it installs depends
//! on that; so every file that is named anywhere counts here.

use super::cpio::NAME_LIMIT;
use super::libconfig;
use crate::files;
use crate::image::Bad;
use crate::key::{Digest, Hash};

/// The group that everything else is in.
const ROOT: &str = "software";

/// Where what is to be installed stands: files, and variables of the bootloader.
const CONTENTS: [&str; 6] = ["images", "files", "scripts", "partitions", "bootenv", "uboot"];

/// Longest name of a board, a software set or a mode that is read: the device has 256 bytes for each and a NUL
/// (`include/hw-compatibility.h`, SWUPDATE_GENERAL_STRING_SIZE). Each hardware is named with all three.
const PLACE_LIMIT: usize = 255;

/// Most revisions of hardware. The device sets no limit; an update is for a few.
const REVISIONS_LIMIT: usize = 1024;

/// Most links that are followed one after the other (`core/parsing_library.c`, MAX_LINKS_DEPTH).
const LINKS_LIMIT: usize = 10;

/// A value in either syntax.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A libconfig group, a JSON object.
    Group(Vec<(String, Value)>),
    /// A libconfig list or array, a JSON array.
    List(Vec<Value>),
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float,
    /// True or false.
    Boolean,
    /// JSON's null.
    Null,
}

/// A parsed `sw-description`.
pub struct Description(Value);

/// A file that belongs to the update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Its name in the archive.
    pub name: String,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Its size in bytes, where that is said.
    pub size: Option<i64>,
}

/// Where a device looks for what concerns it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Device<'a> {
    /// The name of its board.
    pub board: Option<&'a str>,
    /// The software set and the mode that it selects.
    pub selection: Option<(&'a str, &'a str)>,
}

impl Value {
    fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Group(members) => members.iter().find(|(own, _)| own == name).map(|(_, value)| value),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn from_json(value: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Object(members) => {
                Self::Group(members.into_iter().map(|(name, value)| (name, Self::from_json(value))).collect())
            }
            Json::Array(values) => Self::List(values.into_iter().map(Self::from_json).collect()),
            Json::String(text) => Self::Text(text),
            Json::Number(number) => number.as_i64().map_or(Self::Float, Self::Integer),
            Json::Bool(_) => Self::Boolean,
            Json::Null => Self::Null,
        }
    }

    /// Goes through this value and all below it; `path` is the names of the groups above.
    fn walk<'a>(&'a self, path: &mut Vec<&'a str>, visit: &mut dyn FnMut(&[&'a str], &'a Self)) {
        visit(path, self);
        match self {
            Self::Group(members) => {
                for (name, value) in members {
                    path.push(name);
                    value.walk(path, visit);
                    path.pop();
                }
            }
            Self::List(values) => values.iter().for_each(|value| value.walk(path, visit)),
            _ => {}
        }
    }
}

impl Description {
    /// Reads JSON where it starts with a brace, which libconfig never does, else libconfig: the device tries one after
    /// the other.
    pub fn parse(bytes: &[u8]) -> Result<Self, Bad> {
        let root = if bytes.trim_ascii_start().starts_with(b"{") {
            let json = serde_json::from_slice(bytes).map_err(|error| malformed(format!("sw-description: {error}")))?;
            Value::from_json(json)
        } else {
            libconfig::parse(bytes)?
        };
        let mut has_nul = false;
        // Each name once, not once for every value below it.
        root.walk(&mut Vec::new(), &mut |_, value| {
            has_nul |= match value {
                Value::Group(members) => members.iter().any(|(name, _)| name.contains('\0')),
                value => value.text().is_some_and(|text| text.contains('\0')),
            };
        });
        // Where a string ends differs between C and everything else.
        if has_nul {
            return Err(malformed("sw-description has a NUL in a string"));
        }
        Ok(Self(root))
    }

    /// Every file that is named anywhere, in the order of the description. None is without a digest.
    pub fn artefacts(&self) -> Result<Vec<Artefact>, Bad> {
        let mut found = Vec::new();
        self.0.walk(&mut Vec::new(), &mut |path, value| {
            // Properties are the handlers' own.
            if let Some(name) = value.member("filename").filter(|_| !path.contains(&"properties")) {
                found.push(artefact(name, value));
            }
        });
        found.into_iter().collect()
    }

    /// The version that a device finds. One must be there, at least for some board.
    pub fn version(&self, device: Device<'_>) -> Result<Option<&str>, Bad> {
        let found = self.text("version", device)?;
        let mut has_version = found.is_some();
        if device.board.is_none() {
            self.0.walk(&mut Vec::new(), &mut |path, value| {
                let is_artefact = value.member("filename").is_some();
                has_version |= path.first() == Some(&ROOT) && !is_artefact && value.member("version").is_some();
            });
        }
        if has_version { Ok(found) } else { Err(malformed(format!("sw-description has no {ROOT}.version"))) }
    }

    /// A text that a device finds, as `description`.
    pub fn text(&self, field: &str, device: Device<'_>) -> Result<Option<&str>, Bad> {
        match self.find(field, device) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(format!("{field} in sw-description is no string"))),
        }
    }

    /// Whether there is anything to install: for a device with a selection, else for any.
    pub fn has_content(&self, device: Device<'_>) -> bool {
        let is_filled = |value: &Value| match value {
            Value::List(values) => !values.is_empty(),
            Value::Group(_) => true,
            _ => false,
        };
        if device.selection.is_some() {
            return CONTENTS.iter().any(|field| self.find(field, device).is_some_and(is_filled));
        }
        let mut has_content = false;
        self.0.walk(&mut Vec::new(), &mut |path, value| {
            has_content |= path.last().is_some_and(|name| CONTENTS.contains(name)) && is_filled(value);
        });
        has_content
    }

    /// The hardware revisions that a device finds.
    pub fn revisions(&self, device: Device<'_>) -> Vec<&str> {
        match self.find("hardware-compatibility", device) {
            Some(Value::List(revisions)) => revisions.iter().filter_map(Value::text).collect(),
            _ => Vec::new(),
        }
    }

    /// The hardware of all devices: a revision alone where it is for every board, else `board:revision`. Deeper than below
    /// a board, a software set and a mode no device looks.
    pub fn hardware(&self) -> Result<Vec<String>, Bad> {
        let mut lists: Vec<(Vec<&str>, &[Value])> = Vec::new();
        self.0.walk(&mut Vec::new(), &mut |path, value| {
            if let ([ROOT, boards @ .., "hardware-compatibility"], Value::List(revisions)) = (path, value)
                && boards.len() <= 3
            {
                lists.push((boards.to_vec(), revisions));
            }
        });
        if lists.iter().flat_map(|(boards, _)| boards).any(|name| name.len() > PLACE_LIMIT) {
            return Err(malformed(format!("sw-description has a name of more than {PLACE_LIMIT} bytes")));
        }
        if lists.iter().map(|(_, revisions)| revisions.len()).sum::<usize>() > REVISIONS_LIMIT {
            return Err(malformed(format!("sw-description is for more than {REVISIONS_LIMIT} revisions of hardware")));
        }
        let mut found = Vec::new();
        for (boards, revisions) in lists {
            found.extend(revisions.iter().filter_map(Value::text).map(|revision| match boards.as_slice() {
                [] => revision.to_owned(),
                boards => format!("{}:{revision}", boards.join(".")),
            }));
        }
        Ok(found)
    }

    /// A field as a device finds it: at the first of these places that has it.
    fn find(&self, field: &str, Device { board, selection }: Device<'_>) -> Option<&Value> {
        let set_and_mode = selection.map(|(set, mode)| [set, mode]);
        let mut places: Vec<Vec<&str>> = Vec::new();
        if let Some(selection) = &set_and_mode {
            places.extend(board.map(|board| [&[ROOT, board], &selection[..]].concat()));
            places.push([&[ROOT], &selection[..]].concat());
        }
        places.extend(board.map(|board| vec![ROOT, board]));
        places.push(vec![ROOT]);
        places.into_iter().find_map(|place| {
            let (mut place, _) = self.resolve(place.into_iter().map(str::to_owned).collect())?;
            place.push(field.to_owned());
            self.resolve(place).map(|(_, value)| value)
        })
    }

    /// Follows the links from a place to where they lead.
    fn resolve(&self, mut place: Vec<String>) -> Option<(Vec<String>, &Value)> {
        for _ in 1..LINKS_LIMIT {
            let value = place.iter().try_fold(&self.0, |value, name| value.member(name))?;
            let Some(link) = value.member("ref").and_then(Value::text) else { return Some((place, value)) };
            place = linked(&place, link)?;
        }
        None
    }
}

/// Where `#/a/b`, `#./a` or `#../a` leads from a place. A link is relative to what holds the place.
fn linked(place: &[String], link: &str) -> Option<Vec<String>> {
    let names = link.strip_prefix('#').filter(|names| names.len() >= 2)?;
    let mut found = place.to_vec();
    found.pop()?;
    for (index, name) in names.split('/').filter(|name| !name.is_empty()).enumerate() {
        match name {
            "." => {}
            ".." => {
                found.pop()?;
            }
            name => {
                if index == 0 {
                    found.clear();
                }
                found.push(name.to_owned());
            }
        }
    }
    Some(found)
}

fn artefact(name: &Value, group: &Value) -> Result<Artefact, Bad> {
    let name = match name {
        Value::Text(name) if (1..=NAME_LIMIT).contains(&name.len()) => name.clone(),
        _ => return Err(malformed(format!("a filename in sw-description is no string of 1 to {NAME_LIMIT} bytes"))),
    };
    // `parser/parser.c`, check_missing_hash: a digest of zeros is none.
    let sha256 = group
        .member("sha256")
        .and_then(Value::text)
        .and_then(sha256)
        .filter(|digest| digest.bytes().iter().any(|byte| *byte != 0));
    let Some(sha256) = sha256 else {
        let words = format!("sw-description has no sha256 of {name}, and a device with signed updates asks for it");
        return Err(Bad::new("hash-missing", words));
    };
    let size = match group.member("size") {
        // `core/installer.c`, check_if_required: a size of zero is none.
        Some(Value::Integer(size)) if *size != 0 => Some(*size),
        _ => None,
    };
    Ok(Artefact { name, sha256, size })
}

/// Reads 64 hexadecimal digits of either case.
fn sha256(text: &str) -> Option<Digest> {
    let bytes = files::from_hex(text)?;
    Digest::from_bytes(Hash::Sha256, &bytes)
}

fn malformed(words: impl std::fmt::Display) -> Bad {
    Bad::new("malformed", words)
}
