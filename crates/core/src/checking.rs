//! Keeps checks going: claims as many as there is room for, and runs each as a task of its own, so that those that run go on
//! while the next are being claimed.
//!
//! Not here: what a check is (`verify`, `execute`).

use std::time::Duration;

use hierophant_domain::Request;
use hierophant_store::BATCH_MAX;
use hierophant_telemetry::{Kind as SpanKind, Span};
use tokio::{sync::Notify, task::JoinSet};

/// How long a lost wake-up can go unnoticed.
const SLOW_LOOK: Duration = Duration::from_secs(1);

/// Runs up to `at_once` checks of what `claim` finds, forever. When it is dropped, so are the checks that run.
pub(crate) async fn keep_busy<Work, Claimed, Checked>(
    at_once: usize,
    wake: &Notify,
    claim: impl Fn(usize) -> Claimed,
    check: impl Fn(Work) -> Checked,
) where
    Claimed: Future<Output = hierophant_store::Result<Vec<Work>>>,
    Checked: Future<Output = ()> + Send + 'static,
{
    let at_once = at_once.clamp(1, BATCH_MAX);
    let mut running: JoinSet<()> = JoinSet::new();
    // Whether there may be something to claim.
    let mut look = true;
    loop {
        while let Some(ended) = running.try_join_next() {
            note(ended);
        }
        let room = at_once - running.len();
        if look && room > 0 {
            match claim(room).await {
                Ok(claimed) => {
                    look = claimed.len() == room;
                    for work in claimed {
                        running.spawn(check(work));
                    }
                }
                Err(error) => {
                    look = false;
                    tracing::warn!(%error, "what is to be checked could not be claimed; trying again");
                }
            }
            continue;
        }
        tokio::select! {
            Some(ended) = running.join_next(), if room == 0 => note(ended),
            () = wake.notified(), if room > 0 => look = true,
            () = tokio::time::sleep(SLOW_LOOK) => look = true,
        }
    }
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        // Its claim runs out, and it is claimed again.
        tracing::error!(%error, "a check ended badly");
    }
}

/// The span of a check.
pub(crate) fn span(name: &'static str, request: &Request) -> Span {
    let span = Span::begin(name, SpanKind::Internal, request.trace.as_ref());
    span.note("request.id", || request.id.to_string());
    span
}
