//! A question to the server's program, and its one answer.
//!
//! In: a topic and a value. Out: a promise. The question has a stream of its own, and is the page's own use of one:
//! what is written here in Rust is what a page would write with `openStream`.

use js_sys::{Array, Promise, Reflect};
use tickwire_protocol::limits::RECORD_BYTES_MAX;
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::ReadableStreamDefaultReader;

use super::{
    Tickwire, error, message_pack, object::object, options::as_text, pending::Pending,
    stream::TickwireStream,
};
use crate::browser::window;

/// How long an answer may take unless the page says otherwise.
const PATIENCE_MILLIS: f64 = 10_000.0;

#[wasm_bindgen]
impl Tickwire {
    /// Asks the server's program, and gives its answer. `topic` says what about. Many questions may be under way.
    /// Rejected while there is no connection, for a question that has no form on the wire, when the server declines,
    /// or when it has not answered within `millis` (10,000 by default); then it is told to stop working on it.
    #[wasm_bindgen(unchecked_return_type = "Promise<any>")]
    pub fn ask(
        &self,
        #[wasm_bindgen(unchecked_param_type = "string")] topic: &JsValue,
        question: &JsValue,
        millis: Option<f64>,
    ) -> Promise {
        match self.put(topic, question) {
            Ok(stream) => future_to_promise(answer(stream, millis.unwrap_or(PATIENCE_MILLIS))),
            Err(error) => Promise::reject(&error),
        }
    }
}

impl Tickwire {
    /// Opens a stream with a question on it.
    fn put(&self, topic: &JsValue, question: &JsValue) -> Result<TickwireStream, JsValue> {
        let topic = as_text("a topic", topic)?;
        let mut bytes = vec![];
        message_pack::encode(question, &mut bytes)?;
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(error(format!(
                "a question has {RECORD_BYTES_MAX} bytes at most"
            )));
        }
        let options = object(&[("kind", "messages".into())]);
        let stream = self.open_stream(topic.into(), options)?;
        let writer = stream.writable().get_writer()?;
        let [written, ended] = [writer.write_with_chunk(question), writer.close()];
        spawn_local(async move {
            // If the server declines, who reads its answer hears why.
            let _ = JsFuture::from(written).await;
            let _ = JsFuture::from(ended).await;
        });
        Ok(stream)
    }
}

/// The first value that comes on a stream, if it comes in time.
async fn answer(stream: TickwireStream, patience_millis: f64) -> Result<JsValue, JsValue> {
    let reader: ReadableStreamDefaultReader = stream.readable().get_reader().unchecked_into();
    let window = window()?;
    let (late, pending) = Pending::new();
    let is_late = error("no answer came in time");
    let reason = is_late.clone();
    let expire = Closure::once(move || pending.reject(&reason));
    let timer = window.set_timeout_with_callback_and_timeout_and_arguments_0(
        expire.as_ref().unchecked_ref(),
        patience_millis.clamp(0.0, f64::from(i32::MAX)) as i32,
    )?;
    let in_time = move |read: Promise| JsFuture::from(Promise::race(&Array::of2(&read, &late)));
    let first = in_time(reader.read()).await;
    let answer = match &first {
        Ok(read) if is_done(read) => Err(error("the stream ended without an answer")),
        Ok(read) => Reflect::get(read, &"value".into()),
        Err(reason) => Err(reason.clone()),
    };
    spawn_local(async move {
        // One answer is all there is; a server that goes on is told to stop.
        let is_over = match first {
            Ok(read) => is_done(&read) || in_time(reader.read()).await.is_ok_and(|it| is_done(&it)),
            Err(reason) => reason != is_late,
        };
        if !is_over {
            stream.reset("it is no longer waited for".into());
        }
        window.clear_timeout_with_handle(timer);
        drop(expire);
    });
    answer
}

/// Whether a reader has come to the end of its stream.
fn is_done(read: &JsValue) -> bool {
    Reflect::get(read, &"done".into()).is_ok_and(|done| done.is_truthy())
}
