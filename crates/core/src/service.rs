//! The core put together: what it stands on, and the background duties that it runs until it is told to stop.

use std::{sync::Arc, time::Duration};

use hierophant_artifacts::{blobs::BlobStore, tokens::Signer};
use hierophant_domain::Timestamp;
use hierophant_store::{Hint, Store};
use tokio::sync::{
    Notify,
    broadcast::{self, error::RecvError},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    dispatch,
    error::CoreError,
    execute, failpoint,
    followers::Followers,
    known::Known,
    ports::{CheckError, Checker},
    programs::SetUps,
    sessions::Sessions,
    settings::CoreSettings,
    sweep, verify,
};

/// The core: cheap to clone, all clones are one.
#[derive(Clone, Debug)]
pub struct Core(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    /// When this coordinator began, by the store's clock.
    pub(crate) began: Timestamp,
    pub(crate) blobs: BlobStore,
    pub(crate) signer: Signer,
    pub(crate) checker: Arc<dyn Checker>,
    pub(crate) settings: CoreSettings,
    pub(crate) sessions: Sessions,
    pub(crate) set_ups: SetUps,
    pub(crate) known: Known,
    pub(crate) followers: Followers,
    pub(crate) wake: Wake,
}

/// What background duties wait for. A lost wake-up costs at most their slow look.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    pub(crate) dispatch: Notify,
    pub(crate) verify: Notify,
    pub(crate) execute: Notify,
    pub(crate) sweep: Notify,
    pub(crate) collect: Notify,
}

impl Core {
    /// Puts the core together. Fails when the store does.
    pub async fn new(
        store: Arc<dyn Store>,
        blobs: BlobStore,
        checker: Arc<dyn Checker>,
        settings: CoreSettings,
    ) -> Result<Self, CoreError> {
        let signer = Signer::new(store.secret("artifact-urls".to_owned()).await?);
        Ok(Self(Arc::new(Inner {
            began: store.now(),
            store,
            blobs,
            signer,
            checker,
            settings,
            sessions: Sessions::default(),
            set_ups: SetUps::default(),
            known: Known::default(),
            followers: Followers::default(),
            wake: Wake::default(),
        })))
    }

    /// Starts the background duties. They end soon after `stop` is cancelled.
    pub fn start(&self, stop: &CancellationToken) -> TaskTracker {
        let tracker = TaskTracker::new();
        let duty = |name: &'static str, work: futures::future::BoxFuture<'static, ()>| {
            let stop = stop.clone();
            tracker.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = work => tracing::error!(duty = name, "a background duty ended by itself"),
                }
            });
        };
        // Subscribed before anything runs, so that no wake-up of theirs is missed.
        duty("hints", Box::pin(listen(self.clone(), self.0.store.hints())));
        duty("dispatch", Box::pin(dispatch::run(self.clone())));
        duty("verify", Box::pin(verify::run(self.clone())));
        duty("execute", Box::pin(execute::run(self.clone())));
        duty("sweep", Box::pin(sweep::run(self.clone())));
        duty("collect", Box::pin(sweep::collect(self.clone())));
        tracker.close();
        tracker
    }

    /// The store's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.store.now()
    }

    /// Runs a check no longer than its claim holds: afterwards somebody else does it, and one that hangs must not keep its place.
    pub(crate) async fn within_hold<T>(
        &self,
        check: impl Future<Output = Result<T, CheckError>>,
    ) -> Result<T, CheckError> {
        let hold = Duration::from_millis(u64::try_from(self.0.settings.check_hold.0).unwrap_or(0));
        // A little less, so that its end can still be settled under the claim.
        let limit = hold.saturating_sub(hold / 10);
        let ended = tokio::time::timeout(limit, check).await;
        ended.unwrap_or_else(|_| Err(CheckError::Died(format!("it did not end within {} s", limit.as_secs()))))
    }

    pub(crate) fn pass(name: &'static str) {
        failpoint::pass(name);
    }
}

/// Turns the store's hints into wake-ups of the duties, and tells workers of leases that were taken away.
async fn listen(core: Core, mut hints: broadcast::Receiver<Hint>) {
    let wake = &core.0.wake;
    loop {
        match hints.recv().await {
            Ok(Hint::Ready) => wake.dispatch.notify_one(),
            Ok(Hint::Delivered) => wake.verify.notify_one(),
            Ok(Hint::ExecutionWanted) => wake.execute.notify_one(),
            Ok(Hint::RequestChanged(id)) => core.0.followers.wake(id),
            Ok(Hint::Revoked { worker, token, reason }) => {
                core.0.sessions.revoke(worker, token, &reason);
                wake.dispatch.notify_one();
            }
            Ok(Hint::WorkerChanged(_)) => wake.sweep.notify_one(),
            Ok(Hint::Collectable) => wake.collect.notify_one(),
            Err(RecvError::Lagged(_)) => {
                wake.dispatch.notify_one();
                wake.verify.notify_one();
                wake.execute.notify_one();
                wake.sweep.notify_one();
                wake.collect.notify_one();
                core.0.followers.wake_all();
            }
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
