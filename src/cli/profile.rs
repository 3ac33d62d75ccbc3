//! `bulla profile`: the certificate profiles, built in and of the user's own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Context;
use super::authority;
use super::report::Report;
use crate::files::{self, Kind, printable, shown};
use crate::x509::lint::{self, Finding, Severity};
use crate::x509::{self, Certificate, Hierarchy, Profile, Time};

/// See and check certificate profiles
///
/// A profile says what goes into a certificate: names, key types, validity, extensions. Those of your own are TOML files
/// that are given wherever a profile is asked for; `bulla profile example` prints one with every key. Nothing in a file is
/// ignored, and a mistake is refused with its line. Tables merge with those of the profile that is extended, everything
/// else replaces. {serial} stands for a variable, which gets its value from the names that are asked for, from the issuer,
/// or from --set.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(ListArgs),
    Show(ShowArgs),
    Example(ExampleArgs),
    Lint(LintArgs),
}

/// List the built-in profiles
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla profile list")]
pub struct ListArgs {}

/// Print a profile as TOML, with all that it extends
///
/// A built-in profile comes with its comments, and is a start for one of your own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla profile show idevid
  $ bulla profile show ./gateway.toml --format json")]
pub struct ShowArgs {
    /// The name of a built-in profile, or a file that ends in .toml
    #[arg(value_name = "PROFILE")]
    profile: String,
}

/// Print an example of a profile that has every key, with comments
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla profile example > gateway.toml")]
pub struct ExampleArgs {}

/// Look for mistakes in profiles and certificates
///
/// Each file is a profile, or certificates in PEM or DER: one, a chain, or several of one PKI. Errors make the exit code
/// 3; warnings do not. A certificate is not verified here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla profile lint gateway.toml --ca acme
  $ bulla profile lint device.pem --format json")]
pub struct LintArgs {
    /// The files; one may be `-`, standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Hold profiles against the issuers of this CA, too: whether their certificates would outlive them
    #[arg(long, value_name = "CA")]
    ca: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::List(_) => list(context),
        Command::Show(args) => {
            let profile = find(&args.profile, None)?;
            let toml = Profile::built_in_toml(&profile.name).map_or_else(|| profile.to_toml(), str::to_owned);
            show(&profile, &toml, context)
        }
        Command::Example(_) => show(&Profile::from_toml(Profile::EXAMPLE)?, Profile::EXAMPLE, context),
        Command::Lint(args) => check(args, context),
    }
}

/// Finds the profile that an argument means: a file where it ends in `.toml` or has a slash, a built-in profile, or one
/// of a CA's own, which are in the folder `ca_profiles`.
pub fn find(text: &str, ca_profiles: Option<&Path>) -> Result<Profile, x509::Error> {
    if text.ends_with(".toml") || text.contains('/') {
        return Profile::read(Path::new(text));
    }
    let file = ca_profiles.map(|folder| folder.join(format!("{text}.toml"))).filter(|path| path.is_file());
    match (Profile::named(text), file) {
        (Err(x509::Error::UnknownProfile { name }), Some(path)) => {
            let profile = Profile::read(&path)?;
            if profile.name == name {
                return Ok(profile);
            }
            let why = format!("has the name {}, and its file another", profile.name);
            Err(x509::Error::ProfileFile { file: shown(&path), line: None, why })
        }
        (found, _) => found,
    }
}

fn hierarchy(profile: &Profile) -> &'static str {
    profile.hierarchy.map_or("any", Hierarchy::name)
}

fn list(context: &Context) -> anyhow::Result<ExitCode> {
    let line =
        |name: &str, role: &str, hierarchy: &str, summary: &str| format!("{name:<18}{role:<9}{hierarchy:<10}{summary}");
    let report = Report::new("bulla.profile-list/1").line(line("name", "role", "hierarchy", "for"));
    let report = Profile::built_in().iter().fold(report, |report, profile| {
        let part = Report::of_part()
            .line(line(&profile.name, profile.role.name(), hierarchy(profile), &profile.summary))
            .field("name", profile.name.as_str())
            .field("role", profile.role.name())
            .field("hierarchy", hierarchy(profile))
            .field("summary", profile.summary.as_str())
            .field("sha256", profile.digest().to_string());
        report.part("profiles", part)
    });
    context.answer(report, 0)
}

fn show(profile: &Profile, toml: &str, context: &Context) -> anyhow::Result<ExitCode> {
    let report = toml.lines().fold(Report::of_part(), |report, line| report.line(printable(line)));
    // The profile itself is the JSON, and brings its schema.
    let fields = match profile.to_json() {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    let report = fields.into_iter().fold(report, |report, (name, value)| report.field(&name, value));
    context.answer(report.field("sha256", profile.digest().to_string()), 0)
}

fn check(args: &LintArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let mut findings: Vec<(String, Finding)> = Vec::new();
    let mut all = Vec::new();
    let issuers = args.ca.as_deref().map(issuers).transpose()?.unwrap_or_default();
    for path in &args.files {
        let bytes = files::read("the file", path, files::DOCUMENT_LIMIT)?;
        let found = if is_certificate(&bytes) {
            let certificates = certificates(&bytes, path)?;
            all.extend(certificates.iter().cloned().map(|certificate| (shown(path), certificate)));
            lint::of_certificates(&certificates)
        } else {
            match Profile::parse(&bytes, path) {
                Ok(profile) => {
                    let ends = issuers.iter().filter(|(hierarchy, _)| profile.serves(*hierarchy));
                    let outlives = ends.filter_map(|(_, end)| lint::outlives(&profile, context.now, *end));
                    let mut found: Vec<Finding> = outlives.collect();
                    found.extend(lint::of_profile(&profile));
                    found
                }
                // What it says is the answer; what cannot be read beside it is none.
                Err(error @ x509::Error::ProfileFile { .. }) => vec![Finding::not_a_profile(&error)],
                Err(error) => return Err(error.into()),
            }
        };
        findings.extend(found.into_iter().map(|finding| (shown(path), finding)));
    }
    // Whatever was given together is looked at together.
    let together: Vec<Certificate> = all.iter().map(|(_, certificate)| certificate.clone()).collect();
    findings.extend(lint::shared_roots(&together).into_iter().map(|(index, finding)| (all[index].0.clone(), finding)));
    let count = |severity| findings.iter().filter(|(_, finding)| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let mut report = Report::new("bulla.profile-lint/1")
        .field("errors", errors)
        .field("warnings", warnings)
        .field("findings", json!([]));
    for (file, Finding { severity, code, about, words }) in &findings {
        let part = Report::of_part()
            .line(format!("{file}: {} {code}: {}", severity.name(), printable(&format!("{about} {words}"))))
            .field("file", file.as_str())
            .field("severity", severity.name())
            .field("code", *code)
            .field("about", about.as_str())
            .field("message", words.as_str());
        report = report.part("findings", part);
    }
    let report = report.line(format!("{} file(s): {errors} error(s), {warnings} warning(s)", args.files.len()));
    context.answer(report, if errors > 0 { 3 } else { 0 })
}

/// When each issuer of a CA ends.
fn issuers(path: &Path) -> anyhow::Result<Vec<(Hierarchy, Time)>> {
    let (ca, named) = authority::find(path)?;
    let mut ends = Vec::new();
    for hierarchy in authority::chosen(&ca, named) {
        let end = ca.generations(hierarchy)?.last().map(|newest| newest.chain.leaf().not_after());
        ends.extend(end.map(|end| (hierarchy, end)));
    }
    Ok(ends)
}

/// A profile is text without PEM's boundary; DER begins with the tag of a SEQUENCE, which starts no profile.
fn is_certificate(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30) || bytes.windows(11).any(|window| window == b"-----BEGIN ")
}

fn certificates(bytes: &[u8], path: &Path) -> Result<Vec<Certificate>, x509::Error> {
    files::documents(bytes, path, "a profile or a certificate")?
        .into_iter()
        .map(|document| Certificate::from_der(&document.expect(Kind::Certificate, path)?.der))
        .collect()
}
