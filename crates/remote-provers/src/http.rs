//! The operators' calls over HTTP: which provers are attached, attach, remove.
//!
//! What must stay true: only somebody on the coordinator's own machine changes anything. There are no tokens for operators yet,
//! so a change is refused unless it comes from a loopback address, through no proxy, not from a page in a browser, and says by a
//! header that it is meant. Reading is as free as the coordinator's other pages.

use std::net::IpAddr;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use hierophant_miden_api::Line;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tonic::transport::server::TcpConnectInfo;

use crate::{Address, Attached, ControlError, Options, RemoteProvers, Removed, View};

/// Where the list is.
pub const PATH: &str = "/api/v1/remote-provers";
/// The header by which an operator's tool says that a change is meant; its value is "1".
pub const OPERATOR_HEADER: &str = "x-hierophant-operator";
/// Largest body that is read, in bytes.
const BODY_MAX_BYTES: usize = 4096;

/// The calls, to be merged into the coordinator's HTTP routes. The server must put [`TcpConnectInfo`] into the extensions of its
/// requests: without it every change is refused.
pub fn router(provers: RemoteProvers) -> Router {
    Router::new()
        .route(PATH, get(list).post(add).delete(remove))
        .layer(middleware::from_fn(operators_only))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(provers)
}

async fn operators_only(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let peer = request
        .extensions()
        .get::<TcpConnectInfo>()
        .and_then(|info| info.remote_addr)
        .map(|address| address.ip());
    match stranger(peer, request.headers()) {
        Some(why) => refusal(StatusCode::FORBIDDEN, "operators_only", why),
        None => next.run(request).await,
    }
}

/// Why a call does not come from an operator on this machine.
fn stranger(peer: Option<IpAddr>, headers: &HeaderMap) -> Option<&'static str> {
    let forwarded = |name: &str| name.starts_with("x-forwarded-") || ["forwarded", "x-real-ip", "via"].contains(&name);
    if !peer.is_some_and(|peer| peer.to_canonical().is_loopback()) {
        Some(
            "only from the coordinator's own machine: run the command there, with HIEROPHANT_URL at a loopback address",
        )
    } else if headers.keys().any(|name| forwarded(name.as_str())) {
        Some("not through a proxy: send it to the coordinator itself")
    } else if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        Some("not from a page in a browser: use `hierophant remote-prover`")
    } else if !meant(headers) {
        Some("the header x-hierophant-operator: 1 is missing")
    } else {
        None
    }
}

/// Whether a call says, and nothing else beside it, that it is meant.
fn meant(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(OPERATOR_HEADER).iter();
    said.next().is_some_and(|value| value == "1") && said.next().is_none()
}

/// A prover as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    address: String,
    name: String,
    worker: String,
    line: &'static str,
    kind: Option<&'static str>,
    version: String,
    health: &'static str,
    since_ms: Option<i64>,
    reason: Option<String>,
    slots: u32,
    busy: u32,
    proofs: u64,
    leaving: bool,
    configured: bool,
}

impl From<View> for Shown {
    fn from(view: View) -> Self {
        Self {
            health: view.word(),
            address: view.address.to_string(),
            name: view.name,
            worker: view.worker.to_string(),
            line: view.line.as_str(),
            kind: view.kind.map(hierophant_miden_api::Kind::as_str),
            version: view.version,
            since_ms: view.since.map(|since| since.0),
            reason: view.reason,
            slots: view.slots,
            busy: view.busy,
            proofs: view.proofs,
            leaving: view.leaving,
            configured: view.configured,
        }
    }
}

async fn list(State(provers): State<RemoteProvers>) -> Response {
    match provers.list().await {
        Ok(views) => {
            let shown: Vec<Shown> = views.into_iter().map(Shown::from).collect();
            answer(StatusCode::OK, json!({ "remote_provers": shown }))
        }
        Err(error) => failed(&error),
    }
}

/// What to attach.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    address: String,
    line: Option<String>,
    slots: Option<u32>,
}

async fn add(State(provers): State<RemoteProvers>, body: Bytes) -> Response {
    let wanted = match serde_json::from_slice::<Wanted>(&body) {
        Ok(wanted) => wanted,
        Err(error) => {
            return failed(&ControlError::Invalid(format!(
                "the body is not what is asked for: {error}"
            )));
        }
    };
    match attach(&provers, wanted).await {
        Ok(Attached::New) => answer(StatusCode::CREATED, json!({ "result": "attached" })),
        Ok(Attached::Known) => answer(StatusCode::OK, json!({ "result": "known" })),
        Err(error) => failed(&error),
    }
}

async fn attach(provers: &RemoteProvers, wanted: Wanted) -> Result<Attached, ControlError> {
    let default = Options::default();
    let line = wanted.line.map_or(Ok(default.line), |line| line.parse::<Line>());
    let options = Options {
        line: line.map_err(ControlError::Invalid)?,
        slots: wanted.slots.unwrap_or(default.slots),
    };
    provers.add(address(&wanted.address)?, options).await
}

/// Which to remove.
#[derive(Debug, Deserialize)]
struct Which {
    address: String,
}

async fn remove(State(provers): State<RemoteProvers>, which: Result<Query<Which>, QueryRejection>) -> Response {
    let Ok(Query(which)) = which else {
        return failed(&ControlError::Invalid("say which: ?address=HOST:PORT".to_owned()));
    };
    let removed = match address(&which.address) {
        Ok(address) => provers.remove(address).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(Removed::Leaving { busy }) => answer(StatusCode::OK, json!({ "result": "leaving", "busy": busy })),
        Ok(Removed::Unknown) => answer(StatusCode::OK, json!({ "result": "unknown" })),
        Err(error) => failed(&error),
    }
}

fn address(text: &str) -> Result<Address, ControlError> {
    text.parse::<Address>()
        .map_err(|error| ControlError::Invalid(error.to_string()))
}

fn failed(error: &ControlError) -> Response {
    let (status, code) = match error {
        ControlError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
        ControlError::Configured(_) => (StatusCode::CONFLICT, "configured"),
        ControlError::Full(_) => (StatusCode::CONFLICT, "full"),
        ControlError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    refusal(status, code, &error.to_string())
}

/// The form that errors have on the coordinator's other pages.
fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response {
    answer(status, json!({ "code": code, "message": message }))
}

fn answer(status: StatusCode, body: Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(more: &[(&'static str, &'static str)]) -> HeaderMap {
        let given = [(OPERATOR_HEADER, "1"), ("host", "127.0.0.1:9010")];
        let all = given.iter().chain(more);
        all.map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn an_operator_is_on_this_machine_and_comes_straight() {
        let here = |address: &str| Some(address.parse::<IpAddr>().expect("an address"));
        for address in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(stranger(here(address), &headers(&[])), None, "{address}");
        }
        for address in ["10.0.0.1", "0.0.0.0", "::", "fe80::1", "::ffff:10.0.0.1"] {
            assert!(stranger(here(address), &headers(&[])).is_some(), "{address}");
        }
        assert!(stranger(None, &headers(&[])).is_some());
    }

    #[test]
    fn a_proxy_a_browser_and_a_call_that_is_not_meant_are_refused() {
        let here = Some(IpAddr::from([127, 0, 0, 1]));
        for (name, value) in [
            ("forwarded", "for=127.0.0.1"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-real-ip", "127.0.0.1"),
            ("via", "1.1 proxy"),
            ("origin", "http://127.0.0.1:9010"),
            ("sec-fetch-site", "same-origin"),
            (OPERATOR_HEADER, "0"),
        ] {
            assert!(stranger(here, &headers(&[(name, value)])).is_some(), "{name}");
        }
        assert!(stranger(here, &HeaderMap::new()).is_some());
    }
}
