//! Fuzzing: bytes in, nothing out; a target panics when something is wrong.
//!
//! The bodies are library functions over `&[u8]`, so that the same body runs for a second as an
//! ordinary test, for minutes by command, and under any external fuzzer. Cases are made from a number:
//! noise, or a good example bent in one of the ways that break parsers.

pub mod choices;
pub mod decoders;
pub mod deltas;
pub mod schemas;
pub mod sessions;

use fastrand::Rng;

/// Something to throw bytes at.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of the body.
    pub name: &'static str,
    /// Good inputs, to bend.
    pub examples: fn() -> Vec<Vec<u8>>,
    /// Takes the bytes; panics when what they exercise breaks a promise.
    pub body: fn(&[u8]),
    /// Bytes of memory that the body may hold at a time, for each byte it is given. What a peer
    /// claims beyond what it sends must cost nothing.
    pub memory_per_byte: usize,
    /// Bytes of memory that the body may hold besides.
    pub memory_fixed: usize,
}

/// Every body there is.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    decoders::TARGETS
        .iter()
        .chain(&schemas::TARGETS)
        .chain(&deltas::TARGETS)
        .chain(&sessions::TARGETS)
}

/// Cases that are noise alone are shorter than this.
const NOISE_BYTES: usize = 512;

/// The case with this number: the same every time.
#[must_use]
pub fn case(number: u64, examples: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Rng::with_seed(number);
    if examples.is_empty() || random.u8(..8) == 0 {
        return noise(&mut random);
    }
    let mut bytes = examples[random.usize(..examples.len())].clone();
    for _ in 0..random.usize(0..4) {
        let other = &examples[random.usize(..examples.len())];
        bend(&mut bytes, other, &mut random);
    }
    bytes
}

fn noise(random: &mut Rng) -> Vec<u8> {
    let len = random.usize(..NOISE_BYTES);
    (0..len).map(|_| random.u8(..)).collect()
}

/// Changes `bytes` in one way.
fn bend(bytes: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    if bytes.is_empty() {
        *bytes = noise(random);
        return;
    }
    let at = random.usize(..bytes.len());
    match random.u8(..8) {
        0 => bytes[at] ^= 1 << random.u8(..8),
        1 => bytes[at] = random.u8(..),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, random.u8(..)),
        4 => drop(bytes.remove(at)),
        // A length or a count that promises everything.
        5 => {
            let end = bytes.len().min(at + random.usize(1..6));
            bytes[at..end].fill(0xff);
        }
        // The front of this and the back of another.
        6 => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.usize(..=other.len())..]);
        }
        // A piece twice.
        _ => {
            let piece = bytes[at..bytes.len().min(at + 16)].to_vec();
            bytes.splice(at..at, piece);
        }
    }
}
