//! The repository's pages: each link leads to a file that is there, and to a heading in it, and what the README
//! quotes is what it quotes.

use std::{collections::HashMap, path::Path};

use crate::source::{File, files, root};

/// A page's links as `(line, target)`, code left out.
fn links(page: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in page.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second piece between backticks is code.
        let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for piece in text.split("](").skip(1) {
            if let Some((target, _)) = piece.split_once(')') {
                found.push((index + 1, target.to_owned()));
            }
        }
    }
    found
}

/// The anchors of a page's headings, made as the usual viewers make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    };
    headings.map(anchor).collect()
}

/// `folder/../file` without the detour.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn dead_links(
    page: &File,
    pages: &HashMap<&str, &str>,
    exists: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut findings = Vec::new();
    let folder = Path::new(&page.path)
        .parent()
        .map(|it| it.to_string_lossy().into_owned())
        .unwrap_or_default();
    for (number, target) in links(page) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = target
            .split_once('#')
            .map_or((target.as_str(), None), |(file, anchor)| {
                (file, Some(anchor))
            });
        let path = if file.is_empty() {
            page.path.clone()
        } else {
            normal(&format!("{folder}/{file}"))
        };
        if !exists(&path) {
            findings.push(format!(
                "{}:{number}: {target}: there is no {path}",
                page.path
            ));
            continue;
        }
        let heading_missing = anchor
            .zip(pages.get(path.as_str()))
            .is_some_and(|(anchor, text)| !anchors(text).iter().any(|it| it == anchor));
        if heading_missing {
            findings.push(format!(
                "{}:{number}: {target}: {path} has no such heading",
                page.path
            ));
        }
    }
    findings
}

/// Lines of a page's code in these languages that the sources do not hold: a quotation is true as long as it is one.
fn misquoted(page: &File, languages: &[&str], sources: &[File]) -> Vec<String> {
    let held = |line: &str| {
        let mut lines = sources.iter().flat_map(|source| source.text.lines());
        line.is_empty() || line.starts_with("//") || lines.any(|it| it.trim() == line)
    };
    let mut findings = Vec::new();
    let mut language = None;
    for (index, line) in page.text.lines().map(str::trim).enumerate() {
        match (line.strip_prefix("```"), language) {
            (Some(opened), None) => language = Some(opened),
            (Some(_), Some(_)) => language = None,
            (None, Some(language)) if languages.contains(&language) && !held(line) => {
                findings.push(format!("{}:{}: {line}", page.path, index + 1));
            }
            (None, _) => {}
        }
    }
    findings
}

#[test]
fn the_code_of_the_readme_is_that_of_the_example() {
    let examples = ["rs", "html"].map(|ending| {
        let path = format!("server/examples/pucks.{ending}");
        let text = std::fs::read_to_string(root().join(&path)).expect("the example is there");
        File { path, text }
    });
    let pages = files("README.md");
    let readme = pages.iter().find(|page| page.path == "README.md");
    let readme = readme.expect("there is a README");
    crate::expect_none(&misquoted(readme, &["rust", "js"], &examples));
}

#[test]
fn a_wrong_quotation_is_found() {
    let page = File::made_up(
        "README.md",
        "```js\na();\n// so\nb();\n```\n```sh\nc\n```\n",
    );
    let source = File::made_up("page.html", "<script>\n  a();\n</script>\n");
    assert_eq!(misquoted(&page, &["js"], &[source]), ["README.md:4: b();"]);
}

#[test]
fn links_lead_somewhere() {
    let files = files(".md");
    let pages: HashMap<&str, &str> = files
        .iter()
        .map(|it| (it.path.as_str(), it.text.as_str()))
        .collect();
    let root = root();
    let findings: Vec<String> = files
        .iter()
        .flat_map(|page| dead_links(page, &pages, |path| root.join(path).exists()))
        .collect();
    crate::expect_none(&findings);
}

#[test]
fn a_dead_link_is_found() {
    let page = File::made_up(
        "docs/a.md",
        "# The wire\n[x](#the-wire) [y](#gone) [z](../README.md) [w](b.md) `[v](c.md)` [u](https://example.org/d)\n```\n[t](e.md)\n```\n",
    );
    let pages = HashMap::from([("docs/a.md", page.text.as_str())]);
    let findings = dead_links(&page, &pages, |path| {
        ["docs/a.md", "README.md"].contains(&path)
    });
    assert_eq!(findings.len(), 2, "{findings:?}");
}
