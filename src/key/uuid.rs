//! UUIDs that are made from names.

/// Makes the name-based UUID of version 5 (RFC 9562 section 5.5): SHA-1 over the namespace's bytes and the name.
///
/// Such a UUID only names something: nothing rests on SHA-1 here.
pub fn uuid5(namespace: &[u8; 16], name: &str) -> [u8; 16] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(namespace);
    context.update(name.as_bytes());
    let mut uuid = [0; 16];
    for (byte, digested) in uuid.iter_mut().zip(context.finish().as_ref()) {
        *byte = *digested;
    }
    uuid[6] = uuid[6] & 0x0f | 0x50;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9562 appendix A.4.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let dns = 0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8_u128.to_be_bytes();
        let expected = 0x2ed6_657d_e927_568b_95e1_2665_a8ae_a6a2_u128.to_be_bytes();
        assert_eq!(uuid5(&dns, "www.example.com"), expected);
    }
}
