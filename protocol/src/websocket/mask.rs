//! The mask of section 5.3: an XOR with four bytes that repeat.

/// XORs `bytes` with `key`, where `bytes` starts `offset` bytes into the payload. Its own inverse.
pub(super) fn apply(key: [u8; 4], offset: usize, bytes: &mut [u8]) {
    let turned: [u8; 4] = core::array::from_fn(|i| key[(offset + i) % 4]);
    let word = u64::from_ne_bytes([
        turned[0], turned[1], turned[2], turned[3], turned[0], turned[1], turned[2], turned[3],
    ]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn masking_in_pieces_equals_the_definition_byte_by_byte(
            key: [u8; 4],
            payload in prop::collection::vec(any::<u8>(), 0..64),
            cut in 0_usize..64,
        ) {
            let by_definition: Vec<u8> =
                payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            let mut in_pieces = payload.clone();
            let cut = cut.min(payload.len());
            let (head, tail) = in_pieces.split_at_mut(cut);
            super::apply(key, 0, head);
            super::apply(key, cut, tail);
            prop_assert_eq!(in_pieces, by_definition);
        }
    }
}
