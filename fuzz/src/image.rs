//! What is done with an image, whatever its bytes are: it is described, judged, and laid out for signing.

use std::path::Path;

use bulla::files::printable;
use bulla::image::{
    self, Demands, Detached, Error, Evidence, Existing, Good, ImageFormat, Maker, Policy, Settings, Source, Trust,
    Verdict,
};
use bulla::key::Signer;
use bulla::x509::Chain;
use bulla::x509::verify::{Anchors, Purpose, Rules};

use crate::{ED25519, INPUT, P256, ROOT, SIGNER, assert_printable, changed, now};

/// An image in memory.
pub fn source(bytes: &[u8]) -> Source<'static> {
    Source::from_bytes(Path::new(INPUT), bytes.to_vec(), |_| {})
}

/// Whom the targets trust: either of two keys, a certificate, an anchor.
pub fn policies() -> Vec<Policy> {
    let anchors = Anchors::new(ROOT.clone()).expect("an anchor");
    [
        Trust::Key(P256.public_key().clone()),
        Trust::Key(ED25519.public_key().clone()),
        Trust::Certificate(Box::new(SIGNER[0].clone())),
        Trust::Anchors(anchors),
    ]
    .map(|trust| Policy {
        trust,
        untrusted: Vec::new(),
        rules: Rules::new(Purpose::Firmware, now()),
        demands: Demands::default(),
    })
    .into()
}

/// Judges an image, with a detached signature where there is one.
pub fn judge(
    format: &dyn ImageFormat,
    bytes: &[u8],
    signature: Option<&[u8]>,
    policy: &Policy,
    settings: &Settings,
) -> Option<Good> {
    let signature = signature.map(|bytes| Detached { path: Path::new(INPUT), bytes });
    let evidence = Evidence { signature, signer: None, policy };
    match image::verify(format, &mut source(bytes), &evidence, settings) {
        Ok(Verdict::Good(good)) => Some(*good),
        Ok(Verdict::Bad(bad)) => {
            assert!(!bad.code.is_empty() && !bad.words.is_empty());
            None
        }
        Err(Error::Read { source, .. }) => panic!("a place beyond the end was read: {source}"),
        Err(_) => None,
    }
}

/// Describes an image that has its signature in it, and judges it by every policy.
///
/// Where the signature covers the start of the image, as `from_start` says, it does not hold any more once a bit there is
/// another.
pub fn read(format: &dyn ImageFormat, bytes: &[u8], settings: &Settings, from_start: bool) {
    if let Ok(Some(description)) = format.describe(&mut source(bytes)) {
        description.rows.iter().for_each(|(_, value)| assert_printable(printable(value)));
    }
    for policy in policies() {
        let Some(good) = judge(format, bytes, None, &policy, settings) else { continue };
        let covered = usize::try_from(good.facts.covered).expect("a size in memory");
        assert!(covered > 0 && covered <= bytes.len(), "{covered} bytes are covered");
        if from_start {
            let (start, rest) = bytes.split_at(covered);
            let twin = [&changed(start), rest].concat();
            assert!(judge(format, &twin, None, &policy, settings).is_none());
        }
    }
}

/// Lays an image out for another signature, and for none.
pub fn lay_out(format: &dyn ImageFormat, bytes: &[u8], settings: &Settings) {
    let chain = Chain::new(SIGNER.clone()).expect("a chain");
    for existing in Existing::ALL {
        let maker = Maker { key: Some(P256.public_key()), chain: Some(&chain), time: now(), existing };
        let _ = format.plan(&mut source(bytes), &maker, settings);
    }
    let _ = format.remove(&mut source(bytes), P256.public_key());
}
