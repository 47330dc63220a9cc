//! One measurement: two processes, a warm-up, a transfer, and the CPU of each.

use std::{
    error::Error,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tests::process::OwnedChild;

use crate::{
    driver::Browser,
    plan::{Load, Plan, System},
    processes,
};

/// The longest that one step of a measurement may take: the warm-up, or the transfer.
const STEP_MAX: Duration = Duration::from_secs(90);

/// What the end that loads has seen of itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) direction: String,
    pub(crate) system: System,
    pub(crate) client: Load,
    pub(crate) seconds: f64,
    pub(crate) server_cpu_seconds: f64,
    /// Of the client; of a browser, of all its processes together.
    pub(crate) client_cpu_seconds: f64,
    /// Of a browser's page alone: scripts, and the page's end of the socket.
    pub(crate) page_cpu_seconds: Option<f64>,
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
}

/// Everything that processes are started with.
pub(crate) struct Bench<'a> {
    /// npm's packages.
    pub(crate) packages: &'a Path,
    /// The page that loads the bundle, when Chromium takes part.
    pub(crate) page: Option<(&'a Browser, &'a str)>,
}

/// A process that is ended when it goes out of scope.
struct Process {
    child: OwnedChild,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut child = OwnedChild(child);
        let stdin = child.stdin.take().ok_or("its input was piped")?;
        let stdout = child.stdout.take().ok_or("its output was piped")?;
        let (found, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if found.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            lines,
        })
    }

    /// The next line it prints.
    fn line(&self, what_for: &str) -> Result<String, Box<dyn Error>> {
        let line = self.lines.recv_timeout(STEP_MAX).map_err(|error| {
            let seconds = STEP_MAX.as_secs();
            match error {
                RecvTimeoutError::Timeout => format!("{what_for}: not within {seconds} s"),
                RecvTimeoutError::Disconnected => {
                    format!("{what_for}: the process ended early; what it said is above")
                }
            }
        })?;
        Ok(line.trim().to_owned())
    }

    fn cpu_seconds(&self) -> Result<f64, Box<dyn Error>> {
        Ok(processes::cpu_seconds(self.child.id())?)
    }
}

impl Bench<'_> {
    fn node(&self, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/throughput/peer.js");
        let mut node = Command::new("node");
        node.arg("--no-deprecation")
            .arg(script)
            .args(arguments)
            .env("NODE_PATH", self.packages);
        node
    }

    /// Serves, loads, and gives the row.
    pub(crate) fn run(
        &self,
        system: System,
        client: Load,
        plan: &Plan,
    ) -> Result<Row, Box<dyn Error>> {
        let this = std::env::current_exe()?;
        let server = Process::start(&mut match system {
            System::BinaryJs => self.node(&["serve"]),
            System::Endpoint | System::Tickwire => {
                let mut command = Command::new(&this);
                command.args(["serve", "--system", system.name()]);
                command
            }
        })?;
        let url = server.line("the server's address")?;
        let text = serde_json::to_string(plan)?;
        let (cpu, taken, page) = match client {
            Load::Chromium => self.in_chromium(&server, system, &url, plan)?,
            Load::Node | Load::Rust => {
                let mut load = Process::start(&mut match client {
                    Load::Node => self.node(&["load", &url, &text]),
                    _ => {
                        let mut command = Command::new(&this);
                        command.args(["load", "--system", system.name()]);
                        command.args(["--url", &url, "--plan", &text]);
                        command
                    }
                })?;
                load.line("the warm-up")?;
                let before = server.cpu_seconds()?;
                load.stdin.write_all(b"go\n")?;
                let taken: Taken = serde_json::from_str(&load.line("the transfer")?)?;
                (server.cpu_seconds()? - before, taken, None)
            }
        };
        Ok(Row {
            case: plan.case(),
            direction: plan.direction.clone(),
            system,
            client,
            seconds: taken.seconds,
            server_cpu_seconds: cpu,
            client_cpu_seconds: taken.cpu_seconds,
            page_cpu_seconds: page,
            bytes: plan.bytes,
            messages: plan.messages(),
        })
    }

    fn in_chromium(
        &self,
        server: &Process,
        system: System,
        url: &str,
        plan: &Plan,
    ) -> Result<(f64, Taken, Option<f64>), Box<dyn Error>> {
        let (browser, page) = self.page.ok_or("there is no browser")?;
        browser.open(page)?;
        let plan = json!(plan);
        let system = json!(system.name());
        // Under load the driver may answer before the page's scripts have run.
        browser.wait_until("typeof window.measure === 'function'", STEP_MAX)?;
        browser.execute(&format!("prepare({system}, {}, {plan})", json!(url)))?;
        wait(browser, "the warm-up", "warm")?;
        let (server_before, before) = (server.cpu_seconds()?, processes::Browser::cpu()?);
        browser.execute(&format!("measure({plan})"))?;
        wait(browser, "the transfer", "done")?;
        let (server_after, after) = (server.cpu_seconds()?, processes::Browser::cpu()?);
        let seconds = browser.execute("return window.seconds")?;
        let taken = Taken {
            seconds: seconds.as_f64().ok_or("the page does not say how long")?,
            cpu_seconds: after.all_seconds - before.all_seconds,
        };
        // The page's sockets would go on beside the next measurement.
        browser.open("about:blank")?;
        let page_seconds = after.page_seconds - before.page_seconds;
        Ok((server_after - server_before, taken, Some(page_seconds)))
    }
}

/// Waits for a state of the page.
fn wait(browser: &Browser, what_for: &str, state: &str) -> Result<(), Box<dyn Error>> {
    let condition = format!("window.state === '{state}' || window.state.startsWith('failed')");
    let waited = browser.wait_until(&condition, STEP_MAX);
    waited.map_err(|error| format!("{what_for}: {error}"))?;
    let reached = browser.execute("return window.state")?;
    if reached == state {
        Ok(())
    } else {
        Err(format!("{what_for}: the page says: {reached}").into())
    }
}
