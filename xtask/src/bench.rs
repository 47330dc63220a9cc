//! `cargo xtask bench NAME`: runs a bench and whatever it is compared with, and shows all rows side by side.
//!
//! A bench is a `[[bench]]` target without a harness that prints its rows as JSON on standard output,
//! objects or arrays of them, and everything else on standard error. Nothing is judged here: on a shared
//! machine the ratios between rows of one run say much, the times of one row little.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Deserializer, Map, Value};

use crate::command::{cargo, root, say, shown, target_dir};

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Which bench.
    #[arg(value_enum)]
    bench: Bench,
    /// Also write the rows into this file, as one JSON array.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Leave out what it is compared with: compiling that takes minutes the first time.
    #[arg(long)]
    alone: bool,
}

/// One bench.
#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    /// Bytes and time per entity, beside the entropy and other replication libraries.
    Replication,
    /// CPU per player of sending, beside a bare send() and axum's WebSocket.
    Sending,
    /// Snapshots beside bulk transfers on links with delay and loss.
    Streams,
}

/// One row: an object of names and values.
type Row = Map<String, Value>;

impl Bench {
    /// The name of its target.
    fn target(self) -> &'static str {
        match self {
            Self::Replication => "replication",
            Self::Sending => "sending",
            Self::Streams => "streams",
        }
    }

    /// Packages it is compared with, each a workspace of its own so that nobody else compiles it.
    fn peers(self) -> &'static [&'static str] {
        match self {
            Self::Replication => &["tests/peers/replicon"],
            Self::Sending | Self::Streams => &[],
        }
    }
}

/// Builds and runs a bench, prints its table, and writes its rows when asked to.
///
/// # Errors
/// When it does not build, fails, or prints something else than rows.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut rows =
        rows_of(cargo().args(["bench", "--workspace", "--bench", options.bench.target()]))?;
    if !options.alone {
        for peer in options.bench.peers() {
            let mut command = cargo();
            command
                .args(["run", "--release", "--manifest-path"])
                .arg(root().join(peer).join("Cargo.toml"));
            command.arg("--target-dir").arg(target_dir()?.join("peers"));
            rows.extend(rows_of(&mut command)?);
        }
    }
    print!("{}", table(&rows));
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&rows)? + "\n";
        fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}

/// Runs a program and reads the rows it prints.
fn rows_of(command: &mut Command) -> Result<Vec<Row>> {
    let line = shown(command);
    say(&line);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.with_context(|| format!("`{line}` could not be started"))?;
    ensure!(
        output.status.success(),
        "`{line}` failed ({}); what it said is above",
        output.status
    );
    let rows = read_rows(&String::from_utf8(output.stdout)?)
        .with_context(|| format!("what `{line}` printed"))?;
    ensure!(!rows.is_empty(), "`{line}` printed no row");
    Ok(rows)
}

fn read_rows(text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for value in Deserializer::from_str(text).into_iter::<Value>() {
        match value? {
            Value::Array(list) => {
                for value in list {
                    rows.push(serde_json::from_value(value)?);
                }
            }
            value => rows.push(serde_json::from_value(value)?),
        }
    }
    Ok(rows)
}

/// The rows under their names: first what tells rows apart (text and whole numbers), then measures.
fn table(rows: &[Row]) -> String {
    let names: BTreeSet<&String> = rows.iter().flat_map(Row::keys).collect();
    let is_measure = |name: &str| {
        rows.iter()
            .any(|row| row.get(name).is_some_and(Value::is_f64))
    };
    let (measures, keys): (Vec<&String>, Vec<&String>) =
        names.into_iter().partition(|name| is_measure(name));
    let columns: Vec<&String> = keys.into_iter().chain(measures).collect();
    let mut lines = vec![columns.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend(
        rows.iter()
            .map(|row| columns.iter().map(|name| cell(row.get(*name))).collect()),
    );
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let shown = |line: &Vec<String>| {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    lines.iter().map(shown).collect()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if number.is_f64() => {
            format!("{:.3}", number.as_f64().unwrap_or(f64::NAN))
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_several_programs_make_one_table() {
        let text = r#"{"system":"ours","players":10,"cpu_us":1.5}
            [{"system":"floor","players":10,"cpu_us":1.25,"bytes":null}]"#;
        let rows = read_rows(text).expect("rows");
        assert_eq!(
            table(&rows),
            "bytes  players  system  cpu_us\n    –       10    ours   1.500\n    –       10   floor   1.250\n"
        );
    }

    #[test]
    fn what_is_no_row_is_refused() {
        assert!(read_rows("warming up\n{}").is_err());
        assert!(read_rows("[1]").is_err());
    }
}
