//! Flying: every ship takes one step of the shared rules, then ships that overlap part.

use bevy_ecs::prelude::*;

use crate::components::{Condition, Drive, Heading, Position, Ship};
use crate::rules::arena::Arena;
use crate::rules::ship::{ShipMotion, collide, impact_damage};
use crate::rules::tuning::SHIP_RADIUS;
use crate::server::harm::{Damage, Damages};
use crate::server::pilot::{Helm, Pilot};
use crate::server::traffic::Traffic;

/// Flies every ship one tick and hurts those that hit something hard.
pub fn fly(
    arena: Res<'_, Arena>,
    mut ships: Query<
        '_,
        '_,
        (
            Entity,
            &mut Ship,
            &Helm,
            &mut Pilot,
            &mut Position,
            &mut Heading,
            &mut Drive,
        ),
    >,
    mut damages: ResMut<'_, Damages>,
) {
    for (entity, mut ship, helm, mut pilot, mut position, mut heading, mut drive) in &mut ships {
        if !ship.condition.is_flying() {
            continue;
        }
        let mut motion = ShipMotion::of(&position, &heading, &drive);
        let engine = motion.engine(&helm.0);
        let damage = motion.step(&helm.0, &arena);
        motion.store(&mut position, &mut heading, &mut drive);
        if damage > 0 {
            damages.0.push(Damage {
                victim: entity,
                amount: damage,
                by: None,
                at: motion.position,
            });
        }
        pilot.guard_ticks = pilot.guard_ticks.saturating_sub(1);
        let condition = if pilot.guard_ticks > 0 {
            Condition::Guarded
        } else {
            Condition::Flying
        };
        ship.set_if_neq(Ship {
            condition,
            engine,
            ..*ship
        });
    }
}

/// Parts ships that overlap.
pub fn part(
    traffic: Res<'_, Traffic>,
    mut ships: Query<'_, '_, (&mut Position, &mut Heading, &mut Drive)>,
    mut damages: ResMut<'_, Damages>,
) {
    let flying = traffic.all();
    for (number, one) in flying.iter().enumerate() {
        let beside = flying[number + 1..]
            .iter()
            .take_while(|other| other.position.x - one.position.x < SHIP_RADIUS * 2.0);
        for other in beside {
            let Ok([mut a, mut b]) = ships.get_many_mut([one.entity, other.entity]) else {
                continue;
            };
            let mut first = ShipMotion::of(&a.0, &a.1, &a.2);
            let mut second = ShipMotion::of(&b.0, &b.1, &b.2);
            let Some(closing) = collide(&mut first, &mut second) else {
                continue;
            };
            first.store(&mut a.0, &mut a.1, &mut a.2);
            second.store(&mut b.0, &mut b.1, &mut b.2);
            let amount = impact_damage(closing);
            if amount > 0 {
                let at = first.position.lerp(second.position, 0.5);
                for victim in [one.entity, other.entity] {
                    damages.0.push(Damage {
                        victim,
                        amount,
                        by: None,
                        at,
                    });
                }
            }
        }
    }
}
