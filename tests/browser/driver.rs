//! A WebDriver client, as small as these tests need it: ChromeDriver on a port of its own, headless
//! Chromium with a fresh profile per session, and everything ended again when a value is dropped, also
//! when a test panics.
//!
//! The commands are those of the W3C's WebDriver recommendation; what Chromium adds is named there.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use tests::process::OwnedChild;

/// A command that takes longer has failed. Starting a browser on a busy machine takes the longest.
const COMMAND_SECONDS: u64 = 60;

/// How often ChromeDriver is started until it has a port. It takes one that is free for IPv6 and then wants the
/// same for IPv4, where another program may have it: then it ends.
const STARTS_MAX: u32 = 8;

/// How often a browser is started until it runs: on a busy machine one may end, or not be there in time.
const BROWSER_STARTS_MAX: u32 = 3;

/// How long a test waits for what a page does: long enough for a machine with two cores that compiles something else
/// meanwhile.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// How every browser is started: no window, no sandbox (which root cannot have), nothing that calls
/// out, and no throttling of a page because nobody seems to look at it.
const FLAGS: [&str; 16] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--mute-audio",
    // A camera and a microphone that nobody has to allow, and sound that nobody has to click for.
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
];

/// Where screenshots, profiles and logs of the tests go: below cargo's target folder.
pub(crate) fn scratch() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// What a page is shown on.
pub(crate) enum Screen {
    /// A window of 1280 × 800.
    Desktop,
    /// 390 × 844 with touch, three pixels to the unit: a phone held upright.
    Phone,
    /// The same, held sideways.
    PhoneSideways,
}

/// A running ChromeDriver.
pub(crate) struct Driver {
    _process: OwnedChild,
    url: String,
}

impl Driver {
    /// Starts ChromeDriver on a free port.
    pub(crate) fn start() -> Result<Self> {
        let mut said = String::new();
        for _ in 0..STARTS_MAX {
            match Self::start_once()? {
                Ok(driver) => return Ok(driver),
                Err(last_words) => said = last_words,
            }
        }
        bail!(
            "chromedriver ended {STARTS_MAX} times before it said its port; the last time it said:\n{said}"
        )
    }

    /// Starts it once, or gives what it said before it ended.
    fn start_once() -> Result<Result<Self, String>> {
        let process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver cannot be started: `cargo xtask test` installs it")?;
        let mut process = OwnedChild(process);
        let stdout = process.stdout.take().context("its output was piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut said = String::new();
        while let Some(line) = lines.next().transpose()? {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let url = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
                // Read to the end, or it would block once the pipe is full.
                thread::spawn(move || lines.for_each(drop));
                return Ok(Ok(Self {
                    _process: process,
                    url,
                }));
            }
            said += &line;
            said.push('\n');
        }
        Ok(Err(said))
    }

    /// Starts a browser, again if it ends while it starts.
    pub(crate) fn browser(&self, screen: &Screen) -> Result<Browser> {
        let mut browser = self.browser_once(screen);
        for _ in 1..BROWSER_STARTS_MAX {
            if browser.is_ok() {
                break;
            }
            browser = self.browser_once(screen);
        }
        browser
    }

    fn browser_once(&self, screen: &Screen) -> Result<Browser> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile = scratch().join(format!("profile-{}-{number}", std::process::id()));
        let mut arguments: Vec<String> = FLAGS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments.push("--window-size=1280,800".to_owned());
        let mut options = json!({ "args": arguments });
        let phone = match screen {
            Screen::Desktop => None,
            Screen::Phone => Some((390, 844)),
            Screen::PhoneSideways => Some((844, 390)),
        };
        if let Some((width, height)) = phone {
            let metrics =
                json!({ "width": width, "height": height, "pixelRatio": 3.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let body = json!({ "capabilities": { "alwaysMatch": wanted } });
        let session = send("POST", &format!("{}/session", self.url), Some(&body));
        let session =
            session.context("Chromium cannot be started: `cargo xtask test` installs it")?;
        let id = session["sessionId"]
            .as_str()
            .context("a session without an id")?;
        Ok(Browser {
            url: format!("{}/session/{id}", self.url),
            profile,
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Its browsers are gone by now: they borrow nothing, but every test drops them first.
        let _ = send("GET", &format!("{}/shutdown", self.url), None);
    }
}

/// One browser with one page.
pub(crate) struct Browser {
    url: String,
    profile: PathBuf,
}

impl Browser {
    /// Loads a page and waits for its `load` event.
    pub(crate) fn open(&self, url: &str) -> Result<()> {
        self.post("url", &json!({ "url": url })).map(|_| ())
    }

    /// Runs the body of a JavaScript function in the page and gives what it returns.
    pub(crate) fn execute(&self, script: &str) -> Result<Value> {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true in the page's eyes, and gives its value.
    ///
    /// # Errors
    /// When it has not become true within `limit`; the message holds what the page logged.
    pub(crate) fn wait_until(&self, expression: &str, limit: Duration) -> Result<Value> {
        let started = Instant::now();
        loop {
            // A page that is still loading has no such property yet: not true, and no failure.
            let script = format!("try {{ return ({expression}) }} catch (error) {{ return null }}");
            // Nor is it one that there is no page to ask, between two.
            let value = self.execute(&script);
            if let Ok(value) = &value
                && !matches!(value, Value::Null | Value::Bool(false))
            {
                return Ok(value.clone());
            }
            if started.elapsed() > limit {
                value.context("the page cannot be asked")?;
                bail!(
                    "not true within {} s: {expression}\nthe page logged:\n{}",
                    limit.as_secs(),
                    self.log()?
                );
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until the browser's cache holds at least so many assets: they are put there after the page has them.
    pub(crate) fn until_cached(&self, assets: u64) -> Result<()> {
        self.run(&format!(
            "const cache = await caches.open('tickwire-assets-1');
             while ((await cache.keys()).length < {assets}) await new Promise((resolve) => setTimeout(resolve, 20));"
        ))
        .map(drop)
    }

    /// Begins what the body of an async function does in the page, one at a time.
    pub(crate) fn begin(&self, body: &str) -> Result<()> {
        self.execute(&format!(
            "window.outcome = null;
             (async () => {{ {body} }})().then(
                 (value) => {{ window.outcome = {{ value: value ?? null }} }},
                 (error) => {{ window.outcome = {{ error: String(error?.stack ?? error) }} }});"
        ))
        .map(|_| ())
    }

    /// Waits for the end of what was begun, and gives what it returned.
    ///
    /// # Errors
    /// When it failed, or has not ended within `limit`.
    pub(crate) fn end(&self, limit: Duration) -> Result<Value> {
        let mut outcome = self.wait_until("outcome", limit)?;
        ensure!(outcome["error"].is_null(), "{}", outcome["error"]);
        Ok(outcome["value"].take())
    }

    /// Runs the body of an async function in the page, and gives what it returned.
    ///
    /// # Errors
    /// When it failed, or has not ended within [`PATIENCE`].
    pub(crate) fn run(&self, body: &str) -> Result<Value> {
        self.begin(body)?;
        self.end(PATIENCE)
    }

    /// Presses a key and holds it. Special keys have their code points in WebDriver's table.
    pub(crate) fn press(&self, key: char) -> Result<()> {
        self.key("keyDown", key)
    }

    /// Releases a key.
    pub(crate) fn release(&self, key: char) -> Result<()> {
        self.key("keyUp", key)
    }

    fn key(&self, kind: &str, key: char) -> Result<()> {
        let action = json!({ "type": kind, "value": key.to_string() });
        let source = json!({ "type": "key", "id": "keyboard", "actions": [action] });
        self.post("actions", &json!({ "actions": [source] }))
            .map(|_| ())
    }

    /// Puts a finger down at one place, moves it to another within half a second, and leaves it there.
    pub(crate) fn drag_finger(&self, from: (i32, i32), to: (i32, i32)) -> Result<()> {
        let at = |(x, y): (i32, i32), millis: u32| json!({ "type": "pointerMove", "duration": millis, "x": x, "y": y });
        let actions = json!([at(from, 0), { "type": "pointerDown", "button": 0 }, at(to, 500)]);
        let source = json!({ "type": "pointer", "id": "finger", "parameters": { "pointerType": "touch" }, "actions": actions });
        self.post("actions", &json!({ "actions": [source] }))
            .map(|_| ())
    }

    /// Moves the mouse to a place on the page.
    pub(crate) fn point(&self, (x, y): (i32, i32)) -> Result<()> {
        self.mouse(json!({ "type": "pointerMove", "duration": 0, "x": x, "y": y }))
    }

    /// Presses the mouse's button where the mouse is, and releases it.
    pub(crate) fn click(&self) -> Result<()> {
        self.mouse(json!({ "type": "pointerDown", "button": 0 }))?;
        self.mouse(json!({ "type": "pointerUp", "button": 0 }))
    }

    fn mouse(&self, action: Value) -> Result<()> {
        let parameters = json!({ "pointerType": "mouse" });
        let source = json!({ "type": "pointer", "id": "mouse", "parameters": parameters, "actions": [action] });
        self.post("actions", &json!({ "actions": [source] }))
            .map(|_| ())
    }

    /// Lifts every finger and key.
    pub(crate) fn let_go(&self) -> Result<()> {
        send("DELETE", &format!("{}/actions", self.url), None).map(|_| ())
    }

    /// What the page looks like, written as PNG into [`scratch`]; gives the file.
    pub(crate) fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let encoded = send("GET", &format!("{}/screenshot", self.url), None)?;
        let file = scratch().join(format!("{name}.png"));
        let encoded = encoded.as_str().context("a screenshot is a string")?;
        fs::write(&file, BASE64_STANDARD.decode(encoded)?)?;
        Ok(file)
    }

    /// What the page wrote to its console, errors included.
    pub(crate) fn log(&self) -> Result<String> {
        let entries = self.post("se/log", &json!({ "type": "browser" }))?;
        let lines = entries.as_array().context("a log is a list")?.iter();
        Ok(lines
            .map(|entry| format!("{} {}\n", entry["level"], entry["message"]))
            .collect())
    }

    /// Bytes of the page's heap that are in use once its garbage is collected, and of what lies outside it:
    /// buffers and WASM's memory. By the commands of Chromium's own protocol.
    pub(crate) fn collected_heap_bytes(&self) -> Result<u64> {
        self.chromium("HeapProfiler.collectGarbage")?;
        self.heap_bytes()
    }

    /// The same with the garbage that lies there.
    pub(crate) fn heap_bytes(&self) -> Result<u64> {
        let usage = self.chromium("Runtime.getHeapUsage")?;
        let bytes = |name: &str| usage[name].as_f64().unwrap_or_default() as u64;
        Ok(bytes("usedSize") + bytes("backingStorageSize"))
    }

    fn chromium(&self, command: &str) -> Result<Value> {
        let body = json!({ "cmd": command, "params": {} });
        self.post("goog/cdp/execute", &body)
    }

    /// The process in which the page runs.
    pub(crate) fn renderer(&self) -> Result<u32> {
        let profile = self.profile.display().to_string();
        let parent = |id: u32| -> Option<u32> {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The name in parentheses may hold spaces; the parent is the second field after it.
            stat.rsplit(')')
                .next()?
                .split_whitespace()
                .nth(1)?
                .parse()
                .ok()
        };
        let command =
            |id: u32| fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let is_ours = |id: u32| {
            let mut ancestors = std::iter::successors(Some(id), |&id| parent(id));
            ancestors.any(|id| command(id).contains(&profile))
        };
        let resident = |id: u32| {
            let memory = fs::read_to_string(format!("/proc/{id}/statm")).unwrap_or_default();
            let pages = memory
                .split(' ')
                .nth(1)
                .and_then(|it| it.parse::<u64>().ok());
            pages.unwrap_or_default()
        };
        let processes = fs::read_dir("/proc")?.filter_map(|entry| {
            let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
            (command(id).contains("--type=renderer") && is_ours(id)).then_some(id)
        });
        // Chromium keeps a spare one at hand: the page's is the larger.
        let renderer = processes.max_by_key(|&id| resident(id));
        renderer.context("no renderer runs for this browser")
    }

    /// Fails when the page logged an error: an exception, a request that failed, a rule it broke.
    pub(crate) fn expect_no_errors(&self) -> Result<()> {
        let log = self.log()?;
        ensure!(!log.contains("SEVERE"), "the page logged errors:\n{log}");
        Ok(())
    }

    fn post(&self, command: &str, body: &Value) -> Result<Value> {
        send("POST", &format!("{}/{command}", self.url), Some(body))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = send("DELETE", &self.url, None);
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// One command: the value it answers with.
fn send(method: &str, url: &str, body: Option<&Value>) -> Result<Value> {
    let method = match method {
        "GET" => minreq::Method::Get,
        "DELETE" => minreq::Method::Delete,
        _ => minreq::Method::Post,
    };
    let mut request = minreq::Request::new(method, url).with_timeout(COMMAND_SECONDS);
    if let Some(body) = body {
        request = request
            .with_header("Content-Type", "application/json")
            .with_body(body.to_string());
    }
    let response = request
        .send()
        .with_context(|| format!("no answer from {url}"))?;
    let mut answer: Value = serde_json::from_slice(response.as_bytes())?;
    let value = answer["value"].take();
    ensure!(
        response.status_code == 200,
        "{url}: {}: {}",
        value["error"],
        value["message"]
    );
    Ok(value)
}
