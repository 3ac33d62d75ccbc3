//! Revocation: what lists (RFC 5280 section 6.3) and responses (RFC 6960) say of the certificates of a path.

use super::search::{Budget, Offered};
use super::{Certificate, Refusal, Rules, Time, responses};
use crate::x509::ocsp;

/// Whether certificates may be revoked, and what tells.
#[derive(Clone, Debug, Default)]
pub struct Revocation {
    /// How much must be known.
    pub mode: Mode,
    /// OCSP responses about any certificate.
    pub responses: Vec<ocsp::Response>,
}

/// How much must be known of the revocation of certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is looked at.
    #[default]
    Off,
    /// What is there is heeded, and has to hold: a certificate is refused that it says is revoked, or that it should tell of
    /// and does not, being out of date or not its issuer's.
    Check,
    /// The standing of every certificate but the anchor must be known.
    Require,
}

/// What is known of the revocation of one certificate that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing tells.
    Unknown,
    /// A list of its issuer does not name it.
    NotListed { this_update: Time },
    /// A response says that it is good.
    Good { this_update: Time },
}

/// Judges every certificate of a path but the anchor, its last.
pub(super) fn judge(
    path: &[&Certificate],
    _offered: Offered<'_>,
    rules: &Rules,
    budget: &mut Budget,
) -> Result<Vec<Standing>, Refusal> {
    if rules.revocation.mode == Mode::Off {
        return Ok(Vec::new());
    }
    let mut standings = Vec::new();
    for (certificate, issuer) in path.iter().zip(path.iter().skip(1)) {
        match responses::judge(&rules.revocation.responses, certificate, issuer, rules, budget)? {
            Some(standing) => standings.push(standing),
            None if rules.revocation.mode == Mode::Check => standings.push(Standing::Unknown),
            None => return Err(Refusal::revocation_unknown(certificate, "there is no evidence that tells of it")),
        }
    }
    Ok(standings)
}
