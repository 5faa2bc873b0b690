//! `/`: what runs here and what can be asked, for people with a browser. It needs no script and loads nothing.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::header,
    response::{Html, IntoResponse, Response},
};

use crate::App;

/// Every page, with what it is.
const PAGES: [(&str, &str); 8] = [
    (
        "/contemplants",
        "Workers that are here: what each does, its strikes, its average time for a proof.",
    ),
    ("/dead-contemplants", "Workers that are gone, and why."),
    ("/proof-history", "Proofs: who made each, and how long it took."),
    (
        "/requests",
        "Requests: how far each is, why it waits, why it failed. /requests/{id} shows one with its attempts.",
    ),
    ("/livez", "Whether the process answers."),
    ("/readyz", "Whether requests can be accepted, and what is in the way."),
    ("/health", "JSON true, for older scripts."),
    ("/metrics", "Metrics for Prometheus."),
];

/// Nothing of this page may be loaded, run or framed.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

const STYLE: &str = "body{font:1rem/1.5 sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}\
    .mock{background:#900;color:#fff;font-weight:bold;padding:1rem}dt{font-family:monospace}dd{margin:0 0 .7rem 1rem}\
    @media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#9cf}}";

/// The page.
pub(crate) async fn page(State(app): State<App>) -> Response {
    let info = &app.0.info;
    let commit = info
        .commit
        .as_ref()
        .map_or_else(String::new, |commit| format!(", commit {}", escaped(commit)));
    let release = escaped(&info.release);
    let banner = if info.mock_mode {
        "<p class=\"mock\" role=\"alert\">MOCK MODE: proofs made here prove nothing.</p>\n"
    } else {
        ""
    };
    let mut pages = String::new();
    for (path, what) in PAGES {
        let _ = writeln!(pages, "<dt><a href=\"{path}\">{path}</a></dt><dd>{what}</dd>");
    }
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Hierophant</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<h1>Hierophant</h1>\n{banner}<p>Release {release}{commit}</p>\n<dl>\n{pages}</dl>\n</body>\n</html>\n"
    );
    (
        [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-store"),
        ],
        Html(html),
    )
        .into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
