//! The thread that reads large assets ahead, so that a worker never waits for a disk.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    time::SystemTime,
};

use bytes::Bytes;

use crate::limits::ASSET_READ_AHEAD_BYTES;

/// The way to the thread. It ends when the last of these is gone.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    requests: Sender<Arc<LargeFile>>,
}

/// One file being read piece by piece. At most one piece is in memory, and the file is open only while one is read.
#[derive(Debug)]
pub(super) struct Reading(Arc<LargeFile>);

/// A file as it was when it was hashed: one of another size or age would not have the promised hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HashedFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
}

#[derive(Debug)]
struct LargeFile {
    file: HashedFile,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    offset: u64,
    piece: Option<Result<Bytes, String>>,
}

impl Disk {
    pub(super) fn start() -> Self {
        let (requests, incoming) = mpsc::channel::<Arc<LargeFile>>();
        std::thread::spawn(move || {
            for file in incoming {
                // Whoever wanted it may be gone.
                if Arc::strong_count(&file) > 1 {
                    file.read_piece();
                }
            }
        });
        Self { requests }
    }

    /// Begins to read a file at `offset`.
    pub(super) fn read(&self, file: HashedFile, offset: u64) -> Reading {
        let state = Mutex::new(State {
            offset,
            piece: None,
        });
        let file = Arc::new(LargeFile { file, state });
        self.ask(&file);
        Reading(file)
    }

    /// Takes the piece that was read ahead, if it is there, and asks for the next.
    pub(super) fn poll(&self, reading: &Reading) -> Option<Result<Bytes, String>> {
        let piece = reading.0.state().piece.take()?;
        if piece.is_ok() {
            self.ask(&reading.0);
        }
        Some(piece)
    }

    fn ask(&self, file: &Arc<LargeFile>) {
        // The thread lives as long as we do.
        let _ = self.requests.send(file.clone());
    }
}

impl LargeFile {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_piece(&self) {
        let offset = self.state().offset;
        let read = self.file.open_at(offset).and_then(|mut file| {
            let left = self
                .file
                .bytes
                .saturating_sub(offset)
                .min(ASSET_READ_AHEAD_BYTES as u64) as usize;
            let mut piece = vec![0; left];
            file.read_exact(&mut piece)?;
            Ok(piece)
        });
        let mut state = self.state();
        match read {
            Ok(piece) => {
                state.offset += piece.len() as u64;
                state.piece = (!piece.is_empty()).then(|| Ok(piece.into()));
            }
            Err(error) => state.piece = Some(Err(error.to_string())),
        }
    }
}

impl HashedFile {
    fn open_at(&self, offset: u64) -> io::Result<File> {
        let mut file = File::open(&self.path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                io::Error::other("the asset is gone: fetch the manifest again")
            }
            _ => e,
        })?;
        let metadata = file.metadata()?;
        if metadata.len() != self.bytes
            || metadata
                .modified()
                .is_ok_and(|modified| modified != self.modified)
        {
            return Err(io::Error::other(
                "the asset was changed: fetch the manifest again",
            ));
        }
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }
}
