//! From how a call to a prover ended badly to whose fault it was.

use hierophant_prover_protocol::{host::CallError, proto::failure::Class as Said};
use hierophant_worker_link::proto::failure::Class;

use super::Stop;

/// The report for a call without a reply.
pub(super) fn failure(error: &CallError) -> Stop {
    let class = match error {
        CallError::Failed(failure) => match failure.class() {
            Said::Program => Class::Program,
            Said::Input => Class::Input,
            // Nobody here asked for it: the prover was on its way out.
            Said::Transient | Said::Cancelled => Class::Transient,
            Said::Prover | Said::Unsupported | Said::Unspecified => Class::Prover,
        },
        CallError::Died { .. } | CallError::MemoryLimit { .. } | CallError::Hung { .. } | CallError::Protocol(_) => {
            Class::Prover
        }
        // Out of time, or ended because of another call or of the worker's end: not this task's doing.
        CallError::Timeout { .. } | CallError::Killed(_) => Class::Transient,
    };
    Stop::Failed(class, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hierophant_prover_protocol::{host::ExitHow, proto::Failure};

    use super::*;

    #[test]
    fn each_end_of_a_call_has_its_class() {
        let died = CallError::Died {
            how: ExitHow::Signal(9),
            memory_kill_suspected: true,
        };
        let cases = [
            (CallError::Failed(Failure::input("x")), Class::Input),
            (CallError::Failed(Failure::transient("x")), Class::Transient),
            (CallError::Failed(Failure::prover("x")), Class::Prover),
            (CallError::Failed(Failure::unsupported("x")), Class::Prover),
            (CallError::Failed(Failure::cancelled()), Class::Transient),
            (
                CallError::Failed(Failure::program(
                    hierophant_prover_protocol::proto::ProgramFault::default(),
                )),
                Class::Program,
            ),
            (died, Class::Prover),
            (
                CallError::MemoryLimit {
                    used_bytes: 2,
                    limit_bytes: 1,
                },
                Class::Prover,
            ),
            (
                CallError::Hung {
                    silent: Duration::from_secs(1),
                },
                Class::Prover,
            ),
            (CallError::Protocol("x".into()), Class::Prover),
            (
                CallError::Timeout {
                    limit: Duration::from_secs(1),
                },
                Class::Transient,
            ),
            (CallError::Killed("x".into()), Class::Transient),
        ];
        for (error, expected) in cases {
            let Stop::Failed(class, message) = failure(&error) else {
                panic!("{error} is no failure")
            };
            assert_eq!(class, expected, "{error}");
            assert!(!message.is_empty());
        }
    }
}
