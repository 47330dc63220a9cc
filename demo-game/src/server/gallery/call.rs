//! Page 7: everyone's camera to everyone else in the room.
//!
//! In: a live stream from each caller. Out: a live stream to each of the others, of the same pieces. A
//! recording can only be watched from its beginning, so who joins, or lost a piece, has the caller begin
//! anew: an empty piece, sent towards the camera, asks for that.

use std::{
    fmt, io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tickwire_server::stream::{MessageStream, Peer, StreamKind, StreamOptions};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    mpsc,
};

use super::limits::{CALLERS_MAX, PIECES_WAITING_MAX};

/// As many are in the call as may be.
const RESET_FULL: u32 = 429;

/// A piece of a recording, as MessagePack's bytes. What it holds is the pages' business.
#[derive(Clone)]
pub(super) struct Piece(Vec<u8>);

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Piece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PieceBytes;

        impl de::Visitor<'_> for PieceBytes {
            type Value = Piece;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Piece, E> {
                Ok(Piece(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(PieceBytes)
    }
}

/// Who is in the call.
#[derive(Default)]
pub(super) struct Call(Mutex<Vec<Caller>>);

#[derive(Clone)]
struct Caller {
    peer: Peer,
    pieces: broadcast::Sender<Piece>,
    begin_anew: mpsc::Sender<()>,
}

impl Call {
    /// Passes on what a caller's camera sees until the caller leaves.
    pub(super) async fn take(
        &self,
        peer: &Peer,
        mut camera: MessageStream<Piece>,
    ) -> io::Result<()> {
        let (begin_anew, mut asked) = mpsc::channel(1);
        let is_this = |caller: &Caller| caller.begin_anew.same_channel(&begin_anew);
        {
            let mut callers = self.callers();
            // Who comes back after a cut may still be there.
            callers.retain(|other| other.peer != *peer);
            if callers.len() == CALLERS_MAX {
                camera.reset(RESET_FULL, "as many are in the call as may be");
                return Ok(());
            }
            let caller = Caller {
                peer: peer.clone(),
                pieces: broadcast::Sender::new(PIECES_WAITING_MAX),
                begin_anew: begin_anew.clone(),
            };
            let room = |other: &&Caller| other.peer.room() == peer.room();
            for other in callers.iter().filter(room) {
                tokio::spawn(show(caller.clone(), other.peer.clone()));
                tokio::spawn(show(other.clone(), peer.clone()));
            }
            callers.push(caller);
        }
        let ended = loop {
            tokio::select! {
                piece = camera.receive() => match piece {
                    Ok(Some(piece)) => {
                        let callers = self.callers();
                        let Some(caller) = callers.iter().find(|it| is_this(it)) else {
                            break Ok(());
                        };
                        // Nobody watches yet: then nobody needs it.
                        drop(caller.pieces.send(piece));
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                },
                Some(()) = asked.recv() => {
                    if let Err(error) = camera.send(&Piece(vec![])).await {
                        break Err(error);
                    }
                }
            }
        };
        self.callers().retain(|caller| !is_this(caller));
        ended
    }

    fn callers(&self) -> MutexGuard<'_, Vec<Caller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows one caller to another, until either leaves.
async fn show(caller: Caller, to: Peer) {
    #[derive(Serialize)]
    struct From<'a> {
        from: &'a str,
    }

    let mut options = StreamOptions::new(StreamKind::Live);
    let from = caller.peer.name();
    let Ok(metadata) = tickwire_protocol::messagepack::to_vec(&From { from }) else {
        return;
    };
    options.metadata = metadata.into();
    let mut screen = to.open_messages::<Piece>(options);
    let Caller {
        peer,
        pieces: sender,
        begin_anew,
    } = caller;
    let mut pieces = sender.subscribe();
    // Only the list of callers keeps it: who is no longer there is no longer shown.
    drop(sender);
    // One request under way serves all who wait for it.
    let ask = || {
        let _ = begin_anew.try_send(());
    };
    ask();
    loop {
        let going = tokio::select! {
            piece = pieces.recv() => match piece {
                Ok(piece) => screen.send(&piece).await.is_ok(),
                Err(RecvError::Lagged(_)) => {
                    ask();
                    true
                }
                Err(RecvError::Closed) => false,
            },
            lost = screen.receive() => match lost {
                Ok(Some(_)) => {
                    ask();
                    true
                }
                Ok(None) | Err(_) => false,
            },
            () = peer.closed() => false,
        };
        if !going {
            let _ = screen.end();
            return;
        }
    }
}
