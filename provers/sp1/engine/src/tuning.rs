//! The settings that decide how much memory and time proving takes, and the engine that follows them.

use std::sync::Arc;

use sp1_core_executor::SP1CoreOpts;
use sp1_core_machine::riscv::RiscvAir;
use sp1_hypercube::prover::{CpuShardProver, ProverSemaphore};
use sp1_prover::worker::{SP1LocalNode, SP1LocalNodeBuilder, SP1WorkerBuilder, SP1WorkerConfig};
use sp1_prover::{CpuSP1ProverComponents, CpuWrapProverBuilder, SP1ProverComponents};

/// Largest trace area of a shard for which SP1's recursion has keys: `2^28 + 2^27`, SP1's own default.
pub const MAX_ELEMENT_THRESHOLD: u64 = sp1_core_executor::ELEMENT_THRESHOLD;

/// What decides how much memory and time proving takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Trace area at which a shard is cut, in field elements; at most [`MAX_ELEMENT_THRESHOLD`].
    pub element_threshold: u64,
    /// Cycles for which a shard's record is allocated.
    pub shard_size: usize,
    /// Entries of a trace chunk in shared memory (16 bytes each).
    pub trace_chunk_entries: u64,
    /// Trace chunks in shared memory at once while proving.
    pub trace_chunk_slots: usize,
    /// Shards that are traced or proved at once.
    pub core_workers: usize,
    /// Set-ups of programs at once.
    pub setup_workers: usize,
    /// Trace chunks cut into shards at once.
    pub splicing_workers: usize,
    /// Recursion programs executed at once; also those prepared at once.
    pub recursion_executor_workers: usize,
    /// Recursion proofs in work at once.
    pub recursion_prover_workers: usize,
    /// Proofs, of any layer, computed at once.
    pub prover_permits: usize,
    /// Whether each shard and recursion proof is verified as it is made.
    pub verify_intermediates: bool,
    /// Resident memory at which the process that runs the guest is killed, in bytes.
    pub executor_memory_bytes: u64,
}

impl Tuning {
    fn core_opts(&self) -> SP1CoreOpts {
        let mut opts = SP1CoreOpts::default();
        opts.sharding_threshold.element_threshold = self.element_threshold;
        opts.shard_size = self.shard_size;
        opts.minimal_trace_chunk_threshold = self.trace_chunk_entries;
        opts.trace_chunk_slots = self.trace_chunk_slots;
        opts.memory_limit = self.executor_memory_bytes;
        opts
    }

    fn apply(&self, config: &mut SP1WorkerConfig) {
        let controller = &mut config.controller_config;
        controller.num_splicing_workers = self.splicing_workers;
        controller.splicing_buffer_size = self.splicing_workers;
        // Twice the workers: none is blocked when it emits global memory shards.
        controller.global_memory_buffer_size = 2 * self.splicing_workers;

        let core = &mut config.prover_config.core_prover_config;
        core.num_core_workers = self.core_workers;
        core.core_buffer_size = self.core_workers;
        core.num_setup_workers = self.setup_workers;
        core.setup_buffer_size = self.setup_workers;
        core.verify_intermediates = self.verify_intermediates;

        let recursion = &mut config.prover_config.recursion_prover_config;
        recursion.num_prepare_reduce_workers = self.recursion_executor_workers;
        recursion.prepare_reduce_buffer_size = self.recursion_executor_workers;
        recursion.num_recursion_executor_workers = self.recursion_executor_workers;
        recursion.recursion_executor_buffer_size = self.recursion_executor_workers;
        recursion.num_recursion_prover_workers = self.recursion_prover_workers;
        recursion.recursion_prover_buffer_size = self.recursion_prover_workers;
        recursion.verify_intermediates = self.verify_intermediates;

        let deferred = &mut config.prover_config.deferred_prover_config;
        deferred.num_deferred_workers = self.recursion_executor_workers;
        deferred.deferred_buffer_size = self.recursion_executor_workers;
    }
}

/// Assembles the engine; awaited in this crate only.
pub(crate) async fn build(tuning: &Tuning) -> anyhow::Result<SP1LocalNode> {
    SP1LocalNodeBuilder::from_worker_client_builder(worker_builder(tuning))
        .build()
        .await
}

fn worker_builder(tuning: &Tuning) -> SP1WorkerBuilder<CpuSP1ProverComponents> {
    let machine = RiscvAir::machine();
    let permits = ProverSemaphore::new(tuning.prover_permits);
    let core = CpuSP1ProverComponents::core_verifier(machine.clone());
    let compress = CpuSP1ProverComponents::compress_verifier();
    let shrink = CpuSP1ProverComponents::shrink_verifier();

    // The clients of artifacts and tasks are set by the local node's builder.
    SP1WorkerBuilder::new_with_machine(machine)
        .with_core_opts(tuning.core_opts())
        .with_core_air_prover(
            Arc::new(CpuShardProver::new(core.shard_verifier().clone())),
            permits.clone(),
        )
        .with_compress_air_prover(
            Arc::new(CpuShardProver::new(compress.shard_verifier().clone())),
            permits.clone(),
        )
        .with_shrink_air_prover(
            Arc::new(CpuShardProver::new(shrink.shard_verifier().clone())),
            permits.clone(),
        )
        .with_wrap_air_prover(CpuWrapProverBuilder, permits)
        .with_config(|config| tuning.apply(config))
}
