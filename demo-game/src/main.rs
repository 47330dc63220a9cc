//! `tickwire-demo`: serves the page, its WASM, the assets and the game on one port.
//!
//! Arguments come in; the address goes out on stdout once players can connect, and log lines on stderr.
//! The page itself is part of the binary; only what the WASM build writes and the assets are read from
//! folders, so that either can be rebuilt under a running server.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::get;
use clap::Parser;
use tickwire_demo::server::gallery;
use tickwire_demo::server::game::{Setup, game};
use tickwire_demo::server::start::Start;
use tickwire_server::limits::Limits;
use tickwire_server::net::{Server, assets::Library};
use tokio::net::TcpListener;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::{Layer as _, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

const PAGE: &str = include_str!("../web/index.html");
const PLAIN_PAGE: &str = include_str!("../web/plain.html");
const STYLE: &str = include_str!("../web/style.css");

/// Connections of the demo: more than one machine plays, and few enough for the file descriptors that most
/// systems allow.
const PLAYERS_MAX: usize = 10_000;

/// Serves the demo game.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Options {
    /// Port to serve on; 0 takes any free one.
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// Address to listen on; 0.0.0.0 lets other machines in.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Address of a reverse proxy in front of it that is trusted; may be given more than once.
    #[arg(long, value_name = "ADDRESS")]
    proxy: Vec<IpAddr>,
    /// Folder with the page's WASM, as `cargo xtask wasm` writes it.
    #[arg(long, default_value = "target/dist")]
    dist: PathBuf,
    /// Folder with pictures and sounds.
    #[arg(long, default_value = "assets")]
    assets: PathBuf,
    /// Folder with what the gallery shows.
    #[arg(long, default_value = "demo-game/media")]
    media: PathBuf,
    /// Computer opponents for a player alone; each further player replaces one.
    #[arg(long, default_value_t = Setup::default().opponents)]
    opponents: usize,
    /// Let everyone begin in the same place, in sight of each other.
    #[arg(long)]
    gather: bool,
    /// What to log on stderr: off, error, warn, info, debug, or by target as in `tickwire_server=debug`.
    /// Without it, what the variable `RUST_LOG` says, or warn.
    #[arg(long, value_name = "FILTER")]
    log: Option<Targets>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("tickwire-demo: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Writes what the filter lets through to stderr, with its spans.
fn begin_logging(filter: Option<Targets>) -> Result<(), String> {
    let filter = match (filter, env::var("RUST_LOG")) {
        (Some(filter), _) => filter,
        (None, Ok(text)) => text
            .parse()
            .map_err(|error| format!("RUST_LOG={text}: {error}"))?,
        (None, Err(_)) => Targets::new().with_default(LevelFilter::WARN),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
    Ok(())
}

async fn run(options: Options) -> Result<(), String> {
    begin_logging(options.log)?;
    for (folder, how) in [
        (
            &options.dist,
            "build it with `cargo xtask wasm`, or name it with --dist",
        ),
        (&options.assets, "name it with --assets"),
        (&options.media, "name it with --media"),
    ] {
        if !folder.is_dir() {
            return Err(format!("there is no folder {}: {how}", folder.display()));
        }
    }
    let address = SocketAddr::new(options.host, options.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| refused(&error, address))?;
    let local = listener.local_addr().map_err(|error| error.to_string())?;
    let start = if options.gather {
        Start::Gathered
    } else {
        Start::Scattered
    };
    let setup = Setup {
        opponents: options.opponents,
        start,
    };
    // Watched, so that a picture drawn anew is the one that the next player gets.
    let assets = Library::watch(&options.assets)
        .map_err(|error| format!("the assets in {}: {error}", options.assets.display()))?;
    let gallery = gallery::start(&options.media, &options.proxy)?;
    let server = Server::new(move || game(setup))
        .router(pages().nest("/gallery", gallery.router()))
        .limits(Limits {
            connections_max: PLAYERS_MAX,
            ..Limits::default()
        })
        .assets(assets)
        .proxies(options.proxy)
        .files(options.dist);
    announce(local);
    let served = server.serve(listener, asked_to_stop()).await;
    gallery.shut_down().await;
    served.map_err(|error| error.to_string())
}

/// The page and its style, and the gallery's, from the binary.
fn pages() -> Router {
    let router = gallery::pages();
    #[cfg(feature = "binaryjs")]
    let router = router.route(
        "/binaryjs",
        tickwire_demo::server::binaryjs::endpoint().route(),
    );
    router
        .route("/", get(|| async { Html(PAGE) }))
        .route("/plain.html", get(|| async { Html(PLAIN_PAGE) }))
        .route(
            "/style.css",
            get(|| async { ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }),
        )
}

/// Tells where to play.
fn announce(address: SocketAddr) {
    let mut out = io::stdout();
    let text = if out.is_terminal() {
        welcome(address, own_address(address.ip()))
    } else {
        bare_line(address)
    };
    // Without anybody reading there is nobody to tell; the game goes on.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// What a pipe gets: the line that scripts wait for.
fn bare_line(address: SocketAddr) -> String {
    format!("http://{}/\n", here(address))
}

/// What a person reads. On every address of the machine, others need the one that they can reach.
fn welcome(address: SocketAddr, own: Option<IpAddr>) -> String {
    let mut text = format!(
        "The arena is open: http://{}/  (Ctrl-C closes it)\n",
        here(address)
    );
    if let Some(own) = own.filter(|_| address.ip().is_unspecified()) {
        let own = SocketAddr::new(own, address.port());
        text += &format!("From other machines: http://{own}/\n");
    }
    text + "The gallery is at /gallery, what the server counts at /metrics.\n"
}

/// An address that a browser on this machine can open.
fn here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// The address from which this machine would send to one far away, if it has a way there. Nothing is sent: a UDP
/// socket that connects only looks for the way.
fn own_address(listening: IpAddr) -> Option<IpAddr> {
    // Both are of the blocks for documentation, where nobody is.
    let far: IpAddr = match listening {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let socket = UdpSocket::bind((listening, 0)).ok()?;
    socket.connect((far, 9)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback()).then_some(own)
}

fn refused(error: &io::Error, address: SocketAddr) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is in use: stop what uses it, or choose another with --port")
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {port} may not be used by you: choose one above 1023 with --port")
        }
        _ => format!("cannot listen on {address}: {error}"),
    }
}

async fn asked_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // A system that reports no signals can only be stopped from outside.
    drop(interrupted.await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_names_those_that_can_be_opened() {
        let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 4000));
        assert_eq!(bare_line(everywhere), "http://127.0.0.1:4000/\n");
        let text = welcome(everywhere, Some([192, 168, 1, 7].into()));
        assert!(text.contains("http://127.0.0.1:4000/ "), "{text}");
        assert!(text.contains("http://192.168.1.7:4000/\n"), "{text}");
        assert!(!welcome(everywhere, None).contains("other machines"));
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 4000));
        assert_eq!(bare_line(everywhere), "http://[::1]:4000/\n");
    }

    #[test]
    fn a_server_on_one_address_names_that() {
        let one = SocketAddr::from(([192, 168, 1, 7], 4000));
        assert_eq!(bare_line(one), "http://192.168.1.7:4000/\n");
        let text = welcome(one, Some([10, 0, 0, 1].into()));
        assert!(text.contains("http://192.168.1.7:4000/ "), "{text}");
        assert!(!text.contains("10.0.0.1"), "{text}");
    }
}
