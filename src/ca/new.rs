//! How a CA comes to be, and how its issuing CAs get their certificates: under a root of its own, under one that exists,
//! or by a request to another CA.

use std::borrow::Cow;
use std::path::Path;

use x509_cert::ext::pkix::KeyUsages;

use super::{Ca, Error, RECORDS, SCHEMA, SETTINGS, Settings, file_of, write};
use crate::files::{self, Document, Kind};
use crate::key::{KeyType, Passphrase, Signer, SoftwareKey, Wrapping};
use crate::store::audit::Event;
use crate::store::{Filter, Ledger, Plan, Reserved, Right, Signed, SqliteStore, Standing, Store};
use crate::x509::issue::{self, Serial};
use crate::x509::verify::{self, Anchors, Purpose, Rules};
use crate::x509::{self, Certificate, Chain, Hierarchy, Name, Names, Profile, Request, Role, Time, Variables, Wanted};

/// How a new key is stored: its passphrase, or `None` for in the clear.
pub type Protection<'a> = Option<&'a Passphrase>;

/// What a new CA is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewCa<'a> {
    /// The organisation, and the start of each common name.
    pub name: &'a str,
    /// The hierarchies that it gets.
    pub hierarchies: &'a [Hierarchy],
    /// Where the root of each comes from.
    pub root: Root<'a>,
    /// The issuing CA of each.
    pub issuing: NewIssuing<'a>,
}

/// What stands above an issuing CA.
#[derive(Clone, Copy, Debug)]
pub enum Root<'a> {
    /// A root that is made here, of this profile or the hierarchy's own.
    New { profile: Option<&'a Profile>, key_type: KeyType, protection: Protection<'a> },
    /// A CA that exists, up to its self-signed root, and its key.
    Existing { chain: &'a Chain, signer: &'a dyn Signer },
    /// Another CA, which gets a request.
    Elsewhere,
}

/// An issuing CA that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewIssuing<'a> {
    /// Its profile, or the hierarchy's own.
    pub profile: Option<&'a Profile>,
    /// Values for the variables of the profiles.
    pub variables: &'a Variables,
    /// The type of its key.
    pub key_type: KeyType,
    /// How its key is stored.
    pub protection: Protection<'a>,
}

impl NewCa<'_> {
    /// Makes the CA in a new folder, which is whole or absent. Returns each hierarchy's chain, issuing CA to root; none
    /// where a request was made instead.
    pub fn create(&self, folder: &Path, now: Time) -> Result<Vec<(Hierarchy, Option<Chain>)>, Error> {
        let mut made = Vec::new();
        files::build_folder(folder, |folder| {
            let settings = Settings { schema: SCHEMA.to_owned(), name: self.name.to_owned() };
            write(&folder.join(SETTINGS), (serde_json::json!(settings).to_string() + "\n").as_bytes())?;
            let mut store = SqliteStore::create(&folder.join(RECORDS))?;
            for hierarchy in self.hierarchies {
                let folder = folder.join(hierarchy.name());
                files::make_folder(&folder)?;
                made.push((*hierarchy, self.create_hierarchy(&folder, *hierarchy, &mut store, now)?));
            }
            Ok::<_, Error>(())
        })?;
        Ok(made)
    }

    fn create_hierarchy(
        &self,
        folder: &Path,
        hierarchy: Hierarchy,
        store: &mut dyn Store,
        now: Time,
    ) -> Result<Option<Chain>, Error> {
        let variables = self.issuing.variables;
        let own_root;
        let (parents, signer): (_, &dyn Signer) = match self.root {
            Root::New { profile, key_type, protection } => {
                let profile = profile_for(Role::Root, hierarchy, profile)?;
                check_variables(variables, &[&profile, &*self.issuing.profile(hierarchy)?])?;
                let variables = name_of(&profile, self.name, &format!("{} Root CA", title(hierarchy)), variables);
                let names = profile.names(&Name::empty(), &[], &variables, None)?;
                own_root = SoftwareKey::generate(key_type)?;
                let validity = (profile.not_before(now), profile.not_after(now));
                let root = issue::root(&profile, &names, &own_root, validity)?;
                write_key(&folder.join("root.key"), &own_root, protection)?;
                (Chain::new(vec![root])?, &own_root)
            }
            Root::Existing { chain, signer } => {
                check_variables(variables, &[&*self.issuing.profile(hierarchy)?])?;
                check_root(chain, signer, now)?;
                (chain.clone(), signer)
            }
            Root::Elsewhere => {
                check_variables(variables, &[&*self.issuing.profile(hierarchy)?])?;
                let key = SoftwareKey::generate(self.issuing.key_type)?;
                let names = self.issuing.names(hierarchy, self.name, 1, None)?;
                let request = self.issuing.request(hierarchy, &names, &key)?;
                write_key(&folder.join(file_of(1, "key")), &key, self.issuing.protection)?;
                write_request(folder, 1, &request)?;
                return Ok(None);
            }
        };
        let key = SoftwareKey::generate(self.issuing.key_type)?;
        let names = self.issuing.names(hierarchy, self.name, 1, Some(parents.leaf()))?;
        let chain = self.issuing.issue(hierarchy, &names, &key, &parents, signer, now)?;
        write_key(&folder.join(file_of(1, "key")), &key, self.issuing.protection)?;
        write_chain(folder, 1, &chain)?;
        record(store, hierarchy, 1, &key, now)?;
        let ledger = Ledger { issuer: hierarchy.name(), signer: &key };
        register(store, ledger, &*self.issuing.profile(hierarchy)?, chain.leaf(), Standing::New, now)?;
        Ok(Some(chain))
    }
}

impl NewIssuing<'_> {
    /// The profile that was chosen, or the hierarchy's own.
    fn profile(&self, hierarchy: Hierarchy) -> Result<Cow<'_, Profile>, Error> {
        profile_for(Role::Issuing, hierarchy, self.profile)
    }

    /// The names of a generation of the issuing CA. With another key it also has another name, so that a name and a
    /// revocation list belong to one key (RFC 5280 section 6.3.3 goes by the name).
    fn names(
        &self,
        hierarchy: Hierarchy,
        ca: &str,
        generation: u32,
        parent: Option<&Certificate>,
    ) -> Result<Names, Error> {
        let profile = self.profile(hierarchy)?;
        let title = match generation {
            1 => format!("{} CA", title(hierarchy)),
            generation => format!("{} CA G{generation}", title(hierarchy)),
        };
        let variables = name_of(&profile, ca, &title, self.variables);
        Ok(profile.names(&Name::empty(), &[], &variables, parent.map(Certificate::subject))?)
    }

    /// The request for its certificate.
    fn request(&self, hierarchy: Hierarchy, names: &Names, key: &dyn Signer) -> Result<Request, Error> {
        let Names { subject, alt_names } = names.clone();
        let wanted = Wanted { subject, alt_names, ..Wanted::default() };
        Ok(Request::new(&*self.profile(hierarchy)?, &wanted, key)?)
    }

    /// Issues its certificate, which ends no later than the one above it.
    fn issue(
        &self,
        hierarchy: Hierarchy,
        names: &Names,
        key: &dyn Signer,
        parents: &Chain,
        signer: &dyn Signer,
        now: Time,
    ) -> Result<Chain, Error> {
        let parent = parents.leaf();
        let profile = self.profile(hierarchy)?;
        let request = self.request(hierarchy, names, key)?.prove()?;
        let scheme = signer.public_key().key_type().usual_scheme();
        let validity = (profile.not_before(now), profile.not_after(now).min(parent.not_after()));
        let to_be_signed = issue::to_be_signed(&profile, &request, names, parent, scheme, Serial::new(now)?, validity)?;
        let mut certificates = vec![issue::sign(&to_be_signed, signer, scheme)?];
        certificates.extend_from_slice(parents.certificates());
        let chain = Chain::new(certificates)?;
        check_chain(&chain, now)?;
        Ok(chain)
    }
}

/// A certificate for the issuing CA that another CA issued.
#[derive(Clone, Copy, Debug)]
pub struct Importing<'a> {
    /// The issuing CA first, a self-signed root last.
    pub chain: &'a Chain,
    /// The issuing CA's key.
    pub signer: &'a dyn Signer,
    /// Which generation it is, as [`Ca::awaiting`] found.
    pub generation: u32,
}

impl Ca {
    /// The generation whose request is for the key of `certificate`, and that has no certificate yet.
    pub fn awaiting(&self, hierarchy: Hierarchy, certificate: &Certificate) -> Result<u32, Error> {
        if !self.hierarchies().any(|has| has == hierarchy) {
            return Err(Error::NoHierarchy { folder: self.folder.clone(), hierarchy });
        }
        let done = self.numbers(hierarchy, "pem")?;
        for number in self.numbers(hierarchy, "csr")? {
            let request = Request::read(&self.path(hierarchy, &file_of(number, "csr")))?;
            if request.spki() == certificate.spki() && !done.contains(&number) {
                return Ok(number);
            }
        }
        Err(Error::NotAwaited { hierarchy })
    }

    /// Takes in the certificate of an issuing CA.
    pub fn import(&self, hierarchy: Hierarchy, importing: Importing<'_>, now: Time) -> Result<(), Error> {
        let Importing { chain, signer, generation } = importing;
        check_chain(chain, now)?;
        if chain.leaf().spki() != signer.public_key().spki() {
            return Err(Error::KeyMismatch { issuer: hierarchy.name() });
        }
        let root = self.path(hierarchy, "root.pem");
        if root.exists() && self.anchors(hierarchy)?.certificates().first() != chain.certificates().last() {
            return Err(Error::Root { why: "it is another one than before" });
        }
        write_chain(&self.folder.join(hierarchy.name()), generation, chain)?;
        record(&mut self.store()?, hierarchy, generation, signer, now)
    }

    /// Makes the next generation of an issuing CA, under the same root; `parent` is the key of the CA above it. `kept` is
    /// the key of the newest generation where that stays.
    pub fn renew_issuing(
        &self,
        hierarchy: Hierarchy,
        new: NewIssuing<'_>,
        kept: Option<&SoftwareKey>,
        parent: &dyn Signer,
        now: Time,
    ) -> Result<Chain, Error> {
        let newest = self.generation(hierarchy, self.newest(hierarchy)?)?;
        let parents = Chain::new(newest.chain.certificates()[1..].to_vec())?;
        check_root(&parents, parent, now)?;
        check_variables(new.variables, &[&*new.profile(hierarchy)?])?;
        let generation = self.next(hierarchy)?;
        let made;
        let (key, names) = match kept {
            Some(kept) => {
                let old = newest.chain.leaf();
                (kept, Names { subject: old.subject().clone(), alt_names: old.alt_names()? })
            }
            None => {
                made = SoftwareKey::generate(new.key_type)?;
                (&made, new.names(hierarchy, &self.name, generation, Some(parents.leaf()))?)
            }
        };
        let chain = new.issue(hierarchy, &names, key, &parents, parent, now)?;
        let folder = self.folder.join(hierarchy.name());
        write_key(&folder.join(file_of(generation, "key")), key, new.protection)?;
        write_chain(&folder, generation, &chain)?;
        let mut store = self.store()?;
        record(&mut store, hierarchy, generation, key, now)?;
        let ledger = Ledger { issuer: hierarchy.name(), signer: key };
        let filter = Filter { serial: Some(newest.chain.leaf().serial().to_vec()), ..Filter::default() };
        let standing = match store.list(&filter, None, 1)?.pop() {
            Some(record) if kept.is_some() => Standing::Renew { serial: record.serial },
            _ => Standing::New,
        };
        register(&mut store, ledger, &*new.profile(hierarchy)?, chain.leaf(), standing, now)?;
        Ok(chain)
    }

    /// Makes the key and the request of the next generation of an issuing CA, for another CA to issue.
    pub fn request_issuing(&self, hierarchy: Hierarchy, new: NewIssuing<'_>) -> Result<Request, Error> {
        check_variables(new.variables, &[&*new.profile(hierarchy)?])?;
        let generation = self.next(hierarchy)?;
        let key = SoftwareKey::generate(new.key_type)?;
        let names = new.names(hierarchy, &self.name, generation, None)?;
        let request = new.request(hierarchy, &names, &key)?;
        let folder = self.folder.join(hierarchy.name());
        write_key(&folder.join(file_of(generation, "key")), &key, new.protection)?;
        write_request(&folder, generation, &request)?;
        Ok(request)
    }

    /// The number behind every generation that has a file, also one that was interrupted.
    fn next(&self, hierarchy: Hierarchy) -> Result<u32, Error> {
        self.newest(hierarchy)?;
        let mut used = self.numbers(hierarchy, "key")?;
        used.extend(self.numbers(hierarchy, "pem")?);
        Ok(used.into_iter().max().unwrap_or_default() + 1)
    }
}

fn title(hierarchy: Hierarchy) -> &'static str {
    match hierarchy {
        Hierarchy::Device => "Device",
        Hierarchy::Firmware => "Firmware",
    }
}

/// The profile for a CA's own certificate: the one chosen, which must be for that, or the hierarchy's own.
fn profile_for(role: Role, hierarchy: Hierarchy, chosen: Option<&Profile>) -> Result<Cow<'_, Profile>, Error> {
    let Some(profile) = chosen else {
        return Ok(Cow::Owned(Profile::named(&format!("{}-{}", hierarchy.name(), role.name()))?));
    };
    if profile.role != role || !profile.serves(hierarchy) {
        let why = format!("is not for the {} certificate of the {} hierarchy", role.name(), hierarchy.name());
        return Err(x509::Error::Profile { profile: profile.name.clone(), why }.into());
    }
    Ok(Cow::Borrowed(profile))
}

/// The variables for a CA certificate: those given that its profile has, and the CA's name and title where they are
/// not given.
fn name_of(profile: &Profile, ca: &str, title: &str, given: &Variables) -> Variables {
    let own = [("name", ca.to_owned()), ("title", format!("{ca} {title}"))];
    let given = given.iter().map(|(name, value)| (name, value.to_owned()));
    let mut variables = Variables::default();
    for (name, value) in given.chain(own) {
        if profile.variables.contains_key(name) {
            // The first value stays: what is given goes before our own.
            variables.set(name, &value);
        }
    }
    variables
}

/// Values that no profile of a new CA has a variable for are refused, like any other flag without effect.
fn check_variables(given: &Variables, profiles: &[&Profile]) -> Result<(), Error> {
    let unknown = given.iter().find(|(name, _)| !profiles.iter().any(|profile| profile.variables.contains_key(*name)));
    match unknown {
        Some((name, _)) => Err(Error::NoSuchVariable { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// Checks what an issuing CA is to be put under: its key, and that it leads to a self-signed root.
fn check_root(chain: &Chain, signer: &dyn Signer, now: Time) -> Result<(), Error> {
    let parent = chain.leaf();
    if parent.spki() != signer.public_key().spki() {
        return Err(Error::RootKeyMismatch);
    }
    if !parent.basic_constraints()?.is_some_and(|constraints| constraints.ca) {
        return Err(Error::Root { why: "it is not a CA" });
    }
    check_chain(chain, now)
}

/// Checks that a chain of CA certificates leads to a self-signed root, its last certificate.
pub(super) fn check_chain(chain: &Chain, now: Time) -> Result<(), Error> {
    let [certificates @ .., root] = chain.certificates() else { return Err(Error::Root { why: "there is none" }) };
    let is_self_signed = root.is_self_issued() && root.public_key().is_ok_and(|key| root.is_signed_by(&key));
    if !is_self_signed {
        return Err(Error::Root { why: "the chain does not end in a self-signed certificate" });
    }
    let Some((leaf, between)) = certificates.split_first() else { return Ok(()) };
    let may_issue =
        leaf.basic_constraints()?.is_some_and(|constraints| constraints.ca) && leaf.key_may(KeyUsages::KeyCertSign)?;
    if !may_issue {
        return Err(Error::Root { why: "the certificate of the issuing CA is not one of a CA" });
    }
    let anchors = Anchors::new(vec![root.clone()])?;
    let found = verify::path(leaf, between, &anchors, &Rules::new(Purpose::Any, now));
    found.map(drop).map_err(|why| Error::Parent { why })
}

fn write_key(path: &Path, key: &SoftwareKey, protection: Protection<'_>) -> Result<(), Error> {
    let (kind, der) = key.to_file(protection.map(|passphrase| (Wrapping::default(), passphrase)))?;
    Ok(write(path, Document::to_pem(kind, &der).as_bytes())?)
}

fn write_request(folder: &Path, generation: u32, request: &Request) -> Result<(), Error> {
    let pem = Document::to_pem(Kind::Request, request.der());
    Ok(write(&folder.join(file_of(generation, "csr")), pem.as_bytes())?)
}

/// Writes the root where it is not there yet, then the certificates below it: with that the generation is there.
fn write_chain(folder: &Path, generation: u32, chain: &Chain) -> Result<(), Error> {
    let [below @ .., root] = chain.certificates() else { return Err(Error::Root { why: "there is none" }) };
    let path = folder.join("root.pem");
    if !path.exists() {
        write(&path, root.to_pem().as_bytes())?;
    }
    let pem: String = below.iter().map(Certificate::to_pem).collect();
    Ok(write(&folder.join(file_of(generation, "pem")), pem.as_bytes())?)
}

/// Records that an issuing CA has a certificate.
fn record(
    store: &mut dyn Store,
    hierarchy: Hierarchy,
    generation: u32,
    signer: &dyn Signer,
    now: Time,
) -> Result<(), Error> {
    let spki_sha256 = signer.public_key().fingerprint().to_string();
    let ledger = Ledger { issuer: hierarchy.name(), signer };
    Ok(store.record(ledger, Event::Issuer { generation, spki_sha256 }, now)?)
}

/// Puts the certificate of an issuing CA among those on record, as one of generation 0, which is the CA above: so it can be
/// revoked, and named in a list of that CA. It is on disk already: the file is what makes it the issuing CA.
fn register(
    store: &mut dyn Store,
    ledger: Ledger<'_>,
    profile: &Profile,
    certificate: &Certificate,
    standing: Standing,
    now: Time,
) -> Result<(), Error> {
    let names = Names { subject: certificate.subject().clone(), alt_names: certificate.alt_names()? };
    let plan = Plan {
        generation: 0,
        profile: profile.name.clone(),
        profile_sha256: profile.digest().bytes().to_vec(),
        identity: profile.identity(&names)?,
        spki_sha256: certificate.public_key()?.fingerprint().bytes().to_vec(),
        serial: certificate.serial().to_vec(),
        subject: certificate.subject().to_string(),
        validity: (certificate.not_before(), certificate.not_after()),
        to_be_signed: certificate.to_be_signed().to_vec(),
        standing,
        outlives_issuer: false,
        right: Right::default(),
    };
    if let [Reserved::Planned { serial, .. }] = store.reserve(ledger, &[plan], Vec::new(), now)?.as_slice() {
        store.complete(&[Signed { serial: serial.clone(), certificate: certificate.der().to_vec() }])?;
    }
    Ok(())
}
