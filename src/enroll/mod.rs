//! Enrolment: what a device asks of a CA, what the CA decides, and what is accepted in return.
//!
//! An [`Authority`] decides and issues; an [`Enroller`] gets a certificate from one, near or far. Each protocol will
//! stand here as one file with both ends. Whatever comes back passes [`accept`] before anybody stores it.

use std::fmt;

use time::Duration;

use crate::x509::verify::{self, Anchors, Purpose, Rules};
use crate::x509::{self, Certificate, Chain, Name, Names, Profile, ProvenRequest, Reason, Time, Variables};

/// What is asked of a CA: a certificate of a profile, for a key that the requester has proved to hold.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The request; the names in it are wishes, which the CA checks against the profile.
    pub request: &'a ProvenRequest,
    /// The profile, always said and never inferred from the request.
    pub profile: &'a Profile,
    /// Values for the profile's variables, beside those that the names in the request bind.
    pub variables: &'a Variables,
    /// Whether it is the first certificate or takes the place of another.
    pub occasion: Occasion<'a>,
    /// How long the certificate shall be valid, where it is not the profile's own time.
    pub validity: Option<Duration>,
    /// Whether it may be valid for longer than its issuer.
    pub may_outlive: bool,
}

impl Ask<'_> {
    /// The names that the certificate is to have: those of the request as the profile allows and completes them, or
    /// those of the certificate that is renewed.
    pub fn names(&self, issuer: Option<&Name>) -> Result<Names, x509::Error> {
        if let Occasion::Renew { certificate, .. } = self.occasion {
            return Ok(Names { subject: certificate.subject().clone(), alt_names: certificate.alt_names()? });
        }
        let wanted = self.request.request();
        self.profile.names(wanted.subject(), &wanted.alt_names()?, self.variables, issuer)
    }
}

/// What a certificate is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub enum Occasion<'a> {
    /// An identity that has none, or none any more.
    #[default]
    New,
    /// A new key for an identity that has one: the certificate that it has is revoked.
    Supersede(Reason),
    /// The same names for longer: the certificate that is renewed stays valid until its end.
    Renew {
        /// The certificate, as it was issued. The names come from it, not from the request.
        certificate: &'a Certificate,
        /// Whether the key stays; else it must be a new one.
        keep_key: bool,
    },
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
    /// The profile is not one that can be asked for, or the issuer's path length leaves no room for it.
    NoCaBelow { profile: String, issuer: String },
    /// The names are not what the profile allows.
    Names { why: String },
    /// The profile certifies no keys of this type.
    KeyType { why: String },
    /// The key is weak, or its private half is public.
    WeakKey { why: String },
    /// A live certificate of this identity and profile is for another key.
    IdentityTaken { identity: String, serial: String },
    /// The key has a certificate for another identity.
    KeyTaken { identity: String, serial: String },
    /// A certificate for the key was revoked because the key is compromised.
    KeyCompromised { serial: String },
    /// The identity's certificate is on hold.
    OnHold { identity: String, serial: String },
    /// A certificate is superseded for good, not put on hold or released.
    NotFinal { reason: Reason },
    /// The certificate would outlive its issuer.
    OutlivesIssuer { until: String, issuer_until: String },
    /// What is to be renewed is none of this issuer's certificates of this profile.
    NotOurs,
    /// What is to be renewed has ended, was revoked, or was renewed already by another one.
    NotRenewable { serial: String, why: &'static str },
    /// A renewal brings the key of the old certificate, and keeping it was not asked for, or the reverse.
    KeyUnchanged { is_same: bool },
    /// The certificate was revoked before it was signed.
    RevokedMeanwhile { serial: String },
}

impl Refusal {
    /// The stable code of the reason, for scripts and the audit record.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ProfileNotServed { .. } => "profile-not-served",
            Self::NoCaBelow { .. } => "no-ca-below",
            Self::Names { .. } => "names",
            Self::KeyType { .. } => "key-type",
            Self::WeakKey { .. } => "weak-key",
            Self::IdentityTaken { .. } => "identity-taken",
            Self::KeyTaken { .. } => "key-taken",
            Self::KeyCompromised { .. } => "key-compromised",
            Self::OnHold { .. } => "on-hold",
            Self::NotFinal { .. } => "reason",
            Self::OutlivesIssuer { .. } => "outlives-issuer",
            Self::NotOurs => "not-ours",
            Self::NotRenewable { .. } => "not-renewable",
            Self::KeyUnchanged { is_same: true } => "same-key",
            Self::KeyUnchanged { is_same: false } => "other-key",
            Self::RevokedMeanwhile { .. } => "revoked",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProfileNotServed { profile, issuer } => {
                write!(f, "the issuer {issuer} does not issue profile {profile}")
            }
            Self::NoCaBelow { profile, issuer } => {
                write!(f, "the issuer {issuer} may have no CA below it, and profile {profile} makes one")
            }
            Self::Names { why } | Self::KeyType { why } => f.write_str(why),
            Self::WeakKey { why } => write!(f, "the key is not accepted: {why}"),
            Self::IdentityTaken { identity, serial } => {
                write!(f, "{identity} has a certificate for another key (serial {serial})")
            }
            Self::KeyTaken { identity, serial } => {
                write!(f, "the key already serves another identity, {identity} (serial {serial})")
            }
            Self::KeyCompromised { serial } => {
                write!(f, "the key was revoked as compromised (serial {serial})")
            }
            Self::OnHold { identity, serial } => {
                write!(f, "the certificate of {identity} is on hold (serial {serial})")
            }
            Self::NotFinal { reason } => write!(f, "{reason} is no reason to supersede a certificate"),
            Self::OutlivesIssuer { until, issuer_until } => {
                write!(f, "the certificate would be valid until {until}, its issuer only until {issuer_until}")
            }
            Self::NotOurs => f.write_str("the certificate to be renewed was not issued here with this profile"),
            Self::NotRenewable { serial, why } => write!(f, "the certificate with serial {serial} {why}"),
            Self::KeyUnchanged { is_same: true } => f.write_str("the key is that of the certificate to be renewed"),
            Self::KeyUnchanged { is_same: false } => {
                f.write_str("the key is not that of the certificate to be renewed")
            }
            Self::RevokedMeanwhile { serial } => {
                write!(f, "the certificate with serial {serial} was revoked before it was signed")
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
    /// It has other names than were asked for.
    OtherNames { subject: String },
    /// It is not what the profile makes.
    Profile(x509::Error),
    /// It does not lead to a trusted certificate.
    Chain(verify::Refusal),
}

impl fmt::Display for Unacceptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKey => f.write_str("it is for another key"),
            Self::OtherNames { subject } => write!(f, "it has other names than were asked for: {subject}"),
            Self::Profile(error) => error.fmt(f),
            Self::Chain(refusal) => refusal.fmt(f),
        }
    }
}

/// How far the clock of a CA may stand ahead of ours: also two processes on one machine read it a moment apart.
const SKEW: Duration = Duration::minutes(1);

/// Checks what a CA returned: our public key, the profile, the names, and a chain to a trusted certificate at `now`.
pub fn accept(chain: Chain, ask: &Ask<'_>, anchors: &Anchors, now: Time) -> Result<Chain, Unacceptable> {
    let leaf = chain.leaf();
    let is_just_issued = leaf.not_before() > now && leaf.not_before() <= now.saturating_add(SKEW);
    let now = if is_just_issued { leaf.not_before() } else { now };
    if leaf.spki() != ask.request.public_key().spki() {
        return Err(Unacceptable::OtherKey);
    }
    ask.profile.check(leaf).map_err(Unacceptable::Profile)?;
    let names = ask.names(Some(leaf.issuer())).map_err(Unacceptable::Profile)?;
    if *leaf.subject() != names.subject || leaf.alt_names().map_err(Unacceptable::Profile)? != names.alt_names {
        return Err(Unacceptable::OtherNames { subject: leaf.subject().to_string() });
    }
    let rules = Rules::new(Purpose::Any, now);
    let path = verify::path(leaf, &chain.certificates()[1..], anchors, &rules).map_err(Unacceptable::Chain)?;
    Ok(path.chain)
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
