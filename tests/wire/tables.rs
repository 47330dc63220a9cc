//! What the tables of `WIRE.md` must say, taken from the code.

use tickwire_protocol::{
    error::CloseCode,
    frame::{FLAG_MORE, FLAG_TO_END, FrameKind},
    id::StreamId,
    limits,
    mux::{REFUSE_CODE_LET_GO, REFUSE_CODE_TIMED_OUT, REFUSE_CODE_TOO_MANY},
    session::control::ControlKind,
    stream::{Class, OPEN_ONE_WAY, StreamKind},
};

type Rows = Vec<(String, String)>;

pub(crate) fn all() -> Vec<(&'static str, Rows)> {
    vec![
        ("frame-kinds", numbered(&FrameKind::ALL, |it| *it as u32)),
        (
            "frame-flags",
            flags(&[("TO_END", FLAG_TO_END), ("MORE", FLAG_MORE)]),
        ),
        ("open-flags", flags(&[("ONE_WAY", OPEN_ONE_WAY)])),
        ("fixed-streams", fixed_streams()),
        ("classes", numbered(&Class::ALL, |it| *it as u32)),
        ("stream-kinds", numbered(&StreamKind::ALL, |it| *it as u32)),
        ("stream-codes", stream_codes()),
        (
            "control-messages",
            numbered(&ControlKind::ALL, |it| *it as u32),
        ),
        (
            "close-codes",
            numbered(&CloseCode::ALL, |it| u32::from(it.number())),
        ),
        ("limits", limit_rows()),
    ]
}

/// Rows as they stand in the page.
pub(crate) fn print(rows: &Rows) -> String {
    let row = |(a, b): &(String, String)| format!("| {a} | `{b}` |\n");
    rows.iter().map(row).collect()
}

fn numbered<T: core::fmt::Debug>(items: &[T], number: fn(&T) -> u32) -> Rows {
    let row = |item: &T| (number(item).to_string(), format!("{item:?}"));
    items.iter().map(row).collect()
}

fn flags(flags: &[(&str, u8)]) -> Rows {
    let row = |(name, bit): &(&str, u8)| (format!("{bit:#04x}"), (*name).to_owned());
    flags.iter().map(row).collect()
}

fn stream_codes() -> Rows {
    let codes = [
        ("TOO_MANY", REFUSE_CODE_TOO_MANY),
        ("TIMED_OUT", REFUSE_CODE_TIMED_OUT),
        ("LET_GO", REFUSE_CODE_LET_GO),
    ];
    let row = |(name, code): (&str, u32)| (code.to_string(), name.to_owned());
    codes.into_iter().map(row).collect()
}

fn fixed_streams() -> Rows {
    let streams = [
        ("Control", StreamId::CONTROL),
        ("Input", StreamId::INPUT),
        ("Snapshot", StreamId::SNAPSHOT),
        ("Event", StreamId::EVENT),
        ("First opened", StreamId::FIRST_OPENED),
    ];
    let row = |(name, id): (&str, StreamId)| (id.to_string(), name.to_owned());
    streams.into_iter().map(row).collect()
}

/// With thousands apart, as a person reads them.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

macro_rules! limits {
    ($($name:ident),* $(,)?) => {
        vec![$((grouped(limits::$name.count()), stringify!($name).to_owned())),*]
    };
}

/// A bound as a plain number: bytes, pieces, or micros.
trait Count {
    fn count(self) -> u64;
}

impl Count for usize {
    fn count(self) -> u64 {
        self as u64
    }
}
impl Count for u64 {
    fn count(self) -> u64 {
        self
    }
}
impl Count for u32 {
    fn count(self) -> u64 {
        self.into()
    }
}
impl Count for u16 {
    fn count(self) -> u64 {
        self.into()
    }
}
impl Count for tickwire_protocol::time::Micros {
    fn count(self) -> u64 {
        self.0
    }
}

/// The bounds that both ends must agree on. What only one end decides is not in the page.
fn limit_rows() -> Rows {
    limits![
        PROTOCOL_VERSION,
        CLIENT_MESSAGE_BYTES_MAX,
        SERVER_MESSAGE_BYTES_MAX,
        MESSAGE_BYTES_MIN,
        CHUNK_BYTES_MAX,
        METADATA_BYTES_MAX,
        REASON_BYTES_MAX,
        STREAMS_OPEN_MAX,
        CHUNK_COST_BYTES,
        CONNECTION_WINDOW_BYTES,
        STREAM_WINDOW_BYTES_MIN,
        RECORD_BYTES_MAX,
        NAME_BYTES_MAX,
        ROOM_NAME_BYTES_MAX,
        JOIN_BYTES_MAX,
        INPUT_BYTES_MAX,
        INPUT_TICKS_AHEAD_MAX,
        EVENT_BYTES_MAX,
        DEPTH_MAX,
        TIME_MAX,
        HANDSHAKE_MICROS_MAX,
        SILENCE_MICROS_MAX,
        SCHEMA_BYTES_MAX,
        SCHEMA_NAME_BYTES_MAX,
        COMPONENTS_MAX,
        COLUMNS_PER_COMPONENT_MAX,
        BLOBS_PER_COMPONENT_MAX,
        VARIANTS_MAX,
        EVENTS_MAX,
        ENTITIES_PER_GROUP_MAX,
        TABLES_PER_GROUP_MAX,
        VALUES_PER_GROUP_MAX,
        GROUPS_PER_PLAYER_MAX,
        REPLICA_ENTITIES_MAX,
        CODEBOOK_BYTES_MAX,
        BLOB_BYTES_MAX,
        LIST_LEN_MAX,
        ASSETS_MAX,
        MANIFEST_BYTES_MAX,
        ASSET_NAME_BYTES_MAX,
        ASSET_DEPENDS_MAX,
    ]
}
