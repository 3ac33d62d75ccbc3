//! What an operator gives devices to enroll by: tokens, and the approval of requests that wait.

use time::Duration;
use zeroize::Zeroizing;

use super::{Error, Issuer};
use crate::enroll::Flow;
use crate::files::to_hex;
use crate::key::{self, Hash};
use crate::store::{Decided, Token, TokenId, Waiting};
use crate::x509::{AltName, Profile, Role, Time};

/// Octets of a token's secret: 160 bits, so that nobody guesses one of a million tokens, in 40 digits that fit any form.
const SECRET: usize = 20;

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// The protocol that it is for.
    pub flow: Flow,
    /// The profile that it is for.
    pub profile: &'a Profile,
    /// The device, as [`Profile::identity_of`] reads it.
    pub device: &'a str,
    /// Further names that it covers, as `dns:gw.example`, `CN:Gateway 7`.
    pub names: &'a [String],
    /// How long it is good.
    pub lifetime: Duration,
    /// How many requests it serves.
    pub uses: u32,
}

/// Reads a name that a token is to cover: `CN` or `serialNumber`, or a form of [`AltName::FORMS`], a colon, and its value.
pub fn check_token_name(text: &str) -> Result<(), String> {
    let (form, value) = text.split_once(':').ok_or_else(|| "must be FORM:VALUE, as dns:gw.example".to_owned())?;
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err("has a value that is empty or has a control character".to_owned());
    }
    match form {
        "CN" | "serialNumber" => Ok(()),
        _ if AltName::FORMS.contains(&form) => {
            AltName::of_form(form, value).map(drop).map_err(|error| error.to_string())
        }
        _ => Err(format!("must begin with CN, serialNumber, {}", AltName::FORMS.join(", "))),
    }
}

impl Issuer {
    /// Makes a token, and returns its secret, which is nowhere else, with what is recorded of it.
    pub fn new_token(&self, new: &NewToken<'_>, now: Time) -> Result<(Zeroizing<String>, Token), Error> {
        self.check_clock(now)?;
        let NewToken { flow, profile, device, names, lifetime, uses } = new;
        if profile.role != Role::Request || !profile.serves(self.hierarchy()) {
            let (profile, issuer) = (profile.name.clone(), self.name().to_owned());
            return Err(Error::NotServed { profile, issuer });
        }
        let identity = profile.identity_of(device)?;
        loop {
            let mut octets = Zeroizing::new([0; SECRET]);
            key::random(octets.as_mut())?;
            let secret = Zeroizing::new(to_hex(octets.as_ref()));
            let token = Token {
                number: 0,
                sha256: Hash::Sha256.digest(secret.as_bytes()).bytes().to_vec(),
                issuer: self.name().to_owned(),
                flow: flow.name().to_owned(),
                profile: profile.name.clone(),
                device: (*device).to_owned(),
                identity: identity.clone(),
                names: names.to_vec(),
                created: now.unix_timestamp(),
                expires: now.saturating_add(*lifetime).unix_timestamp(),
                uses: *uses,
                used: 0,
                revoked: None,
            };
            // One in four thousand million is called as another, for each that there is.
            if self.store().add_token(self.ledger(), &token, now)? {
                return Ok((secret, token));
            }
        }
    }

    /// Takes a token back. What was issued for it stays.
    pub fn revoke_token(&self, id: TokenId, now: Time) -> Result<Token, Error> {
        self.check_clock(now)?;
        let found = self.store().revoke_token(self.ledger(), id, now)?;
        found.ok_or_else(|| Error::NoSuchToken { token: id.to_string() })
    }

    /// Approves a request that waits, or refuses it: the device learns of it when it asks again.
    pub fn decide_request(&self, id: u64, approve: bool, now: Time) -> Result<Waiting, Error> {
        self.check_clock(now)?;
        match self.store().decide_request(self.ledger(), id, approve, now)? {
            Decided::Done(request) => Ok(request),
            Decided::TooLate(_) => Err(Error::RequestGranted { id }),
            Decided::Unknown => Err(Error::NoSuchRequest { id }),
        }
    }
}
