//! Questions that have one answer, and a time after which it no longer matters.
//!
//! In: a question, the events of its stream, the time. Out: the answer, or why there is none. Each
//! question has a stream of its own: many are under way at once, a long answer holds up no other, and
//! giving up is the stream's reset, which tells the other end to stop working on it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{ApiMisuse, DecodeError},
    id::StreamId,
    messagepack,
    mux::{Mux, REFUSE_CODE_TIMED_OUT, StreamEvent},
    stream::{StreamKind, StreamOptions},
    time::Micros,
};

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// None came in time; the other end was told to stop.
    #[error("no answer came in time")]
    TimedOut,
    /// The other end does not answer such a question, or failed to.
    #[error("refused with code {code}: {reason}")]
    Refused {
        /// Its code.
        code: u32,
        /// For a person.
        reason: Box<str>,
    },
    /// The other end ended the stream without an answer, or with none that can be read.
    #[error("the answer makes no sense")]
    Malformed,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What [`Requests::ask`] returned.
    pub id: StreamId,
    /// The answer in MessagePack, or why there is none.
    pub result: Result<Bytes, NoAnswer>,
}

impl Answer {
    /// The answer as a value.
    ///
    /// # Errors
    /// [`NoAnswer`]; [`NoAnswer::Malformed`] also when it is no `A`.
    pub fn read<A: DeserializeOwned>(&self) -> Result<A, NoAnswer> {
        let bytes = self.result.as_ref().map_err(Clone::clone)?;
        messagepack::from_slice(bytes).map_err(|_: DecodeError| NoAnswer::Malformed)
    }
}

/// The questions of one end that wait for their answers.
///
/// Hand it every [`StreamEvent`] first, and call [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) is reached. At most
/// [`STREAMS_OPEN_MAX`](crate::limits::STREAMS_OPEN_MAX) wait at a time. Streams end with their connection: begin
/// the next one with a new value.
///
/// An end that asks what things cost, and says who it is when it is asked:
///
/// ```
/// use tickwire_protocol::{
///     error::{ApiMisuse, ReceiveError},
///     mux::{
///         Mux, StreamEvent,
///         request::{self, Requests},
///     },
///     time::Micros,
/// };
///
/// #[derive(Default)]
/// struct Shop {
///     requests: Requests,
/// }
///
/// impl Shop {
///     fn ask_price(&mut self, of: &str, mux: &mut Mux, now: Micros) -> Result<(), ApiMisuse> {
///         let timeout = Micros::from_millis(2_000);
///         self.requests.ask(mux, "price", of, timeout, now)?;
///         Ok(())
///     }
///
///     fn on_stream(
///         &mut self,
///         event: &StreamEvent,
///         mux: &mut Mux,
///         now: Micros,
///     ) -> Result<(), ReceiveError> {
///         if let Some(answer) = self.requests.handle_event(mux, event, now) {
///             match answer.read::<u32>() {
///                 Ok(price) => println!("{price} gold"),
///                 Err(none) => println!("no price: {none}"),
///             }
///             return Ok(());
///         }
///         match event {
///             StreamEvent::Opened(offer) => match offer.metadata::<String>().as_deref() {
///                 Ok("name") => mux.accept(offer.id, now)?,
///                 _ => mux.refuse(offer.id, 404, "no such question")?,
///             },
///             StreamEvent::Readable(id) if mux.read_record(*id, now)?.is_some() => {
///                 request::answer(mux, *id, "Ann", now)?;
///             }
///             _ => {}
///         }
///         Ok(())
///     }
///
///     /// Whenever time has passed.
///     fn on_time(&mut self, mux: &mut Mux, now: Micros) {
///         while let Some(given_up) = self.requests.handle_timeout(mux, now) {
///             println!("question {} was not answered", given_up.id.0);
///         }
///     }
/// }
/// ```
#[derive(Debug, Default)]
pub struct Requests {
    deadlines: BTreeMap<StreamId, Micros>,
}

impl Requests {
    /// Asks. The other end sees an offered stream of messages with `topic` as its metadata (a text), and
    /// the question as its only record.
    ///
    /// # Errors
    /// As [`Mux::open`] and [`Mux::write`], and [`ApiMisuse::Unencodable`].
    pub fn ask<Q: Serialize + ?Sized>(
        &mut self,
        mux: &mut Mux,
        topic: &str,
        question: &Q,
        timeout: Micros,
        now: Micros,
    ) -> Result<StreamId, ApiMisuse> {
        let question = messagepack::to_vec(question)?;
        let options = StreamOptions::new(StreamKind::Messages).with_metadata(topic)?;
        let id = mux.open(options, now)?;
        if let Err(misuse) = mux.write(id, question.into(), now) {
            // Too large: nothing of it was sent yet, and the stream must not be left behind.
            mux.reset(id, REFUSE_CODE_TIMED_OUT, "")?;
            return Err(misuse);
        }
        mux.end(id)?;
        self.deadlines.insert(id, now + timeout);
        Ok(id)
    }

    /// Takes what happened to a stream, and says what became of a question if it was about one.
    pub fn handle_event(
        &mut self,
        mux: &mut Mux,
        event: &StreamEvent,
        now: Micros,
    ) -> Option<Answer> {
        let (id, result) = match event {
            StreamEvent::Readable(id) if self.deadlines.contains_key(id) => {
                match mux.read_record(*id, now) {
                    Ok(Some(record)) => (*id, Ok(record)),
                    Ok(None) => return None,
                    Err(_) => (*id, Err(NoAnswer::Malformed)),
                }
            }
            StreamEvent::Ended(id) => (*id, Err(NoAnswer::Malformed)),
            StreamEvent::Refused { id, code, reason } | StreamEvent::Reset { id, code, reason } => {
                let (code, reason) = (*code, reason.clone());
                (*id, Err(NoAnswer::Refused { code, reason }))
            }
            _ => return None,
        };
        self.deadlines.remove(&id)?;
        Some(Answer { id, result })
    }

    /// Gives up a question whose time is over. Call it until `None`.
    pub fn handle_timeout(&mut self, mux: &mut Mux, now: Micros) -> Option<Answer> {
        let (&id, _) = self
            .deadlines
            .iter()
            .find(|(_, deadline)| **deadline <= now)?;
        self.deadlines.remove(&id);
        // It may be gone with an event that waits to be polled: then there is nobody to tell.
        drop(mux.reset(id, REFUSE_CODE_TIMED_OUT, "no answer in time"));
        let result = Err(NoAnswer::TimedOut);
        Some(Answer { id, result })
    }

    /// When the next question's time is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Micros> {
        self.deadlines.values().copied().min()
    }
}

/// Answers a question: writes `answer` as the stream's only record, and ends our half.
///
/// # Errors
/// As [`Mux::write`], also when the asker has given up.
pub fn answer<A: Serialize + ?Sized>(
    mux: &mut Mux,
    id: StreamId,
    answer: &A,
    now: Micros,
) -> Result<(), ApiMisuse> {
    // Nothing waits on a stream that was just accepted, so the write is taken.
    let _taken = mux.write(id, messagepack::to_vec(answer)?.into(), now)?;
    mux.end(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frame::Frame, mux::Side, stream::Class};

    const NOW: Micros = Micros(0);
    const SECOND: Micros = Micros(1_000_000);

    struct Pair {
        asker: Mux,
        answerer: Mux,
        requests: Requests,
    }

    fn deliver(from: &mut Mux, to: &mut Mux) {
        let mut message = core::mem::take(from.urgent());
        from.on_urgent_sent();
        from.transmit(Class::Bulk, 100_000, NOW, &mut message);
        let mut reader = crate::coding::Reader::new(&message);
        while !reader.is_empty() {
            to.handle_frame(Frame::decode(&mut reader).unwrap(), NOW)
                .unwrap();
        }
    }

    impl Pair {
        fn new() -> Self {
            Self {
                asker: Mux::new(Side::Client),
                answerer: Mux::new(Side::Server),
                requests: Requests::default(),
            }
        }

        fn ask(&mut self, question: &str) -> StreamId {
            self.requests
                .ask(&mut self.asker, "shout", question, SECOND, NOW)
                .unwrap()
        }

        /// Shouts each question back; one that is a secret is refused.
        fn answer_all(&mut self) {
            deliver(&mut self.asker, &mut self.answerer);
            while let Some(event) = self.answerer.poll_event() {
                let (StreamEvent::Opened(_) | StreamEvent::Readable(_)) = event else {
                    continue;
                };
                match event {
                    StreamEvent::Opened(offer) => {
                        assert_eq!(offer.metadata(), Ok("shout".to_owned()));
                        self.answerer.accept(offer.id, NOW).unwrap();
                    }
                    StreamEvent::Readable(id) => {
                        let record = self.answerer.read_record(id, NOW).unwrap().unwrap();
                        let question: String = messagepack::from_slice(&record).unwrap();
                        if question == "secret" {
                            self.answerer.reset(id, 403, "no").unwrap();
                        } else {
                            answer(&mut self.answerer, id, &question.to_uppercase(), NOW).unwrap();
                        }
                    }
                    _ => {}
                }
            }
            deliver(&mut self.answerer, &mut self.asker);
        }

        fn answers(&mut self) -> Vec<Answer> {
            let mut answers = vec![];
            while let Some(event) = self.asker.poll_event() {
                answers.extend(self.requests.handle_event(&mut self.asker, &event, NOW));
            }
            answers
        }
    }

    #[test]
    fn questions_are_answered_each_on_its_own() {
        let mut pair = Pair::new();
        let asked = ["one", "two", "secret"].map(|question| pair.ask(question));
        pair.answer_all();
        let mut answers = pair.answers();
        answers.sort_by_key(|answer| answer.id);
        assert_eq!(answers.iter().map(|a| a.id).collect::<Vec<_>>(), asked);
        assert_eq!(answers[0].read(), Ok("ONE".to_owned()));
        assert_eq!(answers[1].read(), Ok("TWO".to_owned()));
        let reason = "no".into();
        assert_eq!(
            answers[2].read::<String>(),
            Err(NoAnswer::Refused { code: 403, reason })
        );
        assert_eq!(answers[0].read::<u32>(), Err(NoAnswer::Malformed));
        assert_eq!(pair.requests.poll_timeout(), None);
        deliver(&mut pair.asker, &mut pair.answerer);
        deliver(&mut pair.answerer, &mut pair.asker);
        assert!(
            pair.asker.is_empty() && pair.answerer.is_empty(),
            "nothing is left behind"
        );
    }

    #[test]
    fn a_question_that_nobody_answers_is_given_up() {
        let mut pair = Pair::new();
        let id = pair.ask("anybody?");
        deliver(&mut pair.asker, &mut pair.answerer);
        assert_eq!(pair.requests.poll_timeout(), Some(SECOND));
        assert_eq!(
            pair.requests
                .handle_timeout(&mut pair.asker, Micros(999_999)),
            None
        );
        let result = Err(NoAnswer::TimedOut);
        let given_up = pair.requests.handle_timeout(&mut pair.asker, SECOND);
        assert_eq!(given_up, Some(Answer { id, result }));
        deliver(&mut pair.asker, &mut pair.answerer);
        assert!(pair.asker.is_empty() && pair.answerer.is_empty());
        assert!(answer(&mut pair.answerer, id, "too late", NOW).is_err());
    }

    #[test]
    fn a_question_that_is_too_large_leaves_nothing_behind() {
        let mut pair = Pair::new();
        let large = "x".repeat(crate::limits::RECORD_BYTES_MAX);
        assert!(
            pair.requests
                .ask(&mut pair.asker, "shout", &large, SECOND, NOW)
                .is_err()
        );
        assert!(pair.asker.is_empty());
        assert_eq!(pair.requests.poll_timeout(), None);
    }
}
