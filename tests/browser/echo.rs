//! A page's own WebSocket against the server's echo: Chromium as the client of the conformance tests.

use std::time::Duration;

use anyhow::Result;

use crate::driver::{Driver, Screen};

#[path = "../conformance/echo.rs"]
mod server;

/// Sends each message when the last one is back, closes with a code of its own, and says how it went.
const SCRIPT: &str = "\
    const sent = ['', 'hello', 'x'.repeat(70000), new Uint8Array(0), new Uint8Array(125).fill(1),\
        new Uint8Array(65536).fill(2), new Uint8Array(1048576).fill(3)];\
    const same = (one, other) => typeof one === 'string' ? one === other :\
        one.length === other.byteLength && new Uint8Array(other).every((it, i) => it === one[i]);\
    window.run = (address) => {\
        window.result = null;\
        let back = 0;\
        const socket = new WebSocket(address);\
        socket.binaryType = 'arraybuffer';\
        socket.onopen = () => socket.send(sent[0]);\
        socket.onmessage = ({ data }) => {\
            if (!same(sent[back], data)) { window.result = 'message ' + back; return }\
            back += 1;\
            if (back < sent.length) socket.send(sent[back]);\
            else socket.close(4321, 'enough');\
        };\
        socket.onclose = ({ code, reason, wasClean }) =>\
            window.result ??= [back, code, reason, wasClean, socket.extensions].join();\
    };";

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_pages_websocket_gets_everything_back() -> Result<()> {
    let echo = server::Echo::start()?;
    let driver = Driver::start()?;
    let browser = driver.browser(&Screen::Desktop)?;
    // The echo has no page; what matters is that this one comes from where the WebSocket goes to.
    let page = echo
        .address
        .replace("ws://", "http://")
        .replace("/echo", "/");
    browser.open(&page)?;
    browser.execute(SCRIPT)?;
    browser.execute(&format!("run('{}')", echo.address))?;
    browser.wait_until("window.result !== null", Duration::from_secs(60))?;
    let result = browser.execute("return window.result")?;
    assert_eq!(result, "7,4321,enough,true,");
    Ok(())
}
