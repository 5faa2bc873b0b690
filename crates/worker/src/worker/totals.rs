//! What the worker has in all, and what of it is offered at the moment.

use hierophant_config::settings::contemplant::Settings;
use hierophant_domain::Resources;
use hierophant_worker_link::proto;

use crate::fleet::Fleet;

/// What the worker has in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    resources: Resources,
    slots: u32,
    prefetch: u32,
}

impl Totals {
    pub(super) fn of(settings: &Settings) -> Self {
        let memory = settings
            .memory
            .map_or_else(machine_memory, hierophant_config::types::ByteSize::bytes);
        let shared = rustix::fs::statvfs("/dev/shm").map_or(0, |found| found.f_blocks.saturating_mul(found.f_frsize));
        Self {
            resources: Resources {
                memory,
                shared_memory: shared,
                devices: 0,
            },
            slots: settings.slots,
            prefetch: settings.prefetch,
        }
    }

    /// What is told to the coordinator: what provers that are ready now can do, in as many slots as they have room for.
    pub(super) fn offer(&self, fleet: &Fleet) -> proto::Capabilities {
        let offer = fleet.offer();
        metrics::gauge!("contemplant_provers_ready").set(f64::from(u32::try_from(offer.ready).unwrap_or(u32::MAX)));
        let name = |name: &hierophant_domain::Name| name.as_str().to_owned();
        let kinds = offer.capabilities.iter().map(|capability| proto::Capability {
            role: name(&capability.role),
            system: name(&capability.system),
            kind: name(&capability.kind),
            memory_bytes: capability.needs.memory,
            shared_memory_bytes: capability.needs.shared_memory,
            labels: capability
                .labels
                .iter()
                .map(|(key, value)| (name(key), name(value)))
                .collect(),
        });
        proto::Capabilities {
            kinds: kinds.collect(),
            memory_bytes: self.resources.memory,
            shared_memory_bytes: self.resources.shared_memory,
            slots: self.slots.min(offer.jobs.max(1)),
            prefetch: self.prefetch,
        }
    }
}

/// Memory that this process may use: the machine's, or less where its control group says so.
fn machine_memory() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = info.totalram.saturating_mul(u64::from(info.mem_unit));
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    group
        .and_then(|text| text.trim().parse().ok())
        .map_or(machine, |limit: u64| limit.min(machine))
}
