//! Every state, with every execution and every failure, against what clients of all ages understand.

use hierophant_domain::Record;

use super::*;

const STATES: [RequestState; 5] = [
    RequestState::Open,
    RequestState::Fulfilled,
    RequestState::Failed,
    RequestState::Cancelled,
    RequestState::Expired,
];

const CLASSES: [FailureClass; 10] = [
    FailureClass::Program,
    FailureClass::Input,
    FailureClass::Transient,
    FailureClass::Prover,
    FailureClass::InvalidProof,
    FailureClass::PublicValues,
    FailureClass::Lost,
    FailureClass::KeyLost,
    FailureClass::Cancelled,
    FailureClass::Deadline,
];

fn executions() -> [Execution; 5] {
    [
        Execution::NotWanted,
        Execution::Pending,
        Execution::Disputed,
        Execution::Executed(Record::default()),
        Execution::Unchecked("why".to_owned()),
    ]
}

#[test]
fn every_combination_is_one_that_all_clients_understand() {
    use ExecutionStatus::{Executed, Unexecutable, Unexecuted};
    use FulfillmentStatus::{Assigned, Fulfilled, Unfulfillable};
    let failures = CLASSES
        .map(|class| Some(Failure::new(class, "why")))
        .into_iter()
        .chain([None]);
    for failure in failures {
        for run in executions() {
            for state in STATES {
                let by_run = if matches!(run, Execution::Executed(_)) {
                    Executed
                } else {
                    Unexecuted
                };
                let blamed = failure
                    .as_ref()
                    .is_some_and(|failure| failure.class == FailureClass::Program);
                let expected = match state {
                    RequestState::Open => (Assigned, by_run),
                    RequestState::Fulfilled => (Fulfilled, Executed),
                    RequestState::Failed if blamed => (Unfulfillable, Unexecutable),
                    RequestState::Failed | RequestState::Cancelled | RequestState::Expired => (Unfulfillable, by_run),
                };
                let shown = (fulfillment(state), execution(state, &run, failure.as_ref()));
                assert_eq!(shown, expected, "{state:?}, {run:?}, {failure:?}");
                assert!((1..=4).contains(&(shown.0 as i32)) && (1..=3).contains(&(shown.1 as i32)));
            }
        }
    }
}

#[test]
fn faults_have_the_contracts_numbers() {
    for (fault, number) in [
        (ProgramFault::NonZeroExit, 1),
        (ProgramFault::InvalidMemoryAccess, 2),
        (ProgramFault::UnsupportedSyscall, 3),
        (ProgramFault::Breakpoint, 4),
        (ProgramFault::CycleLimit, 5),
        (ProgramFault::InvalidSyscallUsage, 6),
        (ProgramFault::Unimplemented, 7),
        (ProgramFault::EndInUnconstrained, 8),
        (ProgramFault::GasLimit, 9),
        (ProgramFault::AbnormalExit, 0),
    ] {
        assert_eq!(
            fail_cause(Some(&Failure::program(fault, "why"))) as i32,
            number,
            "{fault:?}"
        );
        let elsewhere = Failure {
            class: FailureClass::Prover,
            ..Failure::program(fault, "why")
        };
        assert_eq!(
            fail_cause(Some(&elsewhere)) as i32,
            0,
            "a machine's trouble is no fault of the program"
        );
    }
    assert_eq!(fail_cause(None) as i32, 0);
}

#[test]
fn errors_have_the_contracts_numbers() {
    for (class, number) in CLASSES.into_iter().zip([1, 1, 3, 6, 5, 4, 3, 3, 0, 0]) {
        assert_eq!(error(Some(&Failure::new(class, "why"))) as i32, number, "{class:?}");
    }
    assert_eq!(error(None) as i32, 0);
}
