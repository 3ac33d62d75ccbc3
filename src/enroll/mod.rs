//! Enrolment: what a device asks of a CA, what the CA decides, and what is accepted in return.
//!
//! An [`Authority`] decides and issues; an [`Enroller`] gets a certificate from one, near or far. Each protocol stands here
//! as one module with both ends. Whatever comes back passes [`accept`] before anybody stores it.
//!
//! Law of every protocol: its client, over a loopback to its responder, gets what [`Direct`] gets for the same ask.

use std::fmt;

use const_oid::ObjectIdentifier;
use time::Duration;
use zeroize::Zeroizing;

use crate::key::{Digest, KeyType, PublicKey};
use crate::net;
use crate::x509::verify::{self, Anchors, Purpose, Rules};
use crate::x509::{self, Certificate, Chain, Extension, Name, Names, Profile, ProvenRequest, Reason, Time, Variables};

pub mod est;
mod wishes;

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
    /// By what right it is asked.
    pub credential: Credential<'a>,
}

/// By what right something is asked of a CA. Each names the flow that it came by, and the CA holds it against the identity
/// and the profile that it is good for.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// The operator's own: who asks holds the CA's key.
    Operator,
    /// A token of the CA.
    Token(&'a Token<'a>),
    /// A certificate whose key the requester has proved to hold on this connection, and what it sent along, leaf first;
    /// nobody has judged it yet. With it the SHA-256 of the public key in the request as it came, as with a token.
    Certificate { flow: Flow, chain: &'a [Certificate], request: &'a Digest },
    /// None was shown.
    Missing { flow: Flow },
}

/// A token as it was shown.
#[derive(Clone)]
pub struct Token<'a> {
    /// The protocol that it came by.
    pub flow: Flow,
    /// What the CA gave out.
    pub secret: &'a str,
    /// The user name that came with it, where the protocol has one.
    pub user: Option<&'a str>,
    /// The SHA-256 of the public key in the request as it came: the same token with the same request is used once.
    pub request: Digest,
}

/// Not the secret.
impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.flow)
    }
}

/// The protocols by which a CA is asked over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Enrollment over Secure Transport (RFC 7030).
    Est,
}

impl Flow {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Est];

    /// The name on the command line and in the CA's records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Est => "est",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
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
    /// Somebody has to approve it first: the same ask, later, learns what became of it.
    Pending(Pending),
    /// The CA does not issue this.
    Refused(Refusal),
}

/// A request that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The number by which the CA's operator finds it, where the CA told.
    pub id: Option<u64>,
    /// When it is worth asking again.
    pub retry_after: std::time::Duration,
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
    /// Who asks has no right to.
    Unauthorized(Unauthorized),
    /// The operator looked at it, and said no.
    Disapproved { id: u64 },
}

/// Why a credential does not authorise what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// No credential was shown.
    Missing,
    /// No such token, or not with that user name.
    UnknownToken,
    /// The token's time is over.
    Expired { token: String },
    /// The token was taken back.
    TokenRevoked { token: String },
    /// The token has been used as often as it may, for other requests.
    UsedUp { token: String },
    /// The token is for another protocol.
    OtherFlow { token: String, flow: String },
    /// The token is for another profile.
    OtherProfile { token: String, profile: String },
    /// The credential is another device's.
    OtherIdentity { identity: String, asked: String },
    /// A name is asked for that the credential does not cover.
    OtherName { identity: String, name: String },
    /// The profile is not served over the network here.
    NotServed { profile: String },
    /// The certificate shown is not one that this CA takes for this.
    Certificate { why: String },
    /// The certificate shown is of nobody that this CA knows.
    UnknownCertificate { why: String },
    /// What only the CA's operator may say was asked for over the network.
    OperatorOnly { what: &'static str },
}

impl Unauthorized {
    /// Whether it is not known who asks; else that is known, and it is not for them.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Missing | Self::UnknownToken | Self::UnknownCertificate { .. })
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "no-credential",
            Self::UnknownToken => "unknown-token",
            Self::Expired { .. } => "token-expired",
            Self::TokenRevoked { .. } => "token-revoked",
            Self::UsedUp { .. } => "token-used",
            Self::OtherFlow { .. } => "token-flow",
            Self::OtherProfile { .. } => "token-profile",
            Self::OtherIdentity { .. } => "other-identity",
            Self::OtherName { .. } => "other-name",
            Self::NotServed { .. } => "not-served",
            Self::Certificate { .. } => "certificate",
            Self::UnknownCertificate { .. } => "unknown-certificate",
            Self::OperatorOnly { .. } => "operator-only",
        }
    }
}

impl fmt::Display for Unauthorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no token or client certificate was shown"),
            Self::UnknownToken => f.write_str("the token is not known"),
            Self::Expired { token } => write!(f, "the token {token} has expired"),
            Self::TokenRevoked { token } => write!(f, "the token {token} was revoked"),
            Self::UsedUp { token } => write!(f, "the token {token} is used up"),
            Self::OtherFlow { token, flow } => write!(f, "the token {token} is for {flow}"),
            Self::OtherProfile { token, profile } => write!(f, "the token {token} is for profile {profile}"),
            Self::OtherIdentity { identity, asked } => {
                write!(f, "the credential is that of {identity}, and the request is for {asked}")
            }
            Self::OtherName { identity, name } => {
                write!(f, "the credential of {identity} does not cover the name {name}")
            }
            Self::NotServed { profile } => write!(f, "profile {profile} is not served here"),
            Self::Certificate { why } | Self::UnknownCertificate { why } => {
                write!(f, "the client certificate is not accepted: {why}")
            }
            Self::OperatorOnly { what } => write!(f, "only the CA's operator says {what}"),
        }
    }
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
            Self::Unauthorized(why) => why.code(),
            Self::Disapproved { .. } => "disapproved",
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
            Self::Unauthorized(why) => why.fmt(f),
            Self::Disapproved { id } => write!(f, "the CA's operator did not approve request {id}"),
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
pub trait Enroller: Send {
    /// What the CA wants of a request, before one is made.
    fn wishes(&mut self) -> Result<Wishes, Error>;

    /// Asks for a certificate. An accepted chain has its leaf first and the root last.
    fn enroll(&mut self, ask: &Ask<'_>, now: Time) -> Result<Outcome, Error>;
}

/// What came of asking.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The accepted chain.
    Issued(Chain),
    /// Ask again later.
    Pending(Pending),
}

/// What a CA wants of a request beside what the profile puts there.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The challengePassword that binds the request to the connection that it will be sent over.
    pub challenge_password: Option<Zeroizing<String>>,
    /// The key that the CA certifies, where it says so.
    pub key: Option<KeyWish>,
    /// Attributes of the subject, with the value where the CA says it.
    pub subject: Vec<(ObjectIdentifier, Option<String>)>,
    /// Extensions, with the value where the CA says it.
    pub extensions: Vec<(ObjectIdentifier, Option<Extension>)>,
    /// What is wished and not understood here.
    pub unknown: Vec<ObjectIdentifier>,
}

/// Which keys a CA certifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyWish {
    /// Of exactly this type.
    Type(KeyType),
    /// RSA, of any size that is accepted here.
    AnyRsa,
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
    /// The CA could not be reached, or the way to it is not safe.
    Net(net::Error),
    /// The EST server did not answer as it should.
    Est(est::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "the CA refused: {refusal}"),
            Self::Authority(error) => error.fmt(f),
            Self::Unacceptable(why) => write!(f, "the certificate that came back is not accepted: {why}"),
            Self::Net(error) => error.fmt(f),
            Self::Est(error) => error.fmt(f),
        }
    }
}

impl From<net::Error> for Error {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl From<est::Error> for Error {
    fn from(error: est::Error) -> Self {
        Self::Est(error)
    }
}

impl From<Unacceptable> for Error {
    fn from(why: Unacceptable) -> Self {
        Self::Unacceptable(why)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Authority(error) => error.source(),
            Self::Net(error) => error.source(),
            Self::Est(error) => error.source(),
            Self::Refused(_) | Self::Unacceptable(_) => None,
        }
    }
}

/// Why a certificate that came back is not accepted.
#[derive(Debug)]
pub enum Unacceptable {
    /// There is none, or only those of CAs.
    NoLeaf,
    /// There are several, of which one at most was asked for.
    SeveralLeaves { count: usize },
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
            Self::NoLeaf => f.write_str("there is none for our key"),
            Self::SeveralLeaves { count } => write!(f, "there are {count} of end entities"),
            Self::OtherKey => f.write_str("it is for another key"),
            Self::OtherNames { subject } => write!(f, "it has other names than were asked for: {subject}"),
            Self::Profile(error) => error.fmt(f),
            Self::Chain(refusal) => refusal.fmt(f),
        }
    }
}

/// How far the clock of a CA may stand ahead of ours: also two processes on one machine read it a moment apart.
const SKEW: Duration = Duration::minutes(1);

/// Checks what a CA returned: our public key, the profile, the names, and a chain through `others` to a trusted certificate
/// at `now`. The others may come in any order, and be too many.
pub fn accept(
    leaf: &Certificate,
    others: &[Certificate],
    ask: &Ask<'_>,
    anchors: &Anchors,
    now: Time,
) -> Result<Chain, Unacceptable> {
    accept_for(ask.request.public_key(), leaf, others, ask, anchors, now)
}

/// Checks the same for a key that is not the request's, since the CA made it.
fn accept_for(
    key: &PublicKey,
    leaf: &Certificate,
    others: &[Certificate],
    ask: &Ask<'_>,
    anchors: &Anchors,
    now: Time,
) -> Result<Chain, Unacceptable> {
    let is_just_issued = leaf.not_before() > now && leaf.not_before() <= now.saturating_add(SKEW);
    let now = if is_just_issued { leaf.not_before() } else { now };
    if leaf.spki() != key.spki() {
        return Err(Unacceptable::OtherKey);
    }
    ask.profile.check(leaf).map_err(Unacceptable::Profile)?;
    let names = ask.names(Some(leaf.issuer())).map_err(Unacceptable::Profile)?;
    if *leaf.subject() != names.subject || leaf.alt_names().map_err(Unacceptable::Profile)? != names.alt_names {
        return Err(Unacceptable::OtherNames { subject: leaf.subject().to_string() });
    }
    let rules = Rules::new(Purpose::Any, now);
    let path = verify::path(leaf, others, anchors, &rules).map_err(Unacceptable::Chain)?;
    Ok(path.chain)
}

/// Finds the one certificate for a key among what a CA returned in no order: certificates of CAs may stand beside it, those
/// of other end entities may not.
fn leaf_for<'a>(key: &PublicKey, returned: &'a [Certificate]) -> Result<&'a Certificate, Unacceptable> {
    let is_ca = |certificate: &Certificate| {
        let constraints = certificate.basic_constraints().map_err(Unacceptable::Profile)?;
        Ok(constraints.is_some_and(|constraints| constraints.ca))
    };
    let mut found = Vec::new();
    for certificate in returned {
        if certificate.spki() == key.spki() || !is_ca(certificate)? {
            found.push(certificate);
        }
    }
    match found.as_slice() {
        [] => Err(Unacceptable::NoLeaf),
        [leaf] if leaf.spki() == key.spki() => Ok(leaf),
        [_] => Err(Unacceptable::OtherKey),
        several => Err(Unacceptable::SeveralLeaves { count: several.len() }),
    }
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
    fn wishes(&mut self) -> Result<Wishes, Error> {
        Ok(Wishes::default())
    }

    fn enroll(&mut self, ask: &Ask<'_>, now: Time) -> Result<Outcome, Error> {
        let decisions = self.authority.submit(std::slice::from_ref(ask), now).map_err(Error::Authority)?;
        match decisions.into_iter().next() {
            Some(Decision::Issued(chain)) => {
                let accepted = accept(chain.leaf(), chain.without_leaf(), ask, &self.anchors, now);
                accepted.map(Outcome::Issued).map_err(Error::Unacceptable)
            }
            Some(Decision::Pending(pending)) => Ok(Outcome::Pending(pending)),
            Some(Decision::Refused(refusal)) => Err(Error::Refused(refusal)),
            None => Err(Error::Authority(AuthorityError("the CA gave no answer".into()))),
        }
    }
}
