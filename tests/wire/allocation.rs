//! What happens for every player in every tick allocates nothing.

use tickwire_protocol::{stream::Class, time::Tick};

use crate::examples::{NOW, Pair, at};

#[test]
fn an_input_up_and_a_snapshot_down_allocate_nothing() {
    let mut pair = Pair::open();
    let mut message = Vec::with_capacity(4096);
    let mut input = Vec::with_capacity(256);
    let mut round = |tick: Tick| {
        pair.client.push_input(tick, b"held keys").expect("open");
        message.clear();
        assert!(pair.client.poll_transmit(1000, NOW, &mut message));
        pair.server
            .handle_message(&message, at(tick))
            .expect("a sound message");
        assert_eq!(pair.server.poll_input(tick, &mut input), Some(tick));
        assert_eq!(pair.server.poll_input(tick, &mut input), None);
        message.clear();
        assert!(
            !pair
                .server
                .poll_transmit(Class::Bulk, 1000, at(tick), &mut message)
        );
        pair.server.begin_snapshot(&mut message);
        message.extend_from_slice(&[7; 600]);
        pair.server.end_snapshot(600);
        let snapshot = pair
            .client
            .handle_message(&message, NOW)
            .expect("a sound message");
        assert_eq!(snapshot.map(<[u8]>::len), Some(600));
    };
    round(Tick(100));
    let counted = allocation_counter::measure(|| {
        for tick in 101..1101 {
            round(Tick(tick));
        }
    });
    assert_eq!(counted.count_total, 0);
}
