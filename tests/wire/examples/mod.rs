//! The bytes of every `hex` block in `WIRE.md`, from the real encoders and checked by the real
//! decoders. One file for each part of the page.

mod control;
mod primitives;
mod sessions;
mod state;
mod streams;
mod websocket;

pub(crate) use sessions::{NOW, Pair, at};

/// A block's name and its bytes.
pub(crate) type Example = (&'static str, Vec<u8>);

pub(crate) fn all() -> Vec<Example> {
    [
        primitives::all(),
        control::all(),
        sessions::all(),
        state::all(),
        streams::all(),
        websocket::all(),
    ]
    .concat()
}

/// The hello and the welcome of the examples.
pub(crate) fn hello() -> tickwire_protocol::session::Hello {
    control::hello(None)
}

pub(crate) fn welcome() -> tickwire_protocol::session::Welcome {
    control::welcome()
}
