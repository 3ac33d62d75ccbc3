//! `bulla ca backup`: copy a CA while it runs.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::Context;
use crate::cli::authority::find;
use crate::cli::error::Usage;
use crate::cli::product;
use crate::cli::report::Report;
use crate::files::shown;

/// Copy a CA into a new folder while it runs
///
/// The records are copied as they are at one moment, with the keys, certificates and profiles. The copy is a CA folder,
/// as private as the CA: to restore, put it in the place of the CA. Never work with both.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca backup acme -o acme-2026-11-22")]
pub struct Args {
    /// The CA's folder
    #[arg(value_name = "CA")]
    ca: PathBuf,
    /// The folder to make
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, issuer) = find(&args.ca)?;
    if issuer.is_some() {
        return Err(Usage("a backup is of the whole CA; name its folder".to_owned()).into());
    }
    ca.backup(product::folder(&args.output)?)?;
    context.done(
        Report::new("bulla.ca-backup/1")
            .line(format!("{}: backup of {}", shown(&args.output), shown(&args.ca)))
            .field("output", args.output.to_string_lossy().into_owned()),
    )
}
