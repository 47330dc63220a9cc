//! Sounds: files from the asset stream, played near or far, left or right; and the hum of the own engine.
//!
//! Browsers stay silent until the player has touched the page, so the context is made at the first
//! gesture and files that come before it wait.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::js_sys::Uint8Array;
use web_sys::{
    AudioBuffer, AudioContext, BiquadFilterNode, BiquadFilterType, GainNode, OscillatorType,
};

use crate::rules::vector::Vec2;

/// Sounds that may start in one frame: a battle must not clip.
const STARTS_PER_FRAME_MAX: usize = 6;
/// How far away a sound fades to nothing, units.
const EARSHOT: f32 = 1100.0;
/// Loudness of everything.
const VOLUME: f32 = 0.5;

type Buffers = Rc<RefCell<HashMap<String, AudioBuffer>>>;

struct Live {
    context: AudioContext,
    master: GainNode,
    hum: GainNode,
    hum_filter: BiquadFilterNode,
}

/// The loudspeaker.
#[derive(Default)]
pub(super) struct Audio {
    live: Option<Live>,
    buffers: Buffers,
    waiting: Vec<(String, Vec<u8>)>,
    starts: usize,
    pub(super) is_muted: bool,
}

impl Audio {
    /// Takes a sound's file.
    pub(super) fn take(&mut self, name: &str, bytes: &[u8]) {
        let name = name.trim_end_matches(".wav").to_owned();
        match &self.live {
            Some(live) => decode(&live.context, Rc::clone(&self.buffers), name, bytes),
            None => self.waiting.push((name, bytes.to_vec())),
        }
    }

    /// Makes the context, on a gesture of the player. Later calls wake it when the browser put it to
    /// sleep.
    pub(super) fn wake(&mut self) {
        if let Some(live) = &self.live {
            if live.context.state() == web_sys::AudioContextState::Suspended {
                let _ = live.context.resume();
            }
            return;
        }
        // Without sound the game is still a game.
        let Ok(live) = Live::new() else { return };
        for (name, bytes) in self.waiting.drain(..) {
            decode(&live.context, Rc::clone(&self.buffers), name, &bytes);
        }
        self.live = Some(live);
    }

    /// Once a frame: `thrust` is what the own engine gives, 0 to 2.
    pub(super) fn frame(&mut self, thrust: f32) {
        self.starts = 0;
        let Some(live) = &self.live else { return };
        let now = live.context.current_time();
        let volume = if self.is_muted { 0.0 } else { VOLUME };
        let _ = live.master.gain().set_target_at_time(volume, now, 0.03);
        let _ = live
            .hum
            .gain()
            .set_target_at_time(0.035 * thrust, now, 0.08);
        let _ = live
            .hum_filter
            .frequency()
            .set_target_at_time(120.0 + 260.0 * thrust, now, 0.08);
    }

    /// Plays a sound at full loudness in the middle.
    pub(super) fn play(&mut self, name: &str, gain: f32) {
        self.start(name, gain, 0.0, 1.0);
    }

    /// Plays a sound of the arena as heard from a place. `pitch` 1 is as recorded.
    pub(super) fn play_at(&mut self, name: &str, gain: f32, place: Vec2, ear: Vec2, pitch: f32) {
        let way = place - ear;
        let nearness = 1.0 - way.length() / EARSHOT;
        if nearness > 0.0 {
            self.start(
                name,
                gain * nearness * nearness,
                (way.x / 700.0).clamp(-0.8, 0.8),
                pitch,
            );
        }
    }

    fn start(&mut self, name: &str, gain: f32, pan: f32, pitch: f32) {
        if self.is_muted || gain < 0.01 || self.starts >= STARTS_PER_FRAME_MAX {
            return;
        }
        let Some(live) = &self.live else { return };
        if let Some(buffer) = self.buffers.borrow().get(name) {
            self.starts += 1;
            let _ = live.start(buffer, gain, pan, pitch);
        }
    }
}

impl Live {
    fn new() -> Result<Self, JsValue> {
        let context = AudioContext::new()?;
        let master = context.create_gain()?;
        master.gain().set_value(VOLUME);
        master.connect_with_audio_node(&context.destination())?;
        let hum = context.create_gain()?;
        hum.gain().set_value(0.0);
        let hum_filter = context.create_biquad_filter()?;
        hum_filter.set_type(BiquadFilterType::Lowpass);
        hum.connect_with_audio_node(&master)?;
        hum_filter.connect_with_audio_node(&hum)?;
        for frequency in [55.0, 55.7, 110.6] {
            let voice = context.create_oscillator()?;
            voice.set_type(OscillatorType::Sawtooth);
            voice.frequency().set_value(frequency);
            voice.connect_with_audio_node(&hum_filter)?;
            voice.start()?;
        }
        Ok(Self {
            context,
            master,
            hum,
            hum_filter,
        })
    }

    fn start(&self, buffer: &AudioBuffer, gain: f32, pan: f32, pitch: f32) -> Result<(), JsValue> {
        let source = self.context.create_buffer_source()?;
        source.set_buffer(Some(buffer));
        source.playback_rate().set_value(pitch);
        let volume = self.context.create_gain()?;
        volume.gain().set_value(gain);
        let side = self.context.create_stereo_panner()?;
        side.pan().set_value(pan);
        source.connect_with_audio_node(&volume)?;
        volume.connect_with_audio_node(&side)?;
        side.connect_with_audio_node(&self.master)?;
        source.start()
    }
}

fn decode(context: &AudioContext, buffers: Buffers, name: String, bytes: &[u8]) {
    let Ok(promise) = context.decode_audio_data(&Uint8Array::from(bytes).buffer()) else {
        return;
    };
    spawn_local(async move {
        if let Ok(buffer) = JsFuture::from(promise).await {
            buffers.borrow_mut().insert(name, buffer.unchecked_into());
        }
    });
}
