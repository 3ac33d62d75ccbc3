//! `bulla imgtool`: the command lines of MCUboot's imgtool (`mcu-tools/mcuboot scripts/imgtool/main.py`, 2.5.0), so that
//! builds which call it work as they are. Each is turned into the calls that `bulla sign`, `verify` and `keygen` make.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::report::Report;
use super::{Context, product};
use crate::files::Output;
use crate::image::ImageFormat;
use crate::image::mcuboot::Mcuboot;

mod dumpinfo;
mod keys;
mod sign;
mod verify;

/// Sign and verify MCUboot images by the command lines of imgtool
///
/// Flags, short flags and the order of files are those of imgtool 2.5.0; exit codes, reports and checks are those of
/// bulla. A file whose name ends in .hex is Intel HEX. A product replaces the file that is there, since builds run again;
/// a private key does not. No private number is printed: there is no getpriv.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Zephyr runs imgtool by its own Python. Give cmake -DIMGTOOL=PATH of a file with these two lines:
    import os, sys
    os.execvp('bulla', ['bulla', 'imgtool', *sys.argv[1:]])")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(visible_alias = "create")]
    Sign(Box<sign::Args>),
    Verify(verify::Args),
    Keygen(keys::KeygenArgs),
    Getpub(keys::GetpubArgs),
    Getpubhash(keys::GetpubhashArgs),
    Keyinfo(keys::KeyinfoArgs),
    Dumpinfo(dumpinfo::Args),
    Version(VersionArgs),
}

/// Print the version of imgtool whose command lines these are
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla imgtool version")]
struct VersionArgs {}

/// The version of imgtool whose command lines these are.
const VERSION: &str = "2.5.0";

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Sign(args) => sign::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Keygen(args) => keys::keygen(&args, context),
        Command::Getpub(args) => keys::getpub(&args, context),
        Command::Getpubhash(args) => keys::getpubhash(&args, context),
        Command::Keyinfo(args) => keys::keyinfo(&args, context),
        Command::Dumpinfo(args) => dumpinfo::run(&args, context),
        Command::Version(VersionArgs {}) => {
            let report = Report::new("bulla.imgtool.version/1").line(VERSION).field("version", VERSION);
            context.answer(report, 0)
        }
    }
}

/// Where something goes that is printed unless a file is named.
#[derive(Debug, clap::Args)]
struct TargetArgs {
    /// Where it goes, instead of standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    output: PathBuf,
}

impl TargetArgs {
    fn path(&self) -> &Path {
        &self.output
    }

    fn output(&self, context: &Context) -> anyhow::Result<Output> {
        product::output(&self.output, product::REPLACE, context)
    }
}

/// Whether a file is Intel HEX by its name, which imgtool goes by.
fn has_hex_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("hex"))
}

/// The format that all this is about.
fn format() -> &'static dyn ImageFormat {
    &Mcuboot
}
