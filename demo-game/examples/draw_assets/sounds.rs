//! The sounds: sweeps, noise and envelopes, each a few lines.
//!
//! Every sound starts at its loudest within a few milliseconds: a shot that is heard late feels slow.

use std::f32::consts::TAU;

use super::shapes::hash;

/// Samples and how many of them make a second.
pub(super) struct Sound {
    pub(super) rate_hz: u32,
    pub(super) samples: Vec<f32>,
}

/// Every sound under its name.
pub(super) fn all() -> Vec<(&'static str, Sound)> {
    vec![
        ("shot", levelled(shot(), 0.55)),
        ("seeker", levelled(seeker(), 0.6)),
        ("hit", levelled(hit(), 0.7)),
        ("hurt", levelled(hurt(), 0.8)),
        ("bump", levelled(bump(), 0.8)),
        ("explosion", levelled(explosion(), 0.95)),
        (
            "pickup",
            levelled(chime(&[660.0, 880.0, 1320.0], 0.07, 0.30), 0.55),
        ),
        (
            "spawn",
            levelled(chime(&[330.0, 440.0, 660.0, 990.0], 0.06, 0.45), 0.5),
        ),
        ("kill", levelled(chime(&[523.0, 784.0], 0.09, 0.32), 0.6)),
        ("chat", levelled(chime(&[990.0], 0.05, 0.09), 0.4)),
        (
            "round",
            levelled(chime(&[392.0, 523.0, 659.0, 784.0, 1047.0], 0.14, 1.1), 0.6),
        ),
    ]
}

/// Computes a sound from a function of the time in seconds.
fn sound(rate_hz: u32, seconds: f32, mut wave: impl FnMut(f32) -> f32) -> Sound {
    let count = (seconds * rate_hz as f32) as u32;
    let fade = 0.012 * rate_hz as f32;
    let samples = (0..count).map(|i| {
        // Both ends fade to nothing: a sample that starts or stops off zero clicks.
        let edge = (i as f32 / (fade * 0.15))
            .min((count - i) as f32 / fade)
            .min(1.0);
        wave(i as f32 / rate_hz as f32) * edge
    });
    Sound {
        rate_hz,
        samples: samples.collect(),
    }
}

/// The same sound, its loudest sample at `peak`.
fn levelled(mut sound: Sound, peak: f32) -> Sound {
    let loudest = sound
        .samples
        .iter()
        .fold(1e-6, |most: f32, sample| most.max(sample.abs()));
    for sample in &mut sound.samples {
        *sample *= peak / loudest;
    }
    sound
}

/// White noise through a one-pole low-pass whose openness (0 ..= 1) may change.
fn dull_noise(seed: u32) -> impl FnMut(f32) -> f32 {
    let (mut index, mut level) = (0_u32, 0.0);
    move |openness| {
        index += 1;
        level += (hash(index, 7, seed) * 2.0 - 1.0 - level) * openness;
        level
    }
}

/// A sine whose frequency falls (or rises) exponentially; the phase is integrated, so it never jumps.
fn sweep(t: f32, from_hz: f32, to_hz: f32, seconds: f32) -> f32 {
    let rate = (to_hz / from_hz).ln() / seconds;
    (TAU * from_hz * ((rate * t).exp() - 1.0) / rate).sin()
}

fn shot() -> Sound {
    let mut noise = dull_noise(1);
    sound(22_050, 0.17, |t| {
        let body = sweep(t, 1500.0, 180.0, 0.17);
        let buzz = sweep(t, 750.0, 90.0, 0.17).signum() * 0.35;
        (body + buzz + noise(0.6) * 0.5 * (-t * 60.0).exp()) * (-t * 17.0).exp()
    })
}

fn seeker() -> Sound {
    let mut noise = dull_noise(2);
    sound(22_050, 0.55, |t| {
        let hiss = noise(0.10 + t * 0.8) * (1.0 - (-t * 40.0).exp());
        let whistle = sweep(t, 220.0, 900.0, 0.55) * 0.22;
        (hiss * 1.6 + whistle) * (-t * 4.0).exp()
    })
}

fn hit() -> Sound {
    let mut noise = dull_noise(3);
    sound(22_050, 0.11, |t| {
        sweep(t, 2100.0, 700.0, 0.11) * 0.6 * (-t * 38.0).exp() + noise(0.9) * (-t * 70.0).exp()
    })
}

fn hurt() -> Sound {
    let mut noise = dull_noise(4);
    sound(22_050, 0.24, |t| {
        let thud = sweep(t, 260.0, 60.0, 0.24);
        thud * (-t * 13.0).exp() + noise(0.35) * 1.1 * (-t * 26.0).exp()
    })
}

fn bump() -> Sound {
    let mut noise = dull_noise(5);
    sound(22_050, 0.16, |t| {
        sweep(t, 150.0, 48.0, 0.16) * (-t * 20.0).exp() + noise(0.12) * 1.6 * (-t * 34.0).exp()
    })
}

fn explosion() -> Sound {
    let (mut roar, mut crack) = (dull_noise(6), dull_noise(7));
    sound(16_000, 1.05, |t| {
        let boom = sweep(t, 130.0, 28.0, 1.05) * (-t * 4.2).exp();
        let body = roar(0.05 + 0.5 * (-t * 5.0).exp()) * 2.4 * (-t * 3.6).exp();
        boom + body + crack(0.9) * 0.7 * (-t * 30.0).exp()
    })
}

/// Notes one after the other, each ringing on.
fn chime(notes_hz: &[f32], gap_seconds: f32, seconds: f32) -> Sound {
    sound(16_000, seconds, |t| {
        let note = |(index, hz): (usize, &f32)| {
            let since = t - index as f32 * gap_seconds;
            if since < 0.0 {
                return 0.0;
            }
            let ring = (TAU * hz * since).sin() + (TAU * hz * 2.0 * since).sin() * 0.28;
            ring * (-since * 7.0).exp() * (since * 400.0).min(1.0)
        };
        notes_hz.iter().enumerate().map(note).sum()
    })
}
