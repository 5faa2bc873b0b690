//! Signed, expiring tokens that make a URL, or a bearer header, enough to move one artifact.
//!
//! A token is URL-safe base64 without padding over `fields ‖ tag`; the tag is the first 16 bytes of HMAC-SHA256 over a
//! fixed prefix and the fields. Fields: version (1 byte), operation and holder (1 byte), end (8 bytes, milliseconds
//! since the epoch, big-endian), artifact id (16 bytes, absent for [`Operation::PutAny`]), lease token (16 bytes, only
//! for [`Holder::Lease`]).
//!
//! What must stay true: fields are looked at only after the tag was found right, in constant time; a token says what it
//! allows and nothing else does. A token may be used any number of times until its end: clients repeat uploads.
//!
//! Not here: whether a lease still lives, or whether an artifact exists. The [`crate::http::Gate`] asks the store.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hierophant_domain::{ArtifactId, LeaseToken, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Version of the fields' layout.
const VERSION: u8 = 1;

/// Separates these tags from every other use of the key.
const PREFIX: &[u8] = b"hierophant artifact token\0";

/// Bytes of the tag: half of the HMAC, as RFC 2104 allows; still 128 bits.
const TAG_BYTES: usize = 16;

/// Longest token, in characters: two ids.
pub const TOKEN_MAX_CHARS: usize = (2 + 8 + 16 + 16 + TAG_BYTES) * 4 / 3 + 1;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Storing this artifact.
    Put(ArtifactId),
    /// Reading this artifact.
    Get(ArtifactId),
    /// Storing artifacts under ids that the holder mints: for a lease's outputs.
    PutAny,
}

/// For whom a token was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The artifact's owner: what the owner may do, the token may.
    Owner,
    /// The worker with this lease, as long as the lease lives.
    Lease(LeaseToken),
    /// Whoever has the URL.
    Anyone,
}

/// A right that a token carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What it allows.
    pub operation: Operation,
    /// For whom it was made.
    pub holder: Holder,
    /// The first moment at which it no longer holds.
    pub expires: Timestamp,
}

impl Grant {
    /// Whether it allows storing `id`.
    pub fn allows_put(&self, id: ArtifactId) -> bool {
        match self.operation {
            Operation::Put(granted) => granted == id,
            Operation::PutAny => true,
            Operation::Get(_) => false,
        }
    }

    /// Whether it allows reading `id`.
    pub fn allows_get(&self, id: ArtifactId) -> bool {
        match self.operation {
            Operation::Get(granted) => granted == id,
            Operation::Put(_) | Operation::PutAny => false,
        }
    }
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not made with this installation's key, or changed since.
    #[error("the token was not issued by this server")]
    Forged,
    /// Its end has passed.
    #[error("the token has expired: ask for a new URL")]
    Expired,
    /// Not the form of a token.
    #[error("the token is incomplete: use the URL exactly as it was given")]
    Malformed,
}

/// Makes and checks tokens with one secret key.
#[derive(Clone)]
pub struct Signer {
    mac: Hmac<Sha256>,
}

/// Never prints the key.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// A signer over 32 random, secret bytes. All coordinators of an installation use the same.
    pub fn new(key: [u8; 32]) -> Self {
        let mut mac = Hmac::new_from_slice(&key).expect("HMAC takes keys of every length");
        mac.update(PREFIX);
        Self { mac }
    }

    /// The token that carries a grant: characters `A-Z a-z 0-9 - _` only.
    pub fn grant(&self, grant: &Grant) -> String {
        let mut fields = vec![VERSION, kind_of(grant)];
        fields.extend_from_slice(&grant.expires.0.to_be_bytes());
        match grant.operation {
            Operation::Put(id) | Operation::Get(id) => fields.extend_from_slice(id.as_bytes()),
            Operation::PutAny => {}
        }
        if let Holder::Lease(token) = grant.holder {
            fields.extend_from_slice(token.as_bytes());
        }
        let tag = self.mac.clone().chain_update(&fields).finalize().into_bytes();
        fields.extend_from_slice(&tag[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(fields)
    }

    /// The grant that a token carries, if it holds at `now`.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<Grant, TokenError> {
        if token.len() > TOKEN_MAX_CHARS {
            return Err(TokenError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Malformed)?;
        let (fields, tag) = bytes.split_last_chunk::<TAG_BYTES>().ok_or(TokenError::Malformed)?;
        let mac = self.mac.clone().chain_update(fields);
        mac.verify_truncated_left(tag).map_err(|_| TokenError::Forged)?;
        let grant = parse(fields).ok_or(TokenError::Malformed)?;
        if now >= grant.expires {
            return Err(TokenError::Expired);
        }
        Ok(grant)
    }
}

fn kind_of(grant: &Grant) -> u8 {
    let operation = match grant.operation {
        Operation::Put(_) => 1,
        Operation::Get(_) => 2,
        Operation::PutAny => 3,
    };
    let holder = match grant.holder {
        Holder::Owner => 1,
        Holder::Lease(_) => 2,
        Holder::Anyone => 3,
    };
    operation << 4 | holder
}

/// Reads signed fields. `None` if they are of another version.
fn parse(fields: &[u8]) -> Option<Grant> {
    let ([version, kind], rest) = fields.split_first_chunk()?;
    if *version != VERSION {
        return None;
    }
    let (expires, mut rest) = rest.split_first_chunk()?;
    let mut next_id = || {
        let (id, after) = rest.split_first_chunk::<16>()?;
        rest = after;
        Some(*id)
    };
    let operation = match kind >> 4 {
        1 => Operation::Put(ArtifactId::from_slice(&next_id()?)?),
        2 => Operation::Get(ArtifactId::from_slice(&next_id()?)?),
        3 => Operation::PutAny,
        _ => return None,
    };
    let holder = match kind & 0xf {
        1 => Holder::Owner,
        2 => Holder::Lease(LeaseToken::from_slice(&next_id()?)?),
        3 => Holder::Anyone,
        _ => return None,
    };
    let expires = Timestamp(i64::from_be_bytes(*expires));
    rest.is_empty().then_some(Grant {
        operation,
        holder,
        expires,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const END: Timestamp = Timestamp(1_000_000);
    const BEFORE: Timestamp = Timestamp(999_999);

    fn signer() -> Signer {
        Signer::new([7; 32])
    }

    fn every_grant() -> Vec<Grant> {
        let id = ArtifactId(Uuid::from_u128(0x1234_5678));
        let operations = [Operation::Put(id), Operation::Get(id), Operation::PutAny];
        let holders = [
            Holder::Owner,
            Holder::Lease(LeaseToken(Uuid::from_u128(99))),
            Holder::Anyone,
        ];
        let pairs = operations
            .into_iter()
            .flat_map(|operation| holders.map(|holder| (operation, holder)));
        pairs
            .map(|(operation, holder)| Grant {
                operation,
                holder,
                expires: END,
            })
            .collect()
    }

    #[test]
    fn every_grant_comes_back_and_fits_a_url() {
        for grant in every_grant() {
            let token = signer().grant(&grant);
            assert_eq!(signer().check(&token, BEFORE), Ok(grant));
            assert!(token.len() <= TOKEN_MAX_CHARS, "{} characters", token.len());
            assert!(
                token
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            );
        }
    }

    #[test]
    fn a_token_ends_at_its_end() {
        let token = signer().grant(&every_grant()[0]);
        assert_eq!(signer().check(&token, END), Err(TokenError::Expired));
        assert_eq!(signer().check(&token, Timestamp(i64::MAX)), Err(TokenError::Expired));
    }

    /// Every single changed bit is noticed, wherever it is, and another key's tokens are not taken.
    #[test]
    fn changed_and_foreign_tokens_are_forged() {
        for grant in every_grant() {
            let bytes = URL_SAFE_NO_PAD.decode(signer().grant(&grant)).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    signer().check(&URL_SAFE_NO_PAD.encode(changed), BEFORE),
                    Err(TokenError::Forged),
                    "bit {bit}"
                );
            }
        }
        let foreign = Signer::new([8; 32]).grant(&every_grant()[0]);
        assert_eq!(signer().check(&foreign, BEFORE), Err(TokenError::Forged));
    }

    #[test]
    fn what_has_not_the_form_is_malformed() {
        let token = signer().grant(&every_grant()[0]);
        for malformed in [
            "",
            "a",
            "AAAA",
            "not base64!",
            &format!("{token}="),
            &"A".repeat(TOKEN_MAX_CHARS + 1),
        ] {
            assert_eq!(
                signer().check(malformed, BEFORE),
                Err(TokenError::Malformed),
                "{malformed:?}"
            );
        }
        assert_eq!(
            signer().check(&token[..token.len() - 4], BEFORE),
            Err(TokenError::Forged)
        );
    }

    #[test]
    fn a_grant_allows_its_artifact_and_operation_alone() {
        let (id, other) = (ArtifactId(Uuid::from_u128(1)), ArtifactId(Uuid::from_u128(2)));
        let grant = |operation| Grant {
            operation,
            holder: Holder::Anyone,
            expires: END,
        };
        let put = grant(Operation::Put(id));
        assert!(put.allows_put(id) && !put.allows_put(other) && !put.allows_get(id));
        let get = grant(Operation::Get(id));
        assert!(get.allows_get(id) && !get.allows_get(other) && !get.allows_put(id));
        let any = grant(Operation::PutAny);
        assert!(any.allows_put(id) && any.allows_put(other) && !any.allows_get(id));
    }

    #[test]
    fn secrets_are_not_printed() {
        let lease = Uuid::from_u128(0xfeed_beef);
        let shown = format!("{:?} {:?}", signer(), Holder::Lease(LeaseToken(lease)));
        assert!(!shown.contains("feedbeef"), "{shown}");
    }
}
