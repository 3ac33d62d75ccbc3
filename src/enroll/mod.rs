//! Enrolment: what a device asks of a CA, what the CA decides, and what is accepted in return.
//!
//! An [`Authority`] decides and issues; an [`Enroller`] gets a certificate from one, near or far. Each protocol will
//! stand here as one file with both ends. Whatever comes back passes [`accept`] before anybody stores it.

use std::fmt;

use time::Duration;

use crate::x509::verify::{self, Anchors, Purpose};
use crate::x509::{self, Chain, Profile, ProvenRequest, Time, Variables};

/// What is asked of a CA: a certificate of a profile, for a key that the requester has proved to hold.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The request; the names in it are wishes, which the CA checks against the profile.
    pub request: &'a ProvenRequest,
    /// The profile, always said and never inferred from the request.
    pub profile: &'a Profile,
    /// The values of the profile's variables, where the names in the request do not give them.
    pub variables: &'a Variables,
    /// How long the certificate shall be valid, where it is not the profile's own time.
    pub validity: Option<Duration>,
}

/// What a CA decided.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The certificate, with the chain up to and including the root. The same ask gets the same certificate.
    Issued(Chain),
    /// The CA does not issue this.
    Refused(Refusal),
}

/// Why a CA does not issue what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This issuer does not issue that profile.
    ProfileNotServed { profile: String, issuer: String },
    /// The names are not what the profile allows.
    Names { why: String },
    /// A live certificate of this identity and profile is for another key.
    IdentityTaken { identity: String, serial: String },
    /// The key has a certificate for another identity.
    KeyTaken { identity: String, serial: String },
    /// The certificate would outlive its issuer.
    OutlivesIssuer { until: String, issuer_until: String },
}

impl Refusal {
    /// The stable code of the reason, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ProfileNotServed { .. } => "profile-not-served",
            Self::Names { .. } => "names",
            Self::IdentityTaken { .. } => "identity-taken",
            Self::KeyTaken { .. } => "key-taken",
            Self::OutlivesIssuer { .. } => "outlives-issuer",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProfileNotServed { profile, issuer } => {
                write!(f, "the issuer {issuer} does not issue profile {profile}")
            }
            Self::Names { why } => f.write_str(why),
            Self::IdentityTaken { identity, serial } => {
                write!(f, "{identity} has a certificate for another key (serial {serial})")
            }
            Self::KeyTaken { identity, serial } => {
                write!(f, "the key already serves another identity, {identity} (serial {serial})")
            }
            Self::OutlivesIssuer { until, issuer_until } => {
                write!(f, "the certificate would be valid until {until}, its issuer only until {issuer_until}")
            }
        }
    }
}

/// Decides about asks and issues certificates.
///
/// Law: submitting the same ask twice (identity, key, profile) gives the same certificate; what [`Decision::Issued`]
/// carries is durable before it is returned.
pub trait Authority: Send + Sync {
    /// The issuer's own certificates, issuing CA first, root last.
    fn chain(&self) -> &Chain;

    /// Decides about a slice of asks, in order: one durable plan and one durable result for all of them.
    ///
    /// An error means that the slice could not be decided; it may be submitted again as it is.
    fn submit(&self, asks: &[Ask<'_>], now: Time) -> Result<Vec<Decision>, AuthorityError>;
}

/// Why an authority could not decide: its own failure, kept as the source.
#[derive(Debug)]
pub struct AuthorityError(pub Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for AuthorityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// Gets a certificate from a CA, near or far, and accepts it only after [`accept`].
pub trait Enroller: Send + Sync {
    /// Asks for a certificate and returns the accepted chain, leaf first, root last.
    fn enroll(&self, ask: &Ask<'_>, now: Time) -> Result<Chain, Error>;
}

/// Why no certificate was had.
#[derive(Debug)]
pub enum Error {
    /// The CA said no.
    Refused(Refusal),
    /// The CA could not decide.
    Authority(AuthorityError),
    /// What the CA returned is not what was asked for.
    Unacceptable(Unacceptable),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "the CA refused: {refusal}"),
            Self::Authority(error) => error.fmt(f),
            Self::Unacceptable(why) => write!(f, "the certificate that came back is not accepted: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Authority(error) => error.source(),
            Self::Refused(_) | Self::Unacceptable(_) => None,
        }
    }
}

/// Why a certificate that came back is not accepted.
#[derive(Debug)]
pub enum Unacceptable {
    /// It is for another key than ours.
    OtherKey,
    /// It is not what the profile makes.
    Profile(x509::Error),
    /// It does not lead to a trusted certificate.
    Chain(verify::Refusal),
}

impl fmt::Display for Unacceptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKey => f.write_str("it is for another key"),
            Self::Profile(error) => error.fmt(f),
            Self::Chain(refusal) => refusal.fmt(f),
        }
    }
}

/// Checks what a CA returned: our public key, the profile, and a chain to a trusted certificate at `now`.
pub fn accept(chain: Chain, ask: &Ask<'_>, anchors: &Anchors, now: Time) -> Result<Chain, Unacceptable> {
    let leaf = chain.leaf();
    if leaf.spki() != ask.request.public_key().spki() {
        return Err(Unacceptable::OtherKey);
    }
    ask.profile.check(leaf).map_err(Unacceptable::Profile)?;
    verify::path(leaf, &chain.certificates()[1..], anchors, Purpose::ChainAlone, now).map_err(Unacceptable::Chain)
}

/// Enrolls by submitting to an authority in this process.
pub struct Direct<A> {
    authority: A,
    anchors: Anchors,
}

impl<A: Authority> Direct<A> {
    /// Takes an authority and the certificates that are trusted to stand at the end of its chains.
    pub fn new(authority: A, anchors: Anchors) -> Self {
        Self { authority, anchors }
    }
}

impl<A: Authority> Enroller for Direct<A> {
    fn enroll(&self, ask: &Ask<'_>, now: Time) -> Result<Chain, Error> {
        let decisions = self.authority.submit(std::slice::from_ref(ask), now).map_err(Error::Authority)?;
        match decisions.into_iter().next() {
            Some(Decision::Issued(chain)) => accept(chain, ask, &self.anchors, now).map_err(Error::Unacceptable),
            Some(Decision::Refused(refusal)) => Err(Error::Refused(refusal)),
            None => Err(Error::Authority(AuthorityError("the CA gave no answer".into()))),
        }
    }
}
