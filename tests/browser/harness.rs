//! The harness itself, on a page that needs no server: were it blind, the other tests would be too.

use std::time::Duration;

use anyhow::Result;

use crate::driver::{Driver, Screen};

/// A square on a canvas that the right arrow key moves by its own width.
const PAGE: &str = "data:text/html,<canvas width=200 height=100></canvas><script>\
    const context = document.querySelector('canvas').getContext('2d');\
    let x = 20;\
    const draw = () => { context.clearRect(0, 0, 200, 100); context.fillRect(x, 20, 40, 40) };\
    onkeydown = (event) => { if (event.key === 'ArrowRight') { x += 40; draw() } };\
    draw();\
    </script>";

const ARROW_RIGHT: char = '\u{E014}';

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_key_press_moves_pixels() -> Result<()> {
    let driver = Driver::start()?;
    let browser = driver.browser(&Screen::Desktop)?;
    browser.open(PAGE)?;
    let alpha_at = |x: u32| format!("return context.getImageData({x}, 30, 1, 1).data[3]");
    assert_eq!(browser.execute(&alpha_at(30))?, 255);
    assert_eq!(browser.execute(&alpha_at(90))?, 0);
    browser.press(ARROW_RIGHT)?;
    browser.release(ARROW_RIGHT)?;
    browser.wait_until("x === 60", Duration::from_secs(10))?;
    assert_eq!(browser.execute(&alpha_at(30))?, 0);
    assert_eq!(browser.execute(&alpha_at(90))?, 255);
    assert!(browser.screenshot("harness")?.metadata()?.len() > 100);
    let missed = browser.wait_until("x === 61", Duration::from_millis(200));
    assert!(
        missed.is_err(),
        "a condition that is false was taken for true"
    );
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_phone_has_its_size_and_fingers() -> Result<()> {
    let driver = Driver::start()?;
    let browser = driver.browser(&Screen::Phone)?;
    browser.open("data:text/html,<meta name=viewport content='width=device-width'><p>hello")?;
    assert_eq!(
        browser.execute("return [innerWidth, innerHeight]")?,
        serde_json::json!([390, 844])
    );
    browser.execute("window.touches = 0; ontouchmove = () => window.touches++")?;
    browser.drag_finger((100, 500), (160, 440))?;
    browser.let_go()?;
    browser.wait_until("window.touches > 0", Duration::from_secs(10))?;
    Ok(())
}
