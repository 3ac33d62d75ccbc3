//! Chains: the first certificate of the input is the leaf, the last the anchor, and what stands between may help.
//!
//! Each is signed anew by the one key of the seeds, so that what is behind the check of a signature is reached too.

#![no_main]

use bulla::key::{Input, Signer};
use bulla::x509::Certificate;
use bulla::x509::verify::{Anchors, Rules, path};
use bulla_fuzz::der::{Node, mutate, parse};
use bulla_fuzz::{P256, PURPOSES, now};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    let certificates: Vec<Certificate> =
        parse(bytes).unwrap_or_default().iter().filter_map(|node| Certificate::from_der(&signed(node)).ok()).collect();
    let [leaf, untrusted @ .., anchor] = certificates.as_slice() else { return };
    let anchors = Anchors::new(vec![anchor.clone()]).expect("an anchor");
    for purpose in PURPOSES {
        match path(leaf, untrusted, &anchors, &Rules::new(purpose, now())) {
            Ok(found) => {
                let chain = found.chain.certificates();
                assert_eq!((chain.first(), chain.last()), (Some(leaf), Some(anchor)));
                assert!(chain.len() >= 2);
                // It hangs on its anchor alone.
                let others = Anchors::new(bulla_fuzz::ROOT.clone()).expect("an anchor");
                assert!(path(leaf, untrusted, &others, &Rules::new(purpose, now())).is_err());
            }
            Err(refusal) => assert!(!refusal.code().is_empty() && !refusal.to_string().is_empty()),
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate(data, size, max_size, seed) });

/// The certificate with a signature that holds.
fn signed(node: &Node) -> Vec<u8> {
    let [to_be_signed, algorithm, _] = node.members() else { return node.encoding() };
    let message = to_be_signed.encoding();
    let scheme = P256.public_key().key_type().usual_scheme();
    let signature = P256.sign(scheme, Input::Message(&message)).expect("a signature");
    let signature = Node::of_bytes(0x03, [&[0], &signature[..]].concat());
    Node::sequence(vec![to_be_signed.clone(), algorithm.clone(), signature]).encoding()
}
