//! Through a proxy: HTTPS_PROXY and NO_PROXY, with a proxy that knows CONNECT (RFC 9110 section 9.3.6) and nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::harness::{Lab, Run};
use crate::serving::Serving;

/// A proxy that leads everybody with the right credentials to one server, whatever that is called.
struct Proxy {
    address: SocketAddr,
    /// The heads of the requests that came.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `answer` is what is said to a head; a tunnel is opened where it is 200.
    fn start(server: SocketAddr, answer: impl Fn(&str) -> &'static str + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let Some(head) = head_of(&mut client) else { continue };
                let said = answer(&head);
                log.lock().expect("a lock").push(head);
                let _ = client.write_all(format!("HTTP/1.1 {said}\r\nVia: 1.1 double\r\n\r\n").as_bytes());
                if said.starts_with("200") {
                    tunnel(client, TcpStream::connect(server).expect("the server"));
                }
            }
        });
        Self { address, seen }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().expect("a lock"))
    }
}

/// Reads to the end of a head, and no further: TLS follows.
fn head_of(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        client.read_exact(&mut octet).ok()?;
        head.push(octet[0]);
    }
    String::from_utf8(head).ok()
}

fn tunnel(client: TcpStream, server: TcpStream) {
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (mut from, mut to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
    }
}

/// Runs `bulla` with these variables alone about proxies.
fn through(lab: &Lab, variables: &[(&str, &str)], words: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
    command.args(words.split_whitespace()).current_dir(lab.path(".")).stdin(std::process::Stdio::null());
    for variable in ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"] {
        command.env_remove(variable);
    }
    command.envs(variables.iter().copied());
    lab.finish(command)
}

#[test]
fn a_device_enrolls_through_a_proxy() {
    let lab = Lab::ca("");
    let serving = Serving::start(&lab, "--serve-profile idevid --require-binding");
    lab.bulla("keygen -o dev.key").ok();
    let secret = lab.bulla("ca token new acme --device SN-1 --profile idevid").ok().text().trim().to_owned();
    lab.write("token", &secret);
    // Only the proxy leads there: the name is none that is looked up, and nobody listens at that port.
    let proxy = Proxy::start(serving.address, |head| {
        // user:pass word
        let is_right = head.contains("\r\nProxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n");
        if is_right { "200 Connection established" } else { "407 Proxy Authentication Required" }
    });
    let url = |credentials: &str| format!("http://{credentials}{}", proxy.address);
    let good = url("user:pass%20word@");
    let enroll = |ca: &str, file: &str| {
        let trust = "--trust acme/device/root.pem --token-from file:token";
        format!("enroll --key dev.key --serial SN-1 --profile idevid --ca est://{ca} {trust} -o {file}")
    };
    let far = enroll("localhost:1", "a.pem");
    through(&lab, &[("HTTPS_PROXY", &good)], &far).ok();
    // What binds the request to the connection goes through the tunnel from end to end.
    serving.logs(|line| line["binding"] == "checked" && line["outcome"] == "issued");
    let heads = proxy.take();
    assert!(
        heads.iter().all(|head| head.starts_with("CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n")),
        "{heads:?}"
    );
    assert!(!heads.is_empty() && heads.iter().all(|head| !head.contains(&secret)), "{heads:?}");
    // The small letters win; what NO_PROXY excepts goes straight.
    through(&lab, &[("https_proxy", &good), ("HTTPS_PROXY", "http://127.0.0.1:1")], &enroll("localhost:1", "b.pem"))
        .ok();
    assert_eq!(lab.read("a.pem"), lab.read("b.pem"));
    proxy.take();
    let near = enroll(&format!("127.0.0.1:{}", serving.address.port()), "c.pem");
    for excepted in ["127.0.0.1", "127.0.0.0/8", "example.com, 127.0.0.1", "*"] {
        through(&lab, &[("HTTPS_PROXY", &good), ("NO_PROXY", excepted)], &format!("{near} --force")).ok();
        assert_eq!(proxy.take(), [""; 0], "{excepted}");
    }
    through(&lab, &[("HTTPS_PROXY", &good), ("NO_PROXY", "example.com,10.0.0.0/8")], &format!("{near} --force")).ok();
    assert!(!proxy.take().is_empty());
    through(&lab, &[("HTTPS_PROXY", &good)], "doctor est://localhost:1 --trust acme/device/root.pem").ok();
    // A proxy that says no is named, and its credentials are not.
    for (variables, exit, said) in [
        (("HTTPS_PROXY", url("")), 4, "407 Proxy Authentication Required"),
        (("HTTPS_PROXY", url("user:wr0ng@")), 4, "407 Proxy Authentication Required"),
        (("HTTPS_PROXY", "http://127.0.0.1:1".to_owned()), 7, "127.0.0.1:1"),
        (("HTTPS_PROXY", good.replace("http://", "https://")), 1, "HTTPS_PROXY"),
        (("https_proxy", "socks5://127.0.0.1:1".to_owned()), 1, "https_proxy"),
    ] {
        let run = through(&lab, &[(variables.0, &variables.1)], &enroll("localhost:1", "d.pem")).exits(exit).says(said);
        assert!(!run.stderr.contains("wr0ng") && !run.stderr.contains("word@"), "{}", run.stderr);
        assert!(!lab.has("d.pem") && !lab.has("d.pem.ticket"));
    }
}

#[test]
fn a_proxy_that_refuses_or_talks_nonsense_is_named() {
    let lab = Lab::ca("");
    lab.bulla("keygen -o dev.key").ok();
    let nobody = "127.0.0.1:1".parse().expect("an address");
    for (answer, exit, said) in [
        ("403 Forbidden", 1, "403 Forbidden"),
        ("502 Bad \u{1b}[31mGateway", 7, "502 Bad \\u{1b}[31mGateway"),
        ("407 ", 4, "407"),
        ("nonsense", 7, "nonsense"),
    ] {
        let proxy = Proxy::start(nobody, move |_| answer);
        let words =
            "enroll --key dev.key --serial SN-1 --profile idevid --ca est://ca.example --trust acme/device/root.pem";
        let url = format!("http://{}", proxy.address);
        let run = through(&lab, &[("HTTPS_PROXY", &url)], &format!("{words} -o a.pem")).exits(exit).says(said);
        assert!(run.stderr.contains(&proxy.address.to_string()), "{}", run.stderr);
        assert!(proxy.take().iter().all(|head| head.starts_with("CONNECT ca.example:443 HTTP/1.1\r\n")));
    }
}
