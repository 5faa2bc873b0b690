//! A prover that listens as a worker of the core.

use std::collections::BTreeMap;

use hierophant_core::{PROOF_LABEL, TOOLCHAIN_LABEL};
use hierophant_domain::{
    Capability, Name, Resources, WorkerId,
    worker::{WORKER_NAME_MAX_BYTES, WorkerProfile},
};
use hierophant_miden_api::{Line, client::WorkerInfo};
use uuid::Uuid;

use crate::Address;

/// The id of the prover at an address: the same whenever it comes, so that its strikes stay with it.
pub(crate) fn worker_id(address: &Address) -> WorkerId {
    let name = format!("remote-prover://{address}");
    WorkerId(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()))
}

/// What is said of it to the core. What it needs of its machine is its own affair, so it needs nothing here.
pub(crate) fn of(address: &Address, line: Line, slots: u32, info: &WorkerInfo) -> WorkerProfile {
    let labels = [
        (Name::literal(TOOLCHAIN_LABEL), Name::literal(line.as_str())),
        (Name::literal(PROOF_LABEL), Name::literal("real")),
    ];
    let mut name = address.to_string();
    name.truncate(WORKER_NAME_MAX_BYTES);
    WorkerProfile {
        id: worker_id(address),
        name,
        version: info.version.clone(),
        address: address.to_string(),
        capabilities: vec![Capability {
            role: Name::literal("prove"),
            system: Name::literal(line.system()),
            kind: Name::literal(info.kind.as_str()),
            labels: BTreeMap::from(labels),
            needs: Resources::default(),
        }],
        capacity: Resources::default(),
        slots,
        prefetch: 0,
        draining: false,
    }
}
