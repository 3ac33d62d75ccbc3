//! `bulla ca audit`: check and export the audit record.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::ca::{Audited, check_exported};
use crate::cli::Context;
use crate::cli::authority::{chosen, find};
use crate::cli::error::Usage;
use crate::cli::product;
use crate::cli::report::Report;
use crate::files::{self, Creation, shown};
use crate::store::audit::{Fault, Head};
use crate::x509::read_certificates;

/// Check the audit record of a CA, or of an exported file, and export it
///
/// Each decision is a line that holds the hash of the one before; the issuing CA's key signs the last one's hash and the
/// number of lines. A record that was put back to an earlier state as a whole is found with --continues: keep the last
/// line of an export elsewhere. Exit code 3 where the record does not hold.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca audit acme
  $ bulla ca audit acme/device -o audit.jsonl
  $ bulla ca audit acme/device --continues kept.jsonl
  $ bulla ca audit kept.jsonl --issuer acme/device/issuing.pem")]
pub struct Args {
    /// The CA, one of its issuers, as acme/device, or an exported record
    #[arg(value_name = "CA")]
    ca: PathBuf,
    /// Write the lines and the signed head to this file; `-` is standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "issuer")]
    output: Option<PathBuf>,
    /// An earlier export, or its last line, that the record must continue
    #[arg(long, value_name = "FILE", conflicts_with = "issuer")]
    continues: Option<PathBuf>,
    /// The certificates of the issuing CA, to check an exported record
    #[arg(long, value_name = "CERT")]
    issuer: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let report = Report::new("bulla.ca-audit/1");
    if let Some(issuer) = &args.issuer {
        let mut keys = Vec::new();
        for certificate in read_certificates("certificate of the issuing CA", issuer)? {
            keys.push(certificate.public_key()?);
        }
        let mut record = BufReader::new(files::open("audit record", &args.ca)?);
        let checked = check_exported(&mut record, &keys)?;
        let (report, holds) = tell(report, &shown(&args.ca), &checked);
        return context.answer(report.field("holds", holds), if holds { 0 } else { 3 });
    }
    if args.ca.is_file() {
        return Err(Usage("an exported record is checked with --issuer CERT".to_owned()).into());
    }
    let (ca, named) = find(&args.ca)?;
    if named.is_none() && (args.output.is_some() || args.continues.is_some()) {
        return Err(Usage("each issuer has its own record; name one, as acme/device".to_owned()).into());
    }
    let earlier = args.continues.as_deref().map(read_head).transpose()?;
    let mut staged = match &args.output {
        Some(path) => Some(product::output(path, Creation { private: true, replace: false }, context)?.stage()?),
        None => None,
    };
    ca.check_records()?;
    let mut report = report;
    let mut holds = true;
    for hierarchy in chosen(&ca, named) {
        let mut nowhere = io::sink();
        let out: &mut dyn Write = staged.as_mut().map_or(&mut nowhere, |staged| staged);
        let checked = ca.audit(hierarchy, earlier.as_ref(), out)?;
        let (next, is_good) = tell(report, hierarchy.name(), &checked);
        (report, holds) = (next, holds && is_good);
    }
    let report = report.field("holds", holds);
    match staged {
        // A record that does not hold is not exported.
        Some(staged) if holds => {
            staged.commit()?;
            context.done(report)
        }
        _ => context.answer(report, if holds { 0 } else { 3 }),
    }
}

fn tell(report: Report, name: &str, checked: &Result<Audited, Fault>) -> (Report, bool) {
    let part = Report::of_part().field("name", name);
    let part = match checked {
        Ok(Audited { head, issued, refused, revoked }) => part
            .line(format!(
                "{name}: the record holds: {} lines, {issued} issued, {refused} refused, {revoked} revoked",
                head.extent.count
            ))
            .field("holds", true)
            .field("lines", head.extent.count)
            .field("hash", crate::files::to_hex(&head.extent.hash))
            .field("issued", *issued)
            .field("refused", *refused)
            .field("revoked", *revoked),
        Err(fault) => part
            .line(format!("{name}: the record does not hold: {fault}"))
            .field("holds", false)
            .field("code", fault.code())
            .field("message", fault.to_string()),
    };
    (report.part("records", part), checked.is_ok())
}

/// The head in the last line of a file.
fn read_head(path: &Path) -> anyhow::Result<Head> {
    let mut last = String::new();
    for line in BufReader::new(files::open("audit record", path)?).lines() {
        last = line.map_err(|source| files::Error::Read { what: "audit record", path: path.to_owned(), source })?;
    }
    Ok(Head::from_line(&last)?)
}
