//! Sets the log up: to standard error, for people or for programs.

use std::io;

use hierophant_config::settings::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// The filter does not parse.
#[derive(Debug, thiserror::Error)]
#[error("`log.filter` is not a filter: {0}; write a level such as \"info\", or levels by module")]
pub(crate) struct BadFilter(tracing_subscriber::filter::ParseError);

/// Begins to log. Once per process.
pub(crate) fn start(log: &Log) -> Result<(), BadFilter> {
    let filter = EnvFilter::builder().parse(&log.filter).map_err(BadFilter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match log.format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
