//! `cargo xtask ci`: what continuous integration runs, from empty caches to the closing line.
//!
//! To add a stage, add one entry to [`stages`]. Not here: what a stage does, which is its routine's module.

use anyhow::Result;

use crate::env::Env;
use crate::stage::{Stage, When, run_all};
use crate::{build_prover, docs, e2e, guests, lint, test};

/// What `ci` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run the stages too that build something large which is not in the cache.
    #[arg(long)]
    full: bool,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    run_all(env, &stages(env, args)?)
}

fn stages(env: &Env, args: &Args) -> Result<Vec<Stage<'static>>> {
    let mut stages = vec![
        Stage::always("lint", lint::check),
        Stage::always("test", test::run_workspace),
        Stage::always("guests --check", guests::check),
        Stage::always("docs --check", docs::check),
    ];
    // One real proof, from empty caches too: it builds the prover that it needs.
    stages.push(Stage::always("e2e sp1 --core", e2e::sp1_core));
    for prover in env.provers()? {
        let when = when_cached(args, env.prover_executable(&prover).is_file());
        let name = format!("build-prover {prover}");
        stages.push(Stage::new(&name, when, move |env| build_prover::build(env, &prover)));
    }
    stages.push(Stage::new("e2e sp1", when_cached(args, false), e2e::sp1_all));
    Ok(stages)
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
        let stages = stages(&Env::discover().unwrap(), &Args { full: false }).unwrap();
        let first: Vec<_> = stages
            .iter()
            .take(5)
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
                always("e2e sp1 --core")
            ]
        );
    }
}
