//! Page 5: a tune that is sent as fast as the page plays it.
//!
//! In: a FLAC file. Out: how many bytes come, in four bytes; the file; and its sound again and again. A file of
//! some seconds would fit into what a page's window takes at once, and nobody would see it held back.

use std::io;

use bytes::Bytes;
use tickwire_server::stream::ByteStream;

/// How often the sound is sent: several times what a window may grow to.
const ROUNDS: u32 = 10;

pub(super) struct Tune {
    head: Bytes,
    sound: Bytes,
}

impl Tune {
    /// Cuts a file behind its head.
    pub(super) fn new(mut file: Bytes) -> Result<Self, String> {
        let end = head_bytes(&file).ok_or("the tune is no FLAC file")?;
        let head = file.split_to(end);
        Ok(Self { head, sound: file })
    }

    /// Sends it, and waits wherever the page does not read on.
    pub(super) async fn play(&self, mut stream: ByteStream) -> io::Result<()> {
        let size = self.head.len() as u32 + self.sound.len() as u32 * ROUNDS;
        let size = Bytes::copy_from_slice(&size.to_be_bytes());
        stream.send(size).await?;
        stream.send(self.head.clone()).await?;
        for _ in 0..ROUNDS {
            stream.send(self.sound.clone()).await?;
        }
        stream.finished().await
    }
}

/// How long the head of a FLAC file is (RFC 9639): a mark and blocks of metadata, the last of which says that it is.
fn head_bytes(file: &[u8]) -> Option<usize> {
    let mut at = file.starts_with(b"fLaC").then_some(4)?;
    loop {
        let &[kind, length @ ..] = file.get(at..)?.first_chunk::<4>()?;
        at += 4 + u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize;
        if kind & 0x80 != 0 {
            return (at < file.len()).then_some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tune_is_cut_where_its_sound_begins() {
        let file = include_bytes!("../../../media/tune.flac");
        let tune = Tune::new(Bytes::from_static(file)).expect("it is our own");
        assert_eq!(tune.head.len() + tune.sound.len(), file.len());
        // What every frame begins with.
        assert_eq!(tune.sound[..2], [0xff, 0xf8]);
        for broken in [&b"no tune"[..], b"fLaC", &file[..20]] {
            assert!(Tune::new(Bytes::from_static(broken)).is_err());
        }
    }
}
