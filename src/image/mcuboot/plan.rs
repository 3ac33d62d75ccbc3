//! Laying out: a new image, another signature on one, one taken out.

use super::anatomy::{Anatomy, is_key, key_bytes};
use super::body::Body;
use super::encryption::{self, Encryption};
use super::header::{Endian, endian_of};
use super::options::{self, Content};
use super::read;
use super::tlv::{self, Tlv, kind};
use super::trailer::{Ending, Slot};
use super::{
    Error, Existing, Fault, Layout, MESSAGE_LIMIT, Maker, Message, Piece, Plan, Round, Settings, Source, Unfit, hex,
};
use crate::key::{Digest, Hash, PublicKey, Scheme};

/// An image that lacks nothing but its signature.
pub struct Planned {
    /// All that is signed: header, payload, protected TLVs. The payload is as it is before it is encrypted.
    pub plain: Layout,
    /// Its digest.
    pub digest: Digest,
    /// The same as it stands in the image.
    signed: Layout,
    /// The unprotected TLVs before the signature and its key.
    before: Vec<Tlv>,
    /// Those behind it.
    after: Vec<Tlv>,
    /// The signature; none for an image that is to have none.
    signature: Option<Signature>,
    frame: Frame,
}

/// A signature to be made.
struct Signature {
    round: Round,
    /// The TLV of its key.
    key: Tlv,
    kind: u16,
    /// The length up to which it is padded with zeros.
    padded_to: usize,
}

/// What is around the TLVs.
struct Frame {
    endian: Endian,
    slot: Slot,
    ending: Ending,
    /// Where the product starts, where it is Intel HEX.
    hex_address: Option<u64>,
}

/// The shortest signature that is likely: of ECDSA, whose length depends on its numbers, two bytes less than usual.
fn likely_length(scheme: Scheme, kind: u16) -> usize {
    match (scheme, kind) {
        (_, kind::RSA2048) => 256,
        (_, kind::RSA3072) => 384,
        (Scheme::Ecdsa(Hash::Sha384), _) => 100,
        (Scheme::Ecdsa(_), _) => 68,
        _ => 64,
    }
}

impl Planned {
    /// Lays out an image that is new, or has its header already.
    pub fn new(source: &mut Source<'_>, maker: &Maker<'_>, settings: &Settings) -> Result<Self, Error> {
        options::check_words(settings)?;
        if maker.key.is_some() && settings.has("unsigned") {
            return Err(Error::setting("unsigned", "goes without a key"));
        }
        if maker.key.is_none() && !settings.has("unsigned") {
            return Err(Error::KeyNeeded);
        }
        let erased = options::erased(settings).unwrap_or(options::ERASED);
        let base = hex::decode(source, erased).map_err(Fault::unfit)?;
        let length = source.seekable()?;
        let start = source.span(0..length.min(4))?;
        let planned = match (endian_of(&start), maker.existing) {
            (Some(_), Existing::Refuse) => return Err(Unfit::AlreadySigned.into()),
            (Some(_), _) => Self::again(source, maker, settings, base)?,
            (None, Existing::Keep) => return Err(Unfit::NotSigned.into()),
            (None, Existing::Refuse | Existing::Replace) => Self::fresh(source, maker, settings, base)?,
        };
        // Without room, nothing need be signed.
        let likely = planned.signature.as_ref().map(|signature| likely_length(signature.round.scheme, signature.kind));
        planned.finish(likely.map(|length| vec![0; length]))?;
        Ok(planned)
    }

    fn fresh(
        source: &mut Source<'_>,
        maker: &Maker<'_>,
        settings: &Settings,
        base: Option<u64>,
    ) -> Result<Self, Error> {
        if settings.has("decrypt-key") {
            return Err(Error::setting("decrypt-key", "the image is not encrypted yet"));
        }
        let content = Content::new(settings)?;
        let encryption = Encryption::new(settings, maker.key)?;
        let mut slot = options::slot(settings)?;
        let (hash, is_pure) = hash_for(maker.key, settings)?;
        let before_payload = if content.pads_header { u64::from(content.header_size) } else { 0 };
        let hex_address = options::hex_address(settings, base, before_payload)?;
        let body = Body::new(source, &content, (maker.key, hash), encryption.as_ref(), settings)?;
        let plain = body.plain();
        let digest = source.digest_of(&plain, hash)?;
        let signature = signature(source, &plain, &digest, is_pure, maker.key, settings)?;
        let (mut signed, mut after) = (plain.clone(), Vec::new());
        if let Some(encryption) = encryption {
            let (key, tlv) = encryption.seal()?;
            slot.keep_keys(settings.has("save-enctlv").then_some(tlv.value.len()));
            after.push(tlv);
            if !encryption.is_clear {
                signed = body.ciphered(key);
            }
        }
        let ending = options::ending(settings, &slot)?;
        let frame = Frame { endian: options::endian(settings), slot, ending, hex_address };
        let before = digest_tlvs(&digest, is_pure);
        Ok(Self { plain, digest, signed, before, after, signature, frame })
    }

    /// Lays out an image that has its header, for one more signature or for a new one.
    fn again(
        source: &mut Source<'_>,
        maker: &Maker<'_>,
        settings: &Settings,
        base: Option<u64>,
    ) -> Result<Self, Error> {
        options::refuse_content(settings)?;
        let (anatomy, mut frame) = Frame::of(source, settings, base)?;
        read::check_flags(&anatomy.header).map_err(Unfit::Refused)?;
        if settings.has("endian") && options::endian(settings) != frame.endian {
            return Err(Error::setting("endian", format!("the image is {}-endian", frame.endian.name())));
        }
        if frame.ending.size().is_some() {
            frame.slot.size = frame.ending.size();
        }
        let signed = Layout::new([Piece::Span(0..anatomy.signed)]);
        let plain = encryption::plain(&anatomy, settings).map_err(Fault::unfit)?;
        let is_kept = maker.existing == Existing::Keep;
        let (hash, is_pure) = match (&anatomy.digest, maker.key) {
            (Some(digest), Some(key)) if is_kept => {
                (kept_hash(&anatomy, digest.hash(), key, settings)?, anatomy.is_pure)
            }
            (None, _) if is_kept => return Err(Error::malformed("it has no digest")),
            (_, None) if is_kept => return Err(Error::setting("unsigned", "does not go with a signature to add")),
            _ => hash_for(maker.key, settings)?,
        };
        let digest = source.digest_of(&plain, hash)?;
        if is_kept && anatomy.digest.as_ref() != Some(&digest) {
            return Err(Error::malformed("its digest is wrong"));
        }
        let (before, after) = if is_kept {
            (anatomy.unprotected, Vec::new())
        } else {
            let gone = |tlv: &Tlv| tlv.kind < kind::ENCRSA2048;
            let after = anatomy.unprotected.into_iter().filter(|tlv| !gone(tlv)).collect();
            (digest_tlvs(&digest, is_pure), after)
        };
        let signature = signature(source, &plain, &digest, is_pure, maker.key, settings)?;
        Ok(Self { plain, digest, signed, before, after, signature, frame })
    }

    /// The product, and where its TLVs end.
    fn finish(&self, signature: Option<Vec<u8>>) -> Result<(Layout, u64), Error> {
        let mut tlvs = self.before.clone();
        if let (Some(planned), Some(mut signature)) = (&self.signature, signature) {
            signature.resize(signature.len().max(planned.padded_to), 0);
            tlvs.extend([planned.key.clone(), Tlv::new(planned.kind, signature)]);
        }
        tlvs.extend(self.after.iter().cloned());
        self.frame.around(self.signed.clone(), &tlvs)
    }
}

impl Plan for Planned {
    fn round(&self, signatures: &[Vec<u8>]) -> Result<Option<Round>, Error> {
        Ok(self.signature.as_ref().filter(|_| signatures.is_empty()).map(|signature| signature.round.clone()))
    }

    fn attach(&self, source: &mut Source<'_>, signatures: &[Vec<u8>]) -> Result<Layout, Error> {
        let (layout, end) = self.finish(signatures.first().cloned())?;
        self.frame.product(source, layout, end)
    }
}

/// Takes every signature of a key out of an image.
pub fn remove(source: &mut Source<'_>, key: &PublicKey) -> Result<Layout, Error> {
    let settings = Settings::default();
    let base = hex::decode(source, options::ERASED).map_err(Fault::unfit)?;
    let (mut anatomy, frame) = Frame::of(source, &settings, base)?;
    if anatomy.pairs.is_empty() {
        return Err(Unfit::NotSigned.into());
    }
    let hash = anatomy.digest.as_ref().map_or(Hash::Sha512, Digest::hash);
    let gone: Vec<usize> = anatomy
        .pairs
        .iter()
        .filter(|pair| is_key(&pair.key.1, key, hash))
        .flat_map(|pair| [pair.key.0, pair.signature.0])
        .collect();
    if gone.is_empty() {
        return Err(Unfit::NotByKey.into());
    }
    let mut at = 0;
    anatomy.unprotected.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
    let signed = Layout::new([Piece::Span(0..anatomy.signed)]);
    let (layout, end) = frame.around(signed, &anatomy.unprotected)?;
    frame.product(source, layout, end)
}

impl Frame {
    /// The frame of an image that has its header.
    fn of(source: &mut Source<'_>, settings: &Settings, base: Option<u64>) -> Result<(Anatomy, Self), Error> {
        let anatomy = Anatomy::read(source).map_err(Fault::unfit)?;
        let slot = encryption::slot(&anatomy, settings)?;
        let bounds = (anatomy.end, anatomy.length);
        let ending = Ending::read(source, bounds, options::erased(settings), slot.size).map_err(Fault::unfit)?;
        let hex_address = options::hex_address(settings, base, 0)?;
        let endian = anatomy.header.endian;
        Ok((anatomy, Self { endian, slot, ending, hex_address }))
    }

    /// Puts the TLVs behind what is signed. Returns where they end.
    fn around(&self, mut image: Layout, tlvs: &[Tlv]) -> Result<(Layout, u64), Error> {
        image.push(Piece::Bytes(super::area(tlv::UNPROTECTED, tlvs, self.endian)?));
        let end = image.len();
        let size = end.saturating_add(self.slot.trailer_size());
        match self.slot.size {
            Some(room) if size > room => Err(Unfit::NoRoom { size, room }.into()),
            _ => Ok((image, end)),
        }
    }

    /// The product of an image that ends there.
    fn product(&self, source: &mut Source<'_>, mut image: Layout, end: u64) -> Result<Layout, Error> {
        let Some(address) = self.hex_address else {
            self.ending.pieces(end).into_iter().for_each(|piece| image.push(piece));
            return Ok(image);
        };
        let image = source.bytes_of(&image, MESSAGE_LIMIT)?;
        let ending = self.ending.segments();
        let segments = std::iter::once((0, image)).chain(ending).map(|(at, bytes)| (address + at, bytes));
        let text = hex::encode(segments);
        let text = text.ok_or_else(|| Error::setting("hex-addr", "the image ends beyond 32 bits of address"))?;
        Ok(Layout::new([Piece::Bytes(text)]))
    }
}

/// The hash of an image for a key, and whether the key signs the image itself.
fn hash_for(key: Option<&PublicKey>, settings: &Settings) -> Result<(Hash, bool), Error> {
    let chosen = settings.text("hash").and_then(|name| Hash::ALL.into_iter().find(|hash| hash.name() == name));
    let Some(key) = key else {
        for name in ["pure", "pad-sig", "public-key-format"] {
            if settings.has(name) {
                return Err(Error::setting(name, "does not go with --unsigned"));
            }
        }
        return Ok((chosen.unwrap_or(Hash::Sha256), false));
    };
    check_key_type(key)?;
    if settings.has("pure") {
        if key.key_type() != crate::key::KeyType::Ed25519 {
            return Err(Error::setting("pure", "goes with an Ed25519 key alone"));
        }
        if chosen.is_some() {
            return Err(Error::setting("hash", "does not go with --pure, which takes SHA-512"));
        }
        return Ok((Hash::Sha512, true));
    }
    let hashes = tlv::hashes(key.key_type());
    match chosen {
        Some(hash) if !hashes.contains(&hash) => {
            Err(Error::setting("hash", format!("does not go with an {} key", key.key_type())))
        }
        Some(hash) => Ok((hash, false)),
        None => Ok((hashes[0], false)),
    }
}

/// The hash that an image has, for one more key.
fn kept_hash(anatomy: &Anatomy, hash: Hash, key: &PublicKey, settings: &Settings) -> Result<Hash, Error> {
    check_key_type(key)?;
    if anatomy.pairs.iter().any(|pair| is_key(&pair.key.1, key, hash)) {
        return Err(Unfit::SignedByKey.into());
    }
    if settings.has("pure") && !anatomy.is_pure {
        return Err(Error::setting("pure", "the image is signed over its digest"));
    }
    if settings.text("hash").is_some_and(|name| name != hash.name()) {
        return Err(Error::setting("hash", format!("the image has a {hash} digest")));
    }
    let is_pure_fit = !anatomy.is_pure || key.key_type() == crate::key::KeyType::Ed25519;
    if tlv::hashes(key.key_type()).contains(&hash) && is_pure_fit {
        Ok(hash)
    } else {
        Err(Unfit::OtherDigest { key: key.key_type(), hash }.into())
    }
}

fn check_key_type(key: &PublicKey) -> Result<(), Error> {
    if tlv::signature_kind(key.key_type()).is_some() {
        return Ok(());
    }
    let takes = "EC P-256 and P-384, Ed25519, RSA-2048 and RSA-3072";
    Err(Unfit::KeyType { key: key.key_type(), format: "mcuboot", takes }.into())
}

/// The signature that a key is to make.
fn signature(
    source: &mut Source<'_>,
    plain: &Layout,
    digest: &Digest,
    is_pure: bool,
    key: Option<&PublicKey>,
    settings: &Settings,
) -> Result<Option<Signature>, Error> {
    let Some(key) = key else { return Ok(None) };
    let Some(kind) = tlv::signature_kind(key.key_type()) else { return Err(Error::KeyNeeded) };
    let scheme = super::scheme(kind, digest.hash());
    let message = match (scheme, is_pure) {
        (Scheme::Ed25519, true) => Message::Bytes(source.bytes_of(plain, MESSAGE_LIMIT)?.into()),
        (Scheme::Ed25519, false) => Message::Bytes(digest.bytes().to_vec().into()),
        _ => Message::Digest(digest.clone()),
    };
    let padded_to = match (settings.has("pad-sig"), key.key_type()) {
        (false, _) => 0,
        (true, crate::key::KeyType::P256) => 72,
        (true, crate::key::KeyType::P384) => 103,
        (true, _) => return Err(Error::setting("pad-sig", "goes with an EC key alone")),
    };
    let named = match settings.text("public-key-format") {
        Some("full") => Tlv::new(kind::PUBKEY, key_bytes(key)),
        _ => Tlv::new(kind::KEYHASH, digest.hash().digest(key_bytes(key)).bytes()),
    };
    Ok(Some(Signature { round: Round { scheme, message }, key: named, kind, padded_to }))
}

fn digest_tlvs(digest: &Digest, is_pure: bool) -> Vec<Tlv> {
    let mut tlvs = vec![Tlv::new(tlv::digest_kind(digest.hash()), digest.bytes())];
    if is_pure {
        tlvs.push(Tlv::new(kind::SIG_PURE, [1]));
    }
    tlvs
}
