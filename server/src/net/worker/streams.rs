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
    limits::{ASSET_FILES_READ_MAX, ASSET_STALL, STREAMS_ATTENDED},
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
    /// Or for its turn to be read from it.
    waits_for_disk: bool,
    /// When its stream has last taken something.
    taken_at: Micros,
}

impl Transfer {
    const fn new(stream: StreamId, download: Download, now: Micros) -> Self {
        Self {
            stream,
            download,
            waits_for_disk: false,
            taken_at: now,
        }
    }

    /// Whether it holds what was read of a file, and its stream takes none of it.
    fn is_stalled(&self, now: Micros) -> bool {
        self.download.is_reading()
            && !self.waits_for_disk
            && now.since(self.taken_at) >= ASSET_STALL
    }
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
        let mut transfer = Transfer::new(stream, download, now);
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
        take_turns(&mut connection.transfers, now);
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
            let mut transfer = Transfer::new(offer.id, download, now);
            if feed(&mut transfer, mux, now) {
                connection.transfers.push(transfer);
            }
        }),
    };
}

/// Lets as many files be read as may be at once: those asked for first, and in place of who takes nothing the next.
fn take_turns(transfers: &mut [Transfer], now: Micros) {
    let mut reading = transfers
        .iter()
        .filter(|it| it.download.is_reading())
        .count();
    for next in 0..transfers.len() {
        if !transfers[next].download.is_resting() || !transfers[next].waits_for_disk {
            continue;
        }
        if reading < ASSET_FILES_READ_MAX {
            reading += 1;
        } else if let Some(stalled) = transfers.iter_mut().find(|it| it.is_stalled(now)) {
            stalled.download.rest();
        } else {
            return;
        }
        transfers[next].download.begin();
        transfers[next].taken_at = now;
    }
}

/// Passes on what the stream takes. Says whether there is more to come.
fn feed(transfer: &mut Transfer, mux: &mut Mux, now: Micros) -> bool {
    let stream = transfer.stream;
    loop {
        transfer.waits_for_disk = transfer.download.is_resting();
        if transfer.waits_for_disk {
            return true;
        }
        match transfer.download.poll() {
            Progress::Chunk(chunk) => match mux.write(stream, chunk.clone(), now) {
                Ok(Write::Taken) => transfer.taken_at = now,
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

#[cfg(test)]
mod tests {
    use tickwire_protocol::asset::AssetHash;

    use super::*;
    use crate::limits::ASSET_BYTES_KEPT_MAX;

    #[test]
    fn of_many_downloads_from_the_disk_few_hold_memory_and_who_stalls_gives_way() {
        let folder = std::env::temp_dir().join(format!("tickwire-turns-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let content = vec![7; ASSET_BYTES_KEPT_MAX as usize + 1];
        std::fs::write(folder.join("level.bin"), &content).unwrap();
        let library = Library::open(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let request = AssetRequest::Content {
            hash: AssetHash(*blake3::hash(&content).as_bytes()),
            offset: 0,
            packed: false,
        };
        let mut transfers: Vec<Transfer> = (0..3 * ASSET_FILES_READ_MAX)
            .map(|at| {
                let download = library.serve(&request).unwrap();
                let mut transfer = Transfer::new(StreamId(at as u32), download, Micros(0));
                transfer.waits_for_disk = true;
                transfer
            })
            .collect();
        let reading = |transfers: &[Transfer]| -> Vec<usize> {
            let all = transfers.iter().enumerate();
            all.filter(|(_, it)| it.download.is_reading())
                .map(|(at, _)| at)
                .collect()
        };
        take_turns(&mut transfers, Micros(0));
        take_turns(&mut transfers, ASSET_STALL);
        let first: Vec<usize> = (0..ASSET_FILES_READ_MAX).collect();
        assert_eq!(
            reading(&transfers),
            first,
            "they wait for the disk and not for their streams"
        );
        transfers[3].waits_for_disk = false;
        take_turns(&mut transfers, ASSET_STALL);
        let next: Vec<usize> = (0..=ASSET_FILES_READ_MAX).filter(|at| *at != 3).collect();
        assert_eq!(reading(&transfers), next);
    }
}
