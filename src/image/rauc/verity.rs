//! The digest tree of a verity bundle, as the kernel's dm-verity (version 1) reads it: SHA-256, blocks of 4096 bytes.
//!
//! ```text
//! payload   block ...                          the squashfs
//! tree      top level: one block               the root hash is its digest
//!           ...
//!           level over the payload: blocks     each 128 digests of blocks below, zeros at the end
//! digest    SHA-256(salt | block)
//! ```
//!
//! Source: `torvalds/linux Documentation/admin-guide/device-mapper/verity.rst`, `rauc/rauc src/verity_hash.c`.

use std::num::NonZero;
use std::ops::Range;
use std::thread;

use super::{Bad, Error, Fault, Source};
use crate::image::Aside;
use crate::key::{Hash, Hasher};

/// The size of a block, of payload and tree alike.
pub const BLOCK: u64 = 4096;

/// The size of a digest.
const DIGEST: u64 = 32;

/// How many digests are in a block.
const FAN_OUT: u64 = BLOCK / DIGEST;

/// How many blocks are read at a time, 4 MiB: enough for every processor. A multiple of [`FAN_OUT`], so that their
/// digests fill whole blocks.
const AT_A_TIME: u64 = 8 * FAN_OUT;

/// The fewest blocks that are worth a thread.
const PER_THREAD: usize = 64;

/// Where the levels of a tree stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The number of blocks of the payload.
    payload: u64,
    /// The blocks of each level, counted from the begin of the tree; the level over the payload first.
    levels: Vec<Range<u64>>,
}

impl Shape {
    /// The shape of the tree over a payload; none where that is not of whole blocks, or of fewer than two, which would
    /// have no tree.
    pub fn over(payload: u64) -> Option<Self> {
        if !payload.is_multiple_of(BLOCK) || payload <= BLOCK {
            return None;
        }
        let payload = payload / BLOCK;
        let mut sizes = vec![payload.div_ceil(FAN_OUT)];
        while let Some(&size) = sizes.last().filter(|size| **size > 1) {
            sizes.push(size.div_ceil(FAN_OUT));
        }
        let mut start = 0;
        let mut levels: Vec<Range<u64>> = sizes
            .into_iter()
            .rev()
            .map(|size| {
                start += size;
                start - size..start
            })
            .collect();
        levels.reverse();
        Some(Self { payload, levels })
    }

    /// The size of the tree in bytes.
    pub fn len(&self) -> u64 {
        self.levels.first().map_or(0, |lowest| lowest.end * BLOCK)
    }

    /// The number of blocks that a level is over.
    fn blocks_below(&self, level: usize) -> u64 {
        level.checked_sub(1).map_or(self.payload, |below| self.levels[below].end - self.levels[below].start)
    }

    /// The place in the tree, in bytes, of what a level says of a block below it.
    fn place(&self, level: usize, block: u64) -> u64 {
        self.levels[level].start * BLOCK + block * DIGEST
    }
}

/// Makes the tree over a payload that is at the begin of an image. Returns it and its root.
pub fn build(source: &mut Source<'_>, shape: &Shape, salt: &[u8; 32]) -> Result<(Aside, [u8; 32]), Error> {
    let tree = Aside::new()?;
    for level in 0..shape.levels.len() {
        for blocks in parts(shape.blocks_below(level)) {
            let mut below = buffer(&blocks);
            match level.checked_sub(1) {
                None => source.read_at(&mut below, blocks.start * BLOCK)?,
                Some(lower) => tree.read_at(&mut below, shape.levels[lower].start * BLOCK + blocks.start * BLOCK)?,
            }
            tree.write_at(&digests(&below, salt), shape.place(level, blocks.start))?;
        }
    }
    let mut top = vec![0; BLOCK as usize];
    tree.read_at(&mut top, 0)?;
    Ok((tree, digest(&top, salt)))
}

/// Checks a payload at the begin of an image, and the tree right behind it, against the root: from the root down, all
/// of it is read.
pub fn check(source: &mut Source<'_>, shape: &Shape, salt: &[u8; 32], root: &[u8; 32]) -> Result<(), Fault> {
    let bad = |words: String| Err(Bad::new("verity", words).into());
    let tree = shape.payload * BLOCK;
    if digest(&source.span(tree..tree + BLOCK)?, salt) != *root {
        return bad("the digest tree is not the one that was signed".to_owned());
    }
    for level in (0..shape.levels.len()).rev() {
        let place_below = level.checked_sub(1).map_or(0, |below| tree + shape.levels[below].start * BLOCK);
        for blocks in parts(shape.blocks_below(level)) {
            let mut below = buffer(&blocks);
            source.read_at(&mut below, place_below + blocks.start * BLOCK)?;
            let found = digests(&below, salt);
            let place = tree + shape.place(level, blocks.start);
            let wanted = source.span(place..place + found.len() as u64)?;
            if let Some(at) = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted) {
                let block = blocks.start + at as u64 / DIGEST;
                return bad(match level {
                    0 if block < shape.payload => {
                        format!("the payload was changed: block {block} is not what the digest tree says")
                    }
                    _ => format!("the digest tree was changed, at byte {place}"),
                });
            }
        }
    }
    Ok(())
}

/// Blocks in parts that are read at a time.
fn parts(blocks: u64) -> impl Iterator<Item = Range<u64>> {
    (0..blocks).step_by(AT_A_TIME as usize).map(move |start| start..blocks.min(start + AT_A_TIME))
}

/// At most [`AT_A_TIME`] blocks, which a usize holds.
fn buffer(blocks: &Range<u64>) -> Vec<u8> {
    vec![0; ((blocks.end - blocks.start) * BLOCK) as usize]
}

/// The digests of blocks, with zeros up to a whole block. All processors take part.
fn digests(blocks: &[u8], salt: &[u8; 32]) -> Vec<u8> {
    let (block, digest_len) = (BLOCK as usize, DIGEST as usize);
    let count = blocks.len() / block;
    let mut all = vec![0; (count * digest_len).next_multiple_of(block)];
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let per_thread = count.div_ceil(threads).max(PER_THREAD);
    let fill = |digests: &mut [u8], blocks: &[u8]| {
        for (found, block) in digests.chunks_exact_mut(digest_len).zip(blocks.chunks_exact(block)) {
            found.copy_from_slice(&digest(block, salt));
        }
    };
    thread::scope(|scope| {
        let mut parts = all.chunks_mut(per_thread * digest_len).zip(blocks.chunks(per_thread * block));
        let own = parts.next();
        for (digests, blocks) in parts {
            scope.spawn(move || fill(digests, blocks));
        }
        if let Some((digests, blocks)) = own {
            fill(digests, blocks);
        }
    });
    all
}

/// The SHA-256 of a block after the salt.
fn digest(block: &[u8], salt: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Hasher::new(Hash::Sha256);
    hasher.update(salt);
    hasher.update(block);
    let mut digest = [0; 32];
    digest.copy_from_slice(hasher.finish().bytes());
    digest
}
