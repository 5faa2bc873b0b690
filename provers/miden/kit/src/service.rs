//! What a Miden prover answers on the prover protocol, in either role.
//!
//! What must stay true: one job at a time; a witness that cannot be decoded is the input's fault and one that cannot be
//! executed the program's, even where the line's crates panic on it; a proof that makes a verifier panic is not valid; the
//! log says kinds, sizes and times, and nothing of what a witness holds.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
    time::Instant,
};

use hierophant_prover_protocol::{
    proto::{
        Execute, ExecuteReply, Failure, Hello, HelloReply, Kind as KindOffer, Limits, NamedBlob, ProgramFault, Prove,
        ProveReply, Record, Role, System, Verify, VerifyReply, program_fault::Cause,
    },
    prover::{JobContext, Prover, peak_memory_bytes},
};

use crate::{Digest, Executed, Fault, Kind, Line, Settings};

/// What the light role is announced to need, in bytes: ordinary witnesses take a tenth of it, one that fills the virtual
/// machine's memory for all of the default `max_cycles` the rest.
const LIGHT_MEMORY_BYTES: u64 = 512 << 20;

/// What an execution takes of a whole proof, in hundredths of a percent.
const EXECUTED_BP: u32 = 200;

/// What `hello` prepares.
struct Ready<L> {
    role: Role,
    settings: Settings,
    line: L,
}

/// The prover of a line.
pub(crate) struct MidenProver<L> {
    name: String,
    ready: OnceLock<Ready<L>>,
}

impl<L: Line> MidenProver<L> {
    /// Makes a prover that waits for its hello; `name` is what it answers to it.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            ready: OnceLock::new(),
        }
    }

    fn ready(&self) -> Result<&Ready<L>, Failure> {
        self.ready
            .get()
            .ok_or_else(|| Failure::input("the first call must be hello"))
    }

    /// What the process offers in a role. The light role checks all kinds, whichever are proved elsewhere.
    fn offer(&self, role: Role, settings: &Settings) -> HelloReply {
        let (calls, kinds): (&[_], Vec<_>) = if role == Role::Prove {
            let kinds = settings.kinds.iter().map(|kind| (*kind, settings.memory(*kind)));
            (&["cancel", "execute", "prove", "verify"], kinds.collect())
        } else {
            let kinds = Kind::ALL.map(|kind| (kind, LIGHT_MEMORY_BYTES));
            (&["cancel", "execute", "verify"], kinds.into())
        };
        let kinds = kinds.into_iter().map(|(kind, memory_bytes)| KindOffer {
            name: kind.name().into(),
            memory_bytes,
            ..KindOffer::default()
        });
        HelloReply {
            name: self.name.clone(),
            calls: calls.iter().map(|call| (*call).to_owned()).collect(),
            systems: vec![System {
                name: L::SYSTEM.into(),
                toolchain: L::TOOLCHAIN.into(),
                kinds: kinds.collect(),
                mock_kinds: Vec::new(),
            }],
            max_jobs: 1,
            ..HelloReply::default()
        }
    }
}

impl<L: Line> Ready<L> {
    fn witness(&self, job: &JobContext, kind: Kind, inputs: &[NamedBlob]) -> Result<L::Witness, Failure> {
        let bytes = job.input(inputs, "witness", self.settings.max_input_bytes)?;
        let wrong = |cause: &str| {
            Failure::input(format!(
                "it is no {kind} of the line {}: {cause}; send it to a prover of its own line and kind",
                L::TOOLCHAIN
            ))
        };
        catch_unwind(AssertUnwindSafe(|| self.line.decode(kind, &bytes)))
            .map_err(|_| wrong("the decoder gave up on it"))?
            .map_err(|cause| wrong(&cause))
    }

    /// Executes within the operator's limit and the host's.
    fn execute(&self, witness: &L::Witness, limits: Option<&Limits>) -> Result<Executed, Fault> {
        let asked = limits.and_then(|limits| limits.cycles).unwrap_or(u64::MAX);
        let max_cycles = asked.min(self.settings.max_cycles);
        catch_unwind(AssertUnwindSafe(|| self.line.execute(witness, max_cycles)))
            .unwrap_or_else(|_| Err(Fault::Invalid("the virtual machine gave up on it".into())))
    }

    /// Checks a proof against the witness and what the host knows to be its statement.
    fn verify(&self, witness: &L::Witness, proof: &[u8], statement: &[u8]) -> Result<Digest, String> {
        let statement = if statement.is_empty() {
            let executed = self.execute(witness, None);
            executed.map_err(|fault| fault.to_string())?.statement.to_vec()
        } else {
            statement.to_vec()
        };
        // Verifiers assert here and there; a proof that trips one is not valid.
        let found = catch_unwind(AssertUnwindSafe(|| self.line.verify(witness, proof)))
            .map_err(|_| "the proof is malformed: the verifier gave up on it".to_owned())??;
        if statement == found {
            return Ok(found);
        }
        Err("the result does not state what executing the witness gives".into())
    }
}

impl<L: Line> Prover for MidenProver<L> {
    fn hello(&self, hello: &Hello) -> Result<HelloReply, Failure> {
        let (settings, own) = Settings::parse::<L>(&hello.options)?;
        if let Some(threads) = settings.threads {
            // Fails only when a pool is there, which an earlier hello with a fault of its own may have made.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        }
        let reply = self.offer(hello.role(), &settings);
        let line = L::start(own);
        // A second hello is answered from memory by the protocol's own loop.
        let _ = self.ready.set(Ready {
            role: hello.role(),
            settings,
            line,
        });
        Ok(reply)
    }

    fn prove(&self, job: &JobContext, call: Prove) -> Result<ProveReply, Failure> {
        let ready = self.ready()?;
        let kind = check_call::<L>(&call.system, &call.kind, call.mock)?;
        if ready.role != Role::Prove || !ready.settings.kinds.contains(&kind) {
            return Err(Failure::unsupported(format!("this process does not prove a {kind}")));
        }
        job.progress("execute", 0, 1, 0);
        let witness = ready.witness(job, kind, &call.inputs)?;
        let executed = ready
            .execute(&witness, call.limits.as_ref())
            .map_err(|fault| Failure::program(program_fault(&fault)))?;
        job.check_cancelled()?;
        job.progress("prove", 0, 1, EXECUTED_BP);
        let began = Instant::now();
        let proof = catch_unwind(AssertUnwindSafe(|| ready.line.prove(witness)))
            .unwrap_or_else(|_| Err("proving stopped in the midst".into()))
            .map_err(|cause| Failure::prover(format!("a {kind} that executes cannot be proved: {cause}")))?;
        let proving_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        job.check_cancelled()?;
        job.progress("done", 1, 1, 10_000);
        tracing::info!("proved a {kind} of {} bytes in {proving_ms} ms", proof.len());
        Ok(ProveReply {
            outputs: vec![job.output("proof", proof)?],
            record: Some(Record {
                proving_ms,
                ..record(executed)
            }),
        })
    }

    fn execute(&self, job: &JobContext, call: Execute) -> Result<ExecuteReply, Failure> {
        let ready = self.ready()?;
        let kind = check_call::<L>(&call.system, &call.kind, false)?;
        let witness = ready.witness(job, kind, &call.inputs)?;
        Ok(match ready.execute(&witness, call.limits.as_ref()) {
            Ok(executed) => ExecuteReply {
                record: Some(record(executed)),
                ..ExecuteReply::default()
            },
            Err(fault) => ExecuteReply {
                fault: Some(program_fault(&fault)),
                ..ExecuteReply::default()
            },
        })
    }

    fn verify(&self, job: &JobContext, call: Verify) -> Result<VerifyReply, Failure> {
        let ready = self.ready()?;
        let kind = check_call::<L>(&call.system, &call.kind, call.mock)?;
        if !call.toolchain.is_empty() && call.toolchain != L::TOOLCHAIN {
            return Err(Failure::unsupported(format!(
                "this prover checks proofs of the line {}, not {:?}",
                L::TOOLCHAIN,
                call.toolchain
            )));
        }
        let witness = ready.witness(job, kind, &call.inputs)?;
        let proof = job.input(&call.inputs, "proof", ready.settings.max_input_bytes)?;
        Ok(match ready.verify(&witness, &proof, &call.public_values_sha256) {
            Ok(statement) => VerifyReply {
                valid: true,
                reason: String::new(),
                public_values_sha256: statement.to_vec(),
            },
            Err(reason) => VerifyReply {
                valid: false,
                reason,
                public_values_sha256: Vec::new(),
            },
        })
    }
}

/// Checks what a call is about; returns its kind.
fn check_call<L: Line>(system: &str, kind: &str, mock: bool) -> Result<Kind, Failure> {
    if system != L::SYSTEM {
        return Err(Failure::unsupported(format!(
            "this prover serves {}, not {system:?}",
            L::SYSTEM
        )));
    }
    if mock {
        return Err(Failure::unsupported("there are no mock proofs of Miden"));
    }
    Kind::from_name(kind).ok_or_else(|| {
        Failure::unsupported(format!(
            "{kind:?} is no kind of Miden proof; ask for transaction, batch or block"
        ))
    })
}

fn record(executed: Executed) -> Record {
    Record {
        cycles: executed.cycles,
        public_values_sha256: executed.statement.to_vec(),
        peak_memory_bytes: peak_memory_bytes(),
        ..Record::default()
    }
}

fn program_fault(fault: &Fault) -> ProgramFault {
    let cause = match fault {
        Fault::CycleLimit(_) => Cause::CycleLimit,
        Fault::Invalid(_) => Cause::AbnormalExit,
    };
    ProgramFault::new(cause, fault.to_string())
}
