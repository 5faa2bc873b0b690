//! The workers of a line as `ProxyStatus` lists them: those that dialled in, and those that are attached.

use async_trait::async_trait;
use hierophant_core::ports::{Operators, WorkerView};
use hierophant_domain::worker::Liveness;
use hierophant_miden_api::{Health, Line, WorkerStatus};

/// Most workers that are listed.
const LISTED_MAX: usize = 100;

/// Remote provers, as whoever attaches them knows them.
#[async_trait]
pub trait Attached: Send + Sync + std::fmt::Debug + 'static {
    /// Those of a line, reachable or not. They may be among the core's workers, too, under the same name.
    async fn workers(&self, line: Line) -> Vec<WorkerStatus>;
}

/// Everybody who proves for a line.
pub(crate) async fn of_line(
    operators: &dyn Operators,
    attached: Option<&dyn Attached>,
    line: Line,
) -> Vec<WorkerStatus> {
    let mut listed = match attached {
        Some(attached) => attached.workers(line).await,
        None => Vec::new(),
    };
    match operators.workers(false, 0, LISTED_MAX).await {
        Ok(workers) => {
            let dialled = workers.iter().filter(|worker| serves(worker, line)).map(status);
            let dialled: Vec<_> = dialled
                .filter(|worker| !listed.iter().any(|known| known.name == worker.name))
                .collect();
            listed.extend(dialled);
        }
        Err(error) => tracing::warn!(%error, "workers cannot be listed now"),
    }
    listed.truncate(LISTED_MAX);
    listed
}

fn serves(worker: &WorkerView, line: Line) -> bool {
    let capabilities = worker.row.profile.capabilities.iter();
    capabilities
        .into_iter()
        .any(|capability| capability.system.as_str() == line.system())
}

fn status(worker: &WorkerView) -> WorkerStatus {
    let row = &worker.row;
    WorkerStatus {
        name: row.profile.name.clone(),
        version: row.profile.version.clone(),
        health: match row.liveness {
            Liveness::Alive => Health::Healthy,
            Liveness::Stale => Health::Unknown,
            Liveness::Gone => Health::Unhealthy,
        },
    }
}
