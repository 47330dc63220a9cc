//! Keys, pointers and gamepads, as a game asks for them: what is held now, and what was pressed since it
//! last asked.
//!
//! In come the browser's events; out come states. A press shorter than a frame is kept until it was
//! seen once: at 20 ticks a second a quick tap would otherwise often be lost. When the page loses the
//! focus everything is let go, because the release will never be reported.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{
    Event, EventTarget, Gamepad, HtmlCanvasElement, HtmlElement, KeyboardEvent, PointerEvent,
};

use super::window;

/// Pointers followed at one time; a tablet reports ten fingers.
const POINTERS_MAX: usize = 16;

/// What touched the canvas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PointerKind {
    /// A mouse; present also while no button is down.
    Mouse,
    /// A finger.
    Touch,
    /// A pen.
    Pen,
}

/// A mouse, finger or pen on the canvas. Places are in CSS pixels from the canvas' upper left corner.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pointer {
    /// The browser's number for it: a finger keeps its own until it is lifted.
    pub id: i32,
    /// What it is.
    pub kind: PointerKind,
    /// Whether it touches, or a mouse button is down.
    pub is_down: bool,
    /// Where it went down last, for a stick under the thumb.
    pub start: (f32, f32),
    /// Where it is.
    pub at: (f32, f32),
}

/// The sticks and buttons of one gamepad.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Pad {
    /// Left stick x, y, right stick x, y, each in `-1.0..=1.0`, down and right positive.
    pub axes: [f32; 4],
    /// How far each button is pressed, in `0.0..=1.0`, in the standard layout: 0 is the lowest of the
    /// right four, 7 the right trigger.
    pub buttons: Vec<f32>,
}

#[derive(Default)]
struct State {
    held: BTreeSet<String>,
    pressed: BTreeSet<String>,
    pointers: Vec<Pointer>,
    taps: Vec<Pointer>,
}

/// The devices of one page.
pub struct Devices {
    state: Rc<RefCell<State>>,
    _listeners: Vec<Listener>,
}

impl Devices {
    /// Listens to the window's keys and the canvas' pointers until dropped.
    pub(super) fn new(canvas: &HtmlCanvasElement) -> Result<Self, JsValue> {
        let window = window()?;
        let document = window.document().ok_or("no document")?;
        let state = Rc::new(RefCell::new(State::default()));
        // Without it a browser scrolls and zooms with the finger that steers.
        canvas.style().set_property("touch-action", "none")?;
        let mut listeners = vec![];
        let mut listen = |target: &EventTarget, name, react: fn(&mut State, &Event)| {
            let state = Rc::clone(&state);
            let listener = Listener::new(target, name, move |event| {
                react(&mut state.borrow_mut(), &event);
            })?;
            listeners.push(listener);
            Ok::<(), JsValue>(())
        };
        listen(&window, "keydown", State::on_key_down)?;
        listen(&window, "keyup", State::on_key_up)?;
        listen(&window, "blur", |state, _| state.let_go())?;
        listen(&document, "visibilitychange", |state, _| state.let_go())?;
        listen(canvas, "pointerdown", State::on_pointer_down)?;
        listen(canvas, "pointermove", State::on_pointer_move)?;
        for name in ["pointerup", "pointercancel", "pointerleave"] {
            listen(canvas, name, State::on_pointer_up)?;
        }
        listen(canvas, "contextmenu", |_, event| event.prevent_default())?;
        Ok(Self {
            state,
            _listeners: listeners,
        })
    }

    /// Whether a key is down, or was since the last frame. Keys are named by their place on a US
    /// keyboard, so that WASD lies alike everywhere: `KeyW`, `Space`, `ArrowLeft`, `ShiftLeft`.
    #[must_use]
    pub fn held(&self, code: &str) -> bool {
        let state = self.state.borrow();
        state.held.contains(code) || state.pressed.contains(code)
    }

    /// Whether a key went down since the last frame.
    #[must_use]
    pub fn pressed(&self, code: &str) -> bool {
        self.state.borrow().pressed.contains(code)
    }

    /// The pointers on the canvas now.
    #[must_use]
    pub fn pointers(&self) -> Vec<Pointer> {
        self.state.borrow().pointers.clone()
    }

    /// The pointers that went down since the last frame, as they were then.
    #[must_use]
    pub fn taps(&self) -> Vec<Pointer> {
        self.state.borrow().taps.clone()
    }

    /// The connected gamepads. Browsers show one only after one of its buttons was pressed.
    #[must_use]
    pub fn gamepads(&self) -> Vec<Pad> {
        let pads = web_sys::window().and_then(|window| window.navigator().get_gamepads().ok());
        let pads = pads.iter().flat_map(js_sys::Array::iter);
        pads.filter_map(|pad| pad.dyn_into::<Gamepad>().ok())
            .map(|pad| read_pad(&pad))
            .collect()
    }

    /// A frame is over: presses were seen.
    pub(super) fn end_frame(&self) {
        let mut state = self.state.borrow_mut();
        state.pressed.clear();
        state.taps.clear();
    }
}

impl State {
    fn on_key_down(&mut self, event: &Event) {
        let Some(key) = event
            .dyn_ref::<KeyboardEvent>()
            .filter(|_| !is_typing(event))
        else {
            return;
        };
        let code = key.code();
        // Combinations with these belong to the browser: reload, new tab, copy.
        if key.ctrl_key() || key.meta_key() || key.alt_key() {
            return;
        }
        if code.starts_with("Arrow") || matches!(code.as_str(), "Space" | "Tab") {
            event.prevent_default();
        }
        if !key.repeat() {
            self.pressed.insert(code.clone());
            self.held.insert(code);
        }
    }

    fn on_key_up(&mut self, event: &Event) {
        if let Some(key) = event.dyn_ref::<KeyboardEvent>() {
            self.held.remove(&key.code());
        }
    }

    fn on_pointer_down(&mut self, event: &Event) {
        self.on_pointer(event, Some(true));
    }

    fn on_pointer_move(&mut self, event: &Event) {
        self.on_pointer(event, None);
    }

    fn on_pointer_up(&mut self, event: &Event) {
        self.on_pointer(event, Some(false));
    }

    fn on_pointer(&mut self, event: &Event, goes_down: Option<bool>) {
        let Some(event) = event.dyn_ref::<PointerEvent>() else {
            return;
        };
        let at = (event.offset_x() as f32, event.offset_y() as f32);
        let id = event.pointer_id();
        let kind = match event.pointer_type().as_str() {
            "touch" => PointerKind::Touch,
            "pen" => PointerKind::Pen,
            _ => PointerKind::Mouse,
        };
        let index = self.pointers.iter().position(|pointer| pointer.id == id);
        let index = match index {
            Some(index) => index,
            None if self.pointers.len() < POINTERS_MAX => {
                self.pointers.push(Pointer {
                    id,
                    kind,
                    is_down: false,
                    start: at,
                    at,
                });
                self.pointers.len() - 1
            }
            None => return,
        };
        let pointer = &mut self.pointers[index];
        pointer.at = at;
        match goes_down {
            Some(true) => {
                // The canvas keeps a finger that slides off it; and typing ends with a tap beside it.
                if let Some(canvas) = event
                    .target()
                    .and_then(|target| target.dyn_into::<HtmlElement>().ok())
                {
                    drop(canvas.set_pointer_capture(id));
                    blur_active_element();
                }
                event.prevent_default();
                (pointer.is_down, pointer.start) = (true, at);
                self.taps.push(*pointer);
            }
            Some(false) if kind == PointerKind::Mouse => pointer.is_down = false,
            Some(false) => drop(self.pointers.swap_remove(index)),
            None => {}
        }
    }

    fn let_go(&mut self) {
        *self = Self::default();
    }
}

fn is_typing(event: &Event) -> bool {
    let element = event
        .target()
        .and_then(|target| target.dyn_into::<HtmlElement>().ok());
    element.is_some_and(|element| {
        matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
            || element.is_content_editable()
    })
}

fn blur_active_element() {
    let active = web_sys::window().and_then(|window| window.document()?.active_element());
    if let Some(Ok(element)) = active.map(JsCast::dyn_into::<HtmlElement>) {
        drop(element.blur());
    }
}

fn read_pad(pad: &Gamepad) -> Pad {
    let mut axes = [0.0; 4];
    for (axis, value) in axes.iter_mut().zip(pad.axes().iter()) {
        *axis = value.as_f64().unwrap_or(0.0) as f32;
    }
    let buttons = pad.buttons();
    let buttons = buttons
        .iter()
        .map(|button| button.unchecked_into::<web_sys::GamepadButton>().value() as f32);
    Pad {
        axes,
        buttons: buttons.collect(),
    }
}

/// An event listener that ends with its owner.
pub(super) struct Listener {
    target: EventTarget,
    name: &'static str,
    closure: Closure<dyn FnMut(Event)>,
}

impl Listener {
    pub(super) fn new(
        target: &EventTarget,
        name: &'static str,
        react: impl FnMut(Event) + 'static,
    ) -> Result<Self, JsValue> {
        let closure = Closure::<dyn FnMut(Event)>::new(react);
        target.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref())?;
        Ok(Self {
            target: target.clone(),
            name,
            closure,
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let callback = self.closure.as_ref().unchecked_ref();
        drop(
            self.target
                .remove_event_listener_with_callback(self.name, callback),
        );
    }
}
