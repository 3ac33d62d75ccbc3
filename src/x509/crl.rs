//! Certificate revocation lists: made by a CA, and read for display.
//!
//! They are not made by rcgen: its distinguished name is a map, which drops repeated attributes, and it would write the
//! issuer's name anew instead of copying it, so that the list of an issuer like `DC=com, DC=example` would be nobody's.

use std::fmt;
use std::str::FromStr;

use const_oid::db::rfc5280;
use der::asn1::{Any, AnyRef, UintRef};
use der::{Decode, Sequence};
use x509_cert::ext::Extension as DerExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::issue::authority_key_identifier;
use super::request::assemble;
use super::{Certificate, Error, Name, Time, encode, encode_time, extension};
use crate::key::{Input, Signer};

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
///     version                 Version,
///     signature               AlgorithmIdentifier,
///     issuer                  Name,
///     thisUpdate              Time,
///     nextUpdate              Time,
///     revokedCertificates     SEQUENCE OF SEQUENCE {
///         userCertificate         CertificateSerialNumber,
///         revocationDate          Time,
///         crlEntryExtensions      Extensions OPTIONAL } OPTIONAL,
///     crlExtensions       [0] EXPLICIT Extensions }
/// ```
#[derive(Sequence)]
struct TbsCertList<'a> {
    version: u8,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    this_update: Any,
    next_update: Any,
    #[asn1(optional = "true")]
    revoked_certificates: Option<Vec<Entry<'a>>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    crl_extensions: Vec<DerExtension>,
}

#[derive(Sequence)]
struct Entry<'a> {
    user_certificate: UintRef<'a>,
    revocation_date: Any,
    #[asn1(optional = "true")]
    crl_entry_extensions: Option<Vec<DerExtension>>,
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
    let entry = |revocation: &'_ Revocation| {
        // ENUMERATED, one octet
        let reason = vec![0x0a, 0x01, revocation.reason.code()];
        let extensions = match revocation.reason {
            Reason::Unspecified => None,
            _ => Some(vec![extension(rfc5280::ID_CE_CRL_REASONS, false, reason)?]),
        };
        Ok::<_, Error>((encode_time(revocation.time)?, extensions))
    };
    let mut entries = Vec::with_capacity(revoked.len());
    for revocation in revoked {
        let (revocation_date, crl_entry_extensions) = entry(revocation)?;
        let user_certificate = UintRef::new(&revocation.serial).map_err(malformed)?;
        entries.push(Entry { user_certificate, revocation_date, crl_entry_extensions });
    }
    let scheme = signer.public_key().key_type().usual_scheme();
    let algorithm = scheme.algorithm_identifier();
    let list = TbsCertList {
        version: 1,
        signature: AnyRef::from_der(&algorithm).map_err(malformed)?,
        issuer: AnyRef::from_der(issuer.subject().der()).map_err(malformed)?,
        this_update: encode_time(this_update)?,
        next_update: encode_time(next_update)?,
        // Absent where there is none (section 5.1.2.6 MUST).
        revoked_certificates: (!entries.is_empty()).then_some(entries),
        crl_extensions: vec![
            authority_key_identifier(issuer)?,
            extension(rfc5280::ID_CE_CRL_NUMBER, false, encode("cRLNumber", &number)?)?,
        ],
    };
    let list = encode(WHAT, &list)?;
    let signature = signer.sign(scheme, Input::Message(&list))?;
    assemble(&list, scheme, &signature)
}

/// What a CRL says (RFC 5280 section 5.1). Its signature is not checked.
#[derive(Clone, Debug)]
pub struct CertificateList {
    /// Who issued it.
    pub issuer: Name,
    /// When it was issued.
    pub this_update: Time,
    /// When the next one is due.
    pub next_update: Option<Time>,
    /// The cRLNumber extension, as an unsigned big-endian number.
    pub number: Option<Vec<u8>>,
    /// The revoked certificates, in order.
    pub revoked: Vec<RevokedCertificate>,
}

/// One entry of a CRL.
#[derive(Clone, Debug)]
pub struct RevokedCertificate {
    /// The content octets of the serial number.
    pub serial: Vec<u8>,
    /// When it was revoked.
    pub date: Time,
    /// The reason, in words, where one is given.
    pub reason: Option<String>,
}

impl CertificateList {
    /// Reads a DER CRL; bytes after it are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "the certificate revocation list" };
        let (rest, list) = CertificateRevocationList::from_der(der).map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(malformed());
        }
        let revoked = list.iter_revoked_certificates().map(|entry| RevokedCertificate {
            serial: entry.raw_serial().to_vec(),
            date: entry.revocation_date.to_datetime(),
            reason: entry.reason_code().map(|(_, code)| code.to_string()),
        });
        Ok(Self {
            issuer: Name::from_der(list.issuer().as_raw())?,
            this_update: list.last_update().to_datetime(),
            next_update: list.next_update().map(|time| time.to_datetime()),
            number: list.crl_number().map(|number| number.to_bytes_be()),
            revoked: revoked.collect(),
        })
    }
}
