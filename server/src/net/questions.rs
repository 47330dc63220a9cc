//! Questions to players' programs, and how long their answers may take.

use std::{io, time::Duration};

use crate::stream::Peer;

impl Peer {
    /// Asks the player's program, and waits for its answer at most as long as `patience`. Up to 512 questions
    /// and other streams of this end may be under way, and one more fails at once; one that is given up, or dropped, is reset, so that nobody works on it any longer.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut), and those of [`Hub::ask`](tickwire_protocol::pipe::Hub::ask).
    pub async fn ask<Q, A>(&self, topic: &str, question: &Q, patience: Duration) -> io::Result<A>
    where
        Q: serde::Serialize + ?Sized,
        A: serde::de::DeserializeOwned,
    {
        let answer = tokio::time::timeout(patience, self.hub().ask(topic, question)).await;
        answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}
