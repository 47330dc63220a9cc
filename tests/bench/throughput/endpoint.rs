//! Our endpoint and our client, with the handlers of `peer.js`.

use std::{error::Error, io::BufRead as _, time::Instant};

use axum::Router;
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use tickwire_server::net::binaryjs::{BinaryJs, BinaryStream, Client, Value, connect};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{measure::Taken, plan::Plan};

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    down: u64,
    #[serde(default)]
    chunk: u64,
}

/// Prints the address and serves until the parent ends us.
pub(crate) async fn serve() -> Result<(), Box<dyn Error>> {
    let endpoint = BinaryJs::new(async |client: Client| {
        while let Some(stream) = client.accept().await {
            tokio::spawn(async move {
                if let Err(error) = answer(stream).await {
                    eprintln!("a stream failed: {error}");
                }
            });
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ws://{}/binaryjs", listener.local_addr()?);
    let router: Router = Router::new().route("/binaryjs", endpoint.route());
    Ok(axum::serve(listener, router).await?)
}

async fn answer(mut stream: BinaryStream) -> Result<(), Box<dyn Error + Send + Sync>> {
    let request: Request = stream.metadata_as()?;
    if request.down > 0 {
        pour(&mut stream, request.down, request.chunk).await?;
    } else {
        let bytes = drain(&mut stream).await?;
        stream.write_value(bytes).await?;
    }
    Ok(())
}

async fn pour(stream: &mut BinaryStream, bytes: u64, chunk: u64) -> std::io::Result<()> {
    let value = vec![7; usize::try_from(chunk).expect("a chunk fits")];
    for _ in 0..bytes / chunk {
        stream.write_all(&value).await?;
    }
    stream.end();
    Ok(())
}

async fn drain(stream: &mut BinaryStream) -> std::io::Result<u64> {
    let mut piece = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes += read as u64;
    }
}

/// Loads a server: warms up, says so, waits for a line, and prints what the transfer took.
pub(crate) async fn load(url: &str, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let client = connect(url).await?;
    transfer(&client, plan, plan.warm_bytes).await?;
    println!("warm");
    tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new())).await??;
    let (started, cpu) = (Instant::now(), cpu_seconds());
    transfer(&client, plan, plan.bytes).await?;
    let taken = Taken {
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds() - cpu,
    };
    println!("{}", serde_json::to_string(&taken)?);
    Ok(())
}

async fn transfer(client: &Client, plan: &Plan, bytes: u64) -> Result<(), Box<dyn Error>> {
    let entry = |name: &str, number: u64| (Value::from(name), Value::from(number));
    let (moved, what) = if plan.direction == "down" {
        let wanted = Value::Map(vec![entry("down", bytes), entry("chunk", plan.chunk)]);
        let mut stream = client.create_stream(wanted)?;
        (drain(&mut stream).await?, "came")
    } else {
        let mut stream = client.create_stream(Value::Map(vec![entry("up", bytes)]))?;
        pour(&mut stream, bytes, plan.chunk).await?;
        let counted = stream.next_value().await?;
        (
            counted.and_then(|it| it.as_u64()).unwrap_or_default(),
            "arrived",
        )
    };
    if moved == bytes {
        Ok(())
    } else {
        Err(format!("{moved} of {bytes} bytes {what}").into())
    }
}

/// CPU of this process, all threads.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
