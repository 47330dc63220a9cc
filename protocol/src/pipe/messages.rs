//! A stream of values as a program holds it.
//!
//! In: values of one type. Out: the same at the other end, one MessagePack record each. With the feature
//! `tokio` it is also a `futures` stream and sink.

use core::{
    future::poll_fn,
    marker::PhantomData,
    task::{Poll, Waker},
};
use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{ReadHalf, StreamError, WriteHalf, incoming::or_would_block, state::Pipe};
use crate::{
    error::{ApiMisuse, DecodeError},
    id::StreamId,
    limits::RECORD_BYTES_MAX,
    messagepack,
};

/// A stream whose records are values of `T`, both ways. It ends and resets as a
/// [`ByteStream`](super::ByteStream) does.
pub struct MessageStream<T> {
    pub(super) read: ReadHalf,
    pub(super) write: WriteHalf,
    /// A record whose end has not come yet.
    pub(super) partial: Vec<u8>,
    of: PhantomData<fn(T) -> T>,
}

impl<T> MessageStream<T> {
    pub(super) fn of(pipe: Arc<Pipe>) -> Self {
        Self {
            read: ReadHalf { pipe: pipe.clone() },
            write: WriteHalf { pipe },
            partial: Vec::new(),
            of: PhantomData,
        }
    }

    /// The stream's id; `None` until the connection has opened it.
    #[must_use]
    pub fn id(&self) -> Option<StreamId> {
        self.read.pipe.id()
    }

    /// As [`ByteStream::accepted`](super::ByteStream::accepted).
    ///
    /// # Errors
    /// As there.
    pub async fn accepted(&mut self) -> io::Result<()> {
        self.write.accepted().await
    }

    /// Ends this direction behind what was sent. The other one goes on.
    ///
    /// # Errors
    /// [`StreamError`]; not for a second end.
    pub fn end(&mut self) -> io::Result<()> {
        self.write.end()
    }

    /// Ends this direction, and waits until the other end's program has taken everything, as
    /// [`WriteHalf::finished`] does.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn finished(&mut self) -> io::Result<()> {
        self.write.finished().await
    }

    /// Gives the stream up at once, both directions. What waits is dropped.
    pub fn reset(self, code: u32, reason: &str) {
        self.read.pipe.give_up(code, reason);
    }

    pub(super) fn poll_record(
        &mut self,
        waker: Option<&Waker>,
    ) -> Poll<Result<Option<Bytes>, StreamError>> {
        loop {
            let Poll::Ready(chunk) = self.read.pipe.piece(waker) else {
                return Poll::Pending;
            };
            let chunk = chunk.inspect_err(|_| self.partial = Vec::new())?;
            let Some(chunk) = chunk else {
                return Poll::Ready(if self.partial.is_empty() {
                    Ok(None)
                } else {
                    Err(StreamError::Malformed(DecodeError::Truncated("record")))
                });
            };
            if self.partial.is_empty() && chunk.ends_record {
                return Poll::Ready(Ok(Some(chunk.bytes)));
            }
            if self.partial.len() + chunk.bytes.len() > RECORD_BYTES_MAX {
                let error = DecodeError::OutOfRange("record");
                return Poll::Ready(Err(StreamError::Malformed(error)));
            }
            self.partial.extend_from_slice(&chunk.bytes);
            if chunk.ends_record {
                let record = core::mem::take(&mut self.partial);
                return Poll::Ready(Ok(Some(record.into())));
            }
        }
    }
}

impl<T: Serialize> MessageStream<T> {
    /// Sends a value, waiting for room. A live stream never waits: it drops its oldest.
    ///
    /// # Errors
    /// [`StreamError`]; [`InvalidInput`](io::ErrorKind::InvalidInput) for a value that cannot be encoded
    /// or is larger than [`RECORD_BYTES_MAX`].
    pub async fn send(&mut self, value: &T) -> io::Result<()> {
        let record = encode(value)?;
        poll_fn(|context| self.write.poll_room(Some(context.waker()))).await?;
        Ok(self.write.pipe.push(record)?)
    }

    /// Sends a value, without waiting.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is no room; as [`send`](Self::send).
    pub fn try_send(&mut self, value: &T) -> io::Result<()> {
        let record = encode(value)?;
        or_would_block(self.write.poll_room(None))?;
        Ok(self.write.pipe.push(record)?)
    }
}

impl<T: DeserializeOwned> MessageStream<T> {
    /// The next value; `None` at the end.
    ///
    /// # Errors
    /// [`StreamError`]; [`StreamError::Malformed`] when a record is no `T`.
    pub async fn receive(&mut self) -> io::Result<Option<T>> {
        Ok(poll_fn(|context| self.poll_value(Some(context.waker()))).await?)
    }

    /// The next value, if it has come; `None` at the end.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when none has come; as [`receive`](Self::receive).
    pub fn try_receive(&mut self) -> io::Result<Option<T>> {
        or_would_block(self.poll_value(None))
    }

    pub(super) fn poll_value(
        &mut self,
        waker: Option<&Waker>,
    ) -> Poll<Result<Option<T>, StreamError>> {
        self.poll_record(waker).map(|record| {
            let value = record?.map(|record| messagepack::from_slice(&record));
            value.transpose().map_err(StreamError::Malformed)
        })
    }
}

/// A value as a record.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> io::Result<Bytes> {
    let record = messagepack::to_vec(value);
    let record = record.map_err(|misuse| io::Error::new(io::ErrorKind::InvalidInput, misuse))?;
    let (bytes, max) = (record.len(), RECORD_BYTES_MAX);
    if bytes > max {
        let misuse = ApiMisuse::TooLarge { bytes, max };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, misuse));
    }
    Ok(record.into())
}

impl<T> fmt::Debug for MessageStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream")
            .field("pipe", &self.read.pipe)
            .finish_non_exhaustive()
    }
}
