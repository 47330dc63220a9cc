//! What tells that a directory has changed.
//!
//! In: a look now and then. Out: whether it is to be read again, or why nobody can say. What is wrong with a
//! directory stays wrong for many looks, and is told once.

use std::path::{Path, PathBuf};

use super::scan::{AssetError, Found, fingerprint};

/// A directory as it was seen last.
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

    /// Whether the directory has changed since the last look.
    ///
    /// # Errors
    /// [`AssetError`], unless the last look has told the same.
    pub(super) fn poll(&mut self) -> Result<bool, AssetError> {
        match fingerprint(&self.directory) {
            Ok(now) => {
                self.said = None;
                let has_changed = now != self.seen;
                self.seen = now;
                Ok(has_changed)
            }
            Err(error) => {
                let said = self.said.replace(error.to_string());
                if said == self.said {
                    Ok(false)
                } else {
                    Err(error)
                }
            }
        }
    }
}
