//! The demo game in a real browser, from a key press to the pixels of another player's canvas.
//!
//! A plain `cargo test` leaves these tests out: they need Chromium, the compiled page and the server's
//! program, and `cargo xtask test` makes all three ready. Conditions are waited for, with generous
//! limits; nothing here is a measure of time.

mod api;
mod bodies;
mod driver;
mod echo;
mod fight;
mod gallery;
mod harness;
mod media;
mod misuse;
mod page;
mod play;
mod pucks;
mod schema;
mod server;
mod slow_line;
mod streams;

#[path = "../flow/process.rs"]
#[expect(
    dead_code,
    reason = "native clients are told when to go, pages are not"
)]
mod process;
