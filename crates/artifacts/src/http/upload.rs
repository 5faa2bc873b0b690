//! PUT: receives a blob, stores it, has it noted, answers.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use hierophant_domain::ArtifactId;

use super::{
    Credential, Denied, PutPermit, Service,
    body::{Incoming, incoming, linger},
    download::etag,
};
use crate::blobs::{NewBlob, Stored};

/// Answers a PUT.
pub(super) async fn put(
    service: Service,
    id: Result<ArtifactId, Denied>,
    credential: Credential,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let expects_leave = headers.contains_key(header::EXPECT);
    let mut body = incoming(body, service.limits.idle_timeout);
    let lingering = service.lingering.clone();

    // In a task of its own: what a client sent whole is noted even if the client is gone by then.
    let transfer = tokio::spawn(async move {
        let mut started = false;
        let outcome = receive(&service, id, &credential, announced, &mut body, &mut started).await;
        (outcome, body, started)
    });
    match transfer.await {
        Ok((Ok(stored), _, _)) => ([(header::ETAG, etag(stored.sha256))], ()).into_response(),
        Ok((Err(denied), body, started)) => {
            // Who asked for leave (100-continue) and did not get it has sent nothing.
            if started || !expects_leave {
                linger(body, &lingering);
            }
            refused(denied)
        }
        Err(_) => refused(Denied::Retry("the server failed: send it again".into())),
    }
}

fn refused(denied: Denied) -> Response {
    let mut response = denied.into_response();
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The whole way of an upload. Sets `started` when it begins to read the body.
async fn receive(
    service: &Service,
    id: Result<ArtifactId, Denied>,
    credential: &Credential,
    announced: Option<u64>,
    body: &mut Incoming,
    started: &mut bool,
) -> Result<Stored, Denied> {
    let id = id?;
    let permit = service.gate.may_put(id, credential).await?;
    let PutPermit {
        limit_bytes,
        durability,
        already,
    } = permit;
    if announced.is_some_and(|announced| announced > limit_bytes) {
        return Err(too_large(limit_bytes));
    }
    let _turn = service.turn(&service.uploads).await?;
    *started = true;
    if let Some(stored) = already {
        drain(body, limit_bytes).await?;
        return Ok(stored);
    }
    let new = NewBlob {
        id,
        durability,
        limit_bytes,
        announced_bytes: announced,
    };
    let stored = service.blobs.put_stream(new, body).await?;
    service.gate.stored(id, credential, stored).await?;
    Ok(stored)
}

/// Reads a body that is not needed to its end, because its sender wants to send it before it looks at the answer.
async fn drain(body: &mut Incoming, limit_bytes: u64) -> Result<(), Denied> {
    let mut left = limit_bytes;
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|_| Denied::Stalled("the upload was cut off: send it again".into()))?;
        left = left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| too_large(limit_bytes))?;
    }
    Ok(())
}

fn too_large(limit_bytes: u64) -> Denied {
    Denied::TooLarge(format!("at most {limit_bytes} bytes are accepted: send less"))
}
