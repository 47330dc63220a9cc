//! What stands in for an opaque value that does not fit, when none did before.
//!
//! In: a type. Out: its default, if it has one. The choice to question: whether it has is found by which of two
//! methods of one name comes first, because a derive sees no types and a generic function cannot ask.

use core::marker::PhantomData;

/// A type that may have a default: `(&MaybeDefault::<T>::NEW).otherwise()` is it. Both traits must be in scope.
#[derive(Clone, Copy, Debug)]
pub struct MaybeDefault<T>(PhantomData<T>);

impl<T> MaybeDefault<T> {
    /// The only value.
    pub const NEW: Self = Self(PhantomData);
}

/// Of types that have a default.
pub trait HasDefault {
    /// The type.
    type Value;
    /// The default.
    fn otherwise(&self) -> Option<Self::Value>;
}

impl<T: Default> HasDefault for MaybeDefault<T> {
    type Value = T;
    fn otherwise(&self) -> Option<T> {
        Some(T::default())
    }
}

/// Of all types: a reference further away, so that it comes second.
pub trait HasNone {
    /// The type.
    type Value;
    /// Nothing.
    fn otherwise(&self) -> Option<Self::Value>;
}

impl<T> HasNone for &MaybeDefault<T> {
    type Value = T;
    fn otherwise(&self) -> Option<T> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{HasDefault as _, HasNone as _, MaybeDefault};

    #[derive(Debug, PartialEq)]
    struct Bare;

    #[test]
    fn a_default_is_found_where_there_is_one() {
        let number = &MaybeDefault::<u8>::NEW;
        assert_eq!(number.otherwise(), Some(0));
        let bare = &MaybeDefault::<Bare>::NEW;
        assert_eq!(bare.otherwise(), None);
        let option = &MaybeDefault::<Option<Bare>>::NEW;
        assert_eq!(option.otherwise(), Some(None));
    }
}
