//! Errors at the edge: message, cause, hint and exit code. Hints live here alone, since they name flags.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::Format;
use super::ticket::TicketError;
use crate::enroll::est;
use crate::files::json_line;
use crate::store::audit::Fault;
use crate::{ca, enroll, files, image, key, net, store, x509};

/// A wrong command line that clap cannot see.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A credential that is missing or unusable.
#[derive(Debug)]
pub struct Credential {
    /// What is missing or wrong.
    pub message: String,
    /// What to try.
    pub hint: String,
}

impl std::fmt::Display for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Credential {}

/// A refusal with what only the command that met it can tell.
#[derive(Debug)]
pub struct Hinted {
    /// The refusal.
    pub error: image::Error,
    /// What to try.
    pub hint: String,
}

impl std::fmt::Display for Hinted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// A failure as the user sees it.
pub struct Failure {
    exit: u8,
    code: &'static str,
    message: String,
    cause: Option<String>,
    hint: Option<String>,
    retryable: bool,
}

pub const ERROR: (&str, Style) = ("error:", AnsiColor::Red.on_default().bold());
pub const WARNING: (&str, Style) = ("warning:", AnsiColor::Yellow.on_default().bold());

/// `bulla: label text` on one line, safe for a terminal.
pub fn labelled((label, style): (&str, Style), text: &str) -> String {
    format!("bulla: {style}{label}{style:#} {}", files::printable(text))
}

impl From<&anyhow::Error> for Failure {
    fn from(error: &anyhow::Error) -> Self {
        let message = error.to_string();
        // Causes whose words the message or an earlier cause has already say nothing new.
        let mut causes = Vec::new();
        for cause in error.chain().skip(1) {
            let text = cause.downcast_ref().map_or_else(|| cause.to_string(), files::reason);
            if !message.contains(&text) && !causes.iter().any(|earlier: &String| earlier.contains(&text)) {
                causes.push(text);
            }
        }
        let (exit, code, hint, retryable) = classify(error);
        let hint = match error.downcast_ref::<Hinted>() {
            Some(hinted) => Some(hinted.hint.clone()),
            None => hint.map(str::to_owned).or_else(|| hint_of(error)),
        };
        let cause = (!causes.is_empty()).then(|| causes.join(": "));
        Self { exit, code, message, cause, hint, retryable }
    }
}

impl Failure {
    /// A command line that clap refused: its first paragraph is the message, its tips are the hint.
    pub fn usage(error: &clap::Error) -> Self {
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let (message, hint) = ("the command is missing".to_owned(), "see bulla --help".to_owned());
            return Self { exit: 2, code: "usage", message, cause: None, hint: Some(hint), retryable: false };
        }
        let text = error.render().to_string();
        let mut paragraphs = text.split("\n\n");
        let lines =
            |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        let message = lines(paragraphs.next().unwrap_or_default());
        let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
        let tip = paragraphs.find_map(|paragraph| paragraph.trim().strip_prefix("tip: ").map(lines));
        let hint = tip.unwrap_or_else(|| format!("see {} --help", command_of(std::env::args_os().skip(1))));
        Self { exit: 2, code: "usage", message, cause: None, hint: Some(hint), retryable: false }
    }

    /// Writes the failure: three lines at most on standard error, or one JSON object on standard output
    /// where that can still be written.
    pub fn report(self, format: Format) -> ExitCode {
        let told = match format {
            Format::Json => {
                let value = json!({
                    "schema": "bulla.error/1",
                    "code": self.code,
                    "message": files::printable(&self.message),
                    "cause": self.cause.as_deref().map(files::printable),
                    "hint": self.hint,
                    "retryable": self.retryable,
                });
                writeln!(std::io::stdout(), "{}", json_line(&value)).is_ok()
            }
            Format::Text | Format::Yaml => false,
        };
        if !told {
            let mut text = labelled(ERROR, &self.message);
            if let Some(cause) = &self.cause {
                let _ = write!(text, "\ncause: {}", files::printable(cause));
            }
            if let Some(hint) = &self.hint {
                let _ = write!(text, "\nhint: {}", files::printable(hint));
            }
            let _ = writeln!(anstream::stderr(), "{text}");
        }
        ExitCode::from(self.exit)
    }
}

/// The command that words name, down to the last subcommand.
fn command_of(words: impl Iterator<Item = OsString>) -> String {
    let (mut command, mut name) = (super::command(), "bulla".to_owned());
    for word in words {
        let Some(found) = command.find_subcommand(&word).cloned() else { break };
        name.push(' ');
        name.push_str(found.get_name());
        command = found;
    }
    name
}

type Class = (u8, &'static str, Option<&'static str>, bool);

/// Exit code, stable code, hint, and whether repeating it as it is may help.
fn classify(error: &anyhow::Error) -> Class {
    if error.is::<Usage>() {
        return (2, "usage", None, false);
    }
    if error.is::<Credential>() {
        return (4, "credential", None, false);
    }
    for cause in error.chain() {
        let found = cause
            .downcast_ref::<files::Error>()
            .map(of_file)
            .or_else(|| cause.downcast_ref::<key::Error>().map(of_key))
            .or_else(|| cause.downcast_ref::<x509::Error>().map(of_certificate))
            .or_else(|| cause.downcast_ref::<ca::Error>().map(of_ca))
            .or_else(|| cause.downcast_ref::<store::Error>().map(of_store))
            .or_else(|| cause.downcast_ref::<enroll::Error>().map(of_enrolment))
            .or_else(|| cause.downcast_ref::<net::Error>().map(of_net))
            .or_else(|| cause.downcast_ref::<est::Error>().map(of_est))
            .or_else(|| cause.downcast_ref::<est::SealedKeyError>().map(|_| (1, "key-encryption", RECIPIENT, false)))
            .or_else(|| cause.downcast_ref::<TicketError>().map(|_| (1, "ticket", ANEW, false)))
            .or_else(|| cause.downcast_ref::<image::Error>().map(of_image))
            .or_else(|| cause.downcast_ref::<Fault>().map(|_| (1, "audit-head", None, false)));
        if let Some(found) = found {
            return found;
        }
    }
    (1, "failed", None, false)
}

fn of_file(error: &files::Error) -> Class {
    match error {
        files::Error::Read { .. } => (1, "cannot-read", None, false),
        files::Error::TooLarge { .. } => (1, "too-large", None, false),
        files::Error::WrongKind { wanted, found, .. } => (1, "wrong-type", hint_of_kind(wanted, found), false),
        files::Error::Exists { .. } => {
            (1, "exists", Some("choose another name, or add --force to replace the file"), false)
        }
        files::Error::FolderExists { .. } => (1, "exists", Some("choose another name"), false),
        files::Error::StdinTwice { .. } => (2, "usage", Some("give one of the two as a file"), false),
        files::Error::NotRegular { .. } => (1, "not-a-regular-file", None, false),
        files::Error::Write { .. } => (1, "cannot-write", None, false),
    }
}

/// Who gives one half of a key for the other is told how to get that, and so is who gives the certificate.
fn hint_of_kind(wanted: &str, found: &str) -> Option<&'static str> {
    match wanted {
        "a public key" if found.contains("private key") => {
            Some("write its public half: bulla keygen --public KEY -o NAME")
        }
        "a public key" if found.contains("certificate") => {
            Some("verify takes it with --cert; its key is written by openssl x509 -in CERT -noout -pubkey")
        }
        _ => None,
    }
}

/// The stable code of a key that is refused, for a report that holds it.
pub fn code_of_key(error: &key::Error) -> &'static str {
    of_key(error).1
}

fn of_key(error: &key::Error) -> Class {
    match error {
        key::Error::File(error) => of_file(error),
        key::Error::PassphraseNeeded => {
            (4, "passphrase", Some("give its public half: bulla keygen --public KEY -o NAME"), false)
        }
        key::Error::PassphraseWrong => (4, "passphrase", None, false),
        key::Error::Encryption { .. } => (
            1,
            "key-encryption",
            Some("encrypt it anew by the tool that made it, as openssl pkcs8 -topk8 -v2 aes256 -in OLD -out NEW"),
            false,
        ),
        key::Error::UnsupportedKey { .. } => {
            (1, "unsupported-key", Some("bulla keygen makes p256, p384, ed25519 and rsa keys"), false)
        }
        key::Error::UnsupportedAlgorithm { .. } => (1, "unsupported-algorithm", None, false),
        key::Error::WeakKey { .. } => (1, "weak-key", Some("RSA keys have 2048 to 8192 bits"), false),
        key::Error::Malformed { .. } | key::Error::Inconsistent => (1, "malformed", None, false),
        key::Error::KeyType { .. } => (1, "key-type", None, false),
        key::Error::Scheme { .. } => (1, "scheme", None, false),
        key::Error::Use { .. } => (1, "key-use", None, false),
        key::Error::BadSignature => (3, "signature", None, false),
        key::Error::NotOpened => (3, "not-opened", None, false),
        key::Error::Randomness | key::Error::Library { .. } => (1, "crypto", None, false),
    }
}

fn of_certificate(error: &x509::Error) -> Class {
    match error {
        x509::Error::File(error) => of_file(error),
        x509::Error::Key(error) => of_key(error),
        x509::Error::InFile { why, .. } => of_certificate(why),
        x509::Error::Malformed { .. } => (1, "malformed", None, false),
        x509::Error::Value { .. } => (1, "value", None, false),
        x509::Error::Profile { .. } => (1, "profile", None, false),
        x509::Error::Variable { .. } => (1, "profile-variable", None, false),
        x509::Error::ProfileFile { .. } => (1, "profile-file", Some("see the format: bulla profile example"), false),
        x509::Error::UnknownProfile { .. } => (2, "unknown-profile", None, false),
        x509::Error::Chain { .. } => (1, "chain", None, false),
        x509::Error::Root(_) | x509::Error::RootDiffers { .. } => (1, "certificate", None, false),
    }
}

/// What to do about a CA that is damaged.
const RESTORE: Option<&str> =
    Some("put back the whole folder that bulla ca backup kept, or find what changed this one");

fn of_ca(error: &ca::Error) -> Class {
    match error {
        ca::Error::File(error) => of_file(error),
        ca::Error::Key(error) => of_key(error),
        ca::Error::Certificate(error) => of_certificate(error),
        ca::Error::Store(error) => of_store(error),
        ca::Error::Together(error) => of_store(error),
        ca::Error::Abandoned => (7, "abandoned", Some("try again"), true),
        ca::Error::NotACa { .. } => {
            (1, "not-a-ca", Some("make one: bulla ca init DIR --name NAME --no-passphrase"), false)
        }
        ca::Error::Settings { .. } | ca::Error::KeyMismatch { .. } | ca::Error::PlanDiffers { .. } => {
            (1, "ca-damaged", RESTORE, false)
        }
        ca::Error::NoHierarchy { .. } => (1, "no-issuer", Some("make a CA for it: bulla ca init --hierarchy"), false),
        ca::Error::AwaitsCertificate { .. } => {
            (1, "awaits-certificate", Some("have the request issued, then: bulla ca import CA CERT"), false)
        }
        ca::Error::NotAwaited { .. } => (1, "not-awaited", None, false),
        ca::Error::Parent { .. } => (3, "chain", None, false),
        ca::Error::Root { .. } => (3, "root", Some("give the certificates from the issuing CA up to its root"), false),
        ca::Error::RootKeyMismatch => (1, "key-mismatch", None, false),
        ca::Error::IssuingRevoked { .. } => {
            (1, "issuer-revoked", Some("give it a new one: bulla ca renew-issuing"), false)
        }
        ca::Error::ClockJump { .. } => {
            (1, "clock", Some("set the clock of this machine; where it is right, add --accept-clock"), false)
        }
        ca::Error::NoSuchVariable { .. } => (2, "usage", None, false),
        ca::Error::NoSuchCertificate => (1, "no-such-certificate", Some("see bulla ca list CA"), false),
        ca::Error::NotServed { .. } => (1, "profile-not-served", None, false),
        ca::Error::NoSuchToken { .. } => (1, "no-such-token", Some("see bulla ca token list CA"), false),
        ca::Error::NoSuchRequest { .. } | ca::Error::NothingWaits { .. } => {
            (1, "no-such-request", Some("see bulla ca approve CA --list"), false)
        }
        ca::Error::SeveralWait { .. } => {
            let hint =
                "compare their names and keys (bulla ca approve CA --list --format json), and say which by its number";
            (1, "several-wait", Some(hint), false)
        }
        ca::Error::RequestGranted { .. } => (1, "request-granted", Some("to undo that, see bulla revoke"), false),
        ca::Error::Export { .. } => (1, "cannot-read", None, false),
        ca::Error::OwnCertificate { .. } => {
            (1, "own-certificate", Some("give the listener one: --tls-cert FILE --tls-key KEY"), false)
        }
        ca::Error::Net(error) => of_net(error),
        ca::Error::Schema { .. } => (1, "schema", Some("use the version of bulla that made it, or a newer one"), false),
        ca::Error::Clock { .. } => (1, "clock", Some("set the clock of this machine"), false),
    }
}

fn of_store(error: &store::Error) -> Class {
    match error {
        store::Error::Busy { .. } => (7, "busy", Some("try again"), true),
        store::Error::File(error) => of_file(error),
        store::Error::Schema { .. } => (1, "schema", Some("use a newer version of bulla"), false),
        store::Error::DiskFull { .. } | store::Error::ReadOnly { .. } => (1, "cannot-write", None, false),
        store::Error::NotAStore { .. }
        | store::Error::NotPlanned { .. }
        | store::Error::Damaged { .. }
        | store::Error::Audit { .. } => (1, "ca-damaged", RESTORE, false),
        store::Error::Lock { .. } => (1, "cannot-write", None, false),
        store::Error::Key(error) => of_key(error),
        store::Error::Database { .. } => (1, "store", None, false),
    }
}

fn of_enrolment(error: &enroll::Error) -> Class {
    match error {
        enroll::Error::Refused(refusal) => (1, refusal.code(), None, false),
        enroll::Error::Authority(error) => error.0.downcast_ref::<ca::Error>().map_or((1, "ca", None, false), of_ca),
        enroll::Error::Unacceptable(_) => (3, "unacceptable", None, false),
        enroll::Error::Net(error) => of_net(error),
        enroll::Error::Est(error) => of_est(error),
    }
}

fn of_net(error: &net::Error) -> Class {
    match error {
        net::Error::Connect { .. } => (7, "cannot-connect", Some("check the address, the port and the network"), true),
        net::Error::Proxy { status: Some(407), .. } => {
            (4, "proxy", Some("give user and password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"), false)
        }
        net::Error::Proxy { .. } => {
            let is_transient = error.is_transient();
            (if is_transient { 7 } else { 1 }, "proxy", Some("check HTTPS_PROXY and NO_PROXY"), is_transient)
        }
        net::Error::ProxySetting { .. } => (1, "proxy-setting", Some("give http://[USER:PASSWORD@]HOST:PORT"), false),
        net::Error::Request { .. } => (1, "request", None, false),
        net::Error::Timeout { .. } => (7, "timeout", Some("try again, or allow more with --timeout"), true),
        net::Error::Closed { .. } => (7, "closed", Some("try again"), true),
        net::Error::Tls { .. } => (1, "tls", None, false),
        net::Error::Untrusted { .. } => {
            (3, "server-untrusted", Some("give the CA that vouches for it with --trust or --server-trust"), false)
        }
        net::Error::Http { .. } => (1, "http", None, false),
        net::Error::TooLarge { .. } => (1, "too-large", None, false),
        net::Error::Listen { .. } => (1, "cannot-listen", None, false),
        net::Error::Identity { .. } => (1, "identity", None, false),
        net::Error::Runtime { .. } => (7, "no-resources", Some("try again"), true),
    }
}

/// Whose certificate a key may be encrypted to.
const RECIPIENT: Option<&str> =
    Some("show a certificate of an RSA key for keyEncipherment, or of a P-256 key for keyAgreement");

/// What to do about a ticket that is of no use.
const ANEW: Option<&str> = Some("repeat the command that was pending, or delete the ticket to ask anew");

fn of_est(error: &est::Error) -> Class {
    let trust = Some("give the CA's root certificate with --trust FILE");
    match error {
        est::Error::Status { status: 401, .. } => {
            (4, "credential", Some("give another token with --token-from, or a certificate with --client-cert"), false)
        }
        est::Error::Status { .. } if error.is_transient() => (7, "server-failed", Some("try again later"), true),
        est::Error::Status { .. } => (1, "refused", None, false),
        est::Error::Malformed { .. } => (3, "malformed-answer", None, false),
        est::Error::Redirect { .. } => (1, "redirect", Some("name the server that is meant with --ca"), false),
        est::Error::Unbound => (7, "closed", Some("try again"), true),
        est::Error::NoRoot => (3, "no-root", trust, false),
        est::Error::Fingerprint { .. } => {
            (3, "fingerprint", Some("compare it with the sha256 that bulla inspect shows of the CA's root"), false)
        }
        est::Error::KeyType { .. } => (1, "key-type", None, false),
    }
}

fn of_image(error: &image::Error) -> Class {
    match error {
        image::Error::Read { .. } => (1, "cannot-read", None, false),
        image::Error::Copy { .. } | image::Error::Aside { .. } => (1, "cannot-write", None, false),
        image::Error::Empty { .. } => (1, "empty", None, false),
        image::Error::TooLarge { .. } => {
            (1, "too-large", Some("use --as cms, which signs a digest of the image"), false)
        }
        image::Error::Unfit(unfit) => (1, unfit.code(), hint_of_unfit(unfit), false),
        image::Error::Setting { .. } => (2, "usage", None, false),
        image::Error::Key(error) => of_key(error),
        image::Error::WeakKey(key::Weakness::Published { .. }) => (
            1,
            "published-key",
            Some("make a key of your own: bulla keygen -o NAME; for a development board add --allow-published-key"),
            false,
        ),
        image::Error::WeakKey(weakness) => (1, weakness.code(), Some("make a new key: bulla keygen -o NAME"), false),
        image::Error::Cms(_) => (1, "cms", None, false),
        image::Error::CertificateNeeded => (2, "usage", Some("add the signer's certificate with --cert FILE"), false),
        image::Error::KeyNeeded => (2, "usage", Some("add --key KEY"), false),
        image::Error::SignatureNeeded => (2, "usage", Some("add --signature FILE"), false),
        image::Error::CertificateMismatch => (1, "certificate-mismatch", None, false),
        image::Error::Certificate(refusal) => (1, refusal.code(), None, false),
        image::Error::X509(error) => of_certificate(error),
        image::Error::Prepared { .. } => {
            (1, "prepared", Some("give the file that bulla sign --prepare wrote, NAME.json"), false)
        }
        image::Error::PreparedDiffers => {
            (3, "prepared-differs", Some("give the same image, or prepare it again"), false)
        }
        image::Error::Program { .. } => (1, "program", None, false),
    }
}

/// What to try where the answer is no.
pub fn hint_of_verdict(bad: &image::Bad) -> Option<&'static str> {
    match bad.code {
        "revocation-unknown" => Some("give a list of its issuer with --crl FILE, or an OCSP response with --ocsp FILE"),
        _ => None,
    }
}

fn hint_of_unfit(unfit: &image::Unfit) -> Option<&'static str> {
    use image::Unfit;
    match unfit {
        Unfit::AlreadySigned => Some("sign it anew with --replace; MCUboot and ESP32 images take one more with --add"),
        Unfit::Refused(bad) if bad.code == "hash-missing" => Some("add sha256 = \"...\", as sha256sum FILE prints it"),
        Unfit::SignedByKey => Some("sign it anew with --replace"),
        Unfit::NotSigned => Some("leave --add away to make the first signature"),
        Unfit::TooManySignatures { .. } => Some("take one out with --remove KEY"),
        Unfit::KeyType { .. } => Some("make one: bulla keygen --type TYPE -o NAME"),
        Unfit::OtherDigest { .. } => Some("sign it anew with --replace"),
        Unfit::NoHeaderRoom { .. } => Some("put a header before the image with --pad-header"),
        Unfit::NoRoom { .. } => Some("make the image smaller, or the slot larger"),
        Unfit::CannotAdd { .. } => Some("sign it anew with --replace"),
        Unfit::SignatureTooLarge { .. } => Some("give --cert a file with fewer certificates"),
        Unfit::CannotRemove { .. }
        | Unfit::NotByKey
        | Unfit::Encrypted
        | Unfit::Manifest { .. }
        | Unfit::Refused(_) => None,
    }
}

/// Hints that depend on what the error holds.
fn hint_of(error: &anyhow::Error) -> Option<String> {
    if let Some(credential) = error.downcast_ref::<Credential>() {
        return Some(credential.hint.clone());
    }
    error.chain().find_map(|cause| {
        match cause.downcast_ref::<x509::Error>() {
            Some(x509::Error::UnknownProfile { .. }) => {
                return Some("see the profiles: bulla profile list".to_owned());
            }
            Some(x509::Error::Variable { variable, .. }) => {
                return Some(format!("give it with --set {variable}=VALUE"));
            }
            Some(x509::Error::Profile { .. }) => {
                return Some("see the flags for names: bulla csr --help".to_owned());
            }
            _ => {}
        }
        if let Some(est::Error::KeyType { wanted, .. }) = cause.downcast_ref() {
            return Some(match wanted {
                enroll::KeyWish::Type(wanted) => format!("make one: bulla keygen --type {} -o NAME", word_of(*wanted)),
                enroll::KeyWish::AnyRsa => "make one: bulla keygen --type rsa3072 -o NAME".to_owned(),
            });
        }
        match cause.downcast_ref::<enroll::Error>() {
            Some(enroll::Error::Refused(enroll::Refusal::ProfileNotServed { profile, .. })) => {
                let profile =
                    x509::Profile::named(profile).ok().filter(|profile| profile.role == x509::Role::Request)?;
                let (profile, hierarchy) = (profile.name, profile.hierarchy?);
                Some(format!("profile {profile} belongs to the issuer {}", hierarchy.name()))
            }
            Some(enroll::Error::Refused(refusal)) => hint_of_refusal(refusal).map(str::to_owned),
            _ => None,
        }
    })
}

/// A type of key as `keygen --type` has it.
fn word_of(key_type: key::KeyType) -> String {
    match key_type {
        key::KeyType::P256 => "p256".to_owned(),
        key::KeyType::P384 => "p384".to_owned(),
        key::KeyType::P521 => "p521".to_owned(),
        key::KeyType::Ed25519 => "ed25519".to_owned(),
        key::KeyType::Rsa(bits) => format!("rsa{bits}"),
    }
}

fn hint_of_refusal(refusal: &enroll::Refusal) -> Option<&'static str> {
    use enroll::Refusal;
    match refusal {
        Refusal::OutlivesIssuer { .. } => Some("ask for less with --valid-for, or add --allow-outlive"),
        Refusal::IdentityTaken { .. } => {
            Some("to revoke that certificate and have one for this key, add --supersede --reason REASON")
        }
        Refusal::KeyTaken { .. } | Refusal::KeyCompromised { .. } | Refusal::WeakKey { .. } => {
            Some("make a new key: bulla keygen -o NAME")
        }
        Refusal::KeyUnchanged { is_same: true } => Some("make a new key, or add --keep-key"),
        Refusal::KeyUnchanged { is_same: false } => Some("leave --keep-key away to renew for a new key"),
        Refusal::OnHold { .. } => Some("release it: bulla revoke --reason removeFromCRL"),
        Refusal::NotOurs | Refusal::NotRenewable { .. } => Some("get a new certificate: bulla enroll"),
        Refusal::NotFinal { .. } => Some("see the reasons: bulla enroll --help"),
        Refusal::ProfileNotServed { .. }
        | Refusal::NoCaBelow { .. }
        | Refusal::Names { .. }
        | Refusal::KeyType { .. }
        | Refusal::Unauthorized(_)
        | Refusal::Disapproved { .. }
        | Refusal::TooManyWait { .. }
        | Refusal::Withdrawn { .. }
        | Refusal::RevokedMeanwhile { .. } => None,
    }
}
