//! HTTP by hand, for what a well-behaved client cannot be made to do.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The head of a PUT that announces `length` bytes; `more` are whole header lines.
pub(crate) fn put_head(url: &str, length: usize, more: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    format!("PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{more}\r\n")
}

/// A new connection on which `bytes` were sent.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads until the answer's head is there and returns it with what came after it.
pub(crate) async fn answer(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !read.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            assert_ne!(
                length,
                0,
                "closed before an answer, after {:?}",
                String::from_utf8_lossy(&read)
            );
            read.extend_from_slice(&buffer[..length]);
        }
    };
    timeout(PATIENCE, reading).await.expect("an answer within ten seconds");
    String::from_utf8_lossy(&read).into_owned()
}
