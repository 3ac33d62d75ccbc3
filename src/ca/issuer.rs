//! One issuing CA at work: policy, plan, signature, record.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::Duration;

use super::group::{Failure, Group};
use super::refusals::Refusals;
use super::registrar::{Registrar, right_of, unauthorized};
use super::{Error, Generation};
use crate::enroll::{Ask, Authority, AuthorityError, Credential, Decision, Occasion, Pending, Refusal};
use crate::key::{self, Signer};
use crate::store::audit::Event;
use crate::store::{self, Filter, Ledger, Plan, Reserved, Signed, Standing, State, Store};
use crate::x509::issue::{self, Serial};
use crate::x509::{self, Certificate, Chain, Hierarchy, Names, Profile, Role, Time, colon_hex, no_expiry, rfc3339};

/// How far the clock may stand behind the last record: machines that share a CA differ by minutes, and a clock that is
/// set by hand by hours.
const BEHIND: Duration = Duration::days(1);

/// How far it may stand ahead: a CA for firmware may rest for years between two signers.
const AHEAD: Duration = Duration::days(5 * 365);

/// Longest subject in a line of the audit record about a refused request, in characters.
const SUBJECT_LENGTH: usize = 256;

/// When it is worth asking again whether a request was approved: a person has to look at it, and a device at a bench should
/// not wait for much longer than that takes.
const APPROVAL_RETRY: std::time::Duration = std::time::Duration::from_secs(30);

/// The plans of one slice of asks, the refusals that were decided before, and the time.
type Reservation = (Vec<Plan>, Vec<Event>, Time);

/// The issuing CA of one hierarchy, with its key and the records. Many threads may submit at once: each plans and signs for
/// itself, and what several have to write goes into one transaction.
pub struct Issuer {
    hierarchy: Hierarchy,
    generation: u32,
    chain: Chain,
    /// The other generations, which issued what is found again.
    others: Vec<Generation>,
    signer: Box<dyn Signer>,
    store: Mutex<Box<dyn Store>>,
    /// The records over another connection, so that who looks something up does not wait for who writes.
    reader: Mutex<Box<dyn Store>>,
    reserving: Group<Reservation, Vec<Reserved>, store::Error>,
    completing: Group<Vec<Signed>, Vec<Option<Vec<u8>>>, store::Error>,
    trusts_clock: bool,
    registrar: Option<Registrar>,
    refusals: Refusals,
}

impl Issuer {
    /// Takes what [`super::Ca::issuer`] has checked to belong together; each chain leads from issuing CA to root.
    pub(super) fn new(
        hierarchy: Hierarchy,
        Generation { number, chain }: Generation,
        others: Vec<Generation>,
        signer: Box<dyn Signer>,
        (store, reader): (Box<dyn Store>, Box<dyn Store>),
        trusts_clock: bool,
    ) -> Self {
        Self {
            hierarchy,
            generation: number,
            chain,
            others,
            signer,
            store: Mutex::new(store),
            reader: Mutex::new(reader),
            reserving: Group::new(),
            completing: Group::new(),
            trusts_clock,
            registrar: None,
            refusals: Refusals::default(),
        }
    }

    /// Lets it grant what is asked over the network; without, only the operator is served.
    pub fn with_registrar(self, registrar: Registrar) -> Self {
        Self { registrar: Some(registrar), ..self }
    }

    pub(super) fn registrar(&self) -> Option<&Registrar> {
        self.registrar.as_ref()
    }

    /// Its hierarchy.
    pub fn hierarchy(&self) -> Hierarchy {
        self.hierarchy
    }

    /// Its name in the records.
    pub(super) fn name(&self) -> &'static str {
        self.hierarchy.name()
    }

    /// The issuing CA's certificate.
    pub fn certificate(&self) -> &Certificate {
        self.chain.leaf()
    }

    /// The certificate of the CA above.
    pub fn above(&self) -> Option<&Certificate> {
        self.chain.certificates().get(1)
    }

    /// The numbers of the generations that have the key at work: one list is for what all of them issued.
    pub(super) fn of_one_key(&self) -> Vec<u32> {
        let own = self.certificate().spki();
        let others = self.others.iter().filter(|other| other.chain.leaf().spki() == own).map(|other| other.number);
        others.chain([self.generation]).collect()
    }

    pub(super) fn signer(&self) -> &dyn Signer {
        self.signer.as_ref()
    }

    pub(super) fn ledger(&self) -> Ledger<'_> {
        Ledger { issuer: self.hierarchy.name(), signer: self.signer.as_ref() }
    }

    /// The records to look something up in: what is committed.
    pub(super) fn reader(&self) -> MutexGuard<'_, Box<dyn Store>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Box<dyn Store>> {
        // A thread that panicked while it held the store left no transaction open: SQLite rolled it back.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to work by a clock that stands outside the issuing CA's validity, or far from the last record.
    pub(super) fn check_clock(&self, now: Time) -> Result<(), Error> {
        let issuing = self.certificate();
        if now < issuing.not_before() || now > issuing.not_after() {
            return Err(Error::Clock { now, from: issuing.not_before(), until: issuing.not_after() });
        }
        if self.trusts_clock {
            return Ok(());
        }
        let head = self.reader().head(self.hierarchy.name())?;
        let last = head.and_then(|head| Time::from_unix_timestamp(head.time).ok());
        match last {
            Some(last) if now < last.saturating_sub(BEHIND) || now > last.saturating_add(AHEAD) => {
                Err(Error::ClockJump { now, last })
            }
            _ => Ok(()),
        }
    }

    /// Decides whether an ask may be granted, and plans its certificate. Everything that authorises stands here,
    /// before the signer.
    pub(super) fn plan(&self, ask: &Ask<'_>, now: Time) -> Result<Result<Plan, Refusal>, Error> {
        let grant = match self.authorise(ask, now)? {
            Ok(grant) => grant,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let profile = ask.profile;
        let issuing = self.certificate();
        let issuer = self.hierarchy.name().to_owned();
        if profile.role != Role::Request || !profile.serves(self.hierarchy) {
            return Ok(Err(Refusal::ProfileNotServed { profile: profile.name.clone(), issuer }));
        }
        let is_last =
            issuing.basic_constraints()?.is_some_and(|constraints| constraints.path_len_constraint == Some(0));
        if profile.is_ca && is_last {
            return Ok(Err(Refusal::NoCaBelow { profile: profile.name.clone(), issuer }));
        }
        let key = ask.request.public_key();
        if let Some(weakness) = key.weakness() {
            return Ok(Err(Refusal::WeakKey { why: weakness.to_string() }));
        }
        if !key.is_canonical() {
            // The records know a key by the digest of its encoding.
            let why = "the RSA key has no NULL for its parameters (RFC 3279 section 2.3.1)".to_owned();
            return Ok(Err(Refusal::KeyType { why }));
        }
        if let Err(error) = profile.check_key(key) {
            return Ok(Err(Refusal::KeyType { why: error.to_string() }));
        }
        let standing = match ask.occasion {
            Occasion::New => Standing::New,
            Occasion::Supersede(reason) if !reason.is_final() => return Ok(Err(Refusal::NotFinal { reason })),
            Occasion::Supersede(reason) => Standing::Supersede(reason),
            Occasion::Renew { certificate, .. } => {
                if let Err(refusal) = self.renewable(ask, certificate, now)? {
                    return Ok(Err(refusal));
                }
                Standing::Renew { serial: certificate.serial().to_vec() }
            }
        };
        let names = ask.names(Some(issuing.subject()));
        let named = names.and_then(|names| Ok((profile.identity(&names)?, names)));
        let (identity, names) = match named {
            Ok(named) => named,
            Err(error) => return Ok(Err(Refusal::Names { why: error.to_string() })),
        };
        if let Err(why) = grant.check(profile, &identity, &names, issuing.subject()) {
            return Ok(Err(Refusal::Unauthorized(why)));
        }
        let is_quiet = !self.refusals.is_recorded(grant.by.as_deref(), now);
        let not_after = match ask.validity {
            Some(validity) => now.saturating_add(validity).min(no_expiry()),
            None => profile.not_after(now),
        };
        let issuer_until = issuing.not_after();
        let outlives_issuer = not_after > issuer_until;
        if outlives_issuer && !ask.may_outlive {
            return Ok(Err(Refusal::OutlivesIssuer { until: rfc3339(not_after), issuer_until: rfc3339(issuer_until) }));
        }
        let scheme = self.signer.public_key().key_type().usual_scheme();
        let serial = Serial::new(now)?;
        let validity = (profile.not_before(now), not_after);
        let to_be_signed = issue::to_be_signed(profile, ask.request, &names, issuing, scheme, serial, validity)?;
        Ok(Ok(Plan {
            generation: self.generation,
            profile: profile.name.clone(),
            profile_sha256: profile.digest().bytes().to_vec(),
            identity,
            spki_sha256: key.fingerprint().bytes().to_vec(),
            serial: serial.bytes().to_vec(),
            subject: names.subject.to_string(),
            validity,
            to_be_signed,
            standing,
            outlives_issuer,
            right: grant.right(&names, is_quiet)?,
        }))
    }

    /// Whether a certificate may be renewed by this ask.
    fn renewable(&self, ask: &Ask<'_>, old: &Certificate, now: Time) -> Result<Result<(), Refusal>, Error> {
        let filter = Filter {
            issuer: Some(self.hierarchy.name().to_owned()),
            serial: Some(old.serial().to_vec()),
            ..Filter::default()
        };
        let found = self.reader().list(&filter, None, 1)?.pop();
        let Some(record) = found
            .filter(|record| record.profile == ask.profile.name && record.certificate.as_deref() == Some(old.der()))
        else {
            return Ok(Err(Refusal::NotOurs));
        };
        let refuse = |why| Ok(Err(Refusal::NotRenewable { serial: colon_hex(old.serial()), why }));
        match record.state(now.unix_timestamp()) {
            State::Revoked => return refuse("was revoked"),
            State::Expired => return refuse("has expired"),
            State::Planned | State::Issued | State::Replaced => {}
        }
        if let Err(refusal) = ask.check_key() {
            return Ok(Err(refusal));
        }
        let wanted = ask.request.request();
        let says_other_subject = !wanted.subject().is_empty() && wanted.subject() != old.subject();
        let wanted_alt_names = wanted.alt_names()?;
        if says_other_subject || (!wanted_alt_names.is_empty() && wanted_alt_names != old.alt_names()?) {
            let why = "the request has other names than the certificate to be renewed".to_owned();
            return Ok(Err(Refusal::Names { why }));
        }
        Ok(Ok(()))
    }

    pub(super) fn decide(&self, asks: &[Ask<'_>], now: Time) -> Result<Vec<Decision>, Error> {
        self.check_clock(now)?;
        let own = Filter { serial: Some(self.certificate().serial().to_vec()), ..Filter::default() };
        if self.reader().list(&own, None, 1)?.first().is_some_and(|own| own.revoked.is_some()) {
            return Err(Error::IssuingRevoked { issuer: self.hierarchy.name() });
        }
        let planned: Vec<Result<Plan, Refusal>> =
            asks.iter().map(|ask| self.plan(ask, now)).collect::<Result<_, _>>()?;
        let granted =
            planned.iter().zip(asks).filter_map(|(plan, ask)| Some((plan.as_ref().ok()?.clone(), ask.profile)));
        let (plans, profiles): (Vec<Plan>, Vec<&Profile>) = granted.unzip();
        let refused = planned.iter().zip(asks).filter_map(|(plan, ask)| self.refused(plan.as_ref().err()?, ask, now));
        // From here on every serial number and all bytes to be signed are on disk, and every decision.
        let reserved = self.reserve((plans, refused.collect(), now))?;
        let plans = planned.iter().filter_map(|plan| plan.as_ref().ok());
        let signed = self.sign_planned(plans, &profiles, &reserved)?;
        let serials: Vec<Vec<u8>> = signed.iter().map(|signed| signed.serial.clone()).collect();
        // From here on every certificate is: no one is handed out before.
        let recorded: HashMap<_, _> = serials.into_iter().zip(self.complete(signed)?).collect();
        let mut reserved = reserved.into_iter();
        let mut decide = |plan: Plan| {
            let identity = plan.identity;
            Ok(match reserved.next() {
                Some(Reserved::Issued { certificate }) => self.issued(&certificate)?,
                Some(Reserved::Planned { serial, .. }) => match recorded.get(&serial) {
                    Some(Some(certificate)) => self.issued(certificate)?,
                    _ => Decision::Refused(Refusal::RevokedMeanwhile { serial: colon_hex(&serial) }),
                },
                Some(Reserved::IdentityTaken { serial }) => {
                    Decision::Refused(Refusal::IdentityTaken { identity, serial: colon_hex(&serial) })
                }
                Some(Reserved::KeyTaken { identity, serial }) => {
                    Decision::Refused(Refusal::KeyTaken { identity, serial: colon_hex(&serial) })
                }
                Some(Reserved::KeyCompromised { serial }) => {
                    Decision::Refused(Refusal::KeyCompromised { serial: colon_hex(&serial) })
                }
                Some(Reserved::OnHold { serial }) => {
                    Decision::Refused(Refusal::OnHold { identity, serial: colon_hex(&serial) })
                }
                Some(Reserved::NotCurrent { serial }) => Decision::Refused(Refusal::NotRenewable {
                    serial: colon_hex(&serial),
                    why: "is the current one of the identity, and was issued for another renewal",
                }),
                Some(Reserved::Token(fault)) => {
                    Decision::Refused(Refusal::Unauthorized(unauthorized(fault, &identity)))
                }
                Some(Reserved::Pending { id }) => {
                    Decision::Pending(Pending { id: Some(id), retry_after: APPROVAL_RETRY })
                }
                Some(Reserved::Withdrawn { serial }) => {
                    Decision::Refused(Refusal::Withdrawn { identity, serial: colon_hex(&serial) })
                }
                Some(Reserved::TooManyWait) => Decision::Refused(Refusal::TooManyWait { identity }),
                Some(Reserved::Disapproved { id }) => Decision::Refused(Refusal::Disapproved { id }),
                None => return Err(Error::Store(store::Error::NotPlanned { serial: plan.serial })),
            })
        };
        let decisions = planned.into_iter().map(|plan| plan.map_or_else(|no| Ok(Decision::Refused(no)), &mut decide));
        let decisions: Vec<Decision> = decisions.collect::<Result<_, Error>>()?;
        for (decision, ask) in decisions.iter().zip(asks) {
            if matches!(decision, Decision::Refused(refusal) if !is_strangers(refusal)) {
                self.refusals.count(right_of(&ask.credential).as_deref(), now);
            }
        }
        Ok(decisions)
    }

    /// The line of the audit record about an ask that is refused without a look at the records. There is none where it is not
    /// known who asked: anybody can reach a server, the record keeps every line for ever, and a stranger must not fill the
    /// disk with it. The server's log tells of those.
    fn refused(&self, refusal: &Refusal, ask: &Ask<'_>, now: Time) -> Option<Event> {
        let by = right_of(&ask.credential);
        if is_strangers(refusal) || !self.refusals.is_recorded(by.as_deref(), now) {
            return None;
        }
        Some(Event::Refuse {
            code: refusal.code().to_owned(),
            identity: ask.request.request().subject().to_string().chars().take(SUBJECT_LENGTH).collect(),
            profile: ask.profile.name.clone(),
            spki_sha256: ask.request.public_key().fingerprint().to_string(),
            by,
        })
    }

    /// Reserves plans, in one transaction with those of other threads.
    fn reserve(&self, reservation: Reservation) -> Result<Vec<Reserved>, Error> {
        // Strangers, of whom nothing is recorded, do not make the disk turn either.
        if reservation.0.is_empty() && reservation.1.is_empty() {
            return Ok(Vec::new());
        }
        let done = self.reserving.submit(reservation, |together| {
            let counts: Vec<usize> = together.iter().map(|(plans, ..)| plans.len()).collect();
            let (mut all, mut refused, mut now) = (Vec::new(), Vec::new(), Time::UNIX_EPOCH);
            for (plans, events, time) in together {
                all.extend(plans);
                refused.extend(events);
                now = now.max(time);
            }
            let mut reserved = self.store().reserve(self.ledger(), &all, refused, now)?.into_iter();
            Ok(counts.into_iter().map(|count| reserved.by_ref().take(count).collect()).collect())
        });
        done.map_err(together)
    }

    /// Records certificates, in one transaction with those of other threads.
    fn complete(&self, signed: Vec<Signed>) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if signed.is_empty() {
            return Ok(Vec::new());
        }
        let done = self.completing.submit(signed, |together| {
            let counts: Vec<usize> = together.iter().map(Vec::len).collect();
            let mut recorded = self.store().complete(&together.concat())?.into_iter();
            Ok(counts.into_iter().map(|count| recorded.by_ref().take(count).collect()).collect())
        });
        done.map_err(together)
    }

    /// How many transactions reserved plans, and how many recorded certificates.
    #[cfg(test)]
    pub(super) fn transactions(&self) -> (u64, u64) {
        (self.reserving.groups(), self.completing.groups())
    }

    /// Signs what is planned, once for each serial number: a slice may hold the same ask twice.
    fn sign_planned<'p>(
        &self,
        plans: impl Iterator<Item = &'p Plan>,
        profiles: &[&Profile],
        reserved: &[Reserved],
    ) -> Result<Vec<Signed>, Error> {
        let scheme = self.signer.public_key().key_type().usual_scheme();
        let mut seen = HashSet::new();
        let mut signed = Vec::new();
        for ((plan, profile), reservation) in plans.zip(profiles).zip(reserved) {
            let Reserved::Planned { serial, to_be_signed } = reservation else { continue };
            if seen.insert(serial) {
                let differs = || Error::PlanDiffers { serial: colon_hex(serial) };
                // An earlier plan comes from the disk. What is not for this ask goes no further.
                let certificate = match issue::sign(to_be_signed, self.signer.as_ref(), scheme) {
                    Err(x509::Error::Malformed { .. }) => return Err(differs()),
                    signed => signed?,
                };
                let names = Names { subject: certificate.subject().clone(), alt_names: certificate.alt_names()? };
                let is_planned = certificate.serial() == serial
                    && key::Hash::Sha256.digest(certificate.spki()).bytes() == plan.spki_sha256
                    && profile.identity(&names).is_ok_and(|identity| identity == plan.identity)
                    && (*serial == plan.serial || profile.check(&certificate).is_ok());
                if !is_planned {
                    return Err(differs());
                }
                signed.push(Signed { serial: serial.clone(), certificate: certificate.der().to_vec() });
            }
        }
        Ok(signed)
    }

    fn issued(&self, certificate: &[u8]) -> Result<Decision, Error> {
        let leaf = Certificate::from_der(certificate)?;
        let issued_it = |chain: &&Chain| {
            let issuing = chain.leaf();
            issuing.subject() == leaf.issuer() && issuing.public_key().is_ok_and(|key| leaf.is_signed_by(&key))
        };
        let chain = if self.others.is_empty() {
            None
        } else {
            self.others.iter().map(|other| &other.chain).rev().find(issued_it)
        };
        // The generation at work where it made it, since its certificate lasts longest.
        let chain = chain.filter(|_| !issued_it(&&self.chain)).unwrap_or(&self.chain);
        let mut certificates = vec![leaf];
        certificates.extend_from_slice(chain.certificates());
        Ok(Decision::Issued(Chain::new(certificates)?))
    }
}

/// Whether it is not known who is refused.
fn is_strangers(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Unauthorized(why) if why.is_unknown())
}

/// Why what several threads had to write was not written.
fn together(failure: Failure<store::Error>) -> Error {
    match failure {
        Failure::Failed(error) => Error::Together(error),
        Failure::Abandoned => Error::Abandoned,
    }
}

impl Authority for Issuer {
    fn chain(&self) -> &Chain {
        &self.chain
    }

    fn recognise(
        &self,
        profile: &Profile,
        credential: Credential<'_>,
        now: Time,
    ) -> Result<Option<Refusal>, AuthorityError> {
        let limits = self.limits(profile, Occasion::New, credential, now);
        let limits = limits.map_err(|error| AuthorityError(Box::new(error)))?;
        Ok(limits.err().map(Refusal::Unauthorized))
    }

    fn submit(&self, asks: &[Ask<'_>], now: Time) -> Result<Vec<Decision>, AuthorityError> {
        self.decide(asks, now).map_err(|error| AuthorityError(Box::new(error)))
    }
}
