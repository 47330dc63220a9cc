//! Plain JavaScript objects and functions.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Object, Reflect};
use tickwire_protocol::session::StreamTraffic;
use wasm_bindgen::{JsValue, closure::Closure};

use crate::{assets::AssetProgress, stats::Stats};

/// A JavaScript function that acts on what it belongs to, and is freed with it.
pub(super) fn callback<T: 'static>(
    of: &Rc<RefCell<T>>,
    act: impl Fn(&Rc<RefCell<T>>, JsValue) -> JsValue + 'static,
) -> JsValue {
    let of = Rc::clone(of);
    Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |argument| act(&of, argument))
        .into_js_value()
}

/// An object with these fields.
pub(super) fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // A plain object takes every field.
        drop(Reflect::set(&object, &(*name).into(), value));
    }
    object.into()
}

/// A field of an object, unless it is missing.
pub(super) fn field(of: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(of, &name.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// `TickwireStats`.
pub(super) fn stats(stats: &Stats) -> JsValue {
    let millis = |micros: tickwire_protocol::time::Micros| JsValue::from(micros.0 as f64 / 1000.0);
    let traffic = |stream: StreamTraffic| {
        let (down, up) = (stream.in_bytes as f64, stream.out_bytes as f64);
        object(&[("down", down.into()), ("up", up.into())])
    };
    object(&[
        ("pingMillis", millis(stats.ping)),
        ("jitterMillis", millis(stats.jitter)),
        (
            "interpolationDelayMillis",
            millis(stats.interpolation_delay),
        ),
        ("tick", stats.tick.0.into()),
        ("inputLeadTicks", stats.input_lead_ticks.into()),
        ("snapshotsPerSecond", stats.snapshots_per_second.into()),
        (
            "snapshotBytesPerSecond",
            stats.snapshot_bytes_per_second.into(),
        ),
        ("entities", stats.entities.into()),
        ("eventsDropped", (stats.events_dropped as f64).into()),
        (
            "bytes",
            object(&[
                ("control", traffic(stats.traffic.control)),
                ("input", traffic(stats.traffic.input)),
                ("snapshot", traffic(stats.traffic.snapshot)),
                ("event", traffic(stats.traffic.event)),
                ("opened", traffic(stats.traffic.opened)),
            ]),
        ),
    ])
}

/// `TickwireProgress`.
pub(super) fn progress(progress: &AssetProgress) -> JsValue {
    object(&[
        ("bytes", (progress.bytes as f64).into()),
        ("bytesTotal", (progress.bytes_total as f64).into()),
        ("bytesFetched", (progress.bytes_fetched as f64).into()),
        ("assets", progress.assets.into()),
        ("assetsTotal", progress.assets_total.into()),
        ("fraction", progress.fraction().into()),
    ])
}
