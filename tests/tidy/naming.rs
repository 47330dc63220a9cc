//! Names that say nothing, and exceptions to lints that give no reason.

use crate::source::{File, words};

/// Endings that only say "something about": a noun of the field says more.
const EMPTY_ENDINGS: [&str; 6] = ["Manager", "Helper", "Helpers", "Util", "Utils", "Info"];

/// The same as names of files and modules.
const EMPTY_MODULES: [&str; 7] = [
    "manager", "helper", "helpers", "util", "utils", "misc", "common",
];

/// Words after which a type gets its name.
const DECLARATIONS: [&str; 5] = ["struct", "enum", "trait", "type", "union"];

fn empty_names(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    let name = file
        .path
        .rsplit('/')
        .find(|part| *part != "mod.rs")
        .unwrap_or_default();
    if EMPTY_MODULES.contains(&name.trim_end_matches(".rs")) {
        findings.push(format!(
            "{}: the file's name says nothing: name it after what it holds",
            file.path
        ));
    }
    for (number, line) in file.code_lines() {
        let words: Vec<&str> = words(&line).collect();
        for pair in words.windows(2) {
            let is_empty = DECLARATIONS.contains(&pair[0])
                && EMPTY_ENDINGS.iter().any(|ending| pair[1].ends_with(ending));
            if is_empty {
                findings.push(format!(
                    "{}:{number}: `{}`: use a noun of the field",
                    file.path, pair[1]
                ));
            }
            if pair[0] == "fn" && pair[1].starts_with("get_") && pair[1] != "get_mut" {
                findings.push(format!(
                    "{}:{number}: `{}`: a getter is named after what it gives",
                    file.path, pair[1]
                ));
            }
        }
    }
    findings
}

fn silent_exceptions(file: &File) -> Vec<String> {
    // What the derive writes lands in a game's code, where an exception may be needed or not.
    if file.path.starts_with("protocol/derive/") {
        return Vec::new();
    }
    let code = crate::source::without_comments_and_strings(&file.text);
    let allowed = code
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("#[allow(") || line.contains("#![allow("));
    allowed
        .map(|(index, _)| format!("{}:{}: use #[expect(lint, reason = \"…\")]: it is noticed when it is no longer needed", file.path, index + 1))
        .collect()
}

#[test]
fn names_say_something() {
    crate::expect_of_all(".rs", empty_names);
}

#[test]
fn exceptions_to_lints_give_a_reason() {
    crate::expect_of_all(".rs", silent_exceptions);
}

#[test]
fn an_empty_name_and_a_silent_exception_are_found() {
    let code = "pub struct RoomManager;\nfn get_room() {}\n#[allow(dead_code)]\nfn get() {}\n";
    assert_eq!(
        empty_names(&File::made_up("server/src/utils.rs", code)).len(),
        3
    );
    assert_eq!(
        silent_exceptions(&File::made_up("server/src/a.rs", code)).len(),
        1
    );
}
