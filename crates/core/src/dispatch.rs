//! Brings ready tasks to idle workers: plans, claims, hands out.
//!
//! One loop per coordinator, woken by whatever makes a task ready or a worker free. Between the plan and the claim another
//! coordinator may be first: then the claim finds less.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::join_all, stream};
use hierophant_domain::{ArtifactId, BlobRef, Name, TaskClass, WorkerId, time::Millis};
use hierophant_scheduler::{Offer, ReadyTasks, WorkerView, nobody_else_serves, plan};
use hierophant_store::{BATCH_MAX, ClaimOrder, Leased};
use hierophant_telemetry::{Kind as SpanKind, Span};

use crate::{
    ports::{AssignedInput, AssignedTask, Assignment, InputSource, Result},
    service::Core,
    sessions::Held,
};

/// Leases of one claim that are made ready for their worker at once: each looks its inputs up.
const TOLD_AT_ONCE: usize = 32;
/// How long a lost wake-up can go unnoticed.
const SLOW_LOOK: Duration = Duration::from_secs(1);
/// How long a worker that was passed over gets nothing of what others hold in reserve: as long as a task that it failed is usually
/// kept from it (`RetryPolicy::same_worker_after`). Without it, the two would take the task from each other all that time.
const PASSED_OVER_FOR: Duration = Duration::from_secs(30);

/// Which workers were lately given less of a class than offered, because they failed those tasks lately: what others hold in
/// reserve of it is not for them.
#[derive(Debug, Default)]
struct PassedOver(HashMap<(WorkerId, TaskClass), Instant>);

impl PassedOver {
    fn note(&mut self, offer: &Offer) {
        let now = Instant::now();
        self.0
            .extend(offer.classes.iter().map(|class| ((offer.worker, class.clone()), now)));
    }

    fn has(&self, worker: WorkerId, class: &TaskClass) -> bool {
        self.0.contains_key(&(worker, class.clone()))
    }

    fn forget_old(&mut self) {
        self.0.retain(|_, noted| noted.elapsed() < PASSED_OVER_FOR);
    }
}

pub(crate) async fn run(core: Core) {
    let mut passed_over = PassedOver::default();
    loop {
        match round(&core, &mut passed_over).await {
            // There may be more than one claim's worth.
            Ok(handed_out) if handed_out > 0 => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "tasks could not be handed out; trying again"),
        }
        let _ = tokio::time::timeout(SLOW_LOOK, core.0.wake.dispatch.notified()).await;
    }
}

/// Hands out what is ready. A worker that is given less than it was offered may not have what is left: that is offered to the
/// others in the same round.
async fn round(core: &Core, passed_over: &mut PassedOver) -> Result<usize> {
    passed_over.forget_old();
    let mut done_with: HashSet<WorkerId> = HashSet::new();
    let mut handed_out = 0;
    loop {
        let ready = ready(core).await?;
        let everyone = core.0.sessions.views();
        let views: Cow<'_, [WorkerView]> = if done_with.is_empty() {
            Cow::Borrowed(&everyone)
        } else {
            let left = everyone.iter().filter(|view| !done_with.contains(&view.id));
            left.cloned().collect()
        };
        let offers = plan(&ready, &views);
        let given = join_all(offers.iter().map(|offer| claim(core, offer, &everyone))).await;
        let mut all_taken = true;
        for (offer, given) in offers.iter().zip(given) {
            let given = given?;
            handed_out += given;
            if given < offer.limit {
                all_taken = false;
                done_with.insert(offer.worker);
                passed_over.note(offer);
            }
        }
        if all_taken {
            break;
        }
    }
    if handed_out == 0 {
        share_reservations(core, passed_over).await
    } else {
        Ok(handed_out)
    }
}

async fn ready(core: &Core) -> Result<Vec<ReadyTasks>> {
    let ready = core.0.store.ready().await?.into_iter();
    Ok(ready
        .map(|ready| ReadyTasks {
            class: ready.class,
            count: ready.count,
            first_rank: ready.first_rank,
        })
        .collect())
}

/// Claims what is offered and tells the worker; says how many tasks it has now.
async fn claim(core: &Core, offer: &Offer, everyone: &[WorkerView]) -> Result<usize> {
    let alone = offer.classes.iter();
    let alone = alone.filter(|class| nobody_else_serves(class, offer.worker, everyone));
    let leased = core
        .0
        .store
        .claim(ClaimOrder {
            worker: offer.worker,
            classes: offer.classes.clone(),
            nobody_else_serves: alone.cloned().collect(),
            limit: offer.limit.min(BATCH_MAX),
            reserve: offer.reserve,
            hold: core.0.settings.link_grace,
        })
        .await?;
    if !leased.is_empty() {
        Core::pass("lease-claimed");
    }
    let told = stream::iter(leased)
        .map(|lease| tell(core, lease, offer))
        .buffered(TOLD_AT_ONCE);
    Ok(told.filter(|told| std::future::ready(*told)).count().await)
}

/// Hands a lease out, or takes it back: `false`.
async fn tell(core: &Core, lease: Leased, offer: &Offer) -> bool {
    let token = lease.attempt.token;
    let told = hand_out(core, lease, offer.reserve).await.unwrap_or_else(|error| {
        tracing::warn!(worker.id = %offer.worker, %error, "a lease could not be handed out; it is taken back");
        false
    });
    if !told {
        let why = "its worker could not be told".to_owned();
        if let Err(error) = core.0.store.release(token, why).await {
            tracing::warn!(worker.id = %offer.worker, %error, "a lease could not be taken back; it will run out");
        }
    }
    told
}

/// `false` when the worker cannot be told.
async fn hand_out(core: &Core, leased: Leased, reserved: bool) -> Result<bool> {
    let now = core.now();
    let (worker, token) = (leased.attempt.worker, leased.attempt.token);
    let views = core.0.sessions.with_profile(worker, |profile| {
        let serving = profile
            .capabilities
            .iter()
            .filter(|capability| capability.serves(&leased.task.class));
        serving
            .map(|capability| capability.needs)
            .min_by_key(|needs| needs.memory)
            .unwrap_or_default()
    });
    let held = Held {
        class: leased.task.class.clone(),
        needs: views.unwrap_or_default(),
        running: !reserved,
        since: now,
        renewed_at: now,
        progress: None,
        progress_at: now,
    };
    let assignment = Assignment::Lease(Box::new(assigned(core, &leased).await?));
    trace_wait(&leased);
    tracing::info!(
        request.id = %leased.request.id, task.id = %leased.task.id, worker.id = %worker, reserved,
        "lease given: {}", leased.task.class.title(),
    );
    let told = core.0.sessions.assign(worker, token, held, assignment);
    Core::pass("lease-given");
    Ok(told)
}

/// Tells how long a task waited for its lease: since it was accepted, or since its last attempt failed.
fn trace_wait(leased: &Leased) {
    let last_failed = leased.task.failures.last().map(|note| note.at);
    let since = last_failed.unwrap_or(leased.request.accepted_at);
    let waited = Span::begun_at("queue", SpanKind::Internal, leased.request.trace.as_ref(), since.into());
    waited.note("request.id", || leased.request.id.to_string());
    waited.note("worker.id", || leased.attempt.worker.to_string());
}

/// Everything that the worker of a lease needs.
pub(crate) async fn assigned(core: &Core, leased: &Leased) -> Result<AssignedTask> {
    let request = &leased.request;
    let mut inputs = Vec::with_capacity(request.inputs.len() + 1);
    if let Some(program) = &request.program {
        let (size, sha256) = core.known_blob(program.artifact).await?.unzip();
        inputs.push(AssignedInput {
            name: Name::literal("program"),
            size: size.unwrap_or(0),
            sha256,
            source: source(core, program.artifact, leased),
        });
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
        program_id: request
            .program
            .as_ref()
            .map(|program| program.id.clone())
            .unwrap_or_default(),
        time_left: Millis(request.deadline.since(core.now()).0),
        inline_bytes: core.0.settings.inline_bytes,
        guest_log_bytes: core.0.settings.guest_log_bytes,
        upload_url,
        upload_token,
        trace: request.trace.clone(),
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
                source: source(core, *id, leased),
            })
        }
    }
}

fn source(core: &Core, id: ArtifactId, leased: &Leased) -> InputSource {
    InputSource::Artifact {
        id,
        url: core.lease_url(id, leased.attempt.token, leased.request.deadline),
    }
}

/// When nothing ready is for it, an idle worker gets what others only hold in reserve.
async fn share_reservations(core: &Core, passed_over: &PassedOver) -> Result<usize> {
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
                && !passed_over.has(view.id, &class)
                && view.needs_of(&class).is_some_and(|needs| view.free().fits(&needs))
        });
        let slots = idle.map(WorkerView::free_slots).sum::<usize>();
        if slots > 0 {
            taken_back += core.0.store.withdraw_reservations(class, slots.min(BATCH_MAX)).await?;
        }
    }
    Ok(taken_back)
}
