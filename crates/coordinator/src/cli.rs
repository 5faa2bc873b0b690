//! Commands and flags. Data goes to stdout, everything else to stderr.

use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use hierophant_config::{
    Layers, Loaded, example_file, load,
    settings::{LogFormat, hierophant::Settings},
    show,
};
use hierophant_telemetry::log;

use crate::{backup, remote_provers, wiring};

/// Release and commit.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("HIEROPHANT_COMMIT"), ")");

/// The coordinator of a self-hosted network for zero-knowledge proofs.
#[derive(Debug, Parser)]
#[command(name = "hierophant", version = VERSION, about, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    given: Given,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Where settings come from, beside the file's defaults.
#[derive(Debug, Args)]
struct Given {
    /// The settings file; `hierophant.toml` in the working directory if there is one.
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, stronger than file and environment; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Port for gRPC (the setting `grpc_port`).
    #[arg(long, global = true)]
    grpc_port: Option<u16>,
    /// Port for HTTP (the setting `http_port`).
    #[arg(long, global = true)]
    http_port: Option<u16>,
    /// Folder of the database and the artifacts (the setting `data_directory`).
    #[arg(long, global = true, value_name = "FOLDER")]
    data_directory: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the coordinator; also without any command.
    Run,
    /// Copies the coordinator's data into a new folder, while it runs.
    Backup(backup::Place),
    /// Puts a backup where the settings say that the data is; there must be no database yet.
    Restore(backup::Place),
    /// Checks the coordinator's data, or a backup: the database, and that every artifact is there.
    Check(backup::Check),
    /// Makes, checks and shows settings.
    #[command(subcommand)]
    Config(Config),
    /// Attaches, removes and lists listening workers of others. Speaks to the coordinator that runs on this machine, at
    /// HIEROPHANT_URL or http://127.0.0.1:9010.
    #[command(subcommand)]
    RemoteProver(remote_provers::Command),
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Writes a settings file with every setting explained; refuses to replace one.
    Init {
        /// Where to.
        #[arg(default_value = "hierophant.toml")]
        file: PathBuf,
    },
    /// Says everything that is wrong with the settings.
    Check,
    /// Shows every setting with where its value comes from.
    Show,
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> anyhow::Result<()> {
        match &self.command {
            None | Some(Command::Run) => {
                let settings = self.given.load()?.settings;
                log::start(&settings.log.filter, settings.log.format == LogFormat::Json)?;
                wiring::run(&settings)
            }
            Some(Command::Backup(place)) => say(&place.backup(&self.given.load()?.settings)?),
            Some(Command::Restore(place)) => say(&place.restore(&self.given.load()?.settings)?),
            Some(Command::Check(check)) => say(&check.run(&self.given.load()?.settings)?),
            Some(Command::RemoteProver(command)) => {
                let url = std::env::var("HIEROPHANT_URL").ok().filter(|url| !url.is_empty());
                say(&command.run(url.as_deref())?)
            }
            Some(Command::Config(Config::Init { file })) => init(file),
            Some(Command::Config(Config::Check)) => {
                let loaded = self.given.load()?;
                let from = loaded
                    .file
                    .map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
                writeln!(std::io::stderr(), "settings are fine ({from})")?;
                Ok(())
            }
            Some(Command::Config(Config::Show)) => say(&show(&self.given.load()?)),
        }
    }
}

/// Tells what was asked for.
fn say(text: &str) -> anyhow::Result<()> {
    Ok(write!(std::io::stdout(), "{text}")?)
}

impl Given {
    fn load(&self) -> anyhow::Result<Loaded<Settings>> {
        let folder = self.data_directory.as_ref().map(|folder| folder.display());
        let mut layers = Layers::new()
            .file(self.config.clone())
            .process_environment()
            .flag("--grpc-port", "grpc_port", self.grpc_port)
            .flag("--http-port", "http_port", self.http_port)
            .flag("--data-directory", "data_directory", folder);
        for given in &self.set {
            layers = layers.set(given);
        }
        Ok(load(&layers)?)
    }
}

fn init(file: &PathBuf) -> anyhow::Result<()> {
    let mut new = std::fs::File::create_new(file)
        .with_context(|| format!("cannot write {}; remove it or name another file", file.display()))?;
    new.write_all(example_file::<Settings>().as_bytes())?;
    writeln!(
        std::io::stderr(),
        "wrote {}; change what you need and start `hierophant`",
        file.display()
    )?;
    Ok(())
}
