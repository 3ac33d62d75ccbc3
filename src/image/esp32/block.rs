//! A signature block of Secure Boot v2.
//!
//! ```text
//! Block = e7 version:u8 sha:u8 00      -- 1216 bytes; version 2 is RSA, 3 is ECDSA; sha 0 is SHA-256, 1 is SHA-384
//!         digest key signature 00*     -- to byte 1196; the digest is that of the image
//!         crc:u32 00{16}               -- CRC-32 of the 1196 bytes before it
//! RSA   : digest[32]  n[384] e:u32 r[384] m:u32  signature[384]   -- PSS; r = 2^6144 mod n, m = -1/n mod 2^32
//! P-192 : digest[32]  01 x[24] y[24] 00{16}      r[24] s[24]
//! P-256 : digest[32]  02 x[32] y[32]             r[32] s[32]
//! P-384 : digest[48]  03 x[48] y[48]             r[48] s[48]
//! ```
//!
//! All numbers are little-endian. Sources: espressif/esp-idf `docs/en/security/secure-boot-v2.rst` and
//! `components/esp_rom/esp32c5/include/esp32c5/rom/secure_boot.h`; espressif/esptool `espsecure/__init__.py` for P-384.

use std::ops::Range;

use crate::image::Bad;
use crate::key::{Digest, Hash, KeyType, Montgomery, PublicKey, Scheme};

/// The bytes of a block.
pub const SIZE: usize = 1216;

/// The bytes before the checksum, which covers them.
const CHECKED: usize = 1196;

const MAGIC: u8 = 0xe7;

/// How a block is laid out for one type of key.
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    /// The type of key, for people.
    pub name: &'static str,
    /// The type; none for P-192, which is weaker than what `bulla` takes.
    key_type: Option<KeyType>,
    version: u8,
    sha: u8,
    /// The number of the curve, the first byte of the key.
    curve: Option<u8>,
    /// Where the key stands: what a device hashes and compares with its eFuses.
    material: Range<usize>,
    signature: Range<usize>,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "RSA-3072",
        key_type: Some(KeyType::Rsa(3072)),
        version: 2,
        sha: 0,
        curve: None,
        material: 36..812,
        signature: 812..1196,
    },
    Shape {
        name: "EC P-192",
        key_type: None,
        version: 3,
        sha: 0,
        curve: Some(1),
        material: 36..101,
        signature: 101..149,
    },
    Shape {
        name: "EC P-256",
        key_type: Some(KeyType::P256),
        version: 3,
        sha: 0,
        curve: Some(2),
        material: 36..101,
        signature: 101..165,
    },
    Shape {
        name: "EC P-384",
        key_type: Some(KeyType::P384),
        version: 3,
        sha: 1,
        curve: Some(3),
        material: 52..149,
        signature: 149..245,
    },
];

impl Shape {
    /// The hash over the image.
    pub fn hash(&self) -> Hash {
        if self.sha == 0 { Hash::Sha256 } else { Hash::Sha384 }
    }

    /// The scheme of the signature.
    pub fn scheme(&self) -> Scheme {
        if self.curve.is_some() { Scheme::Ecdsa(self.hash()) } else { Scheme::RsaPss(self.hash()) }
    }

    /// Turns numbers that stand side by side from big-endian to little-endian, or back: two of a curve, else one.
    fn turned(&self, numbers: &[u8]) -> Vec<u8> {
        let count = if self.curve.is_some() { 2 } else { 1 };
        numbers.chunks((numbers.len() / count).max(1)).flat_map(|number| number.iter().rev().copied()).collect()
    }
}

/// A key as it stands in a block.
pub struct BlockKey {
    /// The layout that goes with it.
    pub shape: &'static Shape,
    material: Vec<u8>,
}

impl BlockKey {
    /// The form of a public key in a block; `None` where its type has none, or its exponent is longer than the field.
    pub fn new(key: &PublicKey) -> Option<Self> {
        let shape = SHAPES.iter().find(|shape| shape.key_type == Some(key.key_type()))?;
        let material = match shape.curve {
            Some(curve) => [vec![curve], shape.turned(key.bits().get(1..)?)].concat(),
            None => {
                let Montgomery { modulus, public_exponent, r_squared, m_prime } = key.montgomery()?;
                let exponent = u32::try_from(public_exponent).ok()?.to_le_bytes();
                [&shape.turned(&modulus), &exponent[..], &shape.turned(&r_squared), &m_prime.to_le_bytes()].concat()
            }
        };
        Some(Self { shape, material })
    }

    /// Its digest as a device has it in its eFuses: SHA-256 over the bytes in the block.
    pub fn efuse(&self) -> Digest {
        Hash::Sha256.digest(&self.material)
    }
}

/// A block whose checksum holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    shape: &'static Shape,
    bytes: Vec<u8>,
}

impl Block {
    /// Makes the block of a key. `digest` is that of the image, by the hash of the key's shape; the signature is
    /// big-endian, r‖s where it is ECDSA.
    pub fn new(key: &BlockKey, digest: &Digest, signature: &[u8]) -> Self {
        let BlockKey { shape, material } = key;
        let head = [MAGIC, shape.version, shape.sha, 0];
        let mut bytes = [&head, digest.bytes(), material, &shape.turned(signature)].concat();
        bytes.resize(CHECKED, 0);
        bytes.extend(crc32(&bytes).to_le_bytes());
        bytes.resize(SIZE, 0);
        Self { shape, bytes }
    }

    /// Reads a block. A device takes for one what has the magic byte, the checksum and the version of its scheme, and
    /// reads nothing of what is reserved (espressif/esp-idf
    /// `components/bootloader_support/src/secure_boot_v2/secure_boot_signatures_bootloader.c`).
    pub fn read(bytes: &[u8]) -> Result<Self, Bad> {
        if bytes.len() != SIZE || bytes[0] != MAGIC {
            return Err(Bad::new("unsigned", "it does not begin as a signature block"));
        }
        let (checked, rest) = bytes.split_at(CHECKED);
        if !rest.starts_with(&crc32(checked).to_le_bytes()) {
            return Err(Bad::new("crc", "its checksum is wrong"));
        }
        let (version, sha) = (bytes[1], bytes[2]);
        let shape = SHAPES.iter().filter(|shape| shape.version == version).find(|shape| match shape.curve {
            // By its hash an ECDSA block has one of two layouts. In a block of RSA that byte is reserved.
            Some(curve) => shape.sha == sha && bytes[shape.material.start] == curve,
            None => true,
        });
        match shape {
            Some(shape) => Ok(Self { shape, bytes: bytes.to_vec() }),
            None if version == 3 => Err(Bad::new("curve", "its curve is unknown, or does not go with its hash")),
            None => Err(Bad::new("version", format!("its version is {version}, and only 2 and 3 are known"))),
        }
    }

    /// Whether bytes begin as a block does, whatever else is wrong with them. An image has such a part by chance once in
    /// 2^30.
    pub fn is_meant(bytes: &[u8]) -> bool {
        matches!(bytes, [MAGIC, 2 | 3, 0 | 1, 0, ..])
    }

    /// How it is laid out.
    pub fn shape(&self) -> &'static Shape {
        self.shape
    }

    /// Its bytes, [`SIZE`] of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it says that it is for an image of this digest.
    pub fn is_of(&self, digest: &Digest) -> bool {
        digest.hash() == self.shape.hash() && self.bytes[4..].starts_with(digest.bytes())
    }

    /// Whether it has this key, with all numbers that belong to it.
    pub fn is_by(&self, key: &BlockKey) -> bool {
        self.material() == key.material
    }

    /// The digest of its key, which a device compares with its eFuses before it looks at anything else.
    pub fn efuse(&self) -> Digest {
        Hash::Sha256.digest(self.material())
    }

    /// The key itself; bad where it is none that `bulla` can verify with.
    pub fn key(&self) -> Result<PublicKey, Bad> {
        let unsupported = || Bad::new("key-type", format!("its {} key is not supported", self.shape.name));
        let key_type = self.shape.key_type.ok_or_else(unsupported)?;
        let key = match self.shape.curve {
            Some(_) => {
                let point = [vec![0x04], self.shape.turned(&self.material()[1..])].concat();
                PublicKey::from_ec_point(key_type, &point)
            }
            None => {
                // As long as a signature; then the exponent.
                let (modulus, rest) = self.material().split_at(self.shape.signature.len());
                PublicKey::from_rsa_bytes(&self.shape.turned(modulus), &self.shape.turned(&rest[..4]))
            }
        };
        key.map_err(|error| Bad::new("key", error))
    }

    /// Its signature, big-endian, r‖s where it is ECDSA.
    pub fn signature(&self) -> Vec<u8> {
        self.shape.turned(&self.bytes[self.shape.signature.clone()])
    }

    fn material(&self) -> &[u8] {
        &self.bytes[self.shape.material.clone()]
    }
}

/// CRC-32 as of Ethernet (IEEE 802.3 section 3.2.9), bit by bit: there are three blocks at most.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    /// The places of `struct.pack` in espressif/esptool `espsecure/__init__.py`, which the checksum ends.
    #[test]
    fn every_shape_fills_its_part_of_the_block() {
        for shape in &SHAPES {
            let digest = 4..4 + shape.hash().output_len();
            assert_eq!(digest.end, shape.material.start, "{}", shape.name);
            assert_eq!(shape.material.end, shape.signature.start, "{}", shape.name);
            assert!(shape.signature.end <= CHECKED, "{}", shape.name);
        }
    }
}
