//! `bulla ca renew-issuing`: the next generation of an issuing CA.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::ca::NewIssuing;
use crate::cli::Context;
use crate::cli::authority::{KeyArgs, only, protection};
use crate::cli::keygen::Type;
use crate::cli::keys::{self, PassphraseFrom, Unlock};
use crate::cli::profile;
use crate::cli::report::Report;
use crate::cli::subject::VariableArgs;
use crate::files::shown;
use crate::key::KeyRef;
use crate::x509::rfc3339;

/// Give an issuing CA a new certificate under the same root
///
/// It is for a new key unless --keep-key says otherwise. The only command that asks for the root's key. The old certificate and key stay: what they issued stays valid, and
/// `bulla ca crl` lists for both. With a new key the issuing CA also gets a new name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla ca renew-issuing acme/device --no-passphrase
  $ bulla ca renew-issuing acme/device --keep-key --root-key acme/device/root.key")]
pub struct Args {
    /// The CA, or its issuer, as acme/device
    #[arg(value_name = "CA")]
    ca: PathBuf,
    /// The key of the CA above, where it is not in the CA's folder
    #[arg(long, value_name = "KEY", conflicts_with = "request_only")]
    root_key: Option<KeyRef>,
    /// The passphrase of the root's key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", conflicts_with = "request_only")]
    root_passphrase_from: Option<PassphraseFrom>,
    /// Keep the issuing CA's key
    #[arg(long, conflicts_with_all = ["no_passphrase", "key_type", "request_only"])]
    keep_key: bool,
    /// The type of the new key
    #[arg(long = "type", value_enum, default_value_t, id = "key_type", value_name = "TYPE")]
    key_type: Type,
    /// Leave the new key unencrypted
    #[arg(long, conflicts_with = "ca_passphrase_from")]
    no_passphrase: bool,
    /// Make a request for another CA to issue, for `bulla ca import`
    #[arg(long)]
    request_only: bool,
    /// The profile of the issuing CA
    #[arg(long, value_name = "PROFILE")]
    issuing_profile: Option<String>,
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    key: KeyArgs,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (ca, named) = args.key.find(&args.ca)?;
    let hierarchy = only(&ca, named, &args.ca)?;
    let find = |name: &String| profile::find(name, Some(&ca.profiles()));
    let issuing_profile = args.issuing_profile.as_ref().map(find).transpose()?;
    let variables = args.variables.variables()?;
    let from = args.key.ca_passphrase_from.as_ref();
    let passphrase = match (args.keep_key, from) {
        // The key may be in the clear, and stays so.
        (true, None) => None,
        (true, Some(from)) => Some(from.get("passphrase of the CA's key", false)?),
        (false, from) => protection(from, args.no_passphrase, "passphrase of the CA's key")?,
    };
    let kept = if args.keep_key { Some(args.key.open(&ca, hierarchy, None, context)?) } else { None };
    let new = NewIssuing {
        profile: issuing_profile.as_ref(),
        variables: &variables,
        key_type: args.key_type.into(),
        protection: passphrase.as_ref(),
    };
    let report = Report::new("bulla.ca-renew-issuing/1").field("issuer", hierarchy.name());
    if args.request_only {
        let request = ca.request_issuing(hierarchy, new)?;
        let subject = request.subject().to_string();
        return context.done(
            report
                .line(format!("{}: request for {subject}, to be issued, then: bulla ca import", shown(&args.ca)))
                .field("subject", subject),
        );
    }
    let reference = args.root_key.clone().unwrap_or_else(|| ca.root_key(hierarchy));
    let what = "passphrase of the root's key";
    let unlock = Unlock { from: args.root_passphrase_from.as_ref(), flag: "--root-passphrase-from", what };
    let parent = keys::open(&reference, unlock, context)?;
    let chain = ca.renew_issuing(hierarchy, new, kept.as_ref(), &parent, context.now)?;
    let leaf = chain.leaf();
    context.done(
        report
            .line(format!("{}: {}, valid until {}", shown(&args.ca), leaf.subject(), rfc3339(leaf.not_after())))
            .field("subject", leaf.subject().to_string())
            .field("not_after", rfc3339(leaf.not_after()))
            .field("issuing_sha256", leaf.fingerprint().to_string()),
    )
}
