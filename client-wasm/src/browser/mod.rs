//! The browser shell: the only code that knows a browser.
//!
//! A Rust game implements [`App`] and calls [`run`]; from then on the shell calls the game: once per
//! animation frame for input and drawing, and for every event. A JavaScript game uses [`js`] instead.
//!
//! The decision to question: what arrives is handed to the core the moment the browser reports it, not
//! at the next frame, because the time of arrival is what clock sync and the drawing's delay are made of.

mod cache;
mod canvas;
mod devices;
mod driver;
pub mod js;
mod message_pack;
mod socket;

use std::{cell::RefCell, rc::Rc};

use js_sys::Reflect;
use tickwire_protocol::time::Micros;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{HtmlCanvasElement, Window};

pub use canvas::Canvas;
pub use devices::{Devices, Pad, Pointer, PointerKind};
pub use driver::random_seed;

use crate::{
    client::{Client, ClientEvent, Config},
    predict::{Predict, Prediction},
    world::View,
};
use devices::Listener;
use driver::{Arrival, Driver, now, socket_url};

/// How often a page that is not shown, and so gets no animation frames, still keeps its seat.
const HIDDEN_PERIOD_MILLIS: i32 = 250;

/// A frame longer than this is drawn as if it had been so long: after a sleep nothing should leap.
const FRAME_SECONDS_MAX: f32 = 0.1;

/// A Rust game in a browser.
pub trait App: 'static {
    /// The rules by which the player's own entity is predicted.
    type Rules: Predict;

    /// The rules.
    fn rules(&self) -> Self::Rules;

    /// What the player holds down now. Called before every frame; sent once per tick.
    fn input(&mut self, devices: &Devices, client: &mut Client) -> <Self::Rules as Predict>::Input;

    /// Something happened.
    fn on_event(&mut self, event: ClientEvent, client: &mut Client);

    /// Draws one frame. The canvas holds what was drawn before.
    fn draw(&mut self, frame: &Frame<'_, <Self::Rules as Predict>::State>, canvas: &Canvas);
}

/// What there is to draw.
pub struct Frame<'a, S> {
    /// The client: connection, stats, assets.
    pub client: &'a Client,
    /// The game at the moment to draw; `None` until the first snapshot.
    pub view: Option<View<'a>>,
    /// The player's own entity as predicted; `None` while there is none. During a reconnect it stands still, as
    /// the view does.
    pub own: Option<&'a S>,
    /// The page's clock.
    pub now: Micros,
    /// Seconds since the frame before.
    pub dt_seconds: f32,
}

/// A game that runs; it goes on when this is dropped.
pub struct Running<A: App>(Rc<RefCell<Shell<A>>>);

impl<A: App> Clone for Running<A> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<A: App> Running<A> {
    /// Lets the page look into the game or change it: for a chat box, a button, a test. `None` when called
    /// by the game itself, from inside one of its own methods.
    pub fn with<R>(&self, act: impl FnOnce(&mut A, &mut Client) -> R) -> Option<R> {
        let mut shell = self.0.try_borrow_mut().ok()?;
        let Shell { app, driver, .. } = &mut *shell;
        Some(act(app, &mut driver.client))
    }
}

struct Shell<A: App> {
    app: A,
    driver: Driver,
    prediction: Prediction<A::Rules>,
    devices: Devices,
    canvas: Canvas,
    last_frame: Micros,
    _when_gone: Option<Listener>,
}

/// Connects to `url` (absolute, or relative to the page such as `/play`) and runs the game on
/// the canvas until the page is closed, which leaves the game.
///
/// # Errors
/// A sentence, when the address is none or the browser lacks what a game needs.
pub fn run<A: App>(
    app: A,
    config: Config,
    url: &str,
    canvas: HtmlCanvasElement,
) -> Result<Running<A>, JsValue> {
    let shell = Shell {
        prediction: Prediction::new(app.rules()),
        app,
        driver: Driver::new(config, socket_url(url)?),
        devices: Devices::new(&canvas)?,
        canvas: Canvas::new(canvas)?,
        last_frame: now(),
        _when_gone: None,
    };
    let running = Running(Rc::new(RefCell::new(shell)));
    let leaving = Rc::downgrade(&running.0);
    running.0.borrow_mut()._when_gone = Some(when_gone(move || {
        if let Some(shell) = leaving.upgrade() {
            Running(shell).leave();
        }
    })?);
    let on_frame = running.clone();
    every_animation_frame(move || on_frame.beat(true))?;
    let on_timer = running.clone();
    every_millis(HIDDEN_PERIOD_MILLIS, move || {
        if is_hidden() {
            on_timer.beat(false);
        }
    })?;
    Ok(running)
}

impl<A: App> Running<A> {
    /// One round: input, core, and, if the page is shown, view and canvas.
    fn beat(&self, draws: bool) {
        let Ok(mut shell) = self.0.try_borrow_mut() else {
            return;
        };
        let now = now();
        shell.advance(now, draws);
        self.pump(&mut shell, now);
        if draws {
            shell.draw(now);
        }
    }

    /// The page goes, and the player with it: the seat need not wait.
    fn leave(&self) {
        if let Ok(mut shell) = self.0.try_borrow_mut() {
            shell.driver.client.leave();
            self.pump(&mut shell, now());
        }
    }

    /// What is to happen when something arrives: the core gets it, and its answer goes out at once.
    fn arrivals(&self) -> impl Fn(Arrival<'_>) + Clone + 'static {
        let running = self.clone();
        move |arrival| {
            let Ok(mut shell) = running.0.try_borrow_mut() else {
                return;
            };
            let now = now();
            shell.driver.on_arrival(arrival, now);
            shell.tell();
            running.pump(&mut shell, now);
        }
    }

    fn pump(&self, shell: &mut Shell<A>, now: Micros) {
        while shell.driver.pump(now, self.arrivals()) {
            shell.tell();
        }
    }
}

impl<A: App> Shell<A> {
    fn advance(&mut self, now: Micros, draws: bool) {
        let input = self.app.input(&self.devices, &mut self.driver.client);
        self.devices.end_frame();
        if let Err(error) = self.driver.client.set_input(&input) {
            web_sys::console::warn_1(&format!("tickwire: the input: {error}").into());
        }
        let client = &mut self.driver.client;
        let passed = if draws {
            client.handle_frame(now)
        } else {
            client.handle_timeout(now)
        };
        if let Err(error) = passed {
            web_sys::console::warn_1(&format!("tickwire: {error}").into());
        }
        self.prediction.handle_frame(&self.driver.client, now);
        self.tell();
    }

    fn tell(&mut self) {
        while let Some(event) = self.driver.poll_event() {
            self.app.on_event(event, &mut self.driver.client);
        }
    }

    fn draw(&mut self, now: Micros) {
        let passed = now.since(self.last_frame).as_seconds() as f32;
        self.last_frame = now;
        self.canvas.fit();
        let client = &self.driver.client;
        let frame = Frame {
            client,
            view: client.view(),
            own: self.prediction.shown(),
            now,
            dt_seconds: passed.min(FRAME_SECONDS_MAX),
        };
        self.app.draw(&frame, &self.canvas);
    }
}

/// An `Error` with that sentence.
fn error(sentence: impl core::fmt::Display) -> JsValue {
    js_sys::Error::new(&sentence.to_string()).into()
}

/// Says in the console what is wrong. Later, when nothing of the page is borrowed: its console may be a function of
/// its own, which calls us.
fn complain(error: JsValue) {
    wasm_bindgen_futures::spawn_local(async move {
        web_sys::console::error_1(&error);
    });
}

/// What everything here hangs on. A worker has none.
fn window() -> Result<Window, JsValue> {
    web_sys::window().ok_or_else(|| error("there is no window"))
}

fn is_hidden() -> bool {
    web_sys::window()
        .and_then(|window| window.document())
        .is_some_and(|document| document.hidden())
}

/// Calls `act` when the page goes for good, and not when the browser keeps it to come back to.
fn when_gone(mut act: impl FnMut() + 'static) -> Result<Listener, JsValue> {
    let window = window()?;
    Listener::new(&window, "pagehide", move |event| {
        let is_kept = Reflect::get(&event, &"persisted".into());
        if !is_kept.is_ok_and(|it| it.is_truthy()) {
            act();
        }
    })
}

/// Calls `act` before every frame the browser draws, as long as the page lives.
fn every_animation_frame(mut act: impl FnMut() + 'static) -> Result<(), JsValue> {
    type Callback = Rc<RefCell<Option<Closure<dyn FnMut()>>>>;
    fn request(callback: &Callback) -> Result<i32, JsValue> {
        let callback = callback.borrow();
        let callback = callback
            .as_ref()
            .ok_or("no callback")?
            .as_ref()
            .unchecked_ref();
        window()?.request_animation_frame(callback)
    }
    let callback = Callback::default();
    let again = Rc::clone(&callback);
    *callback.borrow_mut() = Some(Closure::new(move || {
        act();
        drop(request(&again));
    }));
    request(&callback).map(drop)
}

/// Calls `act` every so often, as long as the page lives or until [`stop`]; rarer in a page that is not shown.
fn every_millis(millis: i32, act: impl FnMut() + 'static) -> Result<i32, JsValue> {
    let callback = Closure::<dyn FnMut()>::new(act).into_js_value();
    let window = window()?;
    window.set_interval_with_callback_and_timeout_and_arguments_0(callback.unchecked_ref(), millis)
}

/// Calls no more what [`every_millis`] calls. What it holds is freed with the browser's next collection.
fn stop(timer: i32) {
    if let Some(window) = web_sys::window() {
        window.clear_interval_with_handle(timer);
    }
}
