//! The JavaScript API in a browser: what a page may count on. Each test runs in a page that does
//! nothing by itself, against the gallery's server.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::{
    driver::{Browser, Driver, Screen, scratch},
    server::{Server, dist},
    slow_line::SlowLine,
};

/// Opens a page with `wire` in it: a connection to the gallery's server.
pub(crate) fn connected(driver: &Driver, server: &Server) -> Result<Browser> {
    let browser = driver.browser(&Screen::Desktop)?;
    browser.open(&server.page("/gallery/upload"))?;
    browser.run(
        "const { default: init, Tickwire } = await import('/client/tickwire_client.js');
         await init();
         window.Tickwire = Tickwire;
         window.wire = new Tickwire({ url: '/gallery/play', assets: 'asked' });
         await new Promise((resolve) => wire.on('joined', resolve));",
    )?;
    Ok(browser)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn what_nobody_reads_waits_at_its_source_both_ways() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    // The music's handler sends its file and reads nothing; the page writes without end and reads nothing.
    let held = browser.run(
        "window.stream = wire.openStream({ page: 'music' });
         await stream.opened;
         const writer = stream.writable.getWriter();
         let [written, most, mostInSocket] = [0, 0, 0];
         window.writing = (async () => {
             for (;;) {
                 await writer.write(new Uint8Array(10_000));
                 written += 10_000;
             }
         })().catch(() => {});
         const isBegun = () => wire.stats.bytes.opened.down > 10_000 && wire.stats.bytes.opened.up > 10_000;
         for (let quiet = 0, last = -1; quiet < 20 || !isBegun(); quiet++) {
             await new Promise((resolve) => setTimeout(resolve, 50));
             most = Math.max(most, stream.bufferedAmount);
             mostInSocket = Math.max(mostInSocket, wire.bufferedAmount);
             const moved = written + wire.stats.bytes.opened.down;
             if (moved !== last) [quiet, last] = [0, moved];
         }
         const { down, up } = wire.stats.bytes.opened;
         return { written, most, mostInSocket, down, up };",
    )?;
    let number = |name: &str| held[name].as_f64().unwrap_or(f64::NAN);
    // A stream's first window is 128 KiB, and half as much may wait in front of it.
    ensure!(
        number("up") > 10_000.0 && number("up") < 140_000.0,
        "{held}"
    );
    ensure!(number("written") < 300_000.0, "{held}");
    ensure!(number("most") <= 100_000.0, "{held}");
    ensure!(number("mostInSocket") <= 40_000.0, "{held}");
    ensure!(
        number("down") > 10_000.0 && number("down") < 140_000.0,
        "{held}"
    );
    // And it goes on as soon as somebody reads.
    let bytes = browser.run(
        "let bytes = 0;
         for await (const chunk of stream.readable) {
             bytes += chunk.length;
             if (bytes > 160_000) break;
         }
         await writing;
         return bytes;",
    )?;
    ensure!(bytes.as_f64() > Some(160_000.0), "{bytes}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn streams_iterate_pipe_end_and_are_refused_with_a_reason() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let told = browser.run("const bytes = new Uint8Array(3_000_000).map((_, i) => i % 251);
         const stream = wire.openStream({ page: 'upload', name: 'a' });
         const whole = new Response(stream.readable).text();
         await new Blob([bytes]).stream().pipeTo(stream.writable);
         const lines = (await whole).trim().split('\\n').map((line) => JSON.parse(line));
         const { memory } = await (await import('/client/tickwire_client.js')).default();
         const [before, much] = [memory.buffer.byteLength, new Uint8Array(16_000_000)];
         much.set(bytes, much.length - bytes.length);
         const atOnce = wire.openStream({ page: 'upload', name: 'b' });
         const wholeAtOnce = new Response(atOnce.readable).text();
         const onceWriter = atOnce.writable.getWriter();
         await onceWriter.write(much);
         await onceWriter.close();
         const lastAtOnce = JSON.parse((await wholeAtOnce).trim().split('\\n').at(-1));
         const grown = memory.buffer.byteLength - before;
         const refused = wire.openStream({ page: 'nowhere' });
         const reason = await refused.opened.then(() => 'taken', (error) => error.message);
         const unread = await refused.readable.getReader().read().catch((error) => error.message);
         const two = ['a', 'b'].map((from) => wire.openStream({ page: 'hello', from }));
         const heard = await Promise.all(two.map(async (stream) => {
             const writer = stream.writable.getWriter();
             writer.write(new TextEncoder().encode('x'));
             writer.write(new DataView(new TextEncoder().encode('-y-').buffer, 1, 1));
             await writer.close();
             let text = '';
             for await (const chunk of stream.readable) text += new TextDecoder().decode(chunk);
             return text;
         }));
         const questions = [wire.ask('greeting', 'Ann'), wire.ask('greeting', 'Bob', 5000)];
         const answers = await Promise.all(questions);
         const failure = (question) => question.then(() => 'answered', (error) => error.message);
         const declined = await failure(wire.ask('nothing', 1));
         const nonsense = await failure(wire.ask('greeting', 7));
         const late = await failure(wire.ask('greeting', 'Eve', 0));
         const large = await failure(wire.ask('greeting', 'x'.repeat(2 ** 20)));
         const early = await failure(new Tickwire({ url: '/gallery/play' }).ask('greeting', 'Ann'));
         return { last: lines.at(-1), lastAtOnce, grown, reason, unread, heard, answers, declined, nonsense, late, large, early };",
    )?;
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let hash = blake3::hash(&content).to_string();
    ensure!(
        told["last"] == json!({ "received": 3_000_000, "hash": hash }),
        "{told}"
    );
    let mut large = vec![0; 16_000_000];
    large[13_000_000..].copy_from_slice(&content);
    let hash = blake3::hash(&large).to_string();
    ensure!(
        told["lastAtOnce"] == json!({ "received": 16_000_000, "hash": hash }),
        "{told}"
    );
    // A write is not copied as a whole, however large it is.
    ensure!(told["grown"].as_f64() < Some(8e6), "{told}");
    let reason = told["reason"].as_str().context("a reason")?;
    ensure!(
        reason.len() > 5 && reason != "taken" && told["unread"] == reason,
        "{told}"
    );
    ensure!(
        told["answers"] == json!(["How do you do, Ann!", "How do you do, Bob!"]),
        "{told}"
    );
    ensure!(told["late"] == "no answer came in time", "{told}");
    ensure!(
        told["large"] == "a question has 1048576 bytes at most",
        "{told}"
    );
    for failure in ["declined", "nonsense", "early"] {
        let reason = told[failure].as_str().context("a reason")?;
        ensure!(reason.len() > 5 && reason != "answered", "{told}");
    }
    let heard = |name: &str| format!("Welcome, {name}!\nI heard “x”\nI heard “y”\n");
    ensure!(told["heard"] == json!([heard("a"), heard("b")]), "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn an_upload_does_not_stand_in_front_of_what_is_written_beside_it() -> Result<()> {
    // 8 Mbit/s, and a queue without an end in front of it.
    const BYTES_PER_SECOND: usize = 1_000_000;
    let server = Server::start(0)?;
    let line = SlowLine::upward(server.port()?, BYTES_PER_SECOND)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let told = browser.run(&format!(
        "const url = 'ws://127.0.0.1:{}/gallery/play';
             const wire = new Tickwire({{ url, assets: 'asked' }});
             await new Promise((resolve) => wire.on('joined', resolve));
             const hello = wire.openStream({{ page: 'hello', from: 'a' }});
             const [words, answers] = [hello.writable.getWriter(), hello.readable.getReader()];
             await answers.read();
             const stream = wire.openStream({{ page: 'upload', name: 'b' }});
             let [mostInSocket, isOver, begun] = [0, false, performance.now()];
             const whole = new Response(stream.readable).text();
             const upload = new Blob([new Uint8Array(6_000_000)]).stream().pipeTo(stream.writable);
             upload.finally(() => {{ isOver = true; }}).catch(() => {{}});
             const answered = [];
             while (!isOver) {{
                 const asked = performance.now();
                 mostInSocket = Math.max(mostInSocket, wire.bufferedAmount);
                 await words.write('x');
                 await answers.read();
                 answered.push(performance.now() - asked);
                 await new Promise((resolve) => setTimeout(resolve, 20));
             }}
             await upload;
             const seconds = (performance.now() - begun) / 1000;
             const last = JSON.parse((await whole).trim().split('\\n').at(-1));
             answered.sort((a, b) => a - b);
             const median = answered[answered.length >> 1];
             return {{ mostInSocket, median, count: answered.length, seconds, last }};",
        line.port
    ))?;
    let number = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
    ensure!(told["last"]["received"] == json!(6_000_000), "{told}");
    // The line was used, and still the queue in front of it was short: a fifth of a second at the start, and as much
    // again where the line's own thread was late.
    let queued = line.queued_max();
    ensure!(
        queued < BYTES_PER_SECOND * 2 / 5,
        "{queued} bytes queued, {told}"
    );
    ensure!(number("seconds") < 30.0, "{told}");
    ensure!(number("mostInSocket") <= 40_000.0, "{told}");
    ensure!(number("count") > 20.0 && number("median") < 200.0, "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn assets_are_asked_for_cancelled_moved_and_listed() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let told = browser.run("const unknown = await wire.fetch('nothing.png').catch((error) => error.message);
         const urgent = await wire.fetch('coast.jpg', { priority: 300 }).catch((error) => error.message);
         const [first, second] = [await wire.fetch('coast.jpg'), await wire.fetch('coast.jpg')];
         const head = [first.headers.get('content-type'), first.headers.get('content-length')];
         const [one, two] = await Promise.all([first.arrayBuffer(), second.arrayBuffer()]);
         const stop = new AbortController();
         const aborted = await wire.fetch('film.webm', { signal: stop.signal, priority: 3 });
         stop.abort();
         const abort = await aborted.body.getReader().read().then(() => 'read', (error) => error.name);
         const film = wire.assets.find(({ name }) => name === 'film.webm');
         const late = await wire.fetch('film.webm', { signal: stop.signal }).catch((error) => error.name);
         const again = (await (await wire.fetch('film.webm')).arrayBuffer()).byteLength;
         return {
             unknown, urgent, head, abort, late, again,
             sizes: [one.byteLength, two.byteLength],
             film: [film.state, film.priority],
             coast: wire.assets.find(({ name }) => name === 'coast.jpg').state,
             idle: wire.assets.find(({ name }) => name === 'tiles/01.jpg').state,
         };",
    )?;
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo-game/media");
    let bytes = |name: &str| fs::metadata(media.join(name)).map(|it| it.len());
    let coast = bytes("coast.jpg")?;
    ensure!(
        told["unknown"] == "no asset is called nothing.png",
        "{told}"
    );
    ensure!(
        told["urgent"] == "a priority is a whole number from 0 to 255",
        "{told}"
    );
    ensure!(
        told["head"] == json!(["image/jpeg", coast.to_string()]),
        "{told}"
    );
    ensure!(told["sizes"] == json!([coast, coast]), "{told}");
    ensure!(
        told["abort"] == "AbortError" && told["late"] == "AbortError",
        "{told}"
    );
    ensure!(told["film"] == json!(["failed", 3]), "{told}");
    ensure!(told["again"] == bytes("film.webm")?, "{told}");
    ensure!(told["coast"] == "ready" && told["idle"] == "idle", "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_replaced_asset_errors_bodies_that_gave_out_bytes_and_others_give_out_the_new() -> Result<()> {
    let folder = scratch().join(format!("replaced-{}", std::process::id()));
    let assets = folder.join("assets");
    fs::create_dir_all(&assets)?;
    // Noise, which no packing makes small.
    let mut random = fastrand::Rng::with_seed(13);
    let old: Vec<u8> = (0..4_000_000).map(|_| random.u8(..)).collect();
    fs::write(assets.join("world.bin"), old)?;
    let server = Server::start_with_assets(0, &assets)?;
    let line = SlowLine::downward(server.port()?, 500_000)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    browser.run(&format!(
        "const url = 'ws://127.0.0.1:{}/play';
             window.game = new Tickwire({{ url, assets: 'asked' }});
             setInterval(() => game.frame(), 20);
             window.replaced = new Promise((resolve) => game.on('assetreplaced', resolve));
             window.waits = await game.fetch('world.bin');
             window.reader = (await game.fetch('world.bin')).body.getReader();
             await reader.read();",
        line.port
    ))?;
    // In one step, so that nobody reads half of it.
    fs::write(folder.join("new"), "new text")?;
    fs::rename(folder.join("new"), assets.join("world.bin"))?;
    let told = browser.run("const { name } = await replaced;
         let error = null;
         while (!error) await reader.read().catch(({ message }) => { error = message });
         const text = await waits.text();
         return { name, error, text, bytes: waits.headers.get('content-length'), progress: game.progress };",
    )?;
    ensure!(told["name"] == "world.bin", "{told}");
    ensure!(told["error"] == "its content was replaced", "{told}");
    ensure!(told["text"] == "new text" && told["bytes"] == "8", "{told}");
    ensure!(told["progress"]["bytesTotal"] == 8.0, "{told}");
    browser.run("window.removed = new Promise((resolve) => game.on('assetremoved', resolve))")?;
    fs::remove_file(assets.join("world.bin"))?;
    let told = browser.run(
        "const { name } = await removed;
         const { message } = await game.fetch('world.bin').catch((error) => error);
         return { name, message, assets: game.assets };",
    )?;
    ensure!(told["name"] == "world.bin", "{told}");
    ensure!(told["message"] == "no asset is called world.bin", "{told}");
    ensure!(told["assets"] == json!([]), "{told}");
    let _ = fs::remove_dir_all(&folder);
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_stream_of_the_last_connection_reaches_none_of_the_next() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let told = browser.run("const old = wire.openStream({ page: 'upload', name: 'old' });
         await old.opened;
         const writer = old.writable.getWriter();
         await writer.write('before');
         const unread = old.readable.getReader().read().catch(({ message }) => message);
         wire.leave();
         const joined = new Promise((resolve) => wire.on('joined', resolve));
         wire.retry();
         await joined;
         let next;
         do next = wire.openStream({ page: 'upload', name: 'next' }); while (next.id < old.id);
         await next.opened;
         const whole = new Response(next.readable).text();
         const late = await writer.write('of the old one').catch(({ message }) => message);
         const waits = old.bufferedAmount;
         old.reset('of the old one');
         const words = next.writable.getWriter();
         await words.write('12345');
         await words.close();
         const last = JSON.parse((await whole).trim().split('\\n').at(-1));
         return { ids: [old.id, next.id], unread: await unread, late, waits, received: last.received };",
    )?;
    ensure!(told["ids"][0] == told["ids"][1], "{told}");
    ensure!(told["unread"] == "the connection was lost", "{told}");
    ensure!(told["late"] == told["unread"], "{told}");
    ensure!(told["waits"] == 0.0 && told["received"] == 5, "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn what_cannot_be_sent_is_refused_and_breaks_nothing() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let told = browser.run("const attempt = (act) => { try { act(); return 'done' } catch (error) { return error.message } };
         const exotic = [new Map(), new Set(), new Date(), new Float32Array(2), /x/, () => 1];
         const refused = exotic.map((it) => attempt(() => wire.openStream({ page: 'hello', from: it })));
         const inputs = [undefined, null, 5, {}].map((it) => attempt(() => wire.setInput(it)));
         wire.frame();
         const bytes = new TextEncoder().encode('-ann-');
         const views = [
             bytes.slice(1, 4), bytes.slice(1, 4).buffer, new DataView(bytes.buffer, 1, 3),
             new Uint8ClampedArray(bytes.buffer, 1, 3), new Int8Array(bytes.buffer, 1, 3),
         ];
         const heard = await Promise.all(views.map(async (from) => {
             const stream = wire.openStream({ page: 'hello', from });
             await stream.writable.close();
             return new Response(stream.readable).text();
         }));
         return { refused, inputs, heard };",
    )?;
    let refused = ["a value has a type that cannot be sent"; 6];
    ensure!(told["refused"] == json!(refused), "{told}");
    let no_object = "an input is an object";
    let inputs = [no_object, no_object, no_object, "this game takes no input"];
    ensure!(told["inputs"] == json!(inputs), "{told}");
    let heard = ["Welcome, ann!\n"; 5];
    ensure!(told["heard"] == json!(heard), "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn nobody_waits_for_what_will_not_come() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let told = browser.run("const without = new Tickwire({ url: '/gallery/play', assets: false });
         const off = await without.fetch('coast.jpg').catch(({ message }) => message);
         without.leave();
         const stop = new AbortController();
         const early = new Tickwire({ url: '/gallery/play', assets: 'asked' });
         const wish = early.fetch('coast.jpg', { signal: stop.signal });
         stop.abort();
         const aborted = await wish.catch(({ name }) => name);
         early.leave();

         const ends = [];
         wire.on('ended', ({ message }) => ends.push(message));
         wire.on('ended', () => ends.push('removed'))();
         const stream = wire.openStream({ page: 'hello', from: 'a' });
         const [words, answers] = [stream.writable.getWriter(), stream.readable.getReader()];
         await answers.read();
         const waiting = [answers.read(), words.closed].map((it) => it.catch(({ message }) => message));
         const film = (await wire.fetch('film.webm')).body.getReader();
         const body = (async () => { while (!(await film.read()).done); })().catch(({ message }) => message);
         wire.leave();
         const told = await Promise.all(waiting);
         const late = await wire.fetch('coast.jpg').catch(({ message }) => message);
         const joined = new Promise((resolve) => wire.on('joined', resolve));
         wire.retry();
         await joined;
         const again = (await (await wire.fetch('coast.jpg')).arrayBuffer()).byteLength > 0;
         return { off, aborted, ends, told, body: await body, late, again };",
    )?;
    ensure!(
        told["off"] == "this connection fetches no assets" && told["aborted"] == "AbortError",
        "{told}"
    );
    let left = "You have left the game.";
    ensure!(told["ends"] == json!([left]), "{told}");
    let lost = "the connection was lost";
    ensure!(told["told"] == json!([lost, lost]), "{told}");
    ensure!(told["body"] == left && told["late"] == left, "{told}");
    ensure!(told["again"] == true, "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn whatever_a_listener_does_all_hear_one_event_before_the_next() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    // The last asset and that there are no more come in one message.
    let told = browser.run(
        "const [heard, said, { error }] = [[], [], console];
         console.error = ({ message }) => said.push(message);
         let resolve;
         wire.on('asset', () => {
             heard.push('first begins');
             wire.frame();
             wire.openStream({ page: 'hello', from: 'a' });
             heard.push('first ends');
         });
         wire.on('asset', () => heard.push('second'));
         wire.on('asset', () => { throw new Error('on purpose'); });
         wire.on('assets', () => { heard.push('all'); resolve(); });
         for (const name of ['coast.jpg', 'tiles/01.jpg']) {
             const all = new Promise((it) => { resolve = it; });
             await wire.fetch(name);
             await all;
         }
         while (said.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
         console.error = error;
         return { heard, said };",
    )?;
    let once = ["first begins", "first ends", "second", "all"];
    ensure!(told["heard"] == json!([once, once].concat()), "{told}");
    let said = ["on purpose"; 2];
    ensure!(told["said"] == json!(said), "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn an_input_set_early_is_sent_and_a_field_that_is_not_there_is_named() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let told = browser.run(
        "const said = [];
         const error = console.error;
         console.error = (text) => said.push(text);
         const game = new Tickwire({ url: '/play', name: 'Early', assets: false });
         game.setInput({});
         const fields = [['Positoin', 'x'], ['Position', 'z'], ['Position', 'x'], ['Position', '']];
         const handles = fields.map(([component, path]) => game.field(component, path));
         while (!handles[2].ids.length || !game.stats.bytes.input.up) {
             game.frame();
             await new Promise((resolve) => setTimeout(resolve, 20));
         }
         game.frame();
         game.leave();
         console.error = error;
         return said;",
    )?;
    let said = [
        "tickwire: the game has no component Positoin",
        "tickwire: the component Position has no field z",
    ];
    ensure!(told == json!(said), "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_console_of_the_pages_own_may_look_at_the_game() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    // A server whose first message is none.
    let told = browser.run(
        "const { error } = console;
         const { WebSocket } = window;
         let socket;
         window.WebSocket = class extends EventTarget {
             readyState = 1;
             bufferedAmount = 0;
             constructor() { super(); socket = this; }
             send() {}
             close() {}
         };
         const game = new Tickwire({ url: '/play', assets: false });
         window.WebSocket = WebSocket;
         const told = new Promise((resolve) => {
             console.error = (text) => resolve([text.split(':')[0], game.status]);
         });
         socket.dispatchEvent(new Event('open'));
         socket.dispatchEvent(new MessageEvent('message', { data: new ArrayBuffer(1) }));
         const said = await told;
         console.error = error;
         return said;",
    )?;
    ensure!(told == json!(["tickwire", "ended"]), "{told}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn everything_that_the_types_declare_is_there() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = connected(&driver, &server)?;
    let types = fs::read_to_string(dist()?.join("client/tickwire_client.d.ts"))?;
    browser.run("window.stream = wire.openStream({ page: 'hello', from: 'types' })")?;
    for (class, object) in [("Tickwire", "wire"), ("TickwireStream", "stream")] {
        let members = members(&types, &format!("export class {class} {{"))?;
        ensure!(members.len() >= 6, "{class}: {members:?}");
        let missing = format!(
            "return {}.filter((name) => !(name in {object}))",
            json!(members)
        );
        ensure!(
            browser.execute(&missing)? == json!([]),
            "{class} lacks {members:?}"
        );
    }
    for (interface, object) in [
        ("TickwireStats", "wire.stats"),
        ("TickwireProgress", "wire.progress"),
        (
            "TickwireAsset",
            "(await wire.fetch('coast.jpg'), wire.assets[0])",
        ),
        ("TickwireSchema", "wire.schema"),
    ] {
        let mut declared = members(&types, &format!("export interface {interface} {{"))?;
        declared.sort();
        let there = browser.run(&format!("return Object.keys({object}).sort()"))?;
        ensure!(
            there == json!(declared),
            "{interface}: {there} and {declared:?}"
        );
    }
    browser.expect_no_errors()
}

/// The names that a class or interface declares, at its own level: the generated file indents those by
/// four.
fn members(types: &str, head: &str) -> Result<Vec<String>> {
    let (_, body) = types
        .split_once(head)
        .with_context(|| format!("no {head}"))?;
    let (body, _) = body.split_once("\n}").context("its end")?;
    let declared = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        let line = line.strip_prefix("readonly ").unwrap_or(line);
        let end = line.find(|it: char| !it.is_alphanumeric())?;
        let (name, rest) = line.split_at(end);
        let is_member = [":", "?:", "("].iter().any(|it| rest.starts_with(it));
        let is_own = !matches!(name, "" | "constructor" | "free");
        (is_member && is_own).then(|| name.to_owned())
    });
    Ok(declared.collect())
}
