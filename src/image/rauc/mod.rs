//! `--as rauc`: update bundles of RAUC, plain and verity.
//!
//! ```text
//! bundle    payload | tree | signature | size
//! payload   squashfs with manifest.raucm in it, of whole blocks of 4096 bytes
//! tree      of a verity bundle alone: the digest tree over the payload
//! signature CMS SignedData in DER: plain, detached over the payload; verity, with the manifest in it, which has the
//!           root of the tree
//! size      the size of the signature, 64 bits, big-endian
//! ```
//!
//! A bundle is made of a folder or of a squashfs; mksquashfs and unsquashfs do what needs compression. One that is signed
//! is signed anew as it is: what it carries stays, byte for byte. Encrypted bundles (crypt) are refused by name.
//!
//! Source: `rauc/rauc src/bundle.c`, `src/signature.c`, `docs/reference.rst`.

use super::{
    At, Bad, Description, Error, Evidence, Existing, Facts, Fault, HASH, ImageFormat, Layout, Maker, Piece, Plan, RSA,
    Reading, Round, Setting, Settings, Source, Takes, Unfit, chosen_scheme, cms, judged, purpose,
};
use crate::cms::{Content, Unsigned, digest_hash};
use crate::image::format::ChainRule;
use crate::key::{Hash, KeyType};
use crate::x509::Chain;

use bundle::{Bundle, ENCRYPTED, check_verity, inner_manifest};
use manifest::{BundleFormat, Manifest, VerityKeys, unfit};
use verity::Shape;

mod bundle;
mod manifest;
mod squashfs;
mod verity;

#[cfg(test)]
pub mod tests;

/// The format.
pub struct Rauc;

/// Most bytes of a signature that a device takes by default (`max-bundle-signature-size`).
const SIGNATURE_LIMIT: u64 = 64 << 10;

/// The size of the number at the end.
const FOOTER: u64 = 8;

/// Most bytes of a plain bundle's payload: OpenSSL takes them at once, by an `int` (CVE-2026-34155).
const PLAIN_LIMIT: u64 = i32::MAX as u64;

const BUNDLE_FORMAT: Setting = Setting::signing(
    "bundle-format",
    Takes::OneOf(&["plain", "verity"]),
    "The bundle's format; by default what the manifest says, else verity",
);

const VERITY_SALT: Setting = Setting::signing(
    "verity-salt",
    Takes::One("HEX"),
    "The salt of the digest tree, 64 digits; by default the SHA-256 of the manifest",
);

/// The key of that name in a device's configuration.
const CHECK_PURPOSE: Setting = Setting::verifying(
    "check-purpose",
    Takes::OneOf(&["smimesign", "codesign", "any"]),
    "What the device's configuration says under check-purpose; smimesign where it says nothing",
);

/// A bundle ready for its signature.
struct Planned {
    /// What comes before the signature.
    before: Vec<Piece>,
    message: Unsigned,
}

impl ImageFormat for Rauc {
    fn name(&self) -> &'static str {
        "rauc"
    }

    fn about(&self) -> &'static str {
        "Update bundle of RAUC, made of a folder or a squashfs"
    }

    fn settings(&self) -> &'static [Setting] {
        // A bundle names its scheme itself.
        const {
            &[
                Setting { at: At::Signing, ..HASH },
                Setting { at: At::Signing, ..RSA },
                BUNDLE_FORMAT,
                VERITY_SALT,
                CHECK_PURPOSE,
            ]
        }
    }

    fn is_cms(&self) -> bool {
        true
    }

    fn plan(&self, source: &mut Source<'_>, maker: &Maker<'_>, settings: &Settings) -> Result<Box<dyn Plan>, Error> {
        let key = maker.key()?.key_type();
        if key == KeyType::Ed25519 {
            return Err(Unfit::KeyType { key, format: self.name(), takes: "EC and RSA" }.into());
        }
        maker.chain()?;
        let scheme = chosen_scheme(key.usual_scheme(), settings)?;
        if maker.existing == Existing::Keep {
            return Err(Unfit::CannotAdd { format: self.name() }.into());
        }
        if let Some(folder) = source.folder().map(ToOwned::to_owned) {
            let mut manifest = Manifest::of_folder(&folder)?;
            manifest.set_format(format(&manifest, settings)?);
            source.replace_with_file(squashfs::make(&folder, &manifest)?)?;
        }
        let length = source.seekable()?;
        let (before, content) = match judged(Bundle::read(source))? {
            Ok(_) if maker.existing == Existing::Refuse => return Err(Unfit::AlreadySigned.into()),
            Ok(bundle) => resigned(source, bundle, settings)?,
            Err(bad) if bad.code == ENCRYPTED => return Err(Unfit::Encrypted.into()),
            Err(_) => bundled(source, length, settings)?,
        };
        let message = match content {
            Some(manifest) => cms::message(maker, Content::Attached(&manifest), settings)?,
            None => {
                let digest = source.digest_of(&Layout::new(before.clone()), digest_hash(scheme))?;
                cms::message(maker, Content::Detached(&digest), settings)?
            }
        };
        Ok(Box::new(Planned { before, message }))
    }

    fn read(&self, source: &mut Source<'_>, evidence: &Evidence<'_>, settings: &Settings) -> Result<Reading, Fault> {
        if !evidence.policy.untrusted.is_empty() {
            let name = if evidence.signer.is_some() { "cert" } else { "untrusted" };
            let why = "a device takes the signer's certificates from the bundle alone";
            return Err(Error::setting(name, why).into());
        }
        let bundle = Bundle::read(source)?;
        let digest = bundle.digest(source)?;
        Ok(Reading {
            signatories: vec![bundle.signatory(digest, evidence, settings)?],
            facts: Facts::default(),
            content: Some(Box::new(move |source, _| bundle.facts(source))),
        })
    }

    fn describe(&self, source: &mut Source<'_>) -> Result<Option<Description>, Error> {
        const KIND: &str = "RAUC bundle";
        Ok(match judged(Bundle::read(source))? {
            Ok(bundle) => Some(Description { kind: KIND, rows: bundle.rows() }),
            Err(bad) if bad.code == ENCRYPTED => Some(Description {
                kind: KIND,
                rows: vec![("format", "crypt, with an encrypted signature".to_owned())],
            }),
            Err(_) => None,
        })
    }
}

impl Plan for Planned {
    fn round(&self, signatures: &[Vec<u8>]) -> Result<Option<Round>, Error> {
        self.message.round(signatures)
    }

    fn attach(&self, _source: &mut Source<'_>, signatures: &[Vec<u8>]) -> Result<Layout, Error> {
        let message = self.message.signed(&signatures.concat()).map_err(Error::Cms)?;
        let size = message.len() as u64;
        if size > SIGNATURE_LIMIT {
            return Err(Unfit::SignatureTooLarge { size, most: SIGNATURE_LIMIT }.into());
        }
        let mut layout = Layout::new(self.before.clone());
        layout.push(Piece::Bytes(message));
        layout.push(Piece::Bytes(size.to_be_bytes().to_vec()));
        Ok(layout)
    }
}

/// What the device asks of the signer's certificates.
fn purpose_rule(settings: &Settings) -> Option<ChainRule> {
    match settings.text(CHECK_PURPOSE.name) {
        None => Some(by_default),
        Some("codesign") => Some(purpose::codesign),
        Some("any") => None,
        Some(_) => Some(purpose::smimesign),
    }
}

fn by_default(chain: &Chain) -> Result<(), Bad> {
    purpose::smimesign(chain).map_err(|bad| match bad.code {
        purpose::CODE => {
            Bad::new(purpose::CODE, format!("{}; a device with check-purpose=codesign does not ask for it", bad.words))
        }
        _ => bad,
    })
}

/// The format of a bundle that is to be made.
fn format(manifest: &Manifest, settings: &Settings) -> Result<BundleFormat, Error> {
    let said = manifest.format();
    if said == Some(BundleFormat::Crypt) {
        return Err(Unfit::Encrypted.into());
    }
    let asked = settings.text(BUNDLE_FORMAT.name);
    let asked = asked.and_then(|name| BundleFormat::ALL.into_iter().find(|format| format.name() == name));
    match (asked, said) {
        (Some(asked), Some(said)) if asked != said => {
            Err(Error::setting(BUNDLE_FORMAT.name, format!("the manifest says {}", said.name())))
        }
        (asked, said) => Ok(asked.or(said).unwrap_or(BundleFormat::Verity)),
    }
}

/// What comes before the signature, and what is in it: of a squashfs.
fn bundled(source: &mut Source<'_>, length: u64, settings: &Settings) -> Result<(Vec<Piece>, Option<Vec<u8>>), Error> {
    squashfs::check_bare(source, length)?;
    let inner = squashfs::manifest(source)?.map_err(unfit)?;
    let mut manifest = Manifest::parse(&inner).map_err(unfit)?;
    manifest.check_images().map_err(unfit)?;
    if manifest.has_verity() {
        return Err(unfit("it names a digest tree, which only a signature can"));
    }
    let payload = Piece::Span(0..length);
    if format(&manifest, settings)? == BundleFormat::Plain {
        manifest.check_plain().map_err(unfit)?;
        if length > PLAIN_LIMIT {
            let why = format!("a plain bundle has at most {PLAIN_LIMIT} bytes of payload, and this one {length}");
            return Err(Error::malformed(why));
        }
        if settings.has(VERITY_SALT.name) {
            return Err(Error::setting(VERITY_SALT.name, "a plain bundle has no digest tree"));
        }
        return Ok((vec![payload], None));
    }
    let salt = match settings.text(VERITY_SALT.name) {
        Some(text) => manifest::parse_digest(text)
            .ok_or_else(|| Error::setting(VERITY_SALT.name, "must be 64 hexadecimal digits"))?,
        None => {
            let mut salt = [0; 32];
            salt.copy_from_slice(Hash::Sha256.digest(&inner).bytes());
            salt
        }
    };
    let too_short = || Error::malformed("a verity bundle has at least two blocks of payload");
    let shape = Shape::over(length).ok_or_else(too_short)?;
    let (tree, hash) = verity::build(source, &shape, &salt)?;
    let size = shape.len();
    manifest.set_verity(&VerityKeys { hash, salt, size });
    Ok((vec![payload, Piece::Aside(tree, 0..size)], Some(manifest.to_bytes())))
}

/// The same of a bundle that is signed: all of it as it is. What it says of itself must hold, lest garbage is signed.
fn resigned(
    source: &mut Source<'_>,
    bundle: Bundle,
    settings: &Settings,
) -> Result<(Vec<Piece>, Option<Vec<u8>>), Error> {
    if settings.has(VERITY_SALT.name) {
        return Err(Error::setting(VERITY_SALT.name, "a bundle that is signed anew keeps its digest tree"));
    }
    let format = bundle.format();
    if settings.text(BUNDLE_FORMAT.name).is_some_and(|asked| asked != format.name()) {
        return Err(Error::setting(BUNDLE_FORMAT.name, format!("the bundle is {}", format.name())));
    }
    let checked = match &bundle.message.content {
        Some(manifest) => check_verity(source, bundle.signed, manifest).map(drop),
        None => bundle.check_plain(source).and_then(|()| Ok(inner_manifest(squashfs::manifest(source)?).map(drop)?)),
    };
    judged(checked)?.map_err(|bad| match bad.code {
        ENCRYPTED => Unfit::Encrypted,
        _ => Unfit::Refused(bad),
    })?;
    Ok((vec![Piece::Span(0..bundle.signed)], bundle.message.content))
}
