//! What the page and the tests are told after each frame: phase, message, loading bar, who is where.

use tickwire_client::Connection;
use tickwire_client::browser::Frame;

use super::Arcade;
use crate::browser::hook::ReportedShip;
use crate::browser::overlay;
use crate::browser::predict::OwnShip;
use crate::components::Shot;

impl Arcade {
    /// What the page and the tests are told.
    pub(super) fn tell(&self, frame: &Frame<'_, OwnShip>) {
        let client = frame.client;
        let progress = client.asset_progress();
        let joined = client.is_playing() && frame.view.is_some();
        let (phase, message) = match client.connection() {
            Connection::Connecting => ("connecting", Some("Connecting…".to_owned())),
            Connection::Joining => ("joining", Some("Joining…".to_owned())),
            Connection::Playing if !joined => ("joining", None),
            Connection::Playing if !self.moment.assets_done => ("loading", None),
            Connection::Playing => ("playing", None),
            Connection::Waiting { message, retry_at } => {
                let seconds = retry_at.since(frame.now).0.div_ceil(1_000_000);
                (
                    "reconnecting",
                    Some(format!("{message} Trying again in {seconds} s.")),
                )
            }
            Connection::Ended { message } => ("refused", Some(message.clone())),
        };
        self.page.show_message(message.as_deref());
        self.page.show_loading((phase == "loading").then(|| {
            let (loaded, total) = (
                overlay::bytes(progress.bytes),
                overlay::bytes(progress.bytes_total),
            );
            (
                progress.fraction(),
                format!("Loading pictures and sounds: {loaded} of {total}"),
            )
        }));
        let stats = client.stats(frame.now);
        let mut report = self.report.borrow_mut();
        report.phase = phase;
        report.message = message;
        report.me = frame.view.and_then(|view| view.own()).map(|id| id.0);
        (report.assets_loaded, report.assets_total) = (progress.assets, progress.assets_total);
        report.asset_bytes_fetched = progress.bytes_fetched;
        report.tick = stats.tick.0;
        report.entities = stats.entities;
        report.snapshot_bytes_per_second = stats.snapshot_bytes_per_second;
        let standing = self.moment.own_pilot.and_then(|pilot| self.board.of(pilot));
        report.score = standing.map_or(0, |standing| standing.score);
        let shots = frame.view.map(|view| view.iter::<Shot>().count());
        report.shots = shots.unwrap_or_default() as u32;
        report.thumbs.clear();
        report.thumbs.extend(self.controls.thumbs());
        report.ships.clear();
        report.ships.extend(self.fleet.ships.iter().map(|ship| {
            ReportedShip {
                id: ship.id.0,
                name: self.board.name(ship.pilot).to_owned(),
                place: ship.place,
                heading: ship.heading,
                screen: self.camera.to_screen(ship.place),
                hull: ship.hull.hull,
                is_bot: self
                    .board
                    .of(ship.pilot)
                    .is_some_and(|standing| standing.is_bot),
            }
        }));
    }
}
