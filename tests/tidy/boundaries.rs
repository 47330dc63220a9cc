//! Which code may know the world outside: each outside crate has its rooms, and the core has none.

use crate::source::{File, words};

/// Crates and modules that only some folders may name.
struct Boundary {
    /// What may not be named elsewhere.
    names: &'static [&'static str],
    /// Paths that may name it: a path matches when it contains one of these.
    rooms: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

const BOUNDARIES: [Boundary; 4] = [
    Boundary {
        names: &["tokio", "axum", "hyper", "hyper_util", "tower_http", "mio"],
        rooms: &[
            "protocol/src/pipe/tokio_io.rs",
            "server/src/net/",
            "client-wasm/src/native/",
            "demo-game/src/main.rs",
            "demo-game/src/server/",
            "demo-game/src/bin/",
            "bots/src/",
            "/examples/",
            "tests/",
        ],
        instead: "the core has no IO: return what is to be done, and do it in server/src/net or client-wasm/src/native",
    },
    Boundary {
        names: &["libc", "socket2"],
        rooms: &[
            "protocol/src/tcp/",
            "server/src/net/",
            "client-wasm/src/native/",
            "tests/",
        ],
        instead: "whoever owns a socket asks its kernel: take what it says as an argument",
    },
    Boundary {
        names: &["web_sys", "js_sys", "wasm_bindgen", "wasm_bindgen_futures"],
        rooms: &["/browser/", "/browser.rs"],
        instead: "only the browser shell knows the browser: put it in a folder named browser",
    },
    Boundary {
        names: &["bevy_ecs"],
        rooms: &["server/", "demo-game/src/", "tests/"],
        instead: "protocol and client know no ECS",
    },
];

/// The folders of the sans-IO core. Time comes in as an argument, and so do bytes.
const CORE: [&str; 5] = [
    "protocol/src/",
    "server/src/room/",
    "server/src/replication/",
    "server/src/game/",
    "client-wasm/src/",
];

/// What a core without IO does not name.
const IO: [&str; 7] = [
    "Instant",
    "SystemTime",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "sleep",
    "thread_rng",
];

/// Folders whose tests run on virtual time.
const VIRTUAL_TIME: [&str; 2] = ["tests/sim/", "tests/support/"];

fn crossings(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in file.code_lines() {
        for word in words(&line) {
            for Boundary {
                names,
                rooms,
                instead,
            } in &BOUNDARIES
            {
                if names.contains(&word) && !rooms.iter().any(|room| file.path.contains(room)) {
                    findings.push(format!("{}:{number}: `{word}`: {instead}", file.path));
                }
            }
        }
    }
    findings
}

fn io_in_the_core(file: &File) -> Vec<String> {
    let is_core = CORE.iter().any(|room| file.path.starts_with(room))
        && !file.path.contains("/browser/")
        && !file.path.contains("/native/")
        && !file.is_test();
    let is_simulation = VIRTUAL_TIME.iter().any(|room| file.path.starts_with(room));
    if !is_core && !is_simulation {
        return Vec::new();
    }
    let lines = file.code_lines();
    let hits = lines.iter().filter_map(|(number, line)| {
        words(line)
            .find(|word| IO.contains(word))
            .map(|it| (number, it))
    });
    hits.map(|(number, word)| {
        format!(
            "{}:{number}: `{word}`: no IO and no clock here: take the time as an argument",
            file.path
        )
    })
    .collect()
}

#[test]
fn outside_crates_are_named_only_in_their_rooms() {
    crate::expect_of_all(".rs", crossings);
}

#[test]
fn the_core_reads_no_clock_and_opens_no_socket() {
    crate::expect_of_all(".rs", io_in_the_core);
}

#[test]
fn a_crossing_is_found() {
    let code = "//! tokio\nuse tokio::net;\nfn a() { wasm_bindgen::memory(); }\n#[cfg(test)]\nmod tests { use axum; }\n";
    assert_eq!(
        crossings(&File::made_up("server/src/room/mod.rs", code)).len(),
        2
    );
    assert_eq!(
        crossings(&File::made_up("server/src/net/mod.rs", code)).len(),
        1
    );
    let clock = File::made_up(
        "protocol/src/clock.rs",
        "fn now() { std::time::Instant::now(); }\n",
    );
    assert_eq!(io_in_the_core(&clock).len(), 1);
}
