//! What a CA answers over the network: routes to each protocol, its revocation lists, and whether it is well.
//!
//! ```text
//! /.well-known/est/...   EST                                        RFC 7030 section 3.2.2
//! /crl/ISSUER.crl        the list of issuer `device` or `firmware`  DER, RFC 2585 section 4.2
//! /healthz               200 where the CA could issue now, else 503
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use time::Duration;

use super::{Error, Issuer};
use crate::enroll::est;
use crate::enroll::{Ask, Credential, Decision, Occasion};
use crate::key::{KeyType, SoftwareKey};
use crate::net::{Identity, Method, Peer, Request, Response, Service};
use crate::store::{Filter, State};
use crate::x509::{self, AltName, Certificate, Name, Profile, Time, Variables, Wanted};

/// For how long a list that was made is given out: whoever asks learns of a revocation within that time, and no stranger
/// makes the CA sign and record more than six lists an hour.
const LIST_AGE: Duration = Duration::minutes(10);

/// For how long a list is valid: a client that reaches the CA no more has a week, as by `ca crl`.
const LIST_VALIDITY: Duration = Duration::days(7);

/// Tells the time, in whole seconds.
pub type Clock = fn() -> Time;

/// The service behind a CA's listener.
pub struct Listener {
    est: est::Responder,
    lists: Vec<List>,
    clock: Clock,
}

/// The revocation list of one issuer.
struct List {
    issuer: Arc<Issuer>,
    /// The numbers of the generations that have the key at work.
    generations: Vec<u32>,
    last: Mutex<Option<(Time, Vec<u8>)>>,
}

impl Listener {
    /// Takes the responder of each protocol, and the issuers whose lists are given out.
    pub fn new(est: est::Responder, issuers: &[Arc<Issuer>], clock: Clock) -> Self {
        let list =
            |issuer: &Arc<Issuer>| List { generations: issuer.of_one_key(), issuer: issuer.clone(), last: None.into() };
        Self { est, lists: issuers.iter().map(list).collect(), clock }
    }

    fn health(&self, now: Time) -> Response {
        match self.lists.iter().try_for_each(|list| list.issuer.check_clock(now)) {
            Ok(()) => Response::text(200, "ok"),
            Err(error) => Response::text(503, "the CA cannot issue").fact("error", error.to_string()),
        }
    }

    fn list(&self, name: &str, now: Time) -> Response {
        let found = self.lists.iter().find(|list| name.strip_suffix(".crl") == Some(list.issuer.hierarchy().name()));
        let Some(list) = found else { return Response::text(404, "there is no such list") };
        match list.der(now) {
            Ok(der) => Response::new(200).with("Content-Type", "application/pkix-crl").body(der),
            Err(error) => Response::text(503, "the list cannot be made").fact("error", error.to_string()),
        }
    }
}

impl List {
    /// The list, made anew where the last one is too old.
    fn der(&self, now: Time) -> Result<Vec<u8>, Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((made, der)) if (*made..made.saturating_add(LIST_AGE)).contains(&now) => Ok(der.clone()),
            _ => {
                let next_update = now.saturating_add(LIST_VALIDITY);
                let list = self.issuer.revocation_list(&self.generations, now, next_update)?;
                Ok(last.insert((now, list.der)).1.clone())
            }
        }
    }
}

impl Service for Listener {
    fn respond(&self, request: &Request, peer: &Peer) -> Response {
        let now = (self.clock)();
        let path = request.target.split('?').next().unwrap_or_default();
        if path.starts_with(est::Responder::PATH) {
            return self.est.respond(request, peer, now);
        }
        let response = match (path, path.strip_prefix("/crl/")) {
            ("/healthz", _) => self.health(now),
            (_, Some(name)) => self.list(name, now),
            _ => return Response::text(404, "there is nothing here"),
        };
        if request.method == Method::Get { response } else { Response::new(405).with("Allow", "GET") }
    }
}

/// For how long the listener's own certificate is valid: its key lives in memory alone, and a new one is made at each start
/// and well before its end.
const OWN_VALIDITY: Duration = Duration::days(30);

/// How long before its end the listener's own certificate is replaced: a CA that cannot issue for some days stays reachable.
const OWN_MARGIN: Duration = Duration::days(10);

/// Whether a listener's own certificate is to be replaced.
pub fn is_due(certificate: &Certificate, now: Time) -> bool {
    let lifetime = certificate.not_after() - certificate.not_before();
    now >= certificate.not_after().saturating_sub(OWN_MARGIN.min(lifetime / 3))
}

/// Makes a key for the listener itself and has it certified by the CA, as a server of these names.
pub fn own_identity(issuer: &Issuer, names: &[AltName], now: Time) -> Result<Identity, Error> {
    let profile = Profile::named("tls-server")?;
    let key = SoftwareKey::generate(KeyType::P256)?;
    let wanted = Wanted { subject: Name::empty(), alt_names: names.to_vec(), ..Wanted::default() };
    let request = x509::Request::new(&profile, &wanted, &key)?.prove()?;
    let identity = profile.identity(&profile.names(&Name::empty(), names, Variables::NONE, None)?)?;
    // The one of the last start stays valid until its end: another listener of that name may still show it.
    let filter = Filter {
        issuer: Some(issuer.hierarchy().name().to_owned()),
        profile: Some(profile.name.clone()),
        identity: Some(identity),
        state: Some((State::Issued, now.unix_timestamp())),
        ..Filter::default()
    };
    let last = issuer.reader().list(&filter, None, 1)?.pop().and_then(|record| record.certificate);
    let last = last.map(|der| Certificate::from_der(&der)).transpose()?;
    // Of the same names it is renewed, of others superseded.
    let occasion = match &last {
        None => Occasion::New,
        Some(last) if last.alt_names()? == names => Occasion::Renew { certificate: last, keep_key: false },
        Some(_) => Occasion::Supersede(x509::Reason::Superseded),
    };
    let validity = Some(OWN_VALIDITY.min(issuer.certificate().not_after() - now));
    let ask = Ask {
        request: &request,
        profile: &profile,
        variables: Variables::NONE,
        occasion,
        validity,
        may_outlive: false,
        credential: Credential::Operator,
    };
    match issuer.decide(std::slice::from_ref(&ask), now)?.pop() {
        Some(Decision::Issued(chain)) => Ok(Identity::new(chain.without_root().to_vec(), Arc::new(key))?),
        Some(Decision::Refused(refusal)) => Err(Error::OwnCertificate { refusal: Some(refusal) }),
        Some(Decision::Pending(_)) | None => Err(Error::OwnCertificate { refusal: None }),
    }
}
