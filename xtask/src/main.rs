//! Tickwire.
fn main() {}
