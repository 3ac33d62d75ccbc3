//! An image that has its header: its parts, and whether they fit together.

use super::header::{Endian, HEADER_SIZE, Header, endian_of};
use super::tlv::{self, INFO_SIZE, Tlv, kind};
use super::{Bad, Fault, Source};
use crate::key::{Digest, Hash, KeyType, PublicKey};

/// The parts of an image.
///
/// ```text
/// image       header, filler up to hdr_size
///             payload, img_size bytes
///             protected area, protect_tlv_size bytes      where that is not 0
///             unprotected area                            digest, then for each signature its key and itself
///             erased bytes, trailer                       where the image fills its slot
/// ```
///
/// The digest is over all that comes before the unprotected area, and each signature over the digest, or over the same
/// bytes where [`is_pure`](Self::is_pure).
pub struct Anatomy {
    pub header: Header,
    pub protected: Vec<Tlv>,
    pub unprotected: Vec<Tlv>,
    /// The number of bytes that are signed: up to the unprotected area.
    pub signed: u64,
    /// The end of the unprotected area.
    pub end: u64,
    /// The end of the file.
    pub length: u64,
    /// The digest that the image says it has.
    pub digest: Option<Digest>,
    /// Whether signatures are over the image itself.
    pub is_pure: bool,
    /// The signatures in their order.
    pub pairs: Vec<Pair>,
}

/// A signature and the key before it, by their places among the unprotected TLVs.
pub struct Pair {
    pub key: (usize, Tlv),
    pub signature: (usize, Tlv),
}

impl Anatomy {
    /// Takes an image apart. Whatever does not fit is bad: areas beyond their ends or of other sizes than they say, types
    /// where a device does not take them, values of a wrong length, a signature without a key or before the digest.
    pub fn read(source: &mut Source<'_>) -> Result<Self, Fault> {
        let length = source.seekable()?;
        let start = source.span(0..length.min(HEADER_SIZE as u64))?;
        if endian_of(&start).is_none() {
            return Err(Bad::new("bad-magic", "the image does not start with the magic of MCUboot").into());
        }
        let header = start.first_chunk().and_then(Header::from_bytes).ok_or_else(truncated)?;
        if usize::from(header.header_size) < HEADER_SIZE {
            return Err(Bad::new("header", "the header says that it is shorter than its fields").into());
        }
        // A device adds these up in 32 bits (boot_check_header_valid); here none can wrap.
        let tlvs = u64::from(header.header_size) + u64::from(header.image_size);
        let signed = tlvs + u64::from(header.protected_size);
        if signed > u64::from(u32::MAX) {
            return Err(Bad::new("header", "the sizes in the header are together above 32 bits").into());
        }
        let protected = protected(source, &header, (tlvs, length))?;
        let (unprotected, end) = area(source, header.endian, (signed, length), tlv::UNPROTECTED)?;
        check_protected(&protected)?;
        let Unprotected { digest, is_pure, pairs } = Unprotected::of(&unprotected)?;
        Ok(Self { header, protected, unprotected, signed, end, length, digest, is_pure, pairs })
    }

    /// The value of a protected TLV that stands at most once.
    pub fn protected(&self, kind: u16) -> Option<&[u8]> {
        self.protected.iter().find(|tlv| tlv.kind == kind).map(|tlv| tlv.value.as_slice())
    }
}

fn truncated() -> Bad {
    Bad::new("truncated", "the image is shorter than its header says")
}

/// The protected area, which is there exactly where the header says so, with the size that it says
/// (`boot/bootutil/src/tlv.c`, `bootutil_tlv_iter_begin`).
fn protected(source: &mut Source<'_>, header: &Header, (start, length): (u64, u64)) -> Result<Vec<Tlv>, Fault> {
    if header.protected_size == 0 {
        return Ok(Vec::new());
    }
    let (tlvs, end) = area(source, header.endian, (start, length), tlv::PROTECTED)?;
    if end - start != u64::from(header.protected_size) {
        return Err(Bad::new("tlv-area", "the protected area has another size than the header says").into());
    }
    Ok(tlvs)
}

/// An area that starts at a place, and its end.
pub fn area(
    source: &mut Source<'_>,
    endian: Endian,
    (start, length): (u64, u64),
    magic: u16,
) -> Result<(Vec<Tlv>, u64), Fault> {
    if start + INFO_SIZE > length {
        return Err(truncated().into());
    }
    let content = start + INFO_SIZE;
    let mut head = [0; INFO_SIZE as usize];
    source.read_at(&mut head, start)?;
    let (found, total) = tlv::info(head, endian);
    let end = start + u64::from(total);
    if found != magic || end < content {
        let words = if magic == tlv::PROTECTED { "the protected area" } else { "the tlv area" };
        return Err(Bad::new("tlv-area", format!("{words} is not where the header says")).into());
    }
    if end > length {
        return Err(truncated().into());
    }
    let content = source.span(content..end)?;
    Ok((tlv::parse(&content, endian)?, end))
}

/// Refuses in the protected area what belongs outside, values of a length that a device refuses, and twice what can be
/// only once, of which devices look at the first or at the last.
fn check_protected(tlvs: &[Tlv]) -> Result<(), Bad> {
    for (at, Tlv { kind, value }) in tlvs.iter().enumerate() {
        let name = kind::name(*kind);
        if kind::is_unprotected(*kind) {
            return Err(Bad::new("tlv-not-allowed", format!("{name} is not allowed in the protected area")));
        }
        let (length, is_single) = match *kind {
            kind::SEC_CNT => (4, true),
            kind::DEPENDENCY => (12, false),
            kind::UUID_VID | kind::UUID_CID => (16, true),
            _ => continue,
        };
        if value.len() != length {
            return Err(Bad::new("tlv-length", format!("{name} has {} bytes instead of {length}", value.len())));
        }
        if is_single && tlvs.iter().take(at).any(|before| before.kind == *kind) {
            return Err(Bad::new("tlv-duplicate", format!("{name} stands twice")));
        }
    }
    Ok(())
}

/// What the unprotected TLVs say.
struct Unprotected {
    digest: Option<Digest>,
    is_pure: bool,
    pairs: Vec<Pair>,
}

impl Unprotected {
    fn of(tlvs: &[Tlv]) -> Result<Self, Bad> {
        let has = |kind| tlvs.iter().any(|tlv| tlv.kind == kind);
        // A device is built for the one or the other, and allows no other.
        if has(kind::ENCX25519) && has(kind::ENCX25519_SHA512) {
            return Err(Bad::new("tlv-not-allowed", "ENCX25519 and ENCX25519_SHA512 are not allowed together"));
        }
        let mut found = Self { digest: None, is_pure: false, pairs: Vec::new() };
        let mut key: Option<(usize, Tlv)> = None;
        for (at, tlv) in tlvs.iter().enumerate() {
            let name = kind::name(tlv.kind);
            if !kind::is_unprotected(tlv.kind) {
                return Err(Bad::new("tlv-not-allowed", format!("{name} is not allowed outside the protected area")));
            }
            match tlv.kind {
                // A device takes either order, but every image of imgtool has the digest first.
                kind::SHA256 | kind::SHA384 | kind::SHA512 if found.digest.is_none() && !found.pairs.is_empty() => {
                    return Err(Bad::new("tlv-order", "the digest stands behind a signature"));
                }
                kind::SHA256 | kind::SHA384 | kind::SHA512 => found.take_digest(tlv)?,
                kind::SIG_PURE if tlv.value == [1] => found.is_pure = true,
                kind::SIG_PURE => return Err(Bad::new("sig-pure", "SIG_PURE has another value than 1")),
                kind::KEYHASH | kind::PUBKEY if key.is_some() => return Err(unused_key()),
                kind::KEYHASH | kind::PUBKEY => key = Some((at, tlv.clone())),
                kind::RSA2048 | kind::RSA3072 | kind::ECDSASIG | kind::ED25519 => {
                    let words = || Bad::new("no-key-hash", format!("{name} has no key before it"));
                    check_length(tlv)?;
                    found.take_pair(Pair { key: key.take().ok_or_else(words)?, signature: (at, tlv.clone()) })?;
                }
                _ => {}
            }
        }
        if key.is_some() { Err(unused_key()) } else { found.check_keys() }
    }

    /// One signature many times says nothing more, and each may be over megabytes.
    fn take_pair(&mut self, pair: Pair) -> Result<(), Bad> {
        let is_same = |other: &Pair| (&other.key.1, &other.signature.1) == (&pair.key.1, &pair.signature.1);
        if self.pairs.iter().any(is_same) {
            return Err(Bad::new("tlv-duplicate", "a signature stands twice"));
        }
        self.pairs.push(pair);
        Ok(())
    }

    fn take_digest(&mut self, tlv: &Tlv) -> Result<(), Bad> {
        let hash = Hash::ALL.into_iter().find(|hash| tlv::digest_kind(*hash) == tlv.kind);
        let digest = hash.and_then(|hash| Digest::from_bytes(hash, &tlv.value));
        let digest = digest
            .ok_or_else(|| Bad::new("tlv-length", format!("{} has {} bytes", kind::name(tlv.kind), tlv.value.len())))?;
        match self.digest.replace(digest) {
            None => Ok(()),
            Some(_) => Err(Bad::new("digest", "the image has several digests")),
        }
    }

    /// The hash of a key is one by the image's hash, whole: a device compares no more of it than there is
    /// (`boot/bootutil/src/bootutil_find_key.c`).
    fn check_keys(self) -> Result<Self, Bad> {
        let wanted = self.digest.as_ref().map(|digest| digest.hash().output_len());
        let is_whole = |pair: &Pair| match (&pair.key.1, wanted) {
            (Tlv { kind: kind::KEYHASH, value }, Some(wanted)) => value.len() == wanted,
            (Tlv { value, .. }, _) => !value.is_empty(),
        };
        if self.pairs.iter().all(is_whole) {
            Ok(self)
        } else {
            Err(Bad::new("key-hash", "the hash of a key has another length than the image's digest"))
        }
    }
}

fn unused_key() -> Bad {
    Bad::new("key-hash", "a key has no signature behind it")
}

/// A device expects signatures of one length, but for ECDSA, which says its own.
fn check_length(signature: &Tlv) -> Result<(), Bad> {
    let length = match signature.kind {
        kind::RSA2048 => 256,
        kind::RSA3072 => 384,
        kind::ED25519 => 64,
        _ => return Ok(()),
    };
    if signature.value.len() == length {
        return Ok(());
    }
    let (name, found) = (kind::name(signature.kind), signature.value.len());
    Err(Bad::new("tlv-length", format!("{name} has {found} bytes instead of {length}")))
}

/// A key as an image and a bootloader have it: PKCS#1 for RSA, else SubjectPublicKeyInfo (`scripts/imgtool/keys`).
pub fn key_bytes(key: &PublicKey) -> &[u8] {
    match key.key_type() {
        KeyType::Rsa(_) => key.bits(),
        _ => key.spki(),
    }
}

/// What an image names a key by unless something else is asked for, in KEYHASH; `None` where MCUboot takes no such keys.
pub fn key_hash(key: &PublicKey) -> Option<Digest> {
    let hash = tlv::signature_kind(key.key_type()).and_then(|_| tlv::hashes(key.key_type()).first())?;
    Some(hash.digest(key_bytes(key)))
}

/// Whether a key TLV is of this key; `hash` is the image's.
pub fn is_key(tlv: &Tlv, key: &PublicKey, hash: Hash) -> bool {
    match tlv.kind {
        kind::KEYHASH => tlv.value == hash.digest(key_bytes(key)).bytes(),
        _ => tlv.value == key_bytes(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_device_takes_content_keys_by_both_hashes() {
        let tlvs = [kind::ENCX25519, kind::ENCX25519_SHA512].map(|kind| Tlv::new(kind, [0; 80]));
        assert!(tlvs.iter().all(|tlv| Unprotected::of(std::slice::from_ref(tlv)).is_ok()));
        assert_eq!(Unprotected::of(&tlvs).err().map(|bad| bad.code), Some("tlv-not-allowed"));
    }

    /// The digest comes before every signature; keys may stand before it.
    #[test]
    fn the_digest_comes_before_the_signatures() {
        let digest = Tlv::new(kind::SHA256, [0; 32]);
        let key = Tlv::new(kind::KEYHASH, [0; 32]);
        let signature = Tlv::new(kind::ED25519, [0; 64]);
        for (tlvs, code) in [
            (vec![&digest, &key, &signature], None),
            (vec![&key, &digest, &signature], None),
            (vec![&key, &signature], None),
            (vec![&key, &signature, &digest], Some("tlv-order")),
            (vec![&key, &signature, &digest, &key, &signature], Some("tlv-order")),
            (vec![&digest, &key, &signature, &digest], Some("digest")),
        ] {
            let tlvs: Vec<Tlv> = tlvs.into_iter().cloned().collect();
            assert_eq!(Unprotected::of(&tlvs).err().map(|bad| bad.code), code, "{tlvs:?}");
        }
    }
}
