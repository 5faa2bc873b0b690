//! A prover's outputs: small ones go into the report, large ones are moved aside and uploaded before it.

use std::{path::Path, time::Duration};

use hierophant_artifacts::client::{Source, TransferError};
use hierophant_domain::LeaseToken;
use hierophant_prover_protocol::{
    proto::{self as prover, NamedBlob, blob::At},
    read_output,
};
use hierophant_worker_link::{
    client::{Backoff, Lease},
    proto::{self, failure::Class, output},
};
use uuid::Uuid;

use super::{Stop, Workshop};
use crate::held::{Entry, Upload};

/// Waits between rounds of an upload that the coordinator could not take; each round has many tries of its own.
const UPLOAD_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Turns a reply into what is held: small outputs read, large ones moved beside the entry under fresh ids.
pub(super) async fn collect(
    workshop: &Workshop,
    lease: &Lease,
    reply: prover::ProveReply,
    directory: &Path,
) -> Result<Entry, Stop> {
    let record = reply.record.unwrap_or_default();
    let mut entry = Entry {
        result: None,
        uploads: Vec::new(),
        upload_token: lease.rest.upload_token.clone(),
    };
    let mut outputs = Vec::with_capacity(reply.outputs.len());
    for NamedBlob { name, blob } in reply.outputs {
        let at = match blob.and_then(|blob| blob.at) {
            Some(At::Inline(bytes)) if bytes.len() as u64 <= lease.rest.inline_bytes => output::At::Inline(bytes),
            Some(at) => file(workshop, lease, at, directory, &mut entry).await.map_err(|why| {
                Stop::Failed(
                    Class::Prover,
                    format!("the prover's output {name} cannot be used: {why}"),
                )
            })?,
            None => {
                return Err(Stop::Failed(
                    Class::Prover,
                    format!("the prover's output {name} has no content"),
                ));
            }
        };
        outputs.push(proto::Output { name, at: Some(at) });
    }
    entry.result = Some(proto::Result {
        lease: lease.token.as_bytes().to_vec(),
        outputs,
        cycles: record.cycles,
        gas: record.gas,
        exit_code: record.exit_code,
        proving_ms: record.proving_ms,
        peak_memory_bytes: record.peak_memory_bytes,
        public_values_sha256: record.public_values_sha256,
    });
    Ok(entry)
}

async fn file(
    workshop: &Workshop,
    lease: &Lease,
    at: At,
    directory: &Path,
    entry: &mut Entry,
) -> Result<output::At, String> {
    let (held, token) = (workshop.held.clone(), lease.token);
    let (directory, limit) = (directory.to_owned(), lease.rest.inline_bytes);
    let number = entry.uploads.len().to_string();
    let name = number.clone();
    let work = move || -> Result<Option<Vec<u8>>, String> {
        let sentence = |error: std::io::Error| error.to_string();
        match at {
            // More than a report takes.
            At::Inline(bytes) => {
                std::fs::write(held.directory(token).map_err(sentence)?.join(&name), bytes).map_err(sentence)?;
                Ok(None)
            }
            At::Path(path) => {
                let blob = prover::Blob {
                    at: Some(At::Path(path.clone())),
                };
                let kind = std::fs::symlink_metadata(&path).map_err(sentence)?;
                if !kind.is_file() {
                    return Err(format!("{path} is not a regular file"));
                }
                if kind.len() <= limit {
                    return read_output(&blob, &directory, limit)
                        .map(Some)
                        .map_err(|error| error.to_string());
                }
                let aside = held.directory(token).map_err(sentence)?.join(&name);
                std::fs::rename(&path, &aside).map_err(sentence)?;
                Ok(None)
            }
        }
    };
    let small = tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| panic.to_string())??;
    if let Some(bytes) = small {
        return Ok(output::At::Inline(bytes));
    }
    let id = Uuid::now_v7();
    let base = lease.rest.upload_url.trim_end_matches('/');
    entry.uploads.push(Upload {
        url: format!("{base}/{id}"),
        file: number,
    });
    Ok(output::At::ArtifactId(id.into_bytes().to_vec()))
}

/// Uploads all of them, for as long as it takes: the result is safe on disk and its lease is renewed meanwhile. An upload
/// that is refused fails the lease.
pub(super) async fn upload(workshop: &Workshop, token: LeaseToken, entry: &Entry) -> Result<(), Stop> {
    let directory = workshop
        .held
        .directory(token)
        .map_err(|error| Stop::Failed(Class::Transient, format!("the worker lost its outputs: {error}")))?;
    let mut backoff = Backoff::new(UPLOAD_AGAIN.0, UPLOAD_AGAIN.1);
    for upload in &entry.uploads {
        let file = directory.join(&upload.file);
        loop {
            let bearer = Some(entry.upload_token.as_str()).filter(|token| !token.is_empty());
            match workshop
                .transfers
                .upload(&upload.url, bearer, Source::File(file.clone()))
                .await
            {
                Ok(_) => break,
                Err(error @ TransferError::GaveUp { .. }) => {
                    let wait = backoff.wait();
                    tracing::warn!("{error}; the result is held and its upload begins again in {wait:.1?}");
                    tokio::time::sleep(wait).await;
                }
                Err(
                    error @ (TransferError::Refused { .. }
                    | TransferError::TooLarge { .. }
                    | TransferError::Damaged
                    | TransferError::Io { .. }),
                ) => {
                    return Err(Stop::Failed(
                        Class::Transient,
                        format!("the worker could not store an output: {error}"),
                    ));
                }
            }
        }
    }
    Ok(())
}
