//! Type-length-value areas behind the payload.

use super::Bad;
use super::header::Endian;
use crate::key::{Hash, KeyType};

/// Types (mcu-tools/mcuboot `boot/bootutil/include/bootutil/image.h`).
pub mod kind {
    pub const KEYHASH: u16 = 0x01;
    pub const PUBKEY: u16 = 0x02;
    pub const SHA256: u16 = 0x10;
    pub const SHA384: u16 = 0x11;
    pub const SHA512: u16 = 0x12;
    pub const RSA2048: u16 = 0x20;
    pub const ECDSA224: u16 = 0x21;
    pub const ECDSASIG: u16 = 0x22;
    pub const RSA3072: u16 = 0x23;
    pub const ED25519: u16 = 0x24;
    pub const SIG_PURE: u16 = 0x25;
    pub const ENCRSA2048: u16 = 0x30;
    pub const ENCKW: u16 = 0x31;
    pub const ENCEC256: u16 = 0x32;
    pub const ENCX25519: u16 = 0x33;
    pub const ENCX25519_SHA512: u16 = 0x34;
    pub const DEPENDENCY: u16 = 0x40;
    pub const SEC_CNT: u16 = 0x50;
    pub const BOOT_RECORD: u16 = 0x60;
    pub const UUID_VID: u16 = 0x74;
    pub const UUID_CID: u16 = 0x75;

    /// Vendors' own types (`scripts/imgtool/image.py`, `TLV_VENDOR_RES_MIN` and `_MAX`).
    pub const VENDOR: std::ops::RangeInclusive<u16> = 0xa0..=0xfffe;

    /// Each with its name, as imgtool writes it.
    const NAMES: [(u16, &str); 25] = [
        (KEYHASH, "KEYHASH"),
        (PUBKEY, "PUBKEY"),
        (SHA256, "SHA256"),
        (SHA384, "SHA384"),
        (SHA512, "SHA512"),
        (RSA2048, "RSA2048"),
        (ECDSA224, "ECDSA224"),
        (ECDSASIG, "ECDSASIG"),
        (RSA3072, "RSA3072"),
        (ED25519, "ED25519"),
        (SIG_PURE, "SIG_PURE"),
        (ENCRSA2048, "ENCRSA2048"),
        (ENCKW, "ENCKW"),
        (ENCEC256, "ENCEC256"),
        (ENCX25519, "ENCX25519"),
        (ENCX25519_SHA512, "ENCX25519_SHA512"),
        (DEPENDENCY, "DEPENDENCY"),
        (SEC_CNT, "SEC_CNT"),
        (BOOT_RECORD, "BOOT_RECORD"),
        (0x70, "DECOMP_SIZE"),
        (0x71, "DECOMP_SHA"),
        (0x72, "DECOMP_SIGNATURE"),
        (0x73, "COMP_DEC_SIZE"),
        (UUID_VID, "UUID_VID"),
        (UUID_CID, "UUID_CID"),
    ];

    /// The types that may stand outside the protected area, and nowhere else (`boot/bootutil/src/image_validate.c`,
    /// `allowed_unprot_tlvs`).
    const UNPROTECTED: [u16; 16] = [
        KEYHASH,
        PUBKEY,
        SHA256,
        SHA384,
        SHA512,
        RSA2048,
        ECDSA224,
        ECDSASIG,
        RSA3072,
        ED25519,
        SIG_PURE,
        ENCRSA2048,
        ENCKW,
        ENCEC256,
        ENCX25519,
        ENCX25519_SHA512,
    ];

    /// The name of a type that MCUboot knows.
    pub fn known(kind: u16) -> Option<&'static str> {
        NAMES.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
    }

    /// The name of a type, or its number.
    pub fn name(kind: u16) -> String {
        known(kind).map_or_else(|| format!("0x{kind:04x}"), str::to_owned)
    }

    /// Whether a device takes the type outside the protected area.
    pub fn is_unprotected(kind: u16) -> bool {
        UNPROTECTED.contains(&kind)
    }
}

/// The magic of an area whose bytes the signature covers.
pub const PROTECTED: u16 = 0x6908;
/// The magic of the area that has the signatures.
pub const UNPROTECTED: u16 = 0x6907;

/// The size of an area's head, and of the head of each TLV in it.
pub const INFO_SIZE: u64 = 4;

/// One type, length and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlv {
    pub kind: u16,
    pub value: Vec<u8>,
}

impl Tlv {
    pub fn new(kind: u16, value: impl Into<Vec<u8>>) -> Self {
        Self { kind, value: value.into() }
    }

    /// The name of its type, where MCUboot knows it.
    pub fn name(&self) -> Option<&'static str> {
        kind::known(self.kind)
    }
}

/// Writes an area.
///
/// ```text
/// area        { magic u16, total u16, tlv* }     total counts these four bytes too
/// tlv         { type u16, length u16, value }
/// ```
///
/// In big-endian images a type below 0xa0 is its byte and a zero, as imgtool and the first MCUboot have it. `None`
/// where the area is longer than its own length can say.
pub fn area(magic: u16, tlvs: &[Tlv], endian: Endian) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    for Tlv { kind, value } in tlvs {
        content.extend(endian.u16(swapped(*kind, endian)));
        content.extend(endian.u16(u16::try_from(value.len()).ok()?));
        content.extend(value);
    }
    let total = u16::try_from(content.len() as u64 + INFO_SIZE).ok()?;
    Some([&endian.u16(magic)[..], &endian.u16(total), &content].concat())
}

/// The magic and the total of an area's head.
pub fn info(head: [u8; 4], endian: Endian) -> (u16, u16) {
    let [m0, m1, t0, t1] = head;
    (endian.of_u16([m0, m1]), endian.of_u16([t0, t1]))
}

/// Reads what stands in an area behind its head.
pub fn parse(mut content: &[u8], endian: Endian) -> Result<Vec<Tlv>, Bad> {
    let mut tlvs = Vec::new();
    while !content.is_empty() {
        let overrun = || Bad::new("tlv-area", "a tlv is longer than its area");
        let (head, rest) = content.split_first_chunk::<4>().ok_or_else(overrun)?;
        let (kind, length) = info(*head, endian);
        let (value, rest) = rest.split_at_checked(usize::from(length)).ok_or_else(overrun)?;
        tlvs.push(Tlv::new(swapped(kind, endian), value));
        content = rest;
    }
    Ok(tlvs)
}

/// A type as a big-endian image has it, and back.
fn swapped(kind: u16, endian: Endian) -> u16 {
    let is_swapped = endian == Endian::Big && (is_low(kind) || is_low(kind.swap_bytes()));
    if is_swapped { kind.swap_bytes() } else { kind }
}

/// Whether a big-endian image cannot have a vendor's type, since it would be read as one of MCUboot's.
pub fn is_ambiguous(kind: u16, endian: Endian) -> bool {
    endian == Endian::Big && is_low(kind.swap_bytes())
}

fn is_low(kind: u16) -> bool {
    kind < *kind::VENDOR.start()
}

/// The type of a digest.
pub fn digest_kind(hash: Hash) -> u16 {
    match hash {
        Hash::Sha256 => kind::SHA256,
        Hash::Sha384 => kind::SHA384,
        Hash::Sha512 => kind::SHA512,
    }
}

/// The type of a signature by a key; `None` where MCUboot takes no such keys.
pub fn signature_kind(key: KeyType) -> Option<u16> {
    match key {
        KeyType::P256 | KeyType::P384 => Some(kind::ECDSASIG),
        KeyType::Ed25519 => Some(kind::ED25519),
        KeyType::Rsa(2048) => Some(kind::RSA2048),
        KeyType::Rsa(3072) => Some(kind::RSA3072),
        KeyType::P521 | KeyType::Rsa(_) => None,
    }
}

/// The hashes that go with a key, the usual one first (`scripts/imgtool/image.py`, `ALLOWED_KEY_SHA`;
/// `boot/bootutil/include/bootutil/crypto/sha.h`).
pub fn hashes(key: KeyType) -> &'static [Hash] {
    match key {
        KeyType::P384 => &[Hash::Sha384],
        KeyType::Ed25519 => &[Hash::Sha256, Hash::Sha512],
        KeyType::P256 | KeyType::P521 | KeyType::Rsa(_) => &[Hash::Sha256],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_read_as_it_was_written() {
        for endian in [Endian::Little, Endian::Big] {
            let tlvs = [Tlv::new(kind::SHA256, [7; 32]), Tlv::new(0x00a0, []), Tlv::new(0xfffe, *b"x")];
            let area = area(UNPROTECTED, &tlvs, endian).unwrap();
            let (head, content) = area.split_first_chunk().unwrap();
            assert_eq!(info(*head, endian), (UNPROTECTED, area.len() as u16));
            assert_eq!(parse(content, endian).unwrap(), tlvs);
            for end in 1..content.len() {
                let cut = parse(&content[..end], endian);
                assert!(matches!(end, 36 | 40) == cut.is_ok(), "{end}: {cut:?}");
            }
        }
    }

    /// A type is two bytes: 0x0122 is not 0x22, in either order.
    #[test]
    fn no_two_types_are_one() {
        for endian in [Endian::Little, Endian::Big] {
            let found: std::collections::BTreeSet<u16> = (0..=u16::MAX).map(|kind| swapped(kind, endian)).collect();
            assert_eq!(found.len(), 1 << 16);
        }
        assert_eq!(parse(&[0x22, 0x01, 0, 0], Endian::Little).unwrap()[0].kind, 0x0122);
        assert_eq!(parse(&[0x22, 0x00, 0, 0], Endian::Big).unwrap()[0].kind, kind::ECDSASIG);
        assert_eq!(parse(&[0x00, 0x22, 0, 0], Endian::Big).unwrap()[0].kind, 0x2200);
        assert!(is_ambiguous(0x1000, Endian::Big) && !is_ambiguous(0x1000, Endian::Little));
    }

    #[test]
    fn an_area_says_its_length_in_two_bytes() {
        let fits = Tlv::new(0xa0, vec![0; 65535 - 8]);
        assert_eq!(area(PROTECTED, std::slice::from_ref(&fits), Endian::Little).unwrap().len(), 65535);
        assert_eq!(area(PROTECTED, &[fits, Tlv::new(0xa1, [])], Endian::Little), None);
    }
}
