//! A stream that the other end offers, until the program answers.

use std::{io, sync::Arc};

use serde::de::DeserializeOwned;

use super::{ByteStream, MessageStream, state::Pipe};
use crate::{
    error::DecodeError,
    mux::REFUSE_CODE_LET_GO,
    stream::{Offer, StreamKind, StreamOptions},
};

/// A stream that the other end offers. Dropped without an answer, it is refused.
#[derive(Debug)]
pub struct Incoming {
    offer: Box<Offer>,
    pipe: Option<Arc<Pipe>>,
}

impl Incoming {
    pub(super) const fn new(offer: Box<Offer>, pipe: Arc<Pipe>) -> Self {
        Self {
            offer,
            pipe: Some(pipe),
        }
    }

    /// What the other end asks for.
    #[must_use]
    pub const fn options(&self) -> &StreamOptions {
        &self.offer.options
    }

    /// How the stream treats its bytes.
    #[must_use]
    pub const fn kind(&self) -> StreamKind {
        self.offer.options.kind
    }

    /// The metadata as the program's own type.
    ///
    /// # Errors
    /// [`DecodeError`] when it is no `M`.
    pub fn metadata<M: DeserializeOwned>(&self) -> Result<M, DecodeError> {
        self.offer.metadata()
    }

    /// Takes the stream, as bytes.
    #[must_use]
    pub fn accept(mut self) -> ByteStream {
        ByteStream::of(self.take())
    }

    /// Takes the stream, as values of `T`.
    #[must_use]
    pub fn accept_messages<T>(mut self) -> MessageStream<T> {
        MessageStream::of(self.take())
    }

    /// Declines the stream. Codes from [`REFUSE_CODE_GAME_MIN`] are the program's to give meaning to.
    ///
    /// [`REFUSE_CODE_GAME_MIN`]: crate::mux::REFUSE_CODE_GAME_MIN
    pub fn refuse(mut self, code: u32, reason: &str) {
        if let Some(pipe) = self.pipe.take() {
            pipe.give_up(code, reason);
        }
    }

    fn take(&mut self) -> Arc<Pipe> {
        let pipe = self.pipe.take().expect("answered once: answers consume it");
        pipe.accept();
        pipe
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            pipe.give_up(REFUSE_CODE_LET_GO, "nobody has answered the offer");
        }
    }
}

/// Turns "nothing yet" into the error that a program which does not wait expects.
pub(super) fn or_would_block<T>(
    poll: core::task::Poll<Result<T, super::StreamError>>,
) -> io::Result<T> {
    match poll {
        core::task::Poll::Ready(result) => Ok(result?),
        core::task::Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
