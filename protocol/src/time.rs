//! Time as the core sees it: micros that the shell passes in, and ticks that the room counts.

use core::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// Micros since an arbitrary start, the same for everything in one process, never going back.
///
/// The core never reads a clock; the shell hands the time to every door that needs it.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Micros(pub u64);

impl Micros {
    /// Micros in one second.
    pub const PER_SECOND: u64 = 1_000_000;

    /// A time span of whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1000)
    }

    /// The span since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// This span in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "2^53 micros are 285 years")]
    pub const fn as_seconds(self) -> f64 {
        self.0 as f64 / Self::PER_SECOND as f64
    }
}

impl Add for Micros {
    type Output = Self;
    /// Saturates: a span that means "for ever" must not bring a room down, nor be over at once.
    fn add(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for Micros {
    type Output = Self;
    /// Saturates at zero: a clock that seems to go back must not bring a room down.
    fn sub(self, earlier: Self) -> Self {
        self.since(earlier)
    }
}

impl From<Duration> for Micros {
    fn from(span: Duration) -> Self {
        Self(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }
}

impl From<Micros> for Duration {
    fn from(span: Micros) -> Self {
        Self::from_micros(span.0)
    }
}

/// The number of one step of one room. It wraps.
///
/// There is no `Ord`: on a circle, `a < b`, `b < c`, `c < a` can all hold. Ask
/// [`is_after`](Self::is_after) or [`since`](Self::since), which are right for any two ticks less than
/// 2^31 apart (3.4 years at 20 Hz).
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Tick(pub u32);

impl Tick {
    /// The tick after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whether this tick comes after `other`.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.since(other) > 0
    }

    /// Ticks from `other` to this one; negative when `other` is later.
    #[must_use]
    #[expect(
        clippy::cast_possible_wrap,
        reason = "the wrap is what makes it signed"
    )]
    pub const fn since(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

impl Add<u32> for Tick {
    type Output = Self;
    fn add(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }
}

impl Sub<u32> for Tick {
    type Output = Self;
    fn sub(self, ticks: u32) -> Self {
        Self(self.0.wrapping_sub(ticks))
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a room stands at one moment: what a session needs to know of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RoomTime {
    /// The moment.
    pub now: Micros,
    /// The tick that the room steps next. While it reads its sockets just before a step, that step's.
    pub next_tick: Tick,
    /// When that step is due, on the same clock as `now`; it may just have passed.
    pub next_tick_due: Micros,
}

#[cfg(test)]
mod tests {
    use super::{Micros, Tick};

    #[test]
    fn what_is_due_after_for_ever_is_never_due() {
        assert_eq!(Micros(7) + Micros(u64::MAX), Micros(u64::MAX));
        assert_eq!(Micros(7) + Micros(3), Micros(10));
    }

    #[test]
    fn a_tick_past_the_wrap_is_after_the_one_before_it() {
        let before = Tick(u32::MAX);
        assert!(before.next().is_after(before));
        assert!(!before.is_after(before.next()));
        assert_eq!(before.next().since(before), 1);
        assert_eq!(before.since(before.next()), -1);
    }
}
