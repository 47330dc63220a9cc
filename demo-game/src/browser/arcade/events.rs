//! What the game's events show, sound and say.

use tickwire_client::ReceivedEvent;

use super::Arcade;
use crate::browser::particles::Tone;
use crate::browser::scene::pickup_colour;
use crate::components::{PickupKind, ShotKind};
use crate::events::{Destroyed, Hit, RoundOver, Said, Taken};
use crate::rules::score::STREAK_CALLED;
use crate::rules::tuning::{REPAIR, SEEKERS_PER_PICKUP};
use crate::rules::vector::Vec2;

impl Arcade {
    pub(super) fn on_game_event(&mut self, event: &ReceivedEvent) {
        if let Some(said) = event.read::<Said>() {
            self.report.borrow_mut().hear(&said.name, &said.text);
            self.feed.say(
                said.name,
                self.board.hue(said.pilot),
                said.text,
                self.moment.now,
            );
            self.audio.play("chat", 0.5);
        } else if let Some(destroyed) = event.read::<Destroyed>() {
            self.on_destroyed(&destroyed);
        } else if let Some(hit) = event.read::<Hit>() {
            self.on_hit(&hit);
        } else if let Some(taken) = event.read::<Taken>() {
            self.on_taken(&taken);
        } else if let Some(over) = event.read::<RoundOver>() {
            let below = format!("{} points — next round in a moment", over.score);
            let title = if over.winner.is_empty() {
                "Nobody wins"
            } else {
                &format!("{} wins", over.winner)
            };
            self.feed
                .announce(title, &below, "#ffe27a", self.moment.now, 10.0);
            self.audio.play("round", 0.8);
        }
    }

    fn on_destroyed(&mut self, event: &Destroyed) {
        let (now, own) = (self.moment.now, self.moment.own_pilot);
        let who = |pilot: u16| (self.board.name(pilot).to_owned(), self.board.hue(pilot));
        let (killer, victim) = (event.killer.map(who), who(event.victim));
        let is_mine = own.is_some() && event.killer == own;
        let was_me = own == Some(event.victim);
        let seeker = event.weapon == Some(ShotKind::Seeker);
        self.feed.kill(
            killer.clone(),
            victim.clone(),
            seeker,
            is_mine || was_me,
            now,
        );
        let place = Vec2::new(event.x, event.y);
        let delay = if was_me {
            0.0
        } else {
            self.moment.delay_seconds
        };
        self.effects.explode_at(now + delay, place, victim.1);
        if was_me {
            self.camera.shake(1.0);
            self.moment.hurt = 1.0;
            let by = killer.map_or("You crashed".to_owned(), |(name, _)| {
                format!("Destroyed by {name}")
            });
            self.moment.killed_by = Some(by);
        } else if is_mine {
            let title = format!("{} destroyed", victim.0);
            let below = if event.streak >= STREAK_CALLED {
                format!("+{} · {} in a row!", event.points, event.streak)
            } else {
                format!("+{}", event.points)
            };
            self.feed.announce(&title, &below, "#ffffff", now, 2.0);
            self.audio.play("kill", 0.9);
            self.effects
                .float(format!("+{}", event.points), place, "#ffe27a", now);
        }
    }

    fn on_hit(&mut self, hit: &Hit) {
        self.report.borrow_mut().hits += 1;
        let place = Vec2::new(hit.x, hit.y);
        if self.moment.own_pilot == Some(hit.victim) {
            self.moment.hurt = (self.moment.hurt + 0.2 + f32::from(hit.damage) / 60.0).min(1.0);
            self.camera.shake(0.25 + f32::from(hit.damage) / 80.0);
            self.effects.particles.sparks(place, None, 8, Tone::Fire);
            self.audio.play("hurt", 0.8);
        } else {
            // The rival is drawn where it was; the burst belongs on it.
            let seen = self
                .fleet
                .of_pilot(hit.victim)
                .map_or(place, |ship| ship.place);
            self.effects
                .float(hit.damage.to_string(), seen, "#ffffff", self.moment.now);
            self.effects.particles.sparks(seen, None, 6, Tone::Gold);
            self.effects.particles.flash(seen, 34.0, 0.12, Tone::White);
            self.audio
                .play_at("hit", 0.9, seen, self.camera.centre, 1.0);
        }
    }

    fn on_taken(&mut self, taken: &Taken) {
        let word = match taken.kind {
            PickupKind::Repair => format!("+{REPAIR} hull"),
            PickupKind::Shield => "shield".into(),
            PickupKind::Rapid => "rapid fire".into(),
            PickupKind::Spread => "spread".into(),
            PickupKind::Seekers => format!("+{SEEKERS_PER_PICKUP} seekers"),
        };
        let place = Vec2::new(taken.x, taken.y);
        self.effects
            .float(word, place, pickup_colour(taken.kind), self.moment.now);
        self.audio.play("pickup", 0.7);
    }
}
