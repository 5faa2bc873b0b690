//! Rows 6 to 11: uploads.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use prost::Message as _;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tonic::Code;

use crate::e2e::sp1::conformance::{
    mocked::{Mocked, SOON},
    raw::{DETAILS, LIST, Raw, refused},
    wire,
};

const GIB: u64 = 1 << 30;
const CHUNK_BYTES: usize = 1 << 20;
/// CreateArtifact as SDK 5.2.0 to 6.10.0 sign it with the key 0x01 repeated: computed independently of any client.
const KNOWN_SIGNATURE: &str = "c501daa290f875e4057153155e7d3810ba316173c9a420f303c97a19a4b8c582167875479f95b241e684220e80f91f5ee26bb32de2d3b5d7096350ab8bc8dd7836";

/// Row 6: the account that announced must be the one whose request names the upload.
pub(in super::super) async fn double_offset(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let known = hex::decode(KNOWN_SIGNATURE)?;
    ensure!(
        client.sign(b"create_artifact", 54) == known,
        "our signature is not the published vector"
    );
    let requester = requester_of_upload(mocked, &client, 54).await?;
    Ok(format!(
        "signature of the published vector; the upload and GetNonce's address are both 0x{requester}"
    ))
}

/// Row 7: releases before 5.2.
pub(in super::super) async fn plain_offset(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let requester = requester_of_upload(mocked, &client, 27).await?;
    requester_of_upload(mocked, &client, 0).await?;
    Ok(format!("v 27/28, and 0/1 too, give 0x{requester}"))
}

/// The requester that the network finds, in hexadecimal, if it takes the upload for its own.
async fn requester_of_upload(mocked: &Mocked, client: &Raw, v: u8) -> Result<String> {
    let made = client.announce(wire::STDIN, v).await?;
    client.put(&made.artifact_presigned_url, mocked.stdin("")).await?;
    let body = wire::BaseBody {
        stdin_uri: made.artifact_uri,
        ..mocked.base(client, "").await?
    };
    let id = client
        .request(&body)
        .await
        .context("the upload was taken for somebody else's")?;
    let requester = client.details(&id).await?.requester;
    ensure!(
        requester == client.address(),
        "the requester is {}",
        hex::encode(requester)
    );
    client.wait_fulfilled(&id, SOON).await?;
    Ok(hex::encode(requester))
}

/// Row 9.
pub(in super::super) async fn large(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let made = client.announce(wire::STDIN, 54).await?;
    let started = std::time::Instant::now();
    for turn in ["first", "second, identical"] {
        let chunk = Bytes::from(vec![0x5a_u8; CHUNK_BYTES]);
        let chunks = (0..GIB / CHUNK_BYTES as u64).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
        let put = reqwest::Client::new()
            .put(&made.artifact_presigned_url)
            .header(http::header::CONTENT_LENGTH, GIB)
            .body(reqwest::Body::wrap_stream(futures::stream::iter(chunks)))
            .build()?;
        ensure!(
            !put.headers().contains_key(http::header::CONTENT_TYPE),
            "a Content-Type was set"
        );
        let status = reqwest::Client::new().execute(put).await?.status();
        ensure!(
            status.is_success(),
            "the {turn} PUT of 1 GiB was answered with {status}"
        );
    }
    Ok(format!(
        "1 GiB without Content-Type, twice to the same URL, in {:.1} s",
        started.elapsed().as_secs_f64()
    ))
}

/// Row 10.
pub(in super::super) async fn interrupted(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let made = client.announce(wire::STDIN, 54).await?;
    let url: http::Uri = made.artifact_presigned_url.parse()?;
    let authority = url.authority().context("an authority")?.to_string();
    let body = mocked.stdin("");
    let half = &body[..body.len() / 2];
    let mut connection = TcpStream::connect(&authority).await?;
    let path = url.path_and_query().context("a path")?;
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(&[head.as_bytes(), half].concat()).await?;
    connection.shutdown().await?;
    drop(connection);
    let wish = wire::BaseBody {
        stdin_uri: made.artifact_uri,
        ..mocked.base(&client, "").await?
    };
    let why = refused(client.request(&wish).await, Code::FailedPrecondition).context("the half upload")?;
    client.put(&made.artifact_presigned_url, body).await?;
    let id = client.request(&wish).await?;
    client.wait_fulfilled(&id, SOON).await?;
    Ok(format!(
        "half an upload is none (\"{why:.60}…\"); the whole one to the same URL is proved"
    ))
}

/// Row 11.
pub(in super::super) async fn types(mocked: &Mocked) -> Result<String> {
    let client = mocked.client_with(11)?;
    for artifact_type in [wire::PROGRAM, wire::STDIN] {
        client.announce(artifact_type, 54).await?;
    }
    let made = client.announce(wire::PRIVATE_STDIN, 54).await?;
    client.put(&made.artifact_presigned_url, mocked.stdin("")).await?;
    ensure!(
        client.get(&made.artifact_presigned_url).await.is_err(),
        "the upload's URL gives the private input back"
    );
    let body = wire::BaseBody {
        stdin_private: true,
        stdin_uri: made.artifact_uri,
        ..mocked.base(&client, "").await?
    };
    let id = client.request(&body).await?;
    client.wait_fulfilled(&id, SOON).await?;
    let filter = wire::Filter {
        requester: Some(client.address()),
        ..wire::Filter::default()
    };
    let listing = client.send(LIST, filter.encode_to_vec()).await?;
    let details = client
        .send(DETAILS, wire::OneBytes { value: id.clone() }.encode_to_vec())
        .await?;
    let operators = mocked
        .cluster
        .json("/requests?limit=100")
        .await
        .map_err(anyhow::Error::msg)?
        .to_string();
    let one = mocked.seen_by_operators(&id).await?.to_string();
    let path = made.artifact_presigned_url.split('?').next().unwrap_or_default();
    for (what, seen) in [
        ("listing", &listing[..]),
        ("details", &details),
        ("operators' list", operators.as_bytes()),
        ("operators' page", one.as_bytes()),
    ] {
        let text = String::from_utf8_lossy(seen);
        ensure!(
            !text.contains(path) && !text.contains("http://"),
            "the {what} has a URL: {text:?}"
        );
    }
    Ok(
        "1, 2 and 7 taken; no URL in listing, details and operators' pages; the upload's URL gives nothing back"
            .to_owned(),
    )
}
