//! Messages of a worker become the core's values. Everything is checked: a worker may be broken, or somebody else.
//!
//! Errors are sentences for the operator of the worker.

use std::collections::BTreeSet;

use hierophant_domain::{
    ArtifactId, BlobRef, Capability, Digest, Failure, FailureClass, LeaseToken, Millis, Name, Record, Resources,
    WorkerId,
    artifact::INLINE_MAX_BYTES,
    attempt::{Delivery, OUTPUTS_MAX},
    capability::LABELS_MAX,
    worker::{CAPABILITIES_MAX, WORKER_NAME_MAX_BYTES, WorkerProfile},
};

use crate::{LEASES_MAX, PROTOCOL_VERSION, SLOTS_MAX, TEXT_MAX_BYTES, proto, tidy};

/// Longest release that a worker may name, in bytes.
const VERSION_MAX_BYTES: usize = 128;

/// Why a message is not acceptable.
pub(super) type Refusal = String;

/// Reads a registration: the profile and the leases that the worker still has.
pub(super) fn register(
    register: proto::Register,
    address: String,
) -> Result<(WorkerProfile, Vec<LeaseToken>), Refusal> {
    if register.protocol != PROTOCOL_VERSION {
        return Err(format!(
            "the worker speaks version {} of the worker protocol and this coordinator version {PROTOCOL_VERSION}: \
             run the same release on both",
            register.protocol
        ));
    }
    let id = WorkerId::from_slice(&register.worker_id).ok_or("the worker id must have 16 bytes")?;
    let name = &register.name;
    if name.is_empty() || name.len() > WORKER_NAME_MAX_BYTES || name.contains(char::is_control) {
        return Err(format!(
            "the worker's name must have 1 to {WORKER_NAME_MAX_BYTES} printable bytes"
        ));
    }
    if register.version.len() > VERSION_MAX_BYTES {
        return Err(format!(
            "the worker's release must have at most {VERSION_MAX_BYTES} bytes"
        ));
    }
    let mut profile = WorkerProfile {
        id,
        name: register.name,
        version: tidy(&register.version),
        address,
        capabilities: Vec::new(),
        capacity: Resources::default(),
        slots: 1,
        prefetch: 0,
        draining: register.draining,
    };
    capabilities(&mut profile, &register.capabilities.unwrap_or_default())?;
    Ok((profile, tokens(&register.leases)?))
}

/// Writes what the worker serves into its profile.
pub(super) fn capabilities(profile: &mut WorkerProfile, offered: &proto::Capabilities) -> Result<(), Refusal> {
    if offered.kinds.len() > CAPABILITIES_MAX {
        return Err(format!(
            "a worker serves at most {CAPABILITIES_MAX} kinds of task, not {}",
            offered.kinds.len()
        ));
    }
    if offered.slots > SLOTS_MAX || offered.prefetch > SLOTS_MAX {
        return Err(format!(
            "a worker has at most {SLOTS_MAX} slots and as many prefetched leases"
        ));
    }
    profile.capabilities = offered.kinds.iter().map(capability).collect::<Result<_, _>>()?;
    profile.capacity = Resources {
        memory: offered.memory_bytes,
        shared_memory: offered.shared_memory_bytes,
        devices: 0,
    };
    profile.slots = offered.slots;
    profile.prefetch = offered.prefetch;
    Ok(())
}

fn capability(kind: &proto::Capability) -> Result<Capability, Refusal> {
    if kind.labels.len() > LABELS_MAX {
        return Err(format!("a kind of task has at most {LABELS_MAX} labels"));
    }
    Ok(Capability {
        role: name(&kind.role)?,
        system: name(&kind.system)?,
        kind: name(&kind.kind)?,
        labels: kind
            .labels
            .iter()
            .map(|(key, value)| Ok((name(key)?, name(value)?)))
            .collect::<Result<_, Refusal>>()?,
        needs: Resources {
            memory: kind.memory_bytes,
            shared_memory: kind.shared_memory_bytes,
            devices: 0,
        },
    })
}

/// Reads a token.
pub(super) fn token(bytes: &[u8]) -> Result<LeaseToken, Refusal> {
    LeaseToken::from_slice(bytes).ok_or_else(|| "a lease token must have 16 bytes".to_owned())
}

/// Reads a list of tokens.
pub(super) fn tokens(list: &[Vec<u8>]) -> Result<Vec<LeaseToken>, Refusal> {
    if list.len() > LEASES_MAX {
        return Err(format!(
            "a message names at most {LEASES_MAX} leases, not {}",
            list.len()
        ));
    }
    list.iter().map(|bytes| token(bytes)).collect()
}

/// Reads what a worker has made. The token is read apart: the lease of a result that is refused here has failed.
pub(super) fn delivery(result: proto::Result) -> Result<Delivery, Refusal> {
    if result.outputs.len() > OUTPUTS_MAX {
        return Err(format!(
            "a result has at most {OUTPUTS_MAX} outputs, not {}",
            result.outputs.len()
        ));
    }
    let mut names = BTreeSet::new();
    let mut outputs = Vec::with_capacity(result.outputs.len());
    for output in result.outputs {
        let name = name(&output.name)?;
        if !names.insert(name.clone()) {
            return Err(format!("the output {name} is there twice"));
        }
        outputs.push((name.clone(), blob(&name, output.at)?));
    }
    let public_values = match result.public_values_sha256.as_slice() {
        [] => None,
        bytes => Some(Digest::from_slice(bytes).ok_or("the hash of the public values must have 32 bytes")?),
    };
    let record = Record {
        cycles: result.cycles,
        gas: result.gas,
        exit_code: result.exit_code,
        public_values,
        proving: Millis(i64::try_from(result.proving_ms).unwrap_or(i64::MAX)),
        peak_memory: result.peak_memory_bytes,
    };
    Ok(Delivery { outputs, record })
}

fn blob(name: &Name, at: Option<proto::output::At>) -> Result<BlobRef, Refusal> {
    match at {
        Some(proto::output::At::Inline(bytes)) if bytes.len() <= INLINE_MAX_BYTES => Ok(BlobRef::Inline(bytes)),
        Some(proto::output::At::Inline(bytes)) => Err(format!(
            "the output {name} has {} bytes inline: above {INLINE_MAX_BYTES} it has to be uploaded",
            bytes.len()
        )),
        Some(proto::output::At::ArtifactId(id)) => ArtifactId::from_slice(&id)
            .map(BlobRef::Artifact)
            .ok_or_else(|| format!("the artifact id of the output {name} must have 16 bytes")),
        None => Err(format!("the output {name} has no content")),
    }
}

/// Reads a report of failure. An unknown class counts as the prover's fault: it is retried elsewhere, and bounded.
pub(super) fn failure(failure: &proto::Failure) -> Failure {
    use proto::failure::Class;
    let class = match failure.class() {
        Class::Program => FailureClass::Program,
        Class::Input => FailureClass::Input,
        Class::Transient => FailureClass::Transient,
        Class::Prover | Class::Unspecified => FailureClass::Prover,
    };
    Failure::new(class, tidy(&failure.message))
}

/// Reads how far a task is.
pub(super) fn progress(progress: &proto::Progress) -> hierophant_core::ports::Progress {
    /// Longest word for a phase, in bytes.
    const PHASE_MAX_BYTES: usize = 64;
    const _: () = assert!(PHASE_MAX_BYTES < TEXT_MAX_BYTES);
    let mut phase = tidy(&progress.phase);
    phase.truncate(phase.floor_char_boundary(PHASE_MAX_BYTES));
    hierophant_core::ports::Progress {
        phase,
        done: progress.done,
        total: progress.total,
        overall_bp: progress.overall_bp.min(10_000),
    }
}

fn name(text: &str) -> Result<Name, Refusal> {
    Name::new(text).map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
