//! The repository's files, and Rust code without its comments, strings and tests.
//!
//! Rules look for words, and a word in a comment or a string is no code. A full parser would be more
//! exact and cost more to compile than all the rules together.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders whose content is not ours.
const FOREIGN: [&str; 3] = ["target", "node_modules", ".git"];

/// One file of the repository.
pub(crate) struct File {
    /// Its path from the repository's root, with `/` between the parts.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the package lies in the repository")
        .to_path_buf()
}

/// All files whose name ends so, in the order of their paths.
pub(crate) fn files(ending: &str) -> Vec<File> {
    let root = root();
    let mut paths = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                if !FOREIGN.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let file = |path: PathBuf| File {
        path: path
            .strip_prefix(&root)
            .expect("found below the root")
            .to_string_lossy()
            .replace('\\', "/"),
        text: fs::read_to_string(&path).expect("a source file is UTF-8"),
    };
    let found: Vec<File> = paths.into_iter().map(file).collect();
    assert!(
        !found.is_empty(),
        "no file ends with {ending}: the rules look at the wrong place"
    );
    found
}

impl File {
    /// A file that is not there, for tests of the rules.
    #[cfg(test)]
    pub(crate) fn made_up(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Whether all of it is test code.
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    /// Its lines before the tests at its end, numbered from 1, comments and strings blanked out.
    pub(crate) fn code_lines(&self) -> Vec<(usize, String)> {
        let code = without_comments_and_strings(&self.text);
        let before_tests = self.lines_before_tests();
        code.lines()
            .take(before_tests)
            .enumerate()
            .map(|(index, line)| (index + 1, line.to_owned()))
            .collect()
    }

    /// How many lines stand before the tests, which are the last item of a file.
    pub(crate) fn lines_before_tests(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| {
            pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod tests")
        });
        tests.unwrap_or(lines.len())
    }
}

/// The words (identifiers, numbers) of a line of code.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|it: char| !it.is_alphanumeric() && it != '_')
        .filter(|word| !word.is_empty())
}

/// The same text, as many lines, with blanks instead of comments and of what stands in quotes.
pub(crate) fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_blank(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(
                chars[at..end]
                    .iter()
                    .map(|&it| if it == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none starts there.
fn end_of_blank(chars: &[char], at: usize) -> usize {
    let next = |offset: usize| chars.get(at + offset).copied();
    match (chars[at], next(1), next(2)) {
        ('/', Some('/'), _) => find(chars, at, |rest| rest[0] == '\n').0,
        ('/', Some('*'), _) => end_of_block_comment(chars, at),
        ('"', ..) => end_of_string(chars, at + 1),
        ('r', Some('"' | '#'), _) if at == 0 || !is_word(chars[at - 1]) => {
            end_of_raw_string(chars, at)
        }
        // A lifetime has no second quote; a character has it after one, or after an escape.
        ('\'', Some('\\'), _) => find(chars, at + 3, |rest| rest[0] == '\'').1,
        ('\'', Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < chars.len() {
        let pair = (chars[at], chars.get(at + 1).copied());
        match pair {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut at = start;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn end_of_raw_string(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..]
        .iter()
        .take_while(|&&it| it == '#')
        .count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        // A raw identifier.
        return start;
    }
    let is_end = |rest: &[char]| {
        rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|&it| it == '#')
    };
    (find(chars, open + 1, is_end).0 + 1 + hashes).min(chars.len())
}

/// The first place from `start` on where `is_it` holds, and the place after it.
fn find(chars: &[char], start: usize, is_it: impl Fn(&[char]) -> bool) -> (usize, usize) {
    let found = (start..chars.len())
        .find(|&at| is_it(&chars[at..]))
        .unwrap_or(chars.len());
    (found, (found + 1).min(chars.len()))
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

#[test]
fn comments_and_strings_are_blanked_and_code_is_not() {
    let text = "a(); // b()\n/* c /* d */ */ e('\"', '\\'', \"f \\\" g\", r#\"h \" i\"#, &'j k);\n\"l\nm\" n";
    let code = without_comments_and_strings(text);
    assert_eq!(words(&code).collect::<Vec<_>>(), ["a", "e", "j", "k", "n"]);
    assert_eq!(code.lines().count(), text.lines().count());
}
