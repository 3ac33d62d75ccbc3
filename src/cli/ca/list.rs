//! `bulla ca list`: the certificates on record.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::authority::{Octets, find, parse_moment, parse_serial};
use crate::cli::{Context, Format, deliver};
use crate::files::{json_line, printable, to_hex};
use crate::store::{Cursor, Filter, Record, State, Store};
use crate::x509::{Certificate, Time, colon_hex, rfc3339};

/// Certificates read at a time.
const PAGE: usize = 500;

/// List the certificates that a CA has planned, issued and revoked
///
/// One line each, in the order of their issue. The issuing CAs' own certificates are listed where --serial, --identity or
/// --profile names them. With --limit, the cursor of the last line is where the next page begins;
/// a page costs the same wherever it stands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca list acme
  $ bulla ca list acme/device --profile idevid --state issued --limit 100 --format json
  $ bulla ca list acme --expires-before 2027-01-01")]
pub struct Args {
    /// The CA, or one of its issuers, as acme/device
    #[arg(value_name = "CA")]
    ca: PathBuf,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Only certificates in this state
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<State>,
    /// Only certificates that end before this day or time
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    expires_before: Option<Time>,
    /// At most so many
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Only what stands behind this cursor
    #[arg(long, value_name = "CURSOR", value_parser = parse_cursor)]
    after: Option<Cursor>,
}

/// Flags that say which certificates are meant, shared with `revoke`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArgs {
    /// The certificate with this serial number
    #[arg(long, value_name = "HEX", value_parser = parse_serial)]
    pub serial: Option<Octets>,
    /// Certificates of this identity, as SN-42 or serialNumber=SN-42
    #[arg(long, value_name = "TEXT")]
    pub identity: Option<String>,
    /// Certificates of this profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Certificates issued in this time, as 2026-11-22 2026-11-23; the end is left out
    #[arg(long, num_args = 2, value_names = ["FROM", "UNTIL"], value_parser = parse_moment)]
    pub issued_between: Option<Vec<Time>>,
}

impl SelectionArgs {
    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        let Self { serial, identity, profile, issued_between } = self;
        serial.is_none() && identity.is_none() && profile.is_none() && issued_between.is_none()
    }

    /// What the flags select.
    pub fn filter(&self) -> Filter {
        let between = self.issued_between.as_deref().unwrap_or_default();
        Filter {
            serial: self.serial.as_deref().map(<[u8]>::to_vec),
            identity: self.identity.clone(),
            profile: self.profile.clone(),
            from: between.first().map(|time| time.unix_timestamp()),
            until: between.get(1).map(|time| time.unix_timestamp() - 1),
            issuing_too: self.identity.is_some() || self.profile.is_some(),
            ..Filter::default()
        }
    }
}

fn parse_state(text: &str) -> Result<State, String> {
    let found = State::ALL.iter().find(|(_, name)| *name == text).map(|(state, _)| *state);
    let names = State::ALL.map(|(_, name)| name);
    found.ok_or_else(|| format!("must be one of {}", names.join(", ")))
}

/// Reads `TIME.ID`, as it is shown.
fn parse_cursor(text: &str) -> Result<Cursor, String> {
    let read = || {
        let (time, id) = text.split_once('.')?;
        Some(Cursor { time: time.parse().ok()?, id: id.parse().ok()? })
    };
    read().ok_or_else(|| "must be a cursor that the list gave, as 1795387445.17".to_owned())
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, issuer) = find(&args.ca)?;
    let now = context.now.unix_timestamp();
    let filter = Filter {
        issuer: issuer.map(|hierarchy| hierarchy.name().to_owned()),
        state: args.state.map(|state| (state, now)),
        expires_before: args.expires_before.map(Time::unix_timestamp),
        ..args.selection.filter()
    };
    let mut store = ca.store()?;
    let mut after = args.after;
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut out = io::BufWriter::new(io::stdout().lock());
    while left > 0 {
        let page = store.list(&filter, after, left.min(PAGE))?;
        let Some(last) = page.last() else { break };
        after = Some(last.cursor);
        left -= page.len();
        let written = page.iter().try_for_each(|record| match context.format {
            Format::Json => writeln!(out, "{}", json(record, now)),
            Format::Text | Format::Yaml => writeln!(out, "{}", text(record, now)),
        });
        if let Err(error) = written {
            deliver(Err(error))?;
            // The reader has gone, and has seen enough.
            return Ok(ExitCode::SUCCESS);
        }
    }
    deliver(out.flush())?;
    Ok(ExitCode::SUCCESS)
}

fn text(record: &Record, now: i64) -> String {
    format!(
        "{}  {:<8}  {:<10}  {}  {}",
        colon_hex(&record.serial),
        record.state(now).to_string(),
        record.profile,
        date(record.validity.1),
        printable(&record.identity)
    )
}

fn json(record: &Record, now: i64) -> String {
    let certificate = record.certificate.as_deref().and_then(|der| Certificate::from_der(der).ok());
    json_line(&json!({
        "schema": "bulla.ca-list/1",
        "cursor": format!("{}.{}", record.cursor.time, record.cursor.id),
        "issued_at": time(record.cursor.time),
        "issuer": record.issuer,
        "generation": record.generation,
        "profile": record.profile,
        "identity": record.identity,
        "serial": colon_hex(&record.serial),
        "subject": record.subject,
        "not_before": time(record.validity.0),
        "not_after": time(record.validity.1),
        "state": record.state(now).to_string(),
        "revoked_at": record.revoked.map(|(at, _)| time(at)),
        "reason": record.revoked.map(|(_, reason)| reason.to_string()),
        "spki_sha256": to_hex(&record.spki_sha256),
        "sha256": certificate.map(|certificate| certificate.fingerprint().to_string()),
    }))
}

/// A moment in Unix seconds, as output has it.
pub fn time(seconds: i64) -> String {
    Time::from_unix_timestamp(seconds).map_or_else(|_| "unknown".to_owned(), rfc3339)
}

fn date(seconds: i64) -> String {
    time(seconds).chars().take(10).collect()
}
