//! Getting a certificate from a CA's server: from what is asked for, over asking until the CA has decided, to files.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use super::Context;
use super::est_url::EstUrl;
use super::obtain::{self, prove};
use super::progress;
use super::remote::{ClientCertificate, RemoteArgs, Secret};
use super::report::Report;
use super::ticket::{Claim, Ticket, TicketFile};
use crate::enroll::est::{self, Client, Generated, KeyRecipient, Operation};
use crate::enroll::{Ask, Credential, Enroller, Flow, Occasion, Outcome, Pending, Token, Wishes};
use crate::files::{Document, Output, printable, shown, shown_output};
use crate::key::{Signer, SoftwareKey};
use crate::x509::{Certificate, Chain, Profile, ProvenRequest, Request, Time, Variables, Wanted, rfc3339};

/// The exit code of a request that the CA decides about later.
const PENDING: u8 = 6;

/// What is asked of a server, and where the answer goes.
pub struct Order<'a> {
    pub url: &'a EstUrl,
    pub profile: &'a Profile,
    pub variables: &'a Variables,
    pub occasion: Occasion<'a>,
    pub source: Source,
    /// What is shown of the client.
    pub identity: Option<ClientCertificate>,
    /// The certificate chain.
    pub output: Output,
    /// The private key, where the server makes it.
    pub key_out: Option<Output>,
    /// To whom that key comes encrypted, which the request says.
    pub key_to: Option<KeyRecipient>,
    /// The roots, where they are fetched.
    pub ca_out: Option<Output>,
}

/// Where the request comes from.
pub enum Source {
    /// It was made elsewhere, and is sent as it is.
    Ready(ProvenRequest),
    /// It is made here, by a key and in these names.
    Made { key: Arc<SoftwareKey>, wanted: Wanted },
}

/// What the server gave: the chain, and the key where it made that.
type Gained = (Chain, Option<SoftwareKey>);

/// Why there is nothing yet.
struct Later {
    ask_again: Time,
}

/// By what right it is asked.
#[derive(Clone, Copy)]
struct Shown<'a> {
    secret: Option<&'a Secret<'a>>,
    certificates: &'a [Certificate],
}

impl Order<'_> {
    /// Asks the server until it has decided, or for as long as is waited; then writes what it gave.
    pub fn obtain(mut self, remote: &RemoteArgs, report: Report, context: &Context) -> anyhow::Result<ExitCode> {
        let deadline = remote.deadline();
        let claim = self.claim();
        let place = TicketFile::beside(self.output.path());
        let held = place.as_ref().map_or(Ok(None), |place| place.find(&claim))?;
        if let (Source::Made { key, .. }, Some(kept)) =
            (&mut self.source, held.as_ref().and_then(|held| held.key.clone()))
        {
            *key = kept;
        }
        let secret = remote.secret()?;
        let report = report.field("server", claim.server.clone());
        // Whoever comes before the time that the server said need not ask.
        if let Some(ticket) = &held
            && let Some(ask_again) = ticket.not_before(context.now)
            && !rests(ask_again, deadline, || progress::waiting(context, ask_again))
        {
            return self.report_later(ask_again, &ticket.request, place.as_ref(), report, context);
        }
        let (identity, chain) =
            self.identity.take().map_or((None, None), |shown| (Some(shown.identity), Some(shown.chain)));
        let certificates = chain.as_ref().map(Chain::certificates).unwrap_or_default();
        let mut client = remote.connect(self.url, identity)?;
        let mut session = Session { order: &self, client: &mut client, place: place.as_ref(), deadline, context };
        let asked = session.ask(Shown { secret: secret.as_ref(), certificates }, held);
        for note in client.take_notes() {
            context.warn(note);
        }
        match asked? {
            (_, Ok(gained)) => self.deliver(gained, &mut client, place.as_ref(), report, context),
            (request, Err(Later { ask_again })) => {
                self.report_later(ask_again, &request, place.as_ref(), report, context)
            }
        }
    }

    fn operation(&self) -> Operation {
        match (&self.key_out, self.occasion) {
            (Some(_), _) => Operation::ServerKeygen,
            (None, Occasion::Renew { .. }) => Operation::Reenroll,
            (None, Occasion::New | Occasion::Supersede(_)) => Operation::Enroll,
        }
    }

    fn claim(&self) -> Claim {
        let operation = self.operation();
        Claim {
            server: self.url.to_string(),
            operation: if self.key_to.is_some() { format!("{operation}, encrypted") } else { operation.to_string() },
            profile: self.profile.name.clone(),
        }
    }

    /// The ticket for a request. The key of a request for a key is made for it alone, and nobody else keeps it.
    fn ticket(&self, request: &ProvenRequest, ask_again: Time) -> Ticket {
        let key = match &self.source {
            Source::Made { key, .. } if self.key_out.is_some() => Some(key.clone()),
            Source::Made { .. } | Source::Ready(_) => None,
        };
        Ticket { claim: self.claim(), request: request.clone(), key, ask_again }
    }

    /// Makes the request as the CA wishes it, or takes the one that is there.
    fn request(&self, wishes: &Wishes) -> anyhow::Result<ProvenRequest> {
        let (key, wanted) = match &self.source {
            Source::Ready(request) => return Ok(request.clone()),
            Source::Made { key, wanted } => (key, wanted),
        };
        let found = key.public_key().key_type();
        // A server that makes the key chooses its type.
        if let Some(wanted) = wishes.key.filter(|wish| self.key_out.is_none() && !wish.takes(found)) {
            return Err(est::Error::KeyType { wanted, found }.into());
        }
        let keeps_names = matches!(self.occasion, Occasion::Renew { .. });
        let wanted = wishes.add_to(wanted.clone(), self.profile, keeps_names)?;
        prove(Request::new(self.profile, &wanted, key.as_ref())?)
    }

    /// The request of a ticket, as far as it is the one that would be made now.
    fn taken_up(
        &self,
        place: &TicketFile,
        ticket: Ticket,
        request: ProvenRequest,
        wishes: &Wishes,
    ) -> anyhow::Result<ProvenRequest> {
        if !ticket.has_names_of(request.request()) {
            return Err(place.refuse(format!("is for {}", ticket.request.request().subject())).into());
        }
        if !ticket.has_key_of(&request) {
            return Err(place.refuse("is for another key").into());
        }
        let is_as_it_was = matches!(self.source, Source::Made { .. }) && wishes.challenge_password.is_none();
        Ok(if is_as_it_was { ticket.request } else { request })
    }

    /// Tells that the CA has not decided yet.
    fn report_later(
        &self,
        ask_again: Time,
        request: &ProvenRequest,
        place: Option<&TicketFile>,
        report: Report,
        context: &Context,
    ) -> anyhow::Result<ExitCode> {
        let at = rfc3339(ask_again);
        let how = match place {
            Some(place) => format!("repeat the command then, which takes up {}", shown(place.path())),
            None => "standard output takes no ticket; repeat the command then, with the same key".to_owned(),
        };
        let output = self.output.path();
        let report = report
            .line(format!("{}: the CA has not decided yet, ask again at {at}", shown_output(output)))
            .line(format!("hint: {how}"))
            .field("pending", true)
            .field("ask_again", at)
            .field("retry_after", (ask_again - clock()).whole_seconds().max(0))
            .field("ticket", place.map(|place| place.path().to_string_lossy().into_owned()))
            .field("output", output.to_string_lossy().into_owned())
            .field("profile", self.profile.name.clone())
            .field("spki_sha256", request.public_key().fingerprint().to_string());
        context.done(report)?;
        Ok(ExitCode::from(PENDING))
    }

    /// Writes what the server gave: the key before the certificate, which is of no use without it.
    fn deliver(
        self,
        (chain, key): Gained,
        client: &mut Client,
        place: Option<&TicketFile>,
        report: Report,
        context: &Context,
    ) -> anyhow::Result<ExitCode> {
        let Self { profile, output, key_out, ca_out, .. } = self;
        let written = output.path().to_owned();
        let mut report = report;
        if let Some(ca_out) = ca_out {
            let pem: String = client.anchors()?.certificates().iter().map(Certificate::to_pem).collect();
            report = report.field("ca_out", ca_out.path().to_string_lossy().into_owned());
            ca_out.write(pem.as_bytes())?;
        }
        if let Some((key_out, key)) = key_out.zip(key) {
            let (kind, pkcs8) = key.to_file(None)?;
            report = report
                .line(format!("{}: private key, {}", shown(key_out.path()), key.public_key().key_type()))
                .field("key_out", key_out.path().to_string_lossy().into_owned());
            key_out.write(Document::to_pem(kind, &pkcs8).as_bytes())?;
        }
        output.write(chain.to_pem().as_bytes())?;
        if let Some(place) = place {
            place.remove()?;
        }
        context.done(obtain::issued(report, &written, profile, &chain))
    }
}

/// An order at work.
struct Session<'a> {
    order: &'a Order<'a>,
    client: &'a mut Client,
    place: Option<&'a TicketFile>,
    deadline: Instant,
    context: &'a Context,
}

impl Session<'_> {
    /// Asks until the CA has decided, or for as long as is waited. Returns the request as it was sent last, too.
    fn ask(
        &mut self,
        shown: Shown<'_>,
        held: Option<Ticket>,
    ) -> anyhow::Result<(ProvenRequest, Result<Gained, Later>)> {
        let mut wishes = self.client.wishes()?;
        let mut request = self.order.request(&wishes)?;
        let unmet = wishes.unmet(request.request());
        if !unmet.is_empty() {
            let unmet = printable(&unmet.join(", "));
            self.context.warn(format!("the CA wants of a request what this one has not: {unmet}"));
        }
        if let (Some(place), Some(ticket)) = (self.place, held) {
            request = self.order.taken_up(place, ticket, request, &wishes)?;
        }
        loop {
            let now = clock();
            let Pending { retry_after, .. } = match self.ask_once(&request, shown, now)? {
                Ok(gained) => return Ok((request, Ok(gained))),
                Err(pending) => pending,
            };
            let ask_again = now.saturating_add(retry_after.try_into().unwrap_or(time::Duration::MAX));
            if let Some(place) = self.place {
                place.write(&self.order.ticket(&request, ask_again))?;
            }
            if !rests(ask_again, self.deadline, || progress::waiting(self.context, ask_again)) {
                return Ok((request, Err(Later { ask_again })));
            }
            // What is bound to a connection is worth nothing on the next one.
            if wishes.challenge_password.is_some() {
                wishes = self.client.wishes()?;
                request = self.order.request(&wishes)?;
            }
        }
    }

    fn ask_once(
        &mut self,
        request: &ProvenRequest,
        shown: Shown<'_>,
        now: Time,
    ) -> anyhow::Result<Result<Gained, Pending>> {
        let Order { profile, variables, occasion, key_out, key_to, .. } = self.order;
        let claim = request.public_key().fingerprint();
        let token = shown.secret.map(|secret| Token {
            flow: Flow::Est,
            secret: &secret.token,
            user: secret.user,
            request: claim.clone(),
        });
        let credential = match &token {
            Some(token) => Credential::Token(token),
            None if shown.certificates.is_empty() => Credential::Missing { flow: Flow::Est },
            None => Credential::Certificate { flow: Flow::Est, chain: shown.certificates, request: &claim },
        };
        let (profile, occasion) = (*profile, *occasion);
        let ask = Ask { request, profile, variables, occasion, validity: None, may_outlive: false, credential };
        Ok(match key_out {
            Some(_) => match self.client.generate(&ask, key_to.as_ref(), now)? {
                Generated::Issued(key, chain) => Ok((chain, Some(*key))),
                Generated::Pending(pending) => Err(pending),
            },
            None => match self.client.enroll(&ask, now)? {
                Outcome::Issued(chain) => Ok((chain, None)),
                Outcome::Pending(pending) => Err(pending),
            },
        })
    }
}

/// The time, which goes on while it is waited.
fn clock() -> Time {
    Time::now_utc()
}

/// Sleeps until a time, where that is before the deadline; tells before.
fn rests(until: Time, deadline: Instant, tell: impl FnOnce()) -> bool {
    let rest = (until - clock()).try_into().unwrap_or_default();
    let is_in_time = Instant::now().checked_add(rest).is_some_and(|end| end <= deadline);
    if is_in_time {
        tell();
        std::thread::sleep(rest);
    }
    is_in_time
}
