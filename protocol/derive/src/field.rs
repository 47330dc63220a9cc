//! What a field is on the wire, from how its type is written and what its attributes say.

use crate::attributes::{Predict, Said, Wire};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, Expr, GenericArgument, PathArguments, Result, Type, spanned::Spanned};

/// A field's place on the wire.
pub(crate) enum Kind {
    /// A float with a range; `range` is a constant expression.
    Float {
        range: TokenStream,
        predict: Predict,
        ty: Type,
    },
    /// A whole `f32`.
    FloatBits,
    /// A wrapping angle.
    Angle {
        bits: u8,
        predict: Predict,
        ty: Type,
    },
    /// An integer; `range` is a constant expression.
    Integer {
        range: TokenStream,
        predict: Predict,
        ty: Type,
        signed: bool,
    },
    Bool,
    Text,
    Entity(Type),
    Opaque(Type),
    /// Not sent; the default on the other end.
    Skip,
    Option(Box<Self>),
    Array(Box<Self>, Expr),
    List(Box<Self>),
    Nested(Type),
}

/// The kind of a field of this type, or why its attributes do not fit it.
///
/// `predict` is what the whole type's numbers do by default.
pub(crate) fn kind(ty: &Type, wire: &Wire, predict: Predict) -> Result<Kind> {
    if wire.skip.is_some() {
        fits(wire, &["skip"], "a skipped field")?;
        return Ok(Kind::Skip);
    }
    if wire.opaque.is_some() {
        fits(wire, &["opaque"], "an opaque field")?;
        return Ok(Kind::Opaque(ty.clone()));
    }
    match ty {
        Type::Array(array) => {
            let inner = kind(&array.elem, wire, predict)?;
            return Ok(Kind::Array(Box::new(inner), array.len.clone()));
        }
        Type::Paren(inner) => return kind(&inner.elem, wire, predict),
        Type::Group(inner) => return kind(&inner.elem, wire, predict),
        Type::Path(_) => {}
        _ => {
            return Err(Error::new(
                ty.span(),
                "only named types and fixed arrays can be replicated; for anything else that serde can \
                 serialise, write #[wire(opaque)]",
            ));
        }
    }
    let (name, argument) = name_and_argument(ty);
    match (name.as_str(), argument) {
        ("Option", Some(inner)) => Ok(Kind::Option(Box::new(kind(inner, wire, predict)?))),
        ("Vec", Some(inner)) => Ok(Kind::List(Box::new(kind(inner, wire, predict)?))),
        _ if wire.entity.is_some() => {
            fits(wire, &["entity"], "an entity")?;
            Ok(Kind::Entity(ty.clone()))
        }
        ("f32" | "f64", None) => float(ty, &name, wire, predict),
        ("u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64", None) => {
            integer(ty, &name, wire, predict)
        }
        ("usize" | "isize" | "u128" | "i128", None) => Err(Error::new(
            ty.span(),
            format!("a {name} has no fixed place on the wire; take an integer of 8 to 64 bits"),
        )),
        ("bool", None) => fits(wire, &[], "a bool").map(|()| Kind::Bool),
        ("String", None) => fits(wire, &[], "a String").map(|()| Kind::Text),
        _ => {
            fits(wire, &[], "a nested type, whose own fields say this")?;
            Ok(Kind::Nested(ty.clone()))
        }
    }
}

fn float(ty: &Type, name: &str, wire: &Wire, default: Predict) -> Result<Kind> {
    let predict = wire.predict.as_ref().map_or(default, |said| said.value);
    if let Some(angle) = &wire.angle {
        fits(wire, &["angle", "bits", "predict"], "an angle")?;
        let Some(Said { value: bits, .. }) = wire.bits else {
            return Err(Error::new(angle.span, "an angle needs `bits = …`, 1 to 32"));
        };
        return Ok(Kind::Angle {
            bits,
            predict,
            ty: ty.clone(),
        });
    }
    fits(wire, &["range", "step", "bits", "predict"], "a float")?;
    let Some(Said {
        value: (low, high),
        span,
    }) = &wire.range
    else {
        return match (&wire.step, &wire.bits, &wire.predict) {
            (Some(Said { span, .. }), ..) => Err(Error::new(
                *span,
                "`step` needs `range(low, high)` beside it",
            )),
            (_, Some(Said { span, .. }), _) => Err(Error::new(
                *span,
                "`bits` needs `range(low, high)` or `angle` beside it",
            )),
            (.., Some(Said { span, .. })) => Err(Error::new(
                *span,
                "`predict` needs `range(low, high)` with `step` or `bits`, or `angle`, beside it",
            )),
            _ if name == "f32" => Ok(Kind::FloatBits),
            _ => Err(Error::new(
                ty.span(),
                "an f64 needs `#[wire(range(low, high), step = …)]`; only an f32 may travel whole",
            )),
        };
    };
    let range = match (&wire.step, &wire.bits) {
        (Some(step), None) => {
            let step = &step.value;
            quote_spanned! {*span=> __protocol::replicate::FloatRange::with_step((#low) as f64, (#high) as f64, (#step) as f64) }
        }
        (None, Some(Said { value: bits, .. })) => {
            quote_spanned! {*span=> __protocol::replicate::FloatRange::with_bits((#low) as f64, (#high) as f64, #bits) }
        }
        (Some(_), Some(bits)) => {
            return Err(Error::new(
                bits.span,
                "`step` and `bits` both say how fine it is: take one",
            ));
        }
        (None, None) => {
            return Err(Error::new(
                *span,
                "a float's range needs `step = …` (the distance of two values) or `bits = …` beside it",
            ));
        }
    };
    Ok(Kind::Float {
        range,
        predict,
        ty: ty.clone(),
    })
}

fn integer(ty: &Type, name: &str, wire: &Wire, default: Predict) -> Result<Kind> {
    fits(wire, &["range", "predict"], "an integer")?;
    let predict = wire.predict.as_ref().map_or(default, |said| said.value);
    let range = match &wire.range {
        Some(Said {
            value: (low, high),
            span,
        }) => {
            quote_spanned! {*span=> __protocol::replicate::IntegerRange::new((#low) as i128, (#high) as i128) }
        }
        None => quote! {
            __protocol::replicate::IntegerRange::new(<#ty>::MIN as i128, <#ty>::MAX as i128)
        },
    };
    Ok(Kind::Integer {
        range,
        predict,
        ty: ty.clone(),
        signed: name.starts_with('i'),
    })
}

/// Whether only attributes were written that fit; otherwise an error at the first that does not.
fn fits(wire: &Wire, fitting: &[&str], what: &str) -> Result<()> {
    let Some((name, span)) = wire.first_but(fitting) else {
        return Ok(());
    };
    let allowed = match fitting {
        [] => "takes no attribute here".into(),
        _ => format!("takes {}", fitting.join(", ")),
    };
    Err(Error::new(
        span,
        format!("`{name}` does not fit: {what} {allowed}"),
    ))
}

/// The last word of a type's path, and its type argument when it has exactly one.
fn name_and_argument(ty: &Type) -> (String, Option<&Type>) {
    let Type::Path(path) = ty else {
        return (String::new(), None);
    };
    let Some(last) = path.path.segments.last() else {
        return (String::new(), None);
    };
    let argument = match &last.arguments {
        PathArguments::AngleBracketed(arguments) if arguments.args.len() == 1 => {
            match &arguments.args[0] {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            }
        }
        _ => None,
    };
    (last.ident.to_string(), argument)
}

/// A field: how to name it, and what it is.
pub(crate) struct Field {
    /// `x` or `0`.
    pub(crate) name: String,
    /// How a struct expression or pattern names it.
    pub(crate) member: syn::Member,
    /// A local variable for it.
    pub(crate) local: syn::Ident,
    pub(crate) kind: Kind,
}

/// All fields of a struct or of one variant.
pub(crate) fn fields(fields: &syn::Fields, predict: Predict) -> Result<Vec<Field>> {
    fields
        .members()
        .zip(fields)
        .map(|(member, field)| {
            let name = match &member {
                syn::Member::Named(ident) => ident.to_string().trim_start_matches("r#").to_owned(),
                syn::Member::Unnamed(index) => index.index.to_string(),
            };
            let wire = Wire::parse(&field.attrs)?;
            Ok(Field {
                local: syn::Ident::new(&format!("field_{name}"), Span::call_site()),
                kind: kind(&field.ty, &wire, predict)?,
                name,
                member,
            })
        })
        .collect()
}
