//! Certificates, requests, and what tells of revocation: reading, making and judging them.
//!
//! * [`Name`] and [`AltName`] are who a certificate is for; [`Profile`] is what kind of certificate it is, and the
//!   only source of what goes into one.
//! * [`Request`] is a PKCS#10 request as it came; [`ProvenRequest`] is one whose own signature has been checked.
//! * [`Certificate`] and [`Chain`] keep the original bytes, as do [`CertificateList`] and [`ocsp::Response`], which tell
//!   of revocation; every signature is checked over those.
//! * [`issue`] makes the bytes that a CA signs; [`verify`] judges a chain; [`lint`] knows common mistakes.
//!
//! rcgen, stringprep and x509-parser are named here and nowhere else. rcgen makes the CA's own roots; it never reads a
//! request or an issuer, and never issues from one, since it drops what it does not model. x509-parser is lenient where
//! [`Certificate`] is strict: [`Outline`] tells by it what a malformed certificate seems to be.

use std::fmt;
use std::path::{Path, PathBuf};

use const_oid::ObjectIdentifier;
use der::asn1::{Any, AnyRef, GeneralizedTime, OctetString, UtcTime};
use der::{DateTime, Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use time::OffsetDateTime;
use x509_cert::ext::Extension as DerExtension;

mod alt_name;
mod certificate;
mod chain;
mod crl;
pub mod issue;
pub mod lint;
mod name;
pub mod ocsp;
mod outline;
mod profile;
mod request;
mod signed;
pub mod verify;

pub use alt_name::AltName;
pub use certificate::{Certificate, Extension};
pub use chain::{Chain, read_certificates};
pub use crl::{CertificateList, Reason, Revocation, RevokedCertificate, read_revocation_lists, revocation_list};
pub use name::Name;
pub use outline::Outline;
pub use profile::{
    AltNameRule, AltNameRules, Hierarchy, Identity, KEY_USAGES, Names, OwnExtension, Policy, Profile, Role, Subject,
    SubjectRule, Template, Validity, Variable, Variables,
};
pub use request::{ProvenRequest, REQUEST_LIMIT, Request, Wanted};

use crate::files::{self, Document, Kind};
use crate::key::{self, Hash, PublicKey};

/// Why a certificate, request or name could not be read or made.
#[derive(Debug)]
pub enum Error {
    /// The file could not be read, or is something else.
    File(files::Error),
    /// One of the documents in a file could not be read.
    InFile { path: PathBuf, kind: Kind, number: usize, why: Box<Error> },
    /// The bytes do not hold what their kind promises.
    Malformed { what: &'static str },
    /// A key or a signature that is part of it was refused.
    Key(key::Error),
    /// A name, address or other value that cannot go into a certificate, and why.
    Value { what: &'static str, value: String, why: &'static str },
    /// The profile does not allow what was asked for.
    Profile { profile: String, why: String },
    /// A profile makes a name of a variable that has no value.
    Variable { profile: String, variable: String },
    /// A profile's file is not what a profile is.
    ProfileFile { file: String, line: Option<usize>, why: String },
    /// No profile has that name.
    UnknownProfile { name: String },
    /// The certificates given do not follow each other, leaf first.
    Chain { why: &'static str },
    /// rcgen could not make a root certificate.
    Root(rcgen::Error),
    /// The root certificate is not what its profile makes.
    RootDiffers { what: &'static str },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::InFile { path, kind, number, why } => {
                let (_article, what) = kind.noun().split_once(' ').unwrap_or_default();
                write!(f, "{what} {number} of {}: {why}", files::shown(path))
            }
            Self::Malformed { what } => write!(f, "{what} is malformed"),
            Self::Key(error) => error.fmt(f),
            Self::Value { what, value, why } => write!(f, "{what} \"{}\" {why}", files::printable(value)),
            Self::Profile { profile, why } => write!(f, "profile {profile} {}", files::printable(why)),
            Self::Variable { profile, variable } => write!(f, "profile {profile} needs a value for {variable}"),
            Self::ProfileFile { file, line, why } => {
                let place = line.map_or(String::new(), |line| format!(", line {line}"));
                write!(f, "profile {file}{place}: {}", files::printable(why))
            }
            Self::UnknownProfile { name } => write!(f, "no profile is named {}", files::printable(name)),
            Self::Chain { why } => write!(f, "the certificates are not a chain: {why}"),
            Self::Root(_) => f.write_str("cannot make the root certificate"),
            Self::RootDiffers { what } => write!(f, "cannot make the root certificate with this {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Key(error) => error.source(),
            Self::Root(error) => Some(error),
            _ => None,
        }
    }
}

impl From<files::Error> for Error {
    fn from(error: files::Error) -> Self {
        Self::File(error)
    }
}

impl From<key::Error> for Error {
    fn from(error: key::Error) -> Self {
        match error {
            key::Error::File(error) => Self::File(error),
            error => Self::Key(error),
        }
    }
}

/// A point in time as certificates have it: UTC, whole seconds, years 1950 to 9999.
pub type Time = OffsetDateTime;

/// 99991231235959Z: the certificate has no well-defined expiration (RFC 5280 section 4.1.2.5).
pub fn no_expiry() -> Time {
    // The one date whose Unix time every RFC 5280 implementation must know.
    Time::from_unix_timestamp(253_402_300_799).expect("the year 9999 is in range")
}

/// Writes a time as RFC 3339 in UTC, to the second.
pub fn rfc3339(time: Time) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// Lower-case hexadecimal pairs with `:` between, as serial numbers are shown.
pub fn colon_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The tag `[0]`, constructed.
pub(crate) const CONTEXT_0: Tag = context(0);

/// The constructed tag `[number]`.
pub(crate) const fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

/// Most members of a value that is taken apart: as many as fit in 1 MiB, to which all of them but images and revocation lists
/// are bound. Each takes 16 bytes.
const MEMBERS_LIMIT: usize = 1 << 19;

/// Splits a constructed DER value into the whole encodings of its members. The tag must be `tag`, lengths must be DER's;
/// bytes after the value are an error.
pub(crate) fn members<'a>(der: &'a [u8], tag: Tag, what: &'static str) -> Result<Vec<&'a [u8]>, Error> {
    let malformed = |_| Error::Malformed { what };
    let mut reader = SliceReader::new(der).map_err(malformed)?;
    let header = der::Header::decode(&mut reader).map_err(malformed)?;
    if header.tag() != tag || header.length() != reader.remaining_len() {
        return Err(Error::Malformed { what });
    }
    let mut members = Vec::new();
    while !reader.is_finished() {
        if members.len() == MEMBERS_LIMIT {
            return Err(Error::Malformed { what });
        }
        members.push(reader.tlv_bytes().map_err(malformed)?);
    }
    Ok(members)
}

/// Encodes a time as UTCTime through 2049 and as GeneralizedTime from 2050: the rule of RFC 5280 section 4.1.2.5 for
/// certificates and of RFC 5652 section 11.3 for signing times. Years before 1970 are refused.
pub(crate) fn encode_time(time: Time) -> Result<Any, Error> {
    let unfit = || Error::Malformed { what: "a time outside 1970 to 9999" };
    let seconds = u64::try_from(time.unix_timestamp()).map_err(|_| unfit())?;
    let time = DateTime::from_unix_duration(std::time::Duration::from_secs(seconds)).map_err(|_| unfit())?;
    let encoded = if time.year() < 2050 {
        UtcTime::from_date_time(time).and_then(|time| Any::encode_from(&time))
    } else {
        Any::encode_from(&GeneralizedTime::from_date_time(time))
    };
    encoded.map_err(|_| unfit())
}

/// Decodes a UTCTime or GeneralizedTime in the one form that RFC 5280 section 4.1.2.5 allows: a real date in UTC, to the
/// second. GeneralizedTime is read in any year.
pub(crate) fn decode_time(time: AnyRef<'_>) -> Result<Time, Error> {
    let malformed = || Error::Malformed { what: "a time" };
    let Some((b'Z', digits)) = time.value().split_last() else { return Err(malformed()) };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed());
    }
    let number = digits.iter().take(14).fold(0, |number, digit| 10 * number + u64::from(digit - b'0'));
    let pair = |unit: u64| (number / unit % 100) as u8;
    let century = match (time.tag(), digits.len()) {
        (Tag::UtcTime, 12) if pair(10_000_000_000) < 50 => 20,
        (Tag::UtcTime, 12) => 19,
        (Tag::GeneralizedTime, 14) => pair(1_000_000_000_000),
        _ => return Err(malformed()),
    };
    let year = 100 * i32::from(century) + i32::from(pair(10_000_000_000));
    let month = time::Month::try_from(pair(100_000_000)).map_err(|_| malformed())?;
    let date = time::Date::from_calendar_date(year, month, pair(1_000_000)).map_err(|_| malformed())?;
    let clock = time::Time::from_hms(pair(10_000), pair(100), pair(1)).map_err(|_| malformed())?;
    Ok(Time::new_utc(date, clock))
}

/// Reads every document of a file of one kind, PEM or DER; anything else in it is an error. `what` names the file's role.
fn read_documents<T>(
    what: &'static str,
    path: &Path,
    kind: Kind,
    from_der: impl Fn(&[u8]) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let bytes = files::read(what, path, files::DOCUMENT_LIMIT)?;
    let documents = files::documents(&bytes, path, kind.noun())?;
    let read = |(index, document): (usize, Document)| {
        let der = document.expect(kind, path)?.der;
        let in_file = |why| Error::InFile { path: path.to_owned(), kind, number: index + 1, why: Box::new(why) };
        from_der(&der).map_err(in_file)
    };
    documents.into_iter().enumerate().map(read).collect()
}

/// The key identifier of a public key: the leftmost 160 bits of the SHA-256 of its BIT STRING (RFC 7093 section 2).
pub fn key_identifier(key: &PublicKey) -> Vec<u8> {
    let mut identifier = Hash::Sha256.digest(key.bits()).bytes().to_vec();
    identifier.truncate(20);
    identifier
}

/// Puts an extension together.
fn extension(oid: ObjectIdentifier, critical: bool, value: Vec<u8>) -> Result<DerExtension, Error> {
    let value = OctetString::new(value).map_err(|_| Error::Malformed { what: "an extension" })?;
    Ok(DerExtension { extn_id: oid, critical, extn_value: value })
}

/// Encodes what this crate built itself from checked parts.
fn encode(what: &'static str, value: &impl Encode) -> Result<Vec<u8>, Error> {
    value.to_der().map_err(|_| Error::Malformed { what })
}

/// A DER value of less than 64 KiB, put together from parts of its content.
#[cfg(test)]
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let header = match content.len() {
        length @ ..0x80 => vec![tag, length as u8],
        length @ ..0x100 => vec![tag, 0x81, length as u8],
        length => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [header, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted() {
        let value = |count: usize| {
            [&[0x30, 0x83][..], &(2 * count as u32).to_be_bytes()[1..], &[0x05, 0x00].repeat(count)].concat()
        };
        let count = |count| members(&value(count), Tag::Sequence, "it").map(|members| members.len()).ok();
        assert_eq!((count(MEMBERS_LIMIT), count(MEMBERS_LIMIT + 1)), (Some(MEMBERS_LIMIT), None));
    }

    #[test]
    fn no_expiry_is_the_last_second_of_9999() {
        assert_eq!(rfc3339(no_expiry()), "9999-12-31T23:59:59Z");
    }

    /// RFC 5280 section 4.1.2.5: two forms, and nothing that X.680 allows beside them.
    #[test]
    fn times_are_real_and_in_one_form() {
        let read = |tag, text: &str| decode_time(AnyRef::new(tag, text.as_bytes()).unwrap()).ok().map(rfc3339);
        for (tag, text, time) in [
            (Tag::UtcTime, "500101000000Z", "1950-01-01T00:00:00Z"),
            (Tag::UtcTime, "491231235959Z", "2049-12-31T23:59:59Z"),
            (Tag::UtcTime, "000229120000Z", "2000-02-29T12:00:00Z"),
            (Tag::GeneralizedTime, "19990101120000Z", "1999-01-01T12:00:00Z"),
            (Tag::GeneralizedTime, "20500101000000Z", "2050-01-01T00:00:00Z"),
            (Tag::GeneralizedTime, "99991231235959Z", "9999-12-31T23:59:59Z"),
            (Tag::GeneralizedTime, "00000101000000Z", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(read(tag, text).as_deref(), Some(time));
        }
        for (tag, text) in [
            (Tag::UtcTime, "5001010000Z"),
            (Tag::UtcTime, "500101000000"),
            (Tag::UtcTime, "500101000000+0000"),
            (Tag::UtcTime, "500101000000z"),
            (Tag::UtcTime, "19500101000000Z"),
            (Tag::UtcTime, "250229000000Z"),
            (Tag::UtcTime, "250431000000Z"),
            (Tag::UtcTime, "251301000000Z"),
            (Tag::UtcTime, "250001000000Z"),
            (Tag::UtcTime, "250100000000Z"),
            (Tag::UtcTime, "250101240000Z"),
            (Tag::UtcTime, "250101006000Z"),
            (Tag::UtcTime, "250101000060Z"),
            (Tag::UtcTime, "-50101000000Z"),
            (Tag::UtcTime, ""),
            (Tag::UtcTime, "Z"),
            (Tag::GeneralizedTime, "20500101000000"),
            (Tag::GeneralizedTime, "20500101000000.0Z"),
            (Tag::GeneralizedTime, "20500101000000,5Z"),
            (Tag::GeneralizedTime, "20500101000000+0100"),
            (Tag::GeneralizedTime, "205001010000Z"),
            (Tag::GeneralizedTime, "500101000000Z"),
            (Tag::GeneralizedTime, "20500101000000000000000000000000Z"),
            (Tag::GeneralizedTime, "21000229000000Z"),
            (Tag::Utf8String, "20500101000000Z"),
        ] {
            assert_eq!(read(tag, text), None, "{text}");
        }
    }
}
