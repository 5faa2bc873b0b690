//! Trusted checks: the core's [`Checker`] over bounded pools of light prover processes, one pool for each system.
//!
//! Invariant: whatever a check does to its process, it costs that process and nothing else; only an answer that the
//! process gave counts, never its death.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use async_trait::async_trait;
use hierophant_core::ports::{
    CheckError, CheckInput, CheckSource, Checker, ExecuteJob, ExecutionReport, Identity, VerifyJob, VerifyReport,
};
use hierophant_domain::{Digest, ProgramFault, Record, System};
use hierophant_prover_protocol::{
    host::{CallError, CallOptions, HostCall, ProverProcess, ProverSpec},
    pool::{LightPool, PoolError},
    proto::{self, Blob, Execute, NamedBlob, Setup, Verify, blob::At, failure::Class, program_fault::Cause},
};

/// Pools by system, and the limits of one check.
#[derive(Debug)]
pub(crate) struct Checks {
    /// One pool for each system, with what starts a process of it.
    pub(crate) pools: BTreeMap<System, (LightPool, ProverSpec)>,
    /// The longest that one check may take.
    pub(crate) timeout: Duration,
    /// Where checks may write; inside a directory of the coordinator's own.
    pub(crate) scratch: PathBuf,
}

#[async_trait]
impl Checker for Checks {
    fn systems(&self) -> Vec<System> {
        self.pools.keys().cloned().collect()
    }

    async fn set_up(&self, system: &System, program: CheckInput) -> Result<Identity, CheckError> {
        let call = Setup {
            system: system.to_string(),
            inputs: vec![named(program)?],
        };
        let reply = self.call(system, call, false).await?;
        Ok(Identity {
            program_id: reply.program_id,
            vk: reply.vk,
        })
    }

    async fn execute(&self, job: ExecuteJob) -> Result<ExecutionReport, CheckError> {
        let output = tempfile::Builder::new().prefix("execute-").tempdir_in(&self.scratch);
        let output = output.map_err(|error| CheckError::Unavailable(format!("no directory for the run: {error}")))?;
        let call = Execute {
            system: job.system.to_string(),
            kind: job.kind.to_string(),
            inputs: job.inputs.into_iter().map(named).collect::<Result<_, _>>()?,
            limits: Some(proto::Limits {
                cycles: job.limits.cycles,
                gas: job.limits.gas,
                guest_log_bytes: 0,
            }),
            output_dir: path_text(output.path().to_owned())?,
        };
        let reply = self.call(&job.system, call, job.fresh).await?;
        let record = reply.record.as_ref().map(record).unwrap_or_default();
        let fault = reply.fault.map(|fault| (fault_of(fault.cause()), fault.message));
        let hashes = reply.public_values_hashes.iter();
        Ok(ExecutionReport {
            fault,
            record,
            public_values_hashes: hashes.filter_map(|hash| Digest::from_slice(hash)).collect(),
        })
    }

    async fn verify(&self, job: VerifyJob) -> Result<VerifyReport, CheckError> {
        let call = Verify {
            system: job.system.to_string(),
            kind: job.kind.to_string(),
            inputs: job.inputs.into_iter().map(named).collect::<Result<_, _>>()?,
            program_id: job.program_id,
            public_values_sha256: job.public_values.map(|digest| digest.0.to_vec()).unwrap_or_default(),
            toolchain: job.toolchain.to_string(),
            mock: job.mock,
        };
        let reply = self.call(&job.system, call, false).await?;
        if reply.valid {
            Ok(VerifyReport::Valid(Digest::from_slice(&reply.public_values_sha256)))
        } else {
            Ok(VerifyReport::Invalid(reply.reason))
        }
    }
}

impl Checks {
    async fn call<C: HostCall + Clone>(&self, system: &System, call: C, fresh: bool) -> Result<C::Reply, CheckError> {
        let (pool, spec) = self.pools.get(system).ok_or_else(|| {
            CheckError::Unavailable(format!(
                "no light prover for {system} is configured; add a [[provers]] table with system = \"{system}\""
            ))
        })?;
        if fresh {
            let process = ProverProcess::spawn(spec)
                .await
                .map_err(|error| CheckError::Unavailable(chain(&error)))?;
            let reply = process
                .call(process.new_job(), call, CallOptions::within(self.timeout))
                .await;
            process.shutdown().await;
            return reply.map_err(check_error);
        }
        match pool.call(call, self.timeout).await {
            Ok(reply) => Ok(reply),
            Err(PoolError::Call(error)) => Err(check_error(error)),
            Err(error @ (PoolError::Busy { .. } | PoolError::Start(_) | PoolError::Closed)) => {
                Err(CheckError::Unavailable(chain(&error)))
            }
        }
    }

    /// Ends all processes.
    pub(crate) async fn shutdown(&self) {
        for (pool, _) in self.pools.values() {
            pool.shutdown().await;
        }
    }
}

fn check_error(error: CallError) -> CheckError {
    match error {
        CallError::Failed(failure) => match failure.class() {
            Class::Input | Class::Program => CheckError::Input(failure.message),
            Class::Transient | Class::Cancelled | Class::Unsupported => CheckError::Unavailable(failure.message),
            Class::Prover | Class::Unspecified => CheckError::Died(failure.message),
        },
        CallError::Killed(why) => CheckError::Unavailable(why),
        CallError::Died { .. }
        | CallError::MemoryLimit { .. }
        | CallError::Hung { .. }
        | CallError::Protocol(_)
        | CallError::Timeout { .. } => CheckError::Died(error.to_string()),
    }
}

fn named(input: CheckInput) -> Result<NamedBlob, CheckError> {
    let at = match input.source {
        CheckSource::Inline(bytes) => At::Inline(bytes),
        CheckSource::File(path) => At::Path(path_text(path)?),
    };
    Ok(NamedBlob {
        name: input.name.to_string(),
        blob: Some(Blob { at: Some(at) }),
    })
}

fn path_text(path: PathBuf) -> Result<String, CheckError> {
    let bad = |path: std::ffi::OsString| {
        CheckError::Unavailable(format!("{} is not UTF-8; use another data_directory", path.display()))
    };
    path.into_os_string().into_string().map_err(bad)
}

fn record(record: &proto::Record) -> Record {
    Record {
        cycles: record.cycles,
        gas: record.gas,
        exit_code: record.exit_code,
        public_values: Digest::from_slice(&record.public_values_sha256),
        proving: hierophant_domain::Millis(i64::try_from(record.proving_ms).unwrap_or(i64::MAX)),
        peak_memory: record.peak_memory_bytes,
    }
}

fn fault_of(cause: Cause) -> ProgramFault {
    match cause {
        Cause::NonZeroExit => ProgramFault::NonZeroExit,
        Cause::InvalidMemoryAccess => ProgramFault::InvalidMemoryAccess,
        Cause::UnsupportedSyscall => ProgramFault::UnsupportedSyscall,
        Cause::Breakpoint => ProgramFault::Breakpoint,
        Cause::CycleLimit => ProgramFault::CycleLimit,
        Cause::InvalidSyscallUsage => ProgramFault::InvalidSyscallUsage,
        Cause::Unimplemented => ProgramFault::Unimplemented,
        Cause::EndInUnconstrained => ProgramFault::EndInUnconstrained,
        Cause::GasLimit => ProgramFault::GasLimit,
        Cause::AbnormalExit | Cause::Unspecified => ProgramFault::AbnormalExit,
    }
}

/// An error with its causes, once each.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
