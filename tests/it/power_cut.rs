//! The server killed in the middle of a thousand enrollments: no serial number comes twice, and each device ends with one
//! valid certificate.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bulla::ca::{Ca, NewToken};
use bulla::cms;
use bulla::enroll::Flow;
use bulla::files::{from_base64, to_base64};
use bulla::key::{KeyType, Signer, SoftwareKey};
use bulla::x509::{Certificate, Hierarchy, Name, Profile, Request, Time, Wanted};
use serde_json::Value;

use crate::harness::Lab;
use crate::serving::{Dialer, Serving};

const DEVICES: usize = 1000;
const CLIENTS: usize = 16;

/// After how many enrollments the server is killed.
const KILLS: [usize; 4] = [50, 300, 555, 800];

struct Device {
    spki: Vec<u8>,
    body: String,
    token: String,
}

impl Device {
    /// Asks once; `None` where the server is not there, or goes away.
    fn enroll(&self, dialer: &Dialer) -> Option<Certificate> {
        let fields = format!("Content-Type: application/pkcs10\r\nAuthorization: Bearer {}\r\n", self.token);
        let line = "POST /.well-known/est/simpleenroll";
        let (status, body) = dialer.dial()?.try_ask(line, &fields, self.body.as_bytes())?;
        assert_eq!(status, 200, "{body}");
        let mut found = cms::SignedData::certificates_only(&from_base64(body.trim().as_bytes()).unwrap()).unwrap();
        assert_eq!(found.len(), 1);
        Some(found.remove(0))
    }
}

fn devices(lab: &Lab) -> Vec<Device> {
    let (ca, _) = Ca::find(&lab.path("acme")).unwrap();
    let signer = ca.issuing_key(Hierarchy::Device, None).unwrap().open(None).unwrap();
    let issuer = ca.issuer(Hierarchy::Device, None, Box::new(signer)).unwrap();
    let profile = Profile::named("idevid").unwrap();
    let now = Time::now_utc().replace_nanosecond(0).unwrap();
    let device = |number: usize| {
        let serial = format!("SN-{number:04}");
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let subject = Name::new(&[(Name::SERIAL_NUMBER, &serial)]).unwrap();
        let request = Request::new(&profile, &Wanted { subject, ..Wanted::default() }, &key).unwrap();
        let new = NewToken {
            flow: Flow::Est,
            profile: &profile,
            device: &serial,
            names: &[],
            lifetime: time::Duration::hours(1),
            uses: 1,
        };
        let (secret, _) = issuer.new_token(&new, now).unwrap();
        let (spki, body) = (key.public_key().spki().to_vec(), to_base64(request.der()));
        Device { spki, body, token: secret.as_str().to_owned() }
    };
    (0..DEVICES).map(device).collect()
}

#[test]
fn a_server_that_is_killed_issues_nothing_twice_and_loses_nothing() {
    let lab = Lab::new();
    lab.bulla("ca init acme --name Acme --no-passphrase").ok();
    let devices = devices(&lab);
    let mut serving = Serving::start(&lab, "--serve-profile idevid");
    let port = serving.address.port();
    let dialer = Dialer::new(&lab, serving.address, None);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let certificates: Vec<Certificate> = std::thread::scope(|scope| {
        let client = || {
            let mut enrolled = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(device) = devices.get(number) else { return enrolled };
                // Nobody waits for ever: the test's own timeout would say less.
                let tries = std::iter::repeat_with(|| {
                    let found = device.enroll(&dialer);
                    if found.is_none() {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    found
                });
                let certificate = tries.take(1500).flatten().next().expect("the server came back");
                done.fetch_add(1, Ordering::Relaxed);
                enrolled.push((number, certificate));
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        for after in KILLS {
            while done.load(Ordering::Relaxed) < after {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(done.load(Ordering::Relaxed) < DEVICES, "the kill came too late");
            serving.kill();
            serving = Serving::start_at(&lab, port, "--serve-profile idevid");
        }
        let mut enrolled: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        enrolled.sort_by_key(|(number, _)| *number);
        enrolled.into_iter().map(|(_, certificate)| certificate).collect()
    });
    assert_eq!(certificates.len(), DEVICES);
    let serials: BTreeSet<&[u8]> = certificates.iter().map(Certificate::serial).collect();
    assert_eq!(serials.len(), DEVICES, "a serial number came twice");
    for (number, (device, certificate)) in devices.iter().zip(&certificates).enumerate() {
        assert_eq!(certificate.spki(), device.spki);
        assert_eq!(certificate.subject().values(Name::SERIAL_NUMBER), [format!("SN-{number:04}")]);
    }
    // Whoever asks once more gets the same.
    for (device, certificate) in devices.iter().zip(&certificates).step_by(50) {
        assert_eq!(device.enroll(&dialer).as_ref(), Some(certificate));
    }
    assert_eq!(serving.stop(), Some(0));
    // The records have the same certificates, none planned and never signed, and their own proof.
    let listed = lab.bulla("ca list acme --profile idevid --format json").ok();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.len(), DEVICES);
    assert!(listed.iter().all(|record| record["state"] == "issued"), "{listed:?}");
    lab.bulla("ca audit acme").ok();
    // An outside hand on one of them.
    lab.write("one.pem", certificates[DEVICES - 1].to_pem());
    lab.judge("openssl verify -CAfile acme/device/root.pem -untrusted acme/device/issuing.pem one.pem").ok();
}
