//! CMS messages, in DER and BER, and what their signers claim; envelopes are read, and opened with the key of the seeds.

#![no_main]

use bulla::cms::{EnvelopedData, SignedData, certs_only};
use bulla::image::{Settings, format_named};
use bulla::key::SoftwareDecrypter;
use bulla_fuzz::{P256, SIGNER, assert_printable, changed, der, image};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// What the detached seeds sign.
const CONTENT: &[u8] = b"content";

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = EnvelopedData::from_bytes(bytes) {
        assert!(SignedData::from_bytes(bytes).is_err());
        let key = SoftwareDecrypter::try_from(&*P256).expect("a key that decrypts");
        let _ = envelope.open(&key, &SIGNER[0]);
    }
    if let Ok(certificates) = SignedData::certificates_only(bytes)
        && !certificates.is_empty()
    {
        let again = certs_only(&certificates).expect("what was read");
        let again = SignedData::certificates_only(&again).expect("what was written");
        // They are a set, which DER sorts.
        assert!(again.len() == certificates.len() && certificates.iter().all(|one| again.contains(one)));
    }
    let Ok(message) = SignedData::from_bytes(bytes) else { return };
    let content = message.content.as_deref().unwrap_or(CONTENT);
    for signer in &message.signers {
        if let Ok(certificate) = message.certificate_of(signer, &[]) {
            assert_printable(certificate.subject());
        }
        let Ok(hash) = signer.digest_hash() else { continue };
        // Signed attributes hold the digest of the content, and no other.
        let claim = message.claim(signer, &hash.digest(content));
        if claim.is_ok_and(|claim| claim.attributes.is_some()) {
            assert!(message.claim(signer, &hash.digest(&changed(content))).is_err());
        }
    }
    let format = format_named("cms").expect("a format");
    for policy in image::policies() {
        if let Some(good) = image::judge(format, CONTENT, Some(bytes), &policy, &Settings::default()) {
            assert_eq!(good.facts.covered, CONTENT.len() as u64);
            assert!(image::judge(format, &changed(CONTENT), Some(bytes), &policy, &Settings::default()).is_none());
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { der::mutate(data, size, max_size, seed) });
