//! Residuals to bits at close to their entropy.

mod codebook;

pub use codebook::Codebook;
