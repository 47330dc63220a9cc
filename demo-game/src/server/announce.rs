//! What the systems have to say this tick, kept until the tick's end and then handed to the room.
//!
//! A box of our own before the room's, so that every system can be tested in a bare world, and so that
//! nothing is said about a tick that is not yet whole.

use bevy_ecs::prelude::*;
use tickwire_protocol::id::PlayerId;
use tickwire_server::game::Outbox;

use crate::events::{Destroyed, Hit, RoundOver, Said, Taken};

/// One thing said, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub enum Announcement {
    /// A line of chat, to everyone.
    Said(Said),
    /// A ship's end, to everyone.
    Destroyed(Destroyed),
    /// The end of a round, to everyone.
    RoundOver(RoundOver),
    /// A hit, to one of the two concerned.
    Hit(PlayerId, Hit),
    /// A pickup taken, to who took it.
    Taken(PlayerId, Taken),
}

/// What is said this tick, in order.
#[derive(Resource, Debug, Default)]
pub struct Announcements(pub Vec<Announcement>);

/// Hands everything to the room.
pub fn deliver(mut announcements: ResMut<'_, Announcements>, mut outbox: ResMut<'_, Outbox>) {
    for announcement in announcements.0.drain(..) {
        match announcement {
            Announcement::Said(event) => outbox.broadcast(&event),
            Announcement::Destroyed(event) => outbox.broadcast(&event),
            Announcement::RoundOver(event) => outbox.broadcast(&event),
            Announcement::Hit(player, event) => outbox.send(player, &event),
            Announcement::Taken(player, event) => outbox.send(player, &event),
        }
    }
}
