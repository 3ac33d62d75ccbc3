//! `--as mcuboot`: images for the MCUboot bootloader, as Zephyr, Mynewt, Mbed OS and NuttX have them.
//!
//! * [`header`] and [`tlv`] are the two structures of an image, [`boot_record`](boot_record()) a value in one;
//!   [`trailer`] is what follows in flash, [`hex`](self::hex) the image as Intel HEX.
//! * [`options`] reads settings, [`plan`] lays out by them.
//! * [`anatomy`] takes an image apart; [`read`](read::read) judges one, [`describe`](describe::describe) says what it
//!   is, [`Dump`] shows one as it stands there.
//!
//! Images are byte for byte those of imgtool 2.5 (mcu-tools/mcuboot `scripts/imgtool`) and are judged as the bootloader
//! does (`boot/bootutil/src`).

use super::prepared::{from_hex, hex as hex_digits};
use super::{
    Bad, Description, Error, Evidence, Existing, Facts, HASH, ImageFormat, Layout, MESSAGE_LIMIT, Maker, Message,
    Named, Piece, Plan, Reading, Round, Setting, Settings, Signatory, Source, Takes, Unfit, parse_number,
};
use crate::key::{Hash, PublicKey, Scheme};

mod anatomy;
mod boot_record;
mod describe;
mod dump;
pub mod envelope;
mod header;
mod hex;
mod options;
mod plan;
mod read;
mod tlv;
mod trailer;

pub use anatomy::{key_bytes, key_hash};
pub use dump::{Area, Dump, Fields, Trailer};
pub use header::{Endian, Header, Version};
pub use hex::is_hex;
pub use tlv::Tlv;

use boot_record::boot_record;
use header::HEADER_SIZE;

/// The format.
pub struct Mcuboot;

impl ImageFormat for Mcuboot {
    fn name(&self) -> &'static str {
        "mcuboot"
    }

    fn about(&self) -> &'static str {
        "Image for the MCUboot bootloader, as imgtool makes it"
    }

    fn settings(&self) -> &'static [Setting] {
        options::SETTINGS
    }

    fn plan(&self, source: &mut Source<'_>, maker: &Maker<'_>, settings: &Settings) -> Result<Box<dyn Plan>, Error> {
        Ok(Box::new(plan::Planned::new(source, maker, settings)?))
    }

    fn remove(&self, source: &mut Source<'_>, key: &PublicKey) -> Result<Layout, Error> {
        plan::remove(source, key)
    }

    fn read(
        &self,
        source: &mut Source<'_>,
        evidence: &Evidence<'_>,
        settings: &Settings,
    ) -> Result<Result<Reading, Bad>, Error> {
        read::read(source, evidence, settings)
    }

    fn describe(&self, source: &mut Source<'_>) -> Result<Option<Description>, Error> {
        describe::describe(source)
    }
}

/// The scheme of a signature's type in an image with a digest of this hash.
fn scheme(kind: u16, hash: Hash) -> Scheme {
    match kind {
        tlv::kind::ED25519 => Scheme::Ed25519,
        tlv::kind::ECDSASIG => Scheme::Ecdsa(hash),
        // RSA signs the image's digest, which is SHA-256 wherever RSA is taken; the salt is as long.
        _ => Scheme::RsaPss(hash),
    }
}
