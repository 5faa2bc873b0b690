//! `/requests` and `/requests/{id}`: what was asked for, how far it is, and why it waits or failed.

use axum::{
    extract::{Path, State},
    response::Response,
};
use hierophant_domain::{
    Attempt, AttemptId, AttemptState, FailureClass, Name, ProgramFault, Request, RequestId, RequestState, Timestamp,
    WorkerId,
    request::{Binding, Execution},
};
use hierophant_store::RequestFilter;
use serde::Serialize;

use super::{
    Answer, ApiError, good,
    page::{Parameters, Position, RawQuery},
    quoted, show,
};
use crate::App;

/// Most attempts shown of one request, the latest ones.
const ATTEMPTS_SHOWN: usize = 100;

/// The states by the words that are shown.
const STATES: [(&str, RequestState); 5] = [
    ("open", RequestState::Open),
    ("fulfilled", RequestState::Fulfilled),
    ("failed", RequestState::Failed),
    ("cancelled", RequestState::Cancelled),
    ("expired", RequestState::Expired),
];

#[derive(Serialize)]
struct Page {
    requests: Vec<Brief>,
    next: Option<String>,
}

/// What may be shown of every request.
#[derive(Serialize)]
struct Brief {
    id: RequestId,
    state: RequestState,
    private: bool,
    accepted_at: String,
    deadline: String,
    updated_at: String,
    ended_at: Option<String>,
    /// `None` for private ones.
    #[serde(flatten)]
    details: Option<Details>,
}

#[derive(Serialize)]
struct Details {
    door: Name,
    requester: String,
    system: Name,
    kind: Name,
    toolchain: Name,
    program_id: Option<String>,
    priority: i16,
    waiting_reason: Option<String>,
    failure: Option<Failed>,
}

#[derive(Serialize)]
struct Failed {
    class: FailureClass,
    fault: Option<ProgramFault>,
    message: String,
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    brief: Brief,
    #[serde(flatten)]
    more: Option<More>,
    attempts: Vec<Try>,
}

#[derive(Serialize)]
struct More {
    requested_deadline: String,
    cycle_limit: Option<String>,
    gas_limit: Option<String>,
    inputs: Vec<Name>,
    execution: Executed,
    outcome: Option<Product>,
}

#[derive(Serialize)]
struct Executed {
    state: &'static str,
    reason: Option<String>,
    cycles: Option<String>,
    gas: Option<String>,
}

#[derive(Serialize)]
struct Product {
    artifacts: Vec<Name>,
    binding: Binding,
    prover_seconds: f64,
    peak_memory_bytes: u64,
    cycles: Option<String>,
    gas: Option<String>,
}

#[derive(Serialize)]
struct Try {
    id: AttemptId,
    worker_id: WorkerId,
    state: AttemptState,
    leased_at: String,
    lease_until: String,
    ended_at: Option<String>,
    reason: Option<String>,
}

/// Requests, the latest first.
pub(crate) async fn page(State(app): State<App>, query: RawQuery) -> Answer {
    list(&app, query).await.map_err(|error| error.answer(&app.0.info))
}

/// One request with its attempts.
pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>) -> Answer {
    whole(&app, &id).await.map_err(|error| error.answer(&app.0.info))
}

async fn list(app: &App, query: RawQuery) -> Result<Response, ApiError> {
    let parameters = Parameters::read(query, &["state", "door", "kind"])?;
    let (start, limit) = (parameters.position()?, parameters.limit()?);
    let filter = RequestFilter {
        states: states(&parameters)?,
        door: name(&parameters, "door")?,
        kind: name(&parameters, "kind")?,
        accepted_to: start.map(|start| start.upper()),
        offset: start.map_or(0, |start| start.skip),
        limit,
        ..RequestFilter::default()
    };
    let rows = app.0.operators.list(filter).await?;
    let times: Vec<Timestamp> = rows.iter().map(|request| request.accepted_at).collect();
    let next = Position::after(start, &times)
        .filter(|_| rows.len() == limit)
        .map(|next| parameters.next("/requests", next));
    let mut requests = Vec::with_capacity(rows.len());
    for request in rows {
        requests.push(brief(app, &request).await?);
    }
    Ok(good(app, Page { requests, next }))
}

fn states(parameters: &Parameters) -> Result<Vec<RequestState>, ApiError> {
    let Some(text) = parameters.get("state") else {
        return Ok(Vec::new());
    };
    let state = |word: &str| STATES.iter().find(|(known, _)| *known == word).map(|(_, state)| *state);
    let states: Option<Vec<RequestState>> = text.split(',').map(state).collect();
    // Each word once: more could only be a mistake, and this bounds the list.
    states.filter(|states| states.len() <= STATES.len()).ok_or_else(|| {
        let known = STATES.map(|(word, _)| word).join(", ");
        ApiError::bad_query(format!(
            "state is one or more of {known} with commas between, not {}",
            quoted(text)
        ))
    })
}

fn name(parameters: &Parameters, parameter: &str) -> Result<Option<Name>, ApiError> {
    let parse = |text| Name::new(text).map_err(|error| ApiError::bad_query(format!("{parameter}: {error}")));
    parameters.get(parameter).map(parse).transpose()
}

async fn whole(app: &App, id: &str) -> Result<Response, ApiError> {
    let id: RequestId = id.parse().map_err(|_| {
        ApiError::bad_query(format!(
            "the id of a request is a UUID, as the list shows it, and {} is not",
            quoted(id)
        ))
    })?;
    let request = app.0.operators.request(id).await?;
    let request = request.ok_or_else(|| ApiError::not_found(format!("there is no request {id}")))?;
    let attempts = app.0.operators.attempts(id).await?;
    let shown = &attempts[attempts.len().saturating_sub(ATTEMPTS_SHOWN)..];
    let whole = Whole {
        brief: brief(app, &request).await?,
        more: (!request.private).then(|| more(&request)),
        attempts: shown.iter().map(|attempt| a_try(attempt, request.private)).collect(),
    };
    Ok(good(app, whole))
}

async fn brief(app: &App, request: &Request) -> Result<Brief, ApiError> {
    let details = if request.private {
        None
    } else {
        Some(details(app, request).await?)
    };
    Ok(Brief {
        id: request.id,
        state: request.state,
        private: request.private,
        accepted_at: show::time(request.accepted_at),
        deadline: show::time(request.deadline),
        updated_at: show::time(request.updated_at),
        ended_at: request.ended_at.map(show::time),
        details,
    })
}

async fn details(app: &App, request: &Request) -> Result<Details, ApiError> {
    let waiting_reason = match request.state {
        RequestState::Open => app.0.operators.waiting_reason(request.id).await?,
        RequestState::Fulfilled | RequestState::Failed | RequestState::Cancelled | RequestState::Expired => None,
    };
    let failure = request.failure.as_ref().map(|failure| Failed {
        class: failure.class,
        fault: failure.fault,
        message: failure.message.clone(),
    });
    Ok(Details {
        door: request.requester.door.clone(),
        requester: show::hex(&request.requester.principal),
        system: request.system.clone(),
        kind: request.kind.clone(),
        toolchain: request.toolchain.clone(),
        program_id: request.program.as_ref().map(|program| show::hex(&program.id)),
        priority: request.priority,
        waiting_reason,
        failure,
    })
}

fn more(request: &Request) -> More {
    More {
        requested_deadline: show::time(request.requested_deadline),
        cycle_limit: show::big(request.limits.cycles),
        gas_limit: show::big(request.limits.gas),
        inputs: request.inputs.iter().map(|input| input.name.clone()).collect(),
        execution: executed(&request.execution),
        outcome: request.outcome.as_ref().map(|outcome| Product {
            artifacts: outcome.artifacts.iter().map(|artifact| artifact.name.clone()).collect(),
            binding: outcome.binding,
            prover_seconds: show::seconds(outcome.record.proving),
            peak_memory_bytes: outcome.record.peak_memory,
            cycles: show::big(outcome.record.cycles),
            gas: show::big(outcome.record.gas),
        }),
    }
}

fn executed(execution: &Execution) -> Executed {
    let plain = |state| Executed {
        state,
        reason: None,
        cycles: None,
        gas: None,
    };
    match execution {
        Execution::NotWanted => plain("not_wanted"),
        Execution::Pending => plain("pending"),
        Execution::Disputed => plain("disputed"),
        Execution::Executed(record) => Executed {
            cycles: show::big(record.cycles),
            gas: show::big(record.gas),
            ..plain("executed")
        },
        Execution::Unchecked(why) => Executed {
            reason: Some(why.clone()),
            ..plain("unchecked")
        },
    }
}

/// Reasons may repeat what a program printed, so that those of private requests are left out.
fn a_try(attempt: &Attempt, private: bool) -> Try {
    Try {
        id: attempt.id,
        worker_id: attempt.worker,
        state: attempt.state,
        leased_at: show::time(attempt.leased_at),
        lease_until: show::time(attempt.lease_until),
        ended_at: attempt.ended_at.map(show::time),
        reason: attempt.reason.clone().filter(|_| !private),
    }
}
