//! A window for tests and for the curious: `window.tickwire.state()` tells what the player sees, as an
//! object.
//!
//! It only reads. Positions on the screen are those of the last frame drawn.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::js_sys::{Array, Object, Reflect};

use crate::rules::vector::Vec2;

/// Lines of chat that are reported.
const CHAT_KEPT: usize = 20;

/// A ship as reported.
#[derive(Clone, Debug)]
pub(super) struct ReportedShip {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) place: Vec2,
    pub(super) heading: f32,
    pub(super) screen: Vec2,
    pub(super) hull: u8,
    pub(super) is_bot: bool,
}

/// What is reported, written by the game once per frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) phase: &'static str,
    pub(super) message: Option<String>,
    pub(super) me: Option<u32>,
    pub(super) ships: Vec<ReportedShip>,
    pub(super) assets_loaded: u32,
    pub(super) assets_total: u32,
    pub(super) asset_bytes_fetched: u64,
    pub(super) tick: u32,
    pub(super) entities: u32,
    pub(super) snapshot_bytes_per_second: u32,
    pub(super) score: u32,
    pub(super) chat: Vec<String>,
    /// Where thumbs press on the screen: centre and radius.
    pub(super) thumbs: Vec<(Vec2, f32)>,
    /// Shots in view.
    pub(super) shots: u32,
    /// Hits that the player took or dealt.
    pub(super) hits: u32,
}

impl Report {
    /// Adds a line of chat; the oldest makes room.
    pub(super) fn hear(&mut self, name: &str, text: &str) {
        if self.chat.len() == CHAT_KEPT {
            self.chat.remove(0);
        }
        self.chat.push(format!("{name}: {text}"));
    }
}

/// The report, shared between the game and the page.
pub(super) type SharedReport = Rc<RefCell<Report>>;

/// Puts `tickwire.state` on the window.
pub(super) fn install(report: &SharedReport) -> Result<(), JsValue> {
    let report = Rc::clone(report);
    let state =
        Closure::<dyn Fn() -> Result<Object, JsValue>>::new(move || object(&report.borrow()));
    let api = Object::new();
    Reflect::set(&api, &"state".into(), state.as_ref())?;
    state.forget();
    let window = web_sys::window().ok_or("no window")?;
    Reflect::set(&window, &"tickwire".into(), &api)?;
    Ok(())
}

fn object(report: &Report) -> Result<Object, JsValue> {
    let assets = record([
        ("loaded", report.assets_loaded.into()),
        ("total", report.assets_total.into()),
        ("bytes_fetched", (report.asset_bytes_fetched as f64).into()),
    ])?;
    let ships = Array::new();
    for ship in &report.ships {
        let ship = record([
            ("id", ship.id.into()),
            ("name", ship.name.as_str().into()),
            ("x", ship.place.x.into()),
            ("y", ship.place.y.into()),
            ("angle", ship.heading.into()),
            ("screen_x", ship.screen.x.into()),
            ("screen_y", ship.screen.y.into()),
            ("hull", ship.hull.into()),
            ("is_bot", ship.is_bot.into()),
        ])?;
        ships.push(&ship.into());
    }
    let chat: Array = report
        .chat
        .iter()
        .map(|line| JsValue::from(line.as_str()))
        .collect();
    let thumbs = Array::new();
    for &(centre, radius) in &report.thumbs {
        let thumb = record([
            ("x", centre.x.into()),
            ("y", centre.y.into()),
            ("radius", radius.into()),
        ])?;
        thumbs.push(&thumb.into());
    }
    record([
        ("phase", report.phase.into()),
        (
            "message",
            report.message.as_deref().map_or(JsValue::NULL, Into::into),
        ),
        ("me", report.me.map_or(JsValue::NULL, Into::into)),
        ("ships", ships.into()),
        ("assets", assets.into()),
        ("tick", report.tick.into()),
        ("entities", report.entities.into()),
        (
            "snapshot_bytes_per_second",
            report.snapshot_bytes_per_second.into(),
        ),
        ("score", report.score.into()),
        ("chat", chat.into()),
        ("thumbs", thumbs.into()),
        ("shots", report.shots.into()),
        ("hits", report.hits.into()),
    ])
}

fn record<const N: usize>(fields: [(&str, JsValue); N]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &name.into(), &value)?;
    }
    Ok(object)
}
