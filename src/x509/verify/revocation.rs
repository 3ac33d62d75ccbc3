//! Revocation: what lists (RFC 5280 section 6.3) and responses (RFC 6960) say of the certificates of a path.

use super::lists::Lists;
use super::search::{Budget, Offered};
use super::{Certificate, Refusal, Rules, Time};
use crate::x509::CertificateList;

/// Whether certificates may be revoked, and what tells.
#[derive(Clone, Debug, Default)]
pub struct Revocation {
    /// How much must be known.
    pub mode: Mode,
    /// Lists of any issuer: those count that an issuer of the path answers for.
    pub lists: Vec<CertificateList>,
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
    mode: Mode,
    lists: Lists<'a>,
}

impl<'a> Evidence<'a> {
    /// Takes the evidence of `rules` about `leaf` and the certificates that are offered for its path.
    pub fn new(leaf: &'a Certificate, offered: Offered<'a>, rules: &'a Rules) -> Self {
        Self { mode: rules.revocation.mode, lists: Lists::new(leaf, offered, rules) }
    }

    /// Judges every certificate of a path but the anchor, its last. Returns their standings in order; none in mode `Off`.
    pub fn judge(&self, path: &[&Certificate], budget: &mut Budget) -> Result<Vec<Standing>, Refusal> {
        if self.mode == Mode::Off {
            return Ok(Vec::new());
        }
        let mut standings = Vec::new();
        for (place, certificate) in path.iter().enumerate().take(path.len().saturating_sub(1)) {
            let above = path.get(place + 1..).unwrap_or_default();
            let answers = [self.lists.judge(certificate, above, budget)];
            standings.push(self.mode.conclude(certificate, answers)?);
        }
        Ok(standings)
    }
}

impl Mode {
    /// Brings together what each kind of evidence says of a certificate, `None` where it does not tell: it is refused if
    /// one refuses it, and known if one knows it. That another one does not hold is then no matter.
    pub(super) fn conclude<const N: usize>(
        self,
        certificate: &Certificate,
        answers: [Result<Option<Standing>, Refusal>; N],
    ) -> Result<Standing, Refusal> {
        let (mut known, mut refusal) = (None, None);
        for answer in answers {
            match answer {
                Err(unknown @ Refusal::RevocationUnknown { .. }) => refusal = refusal.or(Some(unknown)),
                Err(refusal) => return Err(refusal),
                Ok(standing) => known = known.or(standing),
            }
        }
        match (known, refusal, self) {
            (Some(standing), _, _) => Ok(standing),
            (None, Some(refusal), _) => Err(refusal),
            (None, None, Self::Require) => {
                Err(Refusal::revocation_unknown(certificate, "there is no evidence that tells of it"))
            }
            (None, None, Self::Check | Self::Off) => Ok(Standing::Unknown),
        }
    }
}
