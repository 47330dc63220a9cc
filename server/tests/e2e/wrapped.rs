//! Connections that are no plain TCP stream, as behind TLS: the same server, on the way through a local
//! socket pair.
//!
//! The veil is no encryption. It is what TLS is to the server: bytes on the socket that mean nothing until the
//! wrapper has read them. A server that took the socket from under it would understand no word. What plays over
//! real TLS stands in `tests/e2e/tls.rs`; here the way is made to hold little, and peers are not friendly.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use socket2::SockRef;
use tickwire_protocol::{
    session::Hello,
    websocket::{Opcode, Writer},
};
use tickwire_server::{
    limits::Limits,
    net::{Running, Server},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

use crate::{
    client::{Heard, PATIENCE, Player, Wire},
    game::{Order, pucks},
    hostile::{hello_bytes, limits},
    server::TestServer,
};

const VEIL: u8 = 0x5a;

/// What the kernel may hold for the door, each way.
const BUFFER_BYTES: usize = 16 * 1024;

/// A TCP stream whose bytes are veiled.
struct Veiled(tokio::net::TcpStream);

impl AsyncRead for Veiled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(context, buffer))?;
        for byte in &mut buffer.filled_mut()[filled..] {
            *byte ^= VEIL;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Veiled {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let veiled: Vec<u8> = bytes.iter().map(|byte| byte ^ VEIL).collect();
        Pin::new(&mut self.0).poll_write(context, &veiled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A server behind veils, and a door to it that puts them on and takes them off.
struct Behind {
    door: SocketAddr,
    metrics: mpsc::Receiver<String>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Behind {
    fn start(limits: Limits) -> Self {
        let (told, tell) = mpsc::channel();
        let (metrics_out, metrics) = mpsc::sync_channel(0);
        let (shutdown, is_over) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let server = Server::new(pucks).workers(1).limits(limits);
                let running = server.start().unwrap();
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let accepting = tokio::spawn(accept(listener, running.router()));
                tell_until(&running, &metrics_out, is_over).await;
                accepting.abort();
                running.shut_down().await;
            });
        });
        Self {
            door: door(tell.recv().unwrap()),
            metrics,
            shutdown: Some(shutdown),
            thread: Some(thread),
        }
    }

    /// Waits until the metrics have a line.
    fn until_line(&self, line: &str) {
        let mut last = String::new();
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            last = self.metrics.recv().unwrap();
            if last.lines().any(|other| other == line) {
                return;
            }
        }
        panic!("no {line} in {last}");
    }

    fn begin_shutdown(&mut self) {
        if let Some(shutdown) = self.shutdown.take() {
            shutdown.send(()).unwrap();
        }
    }
}

async fn tell_until(
    running: &Running,
    metrics: &mpsc::SyncSender<String>,
    mut is_over: oneshot::Receiver<()>,
) {
    loop {
        tokio::select! {
            _ = &mut is_over => return,
            () = tokio::time::sleep(Duration::from_millis(10)) => {
                // Nobody may be listening now.
                let _ = metrics.try_send(running.metrics());
            }
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, router: axum::Router) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let io = TokioIo::new(Veiled(stream));
            let connection = http1::Builder::new().serve_connection(io, service);
            // Players who break off are part of these tests.
            let _ = connection.with_upgrades().await;
        });
    }
}

/// Listens for plain clients, and veils what they say.
fn door(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(server).unwrap();
            server.set_nodelay(true).unwrap();
            client.set_nodelay(true).unwrap();
            // So that the way holds kilobytes, and not megabytes that a test would wait for.
            let (inside, outside) = (SockRef::from(&server), SockRef::from(&client));
            inside.set_recv_buffer_size(BUFFER_BYTES).unwrap();
            outside.set_send_buffer_size(BUFFER_BYTES).unwrap();
            let (a, b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || veil(a, b));
            thread::spawn(move || veil(server, client));
        }
    });
    address
}

fn veil(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        buffer[..bytes].iter_mut().for_each(|byte| *byte ^= VEIL);
        if to.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

#[test]
fn a_hello_right_behind_the_request_is_not_lost() {
    let plain = TestServer::start(Server::new(pucks).workers(1).limits(limits()));
    let wrapped = Behind::start(limits());
    let mut hello = Vec::new();
    let bytes = hello_bytes(Hello::default());
    Writer::client(7).message(Opcode::Binary, &bytes, &mut hello);
    for address in [plain.address, wrapped.door] {
        let mut wire = Wire::open_ahead(address, &hello);
        let start = std::time::Instant::now();
        let is_welcome = |heard: &Heard| matches!(heard, Heard::Binary(_));
        while !wire.hear().iter().any(is_welcome) {
            assert!(start.elapsed() < PATIENCE, "nobody heard the hello");
        }
    }
}

#[test]
fn close_codes_come_through_a_wrapper() {
    let server = Behind::start(limits());
    let mut wire = Wire::open(server.door);
    wire.send_raw(&[0x82, 3, 1, 2, 3]);
    assert_eq!(wire.close_code(), Some(1002));
    assert_eq!(Wire::open(server.door).close_code(), Some(4004));
    server.until_line("tickwire_connections 0");
}

#[test]
fn who_stops_reading_behind_a_wrapper_is_closed_with_4005_and_delays_nobody() {
    let server = Behind::start(limits());
    let mut witness = Player::named(server.door, "Witness");
    let sleeper = Player::named(server.door, "Sleeper");
    let socket = SockRef::from(&sleeper.wire.stream);
    socket.set_recv_buffer_size(4096).unwrap();
    witness.send_event(&Order::Flood(12 * 1024));
    let start = std::time::Instant::now();
    let line = "tickwire_closes_total{code=\"4005\"} 1";
    let metrics = loop {
        assert!(start.elapsed() < PATIENCE, "it is never closed");
        (0..5).for_each(|_| witness.step());
        witness.events.clear();
        let metrics = server.metrics.recv().unwrap();
        if metrics.contains(line) {
            break metrics;
        }
    };
    assert!(witness.closed.is_none());
    let late = metrics
        .lines()
        .find_map(|line| line.strip_prefix("tickwire_ticks_late_total "));
    let late: usize = late.unwrap().parse().unwrap();
    // A machine that is busy with other things can make a tick late.
    assert!(witness.missed_ticks() <= late);
}

#[test]
fn a_shutdown_reaches_players_behind_a_wrapper() {
    let mut server = Behind::start(limits());
    let mut ann = Player::named(server.door, "Ann");
    server.begin_shutdown();
    assert_eq!(ann.until_closed(), Some(1001));
    assert_eq!(ann.said, ["the server shuts down"]);
    server.thread.take().unwrap().join().unwrap();
}
