//! Control messages: handshake, clock, marks behind bulk, farewell. Both halves of each.
//!
//! In: the payload of a data frame on stream 0, or a message. Out: the other. Each is one byte that
//! says which, then its fields; nothing may follow them. The first message of a client is always
//! [`Hello`], and its version stands in the same place in every version of the protocol.

use bytes::Bytes;

use crate::{
    coding::{Reader, clip, put_length_prefixed, put_signed, put_varint},
    error::{CloseCode, DecodeError, PeerError, PeerMisbehaved},
    id::{PlayerId, SessionId},
    limits::{
        JOIN_BYTES_MAX, NAME_BYTES_MAX, PROTOCOL_VERSION, REASON_BYTES_MAX, ROOM_NAME_BYTES_MAX,
        SCHEMA_BYTES_MAX, TIME_MAX,
    },
    time::{Micros, Tick},
};

/// The number of each control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ControlKind {
    /// [`Hello`]. Client to server, once, first.
    Hello = 1,
    /// [`Welcome`]. Server to client, once, in answer.
    Welcome = 2,
    /// The other answer: a [`Farewell`], after which the server closes.
    Refused = 3,
    /// [`Ping`]. Client to server.
    Ping = 4,
    /// [`Pong`]. Server to client.
    Pong = 5,
    /// A [`Farewell`], after which the sender closes. Both ways.
    Goodbye = 6,
    /// The client asks that the next snapshot carries a checksum of the replica.
    Verify = 7,
    /// A number behind bulk, which the other end sends back once it has read so far. Both ways.
    Mark = 8,
    /// The number of the newest [`Mark`](Self::Mark). Both ways.
    Reached = 9,
}

impl ControlKind {
    /// Every kind, in the order of their numbers, which start at 1.
    pub const ALL: [Self; 9] = [
        Self::Hello,
        Self::Welcome,
        Self::Refused,
        Self::Ping,
        Self::Pong,
        Self::Goodbye,
        Self::Verify,
        Self::Mark,
        Self::Reached,
    ];
}

/// Proves that a connection may take a seat back. The server draws it at random; a client keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResumeToken(pub [u8; 16]);

impl core::fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // A token in a log is a seat given away.
        f.write_str("ResumeToken(…)")
    }
}

/// What a client says first: who it is and what it wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The hash of the schema it knows; 0 when it knows none.
    pub schema_hash: u64,
    /// The seat it had, if it comes back.
    pub resume: Option<ResumeToken>,
    /// The player's name as typed, cut to [`NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// The room it wants; empty for whichever the server picks. At most [`ROOM_NAME_BYTES_MAX`] bytes.
    pub room: String,
    /// The game's own payload (MessagePack), at most [`JOIN_BYTES_MAX`] bytes.
    pub join: Bytes,
}

/// What a server answers when the player is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The seat.
    pub session: SessionId,
    /// The player's number in the room.
    pub player: PlayerId,
    /// What takes the seat back after a cut.
    pub resume: ResumeToken,
    /// Whether the seat is the one the client had.
    pub resumed: bool,
    /// Ticks per 1,000 seconds: 20 Hz is 20,000.
    pub tick_rate_millihertz: u32,
    /// The tick that the room steps next.
    pub next_tick: Tick,
    /// When that step is due, on the server's clock.
    pub next_tick_due: Micros,
    /// The server's clock as this is written.
    pub server_time: Micros,
    /// The largest message the server takes.
    pub message_bytes_max: u32,
    /// After how long without a whole binary message the server gives the client up.
    pub silence_micros_max: Micros,
    /// The schema in bytes, when the client's hash was another one.
    pub schema: Option<Bytes>,
}

/// A client's question for the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// The client's clock as this is sent. It comes back unread.
    pub client_time: Micros,
    /// The round trip as the client knows it; 0 before it does. The server tunes windows by it.
    pub rtt: Micros,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// From the ping.
    pub client_time: Micros,
    /// The server's clock as the ping was read. It may have waited for a tick before.
    pub received: Micros,
    /// The server's clock as this is written.
    pub sent: Micros,
    /// The tick that the room steps next.
    pub next_tick: Tick,
    /// When that step is due, on the server's clock.
    pub next_tick_due: Micros,
}

/// Why it ends: the number of a [`CloseCode`] and a line for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// The code, as in the WebSocket close frame that follows.
    pub code: u16,
    /// The reason, at most [`REASON_BYTES_MAX`] bytes.
    pub reason: String,
}

impl Farewell {
    /// A farewell with this code.
    #[must_use]
    pub fn new(code: CloseCode, reason: &str) -> Self {
        Self {
            code: code.number(),
            reason: clip(reason, REASON_BYTES_MAX).to_owned(),
        }
    }
}

/// One control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// See [`ControlKind::Hello`].
    Hello(Box<Hello>),
    /// See [`ControlKind::Welcome`].
    Welcome(Box<Welcome>),
    /// See [`ControlKind::Refused`].
    Refused(Farewell),
    /// See [`ControlKind::Ping`].
    Ping(Ping),
    /// See [`ControlKind::Pong`].
    Pong(Pong),
    /// See [`ControlKind::Goodbye`].
    Goodbye(Farewell),
    /// See [`ControlKind::Verify`].
    Verify,
    /// See [`ControlKind::Mark`].
    Mark(u64),
    /// See [`ControlKind::Reached`].
    Reached(u64),
}

const RESUMED: u8 = 1;
const WITH_SCHEMA: u8 = 2;

impl Control {
    /// Appends the message. Texts are cut to their limits, never split inside a character.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                out.push(ControlKind::Hello as u8);
                out.extend_from_slice(&PROTOCOL_VERSION.to_le_bytes());
                encode_hello(hello, out);
            }
            Self::Welcome(welcome) => {
                out.push(ControlKind::Welcome as u8);
                encode_welcome(welcome, out);
            }
            Self::Refused(farewell) => encode_farewell(ControlKind::Refused, farewell, out),
            Self::Goodbye(farewell) => encode_farewell(ControlKind::Goodbye, farewell, out),
            Self::Ping(ping) => {
                out.push(ControlKind::Ping as u8);
                put_varint(out, ping.client_time.0);
                put_varint(out, ping.rtt.0);
            }
            Self::Pong(pong) => {
                out.push(ControlKind::Pong as u8);
                put_varint(out, pong.client_time.0);
                put_varint(out, pong.received.0);
                put_varint(out, pong.sent.since(pong.received).0);
                encode_tick(pong.next_tick, pong.next_tick_due, pong.sent, out);
            }
            Self::Verify => out.push(ControlKind::Verify as u8),
            Self::Mark(mark) => {
                out.push(ControlKind::Mark as u8);
                put_varint(out, *mark);
            }
            Self::Reached(mark) => {
                out.push(ControlKind::Reached as u8);
                put_varint(out, *mark);
            }
        }
    }

    /// Reads one message, all of `payload`.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes that are none; [`PeerMisbehaved::VersionDiffers`] for a `Hello` of
    /// another version, whatever follows in it.
    pub fn decode(payload: &[u8]) -> Result<Self, PeerError> {
        let mut reader = Reader::new(payload);
        let number = reader.u8("control message")?;
        let kind = ControlKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == number)
            .ok_or(DecodeError::Invalid("control message"))?;
        let message = match kind {
            ControlKind::Hello => {
                let theirs = reader.u16("protocol version")?;
                if theirs != PROTOCOL_VERSION {
                    let ours = PROTOCOL_VERSION;
                    return Err(PeerMisbehaved::VersionDiffers { ours, theirs }.into());
                }
                Self::Hello(Box::new(decode_hello(&mut reader)?))
            }
            ControlKind::Welcome => Self::Welcome(Box::new(decode_welcome(&mut reader)?)),
            ControlKind::Refused => Self::Refused(decode_farewell(&mut reader)?),
            ControlKind::Goodbye => Self::Goodbye(decode_farewell(&mut reader)?),
            ControlKind::Ping => Self::Ping(Ping {
                client_time: decode_time(&mut reader, "ping time")?,
                rtt: decode_time(&mut reader, "ping round trip")?,
            }),
            ControlKind::Pong => Self::Pong(decode_pong(&mut reader)?),
            ControlKind::Verify => Self::Verify,
            ControlKind::Mark => Self::Mark(reader.varint("mark")?),
            ControlKind::Reached => Self::Reached(reader.varint("mark")?),
        };
        reader.finish("control message")?;
        Ok(message)
    }
}

fn encode_hello(hello: &Hello, out: &mut Vec<u8>) {
    out.extend_from_slice(&hello.schema_hash.to_le_bytes());
    out.push(u8::from(hello.resume.is_some()));
    if let Some(token) = hello.resume {
        out.extend_from_slice(&token.0);
    }
    put_length_prefixed(out, clip(&hello.name, NAME_BYTES_MAX).as_bytes());
    // Cut, it could be another room's: the server refuses one that is too long.
    put_length_prefixed(out, hello.room.as_bytes());
    put_length_prefixed(out, &hello.join);
}

fn decode_hello(reader: &mut Reader<'_>) -> Result<Hello, DecodeError> {
    Ok(Hello {
        schema_hash: reader.u64("schema hash")?,
        resume: match reader.u8("resume flag")? {
            0 => None,
            1 => Some(ResumeToken(reader.array("resume token")?)),
            _ => return Err(DecodeError::Invalid("resume flag")),
        },
        name: reader.text(NAME_BYTES_MAX, "player name")?.to_owned(),
        room: reader.text(ROOM_NAME_BYTES_MAX, "room name")?.to_owned(),
        join: Bytes::copy_from_slice(reader.length_prefixed(JOIN_BYTES_MAX, "join payload")?),
    })
}

fn encode_welcome(welcome: &Welcome, out: &mut Vec<u8>) {
    let resumed = if welcome.resumed { RESUMED } else { 0 };
    let with_schema = if welcome.schema.is_some() {
        WITH_SCHEMA
    } else {
        0
    };
    out.push(resumed | with_schema);
    out.extend_from_slice(&welcome.session.0.to_le_bytes());
    put_varint(out, u64::from(welcome.player.0));
    out.extend_from_slice(&welcome.resume.0);
    put_varint(out, u64::from(welcome.tick_rate_millihertz));
    put_varint(out, welcome.server_time.0);
    encode_tick(
        welcome.next_tick,
        welcome.next_tick_due,
        welcome.server_time,
        out,
    );
    put_varint(out, u64::from(welcome.message_bytes_max));
    put_varint(out, welcome.silence_micros_max.0);
    if let Some(schema) = &welcome.schema {
        put_length_prefixed(out, schema);
    }
}

fn decode_welcome(reader: &mut Reader<'_>) -> Result<Welcome, DecodeError> {
    let flags = reader.u8("welcome flags")?;
    if flags & !(RESUMED | WITH_SCHEMA) != 0 {
        return Err(DecodeError::Invalid("welcome flags"));
    }
    let session = SessionId(reader.u64("session id")?);
    let player = PlayerId(reader.varint_u32("player id")?);
    let resume = ResumeToken(reader.array("resume token")?);
    let tick_rate_millihertz = reader.varint_u32("tick rate")?;
    if tick_rate_millihertz == 0 {
        return Err(DecodeError::OutOfRange("tick rate"));
    }
    let server_time = decode_time(reader, "server time")?;
    let (next_tick, next_tick_due) = decode_tick(reader, server_time)?;
    Ok(Welcome {
        session,
        player,
        resume,
        resumed: flags & RESUMED != 0,
        tick_rate_millihertz,
        next_tick,
        next_tick_due,
        server_time,
        message_bytes_max: reader.varint_u32("message limit")?,
        silence_micros_max: decode_time(reader, "silence limit")?,
        schema: if flags & WITH_SCHEMA == 0 {
            None
        } else {
            let schema = reader.length_prefixed(SCHEMA_BYTES_MAX, "schema")?;
            Some(Bytes::copy_from_slice(schema))
        },
    })
}

fn decode_pong(reader: &mut Reader<'_>) -> Result<Pong, DecodeError> {
    let client_time = decode_time(reader, "ping time")?;
    let received = decode_time(reader, "pong received")?;
    let sent = received + decode_time(reader, "pong sent")?;
    let (next_tick, next_tick_due) = decode_tick(reader, sent)?;
    Ok(Pong {
        client_time,
        received,
        sent,
        next_tick,
        next_tick_due,
    })
}

/// A peer's time, small enough that no sum of a few of them can overflow.
fn decode_time(reader: &mut Reader<'_>, what: &'static str) -> Result<Micros, DecodeError> {
    match reader.varint(what)? {
        micros if micros <= TIME_MAX.0 => Ok(Micros(micros)),
        _ => Err(DecodeError::OutOfRange(what)),
    }
}

/// A tick, and when it is due as a signed distance from a time both ends of the message know.
fn encode_tick(tick: Tick, due: Micros, from: Micros, out: &mut Vec<u8>) {
    out.extend_from_slice(&tick.0.to_le_bytes());
    put_signed(out, due.0.wrapping_sub(from.0).cast_signed());
}

fn decode_tick(reader: &mut Reader<'_>, from: Micros) -> Result<(Tick, Micros), DecodeError> {
    let tick = Tick(reader.u32("tick")?);
    match from.0.checked_add_signed(reader.signed("tick due")?) {
        Some(due) if due <= TIME_MAX.0 => Ok((tick, Micros(due))),
        _ => Err(DecodeError::OutOfRange("tick due")),
    }
}

fn encode_farewell(kind: ControlKind, farewell: &Farewell, out: &mut Vec<u8>) {
    out.push(kind as u8);
    out.extend_from_slice(&farewell.code.to_le_bytes());
    put_length_prefixed(out, clip(&farewell.reason, REASON_BYTES_MAX).as_bytes());
}

fn decode_farewell(reader: &mut Reader<'_>) -> Result<Farewell, DecodeError> {
    Ok(Farewell {
        code: reader.u16("close code")?,
        reason: reader.text(REASON_BYTES_MAX, "close reason")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_control() -> impl Strategy<Value = Control> {
        let farewell =
            || (any::<u16>(), "[a-zñ ]{0,60}").prop_map(|(code, reason)| Farewell { code, reason });
        let time = || (0..1u64 << 59).prop_map(Micros);
        prop_oneof![
            (
                any::<u64>(),
                any::<Option<[u8; 16]>>(),
                "[a-z]{0,64}",
                "[a-z]{0,64}",
                any::<Vec<u8>>()
            )
                .prop_map(|(schema_hash, resume, name, room, join)| Control::Hello(
                    Box::new(Hello {
                        schema_hash,
                        resume: resume.map(ResumeToken),
                        name,
                        room,
                        join: join.into(),
                    })
                )),
            (
                any::<(u64, u32, [u8; 16], bool)>(),
                1u32..,
                any::<u32>(),
                time(),
                time(),
                any::<Option<Vec<u8>>>()
            )
                .prop_map(|(seat, rate, tick, due, server_time, schema)| {
                    Control::Welcome(Box::new(Welcome {
                        session: SessionId(seat.0),
                        player: PlayerId(seat.1),
                        resume: ResumeToken(seat.2),
                        resumed: seat.3,
                        tick_rate_millihertz: rate,
                        next_tick: Tick(tick),
                        next_tick_due: due,
                        server_time,
                        message_bytes_max: tick,
                        silence_micros_max: due,
                        schema: schema.map(Into::into),
                    }))
                }),
            farewell().prop_map(Control::Refused),
            farewell().prop_map(Control::Goodbye),
            (time(), time())
                .prop_map(|(client_time, rtt)| Control::Ping(Ping { client_time, rtt })),
            (time(), time(), time(), any::<u32>(), time()).prop_map(
                |(client_time, received, wait, tick, due)| {
                    Control::Pong(Pong {
                        client_time,
                        received,
                        sent: received + wait,
                        next_tick: Tick(tick),
                        next_tick_due: due,
                    })
                }
            ),
            Just(Control::Verify),
            any::<u64>().prop_map(Control::Mark),
            any::<u64>().prop_map(Control::Reached),
        ]
    }

    proptest! {
        #[test]
        fn a_control_message_comes_back(message in any_control()) {
            let mut payload = Vec::new();
            message.encode(&mut payload);
            prop_assert_eq!(Control::decode(&payload), Ok(message));
        }

        #[test]
        fn a_cut_or_longer_message_is_refused(message in any_control(), cut in any::<prop::sample::Index>()) {
            let mut payload = Vec::new();
            message.encode(&mut payload);
            prop_assert!(Control::decode(&payload[..cut.index(payload.len())]).is_err());
            payload.push(0);
            prop_assert!(Control::decode(&payload).is_err());
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(payload: Vec<u8>) {
            let _ = Control::decode(&payload);
        }
    }

    #[test]
    fn another_version_is_told_apart_whatever_follows() {
        let payload = [ControlKind::Hello as u8, 0x39, 0x05, 0xff, 0xff];
        let differs = PeerMisbehaved::VersionDiffers {
            ours: PROTOCOL_VERSION,
            theirs: 1337,
        };
        assert_eq!(Control::decode(&payload), Err(differs.into()));
    }

    #[test]
    fn a_long_room_name_is_refused_and_not_cut() {
        let hello = |bytes| {
            let room = "x".repeat(bytes);
            let hello = Hello {
                room,
                ..Hello::default()
            };
            let mut payload = Vec::new();
            Control::Hello(Box::new(hello)).encode(&mut payload);
            Control::decode(&payload)
        };
        assert!(hello(ROOM_NAME_BYTES_MAX).is_ok());
        assert!(hello(ROOM_NAME_BYTES_MAX + 1).is_err());
    }

    #[test]
    fn a_long_reason_is_cut_and_not_refused() {
        let mut payload = Vec::new();
        let reason = "ñ".repeat(100);
        Control::Goodbye(Farewell { code: 1000, reason }).encode(&mut payload);
        let Ok(Control::Goodbye(farewell)) = Control::decode(&payload) else {
            panic!("no goodbye");
        };
        assert_eq!(farewell.reason, "ñ".repeat(REASON_BYTES_MAX / 2));
    }
}
