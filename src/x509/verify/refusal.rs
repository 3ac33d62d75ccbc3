//! Why a chain or a certificate is refused: one line for people, one code for scripts, and a rank.

use std::fmt;

use super::{AltName, Certificate, DEPTH_LIMIT, Error, Purpose, Reason, Time, rfc3339};
use crate::files;
use crate::x509::{Name, colon_hex};

/// Why a chain or a certificate is refused. Later variants are more telling: of several, the last is reported.
///
/// `certificate` names whom it is about, safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No certificate was found under the issuer's name.
    NoIssuer { certificate: String, issuer: String },
    /// The search was given up.
    TooComplex { what: &'static str, limit: usize },
    /// The chain is longer than is followed.
    TooDeep,
    /// The key identifiers of certificate and issuer differ.
    KeyIdentifier { certificate: String },
    /// A certificate of the right name did not make the signature.
    BadSignature { certificate: String },
    /// The signature's algorithm is not accepted.
    SignatureAlgorithm { certificate: String, why: String },
    /// The key is not of a type or strength that is accepted.
    Key { certificate: String, why: String },
    /// The certificate is malformed in a part that matters.
    Malformed { certificate: String, why: String },
    /// A critical extension is not understood, or not judged.
    Extension { certificate: String, extension: String },
    /// The issuer may not issue.
    NotCa { certificate: String, why: &'static str },
    /// There are more CAs between an issuer and the leaf than it allows.
    PathLength { certificate: String, allowed: u8, found: usize },
    /// There are more CAs between the leaf and its anchor than the rules allow.
    LongerThanAsked { certificate: String, allowed: u8, found: usize },
    /// A name is outside what an issuer may vouch for.
    NameConstraint { certificate: String, why: String },
    /// The certificate policies do not hold.
    Policy { certificate: String, why: &'static str },
    /// The certificate is not for this purpose.
    Purpose { certificate: String, purpose: &'static str, why: String },
    /// The certificate is for somebody else.
    Name { certificate: String, wanted: String, why: &'static str },
    /// The certificate is not valid yet.
    NotYetValid { certificate: String, from: String, at: String },
    /// The certificate has expired.
    Expired { certificate: String, until: String, at: String },
    /// Whether the certificate is revoked cannot be told.
    RevocationUnknown { certificate: String, why: String },
    /// The certificate is revoked.
    Revoked { certificate: String, since: String, reason: String },
}

impl Refusal {
    /// The stable code of the reason, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoIssuer { .. } => "untrusted",
            Self::TooComplex { .. } => "chain-too-complex",
            Self::TooDeep => "chain-too-long",
            Self::BadSignature { .. } => "certificate-signature",
            Self::SignatureAlgorithm { .. } => "certificate-algorithm",
            Self::Key { .. } => "certificate-key",
            Self::Malformed { .. } => "certificate-malformed",
            Self::Extension { .. } => "critical-extension",
            Self::KeyIdentifier { .. } => "key-identifier",
            Self::NotCa { .. } => "not-a-ca",
            Self::PathLength { .. } | Self::LongerThanAsked { .. } => "path-length",
            Self::NameConstraint { .. } => "name-constraint",
            Self::Policy { .. } => "policy",
            Self::Purpose { .. } => "purpose",
            Self::Name { .. } => "name",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Expired { .. } => "expired",
            Self::RevocationUnknown { .. } => "revocation-unknown",
            Self::Revoked { .. } => "revoked",
        }
    }

    pub(super) fn no_issuer(certificate: &Certificate) -> Self {
        let issuer = shown(certificate.issuer()).unwrap_or_else(|| "a name too long to show".to_owned());
        Self::NoIssuer { certificate: name(certificate), issuer }
    }

    pub(super) fn malformed(certificate: &Certificate, why: impl fmt::Display) -> Self {
        Self::Malformed { certificate: name(certificate), why: why.to_string() }
    }

    pub(super) fn unreadable(certificate: &Certificate) -> impl Fn(Error) -> Self {
        move |error| Self::malformed(certificate, error)
    }

    pub(super) fn purpose(certificate: &Certificate, purpose: Purpose, why: impl Into<String>) -> Self {
        Self::Purpose { certificate: name(certificate), purpose: purpose.name(), why: why.into() }
    }

    pub(super) fn key(certificate: &Certificate, why: impl fmt::Display) -> Self {
        Self::Key { certificate: name(certificate), why: why.to_string() }
    }

    pub(super) fn algorithm(certificate: &Certificate, why: impl fmt::Display) -> Self {
        Self::SignatureAlgorithm { certificate: name(certificate), why: why.to_string() }
    }

    pub(super) fn other_name(certificate: &Certificate, wanted: &AltName, why: &'static str) -> Self {
        Self::Name { certificate: name(certificate), wanted: wanted.to_string(), why }
    }

    pub(super) fn revocation_unknown(certificate: &Certificate, why: impl fmt::Display) -> Self {
        Self::RevocationUnknown { certificate: name(certificate), why: why.to_string() }
    }

    pub(super) fn revoked(certificate: &Certificate, since: Time, reason: Option<Reason>) -> Self {
        let reason = reason.map_or_else(|| "unspecified".to_owned(), |reason| reason.to_string());
        Self::Revoked { certificate: name(certificate), since: rfc3339(since), reason }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIssuer { certificate, issuer } if certificate == issuer => {
                write!(
                    f,
                    "the chain ends in {certificate}, which names itself as issuer; no other trusted certificate issued it"
                )
            }
            Self::NoIssuer { certificate, issuer } => {
                write!(f, "no trusted certificate issued {certificate}; its issuer, {issuer}, is missing")
            }
            Self::TooComplex { what, limit } => write!(f, "no chain was found within {limit} {what}"),
            Self::TooDeep => write!(f, "the chain has more than {DEPTH_LIMIT} certificates"),
            Self::BadSignature { certificate } => write!(f, "the signature on {certificate} is not its issuer's"),
            Self::SignatureAlgorithm { certificate, why } => {
                write!(f, "the signature algorithm of {certificate} is not accepted: {why}")
            }
            Self::Key { certificate, why } => write!(f, "the key of {certificate} is refused: {why}"),
            Self::Malformed { certificate, why } => write!(f, "{certificate} is refused: {why}"),
            Self::Extension { certificate, extension } => {
                write!(
                    f,
                    "{certificate} has the critical extension {extension}, which is not judged and therefore refused"
                )
            }
            Self::KeyIdentifier { certificate } => {
                write!(f, "{certificate} names another key of its issuer (authorityKeyIdentifier)")
            }
            Self::NotCa { certificate, why } => write!(f, "{certificate} may not issue certificates: {why}"),
            Self::PathLength { certificate, allowed, found } => {
                write!(f, "{certificate} may have {allowed} CAs below it (pathLen), and has {found}")
            }
            Self::LongerThanAsked { certificate, allowed, found } => {
                write!(f, "{certificate} may have {allowed} CAs between it and a trusted one, and has {found}")
            }
            Self::NameConstraint { certificate, why } => {
                write!(f, "{certificate} has a name that its issuers may not vouch for: {why}")
            }
            Self::Policy { certificate, why } => write!(f, "the policies of {certificate} do not hold: {why}"),
            Self::Purpose { certificate, purpose, why } => {
                write!(f, "{certificate} is not for purpose {purpose}: {why}")
            }
            Self::Name { certificate, wanted, why } => write!(f, "{certificate} is not for {wanted}: {why}"),
            Self::NotYetValid { certificate, from, at } => {
                write!(f, "{certificate} is valid from {from}, and the clock says {at}")
            }
            Self::Expired { certificate, until, at } => {
                write!(f, "{certificate} expired {until}, and the clock says {at}")
            }
            Self::RevocationUnknown { certificate, why } => {
                write!(f, "whether {certificate} is revoked cannot be told: {why}")
            }
            Self::Revoked { certificate, since, reason } => {
                write!(f, "{certificate} is revoked since {since} ({reason})")
            }
        }
    }
}

/// Longest name in octets that a refusal repeats: what it says is one line for people.
pub(super) const SHOWN_LIMIT: usize = 1024;

fn shown(name: &Name) -> Option<String> {
    (name.der().len() <= SHOWN_LIMIT).then(|| files::printable(&name.to_string()))
}

/// How a refusal names a certificate: by its subject, else by its serial number, where they are short enough.
pub(super) fn name(certificate: &Certificate) -> String {
    let subject = Some(certificate.subject()).filter(|subject| !subject.is_empty()).and_then(shown);
    subject.unwrap_or_else(|| match certificate.serial() {
        serial if serial.len() <= 20 => format!("the certificate with serial {}", colon_hex(serial)),
        _ => "a certificate without a short name".to_owned(),
    })
}
