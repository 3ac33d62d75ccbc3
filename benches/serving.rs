//! Enrollments at `bulla ca serve`, each a TLS 1.3 connection of its own with a token and a request: how many a second with
//! 1, 16 and 256 clients, beside bare rustls handshakes on the same machine and what the CA issues without network. Goal: at
//! least 70 % of what the two allow together. Then what an idle connection costs the server, and how long an honest client
//! waits while 200 slow ones hang on.
//!
//! Server and clients share the cores, in the bare handshakes too.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bulla::ca::{Ca, Issuer, NewToken, Registrar};
use bulla::enroll::{Ask, Authority, Credential, Decision, Flow, Occasion, Token};
use bulla::files::to_base64;
use bulla::key::{KeyType, SoftwareKey};
use bulla::x509::{Hierarchy, Name, Profile, ProvenRequest, Request, Time, Variables, Wanted};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

mod measure;
use measure::{BULLA, in_turn, run};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failure>;

const CLIENTS: [usize; 3] = [1, 16, 256];
const ROUNDS: usize = 3;
/// Enrollments in a round.
const DEVICES: usize = 768;
const IDLE: usize = 1000;
const SLOW: usize = 200;
const HONEST: usize = 100;

/// A device before it is enrolled.
struct Device {
    request: ProvenRequest,
    token: String,
}

fn issuer(folder: &Path) -> Outcome<Issuer> {
    let (ca, _) = Ca::find(&folder.join("acme"))?;
    let signer = ca.issuing_key(Hierarchy::Device, None)?.open(None)?;
    let registrar = Registrar { profiles: vec!["idevid".to_owned()], vendors: None, approval: false };
    Ok(ca.issuer(Hierarchy::Device, None, Box::new(signer))?.with_registrar(registrar))
}

fn now() -> Outcome<Time> {
    Ok(Time::now_utc().replace_nanosecond(0)?)
}

fn main() -> Outcome {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let folder = folder.path();
    run(folder, BULLA, "ca init acme --name Acme --no-passphrase");
    run(folder, BULLA, "keygen -o tls.key");
    run(folder, BULLA, "enroll --key tls.key --profile tls-server --dns localhost --ca acme -o tls.pem");
    let profile = Profile::named("idevid")?;
    let issuer = issuer(folder)?;
    let mut next = 0;
    let mut devices = |count: usize| {
        let devices = (next..next + count).map(|number| device(&issuer, &profile, number)).collect::<Outcome<Vec<_>>>();
        next += count;
        devices
    };
    let server = Server::start(folder)?;
    println!(
        "{:8} {:>14} {:>14} {:>14} {:>14} {:>6}",
        "clients", "handshakes/s", "issues/s", "together/s", "enrolled/s", "ratio"
    );
    for clients in CLIENTS {
        let devices = RefCell::new(&mut devices);
        let next = || devices.borrow_mut()(DEVICES).expect("devices");
        let [handshakes, issues, enrolled] = in_turn(
            ROUNDS,
            [
                &mut || handshakes(folder, clients).expect("handshakes"),
                &mut || self::issues(&issuer, &profile, &next(), clients).expect("certificates"),
                &mut || enrollments(folder, server.address, &next(), clients).expect("enrollments"),
            ],
        );
        let [handshakes, issues, enrolled] =
            [handshakes, issues, enrolled].map(|time| DEVICES as f64 / time.as_secs_f64());
        let together = 1.0 / (1.0 / handshakes + 1.0 / issues);
        println!(
            "{clients:8} {handshakes:14.0} {issues:14.0} {together:14.0} {enrolled:14.0} {:6.2}",
            enrolled / together
        );
    }
    memory(folder, &server)?;
    latency(folder, &server, &mut devices)
}

fn device(issuer: &Issuer, profile: &Profile, number: usize) -> Outcome<Device> {
    let key = SoftwareKey::generate(KeyType::P256)?;
    let serial = format!("SN-{number:06}");
    let subject = Name::new(&[(Name::SERIAL_NUMBER, &serial)])?;
    let request = Request::new(profile, &Wanted { subject, ..Wanted::default() }, &key)?.prove()?;
    let lifetime = time::Duration::hours(1);
    let new = NewToken { flow: Flow::Est, profile, device: &serial, names: &[], lifetime, uses: 1 };
    let (secret, _) = issuer.new_token(&new, now()?)?;
    Ok(Device { request, token: secret.as_str().to_owned() })
}

/// Does something for each of `count` numbers from many threads at once, and returns how long that took.
fn all(clients: usize, count: usize, work: impl Fn(usize) -> Outcome + Sync) -> Outcome<Duration> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let worker = || -> Outcome {
            loop {
                match next.fetch_add(1, Ordering::Relaxed) {
                    number if number < count => work(number)?,
                    _ => return Ok(()),
                }
            }
        };
        let workers: Vec<_> = (0..clients).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker"))
    })?;
    Ok(started.elapsed())
}

/// Handshakes of rustls with itself, blocking, a thread for each connection, and one octet each way.
fn handshakes(folder: &Path, clients: usize) -> Outcome<Duration> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_file_iter(folder.join("tls.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("tls.key"))?;
    let server = rustls::ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let mut server = server.with_no_client_auth().with_single_cert(chain, key)?;
    server.send_tls13_tickets = 0;
    let server = Arc::new(server);
    let client = client(folder)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().take(DEVICES).map_while(Result::ok) {
            let server = server.clone();
            std::thread::spawn(move || {
                let Ok(connection) = rustls::ServerConnection::new(server) else { return };
                let mut stream = rustls::StreamOwned::new(connection, stream);
                let mut octet = [0];
                let _ =
                    stream.read_exact(&mut octet).and_then(|()| stream.write_all(&octet)).and_then(|()| stream.flush());
            });
        }
    });
    all(clients, DEVICES, |_| {
        let mut stream = connect(&client, address)?;
        stream.write_all(&[7])?;
        stream.flush()?;
        Ok(stream.read_exact(&mut [0])?)
    })
}

/// What the CA issues to as many threads, by the same tokens.
fn issues(issuer: &Issuer, profile: &Profile, devices: &[Device], clients: usize) -> Outcome<Duration> {
    let now = now()?;
    all(clients, devices.len(), |number| {
        let Device { request, token } = &devices[number];
        let fingerprint = request.public_key().fingerprint();
        let token = Token { flow: Flow::Est, secret: token, user: None, request: fingerprint };
        let ask = Ask {
            request,
            profile,
            variables: Variables::NONE,
            occasion: Occasion::New,
            validity: None,
            may_outlive: false,
            credential: Credential::Token(&token),
        };
        match issuer.submit(&[ask], now)?.pop() {
            Some(Decision::Issued(_)) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
}

/// A client as the bare handshakes have it.
fn client(folder: &Path) -> Outcome<Arc<rustls::ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("acme/device/root.pem"))?)?;
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(client))
}

type Stream = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn connect(client: &Arc<rustls::ClientConfig>, address: SocketAddr) -> Outcome<Stream> {
    let connection = rustls::ClientConnection::new(client.clone(), "localhost".try_into()?)?;
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(rustls::StreamOwned::new(connection, stream))
}

/// One enrollment over a connection of its own. The client does no more than a device must: it looks at the status.
fn enroll(client: &Arc<rustls::ClientConfig>, address: SocketAddr, device: &Device) -> Outcome {
    let body = to_base64(device.request.request().der());
    let request = format!(
        "POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/pkcs10\r\n\
         Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        device.token,
        body.len()
    );
    let mut stream = connect(client, address)?;
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(answer.get(..read).unwrap_or_default());
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(format!("{answer}").into()) }
}

fn enrollments(folder: &Path, address: SocketAddr, devices: &[Device], clients: usize) -> Outcome<Duration> {
    let client = client(folder)?;
    all(clients, devices.len(), |number| enroll(&client, address, &devices[number]))
}

/// A server as it is released.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(folder: &Path) -> Outcome<Self> {
        let words = "ca serve acme --listen 127.0.0.1:0 --server-name localhost --serve-profile idevid --format json";
        let mut command = Command::new(BULLA);
        command.args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut first = String::new();
        lines.read_line(&mut first)?;
        let first: serde_json::Value = serde_json::from_str(&first)?;
        let address = first["address"].as_str().ok_or("no address")?.parse()?;
        // The log is read, as by a service manager.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Ok(Self { child, address })
    }

    /// Resident memory in KiB.
    fn memory(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Ok(line.ok_or("no VmRSS")?.trim().parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn memory(folder: &Path, server: &Server) -> Outcome {
    let client = client(folder)?;
    let before = server.memory()?;
    let idle = (0..IDLE).map(|_| {
        let mut stream = connect(&client, server.address)?;
        // The handshake, and a moment for the server's half of it.
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    });
    let idle = idle.collect::<Outcome<Vec<_>>>()?;
    std::thread::sleep(Duration::from_millis(500));
    let after = server.memory()?;
    let each = after.saturating_sub(before) as f64 / IDLE as f64;
    println!("memory for an idle connection: {each:.1} KiB ({IDLE} of them; the server had {before} KiB before)");
    drop(idle);
    Ok(())
}

/// A client that sends a request octet by octet until it is thrown out, and comes again: until the bench ends.
fn hang_on(client: &Arc<rustls::ClientConfig>, address: SocketAddr) -> Outcome {
    loop {
        let mut stream = connect(client, address)?;
        for octet in b"GET /.well-known/est/cacerts HTTP/1.1\r\nX-Slow: ".iter().cycle() {
            if stream.write_all(&[*octet]).and_then(|()| stream.flush()).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// How long an honest client takes for an enrollment, alone and beside clients that send a header octet by octet.
fn latency(folder: &Path, server: &Server, devices: &mut impl FnMut(usize) -> Outcome<Vec<Device>>) -> Outcome {
    let client = client(folder)?;
    let mut measure = || -> Outcome<(Duration, Duration)> {
        let mut times = Vec::new();
        for device in devices(HONEST)? {
            let started = Instant::now();
            enroll(&client, server.address, &device)?;
            times.push(started.elapsed());
        }
        times.sort();
        Ok((times[HONEST / 2], times[HONEST - 1]))
    };
    let alone = measure()?;
    for _ in 0..SLOW {
        let (client, address) = (client.clone(), server.address);
        std::thread::spawn(move || hang_on(&client, address));
    }
    std::thread::sleep(Duration::from_secs(3));
    let beside = measure()?;
    let ms = |time: Duration| 1000.0 * time.as_secs_f64();
    println!("an enrollment, alone:             {:7.1} ms median, {:7.1} ms at most", ms(alone.0), ms(alone.1));
    println!("an enrollment, beside {SLOW} slow ones: {:7.1} ms median, {:7.1} ms at most", ms(beside.0), ms(beside.1));
    Ok(())
}
