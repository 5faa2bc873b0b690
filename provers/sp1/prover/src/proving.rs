//! Proves with the warm engine.
//!
//! What must stay true: a program that fails or breaks its limits is found out before anything is proven; a proof that
//! leaves here verified, or is a mock proof that was asked for; an engine in which a task panicked is not used again.

use std::{sync::Arc, time::Instant};

use hierophant_prover_protocol::{
    proto::{Failure, NamedBlob, Prove, ProveReply, Record},
    prover::{JobContext, peak_memory_bytes},
};
use sp1_engine::{Engine, Light};
use sp1_sdk::{ProofFromNetwork, SP1PublicValues, SP1Stdin, SP1VerifyingKey};

use crate::{
    circuits, execution,
    kinds::Kind,
    observer::Observer,
    program::{Keys, LoadedProgram, VK_BYTES, check_id, vk_with_id},
    progress::{Counters, EXECUTED_BP},
    settings::Settings,
    shared_memory,
    verification::{self, Demands},
};

/// Exit status of the process after a task of the engine panicked.
const EXIT_AFTER_PANIC: i32 = 101;

/// What a proof is made with.
#[derive(Clone, Copy)]
pub(crate) struct Proving<'a> {
    /// The warm engine; none where only mock proofs are made.
    pub(crate) engine: Option<&'a Engine>,
    /// Set-up and verification.
    pub(crate) light: &'a Light,
    /// Keys derived before.
    pub(crate) keys: &'a Keys,
    /// Hears how far it is.
    pub(crate) observer: &'a Observer,
    /// The operator's.
    pub(crate) settings: &'a Settings,
}

impl<'a> Proving<'a> {
    /// Answers a call.
    pub(crate) async fn prove(self, job: &JobContext, call: Prove) -> Result<ProveReply, Failure> {
        let (kind, engine) = self.served_kind(&call)?;
        let limit = self.settings.max_decoded_bytes;
        let program = LoadedProgram::decode(job.input(&call.inputs, "program", limit)?, limit)?;
        let stdin = execution::decode_stdin(job.input(&call.inputs, "stdin", limit)?, limit)?;
        if engine.is_some() {
            let tuning = &self.settings.tuning;
            shared_memory::check_prove(shared_memory::prove_bytes(
                tuning.trace_chunk_entries,
                tuning.trace_chunk_slots,
            ))?;
        }

        job.progress("execute", 0, 1, 0);
        let limits = call.limits.unwrap_or_default();
        let executed = execution::execute(job, self.observer, self.settings, &program, stdin.clone(), &limits).await?;
        if let Some(fault) = executed.fault {
            return Err(Failure::program(fault));
        }
        job.progress("execute", 1, 1, EXECUTED_BP);

        let vk = self.key(job, &call, &program).await?;
        job.check_cancelled()?;
        let started = Instant::now();
        let proof = match engine {
            Some(engine) => self.run(job, engine, &program, stdin, kind).await?,
            None => verification::mock(&vk, kind, SP1PublicValues::from(&executed.public_values)),
        };
        let proving_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let encoded = verification::encode(&proof);
        let public_values = proof.public_values.to_vec();
        drop(proof);
        self.check(&encoded, &vk, (kind, call.mock), &executed.record)?;

        Ok(ProveReply {
            outputs: outputs(job, encoded, public_values, executed.guest_log)?,
            record: Some(Record {
                proving_ms,
                peak_memory_bytes: peak_memory_bytes(),
                ..executed.record
            }),
        })
    }

    /// The kind that is asked for, and the engine to prove it; no engine for a mock proof.
    fn served_kind(self, call: &Prove) -> Result<(Kind, Option<&'a Engine>), Failure> {
        let name = &call.kind;
        let kind = Kind::from_name(name)
            .filter(|kind| call.mock || self.settings.kinds.contains(kind))
            .ok_or_else(|| {
                Failure::unsupported(format!(
                    "this prover does not prove {name:?}; its option kinds says what it does"
                ))
            })?;
        if call.mock {
            return Ok((kind, None));
        }
        let engine = self.engine.ok_or_else(|| {
            Failure::unsupported(
                "this process makes mock proofs only (option mock_only); ask for one, or start it without",
            )
        })?;
        // Looked at again for each proof: beyond this point SP1's code would download what is missing.
        match circuits::unavailable(kind) {
            None => Ok((kind, Some(engine))),
            Some(sentence) => Err(Failure::unsupported(sentence)),
        }
    }

    /// The program's key: from the input "vk" where the host has it, else by set-up.
    async fn key(self, job: &JobContext, call: &Prove, program: &LoadedProgram) -> Result<SP1VerifyingKey, Failure> {
        if let Some(encoded) = job.optional_input(&call.inputs, "vk", VK_BYTES)? {
            return vk_with_id(&encoded, &call.program_id);
        }
        let vk = self.keys.of_program(self.light, program).await?;
        check_id(&vk, &call.program_id)?;
        Ok(vk)
    }

    /// Proves, and tells the host how far it is.
    async fn run(
        self,
        job: &JobContext,
        engine: &Engine,
        program: &LoadedProgram,
        stdin: SP1Stdin,
        kind: Kind,
    ) -> Result<ProofFromNetwork, Failure> {
        self.observer.listen_to_proof(Counters::new(kind));
        let mut proof = engine.prove(Arc::clone(&program.elf), stdin, kind.mode());
        let result = loop {
            tokio::select! {
                result = &mut proof => break result,
                () = self.observer.changed() => {}
            }
            if let Some(message) = self.observer.died() {
                end_process(&message);
            }
            if let Some(report) = self.observer.proof_report() {
                job.progress(report.phase, report.done, report.total, report.overall_bp);
            }
        };
        self.observer.proof_ended();
        result.map_err(|error| Failure::prover(format!("SP1's engine failed: {error}; its log says more")))
    }

    fn check(
        self,
        encoded: &[u8],
        vk: &SP1VerifyingKey,
        (kind, mock): (Kind, bool),
        executed: &Record,
    ) -> Result<(), Failure> {
        let demands = Demands {
            kind,
            public_values_hash: &executed.public_values_sha256,
            mock,
        };
        let verdict = verification::verify(self.light, encoded, vk, demands);
        if verdict.valid {
            return Ok(());
        }
        Err(Failure::prover(format!(
            "SP1's engine made a proof that does not hold: {}",
            verdict.reason
        )))
    }
}

fn outputs(
    job: &JobContext,
    proof: Vec<u8>,
    public_values: Vec<u8>,
    guest_log: Vec<u8>,
) -> Result<Vec<NamedBlob>, Failure> {
    Ok(vec![
        job.output("proof", proof)?,
        job.output("public_values", public_values)?,
        job.output("guest_log", guest_log)?,
    ])
}

/// SP1's engine never answers a task that panicked, and may hold its memory and permits for ever: only a fresh process
/// is sound. The host reports the death as this prover's failure and starts another.
fn end_process(message: &str) -> ! {
    tracing::error!("a task of SP1's engine panicked, this process ends: {message}");
    std::process::exit(EXIT_AFTER_PANIC);
}
