//! The CPU and the memory of a child process, as the kernel accounts them.

use std::{fs, io};

use tests::process;

/// Clock ticks per second of `/proc/PID/stat`; 100 on every Linux that is in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) user_seconds: f64,
    pub(crate) system_seconds: f64,
    /// Resident memory that is the process's own: no file, no shared page.
    pub(crate) anonymous_bytes: u64,
}

impl Usage {
    /// Reads what process `id` has used.
    pub(crate) fn of(id: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name in parentheses may hold spaces; utime is the 12th field after it.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let seconds = |index: usize| -> io::Result<f64> {
            fields
                .get(index)
                .and_then(|field| field.parse::<f64>().ok())
                .map(|ticks| ticks / TICKS_PER_SECOND)
                .ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        "/proc/PID/stat is not as expected",
                    )
                })
        };
        Ok(Self {
            user_seconds: seconds(11)?,
            system_seconds: seconds(12)?,
            anonymous_bytes: process::anonymous_bytes(id)?,
        })
    }

    /// User and system seconds since `earlier`.
    pub(crate) fn cpu_seconds_since(&self, earlier: &Self) -> f64 {
        self.user_seconds + self.system_seconds - earlier.user_seconds - earlier.system_seconds
    }
}

/// Seconds that all cores together were busy since the machine started, with anything.
pub(crate) fn machine_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    // user, nice, system, then idle and waiting for the disk, which are none, then interrupts.
    let busy = ticks
        .iter()
        .enumerate()
        .filter(|(i, _)| !matches!(i, 3 | 4))
        .take(5);
    Ok(busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS_PER_SECOND)
}
