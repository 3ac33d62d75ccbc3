//! What an EST client makes of a response, to whichever operation. The first line is the status.

#![no_main]

use std::sync::Arc;

use bulla::cms::certs_only;
use bulla::enroll::est::{Client, Generated, MediaType, Operation, Wrapping, bootstrap, examine};
use bulla::enroll::{Ask, Credential, Enroller, Error, Flow, Occasion, Outcome};
use bulla::key::Signer;
use bulla::net::{Loopback, Peer, Request, Response, Service, TlsVersion};
use bulla::x509::verify::Anchors;
use bulla::x509::{Name, Profile, Variables, Wanted};
use bulla_fuzz::http::{Message, mutate};
use bulla_fuzz::{P256, ROOT, SIGNER, assert_printable, now};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// A server that answers one operation, or all, with the response of the input.
struct Server {
    response: Response,
    only: Option<Operation>,
}

impl Service for Server {
    fn respond(&self, request: &Request, _: &Peer) -> Response {
        match self.only {
            Some(only) if !request.target.ends_with(only.name()) => {
                let certificates = [SIGNER[1].clone(), ROOT[0].clone()];
                let body = Wrapping::Whole.encode(&certs_only(&certificates).expect("certificates"));
                Response::new(200).with("Content-Type", MediaType::CERTS_ONLY).body(body.to_vec())
            }
            _ => self.response.clone(),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some(message) = Message::read(bytes) else { return };
    let Ok(status @ 200..=599) = message.line.trim().parse() else { return };
    let body = message.sent().into();
    let response = Response { status, headers: message.headers, body, facts: Vec::new() };
    let way = |only| {
        let peer =
            Peer { address: None, certificates: SIGNER.clone(), version: TlsVersion::V1_3, binding: Some([7; 32]) };
        Loopback::new(Arc::new(Server { response: response.clone(), only }), peer)
    };
    let name = || "ca.example".parse().expect("a name");
    let anchors = Anchors::new(ROOT.clone()).expect("an anchor");
    let client = |only| Client::new(Box::new(way(Some(only))), name(), None, Some(anchors.clone()));

    let profile = Profile::named("ldevid").expect("a profile");
    let subject = Name::new(&[(Name::COMMON_NAME, "device")]).expect("a name");
    let wanted = Wanted { subject, ..Wanted::default() };
    let request = bulla::x509::Request::new(&profile, &wanted, &*P256).and_then(bulla::x509::Request::prove);
    let request = request.expect("a request");
    let ask = Ask {
        request: &request,
        profile: &profile,
        variables: Variables::NONE,
        occasion: Occasion::New,
        validity: None,
        may_outlive: false,
        credential: Credential::Missing { flow: Flow::Est },
    };
    let mut fetching = client(Operation::CaCertificates);
    told(fetching.ca_certificates().map(drop), &mut fetching);
    let mut wishing = client(Operation::CsrAttributes);
    told(wishing.wishes().map(drop), &mut wishing);
    let mut enrolling = client(Operation::Enroll);
    match enrolling.enroll(&ask, now()) {
        Ok(Outcome::Issued(chain)) => assert_eq!(chain.leaf().spki(), P256.public_key().spki()),
        Ok(Outcome::Pending(pending)) => assert!((1..=86_400).contains(&pending.retry_after.as_secs())),
        Err(error) => told(Err(error), &mut enrolling),
    }
    let mut generating = client(Operation::ServerKeygen);
    match generating.generate(&ask, None, now()) {
        Ok(Generated::Issued(key, chain)) => assert_eq!(chain.leaf().spki(), key.public_key().spki()),
        Ok(Generated::Pending(_)) => {}
        Err(error) => told(Err(error), &mut generating),
    }
    if let Ok(root) = bootstrap(Box::new(way(None)), name(), None, &ROOT[0].fingerprint()) {
        assert_eq!(root, ROOT[0]);
    }
    let examination = examine(&|_| Box::new(way(None)), None, now()).expect("a server that is reached");
    examination.findings.iter().for_each(|finding| assert_printable(&finding.words));
});

/// What a person is told has to be fit for a terminal.
fn told(result: Result<(), Error>, client: &mut Client) {
    if let Err(error) = result {
        assert_printable(error);
    }
    client.take_notes().iter().for_each(assert_printable);
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate(data, size, max_size, seed) });
