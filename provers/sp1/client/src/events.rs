//! What the client says: JSON lines for programs, words for people.

use std::io::Write as _;

use serde_json::{Value, json};

/// One line on stdout.
#[derive(Debug)]
pub(crate) enum Event {
    /// The program was set up.
    SetUp { vk_hash: String, milliseconds: u128 },
    /// The network accepted the request.
    Requested { request_id: String },
    /// The network reports another state than before.
    Status { fulfillment: &'static str },
    /// The proof is here.
    Fulfilled { bytes: usize, milliseconds: u128 },
    /// The SDK accepted the proof.
    Verified {
        public_values: String,
        public_values_bytes: usize,
    },
    /// The proof lies in a file.
    Saved { path: String },
    /// The network took the cancellation.
    Cancelled { request_id: String },
    /// What the network knows of a request.
    Details { details: Value },
    /// Something went wrong; the exit status is not 0.
    Error { message: String },
}

impl Event {
    fn to_json(&self) -> Value {
        match self {
            Self::SetUp { vk_hash, milliseconds } => {
                json!({"event": "set_up", "vk_hash": vk_hash, "milliseconds": number(*milliseconds)})
            }
            Self::Requested { request_id } => {
                json!({"event": "requested", "request_id": request_id})
            }
            Self::Status { fulfillment } => json!({"event": "status", "fulfillment": fulfillment}),
            Self::Fulfilled { bytes, milliseconds } => {
                json!({"event": "fulfilled", "bytes": bytes, "milliseconds": number(*milliseconds)})
            }
            Self::Verified {
                public_values,
                public_values_bytes,
            } => json!({
                "event": "verified",
                "public_values": public_values,
                "public_values_bytes": public_values_bytes,
            }),
            Self::Saved { path } => json!({"event": "saved", "path": path}),
            Self::Cancelled { request_id } => {
                json!({"event": "cancelled", "request_id": request_id})
            }
            Self::Details { details } => json!({"event": "details", "details": details}),
            Self::Error { message } => json!({"event": "error", "message": message}),
        }
    }

    /// Prints the line, and words for people.
    pub(crate) fn print(&self) {
        let json = self.to_json();
        let mut stdout = std::io::stdout().lock();
        // A reader that went away is no reason to stop waiting for a proof.
        let _ = writeln!(stdout, "{json}").and_then(|()| stdout.flush());
        let words = match self {
            Self::SetUp { milliseconds, .. } => format!("program set up in {milliseconds} ms"),
            Self::Requested { request_id } => format!("requested as {request_id}"),
            Self::Status { fulfillment } => format!("the network says: {fulfillment}"),
            Self::Fulfilled { bytes, milliseconds } => {
                format!("proof of {bytes} bytes after {milliseconds} ms")
            }
            Self::Verified { .. } => "the proof verifies".into(),
            Self::Saved { path } => format!("saved to {path}"),
            Self::Cancelled { .. } => "cancelled".into(),
            Self::Details { .. } => "details printed".into(),
            Self::Error { message } => format!("failed: {message}"),
        };
        let _ = writeln!(std::io::stderr(), "sp1-client: {words}");
    }
}

fn number(milliseconds: u128) -> u64 {
    u64::try_from(milliseconds).unwrap_or(u64::MAX)
}
