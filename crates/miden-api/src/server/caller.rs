//! Who calls: the address through trusted proxies, the request's id and the trace it belongs to.
//!
//! Nothing else is read of a caller's headers; those that are unknown or unsound are ignored.

mod forwarded;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use hierophant_domain::TraceContext;
use http::{HeaderMap, HeaderValue};
use tonic::transport::server::TcpConnectInfo;
use uuid::Uuid;

pub(super) use forwarded::Trust;

use crate::Caller;

/// Longest request id that is taken from a caller, in bytes.
const REQUEST_ID_MAX: usize = 64;
const REQUEST_ID_HEADER: &str = "x-request-id";
const TRACE_HEADER: &str = "traceparent";

/// Puts a [`Caller`] into the request and its id into the answer.
pub(super) async fn identify(State(trust): State<Arc<Trust>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<TcpConnectInfo>();
    let peer = peer.and_then(TcpConnectInfo::remote_addr).map(|peer| peer.ip());
    let headers = request.headers();
    let caller = Caller {
        address: peer.map(|peer| trust.caller(peer, headers)),
        request_id: request_id(headers),
        trace: trace(headers),
    };
    let id = HeaderValue::from_str(&caller.request_id).expect("a request id is visible ASCII");
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID_HEADER, id);
    response
}

/// The caller's trace, if there is exactly one and it is sound.
fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let mut values = headers.get_all(TRACE_HEADER).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    TraceContext::parse(value.to_str().ok()?).ok()
}

/// The caller's own id, if it can be used everywhere as it is, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let own = headers.get(REQUEST_ID_HEADER).map(HeaderValue::as_bytes);
    let sound = own.filter(|id| (1..=REQUEST_ID_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic));
    let sound = sound.and_then(|id| String::from_utf8(id.to_vec()).ok());
    sound.unwrap_or_else(|| Uuid::new_v4().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(value: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID_HEADER, HeaderValue::from_bytes(value).unwrap());
        request_id(&headers)
    }

    #[test]
    fn sound_ids_are_kept_and_others_replaced() {
        assert_eq!(id_of(b"wallet-7/\"a\""), "wallet-7/\"a\"");
        assert_eq!(id_of(&[b'x'; REQUEST_ID_MAX]), "x".repeat(REQUEST_ID_MAX));
        for unsound in [
            &[b'x'; REQUEST_ID_MAX + 1][..],
            b"",
            b"two words",
            b"\xff",
            b"tab\there",
        ] {
            let made = id_of(unsound);
            assert!(Uuid::parse_str(&made).is_ok(), "{made}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[test]
    fn one_sound_trace_is_taken() {
        const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(TRACE_HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            trace(&headers)
        };
        assert_eq!(read(&[SOUND]).as_ref().map(TraceContext::as_str), Some(SOUND));
        assert_eq!(read(&["00-é"]), None);
        assert_eq!(read(&[SOUND, SOUND]), None);
        assert_eq!(read(&[]), None);
    }
}
