//! A folder that a test or a bench writes files into, gone with it.

use std::{
    fs, io,
    ops::Deref,
    path::{Path, PathBuf},
};

/// A new folder among the system's temporary ones. It is removed, with all that is in it, when this is dropped:
/// also when a test panics.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one. No two of a process may have the same name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(name: &str) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("tickwire-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
