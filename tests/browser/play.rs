//! The demo as players meet it: two browsers and a server, a phone, and a server that dies.
//!
//! What a player sees is read twice: from `window.tickwire.state()`, which tells what the game believes
//! it shows, and from the canvas, which tells what it really shows.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    driver::{Browser, Driver, PATIENCE, Screen},
    server::Server,
};

/// How far a ship has to move to have moved: more than the 22 units of its radius.
const MOVED_UNITS: f64 = 80.0;

/// Opens the game and waits until the player flies.
pub(crate) fn join(
    driver: &Driver,
    server: &Server,
    name: &str,
    screen: &Screen,
) -> Result<Browser> {
    let browser = driver.browser(screen)?;
    browser.open(&server.url(&format!("name={name}")))?;
    if let Err(error) = browser.wait_until("tickwire.state().phase === 'playing'", PATIENCE) {
        browser.screenshot(&format!("{name}-does-not-play"))?;
        let state = browser.execute("return JSON.stringify(window.tickwire?.state())")?;
        bail!("{name} does not get to play: {error:#}\nthe game says: {state}");
    }
    Ok(browser)
}

/// The expression for a player's ship, as a page sees it.
fn ship(name: &str) -> String {
    format!("tickwire.state().ships.find((ship) => ship.name === '{name}')")
}

/// Where a page believes a ship to be: in the arena, or on its screen with `screen_x` and `screen_y`.
fn place(browser: &Browser, name: &str, x: &str, y: &str) -> Result<(f64, f64)> {
    let ship = ship(name);
    let value = browser.execute(&format!("const ship = {ship}; return [ship.{x}, ship.{y}]"))?;
    Ok((
        value[0].as_f64().context("x")?,
        value[1].as_f64().context("y")?,
    ))
}

fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// How bright the canvas is around a place, given as an expression for its CSS pixels: the sum over a
/// square as large as a ship. A ship is bright on a dark ground.
fn brightness(browser: &Browser, place: &str) -> Result<f64> {
    let script = format!("return {}", brightness_of(place));
    browser.execute(&script)?.as_f64().context("a brightness")
}

/// The expression for it.
fn brightness_of(place: &str) -> String {
    format!(
        "(() => {{ const [x, y] = {place};
         const canvas = document.querySelector('canvas');
         const scale = canvas.width / canvas.clientWidth;
         const side = Math.round(40 * scale);
         const left = Math.round(x * scale - side / 2), top = Math.round(y * scale - side / 2);
         const pixels = canvas.getContext('2d').getImageData(left, top, side, side).data;
         let sum = 0;
         for (let i = 0; i < pixels.length; i += 4) sum += pixels[i] + pixels[i + 1] + pixels[i + 2];
         return sum / (side * side); }})()"
    )
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_key_press_in_one_browser_moves_that_ship_in_the_other() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let ann = join(&driver, &server, "Ann", &Screen::Desktop)?;
    let ben = join(&driver, &server, "Ben", &Screen::Desktop)?;
    ann.wait_until(&ship("Ben"), PATIENCE)
        .context("Ann does not see Ben")?;
    ben.wait_until(&ship("Ann"), PATIENCE)
        .context("Ben does not see Ann")?;

    // Both drift for a moment after they appear; then Ben's camera, which follows Ben, stands still.
    let own = place(&ben, "Ben", "x", "y")?;
    let before = place(&ben, "Ann", "x", "y")?;
    let screen_before = place(&ben, "Ann", "screen_x", "screen_y")?;
    let screen_before = format!("[{}, {}]", screen_before.0, screen_before.1);
    let bright_before = brightness(&ben, &screen_before)?;

    ann.press('w')?;
    let (x, y) = before;
    // At once, and where she is by then: she flies on, and out of sight in the end.
    let moved = format!(
        "(() => {{ const it = {}; return Math.hypot(it.x - {x}, it.y - {y}) > {MOVED_UNITS} && {} }})()",
        ship("Ann"),
        brightness_of("[it.screen_x, it.screen_y]"),
    );
    let outcome = ben
        .wait_until(&moved, PATIENCE)
        .context("Ben does not see Ann move");
    ann.release('w')?;
    if outcome.is_err() {
        ben.screenshot("ben-sees-ann")?;
    }
    let bright_after = outcome?.as_f64().context("a brightness")?;
    ensure!(
        distance(own, place(&ben, "Ben", "x", "y")?) < MOVED_UNITS,
        "Ben moved although only Ann pressed a key"
    );
    let left_behind = brightness(&ben, &screen_before)?;
    ben.screenshot("ben-sees-ann")?;
    ensure!(
        left_behind < bright_before * 0.6,
        "Ann's ship has left, and the canvas is as bright there as before: {left_behind} after {bright_before}"
    );
    ensure!(
        bright_after > left_behind * 1.5,
        "nothing is drawn where Ann's ship is: {bright_after} beside {left_behind}"
    );
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn assets_arrive_over_the_socket_once_and_nothing_else_over_http() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = join(&driver, &server, "Ann", &Screen::Desktop)?;
    let all = "(() => { const it = tickwire.state().assets; return it.total > 0 && it.loaded === it.total })()";
    browser
        .wait_until(all, PATIENCE)
        .context("the assets do not arrive")?;
    let requests = || {
        browser.execute("return performance.getEntriesByType('resource').map((it) => new URL(it.name).pathname).sort()")
    };
    let page_alone = serde_json::json!([
        "/demo/tickwire_demo.js",
        "/demo/tickwire_demo_bg.wasm",
        "/style.css"
    ]);
    ensure!(
        requests()? == page_alone,
        "more came over HTTP: {}",
        requests()?
    );
    let fetched = "return tickwire.state().assets.bytes_fetched";
    ensure!(browser.execute(fetched)?.as_u64() > Some(100_000));

    let total = browser.execute("return tickwire.state().assets.total")?;
    browser.until_cached(total.as_u64().context("a number of assets")?)?;

    // The second visit has everything in its cache.
    browser.open(&server.url("name=Ann"))?;
    browser.wait_until("tickwire.state().phase === 'playing'", PATIENCE)?;
    browser.wait_until(all, PATIENCE)?;
    ensure!(
        browser.execute(fetched)? == 0,
        "the second visit fetched assets"
    );
    ensure!(
        requests()? == page_alone,
        "more came over HTTP: {}",
        requests()?
    );
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_killed_server_is_told_to_the_player_and_play_goes_on_when_it_is_back() -> Result<()> {
    let server = Server::start_apart()?;
    let port = server.port()?;
    let driver = Driver::start()?;
    let browser = join(&driver, &server, "Ann", &Screen::Desktop)?;
    drop(server);
    browser
        .wait_until(
            "tickwire.state().phase === 'reconnecting' && tickwire.state().message",
            PATIENCE,
        )
        .context("the player is not told")?;
    let shown = "(() => { const it = document.getElementById('message'); return !it.hidden && it.innerText.trim() })()";
    let text = browser
        .wait_until(shown, PATIENCE)
        .context("the page does not show the message")?;
    let stays = format!("return Boolean({})", ship("Ann"));
    ensure!(
        browser.execute(&stays)? == true,
        "the own ship is gone with the line"
    );
    ensure!(
        text.as_str().is_some_and(|text| text.len() > 5),
        "the message says nothing: {text}"
    );
    browser.screenshot("reconnecting")?;

    let _server = Server::start(port)?;
    browser
        .wait_until("tickwire.state().phase === 'playing'", PATIENCE)
        .context("play does not go on")?;
    let (tick, own) = ("tickwire.state().tick", ship("Ann"));
    let first = browser.wait_until(tick, PATIENCE)?;
    browser
        .wait_until(&format!("{tick} > {first} && {own}"), PATIENCE)
        .context("the new server's state does not arrive")?;
    ensure!(
        browser.execute("return document.getElementById('message').hidden")? == Value::Bool(true),
        "the message stays"
    );
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_phone_shows_the_whole_game_and_a_thumb_flies() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = join(&driver, &server, "Ann", &Screen::Phone)?;
    let fits = "const box = document.querySelector('canvas').getBoundingClientRect();
        const page = document.documentElement;
        return [box.left, box.top, box.width, box.height, page.scrollWidth, page.scrollHeight]";
    let expected = serde_json::json!([0, 0, 390, 844, 390, 844]);
    ensure!(
        browser.execute(fits)? == expected,
        "the page does not fit: {}",
        browser.execute(fits)?
    );
    let (x, y) = place(&browser, "Ann", "x", "y")?;
    // The left thumb, pushed up and to the right.
    browser.drag_finger((90, 700), (150, 640))?;
    let moved = format!(
        "(() => {{ const it = {}; return Math.hypot(it.x - {x}, it.y - {y}) > {MOVED_UNITS} }})()",
        ship("Ann")
    );
    let outcome = browser
        .wait_until(&moved, PATIENCE)
        .context("the thumb does not move the ship");
    browser.let_go()?;
    browser.screenshot("phone")?;
    outcome.map(|_| ())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn on_a_phone_held_either_way_nothing_lies_where_thumbs_press() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    for (screen, picture) in [
        (Screen::PhoneSideways, "phone-landscape"),
        (Screen::Phone, "phone-portrait"),
    ] {
        let browser = join(&driver, &server, "Ann", &screen)?;
        // There from the start, before anything was touched.
        browser.wait_until("tickwire.state().thumbs.length === 4", PATIENCE)?;
        let covered = "const canvas = document.getElementById('game');
            const covered = [];
            for (const { x, y, radius } of tickwire.state().thumbs) {
                for (let turn = 0; turn < 16; turn++) {
                    for (const reach of [0, radius / 2, radius]) {
                        const angle = turn * Math.PI / 8;
                        const place = [x + reach * Math.cos(angle), y + reach * Math.sin(angle)];
                        const there = document.elementFromPoint(...place);
                        if (there !== canvas) covered.push([...place, there?.outerHTML]);
                    }
                }
            }
            return covered";
        let covered = browser.execute(covered)?;
        browser.screenshot(picture)?;
        ensure!(covered == json!([]), "{picture}: {covered}");
    }
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_page_that_is_reloaded_leaves_no_ghost_of_its_player() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    for (page, names) in [
        ("/", "tickwire.state().ships.map(({ name }) => name)"),
        ("/plain.html", "tickwire.state().names"),
    ] {
        let browser = driver.browser(&Screen::Desktop)?;
        browser.open(&server.page(&format!("{page}?name=Again")))?;
        for _ in 0..2 {
            browser.wait_until(&format!("{names}.includes('Again')"), PATIENCE)?;
            let again = format!("return {names}.filter((name) => name === 'Again')");
            let seats = browser.execute(&again)?;
            ensure!(seats == json!(["Again"]), "{page}: {seats}");
            // What is asked of the old page is not to be taken for the new one's.
            browser.execute("tickwire.state = null; location.reload()")?;
        }
        browser.expect_no_errors()?;
    }
    Ok(())
}
