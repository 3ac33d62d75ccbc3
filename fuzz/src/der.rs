//! DER as a tree, so that a mutation keeps the lengths around it right: without that hardly any input would get beyond
//! the first reader of a structure.

use libfuzzer_sys::fuzzer_mutate;

/// Deepest nesting that is taken apart; what is below is bytes.
const DEPTH_LIMIT: usize = 24;

/// One value.
#[derive(Clone)]
pub struct Node {
    /// The identifier octet. Tag numbers above 30 are not taken apart.
    tag: u8,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Bytes(Vec<u8>),
    /// Values in a row, after what stands before them: the unused bits of a BIT STRING.
    Nodes(Vec<u8>, Vec<Node>),
}

impl Node {
    /// The members of a constructed value.
    pub fn members(&self) -> &[Node] {
        match &self.content {
            Content::Bytes(_) => &[],
            Content::Nodes(_, nodes) => nodes,
        }
    }

    /// A value of bytes.
    pub fn of_bytes(tag: u8, bytes: Vec<u8>) -> Self {
        Self { tag, content: Content::Bytes(bytes) }
    }

    /// One of its members, to be changed.
    pub fn member(&mut self, number: usize) -> Option<&mut Node> {
        match &mut self.content {
            Content::Bytes(_) => None,
            Content::Nodes(_, nodes) => nodes.get_mut(number),
        }
    }

    /// Its whole encoding.
    pub fn encoding(&self) -> Vec<u8> {
        let content = match &self.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Nodes(before, nodes) => [before.clone(), encoding(nodes)].concat(),
        };
        let length = content.len().to_be_bytes();
        let octets = &length[length.iter().take_while(|byte| **byte == 0).count()..];
        let head = match content.len() {
            short @ 0..=127 => vec![self.tag, short as u8],
            _ => [&[self.tag, 0x80 | octets.len() as u8], octets].concat(),
        };
        [head, content].concat()
    }

    fn count(&self) -> usize {
        1 + self.members().iter().map(Self::count).sum::<usize>()
    }
}

/// The encoding of values in a row.
pub fn encoding(nodes: &[Node]) -> Vec<u8> {
    nodes.iter().flat_map(Node::encoding).collect()
}

/// Takes bytes apart into the values that stand there in a row; `None` where they are anything else.
pub fn parse(bytes: &[u8]) -> Option<Vec<Node>> {
    parse_at(bytes, 0)
}

fn parse_at(mut bytes: &[u8], depth: usize) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    while let [tag, first, rest @ ..] = bytes {
        let (length, rest) = match first {
            short @ 0..=0x7f => (usize::from(*short), rest),
            0x81..=0x84 => {
                let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        // Extensions and signed content are DER in an OCTET STRING, keys in a BIT STRING.
        let before = usize::from(*tag == 0x03).min(content.len());
        let may_nest = depth < DEPTH_LIMIT && content.len() > before && (tag & 0x20 != 0 || matches!(tag, 0x03 | 0x04));
        let inner = may_nest.then(|| parse_at(&content[before..], depth + 1)).flatten();
        let content = match inner {
            Some(nodes) => Content::Nodes(content[..before].to_vec(), nodes),
            None => Content::Bytes(content.to_vec()),
        };
        nodes.push(Node { tag: *tag, content });
        bytes = rest;
    }
    bytes.is_empty().then_some(nodes)
}

/// Mutates DER: a value somewhere in it is changed, doubled, removed, or put in another's place, and what is around it stays
/// whole. One time in four, and where the input is no DER, any byte is changed.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut chance = Chance(u64::from(seed) | 1 << 32);
    let Some(mut nodes) = parse(&data[..size]).filter(|nodes| !nodes.is_empty() && chance.below(4) > 0) else {
        return fuzzer_mutate(data, size, max_size);
    };
    let total = |nodes: &[Node]| nodes.iter().map(Node::count).sum::<usize>();
    let other = chance.below(total(&nodes));
    let other = with(&mut nodes, other, &mut |nodes, at| nodes[at].clone());
    let place = chance.below(total(&nodes));
    with(&mut nodes, place, &mut |nodes, at| match chance.below(8) {
        0 => drop(nodes.remove(at)),
        1 => nodes.insert(at, nodes[at].clone()),
        2 => nodes[at] = other.clone(),
        3 => nodes.insert(at, other.clone()),
        4 => nodes[at].tag ^= 1 << chance.below(8),
        _ => nodes[at].content = Content::Bytes(mutated(&nodes[at].content)),
    });
    let bytes = encoding(&nodes);
    match data.get_mut(..bytes.len()) {
        Some(place) if bytes.len() <= max_size => {
            place.copy_from_slice(&bytes);
            bytes.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
}

/// The bytes of a content, changed by the fuzzer.
fn mutated(content: &Content) -> Vec<u8> {
    let mut bytes = match content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::Nodes(before, nodes) => [before.clone(), encoding(nodes)].concat(),
    };
    let size = bytes.len();
    let room = size + 64;
    bytes.resize(room, 0);
    let size = fuzzer_mutate(&mut bytes, size, room);
    bytes.truncate(size);
    bytes
}

/// Does something with the value of this number, in the order of their heads, among those that it stands in a row with.
fn with<T>(nodes: &mut Vec<Node>, number: usize, work: &mut impl FnMut(&mut Vec<Node>, usize) -> T) -> T {
    let mut rest = number;
    for at in 0..nodes.len() {
        if rest == 0 {
            return work(nodes, at);
        }
        let count = nodes[at].count();
        if let Content::Nodes(_, inner) = &mut nodes[at].content
            && rest < count
        {
            return with(inner, rest - 1, work);
        }
        rest -= count;
    }
    unreachable!("the number is below the count of values")
}

/// A small generator of numbers (Marsaglia, "Xorshift RNGs", 2003): the fuzzer hands out a seed, and is to get the same
/// mutation for it again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}
