//! `--as mcuboot`: images for the MCUboot bootloader, as Zephyr, Mynewt, Mbed OS and NuttX have them.
//!
//! * `header` and `tlv` are the two structures of an image, `boot_record` a value in one; `trailer` is what follows in
//!   flash, `hex` the image as Intel HEX.
//! * `options` reads settings, `plan` lays out by them, a new image from its `body` on.
//! * [`envelope`] is how the key of an encrypted image goes with it, `encryption` what is done with that.
//! * `anatomy` takes an image apart; `read` judges one, `describe` says what it is, [`Dump`] shows one as it stands
//!   there.
//!
//! Images are byte for byte those of imgtool 2.5 (mcu-tools/mcuboot `scripts/imgtool`) and are judged as the bootloader
//! does (`boot/bootutil/src`).

use super::{
    Bad, CipherKey, Description, Error, Evidence, Existing, Facts, Fault, HASH, ImageFormat, Layout, MESSAGE_LIMIT,
    Maker, Message, Named, Piece, Plan, Reading, Round, Setting, Settings, Signatory, Source, Takes, Unfit, judged,
    parse_number,
};
use crate::key::{Digest, Hash, PublicKey, Scheme};

mod anatomy;
mod body;
mod boot_record;
mod describe;
mod dump;
mod encryption;
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

    fn read(&self, source: &mut Source<'_>, evidence: &Evidence<'_>, settings: &Settings) -> Result<Reading, Fault> {
        read::read(source, evidence, settings)
    }

    fn describe(&self, source: &mut Source<'_>) -> Result<Option<Description>, Error> {
        describe::describe(source)
    }
}

/// What the key of `maker` has to sign of an image, as it is before it is encrypted, and the digest of that: for tools
/// that take the one or the other.
pub fn to_be_signed(
    source: &mut Source<'_>,
    maker: &Maker<'_>,
    settings: &Settings,
) -> Result<(Layout, Digest), Error> {
    let plan::Planned { plain, digest, .. } = plan::Planned::new(source, maker, settings)?;
    Ok((plain, digest))
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

/// An area of TLVs; no room where its own length cannot say how long it is.
fn area(magic: u16, tlvs: &[tlv::Tlv], endian: Endian) -> Result<Vec<u8>, Error> {
    tlv::area(magic, tlvs, endian).ok_or_else(|| {
        let size = tlvs.iter().map(|tlv| tlv::INFO_SIZE + tlv.value.len() as u64).sum::<u64>() + tlv::INFO_SIZE;
        Unfit::NoRoom { size, room: u16::MAX.into() }.into()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::image::{Demands, Policy, Trust, Verdict, sign, verify};
    use crate::key::Signer;
    use crate::key::{KeyType, SoftwareKey};
    use crate::x509::Time;
    use crate::x509::verify::{Purpose, Rules};

    fn with_source<T>(image: &[u8], work: impl FnOnce(&mut Source<'_>) -> T) -> T {
        work(&mut Source::from_bytes(Path::new("image"), image.to_vec(), |_| {}))
    }

    fn settings(given: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        given.iter().for_each(|(name, value)| settings.add(name, *value));
        settings
    }

    fn signed(image: &[u8], key: &SoftwareKey, existing: Existing, given: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
        let maker = Maker { key: Some(key.public_key()), chain: None, time: Time::UNIX_EPOCH, existing };
        with_source(image, |source| {
            let signed = sign(&Mcuboot, source, Some(key), &maker, &settings(given))?;
            source.bytes_of(&signed.layout, MESSAGE_LIMIT)
        })
    }

    /// A changed byte makes the verdict bad, and everything else that reads the image gives an answer.
    #[test]
    fn any_change_of_a_byte_is_seen() {
        let key = SoftwareKey::generate(KeyType::Ed25519).unwrap();
        let other = SoftwareKey::generate(KeyType::Ed25519).unwrap();
        let trust = Trust::Key(key.public_key().clone());
        let policy = Policy {
            trust,
            untrusted: Vec::new(),
            rules: Rules::new(Purpose::Firmware, Time::UNIX_EPOCH),
            demands: Demands::default(),
        };
        let evidence = Evidence { signature: None, signer: None, policy: &policy };
        let new = [
            ("version", "1.2.3+4"),
            ("pad-header", ""),
            ("slot-size", "900"),
            ("pad", ""),
            ("security-counter", "1"),
            ("dependency", "(1, 1.0)"),
        ];
        let image = signed(&[7; 40], &key, Existing::Refuse, &new).unwrap();
        let text = signed(&image, &other, Existing::Keep, &[("hex", ""), ("hex-addr", "0xfff0")]).unwrap();
        for (good, last, step) in [(&image, image.len(), 1), (&text, text.len() - 1, 5)] {
            let is_good = |image: &[u8]| {
                let verdict = with_source(image, |source| verify(&Mcuboot, source, &evidence, &Settings::default()));
                matches!(verdict.unwrap(), Verdict::Good(_))
            };
            assert!(is_good(good));
            for at in (0..last).step_by(step) {
                for value in [0, 0xff, good[at] ^ 1] {
                    let mut twin = good.clone();
                    twin[at] = value;
                    assert!(value == good[at] || !is_good(&twin), "{at}: {value}");
                    let _ = signed(&twin, &other, Existing::Keep, &[]);
                    let _ = signed(&twin, &other, Existing::Replace, &[]);
                    let _ = with_source(&twin, |source| Mcuboot.remove(source, key.public_key()));
                    assert!(with_source(&twin, |source| Mcuboot.describe(source)).is_ok());
                }
            }
        }
    }

    /// An unsigned image of these unprotected TLVs, over the image itself.
    fn pure(tlvs: &[Tlv]) -> Vec<u8> {
        let header = Header {
            endian: Endian::Little,
            load_address: 0,
            header_size: 32,
            protected_size: 0,
            image_size: 8,
            flags: 0,
            version: header::Version { major: 1, minor: 0, revision: 0, build: 0 },
        };
        let tlvs = [&[Tlv::new(tlv::kind::SIG_PURE, [1])], tlvs].concat();
        [&header.to_bytes()[..], b"firmware", &tlv::area(tlv::UNPROTECTED, &tlvs, Endian::Little).unwrap()].concat()
    }

    /// Hundreds of signatures over an image do not hold it hundreds of times, and none has to be checked twice.
    #[test]
    fn many_signatures_are_over_one_image() {
        let key = SoftwareKey::generate(KeyType::Ed25519).unwrap();
        let policy = Policy {
            trust: Trust::Key(key.public_key().clone()),
            untrusted: Vec::new(),
            rules: Rules::new(Purpose::Firmware, Time::UNIX_EPOCH),
            demands: Demands::default(),
        };
        let evidence = Evidence { signature: None, signer: None, policy: &policy };
        let stranger = |number: u8| [Tlv::new(tlv::kind::PUBKEY, [number]), Tlv::new(tlv::kind::ED25519, [number; 64])];
        let read =
            |tlvs: &[Tlv]| with_source(&pure(tlvs), |source| Mcuboot.read(source, &evidence, &Settings::default()));
        let reading =
            read(&(0..200).flat_map(stranger).collect::<Vec<_>>()).unwrap_or_else(|fault| panic!("{fault:?}"));
        let images: Vec<_> = reading
            .signatories
            .iter()
            .map(|signatory| match &signatory.rounds[0].0.message {
                Message::Bytes(image) => image,
                Message::Digest(_) => panic!("a digest"),
            })
            .collect();
        assert!(images.len() == 200 && images.iter().all(|image| std::sync::Arc::ptr_eq(image, images[0])));
        let twice = read(&[stranger(1), stranger(2), stranger(1)].concat());
        assert!(matches!(twice, Err(Fault::Bad(bad)) if bad.code == "tlv-duplicate"));
    }

    /// Nothing is signed anew that no bootloader takes.
    #[test]
    fn flags_that_are_not_known_are_not_signed() {
        let key = SoftwareKey::generate(KeyType::Ed25519).unwrap();
        let image = signed(&[7; 40], &key, Existing::Refuse, &[("version", "1"), ("pad-header", "")]).unwrap();
        assert!(signed(&image, &key, Existing::Replace, &[]).is_ok());
        let mut twin = image;
        twin[17] = 0x20;
        let refused = signed(&twin, &key, Existing::Replace, &[]);
        assert!(matches!(refused, Err(Error::Unfit(Unfit::Refused(bad))) if bad.words.contains("flags")));
    }
}
