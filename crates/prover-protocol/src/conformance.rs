//! Runs any executable through the protocol and says, check by check, how it did.
//!
//! Checks of the conversation itself (hello, unknown calls, garbage, ends) need nothing but the executable. Checks of
//! proving need a *case*, a directory with real inputs, see [`Case`]. What must stay true: a check fails with a sentence
//! that its prover's author can act on, ends within a bound, and leaves no process behind. Whether a proof system is
//! sound is not asked here.

mod case;
mod checks;
mod proving;
mod session;

use std::{collections::BTreeMap, fmt, path::PathBuf, process::ExitCode, time::Duration};

pub use case::{Case, CaseError};

/// What is tested, and how.
#[derive(Debug, Clone)]
pub struct Subject {
    /// A path, or a name that is looked up in `PATH`.
    pub executable: PathBuf,
    /// Arguments after the executable.
    pub args: Vec<String>,
    /// Options for hello.
    pub options: BTreeMap<String, String>,
    /// How long hello may take in either role.
    pub hello_timeout: Duration,
    /// How long one call of the case may take.
    pub call_timeout: Duration,
    /// Real inputs for the checks of proving.
    pub case: Option<Case>,
}

impl Subject {
    /// An executable without arguments, options or case; hello within a minute, calls within ten.
    pub fn new(executable: impl Into<PathBuf>) -> Self {
        Self {
            executable: executable.into(),
            args: Vec::new(),
            options: BTreeMap::new(),
            hello_timeout: Duration::from_mins(1),
            call_timeout: Duration::from_mins(10),
            case: None,
        }
    }
}

/// How a check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The prover does what the contract asks.
    Pass,
    /// It does not; a sentence says what it did instead.
    Fail(String),
    /// It could not be asked; a sentence says what is needed.
    Needs(String),
}

/// A named check and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name, stable across versions.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Pass => write!(formatter, "pass   {}", self.name),
            Outcome::Fail(why) => write!(formatter, "FAIL   {}: {why}", self.name),
            Outcome::Needs(what) => write!(formatter, "needs  {}: {what}", self.name),
        }
    }
}

/// Runs every check, one after the other; `heard` is told of each as it ends.
pub async fn run(subject: &Subject, mut heard: impl FnMut(&Check)) -> Vec<Check> {
    let mut done = Vec::new();
    checks::run(subject, &mut |check: Check| {
        heard(&check);
        done.push(check);
    })
    .await;
    done
}

const USAGE: &str = "\
usage: prover-conformance [--case DIR] [--option NAME=VALUE]... [--hello-timeout SECONDS]
                          [--call-timeout SECONDS] -- EXECUTABLE [ARGUMENT]...

Runs a prover through the protocol of docs/prover-protocol.md. Without --case the checks of proving are left out;
DIR holds case.txt (system = NAME, kind = NAME) and the files of inputs/, each named like the input.
Exits with 0 if no check failed, 1 if one did, 2 if it was called wrongly.";

/// The command: `arguments` are those after its name. Prints a line per check to stdout and a summary to stderr.
pub fn main_with(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let subject = match parse(arguments) {
        Ok(subject) => subject,
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    let checks = runtime.block_on(run(&subject, |check| println!("{check}")));
    let failed = failures(&checks).count();
    let left_out = checks
        .iter()
        .filter(|check| matches!(check.outcome, Outcome::Needs(_)))
        .count();
    eprintln!(
        "{} checks: {} passed, {failed} failed, {left_out} left out",
        checks.len(),
        checks.len() - failed - left_out
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The checks that failed.
pub fn failures(checks: &[Check]) -> impl Iterator<Item = &Check> {
    checks.iter().filter(|check| matches!(check.outcome, Outcome::Fail(_)))
}

fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Subject, String> {
    let mut arguments = arguments.into_iter();
    let mut subject = Subject::new("");
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
        match argument.as_str() {
            "--case" => {
                let case = Case::load(value()?.as_ref()).map_err(|error| error.to_string())?;
                subject.case = Some(case);
            }
            "--option" => {
                let text = value()?;
                let (name, value) = text.split_once('=').ok_or("--option takes NAME=VALUE")?;
                subject.options.insert(name.to_owned(), value.to_owned());
            }
            "--hello-timeout" => subject.hello_timeout = seconds(&value()?)?,
            "--call-timeout" => subject.call_timeout = seconds(&value()?)?,
            "--" => {
                subject.executable = arguments.next().ok_or("EXECUTABLE is missing")?.into();
                subject.args = arguments.collect();
                return Ok(subject);
            }
            other => return Err(format!("{other} is not known")),
        }
    }
    Err("-- EXECUTABLE is missing".into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text} is no number of seconds from 1 to 86,400")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Subject, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_line_is_understood_or_explained() {
        let subject = parsed("--option a=b=c --call-timeout 5 -- ./prover --flag --case").unwrap();
        assert_eq!(subject.options["a"], "b=c");
        assert_eq!(subject.call_timeout, Duration::from_secs(5));
        assert_eq!(subject.args, ["--flag", "--case"]);
        for wrong in [
            "",
            "./prover",
            "--",
            "--option",
            "--option a -- x",
            "--hello-timeout 0 -- x",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        let missing = parsed("--case /no/such/case -- x").unwrap_err();
        assert!(missing.contains("/no/such/case/case.txt"), "{missing}");
    }

    #[tokio::test]
    async fn the_command_runs_on_its_own_runtime_and_fails_for_what_is_no_prover() {
        let arguments = ["--".to_owned(), "false".to_owned()];
        let code = tokio::task::spawn_blocking(|| main_with(arguments)).await.unwrap();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    }
}
