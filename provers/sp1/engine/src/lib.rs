//! SP1's prover, verifier and executor, behind plain functions and boxed futures.
//!
//! Owns nothing but the translation from [`Tuning`] to SP1's own configuration. It is a crate of its own because SP1's
//! prover is generic to the bottom, and because the body of an `async fn` is compiled by the crate that awaits it:
//! whoever awaits SP1 directly compiles much of it, which takes minutes. Here that happens once, and the executable
//! beside it only links. So nothing public here may be an `async fn` or generic.
//!
//! What must stay true: every setting here leaves the proofs verifiable by stock clients. The arity of the recursion
//! (4) and the verification of recursion keys are therefore not settings, and [`MAX_ELEMENT_THRESHOLD`] is a ceiling.

mod light;
mod tuning;

use std::{fmt, pin::Pin, sync::Arc};

use sp1_prover::worker::SP1LocalNode;
use sp1_prover_types::network_base_types::ProofMode;
use sp1_sdk::{ProofFromNetwork, SP1Context, SP1Stdin};

pub use light::{ExecutionResult, Light, execute};
pub use sp1_prover::SP1_CIRCUIT_VERSION;
pub use tuning::{MAX_ELEMENT_THRESHOLD, Tuning};

/// A future that is compiled where it is made.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The warm engine. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    node: SP1LocalNode,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Engine")
    }
}

impl Engine {
    /// Prepares recursion programs and keys, which takes minutes.
    ///
    /// # Errors
    /// SP1 could not assemble the engine; the process is of no use then.
    pub fn start(tuning: &Tuning) -> Boxed<'_, anyhow::Result<Self>> {
        Box::pin(async move {
            Ok(Self {
                node: tuning::build(tuning).await?,
            })
        })
    }

    /// Proves. A task of the engine that panics is traced as an error and never ends this future.
    ///
    /// # Errors
    /// SP1 says little more than that a task failed; its trace says more.
    pub fn prove(
        &self,
        elf: Arc<[u8]>,
        stdin: SP1Stdin,
        mode: ProofMode,
    ) -> Boxed<'static, anyhow::Result<ProofFromNetwork>> {
        let node = self.node.clone();
        Box::pin(async move { node.prove_with_mode(&elf, stdin, SP1Context::default(), mode).await })
    }
}
