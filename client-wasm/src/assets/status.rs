//! How far the assets are, for a page to show.

/// Where one asset stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetState {
    /// Nobody asked for it.
    Idle,
    /// It was asked for, and is looked up or waits for its turn.
    Waiting,
    /// Its bytes are coming.
    Fetching,
    /// It was here, whole and checked.
    Ready,
    /// It could not be had, or was cancelled.
    Failed,
}

/// One asset as it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetStatus<'a> {
    /// Its name in the manifest.
    pub name: &'a str,
    /// Its MIME type.
    pub mime: &'a str,
    /// Bytes of it that are here.
    pub bytes: u64,
    /// Bytes it has.
    pub bytes_total: u64,
    /// Lower comes first.
    pub priority: u8,
    /// Where it stands.
    pub state: AssetState,
}

/// How far the fetching is. Of a name only its newest content counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssetProgress {
    /// Bytes that are here and count.
    pub bytes: u64,
    /// Bytes of everything that was asked for, but for what is too large to come; 0 until the manifest is
    /// here.
    pub bytes_total: u64,
    /// Assets that are ready or failed.
    pub assets: u32,
    /// Assets that were asked for.
    pub assets_total: u32,
    /// Bytes of assets that came over the network, packed as they were; a second visit leaves this at 0.
    pub bytes_fetched: u64,
}

impl AssetProgress {
    /// The part that is here, in `0.0..=1.0`; 0 until the manifest is.
    #[must_use]
    pub fn fraction(&self) -> f32 {
        match (self.bytes_total, self.assets_total) {
            (0, 0) => 0.0,
            (0, _) => 1.0,
            (total, _) => (self.bytes as f64 / total as f64) as f32,
        }
    }
}
