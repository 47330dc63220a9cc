//! The fuzz bodies as tests: some thousand cases each, the same every time.
//!
//! For longer: `TICKWIRE_FUZZ_SECONDS=600 cargo test --release -p tests --test fuzz -- websocket`.
//! One case again: `TICKWIRE_SEED=number cargo test -p tests --test fuzz -- NAME`.

use std::{
    env,
    time::{Duration, Instant},
};

use tests::{
    fuzz::{Target, case, targets},
    seeds::{Replay, SEED_VARIABLE},
};

/// How long to fuzz each body, in seconds, with fresh cases.
const SECONDS_VARIABLE: &str = "TICKWIRE_FUZZ_SECONDS";

/// Cases of one body in an ordinary test run.
const CASES: u64 = 20_000;

fn number_from(variable: &str) -> Option<u64> {
    env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn fuzz(name: &str) {
    let target = targets()
        .find(|target| target.name == name)
        .expect("a body has this name");
    let examples = (target.examples)();
    for (number, example) in examples.iter().enumerate() {
        let _replay = Replay {
            what: format!("example {number} of {name}"),
        };
        run(target, example);
    }
    if let Some(seed) = number_from(SEED_VARIABLE) {
        run(target, &case(seed, &examples));
        return;
    }
    let until =
        number_from(SECONDS_VARIABLE).map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let is_over = |number| until.map_or(number >= CASES, |until| Instant::now() >= until);
    for number in (0..).take_while(|number| !is_over(*number)) {
        let _replay = Replay {
            what: format!("{SEED_VARIABLE}={number} cargo test -p tests --test fuzz -- {name}"),
        };
        run(target, &case(number, &examples));
    }
}

/// Runs one case and holds it to its memory: a peer pays for what it sends, never for what it claims.
fn run(target: &Target, bytes: &[u8]) {
    let used = allocation_counter::measure(|| (target.body)(bytes));
    let allowed = target.memory_fixed + target.memory_per_byte * bytes.len();
    let held = usize::try_from(used.bytes_max).expect("memory has an address");
    assert!(
        held <= allowed,
        "{} bytes made {} hold {held} bytes, {allowed} are allowed",
        bytes.len(),
        target.name
    );
    assert_eq!(used.bytes_current, 0, "{} left memory behind", target.name);
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
