//! A lease's inputs: what is small travels on to the prover as it is, the rest becomes files of the job.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use hierophant_artifacts::client::{Expected, TransferError};
use hierophant_domain::Digest;
use hierophant_prover_protocol::proto::{Blob, NamedBlob, blob::At};
use hierophant_worker_link::{
    INLINE_MAX_BYTES,
    client::Lease,
    proto::{self, failure::Class},
};

use super::{Stop, Workshop};
use crate::directory::{FREE_BYTES_MIN, free_bytes};

/// Most bytes inline in one message to a prover. Contract: `Blob` in prover.proto.
const INLINE_TOTAL_MAX_BYTES: usize = 512 << 10;
/// Largest input that is fetched when the coordinator does not say how large it is, in bytes.
const UNKNOWN_SIZE_MAX_BYTES: u64 = 16 << 30;

/// Inputs as the prover gets them. Their files are removed with this.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) blobs: Vec<NamedBlob>,
    directory: Option<PathBuf>,
}

impl Drop for Inputs {
    fn drop(&mut self) {
        if let Some(directory) = self.directory.take() {
            // On the runtime's blocking threads where there is one: large files take a while to remove.
            let remove = move || {
                if let Err(error) = std::fs::remove_dir_all(&directory) {
                    tracing::warn!("cannot remove {}: {error}", directory.display());
                }
            };
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(remove)),
                Err(_) => remove(),
            }
        }
    }
}

/// Fetches everything. Takes the inputs out of the lease.
pub(super) async fn fetch(workshop: &Workshop, lease: &mut Lease) -> Result<Inputs, Stop> {
    let wanted = std::mem::take(&mut lease.rest.inputs);
    let mut inputs = Inputs {
        blobs: Vec::with_capacity(wanted.len()),
        directory: None,
    };
    let to_fetch: u64 = wanted
        .iter()
        .filter(|input| matches!(input.at, Some(proto::input::At::Url(_))))
        .map(|i| i.size)
        .sum();
    let mut inline = 0;
    for (index, input) in wanted.into_iter().enumerate() {
        let at = match input.at {
            Some(proto::input::At::Inline(bytes))
                if bytes.len() <= INLINE_MAX_BYTES && inline + bytes.len() <= INLINE_TOTAL_MAX_BYTES =>
            {
                inline += bytes.len();
                At::Inline(bytes)
            }
            Some(proto::input::At::Inline(bytes)) => {
                let path = directory(workshop, lease, &mut inputs, 0)?.join(index.to_string());
                tokio::fs::write(&path, bytes)
                    .await
                    .map_err(|error| disk(&path, &error))?;
                At::Path(text(&path))
            }
            Some(proto::input::At::Url(url)) => {
                let path = directory(workshop, lease, &mut inputs, to_fetch)?.join(index.to_string());
                let size = (input.size > 0).then_some(input.size);
                let expected = Expected {
                    size,
                    sha256: Digest::from_slice(&input.sha256),
                    limit_bytes: size.unwrap_or(UNKNOWN_SIZE_MAX_BYTES),
                };
                let fetched = workshop.transfers.download(&url, &path, expected).await;
                fetched.map_err(|error| refused(&input.name, &error))?;
                At::Path(text(&path))
            }
            None => return Err(Stop::Release(format!("the input {} has no content", input.name))),
        };
        inputs.blobs.push(NamedBlob {
            name: input.name,
            blob: Some(Blob { at: Some(at) }),
        });
    }
    Ok(inputs)
}

/// The job's private directory, made when the first file needs it and there is room for what is to come.
fn directory(workshop: &Workshop, lease: &Lease, inputs: &mut Inputs, to_fetch: u64) -> Result<PathBuf, Stop> {
    if let Some(path) = &inputs.directory {
        return Ok(path.clone());
    }
    let free = free_bytes(&workshop.jobs).map_err(|error| disk(&workshop.jobs, &error))?;
    if free < to_fetch.saturating_add(FREE_BYTES_MIN) {
        return Err(Stop::Release(format!(
            "the worker's disk has {free} bytes free, too few for inputs of {to_fetch} bytes"
        )));
    }
    let path = workshop.jobs.join(lease.token.0.simple().to_string());
    DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(|error| disk(&path, &error))?;
    inputs.directory = Some(path.clone());
    Ok(path)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn disk(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Release(format!("the worker cannot write {}: {error}", path.display()))
}

/// A full disk is this worker's trouble and another may do better; all else counts as an attempt.
fn refused(name: &str, error: &TransferError) -> Stop {
    match error {
        TransferError::Io { path, source } => disk(path, source),
        TransferError::Refused { .. }
        | TransferError::TooLarge { .. }
        | TransferError::Damaged
        | TransferError::GaveUp { .. } => Stop::Failed(
            Class::Transient,
            format!("the worker could not fetch the input {name}: {error}"),
        ),
    }
}
