//! The prebuilt client in a page without a line of the game's Rust: what it draws, and what it fetches.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::{
    driver::{Browser, Driver, PATIENCE, Screen},
    server::Server,
};

const ARROW_UP: char = '\u{E013}';

/// More than a ship's own length.
const MOVED_UNITS: f64 = 80.0;

fn open(driver: &Driver, server: &Server) -> Result<Browser> {
    let browser = driver.browser(&Screen::Desktop)?;
    let page = server.url("").replace("/?", "/plain.html?name=Plain");
    browser.open(&page)?;
    browser
        .wait_until(
            "tickwire.state().phase === 'playing' && tickwire.state().me !== null",
            PATIENCE,
        )
        .context("the page does not get to play")?;
    Ok(browser)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_page_without_the_games_rust_draws_the_match_and_flies() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = open(&driver, &server)?;
    let named = "tickwire.state().names.includes('Plain')";
    browser
        .wait_until(named, PATIENCE)
        .context("a text does not arrive")?;
    browser
        .wait_until("tickwire.state().rocks > 0", PATIENCE)
        .context("no rock in view")?;

    // The ship stands in the middle of the canvas, which is transparent where nothing is drawn.
    let drawn = "(() => {
        const canvas = document.querySelector('canvas');
        const [x, y] = [canvas.width / 2 - 15, canvas.height / 2 - 15];
        const pixels = canvas.getContext('2d').getImageData(x, y, 30, 30).data;
        return pixels.filter((value, index) => index % 4 === 3 && value > 200).length > 60;
    })()";
    browser
        .wait_until(drawn, PATIENCE)
        .context("the own ship is not drawn")?;

    let own =
        "(() => { const it = tickwire.state(); return it.ships.find(({ id }) => id === it.me) })()";
    let at = browser.wait_until(own, PATIENCE)?;
    browser.press(ARROW_UP)?;
    let far = format!(
        "(() => {{ const it = {own}; return it && Math.hypot(it.x - {}, it.y - {}) > {MOVED_UNITS} }})()",
        at["x"], at["y"]
    );
    let moved = browser.wait_until(&far, PATIENCE);
    browser.release(ARROW_UP)?;
    browser.screenshot("plain")?;
    moved.context("the arrow key does not move the ship")?;
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_second_visit_fetches_no_asset_again() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = open(&driver, &server)?;
    // Another player of the same page, who wants the assets, twice.
    let visit = "window.visit = async () => {
        const { Tickwire } = await import('/client/tickwire_client.js');
        const game = new Tickwire({ url: '/play', name: 'Visitor', assets: true });
        const [failed, names] = [[], []];
        game.on('asset', ({ name, bytes }) => names.push(`${name} ${bytes.length}`));
        game.on('assetfailed', ({ name, reason }) => failed.push(`${name}: ${reason}`));
        const beat = setInterval(() => game.frame(), 20);
        await new Promise((resolve) => game.on('assets', resolve));
        // What was fetched is put into the cache meanwhile.
        const cache = await caches.open('tickwire-assets-1');
        while ((await cache.keys()).length < names.length) await new Promise((resolve) => setTimeout(resolve, 20));
        clearInterval(beat);
        const progress = game.progress;
        game.leave();
        return { progress, failed, names: names.sort() };
    };
    window.first = window.second = null;
    visit().then((first) => { window.first = first; return visit() })
        .then((second) => { window.second = second })
        .catch((error) => console.error(String(error)))";
    browser.execute(visit)?;
    let first = browser
        .wait_until("first", PATIENCE)
        .context("the assets do not arrive")?;
    let second = browser
        .wait_until("second", PATIENCE)
        .context("the assets do not arrive again")?;
    ensure!(first["failed"] == json!([]), "{first}");
    ensure!(first["names"] == second["names"], "{first} and {second}");
    let bytes = |visit: &serde_json::Value| visit["progress"]["bytesFetched"].as_f64();
    // All of it came, some of it packed.
    let total = first["progress"]["bytesTotal"].as_f64();
    ensure!(
        bytes(&first) > Some(0.0) && bytes(&first) < total,
        "{first}"
    );
    ensure!(bytes(&second) == Some(0.0), "{second}");
    Ok(())
}
