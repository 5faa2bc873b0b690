//! Sends bytes as they are: what no published client would send.

use std::time::Duration;

use miden_kit::client::{Event, RawArguments};

use crate::{
    files,
    wire::{self, ApiClient, ProofRequest},
};

/// Largest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// Sends a file.
pub(crate) async fn run(arguments: RawArguments) -> anyhow::Result<()> {
    let payload = files::read(&arguments.payload)?;
    let timeout = Duration::from_secs(arguments.timeout);
    let answer = send(&arguments.url, arguments.kind, payload, timeout).await?;
    Event::Answered { bytes: answer.len() }.print();
    match &arguments.out {
        Some(out) => files::write(out, "an answer", &answer),
        None => Ok(()),
    }
}

/// Sends bytes and returns those that are answered; a refusal is a `Refused`.
pub(crate) async fn send(url: &str, kind: i32, payload: Vec<u8>, timeout: Duration) -> anyhow::Result<Vec<u8>> {
    let request = ProofRequest {
        proof_type: kind,
        payload,
    };
    let mut client = ApiClient::new(wire::connect(url, timeout).await?).max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client.prove(request).await.map_err(|status| wire::refused(&status))?;
    Ok(answer.into_inner().payload)
}
