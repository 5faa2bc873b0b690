//! Programs and their verification keys: decoding, set-up, and the memory of keys already derived.
//!
//! What must stay true: a program id is derived here, never taken from a caller, except from a verification key whose
//! hash it is.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use hierophant_prover_protocol::proto::Failure;
use sha2::{Digest as _, Sha256};
use sp1_core_executor::Program;
use sp1_engine::Light;
use sp1_sdk::{HashableKey as _, SP1VerifyingKey};

use crate::inputs;

/// Bytes of a verification key as clients encode it: 26 field elements of 4 bytes.
pub(crate) const VK_BYTES: u64 = 104;

/// Keys kept in memory; each is about a hundred bytes.
const CACHED_KEYS_MAX: usize = 4096;

/// A decoded program.
#[derive(Debug, Clone)]
pub(crate) struct LoadedProgram {
    /// The ELF file.
    pub(crate) elf: Arc<[u8]>,
    /// Its instructions.
    pub(crate) program: Arc<Program>,
}

impl LoadedProgram {
    /// Decodes an upload; `limit` bounds what it unpacks to.
    pub(crate) fn decode(upload: Vec<u8>, limit: u64) -> Result<Self, Failure> {
        let refused = |reason: String| Failure::input(format!("the input program: {reason}"));
        let unpacked = inputs::unpack(upload, limit).map_err(|error| refused(error.to_string()))?;
        let elf: Arc<[u8]> = inputs::elf_of(&unpacked)
            .map_err(|error| refused(error.to_string()))?
            .into();
        // The decoder indexes and asserts its way through files that it trusts.
        let program = catch_unwind(AssertUnwindSafe(|| Program::from(&elf)))
            .map_err(|_| refused("its ELF file is damaged or not for rv64im".into()))?
            .map_err(|error| refused(format!("its ELF file is not one that SP1 runs: {error}")))?;
        Ok(Self {
            elf,
            program: Arc::new(program),
        })
    }
}

/// Derives verification keys and remembers them by the ELF file's SHA-256.
#[derive(Default)]
pub(crate) struct Keys {
    cached: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<[u8; 32], SP1VerifyingKey>,
    oldest_first: VecDeque<[u8; 32]>,
}

impl Keys {
    /// Returns the program's verification key: from memory, or by SP1's set-up (about ten seconds).
    pub(crate) async fn of_program(&self, light: &Light, program: &LoadedProgram) -> Result<SP1VerifyingKey, Failure> {
        let hash: [u8; 32] = Sha256::digest(&program.elf).into();
        if let Some(vk) = self.lock().keys.get(&hash) {
            return Ok(vk.clone());
        }
        let vk = light
            .setup(Arc::clone(&program.elf))
            .await
            .map_err(|error| Failure::prover(format!("the set-up of the program failed: {error}")))?;
        let mut cache = self.lock();
        if cache.keys.insert(hash, vk.clone()).is_none() {
            cache.oldest_first.push_back(hash);
        }
        if cache.oldest_first.len() > CACHED_KEYS_MAX
            && let Some(oldest) = cache.oldest_first.pop_front()
        {
            cache.keys.remove(&oldest);
        }
        Ok(vk)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decodes a verification key; refused unless its hash is `program_id`, so that nothing else needs to be trusted.
pub(crate) fn vk_with_id(encoded: &[u8], program_id: &[u8]) -> Result<SP1VerifyingKey, Failure> {
    let refused = |reason: String| Failure::input(format!("the input vk: {reason}"));
    if encoded.len() as u64 != VK_BYTES {
        return Err(refused(format!("it has {} bytes, not {VK_BYTES}", encoded.len())));
    }
    let vk: SP1VerifyingKey = catch_unwind(|| inputs::decode(encoded, "a verification key"))
        .map_err(|_| refused("it holds no field elements".into()))?
        .map_err(|error| refused(error.to_string()))?;
    // Numbers beyond the field would decode to a key that encodes differently.
    if encode_vk(&vk) != encoded {
        return Err(refused("it is not in canonical form".into()));
    }
    check_id(&vk, program_id)?;
    Ok(vk)
}

/// Refuses a key that is not the one the program is registered under.
pub(crate) fn check_id(vk: &SP1VerifyingKey, program_id: &[u8]) -> Result<(), Failure> {
    let found = vk.hash_bytes();
    if found == program_id {
        return Ok(());
    }
    Err(Failure::input(format!(
        "the program's vk hash is {}, not {} as registered; register the program again under its own vk hash",
        hex::encode(found),
        hex::encode(program_id),
    )))
}

/// Encodes a key as clients do when they register a program.
pub(crate) fn encode_vk(vk: &SP1VerifyingKey) -> Vec<u8> {
    bincode::serialize(vk).expect("a verification key holds numbers only")
}
