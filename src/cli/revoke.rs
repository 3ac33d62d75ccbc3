//! `bulla revoke`: revoke certificates, or release them from hold.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;

use super::Context;
use super::authority::AuthorityArgs;
use super::ca::SelectionArgs;
use super::error::Usage;
use super::report::Report;
use crate::ca::{Ca, Issuer};
use crate::files::printable;
use crate::store::{Filter, Record, Revoked, Store};
use crate::x509::{Certificate, Chain, Hierarchy, Reason, colon_hex};

/// Certificates revoked in one transaction: short enough that issuing goes on in between.
const SLICE: usize = 500;

/// Certificates named one by one in the report; more are only counted.
const SHOWN: usize = 20;

/// Revoke certificates, or release them from hold
///
/// What is revoked is durable when the command ends, and the next `bulla ca crl` says so. A certificate that is revoked
/// already stays as it is, so that an interrupted command can be repeated. On hold (certificateHold) it can be released
/// with --reason removeFromCRL.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla revoke device.pem --ca acme --reason keyCompromise
  $ bulla revoke --identity SN-42 --ca acme --reason cessationOfOperation
  $ bulla revoke --profile idevid --ca acme --reason superseded --dry-run")]
pub struct Args {
    /// The certificate; `-` is standard input
    #[arg(value_name = "CERT")]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Why (RFC 5280 section 5.3.1)
    #[arg(long, value_name = "REASON", value_parser = reason())]
    reason: Reason,
    /// Say what would be revoked, and revoke nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    authority: AuthorityArgs,
}

/// The reasons of RFC 5280 by name.
fn reason() -> impl TypedValueParser<Value = Reason> {
    PossibleValuesParser::new(Reason::ALL.map(|(_, name)| name)).try_map(|name| name.parse::<Reason>())
}

/// Those of them that are for good.
pub fn final_reason() -> impl TypedValueParser<Value = Reason> {
    let names = Reason::ALL.into_iter().filter(|(reason, _)| reason.is_final()).map(|(_, name)| name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Reason>())
}

/// What became of the certificates.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, u64>,
    shown: Vec<(String, String, &'static str)>,
}

impl Tally {
    fn count(&mut self, record: &Record, outcome: &'static str) {
        *self.counts.entry(outcome).or_default() += 1;
        if self.shown.len() < SHOWN {
            self.shown.push((colon_hex(&record.serial), record.identity.clone(), outcome));
        }
    }
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.authority.find()?;
    let mut filter = args.selection.filter();
    filter.issuer = named.map(|hierarchy| hierarchy.name().to_owned());
    match (&args.certificate, args.selection.is_empty()) {
        (Some(path), true) => filter.serial = Some(on_record(Chain::read(path)?.leaf(), &ca)?),
        (None, false) => {}
        (Some(_), false) => return Err(Usage("give a certificate, or flags that select some".to_owned()).into()),
        (None, true) => {
            return Err(Usage(
                "say which: a certificate, --serial, --identity, --profile or --issued-between".to_owned(),
            )
            .into());
        }
    }
    let tally = revoke(args, &ca, &filter, context)?;
    if tally.counts.is_empty() {
        return Err(crate::ca::Error::NoSuchCertificate.into());
    }
    let mut report = Report::new("bulla.revoke/1").field("reason", args.reason.to_string());
    for outcome in OUTCOMES {
        report = report.field(outcome, tally.counts.get(outcome).copied().unwrap_or_default());
    }
    for (serial, identity, outcome) in tally.shown {
        let part = Report::of_part()
            .line(format!("{serial}  {}  {}", outcome.replace('_', " "), printable(&identity)))
            .field("serial", serial)
            .field("identity", identity)
            .field("outcome", outcome);
        report = report.part("certificates", part);
    }
    let total: u64 = tally.counts.values().sum();
    if total > SHOWN as u64 {
        report = report.line(format!("... {total} in all"));
    }
    context.done(report)
}

/// The serial number of a certificate that is on record. Another one with the same number is not meant.
fn on_record(certificate: &Certificate, ca: &Ca) -> anyhow::Result<Vec<u8>> {
    let serial = certificate.serial().to_vec();
    let filter = Filter { serial: Some(serial.clone()), ..Filter::default() };
    let is_same = ca.store()?.list(&filter, None, 1)?.pop().is_some_and(|record| match &record.certificate {
        Some(recorded) => recorded == certificate.der(),
        None => record.to_be_signed == certificate.to_be_signed(),
    });
    if is_same { Ok(serial) } else { Err(crate::ca::Error::NoSuchCertificate.into()) }
}

/// The outcomes by name, as in the report.
const OUTCOMES: [&str; 6] =
    ["revoked", "already_revoked", "released", "not_on_hold", "would_be_revoked", "would_be_released"];

/// What would become of a certificate.
fn expected(record: &Record, reason: Reason) -> &'static str {
    match (record.revoked.map(|(_, before)| before), reason) {
        (Some(Reason::CertificateHold), Reason::RemoveFromCrl) => "would_be_released",
        (_, Reason::RemoveFromCrl) => "not_on_hold",
        (Some(before), _) if before != Reason::CertificateHold || before == reason => "already_revoked",
        _ => "would_be_revoked",
    }
}

/// Goes through what the filter selects, slice by slice. The issuers' keys are opened when they are needed.
fn revoke(args: &Args, ca: &Ca, filter: &Filter, context: &Context) -> anyhow::Result<Tally> {
    let mut store = ca.store()?;
    let mut issuers: BTreeMap<&'static str, Issuer> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut after = None;
    loop {
        let page = store.list(filter, after, SLICE)?;
        let Some(last) = page.last() else { return Ok(tally) };
        after = Some(last.cursor);
        if args.dry_run {
            page.iter().for_each(|record| tally.count(record, expected(record, args.reason)));
            continue;
        }
        for hierarchy in Hierarchy::ALL {
            let records: Vec<&Record> = page.iter().filter(|record| record.issuer == hierarchy.name()).collect();
            if records.is_empty() {
                continue;
            }
            let issuer = match issuers.entry(hierarchy.name()) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(args.authority.key.issuer(ca, hierarchy, None, context)?)
                }
            };
            let serials: Vec<Vec<u8>> = records.iter().map(|record| record.serial.clone()).collect();
            let outcomes = issuer.revoke(&serials, args.reason, context.now)?;
            for (record, outcome) in records.into_iter().zip(outcomes) {
                tally.count(
                    record,
                    match outcome {
                        Revoked::Now => "revoked",
                        Revoked::Already(_) | Revoked::Unknown => "already_revoked",
                        Revoked::Released => "released",
                        Revoked::NotOnHold => "not_on_hold",
                    },
                );
            }
        }
    }
}
