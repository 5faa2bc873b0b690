//! Health and metrics over HTTP.
//!
//! | path | meaning |
//! |---|---|
//! | `/health` | `true` while the coordinator has this worker registered, else `false` |
//! | `/livez` | 200 while the worker's loop turns, else 503 |
//! | `/readyz` | 200 while work can come and be done, else 503, with the reason |
//! | `/metrics` | Prometheus text |

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::{fleet::Fleet, identity::Identity};

/// The worker's loop turns several times a second; after this long without a turn it hangs.
const LIVE_WITHIN: Duration = Duration::from_secs(15);

/// What the pages show. Written by the worker's loop.
#[derive(Debug)]
pub struct Health {
    identity: Identity,
    fleet: Arc<Fleet>,
    state: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    turned: Instant,
    /// `Ok`: the coordinator's release. `Err`: why not.
    connection: Result<String, String>,
    draining: bool,
    leases: usize,
    held: usize,
}

impl Health {
    /// Not connected yet.
    pub fn new(identity: Identity, fleet: Arc<Fleet>) -> Self {
        let state = Shown {
            turned: Instant::now(),
            connection: Err("not connected to the coordinator yet".into()),
            draining: false,
            leases: 0,
            held: 0,
        };
        Self {
            identity,
            fleet,
            state: Mutex::new(state),
        }
    }

    /// The loop has turned.
    pub fn turned(&self, leases: usize, held: usize) {
        let mut state = self.lock();
        (state.turned, state.leases, state.held) = (Instant::now(), leases, held);
    }

    /// The connection has come or gone.
    pub fn connection(&self, connection: Result<String, String>) {
        metrics::gauge!("contemplant_connected").set(if connection.is_ok() { 1.0 } else { 0.0 });
        self.lock().connection = connection;
    }

    /// No more work is taken.
    pub fn draining(&self) {
        self.lock().draining = true;
    }

    /// Why no work can come or be done.
    fn unready(&self) -> Option<String> {
        let state = self.lock();
        if let Err(why) = &state.connection {
            return Some(format!("not connected to the coordinator: {why}"));
        }
        if state.draining {
            return Some("draining: no more work is taken".into());
        }
        drop(state);
        if self.fleet.offer().capabilities.is_empty() {
            return Some("no prover is ready".into());
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pages.
pub fn router(health: Arc<Health>, metrics: PrometheusHandle) -> Router {
    let text = move || {
        let page = metrics.render();
        async move {
            (
                [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
                page,
            )
        }
    };
    Router::new()
        .route("/health", get(registered))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(health)
        .route("/metrics", get(text))
}

async fn registered(State(health): State<Arc<Health>>) -> Json<bool> {
    Json(health.lock().connection.is_ok())
}

async fn live(State(health): State<Arc<Health>>) -> Response {
    let silent = health.lock().turned.elapsed();
    if silent < LIVE_WITHIN {
        "ok\n".into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the worker's loop has not turned for {silent:.0?}\n"),
        )
            .into_response()
    }
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let unready = health.unready();
    let status = if unready.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let (leases, held) = {
        let state = health.lock();
        (state.leases, state.held)
    };
    let provers: Vec<_> = health
        .fleet
        .conditions()
        .into_iter()
        .map(|(name, condition)| json!({ "name": name, "condition": condition }))
        .collect();
    let page = json!({
        "ready": unready.is_none(),
        "reason": unready,
        "worker_id": health.identity.id.to_string(),
        "name": health.identity.name,
        "release": crate::RELEASE,
        "leases": leases,
        "results_held": held,
        "provers": provers,
    });
    (status, Json(page)).into_response()
}
