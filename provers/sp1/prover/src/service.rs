//! What this executable answers on the prover protocol, in either role.
//!
//! What must stay true: the light role is ready at once and stays small; the role prove is ready only when its engine
//! is warm. One job at a time: SP1's executor and this process's listener know no more.

use std::sync::OnceLock;

use hierophant_prover_protocol::{
    proto::{
        Execute, ExecuteReply, Failure, Hello, HelloReply, Kind as KindOffer, NamedBlob, Prove, ProveReply, Role,
        Setup, SetupReply, System, Verify, VerifyReply,
    },
    prover::{JobContext, Prover},
};
use sp1_engine::{Engine, Light};
use sp1_sdk::{HashableKey as _, SP1_CIRCUIT_VERSION, SP1PublicValues, SP1VerifyingKey};
use tokio::runtime::Runtime;

use crate::{
    VERSION, circuits, execution,
    kinds::Kind,
    observer::Observer,
    program::{Keys, LoadedProgram, VK_BYTES, check_id, encode_vk, vk_with_id},
    proving::Proving,
    settings::Settings,
    shared_memory,
    verification::{self, Demands},
};

/// The name of the proof system on the protocol.
const SYSTEM: &str = "sp1";

/// Resident memory of the light role at work, measured, in bytes. A guest's own memory comes on top.
const LIGHT_MEMORY_BYTES: u64 = 1 << 30;

/// What `hello` prepares.
struct Ready {
    role: Role,
    settings: Settings,
    light: Light,
    /// In the role prove, unless only mock proofs are made.
    engine: Option<Engine>,
}

/// The prover.
pub(crate) struct Sp1Prover {
    runtime: Runtime,
    observer: Observer,
    keys: Keys,
    ready: OnceLock<Ready>,
}

impl Sp1Prover {
    /// Makes a prover that waits for its hello.
    pub(crate) fn new(runtime: Runtime, observer: Observer) -> Self {
        Self {
            runtime,
            observer,
            keys: Keys::default(),
            ready: OnceLock::new(),
        }
    }

    fn ready(&self) -> Result<&Ready, Failure> {
        self.ready
            .get()
            .ok_or_else(|| Failure::input("the first call must be hello"))
    }

    async fn prepare(role: Role, settings: Settings) -> Result<Ready, Failure> {
        let light = Light::start().await;
        let engine = match role {
            Role::Prove if !settings.mock_only => Some(start_engine(&settings).await?),
            Role::Prove | Role::Light | Role::Unspecified => None,
        };
        Ok(Ready {
            role,
            settings,
            light,
            engine,
        })
    }

    /// The verification key of a call that brings "vk" or "program".
    async fn key(&self, job: &JobContext, inputs: &[NamedBlob], program_id: &[u8]) -> Result<SP1VerifyingKey, Failure> {
        let ready = self.ready()?;
        if let Some(encoded) = job.optional_input(inputs, "vk", VK_BYTES)? {
            return vk_with_id(&encoded, program_id);
        }
        let limit = ready.settings.max_decoded_bytes;
        let program = LoadedProgram::decode(job.input(inputs, "program", limit)?, limit)?;
        let vk = self.keys.of_program(&ready.light, &program).await?;
        check_id(&vk, program_id)?;
        Ok(vk)
    }
}

impl Prover for Sp1Prover {
    fn hello(&self, hello: &Hello) -> Result<HelloReply, Failure> {
        let settings = Settings::parse(&hello.options)?;
        let role = hello.role();
        if let Ok(removed @ 1..) = shared_memory::remove_left_behind() {
            tracing::info!("removed {removed} files that killed provers left in shared memory");
        }
        let reply = offer(role, &settings);
        let ready = self.runtime.block_on(Self::prepare(role, settings))?;
        // A second hello is answered from memory by the protocol's own loop.
        let _ = self.ready.set(ready);
        Ok(reply)
    }

    fn prove(&self, job: &JobContext, call: Prove) -> Result<ProveReply, Failure> {
        check_system(&call.system)?;
        let ready = self.ready()?;
        if ready.role != Role::Prove {
            return Err(Failure::unsupported(
                "this process runs in the light role, which does not prove",
            ));
        }
        let proving = Proving {
            engine: ready.engine.as_ref(),
            light: &ready.light,
            keys: &self.keys,
            observer: &self.observer,
            settings: &ready.settings,
        };
        self.runtime.block_on(Box::pin(proving.prove(job, call)))
    }

    fn execute(&self, job: &JobContext, call: Execute) -> Result<ExecuteReply, Failure> {
        check_system(&call.system)?;
        let ready = self.ready()?;
        let limit = ready.settings.max_decoded_bytes;
        let program = LoadedProgram::decode(job.input(&call.inputs, "program", limit)?, limit)?;
        let stdin = execution::decode_stdin(job.input(&call.inputs, "stdin", limit)?, limit)?;
        let limits = call.limits.unwrap_or_default();
        let execution = self.runtime.block_on(Box::pin(execution::execute(
            job,
            &self.observer,
            &ready.settings,
            &program,
            stdin,
            &limits,
        )))?;
        Ok(ExecuteReply {
            // The other hash that a guest may be built with.
            public_values_hashes: vec![SP1PublicValues::from(&execution.public_values).blake3_hash()],
            fault: execution.fault,
            outputs: vec![
                job.output("public_values", execution.public_values)?,
                job.output("guest_log", execution.guest_log)?,
            ],
            record: Some(execution.record),
        })
    }

    fn setup(&self, job: &JobContext, call: Setup) -> Result<SetupReply, Failure> {
        check_system(&call.system)?;
        let ready = self.ready()?;
        let limit = ready.settings.max_decoded_bytes;
        let program = LoadedProgram::decode(job.input(&call.inputs, "program", limit)?, limit)?;
        let vk = self.runtime.block_on(self.keys.of_program(&ready.light, &program))?;
        Ok(SetupReply {
            vk: encode_vk(&vk),
            program_id: vk.hash_bytes().to_vec(),
        })
    }

    fn verify(&self, job: &JobContext, call: Verify) -> Result<VerifyReply, Failure> {
        check_system(&call.system)?;
        check_toolchain(&call.toolchain)?;
        let ready = self.ready()?;
        let kind = Kind::from_name(&call.kind)
            .ok_or_else(|| Failure::unsupported(format!("{:?} is no kind of SP1 proof", call.kind)))?;
        let proof = job.input(&call.inputs, "proof", ready.settings.max_decoded_bytes)?;
        let vk = self.runtime.block_on(self.key(job, &call.inputs, &call.program_id))?;
        let demands = Demands {
            kind,
            public_values_hash: &call.public_values_sha256,
            mock: call.mock,
        };
        Ok(verification::verify(&ready.light, &proof, &vk, demands))
    }
}

async fn start_engine(settings: &Settings) -> Result<Engine, Failure> {
    Engine::start(&settings.tuning)
        .await
        .map_err(|error| Failure::prover(format!("SP1's engine does not start: {error}")))
}

/// What the process offers in a role.
fn offer(role: Role, settings: &Settings) -> HelloReply {
    let mut calls = vec!["cancel", "execute", "setup", "verify"];
    let kinds = if role == Role::Prove {
        calls.push("prove");
        let kinds = settings.kinds.iter().filter(|_| !settings.mock_only);
        kinds.map(|kind| prove_offer(*kind, settings)).collect()
    } else {
        Kind::ALL.map(|kind| light_offer(kind, settings)).to_vec()
    };
    HelloReply {
        name: format!("prover-sp1 {VERSION}"),
        calls: calls.into_iter().map(str::to_owned).collect(),
        systems: vec![System {
            name: SYSTEM.into(),
            toolchain: SP1_CIRCUIT_VERSION.into(),
            kinds,
            mock_kinds: Kind::ALL.map(|kind| kind.name().to_owned()).to_vec(),
        }],
        max_jobs: 1,
        ..HelloReply::default()
    }
}

fn light_offer(kind: Kind, settings: &Settings) -> KindOffer {
    KindOffer {
        name: kind.name().into(),
        memory_bytes: LIGHT_MEMORY_BYTES,
        shared_memory_bytes: shared_memory::gas_bytes(settings.gas_trace_chunk_slots),
        unavailable: String::new(),
    }
}

fn prove_offer(kind: Kind, settings: &Settings) -> KindOffer {
    let tuning = &settings.tuning;
    let memory_bytes = match kind {
        Kind::Core => settings.core_memory_bytes,
        Kind::Compressed => settings.compressed_memory_bytes,
        Kind::Plonk | Kind::Groth16 => circuits::memory_bytes(kind)
            .unwrap_or_default()
            .max(settings.compressed_memory_bytes),
    };
    let proving = shared_memory::prove_bytes(tuning.trace_chunk_entries, tuning.trace_chunk_slots);
    KindOffer {
        name: kind.name().into(),
        memory_bytes,
        // Every proof starts with an execution that meters gas.
        shared_memory_bytes: proving.max(shared_memory::gas_bytes(settings.gas_trace_chunk_slots)),
        unavailable: circuits::unavailable(kind).unwrap_or_default(),
    }
}

fn check_system(system: &str) -> Result<(), Failure> {
    if system == SYSTEM {
        return Ok(());
    }
    Err(Failure::unsupported(format!(
        "this prover serves {SYSTEM}, not {system:?}"
    )))
}

fn check_toolchain(toolchain: &str) -> Result<(), Failure> {
    if toolchain.is_empty() || toolchain == SP1_CIRCUIT_VERSION {
        return Ok(());
    }
    Err(Failure::unsupported(format!(
        "this prover checks proofs of {SP1_CIRCUIT_VERSION}, not {toolchain:?}"
    )))
}
