//! `bulla completions` and `bulla man`: what is generated from the command line's own description.

use std::io::{self, Write};
use std::process::ExitCode;

use clap_complete::Shell;

use super::error::Usage;
use super::{Context, Format};

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla completions bash > /etc/bash_completion.d/bulla")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print a man page
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla man | man -l -
  $ bulla man sign > bulla-sign.1")]
pub struct ManArgs {
    /// The command whose page it is, as `sign` or `ca init`; without it the page of bulla itself
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn completions(args: &CompletionsArgs, context: &Context) -> anyhow::Result<ExitCode> {
    refuse_json(context)?;
    print(&completion(args.shell))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &ManArgs, context: &Context) -> anyhow::Result<ExitCode> {
    refuse_json(context)?;
    let name = std::iter::once("bulla").chain(args.command.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
    let pages = man_pages()?;
    let page = pages.iter().find(|(file, _)| *file == format!("{name}.1"));
    let (_, page) = page.ok_or_else(|| Usage(format!("there is no command {}", args.command.join(" "))))?;
    print(page)?;
    Ok(ExitCode::SUCCESS)
}

/// What is printed here has a form of its own.
fn refuse_json(context: &Context) -> Result<(), Usage> {
    match context.format {
        Format::Text | Format::Yaml => Ok(()),
        Format::Json => Err(Usage("completions and man pages have no JSON form".to_owned())),
    }
}

fn print(bytes: &[u8]) -> Result<(), crate::files::Error> {
    super::deliver(io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()))
}

fn completion(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::command(), "bulla", &mut script);
    script
}

/// Every completion script: file name and content.
pub fn completion_files() -> Vec<(String, Vec<u8>)> {
    [(Shell::Bash, "bulla.bash"), (Shell::Zsh, "_bulla"), (Shell::Fish, "bulla.fish")]
        .map(|(shell, name)| (name.to_owned(), completion(shell)))
        .into()
}

/// Every man page: file name and content.
pub fn man_pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    let mut command = super::command();
    command.build();
    render(&command, "bulla", &mut pages)?;
    Ok(pages)
}

fn render(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let mut page = Vec::new();
    // The date would make each build's page another one.
    clap_mangen::Man::new(command.clone()).title(name).date("").render(&mut page)?;
    pages.push((format!("{name}.1"), page));
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        render(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}
