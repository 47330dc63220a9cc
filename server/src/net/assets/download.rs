//! One answer under way: chunks come out as fast as the stream takes them.

use bytes::Bytes;
use tickwire_protocol::limits::CHUNK_BYTES_MAX;

use super::{
    Content,
    disk::{Disk, HashedFile, Reading},
};

/// What a download has to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next bytes, [`CHUNK_BYTES_MAX`] at most.
    Chunk(Bytes),
    /// The disk is being read; ask again in a moment.
    Waiting,
    /// All is given.
    Done,
    /// The file is gone or was changed, with a reason for the client.
    Failed(String),
}

/// The bytes of one asset from an offset on.
#[derive(Debug)]
pub struct Download {
    bytes_left: u64,
    put_back: Option<Bytes>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Memory(Bytes),
    File {
        disk: Disk,
        file: HashedFile,
        /// Nothing is read before the first poll, and after a rest.
        reading: Option<Reading>,
        ready: Bytes,
    },
}

impl Download {
    pub(super) fn new(content: Content, offset: u64, disk: Disk) -> Self {
        let bytes_left = content.len().saturating_sub(offset);
        let source = match content {
            Content::Kept(bytes) => {
                Source::Memory(bytes.slice(offset.min(bytes.len() as u64) as usize..))
            }
            Content::OnDisk(file) => Source::File {
                disk,
                file,
                reading: None,
                ready: Bytes::new(),
            },
        };
        Self {
            bytes_left,
            put_back: None,
            source,
        }
    }

    /// Bytes that have not been given yet.
    #[must_use]
    pub const fn bytes_left(&self) -> u64 {
        self.bytes_left
    }

    /// Whether the next [`poll`](Self::poll) begins to read a file.
    pub(crate) const fn is_resting(&self) -> bool {
        matches!(&self.source, Source::File { reading: None, .. })
    }

    /// Whether it reads a file, of which two pieces at most are in memory.
    pub(crate) const fn is_reading(&self) -> bool {
        matches!(
            &self.source,
            Source::File {
                reading: Some(_),
                ..
            }
        )
    }

    /// Begins to read the file, if its bytes are in one.
    pub(crate) fn begin(&mut self) {
        if let Source::File {
            disk,
            file,
            reading,
            ..
        } = &mut self.source
        {
            reading.get_or_insert_with(|| {
                let offset = file.bytes - self.bytes_left;
                disk.read(file.clone(), offset)
            });
        }
    }

    /// Lets go of what was read ahead of a file; the next [`poll`](Self::poll) reads it again.
    pub(crate) fn rest(&mut self) {
        if let Source::File { reading, ready, .. } = &mut self.source {
            *reading = None;
            *ready = Bytes::new();
            self.put_back = None;
        }
    }

    /// Takes back a chunk that could not be passed on; the next [`poll`](Self::poll) gives it again.
    pub fn put_back(&mut self, chunk: Bytes) {
        self.bytes_left += chunk.len() as u64;
        self.put_back = Some(chunk);
    }

    /// The next chunk. Never waits and never touches the disk itself.
    pub fn poll(&mut self) -> Progress {
        if let Some(chunk) = self.put_back.take() {
            self.bytes_left -= chunk.len() as u64;
            return Progress::Chunk(chunk);
        }
        if self.bytes_left == 0 {
            return Progress::Done;
        }
        self.begin();
        let ready = match &mut self.source {
            Source::Memory(bytes) => bytes,
            Source::File {
                disk,
                reading,
                ready,
                ..
            } => {
                if ready.is_empty() {
                    match reading.as_ref().and_then(|reading| disk.poll(reading)) {
                        None => return Progress::Waiting,
                        Some(Ok(bytes)) => *ready = bytes,
                        Some(Err(said)) => return Progress::Failed(said),
                    }
                }
                ready
            }
        };
        let chunk = ready.split_to(ready.len().min(CHUNK_BYTES_MAX));
        self.bytes_left -= chunk.len() as u64;
        Progress::Chunk(chunk)
    }
}
