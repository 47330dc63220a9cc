//! One end's work on one stream: making what goes, and taking what comes, no faster than it is told to.

use std::{io, time::Duration};

use bytes::Bytes;
use tickwire_protocol::pipe::{ReadHalf, WriteHalf};
use tokio::time::Instant;

use crate::content::{Content, Digest, TAKEN_BYTES, Taken};

/// What is made at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// Sends `bytes` made from `seed`. They are let go of as soon as the stream has them.
pub(crate) async fn send(writer: &mut WriteHalf, seed: u32, bytes: u64) -> io::Result<()> {
    let mut content = Content::new(seed);
    let mut left = bytes;
    while left > 0 {
        let mut piece = vec![0; left.min(PIECE_BYTES as u64) as usize];
        content.fill(&mut piece);
        left -= piece.len() as u64;
        writer.send(piece.into()).await?;
    }
    Ok(())
}

/// How fast something is taken: `rate` bytes a second while the first `paced` come, then as fast as it comes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speed {
    pub(crate) rate: u64,
    pub(crate) paced: u64,
}

/// Takes what comes as it comes. `beat` is called with the count of bytes so far, after each piece.
pub(crate) struct Taker<'r> {
    reader: &'r mut ReadHalf,
    /// What is left of a chunk that was wanted in part.
    rest: Bytes,
}

impl<'r> Taker<'r> {
    pub(crate) fn new(reader: &'r mut ReadHalf) -> Self {
        let rest = Bytes::new();
        Self { reader, rest }
    }

    /// Takes exactly `bytes`, or less when the stream ends before.
    pub(crate) async fn take(
        &mut self,
        bytes: u64,
        speed: Speed,
        mut beat: impl FnMut(u64),
    ) -> io::Result<Taken> {
        let begun = Instant::now();
        let mut digest = Digest::default();
        while digest.bytes < bytes {
            let Some(piece) = self.piece(bytes - digest.bytes).await? else {
                break;
            };
            digest.update(&piece);
            beat(digest.bytes);
            if speed.rate > 0 && digest.bytes < speed.paced {
                let due = Duration::from_secs_f64(digest.bytes as f64 / speed.rate as f64);
                tokio::time::sleep_until(begun + due).await;
            }
        }
        Ok(digest.taken())
    }

    /// What the server says that it took, at the end.
    pub(crate) async fn verdict(&mut self) -> io::Result<Taken> {
        let mut bytes = [0; TAKEN_BYTES];
        let mut filled = 0;
        while filled < TAKEN_BYTES {
            let piece = self.piece((TAKEN_BYTES - filled) as u64).await?;
            let piece = piece.ok_or(io::ErrorKind::UnexpectedEof)?;
            bytes[filled..filled + piece.len()].copy_from_slice(&piece);
            filled += piece.len();
        }
        match self.reader.receive().await? {
            None => Ok(Taken::from_bytes(bytes)),
            Some(_) => Err(io::Error::other("more than was asked for")),
        }
    }

    async fn piece(&mut self, most: u64) -> io::Result<Option<Bytes>> {
        if self.rest.is_empty() {
            match self.reader.receive().await? {
                Some(chunk) => self.rest = chunk,
                None => return Ok(None),
            }
        }
        let len = self
            .rest
            .len()
            .min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(Some(self.rest.split_to(len)))
    }
}
