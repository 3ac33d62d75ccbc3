//! Bytes that benches work on: they do not repeat within a read and do not compress, and are the same in each run.

/// Returns `count` bytes; another `seed` gives others.
pub fn random_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        // Knuth's MMIX generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    });
    words.take(count.div_ceil(4)).flat_map(u32::to_be_bytes).take(count).collect()
}
