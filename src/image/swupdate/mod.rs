//! `--as swupdate`: an archive for SWUpdate, signed by a CMS message over its `sw-description`, which has the digests
//! of all other files.
//!
//! ```text
//! update = sw-description sw-description.sig *file    ; entries of a cpio archive, in this order
//! sw-description.sig = CMS SignedData over sw-description, detached, in DER
//! ```
//!
//! Source: `sbabic/swupdate doc/source/signed_images.rst`, `core/stream_interface.c`. Certificates in the message serve
//! to build the chain, as in a device with the default configuration; one built with CMS_IGNORE_ADDITIONAL_CERTS wants
//! them all in its own file.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    At, Bad, Demands, Description as Shown, Error, Evidence, Existing, Facts, Fault, HASH, ImageFormat, Layout, Maker,
    Piece, Plan, RSA, Reading, Round, Setting, Settings, Signatory, Source, Takes, Unfit, chosen_scheme, cms, judged,
    purpose,
};
use crate::cms::{Content, SignedData, Unsigned, digest_hash};
use crate::key::KeyType;
use cpio::{Archive, Entry};
use description::{Artefact, Description, Device};

mod cpio;
mod description;
mod folder;
mod libconfig;

#[cfg(test)]
pub(super) mod tests;

/// The format.
pub struct Swupdate;

const DESCRIPTION: &str = "sw-description";
const SIGNATURE: &str = "sw-description.sig";

/// Largest `sw-description`, and largest signature of one. A device has no limit unless its configuration sets
/// `sw-description-max-size`; descriptions have some kilobytes.
const TEXT_LIMIT: u64 = 1 << 20;

/// Most entries that are listed for people.
const SHOWN_ENTRIES: usize = 50;

/// What the device asks of the signer's certificate: its option of the same name.
const CERT_PURPOSE: Setting = Setting::verifying(
    "cert-purpose",
    Takes::OneOf(&["emailProtection", "codeSigning"]),
    "The extKeyUsage that the device asks for; by default emailProtection, or none",
);

/// The option of that name in the build of a device (`crypto/Kconfig`), which libraries other than OpenSSL imply.
const IGNORE_ADDITIONAL_CERTS: Setting = Setting::verifying(
    "ignore-additional-certs",
    Takes::Nothing,
    "The device is built with CMS_IGNORE_ADDITIONAL_CERTS, as Debian's: --trust has to have all issuers",
);

const SELECT: Setting = Setting::verifying(
    "select",
    Takes::One("SET,MODE"),
    "The software set and mode that the device selects, as stable,main",
);

impl ImageFormat for Swupdate {
    fn name(&self) -> &'static str {
        "swupdate"
    }

    fn about(&self) -> &'static str {
        "Update archive of SWUpdate, made of a folder or an archive"
    }

    fn settings(&self) -> &'static [Setting] {
        const {
            &[
                Setting { at: At::Signing, ..HASH },
                Setting { at: At::Signing, ..RSA },
                CERT_PURPOSE,
                IGNORE_ADDITIONAL_CERTS,
                SELECT,
            ]
        }
    }

    fn is_cms(&self) -> bool {
        true
    }

    fn plan(&self, source: &mut Source<'_>, maker: &Maker<'_>, settings: &Settings) -> Result<Box<dyn Plan>, Error> {
        let key = maker.key()?.key_type();
        maker.chain()?;
        if key == KeyType::Ed25519 {
            // OpenSSL 3 cannot verify it in CMS.
            return Err(Unfit::KeyType { key, format: "swupdate", takes: "EC and RSA keys" }.into());
        }
        if let Some(path) = source.folder() {
            let archive = folder::archive(path).map_err(Fault::unfit)?;
            source.replace_with_file(archive)?;
        }
        let update = Update::read(source).map_err(Fault::unfit)?;
        match (update.signature(), maker.existing) {
            (Some(_), Existing::Refuse) => return Err(Unfit::AlreadySigned.into()),
            (Some(_), Existing::Keep) => return Err(Unfit::CannotAdd { format: self.name() }.into()),
            (None, Existing::Keep) => return Err(Unfit::NotSigned.into()),
            (None, Existing::Refuse | Existing::Replace) | (Some(_), Existing::Replace) => {}
        }
        update.check(source, Device::default()).map_err(Fault::unfit)?;
        let hash = digest_hash(chosen_scheme(key.usual_scheme(), settings)?);
        let message = cms::message(maker, Content::Detached(&hash.digest(&update.text)), settings)?;
        Ok(Box::new(Planned { message, update }))
    }

    fn read(&self, source: &mut Source<'_>, evidence: &Evidence<'_>, settings: &Settings) -> Result<Reading, Fault> {
        let rule = match settings.text("cert-purpose") {
            Some("codeSigning") => purpose::codesign,
            _ => purpose::smimesign,
        };
        let ignores_others = settings.has(IGNORE_ADDITIONAL_CERTS.name);
        let selection = settings.text("select").map(selection).transpose()?;
        let hardware = evidence.policy.demands.hardware.as_deref().map(board_and_revision).transpose()?;
        let board = hardware.map(|(board, _)| board.to_owned());
        let (mut signatory, update) = read(source, evidence)?;
        signatory.rule = Some(rule);
        if ignores_others {
            signatory.certificates.clear();
        }
        Ok(Reading {
            signatories: vec![signatory],
            facts: Facts::default(),
            content: Some(Box::new(move |source, demands| {
                let selection = selection.as_ref().map(|(set, mode)| (set.as_str(), mode.as_str()));
                update.facts(source, demands, Device { board: board.as_deref(), selection })
            })),
        })
    }

    fn describe(&self, source: &mut Source<'_>) -> Result<Option<Shown>, Error> {
        describe(source)
    }
}

/// The signer of an archive, and what it signs.
fn read(source: &mut Source<'_>, evidence: &Evidence<'_>) -> Result<(Signatory, Update), Fault> {
    let update = Update::read(source)?;
    let message = match update.signature() {
        Some(entry) => entry.bytes(source, TEXT_LIMIT)?,
        None => return Err(Bad::new("unsigned", format!("the second entry of the archive is not {SIGNATURE}")).into()),
    };
    // DER alone: the device reads no PEM.
    let message = SignedData::from_bytes(&message).map_err(|error| Bad::new("malformed", error))?;
    if message.content.is_some() {
        return Err(Bad::new("not-detached", format!("{SIGNATURE} holds a content of its own")).into());
    }
    let hash = message.signer()?.digest_hash()?;
    let mut signatory = cms::signatory(&message, hash.digest(&update.text), evidence)?;
    // It is the description's, not that of the image.
    signatory.digest = None;
    if signatory.rounds.iter().any(|(round, _)| round.scheme.hash().is_none()) {
        return Err(Bad::new("algorithm", "the device cannot verify Ed25519 in CMS").into());
    }
    Ok((signatory, update))
}

/// An archive with a description, which has been read.
struct Update {
    archive: Archive,
    /// What `sw-description` holds.
    text: Vec<u8>,
}

/// What was found of the files of an update.
struct Files {
    /// How many bytes of theirs the description covers.
    covered: u64,
    /// The names of those that are covered.
    named: Vec<String>,
    /// The names of those that are not.
    ignored: Vec<String>,
}

impl Update {
    fn read(source: &mut Source<'_>) -> Result<Self, Fault> {
        let archive = Archive::read(source)?;
        let bad = |words: String| Err(Bad::new("malformed", words).into());
        let Some(description) = archive.entries.first().filter(|entry| entry.name == DESCRIPTION) else {
            return bad(format!("the first entry of the archive is not {DESCRIPTION}"));
        };
        if archive.entries.iter().skip(2).any(|entry| entry.name == SIGNATURE) {
            return bad(format!("{SIGNATURE} is in the archive, but not as the second entry"));
        }
        let text = description.bytes(source, TEXT_LIMIT)?;
        Ok(Self { archive, text })
    }

    fn signature(&self) -> Option<&Entry> {
        self.archive.entries.get(1).filter(|entry| entry.name == SIGNATURE)
    }

    /// Everything but the description and its signature.
    fn files(&self) -> &[Entry] {
        self.archive.entries.get(1 + usize::from(self.signature().is_some())..).unwrap_or_default()
    }

    /// Checks what any device with this description checks. Returns the description, and what it covers.
    fn check(&self, source: &mut Source<'_>, device: Device<'_>) -> Result<(Description, Files), Fault> {
        let description = Description::parse(&self.text)?;
        description.version(device)?;
        if !description.has_content(device) {
            return Err(Bad::new("nothing-to-install", format!("{DESCRIPTION} has nothing to install")).into());
        }
        let files = self.check_files(source, &description)?;
        Ok((description, files))
    }

    /// Checks each file against its checksum, and against the description where that names it. The device reads over
    /// what is not named.
    fn check_files(&self, source: &mut Source<'_>, description: &Description) -> Result<Files, Fault> {
        let mut wanted: BTreeMap<String, Vec<Artefact>> = BTreeMap::new();
        for artefact in description.artefacts()? {
            wanted.entry(artefact.name.clone()).or_default().push(artefact);
        }
        let mut files = Files { covered: 0, named: Vec::new(), ignored: Vec::new() };
        for entry in self.files() {
            let digest = entry.digest(source)?;
            let Some(artefacts) = wanted.remove(&entry.name) else {
                files.ignored.push(entry.name.clone());
                continue;
            };
            for artefact in artefacts {
                if artefact.sha256 != digest {
                    let words = format!("{} is not the file of {DESCRIPTION}: its sha256 is {digest}", entry.name);
                    return Err(Bad::new("digest", words).into());
                }
                if artefact.size.is_some_and(|size| u64::try_from(size) != Ok(entry.len())) {
                    let words = format!("{} has not the size that {DESCRIPTION} says", entry.name);
                    return Err(Bad::new("size", words).into());
                }
            }
            files.covered += entry.len();
            files.named.push(entry.name.clone());
        }
        match wanted.keys().next() {
            Some(name) => {
                let words = format!("{DESCRIPTION} names {name}, which is not in the archive");
                Err(Bad::new("file-missing", words).into())
            }
            None => Ok(files),
        }
    }

    /// What an update says of itself to a device, once its signature holds.
    fn facts(&self, source: &mut Source<'_>, demands: &Demands, device: Device<'_>) -> Result<Facts, Fault> {
        let (description, files) = self.check(source, device)?;
        let version = description.version(device)?.map(str::to_owned);
        if let (Some(least), Some(version)) = (&demands.min_version, &version)
            && [least, version].iter().any(|version| version.contains('-'))
        {
            // `core/artifacts_versions.c`: 1.2.0-1 comes before 1.2.0.
            let words = format!("{version} or {least} is a pre-release for the device, and cannot be compared");
            return Err(Bad::new("version", words).into());
        }
        let hardware = match device.board {
            Some(board) => {
                let revisions = description.revisions(device);
                revisions.into_iter().map(|revision| format!("{board}:{revision}")).collect()
            }
            None => description.hardware()?,
        };
        let pattern = hardware.iter().find(|hardware| hardware.contains("#RE:"));
        if let (Some(wanted), Some(pattern)) = (&demands.hardware, pattern)
            && !hardware.contains(wanted)
        {
            let words = format!("the image is for {pattern}, and whether {wanted} is that is not judged");
            return Err(Bad::new("hardware", words).into());
        }
        let text = description.text("description", device)?;
        let mut remarks: Vec<(&str, String)> = text.map(|text| ("description", text.to_owned())).into_iter().collect();
        if !files.named.is_empty() {
            remarks.push(("files", files.named.join(", ")));
        }
        if !files.ignored.is_empty() {
            let words = format!("{}: not named in {DESCRIPTION}, and not signed", files.ignored.join(", "));
            remarks.push(("ignored", words));
        }
        let covered = self.text.len() as u64 + files.covered;
        Ok(Facts { version, hardware, covered, remarks, ..Facts::default() })
    }
}

struct Planned {
    message: Unsigned,
    update: Update,
}

impl Plan for Planned {
    fn round(&self, signatures: &[Vec<u8>]) -> Result<Option<Round>, Error> {
        self.message.round(signatures)
    }

    fn attach(&self, _source: &mut Source<'_>, signatures: &[Vec<u8>]) -> Result<Layout, Error> {
        let Self { message, update } = self;
        let content = message.signed(&signatures.concat()).map_err(Error::Cms)?;
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let mut entry = cpio::head(SIGNATURE, size, cpio::add(0, &content));
        entry.extend_from_slice(&content);
        entry.resize(entry.len().next_multiple_of(4), 0);
        let archive = &update.archive;
        let description = archive.entries.first().map_or(0, |entry| entry.span.end);
        let files = update.signature().map_or(description, |entry| entry.span.end);
        let mut layout =
            Layout::new([Piece::Span(0..description), Piece::Bytes(entry), Piece::Span(files..archive.end)]);
        if archive.is_padded {
            layout.push(Piece::Fill { byte: 0, count: cpio::padding(layout.len()) });
        }
        Ok(layout)
    }
}

/// Takes `stable,main` apart, as the device's option `--select` has it.
fn selection(text: &str) -> Result<(String, String), Error> {
    match text.split_once(',') {
        Some((set, mode)) if !set.is_empty() && !mode.is_empty() => Ok((set.to_owned(), mode.to_owned())),
        _ => Err(Error::setting("select", format!("{text} is not SET,MODE"))),
    }
}

/// Takes `board:revision` apart, as the device's option `--hwrevision` has it.
fn board_and_revision(text: &str) -> Result<(&str, &str), Error> {
    match text.split_once(':') {
        Some((board, revision)) if !board.is_empty() && !revision.is_empty() => Ok((board, revision)),
        _ => Err(Error::setting("hardware", format!("{text} is not BOARD:REVISION"))),
    }
}

/// What an archive is, as far as it can be read. Nothing of it is checked.
fn describe(source: &mut Source<'_>) -> Result<Option<Shown>, Error> {
    let length = source.seekable()?;
    // The first header and the name behind it; the other names are of no interest where this is another one.
    let start = source.span(0..length.min(110 + 15))?;
    let is_update = start.starts_with(b"07070") && start.ends_with(b"sw-description\0");
    if !is_update {
        return Ok(None);
    }
    let mut rows = Vec::new();
    match judged(Update::read(source))? {
        Ok(update) => {
            rows.push(("signature", signature_words(source, &update)?));
            if let Err(bad) = describe_text(&update.text, &mut rows) {
                rows.push(("damaged", bad.words));
            }
            rows.push(("entries", entries_words(&update.archive.entries)));
        }
        Err(bad) => rows.push(("damaged", bad.words)),
    }
    Ok(Some(Shown { kind: "SWUpdate archive", rows }))
}

fn describe_text(text: &[u8], rows: &mut Vec<(&'static str, String)>) -> Result<(), Bad> {
    let description = Description::parse(text)?;
    for field in ["version", "description"] {
        rows.extend(description.text(field, Device::default())?.map(|text| (field, text.to_owned())));
    }
    let names: BTreeSet<String> = description.artefacts()?.into_iter().map(|artefact| artefact.name).collect();
    let lists = [("hardware", description.hardware()?.join(", ")), ("files", Vec::from_iter(names).join(", "))];
    rows.extend(lists.into_iter().filter(|(_, words)| !words.is_empty()));
    Ok(())
}

fn signature_words(source: &mut Source<'_>, update: &Update) -> Result<String, Error> {
    let Some(entry) = update.signature() else { return Ok("none".to_owned()) };
    let message = match judged(entry.bytes(source, TEXT_LIMIT))? {
        Ok(bytes) => SignedData::from_bytes(&bytes).map_err(|error| Bad::new("malformed", error)),
        Err(bad) => Err(bad),
    };
    let words = message.and_then(|message| {
        let signer = message.signer()?;
        let scheme = signer.scheme(signer.digest_hash()?)?;
        let subject = message.certificate_of(signer, &[]).map(|certificate| certificate.subject().to_string());
        Ok(format!("{scheme} by {}", subject.as_deref().unwrap_or("a signer without certificate")))
    });
    Ok(words.unwrap_or_else(|bad: Bad| format!("damaged: {}", bad.words)))
}

fn entries_words(entries: &[Entry]) -> String {
    let shown = entries.iter().take(SHOWN_ENTRIES).map(|entry| format!("{} ({} bytes)", entry.name, entry.len()));
    let more = entries.len().saturating_sub(SHOWN_ENTRIES);
    shown.chain((more > 0).then(|| format!("{more} more"))).collect::<Vec<_>>().join(", ")
}
