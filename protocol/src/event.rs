//! The game's own events: what one looks like inside a frame of the event stream.
//!
//! In comes a serde value of a type that both ends name; out go the bytes of one frame: a byte with the
//! event's index in the schema, then the value as MessagePack. Fields travel by name, not by position:
//! events are rare beside state, and a JavaScript game can then read and write them without any Rust.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{ApiMisuse, DecodeError};

/// A message of the game: a chat line, a hit, a purchase. Ordered and reliable, both ways.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tickwire_protocol::event::Event;
///
/// #[derive(Serialize, Deserialize)]
/// struct Chat {
///     text: String,
/// }
/// impl Event for Chat {
///     const NAME: &'static str = "chat";
/// }
/// ```
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What both ends call it; it stands in the schema.
    const NAME: &'static str;
}

/// Appends one event to `out`.
///
/// # Errors
/// [`ApiMisuse::Schema`] when serde cannot write the value.
pub fn encode(index: u8, event: &impl Serialize, out: &mut Vec<u8>) -> Result<(), ApiMisuse> {
    let start = out.len();
    out.push(index);
    rmp_serde::encode::write_named(out, event).map_err(|error| {
        out.truncate(start);
        ApiMisuse::Schema(error.to_string())
    })
}

/// Splits an event's bytes into its index in the schema and its MessagePack payload.
///
/// # Errors
/// [`DecodeError::Truncated`] when not even the index is there.
pub fn split(bytes: &[u8]) -> Result<(u8, &[u8]), DecodeError> {
    match bytes {
        [index, payload @ ..] => Ok((*index, payload)),
        [] => Err(DecodeError::Truncated("an event")),
    }
}

/// Reads a payload as the event `E`.
///
/// # Errors
/// [`DecodeError::Invalid`] when the payload is no `E`, and [`DecodeError::Trailing`] when bytes are left.
pub fn decode<E: DeserializeOwned>(payload: &[u8]) -> Result<E, DecodeError> {
    let mut reader = rmp_serde::Deserializer::new(std::io::Cursor::new(payload));
    reader.set_max_depth(crate::limits::DEPTH_MAX);
    let event = E::deserialize(&mut reader).map_err(|_| DecodeError::Invalid("an event"))?;
    if reader.position() == payload.len() as u64 {
        Ok(event)
    } else {
        Err(DecodeError::Trailing("an event"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Chat {
        text: String,
        team: Option<u8>,
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        let chat = Chat {
            text: "well played".into(),
            team: Some(2),
        };
        let mut bytes = vec![];
        encode(7, &chat, &mut bytes).expect("a plain struct");
        let (index, payload) = split(&bytes).expect("an index");
        assert_eq!(index, 7);
        assert_eq!(decode::<Chat>(payload), Ok(chat));
    }

    #[test]
    fn a_cut_or_overlong_event_is_refused() {
        let mut bytes = vec![];
        encode(
            0,
            &Chat {
                text: "hi".into(),
                team: None,
            },
            &mut bytes,
        )
        .expect("a plain struct");
        assert_eq!(split(&[]), Err(DecodeError::Truncated("an event")));
        assert_eq!(
            decode::<Chat>(&bytes[1..bytes.len() - 1]),
            Err(DecodeError::Invalid("an event"))
        );
        bytes.push(0);
        assert_eq!(
            decode::<Chat>(&bytes[1..]),
            Err(DecodeError::Trailing("an event"))
        );
    }
}
