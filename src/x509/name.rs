//! Distinguished names: written from text in the order given, kept as their original bytes, compared by these or in the
//! form of [`Canonical`].

use std::borrow::Cow;
use std::fmt;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc3280, rfc4519};
use der::asn1::{Any, AnyRef, Ia5StringRef, PrintableStringRef, SetOfVec, Utf8StringRef};
use der::{Decode, Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;

use super::{Error, encode, members};
use crate::files::{self, to_hex};

mod canonical;
pub(super) use canonical::Canonical;

/// What errors call it.
const WHAT: &str = "the name";

/// A distinguished name, kept as its DER bytes.
///
/// ```text
/// RDNSequence ::= SEQUENCE OF RelativeDistinguishedName       -- RFC 5280 section 4.1.2.4
/// RelativeDistinguishedName ::= SET SIZE (1..MAX) OF AttributeTypeAndValue
/// ```
///
/// Equality compares bytes: a CA copies its own subject into what it issues. [`Name::matches`] compares as a verifier has
/// to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    der: Vec<u8>,
    canonical: Canonical,
}

/// An attribute that has its relative distinguished name to itself.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    /// Its type.
    pub oid: ObjectIdentifier,
    /// Its value.
    pub value: String,
    /// The string type of the value.
    pub tag: Tag,
    /// The DER encoding of the RDN.
    pub relative_name: Vec<u8>,
}

impl Attribute {
    /// Checks a value by the rules for names of our own, and encodes it.
    pub(super) fn new(oid: ObjectIdentifier, value: &str) -> Result<Self, Error> {
        let encoded = attribute_value(oid, value)?;
        let tag = encoded.tag();
        let rdn = SetOfVec::try_from(vec![AttributeTypeAndValue { oid, value: encoded }]);
        let rdn = rdn.map_err(|_| Error::Malformed { what: WHAT })?;
        Ok(Self { oid, value: value.to_owned(), tag, relative_name: encode(WHAT, &rdn)? })
    }
}

/// The string type that an attribute's value must have.
#[derive(Clone, Copy, PartialEq)]
enum Syntax {
    /// UTF8String, as RFC 5280 section 4.1.2.4 asks of DirectoryString.
    Directory,
    /// PrintableString, where appendix A.1 fixes it.
    Printable,
    /// IA5String, where appendix A.1 or RFC 4519 fix it.
    Ia5,
}

/// Short name, OID, syntax, and the upper bound in characters (RFC 5280 appendix A.1).
const ATTRIBUTES: [(&str, ObjectIdentifier, Syntax, usize); 16] = [
    ("CN", rfc4519::CN, Syntax::Directory, 64),
    ("serialNumber", rfc4519::SERIAL_NUMBER, Syntax::Printable, 64),
    ("O", rfc4519::O, Syntax::Directory, 64),
    ("OU", rfc4519::OU, Syntax::Directory, 64),
    ("C", rfc4519::C, Syntax::Printable, 2),
    ("ST", rfc4519::ST, Syntax::Directory, 128),
    ("L", rfc4519::L, Syntax::Directory, 128),
    ("DC", rfc4519::DC, Syntax::Ia5, 63),
    ("UID", rfc4519::UID, Syntax::Directory, 256),
    ("dnQualifier", rfc4519::DN_QUALIFIER, Syntax::Printable, 64),
    ("title", rfc4519::TITLE, Syntax::Directory, 64),
    ("street", rfc4519::STREET, Syntax::Directory, 128),
    ("SN", rfc4519::SN, Syntax::Directory, 40),
    ("GN", rfc4519::GIVEN_NAME, Syntax::Directory, 16),
    ("emailAddress", rfc3280::EMAIL_ADDRESS, Syntax::Ia5, 255),
    ("pseudonym", rfc3280::PSEUDONYM, Syntax::Directory, 128),
];

/// The attribute type that a short name, case-insensitive, or a dotted OID stands for.
pub(super) fn attribute_type(name: &str) -> Option<ObjectIdentifier> {
    let known = ATTRIBUTES.iter().find(|(short, ..)| short.eq_ignore_ascii_case(name)).map(|entry| entry.1);
    known.or_else(|| ObjectIdentifier::new(name).ok())
}

/// The short name of an attribute type, or its OID.
pub(super) fn label(oid: ObjectIdentifier) -> String {
    let known = ATTRIBUTES.iter().find(|entry| entry.1 == oid);
    known.map_or_else(|| oid.to_string(), |(short, ..)| (*short).to_owned())
}

impl Name {
    /// The OID of commonName.
    pub const COMMON_NAME: ObjectIdentifier = rfc4519::CN;
    /// The OID of organizationName.
    pub const ORGANIZATION: ObjectIdentifier = rfc4519::O;
    /// The OID of the subject attribute serialNumber, which is not the certificate's serial number.
    pub const SERIAL_NUMBER: ObjectIdentifier = rfc4519::SERIAL_NUMBER;
    /// Longest name in DER that is judged. The text of the longest attribute that is not bound tighter has 32768 characters
    /// (RFC 5280 appendix A.1, ub-name).
    pub(super) const LENGTH_LIMIT: usize = 32 << 10;

    /// The name without attributes.
    pub fn empty() -> Self {
        Self { der: vec![0x30, 0x00], canonical: Canonical::default() }
    }

    /// Takes the DER bytes of a name from a certificate or request. All of them must be read: what one reader does not see
    /// in a name is seen by another.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, Error> {
        Ok(Self { der: der.to_vec(), canonical: Canonical::of(&relative_names(der)?) })
    }

    /// Builds a name of single-valued RDNs in the order given; an attribute may come several times.
    ///
    /// Values are checked against their syntax and upper bound (RFC 5280 appendix A.1); control characters and empty
    /// values are refused, since no peer agrees on them.
    pub fn new<S: AsRef<str>>(attributes: &[(ObjectIdentifier, S)]) -> Result<Self, Error> {
        let attribute = |(oid, value): &(_, S)| Ok::<_, Error>(Attribute::new(*oid, value.as_ref())?.relative_name);
        Self::from_relative_names(&attributes.iter().map(attribute).collect::<Result<Vec<_>, _>>()?)
    }

    /// Puts relative distinguished names together, each in its DER encoding.
    pub(super) fn from_relative_names(names: &[Vec<u8>]) -> Result<Self, Error> {
        let content = names.concat();
        let name = AnyRef::new(Tag::Sequence, &content).map_err(|_| Error::Malformed { what: WHAT })?;
        Self::from_der(&encode(WHAT, &name)?)
    }

    /// The attributes in order, each with its original bytes. An RDN of several attributes is refused, as is a value
    /// that is no UTF8String, PrintableString or IA5String: what an allow-list is about must be what every peer reads.
    pub(super) fn single_valued(&self) -> Result<Vec<Attribute>, Error> {
        let attribute = |(attributes, relative_name): (RelativeName<'_>, &[u8])| {
            let [(oid, value)] = attributes[..] else {
                let (value, why) = (self.to_string(), "has two attributes in one place, which no device profile has");
                return Err(Error::Value { what: "subject", value, why });
            };
            let text = match value.tag() {
                Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => std::str::from_utf8(value.value()).ok(),
                _ => None,
            };
            let why = "has a value that is no UTF8String, PrintableString or IA5String";
            let refuse = || Error::Value { what: "subject attribute", value: label(oid), why };
            let text = text.ok_or_else(refuse)?.to_owned();
            Ok(Attribute { oid, value: text, tag: value.tag(), relative_name: relative_name.to_vec() })
        };
        let encodings = members(&self.der, Tag::Sequence, WHAT)?;
        relative_names(&self.der)?.into_iter().zip(encodings).map(attribute).collect()
    }

    /// Reads attributes written as `O=Acme, OU=a, OU=b, CN=x`: in the order of the encoding, the reverse of RFC 4514.
    ///
    /// A type is a short name of this list, case-insensitive, or a dotted OID. `\` escapes a comma, a plus or a
    /// backslash; an unescaped plus is refused, since no device profile has multi-valued RDNs.
    pub fn parse(text: &str) -> Result<Vec<(ObjectIdentifier, String)>, Error> {
        let value = |why| Error::Value { what: "subject", value: text.to_owned(), why };
        let mut parts = vec![String::new()];
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            let part = parts.last_mut().ok_or_else(|| value("is empty"))?;
            match c {
                '\\' => part.push(characters.next().ok_or_else(|| value("ends in a backslash"))?),
                ',' => parts.push(String::new()),
                '+' => return Err(value("has a plus, which must be written \\+")),
                c => part.push(c),
            }
        }
        let attribute = |part: &String| {
            let (name, text) = part.split_once('=').ok_or_else(|| value("must be TYPE=VALUE, ..."))?;
            let name = name.trim();
            let oid = attribute_type(name).ok_or_else(|| value("has an attribute type that is not known"))?;
            Ok((oid, text.trim().to_owned()))
        };
        parts.iter().map(attribute).collect()
    }

    /// The DER bytes, as read or built.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether the name has no attribute.
    pub fn is_empty(&self) -> bool {
        self.der == [0x30, 0x00]
    }

    /// What an attribute's type is called: its short name, as `CN`, or its OID.
    pub fn attribute_label(oid: ObjectIdentifier) -> String {
        label(oid)
    }

    /// Whether a type is known as one of a subject's attributes.
    pub fn is_attribute(oid: ObjectIdentifier) -> bool {
        ATTRIBUTES.iter().any(|entry| entry.1 == oid)
    }

    /// The values of one attribute type, in order, where they are strings.
    pub fn values(&self, oid: ObjectIdentifier) -> Vec<String> {
        self.attributes().into_iter().filter(|(found, _)| *found == oid).map(|(_, value)| value).collect()
    }

    /// Every attribute in order. A value that is no string is given as `#` and its hexadecimal content.
    pub fn attributes(&self) -> Vec<(ObjectIdentifier, String)> {
        self.relative_names().into_iter().flatten().collect()
    }

    /// Whether both are the same name by the rules of RFC 5280 section 7.1.
    pub fn matches(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }

    /// The form by which names compare.
    pub(super) fn canonical(&self) -> &Canonical {
        &self.canonical
    }

    fn relative_names(&self) -> Vec<Vec<(ObjectIdentifier, String)>> {
        let attribute = |(oid, value): (ObjectIdentifier, AnyRef<'_>)| {
            let text = text(value).map_or_else(|| format!("#{}", to_hex(value.value())), Cow::into_owned);
            (oid, text)
        };
        let names = relative_names(&self.der).expect("a name is read when it is made");
        names.into_iter().map(|attributes| attributes.into_iter().map(attribute).collect()).collect()
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Display for Name {
    /// One line, `O=Acme, serialNumber=SN-42`, in the order of the encoding, safe for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("(empty)");
        }
        for (index, rdn) in self.relative_names().iter().enumerate() {
            for (position, (oid, value)) in rdn.iter().enumerate() {
                let separator = match (index, position) {
                    (0, 0) => "",
                    (_, 0) => ", ",
                    _ => " + ",
                };
                let value = files::printable(value).replace(',', "\\,");
                write!(f, "{separator}{}={value}", label(*oid))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The attributes that stand in one place of a name: one, as a rule.
type RelativeName<'a> = Vec<(ObjectIdentifier, AnyRef<'a>)>;

fn relative_names(der: &[u8]) -> Result<Vec<RelativeName<'_>>, Error> {
    let malformed = || Error::Malformed { what: WHAT };
    let attribute = |attribute| {
        let [oid, value] = members(attribute, Tag::Sequence, WHAT)?[..] else { return Err(malformed()) };
        let oid = ObjectIdentifier::from_der(oid).map_err(|_| malformed())?;
        Ok((oid, AnyRef::from_der(value).map_err(|_| malformed())?))
    };
    let relative_name = |relative_name| match members(relative_name, Tag::Set, WHAT)? {
        attributes if attributes.is_empty() => Err(malformed()),
        attributes => attributes.into_iter().map(attribute).collect(),
    };
    members(der, Tag::Sequence, WHAT)?.into_iter().map(relative_name).collect()
}

/// The text of a string, where its octets are what its type says. TeletexString is read as Latin-1, which is what its
/// writers mean.
fn text(value: AnyRef<'_>) -> Option<Cow<'_, str>> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            std::str::from_utf8(value.value()).ok().map(Cow::Borrowed)
        }
        Tag::TeletexString => Some(value.value().iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (units, rest) = value.value().as_chunks();
            let units: Vec<u16> = units.iter().copied().map(u16::from_be_bytes).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty()).map(Cow::Owned)
        }
        _ => None,
    }
}

fn attribute_value(oid: ObjectIdentifier, value: &str) -> Result<Any, Error> {
    let entry = ATTRIBUTES.iter().find(|entry| entry.1 == oid);
    let (name, syntax, bound) = entry.map_or(("attribute", Syntax::Directory, 256), |e| (e.0, e.2, e.3));
    let refuse = |why| Error::Value { what: name, value: value.to_owned(), why };
    if value.is_empty() {
        return Err(refuse("is empty"));
    }
    if value.chars().any(char::is_control) {
        return Err(refuse("has a control character"));
    }
    if value.chars().count() > bound {
        return Err(refuse("is longer than RFC 5280 allows"));
    }
    if oid == rfc4519::C && value.len() != 2 {
        return Err(refuse("is no country code of two letters"));
    }
    let encoded = match syntax {
        Syntax::Directory => Utf8StringRef::new(value).map(Any::from),
        Syntax::Printable => PrintableStringRef::new(value)
            .map_err(|_| refuse("has a character outside PrintableString"))
            .map(Any::from)
            .map(Ok)?,
        Syntax::Ia5 => {
            Ia5StringRef::new(value).map_err(|_| refuse("has a character outside ASCII")).map(Any::from).map(Ok)?
        }
    };
    encoded.map_err(|_| refuse("cannot be encoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_repetition_are_kept() {
        let name = Name::new(&Name::parse("DC=com, DC=example, O=A\\, B, OU=a, OU=b, CN=x").unwrap()).unwrap();
        assert_eq!(name.to_string(), "DC=com, DC=example, O=A\\, B, OU=a, OU=b, CN=x");
        assert_eq!(Name::from_der(name.der()).unwrap(), name);
    }

    #[test]
    fn bad_values_are_refused() {
        for text in ["CN=", "CN=a\u{7}", "C=DEU", "serialNumber=a*b", "nonsense", "X=y", "CN=a+O=b", "CN=a\\", ""] {
            let built = Name::parse(text).and_then(|attributes| Name::new(&attributes));
            assert!(built.is_err(), "{text}");
        }
    }

    #[test]
    fn display_is_one_safe_line() {
        let rdn = SetOfVec::try_from(vec![AttributeTypeAndValue {
            oid: Name::COMMON_NAME,
            value: Any::from(Utf8StringRef::new("a\n\u{1b}[2J\u{202e}").unwrap()),
        }]);
        let name = Name::from_der(&encode("name", &vec![rdn.unwrap()]).unwrap()).unwrap();
        assert_eq!(name.to_string(), "CN=a\\n\\u{1b}[2J\\u{202e}");
    }

    /// No attribute can hide where a reader has stopped.
    #[test]
    fn every_byte_of_a_name_is_read() {
        // SEQUENCE { SET { SEQUENCE { commonName, UTF8String "a" } } }
        let good = "300c310a30080603550403 0c0161";
        let read = |hex: &str| Name::from_der(&crate::files::from_hex(&hex.replace(' ', "")).unwrap());
        assert_eq!(read(good).unwrap().to_string(), "CN=a");
        for hex in [
            "300d310a30080603550403 0c0161 00",
            "300e310a30080603550403 0c0161 3100",
            "300e310c30080603550403 0c0161 0500",
            "300e310c300a0603550403 0c0161 0500",
            "300e310a30080603550403 0c0161 0500",
            "300c310a30080603550403 0c0261",
            "300a310830060603550403 0c",
            "30023100",
            "300431023000",
            "3080310a30080603550403 0c0161 0000",
            "30810c310a30080603550403 0c0161",
            "310c310a30080603550403 0c0161",
            "300c300a30080603550403 0c0161",
            "300c310a30080603550480 0c0161",
            "",
        ] {
            assert!(read(hex).is_err(), "{hex}");
        }
    }
}
