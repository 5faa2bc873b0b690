//! The log on stderr. What must stay true: it never shows what a witness holds. So nothing below a warning of other crates
//! is shown, and of a panic only where it happened.

use std::{io, panic};

use tracing::{Level, Metadata};
use tracing_subscriber::{Layer as _, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub(crate) fn start() {
    let log = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_filter(filter_fn(for_people));
    tracing_subscriber::registry().with(log).init();
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::warn!("gave up at {place}");
    }));
}

fn for_people(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().starts_with("miden_kit");
    // It calls it an error, at every start, that the published libraries carry what it does not need.
    let is_noise = metadata.target().starts_with("miden_core::mast");
    metadata.is_event() && !is_noise && *metadata.level() <= if ours { Level::INFO } else { Level::WARN }
}
