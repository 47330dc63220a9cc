//! Prediction: the own entity moves at once, by the game's own rules, and is set right without a jerk.
//!
//! In come the newest state and the inputs stamped since; out comes the own entity as it will be when
//! those inputs have reached the server. After every snapshot the prediction is built anew from the
//! server's state (reconciliation, as in Bernier 2001), and what was shown before fades into it: the old
//! course is kept going beside the new one, by the same rules and inputs, and the two are mixed. So a
//! game need not say how to subtract two of its states, and a faded ship still stops at walls.

use tickwire_protocol::{
    replicate::{Replicate, SameIds, decode_value_with},
    time::{Micros, Tick},
};

use crate::{
    client::{Client, Connection},
    world::View,
};

/// How long what was shown takes to fade into what is right: short enough not to be felt as lag, long
/// enough that a correction is not seen as a jump.
const FADE_MICROS: Micros = Micros::from_millis(120);

/// A game's rules, as far as a player's own entity follows them.
pub trait Predict: 'static {
    /// The player's input of one tick, quantised as the server sees it.
    type Input: Replicate;
    /// What moves: position, speed, heading, whatever the rules need.
    type State: Clone;

    /// The own entity's state; `None` while the player has none to steer.
    fn own(&self, view: &View<'_>) -> Option<Self::State>;

    /// One tick, as the server computes it.
    fn step(&self, state: &mut Self::State, input: &Self::Input, view: &View<'_>);

    /// A state between two, `fraction` in `0.0..=1.0` of the way from `from` to `to`.
    fn mix(&self, from: &Self::State, to: &Self::State, fraction: f32) -> Self::State;

    /// Whether the way from one to the other is no movement: a respawn, a teleport. Then nothing fades.
    fn is_jump(&self, from: &Self::State, to: &Self::State) -> bool {
        let _ = (from, to);
        false
    }
}

/// A game that predicts nothing: every entity is drawn as the server says.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPrediction<I>(core::marker::PhantomData<fn() -> I>);

impl<I> NoPrediction<I> {
    /// See the type.
    #[must_use]
    pub const fn new() -> Self {
        Self(core::marker::PhantomData)
    }
}

impl<I: Replicate> Predict for NoPrediction<I> {
    type Input = I;
    type State = ();

    fn own(&self, _: &View<'_>) -> Option<()> {
        None
    }

    fn step(&self, (): &mut (), _: &I, _: &View<'_>) {}

    fn mix(&self, (): &(), (): &(), _: f32) {}
}

/// Two neighbouring states of one course: after the last tick but one, and after the last.
#[derive(Clone, Debug)]
struct Course<S> {
    before: S,
    current: S,
}

/// The own entity of one player.
#[derive(Debug)]
pub struct Prediction<P: Predict> {
    rules: P,
    /// The snapshot that the course was built on.
    base: Option<Tick>,
    /// The tick of the last input that the course has taken.
    tick: Tick,
    course: Option<Course<P::State>>,
    /// What was shown before the last correction, going on by itself, and when that was.
    fading: Option<(Course<P::State>, Micros)>,
    shown: Option<P::State>,
}

impl<P: Predict> Prediction<P> {
    /// A prediction by these rules.
    #[must_use]
    pub fn new(rules: P) -> Self {
        Self {
            rules,
            base: None,
            tick: Tick(0),
            course: None,
            fading: None,
            shown: None,
        }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &P {
        &self.rules
    }

    /// The own entity as it is to be drawn; `None` while the player has none. During a reconnect it stands still,
    /// as the view does.
    #[must_use]
    pub fn shown(&self) -> Option<&P::State> {
        self.shown.as_ref()
    }

    /// Takes in what came since the last frame. Call it after [`Client::handle_frame`].
    ///
    /// Cost: one `step` per stamped input, and after a snapshot one per input that the server has not
    /// seen, which is the round trip in ticks.
    pub fn handle_frame(&mut self, client: &Client, now: Micros) {
        let newest = client.newest().filter(|_| client.is_playing());
        let Some((view, (last, fraction))) = newest.zip(client.input_time(now)) else {
            if !client.is_playing() {
                self.stop();
            }
            if let Connection::Ended { .. } = client.connection() {
                self.shown = None;
            }
            return;
        };
        if self.base == Some(view.time().tick) {
            self.step_to(client, last, &view);
        } else {
            self.base = Some(view.time().tick);
            self.step_to(client, last, &view);
            self.reconcile(client, last, &view, now);
        }
        self.shown = self.course.as_ref().map(|course| {
            let shown = self.rules.mix(&course.before, &course.current, fraction);
            match &self.fading {
                Some((old, since)) if now.since(*since) < FADE_MICROS => {
                    let old = self.rules.mix(&old.before, &old.current, fraction);
                    self.rules.mix(&old, &shown, fade(*since, now))
                }
                _ => shown,
            }
        });
    }

    /// Drops what it would go on from, and leaves what is shown.
    fn stop(&mut self) {
        (self.base, self.course, self.fading) = (None, None, None);
    }

    /// Takes the inputs stamped since the last frame.
    fn step_to(&mut self, client: &Client, last: Tick, view: &View<'_>) {
        let Some(course) = &mut self.course else {
            return;
        };
        for (_, input) in client.inputs_after(self.tick) {
            let Ok(input) = decode_value_with::<P::Input>(input, &SameIds) else {
                continue;
            };
            course.step(&self.rules, &input, view);
            if let Some((old, _)) = &mut self.fading {
                old.step(&self.rules, &input, view);
            }
        }
        self.tick = last;
    }

    /// Builds the course anew on the server's state.
    fn reconcile(&mut self, client: &Client, last: Tick, view: &View<'_>, now: Micros) {
        let Some(state) = self.rules.own(view) else {
            (self.course, self.fading) = (None, None);
            return;
        };
        let mut course = Course {
            before: state.clone(),
            current: state,
        };
        for (_, input) in client.inputs_after(view.time().tick) {
            let Ok(input) = decode_value_with::<P::Input>(input, &SameIds) else {
                continue;
            };
            course.step(&self.rules, &input, view);
        }
        self.tick = last;
        self.fading = self.course.take().and_then(|old| {
            let old = self.shown_course(old, now);
            (!self.rules.is_jump(&old.current, &course.current)).then_some((old, now))
        });
        self.course = Some(course);
    }

    /// The course that is on the screen: the last one, mixed with the one before that still fades.
    fn shown_course(&self, course: Course<P::State>, now: Micros) -> Course<P::State> {
        match &self.fading {
            Some((old, since)) if now.since(*since) < FADE_MICROS => {
                let fraction = fade(*since, now);
                Course {
                    before: self.rules.mix(&old.before, &course.before, fraction),
                    current: self.rules.mix(&old.current, &course.current, fraction),
                }
            }
            _ => course,
        }
    }
}

impl<S: Clone> Course<S> {
    fn step<P: Predict<State = S>>(&mut self, rules: &P, input: &P::Input, view: &View<'_>) {
        self.before.clone_from(&self.current);
        rules.step(&mut self.current, input, view);
    }
}

/// How much of the new course is shown, `0.0..=1.0`.
fn fade(since: Micros, now: Micros) -> f32 {
    (now.since(since).0 as f32 / FADE_MICROS.0 as f32).min(1.0)
}
