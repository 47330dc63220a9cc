//! One of each control message, as the payload of a data frame on stream 0.

use tickwire_protocol::{
    error::CloseCode,
    id::{PlayerId, SessionId},
    session::{
        Farewell, Hello, ResumeToken, Welcome,
        control::{Control, Ping, Pong},
    },
    time::{Micros, Tick},
};

use super::Example;

pub(crate) fn all() -> Vec<Example> {
    let messages = [
        ("hello", Control::Hello(Box::new(hello(None)))),
        ("hello-again", Control::Hello(Box::new(hello(Some(TOKEN))))),
        ("welcome", Control::Welcome(Box::new(welcome()))),
        (
            "refused",
            Control::Refused(Farewell::new(CloseCode::Full, "full")),
        ),
        ("ping", Control::Ping(PING)),
        ("pong", Control::Pong(PONG)),
        (
            "goodbye",
            Control::Goodbye(Farewell::new(CloseCode::GoingAway, "back soon")),
        ),
        ("verify", Control::Verify),
        ("mark", Control::Mark(300)),
        ("reached", Control::Reached(300)),
    ];
    messages
        .map(|(name, message)| (name, encoded(&message)))
        .to_vec()
}

fn encoded(message: &Control) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    assert_eq!(Control::decode(&bytes).as_ref(), Ok(message));
    bytes
}

const TOKEN: ResumeToken = ResumeToken([
    0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
]);

/// The second number of the pong is a wait: it was read at 2.0 s and answered at 2.003 s.
const PONG: Pong = Pong {
    client_time: Micros(1_000_000),
    received: Micros(2_000_000),
    sent: Micros(2_003_000),
    next_tick: Tick(41),
    next_tick_due: Micros(2_050_000),
};

const PING: Ping = Ping {
    client_time: Micros(1_000_000),
    rtt: Micros(30_000),
};

pub(crate) fn hello(resume: Option<ResumeToken>) -> Hello {
    Hello {
        schema_hash: 0x0102_0304_0506_0708,
        resume,
        name: "Ada".into(),
        room: "arena".into(),
        join: [0x80].as_slice().to_vec().into(),
    }
}

pub(crate) fn welcome() -> Welcome {
    Welcome {
        session: SessionId(0x1122_3344),
        player: PlayerId(3),
        resume: TOKEN,
        resumed: false,
        tick_rate_millihertz: 20_000,
        next_tick: Tick(40),
        next_tick_due: Micros(2_000_000),
        server_time: Micros(2_003_000),
        message_bytes_max: 65_536,
        silence_micros_max: Micros(30_000_000),
        schema: None,
    }
}
