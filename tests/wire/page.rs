//! `WIRE.md` as a test reads it: its tables and its examples.

use std::path::Path;

/// A code block `hex NAME`.
pub(crate) struct Example {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// A table under a comment `<!-- table: NAME -->`, its first two columns.
pub(crate) struct Table {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) rows: Vec<(String, String)>,
}

pub(crate) struct Page {
    pub(crate) examples: Vec<Example>,
    pub(crate) tables: Vec<Table>,
}

impl Page {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/WIRE.md");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        Self::parse(&text)
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self {
            examples: vec![],
            tables: vec![],
        };
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            if let Some(name) = line.strip_prefix("```hex ") {
                let body = lines.by_ref().take_while(|(_, line)| *line != "```");
                page.examples.push(Example {
                    line: index + 1,
                    name: name.to_owned(),
                    bytes: body.flat_map(|(at, line)| bytes_of(line, at + 1)).collect(),
                });
            } else if let Some(name) = line
                .strip_prefix("<!-- table: ")
                .and_then(|rest| rest.strip_suffix(" -->"))
            {
                // The heading and the rule under it are no rows.
                let rows = lines
                    .by_ref()
                    .skip_while(|(_, line)| line.is_empty())
                    .skip(2)
                    .map_while(|(_, line)| row_of(line));
                page.tables.push(Table {
                    line: index + 1,
                    name: name.to_owned(),
                    rows: rows.collect(),
                });
            }
        }
        page
    }
}

/// The bytes at the start of a line; after two blanks comes what they mean.
fn bytes_of(line: &str, number: usize) -> Vec<u8> {
    let digits = line.split_once("  ").map_or(line, |(digits, _)| digits);
    let byte = |pair: &str| {
        u8::from_str_radix(pair, 16)
            .unwrap_or_else(|_| panic!("WIRE.md line {number}: `{pair}` is no byte"))
    };
    digits.split_whitespace().map(byte).collect()
}

fn row_of(line: &str) -> Option<(String, String)> {
    let mut cells = line.strip_prefix('|')?.split('|');
    let mut cell = || Some(cells.next()?.trim().trim_matches('`').to_owned());
    Some((cell()?, cell()?))
}

/// Bytes as the page writes them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}
