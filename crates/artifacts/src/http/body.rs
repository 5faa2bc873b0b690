//! Request bodies: read with a limit on standing still, and read on for a while after a refusal.

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

use crate::blobs::BoxError;

/// Less than this within the idle timeout is standing still: a peer cannot hold its place with a byte now and then.
const PROGRESS_BYTES: usize = 4096;

/// Most refused uploads that are read on at once. The others are cut off at once, and may miss their answer.
pub(super) const LINGERING_MAX: usize = 32;

/// How much of a refused upload is read on.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// How long a refused upload is read on.
const LINGER_TIME: Duration = Duration::from_secs(10);

/// A body's bytes, or the error that ends it.
pub(super) type Incoming = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// The peer sent too little for too long.
#[derive(Debug, thiserror::Error)]
#[error("the peer stood still")]
struct Stalled;

/// The bytes of a body, ended with an error when the peer stands still for `idle`.
pub(super) fn incoming(body: Body, idle: Duration) -> Incoming {
    let start = Some((body.into_data_stream(), Instant::now() + idle, 0));
    let stream = stream::unfold(start, move |state| async move {
        let (mut data, mut deadline, mut progress) = state?;
        match timeout_at(deadline, data.next()).await {
            Ok(None) => None,
            Ok(Some(Err(error))) => Some((Err(error.into()), None)),
            Err(_) => Some((Err(Stalled.into()), None)),
            Ok(Some(Ok(bytes))) => {
                progress += bytes.len();
                if progress >= PROGRESS_BYTES {
                    (deadline, progress) = (Instant::now() + idle, 0);
                }
                Some((Ok(bytes), Some((data, deadline, progress))))
            }
        }
    });
    stream.boxed()
}

/// Reads on, bounded, what a refused peer still sends: closing a connection with unread bytes resets it, and the peer
/// would see that instead of the answer.
pub(super) fn linger(mut body: Incoming, lingering: &Arc<Semaphore>) {
    let Ok(place) = lingering.clone().try_acquire_owned() else {
        return;
    };
    tokio::spawn(async move {
        let _place = place;
        let mut left = LINGER_BYTES;
        let reading = async {
            while let Some(Ok(bytes)) = body.next().await {
                let Some(rest) = left.checked_sub(bytes.len()) else {
                    return;
                };
                left = rest;
            }
        };
        // Either way the peer had its chance.
        let _ = timeout(LINGER_TIME, reading).await;
    });
}
