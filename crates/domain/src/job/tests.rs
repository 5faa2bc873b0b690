//! Events of the network, each followed to where it leaves the three rows.

use uuid::Uuid;

use super::*;
use crate::{
    Digest, Others, RequestState,
    attempt::{Delivery, Fence},
    capability::TaskClass,
    failure::ProgramFault,
    ids::{AttemptId, RequestId},
    request::{Binding, Execution, Limits, Record, Requester},
    time::Millis,
    worker::Offence,
};

const POLICY: RetryPolicy = RetryPolicy {
    max_attempts: 4,
    max_prover_failures: 2,
    same_worker_after: Millis::from_secs(30),
    only_worker_after: Millis::from_secs(1),
};
const NOW: Timestamp = Timestamp(1_000_000);

struct Scene {
    request: Request,
    task: Task,
}

fn scene(execution: Execution) -> Scene {
    let request = Request {
        id: RequestId(Uuid::from_u128(1)),
        requester: Requester {
            door: Name::literal("door"),
            principal: vec![1],
        },
        idempotency_key: vec![1],
        system: Name::literal("vm"),
        kind: Name::literal("core"),
        toolchain: Name::literal("v1"),
        program: None,
        inputs: Vec::new(),
        limits: Limits::default(),
        expected_public_values: None,
        trust: None,
        private: false,
        priority: 0,
        accepted_at: NOW,
        requested_deadline: Timestamp(2_000_000),
        deadline: Timestamp(2_000_000),
        door_data: Vec::new(),
        trace: None,
        state: RequestState::Open,
        execution,
        updated_at: NOW,
        ended_at: None,
        outcome: None,
        failure: None,
    };
    let class = TaskClass {
        role: Name::literal("prove"),
        system: request.system.clone(),
        kind: request.kind.clone(),
        labels: std::collections::BTreeMap::new(),
    };
    let task = root_task(&request, TaskId(Uuid::from_u128(2)), class);
    Scene { request, task }
}

fn worker(n: u128) -> WorkerId {
    WorkerId(Uuid::from_u128(n))
}

impl Scene {
    fn lease(&mut self, n: u128, reserved: bool) -> Attempt {
        let new = NewLease {
            attempt: AttemptId(Uuid::from_u128(100 + n)),
            token: LeaseToken(Uuid::from_u128(200 + n)),
            worker: worker(n),
            now: NOW,
            until: NOW.plus(Millis(10)),
            reserved,
        };
        lease(&mut self.task, &new).expect("the task is ready")
    }

    fn fail(&mut self, attempt: &mut Attempt, failure: &Failure) -> Effects {
        let (fence, effects) =
            fail(&mut self.request, &mut self.task, attempt, 0, failure, &POLICY, NOW).expect("consistent rows");
        assert_eq!(fence, Fence::Pass);
        effects
    }

    fn deliver(&mut self, attempt: &mut Attempt) -> (Fence, Effects) {
        let delivery = Delivery {
            outputs: Vec::new(),
            record: Record::default(),
        };
        deliver(&mut self.task, attempt, &mut [], delivery, NOW).expect("consistent rows")
    }
}

fn prover_failure() -> Failure {
    Failure::new(FailureClass::Prover, "it crashed")
}

fn program_fault() -> Failure {
    Failure::program(ProgramFault::NonZeroExit, "exit code 1")
}

#[test]
fn a_verified_result_fulfils_the_request() {
    let mut scene = scene(Execution::NotWanted);
    let mut attempt = scene.lease(1, false);
    let (fence, effects) = scene.deliver(&mut attempt);
    assert_eq!(
        (fence, effects.delivered, scene.request.state),
        (Fence::Pass, true, RequestState::Open)
    );
    let record = Record {
        cycles: Some(7),
        ..Record::default()
    };
    let verification = Verification::Valid(Binding::ProofAlone, record.clone());
    let effects = verified(
        &mut scene.request,
        &mut scene.task,
        &mut attempt,
        verification,
        &POLICY,
        NOW,
    )
    .expect("fits");
    assert_eq!((effects.ended, effects.good_work), (true, Some(worker(1))));
    assert_eq!(
        (scene.request.state, scene.task.state, attempt.state),
        (RequestState::Fulfilled, TaskState::Done, AttemptState::Won)
    );
    assert_eq!(scene.request.outcome.expect("fulfilled").record, record);
}

#[test]
fn a_repeated_delivery_changes_nothing_and_is_acknowledged() {
    let mut scene = scene(Execution::NotWanted);
    let mut attempt = scene.lease(1, false);
    scene.deliver(&mut attempt);
    let before = attempt.clone();
    assert_eq!(scene.deliver(&mut attempt), (Fence::Repeated, Effects::default()));
    assert_eq!(attempt, before);
}

#[test]
fn an_invalid_proof_strikes_its_worker_and_goes_to_another() {
    let mut scene = scene(Execution::NotWanted);
    let mut attempt = scene.lease(1, false);
    scene.deliver(&mut attempt);
    let verification = Verification::Invalid("a bit is flipped".to_owned());
    let effects = verified(
        &mut scene.request,
        &mut scene.task,
        &mut attempt,
        verification,
        &POLICY,
        NOW,
    )
    .expect("fits");
    let (struck, strike) = effects.strike.expect("a strike");
    assert_eq!(struck, worker(1));
    assert_eq!(strike.offence, Offence::InvalidProof);
    assert!(strike.reason.contains("a bit is flipped"));
    assert_eq!(
        (scene.task.state, attempt.state),
        (TaskState::Ready, AttemptState::Refused)
    );
    let avoids = |n, others, waited| scene.task.avoids(worker(n), others, NOW.plus(waited), &POLICY);
    assert!(avoids(1, Others::Some, POLICY.only_worker_after));
    assert!(!avoids(1, Others::Some, POLICY.same_worker_after));
    assert!(avoids(1, Others::None, Millis(0)));
    assert!(!avoids(1, Others::None, POLICY.only_worker_after));
    assert!(!avoids(2, Others::Some, Millis(0)));
}

#[test]
fn a_verification_that_cannot_be_done_strikes_nobody() {
    let mut scene = scene(Execution::NotWanted);
    let mut attempt = scene.lease(1, false);
    scene.deliver(&mut attempt);
    let verification = Verification::Impossible("the check died".to_owned());
    let effects = verified(
        &mut scene.request,
        &mut scene.task,
        &mut attempt,
        verification,
        &POLICY,
        NOW,
    )
    .expect("fits");
    assert_eq!((effects.strike, scene.task.state), (None, TaskState::Ready));
}

#[test]
fn crashes_on_enough_different_workers_are_poison_and_final() {
    let mut scene = scene(Execution::NotWanted);
    let mut first = scene.lease(1, false);
    assert!(scene.fail(&mut first, &prover_failure()).ready);
    let mut second = scene.lease(2, false);
    assert!(scene.fail(&mut second, &prover_failure()).ended);
    let failure = scene.request.failure.expect("it failed");
    assert_eq!(failure.class, FailureClass::Prover);
    assert!(
        failure.message.contains("2 different workers") && failure.message.contains("it crashed"),
        "{failure:?}"
    );
}

#[test]
fn a_worker_alone_never_ends_a_request_as_the_programs_fault() {
    let mut scene = scene(Execution::Pending);
    let mut attempt = scene.lease(1, false);
    let effects = scene.fail(&mut attempt, &program_fault());
    assert!(effects.execution_wanted && !effects.ended);
    assert_eq!(
        (scene.request.state, scene.task.state),
        (RequestState::Open, TaskState::Waiting)
    );
    assert_eq!(scene.request.execution, Execution::Disputed);
}

#[test]
fn the_trusted_execution_convicts_the_program() {
    let mut scene = scene(Execution::Pending);
    let mut attempt = scene.lease(1, false);
    scene.fail(&mut attempt, &program_fault());
    let verdict = ExecutionVerdict::Fault(program_fault(), Record::default());
    let effects = executed(&mut scene.request, &mut scene.task, &mut [], verdict, &POLICY, NOW).expect("fits");
    assert_eq!((effects.ended, effects.strike), (true, None));
    assert_eq!(scene.request.failure, Some(program_fault()));
}

#[test]
fn the_trusted_execution_convicts_a_lying_worker() {
    let mut scene = scene(Execution::Pending);
    let mut attempt = scene.lease(1, false);
    scene.fail(&mut attempt, &program_fault());
    let verdict = ExecutionVerdict::Ended(Record::default());
    let effects = executed(&mut scene.request, &mut scene.task, &mut [], verdict, &POLICY, NOW).expect("fits");
    assert_eq!(effects.strike.expect("a strike").0, worker(1));
    assert_eq!((effects.ready, scene.task.state), (true, TaskState::Ready));
    // From now on the same lie is a strike at once, and counts as the prover's failure.
    let mut again = scene.lease(2, false);
    let effects = scene.fail(&mut again, &program_fault());
    let (struck, strike) = effects.strike.expect("a strike");
    assert_eq!((struck, strike.offence), (worker(2), Offence::FalseBlame));
}

#[test]
fn a_dispute_that_nobody_can_settle_ends_after_enough_workers() {
    let mut scene = scene(Execution::Pending);
    for n in 1..=2 {
        let mut attempt = scene.lease(n, false);
        scene.fail(&mut attempt, &program_fault());
        let verdict = ExecutionVerdict::Unchecked("too long".to_owned());
        executed(&mut scene.request, &mut scene.task, &mut [], verdict, &POLICY, NOW).expect("fits");
    }
    assert_eq!(
        (scene.request.state, scene.task.state),
        (RequestState::Failed, TaskState::Failed)
    );
    assert_eq!(scene.request.failure.expect("it failed").class, FailureClass::Prover);
}

#[test]
fn a_fault_found_while_proving_revokes_the_lease() {
    let mut scene = scene(Execution::Pending);
    let mut attempts = [scene.lease(1, false)];
    let verdict = ExecutionVerdict::Fault(program_fault(), Record::default());
    let effects = executed(
        &mut scene.request,
        &mut scene.task,
        &mut attempts,
        verdict,
        &POLICY,
        NOW,
    )
    .expect("fits");
    assert_eq!(effects.revoked.len(), 1);
    assert_eq!(
        (attempts[0].state, scene.task.state),
        (AttemptState::Revoked, TaskState::Failed)
    );
}

#[test]
fn a_lapsed_lease_may_still_deliver_and_its_rival_is_told() {
    let mut scene = scene(Execution::NotWanted);
    let mut slow = scene.lease(1, false);
    assert!(
        lapse(
            &mut scene.request,
            &mut scene.task,
            &mut slow,
            0,
            "silent",
            &POLICY,
            NOW
        )
        .expect("fits")
        .ready
    );
    let mut rivals = [scene.lease(2, false)];
    let delivery = Delivery {
        outputs: Vec::new(),
        record: Record {
            public_values: Some(Digest([1; 32])),
            ..Record::default()
        },
    };
    let (fence, effects) = deliver(&mut scene.task, &mut slow, &mut rivals, delivery, NOW).expect("fits");
    assert_eq!((fence, scene.task.state), (Fence::Pass, TaskState::Delivered));
    assert_eq!(
        effects.revoked,
        [(worker(2), rivals[0].token, "another attempt was first".to_owned())]
    );
    assert_eq!(scene.deliver(&mut rivals[0]).0, Fence::Gone);
}

#[test]
fn a_worker_that_is_back_in_time_has_its_lease_back_and_no_failure_on_it() {
    let mut scene = scene(Execution::NotWanted);
    let mut attempt = scene.lease(1, false);
    lapse(
        &mut scene.request,
        &mut scene.task,
        &mut attempt,
        0,
        "silent",
        &POLICY,
        NOW,
    )
    .expect("fits");
    assert_eq!(scene.task.failures.len(), 1);
    assert!(readopt(&mut scene.task, &mut attempt, NOW.plus(Millis(99))));
    assert_eq!(
        (attempt.state, scene.task.state, scene.task.failures.len()),
        (AttemptState::Running, TaskState::Leased, 0)
    );
    assert_eq!(
        beat(&mut scene.task, &mut attempt, true, NOW.plus(Millis(200))),
        Fence::Pass
    );
}

#[test]
fn a_reservation_that_lapsed_comes_back_as_one_and_takes_no_older_failure_with_it() {
    let mut scene = scene(Execution::NotWanted);
    let mut failed = scene.lease(1, false);
    scene.fail(&mut failed, &Failure::new(FailureClass::Transient, "no network"));
    let mut reserved = scene.lease(1, true);
    reserved.leased_at = NOW.plus(Millis(50));
    lapse(
        &mut scene.request,
        &mut scene.task,
        &mut reserved,
        0,
        "silent",
        &POLICY,
        NOW.plus(Millis(60)),
    )
    .expect("fits");
    assert!(readopt(&mut scene.task, &mut reserved, NOW.plus(Millis(99))));
    assert_eq!(
        (reserved.state, scene.task.failures.len(), scene.task.attempts),
        (AttemptState::Reserved, 1, 1)
    );
    assert_eq!(
        beat(&mut scene.task, &mut reserved, true, NOW.plus(Millis(200))),
        Fence::Pass
    );
    assert_eq!((reserved.state, scene.task.attempts), (AttemptState::Running, 2));
}

#[test]
fn a_worker_that_is_back_too_late_has_not() {
    let mut scene = scene(Execution::NotWanted);
    let mut slow = scene.lease(1, false);
    lapse(
        &mut scene.request,
        &mut scene.task,
        &mut slow,
        0,
        "silent",
        &POLICY,
        NOW,
    )
    .expect("fits");
    scene.lease(2, false);
    assert!(!readopt(&mut scene.task, &mut slow, NOW.plus(Millis(99))));
    assert_eq!(slow.state, AttemptState::Lapsed);
}

#[test]
fn a_reservation_counts_only_once_it_is_started() {
    let mut scene = scene(Execution::NotWanted);
    let mut reserved = scene.lease(1, true);
    assert_eq!(scene.task.attempts, 0);
    let (fence, effects) =
        withdraw(&mut scene.task, &mut reserved, 0, "an idle worker can have it", NOW).expect("fits");
    assert_eq!((fence, effects.ready, scene.task.attempts), (Fence::Pass, true, 0));
    let mut started = scene.lease(2, true);
    assert_eq!(
        beat(&mut scene.task, &mut started, true, NOW.plus(Millis(20))),
        Fence::Pass
    );
    assert_eq!((started.state, scene.task.attempts), (AttemptState::Running, 1));
}

#[test]
fn cancelling_revokes_everything_that_is_open_and_only_once() {
    let mut scene = scene(Execution::NotWanted);
    let attempt = scene.lease(1, false);
    let mut jobs = [(scene.task.clone(), vec![attempt])];
    let failure = Failure::new(FailureClass::Cancelled, "cancelled by its owner");
    let effects = end_request(
        &mut scene.request,
        &mut jobs,
        RequestEvent::Cancelled,
        failure.clone(),
        NOW,
    )
    .expect("it was open");
    assert_eq!((effects.ended, effects.revoked.len()), (true, 1));
    assert_eq!(
        (jobs[0].0.state, jobs[0].1[0].state),
        (TaskState::Revoked, AttemptState::Revoked)
    );
    let again = end_request(
        &mut scene.request,
        &mut jobs,
        RequestEvent::DeadlinePassed,
        failure,
        NOW,
    );
    assert_eq!(again, Err(Conflict::Request(AlreadyEnded(RequestState::Cancelled))));
}

#[test]
fn attempts_are_bounded_whatever_ends_them() {
    let mut scene = scene(Execution::NotWanted);
    for n in 0..u128::from(POLICY.max_attempts) {
        assert_eq!(scene.request.state, RequestState::Open);
        let mut attempt = scene.lease(n, false);
        scene.fail(&mut attempt, &Failure::new(FailureClass::Transient, "no network"));
    }
    assert_eq!(
        (scene.request.state, scene.task.state),
        (RequestState::Failed, TaskState::Failed)
    );
}
