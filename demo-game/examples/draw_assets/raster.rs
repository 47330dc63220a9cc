//! From a function of the plane to a picture: supersampling, so that edges are smooth, and PNG.

use super::Failure;

/// Samples per pixel and axis: sixteen per pixel make edges as smooth as 8 bits show.
const SAMPLES: usize = 4;

/// Red, green, blue and alpha, each 0 ..= 1, colours not multiplied by alpha.
pub(super) type Colour = [f32; 4];

/// A colour that shows nothing.
pub(super) const CLEAR: Colour = [0.0; 4];

/// A square picture.
pub(super) struct Picture {
    size: usize,
    pixels: Vec<u8>,
    has_alpha: bool,
}

impl Picture {
    /// Draws a function of the plane; both coordinates run from −1 to 1, y downwards.
    pub(super) fn draw(size: usize, paint: impl Fn(f32, f32) -> Colour) -> Self {
        let mut pixels = Vec::with_capacity(size * size * 4);
        for row in 0..size {
            for column in 0..size {
                pixels.extend(pixel(size, column, row, &paint));
            }
        }
        let has_alpha = pixels.chunks_exact(4).any(|pixel| pixel[3] < 255);
        Self {
            size,
            pixels,
            has_alpha,
        }
    }

    /// Rounds every channel to so many levels: a little coarser, and a much smaller file.
    pub(super) fn with_levels(mut self, levels: f32) -> Self {
        for value in &mut self.pixels {
            let level = (f32::from(*value) / 255.0 * (levels - 1.0)).round();
            *value = (level / (levels - 1.0) * 255.0).round() as u8;
        }
        self
    }

    /// The picture as a PNG file.
    pub(super) fn to_png(&self) -> Result<Vec<u8>, Failure> {
        let mut file = Vec::new();
        let size = u32::try_from(self.size)?;
        let mut encoder = png::Encoder::new(&mut file, size, size);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        encoder.set_color(if self.has_alpha {
            png::ColorType::Rgba
        } else {
            png::ColorType::Rgb
        });
        let channels = if self.has_alpha { 4 } else { 3 };
        let pixels: Vec<u8> = self
            .pixels
            .chunks_exact(4)
            .flat_map(|pixel| pixel[..channels].iter().copied())
            .collect();
        encoder.write_header()?.write_image_data(&pixels)?;
        Ok(file)
    }
}

fn pixel(size: usize, column: usize, row: usize, paint: &impl Fn(f32, f32) -> Colour) -> [u8; 4] {
    let at = |cell: usize, sample: usize| {
        let offset = (sample as f32 + 0.5) / SAMPLES as f32;
        (cell as f32 + offset) / size as f32 * 2.0 - 1.0
    };
    let mut sum = [0.0_f32; 4];
    for sample in 0..SAMPLES * SAMPLES {
        let [red, green, blue, alpha] =
            paint(at(column, sample % SAMPLES), at(row, sample / SAMPLES));
        for (total, value) in sum
            .iter_mut()
            .zip([red * alpha, green * alpha, blue * alpha, alpha])
        {
            *total += value;
        }
    }
    let alpha = sum[3] / (SAMPLES * SAMPLES) as f32;
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    if alpha <= 0.002 {
        return [0; 4];
    }
    [
        byte(sum[0] / sum[3]),
        byte(sum[1] / sum[3]),
        byte(sum[2] / sum[3]),
        byte(alpha),
    ]
}

/// Lays one colour over another.
pub(super) fn over(top: Colour, below: Colour) -> Colour {
    let alpha = top[3] + below[3] * (1.0 - top[3]);
    if alpha <= 0.0 {
        return CLEAR;
    }
    let mix = |i: usize| (top[i] * top[3] + below[i] * below[3] * (1.0 - top[3])) / alpha;
    [mix(0), mix(1), mix(2), alpha]
}

/// A colour as bright as asked; alpha stays.
pub(super) fn shaded(colour: Colour, brightness: f32) -> Colour {
    [
        colour[0] * brightness,
        colour[1] * brightness,
        colour[2] * brightness,
        colour[3],
    ]
}

/// A colour part of the way to another.
pub(super) fn mixed(from: Colour, to: Colour, share: f32) -> Colour {
    let share = share.clamp(0.0, 1.0);
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}
