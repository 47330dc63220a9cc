//! Assets in the browser's Cache Storage, under their hash.
//!
//! In come a hash or an asset; out comes what was kept. The key is the hash and nothing else: content
//! that changed has another key, so nothing here is ever stale, and what two games share is kept once.
//! What no game asks for any more stays until the browser takes no more; only then is it thrown out.

use std::{cell::RefCell, collections::HashSet, rc::Rc};

use bytes::Bytes;
use js_sys::{ArrayBuffer, Promise, Uint8Array};
use tickwire_protocol::asset::AssetHash;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Headers, Request, Response, ResponseInit};

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

/// An asset to keep.
pub(super) struct Asset {
    pub(super) hash: AssetHash,
    pub(super) mime: String,
    pub(super) bytes: Bytes,
}

/// Keeps an asset, or puts it with those that the cache `refused`.
pub(super) async fn keep(asset: Asset, refused: Rc<RefCell<Vec<Asset>>>) {
    if let Some(cache) = open().await
        && put(&cache, &asset).await.is_err()
    {
        refused.borrow_mut().push(asset);
    }
}

/// Throws out all but `listed`, and tries once more to keep what was refused. A full disk or a private window refuse
/// silently: it is fetched again then.
pub(super) async fn keep_instead(refused: Vec<Asset>, listed: HashSet<AssetHash>) {
    let Some(cache) = open().await else { return };
    let Ok(requests) = JsFuture::from(cache.keys()).await else {
        return;
    };
    let listed: HashSet<String> = listed.iter().map(AssetHash::to_string).collect();
    let mut has_room = false;
    for request in js_sys::Array::from(&requests) {
        let request: Request = request.unchecked_into();
        let url = request.url();
        if !url
            .rsplit('/')
            .next()
            .is_some_and(|hash| listed.contains(hash))
        {
            let deleted = JsFuture::from(cache.delete_with_request(&request)).await;
            has_room |= deleted.is_ok();
        }
    }
    if has_room {
        for asset in &refused {
            drop(put(&cache, asset).await);
        }
    }
}

async fn put(cache: &Cache, asset: &Asset) -> Result<(), JsValue> {
    let headers = Headers::new()?;
    headers.set("content-type", &asset.mime)?;
    let init = ResponseInit::new();
    init.set_headers(&headers);
    let body: js_sys::Object = Uint8Array::from(&asset.bytes[..]).into();
    let response = Response::new_with_opt_buffer_source_and_init(Some(&body), &init)?;
    JsFuture::from(cache.put_with_str(&key(asset.hash), &response)).await?;
    Ok(())
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
