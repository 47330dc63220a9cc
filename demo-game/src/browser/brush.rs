//! A brush over the canvas context: the few strokes the game is drawn with.
//!
//! Canvas calls that return a `Result` fail only for impossible arguments (a negative radius, a broken
//! image). A stroke that fails is left out of that frame; nothing is to be gained by stopping the game.

use std::f64::consts::TAU;

use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use crate::rules::vector::Vec2;

/// How text is set against its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// Draws on one canvas.
#[derive(Clone, Copy)]
pub(super) struct Brush<'a> {
    pub(super) context: &'a CanvasRenderingContext2d,
}

impl<'a> Brush<'a> {
    pub(super) fn new(context: &'a CanvasRenderingContext2d) -> Self {
        Self { context }
    }

    /// Runs `paint` in coordinates moved to `place`, turned and enlarged; they are back afterwards.
    pub(super) fn at(&self, place: Vec2, turn: f32, scale: f32, paint: impl FnOnce(&Self)) {
        self.context.save();
        let _ = self
            .context
            .translate(f64::from(place.x), f64::from(place.y));
        let _ = self.context.rotate(f64::from(turn));
        let _ = self.context.scale(f64::from(scale), f64::from(scale));
        paint(self);
        self.context.restore();
    }

    /// Runs `paint` with colours added to what is there: light rather than paint.
    pub(super) fn glowing(&self, paint: impl FnOnce(&Self)) {
        let _ = self.context.set_global_composite_operation("lighter");
        paint(self);
        let _ = self.context.set_global_composite_operation("source-over");
    }

    pub(super) fn alpha(&self, alpha: f32) {
        self.context
            .set_global_alpha(f64::from(alpha.clamp(0.0, 1.0)));
    }

    pub(super) fn disc(&self, centre: Vec2, radius: f32, colour: &str) {
        self.circle_path(centre, radius);
        self.context.set_fill_style_str(colour);
        self.context.fill();
    }

    pub(super) fn ring(&self, centre: Vec2, radius: f32, width: f32, colour: &str) {
        self.circle_path(centre, radius);
        self.stroke(width, colour);
    }

    /// Part of a ring, from one heading to another, clockwise.
    pub(super) fn arc(
        &self,
        centre: Vec2,
        radius: f32,
        angles: (f32, f32),
        width: f32,
        colour: &str,
    ) {
        self.context.begin_path();
        let (x, y, radius) = (
            f64::from(centre.x),
            f64::from(centre.y),
            f64::from(radius.max(0.0)),
        );
        let _ = self
            .context
            .arc(x, y, radius, f64::from(angles.0), f64::from(angles.1));
        self.stroke(width, colour);
    }

    pub(super) fn line(&self, from: Vec2, to: Vec2, width: f32, colour: &str) {
        self.context.begin_path();
        self.context.move_to(f64::from(from.x), f64::from(from.y));
        self.context.line_to(f64::from(to.x), f64::from(to.y));
        self.stroke(width, colour);
    }

    pub(super) fn polygon(&self, corners: &[Vec2], colour: &str) {
        self.context.begin_path();
        for corner in corners {
            self.context
                .line_to(f64::from(corner.x), f64::from(corner.y));
        }
        self.context.close_path();
        self.context.set_fill_style_str(colour);
        self.context.fill();
    }

    pub(super) fn rectangle(&self, corner: Vec2, size: Vec2, colour: &str) {
        self.context.set_fill_style_str(colour);
        self.context.fill_rect(
            f64::from(corner.x),
            f64::from(corner.y),
            f64::from(size.x),
            f64::from(size.y),
        );
    }

    /// A rectangle with round corners.
    pub(super) fn plate(&self, corner: Vec2, size: Vec2, radius: f32, colour: &str) {
        self.context.begin_path();
        let _ = self.context.round_rect_with_f64(
            f64::from(corner.x),
            f64::from(corner.y),
            f64::from(size.x),
            f64::from(size.y),
            f64::from(radius),
        );
        self.context.set_fill_style_str(colour);
        self.context.fill();
    }

    /// A bar filled to a share of its length.
    pub(super) fn bar(&self, corner: Vec2, size: Vec2, share: f32, colour: &str) {
        self.plate(corner, size, size.y * 0.5, "rgba(140, 170, 220, 0.16)");
        let filled = size.x * share.clamp(0.0, 1.0);
        if filled >= 1.0 {
            self.plate(
                corner,
                Vec2::new(filled.max(size.y), size.y),
                size.y * 0.5,
                colour,
            );
        }
    }

    /// A line of text, its middle at the height of `place`.
    pub(super) fn text(&self, text: &str, place: Vec2, pixels: f32, align: Align, colour: &str) {
        self.font(pixels, align);
        self.context.set_fill_style_str(colour);
        let _ = self
            .context
            .fill_text(text, f64::from(place.x), f64::from(place.y));
    }

    /// Text that stays readable over anything: a dark edge beneath it.
    pub(super) fn text_over(
        &self,
        text: &str,
        place: Vec2,
        pixels: f32,
        align: Align,
        colour: &str,
    ) {
        self.font(pixels, align);
        self.context.set_line_join("round");
        self.context.set_line_width(3.0);
        self.context.set_stroke_style_str("rgba(3, 5, 14, 0.75)");
        let _ = self
            .context
            .stroke_text(text, f64::from(place.x), f64::from(place.y));
        self.context.set_fill_style_str(colour);
        let _ = self
            .context
            .fill_text(text, f64::from(place.x), f64::from(place.y));
    }

    /// How wide a text would be.
    pub(super) fn text_width(&self, text: &str, pixels: f32) -> f32 {
        self.font(pixels, Align::Left);
        self.context
            .measure_text(text)
            .map_or(0.0, |metrics| metrics.width() as f32)
    }

    /// A picture, centred, `width` wide and as high.
    pub(super) fn picture(&self, picture: &HtmlCanvasElement, centre: Vec2, width: f32) {
        let _ = self
            .context
            .draw_image_with_html_canvas_element_and_dw_and_dh(
                picture,
                f64::from(centre.x - width * 0.5),
                f64::from(centre.y - width * 0.5),
                f64::from(width),
                f64::from(width),
            );
    }

    fn font(&self, pixels: f32, align: Align) {
        self.context.set_font(&format!(
            "600 {pixels}px \"Exo 2\", \"Segoe UI\", Roboto, \"Helvetica Neue\", Arial, sans-serif"
        ));
        self.context.set_text_baseline("middle");
        self.context.set_text_align(match align {
            Align::Left => "left",
            Align::Centre => "center",
            Align::Right => "right",
        });
    }

    fn circle_path(&self, centre: Vec2, radius: f32) {
        self.context.begin_path();
        let (x, y, radius) = (
            f64::from(centre.x),
            f64::from(centre.y),
            f64::from(radius.max(0.0)),
        );
        let _ = self.context.arc(x, y, radius, 0.0, TAU);
    }

    fn stroke(&self, width: f32, colour: &str) {
        self.context.set_line_width(f64::from(width));
        self.context.set_stroke_style_str(colour);
        self.context.stroke();
    }
}

/// The colour of a ship, as CSS. Golden-angle steps: neighbours in number are far apart in colour.
pub(super) fn hue_colour(hue: u8, lightness_percent: u8) -> String {
    let degrees = (f32::from(hue) * 137.5 + 195.0) % 360.0;
    format!("hsl({degrees:.0}, 92%, {lightness_percent}%)")
}
