//! Tickwire.
