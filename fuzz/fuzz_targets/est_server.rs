//! The EST responder as a whole, before a CA that issues, lets wait and refuses. The first line is `METHOD TARGET`; a field
//! `Client` makes the peer one that has shown a certificate.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bulla::enroll::est::{Responder, Served};
use bulla::enroll::{Ask, Authority, AuthorityError, Credential, Decision, Pending, Refusal, Unauthorized};
use bulla::key::Signer;
use bulla::net::{Identity, Method, Peer, Request, TlsVersion};
use bulla::x509::issue::{self, Serial};
use bulla::x509::{Chain, Name, Names, Profile, Time, no_expiry};
use bulla_fuzz::http::{Message, mutate};
use bulla_fuzz::{P256, SIGNER, now, p256};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// A CA of one certificate, which says by the first letter of the common name what becomes of a request.
struct Ca(Chain);

impl Authority for Ca {
    fn chain(&self) -> &Chain {
        &self.0
    }

    fn recognise(&self, _: &Profile, credential: Credential<'_>, _: Time) -> Result<Option<Refusal>, AuthorityError> {
        let is_missing = matches!(credential, Credential::Missing { .. });
        Ok(is_missing.then_some(Refusal::Unauthorized(Unauthorized::Missing)))
    }

    fn submit(&self, asks: &[Ask<'_>], now: Time) -> Result<Vec<Decision>, AuthorityError> {
        asks.iter().map(|ask| self.decide(ask, now)).collect()
    }
}

impl Ca {
    fn decide(&self, ask: &Ask<'_>, now: Time) -> Result<Decision, AuthorityError> {
        let refused = |why| Ok(Decision::Refused(why));
        let failed = |error| AuthorityError(Box::new(error));
        let names = match ask.names(Some(self.0.leaf().subject())) {
            Ok(names) => names,
            Err(error) => return refused(Refusal::Names { why: error.to_string() }),
        };
        let text = names.subject.to_string();
        if text.contains("wait") {
            return Ok(Decision::Pending(Pending { id: Some(1), retry_after: Duration::from_millis(1) }));
        } else if text.contains("fail") {
            return Err(AuthorityError(text.into()));
        } else if text.contains("no") {
            return refused(Refusal::Unauthorized(Unauthorized::OtherName { identity: text.clone(), name: text }));
        }
        let scheme = P256.public_key().key_type().usual_scheme();
        let serial = Serial::new(now).map_err(failed)?;
        let validity = (now, no_expiry());
        let signed = issue::to_be_signed(ask.profile, ask.request, &names, self.0.leaf(), scheme, serial, validity);
        match signed {
            Ok(signed) => {
                let leaf = issue::sign(&signed, &*P256, scheme).map_err(failed)?;
                Chain::new(vec![leaf, self.0.leaf().clone()]).map(Decision::Issued).map_err(failed)
            }
            Err(error) => refused(Refusal::Names { why: error.to_string() }),
        }
    }
}

static RESPONDERS: LazyLock<[Responder; 2]> = LazyLock::new(|| {
    let names = Names { subject: Name::new(&[(Name::COMMON_NAME, "Root")]).expect("a name"), alt_names: Vec::new() };
    let profile = Profile::named("device-root").expect("a profile");
    let root = issue::root(&profile, &names, &*P256, (now(), no_expiry())).expect("a root");
    let ca = Arc::new(Ca(Chain::new(vec![root]).expect("a chain")));
    // Of RSA none is made here: that takes seconds.
    let toml = |name| {
        let key_types = "key-types = [\"p256\", \"ed25519\"]";
        format!("schema = \"bulla.profile/1\"\nname = \"{name}-here\"\nextends = \"{name}\"\n{key_types}")
    };
    [false, true].map(|requires_binding| {
        let served = ["ldevid", "tls-server"]
            .map(|name| Served { profile: Profile::from_toml(&toml(name)).expect("a profile"), authority: ca.clone() });
        let identity = Identity::new(SIGNER.clone(), Arc::new(p256())).expect("an identity");
        Responder::new(served.to_vec(), requires_binding).with_key_signer(Arc::new(move || identity.clone()))
    })
});

fuzz_target!(|bytes: &[u8]| {
    let Some(message) = Message::read(bytes) else { return };
    let Some((method, target)) = message.line.split_once(' ') else { return };
    let method = if method == "POST" { Method::Post } else { Method::Get };
    let certificates = if message.headers.count("Client") > 0 { SIGNER.clone() } else { Vec::new() };
    let peer = Peer { address: None, certificates, version: TlsVersion::V1_3, binding: Some([7; 32]) };
    let body = message.sent().into();
    let request = Request { method, target: target.to_owned(), headers: message.headers, body };
    for responder in &*RESPONDERS {
        let response = responder.respond(&request, &peer, now());
        assert!((200..600).contains(&response.status), "{response:?}");
        assert!(response.status != 500, "{response:?}");
        let is_refused = response.status >= 400;
        assert_eq!(response.headers.count("WWW-Authenticate"), if response.status == 401 { 2 } else { 0 });
        assert!(!is_refused || response.status == 401 || is_line(&response.body), "{response:?}");
        let outcome = response.facts.iter().find(|(name, _)| *name == "outcome").map(|(_, outcome)| outcome.as_str());
        assert!(!is_refused || matches!(outcome, Some("refused" | "failed")), "{outcome:?}");
    }
});

/// Whether a body is one line of text that a terminal shows as it is.
fn is_line(body: &[u8]) -> bool {
    let text = std::str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
    text.is_some_and(|text| text.chars().all(bulla::files::is_printable))
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate(data, size, max_size, seed) });
