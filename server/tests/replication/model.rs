//! A random world with random players, and what may go wrong in it.
//!
//! One step is one thing a game may do: spawn, write, despawn, insert, remove, move, turn a view, let a player
//! miss snapshots or reconnect, or end the tick. After every snapshot the oracle looks at the replica.

use crate::{
    oracle::{self, Coverage, Shadow},
    world::*,
};
use bevy_ecs::prelude::*;
use std::sync::Arc;
use tickwire_protocol::{id::PlayerId, schema::Audience, snapshot::Replica, time::Tick};
use tickwire_server::{replication::*, threads::Alone};

/// The most entities a model world holds: small worlds meet more coincidences per second.
const ENTITIES_MAX: usize = 14;
pub(crate) const CELL_UNITS: f32 = 64.0;
/// One step in so many ends the tick.
const STEPS_PER_TICK: usize = 7;

/// A fault put in on purpose, to see that the oracle finds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sabotage {
    None,
    /// One snapshot is encoded and lost.
    LoseSnapshot,
    /// One bit of one snapshot is flipped.
    FlipBit,
    /// A component is written behind the back of change detection.
    HideChange,
    /// A player is told of a group that is not its own.
    WrongPlayer,
}

/// One player of the model.
pub(crate) struct Player {
    pub(crate) id: PlayerId,
    pub(crate) entity: Entity,
    pub(crate) replica: Replica,
    /// Snapshots it is still going to miss.
    skips: usize,
    /// Ticks before it is back; `None` while it is here.
    away: Option<usize>,
    /// Where its view was last, as the oracle sees it.
    pub(crate) centre: Option<[f32; 2]>,
}

pub(crate) struct Model {
    pub(crate) world: World,
    pub(crate) replication: Replication,
    pub(crate) players: Vec<Player>,
    pub(crate) entities: Vec<Entity>,
    pub(crate) shadow: Shadow,
    pub(crate) settings: Settings,
    pub(crate) tick: Tick,
    random: Random,
    sabotage: Sabotage,
    bytes: Vec<u8>,
    pub(crate) coverage: Coverage,
}

impl Model {
    pub(crate) fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut random = Random::new(seed);
        let grid = Grid::new::<Position>(CELL_UNITS, |position| [position.x, position.y]);
        let grid = grid.hysteresis(if random.once_in(2) {
            0.0
        } else {
            3.0 * CELL_UNITS
        });
        let settings = Settings {
            grid: (!random.once_in(3)).then_some(grid),
            filter: Some(filter()),
            player_bytes_per_second: random.once_in(3).then_some(20 * 60),
            entities_per_block: [Some(3), None][random.below(2)],
            ..Settings::default()
        };
        let mut world = World::new();
        let replication = Replication::new(&mut world, registry(), settings.clone());
        let mut model = Self {
            world,
            replication,
            players: Vec::new(),
            entities: Vec::new(),
            shadow: Shadow::default(),
            settings,
            tick: Tick(u32::MAX - 50),
            random,
            sabotage,
            bytes: Vec::new(),
            coverage: Coverage::default(),
        };
        for number in 0..3 {
            let entity = model.spawn();
            let schema = Arc::clone(model.replication.schema());
            let id = PlayerId(number);
            model
                .world
                .entity_mut(entity)
                .insert(Team(number as u8 % 2));
            model.replication.add_player(id, entity);
            model.players.push(Player {
                id,
                entity,
                replica: Replica::new(schema),
                skips: 0,
                away: None,
                centre: None,
            });
        }
        model
    }

    /// Runs so many steps, or says what went wrong.
    pub(crate) fn run(&mut self, steps: usize) -> Result<(), String> {
        for step in 0..steps {
            self.step()
                .map_err(|what| format!("step {step}, tick {}: {what}", self.tick))?;
        }
        self.settle()
    }

    fn step(&mut self) -> Result<(), String> {
        if self.random.once_in(STEPS_PER_TICK) {
            return self.end_tick();
        }
        match self.random.below(16) {
            0 | 1 if self.entities.len() < ENTITIES_MAX => drop(self.spawn()),
            0 => self.despawn(),
            1..=7 => self.write(),
            8 | 9 => self.insert(),
            10 => self.remove(),
            11 => self.look(),
            12 => self.mark(),
            13 => {
                let player = self.random.below(self.players.len());
                self.players[player].skips = [1, 2, 5, 40][self.random.below(4)];
            }
            14 if self.random.once_in(20) => self.leave(),
            _ => {}
        }
        Ok(())
    }

    fn any(&mut self) -> Option<Entity> {
        self.entities
            .retain(|&entity| self.world.get_entity(entity).is_ok());
        let len = self.entities.len();
        (len > 0).then(|| self.entities[self.random.below(len)])
    }

    fn position(&mut self) -> Position {
        Position {
            x: self.random.coordinate(300),
            y: self.random.coordinate(300),
        }
    }

    fn spawn(&mut self) -> Entity {
        let position = self.position();
        let mut entity = self.world.spawn(Health(100));
        if !self.random.once_in(8) {
            entity.insert(position);
        }
        if !self.random.once_in(6) {
            entity.insert(Replicated);
        }
        let entity = entity.id();
        if self.random.once_in(4)
            && let Some(parent) = self.any()
        {
            self.world.entity_mut(entity).insert(ChildOf(parent));
        }
        self.entities.push(entity);
        entity
    }

    fn despawn(&mut self) {
        if let Some(entity) = self.any() {
            self.world.despawn(entity);
        }
    }

    /// Writes components, with the value they have or another.
    fn write(&mut self) {
        let Some(entity) = self.any() else { return };
        let (number, jump) = (self.random.next(), self.position());
        let sneak = self.sabotage == Sabotage::HideChange && self.random.once_in(50);
        let mut entity = self.world.entity_mut(entity);
        if let Some(mut position) = entity.get_mut::<Position>() {
            match number % 8 {
                0 => *position = jump,
                1 => {}
                // Evenly, as predicted, and across borders.
                _ => position.x = (position.x + 3.0).min(400.0),
            }
        }
        if sneak && let Some(mut health) = entity.get_mut::<Health>() {
            let hurt = health.0.wrapping_add(1);
            health.bypass_change_detection().0 = hurt;
        } else if number & 16 != 0
            && let Some(mut health) = entity.get_mut::<Health>()
        {
            health.0 = (number >> 8) as u8;
        }
        if let Some(mut label) = entity.get_mut::<Label>() {
            label.0 = ["", "a", "a longer label", "ünïcödé"][(number >> 8) as usize % 4].into();
        }
        if let Some(mut birth) = entity.get_mut::<Birth>() {
            birth.0 = birth.0.wrapping_add(1);
        }
        if let Some(mut purse) = entity.get_mut::<Purse>() {
            purse.0 = (number >> 8) as u32;
        }
        if let Some(mut disguise) = entity.get_mut::<Disguise>() {
            disguise.shape = (disguise.shape + 7) % 5000;
        }
    }

    fn insert(&mut self) {
        let Some(entity) = self.any() else { return };
        let (number, position, target) = (self.random.next(), self.position(), self.any());
        let mut entity = self.world.entity_mut(entity);
        match number % 9 {
            0 => entity.insert(position),
            1 => entity.insert(Label("new".into())),
            2 => entity.insert(Birth(number as u32)),
            3 => entity.insert(Purse(number as u32)),
            4 => entity.insert((Plan(number as u16), Team((number >> 16) as u8 % 2))),
            5 => entity.insert(Disguise {
                shape: (number >> 8) as u16 % 5000,
            }),
            6 => entity.insert(Target(target.unwrap_or(Entity::PLACEHOLDER))),
            7 => entity.insert(Health(number as u8)),
            _ => entity.insert(Replicated),
        };
    }

    fn remove(&mut self) {
        let Some(entity) = self.any() else { return };
        let mut entity = self.world.entity_mut(entity);
        match self.random.below(12) {
            0 => entity.remove::<Position>(),
            1 => entity.remove::<Health>(),
            2 => entity.remove::<Label>(),
            3 => entity.remove::<Birth>(),
            4 => entity.remove::<Purse>(),
            5 => entity.remove::<Plan>(),
            6 => entity.remove::<Disguise>(),
            7 => entity.remove::<Target>(),
            8 => entity.remove::<Owner>(),
            9 => entity.remove::<Team>(),
            10 => entity.remove::<(AlwaysRelevant, VisibleTo)>(),
            _ => entity.remove::<Replicated>(),
        };
    }

    /// Changes a marker: owner, team, visibility, who sees through a disguise.
    fn mark(&mut self) {
        let Some(entity) = self.any() else { return };
        let number = self.random.next();
        let mut entity = self.world.entity_mut(entity);
        let audiences = [
            Audience::Everyone,
            Audience::Owner,
            Audience::Team,
            Audience::Filtered,
        ];
        match number % 7 {
            0 => entity.insert(Owner(PlayerId((number >> 8) as u32 % 4))),
            1 => entity.insert(Team((number >> 8) as u8 % 2)),
            2 => entity.insert(VisibleTo(audiences[(number >> 8) as usize % 4])),
            3 => entity.insert(AlwaysRelevant),
            4 => entity.insert(Priority((number >> 8) as f32 % 4.0)),
            _ => entity.insert(Revealed((number >> 8) as u32)),
        };
    }

    /// Changes a player's view.
    fn look(&mut self) {
        let player = self.random.below(self.players.len());
        let (number, followed) = (self.random.next(), self.any());
        let (x, y) = (self.random.coordinate(300), self.random.coordinate(300));
        let Ok(mut entity) = self.world.get_entity_mut(self.players[player].entity) else {
            return;
        };
        let view = if number & 1 == 0 {
            View::rectangle(200.0, 130.0)
        } else {
            View::circle(110.0)
        };
        match number % 7 {
            0 | 1 => entity.insert(view),
            2 | 3 => entity.insert(view.at(x, y)),
            4 => entity.insert(view.following(followed.unwrap_or(Entity::PLACEHOLDER))),
            5 => entity.insert(View::circle(700.0)),
            _ => entity.remove::<View>(),
        };
    }

    /// A player's line breaks, and the world goes on for so many ticks without it.
    fn leave(&mut self) {
        let place = self.random.below(self.players.len());
        let player = &mut self.players[place];
        if player.away.is_none() {
            self.replication.remove_player(player.id);
            player.away = Some([0, 1, 3][self.random.below(3)]);
        }
    }

    /// Lets those come back whose time it is.
    fn resume(&mut self) {
        for place in 0..self.players.len() {
            match &mut self.players[place].away {
                Some(0) => self.reconnect(place),
                Some(ticks) => *ticks -= 1,
                None => {}
            }
        }
    }

    /// A player comes back with nothing, on another entity if its own is gone.
    fn reconnect(&mut self, place: usize) {
        let entity = self.players[place].entity;
        let entity = if self.world.get_entity(entity).is_ok() {
            entity
        } else {
            self.spawn()
        };
        let player = &mut self.players[place];
        self.replication.add_player(player.id, entity);
        let schema = Arc::clone(self.replication.schema());
        *player = Player {
            id: player.id,
            entity,
            replica: Replica::new(schema),
            skips: 0,
            away: None,
            centre: None,
        };
    }

    fn end_tick(&mut self) -> Result<(), String> {
        self.tick = self.tick.next();
        self.resume();
        self.replication.capture(&mut self.world, self.tick, &Alone);
        self.replication.choose(&self.world);
        self.replication.encode(&Alone);
        self.shadow.capture(&self.world, &self.entities);
        let has_grid = self.settings.grid.is_some();
        for place in 0..self.players.len() {
            oracle::find_centre(&mut self.players[place], &self.world, has_grid);
            if self.players[place].away.is_some() {
                continue;
            }
            if self.players[place].skips > 0 {
                self.players[place].skips -= 1;
            } else {
                self.send(place)?;
            }
        }
        self.replication.finish();
        Ok(())
    }

    fn send(&mut self, place: usize) -> Result<(), String> {
        let verify = self.random.once_in(8);
        let header = PlayerHeader {
            input: Some(self.tick - 2),
            input_margin_ticks: Some(-1),
            verify,
        };
        self.bytes.clear();
        let strikes = self.sabotage != Sabotage::None && self.random.once_in(20);
        let player = &mut self.players[place];
        let mut told = player.id;
        if strikes && self.sabotage == Sabotage::WrongPlayer {
            told = PlayerId((told.0 + 1) % 3);
        }
        if !self
            .replication
            .encode_snapshot(told, &header, &mut self.bytes)
        {
            return Err("a player is not known".into());
        }
        if strikes && self.sabotage == Sabotage::LoseSnapshot {
            return Ok(());
        }
        if strikes && self.sabotage == Sabotage::FlipBit {
            let bit = self.random.below(self.bytes.len() * 8);
            self.bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let applied = player
            .replica
            .apply(&self.bytes)
            .map_err(|error| format!("{}: {error}", player.id))?;
        let own_entity = self.replication.network_id(player.entity);
        let header = applied.header;
        if header.own_entity != own_entity
            || header.input != Some(self.tick - 2)
            || header.tick != self.tick
        {
            return Err(format!(
                "player {}: {header:?}, the own entity is {own_entity:?}",
                player.id
            ));
        }
        let mut coverage = self.coverage;
        oracle::check(self, place, &mut coverage)
            .map_err(|what| format!("player {place}: {what}"))?;
        self.coverage = coverage;
        Ok(())
    }

    /// Lets every player catch up in a world at rest: in the end all hold exactly what they may see.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..200 {
            self.players.iter_mut().for_each(|player| player.skips = 0);
            self.end_tick()?;
        }
        for player in &self.players {
            if !player.replica.applied().header.is_complete {
                return Err(format!(
                    "player {} is not up to date after 200 ticks of rest",
                    player.id
                ));
            }
            oracle::check_states(
                player,
                self.replication
                    .visible_to(player.id)
                    .map(|(id, state)| (id, Some(state))),
            )?;
        }
        let kept = self.replication.stats().baselines;
        if kept > 0 {
            return Err(format!("{kept} older states are kept for nobody"));
        }
        Ok(())
    }
}
