//! Who signed: Ethereum accounts, recovered from signatures of exactly the bytes that arrived.
//!
//! A recovery takes some 100 to 150 µs, less than handing it to another thread pool and back is worth: it is done where
//! the call is handled.

use alloy_primitives::{Address, B256, Keccak256};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

/// What `CreateArtifact` signs: a constant, whatever is uploaded. It identifies, and proves no intent.
pub(crate) const CREATE_ARTIFACT_MESSAGE: &[u8] = b"create_artifact";
/// r, s and v.
const SIGNATURE_BYTES: usize = 65;
/// What an account has.
pub(crate) const ADDRESS_BYTES: usize = 20;

/// Why a signature gives no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadSignature(pub(crate) &'static str);

/// The account that signed `message` as an Ethereum personal message (EIP-191).
pub(crate) fn recover(message: &[u8], signature: &[u8]) -> Result<Address, BadSignature> {
    let signature: &[u8; SIGNATURE_BYTES] = signature
        .try_into()
        .map_err(|_| BadSignature("a signature has 65 bytes: r, s and v"))?;
    let [scalars @ .., v] = signature;
    let recovery = RecoveryId::new(parity(*v)?, false);
    let signature = Signature::from_slice(scalars).map_err(|_| BadSignature("r or s is out of range"))?;
    if signature.normalize_s() != signature {
        return Err(BadSignature(
            "s is in the upper half of its range; only the lower one is taken (EIP-2)",
        ));
    }
    let key = VerifyingKey::recover_from_prehash(personal_message_hash(message).as_slice(), &signature, recovery)
        .map_err(|_| BadSignature("it is of no key at all"))?;
    // The point without the byte that says how it is encoded.
    Ok(Address::from_raw_public_key(&key.to_sec1_point(false).as_bytes()[1..]))
}

/// Whether y is odd. Clients of different ages send 0/1, 27/28 or, with 27 added twice, 54/55. The last two are no EIP-155
/// values: read as such they would give another account.
fn parity(v: u8) -> Result<bool, BadSignature> {
    match v {
        0 | 27 | 54 => Ok(false),
        1 | 28 | 55 => Ok(true),
        _ => Err(BadSignature("its last byte is none of 0, 1, 27, 28, 54, 55")),
    }
}

/// The digest of an Ethereum personal message.
pub(crate) fn personal_message_hash(message: &[u8]) -> B256 {
    let mut hash = Keccak256::new();
    hash.update(b"\x19Ethereum Signed Message:\n");
    hash.update(message.len().to_string());
    hash.update(message);
    hash.finalize()
}

/// The account of a plain address field; `None` unless it has 20 bytes.
pub(crate) fn address(bytes: &[u8]) -> Option<Address> {
    <[u8; ADDRESS_BYTES]>::try_from(bytes).ok().map(Address::from)
}

#[cfg(test)]
mod tests;
