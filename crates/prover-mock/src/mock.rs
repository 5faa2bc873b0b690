//! The calls of the mock.

use std::sync::OnceLock;

use hierophant_prover_protocol::{
    proto::{
        Execute, ExecuteReply, Failure, Hello, HelloReply, Limits, NamedBlob, ProgramFault, Prove, ProveReply, Record,
        Setup, SetupReply, Verify, VerifyReply, program_fault::Cause,
    },
    prover::{JobContext, Prover, peak_memory_bytes},
};
use sha2::{Digest as _, Sha256};

use crate::{
    misbehave::{HostPipe, applies, misbehave, take_time},
    proof::{Proof, hash, other_hash, program_id},
    script::Script,
    systems::SystemArg,
};

/// Largest input that is read, in bytes.
const MAX_INPUT_BYTES: u64 = 256 << 20;

/// Largest output that a script may ask for, in bytes.
const MAX_PADDING_BYTES: usize = 64 << 20;

const DEFAULT_PHASES: &str = "execute+prove+compress";
const DEFAULT_CYCLES: u64 = 1_000;
const DEFAULT_GAS: u64 = 2_000;

/// What a verification key is made of: this, then the program id.
const VK_PREFIX: &[u8] = b"mock-vk:";

/// The input of systems that prove one given computation instead of a program.
const WITNESS: &str = "witness";

const OPTIONS: &[&str] = &["any_program_id", "hello_ms", "prove_ms", "script"];

/// The hello options.
#[derive(Debug, Default)]
struct Options {
    script: String,
    prove_ms: u64,
    /// Takes the program id of every call as given: for clients that derive it themselves.
    any_program_id: bool,
}

/// A prover for made-up systems.
#[derive(Debug)]
pub(crate) struct Mock {
    systems: Vec<SystemArg>,
    max_jobs: u32,
    pipe: HostPipe,
    options: OnceLock<Options>,
}

/// The inputs of a call, and what their scripts say.
struct Inputs {
    program: Vec<u8>,
    program_id: Vec<u8>,
    digest: Vec<u8>,
    script: Script,
    /// There is a witness in place of a program: proofs are held against it.
    witness: bool,
}

/// How the made-up program went.
struct Execution {
    public_values: Vec<u8>,
    log: Vec<u8>,
    record: Record,
    fault: Option<ProgramFault>,
}

impl Mock {
    pub(crate) fn new(systems: Vec<SystemArg>, max_jobs: u32, pipe: HostPipe) -> Self {
        Self {
            systems,
            max_jobs,
            pipe,
            options: OnceLock::new(),
        }
    }

    fn options(&self) -> &Options {
        self.options.get_or_init(Options::default)
    }

    fn system(&self, name: &str) -> Result<&SystemArg, Failure> {
        self.systems
            .iter()
            .find(|system| system.name == name)
            .ok_or_else(|| Failure::unsupported(format!("this prover serves no system {name:?}")))
    }

    fn kind(&self, system: &str, kind: &str) -> Result<&SystemArg, Failure> {
        let system = self.system(system)?;
        if system.serves(kind) {
            return Ok(system);
        }
        Err(Failure::unsupported(format!(
            "this prover serves no kind {kind:?} of {}",
            system.name
        )))
    }

    fn inputs(&self, job: &JobContext, inputs: &[NamedBlob]) -> Result<Inputs, Failure> {
        let witness = inputs.iter().any(|input| input.name == WITNESS);
        let program = match job.optional_input(inputs, "program", MAX_INPUT_BYTES)? {
            None if witness => Vec::new(),
            None => job.input(inputs, "program", MAX_INPUT_BYTES)?,
            Some(program) => program,
        };
        let mut script = Script::default();
        script.add_blob(&program)?;
        let program_id = match script.bytes("program_id")? {
            Some(id) => id,
            None if witness && program.is_empty() => Vec::new(),
            None => program_id(&program),
        };
        let mut others: Vec<&NamedBlob> = inputs.iter().filter(|input| input.name != "program").collect();
        others.sort_by(|a, b| a.name.cmp(&b.name));
        let mut parts = Vec::new();
        for input in others {
            let bytes = job.input(inputs, &input.name, MAX_INPUT_BYTES)?;
            script.add_blob(&bytes)?;
            parts.push(input.name.clone().into_bytes());
            parts.push(bytes);
        }
        script.add_text(&self.options().script)?;
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Ok(Inputs {
            program,
            program_id,
            digest: hash("mock-inputs", &parts),
            script,
            witness,
        })
    }

    fn run(inputs: &Inputs, limits: Limits) -> Result<Execution, Failure> {
        let script = &inputs.script;
        let public_values = match script.bytes("public_values")? {
            Some(bytes) => bytes,
            None => hash("mock-public-values", &[&inputs.program, &inputs.digest]),
        };
        let mut log = script.text("log").unwrap_or_default().as_bytes().to_vec();
        if let Some(length) = script.number::<usize>("log_bytes")? {
            log = vec![b'x'; length.min(MAX_PADDING_BYTES)];
        }
        log.truncate(usize::try_from(limits.guest_log_bytes).unwrap_or(usize::MAX));
        let cycles = script.number("cycles")?.unwrap_or(DEFAULT_CYCLES);
        let gas = script.number("gas")?.unwrap_or(DEFAULT_GAS);
        let exit_code = script.number("exit_code")?.unwrap_or(0_u32);
        let fault = if limits.cycles.is_some_and(|limit| cycles > limit) {
            Some(fault(Cause::CycleLimit))
        } else if limits.gas.is_some_and(|limit| gas > limit) {
            Some(fault(Cause::GasLimit))
        } else if let Some(name) = script.text("fault") {
            Some(fault(parse_cause(name)?))
        } else if exit_code != 0 {
            Some(fault(Cause::NonZeroExit))
        } else {
            None
        };
        let record = Record {
            cycles: Some(cycles),
            gas: Some(gas),
            exit_code: Some(exit_code),
            public_values_sha256: Sha256::digest(&public_values).to_vec(),
            proving_ms: 0,
            peak_memory_bytes: peak_memory_bytes(),
        };
        Ok(Execution {
            public_values,
            log,
            record,
            fault,
        })
    }

    fn check_program(&self, given: &[u8], found: &[u8]) -> Result<(), Failure> {
        if self.options().any_program_id || given == found {
            return Ok(());
        }
        Err(Failure::input(format!(
            "the program has the id {}, not {}",
            hex::encode(found),
            hex::encode(given)
        )))
    }

    /// Looks at a proof; the error is why it is not valid.
    fn judge(&self, call: &Verify, proof: &[u8], vk: &[u8]) -> Result<Vec<u8>, String> {
        let proof = Proof::decode(proof)?;
        if proof.system != call.system || proof.kind != call.kind {
            return Err(format!("it is a {} proof of {}", proof.kind, proof.system));
        }
        if !call.toolchain.is_empty() && proof.toolchain != call.toolchain {
            return Err(format!("it was made by toolchain {}", proof.toolchain));
        }
        if proof.program_id != call.program_id {
            return Err("it is for another program".into());
        }
        if !self.options().any_program_id && vk != call.program_id {
            return Err("the verification key belongs to another program".into());
        }
        let sha256 = Sha256::digest(&proof.public_values).to_vec();
        let wanted = &call.public_values_sha256;
        if !wanted.is_empty() && *wanted != sha256 && *wanted != other_hash(&proof.public_values) {
            return Err("it binds other public values".into());
        }
        Ok(sha256)
    }
}

/// The kind that a proof binds: a mock proof of this prover is one that no host takes for the real thing.
fn bound_kind(kind: String, mock: bool) -> String {
    if mock { format!("mock-{kind}") } else { kind }
}

impl Prover for Mock {
    fn hello(&self, hello: &Hello) -> Result<HelloReply, Failure> {
        if let Some(unknown) = hello.options.keys().find(|key| !OPTIONS.contains(&key.as_str())) {
            return Err(Failure::input(format!(
                "the option {unknown} is not known; known: {}",
                OPTIONS.join(", ")
            )));
        }
        let number = |name: &str| {
            let text = hello.options.get(name).map_or("0", String::as_str);
            let wrong = |error| Failure::input(format!("option {name}: {error}"));
            text.parse::<u64>().map_err(wrong)
        };
        let options = Options {
            script: hello.options.get("script").cloned().unwrap_or_default(),
            prove_ms: number("prove_ms")?,
            any_program_id: hello.options.get("any_program_id").is_some_and(|v| v == "true"),
        };
        let mut script = Script::default();
        script.add_text(&options.script)?;
        misbehave(&script, "hello", &self.pipe)?;
        std::thread::sleep(std::time::Duration::from_millis(number("hello_ms")?));
        // A second hello with other options is answered by the main loop and never comes here.
        let _ = self.options.set(options);
        Ok(HelloReply {
            protocol: 0,
            name: concat!("prover-mock ", env!("CARGO_PKG_VERSION")).into(),
            calls: ["prove", "execute", "setup", "verify", "cancel"]
                .map(String::from)
                .into(),
            systems: self.systems.iter().map(SystemArg::announce).collect(),
            max_jobs: self.max_jobs,
        })
    }

    fn prove(&self, job: &JobContext, mut call: Prove) -> Result<ProveReply, Failure> {
        let system = self.kind(&call.system, &call.kind)?;
        call.kind = bound_kind(call.kind, call.mock);
        let inputs = self.inputs(job, &call.inputs)?;
        let script = &inputs.script;
        let lies = script.text("lie").is_some() && applies(script, "prove")?;
        let kept = if lies {
            Vec::new()
        } else {
            misbehave(script, "prove", &self.pipe)?
        };
        self.check_program(&call.program_id, &inputs.program_id)?;
        let mut execution = Self::run(&inputs, call.limits.unwrap_or_default())?;
        if let Some(fault) = execution.fault {
            return Err(Failure::program(fault));
        }
        let usual_millis = self.options().prove_ms;
        let millis = script.number("prove_ms")?.unwrap_or(usual_millis);
        let phases: Vec<&str> = script.text("phases").unwrap_or(DEFAULT_PHASES).split('+').collect();
        for (index, phase) in phases.iter().enumerate() {
            let share = millis / phases.len() as u64;
            let overall = |done: u64| {
                let parts = index as u64 * 10_000 + done * 10_000 / share.max(1);
                u32::try_from(parts / phases.len() as u64).unwrap_or(10_000)
            };
            take_time(job, script, share, |done| {
                job.progress(phase, done.min(share), share, overall(done.min(share)));
            })?;
            job.progress(phase, share, share, overall(share));
        }
        drop(kept);
        let mut proof = Proof {
            system: call.system,
            kind: call.kind,
            toolchain: system.toolchain.clone(),
            program_id: call.program_id,
            inputs: inputs.digest,
            public_values: execution.public_values.clone(),
        };
        let bytes = if lies { lie(script, &mut proof)? } else { proof.encode() };
        execution.record.proving_ms = millis;
        let mut outputs = vec![
            job.output("proof", bytes)?,
            job.output("public_values", execution.public_values)?,
            job.output("guest_log", execution.log)?,
        ];
        if let Some(length) = script.number::<usize>("output_bytes")? {
            outputs.push(job.output("padding", vec![b'p'; length.min(MAX_PADDING_BYTES)])?);
        }
        Ok(ProveReply {
            outputs,
            record: Some(execution.record),
        })
    }

    fn execute(&self, job: &JobContext, call: Execute) -> Result<ExecuteReply, Failure> {
        self.system(&call.system)?;
        let inputs = self.inputs(job, &call.inputs)?;
        let _kept = misbehave(&inputs.script, "execute", &self.pipe)?;
        let millis = inputs.script.number("execute_ms")?.unwrap_or(0);
        take_time(job, &inputs.script, millis, |done| {
            job.progress("execute", done, millis, 0);
        })?;
        let execution = Self::run(&inputs, call.limits.unwrap_or_default())?;
        Ok(ExecuteReply {
            public_values_hashes: vec![other_hash(&execution.public_values)],
            outputs: vec![
                job.output("public_values", execution.public_values)?,
                job.output("guest_log", execution.log)?,
            ],
            fault: execution.fault,
            record: Some(execution.record),
        })
    }

    fn setup(&self, job: &JobContext, call: Setup) -> Result<SetupReply, Failure> {
        self.system(&call.system)?;
        let inputs = self.inputs(job, &call.inputs)?;
        let _kept = misbehave(&inputs.script, "setup", &self.pipe)?;
        take_time(
            job,
            &inputs.script,
            inputs.script.number("setup_ms")?.unwrap_or(0),
            |_| {},
        )?;
        Ok(SetupReply {
            vk: [VK_PREFIX, &inputs.program_id].concat(),
            program_id: inputs.program_id,
        })
    }

    fn verify(&self, job: &JobContext, mut call: Verify) -> Result<VerifyReply, Failure> {
        self.kind(&call.system, &call.kind)?;
        call.kind = bound_kind(call.kind, call.mock);
        let proof = job.input(&call.inputs, "proof", MAX_INPUT_BYTES)?;
        let mut script = Script::default();
        let mut witnessed = None;
        let found = if let Some(vk) = job.optional_input(&call.inputs, "vk", MAX_INPUT_BYTES)? {
            script.add_text(&self.options().script)?;
            vk.strip_prefix(VK_PREFIX)
                .ok_or_else(|| Failure::input("the vk was not made by this prover"))?
                .to_vec()
        } else {
            let mut program = call.inputs.clone();
            program.retain(|input| matches!(input.name.as_str(), "program" | WITNESS));
            let inputs = self.inputs(job, &program)?;
            if inputs.witness {
                let stated = Self::run(&inputs, Limits::default())?.public_values;
                witnessed = Some((inputs.digest, stated));
            }
            script = inputs.script;
            inputs.program_id
        };
        let _kept = misbehave(&script, "verify", &self.pipe)?;
        let millis = script.number("verify_ms")?.unwrap_or(0);
        take_time(job, &script, millis, |_| {})?;
        let judged = self
            .judge(&call, &proof, &found)
            .and_then(|sha256| held_against(witnessed, &proof).map(|()| sha256));
        Ok(match judged {
            Ok(public_values_sha256) => VerifyReply {
                valid: true,
                reason: String::new(),
                public_values_sha256,
            },
            Err(reason) => VerifyReply {
                valid: false,
                reason,
                public_values_sha256: Vec::new(),
            },
        })
    }
}

/// Holds a proof against the digest of the witness and the public values that follow from it, where there are any.
fn held_against(witnessed: Option<(Vec<u8>, Vec<u8>)>, proof: &[u8]) -> Result<(), String> {
    let Some((digest, public_values)) = witnessed else {
        return Ok(());
    };
    let proof = Proof::decode(proof)?;
    if proof.inputs == digest && proof.public_values == public_values {
        Ok(())
    } else {
        Err("it is of another witness".into())
    }
}

/// Makes the wrong proof that the script demands.
fn lie(script: &Script, proof: &mut Proof) -> Result<Vec<u8>, Failure> {
    match script.text("lie") {
        Some("forged") => {
            let mut bytes = proof.encode();
            // The last byte is the line's end; the one before belongs to the checksum.
            let place = bytes.len() - 2;
            bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
            return Ok(bytes);
        }
        Some("truncated") => {
            let mut bytes = proof.encode();
            bytes.truncate(bytes.len() / 2);
            return Ok(bytes);
        }
        Some("other_program") => proof.program_id = program_id(b"another program"),
        Some("other_values") => proof.public_values = b"other public values".to_vec(),
        Some("other_kind") => proof.kind = "other".into(),
        other => return Err(Failure::input(format!("lie={other:?} is not known"))),
    }
    Ok(proof.encode())
}

fn fault(cause: Cause) -> ProgramFault {
    ProgramFault::new(cause, format!("the program ended with {}", cause.as_str_name()))
}

fn parse_cause(name: &str) -> Result<Cause, Failure> {
    Cause::from_str_name(&name.to_ascii_uppercase()).ok_or_else(|| Failure::input(format!("fault={name} is not known")))
}
