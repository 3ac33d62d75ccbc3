//! Building a path: from the leaf over every certificate that may have issued the last one, the shortest paths first, within
//! a budget.

use std::cell::OnceCell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use x509_cert::ext::pkix::KeyUsages;

use super::constraints::{BoundNames, NameConstraints};
use super::refusal::name;
use super::{Anchors, Certificate, DEPTH_LIMIT, PublicKey, Refusal, Rules, certificate};
use crate::x509::Name;

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
    /// Certificates that a path is extended by, kept or not. Every way through four CAs that all vouch for each other is
    /// 64 of them; more than these is an attack.
    const CERTIFICATES: usize = 10_000;
    /// Names compared with constraints: rustls-webpki's bound, some ten milliseconds.
    const COMPARISONS: usize = 250_000;
    /// Octets of a name that are compared for the price of one: most names are shorter.
    const OCTETS: usize = 64;
    /// Policies, and their mappings, that certificates have or are expected to have: some tens of milliseconds.
    const POLICIES: usize = 100_000;

    /// Pays for the check of a signature.
    pub fn signature(&mut self) -> Result<(), Refusal> {
        Self::spend(&mut self.signatures, 1, "signature checks", Self::SIGNATURES)
    }

    /// Pays for the comparison of a name of so many octets, or for reading names from so many.
    pub fn comparison(&mut self, octets: usize) -> Result<(), Refusal> {
        let cost = 1 + octets / Self::OCTETS;
        Self::spend(&mut self.comparisons, cost, "comparisons of names", Self::COMPARISONS)
    }

    /// Pays for reading the policies of a certificate from so many octets.
    pub fn statement(&mut self, octets: usize) -> Result<(), Refusal> {
        self.policies(1 + octets / Self::OCTETS)
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
        self.comparison(0)?;
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

/// Finds a path in `graph` from `leaf`, which is checked already, to an anchor that `judge` accepts as a whole. All searches
/// of a graph are by the same rules.
///
/// Returns it leaf first, with what `judge` returned; or the most telling of all refusals met. Of several paths the
/// shortest is found, and of these the one whose certificates come first.
pub(super) fn build<'a, T>(
    graph: &Graph<'a>,
    leaf: &Certificate,
    rules: &Rules,
    budget: &mut Budget,
    judge: impl FnMut(&[&'a Certificate], &mut Budget) -> Result<T, Refusal>,
) -> Result<(Vec<&'a Certificate>, T), Refusal> {
    let Some(start) = graph.nodes.iter().position(|node| node.certificate == leaf) else {
        return Err(Refusal::no_issuer(leaf));
    };
    let mut search = Search { graph, rules, budget, signed: HashMap::new(), worst: None };
    match search.run(start, judge) {
        Ok(Some(found)) => return Ok(found),
        Ok(None) => {}
        Err(refusal) => search.note(refusal),
    }
    Err(search.worst.unwrap_or_else(|| Refusal::no_issuer(leaf)))
}

/// The certificates that a path can be built of, each once, the leaf first.
pub(super) struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    /// Those that have a subject, by its number, the anchors apart. The leaf in question issues nothing.
    issuers: HashMap<(usize, Trust), Vec<usize>>,
}

struct Node<'a> {
    certificate: &'a Certificate,
    place: usize,
    trust: Trust,
    /// Equal names have equal numbers, and so have equal keys.
    subject: usize,
    issuer: usize,
    key: usize,
    /// These are looked at when they are first needed, most certificates of a bundle never; and once, however long.
    origin: OnceCell<Origin>,
    names: OnceCell<Result<BoundNames, Refusal>>,
    means: OnceCell<Means>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Trust {
    Anchor,
    Untrusted,
}

/// What a certificate says of how it was issued.
struct Origin {
    /// That of the issuer's key.
    key_identifier: Result<Option<Vec<u8>>, Refusal>,
    /// Whether the signature's algorithm is accepted.
    algorithm: Result<(), Refusal>,
}

/// What an issuer signs with, and what it may vouch for.
struct Means {
    key_identifier: Result<Option<Vec<u8>>, Refusal>,
    key: Result<PublicKey, Refusal>,
    limits: Result<Limits, Refusal>,
}

struct Limits {
    path_length: Option<u8>,
    constraints: Option<NameConstraints>,
}

impl<'a> Graph<'a> {
    /// Takes the leaf in question and the certificates that are offered for its path.
    pub fn new(leaf: &'a Certificate, offered: Offered<'a>) -> Self {
        let trusted = offered.anchors.certificates().iter().map(|certificate| (certificate, Trust::Anchor));
        let untrusted = offered.untrusted.iter().map(|certificate| (certificate, Trust::Untrusted));
        let mut graph = Self { nodes: Vec::new(), issuers: HashMap::new() };
        let (mut seen, mut numbers, mut keys) = (HashSet::new(), HashMap::new(), HashMap::new());
        for (certificate, trust) in std::iter::once((leaf, Trust::Untrusted)).chain(trusted).chain(untrusted) {
            if !seen.insert(certificate.der()) {
                continue;
            }
            let mut number = |name: &'a Name| {
                let next = numbers.len();
                *numbers.entry(name.canonical()).or_insert(next)
            };
            let (subject, issuer) = (number(certificate.subject()), number(certificate.issuer()));
            let next = keys.len();
            let key = *keys.entry(certificate.spki()).or_insert(next);
            let place = graph.nodes.len();
            if place > 0 {
                graph.issuers.entry((subject, trust)).or_default().push(place);
            }
            let (origin, names, means) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
            graph.nodes.push(Node { certificate, place, trust, subject, issuer, key, origin, names, means });
        }
        graph
    }

    /// The certificates under the name of the issuer of a path's last one. A certificate is in a path once; this also ends
    /// loops.
    fn issuers(&self, path: &[usize], trust: Trust) -> impl Iterator<Item = usize> {
        let found = self.issuers.get(&(self.last(path).issuer, trust));
        found.into_iter().flatten().copied().filter(|place| !path.contains(place))
    }

    fn last(&self, path: &[usize]) -> &Node<'a> {
        &self.nodes[*path.last().expect("a path starts with the leaf")]
    }

    fn certificates(&self, path: &[usize]) -> Vec<&'a Certificate> {
        path.iter().map(|place| self.nodes[*place].certificate).collect()
    }
}

struct Search<'a, 'b> {
    graph: &'b Graph<'a>,
    rules: &'b Rules,
    budget: &'b mut Budget,
    /// Whether a key signed a certificate, once that is known: several paths share a step, several issuers a key.
    signed: HashMap<(usize, usize), bool>,
    worst: Option<Refusal>,
}

impl<'a> Search<'a, '_> {
    /// The first path that the judge accepts; an error where the budget does not suffice.
    fn run<T>(
        &mut self,
        start: usize,
        mut judge: impl FnMut(&[&'a Certificate], &mut Budget) -> Result<T, Refusal>,
    ) -> Result<Option<(Vec<&'a Certificate>, T)>, Refusal> {
        let mut paths = vec![vec![start]];
        for _ in 1..DEPTH_LIMIT {
            for path in &paths {
                for ended in self.extend(path, Trust::Anchor)? {
                    let certificates = self.graph.certificates(&ended);
                    match judge(&certificates, self.budget) {
                        Ok(found) => return Ok(Some((certificates, found))),
                        Err(refusal) => self.note(refusal),
                    }
                }
            }
            let mut longer = Vec::new();
            for path in &paths {
                longer.extend(self.extend(path, Trust::Untrusted)?);
            }
            paths = longer;
        }
        if !paths.is_empty() {
            self.note(Refusal::TooDeep);
        }
        Ok(None)
    }

    /// A path with each certificate at its end that issued the last one, and may have.
    fn extend(&mut self, path: &[usize], trust: Trust) -> Result<Vec<Vec<usize>>, Refusal> {
        let graph = self.graph;
        let (mut extended, mut worst) = (Vec::new(), None);
        for place in graph.issuers(path, trust) {
            self.budget.certificate()?;
            match self.issued(path, place) {
                Ok(()) => extended.push([path, &[place]].concat()),
                Err(refusal @ Refusal::TooComplex { .. }) => return Err(refusal),
                Err(refusal) => worst = worst.max(Some(refusal)),
            }
        }
        match worst {
            // What is wrong with one certificate of a CA tells nobody anything where another of it will do.
            Some(refusal) if extended.is_empty() => self.note(refusal),
            None if [Trust::Anchor, Trust::Untrusted]
                .iter()
                .all(|trust| graph.issuers(path, *trust).next().is_none()) =>
            {
                self.note(Refusal::no_issuer(graph.last(path).certificate));
            }
            _ => {}
        }
        Ok(extended)
    }

    /// Whether the certificate at `place` issued the last one of a path, and may have.
    ///
    /// The signature comes first: what is wrong with a namesake that did not make it tells nobody anything.
    fn issued(&mut self, path: &[usize], place: usize) -> Result<(), Refusal> {
        let graph = self.graph;
        let Node { certificate: child, place: child_place, origin, .. } = graph.last(path);
        let Node { certificate: issuer, trust, key: key_number, means, .. } = &graph.nodes[place];
        let is_anchor = *trust == Trust::Anchor;
        let origin = origin.get_or_init(|| Origin::of(child, self.rules));
        let Means { key_identifier, key, limits } = means.get_or_init(|| Means::of(issuer, is_anchor, self.rules));
        let named = origin.key_identifier.as_ref().map_err(Refusal::clone)?;
        let own = key_identifier.as_ref().map_err(Refusal::clone)?;
        if named.is_some() && own.is_some() && named != own {
            return Err(Refusal::KeyIdentifier { certificate: name(child) });
        }
        origin.algorithm.clone()?;
        let key = key.as_ref().map_err(Refusal::clone)?;
        let is_signed = match self.signed.entry((*child_place, *key_number)) {
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
        let is_self_issued = |place: usize| graph.nodes[place].subject == graph.nodes[place].issuer;
        let found = path.iter().skip(1).filter(|place| !is_self_issued(**place)).count();
        let is_over = |allowed: u8| found > usize::from(allowed);
        if let Some(allowed) = path_length.filter(|allowed| is_over(*allowed)) {
            return Err(Refusal::PathLength { certificate: name(issuer), allowed, found });
        }
        if let Some(allowed) = self.rules.max_path_length.filter(|allowed| is_anchor && is_over(*allowed)) {
            return Err(Refusal::LongerThanAsked {
                certificate: name(graph.nodes[path[0]].certificate),
                allowed,
                found,
            });
        }
        let Some(constraints) = constraints else { return Ok(()) };
        // Section 6.1.3 (b) and (c): the leaf is bound even where it names itself as issuer.
        let mut bound = path.iter().enumerate().filter(|(depth, place)| *depth == 0 || !is_self_issued(**place));
        bound.try_for_each(|(_, place)| {
            let Node { certificate, names, .. } = &graph.nodes[*place];
            let names = names.get_or_init(|| BoundNames::of(certificate));
            constraints.check(names.as_ref().map_err(Refusal::clone)?, self.budget)
        })
    }

    fn note(&mut self, refusal: Refusal) {
        self.worst = self.worst.take().max(Some(refusal));
    }
}

impl Origin {
    fn of(certificate: &Certificate, rules: &Rules) -> Self {
        let unaccepted = |why: &dyn std::fmt::Display| Refusal::algorithm(certificate, why);
        let scheme = certificate.scheme().map_err(|error| unaccepted(&error));
        Self {
            key_identifier: certificate.authority_key_identifier().map_err(Refusal::unreadable(certificate)),
            algorithm: scheme.and_then(|scheme| rules.strength.of_scheme(scheme).map_err(|why| unaccepted(&why))),
        }
    }
}

impl Means {
    fn of(issuer: &Certificate, is_anchor: bool, rules: &Rules) -> Self {
        Self {
            key_identifier: issuer.subject_key_identifier().map_err(Refusal::unreadable(issuer)),
            key: issuer.public_key().map_err(|error| Refusal::key(issuer, error)),
            limits: Limits::of(issuer, is_anchor, rules),
        }
    }
}

impl Limits {
    /// The rules for a CA certificate, trust anchors included.
    fn of(issuer: &Certificate, is_anchor: bool, rules: &Rules) -> Result<Self, Refusal> {
        certificate::check(issuer, is_anchor, rules)?;
        let refuse = |why| Err(Refusal::NotCa { certificate: name(issuer), why });
        let unreadable = Refusal::unreadable(issuer);
        let path_length = match issuer.basic_constraints().map_err(&unreadable)? {
            Some(constraints) if constraints.ca => constraints.path_len_constraint,
            Some(_) => return refuse("basicConstraints says that it is no CA"),
            None => return refuse("it has no basicConstraints"),
        };
        // Section 6.1.4 (n): where there is a keyUsage.
        if !issuer.key_may(KeyUsages::KeyCertSign).map_err(&unreadable)? {
            return refuse("keyUsage lacks keyCertSign");
        }
        rules.purpose.of_ca(issuer, is_anchor)?;
        Ok(Self { path_length, constraints: NameConstraints::of(issuer)? })
    }
}
