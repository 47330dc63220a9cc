//! The whole `impl Replicate` of a struct or an enum.

use crate::{
    attributes::{Replicate, Send},
    field::{Field, fields},
    walk::{describe, quantise, restore, size_of_all},
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Ident, Result};

/// What differs between structs and enums.
struct Body {
    columns: TokenStream,
    blobs: TokenStream,
    describe: TokenStream,
    quantise: TokenStream,
    restore: TokenStream,
}

/// The impl, or the error at the place that is to blame.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "a replicated type cannot be generic: both ends know it by one name",
        ));
    }
    let replicate = Replicate::parse(&input.attrs)?;
    let body = match &input.data {
        Data::Struct(data) => of_struct(&data.fields, &replicate)?,
        Data::Enum(data) => of_enum(input, data, &replicate)?,
        Data::Union(data) => {
            return Err(Error::new_spanned(
                data.union_token,
                "a union cannot be replicated: nothing says which field holds; take an enum",
            ));
        }
    };
    let Body {
        columns,
        blobs,
        describe,
        quantise,
        restore,
    } = body;
    let ident = &input.ident;
    let name = replicate.name.clone().unwrap_or_else(|| ident.to_string());
    let rules = rules(&replicate);
    let protocol = &replicate.protocol;
    Ok(quote! {
        const _: () = {
            use #protocol as __protocol;
            #[automatically_derived]
            #[allow(clippy::all, unused_variables, trivial_numeric_casts)]
            impl __protocol::replicate::Replicate for #ident {
                const NAME: &'static str = #name;
                const COLUMNS: usize = #columns;
                const BLOBS: usize = #blobs;
                fn rules() -> __protocol::schema::Rules {
                    #rules
                }
                fn describe(shape: &mut __protocol::replicate::ShapeWriter) {
                    #describe
                }
                #[inline]
                fn quantise(&self, row: &mut __protocol::replicate::RowWriter<'_>) {
                    #quantise
                }
                #[inline]
                fn restore(
                    row: &mut __protocol::replicate::RowReader<'_>,
                ) -> ::core::result::Result<Self, __protocol::error::DecodeError> {
                    #restore
                }
            }
        };
    })
}

fn rules(replicate: &Replicate) -> TokenStream {
    let audience = format_ident!("{}", replicate.audience.as_deref().unwrap_or("Everyone"));
    let send = match replicate.send {
        Send::OnChange => quote!(__protocol::schema::SendRule::OnChange),
        Send::Once => quote!(__protocol::schema::SendRule::Once),
        Send::Every(ticks) => quote!(__protocol::schema::SendRule::Every(#ticks)),
    };
    quote! {
        __protocol::schema::Rules {
            audience: __protocol::schema::Audience::#audience,
            send: #send,
        }
    }
}

fn of_struct(declared: &Fields, replicate: &Replicate) -> Result<Body> {
    let fields = fields(declared, replicate.predict)?;
    let (columns, blobs) = size_of_all(&fields);
    let describe = describe_all(&fields);
    let quantise = fields.iter().map(|Field { member, kind, .. }| {
        let quantise = quantise(kind);
        quote! { { let value = &self.#member; #quantise } }
    });
    let quantise = quote! { #(#quantise)* };
    let restore = restore_all(&fields, &quote!(Self));
    Ok(Body {
        columns,
        blobs,
        describe,
        quantise,
        restore: quote! { ::core::result::Result::Ok({ #restore }) },
    })
}

fn of_enum(input: &DeriveInput, data: &DataEnum, replicate: &Replicate) -> Result<Body> {
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "an enum without variants has no values",
        ));
    }
    if data.variants.len() > 256 {
        return Err(Error::new_spanned(
            &input.ident,
            "an enum may have 256 variants at most",
        ));
    }
    let last = data.variants.len() as u32 - 1;
    let mut variants = Vec::new();
    for (number, variant) in (0u32..).zip(&data.variants) {
        let fields = fields(&variant.fields, replicate.predict)?;
        let (columns, blobs) = size_of_all(&fields);
        variants.push(Variant {
            number,
            ident: &variant.ident,
            fields,
            columns,
            blobs,
        });
    }
    let names = variants.iter().map(|variant| variant.ident.to_string());
    let describe = variants
        .iter()
        .filter(|variant| !variant.fields.is_empty())
        .map(|Variant { ident, fields, .. }| {
            let name = ident.to_string();
            let describe = describe_all(fields);
            quote! { shape.field(#name, |shape| { #describe }); }
        });
    let describe = quote! { shape.variant(&[#(#names),*]); #(#describe)* };
    let writes = variant_writes(&variants);
    let reads = variant_reads(&variants);
    let complaint = format!("a variant of {}", input.ident);
    let restore = quote! {
        let tag = row.variant(__protocol::schema::bits_for(#last))?;
        let mut value = ::core::option::Option::None;
        #reads
        value.ok_or(__protocol::error::DecodeError::Invalid(#complaint))
    };
    let columns = variants.iter().map(|variant| &variant.columns);
    let blobs = variants.iter().map(|variant| &variant.blobs);
    Ok(Body {
        columns: quote!(1 #(+ #columns)*),
        blobs: quote!(0 #(+ #blobs)*),
        describe,
        quantise: quote! { match self { #writes } },
        restore,
    })
}

/// A variant with its fields, and the room that they take in the row.
///
/// All variants have their places there, one after another; those that do not hold stay empty.
struct Variant<'a> {
    number: u32,
    ident: &'a Ident,
    fields: Vec<Field>,
    columns: TokenStream,
    blobs: TokenStream,
}

/// For each variant, the arm that writes it.
fn variant_writes(variants: &[Variant<'_>]) -> TokenStream {
    let absent = |variants: &[Variant<'_>]| -> TokenStream {
        let held = variants.iter().filter(|variant| !variant.fields.is_empty());
        held.map(|Variant { columns, blobs, .. }| quote! { row.absent_columns(#columns, #blobs); })
            .collect()
    };
    let arm = |(place, variant): (usize, &Variant<'_>)| {
        let Variant {
            number,
            ident,
            fields,
            ..
        } = variant;
        let binds = fields
            .iter()
            .map(|Field { member, local, .. }| quote!(#member: #local));
        let writes = fields.iter().map(|Field { local, kind, .. }| {
            let quantise = quantise(kind);
            quote! { { let value = #local; #quantise } }
        });
        let before = absent(&variants[..place]);
        let after = absent(&variants[place + 1..]);
        quote! {
            Self::#ident { #(#binds),* } => {
                row.variant(#number);
                #before
                #(#writes)*
                #after
            }
        }
    };
    variants.iter().enumerate().map(arm).collect()
}

/// For each variant, what reads it if the row holds it, and passes over its place if not.
fn variant_reads(variants: &[Variant<'_>]) -> TokenStream {
    let read = |variant: &Variant<'_>| {
        let Variant {
            number,
            ident,
            fields,
            columns,
            blobs,
        } = variant;
        let value = restore_all(fields, &quote!(Self::#ident));
        let otherwise = (!fields.is_empty())
            .then(|| quote! { else { row.absent_columns(#columns, #blobs)?; } });
        quote! { if tag == #number { value = ::core::option::Option::Some({ #value }); } #otherwise }
    };
    variants.iter().map(read).collect()
}

fn describe_all(fields: &[Field]) -> TokenStream {
    let describe = fields.iter().map(|Field { name, kind, .. }| {
        let describe = describe(kind);
        quote! { shape.field(#name, |shape| { #describe }); }
    });
    quote! { #(#describe)* }
}

/// Reads the fields in order, then builds `what` of them.
fn restore_all(fields: &[Field], what: &TokenStream) -> TokenStream {
    let reads = fields.iter().map(|Field { local, kind, .. }| {
        let restore = restore(kind);
        quote! { let #local = #restore; }
    });
    let members = fields
        .iter()
        .map(|Field { member, local, .. }| quote!(#member: #local));
    quote! { #(#reads)* #what { #(#members),* } }
}

#[cfg(test)]
mod tests {
    use super::expand;

    fn refusal(source: &str) -> String {
        let input = syn::parse_str(source).expect("Rust");
        expand(&input).expect_err("should be refused").to_string()
    }

    #[test]
    fn errors_say_what_is_allowed() {
        for (source, says) in [
            (
                "struct A { #[wire(range(0.0, 1.0))] x: f32 }",
                "needs `step = …`",
            ),
            (
                "struct A { #[wire(step = 0.5)] x: f32 }",
                "`step` needs `range(low, high)`",
            ),
            (
                "struct A { #[wire(bits = 8)] x: f32 }",
                "`bits` needs `range(low, high)` or `angle`",
            ),
            (
                "struct A { #[wire(range(0.0, 1.0), step = 0.5, bits = 8)] x: f32 }",
                "take one",
            ),
            (
                "struct A { #[wire(angle)] x: f32 }",
                "an angle needs `bits = …`",
            ),
            (
                "struct A { #[wire(angle, bits = 33)] x: f32 }",
                "bits must be 1 to 32",
            ),
            ("struct A { x: f64 }", "an f64 needs"),
            (
                "struct A { #[wire(step = 1)] x: u8 }",
                "an integer takes range, predict",
            ),
            (
                "struct A { #[wire(range(0, 1))] x: bool }",
                "a bool takes no attribute",
            ),
            (
                "struct A { #[wire(range(0, 1))] x: Inner }",
                "whose own fields say this",
            ),
            ("struct A { x: usize }", "no fixed place on the wire"),
            ("struct A { x: (u8, u8) }", "#[wire(opaque)]"),
            (
                "struct A { #[wire(colour)] x: u8 }",
                "`colour` is not known here",
            ),
            (
                "struct A { #[wire(range(0, 1), range(0, 2))] x: u8 }",
                "said twice",
            ),
            (
                "struct A { #[wire(predict = \"cubic\")] x: u8 }",
                "\"hold\" or \"linear\"",
            ),
            ("struct A<T> { x: T }", "cannot be generic"),
            ("enum A {}", "has no values"),
            ("union A { x: u8 }", "take an enum"),
            (
                "#[replicate(audience = \"friends\")] struct A;",
                "\"filtered\"",
            ),
            ("#[replicate(send = \"often\")] struct A;", "every = N"),
            ("#[replicate(every = 0)] struct A;", "1 to 65535"),
            (
                "#[replicate(colour = 1)] struct A;",
                "a replicated type takes",
            ),
        ] {
            let refusal = refusal(source);
            assert!(refusal.contains(says), "{source}: {refusal}");
        }
    }
}
