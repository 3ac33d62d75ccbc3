//! `bulla ca token`: the tokens by which devices enroll over the network.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use time::Duration;

use super::list::time;
use crate::ca::{self, NewToken, check_token_name};
use crate::cli::authority::{KeyArgs, find, serving};
use crate::cli::report::Report;
use crate::cli::{Context, Format, deliver, product, profile};
use crate::enroll::Flow;
use crate::files::{Creation, Output, json_line, printable};
use crate::store::{Store, Token, TokenId};
use crate::x509::Hierarchy;

/// Tokens read at a time.
const PAGE: usize = 500;

/// Longest life of a token, in minutes: ten years, as a device may lie in a warehouse.
const LIFETIME: i64 = 3650 * 24 * 60;

/// Most requests that one token serves: a lot of devices of one identity does not exist, but retries with new keys do.
const USES: i64 = 1000;

/// Make, list and take back the tokens by which devices enroll
///
/// A token is good for one device, one protocol and one profile, for a time and a number of requests. The CA keeps its
/// SHA-256 alone; what a token is called everywhere are the first eight digits of that.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(NewArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Make a token
///
/// It is printed once, on standard output or into a file, and is nowhere else. The same request may be made with it again and
/// gets the same certificate, so that a device whose connection broke need not be given another.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca token new acme --device SN-42 --profile idevid
  $ bulla ca token new acme --device gw.example --profile tls-server --name dns:www.gw.example
  $ bulla ca token new acme --device CN=SN-42 --profile ldevid --ttl 7d --uses 3 -o token")]
struct NewArgs {
    /// The CA, or one of its issuers, as acme/device
    #[arg(value_name = "CA")]
    ca: PathBuf,
    /// The device: the value of the profile's identity, as SN-42, or the identity, as CN=SN-42 or 'dns gw.example'
    #[arg(long, value_name = "NAME")]
    device: String,
    /// The profile: its name or file
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// The protocol
    #[arg(long, value_name = "FLOW", value_parser = flow(), default_value = "est")]
    flow: Flow,
    /// A name that may stand in the certificate beside the device's own, as dns:gw.example or 'CN:Gateway 7'
    #[arg(long = "name", value_name = "FORM:VALUE", value_parser = parse_name)]
    names: Vec<String>,
    /// How long it is good, in minutes, hours or days
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime, default_value = "1h")]
    ttl: Duration,
    /// How many requests it serves, of different keys
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=USES), default_value = "1")]
    uses: u32,
    /// Write it into this file instead; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

/// List the tokens of a CA
///
/// One line each, in the order in which they were made: what it is called, how it stands, how often it was used of how
/// often it may be, until when it is good, and what for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca token list acme
  $ bulla ca token list acme/device --format json")]
struct ListArgs {
    /// The CA, or one of its issuers, as acme/device
    #[arg(value_name = "CA")]
    ca: PathBuf,
}

/// Take a token back
///
/// It serves nothing from now on, not even the requests that it served before. What was issued for it stays; see `bulla
/// revoke`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca token revoke acme 1a2b3c4d")]
struct RevokeArgs {
    /// The CA, or one of its issuers, as acme/device
    #[arg(value_name = "CA")]
    ca: PathBuf,
    /// What the token is called, as the list has it
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: TokenId,
    #[command(flatten)]
    key: KeyArgs,
}

fn flow() -> impl TypedValueParser<Value = Flow> {
    let named = |name: String| Flow::ALL.into_iter().find(|flow| flow.name() == name);
    PossibleValuesParser::new(Flow::ALL.map(Flow::name)).try_map(move |name| named(name).ok_or("is no protocol"))
}

fn parse_name(text: &str) -> Result<String, String> {
    check_token_name(text).map(|()| text.to_owned())
}

fn parse_id(text: &str) -> Result<TokenId, String> {
    TokenId::parse(text).ok_or_else(|| "must be eight hexadecimal digits".to_owned())
}

/// Reads a number of minutes, hours or days.
fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a number of minutes, hours or days up to 3650, as 30m, 1h or 7d".to_owned();
    let units = [("m", 1), ("h", 60), ("d", 24 * 60)];
    let read = units.iter().find_map(|(unit, minutes)| Some((text.strip_suffix(unit)?, minutes)));
    let (number, minutes) = read.ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let minutes = i64::from(number) * minutes;
    if (1..=LIFETIME).contains(&minutes) { Ok(Duration::minutes(minutes)) } else { Err(wrong()) }
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::New(args) => new(args, context),
        Command::List(args) => list(args, context),
        Command::Revoke(args) => revoke(args, context),
    }
}

fn new(args: &NewArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.key.find(&args.ca)?;
    let profile = profile::find(&args.profile, Some(&ca.profiles()))?;
    let creation = Creation { private: true, replace: false };
    let output = match (&args.output, context.format) {
        (Some(path), _) => Some(product::output(path, creation, context)?),
        // The report has it.
        (None, Format::Json) => None,
        (None, Format::Text | Format::Yaml) => Some(Output::new(Path::new("-"), creation)?),
    };
    let hierarchy = serving(&ca, named, &profile)?;
    let issuer = args.key.issuer(&ca, hierarchy, None, context)?;
    let NewArgs { flow, device, names, ttl, uses, .. } = args;
    let new = NewToken { flow: *flow, profile: &profile, device, names, lifetime: *ttl, uses: *uses };
    let (secret, token) = issuer.new_token(&new, context.now)?;
    let mut report = Report::new("bulla.ca-token/1")
        .line(format!(
            "token {} of {}: {} of profile {}, {} use(s) until {}",
            token.id(),
            printable(&token.identity),
            token.flow,
            printable(&token.profile),
            token.uses,
            time(token.expires)
        ))
        .field("id", token.id().to_string())
        .field("issuer", token.issuer.as_str())
        .field("flow", token.flow.as_str())
        .field("profile", token.profile.as_str())
        .field("identity", token.identity.as_str())
        .field("names", token.names.clone())
        .field("uses", token.uses)
        .field("expires_at", time(token.expires));
    match output {
        Some(output) => {
            if let Err(error) = output.write(format!("{}\n", *secret).as_bytes()) {
                // Nobody has it, and nobody is to use it.
                issuer.revoke_token(token.id(), context.now)?;
                return Err(error.into());
            }
            report = report.field("output", args.output.as_ref().map(|path| path.to_string_lossy().into_owned()));
        }
        None => report = report.field("token", secret.as_str()),
    }
    context.done(report)
}

fn list(args: &ListArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = find(&args.ca)?;
    let mut store = ca.store()?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut after = None;
    loop {
        let page = store.tokens(named.map(Hierarchy::name), after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.number);
        let written = page.iter().try_for_each(|token| writeln!(out, "{}", shown(token, context)));
        if let Err(error) = written {
            deliver(Err(error))?;
            // The reader has gone, and has seen enough.
            return Ok(ExitCode::SUCCESS);
        }
    }
    deliver(out.flush())?;
    Ok(ExitCode::SUCCESS)
}

fn shown(token: &Token, context: &Context) -> String {
    let state = token.state(context.now.unix_timestamp());
    match context.format {
        Format::Json => json_line(&json!({
            "schema": "bulla.ca-token-list/1",
            "id": token.id().to_string(),
            "issuer": token.issuer,
            "flow": token.flow,
            "profile": token.profile,
            "identity": token.identity,
            "names": token.names,
            "created_at": time(token.created),
            "expires_at": time(token.expires),
            "uses": token.uses,
            "used": token.used,
            "state": state,
            "revoked_at": token.revoked.map(time),
        })),
        Format::Text | Format::Yaml => format!(
            "{}  {state:<7}  {}/{}  {}  {}  {:<10}  {}",
            token.id(),
            token.used,
            token.uses,
            time(token.expires),
            token.flow,
            printable(&token.profile),
            printable(&token.identity)
        ),
    }
}

fn revoke(args: &RevokeArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.key.find(&args.ca)?;
    let found = ca.store()?.token(args.id)?;
    let hierarchy = found.and_then(|token| Hierarchy::ALL.into_iter().find(|it| it.name() == token.issuer));
    let hierarchy = named.or(hierarchy).ok_or_else(|| ca::Error::NoSuchToken { token: args.id.to_string() })?;
    let issuer = args.key.issuer(&ca, hierarchy, None, context)?;
    let token = issuer.revoke_token(args.id, context.now)?;
    let report = Report::new("bulla.ca-token-revoke/1")
        .line(format!("token {} of {}: taken back", token.id(), printable(&token.identity)))
        .field("id", token.id().to_string())
        .field("identity", token.identity.as_str())
        .field("revoked_at", token.revoked.map(time));
    context.done(report)
}
