//! The code for one kind of field: its size, its description, its way into a row and out of one.
//!
//! The four functions mirror each other arm by arm. In the code they write, `shape` is a `ShapeWriter` and
//! `row` a `RowWriter` or `RowReader`. Every other name is a whole path, beginning with `__protocol` where it is
//! of this project: the game's own types stand beside it and may be called anything.

use crate::{
    attributes::Predict,
    field::{Field, Kind},
};
use proc_macro2::TokenStream;
use quote::quote;

/// Constant expressions for the columns and the blobs a kind takes.
pub(crate) fn size(kind: &Kind) -> (TokenStream, TokenStream) {
    match kind {
        Kind::Float { .. }
        | Kind::FloatBits
        | Kind::Angle { .. }
        | Kind::Bool
        | Kind::Entity(_) => (quote!(1), quote!(0)),
        Kind::Integer { range, .. } => (quote!((1 + (#range).is_wide() as usize)), quote!(0)),
        Kind::Text | Kind::Opaque(_) | Kind::List(_) => (quote!(0), quote!(1)),
        Kind::Skip => (quote!(0), quote!(0)),
        Kind::Option(inner) => {
            let (columns, blobs) = size(inner);
            (quote!((1 + #columns)), blobs)
        }
        Kind::Array(inner, len) => {
            let (columns, blobs) = size(inner);
            (quote!((#columns * (#len))), quote!((#blobs * (#len))))
        }
        Kind::Nested(ty) => (
            quote!(<#ty as __protocol::replicate::Replicate>::COLUMNS),
            quote!(<#ty as __protocol::replicate::Replicate>::BLOBS),
        ),
    }
}

/// The columns and blobs of several fields together.
pub(crate) fn size_of_all(fields: &[Field]) -> (TokenStream, TokenStream) {
    let (columns, blobs): (Vec<_>, Vec<_>) = fields.iter().map(|field| size(&field.kind)).unzip();
    (quote!((0 #(+ #columns)*)), quote!((0 #(+ #blobs)*)))
}

/// Statements that describe a value.
pub(crate) fn describe(kind: &Kind) -> TokenStream {
    match kind {
        Kind::Float { range, predict, .. } => {
            let predict = predictor(*predict);
            quote! { const __RANGE: __protocol::replicate::FloatRange = #range; shape.float(&__RANGE, #predict); }
        }
        Kind::FloatBits => quote! { shape.float_bits(); },
        Kind::Angle { bits, predict, .. } => {
            let predict = predictor(*predict);
            quote! { shape.angle(#bits, #predict); }
        }
        Kind::Integer { range, predict, .. } => {
            let predict = predictor(*predict);
            quote! { const __RANGE: __protocol::replicate::IntegerRange = #range; shape.integer(&__RANGE, #predict); }
        }
        Kind::Bool => quote! { shape.bool(); },
        Kind::Text => quote! { shape.text(); },
        Kind::Entity(_) => quote! { shape.entity(); },
        Kind::Opaque(_) => quote! { shape.message_pack(); },
        Kind::Skip => quote! {},
        Kind::Option(inner) => {
            let inner = describe(inner);
            quote! { shape.some(); #inner }
        }
        Kind::Array(inner, len) => {
            let inner = describe(inner);
            quote! { shape.array(#len, |shape| { #inner }); }
        }
        Kind::List(inner) => {
            let inner = describe(inner);
            quote! { shape.list(|shape| { #inner }); }
        }
        Kind::Nested(ty) => quote! { shape.nested::<#ty>(); },
    }
}

/// Statements that write the value which `value` refers to.
pub(crate) fn quantise(kind: &Kind) -> TokenStream {
    match kind {
        Kind::Float { range, .. } => {
            quote! { const __RANGE: __protocol::replicate::FloatRange = #range; row.float(*value as f64, &__RANGE); }
        }
        Kind::FloatBits => quote! { row.float_bits(*value); },
        Kind::Angle { bits, .. } => quote! { row.angle(*value as f64, #bits); },
        Kind::Integer {
            range,
            signed: true,
            ..
        } => {
            quote! { const __RANGE: __protocol::replicate::IntegerRange = #range; row.signed(*value as i64, &__RANGE); }
        }
        Kind::Integer { range, .. } => {
            quote! { const __RANGE: __protocol::replicate::IntegerRange = #range; row.unsigned(*value as u64, &__RANGE); }
        }
        Kind::Bool => quote! { row.bool(*value); },
        Kind::Text => quote! { row.text(value); },
        Kind::Entity(_) => quote! { row.entity((*value).to_bits()); },
        Kind::Opaque(ty) => quote! {
            row.message_pack(value, || {
                #[allow(unused_imports)]
                use __protocol::replicate::otherwise::{HasDefault as _, HasNone as _};
                (&__protocol::replicate::otherwise::MaybeDefault::<#ty>::NEW).otherwise()
            });
        },
        Kind::Skip => quote! { let _ = value; },
        Kind::Option(inner) => {
            let (columns, blobs) = size(inner);
            let inner = quantise(inner);
            quote! {
                row.bool(value.is_some());
                match value {
                    ::core::option::Option::Some(value) => { #inner }
                    ::core::option::Option::None => row.absent_columns(#columns, #blobs),
                }
            }
        }
        Kind::Array(inner, _) => {
            let inner = quantise(inner);
            quote! { for value in value { #inner } }
        }
        Kind::List(inner) => {
            let inner = quantise(inner);
            quote! { row.list(value, |value, row| { #inner }); }
        }
        Kind::Nested(ty) => {
            quote! { <#ty as __protocol::replicate::Replicate>::quantise(value, row); }
        }
    }
}

/// An expression that reads a value.
pub(crate) fn restore(kind: &Kind) -> TokenStream {
    match kind {
        Kind::Float { range, ty, .. } => {
            quote! { { const __RANGE: __protocol::replicate::FloatRange = #range; row.float(&__RANGE)? as #ty } }
        }
        Kind::FloatBits => quote! { row.float_bits()? },
        Kind::Angle { bits, ty, .. } => quote! { row.angle(#bits)? as #ty },
        Kind::Integer { range, ty, .. } => {
            quote! { { const __RANGE: __protocol::replicate::IntegerRange = #range; row.integer(&__RANGE)? as #ty } }
        }
        Kind::Bool => quote! { row.bool()? },
        Kind::Text => quote! { row.text()? },
        Kind::Entity(ty) => quote! { row.entity()?.map_or(<#ty>::PLACEHOLDER, <#ty>::from_bits) },
        Kind::Opaque(ty) => quote! { row.message_pack::<#ty>()? },
        Kind::Skip => quote! { ::core::default::Default::default() },
        Kind::Option(inner) if let Kind::Entity(ty) = &**inner => quote! {
            if row.some()? {
                row.entity()?.map(<#ty>::from_bits)
            } else {
                row.absent_columns(1, 0)?;
                ::core::option::Option::None
            }
        },
        Kind::Option(inner) => {
            let (columns, blobs) = size(inner);
            let inner = restore(inner);
            quote! {
                if row.some()? {
                    ::core::option::Option::Some(#inner)
                } else {
                    row.absent_columns(#columns, #blobs)?;
                    ::core::option::Option::None
                }
            }
        }
        // An array that is filled in place would need a value to start with, which `T` may not have.
        Kind::Array(inner, len) => {
            let inner = restore(inner);
            quote! { row.array::<_, { #len }>(|row| ::core::result::Result::Ok(#inner))? }
        }
        Kind::List(inner) => {
            let (columns, _) = size(inner);
            let inner = restore(inner);
            quote! { row.list(#columns, |row| ::core::result::Result::Ok(#inner))? }
        }
        Kind::Nested(ty) => quote! { <#ty as __protocol::replicate::Replicate>::restore(row)? },
    }
}

fn predictor(predict: Predict) -> TokenStream {
    match predict {
        Predict::Hold => quote!(__protocol::schema::Predict::Hold),
        Predict::Linear => quote!(__protocol::schema::Predict::Linear),
    }
}
