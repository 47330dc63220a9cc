//! Chromium's end: a page, and all of its renderer's memory, which holds the JavaScript heap, buffers and WASM.
//!
//! The choice to question: garbage counts, and V8 is left to itself. Whoever shares a machine with a page has what is
//! left of its memory, not what its next collection would leave.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    LOOK, Load, MIB, REST, Row,
    driver::{Driver, Screen},
    process::{End, Held},
};

/// What its end is called.
pub(crate) const END: &str = "page";

const PAGE: &str = include_str!("../../flow/page.js");

/// Longer than a page takes to start, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn transfer(dist: &Path, load: Load) -> Result<Vec<Row>> {
    let driver = Driver::start()?;
    let dist = fs::canonicalize(dist)?;
    let mut server = End::start(&["serve", dist.to_str().context("a path that is text")?])?;
    let browser = driver.browser(&Screen::Desktop)?;
    browser.open(&format!("{}/healthz", server.line()?))?;
    browser.execute(&format!(
        "window.flow = (() => {{ {PAGE}; return flow }})()"
    ))?;
    browser.begin(
        "const { default: init, Tickwire } = await import('/client/tickwire_client.js');
         window.wasm = (await init()).memory;
         window.wire = new Tickwire({ url: '/play' });
         await new Promise((resolve) => wire.on('joined', resolve));
         // What is compiled and allocated once, is then.
         return flow(wire, { down: 4_000_000, up: 4_000_000, seed: 3 });",
    )?;
    browser.end(PATIENCE)?;
    browser.collected_heap_bytes()?;
    thread::sleep(REST);
    let mut server = Held::of(server.id())?;
    let mut renderer = Held::of(browser.renderer()?)?;
    let (down, up, rate, bytes) = (load.down(), load.up(), load.rate, load.bytes);
    let begun = Instant::now();
    browser.begin(&format!(
        "return flow(wire, {{ down: {down}, up: {up}, seed: 9, rate: {rate}, paced: {bytes} }},
                         {{ rate: {rate}, paced: {bytes} }});"
    ))?;
    // Every question to a page is a script in its memory: it is asked nothing for as long as its reader takes.
    let reader_takes = Duration::from_secs(bytes / rate);
    while begun.elapsed() < reader_takes || browser.execute("return outcome === null")? == true {
        server.look();
        renderer.look();
        thread::sleep(LOOK);
    }
    let heap = browser.heap_bytes()?;
    let ends = browser.end(PATIENCE)?;
    let is_whole = ends["cameWhole"] == true && ends["wentWhole"] == true;
    let wasm = browser.execute("return wasm.buffer.byteLength")?;
    let notes = format!(
        "JavaScript heap and buffers {:.2} MiB, WASM memory {:.2} MiB",
        heap as f64 / MIB as f64,
        wasm.as_f64().unwrap_or_default() / MIB as f64
    );
    let row = |end, held, notes| Row {
        client: "Chromium",
        direction: load.direction,
        end,
        held,
        seconds: begun.elapsed().as_secs_f64(),
        is_whole,
        notes,
    };
    Ok(vec![
        row("server", server, String::new()),
        row(END, renderer, notes),
    ])
}
