//! URLs that carry their own credentials: for clients, for leases.

use hierophant_artifacts::tokens::{Grant, Holder, Operation};
use hierophant_domain::{ArtifactId, BlobRef, LeaseToken, RequestId, Timestamp};

use crate::service::Core;

impl Core {
    /// Where a client uploads an announced blob.
    pub(crate) fn put_url(&self, id: ArtifactId) -> String {
        let token = self.grant(
            Operation::Put(id),
            Holder::Owner,
            self.now().plus(self.0.settings.url_lifetime),
        );
        format!("{}/artifacts/{id}?token={token}", self.0.settings.public_http_url)
    }

    /// Where a worker reads an input of its lease.
    pub(crate) fn lease_url(&self, id: ArtifactId, lease: LeaseToken, until: Timestamp) -> String {
        let token = self.grant(Operation::Get(id), Holder::Lease(lease), until);
        format!("{}/artifacts/{id}?token={token}", self.0.settings.public_http_url)
    }

    /// Base URL and bearer token under which a lease uploads its outputs.
    pub(crate) fn upload_grant(&self, lease: LeaseToken, until: Timestamp) -> (String, String) {
        // A result of a lease that ran out still counts, so the right to upload lasts as long as the request.
        let token = self.grant(Operation::PutAny, Holder::Lease(lease), until);
        (format!("{}/artifacts", self.0.settings.public_http_url), token)
    }

    /// Where a client reads an output.
    pub(crate) fn read_url(&self, request: RequestId, name: &str, blob: &BlobRef) -> String {
        let until = self.now().plus(self.0.settings.url_lifetime);
        match blob {
            BlobRef::Artifact(id) => {
                let token = self.grant(Operation::Get(*id), Holder::Anyone, until);
                format!("{}/artifacts/{id}?token={token}", self.0.settings.public_http_url)
            }
            BlobRef::Inline(_) => {
                let token = self.grant(Operation::Get(ArtifactId(request.0)), Holder::Anyone, until);
                format!(
                    "{}/outputs/{request}/{name}?token={token}",
                    self.0.settings.public_http_url
                )
            }
        }
    }

    fn grant(&self, operation: Operation, holder: Holder, expires: Timestamp) -> String {
        self.0.signer.grant(&Grant {
            operation,
            holder,
            expires,
        })
    }
}
