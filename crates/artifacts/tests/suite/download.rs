//! GET and HEAD over real connections.

use std::time::Duration;

use hierophant_artifacts::{Operation, client::http_client, http::HttpLimits};
use reqwest::{Response, StatusCode};

use crate::common::{Server, Setup, content, new_id, sha256};

async fn get(url: &str, headers: &[(&str, &str)]) -> Response {
    let request = headers
        .iter()
        .fold(http_client().unwrap().get(url), |request, (name, value)| {
            request.header(*name, *value)
        });
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_blob_is_sent_as_it_is_stored() {
    let server = Server::start(Setup::default()).await;
    let bytes = content(3_000_001, 1);
    let id = server.store(&bytes).await;
    let etag = format!("\"{}\"", hex::encode(sha256(&bytes).0));
    let head = http_client().unwrap().head(server.get_url(id)).send().await.unwrap();
    // Even for a client that would take it compressed.
    let whole = get(&server.get_url(id), &[("accept-encoding", "gzip, zstd")]).await;
    for response in [&head, &whole] {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(response, "content-length"), Some("3000001"));
        assert_eq!(header(response, "content-type"), Some("application/octet-stream"));
        assert_eq!(header(response, "accept-ranges"), Some("bytes"));
        assert_eq!(header(response, "etag"), Some(etag.as_str()));
        assert_eq!(header(response, "content-encoding"), None);
        assert_eq!(header(response, "cache-control"), Some("private, no-transform"));
    }
    assert!(head.bytes().await.unwrap().is_empty());
    assert_eq!(whole.bytes().await.unwrap(), bytes);

    let empty = server.store(b"").await;
    let response = get(&server.get_url(empty), &[]).await;
    assert_eq!(
        (response.status(), header(&response, "content-length")),
        (StatusCode::OK, Some("0"))
    );
}

#[tokio::test]
async fn ranges() {
    let server = Server::start(Setup::default()).await;
    let bytes = content(2_500_000, 2);
    let id = server.store(&bytes).await;
    let url = server.get_url(id);
    let parts = [
        ("bytes=0-0", 0..1),
        ("bytes=1000000-2000000", 1_000_000..2_000_001),
        ("bytes=2499999-", 2_499_999..2_500_000),
        ("bytes=5-99999999", 5..2_500_000),
        ("bytes=-7", 2_499_993..2_500_000),
        ("bytes=-99999999", 0..2_500_000),
    ];
    for (range, expected) in parts {
        let response = get(&url, &[("range", range)]).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let content_range = format!("bytes {}-{}/2500000", expected.start, expected.end - 1);
        assert_eq!(header(&response, "content-range"), Some(content_range.as_str()));
        assert_eq!(
            header(&response, "content-length"),
            Some(expected.len().to_string().as_str())
        );
        assert_eq!(response.bytes().await.unwrap(), bytes[expected], "{range}");
    }
    for range in ["bytes=2500000-", "bytes=-0", "bytes=2500000-2500001"] {
        let response = get(&url, &[("range", range)]).await;
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!(header(&response, "content-range"), Some("bytes */2500000"));
    }
    for range in ["bytes=4-3", "bytes=a-b", "bytes=0-1,5-6", "pages=1-2"] {
        assert_eq!(get(&url, &[("range", range)]).await.status(), StatusCode::OK, "{range}");
    }
    let etag = format!("\"{}\"", hex::encode(sha256(&bytes).0));
    for (condition, status) in [
        (etag.as_str(), StatusCode::PARTIAL_CONTENT),
        ("\"another\"", StatusCode::OK),
    ] {
        assert_eq!(
            get(&url, &[("range", "bytes=0-0"), ("if-range", condition)])
                .await
                .status(),
            status
        );
    }
    let head = http_client()
        .unwrap()
        .head(&url)
        .header("range", "bytes=0-9")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (head.status(), header(&head, "content-length")),
        (StatusCode::PARTIAL_CONTENT, Some("10"))
    );
}

#[tokio::test]
async fn tokens_open_their_own_artifact_for_reading_alone() {
    let server = Server::start(Setup::default()).await;
    let (id, other) = (server.store(b"content").await, server.store(b"other").await);
    let with = |operation| format!("{}?token={}", server.bare_url(id), server.token(operation));
    let missing = new_id();
    let cases = [
        (server.bare_url(id), StatusCode::UNAUTHORIZED),
        (with(Operation::Get(other)), StatusCode::FORBIDDEN),
        (with(Operation::Put(id)), StatusCode::FORBIDDEN),
        (with(Operation::PutAny), StatusCode::FORBIDDEN),
        (server.get_url(missing), StatusCode::NOT_FOUND),
        (with(Operation::Get(id)), StatusCode::OK),
    ];
    for (url, status) in cases {
        let response = get(&url, &[]).await;
        assert_eq!(response.status(), status, "{url}");
        assert_ne!(response.text().await.unwrap(), "", "an answer says what to do");
    }
}

#[tokio::test]
async fn a_damaged_or_missing_blob_is_not_sent() {
    let server = Server::start(Setup::default()).await;
    let (damaged, gone) = (server.store(b"content").await, server.store(b"content").await);
    let shard = server.root().join(format!("blobs/{:02x}", damaged.as_bytes()[15]));
    std::fs::write(shard.join(damaged.to_string()), b"cont").unwrap();
    assert!(server.blobs.delete(gone).await.unwrap());
    for id in [damaged, gone] {
        assert_eq!(get(&server.get_url(id), &[]).await.status(), StatusCode::NOT_FOUND);
    }
}

/// One download at a time: while the first does not read, the second is put off; when the first has stood still for too
/// long, its turn is free again, and what it gets in the end is an error and not a short blob.
#[tokio::test]
async fn a_stalled_download_gives_its_turn_back() {
    let limits = HttpLimits {
        downloads_max: 1,
        wait_max: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(500),
        ..HttpLimits::default()
    };
    let server = Server::start(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    // More than the sockets' buffers hold.
    let bytes = content(64 * 1024 * 1024, 3);
    let (large, small) = (server.store(&bytes).await, server.store(b"small").await);
    let stalled = get(&server.get_url(large), &[]).await;
    assert_eq!(
        get(&server.get_url(small), &[]).await.status(),
        StatusCode::GATEWAY_TIMEOUT
    );
    let mut tries = 0;
    while get(&server.get_url(small), &[]).await.status() != StatusCode::OK {
        tries += 1;
        assert!(tries < 100, "the stalled download keeps its turn");
    }
    assert!(stalled.bytes().await.is_err());
}
