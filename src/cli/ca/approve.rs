//! `bulla ca approve`: decide about requests that wait.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::list::time;
use crate::ca::{self, Ca, Issuer};
use crate::cli::authority::KeyArgs;
use crate::cli::report::Report;
use crate::cli::{Context, Format, deliver};
use crate::files::{json_line, printable, to_hex};
use crate::store::{Store, Waiting};
use crate::x509::Hierarchy;

/// Requests read at a time.
const PAGE: usize = 500;

/// Approve or refuse requests that wait
///
/// Where a server was told to have each first certificate approved, a request waits until somebody has looked at it here.
/// The device learns of it when it asks again. An approval is for one certificate.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca approve acme --list
  $ bulla ca approve acme 7 8
  $ bulla ca approve acme --identity SN-42 --refuse")]
pub struct Args {
    /// The CA, or one of its issuers, as acme/device
    #[arg(value_name = "CA")]
    ca: PathBuf,
    /// The numbers of the requests
    #[arg(value_name = "ID", required_unless_present_any = ["identity", "list"], conflicts_with_all = ["identity", "list"])]
    ids: Vec<u64>,
    /// That which waits of this identity, as SN-42 or serialNumber=SN-42; with --refuse, all
    #[arg(long, value_name = "TEXT")]
    identity: Option<String>,
    /// Refuse them
    #[arg(long, conflicts_with = "list")]
    refuse: bool,
    /// List what waits, and decide nothing
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    key: KeyArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.key.find(&args.ca)?;
    let issuer = named.map(Hierarchy::name);
    if args.list {
        return list(args, &ca, issuer, context);
    }
    let requests = meant(args, &ca, issuer)?;
    let mut issuers: BTreeMap<&'static str, Issuer> = BTreeMap::new();
    let mut report = Report::new("bulla.ca-approve/1");
    for request in requests {
        let hierarchy = Hierarchy::ALL.into_iter().find(|hierarchy| hierarchy.name() == request.issuer);
        let hierarchy = hierarchy.ok_or(ca::Error::NoSuchRequest { id: request.id })?;
        let issuer = match issuers.entry(hierarchy.name()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(args.key.issuer(&ca, hierarchy, None, context)?)
            }
        };
        let Waiting { id, identity, profile, state, .. } =
            issuer.decide_request(request.id, !args.refuse, context.now)?;
        let part = Report::of_part()
            .line(format!("{id}  {}  {}  {}", state.name(), printable(&profile), printable(&identity)))
            .field("id", id)
            .field("profile", profile)
            .field("identity", identity)
            .field("state", state.name());
        report = report.part("requests", part);
    }
    context.done(report)
}

/// The requests that are meant; each must exist before the first is decided about.
fn meant(args: &Args, ca: &Ca, issuer: Option<&str>) -> anyhow::Result<Vec<Waiting>> {
    let mut store = ca.store()?;
    if let Some(identity) = &args.identity {
        let mut found = Vec::new();
        each(&mut store, issuer, |request| {
            if is_of(&request, identity) {
                found.push(request);
            }
            Ok(())
        })?;
        if found.is_empty() {
            return Err(ca::Error::NothingWaits { identity: identity.clone() }.into());
        }
        let mut seen = BTreeSet::new();
        let is_another = |request: &&Waiting| {
            !seen.insert((request.issuer.clone(), request.profile.clone(), request.identity.clone()))
        };
        return match found.iter().find(is_another).filter(|_| !args.refuse) {
            Some(Waiting { identity, profile, .. }) => {
                Err(ca::Error::SeveralWait { identity: identity.clone(), profile: profile.clone() }.into())
            }
            None => Ok(found),
        };
    }
    let mut find = |id: &u64| {
        let found = store.request(*id)?.filter(|request| issuer.is_none_or(|issuer| issuer == request.issuer));
        found.ok_or(ca::Error::NoSuchRequest { id: *id })
    };
    Ok(args.ids.iter().map(&mut find).collect::<Result<_, ca::Error>>()?)
}

/// Whether a request is of an identity, which is said as recorded (`serialNumber=SN-42`), or by its value alone.
fn is_of(request: &Waiting, identity: &str) -> bool {
    ["", "serialNumber=", "CN=", "dns ", "ip "].iter().any(|kind| request.identity == format!("{kind}{identity}"))
}

/// Goes through what waits.
fn each(
    store: &mut impl Store,
    issuer: Option<&str>,
    mut take: impl FnMut(Waiting) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store.waiting(issuer, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        // A reader that has gone has seen enough.
        if let Err(error) = page.into_iter().try_for_each(&mut take) {
            return Ok(deliver(Err(error))?);
        }
    }
}

fn list(args: &Args, ca: &Ca, issuer: Option<&str>, context: &Context) -> anyhow::Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    each(&mut ca.store()?, issuer, |request| match args.identity.as_deref() {
        Some(identity) if !is_of(&request, identity) => Ok(()),
        _ => writeln!(out, "{}", shown(&request, context)),
    })?;
    deliver(out.flush())?;
    Ok(ExitCode::SUCCESS)
}

fn shown(request: &Waiting, context: &Context) -> String {
    match context.format {
        Format::Json => json_line(&json!({
            "schema": "bulla.ca-request-list/1",
            "id": request.id,
            "issuer": request.issuer,
            "profile": request.profile,
            "identity": request.identity,
            "subject": request.subject,
            "alt_names": request.alt_names,
            "request_spki_sha256": to_hex(&request.claim),
            "by": request.by,
            "requested_at": time(request.requested),
            "state": request.state.name(),
        })),
        Format::Text | Format::Yaml => {
            let names: Vec<&str> =
                std::iter::once(&request.subject).chain(&request.alt_names).map(String::as_str).collect();
            format!(
                "{}  {}  {:<10}  {}  by {}",
                request.id,
                time(request.requested),
                printable(&request.profile),
                printable(&names.join("; ")),
                printable(&request.by)
            )
        }
    }
}
