//! `bulla doctor`: what a CA's server offers, and what is wrong with it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::Context;
use super::est_url::EstUrl;
use super::report::{Report, row};
use super::trust;
use crate::enroll::est::{self, Examination, Operation, Wrapping};
use crate::enroll::{KeyWish, Wishes};
use crate::files::printable;
use crate::key::algorithm::oid_name;
use crate::net::{self, Proxy, Transport, Trust};
use crate::x509::lint::Severity;
use crate::x509::{Certificate, rfc3339};

/// Examine a CA's server: what it offers, and what is wrong with it
///
/// Nothing is enrolled: operations that issue are sent an empty request. Without --trust the server is examined whoever it is.
/// What peers are known to stumble over is named; the exit code is 3 where something is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla doctor est://ca.example --trust root.pem
  $ bulla doctor est://127.0.0.1:8443/idevid --format json")]
pub struct Args {
    /// The server: est://HOST[:PORT][/LABEL]
    #[arg(value_name = "SERVER")]
    server: EstUrl,
    /// Certificates of CAs that vouch for the server
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// How long the server may take for one request, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let url = &args.server;
    let proxy = Proxy::for_server(&url.server, |name| std::env::var(name).ok())?;
    let trust = match &args.trust {
        Some(path) => Trust::Anchors(trust::anchors(std::slice::from_ref(path))?),
        None => Trust::Anyone,
    };
    let open = |version| -> Box<dyn Transport> {
        Box::new(net::Client {
            proxy: proxy.clone(),
            timeout: Duration::from_secs(args.timeout),
            version: Some(version),
            ..net::Client::new(url.server.clone(), trust.clone())
        })
    };
    let examination = est::examine(&open, url.label.as_deref(), context.now)?;
    let is_wrong = examination.findings.iter().any(|finding| finding.severity == Severity::Error);
    context.answer(report(url, args.trust.is_some(), &examination), if is_wrong { 3 } else { 0 })
}

fn report(url: &EstUrl, is_verified: bool, examination: &Examination) -> Report {
    let Examination { versions, server, ca, wrapping, attributes, operations, findings } = examination;
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    let operations: Vec<&str> = operations.iter().map(|operation| operation.name()).collect();
    let mut report = Report::new("bulla.doctor/1")
        .line(format!("server {url}{}", if is_verified { "" } else { "  (not verified; add --trust FILE)" }))
        .field("server", url.to_string())
        .field("verified", is_verified)
        .line(row("tls", &versions.join(", ")))
        .field("tls", versions)
        .line(row("offers", &operations.join(", ")))
        .field("offers", operations);
    if examination.operations.contains(&Operation::ServerKeygen) {
        let words = "whether as PKCS#8 shows when one is made: bulla enroll --server-keygen warns of PKCS#1 and SEC 1";
        report = report.line(row("keys", words));
    }
    report = shown(report, "shows", "server_certificates", server);
    report = shown(report, "ca", "ca_certificates", ca);
    if let Some(wrapping) = wrapping {
        let (name, words) = match wrapping {
            Wrapping::Lines => ("wrapped", "wrapped, which strongSwan before 5.9.11 does not read"),
            Wrapping::Whole => ("unwrapped", "unwrapped, which libest's client does not read"),
        };
        report = report.line(row("base64", words)).field("base64", name);
    }
    if let Some(attributes) = attributes {
        let wants = wanted(&attributes.wishes, attributes.wants_binding);
        report = report.line(row("wants", &wants.join(", "))).field("wants", wants);
    }
    report = report.field("findings", Vec::<serde_json::Value>::new());
    for finding in findings {
        let words = printable(&finding.words);
        let about = printable(&finding.about);
        let part = Report::of_part()
            .line(format!("{}: {about} {words} ({})", finding.severity.name(), finding.code))
            .field("severity", finding.severity.name())
            .field("code", finding.code)
            .field("about", about)
            .field("words", words);
        report = report.part("findings", part);
    }
    report
}

fn shown(mut report: Report, label: &str, name: &str, certificates: &[Certificate]) -> Report {
    for certificate in certificates {
        // Servers often have no subject.
        let first = certificate.alt_names().ok().and_then(|names| names.first().map(ToString::to_string));
        let host = first.filter(|_| certificate.subject().is_empty());
        let subject = host.map_or_else(|| certificate.subject().to_string(), |host| printable(&host));
        let until = rfc3339(certificate.not_after());
        let part = Report::of_part()
            .line(row(label, &format!("{subject}, until {until}, sha256 {}", certificate.fingerprint())))
            .field("subject", subject)
            .field("not_after", until)
            .field("sha256", certificate.fingerprint().to_string());
        report = report.part(name, part);
    }
    report
}

/// What a server wants of a request, in words.
fn wanted(wishes: &Wishes, wants_binding: bool) -> Vec<String> {
    let mut wants = Vec::new();
    match wishes.key {
        Some(KeyWish::Type(key_type)) => wants.push(format!("a key of type {key_type}")),
        Some(KeyWish::AnyRsa) => wants.push("an RSA key".to_owned()),
        None => {}
    }
    for (oid, value) in &wishes.subject {
        let value = value.as_ref().map_or(String::new(), |value| format!("={}", printable(value)));
        wants.push(format!("subject {}{value}", oid_name(*oid)));
    }
    wants.extend(wishes.extensions.iter().map(|(oid, _)| format!("extension {}", oid_name(*oid))));
    wants.extend(wishes.unknown.iter().map(|oid| oid_name(*oid)));
    if wants_binding {
        wants.push("a binding to the connection".to_owned());
    }
    wants
}
