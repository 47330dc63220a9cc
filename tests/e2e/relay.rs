//! A line between a player and the server that breaks after so many bytes, and counts what crossed it.
//!
//! In: bytes of both ends. Out: the same bytes, up to the break. When the line breaks, the server's side
//! is read to its end, so that what the server had written and nobody received is counted too.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
};

/// What the server wrote on one connection.
#[derive(Default)]
pub(crate) struct Line {
    /// Everything that crossed, upgrade included.
    pub(crate) crossed: Vec<u8>,
    /// Bytes that the server wrote and that the break swallowed.
    pub(crate) swallowed: usize,
}

/// A relay for as many connections as there are breaks, one after the other.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    pub(crate) lines: Receiver<Line>,
}

impl Relay {
    /// Listens, and breaks the n-th connection after `breaks[n]` bytes from the server.
    pub(crate) fn start(server: SocketAddr, breaks: Vec<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for budget in breaks {
                let (player, _) = listener.accept().expect("the player comes");
                let server = TcpStream::connect(server).expect("the server listens");
                server.set_nodelay(true).expect("a socket");
                player.set_nodelay(true).expect("a socket");
                let up = (clone(&player), clone(&server));
                thread::spawn(move || copy_up(up.0, up.1));
                // Fails when the test is over before the line.
                let _ = tell.send(copy_down(server, player, budget));
            }
        });
        Self { address, lines }
    }
}

fn clone(socket: &TcpStream) -> TcpStream {
    socket.try_clone().expect("a socket can be shared")
}

/// Either end may be gone at any time: that ends the line.
fn copy_up(mut player: TcpStream, mut server: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    // Read to the end also when nobody wants it: a socket that is closed over unread bytes takes back what it has
    // not sent yet.
    while let Ok(bytes @ 1..) = player.read(&mut buffer) {
        let _ = server.write_all(&buffer[..bytes]);
    }
    let _ = server.shutdown(Shutdown::Write);
}

fn copy_down(mut server: TcpStream, mut player: TcpStream, budget: usize) -> Line {
    let mut line = Line::default();
    let mut buffer = [0; 4096];
    while let Ok(bytes @ 1..) = server.read(&mut buffer) {
        let crossing = bytes.min(budget - line.crossed.len());
        if line.swallowed == 0 && player.write_all(&buffer[..crossing]).is_ok() {
            line.crossed.extend_from_slice(&buffer[..crossing]);
            line.swallowed += bytes - crossing;
        } else {
            line.swallowed += bytes;
        }
        if line.crossed.len() == budget {
            // What crossed is still read by the player; the server hears of the end at once.
            let _ = player.shutdown(Shutdown::Write);
            let _ = server.shutdown(Shutdown::Write);
        }
    }
    let _ = player.shutdown(Shutdown::Write);
    line
}
