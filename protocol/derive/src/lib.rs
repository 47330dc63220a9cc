//! `#[derive(Replicate)]`: from a game's types to the three walks of `tickwire_protocol::replicate`.
//!
//! In: a struct or enum with `#[wire(…)]` on its fields and `#[replicate(…)]` on itself. Out: an
//! `impl Replicate`. The decision to question: fields are understood by how their type is *written*
//! (`f32`, `Option<…>`, `[…; N]`), because a derive sees no types; whatever it does not know is
//! taken for a nested type that derives `Replicate` too.
//!
//! On the type:
//!
//! | `#[replicate(…)]` | effect |
//! |---|---|
//! | `name = "…"` | the name both ends know it by; the type's own by default |
//! | `audience = "everyone"`, `"owner"`, `"team"`, `"filtered"` | who sees it |
//! | `send = "change"`, `send = "once"`, `every = N` | when a change is sent: at once, never, at most every N ticks |
//! | `predict = "linear"` | the predictor of all its numbers that name none |
//! | `crate = "path"` | where `tickwire_protocol` is found |
//!
//! On fields:
//!
//! | type | `#[wire(…)]` |
//! |---|---|
//! | `f32`, `f64` | `range(low, high)` with `step = …` (values from `low` on, none beyond `high`) or `bits = …`; or `angle, bits = …` (radians, wraps); a bare `f32` travels whole |
//! | `u8` … `u64`, `i8` … `i64` | `range(low, high)`, or the whole type |
//! | numbers | `predict = "linear"` for what moves evenly, `"hold"` otherwise |
//! | `bool`, `String`, enums, structs and tuple structs that derive `Replicate` | nothing |
//! | `Option<T>`, `[T; N]`, `Vec<T>` | what `T` takes |
//! | any entity type | `entity`: its `PLACEHOLDER` is none, and is read where the target is gone or not replicated; an `Option` is `None` then |
//! | any serde type | `opaque`: as MessagePack, compared as a whole; one beyond 4096 bytes stays what it was, at first the type's `Default` if it has one |
//! | anything with a `Default` | `skip`: not sent |

mod attributes;
mod expand;
mod field;
mod walk;

use proc_macro::TokenStream;

/// Makes a type replicable; see the crate's page for the attributes.
#[proc_macro_derive(Replicate, attributes(wire, replicate))]
pub fn derive_replicate(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::expand(&input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
