//! Passphrases and private keys, as flags name them.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::Context;
use super::error::Credential;
use crate::files::{self, Document, Kind};
use crate::key::{KeyFile, KeyRef, Passphrase, PrivateKey, PublicKey, SoftwareDecrypter, SoftwareKey};

/// Longest passphrase that is read: 64 KiB, so that a wrong file is noticed.
const PASSPHRASE_LIMIT: u64 = 64 << 10;

/// Where a passphrase comes from. Never the command line itself, which other users can see.
#[derive(Clone, Debug)]
pub enum PassphraseFrom {
    Env(String),
    File(PathBuf),
    Fd(u32),
    Prompt,
}

impl FromStr for PassphraseFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "must be env:VAR, file:PATH, fd:N or prompt".to_owned();
        match text.split_once(':') {
            Some(("env", variable)) if !variable.is_empty() => Ok(Self::Env(variable.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("fd", number)) => number.parse().map(Self::Fd).map_err(|_| wrong()),
            None if text == "prompt" => Ok(Self::Prompt),
            _ => Err(wrong()),
        }
    }
}

impl PassphraseFrom {
    /// Gets the passphrase, as [`secret`](Self::secret) does.
    pub fn get(&self, what: &'static str, confirm: bool) -> anyhow::Result<Passphrase> {
        self.secret(what, confirm).map(Passphrase::new)
    }

    /// Gets the secret. From a file or descriptor one line end is taken off. An unset variable is an error; an
    /// empty one is the empty passphrase. `what` names the secret, `confirm` asks twice at a prompt.
    pub fn secret(&self, what: &'static str, confirm: bool) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Env(variable) => {
                let value = std::env::var_os(variable).ok_or_else(|| Credential {
                    message: format!("the variable {variable} for the {what} is not set"),
                    hint: "set it; an empty value counts as set".to_owned(),
                })?;
                Ok(Zeroizing::new(std::os::unix::ffi::OsStringExt::into_vec(value)))
            }
            Self::File(path) => read(path, what),
            Self::Fd(number) => read(&PathBuf::from(format!("/dev/fd/{number}")), what),
            Self::Prompt => prompt(what, confirm),
        }
    }
}

/// Reads a passphrase from a file without its line end. A file that cannot be read is a credential that is missing.
fn read(path: &Path, what: &'static str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = files::read(what, path, PASSPHRASE_LIMIT).with_context(|| Credential {
        message: format!("there is no {what}"),
        hint: "give it by env:VAR, file:PATH or fd:N".to_owned(),
    })?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(bytes)
}

/// Whether there is somebody to ask: standard input and standard error both are terminals.
fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks at the terminal.
fn prompt(what: &str, confirm: bool) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    if !can_ask() {
        return Err(Credential {
            message: format!("there is no terminal to ask for the {what}"),
            hint: "give it by env:VAR, file:PATH or fd:N".to_owned(),
        }
        .into());
    }
    let ask = |question: String| rpassword::prompt_password(question).map(|text| Zeroizing::new(text.into_bytes()));
    let first = ask(format!("{what}: "))?;
    if confirm && ask(format!("{what} again: "))? != first {
        return Err(Credential { message: "the two do not match".to_owned(), hint: "try again".to_owned() }.into());
    }
    Ok(first)
}

/// A key's passphrase flag, and how to speak of it.
#[derive(Clone, Copy)]
pub struct Unlock<'a> {
    /// What was given.
    pub from: Option<&'a PassphraseFrom>,
    /// The flag to name in a hint.
    pub flag: &'a str,
    /// The secret's name in prompts and messages.
    pub what: &'static str,
}

/// The flag of a command's own key.
pub fn own(from: Option<&PassphraseFrom>) -> Unlock<'_> {
    Unlock { from, flag: "--passphrase-from", what: "passphrase of the key" }
}

/// Reads and opens the private key that a flag names, to sign with. Warns where others can read the file.
pub fn open(reference: &KeyRef, unlock: Unlock<'_>, context: &Context) -> anyhow::Result<SoftwareKey> {
    unlocked(KeyFile::read(reference)?, &reference.to_string(), unlock, context)
}

/// Reads and opens the private key that a flag names, to decrypt with.
pub fn open_decrypter(reference: &KeyRef, unlock: Unlock<'_>, context: &Context) -> anyhow::Result<SoftwareDecrypter> {
    let name = reference.to_string();
    let key = unlocked_any(KeyFile::read(reference)?, &name, unlock, context)?;
    key.into_decrypter().map_err(|error| unusable(error, &name))
}

/// Reads a file that holds one key, private or public.
pub fn key_document(path: &Path) -> Result<Document, files::Error> {
    const WANTED: &str = "a key";
    let bytes = files::read("key", path, files::DOCUMENT_LIMIT)?;
    let mut documents = files::documents(&bytes, path, WANTED)?;
    let is_key = |kind: Kind| {
        kind.is_private_key() || matches!(kind, Kind::PublicKey | Kind::Pkcs1PublicKey | Kind::MinisignPublicKey)
    };
    match documents.as_slice() {
        [one] if is_key(one.kind) => Ok(documents.swap_remove(0)),
        _ => Err(files::Error::WrongKind { path: path.to_owned(), wanted: WANTED, found: files::noun_of(&documents) }),
    }
}

/// Reads the public key that a file holds, or whose private half it holds, as SubjectPublicKeyInfo. X25519 is one too.
pub fn public_half(path: &Path, unlock: Unlock<'_>, context: &Context) -> anyhow::Result<Vec<u8>> {
    let document = key_document(path)?;
    Ok(match document.kind {
        Kind::PublicKey => document.der.to_vec(),
        kind if !kind.is_private_key() => PublicKey::from_document(&document, path)?.spki().to_vec(),
        _ => unlocked_any(KeyFile::from_document(document), &files::shown(path), unlock, context)?.spki().to_vec(),
    })
}

/// Opens a key file that has been read, to sign with; `name` is for messages.
pub fn unlocked(file: KeyFile, name: &str, unlock: Unlock<'_>, context: &Context) -> anyhow::Result<SoftwareKey> {
    unlocked_any(file, name, unlock, context)?.into_signer().map_err(|error| unusable(error, name))
}

/// Opens a key file that has been read, whatever its key is for; `name` is for messages.
pub fn unlocked_any(file: KeyFile, name: &str, unlock: Unlock<'_>, context: &Context) -> anyhow::Result<PrivateKey> {
    if file.is_exposed() {
        context.warn(format!("{name} can be read by other users; chmod 600 it"));
    }
    let passphrase = match unlock.from {
        Some(from) => Some(from.get(unlock.what, false)?),
        None if file.is_encrypted() && can_ask() => Some(Passphrase::new(prompt(unlock.what, false)?)),
        None if file.is_encrypted() => {
            return Err(Credential {
                message: format!("{name} is encrypted and no passphrase was given"),
                hint: format!("add {} env:VAR, file:PATH or fd:N", unlock.flag),
            }
            .into());
        }
        None => None,
    };
    file.open_any(passphrase.as_ref()).map_err(|error| match error {
        crate::key::Error::PassphraseWrong => anyhow::Error::new(Credential {
            message: format!("the passphrase does not open {name}"),
            hint: format!("check what {} gives", unlock.flag),
        }),
        error => unusable(error, name),
    })
}

fn unusable(error: crate::key::Error, name: &str) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("cannot use the key {name}"))
}
