//! Why a stream cannot be read or written any more.
//!
//! In: what ended it. Out: an [`io::Error`] of the kind that tokio's own sockets would give, with the
//! [`StreamError`] inside.

use std::io::{Error, ErrorKind};

use crate::error::DecodeError;

/// Why a stream cannot be read or written any more. Streams give it inside an [`std::io::Error`]: see
/// [`StreamError::of`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The other end does not take the stream.
    #[error("the stream was refused with code {code}: {reason}")]
    Refused {
        /// Its code.
        code: u32,
        /// For a person.
        reason: Box<str>,
    },
    /// The other end gave the stream up.
    #[error("the stream was reset with code {code}: {reason}")]
    Reset {
        /// Its code.
        code: u32,
        /// For a person.
        reason: Box<str>,
    },
    /// The connection is over, or was before the stream was opened.
    #[error("the connection is over")]
    Lost,
    /// This end gave the stream up.
    #[error("the stream was given up")]
    GivenUp,
    /// As many streams of this end are open as may be, or its options are not allowed.
    #[error("the stream cannot be opened: {0}")]
    NotOpened(Box<str>),
    /// This end has ended its direction, or never had one.
    #[error("this end of the stream has ended")]
    Ended,
    /// What came is no value of the stream's type.
    #[error("the stream's records make no sense: {0}")]
    Malformed(DecodeError),
}

impl StreamError {
    /// The stream's own error inside an error of its methods.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Self {
        let kind = match &error {
            StreamError::Refused { .. } => ErrorKind::ConnectionRefused,
            StreamError::Reset { .. } | StreamError::Lost => ErrorKind::ConnectionReset,
            StreamError::GivenUp => ErrorKind::ConnectionAborted,
            StreamError::NotOpened(_) => ErrorKind::QuotaExceeded,
            StreamError::Ended => ErrorKind::BrokenPipe,
            StreamError::Malformed(_) => ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
