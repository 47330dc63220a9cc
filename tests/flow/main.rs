//! One end of streams as a process of its own, so that its memory can be looked at from outside.
//!
//! `serve [FOLDER]` says `http://ADDRESS` and serves until its input ends, with the files of a folder.
//! `flow URL DOWN UP SEED RATE PACED` is a native client: it sends and takes that much on one stream, and says
//! `whole` if both ends got what was sent. RATE is a reader's, in bytes a second, for the first PACED bytes, at
//! whichever end reads.

mod content;
mod page;
mod pump;
mod server;

use std::{error::Error, io, net::Ipv4Addr};

use tickwire_client::{
    Config,
    native::{Connection, StreamKind, StreamOptions},
};
use tokio::net::TcpListener;

use content::{Content, Flow};
use pump::{Speed, Taker};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    match arguments[..] {
        ["serve", ref folder @ ..] => {
            let folder = folder.first().map(Into::into);
            runtime.block_on(serve(server::server(folder)))
        }
        ["flow", url, down, up, seed, rate, paced] => {
            let flow = Flow {
                down: down.parse()?,
                up: up.parse()?,
                seed: seed.parse()?,
                rate: rate.parse()?,
                paced: paced.parse()?,
            };
            runtime.block_on(flow_through(url, flow))
        }
        _ => Err("serve [FOLDER], or flow URL DOWN UP SEED RATE PACED".into()),
    }
}

async fn serve(server: tickwire_server::net::Server) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let input_ends = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    let shutdown = async { drop(input_ends.await) };
    Ok(server.serve(listener, shutdown).await?)
}

async fn flow_through(url: &str, flow: Flow) -> Result<(), Box<dyn Error>> {
    let connection = Connection::connect(url, Config::default()).await?;
    println!("connected");
    // Whoever looks on sees it idle first.
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let options = StreamOptions::new(StreamKind::Bytes).with_metadata(&flow)?;
    let (mut reader, mut writer) = connection.open(options).into_split();
    let speed = Speed {
        rate: flow.rate,
        paced: flow.paced,
    };
    let mut taker = Taker::new(&mut reader);
    let sending = async {
        pump::send(&mut writer, flow.seed + 1, flow.up).await?;
        writer.finished().await
    };
    let (sent, came) = tokio::join!(sending, taker.take(flow.down, speed, |_| ()));
    sent?;
    let (came, went) = (came?, taker.verdict().await?);
    let is_whole = came == Content::taken(flow.seed, flow.down)
        && went == Content::taken(flow.seed + 1, flow.up);
    println!(
        "{}",
        if is_whole {
            "whole"
        } else {
            "not what was sent"
        }
    );
    connection.leave().await;
    Ok(())
}
