//! `bulla imgtool verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::format;
use crate::cli::Context;
use crate::cli::keys::{self, PassphraseFrom};
use crate::cli::progress::Progress;
use crate::cli::verify::{bad_report, good_report};
use crate::files;
use crate::image::{self, Demands, Evidence, Policy, Settings, Source, Trust, Verdict};
use crate::key::PublicKey;
use crate::x509::verify::Purpose;

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
    let policy = Policy {
        trust: Trust::Key(PublicKey::from_spki(&spki)?),
        untrusted: Vec::new(),
        purpose: Purpose::Firmware,
        at: context.now,
        demands: Demands::default(),
    };
    let evidence = Evidence { signature: None, signer: None, policy: &policy };
    let mut progress = Progress::new(context, "verifying", files::size(&args.imgfile));
    let mut observe = |done| progress.observe(done);
    let mut source = Source::open(&args.imgfile, &mut observe)?;
    let verdict = image::verify(format(), &mut source, &evidence, &Settings::default())?;
    drop(source);
    drop(progress);
    match verdict {
        Verdict::Good(good) => context.answer(good_report(&args.imgfile, format(), &policy, &good), 0),
        Verdict::Bad(bad) => context.answer(bad_report(&args.imgfile, format(), &bad), 3),
    }
}
