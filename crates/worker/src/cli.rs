//! The command line: `contemplant [-c FILE] [--set KEY=VALUE]… [run | config … | circuits …]`, and `contemplant miden serve …`,
//! which is a worker of another kind: its settings are its arguments.
//!
//! Exit codes: 0 all went well (for `run`: everything that was running was finished and delivered, or is kept on disk);
//! 1 it could not be done; 2 the command line or the settings are wrong; 3 the worker stopped before its work was done.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use hierophant_config::{
    Layers, Loaded, Problems, example_file, load,
    settings::{
        LogFormat,
        contemplant::{Prover, Settings},
    },
    show,
};
use hierophant_prover_protocol::host::INHERITED_ENVIRONMENT;
use hierophant_telemetry::log;

use crate::{
    RELEASE,
    worker::{self, Ended},
};

/// Settings that cannot be used, as clap exits on arguments that cannot.
const EXIT_USAGE: u8 = 2;
/// The worker stopped before its work was done.
const EXIT_UNFINISHED: u8 = 3;

/// A worker of a Hierophant proof network.
#[derive(Debug, Parser)]
#[command(name = "contemplant", version = RELEASE.trim_start_matches("contemplant "), propagate_version = true)]
pub struct Cli {
    /// Settings file [default: contemplant.toml in the working directory, if there is one]
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Overrides a setting; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Works until it is told to stop (the default)
    Run,
    /// Settings: an example, a check, or what is in effect
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Runs a prover's own commands for the files that its proofs need
    #[command(subcommand)]
    Circuits(CircuitsCommand),
    /// Proofs for Miden clients, without a coordinator
    #[command(subcommand)]
    Miden(MidenCommand),
}

#[derive(Debug, Subcommand)]
enum MidenCommand {
    /// Serves Miden clients directly until it is told to stop
    Serve(Box<hierophant_miden_listener::Arguments>),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Prints a settings file with every key, its meaning and its default
    Init,
    /// Reports every problem of the settings
    Check,
    /// Prints every setting and where it came from
    Show,
}

#[derive(Debug, Subcommand)]
enum CircuitsCommand {
    /// Checks that the files are complete and the expected ones
    Verify(CircuitsArgs),
    /// Records the files that are there as the expected ones
    Record(CircuitsArgs),
}

#[derive(Debug, clap::Args)]
struct CircuitsArgs {
    /// Which of the configured provers, counted from 1
    #[arg(long, value_name = "NUMBER")]
    prover: Option<usize>,
    /// Handed to the prover as they are; options of its own behind `--`
    args: Vec<String>,
}

impl Cli {
    /// Does what the command line says.
    pub fn run(self) -> ExitCode {
        let unset = self.config.is_none() && self.set.is_empty();
        let layers = self
            .set
            .iter()
            .fold(Layers::new().file(self.config).process_environment(), |l, set| {
                l.set(set)
            });
        match self.command.unwrap_or(Command::Run) {
            Command::Config(ConfigCommand::Init) => print(&example_file::<Settings>()),
            Command::Config(ConfigCommand::Check) => with(&layers, |_| print("The settings are sound.\n")),
            Command::Config(ConfigCommand::Show) => with(&layers, |loaded| print(&show(loaded))),
            Command::Run => with(&layers, |loaded| run(&loaded.settings)),
            Command::Circuits(CircuitsCommand::Verify(args)) => {
                with(&layers, |loaded| circuits("verify", &args, &loaded.settings))
            }
            Command::Circuits(CircuitsCommand::Record(args)) => {
                with(&layers, |loaded| circuits("record", &args, &loaded.settings))
            }
            Command::Miden(MidenCommand::Serve(arguments)) if unset => miden_serve(&arguments),
            Command::Miden(MidenCommand::Serve(_)) => complain(
                &"`miden serve` has no settings file: give it arguments or variables of its own",
                EXIT_USAGE,
            ),
        }
    }
}

fn with(layers: &Layers, then: impl FnOnce(&Loaded<Settings>) -> ExitCode) -> ExitCode {
    let loaded: Result<Loaded<Settings>, Problems> = load(layers);
    match loaded {
        Ok(loaded) => then(&loaded),
        Err(problems) => complain(&problems, EXIT_USAGE),
    }
}

fn run(settings: &Settings) -> ExitCode {
    if let Err(error) = log::start(&settings.log.filter, settings.log.format == LogFormat::Json) {
        return complain(&error, EXIT_USAGE);
    }
    match worker::run(settings) {
        Ok(Ended::Finished) => ExitCode::SUCCESS,
        Ok(Ended::Unfinished) => ExitCode::from(EXIT_UNFINISHED),
        Err(error) => complain(&error, 1),
    }
}

/// Serves Miden clients. Its log is set up as the worker's is.
fn miden_serve(arguments: &hierophant_miden_listener::Arguments) -> ExitCode {
    let replaced = hierophant_miden_listener::replaced_variables(|name| std::env::var_os(name).is_some());
    if !replaced.is_empty() {
        return complain(&replaced.join("\n"), EXIT_USAGE);
    }
    let settings = match arguments.settings() {
        Ok(settings) => settings,
        Err(error) => return complain(&error, EXIT_USAGE),
    };
    if let Err(error) = log::start(arguments.log_filter(), arguments.log_json()) {
        return complain(&error, EXIT_USAGE);
    }
    match hierophant_miden_listener::run(settings, RELEASE, env!("CARGO_PKG_VERSION")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

/// Becomes the prover, with its own arguments behind the configured ones. Returns only when that fails.
fn circuits(verb: &str, args: &CircuitsArgs, settings: &Settings) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    let prover: &Prover = match (args.prover, &settings.provers[..]) {
        (None, [only]) => only,
        (None, many) => {
            return complain(
                &format!("there are {} provers: name one with --prover NUMBER", many.len()),
                EXIT_USAGE,
            );
        }
        (Some(number), many) => match number.checked_sub(1).and_then(|index| many.get(index)) {
            Some(prover) => prover,
            None => {
                return complain(
                    &format!("there is no prover {number}: there are {}", many.len()),
                    EXIT_USAGE,
                );
            }
        },
    };
    // The environment that the worker gives it, or it would look for its files elsewhere than when it proves.
    let inherited = INHERITED_ENVIRONMENT
        .iter()
        .filter_map(|name| std::env::var_os(name).map(|value| (*name, value)));
    let failed = std::process::Command::new(&prover.executable)
        .args(&prover.args)
        .args(["circuits", verb])
        .args(&args.args)
        .env_clear()
        .envs(inherited)
        .envs(prover.env.iter().map(|(name, secret)| (name, secret.expose())))
        .exec();
    complain(
        &format!(
            "cannot run {}: {failed}; check `executable`",
            prover.executable.display()
        ),
        1,
    )
}

fn print(text: &str) -> ExitCode {
    // A reader that has gone away (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain(what: &impl std::fmt::Display, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "contemplant: {what}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_can_be_given_after_the_command() {
        let cli = Cli::parse_from([
            "contemplant",
            "config",
            "show",
            "--set",
            "slots=2",
            "--set",
            "prefetch=0",
        ]);
        assert_eq!(cli.set, ["slots=2", "prefetch=0"]);
    }
}
