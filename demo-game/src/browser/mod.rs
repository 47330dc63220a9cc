//! The browser's half: what the player sees, hears and presses.
//!
//! The shell of `tickwire-client` calls the `Arcade` for input, events and frames; it reads
//! the view and the prediction and draws. Nothing here decides about the game.

mod arcade;
mod audio;
mod board;
mod brush;
mod camera;
mod controls;
mod effects;
mod feed;
mod fleet;
mod gauges;
mod ghosts;
mod hook;
mod hud;
mod minimap;
mod overlay;
mod page;
mod particles;
mod predict;
mod scene;
mod sprites;
mod stars;

use std::rc::Rc;

use tickwire_client::browser::{Running, random_seed, run};
use tickwire_client::{AssetPolicy, Config};
use wasm_bindgen::prelude::*;

use self::arcade::Arcade;
use self::hook::SharedReport;
use self::page::Page;
use crate::events::Say;

/// Where the server takes players.
const PLAY_PATH: &str = "/play";

/// Called by the page when the module has loaded: waits for a name, then plays.
///
/// # Errors
///
/// A sentence, when the page or the browser lacks what the game needs.
#[wasm_bindgen(start)]
pub fn start() -> Result<(), JsValue> {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&panic.to_string().into());
    }));
    let page = Page::find()?;
    let report = SharedReport::default();
    report.borrow_mut().phase = "start";
    hook::install(&report)?;
    match page.name_in_address() {
        Some(name) => play(&page, &report, name),
        None => {
            let later = page.clone();
            page.on_play(move |name| {
                if let Err(error) = play(&later, &report, name) {
                    web_sys::console::error_1(&error);
                    later.show_message(Some("This browser cannot run the game."));
                }
            })
        }
    }
}

fn play(page: &Page, report: &SharedReport, name: String) -> Result<(), JsValue> {
    page.show_game();
    let config = Config {
        name,
        room: page.room_in_address(),
        schema: Some(crate::schema::schema()),
        assets: AssetPolicy::LookUpThenFetch,
        seed: random_seed(),
        ..Config::default()
    };
    let arcade = Arcade::new(page.clone(), Rc::clone(report))?;
    let running = run(arcade, config, PLAY_PATH, page.canvas()?)?;
    connect_page(page, &running)
}

/// Lets the page's own buttons and boxes reach the game.
fn connect_page(page: &Page, running: &Running<Arcade>) -> Result<(), JsValue> {
    let speaker = running.clone();
    page.on_chat(move |text| {
        speaker.with(|_, client| {
            if let Err(error) = client.send_event(&Say { text }) {
                web_sys::console::warn_1(&error.to_string().into());
            }
        });
    })?;
    let toggler = running.clone();
    page.on_button("mute", move || {
        toggler.with(|arcade, _| arcade.toggle_mute());
    })?;
    let waker = running.clone();
    page.on_gesture(move || {
        waker.with(|arcade, _| arcade.wake_audio());
    })
}
