//! The gate before `Prove`: rate, room, the time an upload may take and the time the caller gives.
//!
//! A refused call costs nothing: it is answered before its message is read. A gate that is passed holds its place until
//! the call is answered or the caller leaves.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures::{StreamExt as _, stream};
use http::HeaderMap;
use tokio::{sync::Semaphore, time::Instant};
use tonic::Status;

use super::rate::Rate;
use crate::{Caller, Proving, RateLimit, Refusal};

/// Calls of `Prove` on one listener at once, those that are still uploading included. With the message limit it bounds the
/// memory that callers can take.
const CALLS_MAX: usize = 4_096;
/// How long the message of a call may take to arrive.
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(1);
/// How a client says how long it waits.
const TIMEOUT_HEADER: &str = "grpc-timeout";
/// Most digits of a timeout, by gRPC's specification.
const TIMEOUT_DIGITS: usize = 8;

#[derive(Debug)]
pub(super) struct Gate {
    rate: Option<Rate>,
    room: Semaphore,
    /// Told of whom is refused here.
    proving: Arc<dyn Proving>,
}

impl Gate {
    pub(super) fn new(limit: Option<RateLimit>, proving: Arc<dyn Proving>) -> Self {
        Self {
            proving,
            rate: limit.map(Rate::new),
            room: Semaphore::new(CALLS_MAX),
        }
    }

    /// Takes one call of `address`, if it does not ask too often.
    fn rate(&self, address: Option<IpAddr>) -> Result<(), Status> {
        let Some(rate) = &self.rate else { return Ok(()) };
        rate.check(address).map_err(|refusal| {
            let is_first = rate.refused(address, std::time::Instant::now());
            self.proving.turned_away(&refusal, is_first);
            refusal.into()
        })
    }
}

/// Lets a call in, or refuses it.
pub(super) async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<Caller>().and_then(|caller| caller.address);
    if let Err(status) = gate.rate(address) {
        return status.into_http();
    }
    let Ok(_place) = gate.room.try_acquire() else {
        let refusal = Refusal::QueueFull(format!("{CALLS_MAX} calls are in hand already; try again later"));
        gate.proving.turned_away(&refusal, false);
        return Status::from(refusal).into_http();
    };
    let patience = patience(request.headers());
    let answer = next.run(request.map(within_upload_timeout));
    match patience {
        None => answer.await,
        Some(patience) => tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| {
            let text = format!("timeout expired: the {patience:?} of this call's grpc-timeout are over");
            Status::from(Refusal::TimedOut(text)).into_http()
        }),
    }
}

/// The same body, which fails if it is not all there in time.
fn within_upload_timeout(body: Body) -> Body {
    let end = Instant::now() + UPLOAD_TIMEOUT;
    let chunks = stream::try_unfold(body.into_data_stream(), move |mut rest| async move {
        let chunk = tokio::time::timeout_at(end, rest.next()).await.map_err(|_| late())?;
        Ok::<_, axum::BoxError>(chunk.transpose()?.map(|chunk| (chunk, rest)))
    });
    Body::from_stream(chunks)
}

fn late() -> Status {
    Refusal::TimedOut(format!("the message did not arrive within {UPLOAD_TIMEOUT:?}")).into()
}

/// How long the caller waits, as gRPC's specification writes it. What is not of that form says nothing.
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT_HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > TIMEOUT_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_hours(number)),
        "M" => Some(Duration::from_mins(number)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(TIMEOUT_HEADER, HeaderValue::from_str(text).unwrap());
        patience(&headers)
    }

    #[test]
    fn timeouts_are_read_as_the_specification_writes_them() {
        assert_eq!(read("10S"), Some(Duration::from_secs(10)));
        assert_eq!(read("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(read("5m"), Some(Duration::from_millis(5)));
        assert_eq!(read("1M"), Some(Duration::from_mins(1)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
    }

    #[test]
    fn anything_else_says_nothing() {
        for text in [
            "",
            "S",
            "10",
            "-1S",
            "+1S",
            "1.5S",
            "100000000S",
            "10s",
            "10 S",
            "1\u{e9}",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(patience(&HeaderMap::new()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_does_not_arrive_fails() {
        let never = Body::from_stream(stream::pending::<Result<bytes::Bytes, axum::BoxError>>());
        let begun = Instant::now();
        let read = axum::body::to_bytes(within_upload_timeout(never), usize::MAX).await;
        let status = Status::from_error(read.unwrap_err().into());
        assert_eq!(status.code(), tonic::Code::Cancelled);
        assert_eq!(begun.elapsed().as_secs(), UPLOAD_TIMEOUT.as_secs());
    }
}
