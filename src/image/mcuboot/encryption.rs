//! The encryption of an image: its payload under a content key of its own, which goes along in an [`Envelope`].
//!
//! What is signed is the image as it was before. A device decrypts what arrives in the secondary slot, and encrypts
//! again what it moves there; in the primary slot the payload is clear, and so is that of an image that is made for it
//! (mcu-tools/mcuboot `docs/encrypted_images.md`).

use std::path::Path;

use zeroize::Zeroizing;

use super::anatomy::Anatomy;
use super::envelope::Envelope;
use super::header::flag;
use super::options;
use super::tlv::{Tlv, kind};
use super::trailer::Slot;
use super::{Bad, CipherKey, Error, Fault, Layout, Piece, Settings};
use crate::files;
use crate::key::{self, Decrypter, Hash, KeyFile, KeyRef, KeyType, PublicKey, Recipient, RecipientType};

/// The payload is filled with zeros, so that header and payload are whole blocks of AES.
pub const BLOCK: u64 = 16;

/// How a new image is encrypted.
pub struct Encryption {
    envelope: Envelope,
    recipient: Recipient,
    key_len: usize,
    /// Whether the payload stays clear, for the primary slot.
    pub is_clear: bool,
}

impl Encryption {
    /// Reads the settings; `signer` is the key that signs. None where the image is not to be encrypted.
    pub fn new(settings: &Settings, signer: Option<&PublicKey>) -> Result<Option<Self>, Error> {
        let Some(path) = settings.text("encrypt") else {
            return match ["encrypt-keylen", "hmac-sha", "clear", "save-enctlv"]
                .into_iter()
                .find(|name| settings.has(name))
            {
                Some(name) => Err(Error::setting(name, "goes with --encrypt alone")),
                None => Ok(None),
            };
        };
        let recipient = recipient(Path::new(path))?;
        check_pair(signer, &recipient)?;
        let mac = if settings.text("hmac-sha") == Some("512") { Hash::Sha512 } else { Hash::Sha256 };
        Ok(Some(Self {
            envelope: Envelope::to(&recipient, mac)?,
            recipient,
            key_len: if settings.text("encrypt-keylen") == Some("256") { 32 } else { 16 },
            is_clear: settings.has("clear"),
        }))
    }

    /// The flag in the header.
    pub fn flag(&self) -> u32 {
        if self.key_len == 32 { flag::ENCRYPTED_AES256 } else { flag::ENCRYPTED_AES128 }
    }

    /// Makes a content key, and the TLV that takes it along.
    pub fn seal(&self) -> Result<(CipherKey, Tlv), Error> {
        let mut content_key = Zeroizing::new(vec![0; self.key_len]);
        key::random(&mut content_key)?;
        let value = self.envelope.seal(&self.recipient, &content_key)?;
        Ok((CipherKey::new(content_key), Tlv::new(self.envelope.tlv(), value)))
    }
}

/// Reads the device's public key, or takes it from the private one, which the build of a bootloader has anyway.
fn recipient(path: &Path) -> Result<Recipient, key::Error> {
    match KeyFile::read(&KeyRef::File(path.to_owned())) {
        Ok(file) => Recipient::from_spki(file.open_any(None)?.spki()),
        Err(key::Error::File(files::Error::WrongKind { .. })) => Recipient::read(path),
        Err(error) => Err(error),
    }
}

/// A bootloader that signs with EC or RSA decrypts with the same (`scripts/imgtool/main.py`, `sign`).
fn check_pair(signer: Option<&PublicKey>, recipient: &Recipient) -> Result<(), Error> {
    let recipient = recipient.recipient_type();
    match (signer.map(PublicKey::key_type), recipient) {
        (None | Some(KeyType::Ed25519), _)
        | (Some(KeyType::P256), RecipientType::P256)
        | (Some(KeyType::Rsa(_)), RecipientType::Rsa(_)) => Ok(()),
        (Some(signer), _) => Err(Error::setting(
            "encrypt",
            format!("an {recipient} key does not go with a signature by an {signer} key"),
        )),
    }
}

/// The slot of an image that has its header.
pub fn slot(anatomy: &Anatomy, settings: &Settings) -> Result<Slot, Error> {
    let mut slot = options::slot(settings)?;
    if anatomy.header.has(flag::ENCRYPTED) {
        let sealed = anatomy.unprotected.iter().find(|tlv| Envelope::of_tlv(tlv.kind).is_some());
        slot.keep_keys(sealed.filter(|_| settings.has("save-enctlv")).map(|tlv| tlv.value.len()));
    }
    Ok(slot)
}

/// All that is signed of an image, as it was before it was encrypted. Bad where it is encrypted and the setting
/// `decrypt-key` names no key that opens it, or `clear` says that the payload is not.
pub fn plain(anatomy: &Anatomy, settings: &Settings) -> Result<Layout, Fault> {
    let whole = Layout::new([Piece::Span(0..anatomy.signed)]);
    if !anatomy.header.has(flag::ENCRYPTED) || settings.has("clear") {
        return Ok(whole);
    }
    let Some(decrypter) = settings.decrypter("decrypt-key")? else {
        return Err(Bad::new("encrypted", "the image is encrypted, and no key was given that opens it").into());
    };
    let key = open(anatomy, decrypter.as_ref())?;
    let start = u64::from(anatomy.header.header_size);
    let end = start + u64::from(anatomy.header.image_size);
    let layout = Layout::new([Piece::Span(start..end)]);
    Ok(Layout::new([Piece::Span(0..start), Piece::Ciphered { key, layout }, Piece::Span(end..anatomy.signed)]))
}

/// The content key. A device looks at the first TLV of the one type that it knows, and expects one length
/// (`boot/bootutil/src/encrypted.c`, `boot_enc_load`).
fn open(anatomy: &Anatomy, decrypter: &dyn Decrypter) -> Result<CipherKey, Fault> {
    let own = decrypter.recipient().recipient_type();
    let found = anatomy.unprotected.iter().find_map(|tlv| {
        let envelope = Envelope::of_tlv(tlv.kind).filter(|envelope| envelope.recipient_type() == own)?;
        Some((envelope, &tlv.value))
    });
    let Some((envelope, value)) = found else {
        return Err(Bad::new("encrypted", format!("the image is encrypted for another type of key than {own}")).into());
    };
    let key_len = if anatomy.header.has(flag::ENCRYPTED_AES256) { 32 } else { 16 };
    if value.len() != envelope.value_len(key_len) {
        let name = kind::name(envelope.tlv());
        let words = format!("{name} has {} bytes for a key of {key_len}", value.len());
        return Err(Bad::new("tlv-length", words).into());
    }
    match envelope.open(decrypter, value) {
        Ok(content_key) if content_key.len() == key_len => Ok(CipherKey::new(content_key)),
        Ok(_) => Err(Bad::new("not-opened", "the content key is not of the length that the header says").into()),
        Err(error @ key::Error::NotOpened) => Err(Bad::new("not-opened", error).into()),
        Err(error) => Err(error.into()),
    }
}
