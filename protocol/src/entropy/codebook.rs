//! What the coder knows about each column's residuals before it sees them.
//!
//! In: counts of the symbols that were coded. Out: frequencies for each of a column's contexts, on both ends
//! the same. The decision to question: the tables are neither fixed nor adapted symbol by symbol. Fixed ones
//! would have to fit every game; adaptive ones cost twice the time, and a player who joins late would have to
//! replay what they learned. A table learned on the server and sent once in a while costs neither.

use super::{
    range::{SCALE, SCALE_BITS, Slots},
    symbol::{ALPHABET, ESCAPE, SYMBOLS, number_of},
};
use crate::{
    coding::{Reader, put_varint},
    error::DecodeError,
    limits::CODEBOOK_BYTES_MAX,
    schema::{Predict, Schema},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// The contexts of one column. What is coded in one has statistics of its own.
pub(crate) mod context {
    /// Residuals by how far off the row's predictions were lately (0 to 7). Level 0 is quiet: only residuals
    /// other than zero are coded, between [`GAP`]s.
    pub(crate) const LEVEL: usize = 0;
    /// Quiet rows between two that are off, plus one; zero when there is no further one.
    pub(crate) const GAP: usize = 8;
    /// As [`GAP`], against a baseline older than a tick.
    pub(crate) const STALE_GAP: usize = 9;
    /// Residuals other than zero against a baseline older than a tick.
    pub(crate) const STALE: usize = 10;
    /// Values of rows that enter, as the difference from the row above.
    pub(crate) const ENTER: usize = 11;
    /// Residuals of rows of which many are off, zeroes included.
    pub(crate) const DENSE: usize = 12;
    /// Contexts of a column.
    pub(crate) const COUNT: usize = 13;
}

/// The contexts that are shared by all columns.
pub(crate) mod shared {
    /// Rows that leave or enter.
    pub(crate) const ROWS: usize = 0;
    /// Rows that stay between two that leave.
    pub(crate) const LEAVE: usize = 1;
    /// Ids between two that enter.
    pub(crate) const ENTER: usize = 2;
    /// Tables that appear.
    pub(crate) const TABLES: usize = 3;
    /// Blobs that stay between two that change, plus one; zero when there is no further one.
    pub(crate) const BLOB_GAP: usize = 4;
    /// Bytes of a blob.
    pub(crate) const BLOB_LEN: usize = 5;
    /// Motions that are as expected between two that are not, plus one; zero when there is no further one.
    pub(crate) const MOTION_GAP: usize = 6;
    /// Differences of velocity.
    pub(crate) const VELOCITY: usize = 7;
    /// Values fitted, less than the most.
    pub(crate) const FITTED: usize = 8;
    /// Differences of activity.
    pub(crate) const ACTIVITY: usize = 9;
    /// Damping.
    pub(crate) const DAMPING: usize = 10;
    /// Whether many rows of a column are off, so that each has a residual: 1; or else 0.
    pub(crate) const DENSE: usize = 11;
    /// Contexts that are shared.
    pub(crate) const COUNT: usize = 12;
}

/// The place of a column's context among all tables.
#[inline]
pub(crate) const fn table_of(column: u16, context: usize) -> usize {
    shared::COUNT + column as usize * context::COUNT + context
}

/// A table: for each symbol its frequency and where it starts on the scale, as the coder wants them.
#[derive(Clone, Debug)]
pub(crate) struct Codes {
    /// As long as an index of seven bits.
    codes: [u32; 128],
    /// Whether it differs from the one both ends start with.
    learned: bool,
    /// Made when it is decoded with first: servers only encode.
    slots: OnceLock<Box<Slots>>,
}

impl PartialEq for Codes {
    fn eq(&self, other: &Self) -> bool {
        self.codes == other.codes
    }
}

impl Codes {
    /// `first << 12 | frequency`; zero for a symbol that must be escaped.
    #[inline]
    pub(crate) const fn of(&self, symbol: usize) -> u32 {
        self.codes[symbol & 127]
    }

    const fn frequency(&self, symbol: usize) -> u32 {
        self.codes[symbol] & 0xfff
    }

    /// Frequencies that stand to each other as the weights do. Rare symbols share the escape.
    fn from_weights(weights: &[u64; SYMBOLS]) -> Self {
        let total: u64 = weights.iter().sum::<u64>().max(1);
        let mut frequencies = [0u32; ALPHABET];
        let mut escaped = 0;
        for (frequency, &weight) in frequencies.iter_mut().zip(weights) {
            // Half a point of the scale costs less as an escape than as a point.
            if weight * u64::from(SCALE) * 2 >= total {
                *frequency = ((weight * u64::from(SCALE) + total / 2) / total).max(1) as u32;
            } else {
                escaped += weight;
            }
        }
        frequencies[ESCAPE] = ((escaped * u64::from(SCALE)).div_ceil(total)).max(1) as u32;
        // Rounding leaves a few points too many or too few; the most frequent symbol bears them best.
        loop {
            let sum: u32 = frequencies.iter().sum();
            let Some(largest) = (0..ALPHABET).max_by_key(|&symbol| frequencies[symbol]) else {
                break;
            };
            match sum.cmp(&SCALE) {
                core::cmp::Ordering::Equal => break,
                core::cmp::Ordering::Less => frequencies[largest] += SCALE - sum,
                core::cmp::Ordering::Greater => {
                    let less = (sum - SCALE).min(frequencies[largest] / 2).max(1);
                    frequencies[largest] -= less;
                }
            }
        }
        Self::from_frequencies(&frequencies)
    }

    /// `frequencies` must add up to [`SCALE`].
    fn from_frequencies(frequencies: &[u32; ALPHABET]) -> Self {
        let mut codes = [0; 128];
        let mut first = 0;
        for (code, &frequency) in codes.iter_mut().zip(frequencies) {
            if frequency > 0 {
                *code = first << 12 | frequency;
                first += frequency;
            }
        }
        debug_assert_eq!(first, SCALE);
        Self {
            codes,
            learned: false,
            slots: OnceLock::new(),
        }
    }

    /// A guess for numbers of `bits` bits that are mostly small: each number is `ratio`/256 as likely as the one
    /// before, and one time in 32 it is of any size.
    fn guess(ratio: u64, bits: u32) -> Self {
        let mut weights = [0; SYMBOLS];
        let mut weight = 1u64 << 32;
        let mut total = 0;
        for (symbol, place) in weights.iter_mut().enumerate() {
            let (_, width) = number_of(symbol);
            for _ in 0..(1u64 << width).min(64) {
                *place += weight;
                weight = weight * ratio / 256;
            }
            total += *place;
        }
        let symbols = if bits >= 32 {
            SYMBOLS
        } else {
            super::symbol::symbol_of(1 << bits).0
        };
        for place in &mut weights[..symbols] {
            *place += total / 32 / symbols as u64 + 1;
        }
        weights[symbols..].fill(0);
        Self::from_weights(&weights)
    }

    /// Bits that so many of each symbol take.
    fn cost_bits(&self, counts: &[u32; SYMBOLS]) -> f64 {
        let escape = f64::from(SCALE_BITS) - f64::from(self.frequency(ESCAPE)).log2();
        let of = |(symbol, &count): (usize, &u32)| {
            let bits = match self.frequency(symbol) {
                0 => escape + f64::from(super::symbol::ESCAPED_BITS),
                frequency => f64::from(SCALE_BITS) - f64::from(frequency).log2(),
            };
            f64::from(count) * bits
        };
        counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(of)
            .sum()
    }

    /// The symbol at each point of the scale.
    #[inline]
    pub(crate) fn slots(&self) -> &Slots {
        self.slots.get_or_init(|| {
            let mut slots = Box::new([0; SCALE as usize]);
            for (symbol, code) in self.codes[..ALPHABET].iter().enumerate() {
                let (frequency, first) = ((code & 0xfff) as usize, (code >> 12) as usize);
                slots[first..first + frequency].fill(symbol as u8);
            }
            slots
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let used = || (0..ALPHABET).filter(|&symbol| self.codes[symbol] != 0);
        out.push(used().count() as u8);
        let mut last = 0;
        for symbol in used() {
            out.push((symbol - last) as u8);
            put_varint(out, self.frequency(symbol).into());
            last = symbol;
        }
    }

    /// `None` for the table both ends start with.
    fn decode(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let used = reader.u8("a table's length")? as usize;
        if used == 0 {
            return Ok(None);
        }
        let mut frequencies = [0; ALPHABET];
        let mut symbol = 0;
        let mut total = 0;
        for _ in 0..used.min(ALPHABET) {
            symbol += reader.u8("a table's symbol")? as usize;
            let place = frequencies
                .get_mut(symbol)
                .ok_or(DecodeError::OutOfRange("a table's symbol"))?;
            let frequency = reader.count(SCALE as usize, "a table's frequency")? as u32;
            if frequency == 0 || *place != 0 {
                return Err(DecodeError::Invalid("a table's frequency"));
            }
            *place = frequency;
            total += frequency;
        }
        if total != SCALE || frequencies[ESCAPE] == 0 || used > ALPHABET {
            return Err(DecodeError::Invalid("a table's frequencies"));
        }
        Ok(Some(Self {
            learned: true,
            ..Self::from_frequencies(&frequencies)
        }))
    }
}

/// The statistics both ends code with: one version for all groups of a room.
///
/// The server learns it from what it has coded ([`Encoder::learn`](crate::delta::Encoder::learn)) and sends it
/// ahead of the first snapshot that uses it. Version 0 is the one both ends start with, from the schema alone.
/// Memory: half a kilobyte for each table that was learned, and where it is decoded with 2 KB more for each in use. The
/// others are shared by all codebooks of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Codebook {
    version: u32,
    tables: Vec<Arc<Codes>>,
}

impl Codebook {
    /// The one to start with: guesses that suit a column's predictor and width.
    #[must_use]
    pub fn initial(schema: &Schema) -> Self {
        let mut tables: Vec<_> = (0..shared::COUNT).map(initial_shared).collect();
        for component in schema.components() {
            for column in &component.shape.columns {
                let bits = u32::from(column.bits);
                let columns = (0..context::COUNT)
                    .map(|context| initial_context(context, bits, column.predict));
                tables.extend(columns);
            }
        }
        Self { version: 0, tables }
    }

    /// Its number; a snapshot names the one it was coded with.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The table in a place that [`table_of`] or [`shared`] gives.
    #[inline]
    pub(crate) fn table(&self, place: usize) -> &Codes {
        &self.tables[place]
    }

    /// The tables from a place on.
    #[inline]
    pub(crate) fn tables(&self, place: usize) -> &[Arc<Codes>] {
        &self.tables[place..]
    }

    /// Appends it: about 20 bytes for each table that was learned, one for the others.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.version.into());
        for table in &self.tables {
            if table.learned {
                table.encode(out);
            } else {
                out.push(0);
            }
        }
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`DecodeError`] when it is none for this schema.
    pub fn decode(schema: &Schema, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut book = Self::initial(schema);
        book.version = reader.varint_u32("a codebook's version")?;
        for table in &mut book.tables {
            if let Some(learned) = Codes::decode(reader)? {
                *table = Arc::new(learned);
            }
        }
        Ok(book)
    }
}

fn initial_shared(place: usize) -> Arc<Codes> {
    let (ratio, bits) = match place {
        shared::ROWS | shared::TABLES => (32, 17),
        shared::LEAVE | shared::BLOB_GAP | shared::MOTION_GAP => (192, 17),
        shared::ENTER => (128, 32),
        shared::BLOB_LEN => (240, 13),
        shared::VELOCITY => (254, 24),
        shared::FITTED => (200, 6),
        shared::ACTIVITY => (200, 9),
        shared::DENSE => (32, 1),
        _ => (220, 6),
    };
    guess(ratio, bits)
}

fn initial_context(context: usize, bits: u32, predict: Predict) -> Arc<Codes> {
    let (ratio, bits) = match context {
        context::GAP | context::STALE_GAP => (224, 17),
        context::STALE | context::ENTER => (250, bits),
        // A column that is held jumps when it changes; one that moves is corrected by a quantum or two.
        context::LEVEL if predict == Predict::Hold => (250, bits),
        context::DENSE => (192, bits),
        level => ([96, 128, 140, 160, 192, 224, 240, 250][level], bits),
    };
    guess(ratio, bits)
}

/// The table of [`Codes::guess`], the same one for all codebooks of the process: rooms that have learnt little share
/// most of their tables, in memory and in a core's caches. There are some hundred at most, one for each ratio and
/// width that a column has.
fn guess(ratio: u64, bits: u32) -> Arc<Codes> {
    static MADE: Mutex<BTreeMap<(u64, u32), Arc<Codes>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let table = made.entry((ratio, bits));
    let table = table.or_insert_with(|| Arc::new(Codes::guess(ratio, bits)));
    Arc::clone(table)
}

/// How often each symbol of each table was coded, in a sample of ticks.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Vec<[u32; SYMBOLS]>,
}

impl Tally {
    /// Makes place for all tables of a codebook.
    pub(crate) fn fit(&mut self, book: &Codebook) {
        self.counts.resize(book.tables.len(), [0; SYMBOLS]);
    }

    /// Takes over the counts of another.
    pub(crate) fn absorb(&mut self, other: &mut Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), [0; SYMBOLS]);
        }
        let counts = self.counts.iter_mut().flatten();
        for (count, other) in counts.zip(other.counts.iter_mut().flatten()) {
            *count += core::mem::take(other);
        }
    }

    /// Counts one.
    #[inline]
    pub(crate) fn count(&mut self, table: usize, symbol: usize) {
        self.counts[table][symbol] += 1;
    }

    /// The codebook these counts ask for, when it saves enough to be worth sending and is no longer than a
    /// client takes.
    ///
    /// `scale` is how many times what was counted was coded in all. Counts are halved afterwards, so that the
    /// book follows a game that changes.
    pub(crate) fn learn(&mut self, now: &Codebook, scale: f64) -> Option<Codebook> {
        let mut book = now.clone();
        let mut saved_bits = 0.0;
        for (table, counts) in book.tables.iter_mut().zip(&self.counts) {
            let total: u32 = counts.iter().sum();
            if total < TABLE_COUNT_MIN {
                continue;
            }
            let learned = Codes {
                learned: true,
                ..Codes::from_weights(&counts.map(u64::from))
            };
            let saved = table.cost_bits(counts) - learned.cost_bits(counts);
            // A table costs about its used symbols in bytes, twice.
            if saved * scale > TABLE_BITS {
                saved_bits += saved;
                *table = Arc::new(learned);
            }
        }
        for counts in &mut self.counts {
            counts.iter_mut().for_each(|count| *count /= 2);
        }
        book.version = now.version.wrapping_add(1);
        let mut bytes = Vec::new();
        book.encode(&mut bytes);
        let is_worth_it = saved_bits * scale > bytes.len() as f64 * 8.0;
        (is_worth_it && bytes.len() <= CODEBOOK_BYTES_MAX).then_some(book)
    }
}

/// Fewer symbols than this say too little about a table.
const TABLE_COUNT_MIN: u32 = 64;
/// What a learned table costs to send, roughly.
const TABLE_BITS: f64 = 200.0;

#[cfg(test)]
mod tests {
    use super::{Codebook, Codes, Tally, shared};
    use crate::{
        coding::Reader,
        entropy::{
            range::{SCALE, Symbols, Tokens},
            symbol::{ALPHABET, SYMBOLS},
        },
        schema::Schema,
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_weights_make_a_table_that_codes_everything(
            weights in proptest::collection::vec(0u64..1 << 32, SYMBOLS),
            sparse in proptest::collection::vec(prop::bool::weighted(0.2), SYMBOLS),
            numbers in proptest::collection::vec((any::<u32>(), 0u32..32), 0..200),
        ) {
            let mut kept = [0; SYMBOLS];
            for symbol in 0..SYMBOLS {
                kept[symbol] = if sparse[symbol] { weights[symbol] } else { 0 };
            }
            let codes = Codes::from_weights(&kept);
            prop_assert_eq!((0..ALPHABET).map(|symbol| codes.frequency(symbol)).sum::<u32>(), SCALE);
            let mut tokens = Tokens::default();
            tokens.number(&codes, 123_456_789);
            for (number, shift) in &numbers {
                tokens.number(&codes, number >> shift);
                tokens.plain(number >> shift, 32 - shift);
            }
            for run in 0..2 {
                let numbers = &numbers[run.min(numbers.len())..];
                tokens.run(numbers.iter().map(|(number, shift)| (&codes, number >> shift)));
                tokens.plain(77, 8);
            }
            let mut bytes = Vec::new();
            tokens.finish(&mut bytes);
            bytes.push(7);
            let mut symbols = Symbols::new(Reader::new(&bytes)).expect("it begins well");
            prop_assert_eq!(symbols.number(&codes), 123_456_789);
            for (number, shift) in &numbers {
                prop_assert_eq!(symbols.number(&codes), number >> shift);
                prop_assert_eq!(symbols.plain(32 - shift), number >> shift);
            }
            for run in 0..2 {
                let expected = &numbers[run.min(numbers.len())..];
                let mut decoded = Vec::new();
                let tables = expected.iter().map(|_| ((&codes, codes.slots()), ()));
                symbols.run(tables, |(), number| decoded.push(number));
                prop_assert!(decoded.into_iter().eq(expected.iter().map(|(number, shift)| number >> shift)));
                prop_assert_eq!(symbols.plain(8), 77);
            }
            prop_assert_eq!(symbols.finish().map(|rest| rest.remaining()), Ok(1));
        }

        #[test]
        fn wild_bytes_make_no_codebook_that_is_unsound(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(book) = Codebook::decode(&Schema::new(), &mut reader) {
                for table in &book.tables {
                    prop_assert_eq!((0..ALPHABET).map(|symbol| table.frequency(symbol)).sum::<u32>(), SCALE);
                }
            }
        }
    }

    #[test]
    fn a_learned_book_codes_what_it_learned_from_at_its_entropy_and_comes_back() {
        let schema = Schema::new();
        let initial = Codebook::initial(&schema);
        let mut tally = Tally::default();
        tally.fit(&initial);
        for number in 0..40_000usize {
            tally.count(shared::FITTED, if number % 10 == 0 { 5 } else { 0 });
        }
        let counts = tally.counts[shared::FITTED];
        let book = tally.learn(&initial, 1.0).expect("it is worth it");
        let bits = book.table(shared::FITTED).cost_bits(&counts) / 40_000.0;
        assert!((0.469..0.475).contains(&bits), "{bits}");
        assert_eq!(book.version(), 1);
        let mut bytes = Vec::new();
        book.encode(&mut bytes);
        assert_eq!(
            Codebook::decode(&schema, &mut Reader::new(&bytes)),
            Ok(book.clone())
        );
        assert_eq!(tally.learn(&book, 1.0), None);
    }

    #[test]
    fn a_book_that_no_client_would_take_is_not_learned() {
        let initial = Codebook {
            version: 0,
            tables: vec![super::guess(220, 6); 3000],
        };
        let mut tally = Tally::default();
        tally.fit(&initial);
        for counts in &mut tally.counts {
            counts.fill(1000);
            counts[SYMBOLS - 1] = 50_000;
        }
        assert_eq!(tally.learn(&initial, 1.0), None);
        tally.counts.truncate(1000);
        for counts in &mut tally.counts {
            counts.fill(1000);
            counts[SYMBOLS - 1] = 50_000;
        }
        assert!(tally.learn(&initial, 1.0).is_some());
    }
}
