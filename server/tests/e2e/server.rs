//! A server on a port of its own, and a folder for its assets, which end with the test.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use axum::Router;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tickwire_server::net::{Running, Server};
use tokio::{io::BufStream, net::TcpListener, runtime::Runtime, sync::oneshot};

use crate::client::Player;

/// A folder that is removed with the test.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tickwire-e2e-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub(crate) fn start(server: Server) -> Self {
        let (address_out, address_in) = mpsc::channel();
        let (shutdown, is_over) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                address_out.send(listener.local_addr().unwrap()).unwrap();
                let is_over = async {
                    let _ = is_over.await;
                };
                server.serve(listener, is_over).await.unwrap();
            });
        });
        let address = address_in.recv().unwrap();
        Self {
            address,
            shutdown: Some(shutdown),
            thread: Some(thread),
        }
    }

    /// Asks the server to end, without waiting.
    pub(crate) fn begin_shutdown(&mut self) {
        if let Some(shutdown) = self.shutdown.take() {
            let _ = shutdown.send(());
        }
    }

    /// Asks the server to end, and waits until its threads have.
    pub(crate) fn shut_down(&mut self) {
        self.begin_shutdown();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// What HTTP answers to a path: the head and the body.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// A number of `/metrics`, by the whole text before it.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics");
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}"))
            .parse()
            .unwrap()
    }

    /// Connections closed with a code.
    pub(crate) fn closes(&self, code: u16) -> f64 {
        self.metric(&format!("tickwire_closes_total{{code=\"{code}\"}}"))
    }

    /// Fails if a player missed a tick that the server was in time for. A machine that is busy with
    /// other things can make a tick late; the server counts those, and leaves their snapshots out.
    pub(crate) fn assert_saw_every_tick(&self, player: &Player) {
        let missed = player.missed_ticks() as f64;
        let late = self.metric("tickwire_ticks_late_total");
        assert!(missed <= late, "{missed} ticks missed, {late} late");
    }

    /// Waits until a metric has a value.
    pub(crate) fn until_metric(&self, name: &str, value: f64) {
        self.until_metric_is(name, |now| (now - value).abs() < f64::EPSILON);
    }

    /// Waits until a metric is as it should be.
    pub(crate) fn until_metric_is(&self, name: &str, holds: impl Fn(f64) -> bool) {
        let start = Instant::now();
        loop {
            let value = self.metric(name);
            if holds(value) {
                return;
            }
            let patient = start.elapsed() < Duration::from_secs(30);
            assert!(patient, "{name} stays at {value}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.begin_shutdown();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A server whose connections cannot be taken out of tokio: a buffered stream stands for TLS.
pub(crate) struct WrappingServer {
    pub(crate) address: SocketAddr,
    running: Running,
    runtime: Runtime,
}

impl WrappingServer {
    pub(crate) fn start(server: Server) -> Self {
        let runtime = Runtime::new().unwrap();
        let (running, listener) = runtime.block_on(async {
            let running = server.start().unwrap();
            (running, TcpListener::bind("127.0.0.1:0").await.unwrap())
        });
        let address = listener.local_addr().unwrap();
        let router: Router = running.router();
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(router.clone());
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(BufStream::new(stream)), service)
                        .with_upgrades(),
                );
            }
        });
        Self {
            address,
            running,
            runtime,
        }
    }

    /// Ends the server, and waits until its threads have.
    pub(crate) fn shut_down(self) {
        self.runtime.block_on(self.running.shut_down());
    }
}
