//! By which right a certificate is asked for over the network: tokens, and requests that wait for approval.

use std::fmt;

use crate::files::{from_hex, to_hex};

/// By which right a certificate is planned. The default is the operator's own, who may do everything.
#[derive(Clone, Debug, Default)]
pub struct Right {
    /// What the audit record says: `token 1a2b3c4d`, or which certificate; `None` for the operator.
    pub by: Option<String>,
    /// The SHA-256 of the public key in the request as it came; empty for the operator. With the same claim it is the same
    /// request, however often it is asked: a token is used once, one approval is enough. Where the CA makes the key, the
    /// certificate has another one.
    pub claim: Vec<u8>,
    /// The token to be redeemed with the plan.
    pub redeem: Option<Redeem>,
    /// What somebody has to approve first.
    pub approval: Option<Approval>,
    /// Whether a refusal is not recorded: enough of this credential's are.
    pub is_quiet: bool,
}

impl Right {
    /// Whether nobody at the CA has said yes to this very identity: what is shown is a maker's certificate alone.
    pub fn is_standing(&self) -> bool {
        self.by.is_some() && self.redeem.is_none() && self.approval.is_none()
    }
}

/// What is approved beside the claim, the identity, the profile and the issuer: the names as they will be issued.
#[derive(Clone, Debug)]
pub struct Approval {
    /// The SHA-256 of the names, by [`crate::x509::Names::digest`].
    pub names_sha256: Vec<u8>,
    /// The alternative names, for who approves.
    pub alt_names: Vec<String>,
}

/// A token that is to be redeemed.
#[derive(Clone, Debug)]
pub struct Redeem {
    /// The SHA-256 of its secret.
    pub sha256: Vec<u8>,
    /// The protocol that it came by.
    pub flow: String,
}

/// What a token is called by everywhere: the first four octets of the SHA-256 of its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId([u8; 4]);

impl TokenId {
    /// The name of the token with this SHA-256.
    pub fn of(sha256: &[u8]) -> Self {
        Self(sha256.first_chunk().copied().unwrap_or_default())
    }

    /// Reads eight hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(from_hex(text)?.try_into().ok()?))
    }

    /// Its octets.
    pub fn octets(self) -> [u8; 4] {
        self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

/// A token on record: what it is good for, and how far it is used. The secret is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number in listings; 0 before it is recorded.
    pub number: u64,
    /// The SHA-256 of its secret.
    pub sha256: Vec<u8>,
    /// The issuer that takes it.
    pub issuer: String,
    /// The protocol that it is for.
    pub flow: String,
    /// The profile that it is for.
    pub profile: String,
    /// The device as the operator named it.
    pub device: String,
    /// The identity that it is for, as [`crate::x509::Profile::identity`] gives it.
    pub identity: String,
    /// The further names that it covers, as `dns:gw.example`.
    pub names: Vec<String>,
    /// When it was made, Unix seconds.
    pub created: i64,
    /// The first second in which it is good no more, Unix.
    pub expires: i64,
    /// How many requests it serves.
    pub uses: u32,
    /// How many it has served.
    pub used: u32,
    /// When it was taken back, Unix seconds.
    pub revoked: Option<i64>,
}

impl Token {
    /// What it is called.
    pub fn id(&self) -> TokenId {
        TokenId::of(&self.sha256)
    }

    /// Whether it is for this issuer, protocol and profile, and was not taken back. Its time and its uses are a matter of
    /// the request, and looked at where it is redeemed.
    pub fn check(&self, issuer: &str, flow: &str, profile: &str) -> Result<(), TokenFault> {
        let token = self.id();
        if self.revoked.is_some() {
            Err(TokenFault::Revoked { token })
        } else if self.flow != flow {
            Err(TokenFault::OtherFlow { token, flow: self.flow.clone() })
        } else if self.profile != profile || self.issuer != issuer {
            Err(TokenFault::OtherProfile { token, profile: self.profile.clone() })
        } else {
            Ok(())
        }
    }

    /// How it stands at `now` (Unix seconds).
    pub fn state(&self, now: i64) -> &'static str {
        if self.revoked.is_some() {
            "revoked"
        } else if self.expires <= now {
            "expired"
        } else if self.used >= self.uses {
            "used"
        } else {
            "good"
        }
    }
}

/// Why a token does not serve a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// No token has this secret.
    Unknown,
    /// Its time is over.
    Expired { token: TokenId },
    /// It was taken back.
    Revoked { token: TokenId },
    /// It has served as many other requests as it may.
    UsedUp { token: TokenId },
    /// It is for this protocol.
    OtherFlow { token: TokenId, flow: String },
    /// It is for this profile.
    OtherProfile { token: TokenId, profile: String },
    /// It is for this identity.
    OtherIdentity { identity: String },
}

/// A request that waits for approval, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub id: u64,
    /// The issuer that it was made to.
    pub issuer: String,
    /// The profile that it asks for.
    pub profile: String,
    /// Whose certificate it is to be.
    pub identity: String,
    /// The SHA-256 of the public key in the request as it came.
    pub claim: Vec<u8>,
    /// The subject that the certificate would have.
    pub subject: String,
    /// The alternative names that it would have.
    pub alt_names: Vec<String>,
    /// By which right it was made.
    pub by: String,
    /// When it was first made, Unix seconds.
    pub requested: i64,
    /// How it stands.
    pub state: WaitingState,
}

/// How a request stands that had to be approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingState {
    /// Nobody has looked at it.
    Waiting,
    /// The same request will be granted.
    Approved,
    /// The same request will be refused.
    Refused,
    /// It was granted: the approval is used, and another request is looked at anew.
    Granted,
}

impl WaitingState {
    /// All of them, by the name in the records and in output.
    pub const ALL: [(Self, &str); 4] = [
        (Self::Waiting, "waiting"),
        (Self::Approved, "approved"),
        (Self::Refused, "refused"),
        (Self::Granted, "granted"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("unknown", |(_, name)| name)
    }
}

/// What came of deciding about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It stands as was decided, now or before.
    Done(Waiting),
    /// Its certificate is planned or issued: to undo that, it is revoked.
    TooLate(Waiting),
    /// No request of this issuer has the number.
    Unknown,
}
