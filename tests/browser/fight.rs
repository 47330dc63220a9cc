//! A fight with the computer's pilots, as a player has it on the first evening.

use std::{thread, time::Duration};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{
    driver::{Browser, Driver, PATIENCE, Screen},
    play::join,
    server::Server,
};

/// How often the player looks where to aim.
const LOOK: Duration = Duration::from_millis(100);

/// Points at the nearest rival, and says whether there is a fight: somebody was hit, and it goes on before the
/// player's eyes.
fn aim(browser: &Browser) -> Result<bool> {
    let seen = browser.execute(
        "const { ships, me, shots, hits } = tickwire.state();
         const own = ships.find((ship) => ship.id === me);
         if (!own) return { fights: false };
         const far = (ship) => Math.hypot(ship.x - own.x, ship.y - own.y);
         const isSeen = ({ screen_x: x, screen_y: y }) =>
             x > 0 && y > 0 && x < innerWidth && y < innerHeight;
         const rivals = ships.filter((ship) => ship.id !== me && isSeen(ship));
         const [nearest] = rivals.sort((a, b) => far(a) - far(b));
         const place = nearest && [nearest.screen_x, nearest.screen_y];
         return { place, fights: hits > 0 && shots > 3 && rivals.length > 1 }",
    )?;
    if let Value::Array(place) = &seen["place"] {
        let pixel = |it: &Value| it.as_f64().unwrap_or_default() as i32;
        browser.point((pixel(&place[0]), pixel(&place[1])))?;
    }
    Ok(seen["fights"] == true)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn seven_opponents_shoot_back() -> Result<()> {
    let server = Server::start_with_opponents(7)?;
    let driver = Driver::start()?;
    let browser = join(&driver, &server, "Ann", &Screen::Desktop)?;
    browser.wait_until(
        "tickwire.state().ships.some(({ is_bot }) => is_bot)",
        PATIENCE,
    )?;
    browser.press('w')?;
    browser.press(' ')?;
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        if aim(&browser)? {
            browser.screenshot("fight")?;
            return browser.expect_no_errors();
        }
        thread::sleep(LOOK);
    }
    browser.screenshot("no-fight")?;
    bail!(
        "nobody fights: {}",
        browser.execute("return JSON.stringify(tickwire.state())")?
    )
}
