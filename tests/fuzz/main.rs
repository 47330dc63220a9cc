//! The fuzz bodies as tests: some thousand cases each, the same every time.
//!
//! For minutes: `cargo xtask fuzz websocket --seconds 600`.
//! One case again: `TICKWIRE_SEED=number cargo test -p tests --test fuzz -- NAME`.

mod held;

use std::env;

use tests::{
    fuzz::{case, targets},
    seeds::{Replay, SEED_VARIABLE},
};

/// Cases of one body in an ordinary test run.
const CASES: u64 = 20_000;

fn fuzz(name: &str) {
    let target = targets()
        .find(|target| target.name == name)
        .expect("a body has this name");
    let examples = (target.examples)();
    for (number, example) in examples.iter().enumerate() {
        let _replay = Replay {
            what: format!("example {number} of {name}"),
        };
        held::run(target, example);
    }
    let seed = env::var(SEED_VARIABLE).ok();
    if let Some(seed) = seed.and_then(|text| text.parse().ok()) {
        held::run(target, &case(seed, &examples));
        return;
    }
    for number in 0..CASES {
        let _replay = Replay {
            what: format!("{SEED_VARIABLE}={number} cargo test -p tests --test fuzz -- {name}"),
        };
        held::run(target, &case(number, &examples));
    }
}

macro_rules! bodies {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            fuzz(stringify!($name));
        }
    )*

    #[test]
    fn every_body_is_run() {
        let run = [$(stringify!($name)),*];
        for target in targets() {
            assert!(run.contains(&target.name), "{} is not run", target.name);
        }
    }};
}

bodies! {
    websocket frames schema delta inputs assets_and_events binarypack_values
    honest_sessions hostile_client hostile_server
}
