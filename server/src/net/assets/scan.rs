//! A directory to a manifest.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use serde::Deserialize;
use tickwire_protocol::{
    asset::{Asset, AssetHash, Manifest, is_safe_name},
    error::DecodeError,
    limits::{ASSET_NAME_BYTES_MAX, ASSETS_MAX, MANIFEST_BYTES_MAX},
    packing,
};

use super::{Content, Contents, Forms, disk::HashedFile};
use crate::limits::{ASSET_BYTES_KEPT_MAX, ASSETS_BYTES_KEPT_MAX};

/// The file that says more of the others; it is not an asset itself.
const DESCRIPTION: &str = "assets.json";

/// The priority of an asset that nothing is said of.
const PRIORITY_DEFAULT: u8 = 100;

/// Why a directory cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// A file or directory cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A name that some system could not keep, or that is no UTF-8.
    #[error("{}: this name cannot be delivered; use UTF-8 without \\, : and control characters, {ASSET_NAME_BYTES_MAX} bytes at most", .0.display())]
    Name(PathBuf),
    /// Too many files, or as many folders.
    #[error("{}: more than {ASSETS_MAX} files, or as many folders; deliver fewer, or pack them", .0.display())]
    TooMany(PathBuf),
    /// `assets.json` is not `{"name": {"priority": 0–255, "depends": ["name", …]}, …}`, or names a file
    /// that is not there.
    #[error("{}: {said}", path.display())]
    Description {
        /// The description.
        path: PathBuf,
        /// What is wrong.
        said: String,
    },
    /// The manifest breaks a rule of the wire.
    #[error("the manifest cannot be delivered: {0}")]
    Manifest(#[from] DecodeError),
}

/// What `assets.json` may say of one file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    #[serde(default = "priority_default")]
    priority: u8,
    #[serde(default)]
    depends: Vec<String>,
}

const fn priority_default() -> u8 {
    PRIORITY_DEFAULT
}

/// One file below the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    name: String,
    file: HashedFile,
}

/// Reads the whole directory.
pub(super) fn scan(directory: &Path) -> Result<Contents, AssetError> {
    scan_within(ASSETS_BYTES_KEPT_MAX, directory)
}

/// Reads it and keeps so many bytes of it in memory at most, before the last file's packed form.
pub(super) fn scan_within(memory_bytes: u64, directory: &Path) -> Result<Contents, AssetError> {
    let found = fingerprint(directory)?;
    let description = directory.join(DESCRIPTION);
    let described = if found.iter().any(|file| file.name == DESCRIPTION) {
        read_description(&description)?
    } else {
        BTreeMap::new()
    };
    let mut manifest = Manifest::default();
    let mut by_hash = HashMap::new();
    let mut kept_bytes = 0;
    for Found { name, file } in found.iter().filter(|found| found.name != DESCRIPTION) {
        let (hash, forms) = read(file, memory_bytes, &mut kept_bytes)?;
        // Of two files with the same content only the first may have found memory for a packed form.
        let forms: &mut Forms = by_hash.entry(hash).or_insert(forms);
        manifest.assets.push(Asset {
            name: name.clone(),
            bytes: forms.plain.len(),
            mime: mime_guess::from_path(&file.path)
                .first_or_octet_stream()
                .to_string(),
            hash,
            priority: described
                .get(name)
                .map_or(PRIORITY_DEFAULT, |said| said.priority),
            depends: vec![],
            packed_bytes: forms.packed.as_ref().map_or(0, |it| it.len() as u64),
        });
    }
    depend(&mut manifest, &described).map_err(|said| AssetError::Description {
        path: description,
        said,
    })?;
    let encoded = Bytes::from(manifest.encode());
    if encoded.len() > MANIFEST_BYTES_MAX {
        return Err(DecodeError::OutOfRange("the size of the manifest").into());
    }
    // The rules a client will check, checked here, where somebody can do something about them.
    Manifest::decode(&encoded)?;
    Ok(Contents {
        manifest,
        hash: AssetHash(*blake3::hash(&encoded).as_bytes()),
        encoded,
        by_hash,
    })
}

/// Every file below the directory, by name: what changes when anything in it changes. What is no file (a pipe,
/// or the link to nothing that an editor leaves beside what it edits) is none of them.
pub(super) fn fingerprint(directory: &Path) -> Result<Vec<Found>, AssetError> {
    let mut found = Vec::new();
    let (mut assets, mut folders_seen) = (0, 0);
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error| AssetError::Unreadable {
            path: folder.clone(),
            error,
        };
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            // Follows links: a developer who links a folder into the assets means it.
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(AssetError::Unreadable { path, error }),
            };
            if metadata.is_dir() {
                folders.push(path);
                folders_seen += 1;
            } else if metadata.is_file() {
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let name = name_of(directory, &path)?;
                assets += usize::from(name != DESCRIPTION);
                let file = HashedFile {
                    path,
                    bytes: metadata.len(),
                    modified,
                };
                found.push(Found { name, file });
            }
            // Links that lead back up would otherwise be followed for ever.
            if assets.max(folders_seen) > ASSETS_MAX {
                return Err(AssetError::TooMany(directory.to_owned()));
            }
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn name_of(directory: &Path, path: &Path) -> Result<String, AssetError> {
    let parts: Option<Vec<&str>> = path
        .strip_prefix(directory)
        .unwrap_or(path)
        .iter()
        .map(|part| part.to_str())
        .collect();
    let name = parts
        .map(|parts| parts.join("/"))
        .filter(|name| is_safe_name(name));
    name.ok_or_else(|| AssetError::Name(path.to_owned()))
}

fn read(
    file: &HashedFile,
    memory_bytes: u64,
    kept_bytes: &mut u64,
) -> Result<(AssetHash, Forms), AssetError> {
    let unreadable = |error| AssetError::Unreadable {
        path: file.path.clone(),
        error,
    };
    if file.bytes <= ASSET_BYTES_KEPT_MAX && *kept_bytes + file.bytes <= memory_bytes {
        let bytes = Bytes::from(fs::read(&file.path).map_err(unreadable)?);
        let packed = packing::pack(&bytes).map(Bytes::from);
        *kept_bytes += (bytes.len() + packed.as_ref().map_or(0, Bytes::len)) as u64;
        return Ok((
            AssetHash(*blake3::hash(&bytes).as_bytes()),
            Forms {
                plain: Content::Kept(bytes),
                packed,
            },
        ));
    }
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(fs::File::open(&file.path).map_err(unreadable)?)
        .map_err(unreadable)?;
    let hash = AssetHash(*hasher.finalize().as_bytes());
    let forms = Forms {
        plain: Content::OnDisk(file.clone()),
        packed: None,
    };
    Ok((hash, forms))
}

fn read_description(path: &Path) -> Result<BTreeMap<String, Described>, AssetError> {
    let bytes = fs::read(path).map_err(|error| AssetError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    serde_json::from_slice(&bytes).map_err(|e| AssetError::Description {
        path: path.to_owned(),
        said: e.to_string(),
    })
}

/// Turns the names that assets depend on into places in the manifest.
fn depend(manifest: &mut Manifest, described: &BTreeMap<String, Described>) -> Result<(), String> {
    let places: HashMap<String, u32> = (0..)
        .zip(&manifest.assets)
        .map(|(place, asset)| (asset.name.clone(), place))
        .collect();
    let place = |name: &String| {
        places
            .get(name)
            .copied()
            .ok_or_else(|| format!("there is no file {name}"))
    };
    for (name, said) in described {
        let depends = said.depends.iter().map(place).collect::<Result<_, _>>()?;
        manifest.assets[place(name)? as usize].depends = depends;
    }
    Ok(())
}
