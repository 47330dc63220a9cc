//! The background: thin clouds of gas that tile without a seam.

use super::raster::{Picture, mixed};
use super::shapes::{layered_noise, smooth};

/// Small on purpose: clouds have no edges, so the browser may enlarge them eightfold.
const SIZE: usize = 160;
const CELLS: i32 = 4;

/// One tile.
pub(super) fn nebula() -> Picture {
    let picture = Picture::draw(SIZE, |x, y| {
        let scale = CELLS as f32 * 0.5;
        let (u, v) = ((x + 1.0) * scale, (y + 1.0) * scale);
        // Bending the plane by one noise before asking the next draws clouds out into wisps.
        let bend = layered_noise(u, v, CELLS, 3, 5) - 0.5;
        let cloud = layered_noise(u + bend * 1.6, v - bend * 1.6, CELLS, 5, 31);
        let tint = layered_noise(u + 1.7, v + 0.4, CELLS, 3, 77);
        let gas = mixed(
            [0.07, 0.10, 0.32, 1.0],
            [0.34, 0.07, 0.30, 1.0],
            smooth(tint * 2.4 - 0.7),
        );
        let gas = mixed(gas, [0.05, 0.30, 0.36, 1.0], smooth(1.1 - tint * 2.6) * 0.8);
        let thick = smooth((cloud - 0.36) * 2.6);
        mixed([0.016, 0.020, 0.050, 1.0], gas, thick * 0.85)
    });
    picture.with_levels(128.0)
}
