//! CMS messages, in DER and BER, and what their signers claim; envelopes are read, and open for nobody.

#![no_main]

use bulla::cms::{EnvelopedData, SignedData};
use bulla::image::{Settings, format_named};
use bulla_fuzz::{assert_printable, changed, der, image};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// What the detached seeds sign.
const CONTENT: &[u8] = b"content";

fuzz_target!(|bytes: &[u8]| {
    if EnvelopedData::from_bytes(bytes).is_ok() {
        assert!(SignedData::from_bytes(bytes).is_err());
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
