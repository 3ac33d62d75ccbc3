//! `bulla inspect`: say what a file is and what is in it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use x509_cert::ext::pkix::KeyUsage;

use super::Context;
use super::keys::{self, PassphraseFrom};
use super::report::{Elements, Report, row};
use super::trust::parse_time;
use crate::cms::{self, SignedData, SignerIdentifier};
use crate::files::{self, DOCUMENT_LIMIT, Document, Kind, printable, shown};
use crate::image::mcuboot::key_hash;
use crate::image::{self, Description, ImageFormat, Source};
use crate::key::algorithm::oid_name;
use crate::key::{self, Hash, KeyFile, PrivateKey, PublicKey, Signer};
use crate::x509::ocsp::{Answer, CertId, Responder, SingleResponse, Status};
use crate::x509::{
    self, AltName, Certificate, CertificateList, Extension, KEY_USAGES, Outline, Policy, Profile, Request,
    RevokedCertificate, Subject, Time, colon_hex, no_expiry, rfc3339,
};

/// Say what a file is and what is in it
///
/// Knows keys, certificate requests, certificates and chains, revocation lists, OCSP responses and CMS messages, PEM or
/// DER, keys and signatures of minisign, and the images that bulla signs. The type is found from the content. Nothing is
/// verified but a request's own signature, and no private number is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  $ bulla inspect device.pem
  $ bulla inspect device.csr --format json
  $ bulla inspect app.img")]
pub struct Args {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The time for which validity is shown instead of now, as 2026-11-22T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Time>,
    /// Open an encrypted key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<PassphraseFrom>,
}

/// Most entries of a revocation list that are shown as text; JSON has all.
const SHOWN_ENTRIES: usize = 20;

/// What `inspect` looks for, in error messages.
const WANTED: &str = "a key, request, certificate, revocation list, OCSP response, CMS message or signed image";

pub fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    // An image is read where it stands. It may be larger than what is read at once, and its first bytes say what it is.
    // What the system makes up as it is read has no size.
    let is_stream = files::size(&args.file).is_none_or(|size| size == 0);
    if !is_stream && let Some(found) = image(&mut Source::open(&args.file, |_| {})?)? {
        return context.answer(started(args).part("documents", found), 0);
    }
    let bytes = match files::read_or_stream("file", &args.file, DOCUMENT_LIMIT)? {
        Ok(bytes) => bytes,
        Err(stream) => {
            let too_large = || files::Error::TooLarge { what: "file", path: args.file.clone(), limit: DOCUMENT_LIMIT };
            let found = if is_stream { image(&mut Source::from_stream(&args.file, stream, |_| {}))? } else { None };
            return context.answer(started(args).part("documents", found.ok_or_else(too_large)?), 0);
        }
    };
    if is_stream && let Some(found) = image_in(&bytes, args)? {
        return context.answer(started(args).part("documents", found), 0);
    }
    let documents = files::documents(&bytes, &args.file, WANTED)?;
    let at = args.at.unwrap_or(context.now);
    let mut report = started(args);
    if documents.len() > 1 && documents.iter().all(|document| document.kind == Kind::Certificate) {
        report = chain(report, &documents);
    }
    for document in documents {
        let part = describe(document, args, at, context)?;
        report = report.part("documents", part);
    }
    context.answer(report, 0)
}

fn started(args: &Args) -> Report {
    Report::new("bulla.inspect/1").field("file", args.file.to_string_lossy().into_owned())
}

fn image_in(bytes: &[u8], args: &Args) -> Result<Option<Report>, image::Error> {
    // What is empty is nothing at all.
    if bytes.is_empty() {
        return Ok(None);
    }
    image(&mut Source::from_bytes(&args.file, bytes.to_vec(), |_| {}))
}

/// A signed image, or a signature, of the first format that knows it.
fn image(source: &mut Source<'_>) -> Result<Option<Report>, image::Error> {
    Ok(image::recognise(source)?.map(|(format, description)| described(format, description)))
}

/// The report of what a format says of an image.
pub(super) fn described(format: &dyn ImageFormat, Description { kind, rows }: Description) -> Report {
    let report = Report::of_part().field("kind", kind).field("as", format.name()).line(kind);
    rows.iter().fold(report, |report, (label, value)| report.row(label, printable(value)))
}

fn describe(document: Document, args: &Args, at: Time, context: &Context) -> anyhow::Result<Report> {
    use anyhow::Context as _;
    let named = || format!("cannot read {}", shown(&args.file));
    let der = &document.der;
    Ok(match document.kind {
        Kind::Certificate => match (Certificate::from_der(der), Outline::of(der)) {
            (Ok(found), _) => certificate(&found, at),
            (Err(error), Some(outline)) => malformed(&outline, &error),
            (Err(error), None) => return Err(error).with_context(named),
        },
        Kind::Request => request(Request::from_der(der).with_context(named)?),
        Kind::Crl => revocation_list(CertificateList::from_der(der).with_context(named)?, at),
        Kind::OcspResponse => answer(&Answer::from_der(der).with_context(named)?, at),
        Kind::Cms => message(der, at).with_context(named)?,
        Kind::PublicKey | Kind::Pkcs1PublicKey | Kind::MinisignPublicKey => {
            public_key(&document).with_context(named)?
        }
        _ => private_key(document, args, context)?,
    })
}

/// One line about the order of several certificates.
fn chain(report: Report, documents: &[Document]) -> Report {
    let certificates: Result<Vec<Certificate>, _> =
        documents.iter().map(|document| Certificate::from_der(&document.der)).collect();
    let in_order = certificates.and_then(x509::Chain::new).is_ok();
    let words = if in_order { "in order, the end entity first" } else { "not in the order of a chain" };
    report.line(format!("chain  {} certificates, {words}", documents.len())).field("is_chain", in_order)
}

fn certificate(certificate: &Certificate, at: Time) -> Report {
    // A profile that lists its subjects says more of a certificate than one that takes any.
    let passes = |profile: &&Profile| profile.check(certificate).is_ok();
    let (any, listed): (Vec<&Profile>, _) =
        Profile::built_in().iter().partition(|profile| profile.subject == Subject::Any);
    let profile = listed.into_iter().chain(any).find(passes);
    let subject = certificate.subject();
    let title = subject.values(x509::Name::COMMON_NAME).pop().map_or_else(|| subject.to_string(), |cn| printable(&cn));
    let verdict = profile.map_or(String::new(), |profile| format!("profile {}: pass", profile.name));
    let (from, until) = (certificate.not_before(), certificate.not_after());
    let state = match () {
        () if at < from => "not yet valid",
        () if at > until => "expired",
        () if until == no_expiry() => "no expiry (RFC 5280 4.1.2.5)",
        () => "",
    };
    let report = Report::of_part()
        .field("kind", "certificate")
        .field("profile", profile.map(|profile| profile.name.as_str()))
        .field("version", certificate.version())
        .field("not_before", rfc3339(from))
        .field("not_after", rfc3339(until))
        .field("sha256", certificate.fingerprint().to_string())
        .line(format!("certificate  {title:<30}  {verdict}").trim_end().to_owned())
        .row("subject", subject.to_string())
        .row("issuer", certificate.issuer().to_string())
        .row("serial", colon_hex(certificate.serial()))
        .line(row("valid", format!("{} .. {}  {state}", date(from), date(until)).trim_end()));
    let report = key_row(report, certificate.spki());
    let report = extensions(report, certificate.extensions());
    let signature = certificate.scheme().map_or("of an algorithm that is not accepted".to_owned(), |s| s.to_string());
    report.row("signature", signature).line(row("sha256", &certificate.fingerprint().to_string()))
}

/// A certificate that is none as RFC 5280 has it, as far as it can be read at all.
fn malformed(outline: &Outline, error: &x509::Error) -> Report {
    let Outline { subject, issuer, serial, validity: (from, until) } = outline;
    Report::of_part()
        .field("kind", "malformed certificate")
        .line("malformed certificate, which every command refuses")
        .row("reason", printable(&error.to_string()))
        .row("subject", printable(subject))
        .row("issuer", printable(issuer))
        .row("serial", colon_hex(serial))
        .line(row("valid", &printable(&format!("{from} .. {until}"))))
        .field("not_before", printable(from))
        .field("not_after", printable(until))
}

fn date(time: Time) -> String {
    rfc3339(time).chars().take(10).collect()
}

/// The type of a public key and its fingerprint, also where the type is not supported.
fn key_row(report: Report, spki: &[u8]) -> Report {
    let fingerprint = Hash::Sha256.digest(spki).to_string();
    let described = key::type_name(spki).unwrap_or_else(|error| printable(&error.to_string()));
    report.row("key", described).line(row("spki", &fingerprint)).field("spki_sha256", fingerprint)
}

/// Every extension: those that are known in words, the others by name and size. None is hidden.
fn extensions(mut report: Report, extensions: &[Extension]) -> Report {
    use const_oid::db::rfc5280 as oid;
    let mut usage = Vec::new();
    let mut others = Vec::new();
    let mut all = Vec::new();
    for extension in extensions {
        let mark = if extension.critical { "!" } else { "" };
        let words = words_of(extension);
        all.push(json!({"oid": extension.oid.to_string(), "critical": extension.critical, "value": words}));
        match (extension.oid, words) {
            (oid::ID_CE_SUBJECT_ALT_NAME, Some(names)) => {
                report = names.iter().fold(report, |report, name| report.line(row(&format!("san{mark}"), name)));
            }
            (oid::ID_CE_KEY_USAGE | oid::ID_CE_BASIC_CONSTRAINTS | oid::ID_CE_EXT_KEY_USAGE, Some(words)) => {
                usage.extend(words.into_iter().map(|word| format!("{word}{mark}")));
            }
            (oid, Some(words)) => others.push(format!("{}{mark} {}", oid_name(oid), words.join(", "))),
            (oid, None) => others.push(format!("{}{mark} ({} bytes)", oid_name(oid), extension.value.len())),
        }
    }
    if !usage.is_empty() {
        report = report.line(row("usage", &format!("{}      (! = critical)", usage.join("  "))));
    }
    for other in others {
        report = report.line(row("extension", &other));
    }
    report.field("extensions", all)
}

/// What a known extension says, in words; `None` where it is not known or malformed.
fn words_of(extension: &Extension) -> Option<Vec<String>> {
    use const_oid::db::rfc5280 as oid;
    use der::Decode;
    use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, SubjectKeyIdentifier};
    let value = extension.value.as_slice();
    Some(match extension.oid {
        oid::ID_CE_BASIC_CONSTRAINTS => {
            let constraints = BasicConstraints::from_der(value).ok()?;
            let length = constraints.path_len_constraint.map_or(String::new(), |length| format!(",pathlen:{length}"));
            vec![format!("CA:{}{length}", if constraints.ca { "TRUE" } else { "FALSE" })]
        }
        oid::ID_CE_KEY_USAGE => key_usage(&KeyUsage::from_der(value).ok()?),
        oid::ID_CE_EXT_KEY_USAGE => ExtendedKeyUsage::from_der(value).ok()?.0.into_iter().map(oid_name).collect(),
        oid::ID_CE_SUBJECT_ALT_NAME => AltName::decode_extension(value).ok()?.iter().map(AltName::to_string).collect(),
        oid::ID_CE_SUBJECT_KEY_IDENTIFIER => {
            vec![colon_hex(SubjectKeyIdentifier::from_der(value).ok()?.0.as_bytes())]
        }
        oid::ID_CE_AUTHORITY_KEY_IDENTIFIER => {
            vec![colon_hex(AuthorityKeyIdentifier::from_der(value).ok()?.key_identifier?.as_bytes())]
        }
        oid::ID_CE_CERTIFICATE_POLICIES => {
            let policy = |policy: Policy| match policy.cps {
                Some(cps) => format!("{} ({})", policy.oid, printable(&cps)),
                None => policy.oid.to_string(),
            };
            extension.policies().ok()?.into_iter().map(policy).collect()
        }
        oid::ID_CE_CRL_DISTRIBUTION_POINTS => extension.crl_urls().ok()?.iter().map(|url| printable(url)).collect(),
        oid::ID_PE_AUTHORITY_INFO_ACCESS => {
            let entry = |(method, url): (_, String)| {
                format!("{} {}", oid_name(method).trim_start_matches("id-ad-"), printable(&url))
            };
            extension.access_urls().ok()?.into_iter().map(entry).collect()
        }
        const_oid::db::rfc6960::ID_PKIX_OCSP_NOCHECK => vec!["the responder itself is not checked".to_owned()],
        _ => return None,
    })
}

fn key_usage(usage: &KeyUsage) -> Vec<String> {
    KEY_USAGES.iter().filter(|(_, flag)| usage.0.contains(*flag)).map(|(name, _)| (*name).to_owned()).collect()
}

fn request(request: Request) -> Report {
    let subject = request.subject().to_string();
    let scheme = request.scheme();
    let report = Report::of_part()
        .field("kind", "certificate request")
        .line(format!("certificate request  {subject}"))
        .row("subject", subject);
    let report = key_row(report, request.spki());
    let mut report = extensions(report, request.extensions());
    if request.has_challenge_password() {
        report = report.line(row("challenge", "a challenge password, not shown"));
    }
    report = report.field("has_challenge_password", request.has_challenge_password());
    let proof = request.prove();
    let words = match (&proof, scheme) {
        (Ok(_), Some(scheme)) => format!("{scheme}, made with the key"),
        (Ok(_), None) => "made with the key".to_owned(),
        (Err(error), _) => printable(&error.to_string()),
    };
    report.row("signature", words).field("signature_verifies", proof.is_ok())
}

fn revocation_list(list: CertificateList, at: Time) -> Report {
    let next = list.next_update().map_or("not said".to_owned(), rfc3339);
    let state = if list.next_update().is_some_and(|next| at > next) { "  overdue" } else { "" };
    let number = list.number().map(colon_hex);
    let mut report = Report::of_part()
        .field("kind", "certificate revocation list")
        .field("this_update", rfc3339(list.this_update()))
        .field("next_update", list.next_update().map(rfc3339))
        .field("number", number.clone())
        .line(format!("certificate revocation list  {} revoked", list.count()))
        .row("issuer", list.issuer().to_string())
        .line(row("issued", &rfc3339(list.this_update())))
        .line(row("next", &format!("{next}{state}")))
        .line(row("number", number.as_deref().unwrap_or("none")));
    for RevokedCertificate { serial, date: since, reason, .. } in entries(&list).take(SHOWN_ENTRIES) {
        let reason = reason.map_or("no reason given".to_owned(), |reason| reason.to_string());
        report = report.line(row("revoked", &format!("{} {} {reason}", colon_hex(serial), date(since))));
    }
    if list.count() > SHOWN_ENTRIES {
        let more = list.count() - SHOWN_ENTRIES;
        report = report.line(row("", &format!("... and {more} more; --format json has all")));
    }
    report.elements("revoked", Revoked(list))
}

fn entries(list: &CertificateList) -> impl Iterator<Item = RevokedCertificate<'_>> {
    list.revoked().map(|entry| entry.expect("a list was read with its entries"))
}

/// The entries of a list in JSON.
#[derive(Debug)]
struct Revoked(CertificateList);

impl Elements for Revoked {
    fn elements(&self) -> Box<dyn Iterator<Item = Value> + '_> {
        Box::new(entries(&self.0).map(|RevokedCertificate { serial, date, reason, .. }| {
            let reason = reason.map(|reason| reason.to_string());
            json!({"serial": colon_hex(serial), "date": rfc3339(date), "reason": reason})
        }))
    }
}

fn answer(answer: &Answer, at: Time) -> Report {
    let report = Report::of_part().field("kind", "OCSP response");
    let response = match answer {
        Answer::Response(response) => response,
        Answer::Failure(failure) => {
            let failure = failure.to_string();
            return report.line(format!("OCSP response  none: {failure}")).field("response_status", failure);
        }
    };
    let responder = match &response.responder {
        Responder::Name(name) => name.to_string(),
        Responder::Key(hash) => format!("key {}", colon_hex(hash)),
    };
    let scheme = response.scheme().map_or("of an algorithm that is not accepted".to_owned(), |s| s.to_string());
    let report = report
        .line(format!("OCSP response  of {} certificate(s)", response.singles.len()))
        .field("response_status", "successful")
        .row("responder", responder)
        .row("produced", rfc3339(response.produced_at));
    let singles = response.singles.iter().map(|single| single_response(single, at));
    let report = singles.fold(report, |report, part| report.part("responses", part));
    let report = extensions(report, &response.extensions).row("signature", scheme);
    let certificates = response.certificates.iter().map(|each| certificate(each, at));
    certificates.fold(report, |report, part| report.part("certificates", part))
}

/// What a response says of one certificate.
fn single_response(single: &SingleResponse, at: Time) -> Report {
    let (status, since, reason) = match single.status {
        Status::Good => ("good", None, None),
        Status::Revoked { since, reason } => ("revoked", Some(rfc3339(since)), reason.map(|reason| reason.to_string())),
        Status::Unknown => ("unknown", None, None),
    };
    let words = match &since {
        Some(since) => format!("{status} {since} {}", reason.as_deref().unwrap_or("no reason given")),
        None => status.to_owned(),
    };
    let next = single.next_update.map_or("not said".to_owned(), rfc3339);
    let state = if single.next_update.is_some_and(|next| at > next) { "  overdue" } else { "" };
    let CertId { hash_algorithm, issuer_name_hash, issuer_key_hash, serial } = &single.id;
    let report = Report::of_part()
        .row("serial", colon_hex(serial))
        .line(row("issuer", &format!("{} of its key {}", oid_name(*hash_algorithm), colon_hex(issuer_key_hash))))
        .field("hash_algorithm", oid_name(*hash_algorithm))
        .field("issuer_name_hash", colon_hex(issuer_name_hash))
        .field("issuer_key_hash", colon_hex(issuer_key_hash))
        .line(row("status", &words))
        .field("status", status)
        .field("revoked", since)
        .field("reason", reason)
        .line(row("issued", &rfc3339(single.this_update)))
        .field("this_update", rfc3339(single.this_update))
        .line(row("next", &format!("{next}{state}")))
        .field("next_update", single.next_update.map(rfc3339));
    extensions(report, &single.extensions)
}

fn message(der: &[u8], at: Time) -> Result<Report, cms::Error> {
    let report = Report::of_part().field("kind", "CMS message");
    let signed = match SignedData::from_bytes(der) {
        Ok(signed) => signed,
        Err(cms::Error::NotSignedData { found }) => {
            return Ok(report.line(format!("CMS message  {}", printable(&found))).field("type", found));
        }
        Err(error) => return Err(error),
    };
    let content = match &signed.content {
        Some(content) => format!("{} bytes, attached", content.len()),
        None => "detached".to_owned(),
    };
    let mut report = report
        .line(format!("CMS message  signed data, {} signer(s)", signed.signers.len()))
        .field("type", "signedData")
        .row("content", format!("{content}, type {}", oid_name(signed.content_type)));
    for signer in &signed.signers {
        let name = match &signer.identifier {
            SignerIdentifier::IssuerAndSerial { serial, .. } => format!("serial {}", colon_hex(serial)),
            SignerIdentifier::KeyIdentifier(identifier) => format!("key identifier {}", colon_hex(identifier)),
        };
        let subject = signed.certificate_of(signer, &[]).map(|certificate| certificate.subject().to_string()).ok();
        let scheme = signer.digest_hash().and_then(|hash| signer.scheme(hash)).map(|scheme| scheme.to_string());
        let scheme = scheme.unwrap_or_else(|refusal| printable(&refusal.to_string()));
        let time = signer.signing_time().map(rfc3339);
        let part = Report::of_part()
            .line(row("signer", &format!("{} ({name})", subject.as_deref().unwrap_or("without certificate"))))
            .line(row("scheme", &scheme))
            .line(row("signed", time.as_deref().unwrap_or("time not said")))
            .field("identifier", name)
            .field("subject", subject)
            .field("scheme", scheme)
            .field("signing_time", time);
        report = report.part("signers", part);
    }
    for each in &signed.certificates {
        report = report.part("certificates", certificate(each, at));
    }
    Ok(report)
}

fn public_key(document: &Document) -> Result<Report, key::Error> {
    let kind = if document.kind == Kind::MinisignPublicKey { "minisign public key" } else { "public key" };
    let report = Report::of_part().field("kind", kind).line(kind);
    match PublicKey::from_document(document, Path::new("-")) {
        // Of a type that is not supported its fingerprint can be shown all the same.
        Err(_) if document.kind == Kind::PublicKey => Ok(key_row(report, &document.der)),
        key => Ok(known_key(report, &key?)),
    }
}

/// A key that could be read: what firmware knows it by, and the number that minisign gave it.
fn known_key(report: Report, key: &PublicKey) -> Report {
    let report = key_row(report, key.spki());
    let report = match key_hash(key) {
        Some(hash) => report.row("mcuboot", format!("{}:{hash}", hash.hash())),
        None => report,
    };
    let report = match key.id() {
        Some(id) => report.row("key id", id.to_string()),
        None => report,
    };
    match image::esp32::efuse_digest(key) {
        Ok(digest) => report.row("esp32 efuse", digest.to_string()),
        Err(_) => report,
    }
}

/// The public half of a private key; an encrypted one stays closed unless its passphrase is given.
fn private_key(document: Document, args: &Args, context: &Context) -> anyhow::Result<Report> {
    let noun = document.kind.noun();
    let title = noun.split_once(' ').map_or(noun, |(_, title)| title);
    let report = Report::of_part().field("kind", title).line(title);
    let file = KeyFile::from_document(document);
    if (file.is_encrypted() && args.passphrase_from.is_none()) || file.is_traditional() {
        return Ok(report.line(row("key", "not shown without its passphrase")));
    }
    let key = keys::unlocked_any(file, &shown(&args.file), keys::own(args.passphrase_from.as_ref()), context)?;
    Ok(match &key {
        PrivateKey::Signing(key) => known_key(report, key.public_key()),
        PrivateKey::X25519(_) => key_row(report, key.spki()),
    })
}
