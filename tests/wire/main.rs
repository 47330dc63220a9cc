//! The wire as `protocol/WIRE.md` tells it and as the code speaks it: this fails when the two part.
//!
//! The page holds tables and worked examples that a test can read. A table stands under a comment
//! `<!-- table: NAME -->`; its first two columns must be what [`tables`] takes from the code, row by
//! row. An example is a code block whose info string is `hex NAME`; its bytes must be what
//! [`examples`] gets from the real encoder, and what the real decoder takes. To describe something
//! new: write the block in the page and a function of the same name here.

mod allocation;
mod examples;
mod golden;
mod page;
mod tables;

#[test]
fn every_example_of_the_page_is_what_the_code_sends() {
    let page = page::Page::read();
    let examples = examples::all();
    let mut findings = Vec::new();
    for block in &page.examples {
        match examples.iter().find(|(name, _)| *name == block.name) {
            None => findings.push(format!(
                "line {}: no code for `hex {}`",
                block.line, block.name
            )),
            Some((name, bytes)) if *bytes != block.bytes => findings.push(format!(
                "line {}: `hex {name}`\n  page: {}\n  code: {}",
                block.line,
                page::hex(&block.bytes),
                page::hex(bytes)
            )),
            Some(_) => {}
        }
    }
    for (name, bytes) in &examples {
        if !page.examples.iter().any(|block| block.name == *name) {
            findings.push(format!(
                "no block `hex {name}` in the page: {}",
                page::hex(bytes)
            ));
        }
    }
    assert!(
        findings.is_empty(),
        "protocol/WIRE.md and the code part:\n{}",
        findings.join("\n")
    );
}

#[test]
fn every_table_of_the_page_is_what_the_code_says() {
    let page = page::Page::read();
    let mut findings = Vec::new();
    for (name, rows) in tables::all() {
        let Some(table) = page.tables.iter().find(|table| table.name == name) else {
            findings.push(format!(
                "no table {name} in the page:\n{}",
                tables::print(&rows)
            ));
            continue;
        };
        if table.rows != rows {
            findings.push(format!(
                "line {}: table {name} differs. The code says:\n{}",
                table.line,
                tables::print(&rows)
            ));
        }
    }
    for table in &page.tables {
        if !tables::all().iter().any(|(name, _)| *name == table.name) {
            findings.push(format!(
                "line {}: no code for table {}",
                table.line, table.name
            ));
        }
    }
    assert!(
        findings.is_empty(),
        "protocol/WIRE.md and the code part:\n{}",
        findings.join("\n")
    );
}

#[test]
fn the_checks_see_a_changed_byte_and_a_changed_row() {
    let page = page::Page::parse(
        "<!-- table: letters -->\n| code | name |\n|---|---|\n| 1 | `A` | first |\n\n```hex word\n01 02  two\n03\n```\n",
    );
    assert_eq!(page.tables[0].rows, [("1".to_owned(), "A".to_owned())]);
    assert_eq!(page.examples[0].bytes, [1, 2, 3]);
    assert_ne!(page.examples[0].bytes, [1, 2, 4]);
}
