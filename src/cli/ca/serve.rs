//! `bulla ca serve`: the CA as a server.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Context;
use crate::ca::{Ca, Issuer, Listener, Registrar, is_due, own_identity};
use crate::cli::authority::{KeyArgs, serving};
use crate::cli::error::Usage;
use crate::cli::keys::{self, PassphraseFrom, Unlock};
use crate::cli::{Format, now, profile};
use crate::enroll::Authority;
use crate::enroll::est::{Responder, Served};
use crate::files::{json_line, printable};
use crate::key::KeyRef;
use crate::net::{ClientAuth, Identity, Limits, Log, Logged, Server, ServerIdentity};
use crate::x509::verify::Anchors;
use crate::x509::{self, AltName, Certificate, Chain, Hierarchy, rfc3339};

/// Serve a CA over the network: EST, its revocation lists, and whether it is well
///
/// Each profile that is served is a label: https://HOST/.well-known/est/idevid/simpleenroll; without label it is the first.
/// Who asks shows a token (bulla ca token new), an IDevID of a CA named by --vendor-ca, or, to renew it, a certificate of
/// this CA. The lists are at /crl/device.crl and /crl/firmware.crl, and /healthz answers 200 where the CA can issue.
/// A line for each request goes to standard error, with --format json to standard output. SIGTERM ends it when the
/// requests at work are answered.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca serve acme --listen 127.0.0.1:8443 --server-name localhost --serve-profile idevid
  $ bulla ca serve acme --listen [::]:443 --server-name ca --serve-profile ldevid --vendor-ca m.pem")]
pub struct Args {
    /// The CA, or one of its issuers, as acme/device
    #[arg(value_name = "CA")]
    ca: PathBuf,
    /// The address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// A profile that is served; the first is the one without label
    #[arg(long, value_name = "PROFILE", required = true)]
    serve_profile: Vec<String>,
    /// What clients call the server, a DNS name or an IP address, for the certificate that the CA gives it
    #[arg(long, value_name = "NAME", required_unless_present = "tls_cert", value_parser = parse_server_name)]
    server_name: Vec<AltName>,
    /// The server's certificate chain, instead of one by this CA
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "server_name")]
    tls_cert: Option<PathBuf>,
    /// The server's private key
    #[arg(long, value_name = "KEY", requires = "tls_cert", conflicts_with = "server_name")]
    tls_key: Option<KeyRef>,
    /// The passphrase of the server's key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", requires = "tls_key")]
    tls_passphrase_from: Option<PassphraseFrom>,
    /// Certificates of makers whose devices enroll with their IDevIDs, each under its own identity
    #[arg(long, value_name = "FILE")]
    vendor_ca: Vec<PathBuf>,
    /// Refuse connections without client certificate
    #[arg(long)]
    require_client_cert: bool,
    /// Refuse requests that are not bound to their connection (RFC 9266)
    #[arg(long)]
    require_binding: bool,
    /// Let every new request wait until it is approved: bulla ca approve
    #[arg(long)]
    manual_approval: bool,
    /// Connections at once
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().connections)]
    max_connections: usize,
    #[command(flatten)]
    key: KeyArgs,
}

/// How often it is looked whether the server's own certificate is to be replaced.
const RENEWAL_CHECK: Duration = Duration::from_secs(3600);

/// Reads a DNS name or an IP address.
fn parse_server_name(text: &str) -> Result<AltName, String> {
    let name = if text.parse::<IpAddr>().is_ok() { AltName::ip(text) } else { AltName::dns(text) };
    name.map_err(|error| error.to_string())
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.key.find(&args.ca)?;
    let read = |path: &PathBuf| x509::read_certificates("the maker's certificate", path);
    let vendors = args.vendor_ca.iter().map(read).collect::<Result<Vec<_>, _>>()?.concat();
    let (issuers, served) = serve(args, &ca, named, &vendors, context)?;
    let (identity, renewing) = identity(args, &ca, &issuers, context)?;
    let limits = Limits { connections: args.max_connections, ..Limits::default() };
    let mut clients = ClientAuth { is_required: args.require_client_cert, issuers: vendors };
    for issuer in &issuers {
        clients.issuers.extend(issuer.chain().certificates().iter().cloned());
    }
    let server = Server::bind(args.listen, identity, &clients, limits)?;
    let (shown, keys_by) = (server.identity(), server.identity());
    let responder = Responder::new(served, args.require_binding).with_key_signer(Arc::new(move || keys_by.current()));
    let listener = Listener::new(responder, &issuers, now);
    if let Some(issuer) = renewing {
        let (names, format) = (args.server_name.clone(), context.format);
        std::thread::spawn(move || renew(&issuer, &names, &shown, format));
    }
    tell(context.format, "listening", vec![("address", server.local_address().to_string())]);
    let format = context.format;
    let log: Log = Arc::new(move |logged: &Logged| log(format, logged));
    server.run(Arc::new(listener), log)?;
    tell(format, "stopped", Vec::new());
    Ok(ExitCode::SUCCESS)
}

/// The issuers at work, each once, and what they serve.
fn serve(
    args: &Args,
    ca: &Ca,
    named: Option<Hierarchy>,
    vendors: &[Certificate],
    context: &Context,
) -> anyhow::Result<(Vec<Arc<Issuer>>, Vec<Served>)> {
    let profiles = args.serve_profile.iter().map(|name| profile::find(name, Some(&ca.profiles())));
    let profiles = profiles.collect::<Result<Vec<_>, _>>()?;
    let vendors = if vendors.is_empty() { None } else { Some(Anchors::new(vendors.to_vec())?) };
    let names: Vec<String> = profiles.iter().map(|profile| profile.name.clone()).collect();
    let mut issuers: Vec<Arc<Issuer>> = Vec::new();
    let mut served = Vec::new();
    for profile in profiles {
        let hierarchy = serving(ca, named, &profile)?;
        if profile.role != x509::Role::Request || !profile.serves(hierarchy) {
            return Err(
                Usage(format!("the issuer {} does not issue profile {}", hierarchy.name(), profile.name)).into()
            );
        }
        let issuer = match issuers.iter().find(|issuer| issuer.hierarchy() == hierarchy) {
            Some(issuer) => issuer.clone(),
            None => {
                let registrar =
                    Registrar { profiles: names.clone(), vendors: vendors.clone(), approval: args.manual_approval };
                let issuer = Arc::new(args.key.issuer(ca, hierarchy, None, context)?.with_registrar(registrar));
                issuers.push(issuer.clone());
                issuer
            }
        };
        served.push(Served { profile, authority: issuer });
    }
    Ok((issuers, served))
}

/// What the server proves itself with, and the issuer that gives it a new one in time, where it is the CA's.
fn identity(
    args: &Args,
    ca: &Ca,
    issuers: &[Arc<Issuer>],
    context: &Context,
) -> anyhow::Result<(Identity, Option<Arc<Issuer>>)> {
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        let from = args.tls_passphrase_from.as_ref();
        let unlock = Unlock { from, flag: "--tls-passphrase-from", what: "passphrase of the server's key" };
        let signer = Arc::new(keys::open(key, unlock, context)?);
        return Ok((Identity::new(Chain::read(certificate)?.certificates().to_vec(), signer)?, None));
    }
    let issuer = match issuers.iter().find(|issuer| issuer.hierarchy() == Hierarchy::Device) {
        Some(issuer) => issuer.clone(),
        None => Arc::new(args.key.issuer(ca, Hierarchy::Device, None, context)?),
    };
    Ok((own_identity(&issuer, &args.server_name, context.now)?, Some(issuer)))
}

/// Gives the server a new certificate of the CA's in time. A failure is told and tried again: the old one lasts for days.
fn renew(issuer: &Issuer, names: &[AltName], shown: &ServerIdentity, format: Format) {
    loop {
        std::thread::sleep(RENEWAL_CHECK);
        if !shown.current().certificates().first().is_some_and(|leaf| is_due(leaf, now())) {
            continue;
        }
        match own_identity(issuer, names, now()) {
            Ok(identity) => {
                shown.replace(identity);
                tell(format, "server-certificate-renewed", Vec::new());
            }
            Err(error) => tell(format, "server-certificate-not-renewed", vec![("error", error.to_string())]),
        }
    }
}

/// Longest method and path in a line of the log, in characters: strangers choose them, and each has 16 KiB.
const SHOWN_LENGTH: usize = 256;

/// One line about a request.
fn log(format: Format, logged: &Logged) {
    let mut facts = vec![("id", logged.id.to_string())];
    facts.extend(logged.peer.map(|peer| ("peer", peer.to_string())));
    let start = |text: &str| text.chars().take(SHOWN_LENGTH).collect();
    facts.push(("method", start(&logged.method)));
    facts.push(("target", start(&logged.target)));
    facts.push(("status", logged.status.to_string()));
    facts.push(("ms", logged.took.as_millis().to_string()));
    facts.extend(logged.facts.iter().cloned());
    facts.extend(logged.failure.clone().map(|failure| ("failure", failure)));
    tell(format, "request", facts);
}

/// Writes one line: text to standard error, JSON to standard output. Nobody listening does not stop the server.
fn tell(format: Format, event: &str, facts: Vec<(&'static str, String)>) {
    let time = rfc3339(now());
    if format == Format::Json {
        let mut line = Map::new();
        for (name, value) in facts {
            let number = matches!(name, "id" | "status" | "ms").then(|| value.parse::<u64>().ok()).flatten();
            line.insert(name.to_owned(), number.map_or_else(|| Value::from(printable(&value)), Value::from));
        }
        line.extend(
            [("schema", "bulla.ca-serve/1"), ("event", event), ("time", &time)].map(|(k, v)| (k.to_owned(), json!(v))),
        );
        let _ = writeln!(std::io::stdout(), "{}", json_line(&Value::Object(line)));
        return;
    }
    let mut text = format!("{time} {event}");
    for (name, value) in facts {
        let value = printable(&value);
        match value.contains([' ', '"', '=']) || value.is_empty() {
            true => text.push_str(&format!(" {name}={value:?}")),
            false => text.push_str(&format!(" {name}={value}")),
        }
    }
    let _ = writeln!(std::io::stderr(), "{text}");
}
