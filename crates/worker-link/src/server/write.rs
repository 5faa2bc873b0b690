//! What the core has for a worker becomes messages.

use hierophant_core::ports::{AssignedInput, AssignedTask, InputSource};
use hierophant_domain::{LeaseToken, artifact::INLINE_MAX_BYTES};

use crate::{
    proto::{self, to_worker::Message},
    tidy,
};

/// Wraps a message.
pub(super) fn frame(message: Message) -> proto::ToWorker {
    proto::ToWorker { message: Some(message) }
}

/// The result or failure is settled.
pub(super) fn acknowledged(token: LeaseToken) -> proto::ToWorker {
    frame(Message::Acknowledged(proto::Acknowledged { lease: bytes(token) }))
}

/// The lease is gone.
pub(super) fn revoked(token: LeaseToken, reason: &str) -> proto::ToWorker {
    frame(Message::Revoked(proto::Revoked {
        lease: bytes(token),
        reason: tidy(reason),
    }))
}

/// The stream ends.
pub(super) fn refused(reason: &str, retry: bool) -> proto::ToWorker {
    frame(Message::Refused(proto::Refused {
        reason: tidy(reason),
        retry,
    }))
}

/// A task for the worker.
pub(super) fn lease(task: AssignedTask) -> proto::ToWorker {
    frame(Message::Lease(proto::Lease {
        token: bytes(task.token),
        task_id: task.task.as_bytes().to_vec(),
        request_id: task.request.as_bytes().to_vec(),
        role: task.class.role.into(),
        system: task.class.system.into(),
        kind: task.class.kind.into(),
        inputs: task.inputs.into_iter().map(input).collect(),
        cycle_limit: task.limits.cycles,
        gas_limit: task.limits.gas,
        program_id: task.program_id,
        deadline_ms: u64::try_from(task.time_left.0).unwrap_or(0),
        upload_url: task.upload_url,
        upload_token: task.upload_token,
        traceparent: task.trace.map(String::from).unwrap_or_default(),
        inline_bytes: task.inline_bytes.min(INLINE_MAX_BYTES as u64),
        guest_log_bytes: task.guest_log_bytes,
        labels: task
            .class
            .labels
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
    }))
}

/// A token as it travels.
pub(super) fn bytes(token: LeaseToken) -> Vec<u8> {
    token.as_bytes().to_vec()
}

fn input(input: AssignedInput) -> proto::Input {
    proto::Input {
        name: input.name.into(),
        at: Some(match input.source {
            InputSource::Inline(bytes) => proto::input::At::Inline(bytes),
            InputSource::Artifact { url, .. } => proto::input::At::Url(url),
        }),
        sha256: input.sha256.map(|digest| digest.0.to_vec()).unwrap_or_default(),
        size: input.size,
    }
}
