//! Processes that a test or a bench starts beside itself: they end with it, and what memory they take.

use std::{
    fs, io,
    ops::{Deref, DerefMut},
    process::Child,
};

/// A child that is killed, and waited for, when this is dropped: also when a test panics.
#[derive(Debug)]
pub struct OwnedChild(pub Child);

impl Deref for OwnedChild {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for OwnedChild {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Resident memory of process `id` that is its own, in bytes: no file, no shared page.
///
/// # Errors
/// When there is no such process, or it has ended and nobody has waited for it.
pub fn anonymous_bytes(id: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(kib.ok_or(io::ErrorKind::InvalidData)? * 1024)
}
