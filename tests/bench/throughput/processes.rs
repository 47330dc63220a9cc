//! What processes have used of the CPU, as the kernel accounts it for each of their threads.

use std::{fs, io};

/// Seconds on a CPU so far of a process, by all its threads.
pub(crate) fn cpu_seconds(process: u32) -> io::Result<f64> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end while we look.
        let Ok(schedule) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let running = schedule.split(' ').next().unwrap_or_default();
        nanoseconds += running.parse::<u64>().map_err(io::Error::other)?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

/// What a browser has used that this process has started, through its driver.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Browser {
    /// All its processes: pages, network, the browser itself; its driver too.
    pub(crate) all_seconds: f64,
    /// Those that run pages.
    pub(crate) page_seconds: f64,
}

impl Browser {
    pub(crate) fn cpu() -> io::Result<Self> {
        let mut sum = Self::default();
        for process in descendants(std::process::id())? {
            let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            if !command.contains("chrom") {
                continue;
            }
            let seconds = cpu_seconds(process).unwrap_or_default();
            sum.all_seconds += seconds;
            if command.contains("--type=renderer") {
                sum.page_seconds += seconds;
            }
        }
        Ok(sum)
    }
}

/// The processes that a process has started, and those that they have.
fn descendants(of: u32) -> io::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // `pid (name) state parent …`, and the name may hold anything.
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        if let Some(Ok(parent)) = fields.split_whitespace().nth(1).map(str::parse::<u32>) {
            parents.push((process, parent));
        }
    }
    let mut found = vec![of];
    let mut looked_at = 0;
    while let Some(&ancestor) = found.get(looked_at) {
        looked_at += 1;
        let children = parents.iter().filter(|(_, parent)| *parent == ancestor);
        found.extend(children.map(|(process, _)| *process));
    }
    Ok(found.split_off(1))
}
