//! One measurement: two processes, a warm-up, a transfer, and the CPU of each.

use std::{
    error::Error,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    driver::Browser,
    plan::{Load, Plan, System},
};

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
    /// Of the client; none for a browser, which is many processes.
    pub(crate) client_cpu_seconds: Option<f64>,
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
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().ok_or("its input was piped")?;
        let stdout = child.stdout.take().ok_or("its output was piped")?;
        Ok(Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        })
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err("a process of the bench ended early; what it said is above".into());
        }
        Ok(line.trim().to_owned())
    }

    /// Nanoseconds on a CPU so far, by all its threads.
    fn cpu_seconds(&self) -> Result<f64, Box<dyn Error>> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let schedule = fs::read_to_string(task?.path().join("schedstat"))?;
            let running = schedule.split(' ').next().unwrap_or_default();
            nanoseconds += running.parse::<u64>()?;
        }
        Ok(nanoseconds as f64 / 1e9)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
        let mut server = Process::start(&mut match system {
            System::BinaryJs => self.node(&["serve"]),
            System::Endpoint | System::Tickwire => {
                let mut command = Command::new(&this);
                command.args(["serve", "--system", system.name()]);
                command
            }
        })?;
        let url = server.line()?;
        let text = serde_json::to_string(plan)?;
        let (cpu, taken) = match client {
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
                load.line()?;
                let before = server.cpu_seconds()?;
                load.stdin.write_all(b"go\n")?;
                let taken: Taken = serde_json::from_str(&load.line()?)?;
                (server.cpu_seconds()? - before, taken)
            }
        };
        Ok(Row {
            case: plan.case(),
            direction: plan.direction.clone(),
            system,
            client,
            seconds: taken.seconds,
            server_cpu_seconds: cpu,
            client_cpu_seconds: (client != Load::Chromium).then_some(taken.cpu_seconds),
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
    ) -> Result<(f64, Taken), Box<dyn Error>> {
        let (browser, page) = self.page.ok_or("there is no browser")?;
        browser.open(page)?;
        let plan = json!(plan);
        let system = json!(system.name());
        browser.execute(&format!("prepare({system}, {}, {plan})", json!(url)))?;
        wait(browser, "warm")?;
        let before = server.cpu_seconds()?;
        browser.execute(&format!("measure({plan})"))?;
        wait(browser, "done")?;
        let cpu = server.cpu_seconds()? - before;
        let seconds = browser.execute("return window.seconds")?;
        let taken = Taken {
            seconds: seconds.as_f64().unwrap_or_default(),
            cpu_seconds: 0.0,
        };
        Ok((cpu, taken))
    }
}

/// Waits for a state of the page.
fn wait(browser: &Browser, state: &str) -> Result<(), Box<dyn Error>> {
    let condition = format!("window.state === '{state}' || window.state.startsWith('failed')");
    browser.wait_until(&condition, Duration::from_secs(120))?;
    let reached = browser.execute("return window.state")?;
    if reached == state {
        Ok(())
    } else {
        Err(format!("the page says: {reached}").into())
    }
}
