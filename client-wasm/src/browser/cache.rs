//! Assets in the browser's Cache Storage, under their hash.
//!
//! In come a hash or an asset; out comes what was kept. The key is the hash and nothing else: content
//! that changed has another key, so nothing here is ever stale, and what two games share is kept once.

use bytes::Bytes;
use js_sys::{ArrayBuffer, Promise, Uint8Array};
use tickwire_protocol::asset::AssetHash;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Headers, Response, ResponseInit};

const CACHE: &str = "tickwire-assets-1";

/// What the cache holds under this hash; nothing where there is no cache (a page that is not served by
/// HTTPS or from the own machine has none).
pub(super) async fn look_up(hash: AssetHash) -> Option<Bytes> {
    let found = wait(open().await?.match_with_str(&key(hash))).await?;
    let buffer: ArrayBuffer = wait(found.dyn_into::<Response>().ok()?.array_buffer().ok()?)
        .await?
        .into();
    Some(Uint8Array::new(&buffer).to_vec().into())
}

/// Keeps an asset. A full disk or a private window refuse silently: it is fetched again then.
pub(super) async fn keep(hash: AssetHash, mime: String, bytes: Bytes) {
    let put = async {
        let cache = open().await?;
        let headers = Headers::new().ok()?;
        headers.set("content-type", &mime).ok()?;
        let init = ResponseInit::new();
        init.set_headers(&headers);
        let body: js_sys::Object = Uint8Array::from(&bytes[..]).into();
        let response = Response::new_with_opt_buffer_source_and_init(Some(&body), &init).ok()?;
        wait(cache.put_with_str(&key(hash), &response)).await
    };
    put.await;
}

/// A path below the page's origin that no server will ever be asked for.
fn key(hash: AssetHash) -> String {
    format!("/tickwire/asset/{hash}")
}

async fn open() -> Option<Cache> {
    let window = web_sys::window()?;
    // `caches` is not there at all on an insecure origin, and the binding would throw.
    if !js_sys::Reflect::has(&window, &"caches".into()).unwrap_or(false) {
        return None;
    }
    wait(window.caches().ok()?.open(CACHE))
        .await?
        .dyn_into()
        .ok()
}

async fn wait(promise: Promise) -> Option<JsValue> {
    JsFuture::from(promise)
        .await
        .ok()
        .filter(|value| !value.is_undefined())
}
