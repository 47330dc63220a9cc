//! The coder itself: symbols of known frequency, and plain bits, into one number that grows to the front.
//!
//! It is the range variant of asymmetric numeral systems (Duda 2013, "rANS"), with states of 32 bits and
//! words of 16. What is coded last is decoded first, so the encoder notes its tokens and runs through them
//! backwards; the decoder then reads forwards. A long run of symbols takes two states in turn, because what
//! one symbol waits for is the one before (Giesen 2014, "Interleaved entropy coders"). Against the tabled
//! variant (tANS, FSE) it needs a multiplication per symbol but no kilobytes of tables per context on the
//! server, where a thousand rooms may each learn their own.

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

/// What will be coded, in the order in which it will be decoded.
///
/// A token is a piece of the scale, as `first << 12 | frequency`: a symbol's, or for plain bits one of 2^bits
/// equal ones.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    tokens: Vec<u32>,
    /// Where the runs begin and end that take two states in turn.
    runs: Vec<(usize, usize)>,
    words: Vec<u16>,
}

impl Tokens {
    /// Notes a number.
    #[inline(always)]
    pub(crate) fn number(&mut self, codes: &Codes, number: u32) {
        let code = codes.of(number as usize);
        if (number < DIRECT as u32) & (code != 0) {
            self.tokens.push(code);
        } else {
            self.rare_number(codes, number);
        }
    }

    #[inline(never)]
    fn rare_number(&mut self, codes: &Codes, number: u32) {
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

    /// Notes many numbers, each with its table: a run, for which two states take turns.
    #[inline(always)]
    pub(crate) fn run<'c>(&mut self, numbers: impl ExactSizeIterator<Item = (&'c Codes, u32)>) {
        let start = self.tokens.len();
        self.tokens.reserve(numbers.len());
        for (codes, number) in numbers {
            self.number(codes, number);
        }
        self.runs.push((start, self.tokens.len()));
    }

    /// Appends everything noted as bytes, and forgets it.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        // A token gives off one word at most, and the second state is two.
        self.words.resize(self.tokens.len() + 2, 0);
        let mut back = Backwards {
            states: [FLOOR; 2],
            words: &mut self.words,
            len: 0,
        };
        let mut end = self.tokens.len();
        for (place, &(run_start, run_end)) in self.runs.iter().enumerate().rev() {
            back.take_all(&self.tokens[run_end..end]);
            back.take_run(&self.tokens[run_start..run_end]);
            end = run_start;
            if place == 0 {
                back.give_second_state();
            }
        }
        back.take_all(&self.tokens[..end]);
        let (state, len) = (back.states[0], back.len);
        self.tokens.clear();
        self.runs.clear();
        out.extend(state.to_le_bytes());
        out.extend(
            self.words[..len]
                .iter()
                .rev()
                .flat_map(|word| word.to_le_bytes()),
        );
    }
}

/// The encoder on its way through the tokens.
struct Backwards<'a> {
    /// The first is the one in use.
    states: [u32; 2],
    words: &'a mut [u16],
    len: usize,
}

impl Backwards<'_> {
    fn take_all(&mut self, tokens: &[u32]) {
        for &token in tokens.iter().rev() {
            self.states[0] = self.take(self.states[0], token);
        }
    }

    /// What the decoder turns over after each token, this turns over before.
    fn take_run(&mut self, tokens: &[u32]) {
        let [mut state, mut other] = self.states;
        for &token in tokens.iter().rev() {
            (state, other) = (self.take(other, token), state);
        }
        self.states = [state, other];
    }

    /// The decoder reads it when it needs it first.
    fn give_second_state(&mut self) {
        let state = self.states[1];
        self.words[self.len] = (state >> WORD_BITS) as u16;
        self.words[self.len + 1] = state as u16;
        self.len += 2;
    }

    /// Puts a token on a state. Whether that gives off a word is a coin toss, so there is no branch on it.
    #[inline(always)]
    fn take(&mut self, state: u32, token: u32) -> u32 {
        let (frequency, first) = (token & 0xfff, token >> 12);
        let is_full = state >> (32 - SCALE_BITS) >= frequency;
        self.words[self.len] = state as u16;
        self.len += usize::from(is_full);
        let state = if is_full { state >> WORD_BITS } else { state };
        // The quotient by the frequency. Half a unit is added first, which no quotient notices; it keeps the
        // reciprocal of 1 within 64 bits.
        let doubled = u128::from(u64::from(state) << 1 | 1);
        let reciprocal = RECIPROCALS[(frequency & (2 * SCALE - 1)) as usize];
        let quotient = ((doubled * u128::from(reciprocal)) >> 64) as u32;
        state + quotient * (SCALE - frequency) + first
    }
}

/// 2^63 divided by each frequency.
static RECIPROCALS: [u64; 2 * SCALE as usize] = {
    let mut reciprocals = [0; 2 * SCALE as usize];
    let mut frequency = 1;
    while frequency <= SCALE as usize {
        reciprocals[frequency] = (1 << 63) / frequency as u64;
        frequency += 1;
    }
    reciprocals
};

/// Reads what [`Tokens::finish`] wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbols<'a> {
    state: u32,
    /// The one that takes turns with it in runs; 0 until there was one.
    other: u32,
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
            other: 0,
            words: reader.rest(),
            missing: 0,
        })
    }

    /// Takes a number.
    #[inline]
    pub(crate) fn number(&mut self, codes: &Codes) -> u32 {
        let symbol = self.symbol(codes, codes.slots());
        if symbol < DIRECT {
            return symbol as u32;
        }
        self.number_of_symbol::<false>(symbol)
    }

    /// Takes the numbers of a run, in order, with the table of each and where to put it.
    #[inline(always)]
    pub(crate) fn run<'c, T>(
        &mut self,
        numbers: impl Iterator<Item = ((&'c Codes, &'c Slots), T)>,
        mut then: impl FnMut(T, u32),
    ) {
        // A copy that nothing points to stays in registers.
        let mut symbols = *self;
        if symbols.other == 0 {
            let (low, high) = (symbols.word(), symbols.word());
            // A state that none can be is as good as missing.
            symbols.other = (high << WORD_BITS | low).max(1);
        }
        for ((codes, slots), place) in numbers {
            let symbol = symbols.symbol(codes, slots);
            core::mem::swap(&mut symbols.state, &mut symbols.other);
            let number = if symbol < DIRECT {
                symbol as u32
            } else {
                let mut copy = symbols;
                let number = copy.number_of_symbol::<true>(symbol);
                symbols = copy;
                number
            };
            then(place, number);
        }
        *self = symbols;
    }

    #[inline(always)]
    fn symbol(&mut self, codes: &Codes, slots: &Slots) -> usize {
        let slot = self.state & (SCALE - 1);
        let symbol = slots[slot as usize] as usize;
        let code = codes.of(symbol);
        let (frequency, first) = (code & 0xfff, code >> 12);
        self.state = frequency * (self.state >> SCALE_BITS) + slot - first;
        self.refill();
        symbol
    }

    /// The number of a symbol, with the plain bits behind it.
    #[inline(never)]
    fn number_of_symbol<const IN_RUN: bool>(&mut self, mut symbol: usize) -> u32 {
        if symbol == ESCAPE {
            // A hostile peer may write a symbol there is none of.
            symbol = (self.bits::<IN_RUN>(ESCAPED_BITS) as usize).min(ESCAPE - 1);
        }
        let (number, bits) = number_of(symbol);
        if bits == 0 {
            number
        } else {
            number + self.bits::<IN_RUN>(bits)
        }
    }

    /// Takes up to 32 plain bits.
    #[inline]
    pub(crate) fn plain(&mut self, bits: u32) -> u32 {
        self.bits::<false>(bits)
    }

    #[inline]
    fn bits<const IN_RUN: bool>(&mut self, bits: u32) -> u32 {
        let mut value = 0;
        let mut taken = 0;
        while taken < bits {
            let count = (bits - taken).min(SCALE_BITS);
            let share = SCALE_BITS - count;
            let slot = self.state & (SCALE - 1);
            value |= (slot >> share) << taken;
            self.state = ((self.state >> SCALE_BITS) << share) + (slot & ((1 << share) - 1));
            self.refill();
            if IN_RUN {
                core::mem::swap(&mut self.state, &mut self.other);
            }
            taken += count;
        }
        value
    }

    #[inline(always)]
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

    fn word(&mut self) -> u32 {
        if let Some((word, rest)) = self.words.split_first_chunk::<2>() {
            self.words = rest;
            u16::from_le_bytes(*word).into()
        } else {
            self.missing += 1;
            0
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
        // Both are where the encoder began, whichever of them is in use now.
        if self.state != FLOOR || self.other != 0 && self.other != FLOOR {
            return Err(DecodeError::Invalid("a delta's end"));
        }
        Ok(Reader::new(self.words))
    }
}

/// For each point of the scale the symbol there: what makes decoding one look-up.
pub(crate) type Slots = [u8; SCALE as usize];
