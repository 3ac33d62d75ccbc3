//! Judging an image as the bootloader does.
//!
//! A bootloader is built for one type of key, and with it for one digest. It goes through all TLVs: the digest must be
//! there and right, a key's hash says whose the next signature is, signatures of unknown keys are passed over, and the
//! last one of a known key decides. Here each one of the trusted key has to hold, and the digest has to come before all
//! of them. Source: mcu-tools/mcuboot `boot/bootutil/src/image_validate.c`, with its list of allowed types
//! (`MCUBOOT_USE_TLV_ALLOW_LIST`).

use std::sync::Arc;

use super::anatomy::{Anatomy, Pair, is_key};
use super::encryption;
use super::header::{Header, Version, flag};
use super::options;
use super::tlv::{self, Tlv, kind};
use super::trailer::Ending;
use super::{
    Bad, Evidence, Facts, Fault, MESSAGE_LIMIT, Message, Named, Reading, Round, Settings, Signatory, Source, hex,
};
use crate::files::to_hex;
use crate::key::{Digest, Hash, KeyType, PublicKey, Scheme};

/// The longest ECDSA signature of a curve that MCUboot takes: two numbers of 49 bytes in DER. Padding goes no further.
const ECDSA_LIMIT: usize = 104;

/// Takes an image apart for a verdict.
pub fn read(source: &mut Source<'_>, evidence: &Evidence<'_>, settings: &Settings) -> Result<Reading, Fault> {
    options::check_words(settings)?;
    let key = evidence.key()?;
    let erased = options::erased(settings).unwrap_or(options::ERASED);
    hex::decode(source, erased)?;
    let anatomy = Anatomy::read(source)?;
    check_header(&anatomy, settings)?;
    check_place(source, &anatomy, erased, settings)?;
    let hash = hash_for(&anatomy, &key, settings)?;
    let signed = encryption::plain(&anatomy, settings)?;
    let digest = source.digest_of(&signed, hash)?;
    if anatomy.digest.as_ref().is_some_and(|said| *said != digest) {
        return Err(Bad::new("digest", "the digest is not that of the image").into());
    }
    let pure = if anatomy.is_pure { Some(Arc::new(source.bytes_of(&signed, MESSAGE_LIMIT)?)) } else { None };
    let only =
        settings.text("public-key-format").map(|format| if format == "full" { kind::PUBKEY } else { kind::KEYHASH });
    let signatories = anatomy.pairs.iter().map(|pair| signatory(pair, &digest, pure.as_ref(), only)).collect();
    Ok(Reading { signatories, facts: facts(&anatomy), content: None })
}

/// Refuses what a bootloader does not start, or cannot without parts that are not known here.
fn check_header(anatomy: &Anatomy, settings: &Settings) -> Result<(), Bad> {
    let Header { endian, .. } = anatomy.header;
    let has = |flag| anatomy.header.has(flag);
    if endian != options::endian(settings) {
        let words = format!("the image is {}-endian, and the device is {}-endian", endian.name(), other(endian));
        return Err(Bad::new("bad-magic", words));
    }
    let header = |words: &str| Err(Bad::new("header", words));
    check_flags(&anatomy.header)?;
    if has(flag::COMPRESSED) {
        return Err(Bad::new("compressed", "the image is compressed, and what comes out of it cannot be judged"));
    }
    match (has(flag::NON_BOOTABLE), settings.has("non-bootable")) {
        (true, false) => header("the image is marked as one that does not boot"),
        (false, true) => header("the image is not marked as one that does not boot"),
        _ => Ok(()),
    }
}

/// Refuses flags that no bootloader takes.
pub fn check_flags(header: &Header) -> Result<(), Bad> {
    let has = |flag| header.has(flag);
    let bad = |words: &str| Err(Bad::new("header", words));
    if header.flags & !flag::KNOWN != 0 {
        return bad("the header has flags that are not known");
    }
    if has(flag::RAM_LOAD) && has(flag::ROM_FIXED) {
        return bad("the header says both an address in ram and one in flash");
    }
    if has(flag::ENCRYPTED_AES128) && has(flag::ENCRYPTED_AES256) {
        return bad("the header says that the image is encrypted in two ways");
    }
    Ok(())
}

fn other(endian: super::Endian) -> &'static str {
    match endian {
        super::Endian::Little => "big",
        super::Endian::Big => "little",
    }
}

/// Refuses an image that does not fit its slot, and bytes behind it that are neither erased nor a trailer.
fn check_place(source: &mut Source<'_>, anatomy: &Anatomy, erased: u8, settings: &Settings) -> Result<(), Fault> {
    let slot = encryption::slot(anatomy, settings)?;
    if let Some(size) = slot.size {
        let needed = anatomy.end + slot.trailer_size();
        if needed > size || anatomy.length > size {
            let needed = needed.max(anatomy.length);
            let words = format!("the image and its trailer have {needed} bytes, and the slot {size}");
            return Err(Bad::new("too-large", words).into());
        }
    }
    let ending = Ending::read(source, (anatomy.end, anatomy.length), Some(erased), slot.size)?;
    let Ending::Trailer(trailer) = ending else { return Ok(()) };
    if slot.size.is_some_and(|size| size != trailer.size) {
        return Err(Bad::new("trailer", "the trailer is not at the end of the slot").into());
    }
    if settings.has("max-align") && trailer.max_align != slot.max_align {
        return Err(Bad::new("trailer", format!("the trailer is for an alignment of {}", trailer.max_align)).into());
    }
    Ok(())
}

/// The hash of a device that has this key.
fn hash_for(anatomy: &Anatomy, key: &PublicKey, settings: &Settings) -> Result<Hash, Bad> {
    let key_type = key.key_type();
    if tlv::signature_kind(key_type).is_none() {
        return Err(Bad::new("algorithm", format!("mcuboot takes no {key_type} keys")));
    }
    match (anatomy.is_pure, key_type, settings.has("pure")) {
        (true, KeyType::Ed25519, _) | (false, _, false) => {}
        (true, ..) => {
            return Err(Bad::new("sig-pure", format!("no device signs the image itself with an {key_type} key")));
        }
        (false, _, true) => return Err(Bad::new("sig-pure", "the image is signed over its digest")),
    }
    let asked = settings.text("hash");
    let is_known = |hash: Hash| match asked {
        Some(name) => hash.name() == name,
        None => tlv::hashes(key_type).contains(&hash),
    };
    match &anatomy.digest {
        Some(digest) if is_known(digest.hash()) => Ok(digest.hash()),
        // A device that signs the image itself looks at no digest.
        None if anatomy.is_pure => Ok(Hash::Sha512),
        Some(digest) => {
            let words = format!("the image has a {} digest, which a device with this key passes over", digest.hash());
            Err(Bad::new("no-digest", words))
        }
        None => Err(Bad::new("no-digest", "the image has no digest")),
    }
}

fn signatory(pair: &Pair, digest: &Digest, pure: Option<&Arc<Vec<u8>>>, only: Option<u16>) -> Signatory {
    let hash = digest.hash();
    let (key, signature) = (pair.key.1.clone(), &pair.signature.1);
    let scheme = super::scheme(signature.kind, hash);
    let message = match (scheme, pure) {
        (Scheme::Ed25519, Some(image)) => Message::Bytes(image.clone()),
        (Scheme::Ed25519, None) => Message::Bytes(digest.bytes().to_vec().into()),
        _ => Message::Digest(digest.clone()),
    };
    let is_looked_at = only.is_none_or(|only| only == key.kind);
    Signatory {
        named: Named::By(Box::new(move |trusted| is_looked_at && is_key(&key, trusted, hash))),
        rounds: vec![(Round { scheme, message }, bare(signature).to_vec())],
        digest: Some(digest.clone()),
        certificates: Vec::new(),
        rule: None,
        signing_time: None,
    }
}

/// A signature without the zeros that MCUboot before 1.5 wanted behind ECDSA.
fn bare(Tlv { kind, value }: &Tlv) -> &[u8] {
    let length = match value.as_slice() {
        [0x30, length, ..] if *kind == kind::ECDSASIG && value.len() <= ECDSA_LIMIT => 2 + usize::from(*length),
        _ => value.len(),
    };
    match value.split_at_checked(length) {
        Some((signature, padding)) if padding.iter().all(|byte| *byte == 0) => signature,
        _ => value,
    }
}

/// What an image says under its signature.
fn facts(anatomy: &Anatomy) -> Facts {
    let endian = anatomy.header.endian;
    let counter = anatomy.protected(kind::SEC_CNT).and_then(|value| value.try_into().ok());
    let hardware = [("vid", kind::UUID_VID), ("cid", kind::UUID_CID)].into_iter().filter_map(|(name, kind)| {
        let value = anatomy.protected(kind)?;
        Some(format!("{name}:{}", uuid(value)))
    });
    let dependencies = anatomy.protected.iter().filter(|tlv| tlv.kind == kind::DEPENDENCY);
    let dependencies: Vec<String> = dependencies.map(|tlv| dependency(&tlv.value, endian)).collect();
    let depends = (!dependencies.is_empty()).then(|| ("depends", dependencies.join("; ")));
    Facts {
        covered: anatomy.signed,
        version: Some(anatomy.header.version.to_string()),
        security_counter: counter.map(|counter| endian.of_u32(counter)),
        hardware: hardware.collect(),
        remarks: depends.into_iter().collect(),
    }
}

/// A UUID in its usual form.
pub fn uuid(value: &[u8]) -> String {
    let digits = to_hex(value);
    match digits.len() {
        32 => [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"),
        _ => digits,
    }
}

/// A dependency in words.
pub fn dependency(value: &[u8], endian: super::Endian) -> String {
    match value.split_first_chunk::<4>() {
        Some(([image, ..], version)) => match version.try_into() {
            Ok(version) => format!("image {image}, {} or later", Version::from_bytes(version, endian)),
            Err(_) => to_hex(value),
        },
        None => to_hex(value),
    }
}
