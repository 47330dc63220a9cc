//! The coder itself: symbols of known frequency, and plain bits, into one number that grows to the front.
//!
//! It is the range variant of asymmetric numeral systems (Duda 2013, "rANS"), with one state of 32 bits and
//! words of 16. What is coded last is decoded first, so the encoder notes its tokens and runs through them
//! backwards; the decoder then reads forwards. Against the tabled variant (tANS, FSE) it needs a division per
//! symbol but no kilobytes of tables per context on the server, where a thousand rooms may each learn their own.

use super::{
    codebook::Codes,
    symbol::{DIRECT, ESCAPE, ESCAPED_BITS, number_of, symbol_of},
};
use crate::{coding::Reader, error::DecodeError};

/// Frequencies of a table add up to 2^this.
pub(crate) const SCALE_BITS: u32 = 11;
/// What they add up to.
pub(crate) const SCALE: u32 = 1 << SCALE_BITS;
/// The state never falls below this; the encoder starts here, and the decoder must end here.
const FLOOR: u32 = 1 << 16;
/// Bits of a word.
const WORD_BITS: u32 = 16;
/// A token that takes no bits: all of the scale.
const NOTHING: u32 = SCALE;

/// What will be coded, in the order in which it will be decoded.
///
/// A token is a piece of the scale, as `first << 12 | frequency`: a symbol's, or for plain bits one of 2^bits
/// equal ones.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    tokens: Vec<u32>,
    words: Vec<u16>,
}

/// The place of a token that is not known yet.
#[derive(Debug)]
pub(crate) struct Reserved(usize);

impl Tokens {
    /// Notes a number; returns its symbol, for who counts them.
    #[inline]
    pub(crate) fn number(&mut self, codes: &Codes, number: u32) -> usize {
        let (symbol, bits) = symbol_of(number);
        let code = codes.of(symbol);
        if code != 0 {
            self.tokens.push(code);
        } else {
            self.tokens.push(codes.of(ESCAPE));
            self.plain(symbol as u32, ESCAPED_BITS);
        }
        if bits > 0 {
            self.plain(number & ((1 << bits) - 1), bits);
        }
        symbol
    }

    /// Notes up to 32 plain bits, low ones first.
    #[inline]
    pub(crate) fn plain(&mut self, mut value: u32, mut bits: u32) {
        while bits > SCALE_BITS {
            self.tokens.push((value & (SCALE - 1)) << 12 | 1);
            value >>= SCALE_BITS;
            bits -= SCALE_BITS;
        }
        let share = SCALE_BITS - bits;
        self.tokens.push(value << share << 12 | 1 << share);
    }

    /// Keeps a place for a number that is known later: as many tokens as a number can take, those
    /// unused being no bits at all.
    #[inline]
    pub(crate) fn reserve(&mut self) -> Reserved {
        self.tokens.extend([NOTHING; NUMBER_TOKENS_MAX]);
        Reserved(self.tokens.len() - NUMBER_TOKENS_MAX)
    }

    /// Puts a number into its place; returns its symbol.
    #[inline]
    pub(crate) fn fill(&mut self, place: &Reserved, codes: &Codes, number: u32) -> usize {
        let end = self.tokens.len();
        let symbol = self.number(codes, number);
        let len = self.tokens.len() - end;
        self.tokens.copy_within(end.., place.0);
        debug_assert!(len <= NUMBER_TOKENS_MAX);
        self.tokens.truncate(end);
        symbol
    }

    /// Appends everything noted as bytes, and forgets it.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let mut state = FLOOR;
        // A token gives off one word at most. Whether it does is a coin toss, so there is no branch on it.
        self.words.resize(self.tokens.len(), 0);
        let mut len = 0;
        for &token in self.tokens.iter().rev() {
            let (frequency, first) = (token & 0xfff, token >> 12);
            let full = state >> (32 - SCALE_BITS) >= frequency;
            self.words[len] = state as u16;
            len += usize::from(full);
            state = if full { state >> WORD_BITS } else { state };
            state = ((state / frequency) << SCALE_BITS) + state % frequency + first;
        }
        self.tokens.clear();
        out.extend(state.to_le_bytes());
        out.extend(
            self.words[..len]
                .iter()
                .rev()
                .flat_map(|word| word.to_le_bytes()),
        );
    }
}

/// Tokens of one number at most: the escape, the symbol behind it, and 30 plain bits.
const NUMBER_TOKENS_MAX: usize = 5;

/// Reads what [`Tokens::finish`] wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbols<'a> {
    state: u32,
    words: &'a [u8],
    /// Words that were missing: the bytes are cut, and what was read since is nonsense.
    missing: u32,
}

impl<'a> Symbols<'a> {
    /// Starts at the front of what is left in `reader`.
    pub(crate) fn new(reader: Reader<'a>) -> Result<Self, DecodeError> {
        let mut reader = reader;
        let state = reader.u32("a delta")?;
        if state < FLOOR {
            return Err(DecodeError::Invalid("a delta's first word"));
        }
        Ok(Self {
            state,
            words: reader.rest(),
            missing: 0,
        })
    }

    /// Takes a number.
    #[inline]
    pub(crate) fn number(&mut self, codes: &Codes) -> u32 {
        self.number_in(codes, codes.slots())
    }

    /// Takes a number, with the table's slots at hand.
    #[inline]
    pub(crate) fn number_in(&mut self, codes: &Codes, slots: &Slots) -> u32 {
        let slot = self.state & (SCALE - 1);
        let mut symbol = slots[slot as usize] as usize;
        let code = codes.of(symbol);
        let (frequency, first) = (code & 0xfff, code >> 12);
        self.state = frequency * (self.state >> SCALE_BITS) + slot - first;
        self.refill();
        if symbol < DIRECT {
            return symbol as u32;
        }
        if symbol == ESCAPE {
            // A hostile peer may write a symbol there is none of.
            symbol = (self.plain(ESCAPED_BITS) as usize).min(ESCAPE - 1);
        }
        let (number, bits) = number_of(symbol);
        if bits == 0 {
            number
        } else {
            number + self.plain(bits)
        }
    }

    /// Takes up to 32 plain bits.
    #[inline]
    pub(crate) fn plain(&mut self, bits: u32) -> u32 {
        let mut value = 0;
        let mut taken = 0;
        while taken < bits {
            let count = (bits - taken).min(SCALE_BITS);
            let share = SCALE_BITS - count;
            let slot = self.state & (SCALE - 1);
            value |= (slot >> share) << taken;
            self.state = ((self.state >> SCALE_BITS) << share) + (slot & ((1 << share) - 1));
            self.refill();
            taken += count;
        }
        value
    }

    #[inline]
    fn refill(&mut self) {
        // Whether a word is due is a coin toss, so there is no branch on it.
        let due = self.state < FLOOR;
        let word = match self.words.first_chunk::<2>() {
            Some(word) => u16::from_le_bytes(*word),
            None => {
                self.missing += u32::from(due);
                0
            }
        };
        let refilled = self.state << WORD_BITS | u32::from(word);
        self.state = if due { refilled } else { self.state };
        let used = if due { 2 } else { 0 };
        self.words = self.words.get(used..).unwrap_or(&[]);
    }

    /// Whether the bytes ran out; what was read since means nothing.
    #[inline]
    pub(crate) const fn ran_out(&self) -> bool {
        self.missing > 0
    }

    /// Ends the reading and gives back the bytes behind.
    pub(crate) const fn finish(self) -> Result<Reader<'a>, DecodeError> {
        if self.missing > 0 {
            return Err(DecodeError::Truncated("a delta"));
        }
        if self.state != FLOOR {
            return Err(DecodeError::Invalid("a delta's end"));
        }
        Ok(Reader::new(self.words))
    }
}

/// For each point of the scale the symbol there: what makes decoding one look-up.
pub(crate) type Slots = [u8; SCALE as usize];
