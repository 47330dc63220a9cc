//! Pictures: what the asset stream brought, tinted once per colour, and lights made here.
//!
//! Everything is drawn from small canvases made ahead. Until a picture has come, its place is taken by
//! plain shapes, so that a slow line delays beauty and not the game.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::{
    CanvasRenderingContext2d, Document, HtmlCanvasElement, HtmlImageElement, js_sys::Uint8Array,
};

use super::brush::hue_colour;
use super::particles::Tone;
use crate::rules::tuning::HUES;

/// Side of a light's picture, pixels.
const GLOW_PIXELS: u32 = 64;

type Shelf = Rc<RefCell<HashMap<String, HtmlCanvasElement>>>;

/// All pictures of the game.
pub(super) struct Sprites {
    document: Document,
    arrived: Shelf,
    hulls: RefCell<HashMap<u8, HtmlCanvasElement>>,
    glows: Vec<(HtmlCanvasElement, String)>,
}

impl Sprites {
    pub(super) fn new(document: &Document) -> Result<Self, JsValue> {
        let fixed = ["#ffffff", "#ffb347", "#ff5a2a", "#8fe3ff", "#ffe27a"];
        let colours = fixed.map(str::to_owned).into_iter();
        let colours = colours.chain((0..HUES).map(|hue| hue_colour(hue, 66)));
        let glows = colours.map(|colour| Ok((glow(document, &colour)?, colour)));
        Ok(Self {
            document: document.clone(),
            arrived: Shelf::default(),
            hulls: RefCell::default(),
            glows: glows.collect::<Result<_, JsValue>>()?,
        })
    }

    /// Takes a picture's file. It can be drawn as soon as the browser has decoded it.
    pub(super) fn take(&self, name: &str, mime: &str, bytes: &[u8]) -> Result<(), JsValue> {
        let parts = web_sys::js_sys::Array::of1(&Uint8Array::from(bytes));
        let bag = web_sys::BlobPropertyBag::new();
        bag.set_type(mime);
        let blob = web_sys::Blob::new_with_u8_array_sequence_and_options(&parts, &bag)?;
        let url = web_sys::Url::create_object_url_with_blob(&blob)?;
        let image = HtmlImageElement::new()?;
        let (shelf, document) = (Rc::clone(&self.arrived), self.document.clone());
        let name = name.trim_end_matches(".png").to_owned();
        let (decoded, address) = (image.clone(), url.clone());
        let ready = Closure::once_into_js(move || {
            // Once on a canvas it needs no decoding in the middle of a frame.
            if let Ok(canvas) = to_canvas(&document, &decoded) {
                shelf.borrow_mut().insert(name, canvas);
            }
            let _ = web_sys::Url::revoke_object_url(&address);
        });
        image.set_onload(Some(ready.unchecked_ref()));
        image.set_src(&url);
        Ok(())
    }

    /// A picture by its name without ending; nothing while it has not come.
    pub(super) fn picture(&self, name: &str) -> Option<HtmlCanvasElement> {
        self.arrived.borrow().get(name).cloned()
    }

    /// A ship in its colour, trim and all.
    pub(super) fn hull(&self, hue: u8) -> Option<HtmlCanvasElement> {
        if let Some(hull) = self.hulls.borrow().get(&hue) {
            return Some(hull.clone());
        }
        let (hull, trim) = (self.picture("ship_hull")?, self.picture("ship_trim")?);
        let tinted = tint(&self.document, &hull, &trim, &hue_colour(hue, 64)).ok()?;
        self.hulls.borrow_mut().insert(hue, tinted.clone());
        Some(tinted)
    }

    /// A soft light.
    pub(super) fn glow(&self, tone: Tone) -> &HtmlCanvasElement {
        &self.glows[index(tone)].0
    }

    /// A light's colour, as CSS.
    pub(super) fn colour(&self, tone: Tone) -> &str {
        &self.glows[index(tone)].1
    }
}

fn index(tone: Tone) -> usize {
    match tone {
        Tone::White => 0,
        Tone::Fire => 1,
        Tone::Ember => 2,
        Tone::Ice => 3,
        Tone::Gold => 4,
        Tone::Hue(hue) => 5 + usize::from(hue % HUES),
    }
}

pub(super) fn new_canvas(
    document: &Document,
    width: u32,
    height: u32,
) -> Result<(HtmlCanvasElement, CanvasRenderingContext2d), JsValue> {
    let canvas: HtmlCanvasElement = document.create_element("canvas")?.dyn_into()?;
    canvas.set_width(width);
    canvas.set_height(height);
    let context = canvas
        .get_context("2d")?
        .ok_or("this browser has no 2D canvas")?;
    Ok((canvas, context.dyn_into()?))
}

fn to_canvas(document: &Document, image: &HtmlImageElement) -> Result<HtmlCanvasElement, JsValue> {
    let (canvas, context) = new_canvas(document, image.natural_width(), image.natural_height())?;
    context.draw_image_with_html_image_element(image, 0.0, 0.0)?;
    Ok(canvas)
}

fn glow(document: &Document, colour: &str) -> Result<HtmlCanvasElement, JsValue> {
    let (canvas, context) = new_canvas(document, GLOW_PIXELS, GLOW_PIXELS)?;
    let side = f64::from(GLOW_PIXELS);
    let middle = side * 0.5;
    // The falloff is a mask, the colour is laid into it: a gradient cannot fade a named colour.
    let fade = context.create_radial_gradient(middle, middle, 0.0, middle, middle, middle)?;
    for (at, alpha) in [
        (0.0, 1.0),
        (0.18, 0.72),
        (0.42, 0.26),
        (0.72, 0.06),
        (1.0, 0.0),
    ] {
        fade.add_color_stop(at, &format!("rgba(255, 255, 255, {alpha})"))?;
    }
    context.set_fill_style_canvas_gradient(&fade);
    context.fill_rect(0.0, 0.0, side, side);
    context.set_global_composite_operation("source-in")?;
    context.set_fill_style_str(colour);
    context.fill_rect(0.0, 0.0, side, side);
    // A white heart: light that is strong enough has no colour.
    context.set_global_composite_operation("lighter")?;
    let heart =
        context.create_radial_gradient(middle, middle, 0.0, middle, middle, middle * 0.3)?;
    heart.add_color_stop(0.0, "rgba(255, 255, 255, 0.85)")?;
    heart.add_color_stop(1.0, "rgba(255, 255, 255, 0)")?;
    context.set_fill_style_canvas_gradient(&heart);
    context.fill_rect(0.0, 0.0, side, side);
    Ok(canvas)
}

fn tint(
    document: &Document,
    hull: &HtmlCanvasElement,
    trim: &HtmlCanvasElement,
    colour: &str,
) -> Result<HtmlCanvasElement, JsValue> {
    let (canvas, context) = new_canvas(document, hull.width(), hull.height())?;
    let (width, height) = (f64::from(hull.width()), f64::from(hull.height()));
    context.draw_image_with_html_canvas_element(hull, 0.0, 0.0)?;
    context.set_global_composite_operation("multiply")?;
    context.set_fill_style_str(colour);
    context.fill_rect(0.0, 0.0, width, height);
    context.set_global_composite_operation("destination-in")?;
    context.draw_image_with_html_canvas_element(hull, 0.0, 0.0)?;
    context.set_global_composite_operation("source-over")?;
    context.draw_image_with_html_canvas_element(trim, 0.0, 0.0)?;
    Ok(canvas)
}
