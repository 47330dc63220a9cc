//! What a byte and a small message cost, beside npm `binaryjs`: 64 MiB in one stream and 64-byte
//! messages, down and up, over loopback.
//!
//! Server and client are processes of their own; the server's CPU is the kernel's accounting of all its
//! threads over the transfer, after a warm-up of a quarter of it. The systems take turns within a round,
//! so that a machine whose speed drifts drifts for all; what counts is the ratio.
//!
//! Run it by `cargo xtask bench throughput [--json FILE]`.

#[path = "../../browser/driver.rs"]
#[expect(dead_code, reason = "the browser's own tests use the rest")]
mod driver;
mod endpoint;
mod measure;
mod plan;
mod processes;
mod report;
mod tickwire;

use std::{
    error::Error,
    io::Read as _,
    path::{Path, PathBuf},
};

use axum::{Router, http::header::CONTENT_TYPE, response::Html, routing::get};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

use crate::{
    driver::{Driver, Screen},
    measure::Bench,
    plan::{Load, Plan, System},
};

#[derive(Parser)]
#[command(about = "Throughput per CPU-second beside npm binaryjs")]
struct Arguments {
    #[command(subcommand)]
    role: Option<ChildRole>,
    /// Writes the rows of every round to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The `node_modules` with npm `binaryjs`.
    #[arg(long, default_value = "../target/npm/binaryjs/node_modules")]
    packages: PathBuf,
    /// The folder with Tickwire's client for pages.
    #[arg(long, default_value = "../target/dist/client")]
    client: PathBuf,
    /// How often the systems take turns.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Small messages in one transfer.
    #[arg(long, default_value_t = 200_000)]
    messages: u64,
    /// Leaves Chromium out.
    #[arg(long)]
    no_chromium: bool,
    /// Runs only what has this in its name, as in `down: tickwire to rust`.
    #[arg(long, default_value = "")]
    only: String,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum ChildRole {
    /// Our endpoint; started by the bench itself.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        system: String,
    },
    /// Our client; started by the bench itself.
    #[command(hide = true)]
    Load {
        #[arg(long)]
        system: String,
        #[arg(long)]
        url: String,
        #[arg(long)]
        plan: String,
    },
}

/// Which client loads which server.
const PAIRS: [(System, Load); 7] = [
    (System::BinaryJs, Load::Node),
    (System::Tickwire, Load::Rust),
    (System::Endpoint, Load::Rust),
    (System::Endpoint, Load::Node),
    (System::BinaryJs, Load::Chromium),
    (System::Tickwire, Load::Chromium),
    (System::Endpoint, Load::Chromium),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    match &arguments.role {
        Some(ChildRole::Serve { system }) => {
            end_with_parent();
            if system == System::Tickwire.name() {
                tickwire::serve().await
            } else {
                endpoint::serve().await
            }
        }
        Some(ChildRole::Load { system, url, plan }) => {
            let plan = serde_json::from_str(plan)?;
            if system == System::Tickwire.name() {
                tickwire::load(url, &plan).await
            } else {
                endpoint::load(url, &plan).await
            }
        }
        None => {
            let page = serve_page(&arguments.packages, &arguments.client).await?;
            tokio::task::block_in_place(|| compare(&arguments, &page))
        }
    }
}

/// Runs every round and reports.
fn compare(arguments: &Arguments, page: &str) -> Result<(), Box<dyn Error>> {
    let driver = (!arguments.no_chromium).then(Driver::start).transpose()?;
    let browser = driver.as_ref().map(|it| it.browser(&Screen::Desktop));
    let browser = browser.transpose()?;
    let bench = Bench {
        packages: &std::path::absolute(&arguments.packages)?,
        page: browser.as_ref().map(|browser| (browser, page)),
    };
    let mut rows = Vec::new();
    let mut failures = 0;
    for plan in Plan::all(arguments.messages) {
        for _ in 0..arguments.rounds {
            for (system, client) in PAIRS {
                let (case, direction) = (plan.case(), &plan.direction);
                let names = (system.name(), client.name());
                let name = format!("{case}, {direction}: {} to {}", names.0, names.1);
                let is_left_out = client == Load::Chromium && browser.is_none();
                if is_left_out || !name.contains(&arguments.only) {
                    continue;
                }
                match bench.run(system, client, &plan.for_client(client)) {
                    Ok(row) => {
                        eprintln!("{name}: {:.2} s", row.seconds);
                        rows.push(row);
                    }
                    Err(error) => {
                        eprintln!("{name}: failed: {error}");
                        failures += 1;
                    }
                }
            }
        }
    }
    report::print(&rows);
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&rows)?)?;
    }
    if failures > 0 {
        return Err(format!("{failures} of the measurements failed; why is above").into());
    }
    Ok(())
}

/// The page in which Chromium runs the unmodified bundle, and Tickwire's client.
async fn serve_page(packages: &Path, client: &Path) -> Result<String, Box<dyn Error>> {
    let bundle = packages.join("binaryjs/dist/binary.js");
    let bundle = std::fs::read_to_string(&bundle).map_err(|error| {
        format!(
            "{}: {error}: `cargo xtask bench` fetches it",
            bundle.display()
        )
    })?;
    let script =
        |text: String| async move { ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], text) };
    let client = client.to_owned();
    let module = async move |axum::extract::Path(name): axum::extract::Path<String>| {
        let is_wasm = name.ends_with(".wasm");
        let kind = if is_wasm {
            "application/wasm"
        } else {
            "text/javascript"
        };
        let content = std::fs::read(client.join(name)).unwrap_or_default();
        ([(CONTENT_TYPE, kind)], content)
    };
    let router: Router = Router::new()
        .route("/client/{name}", get(module))
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/binary.js", get(move || script(bundle.clone())))
        .route(
            "/peer.js",
            get(move || script(include_str!("peer.js").to_owned())),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let page = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(page)
}

/// The parent holds our standard input open; when it ends, however it ends, so do we.
fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}
