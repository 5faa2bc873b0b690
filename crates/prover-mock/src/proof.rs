//! The mock's proofs: lines of text, then their checksum.
//!
//! ```text
//! mock-proof-1
//! system=demo
//! kind=core
//! toolchain=v1
//! program_id=<hex>
//! inputs=<hex of the SHA-256 over the inputs>
//! public_values=<hex>
//! checksum=<hex of the SHA-256 of everything before>
//! ```
//!
//! Anybody can make one. What must stay true: a changed byte, another program, kind, system, toolchain or public values
//! are noticed.

use sha2::{Digest as _, Sha256};

const HEADER: &str = "mock-proof-1";

/// What a proof says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) system: String,
    pub(crate) kind: String,
    pub(crate) toolchain: String,
    pub(crate) program_id: Vec<u8>,
    pub(crate) inputs: Vec<u8>,
    pub(crate) public_values: Vec<u8>,
}

impl Proof {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = format!(
            "{HEADER}\nsystem={}\nkind={}\ntoolchain={}\nprogram_id={}\ninputs={}\npublic_values={}\n",
            self.system,
            self.kind,
            self.toolchain,
            hex::encode(&self.program_id),
            hex::encode(&self.inputs),
            hex::encode(&self.public_values),
        );
        let checksum = hex::encode(Sha256::digest(text.as_bytes()));
        text.push_str("checksum=");
        text.push_str(&checksum);
        text.push('\n');
        text.into_bytes()
    }

    /// Reads a proof; the error is the sentence for `VerifyReply.reason`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the proof is not text")?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err("the proof has another header");
        }
        let mut field = |name: &str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(name)?.strip_prefix('='))
                .ok_or("the proof is cut or a field is missing")
        };
        let unhex = |text| hex::decode(text).map_err(|_| "a field is not hexadecimal");
        let proof = Self {
            system: field("system")?.to_owned(),
            kind: field("kind")?.to_owned(),
            toolchain: field("toolchain")?.to_owned(),
            program_id: unhex(field("program_id")?)?,
            inputs: unhex(field("inputs")?)?,
            public_values: unhex(field("public_values")?)?,
        };
        // One encoding per proof: whatever differs from it anywhere has been changed.
        if proof.encode() == bytes {
            Ok(proof)
        } else {
            Err("the checksum does not match")
        }
    }
}

/// The id of a program that names none itself.
pub(crate) fn program_id(program: &[u8]) -> Vec<u8> {
    hash("mock-program", &[program])
}

/// What programs of this prover may commit to their public values with, beside their plain SHA-256.
pub(crate) fn other_hash(public_values: &[u8]) -> Vec<u8> {
    hash("mock-other-hash", &[public_values])
}

/// A SHA-256 over parts, each behind its length, for one purpose.
pub(crate) fn hash(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_noticed() {
        let proof = Proof {
            system: "mock".into(),
            kind: "core".into(),
            toolchain: "v1".into(),
            program_id: program_id(b"p"),
            inputs: hash("inputs", &[]),
            public_values: vec![1, 2, 3],
        };
        let bytes = proof.encode();
        assert_eq!(Proof::decode(&bytes).unwrap(), proof);
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(Proof::decode(&changed).is_err(), "byte {index}");
            assert!(Proof::decode(&bytes[..index]).is_err(), "cut at {index}");
        }
    }
}
