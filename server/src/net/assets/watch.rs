//! What tells that a directory has changed.
//!
//! In: a look now and then. Out: what it holds, if that is new, or why nobody can say. What is wrong with a
//! directory stays wrong for many looks, and is told once.

use std::path::{Path, PathBuf};

use super::scan::{AssetError, Found, fingerprint};

/// A directory as it was read last.
#[derive(Debug)]
pub(super) struct Watch {
    directory: PathBuf,
    seen: Vec<Found>,
    /// What was wrong with it at the last look.
    said: Option<String>,
}

impl Watch {
    pub(super) fn begin(directory: &Path) -> Result<Self, AssetError> {
        Ok(Self {
            directory: directory.to_owned(),
            seen: fingerprint(directory)?,
            said: None,
        })
    }

    /// What `read` makes of the directory if it has changed since it was read last.
    ///
    /// # Errors
    /// [`AssetError`], unless the last look has told the same.
    pub(super) fn poll<T>(
        &mut self,
        read: impl FnOnce() -> Result<T, AssetError>,
    ) -> Result<Option<T>, AssetError> {
        match self.read_changed(read) {
            Ok(new) => {
                self.said = None;
                Ok(new)
            }
            Err(error) => {
                let said = self.said.replace(error.to_string());
                if said == self.said {
                    Ok(None)
                } else {
                    Err(error)
                }
            }
        }
    }

    fn read_changed<T>(
        &mut self,
        read: impl FnOnce() -> Result<T, AssetError>,
    ) -> Result<Option<T>, AssetError> {
        let now = fingerprint(&self.directory)?;
        if now == self.seen {
            return Ok(None);
        }
        let new = read();
        // A file that nobody may open yet becomes readable without a change that shows.
        if !matches!(new, Err(AssetError::Unreadable { .. })) {
            self.seen = now;
        }
        new.map(Some)
    }
}
