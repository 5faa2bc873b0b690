//! The SP1 CPU proving engine: builds it once with the settings that decide its memory, and hands it out.
//!
//! Owns nothing but the translation from [`Tuning`] to SP1's own configuration. It is a crate of its own because SP1's
//! prover is generic to the bottom: whoever calls `build` compiles all of it, which takes minutes. Here that happens
//! once, and the executable beside it only links.
//!
//! What must stay true: every setting here leaves the proofs verifiable by stock clients. The arity of the recursion
//! (4) and the verification of recursion keys are therefore not settings, and [`MAX_ELEMENT_THRESHOLD`] is a ceiling.

use std::sync::Arc;

use sp1_core_executor::SP1CoreOpts;
use sp1_core_machine::riscv::RiscvAir;
use sp1_hypercube::prover::{CpuShardProver, ProverSemaphore};
use sp1_prover::worker::{SP1LocalNode, SP1LocalNodeBuilder, SP1WorkerBuilder};
use sp1_prover::{CpuSP1ProverComponents, CpuWrapProverBuilder, SP1ProverComponents};

pub use sp1_prover::SP1_CIRCUIT_VERSION;

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
}

/// Prepares recursion programs and keys, which takes minutes, and returns the warm engine.
///
/// # Errors
/// SP1 could not assemble the engine; the process is of no use then.
pub async fn start(tuning: &Tuning) -> anyhow::Result<SP1LocalNode> {
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
        .with_config(|config| {
            config.controller_config.num_splicing_workers = tuning.splicing_workers;
            config.controller_config.splicing_buffer_size = tuning.splicing_workers;
            config.controller_config.global_memory_buffer_size = 2 * tuning.splicing_workers;
            let core = &mut config.prover_config.core_prover_config;
            core.num_core_workers = tuning.core_workers;
            core.core_buffer_size = tuning.core_workers;
            core.num_setup_workers = tuning.setup_workers;
            core.setup_buffer_size = tuning.setup_workers;
            core.verify_intermediates = tuning.verify_intermediates;
            let recursion = &mut config.prover_config.recursion_prover_config;
            recursion.num_prepare_reduce_workers = tuning.recursion_executor_workers;
            recursion.prepare_reduce_buffer_size = tuning.recursion_executor_workers;
            recursion.num_recursion_executor_workers = tuning.recursion_executor_workers;
            recursion.recursion_executor_buffer_size = tuning.recursion_executor_workers;
            recursion.num_recursion_prover_workers = tuning.recursion_prover_workers;
            recursion.recursion_prover_buffer_size = tuning.recursion_prover_workers;
            recursion.verify_intermediates = tuning.verify_intermediates;
            let deferred = &mut config.prover_config.deferred_prover_config;
            deferred.num_deferred_workers = tuning.recursion_executor_workers;
            deferred.deferred_buffer_size = tuning.recursion_executor_workers;
        })
}
