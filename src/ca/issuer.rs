//! One issuing CA at work: policy, plan, signature, record.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::Error;
use crate::enroll::{Ask, Authority, AuthorityError, Decision, Refusal};
use crate::key::Signer;
use crate::store::{self, Plan, Reserved, Signed, SqliteStore, Store};
use crate::x509::issue::{self, Serial};
use crate::x509::{self, Certificate, Chain, Hierarchy, Profile, Role, Time, colon_hex, no_expiry, rfc3339};

/// The issuing CA of one hierarchy, with its key and the records.
pub struct Issuer {
    hierarchy: Hierarchy,
    chain: Chain,
    signer: Box<dyn Signer>,
    store: Mutex<SqliteStore>,
}

impl Issuer {
    /// Takes what [`super::Ca::issuer`] has checked to belong together; the chain leads from issuing CA to root.
    pub(super) fn new(hierarchy: Hierarchy, chain: Chain, signer: Box<dyn Signer>, store: SqliteStore) -> Self {
        Self { hierarchy, chain, signer, store: Mutex::new(store) }
    }

    /// The built-in profiles that belong to this hierarchy alone.
    pub fn profiles(hierarchy: Hierarchy) -> impl Iterator<Item = &'static Profile> {
        Profile::built_in()
            .iter()
            .filter(move |profile| profile.hierarchy == Some(hierarchy) && profile.role == Role::Request)
    }

    /// Decides whether an ask may be granted, and plans its certificate. Everything that authorises stands here,
    /// before the signer.
    fn plan(&self, ask: &Ask<'_>, now: Time) -> Result<Result<Plan, Refusal>, x509::Error> {
        let profile = ask.profile;
        if !profile.serves(self.hierarchy) || profile.role != Role::Request {
            let issuer = self.hierarchy.name().to_owned();
            return Ok(Err(Refusal::ProfileNotServed { profile: profile.name.clone(), issuer }));
        }
        let wanted = ask.request.request();
        let granted = wanted.alt_names().and_then(|alt_names| {
            profile.check_key(ask.request.public_key())?;
            let issuer = Some(self.chain.leaf().subject());
            let names = profile.names(wanted.subject(), &alt_names, ask.variables, issuer)?;
            Ok((profile.identity(&names)?, names))
        });
        let (identity, names) = match granted {
            Ok(granted) => granted,
            Err(error) => return Ok(Err(Refusal::Names { why: error.to_string() })),
        };
        let not_after = match ask.validity {
            Some(validity) => now.saturating_add(validity).min(no_expiry()),
            None => profile.not_after(now),
        };
        let issuer_until = self.chain.leaf().not_after();
        if not_after > issuer_until {
            return Ok(Err(Refusal::OutlivesIssuer { until: rfc3339(not_after), issuer_until: rfc3339(issuer_until) }));
        }
        let scheme = self.signer.public_key().key_type().usual_scheme();
        let serial = Serial::random()?;
        let validity = (profile.not_before(now), not_after);
        let issuer = self.chain.leaf();
        let to_be_signed = issue::to_be_signed(profile, ask.request, &names, issuer, scheme, serial, validity)?;
        Ok(Ok(Plan {
            issuer: self.hierarchy.name().to_owned(),
            profile: profile.name.clone(),
            identity,
            spki_sha256: ask.request.public_key().fingerprint().bytes().to_vec(),
            serial: serial.bytes().to_vec(),
            subject: names.subject.to_string(),
            validity: (validity.0.unix_timestamp(), not_after.unix_timestamp()),
            to_be_signed,
        }))
    }

    fn decide(&self, asks: &[Ask<'_>], now: Time) -> Result<Vec<Decision>, Error> {
        let issuing = self.chain.leaf();
        if now < issuing.not_before() || now > issuing.not_after() {
            return Err(Error::Clock { now, from: issuing.not_before(), until: issuing.not_after() });
        }
        let planned: Vec<Result<Plan, Refusal>> =
            asks.iter().map(|ask| self.plan(ask, now)).collect::<Result<_, _>>()?;
        let plans: Vec<Plan> = planned.iter().filter_map(|plan| plan.as_ref().ok()).cloned().collect();
        // A thread that panicked while it held the store left no transaction open: SQLite rolled it back.
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        // From here on every serial number and all bytes to be signed are on disk.
        let reserved = store.reserve(&plans, now.unix_timestamp())?;
        let signed = self.sign_planned(&reserved)?;
        // From here on every certificate is: no one is handed out before.
        let recorded = store.complete(self.hierarchy.name(), &signed)?;
        drop(store);
        let recorded: HashMap<_, _> = signed.into_iter().map(|signed| signed.serial).zip(recorded).collect();
        let mut reserved = reserved.into_iter();
        let mut decide = |plan: Plan| {
            Ok(match reserved.next() {
                Some(Reserved::Issued { certificate }) => self.issued(&certificate)?,
                Some(Reserved::Planned { serial, .. }) => {
                    self.issued(recorded.get(&serial).map(Vec::as_slice).unwrap_or_default())?
                }
                Some(Reserved::IdentityTaken { serial }) => {
                    Decision::Refused(Refusal::IdentityTaken { identity: plan.identity, serial: colon_hex(&serial) })
                }
                Some(Reserved::KeyTaken { identity, serial }) => {
                    Decision::Refused(Refusal::KeyTaken { identity, serial: colon_hex(&serial) })
                }
                None => return Err(Error::Store(store::Error::NotPlanned { serial: colon_hex(&plan.serial) })),
            })
        };
        planned.into_iter().map(|plan| plan.map_or_else(|no| Ok(Decision::Refused(no)), &mut decide)).collect()
    }

    /// Signs what is planned, once for each serial number: a slice may hold the same ask twice.
    fn sign_planned(&self, reserved: &[Reserved]) -> Result<Vec<Signed>, Error> {
        let scheme = self.signer.public_key().key_type().usual_scheme();
        let mut seen = HashSet::new();
        let planned = reserved.iter().filter_map(|reservation| match reservation {
            Reserved::Planned { serial, to_be_signed } => seen.insert(serial).then_some((serial, to_be_signed)),
            _ => None,
        });
        planned
            .map(|(serial, to_be_signed)| {
                let certificate = issue::sign(to_be_signed, self.signer.as_ref(), scheme)?.der().to_vec();
                Ok(Signed { serial: serial.clone(), certificate })
            })
            .collect()
    }

    fn issued(&self, certificate: &[u8]) -> Result<Decision, Error> {
        let mut certificates = vec![Certificate::from_der(certificate)?];
        certificates.extend_from_slice(self.chain.certificates());
        Ok(Decision::Issued(Chain::new(certificates)?))
    }
}

impl Authority for Issuer {
    fn chain(&self) -> &Chain {
        &self.chain
    }

    fn submit(&self, asks: &[Ask<'_>], now: Time) -> Result<Vec<Decision>, AuthorityError> {
        self.decide(asks, now).map_err(|error| AuthorityError(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ca::{Ca, NewCa};
    use crate::enroll::{Direct, Enroller, accept};
    use crate::key::{KeyType, SoftwareKey};
    use crate::x509::{Name, ProvenRequest, Request, Variables, Wanted};

    fn now() -> Time {
        Time::from_unix_timestamp(1_800_000_000).unwrap()
    }

    fn new_ca(folder: &Path) -> Ca {
        let path = folder.join("ca");
        NewCa { name: "Test", key_type: KeyType::P256, passphrase: None }.create(&path, now()).unwrap();
        Ca::find(&path).unwrap().0
    }

    fn issuer(ca: &Ca, hierarchy: Hierarchy) -> Issuer {
        let signer = ca.issuing_key(hierarchy).unwrap().open(None).unwrap();
        ca.issuer(hierarchy, Box::new(signer)).unwrap()
    }

    fn request(key: &SoftwareKey, profile: &Profile, serial: &str) -> ProvenRequest {
        let subject = Name::new(&[(Name::SERIAL_NUMBER, serial), (Name::COMMON_NAME, serial)]).unwrap();
        let wanted = Wanted { subject, ..Wanted::default() };
        Request::new(profile, &wanted, key).unwrap().prove().unwrap()
    }

    fn key() -> SoftwareKey {
        SoftwareKey::generate(KeyType::P256).unwrap()
    }

    fn idevid() -> &'static Profile {
        built_in("idevid")
    }

    fn built_in(name: &str) -> &'static Profile {
        Profile::built_in().iter().find(|profile| profile.name == name).unwrap()
    }

    fn ask(request: &ProvenRequest) -> Ask<'_> {
        Ask { request, profile: idevid(), variables: Variables::NONE, validity: None }
    }

    fn leaf(decision: &Decision) -> &Certificate {
        match decision {
            Decision::Issued(chain) => chain.leaf(),
            Decision::Refused(refusal) => panic!("{refusal}"),
        }
    }

    fn code(decision: &Decision) -> &'static str {
        match decision {
            Decision::Issued(_) => "issued",
            Decision::Refused(refusal) => refusal.code(),
        }
    }

    /// The law of [`Authority`], within a slice and between two processes' lives.
    #[test]
    fn the_same_ask_gets_the_same_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let ca = new_ca(folder.path());
        let (a, b) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "B"));
        let first = issuer(&ca, Hierarchy::Device).submit(&[ask(&a), ask(&b), ask(&a)], now()).unwrap();
        assert_eq!(leaf(&first[0]).der(), leaf(&first[2]).der());
        assert_ne!(leaf(&first[0]).serial(), leaf(&first[1]).serial());
        let later = now() + time::Duration::days(1000);
        let again = issuer(&ca, Hierarchy::Device).submit(&[ask(&b)], later).unwrap();
        assert_eq!(leaf(&first[1]).der(), leaf(&again[0]).der());
    }

    /// After a power cut between plan and signature the plan is signed as it was recorded.
    #[test]
    fn a_plan_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let ca = new_ca(folder.path());
        let issuer = issuer(&ca, Hierarchy::Device);
        let a = request(&key(), idevid(), "A");
        let plan = issuer.plan(&ask(&a), now()).unwrap().unwrap();
        issuer.store.lock().unwrap().reserve(std::slice::from_ref(&plan), now().unix_timestamp()).unwrap();
        let decisions = issuer.submit(&[ask(&a)], now() + time::Duration::days(1)).unwrap();
        assert_eq!(leaf(&decisions[0]).serial(), plan.serial);
        assert_eq!(leaf(&decisions[0]).not_before(), now());
    }

    #[test]
    fn what_policy_forbids_is_refused_and_the_rest_of_the_slice_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let ca = new_ca(folder.path());
        let issuer = issuer(&ca, Hierarchy::Device);
        let (one, two) = (key(), key());
        let firmware = built_in("firmware");
        let requests = [
            request(&one, idevid(), "A"),
            request(&two, idevid(), "A"),
            request(&one, idevid(), "B"),
            request(&two, firmware, "F"),
            request(&two, idevid(), "C"),
        ];
        let mut asks: Vec<Ask<'_>> = requests.iter().map(ask).collect();
        asks[3].profile = firmware;
        let codes: Vec<_> = issuer.submit(&asks, now()).unwrap().iter().map(code).collect();
        assert_eq!(codes, ["issued", "identity-taken", "key-taken", "profile-not-served", "issued"]);
    }

    #[test]
    fn a_clock_outside_the_issuers_time_stops_it() {
        let folder = tempfile::tempdir().unwrap();
        let issuer = issuer(&new_ca(folder.path()), Hierarchy::Device);
        let a = request(&key(), idevid(), "A");
        let error = issuer.submit(&[ask(&a)], Time::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().starts_with("the clock says 1970"), "{error}");
    }

    #[test]
    fn what_comes_back_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let ca = new_ca(folder.path());
        let (a, b) = (request(&key(), idevid(), "A"), request(&key(), idevid(), "B"));
        let device = ca.anchors(Hierarchy::Device).unwrap();
        let enroller = Direct::new(issuer(&ca, Hierarchy::Device), device.clone());
        let chain = enroller.enroll(&ask(&a), now()).unwrap();
        assert!(accept(chain.clone(), &ask(&a), &device, now()).is_ok());
        let text = |error: crate::enroll::Unacceptable| error.to_string();
        assert_eq!(accept(chain.clone(), &ask(&b), &device, now()).map_err(text).unwrap_err(), "it is for another key");
        let firmware = ca.anchors(Hierarchy::Firmware).unwrap();
        assert!(accept(chain.clone(), &ask(&a), &firmware, now()).is_err());
        let mut other_profile = ask(&a);
        other_profile.profile = built_in("tls-client");
        assert!(accept(chain, &other_profile, &device, now()).is_err());
    }
}
