//! The page around the demo's canvas: start screen, chat box, messages.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::{
    driver::{Browser, Driver, PATIENCE, Screen},
    play::join,
    server::Server,
};

/// WebDriver's name for the key.
const ENTER: char = '\u{E007}';

fn press(browser: &Browser, key: char) -> Result<()> {
    browser.press(key)?;
    browser.release(key)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn who_types_a_name_and_presses_enter_plays_under_it() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = driver.browser(&Screen::Desktop)?;
    browser.open(&server.page("/"))?;
    browser.wait_until("!document.getElementById('play').disabled", PATIENCE)?;
    browser.screenshot("start")?;
    for key in "Ann".chars() {
        press(&browser, key)?;
    }
    press(&browser, ENTER)?;
    browser.wait_until("tickwire.state().ships[0].name === 'Ann'", PATIENCE)?;
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_chat_box_that_is_left_closes_and_opens_again_with_its_line() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = join(&driver, &server, "Ann", &Screen::Desktop)?;
    let is_open = "!document.getElementById('chat').hidden";
    let is_closed = "document.getElementById('chat').hidden";
    press(&browser, ENTER)?;
    browser.wait_until(is_open, PATIENCE)?;
    for key in "hel".chars() {
        press(&browser, key)?;
    }
    browser.point((300, 200))?;
    browser.click()?;
    browser
        .wait_until(is_closed, PATIENCE)
        .context("a click on the game leaves the box open")?;
    press(&browser, ENTER)?;
    browser
        .wait_until(is_open, PATIENCE)
        .context("Enter does not open it again")?;
    for key in "lo".chars() {
        press(&browser, key)?;
    }
    press(&browser, ENTER)?;
    browser.wait_until(is_closed, PATIENCE)?;
    browser.wait_until("tickwire.state().chat[0]", PATIENCE)?;
    let said = browser.execute("return tickwire.state().chat")?;
    ensure!(said == json!(["Ann: hello"]), "{said}");
    let line = browser.execute("return document.getElementById('line').value")?;
    ensure!(line == "", "what was said stands there still: {line}");
    browser.expect_no_errors()
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_player_is_told_when_the_game_has_panicked() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = join(&driver, &server, "Ann", &Screen::Desktop)?;
    // A browser that draws a frame inside one of the calls that a press on the canvas leads to.
    browser.execute(
        "const request = requestAnimationFrame;
         window.requestAnimationFrame = (callback) => request(window.drawFrame = callback);
         addEventListener('press', () => drawFrame(performance.now()));
         document.getElementById('game').setPointerCapture = () => dispatchEvent(new Event('press'));",
    )?;
    browser.wait_until("window.drawFrame", PATIENCE)?;
    browser.point((300, 200))?;
    browser.click()?;
    let shown = "(() => { const it = document.getElementById('message'); return !it.hidden && it.innerText })()";
    let text = browser.wait_until(shown, PATIENCE)?;
    ensure!(
        text == "Something in the game broke. Reload the page to play on.",
        "{text}"
    );
    let log = browser.log()?;
    ensure!(log.contains("panicked"), "it did not panic:\n{log}");
    Ok(())
}
