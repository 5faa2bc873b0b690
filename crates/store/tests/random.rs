//! Random lists of operations, with the invariants checked after every step.
//!
//! A failure is an invariant that does not hold, or an answer that the store's documentation does not allow. Not a failure:
//! refusals of what has no sense at that moment.

mod common;

use common::Folder;
use hierophant_domain::{
    BlobRef, Execution, FailureClass, LeaseToken, Name, Record, RequestId,
    attempt::Delivery,
    failure::Failure,
    job::{ExecutionVerdict, Verification},
    request::{Binding, RequestEvent},
    time::Millis,
    worker::{Offence, Strike},
};
use hierophant_store::{
    Beat, CheckClaim, ExecutionWork, Presence, Result, StoreError, Undone, VerificationWork,
    conformance::{World, class, invariants::Picture, key, worker_id},
};
use proptest::{collection::vec, prelude::*, sample::Index};

const WORKERS: u8 = 3;

#[derive(Clone, Debug)]
enum Op {
    Accept {
        key: u64,
        priority: i16,
        pending: bool,
    },
    Claim {
        worker: u8,
        limit: usize,
        reserve: bool,
    },
    Beat {
        lease: Index,
        running: bool,
    },
    Deliver {
        lease: Index,
    },
    Fail {
        lease: Index,
        class: FailureClass,
    },
    Release {
        lease: Index,
    },
    Lapse,
    LapseWorker {
        worker: u8,
    },
    Readopt {
        worker: u8,
    },
    Withdraw {
        n: usize,
    },
    ClaimVerifications,
    SettleVerification {
        check: Index,
        verdict: u8,
    },
    ClaimExecutions,
    SettleExecution {
        check: Index,
        verdict: u8,
    },
    ReturnCheck {
        check: Index,
        execution: bool,
        undone: Undone,
    },
    Cancel {
        request: Index,
    },
    Expire,
    Presence {
        worker: u8,
        presence: Presence,
    },
    Register {
        worker: u8,
    },
    Update {
        worker: u8,
    },
    Strike {
        worker: u8,
    },
    ReleaseEnded,
    Advance {
        millis: i64,
    },
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let worker = || 0..WORKERS;
    let index = any::<Index>;
    let class = prop_oneof![
        Just(FailureClass::Program),
        Just(FailureClass::Input),
        Just(FailureClass::Transient),
        Just(FailureClass::Prover),
        Just(FailureClass::KeyLost),
    ];
    let presence = prop_oneof![Just(Presence::Here), Just(Presence::Cut), Just(Presence::Gone)];
    prop_oneof![
        4 => (0..20_u64, -1..2_i16, any::<bool>()).prop_map(|(key, priority, pending)| Op::Accept { key, priority, pending }),
        5 => (worker(), 1..4_usize, any::<bool>()).prop_map(|(worker, limit, reserve)| Op::Claim { worker, limit, reserve }),
        2 => (index(), any::<bool>()).prop_map(|(lease, running)| Op::Beat { lease, running }),
        4 => index().prop_map(|lease| Op::Deliver { lease }),
        3 => (index(), class).prop_map(|(lease, class)| Op::Fail { lease, class }),
        1 => index().prop_map(|lease| Op::Release { lease }),
        2 => Just(Op::Lapse),
        1 => worker().prop_map(|worker| Op::LapseWorker { worker }),
        2 => worker().prop_map(|worker| Op::Readopt { worker }),
        1 => (1..3_usize).prop_map(|n| Op::Withdraw { n }),
        3 => Just(Op::ClaimVerifications),
        4 => (index(), 0..3_u8).prop_map(|(check, verdict)| Op::SettleVerification { check, verdict }),
        3 => Just(Op::ClaimExecutions),
        3 => (index(), 0..3_u8).prop_map(|(check, verdict)| Op::SettleExecution { check, verdict }),
        1 => (index(), any::<bool>(), prop_oneof![Just(Undone::Tried), Just(Undone::NotNow)])
            .prop_map(|(check, execution, undone)| Op::ReturnCheck { check, execution, undone }),
        1 => index().prop_map(|request| Op::Cancel { request }),
        1 => Just(Op::Expire),
        1 => (worker(), presence).prop_map(|(worker, presence)| Op::Presence { worker, presence }),
        1 => worker().prop_map(|worker| Op::Register { worker }),
        1 => worker().prop_map(|worker| Op::Update { worker }),
        1 => worker().prop_map(|worker| Op::Strike { worker }),
        1 => Just(Op::ReleaseEnded),
        3 => prop_oneof![Just(1), Just(2_000), Just(15_000), Just(2_000_000)].prop_map(|millis| Op::Advance { millis }),
        1 => Just(Op::Reopen),
    ]
}

/// What the operations so far have given: some of it is stale, as in life.
#[derive(Default)]
struct Known {
    requests: Vec<RequestId>,
    tokens: Vec<LeaseToken>,
    verifications: Vec<CheckClaim>,
    executions: Vec<CheckClaim>,
}

fn pick<T: Copy>(from: &[T], index: Index) -> Option<T> {
    (!from.is_empty()).then(|| from[index.index(from.len())])
}

fn allowed<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(StoreError::Refused(_) | StoreError::NotFound(_)) => None,
        Err(
            error @ (StoreError::Unavailable(_)
            | StoreError::Full(_)
            | StoreError::UnknownSchema { .. }
            | StoreError::Corrupt(_)),
        ) => {
            panic!("not allowed: {error:?}")
        }
    }
}

async fn step(world: &mut World, known: &mut Known, op: &Op) {
    let hold = Millis(10_000);
    let systems = || vec![class().system];
    match op {
        Op::Accept {
            key: n,
            priority,
            pending,
        } => {
            let new = world.new_request(|request| {
                request.idempotency_key = key(*n);
                request.priority = *priority;
                if *pending {
                    request.execution = Execution::Pending;
                }
            });
            let accepted = allowed(world.store().accept(new).await).expect("accepted");
            known.requests.push(accepted.request);
        }
        Op::Claim { worker, limit, reserve } => {
            let order = World::order(worker_id(*worker), *limit, *reserve);
            let leased = allowed(world.store().claim(order).await).expect("claims");
            assert!(leased.len() <= *limit);
            known.tokens.extend(leased.iter().map(|leased| leased.attempt.token));
        }
        Op::Beat { lease, running } => {
            if let Some(token) = pick(&known.tokens, *lease) {
                let until = world.store().now().plus(hold);
                let beats = vec![Beat {
                    token,
                    running: *running,
                    until,
                }];
                for worker in 0..WORKERS {
                    allowed(world.store().beat(worker_id(worker), beats.clone()).await).expect("beats");
                }
            }
        }
        Op::Deliver { lease } => {
            if let Some(token) = pick(&known.tokens, *lease) {
                let outputs = vec![(Name::literal("proof"), BlobRef::Inline(vec![1]))];
                allowed(
                    world
                        .store()
                        .deliver(
                            token,
                            Delivery {
                                outputs,
                                record: Record::default(),
                            },
                        )
                        .await,
                )
                .expect("answers");
            }
        }
        Op::Fail { lease, class } => {
            if let Some(token) = pick(&known.tokens, *lease) {
                allowed(world.store().fail(token, Failure::new(*class, "broke")).await).expect("answers");
            }
        }
        Op::Release { lease } => {
            if let Some(token) = pick(&known.tokens, *lease) {
                allowed(world.store().release(token, "no".to_owned()).await).expect("answers");
            }
        }
        Op::Lapse => {
            allowed(world.store().lapse_due(10).await).expect("sweeps");
        }
        Op::LapseWorker { worker } => {
            allowed(world.store().lapse_worker(worker_id(*worker), "gone".to_owned()).await).expect("lapses");
        }
        Op::Readopt { worker } => {
            let until = world.store().now().plus(hold);
            allowed(
                world
                    .store()
                    .readopt(worker_id(*worker), known.tokens.clone(), until)
                    .await,
            )
            .expect("readopts");
        }
        Op::Withdraw { n } => {
            allowed(world.store().withdraw_reservations(class(), *n).await).expect("withdraws");
        }
        Op::ClaimVerifications => {
            let works = allowed(world.store().claim_verifications(systems(), 2, hold).await).expect("claims");
            known.verifications.extend(works.iter().map(VerificationWork::claim));
        }
        Op::SettleVerification { check, verdict } => {
            if let Some(claim) = pick(&known.verifications, *check) {
                let verification = match verdict {
                    0 => Verification::Valid(Binding::ProofAlone, Record::default()),
                    1 => Verification::Invalid("no".to_owned()),
                    _ => Verification::Impossible("cannot".to_owned()),
                };
                allowed(world.store().settle_verification(claim, verification).await).expect("answers");
            }
        }
        Op::ClaimExecutions => {
            let works = allowed(world.store().claim_executions(systems(), 2, hold).await).expect("claims");
            known.executions.extend(works.iter().map(ExecutionWork::claim));
        }
        Op::SettleExecution { check, verdict } => {
            if let Some(claim) = pick(&known.executions, *check) {
                let verdict = match verdict {
                    0 => ExecutionVerdict::Ended(Record::default()),
                    1 => ExecutionVerdict::Fault(Failure::new(FailureClass::Program, "exit 1"), Record::default()),
                    _ => ExecutionVerdict::Unchecked("too long".to_owned()),
                };
                allowed(world.store().settle_execution(claim, verdict).await).expect("answers");
            }
        }
        Op::ReturnCheck {
            check,
            execution,
            undone,
        } => {
            let from = if *execution {
                &known.executions
            } else {
                &known.verifications
            };
            if let Some(claim) = pick(from, *check) {
                allowed(world.store().return_check(claim, *undone, Millis(5)).await).expect("answers");
            }
        }
        Op::Cancel { request } => {
            if let Some(id) = pick(&known.requests, *request) {
                let failure = Failure::new(FailureClass::Cancelled, "no more");
                allowed(world.store().end_request(id, RequestEvent::Cancelled, failure).await).expect("answers");
            }
        }
        Op::Expire => drop(allowed(world.store().expire_requests(10).await).expect("sweeps")),
        Op::Presence { worker, presence } => {
            allowed(
                world
                    .store()
                    .worker_presence(worker_id(*worker), *presence, "so".to_owned())
                    .await,
            )
            .expect("notes");
        }
        // Refused while it is quarantined.
        Op::Register { worker } => drop(allowed(world.store().register_worker(World::profile(*worker)).await)),
        // Unknown until it has registered.
        Op::Update { worker } => drop(allowed(world.store().update_worker(World::profile(*worker)).await)),
        Op::Strike { worker } => {
            allowed(
                world
                    .store()
                    .strike(worker_id(*worker), Strike::new(Offence::TooSlow, "so"))
                    .await,
            )
            .expect("strikes");
        }
        Op::ReleaseEnded => {
            allowed(world.store().release_ended(world.store().now(), 10).await).expect("releases");
        }
        Op::Advance { millis } => world.advance(*millis),
        Op::Reopen => world.reopen_and_compare().await,
    }
}

async fn run(ops: Vec<Op>) {
    let mut world = World::new(Box::new(Folder::new())).await;
    let mut known = Known::default();
    for worker in 0..WORKERS {
        world.worker(worker).await;
    }
    for op in &ops {
        step(&mut world, &mut known, op).await;
        Picture::take(world.store()).await.check();
    }
    world.reopen_and_compare().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_after_every_operation(ops in vec(op(), 1..80)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(run(ops));
    }
}
