//! What is proven: program, input and mode, as every command takes them.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use sp1_sdk::{Elf, HashableKey as _, Prover, ProvingKey, SP1ProofMode, SP1ProofWithPublicValues, SP1Stdin};

use crate::events::Event;

/// Public values beyond this are not printed in full.
const PRINTED_BYTES_MAX: usize = 1024;

/// Program, input and mode.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestArguments {
    /// The program, an ELF file for rv64im.
    #[arg(long)]
    pub(crate) elf: Option<PathBuf>,
    /// An item of input: a u32. May be given several times; numbers come before bytes.
    #[arg(long)]
    stdin_u32: Vec<u32>,
    /// An item of input: bytes in hexadecimal. May be given several times.
    #[arg(long)]
    stdin_hex: Vec<String>,
    /// An item of input: the bytes of a file.
    #[arg(long)]
    stdin_file: Vec<PathBuf>,
    /// The kind of proof.
    #[arg(long, value_enum, default_value = "core")]
    mode: Mode,
    /// Where to save the proof, as the SDK saves it.
    #[arg(long)]
    pub(crate) save_proof: Option<PathBuf>,
}

/// The kinds that the SDK knows.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    Core,
    Compressed,
    Plonk,
    Groth16,
}

impl RequestArguments {
    pub(crate) fn mode(&self) -> SP1ProofMode {
        match self.mode {
            Mode::Core => SP1ProofMode::Core,
            Mode::Compressed => SP1ProofMode::Compressed,
            Mode::Plonk => SP1ProofMode::Plonk,
            Mode::Groth16 => SP1ProofMode::Groth16,
        }
    }

    pub(crate) fn stdin(&self) -> anyhow::Result<SP1Stdin> {
        let mut stdin = SP1Stdin::new();
        for number in &self.stdin_u32 {
            stdin.write(number);
        }
        for text in &self.stdin_hex {
            let bytes = hex::decode(text.trim_start_matches("0x"))
                .with_context(|| format!("--stdin-hex {text:?} is not hexadecimal"))?;
            stdin.write_slice(&bytes);
        }
        for path in &self.stdin_file {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            stdin.write_slice(&bytes);
        }
        Ok(stdin)
    }

    /// Reads and sets up the program.
    pub(crate) async fn set_up<P: Prover>(&self, prover: &P) -> anyhow::Result<P::ProvingKey> {
        let Some(path) = &self.elf else {
            bail!("give the program with --elf FILE");
        };
        let elf = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let started = Instant::now();
        let key = prover
            .setup(Elf::from(elf))
            .await
            .map_err(|error| anyhow::anyhow!("the set-up failed: {error}"))?;
        Event::SetUp {
            vk_hash: hex::encode(key.verifying_key().hash_bytes()),
            milliseconds: started.elapsed().as_millis(),
        }
        .print();
        Ok(key)
    }

    /// Verifies and saves a finished proof.
    pub(crate) fn finish<P: Prover>(
        &self,
        prover: &P,
        key: &impl ProvingKey,
        proof: &SP1ProofWithPublicValues,
    ) -> anyhow::Result<()> {
        if let Some(path) = &self.save_proof {
            proof.save(path)?;
            Event::Saved {
                path: path.display().to_string(),
            }
            .print();
        }
        prover
            .verify(proof, key.verifying_key(), None)
            .context("the SDK refuses the proof")?;
        let public_values = proof.public_values.as_slice();
        let shown = &public_values[..public_values.len().min(PRINTED_BYTES_MAX)];
        Event::Verified {
            public_values: hex::encode(shown),
            public_values_bytes: public_values.len(),
        }
        .print();
        Ok(())
    }
}

/// Bytes of a proof as it travels.
pub(crate) fn encoded_bytes(proof: &SP1ProofWithPublicValues) -> usize {
    bincode::serialized_size(proof).map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}
