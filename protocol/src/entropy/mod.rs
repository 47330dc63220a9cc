//! Residuals to bits at close to their entropy.
//!
//! In: small numbers, each in a context. Out: bytes, and the numbers again. `symbol` makes numbers symbols,
//! [`Codebook`] knows how frequent each is, `range` turns them into bytes.

mod codebook;
mod range;
mod symbol;

pub use codebook::Codebook;
pub(crate) use codebook::{Tally, context, shared, table_of};
pub(crate) use range::{Symbols, Tokens};
pub(crate) use symbol::{fold, symbol_of, unfold};
