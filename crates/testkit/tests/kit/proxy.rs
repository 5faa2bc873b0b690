//! The proxy: what passes, what a cut does, and which reply is lost.

use std::{net::SocketAddr, time::Duration};

use hierophant_testkit::{CutableProxy, wait_until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const BOUND: Duration = Duration::from_mins(1);

/// A server that answers each byte with `before`, `hello` and that byte, in one piece each.
async fn server(before: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                continue;
            };
            tokio::spawn(async move {
                while let Ok(byte) = stream.read_u8().await {
                    let reply = [before, b"hello", &[byte]].concat();
                    if stream.write_all(&reply).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

async fn connect(proxy: &CutableProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("the proxy accepts")
}

/// Sends a byte and reads `length` bytes.
async fn ask(stream: &mut TcpStream, byte: u8, length: usize) -> std::io::Result<Vec<u8>> {
    stream.write_u8(byte).await?;
    let mut reply = vec![0; length];
    tokio::time::timeout(BOUND, stream.read_exact(&mut reply))
        .await
        .expect("an answer or an end")?;
    Ok(reply)
}

#[tokio::test]
async fn it_forwards_both_ways_and_follows_its_target() {
    let proxy = CutableProxy::start(None).await;
    assert!(ask(&mut connect(&proxy).await, b'1', 6).await.is_err());
    proxy.retarget(Some(server(b"").await));
    let mut stream = connect(&proxy).await;
    assert_eq!(ask(&mut stream, b'1', 6).await.expect("forwarded"), b"hello1");
    proxy.retarget(Some(server(b"other ").await));
    assert_eq!(
        ask(&mut stream, b'2', 6).await.expect("the old connection goes on"),
        b"hello2"
    );
    assert_eq!(
        ask(&mut connect(&proxy).await, b'3', 12).await.expect("forwarded"),
        b"other hello3"
    );
}

#[tokio::test]
async fn a_cut_ends_all_connections_until_it_is_mended() {
    let proxy = CutableProxy::start(Some(server(b"").await)).await;
    let mut stream = connect(&proxy).await;
    ask(&mut stream, b'1', 6).await.expect("forwarded");
    proxy.cut();
    assert!(ask(&mut stream, b'2', 6).await.is_err());
    assert!(ask(&mut connect(&proxy).await, b'3', 6).await.is_err());
    proxy.mend();
    assert_eq!(
        ask(&mut connect(&proxy).await, b'4', 6).await.expect("mended"),
        b"hello4"
    );

    // A cut that is mended at once has cut all the same.
    let mut stream = connect(&proxy).await;
    ask(&mut stream, b'5', 6).await.expect("forwarded");
    proxy.cut();
    proxy.mend();
    assert!(ask(&mut stream, b'6', 6).await.is_err());
}

#[tokio::test]
async fn held_bytes_arrive_when_it_is_mended() {
    let proxy = CutableProxy::start(Some(server(b"").await)).await;
    let mut stream = connect(&proxy).await;
    ask(&mut stream, b'1', 6).await.expect("forwarded");
    proxy.hold();
    stream.write_u8(b'2').await.expect("the connection is there");
    let nothing = tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await;
    assert!(nothing.is_err(), "held, but {nothing:?}");
    proxy.mend();
    let mut reply = [0; 6];
    stream.read_exact(&mut reply).await.expect("the connection was kept");
    assert_eq!(&reply, b"hello2");
}

#[tokio::test]
async fn one_reply_is_lost_with_its_connection() {
    let proxy = CutableProxy::start(Some(server(b"").await)).await;
    let mut other = connect(&proxy).await;
    let mut stream = connect(&proxy).await;
    ask(&mut stream, b'1', 6).await.expect("forwarded");
    proxy.lose_next_reply();
    assert_eq!(proxy.replies_lost(), 0);
    assert!(ask(&mut stream, b'2', 1).await.is_err());
    wait_until("a lost reply", BOUND, async || match proxy.replies_lost() {
        1 => Ok(()),
        lost => Err(lost.to_string()),
    })
    .await;
    assert_eq!(ask(&mut other, b'3', 6).await.expect("only one is lost"), b"hello3");
}

/// In HTTP/2 what is no reply passes first: here a SETTINGS frame (type 4), before HEADERS (type 1).
#[tokio::test]
async fn control_frames_are_no_replies() {
    const FRAMES: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01x";
    let proxy = CutableProxy::start(Some(server(FRAMES).await)).await;
    proxy.lose_next_reply();
    let mut stream = connect(&proxy).await;
    stream.write_u8(b'1').await.expect("sent");
    let mut reply = Vec::new();
    // The connection may end with an error or without: what was read before counts.
    let _ = tokio::time::timeout(BOUND, stream.read_to_end(&mut reply))
        .await
        .expect("it ends");
    assert_eq!(reply, FRAMES[..9]);
    assert_eq!(proxy.replies_lost(), 1);
}

#[tokio::test]
async fn it_ends_with_its_owner() {
    let proxy = CutableProxy::start(Some(server(b"").await)).await;
    let mut stream = connect(&proxy).await;
    ask(&mut stream, b'1', 6).await.expect("forwarded");
    drop(proxy);
    assert!(ask(&mut stream, b'2', 6).await.is_err());
}
