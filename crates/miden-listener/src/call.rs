//! One try at a proof: the prover makes it, a light process of the same executable verifies it.
//!
//! What must stay true: bytes are returned only when a process that did not make them has found them valid for this
//! witness; the witness lies in a folder that only this user may enter, and goes with it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use hierophant_miden_api::{Kind, Refusal};
use hierophant_prover_protocol::{
    host::{CallError, CallOptions, ProverProcess},
    pool::{LightPool, PoolError},
    proto::{Limits, NamedBlob, Prove, ProveReply, Verify, failure::Class},
    read_output,
    wire::MAX_INLINE_BYTES,
};
use tempfile::TempDir;

/// Largest proof that is taken from a prover, in bytes. Proofs have a tenth of a megabyte; a batch's or block's contents
/// come on top.
const PROOF_BYTES_MAX: u64 = 64 << 20;

/// How long verifying may take. It takes milliseconds, and as long as an execution where the statement is computed again.
const VERIFY_TIMEOUT: Duration = Duration::from_mins(1);

/// Why a try gave no proof.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another try would end alike.
    Settled(Refusal),
    /// Another process may do better.
    Again(String),
}

/// The folder of one call.
#[derive(Debug)]
pub(crate) struct CallFiles {
    directory: TempDir,
    witness: Bytes,
}

impl CallFiles {
    /// Makes it in `parent`, which only this user may enter.
    pub(crate) async fn make(parent: PathBuf, witness: Bytes) -> io::Result<Self> {
        blocking(move || {
            let directory = tempfile::Builder::new().prefix("call-").tempdir_in(parent)?;
            if witness.len() > MAX_INLINE_BYTES {
                fs::write(directory.path().join("witness"), &witness)?;
            }
            Ok(Self { directory, witness })
        })
        .await
    }

    /// Removes it.
    pub(crate) async fn remove(self) {
        if let Err(error) = blocking(move || self.directory.close()).await {
            tracing::warn!(%error, "the files of a call could not be removed; they go at the end of this worker");
        }
    }

    /// A blob of this call as a prover is given it: what does not fit a frame lies in the folder.
    fn blob(&self, name: &str, bytes: &Bytes) -> NamedBlob {
        if bytes.len() > MAX_INLINE_BYTES {
            NamedBlob::file(name, &self.directory.path().join(name))
        } else {
            NamedBlob::inline(name, bytes.as_ref())
        }
    }

    fn witness(&self) -> NamedBlob {
        self.blob("witness", &self.witness)
    }
}

/// What is asked of a prover.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) system: String,
    pub(crate) kind: Kind,
}

/// Makes a proof and verifies it.
pub(crate) async fn attempt(
    process: &ProverProcess,
    checks: &LightPool,
    ask: &Ask,
    files: &CallFiles,
) -> Result<Bytes, Trouble> {
    let output_dir = process.output_dir().map_err(|error| disk(&error))?;
    let call = Prove {
        system: ask.system.clone(),
        kind: ask.kind.as_str().to_owned(),
        inputs: vec![files.witness()],
        limits: Some(Limits::default()),
        output_dir: output_dir.path().to_string_lossy().into_owned(),
        program_id: Vec::new(),
        mock: false,
    };
    let reply = process
        .call(process.new_job(), call, CallOptions::default())
        .await
        .map_err(|error| trouble(&error))?;
    let proof = take_proof(reply, output_dir.path().to_owned(), files.directory.path()).await?;
    verify(checks, ask, files, &proof).await?;
    Ok(proof)
}

/// Reads the proof into memory, and puts it where the check finds it: what is checked is what is sent.
async fn take_proof(reply: ProveReply, output_dir: PathBuf, folder: &Path) -> Result<Bytes, Trouble> {
    let file = folder.join("proof");
    let read = move || -> Result<Bytes, Trouble> {
        let blob = NamedBlob::find(&reply.outputs, "proof");
        let blob = blob.ok_or_else(|| Trouble::Again("the prover's reply has no proof".into()))?;
        let proof = read_output(blob, &output_dir, PROOF_BYTES_MAX)
            .map_err(|error| Trouble::Again(format!("the prover's proof cannot be read: {error}")))?;
        if proof.len() > MAX_INLINE_BYTES {
            fs::write(file, &proof).map_err(|error| disk(&error))?;
        }
        Ok(proof.into())
    };
    tokio::task::spawn_blocking(read)
        .await
        .unwrap_or_else(|panic| Err(Trouble::Again(panic.to_string())))
}

async fn verify(checks: &LightPool, ask: &Ask, files: &CallFiles, proof: &Bytes) -> Result<(), Trouble> {
    let call = Verify {
        system: ask.system.clone(),
        kind: ask.kind.as_str().to_owned(),
        inputs: vec![files.blob("proof", proof), files.witness()],
        program_id: Vec::new(),
        // What the prover says of its own proof proves nothing: the check computes the statement from the witness.
        public_values_sha256: Vec::new(),
        toolchain: String::new(),
        mock: false,
    };
    match checks.call(call, VERIFY_TIMEOUT).await {
        Ok(reply) if reply.valid => Ok(()),
        Ok(reply) => Err(Trouble::Again(format!("the proof does not verify: {}", reply.reason))),
        Err(PoolError::Call(error)) => Err(Trouble::Again(format!("the proof could not be checked: {error}"))),
        Err(error @ (PoolError::Busy { .. } | PoolError::Start(_) | PoolError::Closed)) => {
            Err(Trouble::Again(format!("the proof could not be checked: {error}")))
        }
    }
}

/// From how a call ended badly to what to do.
fn trouble(error: &CallError) -> Trouble {
    match error {
        CallError::Failed(failure) => match failure.class() {
            Class::Input => Trouble::Settled(Refusal::Undecodable(failure.message.clone())),
            Class::Program => Trouble::Settled(Refusal::Failed(failure.message.clone())),
            Class::Unsupported => Trouble::Settled(Refusal::Unserved(failure.message.clone())),
            Class::Transient | Class::Cancelled | Class::Prover | Class::Unspecified => {
                Trouble::Again(error.to_string())
            }
        },
        CallError::Died { .. }
        | CallError::MemoryLimit { .. }
        | CallError::Hung { .. }
        | CallError::Protocol(_)
        | CallError::Timeout { .. }
        | CallError::Killed(_) => Trouble::Again(error.to_string()),
    }
}

fn disk(error: &io::Error) -> Trouble {
    Trouble::Again(format!("this worker cannot use its scratch directory: {error}"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

#[cfg(test)]
mod tests {
    use hierophant_prover_protocol::{
        host::ExitHow,
        proto::{Failure, ProgramFault},
    };

    use super::*;

    #[test]
    fn what_the_witness_is_to_blame_for_is_settled_and_all_else_is_tried_again() {
        let settled = [
            (Failure::input("x"), Refusal::Undecodable("x".into())),
            (Failure::unsupported("x"), Refusal::Unserved("x".into())),
        ];
        for (failure, refusal) in settled {
            assert_eq!(trouble(&CallError::Failed(failure)), Trouble::Settled(refusal));
        }
        let fault = ProgramFault {
            message: "the note is spent".into(),
            ..Default::default()
        };
        assert!(matches!(
            trouble(&CallError::Failed(Failure::program(fault))),
            Trouble::Settled(Refusal::Failed(_))
        ));
        let again = [
            CallError::Failed(Failure::prover("x")),
            CallError::Failed(Failure::transient("x")),
            CallError::Failed(Failure::cancelled()),
            CallError::Died {
                how: ExitHow::Signal(9),
                memory_kill_suspected: true,
            },
            CallError::MemoryLimit {
                used_bytes: 2,
                limit_bytes: 1,
            },
            CallError::Hung {
                silent: Duration::from_secs(1),
            },
            CallError::Protocol("x".into()),
            CallError::Killed("x".into()),
        ];
        for error in again {
            assert!(matches!(trouble(&error), Trouble::Again(_)), "{error}");
        }
    }
}
