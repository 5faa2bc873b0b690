//! GET with resumption: each try asks for what is missing, of the same content.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use reqwest::{Response, StatusCode, header};
use tokio::{task::spawn_blocking, time::timeout};

use super::{Expected, Failure, Stalled, TransferClient, TransferError, Tries, passing, success};
use crate::{blobs::Stored, files::FileWriter};

/// A file that grows over the tries, removed unless it is renamed into place.
struct Growing {
    path: PathBuf,
    kept: bool,
    /// `None` only between two writers.
    writer: Option<FileWriter>,
    /// The ETag of the content that has been received so far.
    etag: Option<header::HeaderValue>,
}

/// See [`TransferClient::download`].
pub(super) async fn download(
    client: &TransferClient,
    url: &str,
    destination: &Path,
    expected: Expected,
) -> Result<Stored, TransferError> {
    let mut part = destination.as_os_str().to_owned();
    part.push(".part");
    let mut growing = Growing {
        path: part.into(),
        kept: false,
        writer: None,
        etag: None,
    };
    let mut tries = Tries::new(&client.retry);
    loop {
        let failure = match fetch(client, url, expected, &mut growing).await {
            Ok(()) => match growing.finish(destination, expected).await {
                Ok(stored) => return Ok(stored),
                Err(failure) => failure,
            },
            Err(failure) => failure,
        };
        tries.after(failure, growing.received()).await?;
    }
}

/// One try: asks for the rest and takes what comes.
async fn fetch(client: &TransferClient, url: &str, expected: Expected, growing: &mut Growing) -> Result<(), Failure> {
    let idle = client.retry.idle_timeout;
    let have = growing.received();
    let mut request = client.http.get(url);
    if let Some(etag) = growing.etag.clone().filter(|_| have > 0) {
        request = request
            .header(header::RANGE, format!("bytes={have}-"))
            .header(header::IF_RANGE, etag);
    }
    let response = timeout(idle, request.send())
        .await
        .map_err(|_| Failure::Passing(Stalled.into()))?;
    let response = response.map_err(passing)?;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // Everything was here already but for the end of the answer, or the content became shorter.
        growing.restart().await?;
        return Err(Failure::Passing("the server has no such range".into()));
    }
    let mut response = success(response, idle).await?;
    if response.status() == StatusCode::PARTIAL_CONTENT {
        if have == 0 || !starts_at(&response, have) {
            growing.restart().await?;
            return Err(Failure::Passing(
                "the server sent another range than was asked for".into(),
            ));
        }
    } else {
        growing.restart().await?;
        growing.etag = response.headers().get(header::ETAG).cloned();
    }
    let total = response
        .content_length()
        .map(|length| growing.received().saturating_add(length));
    if total.is_some_and(|total| total > expected.limit_bytes) {
        return Err(too_large(expected));
    }
    if let (Some(total), Some(size)) = (total, expected.size)
        && total != size
    {
        growing.restart().await?;
        return Err(Failure::Damaged);
    }
    loop {
        let chunk = timeout(idle, response.chunk())
            .await
            .map_err(|_| Failure::Passing(Stalled.into()))?;
        let Some(chunk) = chunk.map_err(passing)? else {
            return Ok(());
        };
        if growing.received().saturating_add(chunk.len() as u64) > expected.limit_bytes {
            return Err(too_large(expected));
        }
        growing.write(&chunk).await?;
    }
}

fn too_large(expected: Expected) -> Failure {
    Failure::Final(TransferError::TooLarge {
        limit: expected.limit_bytes,
    })
}

fn starts_at(response: &Response, position: u64) -> bool {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    first == Some(position)
}

impl Growing {
    fn received(&self) -> u64 {
        self.writer.as_ref().map_or(0, FileWriter::size)
    }

    fn io(&self, source: io::Error) -> Failure {
        Failure::Final(TransferError::Io {
            path: self.path.clone(),
            source,
        })
    }

    /// Begins anew with an empty file.
    async fn restart(&mut self) -> Result<(), Failure> {
        self.etag = None;
        // A chunk may still be on its way into the old file: that is unlinked and not emptied, so it stays out of this.
        self.writer = None;
        let path = self.path.clone();
        let made = spawn_blocking(move || {
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
            OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)
        });
        let file = made
            .await
            .map_err(io::Error::from)
            .flatten()
            .map_err(|error| self.io(error))?;
        self.writer = Some(FileWriter::new(file, None));
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let writer = self.writer.as_mut().expect("a try begins with a writer");
        let written = writer.write(bytes).await;
        written.map_err(|error| self.io(error))
    }

    /// Checks what came and puts it in place.
    async fn finish(&mut self, destination: &Path, expected: Expected) -> Result<Stored, Failure> {
        let writer = self.writer.take().expect("a try begins with a writer");
        let written = writer.finish().await.map_err(|error| self.io(error))?;
        let stored = Stored {
            size: written.size,
            sha256: written.sha256,
        };
        let size_differs = expected.size.is_some_and(|size| size != stored.size);
        if size_differs || expected.sha256.is_some_and(|sha256| sha256 != stored.sha256) {
            return Err(Failure::Damaged);
        }
        let (from, to) = (self.path.clone(), destination.to_owned());
        let renamed = spawn_blocking(move || std::fs::rename(from, to))
            .await
            .map_err(io::Error::from)
            .flatten();
        renamed.map_err(|error| self.io(error))?;
        self.kept = true;
        Ok(stored)
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let path = std::mem::take(&mut self.path);
        // Removing a large file takes long, and this runs on the runtime. One that was never made is no loss.
        let remove = move || drop(std::fs::remove_file(path));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
