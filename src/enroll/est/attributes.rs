//! CSR attributes (RFC 7030 section 4.5.2, RFC 9908): what a server wants in a request, written from a profile and read into
//! [`Wishes`].
//!
//! ```text
//! CsrAttrs ::= SEQUENCE SIZE (0..MAX) OF AttrOrOID          -- RFC 8951 section 3.5
//! AttrOrOID ::= CHOICE { oid OBJECT IDENTIFIER, attribute Attribute }
//!
//! CertificationRequestInfoTemplate ::= SEQUENCE {           -- RFC 9908 section 3.4, implicit tags
//!     version             INTEGER { v1(0) },
//!     subject             NameTemplate OPTIONAL,
//!     subjectPKInfo   [0] SubjectPublicKeyInfoTemplate OPTIONAL,
//!     attributes      [1] Attributes }
//! SingleAttributeTemplate ::= SEQUENCE { type OBJECT IDENTIFIER, value ANY OPTIONAL }
//! SubjectPublicKeyInfoTemplate ::= SEQUENCE {
//!     algorithm         AlgorithmIdentifier,
//!     subjectPublicKey  BIT STRING OPTIONAL }
//! ExtensionTemplate ::= SEQUENCE {
//!     extnID     OBJECT IDENTIFIER,
//!     critical   BOOLEAN DEFAULT FALSE,
//!     extnValue  OCTET STRING OPTIONAL }
//! ```
//!
//! Both forms are written: clients that do not know the template skip it, and those that do skip the rest (RFC 9908 section
//! 4). Of the rest, one thing is read beside a template: the wish for a challengePassword, since the attributes of a
//! template come with values, and no server knows that one.

use std::collections::HashSet;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc2985, rfc5280, rfc5912, rfc8410};
use der::asn1::{AnyRef, BitStringRef, OctetStringRef, UintRef};
use der::{Decode, Encode, Tag, TagNumber, Tagged};

use super::Unreadable;
use crate::enroll::{KeyWish, Wishes};
use crate::key::{KeyType, Scheme};
use crate::x509::{self, AltName, CONTEXT_0, Extension, Name, Profile, members};

/// Largest value that is read: 64 KiB, some hundred times what a CA has to say.
const LENGTH_LIMIT: usize = 64 << 10;

/// Most wishes that are read.
const WISHES_LIMIT: usize = 256;

/// id-aa-certificationRequestInfoTemplate (RFC 9908 section 3.4).
const TEMPLATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.61");

/// id-aa-extensionReqTemplate (RFC 9908 section 3.4).
const EXTENSION_TEMPLATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.62");

/// The arc of certificate extensions, id-ce (RFC 5280 appendix A.2).
const EXTENSIONS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29");

const CHALLENGE_PASSWORD: ObjectIdentifier = rfc2985::PKCS_9_AT_CHALLENGE_PASSWORD;

const CONTEXT_1: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };

/// The type of each key that can be named without a length.
const KEY_TYPES: [KeyType; 4] = [KeyType::P256, KeyType::P384, KeyType::P521, KeyType::Ed25519];

/// What a server wants in a request.
#[derive(Clone, Debug, Default)]
pub struct CsrAttributes {
    /// What it wants; the value of the challengePassword is never among it.
    pub wishes: Wishes,
    /// Whether a challengePassword is to bind the request to its connection (RFC 7030 section 3.5).
    pub wants_binding: bool,
}

impl CsrAttributes {
    /// What a request for a certificate of `profile` is to bring. What the profile leaves open is not spoken of: a list of
    /// key types has no form here, and one of them would exclude the others.
    pub fn of(profile: &Profile, wants_binding: bool) -> Result<Self, x509::Error> {
        let key = match profile.key_types.as_slice() {
            [one] => Some(KeyWish::Type(*one)),
            [] => None,
            several => several.iter().all(|one| matches!(one, KeyType::Rsa(_))).then_some(KeyWish::AnyRsa),
        };
        let usages = profile.usage_extensions()?.into_iter().map(|usage| (usage.oid, Some(usage)));
        let alt_name = profile.wants_alt_name().then_some((rfc5280::ID_CE_SUBJECT_ALT_NAME, None));
        let wishes = Wishes {
            key,
            subject: profile.wanted_subject(),
            extensions: alt_name.into_iter().chain(usages).collect(),
            ..Wishes::default()
        };
        Ok(Self { wishes, wants_binding })
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        let Wishes { challenge_password: _, key, subject, extensions, unknown } = &self.wishes;
        !self.wants_binding && key.is_none() && subject.is_empty() && extensions.is_empty() && unknown.is_empty()
    }

    /// Writes both forms; nothing but an empty list where nothing is wanted.
    pub fn to_der(&self) -> Result<Vec<u8>, x509::Error> {
        let malformed = |_| x509::Error::Malformed { what: "what a request is to bring" };
        if self.is_empty() {
            return sequence(&[]).map_err(malformed);
        }
        let mut items = self.listed().map_err(malformed)?;
        items.push(attribute(TEMPLATE, &[&self.template()?]).map_err(malformed)?);
        sequence(&items).map_err(malformed)
    }

    /// The members of the list as RFC 7030 has it: types alone where the client is to find the value.
    fn listed(&self) -> der::Result<Vec<Vec<u8>>> {
        let mut items = Vec::new();
        if self.wants_binding {
            items.push(CHALLENGE_PASSWORD.to_der()?);
        }
        if let Some(key) = self.wishes.key {
            items.push(match key {
                KeyWish::AnyRsa => attribute(rfc5912::RSA_ENCRYPTION, &[])?,
                KeyWish::Type(KeyType::Rsa(bits)) => attribute(rfc5912::RSA_ENCRYPTION, &[&bits.to_der()?])?,
                KeyWish::Type(other) => match other.curve() {
                    Some(curve) => attribute(rfc5912::ID_EC_PUBLIC_KEY, &[&curve.to_der()?])?,
                    None => attribute(rfc8410::ID_ED_25519, &[])?,
                },
            });
        }
        for (oid, _) in &self.wishes.subject {
            items.push(oid.to_der()?);
        }
        let known = self.wishes.extensions.iter().filter_map(|(_, extension)| extension.as_ref());
        let known = known.map(|known| extension(known.oid, Some(known))).collect::<der::Result<Vec<_>>>()?;
        if !known.is_empty() {
            items.push(attribute(rfc5912::ID_EXTENSION_REQ, &[&sequence(&known)?])?);
        }
        for oid in &self.wishes.unknown {
            items.push(oid.to_der()?);
        }
        Ok(items)
    }

    /// The `CertificationRequestInfoTemplate`.
    fn template(&self) -> Result<Vec<u8>, x509::Error> {
        const WHAT: &str = "the template of a request";
        let malformed = |_| x509::Error::Malformed { what: WHAT };
        let mut parts = vec![vec![0x02, 0x01, 0x00]];
        let relative_name = |(oid, text): &(ObjectIdentifier, Option<String>)| match text {
            Some(text) => {
                let name = Name::new(&[(*oid, text)])?;
                let names = members(name.der(), Tag::Sequence, WHAT)?;
                Ok(names.concat())
            }
            None => {
                oid.to_der().and_then(|oid| sequence(&[oid])).and_then(|one| value(Tag::Set, &one)).map_err(malformed)
            }
        };
        let names = self.wishes.subject.iter().map(relative_name).collect::<Result<Vec<_>, x509::Error>>()?;
        if !names.is_empty() {
            parts.push(sequence(&names).map_err(malformed)?);
        }
        if let Some(key) = self.wishes.key {
            parts.push(key_template(key).map_err(malformed)?);
        }
        parts.push(self.template_attributes().map_err(malformed)?);
        sequence(&parts).map_err(malformed)
    }

    fn template_attributes(&self) -> der::Result<Vec<u8>> {
        let wishes = &self.wishes.extensions;
        let wanted = wishes.iter().map(|(oid, known)| extension(*oid, known.as_ref()));
        let wanted = wanted.collect::<der::Result<Vec<_>>>()?;
        // RFC 9908 section 3.4: the template of extensions only where one of them has no value.
        let has_values = wishes.iter().all(|(_, known)| known.is_some());
        let oid = if has_values { rfc5912::ID_EXTENSION_REQ } else { EXTENSION_TEMPLATE };
        let attributes = if wanted.is_empty() { Vec::new() } else { attribute(oid, &[&sequence(&wanted)?])? };
        value(CONTEXT_1, &attributes)
    }

    /// Reads either form, in strict DER and to a fixed depth. What is not understood is kept by its type; what contradicts
    /// itself is malformed.
    pub fn from_der(der: &[u8]) -> Result<Self, Unreadable> {
        if der.len() > LENGTH_LIMIT {
            return Err(malformed("it is larger than 64 KiB"));
        }
        let items = members_of(der, Tag::Sequence, "its list")?;
        let items = items.into_iter().map(item).collect::<Result<Vec<_>, _>>()?;
        let mut reading = Reading::default();
        let mut templates = items.iter().filter(|(oid, _)| *oid == TEMPLATE);
        match (templates.next(), templates.next()) {
            (Some((_, values)), None) => {
                let Some([template]) = values.as_deref() else { return Err(malformed("its template")) };
                reading.wants_binding = items.iter().any(|(oid, _)| *oid == CHALLENGE_PASSWORD);
                reading.template(template)?;
            }
            (Some(_), Some(_)) => return Err(malformed("it has two templates")),
            (None, _) => items.iter().try_for_each(|(oid, values)| reading.listed(*oid, values.as_deref()))?,
        }
        reading.finish()
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    wishes: Wishes,
    wants_binding: bool,
    /// The signature algorithms that are asked for.
    schemes: Vec<ObjectIdentifier>,
    has_extensions: bool,
}

impl Reading {
    /// Takes a member of the list, or an attribute of a template: a type, and its values where it has a place for them.
    fn listed(&mut self, oid: ObjectIdentifier, values: Option<&[&[u8]]>) -> Result<(), Unreadable> {
        let values = values.unwrap_or_default();
        match (oid, values) {
            (CHALLENGE_PASSWORD, _) => self.wants_binding = true,
            // RFC 7030 section 4.5.2 has a type in the place of the extensions in its example; RFC 9908 section 5.2 corrects it.
            (rfc5912::ID_EXTENSION_REQ, [value @ [0x06, ..]]) => self.bare(oid_of(value)?),
            (rfc5912::ID_EXTENSION_REQ | EXTENSION_TEMPLATE, [value]) => {
                self.extensions(value, oid == EXTENSION_TEMPLATE)?;
            }
            (rfc5912::RSA_ENCRYPTION, []) => self.key(KeyWish::AnyRsa)?,
            (rfc5912::RSA_ENCRYPTION, [bits]) => {
                let bits = u32::from_der(bits).map_err(|_| malformed("the length of an RSA key"))?;
                self.key(KeyWish::Type(KeyType::Rsa(bits)))?;
            }
            (rfc5912::ID_EC_PUBLIC_KEY, [curve]) => self.curve(oid_of(curve)?)?,
            (rfc8410::ID_ED_25519, []) => self.key(KeyWish::Type(KeyType::Ed25519))?,
            (oid, [value]) if Name::is_attribute(oid) => self.subject(oid, Some(value))?,
            (oid, []) => self.bare(oid),
            (oid, _) => self.wishes.unknown.push(oid),
        }
        Ok(())
    }

    /// Takes a type whose value the client is to find.
    fn bare(&mut self, oid: ObjectIdentifier) {
        if Name::is_attribute(oid) {
            self.wishes.subject.push((oid, None));
        } else if oid.starts_with(EXTENSIONS) {
            self.wishes.extensions.push((oid, None));
        } else if Scheme::is_known(oid) {
            self.schemes.push(oid);
        } else {
            self.wishes.unknown.push(oid);
        }
    }

    fn subject(&mut self, oid: ObjectIdentifier, value: Option<&[u8]>) -> Result<(), Unreadable> {
        let text = match value {
            None => None,
            Some(value) => {
                let value = AnyRef::from_der(value).map_err(|_| malformed("a value of the subject"))?;
                let is_text = matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
                let text = std::str::from_utf8(value.value()).ok().filter(|_| is_text);
                Some(text.ok_or(malformed("a value of the subject is no UTF8String, PrintableString or IA5String"))?)
            }
        };
        self.wishes.subject.push((oid, text.map(str::to_owned)));
        Ok(())
    }

    fn key(&mut self, key: KeyWish) -> Result<(), Unreadable> {
        match self.wishes.key.replace(key) {
            Some(other) if other != key => Err(malformed("it asks for two types of keys")),
            _ => Ok(()),
        }
    }

    fn curve(&mut self, curve: ObjectIdentifier) -> Result<(), Unreadable> {
        match KEY_TYPES.into_iter().find(|key_type| key_type.curve() == Some(curve)) {
            Some(key_type) => self.key(KeyWish::Type(key_type)),
            None => {
                self.wishes.unknown.push(curve);
                Ok(())
            }
        }
    }

    /// Takes an `Extensions`, or a list of `ExtensionTemplate`, whose members may lack a value.
    fn extensions(&mut self, der: &[u8], may_lack_value: bool) -> Result<(), Unreadable> {
        const WHAT: &str = "an extension";
        // RFC 9908 sections 3.2 and 3.4.
        if std::mem::replace(&mut self.has_extensions, true) {
            return Err(malformed("it asks for extensions in two places"));
        }
        for extension in members_of(der, Tag::Sequence, "its extensions")? {
            let parts = members_of(extension, Tag::Sequence, WHAT)?;
            let (oid, critical, value) = match parts.as_slice() {
                [oid, critical @ [0x01, ..], value @ ..] => {
                    (oid, bool::from_der(critical).map_err(|_| malformed(WHAT))?, value)
                }
                [oid, value @ ..] => (oid, false, value),
                [] => return Err(malformed(WHAT)),
            };
            let oid = oid_of(oid)?;
            let value = match value {
                [] if may_lack_value => None,
                [value] => Some(<&OctetStringRef>::from_der(value).map_err(|_| malformed(WHAT))?.as_bytes().to_vec()),
                _ => return Err(malformed(WHAT)),
            };
            let known = value.map(|value| Extension { oid, critical, value }).filter(is_whole);
            self.wishes.extensions.push((oid, known));
        }
        Ok(())
    }

    fn template(&mut self, der: &[u8]) -> Result<(), Unreadable> {
        const WHAT: &str = "its template";
        let parts = members_of(der, Tag::Sequence, WHAT)?;
        let [[0x02, 0x01, 0x00], rest @ .., attributes] = parts.as_slice() else { return Err(malformed(WHAT)) };
        let (subject, key) = match rest {
            [] => (None, None),
            [subject @ [0x30, ..]] => (Some(subject), None),
            [key] => (None, Some(key)),
            [subject, key] => (Some(subject), Some(key)),
            _ => return Err(malformed(WHAT)),
        };
        if let Some(subject) = subject {
            for relative_name in members_of(subject, Tag::Sequence, "the subject of its template")? {
                for attribute in members_of(relative_name, Tag::Set, "the subject of its template")? {
                    match members_of(attribute, Tag::Sequence, "the subject of its template")?[..] {
                        [oid] => self.subject(oid_of(oid)?, None)?,
                        [oid, value] => self.subject(oid_of(oid)?, Some(value))?,
                        _ => return Err(malformed("the subject of its template")),
                    }
                }
            }
        }
        if let Some(key) = key {
            self.key_template(key)?;
        }
        for attribute in members_of(attributes, CONTEXT_1, "the attributes of its template")? {
            match item(attribute)? {
                (oid, Some(values)) => self.listed(oid, Some(&values))?,
                _ => return Err(malformed("the attributes of its template")),
            }
        }
        Ok(())
    }

    /// Takes a `SubjectPublicKeyInfoTemplate`. An RSA key in it is a placeholder that shows its length.
    fn key_template(&mut self, der: &[u8]) -> Result<(), Unreadable> {
        const WHAT: &str = "the key of its template";
        let parts = members_of(der, CONTEXT_0, WHAT)?;
        let [algorithm, key @ ..] = parts.as_slice() else { return Err(malformed(WHAT)) };
        let algorithm = members_of(algorithm, Tag::Sequence, WHAT)?;
        let [oid, parameters @ ..] = algorithm.as_slice() else { return Err(malformed(WHAT)) };
        match (oid_of(oid)?, parameters, key) {
            (rfc5912::ID_EC_PUBLIC_KEY, [curve], []) => self.curve(oid_of(curve)?),
            (rfc8410::ID_ED_25519, [], []) => self.key(KeyWish::Type(KeyType::Ed25519)),
            (rfc5912::RSA_ENCRYPTION, [] | [[0x05, 0x00]], []) => self.key(KeyWish::AnyRsa),
            (rfc5912::RSA_ENCRYPTION, [] | [[0x05, 0x00]], [placeholder]) => {
                let bits = BitStringRef::from_der(placeholder).ok().and_then(|bits| bits.as_bytes());
                let numbers = members_of(bits.ok_or(malformed(WHAT))?, Tag::Sequence, WHAT)?;
                let [modulus, _] = numbers[..] else { return Err(malformed(WHAT)) };
                let modulus = UintRef::from_der(modulus).map_err(|_| malformed(WHAT))?;
                self.key(KeyWish::Type(KeyType::Rsa(bit_length(modulus.as_bytes()))))
            }
            (other, ..) => {
                self.wishes.unknown.push(other);
                Ok(())
            }
        }
    }

    /// The signature algorithms are done with where the key signs so anyway.
    fn finish(mut self) -> Result<CsrAttributes, Unreadable> {
        let usual = match self.wishes.key {
            Some(KeyWish::Type(key_type)) => Some(key_type.usual_scheme().oid()),
            Some(KeyWish::AnyRsa) => Some(rfc5912::SHA_256_WITH_RSA_ENCRYPTION),
            None => None,
        };
        for scheme in self.schemes {
            if scheme == rfc8410::ID_ED_25519 && self.wishes.key.is_none() {
                // The one type that names a key as well as a signature.
                self.wishes.key = Some(KeyWish::Type(KeyType::Ed25519));
            } else if usual != Some(scheme) {
                self.wishes.unknown.push(scheme);
            }
        }
        let Wishes { subject, extensions, unknown, .. } = &self.wishes;
        if subject.len() + extensions.len() + unknown.len() > WISHES_LIMIT {
            return Err(malformed("it has more than 256 wishes"));
        }
        let mut seen = HashSet::new();
        if !extensions.iter().all(|(oid, _)| seen.insert(*oid)) {
            return Err(malformed("it asks for one extension twice"));
        }
        Ok(CsrAttributes { wishes: self.wishes, wants_binding: self.wants_binding })
    }
}

/// Whether a value is whole. Alternative names may come with empty places that the client is to fill (RFC 9908 section 3.4).
fn is_whole(extension: &Extension) -> bool {
    extension.oid != rfc5280::ID_CE_SUBJECT_ALT_NAME || AltName::decode_extension(&extension.value).is_ok()
}

fn malformed(what: &'static str) -> Unreadable {
    Unreadable::Attributes { what }
}

fn members_of<'a>(der: &'a [u8], tag: Tag, what: &'static str) -> Result<Vec<&'a [u8]>, Unreadable> {
    members(der, tag, what).map_err(|_| malformed(what))
}

fn oid_of(der: &[u8]) -> Result<ObjectIdentifier, Unreadable> {
    ObjectIdentifier::from_der(der).map_err(|_| malformed("an object identifier"))
}

/// A member of the list: a type, and its values where it is an attribute.
type Item<'a> = (ObjectIdentifier, Option<Vec<&'a [u8]>>);

fn item(der: &[u8]) -> Result<Item<'_>, Unreadable> {
    const WHAT: &str = "one of its attributes";
    if der.first() == Some(&0x06) {
        return Ok((oid_of(der)?, None));
    }
    let [oid, values] = members_of(der, Tag::Sequence, WHAT)?[..] else { return Err(malformed(WHAT)) };
    Ok((oid_of(oid)?, Some(members_of(values, Tag::Set, WHAT)?)))
}

/// The number of bits of a number, big-endian without leading zeros. What is read here is far below 2^32 of them.
fn bit_length(number: &[u8]) -> u32 {
    let first = number.first().map_or(0, |first| first.leading_zeros());
    (8 * u32::try_from(number.len()).unwrap_or(0)).saturating_sub(first)
}

fn key_template(key: KeyWish) -> der::Result<Vec<u8>> {
    let null = vec![0x05, 0x00];
    let rsa = |key| Ok::<_, der::Error>((sequence(&[rfc5912::RSA_ENCRYPTION.to_der()?, null.clone()])?, key));
    let (algorithm, key) = match key {
        KeyWish::AnyRsa => rsa(Vec::new())?,
        KeyWish::Type(KeyType::Rsa(bits)) => {
            // A number of just that many bits, which is no key: RFC 9908 section 3.4 takes its length alone.
            let mut modulus = vec![0; usize::try_from(bits.div_ceil(8)).unwrap_or(0)];
            if let Some(first) = modulus.first_mut() {
                *first = 1 << ((bits + 7) % 8);
            }
            if let Some(last) = modulus.last_mut() {
                *last |= 1;
            }
            let numbers = sequence(&[UintRef::new(&modulus)?.to_der()?, 65537u32.to_der()?])?;
            rsa(BitStringRef::from_bytes(&numbers)?.to_der()?)?
        }
        KeyWish::Type(other) => match other.curve() {
            Some(curve) => (sequence(&[rfc5912::ID_EC_PUBLIC_KEY.to_der()?, curve.to_der()?])?, Vec::new()),
            None => (sequence(&[rfc8410::ID_ED_25519.to_der()?])?, Vec::new()),
        },
    };
    value(CONTEXT_0, &[algorithm, key].concat())
}

/// An `Extension`, or an `ExtensionTemplate` without value.
fn extension(oid: ObjectIdentifier, known: Option<&Extension>) -> der::Result<Vec<u8>> {
    let mut parts = vec![oid.to_der()?];
    if let Some(known) = known {
        if known.critical {
            parts.push(true.to_der()?);
        }
        parts.push(OctetStringRef::new(&known.value)?.to_der()?);
    }
    sequence(&parts)
}

/// An attribute of at most one value, which therefore has no order.
fn attribute(oid: ObjectIdentifier, values: &[&[u8]]) -> der::Result<Vec<u8>> {
    sequence(&[oid.to_der()?, value(Tag::Set, &values.concat())?])
}

fn sequence(parts: &[Vec<u8>]) -> der::Result<Vec<u8>> {
    value(Tag::Sequence, &parts.concat())
}

fn value(tag: Tag, content: &[u8]) -> der::Result<Vec<u8>> {
    AnyRef::new(tag, content)?.to_der()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{from_base64, from_hex};

    fn read(der: &[u8]) -> Result<CsrAttributes, String> {
        CsrAttributes::from_der(der).map_err(|error| error.to_string())
    }

    /// What was read, in one line.
    fn shown(read: &CsrAttributes) -> String {
        let Wishes { key, subject, extensions, unknown, .. } = &read.wishes;
        let name = crate::key::algorithm::oid_name;
        let binding = if read.wants_binding { "bound" } else { "free" };
        let subject: Vec<_> = subject.iter().map(|(oid, value)| format!("{}={value:?}", name(*oid))).collect();
        let extensions: Vec<_> =
            extensions.iter().map(|(oid, known)| format!("{} {}", name(*oid), known.is_some())).collect();
        let unknown: Vec<_> = unknown.iter().map(|oid| name(*oid)).collect();
        format!("{binding} {key:?} {subject:?} {extensions:?} {unknown:?}")
    }

    /// RFC 7030 section 4.5.2, and the examples of RFC 9908 section 5.
    #[test]
    fn the_examples_of_the_rfcs() {
        for (text, expected) in [
            (
                "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw==",
                r#"bound Some(Type(P384)) [] [] ["1.3.6.1.1.1.1.22"]"#,
            ),
            (
                "MDIGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiBgcrBgEBAQEWBggqhkjOPQQDAw==",
                r#"bound Some(Type(P384)) [] [] ["1.3.6.1.1.1.1.22"]"#,
            ),
            (
                "MGgwZgYJKoZIhvcNAQkOMVkwVzBVBgNVHREBAf8ESzBJoEcGCCsGAQUFBwgKoDsWOXJmYzg5OTQrZmQ3MzlmYzIzYzM0NDAx\
                 MTIyMzM0NDU1MDAwMDAwMDArQGFjcC5leGFtcGxlLmNvbQ==",
                r#"free None [] ["subjectAltName true"] []"#,
            ),
            ("MCkGCSqGSIb3DQEJBzARBgkqhkiG9w0BAQExBAICEAAGCSqGSIb3DQEBCw==", "bound Some(Type(Rsa(4096))) [] [] []"),
            (
                "MC4GCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiBgNVBAUGCCqGSM49BAMD",
                r#"bound Some(Type(P384)) ["serialNumber=None"] [] []"#,
            ),
            (
                "MEUGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAjBgkqhkiG9w0BCRQGCgmSJomT8ixkAQUGA1UEBQYIKoZIzj0EAwQ=",
                r#"bound Some(Type(P521)) ["serialNumber=None"] [] ["pkcs-9-at-friendlyName", "drink"]"#,
            ),
        ] {
            assert_eq!(shown(&read(&from_base64(text.as_bytes()).unwrap()).unwrap()), expected, "{text}");
        }
    }

    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        assert!(content.len() < 0x80 * 0x80);
        match content.len() {
            short @ ..0x80 => [&[tag, short as u8], content.as_slice()].concat(),
            middle @ ..0x100 => [&[tag, 0x81, middle as u8], content.as_slice()].concat(),
            long => [&[tag, 0x82, (long >> 8) as u8, long as u8], content.as_slice()].concat(),
        }
    }

    /// The `CsrAttrs` of a template with this content.
    fn with_template(content: &[&[u8]]) -> Vec<u8> {
        let oid = TEMPLATE.to_der().unwrap();
        sequence(&[tlv(0x30, &[&oid, &tlv(0x31, &[&tlv(0x30, content)])])]).unwrap()
    }

    /// The example of RFC 9908 section 3.4: attributes of the subject with and without value, a curve, an alternative name
    /// with an empty place, and a usage that the client is to find.
    #[test]
    fn the_template_of_the_rfc() {
        let hex = |text: &str| from_hex(&text.replace(' ', "")).unwrap();
        let subject = hex("302c 310730050603550403 310f300d060355040b0c066d7944657074 \
                           3110300e060355040b0c076d7947726f7570");
        let key = hex("a015 3013 06072a8648ce3d0201 06082a8648ce3d030107");
        let alt_names = tlv(0x30, &[&tlv(0x82, &[b"www.myServer.com"]), &[0x87, 0x00]]);
        let alt_name = tlv(0x30, &[&hex("0603551d11"), &tlv(0x04, &[&alt_names])]);
        let usages = hex("300e 0603551d0f 0101ff 040403020388 3005 0603551d25");
        let extensions = tlv(0x31, &[&tlv(0x30, &[&alt_name, &usages])]);
        let attributes = tlv(0xa1, &[&tlv(0x30, &[&EXTENSION_TEMPLATE.to_der().unwrap(), &extensions])]);
        let template = with_template(&[&[2, 1, 0], &subject, &key, &attributes]);
        assert_eq!(
            shown(&read(&template).unwrap()),
            "free Some(Type(P256)) [\"cn=None\", \"ou=Some(\\\"myDept\\\")\", \
             \"ou=Some(\\\"myGroup\\\")\"] \
             [\"subjectAltName false\", \"keyUsage true\", \"extKeyUsage false\"] []"
        );
    }

    const GATEWAY: &str = r#"
        schema = "bulla.profile/1"
        name = "gateway"
        extends = "tls-server"
        key-types = ["p384"]
        subject = [
            { attribute = "O", value = "Acme" },
            { attribute = "C", value = "DE" },
            { attribute = "CN", value = "GW-{serial}" },
            { attribute = "OU", optional = true },
        ]
        [variables]
        serial = { type = "text", max-length = 20 }
    "#;

    #[test]
    fn what_is_written_is_read() {
        let mut profiles = vec![Profile::from_toml(GATEWAY).unwrap()];
        for key_types in
            ["[\"rsa3072\"]", "[\"rsa2048\", \"rsa4096\"]", "[\"ed25519\"]", "[\"p521\"]", "[\"p256\", \"p384\"]"]
        {
            profiles.push(Profile::from_toml(&GATEWAY.replace("[\"p384\"]", key_types)).unwrap());
        }
        profiles.extend(Profile::built_in().iter().cloned());
        for profile in profiles {
            for wants_binding in [false, true] {
                let wanted = CsrAttributes::of(&profile, wants_binding).unwrap();
                let der = wanted.to_der().unwrap();
                let read_again = read(&der).unwrap();
                assert_eq!(format!("{read_again:?}"), format!("{wanted:?}"), "{}", profile.name);
                // Whoever does not know the template learns the same but for values of the subject and what has none.
                let items = members(&der, Tag::Sequence, "").unwrap();
                let old = sequence(&items[..items.len() - 1].iter().map(|item| item.to_vec()).collect::<Vec<_>>());
                let old = read(&old.unwrap()).unwrap();
                assert_eq!((old.wants_binding, old.wishes.key), (wants_binding, wanted.wishes.key));
                let known = wanted.wishes.extensions.iter().filter(|(_, known)| known.is_some()).cloned();
                assert_eq!(old.wishes.extensions, known.collect::<Vec<_>>());
                // A type that is no common one of a subject may be anything there.
                assert_eq!(old.wishes.subject.len() + old.wishes.unknown.len(), wanted.wishes.subject.len());
            }
        }
    }

    #[test]
    fn what_a_profile_leaves_open_is_not_spoken_of() {
        let of = |name: &str| shown(&CsrAttributes::of(&Profile::named(name).unwrap(), false).unwrap());
        assert_eq!(of("idevid"), r#"free None [] ["keyUsage true"] []"#);
        // keyEncipherment depends on the key.
        assert_eq!(of("tls-client"), r#"free None [] ["extKeyUsage true"] []"#);
        assert_eq!(of("tls-server"), r#"free None [] ["subjectAltName false", "extKeyUsage true"] []"#);
        let gateway = CsrAttributes::of(&Profile::from_toml(GATEWAY).unwrap(), true).unwrap();
        assert_eq!(
            shown(&gateway),
            "bound Some(Type(P384)) [\"o=Some(\\\"Acme\\\")\", \"c=Some(\\\"DE\\\")\", \
             \"cn=None\"] [\"subjectAltName false\", \"keyUsage true\", \"extKeyUsage true\"] []"
        );
        assert_eq!(CsrAttributes::default().to_der().unwrap(), [0x30, 0x00]);
        assert!(read(&[0x30, 0x00]).unwrap().is_empty());
    }

    #[test]
    fn contradictions_monsters_and_what_is_no_der_are_refused() {
        let oid = |oid: ObjectIdentifier| oid.to_der().unwrap();
        let list = |items: &[Vec<u8>]| sequence(items).unwrap();
        let usage = tlv(0x30, &[&oid(rfc5280::ID_CE_KEY_USAGE), &[4, 4, 3, 2, 7, 0x80]]);
        let extensions = |members: &[&[u8]]| attribute(rfc5912::ID_EXTENSION_REQ, &[&tlv(0x30, members)]).unwrap();
        let curve = |curve| attribute(rfc5912::ID_EC_PUBLIC_KEY, &[&oid(curve)]).unwrap();
        let template = with_template(&[&[2, 1, 0], &[0xa1, 0]]);
        assert!(read(&template).unwrap().is_empty());
        let inner = members(&template, Tag::Sequence, "").unwrap()[0].to_vec();
        let rsa = |parts: &[&[u8]]| with_template(&[&[2, 1, 0], &tlv(0xa0, parts), &[0xa1, 0]]);
        let rsa_algorithm = tlv(0x30, &[&oid(rfc5912::RSA_ENCRYPTION), &[5, 0]]);
        for (der, why) in [
            (vec![], "its list"),
            (vec![0x30, 0x80, 0, 0], "its list"),
            (vec![0x30, 0x81, 0x00], "its list"),
            (vec![0x30, 0x00, 0x00], "its list"),
            (vec![0x31, 0x00], "its list"),
            (list(&[vec![0x05, 0x00]]), "one of its attributes"),
            (list(&[vec![0x06, 0x00]]), "an object identifier"),
            (list(&[vec![0x30, 0x00]]), "one of its attributes"),
            (list(&[tlv(0x30, &[&oid(rfc5912::RSA_ENCRYPTION), &[0x30, 0]])]), "one of its attributes"),
            (list(&[attribute(rfc5912::RSA_ENCRYPTION, &[&[2, 1, 0xff]]).unwrap()]), "the length of an RSA key"),
            (list(&[attribute(rfc5912::RSA_ENCRYPTION, &[&tlv(2, &[&[1; 9]])]).unwrap()]), "the length of an RSA key"),
            (list(&[curve(rfc5912::SECP_256_R_1), curve(rfc5912::SECP_384_R_1)]), "two types of keys"),
            (list(&[extensions(&[&usage]), extensions(&[&usage])]), "in two places"),
            (list(&[extensions(&[&usage, &usage])]), "one extension twice"),
            (list(&[extensions(&[&usage[..2]])]), "its extensions"),
            (list(&[extensions(&[&tlv(0x30, &[&oid(rfc5280::ID_CE_KEY_USAGE)])])]), "an extension"),
            (
                list(&[extensions(&[&tlv(0x30, &[&oid(rfc5280::ID_CE_KEY_USAGE), &[1, 1, 2], &[4, 0]])])]),
                "an extension",
            ),
            (list(&[inner.clone(), inner]), "two templates"),
            (list(&[oid(TEMPLATE)]), "its template"),
            (with_template(&[&[2, 1, 1], &[0xa1, 0]]), "its template"),
            (with_template(&[&[2, 1, 0]]), "its template"),
            (with_template(&[&[2, 1, 0], &[0x30, 2, 0x31, 2], &[0xa1, 0]]), "the subject of its template"),
            (with_template(&[&[2, 1, 0], &tlv(0x30, &[&tlv(0x31, &[&[0x30, 0]])]), &[0xa1, 0]]), "the subject"),
            (with_template(&[&[2, 1, 0], &[0xa1, 3, 6, 1, 42]]), "the attributes of its template"),
            (rsa(&[]), "the key of its template"),
            (rsa(&[&rsa_algorithm, &[3, 1, 0]]), "the key of its template"),
            (rsa(&[&rsa_algorithm, &[3, 1, 8]]), "the key of its template"),
            (list(&vec![oid(rfc5912::SECP_256_R_1); 257]), "more than 256 wishes"),
            (vec![0x30; LENGTH_LIMIT + 1], "larger than 64 KiB"),
        ] {
            let error = read(&der).map(|read| shown(&read)).unwrap_err();
            assert!(error.contains(why), "{error}, not {why}");
        }
    }

    /// Whatever one byte becomes, it is read or refused.
    #[test]
    fn every_byte_may_change() {
        let der = CsrAttributes::of(&Profile::from_toml(GATEWAY).unwrap(), true).unwrap().to_der().unwrap();
        let mut refused = 0;
        for at in 0..der.len() {
            for bit in 0..8 {
                let mut changed = der.clone();
                changed[at] ^= 1 << bit;
                refused += usize::from(read(&changed).is_err());
            }
            refused += usize::from(read(&der[..at]).is_err());
        }
        assert!(refused > der.len(), "every cut is refused, and many a changed byte");
    }
}
