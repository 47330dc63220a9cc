//! What the derive refuses: each error stands at the line that is to blame and says what is allowed.
//!
//! In: `wrong.rs.txt`, whose comments say which line has which error. The decision to question: it is compiled
//! by calling rustc with the derive as it was just built, and nothing else. All errors of the derive come before
//! any name is looked up, so a whole file of mistakes takes one call and a tenth of a second.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The newest build of the derive beside this test.
fn built_derive() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it lies");
    let folder = test.parent().expect("it lies in a folder");
    let mut libraries: Vec<_> = fs::read_dir(folder)
        .expect("the folder can be read")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            let library = name.is_some_and(|name| name.contains("tickwire_derive-"));
            let ending = path.extension().and_then(|ending| ending.to_str());
            library && ending == Some(env::consts::DLL_EXTENSION)
        })
        .collect();
    libraries.sort_by_key(|path| {
        let built = fs::metadata(path).and_then(|file| file.modified());
        built.expect("the file system knows when")
    });
    libraries.pop().expect("a test is built after its library")
}

/// Line and text of every error that `file` has.
fn errors_of(file: &Path) -> Vec<(usize, String)> {
    let mut derive = "tickwire_derive=".to_owned();
    derive.push_str(built_derive().to_str().expect("a path in UTF-8"));
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let out = env::temp_dir().join(format!("tickwire-derive-errors-{}", std::process::id()));
    let output = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--crate-name",
            "wrong",
        ])
        .args([
            "--emit",
            "metadata",
            "--error-format",
            "short",
            "--extern",
            &derive,
        ])
        .arg("--out-dir")
        .arg(&out)
        .arg(file)
        .output()
        .expect("who builds this has rustc");
    let _ = fs::remove_dir_all(out);
    // wrong.rs.txt:17:7: error: what is wrong
    let said = String::from_utf8(output.stderr).expect("rustc writes UTF-8");
    let of_line = |line: &str| {
        let (_, rest) = line.split_once(".rs.txt:")?;
        let (place, message) = rest.split_once(": error: ")?;
        let (number, _) = place.split_once(':')?;
        Some((number.parse().ok()?, message.to_owned()))
    };
    said.lines().filter_map(of_line).collect()
}

#[test]
fn every_error_stands_at_the_field_and_says_what_is_allowed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong.rs.txt");
    let source = fs::read_to_string(&file).expect("it lies beside this test");
    let errors = errors_of(&file);
    let mut expected = 0;
    for (number, line) in (1..).zip(source.lines()) {
        let here: Vec<_> = errors.iter().filter(|(at, _)| *at == number).collect();
        let Some((_, wanted)) = line.split_once("//~ ") else {
            assert!(here.is_empty(), "line {number} is right, and yet: {here:?}");
            continue;
        };
        expected += 1;
        let is_said = here.iter().any(|(_, message)| message.contains(wanted));
        assert!(
            is_said,
            "line {number}: `{wanted}` is not among {here:?}\nof {errors:?}"
        );
    }
    assert_eq!(errors.len(), expected, "one error each: {errors:?}");
}
