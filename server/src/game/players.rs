//! What a game decides about the seats of its players: whose entity is which, and who has to go.
//!
//! In: a system's word. Out: orders, which the room carries out after the tick's systems, before it is captured.

use bevy_ecs::{entity::Entity, resource::Resource};
use tickwire_protocol::id::PlayerId;

/// The room's players, for systems: gives them entities, and sends them away.
///
/// What is asked for is done when all systems of the tick have run, in the order in which it was asked for.
///
/// ```
/// use tickwire_server::prelude::*;
///
/// #[derive(Component)]
/// struct Ship {
///     hull: u32,
///     lives: u32,
/// }
///
/// /// Who has lost a ship gets another, and goes with the last one.
/// fn renew(
///     ships: Query<(Entity, &Player, &Ship)>,
///     mut commands: Commands,
///     mut players: ResMut<Players>,
/// ) {
///     for (entity, player, ship) in ships.iter().filter(|(_, _, ship)| ship.hull == 0) {
///         if ship.lives == 0 {
///             players.send_away(player.id, "that was your last ship");
///             continue;
///         }
///         commands.entity(entity).despawn();
///         let next = Ship { hull: 100, lives: ship.lives - 1 };
///         players.give_entity(player.id, commands.spawn((Replicated, next)).id());
///     }
/// }
/// # let _ = Game::new("ships").add_systems(renew);
/// ```
#[derive(Resource, Debug, Default)]
pub struct Players {
    orders: Vec<Order>,
}

/// What is to be done about a player.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// That entity is its own from now on.
    GiveEntity(PlayerId, Entity),
    /// It has to go, with that reason.
    SendAway(PlayerId, String),
}

impl Players {
    /// Makes another entity a player's own, as if [`Game::on_join`](super::Game::on_join) had returned it: after a
    /// death, or for another body.
    ///
    /// The room adds [`Player`](super::Player), the owner's marker and an input with nothing pressed to it, and
    /// despawns it when the seat is given up. The entity before, if it lives, loses the first and the last of them
    /// and is the game's affair. Team and view are read from the new one.
    ///
    /// Nothing happens when nobody has the seat any more, or when the entity is gone or another player's.
    pub fn give_entity(&mut self, player: PlayerId, entity: Entity) {
        self.orders.push(Order::GiveEntity(player, entity));
    }

    /// Sends a player away, connected or not: its seat is given up, with
    /// [`LeaveReason::SentAway`](super::LeaveReason::SentAway).
    ///
    /// Events sent to it in the same tick go before. Then it reads the reason, of which 120 bytes are kept, and is
    /// closed with code 4009: a client does not come back by itself. One whose connection was broken, or breaks
    /// before it has read that, does, and is told then: for a minute, or for [`Game::reconnect_grace`] if that is
    /// longer, the room knows its token, unless it is dropped before for want of players. If its person comes back,
    /// it is a newcomer, whom [`Game::on_knock`](super::Game::on_knock) may refuse.
    ///
    /// Nothing happens when nobody has the seat any more.
    ///
    /// [`Game::reconnect_grace`]: super::Game::reconnect_grace
    pub fn send_away(&mut self, player: PlayerId, reason: impl Into<String>) {
        self.orders.push(Order::SendAway(player, reason.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    pub(crate) fn take(&mut self) -> Vec<Order> {
        core::mem::take(&mut self.orders)
    }
}
