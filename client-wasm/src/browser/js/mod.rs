//! The JavaScript API: any game of any server, from the schema alone.
//!
//! In come a page's calls; out come numbers, texts and events. The decision to question: a page asks for
//! fields once and gets handles, whose arrays lie in WASM memory and are filled by `frame()`. Reading
//! them then neither copies nor allocates, so that nothing can move that memory while a page draws.

mod ask;
mod asset;
mod events;
mod field;
mod input;
mod object;
mod options;
mod pending;
mod schema;
mod sink;
mod stream;
mod types;

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::{Rc, Weak},
};

use js_sys::Function;
use tickwire_protocol::{
    id::{NetworkId, StreamId},
    time::Micros,
};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure, prelude::wasm_bindgen};

use super::{
    complain,
    devices::Listener,
    driver::{Arrival, Driver, now},
    error, every_millis, message_pack, stop, when_gone,
};
use crate::client::{AssetPolicy, Connection};
use events::tell;
use field::{Field, FieldState};
use stream::{Pipe, TickwireStream};

/// How often the connection is looked after when the page does not call `frame`: because it draws
/// nothing, or is not shown.
const BEAT_MILLIS: i32 = 25;

/// One player's end of a game. The connection lives until `leave()`, or until it has ended for good, whether or
/// not the page keeps this object: `free()` does not leave.
#[wasm_bindgen]
pub struct Tickwire(Rc<RefCell<Page>>);

struct Page {
    driver: Driver,
    /// By the name of what they listen to, each with a number of its own.
    listeners: HashMap<String, Vec<(u32, Function)>>,
    listeners_added: u32,
    /// Whether an event is being told. Nothing that throws may leave it so: what a console of the page's own says
    /// to an error is heard later.
    is_telling: bool,
    /// What the page holds down.
    input: Option<JsValue>,
    fields: Vec<Weak<RefCell<FieldState>>>,
    pipes: HashMap<StreamId, Rc<RefCell<Pipe>>>,
    /// Whether any are fetched, whether their names can be asked for, what waits for that, and what is being read.
    has_assets: bool,
    is_listed: bool,
    /// Why it is in vain to ask for an asset now: nothing of it will come.
    unlisted: Option<String>,
    wishes: Vec<asset::Wish>,
    bodies: Vec<Rc<RefCell<asset::Body>>>,
    last_frame: Micros,
    /// The timer of the beat, and what leaves with the page, while there is a connection to look after. The timer
    /// holds the page.
    beat: Option<(i32, Listener)>,
}

#[wasm_bindgen]
impl Tickwire {
    /// Connects; what happens comes to the listeners of `on`.
    ///
    /// # Errors
    /// An `Error` for options that make no sense, and for an address that the browser does not let this page connect
    /// to, as one of ws from a page of https.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "TickwireOptions")] options: &JsValue,
    ) -> Result<Self, JsValue> {
        let (config, url) = options::config(options)?;
        let has_assets = config.assets != AssetPolicy::None;
        let page = Page {
            driver: Driver::new(config, url),
            listeners: HashMap::new(),
            listeners_added: 0,
            is_telling: false,
            input: None,
            fields: vec![],
            has_assets,
            pipes: HashMap::new(),
            is_listed: false,
            unlisted: None,
            wishes: vec![],
            bodies: vec![],
            last_frame: Micros(0),
            beat: None,
        };
        let page = Rc::new(RefCell::new(page));
        pump(&page, now());
        if let Connection::Ended { message } = page.borrow().driver.client.connection() {
            return Err(error(message));
        }
        if page.borrow().beat.is_none() {
            return Err(error("there is no window"));
        }
        Ok(Self(page))
    }

    /// Calls `listener` whenever that happens, and gives what ends it. Its types are with `TickwireEvents`.
    ///
    /// # Errors
    /// An `Error` for a listener that is no function.
    #[wasm_bindgen(skip_typescript)]
    pub fn on(&self, name: &JsValue, listener: JsValue) -> Result<JsValue, JsValue> {
        let name = options::as_text("an event's name", name)?;
        let listener: Function = listener
            .dyn_into()
            .map_err(|_| error("a listener is a function"))?;
        let mut page = self.0.borrow_mut();
        let number = page.listeners_added;
        page.listeners_added += 1;
        let listeners = page.listeners.entry(name.clone()).or_default();
        listeners.push((number, listener));
        let weak = Rc::downgrade(&self.0);
        let remove = Closure::<dyn FnMut()>::new(move || {
            if let Some(page) = weak.upgrade()
                && let Some(listeners) = page.borrow_mut().listeners.get_mut(&name)
            {
                listeners.retain(|&(other, _)| other != number);
            }
        });
        Ok(remove.into_js_value())
    }

    /// Moves the game on to now and fills all fields. Call it at the start of every animation frame, if
    /// the page draws; the connection goes on without.
    pub fn frame(&self) {
        let now = now();
        self.0.borrow_mut().last_frame = now;
        advance(&self.0, now);
        let page = self.0.borrow();
        let Some(view) = page.driver.client.view() else {
            return;
        };
        for field in page.fields.iter().filter_map(Weak::upgrade) {
            field.borrow_mut().fill(&view);
        }
    }

    /// A field of all entities that have a component. Ask once and keep it; `frame()` fills it. One that the game
    /// does not have stays empty, and the console says so once the game is known.
    ///
    /// # Errors
    /// An `Error` for a name that is no text.
    pub fn field(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] component: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "string")] path: &JsValue,
    ) -> Result<Field, JsValue> {
        let component = options::as_text("a component's name", component)?;
        let path = options::as_text("a field's path", path)?;
        let mut page = self.0.borrow_mut();
        page.fields.retain(|field| field.strong_count() > 0);
        let mut state = FieldState::new(component, path);
        if let Some(view) = page.driver.client.view() {
            state.fill(&view);
        }
        let state = Rc::new(RefCell::new(state));
        page.fields.push(Rc::downgrade(&state));
        Ok(Field::new(state))
    }

    /// What the server's game consists of: components, fields, input, events. `undefined` before the
    /// handshake.
    #[wasm_bindgen(getter, unchecked_return_type = "TickwireSchema | undefined")]
    #[must_use]
    pub fn schema(&self) -> JsValue {
        let page = self.0.borrow();
        page.driver
            .client
            .schema()
            .map_or(JsValue::UNDEFINED, |schema| schema::to_js(schema))
    }

    /// The number this player has in the room.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn player(&self) -> Option<u32> {
        self.0
            .borrow()
            .driver
            .client
            .player()
            .map(|player| player.0)
    }

    /// This player's own entity, while it has one.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn own(&self) -> Option<u32> {
        self.0
            .borrow()
            .driver
            .client
            .view()?
            .own()
            .map(|NetworkId(id)| id)
    }

    /// The moment being drawn, in ticks.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn tick(&self) -> f64 {
        let page = self.0.borrow();
        page.driver.client.view().map_or(0.0, |view| {
            let time = view.time();
            f64::from(time.tick.0) + f64::from(time.fraction)
        })
    }

    /// Where the connection stands.
    #[wasm_bindgen(
        getter,
        unchecked_return_type = "\"connecting\" | \"joining\" | \"playing\" | \"waiting\" | \"ended\""
    )]
    #[must_use]
    pub fn status(&self) -> JsValue {
        match self.0.borrow().driver.client.connection() {
            Connection::Connecting => "connecting",
            Connection::Joining => "joining",
            Connection::Playing => "playing",
            Connection::Waiting { .. } => "waiting",
            Connection::Ended { .. } => "ended",
        }
        .into()
    }

    /// What to tell the player while there is no connection.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match self.0.borrow().driver.client.connection() {
            Connection::Waiting { message, .. } | Connection::Ended { message } => {
                Some(message.clone())
            }
            _ => None,
        }
    }

    /// Sets what the player holds down: numbers, booleans and variants' names by the fields of the schema's
    /// `input`; a variant with fields is an object, `{ Bomb: { size: 7 } }`. Numbers beyond a field's range are
    /// clamped, and an optional field is empty when it is left out, null or false. It is sent once per tick, from
    /// `joined` on if it is set before.
    ///
    /// # Errors
    /// An `Error` for what is no object, for a field the input does not have, and for a value that its field does
    /// not take.
    #[wasm_bindgen(js_name = setInput)]
    pub fn set_input(&self, input: &JsValue) -> Result<(), JsValue> {
        hold(&self.0, input)?;
        self.0.borrow_mut().input = Some(input.clone());
        Ok(())
    }

    /// Sends one of the game's events.
    ///
    /// # Errors
    /// An `Error` while there is no connection, or when the game has no such event.
    #[wasm_bindgen(js_name = sendEvent)]
    pub fn send_event(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] name: &JsValue,
        value: &JsValue,
    ) -> Result<(), JsValue> {
        let name = options::as_text("an event's name", name)?;
        let mut payload = vec![];
        message_pack::encode(value, &mut payload)?;
        let sent = self
            .0
            .borrow_mut()
            .driver
            .client
            .send_event_payload(&name, &payload);
        sent.map_err(error)
    }

    /// Opens a stream to the server, which takes or declines it. `metadata` says what it is about.
    ///
    /// # Errors
    /// An `Error` while there is no connection, or for options that make no sense.
    #[wasm_bindgen(js_name = openStream)]
    pub fn open_stream(
        &self,
        metadata: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "TickwireStreamOptions")] options: JsValue,
    ) -> Result<TickwireStream, JsValue> {
        let wish = options::stream(&metadata, &options)?;
        let kind = wish.kind;
        let opened = {
            let mut page = self.0.borrow_mut();
            page.driver
                .client
                .streams()
                .and_then(|streams| streams.open(wish, now()))
        };
        let id = opened.map_err(error)?;
        let (stream, pipe) = stream::make(&self.0, id, kind, metadata, false)?;
        self.0.borrow_mut().pipes.insert(id, pipe);
        pump(&self.0, now());
        Ok(stream)
    }

    /// Figures for an overlay.
    #[wasm_bindgen(getter, unchecked_return_type = "TickwireStats")]
    #[must_use]
    pub fn stats(&self) -> JsValue {
        object::stats(&self.0.borrow().driver.client.stats(now()))
    }

    /// Bytes that were handed to the browser and that it has not sent yet: 32 KiB at most, and on a fast
    /// link what it carries in 6 ms, up to 256 KiB.
    #[wasm_bindgen(getter, js_name = bufferedAmount)]
    #[must_use]
    pub fn buffered_amount(&self) -> u32 {
        self.0.borrow().driver.buffered_bytes()
    }

    /// Tries to connect again now.
    pub fn retry(&self) {
        {
            let mut page = self.0.borrow_mut();
            if matches!(page.driver.client.connection(), Connection::Ended { .. }) {
                page.unlisted = None;
            }
            page.driver.client.retry(now());
        }
        pump(&self.0, now());
    }

    /// Leaves the game for good. A page that is closed or reloaded leaves by itself.
    pub fn leave(&self) {
        leave(&self.0);
    }
}

fn leave(page: &Rc<RefCell<Page>>) {
    if let Ok(mut page) = page.try_borrow_mut() {
        page.driver.client.leave();
    }
    pump(page, now());
}

/// Has the core hold an input, once there is a schema to encode it by.
fn hold(page: &Rc<RefCell<Page>>, input: &JsValue) -> Result<(), JsValue> {
    if !input::is_object(input) {
        return Err(error("an input is an object"));
    }
    let schema = page.borrow().driver.client.schema().cloned();
    let Some(schema) = schema else {
        return Ok(());
    };
    let definition = schema
        .input()
        .ok_or_else(|| error("this game takes no input"))?;
    let mut bytes = vec![];
    input::encode(&definition.shape, input, &mut bytes)?;
    // Only now: what reads an object may run code of the page's, and that may call us.
    let held = page.borrow_mut().driver.client.set_input_bytes(&bytes);
    held.map_err(error)
}

/// Encodes what the page holds for a server that may have another schema than the last one.
fn hold_again(page: &Rc<RefCell<Page>>) {
    let input = page.borrow().input.clone();
    if let Some(input) = input
        && let Err(error) = hold(page, &input)
    {
        complain(error);
    }
}

fn advance(page: &Rc<RefCell<Page>>, now: Micros) {
    let passed = page
        .try_borrow_mut()
        .map(|mut page| page.driver.client.handle_frame(now));
    // The page is not borrowed here, because its console may be a function of its own, which calls us.
    if let Ok(Err(error)) = passed {
        web_sys::console::warn_1(&format!("tickwire: {error}").into());
    }
    pump(page, now);
}

/// Sends what is to be sent and tells what happened.
fn pump(page: &Rc<RefCell<Page>>, now: Micros) {
    let mut is_more = true;
    while is_more {
        let weak = Rc::downgrade(page);
        is_more = page.try_borrow_mut().is_ok_and(|mut page| {
            page.driver.pump(now, move |arrival| {
                if let Some(page) = weak.upgrade() {
                    arrive(&page, arrival);
                }
            })
        });
        tell(page);
    }
    asset::serve(page);
    attend(page);
}

/// Starts the beat of a page whose connection is to be looked after, and stops it when that is over.
fn attend(page: &Rc<RefCell<Page>>) {
    let Ok(mut borrowed) = page.try_borrow_mut() else {
        return;
    };
    let is_over = matches!(
        borrowed.driver.client.connection(),
        Connection::Ended { .. }
    );
    if is_over {
        if let Some((timer, _)) = borrowed.beat.take() {
            stop(timer);
        }
    } else if borrowed.beat.is_none() {
        let weak = Rc::downgrade(page);
        let leaving = when_gone(move || {
            if let Some(page) = weak.upgrade() {
                leave(&page);
            }
        });
        let page = Rc::clone(page);
        let beat = Micros::from_millis(BEAT_MILLIS as u64);
        let timer = every_millis(BEAT_MILLIS, move || {
            if now().since(page.borrow().last_frame) >= beat {
                advance(&page, now());
            }
        });
        // Without a window there is none, and nothing was begun.
        borrowed.beat = timer.ok().zip(leaving.ok());
    }
}

fn arrive(page: &Rc<RefCell<Page>>, arrival: Arrival<'_>) {
    let now = now();
    if let Ok(mut page) = page.try_borrow_mut() {
        page.driver.on_arrival(arrival, now);
    }
    pump(page, now);
}
