//! A signed bundle as it is read.

use super::manifest::{BundleFormat, Manifest, VerityKeys};
use super::verity::{self, BLOCK, Shape};
use super::{
    Bad, Error, Evidence, FOOTER, Fault, Layout, PLAIN_LIMIT, Piece, SIGNATURE_LIMIT, Settings, Source, purpose_rule,
    squashfs,
};
use crate::cms::{self as message, SignedData};
use crate::image::format::{Facts, Signatory};
use crate::key::{Digest, Scheme};

/// The code of a bundle whose payload or signature is encrypted.
pub const ENCRYPTED: &str = "encrypted";

/// A bundle, of which nothing is believed yet.
pub struct Bundle {
    /// The number of bytes before the signature: payload and tree.
    pub signed: u64,
    /// The size of the signature.
    size: u64,
    /// The signature. In its content is the manifest of a verity bundle.
    pub message: SignedData,
}

impl Bundle {
    /// Finds the signature by the number at the end.
    pub fn read(source: &mut Source<'_>) -> Result<Self, Fault> {
        let bad = |code, words: String| Err(Bad::new(code, words).into());
        let end = source.seekable()?.saturating_sub(FOOTER);
        if end == 0 {
            return bad("footer", "the bundle is no longer than the number at its end".to_owned());
        }
        let mut size = [0; FOOTER as usize];
        source.read_at(&mut size, end)?;
        let size = u64::from_be_bytes(size);
        let signed = match end.checked_sub(size).filter(|signed| *signed > 0) {
            Some(signed) if (1..=SIGNATURE_LIMIT).contains(&size) => signed,
            _ => {
                let limit = SIGNATURE_LIMIT >> 10;
                let words = format!("the bundle ends with {size}, which is no size of a signature up to {limit} KiB");
                return bad("footer", words);
            }
        };
        if !signed.is_multiple_of(BLOCK) {
            return bad("footer", format!("{signed} bytes come before the signature, no multiple of {BLOCK}"));
        }
        match SignedData::from_bytes(&source.span(signed..end)?) {
            Ok(message) => Ok(Self { signed, size, message }),
            Err(message::Error::NotSignedData { found }) => {
                bad(ENCRYPTED, format!("the signature is {found}: the bundle is encrypted, which is not judged"))
            }
            Err(error) => bad("malformed", error.to_string()),
        }
    }

    /// The format by the form of the signature, which crypt has in common with verity.
    pub fn format(&self) -> BundleFormat {
        if self.message.content.is_some() { BundleFormat::Verity } else { BundleFormat::Plain }
    }

    /// The digest of what is signed: of the manifest, or of all of a plain bundle's payload.
    pub fn digest(&self, source: &mut Source<'_>) -> Result<Digest, Fault> {
        let hash = self.message.signer()?.digest_hash()?;
        if let Some(manifest) = &self.message.content {
            return Ok(hash.digest(manifest));
        }
        self.check_plain(source)?;
        Ok(source.digest_of(&Layout::new([Piece::Span(0..self.signed)]), hash)?)
    }

    /// Checks what can be said of a plain bundle's payload without its signature.
    pub fn check_plain(&self, source: &mut Source<'_>) -> Result<(), Fault> {
        if self.signed > PLAIN_LIMIT {
            let words =
                format!("the payload has {} bytes, and that of a plain bundle at most {PLAIN_LIMIT}", self.signed);
            return Err(Bad::new("size", words).into());
        }
        squashfs::check_within(source, self.signed)
    }

    /// The signer, as a device finds it: by a certificate in the bundle.
    pub fn signatory(&self, digest: Digest, evidence: &Evidence<'_>, settings: &Settings) -> Result<Signatory, Bad> {
        self.message.certificate_of(self.message.signer()?, &[])?;
        let mut signatory = crate::image::cms::signatory(&self.message, digest, evidence)?;
        if signatory.rounds.iter().any(|(round, _)| round.scheme == Scheme::Ed25519) {
            return Err(Bad::new("algorithm", "a device takes no Ed25519 signatures, since OpenSSL takes none in CMS"));
        }
        signatory.rule = purpose_rule(settings);
        Ok(signatory)
    }

    /// What the manifest says, once the signature holds; of a verity bundle, once the payload does.
    pub fn facts(&self, source: &mut Source<'_>) -> Result<Facts, Fault> {
        let manifest = match &self.message.content {
            Some(manifest) => check_verity(source, self.signed, manifest)?,
            None => match squashfs::manifest(source) {
                // The payload holds without it, and who asks for what it says gets no for an answer.
                Err(error @ Error::Program { .. }) => {
                    let remarks = vec![("format", "plain".to_owned()), ("manifest", format!("not read: {error}"))];
                    return Ok(Facts { covered: self.signed, remarks, ..Facts::default() });
                }
                read => inner_manifest(read?)?,
            },
        };
        Ok(Facts { covered: self.signed, ..manifest.facts(self.format()) })
    }

    /// What the bundle says of itself, label and value.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("format", self.format().name().to_owned())];
        match self.message.content.as_deref().map(Manifest::parse) {
            Some(Ok(manifest)) => {
                let tree = manifest.verity().map(|verity| verity.size).unwrap_or_default();
                if manifest.format() == Some(BundleFormat::Crypt) {
                    rows = vec![("format", BundleFormat::Crypt.name().to_owned())];
                }
                rows.push(("payload", format!("{} bytes", self.signed.saturating_sub(tree))));
                rows.push(("tree", format!("{tree} bytes")));
                rows.extend(manifest.rows());
            }
            Some(Err(why)) => rows.push(("manifest", format!("unreadable: {why}"))),
            None => rows.push(("payload", format!("{} bytes", self.signed))),
        }
        rows.push(("signature", format!("{} bytes", self.size)));
        for signer in &self.message.signers {
            let subject = self.message.certificate_of(signer, &[]).map(|found| found.subject().to_string());
            let scheme = signer.digest_hash().and_then(|hash| signer.scheme(hash)).map(|scheme| scheme.to_string());
            let or_why = |value: Result<String, message::Refusal>| value.unwrap_or_else(|why| why.to_string());
            rows.push(("signer", format!("{}, {}", or_why(subject), or_why(scheme))));
        }
        rows
    }
}

/// Checks all that a verity bundle's manifest says of payload and tree, the first `signed` bytes.
pub fn check_verity(source: &mut Source<'_>, signed: u64, manifest: &[u8]) -> Result<Manifest, Fault> {
    let (manifest, verity) = parse_verity(manifest)?;
    let payload = signed.saturating_sub(verity.size);
    let Some(shape) = Shape::over(payload).filter(|shape| shape.len() == verity.size) else {
        let words = format!("a digest tree of {} bytes is none over {payload} bytes of payload", verity.size);
        return Err(Bad::new("verity", words).into());
    };
    squashfs::check_within(source, payload)?;
    verity::check(source, &shape, &verity.salt, &verity.hash)?;
    Ok(manifest)
}

fn parse_verity(manifest: &[u8]) -> Result<(Manifest, VerityKeys), Bad> {
    let manifest = Manifest::parse(manifest).map_err(unreadable)?;
    match manifest.format() {
        Some(BundleFormat::Verity) => {}
        Some(BundleFormat::Crypt) => {
            return Err(Bad::new(ENCRYPTED, "the bundle is encrypted (crypt), which is not judged"));
        }
        Some(BundleFormat::Plain) | None => {
            return Err(Bad::new("format", "the manifest in the signature is not that of a verity bundle"));
        }
    }
    manifest.check_images().map_err(unreadable)?;
    let verity = manifest.verity().map_err(unreadable)?;
    Ok((manifest, verity))
}

/// Checks the manifest in the payload of a plain bundle.
pub fn inner_manifest(read: Result<Vec<u8>, String>) -> Result<Manifest, Bad> {
    let manifest = Manifest::parse(&read.map_err(unreadable)?).map_err(unreadable)?;
    match manifest.format() {
        Some(BundleFormat::Plain) | None => {}
        _ => return Err(Bad::new("format", "the manifest in the payload is not that of a plain bundle")),
    }
    manifest.check_images().and_then(|()| manifest.check_plain()).map_err(unreadable)?;
    Ok(manifest)
}

fn unreadable(why: String) -> Bad {
    Bad::new("manifest", format!("the manifest is refused: {why}"))
}
