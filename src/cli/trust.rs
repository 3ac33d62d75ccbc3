//! Flags that say what a chain of certificates must hold up to, shared by `verify` and `verify-chain`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::Context;
use crate::files;
use crate::image::Bad;
use crate::key::Hash;
use crate::x509::verify::{Anchors, Purpose, Rules, Strength};
use crate::x509::{self, AltName, Certificate, Time, read_certificates};

/// What the certificates of a chain must hold up to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Certificates")]
pub struct ChainArgs {
    /// Judge certificates at this time instead of now, as 2026-11-22T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Time>,
    /// The least length of an RSA key in bits
    #[arg(long, value_name = "BITS", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(2048..=8192))]
    min_rsa: u32,
    /// The shortest hash of a signature
    #[arg(long, value_enum, value_name = "HASH", default_value_t)]
    min_hash: HashArg,
    /// Most CAs between the certificate and a trusted one
    #[arg(long, value_name = "NUMBER")]
    max_path_length: Option<u8>,
}

impl ChainArgs {
    /// The rules for a purpose.
    pub fn rules(&self, purpose: Purpose, context: &Context) -> anyhow::Result<Rules> {
        let Self { at, min_rsa, min_hash, max_path_length } = self;
        Ok(Rules {
            strength: Strength::default().with_rsa(*min_rsa).with_hash((*min_hash).into()),
            max_path_length: *max_path_length,
            ..Rules::new(purpose, at.unwrap_or(context.now))
        })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum HashArg {
    #[default]
    Sha256,
    Sha384,
    Sha512,
}

impl From<HashArg> for Hash {
    fn from(hash: HashArg) -> Self {
        match hash {
            HashArg::Sha256 => Self::Sha256,
            HashArg::Sha384 => Self::Sha384,
            HashArg::Sha512 => Self::Sha512,
        }
    }
}

/// What a certificate must be for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PurposeArg {
    /// No CA; extKeyUsage codeSigning and keyUsage digitalSignature
    #[default]
    Firmware,
    /// extKeyUsage clientAuth, or none
    TlsClient,
    /// extKeyUsage serverAuth, or none
    TlsServer,
    /// A device's identity from its maker: no CA; extKeyUsage clientAuth, or none
    Idevid,
    /// A server of the public web, by the CA/Browser Forum's rules
    Webpki,
    /// No rule
    Any,
}

impl From<PurposeArg> for Purpose {
    fn from(purpose: PurposeArg) -> Self {
        match purpose {
            PurposeArg::Firmware => Self::Firmware,
            PurposeArg::TlsClient => Self::TlsClient,
            PurposeArg::TlsServer => Self::TlsServer,
            PurposeArg::Idevid => Self::Idevid,
            PurposeArg::Webpki => Self::Webpki,
            PurposeArg::Any => Self::Any,
        }
    }
}

/// Reads the certificates that are trusted.
pub fn anchors(paths: &[PathBuf]) -> anyhow::Result<Anchors> {
    let mut anchors = Vec::new();
    for path in paths {
        anchors.extend(read_certificates("trusted certificates", path)?);
    }
    Ok(Anchors::new(anchors)?)
}

/// Reads certificates that are evidence. What cannot be parsed is wrong evidence, not a failure to ask; a file that
/// cannot be read is.
pub fn evidence(path: &Path) -> anyhow::Result<Result<Vec<Certificate>, Bad>> {
    match read_certificates("certificate", path) {
        Ok(certificates) => Ok(Ok(certificates)),
        Err(x509::Error::File(error)) if !matches!(error, files::Error::WrongKind { .. }) => Err(error.into()),
        Err(error) => Ok(Err(Bad::new("malformed", error))),
    }
}

/// Reads RFC 3339.
pub fn parse_time(text: &str) -> Result<Time, String> {
    Time::parse(text, &time::format_description::well_known::Rfc3339)
        .map_err(|_| "must be a time as 2026-11-22T00:00:00Z".to_owned())
}

/// Reads `dns:NAME` and the like.
pub fn parse_alt_name(text: &str) -> Result<AltName, String> {
    let parsed = match text.split_once(':') {
        Some(("dns", name)) => AltName::dns(name),
        Some(("ip", address)) => AltName::ip(address),
        Some(("uri", uri)) => AltName::uri(uri),
        Some(("email", address)) => AltName::email(address),
        _ => return Err("must be dns:NAME, ip:ADDRESS, uri:URI or email:ADDRESS".to_owned()),
    };
    parsed.map_err(|error| error.to_string())
}

/// Reads a name with its form before it, as [`parse_alt_name`] does; or as it is, an address or a host's.
pub fn parse_name(text: &str) -> Result<AltName, String> {
    // No host and no address starts so, and the local part of an e-mail address may.
    if ["dns:", "ip:", "uri:", "email:"].iter().any(|form| text.starts_with(form)) {
        return parse_alt_name(text);
    }
    let plain = AltName::ip(text).ok().or_else(|| AltName::dns(text).ok()).or_else(|| AltName::email(text).ok());
    plain.map_or_else(|| parse_alt_name(text), Ok)
}
