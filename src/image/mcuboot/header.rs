//! The header of an image, and the version in it.

use std::fmt;
use std::str::FromStr;

/// The size of the header's fields. What follows up to the header's own size is filler.
pub const HEADER_SIZE: usize = 32;

/// Flags of a header (mcu-tools/mcuboot `boot/bootutil/include/bootutil/image.h`).
pub mod flag {
    pub const ENCRYPTED_AES128: u32 = 0x4;
    pub const ENCRYPTED_AES256: u32 = 0x8;
    pub const NON_BOOTABLE: u32 = 0x10;
    pub const RAM_LOAD: u32 = 0x20;
    pub const ROM_FIXED: u32 = 0x100;
    const COMPRESSED_LZMA1: u32 = 0x200;
    const COMPRESSED_LZMA2: u32 = 0x400;
    const COMPRESSED_ARM_THUMB: u32 = 0x800;

    pub const ENCRYPTED: u32 = ENCRYPTED_AES128 | ENCRYPTED_AES256;
    pub const COMPRESSED: u32 = COMPRESSED_LZMA1 | COMPRESSED_LZMA2 | COMPRESSED_ARM_THUMB;
    pub const KNOWN: u32 = ENCRYPTED | NON_BOOTABLE | RAM_LOAD | ROM_FIXED | COMPRESSED;

    /// Each with its name in output.
    pub const NAMES: [(u32, &str); 8] = [
        (ENCRYPTED_AES128, "encrypted-aes128"),
        (ENCRYPTED_AES256, "encrypted-aes256"),
        (NON_BOOTABLE, "non-bootable"),
        (RAM_LOAD, "ram-load"),
        (ROM_FIXED, "rom-fixed"),
        (COMPRESSED_LZMA1, "compressed-lzma1"),
        (COMPRESSED_LZMA2, "compressed-lzma2"),
        (COMPRESSED_ARM_THUMB, "compressed-arm-thumb"),
    ];
}

/// The byte order of an image: its processor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    Little,
    Big,
}

impl Endian {
    /// Two bytes of a number.
    pub fn u16(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    /// Four bytes of a number.
    pub fn u32(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    /// The number in two bytes.
    pub fn of_u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The number in four bytes.
    pub fn of_u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The word in settings and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Little => "little",
            Self::Big => "big",
        }
    }
}

/// A version, written `MAJOR.MINOR.REVISION+BUILD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    pub major: u8,
    pub minor: u8,
    pub revision: u16,
    pub build: u32,
}

impl Version {
    /// ```text
    /// version     8 bytes: major u8, minor u8, revision u16, build u32
    /// ```
    pub fn to_bytes(self, endian: Endian) -> [u8; 8] {
        let Self { major, minor, revision, build } = self;
        let ([r0, r1], [b0, b1, b2, b3]) = (endian.u16(revision), endian.u32(build));
        [major, minor, r0, r1, b0, b1, b2, b3]
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: [u8; 8], endian: Endian) -> Self {
        let [major, minor, r0, r1, b0, b1, b2, b3] = bytes;
        Self { major, minor, revision: endian.of_u16([r0, r1]), build: endian.of_u32([b0, b1, b2, b3]) }
    }

    /// The security counter that goes with it; the build number does not count (`scripts/imgtool/image.py`).
    pub fn counter(self) -> u32 {
        u32::from(self.major) << 24 | u32::from(self.minor) << 16 | u32::from(self.revision)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, revision, build } = self;
        write!(f, "{major}.{minor}.{revision}+{build}")
    }
}

impl FromStr for Version {
    type Err = ();

    /// Parts after the first may be left away; none has leading zeros.
    fn from_str(text: &str) -> Result<Self, ()> {
        fn number<T: FromStr>(text: &str) -> Result<T, ()> {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            if is_plain { text.parse().map_err(|_| ()) } else { Err(()) }
        }
        let (numbers, build) = text.split_once('+').map_or((text, None), |(numbers, build)| (numbers, Some(build)));
        let mut parts = numbers.split('.');
        let version = Self {
            major: number(parts.next().unwrap_or_default())?,
            minor: parts.next().map_or(Ok(0), number)?,
            revision: match (parts.next(), build) {
                (Some(revision), _) => number(revision)?,
                (None, None) => 0,
                (None, Some(_)) => return Err(()),
            },
            build: build.map_or(Ok(0), number)?,
        };
        if parts.next().is_some() { Err(()) } else { Ok(version) }
    }
}

/// The header.
///
/// ```text
/// image_header                            32 bytes, in the byte order of the device
///     magic               u32             96f3b83d
///     load_addr           u32             of RAM_LOAD or ROM_FIXED, else 0
///     hdr_size            u16             with the filler, at least 32
///     protect_tlv_size    u16             of the protected TLV area, 0 where there is none
///     img_size            u32             of the payload alone
///     flags               u32
///     version             8 bytes
///     pad                 u32             0
/// ```
///
/// Source: mcu-tools/mcuboot `boot/bootutil/include/bootutil/image.h`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub endian: Endian,
    pub load_address: u32,
    pub header_size: u16,
    pub protected_size: u16,
    pub image_size: u32,
    pub flags: u32,
    pub version: Version,
}

impl Header {
    /// The first four bytes, in the image's byte order.
    pub const MAGIC: u32 = 0x96f3_b83d;

    /// Writes it, without filler.
    pub fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let Self { endian, load_address, header_size, protected_size, image_size, flags, version } = self;
        let mut bytes = [0; HEADER_SIZE];
        let fields = [
            &endian.u32(Self::MAGIC)[..],
            &endian.u32(*load_address),
            &endian.u16(*header_size),
            &endian.u16(*protected_size),
            &endian.u32(*image_size),
            &endian.u32(*flags),
            &version.to_bytes(*endian),
            &[0; 4],
        ];
        for (byte, field) in bytes.iter_mut().zip(fields.concat()) {
            *byte = field;
        }
        bytes
    }

    /// Reads one; `None` where there is no magic. Nothing is judged.
    pub fn from_bytes(bytes: &[u8; HEADER_SIZE]) -> Option<Self> {
        let endian = endian_of(bytes)?;
        let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let two = |at: usize| [bytes[at], bytes[at + 1]];
        let ([v0, v1, v2, v3], [v4, v5, v6, v7]) = (four(20), four(24));
        Some(Self {
            endian,
            load_address: endian.of_u32(four(4)),
            header_size: endian.of_u16(two(8)),
            protected_size: endian.of_u16(two(10)),
            image_size: endian.of_u32(four(12)),
            flags: endian.of_u32(four(16)),
            version: Version::from_bytes([v0, v1, v2, v3, v4, v5, v6, v7], endian),
        })
    }

    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// The byte order of the image that begins so; `None` where it is none of MCUboot.
pub fn endian_of(bytes: &[u8]) -> Option<Endian> {
    [Endian::Little, Endian::Big].into_iter().find(|endian| bytes.starts_with(&endian.u32(Header::MAGIC)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_imgtool_reads_them() {
        let version = |major, minor, revision, build| Ok(Version { major, minor, revision, build });
        for (text, found) in [
            ("1.2.3+4", version(1, 2, 3, 4)),
            ("1.2.3", version(1, 2, 3, 0)),
            ("1.2", version(1, 2, 0, 0)),
            ("0", version(0, 0, 0, 0)),
            ("255.255.65535+4294967295", version(255, 255, 65535, u32::MAX)),
        ] {
            assert_eq!(text.parse(), found, "{text}");
        }
        for text in
            ["", "1.", "1.2+3", "01.2.3", "1.2.3+04", "1.2.3.4", "1.2.3-4", "v1", "256", "1.2.65536", "+1", "1.2.3+"]
        {
            assert_eq!(text.parse::<Version>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for endian in [Endian::Little, Endian::Big] {
            let header = Header {
                endian,
                load_address: 0x2000_0000,
                header_size: 0x200,
                protected_size: 0x1234,
                image_size: 0x0123_4567,
                flags: flag::RAM_LOAD,
                version: Version { major: 1, minor: 2, revision: 0x304, build: 0x0506_0708 },
            };
            assert_eq!(Header::from_bytes(&header.to_bytes()), Some(header));
        }
        assert_eq!(Header::from_bytes(&[0; HEADER_SIZE]), None);
    }
}
