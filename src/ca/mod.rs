//! The embedded CA: a folder with a root and an issuing CA for devices, another pair for firmware, and the records of
//! what they issued.
//!
//! ```text
//! acme/                       0700; every file 0600
//!   ca.json                   {"schema": "bulla.ca/1", "name": "Acme"}
//!   ca.db  ca.lock            the records, see [`crate::store`]
//!   profiles/NAME.toml        profiles of the user's own, where there are any
//!   device/  firmware/        one hierarchy each; either may be absent:
//!     root.pem                the trust anchor
//!     root.key                its key, where it was made here; it may be moved away
//!     issuing.pem             the issuing CA, then the certificates between it and the root
//!     issuing.key
//!     issuing.csr             its request, where another CA issues it
//!     issuing.2.pem  ...      the same of its next generation: the newest that has a certificate is the one at work
//! ```
//!
//! Nothing in a hierarchy is ever replaced. A generation comes to be with the name of its certificate's file, which is
//! written last. Devices and firmware never share a root.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::enroll::Refusal;
use crate::files::{self, Creation, Output};
use crate::key::{self, KeyFile, KeyRef, Signer};
use crate::net;
use crate::store::{self, OnWait, SqliteStore, Store};
use crate::x509::verify::{self, Anchors};
use crate::x509::{self, Chain, Hierarchy, Time, rfc3339};

mod audit;
mod group;
mod issuer;
mod listener;
mod new;
mod refusals;
mod registrar;
mod revocation;
mod rights;
#[cfg(test)]
mod tests;

pub use audit::{Audited, check_exported};
pub use issuer::Issuer;
pub use listener::{Clock, Listener, is_due, own_identity};
pub use new::{Importing, NewCa, NewIssuing, Protection, Root};
pub use registrar::Registrar;
pub use revocation::RevocationList;
pub use rights::{NewToken, check_token_name};

const SETTINGS: &str = "ca.json";
const RECORDS: &str = "ca.db";
const SCHEMA: &str = "bulla.ca/1";

/// What `ca.json` holds.
#[derive(Serialize, Deserialize)]
struct Settings {
    schema: String,
    name: String,
}

/// A CA folder that exists.
#[derive(Clone, Debug)]
pub struct Ca {
    folder: PathBuf,
    name: String,
    on_wait: OnWait,
    trusts_clock: bool,
}

/// One certificate of an issuing CA, with the chain up to and including the root.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u32,
    /// The issuing CA first, the root last.
    pub chain: Chain,
}

impl Ca {
    /// Opens a CA by the path of its folder (`acme`) or of one of its issuers (`acme/device`), which then is returned
    /// too.
    pub fn find(path: &Path) -> Result<(Self, Option<Hierarchy>), Error> {
        let settings = path.join(SETTINGS);
        match settings.try_exists() {
            Ok(true) => return Ok((Self::open(path)?, None)),
            Err(source) if source.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(Error::File(files::Error::Read { what: "the CA's settings", path: settings, source }));
            }
            _ => {}
        }
        let hierarchy = Hierarchy::ALL.into_iter().find(|hierarchy| path.ends_with(hierarchy.name()));
        match (hierarchy, path.parent()) {
            (Some(hierarchy), Some(parent)) if parent.join(SETTINGS).is_file() && path.is_dir() => {
                Ok((Self::open(parent)?, Some(hierarchy)))
            }
            _ => Err(Error::NotACa { folder: path.to_owned() }),
        }
    }

    fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(SETTINGS);
        let bytes = files::read("the CA's settings", &path, 64 << 10)?;
        let settings: Settings =
            serde_json::from_slice(&bytes).map_err(|source| Error::Settings { path: path.clone(), source })?;
        if settings.schema != SCHEMA {
            return Err(Error::Schema { path, found: settings.schema });
        }
        Ok(Self { folder: folder.to_owned(), name: settings.name, on_wait: |_| {}, trusts_clock: false })
    }

    /// Sets who is told when a writer has to wait for another process.
    pub fn on_wait(self, on_wait: OnWait) -> Self {
        Self { on_wait, ..self }
    }

    /// Sets whether the clock is believed even where it is years off the records.
    pub fn trusts_clock(self, trusts_clock: bool) -> Self {
        Self { trusts_clock, ..self }
    }

    /// The folder with the user's own profiles, which may be absent.
    pub fn profiles(&self) -> PathBuf {
        self.folder.join("profiles")
    }

    /// The hierarchies that this CA has.
    pub fn hierarchies(&self) -> impl Iterator<Item = Hierarchy> {
        Hierarchy::ALL.into_iter().filter(|hierarchy| self.folder.join(hierarchy.name()).is_dir())
    }

    /// The path of a file of a hierarchy.
    fn path(&self, hierarchy: Hierarchy, file: &str) -> PathBuf {
        self.folder.join(hierarchy.name()).join(file)
    }

    /// The numbers of the generations for which there is a file with this extension, in order.
    fn numbers(&self, hierarchy: Hierarchy, extension: &str) -> Result<Vec<u32>, Error> {
        let folder = self.folder.join(hierarchy.name());
        let fail = |source| files::Error::Read { what: "the CA's folder", path: folder.clone(), source };
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            let number = name.to_str().and_then(|name| {
                let stem = name.strip_prefix("issuing")?.strip_suffix(extension)?.strip_suffix('.')?;
                if stem.is_empty() { Some(1) } else { stem.strip_prefix('.')?.parse().ok() }
            });
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The newest generation that has a certificate.
    fn newest(&self, hierarchy: Hierarchy) -> Result<u32, Error> {
        if !self.folder.join(hierarchy.name()).is_dir() {
            return Err(Error::NoHierarchy { folder: self.folder.clone(), hierarchy });
        }
        if let Some(newest) = self.numbers(hierarchy, "pem")?.last() {
            return Ok(*newest);
        }
        match self.numbers(hierarchy, "csr")?.last() {
            Some(waiting) => {
                let request = self.path(hierarchy, &file_of(*waiting, "csr"));
                Err(Error::AwaitsCertificate { hierarchy, request })
            }
            // The error names the file that is missing.
            None => Ok(1),
        }
    }

    /// Every generation of an issuing CA that has a certificate, oldest first.
    pub fn generations(&self, hierarchy: Hierarchy) -> Result<Vec<Generation>, Error> {
        self.newest(hierarchy)?;
        let numbers = self.numbers(hierarchy, "pem")?;
        numbers.into_iter().map(|number| self.generation(hierarchy, number)).collect()
    }

    fn generation(&self, hierarchy: Hierarchy, number: u32) -> Result<Generation, Error> {
        let path = self.path(hierarchy, &file_of(number, "pem"));
        let mut certificates = x509::read_certificates("the CA's certificate", &path)?;
        certificates.extend(x509::read_certificates("the CA's certificate", &self.path(hierarchy, "root.pem"))?);
        Ok(Generation { number, chain: Chain::new(certificates)? })
    }

    /// The key of a generation of the issuing CA, by default the one at work; not yet opened.
    pub fn issuing_key(&self, hierarchy: Hierarchy, generation: Option<u32>) -> Result<KeyFile, Error> {
        let number = generation.map_or_else(|| self.newest(hierarchy), Ok)?;
        Ok(KeyFile::read(&KeyRef::File(self.path(hierarchy, &file_of(number, "key"))))?)
    }

    /// Where the root's key stands unless it was moved away.
    pub fn root_key(&self, hierarchy: Hierarchy) -> KeyRef {
        KeyRef::File(self.path(hierarchy, "root.key"))
    }

    /// The root of a hierarchy: what its certificates are verified against.
    pub fn anchors(&self, hierarchy: Hierarchy) -> Result<Anchors, Error> {
        let path = self.path(hierarchy, "root.pem");
        Ok(Anchors::new(x509::read_certificates("the CA's certificate", &path)?)?)
    }

    /// Takes up the issuing of a hierarchy with the key of a generation, by default the one at work.
    pub fn issuer(
        &self,
        hierarchy: Hierarchy,
        generation: Option<u32>,
        signer: Box<dyn Signer>,
    ) -> Result<Issuer, Error> {
        let number = generation.map_or_else(|| self.newest(hierarchy), Ok)?;
        let (own, others): (Vec<_>, Vec<_>) =
            self.generations(hierarchy)?.into_iter().partition(|generation| generation.number == number);
        // Where its certificate is missing, the error names the file.
        let own = own.into_iter().next().map_or_else(|| self.generation(hierarchy, number), Ok)?;
        let chain = &own.chain;
        if chain.leaf().spki() != signer.public_key().spki() {
            return Err(Error::KeyMismatch { issuer: hierarchy.name() });
        }
        // Before anything is planned: a root that was put in place of ours would be found when all is signed.
        new::check_chain(chain, chain.leaf().not_before())?;
        let mut store = self.store()?;
        // Records whose audit another CA's key signed are not this CA's.
        if let Some(head) = store.head(hierarchy.name())? {
            let chains = others.iter().map(|other| &other.chain).chain([chain]);
            let keys: Result<Vec<_>, _> = chains.map(|chain| chain.leaf().public_key()).collect();
            let issuer = hierarchy.name().to_owned();
            head.verify(&keys?).map_err(|fault| Error::Store(store::Error::Audit { issuer, fault }))?;
        }
        let stores = (Box::new(store) as Box<dyn Store>, Box::new(self.store()?) as Box<dyn Store>);
        Ok(Issuer::new(hierarchy, own, others, signer, stores, self.trusts_clock))
    }

    /// Opens the records.
    pub fn store(&self) -> Result<SqliteStore, Error> {
        Ok(SqliteStore::open(&self.folder.join(RECORDS), self.on_wait)?)
    }

    /// Copies the CA into a new folder, whole or absent, while others work with it: its records as they are at one
    /// moment, and all its other files. What comes out is a CA folder.
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        files::build_folder(to, |to| {
            // The records first: a generation that they name has its files by then.
            self.store()?.backup(&to.join(RECORDS))?;
            copy(&self.folder, to)
        })
    }
}

/// `issuing.pem`, `issuing.2.pem`
fn file_of(generation: u32, extension: &str) -> String {
    match generation {
        0 | 1 => format!("issuing.{extension}"),
        generation => format!("issuing.{generation}.{extension}"),
    }
}

/// Copies the regular files of a CA folder and of the folders in it, all but the records.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let fail = |source| files::Error::Read { what: "the CA's folder", path: from.to_owned(), source };
    for entry in std::fs::read_dir(from).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let (kind, name) = (entry.file_type().map_err(fail)?, entry.file_name());
        if kind.is_dir() {
            files::make_folder(&to.join(&name))?;
            copy(&entry.path(), &to.join(&name))?;
        } else if kind.is_file() && !name.to_string_lossy().starts_with("ca.db") && name != "ca.lock" {
            let bytes = files::read("a file of the CA", &entry.path(), files::DOCUMENT_LIMIT)?;
            write(&to.join(&name), &bytes)?;
        }
    }
    Ok(())
}

/// Writes a new file of a CA: mode 0600 whatever is in it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), files::Error> {
    Output::new(path, Creation { private: true, replace: false })?.write(bytes)
}

/// Why a CA could not be made, opened or used.
#[derive(Debug)]
pub enum Error {
    /// A file of the CA could not be read or written.
    File(files::Error),
    /// A key could not be made, opened or used.
    Key(key::Error),
    /// A certificate could not be made or read.
    Certificate(x509::Error),
    /// The records could not be read or written.
    Store(store::Error),
    /// The records could not be written, with what several threads had to write.
    Together(Arc<store::Error>),
    /// The thread that wrote the records for several ended before it had.
    Abandoned,
    /// The folder is not a CA.
    NotACa { folder: PathBuf },
    /// The CA has no such hierarchy.
    NoHierarchy { folder: PathBuf, hierarchy: Hierarchy },
    /// The issuing CA has no certificate yet: another CA is to issue it.
    AwaitsCertificate { hierarchy: Hierarchy, request: PathBuf },
    /// A certificate is imported that no request waits for.
    NotAwaited { hierarchy: Hierarchy },
    /// An issuing CA cannot stand under this certificate.
    Parent { why: verify::Refusal },
    /// The root given does not end in a self-signed certificate, or is none that may issue.
    Root { why: &'static str },
    /// The key does not belong to the root, or to the certificate that is to issue.
    RootKeyMismatch,
    /// `ca.json` is damaged.
    Settings { path: PathBuf, source: serde_json::Error },
    /// The CA was made by a version whose folders this one does not know.
    Schema { path: PathBuf, found: String },
    /// The issuing CA's key and certificate do not belong together.
    KeyMismatch { issuer: &'static str },
    /// The issuing CA's own certificate was revoked.
    IssuingRevoked { issuer: &'static str },
    /// The clock stands outside the issuing CA's validity.
    Clock { now: Time, from: Time, until: Time },
    /// The clock is far from the time of the last record.
    ClockJump { now: Time, last: Time },
    /// A value was given for a variable that no profile has.
    NoSuchVariable { name: String },
    /// A plan on record is not for what it was made for.
    PlanDiffers { serial: String },
    /// No certificate on record is meant.
    NoSuchCertificate,
    /// The CA does not certify its own listener.
    OwnCertificate { refusal: Option<Refusal> },
    /// The listener's key cannot be used, or it cannot listen.
    Net(net::Error),
    /// A token is asked for a profile that the issuer does not issue.
    NotServed { profile: String, issuer: String },
    /// No token of the issuer is called so.
    NoSuchToken { token: String },
    /// No request to the issuer has this number.
    NoSuchRequest { id: u64 },
    /// No request of this identity waits.
    NothingWaits { identity: String },
    /// Several requests of this identity for one profile wait, of which one at most is the device's.
    SeveralWait { identity: String, profile: String },
    /// A request is decided about whose certificate is planned or issued.
    RequestGranted { id: u64 },
    /// An exported audit record could not be read.
    Export { source: std::io::Error },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::Certificate(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Together(error) => error.fmt(f),
            Self::Abandoned => f.write_str("the records were not written: what was to write them came to an end"),
            Self::NotACa { folder } => write!(f, "{} is not a CA folder", files::shown(folder)),
            Self::NoHierarchy { folder, hierarchy } => {
                write!(f, "the CA {} has no issuer {}", files::shown(folder), hierarchy.name())
            }
            Self::AwaitsCertificate { hierarchy, request } => write!(
                f,
                "the issuer {} has no certificate yet; its request is {}",
                hierarchy.name(),
                files::shown(request)
            ),
            Self::NotAwaited { hierarchy } => {
                write!(f, "no request of issuer {} is for the key of this certificate", hierarchy.name())
            }
            Self::Parent { why } => write!(f, "the issuing CA does not lead to its root: {why}"),
            Self::Root { why } => write!(f, "the root is not accepted: {why}"),
            Self::RootKeyMismatch => f.write_str("the root's key does not belong to its certificate"),
            Self::Settings { path, .. } => write!(f, "{} is damaged", files::shown(path)),
            Self::Schema { path, found } => write!(
                f,
                "{} has schema {}, and this version knows {SCHEMA}",
                files::shown(path),
                files::printable(found)
            ),
            Self::KeyMismatch { issuer } => write!(f, "the key of issuer {issuer} does not belong to its certificate"),
            Self::IssuingRevoked { issuer } => write!(f, "the certificate of issuer {issuer} is revoked"),
            Self::Clock { now, from, until } => write!(
                f,
                "the clock says {}, and the issuing CA is valid from {} to {}",
                rfc3339(*now),
                rfc3339(*from),
                rfc3339(*until)
            ),
            Self::ClockJump { now, last } => {
                write!(f, "the clock says {}, and the CA's last record is of {}", rfc3339(*now), rfc3339(*last))
            }
            Self::NoSuchVariable { name } => {
                write!(f, "no profile of the CA has a variable {}", files::printable(name))
            }
            Self::PlanDiffers { serial } => {
                write!(f, "the plan of the certificate with serial {serial} was changed in the records")
            }
            Self::NoSuchCertificate => f.write_str("the CA has no such certificate on record"),
            Self::OwnCertificate { refusal: Some(refusal) } => {
                write!(f, "the CA does not certify its own listener: {refusal}")
            }
            Self::OwnCertificate { refusal: None } => f.write_str("the CA does not certify its own listener"),
            Self::Net(error) => error.fmt(f),
            Self::NotServed { profile, issuer } => {
                write!(f, "the issuer {issuer} does not issue profile {}", files::printable(profile))
            }
            Self::NoSuchToken { token } => write!(f, "the CA has no token {}", files::printable(token)),
            Self::NoSuchRequest { id } => write!(f, "the CA has no request {id}"),
            Self::NothingWaits { identity } => {
                write!(f, "no request of {} waits", files::printable(identity))
            }
            Self::SeveralWait { identity, profile } => {
                let (identity, profile) = (files::printable(identity), files::printable(profile));
                write!(f, "several requests of {identity} for profile {profile} wait")
            }
            Self::RequestGranted { id } => write!(f, "the certificate of request {id} is issued"),
            Self::Export { source } => write!(f, "cannot read the audit record: {}", files::reason(source)),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Key(error) => error.source(),
            Self::Certificate(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::Together(error) => error.source(),
            Self::Settings { source, .. } => Some(source),
            Self::Net(error) => error.source(),
            _ => None,
        }
    }
}

impl From<files::Error> for Error {
    fn from(error: files::Error) -> Self {
        Self::File(error)
    }
}

impl From<key::Error> for Error {
    fn from(error: key::Error) -> Self {
        match error {
            key::Error::File(error) => Self::File(error),
            error => Self::Key(error),
        }
    }
}

impl From<x509::Error> for Error {
    fn from(error: x509::Error) -> Self {
        match error {
            x509::Error::File(error) => Self::File(error),
            x509::Error::Key(error) => Self::Key(error),
            error => Self::Certificate(error),
        }
    }
}

impl From<net::Error> for Error {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
