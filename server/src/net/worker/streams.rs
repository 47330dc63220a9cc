//! Streams that players open: what becomes of them, and the assets that go out on them.
//!
//! An asset is passed on as fast as its stream takes it: the mux says when it has room again, and until
//! then nothing of it is read. Only a download that waits for the disk is looked at by the pump.

use tickwire_protocol::{
    asset::AssetRequest,
    id::StreamId,
    mux::{Mux, StreamEvent, Write},
    stream::{Offer, StreamKind, StreamOptions},
    time::Micros,
};

use super::{Connection, Phase, Worker};
use crate::{
    limits::STREAMS_ATTENDED,
    net::assets::{Download, Library, Progress},
    room::SeatIndex,
};

/// The game has no use for a stream of this kind.
pub(super) const REFUSED_KIND: u32 = 405;
/// The request on an asset stream is none, or this server delivers no assets.
const REFUSED_REQUEST: u32 = 400;
/// The asset cannot be read any more.
const RESET_UNREADABLE: u32 = 410;

/// One asset on its way.
#[derive(Debug)]
pub(super) struct Transfer {
    stream: StreamId,
    download: Download,
    waits_for_disk: bool,
}

impl Worker {
    /// Something happened on a stream that a player opened.
    pub(super) fn on_stream_event(
        &mut self,
        room: usize,
        seat: SeatIndex,
        event: StreamEvent,
        now: Micros,
    ) {
        let assets = self.shared.assets.clone();
        let Some((connection, mux)) = self.transfers_of(room, seat) else {
            return;
        };
        connection.streams_attended = now + STREAMS_ATTENDED;
        let pipes = connection.pipes.as_mut();
        if pipes.is_some_and(|pipes| pipes.exchange.handle_event(&event, mux, now)) {
            return self.mark_member_busy(room, seat);
        }
        match event {
            StreamEvent::Opened(offer)
                if offer.options.kind != StreamKind::Asset && connection.pipes.is_some() =>
            {
                self.offer(room, seat, offer);
            }
            StreamEvent::Opened(offer) => answer(&offer, assets.as_ref(), connection, mux, now),
            StreamEvent::Writable(id) => {
                connection
                    .transfers
                    .retain_mut(|transfer| transfer.stream != id || feed(transfer, mux, now));
            }
            StreamEvent::Reset { id, .. } | StreamEvent::Refused { id, .. } => {
                connection
                    .transfers
                    .retain(|transfer| transfer.stream != id);
            }
            StreamEvent::Readable(id) => {
                // An asset stream goes one way; what its reader writes is read away, so that it can end.
                while let Ok(Some(_)) = mux.read(id, now) {}
            }
            StreamEvent::Accepted(_) | StreamEvent::Ended(_) | StreamEvent::Consumed(_) => {}
        }
        self.mark_member_busy(room, seat);
    }

    /// Tells every player what has changed in a watched directory: as if it were pushed, a manifest of it
    /// goes out on a stream of its own.
    pub(super) fn announce_assets(&mut self, now: Micros) {
        let Some(changes) = &mut self.asset_changes else {
            return;
        };
        let Some(manifest) = changes.poll() else {
            return;
        };
        let download = || changes.download(manifest.clone());
        let seated = self.connections.iter().filter_map(|(_, connection)| {
            let Phase::Seated { room, seat } = connection.phase else {
                return None;
            };
            Some((room, seat, download()))
        });
        for (room, seat, download) in seated.collect::<Vec<_>>() {
            self.push_download(room, seat, download, now);
        }
    }

    /// Opens a stream to a player for a download.
    fn push_download(&mut self, room: usize, seat: SeatIndex, download: Download, now: Micros) {
        let Some((connection, mux)) = self.transfers_of(room, seat) else {
            return;
        };
        // With as many streams open as there may be, the player hears of the next change.
        let Ok(stream) = mux.open(StreamOptions::new(StreamKind::Asset), now) else {
            return;
        };
        let mut transfer = Transfer {
            stream,
            download,
            waits_for_disk: false,
        };
        if feed(&mut transfer, mux, now) {
            connection.transfers.push(transfer);
        }
        connection.streams_attended = now + STREAMS_ATTENDED;
        self.mark_member_busy(room, seat);
    }

    fn mark_member_busy(&mut self, room: usize, seat: SeatIndex) {
        if let Some(key) = self.rooms[room].member(seat.place()) {
            self.mark_busy(key);
        }
    }

    /// Goes on with downloads that waited for the disk. Says whether any still does.
    pub(super) fn continue_transfers(&mut self, room: usize, seat: SeatIndex, now: Micros) -> bool {
        let Some((connection, mux)) = self.transfers_of(room, seat) else {
            return false;
        };
        connection
            .transfers
            .retain_mut(|transfer| !transfer.waits_for_disk || feed(transfer, mux, now));
        connection
            .transfers
            .iter()
            .any(|transfer| transfer.waits_for_disk)
    }

    pub(super) fn transfers_of(
        &mut self,
        room: usize,
        seat: SeatIndex,
    ) -> Option<(&mut Connection, &mut Mux)> {
        let slot = self.rooms.get_mut(room)?;
        let key = slot.member(seat.place())?;
        let connection = self.connections.get_mut(key)?;
        Some((connection, slot.room.streams(seat)?))
    }
}

/// Accepts an asset stream whose request can be answered, and refuses everything else.
fn answer(
    offer: &Offer,
    assets: Option<&Library>,
    connection: &mut Connection,
    mux: &mut Mux,
    now: Micros,
) {
    let download = match (offer.options.kind, assets) {
        (StreamKind::Asset, Some(library)) => AssetRequest::decode(&offer.options.metadata)
            .map_err(|error| (REFUSED_REQUEST, error.to_string()))
            .and_then(|request| {
                library
                    .serve(&request)
                    .map_err(|refusal| (refusal.code(), refusal.to_string()))
            }),
        (StreamKind::Asset, None) => {
            Err((REFUSED_REQUEST, "this server delivers no assets".to_owned()))
        }
        (kind, _) => Err((REFUSED_KIND, format!("this game takes no {kind:?} streams"))),
    };
    // The offer stands: it was made by the event that brought us here.
    let _ = match download {
        Err((code, reason)) => mux.refuse(offer.id, code, &reason),
        Ok(download) => mux.accept(offer.id, now).map(|()| {
            let mut transfer = Transfer {
                stream: offer.id,
                download,
                waits_for_disk: false,
            };
            if feed(&mut transfer, mux, now) {
                connection.transfers.push(transfer);
            }
        }),
    };
}

/// Passes on what the stream takes. Says whether there is more to come.
fn feed(transfer: &mut Transfer, mux: &mut Mux, now: Micros) -> bool {
    let stream = transfer.stream;
    loop {
        transfer.waits_for_disk = false;
        match transfer.download.poll() {
            Progress::Chunk(chunk) => match mux.write(stream, chunk.clone(), now) {
                Ok(Write::Taken) => {}
                Ok(Write::Full) => {
                    transfer.download.put_back(chunk);
                    return true;
                }
                Err(_) => return false,
            },
            Progress::Waiting => {
                transfer.waits_for_disk = true;
                return true;
            }
            Progress::Done => {
                let _ = mux.end(stream);
                return false;
            }
            Progress::Failed(reason) => {
                let _ = mux.reset(stream, RESET_UNREADABLE, &reason);
                return false;
            }
        }
    }
}
