//! Echoes every text and binary message through the server's own reader and writer, for tools that test
//! conformance: `cargo run --example ws_echo -- --port 9001`, then `ws://127.0.0.1:9001/echo`.

use std::{io, net::Ipv4Addr, process::ExitCode};

use axum::{Router, extract::Request, response::Response, routing::get};
use hyper_util::rt::TokioIo;
use tickwire_protocol::{
    error::{CloseCode, PeerError},
    websocket::{Item, Opcode, Reader, Role, Writer},
};
use tickwire_server::net::answer_upgrade;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};

/// As large as the largest message that conformance suites send.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(0),
        ["--port", port] => port.parse().ok(),
        _ => None,
    };
    let Some(port) = port else {
        eprintln!("usage: ws_echo [--port N]");
        return ExitCode::FAILURE;
    };
    match serve(port).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ws_echo: port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("ws://{}/echo", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/echo", get(upgrade))).await
}

async fn upgrade(mut request: Request) -> Response {
    match answer_upgrade(&mut request, None) {
        Err(refusal) => refusal,
        Ok((response, upgrade)) => {
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await
                    && let Err(error) = echo(TokioIo::new(upgraded)).await
                {
                    eprintln!("a connection broke: {error}");
                }
            });
            response
        }
    }
}

async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut reader = Reader::new(Role::Server, MESSAGE_BYTES_MAX);
    let mut writer = Writer::server();
    let mut buffer = vec![0; 64 * 1024];
    let mut out = Vec::new();
    loop {
        let bytes = stream.read(&mut buffer).await?;
        if bytes == 0 {
            return Ok(());
        }
        let is_over = answer(&mut reader, &mut writer, &mut buffer[..bytes], &mut out);
        stream.write_all(&out).await?;
        out.clear();
        if is_over {
            return stream.shutdown().await;
        }
    }
}

/// Answers what has come; says whether the connection is over.
fn answer(
    reader: &mut Reader,
    writer: &mut Writer,
    mut input: &mut [u8],
    out: &mut Vec<u8>,
) -> bool {
    loop {
        match reader.read(&mut input) {
            Ok(None) => return false,
            Ok(Some(Item::Text(text))) => writer.message(Opcode::Text, text.as_bytes(), out),
            Ok(Some(Item::Binary(bytes))) => writer.message(Opcode::Binary, bytes, out),
            Ok(Some(Item::Ping(payload))) => writer.message(Opcode::Pong, payload, out),
            Ok(Some(Item::Pong(_))) => {}
            Ok(Some(Item::Close(close))) => {
                match close.code {
                    Some(code) => writer.close(code, &close.reason, out),
                    None => writer.message(Opcode::Close, &[], out),
                }
                return true;
            }
            Err(error) => {
                let reason = error.to_string();
                let code = CloseCode::from(&PeerError::from(error));
                writer.close(code.number(), &reason, out);
                return true;
            }
        }
    }
}
