//! The responder: from a request to the one point where the CA authorises, and back.
//!
//! | status | when |
//! |---|---|
//! | 200 | what was asked for |
//! | 202 | somebody has to approve it: the same request again after `Retry-After` (RFC 7030 section 4.2.3) |
//! | 204 | nothing is wanted in a request (section 4.5.2) |
//! | 400 | the request is malformed, not signed by its key, or has names or a key that the profile does not allow |
//! | 401 | nobody has shown who asks, or with a token that is not known |
//! | 403 | it is known who asks, and this is not for them; a request that is bound to another connection |
//! | 404 | no such operation, or no profile under that label |
//! | 405 | another method |
//! | 413 | a body that is longer than any request |
//! | 415 | a body of another type |
//! | 501 | a key that shall be encrypted in a way that is not served |
//! | 503 | the CA could not decide: why is for the log alone |

use std::sync::{Arc, Mutex, TryLockError};

use const_oid::ObjectIdentifier;

use super::authorization::{Authorization, Unusable};
use super::body::{self, MediaType, Wrapping};
use super::{CsrAttributes, Operation, ServerKey, seal_key, wanted_recipient};
use crate::cms::{self, EnvelopedData};
use crate::enroll::{Ask, Authority, Credential, Decision, Flow, Occasion, Pending, Refusal, Token, Unauthorized};
use crate::files::{from_base64, printable, to_hex};
use crate::key::{self, Digest, Hash, KeyType, PublicKey, SoftwareKey};
use crate::net::{Identity, Method, Peer, Request, Response};
use crate::x509::{self, Certificate, Profile, ProvenRequest, Time, Variables, Wanted, colon_hex};

/// Longest body: a request of the largest size that is read, in base64 with line ends, and as much room again.
const BODY_LIMIT: usize = 3 * x509::REQUEST_LIMIT as usize;

/// Longest reason in an answer, in characters: it may quote the request.
const REASON_LENGTH: usize = 300;

/// Longest subject in a line of the log, in characters.
const SUBJECT_LENGTH: usize = 256;

/// When to ask again where the CA could not decide: what is busy is free within seconds, and what is broken takes longer.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

/// The attribute by which a client asks for its key to be encrypted with a key that both sides have: id-aa-decryptKeyID
/// (RFC 7030 section 4.4.1.1). There is none here.
const SYMMETRIC_DECRYPT_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.37");

/// Says by whom the keys that are made for clients are signed, where they are encrypted: the server's own identity, as it is
/// at the time.
pub type KeySigner = Arc<dyn Fn() -> Identity + Send + Sync>;

/// A profile that is served, and the authority that issues it.
#[derive(Clone)]
pub struct Served {
    /// The profile; its name is the label.
    pub profile: Profile,
    /// Who decides.
    pub authority: Arc<dyn Authority>,
}

/// Answers EST requests.
pub struct Responder {
    served: Vec<Served>,
    requires_binding: bool,
    key_signer: Option<KeySigner>,
    /// Held while an RSA key is made: that takes seconds, and only the CA knows whether who asks may have one.
    making_rsa: Mutex<()>,
}

/// What the log is told.
type Facts = Vec<(&'static str, String)>;

/// What is answered instead of what was asked for.
struct Instead {
    status: u16,
    /// The stable code of the reason, for the log.
    code: &'static str,
    /// The reason, for who asked.
    why: String,
    headers: Vec<(&'static str, String)>,
    facts: Facts,
}

impl Instead {
    fn new(status: u16, code: &'static str, why: impl Into<String>) -> Self {
        Self { status, code, why: why.into(), headers: Vec::new(), facts: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Nobody is told why, but the log.
    fn failed(code: &'static str, error: &dyn std::error::Error) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            words = format!("{words}: {error}");
            source = error.source();
        }
        let mut failed = Self::busy(code);
        failed.facts.push(("error", words));
        failed
    }

    fn busy(code: &'static str) -> Self {
        let why = "the CA cannot decide now; ask again later";
        Self::new(503, code, why).with("Retry-After", RETRY_AFTER.as_secs().to_string())
    }

    fn pending(pending: &Pending) -> Self {
        let Pending { id, retry_after } = pending;
        let seconds = retry_after.as_millis().div_ceil(1000).max(1);
        let mut instead = Self::new(202, "pending", "the request waits for approval; send it again later")
            .with("Retry-After", seconds.to_string());
        instead.facts.extend(id.map(|id| ("request", id.to_string())));
        instead
    }

    fn refused(refusal: &Refusal) -> Self {
        let refused = Self::new(status(refusal), refusal.code(), refusal.to_string());
        if refused.status != 401 {
            return refused;
        }
        // A field each: strongSwan and libest look for the first word of one.
        refused.with("WWW-Authenticate", "Basic realm=\"bulla\"").with("WWW-Authenticate", "Bearer realm=\"bulla\"")
    }

    fn into_response(self, facts: &mut Facts) -> Response {
        let outcome = match self.status {
            202 => "pending",
            500.. => "failed",
            _ => "refused",
        };
        facts.extend([("outcome", outcome.to_owned()), ("code", self.code.to_owned())]);
        facts.extend(self.facts);
        let why: String = printable(&self.why).chars().take(REASON_LENGTH).collect();
        let response = match self.status {
            // BouncyCastle's client goes on after these, and fails where there is a body that it has not read.
            401 | 202 => Response::new(self.status),
            status => Response::text(status, &why),
        };
        self.headers.into_iter().fold(response, |response, (name, value)| response.with(name, value))
    }
}

/// The status of a refusal: 400 where another request might be granted, 403 where it is this requester, device or
/// certificate that gets none.
fn status(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Unauthorized(why) if why.is_unknown() => 401,
        Refusal::Names { .. }
        | Refusal::KeyType { .. }
        | Refusal::WeakKey { .. }
        | Refusal::NotFinal { .. }
        | Refusal::KeyUnchanged { .. } => 400,
        Refusal::Unauthorized(_)
        | Refusal::ProfileNotServed { .. }
        | Refusal::NoCaBelow { .. }
        | Refusal::IdentityTaken { .. }
        | Refusal::KeyTaken { .. }
        | Refusal::KeyCompromised { .. }
        | Refusal::OnHold { .. }
        | Refusal::OutlivesIssuer { .. }
        | Refusal::NotOurs
        | Refusal::NotRenewable { .. }
        | Refusal::RevokedMeanwhile { .. }
        | Refusal::Disapproved { .. } => 403,
    }
}

/// A request on its way: what came, from whom, and when.
#[derive(Clone, Copy)]
struct Exchange<'a> {
    served: &'a Served,
    request: &'a Request,
    peer: &'a Peer,
    now: Time,
}

impl Responder {
    /// The path under which EST stands (RFC 7030 section 3.2.2).
    pub const PATH: &str = super::PATH;

    /// Serves profiles: each under its name as the label, the first without label too. With `requires_binding` a request must
    /// carry the `tls-exporter` binding of its connection.
    pub fn new(served: Vec<Served>, requires_binding: bool) -> Self {
        Self { served, requires_binding, key_signer: None, making_rsa: Mutex::new(()) }
    }

    /// Encrypts the keys that are made for clients where they ask for it, and signs them before: a client trusts the signer
    /// that leads to what it trusts for its certificates.
    pub fn with_key_signer(self, key_signer: KeySigner) -> Self {
        Self { key_signer: Some(key_signer), ..self }
    }

    /// Answers a request whose path begins with [`Self::PATH`].
    pub fn respond(&self, request: &Request, peer: &Peer, now: Time) -> Response {
        let mut facts = vec![("flow", Flow::Est.to_string())];
        let response = match self.answer(request, peer, now, &mut facts) {
            Ok(response) => response,
            Err(instead) => instead.into_response(&mut facts),
        };
        Response { facts, ..response }
    }

    fn answer(&self, request: &Request, peer: &Peer, now: Time, facts: &mut Facts) -> Result<Response, Instead> {
        let path = request.target.split_once('?').map_or(request.target.as_str(), |(path, _)| path);
        let unknown = || Instead::new(404, "not-found", "there is no such operation, or no profile under that label");
        let path = path.strip_prefix(Self::PATH).ok_or_else(unknown)?;
        let (label, name) = path.rsplit_once('/').map_or((None, path), |(label, name)| (Some(label), name));
        let operation = Operation::ALL.into_iter().find(|operation| operation.name() == name).ok_or_else(unknown)?;
        facts.push(("operation", operation.to_string()));
        let mut served = self.served.iter();
        let served =
            served.find(|served| label.is_none_or(|label| label == served.profile.name)).ok_or_else(unknown)?;
        facts.push(("profile", served.profile.name.clone()));
        if request.method != operation.method() {
            let name = match operation.method() {
                Method::Get => "GET",
                Method::Post => "POST",
            };
            return Err(Instead::new(405, "method", format!("{operation} is asked for by {name}")).with("Allow", name));
        }
        let exchange = Exchange { served, request, peer, now };
        match operation {
            Operation::CaCertificates => exchange.ca_certificates(),
            Operation::CsrAttributes => exchange.csr_attributes(),
            Operation::Enroll => self.enroll(exchange, facts),
            Operation::Reenroll => self.reenroll(exchange, facts),
            Operation::ServerKeygen => self.generate(exchange, facts),
        }
    }

    /// simpleenroll (RFC 7030 section 4.2.1). Where a token and a client certificate are shown, the token decides: it was
    /// given out for this.
    fn enroll(&self, exchange: Exchange<'_>, facts: &mut Facts) -> Result<Response, Instead> {
        let request = exchange.csr(facts)?;
        self.check_binding(&request, exchange.peer, facts)?;
        let authorization = exchange.authorization()?;
        let proven = prove(request)?;
        let claim = proven.public_key().fingerprint();
        let token = authorization.as_ref().map(|shown| token(shown, &claim));
        let credential = exchange.credential(token.as_ref(), &claim, facts);
        let issued = exchange.decide(&proven, credential, Occasion::New, facts)?;
        exchange.certificate(&issued)
    }

    /// simplereenroll (RFC 7030 section 4.2.2). What is renewed is the certificate of the connection, which is the
    /// credential too; a token beside it decides nothing.
    fn reenroll(&self, exchange: Exchange<'_>, facts: &mut Facts) -> Result<Response, Instead> {
        let request = exchange.csr(facts)?;
        self.check_binding(&request, exchange.peer, facts)?;
        exchange.authorization()?;
        let proven = prove(request)?;
        let chain = exchange.peer.certificates.as_slice();
        let Some(certificate) = chain.first() else {
            let why = "a certificate is renewed over a connection that shows it, and no client certificate was shown";
            return Err(Instead::new(403, "no-certificate", why));
        };
        let claim = proven.public_key().fingerprint();
        let credential = exchange.credential(None, &claim, facts);
        let keep_key = certificate.spki() == proven.public_key().spki();
        let occasion = Occasion::Renew { certificate, keep_key };
        let issued = exchange.decide(&proven, credential, occasion, facts)?;
        exchange.certificate(&issued)
    }

    /// serverkeygen (RFC 7030 section 4.4). Of the request only the names count, and the type of its key where that is one
    /// that is made here: its key and its signature MUST be ignored.
    fn generate(&self, exchange: Exchange<'_>, facts: &mut Facts) -> Result<Response, Instead> {
        let request = exchange.csr(facts)?;
        let encryption = self.key_encryption(&request, exchange.peer)?;
        self.check_binding(&request, exchange.peer, facts)?;
        let authorization = exchange.authorization()?;
        let claim = Hash::Sha256.digest(request.spki());
        let token = authorization.as_ref().map(|shown| token(shown, &claim));
        let credential = exchange.credential(token.as_ref(), &claim, facts);
        // The CA says so too, but only of a request with a key: nobody gets one made for nothing.
        if matches!(credential, Credential::Missing { .. }) {
            return Err(Instead::refused(&Refusal::Unauthorized(Unauthorized::Missing)));
        }
        let profile = &exchange.served.profile;
        let key = self.make_key(profile, &request)?;
        let names = |error: x509::Error| Instead::refused(&Refusal::Names { why: error.to_string() });
        let alt_names = request.alt_names().map_err(names)?;
        let wanted = Wanted { subject: request.subject().clone(), alt_names, ..Wanted::default() };
        let own = prove(x509::Request::new(profile, &wanted, &key).map_err(names)?)?;
        let issued = exchange.decide(&own, credential, Occasion::New, facts)?;

        let failed = |error: &dyn std::error::Error| Instead::failed("response", error);
        let message = cms::certs_only(&[issued]).map_err(|error| failed(&error))?;
        let key = key.to_pkcs8().map_err(|error| failed(&error))?;
        let mut boundary = [0; 16];
        key::random(&mut boundary).map_err(|error| failed(&error))?;
        let (boundary, wrapping) = (to_hex(&boundary), exchange.wrapping());
        let (media_type, body) = match encryption {
            None => ServerKey::write(&boundary, &key, &message, wrapping),
            Some((to, by)) => {
                let sealed = seal_key(&key, by.signer(), by.certificates(), to, exchange.now);
                let sealed = sealed.map_err(|error| failed(&error))?;
                ServerKey::write_sealed(&boundary, &sealed, &message, wrapping)
            }
        };
        Ok(Response { body, ..Response::new(200).with("Content-Type", media_type) })
    }

    /// To whom a key shall be encrypted, and by whom it is signed, where that is asked for (RFC 7030 section 4.4.1).
    fn key_encryption<'a>(
        &self,
        request: &x509::Request,
        peer: &'a Peer,
    ) -> Result<Option<(&'a Certificate, Identity)>, Instead> {
        let refuse = |why: String| Instead::new(400, "decrypt-key", why);
        let cannot = |why| Instead::new(501, "key-encryption", why);
        if request.has_attribute(SYMMETRIC_DECRYPT_KEY) {
            return Err(cannot("a key is encrypted here to a certificate alone"));
        }
        let recipient = wanted_recipient(request, peer.certificates.first());
        let Some(recipient) = recipient.map_err(|error| refuse(error.to_string()))? else { return Ok(None) };
        EnvelopedData::accepts(recipient).map_err(|error| refuse(error.to_string()))?;
        let key_signer = self.key_signer.as_ref();
        let key_signer = key_signer.ok_or_else(|| cannot("a key is not encrypted here beyond the connection"))?;
        Ok(Some((recipient, key_signer())))
    }

    /// Makes a key of the type that the request has, or of the first of the profile's that can be made.
    fn make_key(&self, profile: &Profile, request: &x509::Request) -> Result<SoftwareKey, Instead> {
        let allowed = profile.key_types.as_slice();
        let asked = PublicKey::from_spki(request.spki()).ok().map(|key| key.key_type());
        let asked = asked.filter(|asked| allowed.is_empty() || allowed.contains(asked));
        let usual = allowed.is_empty().then_some(KeyType::P256);
        for key_type in asked.into_iter().chain(allowed.iter().copied()).chain(usual) {
            let is_rsa = matches!(key_type, KeyType::Rsa(_));
            let _alone = match is_rsa.then(|| self.making_rsa.try_lock()) {
                None => None,
                Some(Ok(alone)) => Some(alone),
                Some(Err(TryLockError::Poisoned(alone))) => Some(alone.into_inner()),
                Some(Err(TryLockError::WouldBlock)) => return Err(Instead::busy("busy")),
            };
            match SoftwareKey::generate(key_type) {
                Err(key::Error::UnsupportedKey { .. }) => {}
                made => return made.map_err(|error| Instead::failed("key", &error)),
            }
        }
        let why = format!("keys for profile {} are not made here", profile.name);
        Err(Instead::refused(&Refusal::KeyType { why }))
    }

    /// Checks that a request was made for this connection, where its challengePassword says so (RFC 7030 section 3.5): the
    /// base64 of the `tls-exporter` binding (RFC 9266), which has 32 octets. Other values cannot be checked here: the
    /// `tls-unique` of older clients has 12, and other protocols put passwords there.
    fn check_binding(&self, request: &x509::Request, peer: &Peer, facts: &mut Facts) -> Result<(), Instead> {
        let refuse = |why: String| Err(Instead::new(403, "binding", why));
        let shown = request.challenge_password().and_then(from_base64).filter(|shown| shown.len() == 32);
        // Digests are compared, so that the time tells nothing of the values.
        let digest = |bytes: &[u8]| Hash::Sha256.digest(bytes);
        let state = match (shown, peer.binding) {
            (Some(shown), Some(binding)) if digest(&shown) == digest(&binding) => "checked",
            (Some(_), Some(_)) => return refuse("the request is bound to another connection".to_owned()),
            (_, None) if self.requires_binding => {
                return refuse(format!(
                    "a request must be bound to its connection, and {} cannot do that",
                    peer.version
                ));
            }
            (None, _) if self.requires_binding => {
                return refuse("a request must be bound to its connection by a challengePassword".to_owned());
            }
            _ if request.has_challenge_password() => "unchecked",
            _ => "none",
        };
        facts.push(("binding", state.to_owned()));
        Ok(())
    }
}

impl<'a> Exchange<'a> {
    /// The CA's certificates up to the root (RFC 7030 section 4.1.3). Everybody may have them.
    fn ca_certificates(self) -> Result<Response, Instead> {
        let chain = self.served.authority.chain();
        let message = cms::certs_only(chain.certificates()).map_err(|error| Instead::failed("response", &error))?;
        Ok(self.message(MediaType::CERTS_ONLY, &message))
    }

    /// What a request is to bring (RFC 7030 section 4.5). Everybody may know.
    fn csr_attributes(self) -> Result<Response, Instead> {
        let wants_binding = self.peer.binding.is_some();
        let failed = |error: x509::Error| Instead::failed("response", &error);
        let wanted = CsrAttributes::of(&self.served.profile, wants_binding).map_err(failed)?;
        if wanted.is_empty() {
            return Ok(Response::new(204));
        }
        Ok(self.message(MediaType::CSR_ATTRIBUTES, &wanted.to_der().map_err(failed)?))
    }

    /// The issued certificate, and no other (RFC 7030 section 4.2.3).
    fn certificate(self, issued: &Certificate) -> Result<Response, Instead> {
        let message = cms::certs_only(std::slice::from_ref(issued));
        Ok(self.message(MediaType::CERTS_ONLY, &message.map_err(|error| Instead::failed("response", &error))?))
    }

    fn message(self, media_type: &str, bytes: &[u8]) -> Response {
        let response = Response::new(200).with("Content-Type", media_type).with("Content-Transfer-Encoding", "base64");
        Response { body: self.wrapping().encode(bytes), ..response }
    }

    /// How the peer reads base64.
    fn wrapping(self) -> Wrapping {
        match self.request.method {
            Method::Get => Wrapping::for_agent(self.request.headers.get("User-Agent")),
            Method::Post => Wrapping::of(&self.request.body),
        }
    }

    /// The PKCS#10 request in the body, not proven yet.
    fn csr(self, facts: &mut Facts) -> Result<x509::Request, Instead> {
        let media_type = MediaType::parse(self.request.headers.get("Content-Type").unwrap_or_default());
        if !media_type.is(MediaType::REQUEST) || self.request.headers.count("Content-Type") > 1 {
            return Err(Instead::new(415, "media-type", format!("a body of type {} is expected", MediaType::REQUEST)));
        }
        if self.request.body.len() > BODY_LIMIT {
            return Err(Instead::new(413, "too-large", "the body is longer than any request"));
        }
        let der = body::decode(&self.request.body).map_err(|error| Instead::new(400, "body", error.to_string()))?;
        let request = x509::Request::from_der(&der);
        let request = request.map_err(|error| Instead::new(400, "request", error.to_string()))?;
        facts.push(("subject", request.subject().to_string().chars().take(SUBJECT_LENGTH).collect()));
        Ok(request)
    }

    fn authorization(self) -> Result<Option<Authorization>, Instead> {
        Authorization::read(&self.request.headers).map_err(|unusable| match unusable {
            Unusable::Malformed(why) => Instead::new(400, "authorization", why),
            Unusable::Scheme => Instead::refused(&Refusal::Unauthorized(Unauthorized::Missing)),
        })
    }

    /// By what right it is asked: the token, else the certificate of the connection.
    fn credential<'t>(self, token: Option<&'t Token<'t>>, request: &'t Digest, facts: &mut Facts) -> Credential<'t>
    where
        'a: 't,
    {
        let (name, credential) = match (token, self.peer.certificates.as_slice()) {
            (Some(token), _) => ("token", Credential::Token(token)),
            (None, []) => ("none", Credential::Missing { flow: Flow::Est }),
            (None, chain) => ("certificate", Credential::Certificate { flow: Flow::Est, chain, request }),
        };
        facts.push(("credential", name.to_owned()));
        credential
    }

    /// Asks the CA.
    fn decide(
        self,
        request: &ProvenRequest,
        credential: Credential<'_>,
        occasion: Occasion<'_>,
        facts: &mut Facts,
    ) -> Result<Certificate, Instead> {
        let Served { profile, authority } = self.served;
        let ask = Ask {
            request,
            profile,
            variables: Variables::NONE,
            occasion,
            validity: None,
            may_outlive: false,
            credential,
        };
        let decisions = authority.submit(std::slice::from_ref(&ask), self.now);
        match decisions.map_err(|error| Instead::failed("authority", &error))?.into_iter().next() {
            Some(Decision::Issued(chain)) => {
                let issued = chain.leaf();
                facts.extend([("outcome", "issued".to_owned()), ("serial", colon_hex(issued.serial()))]);
                Ok(issued.clone())
            }
            Some(Decision::Pending(pending)) => Err(Instead::pending(&pending)),
            Some(Decision::Refused(refusal)) => Err(Instead::refused(&refusal)),
            None => Err(Instead::busy("no-decision")),
        }
    }
}

/// A request that is signed by the key that it is for.
fn prove(request: x509::Request) -> Result<ProvenRequest, Instead> {
    request.prove().map_err(|error| Instead::new(400, "proof", format!("the request does not prove its key: {error}")))
}

/// The token as the CA takes it, with the SHA-256 of the public key in the request as it came.
fn token<'a>(shown: &'a Authorization, request: &Digest) -> Token<'a> {
    Token { flow: Flow::Est, secret: &shown.secret, user: shown.user.as_deref(), request: request.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enroll::est::tests::{name, request};

    #[test]
    fn one_rsa_key_is_made_at_a_time() {
        let toml = "schema = \"bulla.profile/1\"\nname = \"long\"\nextends = \"ldevid\"\nkey-types = [\"rsa2048\"]";
        let (long, any) = (Profile::from_toml(toml).unwrap(), Profile::named("ldevid").unwrap());
        let key = SoftwareKey::generate(KeyType::Ed25519).unwrap();
        let request = request(&any, &name("CN=SN-1"), &key);
        let responder = Responder::new(Vec::new(), false);
        let made = |profile| {
            let made = responder.make_key(profile, request.request());
            made.map(|key| key::Signer::public_key(&key).key_type()).map_err(|instead| (instead.status, instead.code))
        };
        let held = responder.making_rsa.lock().unwrap();
        assert_eq!(made(&long), Err((503, "busy")));
        assert_eq!(made(&any), Ok(KeyType::Ed25519), "others are made meanwhile");
        drop(held);
        assert_eq!(made(&long), Ok(KeyType::Rsa(2048)));
    }
}
