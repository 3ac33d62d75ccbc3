//! `bulla ca`: the embedded certificate authority.

use std::process::ExitCode;

use super::Context;

mod approve;
mod audit;
mod backup;
mod crl;
mod import;
mod init;
mod list;
mod renew_issuing;
mod serve;
mod token;

pub use list::SelectionArgs;

/// Administer an embedded CA
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Init(init::Args),
    Import(import::Args),
    RenewIssuing(renew_issuing::Args),
    List(list::Args),
    Token(token::Args),
    Approve(approve::Args),
    Crl(crl::Args),
    Audit(audit::Args),
    Backup(backup::Args),
    Serve(serve::Args),
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Init(args) => init::run(&args, context),
        Command::Import(args) => import::run(&args, context),
        Command::RenewIssuing(args) => renew_issuing::run(&args, context),
        Command::List(args) => list::run(&args, context),
        Command::Token(args) => token::run(&args, context),
        Command::Approve(args) => approve::run(&args, context),
        Command::Crl(args) => crl::run(&args, context),
        Command::Audit(args) => audit::run(&args, context),
        Command::Backup(args) => backup::run(&args, context),
        Command::Serve(args) => serve::run(&args, context),
    }
}
