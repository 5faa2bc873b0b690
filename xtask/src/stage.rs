//! Runs named stages one after the other, whatever became of those before, and prints what came of each.
//!
//! Must stay true: the last line on standard output is `N passed, N failed, N skipped`, alone on its line. It counts checks: a
//! stage of tests counts its tests, any other stage counts as one.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::env::Env;
use crate::process;

/// How many checks went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// A stage that is one check and has passed.
    pub(crate) fn one_passed() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    /// Both counts together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// Whether a stage runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    /// In every run.
    Always,
    /// Not in this run, for this reason.
    Skip(String),
}

/// What a stage does.
pub(crate) type Routine<'a> = Box<dyn Fn(&Env) -> Result<Tally> + 'a>;

/// One stage.
pub(crate) struct Stage<'a> {
    name: String,
    when: When,
    routine: Routine<'a>,
}

impl<'a> Stage<'a> {
    /// A stage that runs under a condition.
    pub(crate) fn new(name: &str, when: When, routine: impl Fn(&Env) -> Result<Tally> + 'a) -> Self {
        Self {
            name: name.to_owned(),
            when,
            routine: Box::new(routine),
        }
    }

    /// A stage of every run.
    pub(crate) fn always(name: &str, routine: impl Fn(&Env) -> Result<Tally> + 'a) -> Self {
        Self::new(name, When::Always, routine)
    }

    #[cfg(test)]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    #[cfg(test)]
    pub(crate) fn when(&self) -> &When {
        &self.when
    }
}

/// What came of a stage.
#[derive(Debug)]
struct Row {
    name: String,
    result: String,
    tally: Tally,
    took: Duration,
}

/// Runs the stages, prints the table and the closing line, and fails if a check failed.
pub(crate) fn run_all(env: &Env, stages: &[Stage<'_>]) -> Result<()> {
    let mut rows = Vec::new();
    for stage in stages {
        if process::interrupted() {
            bail!("interrupted");
        }
        rows.push(run_one(env, stage));
    }
    print!("\n{}", render(&rows));
    let total = rows.iter().fold(Tally::default(), |sum, row| sum.plus(row.tally));
    println!("{}", closing_line(total));
    if total.failed > 0 {
        bail!("a stage failed: its output above says why");
    }
    Ok(())
}

fn run_one(env: &Env, stage: &Stage<'_>) -> Row {
    if let When::Skip(reason) = &stage.when {
        println!("== {}: skipped: {reason}", stage.name);
        let tally = Tally {
            skipped: 1,
            ..Tally::default()
        };
        return Row {
            name: stage.name.clone(),
            result: format!("skipped: {reason}"),
            tally,
            took: Duration::ZERO,
        };
    }
    println!("== {}", stage.name);
    let started = Instant::now();
    let outcome = (stage.routine)(env);
    let took = started.elapsed();
    let (result, tally) = match outcome {
        Ok(tally) if tally.failed > 0 => ("FAILED".to_owned(), tally),
        Ok(tally) if tally.passed == 0 && tally.skipped > 0 => ("skipped".to_owned(), tally),
        Ok(tally) => ("passed".to_owned(), tally),
        Err(error) => {
            println!("{}: {error:#}", stage.name);
            (
                "FAILED".to_owned(),
                Tally {
                    failed: 1,
                    ..Tally::default()
                },
            )
        }
    };
    println!("== {}: {result} in {}", stage.name, seconds(took));
    Row {
        name: stage.name.clone(),
        result,
        tally,
        took,
    }
}

fn render(rows: &[Row]) -> String {
    let width = rows
        .iter()
        .map(|row| row.name.len())
        .max()
        .unwrap_or(0)
        .max("stage".len());
    let mut table = format!(
        "{:width$}  {:>6}  {:>6}  {:>7}  {:>9}  result\n",
        "stage", "passed", "failed", "skipped", "time"
    );
    for Row {
        name,
        result,
        tally,
        took,
    } in rows
    {
        let Tally {
            passed,
            failed,
            skipped,
        } = tally;
        let time = seconds(*took);
        writeln!(
            table,
            "{name:width$}  {passed:>6}  {failed:>6}  {skipped:>7}  {time:>9}  {result}"
        )
        .expect("writing to a string succeeds");
    }
    table
}

fn closing_line(
    Tally {
        passed,
        failed,
        skipped,
    }: Tally,
) -> String {
    format!("{passed} passed, {failed} failed, {skipped} skipped")
}

/// A duration for people: seconds with one decimal.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stops_no_later_stage_and_fails_the_run() {
        let env = Env::discover().unwrap();
        let later = std::cell::Cell::new(false);
        let stages = [
            Stage::always("breaks", |_| bail!("broken")),
            Stage::always("later", |_| {
                later.set(true);
                Ok(Tally::one_passed())
            }),
        ];
        assert!(run_all(&env, &stages).is_err());
        assert!(later.get());
    }

    #[test]
    fn a_skipped_stage_does_not_run_and_does_not_fail() {
        let env = Env::discover().unwrap();
        let never = Stage::new("never", When::Skip("not cached".into()), |_| panic!("it ran"));
        let row = run_one(&env, &never);
        assert_eq!(row.result, "skipped: not cached");
        assert!(run_all(&env, &[never]).is_ok());
    }

    #[test]
    fn a_stage_with_a_failed_test_has_failed() {
        let env = Env::discover().unwrap();
        let row = run_one(
            &env,
            &Stage::always("tests", |_| {
                Ok(Tally {
                    passed: 7,
                    failed: 1,
                    skipped: 0,
                })
            }),
        );
        assert_eq!(row.result, "FAILED");
        assert_eq!(row.tally.passed, 7);
    }

    #[test]
    fn the_table_and_the_closing_line_read_well() {
        let row = |name: &str, result: &str, passed, failed, skipped, took| Row {
            name: name.into(),
            result: result.into(),
            tally: Tally {
                passed,
                failed,
                skipped,
            },
            took: Duration::from_millis(took),
        };
        let rows = [
            row("lint", "passed", 1, 0, 0, 1500),
            row("end to end", "skipped: not cached", 0, 0, 1, 0),
        ];
        let expected = "\
stage       passed  failed  skipped       time  result
lint             1       0        0      1.5 s  passed
end to end       0       0        1      0.0 s  skipped: not cached
";
        assert_eq!(render(&rows), expected);
        let total = rows[0].tally.plus(rows[1].tally);
        assert_eq!(closing_line(total), "1 passed, 0 failed, 1 skipped");
    }
}
