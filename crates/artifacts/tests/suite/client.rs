//! The workers' client against the real server, over a line that breaks.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hierophant_artifacts::{
    Operation, Stored,
    client::{Expected, Retry, Source, TransferClient, TransferError, http_client},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
};

use crate::common::{LIMIT, Server, Setup, content, files_in, new_id, sha256};

const QUICK: Retry = Retry {
    attempts: 3,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(5),
    idle_timeout: Duration::from_secs(5),
};

const ANYTHING: Expected = Expected {
    size: None,
    sha256: None,
    limit_bytes: LIMIT,
};

fn client() -> TransferClient {
    TransferClient::new(http_client().unwrap(), QUICK)
}

/// Forwards connections to `server` and cuts each off after `bytes` of its answers.
async fn breaking_line(server: SocketAddr, bytes: u64) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicU32::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (from_server, mut to_server) = TcpStream::connect(server).await.unwrap().into_split();
                let asking = tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
                // The client may have left by itself.
                let _ = copy(&mut from_server.take(bytes), &mut to_client).await;
                asking.abort();
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_cut_off() {
    let server = Server::start(Setup::default()).await;
    let bytes = content(6_000_000, 1);
    let id = server.store(&bytes).await;
    let (line, connections) = breaking_line(server.address, 1_500_000).await;
    let url = server
        .get_url(id)
        .replace(&server.address.to_string(), &line.to_string());
    let directory = tempfile::tempdir().unwrap();
    let destination = directory.path().join("input");
    let stored = Stored {
        size: 6_000_000,
        sha256: sha256(&bytes),
    };
    let expected = Expected {
        size: Some(stored.size),
        sha256: Some(stored.sha256),
        limit_bytes: stored.size,
    };
    assert_eq!(client().download(&url, &destination, expected).await.unwrap(), stored);
    assert_eq!(std::fs::read(&destination).unwrap(), bytes);
    // Each connection brought its part (less its headers): more than four were needed, and none was wasted.
    assert_eq!(connections.load(Ordering::SeqCst), 5);
    assert_eq!(files_in(directory.path()), [destination]);
}

#[tokio::test]
async fn a_download_without_progress_is_given_up() {
    let server = Server::start(Setup::default()).await;
    let id = server.store(&content(1_000_000, 2)).await;
    let (line, connections) = breaking_line(server.address, 0).await;
    let url = server
        .get_url(id)
        .replace(&server.address.to_string(), &line.to_string());
    let directory = tempfile::tempdir().unwrap();
    let error = client()
        .download(&url, &directory.path().join("input"), ANYTHING)
        .await
        .unwrap_err();
    assert!(matches!(error, TransferError::GaveUp { attempts: 3, .. }), "{error:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 3);
    let token = url.split_once("token=").unwrap().1;
    assert!(!format!("{error:?}").contains(token), "the token is a secret");
    assert!(files_in(directory.path()).is_empty());
}

#[tokio::test]
async fn a_download_that_is_not_what_was_expected_never_appears() {
    let server = Server::start(Setup::default()).await;
    let bytes = content(2_000_000, 3);
    let id = server.store(&bytes).await;
    let directory = tempfile::tempdir().unwrap();
    let destination = directory.path().join("input");
    let wrong_size = Expected {
        size: Some(1_999_999),
        ..ANYTHING
    };
    let wrong_digest = Expected {
        sha256: Some(sha256(b"another")),
        ..ANYTHING
    };
    let limited = Expected {
        limit_bytes: 1_999_999,
        ..ANYTHING
    };
    for expected in [wrong_size, wrong_digest] {
        let result = client().download(&server.get_url(id), &destination, expected).await;
        assert!(matches!(result, Err(TransferError::Damaged)), "{result:?}");
    }
    let result = client().download(&server.get_url(id), &destination, limited).await;
    assert!(
        matches!(result, Err(TransferError::TooLarge { limit: 1_999_999 })),
        "{result:?}"
    );
    crate::common::wait_until("nothing is left", || files_in(directory.path()).is_empty()).await;

    let exact = Expected {
        limit_bytes: 2_000_000,
        ..ANYTHING
    };
    client()
        .download(&server.get_url(id), &destination, exact)
        .await
        .unwrap();
    assert_eq!(std::fs::read(&destination).unwrap(), bytes);
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let server = Server::start(Setup::default()).await;
    let directory = tempfile::tempdir().unwrap();
    let result = client()
        .download(&server.get_url(new_id()), &directory.path().join("input"), ANYTHING)
        .await;
    let Err(TransferError::Refused { status: 404, message }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(message, "no such artifact");
    let result = client()
        .upload(&server.bare_url(new_id()), None, Source::Bytes(Bytes::new()))
        .await;
    assert!(
        matches!(result, Err(TransferError::Refused { status: 401, .. })),
        "{result:?}"
    );
}

#[tokio::test]
async fn uploads_of_files_and_bytes_arrive() {
    let server = Server::start(Setup::default()).await;
    let directory = tempfile::tempdir().unwrap();
    let token = server.token(Operation::PutAny);
    for (seed, size) in [0, 5, 3_000_001].into_iter().enumerate() {
        let bytes = content(size, seed as u64);
        let path = directory.path().join("output");
        std::fs::write(&path, &bytes).unwrap();
        for source in [Source::File(path), Source::Bytes(bytes.clone().into())] {
            let id = new_id();
            let stored = client()
                .upload(&server.bare_url(id), Some(&token), source)
                .await
                .unwrap();
            assert_eq!(
                stored,
                Stored {
                    size: size as u64,
                    sha256: sha256(&bytes)
                }
            );
            assert_eq!(server.gate.row(id), Some(stored));
            assert_eq!(server.blobs.read(id, LIMIT).await.unwrap(), bytes);
        }
    }
}

#[tokio::test]
async fn an_upload_is_repeated_while_the_server_asks_for_it() {
    let server = Server::start(Setup::default()).await;
    let (id, token) = (new_id(), server.token(Operation::PutAny));
    let source = Source::Bytes(content(1_000_000, 4).into());
    server.gate.store_away.store(2, Ordering::SeqCst);
    client()
        .upload(&server.bare_url(id), Some(&token), source.clone())
        .await
        .unwrap();
    assert!(server.gate.row(id).is_some());

    server.gate.store_away.store(3, Ordering::SeqCst);
    let result = client().upload(&server.bare_url(new_id()), Some(&token), source).await;
    assert!(
        matches!(result, Err(TransferError::GaveUp { attempts: 3, .. })),
        "{result:?}"
    );
}

/// Somebody else's content is under the id: first writer wins, and this one learns that its own is not there.
#[tokio::test]
async fn an_upload_that_lost_to_another_content_is_told() {
    let server = Server::start(Setup::default()).await;
    let (id, token) = (server.store(b"first").await, server.token(Operation::PutAny));
    let upload = |bytes: &'static [u8]| {
        let (client, url, token) = (client(), server.bare_url(id), token.clone());
        async move { client.upload(&url, Some(&token), Source::Bytes(bytes.into())).await }
    };
    assert!(matches!(upload(b"second").await, Err(TransferError::Damaged)));
    upload(b"first").await.unwrap();
}

/// A server that claims a range nobody asked for, or another one than was asked for, is not believed.
#[tokio::test]
async fn a_lying_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/artifacts/x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                let answer =
                    b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/4\r\nContent-Length: 4\r\n\r\nlies";
                // The client may have left.
                let _ = stream.write_all(answer).await;
            }
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let result = client().download(&url, &directory.path().join("input"), ANYTHING).await;
    assert!(
        matches!(result, Err(TransferError::GaveUp { attempts: 3, .. })),
        "{result:?}"
    );
}
