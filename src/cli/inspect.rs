//! placeholder
use std::process::ExitCode;
#[derive(Debug, clap::Args)]
pub struct Args {}
pub fn run(_: &Args, _: &super::Context) -> anyhow::Result<ExitCode> { Ok(ExitCode::SUCCESS) }
