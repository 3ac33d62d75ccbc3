//! Values made of variables, as `ACME-GW-{serial}`: read, expanded, and matched against what a request brings.

use std::collections::BTreeMap;
use std::fmt;

use crate::files::printable;

/// Longest template and longest value of a variable, in characters. The longest value that can come of one is a URI; a
/// subject attribute has at most 256 characters (RFC 5280 appendix A.1).
pub(super) const TEXT_LIMIT: usize = 1024;

/// What a variable's value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Any text, or one of a few. The attribute that it goes into has its own rules for characters.
    Text { min_length: usize, max_length: usize, one_of: Vec<String> },
    /// Exactly so many bytes in hexadecimal digits.
    Hex { bytes: usize, upper: bool },
    /// A decimal number, in exactly so many digits or without leading zeros.
    Integer { min: u64, max: u64, digits: Option<usize> },
}

impl Variable {
    /// Whether a value is of this type, and if not, what it must be.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let is = match self {
            Self::Text { min_length, max_length, one_of } => {
                let length = value.chars().count();
                (*min_length..=*max_length).contains(&length)
                    && (one_of.is_empty() || one_of.iter().any(|one| one == value))
            }
            Self::Hex { bytes, upper } => {
                value.len() == 2 * bytes
                    && value
                        .bytes()
                        .all(|b| b.is_ascii_digit() || (if *upper { b'A'..=b'F' } else { b'a'..=b'f' }).contains(&b))
            }
            Self::Integer { min, max, digits } => {
                // One number is written in one way: no sign, and zeros in front only up to the length.
                let in_form = value.bytes().all(|b| b.is_ascii_digit())
                    && match digits {
                        Some(digits) => value.len() == *digits,
                        None => value == "0" || !value.starts_with('0'),
                    };
                in_form && value.parse().is_ok_and(|number: u64| (*min..=*max).contains(&number))
            }
        };
        if is { Ok(()) } else { Err(self.to_string()) }
    }

    /// The length of every value, where it is the same for all.
    fn length(&self) -> Option<usize> {
        match self {
            Self::Text { .. } => None,
            Self::Hex { bytes, .. } => Some(2 * bytes),
            Self::Integer { digits, .. } => *digits,
        }
    }
}

impl fmt::Display for Variable {
    /// What a value must be, as words after "must be".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { one_of, .. } if !one_of.is_empty() => write!(f, "one of {}", printable(&one_of.join(", "))),
            Self::Text { min_length, max_length, .. } => write!(f, "text of {min_length} to {max_length} characters"),
            Self::Hex { bytes, upper } => {
                let case = if *upper { "upper" } else { "lower" };
                write!(f, "{} {case}-case hexadecimal digits", 2 * bytes)
            }
            Self::Integer { min, max, digits } => {
                write!(f, "a number from {min} to {max}")?;
                digits.map_or(Ok(()), |digits| write!(f, " in {digits} digits"))
            }
        }
    }
}

/// The values of variables, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// None.
    pub const NONE: &'static Self = &Self(BTreeMap::new());

    /// Gives a variable its value; false, and nothing changed, where it has another.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        self.0.entry(name.to_owned()).or_insert_with(|| value.to_owned()) == value
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Every name and value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Text with variables in braces; `{{` and `}}` stand for the braces themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(String),
}

impl Template {
    /// Reads a template. Two variables need text between them, since nothing else would say where one ends.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a value must not be empty".to_owned());
        }
        if text.chars().count() > TEXT_LIMIT {
            return Err(format!("a value has at most {TEXT_LIMIT} characters"));
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let variable = rest.strip_prefix('{').filter(|rest| !rest.starts_with('{'));
            if let Some((name, after)) = variable.and_then(|rest| rest.split_once('}')) {
                if !is_variable_name(name) {
                    return Err(format!("\"{}\" is not the name of a variable", printable(name)));
                }
                if matches!(parts.last(), Some(Part::Variable(_))) {
                    return Err("two variables need text between them".to_owned());
                }
                parts.push(Part::Variable(name.to_owned()));
                rest = after;
                continue;
            }
            if matches!(c, '{' | '}') && !rest[1..].starts_with(c) {
                return Err("a brace that is no variable's must be written twice".to_owned());
            }
            rest = &rest[if matches!(c, '{' | '}') { 2 } else { c.len_utf8() }..];
            match parts.last_mut() {
                Some(Part::Literal(literal)) => literal.push(c),
                _ => parts.push(Part::Literal(c.to_string())),
            }
        }
        Ok(Self { parts })
    }

    /// The variables in it, from left to right.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Variable(name) => Some(name.as_str()),
        })
    }

    /// The value that it makes, or the variable that has none. A value is never read as a template again.
    pub(in crate::x509) fn expand(&self, variables: &Variables) -> Result<String, &str> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Ok(text.as_str()),
                Part::Variable(name) => variables.get(name).ok_or(name.as_str()),
            })
            .collect()
    }

    /// Finds the values of the variables that make `value`, from left to right: one that is known stands for itself,
    /// one of fixed length takes that much, any other ends where the next text begins. Returns the known values with
    /// the new ones, or `None` where `value` cannot be made.
    pub(super) fn bind(&self, value: &str, known: &Variables, types: &BTreeMap<String, Variable>) -> Option<Variables> {
        let mut bound = known.clone();
        let mut rest = value;
        for (index, part) in self.parts.iter().enumerate() {
            let length = match part {
                Part::Literal(text) => rest.starts_with(text).then_some(text.len())?,
                Part::Variable(name) => {
                    let variable = types.get(name)?;
                    let length = match (bound.get(name), variable.length(), self.parts.get(index + 1)) {
                        (Some(value), ..) => value.len(),
                        (None, Some(length), _) => length,
                        (None, None, Some(Part::Literal(next))) => rest.find(next)?,
                        (None, None, _) => rest.len(),
                    };
                    let found = rest.get(..length)?;
                    variable.check(found).ok()?;
                    bound.set(name, found).then_some(length)?
                }
            };
            rest = &rest[length..];
        }
        (rest.is_empty() && self.expand(&bound).as_deref() == Ok(value)).then_some(bound)
    }
}

impl fmt::Display for Template {
    /// The template as it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Variable(name) => write!(f, "{{{name}}}"),
        })
    }
}

/// Lower-case letters, digits and hyphens after a letter, at most 32.
pub(super) fn is_variable_name(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> BTreeMap<String, Variable> {
        let text = Variable::Text { min_length: 1, max_length: 20, one_of: Vec::new() };
        let hex = Variable::Hex { bytes: 2, upper: true };
        let integer = Variable::Integer { min: 1, max: 9999, digits: Some(4) };
        [("a", text.clone()), ("b", text), ("vid", hex), ("n", integer)]
            .map(|(name, variable)| (name.to_owned(), variable))
            .into()
    }

    fn bind(template: &str, value: &str, known: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        let mut variables = Variables::default();
        known.iter().for_each(|(name, value)| assert!(variables.set(name, value)));
        let bound = Template::parse(template).unwrap().bind(value, &variables, &types())?;
        Some(bound.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn values_are_bound_from_left_to_right() {
        for (template, value, known, expected) in [
            ("ACME-{a}", "ACME-7", &[][..], Some(&[("a", "7")][..])),
            ("{a}", "x-y", &[], Some(&[("a", "x-y")])),
            ("{a}-{b}", "x-y-z", &[], Some(&[("a", "x"), ("b", "y-z")])),
            ("{a}-{b}", "x-y-z", &[("a", "x-y")], Some(&[("a", "x-y"), ("b", "z")])),
            ("{a}/{a}", "x/x", &[], Some(&[("a", "x")])),
            ("{a}/{a}", "x/y", &[], None),
            ("{vid}F{n}", "FFF1F0042", &[], Some(&[("n", "0042"), ("vid", "FFF1")])),
            ("{vid}", "fff1", &[], None),
            ("{vid}", "FFF", &[], None),
            ("{n}", "0000", &[], None),
            ("{n}", "42", &[], None),
            ("ACME-{a}", "ACME-", &[], None),
            ("ACME-{a}", "acme-7", &[], None),
            ("ACME-{a}!", "ACME-7", &[], None),
            ("{a}", "x", &[("a", "y")], None),
            ("{a}", "123456789012345678901", &[], None),
            ("{vid}", "\u{20ac}1", &[], None),
        ] {
            let expected = expected
                .map(|pairs| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
            assert_eq!(bind(template, value, known), expected, "{template} {value}");
        }
    }

    /// A value that looks like a template stays what it is.
    #[test]
    fn braces_in_a_value_are_text() {
        for value in ["{b}", "{{b}}", "{", "}}", "{a}"] {
            assert_eq!(bind("x{a}y{b}", &format!("x{value}y7"), &[]).unwrap()[0].1, value);
            let mut variables = Variables::default();
            variables.set("a", value);
            assert_eq!(Template::parse("<{a}>").unwrap().expand(&variables), Ok(format!("<{value}>")));
        }
    }

    #[test]
    fn templates_are_read_and_written_alike() {
        for text in ["a", "{a}", "x{a}-{b}y", "{{{a}}}", "{{a}}", "\u{e4}{a}"] {
            assert_eq!(Template::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Template::parse("{{{a}}}").unwrap().variables().collect::<Vec<_>>(), ["a"]);
        for text in ["", "{", "}", "{a", "a}", "{}", "{A}", "{a}{b}", "{a b}", "{{a}", "{a}}", &"x".repeat(1025)] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
