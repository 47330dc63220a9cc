//! A bot for any game: the schema of its input in, presses out. It needs nothing of the game's crate.
//!
//! The decision to question: it writes the integers of the columns, not values. Any integer up to a
//! column's span is one that a player's own program could have sent, so whatever the room does with it
//! it must survive.

use tickwire_protocol::{
    coding::put_varint,
    schema::{ColumnKind, ColumnSchema, ComponentSchema, Schema},
};

use crate::{
    bot::{Bot, Eyes},
    options::Play,
};

/// Ticks that a random press is held: 0.1 to 1 s at 20 Hz.
const HOLD_TICKS: core::ops::RangeInclusive<u32> = 2..=20;

/// Ticks of the shortest sweep of a scripted bot; each further column takes one more, so that no two
/// stay in step.
const SWEEP_TICKS: u32 = 40;

/// Presses whatever the schema allows.
#[derive(Debug)]
pub struct SchemaBot {
    play: Play,
    random: fastrand::Rng,
    ticks: u32,
    columns: Vec<Key>,
}

/// One column of the input, and what is pressed on it.
#[derive(Debug)]
struct Key {
    column: ColumnSchema,
    highest: u32,
    value: u32,
    held_ticks: u32,
}

impl SchemaBot {
    /// A bot that plays as `play` says. The same seed presses the same.
    ///
    /// # Errors
    /// With a sentence when the game's input holds text or lists: what belongs there only the game
    /// knows, so it needs a [`Bot`] of its own.
    pub fn new(schema: &Schema, play: Play, seed: u64) -> Result<Self, String> {
        let nothing = ComponentSchema {
            name: String::new(),
            rules: Default::default(),
            shape: Default::default(),
        };
        let input = schema.input().unwrap_or(&nothing);
        if let Some(blob) = input.shape.blobs.first() {
            return Err(format!(
                "{}.{} is no number: this game's bots must be written for it (see tickwire_bots::Bot)",
                input.name, blob.path
            ));
        }
        let keys = input.shape.columns.iter().map(|column| Key {
            highest: highest(column),
            value: neutral(column),
            held_ticks: 0,
            column: column.clone(),
        });
        Ok(Self {
            play,
            random: fastrand::Rng::with_seed(seed),
            ticks: 0,
            columns: keys.collect(),
        })
    }
}

impl Bot for SchemaBot {
    fn press(&mut self, _eyes: &Eyes<'_>, input: &mut Vec<u8>) {
        for (key, number) in self.columns.iter_mut().zip(0..) {
            match self.play {
                Play::Idle => {}
                Play::Scripted => key.sweep(self.ticks, number),
                Play::Random => key.press(&mut self.random),
            }
        }
        self.ticks += 1;
        let mut values: Vec<u32> = self.columns.iter().map(|key| key.value).collect();
        clear_absent(&self.columns, &mut values);
        for value in values {
            put_varint(input, value.into());
        }
    }
}

impl Key {
    fn press(&mut self, random: &mut fastrand::Rng) {
        if self.held_ticks > 0 {
            self.held_ticks -= 1;
            return;
        }
        self.held_ticks = random.u32(HOLD_TICKS);
        self.value = match self.column.kind {
            ColumnKind::FloatBits => (random.f32() * 2.0 - 1.0).to_bits(),
            _ => random.u32(0..=self.highest),
        };
    }

    /// Up and down again, over and over.
    fn sweep(&mut self, tick: u32, number: u32) {
        let period = SWEEP_TICKS + number;
        let phase = tick % period;
        let up = phase.min(period - phase);
        let share = f64::from(up) / f64::from(period / 2);
        self.value = match self.column.kind {
            ColumnKind::FloatBits => ((share * 2.0 - 1.0) as f32).to_bits(),
            _ => (share.min(1.0) * f64::from(self.highest)).round() as u32,
        };
    }
}

/// The largest integer of a column that a player's program could send.
fn highest(column: &ColumnSchema) -> u32 {
    match &column.kind {
        ColumnKind::Float { span, .. } => *span,
        ColumnKind::Integer { span, .. } => u32::try_from(*span).unwrap_or(u32::MAX),
        ColumnKind::Variant { names } => names.len() as u32 - 1,
        ColumnKind::Bool | ColumnKind::Some => 1,
        ColumnKind::Angle => u32::MAX >> (32 - u32::from(column.bits)),
        ColumnKind::FloatBits => u32::MAX,
        // Zero keeps a wide integer within its range whatever the low half is, and names no entity.
        ColumnKind::High | ColumnKind::Entity => 0,
    }
}

/// The integer nearest to zero: what a player sends who touches nothing.
fn neutral(column: &ColumnSchema) -> u32 {
    match column.kind {
        ColumnKind::Float { min, step, span } => {
            let integer = (-f64::from_bits(min) / f64::from_bits(step)).round();
            integer.clamp(0.0, f64::from(span)) as u32
        }
        ColumnKind::Integer { min, span } => {
            let span = i64::try_from(span).unwrap_or(i64::MAX);
            u32::try_from(min.saturating_neg().clamp(0, span)).unwrap_or(0)
        }
        _ => 0,
    }
}

/// Zeroes what an empty `Option` or another variant of an enum leaves unused: the wire demands it.
fn clear_absent(keys: &[Key], values: &mut [u32]) {
    for tag in 0..keys.len() {
        // The tag of an option stands under the field's path and a question mark.
        let (path, value) = (keys[tag].column.path.trim_end_matches('?'), values[tag]);
        let chosen = match &keys[tag].column.kind {
            ColumnKind::Some if value == 0 => None,
            ColumnKind::Variant { names } => names
                .get(value as usize)
                .map(|name| format!("{path}.{name}")),
            _ => continue,
        };
        for at in tag + 1..keys.len() {
            let below = &keys[at].column.path;
            if !is_below(below, path) {
                break;
            }
            if !chosen
                .as_ref()
                .is_some_and(|chosen| is_below(below, chosen))
            {
                values[at] = 0;
            }
        }
    }
}

/// Whether `path` is `above` or lies under it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::SchemaBot;
    use crate::{
        bot::{Bot as _, Eyes},
        options::Play,
    };
    use tickwire_protocol::{
        replicate::{Replicate, decode_value},
        schema::Schema,
        time::Tick,
    };

    #[derive(Replicate, Debug, PartialEq)]
    enum Tool {
        Hand,
        Gun { power: u8 },
        Rope(#[wire(range(0.0, 10.0), step = 0.5)] f32),
    }

    #[derive(Replicate, Debug, PartialEq)]
    struct Press {
        #[wire(range(-1.0, 1.0), bits = 8)]
        turn: f32,
        #[wire(range(-100, 100))]
        level: i32,
        #[wire(angle, bits = 8)]
        aim: f32,
        fire: bool,
        slot: Option<u8>,
        tool: Tool,
        score: u64,
    }

    #[derive(Replicate)]
    struct Typed {
        text: String,
    }

    fn schema<T: Replicate>() -> Schema {
        let mut schema = Schema::new();
        schema.set_input(T::schema()).unwrap();
        schema
    }

    fn presses(play: Play, seed: u64) -> Vec<Press> {
        let schema = schema::<Press>();
        let mut bot = SchemaBot::new(&schema, play, seed).unwrap();
        let eyes = Eyes {
            tick: Tick(0),
            schema: &schema,
            replica: None,
        };
        (0..500)
            .map(|_| {
                let mut input = Vec::new();
                bot.press(&eyes, &mut input);
                decode_value(&input).expect("a bot presses what a player could")
            })
            .collect()
    }

    #[test]
    fn whatever_is_pressed_is_an_input_of_the_game() {
        for seed in 0..20 {
            let random = presses(Play::Random, seed);
            assert!(
                random.iter().any(|press| press.fire) && random.iter().any(|press| !press.fire)
            );
            assert!(
                random.iter().any(|press| press.turn > 0.5)
                    && random.iter().any(|press| press.turn < -0.5)
            );
            assert!(
                random
                    .iter()
                    .any(|press| matches!(press.tool, Tool::Gun { power: 1.. }))
            );
            assert!(random.iter().any(|press| press.slot.is_some()));
        }
        assert!(
            presses(Play::Scripted, 0)
                .iter()
                .any(|press| press.level == 100)
        );
    }

    #[test]
    fn an_idle_bot_touches_nothing() {
        let first = presses(Play::Idle, 0).remove(0);
        assert!(first.turn.abs() < 0.01 && first.level == 0 && !first.fire && first.slot.is_none());
    }

    #[test]
    fn the_same_seed_presses_the_same() {
        assert_eq!(presses(Play::Random, 3), presses(Play::Random, 3));
        assert_ne!(presses(Play::Random, 3), presses(Play::Random, 4));
    }

    #[test]
    fn an_input_with_text_needs_a_bot_of_its_own() {
        let refused = SchemaBot::new(&schema::<Typed>(), Play::Random, 0).unwrap_err();
        assert!(refused.contains("Typed.text"));
    }
}
