//! Reading blobs that the other side names: inline, or in a file.
//!
//! What must stay true: nothing is read beyond the caller's limit, nothing but a regular file is opened for long, and
//! the host opens an output only directly in the directory that it handed out, never through a symbolic link.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

use crate::proto::{Blob, NamedBlob, blob::At};
#[cfg(feature = "host")]
use crate::wire::MAX_INLINE_BYTES;

/// Most outputs of one reply.
pub const MAX_OUTPUTS: usize = 16;

/// Longest name of an input, output, system or kind, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Why a blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Neither inline nor a path.
    #[error("the blob has no content")]
    Empty,
    /// Larger than the reader accepts.
    #[error("the blob has more than the {limit} bytes that are accepted here")]
    TooLarge {
        /// What the reader accepts, in bytes.
        limit: u64,
    },
    /// An input's path is relative, or an output's is not directly in the output directory.
    #[error("the path {0} is not allowed here")]
    Path(PathBuf),
    /// The path is a directory, device, pipe or symbolic link.
    #[error("{0} is not a regular file")]
    NotAFile(PathBuf),
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Returns whether `name` is 1 to 64 characters of `a-z`, `0-9`, `-`, `_`, `.` and starts with none of the last three:
/// the form of names of systems, kinds, inputs and outputs, safe as a file name.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= MAX_NAME_BYTES
        && name.bytes().next().is_some_and(plain)
        && name
            .bytes()
            .all(|byte| plain(byte) || matches!(byte, b'-' | b'_' | b'.'))
}

/// Reads an input of a call: blocking, at most `limit` bytes.
pub fn read_blob(blob: &Blob, limit: u64) -> Result<Vec<u8>, BlobError> {
    match &blob.at {
        None => Err(BlobError::Empty),
        Some(At::Inline(bytes)) => read_inline(bytes, limit),
        Some(At::Path(path)) => {
            let path = Path::new(path);
            if !path.is_absolute() {
                return Err(BlobError::Path(path.to_owned()));
            }
            read_file(path, OFlags::empty(), limit)
        }
    }
}

/// Reads an output of a reply: blocking, at most `limit` bytes, only directly in `output_dir`.
pub fn read_output(blob: &Blob, output_dir: &Path, limit: u64) -> Result<Vec<u8>, BlobError> {
    match &blob.at {
        None => Err(BlobError::Empty),
        Some(At::Inline(bytes)) => read_inline(bytes, limit),
        Some(At::Path(path)) => {
            let path = Path::new(path);
            check_output_path(path, output_dir)?;
            read_file(path, OFlags::NOFOLLOW, limit)
        }
    }
}

/// Checks the form of a reply's outputs before anybody trusts them: bounded, named once each, and in place.
#[cfg(feature = "host")]
pub(crate) fn check_outputs(outputs: &[NamedBlob], output_dir: &str) -> Result<(), String> {
    if outputs.len() > MAX_OUTPUTS {
        return Err(format!("a reply has more than {MAX_OUTPUTS} outputs"));
    }
    for (index, output) in outputs.iter().enumerate() {
        let name = &output.name;
        if !is_plain_name(name) {
            return Err(format!("the output name {name:?} is not made of a-z, 0-9, - _ ."));
        }
        if outputs[..index].iter().any(|other| other.name == *name) {
            return Err(format!("the output {name} is there twice"));
        }
        match output.blob.as_ref().and_then(|blob| blob.at.as_ref()) {
            None => return Err(format!("the output {name} has no content")),
            Some(At::Inline(bytes)) if bytes.len() > MAX_INLINE_BYTES => {
                return Err(format!(
                    "the output {name} is inline, but over {MAX_INLINE_BYTES} bytes"
                ));
            }
            Some(At::Inline(_)) => {}
            Some(At::Path(path)) => check_output_path(Path::new(path), Path::new(output_dir))
                .map_err(|error| format!("the output {name}: {error}"))?,
        }
    }
    Ok(())
}

fn check_output_path(path: &Path, output_dir: &Path) -> Result<(), BlobError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let direct = path.parent() == Some(output_dir) && name.is_some_and(is_plain_name);
    if direct && output_dir.is_absolute() {
        Ok(())
    } else {
        Err(BlobError::Path(path.to_owned()))
    }
}

fn read_inline(bytes: &[u8], limit: u64) -> Result<Vec<u8>, BlobError> {
    if bytes.len() as u64 > limit {
        return Err(BlobError::TooLarge { limit });
    }
    Ok(bytes.to_vec())
}

fn read_file(path: &Path, extra: OFlags, limit: u64) -> Result<Vec<u8>, BlobError> {
    let io_error = |source: io::Error| BlobError::Io {
        path: path.to_owned(),
        source,
    };
    // NONBLOCK: opening a named pipe must not wait for its other end.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | extra;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(BlobError::NotAFile(path.to_owned())),
        Err(error) => return Err(io_error(error.into())),
    };
    let metadata = file.metadata().map_err(io_error)?;
    if !metadata.is_file() {
        return Err(BlobError::NotAFile(path.to_owned()));
    }
    if metadata.len() > limit {
        return Err(BlobError::TooLarge { limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // One byte more than allowed: a file that grows while it is read is noticed.
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io_error)?;
    read_inline_owned(bytes, limit)
}

fn read_inline_owned(bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>, BlobError> {
    if bytes.len() as u64 > limit {
        return Err(BlobError::TooLarge { limit });
    }
    Ok(bytes)
}

impl NamedBlob {
    /// Makes a blob that travels in the frame; at most [`crate::wire::MAX_INLINE_BYTES`].
    pub fn inline(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            blob: Some(Blob {
                at: Some(At::Inline(bytes.into())),
            }),
        }
    }

    /// Makes a blob that lies in a file at an absolute path.
    pub fn file(name: impl Into<String>, path: &Path) -> Self {
        Self {
            name: name.into(),
            blob: Some(Blob {
                at: Some(At::Path(path.to_string_lossy().into_owned())),
            }),
        }
    }

    /// Finds a blob by its name.
    pub fn find<'a>(blobs: &'a [Self], name: &str) -> Option<&'a Blob> {
        blobs
            .iter()
            .find(|blob| blob.name == name)
            .and_then(|blob| blob.blob.as_ref())
    }
}

#[cfg(test)]
#[path = "blob_tests.rs"]
mod tests;
