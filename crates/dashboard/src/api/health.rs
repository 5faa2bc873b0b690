//! Health for supervisors and load balancers, and metrics.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{good, marked};
use crate::{App, metrics};

/// How long a probe waits for the store. Probes have time limits of their own, and an answer helps more than none.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Live {
    live: bool,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    /// Sentences.
    obstacles: Vec<String>,
}

/// The process runs and answers.
pub(crate) async fn live(State(app): State<App>) -> Response {
    good(&app, Live { live: true })
}

/// Requests can be accepted.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let obstacles = tokio::time::timeout(PATIENCE, app.0.operators.readiness())
        .await
        .unwrap_or_else(|_| vec![format!("the store did not answer within {} s", PATIENCE.as_secs())]);
    let ready = obstacles.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    marked(&app.0.info, status, Ready { ready, obstacles })
}

/// What scripts have always asked: JSON `true` while the process runs.
pub(crate) async fn old() -> Json<bool> {
    Json(true)
}

/// Metrics for Prometheus.
pub(crate) async fn scrape(State(app): State<App>) -> Response {
    let observed = tokio::time::timeout(PATIENCE, metrics::observe(app.0.operators.as_ref())).await;
    metrics::store_answered(matches!(observed, Ok(Ok(()))));
    match observed {
        Ok(Ok(())) => {}
        // The metrics of the process itself matter most just then.
        Ok(Err(error)) => tracing::warn!(%error, "the store could not be counted for metrics"),
        Err(_) => tracing::warn!("the store did not answer in time to be counted for metrics"),
    }
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        (app.0.render)(),
    )
        .into_response()
}
