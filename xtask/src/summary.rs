//! Counting: what test programs print goes in, a table, what failed, and one last line come out.
//!
//! The numbers are read from the `test result:` lines of Rust's test harness, which unit tests, integration tests
//! and doctests all print, and the names from its `test NAME ... FAILED`.

use std::time::Duration;

/// How many tests passed, failed, and were left out.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Count {
    /// Adds what one line of a test program says, if it is a result line.
    pub(crate) fn read_line(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else {
            return;
        };
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// The name of the test that one line of a test program says has failed.
pub(crate) fn failed_test(line: &str) -> Option<&str> {
    let line = line.trim_end().strip_prefix("test ")?;
    line.strip_suffix(" ... FAILED")
}

/// What a row counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A check, or what the tests need: itself, once.
    Step,
    /// The tests that a program ran.
    Tests,
}

/// One row of the table.
struct Row {
    name: &'static str,
    kind: Kind,
    count: Count,
    took: Duration,
}

/// All rows so far, and what has failed in them.
#[derive(Default)]
pub(crate) struct Summary {
    rows: Vec<Row>,
    failures: Vec<(&'static str, String)>,
}

impl Summary {
    /// Adds a row. A step whose program failed counts at least one failure, whatever it printed: a
    /// test program that crashes prints no result line.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        kind: Kind,
        mut count: Count,
        succeeded: bool,
        took: Duration,
    ) {
        if !succeeded && count.failed == 0 {
            count.failed = 1;
        }
        self.rows.push(Row {
            name,
            kind,
            count,
            took,
        });
    }

    /// Keeps what failed in a row, the name of a test or why a step did not succeed, to be shown at the end: ten minutes
    /// of output lie above it.
    pub(crate) fn keep_failure(&mut self, name: &'static str, what: impl Into<String>) {
        self.failures.push((name, what.into()));
    }

    /// Whether nothing failed, and a test was run at all.
    pub(crate) fn is_good(&self) -> bool {
        self.total().failed == 0 && self.has_tests()
    }

    /// Whether a test has passed. What the tests need is there whatever is filtered.
    pub(crate) fn has_tests(&self) -> bool {
        let mut tests = self.rows.iter().filter(|row| row.kind == Kind::Tests);
        tests.any(|row| row.count.passed > 0)
    }

    /// The table, what failed, and as its last line the sum: `N passed, N failed`.
    pub(crate) fn shown(&self) -> String {
        let mut text = format!(
            "\n{:<42}{:>8}{:>8}{:>9}{:>8}\n",
            "", "passed", "failed", "ignored", "time"
        );
        for Row {
            name, count, took, ..
        } in &self.rows
        {
            let Count {
                passed,
                failed,
                ignored,
            } = count;
            text += &format!(
                "{name:<42}{passed:>8}{failed:>8}{ignored:>9}{:>7.0}s\n",
                took.as_secs_f32()
            );
        }
        if !self.failures.is_empty() {
            text += "\nfailed:\n";
        }
        for (name, what) in &self.failures {
            text += &format!("  {name}: {what}\n");
        }
        let total = self.total();
        text + &format!("\n{} passed, {} failed", total.passed, total.failed)
    }

    fn total(&self) -> Count {
        self.rows.iter().fold(Count::default(), |sum, row| Count {
            passed: sum.passed + row.count.passed,
            failed: sum.failed + row.count.failed,
            ignored: sum.ignored + row.count.ignored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(lines: &[&str]) -> Count {
        let mut count = Count::default();
        for line in lines {
            count.read_line(line);
        }
        count
    }

    #[test]
    fn result_lines_are_added_up_and_others_ignored() {
        let count = count(&[
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 40 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.25s",
        ]);
        assert_eq!(
            count,
            Count {
                passed: 42,
                failed: 3,
                ignored: 1
            }
        );
    }

    #[test]
    fn a_program_that_fails_without_a_result_line_is_a_failure() {
        let mut summary = Summary::default();
        summary.add(
            "crashed",
            Kind::Tests,
            Count {
                passed: 5,
                ..Count::default()
            },
            false,
            Duration::ZERO,
        );
        assert!(!summary.is_good());
        assert!(summary.shown().ends_with("\n5 passed, 1 failed"));
    }

    #[test]
    fn what_failed_stands_below_the_table_and_above_the_sum() {
        assert_eq!(
            failed_test("test play::a_ship_flies ... FAILED\n"),
            Some("play::a_ship_flies")
        );
        assert_eq!(
            failed_test("test server/src/lib.rs - (line 7) - compile ... FAILED"),
            Some("server/src/lib.rs - (line 7) - compile")
        );
        for line in [
            "test play::a_ship_flies ... ok",
            "test result: FAILED. 40 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out",
            "    play::a_ship_flies",
        ] {
            assert_eq!(failed_test(line), None, "{line}");
        }
        let mut summary = Summary::default();
        let count = Count {
            passed: 5,
            failed: 1,
            ..Count::default()
        };
        summary.add("browser tests", Kind::Tests, count, false, Duration::ZERO);
        summary.keep_failure("browser tests", "play::a_ship_flies");
        let text = summary.shown();
        let end = "\nfailed:\n  browser tests: play::a_ship_flies\n\n5 passed, 1 failed";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn a_run_without_any_test_is_not_good() {
        let mut summary = Summary::default();
        assert!(!summary.is_good());
        let passed = Count {
            passed: 1,
            ..Count::default()
        };
        summary.add("Chromium", Kind::Step, passed, true, Duration::ZERO);
        summary.add("all", Kind::Tests, Count::default(), true, Duration::ZERO);
        assert!(!summary.is_good(), "a filter that nothing contains");
        summary.add("some", Kind::Tests, passed, true, Duration::ZERO);
        assert!(summary.is_good());
    }
}
