//! Reading profiles: the TOML format, `extends`, and the bounds of everything in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use const_oid::ObjectIdentifier;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use x509_cert::ext::pkix::KeyUsages;

use super::template::{TEXT_LIMIT, is_variable_name};
use super::words::{Attribute, Bytes, Form, Url, Usage, Words};
use super::{
    AltNameRule, AltNameRules, BuiltIn, Identity, OwnExtension, Policy, Profile, Role, Subject, SubjectRule, Template,
    Validity, Variable, own_oids,
};
use crate::files;
use crate::key::KeyType;
use crate::x509::{Error, Hierarchy, Time};

/// Largest file that is read. The built-in profiles stay below 2 KiB.
const FILE_LIMIT: u64 = 64 << 10;
/// Longest chain of `extends`: a maker's house rules, a product line, a product and one to spare, twice over.
const DEPTH_LIMIT: usize = 8;
/// Most entries of any list. RFC 5280 has 16 attribute types that anybody uses, and a certificate has a few of each.
const LIST_LIMIT: usize = 64;
/// Most variables: no more than a person gives by hand.
const VARIABLE_LIMIT: usize = 32;
/// Most bytes of a hexadecimal variable: a SHA-512.
const HEX_LIMIT: usize = 64;

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

/// The file as it is written: see the documentation of [`super`]. Everything may be left out, since a base may have it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Format {
    schema: Option<String>,
    name: Option<String>,
    summary: Option<String>,
    extends: Option<String>,
    role: Option<Role>,
    hierarchy: Option<Words<Option<Hierarchy>>>,
    identity: Option<Vec<Words<Identity>>>,
    key_types: Option<Vec<Words<KeyType>>>,
    validity: Option<Words<Validity>>,
    not_before: Option<Words<Option<Time>>>,
    subject: Option<SubjectFormat>,
    #[serde(default)]
    variables: BTreeMap<String, VariableFormat>,
    #[serde(default)]
    alt_names: AltNamesFormat,
    #[serde(default)]
    basic_constraints: ConstraintsFormat,
    key_usage: Option<Vec<Words<KeyUsages>>>,
    #[serde(default)]
    rsa_key_encipherment: bool,
    #[serde(default)]
    extended_key_usage: Vec<Words<Usage>>,
    #[serde(default)]
    extended_key_usage_critical: bool,
    #[serde(default)]
    policies: Vec<PolicyFormat>,
    #[serde(default)]
    crl_urls: Vec<Words<Url>>,
    #[serde(default)]
    issuer_urls: Vec<Words<Url>>,
    #[serde(default)]
    ocsp_urls: Vec<Words<Url>>,
    subject_key_identifier: Option<bool>,
    authority_key_identifier: Option<bool>,
    #[serde(default)]
    ocsp_no_check: bool,
    #[serde(default)]
    extensions: Vec<ExtensionFormat>,
}

enum SubjectFormat {
    Any,
    Listed(Vec<RuleFormat>),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RuleFormat {
    attribute: Words<Attribute>,
    value: Option<Words<Template>>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    same_as_issuer: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
enum VariableFormat {
    Text {
        min_length: Option<usize>,
        max_length: Option<usize>,
        #[serde(default)]
        one_of: Vec<String>,
    },
    Hex {
        bytes: usize,
        case: Case,
    },
    Integer {
        #[serde(default)]
        min: u64,
        max: u64,
        digits: Option<usize>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Case {
    Upper,
    Lower,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct AltNamesFormat {
    #[serde(default)]
    allow: Vec<Words<Form>>,
    #[serde(default)]
    need: Vec<Words<Form>>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    values: Vec<AltNameFormat>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct AltNameFormat {
    form: Words<Form>,
    value: Words<Template>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ConstraintsFormat {
    #[serde(default)]
    ca: bool,
    path_length: Option<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PolicyFormat {
    oid: Words<ObjectIdentifier>,
    cps: Option<Words<Url>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ExtensionFormat {
    oid: Words<ObjectIdentifier>,
    #[serde(default)]
    critical: bool,
    hex: Words<Bytes>,
}

impl<'de> Deserialize<'de> for SubjectFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyOrList;
        impl<'de> Visitor<'de> for AnyOrList {
            type Value = SubjectFormat;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"any\" or a list of attributes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SubjectFormat, E> {
                match text {
                    "any" => Ok(SubjectFormat::Any),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<SubjectFormat, A::Error> {
                let mut rules = Vec::new();
                while let Some(rule) = entries.next_element()? {
                    rules.push(rule);
                }
                Ok(SubjectFormat::Listed(rules))
            }
        }
        deserializer.deserialize_any(AnyOrList)
    }
}

impl Format {
    /// Checks what no single value shows, and puts the profile together.
    fn into_profile(self, effective: toml::Table) -> Result<Profile, String> {
        let Self {
            schema: _,
            name,
            summary,
            extends: _,
            role,
            hierarchy,
            identity,
            key_types,
            validity,
            not_before,
            subject,
            variables,
            alt_names,
            basic_constraints,
            key_usage,
            rsa_key_encipherment,
            extended_key_usage,
            extended_key_usage_critical,
            policies,
            crl_urls,
            issuer_urls,
            ocsp_urls,
            subject_key_identifier,
            authority_key_identifier,
            ocsp_no_check,
            extensions,
        } = self;
        let role = role.unwrap_or(Role::Request);
        let basic_constraints = match basic_constraints {
            ConstraintsFormat { ca: false, path_length: Some(_) } => {
                return Err("has a path length, which a CA alone may have (RFC 5280 section 4.2.1.9)".to_owned());
            }
            ConstraintsFormat { ca, path_length } => (ca, path_length),
        };
        if role != Role::Request && !basic_constraints.0 {
            return Err(format!("has the role {}, and ca = true is not among its basic-constraints", role.name()));
        }
        if authority_key_identifier == Some(false) && role != Role::Root {
            return Err(
                "leaves out authorityKeyIdentifier, which a root alone may (RFC 5280 section 4.2.1.1)".to_owned()
            );
        }
        let subject = match subject.ok_or("needs a subject: \"any\", or the list of what is allowed")? {
            SubjectFormat::Any => Subject::Any,
            SubjectFormat::Listed(rules) => Subject::Listed(list("subject", rules)?.into_iter().map(rule).collect()),
        };
        let profile = Profile {
            name: checked_name(name.ok_or("needs a name")?)?,
            summary: checked_summary(summary.ok_or("needs a summary")?)?,
            role,
            hierarchy: hierarchy.ok_or("needs a hierarchy: \"device\", \"firmware\" or \"any\"")?.0,
            identity: some("identity", identity)?,
            key_types: words("key-types", key_types.unwrap_or_default())?,
            validity: validity.ok_or("needs a validity, as \"365d\" or \"no-expiry\"")?.0,
            not_before: not_before.and_then(|time| time.0),
            subject,
            variables: checked_variables(variables)?,
            alt_names: AltNameRules {
                allow: words("allow", alt_names.allow)?.into_iter().map(|form| form.0).collect(),
                need: words("need", alt_names.need)?.into_iter().map(|form| form.0).collect(),
                optional: alt_names.optional,
                values: list("values", alt_names.values)?
                    .into_iter()
                    .map(|AltNameFormat { form, value }| AltNameRule { form: form.0.0, value: value.0 })
                    .collect(),
            },
            is_ca: basic_constraints.0,
            path_length: basic_constraints.1,
            key_usage: some("key-usage", key_usage)?,
            rsa_key_encipherment,
            extended_key_usage: words("extended-key-usage", extended_key_usage)?.into_iter().map(|one| one.0).collect(),
            extended_key_usage_critical,
            policies: list("policies", policies)?
                .into_iter()
                .map(|PolicyFormat { oid, cps }| Policy { oid: oid.0, cps: cps.map(|url| url.0.0) })
                .collect(),
            crl_urls: urls("crl-urls", crl_urls)?,
            issuer_urls: urls("issuer-urls", issuer_urls)?,
            ocsp_urls: urls("ocsp-urls", ocsp_urls)?,
            subject_key_identifier: subject_key_identifier.unwrap_or(true),
            authority_key_identifier: authority_key_identifier.unwrap_or(role != Role::Root),
            ocsp_no_check,
            extensions: checked_extensions(list("extensions", extensions)?)?,
            effective,
        };
        check_templates(&profile)?;
        Ok(profile)
    }
}

fn rule(rule: RuleFormat) -> SubjectRule {
    let RuleFormat { attribute, value, optional, same_as_issuer } = rule;
    SubjectRule { attribute: attribute.0.0, value: value.map(|value| value.0), optional, same_as_issuer }
}

/// A list within its bound.
fn list<T>(name: &str, entries: Vec<T>) -> Result<Vec<T>, String> {
    if entries.len() > LIST_LIMIT {
        return Err(format!("has {} entries in {name}, and {LIST_LIMIT} is the most", entries.len()));
    }
    Ok(entries)
}

fn words<T>(name: &str, entries: Vec<Words<T>>) -> Result<Vec<T>, String> {
    Ok(list(name, entries)?.into_iter().map(|entry| entry.0).collect())
}

fn urls(name: &str, entries: Vec<Words<Url>>) -> Result<Vec<String>, String> {
    Ok(words(name, entries)?.into_iter().map(|url| url.0).collect())
}

fn some<T>(name: &str, entries: Option<Vec<Words<T>>>) -> Result<Vec<T>, String> {
    let entries = words(name, entries.unwrap_or_default())?;
    if entries.is_empty() { Err(format!("needs at least one entry in {name}")) } else { Ok(entries) }
}

/// A name is a file's name in a CA, and stands in its records.
fn checked_name(name: String) -> Result<String, String> {
    let fits = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let why = || format!("has the name \"{name}\", and a name is lower-case letters, digits and hyphens, at most 64");
    if fits { Ok(name) } else { Err(why()) }
}

fn checked_summary(summary: String) -> Result<String, String> {
    let fits = (1..=200).contains(&summary.chars().count()) && summary.chars().all(files::is_printable);
    if fits { Ok(summary) } else { Err("needs a summary of one line, at most 200 characters".to_owned()) }
}

fn checked_variables(variables: BTreeMap<String, VariableFormat>) -> Result<BTreeMap<String, Variable>, String> {
    if variables.len() > VARIABLE_LIMIT {
        return Err(format!("has {} variables, and {VARIABLE_LIMIT} is the most", variables.len()));
    }
    let variable = |(name, format): (String, VariableFormat)| {
        if !is_variable_name(&name) {
            let form = "lower-case letters, digits and hyphens after a letter, at most 32";
            return Err(format!("has the variable \"{name}\", and a variable's name is {form}"));
        }
        let refuse = |why: &str| Err(format!("has the variable {name}, and {why}"));
        let variable = match format {
            VariableFormat::Text { min_length, max_length, one_of } => {
                let (min_length, max_length) = (min_length.unwrap_or(1), max_length.unwrap_or(TEXT_LIMIT));
                if min_length == 0 || min_length > max_length || max_length > TEXT_LIMIT {
                    return refuse(&format!("lengths are 1 to {TEXT_LIMIT}, the smaller first"));
                }
                Variable::Text { min_length, max_length, one_of: list("one-of", one_of)? }
            }
            VariableFormat::Hex { bytes, case } => {
                if !(1..=HEX_LIMIT).contains(&bytes) {
                    return refuse(&format!("bytes are 1 to {HEX_LIMIT}"));
                }
                Variable::Hex { bytes, upper: matches!(case, Case::Upper) }
            }
            VariableFormat::Integer { min, max, digits } => {
                let widest = max.to_string().len();
                // 20 digits are those of the largest number that is read.
                if min > max || digits.is_some_and(|digits| digits < widest || digits > 20) {
                    return refuse("min is at most max, and digits are enough for max and at most 20");
                }
                Variable::Integer { min, max, digits }
            }
        };
        Ok((name, variable))
    };
    variables.into_iter().map(variable).collect()
}

/// An extension of the profile's own is none of those that the profile writes itself, and comes once.
fn checked_extensions(extensions: Vec<ExtensionFormat>) -> Result<Vec<OwnExtension>, String> {
    let mut seen: BTreeSet<ObjectIdentifier> = own_oids().into();
    let extension = |ExtensionFormat { oid, critical, hex }: ExtensionFormat| {
        if !seen.insert(oid.0) {
            return Err(format!("has the extension {}, which is there twice or has a key of its own here", oid.0));
        }
        Ok(OwnExtension { oid: oid.0, critical, value: hex.0.0 })
    };
    extensions.into_iter().map(extension).collect()
}

/// Every variable in a template is declared.
fn check_templates(profile: &Profile) -> Result<(), String> {
    for name in profile.templates().flat_map(Template::variables) {
        if !profile.variables.contains_key(name) {
            return Err(format!("uses the variable {name}, which is not among its variables"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
