//! `/proof-history`: which worker proved what, and how long it took.

use axum::{extract::State, response::Response};
use hierophant_domain::{Name, RequestId, Timestamp, WorkerId};
use hierophant_store::{HistoryRow, PAGE_MAX};
use serde::Serialize;

use super::{
    Answer, ApiError, good,
    page::{Parameters, Position, RawQuery},
    show,
};
use crate::App;

#[derive(Serialize)]
struct Page {
    proofs: Vec<Row>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Row {
    request_id: RequestId,
    private: bool,
    system: Option<Name>,
    kind: Option<Name>,
    worker: Prover,
    accepted_at: String,
    leased_at: String,
    delivered_at: String,
    fulfilled_at: String,
    proof_seconds: f64,
    total_seconds: f64,
    cycles: Option<String>,
}

#[derive(Serialize)]
struct Prover {
    id: WorkerId,
    name: String,
    address: String,
}

/// Fulfilled requests, the latest first.
pub(crate) async fn page(State(app): State<App>, query: RawQuery) -> Answer {
    read(&app, query).await.map_err(|error| error.answer(&app.0.info))
}

async fn read(app: &App, query: RawQuery) -> Result<Response, ApiError> {
    let parameters = Parameters::read(query, &[])?;
    let (start, limit) = (parameters.position()?, parameters.limit()?);
    let (rows, more) = rows(app, start, limit).await?;
    let times: Vec<Timestamp> = rows.iter().map(fulfilled_at).collect();
    let next = Position::after(start, &times)
        .filter(|_| more)
        .map(|next| parameters.next("/proof-history", next));
    Ok(good(
        app,
        Page {
            proofs: rows.into_iter().map(proof).collect(),
            next,
        },
    ))
}

/// Up to `limit` rows from `start` on, and whether there may be more. The store begins at a time only; so rows of that
/// millisecond that were shown already are read again and passed over.
async fn rows(app: &App, start: Option<Position>, limit: usize) -> Result<(Vec<HistoryRow>, bool), ApiError> {
    let Some(start) = start else {
        let rows = app.0.operators.history(None, limit).await?;
        let more = rows.len() == limit;
        return Ok((rows, more));
    };
    // More proofs than a page can hold were fulfilled in one millisecond: what is left of them cannot be reached.
    let (before, skip) = if start.skip >= PAGE_MAX {
        (start.at, 0)
    } else {
        (start.upper(), start.skip)
    };
    let read = (limit + skip).min(PAGE_MAX);
    let mut rows = app.0.operators.history(Some(before), read).await?;
    let more = rows.len() == read;
    rows.drain(..skip.min(rows.len()));
    Ok((rows, more))
}

fn fulfilled_at(row: &HistoryRow) -> Timestamp {
    row.request.ended_at.unwrap_or(row.delivered_at)
}

fn proof(row: HistoryRow) -> Row {
    let open = !row.request.private;
    let fulfilled_at = fulfilled_at(&row);
    let record = row
        .request
        .outcome
        .as_ref()
        .map(|outcome| &outcome.record)
        .filter(|_| open);
    Row {
        request_id: row.request.id,
        private: row.request.private,
        system: open.then(|| row.request.system.clone()),
        kind: open.then(|| row.request.kind.clone()),
        accepted_at: show::time(row.request.accepted_at),
        leased_at: show::time(row.leased_at),
        delivered_at: show::time(row.delivered_at),
        fulfilled_at: show::time(fulfilled_at),
        proof_seconds: show::seconds(row.delivered_at.since(row.leased_at)),
        total_seconds: show::seconds(fulfilled_at.since(row.request.accepted_at)),
        cycles: show::big(record.and_then(|record| record.cycles)),
        worker: Prover {
            id: row.worker,
            name: row.worker_name,
            address: row.worker_address,
        },
    }
}
