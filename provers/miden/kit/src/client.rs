//! What the test clients of every line share: their command line and their events.
//!
//! Not here: anything of a line. What must stay true: stdout carries one JSON event a line and nothing else; the exit status
//! is 0 only if everything asked for was done, and an answer that was waited for was verified.

mod arguments;
mod events;

use std::process::ExitCode;

pub use arguments::{
    Command, Forge, ForgeArguments, KindName, Layout, LocalArguments, ProveArguments, RawArguments, StatusArguments,
    VerifyArguments, Wallet, WitnessArguments, parse,
};
pub use events::Event;

/// A call that the other side refused: what was asked for was not done, and nobody here is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused with {code}: {message}")]
pub struct Refused {
    /// gRPC's name of the code: "INVALID_ARGUMENT".
    pub code: String,
    /// The other side's words.
    pub message: String,
}

/// Ends a client: prints what went wrong, which is [`Refused`] or any other error, and gives the exit status.
pub fn finish(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    match error.downcast::<Refused>() {
        Ok(refused) => Event::Refused(refused),
        Err(error) => Event::Error {
            message: format!("{error:#}"),
        },
    }
    .print();
    ExitCode::FAILURE
}
