//! What came of the tests: read from cargo-nextest's JUnit file and libtest's summaries, printed as a table by kind.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

use super::kind::Kind;
use crate::stage::{Tally, seconds};

/// Counts and times by kind.
#[derive(Debug, Default)]
pub(super) struct Report {
    kinds: BTreeMap<Kind, (Tally, Duration)>,
}

impl Report {
    /// Reads the JUnit file of a run.
    pub(super) fn from_junit(text: &str) -> Result<Self> {
        let document = Document::parse(text).context("not XML")?;
        let mut report = Self::default();
        for suite in document.descendants().filter(|node| node.has_tag_name("testsuite")) {
            let binary = suite.attribute("name").context("a test suite has no name")?;
            for case in suite.children().filter(|node| node.has_tag_name("testcase")) {
                let test = case.attribute("name").context("a test has no name")?;
                report.add(Kind::of(binary, test), tally_of(&case), time_of(&case)?);
            }
        }
        Ok(report)
    }

    /// Counts a line of `cargo nextest list --run-ignored only --message-format oneline` (`binary test`) as a skipped
    /// test.
    pub(super) fn add_ignored(&mut self, line: &str) {
        if let Some((binary, test)) = line.trim().split_once(' ') {
            self.add(
                Kind::of(binary, test),
                Tally {
                    skipped: 1,
                    ..Tally::default()
                },
                Duration::ZERO,
            );
        }
    }

    /// Counts what a summary line of libtest says (`test result: ok. 3 passed; 0 failed; 1 ignored; ...`); any other
    /// line says nothing.
    pub(super) fn add_libtest_line(&mut self, line: &str) {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        let count = |word: &str| {
            let fields = counts.split(';').filter_map(|field| field.trim().split_once(' '));
            fields
                .filter(|(_, name)| *name == word)
                .find_map(|(number, _)| number.parse().ok())
                .unwrap_or(0)
        };
        let tally = Tally {
            passed: count("passed"),
            failed: count("failed"),
            skipped: count("ignored"),
        };
        self.add(Kind::Documentation, tally, Duration::ZERO);
    }

    fn add(&mut self, kind: Kind, tally: Tally, time: Duration) {
        let (sum, total) = self.kinds.entry(kind).or_default();
        *sum = sum.plus(tally);
        *total += time;
    }

    /// All kinds together.
    pub(super) fn total(&self) -> Tally {
        self.kinds
            .values()
            .fold(Tally::default(), |sum, (tally, _)| sum.plus(*tally))
    }

    /// The table. Times are summed over tests, which run side by side.
    pub(super) fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, tally: Tally, time: String| {
            let tests = tally.passed + tally.failed;
            writeln!(
                table,
                "{name:<18}  {tests:>6}  {:>6}  {:>7}  {time:>9}",
                tally.failed, tally.skipped
            )
            .expect("writing to a string succeeds");
        };
        for (kind, (tally, time)) in &self.kinds {
            row(kind.name(), *tally, seconds(*time));
        }
        row(
            "all",
            self.total(),
            seconds(self.kinds.values().map(|(_, time)| *time).sum()),
        );
        format!(
            "{:<18}  {:>6}  {:>6}  {:>7}  {:>9}\n{table}",
            "kind", "tests", "failed", "skipped", "in tests"
        )
    }
}

fn tally_of(case: &Node<'_, '_>) -> Tally {
    let has = |name: &str| case.children().any(|child| child.has_tag_name(name));
    if has("failure") || has("error") {
        Tally {
            failed: 1,
            ..Tally::default()
        }
    } else if has("skipped") {
        Tally {
            skipped: 1,
            ..Tally::default()
        }
    } else {
        Tally::one_passed()
    }
}

fn time_of(case: &Node<'_, '_>) -> Result<Duration> {
    let seconds: f64 = case
        .attribute("time")
        .unwrap_or("0")
        .parse()
        .context("a test's time is no number")?;
    Duration::try_from_secs_f64(seconds).context("a test's time is out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUNIT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="4" failures="1" errors="0" uuid="x" timestamp="t" time="1.0">
    <testsuite name="hierophant-domain" tests="2" disabled="0" errors="0" failures="1">
        <testcase name="task::tests::a" classname="hierophant-domain" timestamp="t" time="0.250"/>
        <testcase name="task::tests::b" classname="hierophant-domain" timestamp="t" time="0.250">
            <failure message="m" type="test failure">text</failure>
            <system-out>out</system-out>
        </testcase>
    </testsuite>
    <testsuite name="hierophant-store::conformance" tests="2" disabled="0" errors="0" failures="0">
        <testcase name="sqlite::a" classname="hierophant-store::conformance" timestamp="t" time="1.500"/>
        <testcase name="sqlite::b" classname="hierophant-store::conformance" timestamp="t" time="0.500">
            <skipped/>
        </testcase>
    </testsuite>
</testsuites>"#;

    #[test]
    fn counts_failures_and_times_by_kind() {
        let mut report = Report::from_junit(JUNIT).unwrap();
        report.add_libtest_line("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        report.add_libtest_line("test src/lib.rs - a (line 3) ... ok");
        report.add_ignored("hierophant-domain task::tests::c");
        let expected = "\
kind                 tests  failed  skipped   in tests
unit                     2       1        1      0.5 s
documentation            3       0        1      0.0 s
store conformance        1       0        1      2.0 s
all                      6       1        3      2.5 s
";
        assert_eq!(report.table(), expected);
        assert_eq!(
            report.total(),
            Tally {
                passed: 5,
                failed: 1,
                skipped: 3
            }
        );
    }

    #[test]
    fn a_report_that_is_cut_short_is_an_error() {
        assert!(Report::from_junit(&JUNIT[..JUNIT.len() / 2]).is_err());
    }
}
