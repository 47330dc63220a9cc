//! Streams whose records are values of one type.
//!
//! In: values of the program's types. Out: the same at the other end, each from one record. A value may
//! be larger than a window: its chunks are put together as they come.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{ApiMisuse, ReceiveError},
    messagepack,
    mux::{Mux, Write},
    stream::Stream,
    time::Micros,
};

impl<T: Serialize> Stream<T> {
    /// Queues one value.
    ///
    /// # Errors
    /// As [`Mux::write`], and [`ApiMisuse::Unencodable`].
    pub fn write(self, mux: &mut Mux, value: &T, now: Micros) -> Result<Write, ApiMisuse> {
        mux.write(self.id(), messagepack::to_vec(value)?.into(), now)
    }
}

impl<T: DeserializeOwned> Stream<T> {
    /// Takes the next value, if a whole one came.
    ///
    /// # Errors
    /// As [`Mux::read_record`]; [`ReceiveError::Decode`] when a record is no `T`.
    pub fn read(self, mux: &mut Mux, now: Micros) -> Result<Option<T>, ReceiveError> {
        match mux.read_record(self.id(), now)? {
            Some(record) => Ok(Some(messagepack::from_slice(&record)?)),
            None => Ok(None),
        }
    }
}
