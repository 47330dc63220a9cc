//! How a value that moves evenly is expected to go on.

/// The motion of one value: what both ends know of it besides the value itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// The step of the last tick.
    step: i32,
}

impl Motion {
    /// The motion after a value went from `before` to `after` within one tick.
    #[inline]
    #[must_use]
    pub const fn next(self, before: i32, after: i32, bits: u8) -> Self {
        Self {
            step: sign_extend(after.wrapping_sub(before), bits),
        }
    }

    /// Where the value is expected some ticks later, before wrapping.
    #[inline]
    #[must_use]
    pub const fn predict(self, value: i32, ticks: u32) -> i32 {
        value.wrapping_add(self.step.wrapping_mul(ticks.cast_signed()))
    }
}

/// The number nearest to zero that equals `value` modulo 2^bits.
#[inline]
#[must_use]
pub(super) const fn sign_extend(value: i32, bits: u8) -> i32 {
    let unused = 32 - bits as u32;
    (value << unused) >> unused
}

impl Motion {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        crate::coding::put_signed(out, self.step.into());
    }

    pub(super) fn decode(
        reader: &mut crate::coding::Reader<'_>,
    ) -> Result<Self, crate::error::DecodeError> {
        Ok(Self {
            step: reader.signed("a motion")? as i32,
        })
    }
}
