//! Public keys of every kind, and what is derived from them.

#![no_main]

use std::path::Path;

use bulla::files::Kind;
use bulla::image::esp32::efuse_digest;
use bulla::image::mcuboot::key_hash;
use bulla::key::{KeyId, PublicKey, Recipient, type_name};
use bulla_fuzz::{INPUT, assert_printable, der, documents};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    for document in documents(bytes) {
        if let Ok(recipient) = Recipient::from_document(&document, Path::new(INPUT)) {
            assert_eq!(Recipient::from_spki(recipient.spki()).expect("the same key").spki(), recipient.spki());
            let _ = (recipient.weakness(), recipient.wrap(b"secret"), recipient.agree());
        }
        let _ = type_name(&document.der);
        let Ok(key) = PublicKey::from_document(&document, Path::new(INPUT)) else { continue };
        if document.kind == Kind::PublicKey {
            assert_eq!(key.spki(), document.der.as_slice());
        }
        assert_printable(type_name(key.spki()).expect("a known type"));
        assert_eq!(PublicKey::from_spki(key.spki()).expect("the same key").with_id(key.id()), key);
        if let Ok(text) = key.to_minisign() {
            let documents = documents(text.as_bytes());
            let again = PublicKey::from_document(&documents[0], Path::new(INPUT)).expect("a key of minisign");
            assert_eq!(again, key.clone().with_id(Some(KeyId::of(&key))));
        }
        let _ = (key.weakness(), key.montgomery(), key_hash(&key), efuse_digest(&key));
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { der::mutate(data, size, max_size, seed) });
