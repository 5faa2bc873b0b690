//! Short keys of long ones: the first 16 bytes of a SHA-256, and random ids and tokens.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// A fresh lease token: the time, and 74 random bits. Tokens of one time stand together in their index: otherwise each would
/// cost a page of the log of its own.
pub(super) fn lease_token(now: Timestamp) -> LeaseToken {
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    LeaseToken(Builder::from_unix_timestamp_millis(millis(now), &random).into_uuid())
}

/// A fresh check token: 122 random bits.
pub(super) fn check_token() -> CheckToken {
    CheckToken(random_uuid())
}

/// A fresh attempt id, UUID v7 of the store's clock. Ids of one millisecond are in the order in which they were made: attempts are
/// listed by them.
pub(super) fn attempt_id(now: Timestamp) -> AttemptId {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let count = MADE.fetch_add(1, Ordering::Relaxed);
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    // 42 bits of the count: the 12 between version and variant, and the first 30 behind the variant's two.
    let upper = u16::try_from((count >> 30) & 0xfff).unwrap_or(0).to_be_bytes();
    let lower = u32::try_from(count & 0x3fff_ffff).unwrap_or(0).to_be_bytes();
    random[..2].copy_from_slice(&upper);
    random[2..6].copy_from_slice(&lower);
    AttemptId(Builder::from_unix_timestamp_millis(millis(now), &random).into_uuid())
}

fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.0).unwrap_or(0)
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
    fn attempts_of_one_millisecond_are_in_the_order_in_which_they_were_made() {
        let ids: Vec<_> = (0..1000).map(|_| attempt_id(Timestamp(1_000))).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        assert!(ids[999] < attempt_id(Timestamp(1_001)));
    }

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
