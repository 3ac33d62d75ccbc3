//! A CA for the tests of the codec and the responder.

use crate::key::{KeyType, Signer, SoftwareKey};
use crate::x509::issue::{self, Serial};
use crate::x509::{Certificate, Chain, Name, Names, Profile, ProvenRequest, Request, Time, Wanted, no_expiry};

/// The moment of all tests.
pub fn now() -> Time {
    Time::from_unix_timestamp(1_790_000_000).unwrap()
}

/// A name, as `O=Acme, CN=x`.
pub fn name(text: &str) -> Name {
    Name::new(&Name::parse(text).unwrap()).unwrap()
}

/// A root and an issuing CA.
pub struct Ca {
    pub chain: Chain,
    key: SoftwareKey,
}

impl Ca {
    pub fn new() -> Self {
        let (root_key, key) =
            (SoftwareKey::generate(KeyType::P256).unwrap(), SoftwareKey::generate(KeyType::P256).unwrap());
        let profile = |name| Profile::named(name).unwrap();
        let validity = (now(), no_expiry());
        let names = Names { subject: name("O=Acme, CN=Root"), alt_names: Vec::new() };
        let root = issue::root(&profile("device-root"), &names, &root_key, validity).unwrap();
        let request = request(&profile("device-issuing"), &name("O=Acme, CN=Issuing"), &key);
        let issuing = issue(&profile("device-issuing"), &request, &root, &root_key, no_expiry());
        Self { chain: Chain::new(vec![issuing, root]).unwrap(), key }
    }

    /// A certificate of `profile` for what was asked.
    pub fn issue(&self, profile: &Profile, request: &ProvenRequest) -> Certificate {
        self.issue_until(profile, request, no_expiry())
    }

    /// The same, valid until a time.
    pub fn issue_until(&self, profile: &Profile, request: &ProvenRequest, until: Time) -> Certificate {
        issue(profile, request, self.chain.leaf(), &self.key, until)
    }
}

/// A request for `subject`.
pub fn request(profile: &Profile, subject: &Name, key: &SoftwareKey) -> ProvenRequest {
    let wanted = Wanted { subject: subject.clone(), ..Wanted::default() };
    Request::new(profile, &wanted, key).unwrap().prove().unwrap()
}

fn issue(
    profile: &Profile,
    request: &ProvenRequest,
    issuer: &Certificate,
    key: &SoftwareKey,
    until: Time,
) -> Certificate {
    let wanted = request.request();
    let names = Names { subject: wanted.subject().clone(), alt_names: wanted.alt_names().unwrap() };
    let scheme = key.public_key().key_type().usual_scheme();
    let validity = (now(), until);
    let serial = Serial::new(now()).unwrap();
    let signed = issue::to_be_signed(profile, request, &names, issuer, scheme, serial, validity).unwrap();
    issue::sign(&signed, key, scheme).unwrap()
}

/// Two certificates, issuing CA first.
pub fn certificates() -> Vec<Certificate> {
    Ca::new().chain.certificates().to_vec()
}
