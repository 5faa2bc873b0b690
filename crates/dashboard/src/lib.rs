//! What operators see of Hierophant over HTTP: workers, proofs, requests, health and metrics.
//!
//! Owns the JSON of these pages (`docs/operators-api.md` is its manual, and tests hold the two together) and the names
//! of the coordinator's metrics. Invariants: it only reads; of a private request nothing but ids, states and times is
//! shown; every answer that is not a page of numbers says so when the coordinator runs in mock mode.
//!
//! Not here: what clients see (the doors), uploads and downloads (`hierophant-artifacts`), and how metrics are exported.
//!
//! There is no login: whoever reaches the port may read. What must be kept from clients belongs behind a proxy.

mod api;
mod home;
pub mod metrics;

use std::sync::Arc;

use axum::{Router, routing::get};
use hierophant_core::ports::Operators;

/// What runs here, as pages show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The release, such as "0.1.0".
    pub release: String,
    /// The commit that it was built from, where the build knew it.
    pub commit: Option<String>,
    /// Whether proofs prove nothing, because every request goes to the mock prover. Shown loudly everywhere.
    pub mock_mode: bool,
}

/// What every handler needs.
struct Shared {
    operators: Arc<dyn Operators>,
    info: BuildInfo,
    render: Box<dyn Fn() -> String + Send + Sync>,
}

/// A handle of it, cheap to clone.
#[derive(Clone)]
struct App(Arc<Shared>);

/// The operators' pages. `render` gives the metrics in Prometheus' text format; it is called once for each scrape,
/// after the gauges of [`metrics`] were set, and must not block.
///
/// The router has the fallback that answers unknown paths in JSON: merge routers into it that have none.
pub fn router(
    operators: Arc<dyn Operators>,
    info: BuildInfo,
    render: impl Fn() -> String + Send + Sync + 'static,
) -> Router {
    let app = App(Arc::new(Shared {
        operators,
        info,
        render: Box::new(render),
    }));
    Router::new()
        .route("/", get(home::page))
        .route("/contemplants", get(api::workers::here))
        .route("/dead-contemplants", get(api::workers::gone))
        .route("/proof-history", get(api::history::page))
        .route("/requests", get(api::requests::page))
        .route("/requests/{id}", get(api::requests::one))
        .route("/livez", get(api::health::live))
        .route("/readyz", get(api::health::ready))
        .route("/health", get(api::health::old))
        .route("/metrics", get(api::health::scrape))
        .method_not_allowed_fallback(api::wrong_method)
        .fallback(api::unknown_path)
        .with_state(app)
}
