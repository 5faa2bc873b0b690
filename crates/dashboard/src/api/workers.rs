//! `/contemplants` and `/dead-contemplants`: the workers, what each does, and how it stands.

use std::collections::BTreeMap;

use axum::{extract::State, response::Response};
use hierophant_core::ports::{Progress, WorkerView};
use hierophant_domain::{
    Attempt, AttemptState, Capability, Name, Request, RequestId, Timestamp, WorkerId, time::Millis, worker::Liveness,
};
use hierophant_store::WorkerRow;
use serde::Serialize;

use super::{
    Answer, ApiError, good,
    page::{Parameters, RawQuery, SKIP_MAX},
    show::{self, Space},
};
use crate::App;

#[derive(Serialize)]
struct Page {
    workers: Vec<Worker>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Worker {
    id: WorkerId,
    name: String,
    address: String,
    version: String,
    liveness: Liveness,
    draining: bool,
    first_seen_at: String,
    connected_at: String,
    last_seen_at: String,
    alive_seconds: f64,
    gone_reason: Option<String>,
    strikes: u32,
    quarantined_until: Option<String>,
    strike_reasons: Vec<Strike>,
    proofs: u64,
    average_proof_seconds: Option<f64>,
    slots: u32,
    prefetch: u32,
    capacity: Space,
    capabilities: Vec<Offer>,
    working_on: Vec<Work>,
}

#[derive(Serialize)]
struct Strike {
    at: String,
    reason: String,
}

#[derive(Serialize)]
struct Offer {
    role: Name,
    system: Name,
    kind: Name,
    labels: BTreeMap<Name, Name>,
    needs: Space,
}

#[derive(Serialize)]
struct Work {
    request_id: RequestId,
    private: bool,
    state: AttemptState,
    leased_at: String,
    elapsed_seconds: f64,
    system: Option<Name>,
    kind: Option<Name>,
    progress: Option<HowFar>,
}

#[derive(Serialize)]
struct HowFar {
    percent: f64,
    phase: String,
    done: u64,
    total: Option<u64>,
}

/// Workers that are here, or may be back.
pub(crate) async fn here(State(app): State<App>, query: RawQuery) -> Answer {
    page(&app, "/contemplants", false, query)
        .await
        .map_err(|error| error.answer(&app.0.info))
}

/// Workers that are gone, with the reason.
pub(crate) async fn gone(State(app): State<App>, query: RawQuery) -> Answer {
    page(&app, "/dead-contemplants", true, query)
        .await
        .map_err(|error| error.answer(&app.0.info))
}

async fn page(app: &App, path: &str, gone: bool, query: RawQuery) -> Result<Response, ApiError> {
    let parameters = Parameters::read(query, &[])?;
    let (offset, limit) = (parameters.offset()?, parameters.limit()?);
    let views = app.0.operators.workers(gone, offset, limit).await?;
    let end = offset + views.len();
    let next = (views.len() == limit && end <= SKIP_MAX).then(|| parameters.next(path, end));
    let now = app.0.operators.now();
    Ok(good(
        app,
        Page {
            workers: views.into_iter().map(|view| worker(view, now)).collect(),
            next,
        },
    ))
}

fn worker(view: WorkerView, now: Timestamp) -> Worker {
    let WorkerView { row, working_on } = view;
    Worker {
        alive_seconds: show::seconds(time_alive(&row, now)),
        average_proof_seconds: average(&row),
        id: row.profile.id,
        name: row.profile.name,
        address: row.profile.address,
        version: row.profile.version,
        liveness: row.liveness,
        draining: row.profile.draining,
        first_seen_at: show::time(row.first_seen),
        connected_at: show::time(row.connected_at),
        last_seen_at: show::time(row.last_seen),
        gone_reason: row.gone_reason,
        strikes: row.standing.strikes,
        quarantined_until: row
            .standing
            .quarantined_until
            .filter(|until| *until > now)
            .map(show::time),
        strike_reasons: row
            .strike_reasons
            .into_iter()
            .map(|(at, reason)| Strike {
                at: show::time(at),
                reason,
            })
            .collect(),
        proofs: row.proofs,
        slots: row.profile.slots,
        prefetch: row.profile.prefetch,
        capacity: row.profile.capacity.into(),
        capabilities: row.profile.capabilities.into_iter().map(offer).collect(),
        working_on: working_on
            .into_iter()
            .map(|(attempt, request, progress)| work(&attempt, &request, progress, now))
            .collect(),
    }
}

/// From the start of the present connection until now; of a worker that is gone: until it was last heard of.
fn time_alive(row: &WorkerRow, now: Timestamp) -> Millis {
    let until = match row.liveness {
        Liveness::Alive | Liveness::Stale => now,
        Liveness::Gone => row.last_seen,
    };
    until.since(row.connected_at)
}

/// From lease to delivery, over verified results.
fn average(row: &WorkerRow) -> Option<f64> {
    let mean = row.proving_ms_total.checked_div(row.proofs)?;
    Some(show::seconds(Millis(i64::try_from(mean).unwrap_or(i64::MAX))))
}

fn offer(capability: Capability) -> Offer {
    let Capability {
        role,
        system,
        kind,
        labels,
        needs,
    } = capability;
    Offer {
        role,
        system,
        kind,
        labels,
        needs: needs.into(),
    }
}

fn work(attempt: &Attempt, request: &Request, progress: Option<Progress>, now: Timestamp) -> Work {
    let open = !request.private;
    Work {
        request_id: request.id,
        private: request.private,
        state: attempt.state,
        leased_at: show::time(attempt.leased_at),
        elapsed_seconds: show::seconds(now.since(attempt.leased_at)),
        system: open.then(|| request.system.clone()),
        kind: open.then(|| request.kind.clone()),
        progress: progress.filter(|_| open).map(how_far),
    }
}

fn how_far(progress: Progress) -> HowFar {
    let Progress {
        phase,
        done,
        total,
        overall_bp,
    } = progress;
    HowFar {
        percent: f64::from(overall_bp.min(10_000)) / 100.0,
        phase,
        done,
        total: (total > 0).then_some(total),
    }
}
