//! Streams that were opened: the assets' own are read here, all others are the game's.

use tickwire_protocol::{
    id::StreamId,
    mux::{REFUSE_CODE_GAME_MIN, StreamEvent},
    session::ClientSession,
    stream::{StreamKind, StreamOptions},
    time::Micros,
};

use super::{Client, ClientEvent};
use crate::assets::Assets;

/// What an asset's stream is reset with when it brings what it should not, or is not wanted any more.
pub(super) const RESET_UNWANTED: u32 = REFUSE_CODE_GAME_MIN;

/// Opens a stream for each asset that is to be fetched now.
pub(super) fn open_wanted(assets: &mut Assets, session: &mut ClientSession, now: Micros) {
    if !session.is_open() {
        return;
    }
    while let Some((id, reason)) = assets.poll_reset() {
        if let Ok(streams) = session.streams() {
            // It may have ended this moment, and then there is nothing to reset.
            drop(streams.reset(id, RESET_UNWANTED, reason));
        }
    }
    while let Some(wanted) = assets.poll_wanted() {
        let metadata = wanted.request.encode().into();
        let options = StreamOptions {
            metadata,
            ..StreamOptions::new(StreamKind::Asset)
        };
        let opened = session.streams().and_then(|streams| {
            let id = streams.open(options, now)?;
            // The request is all we have to say.
            streams.end(id)?;
            Ok(id)
        });
        match opened {
            Ok(id) => assets.on_opened(wanted, id),
            // As many streams are open as may be: it is tried again when one ends.
            Err(_) => return assets.put_back(wanted),
        }
    }
}

impl Client {
    pub(super) fn on_stream_event(
        &mut self,
        session: &mut ClientSession,
        event: StreamEvent,
        now: Micros,
    ) {
        match event {
            StreamEvent::Opened(ref offer) if offer.options.kind == StreamKind::Asset => {
                self.answer_push(session, offer.id, now);
            }
            StreamEvent::Readable(id) if self.assets.owns(id) => self.read_asset(session, id, now),
            StreamEvent::Ended(id) if self.assets.owns(id) => self.assets.on_end(id),
            StreamEvent::Refused { id, ref reason, .. }
            | StreamEvent::Reset { id, ref reason, .. }
                if self.assets.owns(id) =>
            {
                self.assets.on_failed(id, reason);
            }
            StreamEvent::Accepted(id) | StreamEvent::Writable(id) | StreamEvent::Consumed(id)
                if self.assets.owns(id) => {}
            event => self.events.push_back(ClientEvent::Stream(event)),
        }
    }

    fn answer_push(&mut self, session: &mut ClientSession, id: StreamId, now: Micros) {
        let takes = self.assets.on_push(id);
        // The offer stands: it was made by the event that brought us here.
        let _ = session.streams().and_then(|streams| {
            if !takes {
                return streams.refuse(id, REFUSE_CODE_GAME_MIN, "not now");
            }
            streams.accept(id, now)?;
            // There is nothing to say; a one-way stream has no half to say it with.
            let _ = streams.end(id);
            Ok(())
        });
    }

    fn read_asset(&mut self, session: &mut ClientSession, id: StreamId, now: Micros) {
        let Ok(streams) = session.streams() else {
            return;
        };
        while let Ok(Some(chunk)) = streams.read(id, now) {
            if !self.assets.on_data(id, &chunk.bytes) {
                // It is gone on our side already; a failing reset has nothing left to tell.
                drop(streams.reset(id, RESET_UNWANTED, "not what the manifest says"));
                return;
            }
        }
    }
}
