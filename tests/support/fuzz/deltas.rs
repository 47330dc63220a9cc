//! The body for deltas: states of groups against any bytes and any baseline.

use tickwire_protocol::{
    coding::Reader,
    delta::{Baseline, Decoder, Encoder, GroupState},
    entropy::Codebook,
    id::NetworkId,
    limits::VALUES_PER_GROUP_MAX,
    schema::Schema,
};

use super::{Target, choices::Choices, schemas::example_schema};

/// The decoder of deltas.
pub const TARGETS: [Target; 1] = [Target {
    name: "delta",
    examples: delta_examples,
    body: delta,
    memory_per_byte: 4096,
    // A range coder says "as expected" in no bytes at all, so a state's size is bounded by the limit
    // alone: some bytes for each value, in two states.
    memory_fixed: 40 * VALUES_PER_GROUP_MAX,
}];

/// A state that follows from a few decisions; the same id always has the same components.
fn example_state(schema: &Schema, choices: &mut Choices<'_>) -> GroupState {
    let mut state = GroupState::new();
    for mask in 1..8u128 {
        let table = state.table_mut(schema, mask);
        let rows = choices.below(12);
        let mut id = mask as u32;
        for _ in 0..rows {
            id += 8 * (1 + choices.below(3) as u32);
            let row = table.push(NetworkId(id));
            for column in &mut table.columns {
                let value = i32::from(choices.byte()) * 251;
                column.values[row] = value & (i32::MAX >> (31 - u32::from(column.bits)));
            }
            for blob in &mut table.blobs {
                blob.values[row] = bytes::Bytes::copy_from_slice(choices.bytes(8));
            }
        }
    }
    state.follow(None);
    state
}

/// Bytes that decode give a state that encodes, against the same baseline, to bytes of the same state.
fn delta(bytes: &[u8]) {
    let (seed, section) = bytes.split_at(bytes.len().min(16));
    let schema = example_schema();
    let codebook = Codebook::initial(&schema);
    let old = example_state(&schema, &mut Choices::new(seed));
    let ticks_since = u32::from(seed.first().copied().unwrap_or(0)) % 32 + 1;
    let baseline = Baseline {
        state: &old,
        ticks_since,
    };
    let baseline = (seed.get(1).copied().unwrap_or(0) & 1 == 1).then_some(baseline);

    let mut decoder = Decoder::new();
    let mut state = GroupState::new();
    if decoder
        .decode(
            &schema,
            &codebook,
            baseline,
            &mut Reader::new(section),
            &mut state,
        )
        .is_err()
    {
        return;
    }
    let mut again = Vec::new();
    Encoder::new().encode(&schema, &codebook, baseline, &state, &mut again);
    let mut reader = Reader::new(&again);
    let mut decoded = GroupState::new();
    decoder
        .decode(&schema, &codebook, baseline, &mut reader, &mut decoded)
        .expect("what was decoded encodes to something that decodes");
    assert!(
        reader.is_empty(),
        "an encoded section has bytes behind its end"
    );
    assert!(decoded.shows_same_as(&state), "a state changed on its way");
}

fn delta_examples() -> Vec<Vec<u8>> {
    let schema = example_schema();
    let codebook = Codebook::initial(&schema);
    let example = |number: u8| {
        let seed = [number; 16];
        let old = example_state(&schema, &mut Choices::new(&seed));
        let new = example_state(&schema, &mut Choices::new(&[number.wrapping_add(1); 400]));
        let baseline = Baseline {
            state: &old,
            ticks_since: u32::from(number) % 32 + 1,
        };
        let mut bytes = seed.to_vec();
        Encoder::new().encode(
            &schema,
            &codebook,
            (number & 1 == 1).then_some(baseline),
            &new,
            &mut bytes,
        );
        bytes
    };
    (0..24).map(example).collect()
}
