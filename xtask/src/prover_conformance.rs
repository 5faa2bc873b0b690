//! `cargo xtask prover-conformance -- <executable> [arguments]`: holds any prover executable, written by anyone in any
//! language, against the prover protocol.
//!
//! Not here: the checks, which are crate `hierophant-prover-protocol`'s.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::builder::RangedU64ValueParser;
use hierophant_prover_protocol::conformance::{Case, Check, Outcome, Subject, run as run_checks};

use crate::process;
use crate::stage::Tally;

/// Longest time limit that can be given: a day.
const TIMEOUT_SECS_MAX: u64 = 86_400;

/// What `prover-conformance` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder with real inputs: case.txt (`system = NAME`, `kind = NAME`) and inputs/, one file per input. Without it
    /// the checks of proving are left out.
    #[arg(long)]
    case: Option<PathBuf>,
    /// An option for hello; may be repeated.
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = name_and_value)]
    options: Vec<(String, String)>,
    /// How long hello may take, in seconds [default: 60].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    hello_timeout: Option<u64>,
    /// How long one call of the case may take, in seconds [default: 600].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    call_timeout: Option<u64>,
    /// The prover and its arguments.
    #[arg(last = true, required = true, value_names = ["EXECUTABLE", "ARGUMENT"])]
    command: Vec<String>,
}

fn seconds() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=TIMEOUT_SECS_MAX)
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let tally = check(&subject(args)?)?;
    println!(
        "{} passed, {} failed, {} left out",
        tally.passed, tally.failed, tally.skipped
    );
    if tally.failed > 0 {
        bail!(
            "the prover breaks the protocol in {} of {} checks",
            tally.failed,
            tally.passed + tally.failed
        );
    }
    Ok(())
}

/// Runs every check, prints each as it ends, and stops the prover at an interrupt.
pub(crate) fn check(subject: &Subject) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start a runtime")?;
    let checks = runtime.block_on(async {
        tokio::select! {
            checks = run_checks(subject, |check| println!("{check}")) => Ok(checks),
            // Dropping the checks kills their prover with its group.
            () = process::until_interrupted() => bail!("interrupted"),
        }
    })?;
    Ok(tally(&checks))
}

fn subject(args: &Args) -> Result<Subject> {
    let (executable, arguments) = args.command.split_first().context("the executable is missing")?;
    let mut subject = Subject::new(executable);
    subject.args = arguments.to_vec();
    subject.options = args.options.iter().cloned().collect();
    if let Some(seconds) = args.hello_timeout {
        subject.hello_timeout = Duration::from_secs(seconds);
    }
    if let Some(seconds) = args.call_timeout {
        subject.call_timeout = Duration::from_secs(seconds);
    }
    if let Some(folder) = &args.case {
        subject.case = Some(Case::load(folder)?);
    }
    Ok(subject)
}

fn tally(checks: &[Check]) -> Tally {
    let one = |check: &Check| match check.outcome {
        Outcome::Pass => Tally::one_passed(),
        Outcome::Fail(_) => Tally {
            failed: 1,
            ..Tally::default()
        },
        Outcome::Needs(_) => Tally {
            skipped: 1,
            ..Tally::default()
        },
    };
    checks.iter().map(one).fold(Tally::default(), Tally::plus)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(arguments: &[&str]) -> Result<Subject> {
        subject(&Cli::try_parse_from(std::iter::once(&"test").chain(arguments))?.args)
    }

    #[test]
    fn arguments_become_the_subject() {
        let subject = parse(&[
            "--option",
            "a=b=c",
            "--hello-timeout",
            "5",
            "--",
            "prover",
            "--case",
            "of-its-own",
        ])
        .unwrap();
        assert_eq!(subject.executable, PathBuf::from("prover"));
        assert_eq!(subject.args, ["--case", "of-its-own"]);
        assert_eq!(subject.options["a"], "b=c");
        assert_eq!(subject.hello_timeout, Duration::from_secs(5));
        assert_eq!(subject.call_timeout, Subject::new("x").call_timeout);
        assert!(subject.case.is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let cases: [&[&str]; 5] = [
            &[],
            &["--option", "no-value", "--", "prover"],
            &["--hello-timeout", "0", "--", "prover"],
            &["--call-timeout", "86401", "--", "prover"],
            &["--case", "/nonexistent", "--", "prover"],
        ];
        for arguments in cases {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn what_is_left_out_counts_as_skipped() {
        let check = |outcome| Check { name: "check", outcome };
        let checks = [
            check(Outcome::Pass),
            check(Outcome::Fail("why".into())),
            check(Outcome::Needs("what".into())),
        ];
        assert_eq!(
            tally(&checks),
            Tally {
                passed: 1,
                failed: 1,
                skipped: 1
            }
        );
    }
}
