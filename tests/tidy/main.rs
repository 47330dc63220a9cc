//! The house rules, as a test: what reviewers would otherwise have to look for by hand.
//!
//! Every rule reads the repository's own files and lists what breaks it, with file and line, and what
//! to do instead. What rustc or clippy can check is left to them (`[workspace.lints]`); here are the
//! rules about files, packages and pages. Each rule is also run on text that breaks it: a rule that can
//! no longer fail would be worse than none.

mod boundaries;
mod naming;
mod packages;
mod pages;
mod shape;
mod source;

/// Fails with all that a rule finds in the files whose name ends so.
fn expect_of_all<F: IntoIterator<Item = String>>(ending: &str, rule: impl Fn(&source::File) -> F) {
    let findings: Vec<String> = source::files(ending).iter().flat_map(rule).collect();
    expect_none(&findings);
}

/// Fails with all findings at once.
fn expect_none(findings: &[String]) {
    assert!(
        findings.is_empty(),
        "{} findings:\n{}\n",
        findings.len(),
        findings.join("\n")
    );
}
