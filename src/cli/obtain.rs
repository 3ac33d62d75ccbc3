//! Getting a certificate: what `enroll` and `renew` share, and how it is had from a CA's folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use time::Duration;

use super::Context;
use super::authority::{IssuerArgs, only_with_folder, parse_period};
use super::error::Usage;
use super::keys::{self, PassphraseFrom};
use super::product;
use super::report::Report;
use crate::ca::Ca;
use crate::enroll::{Ask, Credential, Direct, Enroller, Occasion, Outcome};
use crate::files::{Creation, Output, shown_output};
use crate::key::{Hash, KeyRef, SoftwareKey};
use crate::x509::{Chain, Hierarchy, Profile, ProvenRequest, Request, Variables, colon_hex, rfc3339};

/// The flags about the certificate that is wanted, and about the CA.
#[derive(Debug, clap::Args)]
pub struct ObtainArgs {
    /// How long the certificate is valid instead of the profile's time, as 90d or 20y
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    valid_for: Option<Duration>,
    /// Allow a certificate that is valid for longer than its issuer
    #[arg(long)]
    allow_outlive: bool,
    /// Where the certificate chain goes; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The passphrase of --key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE", conflicts_with = "request")]
    passphrase_from: Option<PassphraseFrom>,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub issuer: IssuerArgs,
}

/// What is asked of a CA, but for the flags.
pub struct Asked<'a> {
    pub request: &'a ProvenRequest,
    pub profile: &'a Profile,
    pub variables: &'a Variables,
    pub occasion: Occasion<'a>,
}

impl ObtainArgs {
    /// Looks at the output, before anything is issued.
    pub fn output(&self, context: &Context) -> anyhow::Result<Output> {
        product::output(&self.output, Creation { private: false, replace: self.force }, context)
    }

    /// Looks at an output beside that one: another file, since standard output takes one product.
    pub fn beside(&self, flag: &str, path: &Path, private: bool) -> anyhow::Result<Output> {
        if path == Path::new("-") || path == self.output {
            return Err(Usage(format!("{flag} must be a file of its own")).into());
        }
        Ok(Output::new(path, Creation { private, replace: self.force })?)
    }

    /// Opens the key that the certificate is for.
    pub fn open(&self, reference: &KeyRef, context: &Context) -> anyhow::Result<SoftwareKey> {
        keys::open(reference, keys::own(self.passphrase_from.as_ref()), context)
    }

    /// Refuses what no protocol asks a server for.
    pub fn check_far(&self) -> Result<(), Usage> {
        let given = [(self.valid_for.is_some(), "--valid-for"), (self.allow_outlive, "--allow-outlive")];
        match given.into_iter().find(|(is_given, _)| *is_given) {
            Some((_, flag)) => Err(only_with_folder(flag)),
            None => Ok(()),
        }
    }

    /// Asks the CA in a folder, writes what it issued, and reports.
    pub fn obtain(
        &self,
        asked: &Asked<'_>,
        ca: &Ca,
        hierarchy: Hierarchy,
        output: Output,
        report: Report,
        context: &Context,
    ) -> anyhow::Result<ExitCode> {
        let Asked { request, profile, variables, occasion } = *asked;
        let issuer = self.issuer.key.issuer(ca, hierarchy, None, context)?;
        let mut enroller = Direct::new(issuer, ca.anchors(hierarchy)?);
        let (validity, may_outlive) = (self.valid_for, self.allow_outlive);
        let credential = Credential::Operator;
        let ask = Ask { request, profile, variables, occasion, validity, may_outlive, credential };
        let Outcome::Issued(chain) = enroller.enroll(&ask, context.now)? else {
            // Who holds the CA's key has nobody to wait for.
            anyhow::bail!("the CA lets its own operator wait");
        };
        output.write(chain.to_pem().as_bytes())?;
        if validity.is_some() && chain.leaf().not_before() < profile.not_before(context.now) {
            context.warn("the certificate was issued before, and --valid-for changes nothing in it");
        }
        context.done(issued(report, &self.output, profile, &chain))
    }
}

/// Adds what was issued to a report.
pub fn issued(report: Report, output: &Path, profile: &Profile, chain: &Chain) -> Report {
    let leaf = chain.leaf();
    let (subject, serial) = (leaf.subject().to_string(), colon_hex(leaf.serial()));
    report
        .line(format!(
            "{}: {} certificate of {subject}, serial {serial}, valid until {}",
            shown_output(output),
            profile.name,
            rfc3339(leaf.not_after())
        ))
        .field("output", output.to_string_lossy().into_owned())
        .field("profile", profile.name.clone())
        .field("subject", subject)
        .field("serial", serial)
        .field("not_before", rfc3339(leaf.not_before()))
        .field("not_after", rfc3339(leaf.not_after()))
        .field("sha256", leaf.fingerprint().to_string())
        .field("spki_sha256", Hash::Sha256.digest(leaf.spki()).to_string())
        .field("chain_length", chain.certificates().len())
}

/// Checks that a request was made with its key.
pub fn prove(request: Request) -> anyhow::Result<ProvenRequest> {
    request.prove().context("the request does not prove that its sender holds the key")
}
