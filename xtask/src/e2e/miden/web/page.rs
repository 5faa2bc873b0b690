//! The page: served on an origin of its own, and asked through the DevTools to call the door.
//!
//! What it does with gRPC-Web is its own script (`page.js`).

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result};
use axum::{
    Router,
    response::{Html, IntoResponse},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

use super::devtools::DevTools;

/// The method that proves.
pub(super) const PROVE: &str = "/remote_prover.Api/Prove";
/// A worker's health in `ProxyStatus`.
pub(super) const HEALTHY: u64 = 1;
/// `ProofType` of a transaction, which is all that wallets send.
const TRANSACTION: u64 = 0;
/// How long a proof may take, on a slow machine that does other things too.
const PROOF_WITHIN: Duration = Duration::from_mins(10);
/// How long a status may take.
const STATUS_WITHIN: Duration = Duration::from_secs(30);

const SCRIPT: &str = include_str!("page.js");
const DOCUMENT: &str =
    r#"<!doctype html><meta charset="utf-8"><title>A wallet</title><script src="/page.js"></script>"#;

/// The server of the page. Dropping it ends it.
pub(super) struct Page {
    origin: String,
    server: AbortHandle,
}

impl Page {
    /// Serves the page on a free port.
    pub(super) async fn serve() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let script = || async { ([(CONTENT_TYPE, "text/javascript")], SCRIPT).into_response() };
        let routes = Router::new()
            .route("/", get(|| async { Html(DOCUMENT) }))
            .route("/page.js", get(script));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await }).abort_handle();
        Ok(Self { origin, server })
    }

    /// Its origin, as browsers write it.
    pub(super) fn origin(&self) -> String {
        self.origin.clone()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What the page could read of an answer.
pub(super) struct Answer {
    /// The proof; empty without one.
    pub(super) proof: Vec<u8>,
    /// How long the call took, by the page's clock.
    pub(super) seconds: f64,
    /// The trailers of the body, and the exposed headers.
    trailers: Value,
    headers: Value,
}

impl Answer {
    /// Whether it ended well, after a message.
    pub(super) fn is_ok_in_trailers(&self) -> bool {
        self.trailers["grpc-status"] == "0" && !self.proof.is_empty()
    }

    /// Trailers and headers, for a complaint.
    pub(super) fn said(&self) -> String {
        format!("trailers {}, headers {}", self.trailers, self.headers)
    }

    /// Status and message of a refusal before any message.
    pub(super) fn refusal_in_headers(&self) -> Option<(u64, &str)> {
        let status = self.headers["grpc-status"].as_str()?;
        Some((status.parse().ok()?, self.headers["grpc-message"].as_str()?))
    }
}

/// Has the page ask for a proof.
pub(super) async fn prove(tools: &mut DevTools, door: &str, witness: &[u8]) -> Result<Answer> {
    let arguments = [
        json!(door),
        json!(PROVE),
        json!(TRANSACTION),
        json!(STANDARD.encode(witness)),
    ];
    let said = tools.call("prove", &arguments, PROOF_WITHIN).await?;
    let proof = said["proof"].as_str().context("the page handed nothing back")?;
    Ok(Answer {
        proof: STANDARD.decode(proof)?,
        seconds: said["seconds"].as_f64().context("no time")?,
        trailers: said["trailers"].clone(),
        headers: said["headers"].clone(),
    })
}

/// Has the page ask for both statuses.
pub(super) async fn statuses(tools: &mut DevTools, door: &str) -> Result<Value> {
    tools.call("statuses", &[json!(door)], STATUS_WITHIN).await
}
