//! Processes that a test or a bench starts beside itself: they end with it, and what memory they take.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader},
    ops::{Deref, DerefMut},
    path::PathBuf,
    process::{Child, Command, Stdio},
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

/// The folder `target/PROFILE`: a test's own program lies in its folder `deps`.
///
/// # Errors
/// When it does not, or the program's own path is not known.
pub fn profile_dir() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    let folder = own.ancestors().nth(2);
    let folder = folder.ok_or_else(|| io::Error::other("a test lies in target/PROFILE/deps"))?;
    Ok(folder.to_path_buf())
}

/// Starts an example of the workspace, and gives it with the address that is the first line it says.
///
/// # Errors
/// When it is not built, or cannot be started.
pub fn start_example(name: &str, arguments: &[&str]) -> io::Result<(OwnedChild, String)> {
    let program = profile_dir()?.join(format!("examples/{name}{}", env::consts::EXE_SUFFIX));
    if !program.exists() {
        return Err(io::Error::other(format!(
            "{} is missing: `cargo test --workspace` builds it, or `cargo build --workspace --examples`",
            program.display()
        )));
    }
    let process = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut process = OwnedChild(process);
    let mut address = String::new();
    if let Some(stdout) = process.stdout.take() {
        BufReader::new(stdout).read_line(&mut address)?;
    }
    Ok((process, address.trim().to_owned()))
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
