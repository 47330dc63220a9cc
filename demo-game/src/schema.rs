//! What both ends agree on: every component, the input and the events, in one order.
//!
//! The server registers in this order too; a test holds the two against each other, and the handshake
//! would refuse a client whose order differs.

use tickwire_protocol::error::ApiMisuse;
use tickwire_protocol::event::GameEvent;
use tickwire_protocol::replicate::Replicate;
use tickwire_protocol::schema::{EventDirection, EventSchema, Schema};

use crate::components::{
    Drive, Heading, Hull, Obstacle, Pickup, Position, Radar, Round, Ship, Shot, Standing, Steer,
    Weapons,
};
use crate::events::{Destroyed, Hit, Look, RoundOver, Said, Say, Taken};

/// The game's schema.
pub fn schema() -> Schema {
    let mut schema = Schema::new();
    // Nothing a peer sends comes in here: a game with too many components fails in its first test.
    if let Err(misuse) = fill(&mut schema) {
        panic!("the game's own schema: {misuse}");
    }
    schema
}

fn fill(schema: &mut Schema) -> Result<(), ApiMisuse> {
    schema.add_component(Position::schema())?;
    schema.add_component(Heading::schema())?;
    schema.add_component(Ship::schema())?;
    schema.add_component(Hull::schema())?;
    schema.add_component(Drive::schema())?;
    schema.add_component(Weapons::schema())?;
    schema.add_component(Shot::schema())?;
    schema.add_component(Pickup::schema())?;
    schema.add_component(Obstacle::schema())?;
    schema.add_component(Standing::schema())?;
    schema.add_component(Radar::schema())?;
    schema.add_component(Round::schema())?;
    schema.set_input(Steer::schema())?;
    event::<Say>(schema)?;
    event::<Said>(schema)?;
    event::<Destroyed>(schema)?;
    event::<Hit>(schema)?;
    event::<Taken>(schema)?;
    event::<RoundOver>(schema)?;
    event::<Look>(schema)
}

fn event<E: GameEvent>(schema: &mut Schema) -> Result<(), ApiMisuse> {
    let event = EventSchema {
        name: E::NAME.into(),
        direction: EventDirection::Both,
    };
    schema.add_event(event).map(drop)
}
