//! Bytes that no honest client sends. Each gets an answer or its connection is closed, and the listener serves on.

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    support::{Behaviour, Listener, PATIENCE, Stub, b_request, frame, proof_of, settings},
    web,
};

const PATHS: [&str; 2] = [
    "/remote_prover.Api/Prove",
    "/miden.remote_prover.v1.ProverService/Prove",
];

/// The listener still serves.
async fn serves(listener: &Listener) {
    let answer = listener.b().await.prove(b_request(0, "witness")).await.unwrap();
    let expected = proof_of(hierophant_miden_api::Kind::Transaction, b"witness");
    assert_eq!(answer.into_inner().payload, expected);
}

/// Sends raw bytes and reads what comes until the connection is closed, or the first answer.
async fn raw(listener: &Listener, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(listener.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![0; 4_096];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.unwrap();
    // A reset is an answer too.
    String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned()
}

#[tokio::test]
async fn messages_that_are_none_never_reach_the_prover() {
    let stub = Stub::new(Behaviour::Prove);
    let listener = Listener::start(&stub, settings()).await;
    let whole = frame(&b_request(0, "witness"));
    let claims = |flag: u8, length: u32, body: &[u8]| {
        let mut bytes = BytesMut::from(&[flag][..]);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(body);
        bytes.freeze()
    };
    let bodies = [
        ("empty", Bytes::new()),
        ("truncated", whole.slice(..whole.len() - 1)),
        ("a frame's head alone", whole.slice(..3)),
        ("a length of 4 GiB", claims(0, u32::MAX, b"short")),
        ("a compressed flag", claims(1, 5, b"short")),
        ("an unknown flag", claims(7, 5, b"short")),
        ("garbage for a message", claims(0, 6, &[0xff; 6])),
        (
            "a field of 2^60 bytes",
            claims(0, 11, &[0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 1]),
        ),
    ];
    for path in PATHS {
        for (what, body) in &bodies {
            let answer = web::post(&listener, path, body.clone()).send().await.unwrap();
            let status = answer
                .headers()
                .get("grpc-status")
                .map(|code| code.to_str().unwrap().to_owned());
            assert!(status.as_ref().is_some_and(|code| code != "0"), "{what}: {status:?}");
        }
    }
    assert!(stub.seen().is_empty());
    serves(&listener).await;
}

#[tokio::test]
async fn what_stands_behind_an_honest_message_is_tolerated() {
    let honest = frame(&b_request(0, "witness"));
    // Field 15, a varint, that no release has.
    let message = [&honest[5..], &[0x78, 1]].concat();
    let unknown_field = [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()][..], &message].concat();
    let second_message = [&honest[..], &frame(&b_request(1, "second"))].concat();
    for body in [unknown_field, second_message] {
        let stub = Stub::new(Behaviour::Prove);
        let listener = Listener::start(&stub, settings()).await;
        web::post(&listener, PATHS[0], body.into()).send().await.unwrap();
        let [call] = stub.seen().try_into().unwrap();
        assert_eq!(call.witness, "witness");
    }
}

#[tokio::test]
async fn hostile_headers_are_ignored_or_refused() {
    let stub = Stub::new(Behaviour::Prove);
    let listener = Listener::start(&stub, settings()).await;
    let body = frame(&b_request(0, "witness"));
    let oversized = "x".repeat(300_000);
    let lines: [(&[u8], bool); 9] = [
        (b"x-request-id: \xff\xfe", true),
        (b"x-request-id: ", true),
        (b"traceparent: \xff\r\ntraceparent: 00-", true),
        (b"x-forwarded-for: \xff, ,,, 999.1.1.1, [::1", true),
        (b"grpc-timeout: 99999999999999999999S", true),
        (b"grpc-timeout: 99999999H", true),
        (b"accept: application/vnd.miden; version=0.15.0; genesis=0x00", true),
        (b"x-padding: \0", false),
        (oversized.as_bytes(), false),
    ];
    for (line, served) in lines {
        let before = stub.seen().len();
        let mut bytes = format!("POST {} HTTP/1.1\r\nhost: x\r\n", PATHS[0]).into_bytes();
        bytes.extend_from_slice(b"content-type: application/grpc-web+proto\r\n");
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(format!("\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body);
        let answer = raw(&listener, &bytes).await;
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]);
        assert_eq!(stub.seen().len() - before, usize::from(served), "{shown}: {answer}");
        assert_eq!(answer.starts_with("HTTP/1.1 200"), served, "{shown}: {answer}");
    }
    serves(&listener).await;
}

#[tokio::test]
async fn what_is_no_http_is_closed() {
    let listener = Listener::start(&Stub::new(Behaviour::Prove), settings()).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        let answer = raw(&listener, bytes).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    serves(&listener).await;
}
