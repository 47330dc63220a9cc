//! One player's snapshot: its own small header, then sections that it shares with others.
//!
//! In: on the server, what a player is to learn at a tick. Out: bytes; and on the client, from those bytes, a
//! [`Replica`]. Both halves of everything but the sections' inside (that is [`delta`](crate::delta)) are here.
//! The decision to question: a section names its baseline only by "so many ticks before". The socket is
//! ordered and reliable, so the server knows which state the client holds; a checksum on demand proves it.
//!
//! ```text
//! flags      1 byte: which of the optional parts follow
//! ticks      varint, ticks since the snapshot before (the first one counts from tick 0)
//! [input]    signed varint, how many ticks the newest input taken lies behind
//! [margin]   1 byte, two's complement: ticks to spare that the latest input had
//! [own]      varint, the player's own entity plus one, or 0 for none; stays until it is sent anew
//! [codebook] varint length, bytes; stays until it is sent anew
//! [checksum] 8 bytes, of everything the client holds after this snapshot
//! dropped    varint count, then the groups that are out of view: the first, then gaps less one
//! sections   to the end: varint group, varint ticks since the baseline (0: none), the delta
//! ```

mod applied;
mod checksum;
mod index;
mod replica;

pub use applied::Applied;
pub use checksum::group_checksum;
pub use replica::{Replica, Row};

use crate::{
    coding::{Reader, put_length_prefixed, put_signed, put_varint},
    error::DecodeError,
    id::NetworkId,
    limits::{CODEBOOK_BYTES_MAX, GROUPS_PER_PLAYER_MAX},
    time::Tick,
};

const HAS_INPUT: u8 = 1;
const HAS_MARGIN: u8 = 1 << 1;
const HAS_OWN: u8 = 1 << 2;
const HAS_CODEBOOK: u8 = 1 << 3;
const HAS_CHECKSUM: u8 = 1 << 4;
const IS_PARTIAL: u8 = 1 << 5;
const FLAGS_KNOWN: u8 = (1 << 6) - 1;

/// One thing that players see together: the room or a part of it, a cell of the interest grid, what one team
/// or one player alone may see. Numbers are the server's and used again; a client is told when one ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId(pub u32);

/// What stands at the front of a snapshot and concerns this player alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The tick the room had finished.
    pub tick: Tick,
    /// The newest input of this player that the room has applied.
    pub input: Option<Tick>,
    /// Ticks to spare that the latest inputs had at least; negative when they came too late.
    pub input_margin_ticks: Option<i8>,
    /// The player's own entity.
    pub own_entity: Option<NetworkId>,
    /// What [`Replica::checksum`] must give after this snapshot; present when it was asked for.
    pub checksum: Option<u64>,
    /// Whether everything in view is as of this tick; false when the byte budget made something wait.
    pub is_complete: bool,
}

/// What the front of a snapshot says, as it is on the wire: against what the client knows already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preamble<'a> {
    /// Ticks since the snapshot before.
    pub ticks: u32,
    /// See [`SnapshotHeader::input`].
    pub input: Option<Tick>,
    /// See [`SnapshotHeader::input_margin_ticks`].
    pub input_margin_ticks: Option<i8>,
    /// The own entity, when it changed.
    pub own_entity: Option<Option<NetworkId>>,
    /// The codebook, when the client has another one.
    pub codebook: Option<&'a [u8]>,
    /// See [`SnapshotHeader::checksum`].
    pub checksum: Option<u64>,
    /// The opposite of [`SnapshotHeader::is_complete`].
    pub is_partial: bool,
}

impl<'a> Preamble<'a> {
    /// Appends it; `tick` is the snapshot's own.
    pub fn encode(&self, tick: Tick, out: &mut Vec<u8>) {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        out.push(
            flag(self.input.is_some(), HAS_INPUT)
                | flag(self.input_margin_ticks.is_some(), HAS_MARGIN)
                | flag(self.own_entity.is_some(), HAS_OWN)
                | flag(self.codebook.is_some(), HAS_CODEBOOK)
                | flag(self.checksum.is_some(), HAS_CHECKSUM)
                | flag(self.is_partial, IS_PARTIAL),
        );
        put_varint(out, self.ticks.into());
        if let Some(input) = self.input {
            put_signed(out, tick.since(input).into());
        }
        if let Some(margin) = self.input_margin_ticks {
            out.push(margin.cast_unsigned());
        }
        if let Some(own) = self.own_entity {
            put_varint(out, own.map_or(0, |id| u64::from(id.0) + 1));
        }
        if let Some(codebook) = self.codebook {
            put_length_prefixed(out, codebook);
        }
        if let Some(checksum) = self.checksum {
            out.extend_from_slice(&checksum.to_le_bytes());
        }
    }

    /// Takes it off the front of a snapshot; `before` is the tick of the snapshot before.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are no preamble.
    pub fn decode(reader: &mut Reader<'a>, before: Tick) -> Result<Self, DecodeError> {
        let flags = reader.u8("snapshot flags")?;
        if flags & !FLAGS_KNOWN != 0 {
            return Err(DecodeError::OutOfRange("snapshot flags"));
        }
        let has = |flag: u8| flags & flag != 0;
        let ticks = reader.varint_u32("snapshot tick")?;
        let tick = before + ticks;
        Ok(Self {
            ticks,
            input: has(HAS_INPUT)
                .then(|| decode_input(reader, tick))
                .transpose()?,
            input_margin_ticks: has(HAS_MARGIN)
                .then(|| reader.u8("input margin").map(u8::cast_signed))
                .transpose()?,
            own_entity: has(HAS_OWN).then(|| decode_own(reader)).transpose()?,
            codebook: has(HAS_CODEBOOK)
                .then(|| reader.length_prefixed(CODEBOOK_BYTES_MAX, "codebook"))
                .transpose()?,
            checksum: has(HAS_CHECKSUM)
                .then(|| reader.u64("checksum"))
                .transpose()?,
            is_partial: has(IS_PARTIAL),
        })
    }
}

fn decode_input(reader: &mut Reader<'_>, tick: Tick) -> Result<Tick, DecodeError> {
    let behind = i32::try_from(reader.signed("input receipt")?)
        .map_err(|_| DecodeError::OutOfRange("input receipt"))?;
    Ok(Tick(tick.0.wrapping_sub(behind.cast_unsigned())))
}

fn decode_own(reader: &mut Reader<'_>) -> Result<Option<NetworkId>, DecodeError> {
    match reader.varint("own entity")? {
        0 => Ok(None),
        id => u32::try_from(id - 1)
            .map(|id| Some(NetworkId(id)))
            .map_err(|_| DecodeError::OutOfRange("own entity")),
    }
}

/// Appends the groups that are out of view, which must ascend.
pub fn encode_dropped(dropped: &[GroupId], out: &mut Vec<u8>) {
    put_varint(out, dropped.len() as u64);
    let mut least = 0;
    for group in dropped {
        debug_assert!(group.0 >= least, "groups ascend");
        put_varint(out, u64::from(group.0 - least));
        least = group.0 + 1;
    }
}

/// Replaces `dropped` by the groups that are out of view.
///
/// # Errors
/// [`DecodeError`] when the bytes are no such list.
pub fn decode_dropped(
    reader: &mut Reader<'_>,
    dropped: &mut Vec<GroupId>,
) -> Result<(), DecodeError> {
    dropped.clear();
    let mut least = 0u32;
    for _ in 0..reader.count(GROUPS_PER_PLAYER_MAX, "dropped groups")? {
        let gap = reader.varint_u32("dropped group")?;
        let group = least
            .checked_add(gap)
            .ok_or(DecodeError::OutOfRange("dropped group"))?;
        dropped.push(GroupId(group));
        least = group
            .checked_add(1)
            .ok_or(DecodeError::OutOfRange("dropped group"))?;
    }
    Ok(())
}

/// Appends the front of a section: which group, and how many ticks before this one its baseline was current.
/// `None` is no baseline: a keyframe follows.
pub fn encode_section_front(group: GroupId, ticks_since: Option<u32>, out: &mut Vec<u8>) {
    debug_assert_ne!(ticks_since, Some(0), "a state is never its own baseline");
    put_varint(out, group.0.into());
    put_varint(out, ticks_since.unwrap_or(0).into());
}

/// Takes the front of a section.
///
/// # Errors
/// [`DecodeError`] when the bytes are none.
pub fn decode_section_front(
    reader: &mut Reader<'_>,
) -> Result<(GroupId, Option<u32>), DecodeError> {
    let group = GroupId(reader.varint_u32("group")?);
    let ticks = reader.varint_u32("baseline")?;
    Ok((group, (ticks > 0).then_some(ticks)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_preamble_comes_back(
            before: u32, ticks: u32, behind in proptest::option::of(-1000i32..1000), margin: Option<i8>,
            own in proptest::option::of(proptest::option::of(0u32..u32::MAX)), checksum: Option<u64>, is_partial: bool,
            codebook in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..100)),
        ) {
            let tick = Tick(before) + ticks;
            let preamble = Preamble {
                ticks,
                input: behind.map(|behind| Tick(tick.0.wrapping_sub(behind.cast_unsigned()))),
                input_margin_ticks: margin,
                own_entity: own.map(|own| own.map(NetworkId)),
                codebook: codebook.as_deref(),
                checksum,
                is_partial,
            };
            let mut bytes = Vec::new();
            preamble.encode(tick, &mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Preamble::decode(&mut reader, Tick(before)), Ok(preamble));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn dropped_groups_come_back(groups in proptest::collection::btree_set(0u32..u32::MAX, 0..50)) {
            let groups: Vec<_> = groups.into_iter().map(GroupId).collect();
            let mut bytes = Vec::new();
            encode_dropped(&groups, &mut bytes);
            let mut back = vec![GroupId(7)];
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(decode_dropped(&mut reader, &mut back), Ok(()));
            prop_assert_eq!(back, groups);
            prop_assert!(reader.is_empty());
        }
    }
}
