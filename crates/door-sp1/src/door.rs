//! What all calls share: the port, the settings, and how signed envelopes are opened.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alloy_primitives::Address;
use bytes::Bytes;
use hierophant_core::{CoreError, ports::Clients};
use hierophant_domain::{ArtifactId, Name, RequestId, Requester};
use hierophant_store::{ArtifactRow, ArtifactState};
use tonic::Status;

use crate::{
    account,
    ids::{self, RequestIds},
    proto::types::{MessageFormat, SignedRequest},
    refusal,
    settings::DoorSettings,
};

/// The door's name in rows.
pub const DOOR: &str = "sp1";
/// The proof system that it asks for.
pub const SYSTEM: &str = "sp1";

/// Longest text of a client that a refusal repeats, in characters.
const QUOTED_MAX_CHARS: usize = 80;

/// Largest body that is hashed, in bytes: some 0.3 ms of work on the runtime. Honest ones have a few hundred, or a few KiB
/// with a verification key of 5.x or a long whitelist.
pub(crate) const BODY_MAX_BYTES: usize = 128 * 1024;

/// Both services' implementation. Cheap to share; keeps nothing but a counter.
#[derive(Debug)]
pub struct Door {
    pub(crate) clients: Arc<dyn Clients>,
    pub(crate) settings: DoorSettings,
    pub(crate) ids: RequestIds,
    pub(crate) name: Name,
    pub(crate) system: Name,
    nonces: AtomicU64,
}

/// A signed body and who signed it.
#[derive(Debug)]
pub(crate) struct Signed {
    /// Who.
    pub(crate) by: Address,
    /// The very bytes that were signed.
    pub(crate) body: Bytes,
}

impl Door {
    /// Reads the secret that request ids are made with.
    pub(crate) async fn open(clients: Arc<dyn Clients>, settings: DoorSettings) -> Result<Self, CoreError> {
        settings
            .check()
            .map_err(|error| CoreError::Invalid(error.to_string()))?;
        let ids = RequestIds::new(&clients.secret(ids::SECRET).await?);
        // Starting at the time in milliseconds it goes on growing across restarts, without being kept.
        let nonces = AtomicU64::new(u64::try_from(clients.now().0).unwrap_or(0));
        Ok(Self {
            clients,
            settings,
            ids,
            name: Name::literal(DOOR),
            system: Name::literal(SYSTEM),
            nonces,
        })
    }

    /// The next nonce. It makes bodies differ and is not compared: what must not be done twice has a key of its own.
    pub(crate) fn next_nonce(&self) -> u64 {
        self.nonces.fetch_add(1, Ordering::Relaxed)
    }

    /// The account as the core knows it.
    pub(crate) fn requester(&self, account: Address) -> Requester {
        Requester {
            door: self.name.clone(),
            principal: account.to_vec(),
        }
    }

    /// The request of an id, if it was given out here.
    pub(crate) fn request_id(&self, sealed: &[u8]) -> Result<RequestId, Status> {
        self.ids.open(sealed).ok_or_else(refusal::unknown_request)
    }

    /// A complete upload of `account` with one of the roles given. Anything else says what to do about it.
    pub(crate) async fn upload(
        &self,
        uri: &str,
        account: Address,
        role: &str,
        what: &str,
    ) -> Result<ArtifactRow, Status> {
        let unknown = || {
            Status::failed_precondition(format!(
                "{what} {} is no upload that this network announced, or it has been removed since; call CreateArtifact, upload it \
                 to the URL of the reply and send the artifact_uri of that reply",
                quoted(uri)
            ))
        };
        let id: ArtifactId = ids::parse_artifact_uri(uri).ok_or_else(unknown)?;
        let row = self
            .clients
            .artifact(id)
            .await
            .map_err(refusal::of_core)?
            .ok_or_else(unknown)?;
        let owner = row
            .owner
            .as_ref()
            .filter(|owner| owner.door == self.name)
            .ok_or_else(unknown)?;
        if owner.principal != account.as_slice() {
            // A signature always gives some account: an altered body gives another one than that of the upload.
            return Err(Status::unauthenticated(format!(
                "the signature is that of account {account}, which did not make the upload {what}: either the body was altered after \
                 it was signed, or another key made the upload"
            )));
        }
        if row.role.as_str() != role {
            return Err(Status::invalid_argument(format!(
                "{what} names an upload of another artifact_type; announce programs as 1, inputs as 2 or 7"
            )));
        }
        match row.state {
            ArtifactState::Complete => Ok(row),
            ArtifactState::Announced => Err(Status::failed_precondition(format!(
                "{what} has not been uploaded yet; PUT it to the URL that CreateArtifact gave, then send the request again"
            ))),
            ArtifactState::Going => Err(unknown()),
        }
    }
}

/// Opens an envelope.
pub(crate) fn open(envelope: SignedRequest) -> Result<Signed, Status> {
    if envelope.format != MessageFormat::Binary as i32 {
        return Err(Status::invalid_argument(format!(
            "message format {} is not served; send 1 (binary) and sign the encoded body",
            envelope.format
        )));
    }
    if envelope.body.is_empty() {
        return Err(Status::invalid_argument("the request has no body"));
    }
    if envelope.body.len() > BODY_MAX_BYTES {
        return Err(Status::invalid_argument(format!(
            "the body has {} bytes, and {BODY_MAX_BYTES} are the most; programs and inputs are uploaded, not sent here",
            envelope.body.len()
        )));
    }
    let by = account::recover(&envelope.body, &envelope.signature).map_err(refusal::of_signature)?;
    Ok(Signed {
        by,
        body: envelope.body,
    })
}

/// Decodes a signed body.
pub(crate) fn decoded<M: prost::Message + Default>(body: Bytes) -> Result<M, Status> {
    M::decode(body).map_err(|error| Status::invalid_argument(format!("the body cannot be decoded: {error}")))
}

/// A client's text, bounded and escaped, to be repeated in a refusal.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_MAX_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
