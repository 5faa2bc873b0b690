//! `cargo xtask ci`: what continuous integration runs, from empty caches to the closing line.
//!
//! To add a stage, add one entry to [`stages`]. Not here: what a stage does, which is its routine's module.

use anyhow::Result;

use crate::env::Env;
use crate::stage::{Stage, When, run_all};
use crate::{docs, e2e, guests, lint, test};

/// What `ci` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run the stages too that build something large which is not in the cache.
    #[arg(long)]
    full: bool,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    run_all(env, &stages(env, args))
}

fn stages(env: &Env, args: &Args) -> Vec<Stage<'static>> {
    let mut stages = vec![
        Stage::always("lint", lint::check),
        Stage::always("test", test::run_workspace),
        Stage::always("guests --check", guests::check),
        Stage::always("docs --check", docs::check),
    ];
    let cached = |prover| env.prover_executable(prover).is_file();
    stages.extend(sp1(args, cached("sp1")));
    // From empty caches too: its proofs take seconds.
    stages.push(Stage::always("e2e miden", e2e::miden_0_15));
    let other_line = when_cached(args, cached("miden-0-18"));
    stages.push(Stage::new("e2e miden --line 0.18", other_line, e2e::miden_0_18));
    let browser = e2e::no_browser().map_or(When::Always, |why| When::Skip(why.to_owned()));
    stages.push(Stage::new("e2e miden-web", browser, e2e::miden_web));
    let prometheus = e2e::no_prometheus(env).map_or(When::Always, |why| When::Skip(why.to_owned()));
    stages.push(Stage::new("e2e metrics", prometheus, e2e::metrics));
    stages
}

/// SP1 end to end. From empty caches too one real proof is made, with the prover that this builds; all else only where it stands.
fn sp1(args: &Args, cached: bool) -> [Stage<'static>; 3] {
    let all = when_cached(args, cached);
    let core = match all {
        When::Always => When::Skip("e2e sp1 has it".to_owned()),
        When::Skip(_) => When::Always,
    };
    let conformance = if args.full {
        When::Always
    } else {
        When::Skip("only with --full".to_owned())
    };
    [
        Stage::new("e2e sp1 --core", core, e2e::sp1_core),
        Stage::new("e2e sp1", all, e2e::sp1_all),
        Stage::new("e2e sp1 --conformance", conformance, e2e::sp1_conformance),
    ]
}

/// A stage that runs where its build is in the cache, or where everything was asked for.
fn when_cached(args: &Args, cached: bool) -> When {
    if args.full || cached {
        When::Always
    } else {
        When::Skip("not cached".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_cached_runs_only_when_everything_was_asked_for() {
        assert_eq!(when_cached(&Args { full: false }, true), When::Always);
        assert_eq!(when_cached(&Args { full: true }, false), When::Always);
        assert_eq!(
            when_cached(&Args { full: false }, false),
            When::Skip("not cached".into())
        );
    }

    #[test]
    fn every_run_lints_tests_and_checks_guests_and_docs() {
        let stages = stages(&Env::discover().unwrap(), &Args { full: false });
        let first: Vec<_> = stages
            .iter()
            .take(4)
            .map(|stage| (stage.name(), stage.when()))
            .collect();
        let always = |name| (name, &When::Always);
        assert_eq!(
            first,
            [
                always("lint"),
                always("test"),
                always("guests --check"),
                always("docs --check"),
            ]
        );
    }

    #[test]
    fn every_run_makes_a_real_proof_and_only_a_full_one_makes_all() {
        let runs = |full, cached| sp1(&Args { full }, cached).map(|stage| *stage.when() == When::Always);
        assert_eq!(runs(false, false), [true, false, false]);
        assert_eq!(runs(false, true), [false, true, false]);
        assert_eq!(runs(true, false), [false, true, true]);
    }
}
