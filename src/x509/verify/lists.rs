//! What revocation lists say of a certificate (RFC 5280 section 6.3.3).
//!
//! A list tells of a certificate if it is of the certificate's issuer, or of whom the certificate names for it (cRLIssuer);
//! if its scope includes the certificate; and if it holds: by itself, at the time asked for, and under a signature of
//! somebody who leads to the same anchor. Lists for some reasons tell together. A delta adds to a complete list; alone it
//! tells of what is revoked, and of nothing else.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};

use x509_cert::ext::pkix::KeyUsages;
use x509_cert::ext::pkix::crl::dp::ReasonFlags;

use super::refusal::name;
use super::revocation::{Mode, Standing};
use super::scope::{Point, all_reasons};
use super::search::{Budget, Graph, Offered, build};
use super::{Certificate, Purpose, Reason, Refusal, Rules, certificate, rfc3339};
use crate::x509::CertificateList;
use crate::x509::name::Canonical;

use content::{Content, Named};

mod content;

/// The lists of one question. What is once found out is kept, since several paths may ask.
pub(super) struct Lists<'a> {
    lists: Vec<List<'a>>,
    by_issuer: HashMap<&'a Canonical, Vec<usize>>,
    leaf: &'a Certificate,
    offered: Offered<'a>,
    /// For the paths of who signs lists: other rules hold for them than for the path of the leaf.
    graph: OnceCell<Graph<'a>>,
    by_subject: HashMap<&'a Canonical, Vec<&'a Certificate>>,
    /// The serial numbers of all certificates that may be asked about, so that the entries of a list are read once.
    serials: HashSet<&'a [u8]>,
    /// What must hold of lists and of the paths of who signs them: all but what is asked of the leaf.
    rules: Rules,
    mode: Mode,
    /// Whether somebody who signs lists leads to an anchor.
    vouched: RefCell<HashMap<Leads, Result<(), Refusal>>>,
}

/// Who signs lists, and an anchor.
type Leads = (*const Certificate, *const Certificate);

struct List<'a> {
    list: &'a CertificateList,
    content: OnceCell<Result<Content<'a>, String>>,
    /// Whether a certificate's key made the signature.
    signed: RefCell<HashMap<*const Certificate, bool>>,
}

/// A list that tells of a certificate, and holds.
struct Sound<'b> {
    list: &'b CertificateList,
    content: &'b Content<'b>,
    signer: &'b Certificate,
    /// The reasons for which it tells.
    reasons: ReasonFlags,
}

/// Who may have signed a list.
#[derive(Clone, Copy, PartialEq)]
enum Signers {
    /// Whoever bears the name of its issuer and leads to the anchor.
    Any,
    /// The certificate that issued the one in question, or that one itself, where it is named as who issues the lists
    /// about it. By this whoever signs lists is judged: there would be no end otherwise.
    IssuerOrItself,
}

impl<'a> Lists<'a> {
    /// Takes the lists of `rules` to judge `leaf` and the certificates that are offered for its path.
    pub fn new(leaf: &'a Certificate, offered: Offered<'a>, rules: &'a Rules) -> Self {
        let lists = &rules.revocation.lists;
        let mut by_issuer: HashMap<&Canonical, Vec<usize>> = HashMap::new();
        for (index, list) in lists.iter().enumerate() {
            by_issuer.entry(list.issuer().canonical()).or_default().push(index);
        }
        // Without lists nobody is looked for.
        let untrusted = if lists.is_empty() { &[] } else { offered.untrusted };
        let mut by_subject: HashMap<&Canonical, Vec<&Certificate>> = HashMap::new();
        for certificate in untrusted {
            by_subject.entry(certificate.subject().canonical()).or_default().push(certificate);
        }
        let list = |list| List { list, content: OnceCell::new(), signed: RefCell::default() };
        Self {
            lists: lists.iter().map(list).collect(),
            by_issuer,
            leaf,
            offered,
            graph: OnceCell::new(),
            by_subject,
            serials: std::iter::once(leaf).chain(untrusted).map(Certificate::serial).collect(),
            rules: Rules { strength: rules.strength, ..Rules::new(Purpose::Any, rules.at) },
            mode: rules.revocation.mode,
            vouched: RefCell::default(),
        }
    }

    /// What the lists say of a certificate whose issuers follow it up to the anchor: `None` where they do not tell.
    ///
    /// Refuses what is revoked, and what a list should tell of and does not, since it does not hold.
    pub fn judge(
        &self,
        certificate: &Certificate,
        above: &[&Certificate],
        budget: &mut Budget,
    ) -> Result<Option<Standing>, Refusal> {
        self.judge_by(Signers::Any, certificate, above, budget)
    }

    fn judge_by(
        &self,
        signers: Signers,
        certificate: &Certificate,
        above: &[&Certificate],
        budget: &mut Budget,
    ) -> Result<Option<Standing>, Refusal> {
        let points = Point::of(certificate, budget)?;
        let mut sound: Vec<Sound<'_>> = Vec::new();
        let mut fault = None;
        let near: Vec<&Certificate> = match signers {
            Signers::Any => above.to_vec(),
            Signers::IssuerOrItself => {
                let itself =
                    points.iter().any(|point| point.is_answered_by(certificate.subject())).then_some(certificate);
                above.first().copied().into_iter().chain(itself).collect()
            }
        };
        for list in self.about(certificate, &points) {
            budget.comparison(list.list.issuer().der().len())?;
            let unknown = |why: &str| {
                let why = format!("the list of {} {why}", rfc3339(list.list.this_update()));
                Refusal::revocation_unknown(certificate, why)
            };
            let content =
                list.content.get_or_init(|| Content::new(list.list, &self.serials, self.rules.at, self.rules.strength));
            let content = match content {
                Ok(content) => content,
                Err(why) => {
                    fault.get_or_insert_with(|| unknown(why));
                    continue;
                }
            };
            let reasons = content.scope.reasons_for(certificate, list.list.issuer(), &points, budget)?;
            if reasons.is_empty() {
                continue;
            }
            match self.signer(list, signers, &near, above, budget)? {
                Ok(signer) => sound.push(Sound { list: list.list, content, signer, reasons }),
                Err(why) => drop(fault.get_or_insert_with(|| unknown(&why))),
            }
        }
        let in_force: Vec<&Sound<'_>> =
            sound.iter().filter(|list| !sound.iter().any(|other| other.supersedes(list))).collect();
        if let Some(entry) = in_force.iter().find_map(|list| list.revokes(certificate, &in_force)) {
            return Err(Refusal::revoked(certificate, entry.since, entry.reason));
        }
        let complete = || in_force.iter().filter(|list| list.content.base.is_none());
        let reasons = complete().fold(ReasonFlags::default(), |reasons, list| reasons | list.reasons);
        let oldest = complete().map(|list| list.list.this_update()).min();
        match (oldest, fault) {
            (Some(this_update), _) if reasons.contains(all_reasons()) => Ok(Some(Standing::NotListed { this_update })),
            // About who signs lists, the list by which the question came up is among those that do not hold.
            (_, Some(fault)) if signers == Signers::Any => Err(fault),
            (Some(_), _) if self.mode == Mode::Require => {
                Err(Refusal::revocation_unknown(certificate, "its lists are for some reasons alone"))
            }
            _ => Ok(None),
        }
    }

    /// The lists of a certificate's issuer, and of whom the certificate names for them.
    fn about(&self, certificate: &Certificate, points: &[Point]) -> impl Iterator<Item = &List<'a>> {
        let mut issuers = HashSet::from([certificate.issuer().canonical()]);
        issuers.extend(points.iter().filter_map(|point| point.issuers.as_ref()).flatten());
        let mut found: Vec<usize> =
            issuers.iter().filter_map(|issuer| self.by_issuer.get(issuer)).flatten().copied().collect();
        found.sort_unstable();
        found.into_iter().filter_map(|index| self.lists.get(index))
    }

    /// Who signed a list: one of those near, who need nobody to vouch for them, or another one who leads to the anchor; else
    /// why there is nobody.
    fn signer<'b>(
        &'b self,
        list: &List<'a>,
        signers: Signers,
        near: &[&'b Certificate],
        above: &[&'b Certificate],
        budget: &mut Budget,
    ) -> Result<Result<&'b Certificate, String>, Refusal> {
        let issuer = list.list.issuer();
        let far = match signers {
            Signers::Any => self.by_subject.get(issuer.canonical()).map_or(&[][..], Vec::as_slice),
            Signers::IssuerOrItself => &[],
        };
        let far = far.iter().filter(|far| !near.contains(far)).map(|far| (*far, false));
        let near = near.iter().filter(|near| near.subject().matches(issuer)).map(|near| (*near, true));
        let mut why = "is not signed by its issuer".to_owned();
        for (candidate, is_near) in near.chain(far) {
            if !list.is_signed_by(candidate, budget)? {
                continue;
            }
            let leads =
                may_sign(candidate).and_then(|()| if is_near { Ok(()) } else { self.leads(candidate, above, budget) });
            match leads {
                Ok(()) => return Ok(Ok(candidate)),
                // What was not looked at may tell that a certificate is revoked.
                Err(refusal @ Refusal::TooComplex { .. }) => return Err(refusal),
                Err(refusal) => why = format!("is signed by somebody who may not: {refusal}"),
            }
        }
        Ok(Err(why))
    }

    /// Whether whoever signs lists leads to the anchor that `above` ends in (RFC 5280 section 6.3.3 (f)).
    fn leads(&self, signer: &Certificate, above: &[&Certificate], budget: &mut Budget) -> Result<(), Refusal> {
        let Some(anchor) = above.last() else { return Ok(()) };
        let step = (std::ptr::from_ref(signer), std::ptr::from_ref(*anchor));
        if let Some(known) = self.vouched.borrow().get(&step) {
            return known.clone();
        }
        let found = self.find_path(signer, anchor, budget);
        self.vouched.borrow_mut().insert(step, found.clone());
        found
    }

    fn find_path(&self, signer: &Certificate, anchor: &Certificate, budget: &mut Budget) -> Result<(), Refusal> {
        certificate::check(signer, false, &self.rules)?;
        let judge = |path: &[&Certificate], budget: &mut Budget| {
            if path.last() != Some(&anchor) {
                return Err(Refusal::NoIssuer { certificate: name(signer), issuer: signer.issuer().to_string() });
            }
            for (place, certificate) in path.iter().enumerate().take(path.len().saturating_sub(1)) {
                let above = path.get(place + 1..).unwrap_or_default();
                let known = self.judge_by(Signers::IssuerOrItself, certificate, above, budget)?;
                self.mode.decide(certificate, known)?;
            }
            Ok(())
        };
        let graph = self.graph.get_or_init(|| Graph::new(self.leaf, self.offered));
        let found = build(graph, signer, &self.rules, budget, judge);
        // A search that ended for want of budget has not shown that there is no path.
        found.map(|_| ()).or_else(|refusal| budget.is_left().and(Err(refusal)))
    }
}

/// A keyUsage must have cRLSign (RFC 5280 section 6.3.3 (f)). Who is no CA must have one, as section 4.2.1.3 asks of whoever
/// signs lists: else any end entity that got the name of a CA would.
fn may_sign(signer: &Certificate) -> Result<(), Refusal> {
    let unreadable = Refusal::unreadable(signer);
    let constraints = signer.basic_constraints().map_err(&unreadable)?;
    let is_ca = constraints.is_some_and(|constraints| constraints.ca);
    match signer.key_usage().map_err(&unreadable)? {
        Some(usage) if !usage.0.contains(KeyUsages::CRLSign) => {
            Err(Refusal::malformed(signer, "its keyUsage lacks cRLSign"))
        }
        None if !is_ca => Err(Refusal::malformed(signer, "it is no CA, and has no keyUsage with cRLSign")),
        _ => Ok(()),
    }
}

impl List<'_> {
    /// Whether the key of a certificate made the signature.
    fn is_signed_by(&self, signer: &Certificate, budget: &mut Budget) -> Result<bool, Refusal> {
        if let Some(known) = self.signed.borrow().get(&std::ptr::from_ref(signer)) {
            return Ok(*known);
        }
        budget.signature()?;
        let is_signed = signer.public_key().is_ok_and(|key| self.list.is_signed_by(&key));
        self.signed.borrow_mut().insert(signer, is_signed);
        Ok(is_signed)
    }
}

impl Sound<'_> {
    /// Whether both are by one key and of one scope, so that their numbers compare (RFC 5280 section 5.2.3).
    fn is_of_series(&self, other: &Self) -> bool {
        self.signer.spki() == other.signer.spki()
            && self.list.issuer().matches(other.list.issuer())
            && self.content.scope.der == other.content.scope.der
    }

    /// Whether it makes another one void: newer by number and by time, and telling all that the other one tells.
    fn supersedes(&self, other: &Self) -> bool {
        let tells_all = match (&self.content.base, &other.content.base) {
            (None, _) => true,
            (Some(own), Some(other)) => own <= other,
            (Some(_), None) => false,
        };
        let number = self.content.number.cmp(&other.content.number);
        let time = self.list.this_update().cmp(&other.list.this_update());
        let is_other = number.is_gt() || time.is_gt() || self.content.base.is_none() != other.content.base.is_none();
        self.is_of_series(other) && tells_all && number.is_ge() && time.is_ge() && is_other
    }

    /// The entry by which it revokes a certificate, unless a delta among `others` lifted that.
    fn revokes(&self, certificate: &Certificate, others: &[&Self]) -> Option<&Named<'_>> {
        let is_delta = self.content.base.is_some();
        let mut entries = self.content.entries(certificate);
        let entry = entries.find(|entry| !is_delta || entry.reason != Some(Reason::RemoveFromCrl))?;
        let is_lifted = others.iter().any(|other| other.adds_to(self) && other.lifts(certificate));
        (!is_lifted).then_some(entry)
    }

    /// Whether it is a delta that can be combined with a complete list (RFC 5280 section 5.2.4).
    fn adds_to(&self, complete: &Self) -> bool {
        self.content.base.as_ref().is_some_and(|base| {
            complete.content.base.is_none()
                && self.is_of_series(complete)
                && *base <= complete.content.number
                && self.content.number > complete.content.number
        })
    }

    /// Whether it takes a certificate from the list, and does not put it back.
    fn lifts(&self, certificate: &Certificate) -> bool {
        let is_removal = |entry: &Named<'_>| entry.reason == Some(Reason::RemoveFromCrl);
        self.content.entries(certificate).next().is_some() && self.content.entries(certificate).all(is_removal)
    }
}
