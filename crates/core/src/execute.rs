//! Trusted execution: runs accepted programs beside proving, and decides when a worker blames a program.
//!
//! Invariant: only what a process of the light role says ends a request as the program's or the input's fault. A generic abnormal
//! exit is believed when a second fresh process says the same.

use std::time::Instant;

use hierophant_domain::{
    BlobRef, Failure, FailureClass, Limits, Name, ProgramFault, Record,
    job::ExecutionVerdict,
    request::{Execution, Request},
    time::Millis,
};
use hierophant_store::{CheckClaim, ExecutionWork};

use crate::{
    checking, metric,
    ports::{CheckError, CheckInput, ExecuteJob, ExecutionReport, Result},
    service::Core,
    staging,
};

/// Ends without an answer after which an execution is given up.
const MAX_TRIES: u32 = 3;
/// How long an execution that could not be done waits.
const AGAIN_AFTER: Millis = Millis::from_secs(2);

pub(crate) async fn run(core: Core) {
    let claim = |room| {
        let (store, settings) = (&core.0.store, &core.0.settings);
        store.claim_executions(core.0.checker.systems(), room, settings.check_hold)
    };
    checking::keep_busy(core.0.settings.checks, &core.0.wake.execute, claim, |work| {
        check(core.clone(), work)
    })
    .await;
}

async fn check(core: Core, work: ExecutionWork) {
    let claim = CheckClaim {
        request: work.request.id,
        task: None,
        token: work.token,
    };
    let settled: Result<()> = async {
        let started = Instant::now();
        let verdict = verdict(&core, &work).await;
        metric::check(&work.request.system, "execute", verdict.is_some(), started.elapsed());
        match verdict {
            Some(verdict) => {
                log(&work.request, &verdict);
                Core::pass("program-executed");
                core.0.store.settle_execution(claim, verdict).await?;
            }
            None => core.0.store.return_check(claim, AGAIN_AFTER).await?,
        }
        Ok(())
    }
    .await;
    if let Err(error) = settled {
        tracing::warn!(request.id = %work.request.id, %error, "an execution could not be settled; it will be claimed again");
    }
}

/// `None`: to be tried again.
async fn verdict(core: &Core, work: &ExecutionWork) -> Option<ExecutionVerdict> {
    let request = &work.request;
    match core.within_hold(judge(core, request)).await {
        Ok(verdict) => Some(verdict),
        Err(CheckError::Input(why)) => Some(ExecutionVerdict::Fault(
            Failure::new(FailureClass::Input, why),
            Record::default(),
        )),
        Err(CheckError::Unavailable(why)) => {
            tracing::warn!(request.id = %request.id, "a program cannot be run here now: {why}");
            None
        }
        Err(CheckError::Died(why)) if work.tries >= MAX_TRIES => Some(ExecutionVerdict::Unchecked(format!(
            "running it here did not end well {MAX_TRIES} times: {why}"
        ))),
        Err(CheckError::Died(why)) => {
            tracing::warn!(request.id = %request.id, tries = work.tries, "running a program here did not end well: {why}");
            None
        }
    }
}

async fn judge(core: &Core, request: &Request) -> std::result::Result<ExecutionVerdict, CheckError> {
    let disputed = request.execution == Execution::Disputed;
    let limits = if disputed {
        request.limits
    } else {
        capped(request.limits, core.0.settings.execute_max_cycles)
    };
    let mut report = run_once(core, request, limits, disputed).await?;
    if matches!(report.fault, Some((ProgramFault::AbnormalExit, _))) {
        // Without a cause of its own it is the program's only when a second fresh process sees it too.
        report = run_once(core, request, limits, true).await?;
    }
    Ok(match report {
        ExecutionReport { fault: None, record } => ExecutionVerdict::Ended(record),
        ExecutionReport {
            fault: Some((ProgramFault::CycleLimit, _)),
            ..
        } if limits.cycles != request.limits.cycles => {
            let most = core.0.settings.execute_max_cycles;
            ExecutionVerdict::Unchecked(format!(
                "it runs more than {most} cycles (the setting verify.max_cycles)"
            ))
        }
        ExecutionReport {
            fault: Some((fault, message)),
            record,
        } => ExecutionVerdict::Fault(Failure::program(fault, message), record),
    })
}

async fn run_once(
    core: &Core,
    request: &Request,
    limits: Limits,
    fresh: bool,
) -> std::result::Result<ExecutionReport, CheckError> {
    let mut inputs = Vec::with_capacity(request.inputs.len() + 1);
    if let Some(program) = &request.program {
        let blob = BlobRef::Artifact(program.artifact);
        inputs.push(CheckInput {
            name: Name::literal("program"),
            source: staging::stage(core, &blob).await?,
        });
    }
    for input in &request.inputs {
        inputs.push(CheckInput {
            name: input.name.clone(),
            source: staging::stage(core, &input.blob).await?,
        });
    }
    core.0
        .checker
        .execute(ExecuteJob {
            system: request.system.clone(),
            inputs,
            limits,
            fresh,
        })
        .await
}

fn capped(limits: Limits, max_cycles: u64) -> Limits {
    Limits {
        cycles: Some(limits.cycles.map_or(max_cycles, |cycles| cycles.min(max_cycles))),
        ..limits
    }
}

fn log(request: &Request, verdict: &ExecutionVerdict) {
    match verdict {
        ExecutionVerdict::Ended(record) => {
            tracing::info!(request.id = %request.id, cycles = record.cycles, gas = record.gas, "program executed");
        }
        ExecutionVerdict::Fault(failure, _) => {
            tracing::warn!(request.id = %request.id, class = failure.class.as_str(), "program at fault: {}", failure.message);
        }
        ExecutionVerdict::Unchecked(why) => tracing::info!(request.id = %request.id, "program not checked: {why}"),
    }
}
