//! Bounds of the gallery: it stands open to whoever finds it.

use core::time::Duration;

/// A shared picture. A larger one is refused.
pub(super) const PICTURE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Pictures that are kept for who comes later. The oldest is forgotten.
pub(super) const PICTURES_KEPT_MAX: usize = 8;

/// Pictures in the server's memory: those that come, are kept, or are still shown to somebody. The next one waits
/// with its sender.
pub(super) const PICTURES_HELD_MAX: usize = 32;

/// Pictures of one visitor that come at a time. The next one waits with its sender.
pub(super) const PICTURES_OF_VISITOR_MAX: usize = 2;

/// How long a picture may come, and how long it is shown to one visitor, before it is given up: 4 MB at 0.3 Mbit/s.
pub(super) const PICTURE_WAIT: Duration = Duration::from_secs(120);

/// A picture's name and MIME type, in characters. What is longer is cut.
pub(super) const PICTURE_NAME_CHARS_MAX: usize = 80;

/// People in a call. The next one is turned away.
pub(super) const CALLERS_MAX: usize = 16;

/// Pieces of one caller that wait for each of the others: two seconds. Who falls behind further begins
/// anew.
pub(super) const PIECES_WAITING_MAX: usize = 16;

/// Visitors at a time. The next one is told that the gallery is full.
pub(super) const VISITORS_MAX: usize = 1000;

/// Characters of a visitor's name that are said back.
pub(super) const NAME_CHARS_MAX: usize = 40;
