//! How files open, how long they may be, and where bounds stand.

use crate::source::{File, words};

/// Lines before a file's tests. Past them it is two files.
const LINES_MAX: usize = 500;

/// Files that were longer when the rule came, with their length. It may only sink.
const LONGER: [(&str, usize); 0] = [];

/// Packages whose bounds stand in a `limits` module: those a peer can reach.
const BOUNDED: [&str; 2] = ["protocol/src/", "server/src/"];

/// Maxima that bound nothing a peer can reach or move: they follow from our own encoding, or belong to
/// the model that predicts values.
const FACTS: [&str; 7] = [
    "protocol/src/delta/motion.rs DAMPING_MAX",
    "protocol/src/delta/motion.rs FIT_MAX",
    "protocol/src/delta/motion.rs RESIDUAL_MAX",
    "protocol/src/entropy/range.rs NUMBER_TOKENS_MAX",
    "protocol/src/mux/transmit.rs HEADER_BYTES_MAX",
    "protocol/src/replicate/writer.rs COUNT_BYTES_MAX",
    "protocol/src/websocket/upgrade.rs ANSWER_BYTES_MAX",
];

/// Bounds that still stand elsewhere. The list may only become shorter.
const ELSEWHERE: [&str; 0] = [];

fn opening(file: &File) -> Option<String> {
    let opens = file.text.starts_with("//! ");
    (!opens).then(|| format!("{}: open with `//!`: what comes in, what goes out, and the decision a reader would question", file.path))
}

fn too_long(file: &File) -> Option<String> {
    if file.is_test() {
        return None;
    }
    let lines = file.lines_before_tests();
    let max = LONGER
        .iter()
        .find(|(path, _)| *path == file.path)
        .map_or(LINES_MAX, |(_, lines)| *lines);
    let path = &file.path;
    if lines > max {
        return Some(format!(
            "{path}: {lines} lines before its tests, {max} are allowed: divide it"
        ));
    }
    (max > LINES_MAX && lines < max)
        .then(|| format!("{path} has become shorter: write {lines} in LONGER, or remove it there"))
}

fn bounds_elsewhere(file: &File) -> Vec<String> {
    let bounded = BOUNDED.iter().any(|package| file.path.starts_with(package));
    let is_limits = file.path.ends_with("/limits.rs") || file.path.contains("/limits/");
    if !bounded || is_limits || file.is_test() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in file.code_lines() {
        // Indented, it is a function's own affair.
        let words: Vec<&str> = words(&line)
            .take_while(|_| !line.starts_with(' '))
            .collect();
        for pair in words.windows(2) {
            // What is kept allocated for later bounds nothing: it is tuning.
            let name = pair[1];
            let is_tuning = name.contains("KEPT") || name.contains("SPARE");
            let is_bound = pair[0] == "const" && name.ends_with("_MAX") && !is_tuning;
            let known = format!("{} {name}", file.path);
            let is_known = FACTS.contains(&known.as_str()) || ELSEWHERE.contains(&known.as_str());
            if is_bound && !is_known {
                findings.push(format!(
                    "{}:{number}: `{name}`: bounds stand in the package's limits module",
                    file.path
                ));
            }
        }
    }
    findings
}

#[test]
fn every_file_says_what_it_is_for() {
    crate::expect_of_all(".rs", opening);
}

#[test]
fn no_file_grows_past_reading() {
    crate::expect_of_all(".rs", too_long);
}

#[test]
fn bounds_stand_in_the_limits_modules() {
    crate::expect_of_all(".rs", bounds_elsewhere);
}

#[test]
fn a_misshapen_file_is_found() {
    let long = "fn a() {}\n".repeat(LINES_MAX + 1);
    let file = File::made_up("protocol/src/long.rs", &long);
    assert!(opening(&file).is_some());
    assert!(too_long(&file).is_some());
    let with_tests = format!(
        "{}#[cfg(test)]\nmod tests {{}}\n{long}",
        "fn a() {}\n".repeat(LINES_MAX)
    );
    assert!(too_long(&File::made_up("protocol/src/tested.rs", &with_tests)).is_none());
    let bound = File::made_up(
        "server/src/room/mod.rs",
        "//! A room.\nconst PLAYERS_MAX: usize = 4;\n",
    );
    assert_eq!(bounds_elsewhere(&bound).len(), 1);
}
