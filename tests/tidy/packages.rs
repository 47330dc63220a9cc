//! Which package may depend on which, and what every manifest has to say.

use crate::source::File;

/// Our packages, and which of ours each may depend on. Dependencies point one way.
const MAY_USE: [(&str, &[&str]); 6] = [
    ("tickwire-derive", &[]),
    ("tickwire-protocol", &["tickwire-derive"]),
    ("tickwire-server", &["tickwire-protocol"]),
    ("tickwire-client", &["tickwire-protocol"]),
    (
        "tickwire-demo",
        &["tickwire-protocol", "tickwire-server", "tickwire-client"],
    ),
    ("tickwire-bots", &["tickwire-protocol"]),
];

/// The name a manifest gives its package.
fn package(manifest: &File) -> Option<&str> {
    let package = manifest.text.split("[package]").nth(1)?;
    package
        .lines()
        .find_map(|line| line.strip_prefix("name = "))
        .map(|name| name.trim_matches('"'))
}

/// Our packages that a manifest depends on, in whichever of its sections, tests' ones too.
fn used(manifest: &File) -> Vec<&str> {
    let names = manifest
        .text
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| name.starts_with("tickwire-")).collect()
}

fn wrong_way(manifest: &File) -> Vec<String> {
    let Some(package) = package(manifest) else {
        return Vec::new();
    };
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == package) else {
        return Vec::new();
    };
    let wrong = used(manifest)
        .into_iter()
        .filter(|name| !allowed.contains(name));
    wrong
        .map(|name| format!("{}: {package} may not depend on {name}", manifest.path))
        .collect()
}

fn own_settings(manifest: &File) -> Vec<String> {
    if package(manifest).is_none() || manifest.text.contains("[workspace]") {
        return Vec::new();
    }
    let needed = [
        "[lints]\nworkspace = true",
        "edition.workspace = true",
        "license.workspace = true",
        "description = ",
    ];
    let missing = needed.iter().filter(|line| !manifest.text.contains(**line));
    missing
        .map(|line| {
            format!(
                "{}: `{}` is missing",
                manifest.path,
                line.replace('\n', " ")
            )
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    crate::expect_of_all("Cargo.toml", wrong_way);
}

#[test]
fn every_package_takes_the_settings_of_the_workspace() {
    crate::expect_of_all("Cargo.toml", own_settings);
}

/// Dependencies that a game's manifest must name as the workspace does: a type of another version is another type.
fn named_otherwise(workspace: &str, page: &str) -> Vec<String> {
    let shared = workspace
        .lines()
        .filter(|line| line.starts_with("bevy_ecs = ") || line.starts_with("serde = "));
    shared
        .filter(|line| !page.contains(&format!("//! {line}\n")))
        .map(|line| format!("server/src/lib.rs: a game's dependencies lack `{line}`"))
        .collect()
}

#[test]
fn the_front_page_names_the_versions_of_the_workspace() {
    let read = |path| std::fs::read_to_string(crate::source::root().join(path));
    let manifest = read("Cargo.toml").expect("the workspace has a manifest");
    let page = read("server/src/lib.rs").expect("the server has a front page");
    crate::expect_none(&named_otherwise(&manifest, &page));
    assert_eq!(named_otherwise(&manifest, "").len(), 2);
}

#[test]
fn a_dependency_the_wrong_way_is_found() {
    let text = "[package]\nname = \"tickwire-server\"\n[dev-dependencies]\ntickwire-client = { path = \"x\" }\n";
    let manifest = File::made_up("server/Cargo.toml", text);
    assert_eq!(
        wrong_way(&manifest),
        ["server/Cargo.toml: tickwire-server may not depend on tickwire-client"]
    );
    assert_eq!(own_settings(&manifest).len(), 4);
}
