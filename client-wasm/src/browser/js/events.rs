//! What happened, told to the page's listeners; and streams, whose events go to who holds them.
//!
//! In come the core's events; out go calls. A listener may call back into the page, so the page is let go
//! before each call. What that brings about is told when all listeners have heard what is being told, so that
//! everybody hears everything in the same order.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use js_sys::{Function, Uint8Array};
use tickwire_protocol::{
    id::StreamId,
    mux::{REFUSE_CODE_GAME_MIN, StreamEvent},
    stream::StreamOptions,
};
use wasm_bindgen::JsValue;

use super::{Page, asset, complain, hold_again, message_pack, now, object::object, stream};
use crate::{assets::AssetEvent, client::ClientEvent};

/// Tells everything that happened, unless a listener has brought us here: then the telling that it is part of goes on
/// with it.
pub(super) fn tell(page: &Rc<RefCell<Page>>) {
    {
        let Ok(mut page) = page.try_borrow_mut() else {
            return;
        };
        if core::mem::replace(&mut page.is_telling, true) {
            return;
        }
    }
    loop {
        let event = page.borrow_mut().driver.poll_event();
        match event {
            None => break,
            Some(ClientEvent::Stream(event)) => on_stream_event(page, event),
            Some(event) => on_event(page, &event),
        }
    }
    page.borrow_mut().is_telling = false;
}

fn on_event(page: &Rc<RefCell<Page>>, event: &ClientEvent) {
    if let ClientEvent::Asset(event) = event {
        on_asset_event(page, event);
    }
    let is_lost = matches!(
        event,
        ClientEvent::Disconnected { .. } | ClientEvent::Ended { .. }
    );
    let (lost, listeners) = {
        let mut page = page.borrow_mut();
        let lost = if is_lost {
            core::mem::take(&mut page.pipes)
        } else {
            HashMap::new()
        };
        (lost, page.listeners.get(name_of(event)).cloned())
    };
    lost.values()
        .for_each(|pipe| stream::on_gone(pipe, "the connection was lost"));
    match event {
        ClientEvent::Joined { .. } => {
            asset::on_requested(page);
            hold_again(page);
        }
        ClientEvent::Ended { message } => asset::on_lost(page, message),
        _ => {}
    }
    // What nobody listens for is not copied either.
    if let Some(listeners) = listeners.filter(|listeners| !listeners.is_empty()) {
        call(&listeners, &describe(event));
    }
}

fn call(listeners: &[(u32, Function)], value: &JsValue) {
    for (_, listener) in listeners {
        if let Err(error) = listener.call1(&JsValue::UNDEFINED, value) {
            complain(error);
        }
    }
}

fn on_asset_event(page: &Rc<RefCell<Page>>, event: &AssetEvent) {
    match event {
        AssetEvent::Listed => asset::on_listed(page),
        AssetEvent::Ready { name, bytes, .. } => asset::on_ready(page, name, bytes),
        AssetEvent::Replaced { name } => asset::on_replaced(page, name),
        AssetEvent::Removed { name } => asset::on_failed(page, name, "it was removed"),
        AssetEvent::Unlisted { reason } => asset::on_unlisted(page, reason),
        AssetEvent::Failed { name, reason } => asset::on_failed(page, name, reason),
        AssetEvent::Complete => {}
    }
}

fn on_stream_event(page: &Rc<RefCell<Page>>, event: StreamEvent) {
    let pipe = |id: StreamId| page.borrow().pipes.get(&id).cloned();
    let gone = |id: StreamId| page.borrow_mut().pipes.remove(&id);
    match event {
        StreamEvent::Opened(offer) => {
            if let Err(error) = offer_stream(page, offer.id, offer.options) {
                complain(error);
            }
        }
        StreamEvent::Accepted(id) => pipe(id).iter().for_each(stream::on_accepted),
        StreamEvent::Readable(id) | StreamEvent::Writable(id) => {
            pipe(id)
                .iter()
                .for_each(|pipe| stream::on_ready(page, pipe));
        }
        StreamEvent::Ended(id) => {
            if pipe(id).is_some_and(|pipe| stream::on_ended(&pipe)) {
                gone(id);
            }
        }
        StreamEvent::Consumed(id) => {
            if pipe(id).is_some_and(|pipe| stream::on_consumed(&pipe)) {
                gone(id);
            }
        }
        StreamEvent::Refused { id, reason, .. } | StreamEvent::Reset { id, reason, .. } => {
            gone(id)
                .iter()
                .for_each(|pipe| stream::on_gone(pipe, &reason));
        }
    }
}

/// Shows a page what the server offers. What nobody listens for is declined; a listener that does not
/// want it calls `reset`.
fn offer_stream(
    page: &Rc<RefCell<Page>>,
    id: StreamId,
    options: StreamOptions,
) -> Result<(), JsValue> {
    let listeners = page
        .borrow()
        .listeners
        .get("stream")
        .cloned()
        .unwrap_or_default();
    let answered = {
        let mut page = page.borrow_mut();
        page.driver.client.streams().and_then(|streams| {
            if listeners.is_empty() {
                streams.refuse(id, REFUSE_CODE_GAME_MIN, "nobody listens")
            } else {
                streams.accept(id, now())
            }
        })
    };
    if listeners.is_empty() || answered.is_err() {
        return Ok(());
    }
    let metadata = message_pack::decode(&options.metadata).unwrap_or(JsValue::UNDEFINED);
    let (stream, pipe) = stream::make(page, id, options.kind, metadata, true)?;
    if options.one_way {
        // Nothing can be written, so nobody will ever say that it was taken.
        stream::on_consumed(&pipe);
    }
    page.borrow_mut().pipes.insert(id, pipe);
    call(&listeners, &stream.into());
    Ok(())
}

/// An event's name in `TickwireEvents`.
const fn name_of(event: &ClientEvent) -> &'static str {
    match event {
        ClientEvent::Joined { .. } => "joined",
        ClientEvent::Disconnected { .. } => "disconnected",
        ClientEvent::Ended { .. } => "ended",
        ClientEvent::Event(_) => "event",
        ClientEvent::Asset(AssetEvent::Ready { .. }) => "asset",
        ClientEvent::Asset(AssetEvent::Failed { .. }) => "assetfailed",
        ClientEvent::Asset(AssetEvent::Unlisted { .. }) => "manifestfailed",
        ClientEvent::Asset(AssetEvent::Replaced { .. }) => "assetreplaced",
        ClientEvent::Asset(AssetEvent::Removed { .. }) => "assetremoved",
        ClientEvent::Asset(AssetEvent::Listed) => "manifest",
        ClientEvent::Asset(AssetEvent::Complete) => "assets",
        ClientEvent::Stream(_) => "stream",
        ClientEvent::Verified { .. } => "verified",
    }
}

/// What an event's listeners get.
fn describe(event: &ClientEvent) -> JsValue {
    match event {
        ClientEvent::Joined { player, resumed } => {
            object(&[("player", player.0.into()), ("resumed", (*resumed).into())])
        }
        ClientEvent::Disconnected { message, retry_in } => {
            let retry_in_seconds = retry_in.as_seconds().into();
            object(&[
                ("message", message.into()),
                ("retryInSeconds", retry_in_seconds),
            ])
        }
        ClientEvent::Ended { message } => object(&[("message", message.into())]),
        ClientEvent::Event(event) => {
            let value = message_pack::decode(event.payload()).unwrap_or(JsValue::NULL);
            object(&[("name", event.name().into()), ("value", value)])
        }
        ClientEvent::Asset(AssetEvent::Ready {
            name, mime, bytes, ..
        }) => {
            let bytes = Uint8Array::from(&bytes[..]).into();
            object(&[
                ("name", name.into()),
                ("mime", mime.into()),
                ("bytes", bytes),
            ])
        }
        ClientEvent::Asset(AssetEvent::Unlisted { reason }) => object(&[("reason", reason.into())]),
        ClientEvent::Asset(AssetEvent::Failed { name, reason }) => {
            object(&[("name", name.into()), ("reason", reason.into())])
        }
        ClientEvent::Asset(AssetEvent::Replaced { name } | AssetEvent::Removed { name }) => {
            object(&[("name", name.into())])
        }
        ClientEvent::Asset(AssetEvent::Listed | AssetEvent::Complete) | ClientEvent::Stream(_) => {
            JsValue::UNDEFINED
        }
        ClientEvent::Verified { tick, is_equal } => {
            object(&[("tick", tick.0.into()), ("isEqual", (*is_equal).into())])
        }
    }
}
