//! Revocation: what lists (RFC 5280 section 6.3) and responses (RFC 6960) say of the certificates of a path.

use super::lists::Lists;
use super::search::{Budget, Offered};
use super::{Certificate, Refusal, Rules, Time, responses};
use crate::x509::{CertificateList, ocsp};

/// Whether certificates may be revoked, and what tells.
#[derive(Clone, Debug, Default)]
pub struct Revocation {
    /// How much must be known.
    pub mode: Mode,
    /// Lists of any issuer: those count that an issuer of the path answers for.
    pub lists: Vec<CertificateList>,
    /// OCSP responses about any certificate.
    pub responses: Vec<ocsp::Response>,
}

/// How much must be known of the revocation of certificates.
///
/// A certificate that evidence says is revoked is refused in every mode but `Off`, whatever else is not known, and
/// whatever the date of its revocation: that a key was stolen later than a signature was made is for nobody to prove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is looked at.
    #[default]
    Off,
    /// What is there is heeded, and has to hold. A certificate of which nothing tells is accepted; one is refused whose
    /// issuer's evidence is there and is no good (forged, out of date, not understood), unless other evidence is.
    Check,
    /// Evidence that holds must tell of every certificate but the anchor, for every reason to revoke.
    Require,
}

/// What is known of the revocation of one certificate that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing tells.
    Unknown,
    /// The lists of its issuer do not name it; the time is that of the oldest of them.
    NotListed { this_update: Time },
    /// A response says that it is good.
    Good { this_update: Time },
}

/// The evidence for all paths of one question.
pub(super) struct Evidence<'a> {
    rules: &'a Rules,
    lists: Lists<'a>,
}

impl<'a> Evidence<'a> {
    /// Takes the evidence of `rules` about `leaf` and the certificates that are offered for its path.
    pub fn new(leaf: &'a Certificate, offered: Offered<'a>, rules: &'a Rules) -> Self {
        Self { rules, lists: Lists::new(leaf, offered, rules) }
    }

    /// Judges every certificate of a path but the anchor, its last. Returns their standings in order; none in mode `Off`.
    pub fn judge(&self, path: &[&Certificate], budget: &mut Budget) -> Result<Vec<Standing>, Refusal> {
        let Revocation { mode, responses, .. } = &self.rules.revocation;
        if *mode == Mode::Off {
            return Ok(Vec::new());
        }
        let mut standings = Vec::new();
        for (place, certificate) in path.iter().enumerate() {
            let above = path.get(place + 1..).unwrap_or_default();
            let Some(issuer) = above.first() else { break };
            let answers = [
                self.lists.judge(certificate, above, budget),
                responses::judge(responses, certificate, issuer, self.rules, budget),
            ];
            standings.push(mode.decide(certificate, join(answers)?)?);
        }
        Ok(standings)
    }
}

impl Mode {
    /// Decides on what is known of a certificate that no evidence speaks against.
    pub(super) fn decide(self, certificate: &Certificate, known: Option<Standing>) -> Result<Standing, Refusal> {
        match (known, self) {
            (Some(standing), _) => Ok(standing),
            (None, Self::Require) => {
                Err(Refusal::revocation_unknown(certificate, "there is no evidence that tells of it"))
            }
            (None, Self::Check | Self::Off) => Ok(Standing::Unknown),
        }
    }
}

/// Brings together what each kind of evidence says of a certificate, `None` where it does not tell: the certificate is
/// refused if one refuses it, and known if one knows it. That another one does not hold is then no matter.
fn join<const N: usize>(answers: [Result<Option<Standing>, Refusal>; N]) -> Result<Option<Standing>, Refusal> {
    let (mut known, mut unknown) = (None, None);
    for answer in answers {
        match answer {
            Ok(standing) => known = known.or(standing),
            Err(refusal @ Refusal::RevocationUnknown { .. }) => unknown = unknown.or(Some(refusal)),
            Err(refusal) => return Err(refusal),
        }
    }
    match (known, unknown) {
        (None, Some(refusal)) => Err(refusal),
        (known, _) => Ok(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_refuses_and_one_knows() {
        let good = || Ok(Some(Standing::Good { this_update: Time::UNIX_EPOCH }));
        let unknown = || Err(Refusal::RevocationUnknown { certificate: "CN=a".into(), why: "it is old".into() });
        let revoked =
            || Err(Refusal::Revoked { certificate: "CN=a".into(), since: "then".into(), reason: "so".into() });
        let spent = || Err(Refusal::TooComplex { what: "signature checks", limit: 100 });
        for (answers, expected) in [
            ([good(), revoked()], revoked()),
            ([unknown(), revoked()], revoked()),
            ([Ok(None), revoked()], revoked()),
            ([good(), spent()], spent()),
            ([good(), unknown()], good()),
            ([good(), Ok(None)], good()),
            ([Ok(None), unknown()], unknown()),
            ([Ok(None), Ok(None)], Ok(None)),
        ] {
            let [one, other] = answers;
            assert_eq!(join([one.clone(), other.clone()]), expected);
            assert_eq!(join([other, one]), expected);
        }
    }
}
