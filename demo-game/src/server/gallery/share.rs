//! Page 3: a picture that one visitor drops goes to all others of the room, and is kept for a while.
//!
//! In: a stream with a picture. Out: a stream of the same bytes to each of the others, none of them a
//! copy. One slow visitor gets theirs late and holds up nobody, until so many pictures are held for slow ones
//! that the next has to wait.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tickwire_server::stream::{ByteStream, Peer, StreamKind, StreamOptions};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    limits::{PICTURE_BYTES_MAX, PICTURE_NAME_CHARS_MAX, PICTURE_WAIT, PICTURES_KEPT_MAX},
    turns::{Turn, Turns},
};

/// The picture is larger than it may be.
const RESET_TOO_LARGE: u32 = 413;

/// The picture did not come in time.
const RESET_TOO_SLOW: u32 = 408;

/// What a picture is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Picture {
    name: String,
    mime: String,
}

/// A picture that is held, with its place among all that are.
struct Held {
    picture: Picture,
    bytes: Bytes,
    _place: OwnedSemaphorePermit,
}

/// The pictures that were shared last, and the turns of those who share.
#[derive(Default)]
pub(super) struct Shared {
    kept: Mutex<VecDeque<Arc<Held>>>,
    turns: Turns<Peer>,
}

impl Shared {
    /// Takes a picture, when it is its turn, and passes it on.
    pub(super) async fn take(
        &self,
        from: &Peer,
        mut picture: Picture,
        mut stream: ByteStream,
    ) -> io::Result<()> {
        for text in [&mut picture.name, &mut picture.mime] {
            *text = text.chars().take(PICTURE_NAME_CHARS_MAX).collect();
        }
        let Turn {
            visitor: turn,
            picture: place,
        } = tokio::select! {
            turn = self.turns.next(from) => turn?,
            () = from.closed() => return Ok(()),
        };
        let Ok(bytes) = timeout(PICTURE_WAIT, receive(&mut stream)).await else {
            stream.reset(RESET_TOO_SLOW, "the picture did not come in time");
            return Ok(());
        };
        let Some(bytes) = bytes? else {
            stream.reset(RESET_TOO_LARGE, "pictures may have 4 MB");
            return Ok(());
        };
        drop(turn);
        let held = Arc::new(Held {
            picture,
            bytes,
            _place: place,
        });
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.truncate(PICTURES_KEPT_MAX - 1);
            kept.push_front(held.clone());
        }
        for other in from.others() {
            tokio::spawn(show(other, held.clone()));
        }
        drop(held);
        stream.finished().await
    }

    /// Shows a newcomer what was shared before, oldest first.
    pub(super) async fn show_before(&self, to: &Peer, mut stream: ByteStream) -> io::Result<()> {
        let kept: Vec<Weak<Held>> = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().rev().map(Arc::downgrade).collect()
        };
        // One at a time is held for a visitor who may not look at any.
        for picture in kept {
            if let Some(held) = picture.upgrade() {
                show(to.clone(), held).await;
            }
        }
        stream.finished().await
    }
}

/// The bytes of a picture; `None` when there are too many.
async fn receive(stream: &mut ByteStream) -> io::Result<Option<Bytes>> {
    let mut bytes = Vec::new();
    while let Some(piece) = stream.receive().await? {
        if bytes.len() + piece.len() > PICTURE_BYTES_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes.into()))
}

async fn show(to: Peer, held: Arc<Held>) {
    let mut options = StreamOptions::new(StreamKind::Bytes);
    let Ok(metadata) = tickwire_protocol::messagepack::to_vec(&held.picture) else {
        return;
    };
    options.metadata = metadata.into();
    let mut stream = to.open(options);
    let shown = async {
        // Whoever looks at another page refuses it, and then there is nothing to show.
        if stream.send(held.bytes.clone()).await.is_ok() {
            let _ = stream.finished().await;
        }
    };
    if timeout(PICTURE_WAIT, shown).await.is_err() {
        // What waits to be sent is the picture, too.
        stream.reset(RESET_TOO_SLOW, "the picture was not read in time");
    }
}
