//! `bulla enroll` at servers that do everything wrong: it ends in bounded time and memory, says what is wrong by its exit
//! code and in words, and stores nothing.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::double::{Act, Double, Received, response};
use crate::harness::{Lab, Run};

/// Longest that a run may take: the client is given two seconds for a request, and makes three at most; the rest is for a
/// busy machine.
const TIME: Duration = Duration::from_secs(20);

/// Most address space, in KiB, of which a run may have more than a little only if it keeps what it is sent.
const SPACE: u64 = 512 << 10;

/// A device `d.csr` of profile ldevid, its true certificate and some false ones, a server's key and certificate.
struct Scene {
    lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        lab.bulla("ca init acme --name Acme --no-passphrase").ok();
        lab.bulla("ca init other --name Other --no-passphrase").ok();
        lab.shell("faketime '2020-01-01' $bulla ca init old --name Old --no-passphrase").ok();
        lab.bulla("keygen -o d.key").ok();
        lab.bulla("keygen -o e.key").ok();
        lab.bulla("keygen -o tls.key").ok();
        lab.bulla("csr d.key --profile ldevid --serial SN-42 -o d.csr").ok();
        for (command, output) in [
            ("d.csr --profile ldevid --ca acme", "true.pem"),
            ("--key e.key --profile ldevid --serial SN-43 --ca acme", "key.pem"),
            ("d.csr --profile ldevid --ca other", "ca.pem"),
            ("--key tls.key --profile tls-server --ip 127.0.0.1 --ca acme", "tls.pem"),
            ("--key tls.key --profile tls-server --ip 127.0.0.1 --ca other", "tls-ca.pem"),
        ] {
            lab.bulla(&format!("enroll {command} -o {output}")).ok();
        }
        // A key serves one identity: these come from CAs of their own.
        lab.bulla("ca init second --name Acme --no-passphrase").ok();
        lab.bulla("enroll --key d.key --profile tls-client --serial SN-42 --ca second -o profile.pem").ok();
        lab.bulla("ca init fourth --name Acme --no-passphrase").ok();
        lab.bulla("enroll --key d.key --profile ldevid --serial SN-99 --ca fourth -o name.pem").ok();
        lab.bulla("ca init third --name Acme --no-passphrase").ok();
        lab.bulla("enroll --key tls.key --profile tls-server --dns elsewhere.example --ca third -o tls-name.pem").ok();
        lab.shell("faketime '2020-01-02' $bulla enroll d.csr --profile ldevid --ca old -o expired.pem").ok();
        lab.shell(
            "faketime '2020-01-02' $bulla enroll --key tls.key --profile tls-server --ip 127.0.0.1 --ca old -o tls-expired.pem",
        )
        .ok();
        lab.shell("cat {acme,old,second,third,fourth}/device/root.pem >trusted.pem").ok();
        Self { lab }
    }

    /// The base64 of a certs-only message with the certificates of some PEM files, made by openssl.
    fn certs_only(&self, files: &str) -> Vec<u8> {
        let files: String = files.split(' ').map(|file| format!(" -certfile {file}")).collect();
        self.lab.shell(&format!("openssl crl2pkcs7 -nocrl{files} -outform DER | base64 -w0")).ok().stdout
    }

    /// The first certificate of a file, in a file of its own.
    fn leaf(&self, file: &str) -> String {
        let leaf = format!("leaf-{file}");
        self.lab.shell(&format!("openssl x509 -in {file} -out {leaf}")).ok();
        leaf
    }

    fn answer(&self, files: &str) -> Vec<Act> {
        let leaves: Vec<String> = files.split(' ').map(|file| self.leaf(file)).collect();
        certs(&self.certs_only(&leaves.join(" ")))
    }

    /// Enrolls at a double, and asserts what holds of every run.
    fn enroll(&self, name: &str, double: &Double, flags: &str, (codes, words): (&[i32], &str)) -> Run {
        let out = self.lab.path(format!("out {name}"));
        std::fs::create_dir(&out).unwrap();
        let mut command = Command::new("bash");
        let script = format!("ulimit -v {SPACE}; exec \"$@\"");
        command.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_bulla"), "enroll", "d.csr", "--profile", "ldevid"]);
        command.args(["--ca", &format!("est://{}", double.address), "--token-from", "env:TOKEN", "--timeout", "2"]);
        if !flags.contains("--ca-fingerprint") {
            command.args(["--trust", "trusted.pem"]);
        }
        command.args(flags.split_whitespace()).arg("-o").arg(out.join("d.pem")).env("TOKEN", "s3cret-t0ken");
        command.current_dir(self.lab.path("."));
        let started = Instant::now();
        let run = self.lab.finish(command);
        assert!(started.elapsed() < TIME, "{name}: {:?}", started.elapsed());
        let code = run.code.unwrap_or(-1);
        assert!(codes.contains(&code), "{name}: exit {code}: {}", run.stderr);
        let lines: Vec<&str> = run.stderr.lines().filter(|line| !line.starts_with("bulla: warning")).collect();
        assert!(run.stderr.contains(words), "{name}: {}", run.stderr);
        assert!(lines.len() <= 3, "{name}: {}", run.stderr);
        assert!(!run.stderr.contains("s3cret") && !run.stderr.contains("panicked"), "{name}: {}", run.stderr);
        assert!(!run.stderr.chars().any(|c| c.is_control() && c != '\n'), "{name}: {:?}", run.stderr);
        let left: Vec<PathBuf> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
        match code {
            0 => assert_eq!(left, [out.join("d.pem")], "{name}"),
            6 => assert_eq!(left, [out.join("d.pem.ticket")], "{name}"),
            _ => assert!(left.is_empty(), "{name}: {left:?}"),
        }
        run
    }
}

fn certs(base64: &[u8]) -> Vec<Act> {
    let fields = ["Content-Type: application/pkcs7-mime; smime-type=certs-only", "Content-Transfer-Encoding: base64"];
    response("200 OK", &fields, base64)
}

/// What an honest server answers.
fn honest(scene: &Scene) -> impl Fn(&Received) -> Vec<Act> + Clone + Send + Sync + 'static {
    let issuing = "acme/device/issuing.pem old/device/issuing.pem second/device/issuing.pem third/device/issuing.pem \
                       fourth/device/issuing.pem";
    let ca = certs(&scene.certs_only(&format!("{issuing} trusted.pem")));
    let leaf = scene.answer("true.pem");
    move |received| match received.operation() {
        "cacerts" => ca.clone(),
        "csrattrs" => response("204 No Content", &[], b""),
        "simpleenroll" => leaf.clone(),
        _ => response("404 Not Found", &[], b""),
    }
}

fn send(bytes: impl AsRef<[u8]>) -> Vec<Act> {
    vec![Act::Send(bytes.as_ref().to_vec())]
}

/// What is answered to simpleenroll, the exit code, and the words.
fn behaviours(scene: &Scene) -> Vec<(&'static str, Vec<Act>, &'static [i32], &'static str)> {
    let pem = scene.lab.read("true.pem");
    let ok = "200 OK";
    let base64 = |text: &str| response(ok, &["Content-Type: application/pkcs7-mime"], text.as_bytes());
    let status = |status: &str, fields: &[&str]| response(status, fields, b"no\x1b[31m, and\nmore\n");
    let many = vec![scene.leaf("true.pem"); 2000].join(" ");
    let endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/pkcs7-mime\r\n".to_vec();
    vec![
        // The connection.
        ("stall", vec![Act::Stall], &[7], "took more than 2 s"),
        ("close", vec![Act::Close], &[7], "closed the connection"),
        ("close in the header", [send("HTTP/1.1 200 OK\r\nContent-"), vec![Act::Close]].concat(), &[1, 7], ""),
        (
            "close in the body",
            [send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nMIIB"), vec![Act::Close]].concat(),
            &[1, 7],
            "",
        ),
        (
            "one octet a second",
            vec![Act::Trickle(b"HTTP/1.1 200 OK\r\n".to_vec(), Duration::from_secs(1))],
            &[7],
            "2 s",
        ),
        (
            "one octet of the body a second",
            [
                send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
                vec![Act::Trickle(vec![b'A'; 30], Duration::from_secs(1))],
            ]
            .concat(),
            &[7],
            "2 s",
        ),
        // HTTP.
        ("garbage", send([0x80; 4096]), &[1], "HTTP"),
        ("another protocol", send("SSH-2.0-OpenSSH_9.2\r\n"), &[1], "HTTP"),
        ("status 999", response("999 What", &[], b""), &[1], ""),
        ("endless header", vec![Act::Send(endless.clone()), Act::Flood(b"X-More: more\r\n".to_vec())], &[1, 7], ""),
        ("endless field", vec![Act::Send(endless.clone()), Act::Flood(vec![b'x'; 4096])], &[1, 7], ""),
        ("interim responses without end", vec![Act::Flood(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())], &[1, 7], ""),
        (
            "a body of 4 GiB",
            vec![
                Act::Send([&endless[..], b"Content-Length: 4294967296\r\n\r\n"].concat()),
                Act::Flood(vec![b'A'; 1 << 16]),
            ],
            &[1],
            "larger than",
        ),
        (
            "a body without end",
            vec![Act::Send([&endless[..], b"\r\n"].concat()), Act::Flood(vec![b'A'; 1 << 16])],
            &[1],
            "larger than",
        ),
        (
            "chunks without end",
            vec![
                Act::Send([&endless[..], b"Transfer-Encoding: chunked\r\n\r\n"].concat()),
                Act::Flood([b"10000\r\n".to_vec(), vec![b'A'; 1 << 16], b"\r\n".to_vec()].concat()),
            ],
            &[1],
            "larger than",
        ),
        (
            "a chunk of no length",
            send([&endless[..], b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"].concat()),
            &[1, 7],
            "",
        ),
        // Status codes.
        ("500", status("500 Oops", &[]), &[7], "500"),
        ("503 for a year", status("503 Busy", &["Retry-After: 31536000"]), &[7], "503"),
        ("400", status("400 Bad", &[]), &[1], "400"),
        ("401", status("401 Who", &["WWW-Authenticate: Basic realm=x"]), &[4], "401"),
        ("403", status("403 No", &[]), &[1], "403"),
        ("404", status("404 Where", &[]), &[1], "404"),
        ("204", response("204 No Content", &[], b""), &[1, 3], ""),
        (
            "redirect to plain HTTP",
            status("302 Found", &["Location: http://127.0.0.1:1/x"]),
            &[1],
            "http://127.0.0.1:1/x",
        ),
        ("redirect to another host", status("307 There", &["Location: https://127.0.0.2:1/x"]), &[1], "127.0.0.2"),
        ("redirect in a circle", status("302 Found", &["Location: /.well-known/est/simpleenroll"]), &[1], "redirect"),
        ("redirect to nowhere", status("302 Found", &[]), &[1], "redirect"),
        // Waiting.
        ("202 for a year", status("202 Later", &["Retry-After: 31536000"]), &[6], ""),
        ("202 for ever", status("202 Later", &["Retry-After: 0"]), &[6], ""),
        ("202 for nonsense", status("202 Later", &["Retry-After: -1 or so"]), &[6], ""),
        ("202 at a date", status("202 Later", &["Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"]), &[6], ""),
        // What is to be a certificate.
        ("nothing", base64(""), &[3], ""),
        ("a web page", response(ok, &["Content-Type: text/html"], b"<html>Welcome</html>"), &[3], ""),
        ("no base64", base64("####"), &[3], ""),
        ("no CMS", base64("AAAAAAAA"), &[3], ""),
        ("DER of no sense", base64("MIIBAAAA"), &[3], ""),
        ("PEM", base64(&String::from_utf8_lossy(&pem)), &[3], ""),
        ("no certificate", base64("MCMGCSqGSIb3DQEHAqAWMBQCAQExADALBgkqhkiG9w0BBwExAA=="), &[3], ""),
        ("two leaves", scene.answer("true.pem expired.pem"), &[3], ""),
        ("two thousand certificates", certs(&scene.certs_only(&many)), &[3], ""),
        ("compressed", response(ok, &["Content-Encoding: gzip"], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), &[3], ""),
        ("for another key", scene.answer("key.pem"), &[3], "another key"),
        ("of another CA", scene.answer("ca.pem"), &[3], ""),
        ("of another name", scene.answer("name.pem"), &[3], ""),
        ("of another profile", scene.answer("profile.pem"), &[3], ""),
        ("expired", scene.answer("expired.pem"), &[3], "expired"),
    ]
}

#[test]
fn an_honest_double_is_enrolled_at() {
    let scene = Scene::new();
    let double = Double::start(&scene.lab.path("tls.pem"), &scene.lab.path("tls.key"), honest(&scene));
    scene.enroll("honest", &double, "", (&[0], ""));
    let enrolled = double.seen().into_iter().find(|received| received.operation() == "simpleenroll").unwrap();
    assert_eq!(enrolled.header("Authorization"), Some("Bearer s3cret-t0ken"));
}

#[test]
fn whatever_the_server_answers_nothing_false_is_stored() {
    let scene = Scene::new();
    let honest = honest(&scene);
    let behaviours = behaviours(&scene);
    assert!(behaviours.len() >= 30, "{}", behaviours.len());
    std::thread::scope(|scope| {
        for behaviour in behaviours {
            let (scene, honest) = (&scene, honest.clone());
            scope.spawn(move || {
                let (name, acts, codes, words) = behaviour;
                let script = move |received: &Received| match received.operation() {
                    "simpleenroll" => acts.clone(),
                    _ => honest(received),
                };
                let double = Double::start(&scene.lab.path("tls.pem"), &scene.lab.path("tls.key"), script);
                scene.enroll(name, &double, if name.starts_with("202") { "--wait 2s" } else { "" }, (codes, words));
                // However often it is told to come back, it does not come back all the time.
                assert!(double.seen().len() < 12, "{name}: {} requests", double.seen().len());
            });
        }
    });
}

/// A server that is not who it should be is sent nothing secret: neither the token nor the request.
#[test]
fn a_server_that_is_not_trusted_sees_no_token() {
    let scene = Scene::new();
    for (name, chain, words) in [
        ("another CA", "tls-ca.pem", ""),
        ("another name", "tls-name.pem", "is not for ip 127.0.0.1"),
        ("expired", "tls-expired.pem", "expired"),
    ] {
        let double = Double::start(&scene.lab.path(chain), &scene.lab.path("tls.key"), honest(&scene));
        scene.enroll(name, &double, "", (&[3], words));
        assert!(double.seen().is_empty(), "{name}: {:?}", double.seen());
    }
}

/// What stands where TLS should be.
#[test]
fn a_server_without_tls_is_refused() {
    let scene = Scene::new();
    for (name, acts, codes) in [
        ("silence", vec![Act::Stall], &[7][..]),
        ("gone", vec![Act::Close], &[1, 7]),
        ("plain HTTP", response("400 Bad Request", &[], b"plain HTTP"), &[1]),
        ("garbage", vec![Act::Flood(vec![0xff; 4096])], &[1]),
        ("an alert", vec![Act::Send(vec![0x15, 3, 3, 0, 2, 2, 40])], &[1]),
        ("half a record", vec![Act::Send(vec![0x16, 3, 3, 0x40, 0]), Act::Stall], &[7]),
    ] {
        let double = Double::bare(move |_| acts.clone());
        scene.enroll(name, &double, "", (codes, ""));
    }
    // Nobody listens there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = scene.lab.bulla(&format!(
        "enroll d.csr --profile ldevid --ca est://{gone} --trust trusted.pem --timeout 2 -o never.pem"
    ));
    run.exits(7).says("cannot connect");
}

/// Who knows the CA by a fingerprint alone sends nothing but a question until a server is verified by it.
#[test]
fn a_fingerprint_lets_nobody_else_in() {
    let scene = Scene::new();
    let of = |file: &str| {
        let script = format!("openssl x509 -in {file} -outform DER | sha256sum | cut -d' ' -f1");
        String::from_utf8(scene.lab.shell(&script).ok().stdout).unwrap().trim().to_owned()
    };
    let acme = of("acme/device/root.pem");
    let other = certs(&scene.certs_only("other/device/issuing.pem other/device/root.pem"));
    let lies = move |received: &Received| match received.operation() {
        "cacerts" => other.clone(),
        _ => vec![Act::Close],
    };
    let start = |chain: &str, lie: bool| {
        let (chain, key) = (scene.lab.path(chain), scene.lab.path("tls.key"));
        if lie { Double::start(&chain, &key, lies.clone()) } else { Double::start(&chain, &key, honest(&scene)) }
    };
    for (name, double) in [("false-certificates", start("tls.pem", true)), ("false-server", start("tls-ca.pem", false))]
    {
        let flags = format!("--ca-fingerprint sha256:{acme} --ca-out {name}.pem");
        scene.enroll(name, &double, &flags, (&[3], ""));
        assert!(!double.seen().is_empty() && !scene.lab.has(format!("{name}.pem")), "{name}");
        for received in double.seen() {
            assert_eq!(received.operation(), "cacerts", "{name}");
            assert_eq!(received.header("Authorization"), None, "{name}");
        }
    }
}
