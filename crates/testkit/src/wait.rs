//! Waiting for a condition: looked at again and again until it holds or a bound is over, and then with what was seen.

use std::time::{Duration, Instant};

/// How long between two looks. Short against anything that is waited for, long against a look.
const BETWEEN: Duration = Duration::from_millis(10);

/// A condition that did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// For how long.
    pub bound: Duration,
    /// What was seen last.
    pub last_seen: String,
}

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} did not come about within {:?}; seen last: {}",
            self.what, self.bound, self.last_seen
        )
    }
}

impl std::error::Error for TimedOut {}

/// Looks until `look` gives `Ok`, for at most `bound`. `Err` says what was seen instead. It is looked at least once,
/// and a look that hangs is given up at the bound.
pub async fn try_wait_until<T>(
    what: &str,
    bound: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, TimedOut> {
    let end = Instant::now() + bound;
    let mut last_seen = "nothing: the first look did not end".to_owned();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left.max(BETWEEN), look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last_seen = seen,
            Err(_) => {}
        }
        if Instant::now() >= end {
            return Err(TimedOut {
                what: what.to_owned(),
                bound,
                last_seen,
            });
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// As [`try_wait_until`], for tests.
///
/// # Panics
/// When the condition did not come about, with what was seen last.
pub async fn wait_until<T>(what: &str, bound: Duration, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    match try_wait_until(what, bound, look).await {
        Ok(value) => value,
        Err(timed_out) => panic!("{timed_out}"),
    }
}
