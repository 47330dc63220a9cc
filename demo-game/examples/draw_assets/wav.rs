//! From samples to a WAV file: 16 bits, mono.

use super::Failure;
use super::sounds::Sound;

/// A sound as a WAV file.
pub(super) fn to_wav(sound: &Sound) -> Result<Vec<u8>, Failure> {
    let content_bytes = u32::try_from(sound.samples.len() * 2)?;
    let mut file = Vec::with_capacity(44 + sound.samples.len() * 2);
    file.extend(b"RIFF");
    file.extend((36 + content_bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(sound.rate_hz.to_le_bytes());
    file.extend((sound.rate_hz * 2).to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(content_bytes.to_le_bytes());
    for sample in &sound.samples {
        let value = (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)) as i16;
        file.extend(value.to_le_bytes());
    }
    Ok(file)
}
