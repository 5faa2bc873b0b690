//! Runs a program without proving it, within limits.
//!
//! What must stay true: cycles are counted as SP1's simulation counts them and limits are inclusive; an execution ends,
//! whatever the program does; when this returns, no executor of this process runs any more.

use std::{sync::Arc, time::Duration};

use hierophant_prover_protocol::{
    proto::{Failure, Limits, ProgramFault, Record},
    prover::{JobContext, peak_memory_bytes},
};
use sha2::{Digest as _, Sha256};
use sp1_core_executor::{ExecutionError, ExecutionReport, SP1CoreOpts};
use sp1_engine::{Boxed, ExecutionResult};
use sp1_sdk::{SP1Context, SP1PublicValues, SP1Stdin};

use crate::{
    executors,
    faults::{self, Circumstances, End},
    inputs,
    observer::Observer,
    program::LoadedProgram,
    settings::Settings,
    shared_memory,
};

/// How often a running executor's processor time and the host's wish to cancel are looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// How an execution ended, and what was seen of it.
#[derive(Debug)]
pub(crate) struct Execution {
    /// Set when the program failed or broke its limits.
    pub(crate) fault: Option<ProgramFault>,
    /// What the program committed to; empty when it failed before its end.
    pub(crate) public_values: Vec<u8>,
    /// What the program printed, cut at the limit.
    pub(crate) guest_log: Vec<u8>,
    /// What was counted.
    pub(crate) record: Record,
}

/// Decodes the input "stdin".
pub(crate) fn decode_stdin(upload: Vec<u8>, limit: u64) -> Result<SP1Stdin, Failure> {
    let refused = |reason: String| Failure::input(format!("the input stdin: {reason}"));
    let unpacked = inputs::unpack(upload, limit).map_err(|error| refused(error.to_string()))?;
    // The proofs that it may carry hold field elements, whose decoders assert.
    std::panic::catch_unwind(|| inputs::decode(&unpacked, "an SP1Stdin"))
        .map_err(|_| refused("a proof in it holds what is no field element".into()))?
        .map_err(|error| refused(error.to_string()))
}

/// Executes `program` on `stdin`.
///
/// # Errors
/// The machine, not the program, is at fault; or the host cancelled the job; or a proof in `stdin` is no proof.
pub(crate) async fn execute(
    job: &JobContext,
    observer: &Observer,
    settings: &Settings,
    program: &LoadedProgram,
    stdin: SP1Stdin,
    limits: &Limits,
) -> Result<Execution, Failure> {
    let opts = SP1CoreOpts {
        gas_trace_chunk_slots: shared_memory::gas_slots(settings.gas_trace_chunk_slots)?,
        memory_limit: settings.tuning.executor_memory_bytes,
        ..SP1CoreOpts::default()
    };
    let context = SP1Context {
        // SP1 stops when it reaches the number, we when it is passed.
        max_cycles: limits.cycles.and_then(|limit| limit.checked_add(1)),
        ..SP1Context::default()
    };
    observer.listen_to_execution(limits.guest_log_bytes);
    let run = sp1_engine::execute(Arc::clone(&program.program), stdin, context, opts);
    let (result, overran) = watched(job, settings, limits.cycles, run).await;
    // After an error of its metering SP1 lets the guest run on until its next chunk is full.
    executors::kill_all();
    let heard = observer.execution_heard();
    job.check_cancelled()?;

    let known = Circumstances {
        executor_lines: &heard.executor_lines,
        overran,
        executor_memory_bytes: settings.tuning.executor_memory_bytes,
    };
    let (fault, public_values, record) = match result {
        Ok((public_values, _, report)) => {
            let record = record_of(&public_values, &report);
            (limits_broken(&report, limits), public_values.to_vec(), record)
        }
        Err(error) => (Some(judge(&error, known)?), Vec::new(), Record::default()),
    };
    let record = Record {
        peak_memory_bytes: peak_memory_bytes(),
        ..record
    };
    Ok(Execution {
        fault,
        public_values,
        guest_log: heard.guest_log,
        record,
    })
}

/// Awaits `run`; ends the executor when the host cancels, or when it used more processor time than its limit allows.
/// Returns that limit in the latter case.
async fn watched(
    job: &JobContext,
    settings: &Settings,
    limit: Option<u64>,
    mut run: Boxed<'static, ExecutionResult>,
) -> (ExecutionResult, Option<u64>) {
    let allowed_seconds = limit
        .map(|limit| limit / settings.cycles_per_second_min)
        .map(|seconds| seconds.saturating_add(settings.execution_grace_seconds));
    let mut overran = None;
    let mut watch = tokio::time::interval(WATCH_INTERVAL);
    loop {
        tokio::select! {
            result = &mut run => return (result, overran),
            _ = watch.tick() => {}
        }
        let executors = executors::running();
        if job.is_cancelled() {
            executors::kill_all();
            continue;
        }
        let Some(allowed) = allowed_seconds else { continue };
        for executor in executors {
            if executor.cpu_seconds() > allowed {
                overran = limit;
                executor.kill();
            }
        }
    }
}

/// Sorts out an error of the execution.
fn judge(error: &anyhow::Error, known: Circumstances<'_>) -> Result<ProgramFault, Failure> {
    if let Some(error) = error.downcast_ref::<ExecutionError>() {
        return match faults::judge(error, known) {
            End::Program(fault) => Ok(fault),
            End::Failure(failure) => Err(failure),
        };
    }
    let text = error.to_string();
    if text.starts_with("deferred proof") {
        return Err(Failure::input(format!(
            "the input stdin: {text}; send proofs that verify"
        )));
    }
    Err(Failure::prover(format!("the executor failed: {text}")))
}

fn limits_broken(report: &ExecutionReport, limits: &Limits) -> Option<ProgramFault> {
    let cycles = report.total_instruction_count();
    let gas = report.gas();
    let end = if report.exit_code != 0 {
        faults::non_zero_exit(report.exit_code)
    } else if let Some(limit) = limits.cycles.filter(|limit| cycles > *limit) {
        faults::cycle_limit(cycles, limit)
    } else if let Some((gas, limit)) = gas.zip(limits.gas).filter(|(gas, limit)| gas > limit) {
        faults::gas_limit(gas, limit)
    } else {
        return None;
    };
    match end {
        End::Program(fault) => Some(fault),
        End::Failure(_) => None,
    }
}

fn record_of(public_values: &SP1PublicValues, report: &ExecutionReport) -> Record {
    Record {
        cycles: Some(report.total_instruction_count()),
        gas: report.gas(),
        exit_code: u32::try_from(report.exit_code).ok(),
        public_values_sha256: Sha256::digest(public_values.as_slice()).to_vec(),
        ..Record::default()
    }
}
