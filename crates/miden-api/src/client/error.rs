//! What a remote worker's refusal means for whoever asked.

use std::error::Error;

use tonic::{Code, Status, TimeoutExpired};

/// Longest text that is kept of a worker's answer, in bytes.
const TEXT_MAX: usize = 1_024;

/// Why there is no answer, by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It has no room, or was asked too often: try another worker, or this one later.
    #[error("the worker is busy: {0}")]
    Busy(String),
    /// It cannot be reached, went away during the call, or is no worker of this generation and kind: try another, and look
    /// at this one's health.
    #[error("the worker cannot be reached: {0}")]
    Unreachable(String),
    /// It took longer than was given.
    #[error("the worker took too long: {0}")]
    TimedOut(String),
    /// It cannot read the witness as one of its kind and line. Another worker of the line says the same, if this one is right.
    #[error("the worker cannot read the witness: {0}")]
    Refused(String),
    /// It read the witness and has no proof: the witness does not prove, or the worker failed.
    #[error("the worker failed: {0}")]
    Failed(String),
    /// Anything else: a call that this worker never answers as it should.
    #[error("the worker answers unexpectedly: {0}")]
    Other(String),
}

/// An address that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a worker: write HOST:PORT")]
pub struct BadAddress(pub(super) String);

/// Sorts an answer that is an error.
pub(super) fn classify(status: &Status) -> RemoteError {
    let message = text(status.message(), TEXT_MAX);
    let causes: Vec<&(dyn Error + 'static)> = std::iter::successors(status.source(), |&cause| cause.source()).collect();
    // Only a status that was made on this side has a cause: the time was over, or the transport broke.
    if causes.iter().any(|cause| cause.is::<TimeoutExpired>()) {
        return RemoteError::TimedOut(message);
    }
    if !causes.is_empty() {
        return RemoteError::Unreachable(text(&chain(message, &causes), TEXT_MAX));
    }
    match status.code() {
        Code::ResourceExhausted => RemoteError::Busy(message),
        Code::Unavailable | Code::Unimplemented => RemoteError::Unreachable(message),
        Code::Cancelled | Code::DeadlineExceeded => RemoteError::TimedOut(message),
        Code::InvalidArgument => RemoteError::Refused(message),
        // Upstream's older workers answer a panic without any status: UNKNOWN.
        Code::Internal | Code::Unknown | Code::Aborted | Code::DataLoss => RemoteError::Failed(message),
        Code::Ok
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unauthenticated => RemoteError::Other(format!("{:?}: {message}", status.code())),
    }
}

/// "tcp connect error: connection refused": each cause once.
fn chain(message: String, causes: &[&(dyn Error + 'static)]) -> String {
    causes.iter().map(ToString::to_string).fold(message, |words, cause| {
        if words.contains(&cause) {
            words
        } else {
            format!("{words}: {cause}")
        }
    })
}

/// At most `max` bytes of `raw`, on one line.
pub(super) fn text(raw: &str, max: usize) -> String {
    let cut = &raw[..raw.floor_char_boundary(max)];
    cut.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_class() {
        let of = |code| classify(&Status::new(code, "text"));
        let same = "text".to_owned();
        assert_eq!(of(Code::ResourceExhausted), RemoteError::Busy(same.clone()));
        assert_eq!(of(Code::Unavailable), RemoteError::Unreachable(same.clone()));
        assert_eq!(of(Code::Unimplemented), RemoteError::Unreachable(same.clone()));
        assert_eq!(of(Code::Cancelled), RemoteError::TimedOut(same.clone()));
        assert_eq!(of(Code::DeadlineExceeded), RemoteError::TimedOut(same.clone()));
        assert_eq!(of(Code::InvalidArgument), RemoteError::Refused(same.clone()));
        assert_eq!(of(Code::Internal), RemoteError::Failed(same.clone()));
        assert_eq!(of(Code::Unknown), RemoteError::Failed(same));
        assert!(matches!(of(Code::OutOfRange), RemoteError::Other(_)));
    }

    #[test]
    fn what_was_made_on_this_side_is_told_from_the_workers_words() {
        let expired = Status::from_error(Box::new(TimeoutExpired(())));
        assert!(matches!(classify(&expired), RemoteError::TimedOut(_)));
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        assert!(matches!(classify(&broken), RemoteError::Unreachable(text) if text.contains("reset")));
    }

    #[test]
    fn texts_are_cut_and_harmless() {
        assert_eq!(text("a\nb\u{1b}[31m", 10), "a b [31m");
        assert_eq!(text(&"x".repeat(2_000), TEXT_MAX).len(), TEXT_MAX);
        assert_eq!(text("éé", 3), "é");
    }
}
