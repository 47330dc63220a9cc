//! The example `pucks`, the first game that an author meets: its page in two browsers, and its client.

use anyhow::{Context as _, Result, ensure};
use tests::process::{self, OwnedChild};

use crate::{
    driver::{Browser, Driver, PATIENCE, Screen},
    server::dist,
};

const ARROW_LEFT: char = '\u{E012}';
const ARROW_RIGHT: char = '\u{E014}';

/// How far a puck has to move to have moved: more than its radius of 20.
const MOVED_PIXELS: f64 = 30.0;

/// Where on the canvas the pucks of a colour are: the middle of their pixels, or null.
const MIDDLE: &str = "window.middle = (red, green, blue) => {
    const { data } = document.querySelector('canvas').getContext('2d').getImageData(0, 0, 800, 500);
    let [count, sum] = [0, 0];
    for (let i = 0; i < data.length; i += 4) {
        if (data[i] !== red || data[i + 1] !== green || data[i + 2] !== blue) continue;
        count += 1;
        sum += (i / 4) % 800;
    }
    return count > 0 ? sum / count : null;
};";

/// The player's own puck, and those of others.
const OWN: &str = "middle(0xff, 0xd0, 0x40)";
const OTHERS: &str = "middle(0x40, 0xc0, 0xff)";

/// Starts the example on a free port and gives its address.
fn start() -> Result<(OwnedChild, String)> {
    let dist = dist()?;
    let dist = dist.to_str().context("a path that is text")?;
    let (process, address) = process::start_example("pucks", &["0", dist])?;
    ensure!(address.starts_with("http://"), "it said {address:?}");
    Ok((process, address))
}

fn join(driver: &Driver, address: &str) -> Result<Browser> {
    let browser = driver.browser(&Screen::Desktop)?;
    browser.open(address)?;
    browser.execute(MIDDLE)?;
    browser.wait_until(OWN, PATIENCE)?;
    Ok(browser)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_puck_that_one_page_pushes_moves_on_the_other() -> Result<()> {
    let (_server, address) = start()?;
    let driver = Driver::start()?;
    let (ann, ben) = (join(&driver, &address)?, join(&driver, &address)?);
    let seen = ben.wait_until(OTHERS, PATIENCE)?;
    let seen = seen.as_f64().context("a place")?;
    let (key, moved) = if seen < 400.0 {
        (ARROW_RIGHT, format!("{OTHERS} > {}", seen + MOVED_PIXELS))
    } else {
        (ARROW_LEFT, format!("{OTHERS} < {}", seen - MOVED_PIXELS))
    };
    ann.press(key)?;
    ben.wait_until(&moved, PATIENCE)?;
    ann.release(key)?;
    ben.screenshot("pucks")?;
    ann.expect_no_errors()?;
    ben.expect_no_errors()
}
