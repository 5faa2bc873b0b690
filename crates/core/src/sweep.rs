//! What time brings: deadlines, leases that ran out, workers that fell silent, blobs that nobody needs.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use hierophant_domain::{
    Failure, FailureClass, WorkerId,
    attempt::Fence,
    time::Millis,
    worker::{Offence, Strike},
};
use hierophant_store::{BATCH_MAX, PAGE_MAX, Presence, WorkerRow};

use crate::{orphans, ports::Result, service::Core};

/// How often time is looked at. Deadlines and lease ends are seconds to hours away, so half a second is soon enough.
const TICK: Duration = Duration::from_millis(500);
/// How often the rows of all workers are looked at when nothing calls for it.
const WORKERS_EVERY: Duration = Duration::from_secs(5);
/// How often blobs are collected when nothing calls for it.
const COLLECT_EVERY: Duration = Duration::from_mins(1);

pub(crate) async fn run(core: Core) {
    let mut workers_seen_at = Instant::now();
    loop {
        let woken = tokio::time::timeout(TICK, core.0.wake.sweep.notified()).await.is_ok();
        let looked = async {
            look(&core).await?;
            if woken || workers_seen_at.elapsed() >= WORKERS_EVERY {
                known_workers(&core).await?;
                workers_seen_at = Instant::now();
            }
            Result::Ok(())
        };
        if let Err(error) = looked.await {
            tracing::warn!(%error, "deadlines, leases and workers could not be looked at; trying again");
        }
    }
}

async fn look(core: &Core) -> Result<()> {
    let store = &core.0.store;
    // Before this coordinator there may have been none that leases could be renewed at.
    if core.now().since(core.0.began) >= core.0.settings.link_grace {
        while store.lapse_due(BATCH_MAX).await? == BATCH_MAX {}
    }
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
    silent(core).await
}

/// Takes the lease from workers whose proof goes on for too long, with a strike.
async fn overdue(core: &Core) -> Result<()> {
    let (settings, now) = (&core.0.settings, core.now());
    // By the same time: a lease that ran out without a word is not overdue.
    if core.0.sessions.let_go_forgotten(settings.link_grace, now) > 0 {
        core.0.wake.dispatch.notify_one();
    }
    for lease in core
        .0
        .sessions
        .overdue(settings.proof_timeout, settings.progress_interval, now)
    {
        let fence = core
            .0
            .store
            .fail(lease.token, Failure::new(FailureClass::Transient, lease.reason.clone()))
            .await?;
        // One that has ended meanwhile, or ran out, is not to blame for taking long.
        if fence == Fence::Pass {
            let strike = Strike::new(Offence::TooSlow, lease.reason.clone());
            core.0.store.strike(lease.worker, strike).await?;
        }
        core.0.sessions.revoke(lease.worker, lease.token, &lease.reason);
        core.0.wake.dispatch.notify_one();
    }
    Ok(())
}

async fn silent(core: &Core) -> Result<()> {
    for silent in core.0.sessions.silent(core.0.settings.gone_after, core.now()) {
        tracing::warn!(worker.id = %silent.worker, "worker dropped: {}", silent.reason);
        core.0
            .store
            .worker_presence(silent.worker, Presence::Gone, silent.reason.clone())
            .await?;
        core.0.store.lapse_worker(silent.worker, silent.reason.clone()).await?;
        core.0.sessions.remove(silent.worker);
    }
    Ok(())
}

/// Looks at the rows of all workers that are not gone.
async fn known_workers(core: &Core) -> Result<()> {
    let now = core.now();
    let connected: HashSet<WorkerId> = core.0.sessions.ids().into_iter().collect();
    let mut staying = 0;
    loop {
        let page = core.0.store.workers(false, staying, PAGE_MAX).await?;
        let last = page.len() < PAGE_MAX;
        for row in page {
            let here = connected.contains(&row.profile.id);
            if here && !row.standing.is_trusted(now) {
                quarantined(core, &row).await?;
            } else if !here && now.since(row.last_seen.max(core.0.began)) >= core.0.settings.gone_after {
                lost(core, &row).await?;
            } else {
                staying += 1;
            }
        }
        if last {
            return Ok(());
        }
    }
}

/// A worker whose last strike was one too many is told to go; its leases are worth nothing any more and go to others.
async fn quarantined(core: &Core, row: &WorkerRow) -> Result<()> {
    let worker = row.profile.id;
    let last = row.strike_reasons.first().map_or("", |(_, reason)| reason.as_str());
    let reason = format!("dropped after too many strikes; the last one: {last}");
    tracing::warn!(worker.id = %worker, "worker {reason}");
    core.0.sessions.quarantine(worker);
    for lease in &row.leases {
        core.0
            .store
            .fail(lease.token, Failure::new(FailureClass::Transient, reason.clone()))
            .await?;
    }
    core.0
        .store
        .worker_presence(worker, Presence::Gone, reason.clone())
        .await?;
    // Told last: the end of its connection would else be noted over the reason.
    core.0.sessions.dismiss(worker, &reason);
    Ok(())
}

/// A worker that was connected to a coordinator before this one, and did not come back.
async fn lost(core: &Core, row: &WorkerRow) -> Result<()> {
    let worker = row.profile.id;
    let reason = format!("not heard of for {} s", core.0.settings.gone_after.0 / 1000);
    tracing::warn!(worker.id = %worker, "worker dropped: {reason}");
    core.0
        .store
        .worker_presence(worker, Presence::Gone, reason.clone())
        .await?;
    core.0.store.lapse_worker(worker, reason).await?;
    Ok(())
}

/// Removes blobs that nothing needs, and says what it freed: every minute, and at once what a private request let go of.
pub(crate) async fn collect(core: Core) {
    for shard in (0..=u8::MAX).cycle() {
        if let Err(error) = orphans::remove(&core, shard).await {
            tracing::warn!(%error, "blobs without a row could not be looked for; trying again later");
        }
        let next_shard = tokio::time::Instant::now() + COLLECT_EVERY;
        loop {
            match collect_once(&core).await {
                Ok((0, _)) => {}
                Ok((blobs, bytes)) => tracing::info!(blobs, bytes, "artifacts collected"),
                Err(error) => tracing::warn!(%error, "artifacts could not be collected; trying again later"),
            }
            let woken = tokio::time::timeout_at(next_shard, core.0.wake.collect.notified()).await;
            if woken.is_err() {
                break;
            }
        }
    }
}

async fn collect_once(core: &Core) -> Result<(usize, u64)> {
    let now = core.now();
    let before = |age: Millis| hierophant_domain::Timestamp(now.0.saturating_sub(age.0));
    while core
        .0
        .store
        .release_ended(before(core.0.settings.keep_ended), BATCH_MAX)
        .await?
        == BATCH_MAX
    {}
    let (mut blobs, mut bytes) = (0, 0);
    loop {
        let going = core
            .0
            .store
            .collectable(before(core.0.settings.collect_after), BATCH_MAX)
            .await?;
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
