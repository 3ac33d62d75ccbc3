//! Identities for devices: key, request and certificate (P-256, profile idevid) in this process on one thread, beside
//! three openssl processes that do the same, as a factory's script runs them.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use bulla::ca::{Ca, NewCa, NewIssuing, Root};
use bulla::enroll::{Ask, Authority, Credential, Decision, Occasion};
use bulla::key::{KeyType, Signer, SoftwareKey};
use bulla::x509::issue::{self, Serial};
use bulla::x509::{Hierarchy, Name, Profile, ProvenRequest, Request, Time, Variables, Wanted};

mod measure;
use measure::{BULLA, in_turn, run};

const ROUNDS: usize = 9;
/// Devices in one round in process: one slice of the CA's, with one durable plan and one durable result.
const SLICE: usize = 200;
/// Devices in one round of processes.
const FEW: usize = 10;

const EXTENSIONS: &str = "\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
authorityKeyIdentifier = keyid
";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let folder = folder.path();
    let now = Time::now_utc().replace_nanosecond(0)?;
    NewCa {
        name: "Acme",
        hierarchies: &Hierarchy::ALL,
        root: Root::New { profile: None, key_type: KeyType::P256, protection: None },
        issuing: NewIssuing { profile: None, variables: Variables::NONE, key_type: KeyType::P256, protection: None },
    }
    .create(&folder.join("acme"), now)?;
    std::fs::write(folder.join("idevid.ext"), EXTENSIONS)?;
    let (ca, _) = Ca::find(&folder.join("acme"))?;
    let key = || -> Result<SoftwareKey, Failure> { Ok(ca.issuing_key(Hierarchy::Device, None)?.open(None)?) };
    let issuer = ca.issuer(Hierarchy::Device, None, Box::new(key()?))?;
    let bare = Bare { key: key()?, issuing: issuer.chain().leaf().clone(), profile: Profile::named("idevid")? };

    // One number for each device, since a CA gives an identity to one key alone.
    let count = Cell::new(0);
    let next = || count.replace(count.get() + 1);
    let [openssl, commands, durable, unrecorded] = in_turn(
        ROUNDS,
        [
            &mut || (0..FEW).map(|_| with_openssl(folder, next())).sum::<Duration>() / FEW as u32,
            &mut || (0..FEW).map(|_| with_commands(folder, next())).sum::<Duration>() / FEW as u32,
            &mut || each_of(SLICE, || submitted(&issuer, &bare.profile, next, now)),
            &mut || each_of(SLICE, || (0..SLICE).try_for_each(|_| bare.issue(next(), now))),
        ],
    );
    println!("key, request and certificate of one device; median of {ROUNDS} rounds, in turn, one thread");
    println!("{:48} {:>8}  {:>9}  {:>6}", "", "ms", "devices/s", "times");
    for (what, time) in [
        ("three openssl processes, nothing recorded", openssl),
        ("bulla keygen, csr, enroll: recorded and durable", commands),
        ("in process, recorded and durable, slices of 200", durable),
        ("in process, nothing recorded", unrecorded),
    ] {
        let seconds = time.as_secs_f64();
        let times = openssl.as_secs_f64() / seconds;
        println!("{what:48} {:8.3}  {:9.0}  {times:6.1}", seconds * 1e3, seconds.recip());
    }
    Ok(())
}

/// The time that each of `devices` takes when all of them are made by `work`.
fn each_of(devices: usize, work: impl FnOnce() -> Result<(), Failure>) -> Duration {
    let started = Instant::now();
    work().expect("a certificate for each device");
    started.elapsed() / devices as u32
}

fn with_openssl(folder: &Path, device: u32) -> Duration {
    let openssl = |words: String| run(folder, "openssl", &words);
    openssl(format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out o{device}.key"))
        + openssl(format!("req -new -key o{device}.key -subj /serialNumber=SN-{device} -out o{device}.csr"))
        + openssl(format!(
            "x509 -req -in o{device}.csr -CA acme/device/issuing.pem -CAkey acme/device/issuing.key \
             -set_serial {device} -days 36500 -extfile idevid.ext -out o{device}.pem"
        ))
}

fn with_commands(folder: &Path, device: u32) -> Duration {
    let bulla = |words: String| run(folder, BULLA, &words);
    bulla(format!("keygen -o b{device}.key"))
        + bulla(format!("csr b{device}.key --profile idevid --serial SN-{device} -o b{device}.csr"))
        + bulla(format!("enroll b{device}.csr --profile idevid --ca acme -o b{device}.pem"))
}

/// Makes a key and a request, and proves the request.
fn requested(profile: &Profile, device: u32) -> Result<ProvenRequest, Failure> {
    let key = SoftwareKey::generate(KeyType::P256)?;
    let subject = Name::new(&[(Name::SERIAL_NUMBER, format!("SN-{device}"))])?;
    let wanted = Wanted { subject, ..Wanted::default() };
    Ok(Request::new(profile, &wanted, &key)?.prove()?)
}

/// A slice of devices through the CA.
fn submitted(issuer: &impl Authority, profile: &Profile, next: impl Fn() -> u32, now: Time) -> Result<(), Failure> {
    let requests = (0..SLICE).map(|_| requested(profile, next())).collect::<Result<Vec<_>, _>>()?;
    let asks: Vec<Ask<'_>> = requests
        .iter()
        .map(|request| Ask {
            request,
            profile,
            variables: Variables::NONE,
            occasion: Occasion::New,
            validity: None,
            may_outlive: false,
            credential: Credential::Operator,
        })
        .collect();
    let decisions = issuer.submit(&asks, now)?;
    let issued = decisions.iter().all(|decision| matches!(decision, Decision::Issued(_)));
    assert!(issued && decisions.len() == SLICE, "the CA refused a device");
    Ok(())
}

/// A CA without records.
struct Bare {
    key: SoftwareKey,
    issuing: bulla::x509::Certificate,
    profile: Profile,
}

impl Bare {
    fn issue(&self, device: u32, now: Time) -> Result<(), Failure> {
        let request = requested(&self.profile, device)?;
        let scheme = self.key.public_key().key_type().usual_scheme();
        let names = self.profile.names(request.request().subject(), &[], Variables::NONE, None)?;
        let validity = (now, self.profile.not_after(now));
        let to_be_signed =
            issue::to_be_signed(&self.profile, &request, &names, &self.issuing, scheme, Serial::new(now)?, validity)?;
        issue::sign(&to_be_signed, &self.key, scheme)?;
        Ok(())
    }
}
