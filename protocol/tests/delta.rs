//! Random histories of a group through the delta codec, and bytes that nobody wrote.

use proptest::prelude::*;
use std::collections::BTreeMap;
use tickwire_protocol::{
    coding::Reader,
    delta::{Baseline, Decoder, Encoder, GroupState},
    entropy::Codebook,
    id::NetworkId,
    replicate::{Replicate, SameIds},
    schema::{ComponentId, Schema},
};

#[derive(Replicate, Clone, Debug, PartialEq)]
struct Place {
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    x: f32,
    #[wire(angle, bits = 8, predict = "linear")]
    angle: f32,
    #[wire(predict = "linear")]
    wide: i32,
}

#[derive(Replicate, Clone, Debug, PartialEq)]
struct Health(#[wire(range(0, 100))] u8);

#[derive(Replicate, Clone, Debug, PartialEq)]
struct Label {
    text: String,
    flag: bool,
    #[wire(entity)]
    friend: NetworkId,
}

#[derive(Replicate, Clone, Debug, PartialEq)]
struct Tag;

const PLACE: u128 = 1;
const HEALTH: u128 = 2;
const LABEL: u128 = 4;

fn schema() -> Schema {
    let mut schema = Schema::new();
    for component in [
        Place::schema(),
        Health::schema(),
        Label::schema(),
        Tag::schema(),
    ] {
        schema.add_component(component).expect("it fits");
    }
    schema
}

/// An entity of the model: what it has and how it moves.
#[derive(Clone, Debug)]
struct Body {
    mask: u128,
    x: f32,
    speed: f32,
    angle: f32,
    wide: i32,
    health: u8,
    text: String,
}

#[derive(Clone, Debug)]
enum Change {
    Spawn(u8, Body),
    Despawn(u8),
    Remask(u8, u128),
    Steer(u8, f32),
    Teleport(u8, f32),
    Whirl(u8, i32),
    Hit(u8, u8),
    Rename(u8, String),
}

fn bodies() -> impl Strategy<Value = Body> {
    (
        0u128..16,
        0f32..4000.0,
        -100f32..100.0,
        any::<i32>(),
        any::<u8>(),
        ".{0,8}",
    )
        .prop_map(|(mask, x, speed, wide, health, text)| Body {
            mask,
            x,
            speed,
            angle: speed / 30.0,
            wide,
            health,
            text,
        })
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => (any::<u8>(), bodies()).prop_map(|(id, body)| Change::Spawn(id, body)),
        1 => any::<u8>().prop_map(Change::Despawn),
        1 => (any::<u8>(), 0u128..16).prop_map(|(id, mask)| Change::Remask(id, mask)),
        2 => (any::<u8>(), -200f32..200.0).prop_map(|(id, speed)| Change::Steer(id, speed)),
        1 => (any::<u8>(), 0f32..4000.0).prop_map(|(id, x)| Change::Teleport(id, x)),
        1 => (any::<u8>(), any::<i32>()).prop_map(|(id, by)| Change::Whirl(id, by)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(id, health)| Change::Hit(id, health)),
        1 => (any::<u8>(), ".{0,8}").prop_map(|(id, text)| Change::Rename(id, text)),
    ];
    proptest::collection::vec(change, 0..8)
}

#[derive(Default)]
struct World {
    bodies: BTreeMap<u32, Body>,
}

impl World {
    fn apply(&mut self, change: Change) {
        let (Change::Spawn(id, _)
        | Change::Despawn(id)
        | Change::Remask(id, _)
        | Change::Steer(id, _)
        | Change::Teleport(id, _)
        | Change::Whirl(id, _)
        | Change::Hit(id, _)
        | Change::Rename(id, _)) = change;
        // Ids far apart and close together.
        let id = if id < 4 {
            u32::MAX - u32::from(id)
        } else {
            u32::from(id)
        };
        if let Change::Spawn(_, body) = change {
            self.bodies.insert(id, body);
            return;
        }
        if let Change::Despawn(_) = change {
            self.bodies.remove(&id);
            return;
        }
        let Some(body) = self.bodies.get_mut(&id) else {
            return;
        };
        match change {
            Change::Remask(_, mask) => body.mask = mask,
            Change::Steer(_, speed) => body.speed = speed,
            Change::Teleport(_, x) => body.x = x,
            Change::Whirl(_, by) => body.wide = body.wide.wrapping_add(by),
            Change::Hit(_, health) => body.health = health,
            Change::Rename(_, text) => body.text = text,
            Change::Spawn(..) | Change::Despawn(_) => unreachable!("handled above"),
        }
    }

    fn step(&mut self) {
        for body in self.bodies.values_mut() {
            body.x += body.speed / 20.0;
            body.angle += body.speed / 500.0;
        }
    }

    fn capture(&self, schema: &Schema, before: &GroupState) -> GroupState {
        let mut state = GroupState::new();
        for (&id, body) in &self.bodies {
            let table = state.table_mut(schema, body.mask);
            let row = table.push(NetworkId(id));
            let mut put =
                |bit: u128, value: &dyn Fn(&mut tickwire_protocol::replicate::RowWriter<'_>)| {
                    if body.mask & bit != 0 {
                        let component = ComponentId(bit.trailing_zeros() as u8);
                        value(
                            table
                                .writer(component, &SameIds)
                                .expect("it has it")
                                .at(row),
                        );
                    }
                };
            put(PLACE, &|row| {
                let (x, angle, wide) = (body.x, body.angle, body.wide);
                Place { x, angle, wide }.quantise(row);
            });
            put(HEALTH, &|row| Health(body.health).quantise(row));
            put(LABEL, &|row| {
                let friend = NetworkId(body.wide.cast_unsigned());
                Label {
                    text: body.text.clone(),
                    flag: body.health > 50,
                    friend,
                }
                .quantise(row);
            });
        }
        state.follow(Some(before));
        state
    }
}

/// Runs a world, and after each tick takes it through the codec against every baseline that is kept.
fn check_history(history: Vec<Vec<Change>>) -> Result<(), TestCaseError> {
    let schema = schema();
    let mut codebook = Codebook::initial(&schema);
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let mut world = World::default();
    let mut states = vec![GroupState::new()];
    let mut decoded = GroupState::new();
    for (tick, changes) in history.into_iter().enumerate() {
        changes.into_iter().for_each(|change| world.apply(change));
        world.step();
        let state = world.capture(&schema, states.last().expect("there is one"));
        let ages = (1..=states.len())
            .filter(|age| age.is_power_of_two())
            .map(Some);
        for age in ages.chain([None]) {
            let baseline = age.map(|age| Baseline {
                state: &states[states.len() - age],
                ticks_since: age as u32,
            });
            let mut bytes = Vec::new();
            encoder.encode(&schema, &codebook, baseline, &state, &mut bytes);
            bytes.push(0xa5);
            let mut reader = Reader::new(&bytes);
            let result = decoder.decode(&schema, &codebook, baseline, &mut reader, &mut decoded);
            prop_assert_eq!(result, Ok(()), "tick {} age {:?}", tick, age);
            prop_assert_eq!(reader.remaining(), 1);
            prop_assert!(
                decoded.shows_same_as(&state),
                "tick {} age {:?}\n{:?}\n{:?}",
                tick,
                age,
                decoded,
                state
            );
        }
        states.push(state);
        if let Some(learned) = encoder.learn(&schema, &codebook) {
            let mut bytes = Vec::new();
            learned.encode(&mut bytes);
            let copy = Codebook::decode(&schema, &mut Reader::new(&bytes));
            prop_assert_eq!(copy.as_ref(), Ok(&learned));
            codebook = learned;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_encoded_against_any_baseline_is_decoded(history in proptest::collection::vec(changes(), 1..40)) {
        check_history(history)?;
    }

    #[test]
    fn bytes_that_were_tampered_with_never_panic(
        history in proptest::collection::vec(changes(), 2..12), hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let schema = schema();
        let codebook = Codebook::initial(&schema);
        let mut world = World::default();
        let mut before = GroupState::new();
        let mut decoded = GroupState::new();
        for changes in history {
            changes.into_iter().for_each(|change| world.apply(change));
            world.step();
            let state = world.capture(&schema, &before);
            for ticks_since in [0, 1, 3] {
                let baseline = (ticks_since > 0).then_some(Baseline { state: &before, ticks_since });
                let mut bytes = Vec::new();
                Encoder::new().encode(&schema, &codebook, baseline, &state, &mut bytes);
                for (place, byte) in &hits {
                    let place = place.index(bytes.len());
                    bytes[place] ^= byte;
                }
                let _ = Decoder::new().decode(&schema, &codebook, baseline, &mut Reader::new(&bytes), &mut decoded);
                bytes.truncate(cut.index(bytes.len()));
                let _ = Decoder::new().decode(&schema, &codebook, baseline, &mut Reader::new(&bytes), &mut decoded);
            }
            before = state;
        }
    }

    #[test]
    fn bytes_of_nobody_never_panic(bytes in proptest::collection::vec(any::<u8>(), 4..200)) {
        let schema = schema();
        let codebook = Codebook::initial(&schema);
        let mut decoded = GroupState::new();
        let _ = Decoder::new().decode(&schema, &codebook, None, &mut Reader::new(&bytes), &mut decoded);
    }
}

#[test]
fn what_rests_costs_a_handful_of_bytes_and_stays_equal() {
    let schema = schema();
    let codebook = Codebook::initial(&schema);
    let mut world = World::default();
    for id in 4..=255 {
        let body = Body {
            mask: 15,
            x: f32::from(id) * 3.0,
            speed: 0.0,
            angle: 1.0,
            wide: 7,
            health: 90,
            text: "rest".into(),
        };
        world.apply(Change::Spawn(id, body));
    }
    let first = world.capture(&schema, &GroupState::new());
    let second = world.capture(&schema, &first);
    assert!(
        second.shows_same_as(&first),
        "rest is a fixed point of the motion too"
    );
    let mut bytes = Vec::new();
    let baseline = Some(Baseline {
        state: &first,
        ticks_since: 1,
    });
    Encoder::new().encode(&schema, &codebook, baseline, &second, &mut bytes);
    assert!(
        bytes.len() <= 16,
        "{} bytes for 252 entities at rest",
        bytes.len()
    );
}

#[test]
fn an_encoder_that_gets_one_value_wrong_is_seen() {
    let schema = schema();
    let codebook = Codebook::initial(&schema);
    let mut world = World::default();
    for id in 4..=40 {
        let body = Body {
            mask: 3,
            x: 10.0,
            speed: 50.0,
            angle: 1.0,
            wide: 7,
            health: 90,
            text: String::new(),
        };
        world.apply(Change::Spawn(id, body));
    }
    let state = world.capture(&schema, &GroupState::new());
    let mut wrong = state.clone();
    wrong.table_mut(&schema, 3).columns[3].values[11] ^= 1;
    let mut bytes = Vec::new();
    Encoder::new().encode(&schema, &codebook, None, &wrong, &mut bytes);
    let mut decoded = GroupState::new();
    Decoder::new()
        .decode(
            &schema,
            &codebook,
            None,
            &mut Reader::new(&bytes),
            &mut decoded,
        )
        .expect("it is well-formed");
    assert!(!decoded.shows_same_as(&state));
}

/// Hundreds of rows that turn, of which some come and go: columns long enough for runs and dense residuals.
#[test]
fn a_crowd_comes_back_from_its_deltas_and_from_bytes_that_were_tampered_with() {
    let schema = schema();
    let mut codebook = Codebook::initial(&schema);
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let mut seed = 1u64;
    let mut random = move |below: u32| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u32 % below
    };
    let mut crowd: BTreeMap<u32, Body> = BTreeMap::new();
    let mut states = vec![GroupState::new()];
    let mut decoded = GroupState::new();
    for tick in 0..60 {
        // Twice as many at times, so that every threshold is crossed both ways.
        let wanted = if tick % 20 < 10 { 700 } else { 200 };
        crowd.retain(|_, _| random(100) > 0);
        while crowd.len() > wanted {
            crowd.pop_first();
        }
        while crowd.len() < wanted {
            let body = Body {
                mask: PLACE | HEALTH,
                x: random(4000) as f32,
                speed: random(200) as f32 - 100.0,
                angle: 0.0,
                wide: random(u32::MAX) as i32,
                health: 50,
                text: String::new(),
            };
            crowd.insert(random(1 << 20), body);
        }
        for body in crowd.values_mut() {
            body.speed += random(41) as f32 - 20.0;
            body.x = (body.x + body.speed).clamp(0.0, 4000.0);
            body.angle += random(9) as f32 / 10.0 - 0.4;
            if tick % 3 == 0 || random(20) == 0 {
                body.health = random(100) as u8;
            }
        }
        let mut state = GroupState::new();
        let table = state.table_mut(&schema, PLACE | HEALTH);
        table.set_rows(crowd.keys().map(|&id| NetworkId(id)));
        for (component, row, body) in crowd
            .values()
            .enumerate()
            .flat_map(|(row, body)| [(0, row, body), (1, row, body)])
        {
            let mut writer = table
                .writer(ComponentId(component), &SameIds)
                .expect("the table has it");
            if component == 0 {
                let (x, angle, wide) = (body.x, body.angle, body.wide);
                Place { x, angle, wide }.quantise(writer.at(row));
            } else {
                Health(body.health).quantise(writer.at(row));
            }
        }
        state.follow(states.last());
        for age in [None, Some(1), Some(2), Some(8)] {
            if age.is_some_and(|age| age > states.len()) {
                continue;
            }
            let baseline = age.map(|age| Baseline {
                state: &states[states.len() - age],
                ticks_since: age as u32,
            });
            let mut bytes = Vec::new();
            encoder.encode(&schema, &codebook, baseline, &state, &mut bytes);
            let result = decoder.decode(
                &schema,
                &codebook,
                baseline,
                &mut Reader::new(&bytes),
                &mut decoded,
            );
            assert_eq!(result, Ok(()), "tick {tick} age {age:?}");
            assert!(decoded.shows_same_as(&state), "tick {tick} age {age:?}");
            let place = random(bytes.len() as u32) as usize;
            bytes[place] ^= 1 << random(8);
            let mut reader = Reader::new(&bytes);
            let _ = decoder.decode(&schema, &codebook, baseline, &mut reader, &mut decoded);
        }
        states.push(state);
        if let Some(learned) = encoder.learn(&schema, &codebook) {
            codebook = learned;
        }
    }
}
