//! The graph of the policies that hold for a path (RFC 9618).

use std::collections::{BTreeMap, BTreeSet};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;

/// Stands for every policy (RFC 5280 section 4.2.1.4).
pub(super) const ANY: ObjectIdentifier = rfc5280::ANY_POLICY;

/// What policies of the issuer are called below, each in one or several ways; never anyPolicy.
pub(super) type Mappings = BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>>;

/// Which policies hold for a path so far (RFC 9618): for each certificate one node for a policy, however many
/// ways lead to it. The tree of RFC 5280 has one for each way.
pub(super) struct Graph {
    /// For each certificate, the anchor first: the policies that are valid there, each with those of the certificate
    /// above that led to it. What is above the anchor is anyPolicy.
    levels: Vec<BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>>>,
    /// The expected_policy_sets of the last level, turned round: each policy that the next certificate may have, with
    /// those that expect it. Only anyPolicy expects anyPolicy, and that alone.
    expected: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>>,
}

impl Graph {
    /// The graph above the anchor: anyPolicy alone.
    pub fn new() -> Self {
        Self { levels: Vec::new(), expected: BTreeMap::from([(ANY, BTreeSet::from([ANY]))]) }
    }

    /// Adds the policies of the next certificate (RFC 5280 section 6.1.3 (d) and (e)).
    pub fn descend(&mut self, policies: &BTreeSet<ObjectIdentifier>, any_counts: bool) {
        let mut expected = std::mem::take(&mut self.expected);
        let any = expected.get(&ANY).cloned();
        let mut level = BTreeMap::new();
        for policy in policies.iter().filter(|policy| **policy != ANY) {
            if let Some(parents) = expected.remove(policy).or_else(|| any.clone()) {
                level.insert(*policy, parents);
            }
        }
        // anyPolicy stands for whatever is expected and not named.
        if any_counts && policies.contains(&ANY) {
            level.append(&mut expected);
        }
        self.levels.push(level);
    }

    /// Says what is expected of the next certificate (RFC 5280 section 6.1.4 (b)).
    pub fn map(&mut self, mappings: &Mappings, is_allowed: bool) {
        let Some(level) = self.levels.last_mut() else { return };
        for policy in mappings.keys() {
            if !is_allowed {
                level.remove(policy);
            } else if level.contains_key(&ANY) {
                level.entry(*policy).or_insert_with(|| BTreeSet::from([ANY]));
            }
        }
        for policy in level.keys() {
            let itself = BTreeSet::from([*policy]);
            for expected in mappings.get(policy).unwrap_or(&itself) {
                self.expected.entry(*expected).or_default().insert(*policy);
            }
        }
    }

    /// Whether no policy holds any more: the tree of RFC 5280 is NULL.
    pub fn is_empty(&self) -> bool {
        self.levels.last().is_none_or(BTreeMap::is_empty)
    }

    /// The policies that hold for the whole path and are acceptable, any where none is named.
    pub fn acceptable(&self, acceptable: &[ObjectIdentifier]) -> BTreeSet<ObjectIdentifier> {
        let found = self.found();
        if acceptable.is_empty() || acceptable.contains(&ANY) {
            return found;
        }
        let is_found = |policy: &&ObjectIdentifier| found.contains(*policy) || found.contains(&ANY);
        acceptable.iter().filter(is_found).copied().collect()
    }

    /// How many policies the next certificate may have.
    pub fn width(&self) -> usize {
        self.expected.len()
    }

    /// The authority-constrained set: the policies of the last level, followed up to where anyPolicy led to them.
    fn found(&self) -> BTreeSet<ObjectIdentifier> {
        let mut found = BTreeSet::new();
        let mut reached: BTreeSet<_> = self.levels.last().into_iter().flat_map(BTreeMap::keys).copied().collect();
        if reached.remove(&ANY) {
            found.insert(ANY);
        }
        for level in self.levels.iter().rev() {
            let mut above = BTreeSet::new();
            for policy in reached {
                let parents = level.get(&policy).into_iter().flatten();
                if parents.clone().any(|parent| *parent == ANY) {
                    found.insert(policy);
                } else {
                    above.extend(parents.copied());
                }
            }
            reached = above;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(number: u32) -> ObjectIdentifier {
        ObjectIdentifier::new(&format!("1.2.3.{number}")).unwrap()
    }

    /// A node of the tree of RFC 5280 section 6.1.2 (a), without qualifiers.
    struct Node {
        policy: ObjectIdentifier,
        expected: BTreeSet<ObjectIdentifier>,
        parent: usize,
    }

    /// The tree itself, one level for each depth, followed by the letter: the second opinion on the graph.
    struct Tree(Vec<Vec<Node>>);

    impl Tree {
        fn descend(&mut self, policies: &BTreeSet<ObjectIdentifier>, any_counts: bool) {
            let above = self.0.last().unwrap();
            let mut level = Vec::new();
            let mut child = |policy, parent| level.push(Node { policy, expected: BTreeSet::from([policy]), parent });
            for policy in policies.iter().filter(|policy| **policy != ANY) {
                let expecting = |node: &Node| node.expected.contains(policy);
                let any = above.iter().position(|node| node.policy == ANY);
                match above.iter().any(expecting) {
                    true => (0..above.len()).filter(|at| expecting(&above[*at])).for_each(|at| child(*policy, at)),
                    false => any.into_iter().for_each(|at| child(*policy, at)),
                }
            }
            if any_counts && policies.contains(&ANY) {
                for (at, node) in above.iter().enumerate() {
                    let named = |policy: &&ObjectIdentifier| **policy != ANY && policies.contains(*policy);
                    node.expected.iter().filter(|policy| !named(policy)).for_each(|policy| child(*policy, at));
                }
            }
            self.0.push(level);
        }

        fn map(&mut self, mappings: &Mappings, is_allowed: bool) {
            let above = self.0[self.0.len() - 2].iter().position(|node| node.policy == ANY);
            let level = self.0.last_mut().unwrap();
            for (policy, expected) in mappings {
                if !is_allowed {
                    level.retain(|node| node.policy != *policy);
                } else if level.iter().any(|node| node.policy == *policy) {
                    let mapped = level.iter_mut().filter(|node| node.policy == *policy);
                    mapped.for_each(|node| node.expected = expected.clone());
                } else if level.iter().any(|node| node.policy == ANY) {
                    level.push(Node { policy: *policy, expected: expected.clone(), parent: above.unwrap() });
                }
            }
        }

        /// The policies of the nodes under anyPolicy that have descendants at the last depth (RFC 5280 section 6.1.5 (g)).
        fn found(&self) -> BTreeSet<ObjectIdentifier> {
            let mut found = BTreeSet::new();
            for (at, leaf) in self.0.last().unwrap().iter().enumerate() {
                let (mut depth, mut at) = (self.0.len() - 1, at);
                while depth > 0 {
                    let node = &self.0[depth][at];
                    if self.0[depth - 1][node.parent].policy == ANY && (node.policy != ANY || leaf.policy == ANY) {
                        found.insert(node.policy);
                    }
                    (depth, at) = (depth - 1, node.parent);
                }
            }
            found
        }
    }

    #[test]
    fn the_graph_finds_what_the_tree_finds() {
        // Numbers from a xorshift generator (Marsaglia 2003): the same in every run.
        let mut state = 0x2545_f491_u32;
        let mut random = |below: u32| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state % below
        };
        let mut sizes = BTreeSet::new();
        for _ in 0..20_000 {
            let mut graph = Graph::new();
            let mut tree = Tree(vec![vec![Node { policy: ANY, expected: BTreeSet::from([ANY]), parent: 0 }]]);
            for _ in 0..=random(4) {
                let mut policies: BTreeSet<_> = (0..4).filter(|_| random(2) == 0).map(oid).collect();
                if random(2) == 0 {
                    policies.insert(ANY);
                }
                let any_counts = random(4) > 0;
                graph.descend(&policies, any_counts);
                tree.descend(&policies, any_counts);
                let found = graph.found();
                assert_eq!(found, tree.found());
                assert_eq!(found.is_empty(), graph.is_empty());
                sizes.insert(found.len());
                let mut mappings = Mappings::new();
                for _ in 0..random(4) {
                    mappings.entry(oid(random(4))).or_default().insert(oid(random(4)));
                }
                let is_allowed = random(4) > 0;
                graph.map(&mappings, is_allowed);
                tree.map(&mappings, is_allowed);
            }
        }
        assert_eq!(sizes, (0..=5).collect(), "none to all are found");
    }
}
