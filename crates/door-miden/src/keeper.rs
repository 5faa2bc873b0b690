//! Keeps one open request: follows it, knows who waits, gives it up when it is time, and tells those who wait how it ended.
//!
//! Invariants: it ends with its request, or with the process; an orderly stop gives nothing up. Not here: the decisions
//! (`life`).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hierophant_core::{
    CoreError,
    ports::{Clients, Stage},
};
use hierophant_domain::{RequestId, Requester};
use hierophant_miden_api::{Kind, Line, Refusal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    calls::{Calls, QueuePlace, Watched},
    ending,
    life::{GivenUp, Life, Place, Step},
    metric,
    settings::DoorSettings,
};

/// How long a store that is away is left alone.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a lost wake-up can go unnoticed.
const SLOW_LOOK: Duration = Duration::from_secs(5);

/// What a keeper stands on.
#[derive(Clone, Debug)]
pub(crate) struct Keeping {
    pub(crate) clients: Arc<dyn Clients>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) settings: Arc<DoorSettings>,
    pub(crate) stop: CancellationToken,
    /// What outlives the call that began it: requests that are being made, and the keepers.
    pub(crate) tasks: TaskTracker,
}

/// The request that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) id: RequestId,
    pub(crate) requester: Requester,
    pub(crate) line: Line,
    pub(crate) kind: Kind,
    pub(crate) life: Life,
    /// Held while it is queued.
    pub(crate) place: Option<QueuePlace>,
}

impl Keeping {
    /// Keeps a request until it has ended, in a task of its own.
    pub(crate) fn keep(&self, kept: Kept, watched: Arc<Watched>) {
        let keeping = self.clone();
        self.tasks.spawn(async move {
            let id = kept.id;
            let told = tokio::select! {
                () = keeping.stop.cancelled() => Err(Refusal::Unavailable(
                    "this network's coordinator is stopping; send the same witness again: its proof goes on".to_owned(),
                )),
                ended = keeping.until_ended(kept, &watched) => ended,
            };
            // First out of the table: who comes now looks at the rows.
            keeping.calls.forget(id);
            watched.ended.send_replace(Some(told));
        });
    }

    async fn until_ended(&self, mut kept: Kept, watched: &Watched) -> ending::Ended {
        let mut following = self.clients.follow(kept.id);
        let mut callers = watched.callers.subscribe();
        let mut given_up = None;
        loop {
            let waiting = *callers.borrow_and_update();
            let wait_until = match self.look(&mut kept, waiting, &mut given_up).await {
                Ok(Look::Ended(ended)) => return ended,
                Ok(Look::WaitUntil(when)) => when.min(Instant::now() + SLOW_LOOK),
                Err(error) => {
                    tracing::warn!(request.id = %kept.id, %error, "a request cannot be followed now");
                    Instant::now() + AGAIN_AFTER
                }
            };
            tokio::select! {
                () = following.changed() => {}
                // The sender lives as long as this.
                _ = callers.changed() => {}
                () = tokio::time::sleep_until(wait_until.into()) => {}
            }
        }
    }

    /// Looks once and does what is due.
    async fn look(&self, kept: &mut Kept, callers: usize, given_up: &mut Option<GivenUp>) -> Result<Look, CoreError> {
        let stage = match self.clients.stage(kept.id).await? {
            Some(stage @ (Stage::Queued | Stage::Proving(_) | Stage::Checking(_))) => stage,
            Some(Stage::Ended) | None => return self.ended(kept.id, *given_up).await,
        };
        let now = Instant::now();
        if let Some(waited) = kept.life.at(stage, now) {
            metric::left_queue(kept.line, kept.kind, waited);
        }
        self.take_place(kept);
        kept.life.waited_for_by(callers, now);
        match kept.life.step(&self.settings, now) {
            Step::WaitUntil(when) => Ok(Look::WaitUntil(when)),
            Step::GiveUp(why) => {
                *given_up = Some(why);
                tracing::info!(request.id = %kept.id, ?why, "a request is given up");
                self.clients.cancel(kept.id, kept.requester.clone()).await?;
                self.ended(kept.id, *given_up).await
            }
        }
    }

    /// How a request ended that is not open any more.
    async fn ended(&self, id: RequestId, given_up: Option<GivenUp>) -> Result<Look, CoreError> {
        let status = self.clients.status(id).await?;
        Ok(Look::Ended(status.map_or_else(
            || {
                Err(Refusal::Unavailable(
                    "the request is gone; send the witness again".to_owned(),
                ))
            },
            |status| ending::of_request(&status, given_up),
        )))
    }

    /// Holds a place in the queue exactly while the request is in it; one that comes back always finds room.
    fn take_place(&self, kept: &mut Kept) {
        match kept.life.place() {
            Place::Worker => kept.place = None,
            Place::Queue if kept.place.is_none() => kept.place = self.calls.queue(usize::MAX),
            Place::Queue => {}
        }
    }
}

/// What a look found.
enum Look {
    /// It has ended.
    Ended(ending::Ended),
    /// Nothing to do before then.
    WaitUntil(Instant),
}
