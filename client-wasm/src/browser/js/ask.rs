//! A question to the server's program, and its one answer.
//!
//! In: a topic and a value. Out: a promise. The question has a stream of its own, and is the page's own use of one:
//! what is written here in Rust is what a page would write with `openStream`.

use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::ReadableStreamDefaultReader;

use super::{Tickwire, message_pack, object::object, pending::Pending, stream::TickwireStream};

/// How long an answer may take unless the page says otherwise.
const PATIENCE_MILLIS: f64 = 10_000.0;

#[wasm_bindgen]
impl Tickwire {
    /// Asks the server's program, and gives its answer. `topic` says what about. Many questions may be under way.
    /// Rejected when the server declines, or has not answered within `millis` (10,000 by default); then it is told
    /// to stop working on it.
    ///
    /// # Errors
    /// An `Error` while there is no connection, or for a question that has no form on the wire.
    #[wasm_bindgen(unchecked_return_type = "Promise<any>")]
    pub fn ask(
        &self,
        topic: &str,
        question: JsValue,
        millis: Option<f64>,
    ) -> Result<Promise, JsValue> {
        message_pack::encode(&question, &mut vec![])?;
        let options = object(&[("kind", "messages".into())]);
        let stream = self.open_stream(topic.into(), options)?;
        let writer = stream.writable().get_writer()?;
        let [written, ended] = [writer.write_with_chunk(&question), writer.close()];
        spawn_local(async move {
            // If the question is not taken, the reader hears why.
            let _ = JsFuture::from(written).await;
            let _ = JsFuture::from(ended).await;
        });
        let patience = millis.unwrap_or(PATIENCE_MILLIS);
        Ok(future_to_promise(answer(stream, patience)))
    }
}

/// The first value that comes on a stream, if it comes in time.
async fn answer(stream: TickwireStream, patience_millis: f64) -> Result<JsValue, JsValue> {
    let reader: ReadableStreamDefaultReader = stream.readable().get_reader().unchecked_into();
    let window = web_sys::window().ok_or("no window")?;
    let (late, timer) = Pending::new();
    let is_late = JsValue::from(js_sys::Error::new("no answer came in time"));
    let reason = is_late.clone();
    let expire = Closure::once_into_js(move || timer.reject(&reason));
    let handle = window.set_timeout_with_callback_and_timeout_and_arguments_0(
        expire.unchecked_ref(),
        patience_millis.clamp(0.0, f64::from(i32::MAX)) as i32,
    )?;
    let first = Promise::race(&Array::of2(&reader.read(), &late));
    let read = JsFuture::from(first).await;
    window.clear_timeout_with_handle(handle);
    match read {
        Ok(read) if Reflect::get(&read, &"done".into())?.is_truthy() => {
            Err(js_sys::Error::new("the stream ended without an answer").into())
        }
        Ok(read) => Reflect::get(&read, &"value".into()),
        Err(error) => {
            if error == is_late {
                stream.reset("no answer in time");
            }
            Err(error)
        }
    }
}
