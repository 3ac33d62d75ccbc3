//! Certificate policies: under which rules the leaf was issued, as every certificate of its path agrees (RFC 5280 section
//! 6.1, with the graph of RFC 9618 in place of its tree, which grows exponentially with the path).
//!
//! The trust anchor counts as the first certificate of the path, so that what it constrains itself to binds: its policies,
//! mappings and counts mean what they mean in any CA. RFC 5937 section 3.2 makes flags of the counts and leaves the
//! mappings out; as in any CA they can be heeded exactly. Two things differ. An anchor without certificatePolicies is for
//! any policy, and nothing inhibits the anyPolicy of an anchor: there is nobody above it.

use std::collections::BTreeSet;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::{Tag, Tagged};
use x509_cert::ext::pkix::certpolicy::{PolicyInformation, PolicyQualifierInfo};
use x509_cert::ext::pkix::{CertificatePolicies, InhibitAnyPolicy, PolicyConstraints, PolicyMapping, PolicyMappings};

use super::refusal::name;
use super::search::Budget;
use super::{Certificate, Refusal};

mod graph;

use graph::{ANY, Graph, Mappings};

/// What is asked of certificate policies: the inputs (c), (e), (f) and (g) of RFC 5280 section 6.1.1.
///
/// To name acceptable policies is to require one. RFC 5280 asks for a flag besides, without which they decide nothing.
#[derive(Clone, Debug, Default)]
pub struct PolicyRules {
    /// The policies of which one must hold for the whole path, in the anchor's terms. Where there is none, any is
    /// acceptable and none is required.
    pub acceptable: Vec<ObjectIdentifier>,
    /// Whether some policy must hold for the whole path, even where none is named.
    pub require_explicit: bool,
    /// Whether policies may not be mapped.
    pub inhibit_mapping: bool,
    /// Whether anyPolicy counts for nothing in what the anchor issued.
    pub inhibit_any: bool,
}

impl PolicyRules {
    /// Whether a policy must hold for the whole path.
    pub fn is_required(&self) -> bool {
        self.require_explicit || !self.acceptable.is_empty()
    }
}

/// Processes the policies of a path, leaf first and anchor last.
///
/// Returns the user-constrained set (section 6.1.6), sorted: the acceptable policies that hold for the whole path, by the
/// names that the anchor knows them by, before any mapping. It is empty only where none is required. anyPolicy is in it
/// where every certificate says so and any policy is acceptable.
pub(super) fn process(
    path: &[&Certificate],
    rules: &PolicyRules,
    budget: &mut Budget,
) -> Result<Vec<ObjectIdentifier>, Refusal> {
    let mut statements = Vec::with_capacity(path.len());
    for certificate in path {
        // Paid for before it is read: once all is spent, further paths cost nothing.
        let extensions = [rfc5280::ID_CE_CERTIFICATE_POLICIES, rfc5280::ID_CE_POLICY_MAPPINGS];
        let extensions = extensions.iter().filter_map(|oid| certificate.extension(*oid));
        budget.statement(extensions.map(|extension| extension.value.len()).sum())?;
        statements.push(Statement::of(certificate)?);
    }
    judge(&statements, rules, budget, |place, why| Refusal::Policy { certificate: name(path[place]), why })
}

/// What one certificate says of policies.
#[derive(Clone, Debug, Default)]
pub(super) struct Statement {
    /// certificatePolicies; none where it is absent.
    policies: Option<BTreeSet<ObjectIdentifier>>,
    /// policyMappings: what each policy of the issuer is called below.
    mappings: Mappings,
    /// How many certificates further down a policy is required.
    require_explicit: Option<u32>,
    /// How many certificates further down policies may not be mapped.
    inhibit_mapping: Option<u32>,
    /// How many certificates further down anyPolicy counts for nothing.
    inhibit_any: Option<u32>,
    is_self_issued: bool,
}

impl Statement {
    /// Reads the four extensions strictly.
    pub fn of(certificate: &Certificate) -> Result<Self, Refusal> {
        let refuse = |why: &str| Err(Refusal::malformed(certificate, why));
        let unreadable = Refusal::unreadable(certificate);
        // Sections 4.2.1.11 and 4.2.1.14 MUST.
        for (oid, why) in [
            (rfc5280::ID_CE_POLICY_CONSTRAINTS, "its policyConstraints are not critical"),
            (rfc5280::ID_CE_INHIBIT_ANY_POLICY, "its inhibitAnyPolicy is not critical"),
        ] {
            if certificate.extension(oid).is_some_and(|extension| !extension.critical) {
                return refuse(why);
            }
        }
        let mut statement = Self { is_self_issued: certificate.is_self_issued(), ..Self::default() };
        statement.policies = policies(certificate)?;
        let mappings = certificate
            .read::<PolicyMappings>(rfc5280::ID_CE_POLICY_MAPPINGS, "policyMappings")
            .map_err(&unreadable)?;
        if let Some(PolicyMappings(mappings)) = mappings {
            if mappings.is_empty() {
                return refuse("its policyMappings are empty");
            }
            for PolicyMapping { issuer_domain_policy: from, subject_domain_policy: to } in mappings {
                // Section 6.1.4 (a).
                if from == ANY || to == ANY {
                    return refuse("its policyMappings map anyPolicy");
                }
                statement.mappings.entry(from).or_default().insert(to);
            }
        }
        let constraints = certificate
            .read::<PolicyConstraints>(rfc5280::ID_CE_POLICY_CONSTRAINTS, "policyConstraints")
            .map_err(&unreadable)?;
        match constraints {
            Some(PolicyConstraints { require_explicit_policy: None, inhibit_policy_mapping: None }) => {
                return refuse("its policyConstraints are empty");
            }
            Some(PolicyConstraints { require_explicit_policy, inhibit_policy_mapping }) => {
                statement.require_explicit = require_explicit_policy;
                statement.inhibit_mapping = inhibit_policy_mapping;
            }
            None => {}
        }
        let inhibit_any = certificate
            .read::<InhibitAnyPolicy>(rfc5280::ID_CE_INHIBIT_ANY_POLICY, "inhibitAnyPolicy")
            .map_err(&unreadable)?;
        statement.inhibit_any = inhibit_any.map(|skip| skip.0);
        Ok(statement)
    }

    fn len(&self) -> usize {
        self.policies.as_ref().map_or(0, BTreeSet::len) + self.mappings.values().map(BTreeSet::len).sum::<usize>()
    }
}

/// certificatePolicies, if there: no policy twice, and no qualifier that has to be understood and is not (section
/// 4.2.1.4 MUST). What qualifiers tell people decides nothing.
///
/// ```text
/// PolicyInformation ::= SEQUENCE {
///     policyIdentifier   CertPolicyId,
///     policyQualifiers   SEQUENCE SIZE (1..MAX) OF PolicyQualifierInfo OPTIONAL }
/// PolicyQualifierInfo ::= SEQUENCE {
///     policyQualifierId  PolicyQualifierId,
///     qualifier          ANY DEFINED BY policyQualifierId }
/// ```
fn policies(certificate: &Certificate) -> Result<Option<BTreeSet<ObjectIdentifier>>, Refusal> {
    const WHAT: &str = "certificatePolicies";
    const OID: ObjectIdentifier = rfc5280::ID_CE_CERTIFICATE_POLICIES;
    let refuse = |why: &str| Err(Refusal::malformed(certificate, why));
    let read = certificate.read::<CertificatePolicies>(OID, WHAT).map_err(Refusal::unreadable(certificate))?;
    let Some(CertificatePolicies(read)) = read else { return Ok(None) };
    if read.is_empty() {
        return refuse("its certificatePolicies are empty");
    }
    let is_critical = certificate.extension(OID).is_some_and(|extension| extension.critical);
    let mut policies = BTreeSet::new();
    for PolicyInformation { policy_identifier: policy, policy_qualifiers: qualifiers } in read {
        if qualifiers.as_ref().is_some_and(Vec::is_empty) {
            return refuse("its certificatePolicies have an empty list of qualifiers");
        }
        for PolicyQualifierInfo { policy_qualifier_id: id, qualifier } in qualifiers.into_iter().flatten() {
            let tag = match id {
                rfc5280::ID_QT_CPS => Some(Tag::Ia5String),
                rfc5280::ID_QT_UNOTICE => Some(Tag::Sequence),
                _ if policy == ANY => return refuse("its anyPolicy has a qualifier that anyPolicy must not have"),
                _ if is_critical => {
                    let extension = format!("{WHAT} with the qualifier {id}");
                    return Err(Refusal::Extension { certificate: name(certificate), extension });
                }
                _ => None,
            };
            if qualifier.is_none_or(|qualifier| tag.is_some_and(|tag| qualifier.tag() != tag)) {
                return refuse("its certificatePolicies have a malformed qualifier");
            }
        }
        if !policies.insert(policy) {
            return refuse("its certificatePolicies have a policy twice");
        }
    }
    Ok(Some(policies))
}

/// Processes the statements of a path, leaf first and anchor last (sections 6.1.2 to 6.1.5). `refuse` is told whose does
/// not hold.
fn judge(
    statements: &[Statement],
    rules: &PolicyRules,
    budget: &mut Budget,
    refuse: impl Fn(usize, &'static str) -> Refusal,
) -> Result<Vec<ObjectIdentifier>, Refusal> {
    // Section 6.1.2 begins with n + 1, which a path of n certificates never counts down to zero: as good as no end.
    let initial = |is_zero: bool| if is_zero { 0 } else { u32::MAX };
    let mut explicit_policy = initial(rules.is_required());
    let mut policy_mapping = initial(rules.inhibit_mapping);
    let mut inhibit_any = initial(rules.inhibit_any);
    let mut graph = Graph::new();
    for (place, statement) in statements.iter().enumerate().rev() {
        let (is_anchor, is_leaf) = (place + 1 == statements.len(), place == 0);
        budget.policies(statement.len() + graph.width())?;
        // Section 6.1.3 (d) to (f).
        let any_counts = is_anchor || inhibit_any > 0 || (statement.is_self_issued && !is_leaf);
        match &statement.policies {
            Some(policies) => graph.descend(policies, any_counts),
            None if is_anchor => graph.descend(&BTreeSet::from([ANY]), any_counts),
            None => graph.descend(&BTreeSet::new(), any_counts),
        }
        if explicit_policy == 0 && graph.is_empty() {
            return Err(refuse(place, "a policy is required, and none holds from the trusted certificate down to it"));
        }
        if is_leaf {
            // Section 6.1.5 (a) and (b).
            explicit_policy = explicit_policy.saturating_sub(1);
            if statement.require_explicit == Some(0) {
                explicit_policy = 0;
            }
            break;
        }
        // Section 6.1.4 (b), (h), (i) and (j).
        graph.map(&statement.mappings, policy_mapping > 0);
        for (count, limit) in [
            (&mut explicit_policy, statement.require_explicit),
            (&mut policy_mapping, statement.inhibit_mapping),
            (&mut inhibit_any, statement.inhibit_any),
        ] {
            let left = count.saturating_sub(u32::from(!statement.is_self_issued));
            *count = limit.map_or(left, |limit| left.min(limit));
        }
    }
    // Section 6.1.5 (g).
    let found = graph.acceptable(&rules.acceptable);
    if explicit_policy == 0 && found.is_empty() {
        let why = match rules.acceptable.is_empty() {
            true => "a policy is required, and none holds from the trusted certificate down to it",
            false => "none of those that are acceptable holds from the trusted certificate down to it",
        };
        return Err(refuse(0, why));
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyType, SoftwareKey};
    use crate::x509::{Name, Names, OwnExtension, Profile, issue};

    fn oid(number: u32) -> ObjectIdentifier {
        ObjectIdentifier::new(&format!("1.2.3.{number}")).unwrap()
    }

    /// A certificate with policies of these numbers, and none where there is no list.
    fn says(policies: impl Into<Option<&'static [u32]>>) -> Statement {
        let policies = policies.into().map(|policies| policies.iter().copied().map(oid).collect());
        Statement { policies, ..Statement::default() }
    }

    /// A certificate with anyPolicy alone.
    fn says_any() -> Statement {
        Statement { policies: Some(BTreeSet::from([ANY])), ..Statement::default() }
    }

    impl Statement {
        fn maps(mut self, from: u32, to: u32) -> Self {
            self.mappings.entry(oid(from)).or_default().insert(oid(to));
            self
        }

        fn self_issued(self) -> Self {
            Self { is_self_issued: true, ..self }
        }
    }

    fn accepting(numbers: &[u32]) -> PolicyRules {
        PolicyRules { acceptable: numbers.iter().copied().map(oid).collect(), ..PolicyRules::default() }
    }

    fn explicit() -> PolicyRules {
        PolicyRules { require_explicit: true, ..PolicyRules::default() }
    }

    /// Judges a path, anchor first; where it does not hold, the place of the certificate, counted from the anchor.
    fn judged<const LENGTH: usize>(
        mut path: [Statement; LENGTH],
        rules: &PolicyRules,
    ) -> Result<Vec<ObjectIdentifier>, usize> {
        path.reverse();
        let place = std::cell::Cell::new(0);
        let refuse = |found, why| {
            place.set(LENGTH - 1 - found);
            Refusal::Policy { certificate: String::new(), why }
        };
        judge(&path, rules, &mut Budget::default(), refuse).map_err(|_| place.get())
    }

    /// What RFC 9618 section 3 warns of: each CA maps each policy to all of them, so that there are 50 to the power of 9
    /// ways from the leaf to the anchor.
    #[test]
    fn a_tree_that_grows_exponentially_is_a_small_graph() {
        let all: Vec<u32> = (0..50).collect();
        let mut ca = Statement { policies: Some(all.iter().copied().map(oid).collect()), ..Statement::default() };
        for from in &all {
            ca = all.iter().fold(ca, |ca, to| ca.maps(*from, *to));
        }
        let found = judged([(); 10].map(|()| ca.clone()), &explicit());
        assert_eq!(found, Ok(all.iter().copied().map(oid).collect()));
    }

    #[test]
    fn policies_are_counted_over_every_path_of_a_search() {
        let leaf = Statement { policies: Some((0..60_000).map(oid).collect()), ..Statement::default() };
        let path = [leaf, says(&[1][..])];
        let mut budget = Budget::default();
        let mut judge = |path: &[Statement]| {
            let refuse = |_, why| Refusal::Policy { certificate: String::new(), why };
            judge(path, &PolicyRules::default(), &mut budget, refuse)
        };
        assert_eq!(judge(&path), Ok(vec![oid(1)]));
        assert!(matches!(judge(&path), Err(Refusal::TooComplex { what: "policies", .. })));
        assert!(matches!(judge(&path[1..]), Err(Refusal::TooComplex { .. })), "nothing is left for a small one");
    }

    #[test]
    fn a_policy_holds_where_every_certificate_has_it() {
        let path = || [says(None), says(&[1, 2][..]), says(&[2, 3][..])];
        assert_eq!(judged(path(), &PolicyRules::default()), Ok(vec![oid(2)]));
        assert_eq!(judged(path(), &accepting(&[2, 4])), Ok(vec![oid(2)]));
        assert_eq!(judged(path(), &accepting(&[1, 3])), Err(2), "to name a policy is to require it");
        let gap = || [says(None), says(&[1][..]), says(None), says(&[1][..])];
        assert_eq!(judged(gap(), &PolicyRules::default()), Ok(vec![]));
        assert_eq!(judged(gap(), &explicit()), Err(2));
        assert_eq!(judged(gap(), &accepting(&[1])), Err(2));
    }

    #[test]
    fn any_policy_stands_for_every_other_until_it_is_inhibited() {
        let path = || [says(None), says_any(), says_any(), says(&[1][..])];
        assert_eq!(judged(path(), &explicit()), Ok(vec![oid(1)]));
        let all = || [says(None), says_any(), says_any()];
        assert_eq!(judged(all(), &explicit()), Ok(vec![ANY]));
        assert_eq!(judged(all(), &accepting(&[7])), Ok(vec![oid(7)]));
        let rules = PolicyRules { acceptable: vec![ANY], ..PolicyRules::default() };
        assert_eq!(judged(all(), &rules), Ok(vec![ANY]));
        let rules = PolicyRules { inhibit_any: true, ..explicit() };
        assert_eq!(judged(path(), &rules), Err(1));
        assert_eq!(judged([says_any(), says(&[1][..]), says(&[1][..])], &rules), Ok(vec![oid(1)]));
        let inhibiting = |skip| Statement { inhibit_any: Some(skip), ..says_any() };
        assert_eq!(judged([says(None), inhibiting(0), says_any(), says(&[1][..])], &explicit()), Err(2));
        assert_eq!(judged([says(None), inhibiting(1), says_any(), says(&[1][..])], &explicit()), Ok(vec![oid(1)]));
        assert_eq!(judged([says(None), inhibiting(1), says_any(), says_any()], &explicit()), Err(3));
        // A CA that names itself as issuer is not counted, and its anyPolicy counts; a leaf's does not.
        let own = || says_any().self_issued();
        assert_eq!(judged([says(None), inhibiting(0), own(), says(&[1][..])], &explicit()), Ok(vec![oid(1)]));
        assert_eq!(judged([says(None), inhibiting(0), own()], &explicit()), Err(2));
    }

    #[test]
    fn what_an_anchor_constrains_itself_to_binds() {
        let below = || says(&[1, 2][..]);
        assert_eq!(judged([says(&[2][..]), below(), below()], &explicit()), Ok(vec![oid(2)]));
        assert_eq!(judged([says(&[3][..]), below(), below()], &explicit()), Err(1));
        assert_eq!(judged([says(&[3][..]), below(), below()], &PolicyRules::default()), Ok(vec![]));
        assert_eq!(judged([says(&[2][..]), below(), below()], &accepting(&[1])), Err(2));
        let requiring = |skip| Statement { require_explicit: Some(skip), ..says(None) };
        assert_eq!(judged([requiring(0), says(None), says(None)], &PolicyRules::default()), Err(1));
        assert_eq!(judged([requiring(1), says(None), says(None)], &PolicyRules::default()), Err(2));
        assert_eq!(judged([requiring(3), says(None), says(None)], &PolicyRules::default()), Ok(vec![]));
        let inhibiting = Statement { inhibit_any: Some(0), ..says(None) };
        assert_eq!(judged([inhibiting, says_any(), says(&[1][..])], &explicit()), Err(1));
        let mapping = || says(&[1][..]).maps(1, 2);
        assert_eq!(judged([mapping(), says(&[2][..])], &explicit()), Ok(vec![oid(1)]));
        let rigid = Statement { inhibit_mapping: Some(0), ..says(None) };
        assert_eq!(judged([rigid, mapping(), says(&[2][..])], &explicit()), Err(2));
    }

    #[test]
    fn mappings_rename_what_holds_below() {
        let mapping = || says(&[1][..]).maps(1, 2).maps(1, 3);
        assert_eq!(judged([says(None), mapping(), says(&[3][..])], &accepting(&[1])), Ok(vec![oid(1)]));
        assert_eq!(judged([says(None), mapping(), says(&[3][..])], &accepting(&[3])), Err(2));
        assert_eq!(judged([says(None), mapping(), says(&[1][..])], &explicit()), Err(2), "it has another name now");
        let rules = PolicyRules { inhibit_mapping: true, ..explicit() };
        assert_eq!(judged([says(None), mapping(), says(&[2][..])], &rules), Err(2));
        assert_eq!(judged([says(None), mapping(), says(&[1][..])], &rules), Err(2), "a mapped policy is lost");
        // A policy that only anyPolicy stands for is mapped as well.
        let general = || says_any().maps(1, 2);
        assert_eq!(judged([says(None), general(), says(&[2][..])], &explicit()), Ok(vec![oid(1)]));
        assert_eq!(judged([says(None), general(), says(&[4][..])], &explicit()), Ok(vec![oid(4)]));
    }

    #[test]
    fn a_leaf_may_require_a_policy_of_itself() {
        let leaf = |skip| Statement { require_explicit: Some(skip), ..says(None) };
        assert_eq!(judged([says(None), leaf(0)], &PolicyRules::default()), Err(1));
        assert_eq!(judged([says(None), leaf(1)], &PolicyRules::default()), Ok(vec![]));
    }

    /// A SEQUENCE of fewer than 128 octets.
    fn sequence(members: &[&[u8]]) -> Vec<u8> {
        let content = members.concat();
        [&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
    }

    /// The code of the refusal of a certificate with one extension.
    fn read(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> Option<&'static str> {
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let mut profile = Profile::named("firmware-root").unwrap();
        profile.extensions = vec![OwnExtension { oid, critical, value: value.to_vec() }];
        let subject = Name::new(&[(Name::COMMON_NAME, "Test")]).unwrap();
        let names = Names { subject, alt_names: Vec::new() };
        let time = |year| time::Date::from_ordinal_date(year, 1).unwrap().midnight().assume_utc();
        let certificate = issue::root(&profile, &names, &key, (time(2026), time(2036))).unwrap();
        assert!(certificate.extension(oid).is_some());
        Statement::of(&certificate).err().map(|refusal| refusal.code())
    }

    #[test]
    fn extensions_are_read_strictly() {
        let (one, any) = ([0x06, 0x02, 0x2a, 0x03], [0x06, 0x04, 0x55, 0x1d, 0x20, 0x00]);
        let (none, malformed) = (sequence(&[]), Some("certificate-malformed"));

        let policies = |critical, value: &[u8]| read(rfc5280::ID_CE_CERTIFICATE_POLICIES, critical, value);
        let alone = sequence(&[&one]);
        assert_eq!(policies(true, &sequence(&[&alone, &sequence(&[&any])])), None);
        assert_eq!(policies(false, &none), malformed);
        assert_eq!(policies(false, &sequence(&[&alone, &alone])), malformed);
        assert_eq!(policies(false, &[&sequence(&[&alone]), &none[..]].concat()), malformed);
        assert_eq!(policies(false, &sequence(&[&sequence(&[&one, &none])])), malformed);
        let qualified = |policy: &[u8], id: &[u8], qualifier: &[u8]| {
            sequence(&[&sequence(&[policy, &sequence(&[&sequence(&[id, qualifier])])])])
        };
        let cps = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x01];
        let notice = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x02];
        let text = [0x16, 0x01, b'a'];
        assert_eq!(policies(true, &qualified(&any, &cps, &text)), None);
        assert_eq!(policies(true, &qualified(&any, &notice, &none)), None);
        assert_eq!(policies(false, &qualified(&one, &notice, &text)), malformed);
        assert_eq!(policies(false, &qualified(&one, &cps, &[])), malformed);
        assert_eq!(policies(false, &qualified(&one, &one, &text)), None);
        assert_eq!(policies(true, &qualified(&one, &one, &text)), Some("critical-extension"));
        assert_eq!(policies(false, &qualified(&any, &one, &text)), malformed);

        let mappings = |value: &[u8]| read(rfc5280::ID_CE_POLICY_MAPPINGS, true, value);
        assert_eq!(mappings(&sequence(&[&sequence(&[&one, &one])])), None);
        assert_eq!(mappings(&none), malformed);
        assert_eq!(mappings(&sequence(&[&sequence(&[&one])])), malformed);
        assert_eq!(mappings(&sequence(&[&sequence(&[&any, &one])])), malformed);
        assert_eq!(mappings(&sequence(&[&sequence(&[&one, &any])])), malformed);

        let constraints = |critical, value: &[u8]| read(rfc5280::ID_CE_POLICY_CONSTRAINTS, critical, value);
        let (explicit, mapping) = ([0x80, 0x01, 0x00], [0x81, 0x01, 0x05]);
        assert_eq!(constraints(true, &sequence(&[&explicit, &mapping])), None);
        assert_eq!(constraints(false, &sequence(&[&explicit, &mapping])), malformed);
        assert_eq!(constraints(true, &sequence(&[&mapping, &explicit])), malformed);
        assert_eq!(constraints(true, &sequence(&[&[0x80, 0x01, 0xff]])), malformed, "negative");
        assert_eq!(constraints(true, &none), malformed);

        let inhibit = |critical, value: &[u8]| read(rfc5280::ID_CE_INHIBIT_ANY_POLICY, critical, value);
        assert_eq!(inhibit(true, &[0x02, 0x01, 0x00]), None);
        assert_eq!(inhibit(false, &[0x02, 0x01, 0x00]), malformed);
        assert_eq!(inhibit(true, &[0x02, 0x01, 0xff]), malformed, "negative");
        assert_eq!(inhibit(true, &[0x02, 0x02, 0x00, 0x01]), malformed, "not the shortest form");
    }
}
