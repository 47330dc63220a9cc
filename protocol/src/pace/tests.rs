//! The pace on simulated links: how long what is urgent waits, and what bulk gets.

use super::{
    link::{Link, Lived, Stalls},
    *,
};

/// Mbit/s and milliseconds of round trip.
const LINKS: [(u64, u64); 4] = [(5, 80), (20, 40), (100, 20), (20, 100)];

const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

/// A few seconds after the start, and the start.
fn live(link: &mut Link) -> (Pace, Lived, Lived) {
    let mut pace = Pace::default();
    let start = link.run(&mut pace, Micros::from_millis(2000));
    let then = link.run(&mut pace, Micros::from_millis(5000));
    (pace, start, then)
}

/// What two packets take on a link.
fn packets(mbit: u64) -> Micros {
    Micros(2 * 12_000 / mbit)
}

#[test]
fn a_link_is_filled_and_its_queue_stays_short() {
    for (mbit, rtt) in LINKS {
        for seed in SEEDS {
            let mut link = Link::new(mbit, Micros::from_millis(rtt), Stalls::NONE, seed);
            let (pace, _, then) = live(&mut link);
            let what = format!("{mbit} Mbit/s, {rtt} ms, seed {seed}: {then:?}");
            // Snapshots take 0.4 % of 20 Mbit/s.
            assert!(then.share >= 0.998 - 0.08 / mbit as f64, "{what}");
            assert!(then.wait_p50 <= Micros(2_600) + packets(mbit), "{what}");
            assert!(
                then.wait_p99 <= Micros(4_000) + packets(mbit),
                "{what} {:?}",
                pace.phase
            );
        }
    }
}

#[test]
fn on_a_busy_machine_the_link_is_filled_too() {
    for (mbit, rtt) in LINKS {
        for seed in SEEDS {
            let mut link = Link::new(mbit, Micros::from_millis(rtt), Stalls::BUSY, seed);
            let (_, _, then) = live(&mut link);
            let what = format!("{mbit} Mbit/s, {rtt} ms, seed {seed}: {then:?}");
            // On a short way 2 ms of a late turn are made up for, and 3 elsewhere.
            let (share, wait) = if rtt < 30 {
                (0.955, 6_500)
            } else {
                (0.975, 9_000)
            };
            assert!(then.share >= share - 0.08 / mbit as f64, "{what}");
            assert!(then.wait_p99 <= Micros(wait) + packets(mbit), "{what}");
        }
    }
}

#[test]
fn the_start_overshoots_by_a_part_of_the_round_trip() {
    for (mbit, rtt) in LINKS {
        for (stalls, most) in [(Stalls::NONE, rtt / 2), (Stalls::BUSY, rtt * 2 / 3)] {
            for seed in SEEDS {
                let mut link = Link::new(mbit, Micros::from_millis(rtt), stalls, seed);
                let (_, start, _) = live(&mut link);
                let what = format!("{mbit} Mbit/s, {rtt} ms, seed {seed}: {start:?}");
                assert!(start.wait_max <= Micros::from_millis(most), "{what}");
            }
        }
    }
}

#[test]
fn bursts_of_acknowledgements_do_not_look_like_a_faster_link() {
    for seed in SEEDS {
        let mut link = Link::new(20, Micros::from_millis(40), Stalls::BUSY, seed);
        let (pace, _, _) = live(&mut link);
        let estimated = pace.rate.bytes_per_second() as f64 / link.bytes_per_second as f64;
        assert!((0.9..1.05).contains(&estimated), "{estimated}");
    }
}

#[test]
fn a_link_that_becomes_slower_or_faster_is_followed() {
    let mut link = Link::new(20, Micros::from_millis(40), Stalls::NONE, 1);
    let mut pace = Pace::default();
    link.run(&mut pace, Micros::from_millis(2000));
    for (change, mbit) in [("slower", 5), ("faster", 20)] {
        link.bytes_per_second = mbit * 125_000;
        link.run(&mut pace, Micros::from_millis(3000));
        let then = link.run(&mut pace, Micros::from_millis(2000));
        assert!(
            then.share >= 0.97 && then.wait_p99 <= Micros(12_000),
            "{change}: {then:?}"
        );
    }
}

#[test]
fn a_way_that_becomes_longer_is_not_taken_for_a_queue_for_long() {
    for (mbit, rtt) in LINKS {
        let mut link = Link::new(mbit, Micros::from_millis(rtt), Stalls::NONE, 1);
        let mut pace = Pace::default();
        link.run(&mut pace, Micros::from_millis(2000));
        link.rtt += 25_000;
        link.run(&mut pace, Micros::from_millis(4000));
        let then = link.run(&mut pace, Micros::from_millis(3000));
        let what = format!("{mbit} Mbit/s, {rtt} ms: {then:?}");
        assert!(then.share >= 0.97, "{what}");
        assert!(then.wait_p99 <= Micros(25_000), "{what}");
    }
}

#[test]
fn a_program_with_little_to_send_does_not_make_the_link_slower() {
    let mut link = Link::new(20, Micros::from_millis(40), Stalls::NONE, 1);
    let (mut pace, ..) = live(&mut link);
    let known = pace.rate.bytes_per_second();
    let mut sample = link.sample();
    sample.in_flight = 0;
    for turn in 1..=2000 {
        sample.delivered += 1000;
        pace.handle_sample(sample, link.now() + Micros::from_millis(2 * turn));
        pace.on_written(1000);
    }
    // Until the first turns with little have passed, the old ones count.
    assert!(pace.rate.bytes_per_second() >= known - known / 1000);
}

#[test]
fn what_a_kernels_look_left_free_is_filled_at_the_links_own_rate() {
    for (mbit, rtt) in LINKS {
        let mut link = Link::new(mbit, Micros::from_millis(rtt), Stalls::NONE, 1);
        let (mut pace, ..) = live(&mut link);
        let mut sample = link.sample();
        sample.in_flight = 0;
        let mut turn = 0;
        let mut look = |sample: &mut Sample, window_packets| {
            turn += 2;
            sample.window_packets = window_packets;
            pace.handle_sample(*sample, link.now() + Micros::from_millis(turn));
            let room = pace.room_bytes();
            pace.on_written(room);
            sample.in_flight += room as u64;
            room as u64
        };
        look(&mut sample, 200);
        sample.in_flight = 0;
        let shut: u64 = (0..150).map(|_| look(&mut sample, 4)).sum();
        assert_eq!(shut, SEGMENT_BYTES, "{mbit} Mbit/s");
        let per_milli = mbit * 125;
        let mut filled = 0;
        for _ in 0..rtt / 2 {
            let room = look(&mut sample, 200);
            assert!(room <= (6 * per_milli).max(2 * SEGMENT_BYTES), "{room}");
            filled += room;
        }
        let share = filled as f64 / (per_milli * rtt) as f64;
        assert!((0.8..1.3).contains(&share), "{mbit} Mbit/s: {share}");
    }
}

#[test]
fn an_acknowledgement_held_back_does_not_end_the_start() {
    let mut pace = Pace::default();
    let mut sample = Sample {
        delivered: 0,
        in_flight: 10_000,
        unsent: 0,
        rtt: Micros::from_millis(40),
        rtt_min: Micros::from_millis(40),
        window_packets: u64::MAX,
        window_bytes: u64::MAX,
        pacing_bytes_per_second: u64::MAX,
    };
    for turn in 0..40 {
        // One jump of an eighth of 40 ms, from which the smoothing comes back.
        sample.rtt = Micros(40_000 + if turn == 20 { 5_000 } else { 500 });
        sample.delivered += 4000;
        pace.handle_sample(sample, Micros::from_millis(2 * turn));
    }
    assert!(matches!(pace.phase, Phase::Start(_)), "{pace:?}");
}

#[test]
fn a_round_trip_that_was_long_before_the_start_does_not_end_it() {
    let mut pace = Pace::default();
    // What a ping took while the server was busy, which the smoothing forgets an eighth at a time.
    let mut stale = 15_000;
    for turn in 0..40 {
        stale -= stale / 8;
        let sample = Sample {
            delivered: 2000 * turn,
            in_flight: 10_000,
            unsent: 0,
            rtt: Micros(20_500 + stale),
            rtt_min: Micros(20_500),
            window_packets: u64::MAX,
            window_bytes: u64::MAX,
            pacing_bytes_per_second: u64::MAX,
        };
        pace.handle_sample(sample, Micros::from_millis(2 * turn));
        assert!(matches!(pace.phase, Phase::Start(_)), "turn {turn}");
    }
}

#[test]
fn chunks_and_what_waits_in_the_kernel_follow_the_rate() {
    for (mbit, chunk) in [(5, 3_750), (20, 15_000), (100, BULK_MESSAGE_BYTES_MAX)] {
        let mut link = Link::new(mbit, Micros::from_millis(40), Stalls::NONE, 1);
        let (pace, ..) = live(&mut link);
        let is = pace.chunk_bytes();
        assert!(is.abs_diff(chunk) < chunk / 10, "{mbit} Mbit/s: {is}");
        assert!(pace.unsent_bytes_max() >= mbit * 700);
    }
}

#[test]
fn a_pump_that_turns_late_leaves_more_under_way() {
    let ahead = |millis: [u64; 2], rtt_millis| {
        let rtt_min = Micros::from_millis(rtt_millis);
        let mut turns = Turns::default();
        for turn in 0..200 {
            turns.note(Micros::from_millis(millis[turn % 2]), rtt_min);
        }
        turns.ahead(rtt_min)
    };
    let (prompt, late) = (ahead([2, 2], 40), ahead([5, 2], 40));
    assert!(prompt <= Micros(3_600), "{prompt:?}");
    assert!(late >= prompt + Micros(900), "{late:?}");
    // However late, no more than so much stands in front of what is urgent, and less on a short way.
    assert!(ahead([50, 50], 40) <= Micros(4_500));
    assert!(ahead([50, 50], 20) <= Micros(3_000));
}

#[test]
fn a_longer_round_trip_is_looked_ahead_for_a_little_more() {
    let ahead = |millis| Turns::default().ahead(Micros::from_millis(millis));
    assert!(ahead(20) < ahead(40) && ahead(40) < ahead(80));
    assert_eq!(ahead(80), ahead(1000));
}

#[test]
fn before_anything_is_known_one_message_may_go() {
    assert_eq!(Pace::default().room_bytes(), BULK_MESSAGE_BYTES_MAX);
}

#[test]
fn no_sample_makes_it_panic() {
    let mut pace = Pace::default();
    let mut random = 7_u64;
    let mut any = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Numbers of every size.
        random >> (random % 60)
    };
    for turn in 0..10_000 {
        let sample = Sample {
            delivered: any(),
            in_flight: any(),
            unsent: any(),
            rtt: Micros(any() >> 16),
            rtt_min: Micros(any() >> 16),
            window_packets: any() % 9,
            window_bytes: any(),
            pacing_bytes_per_second: any(),
        };
        pace.handle_sample(sample, Micros(turn * (any() >> 40)));
        pace.on_written(pace.room_bytes().min(pace.chunk_bytes()));
    }
}
