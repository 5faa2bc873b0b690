//! A checker that does as it is told, and otherwise really looks: a proof of this suite is a text that names its public values.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use hierophant_core::ports::{
    CheckError, CheckInput, CheckSource, Checker, ExecuteJob, ExecutionReport, Identity, VerifyJob, VerifyReport,
};
use hierophant_domain::{Digest, Name, ProgramFault, Record, System};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

/// What every program of this suite says.
pub(crate) const PUBLIC_VALUES: &[u8] = b"forty-two";
/// Cycles that every program of this suite runs.
pub(crate) const CYCLES: u64 = 1000;

/// The only proof system here.
pub(crate) fn system() -> System {
    Name::literal("vm")
}

/// A proof that verifies, of a program that says `public_values`.
pub(crate) fn proof_of(public_values: &[u8]) -> Vec<u8> {
    [b"proof:", public_values].concat()
}

/// A proof that verifies.
pub(crate) fn good_proof() -> Vec<u8> {
    proof_of(PUBLIC_VALUES)
}

/// A proof that does not.
pub(crate) fn forged_proof() -> Vec<u8> {
    b"forged".to_vec()
}

/// SHA-256.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// The other hash that programs of this suite may commit with.
pub(crate) fn other_digest(bytes: &[u8]) -> Digest {
    digest(&[b"other:", bytes].concat())
}

/// The id that the program with these bytes really has.
pub(crate) fn program_id(program: &[u8]) -> Vec<u8> {
    digest(program).0.to_vec()
}

/// The verification key that the program with these bytes really has.
pub(crate) fn program_vk(program: &[u8]) -> Vec<u8> {
    [b"vk:".to_vec(), program_id(program)].concat()
}

/// What the next verification does.
#[derive(Clone, Debug)]
pub(crate) enum Verify {
    /// Its process dies.
    Die,
    /// It never ends.
    Hang,
    /// No process is free.
    NotNow,
}

/// What the next execution does.
#[derive(Clone, Debug)]
pub(crate) enum Execute {
    /// The program ends well.
    EndWell,
    /// The program is at fault.
    Fault(ProgramFault, &'static str),
    /// The input cannot be decoded.
    BadInput(&'static str),
    /// Its process dies.
    Die,
    /// It never ends.
    Hang,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct ScriptedChecker {
    verify: Mutex<VecDeque<Verify>>,
    execute: Mutex<VecDeque<Execute>>,
    verified: Mutex<Vec<VerifyJob>>,
    executed: Mutex<Vec<ExecuteJob>>,
    set_ups: AtomicUsize,
    set_up_gate: Semaphore,
}

impl Default for ScriptedChecker {
    fn default() -> Self {
        Self {
            verify: Mutex::default(),
            execute: Mutex::default(),
            verified: Mutex::default(),
            executed: Mutex::default(),
            set_ups: AtomicUsize::new(0),
            set_up_gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }
}

impl ScriptedChecker {
    /// What the next verifications do; after them, they look at the proof.
    pub(crate) fn next_verifications(&self, steps: impl IntoIterator<Item = Verify>) {
        self.verify.lock().expect("no panic while held").extend(steps);
    }

    /// What the next executions do; after them, programs end well.
    pub(crate) fn next_executions(&self, steps: impl IntoIterator<Item = Execute>) {
        self.execute.lock().expect("no panic while held").extend(steps);
    }

    /// The verifications that were begun.
    pub(crate) fn verified(&self) -> Vec<VerifyJob> {
        self.verified.lock().expect("no panic while held").clone()
    }

    /// The executions that were begun.
    pub(crate) fn executed(&self) -> Vec<ExecuteJob> {
        self.executed.lock().expect("no panic while held").clone()
    }

    /// The set-ups that were begun.
    pub(crate) fn set_ups(&self) -> usize {
        self.set_ups.load(Ordering::SeqCst)
    }

    /// Makes set-ups wait for [`Self::release_set_ups`].
    pub(crate) fn hold_set_ups(&self) {
        self.set_up_gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets set-ups go on.
    pub(crate) fn release_set_ups(&self) {
        self.set_up_gate.add_permits(1000);
    }
}

async fn read(input: &CheckInput) -> Result<Vec<u8>, CheckError> {
    match &input.source {
        CheckSource::Inline(bytes) => Ok(bytes.clone()),
        CheckSource::File(path) => tokio::fs::read(path)
            .await
            .map_err(|error| CheckError::Died(error.to_string())),
    }
}

#[async_trait]
impl Checker for ScriptedChecker {
    fn systems(&self) -> Vec<System> {
        vec![system()]
    }

    async fn set_up(&self, _system: &System, program: CheckInput) -> Result<Identity, CheckError> {
        self.set_ups.fetch_add(1, Ordering::SeqCst);
        self.set_up_gate.acquire().await.expect("never closed").forget();
        let program = read(&program).await?;
        Ok(Identity {
            program_id: program_id(&program),
            vk: program_vk(&program),
        })
    }

    async fn execute(&self, job: ExecuteJob) -> Result<ExecutionReport, CheckError> {
        self.executed.lock().expect("no panic while held").push(job.clone());
        let step = self.execute.lock().expect("no panic while held").pop_front();
        let record = Record {
            cycles: Some(CYCLES),
            public_values: Some(digest(PUBLIC_VALUES)),
            ..Record::default()
        };
        let fault = match step.unwrap_or(Execute::EndWell) {
            Execute::EndWell if job.limits.cycles.is_some_and(|limit| limit < CYCLES) => {
                Some((ProgramFault::CycleLimit, "it ran into its cycle limit".to_owned()))
            }
            Execute::EndWell => None,
            Execute::Fault(fault, message) => Some((fault, message.to_owned())),
            Execute::BadInput(message) => return Err(CheckError::Input(message.to_owned())),
            Execute::Die => return Err(CheckError::Died("killed by signal 9".to_owned())),
            Execute::Hang => std::future::pending().await,
        };
        Ok(ExecutionReport {
            fault,
            record,
            public_values_hashes: vec![other_digest(PUBLIC_VALUES)],
        })
    }

    async fn verify(&self, job: VerifyJob) -> Result<VerifyReport, CheckError> {
        self.verified.lock().expect("no panic while held").push(job.clone());
        let step = self.verify.lock().expect("no panic while held").pop_front();
        match step {
            Some(Verify::Die) => return Err(CheckError::Died("killed by signal 9".to_owned())),
            Some(Verify::Hang) => std::future::pending().await,
            Some(Verify::NotNow) => return Err(CheckError::Unavailable("no process is free".to_owned())),
            None => {}
        }
        let proof = job
            .inputs
            .iter()
            .find(|input| input.name.as_str() == "proof")
            .expect("a proof is staged");
        let proof = read(proof).await?;
        let Some(public_values) = proof.strip_prefix(b"proof:") else {
            return Ok(VerifyReport::Invalid("the pairing does not hold".to_owned()));
        };
        let found = digest(public_values);
        if job
            .public_values
            .is_some_and(|expected| expected != found && expected != other_digest(public_values))
        {
            return Ok(VerifyReport::Invalid("the public values are others".to_owned()));
        }
        Ok(VerifyReport::Valid(Some(found)))
    }
}
