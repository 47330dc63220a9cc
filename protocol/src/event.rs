//! The game's own events: one byte that says which event of the schema it is, then the event in
//! MessagePack (structs as maps, so that a JavaScript game reads them without a schema).
//!
//! The choice to question: MessagePack and not the schema's columns. Events are rare beside state, come
//! one at a time, and hold what columns are bad at: text, lists, choices.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    coding::clip,
    error::{DecodeError, PeerError, PeerMisbehaved},
    limits::{EVENTS_MAX, REASON_BYTES_MAX},
    messagepack,
};

/// A type that travels as an event between a room and its players.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tickwire_protocol::event::GameEvent;
///
/// #[derive(Serialize, Deserialize)]
/// struct Chat {
///     text: String,
/// }
///
/// impl GameEvent for Chat {
///     const NAME: &'static str = "chat";
/// }
/// ```
pub trait GameEvent: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The event's name in the schema, by which JavaScript games know it. Unique in a game.
    const NAME: &'static str;
}

/// Appends the event that stands at `index` in the schema to `out`.
///
/// # Panics
///
/// `index` is not below [`EVENTS_MAX`], or the type's own `Serialize` fails.
pub fn encode<E: GameEvent>(index: usize, event: &E, out: &mut Vec<u8>) {
    assert!(
        index < EVENTS_MAX,
        "a schema has at most {EVENTS_MAX} events"
    );
    #[expect(clippy::cast_possible_truncation, reason = "EVENTS_MAX is 256")]
    out.push(index as u8);
    let mut serializer = rmp_serde::Serializer::new(out).with_struct_map();
    if let Err(error) = event.serialize(&mut serializer) {
        panic!("the event {} cannot be serialized: {error}", E::NAME);
    }
}

/// Splits an event's bytes into its index in the schema and what [`decode`] takes.
///
/// # Errors
///
/// The bytes are empty.
pub fn split(bytes: &[u8]) -> Result<(usize, &[u8]), DecodeError> {
    let (&index, rest) = bytes
        .split_first()
        .ok_or(DecodeError::Truncated("an event"))?;
    Ok((usize::from(index), rest))
}

/// Reads an event's value: all of `bytes`, nesting at most [`DEPTH_MAX`](crate::limits::DEPTH_MAX) deep.
///
/// # Errors
///
/// The bytes are no `E`, or go on after it. The error names the event: a game in JavaScript sent it, most likely.
pub fn decode<E: GameEvent>(mut bytes: &[u8]) -> Result<E, PeerError> {
    let event = messagepack::read(&mut bytes).map_err(|error| {
        let why = clip(&error.to_string(), REASON_BYTES_MAX).to_owned();
        PeerMisbehaved::EventUnreadable {
            event: E::NAME,
            why,
        }
    })?;
    if bytes.is_empty() {
        Ok(event)
    } else {
        Err(DecodeError::Trailing("an event").into())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Chat {
        text: String,
        to: Option<u32>,
    }

    impl GameEvent for Chat {
        const NAME: &'static str = "chat";
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Nest(Vec<Nest>);

    impl GameEvent for Nest {
        const NAME: &'static str = "nest";
    }

    #[test]
    fn an_event_comes_back_as_it_was_sent() {
        let chat = Chat {
            text: "hello".into(),
            to: Some(7),
        };
        let mut bytes = Vec::new();
        encode(3, &chat, &mut bytes);
        let (index, rest) = split(&bytes).unwrap();
        assert_eq!(index, 3);
        assert_eq!(decode::<Chat>(rest).unwrap(), chat);
    }

    #[test]
    fn an_event_that_ends_early_or_goes_on_is_refused() {
        let mut bytes = Vec::new();
        encode(
            0,
            &Chat {
                text: "hello".into(),
                to: None,
            },
            &mut bytes,
        );
        for end in 1..bytes.len() {
            assert!(decode::<Chat>(&bytes[1..end]).is_err(), "cut at {end}");
        }
        bytes.push(0);
        assert_eq!(
            decode::<Chat>(&bytes[1..]),
            Err(DecodeError::Trailing("an event").into())
        );
        assert!(split(&[]).is_err());
    }

    #[test]
    fn an_event_nested_deeper_than_the_limit_is_refused() {
        // 0x91: an array of one. A recursive type would otherwise follow it down the stack.
        let bytes = vec![0x91; 100_000];
        assert!(decode::<Nest>(&bytes).is_err());
    }

    #[test]
    fn an_event_that_is_not_read_is_named_with_what_its_type_says() {
        // {"text": 5} and {}.
        let number = decode::<Chat>(b"\x81\xa4text\x05").unwrap_err().to_string();
        assert_eq!(
            number,
            "the event chat cannot be read: invalid type: integer `5`, expected a string"
        );
        let nothing = decode::<Chat>(b"\x80").unwrap_err().to_string();
        assert_eq!(
            nothing,
            "the event chat cannot be read: missing field `text`"
        );
    }
}
