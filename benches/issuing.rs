//! Certificates that the CA issues in a second, each recorded, signed and durable: by one process and by eight at one CA
//! folder, in slices of 1, 64 and 1,024, with few and with many on record; then what it takes to list, audit and revoke
//! them. Beside it what the disk allows, and `openssl ca`. Goals: with 3 million on record at least half of the rate
//! with 10 thousand, and eight processes together not slower than one.
//!
//! By default with 10 thousand on record; `cargo bench --bench issuing -- --large` goes on to 1 and 3 million, which
//! takes 8 GB of disk and some twenty minutes.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bulla::ca::{Ca, Issuer, NewCa, NewIssuing, Root};
use bulla::enroll::{Ask, Authority, Credential, Decision, Occasion};
use bulla::key::{Hash, KeyType, Signer, SoftwareKey};
use bulla::store::{Cursor, Filter, Ledger, Plan, Right, Signed, SqliteStore, Standing, State, Store};
use bulla::x509::issue;
use bulla::x509::{Certificate, Hierarchy, Name, Profile, ProvenRequest, Reason, Request, Time, Variables, Wanted};

mod measure;
use measure::{BULLA, in_turn, run};

type Failure = Box<dyn std::error::Error>;
type Outcome<T = ()> = Result<T, Failure>;

const ROUNDS: usize = 3;
/// Requests in a slice, and slices in one round, shared by the processes.
const SLICES: [(usize, usize); 3] = [(1, 240), (64, 48), (1024, 8)];
const PROCESSES: [usize; 2] = [1, 8];
const SMALL: u64 = 10_000;
const LARGE: [u64; 3] = [SMALL, 1_000_000, 3_000_000];
/// The time of the first certificate. The clock of this bench goes on by an hour with each [`FILLED`] certificates.
const START: i64 = 1_790_000_000;
/// Certificates that are filled in at once.
const FILLED: u64 = 10_000;
/// One in so many is of another profile, and one in so many is revoked.
const RARE: u64 = 100;
const REVOKED: u64 = 30;
/// Certificates in a page of a listing, as `bulla ca list` asks for them.
const PAGE: usize = 500;
/// How long bare inserts are run in each round, and `openssl ca` in each way.
const RAW: Duration = Duration::from_millis(500);
const BASELINE: Duration = Duration::from_secs(2);

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => bench(&[SMALL]),
        ["--large"] => bench(&LARGE),
        ["worker", folder, slice, slices, first, now] => {
            work(Path::new(folder), slice.parse()?, slices.parse()?, first.parse()?, time(now.parse()?)?)
        }
        _ => Err("usage: issuing [--large]".into()),
    }
}

fn bench(sizes: &[u64]) -> Outcome {
    // Not in memory, as /tmp may be.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let folder = folder.path();
    let acme = folder.join("acme");
    NewCa {
        name: "Acme",
        hierarchies: &[Hierarchy::Device],
        root: Root::New { profile: None, key_type: KeyType::P256, protection: None },
        issuing: NewIssuing { profile: None, variables: Variables::NONE, key_type: KeyType::P256, protection: None },
    }
    .create(&acme, time(START)?)?;
    openssl_ca(folder)?;
    let template = Template::new(&acme, time(START)?)?;
    let mut devices = Devices { first: 1_000_000_000 };
    let mut filled = 0;
    for rows in sizes.iter().copied() {
        let started = Instant::now();
        template.fill(&acme, filled..rows)?;
        println!();
        println!(
            "{rows} certificates on record: {} MiB, filled in {:.0} s",
            acme.join("ca.db").metadata()?.len() >> 20,
            started.elapsed().as_secs_f64()
        );
        run(folder, "sync", "");
        rates(folder, rows, &mut devices)?;
        revoke(&acme, filled..rows)?;
        records(folder, rows)?;
        filled = rows;
    }
    Ok(())
}

fn time(seconds: i64) -> Outcome<Time> {
    Ok(Time::from_unix_timestamp(seconds)?)
}

/// The bench's clock when so many are filled in.
fn clock(rows: u64) -> Outcome<Time> {
    time(START + (rows / FILLED * 3600) as i64)
}

fn issuer(folder: &Path) -> Outcome<Issuer> {
    let ca = Ca::find(folder)?.0;
    let key = ca.issuing_key(Hierarchy::Device, None)?.open(None)?;
    Ok(ca.issuer(Hierarchy::Device, None, Box::new(key))?)
}

/// Numbers for devices that were never asked for.
struct Devices {
    first: u64,
}

impl Devices {
    fn take(&mut self, count: usize) -> u64 {
        let first = self.first;
        self.first += count as u64;
        first
    }
}

/// The table of rates with so many on record.
fn rates(folder: &Path, rows: u64, devices: &mut Devices) -> Outcome {
    let mut table = PROCESSES.map(|_| SLICES.map(|_| Vec::new()));
    let mut peak = 0;
    let mut raw = Vec::new();
    for _ in 0..ROUNDS {
        raw.push(raw_inserts(folder)?);
        for (processes, row) in PROCESSES.into_iter().zip(&mut table) {
            for ((slice, slices), rates) in SLICES.into_iter().zip(row) {
                // What is issued here is not to be counted among the few: each measures a copy of its own.
                let ca = if rows == SMALL { "copy" } else { "acme" };
                if rows == SMALL {
                    run(folder, "cp", "-r acme copy");
                    run(folder, "sync", "");
                }
                let first = devices.take(slice * slices);
                let (rate, memory) = rate(&folder.join(ca), processes, slice, slices, first, clock(rows)?)?;
                rates.push(rate);
                peak = peak.max(memory);
                if rows == SMALL {
                    std::fs::remove_dir_all(folder.join(ca))?;
                }
            }
        }
    }
    let slices = SLICES.map(|(slice, _)| format!("{slice:>8}")).concat();
    println!("  issues a second, durable, in slices of {slices}    (median of {ROUNDS} rounds)");
    for (processes, row) in PROCESSES.into_iter().zip(table) {
        let row = row.map(|rates| format!("{:8.0}", median(rates)));
        let what = if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes together") };
        println!("  {what:38} {}", row.concat());
    }
    println!("  {:38} {:8.0}", "bare rows into SQLite, each durable", median(raw));
    let cache = SqliteStore::CACHE_KIB >> 10;
    println!("  peak memory of a process {:.0} MiB, its page cache at most {cache} MiB", f64::from(peak) / 1024.0);
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Issues a second of so many processes together, and the most memory that one of them had, in KiB.
fn rate(ca: &Path, processes: usize, slice: usize, slices: usize, first: u64, now: Time) -> Outcome<(f64, u32)> {
    let mut workers = Vec::new();
    for process in 0..processes {
        let each = slices / processes;
        let mut worker = Command::new(std::env::current_exe()?);
        worker.arg("worker").arg(ca);
        worker.args([slice, each].map(|number| number.to_string()));
        worker.args([(first + (process * slice * each) as u64).to_string(), now.unix_timestamp().to_string()]);
        let mut worker: Child = worker.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = worker.stdin.take().ok_or("a worker without input")?;
        let output = BufReader::new(worker.stdout.take().ok_or("a worker without output")?);
        workers.push((worker, input, output));
    }
    // Each says when its requests are made, and all start together.
    for (_, _, output) in &mut workers {
        output.read_line(&mut String::new())?;
    }
    let started = Instant::now();
    for (_, input, _) in &mut workers {
        input.write_all(b"go\n")?;
    }
    let mut peak = 0;
    for (_, _, output) in &mut workers {
        let mut line = String::new();
        output.read_line(&mut line)?;
        peak = peak.max(line.trim().parse().map_err(|_| "a worker failed")?);
    }
    let took = started.elapsed();
    for (mut worker, input, _) in workers {
        drop(input);
        worker.wait()?;
    }
    Ok(((slice * slices) as f64 / took.as_secs_f64(), peak))
}

/// What a worker does: requests first, then the issues. It says when each is done.
fn work(folder: &Path, slice: usize, slices: usize, first: u64, now: Time) -> Outcome {
    let issuer = issuer(folder)?;
    let profile = Profile::named("idevid")?;
    let devices = first..first + (slice * slices) as u64;
    let requests = devices.map(|device| request(&profile, device)).collect::<Outcome<Vec<_>>>()?;
    let asks: Vec<Ask<'_>> = requests.iter().map(|request| ask(request, &profile)).collect();
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    for asks in asks.chunks(slice) {
        let decisions = issuer.submit(asks, now)?;
        let issued = decisions.iter().all(|decision| matches!(decision, Decision::Issued(_)));
        assert!(issued && decisions.len() == slice, "the CA refused a device");
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    println!("{}", peak.unwrap_or("0"));
    Ok(())
}

fn request(profile: &Profile, device: u64) -> Outcome<ProvenRequest> {
    let key = SoftwareKey::generate(KeyType::P256)?;
    let subject = Name::new(&[(Name::SERIAL_NUMBER, format!("SN-{device:010}"))])?;
    let wanted = Wanted { subject, ..Wanted::default() };
    Ok(Request::new(profile, &wanted, &key)?.prove()?)
}

fn ask<'a>(request: &'a ProvenRequest, profile: &'a Profile) -> Ask<'a> {
    Ask {
        request,
        profile,
        variables: Variables::NONE,
        occasion: Occasion::New,
        validity: None,
        may_outlive: false,
        credential: Credential::Operator,
    }
}

/// A certificate that the CA issued, from which others are made by putting other bytes in: what is filled in has the
/// size and the order of what is issued, but its keys are noise, and behind the first [`SMALL`] its signatures too.
struct Template {
    profile: Profile,
    certificate: Certificate,
    device: u64,
}

impl Template {
    fn new(ca: &Path, now: Time) -> Outcome<Self> {
        let profile = Profile::named("idevid")?;
        let device = 9_999_999_999;
        let request = request(&profile, device)?;
        match issuer(ca)?.submit(&[ask(&request, &profile)], now)?.pop() {
            Some(Decision::Issued(chain)) => Ok(Self { certificate: chain.leaf().clone(), device, profile }),
            _ => Err("the CA refused the first device".into()),
        }
    }

    /// The plan of a device and its certificate.
    fn device(&self, device: u64, now: Time, signer: &SoftwareKey) -> (Plan, Signed) {
        let old = &self.certificate;
        let key = &old.spki()[old.spki().len() - 64..];
        let (serial, other_key) = (serial(device), noise::<64>(!device));
        let names = (name(self.device), name(device));
        let swaps = [(old.serial(), serial.as_slice()), (key, &other_key), (names.0.as_bytes(), names.1.as_bytes())];
        let put = |der: &[u8]| {
            let mut der = der.to_vec();
            for (from, to) in swaps {
                let at = der.windows(from.len()).position(|window| window == from).expect("what the template holds");
                der[at..at + to.len()].copy_from_slice(to);
            }
            der
        };
        let to_be_signed = put(old.to_be_signed());
        let plan = Plan {
            generation: 1,
            profile: if device.is_multiple_of(RARE) { "tls-client".to_owned() } else { self.profile.name.clone() },
            profile_sha256: self.profile.digest().bytes().to_vec(),
            identity: format!("serialNumber={}", names.1),
            spki_sha256: Hash::Sha256.digest(&other_key).bytes().to_vec(),
            serial: serial.to_vec(),
            subject: format!("serialNumber={}", names.1),
            validity: (now, self.profile.not_after(now)),
            to_be_signed,
            standing: Standing::New,
            outlives_issuer: false,
            right: Right::default(),
        };
        let certificate = if device < SMALL {
            let scheme = signer.public_key().key_type().usual_scheme();
            issue::sign(&plan.to_be_signed, signer, scheme).expect("a signature").der().to_vec()
        } else {
            put(old.der())
        };
        let signed = Signed { serial: plan.serial.clone(), certificate };
        (plan, signed)
    }

    fn fill(&self, folder: &Path, devices: std::ops::Range<u64>) -> Outcome {
        let ca = Ca::find(folder)?.0;
        let key = ca.issuing_key(Hierarchy::Device, None)?.open(None)?;
        let ledger = Ledger { issuer: "device", signer: &key };
        let mut store = ca.store()?;
        for first in devices.step_by(FILLED as usize) {
            let now = clock(first)?;
            let (plans, signed): (Vec<_>, Vec<_>) =
                (first..first + FILLED).map(|device| self.device(device, now, &key)).unzip();
            store.reserve(ledger, &plans, Vec::new(), now)?;
            store.complete(&signed)?;
        }
        Ok(())
    }
}

fn name(device: u64) -> String {
    format!("SN-{device:010}")
}

/// The serial number of a device that is filled in.
fn serial(device: u64) -> [u8; 16] {
    // As the CA makes them: the time, then noise.
    let seconds = START as u64 + device / FILLED * 3600;
    let mut serial: [u8; 16] = noise(device);
    serial[..5].copy_from_slice(&(1_u64 << 38 | seconds).to_be_bytes()[3..]);
    serial
}

/// Bytes that look random: Vigna's SplitMix64.
fn noise<const N: usize>(seed: u64) -> [u8; N] {
    let mut bytes = [0; N];
    for (n, bytes) in bytes.chunks_mut(8).enumerate() {
        let mut word = seed.wrapping_mul(16).wrapping_add(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.copy_from_slice(&(word ^ word >> 31).to_be_bytes()[..bytes.len()]);
    }
    bytes
}

/// Revokes some of what was filled in.
fn revoke(ca: &Path, devices: std::ops::Range<u64>) -> Outcome {
    let issuer = issuer(ca)?;
    let serials: Vec<Vec<u8>> =
        devices.clone().step_by(REVOKED as usize).map(|device| serial(device).to_vec()).collect();
    let started = Instant::now();
    for serials in serials.chunks(1000) {
        issuer.revoke(serials, Reason::Superseded, clock(devices.end)?)?;
    }
    let rate = serials.len() as f64 / started.elapsed().as_secs_f64();
    println!("  revoking, in slices of 1000: {rate:.0} a second");
    Ok(())
}

/// What it takes to list, audit and revoke.
fn records(folder: &Path, rows: u64) -> Outcome {
    let acme = folder.join("acme");
    let ca = Ca::find(&acme)?.0;
    let store = RefCell::new(ca.store()?);
    let middle = clock(rows / 2)?.unix_timestamp();
    let after = Cursor { time: middle, id: rows as i64 / 2 };
    let state = |state| Filter { state: Some((state, START)), ..Filter::default() };
    let page = |filter: Filter, after: Option<Cursor>, least: usize| {
        let store = &store;
        move || {
            let started = Instant::now();
            let records = store.borrow_mut().list(&filter, after, PAGE).expect("a page");
            let took = started.elapsed();
            assert!(records.len() >= least, "only {} records", records.len());
            took
        }
    };
    let identity = Some(name(rows / 2 + 1));
    let profile = Some("tls-client".to_owned());
    let times = in_turn(
        9,
        [
            &mut || run(folder, BULLA, &format!("ca list acme --limit {PAGE}")),
            &mut page(Filter::default(), None, PAGE),
            &mut page(Filter::default(), Some(after), PAGE),
            &mut page(Filter { profile: profile.clone(), ..Filter::default() }, None, 100),
            &mut page(Filter { profile, ..Filter::default() }, Some(after), 50),
            &mut page(Filter { identity, ..Filter::default() }, None, 1),
            &mut page(state(State::Revoked), None, 300),
            &mut page(state(State::Revoked), Some(after), 100),
            &mut page(Filter { from: Some(middle), until: Some(middle + 3600), ..Filter::default() }, None, PAGE),
        ],
    );
    let what = [
        "the first page, as a process",
        "the first page",
        "a page from the middle",
        "of a rare profile",
        "the same, from the middle",
        "of an identity",
        "revoked",
        "the same, from the middle",
        "issued within an hour",
    ];
    println!("  listing a page of {PAGE}");
    for (what, time) in what.into_iter().zip(times) {
        println!("    {what:30} {:7.2} ms", time.as_secs_f64() * 1e3);
    }
    if rows == SMALL {
        let started = Instant::now();
        let audited = ca.audit(Hierarchy::Device, None, &mut std::io::sink())??;
        let took = started.elapsed().as_secs_f64();
        let lines = audited.head.extent.count;
        println!("  audit of {lines} lines: {took:.1} s, {:.2} s for 100,000", took * 1e5 / lines as f64);
    }
    let issuer = issuer(&acme)?;
    let now = clock(rows)?;
    let started = Instant::now();
    let list = issuer.revocation_list(&[1], now, now + time::Duration::days(30))?;
    let took = started.elapsed().as_secs_f64();
    println!("  revocation list of {}: {took:.2} s, {} KiB", list.revoked, list.der.len() >> 10);
    Ok(())
}

/// What the disk allows just then: rows of the same size a second, one in each durable commit, into one table.
fn raw_inserts(folder: &Path) -> Outcome<f64> {
    let connection = rusqlite::Connection::open(folder.join("raw.db"))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute("CREATE TABLE IF NOT EXISTS certificate (der BLOB NOT NULL)", [])?;
    let mut insert = connection.prepare("INSERT INTO certificate (der) VALUES (?1)")?;
    let started = Instant::now();
    let mut rows = 0;
    while started.elapsed() < RAW {
        insert.execute([noise::<480>(rows)])?;
        rows += 1;
    }
    Ok(rows as f64 / started.elapsed().as_secs_f64())
}

/// `openssl ca`, one request at a time and 64 in one process, with nothing on record at first. It keeps its records in a
/// text file, which it reads and writes whole each time and does not make durable.
fn openssl_ca(folder: &Path) -> Outcome {
    let profile = Profile::named("idevid")?;
    std::fs::create_dir(folder.join("certs"))?;
    std::fs::write(folder.join("openssl.cnf"), OPENSSL)?;
    std::fs::write(folder.join("serial"), "01\n")?;
    std::fs::write(folder.join("index.txt"), "")?;
    let mut device = 0;
    for slice in [1, 64] {
        let (mut issued, mut took) = (0, Duration::ZERO);
        while took < BASELINE {
            let mut words = "ca -batch -notext -config openssl.cnf -infiles".to_owned();
            for _ in 0..slice {
                let request = request(&profile, device)?;
                let pem = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", request.request().der()));
                std::fs::write(folder.join(format!("{device}.csr")), pem)?;
                words.push_str(&format!(" {device}.csr"));
                device += 1;
            }
            took += run(folder, "openssl", &words);
            issued += slice;
        }
        let rate = f64::from(issued) / took.as_secs_f64();
        println!("openssl ca, {slice} in each process, the records not durable: {rate:.0} certificates a second");
    }
    Ok(())
}

const OPENSSL: &str = "\
[ca]
default_ca = acme
[acme]
database = index.txt
serial = serial
new_certs_dir = certs
certificate = acme/device/issuing.pem
private_key = acme/device/issuing.key
default_md = sha256
default_days = 3650
policy = names
x509_extensions = device
[names]
serialNumber = supplied
[device]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
authorityKeyIdentifier = keyid
";
