//! Reading profiles: files, texts, and what they extend.

use std::path::Path;

use super::format::Format;
use super::{BuiltIn, Profile};
use crate::files;
use crate::x509::Error;

/// Largest file that is read. The built-in profiles stay below 2 KiB.
const FILE_LIMIT: u64 = 64 << 10;
/// Longest chain of `extends`: a maker's house rules, a product line, a product and one to spare, twice over.
const DEPTH_LIMIT: usize = 8;

const SCHEMA: &str = "bulla.profile/1";

impl Profile {
    /// Finds a built-in profile by name. No other is read.
    pub fn named(name: &str) -> Result<Self, Error> {
        let built_in = BuiltIn::named(name).ok_or_else(|| Error::UnknownProfile { name: name.to_owned() })?;
        Source::built_in(built_in)?.profile()
    }

    /// Reads a profile file, and what it extends: a built-in profile, or a file in the same folder.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Source::file(path, 1)?.own()?.profile()
    }

    /// Reads the content of the profile file at `path`.
    pub fn parse(content: &[u8], path: &Path) -> Result<Self, Error> {
        Source::content(content, path, 1)?.own()?.profile()
    }

    /// Reads the text of a profile that extends no file, such as [`Profile::to_toml`] gives.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Source::parse(text, "the profile".to_owned(), None, 1)?.own()?.profile()
    }
}

/// A profile's table, merged with what it extends.
struct Source {
    /// What messages call it.
    file: String,
    table: toml::Table,
}

impl Source {
    fn built_in(built_in: &BuiltIn) -> Result<Self, Error> {
        Self::parse(built_in.toml, format!("built-in {}", built_in.name), None, 1)
    }

    fn file(path: &Path, depth: usize) -> Result<Self, Error> {
        Self::content(&files::read("the profile", path, FILE_LIMIT)?, path, depth)
    }

    fn content(content: &[u8], path: &Path, depth: usize) -> Result<Self, Error> {
        let file = files::shown(path);
        if content.len() as u64 > FILE_LIMIT {
            return Err(refuse(&file, None, "is larger than 64 KiB"));
        }
        let text = std::str::from_utf8(content).map_err(|_| refuse(&file, None, "is no text in UTF-8"))?;
        Self::parse(text, file, path.parent(), depth)
    }

    /// Reads one text, checks all that can be checked in it alone, and merges it over what it extends.
    fn parse(text: &str, file: String, folder: Option<&Path>, depth: usize) -> Result<Self, Error> {
        let wrong = |error: toml::de::Error| {
            let line = error.span().map(|span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
            refuse(&file, line, error.message())
        };
        let own: Format = toml::from_str(text).map_err(wrong)?;
        let mut table: toml::Table = toml::from_str(text).map_err(wrong)?;
        if own.schema.as_deref() != Some(SCHEMA) {
            return Err(refuse(&file, None, &format!("needs the line schema = \"{SCHEMA}\"")));
        }
        if own.name.is_none() {
            return Err(refuse(&file, None, "needs a name"));
        }
        let Some(base) = own.extends else { return Ok(Self { file, table }) };
        table.remove("extends");
        if depth == DEPTH_LIMIT {
            let why = format!("is the {DEPTH_LIMIT}th in a line of profiles that extend each other, perhaps in a loop");
            return Err(refuse(&file, None, &why));
        }
        let base = match (BuiltIn::named(&base), base.strip_prefix("./"), folder) {
            (Some(built_in), ..) => Self::built_in(built_in)?,
            (None, Some(name), Some(folder)) if !name.is_empty() && !name.contains('/') => {
                Self::file(&folder.join(name), depth + 1)?
            }
            _ => {
                let why = format!(
                    "extends \"{base}\", which is neither a built-in profile nor a file beside it, as ./base.toml"
                );
                return Err(refuse(&file, None, &why));
            }
        };
        Ok(Self { file, table: merge(base.table, table) })
    }

    /// A profile that is not built in leaves the built-in names alone.
    fn own(self) -> Result<Self, Error> {
        match self.table.get("name").and_then(toml::Value::as_str) {
            Some(name) if BuiltIn::named(name).is_some() => {
                Err(refuse(&self.file, None, &format!("has the name {name}, which is a built-in profile's")))
            }
            _ => Ok(self),
        }
    }

    fn profile(self) -> Result<Profile, Error> {
        let format: Format = self
            .table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| refuse(&self.file, None, error.message()))?;
        format.into_profile(self.table).map_err(|why| refuse(&self.file, None, &why))
    }
}

fn refuse(file: &str, line: Option<usize>, why: &str) -> Error {
    // The parser's own words may have several lines.
    let why = why.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    Error::ProfileFile { file: file.to_owned(), line, why }
}

/// Lays one table over another: tables merge, everything else replaces.
fn merge(mut base: toml::Table, over: toml::Table) -> toml::Table {
    for (key, value) in over {
        let merged = match (base.remove(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => toml::Value::Table(merge(base, over)),
            (_, value) => value,
        };
        base.insert(key, merged);
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::{Identity, Validity};

    const HEAD: &str = "schema = \"bulla.profile/1\"\nname = \"own\"\nextends = \"idevid\"\n";

    fn own(rest: &str) -> Result<Profile, String> {
        Profile::from_toml(&format!("{HEAD}{rest}")).map_err(|error| error.to_string())
    }

    #[test]
    fn tables_merge_and_everything_else_replaces() {
        let base = Profile::named("idevid").unwrap();
        let profile = own("identity = [\"CN\"]\n[alt-names]\noptional = false").unwrap();
        assert_eq!(profile.identity, [Identity::CommonName]);
        assert_eq!((profile.alt_names.allow, profile.alt_names.optional), (base.alt_names.allow, false));
        assert_eq!((profile.summary, profile.validity), (base.summary, base.validity));
        assert_eq!(profile.name, "own");
    }

    #[test]
    fn the_effective_text_is_the_same_profile() {
        let profile = own("not-before = \"2018-03-22T23:59:59Z\"\n[variables]\nx = { type = \"text\" }").unwrap();
        let again = Profile::from_toml(&profile.to_toml()).unwrap();
        assert_eq!(again, profile);
        assert_eq!(again.digest(), profile.digest());
        assert_ne!(own("").unwrap().digest(), profile.digest());
    }

    #[test]
    fn a_mistake_is_refused_with_its_line() {
        for (rest, line, why) in [
            ("sumary = \"x\"", 4, "unknown field `sumary`"),
            ("[alt-names]\nneeds = []", 5, "unknown field `needs`"),
            ("subject = [\n { attribute = \"CN\" },\n { atribute = \"O\" },\n]", 6, "unknown field `atribute`"),
            ("subject = [{ attribute = \"XY\" }]", 4, "\"XY\" is no subject attribute"),
            ("subject = \"all\"", 4, "expected \"any\" or a list of attributes"),
            ("validity = \"0d\"", 4, "a validity is"),
            ("validity = \"4294967295y\"", 4, "a validity is"),
            ("not-before = \"1969-12-31T23:59:59Z\"", 4, "a not-before is"),
            ("key-types = [\"rsa1024\"]", 4, "\"rsa1024\" is no key type"),
            ("key-usage = [\"signing\"]", 4, "\"signing\" is no keyUsage"),
            ("extended-key-usage = [\"webAuth\"]", 4, "\"webAuth\" is no extKeyUsage"),
            ("crl-urls = [\"acme.example/crl\"]", 4, "is no absolute URL"),
            ("policies = [{ oid = \"1\" }]", 4, "is no OID"),
            ("extensions = [{ oid = \"1.2.3\", hex = \"0501\" }]", 4, "one DER value"),
            ("[[alt-names.values]]\nform = \"dns\"\nvalue = \"{a}{b}\"", 6, "two variables need text between them"),
            ("[variables]\nx = { type = \"text\", max = 3 }", 5, "unknown field `max`"),
            ("name = \"again\"", 4, "duplicate key"),
            ("role = \"leaf\"", 4, "unknown variant `leaf`"),
            ("hierarchy = 7", 4, "expected a text"),
            ("x = [", 4, ""),
        ] {
            let error = own(rest).unwrap_err();
            let place = format!("profile the profile, line {line}: ");
            assert!(error.starts_with(&place) && error.contains(why) && !error.contains('\n'), "{rest}: {error}");
        }
    }

    #[test]
    fn what_no_single_value_shows_is_refused_too() {
        let rules = "{ attribute = \"OU\" },".repeat(65);
        let variables: String = (0..33).map(|n| format!("v{n} = {{ type = \"text\" }}\n")).collect();
        for (rest, why) in [
            (format!("subject = [{rules}]"), "65 entries in subject, and 64 is the most"),
            (format!("[variables]\n{variables}"), "33 variables, and 32 is the most"),
            ("[variables]\nX = { type = \"text\" }".into(), "has the variable \"X\""),
            ("[variables]\nx = { type = \"text\", min-length = 3, max-length = 2 }".into(), "the smaller first"),
            ("[variables]\nx = { type = \"hex\", bytes = 65, case = \"lower\" }".into(), "bytes are 1 to 64"),
            ("[variables]\nx = { type = \"integer\", max = 10, digits = 1 }".into(), "digits are enough for max"),
            ("subject = [{ attribute = \"CN\", value = \"{x}\" }]".into(), "uses the variable x"),
            ("[basic-constraints]\npath-length = 0".into(), "a CA alone may have"),
            ("role = \"root\"".into(), "ca = true is not among its basic-constraints"),
            ("authority-key-identifier = false".into(), "a root alone may"),
            ("identity = []".into(), "at least one entry in identity"),
            ("key-usage = []".into(), "at least one entry in key-usage"),
            ("summary = \"two\\nlines\"".into(), "a summary of one line"),
            ("extensions = [{ oid = \"2.5.29.15\", hex = \"0500\" }]".into(), "has a key of its own here"),
            (
                "extensions = [{ oid = \"1.2.3\", hex = \"0500\" }, { oid = \"1.2.3\", hex = \"0500\" }]".into(),
                "there twice",
            ),
        ] {
            let error = own(&rest).unwrap_err();
            assert!(error.contains(why), "{rest}: {error}");
        }
        for (text, why) in [
            ("name = \"x\"", "needs the line schema"),
            ("schema = \"bulla.profile/2\"\nname = \"x\"", "needs the line schema"),
            ("schema = \"bulla.profile/1\"\nextends = \"idevid\"", "needs a name"),
            ("schema = \"bulla.profile/1\"\nname = \"idevid\"\nextends = \"ldevid\"", "a built-in profile's"),
            ("schema = \"bulla.profile/1\"\nname = \"../x\"\nextends = \"ldevid\"", "lower-case letters"),
            ("schema = \"bulla.profile/1\"\nname = \"x\"", "needs a subject"),
            ("schema = \"bulla.profile/1\"\nname = \"x\"\nextends = \"odd\"", "neither a built-in profile nor a file"),
            (
                "schema = \"bulla.profile/1\"\nname = \"x\"\nextends = \"./y.toml\"",
                "neither a built-in profile nor a file",
            ),
        ] {
            let error = Profile::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn files_extend_files_beside_them_and_not_in_circles() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, extends: &str, rest: &str| {
            let text = format!("schema = \"bulla.profile/1\"\nname = \"{name}\"\nextends = \"{extends}\"\n{rest}");
            std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        };
        let read =
            |name: &str| Profile::read(&folder.path().join(format!("{name}.toml"))).map_err(|error| error.to_string());
        write("house", "idevid", "crl-urls = [\"http://a.example/crl\"]");
        write("line", "./house.toml", "validity = \"2y\"");
        let line = read("line").unwrap();
        assert_eq!((line.validity, line.crl_urls.len()), (Validity::Days(730), 1));
        write("a", "./b.toml", "");
        write("b", "./a.toml", "");
        assert!(read("a").unwrap_err().contains("perhaps in a loop"));
        for extends in ["../house.toml", "/etc/passwd", "./sub/x.toml", "house.toml", "./"] {
            write("c", extends, "");
            assert!(read("c").unwrap_err().contains("neither a built-in profile nor a file"), "{extends}");
        }
        std::fs::write(folder.path().join("big.toml"), vec![b'#'; 70_000]).unwrap();
        assert!(read("big").is_err());
        std::fs::write(folder.path().join("latin.toml"), b"name = \"\xe4\"").unwrap();
        assert!(read("latin").unwrap_err().contains("no text in UTF-8"));
    }
}
