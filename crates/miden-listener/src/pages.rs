//! Health and metrics over HTTP.
//!
//! | path | meaning |
//! |---|---|
//! | `/health` | `true` while proofs are made, else `false` |
//! | `/livez` | 200 while this process answers |
//! | `/readyz` | 200 while proofs are made, else 503; with the reason and what is in hand |
//! | `/metrics` | Prometheus text |

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::Prover;

/// What the pages show.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    pub(crate) release: &'static str,
    pub(crate) prover: Arc<Prover>,
    /// Cancelled when the worker drains.
    pub(crate) draining: CancellationToken,
    pub(crate) metrics: PrometheusHandle,
}

impl Pages {
    /// Whether proofs are made; `Err` says why not.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if self.draining.is_cancelled() {
            return Err("draining: no more calls are taken".into());
        }
        self.prover.readiness().borrow().check()
    }

    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/health", get(health))
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(readiness))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

async fn health(State(pages): State<Pages>) -> Json<bool> {
    Json(pages.ready().is_ok())
}

async fn readiness(State(pages): State<Pages>) -> Response {
    let ready = pages.ready();
    let status = match ready {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let (waiting, running) = pages.prover.in_hand();
    let page = json!({
        "ready": ready.is_ok(),
        "reason": ready.err(),
        "release": pages.release,
        "waiting": waiting,
        "running": running,
        "provers_ready": pages.prover.readiness().borrow().processes,
    });
    (status, Json(page)).into_response()
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let page = pages.metrics.render();
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, page).into_response()
}
