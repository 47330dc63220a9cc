//! How a game's types become rows of integers and come back.
//!
//! In: a value of a type that derives [`Replicate`]. Out: its integers and blobs, into the columns of a
//! [`Table`](crate::delta::Table) or, for a value that travels alone (an input, a list's element), into
//! bytes. The decision to question: describing, quantising and restoring are three mirrored walks over the
//! fields, written by the derive. One generic walk would need dynamic dispatch per field in the hot path.

mod by_name;
mod describe;
mod mix;
#[doc(hidden)]
pub mod otherwise;
mod quantise;
mod reader;
mod writer;

pub use by_name::{encode_by_name, integer, number};
pub use describe::ShapeWriter;
pub use mix::{mix_angles, mix_floats};
pub use quantise::{FloatRange, IntegerRange, quantise_angle, restore_angle};
pub use reader::RowReader;
pub use tickwire_derive::Replicate;
pub use writer::{Notes, RowWriter};

use crate::{
    error::DecodeError,
    id::NetworkId,
    schema::{ComponentSchema, Rules},
};

/// A type that both ends hold alike: a replicated component, an input, or a part of one.
///
/// Derive it; the attributes on fields say what precision they need.
///
/// ```
/// use tickwire_protocol::replicate::Replicate;
///
/// #[derive(Replicate, Clone, Debug, PartialEq)]
/// struct Position {
///     #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
///     x: f32,
///     #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
///     y: f32,
/// }
///
/// let schema = Position::schema();
/// assert_eq!(schema.name, "Position");
/// assert_eq!(schema.shape.columns[1].path, "y");
/// assert_eq!(schema.shape.columns[1].bits, 16);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be replicated",
    note = "derive `Replicate` for it, or mark the field `#[wire(opaque)]` when serde can serialise it"
)]
pub trait Replicate: Sized + Send + Sync + 'static {
    /// The name both ends know the type by.
    const NAME: &'static str;
    /// Integer columns it flattens to.
    const COLUMNS: usize;
    /// Fields without a fixed size, however deep.
    const BLOBS: usize;

    /// Who sees it and when it is sent.
    #[must_use]
    fn rules() -> Rules {
        Rules::default()
    }

    /// Names its columns and blobs, in the order [`quantise`](Self::quantise) writes them.
    fn describe(shape: &mut ShapeWriter);

    /// Writes one row.
    fn quantise(&self, row: &mut RowWriter<'_>);

    /// Reads one row.
    ///
    /// # Errors
    /// [`DecodeError`] when the row holds what no value of this type can have written. A peer can cause it.
    fn restore(row: &mut RowReader<'_>) -> Result<Self, DecodeError>;

    /// Everything the other end must know about it.
    #[must_use]
    fn schema() -> ComponentSchema {
        let mut shape = ShapeWriter::default();
        Self::describe(&mut shape);
        ComponentSchema {
            name: Self::NAME.into(),
            rules: Self::rules(),
            shape: shape.into_shape(),
        }
    }
}

/// Entities of the game's own world as the wire names them.
///
/// A reference to what has no network id (or is not replicated any more) travels as "none". When the target
/// gets an id, loses it or gets another one, the reference follows as its component's rule lets it: one that is
/// sent once stays as it was.
pub trait EntityMap {
    /// The network id of the entity with these bits.
    fn network_id(&self, entity_bits: u64) -> Option<NetworkId>;
    /// The bits of the entity with this network id.
    fn entity_bits(&self, id: NetworkId) -> Option<u64>;
}

/// The map of an end that has no world of its own: an entity's bits are its network id.
#[derive(Clone, Copy, Debug, Default)]
pub struct SameIds;

impl EntityMap for SameIds {
    fn network_id(&self, entity_bits: u64) -> Option<NetworkId> {
        u32::try_from(entity_bits)
            .ok()
            .map(NetworkId)
            .filter(|&id| id != NetworkId::PLACEHOLDER)
    }

    fn entity_bits(&self, id: NetworkId) -> Option<u64> {
        // bevy's `Entity::from_bits` panics at 0, which a peer may have sent.
        (id.0 != 0).then_some(id.0.into())
    }
}

/// Appends a value that travels alone: every column's integer as a varint, then every blob after its varint
/// length, both in the order of its schema.
///
/// Entity references are taken for network ids ([`SameIds`]).
pub fn encode_value<T: Replicate>(value: &T, out: &mut Vec<u8>) {
    let mut row = RowWriter::into_bytes(out, &SameIds);
    value.quantise(&mut row);
    row.end_value();
}

/// Reads what [`encode_value`] wrote.
///
/// # Errors
/// [`DecodeError`] when the bytes are not exactly one value.
pub fn decode_value<T: Replicate>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_value_with(bytes, &SameIds)
}

/// Reads what [`encode_value`] wrote, entity references through a map of the receiving world.
///
/// # Errors
/// As [`decode_value`].
pub fn decode_value_with<T: Replicate>(
    bytes: &[u8],
    entities: &dyn EntityMap,
) -> Result<T, DecodeError> {
    let mut row = RowReader::from_bytes(bytes, T::COLUMNS, entities)?;
    let value = T::restore(&mut row)?;
    row.finish()?;
    Ok(value)
}
