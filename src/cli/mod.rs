//! The command line: all of clap, indicatif and anyhow. One file a command; each turns arguments into calls of the
//! library and the result into a report.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::x509::Time;

mod array;
mod authority;
mod ca;
mod csr;
mod doctor;
mod enroll;
mod error;
mod espsecure;
mod est_url;
pub mod generated;
mod imgtool;
mod inspect;
mod keygen;
mod keys;
mod obtain;
mod order;
mod product;
mod profile;
mod progress;
mod remote;
mod renew;
mod report;
mod revoke;
mod sign;
mod signature;
mod subject;
mod ticket;
mod trust;
mod verify;
mod verify_batch;
mod verify_chain;

use error::Failure;
use report::Report;

/// Device identities and firmware signatures in one tool
///
/// bulla makes device keys and certificate requests, runs a CA that issues certificates for them, signs firmware,
/// and verifies it as a device would.
#[derive(Debug, Parser)]
#[command(name = "bulla", version, max_term_width = 100, after_long_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
struct Global {
    /// How the command reports: text for people, JSON for programs
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
    /// When to use colour
    #[arg(long, value_enum, default_value_t, global = true)]
    color: Color,
    /// How to show progress on standard error; auto is a bar on a terminal, else a line each 10 s
    #[arg(long, value_enum, default_value_t, global = true)]
    progress: progress::Style,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    /// Of `imgtool dumpinfo` alone, whose own flag this is too; whatever else is reported is text.
    #[value(skip)]
    Yaml,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(keygen::Args),
    Csr(csr::Args),
    Enroll(enroll::Args),
    Renew(renew::Args),
    Revoke(revoke::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    VerifyChain(verify_chain::Args),
    Inspect(inspect::Args),
    Ca(ca::Args),
    Imgtool(imgtool::Args),
    Espsecure(espsecure::Args),
    Profile(profile::Args),
    Doctor(doctor::Args),
    Completions(generated::CompletionsArgs),
    Man(generated::ManArgs),
}

const EXIT_CODES: &str = "\
Exit codes:
    0  done, or the answer is yes
    1  the question could not be put, or the work not be done
    2  the command line is wrong
    3  checked, and the answer is no
    4  a credential is missing or wrong
    5  part of a batch failed
    6  enrolment is pending; run it again later
    7  transient: safe to repeat as it is
  130  interrupted (SIGINT); 143 terminated (SIGTERM)";

/// What every command is given: the time, and how to talk.
struct Context {
    /// The time of the run, in whole seconds, taken once.
    now: Time,
    format: Format,
    progress: progress::Style,
}

impl Context {
    /// Writes a warning to standard error.
    fn warn(&self, text: impl std::fmt::Display) {
        Self::warn_of(text);
    }

    /// The same, for where there is no context.
    fn warn_of(text: impl std::fmt::Display) {
        let _ = writeln!(anstream::stderr(), "{}", error::labelled(error::WARNING, &text.to_string()));
    }

    /// Writes the report of a command whose product is a file: JSON to standard output, text to standard error.
    fn done(&self, report: Report) -> anyhow::Result<ExitCode> {
        match self.format {
            Format::Json => deliver(report.print_json(io::stdout()))?,
            // Like a warning: the product is there, whether or not anybody hears of it.
            Format::Text | Format::Yaml => drop(report.print_text(anstream::stderr())),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the report of a command whose product is the report itself.
    fn answer(&self, report: Report, code: u8) -> anyhow::Result<ExitCode> {
        deliver(match self.format {
            Format::Json => report.print_json(io::stdout()),
            Format::Text | Format::Yaml => report.print_text(anstream::stdout()),
        })?;
        Ok(ExitCode::from(code))
    }
}

/// Judges how writing to standard output went. A reader that has gone has seen enough, and the command's answer stands:
/// a bad verdict must not turn good because nobody listened.
fn deliver(written: io::Result<()>) -> Result<(), crate::files::Error> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|source| crate::files::Error::Write { path: "-".into(), source }),
    }
}

/// The time, in whole seconds.
fn now() -> Time {
    let now = Time::now_utc();
    now.replace_nanosecond(0).unwrap_or(now)
}

/// Runs the program: the whole of `main`.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cli.global.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let context = Context { now: now(), format: cli.global.format, progress: cli.global.progress };
    let done = match cli.command {
        Command::Keygen(args) => keygen::run(args, &context),
        Command::Csr(args) => csr::run(args, &context),
        Command::Enroll(args) => enroll::run(&args, &context),
        Command::Renew(args) => renew::run(&args, &context),
        Command::Revoke(args) => revoke::run(&args, &context),
        Command::Sign(args) => sign::run(args, &context),
        Command::Verify(args) => verify::run(args, &context),
        Command::VerifyChain(args) => verify_chain::run(&args, &context),
        Command::Inspect(args) => inspect::run(&args, &context),
        Command::Ca(args) => ca::run(args, &context),
        Command::Imgtool(args) => imgtool::run(args, &context),
        Command::Espsecure(args) => espsecure::run(&args, &context),
        Command::Profile(args) => profile::run(&args, &context),
        Command::Doctor(args) => doctor::run(&args, &context),
        Command::Completions(args) => generated::completions(&args, &context),
        Command::Man(args) => generated::man(&args, &context),
    };
    match done {
        Ok(code) => code,
        Err(error) => Failure::from(&error).report(context.format),
    }
}

/// Answers `--help` and `--version`, and reports a wrong command line.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help that could not be written is a failure, as any output is.
        return match deliver(error.print().and_then(|()| io::stdout().flush())) {
            Err(error) => Failure::from(&error.into()).report(Format::Text),
            Ok(()) => ExitCode::SUCCESS,
        };
    }
    // The format flag itself may stand behind what could not be parsed.
    let words: Vec<_> = std::env::args_os().collect();
    let wants_json = words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
        || words.iter().any(|word| word == "--format=json");
    Failure::usage(error).report(if wants_json { Format::Json } else { Format::Text })
}

/// The command line as clap has it, for completions and man pages.
fn command() -> clap::Command {
    Cli::command()
}
