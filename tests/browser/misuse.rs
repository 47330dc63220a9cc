//! What a page does wrong by mistake: it is told, at once and by name, and nobody waits because of it.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    driver::{Browser, Driver},
    streams::start,
};

/// What the error says that something throws, or that a promise rejects with; or that there was none.
const TOLD: &str = "\
    const attempt = (act) => { try { act(); return 'done' } catch (error) { return error.message } };
    const failure = (promise) => promise.then(() => 'done', (error) => error.message);";

fn run(browser: &Browser, body: &str) -> Result<Value> {
    browser.run(&format!("{TOLD} {body}"))
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn an_input_is_taken_for_no_other() -> Result<()> {
    let driver = Driver::start()?;
    let (_server, browser) = start(&driver)?;
    let refused = [
        ("{ turn: 'left' }", "turn takes a number"),
        ("{ turn: NaN }", "turn takes a number"),
        ("{ turn: {} }", "turn takes a number"),
        ("{ turn: [1] }", "turn.0"),
        ("{ turn: 5n }", "turn takes a number"),
        ("{ aim: 'x' }", "aim takes a number"),
        ("{ aim: NaN }", "aim takes a number"),
        ("{ fire: 'false' }", "fire takes true or false"),
        ("{ gun: 'Lazer' }", "gun takes one of None, Laser, Bomb"),
        ("{ gun: 9 }", "gun takes one of None, Laser, Bomb"),
        ("{ gun: { Bomb: { sized: 3 } } }", "gun.Bomb.sized"),
        ("{ gun: { Bomb: 3 } }", "gun.Bomb takes an object"),
        (
            "{ gun: { Bomb: {}, Laser: {} } }",
            "gun takes one of None, Laser, Bomb",
        ),
        ("{ 'gun.Bomb.sized': 3 }", "gun.Bomb.sized"),
        ("{ at: 5 }", "at takes an object"),
        ("{ at: new Map() }", "at takes an object"),
        ("new Map([['turn', 1]])", ""),
        ("new Date()", ""),
    ];
    for (input, named) in refused {
        let told = run(
            &browser,
            &format!("return attempt(() => wire.setInput({input}))"),
        )?;
        let told = told.as_str().unwrap_or_default();
        let sentence = match named {
            "" => "an input is an object".to_owned(),
            _ if named.contains(' ') => format!("the input's field {named}"),
            _ => format!("the input has no field {named}"),
        };
        ensure!(told == sentence, "{input}: {told}");
    }
    let taken = [
        (
            "{ turn: 1, fire: true }",
            "turn: 1.0, aim: None, fire: true, loud: None, gun: None, at: None",
        ),
        (
            "{ turn: true, aim: false, fire: 1 }",
            "turn: 1.0, aim: None, fire: true, loud: None, gun: None, at: None",
        ),
        (
            "{ aim: 0, loud: false }",
            "turn: 0.0, aim: Some(0.0), fire: false, loud: Some(false), gun: None, at: None",
        ),
        (
            "{ aim: null, 'aim?': true, gun: 1 }",
            "turn: 0.0, aim: Some(0.0), fire: false, loud: None, gun: Laser, at: None",
        ),
        (
            "{ gun: { Bomb: { size: 7 } }, at: { x: 3 } }",
            "turn: 0.0, aim: None, fire: false, loud: None, gun: Bomb { size: 7 }, at: Some(Place { x: 3 })",
        ),
        (
            "{ gun: 'Bomb', 'gun.Bomb.size': 8, at: true }",
            "turn: 0.0, aim: None, fire: false, loud: None, gun: Bomb { size: 8 }, at: Some(Place { x: 0 })",
        ),
        (
            "{ gun: { Laser: null }, at: false }",
            "turn: 0.0, aim: None, fire: false, loud: None, gun: Laser, at: None",
        ),
    ];
    for (input, held) in taken {
        let held = format!("Steer {{ {held} }}");
        let told = run(
            &browser,
            &format!(
                "wire.setInput({input});
                 let told;
                 for (const end = Date.now() + 10_000; told !== {held} && Date.now() < end; ) told = await wire.ask('input', null);
                 return told;",
                held = json!(held)
            ),
        )?;
        ensure!(told == held.as_str(), "{input}: {told}");
    }
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn options_that_make_no_sense_are_refused_and_every_form_of_an_address_is_taken() -> Result<()> {
    let driver = Driver::start()?;
    let (_server, browser) = start(&driver)?;
    let told = run(
        &browser,
        "const options = [
             ...['ftp://x/', 'ws://', '/play#there', 5].map((url) => ({ url })),
             ...['none', 'ask', 1].map((assets) => ({ assets })),
             { name: 5 }, { join: 'x'.repeat(5000) }, '/play',
         ];
         const refused = options.map((it) => attempt(() => new Tickwire(it)));
         const weights = [0, 256, -1, NaN, 1.5, 'x'];
         const streams = [...weights.map((weight) => ({ weight })), { kind: 'byte' }, 5];
         refused.push(...streams.map((it) => attempt(() => wire.openStream('listen', it))));
         const priorities = [256, -1, NaN, 'high', undefined];
         refused.push(...priorities.map((it) => attempt(() => wire.setAssetPriority('a', it))));
         const { host } = location;
         const addresses = [
             'play', '//' + host + '/play', 'http://' + host + '/play', 'WS://' + host + '/play',
             new URL('/play', location),
         ];
         const joined = await Promise.all(addresses.map(async (url) => {
             const game = new Tickwire({ url });
             await new Promise((resolve) => game.on('joined', resolve));
             game.leave();
         }));
         return { refused, joined: joined.length };",
    )?;
    let refused = [
        "ftp://x/ is no address of a game: its scheme is neither ws, wss, http nor https",
        "ws:// is no address of a game: it cannot be understood",
        "/play#there is no address of a game: it has a fragment",
        "the option url is a text",
        "the option assets is true, false or \"asked\"",
        "the option assets is true, false or \"asked\"",
        "the option assets is true, false or \"asked\"",
        "the option name is a text",
        "the option join has 5003 bytes on the wire, 4096 are allowed",
        "options are an object",
    ];
    let mut refused = refused.to_vec();
    refused.extend(["a weight is a whole number from 1 to 255"; 6]);
    refused.extend(["no kind of stream is called byte", "options are an object"]);
    refused.extend(["a priority is a whole number from 0 to 255"; 5]);
    ensure!(told["refused"] == json!(refused), "{told}");
    ensure!(told["joined"] == 5, "{told}");
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_stream_that_a_page_gives_up_ends_at_both_ends_and_says_why() -> Result<()> {
    let driver = Driver::start()?;
    let (_server, browser) = start(&driver)?;
    let told = run(
        &browser,
        "const ended = async (act, options) => {
             const stream = wire.openStream('listen', options);
             await stream.opened;
             const said = await failure(act(stream));
             const reader = stream.readable.locked ? null : stream.readable.getReader();
             const end = await wire.ask('end', null);
             const heard = end.replace(/^\\d+: the stream was reset with code 256: /, '');
             return [said, reader && await failure(reader.read()), heard];
         };
         const write = (chunk) => ({ writable }) => writable.getWriter().write(chunk);
         const source = () => new ReadableStream({
             pull: (controller) => controller.error(new Error('the camera is gone')),
         });
         const full = async ({ writable }) => {
             const writer = writable.getWriter();
             await writer.write('abc');
             return writer.abort('enough');
         };
         const waits = wire.openStream({ down: 0, up: 0, seed: 1, rate: 1, paced: 1e9 });
         const writer = waits.writable.getWriter();
         const written = failure(writer.write(new Uint8Array(1e6)));
         while (!wire.stats.bytes.opened.up) await new Promise((resolve) => setTimeout(resolve, 20));
         return {
             blob: await ended(write(new Blob(['x']))),
             taken: await ended(({ writable }) => {
                 const large = new Uint8Array(4e6);
                 const written = writable.getWriter().write(large);
                 structuredClone(large, { transfer: [large.buffer] });
                 return written;
             }),
             method: await ended(write(() => 1), { kind: 'messages' }),
             large: await ended(write('x'.repeat(2 ** 20)), { kind: 'messages' }),
             cancel: await ended(({ readable }) => readable.cancel(new Error('I have enough'))),
             silent: await ended(({ readable }) => readable.cancel()),
             abort: await ended(full),
             pipe: await ended(({ writable }) => source().pipeTo(writable)),
             reset: await ended(async (stream) => stream.reset(new Error('of no use'))),
             waits: [await failure(writer.abort('enough')), await written],
             long: await ended(async (stream) => stream.reset('ä'.repeat(200))),
         };",
    )?;
    let refused = |why: &str| json!([why, why, why]);
    let given_up = |why: &str| json!(["done", why, why]);
    ensure!(
        told["blob"] == refused("a stream of bytes takes bytes and text"),
        "{told}"
    );
    ensure!(
        told["taken"] == refused("what was written was taken away before it was sent"),
        "{told}"
    );
    ensure!(
        told["method"] == refused("a value has a type that cannot be sent"),
        "{told}"
    );
    ensure!(
        told["large"][2]
            .as_str()
            .is_some_and(|it| it.contains("1048576")),
        "{told}"
    );
    ensure!(told["cancel"][2] == "I have enough", "{told}");
    ensure!(told["silent"][2] == "cancelled", "{told}");
    ensure!(told["abort"] == given_up("enough"), "{told}");
    ensure!(told["waits"] == json!(["done", "enough"]), "{told}");
    ensure!(told["pipe"] == refused("the camera is gone"), "{told}");
    ensure!(told["reset"] == given_up("of no use"), "{told}");
    ensure!(told["long"][2] == "ä".repeat(60), "{told}");
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn what_is_to_be_a_text_is_asked_for_by_name_and_nothing_breaks() -> Result<()> {
    let driver = Driver::start()?;
    let (_server, browser) = start(&driver)?;
    let told = run(
        &browser,
        "const refused = [
             attempt(() => wire.on(5, () => 1)),
             attempt(() => wire.on('joined')),
             attempt(() => wire.field('Position')),
             attempt(() => wire.sendEvent(5, {})),
             attempt(() => wire.setAssetPriority(5, 1)),
             attempt(() => wire.cancelAsset()),
             await failure(wire.fetch(new URL('http://x/a.bin'))),
             await failure(wire.ask(undefined, 1)),
         ];
         return { refused, after: await wire.ask('input', null) };",
    )?;
    let refused = [
        "an event's name is a text",
        "a listener is a function",
        "a field's path is a text",
        "an event's name is a text",
        "an asset's name is a text",
        "an asset's name is a text",
        "an asset's name is a text",
        "a topic is a text",
    ];
    ensure!(told["refused"] == json!(refused), "{told}");
    ensure!(told["after"].is_string(), "{told}");
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn an_address_that_the_browser_refuses_is_not_tried_for_ever() -> Result<()> {
    let driver = Driver::start()?;
    let (_server, browser) = start(&driver)?;
    let told = run(
        &browser,
        "const { WebSocket } = window;
         window.WebSocket = class {
             constructor() { throw new DOMException('It is not secure.', 'SecurityError') }
         };
         const begun = attempt(() => new Tickwire({ url: '/play' }));
         wire.leave();
         const ended = new Promise((resolve) => wire.on('ended', resolve));
         wire.retry();
         const [status, { message }] = [wire.status, await ended];
         window.WebSocket = WebSocket;
         const joined = new Promise((resolve) => wire.on('joined', resolve));
         wire.retry();
         await joined;
         return { begun, status, message };",
    )?;
    let reason = "This page cannot connect to the server. It is not secure.";
    ensure!(
        told == json!({ "begun": reason, "status": "ended", "message": reason }),
        "{told}"
    );
    Ok(())
}
