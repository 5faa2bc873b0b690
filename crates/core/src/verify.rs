//! Verified before fulfilled: takes delivered results, has each checked in a killable process, settles it.
//!
//! Invariant: only a check that ended well settles a result as valid or invalid. A check that died says nothing about the
//! proof; after [`MAX_TRIES`] such ends the result is put aside and the task goes to another worker without a strike.

use std::time::{Duration, Instant};

use hierophant_domain::{
    Digest, Name, Record, TaskId,
    job::Verification,
    request::{Binding, Execution, Request},
    time::Millis,
};
use hierophant_store::{CheckClaim, Undone, VerificationWork};

use crate::{
    checking,
    clients::{MOCK, PROOF_LABEL},
    lost, metric,
    ports::{CheckError, CheckInput, Result, VerifyJob, VerifyReport},
    service::Core,
    staging,
};

/// Ends without an answer after which a result is put aside.
const MAX_TRIES: u32 = 3;
/// How long a check that could not be done waits.
const AGAIN_AFTER: Millis = Millis::from_secs(2);

pub(crate) async fn run(core: Core) {
    let claim = |room| {
        let (store, settings) = (&core.0.store, &core.0.settings);
        store.claim_verifications(core.0.checker.systems(), room, settings.check_hold)
    };
    checking::keep_busy(core.0.settings.checks, &core.0.wake.verify, claim, |work| {
        check(core.clone(), work)
    })
    .await;
}

async fn check(core: Core, work: VerificationWork) {
    let claim = work.claim();
    if let Err(error) = settle(&core, &work, claim).await {
        tracing::warn!(request.id = %work.request.id, %error, "a verification could not be settled; it will be claimed again");
    }
}

async fn settle(core: &Core, work: &VerificationWork, claim: CheckClaim) -> Result<()> {
    let request = &work.request;
    let started = Instant::now();
    let span = checking::span("verify", request);
    let checked = core.within_hold(verify(core, work)).await;
    match &checked {
        Ok(Verification::Valid(..)) => {}
        Ok(Verification::Invalid(why) | Verification::Impossible(why)) => span.failed(why),
        Err(error) => span.failed(&error.to_string()),
    }
    drop(span);
    metric::check(&request.system, "verify", checked.is_ok(), started.elapsed());
    let verification = match checked {
        Ok(verification) => verification,
        Err(CheckError::Unavailable(why)) => {
            tracing::warn!(request.id = %request.id, "a proof cannot be verified now: {why}");
            return Ok(core.0.store.return_check(claim, Undone::NotNow, AGAIN_AFTER).await?);
        }
        Err(CheckError::Died(why)) if work.tries < MAX_TRIES => {
            tracing::warn!(request.id = %request.id, tries = work.tries, "a verification did not end well: {why}");
            return Ok(core.0.store.return_check(claim, Undone::Tried, AGAIN_AFTER).await?);
        }
        Err(CheckError::Died(why)) => {
            Verification::Impossible(format!("verifying it did not end well {MAX_TRIES} times: {why}"))
        }
        Err(CheckError::Lost(why)) => {
            if lost::end_if_needed(core, request).await? {
                return Ok(());
            }
            tracing::error!(request.id = %request.id, "{why}; it is made again");
            Verification::Impossible(why)
        }
        Err(CheckError::Input(why)) => Verification::Invalid(why),
    };
    Core::pass("proof-verified");
    let task: TaskId = work.task.id;
    match &verification {
        Verification::Valid(..) => {
            metric::attempt_ended(request, "won");
            let took = core.now().since(request.accepted_at).0;
            metric::fulfilled(request, Duration::from_millis(u64::try_from(took).unwrap_or(0)));
            tracing::info!(request.id = %request.id, task.id = %task, worker.id = %work.worker, "proof verified");
        }
        Verification::Invalid(why) | Verification::Impossible(why) => {
            metric::attempt_ended(request, "refused");
            tracing::warn!(request.id = %request.id, task.id = %task, worker.id = %work.worker, "proof refused: {why}");
        }
    }
    core.0.store.settle_verification(claim, verification).await?;
    Core::pass("request-fulfilled");
    Ok(())
}

async fn verify(core: &Core, work: &VerificationWork) -> std::result::Result<Verification, CheckError> {
    let request = &work.request;
    let Some((_, proof)) = work.delivery.outputs.iter().find(|(name, _)| name.as_str() == "proof") else {
        return Ok(Verification::Invalid("the result has no proof".to_owned()));
    };
    let mut inputs = vec![CheckInput {
        name: Name::literal("proof"),
        source: staging::stage(core, proof).await?,
    }];
    if let Some(program) = &request.program {
        inputs.push(program_input(core, request, program).await?);
    }
    // Where a program's run is all that a proof shows, they are not read; staging them costs a look.
    inputs.extend(staging::inputs(core, request).await?);
    let (binding, expected) = held_against(request);
    let job = VerifyJob {
        system: request.system.clone(),
        kind: request.kind.clone(),
        inputs,
        program_id: request
            .program
            .as_ref()
            .map(|program| program.id.clone())
            .unwrap_or_default(),
        public_values: expected,
        toolchain: request.toolchain.clone(),
        mock: work
            .task
            .class
            .labels
            .get(&Name::literal(PROOF_LABEL))
            .is_some_and(|proof| proof.as_str() == MOCK),
    };
    match core.0.checker.verify(job).await? {
        VerifyReport::Valid(public_values) => Ok(Verification::Valid(
            binding,
            record_of(request, &work.delivery.record, public_values),
        )),
        VerifyReport::Invalid(why) => Ok(Verification::Invalid(why)),
    }
}

/// The verification key where set-up has found it, else the program itself.
async fn program_input(
    core: &Core,
    request: &Request,
    program: &hierophant_domain::request::ProgramRef,
) -> std::result::Result<CheckInput, CheckError> {
    let registered = core
        .known_program(request.requester.door.clone(), program.id.clone())
        .await;
    match registered {
        Ok(Some(row)) if !row.vk.is_empty() => Ok(CheckInput {
            name: Name::literal("vk"),
            source: crate::ports::CheckSource::Inline(row.vk.clone()),
        }),
        Ok(Some(_) | None) => {
            let blob = hierophant_domain::BlobRef::Artifact(program.artifact);
            Ok(CheckInput {
                name: Name::literal("program"),
                source: staging::stage(core, &blob).await?,
            })
        }
        Err(error) => Err(CheckError::Unavailable(error.to_string())),
    }
}

/// What the public values must hash to, and who says so. A trusted execution that differs from the client's word has ended the
/// request.
fn held_against(request: &Request) -> (Binding, Option<Digest>) {
    match (&request.execution, request.expected_public_values) {
        (
            Execution::Executed(Record {
                public_values: Some(digest),
                ..
            }),
            _,
        ) => (Binding::TrustedExecution, Some(*digest)),
        (_, Some(digest)) => (Binding::ClientHash, Some(digest)),
        (_, None) => (Binding::ProofAlone, None),
    }
}

/// What is known of the run: the trusted execution's figures first, the prover's where there are no others.
fn record_of(request: &Request, said: &Record, public_values: Option<Digest>) -> Record {
    let own = match &request.execution {
        Execution::Executed(record) => record.clone(),
        Execution::NotWanted | Execution::Pending | Execution::Disputed | Execution::Unchecked(_) => said.clone(),
    };
    Record {
        cycles: own.cycles.or(said.cycles),
        gas: own.gas.or(said.gas),
        exit_code: own.exit_code.or(said.exit_code),
        public_values: public_values.or(own.public_values),
        proving: said.proving,
        peak_memory: said.peak_memory,
    }
}
