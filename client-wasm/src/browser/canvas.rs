//! The canvas as a game draws on it: sized in CSS pixels, sharp on every screen.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

/// Device pixels per CSS pixel are taken up to here: beyond it nobody sees a difference, and a phone
/// with a scale of 4 would fill four times the pixels of one with 2.
const SCALE_MAX: f64 = 2.0;

/// A 2D canvas whose unit is the CSS pixel.
pub struct Canvas {
    element: HtmlCanvasElement,
    /// Where to draw. Its transform is set so that a unit is a CSS pixel.
    pub context: CanvasRenderingContext2d,
    /// Width in CSS pixels.
    pub width: f64,
    /// Height in CSS pixels.
    pub height: f64,
    /// Canvas pixels per CSS pixel: `devicePixelRatio`, at most 2.
    pub scale: f64,
}

impl Canvas {
    pub(super) fn new(element: HtmlCanvasElement) -> Result<Self, JsValue> {
        let context = element
            .get_context("2d")?
            .ok_or("this browser has no 2D canvas")?;
        let context = context.dyn_into::<CanvasRenderingContext2d>()?;
        Ok(Self {
            element,
            context,
            width: 0.0,
            height: 0.0,
            scale: 1.0,
        })
    }

    /// The element, for a page that wants to move or to hide it.
    #[must_use]
    pub fn element(&self) -> &HtmlCanvasElement {
        &self.element
    }

    /// Takes on the size the page gives it now. Setting a canvas' size clears it and costs an
    /// allocation, so it is done only on a change.
    pub(super) fn fit(&mut self) {
        let ratio = web_sys::window().map_or(1.0, |window| window.device_pixel_ratio());
        self.scale = ratio.clamp(1.0, SCALE_MAX);
        self.width = f64::from(self.element.client_width());
        self.height = f64::from(self.element.client_height());
        let pixels = |css: f64| (css * self.scale).round().max(1.0) as u32;
        let (width, height) = (pixels(self.width), pixels(self.height));
        if (self.element.width(), self.element.height()) != (width, height) {
            self.element.set_width(width);
            self.element.set_height(height);
        }
        drop(
            self.context
                .set_transform(self.scale, 0.0, 0.0, self.scale, 0.0, 0.0),
        );
    }
}
