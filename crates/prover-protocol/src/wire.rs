//! Frames on a pipe: a protobuf varint length, then a protobuf [`Frame`].
//!
//! What must stay true: no length that a peer announces makes us allocate more than [`MAX_FRAME_BYTES`]; an end of
//! the stream inside a frame is an error and never looks like an orderly end. What frames mean is not here.

use std::io::{self, Read};

use prost::Message as _;

use crate::proto::Frame;

/// Largest frame without its length prefix, in bytes. Contract: `proto/prover.proto`.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// Largest blob carried in a frame, in bytes. Contract: `proto/prover.proto`.
pub const MAX_INLINE_BYTES: usize = 64 << 10;

/// Most bytes that all inline blobs of one message have together: leaves half a frame for everything else.
pub const MAX_INLINE_TOTAL_BYTES: usize = MAX_FRAME_BYTES / 2;

/// Most bytes of a length prefix; a `u32` in protobuf's encoding never has more.
const MAX_PREFIX_BYTES: usize = 5;

/// Bytes asked of the operating system at once. A pipe on Linux holds 64 KiB.
const READ_CHUNK_BYTES: usize = 64 << 10;

/// Why bytes are not a frame, or a frame cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The pipe failed.
    #[error("the pipe failed")]
    Io(#[from] io::Error),
    /// The length is 0, beyond [`MAX_FRAME_BYTES`], or no varint of at most five bytes.
    #[error("a frame announces a length outside 1 to {MAX_FRAME_BYTES} bytes; is something else printing to the pipe?")]
    Length,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// The bytes are no `Frame`.
    #[error("a frame is not valid protobuf")]
    Decode(#[from] prost::DecodeError),
    /// A frame of ours is too large; put its blobs into files.
    #[error("a frame of {0} bytes is over the limit of {MAX_FRAME_BYTES}; put its blobs into files")]
    TooLarge(usize),
}

/// Appends `frame` with its length to `out`.
///
/// # Errors
///
/// [`WireError::TooLarge`] leaves `out` as it was.
pub fn encode(frame: &Frame, out: &mut Vec<u8>) -> Result<(), WireError> {
    let length = frame.encoded_len();
    if length == 0 {
        return Err(WireError::Length);
    }
    if length > MAX_FRAME_BYTES {
        return Err(WireError::TooLarge(length));
    }
    out.reserve(length + MAX_PREFIX_BYTES);
    frame
        .encode_length_delimited(out)
        .expect("a Vec grows to what is encoded into it");
    Ok(())
}

/// Turns bytes, in pieces of any size, into frames.
///
/// Holds at most one frame and one read more than the peer has completed.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` that were already returned as frames.
    consumed: usize,
}

impl Decoder {
    /// Appends bytes as they came from the peer.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete frame, or `None` until more bytes arrive.
    ///
    /// # Errors
    ///
    /// Any error is final: the stream has no boundary to go on from.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, WireError> {
        let pending = &self.buffer[self.consumed..];
        let Some((length, prefix)) = read_length(pending)? else {
            return Ok(None);
        };
        let Some(body) = pending.get(prefix..prefix + length) else {
            return Ok(None);
        };
        let frame = Frame::decode(body)?;
        self.consumed += prefix + length;
        Ok(Some(frame))
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`] inside a frame.
    pub fn finish(&self) -> Result<(), WireError> {
        if self.consumed == self.buffer.len() {
            Ok(())
        } else {
            Err(WireError::Truncated)
        }
    }

    /// Moves what is left to the front, so that the buffer does not grow with the stream.
    fn compact(&mut self) {
        if self.consumed == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..self.consumed);
        }
        self.consumed = 0;
    }
}

/// Returns the announced length and the bytes of its prefix, or `None` when the prefix is incomplete.
fn read_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut length = 0_u64;
    for (index, byte) in bytes.iter().take(MAX_PREFIX_BYTES).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return match usize::try_from(length) {
                Ok(length) if (1..=MAX_FRAME_BYTES).contains(&length) => Ok(Some((length, index + 1))),
                _ => Err(WireError::Length),
            };
        }
    }
    if bytes.len() >= MAX_PREFIX_BYTES {
        return Err(WireError::Length);
    }
    Ok(None)
}

/// Reads frames from a blocking pipe.
#[derive(Debug)]
pub struct FrameReader<R> {
    inner: R,
    decoder: Decoder,
    chunk: Box<[u8]>,
}

impl<R> FrameReader<R> {
    /// Reads from `inner`, which needs no buffer of its own.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            decoder: Decoder::default(),
            chunk: vec![0; READ_CHUNK_BYTES].into_boxed_slice(),
        }
    }
}

impl<R: Read> FrameReader<R> {
    /// Waits for the next frame; `None` at an end between frames.
    pub fn read(&mut self) -> Result<Option<Frame>, WireError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            match self.inner.read(&mut self.chunk) {
                Ok(0) => return self.decoder.finish().map(|()| None),
                Ok(count) => self.decoder.extend(&self.chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(feature = "host")]
impl<R: tokio::io::AsyncRead + Unpin> FrameReader<R> {
    /// Waits for the next frame; `None` at an end between frames. May be dropped between two frames without loss.
    pub async fn read_async(&mut self) -> Result<Option<Frame>, WireError> {
        use tokio::io::AsyncReadExt as _;
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            match self.inner.read(&mut self.chunk).await? {
                0 => return self.decoder.finish().map(|()| None),
                count => self.decoder.extend(&self.chunk[..count]),
            }
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
