//! PUT over real connections.

use std::{sync::atomic::Ordering, time::Duration};

use hierophant_artifacts::{Operation, client::http_client, http::HttpLimits};
use reqwest::{Body, Response, StatusCode};
use tokio::io::AsyncWriteExt as _;

use crate::{
    common::{LIMIT, Server, Setup, content, files_in, new_id, sha256, wait_until},
    raw,
};

async fn put(url: &str, body: impl Into<Body>) -> Response {
    http_client().unwrap().put(url).body(body).send().await.unwrap()
}

/// A body without Content-Length.
fn chunked(bytes: &[u8]) -> Body {
    let pieces: Vec<std::io::Result<Vec<u8>>> = bytes.chunks(60_000).map(|piece| Ok(piece.to_vec())).collect();
    Body::wrap_stream(futures::stream::iter(pieces))
}

#[tokio::test]
async fn an_upload_without_content_type_is_stored_and_noted() {
    let server = Server::start(Setup::default()).await;
    for (seed, size) in [0, 1, 3_000_001].into_iter().enumerate() {
        let (id, bytes) = (new_id(), content(size, seed as u64));
        let response = put(&server.put_url(id), bytes.clone()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let etag = format!("\"{}\"", hex::encode(sha256(&bytes).0));
        assert_eq!(response.headers()["etag"], etag.as_str());
        let row = server.gate.row(id).unwrap();
        assert_eq!((row.size, row.sha256), (size as u64, sha256(&bytes)));
        assert_eq!(server.blobs.read(id, LIMIT).await.unwrap(), bytes);
    }
}

/// Exactly the limit goes, one byte more does not, whether its length was announced or not. The refusal reaches a client
/// that is still sending.
#[tokio::test]
async fn the_limit_is_met_exactly() {
    let server = Server::start(Setup {
        limit_bytes: 100_000,
        ..Setup::default()
    })
    .await;
    let (exact, past, far) = (content(100_000, 1), content(100_001, 2), content(20_000_000, 3));
    for body in [Body::from(exact.clone()), chunked(&exact)] {
        assert_eq!(put(&server.put_url(new_id()), body).await.status(), StatusCode::OK);
    }
    let stored = server.gate.rows.lock().unwrap().len();
    for body in [past.clone().into(), chunked(&past), far.clone().into(), chunked(&far)] {
        let response = put(&server.put_url(new_id()), body).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(response.text().await.unwrap().contains("at most 100000 bytes"));
    }
    assert_eq!(server.gate.rows.lock().unwrap().len(), stored);
    server.nothing_incoming().await;
}

#[tokio::test]
async fn an_announced_excess_is_refused_before_a_byte_of_it_is_sent() {
    let server = Server::start(Setup {
        limit_bytes: 10,
        ..Setup::default()
    })
    .await;
    let head = raw::put_head(&server.put_url(new_id()), 11, "");
    let mut stream = raw::send(server.address, head.as_bytes()).await;
    assert!(raw::answer(&mut stream).await.starts_with("HTTP/1.1 413 "));
}

/// The client dies in the middle of the body; nothing of it stays, and the same URL takes the whole later.
#[tokio::test]
async fn a_cut_off_upload_leaves_nothing_and_can_be_repeated() {
    let server = Server::start(Setup::default()).await;
    let (id, bytes) = (new_id(), content(5_000_000, 4));
    let url = server.put_url(id);
    let mut stream = raw::send(server.address, raw::put_head(&url, bytes.len(), "").as_bytes()).await;
    stream.write_all(&bytes[..3_000_000]).await.unwrap();
    let incoming = server.root().join("incoming");
    let written = || {
        files_in(&incoming)
            .iter()
            .any(|file| file.metadata().is_ok_and(|found| found.len() > 0))
    };
    wait_until("a part is on the disk", written).await;
    drop(stream);
    server.nothing_incoming().await;
    assert!(server.gate.row(id).is_none());
    assert!(server.blobs.size(id).await.is_err());

    assert_eq!(put(&url, bytes.clone()).await.status(), StatusCode::OK);
    assert_eq!(server.blobs.read(id, LIMIT).await.unwrap(), bytes);
}

/// A client that does not wait for its answer has uploaded all the same.
#[tokio::test]
async fn a_whole_upload_is_noted_though_its_client_is_gone() {
    let server = Server::start(Setup::default()).await;
    let (id, bytes) = (new_id(), content(2_000_000, 5));
    let mut stream = raw::send(
        server.address,
        raw::put_head(&server.put_url(id), bytes.len(), "").as_bytes(),
    )
    .await;
    stream.write_all(&bytes).await.unwrap();
    drop(stream);
    wait_until("the upload is noted", || server.gate.row(id).is_some()).await;
    assert_eq!(server.blobs.read(id, LIMIT).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_repeated_upload_is_accepted_and_changes_nothing() {
    let server = Server::start(Setup {
        limit_bytes: 1_000_000,
        ..Setup::default()
    })
    .await;
    let (id, first, second) = (new_id(), content(900_000, 6), content(1_000_000, 7));
    let url = server.put_url(id);
    assert_eq!(put(&url, first.clone()).await.status(), StatusCode::OK);
    for body in [first.clone(), second] {
        let response = put(&url, body).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.headers()["etag"],
            format!("\"{}\"", hex::encode(sha256(&first).0)).as_str()
        );
    }
    assert_eq!(server.blobs.read(id, LIMIT).await.unwrap(), first);
    assert_eq!(
        put(&url, chunked(&content(1_000_001, 8))).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

/// Eight clients send different contents under one id: all hear 200 with the digest of the one that is stored.
#[tokio::test]
async fn of_concurrent_uploads_the_first_complete_one_wins() {
    let server = Server::start(Setup::default()).await;
    let id = new_id();
    let url = server.put_url(id);
    let uploads = (0..8_u8).map(|seed| put(&url, content(2_000_000 + usize::from(seed), u64::from(seed))));
    let answers = futures::future::join_all(uploads).await;
    let stored = server.blobs.read(id, LIMIT).await.unwrap();
    let row = server.gate.row(id).unwrap();
    assert_eq!((row.size, row.sha256), (stored.len() as u64, sha256(&stored)));
    for answer in answers {
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(
            answer.headers()["etag"],
            format!("\"{}\"", hex::encode(row.sha256.0)).as_str()
        );
    }
    server.nothing_incoming().await;
}

/// The blob is stored, but noting it fails: the answer can be repeated, and the repetition succeeds.
#[tokio::test]
async fn an_upload_that_was_stored_but_not_noted_is_repeated() {
    let server = Server::start(Setup::default()).await;
    let (id, bytes) = (new_id(), content(1_500_000, 9));
    server.gate.store_away.store(1, Ordering::SeqCst);
    assert_eq!(
        put(&server.put_url(id), bytes.clone()).await.status(),
        StatusCode::GATEWAY_TIMEOUT
    );
    assert!(server.gate.row(id).is_none());
    assert_eq!(put(&server.put_url(id), bytes.clone()).await.status(), StatusCode::OK);
    assert_eq!(server.gate.row(id).unwrap().sha256, sha256(&bytes));
}

#[tokio::test]
async fn a_full_disk_is_answered_504() {
    let server = Server::start(Setup {
        min_free_bytes: u64::MAX,
        ..Setup::default()
    })
    .await;
    let response = put(&server.put_url(new_id()), content(3_000_000, 10)).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(response.text().await.unwrap().contains("no room"));
    server.nothing_incoming().await;
}

#[tokio::test]
async fn tokens_open_their_own_artifact_for_uploads_alone() {
    let server = Server::start(Setup::default()).await;
    let (id, other) = (new_id(), new_id());
    let with = |token: &str| format!("{}?token={token}", server.bare_url(id));
    let own = server.token(Operation::Put(id));
    let changed = format!("{}{}", if own.starts_with('B') { 'C' } else { 'B' }, &own[1..]);
    let expired = server.gate.signer.grant(&hierophant_artifacts::Grant {
        operation: Operation::Put(id),
        holder: hierophant_artifacts::Holder::Anyone,
        expires: crate::common::NOW,
    });
    let cases = [
        (server.bare_url(id), StatusCode::UNAUTHORIZED),
        (with("x"), StatusCode::UNAUTHORIZED),
        (with(&"A".repeat(100_000 / 50)), StatusCode::UNAUTHORIZED),
        (with(&changed), StatusCode::UNAUTHORIZED),
        (with(&expired), StatusCode::UNAUTHORIZED),
        (with(&server.token(Operation::Put(other))), StatusCode::FORBIDDEN),
        (with(&server.token(Operation::Get(id))), StatusCode::FORBIDDEN),
        (
            format!("http://{}/artifacts/not-an-id?token={own}", server.address),
            StatusCode::NOT_FOUND,
        ),
        (
            format!("http://{}/artifacts/{}?token={own}", server.address, id.0.simple()),
            StatusCode::NOT_FOUND,
        ),
    ];
    for (url, status) in cases {
        assert_eq!(put(&url, content(200_000, 11)).await.status(), status, "{url}");
    }
    assert!(server.gate.row(id).is_none());
    assert_eq!(put(&with(&own), "content").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_worker_stores_under_ids_that_it_mints() {
    let server = Server::start(Setup::default()).await;
    let token = server.token(Operation::PutAny);
    for _ in 0..2 {
        let id = new_id();
        let request = http_client()
            .unwrap()
            .put(server.bare_url(id))
            .bearer_auth(&token)
            .body("output");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        assert_eq!(server.blobs.read(id, 10).await.unwrap(), &b"output"[..]);
    }
}

#[tokio::test]
async fn who_asks_for_leave_gets_it_or_the_refusal() {
    let server = Server::start(Setup::default()).await;
    let expect = "Expect: 100-continue\r\n";
    let mut stream = raw::send(
        server.address,
        raw::put_head(&server.put_url(new_id()), 4, expect).as_bytes(),
    )
    .await;
    assert!(raw::answer(&mut stream).await.starts_with("HTTP/1.1 100 "));
    stream.write_all(b"body").await.unwrap();
    assert!(raw::answer(&mut stream).await.starts_with("HTTP/1.1 200 "));

    let mut stream = raw::send(
        server.address,
        raw::put_head(&server.bare_url(new_id()), 4, expect).as_bytes(),
    )
    .await;
    assert!(raw::answer(&mut stream).await.starts_with("HTTP/1.1 401 "));
}

/// One transfer at a time: the second waits in vain for its turn while the first stands still; when that is cut off for
/// it, the third goes. A byte now and then does not count as moving.
#[tokio::test]
async fn a_stalled_upload_is_cut_off_and_gives_its_turn_back() {
    let limits = HttpLimits {
        uploads_max: 1,
        wait_max: Duration::from_millis(100),
        idle_timeout: Duration::from_secs(2),
        ..HttpLimits::default()
    };
    let server = Server::start(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let head = raw::put_head(&server.put_url(new_id()), 1000, "");
    let mut stalled = raw::send(server.address, head.as_bytes()).await;
    stalled.write_all(b"a few").await.unwrap();
    let incoming = server.root().join("incoming");
    wait_until("the first has its turn", || !files_in(&incoming).is_empty()).await;

    let refused = put(&server.put_url(new_id()), "content").await;
    assert_eq!(refused.status(), StatusCode::GATEWAY_TIMEOUT);
    stalled.write_all(b" bytes more").await.unwrap();

    assert!(raw::answer(&mut stalled).await.starts_with("HTTP/1.1 408 "));
    server.nothing_incoming().await;
    assert_eq!(put(&server.put_url(new_id()), "content").await.status(), StatusCode::OK);
}

/// A client that looks for the answer only when it has sent everything finds the refusal, and not a reset connection.
#[tokio::test]
async fn a_refusal_reaches_a_client_that_sends_everything_first() {
    let server = Server::start(Setup {
        limit_bytes: 10,
        ..Setup::default()
    })
    .await;
    let bytes = content(20_000_000, 12);
    let cases = [
        (server.put_url(new_id()), "HTTP/1.1 413 "),
        (server.bare_url(new_id()), "HTTP/1.1 401 "),
    ];
    for (url, status) in cases {
        let mut stream = raw::send(server.address, raw::put_head(&url, bytes.len(), "").as_bytes()).await;
        stream.write_all(&bytes).await.unwrap();
        assert!(raw::answer(&mut stream).await.starts_with(status));
    }
}
