//! Questions that have one answer, over pipes.
//!
//! In: a topic and a question, at one end. Out: the answer, from the other. Each question is a stream of
//! messages with the topic as its metadata and one record each way, as
//! [`Requests`](crate::mux::request::Requests) has them without pipes. There is no time-out in here: whoever
//! asks stops waiting by dropping the future, which tells the other end to stop working on it.

use core::{future::poll_fn, task::Poll};
use std::{io, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{Hub, Incoming, MessageStream, StreamError, messages::encode};
use crate::{
    error::DecodeError,
    messagepack,
    mux::{REFUSE_CODE_LET_GO, REFUSE_CODE_TIMED_OUT},
    stream::{StreamKind, StreamOptions},
};

/// A question's stream, reset when nobody waits for the answer any more.
struct Waiting<A>(Option<MessageStream<A>>);

impl<A> Drop for Waiting<A> {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            stream.reset(REFUSE_CODE_TIMED_OUT, "nobody waits for the answer");
        }
    }
}

impl Hub {
    /// Asks the other end, and waits for its answer. Dropped before, it gives the question up.
    ///
    /// Each question is a stream: of those an end may have [`STREAMS_OPEN_MAX`](crate::limits::STREAMS_OPEN_MAX) open
    /// at a time, all kinds together, and one more fails at once.
    ///
    /// # Errors
    /// [`StreamError`]: the refusal, or [`Malformed`](StreamError::Malformed) when the answer is no `A`;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) when the topic or the question cannot be encoded or is
    /// too large.
    pub async fn ask<Q, A>(self: &Arc<Self>, topic: &str, question: &Q) -> io::Result<A>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        let question = encode(question)?;
        let options = StreamOptions::new(StreamKind::Messages)
            .with_metadata(topic)
            .map_err(|misuse| io::Error::new(io::ErrorKind::InvalidInput, misuse))?;
        let mut waiting = Waiting(Some(self.open_messages::<A>(options)));
        let Some(stream) = &mut waiting.0 else {
            return Err(StreamError::GivenUp.into());
        };
        stream.write.pipe.push(question)?;
        stream.end()?;
        let answer = stream.receive().await?;
        // It is over on both sides: dropping it resets nothing.
        drop(waiting.0.take());
        let none = StreamError::Malformed(DecodeError::Truncated("answer"));
        answer.ok_or_else(|| none.into())
    }
}

/// Where the answer to a question goes. Dropped, the question is refused.
#[derive(Debug)]
pub struct Reply(Option<MessageStream<()>>);

impl Incoming {
    /// Takes the stream as a question: what it asks, and where the answer goes. The topic is the stream's
    /// [`metadata`](Self::metadata).
    ///
    /// # Errors
    /// [`StreamError`]; [`Malformed`](StreamError::Malformed) when the question is no `Q`, which refuses it.
    pub async fn question<Q: DeserializeOwned>(self) -> io::Result<(Q, Reply)> {
        // From the first, so that the asker is refused if this is dropped half-way.
        let mut reply = Reply(Some(self.accept_messages()));
        match reply.question().await {
            Ok(Some(question)) => Ok((question, reply)),
            Ok(None) => {
                reply.refuse(REFUSE_CODE_LET_GO, "there is no question");
                Err(StreamError::Malformed(DecodeError::Truncated("question")).into())
            }
            Err(error) => {
                reply.refuse(REFUSE_CODE_LET_GO, "the question makes no sense");
                Err(error.into())
            }
        }
    }
}

impl Reply {
    async fn question<Q: DeserializeOwned>(&mut self) -> Result<Option<Q>, StreamError> {
        let record = poll_fn(|context| match &mut self.0 {
            Some(stream) => stream.poll_record(Some(context.waker())),
            None => Poll::Ready(Ok(None)),
        });
        let question = record.await?.map(|record| messagepack::from_slice(&record));
        question.transpose().map_err(StreamError::Malformed)
    }

    /// Answers. It does not wait: the answer's place is free.
    ///
    /// # Errors
    /// [`StreamError`], for one when the asker has given up; [`InvalidInput`](io::ErrorKind::InvalidInput)
    /// for an answer that cannot be encoded or is larger than
    /// [`RECORD_BYTES_MAX`](crate::limits::RECORD_BYTES_MAX).
    pub fn send<A: Serialize + ?Sized>(mut self, answer: &A) -> io::Result<()> {
        let answer = encode(answer)?;
        let Some(mut stream) = self.0.take() else {
            return Ok(());
        };
        stream.write.pipe.push(answer)?;
        stream.end()
    }

    /// Declines to answer. Codes from 256 are the program's to give meaning to.
    pub fn refuse(mut self, code: u32, reason: &str) {
        if let Some(stream) = self.0.take() {
            stream.reset(code, reason);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            stream.reset(REFUSE_CODE_LET_GO, "nobody has answered");
        }
    }
}
