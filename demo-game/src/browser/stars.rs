//! What lies behind the arena: gas clouds and three layers of stars that move slower the farther away.

use web_sys::HtmlCanvasElement;

use super::brush::Brush;
use super::camera::Camera;
use super::sprites::Sprites;
use crate::rules::random::Random;
use crate::rules::vector::Vec2;

/// Side of the square of sky that repeats, CSS pixels.
const TILE: f32 = 900.0;
/// How far each layer moves for one pixel of the arena, how many stars it has, and how large they are.
const LAYERS: [(f32, usize, f32); 3] = [(0.10, 150, 0.9), (0.24, 80, 1.3), (0.46, 36, 1.9)];
/// How far the clouds move.
const CLOUDS: f32 = 0.06;
/// Side of one tile of clouds, CSS pixels.
const CLOUD_TILE: f32 = 1100.0;

struct Star {
    place: Vec2,
    size: f32,
    brightness: f32,
    colour: &'static str,
    twinkle: f32,
}

/// The sky.
pub(super) struct Sky {
    layers: Vec<Vec<Star>>,
}

impl Sky {
    pub(super) fn new() -> Self {
        let mut random = Random::new(0x57a25);
        let colours = ["#ffffff", "#cfe0ff", "#ffe9cf", "#a9c8ff"];
        let layers = LAYERS.map(|(_, count, size)| {
            let star = |_| Star {
                place: Vec2::new(random.between(0.0, TILE), random.between(0.0, TILE)),
                size: size * random.between(0.5, 1.2),
                brightness: random.between(0.25, 0.95),
                colour: colours[random.below(colours.len())],
                twinkle: random.between(0.0, 6.0),
            };
            (0..count).map(star).collect()
        });
        Self {
            layers: layers.into(),
        }
    }

    pub(super) fn draw(
        &self,
        brush: &Brush<'_>,
        camera: &Camera,
        sprites: &Sprites,
        now_seconds: f32,
    ) {
        brush.rectangle(Vec2::ZERO, camera.screen, "#04060f");
        if let Some(clouds) = sprites.picture("nebula") {
            draw_clouds(brush, camera, &clouds);
        }
        for (layer, (parallax, ..)) in self.layers.iter().zip(LAYERS) {
            let shift = camera.centre * (-parallax * camera.zoom);
            for star in layer {
                let wave = 0.78 + 0.22 * (now_seconds * 1.3 + star.twinkle).sin();
                brush.alpha(star.brightness * wave);
                tiled(star.place + shift, TILE, camera.screen, |place| {
                    let corner = place - Vec2::new(star.size, star.size) * 0.5;
                    brush.rectangle(corner, Vec2::new(star.size, star.size), star.colour);
                });
            }
        }
        brush.alpha(1.0);
    }
}

fn draw_clouds(brush: &Brush<'_>, camera: &Camera, clouds: &HtmlCanvasElement) {
    let shift = camera.centre * (-CLOUDS * camera.zoom);
    brush.alpha(0.9);
    let reach = camera.screen + Vec2::new(CLOUD_TILE, CLOUD_TILE);
    tiled(shift, CLOUD_TILE, reach, |place| {
        // A pixel of overlap: two edges that meet between pixels would show as a seam.
        brush.picture(
            clouds,
            place - Vec2::new(CLOUD_TILE, CLOUD_TILE) * 0.5,
            CLOUD_TILE + 1.0,
        );
    });
    brush.alpha(1.0);
}

/// Calls `paint` for every repetition of a place within `reach` of the upper left corner.
fn tiled(place: Vec2, tile: f32, reach: Vec2, mut paint: impl FnMut(Vec2)) {
    let mut y = place.y.rem_euclid(tile);
    while y < reach.y {
        let mut x = place.x.rem_euclid(tile);
        while x < reach.x {
            paint(Vec2::new(x, y));
            x += tile;
        }
        y += tile;
    }
}
