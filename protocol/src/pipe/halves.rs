//! A stream of bytes as a program holds it, whole or in halves.
//!
//! In: a pipe. Out: what a program does with a stream: wait for it, or only try. With the feature `tokio`
//! the halves are also tokio's readers and writers.

use core::{future::poll_fn, task::Poll, task::Waker};
use std::{io, sync::Arc};

use bytes::Bytes;

use super::{StreamError, incoming::or_would_block, state::Pipe};
use crate::{id::StreamId, limits::PIPE_UNSENT_BYTES_MIN};

/// A stream of bytes, both ways.
///
/// Dropped, it ends our direction behind what was written, as a TCP socket does, and resets the stream
/// once that was taken if the peer still writes, or has written what was never read. A task that panics
/// with it, or with one of its halves, resets it at once, so that nobody takes half a file for a whole one.
#[derive(Debug)]
pub struct ByteStream {
    read: ReadHalf,
    write: WriteHalf,
}

/// The reading half of a [`ByteStream`].
#[derive(Debug)]
pub struct ReadHalf {
    pub(super) pipe: Arc<Pipe>,
}

/// The writing half of a [`ByteStream`].
#[derive(Debug)]
pub struct WriteHalf {
    pub(super) pipe: Arc<Pipe>,
}

impl ByteStream {
    pub(super) fn of(pipe: Arc<Pipe>) -> Self {
        Self {
            read: ReadHalf { pipe: pipe.clone() },
            write: WriteHalf { pipe },
        }
    }

    /// The halves, for two tasks.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// Both halves at once, for one task that reads and writes in turn.
    pub const fn split(&mut self) -> (&mut ReadHalf, &mut WriteHalf) {
        (&mut self.read, &mut self.write)
    }

    /// The stream's id; `None` until the connection has opened it.
    #[must_use]
    pub fn id(&self) -> Option<StreamId> {
        self.read.pipe.id()
    }

    /// Waits until the other end has taken the stream. Nothing has to wait for it: what is written before
    /// is kept.
    ///
    /// # Errors
    /// [`StreamError`], for one the refusal.
    pub async fn accepted(&mut self) -> io::Result<()> {
        self.write.accepted().await
    }

    /// See [`ReadHalf::receive`].
    ///
    /// # Errors
    /// As there.
    pub async fn receive(&mut self) -> io::Result<Option<Bytes>> {
        self.read.receive().await
    }

    /// See [`ReadHalf::try_read`].
    ///
    /// # Errors
    /// As there.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read.try_read(buffer)
    }

    /// See [`WriteHalf::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, bytes: Bytes) -> io::Result<()> {
        self.write.send(bytes).await
    }

    /// See [`WriteHalf::try_write`].
    ///
    /// # Errors
    /// As there.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write.try_write(bytes)
    }

    /// See [`WriteHalf::end`].
    ///
    /// # Errors
    /// As there.
    pub fn end(&mut self) -> io::Result<()> {
        self.write.end()
    }

    /// See [`WriteHalf::finished`].
    ///
    /// # Errors
    /// As there.
    pub async fn finished(&mut self) -> io::Result<()> {
        self.write.finished().await
    }

    /// Gives the stream up at once, both directions. What waits is dropped.
    pub fn reset(self, code: u32, reason: &str) {
        self.read.pipe.give_up(code, reason);
    }
}

impl ReadHalf {
    /// Takes the next bytes as they came, without copying them; `None` at the end.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn receive(&mut self) -> io::Result<Option<Bytes>> {
        poll_fn(|context| {
            loop {
                match self.pipe.chunk(Some(context.waker()))? {
                    Poll::Ready(Some(chunk)) if chunk.bytes.is_empty() => {}
                    Poll::Ready(chunk) => return Poll::Ready(Ok(chunk.map(|chunk| chunk.bytes))),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Copies what has come, without waiting; 0 at the end.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing has come; [`StreamError`].
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        or_would_block(self.pipe.read(buffer, None))
    }

    /// Gives the stream up at once, both directions.
    pub fn reset(self, code: u32, reason: &str) {
        self.pipe.give_up(code, reason);
    }
}

impl WriteHalf {
    /// As [`ByteStream::accepted`].
    ///
    /// # Errors
    /// As there.
    pub async fn accepted(&mut self) -> io::Result<()> {
        Ok(poll_fn(|context| self.pipe.poll_accepted(context.waker())).await?)
    }

    /// Writes all of `bytes` without copying them, waiting for room. One source for many streams is a
    /// clone of the same [`Bytes`] for each.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn send(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            self.room().await?;
            // In pieces, so that a large buffer fills the queue no further than a small one.
            let piece = bytes.split_to(bytes.len().min(PIPE_UNSENT_BYTES_MIN));
            self.pipe.push(piece)?;
        }
        Ok(())
    }

    /// Writes what fits, without waiting; says how much.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is no room; [`StreamError`].
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(self.pipe.write(bytes, None))
    }

    /// Ends this direction behind what was written. The other one goes on.
    ///
    /// # Errors
    /// [`StreamError`]; not for a second end.
    pub fn end(&mut self) -> io::Result<()> {
        Ok(self.pipe.end()?)
    }

    /// Ends this direction, and waits until the other end's program has taken everything.
    ///
    /// A program that lets its reader go before is no success: the stream is reset with
    /// [`REFUSE_CODE_LET_GO`](crate::mux::REFUSE_CODE_LET_GO) once it has let its writer go too. One that
    /// has written something by then has answered, and this waits no longer: what it took, the answer says.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn finished(&mut self) -> io::Result<()> {
        self.end()?;
        Ok(poll_fn(|context| self.pipe.poll_consumed(context.waker())).await?)
    }

    /// Gives the stream up at once, both directions. What waits is dropped.
    pub fn reset(self, code: u32, reason: &str) {
        self.pipe.give_up(code, reason);
    }

    async fn room(&mut self) -> Result<(), StreamError> {
        poll_fn(|context| self.poll_room(Some(context.waker()))).await
    }

    pub(super) fn poll_room(&mut self, waker: Option<&Waker>) -> Poll<Result<(), StreamError>> {
        self.pipe.poll_room(waker)
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        self.pipe.give_up_if_panicking();
        self.pipe.let_reader_go();
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        self.pipe.give_up_if_panicking();
        self.pipe.let_writer_go();
    }
}
