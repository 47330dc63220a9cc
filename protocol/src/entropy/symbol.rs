//! Numbers as symbols of a small alphabet, plus plain bits for what is large.
//!
//! The 32 smallest numbers have a symbol each. Above them every octave has two, and the bits below
//! follow as they are: their distribution is flat enough that modelling them would save nothing.

/// Numbers below this are symbols of their own.
pub(crate) const DIRECT: usize = 32;
/// The octave that [`DIRECT`] begins.
const FIRST_OCTAVE: u32 = DIRECT.ilog2();
/// Symbols a number can have.
pub(crate) const SYMBOLS: usize = DIRECT + 2 * (32 - FIRST_OCTAVE as usize);
/// The symbol that stands for one the table has no place for; the symbol itself follows in plain bits.
pub(crate) const ESCAPE: usize = SYMBOLS;
/// Symbols of a table.
pub(crate) const ALPHABET: usize = SYMBOLS + 1;
/// Plain bits of a symbol after [`ESCAPE`].
pub(crate) const ESCAPED_BITS: u32 = 7;

/// A number's symbol, and how many of its low bits follow.
#[inline]
pub(crate) const fn symbol_of(number: u32) -> (usize, u32) {
    if number < DIRECT as u32 {
        return (number as usize, 0);
    }
    let octave = 31 - number.leading_zeros();
    let half = (number >> (octave - 1)) & 1;
    (
        DIRECT + ((octave - FIRST_OCTAVE) * 2 + half) as usize,
        octave - 1,
    )
}

/// The smallest number of a symbol, and how many low bits follow.
#[inline]
pub(crate) const fn number_of(symbol: usize) -> (u32, u32) {
    if symbol < DIRECT {
        return (symbol as u32, 0);
    }
    let (octave, half) = (
        (symbol - DIRECT) as u32 / 2 + FIRST_OCTAVE,
        symbol as u32 & 1,
    );
    ((2 + half) << (octave - 1), octave - 1)
}

/// Folds a residual so that small magnitudes stay small: 0, −1, 1, −2, … as 0, 1, 2, 3, …
#[inline]
pub(crate) const fn fold(residual: i32) -> u32 {
    (residual << 1 ^ residual >> 31).cast_unsigned()
}

/// Undoes [`fold`].
#[inline]
pub(crate) const fn unfold(number: u32) -> i32 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::{SYMBOLS, fold, number_of, symbol_of, unfold};
    use proptest::prelude::*;

    #[test]
    fn symbols_follow_each_other_without_a_hole() {
        let mut next = 0u64;
        for symbol in 0..SYMBOLS {
            let (first, bits) = number_of(symbol);
            assert_eq!(u64::from(first), next, "symbol {symbol}");
            next += 1 << bits;
        }
        assert_eq!(next, 1 << 32);
    }

    proptest! {
        #[test]
        fn a_number_comes_back(number: u32, shift in 0u32..32) {
            let number = number >> shift;
            let (symbol, bits) = symbol_of(number);
            let (first, same_bits) = number_of(symbol);
            prop_assert_eq!(bits, same_bits);
            prop_assert_eq!(first + (number & ((1u32 << bits) - 1)), number);
        }

        #[test]
        fn a_residual_comes_back(residual: i32) {
            prop_assert_eq!(unfold(fold(residual)), residual);
        }
    }
}
