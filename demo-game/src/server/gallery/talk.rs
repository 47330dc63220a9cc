//! Pages 1 and 2: a conversation on one stream, an upload that is told how far it is.

use std::io;

use tickwire_server::stream::{ByteStream, Incoming};

use super::limits::NAME_CHARS_MAX;

/// How many bytes of an upload pass between two words on how far it is.
const REPORT_BYTES: u64 = 64 * 1024;

/// Page 1: says what it hears, piece by piece.
pub(super) async fn hello(mut stream: ByteStream, from: &str) -> io::Result<()> {
    let from = from.chars().take(NAME_CHARS_MAX).collect::<String>();
    stream.send(format!("Welcome, {from}!\n").into()).await?;
    while let Some(words) = stream.receive().await? {
        let words = String::from_utf8_lossy(&words);
        stream.send(format!("I heard “{words}”\n").into()).await?;
    }
    stream.finished().await
}

/// Page 1 as well: a question that has one answer.
pub(super) async fn greeting(incoming: Incoming) -> io::Result<()> {
    let (name, reply) = incoming.question::<String>().await?;
    let name = name.chars().take(NAME_CHARS_MAX).collect::<String>();
    reply.send(&format!("How do you do, {name}!"))
}

/// Page 2: takes a file and tells how far it is, as a line of JSON every [`REPORT_BYTES`]; the last one
/// has the file's hash, so that the sender can see that it came as it was.
pub(super) async fn upload(mut stream: ByteStream, _name: &str) -> io::Result<()> {
    let (mut received, mut told) = (0, 0);
    let mut hasher = blake3::Hasher::new();
    while let Some(bytes) = stream.receive().await? {
        hasher.update(&bytes);
        received += bytes.len() as u64;
        if received - told >= REPORT_BYTES {
            told = received;
            let line = format!("{{\"received\":{received}}}\n");
            stream.send(line.into()).await?;
        }
    }
    let hash = hasher.finalize();
    let line = format!("{{\"received\":{received},\"hash\":\"{hash}\"}}\n");
    stream.send(line.into()).await?;
    stream.finished().await
}
