//! Pipes as tokio's readers and writers, and as streams and sinks of `futures`.
//!
//! In: their `poll` calls. Out: the pipe's. A flush waits until the connection has what was written: what
//! is then still to be sent waits for the link and nothing else. A shutdown is the half-close.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io;

use futures_core::Stream;
use futures_sink::Sink;
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{ByteStream, MessageStream, ReadHalf, WriteHalf, messages::encode};

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let copied = ready!(
            self.pipe
                .read(buffer.initialize_unfilled(), Some(context.waker()))
        )?;
        buffer.advance(copied);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pipe
            .write(bytes, Some(context.waker()))
            .map_err(Into::into)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe
            .poll_flushed(Some(context.waker()))
            .map_err(Into::into)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(self.pipe.end()?))
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().split().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().split().1).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().split().1).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().split().1).poll_shutdown(context)
    }
}

impl<T: DeserializeOwned> Stream for MessageStream<T> {
    type Item = io::Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<T>>> {
        let value = ready!(self.get_mut().poll_value(Some(context.waker())));
        Poll::Ready(value.map_err(Into::into).transpose())
    }
}

impl<T: Serialize> Sink<T> for MessageStream<T> {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let write = &mut self.get_mut().write;
        write.poll_room(Some(context.waker())).map_err(Into::into)
    }

    fn start_send(self: Pin<&mut Self>, value: T) -> io::Result<()> {
        Ok(self.write.pipe.push(encode(&value)?)?)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.write.pipe.poll_flushed(Some(context.waker()));
        flushed.map_err(Into::into)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.pipe.end()?;
        self.poll_flush(context)
    }
}
