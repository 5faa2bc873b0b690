//! What every case stands on.

mod fake;
mod network;

use std::{fmt::Debug, time::Duration};

use tokio::time::{Instant, sleep};

pub(crate) use fake::{Fake, Prove, Says};
pub(crate) use network::{Network, TRACE};

/// Far longer than anything here takes, on a loaded machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until `probe` says `Ok`; panics with the last `Err` when it never does.
pub(crate) async fn eventually<T, E: Debug, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(seen) => assert!(
                Instant::now() < end,
                "{what}: not within {PATIENCE:?}; last seen: {seen:?}"
            ),
        }
        sleep(LOOK_EVERY).await;
    }
}
