//! Chains: the first certificate of the input is the leaf, the last the anchor, and what stands between may help, revocation
//! lists and OCSP responses too.
//!
//! Each is signed anew with the one key of the seeds, so that what is behind the check of a signature is reached too.

#![no_main]

use bulla::x509::ocsp::{Answer, Response};
use bulla::x509::verify::{Anchors, Mode, Purpose, Revocation, Rules, path};
use bulla::x509::{AltName, Certificate, CertificateList};
use bulla_fuzz::der::{Node, mutate, parse};
use bulla_fuzz::{PURPOSES, ROOT, now, signed};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| {
    let (mut certificates, mut lists, mut responses) = (Vec::new(), Vec::new(), Vec::new());
    for mut node in parse(bytes).unwrap_or_default() {
        if is_answer(&node) {
            [1, 0, 1, 0].iter().try_fold(&mut node, |node, at| node.member(*at)).map(signed);
        } else {
            signed(&mut node);
        }
        let der = node.encoding();
        certificates.extend(Certificate::from_der(&der));
        lists.extend(CertificateList::from_der(&der));
        responses.extend(response(&der));
    }
    let [leaf, untrusted @ .., anchor] = certificates.as_slice() else { return };
    let judge = |anchor: &Certificate, rules: &Rules| {
        let anchors = Anchors::new(vec![anchor.clone()]).expect("an anchor");
        let found = path(leaf, untrusted, &anchors, rules);
        match &found {
            Ok(found) => {
                let chain = found.chain.certificates();
                assert_eq!((chain.first(), chain.last()), (Some(leaf), Some(anchor)));
                assert!(chain.len() >= 2);
            }
            Err(refusal) => assert!(!refusal.code().is_empty() && !refusal.to_string().is_empty()),
        }
        found.is_ok()
    };
    let rules = |purpose, mode| Rules {
        revocation: Revocation { mode, lists: lists.clone(), responses: responses.clone() },
        ..Rules::new(purpose, now())
    };
    for purpose in PURPOSES {
        let holds = judge(anchor, &rules(purpose, Mode::Off));
        assert!(
            !holds || !judge(&ROOT[0], &rules(purpose, Mode::Off)),
            "whoever trusts another does not trust this one"
        );
        assert!(holds || !judge(anchor, &rules(purpose, Mode::Check)), "evidence of revocation only takes away");
    }
    let any = rules(Purpose::Any, Mode::Require);
    assert!(!judge(anchor, &any) || judge(anchor, &rules(Purpose::Any, Mode::Check)), "less is asked");
    let mut any = rules(Purpose::Any, Mode::Off);
    any.policies.require_explicit = true;
    any.name = AltName::dns("a.example").ok();
    assert!(!judge(anchor, &any) || judge(anchor, &rules(Purpose::Any, Mode::Off)), "less is asked");
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate(data, size, max_size, seed) });

fn response(der: &[u8]) -> Option<Response> {
    match Answer::from_der(der) {
        Ok(Answer::Response(response)) => Some(response),
        _ => None,
    }
}

/// Whether it may be an OCSP response, which holds what is signed further below.
fn is_answer(node: &Node) -> bool {
    node.members().len() == 2
}
