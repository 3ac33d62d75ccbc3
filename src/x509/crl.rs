//! Certificate revocation lists: made by a CA, and read.
//!
//! They are made without rcgen: its distinguished name is a map, which drops repeated attributes, and it would write the
//! issuer's name anew instead of copying it, so that the list of an issuer like `DC=com, DC=example` would be nobody's.

use std::fmt;
use std::str::FromStr;

use const_oid::db::rfc5280;
use der::asn1::{AnyRef, IntRef};
use der::{Decode, DecodeValue, EncodeValue, ErrorKind, FixedTag, Header, Length, Reader, Sequence, Tag, Writer};
use x509_cert::ext::Extension as DerExtension;
use x509_cert::time::Time as DerTime;

use super::issue::authority_key_identifier;
use super::signed::assemble;
use super::{Certificate, Error, Time, encode, encode_time, extension};
use crate::key::{Input, Signer};

mod list;
pub use list::{CertificateList, RevokedCertificate, read_revocation_lists};

/// The number that says version 2.
const VERSION_2: u8 = 1;

/// Why a certificate is revoked (RFC 5280 section 5.3.1). The numbers are those of `CRLReason`; 7 is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    Unspecified = 0,
    KeyCompromise = 1,
    CaCompromise = 2,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    CertificateHold = 6,
    RemoveFromCrl = 8,
    PrivilegeWithdrawn = 9,
    AaCompromise = 10,
}

impl Reason {
    /// All of them, with the names of RFC 5280.
    pub const ALL: [(Self, &str); 10] = [
        (Self::Unspecified, "unspecified"),
        (Self::KeyCompromise, "keyCompromise"),
        (Self::CaCompromise, "cACompromise"),
        (Self::AffiliationChanged, "affiliationChanged"),
        (Self::Superseded, "superseded"),
        (Self::CessationOfOperation, "cessationOfOperation"),
        (Self::CertificateHold, "certificateHold"),
        (Self::RemoveFromCrl, "removeFromCRL"),
        (Self::PrivilegeWithdrawn, "privilegeWithdrawn"),
        (Self::AaCompromise, "aACompromise"),
    ];

    /// The number in a CRL.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Whether it is for good: not a hold, and not its end.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::CertificateHold | Self::RemoveFromCrl)
    }

    /// Finds a reason by its number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().map(|(reason, _)| *reason).find(|reason| reason.code() == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(reason, _)| reason == self);
        f.write_str(found.map_or("unspecified", |(_, name)| name))
    }
}

impl FromStr for Reason {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        let unknown = || Error::Value { what: "reason", value: text.to_owned(), why: "is none of RFC 5280" };
        found.map(|(reason, _)| *reason).ok_or_else(unknown)
    }
}

/// A certificate that a new list is to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The octets of the serial number.
    pub serial: Vec<u8>,
    /// When it was revoked.
    pub time: Time,
    /// Why.
    pub reason: Reason,
}

/// ```text
/// TBSCertList ::= SEQUENCE {                    -- RFC 5280 section 5.1
///     version                 Version OPTIONAL,
///     signature               AlgorithmIdentifier,
///     issuer                  Name,
///     thisUpdate              Time,
///     nextUpdate              Time OPTIONAL,
///     revokedCertificates     SEQUENCE OF SEQUENCE {
///         userCertificate         CertificateSerialNumber,
///         revocationDate          Time,
///         crlEntryExtensions      Extensions OPTIONAL } OPTIONAL,
///     crlExtensions       [0] EXPLICIT Extensions OPTIONAL }
/// ```
#[derive(Sequence)]
struct TbsCertList<'a> {
    #[asn1(optional = "true")]
    version: Option<u8>,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    this_update: DerTime,
    #[asn1(optional = "true")]
    next_update: Option<DerTime>,
    #[asn1(optional = "true")]
    revoked_certificates: Option<Entries<'a>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    crl_extensions: Option<Extensions>,
}

/// The entries of a list in one piece: there may be millions of them.
struct Entries<'a>(&'a [u8]);

impl FixedTag for Entries<'_> {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for Entries<'a> {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        reader.read_slice(header.length()).map(Self)
    }
}

impl EncodeValue for Entries<'_> {
    fn value_len(&self) -> der::Result<Length> {
        Length::try_from(self.0.len())
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(self.0)
    }
}

/// The extensions of a list or of one of its entries, few and short: there may be millions in a list.
struct Extensions(Vec<DerExtension>);

impl Extensions {
    /// RFC 5280 has seven of lists and four of entries (sections 5.2 and 5.3).
    const LIMIT: usize = 32;

    /// In bytes; the longest that is of use holds a name or two.
    const LENGTH_LIMIT: u32 = 64 << 10;
}

impl FixedTag for Extensions {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for Extensions {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        if header.length() > Length::new(Self::LENGTH_LIMIT) {
            return Err(reader.error(ErrorKind::Overlength));
        }
        let extensions = Vec::decode_value(reader, header)?;
        if extensions.len() > Self::LIMIT { Err(reader.error(ErrorKind::Overlength)) } else { Ok(Self(extensions)) }
    }
}

impl EncodeValue for Extensions {
    fn value_len(&self) -> der::Result<Length> {
        self.0.value_len()
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        self.0.encode_value(writer)
    }
}

#[derive(Sequence)]
struct Entry<'a> {
    user_certificate: IntRef<'a>,
    revocation_date: DerTime,
    #[asn1(optional = "true")]
    crl_entry_extensions: Option<Extensions>,
}

/// Makes a complete list of what `issuer` revoked: version 2 with authorityKeyIdentifier and cRLNumber (RFC 5280
/// section 5.2), each entry with its reason unless that is unspecified (section 5.3.1 SHOULD). Returns its DER.
pub fn revocation_list(
    issuer: &Certificate,
    signer: &dyn Signer,
    number: u64,
    (this_update, next_update): (Time, Time),
    revoked: &[Revocation],
) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "the certificate revocation list";
    let malformed = |_| Error::Malformed { what: WHAT };
    let entry = |revocation: &Revocation| {
        // ENUMERATED, one octet
        let reason = vec![0x0a, 0x01, revocation.reason.code()];
        let extensions = match revocation.reason {
            Reason::Unspecified => None,
            _ => Some(Extensions(vec![extension(rfc5280::ID_CE_CRL_REASONS, false, reason)?])),
        };
        let user_certificate = IntRef::new(&revocation.serial).map_err(malformed)?;
        let revocation_date = der_time(revocation.time)?;
        encode(WHAT, &Entry { user_certificate, revocation_date, crl_entry_extensions: extensions })
    };
    let entries = revoked.iter().map(entry).collect::<Result<Vec<_>, _>>()?.concat();
    let scheme = signer.public_key().key_type().usual_scheme();
    let algorithm = scheme.algorithm_identifier();
    let list = TbsCertList {
        version: Some(VERSION_2),
        signature: AnyRef::from_der(&algorithm).map_err(malformed)?,
        issuer: AnyRef::from_der(issuer.subject().der()).map_err(malformed)?,
        this_update: der_time(this_update)?,
        next_update: Some(der_time(next_update)?),
        // Absent where there is none (section 5.1.2.6 MUST).
        revoked_certificates: (!entries.is_empty()).then_some(Entries(&entries)),
        crl_extensions: Some(Extensions(vec![
            authority_key_identifier(issuer)?,
            extension(rfc5280::ID_CE_CRL_NUMBER, false, encode("cRLNumber", &number)?)?,
        ])),
    };
    let list = encode(WHAT, &list)?;
    let signature = signer.sign(scheme, Input::Message(&list))?;
    assemble(&list, scheme, &signature)
}

/// A time as the wire has it.
fn der_time(time: Time) -> Result<DerTime, Error> {
    encode_time(time)?.decode_as().map_err(|_| Error::Malformed { what: "the time of a revocation list" })
}
