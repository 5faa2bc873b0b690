//! What a client says: JSON lines for programs, words for people.

use std::io::Write as _;

use serde_json::{Value, json};

use super::Refused;
use crate::Kind;

/// One line on stdout.
#[derive(Debug)]
pub enum Event {
    /// A file was written: a witness, a proof, a false proof.
    Made {
        /// What it holds.
        what: String,
        /// How many bytes.
        bytes: usize,
    },
    /// A proof was made by whoever was asked, or here, and it verifies.
    Proved {
        /// What was proved.
        kind: Kind,
        /// From the call to its answer.
        seconds: f64,
        /// How long the answer is.
        bytes: usize,
        /// The transaction's or batch's id in hexadecimal; empty for a block.
        id: String,
    },
    /// A proof in a file verifies.
    Verified {
        /// What it proves.
        kind: Kind,
        /// The transaction's or batch's id in hexadecimal; empty for a block.
        id: String,
    },
    /// Raw bytes were answered.
    Answered {
        /// How long the answer is.
        bytes: usize,
    },
    /// A service said how it is.
    Status {
        /// "worker", "proxy" or "health".
        service: &'static str,
        /// What it said.
        details: Value,
    },
    /// A service is not there or did not answer.
    Missing {
        /// "worker", "proxy" or "health".
        service: &'static str,
        /// gRPC's name of the code.
        code: String,
    },
    /// The other side refused; the exit status is not 0.
    Refused(Refused),
    /// Something went wrong; the exit status is not 0.
    Error {
        /// What.
        message: String,
    },
}

impl Event {
    fn to_json(&self) -> Value {
        match self {
            Self::Made { what, bytes } => json!({"event": "made", "what": what, "bytes": bytes}),
            Self::Proved {
                kind,
                seconds,
                bytes,
                id,
            } => json!({"event": "proved", "kind": kind.name(), "seconds": seconds, "bytes": bytes, "id": id}),
            Self::Verified { kind, id } => json!({"event": "verified", "kind": kind.name(), "id": id}),
            Self::Answered { bytes } => json!({"event": "answered", "bytes": bytes}),
            Self::Status { service, details } => json!({"event": "status", "service": service, "details": details}),
            Self::Missing { service, code } => json!({"event": "missing", "service": service, "code": code}),
            Self::Refused(refused) => json!({"event": "refused", "code": refused.code, "message": refused.message}),
            Self::Error { message } => json!({"event": "error", "message": message}),
        }
    }

    /// Prints the line, and words for people.
    pub fn print(&self) {
        let json = self.to_json();
        let mut stdout = std::io::stdout().lock();
        // A reader that went away is no reason to stop waiting for a proof.
        let _ = writeln!(stdout, "{json}").and_then(|()| stdout.flush());
        let words = match self {
            Self::Made { what, bytes } => format!("made {what} of {bytes} bytes"),
            Self::Proved { kind, seconds, .. } => format!("a {kind} was proved in {seconds:.2} s, and it verifies"),
            Self::Verified { kind, .. } => format!("the proof of the {kind} verifies"),
            Self::Answered { bytes } => format!("answered with {bytes} bytes"),
            Self::Status { service, details } => format!("{service}: {details}"),
            Self::Missing { service, code } => format!("{service}: not there ({code})"),
            Self::Refused(refused) => refused.to_string(),
            Self::Error { message } => format!("failed: {message}"),
        };
        let _ = writeln!(std::io::stderr(), "{words}");
    }
}
