//! `bulla ca init`: make a CA.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Map, json};

use crate::ca::{NewCa, NewIssuing, Root};
use crate::cli::Context;
use crate::cli::authority::protection;
use crate::cli::keygen::Type;
use crate::cli::keys::{self, PassphraseFrom, Unlock};
use crate::cli::product;
use crate::cli::profile;
use crate::cli::report::Report;
use crate::cli::subject::VariableArgs;
use crate::files::{printable, shown};
use crate::key::KeyRef;
use crate::x509::{Chain, Hierarchy};

/// Make a CA in a new folder: roots and issuing CAs for devices and firmware
///
/// There are two roots, with an issuing CA each. Devices and firmware never share a root: a device's certificate must not pass as a firmware signer. Give devices
/// only DIR/firmware/root.pem as the anchor for updates.
///
/// Under a PKI that exists, name the hierarchy that it is for: with --root and --root-key the issuing CA is issued at
/// once; with --request-only it waits for `bulla ca import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca init acme --name Acme --no-passphrase
  $ bulla ca init acme --name Acme --ca-passphrase-from env:CA_PASS --root-passphrase-from env:PASS
  $ bulla ca init l7 --name A --hierarchy device --root root.pem --root-key root.key --no-passphrase
  $ bulla ca init line8 --name Acme --hierarchy device --request-only --no-passphrase")]
pub struct Args {
    /// The folder to make
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The organisation that the CA's certificates name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The hierarchy that the CA is for; both where left out
    #[arg(long, value_enum)]
    hierarchy: Option<HierarchyArg>,
    /// The type of the CA's keys
    #[arg(long = "type", value_enum, default_value_t)]
    key_type: Type,
    /// Encrypt the CA's keys with a passphrase: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    ca_passphrase_from: Option<PassphraseFrom>,
    /// Leave the CA's keys unencrypted
    #[arg(long, conflicts_with = "ca_passphrase_from")]
    no_passphrase: bool,
    /// The passphrase of the root's key, where it is not that of the CA's keys
    #[arg(long, value_name = "SOURCE", conflicts_with = "request_only")]
    root_passphrase_from: Option<PassphraseFrom>,
    /// Put the issuing CA under this one: its certificate, then those above it up to a self-signed root
    #[arg(long, value_name = "CERT", requires_all = ["root_key", "hierarchy"])]
    root: Option<PathBuf>,
    /// The key of --root, which is not copied
    #[arg(long, value_name = "KEY", requires = "root")]
    root_key: Option<KeyRef>,
    /// Make a request for another CA to issue, in DIR/HIERARCHY/issuing.csr
    #[arg(long, requires = "hierarchy", conflicts_with = "root")]
    request_only: bool,
    /// The profile of the root that is made
    #[arg(long, value_name = "PROFILE", requires = "hierarchy", conflicts_with_all = ["root", "request_only"])]
    root_profile: Option<String>,
    /// The profile of the issuing CA
    #[arg(long, value_name = "PROFILE", requires = "hierarchy")]
    issuing_profile: Option<String>,
    #[command(flatten)]
    variables: VariableArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum HierarchyArg {
    Device,
    Firmware,
}

impl From<HierarchyArg> for Hierarchy {
    fn from(hierarchy: HierarchyArg) -> Self {
        match hierarchy {
            HierarchyArg::Device => Self::Device,
            HierarchyArg::Firmware => Self::Firmware,
        }
    }
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let find = |name: &Option<String>| name.as_deref().map(|name| profile::find(name, None)).transpose();
    let (root_profile, issuing_profile) = (find(&args.root_profile)?, find(&args.issuing_profile)?);
    let variables = args.variables.variables()?;
    let what = "passphrase of the CA's keys";
    let passphrase = protection(args.ca_passphrase_from.as_ref(), args.no_passphrase, what)?;
    let existing = args.root.as_deref().map(Chain::read).transpose()?;
    let own_root_passphrase = match &args.root_passphrase_from {
        Some(from) if existing.is_none() => Some(from.get("passphrase of the root's key", true)?),
        _ => None,
    };
    let root_key = match (&args.root_key, &existing) {
        (Some(reference), Some(_)) => {
            let what = "passphrase of the root's key";
            let unlock = Unlock { from: args.root_passphrase_from.as_ref(), flag: "--root-passphrase-from", what };
            Some(keys::open(reference, unlock, context)?)
        }
        _ => None,
    };
    let key_type = args.key_type.into();
    let root = match (&existing, &root_key) {
        (Some(chain), Some(signer)) => Root::Existing { chain, signer },
        _ if args.request_only => Root::Elsewhere,
        _ => Root::New {
            profile: root_profile.as_ref(),
            key_type,
            protection: own_root_passphrase.as_ref().or(passphrase.as_ref()),
        },
    };
    let one = args.hierarchy.map(|hierarchy| [hierarchy.into()]);
    let new = NewCa {
        name: &args.name,
        hierarchies: one.as_ref().map_or(&Hierarchy::ALL, |one| one.as_slice()),
        root,
        issuing: NewIssuing {
            profile: issuing_profile.as_ref(),
            variables: &variables,
            key_type,
            protection: passphrase.as_ref(),
        },
    };
    let made = new.create(product::folder(&args.folder)?, context.now)?;
    context.done(report(args, &made))
}

fn report(args: &Args, made: &[(Hierarchy, Option<Chain>)]) -> Report {
    let roots = match made {
        [(_, None)] => "whose issuing CA awaits its certificate",
        [(_, Some(_))] => "with one root",
        _ => "with two roots",
    };
    let mut report = Report::new("bulla.ca-init/1")
        .line(format!("{}: CA {} {roots}", shown(&args.folder), printable(&args.name)))
        .field("folder", args.folder.to_string_lossy().into_owned());
    let mut issuers = Map::new();
    for (hierarchy, chain) in made {
        let folder = args.folder.join(hierarchy.name());
        let value = match chain.as_ref().map(Chain::certificates) {
            Some([issuing, .., root]) => {
                report =
                    report.line(format!("  {}: root sha256 {}", shown(&folder.join("root.pem")), root.fingerprint()));
                json!({
                    "root_sha256": root.fingerprint().to_string(),
                    "issuing_sha256": issuing.fingerprint().to_string(),
                })
            }
            _ => {
                let request: &Path = &folder.join("issuing.csr");
                report = report.line(format!("  {}: to be issued, then: bulla ca import", shown(request)));
                json!({ "request": request.to_string_lossy() })
            }
        };
        issuers.insert(hierarchy.name().to_owned(), value);
    }
    report.field("issuers", issuers)
}
