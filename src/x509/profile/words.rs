//! The values of a profile that are written as text: names, lengths of time, OIDs, URLs.

use std::fmt;
use std::marker::PhantomData;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::Decode;
use der::asn1::AnyRef;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use time::format_description::well_known::Rfc3339;
use x509_cert::ext::pkix::KeyUsages;

use super::template::TEXT_LIMIT;
use super::{Identity, KEY_USAGES, Template, Validity};
use crate::files::{from_hex, printable};
use crate::key::KeyType;
use crate::x509::name::attribute_type;
use crate::x509::{AltName, Hierarchy, Time, no_expiry};

/// Longest value of an extension of the profile's own. Readers on devices have a few KiB for the whole certificate.
const EXTENSION_LIMIT: usize = 4 << 10;
/// Years reach past 9999 well before this many days, and every certificate ends there.
const DAYS_LIMIT: u32 = 8000 * 366;

/// A value that is written as text.
pub(super) struct Words<T>(pub T);

/// What can be read from text, or why not.
pub(super) trait FromWords: Sized {
    fn from_words(text: &str) -> Result<Self, String>;
}

impl<'de, T: FromWords> Deserialize<'de> for Words<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);
        impl<T: FromWords> Visitor<'_> for Text<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
                T::from_words(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text(PhantomData)).map(Self)
    }
}

/// One of a few words.
fn one_of<T: Copy>(what: &str, table: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = table.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
        format!("\"{}\" is no {what}; there are {}", printable(text), words.join(", "))
    })
}

impl FromWords for Option<Hierarchy> {
    fn from_words(text: &str) -> Result<Self, String> {
        let table = [("device", Some(Hierarchy::Device)), ("firmware", Some(Hierarchy::Firmware)), ("any", None)];
        one_of("hierarchy", &table, text)
    }
}

impl FromWords for Identity {
    fn from_words(text: &str) -> Result<Self, String> {
        let table = [
            ("serialNumber", Self::SerialNumber),
            ("CN", Self::CommonName),
            ("dns", Self::DnsName),
            ("ip", Self::IpAddress),
            ("hardwareModuleName", Self::HardwareModule),
        ];
        one_of("identity", &table, text)
    }
}

impl FromWords for KeyType {
    fn from_words(text: &str) -> Result<Self, String> {
        let rsa =
            text.strip_prefix("rsa").and_then(|bits| bits.parse().ok()).filter(|bits| (2048..=8192).contains(bits));
        let named = [("p256", Self::P256), ("p384", Self::P384), ("p521", Self::P521), ("ed25519", Self::Ed25519)];
        match rsa {
            Some(bits) => Ok(Self::Rsa(bits)),
            None => one_of("key type", &named, text).map_err(|error| error + ", rsa2048 to rsa8192"),
        }
    }
}

impl FromWords for Validity {
    fn from_words(text: &str) -> Result<Self, String> {
        if text == "no-expiry" {
            return Ok(Self::NoExpiry);
        }
        let unit = text.strip_suffix('d').map(|number| (number, 1));
        let unit = unit.or_else(|| text.strip_suffix('y').map(|number| (number, 365)));
        let days = unit.and_then(|(number, days)| number.parse::<u32>().ok()?.checked_mul(days));
        let fits = days.filter(|days| (1..=DAYS_LIMIT).contains(days));
        let wrong = "a validity is \"no-expiry\", or days or years of 365 days, as \"90d\" or \"20y\"";
        fits.map(Self::Days).ok_or_else(|| wrong.to_owned())
    }
}

impl FromWords for Option<Time> {
    fn from_words(text: &str) -> Result<Self, String> {
        if text == "issue" {
            return Ok(None);
        }
        // UTCTime cannot say earlier years (RFC 5280 section 4.1.2.5.1), and Unix time begins in 1970.
        let time = Time::parse(text, &Rfc3339).ok().filter(|time| *time >= Time::UNIX_EPOCH && *time <= no_expiry());
        let wrong = || "a not-before is \"issue\", or a time from 1970 on, as \"2018-03-22T23:59:59Z\"".to_owned();
        Ok(Some(time.filter(|time| time.nanosecond() == 0).ok_or_else(wrong)?))
    }
}

impl FromWords for KeyUsages {
    fn from_words(text: &str) -> Result<Self, String> {
        one_of("keyUsage", &KEY_USAGES, text)
    }
}

/// A purpose of extKeyUsage, by name or OID.
pub(super) struct Usage(pub ObjectIdentifier);

impl FromWords for Usage {
    fn from_words(text: &str) -> Result<Self, String> {
        let table = [
            ("serverAuth", rfc5280::ID_KP_SERVER_AUTH),
            ("clientAuth", rfc5280::ID_KP_CLIENT_AUTH),
            ("codeSigning", rfc5280::ID_KP_CODE_SIGNING),
            ("emailProtection", rfc5280::ID_KP_EMAIL_PROTECTION),
            ("timeStamping", rfc5280::ID_KP_TIME_STAMPING),
            ("OCSPSigning", rfc5280::ID_KP_OCSP_SIGNING),
            ("anyExtendedKeyUsage", rfc5280::ANY_EXTENDED_KEY_USAGE),
        ];
        let found = ObjectIdentifier::new(text).or_else(|_| one_of("extKeyUsage", &table, text));
        found.map(Self).map_err(|error: String| error + ", or an OID")
    }
}

/// The type of a subject attribute, by short name or OID.
pub(super) struct Attribute(pub ObjectIdentifier);

impl FromWords for Attribute {
    fn from_words(text: &str) -> Result<Self, String> {
        let found = attribute_type(text).map(Self);
        found.ok_or_else(|| format!("\"{}\" is no subject attribute that is known, and no OID", printable(text)))
    }
}

/// A form of alternative name.
pub(super) struct Form(pub String);

impl FromWords for Form {
    fn from_words(text: &str) -> Result<Self, String> {
        one_of("form of alternative name", &AltName::FORMS.map(|form| (form, form)), text)
            .map(|form| Self(form.to_owned()))
    }
}

impl FromWords for ObjectIdentifier {
    fn from_words(text: &str) -> Result<Self, String> {
        Self::new(text).map_err(|_| format!("\"{}\" is no OID", printable(text)))
    }
}

/// An absolute URL.
pub(super) struct Url(pub String);

impl FromWords for Url {
    fn from_words(text: &str) -> Result<Self, String> {
        let fits = text.len() <= TEXT_LIMIT && AltName::uri(text).is_ok();
        let wrong = || format!("\"{}\" is no absolute URL of at most {TEXT_LIMIT} characters", printable(text));
        if fits { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

/// One DER value, in hexadecimal digits.
pub(super) struct Bytes(pub Vec<u8>);

impl FromWords for Bytes {
    fn from_words(text: &str) -> Result<Self, String> {
        let bytes = from_hex(text).filter(|bytes| bytes.len() <= EXTENSION_LIMIT && AnyRef::from_der(bytes).is_ok());
        let wrong = || format!("an extension is one DER value in hexadecimal digits, at most {EXTENSION_LIMIT} bytes");
        bytes.map(Self).ok_or_else(wrong)
    }
}

impl FromWords for Template {
    fn from_words(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}
