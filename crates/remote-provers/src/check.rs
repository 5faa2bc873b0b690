//! One look at a prover: is it there, what does it say it is, does it serve.

use std::time::Duration;

use hierophant_miden_api::{
    Line,
    client::{RemoteError, RemoteWorker, WorkerInfo},
};
use tokio::time::Instant;

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// A prover of the line.
    Fit(WorkerInfo),
    /// Something else, and why it gets no work.
    Unfit(String),
    /// Nothing within the time.
    Silent(String),
}

/// Looks at it; answers within twice `timeout`.
pub(crate) async fn look(worker: &RemoteWorker, line: Line, timeout: Duration) -> Finding {
    let info = match worker.status(timeout).await {
        Ok(info) => info,
        Err(RemoteError::TimedOut(why)) => return Finding::Silent(format!("its status did not come: {why}")),
        Err(error) => return Finding::Unfit(error.to_string()),
    };
    if let Some(why) = foreign(&info.version, line) {
        return Finding::Unfit(why);
    }
    let asked = Instant::now();
    if worker.healthy(timeout).await {
        Finding::Fit(info)
    } else if asked.elapsed() >= timeout {
        Finding::Silent(format!("its health did not come within {timeout:?}"))
    } else {
        Finding::Unfit("its health service does not say SERVING".to_owned())
    }
}

/// Why a version is not one of the line: major and minor number must be the line's.
fn foreign(version: &str, line: Line) -> Option<String> {
    if version.is_empty() {
        return Some("it does not say which version it is".to_owned());
    }
    let major_minor = version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    (major_minor != line.as_str())
        .then(|| format!("it is version {version:?}, not of line {line}: attach it with its own line, or upgrade it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_belongs_to_the_line_of_its_first_two_numbers() {
        for (version, line) in [
            ("0.15.2", Line::V0_15),
            ("0.15", Line::V0_15),
            ("0.15.0+hierophant.0.1.0", Line::V0_15),
            ("0.18.0-rc.1", Line::V0_18),
        ] {
            assert_eq!(foreign(version, line), None, "{version}");
        }
        for version in ["", "0.1", "0.150.1", "0.16.0", "1.15.0", "v0.15.2", "latest", "0"] {
            assert!(foreign(version, Line::V0_15).is_some(), "{version}");
        }
    }
}
