//! Bodies of assets as a page reads them, gives them up, and leaves them lying; and the cache below them.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    api::connected,
    driver::{Driver, scratch},
    server::Server,
    slow_line::SlowLine,
};

/// Serves files of noise, which no packing makes small: each line of names is one content.
fn server_of_noise(
    folder: &str,
    bytes: usize,
    contents: &[&[&str]],
    settings: &Value,
) -> Result<Server> {
    let folder = scratch().join(format!("{folder}-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut random = fastrand::Rng::with_seed(13);
    for names in contents {
        let content: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
        for name in *names {
            fs::write(folder.join(name), &content)?;
        }
    }
    fs::write(folder.join("assets.json"), settings.to_string())?;
    let server = Server::start_with_assets(0, &folder)?;
    // What is small enough, the server holds in memory by now.
    fs::remove_dir_all(&folder)?;
    Ok(server)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_response_that_nobody_reads_keeps_no_asset_in_memory() -> Result<()> {
    const BYTES: usize = 2_000_000;
    let names: Vec<String> = (0..16).map(|number| format!("{number}.bin")).collect();
    let names: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
    let contents: Vec<&[&str]> = names.iter().map(<[&str; 1]>::as_slice).collect();
    let server = server_of_noise("unread", BYTES, &contents, &json!({}))?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    browser.run(
        "const { memory } = await (await import('/client/tickwire_client.js')).default();
         window.memory = memory;
         window.game = new Tickwire({ url: '/play', assets: 'asked' });",
    )?;
    let mut memory = vec![];
    for name in contents.concat() {
        let bytes = browser.run(&format!(
            "const here = new Promise((resolve) => game.on('asset', resolve));
             const half = await game.fetch('{name}');
             await game.fetch('{name}');
             await half.body.getReader().read();
             await here;
             return memory.buffer.byteLength;"
        ))?;
        memory.push(bytes.as_f64().context("a number")?);
        browser.collected_heap_bytes()?;
    }
    // What a page allocates once, it has after the first few.
    ensure!(memory[15] - memory[4] < 5.0 * BYTES as f64, "{memory:?}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_body_that_is_given_up_stops_no_other() -> Result<()> {
    const BYTES: usize = 300_000;
    let contents: [&[&str]; 5] = [
        &["a.bin", "same.bin"],
        &["b.bin"],
        &["c.bin"],
        &["needs-b.bin"],
        &["needs-c.bin"],
    ];
    let needs = json!({
        "needs-b.bin": { "depends": ["b.bin"] },
        "needs-c.bin": { "depends": ["c.bin"] },
    });
    let server = server_of_noise("given-up", BYTES, &contents, &needs)?;
    // So slow that none is whole before the other is given up.
    let line = SlowLine::downward(server.port()?, 500_000)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let told = browser.run(&format!(
        "const url = 'ws://127.0.0.1:{}/play';
         const game = new Tickwire({{ url, assets: 'asked' }});
         const outcome = (name) => new Promise((resolve) => {{
             game.on('asset', (it) => it.name === name && resolve('ready'));
             game.on('assetfailed', (it) => it.name === name && resolve(it.reason));
         }});
         const [one, stop] = [outcome('same.bin'), new AbortController()];
         await game.fetch('a.bin', {{ signal: stop.signal }});
         await game.fetch('same.bin');
         stop.abort();
         // A body of `name` is over, and its signal stops nothing more: not what another asset needs.
         const goesOn = async (name, end, needs) => {{
             const stop = new AbortController();
             await end(await game.fetch(name, {{ signal: stop.signal }}));
             const told = outcome(name);
             await game.fetch(needs);
             stop.abort();
             return told;
         }};
         return [
             await one,
             await goesOn('b.bin', ({{ body }}) => body.cancel(), 'needs-b.bin'),
             await goesOn('c.bin', () => game.cancelAsset('c.bin'), 'needs-c.bin'),
         ];",
        line.port
    ))?;
    ensure!(told == json!(["ready", "ready", "ready"]), "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_half_read_body_goes_on_with_its_own_content_after_a_newer_one_has_come() -> Result<()> {
    let folder = scratch().join(format!("half-read-{}", std::process::id()));
    let assets = folder.join("assets");
    fs::create_dir_all(&assets)?;
    let mut random = fastrand::Rng::with_seed(13);
    let old: Vec<u8> = (0..2_000_000).map(|_| random.u8(..)).collect();
    fs::write(assets.join("music.bin"), &old)?;
    let server = Server::start_with_assets(0, &assets)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    browser.run(
        "window.game = new Tickwire({ url: '/play', assets: 'asked' });
         const old = new Promise((resolve) => game.on('asset', resolve));
         window.reader = (await game.fetch('music.bin')).body.getReader();
         window.chunks = [(await reader.read()).value];
         await old;
         window.newer = new Promise((resolve) => game.on('asset', resolve));",
    )?;
    fs::write(folder.join("new"), &old[1_000_000..])?;
    fs::rename(folder.join("new"), assets.join("music.bin"))?;
    let told = browser.run(
        "const { bytes } = await newer;
         const first = chunks[0].length;
         for (let it; !(it = await reader.read()).done;) chunks.push(it.value);
         const whole = new Uint8Array(await new Blob(chunks).arrayBuffer());
         const sum = whole.reduce((sum, byte) => sum + byte, 0);
         return { newer: bytes.length, first, bytes: whole.length, sum };",
    )?;
    let sum: f64 = old.iter().copied().map(f64::from).sum();
    ensure!(told["newer"] == 1_000_000, "{told}");
    ensure!(
        told["first"].as_f64() < Some(1e6),
        "half of it is left: {told}"
    );
    ensure!(
        told["bytes"] == 2_000_000 && told["sum"].as_f64() == Some(sum),
        "{told}"
    );
    let _ = fs::remove_dir_all(&folder);
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_full_cache_makes_room_for_what_the_game_is_made_of_now() -> Result<()> {
    let contents: [&[&str]; 2] = [&["a.bin"], &["b.bin"]];
    let server = server_of_noise("full", 1000, &contents, &json!({}))?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let told = browser.run(
        "const cache = await caches.open('tickwire-assets-1');
         const old = '/tickwire/asset/' + '0'.repeat(64);
         await cache.put(old, new Response('of the last release'));
         const game = new Tickwire({ url: '/play', assets: 'asked' });
         const kept = async (name) => {
             const bytes = await (await game.fetch(name)).arrayBuffer();
             for (let turn = 0; turn < 200; turn++) {
                 const all = await Promise.all((await cache.matchAll()).map((it) => it.arrayBuffer()));
                 if (all.some((it) => it.byteLength === 1000 && new Uint8Array(it).join() === new Uint8Array(bytes).join())) break;
                 await new Promise((resolve) => setTimeout(resolve, 20));
             }
             return (await cache.keys()).map(({ url }) => new URL(url).pathname === old ? 'old' : 'new').join();
         };
         const before = await kept('a.bin');
         // A disk that has no room beside the old one.
         const { put } = Cache.prototype;
         Cache.prototype.put = async function (...response) {
             if (await this.match(old)) throw new DOMException('', 'QuotaExceededError');
             return put.apply(this, response);
         };
         return [before, await kept('b.bin')];",
    )?;
    ensure!(told == json!(["old,new", "new,new"]), "{told}");
    browser.expect_no_errors()
}
