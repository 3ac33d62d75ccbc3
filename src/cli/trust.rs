//! Flags that say what a chain of certificates must hold up to, shared by `verify` and `verify-chain`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use const_oid::ObjectIdentifier;
use serde_json::json;

use super::Context;
use super::error::Usage;
use super::report::{Report, row};
use crate::files::{self, shown};
use crate::image::Bad;
use crate::key::Hash;
use crate::x509::ocsp::{Answer, Response, read_answers};
use crate::x509::verify::{Anchors, Mode, Path as Found, PolicyRules, Purpose, Revocation, Rules, Standing, Strength};
use crate::x509::{self, AltName, Time, read_certificates, read_revocation_lists, rfc3339};

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
    /// The shortest hash that any signature may use: on the file, on a certificate, list or response
    #[arg(long, value_enum, value_name = "HASH", default_value_t)]
    min_hash: HashArg,
    /// Most CAs between the certificate and a trusted one
    #[arg(long, value_name = "NUMBER", requires = "trust")]
    max_path_length: Option<u8>,
    /// Revocation lists, PEM or DER; may be given several times
    #[arg(long, value_name = "FILE", requires = "trust")]
    crl: Vec<PathBuf>,
    /// OCSP responses, DER or PEM; may be given several times
    #[arg(long, value_name = "FILE", requires = "trust")]
    ocsp: Vec<PathBuf>,
    /// How much must be known of revocation; check where a list or response is given, else off
    #[arg(long, value_enum, value_name = "MODE", requires = "trust")]
    revocation: Option<RevocationArg>,
    /// Accept this certificate policy, and require one that is accepted; may be given several times
    #[arg(long, value_name = "OID", value_parser = parse_oid, requires = "trust")]
    policy: Vec<ObjectIdentifier>,
    /// Require a certificate policy, whichever it is
    #[arg(long, requires = "trust")]
    require_explicit_policy: bool,
    /// Let no certificate map a policy to another
    #[arg(long, requires = "trust")]
    inhibit_policy_mapping: bool,
    /// Let anyPolicy stand for no policy below a trusted certificate
    #[arg(long, requires = "trust")]
    inhibit_any_policy: bool,
}

impl ChainArgs {
    /// The rules for a purpose. Lists and responses that cannot be parsed are wrong evidence.
    pub fn rules(&self, purpose: Purpose, context: &Context) -> anyhow::Result<Result<Rules, Bad>> {
        let Self {
            at,
            min_rsa,
            min_hash,
            max_path_length,
            crl,
            ocsp,
            revocation,
            policy,
            require_explicit_policy,
            inhibit_policy_mapping,
            inhibit_any_policy,
        } = self;
        let nothing_tells = crl.is_empty() && ocsp.is_empty();
        let mode = match revocation {
            Some(RevocationArg::Off) if !nothing_tells => {
                let (evidence, flag) = if crl.is_empty() { ("response", "--ocsp") } else { ("list", "--crl") };
                return Err(Usage(format!("--revocation off looks at no {evidence}, and {flag} gives one")).into());
            }
            Some(mode) => (*mode).into(),
            None if nothing_tells => Mode::Off,
            None => Mode::Check,
        };
        let (lists, responses) = match (evidence(crl, read_revocation_lists)?, responses(ocsp)?) {
            (Ok(lists), Ok(responses)) => (lists, responses),
            (Err(bad), _) | (_, Err(bad)) => return Ok(Err(bad)),
        };
        Ok(Ok(Rules {
            strength: Strength::default().with_rsa(*min_rsa).with_hash((*min_hash).into()),
            max_path_length: *max_path_length,
            policies: PolicyRules {
                acceptable: policy.clone(),
                require_explicit: *require_explicit_policy,
                inhibit_mapping: *inhibit_policy_mapping,
                inhibit_any: *inhibit_any_policy,
            },
            revocation: Revocation { mode, lists, responses },
            ..Rules::new(purpose, at.unwrap_or(context.now))
        }))
    }
}

/// How much must be known of the revocation of certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RevocationArg {
    /// Of every certificate but the trusted one that it is not revoked
    Require,
    /// What is given: a certificate is refused that it revokes, or whose issuer's list or response does not hold; one of
    /// which it does not tell is accepted
    Check,
    /// Nothing
    Off,
}

impl From<RevocationArg> for Mode {
    fn from(mode: RevocationArg) -> Self {
        match mode {
            RevocationArg::Require => Self::Require,
            RevocationArg::Check => Self::Check,
            RevocationArg::Off => Self::Off,
        }
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
    /// A signer of firmware: no CA; extKeyUsage codeSigning and keyUsage digitalSignature
    #[default]
    Firmware,
    /// A TLS client: extKeyUsage clientAuth, or none
    TlsClient,
    /// A TLS server: extKeyUsage serverAuth, or none
    TlsServer,
    /// A device's identity from its maker: no CA; extKeyUsage clientAuth, or none
    Idevid,
    /// A server of the public web, by the CA/Browser Forum's rules
    Webpki,
    /// No rule about its use
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

/// Reads files that are evidence. What cannot be parsed is wrong evidence, not a failure to ask; a file that cannot be
/// read is.
pub fn evidence<'a, T>(
    paths: impl IntoIterator<Item = &'a PathBuf>,
    read: impl Fn(&Path) -> Result<Vec<T>, x509::Error>,
) -> anyhow::Result<Result<Vec<T>, Bad>> {
    let mut all = Vec::new();
    for path in paths {
        match read(path) {
            Ok(found) => all.extend(found),
            Err(x509::Error::File(error)) if !matches!(error, files::Error::WrongKind { .. }) => {
                return Err(error.into());
            }
            Err(error) => return Ok(Err(Bad::new("malformed", error))),
        }
    }
    Ok(Ok(all))
}

/// Reads responses that are evidence. A responder that gave none vouches for nothing.
fn responses(paths: &[PathBuf]) -> anyhow::Result<Result<Vec<Response>, Bad>> {
    let named = |path: &Path| Ok(read_answers(path)?.into_iter().map(|answer| (path.to_owned(), answer)).collect());
    let response = |(path, answer): (PathBuf, Answer)| match answer {
        Answer::Response(response) => Ok(response),
        Answer::Failure(failure) => {
            let words = format!("{} is no response but an OCSP responder's answer {failure}", shown(&path));
            Err(Bad::new("revocation-unknown", words))
        }
    };
    Ok(evidence(paths, named)?.and_then(|answers| answers.into_iter().map(response).collect()))
}

/// Adds a chain that holds to a report, with what is known of the revocation of its certificates.
pub fn with_path(report: Report, path: &Found) -> Report {
    let certificates = path.chain.certificates();
    let subjects: Vec<String> = certificates.iter().map(|each| each.subject().to_string()).collect();
    let mut report = report.line(row("chain", &subjects.join(" < ")));
    let mut chain = Vec::new();
    let standings = path.standings.iter().map(Some).chain(std::iter::repeat(None));
    for (certificate, standing) in certificates.iter().zip(standings) {
        let subject = certificate.subject().to_string();
        let mut value = json!({"subject": subject, "sha256": certificate.fingerprint().to_string()});
        if let Some(standing) = standing {
            let (code, words, time) = match standing {
                Standing::Unknown => ("unknown", "not known", None),
                Standing::NotListed { this_update } => ("not-listed", "not revoked, by lists of", Some(*this_update)),
                Standing::Good { this_update } => ("good", "not revoked, by a response of", Some(*this_update)),
            };
            let time = time.map(rfc3339);
            let said = time.as_ref().map_or(words.to_owned(), |time| format!("{words} {time}"));
            report = report.line(row("revocation", &format!("{subject}: {said}")));
            value["revocation"] = json!({"standing": code, "this_update": time});
        }
        chain.push(value);
    }
    report.field("chain", chain)
}

/// Adds the policies that hold for a path to a report, where one is required.
pub fn with_policies(report: Report, rules: &PolicyRules, path: &Found) -> Report {
    if !rules.is_required() {
        return report;
    }
    let policies: Vec<String> = path.policies.iter().map(ObjectIdentifier::to_string).collect();
    report.line(row("policies", &policies.join(", "))).field("policies", policies)
}

/// Reads an object identifier in dotted numbers.
fn parse_oid(text: &str) -> Result<ObjectIdentifier, String> {
    ObjectIdentifier::new(text).map_err(|_| "must be an object identifier as 1.3.6.1.4.1.99999.1".to_owned())
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
