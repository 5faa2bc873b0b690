//! Trusted execution: runs accepted programs beside proving, and decides when a worker blames a program.
//!
//! Invariant: only what a process of the light role says ends a request as the program's, the input's or the signed hash's fault,
//! and only while everything that it read is as it was taken in. A generic abnormal exit is believed when a second fresh process
//! says the same.

use std::time::Instant;

use hierophant_domain::{
    BlobRef, Digest, Failure, FailureClass, Limits, Name, ProgramFault, Record,
    job::ExecutionVerdict,
    request::{Execution, Request},
    time::Millis,
};
use hierophant_store::{ExecutionWork, Undone};

use crate::{
    checking, lost, metric,
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
    let claim = work.claim();
    let settled: Result<()> = async {
        let started = Instant::now();
        let span = checking::span("execute", &work.request);
        let found = verdict(&core, &work).await?;
        drop(span);
        let answered = matches!(found, Found::Verdict(_));
        metric::check(&work.request.system, "execute", answered, started.elapsed());
        match found {
            Found::Verdict(verdict) => {
                log(&work.request, &verdict);
                Core::pass("program-executed");
                core.0.store.settle_execution(claim, verdict).await?;
            }
            Found::Lost(why) => lost::end(&core, &work.request, why).await?,
            Found::Nothing(how) => core.0.store.return_check(claim, how, AGAIN_AFTER).await?,
        }
        Ok(())
    }
    .await;
    if let Err(error) = settled {
        tracing::warn!(request.id = %work.request.id, %error, "an execution could not be settled; it will be claimed again");
    }
}

/// What came of one execution.
enum Found {
    /// An answer.
    Verdict(ExecutionVerdict),
    /// Something that it needs was lost here.
    Lost(String),
    /// No answer: to be tried again.
    Nothing(Undone),
}

async fn verdict(core: &Core, work: &ExecutionWork) -> Result<Found> {
    let request = &work.request;
    let verdict = match core.within_hold(judge(core, request)).await {
        Ok(verdict) => verdict,
        Err(CheckError::Input(why)) => {
            ExecutionVerdict::Fault(Failure::new(FailureClass::Input, why), Record::default())
        }
        Err(CheckError::Lost(why)) => return Ok(Found::Lost(why)),
        Err(CheckError::Unavailable(why)) => {
            tracing::warn!(request.id = %request.id, "a program cannot be run here now: {why}");
            return Ok(Found::Nothing(Undone::NotNow));
        }
        Err(CheckError::Died(why)) if work.tries >= MAX_TRIES => {
            ExecutionVerdict::Unchecked(format!("running it here did not end well {MAX_TRIES} times: {why}"))
        }
        Err(CheckError::Died(why)) => {
            tracing::warn!(request.id = %request.id, tries = work.tries, "running a program here did not end well: {why}");
            return Ok(Found::Nothing(Undone::Tried));
        }
    };
    if matches!(verdict, ExecutionVerdict::Fault(..))
        && let Some(why) = lost::of_request(core, request).await?
    {
        return Ok(Found::Lost(why));
    }
    Ok(Found::Verdict(verdict))
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
        ExecutionReport {
            fault: None,
            record,
            public_values_hashes,
        } => match request.expected_public_values {
            Some(signed) if !may_hash_to(signed, &record, &public_values_hashes) => {
                let message = "the program gives other public values than those whose hash was signed with the request";
                ExecutionVerdict::Fault(Failure::new(FailureClass::PublicValues, message), record)
            }
            Some(_) | None => ExecutionVerdict::Ended(record),
        },
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
            ..
        } => ExecutionVerdict::Fault(Failure::program(fault, message), record),
    })
}

/// Whether the public values of a run may be those that a client signed. The system's programs choose what they hash with;
/// where nothing is known of the values, any may be theirs.
fn may_hash_to(signed: Digest, record: &Record, others: &[Digest]) -> bool {
    let mut known = record.public_values.iter().chain(others).peekable();
    known.peek().is_none() || known.any(|digest| *digest == signed)
}

async fn run_once(
    core: &Core,
    request: &Request,
    limits: Limits,
    fresh: bool,
) -> std::result::Result<ExecutionReport, CheckError> {
    let mut inputs = staging::inputs(core, request).await?;
    if let Some(program) = &request.program {
        let blob = BlobRef::Artifact(program.artifact);
        inputs.push(CheckInput {
            name: Name::literal("program"),
            source: staging::stage(core, &blob).await?,
        });
    }
    core.0
        .checker
        .execute(ExecuteJob {
            system: request.system.clone(),
            kind: request.kind.clone(),
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
