//! Who may share a picture now: so many in all, and so few of one visitor.
//!
//! In: visitors with a picture. Out: their turns, in the order they came. The decision to question: who has to
//! wait is not refused, because a handful of pictures is dropped at once; meanwhile the sender holds its own.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::{PICTURES_HELD_MAX, PICTURES_OF_VISITOR_MAX};

/// The turns of all visitors.
pub(super) struct Turns<V> {
    pictures: Arc<Semaphore>,
    /// Those who have a turn or wait for one.
    visitors: Mutex<Vec<(V, Weak<Semaphore>)>>,
}

/// A visitor's turn.
pub(super) struct Turn {
    /// As long as the picture comes.
    pub(super) visitor: OwnedSemaphorePermit,
    /// As long as anybody holds the picture.
    pub(super) picture: OwnedSemaphorePermit,
}

impl<V> Default for Turns<V> {
    fn default() -> Self {
        Self {
            pictures: Arc::new(Semaphore::new(PICTURES_HELD_MAX)),
            visitors: Mutex::default(),
        }
    }
}

impl<V: Clone + PartialEq> Turns<V> {
    /// Waits for a visitor's turn.
    pub(super) async fn next(&self, visitor: &V) -> io::Result<Turn> {
        let own = self.of(visitor).acquire_owned().await;
        let visitor = own.map_err(io::Error::other)?;
        let picture = self.pictures.clone().acquire_owned().await;
        Ok(Turn {
            visitor,
            picture: picture.map_err(io::Error::other)?,
        })
    }

    fn of(&self, visitor: &V) -> Arc<Semaphore> {
        let mut visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        visitors.retain(|(_, own)| own.strong_count() > 0);
        let known = visitors.iter().find(|(other, _)| other == visitor);
        if let Some(own) = known.and_then(|(_, own)| own.upgrade()) {
            return own;
        }
        let own = Arc::new(Semaphore::new(PICTURES_OF_VISITOR_MAX));
        visitors.push((visitor.clone(), Arc::downgrade(&own)));
        own
    }
}

#[cfg(test)]
mod tests {
    use core::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn try_next(turns: &Turns<usize>, visitor: usize) -> Option<Turn> {
        let next = pin!(turns.next(&visitor));
        match next.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn.expect("nothing is closed")),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_visitor_cannot_fill_the_gallery_and_all_together_fill_it_so_far() {
        let turns = Turns::default();
        let held: Vec<Turn> = core::iter::from_fn(|| try_next(&turns, 0)).collect();
        assert_eq!(held.len(), PICTURES_OF_VISITOR_MAX);
        // Pictures that have come are held on, and count in all.
        let mut shown: Vec<_> = held.into_iter().map(|turn| turn.picture).collect();
        for visitor in 1.. {
            let Some(turn) = try_next(&turns, visitor) else {
                break;
            };
            shown.push(turn.picture);
        }
        assert_eq!(shown.len(), PICTURES_HELD_MAX);
        shown.pop();
        assert!(try_next(&turns, 0).is_some());
        assert_eq!(turns.visitors.lock().expect("whole").len(), 1);
    }
}
