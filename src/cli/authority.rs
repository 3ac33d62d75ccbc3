//! Flags that name a CA and open its key, shared by every command that works with one.

use std::path::{Path, PathBuf};

use super::Context;
use super::error::{Credential, Usage};
use super::est_url::EstUrl;
use super::keys::{self, PassphraseFrom, Unlock};
use crate::ca::{Ca, Issuer};
use crate::files::{from_hex, printable};
use crate::key::{Passphrase, SoftwareKey};
use crate::x509::{Hierarchy, Profile, Time};

/// A CA by flag.
#[derive(Debug, clap::Args)]
pub struct AuthorityArgs {
    /// The CA: its folder, or one of its issuers, as acme/device
    #[arg(long, value_name = "CA")]
    ca: PathBuf,
    #[command(flatten)]
    pub key: KeyArgs,
}

impl AuthorityArgs {
    /// Finds the CA, and the issuer where one is named.
    pub fn find(&self) -> anyhow::Result<(Ca, Option<Hierarchy>)> {
        match Place::of(&self.ca)? {
            Place::Folder(path) => self.key.find(path),
            Place::Server(url) => Err(Usage(format!("{url} is a server; this needs the CA's folder")).into()),
        }
    }
}

/// A CA to get a certificate from, by flag: near or far.
#[derive(Debug, clap::Args)]
pub struct IssuerArgs {
    /// The CA: its folder, or one of its issuers, as acme/device; or its server, as est://host[:port][/label]
    #[arg(long, value_name = "CA")]
    ca: PathBuf,
    #[command(flatten)]
    pub key: KeyArgs,
}

impl IssuerArgs {
    /// Where the CA is. With a server go no flags for a folder.
    pub fn place(&self) -> anyhow::Result<Place<'_>> {
        let place = Place::of(&self.ca)?;
        match (&place, self.key.first_given()) {
            (Place::Server(_), Some(flag)) => Err(only_with_folder(flag).into()),
            _ => Ok(place),
        }
    }
}

/// Where a CA is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In a folder.
    Folder(&'a Path),
    /// Behind a server.
    Server(EstUrl),
}

impl<'a> Place<'a> {
    /// A text with a scheme names a server; a folder of such a name is called `./est://`.
    fn of(path: &'a Path) -> Result<Self, Usage> {
        match path.to_str().filter(|text| EstUrl::is_meant(text)) {
            Some(text) => text.parse().map(Self::Server).map_err(Usage),
            None => Ok(Self::Folder(path)),
        }
    }
}

/// What is wrong with a flag that only a CA in a folder can honour.
pub fn only_with_folder(flag: &str) -> Usage {
    Usage(format!("{flag} goes with a CA's folder, and --ca names a server"))
}

/// What is needed to work with a CA's key.
#[derive(Debug, clap::Args)]
pub struct KeyArgs {
    /// The passphrase of the CA's key: env:VAR, file:PATH, fd:N or prompt
    #[arg(long, value_name = "SOURCE")]
    pub ca_passphrase_from: Option<PassphraseFrom>,
    /// Believe the clock, though it is a day behind or years ahead of the CA's last record
    #[arg(long)]
    accept_clock: bool,
}

impl KeyArgs {
    /// The first of the flags that is given.
    fn first_given(&self) -> Option<&'static str> {
        let Self { ca_passphrase_from, accept_clock } = self;
        if ca_passphrase_from.is_some() {
            return Some("--ca-passphrase-from");
        }
        accept_clock.then_some("--accept-clock")
    }

    /// Finds a CA by path.
    pub fn find(&self, path: &Path) -> anyhow::Result<(Ca, Option<Hierarchy>)> {
        let (ca, hierarchy) = find(path)?;
        Ok((ca.trusts_clock(self.accept_clock), hierarchy))
    }

    /// Opens the key of an issuing CA, by default of the generation at work.
    pub fn open(
        &self,
        ca: &Ca,
        hierarchy: Hierarchy,
        generation: Option<u32>,
        context: &Context,
    ) -> anyhow::Result<SoftwareKey> {
        let unlock = Unlock {
            from: self.ca_passphrase_from.as_ref(),
            flag: "--ca-passphrase-from",
            what: "passphrase of the CA's key",
        };
        keys::unlocked(ca.issuing_key(hierarchy, generation)?, "the CA's key", unlock, context)
    }

    /// Takes up the issuing of a hierarchy.
    pub fn issuer(
        &self,
        ca: &Ca,
        hierarchy: Hierarchy,
        generation: Option<u32>,
        context: &Context,
    ) -> anyhow::Result<Issuer> {
        let signer = self.open(ca, hierarchy, generation, context)?;
        Ok(ca.issuer(hierarchy, generation, Box::new(signer))?)
    }
}

/// Finds a CA by path; whoever waits for another process is told.
pub fn find(path: &Path) -> anyhow::Result<(Ca, Option<Hierarchy>)> {
    let (ca, hierarchy) = Ca::find(path)?;
    let tell = |holder: &str| {
        Context::warn_of(format!("waiting for the CA's records, which {} holds", printable(holder)));
    };
    Ok((ca.on_wait(tell), hierarchy))
}

/// The hierarchies that a command is about: the one that is named, or all that the CA has.
pub fn chosen(ca: &Ca, named: Option<Hierarchy>) -> Vec<Hierarchy> {
    named.map_or_else(|| ca.hierarchies().collect(), |named| vec![named])
}

/// The issuer that a command is about: named, or the only one.
pub fn only(ca: &Ca, named: Option<Hierarchy>, path: &Path) -> anyhow::Result<Hierarchy> {
    let all = chosen(ca, named);
    match all.as_slice() {
        [one] => Ok(*one),
        _ => {
            let names: Vec<String> =
                all.iter().map(|hierarchy| path.join(hierarchy.name()).display().to_string()).collect();
            Err(Usage(format!("the CA has several issuers; name one: {}", names.join(" or "))).into())
        }
    }
}

/// The issuer for a profile: the one that is named, or where only one serves the profile, that.
pub fn serving(ca: &Ca, named: Option<Hierarchy>, profile: &Profile) -> anyhow::Result<Hierarchy> {
    if let Some(named) = named {
        return Ok(named);
    }
    let serving: Vec<Hierarchy> = ca.hierarchies().filter(|hierarchy| profile.serves(*hierarchy)).collect();
    match (serving.as_slice(), Hierarchy::ALL.into_iter().find(|hierarchy| profile.serves(*hierarchy))) {
        ([one], _) => Ok(*one),
        // The error names what the CA lacks.
        ([], Some(lacking)) => Ok(lacking),
        _ => Err(Usage(format!("several issuers serve profile {}; name one, as acme/device", profile.name)).into()),
    }
}

/// Where the passphrase of a new key comes from, or that there is none; one of the two must be said.
pub fn protection(
    from: Option<&PassphraseFrom>,
    declined: bool,
    what: &'static str,
) -> anyhow::Result<Option<Passphrase>> {
    match (from, declined) {
        (Some(from), _) => Ok(Some(from.get(what, true)?)),
        (None, true) => Ok(None),
        (None, false) => Err(Credential {
            message: "the CA's keys need a passphrase".to_owned(),
            hint: "add --ca-passphrase-from SOURCE, or --no-passphrase to do without".to_owned(),
        }
        .into()),
    }
}

/// A serial number's octets: a name, so that clap does not take it for several values.
pub type Octets = std::sync::Arc<[u8]>;

/// Reads a serial number as it is shown: hexadecimal, with or without colons.
pub fn parse_serial(text: &str) -> Result<Octets, String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let octets = from_hex(&digits).filter(|octets| (1..=20).contains(&octets.len()));
    octets.map(Octets::from).ok_or_else(|| "must be a serial number in hexadecimal, as 5f:0e:91:c2".to_owned())
}

/// Reads a moment: RFC 3339, or a day, which begins at midnight UTC.
pub fn parse_moment(text: &str) -> Result<Time, String> {
    let day = || super::trust::parse_time(&format!("{text}T00:00:00Z"));
    super::trust::parse_time(text).or_else(|_| day()).map_err(|_| "must be a day or a time as 2026-11-22".to_owned())
}

/// Reads a number of days or years of 365 days.
pub fn parse_period(text: &str) -> Result<time::Duration, String> {
    let wrong = || "must be a number of days or years, as 90d or 20y".to_owned();
    let (number, days) = match text.strip_suffix('d') {
        Some(number) => (number, 1),
        None => (text.strip_suffix('y').ok_or_else(wrong)?, 365),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    // 8000 years reach past 9999, where every certificate ends.
    if number == 0 || i64::from(number) * days > 8000 * 366 {
        return Err(wrong());
    }
    Ok(time::Duration::days(i64::from(number) * days))
}
