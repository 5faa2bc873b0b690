//! The one place where refusals get their gRPC code.
//!
//! Clients try again for two minutes on `Unavailable`, `Internal`, `Aborted` and `DeadlineExceeded`, and stop at once on every
//! other code. So `Unavailable` is for what passes, and `ResourceExhausted` is never used.

use hierophant_core::CoreError;
use tonic::Status;

use crate::account::BadSignature;

/// The core's answer in the words of gRPC.
pub(crate) fn of_core(error: CoreError) -> Status {
    match error {
        // A full queue empties as proofs are made: worth the two minutes.
        CoreError::Unavailable(why) | CoreError::Full(why) => Status::unavailable(why),
        CoreError::Invalid(why) => Status::invalid_argument(why),
        CoreError::NotFound(why) => Status::not_found(why),
        CoreError::NotAllowed(why) => Status::permission_denied(why),
        CoreError::Internal(why) => Status::internal(why),
    }
}

/// A signature that gives no account.
pub(crate) fn of_signature(BadSignature(why): BadSignature) -> Status {
    Status::unauthenticated(format!(
        "the signature is not valid: {why}; sign the encoded body as an Ethereum personal message with NETWORK_PRIVATE_KEY"
    ))
}

/// A request id that was never given out here, or whose request is gone.
pub(crate) fn unknown_request() -> Status {
    Status::not_found(
        "there is no such proof request here; ids are 32 bytes and belong to the network that gave them out",
    )
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn each_error_of_the_core_has_its_code() {
        let why = || "why".to_owned();
        for (error, code) in [
            (CoreError::Unavailable(why()), Code::Unavailable),
            (CoreError::Full(why()), Code::Unavailable),
            (CoreError::Invalid(why()), Code::InvalidArgument),
            (CoreError::NotFound(why()), Code::NotFound),
            (CoreError::NotAllowed(why()), Code::PermissionDenied),
            (CoreError::Internal(why()), Code::Internal),
        ] {
            let status = of_core(error);
            assert_eq!((status.code(), status.message()), (code, "why"));
        }
    }
}
