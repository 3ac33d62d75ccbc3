//! The TOML format of a profile, and the bounds of everything in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use const_oid::ObjectIdentifier;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use x509_cert::ext::pkix::KeyUsages;

use super::template::{TEXT_LIMIT, is_variable_name};
use super::words::{Attribute, Bytes, Form, Url, Usage, Words};
use super::{
    AltNameRule, AltNameRules, Identity, OwnExtension, Policy, Profile, Role, Subject, SubjectRule, Template, Validity,
    Variable, own_oids,
};
use crate::files;
use crate::key::KeyType;
use crate::x509::{Hierarchy, Time};

/// Most entries of any list. RFC 5280 has 16 attribute types that anybody uses, and a certificate has a few of each.
const LIST_LIMIT: usize = 64;
/// Most variables: no more than a person gives by hand.
const VARIABLE_LIMIT: usize = 32;
/// Most bytes of a hexadecimal variable: a SHA-512.
const HEX_LIMIT: usize = 64;

/// The file as it is written: see the documentation of [`super`]. Everything may be left out, since a base may have it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Format {
    pub schema: Option<String>,
    pub name: Option<String>,
    summary: Option<String>,
    pub extends: Option<String>,
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
    pub(super) fn into_profile(self, effective: toml::Table) -> Result<Profile, String> {
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
