//! Brings ready tasks to idle workers: plans, claims, hands out.
//!
//! One loop per coordinator, woken by whatever makes a task ready or a worker free. Between the plan and the claim another
//! coordinator may be first: then the claim finds less.

use std::time::Duration;

use futures::future::join_all;
use hierophant_domain::{BlobRef, Name, time::Millis};
use hierophant_scheduler::{Offer, ReadyTasks, plan};
use hierophant_store::{BATCH_MAX, ClaimOrder, Leased};

use crate::{
    ports::{AssignedInput, AssignedTask, Assignment, InputSource, Result},
    service::Core,
    sessions::Held,
};

/// How long a lost wake-up can go unnoticed.
const SLOW_LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn run(core: Core) {
    loop {
        match round(&core).await {
            // There may be more than one claim's worth.
            Ok(handed_out) if handed_out > 0 => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "tasks could not be handed out; trying again"),
        }
        let _ = tokio::time::timeout(SLOW_LOOK, core.0.wake.dispatch.notified()).await;
    }
}

async fn round(core: &Core) -> Result<usize> {
    let ready: Vec<ReadyTasks> = core
        .0
        .store
        .ready()
        .await?
        .into_iter()
        .map(|ready| ReadyTasks { class: ready.class, count: ready.count, first_rank: ready.first_rank })
        .collect();
    if ready.is_empty() {
        return share_reservations(core).await;
    }
    let offers = plan(&ready, &core.0.sessions.views());
    let handed_out: Vec<usize> = join_all(offers.into_iter().map(|offer| claim(core, offer))).await.into_iter().collect::<Result<_>>()?;
    let handed_out = handed_out.into_iter().sum();
    Ok(handed_out)
}

async fn claim(core: &Core, offer: Offer) -> Result<usize> {
    let leased = core
        .0
        .store
        .claim(ClaimOrder {
            worker: offer.worker,
            classes: offer.classes,
            limit: offer.limit.min(BATCH_MAX),
            reserve: offer.reserve,
            hold: core.0.settings.link_grace,
        })
        .await?;
    let count = leased.len();
    for lease in leased {
        hand_out(core, lease, offer.reserve).await?;
    }
    Ok(count)
}

async fn hand_out(core: &Core, leased: Leased, reserved: bool) -> Result<()> {
    let now = core.now();
    let (worker, token) = (leased.attempt.worker, leased.attempt.token);
    let views = core.0.sessions.with_profile(worker, |profile| {
        let serving = profile.capabilities.iter().filter(|capability| capability.serves(&leased.task.class));
        serving.map(|capability| capability.needs).min_by_key(|needs| needs.memory).unwrap_or_default()
    });
    let held = Held {
        class: leased.task.class.clone(),
        needs: views.unwrap_or_default(),
        running: !reserved,
        since: now,
        progress: None,
        progress_at: now,
    };
    let assignment = Assignment::Lease(Box::new(assigned(core, &leased).await?));
    tracing::info!(
        request.id = %leased.request.id, task.id = %leased.task.id, worker.id = %worker, reserved,
        "lease given: {}", leased.task.class.title(),
    );
    if !core.0.sessions.assign(worker, token, held, assignment) {
        core.0.store.release(token, "its worker could not be told".to_owned()).await?;
    }
    Core::pass("lease-given");
    Ok(())
}

/// Everything that the worker of a lease needs.
pub(crate) async fn assigned(core: &Core, leased: &Leased) -> Result<AssignedTask> {
    let request = &leased.request;
    let mut inputs = Vec::with_capacity(request.inputs.len() + 1);
    if let Some(program) = &request.program {
        inputs.push(input(core, Name::literal("program"), &BlobRef::Artifact(program.artifact), leased).await?);
    }
    for given in &request.inputs {
        inputs.push(input(core, given.name.clone(), &given.blob, leased).await?);
    }
    let (upload_url, upload_token) = core.upload_grant(leased.attempt.token, request.deadline);
    Ok(AssignedTask {
        token: leased.attempt.token,
        task: leased.task.id,
        request: request.id,
        class: leased.task.class.clone(),
        inputs,
        limits: request.limits,
        program_id: request.program.as_ref().map(|program| program.id.clone()).unwrap_or_default(),
        time_left: Millis(request.deadline.since(core.now()).0),
        upload_url,
        upload_token,
    })
}

async fn input(core: &Core, name: Name, blob: &BlobRef, leased: &Leased) -> Result<AssignedInput> {
    match blob {
        BlobRef::Inline(bytes) => Ok(AssignedInput {
            name,
            size: bytes.len() as u64,
            sha256: None,
            source: InputSource::Inline(bytes.clone()),
        }),
        BlobRef::Artifact(id) => {
            let row = core.0.store.artifact(*id).await?;
            Ok(AssignedInput {
                name,
                size: row.as_ref().map_or(0, |row| row.size),
                sha256: row.and_then(|row| row.sha256),
                source: InputSource::Url(core.lease_url(*id, leased.attempt.token, leased.request.deadline)),
            })
        }
    }
}

/// With nothing ready, an idle worker gets what others only hold in reserve.
async fn share_reservations(core: &Core) -> Result<usize> {
    let mut classes = core.0.sessions.reserved_classes();
    if classes.is_empty() {
        return Ok(0);
    }
    classes.sort();
    classes.dedup();
    let views = core.0.sessions.views();
    let mut taken_back = 0;
    for class in classes {
        let idle = views.iter().filter(|view| {
            view.is_open()
                && view.free_slots() > 0
                && view.needs_of(&class).is_some_and(|needs| view.free().fits(&needs))
        });
        let slots = idle.map(hierophant_scheduler::WorkerView::free_slots).sum::<usize>();
        if slots > 0 {
            taken_back += core.0.store.withdraw_reservations(class, slots.min(BATCH_MAX)).await?;
        }
    }
    Ok(taken_back)
}
