//! The form by which names compare (RFC 5280 section 7.1).

use const_oid::ObjectIdentifier;
use der::Encode;
use der::asn1::AnyRef;
use stringprep::x520prep;

use super::{RelativeName, text};

/// A name in the form by which names compare (RFC 5280 section 7.1): relative names in order, each its attributes in any
/// order, each of these by its type and its prepared value.
///
/// Every part has its length in front of it, so that the names below another are those that start with its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Canonical(Vec<u8>);

impl Canonical {
    /// The form of the relative names of a name.
    pub(super) fn of(relative_names: &[RelativeName<'_>]) -> Self {
        let mut canonical = Vec::new();
        for relative_name in relative_names {
            let mut attributes: Vec<Vec<u8>> = relative_name.iter().map(canonical_attribute).collect();
            attributes.sort_unstable();
            put(&mut canonical, &attributes.concat());
        }
        Self(canonical)
    }

    /// Whether this is the name `other`, or one below it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

/// Attributes compare by type and by prepared text, whatever the type of the string. A value that is no text, or cannot be
/// prepared, compares by its encoding.
fn canonical_attribute((oid, value): &(ObjectIdentifier, AnyRef<'_>)) -> Vec<u8> {
    let mut canonical = Vec::new();
    put(&mut canonical, oid.as_bytes());
    let (text, encoding) = match text(*value).and_then(|text| prepare(&text)) {
        Some(text) => (text, Vec::new()),
        None => (String::new(), value.to_der().expect("what was read can be written")),
    };
    put(&mut canonical, text.as_bytes());
    put(&mut canonical, &encoding);
    canonical
}

fn put(canonical: &mut Vec<u8>, part: &[u8]) {
    canonical.extend(part.len().to_be_bytes());
    canonical.extend(part);
}

/// Prepares a string for comparison but for case and spacing (RFC 4518 section 2, as RFC 5280 section 7.1 asks). Attributes
/// whose rules say less, domainComponent and emailAddress, are of ASCII, where it comes to the same.
///
/// `None` where it has a character that may not be compared.
fn prepare(text: &str) -> Option<String> {
    let folded = if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        text.to_ascii_lowercase()
    } else {
        let visible: String = text.chars().filter(|c| !is_format(*c)).collect();
        // Case is folded, then the string normalized: x520prep does one or the other.
        let folded = x520prep(&visible, true).ok()?;
        x520prep(&folded, false).ok()?.into_owned()
    };
    let mut prepared = String::with_capacity(folded.len());
    for word in folded.split(' ').filter(|word| !word.is_empty()) {
        if !prepared.is_empty() {
            prepared.push(' ');
        }
        prepared.push_str(word);
    }
    Some(prepared)
}

/// The format characters that RFC 4518 section 2.2 maps to nothing; x520prep drops the control characters alone.
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{6dd}'
            | '\u{70f}'
            | '\u{180e}'
            | '\u{200c}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2063}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use const_oid::db::rfc4519;

    use crate::x509::Name;

    use super::*;

    /// A name of relative names, each of attributes that are a type, the tag of a string, and its octets.
    fn encoded(relative_names: &[&[(ObjectIdentifier, u8, &[u8])]]) -> Name {
        let value = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let attribute = |(oid, tag, octets): &(ObjectIdentifier, u8, &[u8])| {
            value(0x30, &[value(0x06, oid.as_bytes()), value(*tag, octets)].concat())
        };
        let relative_name =
            |attributes: &&[_]| value(0x31, &attributes.iter().map(attribute).collect::<Vec<_>>().concat());
        Name::from_der(&value(0x30, &relative_names.iter().map(relative_name).collect::<Vec<_>>().concat())).unwrap()
    }

    fn common_name(tag: u8, octets: &[u8]) -> Name {
        encoded(&[&[(rfc4519::CN, tag, octets)]])
    }

    const UTF8: u8 = 12;
    const PRINTABLE: u8 = 19;
    const TELETEX: u8 = 20;
    const IA5: u8 = 22;
    const BMP: u8 = 30;

    /// Case, spacing and the type of the string do not count (RFC 5280 section 7.1), nor what RFC 4518 section 2 takes away
    /// or composes.
    #[test]
    fn strings_match_as_prepared() {
        for (tag, octets, text) in [
            (PRINTABLE, &b"acme  GMBH "[..], "Acme GmbH"),
            (IA5, b" acme gmbh", "Acme GmbH"),
            (TELETEX, b"M\xfcller", "M\u{fc}ller"),
            (BMP, b"\0M\0\xfc\0l\0l\0e\0r", "m\u{dc}ller"),
            (UTF8, "Mu\u{308}ller".as_bytes(), "M\u{fc}ller"),
            (UTF8, "MU\u{308}LLER".as_bytes(), "m\u{fc}ller"),
            (UTF8, "STRASSE".as_bytes(), "stra\u{df}e"),
            (UTF8, "a\tb\u{a0}\u{2003}c".as_bytes(), "A B C"),
            (UTF8, "Ac\u{200b}m\u{ad}e\u{200d}\u{feff}\0".as_bytes(), "acme"),
            (UTF8, "\u{ff21}\u{fb03}x".as_bytes(), "Affix"),
        ] {
            let name = common_name(tag, octets);
            assert!(name.matches(&common_name(UTF8, text.as_bytes())), "{name} {text}");
        }
    }

    #[test]
    fn different_names_do_not_match() {
        for (one, other) in [
            ("ab", "a b"),
            ("ab", "abc"),
            ("\u{e9}", "e"),
            ("\u{131}", "i"),
            ("\u{430}", "a"),
            ("A\u{e000}", "a\u{e000}"),
        ] {
            assert!(!common_name(UTF8, one.as_bytes()).matches(&common_name(UTF8, other.as_bytes())), "{one} {other}");
        }
        // What cannot be prepared, or is no text, is the same as itself alone.
        for (tag, octets) in [(UTF8, &b"a\xff"[..]), (BMP, b"\0a\0"), (BMP, b"\xd8\0"), (4, b"a")] {
            assert!(common_name(tag, octets).matches(&common_name(tag, octets)));
            assert!(!common_name(tag, octets).matches(&common_name(TELETEX, octets)), "{tag}");
        }
        let name = |text: &str| Name::new(&Name::parse(text).unwrap()).unwrap();
        assert!(!name("CN=a, O=b").matches(&name("O=b, CN=a")));
        assert!(!name("CN=a").matches(&name("O=a")));
        assert!(!name("CN=a").matches(&name("CN=a, CN=a")));
        assert!(!name("CN=a").matches(&Name::empty()));
    }

    /// RFC 5280 section 7.1 for sets of attributes; sections 7.3 and 4.1.2.6 for domainComponent and emailAddress.
    #[test]
    fn attributes_of_one_relative_name_match_in_any_order() {
        let (one, other) = ((rfc4519::CN, UTF8, &b"a"[..]), (rfc4519::OU, UTF8, &b"b"[..]));
        assert!(encoded(&[&[one, other]]).matches(&encoded(&[&[other, one]])));
        assert!(!encoded(&[&[one, other]]).matches(&encoded(&[&[one], &[other]])));
        let name = |text: &str| Name::new(&Name::parse(text).unwrap()).unwrap();
        assert!(name("DC=Example").matches(&name("DC=eXAMPLE")));
        assert!(name("emailAddress=root@example.com").matches(&name("emailAddress=Root@EXAMPLE.com")));
    }

    #[test]
    fn a_name_starts_with_those_above_it() {
        let name = |text: &str| Name::new(&Name::parse(text).unwrap()).unwrap();
        let below = |one: &str, other: &str| name(one).canonical().starts_with(name(other).canonical());
        assert!(below("O=a, OU=b, CN=c", "O=A, OU=b"));
        assert!(!below("O=a, OU=b", "O=a, OU=b, CN=c"));
        assert!(!below("O=a, OU=bc", "O=a, OU=b"));
        assert!(name("O=a").canonical().starts_with(Name::empty().canonical()));
    }
}
