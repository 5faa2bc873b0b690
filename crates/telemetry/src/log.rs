//! The log: to standard error, for people or for programs, filtered by the setting `log.filter` (which `RUST_LOG` outdoes).

use std::io;

use tracing_subscriber::EnvFilter;

/// The filter does not parse.
#[derive(Debug, thiserror::Error)]
#[error("`log.filter` is not a filter: {0}; write a level such as \"info\", or levels by module")]
pub struct BadFilter(tracing_subscriber::filter::ParseError);

/// Begins to log, `json` objects for programs or lines for people. Once per process.
///
/// # Errors
/// [`BadFilter`].
pub fn start(filter: &str, json: bool) -> Result<(), BadFilter> {
    let filter = EnvFilter::builder().parse(filter).map_err(BadFilter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if json {
        lines.json().flatten_event(true).init();
    } else {
        lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init();
    }
    Ok(())
}
