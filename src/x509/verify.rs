//! Judging certificates: from a leaf to a trust anchor, for a purpose, at a time.
//!
//! What is checked on each certificate: signature over its original bytes, version, serial number, validity,
//! duplicate and unknown critical extensions, key identifiers; on each CA besides: basicConstraints, pathLen,
//! keyUsage, extKeyUsage; on the leaf: keyUsage and extKeyUsage for the purpose. Name constraints and policies are
//! not judged yet, and a certificate that has what is not judged is refused, never waved through.

use std::fmt;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use x509_cert::ext::pkix::KeyUsages;

use super::{Certificate, Chain, Error, Time, rfc3339};
use crate::files;

/// Longest chain that is followed, anchor included. Public and device PKIs stay below six.
pub(super) const DEPTH_LIMIT: usize = 10;

/// Most signatures checked for one leaf: one hundred, as in rustls-webpki, since a peer chooses the certificates.
const SIGNATURE_BUDGET: usize = 100;

/// What the leaf's key is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing firmware: digitalSignature and extKeyUsage codeSigning, both present.
    Firmware,
    /// TLS client: extKeyUsage clientAuth, or none.
    TlsClient,
    /// TLS server: extKeyUsage serverAuth, or none.
    TlsServer,
    /// Signing anything: no rule about the leaf's extKeyUsage.
    Any,
    /// The chain alone: no rule about the leaf's usage. For who checks the leaf against a profile, which may be a CA's.
    ChainAlone,
}

impl Purpose {
    /// The name in output and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Firmware => "firmware",
            Self::TlsClient => "tls-client",
            Self::TlsServer => "tls-server",
            Self::Any => "any",
            Self::ChainAlone => "chain",
        }
    }

    fn extended_key_usage(self) -> Option<ObjectIdentifier> {
        match self {
            Self::Firmware => Some(rfc5280::ID_KP_CODE_SIGNING),
            Self::TlsClient => Some(rfc5280::ID_KP_CLIENT_AUTH),
            Self::TlsServer => Some(rfc5280::ID_KP_SERVER_AUTH),
            Self::Any | Self::ChainAlone => None,
        }
    }
}

/// The certificates that are trusted to issue: never none.
#[derive(Clone, Debug)]
pub struct Anchors {
    certificates: Vec<Certificate>,
}

impl Anchors {
    /// Takes trusted certificates.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, Error> {
        if certificates.is_empty() {
            return Err(Error::Chain { why: "no trusted certificate was given" });
        }
        Ok(Self { certificates })
    }

    /// The trusted certificates.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}

/// Why a chain or a certificate is refused. Later variants are more telling: of several, the last is reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No certificate was found under the issuer's name.
    NoIssuer { certificate: String, issuer: String },
    /// The search was given up.
    TooComplex,
    /// The chain is longer than is followed.
    TooDeep,
    /// A certificate of the right name did not make the signature.
    BadSignature { certificate: String },
    /// The signature's algorithm is not accepted.
    SignatureAlgorithm { certificate: String },
    /// The key is not of a type or strength that is accepted.
    Key { certificate: String, why: String },
    /// The certificate is malformed in a part that matters.
    Malformed { certificate: String, why: String },
    /// A critical extension is not understood, or not judged.
    Extension { certificate: String, extension: String },
    /// The key identifiers of certificate and issuer differ.
    KeyIdentifier { certificate: String },
    /// The issuer may not issue.
    NotCa { certificate: String, why: &'static str },
    /// More certificates follow than the issuer's path length allows.
    PathLength { certificate: String },
    /// The certificate is not for this purpose.
    Purpose { certificate: String, purpose: &'static str, why: String },
    /// The certificate is not valid yet.
    NotYetValid { certificate: String, from: String, at: String },
    /// The certificate has expired.
    Expired { certificate: String, until: String, at: String },
}

impl Refusal {
    /// The stable code of the reason, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoIssuer { .. } => "untrusted",
            Self::TooComplex => "chain-too-complex",
            Self::TooDeep => "chain-too-long",
            Self::BadSignature { .. } => "certificate-signature",
            Self::SignatureAlgorithm { .. } => "certificate-algorithm",
            Self::Key { .. } => "certificate-key",
            Self::Malformed { .. } => "certificate-malformed",
            Self::Extension { .. } => "critical-extension",
            Self::KeyIdentifier { .. } => "key-identifier",
            Self::NotCa { .. } => "not-a-ca",
            Self::PathLength { .. } => "path-length",
            Self::Purpose { .. } => "purpose",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Expired { .. } => "expired",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIssuer { certificate, issuer } => {
                write!(f, "no trusted certificate issued {certificate} (its issuer is {issuer})")
            }
            Self::TooComplex => write!(f, "no chain was found within {SIGNATURE_BUDGET} signature checks"),
            Self::TooDeep => write!(f, "the chain has more than {DEPTH_LIMIT} certificates"),
            Self::BadSignature { certificate } => write!(f, "the signature on {certificate} is not its issuer's"),
            Self::SignatureAlgorithm { certificate } => {
                write!(f, "the signature algorithm of {certificate} is not accepted")
            }
            Self::Key { certificate, why } => write!(f, "the key of {certificate} is refused: {why}"),
            Self::Malformed { certificate, why } => write!(f, "{certificate} is refused: {why}"),
            Self::Extension { certificate, extension } => {
                write!(f, "{certificate} has the extension {extension}, which is not judged and therefore refused")
            }
            Self::KeyIdentifier { certificate } => {
                write!(f, "{certificate} names another key of its issuer (authorityKeyIdentifier)")
            }
            Self::NotCa { certificate, why } => write!(f, "{certificate} may not issue certificates: {why}"),
            Self::PathLength { certificate } => write!(f, "{certificate} allows fewer CAs below it (pathLen)"),
            Self::Purpose { certificate, purpose, why } => {
                write!(f, "{certificate} is not for purpose {purpose}: {why}")
            }
            Self::NotYetValid { certificate, from, at } => {
                write!(f, "{certificate} is valid from {from}, and the clock says {at}")
            }
            Self::Expired { certificate, until, at } => {
                write!(f, "{certificate} expired {until}, and the clock says {at}")
            }
        }
    }
}

/// Finds a chain from `leaf` through `untrusted` certificates to one of `anchors`, and checks all of it.
///
/// The anchor is checked like any CA, its own signature excepted. Returns the chain, leaf to anchor, or the most
/// telling refusal. The leaf is never its own anchor.
pub fn path(
    leaf: &Certificate,
    untrusted: &[Certificate],
    anchors: &Anchors,
    purpose: Purpose,
    at: Time,
) -> Result<Chain, Refusal> {
    leaf_alone(leaf, purpose, at)?;
    let mut search = Search { untrusted, anchors, purpose, at, signatures: 0, worst: None };
    let mut chain = vec![leaf];
    if search.extend(&mut chain) {
        let certificates = chain.into_iter().cloned().collect();
        // Each certificate was found by the name of its issuer.
        return Chain::new(certificates).map_err(|_| Refusal::TooComplex);
    }
    Err(search
        .worst
        .unwrap_or_else(|| Refusal::NoIssuer { certificate: name(leaf), issuer: leaf.issuer().to_string() }))
}

/// Checks a leaf by itself: what can be said without its issuer. Used for a certificate that is trusted as it is.
pub fn leaf_alone(leaf: &Certificate, purpose: Purpose, at: Time) -> Result<(), Refusal> {
    sane(leaf, at)?;
    if purpose == Purpose::ChainAlone {
        return Ok(());
    }
    let refuse =
        |why: &str| Err(Refusal::Purpose { certificate: name(leaf), purpose: purpose.name(), why: why.to_owned() });
    let constraints = leaf.basic_constraints().map_err(|error| malformed(leaf, &error))?;
    let key_usage = leaf.key_usage().map_err(|error| malformed(leaf, &error))?;
    let extended = leaf.extended_key_usage().map_err(|error| malformed(leaf, &error))?;
    if purpose == Purpose::Firmware && constraints.is_some_and(|constraints| constraints.ca) {
        return refuse("it is a CA");
    }
    match key_usage {
        Some(usage) if !usage.0.contains(KeyUsages::DigitalSignature) => {
            return refuse("keyUsage lacks digitalSignature");
        }
        None if purpose == Purpose::Firmware => return refuse("it has no keyUsage"),
        _ => {}
    }
    let Some(wanted) = purpose.extended_key_usage() else { return Ok(()) };
    match extended {
        Some(usages) if usages.contains(&wanted) => Ok(()),
        Some(_) => refuse(&format!("extKeyUsage lacks {}", crate::key::algorithm::oid_name(wanted))),
        // Without extKeyUsage a device's identity would pass as a firmware signer.
        None if purpose == Purpose::Firmware => refuse("it has no extKeyUsage"),
        None => Ok(()),
    }
}

struct Search<'a> {
    untrusted: &'a [Certificate],
    anchors: &'a Anchors,
    purpose: Purpose,
    at: Time,
    signatures: usize,
    worst: Option<Refusal>,
}

impl<'a> Search<'a> {
    /// Extends a chain whose certificates are checked by one issuer, depth first; true when an anchor is reached.
    fn extend(&mut self, chain: &mut Vec<&'a Certificate>) -> bool {
        let Some(&child) = chain.last() else { return false };
        if chain.len() >= DEPTH_LIMIT {
            self.note(Refusal::TooDeep);
            return false;
        }
        let of_right_name = |candidate: &&'a Certificate| candidate.subject() == child.issuer();
        let trusted = self.anchors.certificates.iter().filter(of_right_name).map(|anchor| (anchor, true));
        let offered = self.untrusted.iter().filter(of_right_name).map(|offered| (offered, false));
        let candidates: Vec<_> = trusted.chain(offered).collect();
        if candidates.is_empty() {
            self.note(Refusal::NoIssuer { certificate: name(child), issuer: child.issuer().to_string() });
        }
        for (candidate, is_anchor) in candidates {
            // A certificate is in a chain once; this also ends loops.
            if chain.contains(&candidate) {
                continue;
            }
            if self.signatures >= SIGNATURE_BUDGET {
                self.note(Refusal::TooComplex);
                return false;
            }
            self.signatures += 1;
            if let Err(refusal) = self.issued(chain, child, candidate) {
                self.note(refusal);
                continue;
            }
            chain.push(candidate);
            if is_anchor || self.extend(chain) {
                return true;
            }
            chain.pop();
        }
        false
    }

    /// Whether `issuer` issued `child`, and may have; `chain` is what hangs below `issuer`.
    fn issued(&self, chain: &[&Certificate], child: &Certificate, issuer: &Certificate) -> Result<(), Refusal> {
        let key =
            issuer.public_key().map_err(|error| Refusal::Key { certificate: name(issuer), why: error.to_string() })?;
        if child.scheme().is_none() {
            return Err(Refusal::SignatureAlgorithm { certificate: name(child) });
        }
        if !child.is_signed_by(&key) {
            return Err(Refusal::BadSignature { certificate: name(child) });
        }
        let identifiers = (
            child.authority_key_identifier().map_err(|error| malformed(child, &error))?,
            issuer.subject_key_identifier().map_err(|error| malformed(issuer, &error))?,
        );
        if let (Some(named), Some(own)) = identifiers
            && named != own
        {
            return Err(Refusal::KeyIdentifier { certificate: name(child) });
        }
        self.may_issue(issuer)?;
        let constraints = issuer.basic_constraints().map_err(|error| malformed(issuer, &error))?;
        // Self-issued CAs do not count (RFC 5280 section 4.2.1.9); the leaf never does.
        let between = chain.iter().skip(1).filter(|certificate| !certificate.is_self_issued()).count();
        let allowed = constraints.and_then(|constraints| constraints.path_len_constraint);
        if allowed.is_some_and(|allowed| between > usize::from(allowed)) {
            return Err(Refusal::PathLength { certificate: name(issuer) });
        }
        Ok(())
    }

    /// The rules for a CA certificate, trust anchors included.
    fn may_issue(&self, issuer: &Certificate) -> Result<(), Refusal> {
        sane(issuer, self.at)?;
        let refuse = |why| Err(Refusal::NotCa { certificate: name(issuer), why });
        match issuer.basic_constraints().map_err(|error| malformed(issuer, &error))? {
            Some(constraints) if constraints.ca => {}
            Some(_) => return refuse("basicConstraints says that it is no CA"),
            None => return refuse("it has no basicConstraints"),
        }
        match issuer.key_usage().map_err(|error| malformed(issuer, &error))? {
            Some(usage) if usage.0.contains(KeyUsages::KeyCertSign) => {}
            Some(_) => return refuse("keyUsage lacks keyCertSign"),
            None => return refuse("it has no keyUsage"),
        }
        let extended = issuer.extended_key_usage().map_err(|error| malformed(issuer, &error))?;
        if let (Some(wanted), Some(usages)) = (self.purpose.extended_key_usage(), extended)
            && !usages.contains(&wanted)
            && !usages.contains(&rfc5280::ANY_EXTENDED_KEY_USAGE)
        {
            let why = "the CA's extKeyUsage does not allow it".to_owned();
            return Err(Refusal::Purpose { certificate: name(issuer), purpose: self.purpose.name(), why });
        }
        Ok(())
    }

    fn note(&mut self, refusal: Refusal) {
        if self.worst.as_ref().is_none_or(|worst| *worst < refusal) {
            self.worst = Some(refusal);
        }
    }
}

/// What holds for every certificate: version, serial number, extensions, validity.
fn sane(certificate: &Certificate, at: Time) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::Malformed { certificate: name(certificate), why: why.to_owned() });
    // RFC 5280 section 4.1.2.2: positive, at most 20 octets.
    match certificate.serial() {
        [] | [0] => return refuse("its serial number is zero"),
        [first, ..] if first & 0x80 != 0 => return refuse("its serial number is negative"),
        serial if serial.len() > 20 => return refuse("its serial number is longer than 20 octets"),
        _ => {}
    }
    if certificate.version() != 3 {
        return refuse("it is not a version 3 certificate");
    }
    for (index, extension) in certificate.extensions().iter().enumerate() {
        if certificate.extensions()[..index].iter().any(|earlier| earlier.oid == extension.oid) {
            return refuse("it has an extension twice");
        }
        let judged = [
            rfc5280::ID_CE_BASIC_CONSTRAINTS,
            rfc5280::ID_CE_KEY_USAGE,
            rfc5280::ID_CE_EXT_KEY_USAGE,
            rfc5280::ID_CE_SUBJECT_ALT_NAME,
        ];
        let constrains = extension.oid == rfc5280::ID_CE_NAME_CONSTRAINTS;
        if constrains || (extension.critical && !judged.contains(&extension.oid)) {
            return Err(Refusal::Extension {
                certificate: name(certificate),
                extension: crate::key::algorithm::oid_name(extension.oid),
            });
        }
    }
    certificate.alt_names().map_err(|error| malformed(certificate, &error))?;
    let (from, until) = (certificate.not_before(), certificate.not_after());
    if at < from {
        return Err(Refusal::NotYetValid { certificate: name(certificate), from: rfc3339(from), at: rfc3339(at) });
    }
    if at > until {
        return Err(Refusal::Expired { certificate: name(certificate), until: rfc3339(until), at: rfc3339(at) });
    }
    Ok(())
}

fn malformed(certificate: &Certificate, error: &Error) -> Refusal {
    Refusal::Malformed { certificate: name(certificate), why: error.to_string() }
}

/// How a refusal names a certificate: by its subject, else by its serial number.
fn name(certificate: &Certificate) -> String {
    if certificate.subject().is_empty() {
        return format!("the certificate with serial {}", super::colon_hex(certificate.serial()));
    }
    files::printable(&certificate.subject().to_string())
}
