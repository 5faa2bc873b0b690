//! Who may upload and read which blob: the artifact service's questions, answered from the rows.
//!
//! Invariants: a client uploads only what was announced to it; a lease uploads under ids of its own making, while its result
//! still counts; a private blob is read only with a token made for its owner or for a lease that still lives.

use async_trait::async_trait;
use hierophant_artifacts::{
    Durability, Grant, Holder, Stored,
    http::{Credential, Denied, Gate, PutPermit},
};
use hierophant_domain::{ArtifactId, AttemptState, LeaseToken, Name, Visibility};
use hierophant_store::{ArtifactRow, ArtifactState, StoreError};

use crate::service::Core;

/// The role of what leases make.
pub(crate) const OUTPUT: &str = "output";

#[async_trait]
impl Gate for Core {
    async fn may_put(&self, id: ArtifactId, credential: &Credential) -> Result<PutPermit, Denied> {
        let grant = self.granted(credential)?;
        if !grant.allows_put(id) {
            return Err(Denied::Forbidden(
                "this URL is for another artifact; use the one that was given for it".to_owned(),
            ));
        }
        let row = match grant.holder {
            Holder::Lease(token) => Some(self.announce_output(id, token).await?),
            Holder::Owner | Holder::Anyone => self.0.store.artifact(id).await.map_err(denied)?,
        };
        let row = row.ok_or_else(|| Denied::NotFound("this artifact is gone; ask for a new upload URL".to_owned()))?;
        Ok(PutPermit {
            limit_bytes: self.0.settings.max_upload,
            durability: if row.rebuildable {
                Durability::Rebuildable
            } else {
                Durability::Durable
            },
            already: complete(&row),
        })
    }

    async fn stored(&self, id: ArtifactId, _credential: &Credential, stored: Stored) -> Result<(), Denied> {
        Core::pass("artifact-written");
        self.0
            .store
            .complete_artifact(id, stored.size, stored.sha256)
            .await
            .map_err(denied)?;
        Core::pass("artifact-stored");
        Ok(())
    }

    async fn may_get(&self, id: ArtifactId, credential: &Credential) -> Result<Stored, Denied> {
        let grant = self.granted(credential)?;
        if !grant.allows_get(id) {
            return Err(Denied::Forbidden(
                "this URL is for another artifact; use the one that was given for it".to_owned(),
            ));
        }
        let row = self.0.store.artifact(id).await.map_err(denied)?;
        let gone = || Denied::NotFound("this artifact is not here, or not complete".to_owned());
        let row = row.ok_or_else(gone)?;
        if let Holder::Lease(token) = grant.holder {
            self.lease_counts(token).await?;
        }
        if row.visibility == Visibility::Private && grant.holder == Holder::Anyone {
            return Err(Denied::Forbidden("this artifact is private to its owner".to_owned()));
        }
        complete(&row).ok_or_else(gone)
    }
}

impl Core {
    fn granted(&self, credential: &Credential) -> Result<Grant, Denied> {
        let token = credential.token();
        let token =
            token.ok_or_else(|| Denied::Unauthorized("a token is missing; use the URL as it was given".to_owned()))?;
        self.0
            .signer
            .check(token, self.now())
            .map_err(|error| Denied::Unauthorized(error.to_string()))
    }

    /// Whether a lease may still move blobs: it is live, or it ran out and its result would still count.
    pub(crate) async fn lease_counts(&self, token: LeaseToken) -> Result<(), Denied> {
        let lease = self.0.store.lease(token).await.map_err(denied)?;
        let counts =
            lease.is_some_and(|lease| lease.attempt.state.is_live() || lease.attempt.state == AttemptState::Lapsed);
        if counts {
            Ok(())
        } else {
            Err(Denied::Forbidden("this lease has ended; drop its work".to_owned()))
        }
    }

    /// The row of an output that a lease wants to upload: made now, unless the upload is repeated.
    async fn announce_output(&self, id: ArtifactId, token: LeaseToken) -> Result<ArtifactRow, Denied> {
        self.lease_counts(token).await?;
        let output = Name::literal(OUTPUT);
        if let Some(row) = self.0.store.artifact(id).await.map_err(denied)? {
            if row.owner.is_none() && row.role == output {
                return Ok(row);
            }
            return Err(Denied::Forbidden("this id is taken; mint another one".to_owned()));
        }
        let row = ArtifactRow::announced(id, None, output, Visibility::Signed, self.now());
        self.0.store.create_artifact(row.clone()).await.map_err(denied)?;
        Ok(row)
    }

    /// An output that is kept in its request's row, for the URL that [`crate::ports::Clients::output_url`] gave.
    pub async fn inline_output(
        &self,
        request: hierophant_domain::RequestId,
        name: &str,
        token: &str,
    ) -> Result<Vec<u8>, Denied> {
        let grant = self.granted(&Credential::Url(token.to_owned()))?;
        if !grant.allows_get(ArtifactId(request.0)) {
            return Err(Denied::Forbidden(
                "this URL is for another output; use the one that was given for it".to_owned(),
            ));
        }
        let request = self.0.store.request(request).await.map_err(denied)?;
        let outcome = request.as_ref().and_then(|request| request.outcome.as_ref());
        let output = outcome.and_then(|outcome| outcome.artifacts.iter().find(|output| output.name.as_str() == name));
        match output.map(|output| &output.blob) {
            Some(hierophant_domain::BlobRef::Inline(bytes)) => Ok(bytes.clone()),
            Some(hierophant_domain::BlobRef::Artifact(_)) | None => {
                Err(Denied::NotFound("this output is not here any more".to_owned()))
            }
        }
    }
}

fn complete(row: &ArtifactRow) -> Option<Stored> {
    match (row.state, row.sha256) {
        (ArtifactState::Complete, Some(sha256)) => Some(Stored { size: row.size, sha256 }),
        (ArtifactState::Complete | ArtifactState::Announced | ArtifactState::Going, _) => None,
    }
}

fn denied(error: StoreError) -> Denied {
    match error {
        StoreError::NotFound(what) => Denied::NotFound(what),
        StoreError::Refused(why) => Denied::Forbidden(why),
        StoreError::Unavailable(_)
        | StoreError::Full(_)
        | StoreError::UnknownSchema { .. }
        | StoreError::Corrupt(_) => {
            tracing::warn!(%error, "a transfer could not be decided");
            Denied::Retry("the server cannot look this artifact up now; try again".to_owned())
        }
    }
}
