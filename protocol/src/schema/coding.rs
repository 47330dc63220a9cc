//! A schema as bytes and back, and the hash both ends compare first.
//!
//! A client decodes what any server sends: every count is bounded, and what comes out has passed the same
//! checks as a game's own registration.

use super::{
    Audience, BlobKind, BlobSchema, ColumnKind, ColumnSchema, ComponentSchema, EventDirection,
    EventSchema, Predict, Rules, Schema, SendRule, Shape,
};
use crate::{
    coding::{Reader, put_length_prefixed, put_varint},
    delta::CODEC_VERSION,
    error::DecodeError,
    limits::{
        BLOBS_PER_COMPONENT_MAX, COLUMNS_PER_COMPONENT_MAX, COMPONENTS_MAX, DEPTH_MAX, EVENTS_MAX,
        SCHEMA_NAME_BYTES_MAX, VARIANTS_MAX,
    },
};

impl Schema {
    /// Appends it, behind the version of the codec that snapshots by it are coded with: ends of two versions
    /// have two hashes, and would not understand a word.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(CODEC_VERSION);
        put_varint(out, self.components.len() as u64);
        self.components
            .iter()
            .for_each(|component| component.encode(out));
        out.push(self.input.is_some().into());
        self.input.iter().for_each(|input| input.encode(out));
        put_varint(out, self.events.len() as u64);
        for event in &self.events {
            put_length_prefixed(out, event.name.as_bytes());
            out.push(event.direction as u8);
        }
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not exactly one well-formed schema.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8("the codec's version")? != CODEC_VERSION {
            return Err(DecodeError::Invalid(
                "the codec's version: the two ends are of different builds",
            ));
        }
        let mut schema = Self::new();
        let invalid = |_| DecodeError::Invalid("a schema");
        for _ in 0..reader.count(COMPONENTS_MAX, "components")? {
            schema
                .add_component(ComponentSchema::decode(&mut reader)?)
                .map_err(invalid)?;
        }
        if flag(&mut reader, "whether there is an input")? {
            schema
                .set_input(ComponentSchema::decode(&mut reader)?)
                .map_err(invalid)?;
        }
        for _ in 0..reader.count(EVENTS_MAX, "events")? {
            let name = text(&mut reader, "an event's name")?;
            let direction = match reader.u8("an event's direction")? {
                0 => EventDirection::ToClient,
                1 => EventDirection::ToServer,
                2 => EventDirection::Both,
                _ => return Err(DecodeError::OutOfRange("an event's direction")),
            };
            schema
                .add_event(EventSchema { name, direction })
                .map_err(invalid)?;
        }
        reader.finish("a schema")?;
        Ok(schema)
    }

    /// 64 bits that tell any two schemas apart, short of malice: FNV-1a over the encoded bytes, stirred.
    ///
    /// It saves sending the schema to who has it. It protects nobody: a wrong schema yields wrong values, never
    /// unsafe ones.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash
    }
}

impl ComponentSchema {
    fn encode(&self, out: &mut Vec<u8>) {
        put_length_prefixed(out, self.name.as_bytes());
        out.push(self.rules.audience as u8);
        put_varint(
            out,
            match self.rules.send {
                SendRule::Once => 0,
                SendRule::OnChange => 1,
                SendRule::Every(ticks) => 1 + u64::from(ticks),
            },
        );
        self.shape.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = text(reader, "a component's name")?;
        let audience = match reader.u8("an audience")? {
            0 => Audience::Everyone,
            1 => Audience::Owner,
            2 => Audience::Team,
            3 => Audience::Filtered,
            _ => return Err(DecodeError::OutOfRange("an audience")),
        };
        let send = match reader.count(1 + u16::MAX as usize, "a send rule")? {
            0 => SendRule::Once,
            1 => SendRule::OnChange,
            ticks => SendRule::Every((ticks - 1) as u16),
        };
        Ok(Self {
            name,
            rules: Rules { audience, send },
            shape: Shape::decode(reader, 0)?,
        })
    }
}

impl Shape {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.columns.len() as u64);
        self.columns.iter().for_each(|column| column.encode(out));
        put_varint(out, self.blobs.len() as u64);
        for blob in &self.blobs {
            put_length_prefixed(out, blob.path.as_bytes());
            match &blob.kind {
                BlobKind::Text => out.push(0),
                BlobKind::MessagePack => out.push(1),
                BlobKind::List(element) => {
                    out.push(2);
                    element.encode(out);
                }
            }
        }
    }

    /// Goes down [`DEPTH_MAX`] levels at most.
    fn decode(reader: &mut Reader<'_>, depth: usize) -> Result<Self, DecodeError> {
        if depth > DEPTH_MAX {
            return Err(DecodeError::OutOfRange("the depth of a schema"));
        }
        let mut shape = Self::default();
        for _ in 0..reader.count(COLUMNS_PER_COMPONENT_MAX, "columns")? {
            shape.columns.push(ColumnSchema::decode(reader)?);
        }
        for _ in 0..reader.count(BLOBS_PER_COMPONENT_MAX, "blobs")? {
            let path = text(reader, "a blob's path")?;
            let kind = match reader.u8("a blob's kind")? {
                0 => BlobKind::Text,
                1 => BlobKind::MessagePack,
                2 => BlobKind::List(Self::decode(reader, depth + 1)?),
                _ => return Err(DecodeError::OutOfRange("a blob's kind")),
            };
            shape.blobs.push(BlobSchema { path, kind });
        }
        Ok(shape)
    }
}

impl ColumnSchema {
    fn encode(&self, out: &mut Vec<u8>) {
        put_length_prefixed(out, self.path.as_bytes());
        out.extend([self.bits, self.predict as u8]);
        match &self.kind {
            ColumnKind::Float { min, step, span } => {
                out.push(0);
                out.extend(min.to_le_bytes());
                out.extend(step.to_le_bytes());
                put_varint(out, u64::from(*span));
            }
            ColumnKind::Angle => out.push(1),
            ColumnKind::FloatBits => out.push(2),
            ColumnKind::Integer { min, span } => {
                out.push(3);
                out.extend(min.to_le_bytes());
                put_varint(out, *span);
            }
            ColumnKind::High => out.push(4),
            ColumnKind::Bool => out.push(5),
            ColumnKind::Variant { names } => {
                out.push(6);
                put_varint(out, names.len() as u64);
                names
                    .iter()
                    .for_each(|name| put_length_prefixed(out, name.as_bytes()));
            }
            ColumnKind::Some => out.push(7),
            ColumnKind::Entity => out.push(8),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let path = text(reader, "a column's path")?;
        let bits = reader.u8("a column's bits")?;
        let predict = match reader.u8("a column's predictor")? {
            0 => Predict::Hold,
            1 => Predict::Linear,
            _ => return Err(DecodeError::OutOfRange("a column's predictor")),
        };
        let kind = match reader.u8("a column's kind")? {
            0 => ColumnKind::Float {
                min: reader.u64("a float's range")?,
                step: reader.u64("a float's step")?,
                span: reader.varint_u32("a float's span")?,
            },
            1 => ColumnKind::Angle,
            2 => ColumnKind::FloatBits,
            3 => ColumnKind::Integer {
                min: reader.u64("an integer's range")?.cast_signed(),
                span: reader.varint("an integer's span")?,
            },
            4 => ColumnKind::High,
            5 => ColumnKind::Bool,
            6 => {
                let mut names = Vec::new();
                for _ in 0..reader.count(VARIANTS_MAX, "variants")? {
                    names.push(text(reader, "a variant's name")?);
                }
                ColumnKind::Variant { names }
            }
            7 => ColumnKind::Some,
            8 => ColumnKind::Entity,
            _ => return Err(DecodeError::OutOfRange("a column's kind")),
        };
        Ok(Self {
            path,
            kind,
            bits,
            predict,
        })
    }
}

fn text(reader: &mut Reader<'_>, what: &'static str) -> Result<String, DecodeError> {
    reader.text(SCHEMA_NAME_BYTES_MAX, what).map(Into::into)
}

fn flag(reader: &mut Reader<'_>, what: &'static str) -> Result<bool, DecodeError> {
    match reader.u8(what)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::OutOfRange(what)),
    }
}

#[cfg(test)]
mod tests {
    use crate::{delta::CODEC_VERSION, schema::Schema};

    #[test]
    fn a_schema_of_another_codec_is_refused_and_says_why() {
        let mut bytes = Vec::new();
        Schema::new().encode(&mut bytes);
        assert_eq!(Schema::decode(&bytes), Ok(Schema::new()));
        bytes[0] = CODEC_VERSION + 1;
        let error = Schema::decode(&bytes).expect_err("it is of another version");
        assert!(error.to_string().contains("different builds"), "{error}");
    }
}
