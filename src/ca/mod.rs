//! The embedded CA: a folder with two roots, an issuing CA under each, and the records of what they issued.
//!
//! ```text
//! acme/                     0700
//!   ca.json                 {"schema": "bulla.ca/1", "name": "Acme"}
//!   ca.db                   the records, see [`crate::store`]
//!   device/  firmware/      one hierarchy each:
//!     root.pem  root.key          the root; its key may be moved away
//!     issuing.pem  issuing.key    the issuing CA
//! ```
//!
//! Every private key is 0600, and encrypted unless that was declined. Devices and firmware never share a root.

use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, Creation, Document, Output};
use crate::key::{self, KeyFile, KeyRef, KeyType, Passphrase, Signer, SoftwareKey, Wrapping};
use crate::store::{self, SqliteStore};
use crate::x509::issue::{self, Serial};
use crate::x509::verify::Anchors;
use crate::x509::{self, Certificate, Chain, Hierarchy, Name, Profile, Request, Time, Variables, Wanted, rfc3339};

mod issuer;

pub use issuer::Issuer;

const SETTINGS: &str = "ca.json";
const RECORDS: &str = "ca.db";
const SCHEMA: &str = "bulla.ca/1";

/// What `ca.json` holds.
#[derive(Serialize, Deserialize)]
struct Settings {
    schema: String,
    name: String,
}

/// What a new CA is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewCa<'a> {
    /// The organisation, and the start of each common name.
    pub name: &'a str,
    /// The type of every key.
    pub key_type: KeyType,
    /// The passphrase of every key; `None` leaves them in the clear.
    pub passphrase: Option<&'a Passphrase>,
}

impl NewCa<'_> {
    /// Makes the CA in a new folder, which is whole or absent. Returns each hierarchy's chain, issuing CA to root.
    pub fn create(&self, folder: &Path, now: Time) -> Result<Vec<(Hierarchy, Chain)>, Error> {
        let mut made = Vec::new();
        files::build_folder(folder, |folder| {
            for hierarchy in Hierarchy::ALL {
                made.push((hierarchy, self.create_hierarchy(&folder.join(hierarchy.name()), hierarchy, now)?));
            }
            drop(SqliteStore::create(&folder.join(RECORDS))?);
            let settings = Settings { schema: SCHEMA.to_owned(), name: self.name.to_owned() };
            let text = serde_json::json!(settings).to_string() + "\n";
            Ok::<_, Error>(write(&folder.join(SETTINGS), text.as_bytes(), false)?)
        })?;
        Ok(made)
    }

    /// Makes a root and an issuing CA under it.
    fn create_hierarchy(&self, folder: &Path, hierarchy: Hierarchy, now: Time) -> Result<Chain, Error> {
        let fail = |source| files::Error::Write { path: folder.to_owned(), source };
        DirBuilder::new().mode(0o700).create(folder).map_err(fail)?;
        let mut variables = Variables::default();
        variables.set("name", self.name);
        let profile = Profile::named(&format!("{}-root", hierarchy.name()))?;
        let names = profile.names(&Name::empty(), &[], &variables, None)?;
        let root_key = SoftwareKey::generate(self.key_type)?;
        let root = issue::root(&profile, &names, &root_key, (profile.not_before(now), profile.not_after(now)))?;
        let profile = Profile::named(&format!("{}-issuing", hierarchy.name()))?;
        let issuing_key = SoftwareKey::generate(self.key_type)?;
        let wanted = Wanted { variables, ..Wanted::default() };
        let request = Request::new(&profile, &wanted, &issuing_key)?.prove()?;
        let names = profile.names(&Name::empty(), &[], &wanted.variables, Some(root.subject()))?;
        let scheme = self.key_type.usual_scheme();
        let (serial, validity) = (Serial::random()?, (profile.not_before(now), profile.not_after(now)));
        let to_be_signed = issue::to_be_signed(&profile, &request, &names, &root, scheme, serial, validity)?;
        let issuing = issue::sign(&to_be_signed, &root_key, scheme)?;
        for (stem, key, certificate) in [("root", &root_key, &root), ("issuing", &issuing_key, &issuing)] {
            let (kind, der) = key.to_file(self.passphrase.map(|passphrase| (Wrapping::default(), passphrase)))?;
            write(&folder.join(format!("{stem}.key")), Document::to_pem(kind, &der).as_bytes(), true)?;
            write(&folder.join(format!("{stem}.pem")), certificate.to_pem().as_bytes(), false)?;
        }
        Ok(Chain::new(vec![issuing, root])?)
    }
}

fn write(path: &Path, bytes: &[u8], private: bool) -> Result<(), files::Error> {
    Output::new(path, Creation { private, replace: false })?.write(bytes)
}

/// A CA folder that exists.
#[derive(Clone, Debug)]
pub struct Ca {
    folder: PathBuf,
}

impl Ca {
    /// Opens a CA by the path of its folder (`acme`) or of one of its issuers (`acme/device`), which then is returned
    /// too.
    pub fn find(path: &Path) -> Result<(Self, Option<Hierarchy>), Error> {
        if path.join(SETTINGS).is_file() {
            return Ok((Self::open(path)?, None));
        }
        let hierarchy = Hierarchy::ALL.into_iter().find(|hierarchy| path.ends_with(hierarchy.name()));
        match (hierarchy, path.parent()) {
            (Some(hierarchy), Some(parent)) if parent.join(SETTINGS).is_file() => {
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
        Ok(Self { folder: folder.to_owned() })
    }

    /// The key of the issuing CA, not yet opened.
    pub fn issuing_key(&self, hierarchy: Hierarchy) -> Result<KeyFile, Error> {
        Ok(KeyFile::read(&KeyRef::File(self.folder.join(hierarchy.name()).join("issuing.key")))?)
    }

    /// The root of a hierarchy: what its certificates are verified against.
    pub fn anchors(&self, hierarchy: Hierarchy) -> Result<Anchors, Error> {
        Ok(Anchors::new(vec![self.certificate(hierarchy, "root.pem")?])?)
    }

    /// Takes up the issuing of a hierarchy with its key.
    pub fn issuer(&self, hierarchy: Hierarchy, signer: Box<dyn Signer>) -> Result<Issuer, Error> {
        let issuing = self.certificate(hierarchy, "issuing.pem")?;
        if issuing.spki() != signer.public_key().spki() {
            return Err(Error::KeyMismatch { issuer: hierarchy.name() });
        }
        let chain = Chain::new(vec![issuing, self.certificate(hierarchy, "root.pem")?])?;
        let store = SqliteStore::open(&self.folder.join(RECORDS))?;
        Ok(Issuer::new(hierarchy, chain, signer, store))
    }

    fn certificate(&self, hierarchy: Hierarchy, file: &str) -> Result<Certificate, Error> {
        let path = self.folder.join(hierarchy.name()).join(file);
        let mut certificates = x509::read_certificates("the CA's certificate", &path)?;
        match (certificates.pop(), certificates.is_empty()) {
            (Some(certificate), true) => Ok(certificate),
            _ => Err(x509::Error::Chain { why: "the CA's file must hold one certificate" }.into()),
        }
    }
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
    /// The folder is not a CA.
    NotACa { folder: PathBuf },
    /// `ca.json` is damaged.
    Settings { path: PathBuf, source: serde_json::Error },
    /// The CA was made by a version whose folders this one does not know.
    Schema { path: PathBuf, found: String },
    /// The issuing CA's key and certificate do not belong together.
    KeyMismatch { issuer: &'static str },
    /// The clock stands outside the issuing CA's validity.
    Clock { now: Time, from: Time, until: Time },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::Certificate(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::NotACa { folder } => write!(f, "{} is not a CA folder", files::shown(folder)),
            Self::Settings { path, .. } => write!(f, "{} is damaged", files::shown(path)),
            Self::Schema { path, found } => write!(
                f,
                "{} has schema {}, and this version knows {SCHEMA}",
                files::shown(path),
                files::printable(found)
            ),
            Self::KeyMismatch { issuer } => write!(f, "the key of issuer {issuer} does not belong to its certificate"),
            Self::Clock { now, from, until } => write!(
                f,
                "the clock says {}, and the issuing CA is valid from {} to {}",
                rfc3339(*now),
                rfc3339(*from),
                rfc3339(*until)
            ),
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
            Self::Settings { source, .. } => Some(source),
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

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
