//! Promises: the half that the page does not see.

use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;

/// A promise that is settled later, once: what is said of it after that is not heard.
#[derive(Clone)]
pub(super) struct Pending {
    resolve: Function,
    reject: Function,
}

impl Pending {
    pub(super) fn new() -> (Promise, Self) {
        let mut parts = None;
        let promise = Promise::new(&mut |resolve, reject| parts = Some((resolve, reject)));
        let (resolve, reject) = parts.unwrap_or_default();
        (promise, Self { resolve, reject })
    }

    pub(super) fn resolve(self) {
        self.resolve_with(&JsValue::UNDEFINED);
    }

    pub(super) fn resolve_with(self, value: &JsValue) {
        drop(self.resolve.call1(&JsValue::UNDEFINED, value));
    }

    pub(super) fn reject(self, reason: &JsValue) {
        drop(self.reject.call1(&JsValue::UNDEFINED, reason));
    }
}
