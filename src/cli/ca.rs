//! `bulla ca`: the embedded certificate authority.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Context;
use super::error::Credential;
use super::keygen::Type;
use super::keys::PassphraseFrom;
use super::report::Report;
use crate::ca::NewCa;
use crate::files::shown;
use serde_json::json;

/// Administer an embedded CA
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Init(InitArgs),
}

/// Make a CA in a new folder: two roots, for devices and firmware, with an issuing CA each
///
/// Devices and firmware never share a root: a device's certificate must not pass as a firmware signer. Give devices
/// only DIR/firmware/root.pem as the anchor for updates.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca init acme --name Acme --no-passphrase
  $ bulla ca init acme --name Acme --ca-passphrase-from env:CA_PASS")]
struct InitArgs {
    /// The folder to make
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The organisation that the CA's certificates name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The type of the CA's keys
    #[arg(long = "type", value_enum, default_value_t)]
    key_type: Type,
    /// Encrypt the CA's keys with a passphrase: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    ca_passphrase_from: Option<PassphraseFrom>,
    /// Leave the CA's keys unencrypted
    #[arg(long, conflicts_with = "ca_passphrase_from")]
    no_passphrase: bool,
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Init(args) => init(&args, context),
    }
}

fn init(args: &InitArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let passphrase = match (&args.ca_passphrase_from, args.no_passphrase) {
        (Some(from), _) => Some(from.get("passphrase of the CA's keys", true)?),
        (None, true) => None,
        (None, false) => {
            return Err(Credential {
                message: "the CA's keys need a passphrase".to_owned(),
                hint: "add --ca-passphrase-from SOURCE, or --no-passphrase to do without".to_owned(),
            }
            .into());
        }
    };
    let new = NewCa { name: &args.name, key_type: args.key_type.into(), passphrase: passphrase.as_ref() };
    let made = new.create(&args.folder, context.now)?;
    let mut report = Report::new("bulla.ca-init/1")
        .line(format!("{}: CA {} with two roots", shown(&args.folder), crate::files::printable(&args.name)))
        .field("folder", args.folder.to_string_lossy().into_owned());
    let mut issuers = serde_json::Map::new();
    for (hierarchy, chain) in &made {
        let [issuing, root] = chain.certificates() else { continue };
        let folder = args.folder.join(hierarchy.name());
        report = report.line(format!("  {}: root sha256 {}", shown(&folder.join("root.pem")), root.fingerprint()));
        issuers.insert(
            hierarchy.name().to_owned(),
            json!({
                "root_sha256": root.fingerprint().to_string(),
                "issuing_sha256": issuing.fingerprint().to_string(),
            }),
        );
    }
    context.done(report.field("issuers", issuers))
}
