//! Private keys, with a passphrase where they ask for one.

#![no_main]

use bulla::files::{Document, Kind};
use bulla::key::{KeyFile, Passphrase, PrivateKey};
use bulla_fuzz::{assert_signs, der, documents};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Decode;
use pkcs8::pkcs5::pbes2::Kdf;

fuzz_target!(|bytes: &[u8]| {
    let passphrase = Passphrase::new(b"secret".to_vec().into());
    for document in documents(bytes) {
        if !document.kind.is_private_key() || is_costly(&document) {
            continue;
        }
        let Ok(key) = KeyFile::from_document(document).open_any(Some(&passphrase)) else { continue };
        let (kind, der) = key.to_file(None).expect("what was read can be written");
        let again =
            KeyFile::from_document(Document { kind, der }).open_any(None).expect("what was written can be read");
        assert_eq!(key.spki(), again.spki());
        match key {
            PrivateKey::Signing(key) => assert_signs(&key),
            PrivateKey::X25519(_) => assert!(key.into_decrypter().is_ok()),
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { der::mutate(data, size, max_size, seed) });

/// Whether a passphrase is made into a key with more than a trace of work. The library bounds it, at some seconds: nothing
/// else would be done here.
fn is_costly(document: &Document) -> bool {
    match document.kind {
        // The limit of operations, of which 32768 are the least (`minisign::cost` in the library).
        Kind::EncryptedMinisignKey => {
            document.der.get(38..46).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes) > Some(32768)
        }
        Kind::EncryptedKey => EncryptedPrivateKeyInfoRef::from_der(&document.der).is_ok_and(|info| {
            match info.encryption_algorithm.pbes2().map(|scheme| &scheme.kdf) {
                Some(Kdf::Pbkdf2(kdf)) => kdf.iteration_count > 4096,
                Some(Kdf::Scrypt(kdf)) => {
                    let factors = [u64::from(kdf.block_size), u64::from(kdf.parallelization)];
                    factors.into_iter().fold(kdf.cost_parameter, u64::saturating_mul) > 4096
                }
                _ => false,
            }
        }),
        _ => false,
    }
}
