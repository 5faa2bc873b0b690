//! Reading and writing past the system's cache, for blobs so large that caching them would cost more than it brings: they are
//! written once and read about once, and would push out what is read all the time. Copying into the cache is also most of
//! what storing them costs.
//!
//! What must stay true: a file system that cannot do it, or not for this piece, costs the detour and nothing else. Everything
//! here blocks.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use bytes::{Buf as _, Bytes, BytesMut};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// From here on a file is large: 16 MiB. Programs are smaller, and are read by every request.
pub(crate) const FROM_BYTES: u64 = 16 * 1024 * 1024;

/// Memory, offsets and lengths are multiples of it: as large as blocks of disks and pages of memory usually are.
const ALIGNMENT: usize = 4096;

/// Memory for `length` bytes that can be written from.
pub(crate) fn memory(length: usize) -> BytesMut {
    let mut memory = BytesMut::with_capacity(length + ALIGNMENT);
    let skipped = memory.as_ptr().align_offset(ALIGNMENT);
    memory.resize(skipped, 0);
    memory.advance(skipped);
    memory
}

/// Whether memory begins where it can be written from.
pub(crate) fn is_aligned(memory: &[u8]) -> bool {
    memory.as_ptr().align_offset(ALIGNMENT) == 0
}

/// Writes a piece. One at a time to a file.
pub(crate) fn write_all_at(file: &File, piece: &[u8], at: u64) -> io::Result<()> {
    if is_aligned(piece) && piece.len().is_multiple_of(ALIGNMENT) && set(file, true) {
        match file.write_all_at(piece, at) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            written => return written,
        }
    }
    // The end of a file usually, whose length is any. What an attempt has written is written again.
    set(file, false);
    file.write_all_at(piece, at)
}

/// Reads `length` bytes from `at`. Fails with [`io::ErrorKind::UnexpectedEof`] if the file is shorter. One at a time of a file.
pub(crate) fn read_exact_at(file: &File, length: usize, at: u64) -> io::Result<Bytes> {
    if set(file, true) {
        match read_around(file, length, at) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            read => return read,
        }
    }
    set(file, false);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at)?;
    Ok(Bytes::from(bytes))
}

/// Reads whole blocks, and gives the part of them that was asked for.
fn read_around(file: &File, length: usize, at: u64) -> io::Result<Bytes> {
    let before = usize::try_from(at % ALIGNMENT as u64).expect("smaller than a block");
    let begin = at - before as u64;
    let blocks = (before + length).next_multiple_of(ALIGNMENT);
    let mut memory = vec![0; blocks + ALIGNMENT];
    let skipped = memory.as_ptr().align_offset(ALIGNMENT);
    let mut filled = 0;
    while filled < before + length {
        let room = &mut memory[skipped + filled..skipped + blocks];
        match file.read_at(room, begin + filled as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => filled += more,
        }
    }
    let from = skipped + before;
    Ok(Bytes::from(memory).slice(from..from + length))
}

/// Says whether the file goes past the cache now, if that was asked for.
fn set(file: &File, past: bool) -> bool {
    let set = fcntl_getfl(file).and_then(|flags| {
        let wanted = if past {
            flags | OFlags::DIRECT
        } else {
            flags - OFlags::DIRECT
        };
        if wanted == flags {
            Ok(())
        } else {
            fcntl_setfl(file, wanted)
        }
    });
    set.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| u8::try_from(n % 251).expect("small")).collect()
    }

    #[test]
    fn what_is_written_is_read_wherever_it_begins_and_ends() {
        let file = tempfile::tempfile().expect("a file");
        let content = content(3 * ALIGNMENT + 5);
        let mut piece = memory(2 * ALIGNMENT);
        piece.extend_from_slice(&content[..2 * ALIGNMENT]);
        write_all_at(&file, &piece, 0).expect("whole blocks");
        write_all_at(&file, &content[2 * ALIGNMENT..], 2 * ALIGNMENT as u64).expect("the rest");
        for (at, length) in [
            (0, content.len()),
            (1, 1),
            (ALIGNMENT - 1, ALIGNMENT + 2),
            (content.len() - 1, 1),
        ] {
            let read = read_exact_at(&file, length, at as u64).expect("is there");
            assert_eq!(read, content[at..at + length], "{length} bytes from {at}");
        }
    }

    #[test]
    fn the_end_of_a_file_is_not_passed() {
        let file = tempfile::tempfile().expect("a file");
        write_all_at(&file, &content(100), 0).expect("writes");
        let error = read_exact_at(&file, 101, 0).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn memory_is_aligned_and_stays_so_when_it_is_used_again() {
        let mut memory = memory(10 * ALIGNMENT);
        for _ in 0..3 {
            memory.extend_from_slice(&content(10 * ALIGNMENT));
            assert!(is_aligned(&memory));
            memory = memory.freeze().try_into_mut().expect("nobody else has it");
            memory.clear();
        }
    }
}
