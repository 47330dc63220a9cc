//! The BinaryJS endpoint on real sockets: our own client and bytes written by hand in a plain `cargo
//! test`; npm `binaryjs` itself, in Node and in Chromium, in `cargo xtask test`.

#[path = "../browser/driver.rs"]
#[expect(dead_code, reason = "the browser's own tests use the rest")]
mod driver;
mod endpoint;
mod npm;
mod raw;
mod robustness;
mod streams;
