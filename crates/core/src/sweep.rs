//! What time brings: deadlines, leases that ran out, workers that fell silent, blobs that nobody needs.

use std::time::Duration;

use hierophant_domain::{Failure, FailureClass, time::Millis};
use hierophant_store::{BATCH_MAX, Presence};

use crate::{ports::Result, service::Core};

/// How often time is looked at. Deadlines and lease ends are seconds to hours away, so half a second is soon enough.
const TICK: Duration = Duration::from_millis(500);
/// How often blobs are collected.
const COLLECT_EVERY: Duration = Duration::from_mins(1);

pub(crate) async fn run(core: Core) {
    loop {
        let _ = tokio::time::timeout(TICK, core.0.wake.sweep.notified()).await;
        if let Err(error) = look(&core).await {
            tracing::warn!(%error, "deadlines and leases could not be looked at; trying again");
        }
    }
}

async fn look(core: &Core) -> Result<()> {
    let store = &core.0.store;
    while store.lapse_due(BATCH_MAX).await? == BATCH_MAX {}
    loop {
        let expired = store.expire_requests(BATCH_MAX).await?;
        for id in &expired {
            tracing::warn!(request.id = %id, "request expired");
        }
        if expired.len() < BATCH_MAX {
            break;
        }
    }
    overdue(core).await?;
    silent(core).await?;
    quarantined(core).await
}

/// Takes the lease from workers whose proof goes on for too long, with a strike.
async fn overdue(core: &Core) -> Result<()> {
    let settings = &core.0.settings;
    for lease in core.0.sessions.overdue(settings.proof_timeout, settings.progress_interval, core.now()) {
        core.0.store.fail(lease.token, Failure::new(FailureClass::Transient, lease.reason.clone())).await?;
        core.0.store.strike(lease.worker, lease.reason.clone()).await?;
        core.0.sessions.revoke(lease.worker, lease.token, &lease.reason);
        core.0.wake.dispatch.notify_one();
    }
    Ok(())
}

async fn silent(core: &Core) -> Result<()> {
    for silent in core.0.sessions.silent(core.0.settings.gone_after, core.now()) {
        tracing::warn!(worker.id = %silent.worker, "worker dropped: {}", silent.reason);
        core.0.store.worker_presence(silent.worker, Presence::Gone, silent.reason.clone()).await?;
        core.0.store.lapse_worker(silent.worker, silent.reason.clone()).await?;
        core.0.sessions.remove(silent.worker);
    }
    Ok(())
}

/// Workers whose last strike was one too many are told to go; their leases go to others.
async fn quarantined(core: &Core) -> Result<()> {
    let now = core.now();
    let connected = core.0.sessions.ids();
    if connected.is_empty() {
        return Ok(());
    }
    for row in core.0.store.workers(false, 0, hierophant_store::PAGE_MAX).await? {
        if !row.standing.is_trusted(now) && connected.contains(&row.profile.id) {
            let last = row.strike_reasons.first().map_or("", |(_, reason)| reason.as_str());
            let reason = format!("dropped after too many strikes; the last one: {last}");
            core.0.sessions.quarantine(row.profile.id, &reason);
            core.0.store.lapse_worker(row.profile.id, reason.clone()).await?;
            core.0.store.worker_presence(row.profile.id, Presence::Gone, reason).await?;
            core.0.sessions.remove(row.profile.id);
        }
    }
    Ok(())
}

/// Removes blobs that nothing needs, and says what it freed.
pub(crate) async fn collect(core: Core) {
    loop {
        match collect_once(&core).await {
            Ok((0, _)) => {}
            Ok((blobs, bytes)) => tracing::info!(blobs, bytes, "artifacts collected"),
            Err(error) => tracing::warn!(%error, "artifacts could not be collected; trying again later"),
        }
        tokio::time::sleep(COLLECT_EVERY).await;
    }
}

async fn collect_once(core: &Core) -> Result<(usize, u64)> {
    let now = core.now();
    let before = |age: Millis| hierophant_domain::Timestamp(now.0.saturating_sub(age.0));
    while core.0.store.release_ended(before(core.0.settings.keep_ended), BATCH_MAX).await? == BATCH_MAX {}
    let (mut blobs, mut bytes) = (0, 0);
    loop {
        let going = core.0.store.collectable(before(core.0.settings.collect_after), BATCH_MAX).await?;
        if going.is_empty() {
            return Ok((blobs, bytes));
        }
        let mut gone = Vec::with_capacity(going.len());
        for row in going {
            match core.0.blobs.delete(row.id).await {
                Ok(_) => {
                    blobs += 1;
                    bytes += row.size;
                    gone.push(row.id);
                }
                Err(error) => tracing::warn!(artifact.id = %row.id, %error, "an artifact could not be removed"),
            }
        }
        if gone.is_empty() {
            return Ok((blobs, bytes));
        }
        core.0.store.forget_artifacts(gone).await?;
    }
}
