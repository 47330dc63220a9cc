//! `#[wire(…)]` and `#[replicate(…)]` as written, before it is known whether they fit their field.

use proc_macro2::Span;
use syn::{
    Attribute, Error, Expr, LitInt, LitStr, Path, Result, meta::ParseNestedMeta,
    parse::ParseStream, parse_quote,
};

/// What an attribute says, and where it says so.
pub(crate) struct Said<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// The two predictors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Predict {
    Hold,
    Linear,
}

/// Everything `#[wire(…)]` can say about a field.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) range: Option<Said<(Expr, Expr)>>,
    pub(crate) step: Option<Said<Expr>>,
    pub(crate) bits: Option<Said<u8>>,
    pub(crate) predict: Option<Said<Predict>>,
    pub(crate) angle: Option<Said<()>>,
    pub(crate) entity: Option<Said<()>>,
    pub(crate) opaque: Option<Said<()>>,
    pub(crate) skip: Option<Said<()>>,
}

/// Everything `#[replicate(…)]` can say about a type.
pub(crate) struct Replicate {
    pub(crate) name: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) send: Send,
    pub(crate) predict: Predict,
    pub(crate) protocol: Path,
}

/// When a change is sent.
pub(crate) enum Send {
    OnChange,
    Once,
    Every(u16),
}

impl Wire {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut wire = Self::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("wire")) {
            attribute.parse_nested_meta(|meta| wire.take(&meta))?;
        }
        Ok(wire)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(name) = meta.path.get_ident() else {
            return Err(meta.error("an attribute of one word is expected"));
        };
        match name.to_string().as_str() {
            "range" => {
                let content;
                syn::parenthesized!(content in meta.input);
                set(&mut self.range, meta, two(&content)?)
            }
            "step" => set(&mut self.step, meta, meta.value()?.parse()?),
            "bits" => set(&mut self.bits, meta, bits(&meta.value()?.parse()?)?),
            "predict" => set(&mut self.predict, meta, predict(&meta.value()?.parse()?)?),
            "angle" => set(&mut self.angle, meta, ()),
            "entity" => set(&mut self.entity, meta, ()),
            "opaque" => set(&mut self.opaque, meta, ()),
            "skip" => set(&mut self.skip, meta, ()),
            unknown => Err(meta.error(format!(
                "`{unknown}` is not known here; a field takes range(low, high), step, bits, angle, predict, \
                 entity, opaque or skip"
            ))),
        }
    }

    /// Where the first attribute stands that is not among those that fit.
    pub(crate) fn first_but(&self, fitting: &[&str]) -> Option<(&'static str, Span)> {
        let said = [
            ("range", self.range.as_ref().map(|said| said.span)),
            ("step", self.step.as_ref().map(|said| said.span)),
            ("bits", self.bits.as_ref().map(|said| said.span)),
            ("predict", self.predict.as_ref().map(|said| said.span)),
            ("angle", self.angle.as_ref().map(|said| said.span)),
            ("entity", self.entity.as_ref().map(|said| said.span)),
            ("opaque", self.opaque.as_ref().map(|said| said.span)),
            ("skip", self.skip.as_ref().map(|said| said.span)),
        ];
        said.into_iter()
            .filter(|(name, _)| !fitting.contains(name))
            .find_map(|(name, span)| Some((name, span?)))
    }
}

impl Replicate {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut replicate = Self {
            name: None,
            audience: None,
            send: Send::OnChange,
            predict: Predict::Hold,
            protocol: parse_quote!(::tickwire_protocol),
        };
        for attribute in attributes.iter().filter(|a| a.path().is_ident("replicate")) {
            attribute.parse_nested_meta(|meta| replicate.take(&meta))?;
        }
        Ok(replicate)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let path = &meta.path;
        if path.is_ident("name") {
            self.name = Some(meta.value()?.parse::<LitStr>()?.value());
        } else if path.is_ident("audience") {
            self.audience = Some(audience(&meta.value()?.parse()?)?);
        } else if path.is_ident("send") {
            self.send = send(&meta.value()?.parse()?)?;
        } else if path.is_ident("every") {
            let ticks: LitInt = meta.value()?.parse()?;
            self.send = match ticks.base10_parse::<u16>() {
                Ok(ticks @ 1..) => Send::Every(ticks),
                _ => return Err(Error::new(ticks.span(), "`every` takes 1 to 65535 ticks")),
            };
        } else if path.is_ident("predict") {
            self.predict = predict(&meta.value()?.parse()?)?;
        } else if path.is_ident("crate") {
            self.protocol = meta.value()?.parse::<LitStr>()?.parse()?;
        } else {
            return Err(meta.error(
                "not known here; a replicated type takes name, audience, send, every, predict or crate",
            ));
        }
        Ok(())
    }
}

fn set<T>(place: &mut Option<Said<T>>, meta: &ParseNestedMeta<'_>, value: T) -> Result<()> {
    if place.is_some() {
        return Err(meta.error("said twice"));
    }
    let span = syn::spanned::Spanned::span(&meta.path);
    *place = Some(Said { value, span });
    Ok(())
}

fn two(content: ParseStream<'_>) -> Result<(Expr, Expr)> {
    let low = content.parse()?;
    content.parse::<syn::Token![,]>()?;
    let high = content.parse()?;
    if content.is_empty() {
        Ok((low, high))
    } else {
        Err(content.error("range takes two values: range(low, high)"))
    }
}

fn bits(literal: &LitInt) -> Result<u8> {
    match literal.base10_parse() {
        Ok(bits @ 1..=32) => Ok(bits),
        _ => Err(Error::new(literal.span(), "bits must be 1 to 32")),
    }
}

fn predict(literal: &LitStr) -> Result<Predict> {
    match literal.value().as_str() {
        "hold" => Ok(Predict::Hold),
        "linear" => Ok(Predict::Linear),
        _ => Err(Error::new(
            literal.span(),
            r#"predict takes "hold" or "linear""#,
        )),
    }
}

fn audience(literal: &LitStr) -> Result<String> {
    match literal.value().as_str() {
        "everyone" => Ok("Everyone".into()),
        "owner" => Ok("Owner".into()),
        "team" => Ok("Team".into()),
        "filtered" => Ok("Filtered".into()),
        _ => Err(Error::new(
            literal.span(),
            r#"audience takes "everyone", "owner", "team" or "filtered""#,
        )),
    }
}

fn send(literal: &LitStr) -> Result<Send> {
    match literal.value().as_str() {
        "change" => Ok(Send::OnChange),
        "once" => Ok(Send::Once),
        _ => Err(Error::new(
            literal.span(),
            r#"send takes "change" or "once"; for at most every N ticks write every = N"#,
        )),
    }
}
