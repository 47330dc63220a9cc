//! One stream, as its user holds it: values or bytes, both ways.
//!
//! In: values and bytes to write. Out: values and bytes that came. A stream is a futures
//! `Stream` and `Sink` of values and a tokio `AsyncRead` and `AsyncWrite`, all at once, because BinaryJS
//! streams carry both: an upload of binary is answered by objects on the same stream.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::{io, sync::Arc};

use futures_core::Stream;
use futures_sink::Sink;
use serde::de::DeserializeOwned;
use tickwire_protocol::{
    binaryjs::StreamKey,
    binarypack::{self, Value},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Connection;

/// A stream of a BinaryJS connection.
///
/// - **Values**: [`next_value`](Self::next_value) and [`write_value`](Self::write_value), or `Stream` and
///   `Sink` from futures.
/// - **Bytes**: `AsyncRead` gives the bytes of binary values and the UTF-8 of strings, in order, and
///   fails at any other value; `AsyncWrite` cuts into binary values of the endpoint's chunk size.
///   Writing is handed to the connection's task at once, so flushing does nothing.
///
/// Writing waits while the peer has paused the stream or too much waits for the socket. Reading keeps
/// what comes until it is taken, from the first value on, and pauses the peer when too much waits.
///
/// Dropping a stream ends it when the peer has ended its half, and closes it otherwise. Dropping one of
/// its halves ends the writing half, or throws away what is still to be read.
#[derive(Debug)]
pub struct BinaryStream {
    reader: StreamReader,
    writer: StreamWriter,
    metadata: Value,
}

/// The reading half of a [`BinaryStream`].
#[derive(Debug)]
pub struct StreamReader {
    place: Place,
    /// What is left of the value that bytes are being read from.
    bytes: Vec<u8>,
    bytes_read: usize,
}

/// The writing half of a [`BinaryStream`].
#[derive(Debug)]
pub struct StreamWriter {
    place: Place,
}

/// Which stream of which connection.
#[derive(Clone)]
struct Place {
    connection: Arc<Connection>,
    index: usize,
    key: StreamKey,
}

impl core::fmt::Debug for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "stream {}", self.key)
    }
}

impl BinaryStream {
    pub(super) fn new(
        connection: Arc<Connection>,
        index: usize,
        key: StreamKey,
        metadata: Value,
    ) -> Self {
        let place = Place {
            connection,
            index,
            key,
        };
        Self {
            reader: StreamReader {
                place: place.clone(),
                bytes: Vec::new(),
                bytes_read: 0,
            },
            writer: StreamWriter { place },
            metadata,
        }
    }

    /// The stream's id: even numbers are of the end that dialled, odd ones of the end that accepted.
    #[must_use]
    pub fn id(&self) -> &StreamKey {
        &self.writer.place.key
    }

    /// What the end that opened the stream passed along. Null for a stream of our own.
    #[must_use]
    pub const fn metadata(&self) -> &Value {
        &self.metadata
    }

    /// The metadata as a type of yours.
    ///
    /// # Errors
    ///
    /// It is not of that type.
    pub fn metadata_as<M: DeserializeOwned>(&self) -> Result<M, binarypack::Error> {
        binarypack::from_value(self.metadata.clone())
    }

    /// As [`StreamReader::next_value`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn next_value(&mut self) -> io::Result<Option<Value>> {
        self.reader.next_value().await
    }

    /// As [`StreamWriter::write_value`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write_value(&mut self, value: impl Into<Value>) -> io::Result<()> {
        self.writer.write_value(value).await
    }

    /// As [`StreamReader::pause`].
    pub fn pause(&self) {
        self.reader.pause();
    }

    /// As [`StreamReader::resume`].
    pub fn resume(&self) {
        self.reader.resume();
    }

    /// As [`StreamWriter::is_paused`].
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.writer.is_paused()
    }

    /// As [`StreamWriter::end`].
    pub fn end(&mut self) {
        self.writer.end();
    }

    /// Closes both halves at once, BinaryJS's `destroy`. What was written before still goes out.
    pub fn close(self) {
        let place = &self.writer.place;
        place.connection.lock().close(place.index);
    }

    /// Two halves that can live in different tasks.
    #[must_use]
    pub fn into_split(self) -> (StreamReader, StreamWriter) {
        (self.reader, self.writer)
    }
}

impl StreamReader {
    /// Waits for the next value; `None` when the peer has ended its half. What is left of a value that
    /// was begun as bytes comes first, as binary.
    ///
    /// # Errors
    ///
    /// `ConnectionReset` when the stream was closed before its end, `NotConnected` when the connection
    /// was. What had come before is given first.
    pub async fn next_value(&mut self) -> io::Result<Option<Value>> {
        core::future::poll_fn(|context| self.poll_value(context)).await
    }

    fn poll_value(&mut self, context: &Context<'_>) -> Poll<io::Result<Option<Value>>> {
        if self.bytes_read < self.bytes.len() {
            let rest = core::mem::take(&mut self.bytes).split_off(self.bytes_read);
            self.bytes_read = 0;
            return Poll::Ready(Ok(Some(Value::Binary(rest))));
        }
        let Place {
            connection, index, ..
        } = &self.place;
        connection.lock().poll_value(*index, context)
    }

    /// Asks the peer to pause until [`resume`](Self::resume). It is a request: what comes all the same is
    /// kept, and beyond the connection's limit its socket is not read.
    pub fn pause(&self) {
        self.place.connection.lock().hold(self.place.index, true);
    }

    /// Takes [`pause`](Self::pause) back.
    pub fn resume(&self) {
        self.place.connection.lock().hold(self.place.index, false);
    }
}

impl StreamWriter {
    /// Writes one value, in one message, when the peer takes it.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` after [`end`](Self::end), `ConnectionReset` when the peer has closed the stream,
    /// `NotConnected` when the connection is closed, `Other` for a value that nests deeper than 64 levels or
    /// holds more than half a million values: no end of ours would read it.
    pub async fn write_value(&mut self, value: impl Into<Value>) -> io::Result<()> {
        core::future::poll_fn(|context| self.poll_writable(context)).await?;
        let value = value.into();
        self.place.connection.lock().write(self.place.index, &value)
    }

    fn poll_writable(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let Place {
            connection, index, ..
        } = &self.place;
        connection.lock().poll_writable(*index, context)
    }

    /// Whether the peer has paused us.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.place.connection.lock().is_paused(self.place.index)
    }

    /// Ends our half; the peer may go on writing. Once more it does nothing.
    pub fn end(&mut self) {
        self.place.connection.lock().end(self.place.index);
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        let mut state = self.place.connection.lock();
        state.release_reader(self.place.index);
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        let mut state = self.place.connection.lock();
        state.release_writer(self.place.index);
    }
}

impl Stream for StreamReader {
    type Item = io::Result<Value>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_value(context).map(Result::transpose)
    }
}

impl AsyncRead for StreamReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.bytes_read == self.bytes.len() {
            let bytes = match ready!(self.poll_value(context))? {
                None => return Poll::Ready(Ok(())),
                Some(Value::Binary(bytes)) => bytes,
                Some(Value::String(text)) => text.into_bytes(),
                Some(_) => {
                    let reason = "a value that is neither binary nor a string";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
                }
            };
            self.bytes_read = 0;
            self.bytes = bytes;
        }
        let unread = &self.bytes[self.bytes_read..];
        let bytes = unread.len().min(into.remaining());
        into.put_slice(&unread[..bytes]);
        self.bytes_read += bytes;
        Poll::Ready(Ok(()))
    }
}

impl Sink<Value> for StreamWriter {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writable(context)
    }

    fn start_send(self: Pin<&mut Self>, value: Value) -> io::Result<()> {
        self.place.connection.lock().write(self.place.index, &value)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StreamWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let Place {
            connection, index, ..
        } = &self.place;
        let chunk = &bytes[..bytes.len().min(connection.chunk_bytes)];
        let mut state = connection.lock();
        ready!(state.poll_writable(*index, context))?;
        state.write_bytes(*index, chunk)?;
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl Stream for BinaryStream {
    type Item = io::Result<Value>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.reader).poll_next(context)
    }
}

impl AsyncRead for BinaryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(context, into)
    }
}

impl Sink<Value> for BinaryStream {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_ready(context)
    }

    fn start_send(mut self: Pin<&mut Self>, value: Value) -> io::Result<()> {
        Pin::new(&mut self.writer).start_send(value)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Sink::poll_flush(Pin::new(&mut self.writer), context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(context)
    }
}

impl AsyncWrite for BinaryStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.writer), context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tickwire_protocol::{binaryjs::Role, binarypack::Dialect};
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::net::binaryjs::{connection::Taken, limits::SessionLimits};

    #[tokio::test]
    async fn what_is_left_of_a_value_comes_before_the_next_one() {
        let limits = SessionLimits::default();
        let connection = Arc::new(Connection::new(Role::Acceptor, Dialect::Node, 1, &limits));
        let frames: [&[u8]; 3] = [
            &[0x93, 1, 0xc0, 0],
            &[0x93, 2, 0xa4, 1, 2, 3, 4, 0],
            &[0x93, 2, 7, 0],
        ];
        {
            let mut state = connection.lock();
            for frame in frames {
                state.session.handle_message(frame);
            }
            state.on_events(&mut Taken::default());
        }
        let (index, key, metadata) = connection.try_accept().flatten().unwrap();
        let mut stream = BinaryStream::new(connection, index, key, metadata);
        assert_eq!(stream.read_u8().await.unwrap(), 1);
        for value in [Value::Binary(vec![2, 3, 4]), 7.into()] {
            assert_eq!(stream.next_value().await.unwrap(), Some(value));
        }
    }
}
