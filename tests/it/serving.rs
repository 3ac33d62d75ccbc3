//! `bulla ca serve` as a process of a test, and a raw client that says to it whatever a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use crate::harness::Lab;

/// A CA that serves until the test ends.
pub struct Serving {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Serving {
    /// Serves the CA `acme` of a lab on a free port of 127.0.0.1, as `localhost` and by its address.
    pub fn start(lab: &Lab, flags: &str) -> Self {
        Self::start_at(lab, 0, flags)
    }

    /// The same on a port that was used before.
    pub fn start_at(lab: &Lab, port: u16, flags: &str) -> Self {
        let names = if flags.contains("--tls-cert") { "" } else { "--server-name localhost --server-name 127.0.0.1" };
        let words = format!("ca serve acme --listen 127.0.0.1:{port} {names} --format json {flags}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
        command.args(words.split_whitespace()).current_dir(lab.path(".")).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first: Value = serde_json::from_str(&lines.next().expect("the server did not start")).unwrap();
        assert_eq!(first["event"], "listening", "{first}");
        let address = first["address"].as_str().unwrap().parse().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let written = log.clone();
        std::thread::spawn(move || {
            for line in lines {
                written.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, address, log }
    }

    /// What the server is called as a CA.
    pub fn ca(&self, label: &str) -> String {
        let label = if label.is_empty() { String::new() } else { format!("/{label}") };
        format!("est://127.0.0.1:{}{label}", self.address.port())
    }

    /// `https://localhost:PORT`
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The lines of its log, once one fits; the test fails where none does within five seconds.
    #[track_caller]
    pub fn logs(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            if let Some(found) = self.log.lock().unwrap().iter().find(|line| fits(line)) {
                return found.clone();
            }
            assert!(started.elapsed() < Duration::from_secs(5), "no such line: {:#?}", self.log.lock().unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The whole log as text.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().iter().map(|line| format!("{line}\n")).collect()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Tells it to stop, and returns its exit code.
    pub fn stop(self) -> Option<i32> {
        self.terminate();
        self.ends()
    }

    /// Its exit code, once it has ended.
    pub fn ends(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Opens a connection that trusts the CA's root.
    pub fn connect(&self, lab: &Lab) -> Raw {
        Dialer::new(lab, self.address, None).dial().expect("a server")
    }

    /// The same with a client certificate: the files of a chain and a key.
    pub fn connect_as(&self, lab: &Lab, chain: &str, key: &str) -> Raw {
        Dialer::new(lab, self.address, Some((chain, key))).dial().expect("a server")
    }
}

/// Opens connections to a server, whether or not it is there.
pub struct Dialer {
    config: Arc<rustls::ClientConfig>,
    address: SocketAddr,
}

impl Dialer {
    /// Trusts the root of the CA `acme`, and shows a client certificate where there is one.
    pub fn new(lab: &Lab, address: SocketAddr, identity: Option<(&str, &str)>) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(lab.path("acme/device/root.pem")).unwrap() {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_file_iter(lab.path(chain)).unwrap().map(Result::unwrap).collect();
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(lab.path(key)).unwrap()).unwrap()
            }
        };
        Self { config: Arc::new(config), address }
    }

    /// Opens a connection; the handshake comes with the first request.
    pub fn dial(&self) -> Option<Raw> {
        let tls = rustls::ClientConnection::new(self.config.clone(), "localhost".try_into().unwrap()).unwrap();
        let stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Some(Raw { stream: rustls::StreamOwned::new(tls, stream) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An open connection to a server.
pub struct Raw {
    stream: rustls::StreamOwned<rustls::ClientConnection, TcpStream>,
}

impl Raw {
    /// Sends bytes as they are; `false` where the server has gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Sends a request with a body, and returns the status code and the response's body.
    pub fn ask(&mut self, line: &str, fields: &str, body: &[u8]) -> (u16, String) {
        self.try_ask(line, fields, body).expect("an answer")
    }

    /// The same; `None` where the server goes away meanwhile.
    pub fn try_ask(&mut self, line: &str, fields: &str, body: &[u8]) -> Option<(u16, String)> {
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat());
        self.answer()
    }

    /// Reads one response with its length; `None` where the server closes the connection instead.
    pub fn answer(&mut self) -> Option<(u16, String)> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            self.more(&mut bytes)?;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut body = bytes.split_off(end + 4);
        let field =
            |line: &str| Some(line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().unwrap());
        let length: usize = head.lines().find_map(field).unwrap_or(0);
        while body.len() < length {
            self.more(&mut body)?;
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Whether the server closes the connection, and after how long.
    pub fn is_closed_after(&mut self) -> Option<Duration> {
        let started = Instant::now();
        let mut rest = Vec::new();
        while self.more(&mut rest).is_some() {}
        (started.elapsed() < Duration::from_secs(60)).then(|| started.elapsed())
    }

    fn more(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let mut some = [0; 4096];
        match self.stream.read(&mut some) {
            Ok(read) if read > 0 => {
                bytes.extend_from_slice(&some[..read]);
                Some(())
            }
            _ => None,
        }
    }
}
