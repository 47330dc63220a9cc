//! What a game delivers to its players: a directory becomes a manifest, a request becomes bytes.
//!
//! Content is found by its hash and by nothing else, so no request can name a path: there is no
//! traversal to defend against. Small files are kept in memory and shared by all who download them;
//! large ones are read ahead by one thread, so that a slow disk never holds up a room's tick.

mod changes;
mod disk;
mod download;
mod scan;
mod watch;

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tickwire_protocol::asset::{AssetHash, AssetRequest, Manifest};

pub(super) use changes::Changes;
pub use download::{Download, Progress};
pub use scan::AssetError;

use crate::stream::{Peer, StreamKind, StreamOptions};
use disk::{Disk, HashedFile};
use watch::Watch;

/// How often a watched directory is looked at.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// Why a request is turned down. The client fetches the manifest again, or gives up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No asset has this hash (any more).
    #[error("no asset has the hash {0}: fetch the manifest again")]
    Unknown(AssetHash),
    /// This content has no packed form (any more).
    #[error("the asset with the hash {0} is not packed: fetch the manifest again")]
    NotPacked(AssetHash),
    /// The offset lies beyond the end.
    #[error("the asset has {bytes} bytes, the request begins at {offset}")]
    OffsetBeyondEnd {
        /// The asset's size.
        bytes: u64,
        /// What was asked.
        offset: u64,
    },
}

impl Refusal {
    /// The number that travels with the reason.
    #[must_use]
    pub const fn code(&self) -> u32 {
        match self {
            Self::Unknown(_) | Self::NotPacked(_) => 404,
            Self::OffsetBeyondEnd { .. } => 416,
        }
    }
}

/// Where one asset's bytes are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// In memory, shared.
    Kept(Bytes),
    OnDisk(HashedFile),
}

impl Content {
    pub(super) const fn len(&self) -> u64 {
        match self {
            Self::Kept(bytes) => bytes.len() as u64,
            Self::OnDisk(file) => file.bytes,
        }
    }
}

/// One content in the forms it is delivered in.
#[derive(Clone, Debug)]
pub(super) struct Forms {
    pub(super) plain: Content,
    /// Packed, if that is smaller.
    pub(super) packed: Option<Bytes>,
}

/// Everything a directory holds, at one moment.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) manifest: Manifest,
    pub(super) encoded: Bytes,
    /// What the encoded manifest hashes to.
    pub(super) hash: AssetHash,
    pub(super) by_hash: HashMap<AssetHash, Forms>,
}

impl Contents {
    /// The manifest of some assets and all that they depend on, each once.
    fn part(&self, names: &[&str]) -> io::Result<Manifest> {
        let all = &self.manifest.assets;
        let place = |name: &&str| {
            let place = all.iter().position(|asset| asset.name == **name);
            place.ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("no asset is called {name}"),
                )
            })
        };
        let mut places = vec![];
        for name in names {
            let place = place(name)?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let mut next = 0;
        while let Some(&place) = places.get(next) {
            for &needed in &all[place].depends {
                if !places.contains(&(needed as usize)) {
                    places.push(needed as usize);
                }
            }
            next += 1;
        }
        let new_place = |old: &u32| places.iter().position(|place| *place == *old as usize);
        let assets = places.iter().map(|&place| {
            let mut asset = all[place].clone();
            // All of them are among the places by now.
            asset.depends = asset
                .depends
                .iter()
                .filter_map(new_place)
                .map(|it| it as u32)
                .collect();
            asset
        });
        Ok(Manifest::from(assets.collect::<Vec<_>>()))
    }
}

/// The assets of one directory. Cheap to clone: all clones share them.
#[derive(Clone, Debug)]
pub struct Library {
    contents: Arc<RwLock<Arc<Contents>>>,
    disk: Disk,
}

impl Library {
    /// Reads and hashes every file below `directory`, about 1 GB/s, and packs those of up to 4 MiB that
    /// shrink by an eighth or more, about 50 MB/s, as long as all that is kept fits into 256 MiB.
    ///
    /// A file `assets.json` at its top may say more of each: see [`AssetError::Description`]. Links are followed;
    /// what is no file, such as a pipe or a link to nothing, is left out.
    ///
    /// # Errors
    /// [`AssetError`] names the file and what is wrong with it.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, AssetError> {
        let contents = scan_logged(directory.as_ref(), &span(directory.as_ref()), "read")?;
        Ok(Self {
            contents: Arc::new(RwLock::new(Arc::new(contents))),
            disk: Disk::start(),
        })
    }

    /// Like [`open`](Self::open), and then looks for changes once a second, for development.
    ///
    /// Players who are connected are told within two seconds and fetch what is new of it; who comes later, or
    /// comes back, gets it with the manifest. A change that cannot be read is logged, once, and leaves the library as
    /// it was.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn watch(directory: impl AsRef<Path>) -> Result<Self, AssetError> {
        let directory = directory.as_ref().to_owned();
        let mut watch = Watch::begin(&directory)?;
        let library = Self::open(&directory)?;
        let contents = Arc::downgrade(&library.contents);
        std::thread::spawn(move || {
            let span = span(&directory);
            loop {
                std::thread::sleep(WATCH_PERIOD);
                let Some(contents) = contents.upgrade() else {
                    return;
                };
                match watch.poll(|| scan_logged(&directory, &span, "changed")) {
                    Ok(None) => {}
                    Ok(Some(new)) => {
                        *contents.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                    }
                    Err(error) => span.in_scope(|| {
                        tracing::warn!(%error, "changed and cannot be read; the old ones stay");
                    }),
                }
            }
        });
        Ok(library)
    }

    /// What the directory holds now.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        self.contents().manifest.clone()
    }

    /// Answers one request.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such content or offset.
    pub fn serve(&self, request: &AssetRequest) -> Result<Download, Refusal> {
        let contents = self.contents();
        let (content, offset) = match request {
            AssetRequest::NewerManifest { known } if *known == contents.hash => {
                (Content::Kept(Bytes::new()), 0)
            }
            AssetRequest::Manifest | AssetRequest::NewerManifest { .. } => {
                (Content::Kept(contents.encoded.clone()), 0)
            }
            AssetRequest::Content {
                hash,
                offset,
                packed,
            } => {
                let forms = contents.by_hash.get(hash).ok_or(Refusal::Unknown(*hash))?;
                let content = if *packed {
                    let packed = forms.packed.clone();
                    Content::Kept(packed.ok_or(Refusal::NotPacked(*hash))?)
                } else {
                    forms.plain.clone()
                };
                (content, *offset)
            }
        };
        let bytes = content.len();
        if offset > bytes {
            return Err(Refusal::OffsetBeyondEnd { bytes, offset });
        }
        Ok(Download::new(content, offset, self.disk.clone()))
    }

    /// Has a player fetch assets that it may not have asked for, and what they depend on. Returns once the
    /// player's end has read what they are; the bytes follow on its own requests, and only those that its
    /// cache does not hold.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) for a name that the directory does not have; the errors of a
    /// stream that the player's end refuses, because it takes no assets, or that ends with its connection.
    pub async fn push(&self, to: &Peer, names: &[&str]) -> io::Result<()> {
        let pushed = self.contents().part(names)?;
        let mut stream = to.open(StreamOptions::new(StreamKind::Asset));
        stream.send(pushed.encode().into()).await?;
        stream.finished().await
    }

    fn contents(&self) -> Arc<Contents> {
        self.contents
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn span(directory: &Path) -> tracing::Span {
    tracing::info_span!(parent: None, "assets", directory = %directory.display())
}

fn scan_logged(
    directory: &Path,
    span: &tracing::Span,
    what: &'static str,
) -> Result<Contents, AssetError> {
    let started = Instant::now();
    let contents = scan::scan(directory)?;
    span.in_scope(|| {
        let assets = &contents.manifest.assets;
        let bytes: u64 = assets.iter().map(|asset| asset.bytes).sum();
        let (files, took) = (assets.len(), started.elapsed());
        tracing::info!(files, bytes, ?took, "{what}");
    });
    Ok(contents)
}

#[cfg(test)]
mod tests;
