//! Streams between a page and the server: many at once, and slow readers at either end.
//!
//! What an end holds is looked at from outside, as the resident memory of its process, garbage included.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::{
    driver::{Browser, Driver, PATIENCE, Screen},
    process::{End, Held},
    server::dist,
};

const MIB: u64 = 1024 * 1024;

/// How much more than at rest an end may hold while a reader is slow.
const HELD_BYTES_MAX: u64 = 8 * MIB;

/// For how long a slow reader is slow.
const SLOW: Duration = Duration::from_secs(3);

/// What a page needs to do its end of a flow.
const PAGE: &str = include_str!("../flow/page.js");

/// A server of flows, and a page that is connected to it.
pub(crate) fn start(driver: &Driver) -> Result<(End, Browser)> {
    let folder = dist()?;
    let folder = folder.to_str().context("a path that is text")?;
    let mut server = End::start(&["serve", folder])?;
    let browser = driver.browser(&Screen::Desktop)?;
    browser.open(&format!("{}/healthz", server.line()?))?;
    browser.execute(&format!(
        "window.flow = (() => {{ {PAGE}; return flow }})()"
    ))?;
    browser.execute(
        "(async () => {
             const { default: init, Tickwire } = await import('/client/tickwire_client.js');
             await init();
             window.Tickwire = Tickwire;
             window.wire = new Tickwire({ url: '/play' });
             wire.on('joined', () => { window.joined = true });
         })()",
    )?;
    browser.wait_until("window.joined", PATIENCE)?;
    Ok((server, browser))
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn five_hundred_streams_of_a_page_arrive_whole_both_ways() -> Result<()> {
    let driver = Driver::start()?;
    let (_server, browser) = start(&driver)?;
    let whole = browser.run(
        "let seed = 5;
         const random = (bound) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % bound;
         const size = () => random(2 ** random(17) + 1);
         const flows = Array.from({ length: 500 }, (_, i) =>
             flow(wire, { down: size(), up: size(), seed: 2 * i + 1 }));
         const ends = await Promise.all(flows);
         return ends.filter(({ cameWhole, wentWhole }) => cameWhole && wentWhole).length",
    )?;
    ensure!(
        whole == 500,
        "{whole} of 500 streams arrived as they were sent"
    );
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_page_answers_what_the_server_asks_it() -> Result<()> {
    let driver = Driver::start()?;
    let (_server, browser) = start(&driver)?;
    // As docs/client.md has it.
    let told = browser.run(
        "wire.on('stream', async (stream) => {
             if (stream.metadata !== 'double') return stream.reset('no such question');
             const { value: question } = await stream.readable.getReader().read();
             const writer = stream.writable.getWriter();
             await writer.write(2 * question);
             await writer.close();
         });
         const numbers = Array.from({ length: 600 }, (_, i) => i);
         const told = [];
         for (const number of numbers) told.push(await wire.ask('double', number));
         return told.every((answer, i) => answer === 2 * i)",
    )?;
    ensure!(told == true, "{told}");
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_one_way_stream_of_the_servers_is_over_once_it_is_read() -> Result<()> {
    let driver = Driver::start()?;
    let (_server, browser) = start(&driver)?;
    let told = browser.run(
        "window.halves = [];
         let used;
         wire.on('stream', (stream) => {
             halves.push(new WeakRef(stream.writable));
             used(stream);
         });
         const clip = async (use) => {
             const came = new Promise((resolve) => { used = resolve });
             const told = wire.ask('clip', null);
             const said = await use(await came);
             await told;
             used = null;
             return said;
         };
         const text = ({ readable }) => new Response(readable).text();
         const failure = (promise) => promise.then(() => 'done', ({ message }) => message);
         return [
             await clip(text),
             await clip(async (stream) => [await failure(stream.writable.close()), await text(stream)]),
             await clip(async (stream) => [await text(stream), await failure(stream.writable.close())]),
             await clip(async (stream) => {
                 const said = await failure(stream.writable.getWriter().write('x'));
                 return [said, await text(stream)];
             }),
         ];",
    )?;
    let (clip, refused) = (
        "a short clip",
        "the stream is one-way: the server reads nothing",
    );
    ensure!(
        told == json!([clip, ["done", clip], [clip, "done"], [refused, clip]]),
        "{told}"
    );
    // And nothing is left of it. What one collection frees may hold what the next one does.
    let begun = Instant::now();
    while browser.execute("return halves.some((it) => it.deref())")? == true {
        ensure!(begun.elapsed() < PATIENCE, "streams that are over are kept");
        browser.collected_heap_bytes()?;
    }
    Ok(())
}

/// A reader takes 1 MiB/s for three seconds, then what is left. What the ends hold counts while it is slow.
fn slow_reader(down: u64, up: u64) -> Result<()> {
    let driver = Driver::start()?;
    let (server, browser) = start(&driver)?;
    let (total, paced) = (16 * MIB, SLOW.as_secs() * MIB);
    // What a page allocates once, it has then.
    browser.run("return flow(wire, { down: 300000, up: 300000, seed: 3 })")?;
    browser.collected_heap_bytes()?;
    let mut server = Held::of(server.id())?;
    let mut renderer = Held::of(browser.renderer()?)?;
    let (down, up) = (down * total, up * total);
    // The page's own time begins later, so what is looked at is the slow part alone.
    let begun = Instant::now();
    browser.begin(&format!(
        "return flow(wire, {{ down: {down}, up: {up}, seed: 9, rate: {MIB}, paced: {paced} }},
                         {{ rate: {MIB}, paced: {paced} }})"
    ))?;
    while begun.elapsed() < SLOW {
        server.look();
        renderer.look();
        thread::sleep(Duration::from_millis(20));
    }
    let ends = browser.end(PATIENCE)?;
    let is_whole = ends["cameWhole"] == true && ends["wentWhole"] == true;
    ensure!(is_whole, "{ends}");
    for (end, held) in [("server", server), ("page", renderer)] {
        println!("the {end}: {held:?}");
        ensure!(
            held.grown_bytes() <= HELD_BYTES_MAX,
            "the {end} held too much: {held:?}"
        );
    }
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_page_that_reads_a_mebibyte_a_second_costs_neither_end_memory() -> Result<()> {
    slow_reader(1, 0)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_server_that_reads_a_mebibyte_a_second_costs_neither_end_of_a_page_memory() -> Result<()> {
    slow_reader(0, 1)
}
