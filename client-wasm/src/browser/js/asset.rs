//! Assets as a page asks for them: `fetch`, whose `Response` has a body that comes as the bytes do.
//!
//! In come a page's wishes and what the core has of each asset; out come chunks, an end or an error. The
//! decision to question: the body gives out bytes before their hash is known, so that an image is drawn
//! while it arrives. Content that turns out to be wrong errors the body where it would have ended.
//! A body that the page drops unread is held weakly and forgotten, and its download goes on: else what is heard of an
//! asset would depend on when a browser collects garbage.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use bytes::Bytes;
use js_sys::{Promise, Uint8Array, WeakRef};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use web_sys::{
    EventTarget, Headers, QueuingStrategy, ReadableStream, ReadableStreamDefaultController,
    Response, ResponseInit,
};

use super::{
    Page, Tickwire, now,
    object::{self, callback, field as option, object},
    options,
    pending::Pending,
    pump,
};
use crate::{
    assets::{AssetState, AssetStatus},
    browser::{devices::Listener, error},
    client::Client,
};

const NAME: &str = "an asset's name";

#[wasm_bindgen]
impl Tickwire {
    /// How far the assets are.
    #[wasm_bindgen(getter, unchecked_return_type = "TickwireProgress")]
    #[must_use]
    pub fn progress(&self) -> JsValue {
        object::progress(&self.0.borrow().driver.client.asset_progress())
    }

    /// Every asset that is known and where it stands, in the manifest's order; empty before `manifest`.
    #[wasm_bindgen(getter, unchecked_return_type = "TickwireAsset[]")]
    #[must_use]
    pub fn assets(&self) -> JsValue {
        list(self.0.borrow().driver.client.assets())
    }

    /// An asset, as `window.fetch` would give it: the body comes as the bytes do, from the cache or over
    /// the connection, goes on after a reconnect, and errors at its end if the content is not what the
    /// manifest promised. If the name comes to stand for another content meanwhile, a body that has given out
    /// no byte yet gives out the new one, and any other errors. Waits for the manifest. Cancelling the body or
    /// the signal cancels the download, unless another body waits for the same content. Dropping the response unread does
    /// not.
    ///
    /// # Errors
    /// The promise is rejected for a name that the manifest does not have, for a priority that is none, when there
    /// is no manifest or none is fetched (`assets: false`), by the signal, and when the connection has ended for
    /// good.
    #[wasm_bindgen(unchecked_return_type = "Promise<Response>")]
    pub fn fetch(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] name: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "TickwireFetchOptions")] options: JsValue,
    ) -> Promise {
        match options::as_text(NAME, name) {
            Ok(name) => fetch(&self.0, name, options),
            Err(error) => Promise::reject(&error),
        }
    }

    /// Moves an asset forward or back: lower comes first. A download under way makes room for a more
    /// urgent one and goes on later where it stopped.
    ///
    /// # Errors
    /// An `Error` for a name that the manifest does not have, and unless the priority is a whole number from 0 to 255.
    #[wasm_bindgen(js_name = setAssetPriority)]
    pub fn set_asset_priority(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] name: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] priority: &JsValue,
    ) -> Result<(), JsValue> {
        let name = options::as_text(NAME, name)?;
        let priority = options::priority(priority)?;
        let moved = (self.0.borrow_mut().driver.client).prioritise_asset(&name, priority);
        moved.map_err(error)?;
        pump(&self.0, now());
        Ok(())
    }

    /// Fetches an asset no more; it fails as cancelled unless it is here.
    ///
    /// # Errors
    /// An `Error` for a name that the manifest does not have.
    #[wasm_bindgen(js_name = cancelAsset)]
    pub fn cancel_asset(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] name: &JsValue,
    ) -> Result<(), JsValue> {
        let name = options::as_text(NAME, name)?;
        let cancelled = self.0.borrow_mut().driver.client.cancel_asset(&name);
        cancelled.map_err(error)?;
        pump(&self.0, now());
        Ok(())
    }
}

/// A call of `fetch` that waits for the manifest.
pub(super) struct Wish {
    name: String,
    options: JsValue,
    pending: Pending,
    _on_abort: Option<Listener>,
}

/// A body that a page reads.
pub(super) struct Body {
    name: String,
    offset: usize,
    /// Of a stream that is the page's alone: what nobody can read any more must not keep an asset in memory. While
    /// somebody waits for `pull`, that keeps it.
    controller: Option<WeakRef<ReadableStreamDefaultController>>,
    pull: Option<Pending>,
    /// All of it, once it is here and checked.
    whole: Option<Bytes>,
    /// Of the response that it is the body of.
    headers: Option<Headers>,
    on_abort: Option<Listener>,
}

impl Body {
    fn controller(&self) -> Option<ReadableStreamDefaultController> {
        self.controller.as_ref()?.deref()
    }

    /// Whether the page has let go of the stream without reading it to its end, and the browser has collected it.
    fn is_dropped(&self) -> bool {
        self.pull.is_none() && self.controller().is_none()
    }
}

type SharedBody = Rc<RefCell<Body>>;

/// `Tickwire.fetch`.
pub(super) fn fetch(page: &Rc<RefCell<Page>>, name: String, options: JsValue) -> Promise {
    let (promise, pending) = Pending::new();
    let vain = {
        let page = page.borrow();
        match &page.unlisted {
            _ if !page.has_assets => Some("this connection fetches no assets".to_owned()),
            reason => reason.clone(),
        }
    };
    if let Some(reason) = vain {
        pending.reject(&error(reason));
        return promise;
    }
    let priority = option(&options, "priority").map(|value| options::priority(&value));
    if let Some(reason) = abort_reason(&options).or(priority.and_then(Result::err)) {
        pending.reject(&reason);
        return promise;
    }
    let on_abort = option(&options, "signal").and_then(|signal| {
        let (pending, reasons) = (pending.clone(), signal.clone());
        let listener = Listener::new(signal.unchecked_ref::<EventTarget>(), "abort", move |_| {
            let reason = option(&reasons, "reason").unwrap_or(JsValue::UNDEFINED);
            pending.clone().reject(&reason);
        });
        listener.ok()
    });
    let wish = Wish {
        name,
        options,
        pending,
        _on_abort: on_abort,
    };
    let is_listed = page.borrow().is_listed;
    if is_listed {
        grant(page, wish);
    } else {
        page.borrow_mut().wishes.push(wish);
    }
    promise
}

/// A manifest is asked for: it is worth while to wait for it.
pub(super) fn on_requested(page: &Rc<RefCell<Page>>) {
    page.borrow_mut().unlisted = None;
}

/// A manifest cannot be had. Who waits for the first one waits in vain; what was listed before stays.
pub(super) fn on_unlisted(page: &Rc<RefCell<Page>>, reason: &str) {
    if !page.borrow().is_listed {
        refuse(page, reason);
    }
}

/// Rejects what was asked for, and what will be until a manifest is asked for again.
fn refuse(page: &Rc<RefCell<Page>>, reason: &str) {
    let wishes = {
        let mut page = page.borrow_mut();
        page.unlisted = Some(reason.to_owned());
        core::mem::take(&mut page.wishes)
    };
    let error = error(reason);
    wishes
        .into_iter()
        .for_each(|wish| wish.pending.reject(&error));
}

/// The manifest is here: what was asked for before can be begun.
pub(super) fn on_listed(page: &Rc<RefCell<Page>>) {
    page.borrow_mut().is_listed = true;
    page.borrow_mut().unlisted = None;
    let wishes = core::mem::take(&mut page.borrow_mut().wishes);
    wishes.into_iter().for_each(|wish| grant(page, wish));
}

/// There is nothing to wait for: no connection any more. Who has all of an asset already may read on.
pub(super) fn on_lost(page: &Rc<RefCell<Page>>, reason: &str) {
    refuse(page, reason);
    let waits = |body: &mut SharedBody| body.borrow().whole.is_none();
    let failed: Vec<SharedBody> = page.borrow_mut().bodies.extract_if(.., waits).collect();
    let error = error(reason);
    failed.iter().for_each(|body| fail(body, &error));
}

/// An asset is here, whole and checked. Who has all of an older content goes on with that.
pub(super) fn on_ready(page: &Rc<RefCell<Page>>, name: &str, bytes: &Bytes) {
    for body in &page.borrow().bodies {
        let mut body = body.borrow_mut();
        if body.name == name {
            body.whole.get_or_insert_with(|| bytes.clone());
        }
    }
}

/// An asset has another content now. Who has bytes of the old one cannot go on with the new; who has none yet
/// gets the new one, and headers that tell of it.
pub(super) fn on_replaced(page: &Rc<RefCell<Page>>, name: &str) {
    let replaced: Vec<SharedBody> = {
        let mut page = page.borrow_mut();
        let Page { driver, bodies, .. } = &mut *page;
        let is_cut = |body: &mut SharedBody| {
            let body = body.borrow();
            if body.name != name || body.whole.is_some() {
                return false;
            }
            if body.offset == 0
                && let Some(headers) = &body.headers
            {
                // They were set before.
                drop(describe(&driver.client, name, headers));
            }
            body.offset > 0
        };
        bodies.extract_if(.., is_cut).collect()
    };
    let error = error("its content was replaced");
    replaced.iter().for_each(|body| fail(body, &error));
}

/// An asset cannot be had. Who has all of it already may read on.
pub(super) fn on_failed(page: &Rc<RefCell<Page>>, name: &str, reason: &str) {
    let error = error(reason);
    let waits = |body: &mut SharedBody| {
        let body = body.borrow();
        body.name == name && body.whole.is_none()
    };
    let failed: Vec<SharedBody> = page.borrow_mut().bodies.extract_if(.., waits).collect();
    failed.iter().for_each(|body| fail(body, &error));
}

/// Gives every body what has come for it.
pub(super) fn serve(page: &Rc<RefCell<Page>>) {
    let Ok(mut borrowed) = page.try_borrow_mut() else {
        return;
    };
    let Page { driver, bodies, .. } = &mut *borrowed;
    let mut settled = vec![];
    bodies.retain(|body| {
        let mut body = body.borrow_mut();
        if body.is_dropped() {
            // What it asked for goes on coming: the game may wait for the event.
            body.whole = None;
            return false;
        }
        let Body { name, whole, .. } = &*body;
        let here = match whole {
            Some(whole) => whole,
            None => driver.client.asset_partial(name).unwrap_or_default(),
        };
        let chunk = here.get(body.offset..).filter(|chunk| !chunk.is_empty());
        let chunk = chunk.filter(|_| body.pull.is_some()).map(Uint8Array::from);
        let end = here.len();
        let is_over = whole.is_some() && (chunk.is_some() || body.offset == end);
        if let (Some(chunk), Some(controller)) = (&chunk, body.controller()) {
            // It fails when the page has cancelled meanwhile, and then nobody wants the chunk.
            drop(controller.enqueue_with_chunk(chunk));
            body.offset = end;
        }
        if is_over {
            if let Some(controller) = body.controller() {
                drop(controller.close());
            }
            body.on_abort = None;
            body.headers = None;
            body.whole = None;
        }
        if chunk.is_some() || is_over {
            settled.extend(body.pull.take());
        }
        !is_over
    });
    drop(borrowed);
    settled.into_iter().for_each(Pending::resolve);
}

/// `Tickwire.assets`.
pub(super) fn list<'a>(assets: impl Iterator<Item = AssetStatus<'a>>) -> JsValue {
    let array = js_sys::Array::new();
    for asset in assets {
        let state = match asset.state {
            AssetState::Idle => "idle",
            AssetState::Waiting => "waiting",
            AssetState::Fetching => "fetching",
            AssetState::Ready => "ready",
            AssetState::Failed => "failed",
        };
        array.push(&object(&[
            ("name", asset.name.into()),
            ("mime", asset.mime.into()),
            ("bytes", (asset.bytes as f64).into()),
            ("bytesTotal", (asset.bytes_total as f64).into()),
            ("priority", asset.priority.into()),
            ("state", state.into()),
        ]));
    }
    array.into()
}

/// The reason of a signal that has spoken already.
fn abort_reason(options: &JsValue) -> Option<JsValue> {
    let signal = option(options, "signal")?;
    let is_aborted = option(&signal, "aborted").is_some_and(|it| it.is_truthy());
    is_aborted.then(|| option(&signal, "reason").unwrap_or(JsValue::UNDEFINED))
}

fn grant(page: &Rc<RefCell<Page>>, wish: Wish) {
    match begin(page, wish.name, &wish.options) {
        Ok(response) => wish.pending.resolve_with(&response),
        Err(error) => wish.pending.reject(&error),
    }
}

fn begin(page: &Rc<RefCell<Page>>, name: String, options: &JsValue) -> Result<JsValue, JsValue> {
    if let Some(reason) = abort_reason(options) {
        return Err(reason);
    }
    let signal = option(options, "signal");
    let headers = Headers::new()?;
    {
        let mut page = page.borrow_mut();
        let client = &mut page.driver.client;
        if let Some(priority) = option(options, "priority") {
            let asked = client.prioritise_asset(&name, options::priority(&priority)?);
            asked.map_err(error)?;
        }
        client.want_asset(&name).map_err(error)?;
        describe(client, &name, &headers)?;
    }
    let body = Rc::new(RefCell::new(Body {
        name,
        offset: 0,
        controller: None,
        pull: None,
        whole: None,
        headers: None,
        on_abort: None,
    }));
    let stream = source(&Rc::downgrade(page), &body)?;
    if let Some(signal) = signal {
        let (aborted, weak, reasons) = (Rc::downgrade(&body), Rc::downgrade(page), signal.clone());
        let on_abort = Listener::new(signal.unchecked_ref::<EventTarget>(), "abort", move |_| {
            let Some(aborted) = aborted.upgrade() else {
                return;
            };
            let reason = option(&reasons, "reason").unwrap_or(JsValue::UNDEFINED);
            give_up(&weak, &aborted);
            fail(&aborted, &reason);
        })?;
        body.borrow_mut().on_abort = Some(on_abort);
    }
    page.borrow_mut().bodies.push(Rc::clone(&body));
    let init = ResponseInit::new();
    init.set_headers(&headers);
    let response = Response::new_with_opt_readable_stream_and_init(Some(&stream), &init)?;
    body.borrow_mut().headers = Some(response.headers());
    // The request goes out now and not with the next frame.
    let page = Rc::clone(page);
    wasm_bindgen_futures::spawn_local(async move { pump(&page, now()) });
    Ok(response.into())
}

/// Sets the headers that tell what an asset is.
fn describe(client: &Client, name: &str, headers: &Headers) -> Result<(), JsValue> {
    if let Some(asset) = client.assets().find(|asset| asset.name == name) {
        headers.set("content-type", asset.mime)?;
        headers.set("content-length", &asset.bytes_total.to_string())?;
    }
    Ok(())
}

fn source(page: &Weak<RefCell<Page>>, body: &SharedBody) -> Result<ReadableStream, JsValue> {
    let start = callback(body, |body, controller| {
        body.borrow_mut().controller = Some(WeakRef::new(controller.unchecked_ref()));
        JsValue::UNDEFINED
    });
    let server = page.clone();
    let pull = callback(body, move |body, _| {
        let (promise, pending) = Pending::new();
        body.borrow_mut().pull = Some(pending);
        if let Some(page) = server.upgrade() {
            serve(&page);
        }
        promise.into()
    });
    let canceller = page.clone();
    let cancel = callback(body, move |body, _| {
        give_up(&canceller, body);
        drop(end(body));
        JsValue::UNDEFINED
    });
    let source = object(&[("start", start), ("pull", pull), ("cancel", cancel)]);
    let strategy = QueuingStrategy::new();
    strategy.set_high_water_mark(0.0);
    ReadableStream::new_with_underlying_source_and_strategy(source.unchecked_ref(), &strategy)
}

/// The page wants a body no more. Its asset is cancelled if no other body waits for the same content.
fn give_up(page: &Weak<RefCell<Page>>, body: &SharedBody) {
    let Some(page) = page.upgrade() else { return };
    {
        let mut page = page.borrow_mut();
        let Page { driver, bodies, .. } = &mut *page;
        let Some(place) = bodies.iter().position(|it| Rc::ptr_eq(it, body)) else {
            return;
        };
        bodies.remove(place);
        let Body { name, whole, .. } = &*body.borrow();
        let waits = |other: &SharedBody| {
            let other = other.borrow();
            other.whole.is_none() && driver.client.is_one_content(name, &other.name)
        };
        if whole.is_none() && !bodies.iter().any(waits) {
            // It was known when it was asked for.
            drop(driver.client.cancel_asset(name));
        }
    }
    pump(&page, now());
}

fn fail(body: &SharedBody, error: &JsValue) {
    let (controller, pull) = end(body);
    if let Some(controller) = controller {
        controller.error_with_e(error);
    }
    pull.into_iter().for_each(|pull| pull.reject(error));
}

/// A body is read no more: what it holds is let go, and a signal has nothing to stop. Gives whom to tell of it.
fn end(body: &SharedBody) -> (Option<ReadableStreamDefaultController>, Option<Pending>) {
    let mut body = body.borrow_mut();
    let (told, on_abort) = ((body.controller(), body.pull.take()), body.on_abort.take());
    body.whole = None;
    body.headers = None;
    drop(body);
    drop(on_abort);
    told
}
