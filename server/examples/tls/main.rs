//! A game over TLS, by tokio-rustls:
//! `cargo run -p tickwire-server --example tls -- 8443 certificate.pem key.pem`.
//!
//! The game has nothing in it; [`serve`] is what a program of your own takes over.

mod serve;

use std::{error::Error, net::Ipv4Addr};

use tickwire_server::prelude::*;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, certificate, key] = &arguments[..] else {
        return Err("usage: tls PORT CERTIFICATE KEY".into());
    };
    let tls = serve::acceptor(certificate.as_ref(), key.as_ref())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?)).await?;
    println!("wss://{}/play", listener.local_addr()?);
    let running = Server::new(|| Game::new("behind TLS")).start()?;
    tokio::select! {
        () = serve::serve(listener, tls, running.router()) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    running.shut_down().await;
    Ok(())
}
