//! Short keys of long ones: the first 16 bytes of a SHA-256, and random ids and tokens.

use hierophant_domain::{CheckToken, LeaseToken, Name, Requester, Timestamp, ids::AttemptId};
use rand::Rng;
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// The first 16 bytes of a SHA-256. Two different long keys share one with a chance of 2^-64 after 2^32 of them.
pub(super) type Key = [u8; 16];

/// What makes two submissions the same.
pub(super) fn idempotency(requester: &Requester, key: &[u8]) -> Key {
    hash(&[requester.door.as_str().as_bytes(), &requester.principal, key])
}

/// A requester.
pub(super) fn requester(requester: &Requester) -> Key {
    hash(&[requester.door.as_str().as_bytes(), &requester.principal])
}

/// A program, as holder of its executable.
pub(super) fn program(door: &Name, id: &[u8]) -> Key {
    hash(&[b"program", door.as_str().as_bytes(), id])
}

/// Each part is preceded by its length, so that no two lists of parts are the same bytes.
fn hash(parts: &[&[u8]]) -> Key {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut key = Key::default();
    key.copy_from_slice(&hasher.finalize()[..16]);
    key
}

/// A fresh lease token: 122 random bits.
pub(super) fn lease_token() -> LeaseToken {
    LeaseToken(random_uuid())
}

/// A fresh check token: 122 random bits.
pub(super) fn check_token() -> CheckToken {
    CheckToken(random_uuid())
}

/// A fresh attempt id, UUID v7 of the store's clock.
pub(super) fn attempt_id(now: Timestamp) -> AttemptId {
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    let millis = u64::try_from(now.0).unwrap_or(0);
    AttemptId(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

fn random_uuid() -> Uuid {
    let mut random = [0; 16];
    rand::rng().fill_bytes(&mut random);
    Builder::from_random_bytes(random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let of = |door: &'static str, principal: &[u8], key: &[u8]| {
            idempotency(
                &Requester {
                    door: Name::literal(door),
                    principal: principal.to_vec(),
                },
                key,
            )
        };
        assert_eq!(of("a", b"bc", b"d"), of("a", b"bc", b"d"));
        assert_ne!(of("a", b"bc", b"d"), of("a", b"b", b"cd"));
        assert_ne!(of("a", b"bc", b"d"), of("ab", b"c", b"d"));
    }
}
