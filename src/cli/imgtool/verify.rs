//! `bulla imgtool verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::format;
use crate::cli::Context;
use crate::cli::keys::{self, PassphraseFrom};
use crate::cli::verify::by_key;
use crate::key::PublicKey;

/// Check an MCUboot image as the bootloader would
///
/// The verdict is that of bulla verify --as mcuboot, which can ask for more. Exit code 3 is a bad image.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  $ bulla imgtool verify -k firmware.pub app.signed.bin"
)]
pub struct Args {
    /// The image
    #[arg(value_name = "IMGFILE")]
    imgfile: PathBuf,
    /// The key, private or public. Without one imgtool checks the hash alone, which anybody can make, so bulla asks for it
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// The passphrase of a private key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<PassphraseFrom>,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let spki = keys::public_half(&args.key, keys::own(args.passphrase_from.as_ref()), context)?;
    by_key(&args.imgfile, format(), PublicKey::from_spki(&spki)?, context)
}
