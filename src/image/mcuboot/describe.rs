//! What `bulla inspect` says of an image.

use super::anatomy::Anatomy;
use super::envelope::Envelope;
use super::header::{Endian, HEADER_SIZE, Header, flag};
use super::read::{dependency, uuid};
use super::tlv::{Tlv, kind};
use super::trailer::{Ending, USUAL_ALIGN};
use super::{Description, Error, Fault, Source, hex, judged};
use crate::files::to_hex;
use crate::key::Hash;

/// The most bytes of a value that are shown.
const SHOWN: usize = 64;

/// Describes an image, in Intel HEX too. The source stays as it is, for other formats.
pub fn describe(source: &mut Source<'_>) -> Result<Option<Description>, Error> {
    match hex::read(source, super::options::ERASED) {
        Ok(Some((base, image))) => of_bytes(&mut Source::from_bytes(source.path(), image, |_| {}), Some(base)),
        Ok(None) => of_bytes(source, None),
        // Text that is not an image.
        Err(Fault::Bad(_) | Fault::Error(Error::TooLarge { .. })) => Ok(None),
        Err(Fault::Error(error)) => Err(error),
    }
}

fn of_bytes(source: &mut Source<'_>, base: Option<u64>) -> Result<Option<Description>, Error> {
    let length = source.seekable()?;
    let start = source.span(0..length.min(HEADER_SIZE as u64))?;
    let Some(header) = start.first_chunk().and_then(Header::from_bytes) else { return Ok(None) };
    let mut rows = of_header(&header);
    rows.extend(base.map(|base| ("address", format!("0x{base:08x}, in Intel HEX"))));
    match judged(Anatomy::read(source))? {
        Err(bad) => rows.push(("fault", format!("{} ({})", bad.words, bad.code))),
        Ok(anatomy) => {
            let protected = anatomy.protected.iter().map(|tlv| ("protected", of_tlv(tlv, header.endian)));
            rows.extend(protected.chain(anatomy.unprotected.iter().map(|tlv| ("tlv", of_tlv(tlv, header.endian)))));
            rows.push(("signed", format!("{} bytes", anatomy.signed)));
            let ending = judged(Ending::read(source, (anatomy.end, anatomy.length), None, Some(length)))?;
            rows.push(match &ending {
                Ok(ending) => ("trailer", of_ending(ending)),
                Err(bad) => ("fault", format!("{} ({})", bad.words, bad.code)),
            });
            rows.push(("needs", needs(&anatomy, ending.ok().as_ref()).join(" ")));
        }
    }
    Ok(Some(Description { kind: "MCUboot image", rows }))
}

fn of_header(header: &Header) -> Vec<(&'static str, String)> {
    let Header { endian, load_address, header_size, protected_size, image_size, flags, version } = header;
    let mut names: Vec<String> =
        flag::NAMES.iter().filter(|(flag, _)| header.has(*flag)).map(|(_, name)| (*name).to_owned()).collect();
    let unknown = flags & !flag::KNOWN;
    if unknown != 0 {
        names.push(format!("0x{unknown:x}"));
    }
    let mut rows = vec![
        ("version", version.to_string()),
        ("header", format!("{header_size} bytes, {}-endian", endian.name())),
        ("payload", format!("{image_size} bytes")),
        ("flags", if names.is_empty() { "none".to_owned() } else { names.join(" ") }),
    ];
    if *load_address != 0 || header.has(flag::RAM_LOAD | flag::ROM_FIXED) {
        rows.push(("load", format!("0x{load_address:08x}")));
    }
    if *protected_size != 0 {
        rows.push(("area", format!("{protected_size} bytes of protected TLVs")));
    }
    rows
}

fn of_tlv(Tlv { kind, value }: &Tlv, endian: Endian) -> String {
    let number = || <[u8; 4]>::try_from(value.as_slice()).ok().map(|number| endian.of_u32(number).to_string());
    let words = match *kind {
        kind::SEC_CNT => number().unwrap_or_else(|| to_hex(value)),
        kind::DEPENDENCY => dependency(value, endian),
        kind::UUID_VID | kind::UUID_CID => uuid(value),
        _ if value.len() > SHOWN => format!("{} bytes {}...", value.len(), to_hex(&value[..SHOWN / 4])),
        _ => to_hex(value),
    };
    format!("{} {words}", kind::name(*kind))
}

fn of_ending(ending: &Ending) -> String {
    match ending {
        Ending::Nothing => "none".to_owned(),
        Ending::Erased { size, .. } => format!("none, erased up to {size} bytes"),
        Ending::Trailer(trailer) => {
            let state = if trailer.image_ok == Some(true) { "confirmed" } else { "to be tested" };
            format!("{state}, in a slot of {} bytes, alignment {}", trailer.size, trailer.max_align)
        }
    }
}

/// The options that a bootloader has to be built with (mcu-tools/mcuboot `docs`, `boot/bootutil`).
fn needs(anatomy: &Anatomy, ending: Option<&Ending>) -> Vec<String> {
    let hash = anatomy.digest.as_ref().map(|digest| digest.hash());
    let mut needs: Vec<String> = Vec::new();
    let mut need = |is_needed: bool, option: &str| {
        if is_needed && !needs.iter().any(|found| found == option) {
            needs.push(option.to_owned());
        }
    };
    // A bootloader knows one type of signature, and passes the others over.
    let mut signatures: Vec<&str> = Vec::new();
    for pair in &anatomy.pairs {
        let option = match pair.signature.1.kind {
            kind::RSA2048 => "MCUBOOT_SIGN_RSA MCUBOOT_SIGN_RSA_LEN=2048",
            kind::RSA3072 => "MCUBOOT_SIGN_RSA MCUBOOT_SIGN_RSA_LEN=3072",
            kind::ED25519 => "MCUBOOT_SIGN_ED25519",
            _ if hash == Some(Hash::Sha384) => "MCUBOOT_SIGN_EC384",
            _ => "MCUBOOT_SIGN_EC256",
        };
        if !signatures.contains(&option) {
            signatures.push(option);
        }
    }
    need(!signatures.is_empty(), &signatures.join(" or "));
    need(anatomy.pairs.iter().any(|pair| pair.key.1.kind == kind::PUBKEY), "MCUBOOT_HW_KEY");
    let has = |flag| anatomy.header.has(flag);
    need(anatomy.is_pure, "MCUBOOT_SIGN_PURE");
    need(hash == Some(Hash::Sha512), "MCUBOOT_SHA512");
    need(has(flag::ENCRYPTED), "MCUBOOT_ENC_IMAGES");
    need(has(flag::ENCRYPTED_AES256), "MCUBOOT_AES_256");
    for envelope in anatomy.unprotected.iter().filter_map(|tlv| Envelope::of_tlv(tlv.kind)) {
        need(
            true,
            match envelope {
                Envelope::Rsa2048 => "MCUBOOT_ENCRYPT_RSA",
                Envelope::Ec256 => "MCUBOOT_ENCRYPT_EC256",
                Envelope::X25519 => "MCUBOOT_ENCRYPT_X25519",
                Envelope::X25519Sha512 => "MCUBOOT_ENCRYPT_X25519 MCUBOOT_HMAC_SHA512",
            },
        );
    }
    need(has(flag::COMPRESSED), "MCUBOOT_DECOMPRESS_IMAGES");
    need(has(flag::RAM_LOAD), "MCUBOOT_RAM_LOAD");
    if let Some(Ending::Trailer(trailer)) = ending {
        need(trailer.max_align != USUAL_ALIGN, &format!("MCUBOOT_BOOT_MAX_ALIGN={}", trailer.max_align));
    }
    if needs.is_empty() { vec!["nothing besides a digest".to_owned()] } else { needs }
}
