//! Settings, read into what they mean.

use super::header::{Endian, HEADER_SIZE, Version, flag};
use super::tlv::{self, Tlv, kind};
use super::trailer::{Ending, Slot, Trailer, USUAL_ALIGN};
use super::{Error, HASH, Setting, Settings, Takes, parse_number};
use crate::files::{self, from_hex};
use crate::key::{Hash, uuid5};

/// Every setting of the format.
pub const SETTINGS: &[Setting] = &[
    Setting::signing("version", Takes::One("VERSION"), "The image's version, as 1.2.3+4; needed for a new image"),
    Setting::signing("header-size", Takes::One("BYTES"), "The size of the header, 32 by default"),
    Setting::signing("pad-header", Takes::Nothing, "Put the header before the image instead of into its blank start"),
    Setting::both("slot-size", Takes::One("BYTES"), "The size of the slot; image and trailer have to fit in it"),
    Setting::both(
        "align",
        Takes::OneOf(&["1", "2", "4", "8", "16", "32"]),
        "The bytes that the flash writes at once, 1 by default",
    ),
    Setting::both(
        "max-align",
        Takes::OneOf(&["8", "16", "32"]),
        "The larger such number of the two slots, where it is above 8",
    ),
    Setting::both("max-sectors", Takes::One("NUMBER"), "The sectors that a swap can move, 128 by default"),
    Setting::both("overwrite-only", Takes::Nothing, "Upgrades overwrite, so that the trailer has no swap status"),
    Setting::signing("pad", Takes::Nothing, "Fill the slot, with a trailer that asks for an upgrade"),
    Setting::signing("confirm", Takes::Nothing, "Like --pad, for an image that stays after its first boot"),
    Setting::signing("test", Takes::Nothing, "Like --pad, for an image that is tried once"),
    Setting::signing(
        "security-counter",
        Takes::One("NUMBER|auto"),
        "The security counter; auto takes it from the version",
    ),
    Setting::signing(
        "dependency",
        Takes::Many("(ID, VERSION)"),
        "Another image, and the least version that it must have",
    ),
    Setting::signing("boot-record", Takes::One("SW_TYPE"), "Add a boot record for this type of software"),
    Setting::signing("custom-tlv", Takes::Many("TAG=VALUE"), "Add a protected TLV; a value after 0x is hexadecimal"),
    Setting::signing("vid", Takes::One("UUID|NAME"), "The vendor: a UUID, or a domain name that becomes one"),
    Setting::signing("cid", Takes::One("UUID|NAME"), "The device class: a UUID, or a name that becomes one"),
    Setting::signing("load-addr", Takes::One("ADDRESS"), "The address in RAM where the image runs; 0 for none"),
    Setting::signing("rom-fixed", Takes::One("ADDRESS"), "The address in flash that the image is built for"),
    Setting::signing("hex", Takes::Nothing, "Write Intel HEX, as is done anyway where the image is Intel HEX"),
    Setting::signing("bin", Takes::Nothing, "Write the bytes themselves where the image is Intel HEX"),
    Setting::signing("hex-addr", Takes::One("ADDRESS"), "The address where the product starts in Intel HEX"),
    Setting::both("erased-val", Takes::OneOf(&["0", "0xff"]), "What erased flash reads as, 0xff by default"),
    Setting::signing("pad-sig", Takes::Nothing, "Pad an ECDSA signature with zeros, for MCUboot before 1.5"),
    Setting::both("endian", Takes::OneOf(&["little", "big"]), "The byte order of the device, little by default"),
    Setting::both("non-bootable", Takes::Nothing, "The image is a part that does not boot alone"),
    Setting::both(
        "public-key-format",
        Takes::OneOf(&["hash", "full"]),
        "How the image names its key: by hash, as by default, or in full",
    ),
    Setting::both("pure", Takes::Nothing, "Ed25519 signs the image itself and not its digest"),
    HASH,
    Setting::signing(
        "encrypt",
        Takes::One("FILE"),
        "Encrypt the payload to the device's public key: RSA-2048, P-256 or X25519",
    ),
    Setting::signing("encrypt-keylen", Takes::OneOf(&["128", "256"]), "The bits of the AES key, 128 by default"),
    Setting::signing("hmac-sha", Takes::OneOf(&["256", "512"]), "The SHA that guards the AES key, 256 by default"),
    Setting::both("clear", Takes::Nothing, "The payload stays clear, for the primary slot of a device that encrypts"),
    Setting::both("save-enctlv", Takes::Nothing, "The trailer keeps encrypted keys, and so has to be larger"),
    Setting::both("decrypt-key", Takes::PrivateKey, "The device's private key, which opens an encrypted image"),
    Setting::signing("unsigned", Takes::Nothing, "Make an image without a signature"),
];

/// Settings that are about an image's content, and so not about one that has its header.
const OF_CONTENT: [&str; 18] = [
    "version",
    "header-size",
    "pad-header",
    "pad",
    "confirm",
    "test",
    "security-counter",
    "dependency",
    "boot-record",
    "custom-tlv",
    "vid",
    "cid",
    "load-addr",
    "rom-fixed",
    "non-bootable",
    "encrypt",
    "encrypt-keylen",
    "hmac-sha",
];

/// The namespace of domain names (RFC 9562 section 6.6).
const DNS: [u8; 16] = 0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8_u128.to_be_bytes();

/// The longest type of software in a boot record (`scripts/imgtool/image.py`, `MAX_SW_TYPE_LENGTH`).
const SW_TYPE_LENGTH: usize = 12;

/// Refuses words that a setting does not take. The command line does so too, but settings come from other places as well.
pub fn check_words(settings: &Settings) -> Result<(), Error> {
    for Setting { name, takes, .. } in SETTINGS {
        if let (Takes::OneOf(words), Some(word)) = (takes, settings.text(name))
            && !words.contains(&word)
        {
            return Err(Error::setting(name, format!("{word} is none of {}", words.join(", "))));
        }
    }
    Ok(())
}

/// Refuses settings that an image with a header has no use for.
pub fn refuse_content(settings: &Settings) -> Result<(), Error> {
    match OF_CONTENT.into_iter().find(|name| settings.has(name)) {
        Some(name) => Err(Error::setting(name, "the image has its header already, and keeps it")),
        None => Ok(()),
    }
}

/// The content of a new image, besides its payload.
pub struct Content {
    pub version: Version,
    pub header_size: u16,
    pub pads_header: bool,
    pub load_address: u32,
    pub flags: u32,
    security_counter: Option<u32>,
    boot_record: Option<String>,
    dependencies: Vec<(u8, Version)>,
    ids: Vec<Tlv>,
    custom: Vec<Tlv>,
}

impl Content {
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let version = settings.text("version").ok_or_else(|| Error::setting("version", "is needed, as 1.2.3+4"))?;
        let version = version.parse().map_err(|()| {
            Error::setting("version", format!("{version} is not a version as 1.2.3+4, of 8, 8, 16 and 32 bits"))
        })?;
        let header_size = settings.number("header-size")?.unwrap_or(HEADER_SIZE as u64);
        let header_size = u16::try_from(header_size).ok().filter(|size| usize::from(*size) >= HEADER_SIZE);
        let (load_address, flags) = address(settings)?;
        Ok(Self {
            version,
            header_size: header_size.ok_or_else(|| Error::setting("header-size", "must be from 32 to 65535"))?,
            pads_header: settings.has("pad-header"),
            load_address,
            flags: flags | if settings.has("non-bootable") { flag::NON_BOOTABLE } else { 0 },
            security_counter: security_counter(settings, version)?,
            boot_record: boot_record(settings)?,
            dependencies: dependencies(settings)?,
            ids: ids(settings)?,
            custom: custom(settings)?,
        })
    }

    /// The protected TLVs. `signer_id` is the digest of the key, by the image's hash.
    pub fn protected(&self, hash: Hash, signer_id: &[u8], endian: Endian) -> Vec<Tlv> {
        let mut tlvs = Vec::new();
        if let Some(counter) = self.security_counter {
            tlvs.push(Tlv::new(kind::SEC_CNT, endian.u32(counter)));
        }
        if let Some(sw_type) = &self.boot_record {
            let record = super::boot_record(sw_type, self.version, signer_id, hash);
            tlvs.push(Tlv::new(kind::BOOT_RECORD, record));
        }
        for (image, version) in &self.dependencies {
            // image_dependency: the image's number, three bytes of filler, the version.
            let value = [&[*image, 0, 0, 0][..], &version.to_bytes(endian)].concat();
            tlvs.push(Tlv::new(kind::DEPENDENCY, value));
        }
        tlvs.extend(self.ids.iter().chain(&self.custom).cloned());
        tlvs
    }
}

fn address(settings: &Settings) -> Result<(u32, u32), Error> {
    match (settings.number32("load-addr")?.filter(|address| *address != 0), settings.number32("rom-fixed")?) {
        (Some(_), Some(_)) => Err(Error::setting("rom-fixed", "does not go with --load-addr")),
        (Some(address), None) => Ok((address, flag::RAM_LOAD)),
        (None, Some(address)) => Ok((address, flag::ROM_FIXED)),
        (None, None) => Ok((0, 0)),
    }
}

fn security_counter(settings: &Settings, version: Version) -> Result<Option<u32>, Error> {
    match settings.text("security-counter") {
        Some(text) if text.eq_ignore_ascii_case("auto") => Ok(Some(version.counter())),
        _ => settings.number32("security-counter"),
    }
}

fn boot_record(settings: &Settings) -> Result<Option<String>, Error> {
    let Some(sw_type) = settings.text("boot-record") else { return Ok(None) };
    if sw_type.chars().count() > SW_TYPE_LENGTH {
        return Err(Error::setting("boot-record", format!("is longer than {SW_TYPE_LENGTH} characters")));
    }
    Ok(Some(sw_type.to_owned()))
}

/// Each value is one dependency or several, as `(1, 1.2.3+4), (2, 1.0.0)`.
fn dependencies(settings: &Settings) -> Result<Vec<(u8, Version)>, Error> {
    fn list(text: &str) -> Option<Vec<(u8, Version)>> {
        let mut found = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (inner, after) = rest.strip_prefix('(')?.split_once(')')?;
            let (image, version) = inner.split_once(',')?;
            let image = image.trim().parse().ok().filter(|_| image.trim().bytes().all(|byte| byte.is_ascii_digit()))?;
            found.push((image, version.trim().parse().ok()?));
            rest = after.trim_start();
            rest = rest.strip_prefix(',').map_or(rest, str::trim_start);
        }
        (!found.is_empty()).then_some(found)
    }
    let mut all = Vec::new();
    for text in settings.all("dependency") {
        let why = || format!("{text} is not of the form (ID, VERSION), with an ID up to 255");
        all.extend(list(text).ok_or_else(|| Error::setting("dependency", why()))?);
    }
    Ok(all)
}

/// The UUIDs of vendor and class; a class's name is one of its vendor.
fn ids(settings: &Settings) -> Result<Vec<Tlv>, Error> {
    let vendor = settings.text("vid").map(|text| uuid("vid", text, Some(&DNS))).transpose()?;
    let class = settings.text("cid").map(|text| uuid("cid", text, vendor.as_ref())).transpose()?;
    let tlv = |kind, uuid: Option<[u8; 16]>| uuid.map(|uuid| Tlv::new(kind, uuid));
    Ok([tlv(kind::UUID_VID, vendor), tlv(kind::UUID_CID, class)].into_iter().flatten().collect())
}

fn uuid(name: &'static str, text: &str, namespace: Option<&[u8; 16]>) -> Result<[u8; 16], Error> {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = match groups.as_slice() {
        [8, 4, 4, 4, 12] => from_hex(&text.replace('-', "")),
        [32] => from_hex(text),
        _ => None,
    };
    if let Some(uuid) = digits.and_then(|digits| <[u8; 16]>::try_from(digits).ok()) {
        return Ok(uuid);
    }
    if text.is_empty() || !text.chars().all(files::is_printable) {
        return Err(Error::setting(name, "is neither a UUID nor a printable name"));
    }
    match namespace {
        Some(namespace) => Ok(uuid5(namespace, text)),
        None => Err(Error::setting(name, "a name needs --vid, whose name it is; else give a UUID")),
    }
}

/// Vendors' own TLVs.
fn custom(settings: &Settings) -> Result<Vec<Tlv>, Error> {
    let endian = endian(settings);
    let refused = |why: String| Error::setting("custom-tlv", why);
    let mut tlvs: Vec<Tlv> = Vec::new();
    for text in settings.all("custom-tlv") {
        let (tag, value) =
            text.split_once('=').ok_or_else(|| refused(format!("{text} is not of the form TAG=VALUE")))?;
        let tag = parse_number(tag)
            .and_then(|tag| u16::try_from(tag).ok())
            .filter(|tag| kind::VENDOR.contains(tag))
            .ok_or_else(|| refused(format!("{tag} is not a number from 0x00a0 to 0xfffe")))?;
        if tlv::is_ambiguous(tag, endian) {
            return Err(refused(format!("0x{tag:04x} is a type of MCUboot's own in a big-endian image")));
        }
        if tlvs.iter().any(|tlv| tlv.kind == tag) {
            return Err(refused(format!("0x{tag:04x} is given twice")));
        }
        let value = match value.strip_prefix("0x") {
            Some(digits) => from_hex(digits).ok_or_else(|| refused(format!("{value} is not hexadecimal")))?,
            None => value.as_bytes().to_vec(),
        };
        tlvs.push(Tlv::new(tag, value));
    }
    Ok(tlvs)
}

/// The byte order of the device.
pub fn endian(settings: &Settings) -> Endian {
    if settings.text("endian") == Some("big") { Endian::Big } else { Endian::Little }
}

/// What erased flash reads as, where it was said.
pub fn erased(settings: &Settings) -> Option<u8> {
    settings.text("erased-val").map(|value| if value == "0" { 0 } else { 0xff })
}

/// What erased flash reads as, unless something else is said.
pub const ERASED: u8 = 0xff;

/// The slot.
pub fn slot(settings: &Settings) -> Result<Slot, Error> {
    let align = settings.number("align")?.unwrap_or(1);
    let max_align = settings.number("max-align")?;
    if max_align.is_some_and(|most| most < align) {
        return Err(Error::setting("max-align", "is below --align"));
    }
    Ok(Slot {
        size: settings.number32("slot-size")?.map(u64::from).filter(|size| *size != 0),
        align,
        max_align: max_align.unwrap_or(align.max(USUAL_ALIGN)),
        max_sectors: settings.number32("max-sectors")?.map_or(128, u64::from),
        overwrite_only: settings.has("overwrite-only"),
        content_keys: 0,
    })
}

/// What follows a new image. Where upgrades overwrite, image_ok stays erased, as imgtool has it.
pub fn ending(settings: &Settings, slot: &Slot) -> Result<Ending, Error> {
    let marks = [settings.has("confirm"), settings.has("test")];
    if marks == [true, true] {
        return Err(Error::setting("test", "does not go with --confirm"));
    }
    if marks == [false, false] && !settings.has("pad") {
        return Ok(Ending::Nothing);
    }
    let size = slot.size.ok_or_else(|| Error::setting("slot-size", "is needed to fill the slot"))?;
    let image_ok = match marks {
        [false, false] => None,
        _ if slot.overwrite_only => None,
        [is_confirmed, _] => Some(is_confirmed),
    };
    let (erased, endian) = (erased(settings).unwrap_or(ERASED), endian(settings));
    Ok(Ending::Trailer(Trailer { size, erased, max_align: slot.max_align, endian, image_ok }))
}

/// The address where the product starts, where that is Intel HEX. `base` is where the image started, in Intel HEX, and
/// `header` how much comes before that.
pub fn hex_address(settings: &Settings, base: Option<u64>, header: u64) -> Result<Option<u64>, Error> {
    if settings.has("hex") && settings.has("bin") {
        return Err(Error::setting("bin", "does not go with --hex"));
    }
    let given = settings.number32("hex-addr")?;
    if !settings.has("hex") && (base.is_none() || settings.has("bin")) {
        return match given {
            Some(_) => Err(Error::setting("hex-addr", "goes with Intel HEX alone: add --hex")),
            None => Ok(None),
        };
    }
    match (given, base) {
        (Some(address), _) => Ok(Some(address.into())),
        (None, Some(base)) => base.checked_sub(header).map(Some).ok_or_else(|| {
            Error::setting("hex-addr", format!("is needed: below address {base} is no room for the header"))
        }),
        (None, None) => Err(Error::setting("hex-addr", "is needed: the image has no address of its own")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(given: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        given.iter().for_each(|(name, value)| settings.add(name, *value));
        settings
    }

    fn refusal<T>(result: Result<T, Error>) -> String {
        match result {
            Ok(_) => "none".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn settings_without_sense_are_refused() {
        for (given, why) in [
            (&[][..], "--version: is needed, as 1.2.3+4"),
            (&[("version", "1.2.3.4")], "--version: 1.2.3.4 is not a version as 1.2.3+4, of 8, 8, 16 and 32 bits"),
            (&[("version", "1"), ("header-size", "31")], "--header-size: must be from 32 to 65535"),
            (&[("version", "1"), ("header-size", "0x10000")], "--header-size: must be from 32 to 65535"),
            (&[("version", "1"), ("security-counter", "-1")], "--security-counter: -1 is not a number"),
            (
                &[("version", "1"), ("security-counter", "0x100000000")],
                "--security-counter: 4294967296 is above 4294967295",
            ),
            (&[("version", "1"), ("load-addr", "1"), ("rom-fixed", "0")], "--rom-fixed: does not go with --load-addr"),
            (&[("version", "1"), ("boot-record", "1234567890123")], "--boot-record: is longer than 12 characters"),
            (&[("version", "1"), ("cid", "a name")], "--cid: a name needs --vid, whose name it is; else give a UUID"),
            (&[("version", "1"), ("vid", "a\nname")], "--vid: is neither a UUID nor a printable name"),
            (&[("version", "1"), ("custom-tlv", "0x9f=1")], "--custom-tlv: 0x9f is not a number from 0x00a0 to 0xfffe"),
            (
                &[("version", "1"), ("custom-tlv", "0xffff=1")],
                "--custom-tlv: 0xffff is not a number from 0x00a0 to 0xfffe",
            ),
            (&[("version", "1"), ("custom-tlv", "0xa0")], "--custom-tlv: 0xa0 is not of the form TAG=VALUE"),
            (&[("version", "1"), ("custom-tlv", "0xa0=0x1")], "--custom-tlv: 0x1 is not hexadecimal"),
            (
                &[("version", "1"), ("custom-tlv", "160=a"), ("custom-tlv", "0xa0=b")],
                "--custom-tlv: 0x00a0 is given twice",
            ),
        ] {
            assert_eq!(refusal(Content::new(&settings(given))), why);
        }
        for text in ["", "1, 1.0.0", "(1)", "(1, 1.0.0", "(256, 1.0.0)", "(1, 1.0.0.0)", "(-1, 1)", "(1, 1) x"] {
            let refusal = refusal(dependencies(&settings(&[("dependency", text)])));
            assert_eq!(refusal, format!("--dependency: {text} is not of the form (ID, VERSION), with an ID up to 255"));
        }
        let words = check_words(&settings(&[("hmac-sha", "sha512")]));
        assert_eq!(refusal(words), "--hmac-sha: sha512 is none of 256, 512");
        assert_eq!(refusal(check_words(&settings(&[("hmac-sha", "512"), ("endian", "big")]))), "none");
        for (given, why) in [
            (&[("hex", ""), ("bin", "")][..], "--bin: does not go with --hex"),
            (&[("hex-addr", "1")], "--hex-addr: goes with Intel HEX alone: add --hex"),
            (&[("hex", "")], "--hex-addr: is needed: the image has no address of its own"),
        ] {
            assert_eq!(refusal(hex_address(&settings(given), None, 0)), why);
        }
        let room = "--hex-addr: is needed: below address 16 is no room for the header";
        assert_eq!(refusal(hex_address(&settings(&[]), Some(16), 32)), room);
        let below = settings(&[("align", "32"), ("max-align", "16")]);
        assert_eq!(refusal(slot(&below)), "--max-align: is below --align");
        let usual = slot(&settings(&[])).unwrap();
        let twice = settings(&[("confirm", ""), ("test", "")]);
        assert_eq!(refusal(ending(&twice, &usual)), "--test: does not go with --confirm");
        assert_eq!(refusal(ending(&settings(&[("pad", "")]), &usual)), "--slot-size: is needed to fill the slot");
    }

    #[test]
    fn dependencies_are_one_or_several_in_a_value() {
        let given = settings(&[("dependency", "(1,1.0.0+0)"), ("dependency", "(2, 1.2), (3,3.2.1+4)")]);
        let found: Vec<String> =
            dependencies(&given).unwrap().iter().map(|(image, version)| format!("{image} {version}")).collect();
        assert_eq!(found, ["1 1.0.0+0", "2 1.2.0+0", "3 3.2.1+4"]);
    }
}
