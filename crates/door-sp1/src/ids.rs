//! What clients know things by: request ids, transaction hashes, and URIs of uploads.
//!
//! A request id is the request's UUID followed by the first half of its HMAC-SHA256 under a secret of this installation:
//! whoever has one was given it, and an invented one is refused without a look-up. URIs carry no secret: whose an upload is
//! is checked at every use.

use hierophant_domain::{ArtifactId, RequestId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Name of the secret that seals request ids.
pub(crate) const SECRET: &str = "door-sp1/request-ids";
/// Bytes of a request id, of a transaction hash and of a vk hash: clients insist.
pub(crate) const HASH_BYTES: usize = 32;
/// Of them, those of the UUID.
const UUID_BYTES: usize = 16;
/// What URIs of uploads begin with.
const ARTIFACT_PREFIX: &str = "hierophant://artifacts/";

/// Makes and reads request ids.
pub(crate) struct RequestIds(Hmac<Sha256>);

impl RequestIds {
    /// With this installation's secret.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("an HMAC key may have any length"))
    }

    /// The id that clients get.
    pub(crate) fn seal(&self, id: RequestId) -> [u8; HASH_BYTES] {
        let tag = self.tag(id.as_bytes()).finalize().into_bytes();
        let mut sealed = [0; HASH_BYTES];
        sealed[..UUID_BYTES].copy_from_slice(id.as_bytes());
        sealed[UUID_BYTES..].copy_from_slice(&tag[..HASH_BYTES - UUID_BYTES]);
        sealed
    }

    /// The request of an id that was given out here; `None` for anything else.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<RequestId> {
        let (id, tag) = sealed.split_at_checked(UUID_BYTES)?;
        if tag.len() != HASH_BYTES - UUID_BYTES {
            return None;
        }
        self.tag(id).verify_truncated_left(tag).ok()?;
        RequestId::from_slice(id)
    }

    fn tag(&self, id: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(id)
    }
}

impl std::fmt::Debug for RequestIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestIds(…)")
    }
}

/// What stands for the hash of the transaction on a chain that this network does not have: a fingerprint of what was asked.
pub(crate) fn tx_hash(of: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::new()
        .chain_update(b"door-sp1/tx\0")
        .chain_update(of)
        .finalize()
        .into()
}

/// The URI of an upload.
pub(crate) fn artifact_uri(id: ArtifactId) -> String {
    format!("{ARTIFACT_PREFIX}{id}")
}

/// The upload of a URI; `None` unless it reads exactly as [`artifact_uri`] writes.
pub(crate) fn parse_artifact_uri(uri: &str) -> Option<ArtifactId> {
    let text = uri.strip_prefix(ARTIFACT_PREFIX)?;
    let id = Uuid::try_parse(text).ok()?;
    let mut buffer = Uuid::encode_buffer();
    (id.hyphenated().encode_lower(&mut buffer) == text).then_some(ArtifactId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: RequestId = RequestId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));

    #[test]
    fn request_ids_open_only_as_they_were_sealed() {
        let ids = RequestIds::new(&[7; 32]);
        let sealed = ids.seal(ID);
        assert_eq!(ids.open(&sealed), Some(ID));
        assert_eq!(RequestIds::new(&[8; 32]).open(&sealed), None, "another installation's");
        for bit in 0..HASH_BYTES * 8 {
            let mut other = sealed;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ids.open(&other), None, "bit {bit}");
        }
        for length in 0..HASH_BYTES {
            assert_eq!(ids.open(&sealed[..length]), None, "{length} bytes");
        }
        assert_eq!(ids.open(&[sealed.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn uris_are_read_only_as_they_are_written() {
        let id = ArtifactId(Uuid::from_u128(0xabcd_ef01_2345_7000_8000_0000_0000_0001));
        let uri = artifact_uri(id);
        assert_eq!(parse_artifact_uri(&uri), Some(id));
        for bad in [
            String::new(),
            ARTIFACT_PREFIX.to_owned(),
            uri.to_uppercase(),
            uri.replace("abcd", "ABCD"),
            format!("{uri}/../x"),
            format!(" {uri}"),
            uri.replace('-', ""),
            uri.replace("hierophant", "https"),
            format!("{ARTIFACT_PREFIX}{{{}}}", id.0),
        ] {
            assert_eq!(parse_artifact_uri(&bad), None, "{bad:?}");
        }
    }
}
