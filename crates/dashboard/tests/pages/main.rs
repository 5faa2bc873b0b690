//! The operators' pages over their router: what each answers, where pages of listings end, and that the manual's
//! examples are what is really answered.

mod answers;
mod fake;
mod manual;
mod paging;
mod prometheus;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use fake::Fake;
use hierophant_dashboard::BuildInfo;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// The pages of a network, in mock mode or not.
fn pages(fake: Fake, mock_mode: bool) -> Router {
    let info = BuildInfo {
        release: "0.1.0".to_owned(),
        commit: Some("0123abc".to_owned()),
        mock_mode,
    };
    hierophant_dashboard::router(Arc::new(fake), info, || "# metrics\n".to_owned())
}

/// Asks for a page: its status, content type and body.
async fn ask(pages: &Router, method: &str, path: &str) -> (StatusCode, String, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .expect("a sound request");
    let response = pages.clone().oneshot(request).await.expect("the router does not fail");
    let kind = response
        .headers()
        .get("content-type")
        .expect("every page has a type")
        .to_str()
        .expect("text")
        .to_owned();
    let status = response.status();
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).expect("text"))
}

/// Asks for a JSON page.
async fn get(pages: &Router, path: &str) -> (StatusCode, Value) {
    let (status, kind, body) = ask(pages, "GET", path).await;
    assert_eq!(kind, "application/json", "{path}: {body}");
    (
        status,
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}")),
    )
}

/// Asks for a JSON page that is there.
async fn get_ok(pages: &Router, path: &str) -> Value {
    let (status, body) = get(pages, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}
