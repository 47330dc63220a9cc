//! The coder itself: symbols of known frequency, and plain bits, into one number that grows to the front.
//!
//! It is the range variant of asymmetric numeral systems (Duda 2013, "rANS"), with one state of 32 bits and
//! words of 16. What is coded last is decoded first, so the encoder notes its tokens and runs through them
//! backwards; the decoder then reads forwards. Against the tabled variant (tANS, FSE) it needs a division per
//! symbol but no kilobytes of tables per context on the server, where a thousand rooms may each learn their own.

use super::{
    codebook::Codes,
    symbol::{ESCAPE, ESCAPED_BITS, number_of, symbol_of},
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
/// Marks a token of plain bits.
const PLAIN: u32 = 1 << 31;

/// What will be coded, in the order in which it will be decoded.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// A symbol as `first << 12 | frequency`; plain bits as `PLAIN | count << 16 | bits`.
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

    /// Notes up to 32 plain bits.
    #[inline]
    pub(crate) fn plain(&mut self, value: u32, bits: u32) {
        if bits > WORD_BITS {
            self.tokens.push(PLAIN | WORD_BITS << 16 | (value & 0xffff));
            self.tokens
                .push(PLAIN | (bits - WORD_BITS) << 16 | value >> WORD_BITS);
        } else {
            self.tokens.push(PLAIN | bits << 16 | value);
        }
    }

    /// Keeps a place for a number that is known later: four tokens, those unused being no bits at all.
    #[inline]
    pub(crate) fn reserve(&mut self) -> Reserved {
        self.tokens.extend([PLAIN; 4]);
        Reserved(self.tokens.len() - 4)
    }

    /// Puts a number into its place; returns its symbol.
    #[inline]
    pub(crate) fn fill(&mut self, place: &Reserved, codes: &Codes, number: u32) -> usize {
        let end = self.tokens.len();
        let symbol = self.number(codes, number);
        let len = self.tokens.len() - end;
        self.tokens.copy_within(end.., place.0);
        debug_assert!(len <= 4);
        self.tokens.truncate(end);
        symbol
    }

    /// Appends everything noted as bytes, and forgets it.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let mut state = FLOOR;
        self.words.clear();
        for &token in self.tokens.iter().rev() {
            if token & PLAIN == 0 {
                let (frequency, first) = (token & 0xfff, token >> 12);
                if state >> (32 - SCALE_BITS) >= frequency {
                    self.words.push(state as u16);
                    state >>= WORD_BITS;
                }
                state = ((state / frequency) << SCALE_BITS) + state % frequency + first;
            } else {
                let (bits, value) = (token >> 16 & 0x7fff, token & 0xffff);
                if u64::from(state) << bits > u64::from(u32::MAX) {
                    self.words.push(state as u16);
                    state >>= WORD_BITS;
                }
                state = state << bits | value;
            }
        }
        self.tokens.clear();
        out.extend(state.to_le_bytes());
        out.extend(self.words.iter().rev().flat_map(|word| word.to_le_bytes()));
    }
}

/// Reads what [`Tokens::finish`] wrote.
#[derive(Debug)]
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
        if symbol < 16 {
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
        if bits > WORD_BITS {
            let low = self.plain(WORD_BITS);
            return low | self.plain(bits - WORD_BITS) << WORD_BITS;
        }
        let value = self.state & ((1 << bits) - 1);
        self.state >>= bits;
        self.refill();
        value
    }

    #[inline]
    fn refill(&mut self) {
        if self.state < FLOOR {
            let word = match self.words.split_first_chunk::<2>() {
                Some((word, rest)) => {
                    self.words = rest;
                    u16::from_le_bytes(*word)
                }
                None => {
                    self.missing += 1;
                    0
                }
            };
            self.state = self.state << WORD_BITS | u32::from(word);
        }
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
