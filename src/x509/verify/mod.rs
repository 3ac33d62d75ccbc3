//! Judging certificates: from a leaf to a trust anchor, by rules, at a time (RFC 5280 section 6).
//!
//! * [`path`] finds a chain and checks all of it; [`leaf_alone`] says what can be said without an issuer.
//! * [`Rules`] are what must hold; [`Refusal`] is why something does not.
//! * What holds for each certificate by itself is in `certificate`, for the use of the leaf in `purpose`, between
//!   certificates in `search`, `constraints` and `policies`; what tells of revocation in `revocation`, `lists` and
//!   `responses`.
//!
//! A trust anchor is held to the same rules as any CA: it has to be valid, and what it constrains itself to binds what
//! hangs below it (RFC 5937). Its own signature alone is not looked at.

use const_oid::ObjectIdentifier;
use x509_cert::ext::pkix::KeyUsages;

use super::{AltName, Certificate, Chain, Error, Reason, Time, rfc3339};
use crate::key::{Hash, KeyType, PublicKey, Scheme};

mod certificate;
mod constraints;
mod identity;
mod lists;
mod policies;
mod purpose;
mod refusal;
mod responses;
mod revocation;
mod scope;
mod search;
mod webpki;

pub use policies::PolicyRules;
pub use purpose::Purpose;
pub use refusal::Refusal;
pub use revocation::{Mode, Revocation, Standing};

/// Longest chain that is followed, anchor included. Public and device PKIs stay below six.
pub(super) const DEPTH_LIMIT: usize = 10;

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

/// What must hold of a chain.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What the leaf's key is to be used for.
    pub purpose: Purpose,
    /// The time at which every certificate must be valid.
    pub at: Time,
    /// Whom the leaf must be for; anybody where none is said.
    pub name: Option<AltName>,
    /// The least strength of keys and signatures.
    pub strength: Strength,
    /// Most CAs between leaf and anchor, those not counted that name themselves as issuer (RFC 5280 section 6.1.2 (k)).
    pub max_path_length: Option<u8>,
    /// The certificate policies that are acceptable.
    pub policies: PolicyRules,
    /// Whether certificates may be revoked, and what tells.
    pub revocation: Revocation,
}

impl Rules {
    /// The rules for a purpose at a time: any name, the least strength that is ever accepted, any policy, no revocation.
    pub fn new(purpose: Purpose, at: Time) -> Self {
        Self {
            purpose,
            at,
            name: None,
            strength: Strength::default(),
            max_path_length: None,
            policies: PolicyRules::default(),
            revocation: Revocation::default(),
        }
    }
}

/// The least strength of keys and signatures. The default is what is accepted anywhere: it can be raised, never lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strength {
    rsa_bits: u32,
    hash_bits: usize,
}

impl Default for Strength {
    /// RSA of 2048 bits and SHA-256: 112 and 128 bits of security (NIST SP 800-57 part 1, tables 2 and 3).
    fn default() -> Self {
        Self { rsa_bits: 2048, hash_bits: 256 }
    }
}

impl Strength {
    /// Asks for RSA moduli of at least so many bits.
    pub fn with_rsa(self, bits: u32) -> Self {
        Self { rsa_bits: self.rsa_bits.max(bits), ..self }
    }

    /// Asks for hashes at least as long as this one.
    pub fn with_hash(self, hash: Hash) -> Self {
        Self { hash_bits: self.hash_bits.max(8 * hash.output_len()), ..self }
    }

    fn of_key(self, key: &PublicKey) -> Result<(), String> {
        match key.key_type() {
            KeyType::Rsa(bits) if bits < self.rsa_bits => {
                Err(format!("RSA-{bits} is shorter than the {} bits that are asked for", self.rsa_bits))
            }
            _ => Ok(()),
        }
    }

    /// Whether a signature's scheme is strong enough; else why not. Ed25519 hashes with SHA-512 (RFC 8032 section 5.1).
    pub fn of_scheme(self, scheme: Scheme) -> Result<(), String> {
        match scheme.hash() {
            Some(hash) if 8 * hash.output_len() < self.hash_bits => {
                Err(format!("{scheme} hashes to fewer than the {} bits that are asked for", self.hash_bits))
            }
            _ => Ok(()),
        }
    }
}

/// A chain that holds, and what was found about it.
#[derive(Clone, Debug)]
pub struct Path {
    /// The certificates, leaf to anchor.
    pub chain: Chain,
    /// The acceptable policies that hold for the whole path: the user-constrained set (RFC 5280 section 6.1.6), sorted, in
    /// the terms of the anchor, before any mapping. Empty only where none is required. anyPolicy is among them where any
    /// is acceptable and every certificate has it, and stands for all others.
    pub policies: Vec<ObjectIdentifier>,
    /// What is known of the revocation of each certificate but the anchor, leaf first; none where that was not asked.
    pub standings: Vec<Standing>,
}

/// Finds a chain from `leaf` through `untrusted` certificates to one of `anchors`, and checks all of it.
///
/// Returns the first chain that holds, or the most telling refusal. The leaf is never its own anchor.
pub fn path(leaf: &Certificate, untrusted: &[Certificate], anchors: &Anchors, rules: &Rules) -> Result<Path, Refusal> {
    leaf_alone(leaf, rules)?;
    let mut budget = search::Budget::default();
    let offered = search::Offered { untrusted, anchors };
    let evidence = revocation::Evidence::new(leaf, offered, rules);
    let judge = |path: &[&Certificate], budget: &mut search::Budget| {
        let policies = policies::process(path, &rules.policies, budget)?;
        let standings = evidence.judge(path, budget)?;
        Ok((policies, standings))
    };
    let graph = search::Graph::new(leaf, offered);
    let (certificates, (policies, standings)) = search::build(&graph, leaf, rules, &mut budget, judge)?;
    let certificates = certificates.into_iter().cloned().collect();
    // Each certificate was found by the name of its issuer.
    let chain = Chain::new(certificates).map_err(|error| Refusal::malformed(leaf, error))?;
    Ok(Path { chain, policies, standings })
}

/// Whether the key of a certificate may make signatures over data, as far as its keyUsage tells (RFC 5280 section 4.2.1.3).
pub fn may_sign(certificate: &Certificate) -> Result<(), Refusal> {
    match certificate.key_may(KeyUsages::DigitalSignature).map_err(Refusal::unreadable(certificate))? {
        true => Ok(()),
        false => Err(Refusal::purpose(certificate, Purpose::Any, "keyUsage lacks digitalSignature")),
    }
}

/// Checks a leaf by itself: what can be said without its issuer. Used for a certificate that is trusted as it is.
///
/// Policies hold for a path: of them only the encoding is checked here, whatever the rules ask for.
pub fn leaf_alone(leaf: &Certificate, rules: &Rules) -> Result<(), Refusal> {
    certificate::check(leaf, false, rules)?;
    rules.purpose.of_leaf(leaf)?;
    rules.name.as_ref().map_or(Ok(()), |wanted| identity::check(leaf, wanted))
}
