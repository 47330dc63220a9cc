//! What a page says along with a call, as the core takes it.
//!
//! The decision to question: what makes no sense is an error, though a default could be had. A page that
//! connects elsewhere than it says, or fetches what it does not want, does not find out why.

use core::num::NonZeroU8;

use tickwire_protocol::{
    limits::JOIN_BYTES_MAX,
    stream::{StreamKind, StreamOptions},
};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Url;

use super::{error, message_pack, object::field};
use crate::{
    browser::driver::{random_seed, socket_url},
    client::{AssetPolicy, Config},
};

/// `TickwireOptions`, and the address among them.
///
/// # Errors
/// An `Error` for what makes no sense.
pub(super) fn config(options: &JsValue) -> Result<(Config, String), JsValue> {
    check_object(options)?;
    let url = match field(options, "url") {
        None => "/play".to_owned(),
        Some(url) => match url.dyn_ref::<Url>() {
            Some(url) => url.href(),
            None => as_text("the option url", &url)?,
        },
    };
    let mut join = vec![];
    if let Some(value) = field(options, "join") {
        message_pack::encode(&value, &mut join)?;
    }
    if join.len() > JOIN_BYTES_MAX {
        let bytes = join.len();
        return Err(error(format!(
            "the option join has {bytes} bytes on the wire, {JOIN_BYTES_MAX} are allowed"
        )));
    }
    let assets = match field(options, "assets") {
        None => AssetPolicy::LookUpThenFetch,
        Some(wish) => match (wish.as_bool(), wish.as_string().as_deref()) {
            (Some(true), _) => AssetPolicy::LookUpThenFetch,
            (Some(false), _) => AssetPolicy::None,
            (_, Some("asked")) => AssetPolicy::LookUpWhenAsked,
            _ => return Err(error("the option assets is true, false or \"asked\"")),
        },
    };
    let config = Config {
        name: text(options, "name")?.unwrap_or_default(),
        room: text(options, "room")?.unwrap_or_default(),
        schema: None,
        join,
        assets,
        seed: random_seed(),
    };
    Ok((config, socket_url(&url)?))
}

/// `TickwireStreamOptions`, and what the stream is about.
///
/// # Errors
/// An `Error` for what makes no sense.
pub(super) fn stream(metadata: &JsValue, options: &JsValue) -> Result<StreamOptions, JsValue> {
    check_object(options)?;
    let kind = match text(options, "kind")?.as_deref() {
        None | Some("bytes") => StreamKind::Bytes,
        Some("messages") => StreamKind::Messages,
        Some("live") => StreamKind::Live,
        Some(other) => return Err(error(format!("no kind of stream is called {other}"))),
    };
    let mut bytes = vec![];
    message_pack::encode(metadata, &mut bytes)?;
    let mut wish = StreamOptions {
        metadata: bytes.into(),
        ..StreamOptions::new(kind)
    };
    if let Some(weight) = field(options, "weight") {
        let weight = NonZeroU8::new(as_byte(&weight).unwrap_or(0));
        wish.weight = weight.ok_or_else(|| error("a weight is a whole number from 1 to 255"))?;
    }
    Ok(wish)
}

/// An asset's priority.
///
/// # Errors
/// An `Error` for anything but a whole number from 0 to 255.
pub(super) fn priority(value: &JsValue) -> Result<u8, JsValue> {
    as_byte(value).ok_or_else(|| error("a priority is a whole number from 0 to 255"))
}

fn as_byte(value: &JsValue) -> Option<u8> {
    let number = value.as_f64()?;
    let byte = number as u8;
    (f64::from(byte) == number).then_some(byte)
}

/// An option that is a text, unless it is missing.
fn text(options: &JsValue, name: &str) -> Result<Option<String>, JsValue> {
    field(options, name)
        .map(|value| as_text(&format!("the option {name}"), &value))
        .transpose()
}

/// What a page has to give as a text. (For an argument of that type the generated code takes anything, and breaks
/// on what has no length.)
///
/// # Errors
/// An `Error` that says what is to be a text.
pub(super) fn as_text(what: &str, value: &JsValue) -> Result<String, JsValue> {
    let text = value.as_string();
    text.ok_or_else(|| error(format!("{what} is a text")))
}

fn check_object(options: &JsValue) -> Result<(), JsValue> {
    if options.is_object() || options.is_undefined() || options.is_null() {
        Ok(())
    } else {
        Err(error("options are an object"))
    }
}
