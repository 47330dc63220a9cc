//! What a player says at the door: a value in, the MessagePack out that a page's join data becomes.

use serde::{Serialize, de::IgnoredAny};
use serde_json::{Number, Value};
use tickwire_protocol::{limits::JOIN_BYTES_MAX, messagepack};

/// The largest integer that JavaScript tells from its neighbours.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// The game's own part of the handshake, from JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    value: Value,
    bytes: Vec<u8>,
}

impl Payload {
    /// The value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The value as it travels.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl core::str::FromStr for Payload {
    type Err = String;

    /// Reads JSON.
    ///
    /// # Errors
    /// With a sentence for what is no JSON, or more than a server takes.
    fn from_str(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| format!("{error}; a text is JSON with its quotation marks only"))?;
        let value = as_a_page_says(value);
        let bytes = encode(&value)?;
        messagepack::from_slice::<IgnoredAny>(&bytes)
            .map_err(|_| "it is nested too deep to be sent".to_owned())?;
        Ok(Self { value, bytes })
    }
}

/// A value as it travels.
///
/// # Errors
/// With a sentence when it cannot, or is longer than [`JOIN_BYTES_MAX`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let bytes = messagepack::to_vec(value).map_err(|misuse| misuse.to_string())?;
    if bytes.len() > JOIN_BYTES_MAX {
        let length = bytes.len();
        return Err(format!(
            "what a player says at the door has {length} bytes, {JOIN_BYTES_MAX} are allowed"
        ));
    }
    Ok(bytes)
}

/// Numbers without a fraction as integers: a page knows no other.
fn as_a_page_says(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        Value::Array(items) => items.into_iter().map(as_a_page_says).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields
                .map(|(name, value)| (name, as_a_page_says(value)))
                .collect()
        }
        other => other,
    }
}

fn whole(number: &Number) -> Option<Number> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    let is_whole = float.fract() == 0.0 && float.abs() <= INTEGER_MAX;
    is_whole.then(|| Number::from(float as i64))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use tickwire_protocol::messagepack;

    use super::{JOIN_BYTES_MAX, Payload};

    #[derive(Deserialize, Debug, PartialEq)]
    struct Ticket {
        team: String,
        seat: u8,
        height: f32,
    }

    #[test]
    fn json_becomes_what_a_game_reads_of_a_page() {
        let text = r#"{"seat": 3.0, "team": "red", "height": 1.5}"#;
        let payload: Payload = text.parse().expect("it is JSON");
        let ticket = Ticket {
            team: "red".into(),
            seat: 3,
            height: 1.5,
        };
        assert_eq!(messagepack::from_slice(payload.bytes()), Ok(ticket));
        assert_eq!(payload.value()["team"], "red");
    }

    #[test]
    fn what_no_server_takes_is_refused_before_the_run() {
        let refused = |text: &str| text.parse::<Payload>().expect_err("it cannot be sent");
        assert!(refused("red").contains("quotation marks"));
        let long = format!("\"{}\"", "a".repeat(JOIN_BYTES_MAX));
        assert!(refused(&long).contains("4096 are allowed"));
        let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
        assert!(refused(&deep).contains("too deep"));
    }
}
