//! `--as esp32`: images of Espressif's chips with Secure Boot v2, as espsecure signs them and the bootloader takes them.
//!
//! ```text
//! SignedImage = image ff* sector        -- the image is padded to a multiple of 4096 bytes
//! sector      = Block{1..=3} ff*        -- 4096 bytes; each block signs all that is before the sector
//! ```
//!
//! An app has to be padded to whole pages of 64 KiB before it is signed, which `esptool elf2image --secure-pad-v2` does
//! when it makes the image. Sources: espressif/esp-idf `docs/en/security/secure-boot-v2.rst`, espressif/esptool
//! `espsecure/__init__.py`.

use super::{
    Bad, Description, Error, Evidence, Existing, Facts, Fault, ImageFormat, Layout, Maker, Message, Named, Piece, Plan,
    Reading, Round, Setting, Settings, Signatory, Source, Unfit,
};
use crate::key::{Digest, Hash, Input, PublicKey, Scheme};

mod block;
mod firmware;

use block::{Block, BlockKey};

/// The format.
pub struct Esp32;

/// The name of the format.
const NAME: &str = "esp32";

/// The keys that the format takes.
const TAKES: &str = "RSA-3072 with an exponent below 2^32, EC P-256 and EC P-384";

/// The length of a flash sector.
const SECTOR: u64 = 4096;

/// Most blocks in a sector.
const MOST: usize = 3;

/// The names of the blocks, counted as espsecure does.
const LABELS: [&str; MOST] = ["block 0", "block 1", "block 2"];

/// The digest of a key as an ESP32 has it in its eFuses.
pub fn efuse_digest(key: &PublicKey) -> Result<Digest, Unfit> {
    block_key(key).map(|key| key.efuse())
}

fn block_key(key: &PublicKey) -> Result<BlockKey, Unfit> {
    BlockKey::new(key).ok_or_else(|| Unfit::KeyType { key: key.key_type(), format: NAME, takes: TAKES })
}

/// A signature block, as an image has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureBlock {
    /// The type of its key.
    pub key: &'static str,
    /// The digest of its key, as a device has it in its eFuses.
    pub efuse: Digest,
    /// Whether it says that it is for this image.
    pub is_of_image: bool,
}

/// A place for a signature block: its label, as `block 0`, and what stands there.
pub type Place = (&'static str, Result<SignatureBlock, Bad>);

/// The places for signature blocks of an image that are not erased flash. Nothing is verified.
pub fn signature_blocks(source: &mut Source<'_>) -> Result<Vec<Place>, Error> {
    let Some(sector) = Sector::read(source)?.filter(|sector| sector.is_aligned) else { return Ok(Vec::new()) };
    let digests = sector.digests(source)?;
    let described = |block: Block| SignatureBlock {
        key: block.shape().name,
        efuse: block.efuse(),
        is_of_image: digests.iter().any(|digest| block.is_of(digest)),
    };
    let slots = LABELS.into_iter().zip(sector.slots);
    Ok(slots.filter_map(|(label, slot)| Some((label, slot?.map(described)))).collect())
}

struct Planned {
    key: PublicKey,
    block_key: BlockKey,
    /// The image, padded.
    image: Layout,
    digest: Digest,
    kept: Vec<Block>,
}

impl ImageFormat for Esp32 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "Image for an ESP32 with Secure Boot v2, as espsecure signs it"
    }

    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    fn plan(&self, source: &mut Source<'_>, maker: &Maker<'_>, _settings: &Settings) -> Result<Box<dyn Plan>, Error> {
        let key = maker.key()?;
        let block_key = block_key(key)?;
        let size = source.seekable()?;
        let (length, kept) = match Sector::read(source)?.filter(|sector| sector.is_meant) {
            Some(sector) => (sector.image, sector.kept(source, maker.existing, &block_key)?),
            None if maker.existing == Existing::Keep => return Err(Unfit::NotSigned.into()),
            None => (size, Vec::new()),
        };
        if source.is_filled(0..length, 0xff)? {
            return Err(Error::malformed("it holds nothing but 0xff, as erased flash does"));
        }
        if let Some(why) = misplaced(source, length)? {
            return Err(Error::malformed(why));
        }
        let padding = length.next_multiple_of(SECTOR) - length;
        let image = Layout::new([Piece::Span(0..length), Piece::Fill { byte: 0xff, count: padding }]);
        let digest = source.digest_of(&image, block_key.shape.hash())?;
        Ok(Box::new(Planned { key: key.clone(), block_key, image, digest, kept }))
    }

    fn remove(&self, source: &mut Source<'_>, key: &PublicKey) -> Result<Layout, Error> {
        let Some(sector) = Sector::read(source)? else { return Err(Unfit::NotSigned.into()) };
        let blocks: Vec<Block> = sector.blocks().cloned().collect();
        if blocks.is_empty() {
            return Err(Unfit::NotSigned.into());
        }
        let key = BlockKey::new(key).ok_or(Unfit::NotByKey)?;
        let (of_key, left): (Vec<Block>, Vec<Block>) = blocks.into_iter().partition(|block| block.is_by(&key));
        if of_key.is_empty() {
            return Err(Unfit::NotByKey.into());
        }
        let mut layout = Layout::new([Piece::Span(0..sector.image)]);
        if !left.is_empty() {
            push_sector(&mut layout, &left);
        }
        Ok(layout)
    }

    fn read(&self, source: &mut Source<'_>, _evidence: &Evidence<'_>, _settings: &Settings) -> Result<Reading, Fault> {
        let sector = match Sector::read(source)? {
            Some(sector) if sector.is_aligned => sector,
            _ => {
                let words =
                    "the file is not a whole number of sectors of 4096 bytes, the last of which has the signature";
                return Err(Bad::new("size", words).into());
            }
        };
        let digests = sector.digests(source)?;
        let mut signatories = Vec::new();
        let mut facts = Facts { covered: sector.image, ..Facts::default() };
        let mut skipped = None;
        for (label, slot) in LABELS.into_iter().zip(&sector.slots) {
            let Some(slot) = slot else { continue };
            match slot.as_ref().map_err(Bad::clone).and_then(|block| Ok((block, block.key()?))) {
                Ok((block, key)) => {
                    let signatory = signatory(block, key, &digests).map_err(|bad| of_block(label, bad))?;
                    signatories.push(signatory);
                }
                // A device goes on to the next, since no digest of such a block is in its eFuses.
                Err(bad) => {
                    facts.remarks.push((label, format!("passed over: {}", bad.words)));
                    skipped.get_or_insert(of_block(label, bad));
                }
            }
        }
        if let (true, Some(bad)) = (signatories.is_empty(), skipped) {
            return Err(bad.into());
        }
        if let Some(why) = misplaced(source, sector.image)? {
            return Err(Bad::new("place", why).into());
        }
        if !sector.is_erased_behind {
            facts
                .remarks
                .push(("unsigned", "the bytes behind the blocks are not 0xff; no device reads them".to_owned()));
        }
        Ok(Reading { signatories, facts, content: None })
    }

    fn describe(&self, source: &mut Source<'_>) -> Result<Option<Description>, Error> {
        let blocks = signature_blocks(source)?;
        let count = blocks.iter().filter(|(_, block)| block.is_ok()).count();
        if count == 0 {
            return Ok(None);
        }
        let image = format!("{} bytes", source.seekable()?.saturating_sub(SECTOR));
        let mut rows = vec![("image", image), ("blocks", count.to_string())];
        rows.extend(blocks.into_iter().map(|(label, block)| match block {
            Ok(SignatureBlock { key, efuse, is_of_image }) => {
                let of = if is_of_image { "this" } else { "another" };
                (label, format!("{key}, of {of} image, efuse {efuse}"))
            }
            Err(bad) => (label, format!("not valid: {}", bad.words)),
        }));
        Ok(Some(Description { kind: "ESP32 Secure Boot v2 image", rows }))
    }
}

impl Plan for Planned {
    fn round(&self, signatures: &[Vec<u8>]) -> Result<Option<Round>, Error> {
        let message = Message::Digest(self.digest.clone());
        Ok(signatures.is_empty().then_some(Round { scheme: self.block_key.shape.scheme(), message }))
    }

    fn attach(&self, _source: &mut Source<'_>, signatures: &[Vec<u8>]) -> Result<Layout, Error> {
        let signature = signatures.concat();
        let signature = match self.block_key.shape.scheme() {
            Scheme::Ecdsa(_) => self.key.ecdsa_to_p1363(&signature)?,
            _ => signature,
        };
        let block = Block::new(&self.block_key, &self.digest, &signature);
        let mut layout = self.image.clone();
        push_sector(&mut layout, &[&self.kept[..], &[block]].concat());
        Ok(layout)
    }
}

/// Adds a signature sector of at most [`MOST`] blocks.
fn push_sector(layout: &mut Layout, blocks: &[Block]) {
    let bytes: Vec<u8> = blocks.iter().flat_map(Block::bytes).copied().collect();
    let count = SECTOR.saturating_sub(bytes.len() as u64);
    layout.push(Piece::Bytes(bytes));
    layout.push(Piece::Fill { byte: 0xff, count });
}

/// The maker of a block over an image of these digests.
///
/// Every block has to hold, whoever made it, though a device does not look at those whose key it does not know: one that
/// is told to revoke keys (SECURE_BOOT_AGGRESSIVE_REVOKE) revokes for good the key of a block whose signature fails, and
/// nobody knows here which keys besides the trusted one a device has (espressif/esp-idf
/// `docs/en/security/secure-boot-v2.rst`, "Aggressive approach").
fn signatory(block: &Block, key: PublicKey, digests: &[Digest]) -> Result<Signatory, Bad> {
    let digest = digests.iter().find(|digest| block.is_of(digest));
    let digest = digest.ok_or_else(|| Bad::new("digest", "it holds the digest of another image"))?;
    let wrong = |_| Bad::new("signature", "its signature is not by the key that it holds");
    let scheme = block.shape().scheme();
    let signature = match scheme {
        Scheme::Ecdsa(_) => key.ecdsa_from_p1363(&block.signature()).map_err(wrong)?,
        _ => block.signature(),
    };
    key.verify(scheme, Input::Digest(digest), &signature).map_err(wrong)?;
    let round = Round { scheme, message: Message::Digest(digest.clone()) };
    let block = block.clone();
    Ok(Signatory {
        // By its bytes, R and M' among them: the device knows its key by a digest over them, and computes with them.
        named: Named::By(Box::new(move |key| BlockKey::new(key).is_some_and(|key| block.is_by(&key)))),
        rounds: vec![(round, signature)],
        digest: Some(digest.clone()),
        certificates: Vec::new(),
        rule: None,
        signing_time: None,
    })
}

fn of_block(label: &str, bad: Bad) -> Bad {
    Bad::new(bad.code, format!("{label}: {}", bad.words))
}

/// Why a device would look for the signature somewhere else than behind an image of `length` bytes.
fn misplaced(source: &mut Source<'_>, length: u64) -> Result<Option<String>, Error> {
    let sectors = |bytes: u64| bytes.div_ceil(SECTOR);
    let end = firmware::end(source, length)?.filter(|&end| end > length || sectors(end) != sectors(length));
    Ok(end.map(|end| {
        format!("its header gives it {end} bytes, behind which a device looks for the signature, not {length}")
    }))
}

/// What stands in the place of a block; nothing where it is erased flash.
type Slot = Option<Result<Block, Bad>>;

/// The last sector of a file that may be a signed image.
struct Sector {
    /// The length of the image before it.
    image: u64,
    /// Whether it is a sector of the flash too.
    is_aligned: bool,
    /// The places of the blocks.
    slots: Vec<Slot>,
    /// Whether it has a block, or what must have been one.
    is_meant: bool,
    /// Whether nothing stands behind the blocks.
    is_erased_behind: bool,
}

impl Sector {
    /// Reads it; none where there is no image before it.
    fn read(source: &mut Source<'_>) -> Result<Option<Self>, Error> {
        let size = source.seekable()?;
        let image = size.saturating_sub(SECTOR);
        if image == 0 {
            return Ok(None);
        }
        let bytes = source.span(image..size)?;
        let is_erased = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0xff);
        let (places, behind) = bytes.split_at(MOST * block::SIZE);
        let slot = |bytes: &[u8]| (!is_erased(bytes)).then(|| Block::read(bytes));
        let slots: Vec<_> = places.chunks(block::SIZE).map(slot).collect();
        let is_meant = slots.iter().flatten().any(Result::is_ok) || places.chunks(block::SIZE).any(Block::is_meant);
        let is_aligned = image.is_multiple_of(SECTOR);
        Ok(Some(Self { image, is_aligned, slots, is_meant, is_erased_behind: is_erased(behind) }))
    }

    /// Its blocks.
    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.slots.iter().flatten().flatten()
    }

    /// The digests of the image by each hash that a block has.
    fn digests(&self, source: &mut Source<'_>) -> Result<Vec<Digest>, Error> {
        let image = Layout::new([Piece::Span(0..self.image)]);
        let hashes = Hash::ALL.into_iter().filter(|hash| self.blocks().any(|block| block.shape().hash() == *hash));
        hashes.map(|hash| source.digest_of(&image, hash)).collect()
    }

    /// The blocks that stay when the image is signed with another key.
    fn kept(&self, source: &mut Source<'_>, existing: Existing, key: &BlockKey) -> Result<Vec<Block>, Error> {
        let blocks: Vec<Block> = self.blocks().cloned().collect();
        let malformed = |why: &str| Err(Error::malformed(why));
        match existing {
            _ if blocks.is_empty() => malformed("its signature sector is damaged"),
            _ if !self.is_aligned => malformed("it is signed without padding, so that no device finds the signature"),
            Existing::Refuse => Err(Unfit::AlreadySigned.into()),
            Existing::Replace => Ok(Vec::new()),
            Existing::Keep if blocks.iter().any(|block| block.is_by(key)) => Err(Unfit::SignedByKey.into()),
            Existing::Keep if blocks.len() == MOST => Err(Unfit::TooManySignatures { most: MOST }.into()),
            Existing::Keep => {
                let digests = self.digests(source)?;
                let is_ours = |block: &Block| digests.iter().any(|digest| block.is_of(digest));
                if !blocks.iter().all(is_ours) {
                    return malformed("a signature block holds the digest of another image");
                }
                Ok(blocks)
            }
        }
    }
}
