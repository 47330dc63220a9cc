//! The fuzz bodies as tests: some thousand cases each, the same every time.
//!
//! For minutes: `cargo xtask fuzz websocket --seconds 600`.
//! One case again: `TICKWIRE_SEED=number cargo test -p tests --test fuzz -- NAME`.

mod held;
mod watchdog;

use std::{
    env,
    time::{Duration, Instant},
};

use tests::{
    fuzz::{case, targets},
    seeds::{Replay, SEED_VARIABLE},
};

use self::watchdog::{Case, Number, PATIENCE, Watchdog};

/// Cases of one body in an ordinary test run.
const CASES: u64 = 20_000;

fn fuzz(name: &str) {
    let target = targets()
        .find(|target| target.name == name)
        .expect("a body has this name");
    let examples = (target.examples)();
    let watchdog = Watchdog::start();
    let run = |number, bytes: &[u8]| {
        watchdog.watch(Case::of(target, number), || held::run(target, bytes));
    };
    for (number, example) in examples.iter().enumerate() {
        let _replay = Replay {
            what: format!("example {number} of {name}"),
        };
        run(Number::Example(number), example);
    }
    let seed = env::var(SEED_VARIABLE).ok();
    if let Some(seed) = seed.and_then(|text| text.parse().ok()) {
        run(Number::Made(seed), &case(seed, &examples));
        return;
    }
    for number in 0..CASES {
        let _replay = Replay {
            what: format!("{SEED_VARIABLE}={number} cargo test -p tests --test fuzz -- {name}"),
        };
        run(Number::Made(number), &case(number, &examples));
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

#[test]
fn a_case_that_does_not_end_is_named_with_its_number() {
    let watchdog = Watchdog::default();
    let case = Case {
        body: "frames",
        number: Number::Made(7),
    };
    let later = || Instant::now() + PATIENCE + Duration::from_secs(1);
    let named = watchdog.watch(case, || {
        assert!(watchdog.overdue(Instant::now()).is_none());
        watchdog.overdue(later()).map(|case| case.to_string())
    });
    let named = named.expect("it is late");
    assert!(
        named.contains("TICKWIRE_SEED=7") && named.ends_with("frames"),
        "{named}"
    );
    assert!(watchdog.overdue(later()).is_none(), "it has ended");
}
