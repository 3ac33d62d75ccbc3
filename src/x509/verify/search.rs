//! Building a path: depth first from the leaf, over every certificate that may have issued the last one, within a budget.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use x509_cert::ext::pkix::KeyUsages;

use super::constraints::NameConstraints;
use super::refusal::name;
use super::{Anchors, Certificate, DEPTH_LIMIT, PublicKey, Refusal, Rules, certificate};
use crate::x509::name::Canonical;

/// What one question may cost: whoever is judged chooses the certificates.
pub(super) struct Budget {
    signatures: usize,
    certificates: usize,
    comparisons: usize,
    policies: usize,
}

impl Budget {
    /// Signatures checked: rustls-webpki's bound (`rustls/webpki src/verify_cert.rs`, `Budget`), some ten milliseconds.
    const SIGNATURES: usize = 100;
    /// Certificates that a path is extended by, kept or not. Every subset of a loop of ten CAs is 1023 paths; more is
    /// an attack.
    const CERTIFICATES: usize = 10_000;
    /// Names compared with constraints: rustls-webpki's bound, some ten milliseconds.
    const COMPARISONS: usize = 250_000;
    /// Policies, and their mappings, that certificates have or are expected to have: some tens of milliseconds.
    const POLICIES: usize = 100_000;

    /// Pays for the check of a signature.
    pub fn signature(&mut self) -> Result<(), Refusal> {
        Self::spend(&mut self.signatures, 1, "signature checks", Self::SIGNATURES)
    }

    /// Pays for the comparison of a name with a constraint.
    pub fn comparison(&mut self) -> Result<(), Refusal> {
        Self::spend(&mut self.comparisons, 1, "comparisons of names", Self::COMPARISONS)
    }

    /// Pays for looking at so many policies.
    pub fn policies(&mut self, count: usize) -> Result<(), Refusal> {
        Self::spend(&mut self.policies, count, "policies", Self::POLICIES)
    }

    fn certificate(&mut self) -> Result<(), Refusal> {
        Self::spend(&mut self.certificates, 1, "certificates", Self::CERTIFICATES)
    }

    /// Refuses where one of these is used up, so that a search may have ended early.
    pub fn is_left(&mut self) -> Result<(), Refusal> {
        self.signature()?;
        self.certificate()?;
        self.comparison()?;
        self.policies(1)
    }

    /// What costs more than is left takes the rest with it: a search that went too far does not go on with less.
    fn spend(left: &mut usize, cost: usize, what: &'static str, limit: usize) -> Result<(), Refusal> {
        let is_enough = cost <= *left;
        *left = left.saturating_sub(cost);
        if is_enough { Ok(()) } else { Err(Refusal::TooComplex { what, limit }) }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            signatures: Self::SIGNATURES,
            certificates: Self::CERTIFICATES,
            comparisons: Self::COMPARISONS,
            policies: Self::POLICIES,
        }
    }
}

/// The certificates that a path can be built of.
#[derive(Clone, Copy)]
pub(super) struct Offered<'a> {
    /// Certificates of anybody.
    pub untrusted: &'a [Certificate],
    /// Certificates that a path can end in.
    pub anchors: &'a Anchors,
}

/// Finds a path from `leaf`, which is checked already, to an anchor that `judge` accepts as a whole.
///
/// Returns it leaf first, with what `judge` returned; or the most telling of all refusals met.
pub(super) fn build<'a, T>(
    leaf: &'a Certificate,
    offered: Offered<'a>,
    rules: &'a Rules,
    budget: &mut Budget,
    judge: impl FnMut(&[&'a Certificate], &mut Budget) -> Result<T, Refusal>,
) -> Result<(Vec<&'a Certificate>, T), Refusal> {
    let mut search = Search::new(offered, rules, budget, judge);
    let mut path = vec![leaf];
    match search.extend(&mut path) {
        Some(found) => Ok((path, found)),
        None => Err(search
            .worst
            .unwrap_or_else(|| Refusal::NoIssuer { certificate: name(leaf), issuer: leaf.issuer().to_string() })),
    }
}

/// A certificate that may have issued others.
struct Issuer<'a> {
    certificate: &'a Certificate,
    is_anchor: bool,
    /// Looked at when it is first needed: most certificates of a bundle never are.
    means: OnceCell<Means>,
}

/// What an issuer signs with, and what it may vouch for.
struct Means {
    key: Result<PublicKey, Refusal>,
    limits: Result<Limits, Refusal>,
}

struct Limits {
    path_length: Option<u8>,
    constraints: Option<NameConstraints>,
}

struct Search<'a, 'b, J> {
    issuers: Vec<Issuer<'a>>,
    by_subject: HashMap<&'a Canonical, Vec<usize>>,
    rules: &'a Rules,
    budget: &'b mut Budget,
    /// Whether an issuer signed a certificate, once that is known: several paths share a step.
    signed: HashMap<(*const Certificate, usize), bool>,
    judge: J,
    worst: Option<Refusal>,
}

impl<'a, 'b, J> Search<'a, 'b, J> {
    fn new(offered: Offered<'a>, rules: &'a Rules, budget: &'b mut Budget, judge: J) -> Self {
        let trusted = offered.anchors.certificates().iter().map(|certificate| (certificate, true));
        let untrusted = offered.untrusted.iter().map(|certificate| (certificate, false));
        let mut issuers: Vec<Issuer<'a>> = Vec::new();
        let mut by_subject: HashMap<&'a Canonical, Vec<usize>> = HashMap::new();
        for (certificate, is_anchor) in trusted.chain(untrusted) {
            let namesakes = by_subject.entry(certificate.subject().canonical()).or_default();
            if namesakes.iter().all(|index| issuers[*index].certificate != certificate) {
                namesakes.push(issuers.len());
                issuers.push(Issuer { certificate, is_anchor, means: OnceCell::new() });
            }
        }
        Self { issuers, by_subject, rules, budget, signed: HashMap::new(), judge, worst: None }
    }

    /// Extends a path whose certificates are checked by one issuer; what the judge said when an anchor was reached.
    fn extend<T>(&mut self, path: &mut Vec<&'a Certificate>) -> Option<T>
    where
        J: FnMut(&[&'a Certificate], &mut Budget) -> Result<T, Refusal>,
    {
        let child = *path.last()?;
        if path.len() >= DEPTH_LIMIT {
            self.note(Refusal::TooDeep);
            return None;
        }
        let candidates = self.by_subject.get(child.issuer().canonical()).cloned().unwrap_or_default();
        if candidates.is_empty() {
            self.note(Refusal::NoIssuer { certificate: name(child), issuer: child.issuer().to_string() });
        }
        for index in candidates {
            let Issuer { certificate: issuer, is_anchor, .. } = self.issuers[index];
            // A certificate is in a path once; this also ends loops.
            if path.contains(&issuer) {
                continue;
            }
            if let Err(refusal) = self.budget.certificate().and_then(|()| self.issued(path, child, index)) {
                self.note(refusal);
                continue;
            }
            path.push(issuer);
            let found = match is_anchor {
                true => (self.judge)(path, self.budget).map_err(|refusal| self.note(refusal)).ok(),
                false => self.extend(path),
            };
            if found.is_some() {
                return found;
            }
            path.pop();
        }
        None
    }

    /// Whether an issuer issued `child`, the last of `path`, and may have.
    ///
    /// The signature comes first: what is wrong with a namesake that did not make it tells nobody anything.
    fn issued(&mut self, path: &[&'a Certificate], child: &'a Certificate, index: usize) -> Result<(), Refusal> {
        let Issuer { certificate: issuer, is_anchor, means } = &self.issuers[index];
        let identifiers = (
            child.authority_key_identifier().map_err(Refusal::unreadable(child))?,
            issuer.subject_key_identifier().map_err(Refusal::unreadable(issuer))?,
        );
        if let (Some(named), Some(own)) = identifiers
            && named != own
        {
            return Err(Refusal::KeyIdentifier { certificate: name(child) });
        }
        let Means { key, limits } = means.get_or_init(|| Means::of(issuer, *is_anchor, self.rules));
        let scheme = child.scheme().map_err(|why| Refusal::algorithm(child, why))?;
        self.rules.strength.of_scheme(scheme).map_err(|why| Refusal::algorithm(child, why))?;
        let key = key.as_ref().map_err(Refusal::clone)?;
        let is_signed = match self.signed.entry((std::ptr::from_ref(child), index)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                self.budget.signature()?;
                *unknown.insert(child.is_signed_by(key))
            }
        };
        if !is_signed {
            return Err(Refusal::BadSignature { certificate: name(child) });
        }
        let Limits { path_length, constraints } = limits.as_ref().map_err(Refusal::clone)?;
        // Self-issued CAs do not count (RFC 5280 section 4.2.1.9), and neither does the leaf.
        let between = path.iter().skip(1).filter(|certificate| !certificate.is_self_issued()).count();
        if path_length.is_some_and(|allowed| between > usize::from(allowed)) {
            return Err(Refusal::PathLength { certificate: name(issuer) });
        }
        if *is_anchor && self.rules.max_path_length.is_some_and(|allowed| between > usize::from(allowed)) {
            return Err(Refusal::PathLength { certificate: name(path[0]) });
        }
        let Some(constraints) = constraints else { return Ok(()) };
        for (place, certificate) in path.iter().enumerate() {
            // Section 6.1.3 (b) and (c): the leaf is bound even where it names itself as issuer.
            if place == 0 || !certificate.is_self_issued() {
                constraints.check(certificate, self.budget)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, refusal: Refusal) {
        if self.worst.as_ref().is_none_or(|worst| *worst < refusal) {
            self.worst = Some(refusal);
        }
    }
}

impl Means {
    fn of(issuer: &Certificate, is_anchor: bool, rules: &Rules) -> Self {
        let key = issuer.public_key().map_err(|error| Refusal::key(issuer, error));
        Self { key, limits: Limits::of(issuer, is_anchor, rules) }
    }
}

impl Limits {
    /// The rules for a CA certificate, trust anchors included.
    fn of(issuer: &Certificate, is_anchor: bool, rules: &Rules) -> Result<Self, Refusal> {
        let refuse = |why| Err(Refusal::NotCa { certificate: name(issuer), why });
        let unreadable = Refusal::unreadable(issuer);
        let path_length = match issuer.basic_constraints().map_err(&unreadable)? {
            Some(constraints) if constraints.ca => constraints.path_len_constraint,
            Some(_) => return refuse("basicConstraints says that it is no CA"),
            None => return refuse("it has no basicConstraints"),
        };
        // Section 6.1.4 (n): where there is a keyUsage.
        if issuer.key_usage().map_err(&unreadable)?.is_some_and(|usage| !usage.0.contains(KeyUsages::KeyCertSign)) {
            return refuse("keyUsage lacks keyCertSign");
        }
        certificate::check(issuer, is_anchor, rules)?;
        rules.purpose.of_ca(issuer, is_anchor)?;
        Ok(Self { path_length, constraints: NameConstraints::of(issuer)? })
    }
}
