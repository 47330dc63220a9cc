//! `#[derive(Replicate)]`.
use proc_macro::TokenStream;
/// Placeholder.
#[proc_macro_derive(Replicate, attributes(wire, replicate))]
pub fn derive_replicate(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
