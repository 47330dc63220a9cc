//! Values of a game's own types as MessagePack: metadata, join payloads, events, typed streams.
//!
//! In: serde types. Out: bytes, and back. Structs are written as maps with their field names: a page
//! without Rust reads them as objects, and a field added later does not shift the others.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{ApiMisuse, DecodeError},
    limits::DEPTH_MAX,
};

/// Encodes a value.
///
/// # Errors
/// [`ApiMisuse::Unencodable`] when the type's own `Serialize` fails, or it is one MessagePack cannot hold.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ApiMisuse> {
    rmp_serde::to_vec_named(value).map_err(|error| ApiMisuse::Unencodable(error.to_string()))
}

/// Decodes a value that a peer sent, all of `bytes` and nothing more.
///
/// Nesting deeper than [`DEPTH_MAX`] is refused, and collections grow only as their bytes are read,
/// whatever length they claim.
///
/// # Errors
/// [`DecodeError`] when the bytes are no `T`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut rest = bytes;
    let value = read(&mut rest).map_err(|_| DecodeError::Invalid("MessagePack value"))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::Trailing("MessagePack value"))
    }
}

/// Reads a value from the front of `bytes`, nested no deeper than [`DEPTH_MAX`].
pub(crate) fn read<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::new(bytes);
    deserializer.set_max_depth(DEPTH_MAX);
    T::deserialize(&mut deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Chat {
        from: String,
        text: String,
    }

    #[test]
    fn a_value_comes_back_and_trailing_bytes_do_not_pass() {
        let chat = Chat {
            from: "Ada".into(),
            text: "hello".into(),
        };
        let mut bytes = to_vec(&chat).unwrap();
        assert_eq!(from_slice::<Chat>(&bytes), Ok(chat));
        bytes.push(0);
        assert!(from_slice::<Chat>(&bytes).is_err());
    }

    #[test]
    fn a_claimed_length_allocates_nothing_and_depth_is_bounded() {
        let four_billion_elements = [0xdd, 0xff, 0xff, 0xff, 0xff];
        assert!(from_slice::<Vec<u8>>(&four_billion_elements).is_err());
        let nested = [0x91; 100_000];
        assert!(from_slice::<serde::de::IgnoredAny>(&nested).is_err());
    }
}
