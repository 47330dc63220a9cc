//! Page 6: a film that everyone sees at the same place, in a loop, as if a camera were filming it.
//!
//! In: a WebM file whose clusters all begin with a key frame. Out: its head and, from then on, each
//! cluster at its time. Every viewer's stream holds only itself back: who cannot take a cluster in time
//! misses the ones that came meanwhile and goes on with the newest.

use std::{io, time::Duration};

use bytes::Bytes;
use tickwire_server::stream::ByteStream;
use tokio::time::{Instant, sleep_until};

/// How long each cluster plays; see `make-media.sh`.
const CLUSTER: Duration = Duration::from_millis(500);

/// What an EBML cluster begins with (Matroska's specification, 0x1F43B675).
const CLUSTER_ID: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];

/// What an index begins with: a stream has none.
const CUES_ID: [u8; 4] = [0x1c, 0x53, 0xbb, 0x6b];

pub(super) struct Film {
    start: Instant,
    head: Bytes,
    clusters: Vec<Bytes>,
}

impl Film {
    /// Cuts a file into its clusters. It is our own file: the ids stand nowhere else in it.
    pub(super) fn new(file: Bytes) -> Result<Self, String> {
        let mut cuts: Vec<usize> = places(&file, CLUSTER_ID).collect();
        let first = *cuts.first().ok_or("the film has no clusters")?;
        let end = places(&file, CUES_ID).find(|&at| at > first);
        cuts.push(end.unwrap_or(file.len()));
        Ok(Self {
            start: Instant::now(),
            head: file.slice(..first),
            clusters: cuts
                .windows(2)
                .map(|cut| file.slice(cut[0]..cut[1]))
                .collect(),
        })
    }

    /// Plays until the viewer leaves.
    pub(super) async fn play(&self, mut stream: ByteStream) -> io::Result<()> {
        stream.send(self.head.clone()).await?;
        // The one that is playing now comes at once, so that there is a picture.
        let mut next = self.now();
        loop {
            let cluster = &self.clusters[next as usize % self.clusters.len()];
            stream.send(cluster.clone()).await?;
            next = self.now().max(next + 1);
            sleep_until(self.start + CLUSTER * next).await;
        }
    }

    fn now(&self) -> u32 {
        (self.start.elapsed().as_millis() / CLUSTER.as_millis()) as u32
    }
}

fn places(file: &[u8], id: [u8; 4]) -> impl Iterator<Item = usize> {
    let windows = file.windows(4).enumerate();
    windows.filter(move |(_, it)| *it == id).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_film_has_a_cluster_for_every_half_second_and_no_index() {
        let file = include_bytes!("../../../media/film.webm");
        let film = Film::new(Bytes::from_static(file)).expect("it is our own");
        assert_eq!(film.clusters.len(), 24);
        let longest = film.clusters.iter().map(Bytes::len).max();
        assert!(longest < Some(64 * 1024), "{longest:?}");
        assert!(places(&film.clusters[23], CUES_ID).next().is_none());
        assert!(Film::new(Bytes::from_static(b"no film")).is_err());
    }
}
