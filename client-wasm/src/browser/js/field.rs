//! One field of all entities that have a component, as typed arrays over WASM memory.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Float64Array, Uint32Array};
use tickwire_protocol::schema::{ComponentSchema, Schema};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{
    browser::{complain, message_pack},
    world::View,
};

/// What a handle and the page share.
pub(super) struct FieldState {
    component: String,
    path: String,
    ids: Vec<u32>,
    numbers: Vec<f64>,
    /// For a field without a fixed size: its bytes one after another, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Whether it was looked up in a schema: who misspelt it is told once.
    is_checked: bool,
}

impl FieldState {
    pub(super) fn new(component: String, path: String) -> Self {
        Self {
            component,
            path,
            ids: vec![],
            numbers: vec![],
            bytes: vec![],
            ends: vec![],
            is_checked: false,
        }
    }

    /// Says in the console what the game does not have, because it reads like a game that is empty.
    fn check(&mut self, schema: &Schema) {
        if core::mem::replace(&mut self.is_checked, true) {
            return;
        }
        let (component, path) = (&self.component, &self.path);
        let definition = schema.components().iter().find(|it| it.name == *component);
        let is_there = |definition: &ComponentSchema| {
            definition.column(path).is_some() || definition.blob(path).is_some()
        };
        let missing = match definition {
            None => format!("the game has no component {component}"),
            // Without a path it is the entities alone that are asked for.
            Some(definition) if !path.is_empty() && !is_there(definition) => {
                format!("the component {component} has no field {path}")
            }
            Some(_) => return,
        };
        complain(format!("tickwire: {missing}").into());
    }

    pub(super) fn fill(&mut self, view: &View<'_>) {
        self.check(view.schema());
        view.entities_with(&self.component, &mut self.ids);
        let is_number = view
            .field(&self.component, &self.path, &mut self.numbers)
            .is_some();
        self.bytes.clear();
        self.ends.clear();
        if !is_number {
            for &id in &self.ids {
                self.bytes
                    .extend_from_slice(view.blob(&self.component, &self.path, id).unwrap_or(&[]));
                self.ends.push(self.bytes.len());
            }
        }
    }

    fn blob(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }
}

/// One field of all entities that have a component, as of the last `frame()`.
///
/// The arrays lie in WASM memory: take them anew after every `frame()`, and copy what is to be kept.
#[wasm_bindgen]
pub struct Field(Rc<RefCell<FieldState>>);

impl Field {
    pub(super) fn new(state: Rc<RefCell<FieldState>>) -> Self {
        Self(state)
    }
}

#[wasm_bindgen]
impl Field {
    /// The entities that have the component, ascending.
    #[wasm_bindgen(getter)]
    #[must_use]
    #[expect(
        unsafe_code,
        reason = "a view costs nothing; its lifetime is part of the API's contract"
    )]
    pub fn ids(&self) -> Uint32Array {
        // SAFETY: the memory stays where it is until the next `frame()`, for which the page is told to
        // take the array anew; a stale one shows other numbers or is empty, and JavaScript can do no
        // more harm with it than with any other view of WASM memory.
        unsafe { Uint32Array::view(&self.0.borrow().ids) }
    }

    /// The field's number for each of them: floats as drawn now, angles in radians, integers, variants'
    /// numbers, 0 and 1, entities' ids or -1. Empty for a field that is no number.
    #[wasm_bindgen(getter)]
    #[must_use]
    #[expect(
        unsafe_code,
        reason = "a view costs nothing; its lifetime is part of the API's contract"
    )]
    pub fn values(&self) -> Float64Array {
        // SAFETY: as for `ids`.
        unsafe { Float64Array::view(&self.0.borrow().numbers) }
    }

    /// The text of the entity at this place of `ids`; `undefined` for a field that is no text.
    #[wasm_bindgen(unchecked_return_type = "string | undefined")]
    #[must_use]
    pub fn text(&self, index: usize) -> JsValue {
        let state = self.0.borrow();
        let text = state
            .blob(index)
            .and_then(|bytes| core::str::from_utf8(bytes).ok());
        text.map_or(JsValue::UNDEFINED, JsValue::from_str)
    }

    /// The value of an opaque field of the entity at this place of `ids`.
    #[must_use]
    pub fn value(&self, index: usize) -> JsValue {
        let state = self.0.borrow();
        let value = state
            .blob(index)
            .and_then(|bytes| message_pack::decode(bytes).ok());
        value.unwrap_or(JsValue::UNDEFINED)
    }

    /// The place of an entity in `ids`, or -1.
    #[wasm_bindgen(js_name = indexOf)]
    #[must_use]
    pub fn index_of(&self, entity: u32) -> i32 {
        self.0
            .borrow()
            .ids
            .binary_search(&entity)
            .map_or(-1, |index| index as i32)
    }
}
