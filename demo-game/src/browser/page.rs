//! The page around the canvas: start screen, loading bar, messages, chat box, buttons.
//!
//! Text is typed into HTML, because only the browser knows keyboards, languages and phones; everything
//! else is drawn.

use wasm_bindgen::prelude::*;
use web_sys::{
    Document, Element, Event, HtmlCanvasElement, HtmlElement, HtmlInputElement, KeyboardEvent,
    UrlSearchParams, Window,
};

/// Under which name the browser remembers the player's.
const NAME_KEY: &str = "tickwire.name";

/// The elements of the page.
#[derive(Clone)]
pub(super) struct Page {
    window: Window,
    pub(super) document: Document,
    start: HtmlElement,
    name: HtmlInputElement,
    loading: HtmlElement,
    bar: HtmlElement,
    progress: Element,
    message: HtmlElement,
    tools: HtmlElement,
    chat: HtmlElement,
    line: HtmlInputElement,
}

impl Page {
    /// Finds the elements.
    pub(super) fn find() -> Result<Self, JsValue> {
        let window = web_sys::window().ok_or("no window")?;
        let document = window.document().ok_or("no document")?;
        let page = Self {
            start: element(&document, "start")?,
            name: element(&document, "name")?,
            loading: element(&document, "loading")?,
            bar: element(&document, "bar")?,
            progress: element(&document, "progress")?,
            message: element(&document, "message")?,
            tools: element(&document, "tools")?,
            chat: element(&document, "chat")?,
            line: element(&document, "line")?,
            window,
            document,
        };
        page.name.set_value(&page.remembered_name());
        Ok(page)
    }

    pub(super) fn canvas(&self) -> Result<HtmlCanvasElement, JsValue> {
        element(&self.document, "game")
    }

    /// Whether it is mostly used with fingers.
    pub(super) fn is_for_fingers(&self) -> bool {
        let query = self.window.match_media("(pointer: coarse)");
        query.is_ok_and(|query| query.is_some_and(|query| query.matches()))
    }

    /// The name in the address, `?name=Ann`: then the game starts without asking.
    pub(super) fn name_in_address(&self) -> Option<String> {
        let query = self.window.location().search().ok()?;
        UrlSearchParams::new_with_str(&query)
            .ok()?
            .get("name")
            .filter(|name| !name.is_empty())
    }

    /// The room in the address, `?room=friends`; empty for the common one.
    pub(super) fn room_in_address(&self) -> String {
        let query = self.window.location().search().unwrap_or_default();
        let room = UrlSearchParams::new_with_str(&query)
            .ok()
            .and_then(|query| query.get("room"));
        room.unwrap_or_default()
    }

    /// Calls `play` with the name when the player presses the button. A name is remembered for the next
    /// visit.
    pub(super) fn on_play(&self, play: impl Fn(String) + 'static) -> Result<(), JsValue> {
        let page = self.clone();
        on(
            element::<Element>(&self.document, "start-form")?.as_ref(),
            "submit",
            move |event| {
                event.prevent_default();
                let name = page.name.value().trim().to_owned();
                if let Ok(Some(store)) = page.window.local_storage() {
                    // A browser that remembers nothing only has to ask again.
                    let _ = store.set_item(NAME_KEY, &name);
                }
                play(name);
            },
        )?;
        element::<Element>(&self.document, "play")?.remove_attribute("disabled")
    }

    /// Leaves the start screen.
    pub(super) fn show_game(&self) {
        show(&self.start, false);
        show(&self.tools, true);
        let _ = self.name.blur();
    }

    /// Calls `say` with each line the player sends. Enter opens the box; Escape closes it, and so does a press
    /// anywhere else, which leaves the line for the next time.
    pub(super) fn on_chat(&self, say: impl Fn(String) + 'static) -> Result<(), JsValue> {
        let page = self.clone();
        on(
            element::<Element>(&self.document, "chat")?.as_ref(),
            "submit",
            move |event| {
                event.prevent_default();
                let line = page.line.value().trim().to_owned();
                page.line.set_value("");
                if !line.is_empty() {
                    say(line);
                }
                page.open_chat(false);
            },
        )?;
        let page = self.clone();
        on(&self.window, "keydown", move |event| {
            let Some(key) = event.dyn_ref::<KeyboardEvent>() else {
                return;
            };
            let is_open = !page.chat.hidden();
            match key.key().as_str() {
                "Enter" if !is_open && page.start.hidden() => {
                    key.prevent_default();
                    page.open_chat(true);
                }
                // The browser would open its search.
                "F3" => key.prevent_default(),
                "Escape" if is_open => {
                    page.line.set_value("");
                    page.open_chat(false);
                }
                _ => {}
            }
        })?;
        let page = self.clone();
        on(&self.line, "blur", move |_| page.open_chat(false))?;
        let page = self.clone();
        on(
            element::<Element>(&self.document, "say")?.as_ref(),
            "click",
            move |_| page.open_chat(true),
        )
    }

    /// Calls `act` when the button with that id is pressed.
    pub(super) fn on_button(&self, id: &str, act: impl Fn() + 'static) -> Result<(), JsValue> {
        let button: HtmlElement = element(&self.document, id)?;
        let pressed = button.clone();
        on(&button, "click", move |_| {
            act();
            // A button that keeps the focus would be pressed again by the space bar, which fires.
            let _ = pressed.blur();
        })
    }

    /// Calls `act` at every touch, click or key: the moments at which a browser lets sound begin.
    pub(super) fn on_gesture(&self, act: impl Fn() + Clone + 'static) -> Result<(), JsValue> {
        for name in ["pointerdown", "keydown", "touchend"] {
            let act = act.clone();
            on(&self.window, name, move |_| act())?;
        }
        Ok(())
    }

    /// Shows that sound is off.
    pub(super) fn show_muted(&self, is_muted: bool) {
        if let Some(button) = self.document.get_element_by_id("mute") {
            let _ = button.class_list().toggle_with_force("off", is_muted);
        }
    }

    /// Shows how far the loading is; nothing hides the bar.
    pub(super) fn show_loading(&self, progress: Option<(f32, String)>) {
        show(&self.loading, progress.is_some());
        if let Some((fraction, text)) = progress {
            let percent = format!("{:.1}%", fraction.clamp(0.0, 1.0) * 100.0);
            let _ = self.bar.style().set_property("width", &percent);
            self.progress.set_text_content(Some(&text));
        }
    }

    /// Shows a message over the game; nothing hides it.
    pub(super) fn show_message(&self, message: Option<&str>) {
        show(&self.message, message.is_some());
        if let Some(message) = message
            && self.message.text_content().as_deref() != Some(message)
        {
            self.message.set_text_content(Some(message));
        }
    }

    fn open_chat(&self, opens: bool) {
        show(&self.chat, opens);
        if opens {
            let _ = self.line.focus();
        } else {
            let _ = self.line.blur();
        }
    }

    fn remembered_name(&self) -> String {
        let store = self.window.local_storage().ok().flatten();
        store
            .and_then(|store| store.get_item(NAME_KEY).ok().flatten())
            .unwrap_or_default()
    }
}

fn show(element: &HtmlElement, shows: bool) {
    if element.hidden() == shows {
        element.set_hidden(!shows);
    }
}

fn element<T: JsCast>(document: &Document, id: &str) -> Result<T, JsValue> {
    let element = document.get_element_by_id(id);
    let element = element.ok_or_else(|| JsValue::from(format!("the page has no #{id}")))?;
    element
        .dyn_into()
        .map_err(|_| format!("#{id} is another element").into())
}

fn on(
    target: &web_sys::EventTarget,
    name: &str,
    act: impl Fn(Event) + 'static,
) -> Result<(), JsValue> {
    let listener = Closure::<dyn Fn(Event)>::new(act);
    target.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref())?;
    // The page lives as long as its listeners.
    listener.forget();
    Ok(())
}
