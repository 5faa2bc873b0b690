//! Forged proofs, made from a real one, and what prover-sp1's light role says to each.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use hierophant_prover_protocol::{
    host::{CallError, CallOptions, ProverProcess, ProverSpec},
    proto::{Blob, NamedBlob, Setup, Verify, blob::At},
};

use super::network::Network;

/// The real proof must be accepted, and every forgery refused with a reason.
pub(super) async fn refused(network: &Network) -> Result<String> {
    let folder = network.cluster.folder();
    let real = folder.join("fibonacci-core.bin");
    ensure!(real.is_file(), "the core proof of the scenario before is missing");
    let process = ProverProcess::spawn(&ProverSpec::new(&network.prover, folder)).await?;
    let check = Check { process: &process };
    let program = network.guest("fibonacci");
    let other = network.guest("large-output");
    let (id, other_id) = (check.id_of(&program).await?, check.id_of(&other).await?);
    let accepted = check.verify(&real, &program, &id, &[]).await?;
    let public_values = accepted.map_err(|why| anyhow::anyhow!("the real proof was refused: {why}"))?;
    let mut refused = Vec::new();
    for how in ["flip", "truncate", "public-values", "version"] {
        let forgery = folder.join(format!("forged-{how}.bin"));
        network.mangle(&real, how, &forgery).await?;
        refused.push((how, check.verify(&forgery, &program, &id, &[]).await?));
    }
    refused.push(("another program's", check.verify(&real, &other, &other_id, &[]).await?));
    let mut others = public_values;
    others[0] ^= 1;
    refused.push((
        "with another input's public values",
        check.verify(&real, &program, &id, &others).await?,
    ));
    process.shutdown().await;
    for (how, said) in &refused {
        match said {
            Ok(_) => bail!("a forged proof ({how}) was accepted"),
            Err(why) => println!("   {how}: {why}"),
        }
    }
    Ok(format!("{} forgeries refused, the real one accepted", refused.len()))
}

struct Check<'a> {
    process: &'a ProverProcess,
}

impl Check<'_> {
    async fn id_of(&self, program: &Path) -> Result<Vec<u8>> {
        let call = Setup {
            system: "sp1".to_owned(),
            inputs: vec![file("program", program)],
        };
        let reply = self
            .process
            .call(self.process.new_job(), call, CallOptions::default())
            .await?;
        Ok(reply.program_id)
    }

    /// The public values' hash, or the reason of the refusal.
    async fn verify(
        &self,
        proof: &Path,
        program: &Path,
        id: &[u8],
        public_values: &[u8],
    ) -> Result<Result<Vec<u8>, String>> {
        let call = Verify {
            system: "sp1".to_owned(),
            kind: "core".to_owned(),
            inputs: vec![file("proof", proof), file("program", program)],
            program_id: id.to_vec(),
            public_values_sha256: public_values.to_vec(),
            toolchain: "v6.1.0".to_owned(),
            mock: false,
        };
        match self
            .process
            .call(self.process.new_job(), call, CallOptions::default())
            .await
        {
            Ok(reply) if reply.valid => Ok(Ok(reply.public_values_sha256)),
            Ok(reply) => Ok(Err(reply.reason)),
            Err(CallError::Failed(failure)) => Ok(Err(failure.message)),
            Err(error) => Err(error).context("the light role died of a forged proof"),
        }
    }
}

fn file(name: &str, path: &Path) -> NamedBlob {
    let path = path.to_string_lossy().into_owned();
    NamedBlob {
        name: name.to_owned(),
        blob: Some(Blob {
            at: Some(At::Path(path)),
        }),
    }
}

impl Network {
    /// A guest's program as clients upload it: bincode of its bytes.
    fn guest(&self, name: &str) -> PathBuf {
        let elf = std::fs::read(self.guest_elf(name)).unwrap_or_default();
        let mut encoded = (elf.len() as u64).to_le_bytes().to_vec();
        encoded.extend(elf);
        let path = self.cluster.folder().join(format!("{name}.program"));
        std::fs::write(&path, encoded).expect("the folder of the test is writable");
        path
    }
}
