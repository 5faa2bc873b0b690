//! The log: to stderr, as text or JSON, filtered by the setting `log.filter` (which `RUST_LOG` outdoes).

use anyhow::Context as _;
use hierophant_config::settings::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts logging. Once per process.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(&log.filter)
        .with_context(|| format!("log.filter {:?} is not understood; \"info\" is one that is", log.filter))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
