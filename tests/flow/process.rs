//! Ends of streams as processes of their own, and what memory they take.

use std::{
    io,
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{ChildStdout, Command, Stdio},
};

use tests::process::{OwnedChild, anonymous_bytes};

/// A process that is ended with this.
pub(crate) struct End {
    process: OwnedChild,
    lines: Lines<BufReader<ChildStdout>>,
}

impl End {
    /// Starts `tickwire-flow`.
    pub(crate) fn start(arguments: &[&str]) -> io::Result<Self> {
        let process = Command::new(env!("CARGO_BIN_EXE_tickwire-flow"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut process = OwnedChild(process);
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let lines = BufReader::new(stdout).lines();
        Ok(Self { process, lines })
    }

    /// Its next line.
    pub(crate) fn line(&mut self) -> io::Result<String> {
        let line = self.lines.next().transpose()?;
        line.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Lets one that waits go on.
    pub(crate) fn go(&mut self) -> io::Result<()> {
        let input = self.process.stdin.as_mut();
        input.ok_or(io::ErrorKind::BrokenPipe)?.write_all(b"\n")
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// What a process held at first, and at most since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    process: u32,
    pub(crate) idle_bytes: u64,
    pub(crate) most_bytes: u64,
}

impl Held {
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let idle_bytes = anonymous_bytes(process)?;
        Ok(Self {
            process,
            idle_bytes,
            most_bytes: idle_bytes,
        })
    }

    /// Looks again, as long as there is something to look at.
    pub(crate) fn look(&mut self) {
        if let Ok(bytes) = anonymous_bytes(self.process) {
            self.most_bytes = self.most_bytes.max(bytes);
        }
    }

    /// By how much it was more than at first.
    pub(crate) fn grown_bytes(&self) -> u64 {
        self.most_bytes - self.idle_bytes
    }
}
