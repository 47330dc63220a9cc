//! Page 3: a picture that one visitor drops goes to all others of the room, and is kept for a while.
//!
//! In: a stream with a picture. Out: a stream of the same bytes to each of the others, none of them a
//! copy. One slow visitor gets theirs late and holds up nobody.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tickwire_server::stream::{ByteStream, Peer, StreamKind, StreamOptions};

use super::limits::{PICTURE_BYTES_MAX, PICTURE_NAME_CHARS_MAX, PICTURES_KEPT_MAX};

/// The picture is larger than it may be.
const RESET_TOO_LARGE: u32 = 413;

/// What a picture is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Picture {
    name: String,
    mime: String,
}

/// The pictures that were shared last.
#[derive(Default)]
pub(super) struct Shared(Mutex<VecDeque<(Picture, Bytes)>>);

impl Shared {
    /// Takes a picture and passes it on.
    pub(super) async fn take(
        &self,
        from: &Peer,
        mut picture: Picture,
        mut stream: ByteStream,
    ) -> io::Result<()> {
        for text in [&mut picture.name, &mut picture.mime] {
            *text = text.chars().take(PICTURE_NAME_CHARS_MAX).collect();
        }
        let mut bytes = Vec::new();
        while let Some(piece) = stream.receive().await? {
            if bytes.len() + piece.len() > PICTURE_BYTES_MAX {
                stream.reset(RESET_TOO_LARGE, "pictures may have 4 MB");
                return Ok(());
            }
            bytes.extend_from_slice(&piece);
        }
        let bytes = Bytes::from(bytes);
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.truncate(PICTURES_KEPT_MAX - 1);
            kept.push_front((picture.clone(), bytes.clone()));
        }
        for other in from.others() {
            tokio::spawn(show(other, picture.clone(), bytes.clone()));
        }
        stream.finished().await
    }

    /// Shows a newcomer what was shared before, oldest first.
    pub(super) async fn show_before(&self, to: &Peer, mut stream: ByteStream) -> io::Result<()> {
        let kept = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for (picture, bytes) in kept.into_iter().rev() {
            show(to.clone(), picture, bytes).await;
        }
        stream.finished().await
    }
}

async fn show(to: Peer, picture: Picture, bytes: Bytes) {
    let mut options = StreamOptions::new(StreamKind::Bytes);
    let Ok(metadata) = tickwire_protocol::messagepack::to_vec(&picture) else {
        return;
    };
    options.metadata = metadata.into();
    let mut stream = to.open(options);
    // Whoever looks at another page refuses it, and then there is nothing to show.
    if stream.send(bytes).await.is_ok() {
        let _ = stream.finished().await;
    }
}
