//! The one point of authorisation: what a credential that came over the network entitles to.
//!
//! Whatever protocol an ask comes by, [`Issuer::authorise`] judges its credential before anything else is looked at, and
//! [`Grant::check`] holds the names of the certificate against it before the plan is made. What only a transaction can know
//! (whether a token has uses left) the store asks again there.

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc4519, rfc5280};

use super::{Error, Issuer};
use crate::enroll::{Ask, Credential, Occasion, Refusal, Token, Unauthorized};
use crate::key::{Digest, Hash};
use crate::store::{self, Approval, Filter, Redeem, Right, State, TokenFault, TokenId};
use crate::x509::verify::{self, Anchors, Purpose, Rules};
use crate::x509::{AltName, Certificate, Hierarchy, Name, Names, Profile, Time, Variables, colon_hex};

/// Longest subject in what the records say of a certificate that was shown, in characters.
const SUBJECT_LENGTH: usize = 128;

/// What is granted over the network.
#[derive(Clone, Debug)]
pub struct Registrar {
    /// The names of the profiles that are served; no other is.
    pub profiles: Vec<String>,
    /// Whose devices' identities (IEEE 802.1AR) are taken as credentials: the roots of their makers.
    pub vendors: Option<Anchors>,
    /// Whether each first certificate has to be approved.
    pub approval: bool,
}

/// What a credential entitles to.
pub(super) struct Grant {
    pub by: Option<String>,
    /// The SHA-256 of the public key in the request as it came; empty for the operator.
    claim: Vec<u8>,
    redeem: Option<Redeem>,
    needs_approval: bool,
    /// Whose certificate it may be, and with which names; `None` for the operator, who may ask for all.
    limits: Option<Limits>,
}

pub(super) struct Limits {
    identity: String,
    names: Covered,
}

/// The names that may stand beside the identity.
enum Covered {
    /// Those of the certificate that was shown, which is ours.
    Shown(Names),
    /// Those of the certificate that was shown, which is a maker's: as far as they name a device.
    Made(Names),
    /// Those that a token lists, as `dns:gw.example`.
    Listed(Vec<String>),
}

/// What describes a device and names none: these may be said by whoever asks.
const DESCRIPTIVE: [ObjectIdentifier; 5] = [rfc4519::C, rfc4519::ST, rfc4519::L, rfc4519::O, rfc4519::OU];

/// By which right an ask is made, for the records; `None` for the operator, and where nothing was shown.
pub(super) fn right_of(credential: &Credential<'_>) -> Option<String> {
    match credential {
        Credential::Operator | Credential::Missing { .. } => None,
        Credential::Token(token) => Some(format!("token {}", TokenId::of(sha256(token).bytes()))),
        Credential::Certificate { chain, .. } => {
            let shown = chain.first()?;
            let subject: String = shown.subject().to_string().chars().take(SUBJECT_LENGTH).collect();
            Some(format!("certificate {} of {subject}", colon_hex(shown.serial())))
        }
    }
}

/// A token is looked up by this: how long that takes tells nothing of the secret.
fn sha256(token: &Token<'_>) -> Digest {
    Hash::Sha256.digest(token.secret.as_bytes())
}

impl Issuer {
    /// Judges the credential of an ask. Everything that is granted over the network is granted here.
    pub(super) fn authorise(&self, ask: &Ask<'_>, now: Time) -> Result<Result<Grant, Refusal>, Error> {
        let refuse = |why| Ok(Err(Refusal::Unauthorized(why)));
        if matches!(ask.credential, Credential::Operator) {
            let claim = Vec::new();
            return Ok(Ok(Grant { by: None, claim, redeem: None, needs_approval: false, limits: None }));
        }
        let limits = match self.limits(ask.profile, ask.occasion, ask.credential, now)? {
            Ok(limits) => limits,
            Err(why) => return refuse(why),
        };
        if let Some(what) = ask.reserved() {
            return refuse(Unauthorized::OperatorOnly { what });
        }
        let (request, redeem) = match ask.credential {
            Credential::Token(token) => {
                let (sha256, flow) = (sha256(token).bytes().to_vec(), token.flow.name().to_owned());
                (&token.request, Some(Redeem { sha256, flow }))
            }
            Credential::Certificate { request, .. } => (request, None),
            // Neither comes so far.
            Credential::Operator | Credential::Missing { .. } => return refuse(Unauthorized::Missing),
        };
        // Whoever renews was approved once.
        let is_first = matches!(ask.occasion, Occasion::New);
        let needs_approval = is_first && self.registrar().is_none_or(|registrar| registrar.approval);
        let (by, claim) = (right_of(&ask.credential), request.bytes().to_vec());
        Ok(Ok(Grant { by, claim, redeem, needs_approval, limits: Some(limits) }))
    }

    /// What a credential that came over the network is good for. It is known who shows it where the profile is refused.
    pub(super) fn limits(
        &self,
        profile: &Profile,
        occasion: Occasion<'_>,
        credential: Credential<'_>,
        now: Time,
    ) -> Result<Result<Limits, Unauthorized>, Error> {
        let not_served = || Unauthorized::NotServed { profile: profile.name.clone() };
        let Some(registrar) = self.registrar() else { return Ok(Err(not_served())) };
        let granted = match credential {
            Credential::Operator | Credential::Missing { .. } => return Ok(Err(Unauthorized::Missing)),
            Credential::Token(token) => self.token_grant(profile, occasion, token)?,
            Credential::Certificate { chain, .. } => match (chain, occasion) {
                ([], _) => return Ok(Err(Unauthorized::Missing)),
                ([shown, ..], Occasion::Renew { certificate, .. }) => self.renewal_grant(shown, certificate, now)?,
                ([shown, others @ ..], _) => self.vendor_grant(registrar, profile, shown, others, now)?,
            },
        };
        let is_served = registrar.profiles.contains(&profile.name);
        Ok(granted.and_then(|limits| if is_served { Ok(limits) } else { Err(not_served()) }))
    }

    /// A token is for one identity, profile and protocol, and where a user name came with it, that is the device's.
    fn token_grant(
        &self,
        profile: &Profile,
        occasion: Occasion<'_>,
        token: &Token<'_>,
    ) -> Result<Result<Limits, Unauthorized>, Error> {
        let sha256 = sha256(token);
        let found = self.reader().token(TokenId::of(sha256.bytes()))?.filter(|found| found.sha256 == sha256.bytes());
        let user = token.user.filter(|user| !user.is_empty());
        let is_of = |found: &store::Token| user.is_none_or(|user| user == found.device || user == found.identity);
        let Some(found) = found.filter(is_of) else { return Ok(Err(Unauthorized::UnknownToken)) };
        if let Err(fault) = found.check(self.name(), token.flow.name(), &profile.name) {
            return Ok(Err(unauthorized(fault, "")));
        }
        if matches!(occasion, Occasion::Renew { .. }) {
            let why = "a certificate is renewed by the right of itself, and none was shown".to_owned();
            return Ok(Err(Unauthorized::Certificate { why }));
        }
        Ok(Ok(Limits { identity: found.identity, names: Covered::Listed(found.names) }))
    }

    /// A certificate of ours renews itself, and no other.
    fn renewal_grant(
        &self,
        shown: &Certificate,
        renewed: &Certificate,
        now: Time,
    ) -> Result<Result<Limits, Unauthorized>, Error> {
        let refuse = |why: &str| Ok(Err(Unauthorized::Certificate { why: why.to_owned() }));
        let Some((identity, state)) = self.recorded(shown, now)? else {
            return Ok(Err(Unauthorized::UnknownCertificate { why: "it was not issued here".to_owned() }));
        };
        match state {
            State::Revoked => refuse("it was revoked"),
            State::Expired => refuse("it has expired"),
            State::Planned | State::Issued | State::Replaced if shown.der() != renewed.der() => {
                refuse("it is not the one to be renewed")
            }
            State::Planned | State::Issued | State::Replaced => {
                let names = Names { subject: shown.subject().clone(), alt_names: shown.alt_names()? };
                Ok(Ok(Limits { identity, names: Covered::Shown(names) }))
            }
        }
    }

    /// A device's identity from its maker is good for a certificate of the same identity.
    fn vendor_grant(
        &self,
        registrar: &Registrar,
        profile: &Profile,
        shown: &Certificate,
        others: &[Certificate],
        now: Time,
    ) -> Result<Result<Limits, Unauthorized>, Error> {
        let unknown = |why: String| Ok(Err(Unauthorized::UnknownCertificate { why }));
        let Some(vendors) = &registrar.vendors else {
            return unknown("it renews itself and nothing else: no maker's devices are taken here".to_owned());
        };
        if let Err(refusal) = verify::path(shown, others, vendors, &Rules::new(Purpose::Idevid, now)) {
            return unknown(refusal.to_string());
        }
        if self.hierarchy() != Hierarchy::Device || !is_for_devices(profile) {
            let why = format!("its maker names devices, and profile {} is for others", profile.name);
            return Ok(Err(Unauthorized::Certificate { why }));
        }
        // The maker may be ourselves, and then the records tell.
        if matches!(self.recorded(shown, now)?, Some((_, State::Revoked))) {
            return Ok(Err(Unauthorized::Certificate { why: "it was revoked".to_owned() }));
        }
        let names = shown.alt_names().map(|alt_names| Names { subject: shown.subject().clone(), alt_names });
        let named = names.and_then(|names| Ok((profile.identity(&names)?, names)));
        Ok(match named {
            // A certificate for a host's name passes as that host's, and whose hosts those are the maker does not know.
            Ok((identity, _)) if !is_device(&identity) => {
                Err(Unauthorized::Certificate { why: format!("its maker names devices, and {identity} is a host") })
            }
            Ok((identity, names)) => Ok(Limits { identity, names: Covered::Made(names) }),
            Err(error) => Err(Unauthorized::Certificate { why: error.to_string() }),
        })
    }

    /// The identity of a certificate that this issuer issued, and how it stands.
    fn recorded(&self, certificate: &Certificate, now: Time) -> Result<Option<(String, State)>, Error> {
        let filter = Filter {
            issuer: Some(self.name().to_owned()),
            serial: Some(certificate.serial().to_vec()),
            ..Filter::default()
        };
        let found = self.reader().list(&filter, None, 1)?.pop();
        let found = found.filter(|record| record.certificate.as_deref() == Some(certificate.der()));
        Ok(found.map(|record| (record.identity.clone(), record.state(now.unix_timestamp()))))
    }
}

impl Grant {
    /// By what right a certificate of these names is planned. An approval is for the names that were looked at: those that
    /// anybody may say of itself differ from one request to the next.
    pub fn right(self, names: &Names, is_quiet: bool) -> Result<Right, Error> {
        let Self { by, claim, redeem, needs_approval, .. } = self;
        let approval = match needs_approval {
            false => None,
            true => Some(Approval {
                names_sha256: names.digest()?.bytes().to_vec(),
                alt_names: names.alt_names.iter().map(AltName::to_string).collect(),
            }),
        };
        Ok(Right { by, claim, redeem, approval, is_quiet })
    }

    /// Whether the certificate may be this identity's and have these names. No name rides along with an identity: each that
    /// could be taken for a device's or a host's must be the identity's own value, or what the profile makes of the
    /// identity alone, or covered by the credential.
    pub fn check(&self, profile: &Profile, identity: &str, names: &Names, issuer: &Name) -> Result<(), Unauthorized> {
        let Some(limits) = &self.limits else { return Ok(()) };
        if limits.identity != identity {
            let (identity, asked) = (limits.identity.clone(), identity.to_owned());
            return Err(Unauthorized::OtherIdentity { identity, asked });
        }
        let own = own_names(profile, identity, names, issuer);
        let of_own = |oid, value: &str| own.subject.attributes().contains(&(oid, value.to_owned()));
        for (oid, value) in names.subject.attributes() {
            let is_covered = DESCRIPTIVE.contains(&oid)
                || of_own(oid, &value)
                || (is_device_name(oid) && value_of(identity) == Some(&value))
                || limits.names.has_attribute(oid, &value);
            if !is_covered {
                let name =
                    Name::new(&[(oid, &value)]).map_or_else(|_| format!("{oid}={value}"), |name| name.to_string());
                return Err(Unauthorized::OtherName { identity: identity.to_owned(), name });
            }
        }
        for name in &names.alt_names {
            let may_be_own = !matches!(limits.names, Covered::Made(_));
            let is_own = may_be_own && value_of(identity).is_some_and(|value| is_written(name, name.form(), value));
            if !(is_own || own.alt_names.contains(name) || limits.names.has_alt_name(name)) {
                return Err(Unauthorized::OtherName { identity: identity.to_owned(), name: name.to_string() });
            }
        }
        Ok(())
    }
}

impl Covered {
    fn has_attribute(&self, oid: ObjectIdentifier, value: &str) -> bool {
        let attribute = (oid, value.to_owned());
        match self {
            Self::Shown(names) | Self::Made(names) => names.subject.attributes().contains(&attribute),
            Self::Listed(listed) => listed.iter().any(|name| {
                name.split_once(':').is_some_and(|(form, listed)| device_name(form) == Some(oid) && listed == value)
            }),
        }
    }

    fn has_alt_name(&self, name: &AltName) -> bool {
        match self {
            // What is not read may be another.
            Self::Shown(_) if matches!(name, AltName::Other { .. }) => false,
            Self::Shown(names) => names.alt_names.contains(name),
            Self::Made(names) => {
                let names_device = matches!(name, AltName::HardwareModule { .. } | AltName::PermanentIdentifier { .. });
                names_device && names.alt_names.contains(name)
            }
            Self::Listed(listed) => listed
                .iter()
                .any(|listed| listed.split_once(':').is_some_and(|(form, value)| is_written(name, form, value))),
        }
    }
}

/// The subject attributes that name a device: each may have the value of an identity of another form.
const DEVICE_NAMES: [(&str, ObjectIdentifier); 2] = [("CN", Name::COMMON_NAME), ("serialNumber", Name::SERIAL_NUMBER)];

fn is_device_name(oid: ObjectIdentifier) -> bool {
    DEVICE_NAMES.iter().any(|(_, known)| *known == oid)
}

fn device_name(form: &str) -> Option<ObjectIdentifier> {
    DEVICE_NAMES.iter().find(|(known, _)| *known == form).map(|(_, oid)| *oid)
}

/// Whether an alternative name is what a form and a value mean.
fn is_written(name: &AltName, form: &str, value: &str) -> bool {
    name.form() == form && AltName::of_form(form, value).is_ok_and(|written| written == *name)
}

/// Whether what a profile certifies is nothing but a device that proves itself: no CA, no signer of firmware, no responder.
/// What purposes outside of PKIX's own mean is the operator's matter.
fn is_for_devices(profile: &Profile) -> bool {
    let is_harmless = |oid: &ObjectIdentifier| match *oid {
        rfc5280::ID_KP_CLIENT_AUTH | rfc5280::ID_KP_SERVER_AUTH => true,
        rfc5280::ANY_EXTENDED_KEY_USAGE => false,
        other => !other.starts_with(rfc5280::ID_KP),
    };
    !profile.is_ca && profile.extended_key_usage.iter().all(is_harmless)
}

/// Whether an identity is a device's, not a host's.
fn is_device(identity: &str) -> bool {
    !(identity.starts_with("dns ") || identity.starts_with("ip "))
}

/// The value of an identity, as `SN-42` of `serialNumber=SN-42`; `None` where it is no plain value.
fn value_of(identity: &str) -> Option<&str> {
    let attribute = DEVICE_NAMES.iter().find_map(|(form, _)| identity.strip_prefix(form)?.strip_prefix('='));
    attribute.or_else(|| identity.strip_prefix("dns ").or_else(|| identity.strip_prefix("ip ")))
}

/// The names that the profile makes of an identity alone; else just the one that is the identity.
fn own_names(profile: &Profile, identity: &str, names: &Names, issuer: &Name) -> Names {
    let is_identity = |oid, value: &str| {
        let known = DEVICE_NAMES.iter().find(|(_, known)| *known == oid);
        known.is_some_and(|(form, _)| identity == format!("{form}={value}"))
    };
    let attributes: Vec<_> =
        names.subject.attributes().into_iter().filter(|(oid, value)| is_identity(*oid, value)).collect();
    let alt_names: Vec<AltName> =
        names.alt_names.iter().find(|name| name.to_string() == identity).cloned().into_iter().collect();
    let subject = if attributes.is_empty() { Name::empty() } else { Name::new(&attributes).unwrap_or_default() };
    let made = profile.names(&subject, &alt_names, Variables::NONE, Some(issuer));
    made.unwrap_or(Names { subject, alt_names })
}

/// What the records say of a token, as a refusal; `asked` is the identity that was asked for.
pub(super) fn unauthorized(fault: TokenFault, asked: &str) -> Unauthorized {
    match fault {
        TokenFault::Unknown => Unauthorized::UnknownToken,
        TokenFault::Expired { token } => Unauthorized::Expired { token: token.to_string() },
        TokenFault::Revoked { token } => Unauthorized::TokenRevoked { token: token.to_string() },
        TokenFault::UsedUp { token } => Unauthorized::UsedUp { token: token.to_string() },
        TokenFault::OtherFlow { token, flow } => Unauthorized::OtherFlow { token: token.to_string(), flow },
        TokenFault::OtherProfile { token, profile } => Unauthorized::OtherProfile { token: token.to_string(), profile },
        TokenFault::OtherIdentity { identity } => Unauthorized::OtherIdentity { identity, asked: asked.to_owned() },
    }
}
